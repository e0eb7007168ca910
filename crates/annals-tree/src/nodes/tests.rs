use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::hash::leaf_hash;
use crate::proof::{verify_consistency, verify_inclusion};
use crate::testing::{AllLeaves, leaves, naive_consistency, naive_inclusion, naive_root};

fn frontier_of(leaves: &[Hash]) -> Frontier {
    let mut frontier = Frontier::new();
    leaves.iter().for_each(|leaf| frontier.push(*leaf, &mut |_, _, _| ()));
    frontier
}

/// Compares both proofs with the RFC's and verifies them.
fn check_proofs(leaves: &[Hash], position: usize, from: usize, size: usize) {
    let (at, from_size, to_size) = (position as u64, from as u64, size as u64);
    let nodes = AllLeaves(leaves);
    let root = root_at(to_size, &nodes).unwrap();
    assert_eq!(root, naive_root(&leaves[..size]), "root of {size}");

    let proof = inclusion(at, to_size, &nodes).unwrap();
    assert_eq!(proof, naive_inclusion(position, &leaves[..size]), "inclusion of {position} in {size}");
    assert_eq!(verify_inclusion(&leaves[position], at, to_size, &proof, &root), Ok(()));

    let from_root = root_at(from_size, &nodes).unwrap();
    let proof = consistency(from_size, to_size, &nodes).unwrap();
    let expected = if from == 0 { Vec::new() } else { naive_consistency(from, &leaves[..size]) };
    assert_eq!(proof, expected, "consistency of {from} and {size}");
    assert_eq!(verify_consistency(from_size, &from_root, to_size, &root, &proof), Ok(()));
}

#[test]
fn roots_and_proofs_are_those_of_the_rfc_for_all_pairs_of_small_sizes() {
    let leaves = leaves(34);
    assert_eq!(root_at(0, &AllLeaves(&leaves)), Ok(naive_root(&[])));
    for size in 1..=34 {
        (0..size).for_each(|position| check_proofs(&leaves, position, position, size));
        check_proofs(&leaves, 0, size, size);
    }
}

#[test]
fn proofs_are_those_of_the_rfc_around_the_ends_of_blocks() {
    let leaves = leaves(600);
    for size in (1..=600).step_by(7).chain(255..=258).chain(511..=514) {
        for position in [0, size / 3, size / 2, 255.min(size - 1), 256.min(size - 1), size - 1] {
            check_proofs(&leaves, position, position, size);
        }
    }
}

#[test]
fn the_frontier_of_any_earlier_size_comes_back() {
    let leaves = leaves(700);
    for size in 0..=700 {
        assert_eq!(frontier_at(size as u64, &AllLeaves(&leaves)), Ok(frontier_of(&leaves[..size])));
    }
}

/// A tree too large to hold: the hash of a node is made of its place, so that a proof tells which
/// nodes it was made from. Refuses what `may` refuses.
struct Imagined<F>(F);

impl<F: Fn(u32, u64) -> bool> Nodes for Imagined<F> {
    type Error = (u32, u64);

    fn node(&self, level: u32, index: u64) -> Result<Hash, (u32, u64)> {
        if !(self.0)(level, index) {
            return Err((level, index));
        }
        Ok(leaf_hash(&[&level.to_be_bytes()[..], &index.to_be_bytes()].concat()))
    }
}

/// Whether a node is complete in a tree of `size` leaves.
fn complete(size: u64) -> impl Fn(u32, u64) -> bool {
    move |level, index| size.checked_shr(level).is_some_and(|count| index < count)
}

/// Whether a node is of the earlier tree's frontier or lies at or after its end.
fn kept(from: u64, to: u64) -> impl Fn(u32, u64) -> bool {
    let known = Imagined(complete(from));
    let frontier = frontier_at(from, &known).unwrap();
    move |level, index| {
        complete(to)(level, index) && (frontier.node(level, index).is_some() || index << level >= from)
    }
}

#[test]
fn growth_is_proven_from_the_earlier_frontier_and_what_came_after_it() {
    for to in 0..=300 {
        for from in 0..=to {
            let proof = consistency(from, to, &Imagined(kept(from, to)));
            assert!(proof.is_ok(), "{from} to {to}: {proof:?}");
        }
    }
}

/// Gives nodes of an earlier frontier, and computes the others from the leaves after it alone.
struct Grown<'a> {
    frontier: Frontier,
    after: &'a [Hash],
}

impl Nodes for Grown<'_> {
    type Error = (u32, u64);

    fn node(&self, level: u32, index: u64) -> Result<Hash, (u32, u64)> {
        if let Some(node) = self.frontier.node(level, index) {
            return Ok(node);
        }
        let start = (index << level).checked_sub(self.frontier.size()).ok_or((level, index))?;
        let start = usize::try_from(start).unwrap();
        self.after.get(start..start + (1 << level)).map(naive_root).ok_or((level, index))
    }
}

#[test]
fn a_frontier_and_new_leaves_prove_the_growth_without_old_leaves() {
    let leaves = leaves(700);
    let sizes = [0, 1, 2, 3, 100, 255, 256, 257, 300, 511, 512, 513, 600, 699, 700_usize];
    for to in sizes {
        for from in sizes.into_iter().filter(|from| *from <= to) {
            let grown = Grown { frontier: frontier_of(&leaves[..from]), after: &leaves[from..] };
            let (small, large) = (from as u64, to as u64);
            let proof = consistency(small, large, &grown).unwrap();
            let (from_root, to_root) = (naive_root(&leaves[..from]), naive_root(&leaves[..to]));
            assert_eq!(verify_consistency(small, &from_root, large, &to_root, &proof), Ok(()));
        }
    }
}

/// An earlier frontier, and every node that was complete since.
struct Since {
    frontier: Frontier,
    made: BTreeMap<(u32, u64), Hash>,
}

impl Nodes for Since {
    type Error = (u32, u64);

    fn node(&self, level: u32, index: u64) -> Result<Hash, (u32, u64)> {
        let made = self.made.get(&(level, index)).copied();
        self.frontier.node(level, index).or(made).ok_or((level, index))
    }
}

proptest! {
    #[test]
    fn answers_about_large_trees_need_complete_nodes_only(
        size in 1..=TREE_SIZE_MAX,
        picks in prop::collection::vec(any::<u64>(), 8),
    ) {
        let nodes = Imagined(complete(size));
        prop_assert!(root_at(size, &nodes).is_ok());
        for pick in picks {
            // Near both ends too, where trees are most unlike one another.
            let pick = pick >> (pick % 64);
            for position in [pick % size, size - 1 - pick % size] {
                let path = inclusion(position, size, &nodes);
                prop_assert!(path.as_ref().is_ok_and(|path| path.len() <= 48), "{}: {:?}", position, path);
                let proof = consistency(position, size, &Imagined(kept(position, size)));
                prop_assert!(proof.is_ok(), "{} to {}: {:?}", position, size, proof);
            }
        }
    }

    #[test]
    fn growth_of_large_trees_verifies(
        from in 0..TREE_SIZE_MAX / 2,
        trailing_zeros in 0..20_u32,
        more in 1_u64..2000,
    ) {
        let from = from >> trailing_zeros << trailing_zeros;
        let earlier = frontier_at(from, &Imagined(complete(from))).unwrap();
        let after = leaves(more);
        let mut later = earlier.clone();
        let mut made = BTreeMap::new();
        for leaf in &after {
            let _none = made.insert((0, later.size()), *leaf);
            later.push(*leaf, &mut |level, index, hash| {
                let _none = made.insert((level, index), hash);
            });
        }
        let (to, from_root) = (from + more, earlier.root());
        let since = Since { frontier: earlier, made };
        prop_assert_eq!(root_at(to, &since), Ok(later.root()));
        let proof = consistency(from, to, &since).unwrap();
        prop_assert_eq!(verify_consistency(from, &from_root, to, &later.root(), &proof), Ok(()));
        for (position, leaf) in (from..).zip(&after).step_by(97) {
            let proof = inclusion(position, to, &since).unwrap();
            prop_assert_eq!(verify_inclusion(leaf, position, to, &proof, &later.root()), Ok(()));
        }
    }
}

#[test]
fn what_cannot_be_is_beyond() {
    let leaves = leaves(3);
    let nodes = AllLeaves(&leaves);
    let beyond = |what, asked, limit| TreeError::Beyond { what, asked, limit };
    let above = TREE_SIZE_MAX + 1;
    for size in [above, u64::MAX] {
        assert_eq!(root_at(size, &nodes), Err(beyond("size", size, TREE_SIZE_MAX)));
        assert_eq!(inclusion(0, size, &nodes), Err(beyond("size", size, TREE_SIZE_MAX)));
        assert_eq!(consistency(0, size, &nodes), Err(beyond("size", size, TREE_SIZE_MAX)));
    }
    assert_eq!(inclusion(3, 3, &nodes), Err(beyond("position", 3, 3)));
    assert_eq!(inclusion(0, 0, &nodes), Err(beyond("position", 0, 0)));
    assert_eq!(consistency(4, 3, &nodes), Err(beyond("earlier size", 4, 3)));
}

#[test]
fn what_the_source_says_of_a_node_is_passed_on() {
    let leaves = leaves(3);
    let nodes = AllLeaves(&leaves);
    assert_eq!(root_at(4, &nodes), Err(TreeError::Source((2, 0))));
    assert_eq!(inclusion(0, 4, &nodes), Err(TreeError::Source((1, 1))));
    assert_eq!(consistency(3, 4, &nodes), Err(TreeError::Source((0, 3))));
}

/// The stored nodes that each block completes, found by pushing whole blocks.
fn stored_by_block(blocks: u64) -> Vec<Vec<(u32, u64)>> {
    let mut frontier = Frontier::new();
    let completed = |_| {
        let mut completed = Vec::new();
        frontier.push_node(BLOCK_LEVEL, Hash::default(), &mut |level, index, _| {
            completed.push((level, index));
        });
        completed
    };
    (0..blocks).map(completed).collect()
}

#[test]
fn stored_nodes_are_numbered_in_the_order_of_completion() {
    let mut number = 0;
    for (block, completed) in (0..).zip(stored_by_block(5000)) {
        assert_eq!(stored_nodes_before(block), number, "before block {block}");
        assert_eq!(completed.len() as u64, u64::from(1 + block.trailing_ones()));
        for (offset, (level, index)) in (0..).zip(completed) {
            assert_eq!(stored_node_place(level, index), (block, offset), "node {level}/{index}");
            assert_eq!(stored_node_number(level, index), number);
            number += 1;
        }
    }
}

#[test]
fn the_last_node_of_the_largest_tree_has_a_number() {
    let blocks = TREE_SIZE_MAX >> BLOCK_LEVEL;
    assert_eq!(stored_node_place(48, 0), (blocks - 1, 40));
    assert_eq!(stored_node_number(48, 0) + 1, stored_nodes_before(blocks));
    assert_eq!(stored_nodes_before(blocks), 2 * blocks - 1);
    assert_eq!(stored_nodes_before(u64::MAX), u64::MAX, "no number of blocks overflows");
}

#[test]
#[should_panic(expected = "only nodes of level 8 and above are stored")]
fn a_leaf_is_no_stored_node() {
    let _place = stored_node_place(7, 0);
}

#[test]
#[should_panic(expected = "is in no tree")]
fn a_node_beyond_the_largest_tree_has_no_place() {
    let _place = stored_node_place(48, 1);
}
