//! Evidence and artifacts attached to runs.

use countersign_model::event::{Artifact, EvidenceAttached};
use countersign_model::{Digest, RunId};

use super::read::{Machine, Reading, to_json};
use super::sql::{Fold, json, text};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[Table {
    name: "evidence",
    key: &["idx"],
    index: "idx",
    sql: "CREATE TABLE evidence (idx INTEGER PRIMARY KEY, run TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
        digest TEXT NOT NULL, size INTEGER NOT NULL, artifact INTEGER NOT NULL, subjects TEXT NOT NULL) STRICT;
        CREATE INDEX evidence_by_run ON evidence (run, idx);",
}];

/// Evidence attached to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceRow {
    /// Log index.
    pub index: u64,
    /// Kind, as detected.
    pub kind: String,
    /// File name.
    pub name: String,
    /// Digest of the bytes.
    pub digest: Digest,
    /// Whether it is an artifact.
    pub artifact: bool,
    /// Artifacts it speaks of.
    pub subjects: Vec<Artifact>,
}

impl State {
    pub(super) fn on_evidence(&self, reading: &Reading, machine: &Machine) -> Fold {
        let p: EvidenceAttached = self.statement(machine)?;
        self.started(&p.run)?;
        self.belongs(reading, &p.run)?;
        self.db
            .prepare_cached(
                "INSERT INTO evidence (idx, run, kind, name, digest, size, artifact, subjects)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                reading.index,
                p.run.as_str(),
                &p.kind,
                &p.name,
                p.digest.to_string(),
                p.size,
                p.artifact,
                to_json(&p.subjects)?,
            ))?;
        Ok(())
    }

    pub(super) fn evidence_of(&self, run: &RunId) -> Result<Vec<EvidenceRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, kind, name, digest, artifact, subjects FROM evidence WHERE run = ?1 ORDER BY idx",
        )?;
        let rows = query.query_map([run.as_str()], |row| {
            Ok(EvidenceRow {
                index: row.get(0)?,
                kind: row.get(1)?,
                name: row.get(2)?,
                digest: text(row, 3)?,
                artifact: row.get(4)?,
                subjects: json(row, 5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
