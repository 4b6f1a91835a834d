//! Removing blobs that nothing needs any more. What may go is decided elsewhere, by a certificate in the log; here only
//! this is made sure of: a blob that any other entry speaks of stays, also one that is being appended meanwhile.

use std::collections::BTreeSet;
use std::ops::Range;

use countersign_model::{Digest, Entry};

#[cfg(unix)]
use crate::engine::embedded::socket;
use crate::layout::{self, Paths};
use crate::lock::Lock;
use crate::storage::Storage;
use crate::writer::Writer;
use crate::{Error, Ledger};

/// How many entries are read at a time.
const BLOCK: u64 = 256;

/// Blobs that entries speak of, by whether another entry needs them too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blobs {
    /// Nobody else needs them.
    pub alone: BTreeSet<Digest>,
    /// An entry that is kept speaks of them too.
    pub shared: BTreeSet<Digest>,
}

impl Blobs {
    /// This entry is kept, and all that it speaks of.
    pub(crate) fn keep(&mut self, entry: &Entry) {
        for digest in blobs(entry) {
            if self.alone.remove(&digest) {
                self.shared.insert(digest);
            }
        }
    }
}

/// What a removal did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removal {
    /// Blobs removed, or found gone.
    pub removed: u64,
    /// Blobs that stay because an entry that is kept speaks of them.
    pub shared: BTreeSet<Digest>,
    /// Blobs that the storage did not let go, and what it said.
    pub refused: Vec<(Digest, String)>,
}

/// Every blob that an entry speaks of.
fn blobs(entry: &Entry) -> impl Iterator<Item = Digest> {
    entry.attachments.iter().chain([&entry.payload]).map(|blob| blob.sha256)
}

impl Ledger {
    /// The blobs of the entries `going`. `gone` are the entries whose payloads are disposed of, these or others: they need
    /// no blob.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn blobs_of(&self, going: &BTreeSet<u64>, gone: &BTreeSet<u64>) -> Result<Blobs, Error> {
        let mut found = Blobs::default();
        for index in going {
            for (_, entry) in self.entries(*index..index.saturating_add(1))? {
                found.alone.extend(blobs(&entry));
            }
        }
        self.keep_shared(0..self.size(), &mut found, going, gone)?;
        Ok(found)
    }

    /// Removes the blobs of the entries `going` that no other entry needs. Nobody appends meanwhile.
    ///
    /// # Errors
    /// When the log cannot be read or the lock is not to be had; [`Error::NoWriter`] where this is a copy. A blob that cannot be removed is in the answer.
    pub fn remove_payloads(&mut self, going: &BTreeSet<u64>, gone: &BTreeSet<u64>) -> Result<Removal, Error> {
        // The long look at the log is taken before the lock; under it there is only the rest to look at.
        self.refresh()?;
        let seen = self.size();
        let mut found = self.blobs_of(going, gone)?;
        if let Some(engine) = self.engine() {
            let spared: BTreeSet<u64> = going.union(gone).copied().collect();
            return engine.remove_blobs(found, seen, &spared);
        }
        let (paths, storage) = self.directory_parts()?;
        #[cfg(unix)]
        if let Some(mut client) = socket::Client::connect(&paths)? {
            let spared = going.union(gone).copied().collect();
            let removal = client.remove_blobs(found, seen, &spared)?;
            self.refresh()?;
            return Ok(removal);
        }
        let lock = Lock::exclusive(&paths, self.lock_wait())?;
        self.refresh()?;
        self.keep_shared(seen..self.size(), &mut found, going, gone)?;
        let removal = remove_files(&paths, storage.as_ref(), found)?;
        drop(lock);
        Ok(removal)
    }

    fn keep_shared(
        &self,
        range: Range<u64>,
        found: &mut Blobs,
        going: &BTreeSet<u64>,
        gone: &BTreeSet<u64>,
    ) -> Result<(), Error> {
        let mut from = range.start;
        while from < range.end {
            let to = range.end.min((from / BLOCK).saturating_add(1).saturating_mul(BLOCK));
            for (index, entry) in self.entries(from..to)? {
                if going.contains(&index) || gone.contains(&index) {
                    continue;
                }
                found.keep(&entry);
            }
            from = to;
        }
        Ok(())
    }
}

/// Keeps what the entries from `seen` on speak of, but for those that are `spared`.
pub(crate) fn keep_newer(ledger: &Ledger, seen: u64, found: &mut Blobs, spared: &BTreeSet<u64>) -> Result<(), Error> {
    ledger.keep_shared(seen..ledger.size(), found, spared, &BTreeSet::new())
}

/// Removes blobs of a directory. Nobody appends meanwhile.
pub(crate) fn remove_files(paths: &Paths, storage: &dyn Storage, found: Blobs) -> Result<Removal, Error> {
    let mut writer = Writer::new(paths, storage);
    let mut removal = Removal { shared: found.shared, ..Removal::default() };
    for digest in found.alone {
        match writer.remove(&layout::blob_name(&digest)) {
            Ok(()) => removal.removed += 1,
            Err(e) => removal.refused.push((digest, said(&e))),
        }
    }
    writer.sync()?;
    Ok(removal)
}

/// What the storage said, on one line.
fn said(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
