//! The named objects of a ledger, made from rows.

use countersign_evidence::merkle::Hash;
use countersign_evidence::tile::{self, TileId, WIDTH};
use countersign_model::{Digest, Hasher};
use postgres::Row;

use super::conn::Conn;
use super::head::{get, signed, unsigned};
use crate::layout::{self, Item, ORIGIN, SALT};
use crate::tree::Edge;
use crate::{Error, leaf};

/// Bytes of a blob in one row.
pub(super) const PART: usize = 512 << 10;
/// Parts that are read at a time.
const PARTS: i32 = 16;

/// The largest payload that is read ahead, in bytes.
const SMALL: u64 = 64 << 10;

/// What the ledger is: the row of `ledger`.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) origin: String,
    /// The first key of the log; it may have been exchanged since.
    pub(super) vkey: String,
    pub(super) salt: String,
}

impl Facts {
    /// The object of that name, where it is one of these. The key in force is for [`super::log_keys::LogKeys`] to say.
    pub(super) fn object(&self, name: &str) -> Option<Vec<u8>> {
        match name {
            ORIGIN => Some(format!("{}\n", self.origin).into_bytes()),
            SALT => Some(format!("{}\n", self.salt).into_bytes()),
            _ => None,
        }
    }
}

/// A tile, a bundle, a blob or a person's key; `None` when there is none, or the name is no such thing.
pub(super) fn read(conn: &mut Conn, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    let bytes = match Item::of(name) {
        Item::Tile(id) => tile_hashes(conn, name, &id)?.map(|hashes| tile::encode_tile(&hashes)),
        Item::Bundle(index, width) => bundle(conn, name, index, width)?,
        Item::Blob(digest) => blob(conn, &digest, limit)?,
        Item::Subject => subject(conn, name)?,
        _ => None,
    };
    match bytes {
        Some(bytes) if bytes.len() as u64 > limit => {
            Err(Error::corrupt(name, None, format!("it has {} bytes, at most {limit} belong there", bytes.len())))
        }
        bytes => Ok(bytes),
    }
}

pub(super) fn stat(conn: &mut Conn, name: &str, limit: u64) -> Result<Option<u64>, Error> {
    let Item::Blob(digest) = Item::of(name) else {
        return Ok(read(conn, name, limit)?.map(|bytes| bytes.len() as u64));
    };
    let sql = "select cast(count(*) as bigint), cast(coalesce(sum(octet_length(bytes)), 0) as bigint) from @.blobs where \
               sha256 = $1";
    let row = conn.row("look for a blob", sql, &[&digest.as_bytes().as_slice()])?;
    let Some(row) = row else { return Ok(None) };
    let (parts, size): (i64, i64) = (get(&row, 0)?, get(&row, 1)?);
    if parts == 0 {
        return Ok(None);
    }
    let size = unsigned(size)?;
    if size > limit {
        return Err(Error::corrupt(name, None, format!("it has {size} bytes, at most {limit} belong there")));
    }
    Ok(Some(size))
}

/// Size and digest of an object; a blob is never held in memory whole.
pub(super) fn digest(conn: &mut Conn, name: &str, limit: u64) -> Result<Option<(u64, Digest)>, Error> {
    let Item::Blob(digest) = Item::of(name) else {
        return Ok(read(conn, name, limit)?.map(|bytes| (bytes.len() as u64, Digest::of(&bytes))));
    };
    let mut hasher = Hasher::new();
    let mut size = 0_u64;
    let found = each_part(conn, &digest, |bytes| {
        size = size.saturating_add(bytes.len() as u64);
        if size > limit {
            return Err(Error::corrupt(name, None, format!("at most {limit} bytes belong there")));
        }
        hasher.update(&bytes);
        Ok(())
    })?;
    Ok(found.then(|| (size, hasher.finish())))
}

/// The hashes in a tile of any width; `None` when the tree is smaller than that.
fn tile_hashes(conn: &mut Conn, name: &str, id: &TileId) -> Result<Option<Vec<Hash>>, Error> {
    let from = id.index.saturating_mul(u64::from(WIDTH));
    let (from, to) = (signed(from)?, signed(from.saturating_add(u64::from(id.width)))?);
    let rows = if id.level == 0 {
        let sql = "select idx, hash from @.entries where idx >= $1 and idx < $2 order by idx";
        conn.query("read hashes of entries", sql, &[&from, &to])?
    } else {
        let sql = "select idx, hash from @.nodes where level = $3 and idx >= $1 and idx < $2 order by idx";
        conn.query("read hashes of the tree", sql, &[&from, &to, &i32::from(id.level)])?
    };
    let mut hashes = Vec::with_capacity(rows.len());
    if let Err(index) = dense(&rows, unsigned(from)?, usize::from(id.width))? {
        return gap(conn, name, id, index);
    }
    for row in &rows {
        let bytes: &[u8] = get(row, 1)?;
        let hash = bytes.try_into().map_err(|_| Error::corrupt(name, None, "a hash in it is not 32 bytes"))?;
        hashes.push(hash);
    }
    Ok(Some(hashes))
}

/// A row that is not there: the tree is smaller than that, or the row was taken out.
fn gap<T>(conn: &mut Conn, name: &str, id: &TileId, index: u64) -> Result<Option<T>, Error> {
    let row = conn.row("read the head of the log", "select size from @.head where one = 1", &[])?;
    let size = row.map_or(Ok(0), |row| unsigned(get(&row, 0)?))?;
    if tile::width_at(id.level, id.index, size) < id.width {
        return Ok(None);
    }
    let entry = (id.level == 0).then_some(index);
    let what =
        if id.level == 0 { "the row of this entry is missing".into() } else { format!("row {index} is missing") };
    Err(Error::corrupt(name, entry, what))
}

/// Whether the rows are those of `from` and the `width - 1` after it; else the first index that is missing.
fn dense(rows: &[Row], from: u64, width: usize) -> Result<Result<(), u64>, Error> {
    for (row, index) in rows.iter().zip(from..) {
        if unsigned(get(row, 0)?)? != index {
            return Ok(Err(index));
        }
    }
    Ok(if rows.len() == width { Ok(()) } else { Err(from.saturating_add(rows.len() as u64)) })
}

fn bundle(conn: &mut Conn, name: &str, index: u64, width: u16) -> Result<Option<Vec<u8>>, Error> {
    let from = index.saturating_mul(u64::from(WIDTH));
    let to = from.saturating_add(u64::from(width));
    let sql = "select idx, leaf from @.entries where idx >= $1 and idx < $2 order by idx";
    let rows = conn.query("read entries", sql, &[&signed(from)?, &signed(to)?])?;
    if let Err(at) = dense(&rows, from, usize::from(width))? {
        return gap(conn, name, &TileId { level: 0, index, width }, at);
    }
    let mut leaves: Vec<&[u8]> = Vec::with_capacity(rows.len());
    for (row, index) in rows.iter().zip(from..) {
        let leaf: &[u8] = get(row, 1)?;
        if leaf.len() > countersign_model::Entry::MAX_BYTES {
            return Err(Error::corrupt(name, Some(index), format!("it has {} bytes", leaf.len())));
        }
        leaves.push(leaf);
    }
    let entries = leaves.iter().zip(from..).filter_map(|(leaf, index)| leaf::parse(name, index, leaf).ok());
    let small = entries.map(|e| e.payload).filter(|p| p.size <= SMALL).map(|p| p.sha256);
    conn.ahead.wanted = small.collect();
    conn.ahead.have.clear();
    Ok(Some(tile::encode_bundle(&leaves)?))
}

/// Parts of a blob from `part` on, at most [`PARTS`]. Only the parts of one blob in their order are a blob.
fn parts(conn: &mut Conn, digest: &Digest, part: i32) -> Result<Vec<Vec<u8>>, Error> {
    let sql = "select part, case when octet_length(bytes) <= 524288 then bytes end from @.blobs where sha256 = $1 and part \
               >= $2 and part < $3 order by part";
    // Before the first there is nothing.
    let from = if part == 0 { i32::MIN } else { part };
    let rows = conn.query("read a blob", sql, &[&digest.as_bytes().as_slice(), &from, &(part + PARTS)])?;
    let wrong = |what| Error::corrupt(layout::blob_name(digest), None, what);
    let mut bytes = Vec::with_capacity(rows.len());
    for (row, expected) in rows.iter().zip(part..) {
        if get::<i32>(row, 0)? != expected {
            return Err(wrong("its parts are not in one piece"));
        }
        bytes.push(get::<Option<Vec<u8>>>(row, 1)?.ok_or_else(|| wrong("a part of it is too large"))?);
    }
    Ok(bytes)
}

/// Calls `visit` with each part of a blob; `false` when there is none.
fn each_part(
    conn: &mut Conn,
    digest: &Digest,
    mut visit: impl FnMut(Vec<u8>) -> Result<(), Error>,
) -> Result<bool, Error> {
    let mut part = 0;
    loop {
        let some = parts(conn, digest, part)?;
        let count = i32::try_from(some.len()).unwrap_or(PARTS);
        part += count;
        some.into_iter().try_for_each(&mut visit)?;
        if count < PARTS {
            return Ok(part > 0);
        }
    }
}

/// Fetches the payloads that are wanted next. Only those of one part that is what it should be are kept: all else is
/// looked at one by one.
fn fetch_ahead(conn: &mut Conn) -> Result<(), Error> {
    let wanted: Vec<Vec<u8>> = conn.ahead.wanted.drain().map(|d| d.as_bytes().to_vec()).collect();
    let sql = "select part, bytes from @.blobs where sha256 = any($1) and octet_length(bytes) <= 65536";
    for row in &conn.query("read blobs", sql, &[&wanted])? {
        let bytes: Vec<u8> = get(row, 1)?;
        let digest = Digest::of(&bytes);
        if get::<i32>(row, 0)? == 0 && wanted.iter().any(|w| w.as_slice() == digest.as_bytes()) {
            conn.ahead.have.insert(digest, bytes);
        } else {
            // Whatever blob this row claims to be a part of is not taken from here.
            conn.ahead.have.clear();
            return Ok(());
        }
    }
    Ok(())
}

fn blob(conn: &mut Conn, digest: &Digest, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    if conn.ahead.wanted.contains(digest) {
        fetch_ahead(conn)?;
    }
    if let Some(bytes) = conn.ahead.have.remove(digest) {
        return Ok(Some(bytes));
    }
    let mut bytes: Vec<u8> = Vec::new();
    let found = each_part(conn, digest, |part| {
        if bytes.len() as u64 + part.len() as u64 > limit {
            return Err(Error::corrupt(layout::blob_name(digest), None, format!("at most {limit} bytes belong there")));
        }
        bytes.extend_from_slice(&part);
        Ok(())
    })?;
    Ok(found.then_some(bytes))
}

fn subject(conn: &mut Conn, name: &str) -> Result<Option<Vec<u8>>, Error> {
    let person = name.strip_prefix("subjects/").and_then(|n| n.strip_suffix(".key")).unwrap_or_default();
    let row = conn.row("read a key", "select key from @.subject_keys where person = $1", &[&person])?;
    row.map(|row| Ok(format!("{}\n", get::<String>(&row, 0)?).into_bytes())).transpose()
}

/// The right edge of the tree of `size` entries.
pub(super) fn edge_at(conn: &mut Conn, size: u64) -> Result<Edge, Error> {
    let mut tiles = Vec::new();
    for id in tile::partial_tiles(size) {
        let name = layout::tile_name(&id);
        let hashes = tile_hashes(conn, &name, &id)?;
        tiles.push((id.level, hashes.ok_or_else(|| Error::corrupt(&name, None, "it is missing"))?));
    }
    Ok(Edge::from_tiles(size, tiles))
}
