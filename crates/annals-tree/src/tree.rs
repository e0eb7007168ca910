//! A whole tree in memory, leaves and all: for small logs, for tests, and to compare with.

use alloc::vec::Vec;

pub use crate::block::{BLOCK_LEAVES, tag};
use crate::block::{BLOCK_LEVEL, node_in_block};
use crate::frontier::Frontier;
use crate::hash::Hash;
pub use crate::nodes::TreeError;
use crate::nodes::{Nodes, stored_node_number};

/// The tree does not have this node, or not all of its leaves yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("tree: node {index} of level {level} is not complete")]
pub struct NodeMissing {
    /// The node's level.
    pub level: u32,
    /// Its index on that level.
    pub index: u64,
}

/// One log's leaves and the nodes above them. Takes 32 bytes and a little a leaf.
///
/// ```
/// use annals_tree::{Tree, inclusion, leaf_hash, proof::verify_inclusion};
///
/// let mut tree = Tree::new();
/// tree.extend([b"first", b"other", b"third"].map(|entry| leaf_hash(entry)));
/// let proof = inclusion(1, 3, &tree)?;
/// verify_inclusion(&leaf_hash(b"other"), 1, 3, &proof, &tree.root()).unwrap();
/// # Ok::<(), annals_tree::nodes::TreeError<annals_tree::tree::NodeMissing>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Tree {
    frontier: Frontier,
    leaves: Vec<Hash>,
    /// The complete nodes from level 8 up, in the order of [`stored_node_number`].
    stored: Vec<Hash>,
}

impl Tree {
    /// A tree without leaves.
    #[must_use]
    pub fn new() -> Tree {
        Tree::default()
    }

    /// Appends one leaf.
    ///
    /// # Panics
    ///
    /// At [`TREE_SIZE_MAX`](crate::frontier::TREE_SIZE_MAX) leaves.
    pub fn push(&mut self, leaf: Hash) {
        let stored = &mut self.stored;
        self.frontier.push(leaf, &mut |level, _, hash| {
            if level >= BLOCK_LEVEL {
                stored.push(hash);
            }
        });
        self.leaves.push(leaf);
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root over all leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// The right edge.
    #[must_use]
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// All leaves, in order.
    #[must_use]
    pub fn leaves(&self) -> &[Hash] {
        &self.leaves
    }
}

impl Extend<Hash> for Tree {
    fn extend<I: IntoIterator<Item = Hash>>(&mut self, leaves: I) {
        leaves.into_iter().for_each(|leaf| self.push(leaf));
    }
}

impl Nodes for Tree {
    type Error = NodeMissing;

    fn node(&self, level: u32, index: u64) -> Result<Hash, NodeMissing> {
        let missing = NodeMissing { level, index };
        if index >= self.size().checked_shr(level).unwrap_or(0) {
            return Err(missing);
        }
        if level >= BLOCK_LEVEL {
            let number = usize::try_from(stored_node_number(level, index));
            return number.ok().and_then(|number| self.stored.get(number)).copied().ok_or(missing);
        }
        let block = usize::try_from(index >> (BLOCK_LEVEL - level)).map_err(|_| missing)?;
        node_in_block(level, index, &self.leaves[block * BLOCK_LEAVES..]).ok_or(missing)
    }
}

#[cfg(test)]
mod tests;
