//! Excerpts: a part of an evidence pack that is a ledger by itself. The log is in it whole, from the first entry on, so that
//! nothing can be left out of it unseen; of the payloads that a run leaves behind, only those that were chosen.
//!
//! What says who is trusted with what is never left out: whoever reads an excerpt comes to the same beliefs as a reader of
//! the ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;

use countersign_evidence::merkle::{Hash, leaf_hash};
use countersign_evidence::pack::{Archive, PackError, ReadAt};
use countersign_evidence::tile::{self, TileId, WIDTH};
use countersign_model::{Digest, PayloadRef};

use crate::layout::{self, CHECKPOINT, ORIGIN, VKEY};
use crate::ledger::Ledger;
use crate::source::{Listed, Source};
use crate::tree::root_of;
use crate::{Error, rotations};

/// Where the excerpt stands in a pack.
pub const PREFIX: &str = "evidence/";

/// The name in a pack of a payload or attachment.
#[must_use]
pub fn blob_name(digest: &Digest) -> String {
    format!("{PREFIX}{}", layout::blob_name(digest))
}

/// Hands over every file of the log as it is in this ledger: name in the pack, and content.
///
/// # Errors
/// What the ledger and `put` say.
pub fn log_files<E: From<Error>>(ledger: &Ledger, mut put: impl FnMut(&str, &[u8]) -> Result<(), E>) -> Result<(), E> {
    let mut put = |name: &str, content: &[u8]| put(&format!("{PREFIX}{name}"), content);
    put(ORIGIN, format!("{}\n", ledger.origin()).as_bytes())?;
    let vkey = ledger.source().read(VKEY, 4096)?.ok_or_else(|| Error::MissingBlob { file: VKEY.into() })?;
    put(VKEY, &vkey)?;
    put(CHECKPOINT, ledger.checkpoint_text().as_bytes())?;
    let steps = rotations::read_all(ledger.source(), ledger.origin())?;
    for (n, step) in (1..).zip(&steps) {
        put(&layout::rotation_name(n), step.note.as_bytes())?;
    }
    let mut levels: Vec<Vec<Hash>> = vec![Vec::new()];
    let mut index = 0;
    while index < ledger.size() {
        let end = index.saturating_add(WIDTH.into()).min(ledger.size());
        let mut entries = Vec::with_capacity(usize::from(WIDTH));
        ledger.each(index..end, |_, _, bytes| {
            entries.push(bytes.to_vec());
            Ok(())
        })?;
        let bundle = tile::encode_bundle(&entries).map_err(Error::from)?;
        let width = u16::try_from(entries.len()).unwrap_or(WIDTH);
        put(&layout::bundle_name(index / u64::from(WIDTH), width), &bundle)?;
        let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        full(&mut levels, 0, index / u64::from(WIDTH), leaves, &mut put)?;
        index = end;
    }
    // What is left at each level is the partial tile at the log's end.
    for id in tile::partial_tiles(ledger.size()) {
        let hashes = levels.get(usize::from(id.level)).map(Vec::as_slice).unwrap_or_default();
        put(&layout::tile_name(&id), &tile::encode_tile(hashes))?;
    }
    Ok(())
}

/// Adds hashes to a level; a tile that is full is handed over, and is one hash of the level above.
fn full<E: From<Error>>(
    levels: &mut Vec<Vec<Hash>>,
    level: u8,
    index: u64,
    hashes: Vec<Hash>,
    put: &mut impl FnMut(&str, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let at = usize::from(level);
    if levels.len() <= at {
        levels.push(Vec::new());
    }
    let Some(row) = levels.get_mut(at) else { return Ok(()) };
    row.extend(hashes);
    if row.len() < usize::from(WIDTH) {
        return Ok(());
    }
    let whole = std::mem::take(row);
    put(&layout::tile_name(&TileId { level, index, width: WIDTH }), &tile::encode_tile(&whole))?;
    full(levels, level + 1, index / u64::from(WIDTH), vec![root_of(&whole)], put)
}

/// The excerpt in a pack, as a place that a ledger is read from.
#[derive(Debug)]
pub struct Excerpt {
    archive: Archive,
    place: String,
    dirs: BTreeMap<String, Vec<Listed>>,
}

impl Excerpt {
    /// The excerpt in this pack; `place` is what the pack is called.
    #[must_use]
    pub fn new(archive: Archive, place: String) -> Self {
        let mut dirs: BTreeMap<String, BTreeSet<(String, bool)>> = BTreeMap::new();
        for name in archive.names().filter_map(|name| name.strip_prefix(PREFIX)) {
            let (mut name, mut is_dir) = (name, false);
            loop {
                let parent = layout::parent(name);
                let is_news = dirs.entry(parent.to_owned()).or_default().insert((name.to_owned(), is_dir));
                if parent.is_empty() || !is_news {
                    break;
                }
                (name, is_dir) = (parent, true);
            }
        }
        let listed = |(dir, names): (String, BTreeSet<(String, bool)>)| {
            (dir, names.into_iter().map(|(name, is_dir)| Listed { name, is_dir }).collect())
        };
        Self { archive, place, dirs: dirs.into_iter().map(listed).collect() }
    }

    /// The pack that it is in.
    #[must_use]
    pub const fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Whether a payload or attachment is in it.
    #[must_use]
    pub fn has(&self, blob: &PayloadRef) -> bool {
        self.archive.stat(&blob_name(&blob.sha256)).is_some()
    }
}

impl Source for Excerpt {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        self.archive.read(&format!("{PREFIX}{name}"), limit).map_err(|e| ours(name, &e))
    }

    fn stat(&self, name: &str, limit: u64) -> Result<Option<u64>, Error> {
        match self.archive.stat(&format!("{PREFIX}{name}")) {
            Some(size) if size > limit => {
                Err(Error::corrupt(name, None, format!("at most {limit} bytes belong there")))
            }
            size => Ok(size),
        }
    }

    fn list(&self, dir: &str) -> Result<Option<Vec<Listed>>, Error> {
        Ok(Some(self.dirs.get(dir).cloned().unwrap_or_default()))
    }

    fn is_excerpt(&self) -> bool {
        true
    }
}

fn ours(name: &str, error: &PackError) -> Error {
    Error::corrupt(name, None, error.to_string())
}

/// A file that any thread reads at any place.
#[derive(Debug)]
pub struct Disk(File);

impl Disk {
    /// Opens it for reading.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn open(path: &std::path::Path) -> io::Result<Self> {
        File::open(path).map(Self)
    }
}

impl ReadAt for Disk {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, bytes, offset)
    }
}
