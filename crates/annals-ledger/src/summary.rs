//! Counting what satisfies a condition: by the values of fields, and by stretches of time.

use std::collections::{BTreeMap, VecDeque};
use std::ops::{Bound, Range};
use std::sync::Arc;

use annals_event::Timestamp;
use annals_event::filter::{Condition, Field, Known, Literal, Matcher, Test, Walker};
use annals_event::json::write_string;
use annals_segment::Damaged;
use annals_segment::hits::{Budget, Moment};
use annals_segment::plan::Plan;
use annals_segment::tally::{self, TallySink};
use jiff::tz::TimeZone;

use crate::columns::is_value;
use crate::intervals::Interval;
use crate::read::FeedScope;
use crate::record::Record;
use crate::scan::{Lane, Next, Readers, Scan, Work, parts_of, rows_in, times_of};
use crate::sealed::Part;
use crate::search::{Counted, SearchError};
use crate::state::State;

mod tail;

use self::tail::TailCount;

/// Most distinct values that are counted, over all fields of one question.
pub const DISTINCT_MAX: usize = 100_000;

/// Most memory for these values, bytes; each takes about 64 beside its text.
pub const DISTINCT_BYTES_MAX: usize = 32 << 20;
const VALUE_BYTES: usize = 64;

/// Work in a segment, about ns, between two looks at the clock.
const WORK_AT_ONCE: u64 = 50_000;

/// Most stretches of time in one answer.
pub const STRETCHES_MAX: usize = 10_000;

/// What is counted.
#[derive(Clone, Copy)]
pub struct Summary<'a> {
    /// Where.
    pub scope: &'a FeedScope,
    /// What a record must satisfy to count.
    pub matcher: &'a Arc<Matcher>,
    /// By the values of which fields.
    pub by: &'a [Field],
    /// Values told of each field: those that are most.
    pub values_max: usize,
    /// By which stretches of time.
    pub histogram: Option<&'a Histogram>,
    /// As of which size: only the first so many records, by position or ledger number. None is all there are by now.
    pub size: Option<u64>,
}

/// How time is cut for counting.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// The length of a stretch.
    pub interval: Interval,
    /// Whose days and hours.
    pub zone: TimeZone,
}

/// The counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// As of which size.
    pub size: u64,
    /// Records that satisfy the condition.
    pub total: u64,
    /// For each field asked for.
    pub fields: Vec<FieldCounts>,
    /// First instant of each stretch, and how many occurred in it: from the first with a record, or the beginning that the
    /// condition states, to the last, without a hole.
    pub stretches: Vec<(Timestamp, u64)>,
}

/// How often a field has which value. A record counts once for each distinct value that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldCounts {
    /// Values as JSON and their counts, the most frequent first, equal counts by value.
    pub values: Vec<(Arc<str>, u64)>,
    /// How many distinct values there are.
    pub distinct: u64,
    /// Records without a value.
    pub missing: u64,
}

/// Counting on its way: first the tail, then one segment after another.
///
/// When records move between the two before the tail is counted, all is counted anew; later it does not matter any more.
pub(crate) struct Tally<'a> {
    summary: &'a Summary<'a>,
    size: u64,
    tail: Scan,
    /// Counts the tail in its place, where the events need not be looked at to know which count.
    quick: Option<TailCount>,
    /// Segments that are not counted yet.
    parts: VecDeque<Counting>,
    /// What they are asked.
    question: Question,
    sums: Sums<'a>,
}

/// The condition, with what it says of times apart: a segment whose records all happened in time is counted whole then, and
/// what was counted there before serves again.
struct Question {
    matcher: Arc<Matcher>,
    low: Bound<Moment>,
    high: Bound<Moment>,
}

impl Question {
    fn new(matcher: &Arc<Matcher>) -> Self {
        let condition = matcher.condition();
        let mut rest = Vec::new();
        let mut bounds = Vec::new();
        split(condition, &mut rest, &mut bounds);
        if bounds.is_empty() {
            return Self { matcher: Arc::clone(matcher), low: Bound::Unbounded, high: Bound::Unbounded };
        }
        // All of these say the same together as the times that they leave.
        let (from, to) = times_of(&Condition::All(bounds), &Field::OccurredAt);
        Self {
            matcher: Arc::new(Matcher::new(Condition::All(rest))),
            low: from.map_or(Bound::Unbounded, |us| Bound::Included((us, 0))),
            high: to.map_or(Bound::Unbounded, |us| Bound::Included((us, u64::MAX))),
        }
    }
}

/// Tells bounds of the time from all else that must hold.
fn split(condition: &Condition, rest: &mut Vec<Condition>, bounds: &mut Vec<Condition>) {
    match condition {
        Condition::All(all) => all.iter().for_each(|condition| split(condition, rest, bounds)),
        Condition::Field(Field::OccurredAt, Test::Order(_, Literal::Time(_))) => {
            bounds.push(condition.clone())
        }
        _ => rest.push(condition.clone()),
    }
}

/// One segment to count in.
struct Counting {
    part: Arc<Part>,
    tally: Option<tally::Tally>,
}

/// What is counted so far.
struct Sums<'a> {
    summary: &'a Summary<'a>,
    /// For each field that is a member.
    walkers: Vec<Option<Walker>>,
    total: u64,
    fields: Vec<Counter>,
    distinct: usize,
    distinct_bytes: usize,
    stretches: BTreeMap<i64, u64>,
    /// The stretch of the last record, as the next one is mostly in it too.
    stretch: (i64, i64),
}

#[expect(clippy::disallowed_types, reason = "its order shows nowhere: what is told of it is sorted")]
type Values = std::collections::HashMap<Arc<str>, u64>;

#[derive(Default)]
struct Counter {
    values: Values,
    missing: u64,
}

impl<'a> Tally<'a> {
    pub(crate) fn new(state: &State, summary: &'a Summary<'a>) -> Result<Self, SearchError> {
        let known = state.feed_size(summary.scope).ok_or(SearchError::TenantMissing)?;
        let size = summary.size.unwrap_or(known);
        if size > known {
            return Err(SearchError::Beyond { size, known });
        }
        let bounds = times_of(summary.matcher.condition(), &Field::OccurredAt);
        if let (Some(histogram), (Some(_), Some(_))) = (summary.histogram, bounds) {
            // Too many are better refused before all is counted.
            filled(&BTreeMap::new(), histogram, bounds)?;
        }
        let tail = Self::tail(summary, size);
        let question = Question::new(summary.matcher);
        let quick = TailCount::new(summary.scope, &question);
        Ok(Self { summary, size, tail, quick, parts: VecDeque::new(), question, sums: Sums::new(summary) })
    }

    fn tail(summary: &Summary<'_>, size: u64) -> Scan {
        Scan::by_time(summary.scope, summary.matcher, false, false, size).of_tail()
    }

    /// Counts on in the segment that is next.
    fn count_part(&mut self) -> Result<usize, Damaged> {
        let Some(counting) = self.parts.front_mut() else { return Ok(0) };
        let Some(tally) = &mut counting.tally else {
            counting.tally = begin(&counting.part, self.summary, &self.question, self.size)?;
            if counting.tally.is_none() {
                self.parts.pop_front();
            }
            return Ok(BYTES_OF_OPENING);
        };
        let mut budget = Budget::new(WORK_AT_ONCE);
        if tally.step(&mut self.sums, &mut budget)? {
            self.parts.pop_front();
        }
        Ok(usize::try_from(WORK_AT_ONCE).unwrap_or(usize::MAX))
    }

    /// The counts.
    ///
    /// # Errors
    ///
    /// [`SearchError::TooMany`]; [`SearchError::Busy`] when not all were looked at.
    pub(crate) fn finish(self) -> Result<Counts, SearchError> {
        let has_ended = self.has_ended();
        let sums = self.sums;
        if let Some(error) = sums.excess() {
            return Err(error);
        }
        if !has_ended {
            return Err(SearchError::Busy);
        }
        let stretches = match self.summary.histogram {
            Some(histogram) => filled(
                &sums.stretches,
                histogram,
                times_of(self.summary.matcher.condition(), &Field::OccurredAt),
            )?,
            None => Vec::new(),
        };
        let values_max = self.summary.values_max;
        let fields = sums.fields.into_iter().map(|counter| counter.finish(values_max)).collect();
        Ok(Counts { size: self.size, total: sums.total, fields, stretches })
    }

    fn has_ended(&self) -> bool {
        self.has_counted_tail() && self.parts.is_empty()
    }

    fn has_counted_tail(&self) -> bool {
        self.quick.as_ref().map_or_else(|| self.tail.has_ended(), TailCount::has_ended)
    }
}

/// What making a condition ready for a segment costs, as if it were so many bytes to look at.
const BYTES_OF_OPENING: usize = 4 << 10;

/// Begins to count in a segment; none when it has nothing to count.
fn begin(
    part: &Part,
    summary: &Summary<'_>,
    question: &Question,
    size: u64,
) -> Result<Option<tally::Tally>, Damaged> {
    let Some(rows) = rows_in(part, summary.scope, Lane::Time)? else { return Ok(None) };
    let plan = Plan::new(&part.segment, &question.matcher, false)?;
    if plan.is_never() {
        return Ok(None);
    }
    let (low, high) = (question.low, question.high);
    let times = summary.histogram.is_some();
    tally::Tally::new(&Arc::new(plan), &rows, low, high, size, summary.by, times).map(Some)
}

impl<'a> Sums<'a> {
    fn new(summary: &'a Summary<'a>) -> Self {
        Self {
            summary,
            walkers: summary.by.iter().map(walker).collect(),
            total: 0,
            fields: summary.by.iter().map(|_| Counter::default()).collect(),
            distinct: 0,
            distinct_bytes: 0,
            stretches: BTreeMap::new(),
            stretch: (0, 0),
        }
    }

    fn count(&mut self, record: &Record) {
        self.total += 1;
        if self.summary.histogram.is_some() {
            let stretch = self.stretch(record.happened_at().as_micros());
            self.add_time(&stretch, 1);
        }
        let walkers = std::mem::take(&mut self.walkers);
        for (index, (field, walker)) in self.summary.by.iter().zip(&walkers).enumerate() {
            match walker {
                Some(walker) => self.count_member(index, walker, &record.event),
                None => self.add_value(index, &known_value(field, &record.known()), 1),
            }
        }
        self.walkers = walkers;
    }

    /// Counts the values of a member of one event, each once.
    fn count_member(&mut self, index: usize, walker: &Walker, canonical: &[u8]) {
        let mut first: Option<&[u8]> = None;
        let mut others: Vec<&[u8]> = Vec::new();
        walker.each(canonical, &mut |token| match first {
            _ if !is_value(token) => {}
            None => first = Some(token),
            Some(first) if first == token => {}
            Some(_) => others.push(token),
        });
        others.sort_unstable();
        others.dedup();
        self.fields[index].missing += u64::from(first.is_none());
        for token in first.into_iter().chain(others) {
            self.add_value(index, str::from_utf8(token).unwrap_or_default(), 1);
        }
    }

    /// What there is too much of, if anything.
    fn excess(&self) -> Option<SearchError> {
        let too_many = |of, max: usize| Some(SearchError::TooMany { of, max: max as u64 });
        if self.distinct > DISTINCT_MAX {
            too_many(Counted::Values, DISTINCT_MAX)
        } else if self.distinct_bytes > DISTINCT_BYTES_MAX {
            too_many(Counted::ValueBytes, DISTINCT_BYTES_MAX)
        } else if self.stretches.len() > STRETCHES_MAX {
            too_many(Counted::Intervals, STRETCHES_MAX)
        } else {
            None
        }
    }
}

impl TallySink for Sums<'_> {
    fn stretch(&mut self, us: i64) -> Range<i64> {
        if !(self.stretch.0..self.stretch.1).contains(&us)
            && let (Some(histogram), Some(at)) = (self.summary.histogram, Timestamp::from_micros(us))
        {
            self.stretch = histogram.interval.around(at, &histogram.zone);
        }
        self.stretch.0..self.stretch.1
    }

    fn add_time(&mut self, stretch: &Range<i64>, records: u64) {
        *self.stretches.entry(stretch.start).or_default() += records;
    }

    fn add_value(&mut self, field: usize, json: &str, records: u64) {
        let counter = &mut self.fields[field];
        if let Some(count) = counter.values.get_mut(json) {
            *count += records;
        } else {
            self.distinct += 1;
            self.distinct_bytes += json.len() + VALUE_BYTES;
            counter.values.insert(json.into(), records);
        }
    }

    fn add_missing(&mut self, field: usize, records: u64) {
        self.fields[field].missing += records;
    }

    fn add_total(&mut self, records: u64) {
        self.total += records;
    }
}

impl Work for Tally<'_> {
    fn is_ahead(&self) -> bool {
        true
    }

    fn fetch(&mut self, state: &State) -> Result<bool, Damaged> {
        let epoch = self.quick.as_ref().map_or_else(|| self.tail.epoch(), TailCount::epoch);
        if !self.has_counted_tail() && epoch != Some(state.epoch) {
            self.tail = Self::tail(self.summary, self.size);
            if let Some(quick) = &mut self.quick {
                quick.begin(state);
            }
            self.sums = Sums::new(self.summary);
            let parts = parts_of(state, self.summary.scope);
            self.parts = parts.map(|part| Counting { part: part.clone(), tally: None }).collect();
        }
        match &mut self.quick {
            None => self.tail.fetch(state),
            Some(quick) if quick.has_ended() => {}
            Some(quick) => quick.fetch(state, &self.question, self.size, &mut self.sums),
        }
        Ok(!self.has_ended() && self.sums.excess().is_none())
    }

    fn look(&mut self) -> Result<Option<usize>, Damaged> {
        if self.sums.excess().is_some() {
            return Ok(None);
        }
        if self.has_counted_tail() && !self.parts.is_empty() {
            return self.count_part().map(Some);
        }
        if self.quick.is_some() {
            return Ok(None);
        }
        match self.tail.next()? {
            Next::Fetch => Ok(None),
            Next::Looked(bytes) => Ok(Some(bytes)),
            Next::Found(passed) => {
                let record = passed.record(&mut Readers::default())?;
                self.sums.count(&record);
                Ok(Some(record.event.len()))
            }
        }
    }
}

impl Counter {
    fn finish(self, values_max: usize) -> FieldCounts {
        let distinct = self.values.len() as u64;
        let mut values: Vec<(Arc<str>, u64)> = self.values.into_iter().collect();
        let order = |(a, count_a): &(Arc<str>, u64), (b, count_b): &(Arc<str>, u64)| {
            count_b.cmp(count_a).then_with(|| a.cmp(b))
        };
        if values_max < values.len() {
            // Of very many values few are told: only these need be in order.
            values.select_nth_unstable_by(values_max, order);
            values.truncate(values_max);
        }
        values.sort_unstable_by(order);
        FieldCounts { values, distinct, missing: self.missing }
    }
}

/// The stretches from the first to the last, those without a record too. A beginning or an end that the condition states is
/// the first or last.
fn filled(
    counted: &BTreeMap<i64, u64>,
    histogram: &Histogram,
    (from, to): (Option<i64>, Option<i64>),
) -> Result<Vec<(Timestamp, u64)>, SearchError> {
    let first = from.or(counted.first_key_value().map(|(start, _)| *start));
    let last = to.or(counted.last_key_value().map(|(start, _)| *start));
    let (Some(first), Some(last)) = (first, last) else { return Ok(Vec::new()) };
    let mut stretches = Vec::new();
    let mut at = first;
    while let Some(instant) = Timestamp::from_micros(at) {
        let (start, end) = histogram.interval.around(instant, &histogram.zone);
        if start > last {
            break;
        }
        if stretches.len() == STRETCHES_MAX {
            return Err(SearchError::TooMany { of: Counted::Intervals, max: STRETCHES_MAX as u64 });
        }
        let start_at = Timestamp::from_micros(start).unwrap_or(instant);
        stretches.push((start_at, counted.get(&start).copied().unwrap_or(0)));
        at = end;
    }
    Ok(stretches)
}

/// What reads the values of a field that is a member.
fn walker(field: &Field) -> Option<Walker> {
    match field {
        Field::Member(path) => Some(Walker::new(path)),
        _ => None,
    }
}

/// The value of a field that is no member, as JSON.
fn known_value(field: &Field, known: &Known<'_>) -> String {
    match field {
        Field::Member(_) => unreachable!("the caller looks members up in the event"),
        Field::OccurredAt => quoted(&known.occurred_at.to_string()),
        Field::ReceivedAt => quoted(&known.received_at.to_string()),
        Field::Operation => quoted(known.operation.as_str()),
        Field::Position => known.position.0.to_string(),
        Field::Tenant => quoted(known.tenant.as_str()),
    }
}

fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_string(text, &mut out);
    String::from_utf8(out).expect("JSON is UTF-8")
}
