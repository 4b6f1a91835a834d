//! Statements that were shown to be signed, until they are signed. The browser is given a word for each; what it stands for stays in
//! this process's memory, so an answer is taken only for what this server showed, in the same visit, a short while ago, and once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use countersign_model::access::SlotName;
use countersign_model::{Digest, RunId, digest};

use crate::Error;

/// How long a statement that was shown may be signed.
pub(crate) const GOOD: Duration = Duration::from_secs(10 * 60);
/// Statements of one visit; the oldest goes first.
const OF_A_VISIT: usize = 8;
/// Statements at once.
const MOST: usize = 2000;

#[derive(Debug)]
struct Shown {
    visit: String,
    run: RunId,
    slot: SlotName,
    request: Vec<u8>,
    until: Instant,
}

/// All that were shown, by the hash of their word.
#[derive(Debug, Default)]
pub(crate) struct Preparations(HashMap<Digest, Shown>);

impl Preparations {
    /// The word for a request that is shown; none while there are too many.
    pub(crate) fn make(
        &mut self,
        visit: &str,
        run: &RunId,
        slot: &SlotName,
        request: Vec<u8>,
        now: Instant,
    ) -> Result<Option<String>, Error> {
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
        let shown = Shown { visit: visit.to_owned(), run: run.clone(), slot: slot.clone(), request, until: now + GOOD };
        self.0.insert(Digest::of(word.as_bytes()), shown);
        Ok(Some(word))
    }

    /// Uses a word up: the request that was shown in this visit for this run and slot.
    pub(crate) fn take(
        &mut self,
        word: &str,
        visit: &str,
        run: &RunId,
        slot: &SlotName,
        now: Instant,
    ) -> Option<Vec<u8>> {
        let shown = self.0.remove(&Digest::of(word.as_bytes()))?;
        let is_it = shown.visit == visit && shown.run == *run && shown.slot == *slot && now < shown.until;
        is_it.then_some(shown.request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_good_once_for_a_while_in_its_visit_and_for_its_run_and_slot() {
        let mut all = Preparations::default();
        let now = Instant::now();
        let (run, other) = (RunId::from_text("run-1"), RunId::from_text("run-2"));
        let (slot, second) = ("technical".parse::<SlotName>().unwrap(), "regulatory".parse::<SlotName>().unwrap());
        let make = |all: &mut Preparations| all.make("v", &run, &slot, vec![1], now).unwrap().unwrap();
        let word = make(&mut all);
        assert_eq!(all.take(&word, "v", &run, &slot, now), Some(vec![1]));
        assert_eq!(all.take(&word, "v", &run, &slot, now), None, "once");
        for (visit, run, slot, at) in [
            ("w", &run, &slot, now),
            ("v", &other, &slot, now),
            ("v", &run, &second, now),
            ("v", &run, &slot, now + GOOD),
        ] {
            let word = make(&mut all);
            assert_eq!(all.take(&word, visit, run, slot, at), None, "{visit} {run} {slot}");
        }
        let later = now + Duration::from_millis(1);
        let first = make(&mut all);
        for _ in 0..OF_A_VISIT {
            all.make("v", &run, &slot, vec![1], later).unwrap().unwrap();
        }
        assert_eq!(all.0.len(), OF_A_VISIT);
        assert_eq!(all.take(&first, "v", &run, &slot, now), None, "the oldest of a visit went");
        for n in 0..MOST {
            all.make(&format!("visit {n}"), &run, &slot, vec![], now).unwrap();
        }
        assert_eq!(all.make("one more", &run, &slot, vec![], now).unwrap(), None);
        assert!(all.make("one more", &run, &slot, vec![], now + GOOD).unwrap().is_some());
    }
}
