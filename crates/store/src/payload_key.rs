//! The payload key of a ledger, in the data directory: what seals its payloads at rest, and what opens them.
//!
//! Entry 0 of a ledger whose payloads are sealed commits to the key, so that no machine appends to it in the clear or with
//! another key. Three kinds of entries stay open: entry 0 itself, which says nothing that does not stand beside it in the
//! clear, and what is said of the log's keys, which a reader has to follow before anything can be believed.

use std::path::{Path, PathBuf};

use countersign_evidence::canonical;
use countersign_evidence::payload_key::{PayloadKey, id_of};
use countersign_model::event::LedgerCreated;
use countersign_model::{EventKind, PayloadRef};
use zeroize::Zeroizing;

use crate::append::Batch;
use crate::installation::{Installation, KeyError};
use crate::keys::{KeyPlace, read};
use crate::session::SessionError;
use crate::{Error, Ledger, blob, storage};

/// Whether the blobs of such entries are sealed, in a ledger whose payloads are.
pub(crate) const fn is_sealed(kind: EventKind) -> bool {
    !matches!(kind, EventKind::LedgerCreated | EventKind::LogKeyRotated | EventKind::SecondLogKeyChosen)
}

/// Seals what of a batch is to be sealed.
pub(crate) fn seal(mut batch: Batch, key: &PayloadKey) -> Result<Batch, Error> {
    for entry in batch.entries.iter_mut().filter(|entry| is_sealed(entry.kind)) {
        for blob in std::iter::once(&mut entry.payload).chain(&mut entry.attachments) {
            blob.bytes = key.seal(&blob.bytes)?;
        }
    }
    batch.sealed_with = Some(key.id().to_owned());
    Ok(batch)
}

/// The key, where it is the one that the blob is sealed with.
pub(crate) fn opens<'a>(key: Option<&'a PayloadKey>, blob: &PayloadRef) -> Option<&'a PayloadKey> {
    key.filter(|key| blob.sealed.as_deref() == Some(key.id()))
}

/// Opens the stored bytes of a payload where they are sealed.
///
/// # Errors
/// [`Error::Sealed`] without the key that the entry names; [`Error::Corrupt`] when that key does not open them.
pub fn open(stored: Vec<u8>, key: Option<&PayloadKey>, blob: &PayloadRef) -> Result<Vec<u8>, Error> {
    let Some(id) = &blob.sealed else { return Ok(stored) };
    let key = opens(key, blob).ok_or_else(|| Error::Sealed { key: id.clone() })?;
    let name = crate::layout::blob_name(&blob.sha256);
    key.open(stored).map_err(|_| Error::corrupt(name, None, "the key that sealed it does not open it"))
}

/// What entry 0 commits to: [`PayloadKey::commitment`]. `None` where payloads are not sealed, or there is no entry 0 yet.
///
/// # Errors
/// When entry 0 cannot be read.
pub fn named_in(ledger: &Ledger) -> Result<Option<String>, Error> {
    let Some((_, genesis)) = ledger.entries(0..1)?.pop() else { return Ok(None) };
    if genesis.kind != EventKind::LedgerCreated {
        return Ok(None);
    }
    let created = blob::get(ledger.source(), &genesis.payload)?;
    // What is no such document names no key; the fold says what is wrong with it.
    Ok(canonical::from_slice::<LedgerCreated>(&created).ok().and_then(|created| created.payload_key))
}

impl Installation {
    /// Seals the payloads of ledgers that are made from here on.
    #[must_use]
    pub fn with_sealed_payloads(self, seals: bool) -> Self {
        Self { seals_payloads: seals, ..self }
    }

    fn payload_key_file(&self, origin: &str) -> PathBuf {
        self.ledger_dir(origin).join("payload.key")
    }

    /// The payload key of a ledger; `None` when this machine does not hold one.
    ///
    /// # Errors
    /// When the file cannot be read or holds no key.
    pub fn payload_key(&self, origin: &str) -> Result<Option<PayloadKey>, KeyError> {
        load(&self.payload_key_file(origin))
    }

    /// Where the payload key of a ledger is kept; `None` when this machine does not hold one.
    ///
    /// # Errors
    /// As [`Installation::payload_key`].
    pub fn payload_key_place(&self, origin: &str) -> Result<Option<KeyPlace>, KeyError> {
        Ok(self.payload_key(origin)?.map(|_| KeyPlace::File(self.payload_key_file(origin))))
    }

    /// Makes and keeps the payload key of a new ledger.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub(crate) fn make_payload_key(&self, origin: &str) -> Result<(), KeyError> {
        let key = PayloadKey::generate().map_err(|_| KeyError::Random)?;
        let path = self.payload_key_file(origin);
        storage::create_private(&path, line(&key).as_bytes()).map_err(|source| KeyError::Write { path, source })
    }

    /// Gives the ledger the payload key that this machine holds for it, if it holds one.
    ///
    /// # Errors
    /// As [`Installation::payload_key`].
    pub fn unlock(&self, ledger: &mut Ledger) -> Result<(), KeyError> {
        let key = self.payload_key(ledger.origin())?;
        ledger.set_payload_key(key);
        Ok(())
    }

    /// Writes the payload key of a ledger into a new file that only its owner may read. Returns the key's id.
    ///
    /// # Errors
    /// [`KeyError::NotSealed`] when its payloads are not sealed; [`Error::Sealed`] when this machine does not hold the
    /// key; when there is such a file already, or it cannot be written.
    pub fn export_payload_key(&self, ledger: &Ledger, file: &Path) -> Result<String, SessionError> {
        let named = named_in(ledger)?.ok_or_else(|| KeyError::NotSealed { origin: ledger.origin().to_owned() })?;
        let Some(key) = self.payload_key(ledger.origin())?.filter(|key| key.commitment() == named) else {
            return Err(Error::Sealed { key: id_of(&named).to_owned() }.into());
        };
        storage::create_private(file, line(&key).as_bytes())
            .map_err(|source| KeyError::Write { path: file.to_owned(), source })?;
        Ok(key.id().to_owned())
    }

    /// Keeps the payload key in a file as that of the ledger. Returns the key's id.
    ///
    /// # Errors
    /// [`KeyError::NotSealed`] when its payloads are not sealed; [`KeyError::OtherPayloadKey`] when it is not the key that
    /// entry 0 commits to; [`KeyError::Damaged`] when the file holds no key; when the ledger or the file cannot be read.
    pub fn import_payload_key(&self, ledger: &Ledger, file: &Path) -> Result<String, SessionError> {
        let origin = ledger.origin().to_owned();
        let named = named_in(ledger)?.ok_or_else(|| KeyError::NotSealed { origin: origin.clone() })?;
        let key = load(file)?
            .ok_or_else(|| KeyError::Read { path: file.to_owned(), source: std::io::ErrorKind::NotFound.into() })?;
        if key.commitment() != named {
            return Err(KeyError::OtherPayloadKey { path: file.to_owned(), origin }.into());
        }
        let path = self.payload_key_file(&origin);
        storage::replace_private(&path, line(&key).as_bytes()).map_err(|source| KeyError::Write { path, source })?;
        Ok(key.id().to_owned())
    }
}

fn line(key: &PayloadKey) -> Zeroizing<String> {
    Zeroizing::new(format!("{}\n", key.to_hex().as_str()))
}

fn load(path: &Path) -> Result<Option<PayloadKey>, KeyError> {
    let Some(text) = read(path)? else { return Ok(None) };
    let key = PayloadKey::parse_hex(text.strip_suffix('\n').unwrap_or(&text));
    key.map(Some).map_err(|_| KeyError::Damaged { path: path.to_owned(), what: "the payload key" })
}
