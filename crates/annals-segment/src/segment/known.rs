//! What annals knows of rows: times, ledger numbers, and what is small; and the orders of rows.

use std::ops::Range;

use annals_event::Position;

use super::{LogRows, Segment};
use crate::Damaged;
use crate::meta::Kind;

/// Times are stored as µs since 1970 plus 2^63, which sorts them as they are.
pub(crate) const TIME_BIAS: u64 = 1 << 63;

/// µs since 1970 of a time as it is stored.
pub(crate) fn time(coded: u64) -> i64 {
    (coded ^ TIME_BIAS).cast_signed()
}

/// The number that `index` and a zigzag difference to it give, if there is one.
pub(crate) fn moved(index: u64, difference: u64) -> Option<u64> {
    let (half, odd) = (difference >> 1, difference & 1);
    if odd == 0 { index.checked_add(half) } else { index.checked_sub(half + 1) }
}

impl Segment {
    /// When a row happened: the client's time, or where it sent none the time of receipt. µs since 1970.
    ///
    /// # Errors
    ///
    /// [`Damaged`], as of every question to a segment, when what must be read for it is not what was written, or when there
    /// is no such row.
    pub fn happened(&self, row: u32) -> Result<i64, Damaged> {
        self.footer.known.happened.get(&self.body, u64::from(row)).map(time)
    }

    /// When a row was received. µs since 1970.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn received_at(&self, row: u32) -> Result<i64, Damaged> {
        let known = &self.footer.known;
        let index = known.received.get(&self.body, u64::from(row))?;
        known.received_values.get(&self.body, index).map(time)
    }

    /// What is small of a row.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn kind(&self, row: u32) -> Result<Kind, Damaged> {
        let index = self.footer.known.kind.get(&self.body, u64::from(row))?;
        let kind = self.kind_at(index)?;
        Ok(self.veil().map_or(kind, |veil| veil.kind(row, kind)))
    }

    pub(super) fn kind_at(&self, index: u64) -> Result<Kind, Damaged> {
        let kind = usize::try_from(index).ok().and_then(|index| self.footer.known.kinds.get(index));
        kind.copied().ok_or_else(|| self.malformed("a kind that is not listed"))
    }

    /// The ledger numbers of rows in here, from the first to the one after the last; `None` if no row has one.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn seqs(&self) -> Result<Option<Range<u64>>, Damaged> {
        let seqs = &self.footer.order.seqs;
        let Some(last) = seqs.len().checked_sub(1) else { return Ok(None) };
        Ok(Some(seqs.get(&self.body, 0)?..seqs.get(&self.body, last)?.saturating_add(1)))
    }

    /// How many rows have a ledger number: what ranks count.
    #[must_use]
    pub fn ranks(&self) -> u64 {
        self.footer.order.seqs.len()
    }

    /// The rank of the first row with this ledger number or a higher one; [`Segment::ranks`] if there is none.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn rank_from(&self, seq: u64) -> Result<u64, Damaged> {
        let seqs = &self.footer.order.seqs;
        seqs.partition_point(&self.body, 0..seqs.len(), |other| other < seq)
    }

    /// The row with this rank.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn row_of_rank(&self, rank: u64) -> Result<u32, Damaged> {
        self.row_there(self.footer.order.rows.get(&self.body, rank)?)
    }

    pub(super) fn row_there(&self, row: u64) -> Result<u32, Damaged> {
        if row < u64::from(self.footer.rows) {
            self.small(row)
        } else {
            Err(self.malformed("a row that is not there"))
        }
    }

    /// The ledger number with this rank.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn seq_of_rank(&self, rank: u64) -> Result<u64, Damaged> {
        self.footer.order.seqs.get(&self.body, rank)
    }

    /// The row with this ledger number; `None` if it is not in here.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn row_of_seq(&self, seq: u64) -> Result<Option<u32>, Damaged> {
        let rank = self.rank_from(seq)?;
        if rank == self.ranks() || self.seq_of_rank(rank)? != seq {
            return Ok(None);
        }
        self.row_of_rank(rank).map(Some)
    }

    /// The rank of a row; `None` if it has no ledger number.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn rank_of_row(&self, row: u32) -> Result<Option<u64>, Damaged> {
        let rank = self.footer.order.ranks.get(&self.body, u64::from(row))?;
        if rank >= self.ranks() {
            return Ok(None);
        }
        Ok((self.row_of_rank(rank)? == row).then_some(rank))
    }

    /// The ledger number of a row, if it has one.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn seq_of_row(&self, row: u32) -> Result<Option<u64>, Damaged> {
        self.rank_of_row(row)?.map(|rank| self.seq_of_rank(rank)).transpose()
    }

    /// The `i`-th row of a log by (time it happened, position).
    ///
    /// # Errors
    ///
    /// [`Damaged`]; also when the log has not so many rows.
    pub fn log_time_row(&self, log: &LogRows, i: u32) -> Result<u32, Damaged> {
        let at = u64::from(log.rows.start) + u64::from(i);
        self.log_time_moved(log, i, self.footer.order.log_times.get(&self.body, at)?)
    }

    pub(super) fn log_time_moved(&self, log: &LogRows, i: u32, difference: u64) -> Result<u32, Damaged> {
        let rows = u64::from(log.rows.start)..u64::from(log.rows.end);
        let row = moved(u64::from(i), difference).and_then(|row| row.checked_add(rows.start));
        let row =
            row.filter(|row| rows.contains(row)).ok_or_else(|| self.malformed("order of a log's times"))?;
        self.small(row)
    }

    /// The rank that is the `i`-th by (time it happened, ledger number).
    ///
    /// # Errors
    ///
    /// [`Damaged`]; also when there are not so many.
    pub fn all_time_rank(&self, i: u64) -> Result<u64, Damaged> {
        self.all_time_moved(i, self.footer.order.all_times.get(&self.body, i)?)
    }

    pub(super) fn all_time_moved(&self, i: u64, difference: u64) -> Result<u64, Damaged> {
        let rank = moved(i, difference).filter(|rank| *rank < self.ranks());
        rank.ok_or_else(|| self.malformed("order of all times"))
    }

    /// The `i`-th row by (time it happened, ledger number), over all logs.
    ///
    /// # Errors
    ///
    /// [`Damaged`]; also when there are not so many.
    pub fn all_time_row(&self, i: u64) -> Result<u32, Damaged> {
        self.row_of_rank(self.all_time_rank(i)?)
    }

    /// When the first and the last row of a log happened.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn log_times(&self, log: &LogRows) -> Result<(i64, i64), Damaged> {
        let last = log.rows.end - log.rows.start - 1;
        Ok((self.happened(self.log_time_row(log, 0)?)?, self.happened(self.log_time_row(log, last)?)?))
    }

    /// When the first and the last row with a ledger number happened; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn all_times(&self) -> Result<Option<(i64, i64)>, Damaged> {
        let Some(last) = self.ranks().checked_sub(1) else { return Ok(None) };
        Ok(Some((self.happened(self.all_time_row(0)?)?, self.happened(self.all_time_row(last)?)?)))
    }

    /// Whether an event with this hash of its id may be in here. One in about a hundred that are not may be said to be.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn may_have_id(&self, id_hash: u64) -> Result<bool, Damaged> {
        self.footer.ids.may_contain(&self.body, id_hash)
    }

    /// What moves a damage to the record it kept from being read.
    pub(crate) fn of_row(&self, row: u32, damaged: Damaged) -> Damaged {
        let named = || {
            let log = self.log_of_row(row).ok()?;
            let position: Position = self.position_of(&log, row).ok()?;
            Some((self.log_name(log.index).ok()?.tenant, position))
        };
        match named() {
            Some((tenant, position)) if damaged.record.is_none() => damaged.of(&tenant, position),
            _ => damaged,
        }
    }
}
