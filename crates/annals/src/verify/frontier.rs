//! The right edge of an RFC 6962 tree while its leaves stream past: enough for every tile and for the root.

use annals_tree::hash::empty_root;
use annals_tree::{Hash, node_hash};

/// Hashes in a tile.
const WIDTH: usize = 256;

/// Per tile level, the hashes of the tile that is not complete yet: fewer than 256 each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frontier {
    levels: Vec<Vec<Hash>>,
    size: u64,
}

/// A tile that a push has completed.
#[derive(Debug)]
pub(crate) struct CompleteTile {
    pub(crate) level: u8,
    pub(crate) index: u64,
    pub(crate) hashes: Vec<Hash>,
}

impl Frontier {
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Adds the next leaf; tells the tiles that it completes, lowest level first.
    pub(crate) fn push(&mut self, leaf: Hash) -> Vec<CompleteTile> {
        self.size += 1;
        let mut complete = Vec::new();
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::with_capacity(WIDTH));
            }
            self.levels[level].push(hash);
            if self.levels[level].len() < WIDTH {
                break;
            }
            let hashes = std::mem::replace(&mut self.levels[level], Vec::with_capacity(WIDTH));
            hash = perfect_root(&hashes);
            let level = u8::try_from(level).expect("2^64 leaves make 8 levels");
            let index = (self.size >> (8 * (u32::from(level) + 1))) - 1;
            complete.push(CompleteTile { level, index, hashes });
        }
        complete
    }

    /// The hashes of each level's tile that is not complete: level, index, hashes. Empty ones are left out.
    pub(crate) fn partial(&self) -> impl Iterator<Item = (u8, u64, &[Hash])> {
        (0_u8..).zip(&self.levels).filter(|(_, hashes)| !hashes.is_empty()).map(|(level, hashes)| {
            (level, self.size.checked_shr(8 * (u32::from(level) + 1)).unwrap_or(0), hashes.as_slice())
        })
    }

    /// The root over the leaves so far.
    pub(crate) fn root(&self) -> Hash {
        // The tree is a row of perfect subtrees, largest first; the root joins them from the right.
        let mut root = None;
        for hashes in &self.levels {
            let mut end = hashes.len();
            while end > 0 {
                let width = 1 << end.trailing_zeros();
                let peak = perfect_root(&hashes[end - width..end]);
                root = Some(root.map_or(peak, |right| node_hash(&peak, &right)));
                end -= width;
            }
        }
        root.unwrap_or_else(empty_root)
    }
}

/// The root over a power of two of hashes.
fn perfect_root(hashes: &[Hash]) -> Hash {
    debug_assert!(hashes.len().is_power_of_two(), "{} hashes are no perfect subtree", hashes.len());
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
    }
    row[0]
}

#[cfg(test)]
mod tests {
    use annals_tree::tile::hash_tiles;
    use annals_tree::{Tree, leaf_hash};

    use super::*;

    #[test]
    fn roots_agree_with_the_writers_tree_at_every_size() {
        let (mut frontier, mut tree) = (Frontier::default(), Tree::new());
        assert_eq!(frontier.root(), tree.root());
        for number in 0..70_000_u64 {
            let leaf = leaf_hash(&number.to_be_bytes());
            tree.push(leaf);
            frontier.push(leaf);
            if number < 1500 || number % 251 == 0 || number >= 65_500 {
                assert_eq!(frontier.root(), tree.root(), "at {} leaves", number + 1);
            }
        }
    }

    #[test]
    fn every_tile_of_the_tree_comes_by_once() {
        for size in [1_u64, 255, 256, 257, 65_536, 66_000] {
            let mut frontier = Frontier::default();
            let mut seen: Vec<(u8, u64, usize)> = Vec::new();
            for number in 0..size {
                let complete = frontier.push(leaf_hash(&number.to_be_bytes()));
                seen.extend(complete.iter().map(|tile| (tile.level, tile.index, tile.hashes.len())));
            }
            seen.extend(frontier.partial().map(|(level, index, hashes)| (level, index, hashes.len())));
            seen.sort_unstable();
            let expected: Vec<_> = hash_tiles(size)
                .map(|tile| match tile.kind() {
                    annals_tree::tile::TileKind::Hashes(level) => {
                        (level, tile.index(), usize::from(tile.width()))
                    }
                    annals_tree::tile::TileKind::Entries => unreachable!("hash_tiles gives hash tiles"),
                })
                .collect();
            assert_eq!(seen, expected, "size {size}");
        }
    }
}
