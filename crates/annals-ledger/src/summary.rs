//! Counting what satisfies a condition: by the values of fields, and by stretches of time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use annals_event::Timestamp;
use annals_event::filter::{Field, Matcher};
use annals_event::json::{Document, Kind, Value, write_string};
use jiff::tz::TimeZone;

use crate::intervals::Interval;
use crate::read::FeedScope;
use crate::record::LIMITS;
use crate::scan::{Passed, Scan, times_of};
use crate::search::SearchError;
use crate::state::State;

/// Most distinct values that are counted, over all fields of one question, and the most bytes they may have together.
pub const DISTINCT_MAX: usize = 1_000_000;
const DISTINCT_BYTES_MAX: usize = 64 << 20;

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

    /// Takes one step. False when all are counted.
    ///
    /// # Errors
    ///
    /// [`SearchError::TooMany`].
    pub(crate) fn step(&mut self, state: &State) -> Result<bool, SearchError> {
        let Self {
            summary,
            scan,
            document,
            total,
            fields,
            distinct,
            distinct_bytes,
            stretches,
            stretch,
            parses,
            ..
        } = self;
        let mut values: BTreeSet<String> = BTreeSet::new();
        let more = scan.step(state, summary.scope, |passed| {
            if !passed.satisfies(summary.matcher, document) {
                return true;
            }
            *total += 1;
            if let Some(histogram) = summary.histogram {
                let us = passed.row.occurred_at().as_micros();
                if !(stretch.0..stretch.1).contains(&us) {
                    *stretch = histogram.interval.around(passed.row.occurred_at(), &histogram.zone);
                }
                *stretches.entry(stretch.0).or_default() += 1;
            }
            let event = parses.then(|| document.parse(passed.event, LIMITS).ok()).flatten();
            for (field, counter) in summary.by.iter().zip(fields.iter_mut()) {
                values.clear();
                each_value(field, &passed, event, &mut |value| {
                    values.insert(value);
                });
                counter.missing += u64::from(values.is_empty());
                for value in &values {
                    if let Some(count) = counter.values.get_mut(value.as_str()) {
                        *count += 1;
                    } else {
                        *distinct += 1;
                        *distinct_bytes += value.len();
                        counter.values.insert(value.as_str().into(), 1);
                    }
                }
            }
            *distinct <= DISTINCT_MAX
                && *distinct_bytes <= DISTINCT_BYTES_MAX
                && stretches.len() <= STRETCHES_MAX
        });
        if self.distinct > DISTINCT_MAX || self.distinct_bytes > DISTINCT_BYTES_MAX {
            return Err(SearchError::TooMany { what: "distinct values", max: DISTINCT_MAX as u64 });
        }
        if self.stretches.len() > STRETCHES_MAX {
            return Err(SearchError::TooMany { what: "intervals", max: STRETCHES_MAX as u64 });
        }
        Ok(more)
    }

    /// The counts.
    ///
    /// # Errors
    ///
    /// [`SearchError::TooMany`].
    pub(crate) fn finish(self) -> Result<Counts, SearchError> {
        let stretches = match self.summary.histogram {
            Some(histogram) => {
                filled(&self.stretches, histogram, times_of(self.summary.matcher.condition()))?
            }
            None => Vec::new(),
        };
        let values_max = self.summary.values_max;
        let fields = self.fields.into_iter().map(|counter| counter.finish(values_max)).collect();
        Ok(Counts { size: self.size, total: self.total, fields, stretches })
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
            return Err(SearchError::TooMany { what: "intervals", max: STRETCHES_MAX as u64 });
        }
        let start_at = Timestamp::from_micros(start).unwrap_or(instant);
        stretches.push((start_at, counted.get(&start).copied().unwrap_or(0)));
        at = end;
    }
    Ok(stretches)
}

/// Shows every scalar value that a record has in a field, as JSON.
fn each_value(field: &Field, passed: &Passed<'_>, event: Option<Value<'_>>, see: &mut dyn FnMut(String)) {
    let known = passed.known();
    match field {
        Field::Member(path) => {
            if let Some(event) = event {
                path.each(event, &mut |value| match value.kind() {
                    Kind::String | Kind::Number | Kind::Bool => see(value.token().to_owned()),
                    Kind::Null | Kind::Array | Kind::Object => {}
                });
            }
        }
        Field::OccurredAt => see(quoted(&known.occurred_at.to_string())),
        Field::ReceivedAt => see(quoted(&known.received_at.to_string())),
        Field::Operation => see(quoted(known.operation.as_str())),
        Field::Position => see(known.position.0.to_string()),
        Field::Tenant => see(quoted(known.tenant.as_str())),
    }
}

fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_string(text, &mut out);
    String::from_utf8(out).expect("JSON is UTF-8")
}
