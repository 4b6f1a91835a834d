//! Policy bundles that were put in effect.

use countersign_evidence::act;
use countersign_model::event::PolicyActivated;
use countersign_model::{Action, Digest, PayloadRef, PersonId};
use rusqlite::OptionalExtension as _;

use super::read::{Act, Reading, attachment};
use super::sql::{Fold, blob, media, text};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[Table {
    name: "bundles",
    key: &["idx"],
    index: "idx",
    sql: "CREATE TABLE bundles (idx INTEGER PRIMARY KEY, digest TEXT NOT NULL, blob TEXT NOT NULL,
        blob_size INTEGER NOT NULL, blob_media TEXT NOT NULL, person TEXT NOT NULL, time INTEGER NOT NULL) STRICT;",
}];

/// The policy bundle in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveBundle {
    /// Log index of its activation.
    pub index: u64,
    /// Its digest: the policy version in effect.
    pub digest: Digest,
    /// The blob that holds it.
    pub blob: PayloadRef,
    /// Who activated it.
    pub by: PersonId,
}

impl State {
    pub(super) fn on_policy(&mut self, reading: &Reading, signed: &Act) -> Fold {
        let index = reading.index;
        let p: PolicyActivated = self.signed(signed, act::POLICY, |p: &PolicyActivated| &p.by)?;
        self.same_ledger(&p.origin)?;
        // The first bundle is activated together with the root of trust; every later one by an officer.
        let first = self.head.bundle.is_none();
        self.needs(&p.by, if first { Action::ActivateFirstPolicy } else { Action::ActivatePolicy })?;
        let blob = attachment(&reading.entry, 0)?;
        self.db
            .prepare_cached(
                "INSERT INTO bundles (idx, digest, blob, blob_size, blob_media, person, time)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute((
                index,
                p.bundle.to_string(),
                blob.sha256.to_string(),
                blob.size,
                media(&blob),
                p.by.as_str(),
                p.time.millis(),
            ))?;
        self.head.bundle = Some(ActiveBundle { index, digest: p.bundle, blob, by: p.by });
        Ok(())
    }

    pub(super) fn load_bundle(&mut self) -> Result<(), Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, digest, blob, blob_size, blob_media, person FROM bundles ORDER BY idx DESC LIMIT 1",
        )?;
        let row = |row: &rusqlite::Row<'_>| {
            Ok(ActiveBundle { index: row.get(0)?, digest: text(row, 1)?, blob: blob(row, 2)?, by: text(row, 5)? })
        };
        self.head.bundle = query.query_row([], row).optional()?;
        Ok(())
    }

    /// The policy bundle in effect.
    #[must_use]
    pub const fn bundle(&self) -> Option<&ActiveBundle> {
        self.head.bundle.as_ref()
    }
}
