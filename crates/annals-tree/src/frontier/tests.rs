use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::testing::{leaves, naive_root};

fn frontier_of(leaves: &[Hash]) -> Frontier {
    let mut frontier = Frontier::new();
    leaves.iter().for_each(|leaf| frontier.push(*leaf, &mut |_, _, _| ()));
    frontier
}

#[test]
fn roots_are_those_of_the_rfc_at_every_size() {
    let leaves = leaves(600);
    let mut frontier = Frontier::new();
    for size in 0..=600 {
        assert_eq!(frontier.root(), naive_root(&leaves[..size]), "root of {size}");
        assert_eq!(frontier.size(), size as u64);
        leaves.get(size).into_iter().for_each(|leaf| frontier.push(*leaf, &mut |_, _, _| ()));
    }
}

/// The leaves under a node.
fn under(leaves: &[Hash], level: u32, index: u64) -> &[Hash] {
    let start = usize::try_from(index << level).unwrap();
    &leaves[start..start + (1 << level)]
}

#[test]
fn its_nodes_are_the_maximal_complete_subtrees() {
    let leaves = leaves(600);
    for size in 0..=600_u64 {
        let frontier = frontier_of(&leaves[..usize::try_from(size).unwrap()]);
        let mut end = 0;
        let mut smallest = u32::MAX;
        for (level, index, hash) in frontier.nodes() {
            assert!(level < smallest, "largest first, each level once");
            assert_eq!(index << level, end, "each begins where the one before ends");
            assert_eq!(hash, naive_root(under(&leaves, level, index)));
            (end, smallest) = ((index + 1) << level, level);
        }
        assert_eq!(end, size);

        for level in 0..70 {
            for index in 0..4 + size.checked_shr(level).unwrap_or(0) {
                let own = frontier.nodes().find(|own| (own.0, own.1) == (level, index)).map(|own| own.2);
                assert_eq!(frontier.node(level, index), own, "node {level}/{index} of {size}");
            }
            assert_eq!(frontier.node(level, u64::MAX), None);
        }
    }
}

#[test]
fn every_node_above_the_leaves_is_told_once_when_it_is_complete() {
    let leaves = leaves(1100);
    let mut frontier = Frontier::new();
    for (before, leaf) in (0..).zip(&leaves) {
        let mut told = Vec::new();
        frontier.push(*leaf, &mut |level, index, hash| told.push((level, index, hash)));
        let size: u64 = before + 1;
        let expected: Vec<(u32, u64, Hash)> = (1..=11)
            .filter(|level| (size >> level) > (before >> level))
            .map(|level| (level, before >> level))
            .map(|(level, index)| (level, index, naive_root(under(&leaves, level, index))))
            .collect();
        assert_eq!(told, expected, "told at {size}");
    }
}

proptest! {
    #[test]
    fn any_mix_of_subtrees_gives_what_the_leaves_give(picks in prop::collection::vec(0_u32..11, 1..60)) {
        let leaves = leaves(10_000);
        let (mut single, mut mixed) = (Frontier::new(), Frontier::new());
        let (mut by_leaf, mut by_node) = (BTreeMap::new(), BTreeMap::new());
        let mut whole = Vec::new();
        for pick in picks {
            let size = mixed.size();
            let level = pick.min(size.trailing_zeros());
            if size + (1 << level) > 10_000 {
                break;
            }
            whole.push((level, size));
            let added = under(&leaves, level, size >> level);
            mixed.push_node(level, naive_root(added), &mut |level, index, hash| {
                assert_eq!(by_node.insert((level, index), hash), None, "told twice");
            });
            for leaf in added {
                single.push(*leaf, &mut |level, index, hash| {
                    assert_eq!(by_leaf.insert((level, index), hash), None, "told twice");
                });
            }
            prop_assert_eq!(&mixed, &single);
        }
        // Told are all but those below a subtree that came whole.
        by_leaf.retain(|(level, index), _| {
            let inside = |&(whole_level, start): &(u32, u64)| {
                *level < whole_level && (start..start + (1 << whole_level)).contains(&(index << level))
            };
            !whole.iter().any(inside)
        });
        prop_assert_eq!(by_node, by_leaf);
    }

    #[test]
    fn the_stored_form_reads_back_at_any_size(size in 0..=TREE_SIZE_MAX, fill in any::<u8>()) {
        let frontier = Frontier::of(size, places(size).map(|(level, _)| leaf(level, fill)).collect());
        let bytes = frontier.to_bytes();
        prop_assert_eq!(Frontier::from_bytes(&bytes), Ok(frontier));
        for length in 0..bytes.len() {
            prop_assert!(Frontier::from_bytes(&bytes[..length]).is_err(), "cut to {}", length);
        }
        let longer = [&bytes[..], &[0]].concat();
        let found = bytes.len() + 1;
        prop_assert_eq!(
            Frontier::from_bytes(&longer),
            Err(FrontierError::Length { found, expected: bytes.len() })
        );
    }

    #[test]
    fn any_bytes_are_a_frontier_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), small in any::<bool>()) {
        let mut bytes = bytes;
        if small && bytes.len() >= 8 {
            bytes[..7].fill(0);
        }
        if let Ok(frontier) = Frontier::from_bytes(&bytes) {
            prop_assert_eq!(frontier.to_bytes(), bytes);
        }
    }

    #[test]
    fn large_trees_grow_as_small_ones(size in 0..TREE_SIZE_MAX - 4096) {
        let mut frontier = Frontier::of(size, places(size).map(|(level, _)| leaf(level, 1)).collect());
        let first = frontier.clone();
        let mut told = Vec::new();
        for number in 0..4096_u64 {
            frontier.push(leaf(7, 7), &mut |level, index, _| told.push((level, index)));
            prop_assert_eq!(frontier.size(), size + number + 1);
        }
        // As many nodes as there are merges, each where it was not complete before.
        let nodes = |size: u64| 2 * size - u64::from(size.count_ones());
        prop_assert_eq!(told.len() as u64, nodes(size + 4096) - nodes(size) - 4096);
        for (level, index) in told {
            prop_assert!((index + 1) << level > size && (index + 1) << level <= size + 4096);
        }
        prop_assert_eq!(Frontier::from_bytes(&first.to_bytes()), Ok(first));
    }
}

fn leaf(level: u32, fill: u8) -> Hash {
    crate::hash::leaf_hash(&[&level.to_be_bytes()[..], &[fill]].concat())
}

#[test]
fn more_leaves_than_a_tree_may_have_are_refused_before_their_hashes() {
    let full = Frontier::of(TREE_SIZE_MAX, [leaf(48, 0)].into());
    assert_eq!(Frontier::from_bytes(&full.to_bytes()), Ok(full));
    for size in [TREE_SIZE_MAX + 1, u64::MAX] {
        assert_eq!(Frontier::from_bytes(&size.to_be_bytes()), Err(FrontierError::Size(size)));
    }
}

#[test]
#[should_panic(expected = "a tree has an end")]
fn a_full_tree_takes_no_leaf() {
    Frontier::of(TREE_SIZE_MAX, [leaf(48, 0)].into()).push(leaf(0, 0), &mut |_, _, _| ());
}

#[test]
#[should_panic(expected = "a subtree of level 8 cannot follow 3")]
fn a_subtree_goes_only_where_it_is_aligned() {
    frontier_of(&leaves(3)).push_node(8, leaf(8, 0), &mut |_, _, _| ());
}
