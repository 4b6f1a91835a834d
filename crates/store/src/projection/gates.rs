//! Who answers for which gate, who took it on, and when it was looked at.

use countersign_evidence::act;
use countersign_model::event::{GateAcknowledged, GateOwnersAssigned, GateReviewed};
use countersign_model::governance::{GATES, GateOwners};
use countersign_model::{Action, Digest, PayloadRef, PersonId, Timestamp};
use rusqlite::OptionalExtension as _;

use super::read::{Act, Reading};
use super::sql::{Fold, blob, media, require, text, time};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "gate_owners",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE gate_owners (idx INTEGER PRIMARY KEY, digest TEXT NOT NULL, blob TEXT NOT NULL,
            blob_size INTEGER NOT NULL, blob_media TEXT NOT NULL, person TEXT NOT NULL, time INTEGER NOT NULL) STRICT;",
    },
    Table {
        name: "gate_marks",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE gate_marks (idx INTEGER PRIMARY KEY, gate TEXT NOT NULL, owners TEXT NOT NULL,
            person TEXT NOT NULL, finding TEXT, time INTEGER NOT NULL) STRICT;
            CREATE INDEX gate_marks_by_gate ON gate_marks (gate, idx);",
    },
];

/// Owners of gates that were put in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignedOwners {
    /// Log index.
    pub index: u64,
    /// Digest of the document.
    pub digest: Digest,
    /// The blob that holds it.
    pub blob: PayloadRef,
    /// Who put it in effect.
    pub by: PersonId,
    /// When.
    pub time: Timestamp,
}

/// Somebody took a gate on, or looked at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateMark {
    /// Log index.
    pub index: u64,
    /// The gate.
    pub gate: String,
    /// The document that named them, or that was looked at.
    pub owners: Digest,
    /// Who.
    pub by: PersonId,
    /// What came of the review; `None`: it was taken on.
    pub finding: Option<String>,
    /// When.
    pub time: Timestamp,
}

impl State {
    pub(super) fn on_gate_owners(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: GateOwnersAssigned = self.signed(signed, act::GATE_OWNERS, |p: &GateOwnersAssigned| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::AssignGateOwners)?;
        let (blob, said) = reading.named(0)?;
        require(said == p.owners, "the document is not the one that the statement names")?;
        self.db
            .prepare_cached(
                "INSERT INTO gate_owners (idx, digest, blob, blob_size, blob_media, person, time)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute((
                reading.index,
                p.owners.to_string(),
                blob.sha256.to_string(),
                blob.size,
                media(&blob),
                p.by.as_str(),
                p.time.millis(),
            ))?;
        Ok(())
    }

    pub(super) fn on_gate_acknowledged(&self, index: u64, signed: &Act) -> Fold {
        let p: GateAcknowledged = self.signed(signed, act::GATE_ACKNOWLEDGEMENT, |p: &GateAcknowledged| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.mark(index, &p.gate, p.owners, &p.by, None, p.time)
    }

    /// That it was the owner, the deputy or an officer who looked is seen to by whoever reads the document.
    pub(super) fn on_gate_review(&self, index: u64, signed: &Act) -> Fold {
        let p: GateReviewed = self.signed(signed, act::GATE_REVIEW, |p: &GateReviewed| &p.by)?;
        self.same_ledger(&p.origin)?;
        require(!p.finding.trim().is_empty(), "it does not say what came of it")?;
        self.mark(index, &p.gate, p.owners, &p.by, Some(&p.finding), p.time)
    }

    fn mark(
        &self,
        index: u64,
        gate: &str,
        owners: Digest,
        by: &PersonId,
        finding: Option<&str>,
        at: Timestamp,
    ) -> Fold {
        require(GATES.contains(&gate), "there is no such gate")?;
        let active = self.gate_owners()?.map(|o| o.digest);
        require(active == Some(owners), "the document that it names is not in effect")?;
        self.db
            .prepare_cached(
                "INSERT INTO gate_marks (idx, gate, owners, person, finding, time) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((index, gate, owners.to_string(), by.as_str(), finding, at.millis()))?;
        Ok(())
    }

    /// The owners of gates in effect.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn gate_owners(&self) -> Result<Option<AssignedOwners>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, digest, blob, blob_size, blob_media, person, time FROM gate_owners ORDER BY idx DESC LIMIT 1",
        )?;
        let row = |row: &rusqlite::Row<'_>| {
            Ok(AssignedOwners {
                index: row.get(0)?,
                digest: text(row, 1)?,
                blob: blob(row, 2)?,
                by: text(row, 5)?,
                time: time(row, 6)?,
            })
        };
        Ok(query.query_row([], row).optional()?)
    }

    /// What people said about a gate, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn gate_marks(&self, gate: &str) -> Result<Vec<GateMark>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, gate, owners, person, finding, time FROM gate_marks WHERE gate = ?1 ORDER BY idx",
        )?;
        let rows = query.query_map([gate], |row| {
            Ok(GateMark {
                index: row.get(0)?,
                gate: row.get(1)?,
                owners: text(row, 2)?,
                by: text(row, 3)?,
                finding: row.get(4)?,
                time: time(row, 5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// Reads the document of owners.
///
/// # Errors
/// When it is not canonical, or not what can be put in effect.
pub fn read_gate_owners(bytes: &[u8]) -> Result<GateOwners, Error> {
    let owners: GateOwners = countersign_evidence::canonical::from_slice(bytes)?;
    match owners.check() {
        Ok(()) => Ok(owners),
        Err((gate, what)) => Err(Error::corrupt("owners of gates", None, format!("{gate}: {what}"))),
    }
}
