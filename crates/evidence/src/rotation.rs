//! The rotation of a log's key: a signed note in which the old key names the new one, and the new one agrees.
//!
//! The note's text is six lines:
//!
//! ```text
//! countersign-log-key-rotation/v1
//! <origin>
//! <old verifier key>
//! <new verifier key>
//! <size of the log before, decimal>
//! <root of the log before, base64>
//! ```
//!
//! Both keys sign it, the old one first. A checkpoint never reads like it: that has three lines, and begins with its
//! origin. The note stands in an entry of the log itself, after the entries that its size names, so a key cannot be
//! exchanged behind the log's back.

use crate::Error;
use crate::encoding::{array_from_base64, from_decimal, to_base64};
use crate::merkle::Hash;
use crate::note::{self, SignerKey, VerifierKey};

/// The first line of a rotation's text.
pub const FORMAT: &str = "countersign-log-key-rotation/v1";

/// One rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// Which log.
    pub origin: String,
    /// The key that signed until now.
    pub old: VerifierKey,
    /// The key that signs from here on.
    pub new: VerifierKey,
    /// How many entries the log had when the note was made; the rotation's own entry comes later.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Rotation {
    /// The note's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let root = to_base64(&self.root);
        format!("{FORMAT}\n{}\n{}\n{}\n{}\n{root}\n", self.origin, self.old, self.new, self.size)
    }

    /// Reads a text as [`Rotation::to_text`] writes it; nothing is verified.
    ///
    /// # Errors
    /// [`Error::Rotation`] for any other text, and when a key is not named like the log or is not exchanged at all.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut lines = text.strip_suffix('\n').ok_or(Error::Rotation("its last line is cut short"))?.split('\n');
        if lines.next() != Some(FORMAT) {
            return Err(Error::Rotation("its first line is another one"));
        }
        let mut line = || lines.next().ok_or(Error::Rotation("it has less than six lines"));
        let (origin, old, new, size, root) = (line()?, line()?, line()?, line()?, line()?);
        if lines.next().is_some() {
            return Err(Error::Rotation("it has more than six lines"));
        }
        let rotation = Self {
            origin: origin.to_owned(),
            old: VerifierKey::parse(old)?,
            new: VerifierKey::parse(new)?,
            size: from_decimal(size).ok_or(Error::Rotation("its size is not a plain decimal number"))?,
            root: array_from_base64(root).ok_or(Error::Rotation("its root is not the base64 of 32 bytes"))?,
        };
        rotation.check()?;
        // A key has spellings that mean the same; only one of them is written.
        if rotation.to_text() != text {
            return Err(Error::Rotation("it is not spelled as it was written"));
        }
        Ok(rotation)
    }

    fn check(&self) -> Result<(), Error> {
        if self.old.name() != self.origin || self.new.name() != self.origin {
            return Err(Error::Rotation("a key in it is not named like the log"));
        }
        if self.old == self.new {
            return Err(Error::Rotation("the new key is the old one"));
        }
        if self.size == 0 {
            return Err(Error::Rotation("the log has no entry before it"));
        }
        Ok(())
    }

    /// Signs the rotation with both keys.
    ///
    /// # Errors
    /// [`Error::Rotation`] when the keys are not those of the rotation, and those of [`note::sign`].
    pub fn sign(&self, old: &SignerKey, new: &SignerKey) -> Result<String, Error> {
        self.check()?;
        if old.verifier() != &self.old || new.verifier() != &self.new {
            return Err(Error::Rotation("it is about other keys than those that would sign"));
        }
        let text = self.to_text();
        let mut signed = note::Note::parse(note::sign(&text, old)?.as_bytes())?;
        signed.signatures.truncate(1);
        signed.signatures.extend(note::Note::parse(note::sign(&text, new)?.as_bytes())?.signatures.into_iter().take(1));
        Ok(signed.to_string())
    }

    /// Opens a rotation away from `old`: both keys must have signed it, and nobody else.
    ///
    /// # Errors
    /// [`Error::Rotation`] when it is no rotation, of another log or from another key, or a signature is missing or too
    /// many; [`Error::NoteSignature`] when one does not verify.
    pub fn open(bytes: &[u8], origin: &str, old: &VerifierKey) -> Result<Self, Error> {
        let note = note::Note::parse(bytes)?;
        let rotation = Self::parse(&note.text)?;
        if rotation.origin != origin {
            return Err(Error::Rotation("it is about another log"));
        }
        if &rotation.old != old {
            return Err(Error::Rotation("it leads away from another key"));
        }
        let verified = note.verify(&[rotation.old.clone(), rotation.new.clone()])?;
        let made_by = |n: usize, key: &VerifierKey| verified.signatures.get(n).is_some_and(|s| s.id == key.id());
        let both = verified.signatures.len() == 2 && made_by(0, &rotation.old) && made_by(1, &rotation.new);
        if both && verified.unknown.is_empty() {
            Ok(rotation)
        } else {
            Err(Error::Rotation("it does not carry exactly the signatures of the old and the new key"))
        }
    }
}
