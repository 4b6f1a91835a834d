//! Checkpoints (C2SP tlog-checkpoint): origin, size and root of a log, as a signed note.

use crate::Error;
use crate::encoding::{array_from_base64, from_decimal, to_base64};
use crate::merkle::Hash;
use crate::note::{self, SignerKey, Verified, VerifierKey};

/// A log at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: its unique name, and the name of the keys that sign for it.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// The Merkle root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The note's text: origin, decimal size and base64 root, a line each.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, to_base64(&self.root))
    }

    /// Reads a text as [`Checkpoint::to_text`] writes it. Extension lines are refused: no witness or monitor could
    /// audit them, so nothing of ours may hide there.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for any other text.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut lines = text.strip_suffix('\n').ok_or(Error::Checkpoint("its last line is cut short"))?.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(Error::Checkpoint("it has less than three lines"));
        };
        if lines.next().is_some() {
            return Err(Error::Checkpoint("it has extension lines"));
        }
        if origin.is_empty() {
            return Err(Error::Checkpoint("its origin is empty"));
        }
        let size = from_decimal(size).ok_or(Error::Checkpoint("its size is not a plain decimal number"))?;
        let root = array_from_base64(root).ok_or(Error::Checkpoint("its root is not the base64 of 32 bytes"))?;
        Ok(Self { origin: origin.to_owned(), size, root })
    }

    /// Signs the checkpoint: the whole note. Who calls this must have made sure that it continues every checkpoint
    /// signed before.
    ///
    /// # Errors
    /// [`Error::Origin`] when the key is not named like the log; [`Error::Note`] when the origin cannot stand in a
    /// note.
    pub fn sign(&self, key: &SignerKey) -> Result<String, Error> {
        if key.name() != self.origin {
            return Err(Error::Origin { expected: key.name().to_owned(), found: self.origin.clone() });
        }
        note::sign(&self.to_text(), key)
    }
}

/// Opens a signed checkpoint of the log `origin`.
///
/// # Errors
/// As [`note::open`]; [`Error::Checkpoint`] when the text is none; [`Error::Origin`] when it is another log's.
pub fn open(bytes: &[u8], origin: &str, keys: &[VerifierKey]) -> Result<Checkpoint, Error> {
    let (checkpoint, _) = open_note(bytes, keys)?;
    if checkpoint.origin != origin {
        return Err(Error::Origin { expected: origin.to_owned(), found: checkpoint.origin });
    }
    Ok(checkpoint)
}

/// Opens a signed checkpoint of any log whose key is known: a key of the log's own name must have signed it, for a
/// cosigner signs checkpoints of many logs.
///
/// # Errors
/// As [`open`].
pub fn open_any(bytes: &[u8], keys: &[VerifierKey]) -> Result<Checkpoint, Error> {
    let (checkpoint, verified) = open_note(bytes, keys)?;
    if verified.signatures.iter().any(|s| s.name == checkpoint.origin) {
        return Ok(checkpoint);
    }
    let expected = verified.signatures.into_iter().next().map(|s| s.name).unwrap_or_default();
    Err(Error::Origin { expected, found: checkpoint.origin })
}

fn open_note(bytes: &[u8], keys: &[VerifierKey]) -> Result<(Checkpoint, Verified), Error> {
    let verified = note::open(bytes, keys)?;
    Ok((Checkpoint::parse(&verified.text)?, verified))
}
