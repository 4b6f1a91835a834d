//! A bucket probed for as long as a server runs: at the start, and whenever a day has passed.

use std::sync::Arc;
use std::time::Duration;

use countersign_model::{Diagnostic as _, Timestamp};

use super::record::COUNTS_SECONDS;
use super::{Bucket, CANARY_SECONDS, ProbeReport, probe, record};
use crate::bell::Bell;
use crate::session::SessionError;
use crate::{Error, Session};

/// How often is looked whether it is time.
const TICK: Duration = Duration::from_secs(60);
/// How long after a probe that could not be made another one is tried, in seconds.
const AGAIN_SECONDS: i64 = 600;

/// Probes of one bucket, each recorded in the ledger. Time is what the session's clock says.
#[derive(Debug)]
pub struct DailyProbe {
    bucket: Bucket,
    next: Option<Timestamp>,
    last_try: Option<Timestamp>,
}

impl DailyProbe {
    /// Probes of this bucket; the first is due at once.
    #[must_use]
    pub const fn new(bucket: Bucket) -> Self {
        Self { bucket, next: None, last_try: None }
    }

    /// Probes if it is time, and records what came of it: the report and the entry. `None` when it is not time. A probe that
    /// somebody else recorded meanwhile counts; one that could not be made is tried again ten minutes later.
    ///
    /// # Errors
    /// When the canary could not be written, or the probe not be recorded.
    pub fn tick(&mut self, session: &mut Session) -> Result<Option<(ProbeReport, u64)>, SessionError> {
        let now = session.now();
        // A clock that went back has waited long enough.
        let waits = |from: Timestamp, until: Timestamp| from <= now && now < until;
        if let (Some(last), Some(next)) = (self.last_try, self.next)
            && waits(last, next)
        {
            return Ok(None);
        }
        let is_first = self.last_try.is_none();
        self.last_try = Some(now);
        self.next = Some(now.plus_seconds(AGAIN_SECONDS));
        session.refresh()?;
        let location = self.bucket.location().to_string();
        if let Some(known) = session.state().storage(&location)?.filter(|_| !is_first) {
            let due = known.time.plus_seconds(COUNTS_SECONDS);
            if waits(known.time, due) {
                self.next = Some(due);
                return Ok(None);
            }
        }
        let report = probe(&self.bucket, CANARY_SECONDS).map_err(Error::from)?;
        let index = record(session, &report)?;
        self.next = Some(now.plus_seconds(COUNTS_SECONDS));
        Ok(Some((report, index)))
    }
}

/// What is told of a bucket that is probed.
#[derive(Debug)]
pub enum ProbeTold<'a> {
    /// It was probed, and that is recorded as this entry.
    Probed(&'a ProbeReport, u64),
    /// It could not be probed or that not be recorded, or for another reason than before.
    Failed(&'a SessionError),
}

/// A thread that probes a bucket until this is dropped.
#[derive(Debug)]
pub struct Probing {
    ended: Arc<Bell>,
}

impl Probing {
    /// Starts it. `session` is to be one of its own, and `tell` is told of every probe.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(
        mut session: Session,
        bucket: Bucket,
        tell: impl Fn(ProbeTold<'_>) + Send + 'static,
    ) -> Result<Self, SessionError> {
        let ended = Arc::new(Bell::default());
        let bell = Arc::clone(&ended);
        let mut daily = DailyProbe::new(bucket);
        let mut failing = None;
        let run = move || {
            loop {
                match daily.tick(&mut session) {
                    Ok(None) => {}
                    Ok(Some((report, index))) => {
                        failing = None;
                        tell(ProbeTold::Probed(&report, index));
                    }
                    Err(error) if failing == Some(error.code()) => {}
                    Err(error) => {
                        failing = Some(error.code());
                        tell(ProbeTold::Failed(&error));
                    }
                }
                if bell.wait(TICK) {
                    break;
                }
            }
        };
        let thread = std::thread::Builder::new().name("ledger-probe".into()).spawn(run);
        thread.map_err(|e| Error::writing("start a thread for", "the probe", e))?;
        Ok(Self { ended })
    }
}

/// A probe that is under way is not waited for: a storage may take minutes to answer, and what it leaves is a canary whose
/// lock runs out.
impl Drop for Probing {
    fn drop(&mut self) {
        self.ended.ring();
    }
}
