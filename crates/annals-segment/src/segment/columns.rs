//! Reading columns: which instances have a leaf, which value it is, and which rows the instances stand in.
//!
//! A table's instances are read 128 at a time, as the numbers of their shapes are stored. What was worked out for the last
//! unit of each table and column stays in a [`Reader`], so that neighbours cost next to nothing. A reader belongs to one
//! thread and one segment.

use std::ops::Range;
use std::sync::Arc;

use super::Segment;
use super::shapes::Shapes;
use super::values::Recent;
use crate::Damaged;
use crate::meta::{Column, Of, Presence, Table};
use crate::numbers::{Numbers, UNIT};
use crate::values::Values;

/// Something that some instances of a table have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A leaf: index in [`Table::columns`].
    Column(usize),
    /// A table beneath it: index in [`Footer::tables`](crate::meta::Footer::tables). Its parent must be the table asked about.
    Table(usize),
    /// They are kept as they are.
    Raw,
}

/// Which of the 128 instances of a unit have a part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Present {
    /// How many instances before the unit have it.
    pub before: u64,
    /// Bit i: the i-th instance of the unit has it.
    pub mask: u128,
}

impl Present {
    /// Which number among those that have it the instance is, if it has it. `instance` is in this unit.
    pub(crate) fn place(self, instance: u64) -> Option<u64> {
        let bit = 1_u128 << (instance % UNIT);
        (self.mask & bit != 0).then(|| self.before + u64::from((self.mask & (bit - 1)).count_ones()))
    }

    /// How many instances before `instance` have it. `instance` is in this unit.
    pub(crate) fn rank(self, instance: u64) -> u64 {
        let bit = 1_u128 << (instance % UNIT);
        self.before + u64::from((self.mask & (bit - 1)).count_ones())
    }

    /// The leaves of this unit.
    pub(crate) fn leaves(self) -> Range<u64> {
        self.before..self.before + u64::from(self.mask.count_ones())
    }
}

/// Reads rows of one segment, and keeps what neighbours share.
pub(crate) struct Reader {
    segment: Arc<Segment>,
    tables: Vec<TableState>,
    pub(super) recent: Recent,
}

/// No unit: none is so high.
const NONE: u64 = u64::MAX;

/// What is known of a table and of one unit of it.
struct TableState {
    shapes: Option<Arc<Shapes>>,
    /// The unit whose shapes these are.
    unit: u64,
    /// How many instances it has.
    count: usize,
    /// Shape of each.
    ids: Box<[u32; UNIT as usize]>,
    /// Each shape in it with the instances that have it.
    masks: Vec<(u32, u128)>,
    /// Scratch: per shape the index in `masks` plus one.
    slots: Vec<u8>,
    columns: Vec<ColumnState>,
    raw: PartState,
    /// Which instances of the parent have this table.
    inside: PartState,
}

struct ColumnState {
    part: PartState,
    /// The unit of leaves whose ordinals these are.
    unit: u64,
    ordinals: Option<Box<[u32; UNIT as usize]>>,
}

#[derive(Clone, Copy)]
struct PartState {
    unit: u64,
    present: Present,
}

impl PartState {
    const NEW: PartState = PartState { unit: NONE, present: Present { before: 0, mask: 0 } };
}

impl Reader {
    /// A reader of `segment`. Cheap; what it reads is kept from then on.
    pub(crate) fn new(segment: &Arc<Segment>) -> Reader {
        let tables = segment.footer().tables.iter().map(|table| TableState {
            shapes: None,
            unit: NONE,
            count: 0,
            ids: Box::new([0; UNIT as usize]),
            masks: Vec::new(),
            slots: Vec::new(),
            columns: table
                .columns
                .iter()
                .map(|_| ColumnState { part: PartState::NEW, unit: NONE, ordinals: None })
                .collect(),
            raw: PartState::NEW,
            inside: PartState::NEW,
        });
        Reader { tables: tables.collect(), segment: Arc::clone(segment), recent: Recent::new() }
    }

    /// The segment.
    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// The shapes of a table.
    pub(crate) fn shapes(&mut self, table: usize) -> Result<&Arc<Shapes>, Damaged> {
        let state = &mut self.tables[table];
        if state.shapes.is_none() {
            state.shapes = Some(self.segment.shapes(table)?);
        }
        Ok(state.shapes.as_ref().expect("set above"))
    }

    /// The shapes among instances `unit * 128 ..` of a table, each with the instances that have it. The number of the table's
    /// shapes stands for those that are kept as they are.
    pub(crate) fn shape_masks(&mut self, table: usize, unit: u64) -> Result<&[(u32, u128)], Damaged> {
        self.load(table, unit)?;
        Ok(&self.tables[table].masks)
    }

    /// Shape of one instance.
    pub(crate) fn shape(&mut self, table: usize, instance: u64) -> Result<u32, Damaged> {
        self.load(table, instance / UNIT)?;
        let state = &self.tables[table];
        let at = usize::try_from(instance % UNIT).expect("below 128");
        if at >= state.count {
            return Err(self.segment.malformed("an instance beyond its table"));
        }
        Ok(state.ids[at])
    }

    /// Which of the instances `unit * 128 ..` of `table` have `part`.
    pub(crate) fn present(&mut self, table: usize, part: Part, unit: u64) -> Result<Present, Damaged>;

    /// Which number among those that have `part` the instance is; `None` if it has it not.
    pub(crate) fn place(&mut self, table: usize, part: Part, instance: u64) -> Result<Option<u64>, Damaged>;

    /// How many instances before `instance` have `part`. `instance` may be the number of instances.
    pub(crate) fn rank(&mut self, table: usize, part: Part, instance: u64) -> Result<u64, Damaged>;

    /// The instances of `table` that stand in `rows`. They follow each other.
    pub(crate) fn instances(&mut self, table: usize, rows: Range<u64>) -> Result<Range<u64>, Damaged>;

    /// The instances of `table` directly in instances `within` of its parent.
    pub(crate) fn children(&mut self, table: usize, within: Range<u64>) -> Result<Range<u64>, Damaged>;

    /// The instances of `table` in a block of 128 rows; `owners` gets the row of each, counted from the block's first.
    pub(crate) fn owners(&mut self, table: usize, block: u32, owners: &mut Vec<u8>) -> Result<Range<u64>, Damaged>;

    /// Ordinal of one leaf of a column.
    pub(crate) fn ordinal(&mut self, table: usize, column: usize, leaf: u64) -> Result<u32, Damaged>;

    /// Appends the ordinals of leaves of a column.
    pub(crate) fn ordinals(&mut self, table: usize, column: usize, leaves: Range<u64>, into: &mut Vec<u32>) -> Result<(), Damaged>;

    /// The leaves of a column among `instances`: appends which instance has one, counted from `instances.start`, and its ordinal.
    pub(crate) fn leaves(&mut self, table: usize, column: usize, instances: Range<u64>, holders: &mut Vec<u32>, ordinals: &mut Vec<u32>) -> Result<(), Damaged>;

    /// Appends a value of a column, without quotes. Not for columns of [`Values::Happened`]: these have the text of `happened`.
    pub(crate) fn value(&mut self, table: usize, column: usize, ordinal: u32, into: &mut Vec<u8>) -> Result<(), Damaged>;

    /// Appends the `nth` instance of a table that is kept as it is: JSON.
    pub(crate) fn raw(&mut self, table: usize, nth: u64, into: &mut Vec<u8>) -> Result<(), Damaged>;
}
