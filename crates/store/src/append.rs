//! Appending: all of a batch, or nothing of it. The new checkpoint is renamed into place when everything that it names
//! is durable; that rename is the moment at which the batch has happened.

use std::collections::{BTreeMap, HashMap, btree_map};

use countersign_evidence::canonical;
use countersign_evidence::checkpoint::Checkpoint;
use countersign_evidence::merkle::{Hash, leaf_hash};
use countersign_evidence::note::{SignerKey, VerifierKey};
use countersign_evidence::tile::{self, WIDTH};
use countersign_model::digest::to_hex;
use countersign_model::{ActorId, Clock, Digest, Entry, EventKind, PayloadRef, Retention, StreamId, Timestamp};

use crate::blob::{self, MAX_BLOB_BYTES};
use crate::head::read_checkpoint;
use crate::intent::Intent;
use crate::layout::{self, CHECKPOINT, INTENT, LEDGER, NEW_CHECKPOINT, TMP};
use crate::ledger::{Ledger, position};
use crate::lock::Lock;
use crate::storage::Access;
use crate::tree::Edge;
use crate::writer::Writer;
use crate::{Error, error::code};

/// How far the clock may stand before the last entry, in milliseconds. Machines that share a ledger differ by a little.
const CLOCK_TOLERANCE_MS: i64 = 120_000;

/// Bytes for the blob store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBlob {
    /// The bytes as they are stored: sealed, where they are sealed.
    pub bytes: Vec<u8>,
    /// Their media type.
    pub media: String,
}

/// An entry to append. Version, time and digests are filled in by the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// What happened.
    pub kind: EventKind,
    /// The stream it belongs to.
    pub stream: StreamId,
    /// Who caused it.
    pub actor: ActorId,
    /// How long it is kept.
    pub retention: Retention,
    /// Indices of earlier entries that it answers to.
    pub refs: Vec<u64>,
    /// Its payload.
    pub payload: NewBlob,
    /// Further blobs.
    pub attachments: Vec<NewBlob>,
}

/// Entries that are appended together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The entries, in order; at least one.
    pub entries: Vec<NewEntry>,
    /// Streams, and the version that each must have before this batch.
    pub expect: Vec<(StreamId, u64)>,
    /// The size that the whole log must have before this batch.
    pub expect_size: Option<u64>,
    /// The caller's idempotency key, at most [`Batch::MAX_KEY_BYTES`] bytes: a batch that is sent again with the same
    /// key is not appended again, the answer is that of the first time.
    pub key: Option<String>,
}

impl Batch {
    /// The longest idempotency key, in bytes.
    pub const MAX_KEY_BYTES: usize = 256;
}

/// What an append did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The index of the batch's first entry; the others follow.
    pub first_index: u64,
    /// The log's size now.
    pub size: u64,
    /// The log's root now.
    pub root: Hash,
    /// The time in every entry of the batch.
    pub time: Timestamp,
    /// The signed checkpoint of exactly that size and root.
    pub checkpoint: String,
    /// Whether a batch with the same idempotency key had been appended before: then this is the answer to that one.
    pub repeated: bool,
    /// What was set right on the way.
    pub notices: Vec<Notice>,
}

/// Something that was set right, and that people may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// A stable code; it has an explanation like that of an error.
    pub code: &'static str,
    /// What was found and what was done, a lower-case fragment.
    pub what: String,
}

/// A batch with everything filled in.
struct Prepared {
    leaves: Vec<Vec<u8>>,
    versions: HashMap<StreamId, u64>,
    /// New blobs by name.
    blobs: BTreeMap<String, Vec<u8>>,
    time: Timestamp,
}

/// The files of the tree after the batch, by name.
struct Grown {
    edge: Edge,
    files: BTreeMap<String, Vec<u8>>,
}

impl Ledger {
    /// Appends a batch and signs the new checkpoint. When this returns, all of it is on disk.
    ///
    /// Waits for the lock; see [`Ledger::set_lock_wait`].
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Conflict`], [`Error::SizeConflict`], [`Error::ClockBehind`],
    /// [`Error::WrongSigner`], [`Error::EntryTooLarge`], [`Error::BlobTooLarge`], [`Error::BadBatch`]: nothing was
    /// written. [`Error::DiskFull`], [`Error::ReadOnly`], [`Error::Io`], [`Error::Corrupt`]: nothing was appended.
    /// [`Error::Unsettled`]: whether it was appended will be seen when the ledger is read again.
    pub fn append(&mut self, batch: Batch, signer: &SignerKey, clock: &dyn Clock) -> Result<Appended, Error> {
        if signer.verifier() != &self.vkey {
            return Err(Error::WrongSigner { given: short(signer.verifier()), expected: short(&self.vkey) });
        }
        if batch.entries.is_empty() {
            return Err(Error::BadBatch { what: "it is empty".into() });
        }
        if batch.key.is_some() {
            return Err(Error::BadBatch { what: "this engine keeps no idempotency keys".into() });
        }
        for blob in batch.entries.iter().flat_map(|e| e.attachments.iter().chain([&e.payload])) {
            if blob.bytes.len() as u64 > MAX_BLOB_BYTES {
                return Err(Error::BlobTooLarge { bytes: blob.bytes.len() as u64 });
            }
        }
        // The long look at the log is taken before the lock; under it there is only the rest to look at.
        self.refresh()?;
        self.scan_streams()?;
        let lock = Lock::exclusive(&self.paths, self.lock_wait)?;
        let appended = self.append_locked(batch, signer, clock);
        drop(lock);
        appended
    }

    fn append_locked(&mut self, batch: Batch, signer: &SignerKey, clock: &dyn Clock) -> Result<Appended, Error> {
        // Everything that the new checkpoint builds on is read from disk again and must lead to the last one: a
        // checkpoint that contradicts an earlier one must never be signed.
        self.reload()?;
        let storage = std::sync::Arc::clone(&self.storage);
        let paths = self.paths.clone();
        let mut notices = Vec::new();
        notices.extend(Writer::new(&paths, storage.as_ref()).settle(self.size())?);

        let first_index = self.size();
        let prepared = self.prepare(batch, clock.now())?;
        let grown = self.grow(&prepared.leaves)?;
        let checkpoint = Checkpoint { origin: self.origin.clone(), size: grown.edge.size(), root: grown.edge.root() };
        let text = checkpoint.sign(signer)?;

        let mut writer = Writer::new(&paths, storage.as_ref());
        if let Err(error) = write_all(&mut writer, first_index, &prepared, &grown, &text) {
            return Err(self.take_back(&text, checkpoint.size, error));
        }
        if let Err(source) = storage.sync_dir(&paths.at(LEDGER)) {
            return Err(unsettled(first_index, checkpoint.size, source));
        }
        // From here on it has happened, whatever else goes wrong.
        let tidied = writer.remove_superseded(grown.files.keys()).and_then(|()| writer.sync());
        if let Err(error) = tidied.and_then(|()| writer.remove(INTENT)) {
            let what = format!("the append is done, but its traces stay for the next one to tidy up: {error}");
            notices.push(Notice { code: code::HALF_WRITTEN, what });
        }
        let (size, root) = (checkpoint.size, checkpoint.root);
        self.advance(checkpoint, text.clone(), grown.edge, prepared.versions);
        Ok(Appended { first_index, size, root, time: prepared.time, checkpoint: text, repeated: false, notices })
    }

    /// Fills in versions, time and digests, and checks what the caller expects.
    fn prepare(&self, batch: Batch, now: Timestamp) -> Result<Prepared, Error> {
        let size = self.size();
        if let Some(expected) = batch.expect_size.filter(|e| *e != size) {
            return Err(Error::SizeConflict { expected, found: size });
        }
        for (stream, expected) in batch.expect {
            let found = self.stream_version(&stream)?;
            if found != expected {
                return Err(Error::Conflict { stream, expected, found });
            }
        }
        let time = self.time(now)?;
        let mut prepared = Prepared { leaves: Vec::new(), versions: HashMap::new(), blobs: BTreeMap::new(), time };
        for (position, new) in batch.entries.into_iter().enumerate() {
            let index = size.saturating_add(position as u64);
            if let Some(reference) = new.refs.iter().find(|r| **r >= index) {
                let what = format!("entry {index} refers to entry {reference}, which is not before it");
                return Err(Error::BadBatch { what });
            }
            let before = match prepared.versions.get(&new.stream) {
                Some(version) => *version,
                None => self.stream_version(&new.stream)?,
            };
            let version = before.saturating_add(1);
            prepared.versions.insert(new.stream.clone(), version);
            let payload = self.keep(new.payload, &mut prepared.blobs)?;
            let attachments =
                new.attachments.into_iter().map(|b| self.keep(b, &mut prepared.blobs)).collect::<Result<_, _>>()?;
            let entry = Entry {
                v: Entry::VERSION,
                kind: new.kind,
                stream: new.stream,
                version,
                time,
                actor: new.actor,
                retention: new.retention,
                refs: new.refs,
                payload,
                attachments,
            };
            let leaf = canonical::to_vec(&entry)?;
            if leaf.len() > Entry::MAX_BYTES {
                return Err(Error::EntryTooLarge { position, bytes: leaf.len() });
            }
            prepared.leaves.push(leaf);
        }
        Ok(prepared)
    }

    /// The time of the new entries: time never goes back, and a clock that does is not believed.
    fn time(&self, now: Timestamp) -> Result<Timestamp, Error> {
        let Some(last) = self.size().checked_sub(1) else { return Ok(now) };
        let last = self.entries(last..self.size())?.pop().map_or(now, |(_, entry)| entry.time);
        if now.millis().saturating_add(CLOCK_TOLERANCE_MS) < last.millis() {
            return Err(Error::ClockBehind { now, last });
        }
        Ok(now.max(last))
    }

    /// Notes a blob for writing, unless the ledger has it.
    fn keep(&self, new: NewBlob, blobs: &mut BTreeMap<String, Vec<u8>>) -> Result<PayloadRef, Error> {
        let reference = PayloadRef { sha256: Digest::of(&new.bytes), size: new.bytes.len() as u64, media: new.media };
        let name = layout::blob_name(&reference.sha256);
        if let btree_map::Entry::Vacant(vacant) = blobs.entry(name) {
            match blob::examine(&self.paths, &reference) {
                Ok(()) => {}
                Err(Error::MissingBlob { .. }) => {
                    vacant.insert(new.bytes);
                }
                Err(e) => return Err(e),
            }
        }
        Ok(reference)
    }

    /// The tree with the new leaves, and the files that it needs and does not have.
    fn grow(&self, leaves: &[Vec<u8>]) -> Result<Grown, Error> {
        let mut edge = self.head.edge.clone();
        let mut tiles = BTreeMap::new();
        for leaf in leaves {
            edge.push(leaf_hash(leaf), |id, hashes| {
                tiles.insert(id, tile::encode_tile(hashes));
            });
        }
        if let Some((id, hashes)) = edge.partials().find(|(id, _)| id.level == 0) {
            tiles.insert(id, tile::encode_tile(hashes));
        }
        // A partial tile that became full in the same batch was never published.
        let full: Vec<_> = tiles.keys().filter(|id| id.width == WIDTH).copied().collect();
        tiles.retain(|id, _| id.width == WIDTH || !full.contains(&id.full()));
        let mut files: BTreeMap<_, _> = tiles.into_iter().map(|(id, b)| (layout::tile_name(&id), b)).collect();

        let old = self.size();
        let rest = position(old);
        // `bundle` checks the entries that are there already against the tree, for they are written anew.
        let kept = if rest == 0 { None } else { Some(self.bundle(old / u64::from(WIDTH))?) };
        let entries = kept.iter().flat_map(|b| b.iter()).chain(leaves.iter().map(Vec::as_slice));
        let entries: Vec<&[u8]> = entries.collect();
        for ((index, width), chunk) in tile::bundles_for_growth(old, edge.size()).into_iter().zip(entries.chunks(256)) {
            files.insert(layout::bundle_name(index, width), tile::encode_bundle(chunk)?);
        }
        Ok(Grown { edge, files })
    }

    /// After a failed step: takes back what was written, and returns the error for the caller.
    fn take_back(&self, text: &str, new_size: u64, error: Error) -> Error {
        let size = match read_checkpoint(&self.paths) {
            // The rename said that it failed, and yet it happened.
            Ok(there) if there == text.as_bytes() => {
                let source = std::io::Error::other(error.to_string());
                return unsettled(self.size(), new_size, source);
            }
            Ok(_) => self.size(),
            Err(_) => return error,
        };
        // If this fails too, the next writer will find the note and do it.
        let _ = Writer::new(&self.paths, self.storage.as_ref()).settle(size);
        error
    }
}

/// Everything up to and including the rename of the checkpoint.
fn write_all(
    writer: &mut Writer<'_>,
    old: u64,
    prepared: &Prepared,
    grown: &Grown,
    checkpoint: &str,
) -> Result<(), Error> {
    let files = prepared.blobs.keys().chain(grown.files.keys()).cloned().collect();
    let intent = Intent { old, new: grown.edge.size(), files };
    writer.write(INTENT, intent.to_text().as_bytes())?;
    writer.sync()?;
    for (n, (name, bytes)) in prepared.blobs.iter().enumerate() {
        // A blob under its own name is whole, always: nobody checks it before it is used by a second entry.
        let temporary = format!("{TMP}/blob-{n}");
        let path = writer.paths.at(&temporary);
        let written = writer.storage.write_new(&path, bytes, Access::Open);
        written.map_err(|e| Error::writing("write", name, e))?;
        writer.rename(&temporary, name)?;
    }
    for (name, bytes) in &grown.files {
        writer.write(name, bytes)?;
    }
    writer.sync()?;
    let written = writer.storage.write_new(&writer.paths.at(NEW_CHECKPOINT), checkpoint.as_bytes(), Access::Open);
    written.map_err(|e| Error::writing("write", NEW_CHECKPOINT, e))?;
    let renamed = writer.storage.rename(&writer.paths.at(NEW_CHECKPOINT), &writer.paths.at(CHECKPOINT));
    renamed.map_err(|e| Error::writing("place", CHECKPOINT, e))
}

fn unsettled(first_index: u64, new_size: u64, source: std::io::Error) -> Error {
    Error::Unsettled { first_index, last_index: new_size.saturating_sub(1), path: LEDGER.into(), source }
}

/// A key as people see it: name and id.
fn short(key: &VerifierKey) -> String {
    format!("{}+{}", key.name(), to_hex(&key.id()))
}
