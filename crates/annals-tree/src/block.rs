//! Blocks of 256 leaves: what is kept so that leaves made anew can be trusted.
//!
//! Leaves are not stored: they are computed again from the stored events. A proof made from wrong
//! leaves would not hold, so they are compared with this first:
//!
//! ```text
//! tag of each leaf: its first two bytes     2 bytes a leaf
//! XOR of the leaf hashes                   32 bytes a part
//! root of the block                        32 bytes a block
//! ```
//!
//! A block may be written in several parts, each with the XOR of its own leaves; joined they are
//! the whole block's. The tag names the position that does not match, and the XOR gives its leaf
//! back, so that its neighbours stay provable.

use alloc::vec::Vec;

use crate::hash::{Hash, node_hash};

/// Leaves in a block, and hashes in a tile.
pub const BLOCK_LEAVES: usize = 256;

/// Level of a block's root, counted from the leaves.
pub const BLOCK_LEVEL: u32 = BLOCK_LEAVES.trailing_zeros();

/// The tag of a leaf: the first two bytes of its hash, big-endian.
#[must_use]
pub fn tag(leaf: &Hash) -> u16 {
    let [high, low, ..] = leaf.0;
    u16::from_be_bytes([high, low])
}

/// Leaves are not those that were appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// Too few leaves, or too many.
    #[error("{found} leaves instead of {expected}")]
    Count {
        /// Leaves found.
        found: usize,
        /// Leaves that there were.
        expected: usize,
    },
    /// The first leaf whose tag differs.
    #[error("leaf {index} differs")]
    Leaf {
        /// Its index in the part, 0 to 255.
        index: usize,
    },
    /// Some leaf differs, but none in its tag: one wrong leaf in 65,536 looks like this.
    #[error("some leaf differs")]
    Unknown,
}

impl Mismatch {
    /// The index of the first leaf whose tag differs, when it is known.
    #[must_use]
    pub fn index(&self) -> Option<usize> {
        match self {
            Mismatch::Leaf { index } => Some(*index),
            Mismatch::Count { .. } | Mismatch::Unknown => None,
        }
    }
}

/// What is kept of leaves that follow one another in a block: some of them or all.
///
/// ```
/// use annals_tree::{block::BlockPart, leaf_hash};
///
/// let leaves = [b"first", b"other", b"third"].map(|entry| leaf_hash(entry));
/// let mut part = BlockPart::of(&leaves[..1]);
/// part.join(&BlockPart::of(&leaves[1..]));
/// assert_eq!(part, BlockPart::of(&leaves));
///
/// let mut damaged = leaves;
/// damaged[1] = leaf_hash(b"forged");
/// assert_eq!(part.check(&damaged).unwrap_err().index(), Some(1));
/// assert_eq!(part.restore_leaf(1, &damaged), leaves[1]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockPart {
    tags: Vec<u16>,
    xor: Hash,
}

impl BlockPart {
    /// The part that these leaves make.
    #[must_use]
    pub fn of(leaves: &[Hash]) -> BlockPart {
        BlockPart { tags: leaves.iter().map(tag).collect(), xor: xor_of(leaves) }
    }

    /// The part with these tags, in order, and this XOR, as they were stored.
    #[must_use]
    pub fn from_stored(tags: Vec<u16>, xor: Hash) -> BlockPart {
        BlockPart { tags, xor }
    }

    /// Number of leaves.
    #[must_use]
    pub fn count(&self) -> usize {
        self.tags.len()
    }

    /// The [`tag`] of each leaf.
    #[must_use]
    pub fn tags(&self) -> &[u16] {
        &self.tags
    }

    /// All leaf hashes, XORed; zero without leaves.
    #[must_use]
    pub fn xor(&self) -> &Hash {
        &self.xor
    }

    /// Adds the leaf that follows.
    pub fn push(&mut self, leaf: &Hash) {
        self.tags.push(tag(leaf));
        self.xor.xor_in_place(leaf);
    }

    /// Adds the part that follows.
    pub fn join(&mut self, next: &BlockPart) {
        self.tags.extend_from_slice(&next.tags);
        self.xor.xor_in_place(&next.xor);
    }

    /// Checks that `leaves` are the leaves of this part. Finds every accident, but not every
    /// attack: for that compare with a root, as [`BlockPart::check_root`] does.
    ///
    /// # Errors
    ///
    /// A [`Mismatch`], which names the first wrong leaf where its tag shows it.
    pub fn check(&self, leaves: &[Hash]) -> Result<(), Mismatch> {
        if leaves.len() != self.tags.len() {
            return Err(Mismatch::Count { found: leaves.len(), expected: self.tags.len() });
        }
        if let Some(index) = leaves.iter().zip(&self.tags).position(|(leaf, expected)| tag(leaf) != *expected)
        {
            return Err(Mismatch::Leaf { index });
        }
        if xor_of(leaves) == self.xor { Ok(()) } else { Err(Mismatch::Unknown) }
    }

    /// As [`BlockPart::check`], of a whole block with this root.
    ///
    /// # Errors
    ///
    /// A [`Mismatch`]; `Count` when there are not 256 leaves.
    pub fn check_root(&self, leaves: &[Hash], root: &Hash) -> Result<(), Mismatch> {
        self.check(leaves)?;
        if leaves.len() != BLOCK_LEAVES {
            return Err(Mismatch::Count { found: leaves.len(), expected: BLOCK_LEAVES });
        }
        if subtree_root(leaves) == *root { Ok(()) } else { Err(Mismatch::Unknown) }
    }

    /// The hash of leaf `index` from the others; whatever stands at `index` is not looked at.
    ///
    /// The result is right when all others are: put it in place and [`BlockPart::check`].
    #[must_use]
    pub fn restore_leaf(&self, index: usize, leaves: &[Hash]) -> Hash {
        let mut leaf = self.xor;
        for (other, hash) in leaves.iter().enumerate() {
            if other != index {
                leaf.xor_in_place(hash);
            }
        }
        leaf
    }
}

/// The hash of node `index` of level `level`, at most 8, given the leaves from the start of the
/// block it is in; `None` when they do not reach to its end.
#[must_use]
pub fn node_in_block(level: u32, index: u64, leaves: &[Hash]) -> Option<Hash> {
    let width = 1_usize.checked_shl(level).filter(|width| *width <= BLOCK_LEAVES)?;
    let nodes = BLOCK_LEAVES / width;
    let start = width * usize::try_from(index % nodes as u64).expect("below the nodes of a block");
    leaves.get(start..start + width).map(subtree_root)
}

/// The root over a power of two of leaves, at most 256 of them.
///
/// # Panics
///
/// With another number of leaves.
#[must_use]
pub fn subtree_root(leaves: &[Hash]) -> Hash {
    let mut row = [Hash::default(); BLOCK_LEAVES / 2];
    let mut width = leaves.len();
    assert!(width.is_power_of_two() && width <= BLOCK_LEAVES, "{width} leaves are no subtree");
    if let [only] = leaves {
        return *only;
    }
    for (node, pair) in row.iter_mut().zip(leaves.as_chunks::<2>().0) {
        let [left, right] = pair;
        *node = node_hash(left, right);
    }
    width /= 2;
    while width > 1 {
        width /= 2;
        for place in 0..width {
            row[place] = node_hash(&row[2 * place], &row[2 * place + 1]);
        }
    }
    row[0]
}

fn xor_of(leaves: &[Hash]) -> Hash {
    let mut xor = Hash::default();
    leaves.iter().for_each(|leaf| xor.xor_in_place(leaf));
    xor
}

#[cfg(test)]
mod tests;
