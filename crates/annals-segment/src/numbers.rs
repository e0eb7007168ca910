//! Packed integers, 128 to a unit.
//!
//! Numbers that are all the same, or each one more than the one before, take no bytes but those of the footer. Others are
//! packed:
//!
//! * A *unit* is 128 numbers, the last one as many as are left. It has a base b, a step s (0 or 1) and a width w (0 to 64);
//!   its number i is b + i × s + d, modulo 2^64, where d is bits i × w to i × w + w - 1 of the unit's data, counted from the
//!   lowest bit of the first byte. A unit's data are 16 × w bytes; those of the last unit are cut behind its last number.
//! * A *group* is 64 units, the last one as many as are left. Its header is: u32 offset of the data of its first unit, in 16
//!   bytes, counted from where all data begin | per unit a byte, 128 × s + w | per unit its base in `base_bytes` bytes.
//! * All headers stand one behind the other from `at`, then all data.
//!
//! A reader may load up to 16 bytes behind a unit's data: the body ends with as many zeros.

use std::io;
use std::ops::Range;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::Damaged;
use crate::body::{Body, PADDING_BYTES, Writer};

mod pack;
mod unpack;

pub(crate) use pack::bits_of as pack_bits;
pub(crate) use unpack::u32s as unpack_u32s;

/// Numbers in a unit.
pub const UNIT: u64 = 128;
/// [`UNIT`], for arrays.
pub const UNIT_LEN: usize = 128;

/// Units in a group.
const GROUP: u64 = 64;
/// Bytes of a group's offset.
const OFFSET_BYTES: u64 = 4;
/// What the offset of a group counts: also the bytes of a unit for each bit of its width.
const OFFSET_UNIT: u64 = 16;
/// The bit of a unit's byte that says it has a step.
const STEP: u8 = 0x80;
/// Most bits of a number.
const WIDTH_MAX: u8 = 64;
/// Most bytes of a base.
const BASE_BYTES_MAX: u8 = 8;

/// A list of numbers in a segment, see the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Numbers {
    n: u64,
    #[serde(rename = "as")]
    coding: Coding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Coding {
    /// All are this.
    Constant(u64),
    /// The first is this, each one more than the one before.
    Linear(u64),
    Packed(Packed),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packed {
    at: u64,
    base_bytes: u8,
}

/// The header of the group that was read last, and the block of the file with the last data, for a reader that goes from unit
/// to unit. It belongs to one list of numbers.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Which group, plus 1; 0 for none.
    number: u64,
    header: Header,
    /// No header, but the rest of a block of the file.
    data: Header,
    /// A place in the group, and the widths of the units before it.
    widths: (usize, u32),
}

impl Group {
    /// Bytes of the file, from the blocks that are kept where they are there.
    #[inline]
    fn read(&mut self, body: &Body, at: u64, len: usize) -> Result<Near<'_>, Damaged> {
        // Twice, as a borrow that is given back cannot be let go of.
        if self.header.part(at, len).is_some() {
            return Ok(Near::Kept(self.header.part(at, len).unwrap_or_default()));
        }
        if self.data.part(at, len).is_none() {
            let bytes = body.rest(at)?;
            if bytes.len() < len {
                return body.read(at, len).map(Near::Read);
            }
            self.data = Header { at, len, bytes };
        }
        Ok(Near::Kept(self.data.part(at, len).unwrap_or_default()))
    }
}

/// Bytes that are kept, or were read for this once: those that stand in two blocks of the file.
enum Near<'a> {
    Kept(&'a [u8]),
    Read(Bytes),
}

impl Near<'_> {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Kept(bytes) => bytes,
            Self::Read(bytes) => bytes,
        }
    }
}

/// The header of a group, and what stands behind it in its block.
#[derive(Clone, Debug, Default)]
struct Header {
    at: u64,
    len: usize,
    bytes: Bytes,
}

impl Header {
    /// Bytes of the file, if they are among these.
    #[inline]
    fn part(&self, at: u64, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(at.checked_sub(self.at)?).ok()?;
        self.bytes.get(from..from.checked_add(len)?)
    }
}

/// Bytes of the file, those behind a header where they are there.
macro_rules! bytes_near {
    ($header:expr, $body:expr, $at:expr, $len:expr, $into:ident) => {
        match $header.part($at, $len) {
            Some(bytes) => bytes,
            None => {
                $into = $body.read($at, $len)?;
                &$into
            }
        }
    };
}

/// What a header says of a unit.
#[derive(Clone, Copy, Debug)]
struct Unit {
    at: u64,
    base: u64,
    width: u8,
    step: u64,
    len: usize,
}

impl Unit {
    /// Bytes of its data.
    fn bytes(self) -> usize {
        (self.len * usize::from(self.width)).div_ceil(8)
    }

    /// A number no number of the unit is larger than, if they do not wrap around.
    fn upper(self) -> u64 {
        let packed = if self.width == 0 { 0 } else { u64::MAX >> (WIDTH_MAX - self.width) };
        self.base.saturating_add(packed).saturating_add(self.step * (self.len as u64 - 1))
    }
}

impl Numbers {
    /// The same number `n` times.
    #[must_use]
    pub fn constant(n: u64, value: u64) -> Self {
        Self { n, coding: Coding::Constant(value) }
    }

    /// `n` numbers from `start`, each one more than the one before.
    #[must_use]
    pub fn linear(n: u64, start: u64) -> Self {
        Self { n, coding: Coding::Linear(start) }
    }

    /// Writes numbers in the smallest coding.
    ///
    /// # Errors
    ///
    /// What the writer says.
    pub fn write<T: Copy + Into<u64>, W: io::Write>(values: &[T], out: &mut Writer<W>) -> io::Result<Self> {
        let n = values.len() as u64;
        let first = values.first().map_or(0, |first| (*first).into());
        if values.iter().all(|value| (*value).into() == first) {
            return Ok(Self::constant(n, first));
        }
        if values.windows(2).all(|two| two[0].into().checked_add(1) == Some(two[1].into())) {
            return Ok(Self::linear(n, first));
        }
        let (at, base_bytes) = pack::write(values, out)?;
        Ok(Self { n, coding: Coding::Packed(Packed { at, base_bytes }) })
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.n
    }

    /// None.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Units: the last one may have fewer than 128 numbers.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.n.div_ceil(UNIT)
    }

    /// The number that all of them are, when that is known without reading.
    #[must_use]
    pub fn as_constant(&self) -> Option<u64> {
        match self.coding {
            Coding::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// Number `i`.
    ///
    /// # Errors
    ///
    /// When the bytes are damaged or there is no number `i`.
    pub fn get(&self, body: &Body, i: u64) -> Result<u64, Damaged> {
        if i >= self.n {
            return Err(self.beyond(body, i));
        }
        match self.coding {
            Coding::Constant(value) => Ok(value),
            Coding::Linear(start) => Ok(start.wrapping_add(i)),
            Coding::Packed(packed) => {
                let header = self.header(packed, body, i / UNIT / GROUP)?;
                let unit = self.state(packed, body, &header, &mut (0, 0), i / UNIT)?;
                one(&header, body, unit, i % UNIT)
            }
        }
    }

    /// Numbers `i` and `i + 1` as a range: what [`Numbers`] that say where lists begin are asked for.
    ///
    /// # Errors
    ///
    /// When the bytes are damaged, there is no number `i + 1`, or it is less than the one before.
    pub fn span(&self, body: &Body, i: u64) -> Result<Range<u64>, Damaged> {
        let next = i.saturating_add(1);
        let range = match self.coding {
            Coding::Packed(packed) if i % UNIT != UNIT - 1 && next < self.n => {
                let header = self.header(packed, body, i / UNIT / GROUP)?;
                let unit = self.state(packed, body, &header, &mut (0, 0), i / UNIT)?;
                one(&header, body, unit, i % UNIT)?..one(&header, body, unit, next % UNIT)?
            }
            _ => self.get(body, i)?..self.get(body, next)?,
        };
        if range.start > range.end {
            return Err(body.damaged(self.place(), format!("list {i} ends before it begins")));
        }
        Ok(range)
    }

    /// Decodes a unit, and says how many numbers it has; the rest of `out` is left undefined.
    ///
    /// # Errors
    ///
    /// When the bytes are damaged or there is no such unit.
    pub fn unit(&self, body: &Body, unit: u64, out: &mut [u64; UNIT_LEN]) -> Result<usize, Damaged> {
        self.unit_of(&mut Group::default(), body, unit, out)
    }

    /// As [`Numbers::unit`], keeping the header of its group for the units around it.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn unit_of(
        &self,
        group: &mut Group,
        body: &Body,
        unit: u64,
        out: &mut [u64; UNIT_LEN],
    ) -> Result<usize, Damaged> {
        let len = self.unit_len(body, unit)?;
        match self.coding {
            Coding::Constant(value) => out.fill(value),
            Coding::Linear(start) => unpack::steps(start.wrapping_add(unit * UNIT), out),
            Coding::Packed(packed) => {
                self.keep(group, packed, body, unit)?;
                let state = self.state(packed, body, &group.header, &mut group.widths, unit)?;
                if state.len == UNIT_LEN {
                    let near = group.read(body, state.at, state.bytes() + PADDING_BYTES)?;
                    unpack::u64s(near.bytes(), state.width, state.base, state.step, out);
                } else {
                    let padded = cut(&group.header, body, state)?;
                    unpack::u64s(&padded, state.width, state.base, state.step, out);
                }
            }
        }
        Ok(len)
    }

    /// As [`Numbers::unit`], for numbers that are less than 2^32.
    ///
    /// # Errors
    ///
    /// As there, and when a number is larger.
    pub fn unit_u32(&self, body: &Body, unit: u64, out: &mut [u32; UNIT_LEN]) -> Result<usize, Damaged> {
        self.unit_u32_of(&mut Group::default(), body, unit, out)
    }

    /// As [`Numbers::unit_u32`], keeping the header of its group for the units around it.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn unit_u32_of(
        &self,
        group: &mut Group,
        body: &Body,
        unit: u64,
        out: &mut [u32; UNIT_LEN],
    ) -> Result<usize, Damaged> {
        if let Coding::Packed(packed) = self.coding {
            let len = self.unit_len(body, unit)?;
            self.keep(group, packed, body, unit)?;
            let state = self.state(packed, body, &group.header, &mut group.widths, unit)?;
            if let (Ok(base), true) = (u32::try_from(state.base), u32::try_from(state.upper()).is_ok()) {
                if state.len == UNIT_LEN {
                    let near = group.read(body, state.at, state.bytes() + PADDING_BYTES)?;
                    unpack::u32s(near.bytes(), state.width, base, state.step == 1, out);
                } else {
                    let padded = cut(&group.header, body, state)?;
                    unpack::u32s(&padded, state.width, base, state.step == 1, out);
                }
                return Ok(len);
            }
        }
        let mut wide = [0; UNIT_LEN];
        let len = self.unit_of(group, body, unit, &mut wide)?;
        for (narrow, wide) in out.iter_mut().zip(&wide[..len]) {
            *narrow = u32::try_from(*wide)
                .map_err(|_| body.damaged(self.place(), "a number of 32 bits is larger"))?;
        }
        Ok(len)
    }

    /// Least number of a unit, and one that none of them is larger than. Reads only the header.
    ///
    /// # Errors
    ///
    /// When the header is damaged or there is no such unit.
    pub fn unit_bounds(&self, body: &Body, unit: u64) -> Result<(u64, u64), Damaged> {
        self.unit_bounds_of(&mut Group::default(), body, unit)
    }

    /// As [`Numbers::unit_bounds`], keeping the header of its group for the units around it.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn unit_bounds_of(&self, group: &mut Group, body: &Body, unit: u64) -> Result<(u64, u64), Damaged> {
        let len = self.unit_len(body, unit)? as u64;
        match self.coding {
            Coding::Constant(value) => Ok((value, value)),
            Coding::Linear(start) => {
                let first = start.wrapping_add(unit * UNIT);
                Ok((first, first.wrapping_add(len - 1)))
            }
            Coding::Packed(packed) => {
                self.keep(group, packed, body, unit)?;
                let state = self.state(packed, body, &group.header, &mut group.widths, unit)?;
                Ok((state.base, state.upper()))
            }
        }
    }

    /// Appends the numbers of a range.
    ///
    /// # Errors
    ///
    /// When the bytes are damaged or the range ends behind the last number.
    pub fn range(&self, body: &Body, range: Range<u64>, into: &mut Vec<u64>) -> Result<(), Damaged> {
        if range.start >= range.end {
            return Ok(());
        }
        if range.end > self.n {
            return Err(self.beyond(body, range.end - 1));
        }
        let mut group = Group::default();
        let mut numbers = [0; UNIT_LEN];
        for unit in range.start / UNIT..range.end.div_ceil(UNIT) {
            self.unit_of(&mut group, body, unit, &mut numbers)?;
            let first = unit * UNIT;
            let from = in_unit(range.start.saturating_sub(first).min(UNIT));
            let to = in_unit((range.end - first).min(UNIT));
            into.extend_from_slice(&numbers[from..to]);
        }
        Ok(())
    }

    /// The first index of a range whose number is not `before`, or the end of the range: those that are must stand first.
    ///
    /// # Errors
    ///
    /// When the bytes are damaged or the range ends behind the last number.
    pub fn partition_point(
        &self,
        body: &Body,
        range: Range<u64>,
        before: impl Fn(u64) -> bool,
    ) -> Result<u64, Damaged> {
        if range.start >= range.end {
            return Ok(range.start);
        }
        if range.end > self.n {
            return Err(self.beyond(body, range.end - 1));
        }
        if let Coding::Constant(value) = self.coding {
            return Ok(if before(value) { range.end } else { range.start });
        }
        // First which unit: the last whose first number is still before. Then within it.
        let first = |unit: u64| (unit * UNIT).max(range.start);
        let (mut low, mut high) = (range.start / UNIT, (range.end - 1) / UNIT + 1);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if before(self.get(body, first(middle))?) { low = middle } else { high = middle }
        }
        let mut numbers = [0; UNIT_LEN];
        let len = self.unit(body, low, &mut numbers)?;
        let from = in_unit(first(low) - low * UNIT);
        let to = in_unit((range.end - low * UNIT).min(UNIT)).min(len);
        let point = numbers.get(from..to).unwrap_or_default().partition_point(|number| before(*number));
        Ok(first(low) + point as u64)
    }

    /// How many numbers a unit has; it has one at least.
    fn unit_len(&self, body: &Body, unit: u64) -> Result<usize, Damaged> {
        if unit >= self.units() {
            return Err(self.beyond(body, unit.saturating_mul(UNIT)));
        }
        Ok(in_unit((self.n - unit * UNIT).min(UNIT)))
    }

    fn keep(&self, group: &mut Group, packed: Packed, body: &Body, unit: u64) -> Result<(), Damaged> {
        if group.number != unit / GROUP + 1 {
            group.header = self.header(packed, body, unit / GROUP)?;
            group.number = unit / GROUP + 1;
            group.widths = (0, 0);
        }
        Ok(())
    }

    /// The header of a group that is there.
    #[inline]
    fn header(&self, packed: Packed, body: &Body, group: u64) -> Result<Header, Damaged> {
        if packed.base_bytes > BASE_BYTES_MAX {
            return Err(body.damaged(packed.at, "bases of numbers have more than 8 bytes"));
        }
        let unit_bytes = 1 + u64::from(packed.base_bytes);
        let units = (self.units() - group * GROUP).min(GROUP);
        let at = packed.at.saturating_add(group * (OFFSET_BYTES + GROUP * unit_bytes));
        let len = usize::try_from(OFFSET_BYTES + units * unit_bytes).expect("at most 580");
        // What stands behind it in its block costs nothing more, and is the data of a short list.
        let bytes = body.rest(at)?;
        if bytes.len() >= len {
            Ok(Header { at, len, bytes })
        } else {
            Ok(Header { at, len, bytes: body.read(at, len)? })
        }
    }

    /// What the header of its group says of a unit that is there. Of one place in the group the widths before it are known.
    #[inline]
    fn state(
        &self,
        packed: Packed,
        body: &Body,
        header: &Header,
        known: &mut (usize, u32),
        unit: u64,
    ) -> Result<Unit, Damaged> {
        let base_bytes = usize::from(packed.base_bytes);
        let (offset, rest) = header
            .bytes
            .get(..header.len)
            .and_then(|bytes| bytes.split_first_chunk::<4>())
            .ok_or_else(|| self.beyond(body, unit))?;
        let units = rest.len() / (1 + base_bytes);
        let (widths, bases) = rest.split_at(units);
        let place = usize::try_from(unit % GROUP).expect("below 64");
        if place >= units {
            return Err(self.beyond(body, unit));
        }
        let byte = widths[place];
        let width = byte & !STEP;
        if width > WIDTH_MAX {
            return Err(body.damaged(packed.at, "numbers have more than 64 bits"));
        }
        let (from, sum) = if known.0 <= place { *known } else { (0, 0) };
        let before = sum + widths[from..place].iter().map(|byte| u32::from(byte & !STEP)).sum::<u32>();
        *known = (place, before);
        let mut base = [0; 8];
        base[..base_bytes].copy_from_slice(&bases[place * base_bytes..][..base_bytes]);
        // At most 2^57 units and 9 bytes each: no overflow.
        let headers = self.units().div_ceil(GROUP) * OFFSET_BYTES + self.units() * (1 + base_bytes as u64);
        let offset = (u64::from(u32::from_le_bytes(*offset)) + u64::from(before)) * OFFSET_UNIT;
        Ok(Unit {
            at: packed.at.saturating_add(headers).saturating_add(offset),
            base: u64::from_le_bytes(base),
            width,
            step: u64::from(byte >> 7),
            len: in_unit((self.n - unit * UNIT).min(UNIT)),
        })
    }

    /// Where the numbers are, for messages.
    fn place(&self) -> u64 {
        match self.coding {
            Coding::Packed(packed) => packed.at,
            _ => 0,
        }
    }

    #[cold]
    fn beyond(&self, body: &Body, i: u64) -> Damaged {
        body.damaged(self.place(), format!("number {i} asked for of {}", self.n))
    }
}

/// One number of a unit.
#[inline]
fn one(header: &Header, body: &Body, unit: Unit, i: u64) -> Result<u64, Damaged> {
    let start = unit.base.wrapping_add(i * unit.step);
    if unit.width == 0 {
        return Ok(start);
    }
    let bit = i * u64::from(unit.width);
    let read;
    let bytes = bytes_near!(header, body, unit.at.saturating_add(bit / 8), PADDING_BYTES, read);
    let word = u128::from_le_bytes(*bytes.first_chunk().expect("16 bytes were read")) >> (bit % 8);
    let word = u64::try_from(word & u128::from(u64::MAX)).expect("64 bits");
    Ok(start.wrapping_add(word & (u64::MAX >> (WIDTH_MAX - unit.width))))
}

/// The data of a unit that may be shorter than 128 numbers, with zeros behind them.
fn cut(header: &Header, body: &Body, unit: Unit) -> Result<Vec<u8>, Damaged> {
    let read;
    let bytes: &[u8] = bytes_near!(header, body, unit.at, unit.bytes(), read);
    let mut padded = vec![0; UNIT_LEN / 8 * usize::from(unit.width) + PADDING_BYTES];
    padded[..bytes.len()].copy_from_slice(bytes);
    Ok(padded)
}

fn in_unit(i: u64) -> usize {
    usize::try_from(i).expect("at most 128")
}

#[cfg(test)]
mod tests;
