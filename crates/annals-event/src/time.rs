//! Instants: microseconds since 1970, written one way.

use std::fmt;

use jiff::SignedDuration;
use jiff::civil::{Date, date};

const SECOND: i64 = 1_000_000;
const EPOCH: Date = date(1970, 1, 1);

/// An instant in UTC: microseconds since 1970-01-01T00:00:00Z, in the years 0000 to 9999.
///
/// Written as `2026-11-21T10:00:59.123456Z`, always 27 bytes, so texts sort as the instants do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 0000-01-01T00:00:00.000000Z.
    pub const MIN: Self = Self(-62_167_219_200 * SECOND);
    /// 9999-12-31T23:59:59.999999Z.
    pub const MAX: Self = Self(253_402_300_800 * SECOND - 1);
    /// Length of the written form in bytes.
    pub const TEXT_BYTES: usize = 27;

    /// The instant so many microseconds after 1970; `None` outside the years 0000 to 9999.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Option<Self> {
        if micros < Self::MIN.0 || micros > Self::MAX.0 { None } else { Some(Self(micros)) }
    }

    /// The instant so many milliseconds after 1970; `None` outside the years 0000 to 9999.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Option<Self> {
        match millis.checked_mul(1000) {
            Some(micros) => Self::from_micros(micros),
            None => None,
        }
    }

    /// Microseconds since 1970, negative before.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since 1970, rounded towards the past: what an entry's leaf holds.
    #[must_use]
    pub const fn as_millis_floor(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Parses an RFC 3339 instant; see [`Timestamp::parse_noting`] for what is taken and refused.
    ///
    /// # Errors
    ///
    /// [`TimeError`].
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        Self::parse_noting(text).map(|parsed| parsed.at)
    }

    /// Parses an RFC 3339 instant and says what was lost.
    ///
    /// The offset is required: `Z` or `±hh:mm`, up to 23:59 (`-00:00`, "offset unknown", reads as UTC).
    /// `T` and `Z` may be lower case; a space instead of `T` is refused. Any number of fraction digits is
    /// taken, those beyond microseconds are cut, towards the past. Second 60 reads as the last
    /// microsecond of second 59, whatever its fraction.
    ///
    /// # Errors
    ///
    /// * [`TimeError::Form`]: not RFC 3339, or without an offset.
    /// * [`TimeError::Calendar`]: no such day or time of day.
    /// * [`TimeError::Range`]: in UTC, before the year 0000 or after 9999.
    pub fn parse_noting(text: &str) -> Result<ParsedTime, TimeError> {
        let bytes = text.as_bytes();
        let Some((fixed, rest)) = bytes.split_first_chunk::<19>() else { return Err(TimeError::Form) };
        if [fixed[4], fixed[7], fixed[13], fixed[16]] != *b"--::" || !matches!(fixed[10], b'T' | b't') {
            return Err(TimeError::Form);
        }
        let year = two(fixed, 0)? * 100 + two(fixed, 2)?;
        let (month, day) = (two(fixed, 5)?, two(fixed, 8)?);
        let (hour, minute, second) = (two(fixed, 11)?, two(fixed, 14)?, two(fixed, 17)?);
        let (fraction, cut, rest) = fraction(rest)?;
        let offset = offset_seconds(rest)?;
        if hour > 23 || minute > 59 || second > 60 {
            return Err(TimeError::Calendar);
        }
        let small = |n: i64| i8::try_from(n).map_err(|_| TimeError::Calendar);
        let year = i16::try_from(year).map_err(|_| TimeError::Calendar)?;
        let date = Date::new(year, small(month)?, small(day)?).map_err(|_| TimeError::Calendar)?;
        let leap_second = second == 60;
        let (second, fraction) = if leap_second { (59, SECOND - 1) } else { (second, fraction) };
        let seconds = date.duration_since(EPOCH).as_secs() + hour * 3600 + minute * 60 + second - offset;
        let at = Self::from_micros(seconds * SECOND + fraction).ok_or(TimeError::Range)?;
        Ok(ParsedTime { at, cut: cut && !leap_second, leap_second })
    }

    /// The written form, 27 bytes of ASCII.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::TEXT_BYTES] {
        let (days, micros) = (self.0.div_euclid(86_400 * SECOND), self.0.rem_euclid(86_400 * SECOND));
        let date = EPOCH
            .checked_add(SignedDuration::from_secs(days * 86_400))
            .expect("the years 0000 to 9999 are within the civil calendar");
        let mut out = *b"0000-00-00T00:00:00.000000Z";
        let seconds = micros / SECOND;
        put(&mut out[0..4], i64::from(date.year()));
        put(&mut out[5..7], i64::from(date.month()));
        put(&mut out[8..10], i64::from(date.day()));
        put(&mut out[11..13], seconds / 3600);
        put(&mut out[14..16], seconds / 60 % 60);
        put(&mut out[17..19], seconds % 60);
        put(&mut out[20..26], micros % SECOND);
        out
    }
}

/// What [`Timestamp::parse_noting`] read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsedTime {
    /// The instant.
    pub at: Timestamp,
    /// Digits beyond microseconds that were not zero were cut.
    pub cut: bool,
    /// The text named second 60.
    pub leap_second: bool,
}

/// Why a text is not an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeError {
    /// Not of the form `YYYY-MM-DDThh:mm:ss[.fraction](Z|±hh:mm)`.
    #[error("is not an RFC 3339 time with an offset, such as `2026-11-21T10:00:59.123456Z`")]
    Form,
    /// The form is right, but there is no such day or time of day.
    #[error("names a day or time of day that does not exist")]
    Calendar,
    /// Outside the years 0000 to 9999 in UTC.
    #[error("is outside the years 0000 to 9999 in UTC")]
    Range,
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.to_bytes();
        f.write_str(str::from_utf8(&bytes).expect("digits and punctuation are ASCII"))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({self})")
    }
}

impl std::str::FromStr for Timestamp {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        Self::parse(text)
    }
}

/// Two digits at `at`.
fn two(bytes: &[u8], at: usize) -> Result<i64, TimeError> {
    match bytes.get(at..at + 2) {
        Some([tens @ b'0'..=b'9', ones @ b'0'..=b'9']) => {
            Ok(i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
        }
        _ => Err(TimeError::Form),
    }
}

/// Reads `.digits` if it is there: microseconds, whether digits that count were cut, and what follows.
fn fraction(rest: &[u8]) -> Result<(i64, bool, &[u8]), TimeError> {
    let Some((b'.', digits)) = rest.split_first() else { return Ok((0, false, rest)) };
    let len = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if len == 0 {
        return Err(TimeError::Form);
    }
    let (digits, rest) = digits.split_at(len);
    let (kept, cut) = digits.split_at(len.min(6));
    let micros = (0..6).fold(0, |sum, i| sum * 10 + i64::from(kept.get(i).map_or(0, |digit| digit - b'0')));
    Ok((micros, cut.iter().any(|&digit| digit != b'0'), rest))
}

fn offset_seconds(rest: &[u8]) -> Result<i64, TimeError> {
    match rest {
        b"Z" | b"z" => Ok(0),
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (two(rest, 1)?, two(rest, 4)?);
            if hours > 23 || minutes > 59 {
                return Err(TimeError::Calendar);
            }
            let seconds = hours * 3600 + minutes * 60;
            Ok(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => Err(TimeError::Form),
    }
}

/// Writes `value` in decimal, filling `out` from the right.
fn put(out: &mut [u8], mut value: i64) {
    for slot in out.iter_mut().rev() {
        *slot = b'0' + u8::try_from(value % 10).expect("a digit of a number that is not negative");
        value /= 10;
    }
}

#[cfg(test)]
mod tests;
