//! Our paths, tiles and proofs beside those of another implementation, `tlog_tiles`, on random sizes.

use std::cell::OnceCell;

use countersign_evidence::checkpoint::Checkpoint;
use countersign_evidence::merkle::{HashReader as _, MemoryTree, consistency_proof, inclusion_proof, root};
use countersign_evidence::tile::{TileId, entries_path, tiles_for_growth};
use proptest::prelude::*;
use tlog_tiles::{
    Error, Hash, HashReader, Tile, check_record, check_tree, prove_record, prove_tree, record_hash,
    split_stored_hash_index, tree_hash,
};

use crate::support::{entry, tile_bytes, tree};

const LARGEST: u64 = 70_000;

thread_local! {
    static TREE: OnceCell<MemoryTree> = const { OnceCell::new() };
}

fn with_tree<T>(then: impl FnOnce(&MemoryTree) -> T) -> T {
    TREE.with(|cell| then(cell.get_or_init(|| tree(LARGEST))))
}

/// Gives the hashes of our tree in the other implementation's numbering.
struct Stored<'a>(&'a MemoryTree);

impl HashReader for Stored<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        let hash = |index: &u64| {
            let (level, at) = split_stored_hash_index(*index);
            Hash(self.0.hash(level, at).unwrap())
        };
        Ok(indexes.iter().map(hash).collect())
    }
}

fn plain(proof: Vec<Hash>) -> Vec<[u8; 32]> {
    proof.into_iter().map(|h| h.0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn proofs_and_roots(size in 1..=LARGEST, a: u64, b: u64) {
        let (index, old) = (a % size, 1 + b % size);
        with_tree(|tree| {
            let (theirs, ours) = (tree_hash(size, &Stored(tree)).unwrap(), root(size, tree).unwrap());
            assert_eq!(theirs.0, ours);
            let proof = inclusion_proof(index, size, tree).unwrap();
            assert_eq!(plain(prove_record(size, index, &Stored(tree)).unwrap()), proof);
            let proof = proof.into_iter().map(Hash).collect();
            check_record(&proof, size, theirs, index, record_hash(&entry(index))).unwrap();
            let proof = consistency_proof(old, size, tree).unwrap();
            let other = prove_tree(size, old, &Stored(tree)).unwrap();
            check_tree(&other, size, theirs, old, Hash(root(old, tree).unwrap())).unwrap();
            // Between equal sizes both are empty.
            assert_eq!(plain(other), proof);
        });
    }

    #[test]
    fn paths(level in 0_u8..7, index in 0_u64..1 << 40, width in 1_u16..=256) {
        let theirs = |data| Tile::new(8, level, index, width.into(), data).path();
        prop_assert_eq!(TileId { level, index, width }.path().replacen("tile/", "tile/8/", 1), theirs(false));
        prop_assert_eq!(entries_path(index, width).replacen("tile/entries/", "tile/8/data/", 1), Tile::new(8, 0, index, width.into(), true).path());
    }

    #[test]
    fn tiles_of_a_growing_log(old in 0..LARGEST, by in 0_u64..3000) {
        let new = (old + by).min(LARGEST);
        let mut ours: Vec<_> = tiles_for_growth(old, new).iter().map(|id| id.path().replacen("tile/", "tile/8/", 1)).collect();
        let mut theirs: Vec<_> = Tile::new_tiles(8, old, new).iter().map(Tile::path).collect();
        ours.sort();
        theirs.sort();
        prop_assert_eq!(ours, theirs);
        with_tree(|tree| {
            for tile in Tile::new_tiles(8, old, new).iter().take(3) {
                let id = TileId { level: tile.level(), index: tile.level_index(), width: u16::try_from(tile.width()).unwrap() };
                assert_eq!(tile.read_data(&Stored(tree)).unwrap(), tile_bytes(tree, &id));
            }
        });
    }

    #[test]
    fn checkpoints(size in 0_u64..1 << 63, root: [u8; 32]) {
        let ours = Checkpoint { origin: "example.com/log".into(), size, root };
        let theirs = tlog_tiles::Checkpoint::from_bytes(ours.to_text().as_bytes()).unwrap();
        prop_assert_eq!((theirs.origin(), theirs.size(), theirs.hash().0), ("example.com/log", size, root));
        prop_assert_eq!(theirs.to_bytes(), ours.to_text().into_bytes());
    }
}
