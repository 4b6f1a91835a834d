//! The facts that monitoring records.

use countersign_evidence::statement::Subject;
use countersign_model::event::{DriftDetected, SnapshotTaken};
use countersign_model::{Digest, EventKind, StreamId};
use countersign_store::projection::stream_of;
use countersign_store::{NewEntry, Session};

use crate::Error;

fn subject(session: &Session) -> Vec<Subject> {
    let state = session.state();
    vec![Subject::sha256(state.origin().to_owned(), &Digest::of(state.vkey().as_bytes()))]
}

pub(super) fn taken(session: &Session, snapshot: SnapshotTaken) -> Result<NewEntry, Error> {
    let stream = StreamId::from_text(stream_of(&snapshot.environment));
    let (kind, subject) = (EventKind::SnapshotTaken, subject(session));
    Ok(session.machine_entry(kind, stream, subject, snapshot, Vec::new(), Vec::new())?)
}

pub(super) fn detected(session: &Session, drift: DriftDetected) -> Result<NewEntry, Error> {
    let stream = StreamId::from_text(stream_of(&drift.environment));
    let (kind, subject) = (EventKind::DriftDetected, subject(session));
    Ok(session.machine_entry(kind, stream, subject, drift, Vec::new(), Vec::new())?)
}
