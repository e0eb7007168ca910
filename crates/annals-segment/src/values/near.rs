//! What single values of a list are read with, again and again.
//!
//! A value takes a few reads: where its page is, how its page is cut, the symbols that it is written in. A [`Near`] keeps what
//! many values share, so that one more costs little more than its own bytes. It belongs to one list of values.

use super::text::Symbols;
use crate::Damaged;
use crate::body::Body;
use crate::numbers::{Group, Numbers, UNIT, UNIT_LEN};

/// Units of a list of numbers that are kept at most: of page starts they cover 131,072 values.
const UNITS_KEPT: u64 = 8;

/// No page: none is so high.
const NONE: u64 = u64::MAX;

/// See the module.
#[derive(Default)]
pub(crate) struct Near {
    /// Of texts where their pages begin, of values of several kinds how many of each stand before a page.
    pub(super) places: Units,
    /// The symbols of texts.
    pub(super) symbols: Option<Box<Symbols>>,
    pub(super) classes: Classes,
    /// Of values of several kinds, for each kind.
    pub(super) parts: Vec<Near>,
}

/// Which part each value of one page is in.
pub(super) struct Classes {
    page: u64,
    group: Group,
    of: Vec<u8>,
}

impl Default for Classes {
    fn default() -> Self {
        Self { page: NONE, group: Group::default(), of: Vec::new() }
    }
}

impl Classes {
    /// The parts of a page's values; nothing when one is not below `parts`.
    pub(super) fn of_page(
        &mut self,
        class: &Numbers,
        body: &Body,
        page: u64,
        parts: usize,
    ) -> Result<Option<&[u8]>, Damaged> {
        if self.page != page {
            self.page = NONE;
            let mut numbers = [0; UNIT_LEN];
            let n = class.unit_of(&mut self.group, body, page, &mut numbers)?;
            self.of.clear();
            self.of.extend(numbers[..n].iter().map(|of| u8::try_from(*of).unwrap_or(u8::MAX)));
            if self.of.iter().any(|of| usize::from(*of) >= parts) {
                return Ok(None);
            }
            self.page = page;
        }
        Ok(Some(&self.of))
    }
}

/// Units of one list of numbers. The first number asked for is read alone, as there may be no other.
#[derive(Default)]
pub(crate) struct Units {
    was_asked: bool,
    units: Vec<Unit>,
}

struct Unit {
    number: u64,
    numbers: Vec<u64>,
}

impl Units {
    /// One number.
    #[inline]
    pub(crate) fn get(&mut self, numbers: &Numbers, body: &Body, index: u64) -> Result<u64, Damaged> {
        let slot = usize::try_from(index / UNIT % UNITS_KEPT).expect("below 8");
        let at = usize::try_from(index % UNIT).expect("below 128");
        if let Some(unit) = self.units.get(slot)
            && unit.number == index / UNIT
            && let Some(number) = unit.numbers.get(at)
        {
            return Ok(*number);
        }
        self.get_anew(numbers, body, index, slot)
    }

    #[inline(never)]
    fn get_anew(&mut self, numbers: &Numbers, body: &Body, index: u64, slot: usize) -> Result<u64, Damaged> {
        if !self.was_asked || numbers.as_constant().is_some() || index >= numbers.len() {
            self.was_asked = true;
            return numbers.get(body, index);
        }
        while self.units.len() <= slot {
            self.units.push(Unit { number: NONE, numbers: Vec::new() });
        }
        let unit = &mut self.units[slot];
        let mut read = [0; UNIT_LEN];
        let n = numbers.unit(body, index / UNIT, &mut read)?;
        unit.numbers.clear();
        unit.numbers.extend_from_slice(&read[..n]);
        unit.number = index / UNIT;
        match unit.numbers.get(usize::try_from(index % UNIT).expect("below 128")) {
            Some(number) => Ok(*number),
            None => numbers.get(body, index),
        }
    }
}

/// Values of a page, one behind the other.
#[derive(Default)]
pub(crate) struct PageOf {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl PageOf {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub(crate) fn push(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.ends.push(self.bytes.len());
    }

    /// Appends a value that `write` writes.
    pub(super) fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Option<()>) -> Option<()> {
        write(&mut self.bytes)?;
        self.ends.push(self.bytes.len());
        Some(())
    }

    /// All bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where each value ends in them.
    pub(crate) fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// One value, which there must be.
    pub(crate) fn get(&self, at: usize) -> &[u8] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.bytes[start..self.ends[at]]
    }
}
