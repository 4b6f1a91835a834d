//! What every bundle needs and no other bundle has a say in: reading, hashing, parsing, its blobs. It is done on all
//! cores; what was seen is handed over in the order of the log, in parts, so that no more than a few parts are held.

use std::borrow::Cow;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};

use countersign_evidence::merkle::{Hash, leaf_hash};
use countersign_evidence::payload_key::PayloadKey;
use countersign_evidence::tile::{self, TileId, WIDTH};
use countersign_model::{Digest, Entry, EventKind, Timestamp};

use super::Reader;
use super::recent::{ByDigest, Recent};
use super::seals::Seals;
use super::streams::Names;
use crate::blob::OpenedView;
use crate::leaf::{self, BlobView, Bundle, EntryView, Lists};
use crate::source::Source;
use crate::tree::root_of;
use crate::{Error, blob, layout, payload_key};

/// Entries in a part.
const PART_ENTRIES: usize = 128;
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
    /// Where the blobs that it speaks of stand in the part, those left out that an entry before it speaks of.
    pub(super) blobs: Range<usize>,
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
    /// It is to be read when its turn comes.
    Later(Box<Later>),
    /// It was not looked for: the place does not publish payloads, it is not sound, or it is sealed with a key that is not
    /// held.
    None,
}

/// An entry whose payload is read when its turn comes.
#[derive(Debug)]
pub(super) struct Later {
    pub(super) entry: Entry,
    /// The leaf's hash.
    pub(super) hash: Hash,
    /// What the attachments say.
    pub(super) attachments: Vec<Option<Digest>>,
}

/// What is handed over, in order: parts until the last one of the bundle.
#[derive(Debug)]
pub(super) struct Part<R> {
    /// Bundle and tile, in the first part.
    pub(super) head: Option<Box<Head>>,
    pub(super) entries: Vec<Result<Looked<R>, Box<Error>>>,
    /// The blobs that the entries speak of.
    pub(super) blobs: Vec<Digest>,
    pub(super) is_last: bool,
}

impl<R> Part<R> {
    fn new(head: Option<Box<Head>>) -> Self {
        Self { head, entries: Vec::with_capacity(PART_ENTRIES), blobs: Vec::new(), is_last: false }
    }
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

/// What a thread remembers from one bundle to the next.
#[derive(Default)]
struct Memory {
    /// Small payloads that were read before.
    payloads: HashMap<Digest, Vec<u8>, ByDigest>,
    bytes: usize,
    /// What the attachments of the entry say that is looked at.
    says: Vec<Option<Digest>>,
    /// Blobs that were spoken of and found sound.
    recent: Recent,
    /// The buffer that bundles are read into.
    buffer: Vec<u8>,
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
                        let mut memory = Memory::default();
                        for index in (first..count).skip(nth).step_by(threads) {
                            // Nobody listens any more when the examination was given up.
                            if !self.look(index, &mut memory, &mut |part| sender.send(part).is_ok()) {
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
    fn look(&self, index: u64, memory: &mut Memory, send: &mut dyn FnMut(Part<R>) -> bool) -> bool {
        let id = self.id(index);
        let tile = self.tile(&id);
        let (name, bundle) = self.bundle(&id, std::mem::take(&mut memory.buffer));
        let mut head = Head { leaves: Ok(None), tile, root: None };
        let bundle = match bundle {
            Ok(Some(bundle)) => bundle,
            missing => {
                head.leaves = missing.map(|_| None);
                return send(Part { is_last: true, ..Part::new(Some(Box::new(head))) });
            }
        };
        let hashes: Vec<Hash> = bundle.iter().map(leaf_hash).collect();
        let differs = matches!(&head.tile, Ok(Some(tile)) if *tile != hashes);
        if id.width == WIDTH && head.tile.is_ok() && !differs {
            head.root = Some(root_of(&hashes));
        }
        // Which of the entries count is not known here when they are not those of the tile: then each is handed over whole.
        memory.recent.trust(!differs);
        head.leaves = Ok(Some(hashes.clone()));
        let mut part = Part::new(Some(Box::new(head)));
        let is_heard = !self.entries || self.entries(index, &name, &bundle, &hashes, memory, &mut part, send);
        memory.buffer = bundle.into_bytes();
        part.is_last = true;
        is_heard && send(part)
    }

    /// Looks at the entries of a bundle. What is left for the last part stays in `part`.
    #[expect(clippy::too_many_arguments, reason = "they are what a bundle consists of")]
    fn entries(
        &self,
        index: u64,
        name: &str,
        bundle: &Bundle,
        hashes: &[Hash],
        memory: &mut Memory,
        part: &mut Part<R>,
        send: &mut dyn FnMut(Part<R>) -> bool,
    ) -> bool {
        let mut lists = Lists::default();
        let (mut bytes, first) = (0, index * u64::from(WIDTH));
        for ((i, entry), hash) in (first..).zip(bundle.iter()).zip(hashes) {
            if part.entries.len() == PART_ENTRIES || bytes >= PART_BYTES {
                bytes = 0;
                if !send(std::mem::replace(part, Part::new(None))) {
                    return false;
                }
            }
            let blobs = &mut part.blobs;
            let looked =
                leaf::look(name, i, entry, &mut lists, |entry| self.entry(i, entry, hash, memory, blobs, &mut bytes));
            part.entries.push(looked.map_err(Box::new));
        }
        true
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

    fn bundle(&self, id: &TileId, mut buffer: Vec<u8>) -> (String, Result<Option<Bundle>, Error>) {
        let own = layout::bundle_name(id.index, id.width);
        let name_of = |id: &TileId| layout::bundle_name(id.index, id.width);
        let read = self.stored_into(id, name_of, leaf::MAX_BUNDLE_BYTES, &mut buffer).and_then(|name| {
            let is_longer = |name: &String| *name != own;
            name.map(|name| Bundle::parse(&name, buffer, id.width, is_longer(&name))).transpose()
        });
        (own, read)
    }

    fn stored(
        &self,
        id: &TileId,
        name: impl Fn(&TileId) -> String,
        limit: u64,
    ) -> Result<(String, Option<Vec<u8>>), Error> {
        let mut bytes = Vec::new();
        let own = name(id);
        Ok(match self.stored_into(id, name, limit, &mut bytes)? {
            Some(name) => (name, Some(bytes)),
            None => (own, None),
        })
    }

    /// Reads an object of the log, and says under which name it was found. A log that is only published loses its partial
    /// ones when the full one is there.
    fn stored_into(
        &self,
        id: &TileId,
        name: impl Fn(&TileId) -> String,
        limit: u64,
        bytes: &mut Vec<u8>,
    ) -> Result<Option<String>, Error> {
        let own = name(id);
        if self.source.read_into(&own, limit, bytes)? {
            return Ok(Some(own));
        }
        if id.width < WIDTH && self.source.is_log_only() {
            let full = name(&id.full());
            return Ok(self.source.read_into(&full, leaf::MAX_BUNDLE_BYTES, bytes)?.then_some(full));
        }
        Ok(None)
    }

    fn entry(
        &self,
        index: u64,
        entry: &EntryView<'_>,
        hash: &Hash,
        memory: &mut Memory,
        blobs: &mut Vec<Digest>,
        bytes: &mut u64,
    ) -> Looked<R> {
        let kind = entry.kind();
        let start = blobs.len();
        let mut looked = Looked {
            kind,
            time: entry.time(),
            version: entry.version(),
            stream: self.names.of(entry.stream()),
            wrong_ref: entry.refs().iter().copied().find(|r| *r >= index),
            blobs: start..start,
            wrong_blobs: Vec::new(),
            seals: Seals::of(entry),
            unopened: 0,
            payload: Payload::None,
        };
        if !self.blobs {
            return looked;
        }
        let mut says = std::mem::take(&mut memory.says);
        says.clear();
        for attachment in entry.attachments() {
            let is_open = attachment.sealed().is_none();
            if is_open && memory.recent.is_known(attachment) {
                says.push(Some(attachment.sha256));
                continue;
            }
            if memory.recent.is_news(&attachment.sha256) {
                blobs.push(attachment.sha256);
            }
            looked.unopened += u64::from(!self.can_open(attachment));
            says.push(match self.attachment(attachment) {
                Ok(said) => {
                    if is_open {
                        memory.recent.know(attachment);
                    }
                    said
                }
                Err(e) => {
                    looked.wrong_blobs.push((attachment.sha256, e));
                    is_open.then_some(attachment.sha256)
                }
            });
        }
        let blob = entry.payload_blob();
        if memory.recent.is_news(&blob.sha256) {
            blobs.push(blob.sha256);
        }
        looked.blobs = start..blobs.len();
        looked.unopened += u64::from(!self.can_open(blob));
        // These are looked at by others as well, in the order of the log.
        let is_special = index == 0 || matches!(kind, EventKind::LogKeyRotated | EventKind::SecondLogKeyChosen);
        if is_special || blob.size > LARGE {
            let later = Later { entry: entry.to_entry(), hash: *hash, attachments: says };
            looked.payload = Payload::Later(Box::new(later));
            return looked;
        }
        match self.payload(blob, memory) {
            Ok(Some(payload)) => {
                *bytes += payload.len() as u64;
                let opened = OpenedView { payload: Some(payload), attachments: &says };
                looked.payload = Payload::Read((self.read)(index, entry, hash, opened));
            }
            Ok(None) => {}
            Err(e) => {
                let is_gone = matches!(e, Error::MissingBlob { .. });
                looked.wrong_blobs.push((blob.sha256, e));
                // What cannot be read or is altered is no payload at all; one that is gone may have been disposed of.
                if is_gone && kind.is_disposable() {
                    let opened = OpenedView { payload: None, attachments: &says };
                    looked.payload = Payload::Read((self.read)(index, entry, hash, opened));
                }
            }
        }
        memory.says = says;
        looked
    }

    fn can_open(&self, blob: &BlobView<'_>) -> bool {
        blob.sealed().is_none_or(|id| self.key.is_some_and(|key| key.id() == id))
    }

    /// An attachment is hashed once, and opened once where it is sealed, and must have the size that every entry says.
    /// Returns the digest of what it says; `None` where that was not looked at.
    fn attachment(&self, blob: &BlobView<'_>) -> Result<Option<Digest>, Error> {
        let is_sealed = blob.sealed().is_some() && self.can_open(blob);
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = known().get(&blob.sha256).copied().filter(|seen| !is_sealed || seen.says.is_some());
        let sound = match seen {
            Some(seen) if seen.size != blob.size => {
                let what = format!("it has {} bytes, the entry says {}", seen.size, blob.size);
                return Err(Error::corrupt(layout::blob_name(&blob.sha256), None, what));
            }
            Some(seen) => seen,
            None => {
                let whole = blob.to_ref();
                let says = if is_sealed {
                    let one = || self.large.lock().unwrap_or_else(PoisonError::into_inner);
                    let _one = (blob.size > LARGE).then(one);
                    Some(Digest::of(&payload_key::open(blob::get(self.source, &whole)?, self.key, &whole)?))
                } else {
                    blob::examine(self.source, &whole)?;
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
        Ok(if is_sealed { sound.says } else { blob.sealed().is_none().then_some(blob.sha256) })
    }

    /// What a payload says; `None` where it is sealed with a key that is not held.
    fn payload<'m>(&self, blob: &BlobView<'_>, memory: &'m mut Memory) -> Result<Option<Cow<'m, [u8]>>, Error> {
        let stored = self.stored_payload(blob, memory)?;
        if blob.sealed().is_none() {
            return Ok(Some(stored));
        }
        if !self.can_open(blob) {
            return Ok(None);
        }
        payload_key::open(stored.into_owned(), self.key, &blob.to_ref()).map(|payload| Some(Cow::Owned(payload)))
    }

    fn stored_payload<'m>(&self, blob: &BlobView<'_>, memory: &'m mut Memory) -> Result<Cow<'m, [u8]>, Error> {
        let is_kept = memory.payloads.get(&blob.sha256).is_some_and(|b| b.len() as u64 == blob.size);
        if !is_kept {
            let bytes = blob::get(self.source, &blob.to_ref())?;
            if blob.size > KEPT_SIZE {
                return Ok(Cow::Owned(bytes));
            }
            if memory.bytes + bytes.len() > KEPT_BYTES {
                memory.payloads.clear();
                memory.bytes = 0;
            }
            memory.bytes += bytes.len();
            memory.payloads.insert(blob.sha256, bytes);
        }
        Ok(Cow::Borrowed(memory.payloads.get(&blob.sha256).map_or(&[], Vec::as_slice)))
    }
}
