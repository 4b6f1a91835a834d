//! The private keys of an installation: in files of the data directory, or in a device that a file there names.
//!
//! `recorder.key` and `log.key` hold the key itself, or one line with its address: a PKCS#11 URI (RFC 7512). This room
//! speaks to no device. Whoever opens the installation brings a [`KeyOpener`] along.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_evidence::machine::MachineKey;
use countersign_evidence::note::SignerKey;
use countersign_evidence::signer::{KeyOpener, RawSigner};
use zeroize::Zeroizing;

use crate::installation::{Installation, KeyError};
use crate::storage;

/// What the address of a key in a device starts with.
pub const URI_SCHEME: &str = "pkcs11:";
/// The file that names the key with which new ledgers are made.
const NEW_LOG_KEY: &str = "new-log.key";
/// Bytes of the largest key file that is read.
const MAX_KEY_BYTES: u64 = 64 << 10;

/// Where a private key is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// In this file.
    File(PathBuf),
    /// In the device with this address, which stands in the file.
    Device {
        /// The file.
        file: PathBuf,
        /// The key's address.
        uri: String,
    },
}

impl Installation {
    /// Opens keys in devices with `opener` from here on.
    #[must_use]
    pub fn with_opener(self, opener: Arc<dyn KeyOpener>) -> Self {
        Self { opener: Some(opener), ..self }
    }

    /// Makes new ledgers with the key at this address instead of the one that the data directory names.
    #[must_use]
    pub fn with_new_log_key(self, uri: Option<String>) -> Self {
        Self { new_log_key: uri, ..self }
    }

    fn recorder_file(&self) -> PathBuf {
        self.dir.join("recorder.key")
    }

    fn log_file(&self, origin: &str) -> PathBuf {
        self.ledger_dir(origin).join("log.key")
    }

    /// Whether there is a recorder's key yet.
    #[must_use]
    pub fn has_recorder(&self) -> bool {
        self.recorder_file().exists()
    }

    /// Where the recorder's key is kept; `None` before its first use.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn recorder_place(&self) -> Result<Option<KeyPlace>, KeyError> {
        place_of(self.recorder_file())
    }

    /// Where the log's key of a ledger is kept; `None` when this machine does not hold it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn log_key_place(&self, origin: &str) -> Result<Option<KeyPlace>, KeyError> {
        place_of(self.log_file(origin))
    }

    /// The recorder's key; made on first use.
    ///
    /// # Errors
    /// When it is damaged, or cannot be read or written; what the device says that holds it.
    pub fn recorder(&self) -> Result<MachineKey, KeyError> {
        let path = self.recorder_file();
        if let Some(text) = read(&path)? {
            return match address(text.as_str()) {
                Some(uri) => machine_key(self.open(uri, &path)?, path),
                None => MachineKey::from_pem(&text).map_err(|_| damaged_recorder(path)),
            };
        }
        let key = MachineKey::generate().map_err(|_| KeyError::Random)?;
        let pem = key.to_pem().ok_or(KeyError::Random)?;
        match storage::create_private(&path, pem.as_bytes()) {
            Ok(()) => Ok(key),
            // Somebody else was first: theirs counts.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => self.recorder(),
            Err(source) => Err(KeyError::Write { path, source }),
        }
    }

    /// Takes the key at `uri` as this installation's recorder.
    ///
    /// # Errors
    /// [`KeyError::HasRecorder`] when there is another one: ledgers name it, and would not believe the new one. What
    /// the device says.
    pub fn use_recorder(&self, uri: &str) -> Result<MachineKey, KeyError> {
        let path = self.recorder_file();
        let key = machine_key(self.open(uri, &path)?, path.clone())?;
        match storage::create_private(&path, format!("{uri}\n").as_bytes()) {
            Ok(()) => Ok(key),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                if self.recorder()?.public() == key.public() {
                    Ok(key)
                } else {
                    Err(KeyError::HasRecorder { path })
                }
            }
            Err(source) => Err(KeyError::Write { path, source }),
        }
    }

    /// The log's signing key.
    ///
    /// # Errors
    /// When this machine does not hold it; what the device says that holds it.
    pub fn log_key(&self, origin: &str) -> Result<SignerKey, KeyError> {
        let path = self.log_file(origin);
        match read(&path)? {
            Some(text) => self.signer(origin, text.as_str(), path),
            None => Err(KeyError::NoLogKey { origin: origin.into(), path }),
        }
    }

    /// The signing key of a log that has the verifier key `vkey` now: the present one, or its successor where an exchange
    /// was interrupted.
    ///
    /// # Errors
    /// As [`Installation::log_key`]; [`KeyError::OldLogKey`] when the key here is another one.
    pub fn log_key_of(&self, origin: &str, vkey: &str) -> Result<SignerKey, KeyError> {
        let present = self.log_key(origin);
        if let Ok(key) = &present
            && key.verifier().to_string() == vkey
        {
            return present;
        }
        let next = self.next_log_file(origin);
        if let Some(text) = read(&next)? {
            let key = self.signer(origin, &text, next)?;
            if key.verifier().to_string() == vkey {
                return Ok(key);
            }
        }
        present.and_then(|_| Err(KeyError::OldLogKey { origin: origin.to_owned(), path: self.log_file(origin) }))
    }

    fn next_log_file(&self, origin: &str) -> PathBuf {
        self.ledger_dir(origin).join("log.key.next")
    }

    /// Whether a key was made that is to follow the present one.
    #[must_use]
    pub fn has_next_log_key(&self, origin: &str) -> bool {
        self.next_log_file(origin).exists()
    }

    /// The key that is to follow the present one: that at `uri`, or a new one in a file. It is kept before it is used for
    /// anything, and one that was kept before and not used yet is taken again.
    ///
    /// # Errors
    /// When it cannot be made, opened or kept.
    pub fn next_log_key(&self, origin: &str, uri: Option<&str>) -> Result<SignerKey, KeyError> {
        let path = self.next_log_file(origin);
        if let Some(text) = read(&path)?
            && address(&text) == uri
            && let Ok(key) = self.signer(origin, &text, path.clone())
        {
            return Ok(key);
        }
        let (key, text) = self.new_signer(origin, uri.map(str::to_owned))?;
        storage::replace_private(&path, text.as_bytes()).map_err(|source| KeyError::Write { path, source })?;
        Ok(key)
    }

    /// Forgets the key that was to follow.
    ///
    /// # Errors
    /// When its file cannot be removed.
    pub fn drop_next_log_key(&self, origin: &str) -> Result<(), KeyError> {
        let path = self.next_log_file(origin);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => Err(KeyError::Write { path, source }),
            _ => Ok(()),
        }
    }

    /// Puts the key that was to follow in the place of the one that is there, when it is the log's key by now. The old one
    /// is gone from then on.
    ///
    /// # Errors
    /// When the file cannot be read or moved.
    pub fn take_next_log_key(&self, origin: &str, vkey: &str) -> Result<(), KeyError> {
        if self.log_key(origin).is_ok_and(|key| key.verifier().to_string() == vkey) {
            return Ok(());
        }
        let (next, path) = (self.next_log_file(origin), self.log_file(origin));
        let Some(text) = read(&next)? else { return Ok(()) };
        if self.signer(origin, &text, next.clone())?.verifier().to_string() != vkey {
            return Ok(());
        }
        let moved = std::fs::rename(&next, &path).and_then(|()| storage::sync_private_dir(&path));
        moved.map_err(|source| KeyError::Write { path, source })
    }

    /// Makes and keeps the signing key of a new ledger: in the device that was chosen for new ledgers, else in a file.
    ///
    /// # Errors
    /// When it cannot be made or written; what the device says.
    pub fn make_log_key(&self, origin: &str) -> Result<SignerKey, KeyError> {
        let (key, text) = self.new_signer(origin, self.new_log_key()?)?;
        let path = self.log_file(origin);
        storage::create_private(&path, text.as_bytes()).map_err(|source| KeyError::Write { path, source })?;
        Ok(key)
    }

    /// A signer for the log `origin`, and the text of its key file: the key at `uri`, or a new one.
    pub(crate) fn new_signer(
        &self,
        origin: &str,
        uri: Option<String>,
    ) -> Result<(SignerKey, Zeroizing<String>), KeyError> {
        if let Some(uri) = uri {
            let key = self.signer(origin, &uri, self.dir.join(NEW_LOG_KEY))?;
            return Ok((key, Zeroizing::new(format!("{uri}\n"))));
        }
        let key = SignerKey::generate(origin).map_err(|_| KeyError::Random)?;
        let secret = key.to_text().ok_or(KeyError::Random)?;
        Ok((key, Zeroizing::new(format!("{}\n", secret.as_str()))))
    }

    /// The address of the key with which new ledgers are made; `None`: each gets a new one in a file.
    ///
    /// # Errors
    /// When the file that names it cannot be read or holds no address.
    pub fn new_log_key(&self) -> Result<Option<String>, KeyError> {
        if self.new_log_key.is_some() {
            return Ok(self.new_log_key.clone());
        }
        let path = self.dir.join(NEW_LOG_KEY);
        let Some(text) = read(&path)? else { return Ok(None) };
        match address(text.as_str()) {
            Some(uri) => Ok(Some(uri.to_owned())),
            None => Err(KeyError::Damaged { path, what: "the address of the key for new ledgers" }),
        }
    }

    /// Makes new ledgers with the key at `uri` from here on. The key is opened once, so that a wrong address is found
    /// now. Returns the 32 raw bytes of its public half.
    ///
    /// # Errors
    /// When it cannot be opened or noted.
    pub fn use_log_key(&self, uri: &str) -> Result<[u8; 32], KeyError> {
        let path = self.dir.join(NEW_LOG_KEY);
        let public = self.open(uri, &path)?.public();
        storage::replace_private(&path, format!("{uri}\n").as_bytes())
            .map_err(|source| KeyError::Write { path, source })?;
        Ok(public)
    }

    /// The note signer in a key file's text.
    pub(crate) fn signer(&self, origin: &str, text: &str, path: PathBuf) -> Result<SignerKey, KeyError> {
        let key = match address(text) {
            Some(uri) => SignerKey::remote(origin, self.open(uri, &path)?),
            None => SignerKey::parse(text.trim_end()),
        };
        key.map_err(|_| KeyError::Damaged { path, what: "the log's signing key" })
    }

    fn open(&self, uri: &str, path: &Path) -> Result<Arc<dyn RawSigner>, KeyError> {
        let opener = self.opener.as_ref().ok_or_else(|| KeyError::NoOpener { path: path.to_owned() })?;
        Ok(opener.open(uri)?)
    }
}

fn machine_key(signer: Arc<dyn RawSigner>, path: PathBuf) -> Result<MachineKey, KeyError> {
    MachineKey::remote(signer).map_err(|_| damaged_recorder(path))
}

fn damaged_recorder(path: PathBuf) -> KeyError {
    KeyError::Damaged { path, what: "the recorder's key" }
}

/// The address in a key file, when the key is in a device.
fn address(text: &str) -> Option<&str> {
    Some(text.trim_end()).filter(|line| line.starts_with(URI_SCHEME) && !line.contains('\n'))
}

fn place_of(file: PathBuf) -> Result<Option<KeyPlace>, KeyError> {
    Ok(read(&file)?.map(|text| match address(text.as_str()) {
        Some(uri) => KeyPlace::Device { uri: uri.to_owned(), file },
        None => KeyPlace::File(file),
    }))
}

/// A key file's text, overwritten when it is dropped; `None` when there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Zeroizing<String>>, KeyError> {
    use std::io::Read as _;
    let fail = |source| KeyError::Read { path: path.to_owned(), source };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(fail(source)),
    };
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_KEY_BYTES).read_to_string(&mut text).map_err(fail)?;
    Ok(Some(text))
}
