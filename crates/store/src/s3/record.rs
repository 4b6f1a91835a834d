//! What came of a probe, as an entry of the ledger: a statement of the recorder.

use countersign_evidence::statement::Subject;
use countersign_model::event::{LockAttack, LockVerdict, StorageProbed};
use countersign_model::{Digest, EventKind, StreamId};

use super::{Bucket, Held, ProbeReport};
use crate::session::SessionError;
use crate::{Plan, Session};

/// How long a probe counts, in seconds: a day.
pub(super) const COUNTS_SECONDS: i64 = 24 * 3600;

/// Records what came of a probe; the index of the entry.
///
/// # Errors
/// What the ledger says.
pub fn record(session: &mut Session, report: &ProbeReport) -> Result<u64, SessionError> {
    let (_, index) = session.transact::<_, SessionError>(|s| {
        // The plan is carried out at this size of the log, or made anew.
        let index = s.ledger().size();
        let predicate = StorageProbed {
            location: report.location.clone(),
            verdict: verdict(report.verdict()),
            attacks: report
                .attempts
                .iter()
                .map(|a| LockAttack {
                    attack: a.attack.as_str().to_owned(),
                    verdict: verdict(a.held),
                    said: a.said.clone(),
                })
                .collect(),
            time: s.now(),
        };
        let subject = Subject::sha256(report.location.clone(), &Digest::of(report.location.as_bytes()));
        let stream = StreamId::from_text("ledger");
        let entry = s.machine_entry(EventKind::StorageProbed, stream, vec![subject], predicate, vec![], vec![])?;
        Ok((Plan { entries: vec![entry] }, index))
    })?;
    Ok(index)
}

/// Whether a storage is to be probed before anything goes there: it never was, it did not hold, or that was more than a
/// day ago. A probe of the future counts for nothing.
///
/// # Errors
/// When the ledger's tables cannot be read.
pub fn is_due(session: &Session, bucket: &Bucket) -> Result<bool, SessionError> {
    let last = session.state().storage(&bucket.location().to_string())?;
    Ok(last.is_none_or(|probe| {
        let is_recent = probe.time <= session.now() && session.now() < probe.time.plus_seconds(COUNTS_SECONDS);
        probe.verdict != LockVerdict::Held || !is_recent
    }))
}

const fn verdict(held: Held) -> LockVerdict {
    match held {
        Held::Yes => LockVerdict::Held,
        Held::No => LockVerdict::Broken,
        Held::Unclear => LockVerdict::Unclear,
    }
}
