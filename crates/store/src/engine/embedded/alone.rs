//! What is done while nobody appends: the log's keys are exchanged, and payloads removed.
//!
//! Callers hold the gate together, from looking whether a payload is there until their entry is in the log. Who is alone has
//! passed it, so nothing is on its way.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use countersign_evidence::note::SignerKey;
use countersign_evidence::rotation::Rotation;
use countersign_model::Timestamp;

use super::core::{Core, stage_blobs};
use super::{Embedded, gone};
use crate::append::{Appended, Batch};
use crate::engine::prepare::prepare;
use crate::engine::{Asked, Held, KeyChange};
use crate::removal::{self, Blobs, Removal};
use crate::{Error, Ledger, Source as _, layout, rotations};

impl Embedded {
    fn alone<T>(&self, work: impl FnOnce(&mut Core) -> Result<T, Error>) -> Result<T, Error> {
        let _alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let mut core = self.work.core.lock().map_err(|_| gone())?;
        work(core.as_mut().ok_or_else(gone)?)
    }

    /// As [`crate::Engine::remove_blobs`].
    pub(super) fn remove(&self, mut found: Blobs, seen: u64, spared: &BTreeSet<u64>) -> Result<Removal, Error> {
        self.alone(|core| {
            // What is in the write-ahead log would come back with it.
            core.settle()?;
            let ledger = Ledger::over(Arc::new(self.overlay.clone()))?;
            removal::keep_newer(&ledger, seen, &mut found, spared)?;
            removal::remove_files(&self.overlay.paths, self.storage.as_ref(), found)
        })
    }

    /// As [`crate::Engine::exchange`].
    pub(super) fn exchange_keys(&self, batch: Batch, now: Timestamp, change: &KeyChange) -> Result<Appended, Error> {
        let said = batch.entries.last().and_then(|entry| KeyChange::said(entry.kind, &entry.payload.bytes));
        if said.as_ref() != Some(change) || batch.expect_size.is_none() {
            return Err(Error::BadBatch { what: "it does not say that these keys are exchanged".into() });
        }
        // Who may write to the directory may ask; what signs the log is for an administrator to say.
        if let (Some(keyring), Some(entry)) = (&self.keyring, batch.entries.last()) {
            keyring.is_ordered(entry.kind, &entry.payload.bytes)?;
        }
        let mut prepared = prepare(batch, now)?;
        self.alone(|core| {
            stage_blobs(&self.overlay, self.storage.as_ref(), &self.present, &mut prepared)?;
            let asked = self.asked(change)?;
            let (between, then) =
                (self.signer(&asked, matches!(change, KeyChange::Rotated(_)))?, self.signer(&asked, false)?);
            let appended = core.commit(vec![prepared], &between).pop().ok_or_else(gone)??;
            // It has happened. From here on the new keys sign, or nothing does until the ledger is opened anew.
            *self.work.signer.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(then);
            if let (KeyChange::Rotated(note), vkey) = (change, &asked.vkey)
                && let Err(e) = self.name_key(core, note, vkey)
            {
                core.poison(layout::VKEY, &e);
            }
            Ok(appended)
        })
    }

    /// Records that the old key alone signed do not open with the new one, so nothing of the write-ahead log stays; then the
    /// note, and then the key in force.
    fn name_key(&self, core: &mut Core, note: &str, vkey: &str) -> Result<(), Error> {
        core.settle()?;
        let origin = self.overlay.head().checkpoint.origin;
        let n = rotations::read_all(&self.overlay.paths, &origin)?.len() as u64 + 1;
        rotations::write_names(&self.overlay.paths, self.storage.as_ref(), [(n, note)], vkey)
    }

    fn asked(&self, change: &KeyChange) -> Result<Asked, Error> {
        let signer = self.work.signer();
        let (origin, vkey) = (signer.name().to_owned(), signer.verifier().to_string());
        let second = signer.second_verifier().map(ToString::to_string);
        Ok(match change {
            KeyChange::Second(second) => Asked { origin, vkey, before: None, second: second.clone() },
            KeyChange::Rotated(note) => {
                let new = Rotation::open(note.as_bytes(), &origin, signer.verifier())?.new.to_string();
                Asked { origin, vkey: new, before: Some(vkey), second }
            }
        })
    }

    /// The keys that are asked for, as one signer; with that which is given up where both sign.
    fn signer(&self, asked: &Asked, both: bool) -> Result<SignerKey, Error> {
        let missing = || Error::NewKeysElsewhere { place: self.place() };
        let held = self.keyring.as_ref().ok_or_else(missing)?.held(asked)?;
        let Held { key, before, second } = held.ok_or_else(missing)?;
        let key = if both { before.ok_or_else(missing)?.together_with(key)? } else { key };
        match &asked.second {
            Some(_) => Ok(key.and_also(second.ok_or_else(missing)?)?),
            None => Ok(key),
        }
    }
}
