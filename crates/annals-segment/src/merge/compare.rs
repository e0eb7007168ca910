//! Whether a merged segment gives every record as its inputs do: asked before anything else is told that it does.
//!
//! Everything is read back from the files. Records are not put together, but compared column by column, so that each distinct
//! value is looked at once. Why no difference can hide:
//!
//! * Rows are paired by log, in the order of the inputs; there are as many on both sides, and each is in one pair. What annals
//!   knows of a row is compared row by row, as a reader gives it, and so are tags.
//! * The text of an instance is that of its shape with its slots filled. Two instances are paired when their shapes have the same
//!   literals and the same kinds of slots, and a slot of a column (or child table) of the input always leads to the same column
//!   (or table) of the merged file. Then their texts are the same if what stands in each slot is.
//! * In a slot of a column stands the value that the leaf's ordinal names. Where a leaf is says the presence, as for a reader: it
//!   must say so for each instance whose shape has the slot. An ordinal of the input goes with one of the merged file once the
//!   bytes of both values were compared; every further leaf is compared by these two numbers.
//! * In a slot of a child table stand its instances in their order: as many on both sides, paired one by one, of which the same
//!   is said in turn. Tables stand behind their parents, so this ends.
//! * A value that names others is compared with the names translated. The values they name were compared with the columns they
//!   stand in, which is only relied on where these columns have leaves for just the instances whose shapes say so.
//!
//! Whatever does not fit these rules is no difference yet, but a doubt: instances that one side keeps whole, or leaves of which
//! one side names other values, are put together alone, and rows in doubt as records, on both sides, and their bytes compared.
//! So only bytes decide that something differs, and doubts too many cost nothing but time.
//!
//! | module | compares |
//! |---|---|
//! | `known` | what annals knows of rows |
//! | `tables` | which instances there are, and their shapes |
//! | `columns` | leaves |
//! | `places` | nothing; says which instances have which leaves |

mod columns;
mod known;
mod places;
mod tables;

use std::ops::Range;
use std::sync::Arc;

use self::tables::Pairs;
use crate::Damaged;
use crate::segment::{Reader, Segment};

/// What comparing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The first record that differs: the index of its log in the merged file, and its position. `(0, 0)` when nothing but the
    /// number of records does.
    pub difference: Option<(usize, u64)>,
    /// Records that were put together to be compared.
    pub rebuilt: u64,
}

/// The first record, by log and position, that a merged segment does not give as those it was made of do: its bytes, any other
/// member of [`Sealed`](crate::segment::Sealed), its tag, or the id of its log. `(0, 0)` when one side has records that the
/// other has not and no such record is first; `None` when there is no difference.
///
/// # Errors
///
/// [`Damaged`] when a file cannot be read, or is not what was written.
pub fn first_difference(
    merged: &Arc<Segment>,
    inputs: &[Arc<Segment>],
) -> Result<Option<(usize, u64)>, Damaged> {
    Ok(compare(merged, inputs)?.difference)
}

/// As [`first_difference`]; also tells how many records had to be put together for it.
///
/// # Errors
///
/// As there.
pub fn compare(merged: &Arc<Segment>, inputs: &[Arc<Segment>]) -> Result<Comparison, Damaged> {
    let merged = &merged.unveiled();
    let inputs = &inputs.iter().map(Segment::unveiled).collect::<Vec<_>>()[..];
    let Some(stretches) = stretches(merged, inputs)? else {
        return rebuild_all(merged, inputs);
    };
    let mut doubts = Doubts::new(merged.rows());
    let mut to = merged.reader();
    let mut from: Vec<Reader> = inputs.iter().map(|input| input.reader()).collect();
    known::compare(&stretches, &mut to, &mut from, &mut doubts)?;
    Pairs::new(&mut to, &mut from, &mut doubts).compare(&stretches)?;
    // What was kept for walking through columns is of no use any more.
    let mut to = merged.reader();
    let mut from: Vec<Reader> = inputs.iter().map(|input| input.reader()).collect();
    let mut rebuilt = 0;
    for stretch in &stretches {
        for (row, here) in stretch.pairs().filter(|(_, here)| doubts.has(*here)) {
            rebuilt += 1;
            let position = from[stretch.input].position(row)?.0;
            if !same_record(&mut from[stretch.input], row, &mut to, here)? {
                return Ok(Comparison { difference: Some((stretch.log, position)), rebuilt });
            }
        }
    }
    let lost = merged.fates_out_of_order()?;
    Ok(Comparison { difference: lost.map(|row| place(merged, &mut to, row)).transpose()?, rebuilt })
}

/// A row's place: the index of its log, and its position.
fn place(segment: &Segment, reader: &mut Reader, row: u32) -> Result<(usize, u64), Damaged> {
    let log = segment.log_of_row(row)?.index;
    Ok((usize::try_from(log).expect("logs are far below 2^32"), reader.position(row)?.0))
}

/// As [`first_difference`], but puts every record together on both sides. Slow, and plain: what the other is tested against.
///
/// # Errors
///
/// As there.
pub fn first_difference_rebuilt(
    merged: &Arc<Segment>,
    inputs: &[Arc<Segment>],
) -> Result<Option<(usize, u64)>, Damaged> {
    let inputs: Vec<Arc<Segment>> = inputs.iter().map(Segment::unveiled).collect();
    Ok(rebuild_all(&merged.unveiled(), &inputs)?.difference)
}

fn rebuild_all(merged: &Arc<Segment>, inputs: &[Arc<Segment>]) -> Result<Comparison, Damaged> {
    let mut to = merged.reader();
    let mut from: Vec<Reader> = inputs.iter().map(|input| input.reader()).collect();
    let mut rebuilt = 0;
    for index in 0..merged.logs() {
        let (name, log) = (merged.log_name(index)?, merged.log_rows(index)?);
        let index = usize::try_from(index).expect("logs are far below 2^32");
        let mut here = log.rows;
        for (input, reader) in inputs.iter().zip(&mut from) {
            let Some(rows) = input.find_log(&name.tenant, name.access)? else { continue };
            let same_log = input.log_name(rows.index)?.id == name.id;
            for row in rows.rows {
                rebuilt += 1;
                let same = match here.next() {
                    Some(here) => same_log && same_record(reader, row, &mut to, here)?,
                    None => false,
                };
                if !same {
                    let difference = Some((index, reader.position(row)?.0));
                    return Ok(Comparison { difference, rebuilt });
                }
            }
        }
    }
    let all: u64 = inputs.iter().map(|input| u64::from(input.rows())).sum();
    let differs = rebuilt != all || u64::from(merged.rows()) != all;
    if let (false, Some(lost)) = (differs, merged.fates_out_of_order()?) {
        return Ok(Comparison { difference: Some(place(merged, &mut to, lost)?), rebuilt });
    }
    Ok(Comparison { difference: differs.then_some((0, 0)), rebuilt })
}

/// Whether a record of an input comes back from a row of the merged file.
fn same_record(from: &mut Reader, row: u32, to: &mut Reader, here: u32) -> Result<bool, Damaged> {
    Ok(from.record(row)? == to.record(here)? && from.segment().tag(row)? == to.segment().tag(here)?)
}

/// Rows that follow each other in an input and in the merged file: those of a log.
struct Stretch {
    input: usize,
    rows: Range<u32>,
    /// The first of them in the merged file.
    first: u32,
    /// Which log of the merged file.
    log: usize,
}

impl Stretch {
    /// Each row of the input with that of the merged file.
    fn pairs(&self) -> impl Iterator<Item = (u32, u32)> {
        self.rows.clone().zip(self.first..)
    }

    /// Where they are in the merged file.
    fn merged(&self) -> Range<u32> {
        self.first..self.first + (self.rows.end - self.rows.start)
    }
}

/// The rows of the merged file and where they must have come from; `None` when they are not as many as the inputs have, log by
/// log.
fn stretches(merged: &Segment, inputs: &[Arc<Segment>]) -> Result<Option<Vec<Stretch>>, Damaged> {
    let mut stretches = Vec::new();
    let mut next = 0;
    let mut before = None;
    for index in 0..merged.logs() {
        let (name, log) = (merged.log_name(index)?, merged.log_rows(index)?);
        let order = Some((name.tenant.clone(), name.access));
        if log.rows.start != next || before >= order {
            return Ok(None);
        }
        before = order;
        for (at, input) in inputs.iter().enumerate() {
            let Some(from) = input.find_log(&name.tenant, name.access)? else { continue };
            let count = from.rows.end - from.rows.start;
            if count > log.rows.end - next || input.log_name(from.index)?.id != name.id {
                return Ok(None);
            }
            let log = usize::try_from(index).expect("logs are far below 2^32");
            stretches.push(Stretch { input: at, rows: from.rows, first: next, log });
            next += count;
        }
        if next != log.rows.end {
            return Ok(None);
        }
    }
    let all: u64 = inputs.iter().map(|input| u64::from(input.rows())).sum();
    Ok((next == merged.rows() && u64::from(next) == all).then_some(stretches))
}

/// Rows of the merged file that columns do not prove the same.
struct Doubts {
    bits: Vec<u64>,
}

impl Doubts {
    fn new(rows: u32) -> Doubts {
        Doubts { bits: vec![0; rows.div_ceil(u64::BITS) as usize] }
    }

    #[cold]
    fn add(&mut self, row: u32) {
        self.bits[(row / u64::BITS) as usize] |= 1 << (row % u64::BITS);
    }

    fn has(&self, row: u32) -> bool {
        self.bits[(row / u64::BITS) as usize] >> (row % u64::BITS) & 1 == 1
    }
}
