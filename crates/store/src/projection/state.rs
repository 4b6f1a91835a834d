//! Everything the log says, up to a size.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_model::Timestamp;
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::bundles::ActiveBundle;
use super::log_keys::RotationRow;
use super::second_keys::SecondKeyRow;
use super::trust::TrustRoot;
use crate::installation::{Pin, PinnedEntry};
use crate::subjects::SharedVault;
use crate::{Error, Ledger, Source};

/// Everything the log says, up to [`State::size`] entries. Between two calls that fold, it does not change, whatever
/// other processes append.
pub struct State {
    pub(super) db: Connection,
    /// The database's file; `None` where it belongs to this value alone and goes with it.
    pub(super) path: Option<PathBuf>,
    /// Opens the profiles, which hold the names.
    pub(super) vault: SharedVault,
    /// The root of trust that a pin names: no other is believed.
    pub(super) pinned: Option<PinnedEntry>,
    pub(super) head: Head,
    /// Whether a snapshot is held.
    pub(super) held: bool,
}

/// A moment; the beginning of 1970 before anything is folded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment(pub(super) Timestamp);

impl Default for Moment {
    fn default() -> Self {
        Self(Timestamp::from_millis(0))
    }
}

/// What nearly every question needs.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    pub(super) size: u64,
    pub(super) origin: String,
    /// The key in force: the one that entry 0 names, or the one that the last rotation put in its place.
    pub(super) vkey: String,
    pub(super) rotations: Vec<RotationRow>,
    /// What was said of a second key, oldest first; the last one counts.
    pub(super) seconds: Vec<SecondKeyRow>,
    pub(super) recorder: String,
    pub(super) trust: Option<TrustRoot>,
    pub(super) bundle: Option<ActiveBundle>,
    /// The moment at which roles are asked for.
    pub(super) moment: Moment,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("path", &self.path).field("head", &self.head).finish_non_exhaustive()
    }
}

/// Somebody who wants to know how far a long fold is: entries folded, and how many there are.
#[derive(Clone, Default)]
pub struct Watch(Option<Arc<dyn Fn(u64, u64) + Send + Sync>>);

impl Watch {
    /// Calls `tell` after every few hundred entries.
    #[must_use]
    pub fn new(tell: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    pub(super) fn tell(&self, done: u64, total: u64) {
        if let Some(tell) = &self.0 {
            tell(done, total);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.0.is_some()).finish()
    }
}

impl State {
    /// Empty tables that belong to this value alone: in memory while they are small, else in a temporary file that has
    /// no name. `vault` opens profiles; `pin` is what the reader brings along to believe the ledger.
    ///
    /// # Errors
    /// When SQLite cannot make them.
    pub fn scratch(vault: SharedVault, pin: Option<&Pin>) -> Result<Self, Error> {
        let state = Self::on(Connection::open("")?, None, vault, pin)?;
        // It is never read again, so nothing has to survive: no journal, one transaction that never ends.
        state
            .db
            .execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384; BEGIN")?;
        state.make_tables()?;
        Ok(state)
    }

    /// As [`State::scratch`], with the whole log folded in.
    ///
    /// # Errors
    /// What the ledger says; never because something is not believed.
    pub fn replay(ledger: &Ledger, pin: Option<&Pin>, watch: &Watch) -> Result<Self, Error> {
        let mut state = Self::scratch(ledger.shared_vault(), pin)?;
        state.fold(ledger, ledger.size(), watch, |_| Ok(()))?;
        state.store_position(ledger)?;
        Ok(state)
    }

    pub(super) fn on(
        db: Connection,
        path: Option<PathBuf>,
        vault: SharedVault,
        pin: Option<&Pin>,
    ) -> Result<Self, Error> {
        db.set_prepared_statement_cache_capacity(128);
        db.execute_batch("PRAGMA trusted_schema = OFF")?;
        // Without this a statement whose plan may depend on its parameters is compiled anew at every call.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        let pinned = pin.and_then(|pin| pin.trust_root.clone());
        Ok(Self { db, path, vault, pinned, head: Head::default(), held: false })
    }

    /// How many entries are folded in.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.head.size
    }

    /// Where the tables are kept; `None` when they go with this value.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Payloads are read from here from now on.
    pub fn read_from(&mut self, source: Arc<dyn Source>) {
        self.vault.source = source;
    }

    /// From now on this root of trust is pinned.
    pub(crate) fn set_pin(&mut self, pin: &Pin) {
        self.pinned.clone_from(&pin.trust_root);
    }
}
