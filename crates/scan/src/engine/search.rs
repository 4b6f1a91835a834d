//! The search for all keywords at once.
//!
//! A full table makes one step for each byte, and the next step waits for the memory that this one reads. So a long text is
//! gone through at several places at once: their steps do not wait for each other, and a core does twice as much.

use std::ops::Range;

use aho_corasick::automaton::Automaton as _;
use aho_corasick::dfa::DFA;
use aho_corasick::{AhoCorasick, AhoCorasickKind, Anchored, BuildError, StartKind};

/// At so many places at once.
const LANES: usize = 4;

/// How far each goes before what they found is told; it bounds what is kept.
const STEP: usize = 4 * 1024;

/// For little text: quickly built.
#[derive(Debug)]
pub(crate) struct Small(AhoCorasick);

/// For much text: a full table, which takes thirty times as long in the making.
#[derive(Debug)]
pub(crate) struct Large {
    table: DFA,
    /// The length of each word.
    lengths: Vec<usize>,
    /// The length of the longest.
    longest: usize,
}

impl Small {
    /// Finds `words`, which are ASCII, without regard to case.
    pub(crate) fn new(words: &[String]) -> Result<Self, BuildError> {
        let builder = &mut AhoCorasick::builder();
        builder.ascii_case_insensitive(true).start_kind(StartKind::Unanchored);
        builder.kind(Some(AhoCorasickKind::ContiguousNFA)).build(words).map(Self)
    }

    /// Tells every word in `text` with its number, in the order of their ends.
    pub(crate) fn each(&self, text: &[u8], mut tell: impl FnMut(usize, Range<usize>)) {
        for hit in self.0.find_overlapping_iter(text) {
            tell(hit.pattern().as_usize(), hit.range());
        }
    }
}

/// A word by its end in a lane, and its number.
type End = (usize, usize);

impl Large {
    /// As [`Small::new`].
    pub(crate) fn new(words: &[String]) -> Result<Self, BuildError> {
        let lengths: Vec<usize> = words.iter().map(String::len).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let builder = &mut DFA::builder();
        builder.ascii_case_insensitive(true).prefilter(false).start_kind(StartKind::Unanchored);
        Ok(Self { table: builder.build(words)?, lengths, longest })
    }

    /// As [`Small::each`].
    pub(crate) fn each(&self, text: &[u8], mut tell: impl FnMut(usize, Range<usize>)) {
        let Ok(start) = self.table.start_state(Anchored::No) else { return };
        let mut found: [Vec<End>; LANES] = Default::default();
        let mut at = 0;
        while at < text.len() {
            let left = text.len() - at;
            let step = (left / LANES).min(STEP);
            // A rest that is not worth dividing is gone through at one place.
            let (lanes, step) = if step < self.longest.max(64) { (1, left.min(STEP)) } else { (LANES, step) };
            let begins: [usize; LANES] = std::array::from_fn(|n| at + n * step);
            // What began before a lane is seen only with what stands there.
            let mut states = begins.map(|begin| {
                let before = text.get(begin.saturating_sub(self.longest)..begin).unwrap_or_default();
                before.iter().fold(start, |state, byte| self.table.next_state(Anchored::No, state, *byte))
            });
            if lanes == 1 {
                for (n, byte) in text[at..at + step].iter().enumerate() {
                    states[0] = self.table.next_state(Anchored::No, states[0], *byte);
                    if self.table.is_special(states[0]) {
                        self.ends(states[0], at + n + 1, &mut found[0]);
                    }
                }
            } else {
                let [a, b, c, d] = begins.map(|begin| &text[begin..begin + step]);
                let [mut sa, mut sb, mut sc, mut sd] = states;
                for (n, (((a, b), c), d)) in a.iter().zip(b).zip(c).zip(d).enumerate() {
                    sa = self.table.next_state(Anchored::No, sa, *a);
                    sb = self.table.next_state(Anchored::No, sb, *b);
                    sc = self.table.next_state(Anchored::No, sc, *c);
                    sd = self.table.next_state(Anchored::No, sd, *d);
                    let special = self.table.is_special(sa)
                        | self.table.is_special(sb)
                        | self.table.is_special(sc)
                        | self.table.is_special(sd);
                    if special {
                        for ((state, begin), found) in [sa, sb, sc, sd].into_iter().zip(begins).zip(&mut found) {
                            self.ends(state, begin + n + 1, found);
                        }
                    }
                }
            }
            for (end, word) in found.iter_mut().flat_map(|lane| lane.drain(..)) {
                let length = self.lengths.get(word).copied().unwrap_or(0);
                tell(word, end.saturating_sub(length)..end);
            }
            at += lanes * step;
        }
    }

    /// Notes the words that end where `state` was reached.
    fn ends(&self, state: aho_corasick::automaton::StateID, end: usize, found: &mut Vec<End>) {
        if self.table.is_match(state) {
            let words = (0..self.table.match_len(state)).map(|n| self.table.match_pattern(state, n).as_usize());
            found.extend(words.map(|word| (end, word)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn both(words: &[String], text: &[u8]) -> [Vec<(usize, Range<usize>)>; 2] {
        let (mut small, mut large) = (Vec::new(), Vec::new());
        Small::new(words).unwrap().each(text, |word, place| small.push((word, place)));
        Large::new(words).unwrap().each(text, |word, place| large.push((word, place)));
        [small, large]
    }

    #[test]
    fn words_over_the_edges_of_lanes_are_found() {
        let words = ["token".to_owned(), "en".to_owned(), "a-very-long-keyword".to_owned()];
        let text = b"xToKeN a-very-long-KEYWORD".repeat(3_000);
        let [small, large] = both(&words, &text);
        assert_eq!(small.len(), 9_000);
        assert_eq!(small, large);
    }

    proptest! {
        #[test]
        fn both_say_the_same(
            words in proptest::collection::btree_set("[ab]{2,6}", 1..8),
            part in "[aBc]{1,50}", other in "[aBc]{1,50}", times in 0_usize..400,
        ) {
            let text = [part.repeat(times), other.repeat(times)].concat().into_bytes();
            let words: Vec<String> = words.into_iter().collect();
            let [small, large] = both(&words, &text);
            prop_assert_eq!(small, large);
        }
    }
}
