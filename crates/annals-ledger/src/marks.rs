//! Which records of a tail have which marks: a sketch, by which a question passes over most records at once.
//!
//! A mark is a number for a value or word of an event (`annals_event::filter::Marker`). It stands for [`PLACES`] of [`BUCKETS`]
//! buckets; each bucket has a bit for each record. A record has a mark only if it is in all buckets of the mark, so what is found
//! here may be too much, by one in a hundred where a record has 100 marks, but never too little. Exact marks have a bucket each.
//!
//! Records come in the order of their ledger numbers, in blocks of [`BLOCK`]: a block is small enough for a processor's nearest cache
//! while it is filled, and a question for one mark reads [`PLACES`] lines of it. The buckets of a mark are others in each block, as
//! one that shares buckets with what every record has would be found everywhere.
//!
//! Finding the marks of an event takes longer than noting them, so whoever accepts events does it, and hands them on beside the
//! batch ([`Marked`]). They are not written anywhere: whoever reads a batch from the journal finds them anew.

use annals_event::Operation;
use annals_event::filter::{Demand, EXACT_MARKS, Marker, operation_mark};

/// Records of a block.
const BLOCK: usize = 128;

/// Words of a bucket.
const WORDS: usize = BLOCK / 64;

/// Buckets of a block. A record takes an eighth as many bytes.
const BUCKETS: usize = 1024;

/// Buckets of a mark.
const PLACES: usize = 3;

/// Stands in the place of all marks, where not all that an event has could be made.
const ALL: u32 = 16;

/// The marks of some events, in their order.
#[derive(Default)]
pub(crate) struct Marked {
    marks: Vec<u32>,
    /// Where those of each event end.
    ends: Vec<usize>,
}

impl Marked {
    /// Adds those of the next event.
    pub(crate) fn push(&mut self, marker: &mut Marker, canonical: &[u8], operation: Operation) {
        let start = self.marks.len();
        self.marks.push(short(operation_mark(operation)));
        if !marker.each(canonical, &mut |mark| self.marks.push(short(mark))) {
            self.marks.truncate(start);
            self.marks.push(ALL);
        }
        self.ends.push(self.marks.len());
    }

    /// Those of one event.
    pub(crate) fn of(&self, index: usize) -> &[u32] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.marks[start..self.ends[index]]
    }

    fn clear(&mut self) {
        self.marks.clear();
        self.ends.clear();
    }

    /// Events.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.marks) + size_of_val(&*self.ends)
    }
}

/// A mark in half the room. Two more in four billion are the same then.
fn short(mark: u64) -> u32 {
    match u32::try_from(mark) {
        Ok(exact) if mark < EXACT_MARKS => exact,
        _ => u32::try_from((mark ^ mark >> 32) & u64::from(u32::MAX)).unwrap_or(ALL).max(ALL + 1),
    }
}

/// The records of one bucket.
type Bucket = [u64; WORDS];

/// See the module.
#[derive(Default)]
pub(crate) struct Marks {
    blocks: Vec<Box<[Bucket]>>,
    records: usize,
    marker: Marker,
    made: Marked,
}

impl Marks {
    /// Adds the next record, of which these are the marks.
    pub(crate) fn push(&mut self, marks: &[u32]) {
        let (index, place) = (self.records / BLOCK, self.records % BLOCK);
        if index == self.blocks.len() {
            self.blocks.push(vec![[0; WORDS]; BUCKETS].into_boxed_slice());
        }
        self.records += 1;
        let block: &mut [Bucket; BUCKETS] =
            self.blocks[index].as_mut().try_into().expect("a block has so many buckets");
        let (word, bit) = (place / 64, 1 << (place % 64));
        for mark in marks {
            if *mark == ALL {
                block.iter_mut().for_each(|bucket| bucket[word] |= bit);
                continue;
            }
            for bucket in buckets(*mark, index) {
                block[bucket][word] |= bit;
            }
        }
    }

    /// Adds the next record, whose marks nobody has made.
    pub(crate) fn push_unmarked(&mut self, canonical: &[u8], operation: Operation) {
        let mut made = std::mem::take(&mut self.made);
        made.clear();
        made.push(&mut self.marker, canonical, operation);
        self.push(made.of(0));
        self.made = made;
    }

    /// A bit for each record, set where it may have what is demanded.
    pub(crate) fn among(&self, demand: &Demand) -> Vec<u64> {
        let mut found = Vec::with_capacity(self.blocks.len() * WORDS);
        for (index, block) in self.blocks.iter().enumerate() {
            found.extend(demand.among(&|mark| {
                buckets(short(mark), index)
                    .into_iter()
                    .map(|bucket| block[bucket])
                    .fold([u64::MAX; WORDS], |all, bucket| {
                        std::array::from_fn(|word| all[word] & bucket[word])
                    })
            }));
        }
        // Behind the last record there is none.
        found.truncate(self.records.div_ceil(64));
        if let (Some(last), 1..) = (found.last_mut(), self.records % 64) {
            *last &= (1 << (self.records % 64)) - 1;
        }
        found
    }
}

/// The buckets of a mark in a block; more than one may be the same.
#[inline]
fn buckets(mark: u32, block: usize) -> [usize; PLACES] {
    const BITS: u32 = 20;
    const EXACT: usize = 16;
    const _: () = assert!(EXACT as u64 == EXACT_MARKS && ALL as u64 == EXACT_MARKS);
    const _: () = assert!(BITS as usize * PLACES <= 64);
    let mixed = (u64::from(mark) ^ block as u64).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let mut mixed = mixed ^ mixed >> 32;
    let several = std::array::from_fn(|_| {
        let part = mixed & ((1 << BITS) - 1);
        mixed >>= BITS;
        EXACT
            + usize::try_from((part * (BUCKETS - EXACT) as u64) >> BITS)
                .expect("it is below the number of buckets")
    });
    match usize::try_from(mark) {
        Ok(bucket @ 0..EXACT) => [bucket; PLACES],
        _ => several,
    }
}

#[cfg(test)]
mod tests {
    use annals_event::filter::parse;

    use super::*;

    #[test]
    fn records_with_a_mark_are_found_and_few_others() {
        const RECORDS: usize = 3 * BLOCK + 70;
        let mut marks = Marks::default();
        for record in 0..RECORDS {
            let others: Vec<String> = (0..25).map(|n| format!("\"v{n} {record}x{n}\"")).collect();
            let event = format!(r#"{{"action":"id-{record}","metadata":[{}]}}"#, others.join(","));
            let operation = if record % 7 == 0 { Operation::Delete } else { Operation::Read };
            marks.push_unmarked(event.as_bytes(), operation);
        }
        let found = |filter: &str| {
            let found = marks.among(&Demand::of(&parse(filter).unwrap()));
            assert_eq!(found.len(), RECORDS.div_ceil(64));
            (0..RECORDS).filter(|at| found[at / 64] >> (at % 64) & 1 == 1).collect::<Vec<_>>()
        };
        let mut others = 0;
        for record in 0..RECORDS {
            let found = found(&format!(r#"action eq "id-{record}""#));
            assert!(found.contains(&record), "{record}");
            others += found.len() - 1;
        }
        assert!(others < RECORDS * RECORDS / 20, "{others}");
        let deletions = found(r#"operation eq "delete""#);
        assert!((0..RECORDS).step_by(7).all(|record| deletions.contains(&record)));
        assert!(deletions.len() < RECORDS / 7 + RECORDS / 20);
        assert_eq!(found("metadata pr").len(), RECORDS);
        assert!(Marks::default().among(&Demand::Nothing).is_empty());
    }
}
