//! SQL dumps: `INSERT INTO … VALUES`, `COPY … FROM stdin`, and `CREATE TABLE` for the names that an `INSERT` leaves out.

use std::collections::HashMap;
use std::ops::Range;

use super::names;
use super::rules::ColumnRule;
use super::sheet::Columns;
use crate::family::Seen;

/// Tables and columns that are remembered.
const MAX_TABLES: usize = 1024;
const MAX_COLUMNS: usize = 512;

/// How long a list of columns may be, in bytes.
const MAX_LIST: usize = 64 * 1024;

/// What begins a statement that is read.
pub(super) const KEYWORDS: [&str; 3] = ["insert into", "create table", " from stdin"];

/// What a table's columns are called, in order.
type List = Vec<Vec<u8>>;

/// A reader that keeps what is open from part to part.
#[derive(Debug, Default)]
pub(super) struct Sql {
    created: HashMap<Vec<u8>, List>,
    /// Columns by table and their names; an empty list is one that no rule is about.
    sheets: HashMap<Vec<u8>, Vec<usize>>,
    open: Option<Open>,
}

/// A statement that goes on in the next part.
#[derive(Debug, Clone)]
struct Open {
    columns: Vec<usize>,
    is_copy: bool,
}

/// A place in a part; every question beyond the end is answered with no.
struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    end: usize,
}

impl Reader<'_> {
    fn byte(&self) -> Option<u8> {
        (self.at < self.end).then(|| self.text[self.at])
    }

    /// Over white space and comments.
    fn space(&mut self) {
        loop {
            let rest = &self.text[self.at.min(self.end)..self.end];
            let blank = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
            let rest = &rest[blank..];
            self.at += blank;
            let comment = match rest {
                [b'-', b'-', ..] => rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len()),
                [b'/', b'*', ..] => rest.windows(2).position(|w| w == b"*/").map_or(rest.len(), |n| n + 2),
                _ => return,
            };
            self.at += comment;
        }
    }

    /// Over `word` in any case.
    fn word(&mut self, word: &str) -> bool {
        self.space();
        let found = self.text.get(self.at..self.end.min(self.at + word.len()));
        let found = found.is_some_and(|f| f.eq_ignore_ascii_case(word.as_bytes()));
        if found {
            self.at += word.len();
        }
        found
    }

    fn sign(&mut self, sign: u8) -> bool {
        self.space();
        let found = self.byte() == Some(sign);
        self.at += usize::from(found);
        found
    }

    /// The last part of a name, quoted or not: `"public"."clients"` is `clients`.
    fn name(&mut self) -> Option<Vec<u8>> {
        let mut name = Vec::new();
        loop {
            self.space();
            name.clear();
            let close = match self.byte()? {
                b'"' => Some(b'"'),
                b'`' => Some(b'`'),
                b'[' => Some(b']'),
                _ => None,
            };
            self.at += usize::from(close.is_some());
            while let Some(byte) = self.byte() {
                let goes_on = match close {
                    Some(close) => byte != close && byte != b'\n',
                    None => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'#') || byte >= 0x80,
                };
                if !goes_on || name.len() == names::LONGEST {
                    break;
                }
                name.push(byte);
                self.at += 1;
            }
            if let Some(close) = close
                && !self.sign(close)
            {
                return None;
            }
            if self.byte() != Some(b'.') {
                return (!name.is_empty()).then_some(name);
            }
            self.at += 1;
        }
    }

    /// `(a, b, c)`.
    fn list(&mut self) -> Option<List> {
        let mut list = Vec::new();
        if !self.sign(b'(') {
            return None;
        }
        loop {
            list.push(self.name()?);
            if self.sign(b')') {
                return Some(list);
            }
            if !self.sign(b',') || list.len() == MAX_COLUMNS {
                return None;
            }
        }
    }

    /// The values of `(…, …)` whose bracket has been read; quotes are not part of a value. `None` when it does not end.
    fn values(&mut self, values: &mut Vec<Range<usize>>) -> Option<()> {
        values.clear();
        loop {
            self.space();
            let value = if self.byte()? == b'\'' {
                let start = self.at + 1;
                self.at = quoted_end(self.text, start, self.end)?;
                let value = start..self.at;
                self.at += 1;
                // A cast may follow.
                self.bare()?;
                value
            } else {
                let start = self.at;
                self.bare()?;
                let mut value = start..self.at;
                // `N'…'`, `E'…'`: the quotes are inside.
                let text = &self.text[value.clone()];
                if let [b'N' | b'E' | b'n' | b'e', b'\'', .., b'\''] = text
                    && text.len() > 3
                {
                    value = value.start + 2..value.end - 1;
                }
                value
            };
            if values.len() == MAX_COLUMNS {
                return None;
            }
            values.push(value);
            self.space();
            match self.byte()? {
                b',' => self.at += 1,
                b')' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// To the comma or bracket that ends a value: calls and strings in between are stepped over.
    fn bare(&mut self) -> Option<()> {
        let mut depth = 0_u32;
        loop {
            match self.byte()? {
                b',' | b')' if depth == 0 => return Some(()),
                b'(' => depth += 1,
                b')' => depth -= 1,
                b'\'' => self.at = quoted_end(self.text, self.at + 1, self.end)?,
                b';' if depth == 0 => return None,
                _ => {}
            }
            self.at += 1;
        }
    }
}

/// The quote that ends a string: neither doubled nor behind a backslash.
fn quoted_end(text: &[u8], at: usize, end: usize) -> Option<usize> {
    let mut at = at;
    while at < end {
        match text[at] {
            b'\\' => at += 2,
            b'\'' if text.get(at + 1) == Some(&b'\'') => at += 2,
            b'\'' => return Some(at),
            _ => at += 1,
        }
    }
    None
}

impl Sql {
    /// Reads the statements of a part, whose beginnings are near `hits`.
    pub(super) fn part(
        &mut self,
        rules: &[ColumnRule],
        columns: &mut Columns,
        text: &[u8],
        part: Range<usize>,
        hits: &[(usize, Range<usize>)],
        seen: &mut Seen,
    ) {
        let mut reader = Reader { text, at: part.start, end: part.end };
        if let Some(open) = self.open.take() {
            if open.is_copy {
                self.copy(rules, columns, &mut reader, open.columns, seen);
            } else {
                resume(&mut reader);
                self.tuples(rules, columns, &mut reader, open.columns, seen);
            }
        }
        for (keyword, hit) in hits {
            // Within a statement that was read already, or one word of a longer one.
            if hit.start < reader.at || hit.start < part.start || hit.end > part.end {
                continue;
            }
            reader.at = hit.end;
            match keyword {
                0 => {
                    let Some(table) = reader.name() else { continue };
                    let list = reader.list().or_else(|| self.created.get(&table).cloned());
                    let (Some(list), true) = (list, reader.word("values")) else { continue };
                    let sheet = self.sheet(rules, columns, &table, &list);
                    if !sheet.is_empty() {
                        self.tuples(rules, columns, &mut reader, sheet, seen);
                    }
                }
                1 => {
                    if reader.word("if") {
                        reader.word("not");
                        reader.word("exists");
                    }
                    if let Some((table, list)) = created(&mut reader)
                        && self.created.len() < MAX_TABLES
                    {
                        self.created.insert(table, list);
                    }
                }
                _ => {
                    // `COPY clients (name, ssn) FROM stdin;` was read from its end.
                    let floor = hit.start.saturating_sub(MAX_LIST).max(part.start);
                    let line =
                        text[floor..hit.start].iter().rposition(|b| *b == b'\n').map_or(floor, |n| floor + n + 1);
                    let mut head = Reader { text, at: line, end: hit.start };
                    if !head.word("copy ") {
                        continue;
                    }
                    let Some(table) = head.name() else { continue };
                    let Some(list) = head.list().or_else(|| self.created.get(&table).cloned()) else { continue };
                    let rest = &text[hit.end..part.end];
                    let Some(line_end) = rest.iter().position(|b| *b == b'\n') else { continue };
                    reader.at = hit.end + line_end + 1;
                    let sheet = self.sheet(rules, columns, &table, &list);
                    self.copy(rules, columns, &mut reader, sheet, seen);
                }
            }
        }
    }

    fn sheet(&mut self, rules: &[ColumnRule], columns: &mut Columns, table: &[u8], list: &List) -> Vec<usize> {
        let mut key = table.to_vec();
        for name in list {
            key.push(0);
            key.extend_from_slice(name);
        }
        if let Some(known) = self.sheets.get(&key) {
            return known.clone();
        }
        if self.sheets.len() == MAX_TABLES {
            return Vec::new();
        }
        let new: Option<Vec<usize>> = list.iter().map(|n| columns.add(rules, names::within(table, n))).collect();
        let new = new.filter(|n| columns.can_fulfil(rules, n)).unwrap_or_default();
        self.sheets.insert(key, new.clone());
        new
    }

    /// `(…), (…), …` as records.
    fn tuples(
        &mut self,
        rules: &[ColumnRule],
        columns: &mut Columns,
        reader: &mut Reader<'_>,
        sheet: Vec<usize>,
        seen: &mut Seen,
    ) {
        let (mut values, mut marks) = (Vec::new(), Vec::new());
        let mut good = reader.at;
        while reader.sign(b'(') {
            let begin = reader.at;
            if reader.values(&mut values).is_none() {
                // Cut by the end of the part, or no tuple.
                if reader.at >= reader.end {
                    self.open = Some(Open { columns: sheet, is_copy: false });
                }
                reader.at = begin;
                return;
            }
            good = reader.at;
            marks.clear();
            if values.len() == sheet.len() {
                for (column, value) in sheet.iter().zip(&values) {
                    columns.value(rules, *column, reader.text, value.clone(), &mut marks, seen);
                }
                columns.record(rules, &marks, &[], reader.at, seen);
            }
            if !reader.sign(b',') {
                break;
            }
        }
        reader.space();
        if reader.at >= reader.end {
            self.open = Some(Open { columns: sheet, is_copy: false });
        } else {
            reader.at = good;
        }
    }

    /// Lines of values with tabs between them, to the line `\.`.
    fn copy(
        &mut self,
        rules: &[ColumnRule],
        columns: &mut Columns,
        reader: &mut Reader<'_>,
        sheet: Vec<usize>,
        seen: &mut Seen,
    ) {
        let mut marks = Vec::new();
        while reader.at < reader.end {
            let rest = &reader.text[reader.at..reader.end];
            let length = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
            let line = &rest[..length];
            let begin = reader.at;
            reader.at = (begin + length + 1).min(reader.end);
            if line.starts_with(b"\\.") {
                return;
            }
            if sheet.is_empty() || line.split(|b| *b == b'\t').count() != sheet.len() {
                continue;
            }
            marks.clear();
            let mut at = begin;
            for (column, value) in sheet.iter().zip(line.split(|b| *b == b'\t')) {
                columns.value(rules, *column, reader.text, at..at + value.len(), &mut marks, seen);
                at += value.len() + 1;
            }
            columns.record(rules, &marks, &[], reader.at, seen);
        }
        self.open = Some(Open { columns: sheet, is_copy: true });
    }
}

/// To the first tuple that begins in this part.
fn resume(reader: &mut Reader<'_>) {
    let rest = &reader.text[reader.at..reader.end];
    let mut before = None;
    for (n, byte) in rest.iter().enumerate() {
        if *byte == b'(' && matches!(before, None | Some(b',')) {
            reader.at += n;
            return;
        }
        if !byte.is_ascii_whitespace() {
            before = Some(*byte);
        }
    }
    reader.at = reader.end;
}

/// `CREATE TABLE` from the name on: the first word of each line between the brackets that names a column.
fn created(reader: &mut Reader<'_>) -> Option<(Vec<u8>, List)> {
    let table = reader.name()?;
    if !reader.sign(b'(') {
        return None;
    }
    let limit = reader.end.min(reader.at + MAX_LIST);
    let mut reader = Reader { text: reader.text, at: reader.at, end: limit };
    let mut list = Vec::new();
    loop {
        let name = reader.name()?;
        let other = [
            "primary",
            "key",
            "unique",
            "constraint",
            "foreign",
            "index",
            "check",
            "fulltext",
            "spatial",
            "exclude",
            "period",
            "like",
        ];
        if !other.iter().any(|o| name.eq_ignore_ascii_case(o.as_bytes())) {
            list.push(name);
        }
        reader.bare()?;
        match reader.byte()? {
            b',' if list.len() < MAX_COLUMNS => reader.at += 1,
            _ => return Some((table, list)),
        }
    }
}
