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
//! | `create` | making the tables |
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
mod passfile;
mod sequencer;
mod snapshot;
mod subjects;
mod view;
mod write;

use std::fmt;
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use countersign_evidence::note::{Note, Signature, SignerKey, VerifierKey};
use countersign_evidence::{checkpoint, cosignature};
use countersign_model::digest::to_hex;
use countersign_model::{Digest, Timestamp};

pub use self::address::Address;
use self::conn::Conn;
pub use self::error::{EXPLANATIONS, PgError};
pub use self::follow::Follower;
use self::head::{Head, Known, Signing};
use self::sequencer::{Ask, Job};
use self::view::Facts;
use crate::append::{Appended, Batch};
use crate::engine::prepare::prepare;
use crate::layout::{CHECKPOINT, Item, SUBJECTS};
use crate::source::Listed;
use crate::subjects::SubjectKeys;
use crate::{Engine, Error, Notice, Source};

/// How long a database may be away before callers are told, unless set.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(30);
/// How long a transaction of ours may stand still before the server ends it, unless set.
pub const DEFAULT_IDLE: Duration = Duration::from_secs(10);

/// How a database is spoken to.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long broken connections, lost locks and restarts are put up with before callers are told.
    pub wait: Duration,
    /// How long a transaction may stand still before the server ends it, so that a stopped process does not keep others
    /// from appending.
    pub idle: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { wait: DEFAULT_WAIT, idle: DEFAULT_IDLE }
    }
}

/// What the threads of one process share.
struct Shared {
    address: Address,
    facts: Facts,
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

    fn vkey(&self) -> Result<VerifierKey, Error> {
        self.facts.key()
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
    signing: Option<Arc<Signing>>,
    queue: Option<SyncSender<Ask>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("address", &self.shared.address).finish_non_exhaustive()
    }
}

impl Postgres {
    /// Opens the ledger at an address. With the log key it can be appended to; without, it can be read.
    ///
    /// `key` is given the log's name, and answers with its key if there is one here.
    ///
    /// # Errors
    /// [`Error::NoLedger`] when there is none; [`Error::WrongSigner`] when the key is another's; [`Error::Corrupt`] and
    /// [`PgError::Fenced`] when the head is not as a holder of the key left it; [`PgError`].
    pub fn open<E: From<Error>>(
        address: Address,
        options: Options,
        key: impl FnOnce(&str) -> Result<Option<SignerKey>, E>,
    ) -> Result<Self, E> {
        let mut conn = connect(&address, options.idle)?;
        let facts = create::facts(&mut conn, &address)?;
        let key = key(&facts.origin)?;
        Ok(Self::start(address, options, conn, facts, key)?)
    }

    fn start(
        address: Address,
        options: Options,
        mut conn: Conn,
        facts: Facts,
        key: Option<SignerKey>,
    ) -> Result<Self, Error> {
        let vkey = facts.key()?;
        if let Some(key) = &key
            && *key.verifier() != vkey
        {
            let short = |key: &VerifierKey| format!("{}+{}", key.name(), to_hex(&key.id()));
            let (given, expected) = (short(key.verifier()), short(&vkey));
            return Err(Error::WrongSigner { given, expected });
        }
        let signing = key.map(Signing::new).transpose()?.map(Arc::new);
        let server = create::Server::look(&mut conn)?;
        // One look at a state that does not change meanwhile.
        conn.batch("begin", "begin isolation level repeatable read read only")?;
        let head = Head::read(&mut conn, head::SELECT)?;
        let mut known = Known::start(&mut conn, &head, &facts.origin, &vkey)?;
        if let Some(signing) = &signing {
            signing.check(&head)?;
            server.must_be_durable()?;
            known.follow(&mut conn, &head)?;
        }
        conn.batch("commit", "commit")?;
        let shared = Arc::new(Shared {
            notifies: server.notifies && address.notifies,
            reads_keys: server.reads_keys,
            address,
            facts,
            known: Mutex::new(known),
            reader: Mutex::new(Some(conn)),
            wait: options.wait,
            idle: options.idle,
        });
        let (queue, thread) = match &signing {
            Some(signing) => {
                let conn = shared.connect()?;
                let (queue, thread) = sequencer::start(Arc::clone(&shared), Arc::clone(signing), conn)?;
                (Some(queue), Some(thread))
            }
            None => (None, None),
        };
        Ok(Self { shared, signing, queue, thread })
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
    pub const fn can_append(&self) -> bool {
        self.signing.is_some()
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

    /// The checkpoint of all that is committed where the log key is here; the published one elsewhere.
    fn checkpoint(&self) -> Result<String, Error> {
        self.shared.reading(|conn| self.checkpoint_by(conn).map(|(_, note)| note))
    }

    /// The head that `conn` sees, and its checkpoint.
    fn checkpoint_by(&self, conn: &mut Conn) -> Result<(Head, String), Error> {
        let Some(signing) = &self.signing else {
            let head = Head::read(conn, head::SELECT)?;
            let note = head.published.clone();
            return Ok((head, note));
        };
        // The row is read while nobody can learn more, so a head behind what is known has gone back.
        let mut known = self.shared.known.lock().unwrap_or_else(PoisonError::into_inner);
        let head = Head::read(conn, head::SELECT)?;
        signing.check(&head)?;
        known.follow(conn, &head)?;
        let note = head.with_cosignatures(known.sign(signing)?, self.origin(), &self.shared.vkey()?)?;
        Ok((head, note))
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
        self.ask(|answer| Ask::Append(Box::new(Job { batch, answer })))
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
            checkpoint::open(merged.as_bytes(), self.origin(), &[self.shared.vkey()?]).map_err(wrong)?;
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
        match self.shared.facts.object(name) {
            Some(bytes) => Ok(Some(bytes)),
            None if self.shared.hides(name) => Ok(None),
            None => self.shared.reading(|conn| view::read(conn, name, limit)),
        }
    }

    fn stat(&self, name: &str, limit: u64) -> Result<Option<u64>, Error> {
        match self.shared.facts.object(name) {
            Some(bytes) => Ok(Some(bytes.len() as u64)),
            None if name == CHECKPOINT => Ok(Some(self.checkpoint()?.len() as u64)),
            None if self.shared.hides(name) => Ok(None),
            None => self.shared.reading(|conn| view::stat(conn, name, limit)),
        }
    }

    fn digest(&self, name: &str, limit: u64) -> Result<Option<(u64, Digest)>, Error> {
        if name == CHECKPOINT || self.shared.facts.object(name).is_some() {
            return Ok(self.read(name, limit)?.map(|bytes| (bytes.len() as u64, Digest::of(&bytes))));
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
        let size = |conn: &mut Conn| match &self.signing {
            Some(_) => Ok(Head::read(conn, head::SELECT)?.size),
            None => {
                Ok::<_, Error>(Head::read(conn, head::SELECT)?.checkpoint(self.origin(), &self.shared.vkey()?)?.size)
            }
        };
        if self.shared.hides(dir) {
            return Ok(Some(Vec::new()));
        }
        self.shared.reading(|conn| {
            let size = size(conn)?;
            list::list(conn, dir, size).map(Some)
        })
    }

    fn snapshot(&self) -> Result<Option<Box<dyn Source>>, Error> {
        Ok(Some(Box::new(snapshot::Snapshot::take(self)?)))
    }
}
