//! Who claimed which commit as theirs.

use std::collections::BTreeSet;

use countersign_evidence::act;
use countersign_model::PersonId;
use countersign_model::event::CommitsClaimed;

use super::read::Act;
use super::sql::{Fold, text};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[Table {
    name: "claims",
    key: &["repository", "commit_id", "person"],
    index: "idx",
    sql: "CREATE TABLE claims (repository TEXT NOT NULL, commit_id TEXT NOT NULL, person TEXT NOT NULL,
        idx INTEGER NOT NULL, PRIMARY KEY (repository, commit_id, person)) STRICT, WITHOUT ROWID;",
}];

impl State {
    pub(super) fn on_claim(&self, index: u64, signed: &Act) -> Fold {
        let p: CommitsClaimed = self.signed(signed, act::CLAIM, |p: &CommitsClaimed| &p.by)?;
        self.same_ledger(&p.origin)?;
        let mut insert = self.db.prepare_cached(
            "INSERT OR IGNORE INTO claims (repository, commit_id, person, idx) VALUES (?1, ?2, ?3, ?4)",
        )?;
        for commit in &p.commits {
            insert.execute((&p.repository, commit, p.by.as_str(), index))?;
        }
        Ok(())
    }

    /// Everybody who claimed to have written this commit.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn claimants(&self, repository: &str, commit: &str) -> Result<BTreeSet<PersonId>, Error> {
        let mut query = self.db.prepare_cached("SELECT person FROM claims WHERE repository = ?1 AND commit_id = ?2")?;
        let rows = query.query_map([repository, commit], |row| text(row, 0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
