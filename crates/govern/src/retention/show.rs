//! `retention show`: what keeps an entry, and what is due.

use countersign_model::retention::{Kept as Grounds, Selected};
use countersign_model::{Timestamp, retention::Schedule};
use countersign_store::Session;
use countersign_store::projection::Group;

use crate::Error;

/// What keeps one entry.
pub struct Kept {
    /// The entry.
    pub entry: Selected,
    /// What keeps it.
    pub kept: Grounds,
    /// Until when it must be at hand without delay, where a rule says so.
    pub immediate: Option<Timestamp>,
    /// Log index of the certificate by which its payload was disposed of.
    pub disposed: Option<u64>,
}

/// What keeps the entry at `index`.
///
/// # Errors
/// When there is no such entry.
pub fn show(session: &Session, index: u64) -> Result<Kept, Error> {
    let state = session.state();
    let size = state.size();
    let entry = state.selected(index)?.ok_or(Error::NoSuchEntry { index, size })?;
    let schedule = state.schedule()?;
    let (kept, immediate) = (schedule.kept(&entry), schedule.immediate(&entry));
    Ok(Kept { kept, immediate, disposed: state.certificate_of(index)?, entry })
}

/// What could be disposed of if the machine's clock were right, and what still waits.
pub struct Due {
    /// The clock. A disposal does not go by it alone.
    pub now: Timestamp,
    /// Free, in groups that go together.
    pub free: Vec<Group>,
    /// Free by its dates, and still what releases are held against.
    pub in_use: Vec<Group>,
    /// Kept.
    pub kept: Vec<Group>,
}

/// What is due by the machine's clock.
///
/// # Errors
/// When the ledger cannot be read.
pub fn due(session: &Session) -> Result<Due, Error> {
    let schedule = session.state().schedule()?;
    at(session, &schedule, session.now())
}

pub(super) fn at(session: &Session, schedule: &Schedule, now: Timestamp) -> Result<Due, Error> {
    let needed = session.state().runs_in_use()?;
    let mut due = Due { now, free: Vec::new(), in_use: Vec::new(), kept: Vec::new() };
    for group in session.state().groups(schedule)? {
        let in_use = group.run.as_ref().is_some_and(|run| needed.contains(run));
        match (group.is_free(now), in_use) {
            (false, _) => due.kept.push(group),
            (true, true) => due.in_use.push(group),
            (true, false) => due.free.push(group),
        }
    }
    Ok(due)
}
