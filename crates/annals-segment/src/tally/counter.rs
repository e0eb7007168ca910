//! Counting the values of one field.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use annals_event::filter::Field;
use annals_event::json::write_string;
use annals_event::{Operation, Timestamp};

use self::leaves::column_of;
use self::member::Member;
use super::{TallySink, blocks_of};
use crate::Damaged;
use crate::meta::LeafKind;
use crate::numbers::{Group, UNIT_LEN};
use crate::plan::Scratch;
use crate::plan::known::decoded;
use crate::plan::set::{each_bit_128, first};
use crate::segment::Segment;

mod leaves;
mod member;

/// Counts of a field's values in one segment.
pub(super) struct Counter {
    of: Of,
    /// Records without a value.
    missing: u64,
    /// Values that were counted by themselves, as JSON.
    others: BTreeMap<Box<str>, u64>,
}

enum Of {
    /// It was counted before.
    Known(Arc<Counted>),
    Member(Box<Member>),
    /// By kind.
    Operation(Vec<u64>, Group),
    /// By log.
    Tenant(BTreeMap<u32, u64>),
    /// By index of the time.
    Received(BTreeMap<u64, u64>),
    /// By the time as it is stored.
    Happened(BTreeMap<u64, u64>),
    Position,
}

/// What was counted in one column.
struct CountedColumn {
    table: usize,
    /// Its index in the table.
    column: usize,
    /// Ordinals and how many records have each, by ordinal.
    counts: Vec<(u32, u32)>,
}

/// What was counted.
pub(super) struct Counted {
    columns: Vec<CountedColumn>,
    /// Values as JSON.
    others: Vec<(Box<str>, u64)>,
    missing: u64,
}

impl Counter {
    pub(super) fn new(segment: &Arc<Segment>, field: &Field) -> Result<Self, Damaged> {
        Ok(Self::of(match field {
            Field::Member(path) => Of::Member(Box::new(Member::new(segment, path)?)),
            Field::Operation => Of::Operation(vec![0; segment.footer().known.kinds.len()], Group::default()),
            Field::Tenant => Of::Tenant(BTreeMap::new()),
            Field::ReceivedAt => Of::Received(BTreeMap::new()),
            Field::OccurredAt => Of::Happened(BTreeMap::new()),
            Field::Position => Of::Position,
        }))
    }

    /// What was counted before.
    pub(super) fn known(counted: Arc<Counted>) -> Self {
        Self::of(Of::Known(counted))
    }

    fn of(of: Of) -> Self {
        Self { of, missing: 0, others: BTreeMap::new() }
    }

    /// Nothing is to be counted any more.
    pub(super) fn is_known(&self) -> bool {
        matches!(self.of, Of::Known(_))
    }

    /// Counts rows of a block.
    pub(super) fn add(&mut self, block: u32, rows: u128, scratch: &mut Scratch) -> Result<(), Damaged> {
        if let Of::Member(member) = &mut self.of {
            self.missing += member.add(block, rows, scratch, &mut self.others)?;
            return Ok(());
        }
        let first_row = block * 128;
        let reader = &mut scratch.reader;
        let segment = Arc::clone(reader.segment());
        let (body, unit, known) = (segment.body(), u64::from(block), &segment.footer().known);
        let mut numbers = [0; UNIT_LEN];
        let mut failed = Ok(());
        match &mut self.of {
            Of::Known(_) | Of::Member(_) => {}
            Of::Operation(counts, group) => {
                let unlisted = || segment.malformed("a kind that is not listed");
                known.kind.unit_of(group, body, unit, &mut numbers)?;
                each_bit_128(rows, |bit| {
                    let kind = usize::try_from(numbers[bit as usize]).unwrap_or(usize::MAX);
                    match counts.get_mut(kind) {
                        Some(count) => *count += 1,
                        None => failed = Err(unlisted()),
                    }
                });
            }
            Of::Tenant(counts) => {
                let mut left = rows;
                while left != 0 {
                    let log = &reader.log(first_row + left.trailing_zeros())?.0;
                    let end = log.rows.end.saturating_sub(first_row).min(128);
                    let of_log = left & first(end as usize);
                    *counts.entry(log.index).or_default() += u64::from(of_log.count_ones());
                    if of_log == 0 {
                        return Err(segment.malformed("a log without its row"));
                    }
                    left &= !of_log;
                }
            }
            Of::Received(counts) => {
                known.received.unit(body, unit, &mut numbers)?;
                each_bit_128(rows, |bit| *counts.entry(numbers[bit as usize]).or_default() += 1);
            }
            Of::Happened(counts) => {
                known.happened.unit(body, unit, &mut numbers)?;
                each_bit_128(rows, |bit| *counts.entry(numbers[bit as usize]).or_default() += 1);
            }
            Of::Position => each_bit_128(rows, |bit| match reader.position(first_row + bit) {
                Ok(position) => *self.others.entry(position.0.to_string().into()).or_default() += 1,
                Err(error) => failed = Err(error),
            }),
        }
        failed
    }

    /// Counts rows that follow each other.
    pub(super) fn add_line(&mut self, rows: Range<u32>, scratch: &mut Scratch) -> Result<(), Damaged> {
        if let Of::Member(member) = &mut self.of {
            self.missing += member.add_line(rows, scratch, &mut self.others)?;
            return Ok(());
        }
        for (block, part) in blocks_of(rows) {
            self.add(block, first(part.end) & !first(part.start), scratch)?;
        }
        Ok(())
    }

    /// Tells what was counted, and gives it, if it may be kept.
    pub(super) fn finish(
        &mut self,
        field: usize,
        segment: &Segment,
        sink: &mut dyn TallySink,
    ) -> Result<Option<Arc<Counted>>, Damaged> {
        let mut others: Vec<_> = std::mem::take(&mut self.others).into_iter().collect();
        let (mut columns, mut is_few) = (Vec::new(), true);
        match &mut self.of {
            Of::Known(counted) => {
                counted.tell(field, segment, sink)?;
                return Ok(None);
            }
            Of::Member(member) => {
                let nulls;
                (columns, nulls) = member.counted();
                self.missing += nulls;
            }
            Of::Operation(counts, _) => {
                for (kind, count) in
                    segment.footer().known.kinds.iter().zip(counts).filter(|(_, count)| **count > 0)
                {
                    let operation = Operation::from_code(kind.operation)
                        .ok_or_else(|| segment.malformed("an unknown operation"))?;
                    others.push((quoted(operation.as_str()).into(), *count));
                }
            }
            Of::Tenant(counts) => {
                for (log, count) in counts {
                    others.push((quoted(segment.log_name(*log)?.tenant.as_str()).into(), *count));
                }
            }
            Of::Received(counts) => {
                is_few = false;
                for (index, count) in counts {
                    let time = segment.footer().known.received_values.get(segment.body(), *index)?;
                    sink.add_value(field, &time_text(segment, time)?, *count);
                }
            }
            Of::Happened(counts) => {
                is_few = false;
                for (time, count) in counts {
                    sink.add_value(field, &time_text(segment, *time)?, *count);
                }
            }
            Of::Position => is_few = false,
        }
        let counted = Counted { columns, others, missing: self.missing };
        counted.tell(field, segment, sink)?;
        Ok(is_few.then(|| Arc::new(counted)))
    }
}

impl Counted {
    /// Bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        let columns = self.columns.iter().map(|column| size_of_val(column.counts.as_slice()) + 64);
        let others = self.others.iter().map(|(text, _)| text.len() + 48);
        size_of::<Self>() + columns.sum::<usize>() + others.sum::<usize>()
    }

    fn tell(&self, field: usize, segment: &Segment, sink: &mut dyn TallySink) -> Result<(), Damaged> {
        let mut json = Vec::new();
        for CountedColumn { table, column, counts } in &self.columns {
            let column = column_of(segment, *table, *column);
            let quote: &[u8] = if column.kind == LeafKind::Text { b"\"" } else { b"" };
            let mut tell = |ordinal: u32, count: u32, value: Option<&[u8]>| {
                json.clear();
                json.extend_from_slice(quote);
                match value {
                    Some(value) => json.extend_from_slice(value),
                    None => column.values.get(segment.body(), u64::from(ordinal), &mut json)?,
                }
                json.extend_from_slice(quote);
                let text = str::from_utf8(&json).map_err(|_| segment.malformed("a value that is no text"))?;
                sink.add_value(field, text, u64::from(count));
                Ok(())
            };
            // Where most values were met it is quicker to read them in a row.
            if counts.len() as u64 * 4 > column.values.len() {
                let mut left = counts.iter().peekable();
                column.values.each(segment.body(), 0..column.values.len(), |ordinal, value| {
                    match left.next_if(|(next, _)| u64::from(*next) == ordinal) {
                        Some((ordinal, count)) => tell(*ordinal, *count, Some(value)),
                        None => Ok(()),
                    }
                })?;
            } else {
                for (ordinal, count) in counts {
                    tell(*ordinal, *count, None)?;
                }
            }
        }
        for (json, count) in &self.others {
            sink.add_value(field, json, *count);
        }
        if self.missing > 0 {
            sink.add_missing(field, self.missing);
        }
        Ok(())
    }
}

fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_string(text, &mut out);
    String::from_utf8(out).expect("JSON is UTF-8")
}

fn time_text(segment: &Segment, time: u64) -> Result<String, Damaged> {
    instant_text(segment, decoded(time))
}

fn instant_text(segment: &Segment, us: i64) -> Result<String, Damaged> {
    let at =
        Timestamp::from_micros(us).ok_or_else(|| segment.malformed("a time outside the years 0 to 9999"))?;
    Ok(quoted(&at.to_string()))
}
