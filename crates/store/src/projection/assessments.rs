//! Assessments that were recorded.

use countersign_model::event::AssessmentRecorded;
use countersign_model::{Digest, PayloadRef, Timestamp};

use super::read::{Machine, Reading};
use super::sql::{Fold, blob, media, require, text, time};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[Table {
    name: "assessments",
    key: &["idx"],
    index: "idx",
    sql: "CREATE TABLE assessments (idx INTEGER PRIMARY KEY, since INTEGER NOT NULL, until INTEGER NOT NULL,
        size INTEGER NOT NULL, facts TEXT NOT NULL, catalogue TEXT NOT NULL, outcome TEXT NOT NULL,
        record TEXT NOT NULL, record_size INTEGER NOT NULL, record_media TEXT NOT NULL, time INTEGER NOT NULL) STRICT;",
}];

/// A recorded assessment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssessmentRow {
    /// Log index.
    pub index: u64,
    /// Digest over all controls that judged.
    pub catalogue: Digest,
    /// What it says control by control.
    pub record: PayloadRef,
    /// When.
    pub time: Timestamp,
}

impl State {
    pub(super) fn on_assessment(&self, reading: &Reading, machine: &Machine) -> Fold {
        let p: AssessmentRecorded = self.statement(machine)?;
        let (record, said) = reading.named(0)?;
        require(said == p.record, "the record is not the one the statement names")?;
        require(p.size <= reading.index, "it assesses more of the log than there was")?;
        self.db
            .prepare_cached(
                "INSERT INTO assessments (idx, since, until, size, facts, catalogue, outcome, record, record_size,
                 record_media, time) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute((
                reading.index,
                p.from.millis(),
                p.to.millis(),
                p.size,
                p.facts.to_string(),
                p.catalogue.to_string(),
                p.outcome.as_str(),
                record.sha256.to_string(),
                record.size,
                media(&record),
                p.time.millis(),
            ))?;
        Ok(())
    }

    /// Every recorded assessment, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn assessments(&self) -> Result<Vec<AssessmentRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, catalogue, record, record_size, record_media, time FROM assessments ORDER BY idx",
        )?;
        let rows = query.query_map([], |row| {
            Ok(AssessmentRow {
                index: row.get(0)?,
                catalogue: text(row, 1)?,
                record: blob(row, 2)?,
                time: time(row, 5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
