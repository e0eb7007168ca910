use core::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::block::Mismatch;
use crate::proof::{verify_consistency, verify_inclusion};
use crate::testing::{leaves, naive_consistency, naive_inclusion, naive_root};
use crate::tile::{hash_tile, hash_tiles, read_tile};

/// A tree with these leaves.
fn tree_of(leaves: &[Hash]) -> Tree {
    let mut tree = Tree::new();
    tree.extend(leaves.iter().copied());
    tree
}

/// All leaves of a log, as a ledger could recompute them.
struct Stored<'a>(&'a [Hash]);

impl LeafSource for Stored<'_> {
    type Error = u64;

    fn block(&self, block: u64) -> Result<Vec<Hash>, u64> {
        let start = usize::try_from(block).unwrap() * BLOCK_LEAVES;
        self.0.get(start..start + BLOCK_LEAVES).map(<[Hash]>::to_vec).ok_or(block)
    }
}

/// Gives no blocks, for logs without complete ones.
struct NoBlocks;

impl LeafSource for NoBlocks {
    type Error = Infallible;

    fn block(&self, block: u64) -> Result<Vec<Hash>, Infallible> {
        panic!("block {block} is not needed")
    }
}

#[test]
fn roots_are_those_of_the_rfc_at_every_size() {
    let leaves = leaves(600);
    let whole = tree_of(&leaves);
    let mut growing = Tree::new();
    for size in 0..=600 {
        let expected = naive_root(&leaves[..size]);
        assert_eq!(growing.root(), expected, "root of {size}");
        assert_eq!(whole.root_at(size as u64, &Stored(&leaves)), Ok(expected), "root of {size} of 600");
        assert_eq!(growing.size(), size as u64);
        growing.extend(leaves.get(size).copied());
    }
}

/// Compares both proofs with the RFC's and verifies them.
fn check_proofs(tree: &Tree, leaves: &[Hash], position: usize, from: usize, size: usize) {
    let (at, from_size, to_size) = (position as u64, from as u64, size as u64);
    let stored = Stored(leaves);
    let root = tree.root_at(to_size, &stored).unwrap();

    let proof = tree.inclusion(at, to_size, &stored).unwrap();
    assert_eq!(proof, naive_inclusion(position, &leaves[..size]), "inclusion of {position} in {size}");
    assert_eq!(verify_inclusion(&leaves[position], at, to_size, &proof, &root), Ok(()));

    let from_root = tree.root_at(from_size, &stored).unwrap();
    let proof = tree.consistency(from_size, to_size, &stored).unwrap();
    let expected = if from == 0 { Vec::new() } else { naive_consistency(from, &leaves[..size]) };
    assert_eq!(proof, expected, "consistency of {from} and {size}");
    assert_eq!(verify_consistency(from_size, &from_root, to_size, &root, &proof), Ok(()));
}

#[test]
fn proofs_are_those_of_the_rfc_for_all_pairs_of_small_sizes() {
    let leaves = leaves(34);
    let tree = tree_of(&leaves);
    for size in 1..=34 {
        (0..size).for_each(|position| check_proofs(&tree, &leaves, position, position, size));
        check_proofs(&tree, &leaves, 0, size, size);
    }
}

#[test]
fn proofs_are_those_of_the_rfc_around_the_ends_of_blocks() {
    let leaves = leaves(600);
    let tree = tree_of(&leaves);
    for size in (1..=600).step_by(7).chain(255..=258).chain(511..=514) {
        for position in [0, size / 3, size / 2, 255.min(size - 1), 256.min(size - 1), size - 1] {
            check_proofs(&tree, &leaves, position, position, size);
        }
    }
}

#[test]
fn a_small_tree_needs_no_source() {
    let leaves = leaves(255);
    let tree = tree_of(&leaves);
    for position in [0, 100, 254] {
        let proof = tree.inclusion(position, 255, &NoBlocks).unwrap();
        let leaf = &leaves[usize::try_from(position).unwrap()];
        assert_eq!(verify_inclusion(leaf, position, 255, &proof, &tree.root()), Ok(()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]
    #[test]
    fn proofs_hold_in_large_trees(size in 1_u64..70_000, picks in prop::collection::vec(any::<(u64, u64)>(), 8)) {
        let leaves = leaves(size);
        let tree = tree_of(&leaves);
        prop_assert_eq!(tree.root(), naive_root(&leaves));
        let stored = Stored(&leaves);
        for (position, to) in picks {
            let to = 1 + to % size;
            let position = position % to;
            let root = tree.root_at(to, &stored).unwrap();
            let proof = tree.inclusion(position, to, &stored).unwrap();
            let leaf = &leaves[usize::try_from(position).unwrap()];
            prop_assert_eq!(verify_inclusion(leaf, position, to, &proof, &root), Ok(()));
            let proof = tree.consistency(position, to, &stored).unwrap();
            let from_root = tree.root_at(position, &stored).unwrap();
            prop_assert_eq!(verify_consistency(position, &from_root, to, &root, &proof), Ok(()));
        }
    }
}

#[test]
fn what_is_beyond_the_tree_is_an_error() {
    let leaves = leaves(300);
    let (tree, stored) = (tree_of(&leaves), Stored(&leaves));
    let beyond = |what, asked, limit| TreeError::Beyond { what, asked, limit };
    assert_eq!(tree.root_at(301, &stored), Err(beyond("size", 301, 300)));
    assert_eq!(tree.inclusion(0, 301, &stored), Err(beyond("size", 301, 300)));
    assert_eq!(tree.inclusion(300, 300, &stored), Err(beyond("position", 300, 300)));
    assert_eq!(tree.consistency(5, 4, &stored), Err(beyond("earlier size", 5, 4)));
    assert_eq!(tree.consistency(5, u64::MAX, &stored), Err(beyond("size", u64::MAX, 300)));
}

#[test]
fn damaged_leaves_give_an_error_and_no_proof() {
    let all = leaves(600);
    let tree = tree_of(&all);
    let mut damaged = all.clone();
    damaged[300].0[0] ^= 1;
    let expected = TreeError::Damaged { block: 1, mismatch: Mismatch::Leaf { index: 44 } };
    assert_eq!(tree.inclusion(301, 600, &Stored(&damaged)), Err(expected));
    assert!(tree.inclusion(100, 600, &Stored(&damaged)).is_ok(), "block 1 is not needed for block 0");
    assert_eq!(tree.inclusion(301, 600, &Stored(&all[..256])), Err(TreeError::Source(1)));
}

#[test]
fn tiles_are_those_of_the_nodes() {
    let all = leaves(1000);
    let (tree, whole) = (tree_of(&all), crate::testing::tree_of(&all));
    for tile in hash_tiles(1000).chain(hash_tiles(300)) {
        let bytes = read_tile(&tree, &tile, &Stored(&all)).unwrap();
        assert_eq!(bytes, hash_tile(&tile, 1000, &whole).unwrap(), "{tile}");
    }
}
