//! What lists and figures of deliveries ask: deployments by place and time, and runs week by week.

use countersign_model::{GrantId, Outcome, RunId, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use super::scope::Within;
use super::sql::{maybe, text, time};
use super::state::State;
use crate::Error;

/// Which deployments a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeploymentsAsked {
    /// One environment.
    pub environment: Option<String>,
    /// One repository, by its identity.
    pub repository: Option<String>,
    /// Only those that succeeded, or only those that did not.
    pub success: Option<bool>,
    /// Those that ended from this moment on.
    pub from: Option<Timestamp>,
    /// And before this one.
    pub to: Option<Timestamp>,
    /// Only those that an audit is about.
    pub within: Option<Within>,
    /// Only those before this index.
    pub before: Option<u64>,
}

/// A deployment in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentLine {
    /// Log index of its end.
    pub index: u64,
    /// The repository's identity.
    pub repository: String,
    /// The grant.
    pub grant: GrantId,
    /// Whether the grant went past the gates.
    pub break_glass: bool,
    /// The run.
    pub run: RunId,
    /// When the run's first attempt was appended.
    pub judged: Timestamp,
    /// The commit.
    pub commit: String,
    /// Where.
    pub environment: String,
    /// Whether it succeeded.
    pub success: bool,
    /// When it ended.
    pub time: Timestamp,
}

fn condition(asked: &DeploymentsAsked) -> (String, Vec<Value>) {
    let mut sql = "1".to_owned();
    let mut values: Vec<Value> = Vec::new();
    let mut and = |part: &str, value: Value| {
        sql.push_str(" AND ");
        sql.push_str(part);
        values.push(value);
    };
    if let Some(environment) = &asked.environment {
        and("d.environment = ?", environment.clone().into());
    }
    if let Some(repository) = &asked.repository {
        and("d.repository = ?", repository.clone().into());
    }
    if let Some(success) = asked.success {
        and("d.success = ?", i64::from(success).into());
    }
    if let Some(from) = asked.from {
        and("d.time >= ?", from.millis().into());
    }
    if let Some(to) = asked.to {
        and("d.time < ?", to.millis().into());
    }
    if let Some(within) = &asked.within {
        let (part, all) = within.deployments();
        sql.push_str(" AND ");
        sql.push_str(&part);
        values.extend(all);
    }
    (sql, values)
}

impl State {
    /// Deployments that ended, newest first, `most` at the most.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn deployments_page(&self, asked: &DeploymentsAsked, most: u32) -> Result<Vec<DeploymentLine>, Error> {
        let (mut sql, mut values) = condition(asked);
        if let Some(before) = asked.before {
            sql.push_str(" AND d.idx < ?");
            values.push(i64::try_from(before).unwrap_or(i64::MAX).into());
        }
        let sql = format!(
            "SELECT d.idx, d.repository, d.grant_id, g.break_glass IS NOT NULL, d.run, e.time, d.commit_id, d.environment,
             d.success, d.time FROM deployments d JOIN grants g ON g.grant_id = d.grant_id
             JOIN runs r ON r.run = d.run JOIN entries e ON e.idx = r.idx
             WHERE {sql} ORDER BY d.idx DESC LIMIT {most}"
        );
        let mut query = self.db.prepare_cached(&sql)?;
        Ok(query.query_map(params_from_iter(values), line)?.collect::<Result<_, _>>()?)
    }

    /// How many deployments a list of all its pages would have.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn deployments_count(&self, asked: &DeploymentsAsked) -> Result<u64, Error> {
        let (sql, values) = condition(asked);
        // Joined as the list is, so that the two cannot differ.
        let sql = format!(
            "SELECT count(*) FROM deployments d JOIN grants g ON g.grant_id = d.grant_id
             JOIN runs r ON r.run = d.run WHERE {sql}"
        );
        let mut query = self.db.prepare_cached(&sql)?;
        Ok(query.query_row(params_from_iter(values), |row| row.get(0))?)
    }

    /// How many runs began in each stretch of `every` milliseconds from a moment on, by what their newest decision comes to, missing
    /// approvals aside; none: nothing is decided. The stretches are counted from 0. Of an audit, only the runs that it is about.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn runs_over_time(
        &self,
        from: Timestamp,
        every: i64,
        within: Option<&Within>,
    ) -> Result<Vec<(u64, Option<Outcome>, u64)>, Error> {
        let mut values: Vec<Value> = vec![from.millis().into(), every.max(1).into(), from.millis().into()];
        let mut condition = String::new();
        if let Some((sql, more)) = within.map(Within::runs) {
            condition = format!(" AND {sql}");
            values.extend(more);
        }
        let mut query = self.db.prepare_cached(&format!(
            "SELECT (e.time - ?) / ?, c.outcome, count(*) FROM entries e JOIN runs r ON r.idx = e.idx
             LEFT JOIN current_decisions c ON c.run = r.run
             WHERE e.kind = 'RunStarted' AND e.time >= ?{condition} GROUP BY 1, 2 ORDER BY 1, 2"
        ))?;
        let rows = query.query_map(params_from_iter(values), |row| Ok((row.get(0)?, maybe(row, 1)?, row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn line(row: &Row<'_>) -> rusqlite::Result<DeploymentLine> {
    Ok(DeploymentLine {
        index: row.get(0)?,
        repository: row.get(1)?,
        grant: text(row, 2)?,
        break_glass: row.get(3)?,
        run: text(row, 4)?,
        judged: time(row, 5)?,
        commit: row.get(6)?,
        environment: row.get(7)?,
        success: row.get(8)?,
        time: time(row, 9)?,
    })
}
