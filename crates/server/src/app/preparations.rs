//! Statements that were shown to be signed, until they are signed. The browser is given a word for each; what it stands for stays in
//! this process's memory, so an answer is taken only for what this server showed, in the same visit, a short while ago, and once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use countersign_govern::access::Draft;
use countersign_model::{Digest, digest};
use countersign_stages::release::reject::ToReject;
use countersign_stages::release::withdraw::ToWithdraw;
use serde_json::Value;

use crate::Error;

/// How long a statement that was shown may be signed.
pub(crate) const GOOD: Duration = Duration::from_secs(10 * 60);
/// Statements of one visit; the oldest goes first.
const OF_A_VISIT: usize = 8;
/// Statements at once.
const MOST: usize = 2000;

/// What a word stands for.
pub(crate) enum Kept {
    /// A request for an approval, as the use case reads it.
    Approval(Vec<u8>),
    /// A rejection.
    Rejection(Box<ToReject>),
    /// A withdrawal.
    Withdrawal(Box<ToWithdraw>),
    /// A request for a new passkey, as the use case reads it.
    Enrolment(Vec<u8>),
    /// A passkey that was made and is not enrolled.
    Made(Box<Made>),
    /// Anything else that a person says.
    Said(Box<Said>),
}

/// A passkey that a browser made, as an administrator enrols it.
pub(crate) struct Made {
    /// What the browser was asked, as JSON in one line.
    pub(crate) request: String,
    /// What it answered, as JSON in one line.
    pub(crate) answer: String,
    pub(crate) fingerprint: String,
    pub(crate) origin: String,
    pub(crate) rp_id: String,
}

/// Something that a person may say, as a page shows it.
pub(crate) struct Said {
    /// What they would sign.
    pub(crate) draft: Draft,
    /// What the browser's passkey is asked.
    pub(crate) options: Value,
    /// What it says, in words.
    pub(crate) words: Vec<(&'static str, String)>,
    /// What the button says.
    pub(crate) button: &'static str,
    /// The page that shows what came of it.
    pub(crate) next: String,
}

struct Shown {
    visit: String,
    place: String,
    what: Kept,
    until: Instant,
}

impl Shown {
    fn is(&self, visit: &str, place: &str, now: Instant) -> bool {
        self.visit == visit && self.place == place && now < self.until
    }
}

/// All that were shown, by the hash of their word.
#[derive(Default)]
pub(crate) struct Preparations(HashMap<Digest, Shown>);

impl Preparations {
    /// The word for something that is signed at a place: the address that its answer goes to. None while there are too many.
    pub(crate) fn make(&mut self, visit: &str, place: &str, what: Kept, now: Instant) -> Result<Option<String>, Error> {
        self.0.retain(|_, shown| now < shown.until);
        let mut own: Vec<(Instant, Digest)> =
            self.0.iter().filter(|(_, s)| s.visit == visit).map(|(word, s)| (s.until, *word)).collect();
        own.sort_unstable();
        for (_, word) in own.iter().take(own.len().saturating_sub(OF_A_VISIT - 1)) {
            self.0.remove(word);
        }
        if self.0.len() >= MOST {
            return Ok(None);
        }
        let word = digest::to_hex(&countersign_evidence::random::<32>()?);
        let shown = Shown { visit: visit.to_owned(), place: place.to_owned(), what, until: now + GOOD };
        self.0.insert(Digest::of(word.as_bytes()), shown);
        Ok(Some(word))
    }

    /// What a word stands for, to be shown in its visit at its place.
    pub(crate) fn of(&self, word: &str, visit: &str, place: &str, now: Instant) -> Option<&Kept> {
        self.0.get(&Digest::of(word.as_bytes())).filter(|shown| shown.is(visit, place, now)).map(|shown| &shown.what)
    }

    /// Uses a word up: what was shown in this visit for this place.
    pub(crate) fn take(&mut self, word: &str, visit: &str, place: &str, now: Instant) -> Option<Kept> {
        let shown = self.0.remove(&Digest::of(word.as_bytes()))?;
        shown.is(visit, place, now).then_some(shown.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_good_once_for_a_while_in_its_visit_and_for_its_place() {
        let mut all = Preparations::default();
        let now = Instant::now();
        let kept = || Kept::Approval(vec![1]);
        let make = |all: &mut Preparations| all.make("v", "/here", kept(), now).unwrap().unwrap();
        let is_it = |kept: Option<Kept>| matches!(kept, Some(Kept::Approval(bytes)) if bytes == [1]);
        let word = make(&mut all);
        assert!(
            all.of(&word, "v", "/here", now).is_some() && all.of(&word, "v", "/here", now).is_some(),
            "shown again"
        );
        assert!(is_it(all.take(&word, "v", "/here", now)));
        assert!(all.take(&word, "v", "/here", now).is_none(), "once");
        for (visit, place, at) in [("w", "/here", now), ("v", "/there", now), ("v", "/here", now + GOOD)] {
            let word = make(&mut all);
            assert!(all.of(&word, visit, place, at).is_none(), "{visit} {place}");
            assert!(all.take(&word, visit, place, at).is_none(), "{visit} {place}");
            assert!(all.take(&word, "v", "/here", now).is_none(), "whoever tries it uses it up");
        }
        let later = now + Duration::from_millis(1);
        let first = make(&mut all);
        for _ in 0..OF_A_VISIT {
            all.make("v", "/here", kept(), later).unwrap().unwrap();
        }
        assert_eq!(all.0.len(), OF_A_VISIT);
        assert!(all.take(&first, "v", "/here", now).is_none(), "the oldest of a visit went");
        for n in 0..MOST {
            all.make(&format!("visit {n}"), "/here", kept(), now).unwrap();
        }
        assert_eq!(all.make("one more", "/here", kept(), now).unwrap(), None);
        assert!(all.make("one more", "/here", kept(), now + GOOD).unwrap().is_some());
    }
}
