//! The right edge of a tree while its leaves stream past: its root, and every tile above the leaves, in bounded memory.

use annals_tree::{Frontier, Hash};

/// Hashes in a tile.
const WIDTH: usize = 256;

/// Levels of the tree in one level of tiles.
const TILE_LEVELS: u32 = WIDTH.trailing_zeros();

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edge {
    frontier: Frontier,
    /// Per tile level from 1, the hashes of the tile that is not complete yet: fewer than 256 each.
    rows: Vec<Vec<Hash>>,
}

/// A tile above the leaves, complete or as far as the tree goes.
#[derive(Debug)]
pub(crate) struct UpperTile {
    pub(crate) level: u8,
    pub(crate) index: u64,
    pub(crate) hashes: Vec<Hash>,
}

impl Edge {
    pub(crate) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root over the leaves so far.
    pub(crate) fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Adds the next leaf; tells the tiles that it completes, lowest level first.
    pub(crate) fn push(&mut self, leaf: Hash) -> Vec<UpperTile> {
        let mut complete = Vec::new();
        let rows = &mut self.rows;
        self.frontier.push(leaf, &mut |level, index, hash| {
            if !level.is_multiple_of(TILE_LEVELS) {
                return;
            }
            let row = (level / TILE_LEVELS - 1) as usize;
            if rows.len() == row {
                rows.push(Vec::with_capacity(WIDTH));
            }
            rows[row].push(hash);
            if rows[row].len() == WIDTH {
                let hashes = std::mem::replace(&mut rows[row], Vec::with_capacity(WIDTH));
                complete.push(UpperTile { level: tile_level(row), index: index / WIDTH as u64, hashes });
            }
        });
        complete
    }

    /// Of each level the tile that is not complete, unless it is empty.
    pub(crate) fn partial(&self) -> impl Iterator<Item = UpperTile> {
        self.rows.iter().enumerate().filter(|(_, hashes)| !hashes.is_empty()).map(|(row, hashes)| {
            let level = tile_level(row);
            let index = self.size().checked_shr(TILE_LEVELS * (u32::from(level) + 1)).unwrap_or(0);
            UpperTile { level, index, hashes: hashes.clone() }
        })
    }
}

/// The level of the tiles in this row.
fn tile_level(row: usize) -> u8 {
    u8::try_from(row + 1).expect("2^48 leaves make 6 levels")
}

#[cfg(test)]
mod tests {
    use annals_tree::leaf_hash;
    use annals_tree::tile::{TileKind, hash_tiles};

    use super::*;

    #[test]
    fn every_tile_above_the_leaves_comes_by_once() {
        for size in [1_u64, 255, 256, 257, 65_536, 66_000] {
            let mut edge = Edge::default();
            let mut seen: Vec<(u8, u64, usize)> = Vec::new();
            let mut see = |tile: UpperTile| seen.push((tile.level, tile.index, tile.hashes.len()));
            for number in 0..size {
                edge.push(leaf_hash(&number.to_be_bytes())).into_iter().for_each(&mut see);
            }
            edge.partial().for_each(see);
            seen.sort_unstable();
            let expected: Vec<_> = hash_tiles(size)
                .filter_map(|tile| match tile.kind() {
                    TileKind::Hashes(0) | TileKind::Entries => None,
                    TileKind::Hashes(level) => Some((level, tile.index(), usize::from(tile.width()))),
                })
                .collect();
            assert_eq!(seen, expected, "size {size}");
        }
    }
}
