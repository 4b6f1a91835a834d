//! The head of the log: the signed checkpoint, and the right edge of the tree that leads to its root.

use countersign_evidence::checkpoint::{self, Checkpoint};
use countersign_evidence::merkle;
use countersign_evidence::note::{self, VerifierKey};
use countersign_evidence::tile::{self, TileId, WIDTH};

use crate::layout::{self, CHECKPOINT};
use crate::leaf::{self, Bundle};
use crate::source::Source;
use crate::tree::{Edge, root_of};
use crate::{Error, files};

/// How often reading starts again when a writer moved on underneath.
const TRIES: u32 = 5;

/// The log as of one checkpoint.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) text: String,
    pub(crate) edge: Edge,
}

pub(crate) fn read_checkpoint(paths: &dyn Source) -> Result<Vec<u8>, Error> {
    files::require(paths, CHECKPOINT, note::MAX_BYTES as u64)
}

pub(crate) fn read_head(paths: &dyn Source, origin: &str, keys: &[VerifierKey]) -> Result<Head, Error> {
    let mut text = read_checkpoint(paths)?;
    for _ in 1..TRIES {
        let head = open_head(paths, origin, keys, &text);
        if head.is_ok() {
            return head;
        }
        // A writer may have moved on, and removed partial tiles that are full now.
        let again = read_checkpoint(paths)?;
        if again == text {
            return head;
        }
        text = again;
    }
    open_head(paths, origin, keys, &text)
}

fn open_head(paths: &dyn Source, origin: &str, keys: &[VerifierKey], text: &[u8]) -> Result<Head, Error> {
    let wrong = |e: countersign_evidence::Error| Error::corrupt(CHECKPOINT, None, e.to_string());
    let checkpoint = checkpoint::open(text, origin, keys).map_err(wrong)?;
    let mut tiles = Vec::new();
    for id in tile::partial_tiles(checkpoint.size) {
        let (name, mut bytes, whole) =
            read_or_full(paths, layout::tile_name(&id), id.width, || layout::tile_name(&id.full()))?;
        if whole {
            bytes.truncate(id.byte_len());
        }
        let hashes = tile::decode_tile(&id, &bytes).map_err(|e| Error::corrupt(name, None, e.to_string()))?;
        tiles.push((id.level, hashes));
    }
    let edge = Edge::from_tiles(checkpoint.size, tiles);
    if edge.root() != checkpoint.root {
        return Err(blame(paths, &edge));
    }
    let text = String::from_utf8_lossy(text).into_owned();
    Ok(Head { checkpoint, text, edge })
}

/// Reads a partial tile or bundle, or the full one, which holds it: partial ones go when the full one is there.
pub(crate) fn read_or_full(
    paths: &dyn Source,
    name: String,
    width: u16,
    full: impl FnOnce() -> String,
) -> Result<(String, Vec<u8>, bool), Error> {
    if let Some(bytes) = paths.read(&name, leaf::MAX_BUNDLE_BYTES)? {
        return Ok((name, bytes, false));
    }
    let missing = || Error::corrupt(&name, None, "it is missing");
    if width == WIDTH {
        return Err(missing());
    }
    let full = full();
    let bytes = paths.read(&full, leaf::MAX_BUNDLE_BYTES)?.ok_or_else(missing)?;
    Ok((full, bytes, true))
}

/// Names the file because of which the right edge does not lead to the checkpoint's root.
fn blame(paths: &dyn Source, edge: &Edge) -> Error {
    for (id, hashes) in edge.partials() {
        let name = layout::tile_name(&id);
        let differs = (0_u64..).zip(hashes).find(|(i, hash)| {
            let below = id.index * u64::from(WIDTH) + i;
            match id.level.checked_sub(1) {
                Some(level) => {
                    let full = TileId { level, index: below, width: WIDTH };
                    let bytes = paths.read(&layout::tile_name(&full), full.byte_len() as u64);
                    let hashes = bytes.ok().flatten().and_then(|b| tile::decode_tile(&full, &b).ok());
                    hashes.is_some_and(|hashes| root_of(&hashes) != **hash)
                }
                None => {
                    let bundle = layout::bundle_name(id.index, id.width);
                    let bytes = paths.read(&bundle, leaf::MAX_BUNDLE_BYTES).ok().flatten();
                    let bundle = bytes.and_then(|b| Bundle::parse(&bundle, b, id.width, false).ok());
                    let entry = bundle.as_ref().and_then(|b| b.get(usize::try_from(*i).ok()?));
                    entry.is_some_and(|e| merkle::leaf_hash(e) != **hash)
                }
            }
        });
        if let Some((i, _)) = differs {
            let what = format!("hash {i} in it is not the one of what stands below it");
            return Error::corrupt(name, None, what);
        }
    }
    Error::corrupt(CHECKPOINT, None, "the tiles do not lead to its root")
}
