//! Cosignatures of witnesses on the published checkpoint. They change nothing that is signed: the text stays, lines are added
//! under it.

use countersign_evidence::checkpoint;
use countersign_evidence::cosignature;
use countersign_evidence::merkle::{self, Hash};
use countersign_evidence::note::{Note, Signature};
use countersign_evidence::tile::TileHashes;

use crate::Error;
#[cfg(unix)]
use crate::engine::embedded::socket;
use crate::head::read_checkpoint;
use crate::layout::{CHECKPOINT, LEDGER, NEW_CHECKPOINT, Paths, TMP};
use crate::ledger::{Ledger, names, unwrap_ours};
use crate::lock::Lock;
use crate::storage::{Access, Storage};
use crate::writer::Writer;

impl Ledger {
    /// The proof that the log of this size continues the log of `old` entries.
    ///
    /// # Errors
    /// [`Error::NoSuchEntry`] when it never was that large in this copy; [`Error::Corrupt`].
    pub fn consistency_proof(&self, old: u64) -> Result<Vec<Hash>, Error> {
        if old > self.size() {
            return Err(Error::NoSuchEntry { index: old.saturating_sub(1), size: self.size() });
        }
        merkle::consistency_proof(old, self.size(), &TileHashes::new(self.size(), self)).map_err(unwrap_ours)
    }

    /// Adds cosignatures to the published checkpoint, when it is still the one that this ledger was opened at; returns whether it
    /// was. They have been verified by who asked for them. A newer one of a key takes the place of an older one.
    ///
    /// The file is replaced in one step and is durable when this returns. Where the log has moved on meanwhile, nothing is lost:
    /// the next checkpoint is cosigned in turn.
    ///
    /// # Errors
    /// [`Error::NoWriter`] where this is a copy; [`Error::Busy`] when a process keeps it open for appending and lets no other
    /// work through it; [`Error::ReadOnly`], [`Error::DiskFull`], [`Error::Io`]; [`Error::Corrupt`] when the checkpoint is no note.
    pub fn add_cosignatures(&mut self, added: &[Signature]) -> Result<bool, Error> {
        let wrong = |e: countersign_evidence::Error| Error::corrupt(CHECKPOINT, None, e.to_string());
        let ours = Note::parse(self.checkpoint_text().as_bytes()).map_err(wrong)?.text;
        if let Some(engine) = self.engine() {
            let is_there = engine.add_cosignatures(&ours, added)?;
            self.refresh()?;
            return Ok(is_there);
        }
        let Some((paths, storage, wait)) = self.home() else {
            return Err(Error::NoWriter { place: self.place() });
        };
        #[cfg(unix)]
        if let Some(mut client) = socket::Client::connect(paths)? {
            let is_there = client.add_cosignatures(&ours, added)?;
            self.refresh()?;
            return Ok(is_there);
        }
        let lock = Lock::exclusive(paths, wait)?;
        let Some(text) = merged(paths, &ours, added)? else { return Ok(false) };
        replace_checkpoint(paths, storage, &text)?;
        drop(lock);
        self.refresh()?;
        Ok(true)
    }
}

/// The published checkpoint with cosignatures added, when its text is `ours`. The log's own signature on it still verifies.
pub(crate) fn merged(paths: &Paths, ours: &str, added: &[Signature]) -> Result<Option<String>, Error> {
    let wrong = |e: countersign_evidence::Error| Error::corrupt(CHECKPOINT, None, e.to_string());
    let published = read_checkpoint(paths)?;
    if Note::parse(&published).map_err(wrong)?.text != ours {
        return Ok(None);
    }
    let (origin, vkey) = names(paths)?;
    let text = cosignature::merge(&published, added).map_err(wrong)?;
    checkpoint::open(text.as_bytes(), &origin, &[vkey]).map_err(wrong)?;
    Ok(Some(text))
}

/// In one step, and durable when this returns. The lock is held.
pub(crate) fn replace_checkpoint(paths: &Paths, storage: &dyn Storage, text: &str) -> Result<(), Error> {
    let mut writer = Writer::new(paths, storage);
    writer.make_dir(TMP)?;
    writer.remove(NEW_CHECKPOINT)?;
    let new = paths.at(NEW_CHECKPOINT);
    storage.write_new(&new, text.as_bytes(), Access::Open).map_err(|e| Error::writing("write", NEW_CHECKPOINT, e))?;
    storage.rename(&new, &paths.at(CHECKPOINT)).map_err(|e| Error::writing("place", CHECKPOINT, e))?;
    storage.sync_dir(&paths.at(LEDGER)).map_err(|e| Error::writing("sync", LEDGER, e))
}
