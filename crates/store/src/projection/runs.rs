//! Repositories, runs and their attempts.

use countersign_model::event::RunStarted;
use countersign_model::{Digest, PayloadRef, RepositoryId, RunId};
use rusqlite::types::Value;
use rusqlite::{OptionalExtension as _, Row};

use super::approvals::ApprovalRow;
use super::decisions::DecisionRow;
use super::evidence::EvidenceRow;
use super::read::{Machine, Reading};
use super::sql::{Fold, blob, media, require, text};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "repositories",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE repositories (idx INTEGER PRIMARY KEY, identity TEXT, repository TEXT NOT NULL) STRICT;
            CREATE INDEX repositories_by_identity ON repositories (identity);",
    },
    Table {
        name: "runs",
        key: &["run"],
        index: "idx",
        sql: "CREATE TABLE runs (run TEXT PRIMARY KEY, idx INTEGER NOT NULL, repository TEXT NOT NULL, identity TEXT,
            commit_id TEXT NOT NULL, tree TEXT NOT NULL, pipeline TEXT NOT NULL) STRICT, WITHOUT ROWID;
            CREATE INDEX runs_by_commit ON runs (commit_id);
            CREATE INDEX runs_by_index ON runs (idx);",
    },
    Table {
        name: "attempts",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE attempts (idx INTEGER PRIMARY KEY, run TEXT NOT NULL, attempt INTEGER NOT NULL,
            change TEXT NOT NULL, change_size INTEGER NOT NULL, change_media TEXT NOT NULL) STRICT;
            CREATE INDEX attempts_by_run ON attempts (run, idx);",
    },
];

/// A run with everything that happened to it.
#[derive(Debug, Clone)]
pub struct RunRow {
    /// The run.
    pub id: RunId,
    /// Log index of its first attempt.
    pub index: u64,
    /// The repository's id in this ledger.
    pub repository: RepositoryId,
    /// The repository's identity.
    pub identity: Option<String>,
    /// The commit.
    pub commit: String,
    /// Its tree.
    pub tree: String,
    /// Digest of the pipeline definition.
    pub pipeline: Digest,
    /// Log indices of its attempts.
    pub attempts: Vec<u64>,
    /// The change of the last attempt.
    pub change: PayloadRef,
    /// The last scan record and its log index.
    pub scan: Option<(u64, PayloadRef)>,
    /// Attached evidence and artifacts.
    pub evidence: Vec<EvidenceRow>,
    /// Decisions, oldest first.
    pub decisions: Vec<DecisionRow>,
    /// Approvals of any decision of this run.
    pub approvals: Vec<ApprovalRow>,
}

/// What a list of runs shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    /// The run.
    pub id: RunId,
    /// Log index of its first attempt.
    pub index: u64,
    /// The repository's identity.
    pub identity: Option<String>,
    /// The commit.
    pub commit: String,
    /// How many attempts it has.
    pub attempts: u64,
    /// Digests of its decisions, oldest first.
    pub decisions: Vec<Digest>,
    /// How many approvals it has, of any decision.
    pub approvals: u64,
}

/// The columns that an entry about a run is checked against.
pub(super) struct RunKey {
    pub(super) identity: Option<String>,
    pub(super) commit: String,
    pub(super) tree: String,
    pub(super) pipeline: Digest,
}

impl State {
    pub(super) fn on_run(&self, reading: &Reading, machine: &Machine) -> Fold {
        let p: RunStarted = self.statement(machine)?;
        let index = reading.index;
        let (change, said) = reading.named(0)?;
        require(said == p.change, "the change is not the one the statement names")?;
        self.belongs(reading, &p.run)?;
        if let Some(run) = self.run_key(&p.run)? {
            require(
                run.commit == p.commit && run.identity == p.identity && run.pipeline == p.pipeline,
                "an attempt of a run is of the same commit, repository and pipeline definition",
            )?;
            let mut query = self.db.prepare_cached("SELECT count(*) FROM attempts WHERE run = ?1")?;
            let attempts: u64 = query.query_row([p.run.as_str()], |row| row.get(0))?;
            require(p.attempt == attempts.saturating_add(1), "attempts are numbered without gaps")?;
            self.said_of(&p.run, index)?;
        } else {
            require(p.attempt == 1, "a run begins with attempt 1")?;
            if self.repository(p.identity.as_deref())?.is_none() {
                self.db
                    .prepare_cached("INSERT INTO repositories (idx, identity, repository) VALUES (?1, ?2, ?3)")?
                    .execute((index, p.identity.as_deref(), p.repository.as_str()))?;
            }
            self.db
                .prepare_cached(
                    "INSERT INTO runs (run, idx, repository, identity, commit_id, tree, pipeline)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute((
                    p.run.as_str(),
                    index,
                    p.repository.as_str(),
                    p.identity.as_deref(),
                    &p.commit,
                    &p.tree,
                    p.pipeline.to_string(),
                ))?;
            self.db
                .prepare_cached(
                    "INSERT INTO run_outcomes (run, idx, first, time, last, identity) VALUES (?1, ?2, ?2, ?3, ?2, ?4)",
                )?
                .execute((p.run.as_str(), index, reading.entry.time.millis(), p.identity.as_deref()))?;
        }
        self.db
            .prepare_cached(
                "INSERT INTO attempts (idx, run, attempt, change, change_size, change_media)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((index, p.run.as_str(), p.attempt, change.sha256.to_string(), change.size, media(&change)))?;
        Ok(())
    }

    pub(super) fn run_key(&self, run: &RunId) -> Result<Option<RunKey>, Error> {
        let mut query =
            self.db.prepare_cached("SELECT identity, commit_id, tree, pipeline FROM runs WHERE run = ?1")?;
        let row = |row: &Row<'_>| {
            Ok(RunKey { identity: row.get(0)?, commit: row.get(1)?, tree: row.get(2)?, pipeline: text(row, 3)? })
        };
        Ok(query.query_row([run.as_str()], row).optional()?)
    }

    /// The run must have been started.
    pub(super) fn started(&self, run: &RunId) -> Result<RunKey, super::sql::Stop> {
        self.run_key(run)?.ok_or_else(|| "it speaks of a run that was never started".into())
    }

    /// The id of a repository in this ledger, by its identity (`None`: the one without an identity).
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn repository(&self, identity: Option<&str>) -> Result<Option<RepositoryId>, Error> {
        let mut query =
            self.db.prepare_cached("SELECT repository FROM repositories WHERE identity IS ?1 ORDER BY idx LIMIT 1")?;
        Ok(query.query_row([identity], |row| text(row, 0)).optional()?)
    }

    /// A run with everything that happened to it.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn run(&self, id: &RunId) -> Result<Option<RunRow>, Error> {
        let mut query = self
            .db
            .prepare_cached("SELECT idx, repository, identity, commit_id, tree, pipeline FROM runs WHERE run = ?1")?;
        let row = |row: &Row<'_>| -> rusqlite::Result<(u64, RepositoryId, Option<String>, String, String, Digest)> {
            Ok((row.get(0)?, text(row, 1)?, row.get(2)?, row.get(3)?, row.get(4)?, text(row, 5)?))
        };
        let Some((index, repository, identity, commit, tree, pipeline)) =
            query.query_row([id.as_str()], row).optional()?
        else {
            return Ok(None);
        };
        let mut query = self.db.prepare_cached("SELECT idx FROM attempts WHERE run = ?1 ORDER BY idx")?;
        let attempts = query.query_map([id.as_str()], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut query = self.db.prepare_cached(
            "SELECT change, change_size, change_media FROM attempts WHERE run = ?1 ORDER BY idx DESC LIMIT 1",
        )?;
        let change = query.query_row([id.as_str()], |row| blob(row, 0))?;
        Ok(Some(RunRow {
            id: id.clone(),
            index,
            repository,
            identity,
            commit,
            tree,
            pipeline,
            attempts,
            change,
            scan: self.last_scan(id)?,
            evidence: self.evidence_of(id)?,
            decisions: self.decisions_of(id)?,
            approvals: self.approvals_of(id)?,
        }))
    }

    /// The run of this repository, commit and pipeline definition, if there is one.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn run_of(&self, identity: Option<&str>, commit: &str, pipeline: Digest) -> Result<Option<RunRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT run FROM runs WHERE commit_id = ?1 AND identity IS ?2 AND pipeline = ?3 ORDER BY run LIMIT 1",
        )?;
        let found = query.query_row((commit, identity, pipeline.to_string()), |row| text(row, 0)).optional()?;
        found.map_or(Ok(None), |id| self.run(&id))
    }

    /// The run that was attempted last.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn latest_run(&self) -> Result<Option<RunId>, Error> {
        let mut query = self.db.prepare_cached("SELECT run FROM attempts ORDER BY idx DESC LIMIT 1")?;
        Ok(query.query_row([], |row| text(row, 0)).optional()?)
    }

    /// The run of a commit that was attempted last.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn latest_run_of(&self, commit: &str) -> Result<Option<RunId>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT runs.run FROM runs JOIN attempts ON attempts.run = runs.run WHERE commit_id = ?1
             ORDER BY attempts.idx DESC LIMIT 1",
        )?;
        Ok(query.query_row([commit], |row| text(row, 0)).optional()?)
    }

    /// The run that was attempted last of those of other commits than this one.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn latest_run_but_of(&self, commit: &str) -> Result<Option<RunId>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT runs.run FROM attempts JOIN runs ON attempts.run = runs.run WHERE commit_id <> ?1
             ORDER BY attempts.idx DESC LIMIT 1",
        )?;
        Ok(query.query_row([commit], |row| text(row, 0)).optional()?)
    }

    /// Runs whose id starts with `text`, or whose commit does (at least four digits); `latest` is the one attempted
    /// last.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn runs_named(&self, text: &str) -> Result<Vec<RunId>, Error> {
        if text == "latest" {
            return Ok(self.latest_run()?.into_iter().collect());
        }
        let digits = text.strip_prefix(RunId::PREFIX).unwrap_or(text);
        if digits.len() < 4 {
            return Ok(Vec::new());
        }
        // Texts that start with `text` stand between it and it followed by the last of all characters.
        let end = format!("{text}{}", char::MAX);
        let commit = (text == digits).then_some(text);
        let mut query = self.db.prepare_cached(
            "SELECT run FROM runs WHERE run BETWEEN ?1 AND ?2
             UNION SELECT run FROM runs WHERE commit_id BETWEEN ?3 AND ?2 ORDER BY run",
        )?;
        let commit: Value = commit.map_or(Value::Null, |c| c.to_owned().into());
        let rows = query.query_map((text, end, commit), |row| super::sql::text(row, 0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Every run, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn runs(&self) -> Result<Vec<RunSummary>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT run, idx, identity, commit_id, (SELECT count(*) FROM attempts WHERE attempts.run = runs.run),
             (SELECT count(*) FROM approvals WHERE approvals.run = runs.run) FROM runs ORDER BY idx",
        )?;
        let rows = query.query_map([], |row| {
            Ok(RunSummary {
                id: text(row, 0)?,
                index: row.get(1)?,
                identity: row.get(2)?,
                commit: row.get(3)?,
                attempts: row.get(4)?,
                decisions: Vec::new(),
                approvals: row.get(5)?,
            })
        })?;
        let mut runs: Vec<RunSummary> = rows.collect::<Result<_, _>>()?;
        let mut query = self.db.prepare_cached("SELECT digest FROM decisions WHERE run = ?1 ORDER BY idx")?;
        for run in &mut runs {
            run.decisions = query.query_map([run.id.as_str()], |row| text(row, 0))?.collect::<Result<_, _>>()?;
        }
        Ok(runs)
    }
}
