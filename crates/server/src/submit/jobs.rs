//! What is being judged, and what came of it lately. The ledger remembers what came of all; this remembers what failed and what waits.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use countersign_model::{Digest, RunId};

use crate::app::Trouble;

/// How long it is remembered what came of a submission.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);
/// Submissions that wait or are judged at once.
const MOST: usize = 32;

/// How a submission stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JobState {
    /// It waits for its turn, or is judged.
    Working,
    /// It is a run.
    Done(RunId),
    /// Nothing came of it.
    Failed(Trouble),
}

/// A submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    /// What was asked.
    pub(crate) request: Digest,
    /// Who sent it: a person, or a job's workload.
    pub(crate) sender: String,
    /// How it stands.
    pub(crate) state: JobState,
    since: Instant,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Jobs(HashMap<Digest, Job>);

impl Jobs {
    /// The submission of that key.
    pub(crate) fn get(&self, key: &Digest) -> Option<&Job> {
        self.0.get(key)
    }

    /// Whether a submission may begin now; it is noted as one that works.
    pub(crate) fn begin(&mut self, key: Digest, request: Digest, sender: &str, now: Instant) -> bool {
        self.0.retain(|_, job| job.state == JobState::Working || now.duration_since(job.since) < REMEMBERED);
        let working = self.0.values().filter(|job| job.state == JobState::Working).count();
        let is_working = self.0.get(&key).is_some_and(|job| job.state == JobState::Working);
        if working >= MOST || is_working {
            return false;
        }
        self.0.insert(key, Job { request, sender: sender.to_owned(), state: JobState::Working, since: now });
        true
    }

    /// Notes what came of it.
    pub(crate) fn end(&mut self, key: &Digest, state: JobState, now: Instant) {
        if let Some(job) = self.0.get_mut(key) {
            job.state = state;
            job.since = now;
        }
    }

    /// Forgets one whose objects did not come.
    pub(crate) fn forget(&mut self, key: &Digest) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_works_at_a_time_under_a_key_and_a_bounded_number_in_all() {
        let mut jobs = Jobs::default();
        let now = Instant::now();
        let person = "per-1";
        let key = |n: usize| Digest::of(n.to_string().as_bytes());
        assert!(jobs.begin(key(0), key(9), person, now));
        assert!(!jobs.begin(key(0), key(9), person, now), "it works already");
        jobs.end(&key(0), JobState::Failed(Trouble::busy()), now);
        assert!(jobs.begin(key(0), key(9), person, now), "what failed may be tried again");
        for n in 1..MOST {
            assert!(jobs.begin(key(n), key(9), person, now));
        }
        assert!(!jobs.begin(key(MOST), key(9), person, now), "too many");
        jobs.end(&key(1), JobState::Done(RunId::from_text("run-1")), now);
        assert!(jobs.begin(key(MOST), key(9), person, now + REMEMBERED));
        assert!(jobs.get(&key(1)).is_none() && jobs.get(&key(2)).is_some(), "what works is not forgotten");
        jobs.forget(&key(2));
        assert!(jobs.get(&key(2)).is_none());
    }
}
