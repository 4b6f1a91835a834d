//! The key that seals the payloads of a ledger at rest: XChaCha20-Poly1305, the nonce derived from the plaintext.
//!
//! Sealed bytes look like those of [`crate::seal`]: `"CSEAL1\0"`, 24 bytes of nonce, ciphertext and tag. Here the nonce
//! is the start of HMAC-SHA-256 over the plaintext (as in SIV, RFC 5297), so that equal payloads are sealed to equal
//! bytes: they are still stored once, and a batch that is sent again is the same batch. What that gives away is whether
//! two payloads are equal, and nothing else. Three keys are derived from the one that is kept, each with HMAC-SHA-256
//! over a text of its own: one encrypts, one makes nonces, and the third is the key's public [commitment].
//!
//! The log commits to the sealed bytes, so they must have one plaintext and no other. Poly1305 alone does not see to that:
//! whoever chooses two keys can make bytes that open with both. Two things stand against it. The ledger commits to its
//! key, so nobody can bring another one; and what was opened must lead to the nonce again, which holds for one plaintext
//! and one key at most.
//!
//! [commitment]: PayloadKey::commitment

use std::fmt;

use chacha20poly1305::aead::AeadInPlace as _;
use chacha20poly1305::{KeyInit as _, Tag, XChaCha20Poly1305};
use countersign_model::digest::{from_hex, to_hex};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

use crate::Error;
use crate::seal::MAGIC;

/// What is authenticated beside the ciphertext. It is the same for all payloads: one nonce must never meet two contexts.
const CONTEXT: &[u8] = b"CSEAL1\0countersign/payload/v1";
/// Bytes before the ciphertext: mark and nonce.
const HEAD: usize = MAGIC.len() + 24;
/// Bytes after the ciphertext.
const TAG: usize = 16;
/// Hex digits of the commitment that make the id.
const ID: usize = 16;

/// The payload key of one ledger. Memory is overwritten when it is dropped.
#[derive(Clone)]
pub struct PayloadKey {
    secret: [u8; 32],
    encrypts: [u8; 32],
    makes_nonces: [u8; 32],
    commitment: String,
}

impl PayloadKey {
    /// A new key.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate() -> Result<Self, Error> {
        Self::from_bytes(crate::random()?)
    }

    /// From the 32 raw bytes.
    ///
    /// # Errors
    /// Never, for HMAC takes keys of every length.
    pub fn from_bytes(secret: [u8; 32]) -> Result<Self, Error> {
        Ok(Self {
            encrypts: mac(&secret, b"countersign/payload/v1/encrypt")?,
            makes_nonces: mac(&secret, b"countersign/payload/v1/nonce")?,
            commitment: to_hex(&mac(&secret, b"countersign/payload/v1/id")?),
            secret,
        })
    }

    /// 64 lower-case hex digits: the secret itself.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(to_hex(&self.secret))
    }

    /// Reads 64 lower-case hex digits.
    ///
    /// # Errors
    /// [`Error::Sealed`] for anything else.
    pub fn parse_hex(hex: &str) -> Result<Self, Error> {
        let wrong = || Error::Sealed("a payload key is not 64 lower-case hex digits");
        if hex.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(wrong());
        }
        let bytes = from_hex(hex).map(Zeroizing::new).ok_or_else(wrong)?;
        Self::from_bytes(bytes.as_slice().try_into().map_err(|_| wrong())?)
    }

    /// What a ledger commits to, 64 hex digits. It says nothing about the key but whether two are the same.
    #[must_use]
    pub fn commitment(&self) -> &str {
        &self.commitment
    }

    /// The key's short name: the first 16 digits of its commitment.
    #[must_use]
    pub fn id(&self) -> &str {
        id_of(&self.commitment)
    }

    /// Seals a payload: the same bytes every time.
    ///
    /// # Errors
    /// [`Error::Sealed`] when it is too large for the cipher (256 GiB).
    pub fn seal(&self, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let nonce = self.nonce(plaintext)?;
        let mut sealed = Vec::with_capacity(HEAD + plaintext.len() + TAG);
        sealed.extend_from_slice(MAGIC);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let text = sealed.get_mut(HEAD..).unwrap_or_default();
        let tag = self
            .cipher()
            .encrypt_in_place_detached(&nonce.into(), CONTEXT, text)
            .map_err(|_| Error::Sealed("it is too large to be sealed"))?;
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// Opens a sealed payload.
    ///
    /// # Errors
    /// [`Error::Sealed`] when it is not in sealed form; [`Error::Unsealable`] when key or bytes are others, or were made to
    /// open with more than one key.
    pub fn open(&self, sealed: Vec<u8>) -> Result<Vec<u8>, Error> {
        let rest = sealed.strip_prefix(MAGIC).ok_or(Error::Sealed("it does not start with its mark"))?;
        let (nonce, _) = rest.split_first_chunk::<24>().ok_or(Error::Sealed("it is cut short"))?;
        let (nonce, mut text) = (*nonce, sealed);
        text.drain(..HEAD);
        let tag = text.split_off(text.len().checked_sub(TAG).ok_or(Error::Sealed("it is cut short"))?);
        self.cipher()
            .decrypt_in_place_detached(&nonce.into(), CONTEXT, &mut text, Tag::from_slice(&tag))
            .map_err(|_| Error::Unsealable)?;
        if self.nonce(&text)? == nonce { Ok(text) } else { Err(Error::Unsealable) }
    }

    fn nonce(&self, plaintext: &[u8]) -> Result<[u8; 24], Error> {
        mac(&self.makes_nonces, plaintext)?.first_chunk().copied().ok_or(Error::Unsealable)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.encrypts.into())
    }
}

/// The short name of the key that a ledger commits to.
#[must_use]
pub fn id_of(commitment: &str) -> &str {
    commitment.get(..ID).unwrap_or(commitment)
}

fn mac(key: &[u8], message: &[u8]) -> Result<[u8; 32], Error> {
    let mut mac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(key).map_err(|_| Error::Unsealable)?;
    mac.update(message);
    Ok(mac.finalize().into_bytes().into())
}

impl Drop for PayloadKey {
    fn drop(&mut self) {
        self.secret.zeroize();
        self.encrypts.zeroize();
        self.makes_nonces.zeroize();
    }
}

impl ZeroizeOnDrop for PayloadKey {}

impl fmt::Debug for PayloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PayloadKey").field(&self.id()).finish()
    }
}
