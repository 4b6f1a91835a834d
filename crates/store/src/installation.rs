//! The user's data directory: private keys and pins, outside every repository, readable by the user alone.
//!
//! ```text
//! recorder.key                     Ed25519, PKCS#8 PEM: signs what this installation observes
//! new-log.key                      the address of the key with which new ledgers are made, where one was chosen
//! ledgers/<16 hex>/log.key         Ed25519 note signer key: signs the checkpoints of one ledger
//! ledgers/<16 hex>/payload.key     what seals the payloads of the ledger at rest, where they are
//! ledgers/<16 hex>/log.key.next    its successor, while the key is being exchanged
//! ledgers/<16 hex>/pin.json        what this machine believes about that ledger
//! ledgers/<16 hex>/place           where the ledger lies
//! ledgers/<16 hex>/administrator   which key file `init` signed with (a path, never a key)
//! ledgers/<16 hex>/grants/         deploy grants issued here
//! ledgers/<16 hex>/projection.db   the tables folded from the ledger: a cache, safe to remove
//! ```
//! `<16 hex>` is the start of SHA-256 over the ledger's origin. A key file may hold the address of a key in a device
//! instead of a key; see [`crate::keys`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_evidence::note::VerifierKey;
use countersign_evidence::signer::{KeyOpener, RemoteError};
use countersign_model::{Diagnostic, Digest, Exit, Explanation, Place};
use serde::{Deserialize, Serialize};

use crate::projection::Watch;
use crate::storage;

/// What this machine believes about a ledger. The root of all verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Format version, 1.
    pub version: u32,
    /// The ledger's origin.
    pub origin: String,
    /// The log's verifier key.
    pub vkey: String,
    /// The entry in which the first administrator vouches for it all; `None` before `init`.
    pub trust_root: Option<PinnedEntry>,
    /// The newest checkpoint that was seen: what catches a rollback.
    pub seen: Seen,
    /// The recorder that the root of trust vouches for: a file for another machine names it, so that what it signs for tools
    /// can be checked without the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorder: Option<String>,
}

/// An entry held on to by index and leaf hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedEntry {
    /// Log index.
    pub index: u64,
    /// RFC 6962 leaf hash.
    pub entry: Digest,
}

/// A checkpoint that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// Number of entries.
    pub size: u64,
    /// Root hash.
    pub root: Digest,
}

impl Pin {
    /// Reads a pin from bytes that were read already.
    ///
    /// # Errors
    /// When they are no pin.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// Reads a pin or trust file.
    ///
    /// # Errors
    /// When the file cannot be read or is no pin.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let text = std::fs::read(path).map_err(|source| KeyError::Read { path: path.into(), source })?;
        let pin: Self = serde_json::from_slice(&text).map_err(|source| KeyError::Pin { path: path.into(), source })?;
        VerifierKey::parse(&pin.vkey)
            .map_err(|_| KeyError::Damaged { path: path.into(), what: "the log's verifier key" })?;
        Ok(pin)
    }

    /// The log's verifier key.
    ///
    /// # Errors
    /// When its text is damaged.
    pub fn verifier(&self) -> Result<VerifierKey, KeyError> {
        VerifierKey::parse(&self.vkey)
            .map_err(|_| KeyError::Damaged { path: PathBuf::from("pin.json"), what: "the log's verifier key" })
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// Never, for a pin that was made by this program.
    pub fn to_bytes(&self) -> Result<Vec<u8>, KeyError> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|source| KeyError::Pin { path: PathBuf::from("pin.json"), source })?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// The user's data directory.
#[derive(Debug, Clone)]
pub struct Installation {
    pub(crate) dir: PathBuf,
    pub(crate) opener: Option<Arc<dyn KeyOpener>>,
    pub(crate) new_log_key: Option<String>,
    pub(crate) seals_payloads: bool,
    pub(crate) demonstrates: bool,
    pub(crate) watch: Watch,
}

impl Installation {
    /// An installation whose data is in `dir`; nothing is read or made yet.
    #[must_use]
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            opener: None,
            new_log_key: None,
            seals_payloads: false,
            demonstrates: false,
            watch: Watch::default(),
        }
    }

    /// The same installation, with somebody who wants to know how far a long fold is.
    #[must_use]
    pub fn watched(self, watch: Watch) -> Self {
        Self { watch, ..self }
    }

    /// The same installation, whose new ledgers say in their origin that they are demonstrations.
    #[must_use]
    pub fn for_demonstrations(self) -> Self {
        Self { demonstrates: true, ..self }
    }

    /// Who wants to know how far a long fold is.
    #[must_use]
    pub const fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where keys and pin of one ledger are kept.
    #[must_use]
    pub fn ledger_dir(&self, origin: &str) -> PathBuf {
        let name: String = Digest::of(origin.as_bytes()).hex().chars().take(16).collect();
        self.dir.join("ledgers").join(name)
    }

    /// Where the tables folded from one ledger are kept.
    #[must_use]
    pub fn projection(&self, origin: &str) -> PathBuf {
        self.ledger_dir(origin).join("projection.db")
    }

    /// Where the index of findings is kept.
    #[must_use]
    pub fn findings(&self, origin: &str) -> PathBuf {
        self.ledger_dir(origin).join("findings.db")
    }

    /// Remembers which key file the first administrator signed with, for later acts of theirs.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remember_signer(&self, origin: &str, key_file: &Path) -> Result<(), KeyError> {
        let path = self.ledger_dir(origin).join("administrator");
        let absolute = std::path::absolute(key_file).unwrap_or_else(|_| key_file.to_owned());
        storage::replace_private(&path, absolute.as_os_str().as_encoded_bytes())
            .map_err(|source| KeyError::Write { path, source })
    }

    /// The key file that the first administrator signed with on this machine, while it is there.
    #[must_use]
    pub fn remembered_signer(&self, origin: &str) -> Option<PathBuf> {
        let text = std::fs::read_to_string(self.ledger_dir(origin).join("administrator")).ok()?;
        Some(PathBuf::from(text)).filter(|path| path.exists())
    }

    /// What this machine believes about a ledger; `None` when it never met it.
    ///
    /// # Errors
    /// When the pin is damaged: then nothing is believed.
    pub fn pin(&self, origin: &str) -> Result<Option<Pin>, KeyError> {
        let path = self.ledger_dir(origin).join("pin.json");
        if !path.exists() {
            return Ok(None);
        }
        let pin = Pin::load(&path)?;
        if pin.origin == origin {
            Ok(Some(pin))
        } else {
            Err(KeyError::Damaged { path, what: "the pin: it is for another ledger" })
        }
    }

    /// Changes a pin while nobody else does. `change` gets the pin that is there and says what is to be there; what
    /// was seen of the log never goes back.
    ///
    /// # Errors
    /// When the pin is damaged or cannot be written, or `change` says no.
    pub fn update_pin<E: From<KeyError>>(
        &self,
        origin: &str,
        change: impl FnOnce(Option<Pin>) -> Result<Pin, E>,
    ) -> Result<Pin, E> {
        let dir = self.ledger_dir(origin);
        let path = dir.join("pin.json");
        let fail = |source| KeyError::Write { path: path.clone(), source };
        storage::private_dir(&dir).map_err(fail)?;
        let lock = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(dir.join("pin.lock"));
        let lock = lock.and_then(|file| file.lock().map(|()| file)).map_err(fail)?;
        let known = self.pin(origin)?;
        let mut pin = change(known.clone())?;
        if let Some(known) = known.as_ref().filter(|known| known.seen.size > pin.seen.size) {
            pin.seen = known.seen.clone();
        }
        if known.as_ref() != Some(&pin) {
            storage::replace_private(&path, &pin.to_bytes()?).map_err(fail)?;
        }
        drop(lock);
        Ok(pin)
    }

    /// Remembers the newest checkpoint; never goes back to an older one.
    ///
    /// # Errors
    /// When the pin is damaged or cannot be written.
    pub fn remember(&self, origin: &str, size: u64, root: Digest) -> Result<(), KeyError> {
        // Nothing is pinned by being looked at.
        if self.pin(origin)?.is_none_or(|pin| pin.seen.size >= size) {
            return Ok(());
        }
        self.update_pin(origin, |pin| {
            let pin = pin.ok_or_else(|| KeyError::Damaged { path: self.ledger_dir(origin), what: "the pin" })?;
            Ok::<_, KeyError>(Pin { seen: Seen { size, root }, ..pin })
        })?;
        Ok(())
    }

    /// Notes where a ledger lies, so that its disappearance is noticed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_place(&self, origin: &str, dir: &Path) -> Result<(), KeyError> {
        let path = self.ledger_dir(origin).join("place");
        let place = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        storage::replace_private(&path, place.as_os_str().as_encoded_bytes())
            .map_err(|source| KeyError::Write { path, source })
    }

    /// Pins of the ledgers that were made on this machine in this very directory, smallest origin first.
    #[must_use]
    pub fn ledgers_at(&self, dir: &Path) -> Vec<Pin> {
        let place = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        let Ok(entries) = std::fs::read_dir(self.dir.join("ledgers")) else { return Vec::new() };
        let mut pins: Vec<Pin> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|known| std::fs::read(known.join("place")).is_ok_and(|p| p == place.as_os_str().as_encoded_bytes()))
            .filter_map(|known| Pin::load(&known.join("pin.json")).ok())
            .collect();
        pins.sort_by(|a, b| a.origin.cmp(&b.origin));
        pins
    }
}

/// What can be wrong with keys and pins.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A file in the data directory cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file in the data directory cannot be written.
    #[error("cannot write `{path}`")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A pin or trust file does not parse.
    #[error("`{path}` is no pin of a ledger")]
    Pin {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A key or pin is damaged.
    #[error("{what} in `{path}` is damaged")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What of it.
        what: &'static str,
    },
    /// This machine cannot sign for the ledger.
    #[error("this machine does not hold the signing key of the ledger `{origin}`")]
    NoLogKey {
        /// The ledger.
        origin: String,
        /// Where the key would be.
        path: PathBuf,
    },
    /// No randomness.
    #[error("the operating system gave no random bytes")]
    Random,
    /// What a device says that holds a key; code and help are its own.
    #[error(transparent)]
    Device(#[from] RemoteError),
    /// A key is in a device, and this program cannot speak to devices.
    #[error("the key that `{path}` names is in a device, and nothing here can open it")]
    NoOpener {
        /// The file that names it.
        path: PathBuf,
    },
    /// The key here was exchanged for another one, which is elsewhere.
    #[error("the log key on this machine is not the one that the ledger `{origin}` has now")]
    OldLogKey {
        /// The ledger.
        origin: String,
        /// Where the key would be.
        path: PathBuf,
    },
    /// The log has a second key, and it is not here.
    #[error("this machine does not hold the ML-DSA-44 key of the ledger `{origin}`: `{path}` is missing")]
    NoSecondKey {
        /// The ledger.
        origin: String,
        /// Where the key would be.
        path: PathBuf,
    },
    /// The second key here is not the log's.
    #[error("the ML-DSA-44 key in `{path}` is not the one that the ledger `{origin}` has now")]
    OtherSecondKey {
        /// The ledger.
        origin: String,
        /// Where the key would be.
        path: PathBuf,
    },
    /// The payloads of the ledger are stored as they are.
    #[error("the payloads of the ledger `{origin}` are not sealed: there is no payload key")]
    NotSealed {
        /// The ledger.
        origin: String,
    },
    /// The file holds the payload key of another ledger.
    #[error("the key in `{path}` is not the payload key of the ledger `{origin}`")]
    OtherPayloadKey {
        /// The file.
        path: PathBuf,
        /// The ledger.
        origin: String,
    },
    /// There is a recorder already.
    #[error("this installation has another recorder already")]
    HasRecorder {
        /// Its key file.
        path: PathBuf,
    },
}

impl Diagnostic for KeyError {
    fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "CS-KEY-001",
            Self::Write { .. } => "CS-KEY-002",
            Self::Pin { .. } => "CS-KEY-003",
            Self::Damaged { .. } => "CS-KEY-004",
            Self::NoLogKey { .. } => "CS-KEY-005",
            Self::Random => "CS-KEY-006",
            Self::Device(e) => e.code(),
            Self::NoOpener { .. } => "CS-KEY-010",
            Self::HasRecorder { .. } => "CS-KEY-011",
            Self::OldLogKey { .. } => "CS-KEY-012",
            Self::NoSecondKey { .. } => "CS-KEY-050",
            Self::OtherSecondKey { .. } => "CS-KEY-051",
            Self::NotSealed { .. } => "CS-KEY-041",
            Self::OtherPayloadKey { .. } => "CS-KEY-042",
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Pin { .. } | Self::Damaged { .. } => Exit::Unverified,
            Self::NoLogKey { .. } | Self::OldLogKey { .. } | Self::NoSecondKey { .. } | Self::OtherSecondKey { .. } => {
                Exit::Forbidden
            }
            Self::Device(e) => e.exit(),
            Self::NoOpener { .. }
            | Self::HasRecorder { .. }
            | Self::NotSealed { .. }
            | Self::OtherPayloadKey { .. } => Exit::Usage,
            Self::Read { .. } | Self::Write { .. } => Exit::Backend,
            Self::Random => Exit::Internal,
        }
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Pin { path, source } => Some(Place {
                file: path.display().to_string(),
                line: u32::try_from(source.line()).ok(),
                column: u32::try_from(source.column()).ok(),
            }),
            Self::Read { path, .. }
            | Self::Write { path, .. }
            | Self::Damaged { path, .. }
            | Self::NoOpener { path }
            | Self::OldLogKey { path, .. }
            | Self::NoSecondKey { path, .. }
            | Self::OtherSecondKey { path, .. }
            | Self::OtherPayloadKey { path, .. }
            | Self::HasRecorder { path } => Some(Place::file(path.display().to_string())),
            Self::Device(e) => e.place(),
            _ => None,
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Read { path, .. } | Self::Write { path, .. } => {
                format!("check who owns `{}`, or set COUNTERSIGN_DATA_DIR to a directory of yours", path.display())
            }
            Self::Pin { .. } => {
                "write a new one where the ledger is trusted: countersign trust export --out FILE".into()
            }
            Self::Damaged { path, .. } => format!("restore `{}` from your backup", path.display()),
            Self::NoLogKey { path, .. } | Self::OldLogKey { path, .. } => format!(
                "sign into a file and carry it over: countersign approve RUN --as SLOT --out FILE, then countersign \
                 import FILE where the ledger is kept; or put the key at `{}`",
                path.display()
            ),
            Self::NoSecondKey { path, .. } | Self::OtherSecondKey { path, .. } => format!(
                "put the key at `{}` from your backup; where it is lost, retire it: countersign ledger sign-also none",
                path.display()
            ),
            Self::Random => "run `countersign doctor`".into(),
            Self::Device(e) => e.help(),
            Self::NoOpener { .. } => "use the program `countersign` itself: it opens PKCS#11 devices".into(),
            Self::NotSealed { .. } => {
                "it is chosen when a ledger is made (countersign init --encrypt-payloads); to use this one as it is, \
                 unset COUNTERSIGN_ENCRYPT_PAYLOADS"
                    .into()
            }
            Self::OtherPayloadKey { .. } => {
                "write the right one where the ledger was made: countersign key export-payload-key FILE".into()
            }
            Self::HasRecorder { .. } => {
                "its ledgers name the recorder that is there: see it with `countersign key show`, or make the new one in \
                 another data directory (COUNTERSIGN_DATA_DIR)"
                    .into()
            }
        }
    }
}

/// The long texts behind [`KeyError`]'s codes.
pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        code: "CS-KEY-001",
        title: "a key or pin cannot be read",
        text: "Private keys and pins are kept outside every repository, in the data directory \
               (COUNTERSIGN_DATA_DIR, else $XDG_DATA_HOME/countersign, else ~/.local/share/countersign). One of \
               these files is there and cannot be read, so nothing was signed and nothing was believed.",
        exit: Exit::Backend,
    },
    Explanation {
        code: "CS-KEY-002",
        title: "a key or pin cannot be written",
        text: "The data directory is not writable or full. Nothing was signed.",
        exit: Exit::Backend,
    },
    Explanation {
        code: "CS-KEY-003",
        title: "not a pin",
        text: "A pin names a ledger's origin, its verifier key, the entry that roots its trust and the newest \
               checkpoint seen. The file given does not hold that. `countersign trust export` writes one.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-KEY-004",
        title: "a key or pin is damaged",
        text: "A file in the data directory does not hold what it should. Nothing is believed until it is restored: \
               a damaged pin could hide a forged ledger.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-KEY-005",
        title: "no signing key for this ledger",
        text: "Only the machine that made a ledger holds the key that signs its checkpoints. Elsewhere the ledger can \
               be read and verified, and an approval can be signed into a file with `approve --out FILE`, which \
               `import FILE` adds where the key is.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-KEY-006",
        title: "no random bytes",
        text: "A new key needs random bytes from the operating system, and it gave none.",
        exit: Exit::Internal,
    },
    Explanation {
        code: "CS-KEY-010",
        title: "a key in a device cannot be opened here",
        text: "A key file holds the address of a key in a device (PKCS#11). The program that reads it was built without a \
               way to speak to devices.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-KEY-011",
        title: "there is a recorder already",
        text: "Every ledger made here names this installation's recorder in entry 0, and believes no machine statement of \
               another. Putting another key in its place would leave these ledgers without a recorder, so it is not \
               done. Choose the recorder's device before the first ledger is made.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-KEY-041",
        title: "payloads are not sealed",
        text: "The payloads of this ledger are stored as they are, so there is no key that opens them. It is chosen when a \
               ledger is made, and never changes: a log does not rewrite what it holds.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-KEY-042",
        title: "the payload key of another ledger",
        text: "Entry 0 of a ledger commits to the key that its payloads are sealed with. The key in the file is another one, so \
               nothing was kept.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-KEY-012",
        title: "the log's key was exchanged",
        text: "The log's key was exchanged for another (`ledger rotate-key`), and this machine holds the one before. What it \
               would sign nobody believes, so nothing was signed.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-KEY-050",
        title: "the log's second key is missing",
        text: "An administrator ordered that every checkpoint of this log carries an ML-DSA-44 signature as well (`ledger \
               sign-also`), and the key's file is not on this machine. Nothing was appended: a checkpoint with one \
               signature would look like somebody had stripped the other. Bring the file back, or have an administrator \
               retire the key, which needs only the log's Ed25519 key.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-KEY-051",
        title: "the second key is another one",
        text: "The log names the ML-DSA-44 key that signs its checkpoints, and the file on this machine holds another. What \
               that one would sign nobody believes, so nothing was signed.",
        exit: Exit::Forbidden,
    },
];
