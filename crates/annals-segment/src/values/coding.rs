//! Kinds of values that have a coding of their own: which fits, and there and back. What is parsed here is given back byte for
//! byte, or it does not parse.

use super::Arena;

/// Fewest digits of the kind `hex`.
pub(super) const HEX_DIGITS_MIN: u32 = 8;
/// Bytes of a UUID behind its first six.
pub(super) const UUID_LOW_BYTES: u64 = 10;

const UUID_TEXT_BYTES: usize = 36;
/// Where the hyphens of a UUID are.
const UUID_HYPHENS: [usize; 4] = [8, 13, 18, 23];
/// Where the digits of each of its bytes begin.
const UUID_PAIRS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
const TIME_TEXT_BYTES: usize = 27;
const DAY_MICROS: i64 = 86_400_000_000;
/// Numbers of days are counted from 1 March of year 0 here, so that a leap day is the last of its year.
const DAYS_TO_1970: i64 = 719_468;
/// Days of 400 years.
const DAYS_400_YEARS: i64 = 146_097;

/// What all values of a column are.
pub(super) enum Shape {
    Text,
    Hex { prefix: String, digits: u32 },
    Uuid,
    Ints,
    Times,
}

/// The first shape that fits all values.
pub(super) fn shape(values: &Arena) -> Shape {
    if values.is_empty() {
        return Shape::Text;
    }
    if values.iter().all(|value| uuid(value).is_some()) {
        return Shape::Uuid;
    }
    if values.iter().all(|value| int(value).is_some()) {
        return Shape::Ints;
    }
    if values.iter().all(|value| time(value).is_some()) {
        return Shape::Times;
    }
    hex_shape(values).unwrap_or(Shape::Text)
}

fn hex_shape(values: &Arena) -> Option<Shape> {
    let first = values.get(0);
    let mut prefix = first.len();
    for value in values.iter() {
        if value.len() != first.len() {
            return None;
        }
        prefix = first[..prefix].iter().zip(value).take_while(|(a, b)| a == b).count();
    }
    // An odd number of digits becomes even with the last one they all share.
    if (first.len() - prefix) % 2 == 1 {
        prefix = prefix.checked_sub(1)?;
    }
    let digits = u32::try_from(first.len() - prefix).ok().filter(|digits| *digits >= HEX_DIGITS_MIN)?;
    let mut bytes = Vec::new();
    for value in values.iter() {
        bytes.clear();
        hex(&value[prefix..], &mut bytes)?;
    }
    let prefix = std::str::from_utf8(&first[..prefix]).ok()?.to_owned();
    Some(Shape::Hex { prefix, digits })
}

/// Appends the bytes of lower-case hexadecimal digits. What it appended when there are others is of no use.
pub(super) fn hex(digits: &[u8], into: &mut Vec<u8>) -> Option<()> {
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let mut all = 0;
    into.extend(pairs.iter().map(|[high, low]| {
        let (high, low) = (DIGITS[usize::from(*high)], DIGITS[usize::from(*low)]);
        all |= high | low;
        high << 4 | low
    }));
    (all < NO_DIGIT).then_some(())
}

/// What stands in [`DIGITS`] for no digit: a bit that no digit has.
const NO_DIGIT: u8 = 0x80;

/// What each byte is as a digit.
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

/// The two digits of each byte.
const PAIRS: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
};

pub(super) fn put_hex(bytes: &[u8], into: &mut Vec<u8>) {
    let start = into.len();
    into.resize(start + 2 * bytes.len(), 0);
    for (pair, byte) in into[start..].as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = PAIRS[usize::from(*byte)];
    }
}

/// The first 48 bits and the rest.
pub(super) fn uuid(value: &[u8]) -> Option<(u64, [u8; 10])> {
    let value = value.as_array::<UUID_TEXT_BYTES>()?;
    if UUID_HYPHENS.iter().any(|at| value[*at] != b'-') {
        return None;
    }
    let (mut bytes, mut all) = ([0; 16], 0);
    for (byte, at) in bytes.iter_mut().zip(UUID_PAIRS) {
        let (high, low) = (DIGITS[usize::from(value[at])], DIGITS[usize::from(value[at + 1])]);
        all |= high | low;
        *byte = high << 4 | low;
    }
    if all >= NO_DIGIT {
        return None;
    }
    let mut high = [0; 8];
    high[2..].copy_from_slice(&bytes[..6]);
    Some((u64::from_be_bytes(high), *bytes.last_chunk().expect("16 bytes")))
}

pub(super) fn put_uuid(high: u64, low: &[u8], into: &mut Vec<u8>) -> Option<()> {
    let low = low.first_chunk::<10>()?;
    if high >> 48 != 0 {
        return None;
    }
    let high = high.to_be_bytes();
    for (i, part) in [&high[2..6], &high[6..8], &low[..2], &low[2..4], &low[4..]].into_iter().enumerate() {
        if i > 0 {
            into.push(b'-');
        }
        put_hex(part, into);
    }
    Some(())
}

/// A decimal integer as it would be written.
pub(super) fn int(value: &[u8]) -> Option<u64> {
    if value.len() > 19 || (value.len() > 1 && value[0] == b'0') || value.is_empty() {
        return None;
    }
    let number = value.iter().try_fold(0_u64, |number, byte| {
        // 19 digits are less than 2^64.
        byte.is_ascii_digit().then(|| number * 10 + u64::from(byte - b'0'))
    })?;
    i64::try_from(number).is_ok().then_some(number)
}

pub(super) fn put_int(mut number: u64, into: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut from = digits.len();
    loop {
        from -= 1;
        digits[from] = b'0' + u8::try_from(number % 10).expect("a digit");
        number /= 10;
        if number == 0 {
            break;
        }
    }
    into.extend_from_slice(&digits[from..]);
}

/// µs since 1970 plus 2^63 of a time as it would be written.
pub(super) fn time(value: &[u8]) -> Option<u64> {
    if value.len() != TIME_TEXT_BYTES {
        return None;
    }
    let part = |from: usize, to: usize| {
        value[from..to].iter().try_fold(0_i64, |number, byte| {
            byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0'))
        })
    };
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let (hour, minute, second, micro) = (part(11, 13)?, part(14, 16)?, part(17, 19)?, part(20, 26)?);
    let micros =
        days(year, month, day) * DAY_MICROS + ((hour * 60 + minute) * 60 + second) * 1_000_000 + micro;
    let number = micros.cast_unsigned() ^ (1 << 63);
    // Punctuation, days that no month has and the like: what is not written back as it was is not a time.
    let mut back = Vec::with_capacity(TIME_TEXT_BYTES);
    put_time(number, &mut back)?;
    (back == value).then_some(number)
}

/// Nothing when it is not in years 0 to 9999.
pub(super) fn put_time(number: u64, into: &mut Vec<u8>) -> Option<()> {
    let micros = (number ^ (1 << 63)).cast_signed();
    let (year, month, day) = date(micros.div_euclid(DAY_MICROS));
    if !(0..=9999).contains(&year) {
        return None;
    }
    let of_day = micros.rem_euclid(DAY_MICROS);
    let (second, micro) = (of_day / 1_000_000, of_day % 1_000_000);
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    for (number, end, digits) in [
        (year, 4, 4),
        (month, 7, 2),
        (day, 10, 2),
        (second / 3600, 13, 2),
        (second / 60 % 60, 16, 2),
        (second % 60, 19, 2),
        (micro, 26, 6),
    ] {
        let mut left = number;
        for byte in text[end - digits..end].iter_mut().rev() {
            *byte = b'0' + u8::try_from(left % 10).expect("a digit");
            left /= 10;
        }
    }
    into.extend_from_slice(&text);
    Some(())
}

/// Days since 1970 of a date of the Gregorian calendar, which is taken to have been there always.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March: a month's first day is then the same in every year.
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let (of_400, in_400) = (year.div_euclid(400), year.rem_euclid(400));
    let in_year = (153 * month + 2) / 5 + day - 1;
    of_400 * DAYS_400_YEARS + in_400 * 365 + in_400 / 4 - in_400 / 100 + in_year - DAYS_TO_1970
}

/// The date of a number of days since 1970.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_TO_1970;
    let (of_400, in_400) = (days.div_euclid(DAYS_400_YEARS), days.rem_euclid(DAYS_400_YEARS));
    let year = (in_400 - in_400 / 1_460 + in_400 / 36_524 - in_400 / 146_096) / 365;
    let in_year = in_400 - (365 * year + year / 4 - year / 100);
    let month = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (of_400 * 400 + year + i64::from(month <= 2), month, day)
}
