//! Which records of a tail have which marks: a sketch, by which a question passes over most records at once.
//!
//! A mark is a number for a value or word of an event (`annals_event::filter::Marker`). It stands for [`PLACES`] of [`BUCKETS`]
//! buckets; each bucket has a bit for each record. A record has a mark only if it is in all buckets of the mark, so what is found
//! here may be too much, by one in a hundred where a record has 100 marks, but never too little. Exact marks have a bucket each.
//!
//! Records come in the order of their ledger numbers, in blocks of [`BLOCK`]: a block is small enough for a processor's nearest cache
//! while it is filled, and a question for one mark reads [`PLACES`] lines of it. The buckets of a mark are others in each block, as
//! one that shares buckets with what every record has would be found everywhere.

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

/// The records of one bucket.
type Bucket = [u64; WORDS];

/// See the module.
#[derive(Default)]
pub(crate) struct Marks {
    blocks: Vec<Box<[Bucket]>>,
    records: usize,
    marker: Marker,
}

impl Marks {
    /// Adds the next record.
    pub(crate) fn push(&mut self, canonical: &[u8], operation: Operation) {
        let (index, place) = (self.records / BLOCK, self.records % BLOCK);
        if index == self.blocks.len() {
            self.blocks.push(vec![[0; WORDS]; BUCKETS].into_boxed_slice());
        }
        self.records += 1;
        let block = &mut self.blocks[index];
        let (word, bit) = (place / 64, 1 << (place % 64));
        let mut put = |mark: u64| {
            for bucket in buckets(mark, index) {
                block[bucket][word] |= bit;
            }
        };
        put(operation_mark(operation));
        if !self.marker.each(canonical, &mut put) {
            block.iter_mut().for_each(|bucket| bucket[word] |= bit);
        }
    }

    /// A bit for each record, set where it may have what is demanded.
    pub(crate) fn among(&self, demand: &Demand) -> Vec<u64> {
        let mut found = Vec::with_capacity(self.blocks.len() * WORDS);
        for (index, block) in self.blocks.iter().enumerate() {
            found.extend(demand.among(&|mark| {
                buckets(mark, index)
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
fn buckets(mark: u64, block: usize) -> [usize; PLACES] {
    const BITS: u32 = 20;
    const EXACT: usize = 16;
    const _: () = assert!(EXACT as u64 == EXACT_MARKS && BITS as usize * PLACES <= 64);
    if let Ok(bucket @ 0..EXACT) = usize::try_from(mark) {
        return [bucket; PLACES];
    }
    let mixed = (mark ^ block as u64).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let mut mixed = mixed ^ mixed >> 32;
    std::array::from_fn(|_| {
        let part = mixed & ((1 << BITS) - 1);
        mixed >>= BITS;
        EXACT
            + usize::try_from(part * (BUCKETS - EXACT) as u64 >> BITS)
                .expect("it is below the number of buckets")
    })
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
            marks.push(event.as_bytes(), operation);
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
