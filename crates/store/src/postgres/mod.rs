//! A ledger in PostgreSQL: many servers append to one log.
//!
//! ```text
//! callers ─► queue ─► one thread a process ─► begin, blobs, lock the head, check, write, move the head on, commit
//!                                            ─► sign what was committed ─► answer everyone ─► publish when quiet
//! ```
//!
//! **Sequencer.** The row `head` is locked by whoever appends, so indices are dense and there is one order. Batches that
//! wait in a process are appended in one transaction.
//!
//! **Signing.** A note is signed only after the transaction that made its head has been committed: Ed25519 is
//! deterministic, so two servers that sign one committed head sign the very same note, and a head that was never
//! committed is never signed. The head carries a seal by a key derived from the log key, so that nobody without the log
//! key can have a head of his making signed. Publishing compares and swaps on size, root and epoch.
//!
//! **Fence.** Before it appends or signs, a process follows the log from what it saw last to the head, and refuses a head
//! that does not continue it. A process that was stopped and goes on finds the head where others have left it.
//!
//! | module | holds |
//! |---|---|
//! | [`address`] | `postgres://…`, and when TLS is spoken |
//! | `conn` | a connection |
//! | `head` | the head's row, its seal, what this process knows of the log |
//! | `sequencer`, `write` | the thread that appends, and the rows it writes |
//! | `view`, `list` | the ledger's objects, made from rows |
//! | `log_keys` | the keys that sign, by the entries that say so, and who holds them |
//! | `create` | making the tables |
//! | `remove` | payloads that were disposed of |
//! | [`Follower`] | learning of entries that others appended |
//! | `examine` | what only the database has, held against the entries |

pub mod address;
mod conn;
mod create;
pub mod error;
mod examine;
mod follow;
mod head;
mod list;
mod log_keys;
mod passfile;
mod remove;
mod sequencer;
mod snapshot;
mod subjects;
mod view;
mod write;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use countersign_evidence::checkpoint::Checkpoint;
use countersign_evidence::cosignature;
use countersign_evidence::note::{Note, Signature};
use countersign_model::{Digest, Timestamp};

pub use self::address::Address;
use self::conn::Conn;
pub use self::error::{EXPLANATIONS, PgError};
pub use self::follow::Follower;
use self::head::{Head, Known, Signing};
use self::log_keys::LogKeys;
use self::sequencer::{Ask, Job};
use self::view::Facts;
use crate::append::{Appended, Batch};
use crate::engine::KeyChange;
use crate::engine::embedded::Observer;
use crate::engine::prepare::prepare;
pub use crate::engine::{Asked, Held, Keyring};
use crate::layout::{CHECKPOINT, Item, SUBJECTS};
use crate::source::Listed;
use crate::subjects::SubjectKeys;
use crate::{Blobs, Engine, Error, Notice, Removal, Source};

/// How long a database may be away before callers are told, unless set.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(30);
/// How long a transaction of ours may stand still before the server ends it, unless set.
pub const DEFAULT_IDLE: Duration = Duration::from_secs(10);

/// How a database is spoken to.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long broken connections, lost locks and restarts are put up with before callers are told.
    pub wait: Duration,
    /// How long a transaction may stand still before the server ends it, so that a stopped process does not keep others
    /// from appending.
    pub idle: Duration,
    /// Who is told when the log cannot be published, and when it can again.
    pub observer: Observer,
}

impl Default for Options {
    fn default() -> Self {
        Self { wait: DEFAULT_WAIT, idle: DEFAULT_IDLE, observer: Observer::default() }
    }
}

/// The keys of the log as this process knows them, and what it can do with them.
#[derive(Debug)]
struct Log {
    keys: Arc<LogKeys>,
    /// Where the log key is here: or was, until others took over.
    signing: Option<Arc<Signing>>,
    /// The published note up to which the keys were read, where they are read for that.
    read_for: String,
}

/// What the threads of one process share.
struct Shared {
    address: Address,
    facts: Facts,
    keyring: Arc<dyn Keyring>,
    log: Mutex<Log>,
    known: Mutex<Known>,
    reader: Mutex<Option<Conn>>,
    wait: Duration,
    idle: Duration,
    /// Whether the server has LISTEN and NOTIFY, as stock PostgreSQL does, and the address does not switch them off.
    notifies: bool,
    /// Whether this role may read the keys that seal people's data.
    reads_keys: bool,
}

impl Shared {
    fn connect(&self) -> Result<Conn, Error> {
        connect(&self.address, self.idle)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        // It is replaced in one step.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // It is replaced in one step.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys(&self) -> Arc<LogKeys> {
        Arc::clone(&self.log().keys)
    }

    fn has_key(&self) -> bool {
        self.log().signing.is_some()
    }

    /// Reads the keys anew. None of those that were known may have gone.
    fn read_keys(&self, conn: &mut Conn) -> Result<Arc<LogKeys>, Error> {
        let keys = Arc::new(LogKeys::read(conn, &self.facts.origin, &self.facts.vkey)?);
        let mut log = self.log();
        if !keys.continues(&log.keys) {
            return Err(head::fenced("exchanges of its keys that this process has seen are gone"));
        }
        log.keys = Arc::clone(&keys);
        Ok(keys)
    }

    /// What signs this head: the keys the seal of which it carries. Where others sign by now than this process knows, it looks
    /// for them. `_known` is held meanwhile, so that nobody learns of keys which come after the head.
    fn signing(&self, conn: &mut Conn, head: &Head, _known: &mut Known) -> Result<Arc<Signing>, Error> {
        let (keys, signing) = {
            let log = self.log();
            (Arc::clone(&log.keys), log.signing.clone())
        };
        let origin = || self.facts.origin.clone();
        let signing = signing.ok_or_else(|| PgError::NoKey { origin: origin() })?;
        if signing.is_of(&keys) && signing.check(head).is_ok() {
            return Ok(signing);
        }
        let keys = self.read_keys(conn)?;
        if signing.is_of(&keys) {
            signing.check(head)?;
            return Ok(signing);
        }
        let held = self.keyring.held(&keys.asked())?.map(|held| Signing::new(held, &keys));
        let signing = held.transpose()?.flatten().ok_or_else(|| PgError::KeyExchanged { origin: origin() })?;
        signing.check(head)?;
        let signing = Arc::new(signing);
        self.log().signing = Some(Arc::clone(&signing));
        Ok(signing)
    }

    /// The head as it is at this moment, and what signs it.
    fn head(&self, conn: &mut Conn, known: &mut Known) -> Result<(Head, Arc<Signing>), Error> {
        // The row is read while nobody can learn more, so a head behind what is known has gone back.
        let before = self.keys();
        let head = Head::read(conn, head::SELECT)?;
        match self.signing(conn, &head, known) {
            // The keys may have been exchanged after the head was read, and before they were.
            Err(Error::Postgres(PgError::Fenced { .. })) if self.keys() != before => {
                let head = Head::read(conn, head::SELECT)?;
                let signing = self.signing(conn, &head, known)?;
                Ok((head, signing))
            }
            signing => Ok((head, signing?)),
        }
    }

    /// Opens the published note by the keys that were in force for it, which are read anew for each. Returns the keys as of
    /// its size.
    fn published(&self, conn: &mut Conn, note: &str) -> Result<(Checkpoint, LogKeys), Error> {
        let mut keys = self.keys();
        if self.log().read_for != note {
            keys = self.read_keys(conn)?;
            note.clone_into(&mut self.log().read_for);
        }
        let checkpoint = keys.published(note)?;
        Ok((checkpoint.clone(), keys.at(checkpoint.size)))
    }

    /// The keys of the log as far as it is read here: to its head where the keys that sign now are here, to what is published
    /// elsewhere. With its size.
    fn visible(&self, conn: &mut Conn) -> Result<(u64, LogKeys), Error> {
        let head = Head::read(conn, head::SELECT)?;
        let (keys, signs) = {
            let log = self.log();
            (Arc::clone(&log.keys), log.signing.as_ref().is_some_and(|s| s.is_of(&log.keys)))
        };
        if signs {
            return Ok((head.size, keys.as_ref().clone()));
        }
        let (checkpoint, keys) = self.published(conn, &head.published)?;
        Ok((checkpoint.size, keys))
    }

    fn channel(&self) -> String {
        format!("countersign_{}", self.address.schema())
    }

    /// Whether a name is that of the keys of people or of one of them, and this role may not read them.
    fn hides(&self, name: &str) -> bool {
        !self.reads_keys && (name == SUBJECTS || matches!(Item::of(name), Item::Subject))
    }

    /// Reads, and connects again where the connection broke.
    fn reading<T>(&self, mut read: impl FnMut(&mut Conn) -> Result<T, Error>) -> Result<T, Error> {
        let start = Instant::now();
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let result = match reader.take().filter(|conn| !conn.is_closed()) {
                Some(conn) => Ok(conn),
                None => self.connect(),
            };
            let result = result.and_then(|mut conn| {
                let result = read(&mut conn);
                *reader = Some(conn);
                result
            });
            match result {
                Err(e) if sequencer::is_transient(&e) && start.elapsed() <= self.wait => {
                    std::thread::sleep(Duration::from_millis(100));
                }
                other => return other,
            }
        }
    }
}

fn connect(address: &Address, idle: Duration) -> Result<Conn, Error> {
    Conn::open(address, u32::try_from(idle.as_millis()).unwrap_or(u32::MAX))
}

/// A ledger in PostgreSQL.
pub struct Postgres {
    shared: Arc<Shared>,
    queue: Option<SyncSender<Ask>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("address", &self.shared.address).finish_non_exhaustive()
    }
}

impl Postgres {
    /// Opens the ledger at an address. With the keys that sign the log now it can be appended to; without, it can be read.
    ///
    /// `keyring` is asked for them, and again when others sign.
    ///
    /// # Errors
    /// [`Error::NoLedger`] when there is none; [`Error::Corrupt`] and [`PgError::Fenced`] when the head is not as a holder of
    /// the key left it; [`PgError`]; what the keyring says.
    pub fn open(address: Address, options: Options, keyring: Arc<dyn Keyring>) -> Result<Self, Error> {
        let mut conn = connect(&address, options.idle)?;
        let facts = create::facts(&mut conn, &address)?;
        let keys = LogKeys::read(&mut conn, &facts.origin, &facts.vkey)?;
        let held = keyring.held(&keys.asked())?.map(|held| Signing::new(held, &keys));
        Self::start(address, options, conn, facts, keys, held.transpose()?.flatten(), keyring)
    }

    fn start(
        address: Address,
        options: Options,
        mut conn: Conn,
        facts: Facts,
        keys: LogKeys,
        signing: Option<Signing>,
        keyring: Arc<dyn Keyring>,
    ) -> Result<Self, Error> {
        let server = create::Server::look(&mut conn)?;
        // One look at a state that does not change meanwhile.
        conn.batch("begin", "begin isolation level repeatable read read only")?;
        let head = Head::read(&mut conn, head::SELECT)?;
        let now = LogKeys::read(&mut conn, &facts.origin, &facts.vkey)?;
        if now != keys && now.continues(&keys) {
            // They were exchanged since they were looked at.
            drop(conn);
            return Self::open(address, options, keyring);
        }
        let mut known = Known::start(&mut conn, &head, &keys)?;
        let published = known.edge.size();
        if let Some(signing) = &signing {
            signing.check(&head)?;
            server.must_be_durable()?;
            known.follow(&mut conn, &head)?;
        }
        conn.batch("commit", "commit")?;
        let has_key = signing.is_some();
        let shared = Arc::new(Shared {
            notifies: server.notifies && address.notifies,
            reads_keys: server.reads_keys,
            address,
            facts,
            keyring,
            log: Mutex::new(Log { keys: Arc::new(keys), signing: signing.map(Arc::new), read_for: String::new() }),
            known: Mutex::new(known),
            reader: Mutex::new(Some(conn)),
            wait: options.wait,
            idle: options.idle,
        });
        let (mut queue, mut thread) = (None, None);
        if has_key {
            let conn = shared.connect()?;
            // What one who died had no time to publish.
            let unpublished = head.size.saturating_sub(published);
            let started = sequencer::start(Arc::clone(&shared), conn, options.observer, unpublished)?;
            (queue, thread) = (Some(started.0), Some(started.1));
        }
        Ok(Self { shared, queue, thread })
    }

    /// The ledger's address, without password.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.shared.facts.origin
    }

    /// Whether the log key is here.
    #[must_use]
    pub fn can_append(&self) -> bool {
        self.shared.has_key()
    }

    /// Whether this role may read the keys that seal people's data. To one that may not, the ledger is one without them.
    #[must_use]
    pub fn reads_subject_keys(&self) -> bool {
        self.shared.reads_keys
    }

    /// Learns of entries that others append; without the log key, of checkpoints that others publish.
    ///
    /// # Errors
    /// [`PgError`].
    pub fn follow(&self) -> Result<Follower, Error> {
        Follower::new(Arc::clone(&self.shared), self.can_append())
    }

    /// The checkpoint of all that is committed where the keys that sign it are here; the published one elsewhere.
    fn checkpoint(&self) -> Result<String, Error> {
        self.shared.reading(|conn| self.checkpoint_by(conn, false).map(|(_, note)| note))
    }

    /// The head that `conn` sees, and its checkpoint. With `whole` it carries every signature that it must have, or it is the
    /// published one.
    fn checkpoint_by(&self, conn: &mut Conn, whole: bool) -> Result<(Head, String), Error> {
        let shared = &self.shared;
        let published = |head: Head| {
            let note = head.published.clone();
            (head, note)
        };
        if !shared.has_key() {
            return Head::read(conn, head::SELECT).map(published);
        }
        let mut known = shared.known();
        let (head, signing) = match shared.head(conn, &mut known) {
            // For who does not hold the new key the log is what its holders publish.
            Err(Error::Postgres(PgError::KeyExchanged { .. })) => return Head::read(conn, head::SELECT).map(published),
            found => found?,
        };
        known.follow(conn, &head)?;
        if whole && !signing.is_whole() {
            return Ok(published(head));
        }
        let note = head.with_cosignatures(known.sign(&signing)?, &shared.keys())?;
        Ok((head, note))
    }

    /// What the ledger is, and the keys that sign it.
    fn object(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        if LogKeys::is_one(name) {
            return self.shared.reading(|conn| Ok(self.shared.visible(conn)?.1.object(name)));
        }
        Ok(self.shared.facts.object(name))
    }

    fn ask<T>(&self, make: impl FnOnce(mpsc::Sender<Result<T, Error>>) -> Ask) -> Result<T, Error> {
        let no_key = || PgError::NoKey { origin: self.shared.facts.origin.clone() };
        let queue = self.queue.as_ref().ok_or_else(no_key)?;
        let (send, receive) = mpsc::channel();
        let gone = || PgError::rolled_back(self.shared.address.place());
        queue.send(make(send)).map_err(|_| gone())?;
        receive.recv().map_err(|_| gone())?
    }
}

/// The thread ends when nobody can ask any more; what was acknowledged is published by then.
impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // It panicked, if this fails; there is nothing to clean up after it.
            let _ = thread.join();
        }
    }
}

impl Engine for Postgres {
    fn append(&self, batch: Batch, now: Timestamp) -> Result<Appended, Error> {
        let batch = prepare(batch, now)?;
        self.ask(|answer| Ask::Append(Box::new(Job { batch, change: None, answer })))
    }

    fn exchange(&self, batch: Batch, now: Timestamp, change: &KeyChange) -> Result<Appended, Error> {
        let mut conn = self.shared.connect()?;
        if !log_keys::is_there(&mut conn)? {
            create::make_tables(&mut conn, &self.shared.address)?;
        }
        let (batch, change) = (prepare(batch, now)?, Some(change.clone()));
        let mut appended = self.ask(|answer| Ask::Append(Box::new(Job { batch, change, answer })))?;
        if let Err(e) = self.publish() {
            let what =
                format!("the exchange is done; its checkpoint will be published later, for now it could not: {e}");
            appended.notices.push(Notice { code: crate::code::UNPUBLISHED, what });
        }
        Ok(appended)
    }

    fn remove_blobs(&self, blobs: Blobs, seen: u64, spared: &BTreeSet<u64>) -> Result<Removal, Error> {
        remove::blobs(&self.shared, blobs, seen, spared)
    }

    fn publish(&self) -> Result<Vec<Notice>, Error> {
        self.ask(Ask::Publish)?;
        Ok(Vec::new())
    }

    fn add_cosignatures(&self, text: &str, added: &[Signature]) -> Result<bool, Error> {
        self.publish()?;
        self.shared.reading(|conn| {
            let head = Head::read(conn, head::SELECT)?;
            let wrong = |e: countersign_evidence::Error| Error::corrupt(CHECKPOINT, None, e.to_string());
            if Note::parse(head.published.as_bytes()).map_err(wrong)?.text != text {
                return Ok(false);
            }
            let merged = cosignature::merge(head.published.as_bytes(), added).map_err(wrong)?;
            self.shared.keys().open(&merged).map_err(wrong)?;
            // Another may have cosigned it or moved on: then nothing is lost, and it is asked for again.
            let sql = "update @.head set checkpoint = $1 where one = 1 and checkpoint = $2";
            Ok(conn.execute("cosign the checkpoint", sql, &[&merged, &head.published])? == 1)
        })
    }

    fn subject_keys(&self) -> &dyn SubjectKeys {
        self
    }
}

impl Source for Postgres {
    fn place(&self) -> String {
        self.shared.address.place().to_owned()
    }

    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        if name == CHECKPOINT {
            return Ok(Some(self.checkpoint()?.into_bytes()));
        }
        match self.object(name)? {
            Some(bytes) => Ok(Some(bytes)),
            None if self.shared.hides(name) => Ok(None),
            None => self.shared.reading(|conn| view::read(conn, name, limit)),
        }
    }

    fn stat(&self, name: &str, limit: u64) -> Result<Option<u64>, Error> {
        match self.object(name)? {
            Some(bytes) => Ok(Some(bytes.len() as u64)),
            None if name == CHECKPOINT => Ok(Some(self.checkpoint()?.len() as u64)),
            None if self.shared.hides(name) => Ok(None),
            None => self.shared.reading(|conn| view::stat(conn, name, limit)),
        }
    }

    fn digest(&self, name: &str, limit: u64) -> Result<Option<(u64, Digest)>, Error> {
        let bytes = if name == CHECKPOINT { self.read(name, limit)? } else { self.object(name)? };
        if let Some(bytes) = bytes {
            return Ok(Some((bytes.len() as u64, Digest::of(&bytes))));
        }
        if self.shared.hides(name) {
            return Ok(None);
        }
        self.shared.reading(|conn| view::digest(conn, name, limit))
    }

    fn is_original(&self) -> bool {
        true
    }

    fn list(&self, dir: &str) -> Result<Option<Vec<Listed>>, Error> {
        if self.shared.hides(dir) {
            return Ok(Some(Vec::new()));
        }
        self.shared.reading(|conn| {
            let (size, keys) = self.shared.visible(conn)?;
            list::list(conn, dir, size, keys.rotations()).map(Some)
        })
    }

    fn snapshot(&self) -> Result<Option<Box<dyn Source>>, Error> {
        Ok(Some(Box::new(snapshot::Snapshot::take(self)?)))
    }
}
