//! Counts of values and times.
//!
//! What matches is counted block by block of rows, in whichever order they stand: ordinals in an array, and values are looked
//! up once, at the end. Rows with an instance that is kept as it is, and rows in which a path leads to several columns, are
//! counted by their events.

use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;

use annals_event::filter::Field;

use self::counter::Counter;
use self::stretches::Stretches;
use crate::Damaged;
use crate::hits::order::Order;
use crate::hits::{Budget, Lane, Moment};
use crate::numbers::UNIT_LEN;
use crate::plan::known::{coded, decoded};
use crate::plan::set::{each_bit_128, first};
use crate::plan::{Plan, Scratch};

mod counter;
mod stretches;

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
    fields: Vec<Counter>,
    times: bool,
    stretches: Stretches,
    total: u64,
    done: bool,
    numbers: Box<[u64; UNIT_LEN]>,
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
        let never = plan.is_never();
        let by_number = matches!(lane, Lane::LogNumber(_) | Lane::AllNumber);
        let unbounded = matches!((low, high), (Bound::Unbounded, Bound::Unbounded));
        let mut bounds = Bounds { low, high, times: None, size: None, places: None };
        let mut rows = Vec::new();
        if !never {
            if by_number {
                let places = order.places(low, high, size, &mut scratch.reader)?;
                bounds.places = (places != (0..order.len())).then_some(places);
            } else {
                bounds.size = order.exceeds(size)?.then_some(size);
                bounds.times = (!unbounded).then(|| inner(low, high));
            }
            rows = rows_of(plan, lane)?;
        }
        Ok(Self {
            fields: fields.iter().map(|field| Counter::new(segment, field)).collect::<Result<_, _>>()?,
            plan: Arc::clone(plan),
            scratch,
            order,
            block: rows.first().map_or(0, |rows| rows.start / 128),
            done: rows.is_empty(),
            rows,
            bounds,
            times,
            stretches: Stretches::new(),
            total: 0,
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
        const BLOCK_WORK: u64 = 300;
        while !self.done {
            let end = self.rows.last().map_or(0, |rows| rows.end.div_ceil(128));
            let Some(block) = self.plan.next_block(self.block, false).filter(|block| *block < end) else {
                self.finish(sink)?;
                break;
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

    /// Counts a block, and says what closer looks have cost.
    fn count(&mut self, block: u32, sink: &mut dyn TallySink) -> Result<u64, Damaged> {
        /// A record that is put together.
        const RECORD_WORK: u64 = 5_000;
        let mut wanted = self.wanted(block)?;
        if wanted == 0 {
            return Ok(0);
        }
        if !self.plan.is_always() {
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
            return Ok(u64::from(maybe.count_ones()) * RECORD_WORK);
        }
        wanted = self.within(block, wanted)?;
        self.add(block, wanted, sink)?;
        Ok(0)
    }

    fn add(&mut self, block: u32, rows: u128, sink: &mut dyn TallySink) -> Result<(), Damaged> {
        if rows == 0 {
            return Ok(());
        }
        self.total += u64::from(rows.count_ones());
        for counter in &mut self.fields {
            counter.add(block, rows, &mut self.scratch)?;
        }
        if self.times { self.add_times(block, rows, sink) } else { Ok(()) }
    }

    fn add_times(&mut self, block: u32, rows: u128, sink: &mut dyn TallySink) -> Result<(), Damaged> {
        let segment = self.plan.segment();
        let happened = &segment.footer().known.happened;
        let (least, most) = happened.unit_bounds(segment.body(), u64::from(block))?;
        // The bounds are of all rows of the block; where some do not count, so may not the stretch of a bound.
        if rows == u128::MAX
            && self.stretches.add_all(decoded(least), decoded(most), u64::from(rows.count_ones()), sink)
        {
            return Ok(());
        }
        happened.unit(segment.body(), u64::from(block), &mut self.numbers)?;
        each_bit_128(rows, |bit| self.stretches.add(decoded(self.numbers[bit as usize]), sink));
        Ok(())
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
                let (least, most) = segment.footer().known.happened.unit_bounds(body, unit)?;
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
            segment.footer().known.happened.unit(body, unit, &mut self.numbers)?;
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

    fn finish(&mut self, sink: &mut dyn TallySink) -> Result<(), Damaged> {
        self.done = true;
        self.stretches.finish(sink);
        for (index, counter) in self.fields.iter_mut().enumerate() {
            counter.finish(index, &mut self.scratch, sink)?;
        }
        sink.add_total(self.total);
        Ok(())
    }
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
