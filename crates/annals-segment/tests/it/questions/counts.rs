//! What a tally tells, and what counting event by event does.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use annals_event::filter::Field;
use annals_event::json::{Document, Kind};
use annals_segment::hits::Moment;
use annals_segment::tally::TallySink;

use super::{JSON, World, happened, known};

#[derive(Debug, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) span: i64,
    /// The first instant from 1970 on with which a stretch begins.
    pub(super) shift: i64,
    pub(super) total: u64,
    pub(super) stretches: BTreeMap<i64, u64>,
    pub(super) values: BTreeMap<(usize, String), u64>,
    pub(super) missing: BTreeMap<usize, u64>,
}

impl TallySink for Counts {
    fn stretch(&mut self, us: i64) -> Range<i64> {
        let start = (us - self.shift).div_euclid(self.span) * self.span + self.shift;
        start..start + self.span
    }

    fn add_time(&mut self, stretch: &Range<i64>, records: u64) {
        *self.stretches.entry(stretch.start).or_default() += records;
    }

    fn add_value(&mut self, field: usize, json: &str, records: u64) {
        *self.values.entry((field, json.to_owned())).or_default() += records;
    }

    fn add_missing(&mut self, field: usize, records: u64) {
        *self.missing.entry(field).or_default() += records;
    }

    fn add_total(&mut self, records: u64) {
        self.total += records;
    }
}

pub(super) fn naive_counts(
    world: &World,
    rows: &[(usize, Moment)],
    fields: &[Field],
    times: bool,
    (span, shift): (i64, i64),
) -> Counts {
    let mut counts = Counts { span, shift, total: rows.len() as u64, ..Counts::default() };
    let quoted = |text: &str| crate::support::json(text);
    let mut document = Document::default();
    for (at, _) in rows {
        let of = &world.rows[*at];
        let known = known(of);
        if times {
            let start = counts.stretch(happened(&of.record)).start;
            *counts.stretches.entry(start).or_default() += 1;
        }
        let event = document.parse(&of.record.event, JSON).unwrap();
        for (index, field) in fields.iter().enumerate() {
            let mut values = BTreeSet::new();
            match field {
                Field::Member(path) => path.each(event, &mut |value| {
                    if matches!(value.kind(), Kind::String | Kind::Number | Kind::Bool) {
                        values.insert(value.token().to_owned());
                    }
                }),
                Field::OccurredAt => drop(values.insert(quoted(&known.occurred_at.to_string()))),
                Field::ReceivedAt => drop(values.insert(quoted(&known.received_at.to_string()))),
                Field::Operation => drop(values.insert(quoted(known.operation.as_str()))),
                Field::Position => drop(values.insert(known.position.0.to_string())),
                Field::Tenant => drop(values.insert(quoted(known.tenant.as_str()))),
            }
            if values.is_empty() {
                *counts.missing.entry(index).or_default() += 1;
            }
            for value in values {
                *counts.values.entry((index, value)).or_default() += 1;
            }
        }
    }
    counts
}
