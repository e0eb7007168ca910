//! Counting what satisfies a condition: by the values of fields, and by stretches of time.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use annals_event::Timestamp;
use annals_event::filter::{Field, Known, Matcher, Path};
use annals_event::json::{Document, Kind, Value, write_string};
use jiff::tz::TimeZone;

use crate::intervals::Interval;
use crate::read::FeedScope;
use crate::record::LIMITS;
use crate::scan::{Passed, Scan, Work, times_of};
use crate::search::{Counted, SearchError};
use crate::state::State;

/// Most distinct values that are counted, over all fields of one question.
pub const DISTINCT_MAX: usize = 100_000;

/// Most memory for these values, bytes; each takes about 64 beside its text.
pub const DISTINCT_BYTES_MAX: usize = 32 << 20;
const VALUE_BYTES: usize = 64;

/// Most stretches of time in one answer.
pub const STRETCHES_MAX: usize = 10_000;

/// What is counted.
#[derive(Clone, Copy)]
pub struct Summary<'a> {
    /// Where.
    pub scope: &'a FeedScope,
    /// What a record must satisfy to count.
    pub matcher: &'a Matcher,
    /// By the values of which fields.
    pub by: &'a [Field],
    /// Values told of each field: those that are most.
    pub values_max: usize,
    /// By which stretches of time.
    pub histogram: Option<&'a Histogram>,
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

/// Counting on its way.
pub(crate) struct Tally<'a> {
    summary: &'a Summary<'a>,
    scan: Scan,
    document: Document,
    size: u64,
    total: u64,
    fields: Vec<Counter>,
    distinct: usize,
    distinct_bytes: usize,
    stretches: BTreeMap<i64, u64>,
    /// The stretch of the last record, as the next one is mostly in it too.
    stretch: (i64, i64),
    /// Any counter needs the event's members.
    parses: bool,
}

#[derive(Default)]
struct Counter {
    values: BTreeMap<Arc<str>, u64>,
    missing: u64,
}

impl<'a> Tally<'a> {
    pub(crate) fn new(state: &State, summary: &'a Summary<'a>) -> Result<Self, SearchError> {
        let size = state.feed_size(summary.scope).ok_or(SearchError::TenantMissing)?;
        let bounds = times_of(summary.matcher.condition(), &Field::OccurredAt);
        if let (Some(histogram), (Some(_), Some(_))) = (summary.histogram, bounds) {
            // Too many are better refused before all is counted.
            filled(&BTreeMap::new(), histogram, bounds)?;
        }
        Ok(Self {
            summary,
            scan: Scan::by_time(summary.matcher.condition(), false, size),
            document: Document::default(),
            size,
            total: 0,
            fields: summary.by.iter().map(|_| Counter::default()).collect(),
            distinct: 0,
            distinct_bytes: 0,
            stretches: BTreeMap::new(),
            stretch: (0, 0),
            parses: summary.by.iter().any(|field| matches!(field, Field::Member(_))),
        })
    }

    fn count(&mut self, passed: &Passed) {
        self.total += 1;
        let record = &passed.record;
        if let Some(histogram) = self.summary.histogram {
            let at = record.happened_at();
            if !(self.stretch.0..self.stretch.1).contains(&at.as_micros()) {
                self.stretch = histogram.interval.around(at, &histogram.zone);
            }
            *self.stretches.entry(self.stretch.0).or_default() += 1;
        }
        let event = self.parses.then(|| self.document.parse(&record.event, LIMITS).ok()).flatten();
        for (field, counter) in self.summary.by.iter().zip(&mut self.fields) {
            let mut values: Vec<Cow<'_, str>> = Vec::new();
            match (field, event) {
                (Field::Member(path), Some(event)) => values_at(path, event, &mut values),
                (Field::Member(_), None) => {}
                _ => values.push(known_value(field, &record.known()).into()),
            }
            values.sort_unstable();
            values.dedup();
            counter.missing += u64::from(values.is_empty());
            for value in values {
                if let Some(count) = counter.values.get_mut(&*value) {
                    *count += 1;
                } else {
                    self.distinct += 1;
                    self.distinct_bytes += value.len() + VALUE_BYTES;
                    counter.values.insert((*value).into(), 1);
                }
            }
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

    /// The counts.
    ///
    /// # Errors
    ///
    /// [`SearchError::TooMany`]; [`SearchError::Busy`] when not all were looked at.
    pub(crate) fn finish(self) -> Result<Counts, SearchError> {
        if let Some(error) = self.excess() {
            return Err(error);
        }
        if !self.scan.has_ended() {
            return Err(SearchError::Busy);
        }
        let stretches = match self.summary.histogram {
            Some(histogram) => filled(
                &self.stretches,
                histogram,
                times_of(self.summary.matcher.condition(), &Field::OccurredAt),
            )?,
            None => Vec::new(),
        };
        let values_max = self.summary.values_max;
        let fields = self.fields.into_iter().map(|counter| counter.finish(values_max)).collect();
        Ok(Counts { size: self.size, total: self.total, fields, stretches })
    }
}

impl Work for Tally<'_> {
    fn fetch(&mut self, state: &State) -> bool {
        self.scan.fetch(state, self.summary.scope);
        !self.scan.has_ended() && self.excess().is_none()
    }

    fn look(&mut self) -> Option<usize> {
        if self.excess().is_some() {
            return None;
        }
        let passed = self.scan.next()?;
        if passed.satisfies(self.summary.matcher, &mut self.document) {
            self.count(&passed);
        }
        Some(passed.record.event.len())
    }
}

impl Counter {
    fn finish(self, values_max: usize) -> FieldCounts {
        let distinct = self.values.len() as u64;
        let mut values: Vec<(Arc<str>, u64)> = self.values.into_iter().collect();
        // Stable, so that equal counts stay in the order of the values.
        values.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        values.truncate(values_max);
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

/// Every scalar value at the path, as JSON.
fn values_at<'e>(path: &Path, event: Value<'e>, values: &mut Vec<Cow<'e, str>>) {
    path.each(event, &mut |value| match value.kind() {
        Kind::String | Kind::Number | Kind::Bool => values.push(value.token().into()),
        Kind::Null | Kind::Array | Kind::Object => {}
    });
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
