//! The search for all keywords at once.
//!
//! An automaton makes one step for each byte, and the next step waits for the memory that this one reads. So a text is gone
//! through at several places at once: their steps do not wait for each other, and a core does twice as much.

use std::ops::Range;

use aho_corasick::automaton::Automaton;
use aho_corasick::dfa::DFA;
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, BuildError, StartKind};

/// At so many places at once.
const LANES: usize = 4;

/// How far each goes before what they found is told; it bounds what is kept.
const STEP: usize = 4 * 1024;

/// For little text: quickly built.
pub(crate) type Small = Search<NFA>;

/// For much text: a full table, which takes thirty times as long in the making.
pub(crate) type Large = Search<DFA>;

/// Finds words, which are ASCII, without regard to case.
#[derive(Debug)]
pub(crate) struct Search<A> {
    automaton: A,
    /// The length of each word.
    lengths: Vec<usize>,
    /// The length of the longest.
    longest: usize,
}

impl Small {
    pub(crate) fn new(words: &[String]) -> Result<Self, BuildError> {
        Ok(Self::of(NFA::builder().ascii_case_insensitive(true).prefilter(false).build(words)?, words))
    }
}

impl Large {
    pub(crate) fn new(words: &[String]) -> Result<Self, BuildError> {
        let mut builder = DFA::builder();
        builder.ascii_case_insensitive(true).prefilter(false).start_kind(StartKind::Unanchored);
        Ok(Self::of(builder.build(words)?, words))
    }
}

/// A word by its end in a lane, and its number.
type End = (usize, usize);

impl<A: Automaton> Search<A> {
    fn of(automaton: A, words: &[String]) -> Self {
        let lengths: Vec<usize> = words.iter().map(String::len).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        Self { automaton, lengths, longest }
    }

    /// Tells every word in `text` with its number, in the order of their ends.
    pub(crate) fn each(&self, text: &[u8], mut tell: impl FnMut(usize, Range<usize>)) {
        let Ok(start) = self.automaton.start_state(Anchored::No) else { return };
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
                before.iter().fold(start, |state, byte| self.automaton.next_state(Anchored::No, state, *byte))
            });
            if lanes == 1 {
                for (n, byte) in text[at..at + step].iter().enumerate() {
                    states[0] = self.automaton.next_state(Anchored::No, states[0], *byte);
                    if self.automaton.is_special(states[0]) {
                        self.ends(states[0], at + n + 1, &mut found[0]);
                    }
                }
            } else {
                let [a, b, c, d] = begins.map(|begin| &text[begin..begin + step]);
                let [mut sa, mut sb, mut sc, mut sd] = states;
                for (n, (((a, b), c), d)) in a.iter().zip(b).zip(c).zip(d).enumerate() {
                    sa = self.automaton.next_state(Anchored::No, sa, *a);
                    sb = self.automaton.next_state(Anchored::No, sb, *b);
                    sc = self.automaton.next_state(Anchored::No, sc, *c);
                    sd = self.automaton.next_state(Anchored::No, sd, *d);
                    let special = self.automaton.is_special(sa)
                        | self.automaton.is_special(sb)
                        | self.automaton.is_special(sc)
                        | self.automaton.is_special(sd);
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
        if self.automaton.is_match(state) {
            let words = (0..self.automaton.match_len(state)).map(|n| self.automaton.match_pattern(state, n).as_usize());
            found.extend(words.map(|word| (end, word)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aho_corasick::AhoCorasick;
    use proptest::prelude::*;

    fn all(words: &[String], text: &[u8]) -> [Vec<(usize, Range<usize>)>; 3] {
        let plain = AhoCorasick::builder().ascii_case_insensitive(true).build(words).unwrap();
        let plain = plain.find_overlapping_iter(text).map(|hit| (hit.pattern().as_usize(), hit.range())).collect();
        let (mut small, mut large) = (Vec::new(), Vec::new());
        Small::new(words).unwrap().each(text, |word, place| small.push((word, place)));
        Large::new(words).unwrap().each(text, |word, place| large.push((word, place)));
        [plain, small, large]
    }

    #[test]
    fn words_over_the_edges_of_lanes_are_found() {
        let words = ["token".to_owned(), "en".to_owned(), "a-very-long-keyword".to_owned()];
        let text = b"xToKeN a-very-long-KEYWORD".repeat(3_000);
        let [plain, small, large] = all(&words, &text);
        assert_eq!(plain.len(), 9_000);
        assert_eq!(plain, small);
        assert_eq!(plain, large);
    }

    proptest! {
        #[test]
        fn all_say_the_same(
            words in proptest::collection::btree_set("[ab]{2,6}", 1..8),
            part in "[aBc]{1,50}", other in "[aBc]{1,50}", times in 0_usize..400,
        ) {
            let text = [part.repeat(times), other.repeat(times)].concat().into_bytes();
            let words: Vec<String> = words.into_iter().collect();
            let [plain, small, large] = all(&words, &text);
            prop_assert_eq!(&plain, &small);
            prop_assert_eq!(&plain, &large);
        }
    }
}
