//! Leaves: each distinct value once, then ordinals.

use std::sync::Arc;

use super::super::tables::Ahead;
use super::places::{Held, Places, bits};
use super::tables::{Chunk, Instances, NOT_MET, Pairs, with};
use crate::Damaged;
use crate::meta::{Of, Reference};
use crate::segment::{Part, Reader, Segment};
use crate::values::{Arena, Values};

/// An ordinal whose leaves are compared one by one: its value names what the merged one does not.
const ALONE: u32 = u32::MAX - 1;

/// Bytes of values that name others, where a column has such.
const MARKS: usize = 0x20;

/// A column of an input.
struct Source<'s> {
    table: usize,
    column: usize,
    values: &'s Values,
    by: By,
    /// Which instances have it.
    places: Option<Places>,
    /// Per ordinal: the merged one with the same value, [`NOT_MET`] or [`ALONE`].
    becomes: Vec<u32>,
    ahead: Ahead,
    marks: Option<Box<Marks>>,
}

/// How leaves are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// They are the times of their rows on both sides, which were compared.
    Rows,
    /// By ordinals.
    Ordinals,
    /// Each is written on both sides: they are times of rows on one of them.
    Text,
}

/// What the marks in a column's values stand for.
struct Marks {
    /// Per mark of the input: the merged mark that stands for the same; 0 if there is none.
    becomes: [u8; MARKS],
    refs: Vec<Reference>,
    /// Per ordinal: a bit for each mark in its value.
    used: Vec<u32>,
    text: Vec<u8>,
}

/// The values of the merged column, read when they are asked for first.
struct Merged<'s> {
    segment: &'s Segment,
    values: &'s Values,
    read: Option<Arena>,
}

impl Merged<'_> {
    fn get(&mut self, ordinal: u32) -> Result<&[u8], Damaged> {
        if self.read.is_none() {
            let mut read = Arena::new();
            self.values.each(self.segment.body(), 0..self.values.len(), |_, value| {
                read.push(value);
                Ok(())
            })?;
            self.read = Some(read);
        }
        let read = self.read.as_ref().expect("read above");
        if (ordinal as usize) < read.len() {
            Ok(read.get(ordinal as usize))
        } else {
            Err(self.segment.malformed("a value that is not listed"))
        }
    }
}

/// Where a column of the merged file is, and what is read of a chunk of it.
struct At<'s> {
    table: usize,
    column: usize,
    merged: Merged<'s>,
    own: Vec<u32>,
    other: Vec<u32>,
}

impl Pairs<'_> {
    /// Compares the leaves of a merged column with those they were.
    pub(super) fn column(
        &mut self,
        table: usize,
        column: usize,
        instances: &Instances,
    ) -> Result<(), Damaged> {
        let part = Part::Column(column);
        let with = with(self.to, table, part)?;
        let inputs: Vec<Arc<Segment>> = self.from.iter().map(|from| from.segment().clone()).collect();
        let mut sources = Vec::with_capacity(inputs.len());
        for (input, segment) in inputs.iter().enumerate() {
            let mut source = self.source((table, column), input, segment);
            if let (Some(source), Some(ids)) = (&mut source, &instances.own[input]) {
                let part = Part::Column(source.column);
                source.places = Places::read(&mut self.from[input], source.table, part, ids)?;
            }
            sources.push(source);
        }
        let all_merged = Places::read(self.to, table, part, &instances.merged)?;
        let segment = self.to.segment().clone();
        let values = &segment.footer().tables[table].columns[column].values;
        let merged = Merged { segment: &segment, values, read: None };
        let mut at = At { table, column, merged, own: Vec::new(), other: Vec::new() };
        for chunk in instances.chunks() {
            let needed = instances.needed(chunk, &with);
            let Some(source) = &mut sources[chunk.input] else {
                self.doubt(instances, chunk, needed);
                continue;
            };
            let (Some(own), Some(merged)) = (&source.places, &all_merged) else {
                self.irregular_column(&at, chunk);
                self.doubt(instances, chunk, needed);
                continue;
            };
            let (held, merged) = (own.held(chunk.from, chunk.count), merged.held(chunk.to, chunk.count));
            if held.mask != needed || merged.mask != needed {
                self.irregular_column(&at, chunk);
            }
            let missing = needed & !(held.mask & merged.mask);
            if missing != 0 {
                self.doubt(instances, chunk, missing);
            }
            let needed = needed & !missing;
            if needed == 0 || source.by == By::Rows {
                continue;
            }
            if source.by == By::Text {
                for bit in bits(needed) {
                    self.leaf(&at, source, instances, chunk, bit)?;
                }
                continue;
            }
            self.read(&mut at, source, chunk, (&held, &merged), needed)?;
            self.ordinals(&mut at, source, instances, chunk, needed)?;
        }
        Ok(())
    }

    fn irregular_column(&mut self, at: &At<'_>, chunk: Chunk) {
        if let Some(link) = &mut self.links[at.table][chunk.input] {
            link.is_regular[at.column] = false;
        }
    }

    /// Reads the ordinals of the leaves that are needed, on both sides.
    fn read(
        &mut self,
        at: &mut At<'_>,
        source: &Source<'_>,
        chunk: Chunk,
        (held, merged): (&Held, &Held),
        needed: u128,
    ) -> Result<(), Damaged> {
        let leaves = |held: &Held| held.first..held.first + u64::from(held.mask.count_ones());
        at.own.clear();
        self.from[chunk.input].ordinals(source.table, source.column, leaves(held), &mut at.own)?;
        at.other.clear();
        self.to.ordinals(at.table, at.column, leaves(merged), &mut at.other)?;
        for (read, held) in [(&mut at.own, held), (&mut at.other, merged)] {
            if held.mask != needed {
                let mut is_needed = bits(held.mask).map(|bit| needed >> bit & 1 == 1);
                read.retain(|_| is_needed.next().unwrap_or(false));
            }
        }
        Ok(())
    }

    /// Compares leaves by their ordinals, and by their values where two ordinals meet first.
    fn ordinals(
        &mut self,
        at: &mut At<'_>,
        source: &mut Source<'_>,
        instances: &Instances,
        chunk: Chunk,
        needed: u128,
    ) -> Result<(), Damaged> {
        // Numbers that stand for something else here are none of a value.
        let values = at.merged.values.len();
        if at.other.iter().any(|other| u64::from(*other) >= values) {
            return Err(at.merged.segment.malformed("a value that is not listed"));
        }
        if source.marks.is_none() {
            let mut pairs = at.own.iter().zip(&at.other);
            if pairs.all(|(own, other)| source.becomes.get(*own as usize) == Some(other)) {
                return Ok(());
            }
        }
        for (nth, bit) in bits(needed).enumerate() {
            let (own, other) = (at.own[nth], at.other[nth]);
            let segment = self.from[chunk.input].segment();
            let Some(becomes) = source.becomes.get_mut(own as usize) else {
                return Err(segment.malformed("a value that is not listed"));
            };
            if *becomes == NOT_MET {
                let value = source.ahead.get(source.values, segment.body(), own)?;
                let merged = at.merged.get(other)?;
                match &mut source.marks {
                    None if value == merged => *becomes = other,
                    None => {}
                    Some(marks) => *becomes = if marks.say(own, value, merged) { other } else { ALONE },
                }
            }
            let same = *becomes == other
                && match &source.marks {
                    None => true,
                    Some(marks) => marks.are_there(own, &mut self.from[chunk.input], chunk.from, bit)?,
                };
            if same {
                continue;
            }
            match &source.marks {
                None => self.doubt(instances, chunk, 1 << bit),
                Some(_) => self.leaf(at, source, instances, chunk, bit)?,
            }
        }
        Ok(())
    }

    /// Compares one leaf as it is written.
    fn leaf(
        &mut self,
        at: &At<'_>,
        source: &Source<'_>,
        instances: &Instances,
        chunk: Chunk,
        bit: u32,
    ) -> Result<(), Damaged> {
        let row = instances.row(instances.place(chunk, bit));
        if self.doubts.has(row) {
            return Ok(());
        }
        let [own, other] = &mut self.texts;
        own.clear();
        other.clear();
        let step = u64::from(bit);
        self.from[chunk.input].leaf(source.table, source.column, chunk.from + step, own)?;
        self.to.leaf(at.table, at.column, chunk.to + step, other)?;
        if own != other {
            self.doubts.add(row);
        }
        Ok(())
    }

    /// The column of an input that is paired with a merged one.
    fn source<'s>(
        &self,
        (table, column): (usize, usize),
        input: usize,
        segment: &'s Segment,
    ) -> Option<Source<'s>> {
        let link = self.links[table][input].as_ref()?;
        let own = link.columns[column]?;
        let data = &segment.footer().tables[link.table].columns[own];
        let merged = &self.to.segment().footer().tables[table].columns[column];
        let times = [&data.values, &merged.values].map(|values| matches!(values, Values::Happened { .. }));
        let named = !data.refs.is_empty() || !merged.refs.is_empty();
        let by = match times {
            [true, true] if table == 0 && link.table == 0 && !named => By::Rows,
            [false, false] if table == 0 && link.table == 0 || !named => By::Ordinals,
            _ => By::Text,
        };
        let values = match by {
            By::Ordinals => usize::try_from(data.values.len()).ok()?,
            By::Rows | By::Text => 0,
        };
        let marks = (by == By::Ordinals && named).then(|| {
            let becomes = self.marks(input, &data.refs, &merged.refs);
            Box::new(Marks { becomes, refs: data.refs.clone(), used: vec![0; values], text: Vec::new() })
        });
        Some(Source {
            table: link.table,
            column: own,
            values: &data.values,
            by,
            places: None,
            becomes: vec![NOT_MET; values],
            ahead: Ahead::new(),
            marks,
        })
    }

    /// What the marks of an input's column become in the merged one, for those that stand for leaves that were compared.
    fn marks(&self, input: usize, refs: &[Reference], merged: &[Reference]) -> [u8; MARKS] {
        let mut becomes = [0; MARKS];
        for (reference, slot) in refs.iter().zip(&mut becomes[1..]) {
            let place = self.named(input, *reference);
            let at = place.and_then(|place| merged.iter().position(|other| *other == place));
            *slot = at
                .and_then(|at| u8::try_from(at + 1).ok())
                .filter(|at| usize::from(*at) < MARKS)
                .unwrap_or(0);
        }
        becomes
    }

    /// The merged column that what a reference names is paired with, where only those instances have it, and its table, whose
    /// shapes say so.
    fn named(&self, input: usize, of: Reference) -> Option<Reference> {
        let (own, own_column) = (usize::try_from(of.table).ok()?, usize::try_from(of.column).ok()?);
        let table = (*self.tables[input].get(own)?)?;
        let link = self.links[table][input].as_ref()?;
        let column = (*link.becomes.get(own_column)?)?;
        let data = &self.from[input].segment().footer().tables[own];
        let merged = &self.to.segment().footer().tables[table];
        let beneath = |parent: Option<u32>, table: usize| table == 0 || parent == Some(0);
        let plain = data.columns[own_column].refs.is_empty() && merged.columns[column].refs.is_empty();
        let is_known = plain
            && beneath(data.parent, own)
            && beneath(merged.parent, table)
            && data.of == merged.of
            && link.is_regular[column]
            && link.is_regular_inside;
        is_known
            .then_some(Reference { table: u32::try_from(table).ok()?, column: u32::try_from(column).ok()? })
    }
}

impl Marks {
    /// Whether a merged value says the same as one of the input. Remembers what that one names.
    fn say(&mut self, ordinal: u32, value: &[u8], merged: &[u8]) -> bool {
        self.text.clear();
        let mut used = 0;
        for byte in value {
            let becomes = match self.becomes.get(usize::from(*byte)) {
                None => *byte,
                Some(0) => return false,
                Some(mark) => {
                    used |= 1 << *byte;
                    *mark
                }
            };
            self.text.push(becomes);
        }
        if let Some(slot) = self.used.get_mut(ordinal as usize) {
            *slot = used;
        }
        self.text == merged
    }

    /// Whether a row has all that a value of it names.
    fn are_there(&self, ordinal: u32, from: &mut Reader, first: u64, bit: u32) -> Result<bool, Damaged> {
        let row = first + u64::from(bit);
        let mut used = self.used.get(ordinal as usize).copied().unwrap_or(0);
        while used != 0 {
            let mark = used.trailing_zeros();
            used &= used - 1;
            let Some(named) = self.refs.get((mark as usize).wrapping_sub(1)) else { return Ok(false) };
            let (table, column) = (named.table as usize, named.column as usize);
            let mut instance = row;
            if table != 0 {
                let Some(place) = from.place(0, Part::Table(table), row)? else { return Ok(false) };
                let span = from.children_of_nth(table, place)?;
                let of = from.segment().footer().tables[table].of;
                if of == Of::Elements && span.is_empty() {
                    return Ok(false);
                }
                instance = span.start;
            }
            if from.place(table, Part::Column(column), instance)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
