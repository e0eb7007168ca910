//! Instances of tables, and which shapes, columns and tables of the inputs have become which of the merged file.

use super::places::{Ids, Places, bits, mask};
use super::{Doubts, Stretch};
use crate::Damaged;
use crate::segment::{Part, Reader, TableShapes, TableSlot as Slot, UNIT};

/// The shape of an instance of which nothing is left to compare: it was put together, or its row is in doubt.
pub(super) const SKIPPED: u16 = u16::MAX;

/// Nothing of the other side yet.
pub(super) const NOT_MET: u32 = u32::MAX;

/// See the module.
pub(super) struct Pairs<'c> {
    pub(super) to: &'c mut Reader,
    pub(super) from: &'c mut [Reader],
    pub(super) doubts: &'c mut Doubts,
    /// Per table of the merged file and input: what of the input is paired with it.
    pub(super) links: Vec<Vec<Option<Link>>>,
    /// Per input and table of it: the table of the merged file it is paired with.
    pub(super) tables: Vec<Vec<Option<usize>>>,
    /// What instances are put together in.
    pub(super) texts: [Vec<u8>; 2],
}

/// A table of an input that is paired with one of the merged file.
pub(super) struct Link {
    /// Which.
    pub(super) table: usize,
    /// Per shape of it: the merged one that it goes with, or [`NOT_MET`].
    shapes: Vec<u32>,
    /// Per column of it: the merged one.
    pub(super) becomes: Vec<Option<usize>>,
    /// Per merged column: the input's.
    pub(super) columns: Vec<Option<usize>>,
    /// Per merged column: on both sides just those instances have it whose shapes say so.
    pub(super) is_regular: Vec<bool>,
    /// On both sides just those instances of the parent have the table whose shapes say so.
    pub(super) is_regular_inside: bool,
}

/// Pairs of instances of a merged table.
#[derive(Default)]
pub(super) struct Instances {
    pieces: Vec<Piece>,
    /// The merged shape of each, or [`SKIPPED`].
    pub(super) shapes: Vec<u16>,
    /// The merged row of each; empty for the root, where it is its own.
    rows: Vec<u32>,
    /// The shapes of all instances of the merged table.
    pub(super) merged: Ids,
    /// Per input: those of its table, if it has one.
    pub(super) own: Vec<Option<Ids>>,
}

/// Instances that follow each other in an input and in the merged file.
struct Piece {
    input: usize,
    from: u64,
    to: u64,
    count: u64,
}

/// At most 128 of them, in one unit of the input.
#[derive(Clone, Copy)]
pub(super) struct Chunk {
    pub(super) input: usize,
    pub(super) from: u64,
    pub(super) to: u64,
    /// Which of all pairs is the first.
    pub(super) at: usize,
    pub(super) count: u32,
}

impl Instances {
    fn push(&mut self, input: usize, from: u64, to: u64, count: u64) {
        match self.pieces.last_mut() {
            _ if count == 0 => {}
            Some(last)
                if last.input == input && last.from + last.count == from && last.to + last.count == to =>
            {
                last.count += count;
            }
            _ => self.pieces.push(Piece { input, from, to, count }),
        }
    }

    /// The merged row of a pair.
    pub(super) fn row(&self, at: usize) -> u32 {
        self.rows.get(at).copied().unwrap_or_else(|| u32::try_from(at).expect("rows are 32 bits"))
    }

    /// Which of all pairs a bit of a chunk is.
    pub(super) fn place(&self, chunk: Chunk, bit: u32) -> usize {
        chunk.at + bit as usize
    }

    /// All pairs in their order.
    pub(super) fn chunks(&self) -> impl Iterator<Item = Chunk> + use<'_> {
        let mut at = 0;
        self.pieces.iter().flat_map(move |piece| {
            let first = at;
            at += usize::try_from(piece.count).expect("as many are in memory");
            let mut done = 0;
            std::iter::from_fn(move || {
                let from = piece.from + done;
                let count = (piece.count - done).min(UNIT - from % UNIT);
                let chunk = Chunk {
                    input: piece.input,
                    from,
                    to: piece.to + done,
                    at: first + usize::try_from(done).expect("as many are in memory"),
                    count: u32::try_from(count).expect("at most 128"),
                };
                done += count;
                (count > 0).then_some(chunk)
            })
        })
    }

    /// Which of a chunk's pairs have a shape `with` something.
    pub(super) fn needed(&self, chunk: Chunk, with: &[bool]) -> u128 {
        mask(&self.shapes[chunk.at..chunk.at + chunk.count as usize], with)
    }
}

impl<'c> Pairs<'c> {
    pub(super) fn new(to: &'c mut Reader, from: &'c mut [Reader], doubts: &'c mut Doubts) -> Pairs<'c> {
        let tables = |reader: &Reader| reader.segment().footer().tables.len();
        let links = (0..tables(to)).map(|_| from.iter().map(|_| None).collect()).collect();
        let mut pairs = Pairs {
            links,
            tables: from.iter().map(|reader| vec![None; tables(reader)]).collect(),
            to,
            from,
            doubts,
            texts: [Vec::new(), Vec::new()],
        };
        for input in 0..pairs.from.len() {
            pairs.link(0, input, 0);
        }
        pairs
    }

    /// Compares the events of all rows.
    pub(super) fn compare(mut self, stretches: &[Stretch]) -> Result<(), Damaged> {
        let segment = self.to.segment().clone();
        let tables = &segment.footer().tables;
        let mut known: Vec<Option<Instances>> = Vec::with_capacity(tables.len());
        let mut names = Vec::new();
        for (at, table) in tables.iter().enumerate() {
            let mut instances = match table.parent {
                None => root(stretches),
                Some(parent) => {
                    let parents = known.get(parent as usize).and_then(Option::as_ref);
                    let parents = parents.ok_or_else(|| segment.malformed("a table before its parent"))?;
                    self.beneath(at, parent as usize, parents)?
                }
            };
            self.shapes(at, &mut instances)?;
            for column in 0..table.columns.len() {
                // Values that name others come when those were compared.
                if at == 0 && self.names_others(column) {
                    names.push(column);
                } else {
                    self.column(at, column, &instances)?;
                }
            }
            known.push(Some(instances));
            for (other, kept) in known.iter_mut().enumerate().skip(1) {
                if !tables[at + 1..].iter().any(|table| table.parent.is_some_and(|at| at as usize == other)) {
                    *kept = None;
                }
            }
        }
        if let Some(Some(root)) = known.first() {
            for column in names {
                self.column(0, column, root)?;
            }
        }
        Ok(())
    }

    /// Whether values of a column of the root name others, on either side.
    fn names_others(&self, column: usize) -> bool {
        let names = |reader: &Reader, column: usize| {
            !reader.segment().footer().tables[0].columns[column].refs.is_empty()
        };
        let links = self.links[0].iter().zip(self.from.iter());
        let mut own = links.filter_map(|(link, from)| Some((from, link.as_ref()?.columns[column]?)));
        names(self.to, column) || own.any(|(from, column)| names(from, column))
    }

    /// The pairs of instances of a table beneath `parents`, without their shapes.
    fn beneath(&mut self, at: usize, parent: usize, parents: &Instances) -> Result<Instances, Damaged> {
        let with = with(self.to, parent, Part::Table(at))?;
        let mut instances = Instances::default();
        let mut next = 0;
        let all_merged = Places::read(self.to, parent, Part::Table(at), &parents.merged)?;
        let mut all_own = Vec::with_capacity(self.from.len());
        for input in 0..self.from.len() {
            let places = match (self.inside(parent, at, input), &parents.own[input]) {
                (Some((outside, inside)), Some(ids)) => {
                    Places::read(&mut self.from[input], outside, Part::Table(inside), ids)?
                }
                _ => None,
            };
            all_own.push(places);
        }
        for chunk in parents.chunks() {
            let needed = parents.needed(chunk, &with);
            let inside = self.inside(parent, at, chunk.input);
            let (Some((_, inside)), Some(own), Some(merged)) = (inside, &all_own[chunk.input], &all_merged)
            else {
                self.irregular(at, chunk.input);
                self.doubt(parents, chunk, needed);
                continue;
            };
            let (held, merged) = (own.held(chunk.from, chunk.count), merged.held(chunk.to, chunk.count));
            if held.mask != needed || merged.mask != needed {
                self.irregular(at, chunk.input);
            }
            for bit in bits(needed) {
                let place = parents.place(chunk, bit);
                if held.mask & merged.mask & 1 << bit == 0 {
                    self.doubts.add(parents.row(place));
                    continue;
                }
                let span = self.from[chunk.input].children_of_nth(inside, held.place(bit))?;
                let other = self.to.children_of_nth(at, merged.place(bit))?;
                let count = span.end - span.start;
                // Those of the merged file rise, so there are not more than the table has.
                if other.end - other.start != count || other.start < next {
                    self.doubts.add(parents.row(place));
                    continue;
                }
                next = other.end;
                let all = instances.rows.len() + self.to.segment().small(count)? as usize;
                instances.rows.resize(all, parents.row(place));
                instances.push(chunk.input, span.start, other.start, count);
            }
        }
        Ok(instances)
    }

    /// The tables of an input that are paired with a table and with one beneath it.
    fn inside(&self, parent: usize, at: usize, input: usize) -> Option<(usize, usize)> {
        Some((self.links[parent][input].as_ref()?.table, self.links[at][input].as_ref()?.table))
    }

    fn irregular(&mut self, at: usize, input: usize) {
        if let Some(link) = &mut self.links[at][input] {
            link.is_regular_inside = false;
        }
    }

    /// Puts the rows of some of a chunk's pairs in doubt.
    pub(super) fn doubt(&mut self, instances: &Instances, chunk: Chunk, which: u128) {
        for bit in bits(which) {
            self.doubts.add(instances.row(instances.place(chunk, bit)));
        }
    }

    /// Finds the shape of each pair, and compares those alone that have no shape in common.
    fn shapes(&mut self, at: usize, instances: &mut Instances) -> Result<(), Damaged> {
        instances.merged = Ids::read(self.to.segment(), at)?;
        for (link, from) in self.links[at].iter().zip(self.from.iter()) {
            let ids = link.as_ref().map(|link| Ids::read(from.segment(), link.table));
            instances.own.push(ids.transpose()?);
        }
        let mut shapes = Vec::with_capacity(instances.rows.len());
        for chunk in instances.chunks() {
            let link = self.links[at][chunk.input].as_ref();
            let (Some(table), Some(own)) = (link.map(|link| link.table), &instances.own[chunk.input]) else {
                return Err(self.to.segment().malformed("instances of a table that is paired with none"));
            };
            for step in 0..chunk.count {
                let (from, to) = (chunk.from + u64::from(step), chunk.to + u64::from(step));
                let (Some(shape), Some(merged)) = (own.get(from), instances.merged.get(to)) else {
                    return Err(self.to.segment().malformed("an instance beyond its table"));
                };
                if self.is_paired(at, chunk.input, shape, merged)? {
                    shapes.push(u16::try_from(merged).unwrap_or(SKIPPED));
                    continue;
                }
                shapes.push(SKIPPED);
                let row = instances.row(instances.place(chunk, step));
                if self.doubts.has(row) {
                    continue;
                }
                let [text, other] = &mut self.texts;
                text.clear();
                other.clear();
                self.from[chunk.input].instance(table, from, text)?;
                self.to.instance(at, to, other)?;
                if text != other {
                    self.doubts.add(row);
                }
            }
        }
        instances.shapes = shapes;
        Ok(())
    }

    /// Whether a shape of an input has the same text as a merged one, and its slots lead to what is paired.
    #[inline]
    fn is_paired(&mut self, at: usize, input: usize, shape: u32, merged: u32) -> Result<bool, Damaged> {
        let link = self.links[at][input].as_ref();
        let known = link.and_then(|link| link.shapes.get(shape as usize)).copied();
        match known {
            Some(other) if other == merged => Ok(true),
            Some(NOT_MET) => self.pair(at, input, shape, merged),
            _ => Ok(false),
        }
    }

    #[cold]
    fn pair(&mut self, at: usize, input: usize, shape: u32, merged: u32) -> Result<bool, Damaged> {
        let Some(table) = self.links[at][input].as_ref().map(|link| link.table) else { return Ok(false) };
        let (own, other) = (self.from[input].shapes(table)?.clone(), self.to.shapes(at)?.clone());
        let Some(slots) = common_slots(&own, shape, &other, merged) else { return Ok(false) };
        for (own, other) in slots {
            let fits = match (own, other) {
                (Slot::Leaf(own), Slot::Leaf(other)) => {
                    self.pair_columns(at, input, usize::from(own), usize::from(other))
                }
                (Slot::Elements(own), Slot::Elements(other)) | (Slot::Object(own), Slot::Object(other)) => {
                    self.link(usize::from(other), input, usize::from(own))
                }
                _ => false,
            };
            if !fits {
                return Ok(false);
            }
        }
        if let Some(link) = &mut self.links[at][input] {
            link.shapes[shape as usize] = merged;
        }
        Ok(true)
    }

    /// Pairs a column of an input with a merged one; false when one of them has another.
    fn pair_columns(&mut self, at: usize, input: usize, own: usize, other: usize) -> bool {
        let Some(link) = &mut self.links[at][input] else { return false };
        match (link.becomes[own], link.columns[other]) {
            (None, None) => {
                (link.becomes[own], link.columns[other]) = (Some(other), Some(own));
                true
            }
            paired => paired == (Some(other), Some(own)),
        }
    }

    /// Pairs a table of an input with a merged one; false when one of them has another.
    fn link(&mut self, at: usize, input: usize, table: usize) -> bool {
        match (&self.tables[input][table], &self.links[at][input]) {
            (None, None) => {}
            (Some(paired), Some(link)) => return *paired == at && link.table == table,
            _ => return false,
        }
        let own = &self.from[input].segment().footer().tables[table];
        let columns = self.to.segment().footer().tables[at].columns.len();
        let shapes = usize::try_from(own.shapes.len()).expect("a list of shapes is short");
        self.tables[input][table] = Some(at);
        self.links[at][input] = Some(Link {
            table,
            shapes: vec![NOT_MET; shapes],
            becomes: vec![None; own.columns.len()],
            columns: vec![None; columns],
            is_regular: vec![true; columns],
            is_regular_inside: true,
        });
        true
    }
}

/// What stands in the slots of two shapes that have the same literals.
fn common_slots(
    own: &TableShapes,
    shape: u32,
    other: &TableShapes,
    merged: u32,
) -> Option<Vec<(Slot, Slot)>> {
    let ((mut own, last), (mut other, other_last)) = (own.pieces(shape)?, other.pieces(merged)?);
    let mut slots = Vec::new();
    loop {
        match (own.next(), other.next()) {
            (Some((literal, slot)), Some((same, with))) if literal == same => slots.push((slot, with)),
            (None, None) => return (last == other_last).then_some(slots),
            _ => return None,
        }
    }
}

/// Per merged shape of a table: whether it has a part.
pub(super) fn with(to: &mut Reader, table: usize, part: Part) -> Result<Vec<bool>, Damaged> {
    let shapes = to.shapes(table)?;
    Ok((0..shapes.count()).map(|shape| shapes.has(shape, part)).collect())
}

/// The pairs of rows, without their shapes.
fn root(stretches: &[Stretch]) -> Instances {
    let mut instances = Instances::default();
    for stretch in stretches {
        let rows = &stretch.rows;
        let count = u64::from(rows.end - rows.start);
        instances.push(stretch.input, u64::from(rows.start), u64::from(stretch.first), count);
    }
    instances
}
