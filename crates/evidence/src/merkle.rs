//! The Merkle tree of RFC 6962 §2.1 with SHA-256: roots, inclusion and consistency proofs.
//!
//! The algorithms ask a [`HashReader`] for the hashes of *complete* subtrees only, so they work alike over a tree in
//! memory ([`MemoryTree`]) and over tiles ([`crate::tile::TileHashes`]), and read O(log n) hashes.

use sha2::{Digest as _, Sha256};

use crate::Error;

/// A SHA-256 hash of a node.
pub type Hash = [u8; 32];

/// The hash of a leaf: `SHA-256(0x00 ‖ entry)` (RFC 6962 §2.1).
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0x00]).chain_update(entry).finalize().into()
}

/// The hash of an inner node: `SHA-256(0x01 ‖ left ‖ right)` (RFC 6962 §2.1).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut node = [0x01; 65];
    node[1..33].copy_from_slice(left);
    node[33..].copy_from_slice(right);
    Sha256::digest(node).into()
}

/// The root of a tree without entries: `SHA-256("")`.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// Gives the hashes of complete subtrees.
pub trait HashReader {
    /// The hash of the complete subtree over the leaves `index · 2^level .. (index + 1) · 2^level`.
    ///
    /// # Errors
    /// [`Error::MissingHash`] when the reader does not have it; see [`Error::missing_hash`].
    fn hash(&self, level: u8, index: u64) -> Result<Hash, Error>;
}

/// A tree in memory that keeps the hashes of all levels: 64 bytes a leaf.
#[derive(Debug, Clone, Default)]
pub struct MemoryTree {
    /// `levels[l][i]` is the complete subtree `i` at level `l`.
    levels: Vec<Vec<Hash>>,
}

impl MemoryTree {
    /// A tree without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a leaf by its hash ([`leaf_hash`]).
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        let mut level = 0;
        loop {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let row = &mut self.levels[level];
            row.push(hash);
            match row.as_slice() {
                [.., left, right] if row.len().is_multiple_of(2) => hash = node_hash(left, right),
                _ => return,
            }
            level += 1;
        }
    }

    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// The tree's root.
    #[must_use]
    pub fn root(&self) -> Hash {
        // The last subtree of every level with an odd number of them is complete and has no parent yet.
        let loose = self.levels.iter().filter(|row| row.len() % 2 == 1).filter_map(|row| row.last());
        loose.copied().reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root)
    }
}

impl HashReader for MemoryTree {
    fn hash(&self, level: u8, index: u64) -> Result<Hash, Error> {
        let row = self.levels.get(usize::from(level));
        row.and_then(|row| row.get(usize::try_from(index).ok()?)).copied().ok_or(Error::MissingHash {
            level,
            index,
            source: None,
        })
    }
}

impl Extend<Hash> for MemoryTree {
    fn extend<I: IntoIterator<Item = Hash>>(&mut self, leaves: I) {
        leaves.into_iter().for_each(|leaf| self.push(leaf));
    }
}

/// The largest power of two below `n`, for `n` of at least 2: where RFC 6962 splits a list.
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// The tree hash of the leaves `lo..hi`; `lo` is where a split of RFC 6962 falls, so its complete subtrees line up.
fn range_hash(mut lo: u64, hi: u64, reader: &dyn HashReader) -> Result<Hash, Error> {
    let mut complete = Vec::new();
    while lo < hi {
        let level = (hi - lo).ilog2();
        complete.push(reader.hash(u8::try_from(level).unwrap_or(63), lo >> level)?);
        lo += 1 << level;
    }
    Ok(complete.into_iter().rev().reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root))
}

/// The root of the tree of the first `size` leaves.
///
/// # Errors
/// Those of the reader.
pub fn root(size: u64, reader: &dyn HashReader) -> Result<Hash, Error> {
    range_hash(0, size, reader)
}

/// The audit path of leaf `index` in the tree of `size` leaves (RFC 6962 §2.1.1), from the leaf's sibling upwards.
///
/// # Errors
/// [`Error::OutOfTree`] when `index` is not below `size`; those of the reader.
pub fn inclusion_proof(index: u64, size: u64, reader: &dyn HashReader) -> Result<Vec<Hash>, Error> {
    if index >= size {
        return Err(Error::OutOfTree { what: "index", value: index, size });
    }
    let (mut lo, mut hi) = (0, size);
    let mut path = Vec::new();
    while hi - lo > 1 {
        let middle = lo + split(hi - lo);
        if index < middle {
            path.push(range_hash(middle, hi, reader)?);
            hi = middle;
        } else {
            path.push(range_hash(lo, middle, reader)?);
            lo = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of `new` leaves continues the tree of `old` leaves (RFC 6962 §2.1.2). It is empty when
/// `old` is 0 or equal to `new`.
///
/// # Errors
/// [`Error::OutOfTree`] when `old` is more than `new`; those of the reader.
pub fn consistency_proof(old: u64, new: u64, reader: &dyn HashReader) -> Result<Vec<Hash>, Error> {
    if old > new {
        return Err(Error::OutOfTree { what: "size", value: old, size: new });
    }
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let (mut lo, mut hi) = (0, new);
    let mut path = Vec::new();
    while hi != old {
        let middle = lo + split(hi - lo);
        if old <= middle {
            path.push(range_hash(middle, hi, reader)?);
            hi = middle;
        } else {
            path.push(range_hash(lo, middle, reader)?);
            lo = middle;
        }
    }
    // When the old tree is itself a node of the new one (`lo` never moved), the verifier has its hash already.
    if lo > 0 {
        path.push(range_hash(lo, hi, reader)?);
    }
    path.reverse();
    Ok(path)
}

/// Checks that `leaf` is leaf `index` of the tree of `size` leaves with this `root` (RFC 9162 §2.1.3.2).
///
/// # Errors
/// [`Error::Inclusion`] when the index lies outside the tree, or the proof is too short, too long or leads elsewhere.
pub fn verify_inclusion(index: u64, size: u64, leaf: &Hash, proof: &[Hash], root: &Hash) -> Result<(), Error> {
    let wrong = || Error::Inclusion { index, size };
    if index >= size {
        return Err(wrong());
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(wrong());
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            // On the right edge, levels without a sibling are skipped.
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 && hash == *root { Ok(()) } else { Err(wrong()) }
}

/// Checks that the tree of `new` leaves continues the tree of `old` leaves (RFC 9162 §2.1.4.2). From an empty tree,
/// and between equal sizes, the proof is empty and the roots speak for themselves.
///
/// # Errors
/// [`Error::Consistency`] when the old tree is the larger one, or the proof does not connect the roots.
pub fn verify_consistency(old: u64, new: u64, proof: &[Hash], old_root: &Hash, new_root: &Hash) -> Result<(), Error> {
    let wrong = || Error::Consistency { old, new };
    if old > new {
        return Err(wrong());
    }
    if old == new {
        let empty_is_empty = new != 0 || *new_root == empty_root();
        return if proof.is_empty() && old_root == new_root && empty_is_empty { Ok(()) } else { Err(wrong()) };
    }
    if old == 0 {
        return if proof.is_empty() && *old_root == empty_root() { Ok(()) } else { Err(wrong()) };
    }
    // An old size that is a power of two is a node of the new tree: its root is the first hash, left out of the proof.
    let (start, rest) =
        if old.is_power_of_two() { (old_root, proof) } else { proof.split_first().ok_or_else(wrong)? };
    let (mut node, mut last) = (old - 1, new - 1);
    let ones = node.trailing_ones();
    node >>= ones;
    last >>= ones;
    let (mut old_hash, mut new_hash) = (*start, *start);
    for sibling in rest {
        if last == 0 {
            return Err(wrong());
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 && old_hash == *old_root && new_hash == *new_root { Ok(()) } else { Err(wrong()) }
}
