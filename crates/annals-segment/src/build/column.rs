//! Writing a column: its values, which leaf has which, and where each stands.

use std::io;

use crate::body::Writer;
use crate::hashes::HashIndex;
use crate::meta::{Blocks, Column, INDEXED_MIN, LeafKind, Presence, Reference};
use crate::numbers::Numbers;
use crate::values::{Arena, Values};

use super::words::WordLists;

/// Instances of a unit of presence, and rows of a block.
pub(crate) const UNIT: usize = 128;

/// A column ready to be written.
pub(crate) struct ColumnData<'c> {
    /// Names below the table's path.
    pub(crate) path: Vec<String>,
    /// What its leaves are.
    pub(crate) kind: LeafKind,
    /// Which instances have it, written already.
    pub(crate) presence: Presence,
    /// What bytes below 0x20 in values stand for.
    pub(crate) refs: Vec<Reference>,
    /// The distinct values in the order in which leaves meet them first.
    pub(crate) values: &'c Arena,
    /// Their hashes.
    pub(crate) hashes: &'c [u64],
    /// Per leaf: which value it has.
    pub(crate) ordinals: &'c [u32],
    /// Every value is the time its own row happened at; there is one leaf a value.
    pub(crate) happened: bool,
}

impl ColumnData<'_> {
    /// Writes the column. `blocks` gives each leaf's block of rows; it is asked for only where values are many.
    pub(crate) fn write<W: io::Write, B: Iterator<Item = u32>>(
        self,
        blocks: impl FnOnce() -> B,
        block_count: u32,
        words: &mut WordLists,
        out: &mut Writer<W>,
    ) -> io::Result<Column> {
        let Self { path, kind, presence, refs, values, hashes, ordinals, happened } = self;
        let leaves = ordinals.len();
        if happened {
            let n = count(leaves);
            let ordinals = Numbers::linear(n, 0);
            let values = Values::Happened { n };
            return Ok(Column {
                path,
                kind,
                presence,
                refs,
                values,
                ordinals,
                index: None,
                blocks: None,
                words: None,
            });
        }
        let written = Values::write(values, out)?;
        let has_words =
            kind == LeafKind::Text && matches!(written, Values::Text { .. } | Values::Mixed { .. });
        let words = has_words.then(|| {
            let all = values.iter();
            words.add(all.map(|value| Some(value).filter(|value| written.is_text(value))))
        });
        let (mut index, mut listed) = (None, None);
        if values.len() >= INDEXED_MIN {
            index = Some(HashIndex::write(hashes, out)?);
            listed = Some(write_blocks(values.len(), ordinals, blocks(), block_count, out)?);
        }
        let ordinals = write_u32(ordinals, out)?;
        Ok(Column { path, kind, presence, refs, values: written, ordinals, index, blocks: listed, words })
    }
}

/// Writes in which blocks of rows each value stands.
fn write_blocks<W: io::Write>(
    values: usize,
    ordinals: &[u32],
    blocks: impl Iterator<Item = u32>,
    block_count: u32,
    out: &mut Writer<W>,
) -> io::Result<Blocks> {
    const NOT_MET: u32 = u32::MAX;
    let mut last = vec![NOT_MET; values];
    let mut met = vec![0_u64; block_count as usize + 1];
    let mut further: Vec<(u32, u32)> = Vec::new();
    let mut starts = vec![0_u64; values + 1];
    for (ordinal, block) in ordinals.iter().zip(blocks) {
        let before = &mut last[*ordinal as usize];
        if *before == block {
            continue;
        }
        if *before == NOT_MET {
            met[block as usize + 1] += 1;
        } else {
            further.push((*ordinal, block));
            starts[*ordinal as usize + 1] += 1;
        }
        *before = block;
    }
    drop(last);
    sum_up(&mut met);
    sum_up(&mut starts);
    let mut lists = vec![0_u64; further.len()];
    let mut ends: Vec<u64> = starts[..values].to_vec();
    for (ordinal, block) in further {
        let end = &mut ends[ordinal as usize];
        lists[usize::try_from(*end).expect("as many are in memory")] = u64::from(block);
        *end += 1;
    }
    Ok(Blocks {
        met: Numbers::write(&met, out)?,
        starts: Numbers::write(&starts, out)?,
        further: Numbers::write(&lists, out)?,
    })
}

/// Turns counts, each one place behind its own, into how many stand before each.
fn sum_up(counts: &mut [u64]) {
    let mut sum = 0;
    for count in counts {
        sum += *count;
        *count = sum;
    }
}

/// Writes which of `n` instances have something: those for which `has` says so.
pub(crate) fn write_presence<W: io::Write>(
    n: usize,
    has: impl Fn(usize) -> bool,
    out: &mut Writer<W>,
) -> io::Result<Presence> {
    let mut before = Vec::with_capacity(n / UNIT + 1);
    let mut all = 0_u64;
    for start in (0..n).step_by(UNIT) {
        before.push(all);
        all += count((start..n.min(start + UNIT)).filter(|at| has(*at)).count());
    }
    if all == count(n) {
        Ok(Presence::All)
    } else if all <= count(n / UNIT) {
        let listed: Vec<u64> = (0..n).filter(|at| has(*at)).map(count).collect();
        Ok(Presence::Listed(Numbers::write(&listed, out)?))
    } else {
        Ok(Presence::Shapes(Numbers::write(&before, out)?))
    }
}

/// Writes numbers that are kept narrower in memory.
pub(crate) fn write_u32<W: io::Write>(numbers: &[u32], out: &mut Writer<W>) -> io::Result<Numbers> {
    let wide: Vec<u64> = numbers.iter().map(|number| u64::from(*number)).collect();
    Numbers::write(&wide, out)
}

/// A count of what is in memory.
pub(crate) fn count(n: usize) -> u64 {
    u64::try_from(n).expect("a count fits 64 bits")
}
