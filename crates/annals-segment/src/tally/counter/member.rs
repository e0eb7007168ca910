//! Counting the values of a member.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use annals_event::filter::Path;
use annals_event::json::{Document, Kind as JsonKind, Limits};

use super::CountedColumn;
use super::leaves::{Leaves, is_single};
use crate::Damaged;
use crate::plan::set::{each_bit_128, first};
use crate::plan::{Scratch, below, owners};
use crate::segment::{Part, Reader, Segment};
use crate::tally::blocks_of;

/// Events were within the limits when they were taken.
const LIMITS: Limits = Limits { depth_max: usize::MAX };

/// Counts of a member's values.
pub(super) struct Member {
    path: Path,
    leaves: Vec<Leaves>,
    /// Tables whose instances that are kept as they are may have it.
    raws: Vec<usize>,
    /// One column has all there is, and which leaf is whose follows from the rows alone, but in rows around such an instance.
    is_plain: bool,
    document: Document,
    event: Vec<u8>,
    ordinals: Vec<u32>,
    holders: Vec<u32>,
    owners: Vec<u8>,
}

impl Member {
    pub(super) fn new(segment: &Arc<Segment>, path: &Path) -> Result<Self, Damaged> {
        let (mut leaves, mut raws, mut text) = (Vec::new(), Vec::new(), Vec::new());
        for (index, table) in segment.footer().tables.iter().enumerate() {
            let Some(rest) = below(path.as_slice(), &table.path) else { continue };
            for (at, column) in table.columns.iter().enumerate() {
                if rest.len() != column.path.len() || below(rest, &column.path).is_none() {
                    continue;
                }
                leaves.push(Leaves::new(segment, (index, at), &mut text)?);
            }
            if table.raw.is_some() {
                raws.push(index);
            }
        }
        let is_plain = matches!(leaves.as_slice(), [leaves] if leaves.is_plain())
            && raws.iter().all(|table| is_single(segment, *table));
        Ok(Self {
            path: path.clone(),
            leaves,
            raws,
            is_plain,
            document: Document::default(),
            event: Vec::new(),
            ordinals: Vec::new(),
            holders: Vec::new(),
            owners: Vec::new(),
        })
    }

    /// Counts rows of a block, and says how many have no value.
    pub(super) fn add(
        &mut self,
        block: u32,
        rows: u128,
        scratch: &mut Scratch,
        others: &mut BTreeMap<Box<str>, u64>,
    ) -> Result<u64, Damaged> {
        let changed = rows & changed_of(block, scratch)?;
        if let ([leaves], true, 0) = (self.leaves.as_mut_slice(), self.is_plain, changed) {
            let reader = &mut scratch.reader;
            let mut raw = 0;
            for table in &self.raws {
                raw |= reader.picked(*table, Part::Raw, block, rows)?.1;
            }
            if raw == 0 {
                return leaves
                    .count_rows(block, rows, reader)
                    .map(|leaves| u64::from(rows.count_ones()) - leaves);
            }
        }
        // Rows whose events have to be looked at: those with another event than the columns have, and those with values in
        // several columns, which may be the same values.
        let mut alone = rows & !changed & !self.raw_rows(block, rows, scratch)?;
        if self.leaves.len() > 1 {
            let mut met = 0;
            for at in 0..self.leaves.len() {
                let has = self.rows_with(at, block, scratch)?;
                alone &= !(met & has);
                met |= has;
            }
        }
        for at in 0..self.leaves.len() {
            // Elements may have the same text in two ways.
            if self.leaves[at].table > 0 && !self.leaves[at].gaps.is_empty() {
                alone &= !self.rows_with(at, block, scratch)?;
            }
        }
        let mut counted = 0;
        for at in 0..self.leaves.len() {
            counted |= self.count(at, block, alone, scratch, others)?;
        }
        let mut missing = u64::from((alone & !counted).count_ones());
        let mut failed = Ok(());
        each_bit_128(rows & !alone, |bit| match self.count_event(block * 128 + bit, scratch, others) {
            Ok(true) => {}
            Ok(false) => missing += 1,
            Err(error) => failed = Err(error),
        });
        failed.map(|()| missing)
    }

    /// Counts rows that follow each other, and says how many have no value.
    pub(super) fn add_line(
        &mut self,
        rows: Range<u32>,
        scratch: &mut Scratch,
        others: &mut BTreeMap<Box<str>, u64>,
    ) -> Result<u64, Damaged> {
        let all = u64::from(rows.end - rows.start);
        if has_no_changed(&rows, scratch)? && self.has_no_raws(&rows, scratch)? {
            match self.leaves.as_mut_slice() {
                [] => return Ok(all),
                [leaves] if leaves.is_plain() => {
                    return leaves.count_line(rows, &mut scratch.reader).map(|leaves| all - leaves);
                }
                _ => {}
            }
        }
        let mut missing = 0;
        for (block, part) in blocks_of(rows) {
            missing += self.add(block, first(part.end) & !first(part.start), scratch, others)?;
        }
        Ok(missing)
    }

    /// Whether no instance in these rows is kept as it is.
    fn has_no_raws(&self, rows: &Range<u32>, scratch: &mut Scratch) -> Result<bool, Damaged> {
        let reader = &mut scratch.reader;
        for table in &self.raws {
            let instances = reader.instances(*table, u64::from(rows.start)..u64::from(rows.end))?;
            let before = reader.rank(*table, Part::Raw, instances.start)?;
            if reader.rank(*table, Part::Raw, instances.end)? != before {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Rows around instances that are kept as they are.
    fn raw_rows(&mut self, block: u32, rows: u128, scratch: &mut Scratch) -> Result<u128, Damaged> {
        let mut found = 0;
        for table in &self.raws {
            let instances = owners(&mut scratch.reader, *table, block, &mut self.owners)?;
            for unit in instances.start / 128..instances.end.div_ceil(128) {
                let present = scratch.reader.present(*table, Part::Raw, unit)?;
                each_bit_128(present.mask, |bit| {
                    let instance = unit * 128 + u64::from(bit);
                    if instances.contains(&instance) {
                        let owner = usize::try_from(instance - instances.start).ok();
                        found |= owner.and_then(|at| self.owners.get(at)).map_or(0, |row| 1 << row);
                    }
                });
            }
        }
        Ok(found & rows)
    }

    /// Rows of a block that have a leaf of a column.
    fn rows_with(&mut self, at: usize, block: u32, scratch: &mut Scratch) -> Result<u128, Damaged> {
        let leaves = &mut self.leaves[at];
        leaves.rows = if leaves.table == 0 {
            scratch.reader.present(0, Part::Column(leaves.column), u64::from(block))?.mask
        } else {
            let instances = owners(&mut scratch.reader, leaves.table, block, &mut self.owners)?;
            self.holders.clear();
            self.ordinals.clear();
            scratch.reader.leaves(
                leaves.table,
                leaves.column,
                instances,
                &mut self.holders,
                &mut self.ordinals,
            )?;
            let owners = &self.owners;
            self.holders.iter().fold(0, |rows, at| rows | owners.get(*at as usize).map_or(0, |row| 1 << row))
        };
        Ok(leaves.rows)
    }

    /// Counts the leaves of a column in some rows of a block, and says which have a value.
    fn count(
        &mut self,
        at: usize,
        block: u32,
        rows: u128,
        scratch: &mut Scratch,
        others: &mut BTreeMap<Box<str>, u64>,
    ) -> Result<u128, Damaged> {
        let reader = &mut scratch.reader;
        let leaves = &mut self.leaves[at];
        let segment = Arc::clone(reader.segment());
        let beyond = || segment.malformed("an ordinal without its value");
        self.ordinals.clear();
        if leaves.table == 0 {
            let present = reader.present(0, Part::Column(leaves.column), u64::from(block))?;
            let counted = present.mask & rows;
            if counted == 0 {
                return Ok(0);
            }
            if leaves.is_happened {
                let mut failed = Ok(());
                each_bit_128(counted, |bit| {
                    let row = u64::from(block * 128 + bit);
                    failed = std::mem::replace(&mut failed, Ok(()))
                        .and_then(|()| count_leaf(reader, (0, leaves.column), row, &mut self.event, others));
                });
                return failed.map(|()| counted);
            }
            reader.ordinals(0, leaves.column, present.leaves(), &mut self.ordinals)?;
            if counted == present.mask && leaves.null.is_none() && leaves.gaps.is_empty() {
                for ordinal in &self.ordinals {
                    leaves.count_one(*ordinal).ok_or_else(beyond)?;
                }
                return Ok(counted);
            }
            let (mut has, mut failed) = (0, Ok(()));
            let mut ordinals = self.ordinals.iter();
            each_bit_128(present.mask, |bit| {
                let ordinal = ordinals.next().copied();
                if counted >> bit & 1 == 0 || (ordinal == leaves.null && ordinal.is_some()) || failed.is_err()
                {
                    return;
                }
                has |= 1 << bit;
                let at = ordinal.map_or(usize::MAX, |ordinal| ordinal as usize);
                if leaves.gaps.get(at) == Some(&true) {
                    let row = u64::from(block * 128 + bit);
                    failed = count_leaf(reader, (0, leaves.column), row, &mut self.event, others);
                } else if ordinal.and_then(|ordinal| leaves.count_one(ordinal)).is_none() {
                    failed = Err(beyond());
                }
            });
            return failed.map(|()| has);
        }
        let instances = owners(reader, leaves.table, block, &mut self.owners)?;
        if instances.is_empty() {
            return Ok(0);
        }
        self.holders.clear();
        reader.leaves(leaves.table, leaves.column, instances, &mut self.holders, &mut self.ordinals)?;
        let mut has = 0;
        for (holder, ordinal) in self.holders.iter().zip(&self.ordinals) {
            let owner = self.owners.get(*holder as usize).copied().unwrap_or(0);
            if rows >> owner & 1 == 0 || Some(*ordinal) == leaves.null {
                continue;
            }
            let seen = leaves.seen.get_mut(*ordinal as usize).ok_or_else(beyond)?;
            // Rows of a block are met in their order, blocks too.
            let row = block * 128 + u32::from(owner) + 1;
            if *seen != row {
                *seen = row;
                leaves.count_one(*ordinal).ok_or_else(beyond)?;
            }
            has |= 1 << owner;
        }
        Ok(has)
    }

    /// Counts the values of one event, and says whether it has any.
    fn count_event(
        &mut self,
        row: u32,
        scratch: &mut Scratch,
        others: &mut BTreeMap<Box<str>, u64>,
    ) -> Result<bool, Damaged> {
        self.event.clear();
        scratch.reader.event(row, &mut self.event)?;
        let malformed = || scratch.reader.segment().malformed("an event that is no JSON");
        let event = self.document.parse(&self.event, LIMITS).map_err(|_| malformed())?;
        let mut values = Vec::new();
        self.path.each(event, &mut |value| {
            if matches!(value.kind(), JsonKind::String | JsonKind::Number | JsonKind::Bool) {
                values.push(value.token());
            }
        });
        values.sort_unstable();
        values.dedup();
        for value in &values {
            match others.get_mut(*value) {
                Some(count) => *count += 1,
                None => {
                    others.insert((*value).into(), 1);
                }
            }
        }
        Ok(!values.is_empty())
    }

    /// What was counted in columns, and how many rows have nothing but `null` among it.
    pub(super) fn counted(&self) -> (Vec<CountedColumn>, u64) {
        let nulls = self.leaves.iter().map(Leaves::nulls).sum();
        (self.leaves.iter().map(Leaves::counted).collect(), nulls)
    }
}

/// Rows of a block whose events are not those of the columns.
fn changed_of(block: u32, scratch: &Scratch) -> Result<u128, Damaged> {
    Ok(scratch.reader.segment().cover()?.map_or(0, |cover| cover.changed.of(block)))
}

/// Whether none of these rows is one of them.
fn has_no_changed(rows: &Range<u32>, scratch: &Scratch) -> Result<bool, Damaged> {
    Ok(scratch.reader.segment().cover()?.is_none_or(|cover| cover.changed.count_in(rows) == 0))
}

/// Counts the text of one leaf.
fn count_leaf(
    reader: &mut Reader,
    (table, column): (usize, usize),
    instance: u64,
    text: &mut Vec<u8>,
    others: &mut BTreeMap<Box<str>, u64>,
) -> Result<(), Damaged> {
    text.clear();
    text.push(b'"');
    reader.leaf(table, column, instance, text)?;
    text.push(b'"');
    let malformed = || reader.segment().malformed("a value that is no text");
    let text = str::from_utf8(text).map_err(|_| malformed())?;
    match others.get_mut(text) {
        Some(count) => *count += 1,
        None => {
            others.insert(text.into(), 1);
        }
    }
    Ok(())
}
