//! Snapshots of environments, and the differences between what runs and what was let through.
//!
//! What a snapshot says is in it whole: which deployment each part belongs to was looked up when it was taken, so it stays readable when
//! the deployment's own payloads are disposed of.

use std::collections::{BTreeMap, HashSet};

use countersign_model::event::{DriftDetected, SnapshotTaken};
use countersign_model::snapshot::{Drift, DriftKind, Observed};
use countersign_model::{Digest, GrantId, RunId, StreamId, Timestamp};
use rusqlite::types::Value;
use rusqlite::{OptionalExtension as _, Row, params_from_iter};

use super::read::{Machine, Reading, to_json};
use super::sql::{Fold, Text, json, maybe, require, text, time};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "snapshots",
        key: &["idx"],
        index: "idx",
        // `document` is empty where it would be that of `content`, an earlier snapshot of the environment, but for the time.
        sql: "CREATE TABLE snapshots (idx INTEGER PRIMARY KEY, environment TEXT NOT NULL, series TEXT NOT NULL,
            observed TEXT NOT NULL, seen INTEGER NOT NULL, untold INTEGER NOT NULL, drift INTEGER NOT NULL,
            time INTEGER NOT NULL, content INTEGER NOT NULL, document TEXT) STRICT;
            CREATE INDEX snapshots_by_environment ON snapshots (environment, series, idx);",
    },
    Table {
        name: "sightings",
        key: &["environment", "digest", "grant_id"],
        index: "idx",
        // Where nothing is known of who put it there, the grant is the empty text.
        sql: "CREATE TABLE sightings (environment TEXT NOT NULL, digest TEXT NOT NULL, grant_id TEXT NOT NULL,
            idx INTEGER NOT NULL, time INTEGER NOT NULL, last_idx INTEGER NOT NULL, last_time INTEGER NOT NULL,
            name TEXT NOT NULL, run TEXT, PRIMARY KEY (environment, digest, grant_id)) STRICT, WITHOUT ROWID;
            CREATE INDEX sightings_by_run ON sightings (run, idx);",
    },
    Table {
        name: "drifts",
        key: &["environment", "kind", "digest", "name", "idx"],
        index: "idx",
        // `idx` is the snapshot that found it, `told` the entry that says so.
        sql: "CREATE TABLE drifts (idx INTEGER NOT NULL, environment TEXT NOT NULL, series TEXT NOT NULL,
            kind TEXT NOT NULL, digest TEXT NOT NULL, name TEXT NOT NULL, grant_id TEXT, run TEXT,
            arisen INTEGER NOT NULL, detected INTEGER NOT NULL, told INTEGER, resolved INTEGER, resolved_time INTEGER)
            STRICT;
            CREATE INDEX drifts_open ON drifts (environment, idx, detected, resolved) WHERE resolved IS NULL;
            CREATE INDEX drifts_by_time ON drifts (detected);",
    },
];

/// Which snapshots a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotsAsked {
    /// One environment.
    pub environment: Option<String>,
    /// Only those in which something differed, or only those in which nothing did.
    pub drift: Option<bool>,
    /// Those taken from this moment on.
    pub from: Option<Timestamp>,
    /// And before this one.
    pub to: Option<Timestamp>,
    /// Only those before this index.
    pub before: Option<u64>,
}

/// A snapshot in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotLine {
    /// Log index.
    pub index: u64,
    /// The environment.
    pub environment: String,
    /// How it was seen.
    pub observed: Observed,
    /// How many parts ran.
    pub seen: u64,
    /// Of how many the digest could not be told.
    pub untold: u64,
    /// How many differences there were.
    pub drift: u64,
    /// When.
    pub time: Timestamp,
    /// The earlier snapshot with the same content; itself where it is the first.
    pub content: u64,
}

/// A snapshot, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRow {
    /// Log index.
    pub index: u64,
    /// The earlier snapshot with the same content; itself where it is the first.
    pub content: u64,
    /// What it says.
    pub taken: SnapshotTaken,
}

/// A difference, from the snapshot that found it to the one in which it was gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftRow {
    /// Log index of the snapshot that found it.
    pub index: u64,
    /// Log index of the entry that says that it is new.
    pub told: Option<u64>,
    /// The environment.
    pub environment: String,
    /// What it is.
    pub drift: Drift,
    /// The earliest moment at which it may have come about: the snapshot before, where there is one.
    pub arisen: Timestamp,
    /// When it was found.
    pub detected: Timestamp,
    /// The snapshot in which it was gone, and when that was taken.
    pub resolved: Option<(u64, Timestamp)>,
}

/// Differences that an entry told of and that are there still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldDrifts {
    /// Log index of the entry.
    pub told: u64,
    /// The environment.
    pub environment: String,
    /// When they were found.
    pub detected: Timestamp,
    /// How many there are of each kind that has any.
    pub kinds: Vec<(DriftKind, u64)>,
}

/// Something that ran in an environment, from the first snapshot to the last one that saw it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The environment.
    pub environment: String,
    /// Its digest.
    pub digest: Digest,
    /// What it was called there.
    pub name: String,
    /// The grant of the deployment that is known of it.
    pub grant: Option<GrantId>,
    /// Its run.
    pub run: Option<RunId>,
    /// The first snapshot that saw it, and when.
    pub first: (u64, Timestamp),
    /// The last one.
    pub last: (u64, Timestamp),
}

impl State {
    /// What it says of deployments is not held against them: their payloads may be gone by now, and the recorder is believed for what
    /// it computed as for every decision.
    pub(super) fn on_snapshot(&self, reading: &Reading, machine: &Machine) -> Fold {
        let p: SnapshotTaken = self.statement(machine)?;
        let stream = StreamId::from_text(stream_of(&p.environment));
        require(reading.entry.stream == stream, "it stands in another stream than its environment's")?;
        p.check()?;
        let known = self.environment(&p.environment)?.is_some_and(|e| e.retired.is_none());
        require(known, "no such environment is registered")?;
        for application in &p.applications {
            require(self.application(application)?.is_some(), "it names an application that is not registered")?;
        }
        if let Some(sent) = &p.sent {
            let person = sent.person.as_ref().ok_or("it came over the network, and does not say by whom")?;
            self.is_known(person)?;
        }
        let series = p.applications.join(",");
        let before = self.newest_snapshot(&p.environment, Some(&series))?;
        let same = before.as_ref().filter(|b| b.taken.says_the_same(&p)).map(|b| b.content);
        let document = if same.is_none() { Some(to_json(&p)?) } else { None };
        self.db
            .prepare_cached(
                "INSERT INTO snapshots (idx, environment, series, observed, seen, untold, drift, time, content, document)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute((
                reading.index,
                &p.environment,
                &series,
                p.observed.as_str(),
                p.seen.len(),
                p.untold.len(),
                p.drift.len(),
                p.time.millis(),
                same.unwrap_or(reading.index),
                document,
            ))?;
        self.sight(reading.index, &p)?;
        self.differ(reading.index, &series, before.map_or(p.time, |b| b.taken.time.min(p.time)), &p)
    }

    fn sight(&self, index: u64, p: &SnapshotTaken) -> Fold {
        let mut query = self.db.prepare_cached(
            "INSERT INTO sightings (environment, digest, grant_id, idx, time, last_idx, last_time, name, run)
             VALUES (?1, ?2, ?3, ?4, ?5, ?4, ?5, ?6, ?7)
             ON CONFLICT DO UPDATE SET last_idx = excluded.last_idx, last_time = excluded.last_time",
        )?;
        for s in &p.seen {
            query.execute((
                &p.environment,
                s.digest.to_string(),
                s.grant.as_ref().map_or("", GrantId::as_str),
                index,
                p.time.millis(),
                &s.name,
                s.run.as_ref().map(RunId::as_str),
            ))?;
        }
        Ok(())
    }

    /// What was open and is not there any more is resolved, as far as the snapshot looked; what is new is found.
    fn differ(&self, index: u64, series: &str, arisen: Timestamp, p: &SnapshotTaken) -> Fold {
        let open = self.open_drifts(Some(&p.environment))?;
        let there: HashSet<_> = p.drift.iter().map(Drift::identity).collect();
        let known: HashSet<_> = open.iter().map(|(row, _)| row.drift.identity()).collect();
        let mut resolve = self.db.prepare_cached(
            "UPDATE drifts SET resolved = ?1, resolved_time = ?2
             WHERE idx = ?3 AND environment = ?4 AND kind = ?5 AND digest = ?6 AND name = ?7",
        )?;
        for (row, looked_at) in &open {
            let covered = series.is_empty() || looked_at == series;
            if covered && !there.contains(&row.drift.identity()) {
                let (kind, digest) = (row.drift.kind.as_str(), row.drift.digest.to_string());
                resolve.execute((index, p.time.millis(), row.index, &p.environment, kind, digest, &row.drift.name))?;
            }
        }
        let mut insert = self.db.prepare_cached(
            "INSERT INTO drifts (idx, environment, series, kind, digest, name, grant_id, run, arisen, detected)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?;
        for d in p.drift.iter().filter(|d| !known.contains(&d.identity())) {
            insert.execute((
                index,
                &p.environment,
                series,
                d.kind.as_str(),
                d.digest.to_string(),
                &d.name,
                d.grant.as_ref().map(GrantId::as_str),
                d.run.as_ref().map(RunId::as_str),
                arisen.millis(),
                p.time.millis(),
            ))?;
        }
        Ok(())
    }

    /// It names all that the newest snapshot of the environment found, and nothing else; and it says so once.
    pub(super) fn on_drift(&self, reading: &Reading, machine: &Machine) -> Fold {
        let p: DriftDetected = self.statement(machine)?;
        let stream = StreamId::from_text(stream_of(&p.environment));
        require(reading.entry.stream == stream, "it stands in another stream than its environment's")?;
        let newest = self.newest_snapshot(&p.environment, None)?.ok_or("no snapshot of the environment was taken")?;
        let found: Vec<DriftRow> = self.open_drifts(Some(&p.environment))?.into_iter().map(|(row, _)| row).collect();
        let mut new: Vec<Drift> =
            found.into_iter().filter(|d| d.index == newest.index && d.told.is_none()).map(|d| d.drift).collect();
        new.sort_unstable();
        require(!new.is_empty() && new == p.drift, "the newest snapshot of the environment found something else")?;
        self.db.prepare_cached("UPDATE drifts SET told = ?1 WHERE idx = ?2 AND environment = ?3")?.execute((
            reading.index,
            newest.index,
            &p.environment,
        ))?;
        Ok(())
    }

    /// The newest snapshot of an environment; of a series, the newest that looked at the same applications.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn newest_snapshot(&self, environment: &str, series: Option<&str>) -> Result<Option<SnapshotRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx FROM snapshots WHERE environment = ?1 AND (?2 IS NULL OR series = ?2) ORDER BY idx DESC LIMIT 1",
        )?;
        let index: Option<u64> = query.query_row((environment, series), |row| row.get(0)).optional()?;
        index.map_or(Ok(None), |index| self.snapshot(index))
    }

    /// The snapshot at an index; `None` where none stands.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn snapshot(&self, index: u64) -> Result<Option<SnapshotRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT s.idx, s.content, s.time, c.document FROM snapshots s JOIN snapshots c ON c.idx = s.content
             WHERE s.idx = ?1",
        )?;
        let row = query.query_row([index], |row| {
            let taken: SnapshotTaken = json(row, 3)?;
            Ok(SnapshotRow {
                index: row.get(0)?,
                content: row.get(1)?,
                taken: SnapshotTaken { time: time(row, 2)?, ..taken },
            })
        });
        Ok(row.optional()?)
    }

    /// The snapshots before and after one, of its environment.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn snapshots_around(&self, environment: &str, index: u64) -> Result<(Option<u64>, Option<u64>), Error> {
        let mut before =
            self.db.prepare_cached("SELECT max(idx) FROM snapshots WHERE environment = ?1 AND idx < ?2")?;
        let mut after = self.db.prepare_cached("SELECT min(idx) FROM snapshots WHERE environment = ?1 AND idx > ?2")?;
        Ok((
            before.query_row((environment, index), |row| row.get(0))?,
            after.query_row((environment, index), |row| row.get(0))?,
        ))
    }

    /// Snapshots, newest first, `most` at the most.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn snapshots_page(&self, asked: &SnapshotsAsked, most: u32) -> Result<Vec<SnapshotLine>, Error> {
        let (mut sql, mut values) = condition(asked);
        if let Some(before) = asked.before {
            sql.push_str(" AND idx < ?");
            values.push(i64::try_from(before).unwrap_or(i64::MAX).into());
        }
        let sql = format!(
            "SELECT idx, environment, observed, seen, untold, drift, time, content FROM snapshots WHERE {sql}
             ORDER BY idx DESC LIMIT {most}"
        );
        let mut query = self.db.prepare_cached(&sql)?;
        let rows = query.query_map(params_from_iter(values), |row| {
            Ok(SnapshotLine {
                index: row.get(0)?,
                environment: row.get(1)?,
                observed: text(row, 2)?,
                seen: row.get(3)?,
                untold: row.get(4)?,
                drift: row.get(5)?,
                time: time(row, 6)?,
                content: row.get(7)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many snapshots a list of all its pages would have.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn snapshots_count(&self, asked: &SnapshotsAsked) -> Result<u64, Error> {
        let (sql, values) = condition(asked);
        let mut query = self.db.prepare_cached(&format!("SELECT count(*) FROM snapshots WHERE {sql}"))?;
        Ok(query.query_row(params_from_iter(values), |row| row.get(0))?)
    }

    /// The differences that are there now, of one environment or of all that are not retired, the oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn drifting(&self, environment: Option<&str>) -> Result<Vec<DriftRow>, Error> {
        let mut query = self.db.prepare_cached(&format!(
            "SELECT {DRIFT} FROM drifts WHERE resolved IS NULL AND (?1 IS NULL OR environment = ?1) AND environment IN
             (SELECT environment FROM environments WHERE retired IS NULL) ORDER BY idx, kind, digest, name"
        ))?;
        Ok(query.query_map([environment], drift)?.collect::<Result<_, _>>()?)
    }

    /// How many differences there are now in each environment that has any and is not retired, found from a moment on and before another.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn drifting_counts(&self, found: Option<(Timestamp, Timestamp)>) -> Result<BTreeMap<String, u64>, Error> {
        const COUNT: &str = "SELECT environment, count(*) FROM drifts WHERE resolved IS NULL AND environment IN
             (SELECT environment FROM environments WHERE retired IS NULL)";
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let rows = match found {
            // The index of what stands answers alone, of a period too: `+` keeps the one by time away.
            None => {
                let mut query = self.db.prepare_cached(&format!("{COUNT} GROUP BY environment"))?;
                query.query_map([], read)?.collect::<Result<_, _>>()?
            }
            Some((from, to)) => {
                let sql = format!("{COUNT} AND +detected >= ?1 AND +detected < ?2 GROUP BY environment");
                let mut query = self.db.prepare_cached(&sql)?;
                query.query_map((from.millis(), to.millis()), read)?.collect::<Result<_, _>>()?
            }
        };
        Ok(rows)
    }

    /// The oldest differences that are there now in an environment, found in a period, `most` at the most.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn drifting_page(
        &self,
        environment: &str,
        found: Option<(Timestamp, Timestamp)>,
        most: usize,
    ) -> Result<Vec<DriftRow>, Error> {
        let mut query = self.db.prepare_cached(&format!(
            "SELECT {DRIFT} FROM drifts WHERE resolved IS NULL AND environment = ?1 AND environment IN
             (SELECT environment FROM environments WHERE retired IS NULL)
             AND (?2 IS NULL OR detected >= ?2 AND detected < ?3) ORDER BY idx, kind, digest, name LIMIT ?4"
        ))?;
        let (from, to) = (found.map(|(from, _)| from.millis()), found.map(|(_, to)| to.millis()));
        Ok(query.query_map((environment, from, to, most), drift)?.collect::<Result<_, _>>()?)
    }

    /// The differences that are there now in environments that are not retired, by the entry that told of them, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn drifts_told(&self) -> Result<Vec<ToldDrifts>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT told, environment, min(detected), kind, count(*) FROM drifts WHERE resolved IS NULL AND told IS NOT NULL
             AND environment IN (SELECT environment FROM environments WHERE retired IS NULL)
             GROUP BY told, environment, kind",
        )?;
        let rows = query.query_map([], |row| {
            Ok((row.get(0)?, row.get::<_, String>(1)?, time(row, 2)?, text(row, 3)?, row.get(4)?))
        })?;
        let mut all: BTreeMap<(u64, String), ToldDrifts> = BTreeMap::new();
        for row in rows {
            let (told, environment, detected, kind, count) = row?;
            let one = all.entry((told, environment.clone()));
            let one = one.or_insert_with(|| ToldDrifts { told, environment, detected, kinds: Vec::new() });
            one.detected = one.detected.min(detected);
            one.kinds.push((kind, count));
        }
        Ok(all.into_values().collect())
    }

    /// Each with the applications that were looked at when it was found.
    fn open_drifts(&self, environment: Option<&str>) -> Result<Vec<(DriftRow, String)>, Error> {
        let mut query = self.db.prepare_cached(&format!(
            "SELECT {DRIFT}, series FROM drifts WHERE resolved IS NULL AND (?1 IS NULL OR environment = ?1)
             ORDER BY idx, kind, digest, name"
        ))?;
        let rows = query.query_map([environment], |row| Ok((drift(row)?, row.get(12)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The differences that were there at any time from a moment on and before another, the oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn drifts_between(&self, from: Timestamp, to: Timestamp) -> Result<Vec<DriftRow>, Error> {
        let mut query = self.db.prepare_cached(&format!(
            "SELECT {DRIFT} FROM drifts WHERE detected < ?2 AND (resolved_time IS NULL OR resolved_time >= ?1)
             ORDER BY idx, kind, digest, name"
        ))?;
        Ok(query.query_map((from.millis(), to.millis()), drift)?.collect::<Result<_, _>>()?)
    }

    /// Where artifacts of a run were seen running, by environment and first sight.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn sightings_of(&self, run: &RunId) -> Result<Vec<Sighting>, Error> {
        let mut query = self.db.prepare_cached(&format!(
            "SELECT {SIGHTING} FROM sightings WHERE run = ?1 ORDER BY environment, idx, digest"
        ))?;
        Ok(query.query_map([run.as_str()], sighting)?.collect::<Result<_, _>>()?)
    }

    /// What was seen from a moment on and before another, anywhere, by first sight.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn sightings_between(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Sighting>, Error> {
        let mut query = self.db.prepare_cached(&format!(
            "SELECT {SIGHTING} FROM sightings WHERE time < ?2 AND last_time >= ?1 ORDER BY idx, environment, digest, grant_id"
        ))?;
        Ok(query.query_map((from.millis(), to.millis()), sighting)?.collect::<Result<_, _>>()?)
    }
}

/// The stream of an environment's snapshots.
#[must_use]
pub fn stream_of(environment: &str) -> String {
    format!("snapshots/{environment}")
}

const DRIFT: &str =
    "idx, told, environment, kind, digest, name, grant_id, run, arisen, detected, resolved, resolved_time";
const SIGHTING: &str = "environment, digest, name, grant_id, run, idx, time, last_idx, last_time";

fn condition(asked: &SnapshotsAsked) -> (String, Vec<Value>) {
    let (mut sql, mut values) = ("1".to_owned(), Vec::<Value>::new());
    let mut and = |part: &str, value: Value| {
        sql.push_str(" AND ");
        sql.push_str(part);
        values.push(value);
    };
    if let Some(environment) = &asked.environment {
        and("environment = ?", environment.clone().into());
    }
    if let Some(drift) = asked.drift {
        and("(drift > 0) = ?", i64::from(drift).into());
    }
    if let Some(from) = asked.from {
        and("time >= ?", from.millis().into());
    }
    if let Some(to) = asked.to {
        and("time < ?", to.millis().into());
    }
    (sql, values)
}

fn drift(row: &Row<'_>) -> rusqlite::Result<DriftRow> {
    let resolved: Option<u64> = row.get(10)?;
    Ok(DriftRow {
        index: row.get(0)?,
        told: row.get(1)?,
        environment: row.get(2)?,
        drift: Drift {
            kind: text(row, 3)?,
            digest: text(row, 4)?,
            name: row.get(5)?,
            grant: maybe(row, 6)?,
            run: maybe(row, 7)?,
        },
        arisen: time(row, 8)?,
        detected: time(row, 9)?,
        resolved: resolved.map(|index| Ok::<_, rusqlite::Error>((index, time(row, 11)?))).transpose()?,
    })
}

fn sighting(row: &Row<'_>) -> rusqlite::Result<Sighting> {
    let grant: String = row.get(3)?;
    Ok(Sighting {
        environment: row.get(0)?,
        digest: text(row, 1)?,
        name: row.get(2)?,
        grant: (!grant.is_empty()).then(|| GrantId::from_text(grant)),
        run: maybe(row, 4)?,
        first: (row.get(5)?, time(row, 6)?),
        last: (row.get(7)?, time(row, 8)?),
    })
}

impl Text for DriftKind {
    fn read(text: String) -> Option<Self> {
        Self::from_text(&text)
    }
}

impl Text for Observed {
    fn read(text: String) -> Option<Self> {
        Self::from_text(&text)
    }
}
