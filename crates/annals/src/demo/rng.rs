//! The demo's own dice: SplitMix64 (Steele, Lea and Flood, 2014), good enough for invented people and quick.

/// A stream of numbers fixed by its seed.
#[derive(Clone, Debug)]
pub(super) struct Rng {
    state: u64,
}

impl Rng {
    /// Streams of different seeds have nothing to do with each other.
    pub(super) fn new(seed: u64) -> Rng {
        Rng { state: mix(seed ^ 0x616e_6e61_6c73_2e21) }
    }

    /// 64 even bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A number from 0 up to, not including, `bound`; 0 when `bound` is 0.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        let product = (self.bits() >> 32) * u64::from(bound);
        u32::try_from(product >> 32).expect("a product of two 32-bit numbers has 32 high bits")
    }

    /// An index into something of `len` members.
    pub(super) fn index(&mut self, len: usize) -> usize {
        self.below(u32::try_from(len).expect("the demo's tables are short")) as usize
    }

    /// One of `choices`, which is not empty.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    /// True `per_mille` times in a thousand.
    pub(super) fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1000) < per_mille
    }

    /// The index of one of `weights`, in proportion to its weight. Their sum is `total`, above 0.
    pub(super) fn weighted(&mut self, total: u32, weights: impl Iterator<Item = u32>) -> usize {
        let mut left = self.below(total);
        let mut last = 0;
        for (index, weight) in weights.enumerate() {
            if left < weight {
                return index;
            }
            left -= weight;
            last = index;
        }
        last
    }
}

/// Spreads `value` over all 64 bits; one to one.
pub(super) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
