//! A reader of the ledger. What it hands out is authenticated: every entry is checked against its tile, and every
//! tile against the one above it, up to the signed checkpoint.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_evidence::merkle::{self, Hash, HashReader};
use countersign_evidence::note::{SignerKey, VerifierKey};
use countersign_evidence::payload_key::PayloadKey;
use countersign_evidence::receipt::Receipt;
use countersign_evidence::tile::{self, TileHashes, TileId, TileReader, WIDTH};
use countersign_model::{Clock, Digest, Entry, PayloadRef, StreamId, digest};

use crate::append::{Appended, Batch};
#[cfg(unix)]
use crate::engine::embedded::socket;
use crate::engine::embedded::{Core, Index, Overlay, Present, stage_blobs, wal};
use crate::engine::prepare::prepare;
use crate::engine::{Engine, KeyChange};
use crate::error::code;
use crate::head::{Head, read_checkpoint, read_head, read_or_full};
use crate::layout::{self, CHECKPOINT, ORIGIN, Paths, SALT, VKEY};
use crate::leaf::{self, Bundle};
use crate::lock::Lock;
use crate::source::{Current, Source};
use crate::storage::{Disk, Storage};
use crate::subjects::{EngineKeys, NoKeys, SharedVault, SubjectKeys};
use crate::tree::root_of;
use crate::{Error, Notice, blob, files, payload_key, rotations};

/// How long a writer waits for the lock unless told otherwise.
pub const DEFAULT_LOCK_WAIT: Duration = Duration::from_secs(10);
/// Hashes of complete subtrees that are kept in memory, 48 bytes each.
const CACHED_NODES: usize = 1 << 14;
/// Full tiles that are kept in memory, 8 KiB each.
const CACHED_TILES: usize = 64;

#[derive(Default)]
struct Cache {
    /// Full tiles, checked against the checkpoint. They never change.
    tiles: HashMap<(u8, u64), Arc<Vec<Hash>>>,
    /// Complete subtrees that proofs were made of, by level and index: neighbours share nearly all of them.
    nodes: HashMap<(u8, u64), Hash>,
    /// The bundle that was read last, by index and width.
    bundle: Option<((u64, u16), Arc<Bundle>)>,
    /// The latest version of every stream, and how many entries were looked at for that.
    streams: HashMap<StreamId, u64>,
    scanned: u64,
}

/// How a ledger is appended to.
enum Backing {
    /// A directory. The lock is taken for each append, unless a running engine does it for us.
    Directory { paths: Paths, storage: Arc<dyn Storage>, index_path: Option<PathBuf>, index: Mutex<Option<Box<Index>>> },
    /// An engine that stays open.
    Engine(Arc<dyn Engine>),
    /// A copy, a bucket, a web server: it can be read.
    None,
}

/// An open ledger.
pub struct Ledger {
    source: Arc<Current>,
    keys: Arc<dyn SubjectKeys>,
    /// What payloads are sealed with, and opened.
    payload_key: Option<PayloadKey>,
    backing: Backing,
    origin: String,
    vkey: VerifierKey,
    head: Head,
    /// Acknowledged entries that are not in files yet, when it was opened.
    unpublished: u64,
    lock_wait: Duration,
    cache: Mutex<Cache>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("place", &self.source.place())
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}

impl Ledger {
    /// Opens the ledger in `dir`. Reads the checkpoint and the right edge of the tree, and what waits in the write-ahead
    /// log; not the other entries. Writes nothing.
    ///
    /// # Errors
    /// [`Error::NoLedger`] when there is none; [`Error::Corrupt`] when the checkpoint is not signed by the key in
    /// `ledger/vkey`, or the tiles do not lead to its root.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        Self::open_with(dir, Arc::new(Disk))
    }

    /// As [`Ledger::open`], writing through `storage`.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open_with(dir: &Path, storage: Arc<dyn Storage>) -> Result<Self, Error> {
        let paths = Paths::new(dir);
        if !paths.tiles_dir().is_dir() {
            return Err(Error::NoLedger { dir: dir.display().to_string() });
        }
        let (origin, vkey) = names(&paths)?;
        let (overlay, found) = Overlay::read(&paths, &origin, std::slice::from_ref(&vkey))?;
        let backing = Backing::Directory { paths, storage, index_path: None, index: Mutex::default() };
        let head = overlay.head();
        Ok(Self::of(Arc::new(overlay), backing, origin, vkey, head, found.entries))
    }

    /// Opens a ledger that an engine keeps open.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn with_engine(engine: Arc<dyn Engine>) -> Result<Self, Error> {
        let source: Arc<dyn Source> = Arc::clone(&engine) as _;
        let (origin, vkey, head) = named_head(source.as_ref())?;
        Ok(Self::of(source, Backing::Engine(engine), origin, vkey, head, 0))
    }

    /// Opens a ledger for reading, wherever it is kept.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn over(source: Arc<dyn Source>) -> Result<Self, Error> {
        let (origin, vkey, head) = named_head(source.as_ref())?;
        Ok(Self::of(source, Backing::None, origin, vkey, head, 0))
    }

    fn of(
        source: Arc<dyn Source>,
        backing: Backing,
        origin: String,
        vkey: VerifierKey,
        head: Head,
        unpublished: u64,
    ) -> Self {
        let keys: Arc<dyn SubjectKeys> = match &backing {
            Backing::Directory { paths, .. } => Arc::new(paths.clone()),
            Backing::Engine(engine) => Arc::new(EngineKeys(Arc::clone(engine))),
            Backing::None => Arc::new(NoKeys),
        };
        let (source, cache) = (Arc::new(Current::new(source)), Mutex::default());
        let (payload_key, lock_wait) = (None, DEFAULT_LOCK_WAIT);
        Self { source, keys, payload_key, backing, origin, vkey, head, unpublished, lock_wait, cache }
    }

    /// Keeps the index of streams and idempotency keys in this file, so that a long log need not be read for an append.
    /// It belongs beside the log's key.
    pub fn set_index(&mut self, path: PathBuf) {
        if let Backing::Directory { index_path, .. } = &mut self.backing {
            *index_path = Some(path);
        }
    }

    /// Acknowledged entries that an interrupted writer left in the write-ahead log; the next append publishes them.
    #[must_use]
    pub const fn unpublished(&self) -> u64 {
        self.unpublished
    }

    /// How long an append waits for the lock; ten seconds unless set.
    pub const fn set_lock_wait(&mut self, wait: Duration) {
        self.lock_wait = wait;
    }

    /// The ledger's directory, where it is kept in one.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        self.source.directory()
    }

    /// The place as people know it.
    #[must_use]
    pub fn place(&self) -> String {
        self.source.place()
    }

    /// Where its objects are read from.
    #[must_use]
    pub fn source(&self) -> &dyn Source {
        self.source.as_ref()
    }

    /// The keys that seal people's data.
    #[must_use]
    pub fn subject_keys(&self) -> &dyn SubjectKeys {
        self.keys.as_ref()
    }

    /// What opens sealed data; it outlives this handle.
    #[must_use]
    pub fn shared_vault(&self) -> SharedVault {
        let payload_key = self.payload_key.clone();
        SharedVault { source: Arc::clone(&self.source) as _, keys: Arc::clone(&self.keys), payload_key }
    }

    /// How many entries there are.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.head.checkpoint.size
    }

    /// The root hash.
    #[must_use]
    pub const fn root(&self) -> Hash {
        self.head.checkpoint.root
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The log's verifier key, as the ledger itself names it. Whether that is to be trusted, a pin must say.
    #[must_use]
    pub const fn vkey(&self) -> &VerifierKey {
        &self.vkey
    }

    /// The signed checkpoint, word for word.
    #[must_use]
    pub fn checkpoint_text(&self) -> &str {
        &self.head.text
    }

    /// The salt that keys the fingerprints of findings.
    ///
    /// # Errors
    /// When the file is missing or is not 64 hex digits and a newline.
    pub fn salt(&self) -> Result<[u8; 32], Error> {
        let line = files::line(self.source(), SALT)?;
        let bytes = digest::from_hex(&line).filter(|b| digest::to_hex(b) == line);
        bytes
            .and_then(|b| b.try_into().ok())
            .ok_or_else(|| Error::corrupt(SALT, None, "it is not 64 lower-case hex digits"))
    }

    /// The digest of the salt file, as `sha256sum salt` prints it; entry 0 names it.
    ///
    /// # Errors
    /// As [`Ledger::salt`].
    pub fn salt_digest(&self) -> Result<Digest, Error> {
        Ok(digest_of_salt(&self.salt()?))
    }

    /// The root when the log had `size` entries.
    ///
    /// # Errors
    /// [`Error::NoSuchEntry`] when it never was that large in this copy; [`Error::Corrupt`].
    pub fn root_at(&self, size: u64) -> Result<Hash, Error> {
        if size > self.size() {
            return Err(Error::NoSuchEntry { index: size.saturating_sub(1), size: self.size() });
        }
        if size == self.size() {
            return Ok(self.root());
        }
        merkle::root(size, &TileHashes::new(self.size(), self)).map_err(unwrap_ours)
    }

    /// The proof that entry `index` is in the log of this size.
    ///
    /// # Errors
    /// [`Error::NoSuchEntry`], [`Error::Corrupt`].
    pub fn receipt(&self, index: u64) -> Result<Receipt, Error> {
        self.must_have(index)?;
        let nodes = Nodes { ledger: self, tiles: TileHashes::new(self.size(), self) };
        let proof = merkle::inclusion_proof(index, self.size(), &nodes);
        Ok(Receipt::new(index, proof.map_err(unwrap_ours)?, self.head.text.clone()))
    }

    /// The bytes of entry `index`.
    ///
    /// # Errors
    /// [`Error::NoSuchEntry`], [`Error::Corrupt`].
    pub fn entry_bytes(&self, index: u64) -> Result<Vec<u8>, Error> {
        self.must_have(index)?;
        let bundle = self.bundle(index / u64::from(WIDTH))?;
        bundle.get(position(index)).map(<[u8]>::to_vec).ok_or(Error::NoSuchEntry { index, size: self.size() })
    }

    /// The entries in `range`, as far as the log has them. Ask for a long log in parts: all of them are in memory.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::UnknownFormat`], [`Error::Newer`].
    pub fn entries(&self, range: Range<u64>) -> Result<Vec<(u64, Entry)>, Error> {
        let mut entries = Vec::new();
        self.each(range, |index, file, bytes| {
            entries.push((index, leaf::parse(file, index, bytes)?));
            Ok(())
        })?;
        Ok(entries)
    }

    /// What a payload or attachment says: the stored bytes, which hash to what the entry says, opened where they are
    /// sealed.
    ///
    /// # Errors
    /// [`Error::MissingBlob`], [`Error::Corrupt`]; [`Error::Sealed`] without the key.
    pub fn payload(&self, blob: &PayloadRef) -> Result<Vec<u8>, Error> {
        payload_key::open(self.stored(blob)?, self.payload_key.as_ref(), blob)
    }

    /// The bytes of a payload or attachment as they are stored; they hash to what the entry says.
    ///
    /// # Errors
    /// [`Error::MissingBlob`], [`Error::Corrupt`].
    pub fn stored(&self, blob: &PayloadRef) -> Result<Vec<u8>, Error> {
        blob::get(self.source(), blob)
    }

    /// The digest of what a payload or attachment says. Where it is sealed, the entry's digest is that of other bytes.
    ///
    /// # Errors
    /// As [`Ledger::payload`].
    pub fn payload_digest(&self, blob: &PayloadRef) -> Result<Digest, Error> {
        if blob.sealed.is_none() { Ok(blob.sha256) } else { Ok(Digest::of(&self.payload(blob)?)) }
    }

    /// Opens payloads with this key from here on, and seals what a [`crate::Session`] appends with it.
    pub fn set_payload_key(&mut self, key: Option<PayloadKey>) {
        self.payload_key = key;
    }

    /// What payloads are sealed with.
    #[must_use]
    pub const fn payload_key(&self) -> Option<&PayloadKey> {
        self.payload_key.as_ref()
    }

    /// The version of a stream: how many entries it has. The first call reads the whole log.
    ///
    /// # Errors
    /// As [`Ledger::entries`].
    pub fn stream_version(&self, stream: &StreamId) -> Result<u64, Error> {
        self.scan_streams()?;
        Ok(self.cache().streams.get(stream).copied().unwrap_or(0))
    }

    /// The directory that it is written in, and through what; none where somebody else writes.
    pub(crate) fn home(&self) -> Option<(&Paths, &dyn Storage, Duration)> {
        match &self.backing {
            Backing::Directory { paths, storage, .. } => Some((paths, storage.as_ref(), self.lock_wait)),
            Backing::Engine(_) | Backing::None => None,
        }
    }

    /// The engine that keeps it open here.
    pub(crate) const fn engine(&self) -> Option<&Arc<dyn Engine>> {
        match &self.backing {
            Backing::Engine(engine) => Some(engine),
            Backing::Directory { .. } | Backing::None => None,
        }
    }

    /// The same ledger, read anew by another handle.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn reopened(&self) -> Result<Self, Error> {
        match &self.backing {
            Backing::Directory { paths, storage, .. } => Self::open_with(paths.root(), Arc::clone(storage)),
            Backing::Engine(engine) => Self::with_engine(Arc::clone(engine)),
            Backing::None => Self::over(Arc::clone(&self.source) as _),
        }
    }

    /// Looks for entries that others appended. `true` when there are any.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when what is there now does not continue what was there before.
    pub fn refresh(&mut self) -> Result<bool, Error> {
        let before = self.size();
        self.follow_key()?;
        match &self.backing {
            Backing::Directory { paths, .. } => {
                let is_same = read_checkpoint(paths)? == self.head.text.as_bytes();
                if is_same && wal::is_empty(paths)? {
                    return Ok(false);
                }
                let (overlay, found) = Overlay::read(paths, &self.origin, std::slice::from_ref(&self.vkey))?;
                self.take_over(overlay, found.entries)?;
            }
            Backing::Engine(_) | Backing::None => {
                if read_checkpoint(self.source())? == self.head.text.as_bytes() {
                    return Ok(false);
                }
                let key = self.vkey.clone();
                let head = match read_head(self.source(), &self.origin, std::slice::from_ref(&key)) {
                    Err(e) => {
                        // It may have been exchanged since it was looked at.
                        self.follow_key()?;
                        if self.vkey == key {
                            return Err(e);
                        }
                        read_head(self.source(), &self.origin, std::slice::from_ref(&self.vkey))?
                    }
                    head => head?,
                };
                self.move_to(head)?;
            }
        }
        Ok(self.size() > before)
    }

    /// Takes over the key that the ledger names now, when rotations lead to it from the one that was known.
    pub(crate) fn follow_key(&mut self) -> Result<(), Error> {
        let (_, named) = names(self.source())?;
        if named == self.vkey {
            return Ok(());
        }
        let steps = rotations::read_all(self.source(), &self.origin)?;
        if !rotations::after(&steps, &self.vkey).any(|key| *key == named) {
            return Err(Error::corrupt(layout::VKEY, None, "no rotation leads to this key from the one that was here"));
        }
        self.vkey = named;
        Ok(())
    }

    /// The directory that is appended to, and the door through which; `None` where there is none.
    pub(crate) fn writable(&self) -> Option<(&Paths, &dyn Storage)> {
        match &self.backing {
            Backing::Directory { paths, storage, .. } => Some((paths, storage.as_ref())),
            Backing::Engine(_) | Backing::None => None,
        }
    }

    /// Where and through what a ledger in a directory is written.
    ///
    /// # Errors
    /// [`Error::NoWriter`] where it is in none, or an engine has it open.
    pub(crate) fn directory_parts(&self) -> Result<(Paths, Arc<dyn Storage>), Error> {
        match &self.backing {
            Backing::Directory { paths, storage, .. } => Ok((paths.clone(), Arc::clone(storage))),
            Backing::Engine(_) | Backing::None => Err(Error::NoWriter { place: self.place() }),
        }
    }

    /// How long another writer is waited for.
    pub(crate) const fn lock_wait(&self) -> Duration {
        self.lock_wait
    }

    /// Whether something is acknowledged and not in tiles yet.
    pub(crate) const fn is_ahead(&self) -> bool {
        self.unpublished > 0
    }

    /// Reads the directory as it is now.
    fn take_over(&mut self, overlay: Overlay, unpublished: u64) -> Result<(), Error> {
        let head = overlay.head();
        let before = self.source.replace(Arc::new(overlay));
        let moved = self.move_to(head);
        if moved.is_err() {
            self.source.replace(before);
        } else {
            self.unpublished = unpublished;
        }
        moved
    }

    /// Goes on to a newer head, which must continue what was known.
    fn move_to(&mut self, head: Head) -> Result<(), Error> {
        let (old_size, old_root) = (self.size(), self.root());
        if head.checkpoint.size < old_size {
            let what = format!("it went back from {old_size} entries to {}", head.checkpoint.size);
            return Err(Error::corrupt(CHECKPOINT, None, what));
        }
        let old = std::mem::replace(&mut self.head, head);
        let continues = self.root_at(old_size).and_then(|root| {
            let what = || format!("it does not continue the log of {old_size} entries that was here");
            if root == old_root { Ok(()) } else { Err(Error::corrupt(CHECKPOINT, None, what())) }
        });
        let mut cache = self.cache();
        cache.bundle = None;
        if continues.is_err() {
            cache.tiles.clear();
            cache.nodes.clear();
            drop(cache);
            self.head = old;
        }
        continues
    }

    /// Appends a batch. When this returns, all of it is durable; where this opened the writer just for that, all of it
    /// is published too.
    ///
    /// Waits for another writer; see [`Ledger::set_lock_wait`]. A running engine on the same directory is asked instead.
    ///
    /// # Errors
    /// As [`Engine::append`]; [`Error::WrongSigner`]; [`Error::NoWriter`] where there is nothing to append to;
    /// [`Error::WriterGone`] when a running engine does not answer.
    pub fn append(&mut self, batch: Batch, signer: &SignerKey, clock: &dyn Clock) -> Result<Appended, Error> {
        let engine = match &self.backing {
            Backing::None => return Err(Error::NoWriter { place: self.place() }),
            Backing::Engine(engine) => Some(Arc::clone(engine)),
            Backing::Directory { .. } => None,
        };
        let appended = match engine {
            Some(engine) => engine.append(batch, clock.now())?,
            None => {
                self.must_be_signed_by(signer)?;
                return self.append_here(batch, signer, clock, false);
            }
        };
        self.refresh()?;
        Ok(appended)
    }

    /// Appends a batch that exchanges keys. An engine that is open, here or in another process, finds the new ones by itself.
    /// Otherwise a directory is appended to with this very signer.
    pub(crate) fn append_exchanging(
        &mut self,
        batch: Batch,
        change: &KeyChange,
        signer: &SignerKey,
        clock: &dyn Clock,
    ) -> Result<Appended, Error> {
        if let Some(engine) = self.engine() {
            let appended = engine.exchange(batch, clock.now(), change)?;
            self.refresh()?;
            return Ok(appended);
        }
        self.must_be_signed_by(signer)?;
        #[cfg(unix)]
        if let Backing::Directory { paths, .. } = &self.backing
            && let Some(mut client) = socket::Client::connect(paths)?
        {
            let appended = client.exchange(batch, clock.now(), change)?;
            self.refresh()?;
            return Ok(appended);
        }
        self.append_here(batch, signer, clock, true)
    }

    /// Appends to a directory.
    fn append_here(
        &mut self,
        batch: Batch,
        signer: &SignerKey,
        clock: &dyn Clock,
        alone: bool,
    ) -> Result<Appended, Error> {
        let Backing::Directory { paths, storage, index_path, index } = &mut self.backing else {
            return Err(Error::NoWriter { place: self.source.place() });
        };
        let (paths, storage, index_path) = (paths.clone(), Arc::clone(storage), index_path.clone());
        let known_index = unpoisoned(index).take().map(|index| *index);
        #[cfg(unix)]
        if !alone && let Some(mut client) = socket::Client::connect(&paths)? {
            let appended = client.append(batch, clock.now())?;
            self.refresh()?;
            return Ok(appended);
        }
        let lock = Lock::exclusive(&paths, self.lock_wait)?;
        // Somebody may have exchanged the key while we waited.
        self.follow_key()?;
        self.must_be_signed_by(signer)?;
        // Everything that the new checkpoint builds on is read from disk again and must lead to the last one: a
        // checkpoint that contradicts an earlier one must never be signed.
        let (overlay, found) = Overlay::read(&paths, &self.origin, std::slice::from_ref(&self.vkey))?;
        self.take_over(overlay.clone(), found.entries)?;
        let opened =
            Core::open(self, overlay.clone(), &found, Arc::clone(&storage), known_index, index_path.as_deref(), lock);
        let (mut core, mut notices) = opened?;
        let prepared = prepare(batch, clock.now()).and_then(|mut prepared| {
            stage_blobs(&overlay, storage.as_ref(), &Present::default(), &mut prepared)?;
            Ok(prepared)
        });
        let appended = prepared.and_then(|prepared| match core.commit(vec![prepared], signer).pop() {
            Some(result) => result,
            None => Err(Error::BadBatch { what: "it came to nothing".into() }),
        });
        let (index_left, closed) = core.close();
        if let Backing::Directory { index, .. } = &mut self.backing {
            *unpoisoned(index) = Some(Box::new(index_left));
        }
        self.move_to(overlay.head())?;
        self.unpublished = overlay.unpublished();
        let mut appended = appended?;
        if let Err(e) = closed {
            let what = format!("the append is done; the next one will publish it, for that could not be done now: {e}");
            notices.push(Notice { code: code::UNPUBLISHED, what });
        }
        appended.notices = notices;
        Ok(appended)
    }

    pub(crate) fn must_be_signed_by(&self, signer: &SignerKey) -> Result<(), Error> {
        if signer.verifier() == &self.vkey {
            return Ok(());
        }
        let short = |key: &VerifierKey| format!("{}+{}", key.name(), digest::to_hex(&key.id()));
        Err(Error::WrongSigner { given: short(signer.verifier()), expected: short(&self.vkey) })
    }

    /// Calls `visit` with index, file and bytes of every entry in `range`.
    pub(crate) fn each(
        &self,
        range: Range<u64>,
        mut visit: impl FnMut(u64, &str, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let end = range.end.min(self.size());
        let mut index = range.start;
        while index < end {
            let bundle_index = index / u64::from(WIDTH);
            let file = layout::bundle_name(bundle_index, tile::width_at(0, bundle_index, self.size()));
            let bundle = self.bundle(bundle_index)?;
            for bytes in bundle.iter().skip(position(index)) {
                if index >= end {
                    break;
                }
                visit(index, &file, bytes)?;
                index += 1;
            }
        }
        Ok(())
    }

    /// Reads what is new for the table of streams.
    pub(crate) fn scan_streams(&self) -> Result<(), Error> {
        let from = self.cache().scanned;
        let mut streams = Vec::new();
        let keep = |streams: &mut Vec<(StreamId, u64)>, scanned| {
            let mut cache = self.cache();
            cache.streams.extend(streams.drain(..));
            cache.scanned = scanned;
        };
        self.each(from..self.size(), |index, file, bytes| {
            let entry = leaf::parse(file, index, bytes)?;
            streams.push((entry.stream, entry.version));
            if streams.len() >= 1024 {
                keep(&mut streams, index + 1);
            }
            Ok(())
        })?;
        keep(&mut streams, self.size());
        Ok(())
    }

    /// The bundle of that number, every entry checked against the tree.
    pub(crate) fn bundle(&self, index: u64) -> Result<Arc<Bundle>, Error> {
        let width = tile::width_at(0, index, self.size());
        if let Some((key, bundle)) = &self.cache().bundle
            && *key == (index, width)
        {
            return Ok(Arc::clone(bundle));
        }
        let (name, bytes, whole) = read_or_full(self.source(), layout::bundle_name(index, width), width, || {
            layout::bundle_name(index, WIDTH)
        })?;
        let bundle = Arc::new(Bundle::parse(&name, bytes, width, whole)?);
        let hashes = self.tile(0, index)?;
        for (i, (bytes, hash)) in (0_u64..).zip(bundle.iter().zip(hashes.iter())) {
            if merkle::leaf_hash(bytes) != *hash {
                let entry = index * u64::from(WIDTH) + i;
                return Err(Error::corrupt(name, Some(entry), "it is not the entry that was appended"));
            }
        }
        self.cache().bundle = Some(((index, width), Arc::clone(&bundle)));
        Ok(bundle)
    }

    /// The hashes of a tile, checked against the checkpoint.
    fn tile(&self, level: u8, index: u64) -> Result<Arc<Vec<Hash>>, Error> {
        let width = tile::width_at(level, index, self.size());
        if width < WIDTH {
            return Ok(Arc::new(self.head.edge.row(level).to_vec()));
        }
        if let Some(tile) = self.cache().tiles.get(&(level, index)) {
            return Ok(Arc::clone(tile));
        }
        let id = TileId { level, index, width };
        let name = layout::tile_name(&id);
        let hashes = tile::decode_tile(&id, &files::require(self.source(), &name, id.byte_len() as u64)?)
            .map_err(|e| Error::corrupt(&name, None, e.to_string()))?;
        let above = self.tile(level + 1, index / u64::from(WIDTH))?;
        if above.get(position(index)) != Some(&root_of(&hashes)) {
            return Err(Error::corrupt(&name, None, "it does not hash to what the tile above it says"));
        }
        let hashes = Arc::new(hashes);
        let mut cache = self.cache();
        if cache.tiles.len() >= CACHED_TILES {
            cache.tiles.clear();
        }
        cache.tiles.insert((level, index), Arc::clone(&hashes));
        Ok(hashes)
    }

    fn must_have(&self, index: u64) -> Result<(), Error> {
        if index < self.size() { Ok(()) } else { Err(Error::NoSuchEntry { index, size: self.size() }) }
    }

    /// A panic in another thread leaves the cache as good as it was: it holds checked facts only.
    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hashes of complete subtrees, each computed from its tile once.
struct Nodes<'a> {
    ledger: &'a Ledger,
    tiles: TileHashes<'a>,
}

impl HashReader for Nodes<'_> {
    fn hash(&self, level: u8, index: u64) -> Result<Hash, countersign_evidence::Error> {
        if let Some(hash) = self.ledger.cache().nodes.get(&(level, index)) {
            return Ok(*hash);
        }
        let hash = self.tiles.hash(level, index)?;
        let mut cache = self.ledger.cache();
        if cache.nodes.len() >= CACHED_NODES {
            cache.nodes.clear();
        }
        cache.nodes.insert((level, index), hash);
        Ok(hash)
    }
}

impl TileReader for Ledger {
    fn tile(&self, id: &TileId) -> Result<Vec<u8>, countersign_evidence::Error> {
        let hashes = Self::tile(self, id.level, id.index);
        let hashes =
            hashes.map_err(|e| countersign_evidence::Error::missing_hash(8 * id.level, id.index, Box::new(e)))?;
        Ok(tile::encode_tile(&hashes))
    }
}

/// What is behind a lock, also after a panic: it holds checked facts only, and is replaced whole.
fn unpoisoned<T>(mutex: &mut Mutex<T>) -> &mut T {
    mutex.get_mut().unwrap_or_else(PoisonError::into_inner)
}

/// What names the log, and its head, which its key signed.
fn named_head(source: &dyn Source) -> Result<(String, VerifierKey, Head), Error> {
    let (origin, vkey) = names(source)?;
    match read_head(source, &origin, std::slice::from_ref(&vkey)) {
        Ok(head) => Ok((origin, vkey, head)),
        Err(e) => {
            // The key may have been exchanged after it was read, and before the head was.
            let now = names(source)?.1;
            if now == vkey {
                return Err(e);
            }
            let head = read_head(source, &origin, std::slice::from_ref(&now))?;
            Ok((origin, now, head))
        }
    }
}

/// What names the log: its origin, and the verifier key that it names itself.
pub(crate) fn names(source: &dyn Source) -> Result<(String, VerifierKey), Error> {
    let origin = files::line(source, ORIGIN)?;
    let vkey = files::line(source, VKEY)?;
    Ok((origin, VerifierKey::parse(&vkey).map_err(|e| Error::corrupt(VKEY, None, e.to_string()))?))
}

/// Our own error, when one travelled through the evidence room.
pub(crate) fn unwrap_ours(error: countersign_evidence::Error) -> Error {
    match error {
        countersign_evidence::Error::MissingHash { level, index, source: Some(source) } => {
            match source.downcast::<Error>() {
                Ok(ours) => *ours,
                Err(source) => countersign_evidence::Error::MissingHash { level, index, source: Some(source) }.into(),
            }
        }
        other => other.into(),
    }
}

pub(crate) fn digest_of_salt(salt: &[u8; 32]) -> Digest {
    Digest::of(salt_text(salt).as_bytes())
}

pub(crate) fn salt_text(salt: &[u8; 32]) -> String {
    format!("{}\n", digest::to_hex(salt))
}

/// Where in its bundle or tile something stands.
pub(crate) fn position(index: u64) -> usize {
    usize::try_from(index % u64::from(WIDTH)).unwrap_or(0)
}
