//! Signed notes (C2SP signed-note): a text, a blank line, signature lines.
//!
//! Keys have a name and a 32-bit id. The id only says which key to try; it proves nothing. This module reads notes and
//! signs them with Ed25519 (type 0x01); the other kinds of key, which sign checkpoints only, are in
//! [`crate::cosignature`]. A log's signer may carry one of them along, see [`SignerKey::and_also`].

use std::fmt;
use std::sync::Arc;

use countersign_model::digest::to_hex;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::Error;
use crate::cosignature::CosignerKey;
use crate::encoding::{from_base64, to_base64};
use crate::signer::{Ed25519, RawSigner};
pub use crate::verifier::{Algorithm, VerifierKey};

/// Ed25519 signatures over the note's text (signed-note, signature types).
const ED25519: u8 = 0x01;
/// What a signature line begins with: em dash, space.
const PREFIX: &str = "\u{2014} ";
/// Bytes of the largest note that is read; a checkpoint with a hundred post-quantum cosignatures fits.
pub const MAX_BYTES: usize = 1 << 20;
/// Signature lines of a note that are read; the specification asks for 16 at least.
pub const MAX_SIGNATURES: usize = 100;

/// The first four bytes of `SHA-256(name ‖ 0x0A ‖ type ‖ key)`, big-endian in texts.
pub type KeyId = [u8; 4];

/// A key name is not empty and holds neither Unicode spaces nor `+`. Control characters would make a note unreadable.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 255 && !name.chars().any(|c| c == '+' || c.is_whitespace() || c.is_control())
}

/// The private half of a key that signs notes. Its text is that of Go's note package:
/// `PRIVATE+KEY+name+hex id+base64(0x01 ‖ seed)`. Memory is overwritten when it is dropped. A key in a device has no
/// text: it never leaves the device.
pub struct SignerKey {
    verifier: VerifierKey,
    key: Ed25519,
    /// While a key is exchanged, the other one signs as well.
    also: Option<Box<SignerKey>>,
    /// The log's ML-DSA-44 key, which signs its checkpoints as well.
    second: Option<Box<CosignerKey>>,
}

impl SignerKey {
    /// A new key called `name`.
    ///
    /// # Errors
    /// [`Error::SignerKey`] when the name is empty or holds spaces, control characters or `+`; [`Error::Random`].
    pub fn generate(name: &str) -> Result<Self, Error> {
        Self::from_seed(name, &Zeroizing::new(crate::random()?))
    }

    /// The key of a 32-byte Ed25519 seed (RFC 8032 §5.1.5).
    ///
    /// # Errors
    /// [`Error::SignerKey`] when the name will not do.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, Error> {
        if !is_name(name) {
            return Err(Error::SignerKey("its name is empty or holds spaces or `+`"));
        }
        let key = Ed25519::from_seed(seed);
        Ok(Self { verifier: VerifierKey::log(name, key.public()), key, also: None, second: None })
    }

    /// The key that a device holds, under the name `name`.
    ///
    /// # Errors
    /// [`Error::SignerKey`] when the name will not do, or the device's public key is no good point of the curve.
    pub fn remote(name: &str, signer: Arc<dyn RawSigner>) -> Result<Self, Error> {
        if !is_name(name) {
            return Err(Error::SignerKey("its name is empty or holds spaces or `+`"));
        }
        let key = Ed25519::remote(signer).ok_or(Error::SignerKey("the device's key is no point of the curve"))?;
        Ok(Self { verifier: VerifierKey::log(name, key.public()), key, also: None, second: None })
    }

    /// This key, and `other` after it: what is signed with both carries a signature line of each. A log's key is
    /// exchanged so. Its name and public half stay those of this key.
    ///
    /// # Errors
    /// [`Error::SignerKey`] when the two are not named alike, or are one.
    pub fn together_with(self, other: Self) -> Result<Self, Error> {
        if self.name() != other.name() || self.verifier == other.verifier {
            return Err(Error::SignerKey("the keys that sign together are not two of one name"));
        }
        Ok(Self { also: Some(Box::new(other)), ..self })
    }

    /// This key, and the log's ML-DSA-44 key beside it: a checkpoint that is signed with both carries a line of `second`
    /// after all others. Other notes do not, for such a key signs checkpoints only.
    ///
    /// # Errors
    /// [`Error::SignerKey`] when `second` is of another kind, or not named like this key.
    pub fn and_also(self, second: CosignerKey) -> Result<Self, Error> {
        if second.verifier().algorithm() != Algorithm::MlDsa44 || second.verifier().name() != self.name() {
            return Err(Error::SignerKey("the second key is no ML-DSA-44 key of the same name"));
        }
        Ok(Self { second: Some(Box::new(second)), ..self })
    }

    /// The public half of the key that signs checkpoints as well.
    #[must_use]
    pub fn second_verifier(&self) -> Option<&VerifierKey> {
        self.second().map(CosignerKey::verifier)
    }

    /// The key that signs checkpoints as well.
    pub(crate) fn second(&self) -> Option<&CosignerKey> {
        self.second.as_deref()
    }

    fn sign(&self, text: &str, signatures: &mut Vec<Signature>) -> Result<(), Error> {
        let bytes = self.key.sign(text.as_bytes())?.to_vec();
        signatures.push(Signature { name: self.name().to_owned(), id: self.verifier.id, bytes });
        self.also.as_ref().map_or(Ok(()), |other| other.sign(text, signatures))
    }

    /// Reads `PRIVATE+KEY+name+hex+base64`.
    ///
    /// # Errors
    /// [`Error::SignerKey`] when it is malformed, of another algorithm, or id and key do not match.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut parts = text.strip_prefix("PRIVATE+KEY+").into_iter().flat_map(|rest| rest.splitn(3, '+'));
        let (Some(name), Some(id), Some(seed)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Error::SignerKey("it does not read `PRIVATE+KEY+name+hex+base64`"));
        };
        let seed = Zeroizing::new(tagged_key(seed).map_err(Error::SignerKey)?);
        let signer = Self::from_seed(name, &seed)?;
        if id != to_hex(&signer.verifier.id) {
            return Err(Error::SignerKey("its id does not match its name and key"));
        }
        Ok(signer)
    }

    /// The text that [`SignerKey::parse`] reads. It is the secret itself; `None` when a device keeps it.
    #[must_use]
    pub fn to_text(&self) -> Option<Zeroizing<String>> {
        let mut tagged = Zeroizing::new([ED25519; 33]);
        tagged[1..].copy_from_slice(self.key.seed()?);
        let key = Zeroizing::new(to_base64(tagged.as_slice()));
        let (name, id) = (&self.verifier.name, to_hex(&self.verifier.id));
        Some(Zeroizing::new(format!("PRIVATE+KEY+{name}+{id}+{}", key.as_str())))
    }

    /// The public half.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The key's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.verifier.name
    }

    /// Another secret that only holders of this key can compute, in memory or in a device: the SHA-256 of the signature
    /// over a fixed text and `label`, which RFC 8032 makes the same every time. The signed text is no note, and the
    /// signature is shown to nobody.
    ///
    /// # Errors
    /// [`Error::Remote`] with what the device said.
    pub fn derive(&self, label: &str) -> Result<Zeroizing<[u8; 32]>, Error> {
        let text = format!("countersign/derived-key/v1: {label}");
        let signature = Zeroizing::new(self.key.sign(text.as_bytes())?);
        Ok(Zeroizing::new(Sha256::digest(signature.as_slice()).into()))
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({})", self.verifier)
    }
}

/// The 32 bytes after the algorithm byte.
fn tagged_key(base64: &str) -> Result<[u8; 32], &'static str> {
    let bytes = Zeroizing::new(from_base64(base64).ok_or("the key is not base64")?);
    match bytes.split_first() {
        Some((&ED25519, key)) => key.try_into().map_err(|_| "the key is not 32 bytes"),
        Some(_) => Err("its algorithm is not Ed25519 (0x01)"),
        None => Err("the key is empty"),
    }
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The name of the key that made it, as the line says.
    pub name: String,
    /// The id of the key.
    pub id: KeyId,
    /// The signature after the id: 64 bytes for Ed25519, others for algorithms we do not know.
    pub bytes: Vec<u8>,
}

/// A note as it was read; nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The text, its last newline included.
    pub text: String,
    /// Every signature line in order.
    pub signatures: Vec<Signature>,
}

/// A note whose known signatures verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The text, its last newline included.
    pub text: String,
    /// Signatures of known keys, each verified; at least one.
    pub signatures: Vec<Signature>,
    /// Which of the keys made each of them: a position in what the note was opened with.
    pub by: Vec<usize>,
    /// Signatures of keys that are not known; they say nothing.
    pub unknown: Vec<Signature>,
}

impl Note {
    /// Reads a note without verifying anything.
    ///
    /// # Errors
    /// [`Error::Note`] when it is no UTF-8, holds control characters, has no blank line before the signatures, a
    /// malformed signature line, or is too large.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_BYTES {
            return Err(Error::Note("it is larger than 1 MiB"));
        }
        let note = std::str::from_utf8(bytes).map_err(|_| Error::Note("it is not UTF-8"))?;
        if note.bytes().any(|b| b < 0x20 && b != b'\n') {
            return Err(Error::Note("it holds control characters"));
        }
        let split = note.rfind("\n\n").ok_or(Error::Note("it has no blank line before its signatures"))?;
        let (text, lines) = (&note[..=split], &note[split + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(Error::Note("it does not end with a signature line"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == MAX_SIGNATURES {
                return Err(Error::Note("it carries more than 100 signatures"));
            }
            signatures.push(Signature::parse(line).ok_or(Error::Note("a signature line is malformed"))?);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Verifies every signature of a known key.
    ///
    /// # Errors
    /// [`Error::NoteSignature`] when one of them does not verify; [`Error::NoKnownSigner`] when there is none.
    pub fn verify(self, keys: &[VerifierKey]) -> Result<Verified, Error> {
        let (mut signatures, mut by, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        for signature in self.signatures {
            let is_known = |k: &&VerifierKey| k.id() == signature.id && k.name() == signature.name;
            if !keys.iter().any(|k| is_known(&k)) {
                unknown.push(signature);
                continue;
            }
            match keys.iter().position(|k| is_known(&k) && k.accepts(&self.text, &signature.bytes)) {
                Some(key) => {
                    signatures.push(signature);
                    by.push(key);
                }
                None => return Err(Error::NoteSignature { name: signature.name }),
            }
        }
        if signatures.is_empty() {
            Err(Error::NoKnownSigner)
        } else {
            Ok(Verified { text: self.text, signatures, by, unknown })
        }
    }
}

impl Signature {
    /// Reads a line without its newline.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (name, base64) = line.strip_prefix(PREFIX)?.split_once(' ')?;
        let bytes = from_base64(base64)?;
        let (id, rest) = bytes.split_first_chunk::<4>()?;
        (is_name(name) && !rest.is_empty()).then(|| Self { name: name.to_owned(), id: *id, bytes: rest.to_vec() })
    }

    /// The signature's line, newline included.
    #[must_use]
    pub fn to_line(&self) -> String {
        let mut bytes = self.id.to_vec();
        bytes.extend_from_slice(&self.bytes);
        format!("{PREFIX}{} {}\n", self.name, to_base64(&bytes))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|s| f.write_str(&s.to_line()))
    }
}

/// Signs `text` and returns the whole note.
///
/// # Errors
/// [`Error::Note`] when the text does not end with a newline or holds control characters; [`Error::Remote`] and
/// [`Error::RemoteSignature`] when a device holds the key and does not sign.
pub fn sign(text: &str, key: &SignerKey) -> Result<String, Error> {
    if !text.ends_with('\n') {
        return Err(Error::Note("its text does not end with a newline"));
    }
    if text.bytes().any(|b| b < 0x20 && b != b'\n') {
        return Err(Error::Note("it holds control characters"));
    }
    let mut signatures = Vec::new();
    key.sign(text, &mut signatures)?;
    Ok(Note { text: text.to_owned(), signatures }.to_string())
}

/// Reads a note and verifies the signatures of known keys. Signatures of other keys are ignored; one of a known key
/// that does not verify rejects the note.
///
/// # Errors
/// As [`Note::parse`] and [`Note::verify`].
pub fn open(bytes: &[u8], keys: &[VerifierKey]) -> Result<Verified, Error> {
    Note::parse(bytes)?.verify(keys)
}
