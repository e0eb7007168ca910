//! Counts of values and times.
//!
//! What matches is counted block by block of rows, in whichever order they stand: ordinals in an array, and values are looked
//! up once, at the end. Where all rows count over many blocks, they are counted as one *line*: the ordinals of a column stand
//! one behind the other, and whose they are does not matter. Rows with an instance that is kept as it is, and rows in which a
//! path leads to several columns, are counted by their events.
//!
//! What was counted over all rows of a log, or of all logs, is kept and found by the next one who asks, see `memory`.

use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;

use annals_event::filter::Field;

use self::counter::Counter;
use self::memory::{Counts, Kept, Key};
use self::times::{Length, Span, Times};
use crate::Damaged;
use crate::hits::order::Order;
use crate::hits::{Budget, Lane, Moment};
use crate::numbers::{Group, UNIT_LEN};
use crate::plan::known::coded;
use crate::plan::set::{each_bit_128, first};
use crate::plan::{Plan, Scratch};
use crate::segment::Segment;

mod counter;
pub(crate) mod memory;
mod stretches;
mod times;

pub use self::memory::BYTES_MAX as MEMORY_BYTES_MAX;

/// Most rows that are counted as one line.
const LINE_ROWS: usize = 64 * UNIT_LEN;

/// Fewer rows of a block are counted by themselves, unless there is no condition to leave out others.
const LINE_ROWS_MIN: u32 = 64;

/// Who is told what was counted.
pub trait TallySink {
    /// The stretch of time that is counted as one, around an instant in µs since 1970.
    fn stretch(&mut self, us: i64) -> Range<i64>;

    /// So many records happened in a stretch. May come again for the same.
    fn add_time(&mut self, stretch: &Range<i64>, records: u64);

    /// So many records have this value, as JSON, for a field: its place among those asked for. May come again for the same.
    fn add_value(&mut self, field: usize, json: &str, records: u64);

    /// So many records have no value for a field.
    fn add_missing(&mut self, field: usize, records: u64);

    /// So many records match.
    fn add_total(&mut self, records: u64);
}

/// Counting, on its way through one segment.
pub struct Tally {
    plan: Arc<Plan>,
    scratch: Scratch,
    order: Order,
    /// Rows with a number in the lane, rising.
    rows: Vec<Range<u32>>,
    bounds: Bounds,
    /// The next block.
    block: u32,
    /// Rows that follow each other and count, and are not counted yet.
    line: Range<u32>,
    /// Every row of the lane counts: whose they are, to keep what was counted.
    whole: Option<Whole>,
    fields: Vec<Counter>,
    times: Option<Times>,
    total: u64,
    is_begun: bool,
    /// Only times are counted, for the second time.
    is_again: bool,
    done: bool,
    group: Group,
    numbers: Box<[u64; UNIT_LEN]>,
}

/// Counts over all rows of a lane.
struct Whole {
    log: Option<u32>,
    fields: Vec<Field>,
}

/// Which moments count.
struct Bounds {
    low: Bound<Moment>,
    high: Bound<Moment>,
    /// Blocks whose times are all within these need no closer look; none where every time is in.
    times: Option<(u64, u64)>,
    /// Only numbers below this one, where there are others.
    size: Option<u64>,
    /// Only these rows or, over all logs, ranks: what the bounds say in an order of numbers.
    places: Option<Range<u64>>,
}

impl Tally {
    /// Counts the rows of a lane that satisfy a plan, whose moments lie within the bounds and whose numbers are below `size`:
    /// by the values of `fields`, and with `times` by when they happened.
    ///
    /// # Errors
    ///
    /// [`Damaged`] when what tells bounds or columns is not what was written.
    pub fn new(
        plan: &Arc<Plan>,
        lane: &Lane,
        low: Bound<Moment>,
        high: Bound<Moment>,
        size: u64,
        fields: &[Field],
        times: bool,
    ) -> Result<Self, Damaged> {
        let segment = plan.segment();
        let mut scratch = plan.scratch();
        let order = Order::new(segment, lane.clone());
        let by_number = matches!(lane, Lane::LogNumber(_) | Lane::AllNumber);
        let mut bounds = Bounds { low, high, times: None, size: None, places: None };
        let mut rows = Vec::new();
        let reach = if plan.is_never() { Reach::None } else { reach(&order, low, high, &mut scratch)? };
        if reach != Reach::None {
            if by_number {
                let places = order.places(low, high, size, &mut scratch.reader)?;
                bounds.places = (places != (0..order.len())).then_some(places);
            } else {
                bounds.size = order.exceeds(size)?.then_some(size);
                bounds.times = (reach == Reach::Some).then(|| inner(low, high));
            }
            rows = rows_of(plan, lane)?;
        }
        let is_whole = plan.is_all_there_is()
            && !rows.is_empty()
            && bounds.times.is_none()
            && bounds.size.is_none()
            && bounds.places.is_none();
        let whole = is_whole.then(|| Whole { log: log_of(lane), fields: fields.to_vec() });
        let known = |of| whole.as_ref().and_then(|whole| whole.find(segment, of));
        let counter = |field: &Field| match known(Counts::Values(field.clone())) {
            Some(Kept::Values(counted)) => Ok(Counter::known(counted)),
            _ => Counter::new(segment, field),
        };
        let cells = |length| match known(Counts::Times(length)) {
            Some(Kept::Times(cells)) => Some(cells),
            _ => None,
        };
        let span = if times && !rows.is_empty() { between(segment, lane)? } else { None };
        let span = span.map(|between| Span {
            between,
            rows: order.len(),
            is_kept: is_whole,
            known: Length::ALL.map(cells),
        });
        let all = rows.iter().map(|rows| u64::from(rows.end - rows.start) - plan.gone_in(rows)).sum();
        Ok(Self {
            fields: fields.iter().map(counter).collect::<Result<_, _>>()?,
            times: times.then(|| Times::of(span)),
            total: if is_whole { all } else { 0 },
            whole,
            plan: Arc::clone(plan),
            scratch,
            order,
            block: rows.first().map_or(0, |rows| rows.start / 128),
            line: 0..0,
            is_begun: false,
            is_again: false,
            done: rows.is_empty(),
            rows,
            bounds,
            group: Group::default(),
            numbers: Box::new([0; UNIT_LEN]),
        })
    }

    /// Counts on until the budget is spent, one block at least. True when all is counted; only then has the sink been told
    /// everything, values above all.
    ///
    /// # Errors
    ///
    /// [`Damaged`] when something on the way is not what was written. What the sink was told is of no use then.
    pub fn step(&mut self, sink: &mut dyn TallySink, budget: &mut Budget) -> Result<bool, Damaged> {
        /// What a block costs, and what it costs for each field.
        const BLOCK_WORK: u64 = 150;
        if let Some(times) = self.times.as_mut().filter(|_| !self.is_begun && !self.done) {
            times.begin(sink);
        }
        self.is_begun = true;
        while !self.done {
            let end =
                if self.is_known() { 0 } else { self.rows.last().map_or(0, |rows| rows.end.div_ceil(128)) };
            let Some(block) = self.plan.next_block(self.block, false).filter(|block| *block < end) else {
                self.finish(sink)?;
                if self.done { break } else { continue }
            };
            self.block = block + 1;
            let work = self.count(block, sink)?;
            budget.spend(work + BLOCK_WORK * (1 + self.fields.len() as u64));
            if budget.is_spent() && self.block < end {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// All that is asked was counted before.
    fn is_known(&self) -> bool {
        self.whole.is_some()
            && (self.is_again || self.fields.iter().all(Counter::is_known))
            && self.times.as_ref().is_none_or(Times::is_done)
    }

    /// Counts a block, and says what closer looks have cost.
    fn count(&mut self, block: u32, sink: &mut dyn TallySink) -> Result<u64, Damaged> {
        /// A record that is put together.
        const RECORD_WORK: u64 = 5_000;
        let mut wanted = self.wanted(block)?;
        if wanted == 0 {
            return Ok(0);
        }
        if self.plan.is_all_there_is() {
            wanted = self.within(block, self.plan.shown(block, wanted))?;
            self.add(block, wanted, sink)?;
            return Ok(0);
        }
        let mask = self.plan.mask_of(block, wanted, &mut self.scratch)?;
        wanted = mask.sure | mask.maybe;
        if wanted == 0 {
            return Ok(0);
        }
        wanted = self.within(block, wanted)?;
        let maybe = mask.maybe & wanted;
        let mut failed = Ok(());
        each_bit_128(maybe, |bit| {
            if failed.is_ok() {
                match self.plan.verify(block * 128 + bit, &mut self.scratch) {
                    Ok(true) => {}
                    Ok(false) => wanted &= !(1 << bit),
                    Err(error) => failed = Err(error),
                }
            }
        });
        failed?;
        self.add(block, wanted, sink)?;
        Ok(u64::from(maybe.count_ones()) * RECORD_WORK)
    }

    fn add(&mut self, block: u32, rows: u128, sink: &mut dyn TallySink) -> Result<(), Damaged> {
        let count = rows.count_ones();
        if count == 0 {
            return Ok(());
        }
        if self.whole.is_none() && !self.is_again {
            self.total += u64::from(count);
        }
        let start = rows.trailing_zeros();
        let is_line = rows >> start == first(count as usize);
        if is_line && (count >= LINE_ROWS_MIN || self.plan.is_all_there_is()) {
            let rows = block * 128 + start..block * 128 + start + count;
            if self.line.end != rows.start || self.line.len() >= LINE_ROWS {
                self.add_line(sink)?;
                self.line.start = rows.start;
            }
            self.line.end = rows.end;
            return Ok(());
        }
        // Rows are counted in their order.
        self.add_line(sink)?;
        for counter in self.fields.iter_mut().filter(|_| !self.is_again) {
            counter.add(block, rows, &mut self.scratch)?;
        }
        match &mut self.times {
            Some(times) => times.add(self.plan.segment(), block, rows, sink),
            None => Ok(()),
        }
    }

    /// Counts the line.
    fn add_line(&mut self, sink: &mut dyn TallySink) -> Result<(), Damaged> {
        let rows = std::mem::take(&mut self.line);
        if rows.is_empty() {
            return Ok(());
        }
        for counter in self.fields.iter_mut().filter(|_| !self.is_again) {
            counter.add_line(rows.clone(), &mut self.scratch)?;
        }
        match &mut self.times {
            Some(times) => times.add_line(self.plan.segment(), rows, sink),
            None => Ok(()),
        }
    }

    /// The lane's rows in a block.
    fn wanted(&self, block: u32) -> Result<u128, Damaged> {
        let (start, end) = (block.saturating_mul(128), block.saturating_mul(128).saturating_add(128));
        let mut wanted = 0;
        let from = self.rows.partition_point(|rows| rows.end <= start);
        for rows in self.rows[from..].iter().take_while(|rows| rows.start < end) {
            let (low, high) = (rows.start.max(start) - start, rows.end.min(end) - start);
            wanted |= first(high as usize) & !first(low as usize);
        }
        Ok(wanted)
    }

    /// Those of these rows whose moments count.
    fn within(&mut self, block: u32, rows: u128) -> Result<u128, Damaged> {
        let Bounds { times, size, places, .. } = &self.bounds;
        if times.is_none() && size.is_none() && places.is_none() {
            return Ok(rows);
        }
        let segment = Arc::clone(self.plan.segment());
        let (body, unit) = (segment.body(), u64::from(block));
        let mut rows = rows;
        if let Some(places) = &self.bounds.places {
            let mut kept = 0;
            match &self.order.lane {
                Lane::LogTime(log) | Lane::LogNumber(log) => {
                    let first_row = u64::from(log.rows.start);
                    each_bit_128(rows, |bit| {
                        let row = unit * 128 + u64::from(bit);
                        kept |= u128::from(row >= first_row && places.contains(&(row - first_row))) << bit;
                    });
                }
                Lane::AllTime | Lane::AllNumber => {
                    segment.footer().order.ranks.unit(body, unit, &mut self.numbers)?;
                    each_bit_128(rows, |bit| {
                        kept |= u128::from(places.contains(&self.numbers[bit as usize])) << bit
                    });
                }
            }
            rows &= kept;
        }
        let surely_in = match self.bounds.times {
            Some((low, high)) => {
                let happened = &segment.footer().known.happened;
                let (least, most) = happened.unit_bounds_of(&mut self.group, body, unit)?;
                if most < low || high < least {
                    return Ok(0);
                }
                low < least && most < high
            }
            None => true,
        };
        if (surely_in && self.bounds.size.is_none()) || rows == 0 {
            return Ok(rows);
        }
        let mut kept = 0;
        let mut failed = Ok(());
        if self.bounds.size.is_none() {
            // A time alone decides, unless it is that of a bound.
            let (low, high) = self.bounds.times.unwrap_or((0, u64::MAX));
            segment.footer().known.happened.unit_of(&mut self.group, body, unit, &mut self.numbers)?;
            let mut at_bound = 0;
            each_bit_128(rows, |bit| {
                let at = self.numbers[bit as usize];
                kept |= u128::from(low < at && at < high) << bit;
                at_bound |= u128::from(at == low || at == high) << bit;
            });
            rows &= at_bound;
        }
        each_bit_128(rows, |bit| match self.order.moment(block * 128 + bit, &mut self.scratch.reader) {
            Ok(Some(moment)) => {
                let counts = (self.bounds.low, self.bounds.high).contains(&moment)
                    && self.bounds.size.is_none_or(|size| moment.1 < size);
                kept |= u128::from(counts) << bit;
            }
            Ok(None) => {}
            Err(error) => failed = Err(error),
        });
        failed.map(|()| kept)
    }

    /// Tells what was counted. Not yet done when times have to be counted again.
    fn finish(&mut self, sink: &mut dyn TallySink) -> Result<(), Damaged> {
        self.add_line(sink)?;
        let segment = Arc::clone(self.plan.segment());
        if let Some(times) = &mut self.times {
            let cells = times.cells();
            if let (Some(whole), Some((length, cells))) = (&self.whole, &cells) {
                whole.keep(&segment, Counts::Times(*length), Kept::Times(Arc::clone(cells)));
            }
            if !times.finish(cells, sink) {
                self.block = self.rows.first().map_or(0, |rows| rows.start / 128);
                self.is_again = true;
                return Ok(());
            }
        }
        self.done = true;
        for (index, counter) in self.fields.iter_mut().enumerate() {
            let counted = counter.finish(index, &segment, sink)?;
            if let (Some(whole), Some(counted)) = (&self.whole, counted) {
                whole.keep(&segment, Counts::Values(whole.fields[index].clone()), Kept::Values(counted));
            }
        }
        sink.add_total(self.total);
        Ok(())
    }
}

impl Whole {
    fn key(&self, segment: &Segment, of: Counts) -> Key {
        Key { file: segment.number(), log: self.log, of }
    }

    fn find(&self, segment: &Segment, of: Counts) -> Option<Kept> {
        segment.body().tallies().find(&self.key(segment, of))
    }

    fn keep(&self, segment: &Segment, of: Counts, kept: Kept) {
        segment.body().tallies().keep(self.key(segment, of), kept);
    }
}

/// Which moments of a lane lie within bounds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    None,
    /// Or all, or none.
    Some,
    All,
}

/// Looks at the first and the last moment.
fn reach(
    order: &Order,
    low: Bound<Moment>,
    high: Bound<Moment>,
    scratch: &mut Scratch,
) -> Result<Reach, Damaged> {
    let Some(last) = order.len().checked_sub(1) else { return Ok(Reach::None) };
    if matches!((low, high), (Bound::Unbounded, Bound::Unbounded)) {
        return Ok(Reach::All);
    }
    let mut moment = |place| order.moment(order.row(place)?, &mut scratch.reader);
    let (Some(first), Some(last)) = (moment(0)?, moment(last)?) else { return Ok(Reach::Some) };
    let (is_after, is_before) = ((low, Bound::Unbounded), (Bound::Unbounded, high));
    Ok(if !is_after.contains(&last) || !is_before.contains(&first) {
        Reach::None
    } else if is_after.contains(&first) && is_before.contains(&last) {
        Reach::All
    } else {
        Reach::Some
    })
}

/// When the first and the last row of a lane happened.
fn between(segment: &Segment, lane: &Lane) -> Result<Option<(i64, i64)>, Damaged> {
    match lane {
        Lane::LogTime(log) | Lane::LogNumber(log) => segment.log_times(log).map(Some),
        Lane::AllTime | Lane::AllNumber => segment.all_times(),
    }
}

fn log_of(lane: &Lane) -> Option<u32> {
    match lane {
        Lane::LogTime(log) | Lane::LogNumber(log) => Some(log.index),
        Lane::AllTime | Lane::AllNumber => None,
    }
}

/// The blocks of rows that follow each other, and which of each one's they are.
fn blocks_of(rows: Range<u32>) -> impl Iterator<Item = (u32, Range<usize>)> {
    let (start, end) = (rows.start, rows.end);
    (start / 128..end.div_ceil(128)).map(move |block| {
        let in_block = |row: u32| row.saturating_sub(block * 128).min(128) as usize;
        (block, in_block(start)..in_block(end))
    })
}

/// Times, as they are stored, between which every moment is within the bounds, and beyond which none is.
fn inner(low: Bound<Moment>, high: Bound<Moment>) -> (u64, u64) {
    let low = match low {
        Bound::Unbounded => 0,
        Bound::Included((us, _)) | Bound::Excluded((us, _)) => coded(us),
    };
    let high = match high {
        Bound::Unbounded => u64::MAX,
        Bound::Included((us, _)) | Bound::Excluded((us, _)) => coded(us),
    };
    (low, high)
}

/// The rows that have a number in a lane.
fn rows_of(plan: &Plan, lane: &Lane) -> Result<Vec<Range<u32>>, Damaged> {
    let segment = plan.segment();
    if let Lane::LogTime(log) | Lane::LogNumber(log) = lane {
        return Ok(vec![log.rows.clone()]);
    }
    if segment.ranks() == u64::from(segment.rows()) {
        let all = 0..segment.rows();
        return Ok(if all.is_empty() { Vec::new() } else { vec![all] });
    }
    // Some have none, as those of access logs. Ranked rows, sorted, say which.
    let order = &segment.footer().order.rows;
    let mut ranked = Vec::new();
    order.range(segment.body(), 0..order.len(), &mut ranked)?;
    ranked.sort_unstable();
    let mut rows: Vec<Range<u32>> = Vec::new();
    for row in ranked {
        let row = segment.small(row)?;
        if row >= segment.rows() {
            return Err(segment.malformed("a ranked row that is not there"));
        }
        match rows.last_mut() {
            Some(last) if last.end == row => last.end = row + 1,
            _ => rows.push(row..row + 1),
        }
    }
    Ok(rows)
}
