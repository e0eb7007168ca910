use proptest::prelude::*;

use super::*;
use crate::nodes::{consistency, inclusion, root_at};
use crate::proof::{verify_consistency, verify_inclusion};
use crate::testing::{leaves, naive_root, tree_of};

#[test]
fn every_complete_node_is_the_rfc_s_and_no_other_is_there() {
    let all = leaves(1300);
    for size in [0, 1, 2, 3, 255, 256, 257, 511, 512, 1023, 1024, 1300_usize] {
        let tree = tree_of(&all[..size]);
        assert_eq!((tree.size(), tree.leaves()), (size as u64, &all[..size]));
        assert_eq!(tree.root(), naive_root(&all[..size]));
        for level in 0..12 {
            let subtrees = all[..size].chunks_exact(1 << level);
            let count = subtrees.len() as u64;
            for (index, subtree) in (0..).zip(subtrees) {
                assert_eq!(tree.node(level, index), Ok(naive_root(subtree)), "{level}/{index} of {size}");
            }
            for index in [count, count + 1, u64::MAX] {
                assert_eq!(tree.node(level, index), Err(NodeMissing { level, index }));
            }
        }
        for level in [48, 63, 64, u32::MAX] {
            assert_eq!(tree.node(level, 0), Err(NodeMissing { level, index: 0 }));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]
    #[test]
    fn proofs_hold_in_large_trees(size in 1_u64..70_000, picks in prop::collection::vec(any::<(u64, u64)>(), 8)) {
        let leaves = leaves(size);
        let tree = tree_of(&leaves);
        prop_assert_eq!(tree.root(), naive_root(&leaves));
        prop_assert_eq!(root_at(size, &tree), Ok(tree.root()));
        for (position, to) in picks {
            let to = 1 + to % size;
            let position = position % to;
            let root = root_at(to, &tree).unwrap();
            let proof = inclusion(position, to, &tree).unwrap();
            let leaf = &leaves[usize::try_from(position).unwrap()];
            prop_assert_eq!(verify_inclusion(leaf, position, to, &proof, &root), Ok(()));
            let proof = consistency(position, to, &tree).unwrap();
            let from_root = root_at(position, &tree).unwrap();
            prop_assert_eq!(verify_consistency(position, &from_root, to, &root, &proof), Ok(()));
        }
    }
}

#[test]
fn what_the_tree_does_not_have_yet_is_named() {
    let tree = tree_of(&leaves(300));
    let missing = |level, index| TreeError::Source(NodeMissing { level, index });
    assert_eq!(root_at(301, &tree).unwrap_err(), missing(0, 300));
    assert_eq!(inclusion(0, 512, &tree).unwrap_err(), missing(8, 1));
    assert_eq!(consistency(300, 320, &tree).unwrap_err(), missing(4, 19));
}
