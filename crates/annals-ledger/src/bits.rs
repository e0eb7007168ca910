//! Small sets of small numbers: which segments a log appears in. Nearly all of them fit one word.

/// A set of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bits {
    /// Numbers below 64.
    low: u64,
    /// The rest, 64 to a word.
    high: Box<[u64]>,
}

impl Bits {
    pub(crate) fn insert(&mut self, number: u16) {
        let (word, bit) = place(number);
        if word == 0 {
            self.low |= bit;
            return;
        }
        if self.high.len() < word {
            let mut grown = std::mem::take(&mut self.high).into_vec();
            grown.resize(word, 0);
            self.high = grown.into();
        }
        self.high[word - 1] |= bit;
    }

    pub(crate) fn remove(&mut self, number: u16) {
        let (word, bit) = place(number);
        if word == 0 {
            self.low &= !bit;
        } else if let Some(high) = self.high.get_mut(word - 1) {
            *high &= !bit;
        }
        if self.high.iter().all(|word| *word == 0) {
            self.high = Box::default();
        }
    }

    pub(crate) fn contains(&self, number: u16) -> bool {
        let (word, bit) = place(number);
        let word = if word == 0 { self.low } else { self.high.get(word - 1).copied().unwrap_or(0) };
        word & bit != 0
    }
}

fn place(number: u16) -> (usize, u64) {
    (usize::from(number / 64), 1 << (number % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_holds_what_was_put_in_and_not_taken_out() {
        let (mut bits, mut set) = (Bits::default(), BTreeSet::new());
        let mut seed = 7_u32;
        for _ in 0..2000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = u16::try_from((seed >> 8) % 300).unwrap();
            if seed >> 31 == 0 {
                bits.insert(number);
                set.insert(number);
            } else {
                bits.remove(number);
                set.remove(&number);
            }
            assert!((0..400).all(|number| bits.contains(number) == set.contains(&number)));
        }
    }
}
