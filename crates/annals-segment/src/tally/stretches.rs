//! Counting instants by the stretch of time they lie in.
//!
//! Rows stand by log, so neighbours may be days apart again and again: which stretch an instant lies in is remembered for
//! short cells of time, and the sink asked only where that does not say.

use std::ops::Range;

use super::TallySink;

/// Most cells.
const CELLS: u64 = 1 << 14;

/// See the module.
pub(super) struct Stretches {
    /// Those met, with how many instants lie in each.
    met: Vec<(Range<i64>, u64)>,
    /// Per cell of time: index of the stretch that its last instant was in, plus one.
    cells: Vec<u32>,
    start: i64,
    shift: u32,
}

impl Stretches {
    /// For instants of this range, mostly.
    pub(super) fn new(first: i64, last: i64) -> Self {
        let span = last.abs_diff(first);
        let mut shift = 0;
        while span >> shift >= CELLS {
            shift += 1;
        }
        Self { met: Vec::new(), cells: Vec::new(), start: first, shift }
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

    #[inline]
    fn find(&mut self, us: i64, sink: &mut dyn TallySink) -> usize {
        let cell = us.checked_sub(self.start).map_or(u64::MAX, i64::cast_unsigned) >> self.shift;
        let cell = usize::try_from(cell).unwrap_or(usize::MAX);
        if let Some(known) = self.cells.get(cell).and_then(|known| known.checked_sub(1))
            && let Some((stretch, _)) = self.met.get(known as usize)
            && stretch.contains(&us)
        {
            return known as usize;
        }
        self.find_anew(us, cell, sink)
    }

    #[cold]
    fn find_anew(&mut self, us: i64, cell: usize, sink: &mut dyn TallySink) -> usize {
        /// As many of the last ones are looked through.
        const NEAR: usize = 64;
        let near = self.met.len().saturating_sub(NEAR);
        let known =
            self.met[near..].iter().rposition(|(stretch, _)| stretch.contains(&us)).map(|at| near + at);
        let at = known.unwrap_or_else(|| {
            self.met.push((sink.stretch(us), 0));
            self.met.len() - 1
        });
        if self.cells.is_empty() {
            self.cells = vec![0; usize::try_from(CELLS).unwrap_or(0)];
        }
        if let (Some(slot), Ok(number)) = (self.cells.get_mut(cell), u32::try_from(at + 1)) {
            *slot = number;
        }
        at
    }

    /// Tells what was counted.
    pub(super) fn finish(&mut self, sink: &mut dyn TallySink) {
        for (stretch, count) in self.met.drain(..).filter(|(_, count)| *count > 0) {
            sink.add_time(&stretch, count);
        }
    }
}
