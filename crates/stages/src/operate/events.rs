//! The facts that monitoring records.

use countersign_model::event::{DriftDetected, SnapshotTaken};
use countersign_model::{EventKind, StreamId};
use countersign_store::projection::stream_of;
use countersign_store::{NewEntry, Session};

use crate::Error;

pub(super) fn taken(session: &Session, snapshot: SnapshotTaken) -> Result<NewEntry, Error> {
    let stream = StreamId::from_text(stream_of(&snapshot.environment));
    let (kind, subject) = (EventKind::SnapshotTaken, session.subject());
    Ok(session.machine_entry(kind, stream, subject, snapshot, Vec::new(), Vec::new())?)
}

pub(super) fn detected(session: &Session, drift: DriftDetected) -> Result<NewEntry, Error> {
    let stream = StreamId::from_text(stream_of(&drift.environment));
    let (kind, subject) = (EventKind::DriftDetected, session.subject());
    Ok(session.machine_entry(kind, stream, subject, drift, Vec::new(), Vec::new())?)
}
