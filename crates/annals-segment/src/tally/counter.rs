//! Counting the values of one field.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_event::filter::{Field, Path};
use annals_event::json::{Document, Kind as JsonKind, Limits, write_string};
use annals_event::{Operation, Timestamp};

use super::TallySink;
use crate::Damaged;
use crate::meta::LeafKind;
use crate::plan::known::decoded;
use crate::plan::set::each_bit_128;
use crate::plan::templates::has_gaps;
use crate::plan::{Scratch, below, find, owners};
use crate::segment::{Part, Reader, Segment};
use crate::values::Values;

/// Events were within the limits when they were taken.
const LIMITS: Limits = Limits { depth_max: usize::MAX };

/// Counts of a field's values in one segment.
pub(super) struct Counter {
    of: Of,
    /// Records without a value.
    missing: u64,
    /// Values that were counted by themselves, as JSON.
    others: BTreeMap<Box<str>, u64>,
}

enum Of {
    Member(Box<Member>),
    /// By operation's code.
    Operation(Box<[u64; 256]>),
    /// By log.
    Tenant(BTreeMap<u32, u64>),
    /// By index of the time.
    Received(BTreeMap<u64, u64>),
    /// By the time as it is stored.
    Happened(BTreeMap<u64, u64>),
    Position,
}

/// Counts of a member's values.
struct Member {
    path: Path,
    leaves: Vec<Leaves>,
    /// Tables whose instances that are kept as they are may have it.
    raws: Vec<usize>,
    document: Document,
    event: Vec<u8>,
    ordinals: Vec<u32>,
    holders: Vec<u32>,
    owners: Vec<u8>,
}

/// A column that the path leads to.
struct Leaves {
    table: usize,
    column: usize,
    /// Ordinal of `null`, which is no value.
    null: Option<u32>,
    /// Values are not those of the dictionary alone: the leaf itself has to be read. Of times of rows all, of texts in which
    /// others stand those with gaps.
    is_happened: bool,
    gaps: Vec<bool>,
    /// Per ordinal.
    counts: Vec<u64>,
    /// Per ordinal the row that it was counted for last, plus one: where a row may have it more than once.
    seen: Vec<u32>,
    /// Rows of the block that have a leaf.
    rows: u128,
}

impl Counter {
    pub(super) fn new(segment: &Arc<Segment>, field: &Field) -> Result<Self, Damaged> {
        let of = match field {
            Field::Member(path) => Of::Member(Box::new(Member::new(segment, path)?)),
            Field::Operation => Of::Operation(Box::new([0; 256])),
            Field::Tenant => Of::Tenant(BTreeMap::new()),
            Field::ReceivedAt => Of::Received(BTreeMap::new()),
            Field::OccurredAt => Of::Happened(BTreeMap::new()),
            Field::Position => Of::Position,
        };
        Ok(Self { of, missing: 0, others: BTreeMap::new() })
    }

    /// Counts rows of a block.
    pub(super) fn add(&mut self, block: u32, rows: u128, scratch: &mut Scratch) -> Result<(), Damaged> {
        let first_row = block * 128;
        let reader = &mut scratch.reader;
        let mut failed = Ok(());
        match &mut self.of {
            Of::Member(member) => {
                self.missing += member.add(block, rows, scratch, &mut self.others)?;
            }
            Of::Operation(counts) => each_bit_128(rows, |bit| match reader.kind(first_row + bit) {
                Ok(kind) => counts[usize::from(kind.operation)] += 1,
                Err(error) => failed = Err(error),
            }),
            Of::Tenant(counts) => {
                let mut left = rows;
                while left != 0 {
                    let log = &reader.log(first_row + left.trailing_zeros())?.0;
                    let end = log.rows.end.saturating_sub(first_row).min(128);
                    let of_log = left & crate::plan::set::first(end as usize);
                    *counts.entry(log.index).or_default() += u64::from(of_log.count_ones());
                    if of_log == 0 {
                        return Err(reader.segment().malformed("a log without its row"));
                    }
                    left &= !of_log;
                }
            }
            Of::Received(counts) => {
                let segment = Arc::clone(reader.segment());
                let mut indexes = [0; 128];
                segment.footer().known.received.unit(segment.body(), u64::from(block), &mut indexes)?;
                each_bit_128(rows, |bit| *counts.entry(indexes[bit as usize]).or_default() += 1);
            }
            Of::Happened(counts) => {
                let segment = Arc::clone(reader.segment());
                let mut times = [0; 128];
                segment.footer().known.happened.unit(segment.body(), u64::from(block), &mut times)?;
                each_bit_128(rows, |bit| *counts.entry(times[bit as usize]).or_default() += 1);
            }
            Of::Position => each_bit_128(rows, |bit| match reader.position(first_row + bit) {
                Ok(position) => *self.others.entry(position.0.to_string().into()).or_default() += 1,
                Err(error) => failed = Err(error),
            }),
        }
        failed
    }

    /// Tells what was counted.
    pub(super) fn finish(
        &mut self,
        field: usize,
        scratch: &mut Scratch,
        sink: &mut dyn TallySink,
    ) -> Result<(), Damaged> {
        let segment = Arc::clone(scratch.reader.segment());
        match &mut self.of {
            Of::Member(member) => member.finish(field, scratch, sink)?,
            Of::Operation(counts) => {
                for (code, count) in (0_u8..=u8::MAX).zip(counts.iter()).filter(|(_, count)| **count > 0) {
                    let operation = Operation::from_code(code)
                        .ok_or_else(|| segment.malformed("an unknown operation"))?;
                    sink.add_value(field, &quoted(operation.as_str()), *count);
                }
            }
            Of::Tenant(counts) => {
                for (log, count) in counts {
                    sink.add_value(field, &quoted(segment.log_name(*log)?.tenant.as_str()), *count);
                }
            }
            Of::Received(counts) => {
                for (index, count) in counts {
                    let time = segment.footer().known.received_values.get(segment.body(), *index)?;
                    sink.add_value(field, &time_text(&segment, time)?, *count);
                }
            }
            Of::Happened(counts) => {
                for (time, count) in counts {
                    sink.add_value(field, &time_text(&segment, *time)?, *count);
                }
            }
            Of::Position => {}
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

impl Member {
    fn new(segment: &Arc<Segment>, path: &Path) -> Result<Self, Damaged> {
        let (mut leaves, mut raws, mut text) = (Vec::new(), Vec::new(), Vec::new());
        for (index, table) in segment.footer().tables.iter().enumerate() {
            let Some(rest) = below(path.as_slice(), &table.path) else { continue };
            for (at, column) in table.columns.iter().enumerate() {
                if rest.len() != column.path.len() || below(rest, &column.path).is_none() {
                    continue;
                }
                let null = match column.kind {
                    LeafKind::Token => find(segment, column, b"null", &mut text)?,
                    LeafKind::Text => None,
                };
                let is_happened = matches!(column.values, Values::Happened { .. });
                let n = if is_happened { 0 } else { column.values.len() };
                let n = usize::try_from(n).map_err(|_| segment.malformed("values of a column"))?;
                let mut gaps = Vec::new();
                if !column.refs.is_empty() {
                    column.values.each(segment.body(), 0..column.values.len(), |_, value| {
                        gaps.push(has_gaps(value));
                        Ok(())
                    })?;
                }
                leaves.push(Leaves {
                    gaps,
                    table: index,
                    column: at,
                    null,
                    is_happened,
                    counts: vec![0; n],
                    seen: if index == 0 { Vec::new() } else { vec![0; n] },
                    rows: 0,
                });
            }
            if table.raw.is_some() {
                raws.push(index);
            }
        }
        Ok(Self {
            path: path.clone(),
            leaves,
            raws,
            document: Document::default(),
            event: Vec::new(),
            ordinals: Vec::new(),
            holders: Vec::new(),
            owners: Vec::new(),
        })
    }

    /// Counts rows of a block, and says how many have no value.
    fn add(
        &mut self,
        block: u32,
        rows: u128,
        scratch: &mut Scratch,
        others: &mut BTreeMap<Box<str>, u64>,
    ) -> Result<u64, Damaged> {
        // Rows whose events have to be looked at: those with values in several columns, which may be the same values.
        let mut alone = rows & !self.raw_rows(block, rows, scratch)?;
        if self.leaves.len() > 1 {
            let mut met = 0;
            for at in 0..self.leaves.len() {
                let has = self.rows_with(at, block, scratch)?;
                alone &= !(met & has);
                met |= has;
            }
        }
        for at in 0..self.leaves.len() {
            // Elements may have the same text in two ways.
            if self.leaves[at].table > 0 && !self.leaves[at].gaps.is_empty() {
                alone &= !self.rows_with(at, block, scratch)?;
            }
        }
        let mut counted = 0;
        for at in 0..self.leaves.len() {
            counted |= self.count(at, block, alone, scratch, others)?;
        }
        let mut missing = u64::from((alone & !counted).count_ones());
        let mut failed = Ok(());
        each_bit_128(rows & !alone, |bit| match self.count_event(block * 128 + bit, scratch, others) {
            Ok(true) => {}
            Ok(false) => missing += 1,
            Err(error) => failed = Err(error),
        });
        failed.map(|()| missing)
    }

    /// Rows around instances that are kept as they are.
    fn raw_rows(&mut self, block: u32, rows: u128, scratch: &mut Scratch) -> Result<u128, Damaged> {
        let mut found = 0;
        for table in &self.raws {
            let instances = owners(&mut scratch.reader, *table, block, &mut self.owners)?;
            for unit in instances.start / 128..instances.end.div_ceil(128) {
                let present = scratch.reader.present(*table, Part::Raw, unit)?;
                each_bit_128(present.mask, |bit| {
                    let instance = unit * 128 + u64::from(bit);
                    if instances.contains(&instance) {
                        let owner = usize::try_from(instance - instances.start).ok();
                        found |= owner.and_then(|at| self.owners.get(at)).map_or(0, |row| 1 << row);
                    }
                });
            }
        }
        Ok(found & rows)
    }

    /// Rows of a block that have a leaf of a column.
    fn rows_with(&mut self, at: usize, block: u32, scratch: &mut Scratch) -> Result<u128, Damaged> {
        let leaves = &mut self.leaves[at];
        leaves.rows = if leaves.table == 0 {
            scratch.reader.present(0, Part::Column(leaves.column), u64::from(block))?.mask
        } else {
            let instances = owners(&mut scratch.reader, leaves.table, block, &mut self.owners)?;
            self.holders.clear();
            self.ordinals.clear();
            scratch.reader.leaves(
                leaves.table,
                leaves.column,
                instances,
                &mut self.holders,
                &mut self.ordinals,
            )?;
            let owners = &self.owners;
            self.holders.iter().fold(0, |rows, at| rows | owners.get(*at as usize).map_or(0, |row| 1 << row))
        };
        Ok(leaves.rows)
    }

    /// Counts the leaves of a column in some rows of a block, and says which have a value.
    fn count(
        &mut self,
        at: usize,
        block: u32,
        rows: u128,
        scratch: &mut Scratch,
        others: &mut BTreeMap<Box<str>, u64>,
    ) -> Result<u128, Damaged> {
        let reader = &mut scratch.reader;
        let leaves = &mut self.leaves[at];
        let segment = Arc::clone(reader.segment());
        let beyond = || segment.malformed("an ordinal without its value");
        self.ordinals.clear();
        if leaves.table == 0 {
            let present = reader.present(0, Part::Column(leaves.column), u64::from(block))?;
            let counted = present.mask & rows;
            if counted == 0 {
                return Ok(0);
            }
            if leaves.is_happened {
                let mut failed = Ok(());
                each_bit_128(counted, |bit| {
                    let row = u64::from(block * 128 + bit);
                    failed = std::mem::replace(&mut failed, Ok(()))
                        .and_then(|()| count_leaf(reader, (0, leaves.column), row, &mut self.event, others));
                });
                return failed.map(|()| counted);
            }
            reader.ordinals(0, leaves.column, present.leaves(), &mut self.ordinals)?;
            if counted == present.mask && leaves.null.is_none() && leaves.gaps.is_empty() {
                let most = self.ordinals.iter().copied().max().unwrap_or(0);
                let counts = leaves.counts.as_mut_slice();
                if most as usize >= counts.len() {
                    return Err(beyond());
                }
                for ordinal in &self.ordinals {
                    counts[*ordinal as usize] += 1;
                }
                return Ok(counted);
            }
            let (mut has, mut failed) = (0, Ok(()));
            let mut ordinals = self.ordinals.iter();
            each_bit_128(present.mask, |bit| {
                let ordinal = ordinals.next().copied();
                if counted >> bit & 1 == 0 || (ordinal == leaves.null && ordinal.is_some()) || failed.is_err()
                {
                    return;
                }
                has |= 1 << bit;
                let at = ordinal.map_or(usize::MAX, |ordinal| ordinal as usize);
                if leaves.gaps.get(at) == Some(&true) {
                    let row = u64::from(block * 128 + bit);
                    failed = count_leaf(reader, (0, leaves.column), row, &mut self.event, others);
                } else if let Some(count) = leaves.counts.get_mut(at) {
                    *count += 1;
                } else {
                    failed = Err(beyond());
                }
            });
            return failed.map(|()| has);
        }
        let instances = owners(reader, leaves.table, block, &mut self.owners)?;
        if instances.is_empty() {
            return Ok(0);
        }
        self.holders.clear();
        reader.leaves(leaves.table, leaves.column, instances, &mut self.holders, &mut self.ordinals)?;
        let mut has = 0;
        for (holder, ordinal) in self.holders.iter().zip(&self.ordinals) {
            let owner = self.owners.get(*holder as usize).copied().unwrap_or(0);
            if rows >> owner & 1 == 0 || Some(*ordinal) == leaves.null {
                continue;
            }
            let ordinal = *ordinal as usize;
            let seen = leaves.seen.get_mut(ordinal).ok_or_else(beyond)?;
            // Rows of a block are met in their order, blocks too.
            let row = block * 128 + u32::from(owner) + 1;
            if *seen != row {
                *seen = row;
                leaves.counts[ordinal] += 1;
            }
            has |= 1 << owner;
        }
        Ok(has)
    }

    /// Counts the values of one event, and says whether it has any.
    fn count_event(
        &mut self,
        row: u32,
        scratch: &mut Scratch,
        others: &mut BTreeMap<Box<str>, u64>,
    ) -> Result<bool, Damaged> {
        self.event.clear();
        scratch.reader.event(row, &mut self.event)?;
        let malformed = || scratch.reader.segment().malformed("an event that is no JSON");
        let event = self.document.parse(&self.event, LIMITS).map_err(|_| malformed())?;
        let mut values = Vec::new();
        self.path.each(event, &mut |value| {
            if matches!(value.kind(), JsonKind::String | JsonKind::Number | JsonKind::Bool) {
                values.push(value.token());
            }
        });
        values.sort_unstable();
        values.dedup();
        for value in &values {
            match others.get_mut(*value) {
                Some(count) => *count += 1,
                None => {
                    others.insert((*value).into(), 1);
                }
            }
        }
        Ok(!values.is_empty())
    }

    fn finish(
        &mut self,
        field: usize,
        scratch: &mut Scratch,
        sink: &mut dyn TallySink,
    ) -> Result<(), Damaged> {
        let segment = Arc::clone(scratch.reader.segment());
        let mut json = Vec::new();
        for leaves in &self.leaves {
            let column = &segment.footer().tables[leaves.table].columns[leaves.column];
            let quote: &[u8] = if column.kind == LeafKind::Text { b"\"" } else { b"" };
            let mut tell = |ordinal: u64, count: u64, value: Option<&[u8]>| {
                json.clear();
                json.extend_from_slice(quote);
                match value {
                    Some(value) => json.extend_from_slice(value),
                    None => column.values.get(segment.body(), ordinal, &mut json)?,
                }
                json.extend_from_slice(quote);
                let text = str::from_utf8(&json).map_err(|_| segment.malformed("a value that is no text"))?;
                sink.add_value(field, text, count);
                Ok(())
            };
            let counted = leaves.counts.iter().filter(|count| **count > 0).count();
            // Where most values were met it is quicker to read them in a row.
            if counted * 4 > leaves.counts.len() {
                column.values.each(segment.body(), 0..leaves.counts.len() as u64, |ordinal, value| {
                    let count = usize::try_from(ordinal).ok().and_then(|at| leaves.counts.get(at)).copied();
                    match count.unwrap_or(0) {
                        0 => Ok(()),
                        count => tell(ordinal, count, Some(value)),
                    }
                })?;
            } else {
                for (ordinal, count) in (0_u64..).zip(&leaves.counts).filter(|(_, count)| **count > 0) {
                    tell(ordinal, *count, None)?;
                }
            }
        }
        Ok(())
    }
}

/// Counts the text of one leaf.
fn count_leaf(
    reader: &mut Reader,
    (table, column): (usize, usize),
    instance: u64,
    text: &mut Vec<u8>,
    others: &mut BTreeMap<Box<str>, u64>,
) -> Result<(), Damaged> {
    text.clear();
    text.push(b'"');
    reader.leaf(table, column, instance, text)?;
    text.push(b'"');
    let malformed = || reader.segment().malformed("a value that is no text");
    let text = str::from_utf8(text).map_err(|_| malformed())?;
    match others.get_mut(text) {
        Some(count) => *count += 1,
        None => {
            others.insert(text.into(), 1);
        }
    }
    Ok(())
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
