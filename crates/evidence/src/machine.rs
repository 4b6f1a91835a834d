//! A machine's key: Ed25519, one an installation. Files are PKCS #8 PEM (RFC 8410), which `openssl pkey` reads.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use countersign_model::Digest;
use ed25519_dalek::{Signature, VerifyingKey};
use zeroize::Zeroizing;

use crate::Error;
use crate::encoding::{array_from_base64, from_base64, to_base64};
use crate::signer::{Ed25519, RawSigner};

/// DER before the 32-byte seed: PKCS #8 version 1, algorithm 1.3.101.112, nested OCTET STRING (RFC 8410 §7).
const PRIVATE_DER: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// DER before the 32-byte public key: SubjectPublicKeyInfo, algorithm 1.3.101.112 (RFC 8410 §4).
const PUBLIC_DER: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The private key of a machine, in memory (which is overwritten when it is dropped) or in a device.
pub struct MachineKey(Ed25519);

impl MachineKey {
    /// A new key.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate() -> Result<Self, Error> {
        Ok(Self::from_seed(&Zeroizing::new(crate::random()?)))
    }

    /// The key of a 32-byte Ed25519 seed (RFC 8032 §5.1.5).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Ed25519::from_seed(seed))
    }

    /// The key that a device holds.
    ///
    /// # Errors
    /// [`Error::MachineKey`] when the device's public key is no good point of the curve.
    pub fn remote(signer: Arc<dyn RawSigner>) -> Result<Self, Error> {
        Ed25519::remote(signer).map(Self).ok_or(Error::MachineKey("the device's key is no point of the curve"))
    }

    /// The key file's text: `-----BEGIN PRIVATE KEY-----` … It is the secret itself; `None` when a device
    /// keeps it.
    #[must_use]
    pub fn to_pem(&self) -> Option<Zeroizing<String>> {
        let mut der = Zeroizing::new([0_u8; 48]);
        der[..16].copy_from_slice(&PRIVATE_DER);
        der[16..].copy_from_slice(self.0.seed()?);
        let base64 = Zeroizing::new(to_base64(der.as_slice()));
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", base64.as_str());
        Some(Zeroizing::new(pem))
    }

    /// Reads a key file, ours or one of `openssl genpkey -algorithm ed25519`.
    ///
    /// # Errors
    /// [`Error::MachineKey`] when it is no unencrypted PKCS #8 PEM of an Ed25519 key.
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        let mut lines = pem.trim_end().lines();
        let (Some("-----BEGIN PRIVATE KEY-----"), Some(body), Some("-----END PRIVATE KEY-----"), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(Error::MachineKey("it is not one unencrypted PRIVATE KEY block of an Ed25519 key"));
        };
        let der = Zeroizing::new(from_base64(body).ok_or(Error::MachineKey("its body is not base64"))?);
        let seed = der.strip_prefix(&PRIVATE_DER).and_then(|seed| <&[u8; 32]>::try_from(seed).ok());
        Ok(Self::from_seed(seed.ok_or(Error::MachineKey("it holds no Ed25519 key"))?))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> MachinePublicKey {
        MachinePublicKey(self.0.public())
    }

    /// Signs `message` as it is (RFC 8032, pure Ed25519). Statements go through [`crate::dsse`].
    ///
    /// # Errors
    /// [`Error::Remote`] and [`Error::RemoteSignature`], when a device holds the key and does not sign.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], Error> {
        self.0.sign(message)
    }
}

impl fmt::Debug for MachineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MachineKey({})", self.public())
    }
}

/// The public key of a machine. Its text, in JSON too, is `ed25519:` + base64 of the raw key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MachinePublicKey(VerifyingKey);

impl MachinePublicKey {
    /// From the 32 raw bytes.
    ///
    /// # Errors
    /// [`Error::MachineKey`] when they are no point of the curve, or a weak one.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, Error> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| Error::MachineKey("it is no point of the curve"))?;
        if key.is_weak() { Err(Error::MachineKey("it is a weak point of the curve")) } else { Ok(Self(key)) }
    }

    /// The 32 raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The key's id: the hex SHA-256 of its raw bytes.
    #[must_use]
    pub fn id(&self) -> String {
        Digest::of(self.0.as_bytes()).hex()
    }

    /// The key as `-----BEGIN PUBLIC KEY-----` …, for `openssl pkeyutl -verify -pubin`.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let mut der = PUBLIC_DER.to_vec();
        der.extend_from_slice(self.0.as_bytes());
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", to_base64(&der))
    }

    /// The key of a SubjectPublicKeyInfo (RFC 8410 §4); `None` when it is no Ed25519 key.
    pub(crate) fn from_der(der: &[u8]) -> Option<Self> {
        let raw = der.strip_prefix(&PUBLIC_DER).and_then(|raw| <&[u8; 32]>::try_from(raw).ok())?;
        Self::from_bytes(raw).ok()
    }

    /// Whether `signature` is this key's over `message`; keys and signatures of small order are refused.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|s| self.0.verify_strict(message, &s).is_ok())
    }
}

impl fmt::Display for MachinePublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{}", to_base64(self.0.as_bytes()))
    }
}

impl fmt::Debug for MachinePublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MachinePublicKey {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self, Error> {
        let raw = s.strip_prefix("ed25519:").and_then(array_from_base64);
        Self::from_bytes(&raw.ok_or(Error::MachineKey("it does not read `ed25519:` and the base64 of 32 bytes"))?)
    }
}

impl serde::Serialize for MachinePublicKey {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for MachinePublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}
