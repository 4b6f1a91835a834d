//! The ledger as it was at one moment, for an examination: appends go on, and are not seen.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_model::Digest;

use super::conn::Conn;
use super::error::{PgError, code};
use super::head::{self, Head};
use super::log_keys::LogKeys;
use super::view::{self, Facts};
use super::{Postgres, Shared, examine, list};
use crate::layout::{self, CHECKPOINT, VKEY};
use crate::source::Listed;
use crate::verify::Problem;
use crate::{Error, Source, leaf};

/// Entries that are read at a time.
const CHUNK: u64 = 4096;
/// An examiner may think for as long between two looks.
const IDLE: Duration = Duration::from_secs(600);

pub(super) struct Snapshot {
    conn: Mutex<Conn>,
    shared: Arc<Shared>,
    facts: Facts,
    /// As of the checkpoint; `None` where the rows that say so are not as they were written.
    keys: Option<LogKeys>,
    note: String,
    size: u64,
    place: String,
    /// Blobs of entries that are appended and not published: nobody without the log key can say more of them.
    tail: HashSet<String>,
    /// Why the head that was found is not signed by us.
    refused: Option<String>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("place", &self.place).field("size", &self.size).finish_non_exhaustive()
    }
}

impl Snapshot {
    pub(super) fn take(of: &Postgres) -> Result<Self, Error> {
        let mut conn = super::connect(of.address(), IDLE)?;
        conn.batch("begin", "begin isolation level repeatable read read only")?;
        // The head before all else: the first statement fixes what the transaction sees, and that must happen while nobody
        // of this process can learn more, or a head that others have left behind looks like one that went back.
        let (head, note, refused) = match of.checkpoint_by(&mut conn, true) {
            Ok((head, note)) => (head, note, None),
            // It is examined as it was published, and the refusal is part of what is found.
            Err(Error::Postgres(error @ PgError::Fenced { .. })) => {
                let head = Head::read(&mut conn, head::SELECT)?;
                (head.clone(), head.published, Some(error.to_string()))
            }
            Err(e) => return Err(e),
        };
        let facts = super::create::facts(&mut conn, of.address())?;
        // What is wrong with the checkpoint, the examination says.
        let keys = match LogKeys::read(&mut conn, &facts.origin, &facts.vkey) {
            Ok(keys) => Some(keys),
            Err(Error::Corrupt { .. }) => None,
            Err(e) => return Err(e),
        };
        let signed = keys.as_ref().and_then(|keys| keys.open(&note).ok());
        let size = signed.map_or(head.size, |c| c.size);
        let tail = tail(&mut conn, size, head.size)?;
        Ok(Self {
            conn: Mutex::new(conn),
            shared: Arc::clone(&of.shared),
            facts,
            keys: keys.map(|keys| keys.at(size)),
            note,
            size,
            place: of.place(),
            tail,
            refused,
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut Conn) -> Result<T, Error>) -> Result<T, Error> {
        f(&mut self.conn.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn object(&self, name: &str) -> Option<Vec<u8>> {
        match name {
            CHECKPOINT => Some(self.note.clone().into_bytes()),
            _ => match &self.keys {
                Some(keys) if LogKeys::is_one(name) => keys.object(name),
                None if name == VKEY => Some(format!("{}\n", self.facts.vkey).into_bytes()),
                _ => self.facts.object(name),
            },
        }
    }
}

/// The names of the blobs that the entries from `from` on speak of, and none before them.
fn tail(conn: &mut Conn, mut from: u64, to: u64) -> Result<HashSet<String>, Error> {
    let mut names = HashSet::new();
    let mut read = |conn: &mut Conn, from: u64, to: u64| {
        let sql = "select idx, leaf from @.entries where idx >= $1 and idx < $2 order by idx";
        for row in &conn.query("read entries", sql, &[&head::signed(from)?, &head::signed(to)?])? {
            let index = head::unsigned(head::get(row, 0)?)?;
            // One that cannot be read speaks of nothing.
            if let Ok(entry) = leaf::parse(&head::row_of(index), index, head::get(row, 1)?) {
                names.extend(entry.attachments.iter().chain([&entry.payload]).map(|b| layout::blob_name(&b.sha256)));
            }
        }
        Ok::<_, Error>(())
    };
    while from < to {
        let end = to.min(from.saturating_add(CHUNK));
        read(conn, from, end)?;
        from = end;
    }
    Ok(names)
}

impl Source for Snapshot {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        match self.object(name) {
            Some(bytes) => Ok(Some(bytes)),
            None if self.shared.hides(name) => Ok(None),
            None => self.with(|conn| view::read(conn, name, limit)),
        }
    }

    fn stat(&self, name: &str, limit: u64) -> Result<Option<u64>, Error> {
        match self.object(name) {
            Some(bytes) => Ok(Some(bytes.len() as u64)),
            None if self.shared.hides(name) => Ok(None),
            None => self.with(|conn| view::stat(conn, name, limit)),
        }
    }

    fn digest(&self, name: &str, limit: u64) -> Result<Option<(u64, Digest)>, Error> {
        match self.object(name) {
            Some(bytes) => Ok(Some((bytes.len() as u64, Digest::of(&bytes)))),
            None if self.shared.hides(name) => Ok(None),
            None => self.with(|conn| view::digest(conn, name, limit)),
        }
    }

    fn is_original(&self) -> bool {
        true
    }

    fn list(&self, dir: &str) -> Result<Option<Vec<Listed>>, Error> {
        if self.shared.hides(dir) {
            return Ok(Some(Vec::new()));
        }
        let mut listed =
            self.with(|conn| list::list(conn, dir, self.size, self.keys.as_ref().map_or(0, LogKeys::rotations)))?;
        listed.retain(|l| !self.tail.contains(&l.name));
        Ok(Some(listed))
    }

    fn examine(&self) -> Result<Vec<Problem>, Error> {
        let mut problems = self.with(|conn| examine::examine(conn, &self.facts, self.size))?;
        if let Some(what) = &self.refused {
            problems.insert(0, Problem::new(code::FENCED, "head", None, what));
        }
        Ok(problems)
    }
}
