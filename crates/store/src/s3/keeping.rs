//! How long entries are locked by all that the log says about retention: classes of the firm's own, starts, extensions,
//! holds.

use std::collections::BTreeSet;

use countersign_model::retention::{KeptUntil, Schedule, Selected};
use countersign_model::{Entry, Timestamp};

use super::kept_until;
use crate::projection::State;
use crate::{Error, Session};

/// What the log says about retention, as of the moment when it was asked.
#[derive(Debug)]
pub struct Keeping {
    schedule: Schedule,
    /// By index. Empty where nothing but the classes that every ledger knows decides: then the entry itself says all.
    entries: Vec<Selected>,
    /// Entries whose payloads were disposed of.
    disposed: BTreeSet<u64>,
}

impl Keeping {
    /// Asks the ledger's tables.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn of(session: &Session) -> Result<Self, Error> {
        let state = session.state();
        let schedule = state.schedule()?;
        let entries = if schedule == Schedule::default() { Vec::new() } else { all(state)? };
        Ok(Self { schedule, entries, disposed: state.disposed()? })
    }

    /// Until when an entry is kept, its periods counted from `from` at least. What waits for an event is kept for its period
    /// from then, and for longer when the event is known.
    #[must_use]
    pub fn until(&self, index: u64, entry: &Entry, from: Timestamp) -> Timestamp {
        let least = self.schedule.rule(entry.retention).and_then(|rule| rule.period.after(from));
        let least = least.unwrap_or_else(|| kept_until(entry, from));
        let Some(selected) = self.selected(index) else { return least };
        let counted = Selected { time: selected.time.max(from), ..selected.clone() };
        let grounds = self.schedule.kept(&counted).grounds;
        let dates = grounds.iter().map(|ground| match (&ground.until, ground.class) {
            (KeptUntil::Date(date), _) => *date,
            // An extension by a class that waits for its event.
            (_, Some(class)) => self.schedule.rule(class).and_then(|rule| rule.period.after(from)).unwrap_or(least),
            (_, None) => least,
        });
        dates.max().unwrap_or(least).max(least)
    }

    /// Whether an open hold lies on an entry.
    #[must_use]
    pub fn is_held(&self, index: u64) -> bool {
        self.selected(index).is_some_and(|selected| !self.schedule.kept(selected).holds.is_empty())
    }

    /// Whether an entry's payload was disposed of.
    #[must_use]
    pub fn is_disposed(&self, index: u64) -> bool {
        self.disposed.contains(&index)
    }

    fn selected(&self, index: u64) -> Option<&Selected> {
        self.entries.get(usize::try_from(index).ok()?)
    }
}

fn all(state: &State) -> Result<Vec<Selected>, Error> {
    let mut entries = Vec::new();
    for index in 0..state.size() {
        // Every entry has its row, in order; what has none ends the list, and its class alone counts from there on.
        let Some(selected) = state.selected(index)? else { break };
        entries.push(selected);
    }
    Ok(entries)
}
