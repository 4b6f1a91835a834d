//! Every entry, believed or not, how many there are of each kind, and the version of every stream.

use countersign_model::StreamId;
use rusqlite::OptionalExtension as _;

use super::read::Reading;
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "entries",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE entries (idx INTEGER PRIMARY KEY, kind TEXT NOT NULL, stream TEXT NOT NULL,
            version INTEGER NOT NULL, time INTEGER NOT NULL, actor TEXT NOT NULL, retention TEXT NOT NULL,
            leaf TEXT NOT NULL) STRICT;
            CREATE INDEX entries_by_kind ON entries (kind, idx);",
    },
    Table {
        name: "kinds",
        key: &["kind"],
        index: "idx",
        sql: "CREATE TABLE kinds (kind TEXT PRIMARY KEY, n INTEGER NOT NULL, idx INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
    },
    Table {
        name: "streams",
        key: &["stream"],
        index: "idx",
        sql: "CREATE TABLE streams (stream TEXT PRIMARY KEY, version INTEGER NOT NULL, idx INTEGER NOT NULL)
            STRICT, WITHOUT ROWID;",
    },
];

impl State {
    pub(super) fn on_entry(&self, reading: &Reading) -> Result<(), Error> {
        let (index, e) = (reading.index, &reading.entry);
        let retention = serde_json::to_value(e.retention)
            .ok()
            .and_then(|v| v.as_str().map(str::to_owned))
            .ok_or_else(|| Error::corrupt("entry", Some(index), "its retention class has no text"))?;
        self.db
            .prepare_cached(
                "INSERT INTO entries (idx, kind, stream, version, time, actor, retention, leaf)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                index,
                e.kind.as_str(),
                e.stream.as_str(),
                e.version,
                e.time.millis(),
                e.actor.as_str(),
                retention,
                reading.leaf.to_string(),
            ))?;
        self.db
            .prepare_cached(
                "INSERT INTO kinds (kind, n, idx) VALUES (?1, 1, ?2) ON CONFLICT (kind) DO UPDATE SET n = n + 1, idx = ?2",
            )?
            .execute((e.kind.as_str(), index))?;
        self.db
            .prepare_cached("INSERT OR REPLACE INTO streams (stream, version, idx) VALUES (?1, ?2, ?3)")?
            .execute((e.stream.as_str(), e.version, index))?;
        self.on_member(reading)
    }

    /// The version of a stream; 0 when nothing was appended to it.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn stream_version(&self, stream: &StreamId) -> Result<u64, Error> {
        let mut query = self.db.prepare_cached("SELECT version FROM streams WHERE stream = ?1")?;
        Ok(query.query_row([stream.as_str()], |row| row.get(0)).optional()?.unwrap_or(0))
    }
}
