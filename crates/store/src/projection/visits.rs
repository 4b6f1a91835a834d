//! Who came to a server, how, and what auditors looked at.

use countersign_model::event::{EvidenceViewed, SignInRefused, SignedIn, SignedOut};
use countersign_model::visit::SignInMethod;
use countersign_model::{PersonId, Timestamp};
use rusqlite::{OptionalExtension as _, Row};

use super::read::Machine;
use super::sql::{Fold, Text, maybe, require, text, time};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "visits",
        key: &["visit"],
        index: "idx",
        sql: "CREATE TABLE visits (visit TEXT PRIMARY KEY, idx INTEGER NOT NULL, person TEXT NOT NULL,
            method TEXT NOT NULL, key TEXT, time INTEGER NOT NULL, ended INTEGER) STRICT, WITHOUT ROWID;
            CREATE INDEX visits_by_index ON visits (idx);
            CREATE INDEX visits_by_person ON visits (person, idx);",
    },
    Table {
        name: "views",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE views (idx INTEGER PRIMARY KEY, visit TEXT NOT NULL, person TEXT NOT NULL,
            path TEXT NOT NULL, time INTEGER NOT NULL) STRICT;
            CREATE INDEX views_by_person ON views (person, idx);",
    },
    Table {
        name: "refused_sign_ins",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE refused_sign_ins (idx INTEGER PRIMARY KEY, method TEXT NOT NULL, code TEXT NOT NULL,
            person TEXT, times INTEGER NOT NULL, time INTEGER NOT NULL) STRICT;",
    },
];

/// The longest address that is kept of a look, in bytes.
const LONGEST_PATH: usize = 1024;

/// A visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitRow {
    /// Log index of the sign-in.
    pub index: u64,
    /// The visit's name.
    pub visit: String,
    /// Who.
    pub person: PersonId,
    /// How.
    pub method: SignInMethod,
    /// When.
    pub time: Timestamp,
    /// Log index of its end; none: it was not ended by hand.
    pub ended: Option<u64>,
}

/// Something that an auditor looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewRow {
    /// Log index.
    pub index: u64,
    /// Who.
    pub person: PersonId,
    /// The address, without its query.
    pub path: String,
    /// When.
    pub time: Timestamp,
}

/// Sign-ins that were refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedSignIn {
    /// Log index.
    pub index: u64,
    /// How they tried.
    pub method: SignInMethod,
    /// The error's code.
    pub code: String,
    /// Whom they said they were, where that is somebody enrolled.
    pub person: Option<PersonId>,
    /// How often.
    pub times: u64,
    /// When the last of them was.
    pub time: Timestamp,
}

impl Text for SignInMethod {
    fn read(text: String) -> Option<Self> {
        Self::from_text(&text)
    }
}

impl State {
    pub(super) fn on_signed_in(&self, index: u64, machine: &Machine) -> Fold {
        let p: SignedIn = self.statement(machine)?;
        self.is_known(&p.person)?;
        require(self.visit(&p.visit)?.is_none(), "a visit of that name began before")?;
        self.db
            .prepare_cached(
                "INSERT INTO visits (visit, idx, person, method, key, time) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((&p.visit, index, p.person.as_str(), p.method.as_str(), p.key.as_deref(), p.time.millis()))?;
        Ok(())
    }

    pub(super) fn on_sign_in_refused(&self, index: u64, machine: &Machine) -> Fold {
        let p: SignInRefused = self.statement(machine)?;
        require(p.times > 0, "it happened no time")?;
        if let Some(person) = &p.person {
            self.is_known(person)?;
        }
        self.db
            .prepare_cached(
                "INSERT INTO refused_sign_ins (idx, method, code, person, times, time) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((
                index,
                p.method.as_str(),
                &p.code,
                p.person.as_ref().map(PersonId::as_str),
                p.times,
                p.time.millis(),
            ))?;
        Ok(())
    }

    pub(super) fn on_signed_out(&self, index: u64, machine: &Machine) -> Fold {
        let p: SignedOut = self.statement(machine)?;
        let row = self.visit(&p.visit)?.ok_or("no such visit began")?;
        require(row.person == p.person, "the visit is somebody else's")?;
        require(row.ended.is_none(), "the visit was over before")?;
        self.db.prepare_cached("UPDATE visits SET ended = ?2 WHERE visit = ?1")?.execute((&p.visit, index))?;
        Ok(())
    }

    pub(super) fn on_viewed(&self, index: u64, machine: &Machine) -> Fold {
        let p: EvidenceViewed = self.statement(machine)?;
        let row = self.visit(&p.visit)?.ok_or("no such visit began")?;
        require(row.person == p.person, "the visit is somebody else's")?;
        require(row.ended.is_none(), "the visit was over")?;
        require(p.path.starts_with('/') && p.path.len() <= LONGEST_PATH, "its path is none")?;
        self.db
            .prepare_cached("INSERT INTO views (idx, visit, person, path, time) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute((index, &p.visit, p.person.as_str(), &p.path, p.time.millis()))?;
        Ok(())
    }

    pub(super) fn is_known(&self, person: &PersonId) -> Fold {
        let mut query = self.db.prepare_cached("SELECT 1 FROM people WHERE person = ?1")?;
        Ok(require(query.exists([person.as_str()])?, "nobody of that id is enrolled")?)
    }

    /// A visit by its name.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn visit(&self, name: &str) -> Result<Option<VisitRow>, Error> {
        let mut query =
            self.db.prepare_cached("SELECT idx, visit, person, method, time, ended FROM visits WHERE visit = ?1")?;
        Ok(query.query_row([name], visit).optional()?)
    }

    /// The newest visits, newest first, `most` at the most.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn visits(&self, most: u32) -> Result<Vec<VisitRow>, Error> {
        let mut query = self
            .db
            .prepare_cached("SELECT idx, visit, person, method, time, ended FROM visits ORDER BY idx DESC LIMIT ?1")?;
        Ok(query.query_map([most], visit)?.collect::<Result<_, _>>()?)
    }

    /// Whether anybody ever signed in to a server of this ledger.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn was_visited(&self) -> Result<bool, Error> {
        Ok(self.db.prepare_cached("SELECT 1 FROM visits LIMIT 1")?.exists([])?)
    }

    /// What auditors looked at, newest first: of one person or of all, before an index, `most` at the most.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn views(&self, person: Option<&PersonId>, before: u64, most: u32) -> Result<Vec<ViewRow>, Error> {
        let before = i64::try_from(before).unwrap_or(i64::MAX);
        let mut query = self.db.prepare_cached(
            "SELECT idx, person, path, time FROM views WHERE (?1 IS NULL OR person = ?1) AND idx < ?2
             ORDER BY idx DESC LIMIT ?3",
        )?;
        let rows = query.query_map((person.map(PersonId::as_str), before, most), |row| {
            Ok(ViewRow { index: row.get(0)?, person: text(row, 1)?, path: row.get(2)?, time: time(row, 3)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Sign-ins that were refused, newest first, `most` at the most.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn refused_sign_ins(&self, most: u32) -> Result<Vec<RefusedSignIn>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, method, code, person, times, time FROM refused_sign_ins ORDER BY idx DESC LIMIT ?1",
        )?;
        let rows = query.query_map([most], |row| {
            Ok(RefusedSignIn {
                index: row.get(0)?,
                method: text(row, 1)?,
                code: row.get(2)?,
                person: maybe(row, 3)?,
                times: row.get(4)?,
                time: time(row, 5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn visit(row: &Row<'_>) -> rusqlite::Result<VisitRow> {
    Ok(VisitRow {
        index: row.get(0)?,
        visit: row.get(1)?,
        person: text(row, 2)?,
        method: text(row, 3)?,
        time: time(row, 4)?,
        ended: row.get(5)?,
    })
}
