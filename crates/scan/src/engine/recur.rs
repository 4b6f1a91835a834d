//! A value that was found once, looked for where nothing says what it is: in a document, a test, a comment.
//!
//! Values are kept in memory for the length of one scan and are nowhere written.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use aho_corasick::{AhoCorasick, BuildError, MatchKind};
use countersign_model::{Confidence, Digest};

use super::Scanner;
use crate::rules::RuleIndex;
use crate::secrets::Filter;

/// So many different values are looked for; of more, those with the smallest identities.
pub(crate) const MOST: usize = 4096;

/// Longer values are not looked for: they are keys in a form that is found wherever it stands.
const LONGEST: usize = 1024;

/// Of a longer value this much is searched for, and the rest compared.
const HEAD: usize = 48;

/// Values of one scan that are worth looking for, by identity.
#[derive(Default)]
pub(crate) struct Values(Mutex<BTreeMap<Digest, Vec<u8>>>);

impl std::fmt::Debug for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Values(..)")
    }
}

impl Values {
    fn keep(&self, identity: Digest, value: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST && kept.last_key_value().is_some_and(|(last, _)| *last < identity) {
            return;
        }
        kept.entry(identity).or_insert_with(|| value.to_vec());
        // The smallest stay, whichever came first: what is looked for does not depend on who was faster.
        if kept.len() > MOST {
            kept.pop_last();
        }
    }

    pub(crate) fn has(&self, identity: &Digest) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(identity)
    }
}

/// A value to look for, and what a place with it counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sought {
    pub(crate) identity: Digest,
    pub(crate) rule: RuleIndex,
    pub(crate) confidence: Confidence,
}

/// Values to look for, searchable.
pub(crate) struct Wanted {
    /// Skips quickly over text without any of them.
    any: AhoCorasick,
    /// Says every place.
    every: AhoCorasick,
    values: Vec<(Vec<u8>, Sought)>,
}

impl std::fmt::Debug for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wanted(..)")
    }
}

impl Wanted {
    /// Those of `sought` whose values are known.
    ///
    /// # Errors
    /// When no search can be made of so many.
    pub(crate) fn new(sought: impl IntoIterator<Item = Sought>, values: &Values) -> Result<Self, BuildError> {
        let kept = values.0.lock().unwrap_or_else(PoisonError::into_inner);
        let values: Vec<(Vec<u8>, Sought)> =
            sought.into_iter().filter_map(|s| Some((kept.get(&s.identity)?.clone(), s))).collect();
        let heads = || values.iter().map(|(value, _)| &value[..value.len().min(HEAD)]);
        let any = AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(heads())?;
        let every = AhoCorasick::builder().match_kind(MatchKind::Standard).build(heads())?;
        Ok(Self { any, every, values })
    }

    /// Where a value stands whole and begins in `accept`, in the order of the text.
    pub(super) fn places(&self, text: &[u8], accept: &Range<usize>) -> Vec<(Range<usize>, Sought)> {
        if !self.any.is_match(text) {
            return Vec::new();
        }
        let mut places: Vec<(Range<usize>, Sought)> = self
            .every
            .find_overlapping_iter(text)
            .filter(|hit| accept.contains(&hit.start()))
            .filter_map(|hit| {
                let (value, sought) = self.values.get(hit.pattern().as_usize())?;
                let place = hit.start()..hit.start().checked_add(value.len())?;
                (text.get(place.clone())? == value.as_slice() && is_whole(text, &place)).then_some((place, *sought))
            })
            .collect();
        // Of values that share a byte, the one that begins first, and the longest of these.
        places.sort_by_key(|(place, sought)| (place.start, Reverse(place.end), sought.identity));
        let mut end = 0;
        places.retain(|(place, _)| {
            let free = place.start >= end;
            if free {
                end = place.end;
            }
            free
        });
        places
    }
}

/// Whether a value is not a part of a longer word.
fn is_whole(text: &[u8], place: &Range<usize>) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let first = text.get(place.start).copied().is_some_and(is_word);
    let last = place.end.checked_sub(1).and_then(|n| text.get(n)).copied().is_some_and(is_word);
    let before = match &text[..place.start] {
        // `\n` of a string is no letter.
        [.., b'\\', b'n' | b't' | b'r'] => false,
        [.., b] => is_word(*b),
        [] => false,
    };
    !(first && before || last && text.get(place.end).copied().is_some_and(is_word))
}

/// Whether a value is such that another place with it is no chance.
fn is_distinct(value: &[u8], confidence: Confidence) -> bool {
    if !(8..=LONGEST).contains(&value.len()) || Filter::Placeholder.drops(value) {
        return false;
    }
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    if value.iter().all(|b| b.is_ascii_digit() || matches!(b, b' ' | b'-' | b'.')) {
        return digits >= 9 && confidence >= Confidence::High;
    }
    match confidence {
        Confidence::Certain => true,
        Confidence::High => !Filter::Words.drops(value),
        Confidence::Medium => !Filter::Regular.drops(value),
        Confidence::Low => false,
    }
}

impl<'r> Scanner<'r> {
    /// The same scanner, which keeps the values that are worth looking for.
    pub(crate) fn keeping(&self, values: &'r Values) -> Self {
        Self { kept: Some(values), ..self.clone() }
    }

    /// A scanner that finds these values only, and only where nothing else is found.
    pub(crate) fn seeking(&self, wanted: &'r Wanted) -> Self {
        Self { wanted: Some(wanted), ..self.clone() }
    }

    /// Whether a value is worth looking for elsewhere; it is kept then.
    pub(super) fn is_telling(&self, confidence: Confidence, value: &[u8], identity: Digest) -> bool {
        let telling = is_distinct(value, confidence) && !self.stands_alone(confidence, value);
        if telling && let Some(kept) = self.kept {
            kept.keep(identity, value);
        }
        telling
    }

    /// Whether a rule that looks at every file is as sure of the value with nothing around it: then it was found wherever
    /// it stands.
    fn stands_alone(&self, confidence: Confidence, value: &[u8]) -> bool {
        let everywhere =
            |rule: u32| self.rules.rule(RuleIndex(rule)).kinds.is_empty() && !self.rules.detector(rule).limits_paths();
        let hits = self.look(value, &[], &mut BTreeSet::new()).hits;
        hits.iter().any(|h| h.value == (0..value.len()) && h.confidence >= confidence && everywhere(h.rule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sought(n: u8) -> Sought {
        Sought { identity: Digest::of(&[n]), rule: RuleIndex(0), confidence: Confidence::High }
    }

    fn wanted(values: &[&str]) -> Wanted {
        let kept = Values::default();
        for (n, value) in (0..).zip(values) {
            kept.keep(Digest::of(&[n]), value.as_bytes());
        }
        Wanted::new((0..).zip(values).map(|(n, _)| sought(n)), &kept).unwrap()
    }

    #[test]
    fn a_part_of_a_longer_word_is_not_the_value() {
        let wanted = wanted(&["kT7pQ2vX9m", "=kT7pQ2vX9m="]);
        let places = |text: &str| -> Vec<_> {
            wanted.places(text.as_bytes(), &(0..text.len())).into_iter().map(|(place, _)| place).collect()
        };
        assert_eq!(places("use kT7pQ2vX9m."), vec![4..14]);
        assert_eq!(places("\\nkT7pQ2vX9m"), vec![2..12]);
        assert_eq!(places("x=kT7pQ2vX9m=y"), vec![1..13]);
        assert!(places("xkT7pQ2vX9m kT7pQ2vX9m_ kT7pQ2vX9").is_empty());
    }

    #[test]
    fn the_smallest_identities_are_kept_in_any_order() {
        let all: Vec<Digest> = (0..MOST + 10).map(|n| Digest::of(&n.to_be_bytes())).collect();
        let (up, down) = (Values::default(), Values::default());
        all.iter().for_each(|d| up.keep(*d, b"v"));
        all.iter().rev().for_each(|d| down.keep(*d, b"v"));
        let kept = |v: &Values| v.0.lock().unwrap().keys().copied().collect::<Vec<_>>();
        assert_eq!(kept(&up), kept(&down));
        let mut smallest = all;
        smallest.sort();
        smallest.truncate(MOST);
        assert_eq!(kept(&up), smallest);
    }

    proptest! {
        #[test]
        fn every_place_is_whole_and_none_overlaps(values in proptest::collection::vec("[a-c=]{1,60}", 1..6), text in "[a-c= ]{0,200}") {
            let texts: Vec<&str> = values.iter().map(String::as_str).collect();
            let places = wanted(&texts).places(text.as_bytes(), &(0..text.len()));
            for (place, _) in &places {
                prop_assert!(values.iter().any(|v| v.as_bytes() == &text.as_bytes()[place.clone()]));
            }
            prop_assert!(places.windows(2).all(|p| p[0].0.end <= p[1].0.start));
        }
    }
}
