//! The writer. It holds the lock, and it alone gives entries their place.
//!
//! One batch of appends costs one write and one sync, of the write-ahead log. The record carries the signed checkpoint
//! that covers it, so the answer needs nothing else; tiles follow ([`super::publish`]).

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use countersign_evidence::checkpoint::Checkpoint;
use countersign_evidence::note::SignerKey;
use countersign_evidence::tile;
use countersign_model::{Diagnostic as _, Digest, Entry, Exit, StreamId, Timestamp};

use super::index::Index;
use super::present::Present;
use super::publish::Publisher;
use super::tail::{Growth, Overlay, Pending, large_name};
use super::wal::{self, INLINE_BYTES, SEGMENT_BYTES};
use crate::append::Appended;
use crate::engine::prepare::{BatchKey, Prepared, entry_time};
use crate::error::code;
use crate::head::Head;
use crate::layout::{TMP, WAL};
use crate::lock::Lock;
use crate::storage::{Access, AppendFile, Storage};
use crate::writer::{Writer, list};
use crate::{Error, Ledger, Notice, layout};

/// The largest buffer that is kept from one record to the next.
const MAX_BUFFER: usize = 4 << 20;

/// The segment that is being written.
#[derive(Debug)]
struct Open {
    name: String,
    file: Box<dyn AppendFile>,
    len: u64,
}

/// The writer of one ledger.
#[derive(Debug)]
pub(crate) struct Core {
    pub(super) overlay: Overlay,
    pub(super) publisher: Arc<Publisher>,
    storage: Arc<dyn Storage>,
    index: Index,
    last_time: Option<Timestamp>,
    segment: Option<Open>,
    /// Segments before the open one, with the log's size at their end.
    closed: Vec<(String, u64)>,
    /// The buffer that records are written into.
    record: Vec<u8>,
    poisoned: Option<(String, String)>,
    _lock: Lock,
}

/// Batches that were admitted, on their way to the log.
struct Staged {
    growth: Growth,
    first: u64,
    leaves: Vec<Arc<Vec<u8>>>,
    versions: HashMap<StreamId, u64>,
    keys: HashMap<String, (u64, Digest)>,
    blobs: Vec<(Digest, Pending, u64)>,
    seen: HashSet<Digest>,
    time: Option<Timestamp>,
}

/// What became of one batch before anything was written.
enum Admitted {
    /// It will stand here.
    New { first: u64, time: Timestamp },
    /// It stands in the log already, or will when this group does.
    Repeated { first: u64 },
}

impl Core {
    /// Takes over a ledger: the caller holds its lock. What an earlier writer left in the write-ahead log is published.
    pub(crate) fn open(
        ledger: &Ledger,
        overlay: Overlay,
        found: &super::tail::Found,
        storage: Arc<dyn Storage>,
        index: Option<Index>,
        index_path: Option<&Path>,
        lock: Lock,
    ) -> Result<(Self, Vec<Notice>), Error> {
        let publisher = Arc::new(Publisher::new(overlay.clone(), Arc::clone(&storage)));
        let index = match index {
            Some(mut index) => {
                index.catch_up(ledger)?;
                index
            }
            None => Index::open(index_path, ledger)?,
        };
        let last_time = match ledger.size().checked_sub(1) {
            Some(last) => ledger.entries(last..ledger.size())?.pop().map(|(_, entry)| entry.time),
            None => None,
        };
        let mut core = Self {
            overlay,
            publisher,
            storage,
            index,
            last_time,
            segment: None,
            closed: Vec::new(),
            record: Vec::new(),
            poisoned: None,
            _lock: lock,
        };
        let mut notices = Vec::new();
        if found.any {
            let size = core.publisher.publish()?;
            core.remove_superseded(found.first.unwrap_or(size), size)?;
            let names = wal::segments(&core.overlay.paths)?;
            core.closed = names.into_iter().map(|name| (name, size)).collect();
            core.retire(size)?;
            notices.push(Notice { code: code::HALF_WRITTEN, what: what_was_found(found) });
        }
        core.tidy()?;
        Ok((core, notices))
    }

    /// Removes the partial tiles of those that became full from entry `from` on. The writer that published them may have
    /// died before it could.
    fn remove_superseded(&self, from: u64, size: u64) -> Result<(), Error> {
        let tiles = tile::tiles_for_growth(from, size).into_iter().map(|id| layout::tile_name(&id));
        let bundles = tile::bundles_for_growth(from, size).into_iter().map(|(i, width)| layout::bundle_name(i, width));
        let names: Vec<String> = tiles.chain(bundles).collect();
        let mut writer = Writer::new(&self.overlay.paths, self.storage.as_ref());
        writer.remove_superseded(&names)?;
        writer.sync()
    }

    /// Removes what an interrupted writer left in `tmp/`. Nothing there was acknowledged, or it has its place by now.
    fn tidy(&self) -> Result<(), Error> {
        let mut writer = Writer::new(&self.overlay.paths, self.storage.as_ref());
        for name in list(&self.overlay.paths, TMP)? {
            writer.remove(&name)?;
        }
        Ok(())
    }

    /// Appends batches: one result for each. Those that succeed are durable, all of them by one sync.
    pub(crate) fn commit(&mut self, batches: Vec<Prepared>, signer: &SignerKey) -> Vec<Result<Appended, Error>> {
        let mut staged = self.stage();
        let admitted: Vec<Result<Admitted, Error>> =
            batches.into_iter().map(|batch| self.admit(batch, &mut staged)).collect();
        let written = if staged.leaves.is_empty() { Ok(()) } else { self.write(staged, signer) };
        let tail = self.overlay.tail();
        let (size, root) = (tail.head.checkpoint.size, tail.head.checkpoint.root);
        let answer = |first_index, time, repeated| Appended {
            first_index,
            size,
            root,
            time,
            checkpoint: tail.head.text.clone(),
            repeated,
            notices: Vec::new(),
        };
        let last_time = self.last_time.unwrap_or(Timestamp::from_millis(0));
        admitted
            .into_iter()
            .map(|admitted| match (admitted?, &written) {
                (Admitted::New { first, time }, Ok(())) => Ok(answer(first, time, false)),
                (Admitted::Repeated { first }, _) if first < size => Ok(answer(first, last_time, true)),
                (_, Ok(())) => Err(Error::BadBatch { what: "the batch it repeats was not appended".into() }),
                (_, Err(failure)) => Err(failure.error()),
            })
            .collect()
    }

    fn stage(&self) -> Staged {
        let tail = self.overlay.tail();
        Staged {
            growth: Growth::of(&tail),
            first: tail.head.checkpoint.size,
            leaves: Vec::new(),
            versions: HashMap::new(),
            keys: HashMap::new(),
            blobs: Vec::new(),
            seen: HashSet::new(),
            time: self.last_time,
        }
    }

    /// Gives a batch its place, or says why it has none. Nothing is changed by a batch that is refused.
    fn admit(&mut self, batch: Prepared, staged: &mut Staged) -> Result<Admitted, Error> {
        if let Some((path, why)) = &self.poisoned {
            return Err(Error::Poisoned { path: path.clone(), why: why.clone() });
        }
        if let Some(key) = &batch.key
            && let Some(first) = self.repeated(key, staged)?
        {
            return Ok(Admitted::Repeated { first });
        }
        let size = staged.growth.edge.size();
        if let Some(expected) = batch.expect_size.filter(|e| *e != size) {
            return Err(Error::SizeConflict { expected, found: size });
        }
        for (stream, expected) in batch.expect {
            let found = self.version(&stream, staged)?;
            if found != expected {
                return Err(Error::Conflict { stream, expected, found });
            }
        }
        let time = entry_time(batch.now, staged.time)?;
        let mut versions: HashMap<StreamId, u64> = HashMap::new();
        let mut leaves = Vec::with_capacity(batch.drafts.len());
        for (position, mut draft) in batch.drafts.into_iter().enumerate() {
            let index = size.saturating_add(position as u64);
            if let Some(reference) = draft.refs.iter().find(|r| **r >= index) {
                let what = format!("entry {index} refers to entry {reference}, which is not before it");
                return Err(Error::BadBatch { what });
            }
            let before = match versions.get(&draft.stream) {
                Some(version) => *version,
                None => self.version(&draft.stream, staged)?,
            };
            let version = before.saturating_add(1);
            let stream = std::mem::replace(&mut draft.stream, StreamId::from_text(String::new()));
            versions.insert(stream, version);
            let (leaf, hash) = draft.finish(time, version);
            if leaf.len() > Entry::MAX_BYTES {
                return Err(Error::EntryTooLarge { position, bytes: leaf.len() });
            }
            leaves.push((leaf, hash));
        }
        for (digest, bytes) in batch.blobs {
            self.keep(digest, bytes, staged);
        }
        for (leaf, hash) in leaves {
            let leaf = Arc::new(leaf);
            staged.growth.push(Arc::clone(&leaf), hash)?;
            staged.leaves.push(leaf);
        }
        if let Some(key) = batch.key {
            staged.keys.insert(key.text, (size, key.content));
        }
        staged.versions.extend(versions);
        staged.time = Some(time);
        Ok(Admitted::New { first: size, time })
    }

    fn repeated(&self, key: &BatchKey, staged: &Staged) -> Result<Option<u64>, Error> {
        let known = match staged.keys.get(&key.text) {
            Some(known) => Some(*known),
            None => self.index.key(&key.text)?,
        };
        match known {
            Some((first, content)) if content == key.content => Ok(Some(first)),
            Some((first_index, _)) => Err(Error::KeyReused { first_index }),
            None => Ok(None),
        }
    }

    fn version(&mut self, stream: &StreamId, staged: &Staged) -> Result<u64, Error> {
        match staged.versions.get(stream) {
            Some(version) => Ok(*version),
            None => self.index.version(stream),
        }
    }

    /// Notes a blob for writing, unless the ledger has it.
    fn keep(&self, digest: Digest, bytes: Vec<u8>, staged: &mut Staged) {
        if staged.seen.contains(&digest) || self.overlay.tail().blobs.contains_key(&digest) {
            return;
        }
        staged.seen.insert(digest);
        let size = bytes.len() as u64;
        let pending = if bytes.len() > INLINE_BYTES { Pending::Large } else { Pending::Bytes(Arc::new(bytes)) };
        staged.blobs.push((digest, pending, size));
    }

    /// Signs, writes and syncs one record; from then on the group has happened.
    fn write(&mut self, staged: Staged, signer: &SignerKey) -> Result<(), Failure> {
        let origin = self.overlay.tail().head.checkpoint.origin.clone();
        let (size, root) = (staged.growth.edge.size(), staged.growth.edge.root());
        let checkpoint = Checkpoint { origin, size, root };
        let text = checkpoint.sign(signer).map_err(|e| Failure::of(e.into()))?;
        let blobs = staged.blobs.iter().map(|(digest, pending, size)| match pending {
            Pending::Bytes(bytes) => (digest, Ok(bytes.as_slice())),
            Pending::Large => (digest, Err(*size)),
        });
        let mut record = std::mem::take(&mut self.record);
        wal::encode(&mut record, staged.first, staged.leaves.iter().map(|l| l.as_slice()), blobs, &text);
        let appended = self.append(staged.first, size, &record);
        if record.capacity() <= MAX_BUFFER {
            self.record = record;
        }
        appended?;

        let head = Head { checkpoint, text, edge: staged.growth.edge.clone() };
        let blobs = staged.blobs.into_iter().map(|(digest, pending, _)| (digest, pending));
        self.overlay.tail_mut().grow(staged.growth, head, blobs);
        self.last_time = staged.time;
        let indexed = self.index.appended(size, Digest::from_bytes(root), staged.versions, staged.keys);
        if let Err(e) = indexed {
            // It has happened; but versions could be given twice by an index that does not know of it.
            self.poisoned = Some(("index.db".into(), e.to_string()));
        }
        Ok(())
    }

    fn append(&mut self, first: u64, size: u64, record: &[u8]) -> Result<(), Failure> {
        self.roll();
        let mut open = match self.segment.take() {
            Some(open) => open,
            None => self.begin_segment(first).map_err(Failure::of)?,
        };
        let appended = self.append_to(&mut open, first, size, record);
        self.segment = Some(open);
        appended
    }

    fn append_to(&mut self, open: &mut Open, first: u64, size: u64, record: &[u8]) -> Result<(), Failure> {
        if let Err(e) = open.file.append(record) {
            // Cut back, so that what follows does not stand behind half a record. Where even that fails, stop.
            if let Err(cut) = open.file.cut(open.len) {
                self.poisoned = Some((open.name.clone(), cut.to_string()));
            }
            return Err(Failure::Write { path: open.name.clone(), kind: e.kind(), what: e.to_string() });
        }
        if let Err(e) = open.file.sync() {
            self.poisoned = Some((open.name.clone(), e.to_string()));
            return Err(Failure::Sync {
                path: open.name.clone(),
                first,
                last: size.saturating_sub(1),
                what: e.to_string(),
            });
        }
        open.len += record.len() as u64;
        Ok(())
    }

    fn begin_segment(&self, first: u64) -> Result<Open, Error> {
        let name = wal::segment_name(first);
        let paths = &self.overlay.paths;
        let mut writer = Writer::new(paths, self.storage.as_ref());
        writer.make_dir(WAL)?;
        let opened = self.storage.append_to(&paths.at(&name));
        let mut file = opened.map_err(|e| Error::writing("make", &name, e))?;
        // Left by a writer that failed before its first record was whole.
        file.cut(0).map_err(|e| Error::writing("make", &name, e))?;
        writer.sync()?;
        self.storage.sync_dir(&paths.at(WAL)).map_err(|e| Error::writing("sync", WAL, e))?;
        Ok(Open { name, file, len: 0 })
    }

    /// Ends the segment when it is long and published, and removes those that are.
    fn roll(&mut self) {
        let (published, size) = {
            let tail = self.overlay.tail();
            (tail.published, tail.head.checkpoint.size)
        };
        if let Some(open) = self.segment.take_if(|open| open.len >= SEGMENT_BYTES) {
            self.closed.push((open.name, size));
        }
        // A segment that stays is read again by the next writer, and removed then.
        let _ = self.retire(published);
    }

    /// Removes the segments that hold nothing beyond what is published.
    fn retire(&mut self, published: u64) -> Result<(), Error> {
        let mut writer = Writer::new(&self.overlay.paths, self.storage.as_ref());
        while let Some((name, _)) = self.closed.first().filter(|(_, end)| *end <= published) {
            writer.remove(name)?;
            self.closed.remove(0);
        }
        Ok(())
    }

    /// Publishes everything and leaves no write-ahead log behind, for now.
    pub(super) fn settle(&mut self) -> Result<(), Error> {
        if let Some((path, why)) = &self.poisoned {
            return Err(Error::Poisoned { path: path.clone(), why: why.clone() });
        }
        let size = self.publisher.publish()?;
        if let Some(open) = self.segment.take() {
            self.closed.push((open.name, size));
        }
        self.retire(size)
    }

    /// Nothing is acknowledged any more until the ledger is opened anew.
    pub(super) fn poison(&mut self, path: &str, why: &Error) {
        self.poisoned.get_or_insert_with(|| (path.to_owned(), why.to_string()));
    }

    /// Publishes everything and leaves no write-ahead log behind. The index comes back for the next writer.
    pub(crate) fn close(mut self) -> (Index, Result<(), Error>) {
        if self.poisoned.is_some() {
            // What is on the disk is for the next writer to read and verify.
            return (self.index, Ok(()));
        }
        let closed = self.publisher.publish().and_then(|size| {
            if let Some(open) = self.segment.take() {
                self.closed.push((open.name, size));
            }
            self.retire(size)
        });
        let closed = closed.and_then(|()| self.index.settle());
        (self.index, closed)
    }
}

fn what_was_found(found: &super::tail::Found) -> String {
    match (found.entries, found.torn) {
        (0, 0) if found.first.is_some() => "a write-ahead log whose entries were published is tidied up".into(),
        (0, _) => "an append was interrupted before anybody was told of it; what it left behind is removed".into(),
        (n, _) => format!("{n} acknowledged entries were in the write-ahead log only; they are published now"),
    }
}

/// Brings the blobs of a batch to where the writer can take them from: what the ledger has is dropped, what is large is
/// written beside its place. Many callers do this at once.
pub(crate) fn stage_blobs(
    source: &Overlay,
    storage: &dyn Storage,
    present: &Present,
    prepared: &mut Prepared,
) -> Result<(), Error> {
    let mut missing = std::collections::BTreeMap::new();
    for (digest, bytes) in std::mem::take(&mut prepared.blobs) {
        // What waits in memory hashes to its name: this process or the log's reader has looked.
        let waits = matches!(source.tail().blobs.get(&digest), Some(Pending::Bytes(_)));
        if waits || present.has(source, &digest)? {
            continue;
        }
        if bytes.len() > INLINE_BYTES {
            let random = countersign_model::digest::to_hex(&countersign_evidence::random::<8>()?);
            let (new, name) = (format!("{TMP}/new-{random}"), large_name(&digest));
            let written = storage.write_new(&source.paths.at(&new), &bytes, Access::Open);
            let placed = written.and_then(|()| storage.rename(&source.paths.at(&new), &source.paths.at(&name)));
            if let Err(e) = placed.and_then(|()| storage.sync_dir(&source.paths.at(TMP))) {
                // The first error tells more than one about tidying up; the next writer removes what stays.
                let _ = storage.remove(&source.paths.at(&new));
                return Err(Error::writing("write", name, e));
            }
        }
        missing.insert(digest, bytes);
    }
    prepared.blobs = missing;
    Ok(())
}

/// Why a group was not appended. It is told to everybody in the group.
enum Failure {
    /// The segment could not be written; nothing of it stays.
    Write { path: String, kind: std::io::ErrorKind, what: String },
    /// It was written and could not be synced.
    Sync { path: String, first: u64, last: u64, what: String },
    /// Another error, before anything was written.
    Told { code: &'static str, what: String, help: String, exit: Exit },
}

impl Failure {
    fn of(error: Error) -> Self {
        match error {
            Error::DiskFull { path, source } | Error::ReadOnly { path, source } | Error::Io { path, source, .. } => {
                Self::Write { path, kind: source.kind(), what: source.to_string() }
            }
            other => Self::Told { code: other.code(), what: other.to_string(), help: other.help(), exit: other.exit() },
        }
    }

    fn error(&self) -> Error {
        match self {
            Self::Write { path, kind, what } => Error::writing("write", path, std::io::Error::new(*kind, what.clone())),
            Self::Sync { path, first, last, what } => Error::Unsettled {
                first_index: *first,
                last_index: *last,
                path: path.clone(),
                source: std::io::Error::other(what.clone()),
            },
            Self::Told { code, what, help, exit } => {
                Error::Told { code, what: what.clone(), help: help.clone(), exit: *exit, conflict: false }
            }
        }
    }
}
