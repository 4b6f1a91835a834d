//! The log's second key: the ML-DSA-44 key that signs its checkpoints beside the Ed25519 one.

use countersign_evidence::act;
use countersign_evidence::note::{Algorithm, VerifierKey};
use countersign_model::event::SecondLogKeyChosen;
use countersign_model::{Action, PersonId};

use super::read::Act;
use super::sql::{Fold, require, text};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[Table {
    name: "second_log_keys",
    key: &["idx"],
    index: "idx",
    sql: "CREATE TABLE second_log_keys (idx INTEGER PRIMARY KEY, vkey TEXT, person TEXT NOT NULL, reason TEXT) STRICT;",
}];

/// A second key was chosen, or retired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondKeyRow {
    /// Log index.
    pub index: u64,
    /// The verifier key that signs checkpoints as well from then on; none: no other key does.
    pub vkey: Option<String>,
    /// The administrator who ordered it.
    pub by: PersonId,
}

impl State {
    pub(super) fn on_second_key(&mut self, index: u64, signed: &Act) -> Fold {
        let p: SecondLogKeyChosen = self.signed(signed, act::SECOND_LOG_KEY, |p: &SecondLogKeyChosen| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::ChooseSecondKey)?;
        match &p.vkey {
            Some(vkey) => {
                let key = VerifierKey::parse(vkey).map_err(|e| e.to_string())?;
                require(key.to_string() == *vkey, "its key is not spelled as it was written")?;
                require(key.algorithm() == Algorithm::MlDsa44, "its key is no ML-DSA-44 key")?;
                require(key.name() == self.head.origin, "its key is not named like the log")?;
                require(self.second_key().is_none(), "the log has a second key already")?;
                // A key that was given up may be in other hands by now.
                require(!self.had_second_key(vkey), "its key was the log's second key before")?;
            }
            None => require(self.second_key().is_some(), "the log has no second key")?,
        }
        self.db
            .prepare_cached("INSERT INTO second_log_keys (idx, vkey, person, reason) VALUES (?1, ?2, ?3, ?4)")?
            .execute((index, &p.vkey, p.by.as_str(), &p.reason))?;
        self.head.seconds.push(SecondKeyRow { index, vkey: p.vkey, by: p.by });
        Ok(())
    }

    pub(super) fn load_second_keys(&mut self) -> Result<(), Error> {
        let mut query = self.db.prepare_cached("SELECT idx, vkey, person FROM second_log_keys ORDER BY idx")?;
        let rows =
            query.query_map([], |row| Ok(SecondKeyRow { index: row.get(0)?, vkey: row.get(1)?, by: text(row, 2)? }))?;
        self.head.seconds = rows.collect::<Result<_, _>>()?;
        Ok(())
    }

    /// The verifier key that must sign the log's checkpoints beside [`State::vkey`]; none: nothing else must.
    #[must_use]
    pub fn second_key(&self) -> Option<&str> {
        self.head.seconds.last()?.vkey.as_deref()
    }

    /// Whether this was the log's second key at any time.
    #[must_use]
    pub fn had_second_key(&self, vkey: &str) -> bool {
        self.head.seconds.iter().any(|row| row.vkey.as_deref() == Some(vkey))
    }

    /// What was said of second keys, oldest first.
    #[must_use]
    pub fn second_keys(&self) -> &[SecondKeyRow] {
        &self.head.seconds
    }
}
