//! Where a ledger is read from. A ledger is a set of named objects (see [`crate::layout`]): immutable ones, and the one
//! checkpoint. A directory, a bucket, a database and a web server hold the same objects under the same names, so one
//! reader and one examiner serve them all.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use countersign_model::Digest;

use crate::Error;
use crate::files;
use crate::layout::{self, Paths};
use crate::verify::Problem;

/// Named objects of a ledger, read from wherever they are kept.
///
/// Names are relative and use `/`: `ledger/checkpoint`, `ledger/tile/0/000.p/5`, `blobs/sha256/ab/…`.
pub trait Source: Send + Sync + fmt::Debug {
    /// The place as people know it: a directory or a URL, without credentials.
    fn place(&self) -> String;

    /// The object's bytes; `None` when there is no such object.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when what stands there is larger than `limit` bytes or is no plain object; otherwise what the
    /// place says. "Could not look" is an error, never `None`.
    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error>;

    /// As [`Source::read`], into a buffer that was used before; `false` when there is no such object.
    ///
    /// # Errors
    /// As [`Source::read`].
    fn read_into(&self, name: &str, limit: u64, bytes: &mut Vec<u8>) -> Result<bool, Error> {
        let read = self.read(name, limit)?;
        let is_there = read.is_some();
        *bytes = read.unwrap_or_default();
        Ok(is_there)
    }

    /// The object's size in bytes; `None` when there is no such object.
    ///
    /// # Errors
    /// As [`Source::read`].
    fn stat(&self, name: &str, limit: u64) -> Result<Option<u64>, Error>;

    /// Size and SHA-256 of the object, computed from its bytes; `None` when there is no such object. Places that can
    /// stream an object override this, so that large blobs are never held in memory.
    ///
    /// # Errors
    /// As [`Source::read`].
    fn digest(&self, name: &str, limit: u64) -> Result<Option<(u64, Digest)>, Error> {
        Ok(self.read(name, limit)?.map(|bytes| (bytes.len() as u64, Digest::of(&bytes))))
    }

    /// What stands directly in `dir` (empty for the top), in no particular order. `Ok(None)` where the place cannot
    /// list at all, as a web server cannot; a directory that does not exist is an empty list.
    ///
    /// # Errors
    /// What the place says.
    fn list(&self, dir: &str) -> Result<Option<Vec<Listed>>, Error>;

    /// The ledger as it is at this moment, for an examination; `None` where it does not change under the reader's eyes.
    ///
    /// # Errors
    /// What the place says.
    fn snapshot(&self) -> Result<Option<Box<dyn Source>>, Error> {
        Ok(None)
    }

    /// Examines what the place holds besides the named objects, such as tables that follow from them.
    ///
    /// # Errors
    /// What the place says.
    fn examine(&self) -> Result<Vec<Problem>, Error> {
        Ok(Vec::new())
    }

    /// Whether the ledger itself is kept here, rather than a published copy of it.
    fn is_original(&self) -> bool {
        self.directory().is_some()
    }

    /// The local directory, where it is one.
    fn directory(&self) -> Option<&Path> {
        None
    }

    /// Whether the place publishes the log alone, as C2SP tlog-tiles has it: checkpoint, tiles and entries, without blobs
    /// and without the files that name the log.
    fn is_log_only(&self) -> bool {
        false
    }

    /// Whether it is an excerpt for others: the log as it was at one size, and of the payloads those that were chosen. Tiles
    /// of earlier sizes are not in it. Which payloads may be absent, whoever examines it knows.
    fn is_excerpt(&self) -> bool {
        false
    }
}

/// Something that stands in a directory of a [`Source`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its whole relative name.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// The source that a ledger reads from at present. It is exchanged when the ledger looks for what is new.
#[derive(Debug)]
pub(crate) struct Current {
    now: RwLock<Arc<dyn Source>>,
    directory: Option<PathBuf>,
}

impl Current {
    pub(crate) fn new(source: Arc<dyn Source>) -> Self {
        let directory = source.directory().map(Path::to_path_buf);
        Self { now: RwLock::new(source), directory }
    }

    /// Takes another source of the same ledger, and returns the one before.
    pub(crate) fn replace(&self, source: Arc<dyn Source>) -> Arc<dyn Source> {
        // A panic in another thread leaves what is there as good as it was: it is replaced whole.
        std::mem::replace(&mut self.now.write().unwrap_or_else(PoisonError::into_inner), source)
    }

    fn now(&self) -> Arc<dyn Source> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Source for Current {
    fn place(&self) -> String {
        self.now().place()
    }

    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        self.now().read(name, limit)
    }

    fn stat(&self, name: &str, limit: u64) -> Result<Option<u64>, Error> {
        self.now().stat(name, limit)
    }

    fn digest(&self, name: &str, limit: u64) -> Result<Option<(u64, Digest)>, Error> {
        self.now().digest(name, limit)
    }

    fn list(&self, dir: &str) -> Result<Option<Vec<Listed>>, Error> {
        self.now().list(dir)
    }

    fn snapshot(&self) -> Result<Option<Box<dyn Source>>, Error> {
        self.now().snapshot()
    }

    fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    fn is_log_only(&self) -> bool {
        self.now().is_log_only()
    }
}

/// A local directory.
impl Source for Paths {
    fn place(&self) -> String {
        self.root().display().to_string()
    }

    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        files::read_file(self, name, limit)
    }

    fn read_into(&self, name: &str, limit: u64, bytes: &mut Vec<u8>) -> Result<bool, Error> {
        files::read_file_into(self, name, limit, bytes)
    }

    fn stat(&self, name: &str, limit: u64) -> Result<Option<u64>, Error> {
        files::stat_file(self, name, limit)
    }

    fn digest(&self, name: &str, limit: u64) -> Result<Option<(u64, Digest)>, Error> {
        files::digest_file(self, name, limit)
    }

    fn list(&self, dir: &str) -> Result<Option<Vec<Listed>>, Error> {
        let reading = |e| Error::reading(dir, e);
        let entries = match std::fs::read_dir(self.at(dir)) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Some(Vec::new())),
            Err(e) => return Err(reading(e)),
        };
        let mut listed = Vec::new();
        for entry in entries {
            let entry = entry.map_err(reading)?;
            let is_dir = entry.file_type().map_err(reading)?.is_dir();
            // A name that is not UTF-8 comes out as no name that the layout knows.
            listed.push(Listed { name: layout::join(dir, &entry.file_name().to_string_lossy()), is_dir });
        }
        Ok(Some(listed))
    }

    fn directory(&self) -> Option<&Path> {
        Some(self.root())
    }
}
