//! Decoding a unit: one loop for each width, so that shifts and masks are constants.

use super::UNIT_LEN;

/// Numbers whose bits fill whole bytes at any width.
const EIGHT: usize = 8;
/// Largest width of which any number lies within 8 bytes that begin at its first byte.
const WORD_WIDTH_MAX: usize = 57;

/// `out[i] = start + i`.
pub(super) fn steps(start: u64, out: &mut [u64; UNIT_LEN]) {
    for (number, i) in out.iter_mut().zip(0..) {
        *number = start.wrapping_add(i);
    }
}

/// Calls a function of a constant width for a width that is a variable.
macro_rules! by_width {
    ($width:expr, $function:ident, $arguments:tt, $($constant:literal)*) => {
        match $width {
            $($constant => $function::<$constant> $arguments,)*
            _ => $function::<64> $arguments,
        }
    };
}

/// Decodes 128 numbers of `width` bits, at most 64. `data` has 16 bytes for each bit, and 8 more at least.
pub(super) fn u64s(data: &[u8], width: u8, base: u64, step: u64, out: &mut [u64; UNIT_LEN]) {
    by_width!(width, wide, (data, base, step, out),
        0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32
        33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63);
}

/// As [`u64s`], for widths up to 32 and sums that are less than 2^32.
pub(crate) fn u32s(data: &[u8], width: u8, base: u32, step: bool, out: &mut [u32; UNIT_LEN]) {
    by_width!(width.min(32), narrow, (data, base, step, out),
        0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
}

fn wide<const WIDTH: usize>(data: &[u8], base: u64, step: u64, out: &mut [u64; UNIT_LEN]) {
    for (i, eight) in out.as_chunks_mut::<EIGHT>().0.iter_mut().enumerate() {
        let packed = &data[i * WIDTH..][..WIDTH + EIGHT];
        for (k, number) in eight.iter_mut().enumerate() {
            *number = base.wrapping_add(bits::<WIDTH>(packed, k));
        }
    }
    if step != 0 {
        for (number, i) in out.iter_mut().zip(0..) {
            *number = number.wrapping_add(i);
        }
    }
}

fn narrow<const WIDTH: usize>(data: &[u8], base: u32, step: bool, out: &mut [u32; UNIT_LEN]) {
    for (i, eight) in out.as_chunks_mut::<EIGHT>().0.iter_mut().enumerate() {
        let packed = &data[i * WIDTH..][..WIDTH + EIGHT];
        for (k, number) in eight.iter_mut().enumerate() {
            *number = base.wrapping_add(low(bits::<WIDTH>(packed, k)));
        }
    }
    if step {
        for (number, i) in out.iter_mut().zip(0..) {
            *number = number.wrapping_add(i);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "callers have at most 32 bits")]
#[inline(always)]
fn low(number: u64) -> u32 {
    number as u32
}

/// Number `k` of eight.
#[inline(always)]
fn bits<const WIDTH: usize>(packed: &[u8], k: usize) -> u64 {
    if WIDTH == 0 {
        return 0;
    }
    let mask = u64::MAX >> (64 - WIDTH);
    let (byte, shift) = (k * WIDTH / 8, k * WIDTH % 8);
    let word = u64::from_le_bytes(*packed[byte..].first_chunk().expect("8 bytes follow the last number"));
    if WIDTH <= WORD_WIDTH_MAX || shift == 0 {
        return (word >> shift) & mask;
    }
    let rest = u64::from(packed[(byte + 8).min(packed.len() - 1)]);
    ((word >> shift) | (rest << (64 - shift))) & mask
}
