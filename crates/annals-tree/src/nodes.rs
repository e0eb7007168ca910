//! Roots and proofs out of the nodes of a stored tree.
//!
//! A node is named by level and index: node `index` of level `level` is the complete subtree over
//! the leaves from `index * 2^level`, of which there are 2^`level`. A leaf is a node of level 0.
//! Whoever can give complete nodes can prove: see [`Nodes`].
//!
//! What is stored are the nodes of level 8 and above, in the order in which they are complete. Of
//! blocks of 256 leaves, block `b` completes its own node and then one more for each trailing one
//! of `b`:
//!
//! ```text
//! block      0   1       2   3               4   5        6   7
//! completes  8/0 8/1 9/0 8/2 8/3 9/1 10/0    8/4 8/5 9/2  8/6 8/7 9/3 10/1 11/0
//! number     0   1   2   3   4   5   6       7   8   9    10  11  12  13   14
//! ```

use alloc::vec::Vec;

use crate::block::BLOCK_LEVEL;
use crate::frontier::{Frontier, TREE_SIZE_MAX, places};
use crate::hash::{Hash, node_hash};

/// Gives the hashes of complete subtrees.
pub trait Nodes {
    /// Why a node cannot be given.
    type Error;

    /// The hash of node `index` of level `level`, over 2^`level` leaves from `index * 2^level`.
    ///
    /// Asked only for nodes that are complete in a tree of the size that the answer is about.
    ///
    /// # Errors
    ///
    /// When the node cannot be read, or what it is made from is damaged; the answer then fails with
    /// [`TreeError::Source`].
    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

impl<N: Nodes + ?Sized> Nodes for &N {
    type Error = N::Error;

    fn node(&self, level: u32, index: u64) -> Result<Hash, N::Error> {
        (**self).node(level, index)
    }
}

/// The tree cannot answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError<E> {
    /// More than the tree has, or out of order.
    #[error("tree: {what} {asked} is beyond {limit}")]
    Beyond {
        /// What was asked for.
        what: &'static str,
        /// The number asked for.
        asked: u64,
        /// The largest possible one.
        limit: u64,
    },
    /// A node could not be given, or what it is made from is damaged.
    #[error("tree: a node cannot be had")]
    Source(#[source] E),
}

/// The frontier when the tree had `size` leaves. Asks for its own nodes only.
///
/// # Errors
///
/// [`TreeError::Source`], or `Beyond` when `size` is above [`TREE_SIZE_MAX`]. Whether the tree ever
/// had so many leaves is for the caller to know.
pub fn frontier_at<N: Nodes>(size: u64, nodes: &N) -> Result<Frontier, TreeError<N::Error>> {
    within("size", size, TREE_SIZE_MAX)?;
    let hashes = places(size).map(|(level, index)| nodes.node(level, index));
    Ok(Frontier::of(size, hashes.collect::<Result<_, _>>().map_err(TreeError::Source)?))
}

/// The root when the tree had `size` leaves. Asks for the nodes of the frontier at `size` only.
///
/// # Errors
///
/// As [`frontier_at`].
pub fn root_at<N: Nodes>(size: u64, nodes: &N) -> Result<Hash, TreeError<N::Error>> {
    frontier_at(size, nodes).map(|frontier| frontier.root())
}

/// The proof that the leaf at `position` is in the tree of `size` leaves (RFC 6962, 2.1.1): hashes
/// from the leaf's sibling up.
///
/// # Errors
///
/// As [`frontier_at`], and `Beyond` unless `position < size`.
pub fn inclusion<N: Nodes>(position: u64, size: u64, nodes: &N) -> Result<Vec<Hash>, TreeError<N::Error>> {
    within("size", size, TREE_SIZE_MAX)?;
    if position >= size {
        return Err(TreeError::Beyond { what: "position", asked: position, limit: size });
    }
    let mut proof = Vec::new();
    let (mut from, mut to) = (0, size);
    while to - from > 1 {
        let middle = from + split(to - from);
        if position < middle {
            proof.push(range(middle, to, nodes)?);
            to = middle;
        } else {
            proof.push(range(from, middle, nodes)?);
            from = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The proof that the tree of `to` leaves begins with the tree of `from` leaves (RFC 6962, 2.1.2).
/// Empty from an empty tree and between equal sizes.
///
/// Of the earlier tree it asks for nodes of its [`Frontier`] only; every other node it asks for
/// lies wholly at or after leaf `from`. So whoever kept the frontier can prove what was appended
/// since without reading anything older.
///
/// # Errors
///
/// As [`frontier_at`], and `Beyond` unless `from <= to`.
pub fn consistency<N: Nodes>(from: u64, to: u64, nodes: &N) -> Result<Vec<Hash>, TreeError<N::Error>> {
    within("size", to, TREE_SIZE_MAX)?;
    within("earlier size", from, to)?;
    if from == 0 {
        return Ok(Vec::new());
    }
    let mut proof = Vec::new();
    let (mut start, mut end) = (0, to);
    // Down to the subtree that ends where the earlier tree ended: what is passed on the left are
    // subtrees of the earlier frontier, and so is the last.
    while from != end {
        let middle = start + split(end - start);
        if from <= middle {
            proof.push(range(middle, end, nodes)?);
            end = middle;
        } else {
            proof.push(range(start, middle, nodes)?);
            start = middle;
        }
    }
    // That subtree is the whole earlier tree when it starts at 0; its root is known then.
    if start > 0 {
        proof.push(range(start, end, nodes)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The RFC 6962 hash over the leaves `from..to`, at least one and aligned as in that tree: joined
/// from the complete subtrees of the range, the smallest first.
fn range<N: Nodes>(from: u64, to: u64, nodes: &N) -> Result<Hash, TreeError<N::Error>> {
    let (mut leaves, mut end) = (to - from, to);
    let mut root = None;
    while leaves > 0 {
        let level = leaves.trailing_zeros();
        leaves -= 1 << level;
        end -= 1 << level;
        let node = nodes.node(level, end >> level).map_err(TreeError::Source)?;
        root = Some(root.map_or(node, |right| node_hash(&node, &right)));
    }
    Ok(root.expect("the range has a leaf"))
}

/// That no more was asked for than there is.
pub(crate) fn within<E>(what: &'static str, asked: u64, limit: u64) -> Result<(), TreeError<E>> {
    if asked <= limit { Ok(()) } else { Err(TreeError::Beyond { what, asked, limit }) }
}

/// Where RFC 6962 splits `leaves`, of which there are two or more: the largest power of two below.
fn split(leaves: u64) -> u64 {
    leaves.next_power_of_two() / 2
}

/// How many nodes of level 8 and above the first `block` blocks of 256 leaves complete, and so the
/// number of the first that block `block` completes: `2 * block` less the bits set in `block`.
#[must_use]
pub fn stored_nodes_before(block: u64) -> u64 {
    // One a block, and one for each merge; the blocks not merged are the bits set.
    block.saturating_add(block - u64::from(block.count_ones()))
}

/// Which block completes node `index` of level `level`, and its place among the nodes that this
/// block completes: 0 for the block's own.
///
/// # Panics
///
/// For a level below 8, whose nodes are not stored, and beyond [`TREE_SIZE_MAX`].
#[must_use]
pub fn stored_node_place(level: u32, index: u64) -> (u64, u64) {
    let above = level.checked_sub(BLOCK_LEVEL).expect("only nodes of level 8 and above are stored");
    let ends = level < u64::BITS && index < TREE_SIZE_MAX >> level;
    assert!(ends, "node {index} of level {level} is in no tree");
    (((index + 1) << above) - 1, u64::from(above))
}

/// The number of a stored node, from 0: see [`stored_nodes_before`] and [`stored_node_place`].
///
/// # Panics
///
/// As [`stored_node_place`].
#[must_use]
pub fn stored_node_number(level: u32, index: u64) -> u64 {
    let (block, offset) = stored_node_place(level, index);
    stored_nodes_before(block) + offset
}

#[cfg(test)]
mod tests;
