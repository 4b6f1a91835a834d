//! The one thread of a process that appends. It takes everything that waits, and does all of it in one transaction: lock
//! the head, check it, give out indices, write, move the head on, commit. Then it signs what was committed.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use countersign_model::Diagnostic as _;

use super::Shared;
use super::conn::Conn;
use super::error::PgError;
use super::head::{self, FAR, Head, Signing};
use super::log_keys::{self, LogKeys, Step};
use super::write::{self, Before, Placed, Plan, Verdict};
use crate::Error;
use crate::append::Appended;
use crate::engine::KeyChange;
use crate::engine::embedded::{Observer, Publishing};
use crate::engine::prepare::Prepared;

/// Batches that may wait; further callers wait for room.
const QUEUE: usize = 1024;
/// Batches in one transaction.
const GROUP: usize = 512;
/// Bytes of leaves and blobs beyond which no further batch is taken into a transaction.
const GROUP_BYTES: usize = 8 << 20;
/// Bytes that may join a transaction that holds the lock already.
const LATE_BYTES: usize = 1 << 20;
/// How long nothing must happen before the checkpoint is published by itself; the next append does it otherwise.
const QUIET: Duration = Duration::from_millis(100);
/// The longest pause between two attempts to do so.
const LONGEST_QUIET: Duration = Duration::from_secs(30);
/// Pauses between attempts.
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(300);
/// How often publishing is tried while others append: whoever appends publishes what was there before.
const PUBLISH_TRIES: u32 = 5;

/// A batch that waits, and who waits for it.
pub(super) struct Job {
    pub(super) batch: Prepared,
    /// Other keys sign from its last entry on. Such a batch has a transaction for itself.
    pub(super) change: Option<KeyChange>,
    pub(super) answer: Sender<Result<Appended, Error>>,
}

/// What is asked of the thread.
pub(super) enum Ask {
    Append(Box<Job>),
    Publish(Sender<Result<(), Error>>),
}

struct Sequencer {
    shared: Arc<Shared>,
    observer: Observer,
    conn: Option<Conn>,
    /// A batch that the last group had no place for.
    left: Option<Box<Job>>,
    /// Entries that were appended and that no checkpoint in the database covers yet, as far as is known.
    unpublished: u64,
    /// How long nothing must happen before publishing is tried.
    quiet: Duration,
    /// The code of the error for which the last attempt to publish failed.
    failing: Option<&'static str>,
}

/// A transaction that is written and not committed.
struct Pending {
    plan: Plan,
    epoch: u64,
    id: [u8; 16],
    /// What signs the head that it makes.
    signing: Arc<Signing>,
    /// The keys of the log, where it exchanges them.
    keys: Option<LogKeys>,
}

pub(super) fn start(
    shared: Arc<Shared>,
    conn: Conn,
    observer: Observer,
    unpublished: u64,
) -> Result<(SyncSender<Ask>, JoinHandle<()>), Error> {
    let (send, receive) = mpsc::sync_channel(QUEUE);
    let (conn, left, quiet, failing) = (Some(conn), None, QUIET, None);
    let mut sequencer = Sequencer { shared, observer, conn, left, unpublished, quiet, failing };
    let thread = Builder::new().name("countersign-pg".into()).spawn(move || sequencer.run(&receive));
    Ok((send, thread.map_err(|e| Error::writing("start", "thread", e))?))
}

/// What waits to be taken.
struct Waiting<'a> {
    asked: &'a Receiver<Ask>,
    /// Who asked for publication meanwhile.
    publish: Vec<Sender<Result<(), Error>>>,
}

impl Waiting<'_> {
    /// Takes what waits into the group, as long as all of it together stays below `limit` bytes. Returns a batch that was
    /// taken and has no place in it.
    fn take(&mut self, group: &mut Vec<Job>, limit: usize) -> Option<Box<Job>> {
        let mut bytes = group.iter().fold(0_usize, |sum, job| sum.saturating_add(write::weight(&job.batch)));
        while group.len() < GROUP {
            match self.asked.try_recv() {
                Ok(Ask::Append(job)) => {
                    bytes = bytes.saturating_add(write::weight(&job.batch));
                    // Two batches of one key: the second is answered from the log when the first is in it.
                    let is_twin = job.batch.key.is_some()
                        && group.iter().any(|other| {
                            let text = |job: &Job| job.batch.key.as_ref().map(|k| k.text.clone());
                            text(other) == text(&job)
                        });
                    if bytes > limit || is_twin || job.change.is_some() {
                        return Some(job);
                    }
                    group.push(*job);
                }
                Ok(Ask::Publish(answer)) => self.publish.push(answer),
                Err(_) => return None,
            }
        }
        None
    }
}

impl Sequencer {
    /// Works until nobody can ask any more; then publishes what is left to publish.
    fn run(&mut self, asked: &Receiver<Ask>) {
        loop {
            let next = match self.left.take() {
                Some(job) => Ok(Ask::Append(job)),
                None if self.unpublished > 0 => asked.recv_timeout(self.quiet),
                None => asked.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match next {
                Ok(Ask::Append(job)) => {
                    for answer in self.gather(*job, asked) {
                        self.answer_publish(&answer);
                    }
                }
                Ok(Ask::Publish(answer)) => self.answer_publish(&answer),
                Err(reason) => {
                    // Nobody waits for it, so it is told when it fails. It is tried again, and whoever appends or starts next
                    // publishes it, too.
                    if self.unpublished > 0 {
                        let done = self.publish();
                        self.published(&done);
                    }
                    if reason == RecvTimeoutError::Disconnected {
                        return;
                    }
                }
            }
        }
    }

    fn answer_publish(&mut self, answer: &Sender<Result<(), Error>>) {
        let done = self.publish();
        self.published(&done);
        // Who asked may have gone.
        let _ = answer.send(done);
    }

    /// What an attempt to publish is followed by.
    fn published(&mut self, done: &Result<(), Error>) {
        match done {
            Ok(()) => {
                (self.unpublished, self.quiet) = (0, QUIET);
                if self.failing.take().is_some() {
                    let size = self.shared.known().edge.size();
                    self.observer.tell(Publishing::Recovered { size });
                }
            }
            Err(error) => {
                self.quiet = (self.quiet * 2).min(LONGEST_QUIET);
                if self.failing != Some(error.code()) {
                    self.failing = Some(error.code());
                    self.observer.tell(Publishing::Failed { waiting: self.unpublished, error });
                }
            }
        }
    }

    /// Takes what waits, and appends it. Returns who asked for publication in between.
    fn gather(&mut self, first: Job, asked: &Receiver<Ask>) -> Vec<Sender<Result<(), Error>>> {
        let mut waiting = Waiting { asked, publish: Vec::new() };
        let mut group = vec![first];
        if !is_exchange(&group) {
            self.left = waiting.take(&mut group, GROUP_BYTES);
        }
        self.append(group, &mut waiting);
        waiting.publish
    }

    /// Appends a group; tries again where that is sound, as long as there is time.
    fn append(&mut self, mut group: Vec<Job>, waiting: &mut Waiting<'_>) {
        let start = Instant::now();
        let mut pause = PAUSE;
        while !group.is_empty() {
            let Err(error) = self.attempt(&mut group, waiting) else { continue };
            if !is_transient(&error) || start.elapsed() > self.shared.wait {
                for job in group.drain(..) {
                    let _ = job.answer.send(Err(copy(&error)));
                }
                return;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One transaction. Batches that are answered leave the group; after an error none of those that are left in it has
    /// been appended, unless the error is [`PgError::Unsettled`].
    fn attempt(&mut self, group: &mut Vec<Job>, waiting: &mut Waiting<'_>) -> Result<(), Error> {
        let mut conn = self.connect()?;
        let written = self.write(&mut conn, group, waiting);
        let Ok(Some(pending)) = written else {
            // A rollback that fails leaves a connection that is of no use.
            if conn.batch("roll back", "rollback").is_ok() {
                self.conn = Some(conn);
            }
            return written.map(|_| ());
        };
        let commit = if self.shared.notifies {
            format!("select pg_notify('{}', '{}'); commit", self.shared.channel(), pending.plan.edge.size())
        } else {
            "commit".to_owned()
        };
        match conn.batch("commit", &commit) {
            Ok(()) => self.conn = Some(conn),
            // It may have happened or not: the database knows.
            Err(error) => {
                drop(conn);
                self.settle(&pending, error)?;
            }
        }
        self.unpublished = self.unpublished.saturating_add(pending.plan.len());
        self.committed(pending, group);
        Ok(())
    }

    /// The connection, made anew where it broke.
    fn connect(&mut self) -> Result<Conn, Error> {
        match self.conn.take().filter(|conn| !conn.is_closed()) {
            Some(conn) => Ok(conn),
            None => self.shared.connect(),
        }
    }

    /// Everything but the commit. `None` when nothing is to be committed: some batches were answered, or the log was
    /// too far ahead.
    fn write(
        &mut self,
        conn: &mut Conn,
        group: &mut Vec<Job>,
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<Pending>, Error> {
        conn.batch("begin", "begin isolation level read committed")?;
        // Before the lock, for it may take long.
        let mut found = write::blobs(conn, group)?;
        let head = Head::read(conn, head::LOCK)?;
        let (edge, signing, before) = {
            let mut known = self.shared.known();
            let signing = self.shared.signing(conn, &head, &mut known)?;
            if head.size.saturating_sub(known.edge.size()) > FAR {
                // Nobody should wait for the lock meanwhile.
                conn.batch("roll back", "rollback")?;
                let (head, _) = self.shared.head(conn, &mut known)?;
                known.follow(conn, &head)?;
                return Ok(None);
            }
            known.follow(conn, &head)?;
            let keys = self.shared.keys();
            let before = if signing.is_whole() {
                // What is locked is committed, so it may be signed.
                let note = head.with_cosignatures(known.sign(&signing)?, &keys)?;
                Before { note, size: head.size }
            } else if is_exchange(group) {
                // A second key that is lost is given up so. What it cannot sign any more is not published.
                Before { size: keys.published(&head.published)?.size, note: head.published.clone() }
            } else {
                return Err(self.exchanged());
            };
            (known.edge.clone(), signing, before)
        };
        // Those that came while the lock was waited for go along: each front-end has its turn with all that it has. What
        // is large stays for the next turn, for its blobs would be written while others wait.
        if self.left.is_none() && !is_exchange(group) {
            let before = group.len();
            self.left = waiting.take(group, LATE_BYTES);
            if let Some(late) = group.get(before..).filter(|late| !late.is_empty()) {
                found.extend(write::blobs(conn, late)?);
            }
        }
        if !write::are_there(conn, &found)? {
            // Some were disposed of in between: all of it again, and they are written.
            return Ok(None);
        }
        let (plan, verdicts) = Plan::make(conn, &head, edge, group)?;
        if verdicts.iter().any(|v| !matches!(v, Verdict::Placed)) {
            answer_some(group, verdicts, &head, &before.note);
            return Ok(None);
        }
        let (signing, keys) = match group.iter().find_map(|job| job.change.clone()) {
            None => (signing, None),
            Some(change) => {
                let (signing, keys) = self.exchange(conn, &plan, change)?;
                (signing, Some(keys))
            }
        };
        let epoch = head.epoch.saturating_add(1);
        let id = countersign_evidence::random::<16>()?;
        write::all(conn, &plan, &head, epoch, &id, &signing, &before)?;
        Ok(Some(Pending { plan, epoch, id, signing, keys }))
    }

    /// Notes the exchange, and gets what signs from here on. The head is locked, so no other exchange comes in between, and
    /// the seal of the new keys on the head keeps everybody out who knows the former ones alone.
    fn exchange(&self, conn: &mut Conn, plan: &Plan, change: KeyChange) -> Result<(Arc<Signing>, LogKeys), Error> {
        let index = plan.edge.size().saturating_sub(1);
        let keys = self.shared.keys().as_ref().clone().with(index, change.clone())?;
        let held = self.shared.keyring.held(&keys.asked())?.map(|held| Signing::new(held, &keys));
        let signing = held.transpose()?.flatten().filter(Signing::is_whole).ok_or_else(|| self.exchanged())?;
        log_keys::put(conn, &Step { index, change })?;
        Ok((Arc::new(signing), keys))
    }

    fn exchanged(&self) -> Error {
        PgError::KeyExchanged { origin: self.shared.facts.origin.clone() }.into()
    }

    /// Finds out whether a transaction stands whose commit was not answered. The lock on the head is had only when the
    /// old transaction is over, one way or the other.
    fn settle(&mut self, pending: &Pending, error: PgError) -> Result<(), Error> {
        let start = Instant::now();
        let mut last = Error::from(error);
        while start.elapsed() <= self.shared.wait {
            match self.look_for(pending) {
                Ok(true) => return Ok(()),
                // It was rolled back, so all of it may be done again.
                Ok(false) => return Err(PgError::rolled_back(self.shared.address.place()).into()),
                Err(e) if is_transient(&e) => last = e,
                Err(e) => return Err(e),
            }
            std::thread::sleep(LONGEST_PAUSE);
        }
        let (place, what) = (self.shared.address.place().to_owned(), last.to_string());
        Err(PgError::Unsettled { place, what }.into())
    }

    fn look_for(&mut self, pending: &Pending) -> Result<bool, Error> {
        let mut conn = self.shared.connect()?;
        conn.batch("begin", "begin")?;
        Head::read(&mut conn, head::LOCK)?;
        let sql = "select 1 from @.commits where epoch = $1 and id = $2";
        let row = conn.row("look for a transaction", sql, &[&head::signed(pending.epoch)?, &pending.id.as_slice()])?;
        conn.batch("roll back", "rollback")?;
        self.conn = Some(conn);
        Ok(row.is_some())
    }

    /// What was committed is known, signed, and answered.
    fn committed(&self, pending: Pending, group: &mut Vec<Job>) {
        let Pending { plan, signing, keys, .. } = pending;
        let (size, root) = (plan.edge.size(), plan.edge.root());
        let note = {
            let mut known = self.shared.known();
            if let Some(keys) = keys {
                let mut log = self.shared.log();
                (log.keys, log.signing) = (Arc::new(keys), Some(Arc::clone(&signing)));
            }
            if known.edge.size() < size {
                known.edge = plan.edge;
            }
            if known.edge.size() == size { known.sign(&signing) } else { signing.sign(size, root) }
        };
        for (job, placed) in group.drain(..).zip(plan.placed) {
            let answer = match &note {
                Ok(note) => Ok(answer(placed, size, root, note, false)),
                Err(e) => Err(copy(e)),
            };
            // Who asked may have gone.
            let _ = job.answer.send(answer);
        }
    }

    /// Publishes a checkpoint of everything that was committed: compare and swap on size, root and epoch.
    fn publish(&mut self) -> Result<(), Error> {
        let mut conn = self.connect()?;
        for _ in 0..PUBLISH_TRIES {
            let (head, note) = {
                let mut known = self.shared.known();
                let (head, signing) = self.shared.head(&mut conn, &mut known)?;
                if !signing.is_whole() {
                    return Err(self.exchanged());
                }
                known.follow(&mut conn, &head)?;
                let note = known.sign(&signing)?;
                (head, note)
            };
            if self.shared.keys().open(&head.published).is_ok_and(|c| c.size == head.size) {
                break;
            }
            if write::publish(&mut conn, &head, &note)? {
                if self.shared.notifies {
                    // Those who cannot sign follow the published checkpoint. Who misses this call finds it by looking.
                    conn.batch("tell others", &format!("select pg_notify('{}', '')", self.shared.channel()))?;
                }
                break;
            }
        }
        self.conn = Some(conn);
        Ok(())
    }
}

/// Whether this group is one batch that exchanges keys.
fn is_exchange(group: &[Job]) -> bool {
    group.iter().any(|job| job.change.is_some())
}

/// Answers those batches that are not appended; the others stay in the group, for the next attempt.
fn answer_some(group: &mut Vec<Job>, verdicts: Vec<Verdict>, head: &Head, note: &str) {
    for (job, verdict) in std::mem::take(group).into_iter().zip(verdicts) {
        let answer = match verdict {
            Verdict::Placed => {
                group.push(job);
                continue;
            }
            Verdict::Repeated(placed) => Ok(answer(placed, head.size, head.root, note, true)),
            Verdict::Refused(error) => Err(error),
        };
        let _ = job.answer.send(answer);
    }
}

fn answer(placed: Placed, size: u64, root: [u8; 32], note: &str, repeated: bool) -> Appended {
    let Placed { first: first_index, time } = placed;
    Appended { first_index, size, root, time, checkpoint: note.to_owned(), repeated, notices: Vec::new() }
}

/// Whether the same may succeed when it is tried again.
pub(super) fn is_transient(error: &Error) -> bool {
    match error {
        Error::Postgres(PgError::Unreachable { .. }) => true,
        // Serialization failure, deadlock, lock or statement time-out, too many connections, idle in a transaction.
        Error::Postgres(PgError::Refused { state, .. }) => {
            matches!(state.as_str(), "40001" | "40P01" | "40003" | "55P03" | "57014" | "53300" | "25P03" | "25P04")
        }
        _ => false,
    }
}

/// The same error for another caller.
fn copy(error: &Error) -> Error {
    match error {
        Error::Postgres(error) => error.clone().into(),
        Error::Corrupt { file, entry, what } => Error::corrupt(file, *entry, what),
        other => Error::Told {
            code: other.code(),
            what: other.to_string(),
            help: other.help(),
            exit: other.exit(),
            conflict: false,
        },
    }
}
