//! Text with a delimiter: CSV (RFC 4180) and its kin, told by their first lines.

use std::ops::Range;

use super::names;
use super::rules::ColumnRule;
use super::sheet::Columns;
use crate::family::Seen;

/// How much of a file says what it is.
const SAMPLE: usize = 64 * 1024;
const SAMPLE_ROWS: usize = 20;

/// A quoted field that is longer is no quoted field.
const MAX_FIELD: usize = 64 * 1024;

/// More columns than a table has.
const MAX_FIELDS: usize = 1024;

/// The longest value in a file of one value a line.
const LONGEST_WORD: usize = 128;

/// Rows whose values alone say what a column is.
const TELLING_ROWS: usize = 3;

/// The fields of a row by their places.
type Fields = Vec<Range<usize>>;

/// A table of this sort, its columns known.
#[derive(Debug)]
pub(super) struct Delimited {
    /// `None` is one column.
    delimiter: Option<u8>,
    columns: Vec<usize>,
    /// Rows before the first record: comments apart, the header.
    skip: usize,
}

/// The fields of the row at `at` and where the next one begins. Quotes are not part of a field.
fn row(text: &[u8], at: usize, end: usize, delimiter: Option<u8>, fields: &mut Fields) -> usize {
    fields.clear();
    let mut at = at;
    loop {
        let mut start = at;
        let mut stop = None;
        if text.get(at) == Some(&b'"') && delimiter.is_some() {
            stop = closing_quote(text, at + 1, end.min(at + MAX_FIELD));
            if let Some(stop) = stop {
                start += 1;
                at = stop + 1;
            }
        }
        while at < end && text[at] != b'\n' && Some(text[at]) != delimiter {
            at += 1;
        }
        let mut field = start..stop.unwrap_or(at);
        if stop.is_none() && field.end > field.start && text[field.end - 1] == b'\r' {
            field.end -= 1;
        }
        fields.push(field);
        if at >= end {
            return end;
        }
        at += 1;
        if text[at - 1] == b'\n' {
            return at;
        }
        if fields.len() == MAX_FIELDS {
            let rest = &text[at..end];
            return rest.iter().position(|b| *b == b'\n').map_or(end, |n| at + n + 1);
        }
    }
}

/// The quote that ends a field: not doubled, and with nothing but a delimiter's neighbourhood behind it.
fn closing_quote(text: &[u8], at: usize, end: usize) -> Option<usize> {
    let mut at = at;
    while at < end {
        match (text[at], text.get(at + 1)) {
            (b'"', Some(b'"')) => at += 2,
            (b'"', _) => return Some(at),
            _ => at += 1,
        }
    }
    None
}

fn is_skipped(text: &[u8], row: &[Range<usize>]) -> bool {
    let Some(first) = row.first() else { return true };
    (row.len() == 1 && text[first.clone()].trim_ascii().is_empty()) || text[first.clone()].starts_with(b"#")
}

/// The first line that says anything, without blanks around it.
fn first_line(text: &[u8], begin: usize, end: usize) -> Option<&[u8]> {
    text[begin..end].split(|b| *b == b'\n').map(<[u8]>::trim_ascii).find(|l| !l.is_empty() && !l.starts_with(b"#"))
}

/// Whether a cell can be the name of a column.
fn is_name(cell: &[u8]) -> bool {
    let cell = cell.trim_ascii();
    cell.first().is_some_and(u8::is_ascii_alphabetic)
        && cell.len() <= names::LONGEST
        && cell.iter().all(|b| b.is_ascii_alphanumeric() || b" _./()#%&:-".contains(b))
}

impl Delimited {
    /// The table that begins at `part.start`, where the first lines make one that a rule could be about.
    pub(super) fn sniff(rules: &[ColumnRule], columns: &mut Columns, text: &[u8], part: Range<usize>) -> Option<Self> {
        let bom = usize::from(text[part.clone()].starts_with(b"\xEF\xBB\xBF")) * 3;
        let begin = part.start + bom;
        let whole = part.end <= begin + SAMPLE;
        let end = part.end.min(begin + SAMPLE);
        let sample = |delimiter| {
            let mut rows: Vec<Fields> = Vec::new();
            let mut fields = Vec::new();
            let mut at = begin;
            while at < end && rows.len() < SAMPLE_ROWS {
                let next = row(text, at, end, delimiter, &mut fields);
                // A row that the sample cuts says nothing.
                if (next < end || whole || text[end - 1] == b'\n') && !is_skipped(text, &fields) {
                    rows.push(fields.clone());
                }
                at = next;
            }
            rows
        };
        let first = first_line(text, begin, end)?;
        // Most files end here, before anything is taken apart.
        let delimiters = [b'\t', b',', b';', b'|'];
        if !delimiters.iter().any(|d| first.contains(d)) && (first.len() > LONGEST_WORD || first.contains(&b' ')) {
            return None;
        }
        let mut best: Option<(Option<u8>, Vec<Fields>)> = None;
        for delimiter in delimiters {
            if !first.contains(&delimiter) {
                continue;
            }
            let rows = sample(Some(delimiter));
            let width = rows.first().map_or(0, Vec::len);
            let better = best.as_ref().is_none_or(|(_, b)| b[0].len() < width);
            if rows.len() > 1 && width > 1 && rows.iter().all(|r| r.len() == width) && better {
                best = Some((Some(delimiter), rows));
            }
        }
        let (delimiter, rows) = match best {
            Some(best) => best,
            // One column: words of one line each.
            None if first.len() <= LONGEST_WORD && !first.contains(&b' ') => (None, sample(None)),
            None => return None,
        };
        Self::with(rules, columns, text, delimiter, &rows)
    }

    fn with(
        rules: &[ColumnRule],
        columns: &mut Columns,
        text: &[u8],
        delimiter: Option<u8>,
        rows: &[Fields],
    ) -> Option<Self> {
        let head = rows.first()?;
        let named = head.iter().all(|c| is_name(&text[c.clone()])) && (delimiter.is_some() || rows.len() > 1);
        let body = rows.get(usize::from(named)..)?;
        let mut list = Vec::with_capacity(head.len());
        for (n, cell) in head.iter().enumerate() {
            let name = if named { names::words(&text[cell.clone()]) } else { String::new() };
            let column = columns.add(rules, name)?;
            list.push(column);
            for (rule, kind) in rules.iter().enumerate().filter_map(|(n, r)| r.telling().map(|k| (n, k))) {
                let mut values = body.iter().filter_map(|r| r.get(n)).map(|c| text[c.clone()].trim_ascii()).peekable();
                let enough = body.len() >= TELLING_ROWS && values.peek().is_some();
                if enough && values.all(|v| kind.is(v)) {
                    columns.tell(column, rule);
                }
            }
        }
        columns.can_fulfil(rules, &list).then_some(Self { delimiter, columns: list, skip: usize::from(named) })
    }

    /// Reads the rows of a part.
    pub(super) fn part(
        &mut self,
        rules: &[ColumnRule],
        columns: &mut Columns,
        text: &[u8],
        part: Range<usize>,
        seen: &mut Seen,
    ) {
        let (mut fields, mut marks) = (Vec::new(), Vec::new());
        let mut at = part.start;
        while at < part.end {
            let next = row(text, at, part.end, self.delimiter, &mut fields);
            at = next;
            if is_skipped(text, &fields) || fields.len() != self.columns.len() {
                continue;
            }
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            marks.clear();
            for (column, field) in self.columns.iter().zip(&fields) {
                columns.value(rules, *column, text, field.clone(), &mut marks, seen);
            }
            columns.record(rules, &marks, &[], next, seen);
        }
    }
}
