//! Blobs: payloads and attachments, named by the SHA-256 of their stored bytes.

use std::borrow::Cow;

use countersign_model::{Digest, PayloadRef};

use crate::Error;
use crate::layout;
use crate::source::Source;

/// The largest blob that a ledger takes, in bytes. Larger files are kept elsewhere and recorded by their digest.
pub const MAX_BLOB_BYTES: u64 = 256 << 20;

/// What the blobs of an entry say, opened where they are sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The payload; `None` for one that is gone and may perhaps be.
    pub payload: Option<Vec<u8>>,
    /// Digests of what the attachments say, which is what statements name; `None` for one that is gone or was not opened.
    /// Where it is not sealed, it is the entry's own.
    pub attachments: Vec<Option<Digest>>,
}

/// As [`Opened`], lent for a look: what is to be kept is copied.
#[derive(Debug)]
pub struct OpenedView<'a> {
    /// See [`Opened::payload`].
    pub payload: Option<Cow<'a, [u8]>>,
    /// See [`Opened::attachments`].
    pub attachments: &'a [Option<Digest>],
}

impl OpenedView<'_> {
    /// The same, owned.
    #[must_use]
    pub fn into_opened(self) -> Opened {
        Opened { payload: self.payload.map(Cow::into_owned), attachments: self.attachments.to_vec() }
    }
}

/// Reads a blob. The bytes are those that the digest names, or there is an error.
///
/// # Errors
/// [`Error::MissingBlob`], [`Error::Corrupt`], or what the place says.
pub fn get(source: &dyn Source, blob: &PayloadRef) -> Result<Vec<u8>, Error> {
    let name = layout::blob_name(&blob.sha256);
    if blob.size > MAX_BLOB_BYTES {
        return Err(Error::BlobTooLarge { bytes: blob.size });
    }
    let bytes = source.read(&name, MAX_BLOB_BYTES)?.ok_or_else(|| Error::MissingBlob { file: name.clone() })?;
    check(&name, blob, bytes.len() as u64, &Digest::of(&bytes))?;
    Ok(bytes)
}

/// Checks a blob without holding it in memory.
pub(crate) fn examine(source: &dyn Source, blob: &PayloadRef) -> Result<(), Error> {
    let name = layout::blob_name(&blob.sha256);
    let (size, digest) =
        source.digest(&name, MAX_BLOB_BYTES)?.ok_or_else(|| Error::MissingBlob { file: name.clone() })?;
    check(&name, blob, size, &digest)
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
