//! Sign-ins that were refused: each is an event, a storm of them is one a minute, and whoever is tried too often is left alone for
//! a minute.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use countersign_model::PersonId;
use countersign_model::visit::SignInMethod;

/// What counts together.
const MINUTE: Duration = Duration::from_secs(60);
/// So many in a minute, and the person is locked out for the rest of it (PCI DSS 8.3.4 asks for ten).
const LOCKED_AFTER: u64 = 10;
/// Whom and how: at most so many are told apart.
const MOST: usize = 1000;

type Of = (SignInMethod, Option<PersonId>);

#[derive(Debug)]
struct Count {
    since: Instant,
    all: u64,
    recorded: u64,
    code: &'static str,
}

/// What was refused in the last minute.
#[derive(Debug, Default)]
pub(crate) struct Refusals(HashMap<Of, Count>);

/// What is to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Storm {
    pub(crate) method: SignInMethod,
    pub(crate) person: Option<PersonId>,
    pub(crate) code: &'static str,
    pub(crate) times: u64,
}

impl Refusals {
    /// Counts one. The first of a minute is recorded at once; the others when the minute is over.
    pub(super) fn count(&mut self, of: Of, code: &'static str, now: Instant) -> Option<Storm> {
        // A stranger's attempts count together, so that nobody fills this.
        let of = if self.0.len() >= MOST && !self.0.contains_key(&of) { (of.0, None) } else { of };
        let count = self.0.entry(of.clone()).or_insert(Count { since: now, all: 0, recorded: 0, code });
        count.all += 1;
        count.code = code;
        (count.all == 1).then(|| {
            count.recorded = 1;
            Storm { method: of.0, person: of.1, code, times: 1 }
        })
    }

    /// Whether the person was tried too often in this minute.
    pub(super) fn is_locked(&self, person: &PersonId, now: Instant) -> bool {
        self.0.iter().any(|((method, who), count)| {
            // A token cannot be guessed, and a job that goes on showing an old one must not keep its person out.
            *method != SignInMethod::Token
                && who.as_ref() == Some(person)
                && count.all >= LOCKED_AFTER
                && now.saturating_duration_since(count.since) < MINUTE
        })
    }

    /// What could not be recorded is counted on.
    pub(super) fn again(&mut self, storm: Storm, now: Instant) {
        let Storm { method, person, code, times } = storm;
        self.0.entry((method, person)).or_insert(Count { since: now, all: 0, recorded: 0, code }).all += times;
    }

    /// What the minutes that are over leave to be recorded.
    pub(super) fn over(&mut self, now: Instant) -> Vec<Storm> {
        let mut storms = Vec::new();
        self.0.retain(|(method, person), count| {
            let lasts = now.saturating_duration_since(count.since) < MINUTE;
            if !lasts && count.all > count.recorded {
                let times = count.all - count.recorded;
                storms.push(Storm { method: *method, person: person.clone(), code: count.code, times });
            }
            lasts
        });
        storms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_recorded_twice_and_locks_its_person_alone() {
        let mut refusals = Refusals::default();
        let now = Instant::now();
        let (one, two) = (PersonId::from_text("per-1"), PersonId::from_text("per-2"));
        let of = |who: &PersonId| (SignInMethod::SshKey, Some(who.clone()));
        assert_eq!(refusals.count(of(&one), "CS-SERVER-026", now).unwrap().times, 1);
        for _ in 0..20 {
            assert_eq!(refusals.count(of(&one), "CS-SERVER-026", now), None);
        }
        assert!(refusals.is_locked(&one, now) && !refusals.is_locked(&two, now));
        assert!(refusals.over(now).is_empty());
        let over = refusals.over(now + MINUTE);
        assert_eq!(over.iter().map(|s| s.times).collect::<Vec<_>>(), [20]);
        assert!(!refusals.is_locked(&one, now + MINUTE) && refusals.over(now + MINUTE).is_empty());
        // What could not be recorded comes again, with what was counted meanwhile.
        refusals.again(over.into_iter().next().unwrap(), now + MINUTE);
        assert_eq!(refusals.over(now + MINUTE * 2).iter().map(|s| s.times).collect::<Vec<_>>(), [20]);
    }
}
