//! What proves rows: tags, sums of leaf hashes, and nodes of their logs' trees.

use std::ops::Range;

use annals_event::Position;
use annals_tree::Hash;
use annals_tree::nodes::{stored_node_place, stored_nodes_before};
use annals_tree::tree::BLOCK_LEAVES;

use super::{LogRows, Segment};
use crate::Damaged;
use crate::values::Region;

/// Rows of one run whose leaves stand in one block of 256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockPart {
    /// The rows.
    pub rows: Range<u32>,
    /// Position of the first.
    pub position: Position,
    /// All their leaf hashes, XORed.
    pub xor: Hash,
}

const HASH_BYTES: u64 = 32;
const TAG_BYTES: u64 = 2;
const LEAVES: u64 = BLOCK_LEAVES as u64;

impl Segment {
    /// The first two bytes of a row's leaf hash, as [`annals_tree::tree::tag`].
    ///
    /// # Errors
    ///
    /// [`Damaged`], as of every question to a segment, when what must be read for it is not what was written, or when there
    /// is no such row.
    pub fn tag(&self, row: u32) -> Result<u16, Damaged> {
        let at = TAG_BYTES * u64::from(row);
        let tag = self.footer.proof.tags.slice(&self.body, at..at + TAG_BYTES)?;
        let tag = tag.as_ref().try_into().map_err(|_| self.malformed("a tag"))?;
        Ok(u16::from_be_bytes(tag))
    }

    /// The tags of rows, appended.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn tags(&self, rows: Range<u32>, into: &mut Vec<u16>) -> Result<(), Damaged> {
        let range = TAG_BYTES * u64::from(rows.start)..TAG_BYTES * u64::from(rows.end);
        let tags = self.footer.proof.tags.slice(&self.body, range)?;
        into.extend(tags.as_chunks().0.iter().copied().map(u16::from_be_bytes));
        Ok(())
    }

    /// The hash of a complete subtree of 2^`level` leaves of a log, when the row that completes it is in here; `level` is 8 or
    /// more.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn node(&self, log: &LogRows, level: u32, index: u64) -> Result<Option<Hash>, Damaged> {
        let (block, place) = stored_node_place(level, index);
        let completing = Position(block * LEAVES + (LEAVES - 1));
        let Some(row) = self.row_at(log, completing)? else { return Ok(None) };
        let (run, _, position) = self.run_of(log, row)?;
        let proof = &self.footer.proof;
        let at = proof.run_nodes.get(&self.body, u64::from(run))?;
        let end = proof.run_nodes.get(&self.body, u64::from(run) + 1)?;
        let before = stored_nodes_before(block) - stored_nodes_before(position / LEAVES);
        let at = at.saturating_add(before + place);
        if at >= end {
            return Err(self.malformed("tree nodes of a run"));
        }
        self.hash(&proof.nodes, at).map(Some)
    }

    /// The rows of a log whose leaves stand in block `block` of its tree, 256 to a block, run by run. Empty if none are here.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn block_parts(&self, log: &LogRows, block: u64) -> Result<Vec<BlockPart>, Damaged> {
        let mut parts = Vec::new();
        let Some(first) = block.checked_mul(LEAVES) else { return Ok(parts) };
        let mut row = self.row_from(log, Position(first))?;
        while row < log.rows.end {
            let (run, rows, position) = self.run_of(log, row)?;
            let start = position + u64::from(row - rows.start);
            if start / LEAVES != block {
                break;
            }
            let far = self.small(LEAVES - start % LEAVES)?;
            let part = row..rows.end.min(row + far);
            let proof = &self.footer.proof;
            let at = proof.parts.get(&self.body, u64::from(run))? + (start / LEAVES - position / LEAVES);
            if at >= proof.parts.get(&self.body, u64::from(run) + 1)? {
                return Err(self.malformed("parts of a run"));
            }
            row = part.end;
            parts.push(BlockPart { rows: part, position: Position(start), xor: self.hash(&proof.xors, at)? });
        }
        Ok(parts)
    }

    /// The tags of rows as they are stored, appended.
    pub(crate) fn tag_bytes(&self, rows: Range<u32>, into: &mut Vec<u8>) -> Result<(), Damaged> {
        let range = TAG_BYTES * u64::from(rows.start)..TAG_BYTES * u64::from(rows.end);
        into.extend_from_slice(&self.footer.proof.tags.slice(&self.body, range)?);
        Ok(())
    }

    /// The parts of a run, in order: position of the first row, rows, and the sum of their leaf hashes.
    pub(crate) fn each_part_of(&self, run: u32, see: &mut dyn FnMut(u64, u64, Hash)) -> Result<(), Damaged> {
        let (_, rows, mut position) = self.run(run)?;
        let proof = &self.footer.proof;
        let end = position + u64::from(rows.end - rows.start);
        let mut parts = proof.parts.span(&self.body, u64::from(run))?;
        while position < end {
            let to = end.min((position / LEAVES + 1) * LEAVES);
            let part = parts.next().ok_or_else(|| self.malformed("parts of a run"))?;
            see(position, to - position, self.hash(&proof.xors, part)?);
            position = to;
        }
        Ok(())
    }

    /// The nodes that the rows of a run complete, appended in their order.
    pub(crate) fn nodes_of_run(&self, run: u32, into: &mut Vec<Hash>) -> Result<(), Damaged> {
        let proof = &self.footer.proof;
        for node in proof.run_nodes.span(&self.body, u64::from(run))? {
            into.push(self.hash(&proof.nodes, node)?);
        }
        Ok(())
    }

    fn hash(&self, hashes: &Region, index: u64) -> Result<Hash, Damaged> {
        let bytes = hashes.slice(&self.body, HASH_BYTES * index..HASH_BYTES * (index + 1))?;
        bytes.as_ref().try_into().map(Hash).map_err(|_| self.malformed("a hash"))
    }
}
