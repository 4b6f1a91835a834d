//! What stands in the log and was not believed.

use rusqlite::OptionalExtension as _;

use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[Table {
    name: "anomalies",
    key: &["idx"],
    index: "idx",
    sql: "CREATE TABLE anomalies (idx INTEGER PRIMARY KEY, what TEXT NOT NULL) STRICT;",
}];

/// An entry that was not believed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anomaly {
    /// Log index.
    pub index: u64,
    /// Why.
    pub what: String,
}

impl State {
    pub(super) fn on_anomaly(&self, index: u64, what: &str) -> Result<(), Error> {
        self.db.prepare_cached("INSERT INTO anomalies (idx, what) VALUES (?1, ?2)")?.execute((index, what))?;
        Ok(())
    }

    /// What stands in the log and was not believed, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn anomalies(&self) -> Result<Vec<Anomaly>, Error> {
        let mut query = self.db.prepare_cached("SELECT idx, what FROM anomalies ORDER BY idx")?;
        let rows = query.query_map([], |row| Ok(Anomaly { index: row.get(0)?, what: row.get(1)? }))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Why an entry was not believed; none: it was.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn disbelieved(&self, index: u64) -> Result<Option<String>, Error> {
        let Ok(index) = i64::try_from(index) else { return Ok(None) };
        let mut query = self.db.prepare_cached("SELECT what FROM anomalies WHERE idx = ?1")?;
        Ok(query.query_row([index], |row| row.get(0)).optional()?)
    }

    /// How many entries were not believed.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn anomalies_count(&self) -> Result<u64, Error> {
        Ok(self.db.prepare_cached("SELECT count(*) FROM anomalies")?.query_row([], |row| row.get(0))?)
    }
}
