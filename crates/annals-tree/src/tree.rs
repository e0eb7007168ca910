//! The tree a writer keeps of one log: RFC 6962, append-only, small in memory.
//!
//! Leaves are grouped in blocks of 256. Of a complete block only this is kept:
//!
//! ```text
//! root of the block                       32 bytes
//! tag of each leaf: its first two bytes  512 bytes
//! XOR of the 256 leaf hashes              32 bytes
//! ```
//!
//! and of everything above the blocks all complete nodes, which is one more hash a block. The open
//! block keeps its leaf hashes. An event so costs 2.4 bytes; a log of a few events costs its leaves.
//!
//! Proofs need the leaves of one or two complete blocks again. The ledger recomputes them from what
//! it stores and hands them over as a [`LeafSource`]; they are compared with tags and XOR before
//! they are used, so damaged storage gives an error in place of a proof that does not hold. If one
//! leaf of a block cannot be recomputed, [`BlockState::restore_leaf`] gives it back from its 255
//! neighbours.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::frontier::TREE_SIZE_MAX;
use crate::hash::{HASH_BYTES, Hash, empty_root, node_hash};

/// Leaves in a block, and hashes in a tile.
pub const BLOCK_LEAVES: usize = 256;

/// Level of a block's root, counted from the leaves.
pub const BLOCK_LEVEL: u32 = BLOCK_LEAVES.trailing_zeros();

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
    /// The source gave leaves other than those that were appended.
    #[error("tree: block {block} is damaged: {mismatch}")]
    Damaged {
        /// The block.
        block: u64,
        /// How its leaves differ.
        mismatch: Mismatch,
    },
    /// The source failed.
    #[error("tree: the leaves of a block cannot be read")]
    Source(#[source] E),
}

/// The leaves of a block are not those it was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// Not 256 leaves.
    #[error("{0} leaves instead of {BLOCK_LEAVES}")]
    Count(usize),
    /// The first leaf whose tag differs.
    #[error("leaf {index} differs")]
    Leaf {
        /// Its index in the block, 0 to 255.
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
            Mismatch::Count(_) | Mismatch::Unknown => None,
        }
    }
}

/// The tag of a leaf: the first two bytes of its hash, big-endian.
#[must_use]
pub fn tag(leaf: &Hash) -> u16 {
    let [high, low, ..] = leaf.0;
    u16::from_be_bytes([high, low])
}

/// What is kept of a complete block besides its root.
///
/// Stored as 544 bytes: the 256 tags big-endian in order, then the XOR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockState {
    /// The [`tag`] of each leaf.
    pub tags: [u16; BLOCK_LEAVES],
    /// All leaf hashes, XORed.
    pub xor: Hash,
}

impl BlockState {
    /// Bytes of the stored form.
    pub const BYTES: usize = 2 * BLOCK_LEAVES + HASH_BYTES;

    /// The state of a block with these leaves.
    #[must_use]
    pub fn of(leaves: &[Hash; BLOCK_LEAVES]) -> BlockState {
        BlockState { tags: leaves.each_ref().map(tag), xor: xor_of(leaves) }
    }

    /// Checks that `leaves` are the leaves of this block, which has this root.
    ///
    /// # Errors
    ///
    /// A [`Mismatch`], which names the first wrong leaf where its tag shows it.
    pub fn check(&self, root: &Hash, leaves: &[Hash]) -> Result<(), Mismatch> {
        self.compare(leaves)?;
        if subtree_root(leaves) == *root { Ok(()) } else { Err(Mismatch::Unknown) }
    }

    /// As [`BlockState::check`] without hashing: finds every accident, but not every attack.
    fn compare(&self, leaves: &[Hash]) -> Result<(), Mismatch> {
        let leaves: &[Hash; BLOCK_LEAVES] = leaves.try_into().map_err(|_| Mismatch::Count(leaves.len()))?;
        if let Some(index) = leaves.iter().zip(self.tags).position(|(leaf, expected)| tag(leaf) != expected) {
            return Err(Mismatch::Leaf { index });
        }
        if xor_of(leaves) == self.xor { Ok(()) } else { Err(Mismatch::Unknown) }
    }

    /// The hash of leaf `index` from the 255 others; whatever stands at `index` is not looked at.
    ///
    /// The result is right when all others are: put it in place and [`BlockState::check`].
    #[must_use]
    pub fn restore_leaf(&self, index: usize, leaves: &[Hash; BLOCK_LEAVES]) -> Hash {
        let mut leaf = self.xor;
        for (other, hash) in leaves.iter().enumerate() {
            if other != index {
                leaf.xor_in_place(hash);
            }
        }
        leaf
    }

    /// The stored form.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; BlockState::BYTES] {
        let mut bytes = [0; BlockState::BYTES];
        let (tags, xor) = bytes.split_at_mut(2 * BLOCK_LEAVES);
        for (stored, tag) in tags.as_chunks_mut::<2>().0.iter_mut().zip(self.tags) {
            *stored = tag.to_be_bytes();
        }
        xor.copy_from_slice(&self.xor.0);
        bytes
    }

    /// Reads the stored form. Every 544 bytes are some block's state.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; BlockState::BYTES]) -> BlockState {
        let (tags, xor) = bytes.split_at(2 * BLOCK_LEAVES);
        let mut state = BlockState { tags: [0; BLOCK_LEAVES], xor: Hash::default() };
        for (tag, stored) in state.tags.iter_mut().zip(tags.as_chunks().0) {
            *tag = u16::from_be_bytes(*stored);
        }
        state.xor.0.copy_from_slice(xor);
        state
    }
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
    /// The complete nodes from level 8 up: `upper[0]` are the roots of the blocks.
    upper: Vec<Vec<Hash>>,
    /// One for each complete block.
    #[expect(clippy::vec_box, reason = "growing must not copy, nor reserve twice, half a KiB a block")]
    blocks: Vec<Box<BlockState>>,
    /// The leaves of the open block, fewer than 256.
    open: Vec<Hash>,
    /// The roots of the complete subtrees of the open block, largest first.
    peaks: Vec<Hash>,
}

impl Tree {
    /// A tree without leaves.
    #[must_use]
    pub fn new() -> Tree {
        Tree::default()
    }

    /// A tree from what was stored of it: root and state of each complete block in order, and the
    /// leaves of the open block.
    ///
    /// # Panics
    ///
    /// When `open` holds a complete block.
    #[must_use]
    pub fn restore(blocks: impl IntoIterator<Item = (Hash, BlockState)>, open: &[Hash]) -> Tree {
        assert!(open.len() < BLOCK_LEAVES, "an open block has fewer than {BLOCK_LEAVES} leaves");
        let mut tree = Tree::new();
        for (root, state) in blocks {
            tree.push_block(root, state);
        }
        tree.extend(open.iter().copied());
        tree
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        (self.blocks.len() * BLOCK_LEAVES + self.open.len()) as u64
    }

    /// Number of complete blocks.
    #[must_use]
    pub fn block_count(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// Root and state of a complete block, or `None` when it is open or not there.
    #[must_use]
    pub fn block(&self, block: u64) -> Option<(&Hash, &BlockState)> {
        let block = usize::try_from(block).ok()?;
        Some((self.upper.first()?.get(block)?, self.blocks.get(block)?))
    }

    /// The leaves of the open block; the first has position `block_count() * 256`.
    #[must_use]
    pub fn open_leaves(&self) -> &[Hash] {
        &self.open
    }

    /// Appends one leaf.
    ///
    /// # Panics
    ///
    /// At [`TREE_SIZE_MAX`] leaves.
    pub fn push(&mut self, leaf: Hash) {
        self.open.push(leaf);
        let mut node = leaf;
        // As many peaks merge as the size has trailing zeros.
        for _ in 0..self.open.len().trailing_zeros() {
            let left = self.peaks.pop().expect("a peak for each bit of the size before");
            node = node_hash(&left, &node);
        }
        if self.open.len() < BLOCK_LEAVES {
            self.peaks.push(node);
            return;
        }
        let leaves: &[Hash; BLOCK_LEAVES] = self.open[..].try_into().expect("just counted");
        let state = BlockState::of(leaves);
        self.open.clear();
        self.push_block(node, state);
    }

    /// The root over all leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut upper_peaks = Vec::new();
        for nodes in &self.upper {
            if nodes.len() % 2 == 1 {
                upper_peaks.extend(nodes.last());
            }
        }
        // Smallest first: the open block's peaks backwards, then the levels upwards.
        fold_peaks(self.peaks.iter().rev().chain(&upper_peaks)).unwrap_or_else(empty_root)
    }

    /// The root when the tree had `size` leaves.
    ///
    /// # Errors
    ///
    /// A [`TreeError`], `Beyond` when `size` is larger than the tree.
    pub fn root_at<S: LeafSource>(&self, size: u64, source: &S) -> Result<Hash, TreeError<S::Error>> {
        within("size", size, self.size())?;
        if size == self.size() {
            return Ok(self.root());
        }
        if size == 0 {
            return Ok(empty_root());
        }
        Reader::new(self, source).range(0, size)
    }

    /// The proof that the leaf at `position` is in the tree of `size` leaves (RFC 6962, 2.1.1):
    /// hashes from the leaf's sibling up.
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
        if position >= size {
            return Err(TreeError::Beyond { what: "position", asked: position, limit: size });
        }
        let mut reader = Reader::new(self, source);
        let mut proof = Vec::new();
        let (mut from, mut to) = (0, size);
        while to - from > 1 {
            let middle = from + split(to - from);
            if position < middle {
                proof.push(reader.range(middle, to)?);
                to = middle;
            } else {
                proof.push(reader.range(from, middle)?);
                from = middle;
            }
        }
        proof.reverse();
        Ok(proof)
    }

    /// The proof that the tree of `to` leaves begins with the tree of `from` leaves
    /// (RFC 6962, 2.1.2). Empty from an empty tree and between equal sizes.
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
        within("earlier size", from, to)?;
        if from == 0 {
            return Ok(Vec::new());
        }
        let mut reader = Reader::new(self, source);
        let mut proof = Vec::new();
        let (mut start, mut end) = (0, to);
        // Down to the subtree that ends where the earlier tree ended.
        while from != end {
            let middle = start + split(end - start);
            if from <= middle {
                proof.push(reader.range(middle, end)?);
                end = middle;
            } else {
                proof.push(reader.range(start, middle)?);
                start = middle;
            }
        }
        // That subtree is the whole earlier tree when it starts at 0; its root is known then.
        if start > 0 {
            proof.push(reader.range(start, end)?);
        }
        proof.reverse();
        Ok(proof)
    }

    /// `width` hashes of level `8 * level`, from index `index * 256`: the content of a tile.
    pub(crate) fn tile_hashes<S: LeafSource>(
        &self,
        level: u8,
        index: u64,
        width: u16,
        source: &S,
    ) -> Result<Vec<Hash>, TreeError<S::Error>> {
        let shift = BLOCK_LEVEL * u32::from(level);
        let available = self.size().checked_shr(shift).unwrap_or(0);
        let end = index.saturating_mul(BLOCK_LEAVES as u64).saturating_add(u64::from(width));
        within("tile end", end, available)?;
        if level == 0 {
            let mut leaves = Reader::new(self, source).leaves(index)?.to_vec();
            leaves.truncate(usize::from(width));
            return Ok(leaves);
        }
        let nodes = &self.upper[(shift - BLOCK_LEVEL) as usize];
        let end = usize::try_from(end).expect("nodes are in memory");
        Ok(nodes[end - usize::from(width)..end].to_vec())
    }

    /// Position of the open block's first leaf.
    fn open_from(&self) -> u64 {
        self.block_count() * BLOCK_LEAVES as u64
    }

    fn push_block(&mut self, root: Hash, state: BlockState) {
        assert!(self.open.len().is_multiple_of(BLOCK_LEAVES), "blocks follow blocks");
        assert!(self.block_count() < TREE_SIZE_MAX / BLOCK_LEAVES as u64, "a tree has an end");
        self.blocks.push(Box::new(state));
        let mut node = root;
        for level in 0.. {
            if self.upper.len() == level {
                self.upper.push(Vec::new());
            }
            let nodes = &mut self.upper[level];
            nodes.push(node);
            let [.., left, right] = nodes[..] else { break };
            if nodes.len() % 2 == 1 {
                break;
            }
            node = node_hash(&left, &right);
        }
    }
}

impl Extend<Hash> for Tree {
    fn extend<I: IntoIterator<Item = Hash>>(&mut self, leaves: I) {
        leaves.into_iter().for_each(|leaf| self.push(leaf));
    }
}

/// Hashes of any range, for the length of one answer: keeps the blocks it was given.
struct Reader<'a, S> {
    tree: &'a Tree,
    source: &'a S,
    blocks: Vec<(u64, Vec<Hash>)>,
}

impl<'a, S: LeafSource> Reader<'a, S> {
    fn new(tree: &'a Tree, source: &'a S) -> Reader<'a, S> {
        Reader { tree, source, blocks: Vec::new() }
    }

    /// The RFC 6962 hash over the leaves `from..to`; at least one, and aligned as in that tree.
    fn range(&mut self, from: u64, to: u64) -> Result<Hash, TreeError<S::Error>> {
        let leaves = to - from;
        let level = leaves.trailing_zeros();
        if leaves.is_power_of_two() && level >= BLOCK_LEVEL {
            let index = usize::try_from(from >> level).expect("nodes are in memory");
            return Ok(self.tree.upper[(level - BLOCK_LEVEL) as usize][index]);
        }
        if to == self.tree.size() && from == self.tree.open_from() {
            return Ok(fold_peaks(self.tree.peaks.iter().rev()).expect("the range has a leaf"));
        }
        if leaves <= BLOCK_LEAVES as u64 {
            let start = from % BLOCK_LEAVES as u64;
            let block = self.leaves(from / BLOCK_LEAVES as u64)?;
            return Ok(subtree_root(&block[index(start)..index(start + leaves)]));
        }
        let middle = from + split(leaves);
        let left = self.range(from, middle)?;
        let right = self.range(middle, to)?;
        Ok(node_hash(&left, &right))
    }

    /// The leaves of a block: the open one's, or recomputed and compared.
    fn leaves(&mut self, block: u64) -> Result<&[Hash], TreeError<S::Error>> {
        let Some((_, state)) = self.tree.block(block) else {
            return Ok(&self.tree.open);
        };
        let known = self.blocks.iter().position(|(number, _)| *number == block);
        let known = match known {
            Some(known) => known,
            None => {
                let leaves = self.source.block(block).map_err(TreeError::Source)?;
                state.compare(&leaves).map_err(|mismatch| TreeError::Damaged { block, mismatch })?;
                self.blocks.push((block, leaves));
                self.blocks.len() - 1
            }
        };
        Ok(&self.blocks[known].1)
    }
}

fn xor_of(leaves: &[Hash]) -> Hash {
    let mut xor = Hash::default();
    leaves.iter().for_each(|leaf| xor.xor_in_place(leaf));
    xor
}

pub(crate) fn within<E>(what: &'static str, asked: u64, limit: u64) -> Result<(), TreeError<E>> {
    if asked <= limit { Ok(()) } else { Err(TreeError::Beyond { what, asked, limit }) }
}

/// A place within a block.
fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("at most the leaves of a block")
}

/// The root over complete subtrees, smallest first; `None` without any.
fn fold_peaks<'a>(mut peaks: impl Iterator<Item = &'a Hash>) -> Option<Hash> {
    let smallest = peaks.next()?;
    Some(peaks.fold(*smallest, |right, left| node_hash(left, &right)))
}

/// Where RFC 6962 splits `leaves`, of which there are two or more: the largest power of two below.
pub(crate) fn split(leaves: u64) -> u64 {
    leaves.next_power_of_two() / 2
}

/// The RFC 6962 root over 1 to 256 leaves.
fn subtree_root(leaves: &[Hash]) -> Hash {
    let mut nodes = [Hash::default(); BLOCK_LEAVES / 2];
    let mut width = leaves.len();
    if let [only] = leaves {
        return *only;
    }
    // Pairing from the left and carrying an odd last node up gives the same tree as splitting.
    let pair = |pair: &[Hash]| match pair {
        [left, right] => node_hash(left, right),
        _ => pair[0],
    };
    for (node, children) in nodes.iter_mut().zip(leaves.chunks(2)) {
        *node = pair(children);
    }
    width = width.div_ceil(2);
    while width > 1 {
        for place in 0..width / 2 {
            nodes[place] = node_hash(&nodes[2 * place], &nodes[2 * place + 1]);
        }
        if width % 2 == 1 {
            nodes[width / 2] = nodes[width - 1];
        }
        width = width.div_ceil(2);
    }
    nodes[0]
}

#[cfg(test)]
mod tests;
