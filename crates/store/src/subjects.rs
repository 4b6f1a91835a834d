//! Personal data: sealed with a key a person. Erasure is the destruction of that key; every proof stays valid.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_evidence::payload_key::PayloadKey;
use countersign_evidence::seal::{self, Opener, SubjectKey};
use countersign_model::access::account::Account;
use countersign_model::event::Profile;
use countersign_model::{PayloadRef, PersonId, digest};

use crate::engine::Engine;
use crate::layout::Paths;
use crate::source::Source;
use crate::{Error, blob, payload_key};

/// Media type of a sealed profile.
pub const SEALED_PROFILE: &str = "application/vnd.countersign.sealed-profile.v1";

/// Media type of a sealed OpenPGP certificate: it carries names and addresses.
pub const SEALED_CERTIFICATE: &str = "application/vnd.countersign.sealed-openpgp-certificate.v1";

/// Keys that seal people's data. They can be destroyed, so they are never kept where nothing can be deleted.
pub trait SubjectKeys: Send + Sync + fmt::Debug {
    /// What the key's place is called in errors and reports.
    fn name(&self, person: &PersonId) -> String;

    /// A person's key; `None` when there is none or it was destroyed.
    ///
    /// # Errors
    /// When it is damaged or cannot be read.
    fn get(&self, person: &PersonId) -> Result<Option<SubjectKey>, Error>;

    /// Keeps a person's new key: it is durable when this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    fn put(&self, person: &PersonId, key: &SubjectKey) -> Result<(), Error>;

    /// Whether keys are kept here at all. Where they are not, a missing key says nothing.
    fn are_kept(&self) -> bool {
        true
    }

    /// Destroys a person's key. One that is not there is fine.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    fn destroy(&self, person: &PersonId) -> Result<(), Error>;
}

/// No keys: a copy of a ledger without them.
#[derive(Debug, Clone, Copy)]
pub struct NoKeys;

impl SubjectKeys for NoKeys {
    fn name(&self, person: &PersonId) -> String {
        format!("subjects/{person}.key")
    }

    fn get(&self, _: &PersonId) -> Result<Option<SubjectKey>, Error> {
        Ok(None)
    }

    fn put(&self, person: &PersonId, _: &SubjectKey) -> Result<(), Error> {
        Err(Error::NoWriter { place: self.name(person) })
    }

    fn are_kept(&self) -> bool {
        false
    }

    fn destroy(&self, person: &PersonId) -> Result<(), Error> {
        Err(Error::NoWriter { place: self.name(person) })
    }
}

/// The keys that an engine keeps.
#[derive(Debug, Clone)]
pub struct EngineKeys(pub Arc<dyn Engine>);

impl SubjectKeys for EngineKeys {
    fn name(&self, person: &PersonId) -> String {
        self.0.subject_keys().name(person)
    }

    fn get(&self, person: &PersonId) -> Result<Option<SubjectKey>, Error> {
        self.0.subject_keys().get(person)
    }

    fn put(&self, person: &PersonId, key: &SubjectKey) -> Result<(), Error> {
        self.0.subject_keys().put(person, key)
    }

    fn are_kept(&self) -> bool {
        self.0.subject_keys().are_kept()
    }

    fn destroy(&self, person: &PersonId) -> Result<(), Error> {
        self.0.subject_keys().destroy(person)
    }
}

/// What opens sealed data: the blobs, and the keys that are left. It outlives the ledger that it reads from.
#[derive(Debug, Clone)]
pub struct SharedVault {
    /// Where the sealed blobs are.
    pub source: Arc<dyn Source>,
    /// Where the keys are.
    pub keys: Arc<dyn SubjectKeys>,
    /// What opens payloads that are sealed at rest, where it is held.
    pub payload_key: Option<PayloadKey>,
}

impl SharedVault {
    /// The vault of the ledger in `dir`.
    #[must_use]
    pub fn of_directory(dir: &Path) -> Self {
        let paths = Arc::new(Paths::new(dir));
        Self { source: paths.clone(), keys: paths, payload_key: None }
    }

    /// The same, with what opens payloads that are sealed at rest.
    #[must_use]
    pub fn with_payload_key(self, payload_key: Option<PayloadKey>) -> Self {
        Self { payload_key, ..self }
    }

    /// What a blob says: opened where it is sealed with the payload key.
    ///
    /// # Errors
    /// As [`crate::Ledger::payload`].
    pub fn open(&self, blob: &PayloadRef) -> Result<Vec<u8>, Error> {
        payload_key::open(blob::get(self.source.as_ref(), blob)?, self.payload_key.as_ref(), blob)
    }
}

/// Where a person's key lies in a ledger's directory.
#[must_use]
pub fn key_path(dir: &Path, person: &PersonId) -> PathBuf {
    dir.join("subjects").join(format!("{person}.key"))
}

/// Key files in a ledger's directory.
impl SubjectKeys for Paths {
    fn name(&self, person: &PersonId) -> String {
        key_path(self.root(), person).display().to_string()
    }

    fn get(&self, person: &PersonId) -> Result<Option<SubjectKey>, Error> {
        let path = key_path(self.root(), person);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(&path, e)),
        };
        let bytes: [u8; 32] = digest::from_hex(text.trim_end_matches('\n'))
            .and_then(|b| b.try_into().ok())
            .ok_or_else(|| Error::corrupt(&path, None, "not a subject key: 64 hex digits"))?;
        Ok(Some(SubjectKey::from_bytes(bytes)))
    }

    fn put(&self, person: &PersonId, key: &SubjectKey) -> Result<(), Error> {
        let text = format!("{}\n", digest::to_hex(key.as_bytes()));
        crate::storage::write_private(&key_path(self.root(), person), text.as_bytes())
    }

    fn destroy(&self, person: &PersonId) -> Result<(), Error> {
        let path = key_path(self.root(), person);
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(Error::io(&path, e)),
        }
        // It must not come back after a loss of power.
        let sync = |dir| crate::storage::Storage::sync_dir(&crate::storage::Disk, dir);
        path.parent().map_or(Ok(()), sync).map_err(|e| Error::io(&path, e))
    }
}

/// Seals a profile with the new key of this person, which is to be kept before anything else is.
///
/// # Errors
/// When no randomness is to be had.
pub fn seal_profile(key: &SubjectKey, person: &PersonId, profile: &Profile) -> Result<Vec<u8>, Error> {
    let plain = countersign_evidence::canonical::to_vec(profile)?;
    Ok(seal::seal(key, &plain, person.as_str().as_bytes())?)
}

/// The profile that sealed bytes hold which are not in the ledger yet: `None` where the key does not open them for this person, or to none.
#[must_use]
pub fn unseal_profile(key: &SubjectKey, person: &PersonId, sealed: &[u8]) -> Option<Profile> {
    let plain = seal::open(key, sealed, person.as_str().as_bytes()).ok()?;
    countersign_evidence::canonical::from_slice(&plain).ok()
}

/// The profile that sealed bytes hold, by what opens them alone: `None` where it does not, for this person.
#[must_use]
pub fn read_profile(opener: &Opener, person: &PersonId, sealed: &[u8]) -> Option<Profile> {
    let plain = seal::open_with(opener, sealed, person.as_str().as_bytes()).ok()?;
    countersign_evidence::canonical::from_slice(&plain).ok()
}

/// Opens a sealed profile; `None` when the person's key was destroyed. Where payloads are sealed at rest it is sealed twice:
/// with the person's key, and around that with the payload key.
///
/// # Errors
/// When a key or the blob is damaged, or they do not belong together; [`Error::Sealed`] without the payload key.
pub fn open_profile(vault: &SharedVault, person: &PersonId, blob: &PayloadRef) -> Result<Option<Profile>, Error> {
    let keys = vault.keys.as_ref();
    let Some(key) = keys.get(person)? else { return Ok(None) };
    let sealed = vault.open(blob)?;
    let plain = seal::open(&key, &sealed, person.as_str().as_bytes())
        .map_err(|_| Error::corrupt(keys.name(person), None, "this key does not open the person's profile"))?;
    Ok(Some(countersign_evidence::canonical::from_slice(&plain)?))
}

/// What ties a sealed certificate to its person and key.
fn certificate_context(person: &PersonId, fingerprint: &str) -> Vec<u8> {
    format!("{person} openpgp {fingerprint}").into_bytes()
}

/// The key of somebody whose data is sealed, where it has to be there.
fn held(keys: &dyn SubjectKeys, person: &PersonId) -> Result<SubjectKey, Error> {
    let missing = || Error::corrupt(keys.name(person), None, "the key that seals this person's data is missing");
    keys.get(person)?.ok_or_else(missing)
}

/// Media type of a text that is sealed with the key of whoever wrote it.
pub const SEALED_TEXT: &str = "application/vnd.countersign.sealed-text.v1";

/// What ties a sealed text to its writer and to what it is about.
fn text_context(person: &PersonId, about: &str) -> Vec<u8> {
    format!("{person} text {about}").into_bytes()
}

/// Seals a text with the key of the person who wrote it. `about` is what it belongs to: it opens nowhere else.
///
/// # Errors
/// When no randomness is to be had, or the person's key is not here.
pub fn seal_text(keys: &dyn SubjectKeys, person: &PersonId, about: &str, text: &str) -> Result<Vec<u8>, Error> {
    let key = held(keys, person)?;
    Ok(seal::seal(&key, text.as_bytes(), &text_context(person, about))?)
}

/// What a sealed text says that is not in the ledger yet: `None` where the writer's key does not open it in this context.
///
/// # Errors
/// When the person's key is not here.
pub fn unseal_text(
    keys: &dyn SubjectKeys,
    person: &PersonId,
    about: &str,
    sealed: &[u8],
) -> Result<Option<String>, Error> {
    let key = held(keys, person)?;
    let plain = seal::open(&key, sealed, &text_context(person, about)).ok();
    Ok(plain.and_then(|plain| String::from_utf8(plain.to_vec()).ok()))
}

/// What opens these bytes, which were sealed with a person's key just now, and nothing else of theirs: for whoever gave what is sealed, and
/// is not where the key is.
///
/// # Errors
/// When the person's key is not here, or these bytes are not in sealed form.
pub fn opener(keys: &dyn SubjectKeys, person: &PersonId, sealed: &[u8]) -> Result<Opener, Error> {
    let key = held(keys, person)?;
    Ok(seal::opener(&key, sealed)?)
}

/// What a sealed text says, by what opens it alone: `None` where it does not, in this context.
#[must_use]
pub fn read_text(opener: &Opener, person: &PersonId, about: &str, sealed: &[u8]) -> Option<String> {
    let plain = seal::open_with(opener, sealed, &text_context(person, about)).ok()?;
    String::from_utf8(plain.to_vec()).ok()
}

/// Opens a sealed text; `None` when the person's key was destroyed, or is not kept here.
///
/// # Errors
/// As [`open_profile`].
pub fn open_text(
    vault: &SharedVault,
    person: &PersonId,
    about: &str,
    blob: &PayloadRef,
) -> Result<Option<String>, Error> {
    let keys = vault.keys.as_ref();
    let Some(key) = keys.get(person)? else { return Ok(None) };
    let sealed = vault.open(blob)?;
    let damaged = || Error::corrupt(keys.name(person), None, "this key does not open a text of the person");
    let plain = seal::open(&key, &sealed, &text_context(person, about)).map_err(|_| damaged())?;
    String::from_utf8(plain.to_vec()).map(Some).map_err(|_| damaged())
}

/// Media type of an account elsewhere that is sealed with its person's key.
pub const SEALED_ACCOUNT: &str = "application/vnd.countersign.sealed-account.v1";

/// What ties a sealed account to its person and pseudonym.
fn account_context(person: &PersonId, pseudonym: &str) -> Vec<u8> {
    format!("{person} account {pseudonym}").into_bytes()
}

/// Seals which account it is with the key of the person it belongs to.
///
/// # Errors
/// When no randomness is to be had, or the person's key is not here.
pub fn seal_account(
    keys: &dyn SubjectKeys,
    person: &PersonId,
    pseudonym: &str,
    account: &Account,
) -> Result<Vec<u8>, Error> {
    let key = held(keys, person)?;
    let plain = countersign_evidence::canonical::to_vec(account)?;
    Ok(seal::seal(&key, &plain, &account_context(person, pseudonym))?)
}

/// Opens a sealed account; `None` when the person's key was destroyed, or is not kept here.
///
/// # Errors
/// As [`open_profile`].
pub fn open_account(
    vault: &SharedVault,
    person: &PersonId,
    pseudonym: &str,
    blob: &PayloadRef,
) -> Result<Option<Account>, Error> {
    let keys = vault.keys.as_ref();
    let Some(key) = keys.get(person)? else { return Ok(None) };
    let sealed = vault.open(blob)?;
    let plain = seal::open(&key, &sealed, &account_context(person, pseudonym))
        .map_err(|_| Error::corrupt(keys.name(person), None, "this key does not open the person's account"))?;
    Ok(Some(countersign_evidence::canonical::from_slice(&plain)?))
}

/// The account that sealed bytes hold which are not in the ledger yet: `None` where the person's key does not open them in this context, or
/// to no account.
///
/// # Errors
/// When the person's key is not here.
pub fn unseal_account(
    keys: &dyn SubjectKeys,
    person: &PersonId,
    pseudonym: &str,
    sealed: &[u8],
) -> Result<Option<Account>, Error> {
    let key = held(keys, person)?;
    let plain = seal::open(&key, sealed, &account_context(person, pseudonym)).ok();
    Ok(plain.and_then(|plain| countersign_evidence::canonical::from_slice(&plain).ok()))
}

/// The account that sealed bytes hold, by what opens them alone: `None` where it does not, in this context.
#[must_use]
pub fn read_account(opener: &Opener, person: &PersonId, pseudonym: &str, sealed: &[u8]) -> Option<Account> {
    let plain = seal::open_with(opener, sealed, &account_context(person, pseudonym)).ok()?;
    countersign_evidence::canonical::from_slice(&plain).ok()
}

/// Seals an OpenPGP certificate with the key of the person it belongs to.
///
/// # Errors
/// When no randomness is to be had, or the person's key is not here.
pub fn seal_certificate(
    keys: &dyn SubjectKeys,
    person: &PersonId,
    fingerprint: &str,
    certificate: &[u8],
) -> Result<Vec<u8>, Error> {
    let key = held(keys, person)?;
    Ok(seal::seal(&key, certificate, &certificate_context(person, fingerprint))?)
}

/// Opens a sealed certificate; `None` when the person's key was destroyed, or is not kept here.
///
/// # Errors
/// As [`open_profile`].
pub fn open_certificate(
    vault: &SharedVault,
    person: &PersonId,
    fingerprint: &str,
    blob: &PayloadRef,
) -> Result<Option<Vec<u8>>, Error> {
    let keys = vault.keys.as_ref();
    let Some(key) = keys.get(person)? else { return Ok(None) };
    let sealed = vault.open(blob)?;
    let plain = seal::open(&key, &sealed, &certificate_context(person, fingerprint))
        .map_err(|_| Error::corrupt(keys.name(person), None, "this key does not open the person's OpenPGP key"))?;
    Ok(Some(plain.to_vec()))
}

/// The OpenPGP certificate that sealed bytes hold which are not in the ledger yet: `None` where the person's key does not open them in this
/// context.
///
/// # Errors
/// When the person's key is not here.
pub fn unseal_certificate(
    keys: &dyn SubjectKeys,
    person: &PersonId,
    fingerprint: &str,
    sealed: &[u8],
) -> Result<Option<Vec<u8>>, Error> {
    let key = held(keys, person)?;
    Ok(seal::open(&key, sealed, &certificate_context(person, fingerprint)).ok().map(|plain| plain.to_vec()))
}

/// The OpenPGP certificate that sealed bytes hold, by what opens them alone: `None` where it does not, in this context.
#[must_use]
pub fn read_certificate(opener: &Opener, person: &PersonId, fingerprint: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let plain = seal::open_with(opener, sealed, &certificate_context(person, fingerprint)).ok()?;
    Some(plain.to_vec())
}
