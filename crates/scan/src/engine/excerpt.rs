//! What a report shows of a line: never a value, never a byte that a terminal would obey.

use std::fmt::Write as _;
use std::ops::Range;

/// The longest excerpt, in characters.
const LENGTH: usize = 160;

/// How many bytes on each side of a value are looked at for an excerpt.
const AROUND: usize = 240;

/// How many characters before the value stay when a line is cut.
const BEFORE: usize = 60;

/// Joins ranges that overlap; sorted. What comes out is what excerpts leave out.
pub(super) fn join(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|r| (r.start, r.end));
    ranges.dedup_by(|next, kept| {
        let joined = next.start < kept.end;
        if joined {
            kept.end = kept.end.max(next.end);
        }
        joined
    });
    ranges
}

/// The line or lines of `value`, cut to size around it. `hidden` comes from [`join`].
pub(super) fn excerpt(text: &[u8], value: &Range<usize>, hidden: &[Range<usize>]) -> String {
    let floor = value.start.saturating_sub(AROUND);
    let start = text[floor..value.start].iter().rposition(|b| *b == b'\n').map_or(floor, |n| floor + n + 1);
    let ceiling = value.end.saturating_add(AROUND).min(text.len());
    let end = text[value.end..ceiling].iter().position(|b| *b == b'\n').map_or(ceiling, |n| value.end + n);
    let begun = start == 0 || text.get(start.wrapping_sub(1)) == Some(&b'\n');
    let ended = end == text.len() || text.get(end) == Some(&b'\n');

    // The carriage return of a line end is part of the end.
    let shown = if ended && end > value.end && text[end - 1] == b'\r' { end - 1 } else { end };

    let before = show(text, start..value.start, hidden);
    let rest = show(text, value.start..shown, hidden);
    let before = if begun { before.trim_start().to_owned() } else { before };
    let rest = rest.trim_end();

    let mut out = String::with_capacity(LENGTH);
    let count = before.chars().count();
    let total = count + rest.chars().count();
    // The ellipses are characters too.
    let room = LENGTH - 2;
    let keep = if total <= room { count } else { count.min(BEFORE) };
    if keep < count || !begun {
        out.push('…');
    }
    out.extend(before.chars().skip(count - keep));
    let space = room - keep.min(room);
    out.extend(rest.chars().take(space));
    if rest.chars().count() > space || !ended {
        out.push('…');
    }
    out
}

/// `range` of `text`, hidden parts replaced by their length and everything unprintable escaped.
pub(super) fn show(text: &[u8], range: Range<usize>, hidden: &[Range<usize>]) -> String {
    let mut out = String::new();
    let mut at = range.start;
    let first = hidden.partition_point(|h| h.end <= range.start);
    for gone in hidden.iter().skip(first).take_while(|h| h.start < range.end) {
        // A value that began before the range is shown there.
        if gone.start >= range.start {
            escape(&text[at..gone.start], &mut out);
            let _ = write!(out, "[redacted:{}]", gone.len());
        }
        at = gone.end.min(range.end);
    }
    escape(&text[at..range.end], &mut out);
    out
}

fn escape(bytes: &[u8], out: &mut String) {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_printable(c) {
                out.push(c);
            } else {
                out.extend(c.escape_default());
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
}

/// Neither a control character nor one that reorders or hides its neighbours (Unicode bidirectional controls,
/// zero-width characters, byte order marks, tags): a report must look like what it says.
pub(crate) fn is_printable(c: char) -> bool {
    !(c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str, value: &str) -> Range<usize> {
        let start = text.find(value).unwrap();
        start..start + value.len()
    }

    #[test]
    fn every_value_on_the_line_is_left_out() {
        let text = "before\n  a = SECRET1, b = SECRET22\t# it's \u{202e}fine\x1b[31m\nafter";
        let (one, two) = (at(text, "SECRET1"), at(text, "SECRET22"));
        let hidden = join(vec![two.clone(), one.clone()]);
        let expected = "a = [redacted:7], b = [redacted:8]\\t# it's \\u{202e}fine\\u{1b}[31m";
        assert_eq!(excerpt(text.as_bytes(), &one, &hidden), expected);
        assert_eq!(excerpt(text.as_bytes(), &two, &hidden), expected);
    }

    #[test]
    fn a_long_line_is_cut_around_the_value() {
        let text = format!("{}SECRET{}", "x".repeat(5_000), "y".repeat(5_000));
        let value = at(&text, "SECRET");
        let out = excerpt(text.as_bytes(), &value, std::slice::from_ref(&value));
        assert_eq!(out.chars().count(), 160);
        assert!(out.starts_with("…xxx") && out.ends_with("yyy…") && out.contains("x[redacted:6]y"), "{out}");
    }

    #[test]
    fn lines_of_a_value_are_one_excerpt() {
        let text = "key: |\n  BEGIN\n  body\n  END # tail\n";
        let value = at(text, "BEGIN\n  body\n  END");
        assert_eq!(excerpt(text.as_bytes(), &value, std::slice::from_ref(&value)), "[redacted:18] # tail");
    }

    proptest! {
        #[test]
        fn no_excerpt_is_long_or_unprintable(bytes: Vec<u8>, a: usize, b: usize, c: usize) {
            let mut cuts = [a % (bytes.len() + 1), b % (bytes.len() + 1), c % (bytes.len() + 1)];
            cuts.sort_unstable();
            let value = cuts[0]..cuts[1];
            let hidden = join(vec![value.clone(), cuts[1]..cuts[2]]);
            let out = excerpt(&bytes, &value, &hidden);
            prop_assert!(out.chars().count() <= LENGTH);
            prop_assert!(out.chars().all(is_printable));
        }
    }
}
