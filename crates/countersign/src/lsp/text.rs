//! Places in texts as editors count them: lines from 0, characters in the units that were agreed on.

use std::ops::Range;

use serde_json::{Value, json};

/// The unit of a character's place within its line (`PositionEncodingKind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Bytes.
    Utf8,
    /// Code units of UTF-16, what every editor understands.
    Utf16,
}

impl Encoding {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Utf16 => "utf-16",
        }
    }

    const fn units(self, c: char) -> usize {
        match self {
            Self::Utf8 => c.len_utf8(),
            Self::Utf16 => c.len_utf16(),
        }
    }
}

/// Where the line with this number begins; the end of the text where there are fewer. Lines end with LF, CR LF or CR.
fn line_start(text: &str, line: u64) -> usize {
    let bytes = text.as_bytes();
    let mut left = line;
    let mut at = 0;
    while left > 0 {
        let Some(n) = bytes[at..].iter().position(|b| matches!(b, b'\n' | b'\r')) else { return text.len() };
        at += n + 1;
        if bytes[at - 1] == b'\r' && bytes.get(at) == Some(&b'\n') {
            at += 1;
        }
        left -= 1;
    }
    at
}

/// The byte of a position. A character beyond its line is the line's end, and one within a character its beginning.
pub(crate) fn offset(text: &str, position: &Value, encoding: Encoding) -> Option<usize> {
    let line = position["line"].as_u64()?;
    let character = usize::try_from(position["character"].as_u64()?).unwrap_or(usize::MAX);
    let start = line_start(text, line);
    let mut units = 0_usize;
    for (n, c) in text[start..].char_indices() {
        let next = units + encoding.units(c);
        if matches!(c, '\n' | '\r') || next > character {
            return Some(start + n);
        }
        units = next;
    }
    Some(text.len())
}

/// The bytes of a range; `None` where it is none.
pub(crate) fn span(text: &str, range: &Value, encoding: Encoding) -> Option<Range<usize>> {
    let (start, end) = (offset(text, &range["start"], encoding)?, offset(text, &range["end"], encoding)?);
    (start <= end).then_some(start..end)
}

/// The lines of a text, for many places in it.
pub(crate) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(crate) fn of(text: &'t str) -> Self {
        let bytes = text.as_bytes();
        let ends = |n: &usize| match bytes[*n] {
            b'\n' => true,
            b'\r' => bytes.get(n + 1) != Some(&b'\n'),
            _ => false,
        };
        let starts = std::iter::once(0).chain((0..bytes.len()).filter(ends).map(|n| n + 1)).collect();
        Self { text, starts }
    }

    /// The position of a byte; of a character's beginning where it is within one.
    pub(crate) fn position(&self, at: usize, encoding: Encoding) -> Value {
        let at = floor(self.text, at);
        let line = self.starts.partition_point(|s| *s <= at) - 1;
        let character: usize = self.text[self.starts[line]..at].chars().map(|c| encoding.units(c)).sum();
        json!({ "line": line, "character": character })
    }

    /// The range of these bytes.
    pub(crate) fn range(&self, span: &Range<usize>, encoding: Encoding) -> Value {
        json!({ "start": self.position(span.start, encoding), "end": self.position(span.end, encoding) })
    }
}

/// The beginning of the character that byte `at` belongs to, within the text.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Which byte a scan's line and column (from 1, columns in bytes, lines ending with LF) speak of.
pub(crate) fn scanned(text: &str, line: u32, column: u32) -> usize {
    let mut start = 0;
    for _ in 1..line {
        match text[start..].find('\n') {
            Some(n) => start += n + 1,
            None => return text.len(),
        }
    }
    floor(text, start.saturating_add(column.saturating_sub(1) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(line: u64, character: u64) -> Value {
        json!({ "line": line, "character": character })
    }

    #[test]
    fn characters_are_counted_in_the_unit_agreed_on() {
        let text = "aü😀b\r\nx\ry\n";
        for (encoding, character, byte) in [
            (Encoding::Utf16, 4, 7),
            (Encoding::Utf8, 7, 7),
            (Encoding::Utf16, 3, 3),
            (Encoding::Utf16, 99, 8),
            (Encoding::Utf8, 2, 1),
        ] {
            assert_eq!(offset(text, &at(0, character), encoding), Some(byte), "{encoding:?} {character}");
        }
        assert_eq!(offset(text, &at(1, 0), Encoding::Utf16), Some(10));
        assert_eq!(offset(text, &at(2, 1), Encoding::Utf16), Some(13));
        assert_eq!(offset(text, &at(3, 5), Encoding::Utf16), Some(14));
        assert_eq!(offset(text, &at(9, 0), Encoding::Utf16), Some(14));
        assert_eq!(Lines::of(text).position(7, Encoding::Utf16), at(0, 4));
        assert_eq!(scanned(text, 1, 8), 7);
        assert_eq!(scanned(text, 9, 1), 14);
    }

    #[test]
    fn what_is_no_range_is_none() {
        for range in [
            json!(null),
            json!({"start": at(0, 2), "end": at(0, 1)}),
            json!({"start": {"line": -1, "character": 0}, "end": at(0, 1)}),
        ] {
            assert_eq!(span("abc", &range, Encoding::Utf16), None, "{range}");
        }
    }

    proptest! {
        #[test]
        fn a_place_and_back(text in "[a😀ü\r\n]{0,20}", at in 0_usize..60) {
            for encoding in [Encoding::Utf8, Encoding::Utf16] {
                let byte = floor(&text, at);
                // Between CR and LF there is no place.
                if byte > 0 && text.as_bytes()[byte - 1] == b'\r' && text.as_bytes().get(byte) == Some(&b'\n') {
                    continue;
                }
                let position = Lines::of(&text).position(byte, encoding);
                prop_assert_eq!(offset(&text, &position, encoding), Some(byte));
            }
        }
    }
}
