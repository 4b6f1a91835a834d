//! A ledger that is written to while it is examined.
//!
//! The pass over the log reads what was acknowledged at one moment: full tiles, bundles and blobs never change, and the log's
//! end is held in memory. Only the inventory sees the directory move: new files come, and partial ones go when the full
//! ones are there. What it cannot account for as of that moment is a doubt. Every doubt is looked at again when the ledger
//! was read once more: either that newer, signed state explains it, or it is a problem.

use std::collections::HashSet;
use std::sync::Arc;

use countersign_evidence::checkpoint::Checkpoint;
use countersign_evidence::tile::{self, TileId, WIDTH};
use countersign_model::Digest;

use super::Examination;
use crate::engine::embedded::Overlay;
use crate::error::code;
use crate::layout::{self, CHECKPOINT};
use crate::{Error, Ledger, Notice};

/// Doubts that gather before they are settled.
const MANY: usize = 1 << 14;
/// Entries that are read at once to find out which blobs are new.
const ENTRIES: u64 = 256;

/// Something that is a problem unless the log has grown.
#[derive(Debug)]
pub(super) enum Doubt {
    /// A tile or bundle beyond the log's end.
    Beyond(String, TileId),
    /// A partial tile or bundle that is missing.
    Missing(String, TileId),
    /// A blob that no entry speaks of.
    Blob(Digest),
}

/// Notes a doubt; where nobody writes, it is a problem at once.
pub(super) fn doubt(x: &mut Examination<'_>, head: &Checkpoint, doubt: Doubt) {
    if x.live.is_none() {
        return report(x, head.size, doubt);
    }
    x.doubts.push(doubt);
    if x.doubts.len() >= MANY {
        settle(x, head);
    }
}

fn report(x: &mut Examination<'_>, size: u64, doubt: Doubt) {
    match doubt {
        Doubt::Beyond(name, _) => {
            x.problem(code::UNKNOWN_FILE, &name, None, format!("it lies beyond the {size} entries of the log"));
        }
        Doubt::Missing(name, _) => x.problem(code::MISSING_FILE, &name, None, "it is missing"),
        Doubt::Blob(digest) => {
            let name = layout::blob_name(&digest);
            if x.live.is_some() {
                match x.files.digest(&name, crate::MAX_BLOB_BYTES) {
                    Ok(Some((_, there))) if there != digest => {
                        x.problem(code::CORRUPT, &name, None, "its content does not hash to its name");
                    }
                    Ok(_) => {}
                    Err(e) => x.error(&e, &name, None),
                }
            }
            // Where an entry could not be read, what it speaks of is not known.
            if x.unread.is_none() {
                x.problem(code::UNREFERENCED_BLOB, &name, None, "no entry speaks of it");
            }
        }
    }
}

/// Reads the ledger once more.
fn again(x: &Examination<'_>) -> Option<Result<(Ledger, u64), Error>> {
    let paths = x.live?;
    let read = crate::ledger::names(paths).and_then(|(origin, key)| {
        let overlay = Overlay::read(paths, &origin, std::slice::from_ref(&key))?.0;
        let published = overlay.published();
        Ok((Ledger::over(Arc::new(overlay))?, published))
    });
    Some(read)
}

/// Settles the doubts.
pub(super) fn settle(x: &mut Examination<'_>, head: &Checkpoint) {
    let doubts = std::mem::take(&mut x.doubts);
    if doubts.is_empty() {
        return;
    }
    let (ledger, published) = match again(x) {
        Some(Ok(read)) => read,
        // Nothing explains them then.
        Some(Err(e)) => {
            x.error(&e, CHECKPOINT, None);
            return doubts.into_iter().for_each(|doubt| report(x, head.size, doubt));
        }
        None => return,
    };
    let mut blobs: HashSet<Digest> =
        doubts.iter().filter_map(|d| if let Doubt::Blob(digest) = d { Some(*digest) } else { None }).collect();
    let mut from = head.size;
    while from < ledger.size() && !blobs.is_empty() {
        let to = ledger.size().min(from + ENTRIES);
        match ledger.entries(from..to) {
            Ok(entries) => entries.into_iter().for_each(|(_, entry)| {
                blobs.remove(&entry.payload.sha256);
                for attachment in &entry.attachments {
                    blobs.remove(&attachment.sha256);
                }
            }),
            Err(e) => {
                x.error(&e, CHECKPOINT, Some(from));
                break;
            }
        }
        from = to;
    }
    for doubt in doubts {
        let is_explained = match &doubt {
            Doubt::Beyond(_, id) => id.width <= tile::width_at(id.level, id.index, ledger.size()),
            Doubt::Missing(_, id) => id.width < WIDTH && tile::width_at(id.level, id.index, published) == WIDTH,
            Doubt::Blob(digest) => !blobs.contains(digest),
        };
        if !is_explained {
            report(x, ledger.size(), doubt);
        }
    }
}

/// Says how much came while this ran. It must continue what was examined.
pub(super) fn grown(x: &mut Examination<'_>, head: &Checkpoint) {
    let now = match again(x) {
        Some(Ok((ledger, _))) => ledger,
        Some(Err(e)) => return x.error(&e, CHECKPOINT, None),
        None => return,
    };
    if now.size() < head.size {
        let what = format!("it had {} entries when this began, and has {} now", head.size, now.size());
        return x.problem(code::ROLLBACK, CHECKPOINT, None, what);
    }
    match now.root_at(head.size) {
        Ok(root) if root == head.root => {
            let what = format!(
                "a running writer holds the ledger: it was examined as of {} entries; the {} that came since were not",
                head.size,
                now.size() - head.size
            );
            x.report.notices.push(Notice { code: code::WHILE_GROWING, what });
        }
        Ok(_) => {
            let what = format!("its first {} entries are not those that stood there when this began", head.size);
            x.problem(code::FORK, CHECKPOINT, None, what);
        }
        Err(e) => x.error(&e, CHECKPOINT, None),
    }
}
