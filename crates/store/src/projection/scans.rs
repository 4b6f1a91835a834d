//! Scan records of runs: how many findings, how many gaps. The findings themselves are in the record, an attachment.

use countersign_model::event::FindingsRecorded;
use countersign_model::{Digest, PayloadRef, RunId};
use rusqlite::OptionalExtension as _;

use super::read::{Machine, Reading};
use super::sql::{Fold, blob, media, require, text};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[Table {
    name: "scans",
    key: &["idx"],
    index: "idx",
    sql: "CREATE TABLE scans (idx INTEGER PRIMARY KEY, run TEXT NOT NULL, commit_id TEXT NOT NULL,
        findings INTEGER NOT NULL, gaps INTEGER NOT NULL, record TEXT NOT NULL, record_size INTEGER NOT NULL,
        record_media TEXT NOT NULL, said TEXT NOT NULL) STRICT;
        CREATE INDEX scans_by_run ON scans (run, idx);",
}];

impl State {
    pub(super) fn on_findings(&self, reading: &Reading, machine: &Machine) -> Fold {
        let p: FindingsRecorded = self.statement(machine)?;
        let (record, said) = reading.named(0)?;
        require(said == p.record, "the scan record is not the one the statement names")?;
        self.started(&p.run)?;
        self.belongs(reading, &p.run)?;
        self.db
            .prepare_cached(
                "INSERT INTO scans (idx, run, commit_id, findings, gaps, record, record_size, record_media, said)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute((
                reading.index,
                p.run.as_str(),
                &p.commit,
                p.findings,
                p.gaps,
                record.sha256.to_string(),
                record.size,
                media(&record),
                p.record.to_string(),
            ))?;
        Ok(())
    }

    /// The digest of the newest scan record of a run.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn last_record(&self, run: &RunId) -> Result<Option<Digest>, Error> {
        let mut query = self.db.prepare_cached("SELECT said FROM scans WHERE run = ?1 ORDER BY idx DESC LIMIT 1")?;
        Ok(query.query_row([run.as_str()], |row| text(row, 0)).optional()?)
    }

    pub(super) fn last_scan(&self, run: &RunId) -> Result<Option<(u64, PayloadRef)>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, record, record_size, record_media FROM scans WHERE run = ?1 ORDER BY idx DESC LIMIT 1",
        )?;
        Ok(query.query_row([run.as_str()], |row| Ok((row.get(0)?, blob(row, 1)?))).optional()?)
    }
}
