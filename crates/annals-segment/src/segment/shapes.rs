//! The shapes of a table, ready to be filled and to be asked which of them have what.

use std::collections::BTreeMap;

use super::{Part, Segment};
use crate::Damaged;
use crate::meta::{LeafKind, Of, SHAPES_MAX};
use crate::skeleton::{Shape, SlotKind};

/// What is to be put between two literals of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// A leaf of this column of the table.
    Leaf(u16),
    /// The elements in this table.
    Elements(u16),
    /// The object in this table.
    Object(u16),
}

/// See the module.
pub(crate) struct Shapes {
    /// Literals of all shapes, one after another, in their order.
    literals: Vec<u8>,
    /// Per slot: where the literal before it ends, and what is to be put there. Per shape one more, for the literal after all.
    pieces: Vec<(u32, Slot)>,
    /// Per shape: its first piece and where its first literal begins; one more at the end.
    starts: Vec<(u32, u32)>,
    /// Per part a row of bits, one for each shape: those that have it. Columns first, then child tables.
    has: Vec<u64>,
    /// Words of `has` to a row.
    words: usize,
    /// Child tables, in the order of their rows in `has`.
    children: Vec<usize>,
    columns: usize,
    /// Objects with members that stand in shapes, by path, and the shapes they stand in, rising.
    objects: BTreeMap<Vec<String>, Vec<u32>>,
    bytes: usize,
}

impl Shapes {
    /// Reads the shapes of a table.
    pub(super) fn read(segment: &Segment, table: usize) -> Result<Shapes, Damaged> {
        let tables = &segment.footer().tables;
        let own = &tables[table];
        let n = own.shapes.len();
        let count = usize::try_from(n).ok().filter(|count| *count <= SHAPES_MAX);
        let count = count.ok_or_else(|| segment.malformed("more shapes than a table has"))?;

        let mut leaves = BTreeMap::new();
        for (index, column) in own.columns.iter().enumerate() {
            leaves.insert((column.path.as_slice(), column.kind), index);
        }
        let mut inner = BTreeMap::new();
        let mut children = Vec::new();
        for (index, child) in tables.iter().enumerate() {
            if child.parent.is_some_and(|parent| usize::try_from(parent) == Ok(table)) {
                inner.insert((&child.path[own.path.len()..], child.of == Of::Elements), children.len());
                children.push(index);
            }
        }

        let words = count.div_ceil(64);
        let mut shapes = Shapes {
            literals: Vec::new(),
            pieces: Vec::new(),
            starts: Vec::with_capacity(count + 1),
            has: vec![0; words * (own.columns.len() + children.len())],
            words,
            children,
            columns: own.columns.len(),
            objects: BTreeMap::new(),
            bytes: 0,
        };
        let unknown = || segment.malformed("a shape with a leaf that no column has");
        let mut object_bytes = 0;
        own.shapes.each(segment.body(), 0..n, |index, text| {
            let shape = Shape::parse(text).map_err(|error| segment.malformed(error))?;
            let index = u32::try_from(index).map_err(|_| segment.malformed("a shape's number"))?;
            shapes.start(segment)?;
            for (at, slot) in shape.slots().iter().enumerate() {
                let path = slot.path.as_slice();
                let leaf = |kind| leaves.get(&(path, kind)).copied().ok_or_else(unknown);
                let child = |elements| inner.get(&(path, elements)).copied().ok_or_else(unknown);
                let (row, slot) = match slot.kind {
                    SlotKind::Text => {
                        leaf(LeafKind::Text).map(|column| (column, Slot::Leaf(narrow(column))))?
                    }
                    SlotKind::Token => {
                        leaf(LeafKind::Token).map(|column| (column, Slot::Leaf(narrow(column))))?
                    }
                    SlotKind::Elements => child(true).map(|child| {
                        (shapes.columns + child, Slot::Elements(narrow(shapes.children[child])))
                    })?,
                    SlotKind::Object => child(false).map(|child| {
                        (shapes.columns + child, Slot::Object(narrow(shapes.children[child])))
                    })?,
                };
                shapes.has[row * words + index as usize / 64] |= 1 << (index % 64);
                shapes.piece(segment, shape.literal(at), slot)?;
            }
            shapes.piece(segment, shape.literal(shape.slots().len()), Slot::Leaf(0))?;
            for path in shape.objects() {
                object_bytes += size_of::<u32>();
                if let Some(list) = shapes.objects.get_mut(path) {
                    list.push(index);
                } else {
                    object_bytes += 64 + path.iter().map(|name| 24 + name.len()).sum::<usize>();
                    shapes.objects.insert(path.clone(), vec![index]);
                }
            }
            Ok(())
        })?;
        shapes.start(segment)?;
        shapes.literals.shrink_to_fit();
        shapes.pieces.shrink_to_fit();
        shapes.bytes = size_of::<Shapes>()
            + shapes.literals.len()
            + shapes.pieces.len() * size_of::<(u32, Slot)>()
            + shapes.starts.len() * size_of::<(u32, u32)>()
            + shapes.has.len() * size_of::<u64>()
            + object_bytes;
        Ok(shapes)
    }

    fn start(&mut self, segment: &Segment) -> Result<(), Damaged> {
        let start = u32::try_from(self.pieces.len()).ok().zip(u32::try_from(self.literals.len()).ok());
        self.starts.push(start.ok_or_else(|| segment.malformed("shapes of 4 GiB"))?);
        Ok(())
    }

    fn piece(&mut self, segment: &Segment, literal: &[u8], slot: Slot) -> Result<(), Damaged> {
        self.literals.extend_from_slice(literal);
        let end = u32::try_from(self.literals.len()).map_err(|_| segment.malformed("shapes of 4 GiB"))?;
        self.pieces.push((end, slot));
        Ok(())
    }

    /// How many there are. This number stands for instances that are kept as they are.
    pub(crate) fn count(&self) -> u32 {
        narrow_32(self.starts.len() - 1)
    }

    /// Bytes they take, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The shape's slots, each with the literal before it, and the literal after all.
    #[expect(clippy::type_complexity, reason = "an iterator and what follows it, for one caller")]
    pub(crate) fn pieces(&self, shape: u32) -> Option<(impl Iterator<Item = (&[u8], Slot)>, &[u8])> {
        let at = usize::try_from(shape).ok()?;
        let (&(first, literal), &(end, _)) = (self.starts.get(at)?, self.starts.get(at + 1)?);
        let (last, pieces) = self.pieces[first as usize..end as usize].split_last()?;
        let mut from = literal as usize;
        let tail_from = pieces.last().map_or(from, |piece| piece.0 as usize);
        let slots = pieces.iter().map(move |&(to, slot)| {
            let literal = &self.literals[from..to as usize];
            from = to as usize;
            (literal, slot)
        });
        Some((slots, &self.literals[tail_from..last.0 as usize]))
    }

    /// Whether instances of this shape have a part of its table.
    pub(crate) fn has(&self, shape: u32, part: Part) -> bool {
        let row = match part {
            Part::Column(column) => column,
            Part::Table(table) => match self.children.iter().position(|child| *child == table) {
                Some(child) => self.columns + child,
                None => return false,
            },
            Part::Raw => return shape == self.count(),
        };
        self.has_row(shape, row)
    }

    fn has_row(&self, shape: u32, row: usize) -> bool {
        let word = self.has[row * self.words..(row + 1) * self.words].get(shape as usize / 64);
        word.is_some_and(|word| word >> (shape % 64) & 1 == 1)
    }

    /// Of the instances in `masks`, those that have a part.
    pub(super) fn mask(&self, masks: &[(u32, u128)], part: Part) -> u128 {
        masks.iter().filter(|(shape, _)| self.has(*shape, part)).fold(0, |all, (_, mask)| all | mask)
    }

    /// The shapes in which an object with members stands at a path, names from the instance on. Rising. Free objects are tables.
    pub(crate) fn with_object(&self, path: &[String]) -> &[u32] {
        self.objects.get(path).map_or(&[], Vec::as_slice)
    }
}

/// Numbers of columns and tables are below 1,025.
fn narrow(index: usize) -> u16 {
    u16::try_from(index).expect("checked when the footer was read")
}

/// Shapes are at most 4,096.
fn narrow_32(count: usize) -> u32 {
    u32::try_from(count).expect("checked when they were read")
}
