//! A published tree against its checkpoint: every entry is hashed, every tile is recomputed from the level below it, and the
//! root must be the checkpoint's. The tree streams past; what is held are the tiles of its right edge.

use std::fmt;

use annals_tree::entry::{Entry, EntryKind};
use annals_tree::tile::{Tile, TileError, TileKind, bundles, decode_bundle, decode_tile};
use annals_tree::{Hash, leaf_hash};
use futures_util::{StreamExt as _, stream};

use crate::exit::Failure;
use crate::verify::edge::{Edge, UpperTile};

/// Tiles asked for ahead of the one being checked.
const AHEAD: usize = 16;

/// Findings told one by one; the rest is counted.
const FINDINGS_MAX: u64 = 100;

/// Entries of kind 5 that are kept of one log.
const KEYS_MAX: usize = 1_000;

/// Where tiles come from.
pub(crate) trait TileSource {
    /// The bytes of a tile, or none when there is no such tile.
    ///
    /// # Errors
    ///
    /// The source does not answer.
    async fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, Failure>;
}

/// One thing that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Path in the published tree; none when it is about the tree as a whole.
    pub(crate) file: Option<String>,
    /// The record concerned, when it is one.
    pub(crate) position: Option<u64>,
    pub(crate) message: String,
}

impl Finding {
    /// About the log as a whole.
    pub(crate) fn of_log(message: impl Into<String>) -> Self {
        Self { file: None, position: None, message: message.into() }
    }

    fn of_file(tile: Tile, position: Option<u64>, message: impl Into<String>) -> Self {
        Self { file: Some(tile.to_string()), position, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(out, "`{file}`: ")?;
        }
        if let Some(position) = self.position {
            write!(out, "position {position}: ")?;
        }
        out.write_str(&self.message)
    }
}

/// What came of walking the tree.
#[derive(Debug)]
pub(crate) struct Walked {
    /// The root over all entries.
    pub(crate) root: Hash,
    /// The root at the earlier size that was asked for, unless the tree is smaller.
    pub(crate) earlier_root: Option<Hash>,
    /// How much does not hold.
    pub(crate) findings: u64,
    /// The first [`KEYS_MAX`] entries of kind 5, with their positions.
    pub(crate) keys: Vec<(u64, Entry)>,
}

/// Told while the tree streams past.
pub(crate) struct Watch<'a> {
    /// So many more entries are checked.
    pub(crate) checked: &'a mut dyn FnMut(u64),
    /// Something does not hold.
    pub(crate) found: &'a mut dyn FnMut(Finding),
}

/// Checks all of a tree of `size` entries. The root is for the caller to compare.
///
/// # Errors
///
/// The source does not answer. What does not hold is a finding, not an error; a tree with both halves of a leaf missing is
/// walked no further.
pub(crate) async fn walk(
    source: &impl TileSource,
    size: u64,
    earlier: Option<u64>,
    watch: Watch<'_>,
) -> Result<Walked, Failure> {
    let mut walk = Walk {
        edge: Edge::default(),
        earlier,
        earlier_root: None,
        last_ms: 0,
        findings: 0,
        keys: Vec::new(),
        watch,
    };
    walk.note_earlier();
    let pairs = stream::iter(bundles(size)).map(async |bundle| {
        let leaves = Tile::new(TileKind::Hashes(0), bundle.index(), bundle.width())
            .expect("a bundle has a tile beside it");
        let entries = read(source, bundle).await?;
        Ok::<_, Failure>((bundle, entries, leaves, read(source, leaves).await?))
    });
    let mut pairs = std::pin::pin!(pairs.buffered(AHEAD));
    while let Some(pair) = pairs.next().await {
        let (bundle, entries, tile, hashes) = pair?;
        let Some(leaves) = walk.leaves(bundle, entries, tile, hashes) else { break };
        let mut complete = Vec::new();
        for leaf in leaves {
            complete.extend(walk.edge.push(leaf));
            walk.note_earlier();
        }
        for made in complete {
            walk.compare_upper(source, &made).await?;
        }
        (walk.watch.checked)(u64::from(bundle.width()));
    }
    let partial: Vec<UpperTile> = walk.edge.partial().collect();
    for made in partial {
        walk.compare_upper(source, &made).await?;
    }
    let Walk { edge, earlier_root, findings, keys, .. } = walk;
    Ok(Walked { root: edge.root(), earlier_root, findings, keys })
}

/// A tile cut to its width. When a log has grown since, the partial tile may be gone: the fuller one begins with it.
async fn read(source: &impl TileSource, tile: Tile) -> Result<Option<Vec<u8>>, Failure> {
    if let Some(bytes) = source.tile(tile).await? {
        return Ok(Some(bytes));
    }
    if !tile.is_partial() {
        return Ok(None);
    }
    let full = Tile::new(tile.kind(), tile.index(), 256).expect("the same place at full width");
    let bytes = source.tile(full).await?;
    Ok(bytes.map(|bytes| cut(tile, bytes)))
}

/// The first `width` hashes or entries of a fuller tile's bytes.
fn cut(tile: Tile, mut bytes: Vec<u8>) -> Vec<u8> {
    let width = usize::from(tile.width());
    let length = match tile.kind() {
        TileKind::Hashes(_) => 32 * width,
        TileKind::Entries => (0..width).fold(0, |at, _| match bytes.get(at..at + 2) {
            Some(length) => at + 2 + usize::from(u16::from_be_bytes([length[0], length[1]])),
            None => at,
        }),
    };
    bytes.truncate(length);
    bytes
}

struct Walk<'a> {
    edge: Edge,
    earlier: Option<u64>,
    earlier_root: Option<Hash>,
    /// `received_at` of the entry before.
    last_ms: u64,
    findings: u64,
    keys: Vec<(u64, Entry)>,
    watch: Watch<'a>,
}

impl Walk<'_> {
    fn found(&mut self, finding: Finding) {
        self.findings += 1;
        if self.findings <= FINDINGS_MAX {
            (self.watch.found)(finding);
        } else if self.findings == FINDINGS_MAX + 1 {
            (self.watch.found)(Finding::of_log("there is more; no further findings are listed"));
        }
    }

    fn note_earlier(&mut self) {
        if self.earlier == Some(self.edge.size()) {
            self.earlier_root = Some(self.edge.root());
        }
    }

    /// The leaves of one bundle: hashed from its entries and compared with the tile beside it.
    ///
    /// Where the two differ the walk goes on with the tile's: if the tree above agrees with it, the entry is what was changed.
    fn leaves(
        &mut self,
        bundle: Tile,
        entries: Option<Vec<u8>>,
        tile: Tile,
        hashes: Option<Vec<u8>>,
    ) -> Option<Vec<Hash>> {
        let entries = self.decoded(bundle, entries, |bytes| {
            decode_bundle(bytes, bundle.width())
                .map(|entries| entries.into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>())
        });
        let hashes = self.decoded(tile, hashes, |bytes| decode_tile(bytes, tile.width()));
        let Some(entries) = entries else { return hashes };
        for (position, entry) in (bundle.first()..).zip(&entries) {
            self.check_entry(bundle, position, entry);
        }
        let computed: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let Some(hashes) = hashes else { return Some(computed) };
        for (position, (computed, stored)) in (bundle.first()..).zip(computed.iter().zip(&hashes)) {
            if computed != stored {
                let message =
                    format!("the entry does not hash to leaf {} of `{tile}`", position - bundle.first());
                self.found(Finding::of_file(bundle, Some(position), message));
            }
        }
        Some(hashes)
    }

    fn decoded<T>(
        &mut self,
        tile: Tile,
        bytes: Option<Vec<u8>>,
        decode: impl Fn(&[u8]) -> Result<T, TileError>,
    ) -> Option<T> {
        let finding = match bytes.map(|bytes| decode(&bytes)) {
            Some(Ok(decoded)) => return Some(decoded),
            Some(Err(error)) => Finding::of_file(tile, None, error.to_string()),
            None => Finding::of_file(tile, None, "is missing"),
        };
        self.found(finding);
        None
    }

    fn check_entry(&mut self, bundle: Tile, position: u64, bytes: &[u8]) {
        match Entry::decode(bytes) {
            Err(error) => self.found(Finding::of_file(bundle, Some(position), error.to_string())),
            Ok(entry) => {
                if entry.received_at_ms < self.last_ms {
                    self.found(Finding::of_file(
                        bundle,
                        Some(position),
                        "was received before the one in front of it",
                    ));
                }
                self.last_ms = self.last_ms.max(entry.received_at_ms);
                if entry.kind == EntryKind::Key && self.keys.len() < KEYS_MAX {
                    self.keys.push((position, entry));
                }
            }
        }
    }

    /// Compares a tile above the leaves with what the level below gives.
    async fn compare_upper(&mut self, source: &impl TileSource, made: &UpperTile) -> Result<(), Failure> {
        let width = u16::try_from(made.hashes.len()).expect("a tile has at most 256 hashes");
        let tile = Tile::new(TileKind::Hashes(made.level), made.index, width)
            .expect("the edge makes tiles that exist");
        let bytes = read(source, tile).await?;
        let Some(stored) = self.decoded(tile, bytes, |bytes| decode_tile(bytes, tile.width())) else {
            return Ok(());
        };
        for (index, (stored, computed)) in (tile.first()..).zip(stored.iter().zip(&made.hashes)) {
            if stored != computed {
                let below = Tile::new(TileKind::Hashes(made.level - 1), index, 256)
                    .expect("the level below is full there");
                let message = format!("hash {} is not the root of `{below}`", index - tile.first());
                self.found(Finding::of_file(tile, None, message));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
