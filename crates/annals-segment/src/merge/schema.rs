//! Which tables, columns and shapes the merged file has, and which of them those of the inputs become.

use crate::Damaged;
use crate::build::{Dictionary, Limits};
use crate::meta::{LeafKind, Of, Reference};
use crate::segment::{Reader, Segment};
use crate::skeleton::{Path, Shape, Slot, SlotKind};

/// What a shape becomes that there is no room for, and the shape of instances that are kept as they are.
pub(super) const RAW: u16 = u16::MAX;

/// See the module.
pub(super) struct Schema {
    seed: u64,
    limits: Limits,
    inputs: usize,
    /// Columns of all tables.
    columns: usize,
    pub(super) tables: Vec<TablePlan>,
}

/// A table of the merged file. A parent stands before its children.
pub(super) struct TablePlan {
    pub(super) path: Path,
    pub(super) parent: Option<usize>,
    pub(super) of: Of,
    pub(super) shapes: Dictionary,
    pub(super) columns: Vec<(Path, LeafKind)>,
    /// Per shape: what stands in its slots.
    parts: Vec<Vec<Part>>,
    /// Per input: what of it becomes this table.
    pub(super) from: Vec<Option<From>>,
}

/// What a slot holds: an index in [`TablePlan::columns`] or [`Schema::tables`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Column(usize),
    Table(usize),
}

/// A table of an input.
pub(super) struct From {
    pub(super) table: usize,
    /// Per shape of it: the merged one, or [`RAW`].
    pub(super) shapes: Vec<u16>,
    /// There is no room for some of them.
    pub(super) drops: bool,
}

impl TablePlan {
    /// Per shape: whether it has this part.
    pub(super) fn with(&self, part: Part) -> Vec<bool> {
        self.parts.iter().map(|parts| parts.contains(&part)).collect()
    }
}

impl Schema {
    pub(super) fn new(seed: u64, limits: Limits, inputs: usize) -> Schema {
        let mut schema = Schema { seed, limits, inputs, columns: 0, tables: Vec::new() };
        schema.add_table(Vec::new(), None, Of::Rows);
        schema
    }

    /// Adds what an input has. A table of it that no shape leads to any more becomes none.
    pub(super) fn add(&mut self, input: usize, segment: &Segment) -> Result<(), Damaged> {
        let tables = &segment.footer().tables;
        let mut becomes: Vec<Option<usize>> = Vec::with_capacity(tables.len());
        for (at, table) in tables.iter().enumerate() {
            let merged = match table.parent {
                None => Some(0),
                Some(parent) => {
                    becomes[parent as usize].and_then(|parent| self.find_table(parent, &table.path, table.of))
                }
            };
            becomes.push(merged);
            let Some(merged) = merged else { continue };
            let mut shapes = Vec::new();
            table.shapes.each(segment.body(), 0..table.shapes.len(), |_, text| {
                let shape = self.shape(merged, text);
                shapes.push(shape.ok_or_else(|| segment.malformed("a shape that is none"))?);
                Ok(())
            })?;
            let drops = shapes.contains(&RAW);
            self.tables[merged].from[input] = Some(From { table: at, shapes, drops });
        }
        Ok(())
    }

    /// The merged column that a column of an input has become, if each of its leaves has come there that belongs to an event
    /// that is taken apart.
    pub(super) fn place(&self, input: usize, reader: &Reader, of: Reference) -> Option<Reference> {
        let (table, column) = (usize::try_from(of.table).ok()?, usize::try_from(of.column).ok()?);
        let column = reader.segment().footer().tables.get(table)?.columns.get(column)?;
        let becomes = |plan: &TablePlan| {
            let from = plan.from[input].as_ref();
            from.is_some_and(|from| from.table == table && (table == 0 || !from.drops))
        };
        let table = self.tables.iter().position(becomes)?;
        let same = |other: &(Path, LeafKind)| other.1 == column.kind && other.0 == column.path;
        let column = self.tables[table].columns.iter().position(same)?;
        Some(Reference { table: u32::try_from(table).ok()?, column: u32::try_from(column).ok()? })
    }

    /// The number of a shape in a table, or [`RAW`] if there is no room for it; `None` if it is no shape.
    fn shape(&mut self, table: usize, text: &[u8]) -> Option<u16> {
        if let Some(number) = self.tables[table].shapes.find(text) {
            return u16::try_from(number).ok();
        }
        let shape = Shape::parse(text).ok()?;
        let number = self.tables[table].shapes.len();
        let known: Vec<Option<Part>> = shape.slots().iter().map(|slot| self.find(table, slot)).collect();
        let new = known.iter().filter(|part| part.is_none()).count();
        let paths = self.tables.len() + self.columns + new;
        if number >= self.limits.shapes_max || paths > self.limits.paths_max {
            return Some(RAW);
        }
        let slots = shape.slots().iter().zip(known);
        let parts = slots.map(|(slot, known)| known.unwrap_or_else(|| self.add_part(table, slot))).collect();
        self.tables[table].shapes.number(text);
        self.tables[table].parts.push(parts);
        u16::try_from(number).ok()
    }

    fn find(&self, table: usize, slot: &Slot) -> Option<Part> {
        let own = &self.tables[table];
        let column = |kind| {
            let same = |column: &(Path, LeafKind)| column.1 == kind && column.0 == slot.path;
            own.columns.iter().position(same).map(Part::Column)
        };
        let path = || [&own.path[..], &slot.path].concat();
        match slot.kind {
            SlotKind::Text => column(LeafKind::Text),
            SlotKind::Token => column(LeafKind::Token),
            SlotKind::Elements => self.find_table(table, &path(), Of::Elements).map(Part::Table),
            SlotKind::Object => self.find_table(table, &path(), Of::Objects).map(Part::Table),
        }
    }

    fn find_table(&self, parent: usize, path: &[String], of: Of) -> Option<usize> {
        let same = |table: &TablePlan| table.parent == Some(parent) && table.of == of && table.path == path;
        self.tables.iter().position(same)
    }

    fn add_part(&mut self, table: usize, slot: &Slot) -> Part {
        let path = [&self.tables[table].path[..], &slot.path].concat();
        match slot.kind {
            SlotKind::Text => self.add_column(table, slot.path.clone(), LeafKind::Text),
            SlotKind::Token => self.add_column(table, slot.path.clone(), LeafKind::Token),
            SlotKind::Elements => self.add_table(path, Some(table), Of::Elements),
            SlotKind::Object => self.add_table(path, Some(table), Of::Objects),
        }
    }

    fn add_column(&mut self, table: usize, path: Path, kind: LeafKind) -> Part {
        let columns = &mut self.tables[table].columns;
        columns.push((path, kind));
        self.columns += 1;
        Part::Column(columns.len() - 1)
    }

    fn add_table(&mut self, path: Path, parent: Option<usize>, of: Of) -> Part {
        self.tables.push(TablePlan {
            path,
            parent,
            of,
            shapes: Dictionary::new(self.seed),
            columns: Vec::new(),
            parts: Vec::new(),
            from: (0..self.inputs).map(|_| None).collect(),
        });
        Part::Table(self.tables.len() - 1)
    }
}
