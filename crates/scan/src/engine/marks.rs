//! Inline suppressions: `countersign:allow RULE reason: TEXT` in a comment, on the line of the match or alone on the
//! line before it. A mark only asks; without a reason it does nothing and is itself reported.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use super::excerpt;
use super::foreign_marks::{FOREIGN, ForeignMark, Lines};
use super::position::{Cursor, Place};

/// What the engine searches for, without regard to case.
const MARK: &str = "countersign:allow";

/// How many words the engine searches for to find marks: this program's own, then those of other tools.
pub(crate) const MARKS: usize = 1 + FOREIGN.len();

/// These words.
pub(crate) fn words() -> impl Iterator<Item = &'static str> {
    std::iter::once(MARK).chain(FOREIGN.iter().map(|m| m.text))
}

/// A word of [`words`] in a text: which it is, and where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MarkHit {
    pub(super) word: usize,
    pub(super) at: usize,
}

/// How far a mark's line is read in each direction.
const LINE: usize = 1024;

/// The longest reason, in characters.
const REASON: usize = 300;

/// More marks on one line than anybody writes. The rest of them do nothing.
const PER_LINE: usize = 16;

/// What begins a comment in the languages and formats that have them. A mark elsewhere is text about marks.
const OPENERS: [&[u8]; 10] = [b"#", b"//", b"/*", b"*", b"<!--", b"--", b";", b"%", b"(*", b"{-"];

/// What ends one; not part of a reason.
const CLOSERS: [&str; 7] = ["*/", "-->", "*)", "-}", "#}", "%>", "--%>"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// A rule's id or `*`.
    rule: String,
    /// The reason, where there is one.
    pub(super) reason: Option<String>,
    /// Nothing else stands on its line, so it speaks for the next one.
    alone: bool,
    /// From the mark to the end of the rule's name.
    pub(super) span: Range<usize>,
}

/// The marks of a piece of text, by line.
#[derive(Debug, Default)]
pub(super) struct Marks {
    own: BTreeMap<u64, Vec<Mark>>,
    /// Marks of other tools, by the line that they speak for.
    foreign: BTreeMap<u64, &'static ForeignMark>,
    /// Where marks of other tools begin and stop to speak for all lines.
    switches: Vec<(u64, Option<&'static ForeignMark>)>,
}

impl Marks {
    /// Reads the marks that begin at `hits`, which are sorted by place. `hidden` is left out of reasons.
    pub(super) fn read(text: &[u8], start: Place, hits: &[MarkHit], hidden: &[Range<usize>]) -> Self {
        let mut cursor = Cursor::new(text, start);
        let mut marks = Self::default();
        for hit in hits {
            let line = cursor.to(hit.at).line;
            if let Some(foreign) = hit.word.checked_sub(1).and_then(|n| FOREIGN.get(n)) {
                // `secretlint-disable` begins the longer ones too.
                if matches!(text.get(hit.at + foreign.text.len()), Some(b'-' | b'_') | Some(b'a'..=b'z')) {
                    continue;
                }
                match foreign.lines {
                    Lines::Own => _ = marks.foreign.insert(line, foreign),
                    Lines::Next => _ = marks.foreign.insert(line + 1, foreign),
                    Lines::On => marks.switches.push((line, Some(foreign))),
                    Lines::Off => marks.switches.push((line, None)),
                }
                continue;
            }
            let known = marks.own.get(&line).map_or(0, Vec::len);
            if known < PER_LINE
                && let Some(mark) = parse(text, hit.at, hidden)
            {
                marks.own.entry(line).or_default().push(mark);
            }
        }
        marks
    }

    /// The reason of the mark that speaks for a match of `rule` on `line`.
    pub(super) fn reason(&self, rule: &str, line: u64) -> Option<Cow<'_, str>> {
        let speaks = |m: &&Mark| m.rule == "*" || m.rule == rule;
        let same = self.own.get(&line).into_iter().flatten();
        let before = line.checked_sub(1).and_then(|l| self.own.get(&l)).into_iter().flatten().filter(|m| m.alone);
        if let Some(reason) = same.chain(before).filter(speaks).find_map(|m| m.reason.as_deref()) {
            return Some(Cow::Borrowed(reason));
        }
        let switched = self.switches[..self.switches.partition_point(|(l, _)| *l <= line)].last().and_then(|(_, m)| *m);
        let mark = self.foreign.get(&line).copied().or(switched)?;
        Some(Cow::Owned(format!("`{}`, a mark of {} that gives no reason", mark.text, mark.tool)))
    }

    /// The marks that give no reason.
    pub(super) fn without_reason(&self) -> impl Iterator<Item = &Mark> {
        self.own.values().flatten().filter(|m| m.reason.is_none())
    }
}

fn parse(text: &[u8], at: usize, hidden: &[Range<usize>]) -> Option<Mark> {
    let floor = at.saturating_sub(LINE);
    let line_start = text[floor..at].iter().rposition(|b| *b == b'\n').map(|n| floor + n + 1);
    let begun = line_start.is_some() || floor == 0;
    let before = &text[line_start.unwrap_or(floor)..at];
    if !OPENERS.iter().any(|o| before.windows(o.len()).any(|w| w == *o)) {
        return None;
    }
    let alone =
        begun && before.iter().all(|b| b.is_ascii() && !b.is_ascii_alphanumeric() && !matches!(b, b'"' | b'\''));

    let name = at + MARK.len();
    let ceiling = text.len().min(name.saturating_add(LINE));
    let end = text[name..ceiling].iter().position(|b| matches!(b, b'\n' | b'\r')).map_or(ceiling, |n| name + n);
    let name = name + blanks(&text[name..end])?;
    let length = text[name..end].iter().take_while(|b| is_rule(**b)).count();
    let rule = std::str::from_utf8(&text[name..name + length]).ok()?;
    if rule != "*" && (!rule.contains('/') || rule.contains('*')) {
        return None;
    }
    let stop = name + length;
    Some(Mark { rule: rule.to_owned(), reason: reason(text, stop..end, hidden), alone, span: at..stop })
}

/// How many blanks there are; `None` when there is none.
fn blanks(text: &[u8]) -> Option<usize> {
    let n = text.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    (n > 0).then_some(n)
}

const fn is_rule(b: u8) -> bool {
    matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'/' | b'*')
}

fn reason(text: &[u8], range: Range<usize>, hidden: &[Range<usize>]) -> Option<String> {
    const WORD: &[u8] = b"reason:";
    let start = range.start + blanks(&text[range.clone()])?;
    let word = text.get(start..start + WORD.len()).filter(|_| start + WORD.len() <= range.end)?;
    if !word.eq_ignore_ascii_case(WORD) {
        return None;
    }
    let shown = excerpt::show(text, start + WORD.len()..range.end, hidden);
    let mut shown = shown.trim();
    while let Some(shorter) = CLOSERS.iter().find_map(|c| shown.strip_suffix(c)) {
        shown = shorter.trim_end();
    }
    shown.chars().any(char::is_alphanumeric).then(|| shown.chars().take(REASON).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Marks {
        let mut hits: Vec<MarkHit> = words()
            .enumerate()
            .flat_map(|(word, w)| text.match_indices(w).map(move |(at, _)| MarkHit { word, at }))
            .collect();
        hits.sort_by_key(|h| (h.at, h.word));
        Marks::read(text.as_bytes(), Place::default(), &hits, &[])
    }

    #[test]
    fn a_mark_speaks_for_its_line_and_alone_for_the_next() {
        let marks = read("x = 1 # countersign:allow a/b reason: sample value\ny = 2\n");
        assert_eq!(marks.reason("a/b", 0).as_deref(), Some("sample value"));
        assert_eq!(marks.reason("a/c", 0), None);
        assert_eq!(marks.reason("a/b", 1), None);
        let marks = read("  /* countersign:allow * reason: from the handbook */\ny = 2\nz\n");
        assert_eq!(marks.reason("any/rule", 1).as_deref(), Some("from the handbook"));
        assert_eq!(marks.reason("any/rule", 2), None);
    }

    #[test]
    fn marks_of_other_tools_ask_too() {
        let marks = read(
            "a # gitleaks:allow\nb\n# pragma: allowlist nextline secret\nc\n// secretlint-disable\nd\ne\n// secretlint-enable\nf\n\
             // secretlint-disable-next-line\ng\nh // secretlint-disable-line\ni\n",
        );
        let asked: Vec<u64> = (0..13).filter(|l| marks.reason("any/rule", *l).is_some()).collect();
        assert_eq!(asked, [0, 3, 4, 5, 6, 10, 11]);
        assert_eq!(
            marks.reason("a/b", 3).unwrap(),
            "`pragma: allowlist nextline secret`, a mark of detect-secrets that gives no reason"
        );
        assert_eq!(marks.without_reason().count(), 0);
    }

    #[test]
    fn without_a_reason_it_does_nothing() {
        for text in [
            "# countersign:allow a/b",
            "# countersign:allow a/b reason:",
            "# countersign:allow a/b reason:  -->",
            "# countersign:allow a/b because I say so",
        ] {
            let marks = read(text);
            assert_eq!(marks.reason("a/b", 0), None, "{text}");
            assert_eq!(marks.without_reason().count(), 1, "{text}");
        }
    }

    #[test]
    fn text_about_marks_is_no_mark() {
        for text in [
            "write countersign:allow a/b",
            "# countersign:allow RULE",
            "# countersign:allow",
            "# countersign:allow a/*",
        ] {
            let marks = read(text);
            assert_eq!(marks.without_reason().count(), 0, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(before: String, after in "[ \t*a-z/]{0,12}(reason:)?.{0,20}") {
            let text = format!("{before}#{MARK}{after}");
            let marks = read(&text);
            prop_assert!(marks.without_reason().count() <= 2);
        }
    }
}
