//! The order of all records of all tenants in a tail: ledger numbers, from a first one on, without a hole.

use annals_event::{LedgerSeq, Timestamp};

/// Where a record with a ledger number is in its tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) log: u32,
    /// Index among the rows of the log's stretch.
    pub(crate) row: u32,
    /// When it happened.
    pub(crate) happened_at: Timestamp,
}

/// Ledger number to record, from a first number on.
pub(crate) struct Order {
    spots: Vec<Spot>,
    first: u64,
}

impl Order {
    /// An order whose first record gets this number.
    pub(crate) fn new(first: u64) -> Self {
        Self { spots: Vec::new(), first }
    }

    /// Numbers one record and gives its number.
    pub(crate) fn push(&mut self, spot: Spot) -> LedgerSeq {
        let seq = self.next();
        self.spots.push(spot);
        LedgerSeq(seq)
    }

    /// The first number.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The number that the next record gets.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.spots.len() as u64
    }

    /// The record with this number.
    pub(crate) fn at(&self, seq: u64) -> Option<Spot> {
        self.spots.get(usize::try_from(seq.checked_sub(self.first)?).ok()?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_one_another_from_the_first() {
        const FIRST: u64 = 77;
        let spot = |row| Spot { log: row % 3, row, happened_at: Timestamp::from_micros(5).unwrap() };
        let mut order = Order::new(FIRST);
        for row in 0..100 {
            assert_eq!(order.push(spot(row)), LedgerSeq(FIRST + u64::from(row)));
        }
        assert_eq!((order.first(), order.next()), (FIRST, FIRST + 100));
        assert_eq!(order.at(FIRST - 1), None);
        assert_eq!(order.at(FIRST + 42), Some(spot(42)));
        assert_eq!(order.at(FIRST + 100), None);
    }
}
