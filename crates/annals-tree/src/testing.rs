//! What the tests of this crate share.

use alloc::vec::Vec;

use crate::hash::{Hash, empty_root, leaf_hash, node_hash};
use crate::nodes::Nodes;
use crate::tree::Tree;

/// `count` leaf hashes, each of its number.
pub(crate) fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
}

/// A tree with these leaves.
pub(crate) fn tree_of(leaves: &[Hash]) -> Tree {
    let mut tree = Tree::new();
    tree.extend(leaves.iter().copied());
    tree
}

/// All leaves of a log: nodes are computed by the RFC's definition.
pub(crate) struct AllLeaves<'a>(pub(crate) &'a [Hash]);

impl Nodes for AllLeaves<'_> {
    type Error = (u32, u64);

    fn node(&self, level: u32, index: u64) -> Result<Hash, (u32, u64)> {
        let start = usize::try_from(index << level).unwrap();
        self.0.get(start..start + (1 << level)).map(naive_root).ok_or((level, index))
    }
}

/// MTH of RFC 6962, section 2.1, word for word.
pub(crate) fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(naive_split(leaves.len()));
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

/// PATH of RFC 6962, section 2.1.1, word for word.
pub(crate) fn naive_inclusion(position: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let middle = naive_split(leaves.len());
    let (left, right) = leaves.split_at(middle);
    let (mut path, other) = if position < middle {
        (naive_inclusion(position, left), right)
    } else {
        (naive_inclusion(position - middle, right), left)
    };
    path.push(naive_root(other));
    path
}

/// PROOF of RFC 6962, section 2.1.2, word for word.
pub(crate) fn naive_consistency(from: usize, leaves: &[Hash]) -> Vec<Hash> {
    fn subproof(from: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
        if from == leaves.len() {
            return if whole { Vec::new() } else { [naive_root(leaves)].into() };
        }
        let middle = naive_split(leaves.len());
        let (left, right) = leaves.split_at(middle);
        let (mut proof, other) = if from <= middle {
            (subproof(from, left, whole), right)
        } else {
            (subproof(from - middle, right, false), left)
        };
        proof.push(naive_root(other));
        proof
    }
    subproof(from, leaves, true)
}

fn naive_split(leaves: usize) -> usize {
    let mut middle = 1;
    while middle * 2 < leaves {
        middle *= 2;
    }
    middle
}

/// Every text or byte string one edit away from `bytes` in a systematic way: each byte changed,
/// dropped, doubled, and every prefix.
pub(crate) fn mutations(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let places = 0..bytes.len();
    let flips = places.clone().flat_map(move |at| {
        [0x01, 0x20, 0x80].into_iter().map(move |mask| {
            let mut changed = bytes.to_vec();
            changed[at] ^= mask;
            changed
        })
    });
    let drops = places.clone().map(move |at| [&bytes[..at], &bytes[at + 1..]].concat());
    let doubles = places.clone().map(move |at| [&bytes[..at], &bytes[at..=at], &bytes[at..]].concat());
    let cuts = places.map(move |at| bytes[..at].to_vec());
    flips.chain(drops).chain(doubles).chain(cuts)
}

/// [`mutations`] that are still text.
pub(crate) fn text_mutations(text: &str) -> impl Iterator<Item = alloc::string::String> + '_ {
    mutations(text.as_bytes()).filter_map(|bytes| alloc::string::String::from_utf8(bytes).ok())
}
