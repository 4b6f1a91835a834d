//! Decisions over the facts of runs.

use countersign_evidence::canonical;
use countersign_model::event::DecisionMade;
use countersign_model::{Digest, Outcome, PayloadRef, RunId};
use rusqlite::{OptionalExtension as _, Row};
use serde::Deserialize as _;

use super::read::{Machine, Reading, attachment};
use super::sql::{Fold, blob, json, media, require, text};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "decisions",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE decisions (idx INTEGER PRIMARY KEY, run TEXT NOT NULL, digest TEXT NOT NULL, policy TEXT,
            outcome TEXT NOT NULL, document TEXT NOT NULL, facts TEXT NOT NULL, facts_size INTEGER NOT NULL,
            facts_media TEXT NOT NULL, bundle TEXT NOT NULL, bundle_size INTEGER NOT NULL, bundle_media TEXT NOT NULL)
            STRICT;
            CREATE INDEX decisions_by_run ON decisions (run, idx);
            CREATE INDEX decisions_by_digest ON decisions (digest);",
    },
    Table {
        name: "run_outcomes",
        key: &["run"],
        index: "idx",
        // What each run comes to by its newest decision, which is the entry `idx`, so that runs are listed and counted by it; without a
        // decision there is no outcome, and `idx` is the run's own. `first` and `time` are those of the run, `last` is the newest
        // entry of those by which an audit's period has it: an attempt, a decision, an approval, the end of a deployment.
        sql: "CREATE TABLE run_outcomes (run TEXT PRIMARY KEY, idx INTEGER NOT NULL, first INTEGER NOT NULL,
            time INTEGER NOT NULL, last INTEGER NOT NULL, identity TEXT, outcome TEXT) STRICT, WITHOUT ROWID;
            CREATE INDEX run_outcomes_by_outcome ON run_outcomes (outcome, first);
            CREATE INDEX run_outcomes_by_time ON run_outcomes (outcome, time, last);
            CREATE INDEX run_outcomes_by_repository ON run_outcomes (identity, outcome, time, last);",
    },
];

/// Makes `run_outcomes` anew from what is there.
pub(super) const OUTCOMES_ANEW: &str = "DELETE FROM run_outcomes;
    INSERT INTO run_outcomes (run, idx, first, time, last, identity, outcome)
    SELECT r.run, coalesce(d.idx, r.idx), r.idx, e.time, max(r.idx,
      coalesce((SELECT max(idx) FROM attempts p WHERE p.run = r.run), 0),
      coalesce((SELECT max(idx) FROM decisions p WHERE p.run = r.run), 0),
      coalesce((SELECT max(idx) FROM approvals p WHERE p.run = r.run), 0),
      coalesce((SELECT max(idx) FROM deployments p WHERE p.run = r.run), 0)), r.identity, d.outcome FROM runs r JOIN entries e ON e.idx = r.idx
    LEFT JOIN decisions d ON d.run = r.run
    AND NOT EXISTS (SELECT 1 FROM decisions o WHERE o.run = d.run AND o.idx > d.idx);";

/// A decision.
#[derive(Debug, Clone)]
pub struct DecisionRow {
    /// Log index.
    pub index: u64,
    /// The run.
    pub run: RunId,
    /// Digest of the decision document.
    pub digest: Digest,
    /// The decision document.
    pub document: serde_json::Value,
    /// The facts it was made from.
    pub facts: PayloadRef,
    /// The policy bundle that made it.
    pub bundle: PayloadRef,
}

const COLUMNS: &str =
    "idx, run, digest, document, facts, facts_size, facts_media, bundle, bundle_size, bundle_media FROM decisions";

impl State {
    pub(super) fn on_decision(&self, reading: &Reading, machine: &Machine) -> Fold {
        let p: DecisionMade = self.statement(machine)?;
        let document = canonical::to_vec(&p.decision).map_err(|e| e.to_string())?;
        let document = String::from_utf8(document).map_err(|e| e.to_string())?;
        let digest = Digest::of(document.as_bytes());
        require(digest == p.digest, "the decision document is not the one its digest names")?;
        let ((facts, said), bundle) = (reading.named(0)?, attachment(&reading.entry, 1)?);
        let named = p.decision.get("facts").and_then(|f| f.as_str());
        require(named == Some(said.to_string().as_str()), "the attached facts are not those the decision names")?;
        self.started(&p.run)?;
        self.belongs(reading, &p.run)?;
        let outcome = outcome(&p.decision).as_str();
        self.db
            .prepare_cached(
                "INSERT INTO decisions (idx, run, digest, policy, document, facts, facts_size, facts_media, bundle,
                 bundle_size, bundle_media, outcome) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute((
                reading.index,
                p.run.as_str(),
                digest.to_string(),
                p.decision.get("bundle").and_then(|b| b.as_str()),
                document,
                facts.sha256.to_string(),
                facts.size,
                media(&facts),
                bundle.sha256.to_string(),
                bundle.size,
                media(&bundle),
                outcome,
            ))?;
        self.db
            .prepare_cached("UPDATE run_outcomes SET idx = ?2, last = ?2, outcome = ?3 WHERE run = ?1")?
            .execute((p.run.as_str(), reading.index, outcome))?;
        self.on_waiver_uses(reading.index, &p.decision)?;
        Ok(())
    }

    /// Something was said of a run by which an audit's period has it.
    pub(super) fn said_of(&self, run: &RunId, index: u64) -> Result<(), Error> {
        let mut update = self.db.prepare_cached("UPDATE run_outcomes SET last = ?2 WHERE run = ?1")?;
        update.execute((run.as_str(), index))?;
        Ok(())
    }

    /// The policy bundle that a decision of a run names; the outer `None` when there is no such decision.
    pub(super) fn policy_of(&self, run: &RunId, decision: &Digest) -> Result<Option<Option<String>>, Error> {
        let mut query = self
            .db
            .prepare_cached("SELECT policy FROM decisions WHERE run = ?1 AND digest = ?2 ORDER BY idx LIMIT 1")?;
        Ok(query.query_row((run.as_str(), decision.to_string()), |row| row.get(0)).optional()?)
    }

    /// The newest decision of a run.
    pub(super) fn newest_decision(&self, run: &RunId) -> Result<Option<DecisionRow>, Error> {
        let mut query =
            self.db.prepare_cached(&format!("SELECT {COLUMNS} WHERE run = ?1 ORDER BY idx DESC LIMIT 1"))?;
        Ok(query.query_row([run.as_str()], decision).optional()?)
    }

    pub(super) fn decisions_of(&self, run: &RunId) -> Result<Vec<DecisionRow>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} WHERE run = ?1 ORDER BY idx"))?;
        Ok(query.query_map([run.as_str()], decision)?.collect::<Result<_, _>>()?)
    }

    /// Every policy bundle that an activation or a decision names, with the blob that is attached as it.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn attached_bundles(&self) -> Result<Vec<(String, PayloadRef)>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT digest, blob, blob_size, blob_media FROM bundles
             UNION SELECT coalesce(policy, ''), bundle, bundle_size, bundle_media FROM decisions",
        )?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, blob(row, 1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The entries that name a policy bundle and have this blob attached as it, oldest first; some hundred of them at most.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn entries_with_bundle(&self, named: &str, attached: &Digest) -> Result<Vec<u64>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx FROM bundles WHERE digest = ?1 AND blob = ?2
             UNION SELECT idx FROM decisions WHERE coalesce(policy, '') = ?1 AND bundle = ?2 ORDER BY 1 LIMIT 256",
        )?;
        let rows = query.query_map((named, attached.to_string()), |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What a blob that a row names says.
    ///
    /// # Errors
    /// As [`crate::Ledger::payload`].
    pub fn payload(&self, blob: &PayloadRef) -> Result<Vec<u8>, Error> {
        let stored = crate::blob::get(self.vault.source.as_ref(), blob)?;
        crate::payload_key::open(stored, self.vault.payload_key.as_ref(), blob)
    }

    /// The decision that an entry made.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn decision_at(&self, index: u64) -> Result<Option<DecisionRow>, Error> {
        let Ok(index) = i64::try_from(index) else { return Ok(None) };
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} WHERE idx = ?1"))?;
        Ok(query.query_row([index], decision).optional()?)
    }

    /// Decisions of entries from `from` on, oldest first, at most `limit`: a page of all of them.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn decisions_from(&self, from: u64, limit: u32) -> Result<Vec<DecisionRow>, Error> {
        let Ok(from) = i64::try_from(from) else { return Ok(Vec::new()) };
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} WHERE idx >= ?1 ORDER BY idx LIMIT ?2"))?;
        Ok(query.query_map((from, limit), decision)?.collect::<Result<_, _>>()?)
    }

    /// Decisions whose digest's hex digits start with `hex`, oldest first; at most two, which tells one from several.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn decisions_named(&self, hex: &str) -> Result<Vec<DecisionRow>, Error> {
        let start = format!("sha256:{hex}");
        let end = format!("{start}{}", char::MAX);
        let mut query =
            self.db.prepare_cached(&format!("SELECT {COLUMNS} WHERE digest BETWEEN ?1 AND ?2 ORDER BY idx LIMIT 2"))?;
        Ok(query.query_map([start, end], decision)?.collect::<Result<_, _>>()?)
    }
}

fn decision(row: &Row<'_>) -> rusqlite::Result<DecisionRow> {
    Ok(DecisionRow {
        index: row.get(0)?,
        run: text(row, 1)?,
        digest: text(row, 2)?,
        document: json(row, 3)?,
        facts: blob(row, 4)?,
        bundle: blob(row, 7)?,
    })
}

/// What a decision's gates come to together, without the approvals that may be missing.
fn outcome(document: &serde_json::Value) -> Outcome {
    let gates = document.pointer("/verdict/gates").and_then(serde_json::Value::as_array);
    let of = |gate: &serde_json::Value| {
        gate.get("outcome").and_then(|o| Outcome::deserialize(o).ok()).unwrap_or(Outcome::NotEvaluated)
    };
    Outcome::all(gates.into_iter().flatten().map(of))
}
