//! Rotations of the log's key.

use countersign_evidence::act;
use countersign_evidence::note::VerifierKey;
use countersign_evidence::rotation::Rotation;
use countersign_model::event::{LogKeyRotated, SecondLogKeyChosen};
use countersign_model::{Action, EventKind, PersonId};

use super::read::Act;
use super::sql::{Fold, Stop, require, text};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[Table {
    name: "log_keys",
    key: &["idx"],
    index: "idx",
    sql: "CREATE TABLE log_keys (idx INTEGER PRIMARY KEY, old TEXT NOT NULL, new TEXT NOT NULL, note TEXT NOT NULL,
        person TEXT NOT NULL, reason TEXT) STRICT;",
}];

/// The log's key was exchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationRow {
    /// Log index.
    pub index: u64,
    /// The verifier key until then.
    pub old: String,
    /// The verifier key from then on.
    pub new: String,
    /// The note that both signed, word for word.
    pub note: String,
    /// The administrator who ordered it.
    pub by: PersonId,
}

impl State {
    pub(super) fn on_log_key(&mut self, index: u64, signed: &Act) -> Fold {
        let p: LogKeyRotated = self.signed(signed, act::LOG_KEY, |p: &LogKeyRotated| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::RotateLogKey)?;
        let old = VerifierKey::parse(&self.head.vkey).map_err(|e| e.to_string())?;
        let said = Rotation::open(p.note.as_bytes(), &self.head.origin, &old).map_err(|e| e.to_string())?;
        require(said.size <= index, "it speaks of a log that is longer than what was before it")?;
        let (old, new) = (old.to_string(), said.new.to_string());
        // A key that was given up may be in other hands by now.
        require(self.head.rotations.iter().all(|r| r.old != new), "the new key was the log's before")?;
        self.db
            .prepare_cached(
                "INSERT INTO log_keys (idx, old, new, note, person, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((index, &old, &new, &p.note, p.by.as_str(), &p.reason))?;
        self.head.vkey.clone_from(&new);
        self.head.rotations.push(RotationRow { index, old, new, note: p.note, by: p.by });
        Ok(())
    }

    /// Whether an act about the log's keys is believed in the present state: an administrator of this ledger signed it. The
    /// inner error says why not.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn is_key_act(&self, kind: EventKind, payload: &[u8]) -> Result<Result<(), String>, Error> {
        let look = || -> Fold {
            let signed = Act::read(payload, None)?;
            let (origin, by, action) = if kind == EventKind::LogKeyRotated {
                let p: LogKeyRotated = self.signed(&signed, act::LOG_KEY, |p: &LogKeyRotated| &p.by)?;
                (p.origin, p.by, Action::RotateLogKey)
            } else {
                let p: SecondLogKeyChosen =
                    self.signed(&signed, act::SECOND_LOG_KEY, |p: &SecondLogKeyChosen| &p.by)?;
                (p.origin, p.by, Action::ChooseSecondKey)
            };
            self.same_ledger(&origin)?;
            self.needs(&by, action)
        };
        match look() {
            Ok(()) => Ok(Ok(())),
            Err(Stop::Disbelieved(why)) => Ok(Err(why)),
            Err(Stop::Failed(e)) => Err(e),
        }
    }

    pub(super) fn load_log_keys(&mut self) -> Result<(), Error> {
        let mut query = self.db.prepare_cached("SELECT idx, old, new, note, person FROM log_keys ORDER BY idx")?;
        let rows = query.query_map([], |row| {
            Ok(RotationRow {
                index: row.get(0)?,
                old: row.get(1)?,
                new: row.get(2)?,
                note: row.get(3)?,
                by: text(row, 4)?,
            })
        })?;
        self.head.rotations = rows.collect::<Result<_, _>>()?;
        if let Some(last) = self.head.rotations.last() {
            self.head.vkey.clone_from(&last.new);
        }
        Ok(())
    }

    /// Rotations of the log's key, oldest first.
    #[must_use]
    pub fn rotations(&self) -> &[RotationRow] {
        &self.head.rotations
    }
}
