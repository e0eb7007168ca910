//! The order of all records of all tenants: ledger numbers, from 0, without a hole.
//!
//! One run stands for neighbouring ledger numbers that are neighbouring positions of one log, so a batch of one tenant
//! costs 24 bytes however many records it holds.

use annals_event::{LedgerSeq, Position};

use crate::ids::Found;

struct Run {
    seq: u64,
    log: u32,
    position: u64,
}

/// Every so many ledger numbers the run is noted that holds them.
const NOTED: u64 = 64;

/// Ledger number to record, from a first number on.
pub(crate) struct Order {
    runs: Vec<Run>,
    /// Runs that hold the first number, [`NOTED`] more, 2 × [`NOTED`] more, …
    noted: Vec<u32>,
    first: u64,
    next: u64,
}

impl Order {
    /// An order whose first record gets this number.
    pub(crate) fn new(first: u64) -> Self {
        Self { runs: Vec::new(), noted: Vec::new(), first, next: first }
    }

    /// Numbers one record and gives its number.
    pub(crate) fn push(&mut self, record: Found) -> LedgerSeq {
        let seq = self.next;
        let continues = self
            .runs
            .last()
            .is_some_and(|run| run.log == record.log && run.position + (seq - run.seq) == record.position.0);
        if !continues {
            self.runs.push(Run { seq, log: record.log, position: record.position.0 });
        }
        if (seq - self.first).is_multiple_of(NOTED) {
            self.noted.push(u32::try_from(self.runs.len() - 1).expect("runs in memory are far below 2^32"));
        }
        self.next += 1;
        LedgerSeq(seq)
    }

    /// The first number.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The number that the next record gets.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The record with this number.
    pub(crate) fn at(&self, seq: u64) -> Option<Found> {
        if seq < self.first {
            return None;
        }
        self.from(seq).next().map(|(_, found)| found)
    }

    /// The run that holds a number, or would.
    fn run_of(&self, seq: u64) -> usize {
        let note = usize::try_from(seq.saturating_sub(self.first) / NOTED).unwrap_or(usize::MAX);
        let first = self.noted.get(note).map_or(self.runs.len(), |run| *run as usize);
        let end = self.noted.get(note.saturating_add(1)).map_or(self.runs.len(), |run| *run as usize + 1);
        first
            + self
                .runs
                .get(first..end)
                .unwrap_or_default()
                .partition_point(|run| run.seq <= seq)
                .saturating_sub(1)
    }

    /// The records from ledger number `from` on.
    pub(crate) fn from(&self, from: u64) -> impl Iterator<Item = (LedgerSeq, Found)> + '_ {
        let first = self.run_of(from);
        let runs = self.runs.get(first..).unwrap_or_default();
        let ends = runs.iter().skip(1).map(|run| run.seq).chain([self.next]);
        runs.iter().zip(ends).flat_map(move |(run, end)| {
            (run.seq.max(from)..end).map(|seq| {
                (LedgerSeq(seq), Found { log: run.log, position: Position(run.position + (seq - run.seq)) })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_give_back_every_record_from_any_number() {
        const FIRST: u64 = 77;
        let logs = [0, 0, 0, 1, 1, 0, 2, 0, 0, 1].repeat(40);
        let mut sizes = [0; 3];
        let mut order = Order::new(FIRST);
        let mut all = Vec::new();
        for log in logs {
            let found = Found { log, position: Position(sizes[log as usize]) };
            sizes[log as usize] += 1;
            all.push((order.push(found), found));
        }
        assert_eq!(order.runs.len(), 6 * 40);
        for from in 0..=all.len() + 1 {
            let expected = all.get(from..).unwrap_or_default();
            let seq = FIRST + from as u64;
            assert_eq!(order.at(seq), expected.first().map(|(_, found)| *found), "{from}");
            assert_eq!(order.from(seq).collect::<Vec<_>>(), expected, "from {from}");
        }
    }
}
