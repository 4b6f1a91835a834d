//! What pages ask: lists that are read a page at a time, newest first, and the counts that lead to them. A count and its list
//! have one condition, so that they cannot differ.

use std::ops::Range;

use countersign_model::{ActorId, Digest, EventKind, Outcome, RunId, StreamId, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use super::scope::{RunLimits, Within};
use super::sql::{Text, maybe, text, time};
use super::state::State;
use crate::Error;

impl Text for Outcome {
    fn read(text: String) -> Option<Self> {
        serde_json::from_value(serde_json::Value::String(text)).ok()
    }
}

/// Which runs a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunsAsked {
    /// What the newest decision's gates come to, missing approvals aside.
    pub outcome: Option<Outcome>,
    /// Only those without any decision.
    pub undecided: bool,
    /// Only those of which the newest decision comes to one of these; `None`: nothing is decided. Empty: all.
    pub among: Vec<Option<Outcome>>,
    /// Only those that began from this moment on.
    pub from: Option<Timestamp>,
    /// And before this one.
    pub to: Option<Timestamp>,
    /// One repository, by its identity.
    pub repository: Option<String>,
    /// A commit's beginning, in hex digits.
    pub commit: Option<String>,
    /// Only those that an audit is about.
    pub within: Option<Within>,
    /// Only runs that began before this index.
    pub before: Option<u64>,
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunLine {
    /// The run.
    pub id: RunId,
    /// Log index of its first attempt.
    pub index: u64,
    /// When that was appended.
    pub time: Timestamp,
    /// The repository's identity.
    pub identity: Option<String>,
    /// The commit.
    pub commit: String,
    /// How many attempts it has.
    pub attempts: u64,
    /// What its newest decision's gates come to, missing approvals aside; none: nothing is decided.
    pub outcome: Option<Outcome>,
    /// Log index of that decision.
    pub decision: Option<u64>,
    /// How many people's approvals of any of its decisions stand.
    pub approvals: u64,
    /// Where it was deployed last, and whether that went well.
    pub deployed: Option<(String, bool)>,
}

/// Which entries a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntriesAsked {
    /// One kind.
    pub kind: Option<EventKind>,
    /// One stream.
    pub stream: Option<StreamId>,
    /// Only entries before this index.
    pub before: Option<u64>,
}

/// An entry in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryLine {
    /// Log index.
    pub index: u64,
    /// Its kind.
    pub kind: EventKind,
    /// Its stream.
    pub stream: StreamId,
    /// Who.
    pub actor: ActorId,
    /// When.
    pub time: Timestamp,
    /// RFC 6962 leaf hash.
    pub leaf: Digest,
}

/// A condition with its values, in order.
struct Where {
    sql: String,
    values: Vec<Value>,
}

impl Where {
    fn new() -> Self {
        Self { sql: "1".to_owned(), values: Vec::new() }
    }

    /// One more condition; `?` stands for the value.
    fn and(&mut self, sql: &str, value: impl Into<Value>) {
        self.sql.push_str(" AND ");
        self.sql.push_str(sql);
        self.values.push(value.into());
    }

    fn append(&mut self, (sql, values): (String, Vec<Value>)) {
        self.sql.push_str(" AND ");
        self.sql.push_str(&sql);
        self.values.extend(values);
    }

    fn before(&mut self, column: &str, before: Option<u64>) {
        if let Some(before) = before {
            self.and(&format!("{column} < ?"), i64::try_from(before).unwrap_or(i64::MAX));
        }
    }
}

/// All of it but the period and the repositories of an audit.
fn of_runs(asked: &RunsAsked) -> Where {
    let mut all = Where::new();
    if let Some(outcome) = asked.outcome {
        all.and("c.outcome = ?", outcome.as_str().to_owned());
    }
    if asked.undecided {
        all.sql.push_str(" AND c.outcome IS NULL");
    }
    if !asked.among.is_empty() {
        let one = |outcome: &Option<Outcome>| outcome.map_or(Value::Null, |o| o.as_str().to_owned().into());
        let list = vec!["c.outcome IS ?"; asked.among.len()].join(" OR ");
        all.append((format!("({list})"), asked.among.iter().map(one).collect()));
    }
    if let Some(from) = asked.from {
        all.and("c.time >= ?", from.millis());
    }
    if let Some(to) = asked.to {
        all.and("c.time < ?", to.millis());
    }
    if let Some(repository) = &asked.repository {
        all.and("c.identity = ?", repository.clone());
    }
    if let Some(commit) = &asked.commit {
        // Hex digits only, so nothing in it is a pattern; the range uses the index.
        all.and("r.commit_id >= ?", commit.clone());
        all.and("r.commit_id < ?", format!("{commit}g"));
    }
    all
}

fn of_entries(asked: &EntriesAsked) -> Where {
    let mut all = Where::new();
    if let Some(kind) = asked.kind {
        all.and("kind = ?", kind.as_str().to_owned());
    }
    if let Some(stream) = &asked.stream {
        all.and("stream = ?", stream.as_str().to_owned());
    }
    all
}

impl State {
    /// Runs, newest first, `most` at the most.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn runs_page(&self, asked: &RunsAsked, most: u32) -> Result<Vec<RunLine>, Error> {
        let mut all = of_runs(asked);
        let mut before = asked.before;
        if let Some(within) = &asked.within {
            all.append(self.runs_within(within)?);
        }
        // What began later is not even looked at. Time never goes back within a log.
        for end in asked.to.into_iter().chain(asked.within.as_ref().map(|within| within.to)) {
            let end = u64::try_from(self.first_from(end)?).unwrap_or(0);
            before = Some(before.map_or(end, |before| before.min(end)));
        }
        // By an outcome the index of outcomes leads, which has the run's own place.
        let led = if asked.outcome.is_some() || asked.undecided { "c.first" } else { "r.idx" };
        all.before(led, before);
        let sql = format!(
            "SELECT r.run, r.idx, e.time, r.identity, r.commit_id,
             (SELECT count(*) FROM attempts a WHERE a.run = r.run), c.outcome,
             CASE WHEN c.outcome IS NOT NULL THEN c.idx END,
             (SELECT count(DISTINCT person) FROM approvals a WHERE a.run = r.run AND a.withdrawn IS NULL),
             (SELECT g.environment || char(31) || g.success FROM grants g WHERE g.run = r.run AND g.ended IS NOT NULL
              ORDER BY g.ended DESC LIMIT 1)
             FROM runs r JOIN entries e ON e.idx = r.idx JOIN run_outcomes c ON c.run = r.run
             WHERE {} ORDER BY {led} DESC LIMIT {most}",
            all.sql
        );
        let mut query = self.db.prepare_cached(&sql)?;
        Ok(query.query_map(params_from_iter(all.values), run)?.collect::<Result<_, _>>()?)
    }

    /// How many runs a list of all its pages would have.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn runs_count(&self, asked: &RunsAsked) -> Result<u64, Error> {
        let untimed = RunsAsked { from: None, to: None, ..asked.clone() };
        let all = of_runs(&untimed);
        let (from, to) = (asked.from.map_or(i64::MIN, Timestamp::millis), asked.to.map_or(i64::MAX, Timestamp::millis));
        // Without statistics SQLite cannot know which index leads.
        let from_table = match &asked.commit {
            Some(_) => "run_outcomes c JOIN runs r ON r.run = c.run",
            None if asked.repository.is_some() => "run_outcomes c INDEXED BY run_outcomes_by_repository",
            None => self.outcomes_led(asked.within.as_ref()),
        };
        self.counted(&self.run_limits(asked.within.as_ref())?, from_table, from..to, (&all.sql, &all.values))
    }

    /// The table of what runs come to, led by the index in which those that an audit is about are a stretch, or some.
    pub(super) fn outcomes_led(&self, within: Option<&Within>) -> &'static str {
        match within.is_some_and(|within| within.repositories.is_some()) {
            true => "run_outcomes c INDEXED BY run_outcomes_by_repository",
            false => "run_outcomes c INDEXED BY run_outcomes_by_time",
        }
    }

    /// How many of the runs that began in a stretch of time, in milliseconds, are like that.
    pub(super) fn counted(
        &self,
        limits: &RunLimits,
        from_table: &str,
        began: Range<i64>,
        (condition, values): (&str, &[Value]),
    ) -> Result<u64, Error> {
        let mut sum = 0_u64;
        for part in &limits.parts {
            // One bound on each side, so that it is the one by which the index is read.
            let (from, to) = (began.start.max(part.began.start), began.end.min(part.began.end));
            if from >= to {
                continue;
            }
            let sql = format!(
                "SELECT count(*) FROM {from_table} WHERE {condition} AND c.time >= ? AND c.time < ? AND {} AND {}",
                limits.of.0, part.said.0
            );
            let mut query = self.db.prepare_cached(&sql)?;
            let stretch: [Value; 2] = [from.into(), to.into()];
            let all = values.iter().chain(&stretch).chain(&limits.of.1).chain(&part.said.1);
            sum += query.query_row(params_from_iter(all), |row| row.get::<_, u64>(0))?;
        }
        Ok(sum)
    }

    /// Every repository that had a run, by identity.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn repository_names(&self) -> Result<Vec<String>, Error> {
        let mut query = self
            .db
            .prepare_cached("SELECT DISTINCT identity FROM repositories WHERE identity IS NOT NULL ORDER BY 1")?;
        Ok(query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// Entries, newest first, `most` at the most.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn entries_page(&self, asked: &EntriesAsked, most: u32) -> Result<Vec<EntryLine>, Error> {
        let mut all = of_entries(asked);
        all.before("idx", asked.before);
        let sql = format!(
            "SELECT idx, kind, stream, actor, time, leaf FROM entries WHERE {} ORDER BY idx DESC LIMIT {most}",
            all.sql
        );
        let mut query = self.db.prepare_cached(&sql)?;
        Ok(query.query_map(params_from_iter(all.values), entry)?.collect::<Result<_, _>>()?)
    }

    /// How many entries a list of all its pages would have.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn entries_count(&self, asked: &EntriesAsked) -> Result<u64, Error> {
        if asked.kind.is_none() && asked.stream.is_none() {
            return Ok(self.size());
        }
        if let (Some(kind), None) = (asked.kind, &asked.stream) {
            return Ok(self.kinds()?.into_iter().find(|(known, _)| *known == kind).map_or(0, |(_, n)| n));
        }
        let all = of_entries(asked);
        let mut query = self.db.prepare_cached(&format!("SELECT count(*) FROM entries WHERE {}", all.sql))?;
        Ok(query.query_row(params_from_iter(all.values), |row| row.get(0))?)
    }

    /// The entries from an index on, oldest first, `most` at the most: what a reader has missed.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn entries_from(&self, from: u64, most: u32) -> Result<Vec<EntryLine>, Error> {
        let Ok(from) = i64::try_from(from) else { return Ok(Vec::new()) };
        let mut query = self.db.prepare_cached(
            "SELECT idx, kind, stream, actor, time, leaf FROM entries WHERE idx >= ?1 ORDER BY idx LIMIT ?2",
        )?;
        Ok(query.query_map((from, most), entry)?.collect::<Result<_, _>>()?)
    }

    /// How many entries there are of each kind, by kind.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn kinds(&self) -> Result<Vec<(EventKind, u64)>, Error> {
        let mut query = self.db.prepare_cached("SELECT kind, n FROM kinds ORDER BY kind")?;
        Ok(query.query_map([], |row| Ok((text(row, 0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
    }
}

fn run(row: &Row<'_>) -> rusqlite::Result<RunLine> {
    let deployed: Option<String> = row.get(9)?;
    Ok(RunLine {
        id: text(row, 0)?,
        index: row.get(1)?,
        time: time(row, 2)?,
        identity: row.get(3)?,
        commit: row.get(4)?,
        attempts: row.get(5)?,
        outcome: maybe(row, 6)?,
        decision: row.get(7)?,
        approvals: row.get(8)?,
        deployed: deployed.and_then(|d| d.split_once('\u{1f}').map(|(e, s)| (e.to_owned(), s == "1"))),
    })
}

fn entry(row: &Row<'_>) -> rusqlite::Result<EntryLine> {
    Ok(EntryLine {
        index: row.get(0)?,
        kind: text(row, 1)?,
        stream: text(row, 2)?,
        actor: text(row, 3)?,
        time: time(row, 4)?,
        leaf: text(row, 5)?,
    })
}
