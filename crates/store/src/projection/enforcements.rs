//! Assignments of levels that were put in effect, and overrides of what is soft.

use countersign_evidence::act;
use countersign_model::event::{EnforcementActivated, EnforcementOverridden};
use countersign_model::{Action, Digest, OverrideId, PayloadRef, PersonId, RunId, Timestamp};
use rusqlite::OptionalExtension as _;

use super::read::{Act, Reading, to_json};
use super::sql::{Fold, blob, json, media, require, text, time};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "assignments",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE assignments (idx INTEGER PRIMARY KEY, digest TEXT NOT NULL, blob TEXT NOT NULL,
            blob_size INTEGER NOT NULL, blob_media TEXT NOT NULL, person TEXT NOT NULL, reason TEXT,
            time INTEGER NOT NULL) STRICT;",
    },
    Table {
        name: "overrides",
        key: &["override_id"],
        index: "idx",
        sql: "CREATE TABLE overrides (override_id TEXT PRIMARY KEY, idx INTEGER NOT NULL, run TEXT NOT NULL,
            assignment TEXT NOT NULL, reasons TEXT NOT NULL, person TEXT NOT NULL, reason TEXT NOT NULL,
            time INTEGER NOT NULL) STRICT, WITHOUT ROWID;
            CREATE INDEX overrides_by_run ON overrides (run, idx);",
    },
];

/// An assignment that was put in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivatedAssignment {
    /// Log index of its activation.
    pub index: u64,
    /// Its digest.
    pub digest: Digest,
    /// The blob that holds it.
    pub blob: PayloadRef,
    /// Who put it in effect.
    pub by: PersonId,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub time: Timestamp,
}

/// An override.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverrideRow {
    /// The override.
    pub id: OverrideId,
    /// Log index.
    pub index: u64,
    /// The run.
    pub run: RunId,
    /// The assignment that named the role.
    pub assignment: Digest,
    /// Digests of the reasons.
    pub reasons: Vec<Digest>,
    /// Who.
    pub by: PersonId,
    /// Why.
    pub reason: String,
    /// When.
    pub time: Timestamp,
}

const COLUMNS: &str = "idx, digest, blob, blob_size, blob_media, person, reason, time FROM assignments";

impl State {
    pub(super) fn on_enforcement(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: EnforcementActivated = self.signed(signed, act::ENFORCEMENT, |p: &EnforcementActivated| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::ActivateLevels)?;
        let (blob, said) = reading.named(0)?;
        require(said == p.assignment, "the assignment is not the one that the statement names")?;
        self.db
            .prepare_cached(
                "INSERT INTO assignments (idx, digest, blob, blob_size, blob_media, person, reason, time)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                reading.index,
                p.assignment.to_string(),
                blob.sha256.to_string(),
                blob.size,
                media(&blob),
                p.by.as_str(),
                p.reason,
                p.time.millis(),
            ))?;
        Ok(())
    }

    /// Whether the role is the one that the assignment names is seen to where decisions are made: the log knows digests only.
    pub(super) fn on_override(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: EnforcementOverridden = self.signed(signed, act::OVERRIDE, |p: &EnforcementOverridden| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::OverrideSoft)?;
        require(reading.entry.stream == (&p.run).into(), "it stands in another stream than the run's")?;
        let active = self.assignment()?.map(|a| a.digest);
        require(active == Some(p.assignment), "the assignment that it names is not in effect")?;
        require(!p.reasons.is_empty(), "it overrides nothing")?;
        let mut query = self.db.prepare_cached("SELECT 1 FROM overrides WHERE override_id = ?1")?;
        require(!query.exists([p.id.as_str()])?, "an override of that id was made before")?;
        self.db
            .prepare_cached(
                "INSERT INTO overrides (override_id, idx, run, assignment, reasons, person, reason, time)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                p.id.as_str(),
                reading.index,
                p.run.as_str(),
                p.assignment.to_string(),
                to_json(&p.reasons)?,
                p.by.as_str(),
                p.reason,
                p.time.millis(),
            ))?;
        Ok(())
    }

    /// The assignment in effect.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn assignment(&self) -> Result<Option<ActivatedAssignment>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} ORDER BY idx DESC LIMIT 1"))?;
        Ok(query.query_row([], activated).optional()?)
    }

    /// An assignment that was in effect some time, by its digest.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn assignment_of(&self, digest: &Digest) -> Result<Option<ActivatedAssignment>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} WHERE digest = ?1 ORDER BY idx LIMIT 1"))?;
        Ok(query.query_row([digest.to_string()], activated).optional()?)
    }

    /// Every assignment that was put in effect, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn assignments(&self) -> Result<Vec<ActivatedAssignment>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} ORDER BY idx"))?;
        Ok(query.query_map([], activated)?.collect::<Result<_, _>>()?)
    }

    /// The overrides of a run, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn overrides(&self, run: &RunId) -> Result<Vec<OverrideRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT override_id, idx, run, assignment, reasons, person, reason, time FROM overrides
             WHERE run = ?1 ORDER BY idx",
        )?;
        let rows = query.query_map([run.as_str()], |row| {
            Ok(OverrideRow {
                id: text(row, 0)?,
                index: row.get(1)?,
                run: text(row, 2)?,
                assignment: text(row, 3)?,
                reasons: json(row, 4)?,
                by: text(row, 5)?,
                reason: row.get(6)?,
                time: time(row, 7)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn activated(row: &rusqlite::Row<'_>) -> rusqlite::Result<ActivatedAssignment> {
    Ok(ActivatedAssignment {
        index: row.get(0)?,
        digest: text(row, 1)?,
        blob: blob(row, 2)?,
        by: text(row, 5)?,
        reason: row.get(6)?,
        time: time(row, 7)?,
    })
}
