//! What regulators asked for and what was handed over, and audits that were rehearsed.

use countersign_evidence::act;
use countersign_model::audit::PackScope;
use countersign_model::event::{FurnishDelivered, FurnishOpened, MockAuditDone};
use countersign_model::{Action, Digest, FurnishId, PayloadRef, Timestamp};
use rusqlite::{OptionalExtension as _, Row};

use super::engagements::is_set;
use super::read::{Act, Machine, Reading, to_json};
use super::sql::{Fold, blob, json, media, require, text};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "furnishings",
        key: &["furnish"],
        index: "idx",
        sql: "CREATE TABLE furnishings (furnish TEXT PRIMARY KEY, idx INTEGER NOT NULL, leaf TEXT NOT NULL,
            said TEXT NOT NULL) STRICT, WITHOUT ROWID;",
    },
    Table {
        name: "deliveries",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE deliveries (idx INTEGER PRIMARY KEY, furnish TEXT NOT NULL, said TEXT NOT NULL) STRICT;
            CREATE INDEX deliveries_by_furnish ON deliveries (furnish, idx);",
    },
    Table {
        name: "mock_audits",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE mock_audits (idx INTEGER PRIMARY KEY, framework TEXT NOT NULL, said TEXT NOT NULL,
            record TEXT NOT NULL, record_size INTEGER NOT NULL, record_media TEXT NOT NULL) STRICT;
            CREATE INDEX mock_audits_by_framework ON mock_audits (framework, idx);",
    },
];

/// A regulator's request, and what was handed over on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FurnishRow {
    /// Log index.
    pub index: u64,
    /// Leaf hash.
    pub leaf: Digest,
    /// What was asked for.
    pub said: FurnishOpened,
    /// What was handed over, oldest first.
    pub deliveries: Vec<DeliveryRow>,
}

impl FurnishRow {
    /// When records were handed over first.
    #[must_use]
    pub fn delivered(&self) -> Option<Timestamp> {
        self.deliveries.first().map(|d| d.said.time)
    }
}

/// What was handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Log index.
    pub index: u64,
    /// What it says.
    pub said: FurnishDelivered,
}

/// An audit that was rehearsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MockAuditRow {
    /// Log index.
    pub index: u64,
    /// What it says.
    pub said: MockAuditDone,
    /// What it says requirement by requirement.
    pub record: PayloadRef,
}

impl State {
    pub(super) fn on_furnish_opened(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: FurnishOpened = self.signed(signed, act::FURNISHING, |p: &FurnishOpened| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::OpenFurnishing)?;
        require(self.is_enrolled(&p.received_by)?, "whoever received it is not enrolled")?;
        require(p.received <= p.time, "it is recorded before it was received")?;
        require(p.due > p.received, "it was due before it was received")?;
        let s = &p.scope;
        require(s.furnish.is_none(), "its scope names a request")?;
        require(
            is_set(&s.applications) && is_set(&s.frameworks) && is_set(&s.controls),
            "its lists are not sorted, or name something twice",
        )?;
        for id in &s.applications {
            require(self.application(id)?.is_some(), "one of its applications is not registered")?;
        }
        match (&s.deployment, s.from, s.to) {
            (Some(grant), None, None) => {
                require(self.grant(grant)?.is_some(), "it is of a deployment that is not known")?
            }
            (None, Some(from), Some(to)) => {
                require(from < to, "its period is over before it begins")?;
                require(self.has_entries_between(from, to, reading.index)?, "nothing was recorded in its period")?;
            }
            _ => return Err("it is neither of a deployment nor of a period".into()),
        }
        require(self.furnishing(&p.furnish)?.is_none(), "a request of that id was recorded before")?;
        self.db
            .prepare_cached("INSERT INTO furnishings (furnish, idx, leaf, said) VALUES (?1, ?2, ?3, ?4)")?
            .execute((p.furnish.as_str(), reading.index, reading.leaf.to_string(), to_json(&p)?))?;
        Ok(())
    }

    pub(super) fn on_furnish_delivered(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: FurnishDelivered = self.signed(signed, act::FURNISHING_DELIVERY, |p: &FurnishDelivered| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::DeliverFurnishing)?;
        let row = self.furnishing(&p.furnish)?.ok_or("nobody recorded such a request")?;
        require(row.leaf == p.request, "the request is not the one that the delivery names")?;
        let scope = PackScope { furnish: Some(p.furnish.clone()), ..row.said.scope };
        let packs = self.packs()?;
        let pack = packs.iter().find(|k| k.pack == p.pack).ok_or("no such pack was made from this log")?;
        require(pack.scope == scope, "the pack is not of what was asked for")?;
        require((pack.bytes, pack.size) == (p.bytes, p.size), "the pack is of another size")?;
        require(p.held <= p.records && p.disposed <= p.records, "it counts more of its records than there are")?;
        self.db.prepare_cached("INSERT INTO deliveries (idx, furnish, said) VALUES (?1, ?2, ?3)")?.execute((
            reading.index,
            p.furnish.as_str(),
            to_json(&p)?,
        ))?;
        Ok(())
    }

    pub(super) fn on_mock_audit(&self, reading: &Reading, machine: &Machine) -> Fold {
        let p: MockAuditDone = self.statement(machine)?;
        let (record, said) = reading.named(0)?;
        require(said == p.record, "the record is not the one the statement names")?;
        require(p.size <= reading.index, "it read more of the log than there was")?;
        require(p.from < p.to, "its window is over before it begins")?;
        require(self.has_entries_between(p.from, p.to, p.size)?, "nothing was recorded in its window")?;
        let all =
            [p.complete, p.people, p.missing, p.not_applicable].iter().try_fold(0_u64, |sum, n| sum.checked_add(*n));
        require(all == Some(p.requirements) && p.broken <= p.requirements, "its requirements do not add up")?;
        self.db
            .prepare_cached(
                "INSERT INTO mock_audits (idx, framework, said, record, record_size, record_media)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((
                reading.index,
                &p.framework,
                to_json(&p)?,
                record.sha256.to_string(),
                record.size,
                media(&record),
            ))?;
        Ok(())
    }

    /// A regulator's request.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn furnishing(&self, id: &FurnishId) -> Result<Option<FurnishRow>, Error> {
        let mut query = self.db.prepare_cached("SELECT idx, leaf, said FROM furnishings WHERE furnish = ?1")?;
        let row = query.query_row([id.as_str()], furnishing).optional()?;
        row.map(|row| self.with_deliveries(row)).transpose()
    }

    /// Every request of a regulator, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn furnishings(&self) -> Result<Vec<FurnishRow>, Error> {
        let mut query = self.db.prepare_cached("SELECT idx, leaf, said FROM furnishings ORDER BY idx")?;
        let rows: Vec<FurnishRow> = query.query_map([], furnishing)?.collect::<Result<_, _>>()?;
        rows.into_iter().map(|row| self.with_deliveries(row)).collect()
    }

    fn with_deliveries(&self, mut row: FurnishRow) -> Result<FurnishRow, Error> {
        let mut query = self.db.prepare_cached("SELECT idx, said FROM deliveries WHERE furnish = ?1 ORDER BY idx")?;
        let rows = query.query_map([row.said.furnish.as_str()], |row| {
            Ok(DeliveryRow { index: row.get(0)?, said: json(row, 1)? })
        })?;
        row.deliveries = rows.collect::<Result<_, _>>()?;
        Ok(row)
    }

    /// The newest rehearsal of a framework's audit.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn last_mock_audit(&self, framework: &str) -> Result<Option<MockAuditRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, said, record, record_size, record_media FROM mock_audits WHERE framework = ?1
             ORDER BY idx DESC LIMIT 1",
        )?;
        let row = query.query_row([framework], |row| {
            Ok(MockAuditRow { index: row.get(0)?, said: json(row, 1)?, record: blob(row, 2)? })
        });
        Ok(row.optional()?)
    }
}

fn furnishing(row: &Row<'_>) -> rusqlite::Result<FurnishRow> {
    Ok(FurnishRow { index: row.get(0)?, leaf: text(row, 1)?, said: json(row, 2)?, deliveries: Vec::new() })
}
