//! Tiles and entry bundles of C2SP tlog-tiles: what they hold, what they are called, and which a growing log needs.
//!
//! A hash tile at tile level `L` holds up to 256 hashes of complete subtrees at binary level `8·L`; an entry bundle
//! holds the 256 entries under one tile of level 0. A full tile never changes. A partial one (`.p/<width>`) belongs to
//! a published size and is replaced by a wider one as the log grows.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::Error;
use crate::encoding::from_decimal;
use crate::merkle::{Hash, HashReader, node_hash};

/// Hashes in a full tile, and entries in a full bundle.
pub const WIDTH: u16 = 256;

/// Tile levels that a log of 2^64 entries can have.
const LEVELS: u8 = 8;

/// Tiles kept by [`TileHashes`] before it forgets them all; a proof touches at most two a level.
const CACHED: usize = 32;

/// The name of a hash tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// Tile level, 0 for the hashes of entries; at most 63.
    pub level: u8,
    /// Position at that level.
    pub index: u64,
    /// Hashes in it, 1 to 256; 256 is a full tile.
    pub width: u16,
}

impl TileId {
    /// The path, relative to the log: `tile/0/x001/234`, or `tile/0/x001/234.p/5` when partial.
    #[must_use]
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, number(self.index, self.width))
    }

    /// Reads a path as [`TileId::path`] writes it.
    ///
    /// # Errors
    /// [`Error::TilePath`] for any other text, entry bundles included.
    pub fn parse_path(path: &str) -> Result<Self, Error> {
        let wrong = || Error::TilePath(excerpt(path));
        let (level, rest) = path.strip_prefix("tile/").and_then(|p| p.split_once('/')).ok_or_else(wrong)?;
        let level = from_decimal(level).and_then(|l| u8::try_from(l).ok()).filter(|l| *l < 64).ok_or_else(wrong)?;
        let (index, width) = parse_number(rest).ok_or_else(wrong)?;
        Ok(Self { level, index, width })
    }

    /// How many bytes the tile holds: 32 a hash.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        usize::from(self.width) * size_of::<Hash>()
    }

    /// The same tile when it is full.
    #[must_use]
    pub const fn full(self) -> Self {
        Self { width: WIDTH, ..self }
    }

    /// The first entry under this tile and the number of entries under its hashes; saturating at the top of the tree.
    #[must_use]
    pub const fn entries(&self) -> (u64, u64) {
        let each = match 1_u64.checked_shl(8 * self.level as u32) {
            Some(n) => n,
            None => u64::MAX,
        };
        (self.index.saturating_mul(WIDTH as u64).saturating_mul(each), each.saturating_mul(self.width as u64))
    }
}

/// The path of an entry bundle: `tile/entries/x001/234`, or `….p/<width>` when partial.
#[must_use]
pub fn entries_path(index: u64, width: u16) -> String {
    format!("tile/entries/{}", number(index, width))
}

/// Index and width of an entry bundle from its path.
///
/// # Errors
/// [`Error::TilePath`] for any text that [`entries_path`] does not write.
pub fn parse_entries_path(path: &str) -> Result<(u64, u16), Error> {
    path.strip_prefix("tile/entries/").and_then(parse_number).ok_or_else(|| Error::TilePath(excerpt(path)))
}

/// The index in groups of three digits, all but the last marked by `x`, and the width when partial.
fn number(index: u64, width: u16) -> String {
    let mut text = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        text = format!("x{:03}/{text}", rest % 1000);
        rest /= 1000;
    }
    if width != WIDTH {
        text.push_str(&format!(".p/{width}"));
    }
    text
}

/// The reverse of [`number`]; exactly its output is accepted.
fn parse_number(text: &str) -> Option<(u64, u16)> {
    let (groups, width) = match text.split_once(".p/") {
        Some((groups, width)) => (groups, u16::try_from(from_decimal(width)?).ok().filter(|w| (1..WIDTH).contains(w))?),
        None => (text, WIDTH),
    };
    let mut index = 0_u64;
    for group in groups.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    (number(index, width) == text).then_some((index, width))
}

/// Enough of a wrong path to recognise it.
fn excerpt(path: &str) -> String {
    path.chars().take(120).collect()
}

/// The bytes of an entry bundle: each entry after its length as two bytes, big-endian.
///
/// # Errors
/// [`Error::EntryTooLarge`] past 65,535 bytes; [`Error::Bundle`] for none or more than 256 entries.
pub fn encode_bundle<B: AsRef<[u8]>>(entries: &[B]) -> Result<Vec<u8>, Error> {
    if entries.is_empty() {
        return Err(Error::Bundle("it is empty"));
    }
    if entries.len() > usize::from(WIDTH) {
        return Err(Error::Bundle("it holds more than 256 entries"));
    }
    let mut bytes = Vec::with_capacity(entries.iter().map(|e| e.as_ref().len().saturating_add(2)).sum());
    for entry in entries {
        let entry = entry.as_ref();
        let len = u16::try_from(entry.len()).map_err(|_| Error::EntryTooLarge(entry.len()))?;
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// The entries of a bundle, borrowed from its bytes.
///
/// # Errors
/// [`Error::Bundle`] when it is empty, cut short, or holds more than 256 entries.
pub fn decode_bundle(bytes: &[u8]) -> Result<Vec<&[u8]>, Error> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (len, after) = rest.split_first_chunk::<2>().ok_or(Error::Bundle("a length is cut short"))?;
        let (entry, after) = after
            .split_at_checked(usize::from(u16::from_be_bytes(*len)))
            .ok_or(Error::Bundle("an entry is cut short"))?;
        if entries.len() == usize::from(WIDTH) {
            return Err(Error::Bundle("it holds more than 256 entries"));
        }
        entries.push(entry);
        rest = after;
    }
    if entries.is_empty() { Err(Error::Bundle("it is empty")) } else { Ok(entries) }
}

/// The bytes of a hash tile.
#[must_use]
pub fn encode_tile(hashes: &[Hash]) -> Vec<u8> {
    hashes.concat()
}

/// The hashes of a tile.
///
/// # Errors
/// [`Error::TileSize`] when there are not exactly `id.width` of them.
pub fn decode_tile(id: &TileId, bytes: &[u8]) -> Result<Vec<Hash>, Error> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() || bytes.len() != id.byte_len() {
        return Err(Error::TileSize { path: id.path(), expected: id.byte_len(), found: bytes.len() });
    }
    Ok(hashes.to_vec())
}

/// How many hashes a log of `size` entries has at tile level `level`.
#[must_use]
pub const fn hashes_at(level: u8, size: u64) -> u64 {
    if level < LEVELS { size >> (8 * level as u32) } else { 0 }
}

/// How wide tile `index` of level `level` is in a log of `size` entries: 0 when it does not exist, 256 when full.
#[must_use]
pub fn width_at(level: u8, index: u64, size: u64) -> u16 {
    let before = index.saturating_mul(u64::from(WIDTH));
    let here = hashes_at(level, size).saturating_sub(before).min(u64::from(WIDTH));
    u16::try_from(here).unwrap_or(WIDTH)
}

/// The partial tiles of a log of `size` entries, one a level at most.
#[must_use]
pub fn partial_tiles(size: u64) -> Vec<TileId> {
    (0..LEVELS)
        .filter_map(|level| {
            let index = hashes_at(level, size) / u64::from(WIDTH);
            let width = width_at(level, index, size);
            (width > 0).then_some(TileId { level, index, width })
        })
        .collect()
}

/// The hash tiles to write when the published size goes from `old` to `new`, by level and index.
#[must_use]
pub fn tiles_for_growth(old: u64, new: u64) -> Vec<TileId> {
    (0..LEVELS)
        .flat_map(|level| {
            grown(hashes_at(level, old), hashes_at(level, new)).map(move |(index, width)| TileId {
                level,
                index,
                width,
            })
        })
        .collect()
}

/// The entry bundles (index, width) to write when the published size goes from `old` to `new`.
#[must_use]
pub fn bundles_for_growth(old: u64, new: u64) -> Vec<(u64, u16)> {
    grown(old, new).collect()
}

/// The groups of 256 that change when a row grows from `old` to `new` items, with their new widths.
fn grown(old: u64, new: u64) -> impl Iterator<Item = (u64, u16)> {
    let width = u64::from(WIDTH);
    let range = if new > old { old / width..new.div_ceil(width) } else { 0..0 };
    range.map(move |index| (index, width_at(0, index, new)))
}

/// Whether a log with this minimum index may lack the tile (tlog-tiles, pruning): it is full, and every entry under it comes
/// before the minimum index. All entries from there on, their proofs, and the roots of all trees of at least that size can
/// still be had from the other tiles.
#[must_use]
pub const fn may_lack_tile(id: &TileId, minimum: u64) -> bool {
    let each = 1_u64.checked_shl(8 * (id.level as u32 + 1));
    match (each, id.index.checked_add(1)) {
        (Some(each), Some(next)) => match each.checked_mul(next) {
            Some(end) => id.width == WIDTH && end <= minimum,
            None => false,
        },
        _ => false,
    }
}

/// Whether a log with this minimum index may lack the entry bundle.
#[must_use]
pub const fn may_lack_bundle(index: u64, width: u16, minimum: u64) -> bool {
    may_lack_tile(&TileId { level: 0, index, width }, minimum)
}

/// Whether a partial tile or bundle of this width may be deleted in a log of `size` entries: the full one is there.
#[must_use]
pub fn is_superseded(id: &TileId, size: u64) -> bool {
    id.width < WIDTH && width_at(id.level, id.index, size) == WIDTH
}

/// Gives the bytes of tiles.
pub trait TileReader {
    /// The bytes of the tile: `id.byte_len()` of them.
    ///
    /// # Errors
    /// [`Error::MissingHash`] when it is not there; see [`Error::missing_hash`].
    fn tile(&self, id: &TileId) -> Result<Vec<u8>, Error>;
}

/// Hashes of complete subtrees, read from the tiles of a log of a given size.
///
/// It believes the tiles: what it returns is worth what the proof or root computed from it is compared with.
pub struct TileHashes<'a> {
    size: u64,
    tiles: &'a dyn TileReader,
    cache: RefCell<BTreeMap<TileId, Vec<Hash>>>,
}

impl<'a> TileHashes<'a> {
    /// Over the tiles of a log of `size` entries.
    #[must_use]
    pub fn new(size: u64, tiles: &'a dyn TileReader) -> Self {
        Self { size, tiles, cache: RefCell::default() }
    }
}

impl HashReader for TileHashes<'_> {
    fn hash(&self, level: u8, index: u64) -> Result<Hash, Error> {
        let missing = || Error::MissingHash { level, index, source: None };
        let (tile_level, within) = (level / 8, level % 8);
        // The subtree is `1 << within` neighbouring hashes of one tile.
        let first = index.checked_shl(within.into()).filter(|f| f >> within == index).ok_or_else(missing)?;
        let tile_index = first / u64::from(WIDTH);
        let id = TileId { level: tile_level, index: tile_index, width: width_at(tile_level, tile_index, self.size) };
        let from = usize::try_from(first % u64::from(WIDTH)).map_err(|_| missing())?;
        let range = from..from + (1_usize << within);
        if range.end > usize::from(id.width) {
            return Err(missing());
        }
        let mut cache = self.cache.borrow_mut();
        if !cache.contains_key(&id) {
            if cache.len() >= CACHED {
                cache.clear();
            }
            cache.insert(id, decode_tile(&id, &self.tiles.tile(&id)?)?);
        }
        let mut row = cache.get(&id).and_then(|hashes| hashes.get(range)).ok_or_else(missing)?.to_vec();
        while row.len() > 1 {
            row = row.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
        }
        row.first().copied().ok_or_else(missing)
    }
}
