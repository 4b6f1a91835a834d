//! Blobs: payloads and attachments, named by the SHA-256 of their stored bytes.

use std::io::Read as _;
use std::path::Path;

use countersign_model::{Digest, Hasher, PayloadRef};

use crate::Error;
use crate::files;
use crate::layout::{self, Paths};

/// The largest blob that a ledger takes, in bytes. Larger files are kept elsewhere and recorded by their digest.
pub const MAX_BLOB_BYTES: u64 = 256 << 20;

/// Reads a blob of the ledger in `dir`. The bytes are those that the digest names, or there is an error.
///
/// # Errors
/// [`Error::MissingBlob`], [`Error::Corrupt`], or what the operating system says.
pub fn read(dir: &Path, blob: &PayloadRef) -> Result<Vec<u8>, Error> {
    get(&Paths::new(dir), blob)
}

pub(crate) fn get(paths: &Paths, blob: &PayloadRef) -> Result<Vec<u8>, Error> {
    let name = layout::blob_name(&blob.sha256);
    if blob.size > MAX_BLOB_BYTES {
        return Err(Error::BlobTooLarge { bytes: blob.size });
    }
    let bytes = files::read(paths, &name, MAX_BLOB_BYTES)?.ok_or_else(|| Error::MissingBlob { file: name.clone() })?;
    check(&name, blob, bytes.len() as u64, &Digest::of(&bytes))?;
    Ok(bytes)
}

/// Checks a blob without holding it in memory.
pub(crate) fn examine(paths: &Paths, blob: &PayloadRef) -> Result<(), Error> {
    let name = layout::blob_name(&blob.sha256);
    let (size, digest) = digest_of(paths, &name)?.ok_or_else(|| Error::MissingBlob { file: name.clone() })?;
    check(&name, blob, size, &digest)
}

/// Size and digest of a blob's file; `None` when it is not there.
pub(crate) fn digest_of(paths: &Paths, name: &str) -> Result<Option<(u64, Digest)>, Error> {
    let Some(file) = files::open(paths, name, MAX_BLOB_BYTES)? else { return Ok(None) };
    let mut file = file.take(MAX_BLOB_BYTES + 1);
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 64 << 10];
    let mut size = 0;
    loop {
        let n = file.read(&mut buffer).map_err(|e| Error::reading(name, e))?;
        let Some(part) = buffer.get(..n).filter(|p| !p.is_empty()) else { break };
        hasher.update(part);
        size += part.len() as u64;
    }
    Ok(Some((size, hasher.finish())))
}

fn check(name: &str, blob: &PayloadRef, size: u64, digest: &Digest) -> Result<(), Error> {
    if *digest != blob.sha256 {
        return Err(Error::corrupt(name, None, "its content does not hash to its name"));
    }
    if size != blob.size {
        return Err(Error::corrupt(name, None, format!("it has {size} bytes, the entry says {}", blob.size)));
    }
    Ok(())
}
