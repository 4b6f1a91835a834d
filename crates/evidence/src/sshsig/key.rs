//! A person's public key.

use std::fmt;
use std::str::FromStr;

use ssh_key::{Algorithm, EcdsaCurve, HashAlg};

use super::wire::{MAX_TEXT, Reader};
use crate::Error;
use crate::encoding::{from_base64, to_base64};

/// A person's public key, without its comment. Two keys are equal when their OpenSSH lines are.
#[derive(Clone)]
pub struct PublicKey {
    pub(super) key: ssh_key::PublicKey,
    /// The OpenSSH line without a comment: one key, one line.
    line: String,
}

impl PublicKey {
    /// Reads a line of OpenSSH form, `ssh-ed25519 AAAA… comment`. The comment, often an address, is dropped.
    ///
    /// # Errors
    /// [`Error::SshKey`] when it is malformed; [`Error::WeakAlgorithm`] for RSA, DSA and weak points of the curve;
    /// [`Error::UnsupportedAlgorithm`] for other kinds.
    pub fn parse(line: &str) -> Result<Self, Error> {
        let line = line.trim();
        if line.len() > MAX_TEXT || line.contains(['\n', '\r', '\0']) {
            return Err(malformed(None));
        }
        let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
        let (Some(name), Some(base64)) = (words.next(), words.next()) else { return Err(malformed(None)) };
        let key = Self::from_blob(&from_base64(base64).ok_or(malformed(None))?)?;
        if key.algorithm() == name { Ok(key) } else { Err(malformed(None)) }
    }

    /// From the binary encoding (RFC 4253 §6.6).
    pub(crate) fn from_blob(blob: &[u8]) -> Result<Self, Error> {
        // The name is looked at first: what would be refused anyway need not be readable.
        let name = Reader::new(blob).text().ok_or(malformed(None))?;
        let algorithm = Algorithm::new(name).map_err(|e| malformed(Some(e)))?;
        if !is_accepted(&algorithm) {
            let weak = matches!(algorithm, Algorithm::Rsa { .. } | Algorithm::Dsa);
            let name = name.chars().filter(|c| !c.is_control()).take(64).collect();
            return Err(if weak { Error::WeakAlgorithm(name) } else { Error::UnsupportedAlgorithm(name) });
        }
        let key = ssh_key::PublicKey::from_bytes(blob).map_err(|e| malformed(Some(e)))?;
        // The decoder forgives a wrong length here and there; one key has one encoding.
        if key.to_bytes().map_err(|e| malformed(Some(e)))? != blob {
            return Err(malformed(None));
        }
        let ed25519 = key.key_data().ed25519().or_else(|| key.key_data().sk_ed25519().map(|sk| sk.public_key()));
        if let Some(raw) = ed25519 {
            let point = ed25519_dalek::VerifyingKey::from_bytes(&raw.0).map_err(|_| malformed(None))?;
            if point.is_weak() {
                return Err(Error::WeakAlgorithm(format!("{name} (weak point)")));
            }
        }
        let line = format!("{name} {}", to_base64(blob));
        Ok(Self { key: ssh_key::PublicKey::new(key.key_data().clone(), ""), line })
    }

    /// The binary encoding (RFC 4253 §6.6).
    pub(crate) fn blob(&self) -> Result<Vec<u8>, Error> {
        self.key.to_bytes().map_err(|e| malformed(Some(e)))
    }

    /// Of a FIDO2 key over P-256: its point, as it is encoded.
    pub(crate) fn p256_point(&self) -> Option<&[u8]> {
        self.key.key_data().sk_ecdsa_p256().map(|sk| sk.ec_point().as_bytes())
    }

    /// `SHA256:` and unpadded base64, as `ssh-keygen -l` prints it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint(HashAlg::Sha256).to_string()
    }

    /// The OpenSSH line without a comment.
    #[must_use]
    pub fn to_openssh(&self) -> String {
        self.line.clone()
    }

    /// SHA-1 of the encoding, in hex: some revocation lists name keys so.
    ///
    /// # Errors
    /// As for every encoding.
    pub fn sha1(&self) -> Result<String, Error> {
        let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &self.blob()?);
        Ok(countersign_model::digest::to_hex(digest.as_ref()))
    }

    /// The algorithm's name, `ssh-ed25519` and its like.
    #[must_use]
    pub fn algorithm(&self) -> String {
        self.key.algorithm().as_str().to_owned()
    }

    /// What a FIDO2 key was made for (`ssh:` and its like); none for other keys.
    #[must_use]
    pub fn application(&self) -> Option<String> {
        let data = self.key.key_data();
        let ed25519 = data.sk_ed25519().map(|sk| sk.application().to_owned());
        ed25519.or_else(|| data.sk_ecdsa_p256().map(|sk| sk.application().to_owned()))
    }

    /// Whether the private key lives in a FIDO2 token.
    #[must_use]
    pub fn is_hardware(&self) -> bool {
        matches!(self.key.algorithm(), Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256)
    }
}

const fn malformed(source: Option<ssh_key::Error>) -> Error {
    Error::SshKey { what: "public key", source }
}

const fn is_accepted(algorithm: &Algorithm) -> bool {
    matches!(
        algorithm,
        Algorithm::Ed25519
            | Algorithm::SkEd25519
            | Algorithm::SkEcdsaSha2NistP256
            | Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 | EcdsaCurve::NistP384 }
    )
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.line == other.line
    }
}

impl Eq for PublicKey {}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.line.cmp(&other.line)
    }
}

impl std::hash::Hash for PublicKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.line.hash(state);
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm(), self.fingerprint())
    }
}

impl FromStr for PublicKey {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self, Error> {
        Self::parse(s)
    }
}

impl serde::Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}
