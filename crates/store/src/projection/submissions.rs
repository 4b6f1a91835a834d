//! Commits that were sent to a server to be judged, and where what a pipeline said differs from what was decided.

use countersign_model::event::{RunSubmitted, VerdictDiffered};
use countersign_model::submission::MOST_CLAIMS;
use countersign_model::{Digest, Outcome, PersonId, RunId, Timestamp};
use rusqlite::{OptionalExtension as _, Row};

use super::read::{Machine, Reading};
use super::sql::{Fold, maybe, require, text, time};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "submissions",
        key: &["key"],
        index: "idx",
        sql: "CREATE TABLE submissions (key TEXT PRIMARY KEY, idx INTEGER NOT NULL, run TEXT NOT NULL,
            attempt INTEGER NOT NULL, request TEXT NOT NULL, person TEXT, time INTEGER NOT NULL) STRICT, WITHOUT ROWID;
            CREATE INDEX submissions_by_run ON submissions (run, idx);",
    },
    Table {
        name: "differences",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE differences (idx INTEGER PRIMARY KEY, run TEXT NOT NULL, attempt INTEGER NOT NULL,
            decision TEXT NOT NULL, gate TEXT NOT NULL, claimed TEXT NOT NULL, decided TEXT NOT NULL,
            time INTEGER NOT NULL) STRICT;
            CREATE INDEX differences_by_run ON differences (run, idx);",
    },
];

/// A commit that was sent to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmissionRow {
    /// Log index.
    pub index: u64,
    /// The run.
    pub run: RunId,
    /// Which attempt of it.
    pub attempt: u64,
    /// What tells it from others: over the sender and the key that they gave.
    pub key: Digest,
    /// What was asked.
    pub request: Digest,
    /// Whose token was shown.
    pub person: Option<PersonId>,
    /// When.
    pub time: Timestamp,
}

/// A gate of which a pipeline said something else than was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DifferenceRow {
    /// Log index.
    pub index: u64,
    /// The run.
    pub run: RunId,
    /// Which attempt of it.
    pub attempt: u64,
    /// Digest of the decision.
    pub decision: Digest,
    /// The gate.
    pub gate: String,
    /// What the pipeline said.
    pub claimed: Outcome,
    /// What was decided.
    pub decided: Outcome,
    /// When.
    pub time: Timestamp,
}

impl State {
    pub(super) fn on_submitted(&self, reading: &Reading, machine: &Machine) -> Fold {
        let p: RunSubmitted = self.statement(machine)?;
        self.started(&p.run)?;
        self.belongs(reading, &p.run)?;
        self.is_latest(&p.run, p.attempt)?;
        match &p.person {
            Some(person) => self.is_known(person)?,
            // The job's own identity token stands before it.
            None => {
                let proved = self.workloads(&p.run)?.iter().any(|w| w.attempt == p.attempt);
                require(proved, "it says neither who sent it nor which job")?;
            }
        }
        require(p.claims.len() <= MOST_CLAIMS, "it says more of gates than there are")?;
        require(self.submission(&p.key)?.is_none(), "the same was sent before")?;
        self.db
            .prepare_cached(
                "INSERT INTO submissions (key, idx, run, attempt, request, person, time)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute((
                p.key.to_string(),
                reading.index,
                p.run.as_str(),
                p.attempt,
                p.request.to_string(),
                p.person.as_ref().map(PersonId::as_str),
                p.time.millis(),
            ))?;
        Ok(())
    }

    /// A difference is one only if the decision is there and says of the gate what the entry says that it does.
    pub(super) fn on_differed(&self, reading: &Reading, machine: &Machine) -> Fold {
        let p: VerdictDiffered = self.statement(machine)?;
        self.started(&p.run)?;
        self.belongs(reading, &p.run)?;
        self.is_latest(&p.run, p.attempt)?;
        require(p.claimed != p.decided, "it names no difference")?;
        let mut query = self.db.prepare_cached(
            "SELECT document FROM decisions WHERE run = ?1 AND digest = ?2 ORDER BY idx DESC LIMIT 1",
        )?;
        let document: Option<String> =
            query.query_row([p.run.as_str(), &p.decision.to_string()], |row| row.get(0)).optional()?;
        let document = document.ok_or("the run has no such decision")?;
        require(decided(&document, &p.gate) == Some(p.decided), "the decision says something else of the gate")?;
        self.db
            .prepare_cached(
                "INSERT INTO differences (idx, run, attempt, decision, gate, claimed, decided, time)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                reading.index,
                p.run.as_str(),
                p.attempt,
                p.decision.to_string(),
                &p.gate,
                p.claimed.as_str(),
                p.decided.as_str(),
                p.time.millis(),
            ))?;
        Ok(())
    }

    fn is_latest(&self, run: &RunId, attempt: u64) -> Fold {
        let mut query = self.db.prepare_cached("SELECT count(*) FROM attempts WHERE run = ?1")?;
        let attempts: u64 = query.query_row([run.as_str()], |row| row.get(0))?;
        Ok(require(attempt == attempts, "it is not of the run's latest attempt")?)
    }

    /// Whether the latest attempt of a run was sent to a server and judged there.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn is_judged_by_server(&self, run: &RunId) -> Result<bool, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT 1 FROM submissions WHERE run = ?1 AND attempt = (SELECT count(*) FROM attempts WHERE run = ?1)",
        )?;
        Ok(query.exists([run.as_str()])?)
    }

    /// What was sent under a key.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn submission(&self, key: &Digest) -> Result<Option<SubmissionRow>, Error> {
        let mut query = self
            .db
            .prepare_cached("SELECT idx, run, attempt, key, request, person, time FROM submissions WHERE key = ?1")?;
        Ok(query.query_row([key.to_string()], submission_row).optional()?)
    }

    /// Everything that was sent for a run, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn submissions_of(&self, run: &RunId) -> Result<Vec<SubmissionRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, run, attempt, key, request, person, time FROM submissions WHERE run = ?1 ORDER BY idx",
        )?;
        Ok(query.query_map([run.as_str()], submission_row)?.collect::<Result<_, _>>()?)
    }

    /// The differences of a run, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn differences_of(&self, run: &RunId) -> Result<Vec<DifferenceRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, run, attempt, decision, gate, claimed, decided, time FROM differences WHERE run = ?1 ORDER BY idx",
        )?;
        Ok(query.query_map([run.as_str()], difference_row)?.collect::<Result<_, _>>()?)
    }

    /// The differences that were found since a moment, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn differences_since(&self, since: Timestamp) -> Result<Vec<DifferenceRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, run, attempt, decision, gate, claimed, decided, time FROM differences WHERE time >= ?1 ORDER BY idx",
        )?;
        Ok(query.query_map([since.millis()], difference_row)?.collect::<Result<_, _>>()?)
    }
}

/// What a decision's document says of a gate.
fn decided(document: &str, gate: &str) -> Option<Outcome> {
    let document: serde_json::Value = serde_json::from_str(document).ok()?;
    let gates = document.pointer("/verdict/gates")?.as_array()?;
    let found = gates.iter().find(|g| g.get("name").and_then(serde_json::Value::as_str) == Some(gate))?;
    serde_json::from_value(found.get("outcome")?.clone()).ok()
}

fn submission_row(row: &Row<'_>) -> rusqlite::Result<SubmissionRow> {
    Ok(SubmissionRow {
        index: row.get(0)?,
        run: text(row, 1)?,
        attempt: row.get(2)?,
        key: text(row, 3)?,
        request: text(row, 4)?,
        person: maybe(row, 5)?,
        time: time(row, 6)?,
    })
}

fn difference_row(row: &Row<'_>) -> rusqlite::Result<DifferenceRow> {
    Ok(DifferenceRow {
        index: row.get(0)?,
        run: text(row, 1)?,
        attempt: row.get(2)?,
        decision: text(row, 3)?,
        gate: row.get(4)?,
        claimed: text(row, 5)?,
        decided: text(row, 6)?,
        time: time(row, 7)?,
    })
}
