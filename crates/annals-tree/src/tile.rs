//! C2SP `tlog-tiles`: the tree as files of 256 hashes, and entries in bundles of 256.
//!
//! ```text
//! tile/<level>/<index>[.p/<width>]     32 bytes a hash, of subtrees of 256^level leaves
//! tile/entries/<index>[.p/<width>]     u16 length and bytes of each entry
//! ```
//!
//! The index is written in groups of three digits, all but the last after an `x`
//! (`x001/x234/067`). A tile that is not yet full ends in its width, 1 to 255.

use alloc::format;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::block::{BLOCK_LEAVES, BLOCK_LEVEL};
use crate::frontier::TREE_SIZE_MAX;
use crate::hash::{HASH_BYTES, Hash};
use crate::nodes::{Nodes, TreeError, within};
use crate::proof::parse_decimal;

/// Hashes in a full tile and entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;

const _: () = assert!(TILE_WIDTH as usize == BLOCK_LEAVES);

/// Highest level of a tile whose place can be written down.
pub const LEVEL_MAX: u8 = 63;

/// What a tile holds.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes of this level: of leaves at 0, of full tiles of the level below from 1.
    Hashes(u8),
    /// The entries themselves.
    Entries,
}

/// A tile's place in a log and its width. Displays and parses as its path.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    kind: TileKind,
    index: u64,
    width: u16,
}

impl Tile {
    /// The tile at this place, or `None` when the level is above [`LEVEL_MAX`] or the width is not
    /// 1 to 256.
    #[must_use]
    pub fn new(kind: TileKind, index: u64, width: u16) -> Option<Tile> {
        let level = match kind {
            TileKind::Hashes(level) => level,
            TileKind::Entries => 0,
        };
        (level <= LEVEL_MAX && (1..=TILE_WIDTH).contains(&width)).then_some(Tile { kind, index, width })
    }

    /// What it holds.
    #[must_use]
    pub fn kind(&self) -> TileKind {
        self.kind
    }

    /// Its index among those of its kind.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Hashes or entries in it, 1 to 256.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Whether it can still grow.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.width < TILE_WIDTH
    }

    /// Position of the first entry in a bundle, or index of the first hash on its level.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.index.saturating_mul(u64::from(TILE_WIDTH))
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        let groups = self.index.checked_ilog(1000).unwrap_or(0);
        for group in (1..=groups).rev() {
            write!(f, "x{:03}/", self.index / 1000_u64.pow(group) % 1000)?;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.is_partial() { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// The path is not a tile's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("tile: must be `tile/<level>/<index>` or `tile/entries/<index>`, with `.p/<width>` if partial")]
pub struct ParseTileError;

impl FromStr for Tile {
    type Err = ParseTileError;

    /// Reads exactly what `Display` writes.
    fn from_str(path: &str) -> Result<Tile, ParseTileError> {
        parse_path(path).filter(|tile| same_text(tile, path)).ok_or(ParseTileError)
    }
}

fn parse_path(path: &str) -> Option<Tile> {
    let (kind, place) = path.strip_prefix("tile/")?.split_once('/')?;
    let kind = match kind {
        "entries" => TileKind::Entries,
        level => TileKind::Hashes(u8::try_from(parse_decimal(level)?).ok()?),
    };
    let (index, width) = match place.split_once(".p/") {
        Some((index, width)) => (index, u16::try_from(parse_decimal(width)?).ok()?),
        None => (place, TILE_WIDTH),
    };
    let mut number = 0_u64;
    for group in index.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        if digits.len() != 3 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        number = number.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    Tile::new(kind, number, width)
}

/// One path for each tile: leading zeros, a missing `x` or a full width written out are not read.
fn same_text(tile: &Tile, path: &str) -> bool {
    format!("{tile}") == path
}

/// All hash tiles of a tree of `size` leaves, level by level.
pub fn hash_tiles(size: u64) -> impl Iterator<Item = Tile> {
    let levels = (0..=LEVEL_MAX).map_while(move |level| {
        let hashes = size.checked_shr(8 * u32::from(level))?;
        (hashes > 0).then_some((level, hashes))
    });
    levels.flat_map(|(level, hashes)| tiles_of(TileKind::Hashes(level), hashes))
}

/// All entry bundles of a tree of `size` leaves.
pub fn bundles(size: u64) -> impl Iterator<Item = Tile> {
    tiles_of(TileKind::Entries, size)
}

fn tiles_of(kind: TileKind, count: u64) -> impl Iterator<Item = Tile> {
    let full = count / u64::from(TILE_WIDTH);
    let rest = u16::try_from(count % u64::from(TILE_WIDTH)).expect("below the width");
    let partial = (rest > 0).then_some(Tile { kind, index: full, width: rest });
    (0..full).map(move |index| Tile { kind, index, width: TILE_WIDTH }).chain(partial)
}

/// The content of a hash tile of a tree of `size` leaves. Partial tiles of earlier sizes can be had
/// for ever.
///
/// Asks for the tile's hashes as nodes of level `8 * level`, and for nothing else.
///
/// # Errors
///
/// [`TreeError::Source`], or `Beyond` when the tree does not have all of the tile, or the tile is
/// one of entries.
pub fn hash_tile<N: Nodes>(tile: &Tile, size: u64, nodes: &N) -> Result<Vec<u8>, TreeError<N::Error>> {
    within("size", size, TREE_SIZE_MAX)?;
    let TileKind::Hashes(level) = tile.kind else {
        return Err(TreeError::Beyond { what: "bundle", asked: tile.index, limit: 0 });
    };
    let level = BLOCK_LEVEL * u32::from(level);
    let end = tile.first().saturating_add(u64::from(tile.width));
    within("tile end", end, size.checked_shr(level).unwrap_or(0))?;
    let mut bytes = Vec::with_capacity(usize::from(tile.width) * HASH_BYTES);
    for index in tile.first()..end {
        bytes.extend_from_slice(&nodes.node(level, index).map_err(TreeError::Source)?.0);
    }
    Ok(bytes)
}

/// Why bytes are not the tile or bundle asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TileError {
    /// Not as many bytes as the width needs.
    #[error("tile: {0} bytes do not make the hashes asked for")]
    Length(usize),
    /// Not as many entries as the width.
    #[error("bundle: {entries} entries instead of {width}")]
    Count {
        /// Entries found.
        entries: usize,
        /// Entries asked for.
        width: u16,
    },
    /// An entry longer than its 16-bit length can say.
    #[error("bundle: an entry of {0} bytes, at most 65,535 fit")]
    EntryBytes(usize),
    /// The bytes end within an entry.
    #[error("bundle: entry {0} is cut short")]
    Cut(usize),
}

/// Takes the content of a hash tile apart.
///
/// # Errors
///
/// [`TileError::Length`] unless `bytes` are exactly `width` hashes.
pub fn decode_tile(bytes: &[u8], width: u16) -> Result<Vec<Hash>, TileError> {
    let (hashes, tail) = bytes.as_chunks::<HASH_BYTES>();
    if hashes.len() != usize::from(width) || !tail.is_empty() {
        return Err(TileError::Length(bytes.len()));
    }
    Ok(hashes.iter().copied().map(Hash).collect())
}

/// The content of an entry bundle.
///
/// # Errors
///
/// [`TileError::EntryBytes`].
pub fn encode_bundle<E: AsRef<[u8]>>(entries: impl IntoIterator<Item = E>) -> Result<Vec<u8>, TileError> {
    let mut bytes = Vec::new();
    for entry in entries {
        let entry = entry.as_ref();
        let length = u16::try_from(entry.len()).map_err(|_| TileError::EntryBytes(entry.len()))?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// Takes an entry bundle apart.
///
/// # Errors
///
/// [`TileError::Cut`], or [`TileError::Count`] unless there are exactly `width` entries.
pub fn decode_bundle(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, TileError> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, after) = after.split_at_checked(length).ok_or(TileError::Cut(entries.len()))?;
        entries.push(entry);
        rest = after;
    }
    if !rest.is_empty() {
        return Err(TileError::Cut(entries.len()));
    }
    if entries.len() != usize::from(width) {
        return Err(TileError::Count { entries: entries.len(), width });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
