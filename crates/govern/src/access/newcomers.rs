//! Keys of people who are being enrolled from another machine. Such a key seals its person's name before the act is signed, and is kept with
//! the ledger once it is: until then it is in memory alone, so that nobody who was never enrolled leaves one behind.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use countersign_evidence::seal::SubjectKey;
use countersign_model::PersonId;
use countersign_store::handed::FRESH;

/// Keys at once of what one administrator has prepared; the oldest goes first.
const OF_ONE: usize = 100;
/// How long one is kept: as long as what it is for may be handed in, which its time says to the millisecond.
const KEPT: Duration = Duration::from_secs(FRESH.unsigned_abs() + 1);

/// The keys of everybody whose enrolment was given out to be signed, and did not come back yet.
#[derive(Default)]
pub struct Newcomers(Mutex<HashMap<PersonId, Waiting>>);

/// A key that waits.
#[derive(Clone)]
pub(super) struct Waiting {
    /// It seals the name.
    pub(super) key: SubjectKey,
    by: PersonId,
    until: Instant,
}

impl fmt::Debug for Newcomers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Newcomers(…)")
    }
}

impl Newcomers {
    fn all(&self) -> MutexGuard<'_, HashMap<PersonId, Waiting>> {
        // Whoever panicked left a map: nothing in it is written in two steps.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the key of somebody whose enrolment an administrator is about to sign.
    pub(super) fn keep(&self, person: PersonId, key: SubjectKey, by: &PersonId, now: Instant) {
        let mut all = self.all();
        all.retain(|_, waiting| now < waiting.until);
        let own = all.iter().filter(|(_, waiting)| waiting.by == *by);
        let mut own: Vec<(Instant, PersonId)> = own.map(|(person, waiting)| (waiting.until, person.clone())).collect();
        own.sort_unstable();
        for (_, oldest) in own.iter().take((own.len() + 1).saturating_sub(OF_ONE)) {
            all.remove(oldest);
        }
        all.insert(person, Waiting { key, by: by.clone(), until: now + KEPT });
    }

    /// Takes the key of somebody whose enrolment an administrator signed: of two who hand in the same, one has it.
    pub(super) fn take(&self, person: &PersonId, by: &PersonId, now: Instant) -> Option<Waiting> {
        let mut all = self.all();
        all.retain(|_, waiting| now < waiting.until);
        if all.get(person)?.by == *by { all.remove(person) } else { None }
    }

    /// Gives a key back: nobody was enrolled, and what was signed may come once more.
    pub(super) fn give_back(&self, person: PersonId, waiting: Waiting) {
        self.all().insert(person, waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn per(n: u8) -> PersonId {
        PersonId::from_random([n; 10])
    }

    #[test]
    fn a_key_is_kept_for_whoever_prepared_it_for_a_while_and_taken_once() {
        let (all, now) = (Newcomers::default(), Instant::now());
        let key = SubjectKey::generate().unwrap();
        let (ada, ruth, new) = (per(1), per(2), per(3));
        all.keep(new.clone(), key.clone(), &ada, now);
        assert!(all.take(&new, &ruth, now).is_none(), "somebody else's");
        let taken = all.take(&new, &ada, now).unwrap();
        assert_eq!(taken.key.as_bytes(), key.as_bytes());
        assert!(all.take(&new, &ada, now).is_none(), "once");
        all.give_back(new.clone(), taken);
        assert!(all.take(&new, &ada, now + KEPT).is_none(), "it is over, though it was given back");
        assert!(all.take(&new, &ada, now).is_none(), "and gone");
    }

    #[test]
    fn the_oldest_of_one_administrator_goes_first_and_nobody_elses() {
        let (all, now) = (Newcomers::default(), Instant::now());
        let (ada, ruth) = (per(201), per(202));
        all.keep(per(200), SubjectKey::generate().unwrap(), &ruth, now);
        for n in 0..=u8::try_from(OF_ONE).unwrap() {
            let later = now + Duration::from_millis(u64::from(n));
            all.keep(per(n), SubjectKey::generate().unwrap(), &ada, later);
        }
        assert_eq!(all.all().len(), OF_ONE + 1);
        assert!(all.take(&per(0), &ada, now).is_none() && all.take(&per(1), &ada, now).is_some());
        assert!(all.take(&per(200), &ruth, now).is_some());
    }
}
