//! Who makes an Ed25519 signature: a private key in memory, or a device that keeps it to itself.
//!
//! A device is behind [`RawSigner`]: it takes bytes and gives a signature. What it gives is verified before anybody
//! sees it, for a wrong signature under a checkpoint would be as bad as a forged one.

use std::fmt;
use std::sync::Arc;

use countersign_model::{Diagnostic, Exit, Place};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::Error;

/// Something outside this process that holds an Ed25519 key and signs with it (RFC 8032, pure Ed25519).
pub trait RawSigner: Send + Sync + fmt::Debug {
    /// The 32 raw bytes of the public key. They stay the same for as long as the signer lives.
    fn public(&self) -> [u8; 32];

    /// Signs `message` as it is.
    ///
    /// # Errors
    /// [`Error::Remote`] with what the device said.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], Error>;
}

/// Opens keys that are kept in devices.
pub trait KeyOpener: Send + Sync + fmt::Debug {
    /// The signer that `uri` names. Asking twice may give the same one.
    ///
    /// # Errors
    /// What the device or its driver says.
    fn open(&self, uri: &str) -> Result<Arc<dyn RawSigner>, RemoteError>;
}

/// What a device said, with the code, place and help that belong to it.
pub struct RemoteError(Box<dyn Diagnostic>);

impl RemoteError {
    /// Takes an error of another room along.
    #[must_use]
    pub fn new(error: impl Diagnostic) -> Self {
        Self(Box::new(error))
    }

    /// The error's stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code()
    }

    /// What the process ends with.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.0.exit()
    }

    /// The place that is to blame, where there is one.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.0.place()
    }

    /// The next thing to do.
    #[must_use]
    pub fn help(&self) -> String {
        self.0.help()
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for RemoteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// An Ed25519 private key, here or elsewhere.
pub(crate) enum Ed25519 {
    /// In memory, which is overwritten when it is dropped.
    Local(SigningKey),
    /// In a device.
    Remote(Remote),
}

/// A key in a device.
pub(crate) struct Remote {
    public: VerifyingKey,
    signer: Arc<dyn RawSigner>,
}

impl Ed25519 {
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Self {
        Self::Local(SigningKey::from_bytes(seed))
    }

    /// A key in a device; `None` when its public half is no point of the curve, or a weak one.
    pub(crate) fn remote(signer: Arc<dyn RawSigner>) -> Option<Self> {
        let public = VerifyingKey::from_bytes(&signer.public()).ok().filter(|key| !key.is_weak())?;
        Some(Self::Remote(Remote { public, signer }))
    }

    pub(crate) fn public(&self) -> VerifyingKey {
        match self {
            Self::Local(key) => key.verifying_key(),
            Self::Remote(remote) => remote.public,
        }
    }

    /// The secret itself; `None` when it is elsewhere.
    pub(crate) fn seed(&self) -> Option<&[u8; 32]> {
        match self {
            Self::Local(key) => Some(key.as_bytes()),
            Self::Remote(_) => None,
        }
    }

    /// Signs `message`. What a device gives back counts only when it verifies.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<[u8; 64], Error> {
        let remote = match self {
            Self::Local(key) => return Ok(key.sign(message).to_bytes()),
            Self::Remote(remote) => remote,
        };
        let signature = remote.signer.sign(message)?;
        let verifies = remote.public.verify_strict(message, &Signature::from_bytes(&signature)).is_ok();
        if verifies { Ok(signature) } else { Err(Error::RemoteSignature) }
    }
}
