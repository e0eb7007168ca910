//! Rows by the id of their event.

use annals_event::json::{Document, Limits, write_string};

use super::columns::{UNIT, below};
use super::{LogRows, Part, Reader, Segment};
use crate::Damaged;
use crate::hashes::{LoadedIndex, hash, whole};
use crate::meta::{Blocks, Column, LeafKind};
use crate::skeleton::unescape;

/// The member that is an event's id.
pub(crate) const ID: &str = "id";

fn is_id(column: &Column) -> bool {
    column.kind == LeafKind::Text && column.path == [ID]
}

/// The root table.
const ROOT: usize = 0;

/// [`UNIT`] in numbers of rows.
const UNIT_ROWS: u32 = 128;
const _: () = assert!(UNIT_ROWS as u64 == UNIT);

/// What leads from ids to rows, kept in memory for whoever looks for all of them.
pub struct LoadedIds {
    /// Index of the column.
    column: usize,
    seed: u64,
    index: Option<LoadedIndex>,
    blocks: Option<LoadedBlocks>,
}

/// Of [`Blocks`] what says in which block of rows a value occurs that occurs in one.
struct LoadedBlocks {
    met: Vec<u32>,
    starts: Vec<u32>,
}

impl LoadedBlocks {
    /// `None` when some of it is not what was written, or rows find nothing by it.
    fn read(blocks: &Blocks, segment: &Segment) -> Option<Self> {
        let (body, rows) = (segment.body(), u64::from(segment.rows()));
        let is_short = blocks.met.len() <= rows.div_ceil(UNIT) + 1
            && blocks.starts.len() <= rows + 1
            && blocks.further.len() <= rows;
        if !is_short {
            return None;
        }
        let (met, starts) = (whole(&blocks.met, body)?, whole(&blocks.starts, body)?);
        whole(&blocks.further, body)?;
        (met.is_sorted() && starts.is_sorted()).then_some(Self { met, starts })
    }

    /// Whether a value occurs in this block of rows, and in no other.
    fn are_only(&self, block: usize, ordinal: u32) -> bool {
        let value = ordinal as usize;
        self.met.get(block).is_some_and(|before| *before <= ordinal)
            && self.met.get(block + 1).is_none_or(|before| *before > ordinal)
            && self.starts.get(value).zip(self.starts.get(value + 1)).is_some_and(|(start, end)| start == end)
    }
}

impl LoadedIds {
    /// Whether the index leads from an id to its value, and from that to this block of rows alone.
    fn lead_to(&self, id: &[u8], ordinal: u32, block: u32) -> bool {
        self.index.as_ref().is_none_or(|index| index.has(hash(self.seed, id), ordinal))
            && self.blocks.as_ref().is_none_or(|blocks| blocks.are_only(block as usize, ordinal))
    }
}

impl Segment {
    /// What leads from ids to rows. `None` when nothing does, and when some of it is not what was written: then
    /// [`Reader::is_found_by_id`] says which rows are not found for it. Takes some 10 bytes a row.
    #[must_use]
    pub fn load_ids(&self) -> Option<LoadedIds> {
        let columns = &self.footer().tables[ROOT].columns;
        let column = columns.iter().position(is_id)?;
        let index = match &columns[column].index {
            Some(index) => Some(index.load(self.body(), u64::from(self.rows()))?),
            None => None,
        };
        let blocks = match &columns[column].blocks {
            Some(blocks) => Some(LoadedBlocks::read(blocks, self)?),
            None => None,
        };
        Some(LoadedIds { column, seed: self.footer().seed, index, blocks })
    }
}

/// A row that was looked for by the id of its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// The row.
    pub row: u32,
    /// It is [gone](Segment::is_gone). Where that says the file itself, the hash of its id alone was compared.
    pub is_gone: bool,
}

impl Reader {
    /// Rows of a log whose event has this id, and that are not gone: the text as it stands between its quotes in canonical
    /// events. Rising.
    ///
    /// # Errors
    ///
    /// [`Damaged`] when what must be read for it is not what was written.
    pub fn rows_with_id(&mut self, log: &LogRows, id: &[u8]) -> Result<Vec<u32>, Damaged> {
        let mut found = self.stored_rows_with_id(log, id)?;
        if let Some(cover) = self.segment().cover()? {
            found.retain(|row| !cover.gone.has(*row));
        }
        Ok(found)
    }

    /// As [`Reader::rows_with_id`], with those that are gone: to tell whether an id was given before. Rows that expired in the
    /// file are told by the ledger's keyed hash of their id.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn find_id(&mut self, log: &LogRows, id: &[u8], id_hash: u64) -> Result<Vec<Found>, Damaged> {
        let mut rows = self.stored_rows_with_id(log, id)?;
        self.segment().expired_with_id(log, id_hash, &mut rows)?;
        rows.sort_unstable();
        rows.dedup();
        let segment = self.segment();
        rows.into_iter().map(|row| Ok(Found { row, is_gone: segment.is_gone(row)? })).collect()
    }

    /// Rows of a log whose event has this id in the file. Rising.
    fn stored_rows_with_id(&mut self, log: &LogRows, id: &[u8]) -> Result<Vec<u32>, Damaged> {
        let mut found = Vec::new();
        let segment = std::sync::Arc::clone(self.segment());
        let columns = &segment.footer().tables[ROOT].columns;
        if let Some(at) = columns.iter().position(is_id) {
            let column = &columns[at];
            if let Some(ordinal) = self.ordinal_of(column, id)? {
                self.rows_with(log, at, column, ordinal, &mut found)?;
            }
        }
        self.whole_rows_with_id(log, id, &mut found)?;
        found.sort_unstable();
        Ok(found)
    }

    /// Whether [`Reader::rows_with_id`] comes upon a row by the id of its event, `id`, as far as that is looked up: an event that
    /// is kept as it is, and values that are few, are found by looking at all of them. With what [`Segment::load_ids`] gives it
    /// is quicker, and says the same.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn is_found_by_id(
        &mut self,
        row: u32,
        id: &[u8],
        loaded: Option<&LoadedIds>,
    ) -> Result<bool, Damaged> {
        if let Some(loaded) = loaded {
            let place = self.place(ROOT, Part::Column(loaded.column), u64::from(row))?;
            let Some(leaf) = place else { return Ok(true) };
            let ordinal = self.ordinal(ROOT, loaded.column, leaf)?;
            if loaded.lead_to(id, ordinal, row / UNIT_ROWS) {
                return Ok(true);
            }
        }
        let segment = std::sync::Arc::clone(self.segment());
        let columns = &segment.footer().tables[ROOT].columns;
        let Some(at) = columns.iter().position(is_id) else { return Ok(true) };
        let Some(leaf) = self.place(ROOT, Part::Column(at), u64::from(row))? else { return Ok(true) };
        let ordinal = u64::from(self.ordinal(ROOT, at, leaf)?);
        if let Some(index) = &columns[at].index {
            let candidates = index.candidates(segment.body(), hash(segment.footer().seed, id))?;
            if !candidates.contains(&ordinal) {
                return Ok(false);
            }
        }
        match &columns[at].blocks {
            Some(blocks) => {
                Ok(self.blocks_with(blocks, ordinal)?.binary_search(&(u64::from(row) / UNIT)).is_ok())
            }
            None => Ok(true),
        }
    }

    /// Appends the id of a row's event, as it stands between its quotes in canonical events; says whether it has one.
    pub(crate) fn id(&mut self, row: u32, into: &mut Vec<u8>) -> Result<bool, Damaged> {
        let columns = &self.segment().footer().tables[ROOT].columns;
        let row = u64::from(row);
        if let Some(at) = columns.iter().position(is_id)
            && let Some(leaf) = self.place(ROOT, Part::Column(at), row)?
        {
            let ordinal = self.ordinal(ROOT, at, leaf)?;
            self.value(ROOT, at, ordinal, into)?;
            return Ok(true);
        }
        let Some(nth) = self.place(ROOT, Part::Raw, row)? else { return Ok(false) };
        let mut event = Vec::new();
        self.raw(ROOT, nth, &mut event)?;
        let mut found = false;
        self.whole_id(&event, &mut |id| {
            write_string(id, into);
            found = true;
        })?;
        if found {
            // Without the quotes around it.
            into.pop();
            into.remove(0);
        }
        Ok(found)
    }

    /// Gives the id of an event that is kept as it is.
    fn whole_id(&self, event: &[u8], see: &mut dyn FnMut(&str)) -> Result<(), Damaged> {
        let mut document = Document::default();
        let parsed = document.parse(event, Limits { depth_max: usize::MAX });
        let root = parsed.map_err(|_| self.segment().malformed("an event that is no JSON"))?;
        if let Some(id) = root.get(ID).and_then(|id| id.as_str()) {
            see(id);
        }
        Ok(())
    }

    /// The ordinal of a value of a root column, if it is one.
    fn ordinal_of(&self, column: &Column, value: &[u8]) -> Result<Option<u32>, Damaged> {
        let segment = self.segment();
        let body = segment.body();
        let mut text = Vec::new();
        if let Some(index) = &column.index {
            for ordinal in index.candidates(body, hash(segment.footer().seed, value))? {
                text.clear();
                column.values.get(body, ordinal, &mut text)?;
                if text == value {
                    return segment.small(ordinal).map(Some);
                }
            }
            return Ok(None);
        }
        let mut found = None;
        column.values.each(body, 0..column.values.len(), |ordinal, text| {
            if text == value {
                found = Some(ordinal);
            }
            Ok(())
        })?;
        found.map(|ordinal| segment.small(ordinal)).transpose()
    }

    /// The rows of a log that have this value of a root column.
    fn rows_with(
        &mut self,
        log: &LogRows,
        at: usize,
        column: &Column,
        ordinal: u32,
        found: &mut Vec<u32>,
    ) -> Result<(), Damaged> {
        let (first, end) = (u64::from(log.rows.start), u64::from(log.rows.end));
        let blocks = match &column.blocks {
            Some(blocks) => self.blocks_with(blocks, u64::from(ordinal))?,
            None => (first / UNIT..end.div_ceil(UNIT)).collect(),
        };
        let mut ordinals = Vec::new();
        for block in blocks {
            let (from, to) = (first.max(block * UNIT), end.min((block + 1) * UNIT));
            if from >= to {
                continue;
            }
            let present = self.present(ROOT, Part::Column(at), block)?;
            let mut mask = present.mask & below(to - block * UNIT) & !below(from - block * UNIT);
            ordinals.clear();
            self.ordinals(ROOT, at, present.leaves(), &mut ordinals)?;
            while mask != 0 {
                let row = block * UNIT + u64::from(mask.trailing_zeros());
                let place = usize::try_from(present.rank(row) - present.before).expect("at most 128");
                if ordinals.get(place) == Some(&ordinal) {
                    found.push(self.segment().small(row)?);
                }
                mask &= mask - 1;
            }
        }
        Ok(())
    }

    /// The blocks of rows that a value occurs in, rising.
    pub(crate) fn blocks_with(&self, blocks: &Blocks, ordinal: u64) -> Result<Vec<u64>, Damaged> {
        let body = self.segment().body();
        let after = blocks.met.partition_point(body, 0..blocks.met.len(), |met| met <= ordinal)?;
        let first =
            after.checked_sub(1).ok_or_else(|| self.segment().malformed("a value that no block met"))?;
        let mut list = vec![first];
        blocks.further.range(body, blocks.starts.span(body, ordinal)?, &mut list)?;
        Ok(list)
    }

    /// The rows of a log that are kept as they are and have this id.
    fn whole_rows_with_id(&mut self, log: &LogRows, id: &[u8], found: &mut Vec<u32>) -> Result<(), Damaged> {
        if self.segment().footer().tables[ROOT].raw.is_none() {
            return Ok(());
        }
        let wanted = unescape(id);
        let mut event = Vec::new();
        let mut row = u64::from(log.rows.start);
        while row < u64::from(log.rows.end) {
            let block = row / UNIT;
            let end = u64::from(log.rows.end).min((block + 1) * UNIT);
            let present = self.present(ROOT, Part::Raw, block)?;
            for row in row..end {
                let Some(nth) = present.place(row) else { continue };
                event.clear();
                self.raw(ROOT, nth, &mut event)?;
                let mut same = false;
                self.whole_id(&event, &mut |id| same = id.as_bytes() == &*wanted)?;
                if same {
                    found.push(self.segment().small(row)?);
                }
            }
            row = end;
        }
        Ok(())
    }
}
