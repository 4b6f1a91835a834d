//! Granted suppressions.

use countersign_evidence::act;
use countersign_model::event::SuppressionGranted;
use countersign_model::{Action, Digest, PersonId, Timestamp};
use rusqlite::OptionalExtension as _;

use super::read::Act;
use super::sql::{Fold, text, time};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[Table {
    name: "suppressions",
    key: &["repository", "fingerprint", "idx"],
    index: "idx",
    sql: "CREATE TABLE suppressions (repository TEXT NOT NULL, fingerprint TEXT NOT NULL, idx INTEGER NOT NULL,
        person TEXT NOT NULL, reason TEXT NOT NULL, expires INTEGER NOT NULL,
        PRIMARY KEY (repository, fingerprint, idx)) STRICT, WITHOUT ROWID;",
}];

/// A granted suppression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuppressionRow {
    /// Log index.
    pub index: u64,
    /// Who granted.
    pub by: PersonId,
    /// Until when.
    pub expires: Timestamp,
}

impl State {
    pub(super) fn on_suppression(&self, index: u64, signed: &Act) -> Fold {
        let p: SuppressionGranted = self.signed(signed, act::SUPPRESSION, |p: &SuppressionGranted| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::GrantSuppression)?;
        let mut insert = self.db.prepare_cached(
            "INSERT OR IGNORE INTO suppressions (repository, fingerprint, idx, person, reason, expires)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for fingerprint in &p.fingerprints {
            let fingerprint = fingerprint.to_string();
            insert.execute((&p.repository, fingerprint, index, p.by.as_str(), &p.reason, p.expires.millis()))?;
        }
        Ok(())
    }

    /// The granted suppression of a finding; the latest grant counts.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn suppression(&self, repository: &str, fingerprint: &Digest) -> Result<Option<SuppressionRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, person, expires FROM suppressions WHERE repository = ?1 AND fingerprint = ?2
             ORDER BY idx DESC LIMIT 1",
        )?;
        let row = |row: &rusqlite::Row<'_>| {
            Ok(SuppressionRow { index: row.get(0)?, by: text(row, 1)?, expires: time(row, 2)? })
        };
        Ok(query.query_row([repository, &fingerprint.to_string()], row).optional()?)
    }
}
