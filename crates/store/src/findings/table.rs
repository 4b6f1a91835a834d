//! The index's tables, and what makes them void.

use std::path::Path;

use countersign_model::Digest;
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::{Basis, Index};
use crate::Error;
use crate::projection::open;

/// Raised when the same records are to give other rows.
const FORMAT: u32 = 2;

const TABLES: &str = "
CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 0), size INTEGER NOT NULL, root TEXT NOT NULL,
    origin TEXT NOT NULL, pinned TEXT NOT NULL, catalogue TEXT NOT NULL, stands_until INTEGER NOT NULL,
    late_at INTEGER NOT NULL, unsettled INTEGER NOT NULL, disposed INTEGER NOT NULL, made BLOB NOT NULL) STRICT;
CREATE TABLE repositories (id INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE, factor INTEGER NOT NULL, run TEXT,
    stale INTEGER NOT NULL, unsettled INTEGER NOT NULL) STRICT;
CREATE TABLE rules (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE control_sets (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE tools (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE looks (repository INTEGER NOT NULL, tool INTEGER NOT NULL, idx INTEGER NOT NULL, run TEXT NOT NULL,
    commit_id TEXT NOT NULL, time INTEGER NOT NULL, findings INTEGER NOT NULL, unread INTEGER NOT NULL,
    PRIMARY KEY (repository, tool, idx)) STRICT, WITHOUT ROWID;
CREATE INDEX looks_by_index ON looks (idx);
CREATE INDEX looks_unread ON looks (idx) WHERE unread = 1;
CREATE TABLE buckets (id INTEGER PRIMARY KEY AUTOINCREMENT, repository INTEGER NOT NULL, rule INTEGER NOT NULL,
    severity INTEGER NOT NULL, controls INTEGER NOT NULL, state INTEGER NOT NULL, late INTEGER NOT NULL,
    n INTEGER NOT NULL, due INTEGER NOT NULL, turn INTEGER NOT NULL,
    UNIQUE (repository, rule, severity, controls, state, late)) STRICT;
CREATE TABLE findings (id INTEGER PRIMARY KEY, repository INTEGER NOT NULL, fingerprint BLOB NOT NULL,
    tool INTEGER NOT NULL, bucket INTEGER NOT NULL, due INTEGER NOT NULL, first_idx INTEGER NOT NULL,
    first_time INTEGER NOT NULL, present INTEGER NOT NULL, detail INTEGER NOT NULL, confidence INTEGER NOT NULL,
    path BLOB NOT NULL, line INTEGER NOT NULL, cwe TEXT NOT NULL, title TEXT, excerpt TEXT, asked TEXT, reason TEXT,
    by_waiver TEXT, by_entry INTEGER, until INTEGER, gone INTEGER, UNIQUE (repository, fingerprint)) STRICT;
CREATE INDEX findings_by_bucket ON findings (bucket, due, fingerprint, first_time, present, gone);
CREATE INDEX findings_by_print ON findings (fingerprint);
CREATE INDEX findings_present ON findings (repository, tool) WHERE present > 0;
CREATE INDEX findings_asked ON findings (repository) WHERE asked IS NOT NULL OR until IS NOT NULL;
CREATE TABLE presences (finding INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER,
    PRIMARY KEY (finding, first)) STRICT, WITHOUT ROWID;
CREATE TRIGGER counted_in AFTER INSERT ON findings BEGIN
    UPDATE buckets SET n = n + 1, due = min(due, new.due), turn = turn + 1 WHERE id = new.bucket; END;
CREATE TRIGGER counted_out AFTER DELETE ON findings BEGIN
    UPDATE buckets SET n = n - 1, turn = turn + 1 WHERE id = old.bucket;
    DELETE FROM presences WHERE finding = old.id; END;
CREATE TRIGGER counted_over AFTER UPDATE OF bucket ON findings WHEN old.bucket <> new.bucket BEGIN
    UPDATE buckets SET n = n - 1, turn = turn + 1 WHERE id = old.bucket;
    UPDATE buckets SET n = n + 1, due = min(due, new.due), turn = turn + 1 WHERE id = new.bucket; END;
CREATE TRIGGER seen_otherwise AFTER UPDATE OF first_time, present, gone ON findings WHEN old.bucket = new.bucket
    AND (old.first_time, old.present, old.gone) IS NOT (new.first_time, new.present, new.gone) BEGIN
    UPDATE buckets SET turn = turn + 1 WHERE id = new.bucket; END;
";

/// It changes with the tables, [`FORMAT`] and the program's version.
fn version() -> i32 {
    let text = format!("{FORMAT}\n{}\n{TABLES}", env!("CARGO_PKG_VERSION"));
    let [a, b, c, d, ..] = *Digest::of(text.as_bytes()).as_bytes();
    i32::from_be_bytes([a, b, c, d]) | 1
}

impl Index {
    /// Opens the index in the file `path`, which is made where there is none. What is there and is not of this format, is damaged, or
    /// is of something else than `basis`, is thrown away.
    ///
    /// # Errors
    /// When the file cannot be made or read.
    pub fn open(path: &Path, basis: &Basis) -> Result<Self, Error> {
        match Self::connect(path).and_then(|index| index.made_for(basis)) {
            Err(Error::Projection { source }) if !is_busy(&source) => {
                Self::discard(path)?;
                Self::connect(path)?.made_for(basis)
            }
            opened => opened,
        }
    }

    /// An index that belongs to this value alone.
    ///
    /// # Errors
    /// When SQLite cannot make it.
    pub fn scratch(basis: &Basis) -> Result<Self, Error> {
        Self::on(Connection::open("")?)?.made_for(basis)
    }

    /// The index in the file, whatever it belongs to; none where there is none that can be read.
    pub(super) fn existing(path: &Path) -> Result<Option<Self>, Error> {
        if !path.exists() {
            return Ok(None);
        }
        let index = Self::connect(path)?;
        Ok(index.is_of_this_version()?.then_some(index))
    }

    /// Throws the index in the file `path` away. Who has it open keeps what they have.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn discard(path: &Path) -> Result<(), Error> {
        discard(path).map_err(|source| Error::ProjectionPlace { path: path.display().to_string(), source })
    }

    fn connect(path: &Path) -> Result<Self, Error> {
        let db = open(path)?;
        // What is deleted here was disposed of, and must not be read out of the file's free pages.
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cell_size_check = ON;
             PRAGMA secure_delete = ON; PRAGMA cache_size = -16384",
        )?;
        Self::on(db)
    }

    fn on(db: Connection) -> Result<Self, Error> {
        db.set_prepared_statement_cache_capacity(64);
        db.execute_batch("PRAGMA trusted_schema = OFF")?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(Self { db, periods: None })
    }

    fn is_of_this_version(&self) -> Result<bool, Error> {
        let found: i32 = self.db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        Ok(found == version())
    }

    fn made_for(self, basis: &Basis) -> Result<Self, Error> {
        if !self.is_of_this_version()? || self.basis()?.as_ref() != Some(basis) {
            self.reset(basis)?;
        }
        Ok(self)
    }

    fn basis(&self) -> Result<Option<Basis>, Error> {
        use rusqlite::OptionalExtension as _;
        let mut query = self.db.prepare("SELECT origin, pinned, catalogue FROM meta")?;
        let row =
            |row: &rusqlite::Row<'_>| Ok(Basis { origin: row.get(0)?, pinned: row.get(1)?, catalogue: row.get(2)? });
        Ok(query.query_row([], row).optional()?)
    }

    /// Empties it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn reset(&self, basis: &Basis) -> Result<(), Error> {
        self.db.flush_prepared_statement_cache();
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        let reset = self.reset_within(basis);
        self.end(reset)
    }

    fn reset_within(&self, basis: &Basis) -> Result<(), Error> {
        // Another process may have done it while this one waited.
        if self.is_of_this_version()? && self.basis()?.as_ref() == Some(basis) && self.meta()?.size == 0 {
            return Ok(());
        }
        let mut query = self.db.prepare(
            "SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'",
        )?;
        let there: Vec<(String, String)> =
            query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        drop(query);
        for (kind, name) in there {
            self.db.execute_batch(&format!("DROP {kind} IF EXISTS \"{}\"", name.replace('"', "\"\"")))?;
        }
        self.db.execute_batch(TABLES)?;
        self.db.execute(
            "INSERT INTO meta VALUES (0, 0, '', ?1, ?2, ?3, 0, 0, 1, 0, randomblob(16))",
            (&basis.origin, &basis.pinned, &basis.catalogue),
        )?;
        self.db.pragma_update(None, "user_version", version())?;
        Ok(())
    }

    /// Commits what went well; of what did not, the first error is told.
    pub(super) fn end<T>(&self, done: Result<T, Error>) -> Result<T, Error> {
        match done {
            Ok(value) => {
                self.db.execute_batch("COMMIT")?;
                Ok(value)
            }
            Err(error) => {
                if !self.db.is_autocommit() {
                    let _ = self.db.execute_batch("ROLLBACK");
                }
                Err(error)
            }
        }
    }
}

/// Whether another process holds it, which says nothing of its content.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull, PermissionDenied, ReadOnly};
    matches!(error, rusqlite::Error::SqliteFailure(e, _)
        if matches!(e.code, DatabaseBusy | DatabaseLocked | DiskFull | PermissionDenied | ReadOnly))
}

/// Removes the file with all that SQLite keeps beside it.
fn discard(path: &Path) -> std::io::Result<()> {
    for end in ["-wal", "-shm", ""] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        match std::fs::remove_file(&name) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}
