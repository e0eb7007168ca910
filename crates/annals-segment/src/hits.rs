//! Rows that satisfy a plan, in the order asked for.
//!
//! How it walks depends on the order and on what the plan knows:
//!
//! * Where the order is that of the rows, block by block, passing over those that the plan rules out.
//! * Where the plan leaves few blocks, these are looked at first, and what is found is sorted.
//! * Else through the order, 128 places at a time, with the masks of the blocks that their rows stand in, each worked out once.
//!   Where columns alone decide and nothing was found for a while, what is left is looked at block by block as well, which
//!   costs a fraction of going through the order; unless that finds more than is worth sorting.

use std::collections::VecDeque;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;

use crate::Damaged;
use crate::plan::set::{each_bit_128, first};
use crate::plan::{Mask, Plan, Scratch};
use crate::segment::LogRows;

pub(crate) mod order;

use order::Order;

/// A row's place in an order: when it happened in µs since 1970, or 0 in an order of numbers; then its number, which is its
/// position, or over all tenants its ledger number.
pub type Moment = (i64, u64);

/// Which rows, and in which order.
#[derive(Clone, Debug)]
pub enum Lane {
    /// Rows of a log by the time they happened, then by position.
    LogTime(LogRows),
    /// Rows of a log by position.
    LogNumber(LogRows),
    /// Rows with a ledger number by the time they happened, then by ledger number.
    AllTime,
    /// Rows with a ledger number by that.
    AllNumber,
}

/// How much work may be done before the caller wants to look at the clock: about a unit a ns.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    left: u64,
}

/// What a row costs that is looked at in columns.
const ROW_WORK: u64 = 4;
/// What the place of a row in the order costs.
const MOMENT_WORK: u64 = 50;
/// What a row costs whose event is put together and parsed.
const VERIFY_WORK: u64 = 5_000;

impl Budget {
    /// So much work.
    #[must_use]
    pub const fn new(work: u64) -> Self {
        Self { left: work }
    }

    /// Takes off what was done.
    pub fn spend(&mut self, work: u64) {
        self.left = self.left.saturating_sub(work);
    }

    /// Nothing is left.
    #[must_use]
    pub const fn is_spent(&self) -> bool {
        self.left == 0
    }
}

/// What came next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A row that matches.
    Hit {
        /// The row.
        row: u32,
        /// Its place in the order.
        moment: Moment,
    },
    /// The budget is spent. At least one more row was looked at, so whoever goes on with this walk gets ahead. Where blocks are
    /// looked at before anything is given, [`Hits::reached`] stays where it was until all are.
    Spent,
    /// There are no more.
    End,
}

/// A walk over the rows of one segment that satisfy a plan.
pub struct Hits {
    plan: Arc<Plan>,
    scratch: Scratch,
    order: Order,
    falling: bool,
    /// Numbers from this one on are left out, where the order is one of times.
    size: Option<u64>,
    /// Places that were not looked at yet.
    places: Range<u64>,
    way: Way,
    /// What was found and not given yet, in the order of the walk.
    found: VecDeque<Found>,
    /// The last row that was found and given up, after `reached`.
    passed: Option<u32>,
    /// The last row that was looked at to find what is in `found`: reached when that is empty.
    end: Option<u32>,
    reached: Option<Moment>,
    rows: Vec<u32>,
}

enum Way {
    /// Places are rows, from this one on.
    Straight { first: u32 },
    /// All blocks that can match are looked at before anything is given.
    Gather(Gathering),
    /// Through the order.
    Through(Through),
}

struct Through {
    bounds: Bounds,
    /// Which blocks can match.
    candidates: Option<Box<[u64]>>,
    /// Per block the rows that were looked at and their masks.
    looked: Vec<Looked>,
    /// For how many groups nothing was found.
    dry: u32,
    /// Looking at blocks instead was tried, and found too much.
    stays: bool,
}

/// Moments within which rows are wanted, and below which number.
#[derive(Clone, Copy)]
struct Bounds {
    low: Bound<Moment>,
    high: Bound<Moment>,
    size: u64,
}

struct Gathering {
    bounds: Bounds,
    /// The rest: of the plan's blocks, or of all where it names none.
    blocks: Range<usize>,
    found: Vec<(Moment, Found)>,
}

/// Groups of the order in which nothing is found before blocks are looked at instead.
const DRY_GROUPS: u32 = 32;

/// So many blocks at most are looked at for each group of the order that is left.
const BLOCKS_A_GROUP: u64 = 4;

/// Rows that are sorted at most; with more the walk goes through the order.
const GATHERED_ROWS_MAX: usize = 1 << 16;

/// Blocks that are looked at between two looks at the budget.
const GATHERED_AT_ONCE: usize = 64;

/// Rows of a block.
#[derive(Clone, Copy, Default)]
struct Looked {
    /// They are wanted next.
    wanted: u128,
    /// They were looked at.
    seen: u128,
    mask: Mask,
}

#[derive(Clone, Copy)]
struct Found {
    row: u32,
    maybe: bool,
}

impl Hits {
    /// A walk over the rows of a lane whose moments lie within the bounds, and whose numbers are below `size`. Of a plan that
    /// [is never met](Plan::is_never) it is empty; whoever asks many segments asks for that first, as it costs nothing.
    ///
    /// # Errors
    ///
    /// [`Damaged`] when what tells the order is not what was written.
    pub fn new(
        plan: &Arc<Plan>,
        lane: Lane,
        falling: bool,
        low: Bound<Moment>,
        high: Bound<Moment>,
        size: u64,
    ) -> Result<Self, Damaged> {
        let mut hits = Self {
            plan: Arc::clone(plan),
            scratch: plan.scratch(),
            order: Order::new(plan.segment(), lane),
            falling,
            size: None,
            places: 0..0,
            way: Way::Straight { first: 0 },
            found: VecDeque::new(),
            passed: None,
            end: None,
            reached: None,
            rows: Vec::new(),
        };
        if plan.is_never() {
            return Ok(hits);
        }
        hits.places = hits.order.places(low, high, size, &mut hits.scratch.reader)?;
        if !hits.places.is_empty() {
            hits.size = hits.order.exceeds(size)?.then_some(size);
            hits.way = hits.way(Bounds { low, high, size })?;
        }
        Ok(hits)
    }

    fn way(&self, bounds: Bounds) -> Result<Way, Damaged> {
        /// So many blocks are always looked at first,
        const GATHERED_MIN: u64 = 8;
        /// more of them only where they are so few of those on the way,
        const GATHERED_PART: u64 = 16;
        /// and never more than this, as nothing is reached before all are looked at.
        const GATHERED_MAX: u64 = 2_048;
        if let (Lane::LogTime(log) | Lane::LogNumber(log), true) =
            (&self.order.lane, self.order.is_straight()?)
        {
            return Ok(Way::Straight { first: log.rows.start });
        }
        let way = (self.places.end - self.places.start).div_ceil(128);
        if let Some(blocks) = self.plan.blocks() {
            let blocks = blocks.len() as u64;
            if blocks <= GATHERED_MIN || blocks <= GATHERED_MAX.min(way / GATHERED_PART) {
                return Ok(Way::Gather(self.gathering(bounds)));
            }
        }
        Ok(Way::Through(self.through(bounds)))
    }

    fn through(&self, bounds: Bounds) -> Through {
        let count = self.plan.segment().rows().div_ceil(128);
        let words = count.div_ceil(64) as usize;
        let candidates = self.plan.blocks().map(|blocks| {
            let mut bits = vec![0_u64; words];
            for block in blocks {
                if let Some(word) = bits.get_mut((block >> 6) as usize) {
                    *word |= 1 << (block & 63);
                }
            }
            bits.into()
        });
        let looked = vec![Looked::default(); count as usize];
        Through { bounds, candidates, looked, dry: 0, stays: false }
    }

    /// The blocks of the lane's rows in which the plan can hold.
    fn gathering(&self, bounds: Bounds) -> Gathering {
        let rows = self.lane_rows();
        let of_rows = rows.start / 128..rows.end.div_ceil(128);
        let blocks = match self.plan.blocks() {
            Some(blocks) => {
                let before = |bound| blocks.partition_point(|block| *block < bound);
                before(of_rows.start)..before(of_rows.end)
            }
            None => of_rows.start as usize..of_rows.end as usize,
        };
        Gathering { bounds, blocks, found: Vec::new() }
    }

    /// Rows among which those of the lane are.
    fn lane_rows(&self) -> Range<u32> {
        match &self.order.lane {
            Lane::LogTime(log) | Lane::LogNumber(log) => log.rows.clone(),
            Lane::AllTime | Lane::AllNumber => 0..self.plan.segment().rows(),
        }
    }

    /// The next row that matches.
    ///
    /// # Errors
    ///
    /// [`Damaged`] when something on the way is not what was written. The walk cannot go on then.
    pub fn next(&mut self, budget: &mut Budget) -> Result<Step, Damaged> {
        let mut worked = false;
        loop {
            if worked && budget.is_spent() {
                let end = if self.found.is_empty() { self.end.take() } else { None };
                if let Some(row) = end.or(self.passed.take()) {
                    self.reached = self.order.moment(row, &mut self.scratch.reader)?.or(self.reached);
                }
                return Ok(Step::Spent);
            }
            if let Some(found) = self.found.pop_front() {
                worked = true;
                budget.spend(ROW_WORK);
                let moment = self.order.moment(found.row, &mut self.scratch.reader)?;
                let Some(moment) = moment.filter(|moment| self.size.is_none_or(|size| moment.1 < size))
                else {
                    self.passed = Some(found.row);
                    continue;
                };
                if found.maybe {
                    budget.spend(VERIFY_WORK);
                    if !self.plan.verify(found.row, &mut self.scratch)? {
                        self.passed = Some(found.row);
                        continue;
                    }
                }
                (self.passed, self.reached) = (None, Some(moment));
                return Ok(Step::Hit { row: found.row, moment });
            }
            if self.places.is_empty() {
                return Ok(Step::End);
            }
            self.look(budget)?;
            self.leave_order()?;
            worked = true;
        }
    }

    /// Passes over rows that match, in whole groups, while these are surely no more than `max` and all come before `until`. Says
    /// how many they are; none when what comes next must be asked for by [`Hits::next`]. No row is read, and few are looked at.
    ///
    /// # Errors
    ///
    /// As [`Hits::next`].
    pub fn pass_over(
        &mut self,
        max: u64,
        until: Option<Moment>,
        budget: &mut Budget,
    ) -> Result<u64, Damaged> {
        let is_of_log = matches!(self.order.lane, Lane::LogTime(_) | Lane::LogNumber(_));
        // Rows beyond a size, and those without a ledger number, are told apart one by one.
        if self.size.is_some() || !is_of_log {
            return Ok(0);
        }
        let mut count = 0;
        loop {
            if self.found.is_empty() {
                if self.places.is_empty() || budget.is_spent() {
                    return Ok(count);
                }
                self.look(budget)?;
            }
            let rows = self.found.len() as u64;
            if rows == 0 {
                continue;
            }
            let Some(end) = self.end.filter(|_| rows <= max - count) else { return Ok(count) };
            if self.found.iter().any(|found| found.maybe) {
                return Ok(count);
            }
            let Some(end) = self.order.moment(end, &mut self.scratch.reader)? else { return Ok(count) };
            let is_before = |until| if self.falling { end > until } else { end < until };
            if !until.is_none_or(is_before) {
                return Ok(count);
            }
            budget.spend(ROW_WORK);
            self.found.clear();
            (self.passed, self.end, self.reached) = (None, None, Some(end));
            count += rows;
        }
    }

    /// The moment up to which, in the direction of the walk, every row was looked at, whether or not it matched; none before
    /// the first. Whoever starts again there misses nothing.
    #[must_use]
    pub fn reached(&self) -> Option<Moment> {
        self.reached
    }

    /// Looks at the next rows.
    fn look(&mut self, budget: &mut Budget) -> Result<(), Damaged> {
        match &self.way {
            Way::Straight { first } => {
                let first = *first;
                self.look_straight(first, budget)
            }
            Way::Gather(_) => self.gather(budget),
            Way::Through(_) => self.look_through(budget),
        }
    }

    fn look_straight(&mut self, first_row: u32, budget: &mut Budget) -> Result<(), Damaged> {
        let segment = self.plan.segment();
        let rows =
            first_row + segment.small(self.places.start)?..first_row + segment.small(self.places.end)?;
        let next = if self.falling { rows.end - 1 } else { rows.start };
        let block = self.plan.next_block(next / 128, self.falling);
        let block = block.filter(|block| block * 128 < rows.end && (block + 1) * 128 > rows.start);
        let Some(block) = block else {
            self.places = 0..0;
            return Ok(());
        };
        let within = rows.start.max(block * 128)..rows.end.min((block + 1) * 128);
        let wanted =
            first((within.end - block * 128) as usize) & !first((within.start - block * 128) as usize);
        let mask = self.plan.mask_of(block, wanted, &mut self.scratch)?;
        budget.spend(ROW_WORK * 128);
        self.push(block, mask);
        if self.falling {
            self.places.end = u64::from(within.start - first_row);
            self.end = Some(within.start);
        } else {
            self.places.start = u64::from(within.end - first_row);
            self.end = Some(within.end - 1);
        }
        Ok(())
    }

    /// Rows of a block that match, in the order of rows.
    fn push(&mut self, block: u32, mask: Mask) {
        let start = self.found.len();
        each_bit_128(mask.sure | mask.maybe, |bit| {
            self.found.push_back(Found { row: block * 128 + bit, maybe: mask.maybe >> bit & 1 == 1 });
        });
        if self.falling {
            self.found.make_contiguous()[start..].reverse();
        }
    }

    /// Looks at the next blocks; when they were the last, what was found is sorted and ready.
    fn gather(&mut self, budget: &mut Budget) -> Result<(), Damaged> {
        let plan = Arc::clone(&self.plan);
        let lane_rows = self.lane_rows();
        let Way::Gather(gathering) = &mut self.way else { unreachable!("the caller saw which way it is") };
        let Gathering { bounds, blocks, found } = gathering;
        for index in blocks.by_ref().take(GATHERED_AT_ONCE) {
            let block = match plan.blocks() {
                Some(blocks) => blocks[index],
                None => self.order.segment().small(index as u64)?,
            };
            let start = block.saturating_mul(128);
            let within = lane_rows.start.max(start)..lane_rows.end.min(start.saturating_add(128));
            if within.is_empty() {
                continue;
            }
            let wanted = first((within.end - start) as usize) & !first((within.start - start) as usize);
            let mask = plan.mask_of(block, wanted, &mut self.scratch)?;
            budget.spend(ROW_WORK * 128);
            let mut failed = Ok(());
            each_bit_128(mask.sure | mask.maybe, |bit| {
                let row = Found { row: start + bit, maybe: mask.maybe >> bit & 1 == 1 };
                budget.spend(MOMENT_WORK);
                match self.order.moment(row.row, &mut self.scratch.reader) {
                    Ok(Some(moment)) if bounds.has(moment) => found.push((moment, row)),
                    Ok(_) => {}
                    Err(damaged) => failed = Err(damaged),
                }
            });
            failed?;
        }
        if found.len() > GATHERED_ROWS_MAX {
            let bounds = *bounds;
            self.way = Way::Through(Through { stays: true, ..self.through(bounds) });
        } else if blocks.start == blocks.end {
            self.places = 0..0;
            found.sort_unstable_by_key(|(moment, _)| *moment);
            if self.falling {
                found.reverse();
            }
            self.found.extend(found.drain(..).map(|(_, found)| found));
            self.end = self.found.back().map(|found| found.row);
        }
        Ok(())
    }

    /// From going through the order to looking at blocks, where nothing was found for a while and enough is left. Who passes over
    /// rows does not: what is reached then must not lie behind what was counted, as other segments go on from there.
    fn leave_order(&mut self) -> Result<(), Damaged> {
        let Way::Through(through) = &self.way else { return Ok(()) };
        if through.dry < DRY_GROUPS || through.stays || !self.plan.is_light() {
            return Ok(());
        }
        let Some(end) = self.end else { return Ok(()) };
        let Some(moment) = self.order.moment(end, &mut self.scratch.reader)? else { return Ok(()) };
        let mut bounds = through.bounds;
        let behind = if self.falling { &mut bounds.high } else { &mut bounds.low };
        *behind = Bound::Excluded(moment);
        let gathering = self.gathering(bounds);
        let groups = (self.places.end - self.places.start).div_ceil(128);
        if gathering.blocks.len() as u64 <= groups * BLOCKS_A_GROUP {
            (self.end, self.reached) = (None, Some(moment));
            self.way = Way::Gather(gathering);
        }
        Ok(())
    }

    fn look_through(&mut self, budget: &mut Budget) -> Result<(), Damaged> {
        let next = if self.falling { self.places.end - 1 } else { self.places.start };
        let group = self.order.group(next);
        let of_group = self.order.places_of(group);
        let places = of_group.start.max(self.places.start)..of_group.end.min(self.places.end);
        if places.is_empty() {
            return Err(self.plan.segment().malformed("an order without places"));
        }
        if self.falling {
            self.places.end = places.start;
        } else {
            self.places.start = places.end;
        }
        budget.spend(ROW_WORK * (places.end - places.start));
        if let (Some(rows), Way::Through(Through { candidates: Some(candidates), .. })) =
            (self.order.rows_in_line(group)?, &self.way)
            && !(rows.start / 128..rows.end.div_ceil(128)).any(|block| has(candidates, block))
        {
            let last = if self.falling { places.start } else { places.end - 1 };
            let last = self.plan.segment().small(last - of_group.start)?;
            self.end = Some(rows.start + last);
            self.count_dry(true);
            return Ok(());
        }
        let mut rows = std::mem::take(&mut self.rows);
        self.order.rows(group, &mut rows)?;
        let (from, to) = (places.start - of_group.start, places.end - of_group.start);
        let part = rows.get(usize::try_from(from).unwrap_or(0)..usize::try_from(to).unwrap_or(0));
        let part = part.ok_or_else(|| self.plan.segment().malformed("an order that ends early"))?;
        let start = self.found.len();
        let Way::Through(Through { candidates, looked, .. }) = &mut self.way else {
            unreachable!("the caller saw which way it is")
        };
        let can_match = |block| candidates.as_ref().is_none_or(|candidates| has(candidates, block));
        // Where each row has a price, only these are looked at; else all of their blocks.
        let is_light = self.plan.is_light();
        for row in part.iter().filter(|row| can_match(*row / 128)) {
            looked[(row / 128) as usize].wanted |= if is_light { u128::MAX } else { 1 << (row % 128) };
        }
        for row in part.iter().filter(|row| can_match(*row / 128)) {
            let (block, bit) = (row / 128, row % 128);
            let of = &mut looked[block as usize];
            let wanted = of.wanted & !of.seen;
            if wanted != 0 {
                let mask = self.plan.mask_of(block, wanted, &mut self.scratch)?;
                of.mask.sure |= mask.sure;
                of.mask.maybe |= mask.maybe;
                of.seen |= wanted;
                budget.spend(ROW_WORK * u64::from(wanted.count_ones()));
            }
            if (of.mask.sure | of.mask.maybe) >> bit & 1 == 1 {
                self.found.push_back(Found { row: *row, maybe: of.mask.maybe >> bit & 1 == 1 });
            }
        }
        self.end = if self.falling { part.first() } else { part.last() }.copied();
        if self.falling {
            self.found.make_contiguous()[start..].reverse();
        }
        self.rows = rows;
        self.count_dry(self.found.is_empty());
        Ok(())
    }

    fn count_dry(&mut self, is_dry: bool) {
        if let Way::Through(through) = &mut self.way {
            through.dry = if is_dry { through.dry + 1 } else { 0 };
        }
    }
}

impl Bounds {
    fn has(&self, moment: Moment) -> bool {
        (self.low, self.high).contains(&moment) && moment.1 < self.size
    }
}

fn has(bits: &[u64], bit: u32) -> bool {
    bits.get((bit >> 6) as usize).is_some_and(|word| word >> (bit & 63) & 1 == 1)
}
