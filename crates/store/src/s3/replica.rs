//! A ledger published to a bucket: everything that its checkpoint covers, each object locked until nothing in it is kept
//! any longer, and the checkpoint last.
//!
//! What is published are the bytes that were checked against the checkpoint, not files: a damaged ledger is not copied.
//! Where the last replication ended is read from the bucket's own checkpoint, which is a hint and no more: every write is
//! decided by the storage (`If-None-Match`), and everything written is read back.
//!
//! Two things stay at home. The **salt** keys the pseudonyms of authors and the fingerprints of findings: whoever has it can
//! try addresses until one fits. The **keys of people** are there to be destroyed, and a locked copy of one could not be.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use countersign_evidence::checkpoint;
use countersign_evidence::note::{self, VerifierKey};
use countersign_evidence::tile::{self, TileId, TileReader as _, WIDTH};
use countersign_model::{Entry, PayloadRef, Retention, Timestamp};

use super::{Bucket, Put, S3Error};
use crate::layout::{self, CHECKPOINT, ORIGIN, ROTATIONS, VKEY};
use crate::ledger::unwrap_ours;
use crate::{Error, Ledger, rotations};

/// Blobs larger than this are sent one at a time, so that memory holds one of them and not one a thread.
const LARGE: u64 = 8 << 20;
/// How far ahead of the storage's clock the ledger's last entry may be.
const MAX_AHEAD_SECONDS: i64 = 24 * 3600;
/// What is written is locked for this long at least, for a date must lie ahead: what is older than its period was asked
/// to be published all the same.
const LEAST_LOCK_SECONDS: i64 = 24 * 3600;

/// Until when an entry is kept: its index, the entry, and the moment from which its period counts at least. The answer
/// may be later than its class alone asks for, and never earlier.
pub type Until<'a> = dyn Fn(u64, &Entry, Timestamp) -> Timestamp + Sync + 'a;

/// What a replication is told and tells.
pub struct Replication<'a> {
    /// Until when an entry is kept; [`kept_until`] goes by its class alone.
    pub until: &'a Until<'a>,
    /// Whether a legal hold lies on an entry: then one lies on its objects too, whatever their dates. A hold in the bucket
    /// is never lifted from here, for it may be somebody else's.
    pub held: &'a (dyn Fn(u64) -> bool + Sync),
    /// Whether what an entry speaks of was disposed of: then it need not be there to be sent.
    pub disposed: &'a (dyn Fn(u64) -> bool + Sync),
    /// How many objects are sent at once; 1 at least.
    pub parallel: usize,
    /// Look at every object, also at those of earlier replications: what is missing is put back, and locks are brought
    /// to the dates that hold today.
    pub is_full: bool,
    /// Is told of every object that the storage has acknowledged and that was read back.
    pub acknowledged: &'a (dyn Fn(&str, Put) + Sync),
}

/// What a replication did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replicated {
    /// How many entries the bucket had.
    pub from: u64,
    /// How many it has.
    pub size: u64,
    /// Objects that were written.
    pub written: u64,
    /// Objects that were there already.
    pub present: u64,
    /// Until when the checkpoint is locked.
    pub until: Timestamp,
}

/// Until when an entry is kept by its class alone: its period, counted from `from`. A period that starts with an event
/// counts from `from` too, which is its least; when the event is known the caller knows a later date. A class that
/// nobody has defined is kept for as long as the longest of those that every ledger knows.
#[must_use]
pub fn kept_until(entry: &Entry, from: Timestamp) -> Timestamp {
    let after = |class: Retention| class.rule().and_then(|rule| rule.period.after(from));
    after(entry.retention).unwrap_or_else(|| longest(from))
}

/// The longest period that every ledger knows, from a moment. What every proof needs is kept for that long.
fn longest(from: Timestamp) -> Timestamp {
    let dates = Retention::BUILT_IN.into_iter().filter_map(|class| class.rule()?.period.after(from));
    dates.max().unwrap_or(from)
}

/// Publishes a ledger to a bucket. Can be interrupted anywhere and repeated.
///
/// # Errors
/// [`S3Error::OtherLog`] when the bucket holds something that this ledger does not continue, [`S3Error::ClockAhead`] when
/// dates would be computed from a clock that is far ahead: nothing was written then. [`S3Error::Differs`],
/// [`S3Error::NotLocked`] when the storage does not hold what it was given; [`Error::Corrupt`] when the ledger does not;
/// what the storage or the way to it says.
pub fn replicate(ledger: &Ledger, bucket: &Bucket, replication: &Replication<'_>) -> Result<Replicated, Error> {
    let there = Published::look(ledger, bucket)?;
    let size = ledger.size();
    let Some(last) = size.checked_sub(1) else {
        return Err(Error::NoSuchEntry { index: 0, size });
    };
    let last = ledger.entries(last..size)?.into_iter().next().ok_or(Error::NoSuchEntry { index: last, size })?.1.time;
    // The question before has been answered, so the storage's clock is known, unless it sends none.
    let storage = bucket.storage_clock().unwrap_or_else(|| bucket.now());
    if last > storage.plus_seconds(MAX_AHEAD_SECONDS) {
        return Err(S3Error::ClockAhead { last, storage }.into());
    }
    let work = Work {
        ledger,
        bucket,
        replication,
        last,
        least: storage.plus_seconds(LEAST_LOCK_SECONDS),
        written: AtomicU64::new(0),
        present: AtomicU64::new(0),
        large: Mutex::new(()),
    };
    let from = if replication.is_full { 0 } else { there.size };
    work.blobs(from, size)?;
    work.bundles(from, size)?;
    work.tiles(from, size)?;
    let until = work.roots(&there, size)?;
    let (written, present) = (work.written.into_inner(), work.present.into_inner());
    Ok(Replicated { from: there.size, size, written, present, until })
}

/// The keys that signed this log, the present one first.
fn keys(ledger: &Ledger) -> Result<Vec<VerifierKey>, Error> {
    let mut keys = vec![ledger.vkey().clone()];
    keys.extend(rotations::read_all(ledger.source(), ledger.origin())?.into_iter().map(|step| step.rotation.old));
    Ok(keys)
}

/// What the bucket's own checkpoint says.
struct Published {
    size: u64,
    text: Vec<u8>,
    etag: Option<String>,
}

impl Published {
    fn look(ledger: &Ledger, bucket: &Bucket) -> Result<Self, Error> {
        let Some((meta, text)) = bucket.get(CHECKPOINT, note::MAX_BYTES as u64)? else {
            return Ok(Self { size: 0, text: Vec::new(), etag: None });
        };
        let other = |what: String| Error::from(S3Error::OtherLog { what });
        let old = checkpoint::open(&text, ledger.origin(), &keys(ledger)?).map_err(|e| other(e.to_string()))?;
        if old.size > ledger.size() {
            return Err(other(format!("it has {} entries there, and {} here", old.size, ledger.size())));
        }
        if ledger.root_at(old.size)? != old.root {
            return Err(other(format!("its first {} entries are others", old.size)));
        }
        Ok(Self { size: old.size, text, etag: meta.etag })
    }
}

struct Work<'a> {
    ledger: &'a Ledger,
    bucket: &'a Bucket,
    replication: &'a Replication<'a>,
    /// The time of the last entry: no period counts from before it, so a clock that was behind when an entry was written
    /// frees nothing early.
    last: Timestamp,
    /// No lock ends before this.
    least: Timestamp,
    written: AtomicU64,
    present: AtomicU64,
    large: Mutex<()>,
}

/// How an object is locked.
#[derive(Debug, Clone, Copy)]
struct Dates {
    /// When it is written now.
    new: Timestamp,
    /// When it is there already and everything is looked at: the entry's own time counts, for it was written when that
    /// was the last one.
    old: Timestamp,
    /// Whether a legal hold lies on it.
    held: bool,
}

impl Dates {
    fn max(self, other: Self) -> Self {
        let held = self.held || other.held;
        Self { new: self.new.max(other.new), old: self.old.max(other.old), held }
    }
}

impl Work<'_> {
    fn dates(&self, index: u64, entry: &Entry) -> Dates {
        let until = |from: Timestamp| (self.replication.until)(index, entry, from);
        let new = until(self.last.max(entry.time)).max(self.least);
        Dates { new, old: until(entry.time), held: (self.replication.held)(index) }
    }

    /// For what every proof needs.
    fn structure(&self) -> Dates {
        let until = longest(self.last).max(self.least);
        Dates { new: until, old: until, held: false }
    }

    /// Writes an object, or sees that it is there.
    fn put(&self, name: &str, bytes: &[u8], dates: Dates) -> Result<(), Error> {
        let put = if self.replication.is_full && self.bucket.holds(name, bytes, dates.old)? {
            Put::Present
        } else {
            self.bucket.put_new(name, bytes, dates.new)?
        };
        if dates.held {
            self.bucket.hold(name)?;
        }
        self.count(name, put);
        Ok(())
    }

    fn count(&self, name: &str, put: Put) {
        let counter = match put {
            Put::Written => &self.written,
            Put::Present => &self.present,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        (self.replication.acknowledged)(name, put);
    }

    /// The blobs of the entries in `from..to`, a bundle of entries at a time.
    fn blobs(&self, from: u64, to: u64) -> Result<(), Error> {
        let mut index = from;
        while index < to {
            let end = (index / u64::from(WIDTH) + 1).saturating_mul(u64::from(WIDTH)).min(to);
            let mut blobs: BTreeMap<String, (PayloadRef, Dates, bool)> = BTreeMap::new();
            for (index, entry) in self.ledger.entries(index..end)? {
                let dates = self.dates(index, &entry);
                let disposed = (self.replication.disposed)(index);
                for blob in std::iter::once(&entry.payload).chain(&entry.attachments) {
                    let name = layout::blob_name(&blob.sha256);
                    let known = blobs.entry(name).or_insert_with(|| (blob.clone(), dates, disposed));
                    known.1 = known.1.max(dates);
                    known.2 &= disposed;
                }
            }
            self.each(blobs.into_iter().collect(), |(name, (blob, dates, disposed))| {
                let large = (blob.size > LARGE).then(|| self.large.lock().unwrap_or_else(PoisonError::into_inner));
                let sent = match self.ledger.stored(&blob) {
                    Ok(bytes) => self.put(&name, &bytes, dates),
                    Err(Error::MissingBlob { .. }) if disposed => Ok(()),
                    Err(e) => Err(e),
                };
                drop(large);
                sent
            })?;
            index = end;
        }
        Ok(())
    }

    /// The bundles that change between the two sizes, and their hash tiles: both are kept as long as their entries.
    fn bundles(&self, from: u64, to: u64) -> Result<(), Error> {
        self.each(tile::bundles_for_growth(from, to), |(index, width)| {
            let first = index * u64::from(WIDTH);
            let range = first..first.saturating_add(u64::from(width));
            let mut dates = Dates { new: self.least, old: self.least, held: false };
            let mut entries = Vec::new();
            for (index, entry) in self.ledger.entries(range)? {
                dates = dates.max(self.dates(index, &entry));
                entries.push(self.ledger.entry_bytes(index)?);
            }
            self.put(&layout::bundle_name(index, width), &tile::encode_bundle(&entries)?, dates)?;
            let id = TileId { level: 0, index, width };
            self.put(&layout::tile_name(&id), &self.ledger.tile_bytes(&id)?, dates)
        })
    }

    /// The tiles above. Partial ones come in every width up to the published one, as the layout wants it.
    fn tiles(&self, from: u64, to: u64) -> Result<(), Error> {
        let above = tile::tiles_for_growth(from, to).into_iter().filter(|id| id.level > 0).collect();
        self.each(above, |id: TileId| {
            let bytes = self.ledger.tile_bytes(&id)?;
            if id.width < WIDTH {
                for width in 1..id.width {
                    let narrow = TileId { width, ..id };
                    let part = bytes.get(..narrow.byte_len()).unwrap_or_default();
                    self.put(&layout::tile_name(&narrow), part, self.structure())?;
                }
            }
            self.put(&layout::tile_name(&id), &bytes, self.structure())
        })
    }

    /// What everything else hangs on, the checkpoint last.
    fn roots(&self, there: &Published, size: u64) -> Result<Timestamp, Error> {
        let dates = self.structure();
        self.put(ORIGIN, format!("{}\n", self.ledger.origin()).as_bytes(), dates)?;
        // The notes that lead from an exchanged key to the next come before what the next one signed.
        for file in self.ledger.source().list(ROTATIONS)?.unwrap_or_default().into_iter().filter(|l| !l.is_dir) {
            let bytes = self.ledger.source().read(&file.name, note::MAX_BYTES as u64)?;
            let bytes = bytes.ok_or_else(|| Error::corrupt(&file.name, None, "it is missing"))?;
            self.put(&file.name, &bytes, dates)?;
        }
        self.replace(VKEY, format!("{}\n", self.ledger.vkey()).as_bytes(), dates)?;
        let text = self.ledger.checkpoint_text().as_bytes();
        let name = layout::checkpoint_name(size);
        match self.put(&name, text, dates) {
            // Witnesses may have signed since; the log says the same.
            Err(Error::S3(S3Error::Differs { .. })) if self.says_the_same(&name, size)? => {
                self.count(&name, Put::Present)
            }
            other => other?,
        }
        if there.text != text {
            let put = self.bucket.put_replace(CHECKPOINT, text, dates.new, there.etag.as_deref())?;
            self.count(CHECKPOINT, put);
        } else {
            self.bucket.holds(CHECKPOINT, text, dates.new)?;
            self.count(CHECKPOINT, Put::Present);
        }
        Ok(dates.new)
    }

    /// Writes an object that seldom changes, where it is another.
    fn replace(&self, name: &str, bytes: &[u8], dates: Dates) -> Result<(), Error> {
        match self.put(name, bytes, dates) {
            Err(Error::S3(S3Error::Differs { .. })) => {
                let etag = self.bucket.head(name)?.and_then(|meta| meta.etag);
                let put = self.bucket.put_replace(name, bytes, dates.new, etag.as_deref())?;
                self.count(name, put);
                Ok(())
            }
            other => other,
        }
    }

    fn says_the_same(&self, name: &str, size: u64) -> Result<bool, Error> {
        let Some((_, bytes)) = self.bucket.get(name, note::MAX_BYTES as u64)? else { return Ok(false) };
        let there = checkpoint::open(&bytes, self.ledger.origin(), &keys(self.ledger)?);
        Ok(there.is_ok_and(|c| c.size == size && c.root == self.ledger.root()))
    }

    /// Does something with every item, several at a time. The first error ends it.
    fn each<T: Send>(&self, items: Vec<T>, act: impl Fn(T) -> Result<(), Error> + Sync) -> Result<(), Error> {
        let threads = self.replication.parallel.clamp(1, 64).min(items.len());
        let items = Mutex::new(items.into_iter());
        let (failed, failure) = (AtomicBool::new(false), Mutex::new(None));
        let run = || {
            while !failed.load(Ordering::Relaxed) {
                let next = items.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(item) = next else { break };
                if let Err(e) = act(item) {
                    failed.store(true, Ordering::Relaxed);
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(e);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(run);
            }
            run();
        });
        failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }
}

impl Ledger {
    /// The bytes of a tile, checked against the checkpoint.
    fn tile_bytes(&self, id: &TileId) -> Result<Vec<u8>, Error> {
        self.tile(id).map_err(unwrap_ours)
    }
}
