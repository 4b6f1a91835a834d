//! The public halves of keys that sign notes, of every kind that is known here.

use std::fmt;
use std::str::FromStr;

use countersign_model::digest::to_hex;
use ed25519_dalek::VerifyingKey;
use sha2::{Digest as _, Sha256};

use crate::Error;
use crate::encoding::{from_base64, to_base64};
use crate::note::{KeyId, is_name};
use crate::{cosignature, mldsa};

/// What a key signs with, and over which bytes (C2SP signed-note, signature types).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// 0x01: Ed25519 over the note's text. A log's signature.
    Ed25519,
    /// 0x04: Ed25519 over a time and the note's text (C2SP tlog-cosignature). A witness's signature.
    Ed25519Cosignature,
    /// 0x06: ML-DSA-44 (FIPS 204) over name, time and tree (C2SP tlog-cosignature). A witness's, or a second
    /// signature of the log.
    MlDsa44,
}

impl Algorithm {
    /// The byte before the key in its text.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Ed25519Cosignature => 0x04,
            Self::MlDsa44 => 0x06,
        }
    }

    /// The algorithm of a byte, where it is known here.
    #[must_use]
    pub const fn of_byte(byte: u8) -> Option<Self> {
        match byte {
            0x01 => Some(Self::Ed25519),
            0x04 => Some(Self::Ed25519Cosignature),
            0x06 => Some(Self::MlDsa44),
            _ => None,
        }
    }

    /// Whether a log may sign its checkpoints with it.
    #[must_use]
    pub const fn is_for_logs(self) -> bool {
        matches!(self, Self::Ed25519 | Self::MlDsa44)
    }

    /// Whether a witness may cosign with it.
    #[must_use]
    pub const fn is_for_witnesses(self) -> bool {
        matches!(self, Self::Ed25519Cosignature | Self::MlDsa44)
    }
}

/// The public half of a key that signs notes. Its text is `name+hex id+base64(algorithm byte ‖ key)`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    pub(crate) name: String,
    pub(crate) id: KeyId,
    key: Key,
}

#[derive(Clone, PartialEq, Eq)]
enum Key {
    Ed25519(VerifyingKey),
    Cosigner(VerifyingKey),
    MlDsa44(Box<mldsa::PublicKey>),
}

impl VerifierKey {
    /// A log's Ed25519 key.
    pub(crate) fn log(name: &str, key: VerifyingKey) -> Self {
        Self::new(name, Key::Ed25519(key))
    }

    /// A witness's Ed25519 key.
    pub(crate) fn cosigner(name: &str, key: VerifyingKey) -> Self {
        Self::new(name, Key::Cosigner(key))
    }

    /// An ML-DSA-44 key, of a witness or a log.
    pub(crate) fn mldsa(name: &str, key: mldsa::PublicKey) -> Self {
        Self::new(name, Key::MlDsa44(Box::new(key)))
    }

    fn new(name: &str, key: Key) -> Self {
        let algorithm = key.algorithm();
        let hash = Sha256::new().chain_update(name).chain_update([b'\n', algorithm.byte()]).chain_update(key.bytes());
        let hash: [u8; 32] = hash.finalize().into();
        Self { name: name.to_owned(), id: [hash[0], hash[1], hash[2], hash[3]], key }
    }

    /// Reads `name+hex+base64`.
    ///
    /// # Errors
    /// [`Error::VerifierKey`] when it is malformed, of an unknown algorithm, when id and key do not match, or an Ed25519 key
    /// is one of the weak points of the curve.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Error::VerifierKey("it does not read `name+hex+base64`"));
        };
        if !is_name(name) {
            return Err(Error::VerifierKey("its name is empty or holds spaces"));
        }
        let verifier = Self::new(name, Key::parse(key).map_err(Error::VerifierKey)?);
        if id != to_hex(&verifier.id) {
            return Err(Error::VerifierKey("its id does not match its name and key"));
        }
        Ok(verifier)
    }

    /// The key's name; a log's is its origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key's short id.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// What it signs with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// The raw public key: 32 bytes, 1312 for ML-DSA-44. Two keys that wrap the same one are duplicates, whatever their
    /// names (C2SP tlog-policy).
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        self.key.bytes()
    }

    /// Whether `signature`, without the key id, is this key's on a note with this text.
    pub(crate) fn accepts(&self, text: &str, signature: &[u8]) -> bool {
        match &self.key {
            Key::Ed25519(key) => accepts_ed25519(key, text.as_bytes(), signature),
            Key::Cosigner(key) => cosignature::split(signature).is_some_and(|(time, signature)| {
                accepts_ed25519(key, &cosignature::ed25519_message(time, text), signature)
            }),
            Key::MlDsa44(key) => cosignature::split(signature).is_some_and(|(time, signature)| {
                cosignature::mldsa_message(&self.name, time, text)
                    .is_some_and(|message| key.accepts(&message, signature))
            }),
        }
    }
}

fn accepts_ed25519(key: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
    ed25519_dalek::Signature::from_slice(signature).is_ok_and(|s| key.verify_strict(message, &s).is_ok())
}

impl Key {
    const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::Ed25519,
            Self::Cosigner(_) => Algorithm::Ed25519Cosignature,
            Self::MlDsa44(_) => Algorithm::MlDsa44,
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(key) | Self::Cosigner(key) => key.as_bytes(),
            Self::MlDsa44(key) => key.as_bytes(),
        }
    }

    fn parse(base64: &str) -> Result<Self, &'static str> {
        let bytes = from_base64(base64).ok_or("the key is not base64")?;
        let (&byte, key) = bytes.split_first().ok_or("the key is empty")?;
        match Algorithm::of_byte(byte) {
            Some(Algorithm::Ed25519) => Ok(Self::Ed25519(ed25519(key)?)),
            Some(Algorithm::Ed25519Cosignature) => Ok(Self::Cosigner(ed25519(key)?)),
            Some(Algorithm::MlDsa44) => {
                mldsa::PublicKey::from_bytes(key).map(|k| Self::MlDsa44(Box::new(k))).ok_or("the key is not 1312 bytes")
            }
            None => Err("its algorithm is none of Ed25519 (0x01), Ed25519 cosignature (0x04), ML-DSA-44 (0x06)"),
        }
    }
}

fn ed25519(bytes: &[u8]) -> Result<VerifyingKey, &'static str> {
    let bytes = bytes.try_into().map_err(|_| "the key is not 32 bytes")?;
    let key = VerifyingKey::from_bytes(bytes).map_err(|_| "the key is no point of the curve")?;
    if key.is_weak() { Err("the key is a weak point of the curve") } else { Ok(key) }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tagged = vec![self.algorithm().byte()];
        tagged.extend_from_slice(self.key.bytes());
        write!(f, "{}+{}+{}", self.name, to_hex(&self.id), to_base64(&tagged))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VerifierKey {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self, Error> {
        Self::parse(s)
    }
}

impl serde::Serialize for VerifierKey {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for VerifierKey {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}
