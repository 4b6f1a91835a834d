//! The right edge of the tree: the one incomplete tile of every level. It is all that appending needs to know.

use countersign_evidence::merkle::{self, Hash};
use countersign_evidence::tile::{self, TileId, WIDTH};

/// Tile levels of a tree of up to 2^64 entries.
pub(crate) const LEVELS: usize = 8;

/// The root of a tree over `hashes`, where all but the last stand for complete subtrees of equal size
/// (RFC 6962 §2.1: the left part is the largest power of two that is smaller than the whole).
pub(crate) fn root_of(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => merkle::empty_root(),
        [one] => *one,
        many => {
            let (left, right) = many.split_at(many.len().next_power_of_two() / 2);
            merkle::node_hash(&root_of(left), &root_of(right))
        }
    }
}

/// The hashes of one incomplete tile, and the complete subtrees over them from left to right: as many as their number has
/// binary ones. So the root costs a few hashes, not one for each.
#[derive(Debug, Clone, Default)]
struct Row {
    hashes: Vec<Hash>,
    peaks: Vec<Hash>,
}

impl Row {
    fn push(&mut self, hash: Hash) {
        self.hashes.push(hash);
        self.peaks.push(hash);
        for _ in 0..self.hashes.len().trailing_zeros() {
            if let (Some(right), Some(left)) = (self.peaks.pop(), self.peaks.pop()) {
                self.peaks.push(merkle::node_hash(&left, &right));
            }
        }
    }

    fn clear(&mut self) {
        self.hashes.clear();
        self.peaks.clear();
    }

    /// The root over the row and what lies right of it.
    fn root(&self, right: Option<Hash>) -> Option<Hash> {
        self.peaks.iter().rev().fold(right, |right, left| match right {
            Some(right) => Some(merkle::node_hash(left, &right)),
            None => Some(*left),
        })
    }
}

impl From<Vec<Hash>> for Row {
    fn from(hashes: Vec<Hash>) -> Self {
        let mut row = Self::default();
        hashes.into_iter().for_each(|hash| row.push(hash));
        row
    }
}

/// The right edge of a tree.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edge {
    size: u64,
    levels: [Row; LEVELS],
}

impl Edge {
    /// An edge from the incomplete tiles of a tree of `size` entries.
    pub(crate) fn from_tiles(size: u64, tiles: impl IntoIterator<Item = (u8, Vec<Hash>)>) -> Self {
        let mut edge = Self { size, ..Self::default() };
        for (level, hashes) in tiles {
            if let Some(row) = edge.levels.get_mut(usize::from(level)) {
                *row = hashes.into();
            }
        }
        edge
    }

    /// How many entries the tree has.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// The hashes in the incomplete tile of `level`.
    pub(crate) fn row(&self, level: u8) -> &[Hash] {
        self.levels.get(usize::from(level)).map_or(&[], |row| &row.hashes)
    }

    /// Appends 256 leaves at once, whose root is `root`. Nothing happens, and `false` comes back, where a tile is open that
    /// they do not begin.
    pub(crate) fn push_full(&mut self, root: Hash, made: impl FnMut(TileId, &[Hash])) -> bool {
        if !self.row(0).is_empty() {
            return false;
        }
        self.size = self.size.saturating_add(u64::from(WIDTH));
        self.rise(1, root, made);
        true
    }

    /// Appends a leaf hash. `made` is told of every tile that becomes full, and at the levels above 0 of every
    /// partial tile that comes into being: these are written whether or not a checkpoint was published just then, so
    /// that which of them must exist follows from the size alone.
    pub(crate) fn push(&mut self, leaf: Hash, made: impl FnMut(TileId, &[Hash])) {
        self.size = self.size.saturating_add(1);
        self.rise(0, leaf, made);
    }

    /// Adds a hash at `level`, and what it completes at the levels above. The size counts it already.
    fn rise(&mut self, level: u8, mut hash: Hash, mut made: impl FnMut(TileId, &[Hash])) {
        let last = self.size.saturating_sub(1);
        for (level, row) in (0_u8..).zip(&mut self.levels).skip(usize::from(level)) {
            row.push(hash);
            let width = u16::try_from(row.hashes.len()).unwrap_or(WIDTH);
            if level > 0 || width == WIDTH {
                let index = last.checked_shr(8 * (u32::from(level) + 1)).unwrap_or(0);
                made(TileId { level, index, width }, &row.hashes);
            }
            let (true, Some(root)) = (width == WIDTH, row.root(None)) else { return };
            hash = root;
            row.clear();
        }
    }

    /// The incomplete tiles.
    pub(crate) fn partials(&self) -> impl Iterator<Item = (TileId, &[Hash])> {
        tile::partial_tiles(self.size).into_iter().map(|id| (id, self.row(id.level)))
    }

    /// The root of the tree.
    pub(crate) fn root(&self) -> Hash {
        self.levels.iter().fold(None, |below, row| row.root(below)).unwrap_or_else(merkle::empty_root)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use countersign_evidence::merkle::{MemoryTree, leaf_hash};

    use super::*;

    #[test]
    fn the_edge_agrees_with_a_whole_tree_at_every_size() {
        let mut edge = Edge::default();
        let mut whole = MemoryTree::new();
        let mut tiles = BTreeMap::new();
        assert_eq!(edge.root(), whole.root());
        for n in 0..66_000_u64 {
            let leaf = leaf_hash(&n.to_be_bytes());
            whole.push(leaf);
            edge.push(leaf, |id, hashes| {
                assert_eq!(usize::from(id.width), hashes.len());
                tiles.insert(id, hashes.len());
            });
            // Every size near the borders, and a sample of the others.
            if n < 1100 || n % 257 < 3 || n > 65_400 {
                assert_eq!(edge.root(), whole.root(), "size {}", n + 1);
                assert_eq!(edge.size(), n + 1);
            }
        }
        assert!(edge.partials().all(|(id, hashes)| usize::from(id.width) == hashes.len()));
        assert_eq!(tiles.keys().filter(|t| t.level == 0).count(), 66_000 / 256);
        assert_eq!(tiles.keys().filter(|t| t.level == 1 && t.index == 0).count(), 256, "every width, and full");
        assert!(tiles.contains_key(&TileId { level: 2, index: 0, width: 1 }));
    }
}
