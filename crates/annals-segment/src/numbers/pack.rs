//! Writing packed numbers.

use std::io;

use super::{GROUP, OFFSET_UNIT, STEP, UNIT_LEN};
use crate::body::Writer;

/// How a unit is packed best.
#[derive(Clone, Copy)]
struct Choice {
    base: u64,
    step: u64,
    width: u8,
}

/// Writes headers and data; says where they begin and how many bytes a base has.
pub(super) fn write<T: Copy + Into<u64>, W: io::Write>(
    values: &[T],
    out: &mut Writer<W>,
) -> io::Result<(u64, u8)> {
    let mut buffer = [0; UNIT_LEN];
    let choices: Vec<Choice> = values.chunks(UNIT_LEN).map(|unit| choose(wide(unit, &mut buffer))).collect();
    let base_max = choices.iter().map(|choice| choice.base).max().unwrap_or_default();
    let base_bytes = bits(base_max).div_ceil(8);
    let at = out.at();

    let too_many = |_| io::Error::other("too many numbers in a segment");
    let mut header = Vec::new();
    let mut offset = 0_u64;
    for group in choices.chunks(usize::try_from(GROUP).expect("64")) {
        header.clear();
        header.extend_from_slice(&u32::try_from(offset).map_err(too_many)?.to_le_bytes());
        header.extend(group.iter().map(|unit| if unit.step == 1 { unit.width | STEP } else { unit.width }));
        for unit in group {
            header.extend_from_slice(&unit.base.to_le_bytes()[..usize::from(base_bytes)]);
            offset += u64::from(unit.width);
        }
        out.put(&header)?;
    }

    let mut data = Vec::with_capacity(UNIT_LEN * 8);
    for (unit, values) in choices.iter().zip(values.chunks(UNIT_LEN)) {
        data.clear();
        pack(wide(values, &mut buffer), *unit, &mut data);
        debug_assert!(values.len() < UNIT_LEN || data.len() as u64 == u64::from(unit.width) * OFFSET_UNIT);
        out.put(&data)?;
    }
    Ok((at, base_bytes))
}

/// The numbers of a unit as they are packed.
fn wide<'b, T: Copy + Into<u64>>(unit: &[T], buffer: &'b mut [u64; UNIT_LEN]) -> &'b [u64] {
    buffer.iter_mut().zip(unit).for_each(|(wide, value)| *wide = (*value).into());
    &buffer[..unit.len()]
}

fn choose(values: &[u64]) -> Choice {
    let level = fit(values.iter().copied(), 0);
    // With a step, what is packed is the difference to a rising line; it must not be negative anywhere.
    if values.iter().zip(0..).all(|(value, i)| *value >= i) {
        let rising = fit(values.iter().zip(0..).map(|(value, i)| value - i), 1);
        if rising.width < level.width {
            return rising;
        }
    }
    level
}

fn fit(values: impl Iterator<Item = u64>, step: u64) -> Choice {
    let (low, high) = values.fold((u64::MAX, 0), |(low, high), value| (low.min(value), high.max(value)));
    Choice { base: low, step, width: bits(high - low) }
}

fn bits(value: u64) -> u8 {
    u8::try_from(u64::BITS - value.leading_zeros()).expect("at most 64")
}

/// Appends the bits of a unit, the last byte filled up with zeros.
pub(crate) fn bits_of(values: impl Iterator<Item = u64>, width: u8, into: &mut Vec<u8>) {
    let (mut word, mut have) = (0_u128, 0_u32);
    for value in values {
        word |= u128::from(value) << have;
        have += u32::from(width);
        while have >= 8 {
            into.push(word.to_le_bytes()[0]);
            word >>= 8;
            have -= 8;
        }
    }
    if have > 0 {
        into.push(word.to_le_bytes()[0]);
    }
}

fn pack(values: &[u64], unit: Choice, into: &mut Vec<u8>) {
    bits_of(values.iter().zip(0..).map(|(value, i)| value - i * unit.step - unit.base), unit.width, into);
}
