//! Checkpoints (C2SP tlog-checkpoint): origin, size and root of a log, as a signed note.

use crate::Error;
use crate::cosignature;
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

/// What becomes of lines after the third.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extensions {
    /// A checkpoint that has any is none.
    Refused,
    /// They are skipped, empty ones apart (C2SP tlog-checkpoint).
    Ignored,
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
        Self::parse_with(text, Extensions::Refused)
    }

    /// Reads a text whose extension lines are refused or ignored. Witnesses ignore them, for they serve the logs of
    /// others as well.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for any other text.
    pub fn parse_with(text: &str, extensions: Extensions) -> Result<Self, Error> {
        let mut lines = text.strip_suffix('\n').ok_or(Error::Checkpoint("its last line is cut short"))?.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(Error::Checkpoint("it has less than three lines"));
        };
        for line in lines {
            if extensions == Extensions::Refused {
                return Err(Error::Checkpoint("it has extension lines"));
            }
            if line.is_empty() {
                return Err(Error::Checkpoint("it has an empty extension line"));
            }
        }
        if origin.is_empty() {
            return Err(Error::Checkpoint("its origin is empty"));
        }
        let size = from_decimal(size).ok_or(Error::Checkpoint("its size is not a plain decimal number"))?;
        let root = array_from_base64(root).ok_or(Error::Checkpoint("its root is not the base64 of 32 bytes"))?;
        Ok(Self { origin: origin.to_owned(), size, root })
    }

    /// Signs the checkpoint: the whole note, with a line of the log's ML-DSA-44 key last where the signer has one. Who
    /// calls this must have made sure that it continues every checkpoint signed before.
    ///
    /// The ML-DSA-44 line carries the time 0: the log says what its tree is, and nothing of when.
    ///
    /// # Errors
    /// [`Error::Origin`] when the key is not named like the log; [`Error::Note`] when the origin cannot stand in a
    /// note; [`Error::Cosign`] when the second key gives no signature.
    pub fn sign(&self, key: &SignerKey) -> Result<String, Error> {
        if key.name() != self.origin {
            return Err(Error::Origin { expected: key.name().to_owned(), found: self.origin.clone() });
        }
        let text = self.to_text();
        let signed = note::sign(&text, key)?;
        match key.second() {
            Some(second) => cosignature::merge(signed.as_bytes(), &[second.cosign(&text, 0)?]),
            None => Ok(signed),
        }
    }
}

/// Opens a signed checkpoint of the log `origin`: one of `keys`, of that name and of a kind that signs for logs, must have
/// signed it. Cosignatures of other known keys are verified and do not take its place.
///
/// # Errors
/// As [`note::open`]; [`Error::Checkpoint`] when the text is none; [`Error::Origin`] when it is another log's.
pub fn open(bytes: &[u8], origin: &str, keys: &[VerifierKey]) -> Result<Checkpoint, Error> {
    let opened = open_verified(bytes, keys, Extensions::Refused)?.0;
    if opened.origin != origin {
        return Err(Error::Origin { expected: origin.to_owned(), found: opened.origin });
    }
    Ok(opened)
}

/// Opens a signed checkpoint of any log whose key is known: a key of the log's own name must have signed it, for a
/// cosigner signs checkpoints of many logs.
///
/// # Errors
/// As [`open`].
pub fn open_any(bytes: &[u8], keys: &[VerifierKey]) -> Result<Checkpoint, Error> {
    Ok(open_verified(bytes, keys, Extensions::Refused)?.0)
}

/// As [`open_any`], with the signatures that were verified.
///
/// # Errors
/// As [`open`].
pub fn open_verified(
    bytes: &[u8],
    keys: &[VerifierKey],
    extensions: Extensions,
) -> Result<(Checkpoint, Verified), Error> {
    let verified = note::open(bytes, keys)?;
    let checkpoint = Checkpoint::parse_with(&verified.text, extensions)?;
    let signers = || verified.by.iter().filter_map(|key| keys.get(*key));
    if signers().any(|key| key.name() == checkpoint.origin && key.algorithm().is_for_logs()) {
        return Ok((checkpoint, verified));
    }
    let expected = signers().next().map(|key| key.name().to_owned()).unwrap_or_default();
    Err(Error::Origin { expected, found: checkpoint.origin })
}
