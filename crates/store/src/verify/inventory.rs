//! Every file in the ledger's directory: it belongs there and says the right thing, or it is a problem.

use std::collections::BTreeSet;

use countersign_evidence::checkpoint::Checkpoint;
use countersign_evidence::merkle::{Hash, leaf_hash};
use countersign_evidence::seal::SubjectKey;
use countersign_evidence::tile::{self, TileId, WIDTH};
use countersign_model::Digest;

use super::live::{Doubt, doubt};
use super::{Examination, log};
use crate::error::code;
use crate::layout::{self, CACHE, CANARIES, Item};
use crate::leaf::{self, Bundle};
use crate::source::Listed;
use crate::{Error, Notice, blob, files};

/// How deep the layout goes: `ledger/tile/entries/` and up to seven groups of three digits.
const MAX_DEPTH: usize = 16;

/// What was seen of the incomplete tiles.
#[derive(Default)]
struct Seen {
    partials: BTreeSet<TileId>,
    bundles: BTreeSet<(u64, u16)>,
    leftovers: u64,
}

pub(super) fn examine(x: &mut Examination<'_>, checkpoint: Option<&Checkpoint>) -> Result<(), Error> {
    let mut seen = Seen::default();
    walk(x, checkpoint, "", 0, &mut seen)?;
    // The pass over the log has looked for the tiles of today's size.
    if let Some(checkpoint) = checkpoint.filter(|_| !x.source.is_excerpt()) {
        complete(x, checkpoint, &seen);
    }
    if x.live.is_some() {
        // What lies about is the running writer's, and it will tidy up.
    } else if x.is_copy && seen.leftovers > 0 {
        let what = format!(
            "{} objects lie ahead of the checkpoint: a replication is under way, or was interrupted and can be repeated",
            seen.leftovers
        );
        x.report.notices.push(Notice { code: code::HALF_WRITTEN, what });
    } else if seen.leftovers > 0 {
        let what = format!("an append was interrupted; the next one tidies up {} files of it", seen.leftovers);
        x.report.notices.push(Notice { code: code::HALF_WRITTEN, what });
    }
    Ok(())
}

fn walk(
    x: &mut Examination<'_>,
    checkpoint: Option<&Checkpoint>,
    dir: &str,
    depth: usize,
    seen: &mut Seen,
) -> Result<(), Error> {
    let entries = match x.files.list(dir) {
        Ok(Some(entries)) => entries,
        // The pass over the log looked for everything that it needs by name.
        Ok(None) => return Ok(()),
        Err(e) => {
            x.error(&e, dir, None);
            return Ok(());
        }
    };
    for Listed { name, is_dir } in entries {
        if is_dir {
            if name == CACHE || name == CANARIES {
                continue;
            }
            if depth < MAX_DEPTH {
                walk(x, checkpoint, &name, depth + 1, seen)?;
            } else {
                x.problem(code::UNKNOWN_FILE, &name, None, "the layout knows no directory this deep");
            }
            continue;
        }
        file(x, checkpoint, &name, seen)?;
    }
    Ok(())
}

fn file(x: &mut Examination<'_>, checkpoint: Option<&Checkpoint>, name: &str, seen: &mut Seen) -> Result<(), Error> {
    x.report.checked.files += 1;
    match (Item::of(name), checkpoint) {
        (Item::Fixed, _) => {}
        (Item::Apart, _) => x.report.checked.files -= 1,
        (Item::Temporary | Item::Segment(_), _) => {
            x.report.checked.files -= 1;
            seen.leftovers += 1;
        }
        // They were examined before the pass over the log, and held against it in it.
        (Item::Checkpoint(_), _) if x.is_copy => {}
        (Item::Unknown | Item::Checkpoint(_), _) => {
            x.problem(code::UNKNOWN_FILE, name, None, "it does not belong to the ledger")
        }
        (Item::Subject, _) => subject(x, name),
        // Those that lead somewhere were read; a number beyond them is one that nothing leads to.
        (Item::Rotation(n), _) if n <= x.steps.len() as u64 => {}
        (Item::Rotation(_), _) => x.problem(code::UNKNOWN_FILE, name, None, "no rotation before it leads to it"),
        (Item::Blob(digest), _) => return blob_file(x, name, &digest, checkpoint, seen),
        // Without a checkpoint there is no saying which of them belong to the log.
        (Item::Tile(_) | Item::Bundle(..), None) => {}
        (Item::Tile(id), Some(checkpoint)) => {
            x.report.checked.tiles += 1;
            if belongs(x, checkpoint, name, &id, seen) && id.width < WIDTH {
                partial_tile(x, checkpoint, name, &id);
                seen.partials.insert(id);
            }
        }
        (Item::Bundle(index, width), Some(checkpoint)) => {
            x.report.checked.bundles += 1;
            let id = TileId { level: 0, index, width };
            if belongs(x, checkpoint, name, &id, seen) && width < WIDTH {
                partial_bundle(x, checkpoint, name, &id);
                seen.bundles.insert((index, width));
            }
        }
    }
    Ok(())
}

/// Whether a tile or bundle is part of the log of this size. What is not is reported here.
fn belongs(x: &mut Examination<'_>, head: &Checkpoint, name: &str, id: &TileId, seen: &mut Seen) -> bool {
    let size = head.size;
    let published = x.in_files.unwrap_or(size);
    let (width, acknowledged) =
        (tile::width_at(id.level, id.index, published), tile::width_at(id.level, id.index, size));
    let is_beyond = id.width > width;
    let is_superseded = width == WIDTH && id.width < WIDTH;
    if !is_beyond && !is_superseded {
        return true;
    }
    // The write-ahead log holds what was being published: some of the new files may be there already, and some of the old
    // partial ones still.
    let is_leftover = x.has_log && (is_superseded || id.width <= acknowledged);
    if is_leftover || x.is_copy && is_beyond {
        seen.leftovers += 1;
    } else if x.is_copy {
        superseded(x, name, id);
    } else if is_beyond {
        doubt(x, head, Doubt::Beyond(name.to_owned(), *id));
    } else {
        x.problem(code::UNKNOWN_FILE, name, None, "the full one has taken its place");
    }
    false
}

/// In a published copy a partial tile or bundle may be locked, and stays. It must be the beginning of the full one.
fn superseded(x: &mut Examination<'_>, name: &str, id: &TileId) {
    let Some((full, _)) = name.rsplit_once(".p/") else { return };
    let is_bundle = name.starts_with(layout::BUNDLES);
    let limit = if is_bundle { leaf::MAX_BUNDLE_BYTES } else { id.full().byte_len() as u64 };
    let there = x.source.read(name, limit);
    let is_long_enough = |part: &[u8]| match is_bundle {
        true => Bundle::parse(name, part.to_vec(), id.width, false).is_ok(),
        false => part.len() == id.byte_len(),
    };
    // A full one that is missing or wrong is reported where it is needed.
    match (there, x.source.read(full, limit)) {
        (Ok(Some(part)), Ok(Some(whole))) if whole.starts_with(&part) && is_long_enough(&part) => {}
        (Ok(Some(_)), Ok(Some(_))) => x.problem(code::CORRUPT, name, None, "it is not the beginning of the full one"),
        (Ok(_), Ok(_)) => {}
        (Err(e), _) => x.error(&e, name, None),
        (_, Err(e)) => x.error(&e, full, None),
    }
}

/// The hashes of the tile that stands there now, as far as it goes: what partial ones are held against.
fn row(x: &Examination<'_>, checkpoint: &Checkpoint, id: &TileId) -> Option<Vec<Hash>> {
    let edge = x.edge.as_ref()?;
    let width = tile::width_at(id.level, id.index, checkpoint.size);
    if width < WIDTH {
        return Some(edge.row(id.level).to_vec());
    }
    // It became full in what is acknowledged and not published; the pass over the log has looked at it.
    let full = id.full();
    let bytes = x.source.read(&layout::tile_name(&full), full.byte_len() as u64).ok().flatten()?;
    tile::decode_tile(&full, &bytes).ok()
}

fn partial_tile(x: &mut Examination<'_>, checkpoint: &Checkpoint, name: &str, id: &TileId) {
    let Some(row) = row(x, checkpoint, id) else { return };
    let expected = row.get(..usize::from(id.width)).map(tile::encode_tile);
    let there = x.files.read(name, id.byte_len() as u64);
    match there {
        Ok(there) if there == expected => {}
        // It went while the directory was read.
        Ok(None) if x.live.is_some() => doubt(x, checkpoint, Doubt::Missing(name.to_owned(), *id)),
        // The one at the end of the log was looked at in the pass over it, and what is wrong with it was said.
        Ok(_) if id.level == 0 && usize::from(id.width) == row.len() => {}
        Ok(_) => x.problem(code::CORRUPT, name, None, "it is not the beginning of the tile that stands there now"),
        Err(e) => x.error(&e, name, None),
    }
}

/// A partial bundle is the beginning of today's when its entries have the hashes that stand in the tree.
fn partial_bundle(x: &mut Examination<'_>, checkpoint: &Checkpoint, name: &str, id: &TileId) {
    let width = id.width;
    let Some(row) = row(x, checkpoint, id) else { return };
    if usize::from(width) == row.len() {
        // The one at the end of the log was looked at in the pass over it.
        return;
    }
    let read = x.files.read(name, leaf::MAX_BUNDLE_BYTES);
    if x.live.is_some() && matches!(read, Ok(None)) {
        // It went while the directory was read.
        return doubt(x, checkpoint, Doubt::Missing(name.to_owned(), *id));
    }
    let bundle = read.and_then(|bytes| Bundle::parse(name, bytes.unwrap_or_default(), width, false));
    match bundle {
        Ok(bundle) if bundle.iter().map(leaf_hash).eq(row.iter().take(usize::from(width)).copied()) => {}
        Ok(_) => x.problem(code::CORRUPT, name, None, "it is not the beginning of the bundle that stands there now"),
        Err(e) => x.error(&e, name, None),
    }
}

fn subject(x: &mut Examination<'_>, name: &str) {
    x.report.checked.keys += 1;
    if x.live.is_some() && matches!(x.files.stat(name, 1024), Ok(None)) {
        // Somebody was erased meanwhile.
        return;
    }
    match files::line(x.files, name) {
        Ok(line) if SubjectKey::parse_hex(&line).is_ok() => {}
        Ok(_) => x.problem(code::CORRUPT, name, None, "it is not 64 lower-case hex digits"),
        Err(e) => x.error(&e, name, None),
    }
}

fn blob_file(
    x: &mut Examination<'_>,
    name: &str,
    digest: &Digest,
    checkpoint: Option<&Checkpoint>,
    seen: &mut Seen,
) -> Result<(), Error> {
    x.report.checked.blobs += 1;
    if log::is_referenced(x, digest)? {
        return Ok(());
    }
    if x.live.is_some() {
        // It may be one that is being written just now, for entries that came since.
        if let Some(checkpoint) = checkpoint {
            doubt(x, checkpoint, Doubt::Blob(*digest));
        }
        return Ok(());
    }
    match x.files.digest(name, blob::MAX_BLOB_BYTES) {
        Ok(Some((_, there))) if there != *digest => {
            x.problem(code::CORRUPT, name, None, "its content does not hash to its name");
        }
        Ok(_) => {}
        Err(e) => x.error(&e, name, None),
    }
    if x.is_copy {
        // It may belong to entries that are about to be published; it hashes to its name, and harms nobody.
        seen.leftovers += 1;
    } else if let Some(checkpoint) = checkpoint.filter(|_| x.unread.is_none()) {
        doubt(x, checkpoint, Doubt::Blob(*digest));
    }
    Ok(())
}

/// What must be there and was not seen. What the pass over the log looked for is not looked for again.
fn complete(x: &mut Examination<'_>, head: &Checkpoint, seen: &Seen) {
    let size = x.in_files.unwrap_or(head.size);
    for last in tile::partial_tiles(size).into_iter().filter(|id| id.level > 0) {
        for width in 1..=last.width {
            let id = TileId { width, ..last };
            if !seen.partials.contains(&id) {
                doubt(x, head, Doubt::Missing(layout::tile_name(&id), id));
            }
        }
    }
    // At level 0, tile and bundle were written together for every published size.
    let end =
        TileId { level: 0, index: size / u64::from(WIDTH), width: tile::width_at(0, size / u64::from(WIDTH), size) };
    let tiles: BTreeSet<_> = seen.partials.iter().filter(|t| t.level == 0).map(|t| (t.index, t.width)).collect();
    for (index, width) in tiles.symmetric_difference(&seen.bundles) {
        if *width == end.width {
            continue;
        }
        let id = TileId { level: 0, index: *index, width: *width };
        let name = if tiles.contains(&(*index, *width)) {
            layout::bundle_name(*index, *width)
        } else {
            layout::tile_name(&id)
        };
        doubt(x, head, Doubt::Missing(name, id));
    }
}
