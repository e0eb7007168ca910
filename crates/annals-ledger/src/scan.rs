//! Walking over the records of a scope that satisfy a condition, each once, in an order, while others are added.
//!
//! Segments find what satisfies the condition by themselves. The records of the tail are fetched a few hundred at a time, while
//! the state is held: those that their marks or a look at their bytes rule out are left out at once, the others are looked at
//! closely when the state is let go. Whatever a condition costs, writers wait for some 100 µs. What is found in segments and in the
//! tail is merged by its place in the order.
//!
//! When a tail is sealed, or segments are merged, the walk begins anew behind the place that it has reached.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use annals_event::filter::{Comparison, Condition, Field, Literal, Matcher, Test};
use annals_event::json::Document;
use annals_event::{Extra, LedgerSeq, Operation, Timestamp, render_onto};
use annals_segment::Damaged;
use annals_segment::hits::{Budget, Hits, Lane as Rows, Step};
use annals_segment::plan::Plan;
use annals_segment::segment::{Reader, Segment};
use annals_tree::EntryKind;

use crate::batch::LogKind;
use crate::read::FeedScope;
use crate::record::{Record, erased_by};
use crate::sealed::{Part, record_of, time};
use crate::state::State;
use crate::times::Moment;

mod gather;
mod keeping;
mod tails;

pub(crate) use self::gather::gather;
pub(crate) use self::tails::known;
use self::tails::{FETCHED_AT_FIRST, Sifted};

/// Work in a segment, about ns, between two looks at the clock.
const WORK_AT_ONCE: u64 = 50_000;

/// What making a condition ready for a segment costs, as if it were so many bytes to look at.
const BYTES_OF_OPENING: usize = 4 << 10;

/// What finding a row in a segment costs, as if it were so many bytes to look at.
const BYTES_OF_A_HIT: usize = 128;

/// By what records are walked over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// By the time they occurred, then by number.
    Time,
    /// By number: position, or over all tenants ledger number.
    Number,
}

/// A walk on its way. Its place is kept as a moment, which no later record moves.
pub(crate) struct Scan {
    scope: FeedScope,
    lane: Lane,
    falling: bool,
    matcher: Arc<Matcher>,
    /// Leaves out what annals itself has written.
    sent_only: bool,
    /// What annals knows beside events tells whether they satisfy the condition.
    is_known: bool,
    low: Bound<Moment>,
    high: Bound<Moment>,
    /// Only numbers below this one.
    size: u64,
    /// Looks at segments too.
    deep: bool,
    /// The arrangement of segments and tails it was begun on.
    epoch: Option<u64>,
    /// Segments, in the order in which they are looked at, the ended ones among them.
    walks: Vec<Walk>,
    /// Those that have not ended, the one in front that may have what comes next.
    due: BinaryHeap<Reverse<Due>>,
    /// The next records of the tail, in order.
    fetched: VecDeque<Fetched>,
    /// Records of the tail that are fetched next time.
    fetched_next: usize,
    /// What marks tell of the tails; it is made when they are fetched first.
    sifted: Sifted,
    /// How far the tail is fetched.
    tail_fetched: Option<Moment>,
    /// There is nothing in the tail after what is fetched.
    tail_ended: bool,
    /// It goes on after this place.
    began: Option<Moment>,
    /// The last place that was looked at.
    reached: Option<Moment>,
    document: Document,
}

/// When a walk is next: what it may have comes at the earliest so, in the order of the scan; first those of which that is not known.
/// Then its index.
type Due = (Option<(i64, u64)>, usize);

/// The way through one segment.
struct Walk {
    part: Arc<Part>,
    hits: Option<Box<Hits>>,
    /// What it has found and not yet given.
    head: Option<(u32, Moment)>,
    /// Up to here it has nothing but what it gave; none where nothing is known of it.
    edge: Option<Moment>,
}

/// What was fetched of the tail.
struct Fetched {
    moment: Moment,
    /// A record to look at closely; none where all since the one before were ruled out.
    record: Option<Record>,
    bytes: usize,
}

/// Where what comes next must be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Among what is fetched of the tail.
    Tail,
    /// In this segment.
    Walk(usize),
    /// The tail must be fetched first.
    Fetch,
    /// There is nothing more.
    End,
}

/// What comes next.
pub(crate) enum Next {
    /// This record.
    Found(Passed),
    /// So much was looked at, about bytes, and nothing was found.
    Looked(usize),
    /// More must be fetched first.
    Fetch,
}

/// One record on the way that satisfies the condition.
pub(crate) struct Passed {
    /// Position, or over all tenants ledger number.
    pub(crate) number: u64,
    from: From,
}

enum From {
    /// It shares the ledger's bytes.
    Tail(Record),
    /// Read when it is needed.
    Sealed { part: Arc<Part>, row: u32 },
}

/// Work that looks at records one by one, and holds the state only while it fetches them.
pub(crate) trait Work {
    /// Fetches what is to be looked at next. False when there is nothing left to do.
    ///
    /// # Errors
    ///
    /// A segment cannot be read.
    fn fetch(&mut self, state: &State) -> Result<bool, Damaged>;

    /// Whether who goes on where this ends gets ahead.
    fn is_ahead(&self) -> bool;

    /// Looks at some and says at how many bytes; none when more must be fetched first.
    ///
    /// # Errors
    ///
    /// A segment cannot be read.
    fn look(&mut self) -> Result<Option<usize>, Damaged>;
}

impl Scan {
    /// A walk by time over what satisfies a condition, which bounds it where it bounds times.
    pub(crate) fn by_time(
        scope: &FeedScope,
        matcher: &Arc<Matcher>,
        sent_only: bool,
        falling: bool,
        size: u64,
    ) -> Self {
        let mut scan = Self::new(scope, Lane::Time, matcher, sent_only, falling, size);
        let (from, to) = times_of(matcher.condition(), &Field::OccurredAt);
        scan.low = from.map_or(Bound::Unbounded, |us| Bound::Included((us, 0)));
        scan.high = to.map_or(Bound::Unbounded, |us| Bound::Included((us, u64::MAX)));
        scan
    }

    /// A walk by number over what satisfies a condition.
    pub(crate) fn by_number(
        scope: &FeedScope,
        matcher: &Arc<Matcher>,
        sent_only: bool,
        falling: bool,
        size: u64,
    ) -> Self {
        Self::new(scope, Lane::Number, matcher, sent_only, falling, size)
    }

    fn new(
        scope: &FeedScope,
        lane: Lane,
        matcher: &Arc<Matcher>,
        sent_only: bool,
        falling: bool,
        size: u64,
    ) -> Self {
        Self {
            scope: scope.clone(),
            lane,
            falling,
            matcher: matcher.clone(),
            sent_only,
            is_known: is_known(matcher.condition()),
            low: Bound::Unbounded,
            high: Bound::Unbounded,
            size,
            deep: true,
            epoch: None,
            walks: Vec::new(),
            due: BinaryHeap::new(),
            fetched: VecDeque::new(),
            fetched_next: FETCHED_AT_FIRST,
            sifted: Sifted::Not,
            tail_fetched: None,
            tail_ended: false,
            began: None,
            reached: None,
            document: Document::default(),
        }
    }

    /// Only over the tail.
    pub(crate) fn of_tail(mut self) -> Self {
        self.deep = false;
        self
    }

    /// Goes on after this moment; in a walk by number its time is 0.
    pub(crate) fn after(&mut self, moment: Moment) {
        self.began = Some(moment);
        self.narrow(moment);
    }

    fn narrow(&mut self, moment: Moment) {
        (self.low, self.high) = self.beyond(Some(moment));
    }

    /// The bounds of what comes after a moment.
    fn beyond(&self, moment: Option<Moment>) -> (Bound<Moment>, Bound<Moment>) {
        let (mut low, mut high) = (self.low, self.high);
        let Some(moment) = moment else { return (low, high) };
        let (bound, is_narrower): (_, fn(Moment, Moment) -> bool) =
            if self.falling { (&mut high, |new, old| new <= old) } else { (&mut low, |new, old| new >= old) };
        let keeps = match *bound {
            Bound::Unbounded => false,
            Bound::Included(old) | Bound::Excluded(old) => !is_narrower(moment, old),
        };
        if !keeps {
            *bound = Bound::Excluded(moment);
        }
        (low, high)
    }

    /// The moment up to which everything was looked at, whether or not there was something to show; none before the first.
    pub(crate) fn reached(&self) -> Option<Moment> {
        // Where a segment was looked through and nothing was found, the walk is further than what it gave last.
        let behind = match self.turn() {
            Turn::Walk(index) => self.walks[index].edge,
            _ => None,
        };
        let reached = match (self.reached, behind) {
            (Some(reached), Some(behind)) if self.comes_before(reached, behind) => Some(behind),
            (reached, behind) => reached.or(behind),
        };
        // Before a segment was looked at, all that is known of it may be that it has nothing before the place where the walk began.
        reached.filter(|reached| self.began.is_none_or(|began| self.comes_before(began, *reached)))
    }

    /// Whether everything was looked at.
    pub(crate) fn has_ended(&self) -> bool {
        self.turn() == Turn::End
    }

    /// The arrangement of segments and tails that it walks over.
    pub(crate) fn epoch(&self) -> Option<u64> {
        self.epoch
    }

    /// The next record that satisfies the condition, or what there is to do before.
    pub(crate) fn next(&mut self) -> Result<Next, Damaged> {
        match self.turn() {
            Turn::Fetch | Turn::End => Ok(Next::Fetch),
            Turn::Tail => Ok(self.pass()),
            Turn::Walk(index) => {
                // The turn is that of the one in front.
                self.due.pop();
                let (next, is_on) = self.step(index)?;
                if is_on {
                    self.is_due(index);
                }
                Ok(next)
            }
        }
    }

    /// Passes over records that satisfy the condition, while these are surely no more than `max`. Says how many they are; none when
    /// what comes next must be asked for by [`Scan::next`]. Only where a segment has a stretch of the order to itself.
    pub(crate) fn pass_over(&mut self, max: u64) -> Result<u64, Damaged> {
        let Turn::Walk(index) = self.turn() else { return Ok(0) };
        let until = match self.lane {
            // Segments follow each other.
            Lane::Number => None,
            Lane::Time => {
                self.due.pop();
                let next = self.first_walk();
                self.is_due(index);
                let tail = self.fetched.front().map(|fetched| fetched.moment);
                match (next, tail) {
                    // What comes next in another segment is not known yet.
                    (Some((_, None)), _) => return Ok(0),
                    (Some((_, Some(walk))), Some(tail)) if self.comes_before(tail, walk) => Some(tail),
                    (Some((_, Some(walk))), _) => Some(walk),
                    (None, tail) => tail,
                }
            }
        };
        // What was found and not given yet comes first.
        let head = self.walks[index].head.map(|(_, moment)| moment);
        if head.is_some_and(|head| max == 0 || until.is_some_and(|until| !self.comes_before(head, until))) {
            return Ok(0);
        }
        let walk = &mut self.walks[index];
        let Some(hits) = walk.hits.as_mut() else { return Ok(0) };
        let first = u64::from(walk.head.take().is_some());
        let passed = first + hits.pass_over(max - first, until, &mut Budget::new(WORK_AT_ONCE))?;
        if passed > 0 {
            walk.edge = if passed > first { hits.reached() } else { head };
            self.reached = walk.edge;
            // Its place among those that are due is another now.
            self.due.pop();
            self.is_due(index);
        }
        Ok(passed)
    }

    /// A walk has not ended.
    fn is_due(&mut self, index: usize) {
        let walk = &self.walks[index];
        let moment = match self.lane {
            // Segments follow each other.
            Lane::Number => None,
            Lane::Time => walk.head.map(|(_, moment)| moment).or(walk.edge),
        };
        // `!` turns the order around.
        let moment = moment.map(|(us, number)| if self.falling { (!us, !number) } else { (us, number) });
        self.due.push(Reverse((moment, index)));
    }

    fn comes_before(&self, a: Moment, b: Moment) -> bool {
        if self.falling { a > b } else { a < b }
    }

    /// Where what comes next must be looked for.
    fn turn(&self) -> Turn {
        if self.epoch.is_none() {
            return Turn::Fetch;
        }
        let tail = if self.fetched.is_empty() { None } else { Some(Turn::Tail) };
        let tail = tail.or((!self.tail_ended).then_some(Turn::Fetch));
        match self.lane {
            // Segments and then the tail follow each other.
            Lane::Number => {
                let walk = self.first_walk().map(|(index, _)| Turn::Walk(index));
                let turn = if self.falling { tail.or(walk) } else { walk.or(tail) };
                turn.unwrap_or(Turn::End)
            }
            Lane::Time => match (tail, self.first_walk()) {
                (Some(Turn::Tail), Some((index, walk))) => {
                    let tail = self.fetched.front().expect("it is not empty").moment;
                    let tail_is_first =
                        walk.is_some_and(|walk| tail == walk || self.comes_before(tail, walk));
                    if tail_is_first { Turn::Tail } else { Turn::Walk(index) }
                }
                (Some(turn), _) => turn,
                (None, Some((index, _))) => Turn::Walk(index),
                (None, None) => Turn::End,
            },
        }
    }

    /// The walk that may have what comes first, and when that is at the earliest, as far as it is known.
    fn first_walk(&self) -> Option<(usize, Option<Moment>)> {
        let &Reverse((_, index)) = self.due.peek()?;
        let walk = &self.walks[index];
        Some((index, walk.head.map(|(_, moment)| moment).or(walk.edge)))
    }

    /// Looks at the next record of the tail.
    fn pass(&mut self) -> Next {
        let passed = self.fetched.pop_front().expect("the caller saw one");
        self.reached = Some(passed.moment);
        let shown = passed
            .record
            .filter(|record| self.matcher.matches(&mut self.document, &record.event, &record.known()));
        match shown {
            Some(record) => Next::Found(Passed { number: passed.moment.1, from: From::Tail(record) }),
            None => Next::Looked(passed.bytes),
        }
    }

    /// Gives what a segment has found, or goes on in it until it has found something, or for a while. Says whether there may be
    /// more.
    fn step(&mut self, index: usize) -> Result<(Next, bool), Damaged> {
        if let Some((row, moment)) = self.walks[index].head.take() {
            let walk = &mut self.walks[index];
            walk.edge = Some(moment);
            self.reached = Some(moment);
            let from = From::Sealed { part: walk.part.clone(), row };
            return Ok((Next::Found(Passed { number: moment.1, from }), true));
        }
        if self.walks[index].hits.is_none() {
            let hits = self.open(&self.walks[index].part)?;
            let is_on = hits.is_some();
            self.walks[index].hits = hits.map(Box::new);
            return Ok((Next::Looked(BYTES_OF_OPENING), is_on));
        }
        let walk = &mut self.walks[index];
        let hits = walk.hits.as_mut().expect("it was opened above");
        let mut budget = Budget::new(WORK_AT_ONCE);
        match hits.next(&mut budget)? {
            Step::Hit { row, moment } => {
                walk.head = Some((row, moment));
                Ok((Next::Looked(BYTES_OF_A_HIT), true))
            }
            Step::Spent => {
                walk.edge = hits.reached().or(walk.edge);
                Ok((Next::Looked(usize::try_from(WORK_AT_ONCE).unwrap_or(usize::MAX)), true))
            }
            Step::End => {
                walk.hits = None;
                Ok((Next::Looked(BYTES_OF_A_HIT), false))
            }
        }
    }

    /// Begins to look through a segment; none when it has nothing for this walk.
    fn open(&self, part: &Arc<Part>) -> Result<Option<Hits>, Damaged> {
        // First whether anybody has what is looked for: that is mostly known, and costs less than finding the log.
        let plan = Plan::new(&part.segment, &self.matcher, self.sent_only)?;
        if plan.is_never() {
            return Ok(None);
        }
        let Some(rows) = rows_in(part, &self.scope, self.lane)? else { return Ok(None) };
        let (low, high) = self.beyond(self.reached);
        Hits::new(&Arc::new(plan), rows, self.falling, low, high, self.size).map(Some)
    }

    /// Fetches the next records of the tail, if those before were all looked at; begins anew when segments have changed.
    pub(crate) fn fetch(&mut self, state: &State) {
        self.fetch_or_pass(state, 0);
    }

    /// As [`Scan::fetch`], or passes over the next records of the tail that satisfy the condition, at most `max`, where that can be told
    /// without their events. Says how many they are.
    pub(crate) fn fetch_or_pass(&mut self, state: &State, max: u64) -> u64 {
        if self.epoch != Some(state.epoch) {
            self.begin(state);
        }
        if self.tail_ended || !self.fetched.is_empty() {
            return 0;
        }
        let passed = if max > 0 && self.is_known { self.pass_over_tails(state, max) } else { None };
        passed.unwrap_or_else(|| {
            self.fetch_of_tails(state);
            0
        })
    }

    fn begin(&mut self, state: &State) {
        self.epoch = Some(state.epoch);
        if let Some(reached) = self.reached {
            self.narrow(reached);
        }
        self.fetched.clear();
        self.sifted = Sifted::Not;
        self.tail_fetched = None;
        self.tail_ended = false;
        self.walks.clear();
        self.due.clear();
        if !self.deep {
            return;
        }
        let parts = parts_of(state, &self.scope).filter(|part| self.is_within_reach(part));
        let walk =
            |part: &Arc<Part>| Walk { part: part.clone(), hits: None, head: None, edge: self.edge(part) };
        self.walks = if self.falling { parts.rev().map(walk).collect() } else { parts.map(walk).collect() };
        (0..self.walks.len()).for_each(|index| self.is_due(index));
    }

    /// The first and the last time of a segment's records, where that is known without looking.
    fn times(&self, part: &Part) -> Option<(i64, i64)> {
        let is_access = matches!(&self.scope, FeedScope::Log(log) if log.kind == LogKind::Access);
        part.times.filter(|_| self.lane == Lane::Time && !is_access)
    }

    /// Whether a segment may have records between the bounds.
    fn is_within_reach(&self, part: &Part) -> bool {
        let Some((first, last)) = self.times(part) else { return true };
        let is_early = match self.low {
            Bound::Included((us, _)) | Bound::Excluded((us, _)) => last < us,
            Bound::Unbounded => false,
        };
        let is_late = match self.high {
            Bound::Included((us, _)) | Bound::Excluded((us, _)) => first > us,
            Bound::Unbounded => false,
        };
        !is_early && !is_late
    }

    /// The moment before the first that a segment may have, where that is known without looking.
    fn edge(&self, part: &Part) -> Option<Moment> {
        let (first, last) = self.times(part)?;
        // No record has the largest number.
        Some(if self.falling { (last, u64::MAX) } else { (first.saturating_sub(1), u64::MAX) })
    }
}

/// The segments that a scope appears in, in the order of the ledger.
pub(crate) fn parts_of<'a>(
    state: &'a State,
    scope: &FeedScope,
) -> Box<dyn DoubleEndedIterator<Item = &'a Arc<Part>> + 'a> {
    match scope {
        FeedScope::All => Box::new(state.sealed.iter()),
        FeedScope::Log(name) => match state.log(name) {
            Some(log) => Box::new(state.sealed.of(&log.parts)),
            None => Box::new(std::iter::empty()),
        },
    }
}

/// The rows of a scope in a segment, in the order of the lane.
pub(crate) fn rows_in(part: &Part, scope: &FeedScope, lane: Lane) -> Result<Option<Rows>, Damaged> {
    Ok(match (scope, lane) {
        (FeedScope::All, Lane::Time) => Some(Rows::AllTime),
        (FeedScope::All, Lane::Number) => Some(Rows::AllNumber),
        (FeedScope::Log(log), lane) => {
            let rows = part.segment.find_log(&log.tenant, log.kind == LogKind::Access)?;
            rows.map(|rows| match lane {
                Lane::Time => Rows::LogTime(rows),
                Lane::Number => Rows::LogNumber(rows),
            })
        }
    })
}

impl Passed {
    /// When it happened.
    pub(crate) fn happened_at(&self) -> Result<Timestamp, Damaged> {
        match &self.from {
            From::Tail(record) => Ok(record.happened_at()),
            From::Sealed { part, row } => part.segment.happened(*row).map(time),
        }
    }

    /// When it was received.
    pub(crate) fn received_at(&self) -> Result<Timestamp, Damaged> {
        match &self.from {
            From::Tail(record) => Ok(record.received_at),
            From::Sealed { part, row } => part.segment.received_at(*row).map(time),
        }
    }

    /// The record itself.
    pub(crate) fn record(&self, readers: &mut Readers) -> Result<Record, Damaged> {
        match &self.from {
            From::Tail(record) => Ok(record.clone()),
            From::Sealed { part, row } => readers.of(part).record(*row).map(record_of),
        }
    }

    /// Appends what [`Record::write_json`] appends; of a sealed record nothing else is read. Says how long its event is.
    pub(crate) fn write_json(
        &self,
        readers: &mut Readers,
        for_platform: bool,
        out: &mut Vec<u8>,
    ) -> Result<usize, Damaged> {
        let (part, row) = match &self.from {
            From::Tail(record) => {
                record.write_json(for_platform, out);
                return Ok(record.event.len());
            }
            From::Sealed { part, row } => (part, *row),
        };
        let start = out.len();
        write_sealed(readers.of(part), row, for_platform, out).map_err(|damaged| {
            out.truncate(start);
            // Who reads all of it names the record.
            self.record(readers).err().unwrap_or(damaged)
        })
    }
}

/// See [`Passed::write_json`].
fn write_sealed(
    reader: &mut Reader,
    row: u32,
    for_platform: bool,
    out: &mut Vec<u8>,
) -> Result<usize, Damaged> {
    let start = out.len();
    reader.event(row, out)?;
    let length = out.len() - start;
    let kind = reader.kind(row)?;
    let erased = erased_by(reader.fate(row)?.as_ref());
    let (position, received_at) = (reader.position(row)?, time(reader.received_at(row)?));
    let ledger_seq = if for_platform { reader.seq(row)?.map(LedgerSeq) } else { None };
    let tenant = if for_platform { Some(&reader.log(row)?.1.tenant) } else { None };
    let operation = Operation::from_code(kind.operation).unwrap_or(Operation::Other);
    let extra = Extra {
        position,
        received_at,
        derived_operation: kind.derived.then_some(operation),
        derived_occurred_at: !kind.timed,
        tenant,
        ledger_seq,
        kind: EntryKind::from_number(kind.stated).map(EntryKind::number),
        erased: &erased,
    };
    render_onto(start, &extra, out);
    Ok(length)
}

/// What was read of segments for one record is often of use for the next.
#[derive(Default)]
pub(crate) struct Readers(Vec<(Arc<Segment>, Reader)>);

impl Readers {
    /// Segments of which something is kept at once; each takes some 100 KB.
    const KEPT: usize = 8;

    fn of(&mut self, part: &Part) -> &mut Reader {
        // The same file may be seen through another veil by now.
        let index =
            self.0.iter().position(|(kept, _)| Arc::ptr_eq(kept, &part.segment)).unwrap_or_else(|| {
                if self.0.len() == Self::KEPT {
                    self.0.remove(0);
                }
                self.0.push((part.segment.clone(), part.segment.reader()));
                self.0.len() - 1
            });
        &mut self.0[index].1
    }
}

/// Whether a condition looks at nothing of events.
pub(crate) fn is_known(condition: &Condition) -> bool {
    match condition {
        Condition::All(conditions) | Condition::Any(conditions) => conditions.iter().all(is_known),
        Condition::Not(condition) => is_known(condition),
        Condition::Field(field, _) => !matches!(field, Field::Member(_)),
        Condition::Element(..) | Condition::Words(_) | Condition::Mentions(_) => false,
    }
}

/// The first and the last µs that the condition leaves for a time of what satisfies it.
pub(crate) fn times_of(condition: &Condition, field: &Field) -> (Option<i64>, Option<i64>) {
    let later = |a: Option<i64>, b: Option<i64>| a.max(b);
    let earlier = |a: Option<i64>, b: Option<i64>| match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    match condition {
        Condition::All(all) => {
            let each = all.iter().map(|condition| times_of(condition, field));
            each.fold((None, None), |(from, to), (low, high)| (later(from, low), earlier(to, high)))
        }
        Condition::Field(of, Test::In(literals)) if of == field => {
            let times = literals.iter().filter_map(|literal| match literal {
                Literal::Time(at) => Some(at.as_micros()),
                _ => None,
            });
            (times.clone().min(), times.max())
        }
        Condition::Field(of, Test::Order(comparison, Literal::Time(at))) if of == field => {
            let us = at.as_micros();
            match comparison {
                Comparison::Above => (Some(us + 1), None),
                Comparison::AtLeast => (Some(us), None),
                Comparison::Below => (None, Some(us - 1)),
                Comparison::AtMost => (None, Some(us)),
            }
        }
        _ => (None, None),
    }
}
