//! The tree a writer keeps of one log in memory: RFC 6962, append-only.
//!
//! Of a complete block of 256 leaves its root and a [`BlockPart`] are kept, and of everything above
//! the blocks all complete nodes: 2.4 bytes a leaf. The open block keeps its leaf hashes.
//!
//! Proofs need the leaves of one or two complete blocks again. Whoever asks computes them from the
//! stored events and hands them over as a [`LeafSource`]; they are compared before they are used,
//! so damaged storage gives an error in place of a proof that does not hold.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::RefCell;

pub use crate::block::{BLOCK_LEAVES, tag};
use crate::block::{BLOCK_LEVEL, BlockPart, node_in_block};
use crate::frontier::Frontier;
use crate::hash::Hash;
pub use crate::nodes::TreeError;
use crate::nodes::{self, Nodes, stored_node_number, within};

/// Gives back the leaf hashes of complete blocks.
pub trait LeafSource {
    /// Why leaves cannot be given.
    type Error;

    /// The 256 leaf hashes of block `block`, which holds the positions from `block * 256`.
    ///
    /// Asked for complete blocks only, at most three times for a proof.
    ///
    /// # Errors
    ///
    /// When the stored events cannot be read; the proof then fails with
    /// [`TreeError::Source`].
    fn block(&self, block: u64) -> Result<Vec<Hash>, Self::Error>;
}

/// One log's tree.
///
/// ```
/// use annals_tree::{Hash, LeafSource, Tree, leaf_hash, proof::verify_inclusion};
///
/// /// Logs below 256 entries have no complete block to ask for.
/// struct NoBlocks;
/// impl LeafSource for NoBlocks {
///     type Error = &'static str;
///     fn block(&self, _: u64) -> Result<Vec<Hash>, Self::Error> {
///         Err("no block is complete")
///     }
/// }
///
/// let mut tree = Tree::new();
/// for entry in [b"first", b"other", b"third"] {
///     tree.push(leaf_hash(entry));
/// }
/// let proof = tree.inclusion(1, 3, &NoBlocks)?;
/// verify_inclusion(&leaf_hash(b"other"), 1, 3, &proof, &tree.root()).unwrap();
/// # Ok::<(), annals_tree::tree::TreeError<&'static str>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Tree {
    frontier: Frontier,
    /// The complete nodes from level 8 up, in the order of [`stored_node_number`].
    stored: Vec<Hash>,
    /// One for each complete block.
    #[expect(clippy::vec_box, reason = "growing must not copy, nor reserve twice, half a KiB a block")]
    blocks: Vec<Box<BlockPart>>,
    /// The leaves of the open block, fewer than 256.
    open: Vec<Hash>,
}

impl Tree {
    /// A tree without leaves.
    #[must_use]
    pub fn new() -> Tree {
        Tree::default()
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The right edge.
    #[must_use]
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
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
        self.open.push(leaf);
        if self.open.len() == BLOCK_LEAVES {
            self.blocks.push(Box::new(BlockPart::of(&self.open)));
            self.open.clear();
        }
    }

    /// The root over all leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// The root when the tree had `size` leaves.
    ///
    /// # Errors
    ///
    /// A [`TreeError`], `Beyond` when `size` is larger than the tree.
    pub fn root_at<S: LeafSource>(&self, size: u64, source: &S) -> Result<Hash, TreeError<S::Error>> {
        within("size", size, self.size())?;
        nodes::root_at(size, &self.nodes(source)).map_err(flatten)
    }

    /// The proof that the leaf at `position` is in the tree of `size` leaves: see
    /// [`nodes::inclusion`].
    ///
    /// # Errors
    ///
    /// A [`TreeError`], `Beyond` unless `position < size <= self.size()`.
    pub fn inclusion<S: LeafSource>(
        &self,
        position: u64,
        size: u64,
        source: &S,
    ) -> Result<Vec<Hash>, TreeError<S::Error>> {
        within("size", size, self.size())?;
        nodes::inclusion(position, size, &self.nodes(source)).map_err(flatten)
    }

    /// The proof that the tree of `to` leaves begins with the tree of `from` leaves: see
    /// [`nodes::consistency`].
    ///
    /// # Errors
    ///
    /// A [`TreeError`], `Beyond` unless `from <= to <= self.size()`.
    pub fn consistency<S: LeafSource>(
        &self,
        from: u64,
        to: u64,
        source: &S,
    ) -> Result<Vec<Hash>, TreeError<S::Error>> {
        within("size", to, self.size())?;
        nodes::consistency(from, to, &self.nodes(source)).map_err(flatten)
    }

    /// The nodes of this tree, for the length of one answer.
    pub(crate) fn nodes<'a, S: LeafSource>(
        &'a self,
        source: &'a S,
    ) -> impl Nodes<Error = TreeError<S::Error>> {
        TreeNodes { tree: self, source, blocks: RefCell::default() }
    }
}

impl Extend<Hash> for Tree {
    fn extend<I: IntoIterator<Item = Hash>>(&mut self, leaves: I) {
        leaves.into_iter().for_each(|leaf| self.push(leaf));
    }
}

/// What a node is made from, for the length of one answer: keeps the blocks it was given.
struct TreeNodes<'a, S> {
    tree: &'a Tree,
    source: &'a S,
    blocks: RefCell<Vec<(u64, Vec<Hash>)>>,
}

impl<S: LeafSource> Nodes for TreeNodes<'_, S> {
    type Error = TreeError<S::Error>;

    fn node(&self, level: u32, index: u64) -> Result<Hash, TreeError<S::Error>> {
        let complete = self.tree.size().checked_shr(level).unwrap_or(0);
        within("node", index.saturating_add(1), complete)?;
        if let Some(hash) = self.tree.frontier.node(level, index) {
            return Ok(hash);
        }
        if level >= BLOCK_LEVEL {
            let number = usize::try_from(stored_node_number(level, index)).expect("nodes are in memory");
            return Ok(self.tree.stored[number]);
        }
        let block = index >> (BLOCK_LEVEL - level);
        let known = usize::try_from(block).ok().and_then(|block| self.tree.blocks.get(block));
        let mut blocks = self.blocks.borrow_mut();
        let leaves = match known {
            Some(part) => self.leaves(block, part, &mut blocks)?,
            None => &self.tree.open,
        };
        Ok(node_in_block(level, index, leaves).expect("a complete node has its leaves"))
    }
}

impl<S: LeafSource> TreeNodes<'_, S> {
    /// The leaves of a complete block, computed again and compared.
    fn leaves<'b>(
        &self,
        block: u64,
        part: &BlockPart,
        blocks: &'b mut Vec<(u64, Vec<Hash>)>,
    ) -> Result<&'b [Hash], TreeError<S::Error>> {
        let known = blocks.iter().position(|(number, _)| *number == block);
        let known = match known {
            Some(known) => known,
            None => {
                let leaves = self.source.block(block).map_err(TreeError::Source)?;
                part.check(&leaves).map_err(|mismatch| TreeError::Damaged { block, mismatch })?;
                blocks.push((block, leaves));
                blocks.len() - 1
            }
        };
        Ok(&blocks[known].1)
    }
}

/// An error of an answer, of which [`TreeNodes`] gave the cause.
pub(crate) fn flatten<E>(error: TreeError<TreeError<E>>) -> TreeError<E> {
    match error {
        TreeError::Beyond { what, asked, limit } => TreeError::Beyond { what, asked, limit },
        TreeError::Damaged { block, mismatch } => TreeError::Damaged { block, mismatch },
        TreeError::Source(cause) => cause,
    }
}

#[cfg(test)]
mod tests;
