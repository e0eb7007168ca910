//! The distinct values of a column: byte strings that are asked for by ordinal, in the coding that fits all of them.
//!
//! | kind | values | bytes |
//! |---|---|---|
//! | `text` | any | see `values/text.rs` |
//! | `hex` | `prefix`, then `digits` lower-case hexadecimal digits, an even number of 8 and more | from `at`: `digits` / 2 bytes a value |
//! | `uuid` | lower-case, 8-4-4-4-12 | the first 6 bytes as a big-endian number in `high`; the other 10 from `low` |
//! | `ints` | decimal integers 0 to 2^63 - 1, without signs and leading zeros | `numbers` |
//! | `times` | `YYYY-MM-DDTHH:MM:SS.ffffffZ` | µs since 1970 plus 2^63 in `numbers` |
//! | `mixed` | of several of these kinds, each value of one | see `values/mixed.rs` |
//! | `happened` | each row's own time it happened; only the root's column `occurred_at` | none |

use std::io;
use std::ops::Range;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::Damaged;
use crate::body::{Body, Writer};
use crate::numbers::{Group, Numbers, UNIT, UNIT_LEN};

mod arena;
mod coding;
mod mixed;
mod near;
mod text;

pub use arena::Arena;
pub(crate) use near::{Near, PageOf};

use coding::{HEX_DIGITS_MIN, Shape, UUID_LOW_BYTES};

/// A plain stretch of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Its offset.
    pub at: u64,
    /// Its bytes.
    pub len: u64,
}

impl Region {
    /// Writes bytes as a region.
    ///
    /// # Errors
    ///
    /// What the writer says.
    pub fn write<W: io::Write>(bytes: &[u8], out: &mut Writer<W>) -> io::Result<Self> {
        Ok(Self { at: out.put(bytes)?, len: bytes.len() as u64 })
    }

    /// A part of it.
    ///
    /// # Errors
    ///
    /// When the bytes are damaged, or it ends before the range does.
    pub fn slice(&self, body: &Body, range: Range<u64>) -> Result<Bytes, Damaged> {
        let len = range.end.checked_sub(range.start).filter(|_| range.end <= self.len);
        let (Some(len), Some(at)) =
            (len.and_then(|len| usize::try_from(len).ok()), self.at.checked_add(range.start))
        else {
            let what = format!("bytes {} to {} asked for of {}", range.start, range.end, self.len);
            return Err(body.damaged(self.at, what));
        };
        body.read(at, len)
    }

    /// All of it.
    ///
    /// # Errors
    ///
    /// When the bytes are damaged.
    pub fn read(&self, body: &Body) -> Result<Bytes, Damaged> {
        self.slice(body, 0..self.len)
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Values {
    /// Any values.
    Text {
        /// How many.
        n: u64,
        /// Per page of 128 values: its offset from `at`; one more at the end.
        starts: Numbers,
        /// Where the pages are.
        at: u64,
        /// The table of symbols, when values are coded with one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        symbols: Option<Region>,
    },
    /// A prefix and the same number of hexadecimal digits.
    Hex {
        /// How many.
        n: u64,
        /// What all values begin with.
        prefix: String,
        /// How many digits follow.
        digits: u32,
        /// Where the bytes are.
        at: u64,
    },
    /// UUIDs.
    Uuid {
        /// The first 48 bits of each.
        high: Numbers,
        /// The other ten bytes of each.
        low: Region,
    },
    /// Integers.
    Ints {
        /// They.
        numbers: Numbers,
    },
    /// Times.
    Times {
        /// µs since 1970, plus 2^63.
        numbers: Numbers,
    },
    /// Values of several kinds.
    Mixed {
        /// Per value: which part it is in.
        class: Numbers,
        /// Per page of 128 values and part: how many of the part's values stand before.
        ranks: Numbers,
        /// The parts: `hex`, `uuid`, and last one of kind `text`.
        parts: Vec<Values>,
    },
    /// Times of the rows, which are stored elsewhere; whoever asks for one looks there.
    Happened {
        /// How many.
        n: u64,
    },
}

impl Values {
    /// Writes values in the coding that fits them.
    ///
    /// # Errors
    ///
    /// What the writer says.
    pub fn write<W: io::Write>(values: &Arena, out: &mut Writer<W>) -> io::Result<Self> {
        match coding::shape(values) {
            Shape::Uuid => Self::uuids(values, out),
            Shape::Ints => Ok(Self::Ints { numbers: Self::numbers(values, coding::int, out)? }),
            Shape::Times => Ok(Self::Times { numbers: Self::numbers(values, coding::time, out)? }),
            Shape::Hex { prefix, digits } => Self::hexes(values, prefix, digits, out),
            Shape::Text => match mixed::write(values, out)? {
                Some(mixed) => Ok(mixed),
                None => text::write(values, out),
            },
        }
    }

    /// Writes values that are all UUIDs.
    fn uuids<W: io::Write>(values: &Arena, out: &mut Writer<W>) -> io::Result<Self> {
        let (mut high, mut low) = (Vec::with_capacity(values.len()), Vec::new());
        for value in values.iter() {
            let (first, rest) = coding::uuid(value).expect("all values are of this shape");
            high.push(first);
            low.extend_from_slice(&rest);
        }
        Ok(Self::Uuid { high: Numbers::write(&high, out)?, low: Region::write(&low, out)? })
    }

    /// Writes values that are all this prefix and so many digits.
    fn hexes<W: io::Write>(
        values: &Arena,
        prefix: String,
        digits: u32,
        out: &mut Writer<W>,
    ) -> io::Result<Self> {
        let at = out.at();
        let mut bytes = Vec::new();
        for value in values.iter() {
            bytes.clear();
            coding::hex(&value[prefix.len()..], &mut bytes).expect("all values are of this shape");
            out.put(&bytes)?;
        }
        Ok(Self::Hex { n: values.len() as u64, prefix, digits, at })
    }

    fn numbers<W: io::Write>(
        values: &Arena,
        parse: impl Fn(&[u8]) -> Option<u64>,
        out: &mut Writer<W>,
    ) -> io::Result<Numbers> {
        let numbers: Vec<u64> =
            values.iter().map(|value| parse(value).expect("all values are of this shape")).collect();
        Numbers::write(&numbers, out)
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Text { n, .. } | Self::Hex { n, .. } | Self::Happened { n } => *n,
            Self::Uuid { high, .. } => high.len(),
            Self::Ints { numbers } | Self::Times { numbers } => numbers.len(),
            Self::Mixed { class, .. } => class.len(),
        }
    }

    /// Whether a value of these is one of those whose words are indexed: kept as a text, not as digits of one kind or another.
    #[must_use]
    pub fn is_text(&self, value: &[u8]) -> bool {
        match self {
            Self::Text { .. } => true,
            Self::Mixed { parts, .. } => mixed::is_text(parts, value),
            _ => false,
        }
    }

    /// None.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the value of an ordinal.
    ///
    /// # Errors
    ///
    /// When the bytes are damaged, there is no such ordinal, or the values are times of rows.
    pub fn get(&self, body: &Body, ordinal: u64, into: &mut Vec<u8>) -> Result<(), Damaged> {
        self.get_near(&mut Near::default(), body, ordinal, into)
    }

    /// As [`Values::get`], for whoever asks for many values of this list.
    pub(crate) fn get_near(
        &self,
        near: &mut Near,
        body: &Body,
        ordinal: u64,
        into: &mut Vec<u8>,
    ) -> Result<(), Damaged> {
        if ordinal >= self.len() {
            return Err(body.damaged(self.place(), format!("value {ordinal} asked for of {}", self.len())));
        }
        match self {
            Self::Text { n, starts, at, symbols } => {
                text::Text { n: *n, starts, at: *at, symbols: *symbols }.get(near, body, ordinal, into)
            }
            Self::Hex { prefix, digits, at, .. } => {
                let len = self.hex_bytes(body, *digits)?;
                let bytes = body.read(at.saturating_add(ordinal.saturating_mul(len as u64)), len)?;
                into.extend_from_slice(prefix.as_bytes());
                coding::put_hex(&bytes, into);
                Ok(())
            }
            Self::Uuid { high, low } => {
                let high = high.get(body, ordinal)?;
                let low = low.slice(
                    body,
                    ordinal.saturating_mul(UUID_LOW_BYTES)
                        ..ordinal.saturating_add(1).saturating_mul(UUID_LOW_BYTES),
                )?;
                coding::put_uuid(high, &low, into).ok_or_else(|| self.odd(body))
            }
            Self::Ints { numbers } => {
                coding::put_int(numbers.get(body, ordinal)?, into);
                Ok(())
            }
            Self::Times { numbers } => {
                coding::put_time(numbers.get(body, ordinal)?, into).ok_or_else(|| self.odd(body))
            }
            Self::Mixed { class, ranks, parts } => {
                mixed::Mixed { class, ranks, parts }.get(near, body, ordinal, into)
            }
            Self::Happened { .. } => Err(self.odd(body)),
        }
    }

    /// Gives the values of a range of ordinals one after the other; decodes many at a time.
    ///
    /// # Errors
    ///
    /// As [`Values::get`], and what `each` gives.
    pub fn each(
        &self,
        body: &Body,
        range: Range<u64>,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), Damaged>,
    ) -> Result<(), Damaged> {
        if range.start >= range.end {
            return Ok(());
        }
        if range.end > self.len() {
            let what = format!("value {} asked for of {}", range.end - 1, self.len());
            return Err(body.damaged(self.place(), what));
        }
        let mut value = Vec::new();
        match self {
            Self::Text { n, starts, at, symbols } => {
                text::Text { n: *n, starts, at: *at, symbols: *symbols }.each(body, range, &mut each)
            }
            Self::Hex { prefix, digits, at, .. } => {
                let len = self.hex_bytes(body, *digits)?;
                value.extend_from_slice(prefix.as_bytes());
                pages(range, |page, _| {
                    let from = at.saturating_add(page.start.saturating_mul(len as u64));
                    let count = in_page(page.end - page.start);
                    let bytes = body.read(from, count.saturating_mul(len))?;
                    for (ordinal, bytes) in page.zip(bytes.chunks_exact(len)) {
                        value.truncate(prefix.len());
                        coding::put_hex(bytes, &mut value);
                        each(ordinal, &value)?;
                    }
                    Ok(())
                })
            }
            Self::Uuid { high, low } => {
                let (mut group, mut numbers) = (Group::default(), [0; UNIT_LEN]);
                pages(range, |page, skipped| {
                    high.unit_of(&mut group, body, page.start / UNIT, &mut numbers)?;
                    let low = low.slice(
                        body,
                        page.start.saturating_mul(UUID_LOW_BYTES)..page.end.saturating_mul(UUID_LOW_BYTES),
                    )?;
                    for ((ordinal, high), low) in page.zip(&numbers[skipped..]).zip(low.chunks_exact(10)) {
                        value.clear();
                        coding::put_uuid(*high, low, &mut value).ok_or_else(|| self.odd(body))?;
                        each(ordinal, &value)?;
                    }
                    Ok(())
                })
            }
            Self::Ints { numbers } | Self::Times { numbers } => {
                let times = matches!(self, Self::Times { .. });
                let (mut group, mut unit) = (Group::default(), [0; UNIT_LEN]);
                pages(range, |page, skipped| {
                    numbers.unit_of(&mut group, body, page.start / UNIT, &mut unit)?;
                    for (ordinal, number) in page.zip(&unit[skipped..]) {
                        value.clear();
                        if times {
                            coding::put_time(*number, &mut value).ok_or_else(|| self.odd(body))?;
                        } else {
                            coding::put_int(*number, &mut value);
                        }
                        each(ordinal, &value)?;
                    }
                    Ok(())
                })
            }
            Self::Mixed { class, ranks, parts } => {
                mixed::Mixed { class, ranks, parts }.each(body, range, &mut each)
            }
            Self::Happened { .. } => Err(self.odd(body)),
        }
    }

    /// Gives all values, many at a time: those from an ordinal on.
    pub(crate) fn each_page(
        &self,
        body: &Body,
        each: &mut dyn FnMut(u64, &PageOf) -> Result<(), Damaged>,
    ) -> Result<(), Damaged> {
        if let Self::Text { n, starts, at, symbols } = self {
            return text::Text { n: *n, starts, at: *at, symbols: *symbols }.each_page(body, each);
        }
        let mut values = PageOf::default();
        let mut first = 0;
        self.each(body, 0..self.len(), |ordinal, value| {
            if values.ends().len() == UNIT_LEN {
                each(first, &values)?;
                values.clear();
                first = ordinal;
            }
            values.push(value);
            Ok(())
        })?;
        if values.ends().is_empty() { Ok(()) } else { each(first, &values) }
    }

    fn hex_bytes(&self, body: &Body, digits: u32) -> Result<usize, Damaged> {
        if digits < HEX_DIGITS_MIN || !digits.is_multiple_of(2) {
            return Err(self.odd(body));
        }
        usize::try_from(digits / 2).map_err(|_| self.odd(body))
    }

    /// Where the values are, for messages.
    fn place(&self) -> u64 {
        match self {
            Self::Text { at, .. } | Self::Hex { at, .. } => *at,
            Self::Uuid { low, .. } => low.at,
            Self::Mixed { parts, .. } => parts.first().map_or(0, Self::place),
            _ => 0,
        }
    }

    #[cold]
    fn odd(&self, body: &Body) -> Damaged {
        body.damaged(self.place(), "a value is not of its column's kind")
    }
}

/// Whether a value is of the form of kind `uuid`.
pub(crate) fn is_uuid(value: &[u8]) -> bool {
    coding::uuid(value).is_some()
}

/// Cuts a range of ordinals at pages of 128. `each` also gets how many of the page's values stand before the part.
fn pages(
    range: Range<u64>,
    mut each: impl FnMut(Range<u64>, usize) -> Result<(), Damaged>,
) -> Result<(), Damaged> {
    let mut from = range.start;
    while from < range.end {
        let to = range.end.min((from / UNIT + 1).saturating_mul(UNIT));
        each(from..to, in_page(from % UNIT))?;
        from = to;
    }
    Ok(())
}

fn in_page(i: u64) -> usize {
    usize::try_from(i).expect("at most 128")
}

#[cfg(test)]
mod tests;
