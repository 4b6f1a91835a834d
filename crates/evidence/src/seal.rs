//! Personal data under a key of its subject: XChaCha20-Poly1305. Erasure is the destruction of the key.
//!
//! Sealed bytes are `"CSEAL1\0"`, a random 24-byte nonce, then ciphertext and tag. With 192 random bits a nonce, one
//! key can seal without a counter. The digest in the log is over these bytes, so a short plaintext cannot be guessed
//! from it.

use std::fmt;

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::consts::U10;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _, XChaCha20Poly1305};
use countersign_model::digest::{from_hex, to_hex};
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

use crate::Error;

/// What sealed bytes start with.
pub const MAGIC: &[u8; 7] = b"CSEAL1\0";
/// Bytes that sealing adds: magic, nonce and tag.
pub const OVERHEAD: usize = MAGIC.len() + 24 + 16;

/// The key of one subject. Memory is overwritten when it is dropped.
#[derive(Clone)]
pub struct SubjectKey([u8; 32]);

impl SubjectKey {
    /// A new key.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate() -> Result<Self, Error> {
        Ok(Self(crate::random()?))
    }

    /// From the 32 raw bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 raw bytes: the secret itself.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 lower-case hex digits: the secret itself.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(to_hex(&self.0))
    }

    /// Reads 64 lower-case hex digits.
    ///
    /// # Errors
    /// [`Error::Sealed`] for anything else.
    pub fn parse_hex(hex: &str) -> Result<Self, Error> {
        let wrong = Error::Sealed("a subject key is not 64 lower-case hex digits");
        if hex.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(wrong);
        }
        let bytes = from_hex(hex).map(Zeroizing::new);
        bytes.and_then(|b| b.as_slice().try_into().ok()).map(Self).ok_or(wrong)
    }
}

impl Drop for SubjectKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for SubjectKey {}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectKey(…)")
    }
}

/// What opens the bytes that were sealed under one nonce, and nothing else of their subject: the key that XChaCha20 derives from the
/// subject's key and the first 16 bytes of the nonce, HChaCha20 (draft-irtf-cfrg-xchacha-03, sections 2.2 and 2.3). These bytes are
/// random each time something is sealed, so it opens no other. It tells nothing of the subject's key: HChaCha20 is a pseudorandom
/// function of it. Whoever has it can also seal, under this one nonce: it goes to nobody but the writer of what is sealed. Memory is
/// overwritten when it is dropped.
#[derive(Clone)]
pub struct Opener([u8; 32]);

impl Opener {
    /// From the 32 raw bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 raw bytes: the secret itself.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for Opener {}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener(…)")
    }
}

/// What is authenticated beside the ciphertext: the format, and the caller's context.
fn context(aad: &[u8]) -> Vec<u8> {
    [MAGIC, aad].concat()
}

/// Seals `plaintext`. `aad` is the context (say, the record's id) without which it will not open.
///
/// # Errors
/// [`Error::Random`]; [`Error::Sealed`] when it is too large for the cipher (256 GiB).
pub fn seal(key: &SubjectKey, plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>, Error> {
    let nonce: [u8; 24] = crate::random()?;
    let ciphertext = XChaCha20Poly1305::new(key.as_bytes().into())
        .encrypt(&nonce.into(), Payload { msg: plaintext, aad: &context(aad) })
        .map_err(|_| Error::Sealed("it is too large to be sealed"))?;
    let mut sealed = Vec::with_capacity(MAGIC.len() + nonce.len() + ciphertext.len());
    sealed.extend_from_slice(MAGIC);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&ciphertext);
    Ok(sealed)
}

/// Opens sealed bytes.
///
/// # Errors
/// [`Error::Sealed`] when they are not in sealed form; [`Error::Unsealable`] when key, context or bytes are others.
pub fn open(key: &SubjectKey, sealed: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (nonce, ciphertext) = parts(sealed)?;
    XChaCha20Poly1305::new(key.as_bytes().into())
        .decrypt(nonce.into(), Payload { msg: ciphertext, aad: &context(aad) })
        .map(Zeroizing::new)
        .map_err(|_| Error::Unsealable)
}

fn parts(sealed: &[u8]) -> Result<(&[u8; 24], &[u8]), Error> {
    let rest = sealed.strip_prefix(MAGIC).ok_or(Error::Sealed("it does not start with its mark"))?;
    rest.split_first_chunk::<24>().ok_or(Error::Sealed("it is cut short"))
}

/// What opens exactly these sealed bytes, for somebody who does not hold the subject's key.
///
/// # Errors
/// [`Error::Sealed`] when they are not in sealed form. Whether the key opens them is not asked.
pub fn opener(key: &SubjectKey, sealed: &[u8]) -> Result<Opener, Error> {
    let ([first @ .., _, _, _, _, _, _, _, _], _) = parts(sealed)?;
    Ok(Opener(chacha20::hchacha::<U10>(key.as_bytes().into(), first.into()).into()))
}

/// Opens sealed bytes with what opens them alone. Where that was made for them from a subject's key, it says what [`open`] says with that
/// key (draft-irtf-cfrg-xchacha-03, section 2.3: ChaCha20-Poly1305 with the derived key, and four zero bytes before what is left of the
/// nonce).
///
/// # Errors
/// As [`open`].
pub fn open_with(opener: &Opener, sealed: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let ([.., a, b, c, d, e, f, g, h], ciphertext) = parts(sealed)?;
    let nonce = [0, 0, 0, 0, *a, *b, *c, *d, *e, *f, *g, *h];
    ChaCha20Poly1305::new(opener.as_bytes().into())
        .decrypt(&nonce.into(), Payload { msg: ciphertext, aad: &context(aad) })
        .map(Zeroizing::new)
        .map_err(|_| Error::Unsealable)
}
