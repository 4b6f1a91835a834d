//! Deployments: the start redeems a grant, the record says how it ended.

use countersign_model::event::{DeploymentRecorded, DeploymentStarted};
use countersign_model::{GrantId, RunId};
use rusqlite::OptionalExtension as _;

use super::grants::GrantState;
use super::read::{Machine, Reading, to_json};
use super::sql::{Fold, Stop, require, text, time};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[Table {
    name: "deployments",
    key: &["idx"],
    index: "idx",
    // `judged` is when the run's first attempt was appended. `restored` is for how long its place had been broken, where it ended that:
    // the milliseconds since the first failure after the last success in the same environment.
    sql: "CREATE TABLE deployments (idx INTEGER PRIMARY KEY, repository TEXT NOT NULL, grant_id TEXT NOT NULL,
        run TEXT NOT NULL, commit_id TEXT NOT NULL, environment TEXT NOT NULL, success INTEGER NOT NULL,
        exit_code INTEGER, signal INTEGER, time INTEGER NOT NULL, break_glass INTEGER NOT NULL, judged INTEGER NOT NULL,
        restored INTEGER) STRICT;
        CREATE INDEX deployments_by_run ON deployments (run, idx);
        CREATE INDEX deployments_by_grant ON deployments (grant_id, idx);
        CREATE INDEX deployments_by_place ON deployments (repository, environment, idx);
        CREATE INDEX deployments_by_environment ON deployments (environment, idx);
        CREATE INDEX deployments_by_environment_and_time ON deployments (environment, time);
        CREATE INDEX deployments_by_time ON deployments (time, success, environment, repository, judged, restored);",
}];

/// A deployment that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentRow {
    /// Log index.
    pub index: u64,
    /// The repository's identity.
    pub repository: String,
    /// The grant.
    pub grant: GrantId,
    /// The run.
    pub run: RunId,
    /// The commit.
    pub commit: String,
    /// Where.
    pub environment: String,
    /// Whether it succeeded.
    pub success: bool,
    /// When it ended.
    pub time: countersign_model::Timestamp,
}

/// How a deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeploymentEnd {
    /// Log index.
    pub index: u64,
    /// The command's exit code, where it had one.
    pub exit_code: Option<i32>,
    /// The signal that ended it, where one did.
    pub signal: Option<i32>,
}

impl State {
    pub(super) fn on_deployment_start(&self, reading: &Reading, machine: &Machine) -> Fold {
        let p: DeploymentStarted = self.statement(machine)?;
        let grant = self.grant(&p.grant)?.ok_or_else(|| Stop::from("no such grant was issued"))?;
        require(grant.grant.run == p.run, "the grant is for another run")?;
        require(reading.entry.stream == (&p.grant).into(), "it stands in another stream than the grant's")?;
        require(grant.state == GrantState::Issued, "the grant was used or taken back before")?;
        // Time never goes back within a log: a recorder whose clock was set back redeems nothing that is over.
        let at = p.time.max(self.time_before(reading.index)?);
        require(at < grant.grant.expires, "the grant was over")?;
        require(p.break_glass == grant.grant.break_glass, "it names another emergency than its grant")?;
        match &p.break_glass {
            None => require(self.closed(&grant.grant.environment, at)?.is_none(), "the environment was not open")?,
            Some(id) => {
                let open = self.emergency(id)?.is_some_and(|row| row.is_open(at));
                require(open && p.host.is_some(), "the emergency was over, or it does not say where it was redeemed")?;
            }
        }
        let key = match &p.sent {
            None => None,
            Some(sent) => {
                let (Some(key), true) = (sent.key, sent.request.is_some()) else {
                    return Err(Stop::from("it came over the network, and does not say under which key"));
                };
                match (&sent.person, &sent.workload) {
                    (Some(person), None) => self.is_known(person)?,
                    (None, Some(job)) => {
                        let came = self.was_admitted(job, &grant.grant.repository)?;
                        require(came, "no job of that workload came to a server for the repository")?;
                    }
                    _ => return Err(Stop::from("it came over the network, and does not say by whom")),
                }
                require(self.grant_redeemed_under(&key)?.is_none(), "another grant was redeemed under the same key")?;
                Some(key.to_string())
            }
        };
        self.db
            .prepare_cached("UPDATE grants SET started = ?2, sent_key = ?3, sent = ?4 WHERE grant_id = ?1")?
            .execute((p.grant.as_str(), reading.index, key, p.sent.as_ref().map(to_json).transpose()?))?;
        Ok(())
    }

    pub(super) fn on_deployment(&self, reading: &Reading, machine: &Machine) -> Fold {
        let p: DeploymentRecorded = self.statement(machine)?;
        let grant = self.grant(&p.grant)?.ok_or_else(|| Stop::from("no such grant was issued"))?;
        require(grant.state == GrantState::Started, "the deployment was not started")?;
        require(
            grant.grant.run == p.run && grant.grant.commit == p.commit && grant.grant.environment == p.environment,
            "the deployment is not the one the grant permits",
        )?;
        require(reading.entry.stream == (&p.grant).into(), "it stands in another stream than the grant's")?;
        if let Some(sent) = &p.sent {
            let began = grant.sent.as_ref().is_some_and(|began| began.is_same_sender(sent));
            require(began, "somebody else redeemed the grant than says how it ended")?;
            let goes = p.exit_code.is_none_or(|code| p.success == (code == 0)) && (p.signal.is_none() || !p.success);
            require(goes, "how the command ended is no such outcome")?;
        }
        self.db.prepare_cached("UPDATE grants SET ended = ?2, success = ?3 WHERE grant_id = ?1")?.execute((
            p.grant.as_str(),
            reading.index,
            p.success,
        ))?;
        let mut query =
            self.db.prepare_cached("SELECT e.time FROM runs r JOIN entries e ON e.idx = r.idx WHERE r.run = ?1")?;
        let judged: Option<i64> = query.query_row([p.run.as_str()], |row| row.get(0)).optional()?;
        let broken = if p.success { self.broken_since(&grant.grant.repository, &p.environment)? } else { None };
        self.db
            .prepare_cached(
                "INSERT INTO deployments (idx, repository, grant_id, run, commit_id, environment, success, exit_code,
                 signal, time, break_glass, judged, restored)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?
            .execute((
                reading.index,
                &grant.grant.repository,
                p.grant.as_str(),
                p.run.as_str(),
                &p.commit,
                &p.environment,
                p.success,
                p.exit_code,
                p.signal,
                p.time.millis(),
                grant.grant.break_glass.is_some(),
                judged.unwrap_or(p.time.millis()),
                broken.map(|since| p.time.millis().saturating_sub(since)),
            ))?;
        if p.success {
            self.on_placed(reading.index, &grant)?;
        }
        self.said_of(&p.run, reading.index)?;
        Ok(())
    }

    /// The end of the first deployment that failed at a place since one succeeded there; none where the last one did.
    fn broken_since(&self, repository: &str, environment: &str) -> Result<Option<i64>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT success, time FROM deployments WHERE repository = ?1 AND environment = ?2 ORDER BY idx DESC",
        )?;
        let mut rows = query.query([repository, environment])?;
        let mut since = None;
        while let Some(row) = rows.next()? {
            if row.get(0)? {
                break;
            }
            since = Some(row.get(1)?);
        }
        Ok(since)
    }

    /// Every deployment that ended, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn deployments(&self) -> Result<Vec<DeploymentRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, repository, grant_id, run, commit_id, environment, success, time FROM deployments ORDER BY idx",
        )?;
        let rows = query.query_map([], |row| {
            Ok(DeploymentRow {
                index: row.get(0)?,
                repository: row.get(1)?,
                grant: text(row, 2)?,
                run: text(row, 3)?,
                commit: row.get(4)?,
                environment: row.get(5)?,
                success: row.get(6)?,
                time: time(row, 7)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How the deployment with a grant ended.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn deployment_end(&self, grant: &GrantId) -> Result<Option<DeploymentEnd>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, exit_code, signal FROM deployments WHERE grant_id = ?1 ORDER BY idx LIMIT 1",
        )?;
        Ok(query
            .query_row([grant.as_str()], |row| {
                Ok(DeploymentEnd { index: row.get(0)?, exit_code: row.get(1)?, signal: row.get(2)? })
            })
            .optional()?)
    }

    /// The commit last deployed to an environment with success.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn last_deployed(&self, repository: &str, environment: &str) -> Result<Option<String>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT commit_id FROM deployments WHERE repository = ?1 AND environment = ?2 AND success = 1
             ORDER BY idx DESC LIMIT 1",
        )?;
        Ok(query.query_row([repository, environment], |row| row.get(0)).optional()?)
    }

    /// From where on a release of `commit` covers: the commit that the environment's last deployment of *another* commit
    /// put there that passed the gates. What went past them is
    /// covered again: somebody approves it after all. A commit that runs already is judged as when it was released, so that looking at it again changes
    /// nothing.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn release_base(&self, repository: &str, environment: &str, commit: &str) -> Result<Option<String>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT commit_id FROM deployments WHERE repository = ?1 AND environment = ?2 AND success = 1
             AND commit_id <> ?3 AND break_glass = 0 ORDER BY idx DESC LIMIT 1",
        )?;
        Ok(query.query_row([repository, environment, commit], |row| row.get(0)).optional()?)
    }
}
