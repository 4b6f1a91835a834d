//! Words near a value that say what it is.

use std::ops::Range;
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError};

use crate::family::Unusable;

/// How many bytes of a line are looked at on each side.
const LINE: usize = 400;

/// How far before a value a word is directly before it: `ssn: "`, `Social security number (USA): `.
const CLOSE: usize = 48;

/// Words one of which must stand near a value, as words of their own or parts of a name (`cardNumber`, `card_number`).
#[derive(Debug)]
pub(super) struct Context {
    words: Vec<String>,
    search: OnceLock<Option<AhoCorasick>>,
    /// How many lines before and behind are looked at.
    lines: usize,
}

impl Context {
    pub(super) fn new(words: Vec<String>, lines: usize) -> Self {
        Self { words, search: OnceLock::new(), lines }
    }

    fn search(&self) -> Result<&AhoCorasick, Unusable> {
        self.search.get_or_init(|| build(&self.words).ok()).as_ref().ok_or(Unusable)
    }

    pub(super) fn compile(&self) -> Result<(), BuildError> {
        build(&self.words).map(drop)
    }

    /// Whether a word stands within the lines around `place`, not in it.
    pub(super) fn is_near(&self, text: &[u8], place: &Range<usize>) -> Result<bool, Unusable> {
        let around = lines_around(text, place, self.lines);
        Ok(self.stands_in(text, around.start..place.start)? || self.stands_in(text, place.end..around.end)?)
    }

    /// Whether a word stands directly before `place`, on its line.
    pub(super) fn is_close(&self, text: &[u8], place: &Range<usize>) -> Result<bool, Unusable> {
        let line = lines_around(text, place, 0);
        self.stands_in(text, line.start.max(place.start.saturating_sub(CLOSE))..place.start)
    }

    fn stands_in(&self, text: &[u8], range: Range<usize>) -> Result<bool, Unusable> {
        let search = self.search()?;
        Ok(search
            .find_overlapping_iter(&text[range.clone()])
            .any(|hit| is_word(text, range.start + hit.start()..range.start + hit.end())))
    }
}

fn build(words: &[String]) -> Result<AhoCorasick, BuildError> {
    AhoCorasick::builder().ascii_case_insensitive(true).kind(Some(AhoCorasickKind::ContiguousNFA)).build(words)
}

/// Whether what stands at `place` is a word and not a part of one: `pan` in `pan_no` and `customerPan`, not in `company`.
pub(super) fn is_word(text: &[u8], place: Range<usize>) -> bool {
    let Some(first) = text.get(place.start) else { return false };
    let before = place.start.checked_sub(1).map(|n| text[n]);
    let begins = match before {
        None => true,
        Some(b) if b.is_ascii_lowercase() => first.is_ascii_uppercase(),
        Some(b) => !b.is_ascii_uppercase() && b < 0x80,
    };
    let rest = &text[place.end..];
    // A plural is the same word.
    let rest = match rest {
        [b's' | b'S', rest @ ..] if !rest.first().is_some_and(u8::is_ascii_alphabetic) => rest,
        rest => rest,
    };
    let last = text[place.end - 1];
    let ends = match rest.first() {
        None => true,
        Some(b) if b.is_ascii_uppercase() => !last.is_ascii_uppercase(),
        Some(b) => !b.is_ascii_lowercase() && *b < 0x80,
    };
    begins && ends
}

/// `place` with so many lines before and behind, as far as those are short.
pub(super) fn lines_around(text: &[u8], place: &Range<usize>, lines: usize) -> Range<usize> {
    let reach = (lines + 1) * LINE;
    let floor = place.start.saturating_sub(reach);
    let before = text[floor..place.start].iter().rev().enumerate().filter(|(_, b)| **b == b'\n').nth(lines);
    let ceiling = place.end.saturating_add(reach).min(text.len());
    let behind = text[place.end..ceiling].iter().enumerate().filter(|(_, b)| **b == b'\n').nth(lines);
    before.map_or(floor, |(n, _)| place.start - n)..behind.map_or(ceiling, |(n, _)| place.end + n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_from_parts_of_words() {
        let context = Context::new(vec!["pan".into(), "card".into(), "social security".into()], 1);
        let near = |text: &str| {
            let at = text.find('#').unwrap();
            context.is_near(text.as_bytes(), &(at..at + 1)).is_ok_and(|n| n)
        };
        for text in [
            "pan #",
            "customerPan = #",
            "PAN_NO=#",
            "cardNumber: #",
            "cards: #",
            "# (Card)",
            "card\n#",
            "#\npan",
            "Social Security: #",
        ] {
            assert!(near(text), "{text}");
        }
        for text in ["company #", "expand #", "discard #", "CARDINAL #", "card\n\n#", "panel #", "#"] {
            assert!(!near(text), "{text}");
        }
    }
}
