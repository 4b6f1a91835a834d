//! What the writer must know of the whole log to append to it: the version of every stream, and every idempotency key.
//!
//! Derived from the log, never a source. It lies in the data directory, beside the log's key: whoever can change it
//! there can sign for the log anyway. It remembers size and root of the log it was derived from; where these are not of
//! this log, it is derived anew.

use std::collections::HashMap;
use std::path::Path;

use countersign_model::{Digest, Entry, StreamId};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::engine::prepare::{content_digest, key_entries};
use crate::{Error, Ledger, leaf};

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS derived (format INTEGER, origin TEXT, size INTEGER, root BLOB);
    CREATE TABLE IF NOT EXISTS streams (id TEXT PRIMARY KEY, version INTEGER) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS keys (key TEXT PRIMARY KEY, first INTEGER, content BLOB) WITHOUT ROWID;
";
const FORMAT: i64 = 1;
/// From this many new entries on, the database is written: below, reading them again costs less than a sync.
const WORTH_STORING: u64 = 512;
/// Streams that are kept in memory before they go to the database.
const MAX_HOT: usize = 50_000;

/// Streams and keys, up to one size of the log.
#[derive(Debug)]
pub(crate) struct Index {
    db: Connection,
    size: u64,
    root: Digest,
    origin: String,
    /// Up to where the database has it.
    stored: u64,
    /// What the database does not have yet, and what was asked of it lately.
    streams: HashMap<StreamId, u64>,
    keys: HashMap<String, (u64, Digest)>,
}

fn failed(error: rusqlite::Error) -> Error {
    Error::Index { source: error }
}

/// SQLite's whole numbers are signed; no log gets near their end.
fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

impl Index {
    /// Opens the index in a file, or one in memory, and brings it up to the ledger's head.
    pub(crate) fn open(path: Option<&Path>, ledger: &Ledger) -> Result<Self, Error> {
        let Some(path) = path else { return Self::with(Connection::open_in_memory().map_err(failed)?, ledger) };
        match Self::at(path, ledger) {
            // What cannot be used is derived anew: it is no source of anything.
            Err(Error::Index { .. }) => {
                for end in ["", "-wal", "-shm"] {
                    let mut file = path.as_os_str().to_owned();
                    file.push(end);
                    // One that is not there is fine; one that cannot be removed shows when it is opened again.
                    let _ = std::fs::remove_file(file);
                }
                Self::at(path, ledger)
            }
            opened => opened,
        }
    }

    fn at(path: &Path, ledger: &Ledger) -> Result<Self, Error> {
        let db = Connection::open(path).map_err(failed)?;
        db.busy_timeout(std::time::Duration::from_secs(5)).map_err(failed)?;
        Self::with(db, ledger)
    }

    fn with(db: Connection, ledger: &Ledger) -> Result<Self, Error> {
        db.execute_batch(SCHEMA).map_err(failed)?;
        let known = db
            .query_row("SELECT format, origin, size, root FROM derived", [], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?, row.get::<_, [u8; 32]>(3)?))
            })
            .optional()
            .map_err(failed)?;
        let origin = ledger.origin().to_owned();
        let empty = Digest::from_bytes(countersign_evidence::merkle::empty_root());
        let known = known.filter(|(format, of, size, root)| {
            *format == FORMAT && *of == origin && ledger.root_at(unsigned(*size)).is_ok_and(|there| there == *root)
        });
        let (size, root) = match known {
            Some((_, _, size, root)) => (unsigned(size), Digest::from_bytes(root)),
            None => {
                db.execute_batch("DELETE FROM derived; DELETE FROM streams; DELETE FROM keys;").map_err(failed)?;
                (0, empty)
            }
        };
        let mut index = Self { db, size, root, origin, stored: size, streams: HashMap::new(), keys: HashMap::new() };
        index.catch_up(ledger)?;
        Ok(index)
    }

    /// Reads what is new in the log.
    pub(crate) fn catch_up(&mut self, ledger: &Ledger) -> Result<(), Error> {
        let mut batch: Option<(String, u64, u64, Vec<Entry>)> = None;
        ledger.each(self.size..ledger.size(), |at, file, bytes| {
            let entry = leaf::parse(file, at, bytes)?;
            self.streams.insert(entry.stream.clone(), entry.version);
            if let Some((text, entries)) = entry.key.as_ref().and_then(|k| Some((k.clone(), key_entries(k)?))) {
                batch = Some((text, at, entries, Vec::new()));
            }
            if let Some((text, first, entries, members)) = &mut batch {
                members.push(entry);
                if members.len() as u64 == *entries {
                    self.keys.insert(text.clone(), (*first, content_digest(members.iter())));
                    batch = None;
                }
            }
            if self.streams.len() >= MAX_HOT {
                // Not at the end of a batch perhaps: sizes are noted at the end only.
                self.store(None)?;
            }
            Ok(())
        })?;
        self.size = ledger.size();
        self.root = Digest::from_bytes(ledger.root());
        self.settle()
    }

    /// The version of a stream: how many entries it has.
    pub(crate) fn version(&mut self, stream: &StreamId) -> Result<u64, Error> {
        if let Some(version) = self.streams.get(stream) {
            return Ok(*version);
        }
        let mut query = self.db.prepare_cached("SELECT version FROM streams WHERE id = ?1").map_err(failed)?;
        let version = query.query_row([stream.as_str()], |row| row.get::<_, i64>(0)).optional().map_err(failed)?;
        let version = unsigned(version.unwrap_or(0));
        drop(query);
        self.streams.insert(stream.clone(), version);
        Ok(version)
    }

    /// The first entry and the content of the batch that was appended with this key.
    pub(crate) fn key(&self, key: &str) -> Result<Option<(u64, Digest)>, Error> {
        if let Some(found) = self.keys.get(key) {
            return Ok(Some(*found));
        }
        let mut query = self.db.prepare_cached("SELECT first, content FROM keys WHERE key = ?1").map_err(failed)?;
        let found = query.query_row([key], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?)));
        let found = found.optional().map_err(failed)?;
        Ok(found.map(|(first, content)| (unsigned(first), Digest::from_bytes(content))))
    }

    /// Takes over what was appended.
    pub(crate) fn appended(
        &mut self,
        size: u64,
        root: Digest,
        streams: impl IntoIterator<Item = (StreamId, u64)>,
        keys: impl IntoIterator<Item = (String, (u64, Digest))>,
    ) -> Result<(), Error> {
        self.streams.extend(streams);
        self.keys.extend(keys);
        (self.size, self.root) = (size, root);
        if self.streams.len() >= MAX_HOT { self.flush() } else { Ok(()) }
    }

    /// Writes what is new into the database, unless it is so little that reading it again costs less.
    pub(crate) fn settle(&mut self) -> Result<(), Error> {
        if self.size.saturating_sub(self.stored) >= WORTH_STORING { self.flush() } else { Ok(()) }
    }

    /// Writes everything into the database.
    fn flush(&mut self) -> Result<(), Error> {
        self.store(Some((self.size, self.root)))
    }

    fn store(&mut self, derived: Option<(u64, Digest)>) -> Result<(), Error> {
        let transaction = self.db.transaction().map_err(failed)?;
        {
            let mut stream = transaction
                .prepare_cached("INSERT INTO streams VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET version = ?2")
                .map_err(failed)?;
            for (id, version) in &self.streams {
                stream.execute(params![id.as_str(), signed(*version)]).map_err(failed)?;
            }
            let mut key =
                transaction.prepare_cached("INSERT OR REPLACE INTO keys VALUES (?1, ?2, ?3)").map_err(failed)?;
            for (text, (first, content)) in &self.keys {
                key.execute(params![text, signed(*first), content.as_bytes()]).map_err(failed)?;
            }
            if let Some((size, root)) = derived {
                transaction.execute("DELETE FROM derived", []).map_err(failed)?;
                let row = params![FORMAT, self.origin, signed(size), root.as_bytes()];
                transaction.execute("INSERT INTO derived VALUES (?1, ?2, ?3, ?4)", row).map_err(failed)?;
            } else {
                transaction.execute("DELETE FROM derived", []).map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)?;
        self.streams.clear();
        self.keys.clear();
        self.stored = derived.map_or(0, |(size, _)| size);
        Ok(())
    }
}
