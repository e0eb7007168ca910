//! Sets of ordinals, and the bits that say which rows have one of them.

/// Values of a column that pass a test. Never empty: a test that no value passes makes no leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Set {
    /// Every value.
    All,
    /// One value.
    One(u32),
    /// All values but this one.
    But(u32),
    /// A bit for each value.
    Bits { bits: Box<[u64]>, count: u64 },
}

impl Set {
    /// The set of these ordinals, rising, of `n`; none when it is empty.
    pub(super) fn of(ordinals: &[u32], n: u64) -> Option<Self> {
        match ordinals {
            [] => None,
            _ if ordinals.len() as u64 == n => Some(Self::All),
            [one] => Some(Self::One(*one)),
            _ => {
                let mut bits = vec![0_u64; usize::try_from(n.div_ceil(64)).unwrap_or(0)];
                for ordinal in ordinals {
                    if let Some(word) = bits.get_mut((ordinal >> 6) as usize) {
                        *word |= 1 << (ordinal & 63);
                    }
                }
                Some(Self::Bits { bits: bits.into(), count: ordinals.len() as u64 })
            }
        }
    }

    /// Memory it takes beside itself.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::All | Self::One(_) | Self::But(_) => 0,
            Self::Bits { bits, .. } => size_of_val(&**bits),
        }
    }

    /// Whether a value is in it.
    #[inline]
    pub(super) fn has(&self, ordinal: u32) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => ordinal == *one,
            Self::But(one) => ordinal != *one,
            Self::Bits { bits, .. } => {
                bits.get((ordinal >> 6) as usize).is_some_and(|word| word >> (ordinal & 63) & 1 == 1)
            }
        }
    }

    /// Bit i: the i-th of these ordinals, at most 128, is in it.
    pub(super) fn pick(&self, ordinals: &[u32]) -> u128 {
        match self {
            Self::All => first(ordinals.len()),
            Self::One(one) => pack(ordinals, |ordinal| ordinal == *one),
            Self::But(one) => pack(ordinals, |ordinal| ordinal != *one),
            Self::Bits { bits, .. } => pack(ordinals, |ordinal| {
                bits.get((ordinal >> 6) as usize).is_some_and(|word| word >> (ordinal & 63) & 1 == 1)
            }),
        }
    }

    /// How many values are in it, and which, when they are at most `max` and not simply all; rising.
    pub(super) fn listed(&self, max: u64) -> Option<Vec<u32>> {
        match self {
            Self::One(one) => Some(vec![*one]),
            Self::Bits { bits, count } if *count <= max => {
                let mut list = Vec::new();
                for (at, word) in (0_u32..).zip(bits.iter()) {
                    each_bit(*word, |bit| list.push(at * 64 + bit));
                }
                Some(list)
            }
            _ => None,
        }
    }
}

/// A number whose lowest `n` bits are set, at most 128.
pub(crate) fn first(n: usize) -> u128 {
    if n >= 128 { u128::MAX } else { (1 << n) - 1 }
}

/// Bit i: `holds` says yes to value i.
#[inline]
fn pack(ordinals: &[u32], holds: impl Fn(u32) -> bool) -> u128 {
    let mut out = 0;
    let (eights, rest) = ordinals.as_chunks::<8>();
    for (at, eight) in eights.iter().take(16).enumerate() {
        // A byte for each, and then the lowest bits of all of them side by side in the highest byte.
        let bytes = u64::from_le_bytes(eight.map(|ordinal| u8::from(holds(ordinal))));
        out |= u128::from(bytes.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * at);
    }
    for (at, ordinal) in rest.iter().enumerate() {
        out |= u128::from(holds(*ordinal)) << (ordinals.len() - rest.len() + at);
    }
    out
}

/// The lower and the upper half.
#[expect(clippy::cast_possible_truncation, reason = "a half is what is wanted")]
pub(crate) const fn halves(mask: u128) -> [u64; 2] {
    [mask as u64, (mask >> 64) as u64]
}

/// Calls `f` with the place of each set bit, rising.
#[inline]
pub(crate) fn each_bit(mut word: u64, mut f: impl FnMut(u32)) {
    while word != 0 {
        f(word.trailing_zeros());
        word &= word - 1;
    }
}

/// As [`each_bit`], of 128.
#[inline]
pub(crate) fn each_bit_128(mask: u128, mut f: impl FnMut(u32)) {
    let [low, high] = halves(mask);
    each_bit(low, &mut f);
    each_bit(high, |bit| f(64 + bit));
}

/// Puts bit i of `packed` where the i-th set bit of `mask` stands.
pub(super) fn expand(packed: u128, mask: u128) -> u128 {
    if packed == 0 || mask == u128::MAX {
        return packed;
    }
    let count = mask.count_ones();
    if packed == first(count as usize) {
        return mask;
    }
    let [low, high] = halves(mask);
    let below = low.count_ones();
    let [packed_low, _] = halves(packed);
    let [packed_high, _] = halves(packed.checked_shr(below).unwrap_or(0));
    u128::from(expand_half(packed_low, low)) | u128::from(expand_half(packed_high, high)) << 64
}

fn expand_half(mut packed: u64, mut mask: u64) -> u64 {
    let mut out = 0;
    while packed != 0 && mask != 0 {
        let lowest = mask & mask.wrapping_neg();
        out |= lowest & (packed & 1).wrapping_neg();
        packed >>= 1;
        mask ^= lowest;
    }
    out
}

/// The bits of `packed` that stand where `mask` has some, side by side: what [`expand`] undoes.
pub(crate) fn compress(packed: u128, mask: u128) -> u128 {
    // Mostly it has all of them, up to its last.
    let len = 128 - mask.leading_zeros();
    if packed == 0 || mask.count_ones() == len {
        return packed & mask;
    }
    let [low, high] = halves(mask);
    let [packed_low, packed_high] = halves(packed & mask);
    u128::from(compress_half(packed_low, low))
        | u128::from(compress_half(packed_high, high)) << low.count_ones()
}

fn compress_half(mut packed: u64, mask: u64) -> u64 {
    let (mut out, mut left, mut at) = (0, mask, 0);
    while packed != 0 {
        let run = (left >> left.trailing_zeros()).trailing_ones();
        // A run of bits of the mask moves as one.
        let from = left.trailing_zeros();
        let bits = u64::MAX >> (64 - run) << from;
        out |= (packed & bits) >> from << at;
        at += run;
        packed &= !bits;
        left &= !bits;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_pick_what_they_hold() {
        let ordinals: Vec<u32> = (0..128).map(|i| i * 7 % 40).collect();
        for set in [
            Set::of(&[3], 40).unwrap(),
            Set::of(&[0, 3, 39], 40).unwrap(),
            Set::But(7),
            Set::All,
            Set::of(&(0..40).collect::<Vec<_>>(), 40).unwrap(),
        ] {
            let picked = set.pick(&ordinals);
            for (i, ordinal) in ordinals.iter().enumerate() {
                assert_eq!(picked >> i & 1 == 1, set.has(*ordinal), "{set:?} {i}");
            }
            assert_eq!(set.pick(&ordinals[..70]), picked & first(70));
        }
        assert_eq!(Set::of(&[], 40), None);
        assert_eq!(Set::of(&[0, 3, 39], 40).unwrap().listed(3), Some(vec![0, 3, 39]));
        assert_eq!(Set::of(&[0, 3, 39], 40).unwrap().listed(2), None);
    }

    #[test]
    fn bits_are_put_where_the_mask_has_them() {
        let mut seed = 7_u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u128::from(seed >> 8) << 64 | u128::from(seed.rotate_left(31))
        };
        for _ in 0..500 {
            let mask = random() & random().rotate_left(40);
            let packed = random() & first(mask.count_ones() as usize);
            let (mut expected, mut next) = (0, 0);
            for bit in 0..128 {
                if mask >> bit & 1 == 1 {
                    expected |= (packed >> next & 1) << bit;
                    next += 1;
                }
            }
            assert_eq!(expand(packed, mask), expected);
            assert_eq!(compress(expected, mask), packed);
            assert_eq!(compress(expected | !mask, mask), packed, "bits beside the mask");
        }
        assert_eq!(compress(u128::MAX, u128::MAX << 3), first(125));
        assert_eq!(
            (compress(5, u128::MAX), compress(u128::MAX, first(70)), compress(1, 0)),
            (5, first(70), 0)
        );
        assert_eq!(expand(5, u128::MAX), 5);
        assert_eq!(expand(u128::MAX, u128::MAX << 3), u128::MAX << 3 & u128::MAX << 3);
    }
}
