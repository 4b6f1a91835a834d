//! Which deployment put which artifact where: what a snapshot is held against.

use countersign_model::{Digest, GrantId, RunId, Timestamp};
use rusqlite::{OptionalExtension as _, Row};

use super::grants::GrantRow;
use super::sql::{Fold, text};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[Table {
    name: "placed",
    key: &["digest", "idx"],
    index: "idx",
    sql: "CREATE TABLE placed (digest TEXT NOT NULL, idx INTEGER NOT NULL, environment TEXT NOT NULL,
        repository TEXT NOT NULL, grant_id TEXT NOT NULL, run TEXT NOT NULL, PRIMARY KEY (digest, idx))
        STRICT, WITHOUT ROWID;",
}];

/// A deployment that put an artifact somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Log index of the deployment's end.
    pub index: u64,
    /// Where.
    pub environment: String,
    /// The repository's identity.
    pub repository: String,
    /// The grant.
    pub grant: GrantId,
    /// The run.
    pub run: RunId,
}

impl State {
    /// A deployment that succeeded put its artifacts there.
    pub(super) fn on_placed(&self, index: u64, row: &GrantRow) -> Fold {
        let mut query = self.db.prepare_cached(
            "INSERT OR IGNORE INTO placed (digest, idx, environment, repository, grant_id, run)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let grant = &row.grant;
        for artifact in &grant.artifacts {
            query.execute((
                artifact.digest.to_string(),
                index,
                &grant.environment,
                &grant.repository,
                grant.grant.as_str(),
                grant.run.as_str(),
            ))?;
        }
        Ok(())
    }

    /// The newest deployment that put an artifact into an environment; without one, anywhere.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn placed(&self, digest: &Digest, environment: Option<&str>) -> Result<Option<Placed>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, environment, repository, grant_id, run FROM placed
             WHERE digest = ?1 AND (?2 IS NULL OR environment = ?2) ORDER BY idx DESC LIMIT 1",
        )?;
        Ok(query.query_row((digest.to_string(), environment), placed).optional()?)
    }

    /// The grants for an environment that were redeemed since a moment, and whose end is not on record: what is being deployed now, or
    /// what a machine died over.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn under_way(&self, environment: &str, since: Timestamp) -> Result<Vec<GrantRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT g.grant_id FROM grants g JOIN entries e ON e.idx = g.started
             WHERE g.environment = ?1 AND g.started IS NOT NULL AND g.ended IS NULL AND e.time >= ?2 ORDER BY g.grant_id",
        )?;
        let ids: Vec<GrantId> =
            query.query_map((environment, since.millis()), |row| text(row, 0))?.collect::<Result<_, _>>()?;
        let mut all = Vec::with_capacity(ids.len());
        for id in ids {
            all.extend(self.grant(&id)?);
        }
        Ok(all)
    }
}

fn placed(row: &Row<'_>) -> rusqlite::Result<Placed> {
    Ok(Placed {
        index: row.get(0)?,
        environment: row.get(1)?,
        repository: row.get(2)?,
        grant: text(row, 3)?,
        run: text(row, 4)?,
    })
}
