//! Evidence and artifacts attached to runs.

use countersign_model::event::{Artifact, EvidenceAttached};
use countersign_model::{Digest, PayloadRef, RunId};

use super::read::{Machine, Reading, to_json};
use super::sql::{Fold, blob, json, require, text};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[Table {
    name: "evidence",
    key: &["idx"],
    index: "idx",
    sql: "CREATE TABLE evidence (idx INTEGER PRIMARY KEY, run TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
        digest TEXT NOT NULL, size INTEGER NOT NULL, artifact INTEGER NOT NULL, subjects TEXT NOT NULL,
        report TEXT, report_size INTEGER, report_media TEXT) STRICT;
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
    /// What was read out of it, where it is a report of another tool.
    pub report: Option<PayloadRef>,
}

impl State {
    /// The recorded artifacts of a run, each once, sorted.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn artifacts_of(&self, run: &RunId) -> Result<Vec<Artifact>, Error> {
        let own = self.evidence_of(run)?.into_iter().filter(|e| e.artifact);
        let set: std::collections::BTreeSet<Artifact> =
            own.map(|e| Artifact { name: e.name, digest: e.digest }).collect();
        Ok(set.into_iter().collect())
    }

    pub(super) fn on_evidence(&self, reading: &Reading, machine: &Machine) -> Fold {
        let p: EvidenceAttached = self.statement(machine)?;
        self.started(&p.run)?;
        self.belongs(reading, &p.run)?;
        // An artifact is named, and need not be there.
        if !p.artifact || reading.attachments() > 0 {
            let (file, said) = reading.named(0)?;
            require(said == p.digest, "the attached file is not the one the statement names")?;
            require(file.sealed.is_some() || file.size == p.size, "the attached file has another size")?;
        }
        let report = match p.report {
            None => None,
            Some(digest) => {
                let (report, said) = reading.named(1)?;
                require(said == digest, "what was read out of the report is not what the statement names")?;
                Some(report)
            }
        };
        require(
            reading.attachments() <= 1 + usize::from(report.is_some()),
            "the statement does not name all attachments",
        )?;
        self.db
            .prepare_cached(
                "INSERT INTO evidence (idx, run, kind, name, digest, size, artifact, subjects, report, report_size,
                  report_media)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
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
                report.as_ref().map(|r| r.sha256.to_string()),
                report.as_ref().map(|r| r.size),
                report.as_ref().map(|r| r.media.as_str()),
            ))?;
        Ok(())
    }

    pub(super) fn evidence_of(&self, run: &RunId) -> Result<Vec<EvidenceRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, kind, name, digest, artifact, subjects, report, report_size, report_media FROM evidence
             WHERE run = ?1 ORDER BY idx",
        )?;
        let rows = query.query_map([run.as_str()], |row| {
            Ok(EvidenceRow {
                index: row.get(0)?,
                kind: row.get(1)?,
                name: row.get(2)?,
                digest: text(row, 3)?,
                artifact: row.get(4)?,
                subjects: json(row, 5)?,
                report: match row.get::<_, Option<String>>(6)? {
                    None => None,
                    Some(_) => Some(blob(row, 6)?),
                },
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
