//! Tiles and bundles of tlog-tiles.

use std::collections::{BTreeMap, BTreeSet};

use countersign_evidence::Error;
use countersign_evidence::merkle::{HashReader as _, MemoryTree, consistency_proof, inclusion_proof, leaf_hash, root};
use countersign_evidence::tile::{
    TileHashes, TileId, bundles_for_growth, decode_bundle, decode_tile, encode_bundle, entries_path, is_superseded,
    may_lack_bundle, may_lack_tile, parse_entries_path, partial_tiles, tiles_for_growth, width_at,
};
use proptest::prelude::*;

use crate::support::{Tiles, entry, tile_bytes, tree};

#[test]
fn paths_are_those_of_the_specification() {
    for (level, index, width, path) in [
        (0, 0, 256, "tile/0/000"),
        (0, 5, 1, "tile/0/005.p/1"),
        (0, 999, 256, "tile/0/999"),
        (0, 1000, 256, "tile/0/x001/000"),
        (1, 1_234_067, 256, "tile/1/x001/x234/067"),
        (63, 1_234_067, 255, "tile/63/x001/x234/067.p/255"),
        (0, u64::MAX, 256, "tile/0/x018/x446/x744/x073/x709/x551/615"),
    ] {
        let id = TileId { level, index, width };
        assert_eq!(id.path(), path);
        assert_eq!(TileId::parse_path(path).unwrap(), id);
    }
    assert_eq!(entries_path(0, 5), "tile/entries/000.p/5");
    assert_eq!(entries_path(1_234_067, 256), "tile/entries/x001/x234/067");
    assert_eq!(parse_entries_path("tile/entries/x001/000.p/7").unwrap(), (1000, 7));
}

#[test]
fn other_paths_are_refused() {
    for path in [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/x000/001",
        "tile/0/x001",
        "tile/0/001/002",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/000.p/1/",
        "tile/0/000.p/1.p/1",
        "/tile/0/000",
        "tile/0/../000",
        "tile/0/+01",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "tile/entries/000",
        "tile/0/000\n",
        "tile/0/١٢٣",
    ] {
        assert!(matches!(TileId::parse_path(path), Err(Error::TilePath(_))), "{path:?}");
    }
    for path in ["tile/0/000", "tile/entries/", "tile/entries/0", "tile/entries/000.p/256", "tile/entries"] {
        assert!(matches!(parse_entries_path(path), Err(Error::TilePath(_))), "{path:?}");
    }
}

#[test]
fn partial_tiles_are_those_of_the_specification() {
    let ids = |size| partial_tiles(size).into_iter().map(|t| (t.level, t.index, t.width)).collect::<Vec<_>>();
    assert_eq!(ids(0), []);
    assert_eq!(ids(1), [(0, 0, 1)]);
    assert_eq!(ids(256), [(1, 0, 1)]);
    assert_eq!(ids(70_000), [(0, 273, 112), (1, 1, 17), (2, 0, 1)]);
    assert_eq!(ids(65_536), [(2, 0, 1)]);
    assert_eq!(width_at(0, 272, 70_000), 256);
    assert_eq!(width_at(0, 274, 70_000), 0);
    assert_eq!(width_at(7, 0, u64::MAX), 255);
    assert_eq!(width_at(8, 0, u64::MAX), 0);
    assert_eq!(width_at(200, u64::MAX, u64::MAX), 0);
}

#[test]
fn growth_writes_what_changed() {
    let ids = |old, new| tiles_for_growth(old, new).into_iter().map(|t| t.path()).collect::<Vec<_>>();
    assert_eq!(ids(0, 0), Vec::<String>::new());
    assert_eq!(ids(5, 5), Vec::<String>::new());
    assert_eq!(ids(9, 5), Vec::<String>::new());
    assert_eq!(ids(0, 5), ["tile/0/000.p/5"]);
    assert_eq!(ids(5, 255), ["tile/0/000.p/255"]);
    assert_eq!(ids(255, 256), ["tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(ids(256, 257), ["tile/0/001.p/1"]);
    assert_eq!(ids(250, 770), ["tile/0/000", "tile/0/001", "tile/0/002", "tile/0/003.p/2", "tile/1/000.p/3"]);
    assert_eq!(bundles_for_growth(250, 770), [(0, 256), (1, 256), (2, 256), (3, 2)]);
    assert_eq!(bundles_for_growth(256, 256), []);
}

#[test]
fn entries_under_a_tile() {
    assert_eq!(TileId { level: 0, index: 3, width: 5 }.entries(), (768, 5));
    assert_eq!(TileId { level: 1, index: 1, width: 256 }.entries(), (65_536, 65_536));
    assert_eq!(TileId { level: 63, index: u64::MAX, width: 256 }.entries(), (u64::MAX, u64::MAX));
}

#[test]
fn bundles_hold_length_and_entry() {
    assert_eq!(encode_bundle(&[&b"ab"[..], b"", b"c"]).unwrap(), b"\0\x02ab\0\0\0\x01c");
    let largest = vec![7; 65_535];
    assert_eq!(decode_bundle(&encode_bundle(&[&largest]).unwrap()).unwrap(), [largest.as_slice()]);
    assert!(matches!(encode_bundle(&[vec![7; 65_536]]), Err(Error::EntryTooLarge(65_536))));
    assert!(encode_bundle::<&[u8]>(&[]).is_err());
    assert!(encode_bundle(&vec![b""; 256]).is_ok());
    assert!(encode_bundle(&vec![b""; 257]).is_err());
    for bad in [&b""[..], b"\0", b"\0\x01", b"\0\x02a", b"\0\x01ab", &[0; 514]] {
        assert!(matches!(decode_bundle(bad), Err(Error::Bundle(_))), "{bad:?}");
    }
}

#[test]
fn tiles_hold_as_many_hashes_as_their_path_says() {
    let id = TileId { level: 0, index: 0, width: 2 };
    assert_eq!(decode_tile(&id, &[5; 64]).unwrap(), [[5; 32]; 2]);
    for len in [0, 32, 63, 65, 96] {
        assert!(matches!(decode_tile(&id, &vec![5; len]), Err(Error::TileSize { .. })), "{len}");
    }
}

/// Every size of a growing log can be proved from the tiles that growth asked for.
#[test]
fn a_log_grown_in_steps_is_proved_from_its_tiles() {
    let mut tiles = Tiles::default();
    let (mut old, mut whole) = (0, MemoryTree::new());
    for size in [1, 2, 5, 200, 255, 256, 257, 300, 511, 512, 513, 1000, 66_000] {
        whole.extend((old..size).map(|i| leaf_hash(&entry(i))));
        for id in tiles_for_growth(old, size) {
            tiles.0.insert(id, tile_bytes(&whole, &id));
        }
        let hashes = TileHashes::new(size, &tiles);
        assert_eq!(root(size, &hashes).unwrap(), whole.root(), "{size}");
        for index in [0, size / 3, size / 2, size - 1] {
            let expected = inclusion_proof(index, size, &whole).unwrap();
            assert_eq!(inclusion_proof(index, size, &hashes).unwrap(), expected, "{index} of {size}");
        }
        for from in [1, old, size / 2, size] {
            let expected = consistency_proof(from, size, &whole).unwrap();
            assert_eq!(consistency_proof(from, size, &hashes).unwrap(), expected, "{from} → {size}");
        }
        for id in partial_tiles(size) {
            assert!(tiles.0.contains_key(&id), "{} at {size}", id.path());
        }
        old = size;
    }
}

#[test]
fn what_a_pruned_log_may_lack() {
    let full = |level, index| TileId { level, index, width: 256 };
    for (id, minimum, lacks) in [
        (full(0, 0), 255, false),
        (full(0, 0), 256, true),
        (full(0, 1), 511, false),
        (full(0, 1), 512, true),
        (full(1, 0), 65_535, false),
        (full(1, 0), 65_536, true),
        (full(7, 0), u64::MAX, false),
        (TileId { width: 255, ..full(0, 0) }, 1000, false),
        (full(0, u64::MAX), u64::MAX, false),
    ] {
        assert_eq!(may_lack_tile(&id, minimum), lacks, "{} {minimum}", id.path());
    }
    assert!(may_lack_bundle(0, 256, 256) && !may_lack_bundle(0, 256, 255) && !may_lack_bundle(0, 4, 256));
    assert!(is_superseded(&TileId { width: 4, ..full(0, 0) }, 256) && !is_superseded(&full(0, 0), 256));
    assert!(
        !is_superseded(&TileId { width: 4, ..full(0, 0) }, 255)
            && !is_superseded(&TileId { width: 4, ..full(1, 0) }, 65_535)
    );
}

/// Pruning takes nothing from entries, roots and proofs at and after the minimum index (tlog-tiles, pruning).
#[test]
fn a_pruned_log_still_proves_all_that_is_left() {
    const SIZE: u64 = 66_500;
    let whole = tree(SIZE);
    let all: BTreeMap<_, _> = tiles_for_growth(0, SIZE).into_iter().map(|id| (id, tile_bytes(&whole, &id))).collect();
    for minimum in [1, 255, 256, 257, 600, 65_535, 65_536, 65_537, 66_304, SIZE] {
        let pruned =
            Tiles(all.iter().filter(|(id, _)| !may_lack_tile(id, minimum)).map(|(k, v)| (*k, v.clone())).collect());
        assert_eq!(pruned.0.len() < all.len(), minimum >= 256);
        let hashes = TileHashes::new(SIZE, &pruned);
        let step = |from: u64| (from..=SIZE).step_by(usize::try_from((SIZE - from) / 12 + 1).unwrap()).chain([SIZE]);
        for size in step(minimum) {
            assert_eq!(root(size, &hashes).unwrap(), root(size, &whole).unwrap(), "{minimum} {size}");
            for old in step(minimum).filter(|old| *old <= size) {
                let proof = consistency_proof(old, size, &hashes).unwrap();
                assert_eq!(proof, consistency_proof(old, size, &whole).unwrap(), "{minimum} {old} {size}");
            }
            for index in step(minimum).filter(|index| *index < size) {
                let proof = inclusion_proof(index, size, &hashes).unwrap();
                assert_eq!(proof, inclusion_proof(index, size, &whole).unwrap(), "{minimum} {index} {size}");
            }
        }
        if minimum >= 256 {
            assert!(inclusion_proof(0, SIZE, &hashes).is_err(), "what was pruned is missed");
        }
    }
}

#[test]
fn a_missing_or_short_tile_is_an_error() {
    let id = TileId { level: 0, index: 0, width: 4 };
    assert!(matches!(TileHashes::new(4, &Tiles::default()).hash(0, 0), Err(Error::MissingHash { .. })));
    let short = Tiles(BTreeMap::from([(id, vec![0; 96])]));
    assert!(matches!(TileHashes::new(4, &short).hash(0, 0), Err(Error::TileSize { .. })));
    let good = Tiles(BTreeMap::from([(id, vec![0; 128])]));
    let hashes = TileHashes::new(4, &good);
    assert!(hashes.hash(2, 0).is_ok());
    for (level, index) in [(0, 4), (1, 2), (3, 0), (8, 0), (63, 0), (255, 0), (7, u64::MAX), (0, u64::MAX)] {
        assert!(matches!(hashes.hash(level, index), Err(Error::MissingHash { .. })), "{level} {index}");
    }
}

proptest! {
    #[test]
    fn paths_read_back(level in 0_u8..64, index: u64, width in 1_u16..=256) {
        let id = TileId { level, index, width };
        prop_assert_eq!(TileId::parse_path(&id.path()).unwrap(), id);
        prop_assert_eq!(parse_entries_path(&entries_path(index, width)).unwrap(), (index, width));
    }

    #[test]
    fn a_path_that_is_read_is_written_the_same(path in "tile/([0-9]{1,2}|entries)(/x?[0-9]{2,4}){1,4}(\\.p/[0-9]{1,3})?") {
        if let Ok(id) = TileId::parse_path(&path) {
            prop_assert_eq!(id.path(), path);
        } else if let Ok((index, width)) = parse_entries_path(&path) {
            prop_assert_eq!(entries_path(index, width), path);
        }
    }

    #[test]
    fn bundles_read_back(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..=256)) {
        let bytes = encode_bundle(&entries).unwrap();
        prop_assert_eq!(decode_bundle(&bytes).unwrap(), entries);
    }

    #[test]
    fn any_bytes_are_one_bundle_or_none(bytes in prop::collection::vec(0_u8..4, 0..400)) {
        if let Ok(entries) = decode_bundle(&bytes) {
            prop_assert_eq!(encode_bundle(&entries).unwrap(), bytes);
        }
    }

    #[test]
    fn growth_in_two_steps_writes_at_least_what_one_step_writes(a in 0_u64..200_000, b in 0_u64..200_000, c in 0_u64..200_000) {
        let mut sizes = [a, b, c];
        sizes.sort_unstable();
        let [a, b, c] = sizes;
        let steps: BTreeSet<_> = [tiles_for_growth(a, b), tiles_for_growth(b, c)].concat().into_iter().collect();
        for id in tiles_for_growth(a, c) {
            prop_assert!(steps.contains(&id), "{}", id.path());
        }
    }
}
