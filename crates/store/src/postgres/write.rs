//! What a transaction writes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use countersign_evidence::merkle::Hash;
use countersign_evidence::tile::WIDTH;
use countersign_model::{Digest, StreamId, Timestamp};

use super::conn::Conn;
use super::head::{Head, Signing, fenced, get, signed, unsigned};
use super::sequencer::Job;
use super::view::PART;
use crate::engine::prepare::{BatchKey, Prepared, content_digest, entry_time, key_entries};
use crate::tree::{Edge, root_of};
use crate::{Error, layout, leaf};

/// Bytes of blobs in one statement.
const STATEMENT_BYTES: usize = 8 << 20;

/// Where a batch stands, and its time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub(super) first: u64,
    pub(super) time: Timestamp,
}

/// What becomes of a batch.
pub(super) enum Verdict {
    Placed,
    Repeated(Placed),
    Refused(Error),
}

/// The rows that a group of batches makes.
pub(super) struct Plan {
    pub(super) edge: Edge,
    pub(super) placed: Vec<Placed>,
    leaves: Vec<Vec<u8>>,
    hashes: Vec<Hash>,
    first: u64,
    nodes: Vec<(i32, i64, Hash)>,
    versions: HashMap<StreamId, u64>,
    /// Streams that this group appends to.
    touched: BTreeSet<StreamId>,
    keys: Vec<(String, i64)>,
    last_time: Timestamp,
}

/// Bytes that a batch will write.
pub(super) fn weight(batch: &Prepared) -> usize {
    let blobs: usize = batch.blobs.values().map(Vec::len).sum();
    blobs.saturating_add(batch.drafts.len().saturating_mul(1024))
}

impl Plan {
    /// Gives every batch its place, in order, and checks what it expects. The plan is good for writing only when all of
    /// them are placed.
    pub(super) fn make(conn: &mut Conn, head: &Head, edge: Edge, group: &[Job]) -> Result<(Self, Vec<Verdict>), Error> {
        let mut plan = Self {
            first: edge.size(),
            edge,
            placed: Vec::new(),
            leaves: Vec::new(),
            hashes: Vec::new(),
            nodes: Vec::new(),
            versions: versions(conn, group)?,
            touched: BTreeSet::new(),
            keys: Vec::new(),
            last_time: head.last_time,
        };
        let known = keys(conn, group)?;
        let mut verdicts = Vec::with_capacity(group.len());
        for job in group {
            let batch = &job.batch;
            let there = batch.key.as_ref().and_then(|key| Some((key, *known.get(&key.text)?)));
            verdicts.push(match there {
                Some((key, first)) => match repeated(conn, head, key, first)? {
                    Ok(placed) => Verdict::Repeated(placed),
                    Err(refused) => Verdict::Refused(refused),
                },
                None => match plan.check(batch) {
                    Ok(time) => {
                        plan.place(batch, time)?;
                        Verdict::Placed
                    }
                    Err(refused) => Verdict::Refused(refused),
                },
            });
        }
        Ok((plan, verdicts))
    }

    /// Checks what a batch expects; the time that its entries get.
    fn check(&self, batch: &Prepared) -> Result<Timestamp, Error> {
        let size = self.edge.size();
        if let Some(expected) = batch.expect_size.filter(|e| *e != size) {
            return Err(Error::SizeConflict { expected, found: size });
        }
        for (stream, expected) in &batch.expect {
            let found = self.versions.get(stream).copied().unwrap_or(0);
            if found != *expected {
                return Err(Error::Conflict { stream: stream.clone(), expected: *expected, found });
            }
        }
        for (draft, index) in batch.drafts.iter().zip(size..) {
            if let Some(reference) = draft.refs.iter().find(|r| **r >= index) {
                let what = format!("entry {index} refers to entry {reference}, which is not before it");
                return Err(Error::BadBatch { what });
            }
            if draft.stream.as_str().contains('\0') {
                return Err(Error::BadBatch { what: "the name of a stream holds a NUL".into() });
            }
        }
        entry_time(batch.now, (size > 0).then_some(self.last_time))
    }

    /// How many entries it has.
    pub(super) fn len(&self) -> u64 {
        self.edge.size().saturating_sub(self.first)
    }

    fn place(&mut self, batch: &Prepared, time: Timestamp) -> Result<(), Error> {
        let placed = Placed { first: self.edge.size(), time };
        for draft in &batch.drafts {
            let stream = draft.stream.clone();
            let version = self.versions.get(&stream).copied().unwrap_or(0).saturating_add(1);
            self.versions.insert(stream.clone(), version);
            self.touched.insert(stream);
            let (leaf, hash) = draft.clone().finish(time, version);
            let mut full = Vec::new();
            self.edge.push(hash, |id, hashes| {
                if id.width == WIDTH {
                    full.push((id.level, id.index, root_of(hashes)));
                }
            });
            for (level, index, root) in full {
                self.nodes.push((i32::from(level).saturating_add(1), signed(index)?, root));
            }
            self.leaves.push(leaf);
            self.hashes.push(hash);
        }
        if let Some(key) = &batch.key {
            self.keys.push((key.text.clone(), signed(placed.first)?));
        }
        self.last_time = time;
        self.placed.push(placed);
        Ok(())
    }
}

/// The versions of all streams that the group speaks of.
fn versions(conn: &mut Conn, group: &[Job]) -> Result<HashMap<StreamId, u64>, Error> {
    let mut names = BTreeSet::new();
    for job in group {
        names.extend(job.batch.drafts.iter().map(|draft| draft.stream.as_str()));
        names.extend(job.batch.expect.iter().map(|(stream, _)| stream.as_str()));
    }
    let names: Vec<&str> = names.into_iter().filter(|name| !name.contains('\0')).collect();
    let rows =
        conn.query("read versions", "select stream, version from @.streams where stream = any($1)", &[&names])?;
    rows.iter().map(|row| Ok((StreamId::from_text(get::<&str>(row, 0)?), unsigned(get(row, 1)?)?))).collect()
}

/// Where batches stand that were appended with one of the group's keys.
fn keys(conn: &mut Conn, group: &[Job]) -> Result<HashMap<String, u64>, Error> {
    let keys: Vec<&str> = group.iter().filter_map(|job| Some(job.batch.key.as_ref()?.text.as_str())).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = conn.query("look for keys", "select key, idx from @.keys where key = any($1)", &[&keys])?;
    rows.iter().map(|row| Ok((get(row, 0)?, unsigned(get(row, 1)?)?))).collect()
}

/// The place of a batch that was appended before. The entries say whether it was this one, not the row.
fn repeated(conn: &mut Conn, head: &Head, key: &BatchKey, first: u64) -> Result<Result<Placed, Error>, Error> {
    let stray = |what: &str| Error::corrupt(format!("keys/{}", key.text), Some(first), what);
    let count = key_entries(&key.text).unwrap_or_default();
    let end = first.checked_add(count).filter(|end| *end <= head.size);
    let end = end.ok_or_else(|| stray("it points beyond the log"))?;
    let sql = "select leaf from @.entries where idx >= $1 and idx < $2 order by idx";
    let rows = conn.query("read entries", sql, &[&signed(first)?, &signed(end)?])?;
    if rows.len() as u64 != count {
        return Err(stray("entries that it points at are missing"));
    }
    let mut entries = Vec::with_capacity(rows.len());
    for (row, index) in rows.iter().zip(first..) {
        entries.push(leaf::parse(&super::head::row_of(index), index, get(row, 0)?)?);
    }
    let Some(begin) = entries.first().filter(|e| e.key.as_deref() == Some(key.text.as_str())) else {
        return Err(stray("the entry that it points at has another key"));
    };
    if content_digest(&entries) != key.content {
        return Ok(Err(Error::KeyReused { first_index: first }));
    }
    Ok(Ok(Placed { first, time: begin.time }))
}

/// Parts of blobs that were there already.
pub(super) type Found = Vec<(Digest, i32)>;

/// Writes the blobs of a group, in the order of their digests, so that two transactions never wait for each other. Returns
/// those that were there: before the lock on the head is had they may still go.
pub(super) fn blobs(conn: &mut Conn, group: &[Job]) -> Result<Found, Error> {
    let mut found = Found::new();
    let all: BTreeMap<&Digest, &Vec<u8>> = group.iter().flat_map(|job| &job.batch.blobs).collect();
    let mut rows: Vec<(&Digest, i32, &[u8])> = Vec::new();
    let mut bytes = 0;
    for (digest, blob) in all {
        let whole: [&[u8]; 1] = [blob];
        // An empty blob has one empty part.
        let parts = if blob.is_empty() { whole.to_vec() } else { blob.chunks(PART).collect::<Vec<_>>() };
        for (part, number) in parts.into_iter().zip(0_i32..) {
            if bytes + part.len() > STATEMENT_BYTES {
                put_parts(conn, &rows, &mut found)?;
                rows.clear();
                bytes = 0;
            }
            bytes += part.len();
            rows.push((digest, number, part));
        }
    }
    put_parts(conn, &rows, &mut found)?;
    Ok(found)
}

/// Whether these parts are still there, now that the head is locked: nobody disposes of any until it is free again.
pub(super) fn are_there(conn: &mut Conn, found: &Found) -> Result<bool, Error> {
    if found.is_empty() {
        return Ok(true);
    }
    let digests: Vec<&[u8]> = found.iter().map(|(digest, _)| digest.as_bytes().as_slice()).collect();
    let parts: Vec<i32> = found.iter().map(|(_, part)| *part).collect();
    let sql = "select cast(count(*) as bigint) from unnest($1::bytea[], $2::int[]) as wanted (sha256, part) join @.blobs b \
               on b.sha256 = wanted.sha256 and b.part = wanted.part";
    let row = conn.row("look for blobs", sql, &[&digests, &parts])?;
    let there = row.map_or(Ok(0), |row| unsigned(get(&row, 0)?))?;
    Ok(there == found.len() as u64)
}

fn put_parts(conn: &mut Conn, rows: &[(&Digest, i32, &[u8])], found: &mut Found) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let digests: Vec<&[u8]> = rows.iter().map(|(digest, ..)| digest.as_bytes().as_slice()).collect();
    let parts: Vec<i32> = rows.iter().map(|(_, part, _)| *part).collect();
    let bytes: Vec<&[u8]> = rows.iter().map(|(.., bytes)| *bytes).collect();
    let sql = "insert into @.blobs (sha256, part, bytes) select * from unnest($1::bytea[], $2::int[], $3::bytea[]) on \
               conflict do nothing returning sha256, part";
    let written = conn.query("write blobs", sql, &[&digests, &parts, &bytes])?;
    if written.len() == rows.len() {
        return Ok(());
    }
    let mut new = BTreeSet::new();
    for row in &written {
        new.insert((get::<Vec<u8>>(row, 0)?, get::<i32>(row, 1)?));
    }
    // What was there already must be what is wanted: an entry must not speak of a blob that was changed.
    for (digest, part, bytes) in rows {
        if new.contains(&(digest.as_bytes().to_vec(), *part)) {
            continue;
        }
        let sql = "select 1 from @.blobs where sha256 = $1 and part = $2 and bytes = $3";
        if conn.row("read a blob", sql, &[&digest.as_bytes().as_slice(), part, bytes])?.is_none() {
            let what = "its content does not hash to its name";
            return Err(Error::corrupt(layout::blob_name(digest), None, what));
        }
        found.push((**digest, *part));
    }
    Ok(())
}

const WRITE: &str = "\
with e as (insert into @.entries (idx, leaf, hash) select * from unnest($1::bigint[], $2::bytea[], $3::bytea[])), \
     n as (insert into @.nodes (level, idx, hash) select * from unnest($4::int[], $5::bigint[], $6::bytea[])), \
     s as (insert into @.streams (stream, version) select * from unnest($7::text[], $8::bigint[]) \
           on conflict (stream) do update set version = excluded.version), \
     k as (insert into @.keys (key, idx) select * from unnest($9::text[], $10::bigint[])), \
     c as (insert into @.commits (epoch, id, size, root) values ($11, $12, $13, $14)), \
     p as (insert into @.checkpoints (size, note) values ($21, $16) on conflict do nothing) \
update @.head set size = $13, root = $14, epoch = $11, last_time = $17, seal = $18, checkpoint = $16 \
where one = 1 and size = $15 and root = $19 and epoch = $20";

/// The newest note of what stood there before, and how many entries it covers: all of them, where all keys that sign it are
/// here.
pub(super) struct Before {
    pub(super) note: String,
    pub(super) size: u64,
}

/// Writes all of a plan, publishes the checkpoint of what stood there before, and moves the head on. `signing` seals it:
/// what the next one who appends must be.
pub(super) fn all(
    conn: &mut Conn,
    plan: &Plan,
    head: &Head,
    epoch: u64,
    id: &[u8; 16],
    signing: &Signing,
    before: &Before,
) -> Result<(), Error> {
    let (size, root) = (plan.edge.size(), plan.edge.root());
    let indices: Vec<i64> = (plan.first..size).map(signed).collect::<Result<_, _>>()?;
    let leaves: Vec<&[u8]> = plan.leaves.iter().map(Vec::as_slice).collect();
    let hashes: Vec<&[u8]> = plan.hashes.iter().map(<[u8; 32]>::as_slice).collect();
    let levels: Vec<i32> = plan.nodes.iter().map(|(level, ..)| *level).collect();
    let node_indices: Vec<i64> = plan.nodes.iter().map(|(_, index, _)| *index).collect();
    let node_hashes: Vec<&[u8]> = plan.nodes.iter().map(|(.., hash)| hash.as_slice()).collect();
    let streams: Vec<&str> = plan.touched.iter().map(StreamId::as_str).collect();
    let versions: Vec<i64> = plan
        .touched
        .iter()
        .map(|stream| signed(plan.versions.get(stream).copied().unwrap_or(0)))
        .collect::<Result<_, _>>()?;
    let keys: Vec<&str> = plan.keys.iter().map(|(key, _)| key.as_str()).collect();
    let key_indices: Vec<i64> = plan.keys.iter().map(|(_, index)| *index).collect();
    let seal = signing.seal(size, &root, epoch, plan.last_time);
    let moved = conn.execute(
        "append",
        WRITE,
        &[
            &indices,
            &leaves,
            &hashes,
            &levels,
            &node_indices,
            &node_hashes,
            &streams,
            &versions,
            &keys,
            &key_indices,
            &signed(epoch)?,
            &id.as_slice(),
            &signed(size)?,
            &root.as_slice(),
            &signed(head.size)?,
            &before.note,
            &plan.last_time.millis(),
            &seal,
            &head.root.as_slice(),
            &signed(head.epoch)?,
            &signed(before.size)?,
        ],
    )?;
    // It is locked, so nobody moved it on.
    if moved == 1 { Ok(()) } else { Err(fenced("it moved on while it was locked")) }
}

const PUBLISH: &str = "\
with u as (update @.head set checkpoint = $1 where one = 1 and size = $2 and root = $3 and epoch = $4 and \
     checkpoint = $5 returning size), \
     c as (insert into @.checkpoints (size, note) select size, $1 from u on conflict do nothing) \
select size from u";

/// Publishes the note of a head, if that still stands. Whether it did.
pub(super) fn publish(conn: &mut Conn, head: &Head, note: &str) -> Result<bool, Error> {
    let (size, epoch) = (signed(head.size)?, signed(head.epoch)?);
    // One that was published or cosigned meanwhile is left as it is.
    let params: super::conn::Params<'_> = &[&note, &size, &head.root.as_slice(), &epoch, &head.published];
    Ok(conn.row("publish the checkpoint", PUBLISH, params)?.is_some())
}
