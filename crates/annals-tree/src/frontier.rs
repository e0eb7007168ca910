//! The frontier of a log: all that appending to its tree takes, and nothing else.
//!
//! A tree of any size is a row of complete subtrees, one for each bit that is set in the size,
//! the largest first. Their hashes give the root, and a leaf merges as many of them as the size
//! has trailing ones.
//!
//! The stored form, version of whoever stores it, big-endian:
//!
//! ```text
//! u64  size, at most 2^48
//! 32B  hash of each maximal complete subtree, largest first: as many as the size has bits set
//! ```

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::hash::{HASH_BYTES, Hash, empty_root, node_hash};

/// Most leaves a tree may have.
///
/// Far above what fits on a disk, and low enough that no position or size overflows anywhere.
pub const TREE_SIZE_MAX: u64 = 1 << 48;

const SIZE_BYTES: usize = size_of::<u64>();

/// Bytes that are not a frontier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrontierError {
    /// More leaves than [`TREE_SIZE_MAX`].
    #[error("frontier: of {0} leaves, at most {TREE_SIZE_MAX} make a tree")]
    Size(u64),
    /// Not as many bytes as the size needs.
    #[error("frontier: {found} bytes instead of {expected}")]
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes of the size and of the hashes it calls for.
        expected: usize,
    },
}

/// The size of a log and the hashes of its maximal complete subtrees.
///
/// Takes 24 bytes and one allocation of exactly the hashes, as a ledger holds one for each of its
/// logs.
///
/// ```
/// use annals_tree::{Frontier, leaf_hash, node_hash};
///
/// let mut frontier = Frontier::new();
/// let mut completed = Vec::new();
/// for entry in [b"first", b"other", b"third"] {
///     frontier.push(leaf_hash(entry), &mut |level, index, _hash| completed.push((level, index)));
/// }
/// assert_eq!(completed, [(1, 0)]);
/// let pair = node_hash(&leaf_hash(b"first"), &leaf_hash(b"other"));
/// assert_eq!(frontier.node(1, 0), Some(pair));
/// assert_eq!(frontier.root(), node_hash(&pair, &leaf_hash(b"third")));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    nodes: Box<[Hash]>,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Frontier>() == 24);

impl Frontier {
    /// The frontier of a log without leaves.
    #[must_use]
    pub fn new() -> Frontier {
        Frontier::default()
    }

    /// The frontier at `size`, of which `nodes` are the hashes at [`places`].
    pub(crate) fn of(size: u64, nodes: Box<[Hash]>) -> Frontier {
        assert_eq!(nodes.len(), places(size).count(), "a node for each bit of the size");
        Frontier { size, nodes }
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root over all leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut smallest_first = self.nodes.iter().rev();
        let Some(smallest) = smallest_first.next() else { return empty_root() };
        smallest_first.fold(*smallest, |right, left| node_hash(left, &right))
    }

    /// The maximal complete subtrees, largest first: level, index on that level, hash.
    pub fn nodes(&self) -> impl Iterator<Item = (u32, u64, Hash)> {
        places(self.size).zip(&self.nodes).map(|((level, index), hash)| (level, index, *hash))
    }

    /// The hash of the complete subtree `index` of 2^`level` leaves, when it is one of the
    /// frontier's own.
    #[must_use]
    pub fn node(&self, level: u32, index: u64) -> Option<Hash> {
        let complete = self.size.checked_shr(level)?;
        // An even count has its last subtree merged into the level above.
        if complete % 2 == 0 || index != complete - 1 {
            return None;
        }
        let larger = usize::try_from(index.count_ones()).expect("at most 64");
        Some(self.nodes[larger])
    }

    /// Appends a leaf. Tells `completed` of each node of level 1 and above that is complete now
    /// and was not before, lowest first: level, index, hash.
    ///
    /// # Panics
    ///
    /// At [`TREE_SIZE_MAX`] leaves.
    pub fn push(&mut self, leaf: Hash, completed: &mut impl FnMut(u32, u64, Hash)) {
        self.push_node(0, leaf, completed);
    }

    /// Appends 2^`level` leaves at once, given the hash of the subtree that they are. Tells
    /// `completed` of this node, when its level is 1 or above, and of each that it completes.
    ///
    /// # Panics
    ///
    /// When the size is no multiple of 2^`level`, and beyond [`TREE_SIZE_MAX`].
    pub fn push_node(&mut self, level: u32, hash: Hash, completed: &mut impl FnMut(u32, u64, Hash)) {
        let leaves = 1_u64.checked_shl(level).filter(|leaves| *leaves <= TREE_SIZE_MAX - self.size);
        let leaves = leaves.expect("a tree has an end");
        assert!(self.size.is_multiple_of(leaves), "a subtree of level {level} cannot follow {}", self.size);

        let mut index = self.size >> level;
        let merged = index.trailing_ones();
        let mut nodes = core::mem::take(&mut self.nodes).into_vec();
        let mut node = hash;
        for level in level..=level + merged {
            if level > 0 {
                completed(level, index, node);
            }
            if index % 2 == 1 {
                let left = nodes.pop().expect("a node for each bit of the size before");
                node = node_hash(&left, &node);
                index /= 2;
            }
        }
        nodes.reserve_exact(1);
        nodes.push(node);
        self.nodes = nodes.into_boxed_slice();
        self.size += leaves;
    }

    /// The stored form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SIZE_BYTES + self.nodes.len() * HASH_BYTES);
        bytes.extend_from_slice(&self.size.to_be_bytes());
        self.nodes.iter().for_each(|node| bytes.extend_from_slice(&node.0));
        bytes
    }

    /// Reads the stored form. The hashes are what they are: compare the root with a signed one.
    ///
    /// # Errors
    ///
    /// A [`FrontierError`] unless `bytes` are what [`Frontier::to_bytes`] writes for some hashes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Frontier, FrontierError> {
        let wrong = |expected| FrontierError::Length { found: bytes.len(), expected };
        let (size, hashes) = bytes.split_first_chunk().ok_or(wrong(SIZE_BYTES))?;
        let size = u64::from_be_bytes(*size);
        if size > TREE_SIZE_MAX {
            return Err(FrontierError::Size(size));
        }
        let (hashes, rest) = hashes.as_chunks::<HASH_BYTES>();
        let expected = places(size).count();
        if hashes.len() != expected || !rest.is_empty() {
            return Err(wrong(SIZE_BYTES + expected * HASH_BYTES));
        }
        Ok(Frontier::of(size, hashes.iter().copied().map(Hash).collect()))
    }
}

/// Level and index of the maximal complete subtrees of a tree of `size` leaves, largest first.
pub(crate) fn places(size: u64) -> impl Iterator<Item = (u32, u64)> {
    let levels = (0..u64::BITS).rev().filter(move |level| size >> level & 1 == 1);
    levels.map(move |level| (level, (size >> level) - 1))
}

#[cfg(test)]
mod tests;
