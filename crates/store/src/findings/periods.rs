//! What an audit's period has of each bucket, remembered. Counting it reads every finding of the bucket, and most buckets are as they
//! were when the next page asks.
//!
//! A bucket's `turn` goes on with every finding that comes into it, leaves it, or was there at other times, and no two buckets of one
//! index ever have the same number. So what was counted at a turn holds for that turn, whoever reads, and however old what they read is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_model::Timestamp;

use crate::Error;

/// So many periods are remembered: one each of the audits that are looked through.
const MOST: usize = 16;
/// What is remembered of buckets that are there no more is thrown away when it is more than this, and more than what is there.
const SPARE: usize = 1024;

/// What was counted in periods. Shared by whoever asks; it is a cache, and bounded.
#[derive(Debug, Default)]
pub struct Periods(Mutex<Vec<Arc<Period>>>);

/// What was counted in one.
#[derive(Debug)]
pub(super) struct Period {
    /// The index: one that is made anew has another.
    made: [u8; 16],
    from: Timestamp,
    to: Timestamp,
    counted: Mutex<HashMap<i64, (i64, u64)>>,
}

/// What is remembered while somebody counts: who comes meanwhile waits and finds it, instead of counting the same.
pub(super) struct Counted<'a>(MutexGuard<'a, HashMap<i64, (i64, u64)>>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in it is whole at every moment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Periods {
    /// What is known of a period in the index of this mark. The one that was asked for longest ago makes room.
    pub(super) fn of(&self, made: [u8; 16], from: Timestamp, to: Timestamp) -> Arc<Period> {
        let mut all = lock(&self.0);
        let known = all.iter().position(|p| (p.made, p.from, p.to) == (made, from, to));
        let period = match known {
            Some(at) => all.remove(at),
            None => Arc::new(Period { made, from, to, counted: Mutex::default() }),
        };
        if all.len() >= MOST {
            all.remove(0);
        }
        all.push(Arc::clone(&period));
        period
    }

    /// How many counts are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.0).iter().map(|period| lock(&period.counted).len()).sum()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Period {
    /// What was counted, of an index in which this many buckets are looked at.
    pub(super) fn counted(&self, buckets: usize) -> Counted<'_> {
        let mut counted = lock(&self.counted);
        if counted.len() > SPARE.max(buckets.saturating_mul(2)) {
            counted.clear();
        }
        Counted(counted)
    }
}

impl Counted<'_> {
    /// What the bucket has at this turn, counted where it is not known.
    pub(super) fn count(
        &mut self,
        (bucket, turn): (i64, i64),
        count: impl FnOnce() -> Result<u64, Error>,
    ) -> Result<u64, Error> {
        match self.0.get(&bucket) {
            Some((known, n)) if *known == turn => Ok(*n),
            // Whoever reads an older state keeps nobody from what is known of a newer one.
            Some((known, _)) if *known > turn => count(),
            _ => {
                let n = count()?;
                self.0.insert(bucket, (turn, n));
                Ok(n)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: i64) -> Timestamp {
        Timestamp::from_millis(n)
    }

    #[test]
    fn a_bucket_is_counted_once_a_turn_and_never_goes_back() {
        let periods = Periods::default();
        let period = periods.of([1; 16], at(0), at(9));
        let ask = |turn: i64, n: u64| {
            let mut counted = false;
            let told = period.counted(1).count((7, turn), || {
                counted = true;
                Ok(n)
            });
            (told.unwrap(), counted)
        };
        assert_eq!(ask(3, 10), (10, true));
        assert_eq!(ask(3, 99), (10, false));
        assert_eq!(ask(4, 11), (11, true));
        assert_eq!(ask(3, 10), (10, true), "whoever reads an older state counts it");
        assert_eq!(ask(4, 99), (11, false), "and what is known of the newer one stays");
        let failed = period.counted(1).count((8, 1), || Err(Error::ProjectionUnsettled));
        assert!(failed.is_err());
        assert_eq!(periods.len(), 1, "what could not be counted is not remembered");
        assert_eq!(periods.of([2; 16], at(0), at(9)).counted(1).count((7, 4), || Ok(5)).unwrap(), 5, "another index");
        assert_eq!(periods.of([1; 16], at(0), at(8)).counted(1).count((7, 4), || Ok(6)).unwrap(), 6, "another period");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let periods = Periods::default();
        for n in 0..100 {
            let period = periods.of([0; 16], at(n), at(n + 1));
            for bucket in 0..5000 {
                period.counted(10).count((bucket, 0), || Ok(1)).unwrap();
            }
        }
        assert!(!periods.is_empty());
        assert!(periods.len() <= MOST * (SPARE + 1), "{}", periods.len());
    }
}
