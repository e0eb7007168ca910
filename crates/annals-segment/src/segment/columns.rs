//! Reading columns: which instances have a leaf, which value it is, and which rows the instances stand in.
//!
//! A table's instances are read 128 at a time, as the numbers of their shapes are stored. What was worked out for the last
//! two units of each table and column stays in a [`Reader`], so that neighbours cost next to nothing: the instances in 128
//! rows mostly lie in two units. A reader belongs to one thread and one segment.

use std::ops::Range;
use std::sync::Arc;

use super::Segment;
use super::record::KnownState;
use super::shapes::Shapes;
use super::values::{Page, Recent};
use super::window::Window;
use crate::Damaged;
use crate::body::Body;
use crate::meta::{Column, Presence, Table};
use crate::numbers::Numbers;
use crate::plan::set::compress;
use crate::values::Arena;

/// Instances, leaves and rows that are read together.
pub(crate) const UNIT: u64 = 128;

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
        (self.mask >> (instance % UNIT) & 1 == 1).then(|| self.rank(instance))
    }

    /// How many instances before `instance` have it. `instance` is in this unit.
    pub(crate) fn rank(self, instance: u64) -> u64 {
        self.before + u64::from((self.mask & ((1 << (instance % UNIT)) - 1)).count_ones())
    }

    /// The leaves of this unit.
    pub(crate) fn leaves(self) -> Range<u64> {
        self.before..self.before + u64::from(self.mask.count_ones())
    }
}

/// Reads rows of one segment, and keeps what neighbours share. It takes some 100 KB once it was used; drop it after a page.
pub struct Reader {
    pub(super) segment: Arc<Segment>,
    pub(super) tables: Vec<TableState>,
    pub(super) recent: Recent,
    pub(super) known: KnownState,
    /// Scratch of [`Reader::put_in`].
    pub(super) text: Vec<u8>,
    /// Bytes that may still be kept of columns' values, for who reads all rows.
    room: usize,
}

/// No unit: none is so high.
const NONE: u64 = u64::MAX;

/// What is known of a table and of two units of it: an even one and an odd one.
pub(super) struct TableState {
    pub(super) shapes: Option<Arc<Shapes>>,
    units: [UnitState; 2],
    /// Scratch: per shape its index in [`UnitState::masks`] plus one.
    slots: Vec<u8>,
    columns: Vec<ColumnState>,
    raw: [PartState; 2],
    /// How many instances before each unit are kept as they are.
    raw_before: Window<u64>,
    /// Which instances of the parent have this table.
    inside: [PartState; 2],
    /// How many instances of the parent before each of its units have it.
    before: Window<u64>,
    /// How many elements stand before those of an instance of the parent.
    starts: Window<u64>,
}

/// Shapes of the instances of a unit.
struct UnitState {
    /// Which unit.
    unit: u64,
    /// How many instances it has.
    count: usize,
    /// Shape of each.
    ids: Box<[u32; 128]>,
    /// Each shape in it with the instances that have it.
    masks: Vec<(u32, u128)>,
}

impl UnitState {
    fn new() -> UnitState {
        UnitState { unit: NONE, count: 0, ids: Box::new([0; 128]), masks: Vec::new() }
    }
}

struct ColumnState {
    /// Every instance has a leaf.
    all: bool,
    part: [PartState; 2],
    /// How many instances before each unit have a leaf.
    before: Window<u64>,
    ordinals: Window<u32>,
    page: Page,
    whole: Whole,
}

/// All values of a column.
enum Whole {
    /// Nobody has asked yet.
    Unread,
    /// They would take too much memory, or are not wanted: each is read when it is asked for.
    Apart,
    Read(Arena),
}

impl ColumnState {
    /// All values, if there is `room` to keep them. When some cannot be read, each is read by itself, so that those who ask for
    /// the others get them.
    #[inline]
    fn whole(&mut self, column: &Column, body: &Body, room: &mut usize) -> Option<&Arena> {
        if let Whole::Unread = self.whole {
            self.whole = read_whole(column, body, room).unwrap_or(Whole::Apart);
        }
        match &self.whole {
            Whole::Read(values) => Some(values),
            Whole::Unread | Whole::Apart => None,
        }
    }
}

#[inline(never)]
fn read_whole(column: &Column, body: &Body, room: &mut usize) -> Result<Whole, Damaged> {
    let values = &column.values;
    // Those that hardly any leaves share stand in the order of rows: they come a page at a time as it is.
    if values.len() > column.ordinals.len() / 2 && values.len() > UNIT {
        return Ok(Whole::Apart);
    }
    // What is left is never nothing: that stands for keeping none.
    let most = *room - 1;
    let (mut read, mut bytes) = (Arena::new(), 0_usize);
    values.each(body, 0..values.len(), |_, value| {
        bytes = bytes.saturating_add(value.len() + size_of::<usize>());
        if bytes <= most {
            read.push(value);
        }
        Ok(())
    })?;
    if bytes > most {
        return Ok(Whole::Apart);
    }
    *room -= bytes;
    Ok(Whole::Read(read))
}

#[derive(Clone, Copy)]
struct PartState {
    unit: u64,
    present: Present,
}

impl PartState {
    const NEW: PartState = PartState { unit: NONE, present: Present { before: 0, mask: 0 } };
}

impl TableState {
    fn new(table: &Table) -> TableState {
        let column = |column: &Column| ColumnState {
            all: column.presence == Presence::All,
            part: [PartState::NEW; 2],
            before: Window::new(),
            ordinals: Window::new(),
            page: Page::new(),
            whole: Whole::Unread,
        };
        TableState {
            shapes: None,
            units: [UnitState::new(), UnitState::new()],
            slots: Vec::new(),
            columns: table.columns.iter().map(column).collect(),
            raw: [PartState::NEW; 2],
            raw_before: Window::new(),
            inside: [PartState::NEW; 2],
            before: Window::new(),
            starts: Window::new(),
        }
    }

    /// Reads the shapes of a unit, unless it is one of the last two read.
    #[inline]
    fn load(&mut self, segment: &Segment, table: usize, unit: u64) -> Result<&UnitState, Damaged> {
        let at = parity(unit);
        if self.units[at].unit != unit {
            self.load_anew(segment, table, unit)?;
        }
        Ok(&self.units[at])
    }

    #[inline(never)]
    fn load_anew(&mut self, segment: &Segment, table: usize, unit: u64) -> Result<(), Damaged> {
        let own = &segment.footer().tables[table];
        let Self { units, slots, .. } = self;
        let state = &mut units[parity(unit)];
        state.unit = NONE;
        state.masks.clear();
        slots.clear();
        slots.resize(usize::try_from(own.shapes.len()).unwrap_or(usize::MAX) + 1, 0);
        state.count = own.shape.unit_u32(segment.body(), unit, &mut state.ids)?;
        let mut bit = 1_u128;
        for id in &state.ids[..state.count] {
            let Some(slot) = slots.get_mut(*id as usize) else {
                return Err(segment.malformed("a shape that is not listed"));
            };
            if *slot == 0 {
                state.masks.push((*id, 0));
                *slot = u8::try_from(state.masks.len()).expect("at most 128 shapes in a unit");
            }
            state.masks[usize::from(*slot) - 1].1 |= bit;
            bit <<= 1;
        }
        state.unit = unit;
        Ok(())
    }

    fn shapes(&mut self, segment: &Segment, table: usize) -> Result<&Arc<Shapes>, Damaged> {
        if self.shapes.is_none() {
            self.shapes = Some(segment.shapes(table)?);
        }
        Ok(self.shapes.as_ref().expect("set above"))
    }
}

impl Reader {
    /// A reader of `segment`. Cheap; what it reads is kept from then on.
    #[must_use]
    pub fn new(segment: &Arc<Segment>) -> Reader {
        Reader {
            tables: segment.footer().tables.iter().map(TableState::new).collect(),
            segment: Arc::clone(segment),
            recent: Recent::new(),
            known: KnownState::new(),
            text: Vec::new(),
            room: 0,
        }
    }

    /// From now on keeps all values of a column once one of them is asked for, of as many columns as fit in `bytes`: for whoever
    /// reads all rows.
    pub fn keep_values(&mut self, bytes: usize) {
        self.room = bytes;
    }

    /// The segment.
    #[must_use]
    pub fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// The shapes of a table.
    pub(crate) fn shapes(&mut self, table: usize) -> Result<&Arc<Shapes>, Damaged> {
        self.tables[table].shapes(&self.segment, table)
    }

    /// The shapes among instances `unit * 128 ..` of a table, each with the instances that have it. The number of the table's
    /// shapes stands for those that are kept as they are.
    pub(crate) fn shape_masks(&mut self, table: usize, unit: u64) -> Result<&[(u32, u128)], Damaged> {
        Ok(&self.tables[table].load(&self.segment, table, unit)?.masks)
    }

    /// Shape of one instance.
    #[inline]
    pub(crate) fn shape(&mut self, table: usize, instance: u64) -> Result<u32, Damaged> {
        let state = self.tables[table].load(&self.segment, table, instance / UNIT)?;
        let at = within(instance);
        if at >= state.count {
            return Err(self.segment.malformed("an instance beyond its table"));
        }
        Ok(state.ids[at])
    }

    /// Which of the instances `unit * 128 ..` of `table` have `part`.
    #[inline]
    pub(crate) fn present(&mut self, table: usize, part: Part, unit: u64) -> Result<Present, Damaged> {
        let known = match part {
            Part::Column(column) => self.tables[table].columns[column].part[parity(unit)],
            Part::Table(child) => self.tables[child].inside[parity(unit)],
            Part::Raw => self.tables[table].raw[parity(unit)],
        };
        if known.unit == unit { Ok(known.present) } else { self.present_anew(table, part, unit) }
    }

    fn present_anew(&mut self, table: usize, part: Part, unit: u64) -> Result<Present, Damaged> {
        let Reader { segment, tables, .. } = self;
        let footer = segment.footer();
        let own = &footer.tables[table];
        let presence = match part {
            Part::Column(column) => Some(&own.columns[column].presence),
            Part::Table(child) => footer.tables[child].presence.as_ref(),
            Part::Raw => own.raw.as_ref().map(|raw| &raw.presence),
        };
        let present = match presence {
            None => Present::default(),
            Some(Presence::All) => {
                let count = own.n.saturating_sub(unit * UNIT).min(UNIT);
                Present { before: (unit * UNIT).min(own.n), mask: below(count) }
            }
            Some(Presence::Shapes(before)) => {
                let (window, all) = match part {
                    Part::Column(column) => {
                        (&mut tables[table].columns[column].before, own.columns[column].ordinals.len())
                    }
                    Part::Table(child) => (&mut tables[child].before, parents_with(&footer.tables[child])),
                    Part::Raw => {
                        (&mut tables[table].raw_before, own.raw.as_ref().map_or(0, |raw| raw.texts.len()))
                    }
                };
                let count = own.n.saturating_sub(unit * UNIT).min(UNIT);
                let here = window.get(before, segment.body(), unit)?;
                let next =
                    if unit + 1 < before.len() { window.get(before, segment.body(), unit + 1)? } else { all };
                // None of a unit, or all of it: nobody has to look at its shapes.
                let mask = if next == here {
                    0
                } else if next.checked_sub(here) == Some(count) {
                    below(count)
                } else {
                    let state = &mut tables[table];
                    let shapes = Arc::clone(state.shapes(segment, table)?);
                    shapes.mask(&state.load(segment, table, unit)?.masks, part)
                };
                Present { before: here, mask }
            }
            Some(Presence::Listed(list)) => listed(list, segment.body(), unit)?,
        };
        let state = PartState { unit, present };
        match part {
            Part::Column(column) => tables[table].columns[column].part[parity(unit)] = state,
            Part::Table(child) => tables[child].inside[parity(unit)] = state,
            Part::Raw => tables[table].raw[parity(unit)] = state,
        }
        Ok(present)
    }

    /// Which number among those that have `part` the instance is; `None` if it has it not.
    #[inline]
    pub(crate) fn place(&mut self, table: usize, part: Part, instance: u64) -> Result<Option<u64>, Damaged> {
        match part {
            Part::Column(column) if self.tables[table].columns[column].all => {
                Ok((instance < self.segment.footer().tables[table].n).then_some(instance))
            }
            _ => Ok(self.present(table, part, instance / UNIT)?.place(instance)),
        }
    }

    /// How many instances before `instance` have `part`. `instance` may be the number of instances.
    pub(crate) fn rank(&mut self, table: usize, part: Part, instance: u64) -> Result<u64, Damaged> {
        let n = self.segment.footer().tables[table].n;
        if instance < n {
            return Ok(self.present(table, part, instance / UNIT)?.rank(instance));
        }
        let Some(last) = n.checked_sub(1) else { return Ok(0) };
        Ok(self.present(table, part, last / UNIT)?.leaves().end)
    }

    /// The instances of `table` that stand in `rows`. They follow each other.
    pub(crate) fn instances(&mut self, table: usize, rows: Range<u64>) -> Result<Range<u64>, Damaged> {
        match self.parent(table) {
            None => Ok(rows),
            Some(parent) => {
                let within = self.instances(parent, rows)?;
                self.children(table, within)
            }
        }
    }

    fn parent(&self, table: usize) -> Option<usize> {
        self.segment.footer().tables[table].parent.map(|parent| parent as usize)
    }

    /// The instances of `table` directly in instances `within` of its parent.
    pub(crate) fn children(&mut self, table: usize, within: Range<u64>) -> Result<Range<u64>, Damaged> {
        let Some(parent) = self.parent(table) else { return Ok(within) };
        let first = self.rank(parent, Part::Table(table), within.start)?;
        let end = if within.is_empty() { first } else { self.rank(parent, Part::Table(table), within.end)? };
        self.spans(table, first..end)
    }

    /// The instances of `table` that the `nth` of the instances of its parent that have it has.
    #[inline]
    pub(crate) fn children_of_nth(&mut self, table: usize, nth: u64) -> Result<Range<u64>, Damaged> {
        self.spans(table, nth..nth + 1)
    }

    fn spans(&mut self, table: usize, places: Range<u64>) -> Result<Range<u64>, Damaged> {
        let Reader { segment, tables, .. } = self;
        let own = &segment.footer().tables[table];
        let span = match &own.starts {
            None => places,
            Some(starts) => {
                let window = &mut tables[table].starts;
                let first = window.get(starts, segment.body(), places.start)?;
                first..if places.is_empty() {
                    first
                } else {
                    window.get(starts, segment.body(), places.end)?
                }
            }
        };
        if span.start > span.end || span.end > own.n {
            return Err(segment.malformed("instances beyond their table"));
        }
        Ok(span)
    }

    /// The instances of `table` in a block of 128 rows; `owners` gets the row of each, counted from the block's first.
    pub(crate) fn owners(
        &mut self,
        table: usize,
        block: u32,
        owners: &mut Vec<u8>,
    ) -> Result<Range<u64>, Damaged> {
        owners.clear();
        let Some(parent) = self.parent(table) else {
            let start = u64::from(block) * UNIT;
            let end = u64::from(self.segment.rows()).min(start + UNIT);
            owners.extend((start..end).map(|row| u8::try_from(row - start).expect("below 128")));
            return Ok(start.min(end)..end);
        };
        let mut above = Vec::new();
        let within = self.owners(parent, block, &mut above)?;
        let mut all: Option<Range<u64>> = None;
        let mut from = within.start;
        while from < within.end {
            let to = within.end.min((from / UNIT + 1) * UNIT);
            let present = self.present(parent, Part::Table(table), from / UNIT)?;
            let mut mask = present.mask & below(to - from).checked_shl(bit(from)).unwrap_or(0);
            while mask != 0 {
                let instance = from / UNIT * UNIT + u64::from(mask.trailing_zeros());
                let span = self.children_of_nth(table, present.rank(instance))?;
                let owner = above[usize::try_from(instance - within.start).expect("as many as were pushed")];
                let count = usize::try_from(span.end - span.start).expect("instances fit in memory");
                owners.resize(owners.len() + count, owner);
                match &mut all {
                    None => all = Some(span),
                    Some(all) if all.end == span.start => all.end = span.end,
                    Some(_) => return Err(self.segment.malformed("instances that do not follow each other")),
                }
                mask &= mask - 1;
            }
            from = to;
        }
        Ok(all.unwrap_or(0..0))
    }

    /// What some rows of a block have of a part: number of the first that the block has, and a bit for each from it on. Only of
    /// tables of which a row has at most one instance.
    pub(crate) fn picked(
        &mut self,
        table: usize,
        part: Part,
        block: u32,
        rows: u128,
    ) -> Result<(u64, u128), Damaged> {
        let (instance, mask) = match self.parent(table) {
            None => (u64::from(block) * UNIT, rows),
            Some(parent) => self.picked(parent, Part::Table(table), block, rows)?,
        };
        let n = self.segment.footer().tables[table].n;
        if mask == 0 {
            return Ok((0, 0));
        }
        if instance + UNIT - u64::from(mask.leading_zeros()) > n {
            return Err(self.segment.malformed("instances beyond their table"));
        }
        let (unit, offset) = (instance / UNIT, bit(instance));
        let present = self.present(table, part, unit)?;
        let (place, mut has) = (present.rank(instance), present.mask >> offset);
        if offset > 0 && mask >> (128 - offset) != 0 {
            let next = self.present(table, part, unit + 1)?;
            if next.before != place + u64::from(has.count_ones()) {
                return Err(self.segment.malformed("parts that do not follow each other"));
            }
            has |= next.mask << (128 - offset);
        }
        Ok((place, compress(mask & has, has)))
    }

    /// Ordinal of one leaf of a column.
    #[inline]
    pub(crate) fn ordinal(&mut self, table: usize, column: usize, leaf: u64) -> Result<u32, Damaged> {
        let Reader { segment, tables, .. } = self;
        let ordinals = &segment.footer().tables[table].columns[column].ordinals;
        tables[table].columns[column].ordinals.get(ordinals, segment.body(), leaf)
    }

    /// Appends the ordinals of leaves of a column.
    pub(crate) fn ordinals(
        &mut self,
        table: usize,
        column: usize,
        leaves: Range<u64>,
        into: &mut Vec<u32>,
    ) -> Result<(), Damaged> {
        let Reader { segment, tables, .. } = self;
        let ordinals = &segment.footer().tables[table].columns[column].ordinals;
        tables[table].columns[column].ordinals.range(ordinals, segment.body(), leaves, into)
    }

    /// The leaves of a column among `instances`: appends which instance has one, counted from `instances.start`, and its
    /// ordinal.
    pub(crate) fn leaves(
        &mut self,
        table: usize,
        column: usize,
        instances: Range<u64>,
        holders: &mut Vec<u32>,
        ordinals: &mut Vec<u32>,
    ) -> Result<(), Damaged> {
        let mut from = instances.start;
        while from < instances.end {
            let to = instances.end.min((from / UNIT + 1) * UNIT);
            let present = self.present(table, Part::Column(column), from / UNIT)?;
            let mut mask = present.mask & below(to - from).checked_shl(bit(from)).unwrap_or(0);
            if mask != 0 {
                let first = present.rank(from);
                self.ordinals(table, column, first..first + u64::from(mask.count_ones()), ordinals)?;
            }
            while mask != 0 {
                let instance = from / UNIT * UNIT + u64::from(mask.trailing_zeros());
                holders.push(self.segment.small(instance - instances.start)?);
                mask &= mask - 1;
            }
            from = to;
        }
        Ok(())
    }

    /// Appends the ordinals of all leaves of a column among `instances`.
    pub(crate) fn all_leaves(
        &mut self,
        table: usize,
        column: usize,
        instances: Range<u64>,
        ordinals: &mut Vec<u32>,
    ) -> Result<(), Damaged> {
        let part = Part::Column(column);
        let Some(last) = instances.end.checked_sub(1).filter(|last| *last >= instances.start) else {
            return Ok(());
        };
        let first = self.present(table, part, instances.start / UNIT)?.rank(instances.start);
        let present = self.present(table, part, last / UNIT)?;
        let end = present.rank(last) + u64::from(present.place(last).is_some());
        self.ordinals(table, column, first..end, ordinals)
    }

    /// Appends a value of a column, without quotes. Not for columns of [`Values::Happened`](crate::values::Values): their
    /// values are the rows' own times, see [`Reader::happened`].
    #[inline]
    pub(crate) fn value(
        &mut self,
        table: usize,
        column: usize,
        ordinal: u32,
        into: &mut Vec<u8>,
    ) -> Result<(), Damaged> {
        let Reader { segment, tables, recent, room, .. } = self;
        let of = &segment.footer().tables[table].columns[column];
        let values = &of.values;
        if *room > 0
            && let Some(whole) = tables[table].columns[column].whole(of, segment.body(), room)
        {
            if ordinal as usize >= whole.len() {
                return Err(segment.malformed("a value that is not listed"));
            }
            into.extend_from_slice(whole.get(ordinal as usize));
            return Ok(());
        }
        let key = (table * crate::meta::PATHS_MAX + column) as u64;
        let page = &mut tables[table].columns[column].page;
        recent.get(key, page, values, segment.body(), ordinal, into)
    }

    /// Appends the `nth` instance of a table that is kept as it is: JSON.
    pub(crate) fn raw(&mut self, table: usize, nth: u64, into: &mut Vec<u8>) -> Result<(), Damaged> {
        let raw = self.segment.footer().tables[table].raw.as_ref();
        let raw = raw.ok_or_else(|| self.segment.malformed("a table without instances kept as they are"))?;
        raw.texts.get(self.segment.body(), nth, into)
    }
}

/// How many instances of its parent have a table.
fn parents_with(table: &Table) -> u64 {
    table.starts.as_ref().map_or(table.n, |starts| starts.len().saturating_sub(1))
}

/// The members of a rising list that are in a unit.
fn listed(list: &Numbers, body: &Body, unit: u64) -> Result<Present, Damaged> {
    let first = unit * UNIT;
    let before = list.partition_point(body, 0..list.len(), |instance| instance < first)?;
    let mut near = Vec::new();
    list.range(body, before..list.len().min(before + UNIT), &mut near)?;
    let in_unit = near.iter().filter_map(|instance| instance.checked_sub(first)).filter(|at| *at < UNIT);
    Ok(Present { before, mask: in_unit.fold(0, |mask, at| mask | 1 << at) })
}

/// The lowest `count` bits; `count` is at most 128.
pub(super) fn below(count: u64) -> u128 {
    if count >= UNIT { u128::MAX } else { (1 << count) - 1 }
}

/// The bit of an instance in its unit.
fn bit(instance: u64) -> u32 {
    u32::try_from(instance % UNIT).expect("below 128")
}

/// The place of an instance in its unit.
pub(super) fn within(instance: u64) -> usize {
    usize::try_from(instance % UNIT).expect("below 128")
}

/// Which of two places a unit is kept in.
fn parity(unit: u64) -> usize {
    usize::from(unit & 1 == 1)
}
