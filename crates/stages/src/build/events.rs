//! The facts this stage records: `RunStarted`, `FindingsRecorded`, `EvidenceAttached`, `DecisionMade`.

use countersign_evidence::canonical;
use countersign_evidence::statement::Subject;
use countersign_model::change::{Change, ScanRecord};
use countersign_model::event::{DecisionMade, EvidenceAttached, FindingsRecorded, RunStarted};
use countersign_model::{Digest, EventKind, RunId, StreamId};
use countersign_policy::{Bundle, Decision};
use countersign_store::session::JSON;
use countersign_store::{NewBlob, NewEntry, Session};
use serde::Serialize;
use serde_json::Value;

use crate::Error;

/// A JSON document as a blob, with its digest.
pub(crate) fn document<T: Serialize>(value: &T) -> Result<(Digest, NewBlob), Error> {
    let bytes = canonical::to_vec(value)?;
    Ok((Digest::of(&bytes), NewBlob { bytes, media: JSON.into() }))
}

/// The commit as the subject of a statement.
pub(crate) fn commit_subject(identity: Option<&str>, commit: &str) -> Subject {
    Subject::new(identity.unwrap_or("repository"), "gitCommit", commit)
}

pub(crate) fn run_started(session: &Session, started: RunStarted, change: NewBlob) -> Result<NewEntry, Error> {
    let subject = vec![commit_subject(started.identity.as_deref(), &started.commit)];
    let refs = started.reuses.into_iter().collect();
    let stream = StreamId::from(&started.run);
    Ok(session.machine_entry(EventKind::RunStarted, stream, subject, started, refs, vec![change])?)
}

pub(crate) fn findings_recorded(
    session: &Session,
    run: &RunId,
    change: &Change,
    scan: &ScanRecord,
    record: (Digest, NewBlob),
) -> Result<NewEntry, Error> {
    let predicate = FindingsRecorded {
        run: run.clone(),
        commit: change.commit.clone(),
        record: record.0,
        findings: scan.findings.len() as u64,
        gaps: scan.gaps.len() as u64,
    };
    let subject = vec![commit_subject(change.identity.as_deref(), &change.commit)];
    let stream = StreamId::from(run);
    Ok(session.machine_entry(EventKind::FindingsRecorded, stream, subject, predicate, Vec::new(), vec![record.1])?)
}

pub(crate) fn decision_made(
    session: &Session,
    run: &RunId,
    change: &Change,
    decision: &Decision,
    facts: &Value,
    bundle: &Bundle,
) -> Result<NewEntry, Error> {
    let predicate = DecisionMade {
        run: run.clone(),
        digest: decision.digest()?,
        decision: serde_json::to_value(decision).map_err(Error::json)?,
    };
    let attachments = vec![document(facts)?.1, NewBlob { bytes: bundle.to_bytes(), media: JSON.into() }];
    let subject = vec![commit_subject(change.identity.as_deref(), &change.commit)];
    let stream = StreamId::from(run);
    Ok(session.machine_entry(EventKind::DecisionMade, stream, subject, predicate, Vec::new(), attachments)?)
}

pub(crate) fn evidence_attached(
    session: &Session,
    predicate: EvidenceAttached,
    file: Option<NewBlob>,
    report: Option<NewBlob>,
) -> Result<NewEntry, Error> {
    let subject = vec![Subject::sha256(predicate.name.clone(), &predicate.digest)];
    let stream = StreamId::from(&predicate.run);
    let attachments = file.into_iter().chain(report).collect();
    Ok(session.machine_entry(EventKind::EvidenceAttached, stream, subject, predicate, Vec::new(), attachments)?)
}
