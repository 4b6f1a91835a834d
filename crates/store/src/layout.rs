//! Where everything stands on disk. Files are named by their path relative to the ledger's directory, with `/`:
//! that is the name which errors, notices and reports print.

use std::path::{Path, PathBuf};

use countersign_evidence::tile::{self, TileId};
use countersign_model::{Digest, PersonId};

/// The directory of a repository's own ledger.
pub const DEFAULT_DIR: &str = ".countersign";

pub(crate) const GITIGNORE: &str = ".gitignore";
/// Nothing of a ledger is ever committed to the repository it judges.
pub(crate) const GITIGNORE_CONTENT: &[u8] = b"*\n";
pub(crate) const SALT: &str = "salt";
pub(crate) const LEDGER: &str = "ledger";
pub(crate) const ORIGIN: &str = "ledger/origin";
pub(crate) const VKEY: &str = "ledger/vkey";
pub(crate) const CHECKPOINT: &str = "ledger/checkpoint";
/// Bundles of entries.
pub(crate) const BUNDLES: &str = "ledger/tile/entries/";
/// Earlier checkpoints, one a size; only a published copy keeps them.
pub(crate) const CHECKPOINTS: &str = "ledger/checkpoints";
/// Objects that a probe of a bucket leaves behind until their lock runs out.
pub(crate) const CANARIES: &str = "canary";
/// Notes in which one key of the log hands over to the next: `1`, `2` …
pub(crate) const ROTATIONS: &str = "ledger/rotations";
pub(crate) const SUBJECTS: &str = "subjects";
pub(crate) const LOCK: &str = "lock";
pub(crate) const CACHE: &str = "cache";
/// Files that are not in place yet. Only the holder of the lock writes here.
pub(crate) const TMP: &str = "tmp";
/// The write-ahead log: what was acknowledged and is not published yet.
pub(crate) const WAL: &str = "wal";
pub(crate) const NEW_CHECKPOINT: &str = "tmp/checkpoint";

/// The paths of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    root: PathBuf,
}

impl Paths {
    /// The paths of the ledger in `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The ledger's directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The absolute place of a file named relative to the ledger's directory.
    #[must_use]
    pub fn at(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The directory that holds `checkpoint` and `tile/`: what a tlog-tiles client is pointed at.
    #[must_use]
    pub fn tiles_dir(&self) -> PathBuf {
        self.at(LEDGER)
    }

    /// The signed checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> PathBuf {
        self.at(CHECKPOINT)
    }

    /// The directory for caches. Nothing in it is evidence; it can be thrown away.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.at(CACHE)
    }

    /// The advisory lock.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.at(LOCK)
    }
}

/// The relative name of a hash tile.
pub(crate) fn tile_name(id: &TileId) -> String {
    format!("{LEDGER}/{}", id.path())
}

/// The relative name of a bundle of entries.
pub(crate) fn bundle_name(index: u64, width: u16) -> String {
    format!("{LEDGER}/{}", tile::entries_path(index, width))
}

/// The relative name under which an earlier checkpoint is kept.
pub(crate) fn checkpoint_name(size: u64) -> String {
    format!("{CHECKPOINTS}/{size}")
}

/// The relative name of the log's `n`th rotation, from 1.
pub(crate) fn rotation_name(n: u64) -> String {
    format!("{ROTATIONS}/{n}")
}

/// The relative name of a blob.
pub(crate) fn blob_name(digest: &Digest) -> String {
    let hex = digest.hex();
    let (shard, rest) = hex.split_at(2);
    format!("blobs/sha256/{shard}/{rest}")
}

/// Ids come from files too: nothing that could leave the directory.
fn is_subject_id(id: &str) -> bool {
    let random = id.strip_prefix(PersonId::PREFIX).unwrap_or_default();
    random.len() == 20 && random.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// The directory part of a relative name; empty for a file directly in the ledger's directory.
pub(crate) fn parent(relative: &str) -> &str {
    relative.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// The relative name of something in a directory.
pub(crate) fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}

/// What a file in the ledger's directory is, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// `.gitignore`, `salt`, `ledger/origin`, `ledger/vkey` or `ledger/checkpoint`: exactly one of each.
    Fixed,
    /// A hash tile.
    Tile(TileId),
    /// A bundle of entries: index and width.
    Bundle(u64, u16),
    /// A note in which one key of the log hands over to the next: its number, from 1.
    Rotation(u64),
    /// A blob.
    Blob(Digest),
    /// An earlier checkpoint, by its size.
    Checkpoint(u64),
    /// A person's key.
    Subject,
    /// A file not in place yet.
    Temporary,
    /// A segment of the write-ahead log, by its first entry.
    Segment(u64),
    /// The lock, or a cache: not part of the ledger.
    Apart,
    /// Nothing that this layout knows.
    Unknown,
}

impl Item {
    /// Sorts a relative name. Only the one canonical spelling of a name is accepted.
    pub(crate) fn of(name: &str) -> Self {
        match name {
            GITIGNORE | SALT | ORIGIN | VKEY | CHECKPOINT => return Self::Fixed,
            LOCK => return Self::Apart,
            _ => {}
        }
        if let Some(size) = name.strip_prefix(CHECKPOINTS).and_then(|rest| rest.strip_prefix('/')) {
            return match size.parse() {
                Ok(size) if checkpoint_name(size) == name => Self::Checkpoint(size),
                _ => Self::Unknown,
            };
        }
        if let Some(n) = name.strip_prefix("ledger/rotations/") {
            return match n.parse() {
                Ok(n) if n > 0 && rotation_name(n) == name => Self::Rotation(n),
                _ => Self::Unknown,
            };
        }
        if let Some(path) = name.strip_prefix("ledger/") {
            if let Ok((index, width)) = tile::parse_entries_path(path) {
                return Self::Bundle(index, width);
            }
            return match TileId::parse_path(path) {
                Ok(id) if id.path() == path => Self::Tile(id),
                _ => Self::Unknown,
            };
        }
        if let Some(rest) = name.strip_prefix("blobs/sha256/") {
            return match rest.split_once('/') {
                Some((shard, rest)) if shard.len() == 2 => match Digest::from_hex(&format!("{shard}{rest}")) {
                    Ok(digest) if blob_name(&digest) == name => Self::Blob(digest),
                    _ => Self::Unknown,
                },
                _ => Self::Unknown,
            };
        }
        if let Some(file) = name.strip_prefix("subjects/") {
            // A key is written beside its place first.
            if file.strip_suffix(".key.new").is_some_and(is_subject_id) {
                return Self::Temporary;
            }
            return if file.strip_suffix(".key").is_some_and(is_subject_id) { Self::Subject } else { Self::Unknown };
        }
        if name.strip_prefix("tmp/").is_some_and(|rest| !rest.contains('/')) {
            return Self::Temporary;
        }
        if let Some(first) = crate::engine::embedded::wal::segment_first(name) {
            return Self::Segment(first);
        }
        if name.starts_with("cache/") || name.starts_with("canary/") {
            return Self::Apart;
        }
        Self::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_sorts_into_what_it_is() {
        assert_eq!(Item::of("ledger/checkpoint"), Item::Fixed);
        assert_eq!(Item::of("ledger/tile/entries/x001/234.p/5"), Item::Bundle(1234, 5));
        assert_eq!(Item::of("ledger/tile/entries/000"), Item::Bundle(0, 256));
        let id = TileId { level: 1, index: 2, width: 7 };
        assert_eq!(Item::of(&tile_name(&id)), Item::Tile(id));
        let digest = Digest::of(b"x");
        assert_eq!(Item::of(&blob_name(&digest)), Item::Blob(digest));
        assert_eq!(Item::of("ledger/checkpoints/0"), Item::Checkpoint(0));
        assert_eq!(Item::of(&checkpoint_name(u64::MAX)), Item::Checkpoint(u64::MAX));
        assert_eq!(Item::of("canary/0123456789abcdef"), Item::Apart);
        let person = PersonId::from_random([7; 10]);
        assert_eq!(Item::of(&format!("subjects/{person}.key")), Item::Subject);
        assert_eq!(Item::of(&format!("subjects/{person}.key.new")), Item::Temporary);
        assert_eq!(Item::of(&rotation_name(12)), Item::Rotation(12));
        assert_eq!(Item::of("lock"), Item::Apart);
        assert_eq!(Item::of("cache/a/b"), Item::Apart);
        assert_eq!(Item::of("tmp/checkpoint"), Item::Temporary);
        assert_eq!(Item::of("wal/00000000000000000012"), Item::Segment(12));
    }

    #[test]
    fn a_name_spelled_another_way_is_unknown() {
        let upper = blob_name(&Digest::of(b"x")).to_uppercase().replace("BLOBS/SHA256", "blobs/sha256");
        for name in [
            upper.as_str(),
            "ledger/tile/entries/0",
            "ledger/tile/entries/x000/000",
            "ledger/tile/0/000.p/256",
            "ledger/tile/0/000.p/0",
            "ledger/tile/0/000.p/05",
            "ledger/tile/00/000",
            "ledger/tile",
            "ledger/notes",
            "ledger/checkpoints",
            "ledger/checkpoints/007",
            "ledger/checkpoints/+7",
            "ledger/rotations/0",
            "ledger/rotations/01",
            "ledger/rotations/+1",
            "subjects/../salt.key",
            "subjects/per-1.key",
            "tmp/a/b",
            "wal/12",
            "README",
            "",
        ] {
            assert_eq!(Item::of(name), Item::Unknown, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_name_has_two_meanings(name in "(ledger/tile|blobs/sha256|subjects|tmp|cache)?[a-f0-9x./p-]{0,80}", any: String) {
            for name in [name, any] {
                match Item::of(&name) {
                    Item::Tile(id) => proptest::prop_assert_eq!(tile_name(&id), name),
                    Item::Bundle(index, width) => proptest::prop_assert_eq!(bundle_name(index, width), name),
                    Item::Checkpoint(size) => proptest::prop_assert_eq!(checkpoint_name(size), name),
                    Item::Blob(digest) => proptest::prop_assert_eq!(blob_name(&digest), name),
                    _ => {}
                }
            }
        }
    }
}
