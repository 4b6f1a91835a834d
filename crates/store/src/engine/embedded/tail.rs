//! The log's end, in memory: what is acknowledged and does not stand in files yet. Laid over the directory it makes the
//! ledger that was acknowledged, whether or not it is published.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use countersign_evidence::checkpoint;
use countersign_evidence::merkle::Hash;
use countersign_evidence::note::VerifierKey;
use countersign_evidence::tile::{self, TileId, WIDTH};
use countersign_model::Digest;

use super::wal::{self, Record, WalBlob};
use crate::head::{Head, read_head};
use crate::layout::{self, CHECKPOINT, Item, Paths};
use crate::source::{Listed, Source};
use crate::tree::Edge;
use crate::{Error, leaf};

/// A blob that is acknowledged and not in its place yet.
#[derive(Debug, Clone)]
pub(super) enum Pending {
    /// Its bytes.
    Bytes(Arc<Vec<u8>>),
    /// It lies in `tmp/` under [`large_name`], whole and synced.
    Large,
}

/// Where a large blob waits for its place.
pub(super) fn large_name(digest: &Digest) -> String {
    format!("{}/large-{}", layout::TMP, digest.hex())
}

/// The log's end.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    /// The newest acknowledged checkpoint, word for word, and the tree's right edge there.
    pub(super) head: Head,
    /// The entries of the bundle that is not full.
    pub(super) open_bundle: Vec<Arc<Vec<u8>>>,
    /// Files of the log that are complete and not written yet, by name.
    pub(super) files: BTreeMap<String, Arc<Vec<u8>>>,
    /// Blobs that are not in their place yet.
    pub(super) blobs: HashMap<Digest, Pending>,
    /// Bytes held for what is not written yet.
    pub(super) held: usize,
    /// The size of the checkpoint that is published.
    pub(super) published: u64,
}

/// What a batch of appends adds to the tail.
pub(super) struct Growth {
    pub(super) edge: Edge,
    pub(super) open_bundle: Vec<Arc<Vec<u8>>>,
    pub(super) files: BTreeMap<String, Arc<Vec<u8>>>,
}

impl Growth {
    pub(super) fn of(tail: &Tail) -> Self {
        Self { edge: tail.head.edge.clone(), open_bundle: tail.open_bundle.clone(), files: BTreeMap::new() }
    }

    /// Appends a leaf.
    pub(super) fn push(&mut self, leaf: Arc<Vec<u8>>, hash: Hash) -> Result<(), Error> {
        let bundle = self.edge.size() / u64::from(WIDTH);
        let files = &mut self.files;
        self.edge.push(hash, |id, hashes| {
            files.insert(layout::tile_name(&id), Arc::new(tile::encode_tile(hashes)));
        });
        self.open_bundle.push(leaf);
        if self.open_bundle.len() == usize::from(WIDTH) {
            let full: Vec<&[u8]> = self.open_bundle.iter().map(|l| l.as_slice()).collect();
            files.insert(layout::bundle_name(bundle, WIDTH), Arc::new(tile::encode_bundle(&full)?));
            self.open_bundle.clear();
        }
        Ok(())
    }
}

impl Tail {
    /// The tail of a log that stands in files whole.
    pub(super) fn of(source: &dyn Source, head: Head) -> Result<Self, Error> {
        let size = head.checkpoint.size;
        let index = size / u64::from(WIDTH);
        let width = tile::width_at(0, index, size);
        let mut open_bundle = Vec::new();
        if width > 0 {
            let name = layout::bundle_name(index, width);
            let full = || layout::bundle_name(index, WIDTH);
            let (name, bytes, whole) = crate::head::read_or_full(source, name, width, full)?;
            let bundle = leaf::Bundle::parse(&name, bytes, width, whole)?;
            for ((i, entry), hash) in (0_u64..).zip(bundle.iter()).zip(head.edge.row(0)) {
                if countersign_evidence::merkle::leaf_hash(entry) != *hash {
                    let index = index * u64::from(WIDTH) + i;
                    return Err(Error::corrupt(name, Some(index), "it is not the entry that was appended"));
                }
                open_bundle.push(Arc::new(entry.to_vec()));
            }
        }
        let none = (BTreeMap::new(), HashMap::new());
        Ok(Self { head, open_bundle, files: none.0, blobs: none.1, held: 0, published: size })
    }

    /// Takes over what was made durable.
    pub(super) fn grow(&mut self, growth: Growth, head: Head, blobs: impl IntoIterator<Item = (Digest, Pending)>) {
        self.held += growth.files.values().map(|f| f.len()).sum::<usize>();
        for (digest, pending) in blobs {
            if let Pending::Bytes(bytes) = &pending {
                self.held += bytes.len();
            }
            self.blobs.insert(digest, pending);
        }
        self.files.extend(growth.files);
        self.open_bundle = growth.open_bundle;
        self.head = head;
    }

    /// Replays a record of the write-ahead log, which must lead to the checkpoint that it carries.
    fn replay(&mut self, record: Record, origin: &str, keys: &[VerifierKey]) -> Result<(), Error> {
        let (first, end) = (record.first, record.end());
        let file = wal::segment_name(first);
        let wrong = |what: String| Error::corrupt(&file, Some(first), what);
        let checkpoint =
            checkpoint::open(record.checkpoint.as_bytes(), origin, keys).map_err(|e| wrong(e.to_string()))?;
        let mut growth = Growth::of(self);
        for entry in record.leaves {
            let hash = countersign_evidence::merkle::leaf_hash(&entry);
            growth.push(Arc::new(entry), hash)?;
        }
        if checkpoint.size != end || checkpoint.root != growth.edge.root() {
            return Err(wrong("its entries do not lead to the checkpoint that it carries".into()));
        }
        let head = Head { checkpoint, text: record.checkpoint, edge: growth.edge.clone() };
        let blobs = record.blobs.into_iter().map(|(digest, blob)| match blob {
            WalBlob::Inline(bytes) => (digest, Pending::Bytes(Arc::new(bytes))),
            WalBlob::Large(_) => (digest, Pending::Large),
        });
        self.grow(growth, head, blobs);
        Ok(())
    }

    /// An object as this tail has it; `None` where the directory has it.
    fn read(&self, name: &str) -> Option<Result<Vec<u8>, Error>> {
        if name == CHECKPOINT {
            return Some(Ok(self.head.text.clone().into_bytes()));
        }
        if let Some(file) = self.files.get(name) {
            return Some(Ok(file.as_ref().clone()));
        }
        let index = self.head.checkpoint.size / u64::from(WIDTH);
        match Item::of(name) {
            Item::Tile(TileId { level, index, width }) if width < WIDTH => {
                let at = self.head.checkpoint.size.checked_shr(8 * (u32::from(level) + 1)).unwrap_or(0);
                let hashes = self.head.edge.row(level).get(..usize::from(width)).filter(|_| at == index)?;
                Some(Ok(tile::encode_tile(hashes)))
            }
            Item::Bundle(i, width) if i == index && width < WIDTH => {
                let entries = self.open_bundle.get(..usize::from(width))?;
                let entries: Vec<&[u8]> = entries.iter().map(|e| e.as_slice()).collect();
                Some(tile::encode_bundle(&entries).map_err(Error::from))
            }
            Item::Blob(digest) => match self.blobs.get(&digest)? {
                Pending::Bytes(bytes) => Some(Ok(bytes.as_ref().clone())),
                Pending::Large => None,
            },
            _ => None,
        }
    }

    /// Where the object lies while it waits for its place.
    fn waiting(&self, name: &str) -> Option<String> {
        match Item::of(name) {
            Item::Blob(digest) => self.blobs.get(&digest).map(|_| large_name(&digest)),
            _ => None,
        }
    }
}

/// A tail over a directory: the acknowledged ledger.
#[derive(Debug, Clone)]
pub(crate) struct Overlay {
    pub(super) paths: Paths,
    pub(super) tail: Arc<RwLock<Tail>>,
}

/// What was found in the write-ahead log.
#[derive(Debug, Default, Clone)]
pub(crate) struct Found {
    /// Whether there is anything to tidy up.
    pub(crate) any: bool,
    /// The first entry of the first record that is there.
    pub(crate) first: Option<u64>,
    /// Entries that were acknowledged and not published.
    pub(crate) entries: u64,
    /// Bytes of a record that was cut short, and that nobody was told of.
    pub(crate) torn: u64,
}

/// How often reading starts again when a writer moved on underneath.
const TRIES: u32 = 5;

impl Overlay {
    /// Reads the ledger in a directory, its write-ahead log included. Writes nothing and takes no lock.
    pub(crate) fn read(paths: &Paths, origin: &str, keys: &[VerifierKey]) -> Result<(Self, Found), Error> {
        for _ in 1..TRIES {
            let before = crate::head::read_checkpoint(paths)?;
            let read = Self::read_once(paths, origin, keys);
            if read.is_ok() || crate::head::read_checkpoint(paths)? == before {
                return read;
            }
        }
        Self::read_once(paths, origin, keys)
    }

    fn read_once(paths: &Paths, origin: &str, keys: &[VerifierKey]) -> Result<(Self, Found), Error> {
        // In this order: what is published while this reads is in the files by then, or still in the log.
        let (records, torn) = wal::read_all(paths)?;
        let head = read_head(paths, origin, keys)?;
        let mut tail = Tail::of(paths, head)?;
        let any = !wal::segments(paths)?.is_empty();
        let first = records.first().map(|r| r.first);
        for record in records {
            let size = tail.head.checkpoint.size;
            if record.end() <= size {
                continue;
            }
            if record.first != size {
                let what = format!("it begins with entry {}, and the log before it has {size}", record.first);
                return Err(Error::corrupt(wal::segment_name(record.first), Some(record.first), what));
            }
            tail.replay(record, origin, keys)?;
        }
        let found = Found { any, first, entries: tail.head.checkpoint.size - tail.published, torn };
        Ok((Self { paths: paths.clone(), tail: Arc::new(RwLock::new(tail)) }, found))
    }

    /// The newest acknowledged head.
    pub(crate) fn head(&self) -> Head {
        self.tail().head.clone()
    }

    /// The size that is published.
    pub(crate) fn published(&self) -> u64 {
        self.tail().published
    }

    /// Entries that are acknowledged and not published.
    pub(crate) fn unpublished(&self) -> u64 {
        let tail = self.tail();
        tail.head.checkpoint.size - tail.published
    }

    /// A panic in another thread leaves the tail as good as it was: it is replaced whole.
    pub(super) fn tail(&self) -> RwLockReadGuard<'_, Tail> {
        self.tail.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tail_mut(&self) -> RwLockWriteGuard<'_, Tail> {
        self.tail.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Overlay {
    fn place(&self) -> String {
        self.paths.place()
    }

    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let (held, waiting) = {
            let tail = self.tail();
            (tail.read(name), tail.waiting(name))
        };
        match (held, waiting) {
            (Some(bytes), _) => {
                let bytes = bytes?;
                if bytes.len() as u64 > limit {
                    return Err(Error::corrupt(name, None, format!("at most {limit} bytes belong there")));
                }
                Ok(Some(bytes))
            }
            (None, Some(waiting)) => match self.paths.read(&waiting, limit)? {
                Some(bytes) => Ok(Some(bytes)),
                None => self.paths.read(name, limit),
            },
            (None, None) => self.paths.read(name, limit),
        }
    }

    fn read_into(&self, name: &str, limit: u64, bytes: &mut Vec<u8>) -> Result<bool, Error> {
        let is_here = {
            let tail = self.tail();
            tail.read(name).is_some() || tail.waiting(name).is_some()
        };
        if !is_here {
            return self.paths.read_into(name, limit, bytes);
        }
        let read = self.read(name, limit)?;
        let is_there = read.is_some();
        *bytes = read.unwrap_or_default();
        Ok(is_there)
    }

    fn stat(&self, name: &str, limit: u64) -> Result<Option<u64>, Error> {
        let waits = {
            let tail = self.tail();
            tail.read(name).is_some() || tail.waiting(name).is_some()
        };
        if waits { Ok(self.read(name, limit)?.map(|b| b.len() as u64)) } else { self.paths.stat(name, limit) }
    }

    fn digest(&self, name: &str, limit: u64) -> Result<Option<(u64, Digest)>, Error> {
        let (held, waiting) = {
            let tail = self.tail();
            (tail.read(name), tail.waiting(name))
        };
        match (held, waiting) {
            (Some(bytes), _) => bytes.map(|b| Some((b.len() as u64, Digest::of(&b)))),
            (None, Some(waiting)) => match self.paths.digest(&waiting, limit)? {
                Some(found) => Ok(Some(found)),
                None => self.paths.digest(name, limit),
            },
            (None, None) => self.paths.digest(name, limit),
        }
    }

    fn list(&self, dir: &str) -> Result<Option<Vec<Listed>>, Error> {
        self.paths.list(dir)
    }

    fn directory(&self) -> Option<&Path> {
        self.paths.directory()
    }
}
