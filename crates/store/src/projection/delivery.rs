//! What lists and figures of deliveries ask: deployments by place and time, and runs week by week.

use countersign_model::{GrantId, Outcome, RunId, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use super::scope::Within;
use super::sql::{text, time};
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
    /// The commit.
    pub commit: String,
    /// Where.
    pub environment: String,
    /// Whether it succeeded.
    pub success: bool,
    /// When it ended.
    pub time: Timestamp,
}

/// How often, how fast and how safely is delivered (the four figures of the DORA research), as far as the log knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Deployments that succeeded.
    pub succeeded: u64,
    /// Those that did not.
    pub failed: u64,
    /// Both, of each stretch of time.
    pub stretches: Vec<(u64, u64)>,
    /// Median, over those that succeeded, of the milliseconds from the first judgement of the commit to the end of its deployment: the log does
    /// not know when a line was written.
    pub lead: Option<i64>,
    /// Median of the milliseconds from the first failure at a place to the next success there, over those that ended in this time.
    pub restore: Option<i64>,
}

const COLUMNS: &str =
    "d.idx, d.repository, d.grant_id, d.break_glass, d.run, d.commit_id, d.environment, d.success, d.time
    FROM deployments d";

/// One condition with its values. `time` is the column of the time, or an expression that keeps its index out.
fn condition(asked: &DeploymentsAsked, time: &str) -> (String, Vec<Value>) {
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
    // One bound on each side, so that it is the one by which the index is read.
    let (from, to) = stretch(asked);
    if let Some(from) = from {
        and(&format!("{time} >= ?"), from.millis().into());
    }
    if let Some(to) = to {
        and(&format!("{time} < ?"), to.millis().into());
    }
    if let Some(repositories) = asked.within.as_ref().and_then(|within| within.repositories.as_ref()) {
        let list = serde_json::Value::from(repositories.clone()).to_string();
        and("d.repository IN (SELECT value FROM json_each(?))", list.into());
    }
    (sql, values)
}

/// The stretch of time that a list is about: what is asked for, within the audit's period.
fn stretch(asked: &DeploymentsAsked) -> (Option<Timestamp>, Option<Timestamp>) {
    let within = asked.within.as_ref();
    let from = asked.from.into_iter().chain(within.map(|w| w.from)).max();
    let to = asked.to.into_iter().chain(within.map(|w| w.to)).min();
    (from, to)
}

impl State {
    /// Deployments that ended, newest first, `most` at the most.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn deployments_page(&self, asked: &DeploymentsAsked, most: u32) -> Result<Vec<DeploymentLine>, Error> {
        // Where the list goes up to now its first rows are the newest ones. Else it is looked for by time, which an index has all of, and
        // only the rows that are shown are read.
        let newest: Option<i64> =
            self.db.prepare_cached("SELECT max(time) FROM deployments")?.query_row([], |row| row.get(0))?;
        let goes_on = stretch(asked).1.is_none_or(|to| newest.is_none_or(|newest| newest < to.millis()));
        let (mut sql, mut values) = condition(asked, if goes_on { "+d.time" } else { "d.time" });
        if let Some(before) = asked.before {
            sql.push_str(" AND d.idx < ?");
            values.push(i64::try_from(before).unwrap_or(i64::MAX).into());
        }
        let end = format!("ORDER BY d.idx DESC LIMIT {most}");
        let sql = if goes_on {
            format!("SELECT {COLUMNS} WHERE {sql} {end}")
        } else {
            format!("SELECT {COLUMNS} WHERE d.idx IN (SELECT d.idx FROM deployments d WHERE {sql} {end}) {end}")
        };
        let mut query = self.db.prepare_cached(&sql)?;
        Ok(query.query_map(params_from_iter(values), line)?.collect::<Result<_, _>>()?)
    }

    /// How many deployments a list of all its pages would have.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn deployments_count(&self, asked: &DeploymentsAsked) -> Result<u64, Error> {
        let (sql, values) = condition(asked, "d.time");
        let sql = format!("SELECT count(*) FROM deployments d WHERE {sql}");
        let mut query = self.db.prepare_cached(&sql)?;
        Ok(query.query_row(params_from_iter(values), |row| row.get(0))?)
    }

    /// What runs in an environment, as far as deployments say: of each repository the newest that succeeded there.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn running(&self, environment: &str, within: Option<&Within>) -> Result<Vec<DeploymentLine>, Error> {
        let mut all = Vec::new();
        for repository in self.repository_names()? {
            let asked = DeploymentsAsked {
                environment: Some(environment.to_owned()),
                repository: Some(repository),
                success: Some(true),
                within: within.cloned(),
                ..DeploymentsAsked::default()
            };
            all.extend(self.deployments_page(&asked, 1)?);
        }
        all.sort_unstable_by_key(|line| std::cmp::Reverse(line.index));
        Ok(all)
    }

    /// The figures of delivery from a moment on, of `count` stretches of `every` milliseconds. What was asked for of time, result and place
    /// in the list is not regarded.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn delivery(
        &self,
        asked: &DeploymentsAsked,
        from: Timestamp,
        every: i64,
        count: usize,
    ) -> Result<Delivery, Error> {
        let asked = DeploymentsAsked { from: Some(from), to: None, success: None, before: None, ..asked.clone() };
        let (sql, values) = condition(&asked, "d.time");
        let mut query = self.db.prepare_cached(&format!(
            "SELECT d.time, d.success, d.judged, d.restored FROM deployments d WHERE {sql}"
        ))?;
        let mut rows = query.query(params_from_iter(values))?;
        let (mut stretches, mut lead, mut restore) = (vec![(0, 0); count], Vec::new(), Vec::new());
        let mut told = Delivery::default();
        while let Some(row) = rows.next()? {
            let (time, success): (i64, bool) = (row.get(0)?, row.get(1)?);
            let nth = usize::try_from((time - from.millis()) / every.max(1)).unwrap_or(usize::MAX);
            let mut nowhere = (0, 0);
            let (good, bad) = stretches.get_mut(nth).unwrap_or(&mut nowhere);
            if success {
                told.succeeded += 1;
                *good += 1;
                lead.push(time - row.get::<_, i64>(2)?);
                restore.extend(row.get::<_, Option<i64>>(3)?);
            } else {
                told.failed += 1;
                *bad += 1;
            }
        }
        Ok(Delivery { stretches, lead: median(lead), restore: median(restore), ..told })
    }

    /// How many runs began in each of `count` stretches of `every` milliseconds from a moment on, by what their newest decision comes to,
    /// missing approvals aside; none: nothing is decided. The stretches are counted from 0. Of an audit, only the runs that it is about.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn runs_over_time(
        &self,
        from: Timestamp,
        every: i64,
        count: u32,
        within: Option<&Within>,
    ) -> Result<Vec<(u32, Option<Outcome>, u64)>, Error> {
        // Each is a stretch of the index, which is read and not sorted.
        let (limits, from_table) = (self.run_limits(within)?, self.outcomes_led(within));
        let mut all = Vec::new();
        for nth in 0..count {
            let start = from.millis().saturating_add(i64::from(nth).saturating_mul(every));
            for outcome in Outcome::ALL.map(Some).into_iter().chain([None]) {
                let word = outcome.map_or(Value::Null, |o| o.as_str().to_owned().into());
                let stretch = start..start.saturating_add(every);
                let n = self.counted(&limits, from_table, stretch, ("c.outcome IS ?", &[word]))?;
                if n > 0 {
                    all.push((nth, outcome, n));
                }
            }
        }
        Ok(all)
    }
}

/// The lower median.
fn median(mut all: Vec<i64>) -> Option<i64> {
    let middle = all.len().checked_sub(1)? / 2;
    Some(*all.select_nth_unstable(middle).1)
}

fn line(row: &Row<'_>) -> rusqlite::Result<DeploymentLine> {
    Ok(DeploymentLine {
        index: row.get(0)?,
        repository: row.get(1)?,
        grant: text(row, 2)?,
        break_glass: row.get(3)?,
        run: text(row, 4)?,
        commit: row.get(5)?,
        environment: row.get(6)?,
        success: row.get(7)?,
        time: time(row, 8)?,
    })
}
