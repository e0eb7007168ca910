//! Distinct byte strings, numbered as they are met.

use crate::hashes::hash;
use crate::values::Arena;

/// Numbers byte strings from 0 in the order in which each is met first.
///
/// A table of open addressing: the upper half of a place is the upper half of the hash, the lower half the ordinal plus one. So
/// what is met first mostly costs one look into memory, and what was met before is compared with its own bytes alone.
#[derive(Debug)]
pub(crate) struct Dictionary {
    seed: u64,
    places: Vec<u64>,
    hashes: Vec<u64>,
    values: Arena,
}

impl Dictionary {
    const PLACES_MIN: usize = 16;

    /// An empty one whose hashes are seeded so.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, places: vec![0; Self::PLACES_MIN], hashes: Vec::new(), values: Arena::default() }
    }

    /// The number of this byte string.
    ///
    /// # Panics
    ///
    /// At 2^32 - 1 distinct ones; a segment has fewer leaves.
    #[inline]
    pub(crate) fn number(&mut self, value: &[u8]) -> u32 {
        if (self.hashes.len() + 1) * 2 > self.places.len() {
            self.grow();
        }
        let hash = hash(self.seed, value);
        let mask = self.places.len() - 1;
        let mut at = start(hash) & mask;
        loop {
            let place = self.places[at];
            if place == 0 {
                let number = u32::try_from(self.hashes.len()).expect("fewer values than leaves");
                self.places[at] = packed(hash, number);
                self.hashes.push(hash);
                self.values.push(value);
                return number;
            }
            if place >> 32 == hash >> 32 {
                let number = ordinal(place);
                if self.values.get(number as usize) == value {
                    return number;
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// The number of this byte string if it was met.
    #[inline]
    pub(crate) fn find(&self, value: &[u8]) -> Option<u32> {
        let hash = hash(self.seed, value);
        let mask = self.places.len() - 1;
        let mut at = start(hash) & mask;
        loop {
            let place = self.places[at];
            if place == 0 {
                return None;
            }
            if place >> 32 == hash >> 32 && self.values.get(ordinal(place) as usize) == value {
                return Some(ordinal(place));
            }
            at = (at + 1) & mask;
        }
    }

    #[cold]
    fn grow(&mut self) {
        let places = self.places.len() * 4;
        let mask = places - 1;
        self.places.clear();
        self.places.resize(places, 0);
        for (number, hash) in self.hashes.iter().enumerate() {
            let mut at = start(*hash) & mask;
            while self.places[at] != 0 {
                at = (at + 1) & mask;
            }
            self.places[at] = packed(*hash, u32::try_from(number).expect("numbers are 32 bits"));
        }
    }

    /// How many distinct ones there are.
    pub(crate) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// The distinct byte strings by number.
    pub(crate) fn values(&self) -> &Arena {
        &self.values
    }

    /// Their hashes by number.
    pub(crate) fn hashes(&self) -> &[u64] {
        &self.hashes
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is where a value starts to look")]
fn start(hash: u64) -> usize {
    hash as u32 as usize
}

fn packed(hash: u64, number: u32) -> u64 {
    hash >> 32 << 32 | (u64::from(number) + 1)
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is the ordinal plus one, and not zero")]
fn ordinal(place: u64) -> u32 {
    place as u32 - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_string_has_one_number() {
        let mut dictionary = Dictionary::new(7);
        for round in 0..2 {
            for value in 0..5_000_u32 {
                let text = format!("value {value}");
                assert_eq!(dictionary.number(text.as_bytes()), value, "round {round}");
            }
        }
        assert_eq!(dictionary.number(b""), 5_000);
        assert_eq!((dictionary.len(), dictionary.values().get(17)), (5_001, &b"value 17"[..]));
        assert_eq!(dictionary.hashes()[17], hash(7, b"value 17"));
    }
}
