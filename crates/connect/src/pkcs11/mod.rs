//! Keys in devices (PKCS#11): hardware security modules, smart cards, network key stores, SoftHSM.
//!
//! A key is named by a URI (RFC 7512) with the module that speaks to its device:
//!
//! ```text
//! pkcs11:token=countersign;object=log?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/countersign/pin
//! ```
//!
//! The key is an Ed25519 one (PKCS#11 v3.0 §2.3.14, `CKM_EDDSA`), and its public key object lies beside it in the token.
//! It never leaves the device: bytes go in, a signature comes out, and the evidence room verifies it before it is used.
//!
//! The PIN comes from the file that the URI names, which only its owner may read, or from the program's environment. It
//! is tried once: devices lock themselves after a few wrong ones. A module is code that runs in this process, so its
//! path is taken from the user's own data directory or environment, never from a judged repository.
//!
//! Keys that ask for the PIN at each signature (`CKA_ALWAYS_AUTHENTICATE`) are not supported.

mod error;
mod pin;
mod token;
mod uri;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_evidence::signer::{KeyOpener, RawSigner, RemoteError};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as Cryptoki, RvError};
use zeroize::Zeroizing;

pub use error::{DeviceError, EXPLANATIONS};
pub use token::TokenKey;
pub use uri::KeyUri;

/// The devices of this machine. Modules are loaded once, and a key that was opened stays open.
#[derive(Default)]
pub struct Devices {
    pin: Option<Zeroizing<String>>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    modules: HashMap<PathBuf, Pkcs11>,
    keys: HashMap<String, Arc<TokenKey>>,
}

impl Devices {
    /// Devices whose PIN is `pin` where their address names no file with it.
    #[must_use]
    pub fn new(pin: Option<Zeroizing<String>>) -> Self {
        Self { pin, open: Mutex::default() }
    }

    /// Opens the key that `uri` names.
    ///
    /// # Errors
    /// [`DeviceError`], whichever it is.
    pub fn key(&self, uri: &str) -> Result<Arc<TokenKey>, DeviceError> {
        let parsed = KeyUri::parse(uri)?;
        // A panic in another thread leaves behind whole entries only.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = open.keys.get(uri) {
            return Ok(Arc::clone(key));
        }
        let module = match open.modules.get(&parsed.module) {
            Some(module) => module.clone(),
            None => {
                let module = load(&parsed)?;
                open.modules.insert(parsed.module.clone(), module.clone());
                module
            }
        };
        let key = Arc::new(TokenKey::open(module, parsed, self.pin.clone())?);
        open.keys.insert(uri.to_owned(), Arc::clone(&key));
        Ok(key)
    }
}

impl std::fmt::Debug for Devices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Devices")
    }
}

impl KeyOpener for Devices {
    fn open(&self, uri: &str) -> Result<Arc<dyn RawSigner>, RemoteError> {
        let key: Arc<dyn RawSigner> = self.key(uri).map_err(RemoteError::new)?;
        Ok(key)
    }
}

fn load(uri: &KeyUri) -> Result<Pkcs11, DeviceError> {
    let fail = |source| DeviceError::Module { path: uri.module.clone(), source };
    let module = Pkcs11::new(&uri.module).map_err(fail)?;
    initialize(&module).map_err(fail)?;
    Ok(module)
}

fn initialize(module: &Pkcs11) -> Result<(), Cryptoki> {
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        // Something else in this process uses it as well.
        Err(Cryptoki::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        done => done,
    }
}
