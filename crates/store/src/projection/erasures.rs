//! People whose data is to be erased, or is.

use countersign_evidence::act;
use countersign_model::event::{ErasureRequested, SubjectErased};
use countersign_model::retention::Kept;
use countersign_model::retention::trusted::Attested;
use countersign_model::{Action, PersonId, Timestamp};
use rusqlite::OptionalExtension as _;

use super::read::{Act, Reading};
use super::sql::{Fold, require, text, time};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "erasure_requests",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE erasure_requests (idx INTEGER PRIMARY KEY, person TEXT NOT NULL, requested_by TEXT NOT NULL,
            reason TEXT NOT NULL, time INTEGER NOT NULL) STRICT;
            CREATE INDEX erasure_requests_by_person ON erasure_requests (person);",
    },
    Table {
        name: "erasures",
        key: &["person"],
        index: "idx",
        sql: "CREATE TABLE erasures (person TEXT PRIMARY KEY, idx INTEGER NOT NULL, erased_by TEXT NOT NULL,
            now INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
    },
];

/// A request that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureRow {
    /// Log index of the oldest open request.
    pub index: u64,
    /// Whose data.
    pub person: PersonId,
    /// Who took it.
    pub by: PersonId,
    /// Where it came from.
    pub reason: String,
    /// When.
    pub time: Timestamp,
}

/// An entry that forbids the erasure of a person's data, and what keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forbids {
    /// The entry.
    pub entry: countersign_model::retention::Selected,
    /// What keeps it.
    pub kept: Kept,
}

impl State {
    pub(super) fn on_erasure_request(&self, index: u64, signed: &Act) -> Fold {
        let p: ErasureRequested = self.signed(signed, act::ERASURE_REQUEST, |p: &ErasureRequested| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::EraseData)?;
        require(self.is_enrolled(&p.person)?, "nobody with that id is enrolled")?;
        require(!self.is_erased(&p.person)?, "that person's data is erased already")?;
        self.db
            .prepare_cached(
                "INSERT INTO erasure_requests (idx, person, requested_by, reason, time) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((index, p.person.as_str(), p.by.as_str(), &p.reason, p.time.millis()))?;
        Ok(())
    }

    pub(super) fn on_erased(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: SubjectErased = self.signed(signed, act::ERASURE, |p: &SubjectErased| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::EraseData)?;
        require(!self.is_erased(&p.person)?, "that person's data is erased already")?;
        let mut query = self.db.prepare_cached("SELECT 1 FROM erasure_requests WHERE idx = ?1 AND person = ?2")?;
        require(query.exists((p.request, p.person.as_str()))?, "nobody asked for it")?;
        let attested = Attested { clock: p.time, today: p.today };
        let now = attested.moment().map_err(|e| e.to_string())?.min(reading.entry.time);
        if let Some(forbids) = self.forbids_erasure(&p.person, now)?.first() {
            let (index, kept) = (forbids.entry.index, &forbids.kept);
            let why = match kept.holds.as_slice() {
                [] => format!("entry {index} is kept {}", kept.until),
                holds => format!("entry {index} is under hold for {}", holds.join(", ")),
            };
            return Err(why.into());
        }
        self.db
            .prepare_cached("INSERT INTO erasures (person, idx, erased_by, now) VALUES (?1, ?2, ?3, ?4)")?
            .execute((p.person.as_str(), reading.index, p.by.as_str(), now.millis()))?;
        Ok(())
    }

    /// Every entry that forbids the erasure of a person's data at `now`: a record must say who acted as long as it is kept.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn forbids_erasure(&self, person: &PersonId, now: Timestamp) -> Result<Vec<Forbids>, Error> {
        let schedule = self.schedule()?;
        let mut forbids = Vec::new();
        for entry in self.entries_about(person)? {
            // The request and the erasure speak of the person in the stream of the ledger, so they do not stand in the way.
            let kept = schedule.kept(&entry);
            if !kept.is_free(now) {
                forbids.push(Forbids { entry, kept });
            }
        }
        Ok(forbids)
    }

    /// Whether a person's data is erased.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn is_erased(&self, person: &PersonId) -> Result<bool, Error> {
        Ok(self.db.prepare_cached("SELECT 1 FROM erasures WHERE person = ?1")?.exists([person.as_str()])?)
    }

    /// Log index of the erasure of a person's data.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn erased_at(&self, person: &PersonId) -> Result<Option<u64>, Error> {
        let mut query = self.db.prepare_cached("SELECT idx FROM erasures WHERE person = ?1")?;
        Ok(query.query_row([person.as_str()], |row| row.get(0)).optional()?)
    }

    /// Everybody whose data is erased.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn erased(&self) -> Result<Vec<PersonId>, Error> {
        let mut query = self.db.prepare_cached("SELECT person FROM erasures ORDER BY idx")?;
        Ok(query.query_map([], |row| text(row, 0))?.collect::<Result<_, _>>()?)
    }

    /// Requests for data that is not erased yet: the oldest for each person, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn erasure_requests(&self) -> Result<Vec<ErasureRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT min(idx), person, requested_by, reason, time FROM erasure_requests q
             WHERE NOT EXISTS (SELECT 1 FROM erasures e WHERE e.person = q.person) GROUP BY person ORDER BY 1",
        )?;
        let rows = query.query_map([], |row| {
            Ok(ErasureRow {
                index: row.get(0)?,
                person: text(row, 1)?,
                by: text(row, 2)?,
                reason: row.get(3)?,
                time: time(row, 4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
