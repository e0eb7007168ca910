//! Counting when rows happened.
//!
//! The sink says how time is cut into stretches, and mostly these are made of whole hours, in some zones of quarters of an hour.
//! Rows are then counted by these *cells*, which takes a division each, and only cells are looked up among the stretches. That
//! also makes counts that can be kept, whatever the next question cuts time into. Where the ends of stretches lie within
//! cells, or rows are few for the time they span, rows themselves are looked up.

use std::ops::Range;
use std::sync::Arc;

use annals_event::Timestamp;

use super::TallySink;
use super::stretches::Stretches;
use crate::Damaged;
use crate::numbers::{Group, UNIT_LEN};
use crate::plan::known::{coded, decoded};
use crate::plan::set::each_bit_128;
use crate::segment::Segment;

/// Most cells that are counted: fifteen years of hours.
const CELLS_MAX: u64 = 1 << 17;

/// More cells than this for each row are not counted.
const CELLS_A_ROW: u64 = 4;

/// As many cells are counted however few rows there are.
const CELLS_FREE: u64 = 1_024;

/// Where stretches are as long as this many blocks of rows and more, blocks are counted rather than cells, if nobody keeps these.
const BLOCKS_A_STRETCH: i64 = 2;

/// How long cells are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Length {
    Hour,
    /// Of an hour.
    Quarter,
}

impl Length {
    pub(super) const ALL: [Length; 2] = [Length::Hour, Length::Quarter];

    /// In µs.
    const fn us(self) -> i64 {
        match self {
            Self::Hour => 3_600_000_000,
            Self::Quarter => 900_000_000,
        }
    }

    /// The cell that an instant lies in.
    const fn cell(self, us: i64) -> i64 {
        us.div_euclid(self.us())
    }
}

/// A stretch of time, and how many rows happened in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// Since 1970, in [`Length`]s.
    pub(super) number: i32,
    pub(super) count: u32,
}

/// Cells with rows, rising.
pub(super) type Cells = Arc<Vec<Cell>>;

/// See the module.
pub(super) struct Times {
    how: How,
    stretches: Stretches,
    group: Group,
    numbers: Box<[u64; UNIT_LEN]>,
}

enum How {
    /// How is decided when the sink is known.
    Open(Span),
    /// By cells from the first on, which begins at this time, as it is stored.
    Cells { length: Length, start: u64, counts: Vec<u32> },
    /// Row by row.
    Rows,
    /// All is in `stretches`.
    Done,
}

/// What is to be counted.
pub(super) struct Span {
    /// When the first and the last row happened.
    pub(super) between: (i64, i64),
    /// Most rows.
    pub(super) rows: u64,
    /// What is counted will be kept.
    pub(super) is_kept: bool,
    /// What was counted before, by [`Length::ALL`].
    pub(super) known: [Option<Cells>; 2],
}

impl Times {
    /// Times that are looked up row by row where nothing is known about them.
    pub(super) fn of(span: Option<Span>) -> Self {
        Self {
            how: span.map_or(How::Rows, How::Open),
            stretches: Stretches::new(),
            group: Group::default(),
            numbers: Box::new([0; UNIT_LEN]),
        }
    }

    /// Decides how to count. Must come first.
    pub(super) fn begin(&mut self, sink: &mut dyn TallySink) {
        let How::Open(span) = std::mem::replace(&mut self.how, How::Rows) else { return };
        let (first, last) = span.between;
        // No other times are stored, but bytes may say anything.
        let are_times = [first, last].into_iter().all(|us| Timestamp::from_micros(us).is_some());
        if !are_times || first > last {
            return;
        }
        // Where most blocks of rows lie in one stretch, it takes their first and last times, and no more.
        let stretch = sink.stretch(first);
        let blocks = i64::try_from(span.rows.div_ceil(UNIT_LEN as u64)).unwrap_or(i64::MAX);
        if !span.is_kept && (stretch.end - stretch.start) / BLOCKS_A_STRETCH >= (last - first) / blocks.max(1)
        {
            return;
        }
        for (length, known) in Length::ALL.into_iter().zip(span.known) {
            if ![first, last].into_iter().all(|us| is_whole(sink, length, us)) {
                continue;
            }
            if let Some(cells) = known {
                if self.put(length, &cells, sink) {
                    self.how = How::Done;
                    return;
                }
                continue;
            }
            let cells = length.cell(last).abs_diff(length.cell(first)) + 1;
            if cells <= (CELLS_A_ROW * span.rows).clamp(CELLS_FREE, CELLS_MAX) {
                let start = coded(length.cell(first) * length.us());
                let counts = vec![0; usize::try_from(cells).unwrap_or(0)];
                self.how = How::Cells { length, start, counts };
                return;
            }
        }
    }

    /// Nothing is to be counted any more.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.how, How::Done)
    }

    /// Counts some rows of a block.
    pub(super) fn add(
        &mut self,
        segment: &Segment,
        block: u32,
        rows: u128,
        sink: &mut dyn TallySink,
    ) -> Result<(), Damaged> {
        if self.is_done() {
            return Ok(());
        }
        let (body, unit, happened) = (segment.body(), u64::from(block), &segment.footer().known.happened);
        let (least, most) = happened.unit_bounds_of(&mut self.group, body, unit)?;
        let count = rows.count_ones();
        // As in a line, of the rows that count.
        let is_one = match &mut self.how {
            How::Cells { length, start, counts } => {
                add_to_cell(*length, *start, counts, (least, most), count)
            }
            _ => self.stretches.add_all(decoded(least), decoded(most), u64::from(count), sink),
        };
        if is_one {
            return Ok(());
        }
        happened.unit_of(&mut self.group, body, unit, &mut self.numbers)?;
        let (numbers, stretches) = (&self.numbers, &mut self.stretches);
        match &mut self.how {
            How::Cells { length, start, counts } => {
                let mut is_out = false;
                each_bit_128(rows, |bit| {
                    is_out |= !count_cell(*length, *start, counts, numbers[bit as usize])
                });
                if is_out { Err(segment.malformed(OUTSIDE)) } else { Ok(()) }
            }
            _ => {
                each_bit_128(rows, |bit| stretches.add(decoded(numbers[bit as usize]), sink));
                Ok(())
            }
        }
    }

    /// Counts rows that follow each other.
    pub(super) fn add_line(
        &mut self,
        segment: &Segment,
        rows: Range<u32>,
        sink: &mut dyn TallySink,
    ) -> Result<(), Damaged> {
        if self.is_done() {
            return Ok(());
        }
        let (body, happened) = (segment.body(), &segment.footer().known.happened);
        for (block, part) in super::blocks_of(rows) {
            let (unit, group) = (u64::from(block), &mut self.group);
            if part.len() == UNIT_LEN {
                // Many blocks lie in one stretch, and their numbers need not be read then.
                let (least, most) = happened.unit_bounds_of(group, body, unit)?;
                let is_one = match &mut self.how {
                    How::Cells { length, start, counts } => {
                        add_to_cell(*length, *start, counts, (least, most), 128)
                    }
                    _ => self.stretches.add_all(decoded(least), decoded(most), UNIT_LEN as u64, sink),
                };
                if is_one {
                    continue;
                }
            }
            happened.unit_of(group, body, unit, &mut self.numbers)?;
            let times = &self.numbers[part];
            if let How::Cells { length, start, counts } = &mut self.how {
                let mut is_in = true;
                for time in times {
                    is_in &= count_cell(*length, *start, counts, *time);
                }
                if !is_in {
                    return Err(segment.malformed(OUTSIDE));
                }
            } else {
                for time in times {
                    self.stretches.add(decoded(*time), sink);
                }
            }
        }
        Ok(())
    }

    /// What was counted by cells.
    pub(super) fn cells(&self) -> Option<(Length, Cells)> {
        let How::Cells { length, start, counts } = &self.how else { return None };
        let first = i32::try_from(length.cell(decoded(*start))).ok()?;
        let cells = (first..).zip(counts).filter(|(_, count)| **count > 0);
        Some((*length, Arc::new(cells.map(|(number, count)| Cell { number, count: *count }).collect())))
    }

    /// Tells what was counted; `cells` are those of [`Times::cells`]. False when the end of a stretch lies within a cell: all
    /// rows have to be counted again, and are then looked up themselves.
    pub(super) fn finish(&mut self, cells: Option<(Length, Cells)>, sink: &mut dyn TallySink) -> bool {
        if let Some((length, cells)) = cells
            && !self.put(length, &cells, sink)
        {
            self.how = How::Rows;
            return false;
        }
        self.stretches.finish(sink);
        self.how = How::Done;
        true
    }

    /// Counts cells by stretch, if each lies in one.
    fn put(&mut self, length: Length, cells: &[Cell], sink: &mut dyn TallySink) -> bool {
        let mut stretches = Stretches::new();
        let mut rest = cells;
        while let Some(first) = rest.first() {
            let start = i64::from(first.number) * length.us();
            let stretch = stretches.around(start, sink);
            if stretch.end - start < length.us() {
                return false;
            }
            // Cells rise: those that end in the same stretch follow each other.
            let is_in = |cell: &Cell| (i64::from(cell.number) + 1) * length.us() <= stretch.end;
            let (same, others) =
                rest.split_at(rest.iter().position(|cell| !is_in(cell)).unwrap_or(rest.len()));
            let count = same.iter().map(|cell| u64::from(cell.count)).sum();
            if !stretches.add_all(start, start, count, sink) {
                return false;
            }
            rest = others;
        }
        self.stretches = stretches;
        true
    }
}

const OUTSIDE: &str = "a time before the first or after the last";

/// Whether the cell of an instant lies in one stretch.
fn is_whole(sink: &mut dyn TallySink, length: Length, us: i64) -> bool {
    let start = length.cell(us) * length.us();
    let stretch = sink.stretch(start);
    stretch.contains(&start) && stretch.contains(&(start + length.us() - 1))
}

/// Which cell a time lies in, where the first begins at `start`. A constant divides quicker.
#[inline]
fn cell_of(length: Length, start: u64, time: u64) -> usize {
    const HOUR: u64 = Length::Hour.us().unsigned_abs();
    const QUARTER: u64 = Length::Quarter.us().unsigned_abs();
    let since = time.wrapping_sub(start);
    let cell = match length {
        Length::Hour => since / HOUR,
        Length::Quarter => since / QUARTER,
    };
    usize::try_from(cell).unwrap_or(usize::MAX)
}

/// Counts a time, if it lies in one of the cells.
#[inline]
fn count_cell(length: Length, start: u64, counts: &mut [u32], time: u64) -> bool {
    match counts.get_mut(cell_of(length, start, time)) {
        Some(count) => {
            *count += 1;
            true
        }
        None => false,
    }
}

/// Counts so many times between these two, if all lie in one of the cells.
fn add_to_cell(
    length: Length,
    start: u64,
    counts: &mut [u32],
    (least, most): (u64, u64),
    count: u32,
) -> bool {
    let cell = cell_of(length, start, least);
    match counts.get_mut(cell) {
        Some(of_cell) if cell == cell_of(length, start, most) => {
            *of_cell += count;
            true
        }
        _ => false,
    }
}
