//! Counting the ordinals of one column.

use std::ops::Range;
use std::sync::Arc;

use super::CountedColumn;
use crate::Damaged;
use crate::meta::{Column, LeafKind, Of};
use crate::numbers::{Group, UNIT, UNIT_LEN};
use crate::plan::find;
use crate::plan::set::each_bit_128;
use crate::plan::templates::has_gaps;
use crate::segment::{Part, Reader, Segment};
use crate::values::Values;

/// How often counts of few values stand side by side: counting the same value again and again would wait for itself.
const SIDES: usize = 4;

/// Most values whose counts stand side by side.
const SIDES_VALUES_MAX: usize = 1_024;

/// A column that a path leads to.
pub(super) struct Leaves {
    pub(super) table: usize,
    pub(super) column: usize,
    /// Ordinal of `null`, which is no value.
    pub(super) null: Option<u32>,
    /// Values are not those of the dictionary alone: the leaf itself has to be read. Of times of rows all, of texts in which
    /// others stand those with gaps; there is nothing here where none has any.
    pub(super) is_happened: bool,
    pub(super) gaps: Vec<bool>,
    /// A row has at most one of them.
    is_single: bool,
    /// Values.
    n: usize,
    /// Per ordinal; [`SIDES`] times, one behind the other, where they are few.
    counts: Vec<u32>,
    /// Per ordinal the row that it was counted for last, plus one: where a row may have it more than once.
    pub(super) seen: Vec<u32>,
    /// Rows of the block that have a leaf.
    pub(super) rows: u128,
    group: Group,
    /// The unit of ordinals that was read last, and these.
    unit: u64,
    numbers: Box<[u32; UNIT_LEN]>,
}

/// No unit: none is so high.
const NONE: u64 = u64::MAX;

impl Leaves {
    pub(super) fn new(
        segment: &Arc<Segment>,
        (table, column): (usize, usize),
        text: &mut Vec<u8>,
    ) -> Result<Self, Damaged> {
        let own = column_of(segment, table, column);
        let null = match own.kind {
            LeafKind::Token => find(segment, own, b"null", text)?,
            LeafKind::Text => None,
        };
        let is_happened = matches!(own.values, Values::Happened { .. });
        let n = if is_happened { 0 } else { own.values.len() };
        let n = usize::try_from(n).map_err(|_| segment.malformed("values of a column"))?;
        let mut gaps = Vec::new();
        if !own.refs.is_empty() {
            own.values.each(segment.body(), 0..own.values.len(), |_, value| {
                gaps.push(has_gaps(value));
                Ok(())
            })?;
            if !gaps.contains(&true) {
                gaps = Vec::new();
            }
        }
        Ok(Self {
            table,
            column,
            null,
            is_happened,
            gaps,
            is_single: is_single(segment, table),
            n,
            counts: vec![0; if n <= SIDES_VALUES_MAX { SIDES * n } else { n }],
            seen: if table == 0 { Vec::new() } else { vec![0; n] },
            rows: 0,
            group: Group::default(),
            unit: NONE,
            numbers: Box::new([0; UNIT_LEN]),
        })
    }

    /// How often its values were counted.
    pub(super) fn counted(&self) -> CountedColumn {
        let sum = |at: usize| self.counts.iter().skip(at).step_by(self.n.max(1)).sum::<u32>();
        let all = (0_u32..).zip((0..self.n).map(sum));
        let counts = all.filter(|(ordinal, count)| *count > 0 && Some(*ordinal) != self.null).collect();
        CountedColumn { table: self.table, column: self.column, counts }
    }

    /// How many of what was counted are `null`.
    pub(super) fn nulls(&self) -> u64 {
        let null = self.null.and_then(|null| usize::try_from(null).ok()).filter(|null| *null < self.n);
        null.map_or(0, |null| {
            self.counts.iter().skip(null).step_by(self.n).map(|count| u64::from(*count)).sum()
        })
    }

    /// Counts one leaf, if there is such a value.
    #[inline]
    pub(super) fn count_one(&mut self, ordinal: u32) -> Option<()> {
        let count = self.counts[..self.n].get_mut(ordinal as usize)?;
        *count += 1;
        Some(())
    }

    /// Whether rows can be counted without a look at which leaf is whose.
    pub(super) fn is_plain(&self) -> bool {
        self.is_single && !self.is_happened && self.gaps.is_empty()
    }

    /// Counts the leaves of rows that follow each other, `null` too, and says how many there are. Only where it
    /// [is plain](Self::is_plain).
    pub(super) fn count_line(&mut self, rows: Range<u32>, reader: &mut Reader) -> Result<u64, Damaged> {
        let instances = reader.instances(self.table, u64::from(rows.start)..u64::from(rows.end))?;
        let part = Part::Column(self.column);
        let first = reader.rank(self.table, part, instances.start)?;
        let end = reader.rank(self.table, part, instances.end)?;
        let segment = Arc::clone(reader.segment());
        let leaves = end.checked_sub(first).filter(|leaves| *leaves <= u64::from(rows.end - rows.start));
        let leaves = leaves.ok_or_else(|| segment.malformed("more leaves than rows"))?;
        self.count_all(&segment, first..end)?;
        Ok(leaves)
    }

    /// As [`Self::count_line`], of some rows of a block.
    pub(super) fn count_rows(&mut self, block: u32, rows: u128, reader: &mut Reader) -> Result<u64, Damaged> {
        let (first, mask) = reader.picked(self.table, Part::Column(self.column), block, rows)?;
        if mask == 0 {
            return Ok(0);
        }
        let segment = reader.segment();
        let ordinals = &column_of(segment, self.table, self.column).ordinals;
        let last = first + UNIT - 1 - u64::from(mask.leading_zeros());
        if last >= ordinals.len() {
            return Err(segment.malformed("a leaf without its ordinal"));
        }
        // In the first unit, and in the one behind it.
        let offset = first % UNIT;
        let parts =
            [(first / UNIT, mask << offset), (last / UNIT, mask.checked_shr(unit_rest(offset)).unwrap_or(0))];
        let count = if parts[0].0 == parts[1].0 { 1 } else { 2 };
        for (unit, bits) in &parts[..count] {
            if self.unit != *unit {
                self.unit = NONE;
                ordinals.unit_u32_of(&mut self.group, segment.body(), *unit, &mut self.numbers)?;
                self.unit = *unit;
            }
            self.count_bits(*bits).ok_or_else(|| segment.malformed("an ordinal without its value"))?;
        }
        Ok(u64::from(mask.count_ones()))
    }

    /// Counts these of the numbers that were read.
    fn count_bits(&mut self, bits: u128) -> Option<()> {
        let Self { counts, n, numbers, .. } = self;
        let mut is_in = true;
        if counts.len() == *n {
            each_bit_128(bits, |bit| match counts.get_mut(numbers[bit as usize % UNIT_LEN] as usize) {
                Some(count) => *count += 1,
                None => is_in = false,
            });
        } else {
            each_bit_128(bits, |bit| {
                let at = bit as usize % UNIT_LEN;
                let ordinal = numbers[at] as usize;
                is_in &= ordinal < *n;
                match counts.get_mut(at % SIDES * *n + ordinal) {
                    Some(count) => *count += 1,
                    None => is_in = false,
                }
            });
        }
        is_in.then_some(())
    }

    fn count_all(&mut self, segment: &Segment, leaves: Range<u64>) -> Result<(), Damaged> {
        let Self { counts, n, group, .. } = self;
        let ordinals = &column_of(segment, self.table, self.column).ordinals;
        let beyond = || segment.malformed("an ordinal without its value");
        if leaves.end > ordinals.len() {
            return Err(segment.malformed("a leaf without its ordinal"));
        }
        let mut numbers = [0; UNIT_LEN];
        let mut from = leaves.start;
        while from < leaves.end {
            let unit = from / UNIT;
            let to = leaves.end.min((unit + 1) * UNIT);
            ordinals.unit_u32_of(group, segment.body(), unit, &mut numbers)?;
            let in_unit = |leaf: u64| usize::try_from(leaf - unit * UNIT).expect("at most 128");
            let part = &numbers[in_unit(from)..in_unit(to)];
            let most = part.iter().copied().max().unwrap_or(0);
            if most as usize >= *n {
                return Err(beyond());
            }
            if counts.len() == *n {
                for ordinal in part {
                    counts[*ordinal as usize] += 1;
                }
            } else {
                let (one, rest) = counts.split_at_mut(*n);
                let (two, rest) = rest.split_at_mut(*n);
                let (three, four) = rest.split_at_mut(*n);
                let (fours, last) = part.as_chunks::<SIDES>();
                for ordinals in fours {
                    one[ordinals[0] as usize] += 1;
                    two[ordinals[1] as usize] += 1;
                    three[ordinals[2] as usize] += 1;
                    four[ordinals[3] as usize] += 1;
                }
                for ordinal in last {
                    one[*ordinal as usize] += 1;
                }
            }
            from = to;
        }
        Ok(())
    }
}

/// How many numbers of a unit stand from this place on.
fn unit_rest(offset: u64) -> u32 {
    u32::try_from(UNIT - offset).unwrap_or(0)
}

pub(super) fn column_of(segment: &Segment, table: usize, column: usize) -> &Column {
    &segment.footer().tables[table].columns[column]
}

/// Whether a row has at most one instance of a table.
pub(super) fn is_single(segment: &Segment, table: usize) -> bool {
    let tables = &segment.footer().tables;
    let mut at = table;
    while tables[at].of == Of::Objects {
        match tables[at].parent {
            Some(parent) => at = parent as usize,
            None => return false,
        }
    }
    tables[at].of == Of::Rows
}
