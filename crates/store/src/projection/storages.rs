//! Storages that were probed.

use countersign_model::Timestamp;
use countersign_model::event::{LockVerdict, StorageProbed};
use rusqlite::{OptionalExtension as _, Row};

use super::read::Machine;
use super::sql::{Fold, json, time};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[Table {
    name: "storage_probes",
    key: &["idx"],
    index: "idx",
    sql: "CREATE TABLE storage_probes (idx INTEGER PRIMARY KEY, location TEXT NOT NULL, verdict TEXT NOT NULL,
        failed TEXT NOT NULL, time INTEGER NOT NULL) STRICT;
        CREATE INDEX storage_probes_by_location ON storage_probes (location, idx);",
}];

const COLUMNS: &str = "idx, location, verdict, failed, time";

/// What the last probe of a storage came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageRow {
    /// The entry.
    pub index: u64,
    /// Where, without credentials.
    pub location: String,
    /// The verdict.
    pub verdict: LockVerdict,
    /// What did not hold, or could not be judged, by name.
    pub failed: Vec<String>,
    /// When.
    pub time: Timestamp,
}

impl StorageRow {
    /// What has to be said about a storage that did not hold; `None` for one that did.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let what = match self.verdict {
            LockVerdict::Held => return None,
            LockVerdict::Broken => "storage not WORM",
            LockVerdict::Unclear => "not known whether storage is WORM",
        };
        let (location, failed) = (&self.location, self.failed.join(", "));
        Some(format!("{what}: {location} (entry {}, {}: {failed})", self.index, self.time))
    }
}

impl State {
    pub(super) fn on_probe(&self, index: u64, machine: &Machine) -> Fold {
        let p: StorageProbed = self.statement(machine)?;
        let failed = p.attacks.iter().filter(|a| a.verdict != LockVerdict::Held).map(|a| a.attack.as_str());
        let failed = serde_json::to_string(&failed.collect::<Vec<_>>()).map_err(|e| e.to_string())?;
        let verdict = serde_json::to_string(&p.verdict).map_err(|e| e.to_string())?;
        self.db
            .prepare_cached(
                "INSERT INTO storage_probes (idx, location, verdict, failed, time) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((index, &p.location, verdict, failed, p.time.millis()))?;
        Ok(())
    }

    /// The last probe of every storage, by location.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn storages(&self) -> Result<Vec<StorageRow>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM storage_probes WHERE idx IN (SELECT max(idx) FROM storage_probes GROUP BY location) \
             ORDER BY location"
        );
        let mut query = self.db.prepare_cached(&sql)?;
        let rows = query.query_map([], probe)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The last probe of a storage.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn storage(&self, location: &str) -> Result<Option<StorageRow>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM storage_probes WHERE location = ?1 ORDER BY idx DESC LIMIT 1");
        Ok(self.db.prepare_cached(&sql)?.query_row([location], probe).optional()?)
    }
}

fn probe(row: &Row<'_>) -> rusqlite::Result<StorageRow> {
    Ok(StorageRow {
        index: row.get(0)?,
        location: row.get(1)?,
        verdict: json(row, 2)?,
        failed: json(row, 3)?,
        time: time(row, 4)?,
    })
}
