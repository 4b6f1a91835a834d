//! One pass over the log: bundles against tiles, tiles against the root, entries against each other and their blobs.

use std::collections::HashMap;

use countersign_evidence::checkpoint::Checkpoint;
use countersign_evidence::merkle::{Hash, leaf_hash};
use countersign_evidence::tile::{self, TileId, WIDTH};
use countersign_model::{Entry, EventKind, PayloadRef, StreamId, Timestamp};

use super::{Examination, Examiner, Problem, keys, published, roots, second_key};
use crate::error::code;
use crate::layout::{self, CHECKPOINT};
use crate::leaf::{self, Bundle};
use crate::ledger::position;
use crate::tree::{Edge, root_of};
use crate::{Error, Notice, blob};

/// What must hold from one entry to the next.
#[derive(Default)]
struct Order {
    time: Option<Timestamp>,
    versions: HashMap<StreamId, u64>,
}

/// The tile of level 1 that was read last.
#[derive(Default)]
struct Parents {
    index: Option<u64>,
    hashes: Vec<Hash>,
}

pub(super) fn examine(x: &mut Examination<'_>, checkpoint: &Checkpoint, examiner: &mut dyn Examiner) {
    if checkpoint.size == 0 {
        x.problem(code::GENESIS, CHECKPOINT, None, "the log has no entry yet: nothing says whose it is");
    }
    remembered(x, checkpoint);
    let mut order = Order::default();
    let mut parents = Parents::default();
    for index in 0..checkpoint.size.div_ceil(u64::from(WIDTH)) {
        // What the whole log needs and does not have would be a problem for each bundle of it: one is enough.
        if x.report.more_problems > 0 {
            x.edge = None;
            x.unread = true;
            return;
        }
        let id = TileId { level: 0, index, width: tile::width_at(0, index, checkpoint.size) };
        let name = layout::bundle_name(index, id.width);
        let bundle = bundle(x, &name, &id);
        let tile = tile_hashes(x, &id);
        let good = weigh(x, checkpoint, &id, bundle.as_ref(), tile, &mut parents);
        if let Some(bundle) = bundle {
            let first = index * u64::from(WIDTH);
            for (i, bytes) in (0_u64..).zip(bundle.iter()) {
                let is_good = good.as_ref().is_none_or(|g| g.get(position(i)) == Some(&leaf_hash(bytes)));
                if is_good {
                    entry(x, checkpoint, first + i, &name, bytes, &mut order, examiner);
                } else {
                    x.problem(code::CORRUPT, &name, Some(first + i), "it is not the entry that was appended");
                    x.unread = true;
                }
            }
        } else {
            x.unread = true;
        }
        match good {
            Some(hashes) => hashes.iter().for_each(|hash| push(x, *hash)),
            None => x.edge = None,
        }
    }
    if let Some(edge) = &x.edge
        && edge.root() != checkpoint.root
    {
        x.problem(code::CORRUPT, CHECKPOINT, None, "its root is not the one of the entries");
    }
}

/// A log only grows: what was seen before must be its beginning.
fn remembered(x: &mut Examination<'_>, checkpoint: &Checkpoint) {
    match x.trust.remembered {
        // A copy may be behind the ledger without anybody having touched it; how far it once was, the checkpoints that it
        // keeps say.
        Some((size, _)) if size > checkpoint.size && x.is_copy => {
            let what = format!("this copy ends after {} entries, and {size} of the ledger were seen", checkpoint.size);
            x.report.notices.push(Notice { code: code::ROLLBACK, what });
        }
        Some((size, _)) if size > checkpoint.size => {
            let what = format!("it has {} entries, and {size} were seen before", checkpoint.size);
            x.problem(code::ROLLBACK, CHECKPOINT, None, what);
        }
        Some((size, root)) if size == checkpoint.size && root != checkpoint.root => fork(x, size),
        _ => {}
    }
}

fn fork(x: &mut Examination<'_>, size: u64) {
    let what = format!("its first {size} entries are not those that were seen before");
    x.problem(code::FORK, CHECKPOINT, None, what);
}

fn bundle(x: &mut Examination<'_>, name: &str, id: &TileId) -> Option<Bundle> {
    let read = x.source.read(name, leaf::MAX_BUNDLE_BYTES);
    let parsed = read.and_then(|bytes| bytes.map(|b| Bundle::parse(name, b, id.width, false)).transpose());
    match parsed {
        Ok(Some(bundle)) => Some(bundle),
        Ok(None) => {
            x.problem(code::MISSING_FILE, name, Some(id.index * u64::from(WIDTH)), "it is missing");
            None
        }
        Err(e) => {
            x.error(&e, name, Some(id.index * u64::from(WIDTH)));
            None
        }
    }
}

/// The hashes in a tile; what is wrong with the file is reported here.
fn tile_hashes(x: &mut Examination<'_>, id: &TileId) -> Option<Vec<Hash>> {
    let name = layout::tile_name(id);
    match x.source.read(&name, id.byte_len() as u64) {
        Ok(Some(bytes)) => match tile::decode_tile(id, &bytes) {
            Ok(hashes) => Some(hashes),
            Err(e) => {
                x.problem(code::CORRUPT, &name, None, e.to_string());
                None
            }
        },
        Ok(None) => {
            // The first entry whose proof needs it.
            let first = id.index.checked_shl(8 * (u32::from(id.level) + 1)).unwrap_or(0);
            x.problem(code::MISSING_FILE, &name, Some(first), "it is missing");
            None
        }
        Err(e) => {
            x.error(&e, &name, None);
            None
        }
    }
}

/// The leaf hashes to go on with. When bundle and tile differ, what stands above them says which of the two is wrong.
fn weigh(
    x: &mut Examination<'_>,
    checkpoint: &Checkpoint,
    id: &TileId,
    bundle: Option<&Bundle>,
    tile: Option<Vec<Hash>>,
    parents: &mut Parents,
) -> Option<Vec<Hash>> {
    let leaves: Option<Vec<Hash>> = bundle.map(|b| b.iter().map(leaf_hash).collect());
    let (leaves, tile) = match (leaves, tile) {
        (Some(leaves), Some(tile)) if leaves != tile => (leaves, tile),
        (leaves, tile) => return tile.or(leaves),
    };
    let (leaves_lead, tile_leads) = if id.width == WIDTH {
        let above = parent(x, checkpoint, id.index, parents);
        (above == Some(root_of(&leaves)), above == Some(root_of(&tile)))
    } else {
        (leads(x, checkpoint, &leaves), leads(x, checkpoint, &tile))
    };
    let name = layout::tile_name(id);
    if leaves_lead {
        x.problem(code::CORRUPT, &name, None, "it does not hold the hashes of its entries");
        return Some(leaves);
    }
    if !tile_leads {
        x.problem(code::CORRUPT, &name, None, "neither it nor its bundle leads to the checkpoint");
    }
    // The bundle is to blame, and each entry that differs will be named.
    Some(tile)
}

/// Whether these leaves at the end of the log lead to the checkpoint's root.
fn leads(x: &Examination<'_>, checkpoint: &Checkpoint, leaves: &[Hash]) -> bool {
    x.edge.clone().is_some_and(|mut edge: Edge| {
        leaves.iter().for_each(|leaf| edge.push(*leaf, |_, _| {}));
        edge.root() == checkpoint.root
    })
}

/// What the tile at level 1 says about the full tile `index` of level 0.
fn parent(x: &Examination<'_>, checkpoint: &Checkpoint, index: u64, parents: &mut Parents) -> Option<Hash> {
    let above = index / u64::from(WIDTH);
    if parents.index != Some(above) {
        let id = TileId { level: 1, index: above, width: tile::width_at(1, above, checkpoint.size) };
        let bytes = x.source.read(&layout::tile_name(&id), id.byte_len() as u64).ok().flatten();
        parents.hashes = bytes.and_then(|b| tile::decode_tile(&id, &b).ok()).unwrap_or_default();
        parents.index = Some(above);
    }
    parents.hashes.get(position(index)).copied()
}

/// Adds a leaf to the recomputed tree, and holds the full tiles above level 0 against it as they come into being.
fn push(x: &mut Examination<'_>, leaf: Hash) {
    let Some(mut edge) = x.edge.take() else { return };
    let mut full = Vec::new();
    edge.push(leaf, |id, hashes| {
        if id.level > 0 && id.width == WIDTH {
            full.push((id, hashes.to_vec()));
        }
    });
    for (id, hashes) in full {
        if tile_hashes(x, &id).is_some_and(|there| there != hashes) {
            let what = "it does not hold the hashes of the tiles below it";
            x.problem(code::CORRUPT, &layout::tile_name(&id), None, what);
        }
    }
    published::hold_against(x, &edge);
    if let Some((size, root)) = x.trust.remembered
        && size == edge.size()
        && size < x.report.size
        && root != edge.root()
    {
        fork(x, size);
    }
    x.edge = Some(edge);
    keys::examine_root(x);
}

fn entry(
    x: &mut Examination<'_>,
    checkpoint: &Checkpoint,
    index: u64,
    file: &str,
    bytes: &[u8],
    order: &mut Order,
    examiner: &mut dyn Examiner,
) {
    x.report.checked.entries += 1;
    let entry = match leaf::parse(file, index, bytes) {
        Ok(entry) => entry,
        Err(e) => {
            x.unread = true;
            return x.error(&e, file, Some(index));
        }
    };
    ordered(x, index, file, &entry, order);
    if (index == 0) != (entry.kind == EventKind::LedgerCreated) {
        let what = format!("it is {}; the first entry, and no other, makes the ledger", entry.kind.as_str());
        x.problem(code::GENESIS, file, Some(index), what);
    }
    for attachment in &entry.attachments {
        if x.digests.insert(attachment.sha256) {
            let examined = blob::examine(x.source, attachment);
            sound(x, index, attachment, examined);
        } else {
            let same = size_of(x, attachment);
            sound(x, index, attachment, same);
        }
    }
    x.digests.insert(entry.payload.sha256);
    let payload = blob::get(x.source, &entry.payload);
    let absent = matches!(payload, Err(Error::MissingBlob { .. }));
    let payload = sound(x, index, &entry.payload, payload);
    // What cannot be read or is altered is no payload at all; one that is gone may have been disposed of.
    if payload.is_none() && !(absent && entry.kind.is_disposable()) {
        return;
    }
    if let (0, Some(payload)) = (index, &payload) {
        roots::examine_genesis(x, checkpoint, payload, file);
    }
    if let (EventKind::LogKeyRotated, Some(payload)) = (entry.kind, &payload) {
        keys::examine_entry(x, index, payload);
    }
    if let (EventKind::SecondLogKeyChosen, Some(payload)) = (entry.kind, &payload) {
        second_key::examine_entry(x, payload);
    }
    for problem in examiner.entry(index, &entry, payload.as_deref()) {
        x.report.add(problem);
    }
}

/// A blob that was hashed before must have the size that this entry says, too.
fn size_of(x: &Examination<'_>, blob: &PayloadRef) -> Result<(), Error> {
    let name = layout::blob_name(&blob.sha256);
    match x.source.stat(&name, blob::MAX_BLOB_BYTES)? {
        Some(size) if size != blob.size => {
            Err(Error::corrupt(name, None, format!("it has {size} bytes, the entry says {}", blob.size)))
        }
        None => Err(Error::MissingBlob { file: name }),
        Some(_) => Ok(()),
    }
}

fn sound<T>(x: &mut Examination<'_>, index: u64, blob: &PayloadRef, result: Result<T, Error>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Error::MissingBlob { .. }) => {
            x.gone.push((index, blob.sha256));
            None
        }
        Err(e) => {
            let problem = Problem::of(&e, &layout::blob_name(&blob.sha256), Some(index));
            x.report.add(problem);
            None
        }
    }
}

fn ordered(x: &mut Examination<'_>, index: u64, file: &str, entry: &Entry, order: &mut Order) {
    if let Some(last) = order.time.filter(|last| entry.time < *last) {
        let what = format!("its time {} is before the {last} of the entry before it", entry.time);
        x.problem(code::ORDER, file, Some(index), what);
    }
    order.time = order.time.max(Some(entry.time));
    let before = order.versions.insert(entry.stream.clone(), entry.version).unwrap_or(0);
    let follows = before.checked_add(1) == Some(entry.version);
    // Where entries could not be read, a gap is no news.
    let may_follow = x.unread && entry.version > before;
    if !follows && !may_follow {
        let what = format!("it is version {} of stream `{}` after version {before}", entry.version, entry.stream);
        x.problem(code::ORDER, file, Some(index), what);
    }
    if let Some(reference) = entry.refs.iter().find(|r| **r >= index) {
        let what = format!("it refers to entry {reference}, which is not before it");
        x.problem(code::ORDER, file, Some(index), what);
    }
}
