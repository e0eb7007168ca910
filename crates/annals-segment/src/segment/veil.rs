//! Views of a segment in which some rows read otherwise than the file has them, until it is rewritten.
//!
//! A file is never changed, and rewriting one takes its time, but what was erased or expired must not be read a moment longer.
//! So a segment is given a [`Veil`]: which rows are *gone*, and which ones are *changed*, and how. Everything that is asked of the
//! view has the answer that a file with these changes would give. It shares the file's cache, and what was worked out of columns:
//! gone rows are left out afterwards, and changed ones are looked at by their events. Rows that expired in the file are gone in
//! every view. What orders rows stays that of the file, of gone ones too: positions, ledger numbers, and when they happened.

use std::ops::Range;
use std::sync::Arc;

use annals_event::Operation;
use bytes::Bytes;

use super::{Sealed, Segment};
use crate::Damaged;
use crate::fate::{Fate, GONE};
use crate::meta::Kind;
use crate::plan::set::first;

/// Gives a row, as the file has it, what is to be read in its place; see [`Veil::new`].
pub type Change = dyn Fn(u32, &mut Sealed) -> Result<(), Damaged> + Send + Sync;

/// Which rows read otherwise than the file has them.
pub struct Veil {
    hidden: RowSet,
    changed: RowSet,
    change: Box<Change>,
}

impl std::fmt::Debug for Veil {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Veil")
            .field("hidden", &self.hidden.len())
            .field("changed", &self.changed.len())
            .finish_non_exhaustive()
    }
}

impl Veil {
    /// `hidden` rows are gone: ranges that rise and do not overlap. `changed` ones rise, and none of them is hidden.
    ///
    /// `change` is given such a row as the file has it, each time it is read. Of a changed one it sets event, fate and root; id
    /// and envelope of the event stay, so that everything that is known of the row beside it stays right. Of a hidden one it sets
    /// the fate, which must be [`Fate::Expired`]; event, time and operation are taken from the row by the view. What else it
    /// changes is put back. It is not asked for rows that expired in the file.
    ///
    /// # Panics
    ///
    /// When the rows are not as they must be.
    #[must_use]
    pub fn new(hidden: Vec<Range<u32>>, changed: Vec<u32>, change: Box<Change>) -> Arc<Veil> {
        assert!(hidden.iter().all(|rows| rows.start <= rows.end), "ranges end after they begin");
        assert!(hidden.windows(2).all(|two| two[0].end <= two[1].start), "ranges rise");
        assert!(changed.windows(2).all(|two| two[0] < two[1]), "changed rows rise");
        let mut veil = Veil { hidden: RowSet::default(), changed: RowSet::default(), change };
        hidden.into_iter().for_each(|rows| veil.hidden.add_range(rows));
        for row in changed {
            assert!(!veil.hidden.has(row), "a hidden row cannot be changed");
            veil.changed.add_range(row..row + 1);
        }
        Arc::new(veil)
    }

    /// Nothing of a row is to be read any more.
    #[must_use]
    pub fn hides(&self, row: u32) -> bool {
        self.hidden.has(row)
    }

    /// A row reads otherwise than the file has it.
    #[must_use]
    pub fn covers(&self, row: u32) -> bool {
        self.hidden.has(row) || self.changed.has(row)
    }

    /// What is read of a row; `stored` is what the file has.
    pub(super) fn read(&self, row: u32, stored: Sealed, segment: &Segment) -> Result<Sealed, Damaged> {
        let is_hidden = self.hides(row);
        if !is_hidden && !self.changed.has(row) {
            return Ok(stored);
        }
        let mut sealed = stored.clone();
        if !stored.fate.as_ref().is_some_and(Fate::is_expired) {
            (self.change)(row, &mut sealed)?;
            if sealed.fate.as_ref().is_some_and(Fate::is_expired) != is_hidden {
                let what = "a row has another fate than its veil says";
                return Err(segment.malformed(what).of(&stored.tenant, stored.position));
            }
        }
        let Sealed { event, fate, root, .. } = sealed;
        Ok(if is_hidden {
            let kind = Operation::Other.code();
            let event = Bytes::from_static(GONE);
            Sealed { event, fate, root, occurred_at: None, operation: kind, derived: true, ..stored }
        } else {
            Sealed { event, fate, root, ..stored }
        })
    }

    /// What is small of a row.
    pub(super) fn kind(&self, row: u32, kind: Kind) -> Kind {
        if self.hides(row) {
            Kind { operation: Operation::Other.code(), derived: true, timed: false, ..kind }
        } else {
            kind
        }
    }
}

/// Which rows of a view are not those of the columns.
#[derive(Debug)]
pub(crate) struct Cover {
    /// Nothing is to be read of them.
    pub(crate) gone: RowSet,
    /// Their events are other ones.
    pub(crate) changed: RowSet,
}

/// Rows, 128 to a mask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowSet {
    /// Blocks with at least one, rising.
    blocks: Vec<u32>,
    masks: Vec<u128>,
}

impl RowSet {
    /// Adds rows behind all others.
    pub(crate) fn add_range(&mut self, rows: Range<u32>) {
        let mut from = rows.start;
        while from < rows.end {
            let block = from / 128;
            let to = rows.end.min((block + 1).saturating_mul(128));
            let mask = first((to - block * 128) as usize) & !first((from - block * 128) as usize);
            match (self.blocks.last(), self.masks.last_mut()) {
                (Some(last), Some(of_last)) if *last == block => *of_last |= mask,
                _ => {
                    self.blocks.push(block);
                    self.masks.push(mask);
                }
            }
            from = to;
        }
    }

    /// Those of either.
    fn with(&self, other: &RowSet) -> RowSet {
        let mut both = RowSet::default();
        let (mut own, mut others) = (self.iter().peekable(), other.iter().peekable());
        loop {
            let Some(block) = own.peek().into_iter().chain(others.peek()).map(|(block, _)| *block).min()
            else {
                return both;
            };
            let one = own.next_if(|(next, _)| *next == block).map_or(0, |(_, mask)| mask);
            let other = others.next_if(|(next, _)| *next == block).map_or(0, |(_, mask)| mask);
            both.blocks.push(block);
            both.masks.push(one | other);
        }
    }

    /// These without the others.
    fn without(&self, other: &RowSet) -> RowSet {
        let mut left = RowSet::default();
        for (block, mask) in self.iter() {
            let mask = mask & !other.of(block);
            if mask != 0 {
                left.blocks.push(block);
                left.masks.push(mask);
            }
        }
        left
    }

    fn iter(&self) -> impl Iterator<Item = (u32, u128)> {
        self.blocks.iter().copied().zip(self.masks.iter().copied())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// How many.
    pub(crate) fn len(&self) -> u64 {
        self.masks.iter().map(|mask| u64::from(mask.count_ones())).sum()
    }

    pub(crate) fn has(&self, row: u32) -> bool {
        self.of(row / 128) >> (row % 128) & 1 == 1
    }

    /// Those of a block.
    pub(crate) fn of(&self, block: u32) -> u128 {
        self.blocks.binary_search(&block).map_or(0, |at| self.masks[at])
    }

    /// Blocks with at least one, rising.
    pub(crate) fn blocks(&self) -> &[u32] {
        &self.blocks
    }

    /// How many of these rows are among them.
    pub(crate) fn count_in(&self, rows: &Range<u32>) -> u64 {
        let from = self.blocks.partition_point(|block| *block < rows.start / 128);
        let near = self.blocks[from..].iter().zip(&self.masks[from..]);
        let near = near.take_while(|(block, _)| **block * 128 < rows.end);
        let within = |block: u32| {
            let (start, end) = (block * 128, (block + 1).saturating_mul(128));
            let (low, high) = (rows.start.clamp(start, end) - start, rows.end.clamp(start, end) - start);
            first(high as usize) & !first(low as usize)
        };
        near.map(|(block, mask)| u64::from((mask & within(*block)).count_ones())).sum()
    }
}

impl Segment {
    /// A view of the file through this veil, in the place of the one it may have. Both share everything else.
    #[must_use]
    pub fn veiled(&self, veil: Arc<Veil>) -> Arc<Segment> {
        // Counts of one view are not those of another.
        Arc::new(self.seen(Some(veil), self.body.another_number()))
    }

    /// The file as it is: for checks, and to write it anew.
    #[must_use]
    pub fn unveiled(self: &Arc<Self>) -> Arc<Segment> {
        if self.veil.is_none() { Arc::clone(self) } else { Arc::new(self.seen(None, self.body.number())) }
    }

    /// What it is seen through.
    #[must_use]
    pub fn veil(&self) -> Option<&Arc<Veil>> {
        self.veil.as_ref()
    }

    /// The rows that are not those of the columns; `None` if all are.
    pub(crate) fn cover(&self) -> Result<Option<&Arc<Cover>>, Damaged> {
        if self.veil.is_none() && self.footer.fates.is_none() {
            return Ok(None);
        }
        if let Some(cover) = self.cover.get() {
            return Ok(cover.as_ref());
        }
        let mut expired = RowSet::default();
        self.expired_rows(&mut |row| expired.add_range(row..row + 1))?;
        let cover = match &self.veil {
            None => Cover { gone: expired, changed: RowSet::default() },
            Some(veil) => Cover { changed: veil.changed.without(&expired), gone: veil.hidden.with(&expired) },
        };
        let is_any = !cover.gone.is_empty() || !cover.changed.is_empty();
        // Another one may have been first, with the same.
        Ok(self.cover.get_or_init(|| is_any.then(|| Arc::new(cover))).as_ref())
    }

    /// Nothing of a row is to be read: it expired in the file, or the veil hides it.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn is_gone(&self, row: u32) -> Result<bool, Damaged> {
        Ok(self.cover()?.is_some_and(|cover| cover.gone.has(row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ranges: &[Range<u32>]) -> RowSet {
        let mut set = RowSet::default();
        ranges.iter().for_each(|range| set.add_range(range.clone()));
        set
    }

    #[test]
    fn rows_are_what_was_added() {
        let ranges = [3..5, 5..6, 120..300, 300..301, 511..513, 4_000..4_000];
        let rows = set(&ranges);
        let naive = |row: u32| ranges.iter().any(|range| range.contains(&row));
        for row in 0..1_000 {
            assert_eq!(rows.has(row), naive(row), "{row}");
        }
        assert_eq!(rows.blocks(), [0, 1, 2, 3, 4]);
        assert_eq!(rows.len(), 186);
        for range in [0..1_000, 4..4, 4..130, 128..256, 299..512, 512..513, 600..700] {
            let count = range.clone().filter(|row| naive(*row)).count() as u64;
            assert_eq!(rows.count_in(&range), count, "{range:?}");
        }
    }

    #[test]
    fn rows_are_put_together_and_taken_away() {
        let (one, other) = (set(&[0..3, 200..210, 700..701]), set(&[2..5, 205..206, 300..301]));
        assert_eq!(one.with(&other), set(&[0..5, 200..210, 300..301, 700..701]));
        assert_eq!(other.with(&one), one.with(&other));
        assert_eq!(one.without(&other), set(&[0..2, 200..205, 206..210, 700..701]));
        assert!(one.without(&one).is_empty());
    }
}
