//! What every bundle needs and no other bundle has a say in: reading, hashing, parsing, its blobs. It is done on all
//! cores; what was seen is handed over in the order of the log, in parts, so that no more than a few parts are held.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use countersign_evidence::merkle::{Hash, leaf_hash};
use countersign_evidence::payload_key::PayloadKey;
use countersign_evidence::tile::{self, TileId, WIDTH};
use countersign_model::{Digest, Entry, EventKind, PayloadRef, Timestamp};

use super::Reader;
use super::seals::Seals;
use super::streams::Names;
use crate::blob::Opened;
use crate::leaf::{self, Bundle};
use crate::source::Source;
use crate::tree::root_of;
use crate::{Error, blob, layout, payload_key};

/// Entries in a part.
const PART_ENTRIES: usize = 64;
/// Bytes of payloads in a part, before it is handed over.
const PART_BYTES: u64 = 256 << 10;
/// Parts that a thread may be ahead by.
const AHEAD: usize = 2;
/// A payload larger than this is read when its turn comes, one at a time.
const LARGE: u64 = 256 << 10;
/// Threads at most: each holds a bundle and a few parts.
const MAX_THREADS: usize = 16;
/// Threads where a round trip costs more than the work.
const REMOTE_THREADS: usize = 8;
/// Blobs that are known to be sound, of which so many are remembered.
const KNOWN: usize = 1 << 15;
/// Bytes of small payloads that a thread keeps, for payloads that many entries have.
const KEPT_BYTES: usize = 256 << 10;
const KEPT_SIZE: u64 = 16 << 10;

/// A bundle and its tile, as they stand there.
#[derive(Debug)]
pub(super) struct Head {
    /// Leaf hashes of the bundle's entries, or why there are none; `Ok(None)` when it is missing.
    pub(super) leaves: Result<Option<Vec<Hash>>, Error>,
    /// The hashes in the tile of level 0.
    pub(super) tile: Result<Option<Vec<Hash>>, Error>,
    /// The root over the leaves of a full bundle that agrees with its tile.
    pub(super) root: Option<Hash>,
}

/// An entry, looked at by itself.
#[derive(Debug)]
pub(super) struct Looked<R> {
    pub(super) kind: EventKind,
    pub(super) time: Timestamp,
    pub(super) version: u64,
    /// What its stream is told from others by.
    pub(super) stream: u128,
    /// The first reference that is not to an earlier entry.
    pub(super) wrong_ref: Option<u64>,
    /// The blobs that it speaks of.
    pub(super) blobs: Vec<Digest>,
    /// What is wrong with them.
    pub(super) wrong_blobs: Vec<(Digest, Error)>,
    /// What they are sealed with.
    pub(super) seals: Seals,
    /// How many of them are sealed with a key that is not held: they were hashed and not opened.
    pub(super) unopened: u64,
    pub(super) payload: Payload<R>,
}

/// A payload.
#[derive(Debug)]
pub(super) enum Payload<R> {
    /// It is sound, and this is what the caller's reader made of it.
    Read(R),
    /// It is to be read when its turn comes; this is what the attachments say.
    Later(Box<Entry>, Vec<Option<Digest>>),
    /// It was not looked for: the place does not publish payloads, it is not sound, or it is sealed with a key that is not
    /// held.
    None,
}

/// What is handed over, in order: a head, then parts until the last one.
pub(super) enum Part<R> {
    Head(Box<Head>),
    Entries(Vec<Result<Looked<R>, Error>>),
    End,
}

/// How bundles are looked at.
pub(super) struct Work<'a, R> {
    pub(super) source: &'a dyn Source,
    pub(super) size: u64,
    /// Whether blobs can be looked at.
    pub(super) blobs: bool,
    /// Whether the entries are those of a ledger; else they are bytes.
    pub(super) entries: bool,
    pub(super) read: &'a Reader<'a, R>,
    /// What opens sealed blobs.
    pub(super) key: Option<&'a PayloadKey>,
    /// Attachments whose content was found sound.
    pub(super) known: Mutex<HashMap<Digest, Sound>>,
    /// Held while a large attachment is opened: that takes it into memory.
    pub(super) large: Mutex<()>,
    pub(super) names: Names,
}

/// An attachment whose content is sound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sound {
    /// Its size in bytes, as it is stored.
    size: u64,
    /// The digest of what it says, where it was sealed and opened.
    says: Option<Digest>,
}

/// Small payloads that were read before.
#[derive(Default)]
struct Kept {
    payloads: HashMap<Digest, Arc<Vec<u8>>>,
    bytes: usize,
}

impl<R: Send> Work<'_, R> {
    /// The tile of level 0 over bundle `index`.
    pub(super) fn id(&self, index: u64) -> TileId {
        TileId { level: 0, index, width: tile::width_at(0, index, self.size) }
    }

    /// Looks at these bundles and hands over what was seen. `take` gets the bundles one after the other; the
    /// receiver yields the parts of that bundle. It says whether to go on.
    pub(super) fn run(
        &self,
        bundles: Range<u64>,
        mut take: impl FnMut(u64, &mut dyn FnMut() -> Result<Part<R>, Error>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let (first, count) = (bundles.start, bundles.end);
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads =
            if self.source.directory().is_some() { cores.min(MAX_THREADS) } else { cores.max(REMOTE_THREADS) };
        let threads = threads.min(usize::try_from(count.saturating_sub(first)).unwrap_or(usize::MAX));
        std::thread::scope(|scope| {
            let receivers: Vec<Receiver<Part<R>>> = (0..threads)
                .map(|nth| {
                    let (sender, receiver) = sync_channel(AHEAD);
                    scope.spawn(move || {
                        let mut kept = Kept::default();
                        for index in (first..count).skip(nth).step_by(threads) {
                            // Nobody listens any more when the examination was given up.
                            if !self.look(index, &mut kept, &mut |part| sender.send(part).is_ok()) {
                                return;
                            }
                        }
                    });
                    receiver
                })
                .collect();
            for (index, receiver) in (first..count).zip(receivers.iter().cycle()) {
                if !take(index, &mut || receiver.recv().map_err(|_| Error::FoldBrokeOff))? {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Looks at one bundle.
    fn look(&self, index: u64, kept: &mut Kept, send: &mut dyn FnMut(Part<R>) -> bool) -> bool {
        let id = self.id(index);
        let tile = self.tile(&id);
        let (name, bundle) = self.bundle(&id);
        let mut head = Head { leaves: Ok(None), tile, root: None };
        let (bundle, hashes) = match bundle {
            Ok(Some(bundle)) => {
                let hashes: Vec<Hash> = bundle.iter().map(leaf_hash).collect();
                if id.width == WIDTH && matches!(&head.tile, Ok(tile) if tile.as_ref().is_none_or(|t| *t == hashes)) {
                    head.root = Some(root_of(&hashes));
                }
                head.leaves = Ok(Some(hashes.clone()));
                (bundle, hashes)
            }
            Ok(None) => return send(Part::Head(Box::new(head))) && send(Part::End),
            Err(e) => {
                head.leaves = Err(e);
                return send(Part::Head(Box::new(head))) && send(Part::End);
            }
        };
        if !send(Part::Head(Box::new(head))) {
            return false;
        }
        if self.entries {
            let mut part = Vec::with_capacity(PART_ENTRIES);
            let mut bytes = 0;
            let first = index * u64::from(WIDTH);
            for ((i, entry), hash) in (first..).zip(bundle.iter()).zip(&hashes) {
                let looked = leaf::parse(&name, i, entry).map(|entry| self.entry(i, entry, hash, kept, &mut bytes));
                part.push(looked);
                if part.len() == PART_ENTRIES || bytes >= PART_BYTES {
                    bytes = 0;
                    if !send(Part::Entries(std::mem::replace(&mut part, Vec::with_capacity(PART_ENTRIES)))) {
                        return false;
                    }
                }
            }
            if !part.is_empty() && !send(Part::Entries(part)) {
                return false;
            }
        }
        send(Part::End)
    }

    fn tile(&self, id: &TileId) -> Result<Option<Vec<Hash>>, Error> {
        let (name, bytes) = self.stored(id, layout::tile_name, id.byte_len() as u64)?;
        bytes
            .map(|mut bytes| {
                if name != layout::tile_name(id) {
                    bytes.truncate(id.byte_len());
                }
                tile::decode_tile(id, &bytes).map_err(|e| Error::corrupt(name, None, e.to_string()))
            })
            .transpose()
    }

    fn bundle(&self, id: &TileId) -> (String, Result<Option<Bundle>, Error>) {
        let own = layout::bundle_name(id.index, id.width);
        let name_of = |id: &TileId| layout::bundle_name(id.index, id.width);
        let read = self.stored(id, name_of, leaf::MAX_BUNDLE_BYTES).and_then(|(name, bytes)| {
            let is_longer = name != own;
            bytes.map(|b| Bundle::parse(&name, b, id.width, is_longer)).transpose()
        });
        (own, read)
    }

    /// Reads an object of the log. A log that is only published loses its partial ones when the full one is there.
    fn stored(
        &self,
        id: &TileId,
        name: impl Fn(&TileId) -> String,
        limit: u64,
    ) -> Result<(String, Option<Vec<u8>>), Error> {
        let own = name(id);
        let bytes = self.source.read(&own, limit)?;
        if bytes.is_none() && id.width < WIDTH && self.source.is_log_only() {
            let full = name(&id.full());
            let bytes = self.source.read(&full, leaf::MAX_BUNDLE_BYTES)?;
            return Ok((full, bytes));
        }
        Ok((own, bytes))
    }

    fn entry(&self, index: u64, entry: Entry, hash: &Hash, kept: &mut Kept, bytes: &mut u64) -> Looked<R> {
        let mut looked = Looked {
            kind: entry.kind,
            time: entry.time,
            version: entry.version,
            stream: self.names.of(&entry.stream),
            wrong_ref: entry.refs.iter().copied().find(|r| *r >= index),
            blobs: Vec::with_capacity(1 + entry.attachments.len()),
            wrong_blobs: Vec::new(),
            seals: Seals::of(&entry),
            unopened: 0,
            payload: Payload::None,
        };
        if !self.blobs {
            return looked;
        }
        let mut attachments = Vec::with_capacity(entry.attachments.len());
        for attachment in &entry.attachments {
            looked.blobs.push(attachment.sha256);
            looked.unopened += u64::from(!self.can_open(attachment));
            attachments.push(self.attachment(attachment).unwrap_or_else(|e| {
                looked.wrong_blobs.push((attachment.sha256, e));
                attachment.sealed.is_none().then_some(attachment.sha256)
            }));
        }
        looked.blobs.push(entry.payload.sha256);
        looked.unopened += u64::from(!self.can_open(&entry.payload));
        // These are looked at by others as well, in the order of the log.
        let is_special = index == 0 || matches!(entry.kind, EventKind::LogKeyRotated | EventKind::SecondLogKeyChosen);
        if is_special || entry.payload.size > LARGE {
            looked.payload = Payload::Later(Box::new(entry), attachments);
            return looked;
        }
        match self.payload(&entry.payload, kept) {
            Ok(Some(payload)) => {
                *bytes += payload.len() as u64;
                let opened = Opened { payload: Some(payload), attachments };
                looked.payload = Payload::Read((self.read)(index, entry, hash, opened));
            }
            Ok(None) => {}
            Err(e) => {
                let is_gone = matches!(e, Error::MissingBlob { .. });
                looked.wrong_blobs.push((entry.payload.sha256, e));
                // What cannot be read or is altered is no payload at all; one that is gone may have been disposed of.
                if is_gone && entry.kind.is_disposable() {
                    looked.payload =
                        Payload::Read((self.read)(index, entry, hash, Opened { payload: None, attachments }));
                }
            }
        }
        looked
    }

    fn can_open(&self, blob: &PayloadRef) -> bool {
        blob.sealed.is_none() || payload_key::opens(self.key, blob).is_some()
    }

    /// An attachment is hashed once, and opened once where it is sealed, and must have the size that every entry says.
    /// Returns the digest of what it says; `None` where that was not looked at.
    fn attachment(&self, blob: &PayloadRef) -> Result<Option<Digest>, Error> {
        let is_sealed = blob.sealed.is_some() && self.can_open(blob);
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = known().get(&blob.sha256).copied().filter(|seen| !is_sealed || seen.says.is_some());
        let sound = match seen {
            Some(seen) if seen.size != blob.size => {
                let what = format!("it has {} bytes, the entry says {}", seen.size, blob.size);
                return Err(Error::corrupt(layout::blob_name(&blob.sha256), None, what));
            }
            Some(seen) => seen,
            None => {
                let says = if is_sealed {
                    let one = || self.large.lock().unwrap_or_else(PoisonError::into_inner);
                    let _one = (blob.size > LARGE).then(one);
                    Some(Digest::of(&payload_key::open(blob::get(self.source, blob)?, self.key, blob)?))
                } else {
                    blob::examine(self.source, blob)?;
                    None
                };
                let (sound, mut known) = (Sound { size: blob.size, says }, known());
                if known.len() >= KNOWN {
                    known.clear();
                }
                known.insert(blob.sha256, sound);
                sound
            }
        };
        Ok(if is_sealed { sound.says } else { blob.sealed.is_none().then_some(blob.sha256) })
    }

    /// What a payload says; `None` where it is sealed with a key that is not held.
    fn payload(&self, blob: &PayloadRef, kept: &mut Kept) -> Result<Option<Vec<u8>>, Error> {
        let stored = self.stored_payload(blob, kept)?;
        if self.can_open(blob) { payload_key::open(stored, self.key, blob).map(Some) } else { Ok(None) }
    }

    fn stored_payload(&self, blob: &PayloadRef, kept: &mut Kept) -> Result<Vec<u8>, Error> {
        if let Some(bytes) = kept.payloads.get(&blob.sha256).filter(|b| b.len() as u64 == blob.size) {
            return Ok(bytes.as_ref().clone());
        }
        let bytes = blob::get(self.source, blob)?;
        if blob.size <= KEPT_SIZE {
            if kept.bytes + bytes.len() > KEPT_BYTES {
                *kept = Kept::default();
            }
            kept.bytes += bytes.len();
            kept.payloads.insert(blob.sha256, Arc::new(bytes.clone()));
        }
        Ok(bytes)
    }
}
