//! A look at packed numbers that keeps the last unit.

use std::ops::Range;

use super::columns::{UNIT, within};
use crate::Damaged;
use crate::body::Body;
use crate::numbers::{Group, Numbers};

/// No unit: none is so high.
const NONE: u64 = u64::MAX;

/// The first number asked for of a unit is read alone; the second one brings the unit. So neighbours cost next to nothing,
/// and numbers far apart no more than themselves.
pub(super) struct Window<T> {
    asked: u64,
    unit: u64,
    /// What was read, once something was: many windows are never looked through.
    read: Option<Box<Read<T>>>,
}

struct Read<T> {
    count: usize,
    values: [T; 128],
    group: Group,
}

/// What a window keeps numbers as.
pub(super) trait Kept: Copy + Default {
    fn unit(
        numbers: &Numbers,
        group: &mut Group,
        body: &Body,
        unit: u64,
        into: &mut [Self; 128],
    ) -> Result<usize, Damaged>;

    fn of(number: u64) -> Option<Self>;
}

impl Kept for u32 {
    fn unit(
        numbers: &Numbers,
        group: &mut Group,
        body: &Body,
        unit: u64,
        into: &mut [u32; 128],
    ) -> Result<usize, Damaged> {
        numbers.unit_u32_of(group, body, unit, into)
    }

    fn of(number: u64) -> Option<u32> {
        u32::try_from(number).ok()
    }
}

impl Kept for u64 {
    fn unit(
        numbers: &Numbers,
        group: &mut Group,
        body: &Body,
        unit: u64,
        into: &mut [u64; 128],
    ) -> Result<usize, Damaged> {
        numbers.unit_of(group, body, unit, into)
    }

    fn of(number: u64) -> Option<u64> {
        Some(number)
    }
}

impl<T: Kept> Window<T> {
    pub(super) fn new() -> Window<T> {
        Window { asked: NONE, unit: NONE, read: None }
    }

    /// One number.
    #[inline]
    pub(super) fn get(&mut self, numbers: &Numbers, body: &Body, index: u64) -> Result<T, Damaged> {
        let unit = index / UNIT;
        if self.unit != unit {
            if self.asked != unit {
                self.asked = unit;
                let number = numbers.get(body, index)?;
                return T::of(number).ok_or_else(|| too_large(body));
            }
            self.load(numbers, body, unit)?;
        }
        let read = self.read.as_ref().filter(|read| within(index) < read.count);
        read.map(|read| read.values[within(index)])
            .ok_or_else(|| body.damaged(body.bytes(), "a number beyond the last"))
    }

    #[inline(never)]
    fn load(&mut self, numbers: &Numbers, body: &Body, unit: u64) -> Result<(), Damaged> {
        self.unit = NONE;
        let read = self.read.get_or_insert_with(|| {
            Box::new(Read { count: 0, values: [T::default(); 128], group: Group::default() })
        });
        read.count = T::unit(numbers, &mut read.group, body, unit, &mut read.values)?;
        self.unit = unit;
        Ok(())
    }

    /// Appends numbers that follow each other.
    pub(super) fn range(
        &mut self,
        numbers: &Numbers,
        body: &Body,
        range: Range<u64>,
        into: &mut Vec<T>,
    ) -> Result<(), Damaged> {
        let mut from = range.start;
        while from < range.end {
            let unit = from / UNIT;
            if self.unit != unit {
                self.load(numbers, body, unit)?;
            }
            let to = range.end.min((unit + 1) * UNIT);
            let count = usize::try_from(to - from).expect("at most 128");
            let values = self
                .read
                .as_ref()
                .and_then(|read| read.values[..read.count].get(within(from)..within(from) + count));
            into.extend_from_slice(
                values.ok_or_else(|| body.damaged(body.bytes(), "numbers beyond the last"))?,
            );
            from = to;
        }
        Ok(())
    }
}

#[cold]
fn too_large(body: &Body) -> Damaged {
    body.damaged(body.bytes(), "a number too large for its place")
}
