//! Events to tables, in memory: which instance has which shape, and which leaf has which value.

use std::io;

use annals_event::Timestamp;

use super::Limits;
use super::column::{ColumnData, UNIT, count, write_presence, write_u32};
use super::dictionary::Dictionary;
use super::template::{Source, Templates, take_out};
use super::words::WordLists;
use crate::body::Writer;
use crate::meta::{LeafKind, Of, Presence, Raw, Reference, Table};
use crate::numbers::Numbers;
use crate::skeleton::{Part, Path, Piece, Shape, SlotKind, TakeApart};
use crate::values::{Arena, Values};

/// Rows between two times at which the leaves met are numbered, column by column: few enough that their events are still in the
/// processor's caches, enough that a column's own table comes there for more than a leaf.
const ROWS_TOGETHER: u32 = 256;

/// What stands in [`TableData::shape`] for an instance that is kept as it is.
const RAW: u16 = u16::MAX;

/// The tables of the rows so far.
pub(crate) struct Tables<'r> {
    seed: u64,
    limits: Limits,
    taken: TakeApart,
    rows: u32,
    tables: Vec<TableData>,
    columns: Vec<ColumnSoFar<'r>>,
    /// The root's column of times, once there is one.
    times: Option<u32>,
    templates: Templates,
    /// What this row has of the templates' sources: the column and its value.
    found: Vec<Option<(u32, &'r [u8])>>,
    /// This row's leaves that others may be taken out of: column and text.
    waiting: Vec<(u32, &'r [u8])>,
    /// What is left of a text, and what was left of it before.
    left: [Vec<u8>; 2],
}

struct TableData {
    path: Path,
    parent: Option<u32>,
    of: Of,
    shapes: Dictionary,
    /// Per shape: where what stands in its slots goes.
    goes: Vec<Box<[Goes]>>,
    /// Per instance: its shape, or [`RAW`].
    shape: Vec<u16>,
    /// Per instance: its row. Empty for the root.
    rows: Vec<u32>,
    /// Per array, for a table of elements: instances before its first one.
    starts: Vec<u32>,
    raw: Vec<u32>,
    raw_texts: Arena,
    /// The columns, in the order in which their paths were met.
    columns: Vec<u32>,
}

/// Where what stands in a slot goes: to a column or a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goes {
    Leaf(u32),
    Elements(u32),
    Object(u32),
}

struct ColumnSoFar<'r> {
    table: u32,
    path: Path,
    kind: LeafKind,
    /// Leaves not yet numbered.
    pending: Vec<&'r [u8]>,
    dictionary: Dictionary,
    ordinals: Vec<u32>,
    /// For the root's column of times, as long as each leaf is the time its row happened at: those times, and no leaf is numbered.
    happened: Option<Vec<i64>>,
    /// Which of the templates' sources it is.
    source: Option<usize>,
    /// Which of the templates it is.
    template: Option<usize>,
    /// The columns its values name: byte 0x01 is the first.
    refs: Vec<u32>,
}

impl<'r> Tables<'r> {
    /// No rows yet.
    pub(crate) fn new(seed: u64, limits: Limits, templates: Templates) -> Self {
        let mut tables = Self {
            seed,
            limits,
            taken: TakeApart::default(),
            rows: 0,
            tables: Vec::new(),
            columns: Vec::new(),
            times: None,
            found: vec![None; templates.sources.len()],
            waiting: Vec::new(),
            left: [Vec::new(), Vec::new()],
            templates,
        };
        tables.add_table(Vec::new(), None, Of::Rows);
        tables
    }

    /// Adds the next row's event. `occurred_at` is the time the client sent with it.
    pub(crate) fn add(&mut self, event: &'r [u8], occurred_at: Option<i64>) {
        let mut taken = std::mem::take(&mut self.taken);
        match taken.take(event) {
            Ok(()) => {
                let root = *taken.root().expect("an event taken apart has a root");
                self.found.fill(None);
                self.instance(0, &root, true, &Event { bytes: event, taken: &taken, occurred_at });
                self.shorten();
            }
            Err(_) => self.keep_as_is(0, event),
        }
        self.taken = taken;
        self.rows += 1;
        if self.rows.is_multiple_of(ROWS_TOGETHER) {
            self.number_leaves();
        }
    }

    /// `first`: no other instance in this table belongs to the same row before it.
    fn instance(&mut self, table: u32, part: &Part, first: bool, event: &Event<'r, '_>) {
        let Some(shape) = self.shape(table, part, event.taken) else {
            return self.keep_as_is(table, &event.bytes[part.text()]);
        };
        let data = &mut self.tables[table as usize];
        data.shape.push(shape);
        if table != 0 {
            data.rows.push(self.rows);
        }
        for (slot, piece) in event.taken.pieces(part).iter().enumerate() {
            match (self.tables[table as usize].goes[usize::from(shape)][slot], *piece) {
                (Goes::Leaf(column), Piece::Leaf { start, end }) => {
                    let leaf = &event.bytes[start as usize..end as usize];
                    if self.times == Some(column) {
                        self.time(column, leaf, event.occurred_at);
                    } else {
                        self.leaf(column, leaf, first);
                    }
                }
                (Goes::Elements(child), Piece::Elements { first: start, count }) => {
                    let data = &mut self.tables[child as usize];
                    data.starts.push(u32::try_from(data.shape.len()).expect("fewer instances than bytes"));
                    for (at, element) in event.taken.elements(start, count).iter().enumerate() {
                        self.instance(child, event.taken.part(*element), at == 0, event);
                    }
                }
                (Goes::Object(child), Piece::Object(object)) => {
                    self.instance(child, event.taken.part(object), true, event);
                }
                _ => unreachable!("a shape was compared with its pieces when it was met first"),
            }
        }
    }

    #[inline]
    fn leaf(&mut self, column: u32, leaf: &'r [u8], first: bool) {
        let data = &mut self.columns[column as usize];
        if data.template.is_some() {
            self.waiting.push((column, leaf));
            return;
        }
        data.pending.push(leaf);
        if let Some(source) = data.source
            && first
        {
            self.found[source] = Some((column, leaf));
        }
    }

    /// Takes out of this row's texts what other columns of it hold.
    fn shorten(&mut self) {
        for (column, leaf) in self.waiting.drain(..) {
            let data = &mut self.columns[column as usize];
            let template = &self.templates.columns[data.template.expect("only such leaves wait")];
            let [left, other] = &mut self.left;
            let mut text = leaf;
            for source in &template.sources {
                let Some((from, value)) = self.found[*source] else { continue };
                let known = data.refs.iter().position(|known| *known == from);
                let at = known.unwrap_or(data.refs.len());
                let mark = u8::try_from(at + 1).expect("sources are few");
                if take_out(text, value, mark, other) {
                    if known.is_none() {
                        data.refs.push(from);
                    }
                    std::mem::swap(left, other);
                    text = left;
                }
            }
            let ordinal = data.dictionary.number(text);
            data.ordinals.push(ordinal);
        }
    }

    fn keep_as_is(&mut self, table: u32, text: &[u8]) {
        let data = &mut self.tables[table as usize];
        data.raw.push(u32::try_from(data.shape.len()).expect("fewer instances than bytes"));
        data.raw_texts.push(text);
        data.shape.push(RAW);
        if table != 0 {
            data.rows.push(self.rows);
        }
    }

    /// A leaf of the root's column of times.
    fn time(&mut self, column: u32, leaf: &'r [u8], occurred_at: Option<i64>) {
        let column = &mut self.columns[column as usize];
        let Some(times) = &mut column.happened else { return column.pending.push(leaf) };
        let time =
            occurred_at.filter(|at| Timestamp::from_micros(*at).is_some_and(|at| at.to_bytes() == leaf));
        if let Some(time) = time {
            times.push(time);
            return;
        }
        // A time that is not the row's own: all of them are kept as other values are.
        for time in std::mem::take(times) {
            let text = Timestamp::from_micros(time).expect("it was written so before").to_bytes();
            column.ordinals.push(column.dictionary.number(&text));
        }
        column.happened = None;
        column.pending.push(leaf);
    }

    /// The number of a part's shape in the table; none if the table cannot take it.
    fn shape(&mut self, table: u32, part: &Part, taken: &TakeApart) -> Option<u16> {
        let text = taken.shape(part);
        let data = &self.tables[table as usize];
        match data.shapes.find(text) {
            Some(shape) => u16::try_from(shape).ok(),
            None => self.add_shape(table, text, taken.pieces(part)),
        }
    }

    #[cold]
    fn add_shape(&mut self, table: u32, text: &[u8], pieces: &[Piece]) -> Option<u16> {
        let number = u16::try_from(self.tables[table as usize].shapes.len()).ok()?;
        let shape = Shape::parse(text).ok()?;
        let fits = |(slot, piece): (&crate::skeleton::Slot, &Piece)| match slot.kind {
            SlotKind::Text | SlotKind::Token => matches!(piece, Piece::Leaf { .. }),
            SlotKind::Elements => matches!(piece, Piece::Elements { .. }),
            SlotKind::Object => matches!(piece, Piece::Object(_)),
        };
        if usize::from(number) >= self.limits.shapes_max
            || shape.slots().len() != pieces.len()
            || !shape.slots().iter().zip(pieces).all(fits)
        {
            return None;
        }
        let known: Vec<Option<Goes>> = shape.slots().iter().map(|slot| self.find(table, slot)).collect();
        let new = known.iter().filter(|goes| goes.is_none()).count();
        if self.tables.len() + self.columns.len() + new > self.limits.paths_max {
            return None;
        }
        let goes = shape
            .slots()
            .iter()
            .zip(known)
            .map(|(slot, known)| known.unwrap_or_else(|| self.add_path(table, slot)));
        let goes = goes.collect();
        let data = &mut self.tables[table as usize];
        data.shapes.number(text);
        data.goes.push(goes);
        Some(number)
    }

    /// Where a slot of this table goes, if there was one like it.
    fn find(&self, table: u32, slot: &crate::skeleton::Slot) -> Option<Goes> {
        let data = &self.tables[table as usize];
        let column = |kind| {
            let same = |at: &&u32| {
                let column = &self.columns[**at as usize];
                column.kind == kind && column.path == slot.path
            };
            data.columns.iter().find(same).copied().map(Goes::Leaf)
        };
        let child = |of| {
            let same = |other: &TableData| {
                other.parent == Some(table) && other.of == of && other.path[data.path.len()..] == slot.path
            };
            self.tables.iter().position(same).map(|at| u32::try_from(at).expect("tables are bounded"))
        };
        match slot.kind {
            SlotKind::Text => column(LeafKind::Text),
            SlotKind::Token => column(LeafKind::Token),
            SlotKind::Elements => child(Of::Elements).map(Goes::Elements),
            SlotKind::Object => child(Of::Objects).map(Goes::Object),
        }
    }

    fn add_path(&mut self, table: u32, slot: &crate::skeleton::Slot) -> Goes {
        let path = [&self.tables[table as usize].path[..], &slot.path].concat();
        match slot.kind {
            SlotKind::Text => Goes::Leaf(self.add_column(table, slot.path.clone(), LeafKind::Text)),
            SlotKind::Token => Goes::Leaf(self.add_column(table, slot.path.clone(), LeafKind::Token)),
            SlotKind::Elements => Goes::Elements(self.add_table(path, Some(table), Of::Elements)),
            SlotKind::Object => Goes::Object(self.add_table(path, Some(table), Of::Objects)),
        }
    }

    fn add_table(&mut self, path: Path, parent: Option<u32>, of: Of) -> u32 {
        self.tables.push(TableData {
            path,
            parent,
            of,
            shapes: Dictionary::new(self.seed),
            goes: Vec::new(),
            shape: Vec::new(),
            rows: Vec::new(),
            starts: Vec::new(),
            raw: Vec::new(),
            raw_texts: Arena::default(),
            columns: Vec::new(),
        });
        u32::try_from(self.tables.len() - 1).expect("tables are bounded")
    }

    fn add_column(&mut self, table: u32, path: Path, kind: LeafKind) -> u32 {
        let column = u32::try_from(self.columns.len()).expect("columns are bounded");
        let (mut source, mut template) = (None, None);
        if kind == LeafKind::Text && (table == 0 || self.tables[table as usize].parent == Some(0)) {
            let data = &self.tables[table as usize];
            let from = (table != 0).then(|| (data.path.clone(), data.of == Of::Elements));
            let this = Source { table: from, path: path.clone() };
            source = self.templates.sources.iter().position(|source| *source == this);
            template = self.templates.columns.iter().position(|template| table == 0 && template.path == path);
        }
        let is_time = table == 0 && kind == LeafKind::Text && path == ["occurred_at"];
        if is_time {
            self.times = Some(column);
        }
        self.columns.push(ColumnSoFar {
            table,
            path,
            kind,
            pending: Vec::new(),
            dictionary: Dictionary::new(self.seed),
            ordinals: Vec::new(),
            happened: is_time.then(Vec::new),
            source,
            template,
            refs: Vec::new(),
        });
        self.tables[table as usize].columns.push(column);
        column
    }

    fn number_leaves(&mut self) {
        for column in &mut self.columns {
            let mut last: Option<(&[u8], u32)> = None;
            for leaf in column.pending.drain(..) {
                let ordinal = match last {
                    Some((other, ordinal)) if other == leaf => ordinal,
                    _ => column.dictionary.number(leaf),
                };
                last = Some((leaf, ordinal));
                column.ordinals.push(ordinal);
            }
        }
    }

    /// Writes all tables, and adds the words of their texts.
    pub(crate) fn write<W: io::Write>(
        mut self,
        words: &mut WordLists,
        out: &mut Writer<W>,
    ) -> io::Result<Vec<Table>> {
        self.number_leaves();
        let blocks = self.rows.div_ceil(u32::try_from(UNIT).expect("a unit is small"));
        // Per table and shape: whether something goes there; from the parent's shapes, so before any table is taken.
        let presences: Vec<Vec<bool>> =
            (0..self.tables.len()).map(|table| self.parents_with(table)).collect();
        let places: Vec<Reference> = (0..self.columns.len()).map(|column| self.place(column)).collect();
        let mut columns: Vec<Option<ColumnSoFar<'_>>> = self.columns.into_iter().map(Some).collect();
        let mut written = Vec::with_capacity(self.tables.len());
        for (at, has) in presences.iter().enumerate() {
            let parent_shape = self.tables[at].parent.map(|parent| &self.tables[parent as usize].shape);
            let presence = match parent_shape {
                Some(shape) => Some(write_presence(shape.len(), |at| shape_has(has, shape[at]), out)?),
                None => None,
            };
            let data = &self.tables[at];
            written.push(data.write(presence, &mut columns, &places, blocks, words, out)?);
        }
        Ok(written)
    }

    /// Where a column stands in the footer.
    fn place(&self, column: usize) -> Reference {
        let number = |at: usize| u32::try_from(at).expect("columns are bounded");
        let table = self.columns[column].table;
        let mut own = self.tables[table as usize].columns.iter();
        let at = own.position(|other| *other == number(column)).expect("a table knows its columns");
        Reference { table, column: number(at) }
    }

    /// Per shape of a table's parent: whether it has the table.
    fn parents_with(&self, table: usize) -> Vec<bool> {
        let Some(parent) = self.tables[table].parent else { return Vec::new() };
        let here =
            |goes: &Goes| matches!(goes, Goes::Elements(at) | Goes::Object(at) if *at as usize == table);
        self.tables[parent as usize].goes.iter().map(|goes| goes.iter().any(here)).collect()
    }
}

/// An event on its way into the tables.
struct Event<'r, 't> {
    bytes: &'r [u8],
    taken: &'t TakeApart,
    occurred_at: Option<i64>,
}

fn shape_has(has: &[bool], shape: u16) -> bool {
    has.get(usize::from(shape)).copied().unwrap_or(false)
}

impl TableData {
    fn write<W: io::Write>(
        &self,
        presence: Option<Presence>,
        columns: &mut [Option<ColumnSoFar<'_>>],
        places: &[Reference],
        blocks: u32,
        words: &mut WordLists,
        out: &mut Writer<W>,
    ) -> io::Result<Table> {
        let n = self.shape.len();
        let starts = if self.of == Of::Elements {
            let end = u32::try_from(n).expect("fewer instances than bytes");
            let starts: Vec<u32> = self.starts.iter().copied().chain([end]).collect();
            Some(write_u32(&starts, out)?)
        } else {
            None
        };
        let shapes = Values::write(self.shapes.values(), out)?;
        let raw = if self.raw.is_empty() {
            None
        } else {
            let presence = write_presence(n, |at| self.shape[at] == RAW, out)?;
            Some(Raw { presence, texts: Values::write(&self.raw_texts, out)? })
        };
        let kept_as_is = count(self.shapes.len());
        let numbers: Vec<u64> = self
            .shape
            .iter()
            .map(|shape| if *shape == RAW { kept_as_is } else { u64::from(*shape) })
            .collect();
        let shape = Numbers::write(&numbers, out)?;
        let mut with: Vec<Vec<u16>> = vec![Vec::new(); columns.len()];
        for (shape, goes) in self.goes.iter().enumerate() {
            for column in goes
                .iter()
                .filter_map(|goes| if let Goes::Leaf(column) = goes { Some(*column) } else { None })
            {
                with[column as usize].push(u16::try_from(shape).expect("shapes are bounded"));
            }
        }
        let mut own = Vec::with_capacity(self.columns.len());
        for at in &self.columns {
            let column = columns[*at as usize].take().expect("a column belongs to one table");
            let mut has = vec![false; self.goes.len()];
            with[*at as usize].iter().for_each(|shape| has[usize::from(*shape)] = true);
            own.push(self.write_column(column, &has, places, blocks, words, out)?);
        }
        Ok(Table {
            path: self.path.clone(),
            parent: self.parent,
            of: self.of,
            n: count(n),
            presence,
            starts,
            shapes,
            shape,
            raw,
            columns: own,
        })
    }

    fn write_column<W: io::Write>(
        &self,
        column: ColumnSoFar<'_>,
        has: &[bool],
        places: &[Reference],
        blocks: u32,
        words: &mut WordLists,
        out: &mut Writer<W>,
    ) -> io::Result<crate::meta::Column> {
        let presence = write_presence(self.shape.len(), |at| shape_has(has, self.shape[at]), out)?;
        let mut ordinals = column.ordinals;
        if let Some(times) = &column.happened {
            ordinals.resize(times.len(), 0);
        }
        let refs = column.refs.iter().map(|column| places[*column as usize]).collect();
        let data = ColumnData {
            path: column.path,
            kind: column.kind,
            presence,
            refs,
            values: column.dictionary.values(),
            hashes: column.dictionary.hashes(),
            ordinals: &ordinals,
            happened: column.happened.is_some(),
        };
        let unit = u32::try_from(UNIT).expect("a unit is small");
        let leaf_blocks = || {
            let with = self.shape.iter().enumerate().filter(|(_, shape)| shape_has(has, **shape));
            with.map(|(at, _)| match self.rows.get(at) {
                Some(row) => row / unit,
                None => u32::try_from(at).expect("rows are numbered with 32 bits") / unit,
            })
        };
        data.write(leaf_blocks, blocks, words, out)
    }
}
