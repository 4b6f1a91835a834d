//! Publishing: what was acknowledged goes into tiles, bundles and blobs, and then the checkpoint that covers it is renamed
//! into place. Until all of that is durable the write-ahead log keeps it too, so any step may fail and be done again.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_evidence::note::{Note, Signature};
use countersign_evidence::tile::{self, WIDTH};
use countersign_model::Digest;

use super::tail::{Overlay, Pending, Tail, large_name};
use crate::layout::{self, CHECKPOINT, Item, LEDGER, NEW_CHECKPOINT, TMP, parent};
use crate::storage::{Access, Storage};
use crate::writer::Writer;
use crate::{Error, Source, cosign};

/// Publishes one ledger; one at a time.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) overlay: Overlay,
    pub(super) storage: Arc<dyn Storage>,
    one: Mutex<()>,
}

/// A file to write.
type Named = (String, Arc<Vec<u8>>);

/// The files that a publication writes, and their directories.
#[derive(Default)]
struct Written {
    files: Vec<PathBuf>,
    dirs: BTreeSet<PathBuf>,
}

impl Publisher {
    pub(super) fn new(overlay: Overlay, storage: Arc<dyn Storage>) -> Self {
        Self { overlay, storage, one: Mutex::new(()) }
    }

    /// Adds cosignatures to the checkpoint with this text, once it is published; `false` when the log has moved on.
    pub(super) fn cosign(&self, text: &str, added: &[Signature]) -> Result<bool, Error> {
        let _one = self.one.lock().unwrap_or_else(PoisonError::into_inner);
        self.publish_alone()?;
        let Some(merged) = cosign::merged(&self.overlay.paths, text, added)? else { return Ok(false) };
        cosign::replace_checkpoint(&self.overlay.paths, self.storage.as_ref(), &merged)?;
        let mut now = self.overlay.tail_mut();
        // What is read through this engine is what is published.
        if Note::parse(now.head.text.as_bytes()).is_ok_and(|note| note.text == text) {
            now.head.text = merged;
        }
        Ok(true)
    }

    /// Publishes what is acknowledged, and returns the size that is published then.
    pub(super) fn publish(&self) -> Result<u64, Error> {
        let _one = self.one.lock().unwrap_or_else(PoisonError::into_inner);
        self.publish_alone()
    }

    /// Nobody else publishes meanwhile.
    fn publish_alone(&self) -> Result<u64, Error> {
        let tail = self.overlay.tail().clone();
        let size = tail.head.checkpoint.size;
        let is_published = size == tail.published && tail.files.is_empty() && tail.blobs.is_empty();
        if is_published {
            return Ok(size);
        }
        let files = files_of(&tail)?;
        let mut written = Written::default();
        for (digest, pending) in &tail.blobs {
            self.blob(digest, pending, &mut written)?;
        }
        for (name, bytes) in &files {
            self.file(name, bytes, &mut written)?;
        }
        let dirs: Vec<PathBuf> = written.dirs.into_iter().collect();
        self.storage.sync_files(&written.files, &dirs).map_err(|e| Error::writing("sync", LEDGER, e))?;

        let mut writer = Writer::new(&self.overlay.paths, self.storage.as_ref());
        writer.make_dir(TMP)?;
        writer.remove(NEW_CHECKPOINT)?;
        let new = self.overlay.paths.at(NEW_CHECKPOINT);
        let wrote = self.storage.write_new(&new, tail.head.text.as_bytes(), Access::Open);
        wrote.map_err(|e| Error::writing("write", NEW_CHECKPOINT, e))?;
        let renamed = self.storage.rename(&new, &self.overlay.paths.at(CHECKPOINT));
        renamed.map_err(|e| Error::writing("place", CHECKPOINT, e))?;
        self.storage.sync_dir(&self.overlay.paths.at(LEDGER)).map_err(|e| Error::writing("sync", LEDGER, e))?;
        writer.remove_superseded(files.iter().map(|(name, _)| name))?;
        writer.sync()?;

        let mut now = self.overlay.tail_mut();
        now.published = size;
        for name in tail.files.keys() {
            if let Some(bytes) = now.files.remove(name) {
                now.held -= bytes.len();
            }
        }
        for digest in tail.blobs.keys() {
            if let Some(Pending::Bytes(bytes)) = now.blobs.remove(digest) {
                now.held -= bytes.len();
            }
        }
        Ok(size)
    }

    /// Brings a blob to its place. One that stands there whole is left alone.
    fn blob(&self, digest: &Digest, pending: &Pending, written: &mut Written) -> Result<(), Error> {
        let name = layout::blob_name(digest);
        let path = self.overlay.paths.at(&name);
        let there = self.overlay.paths.digest(&name, crate::MAX_BLOB_BYTES)?;
        if there.is_some_and(|(_, there)| there == *digest) {
            self.touch(&name, written)?;
            written.files.push(path);
            return Ok(());
        }
        self.touch(&name, written)?;
        match pending {
            Pending::Bytes(bytes) => self.write(&name, bytes, written),
            Pending::Large => {
                let from = self.overlay.paths.at(&large_name(digest));
                self.storage.rename(&from, &path).map_err(|e| Error::writing("place", &name, e))
            }
        }
    }

    /// Writes a file of the log. What stands there was left by a publication that did not come to its end.
    fn file(&self, name: &str, bytes: &[u8], written: &mut Written) -> Result<(), Error> {
        self.touch(name, written)?;
        match self.overlay.paths.read(name, bytes.len() as u64) {
            Ok(Some(there)) if there == bytes => {
                written.files.push(self.overlay.paths.at(name));
                Ok(())
            }
            _ => self.write(name, bytes, written),
        }
    }

    fn write(&self, name: &str, bytes: &[u8], written: &mut Written) -> Result<(), Error> {
        let path = self.overlay.paths.at(name);
        match self.storage.write_later(&path, bytes) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                let again = self.storage.remove(&path).and_then(|()| self.storage.write_later(&path, bytes));
                again.map_err(|e| Error::writing("write", name, e))?;
            }
            other => other.map_err(|e| Error::writing("write", name, e))?,
        }
        written.files.push(path);
        Ok(())
    }

    /// Makes the directory of a file, and notes it and every directory made on the way for the sync.
    fn touch(&self, name: &str, written: &mut Written) -> Result<(), Error> {
        let dir = parent(name);
        let path = self.overlay.paths.at(dir);
        if written.dirs.contains(&path) {
            return Ok(());
        }
        let mut missing = dir;
        while !missing.is_empty() && !self.overlay.paths.at(missing).is_dir() {
            missing = parent(missing);
            written.dirs.insert(self.overlay.paths.at(missing));
        }
        Writer::new(&self.overlay.paths, self.storage.as_ref()).make_dir(dir)?;
        written.dirs.insert(path);
        Ok(())
    }
}

/// The files that the checkpoint needs and that are not written yet. A partial tile that became full meanwhile was never
/// published.
fn files_of(tail: &Tail) -> Result<Vec<Named>, Error> {
    let is_superseded = |name: &str| match Item::of(name) {
        Item::Tile(id) if id.width < WIDTH => tail.files.contains_key(&layout::tile_name(&id.full())),
        _ => false,
    };
    let mut files: Vec<Named> = tail
        .files
        .iter()
        .filter(|(name, _)| !is_superseded(name))
        .map(|(name, bytes)| (name.clone(), Arc::clone(bytes)))
        .collect();
    if let Some((id, hashes)) = tail.head.edge.partials().find(|(id, _)| id.level == 0) {
        files.push((layout::tile_name(&id), Arc::new(tile::encode_tile(hashes))));
        let entries: Vec<&[u8]> = tail.open_bundle.iter().map(|e| e.as_slice()).collect();
        files.push((layout::bundle_name(id.index, id.width), Arc::new(tile::encode_bundle(&entries)?)));
    }
    Ok(files)
}
