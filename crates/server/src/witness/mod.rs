//! A witness: cosigns checkpoints of logs that it knows, and never two histories of one.
//!
//! Its directory:
//!
//! ```text
//! keys/ed25519, keys/ml-dsa-44        private keys, for the owner only
//! lock                                held by the process that serves
//! logs/<hex SHA-256 of origin>/keys        the log's verifier keys, a line each
//! logs/<hex SHA-256 of origin>/checkpoint  the newest checkpoint that was cosigned, with the cosignatures
//! logs/<hex SHA-256 of origin>/refused/    checkpoints that were signed by the log and did not fit
//! ```
//!
//! The checkpoint file is on the disk before a cosignature leaves the process, and what is checked and remembered is one step,
//! one at a time. Whoever restores an older copy of the directory makes the witness forget.

mod memory;
mod routes;

use std::fs::{self, File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use countersign_evidence::cosignature::CosignerKey;
use countersign_evidence::note::{Algorithm, VerifierKey};
use countersign_evidence::witness::{Refusal, Request, decide};
use countersign_model::Clock;
use zeroize::Zeroizing;

use crate::durable::{self, Access};
use crate::watch::Serving;
use crate::{Error, http};
use memory::Memory;

const KEYS: [(&str, Algorithm); 2] =
    [("keys/ed25519", Algorithm::Ed25519Cosignature), ("keys/ml-dsa-44", Algorithm::MlDsa44)];

/// Something that happened, for whoever runs the witness.
#[derive(Debug)]
pub enum Notice {
    /// A checkpoint was cosigned.
    Cosigned {
        /// Of which log.
        origin: String,
        /// Its size.
        size: u64,
    },
    /// A checkpoint that the log signed did not fit, and was kept.
    Kept {
        /// Of which log.
        origin: String,
        /// Whether it proves that the log has two histories.
        fork: bool,
        /// Where it is kept; none when there are too many already.
        file: Option<PathBuf>,
    },
    /// A request could not be answered because of this machine.
    Failed(Error),
}

/// What a witness answers.
#[derive(Debug)]
pub enum Reply {
    /// Cosignature lines; the checkpoint is remembered.
    Cosigned(String),
    /// Why not.
    Refused(Refusal),
}

/// An open witness: nobody else serves its directory.
#[derive(Debug)]
pub struct Witness {
    memory: Memory,
    keys: Vec<CosignerKey>,
    step: Mutex<()>,
    // Unlocked when it is closed.
    _lock: File,
}

impl Witness {
    /// Makes a witness called `name` in a new directory, with a key of each kind, and returns their public halves.
    ///
    /// # Errors
    /// [`Error::Occupied`] when something is there; [`Error::Evidence`] when the name will not do; [`Error::File`].
    pub fn create(dir: &Path, name: &str) -> Result<Vec<VerifierKey>, Error> {
        let mut keys = Vec::new();
        for (file, algorithm) in KEYS {
            keys.push((file, CosignerKey::generate(name, algorithm)?));
        }
        if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::Occupied { dir: dir.to_owned() });
        }
        for directory in [dir.to_owned(), dir.join("logs"), dir.join("keys")] {
            durable::directory(&directory).map_err(Error::file("create", &directory))?;
        }
        let mut verifiers = Vec::new();
        for (file, key) in keys {
            let text = Zeroizing::new(format!("{}\n", key.to_text().as_str()));
            let path = dir.join(file);
            durable::create(&path, text.as_bytes(), Access::Owner).map_err(Error::file("create", &path))?;
            verifiers.push(key.verifier().clone());
        }
        Ok(verifiers)
    }

    /// Makes the witness in `dir` know a log, by a key of its. A log may have several. Returns whether that is new. A witness
    /// that is being served knows it at once.
    ///
    /// # Errors
    /// [`Error::NoWitness`], [`Error::NotALog`], [`Error::File`].
    pub fn add_log(dir: &Path, key: &VerifierKey) -> Result<bool, Error> {
        read_keys(dir)?;
        Memory::at(dir).add_key(key)
    }

    /// Opens the witness in `dir` to serve it.
    ///
    /// # Errors
    /// [`Error::NoWitness`], [`Error::Busy`], [`Error::File`]; [`Error::Evidence`] when a key file is malformed.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let keys = read_keys(dir)?;
        let path = dir.join("lock");
        let lock = File::create(&path).map_err(Error::file("create", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Busy { dir: dir.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(Error::file("read", &path)(source)),
        }
        Ok(Self { memory: Memory::at(dir), keys, step: Mutex::new(()), _lock: lock })
    }

    /// The public halves of its keys.
    #[must_use]
    pub fn verifiers(&self) -> Vec<VerifierKey> {
        self.keys.iter().map(|key| key.verifier().clone()).collect()
    }

    /// Answers `add-checkpoint`. When it returns a cosignature, the checkpoint is on the disk.
    ///
    /// `now` is in seconds since the Unix epoch. A clock that goes back does not make cosignatures older than those before.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Memory`]: nothing is cosigned then.
    pub fn add_checkpoint(&self, body: &[u8], now: u64, notify: &dyn Fn(Notice)) -> Result<Reply, Error> {
        let request = match Request::parse(body) {
            Ok(request) => request,
            Err(e) => return Ok(Reply::Refused(Refusal::Malformed(e))),
        };
        let log = self.memory.log(request.origin());
        let keys = log.keys()?;
        // From here to the end of the function is one step. A step that panicked left the disk as it was or changed.
        let _step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = log.latest(&self.verifiers())?;
        let known = latest.as_ref().map(|l| &l.checkpoint);
        match decide(&request, &keys, known) {
            Ok(acceptable) => {
                let time = now.max(latest.as_ref().map_or(0, |l| l.time));
                let cosigned = acceptable.cosign(&self.keys, time)?;
                log.remember(&cosigned.note)?;
                let checkpoint = acceptable.checkpoint;
                notify(Notice::Cosigned { origin: checkpoint.origin, size: checkpoint.size });
                Ok(Reply::Cosigned(cosigned.lines))
            }
            Err(refusal) => {
                let kept = match &refusal {
                    Refusal::Stale { fork: Some(signed), .. } => Some((signed, true)),
                    Refusal::Inconsistent { signed, fork } => Some((signed, *fork)),
                    _ => None,
                };
                if let Some((signed, fork)) = kept {
                    let file = log.keep(signed, latest.as_ref(), fork)?;
                    notify(Notice::Kept { origin: request.origin().to_owned(), fork, file });
                }
                Ok(Reply::Refused(refusal))
            }
        }
    }

    /// The newest cosigned checkpoint of the log whose origin has this SHA-256, in lower-case hex.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn checkpoint(&self, hex: &str) -> Result<Option<Vec<u8>>, Error> {
        self.memory.checkpoint(hex)
    }

    /// Serves until SIGINT or SIGTERM. `ready` is told the address once connections are taken.
    ///
    /// # Errors
    /// [`Error::Listen`], [`Error::Start`].
    pub fn serve(
        self,
        listen: SocketAddr,
        clock: Arc<dyn Clock>,
        notify: Arc<dyn Fn(Notice) + Send + Sync>,
        ready: impl FnOnce(SocketAddr),
    ) -> Result<(), Error> {
        http::run(
            crate::http::Listener::bind(listen)?,
            routes::routes(self, clock, notify),
            Serving::default(),
            Arc::default(),
            http::strangers(),
            std::future::pending(),
            ready,
        )
    }
}

/// The witness's keys, of which there is one at least.
fn read_keys(dir: &Path) -> Result<Vec<CosignerKey>, Error> {
    let mut keys = Vec::new();
    for (file, algorithm) in KEYS {
        let path = dir.join(file);
        let Some(bytes) = durable::read(&path, 1024).map_err(Error::file("read", &path))? else { continue };
        let bytes = Zeroizing::new(bytes);
        let text = std::str::from_utf8(&bytes).unwrap_or_default();
        let key = CosignerKey::parse(text.strip_suffix('\n').unwrap_or(text))?;
        if key.verifier().algorithm() != algorithm {
            return Err(countersign_evidence::Error::SignerKey(
                "its algorithm is not the one its file is called after",
            )
            .into());
        }
        keys.push(key);
    }
    if keys.is_empty() { Err(Error::NoWitness { dir: dir.to_owned() }) } else { Ok(keys) }
}
