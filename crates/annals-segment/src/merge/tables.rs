//! Instances and leaves of merged tables.

use std::io;

use super::broken;
use super::rows::Order;
use super::schema::{From, Part, RAW, Schema, TablePlan};
use crate::Damaged;
use crate::body::{Body, Writer};
use crate::build::{ColumnData, Dictionary, UNIT, WordLists, count, write_presence, write_u32};
use crate::meta::{Column, LeafKind, Of, Raw, Reference, Table};
use crate::numbers::Numbers;
use crate::segment::{self, Reader};
use crate::skeleton::Path;
use crate::values::{Arena, Values};

/// What merged tables are made from.
pub(super) struct Tables<'m> {
    pub(super) schema: &'m Schema,
    pub(super) readers: &'m mut [Reader],
    pub(super) seed: u64,
    /// Blocks of merged rows.
    pub(super) blocks: u32,
}

/// The instances of a merged table.
#[derive(Default)]
struct Instances {
    /// Where they come from, in their order.
    pieces: Vec<Piece>,
    /// Merged shape of each, or [`RAW`].
    shape: Vec<u16>,
    /// The merged row of each; empty for the root.
    rows: Vec<u32>,
    /// For elements: per array, how many stand before its first one; one more at the end.
    starts: Vec<u32>,
    /// Those that are kept as they are.
    raw: Arena,
}

/// Instances that follow each other in an input's table.
struct Piece {
    input: u32,
    first: u64,
    count: u64,
}

impl Instances {
    /// Adds instances of an input.
    fn push(&mut self, input: usize, first: u64, count: u64) {
        let input = narrow(input);
        match self.pieces.last_mut() {
            _ if count == 0 => {}
            Some(last) if last.input == input && last.first + last.count == first => last.count += count,
            _ => self.pieces.push(Piece { input, first, count }),
        }
    }

    /// The merged row of an instance.
    fn row(&self, at: usize) -> u32 {
        self.rows.get(at).copied().unwrap_or_else(|| narrow(at))
    }
}

impl Tables<'_> {
    /// Writes all tables.
    pub(super) fn write<W: io::Write>(
        mut self,
        order: &Order,
        words: &mut WordLists,
        out: &mut Writer<W>,
    ) -> io::Result<Vec<Table>> {
        let plans = &self.schema.tables;
        let mut known: Vec<Option<Instances>> = Vec::with_capacity(plans.len());
        let mut written = Vec::with_capacity(plans.len());
        for (at, plan) in plans.iter().enumerate() {
            let mut instances = match plan.parent {
                None => root(order),
                Some(parent) => {
                    let parents = known[parent].as_ref().expect("kept for its children");
                    self.beneath(at, parent, parents).map_err(broken)?
                }
            };
            self.shapes(plan, &mut instances).map_err(broken)?;
            let presence = match plan.parent {
                None => None,
                Some(parent) => {
                    let parents = known[parent].as_ref().expect("kept for its children");
                    let with = plans[parent].with(Part::Table(at));
                    Some(write_presence(parents.shape.len(), |at| has(&with, parents.shape[at]), out)?)
                }
            };
            let starts = match plan.of {
                Of::Elements => Some(write_u32(&std::mem::take(&mut instances.starts), out)?),
                Of::Rows | Of::Objects => None,
            };
            let n = instances.shape.len();
            let raw = if instances.raw.is_empty() {
                None
            } else {
                let presence = write_presence(n, |at| instances.shape[at] == RAW, out)?;
                Some(Raw { presence, texts: Values::write(&std::mem::take(&mut instances.raw), out)? })
            };
            let shapes = Values::write(plan.shapes.values(), out)?;
            let shape = write_shapes(&instances.shape, plan.shapes.len(), out)?;
            let mut columns = Vec::with_capacity(plan.columns.len());
            for column in 0..plan.columns.len() {
                columns.push(self.column(plan, column, &instances, words, out)?);
            }
            written.push(Table {
                path: plan.path.clone(),
                parent: plan.parent.map(narrow),
                of: plan.of,
                n: count(n),
                presence,
                starts,
                shapes,
                shape,
                raw,
                columns,
            });
            known.push(Some(instances));
            for (other, kept) in known.iter_mut().enumerate() {
                if !plans[at + 1..].iter().any(|plan| plan.parent == Some(other)) {
                    *kept = None;
                }
            }
        }
        Ok(written)
    }

    /// The instances of a table beneath `parents`, without their shapes.
    fn beneath(&mut self, table: usize, parent: usize, parents: &Instances) -> Result<Instances, Damaged> {
        let plans = &self.schema.tables;
        let with = plans[parent].with(Part::Table(table));
        let elements = plans[table].of == Of::Elements;
        let mut instances = Instances::default();
        let mut at = 0;
        for piece in &parents.pieces {
            let input = piece.input as usize;
            let (from, inside) = (&plans[parent].from[input], &plans[table].from[input]);
            let reader = &mut self.readers[input];
            for instance in piece.first..piece.first + piece.count {
                let merged = at;
                at += 1;
                if !has(&with, parents.shape[merged]) {
                    continue;
                }
                let (Some(from), Some(inside)) = (from, inside) else {
                    return Err(reader.segment().malformed("a shape with a table that is not there"));
                };
                let place = reader.place(from.table, segment::Part::Table(inside.table), instance)?;
                let place = place
                    .ok_or_else(|| reader.segment().malformed("a part that its shape has, but no list"))?;
                let span = reader.children_of_nth(inside.table, place)?;
                let held = span.end - span.start;
                if elements {
                    instances.starts.push(narrow(instances.rows.len()));
                }
                let end = instances.rows.len()
                    + usize::try_from(held).map_err(|_| reader.segment().malformed("elements"))?;
                if u32::try_from(end).is_err() {
                    return Err(reader.segment().malformed("more elements than a segment has"));
                }
                instances.rows.resize(end, parents.row(merged));
                instances.push(input, span.start, held);
            }
        }
        if elements {
            instances.starts.push(narrow(instances.rows.len()));
        }
        Ok(instances)
    }

    /// Finds the merged shape of each instance, and the text of those that are kept as they are.
    fn shapes(&mut self, plan: &TablePlan, instances: &mut Instances) -> Result<(), Damaged> {
        let mut text = Vec::new();
        for piece in &instances.pieces {
            let reader = &mut self.readers[piece.input as usize];
            let from = plan.from[piece.input as usize].as_ref();
            let from =
                from.ok_or_else(|| reader.segment().malformed("instances of a table that is not there"))?;
            for instance in piece.first..piece.first + piece.count {
                let shape = reader.shape(from.table, instance)?;
                let merged = from.shapes.get(shape as usize).copied().unwrap_or(RAW);
                instances.shape.push(merged);
                if merged == RAW {
                    text.clear();
                    reader.instance(from.table, instance, &mut text)?;
                    instances.raw.push(&text);
                }
            }
        }
        Ok(())
    }

    /// Merges a column.
    fn column<W: io::Write>(
        &mut self,
        plan: &TablePlan,
        column: usize,
        instances: &Instances,
        words: &mut WordLists,
        out: &mut Writer<W>,
    ) -> io::Result<Column> {
        let (path, kind) = &plan.columns[column];
        let with = plan.with(Part::Column(column));
        let presence = write_presence(instances.shape.len(), |at| has(&with, instances.shape[at]), out)?;
        let leaves = self.leaves(plan, (path, *kind), instances).map_err(broken)?;
        let unit = narrow(UNIT);
        let blocks = || {
            let with = instances.shape.iter().enumerate().filter(|(_, shape)| has(&with, **shape));
            with.map(|(at, _)| instances.row(at) / unit)
        };
        let data = ColumnData {
            path: path.clone(),
            kind: *kind,
            presence,
            refs: leaves.refs,
            values: leaves.values.values(),
            hashes: leaves.values.hashes(),
            ordinals: &leaves.ordinals,
            happened: leaves.happened,
        };
        data.write(blocks, self.blocks, words, out)
    }

    /// The leaves of a merged column.
    fn leaves(
        &mut self,
        plan: &TablePlan,
        column: (&Path, LeafKind),
        instances: &Instances,
    ) -> Result<Leaves, Damaged> {
        let mut leaves = Leaves {
            values: Dictionary::new(self.seed),
            ordinals: Vec::new(),
            refs: Vec::new(),
            happened: false,
        };
        let mut sources: Vec<Option<Source<'_>>> = Vec::with_capacity(plan.from.len());
        for (input, (from, reader)) in plan.from.iter().zip(self.readers.iter()).enumerate() {
            let source = from.as_ref().and_then(|from| Source::of(from, column, reader));
            sources.push(source.map(|source| source.with_refs(self.schema, input, reader, &mut leaves.refs)));
        }
        let mut all = sources.iter().flatten().map(|source| source.happened).peekable();
        leaves.happened = all.peek().is_some() && all.all(|happened| happened);
        let mut read = Vec::new();
        let mut at = 0;
        for piece in &instances.pieces {
            let shapes = &instances.shape[at..];
            at += usize::try_from(piece.count).expect("they are in memory");
            let Some(source) = &mut sources[piece.input as usize] else { continue };
            let reader = &mut self.readers[piece.input as usize];
            read.clear();
            if leaves.happened {
                source.holders(reader, piece, shapes, &mut read)?;
                leaves.ordinals.resize(leaves.ordinals.len() + read.len(), 0);
            } else if source.happened || matches!(source.marks, Marks::Filled) {
                source.holders(reader, piece, shapes, &mut read)?;
                source.fill(reader, piece.first, &read, &mut leaves)?;
            } else {
                source.ordinals(reader, piece, shapes, &mut read)?;
                source.number(reader, &read, &mut leaves)?;
            }
        }
        Ok(leaves)
    }
}

/// What a column has come to.
struct Leaves {
    values: Dictionary,
    ordinals: Vec<u32>,
    refs: Vec<Reference>,
    happened: bool,
}

/// A column of an input that becomes one of the merged file.
struct Source<'f> {
    from: &'f From,
    column: usize,
    happened: bool,
    marks: Marks,
    /// Per ordinal: the merged one, or [`NOT_MET`].
    becomes: Vec<u32>,
    ahead: Ahead,
    value: Vec<u8>,
}

/// What happens to the bytes in an input's values that stand for other values.
enum Marks {
    /// There are none.
    None,
    /// Each becomes another.
    Become([u8; MARKS]),
    /// The values they stand for are put in: the merged file cannot say the same.
    Filled,
}

/// Bytes that can be marks: those below 0x20, of which zero is none.
const MARKS: usize = 32;

/// An ordinal of an input that no leaf had yet.
const NOT_MET: u32 = u32::MAX;

impl<'f> Source<'f> {
    fn of(from: &'f From, (path, kind): (&Path, LeafKind), reader: &Reader) -> Option<Self> {
        let columns = &reader.segment().footer().tables[from.table].columns;
        let column = columns.iter().position(|column| column.kind == kind && column.path == *path)?;
        let happened = matches!(columns[column].values, Values::Happened { .. });
        let values = if happened { 0 } else { usize::try_from(columns[column].values.len()).ok()? };
        let (becomes, ahead) = (vec![NOT_MET; values], Ahead::new());
        Some(Source { from, column, happened, marks: Marks::None, becomes, ahead, value: Vec::new() })
    }

    /// Finds out what becomes of its marks; `refs` are what marks of the merged column stand for.
    fn with_refs(
        mut self,
        schema: &Schema,
        input: usize,
        reader: &Reader,
        refs: &mut Vec<Reference>,
    ) -> Self {
        let own = &reader.segment().footer().tables[self.from.table].columns[self.column].refs;
        if own.is_empty() {
            return self;
        }
        let mut others = [0; MARKS];
        let known = refs.len();
        for (reference, mark) in own.iter().zip(1..) {
            let place = schema.place(input, reader, *reference);
            let at = place.map(|place| {
                refs.iter().position(|other| *other == place).unwrap_or_else(|| {
                    refs.push(place);
                    refs.len() - 1
                })
            });
            let at = at.and_then(|at| u8::try_from(at + 1).ok()).filter(|at| usize::from(*at) < MARKS);
            let (Some(at), Some(slot)) = (at, others.get_mut(mark)) else {
                refs.truncate(known);
                self.marks = Marks::Filled;
                return self;
            };
            *slot = at;
        }
        self.marks = Marks::Become(others);
        self
    }

    /// Reads the ordinals of a piece's leaves. `shapes` are merged ones from the piece's first instance on.
    fn ordinals(
        &self,
        reader: &mut Reader,
        piece: &Piece,
        shapes: &[u16],
        into: &mut Vec<u32>,
    ) -> Result<(), Damaged> {
        let (table, column) = (self.from.table, self.column);
        let end = piece.first + piece.count;
        if !self.from.drops {
            return reader.all_leaves(table, column, piece.first..end, into);
        }
        for (instance, _) in (piece.first..end).zip(shapes).filter(|(_, shape)| **shape != RAW) {
            if let Some(leaf) = reader.place(table, segment::Part::Column(column), instance)? {
                into.push(reader.ordinal(table, column, leaf)?);
            }
        }
        Ok(())
    }

    /// Which of a piece's instances have a leaf, counted from the first. `shapes` as above.
    fn holders(
        &self,
        reader: &mut Reader,
        piece: &Piece,
        shapes: &[u16],
        into: &mut Vec<u32>,
    ) -> Result<(), Damaged> {
        let instances = (0..piece.count).zip(shapes);
        for (at, _) in instances.filter(|(_, shape)| **shape != RAW) {
            let part = segment::Part::Column(self.column);
            if reader.place(self.from.table, part, piece.first + at)?.is_some() {
                into.push(reader.segment().small(at)?);
            }
        }
        Ok(())
    }

    /// Numbers leaves by their whole texts.
    fn fill(
        &mut self,
        reader: &mut Reader,
        first: u64,
        holders: &[u32],
        leaves: &mut Leaves,
    ) -> Result<(), Damaged> {
        for holder in holders {
            self.value.clear();
            reader.leaf(self.from.table, self.column, first + u64::from(*holder), &mut self.value)?;
            leaves.ordinals.push(leaves.values.number(&self.value));
        }
        Ok(())
    }

    /// Gives ordinals of the input their merged ones.
    fn number(&mut self, reader: &Reader, read: &[u32], leaves: &mut Leaves) -> Result<(), Damaged> {
        let segment = reader.segment();
        let values = &segment.footer().tables[self.from.table].columns[self.column].values;
        leaves.ordinals.reserve(read.len());
        for ordinal in read {
            let Some(becomes) = self.becomes.get_mut(*ordinal as usize) else {
                return Err(segment.malformed("a value that is not listed"));
            };
            if *becomes == NOT_MET {
                let mut value = self.ahead.get(values, segment.body(), *ordinal)?;
                if let Marks::Become(others) = &self.marks {
                    let other = |byte: &u8| others.get(usize::from(*byte)).copied().unwrap_or(*byte);
                    self.value.clear();
                    self.value.extend(value.iter().map(other));
                    value = &self.value;
                }
                *becomes = leaves.values.number(value);
            }
            leaves.ordinals.push(*becomes);
        }
        Ok(())
    }
}

/// Values read a page ahead: leaves meet those of an input in the order in which they stand there.
pub(super) struct Ahead {
    page: Option<usize>,
    values: Arena,
}

impl Ahead {
    pub(super) fn new() -> Ahead {
        Ahead { page: None, values: Arena::default() }
    }

    /// One value, of which there must be so many.
    pub(super) fn get(&mut self, values: &Values, body: &Body, ordinal: u32) -> Result<&[u8], Damaged> {
        let (page, at) = (ordinal as usize / UNIT, ordinal as usize % UNIT);
        if self.page != Some(page) {
            self.page = None;
            self.values.clear();
            let end = values.len().min(count((page + 1) * UNIT));
            values.each(body, count(page * UNIT)..end, |_, value| {
                self.values.push(value);
                Ok(())
            })?;
            self.page = Some(page);
        }
        Ok(self.values.get(at))
    }
}

/// The root's instances, without their shapes.
fn root(order: &Order) -> Instances {
    let mut instances = Instances::default();
    for stretch in order.stretches() {
        let rows = &stretch.rows;
        instances.push(stretch.input, u64::from(rows.start), u64::from(rows.end - rows.start));
    }
    instances
}

/// Writes the shape of each instance; the number of shapes for those that are kept as they are.
fn write_shapes<W: io::Write>(shape: &[u16], shapes: usize, out: &mut Writer<W>) -> io::Result<Numbers> {
    let numbers: Vec<u64> =
        shape.iter().map(|shape| if *shape == RAW { count(shapes) } else { u64::from(*shape) }).collect();
    Numbers::write(&numbers, out)
}

fn has(with: &[bool], shape: u16) -> bool {
    with.get(usize::from(shape)).copied().unwrap_or(false)
}

/// Rows, instances and tables are counted with 32 bits.
fn narrow(at: usize) -> u32 {
    u32::try_from(at).expect("checked where they were read")
}
