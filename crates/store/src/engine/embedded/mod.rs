//! The embedded engine: a directory, one writer, no server.
//!
//! Callers push into a bounded queue. One thread drains everything that waits, gives it its place, writes one record of
//! the write-ahead log, syncs once, and answers all of them: a busy log amortises the sync, an idle one pays for one.
//! A caller that is alone does the same in its own thread. Another thread publishes behind the answers. There are no timers
//! in the way of an answer.
//!
//! | module | holds |
//! |---|---|
//! | `wal` | the records, and what may be wrong with them |
//! | `tail` | what is acknowledged and not in files yet, laid over the directory |
//! | `queue` | who waits, and whose turn it is |
//! | `core` | the writer: places, record, sync; failures |
//! | `alone` | what is done while nobody appends: keys exchanged, payloads removed |
//! | `present` | blobs that need not be read again |
//! | `publish` | tiles, bundles, blobs, and then the checkpoint |
//! | `index` | versions of streams, idempotency keys |
//! | `socket` | other processes on the same directory |

mod alone;
mod core;
mod index;
mod present;
mod publish;
mod queue;
#[cfg(unix)]
pub(crate) mod socket;
mod tail;
pub(crate) mod wal;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use countersign_evidence::note::{Signature, SignerKey};
use countersign_model::{Diagnostic as _, Digest, Timestamp};

pub(crate) use self::core::Core;
pub(crate) use self::core::stage_blobs;
pub(crate) use self::index::Index;
pub(crate) use self::present::Present;
use self::publish::Publisher;
use self::queue::{Next, Queue};
pub(crate) use self::tail::Overlay;
use super::prepare::{Prepared, prepare};
use super::{Engine, KeyChange, Keyring};
use crate::append::{Appended, Batch};
use crate::bell::Bell;
use crate::layout::Paths;
use crate::lock::Lock;
use crate::source::{Listed, Source};
use crate::storage::{Disk, Storage};
use crate::subjects::SubjectKeys;
use crate::{Blobs, DEFAULT_LOCK_WAIT, Error, Ledger, Notice, Removal};

/// Bytes that are held for what is not published, before the writer waits for the publisher.
const MAX_HELD: usize = 256 << 20;
/// How long the publisher lets entries gather before it publishes again, unless somebody asks.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// How an engine is opened.
#[derive(Debug)]
pub struct Options {
    /// Signs the checkpoints.
    pub signer: Arc<SignerKey>,
    /// Who is asked for the keys that sign when they are exchanged; without one they are not, while this lives.
    pub keyring: Option<Arc<dyn Keyring>>,
    /// Where the index of streams and keys is kept; in memory without it. It belongs beside the log's key.
    pub index: Option<PathBuf>,
    /// Through which everything is written.
    pub storage: Arc<dyn Storage>,
    /// How long to wait for another writer to end.
    pub lock_wait: Duration,
    /// Whether other processes may append through this one, by a local socket in the ledger's directory.
    pub socket: bool,
    /// Who is told when the log cannot be published, and when it can again.
    pub observer: Observer,
}

/// What becomes of publishing while an engine is open.
#[derive(Debug)]
pub enum Publishing<'a> {
    /// It failed, or fails otherwise than before. Nothing is lost, and it is tried again; until then other clients see an
    /// older checkpoint.
    Failed {
        /// Entries that are acknowledged and not published.
        waiting: u64,
        /// Why.
        error: &'a Error,
    },
    /// It succeeds again.
    Recovered {
        /// The size of the checkpoint that is published.
        size: u64,
    },
}

/// Somebody who is told what becomes of publishing: once whenever that changes. Without one nobody is told.
#[derive(Clone, Default)]
pub struct Observer(Option<Arc<Tell>>);

type Tell = dyn Fn(Publishing<'_>) + Send + Sync;

impl Observer {
    /// Calls `tell`, from a thread of the engine.
    #[must_use]
    pub fn new(tell: impl Fn(Publishing<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    pub(crate) fn tell(&self, what: Publishing<'_>) {
        if let Some(tell) = &self.0 {
            tell(what);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observer").field(&self.0.is_some()).finish()
    }
}

impl Options {
    /// An engine that writes to the file system, keeps its index in memory, and lets no other process append.
    #[must_use]
    pub fn new(signer: Arc<SignerKey>) -> Self {
        let (storage, observer) = (Arc::new(Disk), Observer::default());
        Self { signer, keyring: None, index: None, storage, lock_wait: DEFAULT_LOCK_WAIT, socket: false, observer }
    }
}

/// What whoever has the turn works with.
struct Work {
    core: Mutex<Option<Core>>,
    queue: Queue,
    signer: RwLock<Arc<SignerKey>>,
    publisher: Arc<Publisher>,
}

/// An open ledger with its writer. Dropping it publishes what was acknowledged and ends the writer.
pub struct Embedded {
    overlay: Overlay,
    publisher: Arc<Publisher>,
    storage: Arc<dyn Storage>,
    present: Present,
    keyring: Option<Arc<dyn Keyring>>,
    /// Held together by all who append, and alone by who must know that nothing is on its way.
    gate: RwLock<()>,
    work: Arc<Work>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    ended: Arc<Bell>,
    notices: Mutex<Vec<Notice>>,
    #[cfg(unix)]
    socket: Mutex<Option<socket::Listener>>,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("place", &self.place()).finish_non_exhaustive()
    }
}

impl Embedded {
    /// Opens the ledger in `dir` for appending, for as long as this lives. What an earlier writer acknowledged and did not
    /// publish is verified and published first.
    ///
    /// # Errors
    /// As [`Ledger::open`]; [`Error::Busy`] when another process writes it; [`Error::WrongSigner`].
    pub fn open(dir: &Path, options: Options) -> Result<Arc<Self>, Error> {
        let paths = Paths::new(dir);
        let ledger = Ledger::open_with(dir, Arc::clone(&options.storage))?;
        ledger.must_be_signed_by(&options.signer)?;
        let lock = Lock::exclusive(&paths, options.lock_wait)?;
        // Read again under the lock: now nobody else changes it.
        let (overlay, found) = Overlay::read(&paths, ledger.origin(), std::slice::from_ref(ledger.vkey()))?;
        let ledger = Ledger::over(Arc::new(overlay.clone()))?;
        let storage = Arc::clone(&options.storage);
        let (core, notices) =
            Core::open(&ledger, overlay.clone(), &found, storage, None, options.index.as_deref(), lock)?;
        let publisher = Arc::clone(&core.publisher);
        let work = Arc::new(Work {
            core: Mutex::new(Some(core)),
            queue: Queue::default(),
            signer: RwLock::new(options.signer),
            publisher: Arc::clone(&publisher),
        });
        let ended = Arc::new(Bell::default());
        let writer = {
            let work = Arc::clone(&work);
            let named = std::thread::Builder::new().name("ledger-writer".into());
            named.spawn(move || work.run()).map_err(thread_failed)?
        };
        let publishing = {
            let (publisher, ended, observer) = (Arc::clone(&publisher), Arc::clone(&ended), options.observer);
            let named = std::thread::Builder::new().name("ledger-publisher".into());
            let spawned = named.spawn(move || publish_loop(&publisher, &ended, &observer));
            // Without it the writer has to end, and let go of the lock.
            spawned.map_err(thread_failed).inspect_err(|_| work.queue.end())?
        };
        let engine = Arc::new(Self {
            overlay,
            publisher,
            storage: options.storage,
            present: Present::default(),
            keyring: options.keyring,
            gate: RwLock::new(()),
            work,
            threads: Mutex::new(vec![publishing, writer]),
            ended,
            notices: Mutex::new(notices),
            #[cfg(unix)]
            socket: Mutex::new(None),
        });
        #[cfg(unix)]
        if options.socket {
            let listener = socket::Listener::start(&paths, &engine)?;
            *engine.socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
        }
        Ok(engine)
    }

    /// What was set right when the ledger was opened.
    pub fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut self.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Publishes what was acknowledged and ends the writer, whoever still holds this: they can read, and append no more.
    pub fn close(&self) {
        #[cfg(unix)]
        drop(self.socket.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.ended.ring();
        self.work.queue.end();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // What could not be published stays in the write-ahead log for the next one to open the ledger.
            let _ = thread.join();
        }
    }
}

fn gone() -> Error {
    Error::WriterGone { holder: None, source: std::io::ErrorKind::BrokenPipe.into() }
}

fn thread_failed(source: std::io::Error) -> Error {
    Error::Io { action: "start a thread for", path: "the ledger".into(), source }
}

impl Work {
    /// Writes group after group until nothing will come any more; then publishes.
    fn run(&self) {
        while let Some((writing, batches)) = self.queue.next() {
            let answers = self.commit(batches);
            writing.answer(answers);
        }
        let core = self.core.lock().ok().and_then(|mut core| core.take());
        // What could not be published stays in the write-ahead log for the next one to open the ledger.
        drop(core.map(|core| core.close().1));
    }

    /// Makes batches durable together. Whoever calls has the turn. No answers come when a writer died here before.
    fn commit(&self, batches: Vec<Prepared>) -> Vec<Result<Appended, Error>> {
        let Ok(mut core) = self.core.lock() else { return Vec::new() };
        let Some(core) = core.as_mut() else { return Vec::new() };
        let held = core.overlay.tail().held;
        if held > MAX_HELD {
            // Memory is bounded: the disk has to catch up. If it cannot, the log itself says so next.
            let _ = self.publisher.publish();
        }
        core.commit(batches, &self.signer())
    }

    fn signer(&self) -> Arc<SignerKey> {
        // It is replaced in one step.
        Arc::clone(&self.signer.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn publish_loop(publisher: &Publisher, ended: &Bell, observer: &Observer) {
    let mut failing = None;
    while !ended.wait(PUBLISH_EVERY) {
        // What fails now is tried again. Nobody waits for it, so it is told: once, until it fails otherwise or succeeds.
        match publisher.publish() {
            Ok(_) if failing.is_none() => {}
            Ok(size) => {
                failing = None;
                observer.tell(Publishing::Recovered { size });
            }
            Err(error) if failing == Some(error.code()) => {}
            Err(error) => {
                failing = Some(error.code());
                observer.tell(Publishing::Failed { waiting: publisher.overlay.unpublished(), error: &error });
            }
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.close();
    }
}

impl Engine for Embedded {
    fn append(&self, batch: Batch, now: Timestamp) -> Result<Appended, Error> {
        let _together = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let _caller = self.work.queue.enter();
        let mut prepared = prepare(batch, now)?;
        stage_blobs(&self.overlay, self.storage.as_ref(), &self.present, &mut prepared)?;
        let answer = match self.work.queue.hand_over(prepared) {
            Some(Next::Write(_turn, prepared)) => self.work.commit(vec![*prepared]).pop(),
            Some(Next::Wait(ticket)) => ticket.wait(),
            None => None,
        };
        answer.ok_or_else(gone)?
    }

    fn exchange(&self, batch: Batch, now: Timestamp, change: &KeyChange) -> Result<Appended, Error> {
        self.exchange_keys(batch, now, change)
    }

    fn remove_blobs(&self, blobs: Blobs, seen: u64, spared: &BTreeSet<u64>) -> Result<Removal, Error> {
        self.remove(blobs, seen, spared)
    }

    fn publish(&self) -> Result<Vec<Notice>, Error> {
        self.publisher.publish()?;
        Ok(self.take_notices())
    }

    fn add_cosignatures(&self, text: &str, added: &[Signature]) -> Result<bool, Error> {
        self.publisher.cosign(text, added)
    }

    fn subject_keys(&self) -> &dyn SubjectKeys {
        &self.overlay.paths
    }
}

/// What was acknowledged can be read at once, published or not.
impl Source for Embedded {
    fn place(&self) -> String {
        self.overlay.place()
    }

    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        self.overlay.read(name, limit)
    }

    fn stat(&self, name: &str, limit: u64) -> Result<Option<u64>, Error> {
        self.overlay.stat(name, limit)
    }

    fn digest(&self, name: &str, limit: u64) -> Result<Option<(u64, Digest)>, Error> {
        self.overlay.digest(name, limit)
    }

    fn list(&self, dir: &str) -> Result<Option<Vec<Listed>>, Error> {
        self.overlay.list(dir)
    }

    fn directory(&self) -> Option<&Path> {
        self.overlay.directory()
    }
}
