//! Personal data: sealed with a key a person. Erasure is the destruction of that key; every proof stays valid.

use std::path::{Path, PathBuf};

use countersign_evidence::seal::{self, SubjectKey};
use countersign_model::event::Profile;
use countersign_model::{PayloadRef, PersonId, digest};

use crate::{Error, blob};

/// Media type of a sealed profile.
pub const SEALED_PROFILE: &str = "application/vnd.countersign.sealed-profile.v1";

/// Where a person's key lies.
#[must_use]
pub fn key_path(dir: &Path, person: &PersonId) -> PathBuf {
    dir.join("subjects").join(format!("{person}.key"))
}

/// Seals a profile with a new key for this person, which is on disk before this returns.
///
/// # Errors
/// When no randomness is to be had or the key cannot be written.
pub fn seal_profile(dir: &Path, person: &PersonId, profile: &Profile) -> Result<Vec<u8>, Error> {
    let key = SubjectKey::generate()?;
    let plain = countersign_evidence::canonical::to_vec(profile)?;
    let sealed = seal::seal(&key, &plain, person.as_str().as_bytes())?;
    let text = format!("{}\n", digest::to_hex(key.as_bytes()));
    crate::storage::write_private(&key_path(dir, person), text.as_bytes())?;
    Ok(sealed)
}

/// Opens a sealed profile; `None` when the person's key was destroyed.
///
/// # Errors
/// When the key or the blob is damaged, or they do not belong together.
pub fn open_profile(dir: &Path, person: &PersonId, blob: &PayloadRef) -> Result<Option<Profile>, Error> {
    let path = key_path(dir, person);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io(&path, e)),
    };
    let bytes: [u8; 32] = digest::from_hex(text.trim_end_matches('\n'))
        .and_then(|b| b.try_into().ok())
        .ok_or_else(|| Error::corrupt(&path, None, "not a subject key: 64 hex digits"))?;
    let sealed = blob::read(dir, blob)?;
    let plain = seal::open(&SubjectKey::from_bytes(bytes), &sealed, person.as_str().as_bytes())
        .map_err(|_| Error::corrupt(&path, None, "this key does not open the person's profile"))?;
    Ok(Some(countersign_evidence::canonical::from_slice(&plain)?))
}

/// Destroys a person's key: their profile cannot be opened any more.
///
/// # Errors
/// When the key is there and cannot be removed.
pub fn forget(dir: &Path, person: &PersonId) -> Result<(), Error> {
    let path = key_path(dir, person);
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&path, e)),
        _ => Ok(()),
    }
}
