//! Counting instants by the stretch of time they lie in.
//!
//! Rows stand by log, so neighbours may be days apart again and again: which stretch an instant lies in is remembered for
//! short cells of time, and the sink asked only where that does not say.

use std::collections::BTreeMap;
use std::ops::Range;

use super::TallySink;

/// Cells that are remembered.
const CELLS: usize = 1 << 13;

/// See the module.
pub(super) struct Stretches {
    /// Those met, with how many instants lie in each.
    met: Vec<(Range<i64>, u64)>,
    /// By where they begin.
    by_start: BTreeMap<i64, u32>,
    /// Number of the stretch that was asked for last: the next instant mostly lies in it too.
    last: u32,
    /// For cells of time, the number of the stretch that its last instant was in. Cells that fall on the same place take turns.
    cells: Vec<u32>,
    /// The length of a cell, as a power of two: some cells to a stretch.
    shift: u32,
}

impl Stretches {
    pub(super) fn new() -> Self {
        Self { met: Vec::new(), by_start: BTreeMap::new(), last: 0, cells: Vec::new(), shift: 0 }
    }

    /// Counts one instant.
    #[inline]
    pub(super) fn add(&mut self, us: i64, sink: &mut dyn TallySink) {
        let at = self.find(us, sink);
        self.met[at].1 += 1;
    }

    /// Counts so many instants from `first` to `last`, if these lie in one stretch.
    pub(super) fn add_all(&mut self, first: i64, last: i64, count: u64, sink: &mut dyn TallySink) -> bool {
        let at = self.find(first, sink);
        let is_one = self.met[at].0.contains(&last);
        self.met[at].1 += if is_one { count } else { 0 };
        is_one
    }

    /// The stretch around an instant.
    pub(super) fn around(&mut self, us: i64, sink: &mut dyn TallySink) -> Range<i64> {
        let at = self.find(us, sink);
        self.met[at].0.clone()
    }

    #[inline]
    fn find(&mut self, us: i64, sink: &mut dyn TallySink) -> usize {
        if let Some((stretch, _)) = self.met.get(self.last as usize)
            && stretch.contains(&us)
        {
            return self.last as usize;
        }
        let cell = self.cell(us);
        if let Some(known) = self.cells.get(cell)
            && let Some((stretch, _)) = self.met.get(*known as usize)
            && stretch.contains(&us)
        {
            self.last = *known;
            return self.last as usize;
        }
        self.find_anew(us, sink)
    }

    #[inline]
    fn cell(&self, us: i64) -> usize {
        // A multiplicative hash: its high bits depend on all bits of the cell's number.
        let mixed = (us >> self.shift).cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        usize::try_from(mixed >> (64 - CELLS.trailing_zeros())).unwrap_or(0)
    }

    #[cold]
    fn find_anew(&mut self, us: i64, sink: &mut dyn TallySink) -> usize {
        let known = self.by_start.range(..=us).next_back().map(|(_, number)| *number);
        let known = known.filter(|number| self.met[*number as usize].0.contains(&us));
        let number = known.unwrap_or_else(|| self.meet(sink.stretch(us)));
        let cell = self.cell(us);
        self.cells[cell] = number;
        self.last = number;
        number as usize
    }

    fn meet(&mut self, stretch: Range<i64>) -> u32 {
        if self.cells.is_empty() {
            self.cells = vec![0; CELLS];
            // A cell is an eighth to a quarter of a stretch: few cells have the end of one in them.
            self.shift = stretch.end.abs_diff(stretch.start).max(8).ilog2() - 2;
        }
        let number = u32::try_from(self.met.len()).unwrap_or(u32::MAX);
        self.by_start.insert(stretch.start, number);
        self.met.push((stretch, 0));
        number
    }

    /// Tells what was counted.
    pub(super) fn finish(&mut self, sink: &mut dyn TallySink) {
        self.by_start.clear();
        for (stretch, count) in self.met.drain(..).filter(|(_, count)| *count > 0) {
            sink.add_time(&stretch, count);
        }
    }
}
