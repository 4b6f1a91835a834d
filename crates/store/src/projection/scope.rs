//! What an audit is about: a period, and the repositories of its applications.

use countersign_model::{RunId, Timestamp};
use rusqlite::types::Value;
use rusqlite::{OptionalExtension as _, params_from_iter};

use super::state::State;
use crate::Error;

/// A period, and the repositories of some applications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Within {
    /// From when on.
    pub from: Timestamp,
    /// Before when.
    pub to: Timestamp,
    /// Identities of repositories; `None`: all. What has no identity belongs to none.
    pub repositories: Option<Vec<String>>,
}

impl Within {
    /// Whether a repository is among them.
    #[must_use]
    pub fn has_repository(&self, identity: Option<&str>) -> bool {
        let among = |all: &Vec<String>| identity.is_some_and(|one| all.iter().any(|known| known == one));
        self.repositories.as_ref().is_none_or(among)
    }

    /// Whether a moment lies in the period.
    #[must_use]
    pub fn has_time(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }

    /// The condition on the row `d` of a deployment: it is of one of the repositories, and it ended in the period.
    pub(super) fn deployments(&self) -> (String, Vec<Value>) {
        let (mut sql, mut values) = self.of_repository("d.repository");
        sql.push_str(" AND d.time >= ? AND d.time < ?");
        values.push(self.from.millis().into());
        values.push(self.to.millis().into());
        (sql, values)
    }

    fn of_repository(&self, column: &str) -> (String, Vec<Value>) {
        match &self.repositories {
            None => ("1".to_owned(), Vec::new()),
            Some(all) => {
                let list = serde_json::Value::from(all.clone()).to_string();
                (format!("{column} IN (SELECT value FROM json_each(?))"), vec![list.into()])
            }
        }
    }
}

impl State {
    /// The condition on the row `r` of a run: it is of one of the repositories, and it was judged, signed or deployed in the period.
    pub(super) fn runs_within(&self, within: &Within) -> Result<(String, Vec<Value>), Error> {
        let (mut sql, mut values) = within.of_repository("r.identity");
        // Time never goes back within a log, so a period is a stretch of it. Most runs are told by where they began; only of those
        // before the period it is asked whether something was said of them in it.
        let (from, to) = (self.first_from(within.from)?, self.first_from(within.to)?);
        let said = ["attempts", "decisions", "approvals", "deployments"]
            .map(|table| format!("EXISTS (SELECT 1 FROM {table} p WHERE p.run = r.run AND p.idx >= ? AND p.idx < ?)"));
        sql.push_str(&format!(" AND r.idx < ? AND (r.idx >= ? OR {})", said.join(" OR ")));
        values.extend([to.into(), from.into()]);
        values.extend(said.iter().flat_map(|_| [from.into(), to.into()]));
        Ok((sql, values))
    }

    /// Index of the first entry of that time or a later one; the log's size where there is none.
    fn first_from(&self, at: Timestamp) -> Result<i64, Error> {
        let mut query = self.db.prepare_cached("SELECT time FROM entries WHERE idx = ?1")?;
        let (mut from, mut to) = (0, i64::try_from(self.size()).unwrap_or(i64::MAX));
        while from < to {
            let middle = from + (to - from) / 2;
            let time: i64 = query.query_row([middle], |row| row.get(0))?;
            if time < at.millis() {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        Ok(from)
    }

    /// The identity of a run's repository, where it has one.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn repository_of_run(&self, run: &RunId) -> Result<Option<String>, Error> {
        let mut query = self.db.prepare_cached("SELECT identity FROM runs WHERE run = ?1")?;
        Ok(query.query_row([run.as_str()], |row| row.get(0)).optional()?.flatten())
    }

    /// Whether an audit is about a run.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn is_run_within(&self, run: &RunId, within: &Within) -> Result<bool, Error> {
        let (sql, mut values) = self.runs_within(within)?;
        values.push(run.as_str().to_owned().into());
        let mut query = self.db.prepare_cached(&format!("SELECT 1 FROM runs r WHERE {sql} AND r.run = ?"))?;
        Ok(query.exists(params_from_iter(values))?)
    }
}
