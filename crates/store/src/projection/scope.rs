//! What an audit is about: a period, and the repositories of its applications.

use std::ops::Range;

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

/// The runs that an audit is about, as conditions on the row `c` of what each comes to.
pub(super) struct RunLimits {
    /// It is of one of the repositories.
    pub(super) of: (String, Vec<Value>),
    /// Those that began in the period, and those before of which something was said in it.
    pub(super) parts: Vec<RunPart>,
}

/// Runs that began in a stretch of time, in milliseconds, and what else holds for them.
pub(super) struct RunPart {
    pub(super) began: Range<i64>,
    pub(super) said: (String, Vec<Value>),
}

impl State {
    /// The condition on the row `c` of what a run comes to: it is of one of the repositories, and it was judged, signed or deployed in the
    /// period.
    pub(super) fn runs_within(&self, within: &Within) -> Result<(String, Vec<Value>), Error> {
        let RunLimits { of: (mut sql, mut values), parts } = self.run_limits(Some(within))?;
        let mut any = Vec::new();
        for RunPart { began, said } in parts {
            any.push(format!("c.time >= ? AND c.time < ? AND {}", said.0));
            values.extend([began.start.into(), began.end.into()]);
            values.extend(said.1);
        }
        sql.push_str(&format!(" AND (({}))", any.join(") OR (")));
        Ok((sql, values))
    }

    /// The same, taken apart. No run is in two parts.
    pub(super) fn run_limits(&self, within: Option<&Within>) -> Result<RunLimits, Error> {
        let all = || ("1".to_owned(), Vec::new());
        let Some(within) = within else {
            return Ok(RunLimits { of: all(), parts: vec![RunPart { began: i64::MIN..i64::MAX, said: all() }] });
        };
        // Time never goes back within a log, so a period is a stretch of it.
        let (from, to) = (self.first_from(within.from)?, self.first_from(within.to)?);
        let said = ["attempts", "decisions", "approvals", "deployments"]
            .map(|table| format!("EXISTS (SELECT 1 FROM {table} p WHERE p.run = c.run AND p.idx >= ? AND p.idx < ?)"));
        // Most runs before the period were done with before it, which the index says.
        let sql = format!("c.last >= ? AND ({})", said.join(" OR "));
        let mut values: Vec<Value> = vec![from.into()];
        values.extend(said.iter().flat_map(|_| [from.into(), to.into()]));
        let (start, end) = (within.from.millis(), within.to.millis());
        Ok(RunLimits {
            of: within.of_repository("c.identity"),
            parts: vec![
                RunPart { began: start..end, said: all() },
                RunPart { began: i64::MIN..start.min(end), said: (sql, values) },
            ],
        })
    }

    /// Index of the first entry of that time or a later one; the log's size where there is none.
    pub(super) fn first_from(&self, at: Timestamp) -> Result<i64, Error> {
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
        let mut query = self.db.prepare_cached(&format!("SELECT 1 FROM run_outcomes c WHERE {sql} AND c.run = ?"))?;
        Ok(query.exists(params_from_iter(values))?)
    }
}
