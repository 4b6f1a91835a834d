//! RFC 6962 roots and proofs, against known values and against another implementation.

use countersign_evidence::Error;
use countersign_evidence::merkle::{
    Hash, MemoryTree, consistency_proof, empty_root, inclusion_proof, leaf_hash, root, verify_consistency,
    verify_inclusion,
};
use countersign_model::digest::{from_hex, to_hex};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use sha2::Sha256;

use crate::support::{entry, tree};

/// The seven-and-one leaves that Certificate Transparency implementations share as a test, and the roots after each.
const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

#[test]
fn known_roots() {
    let mut tree = MemoryTree::new();
    assert_eq!(to_hex(&tree.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (leaf, expected) in LEAVES.iter().zip(ROOTS) {
        tree.push(leaf_hash(&from_hex(leaf).unwrap()));
        assert_eq!(to_hex(&tree.root()), expected);
        assert_eq!(root(tree.size(), &tree).unwrap(), tree.root());
    }
}

/// The same tree in the other implementation.
fn theirs(size: u64) -> MemoryBackedTree<Sha256, Vec<u8>> {
    let mut tree = MemoryBackedTree::new();
    (0..size).for_each(|i| tree.push(entry(i)));
    tree
}

fn concat(proof: &[Hash]) -> Vec<u8> {
    proof.concat()
}

/// All pairs (index, size) and (old, new) of trees up to 2^10 leaves: about half a million proofs of each kind. Both
/// trees grow by a leaf at a time; the verifier is asked about a part of them, and about all of them up to 130 leaves.
#[test]
fn every_proof_up_to_1024_leaves_is_that_of_another_implementation() {
    let whole = tree(1024);
    let roots: Vec<Hash> = (0..=1024).map(|size| root(size, &whole).unwrap()).collect();
    let leaves: Vec<Hash> = (0..1024).map(|i| leaf_hash(&entry(i))).collect();
    let mut other: MemoryBackedTree<Sha256, Vec<u8>> = MemoryBackedTree::new();
    for size in 1..=1024_usize {
        let (n, current) = (size as u64, &roots[size]);
        other.push(entry(n - 1));
        assert_eq!(current.as_slice(), other.root().as_bytes().as_slice());
        for (index, leaf) in leaves[..size].iter().enumerate() {
            let proof = inclusion_proof(index as u64, n, &whole).unwrap();
            assert_eq!(concat(&proof), other.prove_inclusion(index).as_bytes(), "{index} of {size}");
            if size <= 130 || (index + size) % 8 == 0 {
                verify_inclusion(index as u64, n, leaf, &proof, current).unwrap();
            }
        }
        for (old, old_root) in roots[..size].iter().enumerate().skip(1) {
            let proof = consistency_proof(old as u64, n, &whole).unwrap();
            assert_eq!(concat(&proof), other.prove_consistency(size - old).as_bytes(), "{old} → {size}");
            if size <= 130 || (old + size) % 8 == 0 {
                verify_consistency(old as u64, n, &proof, old_root, current).unwrap();
            }
        }
    }
}

#[test]
fn proofs_of_other_entries_sizes_and_lengths_are_refused() {
    for size in 1..=40_u64 {
        let tree = tree(size);
        for index in 0..size {
            let (leaf, proof) = (leaf_hash(&entry(index)), inclusion_proof(index, size, &tree).unwrap());
            let check = |i, s, p: &[Hash]| verify_inclusion(i, s, &leaf, p, &tree.root());
            for other in (0..size + 2).filter(|other| *other != index) {
                assert!(check(other, size, &proof).is_err(), "index {other} for {index} of {size}");
            }
            let mut longer = proof.clone();
            longer.push([0; 32]);
            assert!(check(index, size, &longer).is_err());
            if let Some((_, shorter)) = proof.split_last() {
                assert!(check(index, size, shorter).is_err());
            }
            assert!(verify_inclusion(index, size, &[9; 32], &proof, &tree.root()).is_err());
        }
        for old in 0..=size {
            let (proof, old_root) = (consistency_proof(old, size, &tree).unwrap(), root(old, &tree).unwrap());
            verify_consistency(old, size, &proof, &old_root, &tree.root()).unwrap();
            let mut longer = proof.clone();
            longer.push([0; 32]);
            assert!(verify_consistency(old, size, &longer, &old_root, &tree.root()).is_err(), "{old} → {size}");
            assert!(verify_consistency(old, size, &proof, &[9; 32], &tree.root()).is_err(), "{old} → {size}");
            for i in 0..proof.len() {
                let mut altered = proof.clone();
                altered[i][31] ^= 1;
                assert!(verify_consistency(old, size, &altered, &old_root, &tree.root()).is_err(), "{old} → {size}");
            }
            if let Some((_, shorter)) = proof.split_last() {
                assert!(verify_consistency(old, size, shorter, &old_root, &tree.root()).is_err(), "{old} → {size}");
            }
        }
    }
}

#[test]
fn what_lies_outside_is_an_error() {
    let tree = tree(3);
    assert!(matches!(inclusion_proof(3, 3, &tree), Err(Error::OutOfTree { .. })));
    assert!(matches!(inclusion_proof(0, 0, &tree), Err(Error::OutOfTree { .. })));
    assert!(matches!(consistency_proof(4, 3, &tree), Err(Error::OutOfTree { .. })));
    assert!(matches!(root(4, &tree), Err(Error::MissingHash { .. })));
    assert!(verify_inclusion(u64::MAX, u64::MAX, &[0; 32], &[], &[0; 32]).is_err());
    assert!(verify_inclusion(0, 0, &[0; 32], &[], &empty_root()).is_err());
    assert!(verify_consistency(u64::MAX, 1, &[], &[0; 32], &[0; 32]).is_err());
    verify_consistency(0, 0, &[], &empty_root(), &empty_root()).unwrap();
    assert!(verify_consistency(0, 0, &[], &[1; 32], &[1; 32]).is_err());
}

proptest! {
    // Each case builds two trees; the other implementation is not made for speed.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn larger_proofs_are_those_of_another_implementation(size in 131_u64..2500, a: u64, b: u64) {
        let (index, old) = (a % size, 1 + b % (size - 1));
        let (ours, other) = (tree(size), theirs(size));
        let inclusion = inclusion_proof(index, size, &ours).unwrap();
        let theirs = other.prove_inclusion(usize::try_from(index).unwrap());
        prop_assert_eq!(concat(&inclusion), theirs.as_bytes());
        let consistency = consistency_proof(old, size, &ours).unwrap();
        let theirs = other.prove_consistency(usize::try_from(size - old).unwrap());
        prop_assert_eq!(concat(&consistency), theirs.as_bytes());
        verify_inclusion(index, size, &leaf_hash(&entry(index)), &inclusion, &ours.root()).unwrap();
        verify_consistency(old, size, &consistency, &root(old, &ours).unwrap(), &ours.root()).unwrap();
    }

}

proptest! {
    #[test]
    fn verifiers_never_panic(index: u64, size: u64, old: u64, proof: Vec<[u8; 32]>, at: [u8; 32], to: [u8; 32]) {
        prop_assert!(verify_inclusion(index, size, &at, &proof, &to).is_err());
        prop_assert!(verify_consistency(old, size, &proof, &at, &to).is_err());
    }
}
