//! Even and skewed numbers from a seed, with integers alone, so that every machine draws the same.

/// One in two to the 64th, in steps of SplitMix64 (Steele, Lea and Flood, 2014).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of numbers fixed by its seed.
#[derive(Clone, Debug)]
pub(super) struct Dice {
    state: u64,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: mix(seed ^ 0x6265_6e63_685f_3031) }
    }

    /// 64 even bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// A number below `bound`; 0 when that is 0.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        scale(upper(self.bits()), bound)
    }

    /// A number below `bound`, the small ones more often: the cube of an even number. Of 1,000 numbers the smallest comes once in
    /// ten times, the larger half once in five.
    pub(super) fn skewed(&mut self, bound: u32) -> u32 {
        let even = upper(self.bits());
        scale(scale(scale(even, even), even), bound)
    }

    pub(super) fn per_mille(&mut self, chance: u32) -> bool {
        self.below(1_000) < chance
    }

    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(length(choices.len())) as usize]
    }
}

/// Spreads a number over all 64 bits, one to one.
pub(super) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A number that follows from two.
pub(super) fn derive(a: u64, b: u64) -> u64 {
    mix(mix(a.wrapping_add(STEP)) ^ b.wrapping_mul(STEP))
}

/// The choice that a derived number makes.
pub(super) fn choice<T: Copy>(derived: u64, choices: &[T]) -> T {
    choices[scale(upper(derived), length(choices.len())) as usize]
}

/// Whether a derived number is among so many of a thousand.
pub(super) fn among(derived: u64, per_mille: u32) -> bool {
    scale(upper(mix(derived)), 1_000) < per_mille
}

fn upper(bits: u64) -> u32 {
    u32::try_from(bits >> 32).expect("32 bits are left")
}

/// A 32-bit fraction of a bound.
fn scale(fraction: u32, bound: u32) -> u32 {
    upper(u64::from(fraction) * u64::from(bound))
}

fn length(len: usize) -> u32 {
    u32::try_from(len).expect("tables of words are short")
}

/// Choices of which the first is most likely: the weight of the one of rank `k`, from 1, is 1 / (k − 0.15). The first of
/// 1,000 has 15 % of all, the first of 42 has 25 %.
#[derive(Debug)]
pub(super) struct Ranks {
    /// Sum of the weights up to and with each.
    sums: Vec<u64>,
}

impl Ranks {
    /// `count` is above 0.
    pub(super) fn new(count: u32) -> Self {
        let mut sum = 0;
        let weight = |rank: u64| (1 << 40) / (20 * rank - 3);
        let sums = (1..=u64::from(count)).map(|rank| {
            sum += weight(rank);
            sum
        });
        Self { sums: sums.collect() }
    }

    /// An index.
    pub(super) fn draw(&self, dice: &mut Dice) -> usize {
        let at = part(self.sums[self.sums.len() - 1], dice.bits());
        self.sums.partition_point(|sum| *sum <= at)
    }

    /// How many of `total` things fall to an index.
    pub(super) fn share(&self, index: usize, total: u64) -> u64 {
        let before = index.checked_sub(1).map_or(0, |before| self.sums[before]);
        let weight = u128::from(self.sums[index] - before) * u128::from(total);
        let share = weight / u128::from(self.sums[self.sums.len() - 1]);
        u64::try_from(share).expect("a part of a 64-bit number")
    }
}

/// A 64-bit fraction of a number.
pub(super) fn part(of: u64, fraction: u64) -> u64 {
    let product = u128::from(of) * u128::from(fraction);
    u64::try_from(product >> 64).expect("64 bits are left")
}
