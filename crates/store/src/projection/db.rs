//! The database in the user's data directory: opened, brought up to the log's head, thrown away when it is void.
//!
//! It lies beside the pin and not in the ledger's directory: who can write to the ledger must not be able to write
//! himself a role into a table. The process that folds holds a lock on a file beside it; the others wait and then
//! find the work done. Readers hold a snapshot and are never waited for.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_model::Digest;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _};

use super::sql::{maybe, text};
use super::state::{Head, State, Watch};
use super::table::{self, Table};
use crate::error::code;
use crate::installation::{Pin, PinnedEntry};
use crate::subjects::SharedVault;
use crate::{Error, Ledger, Notice, storage};

pub(super) const TABLES: &[Table] = &[Table {
    name: "position",
    key: &["id"],
    index: "size",
    // What is folded in: so many entries with this root, of this log, with this root of trust pinned.
    sql: "CREATE TABLE position (id INTEGER PRIMARY KEY CHECK (id = 0), size INTEGER NOT NULL, root TEXT NOT NULL,
        origin TEXT NOT NULL, vkey TEXT NOT NULL, pinned_index INTEGER, pinned_entry TEXT) STRICT;",
}];

/// How many entries are folded in one transaction. A process that dies loses the work of at most so many.
const COMMIT_EVERY: u64 = 4096;
/// How often the head is folded to again when others append meanwhile.
const ROUNDS: u32 = 100;
/// How long SQLite waits for its own locks, which are held for moments only.
const BUSY: Duration = Duration::from_secs(30);

/// What the table `position` says.
struct Position {
    size: u64,
    root: Digest,
    origin: String,
    vkey: String,
    pinned: Option<PinnedEntry>,
}

/// Opens a database of this machine's own, which is made where there is none: for its owner alone.
pub(crate) fn open(path: &Path) -> Result<Connection, Error> {
    if !path.exists() {
        match storage::create_private(path, b"") {
            Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(Error::ProjectionPlace { path: path.display().to_string(), source: e });
            }
            _ => {}
        }
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY)?;
    Ok(db)
}

impl State {
    /// The tables in the file `path`, folded to the head of `ledger`. Whatever is there and is not the fold of a prefix of
    /// this very log is thrown away first. Where the file cannot be kept, the tables are folded in memory; a notice says
    /// so.
    ///
    /// # Errors
    /// What the ledger says.
    pub fn open(
        path: &Path,
        ledger: &mut Ledger,
        pin: Option<&Pin>,
        watch: &Watch,
    ) -> Result<(Self, Option<Notice>), Error> {
        let mut first = true;
        loop {
            let opened = Self::connect(path, ledger.shared_vault(), pin).and_then(|mut state| {
                state.catch_up(ledger, watch)?;
                Ok(state)
            });
            let error = match opened {
                Ok(state) => return Ok((state, None)),
                Err(e @ (Error::Projection { .. } | Error::ProjectionPlace { .. })) => e,
                Err(e) => return Err(e),
            };
            if first && is_void(&error) && discard(path).is_ok() {
                first = false;
                continue;
            }
            let what = format!(
                "the projection cannot be kept in `{}` ({}): every command folds the whole log",
                path.display(),
                chain(&error)
            );
            let state = Self::replay(ledger, pin, watch)?;
            return Ok((state, Some(Notice { code: code::PROJECTION_NOT_KEPT, what })));
        }
    }

    /// Opens the file, which is made where there is none.
    pub(super) fn connect(path: &Path, vault: SharedVault, pin: Option<&Pin>) -> Result<Self, Error> {
        let db = open(path)?;
        let state = Self::on(db, Some(path.to_owned()), vault, pin)?;
        // After a loss of power the newest transactions may be gone, which folding makes up for; none is half there.
        state.db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cell_size_check = ON;
             PRAGMA cache_size = -16384",
        )?;
        Ok(state)
    }

    /// Folds in what was appended since, and holds on to that state.
    ///
    /// # Errors
    /// What the ledger and the database say.
    pub fn catch_up(&mut self, ledger: &mut Ledger, watch: &Watch) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            ledger.refresh()?;
            self.release()?;
            let Some(path) = self.path.clone() else {
                self.fold(ledger, ledger.size(), watch, |_| Ok(()))?;
                return self.store_position(ledger);
            };
            if !self.is_current(ledger)? {
                let lock = lock(&path)?;
                // Who held the lock before has folded what was appended meanwhile.
                ledger.refresh()?;
                if !self.is_prefix_of(ledger)? {
                    self.reset(ledger)?;
                }
                self.fold_durably(ledger, watch)?;
                drop(lock);
            }
            self.hold()?;
            if self.head.size == ledger.size() {
                return Ok(());
            }
        }
        Err(Error::ProjectionUnsettled)
    }

    /// Empties the tables and folds the log anew.
    pub(super) fn fold_anew(&mut self, ledger: &mut Ledger, watch: &Watch) -> Result<(), Error> {
        self.release()?;
        if let Some(path) = self.path.clone() {
            let lock = lock(&path)?;
            self.reset(ledger)?;
            self.fold_durably(ledger, watch)?;
            drop(lock);
        }
        self.catch_up(ledger, watch)
    }

    fn fold_durably(&mut self, ledger: &Ledger, watch: &Watch) -> Result<(), Error> {
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        self.load()?;
        let mut committed = self.head.size;
        let folded = self.fold(ledger, ledger.size(), watch, |state| {
            if state.head.size.saturating_sub(committed) >= COMMIT_EVERY {
                state.store_position(ledger)?;
                state.db.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
                committed = state.head.size;
            }
            Ok(())
        });
        let folded = folded.and_then(|()| self.store_position(ledger)).and_then(|()| {
            self.db.execute_batch("COMMIT")?;
            Ok(())
        });
        if folded.is_err() && !self.db.is_autocommit() {
            // The first error is the one that says what is the matter.
            let _ = self.db.execute_batch("ROLLBACK");
        }
        folded
    }

    /// Whether the tables are the fold of the whole log.
    fn is_current(&self, ledger: &Ledger) -> Result<bool, Error> {
        let Some(p) = self.position()? else { return Ok(false) };
        let is_here = p.size == ledger.size() && p.root == Digest::from_bytes(ledger.root()) && p.pinned == self.pinned;
        Ok(is_here && self.is_of(&p, ledger)?)
    }

    /// Whether the tables are the fold of a prefix of this log, with this pin.
    fn is_prefix_of(&self, ledger: &Ledger) -> Result<bool, Error> {
        let Some(position) = self.position()? else { return Ok(false) };
        if !self.is_of(&position, ledger)? || position.size > ledger.size() {
            return Ok(false);
        }
        if position.size > 0 && Digest::from_bytes(ledger.root_at(position.size)?) != position.root {
            return Ok(false);
        }
        if position.pinned == self.pinned {
            return Ok(true);
        }
        // Folded without a pin, and the first root that holds is the one pinned since: with the pin it is the same.
        let mut query = self.db.prepare_cached("SELECT idx, entry FROM trust_roots ORDER BY idx LIMIT 1")?;
        let root =
            query.query_row([], |row| Ok(PinnedEntry { index: row.get(0)?, entry: text(row, 1)? })).optional()?;
        Ok(position.pinned.is_none() && root.is_some() && root == self.pinned)
    }

    /// The same origin and the same key, or one that a rotation in the tables leads away from.
    fn is_of(&self, position: &Position, ledger: &Ledger) -> Result<bool, Error> {
        let mut query = self.db.prepare_cached("SELECT EXISTS (SELECT 1 FROM log_keys WHERE old = ?1)")?;
        Ok(position.origin == ledger.origin()
            && (position.vkey == ledger.vkey().to_string() || query.query_row([&position.vkey], |row| row.get(0))?))
    }

    /// `None` when the tables are of another version, or not there.
    fn position(&self) -> Result<Option<Position>, Error> {
        if self.version()? != table::version() {
            return Ok(None);
        }
        let mut query = self
            .db
            .prepare_cached("SELECT size, root, origin, vkey, pinned_index, pinned_entry FROM position WHERE id = 0")?;
        let row = |row: &rusqlite::Row<'_>| {
            let pinned = match (row.get(4)?, maybe(row, 5)?) {
                (Some(index), Some(entry)) => Some(PinnedEntry { index, entry }),
                _ => None,
            };
            Ok(Position { size: row.get(0)?, root: text(row, 1)?, origin: row.get(2)?, vkey: row.get(3)?, pinned })
        };
        Ok(query.query_row([], row).optional()?)
    }

    /// The version of the schema in the file.
    pub(super) fn version(&self) -> Result<i32, Error> {
        Ok(self.db.query_row("PRAGMA user_version", [], |row| row.get(0))?)
    }

    pub(super) fn store_position(&self, ledger: &Ledger) -> Result<(), Error> {
        let root = Digest::from_bytes(ledger.root_at(self.head.size)?);
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO position (id, size, root, origin, vkey, pinned_index, pinned_entry)
                 VALUES (0, ?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((
                self.head.size,
                root.to_string(),
                ledger.origin(),
                ledger.vkey().to_string(),
                self.pinned.as_ref().map(|p| p.index),
                self.pinned.as_ref().map(|p| p.entry.to_string()),
            ))?;
        Ok(())
    }

    /// Drops whatever is there and makes empty tables.
    fn reset(&mut self, ledger: &Ledger) -> Result<(), Error> {
        self.db.flush_prepared_statement_cache();
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        let mut query = self.db.prepare(
            "SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'view', 'trigger') AND name NOT LIKE 'sqlite_%'",
        )?;
        let there: Vec<(String, String)> =
            query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        drop(query);
        for (kind, name) in there {
            self.db.execute_batch(&format!("DROP {kind} IF EXISTS \"{}\"", name.replace('"', "\"\"")))?;
        }
        self.make_tables()?;
        self.head = Head::default();
        self.store_position(ledger)?;
        self.db.execute_batch("COMMIT")?;
        Ok(())
    }

    pub(super) fn make_tables(&self) -> Result<(), Error> {
        for table in table::all() {
            self.db.execute_batch(table.sql)?;
        }
        self.db.pragma_update(None, "user_version", table::version())?;
        Ok(())
    }

    /// Begins a snapshot: what is read from here on is one state.
    pub(super) fn hold(&mut self) -> Result<(), Error> {
        if !self.held {
            self.db.execute_batch("BEGIN")?;
            self.held = true;
        }
        self.load()
    }

    /// Begins a snapshot without believing a row of it; the size that it claims.
    pub(super) fn hold_unread(&mut self) -> Result<u64, Error> {
        self.db.execute_batch("BEGIN")?;
        self.held = true;
        let size = self.db.query_row("SELECT size FROM position", [], |row| row.get(0)).optional()?;
        Ok(size.unwrap_or(u64::MAX))
    }

    pub(super) fn release(&mut self) -> Result<(), Error> {
        if std::mem::take(&mut self.held) {
            self.db.execute_batch("COMMIT")?;
        }
        Ok(())
    }

    fn load(&mut self) -> Result<(), Error> {
        self.head.size = self.position()?.map_or(0, |p| p.size);
        self.load_trust()?;
        self.load_log_keys()?;
        self.load_second_keys()?;
        self.load_bundle()?;
        self.head.moment.0 = self.newest_time()?;
        Ok(())
    }
}

/// Waits until nobody else folds.
fn lock(path: &Path) -> Result<File, Error> {
    let path = beside(path, ".lock");
    let fail = |source| Error::ProjectionPlace { path: path.display().to_string(), source };
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(fail)?;
    file.lock().map_err(fail)?;
    Ok(file)
}

/// Removes the file with all that SQLite keeps beside it. Who has it open keeps what they have.
fn discard(path: &Path) -> std::io::Result<()> {
    for file in [beside(path, "-wal"), beside(path, "-shm"), path.to_owned()] {
        match std::fs::remove_file(file) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Whether the file's content is to blame, and not the place or another process.
pub(super) fn is_void(error: &Error) -> bool {
    match error {
        Error::Projection { source: rusqlite::Error::SqliteFailure(e, _) } => matches!(
            e.code,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation | ErrorCode::Unknown
        ),
        Error::Projection { .. } => true,
        _ => false,
    }
}

pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
