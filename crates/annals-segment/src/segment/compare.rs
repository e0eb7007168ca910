//! Whether a file holds what it was built from: asked before anything else is told that it does.

use std::sync::Arc;

use annals_event::Position;
use annals_tree::Hash;
use annals_tree::tree::{BLOCK_LEAVES, tag};

use super::window::Window;
use super::{LogRows, Reader, Segment};
use crate::Damaged;
use crate::build::{Row, Rows};
use crate::root::Root;

/// A log, by its index, and the position of a record in it.
type Place = (usize, u64);

/// Most bytes of columns' values that are kept while all rows are compared: those of a tail, for the most part.
const VALUES_BYTES_MAX: usize = 32 << 20;

impl Segment {
    /// Reads the whole file past the cache. Tells `each` block's bytes and what is wrong with it, and goes on behind damage.
    pub fn check_blocks(&self, each: &mut dyn FnMut(u64, Option<Damaged>)) {
        self.body.check_blocks(each);
    }

    /// Compares everything that is read of records, their proofs and their orders with what the segment was built from. Gives
    /// the log and the position of the first record that differs; `None` if none does.
    ///
    /// # Errors
    ///
    /// [`Damaged`] when the file cannot be read.
    pub fn same_as(self: &Arc<Self>, rows: &dyn Rows) -> Result<Option<(usize, u64)>, Damaged> {
        self.same_as_keeping(rows, VALUES_BYTES_MAX)
    }

    /// As [`Segment::same_as`], keeping at most so many bytes of columns' values meanwhile.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn same_as_keeping(
        self: &Arc<Self>,
        rows: &dyn Rows,
        bytes: usize,
    ) -> Result<Option<(usize, u64)>, Damaged> {
        let mut reader = self.unveiled().reader();
        reader.keep_values(bytes);
        let mut event = Vec::new();
        let mut tags = Vec::new();
        let mut row = 0_u32;
        for log in 0..rows.logs() {
            let count = rows.count(log);
            let Some(first) = (count > 0).then(|| rows.row(log, 0).position) else { continue };
            let differs = Ok(Some((log, first)));
            if row >= self.rows() {
                return differs;
            }
            let (here, name) = reader.log(row)?;
            if *name != rows.log(log) || here.rows.start != row {
                return differs;
            }
            let here = here.clone();
            tags.clear();
            self.tags(here.rows.clone(), &mut tags)?;
            for n in 0..count {
                let expected = rows.row(log, n);
                if !here.rows.contains(&row) || !same(&mut reader, row, &expected, &mut event)? {
                    return Ok(Some((log, expected.position)));
                }
                if tags.get(n) != Some(&tag(&expected.leaf)) {
                    return Ok(Some((log, expected.position)));
                }
                row += 1;
            }
            if row != here.rows.end {
                return Ok(Some((log, reader.position(row)?.0)));
            }
            if let Some(position) = self.proof_differs(&here, rows, log)? {
                return Ok(Some((log, position)));
            }
            if let Some(position) = self.order_differs(&here, &mut reader)? {
                return Ok(Some((log, position)));
            }
        }
        if row != self.rows() {
            return Ok(Some((rows.logs(), reader.position(row)?.0)));
        }
        if let Some(row) = self.fates_out_of_order()? {
            return Ok(Some((reader.log(row)?.0.index as usize, reader.position(row)?.0)));
        }
        self.ranks_differ(rows, &mut reader)
    }

    /// The first position of a log whose part of a block has another sum, or the log's first when its nodes differ.
    fn proof_differs(&self, here: &LogRows, rows: &dyn Rows, log: usize) -> Result<Option<u64>, Damaged> {
        let leaves = BLOCK_LEAVES as u64;
        let mut n = 0;
        let mut nodes = rows.nodes(log).iter();
        let count = rows.count(log);
        while n < count {
            let first = rows.row(log, n).position;
            for part in self.block_parts(here, first / leaves)? {
                let mut xor = [0; 32];
                for at in part.rows.clone() {
                    let row = (n < count).then(|| rows.row(log, n));
                    let far = u64::from(at - part.rows.start);
                    let Some(row) = row.filter(|row| row.position == part.position.0 + far) else {
                        return Ok(Some(first));
                    };
                    xor.iter_mut().zip(row.leaf.0).for_each(|(sum, byte)| *sum ^= byte);
                    n += 1;
                }
                if part.xor != Hash(xor) {
                    return Ok(Some(part.position.0));
                }
            }
            // The last row may complete the block, and with it larger subtrees.
            let last = rows.row(log, n - 1).position;
            if last % leaves == leaves - 1 {
                let block = last / leaves;
                for above in 0..=block.trailing_ones() {
                    let level = BLOCK_LEAVES.trailing_zeros() + above;
                    if self.node(here, level, block >> above)? != nodes.next().copied() {
                        return Ok(Some(first));
                    }
                }
            }
        }
        if nodes.next().is_some() { self.positions(here).map(|(first, _)| Some(first.0)) } else { Ok(None) }
    }

    /// The position of a row that the log's order of time has in a wrong place.
    fn order_differs(&self, here: &LogRows, reader: &mut Reader) -> Result<Option<u64>, Damaged> {
        let mut before = None;
        for i in 0..here.rows.end - here.rows.start {
            let row = self.log_time_row(here, i)?;
            let moment = Some((reader.happened(row)?, row));
            // Rising strictly, so many rows of the log can only be all of them.
            if before >= moment {
                return reader.position(row).map(|position| Some(position.0));
            }
            before = moment;
        }
        Ok(None)
    }

    /// The first record that the orders over all logs have in a wrong place.
    fn ranks_differ(&self, rows: &dyn Rows, reader: &mut Reader) -> Result<Option<Place>, Damaged> {
        let order = &self.footer.order;
        let (mut seqs, mut times, mut of_rank) =
            (Window::<u64>::new(), Window::<u64>::new(), Window::<u64>::new());
        let mut before = None;
        let (mut last_seq, mut last_moment) = (None, None);
        for i in 0..self.ranks() {
            let seq = Some(seqs.get(&order.seqs, &self.body, i)?);
            let rank = super::known::moved(i, times.get(&order.all_times, &self.body, i)?);
            let rank = rank.filter(|rank| *rank < self.ranks());
            let rank = rank.ok_or_else(|| self.malformed("order of all times"))?;
            let row = self.small(of_rank.get(&order.rows, &self.body, rank)?)?;
            let moment = Some((reader.happened(row)?, rank));
            if last_moment >= moment || last_seq >= seq {
                let position: Position = reader.position(row)?;
                let log = reader.log(row)?.0.index as usize;
                return Ok(Some((log, position.0)));
            }
            (last_seq, last_moment) = (seq, moment);
            before = Some(row);
        }
        // Each row with a number has found its own; there must not be more numbers.
        let numbered = (0..rows.logs())
            .map(|log| (0..rows.count(log)).filter(|n| rows.row(log, *n).seq.is_some()).count() as u64)
            .sum::<u64>();
        match before {
            Some(row) if numbered != self.ranks() => {
                Ok(Some((reader.log(row)?.0.index as usize, reader.position(row)?.0)))
            }
            _ => Ok(None),
        }
    }
}

/// Whether a record is what a row was.
fn same(reader: &mut Reader, row: u32, expected: &Row<'_>, event: &mut Vec<u8>) -> Result<bool, Damaged> {
    event.clear();
    reader.event(row, event)?;
    let kind = reader.kind(row)?;
    let happened = reader.happened(row)?;
    Ok(event == expected.event
        && reader.position(row)?.0 == expected.position
        && reader.seq(row)? == expected.seq
        && reader.received_at(row)? == expected.received_at
        && kind.timed == expected.occurred_at.is_some()
        && happened == expected.occurred_at.unwrap_or(expected.received_at)
        && kind.operation == expected.operation
        && kind.derived == expected.derived
        && kind.system == expected.system
        && kind.class == expected.class
        && kind.stated == expected.stated
        && is_root(&reader.root(row)?, expected)
        && reader.fate(row)?.as_ref() == expected.fate
        && reader.segment().may_have_id(expected.id_hash)?)
}

fn is_root((root, counter): &(Root, u16), expected: &Row<'_>) -> bool {
    root.lend() == expected.root && *counter == expected.counter
}
