//! ML-DSA-44 (FIPS 204) behind types of our own: the only file that knows the library.
//!
//! Keys are 32-byte seeds, expanded when they are used. Signing is the deterministic variant with an empty context,
//! so that the same statement has one signature and no weak random numbers can leak the key.

use ml_dsa::{EncodedSignature, EncodedVerifyingKey, Keypair as _, MlDsa44, Seed, Signature, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

/// Bytes of a public key.
pub(crate) const PUBLIC_BYTES: usize = 1312;
/// Bytes of a signature.
pub(crate) const SIGNATURE_BYTES: usize = 2420;

/// A public key as it is written. Every value of these bytes is some key, so there is nothing to refuse but the length.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PublicKey([u8; PUBLIC_BYTES]);

impl PublicKey {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = EncodedSignature::<MlDsa44>::try_from(signature) else { return false };
        let Ok(key) = EncodedVerifyingKey::<MlDsa44>::try_from(self.0.as_slice()) else { return false };
        let key = VerifyingKey::<MlDsa44>::decode(&key);
        Signature::<MlDsa44>::decode(&signature).is_some_and(|s| key.verify_with_context(message, &[], &s))
    }
}

/// A private key. Memory is overwritten when it is dropped, the library's expanded form too.
pub(crate) struct PrivateKey {
    seed: Zeroizing<[u8; 32]>,
    key: Box<SigningKey<MlDsa44>>,
}

impl PrivateKey {
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Self {
        let key = Box::new(SigningKey::from_seed(&Seed::from(*seed)));
        Self { seed: Zeroizing::new(*seed), key }
    }

    pub(crate) fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    pub(crate) fn public(&self) -> PublicKey {
        let mut bytes = [0; PUBLIC_BYTES];
        bytes.copy_from_slice(&self.key.verifying_key().encode());
        PublicKey(bytes)
    }

    /// The signature, or nothing where the algorithm's rejection sampling gave up, which happens to no one in practice.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<[u8; SIGNATURE_BYTES]> {
        let signature = self.key.expanded_key().sign_deterministic(message, &[]).ok()?;
        let mut bytes = [0; SIGNATURE_BYTES];
        bytes.copy_from_slice(&signature.encode());
        Some(bytes)
    }
}
