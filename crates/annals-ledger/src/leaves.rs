//! Leaves of sealed records that were made lately. An inclusion proof takes the other 255 of its block, and making one is reading
//! an event and hashing it; who asks for one proof often asks for one beside it.
//!
//! Kept are stretches: the rows of one segment that stand in one block of 256 of one log's tree. A stretch is known by the number
//! of its segment, which no other segment ever has, and by its rows, which never change. None is kept that does not match the tags and
//! the sum of its leaves, as they stand in the segment; what does not match is for others to tell.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use annals_segment::Damaged;
use annals_segment::segment::Reader;
use annals_tree::Hash;
use annals_tree::block::{BLOCK_LEAVES, BlockPart, subtree_root};

use crate::commit::Commits;
use crate::sealed::{Part, SealedEntry};

/// Most stretches that are kept: 16 MiB of leaves, of 524,288 records.
const STRETCHES_MAX: usize = 2_048;

/// Leaves of one block.
const BLOCK: u64 = BLOCK_LEAVES as u64;

/// Room for an event; most are smaller.
const EVENT_BYTES_EXPECTED: usize = 1_024;

/// Neighbouring leaves of a log.
#[derive(Debug)]
pub(crate) struct Stretch {
    rows: Range<u32>,
    /// Position of the first.
    position: u64,
    leaves: Box<[Hash]>,
}

impl Stretch {
    /// The root over these positions, a power of two of them, if all of them are here.
    pub(crate) fn root(&self, positions: &Range<u64>) -> Option<Hash> {
        let from = usize::try_from(positions.start.checked_sub(self.position)?).ok()?;
        let count = usize::try_from(positions.end.checked_sub(positions.start)?).ok()?;
        self.leaves.get(from..from.checked_add(count)?).map(subtree_root)
    }
}

/// The stretches that are kept. Those that were not asked for the longest go first.
#[derive(Default)]
pub(crate) struct Leaves(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// By segment and first row; with the time of the last use, counted in uses.
    stretches: BTreeMap<(u64, u32), (u64, Arc<Stretch>)>,
    uses: u64,
}

impl Leaves {
    /// The stretch with this row, made if need be; none where something of it is not what was appended or cannot be read.
    pub(crate) fn of(&self, part: &Part, row: u32) -> Option<Arc<Stretch>> {
        if let Some(known) = self.known(part.number, row) {
            return Some(known);
        }
        // Without the lock: two who want the same at once make it twice.
        let expected = Expected::at(part, row).ok()??;
        let mut maker = Maker::new(part);
        let leaves: Option<Vec<Hash>> =
            expected.rows.clone().map(|row| Some(maker.entry(row).ok()??.1)).collect();
        self.keep(part.number, expected, leaves?)
    }

    /// Keeps leaves that were made anyhow, if they are a whole stretch.
    pub(crate) fn offer(&self, part: &Part, rows: &Range<u32>, leaves: Vec<Hash>) {
        if self.known(part.number, rows.start).is_some() {
            return;
        }
        if let Ok(Some(expected)) = Expected::at(part, rows.start)
            && expected.rows == *rows
        {
            self.keep(part.number, expected, leaves);
        }
    }

    fn known(&self, number: u64, row: u32) -> Option<Arc<Stretch>> {
        let mut kept = self.kept();
        let uses = kept.uses + 1;
        let (_, (used, stretch)) = kept.stretches.range_mut((number, 0)..=(number, row)).next_back()?;
        if !stretch.rows.contains(&row) {
            return None;
        }
        *used = uses;
        let stretch = stretch.clone();
        kept.uses = uses;
        Some(stretch)
    }

    fn keep(&self, number: u64, expected: Expected, leaves: Vec<Hash>) -> Option<Arc<Stretch>> {
        let Expected { rows, position, check } = expected;
        check.check(&leaves).ok()?;
        let stretch = Arc::new(Stretch { rows, position, leaves: leaves.into() });
        let mut kept = self.kept();
        kept.uses += 1;
        let place = (number, stretch.rows.start);
        let entry = (kept.uses, stretch.clone());
        kept.stretches.insert(place, entry);
        if kept.stretches.len() > STRETCHES_MAX {
            // Making one takes a thousand times as long as this look at all of them.
            let oldest = kept.stretches.iter().min_by_key(|(_, (used, _))| *used).map(|(place, _)| *place);
            oldest.and_then(|place| kept.stretches.remove(&place));
        }
        Some(stretch)
    }

    /// A panic while it was locked leaves it whole: a stretch is complete before it comes here.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a segment says of a stretch.
struct Expected {
    rows: Range<u32>,
    position: u64,
    check: BlockPart,
}

impl Expected {
    /// Of the one with this row.
    fn at(part: &Part, row: u32) -> Result<Option<Self>, Damaged> {
        let segment = &part.segment;
        let log = segment.log_of_row(row)?;
        let block = segment.position_of(&log, row)?.0 / BLOCK;
        let mut parts = segment.block_parts(&log, block)?.into_iter();
        let Some(found) = parts.find(|found| found.rows.contains(&row)) else { return Ok(None) };
        let mut tags = Vec::with_capacity(found.rows.len());
        segment.tags(found.rows.clone(), &mut tags)?;
        let check = BlockPart::from_stored(tags, found.xor);
        Ok(Some(Self { rows: found.rows, position: found.position.0, check }))
    }
}

/// Makes entries of sealed rows anew. Keeps what it needs for that from row to row.
pub(crate) struct Maker {
    reader: Reader,
    commits: Commits,
    event: Vec<u8>,
}

impl Maker {
    pub(crate) fn new(part: &Part) -> Self {
        let event = Vec::with_capacity(EVENT_BYTES_EXPECTED);
        Self { reader: part.segment.reader(), commits: Commits::default(), event }
    }

    /// The entry of a row and its hash; none when its bytes are no event.
    ///
    /// # Errors
    ///
    /// Something of the row cannot be read.
    pub(crate) fn entry(&mut self, row: u32) -> Result<Option<(Vec<u8>, Hash)>, Damaged> {
        self.event.clear();
        self.reader.event(row, &mut self.event)?;
        let kind = self.reader.kind(row)?;
        let (secret, fate) = (self.reader.secret(row)?, self.reader.fate(row)?);
        let sealed = SealedEntry {
            stated: kind.stated,
            class: kind.class,
            received_at: self.reader.received_at(row)?,
            secret,
            event: &self.event,
            fate: fate.as_ref(),
        };
        Ok(sealed.made(&mut self.commits, &mut |_, _| {}))
    }

    /// The position of a row.
    pub(crate) fn position(&mut self, row: u32) -> Result<u64, Damaged> {
        Ok(self.reader.position(row)?.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(rows: Range<u32>, leaves: &[Hash]) -> Expected {
        Expected { position: u64::from(rows.start), rows, check: BlockPart::of(leaves) }
    }

    fn leaves(seed: u8) -> Vec<Hash> {
        (0..4).map(|n| Hash([seed ^ n; 32])).collect()
    }

    #[test]
    fn a_stretch_is_found_by_its_segment_and_its_rows_alone() {
        let kept = Leaves::default();
        for (number, from, seed) in [(7, 8, 1), (7, 16, 2), (8, 8, 3)] {
            assert!(kept.keep(number, expected(from..from + 4, &leaves(seed)), leaves(seed)).is_some());
        }
        for (number, row, seed) in [
            (7, 8, Some(1)),
            (7, 11, Some(1)),
            (7, 19, Some(2)),
            (8, 9, Some(3)),
            (7, 7, None),
            (7, 12, None),
        ] {
            let found = kept.known(number, row).map(|found| found.leaves.to_vec());
            assert_eq!(found, seed.map(leaves), "{number} {row}");
        }
        for (number, row) in [(6, 8), (9, 8), (8, 16), (7, 20)] {
            assert!(kept.known(number, row).is_none(), "{number} {row}");
        }
    }

    #[test]
    fn what_does_not_match_is_not_kept() {
        let kept = Leaves::default();
        let good = leaves(5);
        let mut evil = good.clone();
        // The same tag, and another hash.
        evil[2].0[31] ^= 1;
        assert!(kept.keep(1, expected(0..4, &good), evil).is_none());
        assert!(kept.keep(1, expected(0..4, &good), good[..3].to_vec()).is_none());
        assert!(kept.known(1, 0).is_none());
    }

    #[test]
    fn those_not_asked_for_the_longest_go_and_there_is_an_end() {
        let kept = Leaves::default();
        let count = u32::try_from(STRETCHES_MAX).unwrap() + 100;
        for number in 0..count {
            kept.keep(1, expected(4 * number..4 * number + 4, &leaves(9)), leaves(9));
            assert!(kept.known(1, 3).is_some(), "it was asked for a moment ago");
        }
        assert_eq!(kept.kept().stretches.len(), STRETCHES_MAX);
        assert!(kept.known(1, 4).is_none() && kept.known(1, 4 * count - 1).is_some());
    }

    #[test]
    fn a_stretch_gives_roots_of_what_it_has() {
        let leaves = leaves(3);
        let stretch = Stretch { rows: 100..104, position: 40, leaves: leaves.clone().into() };
        assert_eq!(stretch.root(&(40..44)), Some(subtree_root(&leaves)));
        assert_eq!(stretch.root(&(42..44)), Some(subtree_root(&leaves[2..])));
        assert_eq!(stretch.root(&(43..44)), Some(leaves[3]));
        assert_eq!(
            (stretch.root(&(39..40)), stretch.root(&(44..45)), stretch.root(&(40..48))),
            (None, None, None)
        );
    }
}
