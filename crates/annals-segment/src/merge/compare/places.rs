//! Which instances of a table have a column or child table, of all of them at once.
//!
//! A reader asks the shapes of 128 instances again for each column, which is right for whoever reads some of the rows. Here all
//! columns are walked through one after the other, so shapes are read once for a table, and what presence says is worked out from
//! them, and compared with what a reader would be told: see [`Places::read`].

use crate::Damaged;
use crate::meta::{Presence, SHAPES_MAX};
use crate::numbers::{Group, Numbers, UNIT_LEN};
use crate::segment::{Part, Reader, Segment, UNIT};

/// The shape of each instance of a table; the number of shapes for those that are kept whole.
#[derive(Default)]
pub(super) struct Ids(Vec<u16>);

impl Ids {
    pub(super) fn read(segment: &Segment, table: usize) -> Result<Ids, Damaged> {
        let own = &segment.footer().tables[table];
        let most = own.shapes.len().min(SHAPES_MAX as u64);
        let (mut group, mut unit) = (Group::default(), [0; UNIT_LEN]);
        let mut ids = Vec::with_capacity(usize::try_from(own.n).unwrap_or_default());
        for number in 0..own.shape.units() {
            let count = own.shape.unit_u32_of(&mut group, segment.body(), number, &mut unit)?;
            for id in &unit[..count] {
                let id = u16::try_from(*id).ok().filter(|id| u64::from(*id) <= most);
                ids.push(id.ok_or_else(|| segment.malformed("a shape that is not listed"))?);
            }
        }
        Ok(Ids(ids))
    }

    /// The shape of an instance, if there is one.
    pub(super) fn get(&self, instance: u64) -> Option<u32> {
        self.0.get(usize::try_from(instance).ok()?).copied().map(u32::from)
    }
}

/// Per 128 instances of a table: how many before them have something, and a bit for each of them that has it.
pub(super) struct Places(Vec<(u64, u128)>);

/// What presence says of instances that follow each other.
pub(super) struct Held {
    /// Which number among all that have it the first of them is, if it has it.
    pub(super) first: u64,
    pub(super) mask: u128,
}

impl Places {
    /// What a reader would be told of each instance. `None` when that is not what the shapes say and what was counted before
    /// each 128 instances: then it takes a reader to know.
    pub(super) fn read(
        reader: &mut Reader,
        table: usize,
        part: Part,
        ids: &Ids,
    ) -> Result<Option<Places>, Damaged> {
        let segment = reader.segment().clone();
        let tables = &segment.footer().tables;
        let (presence, all) = match part {
            Part::Column(column) => {
                let column = &tables[table].columns[column];
                (Some(&column.presence), column.ordinals.len())
            }
            Part::Table(child) => {
                let child = &tables[child];
                let arrays = child.starts.as_ref().map(|starts| starts.len().saturating_sub(1));
                (child.presence.as_ref(), arrays.unwrap_or(child.n))
            }
            Part::Raw => (None, 0),
        };
        let masks = match presence {
            None => return Ok(None),
            Some(Presence::All) => ids.0.chunks(UNIT_LEN).map(|unit| below(unit.len())).collect(),
            Some(Presence::Listed(list)) => listed(list, &segment, ids.0.len())?,
            Some(Presence::Shapes(_)) => {
                let shapes = reader.shapes(table)?;
                let has: Vec<bool> = (0..=shapes.count()).map(|shape| shapes.has(shape, part)).collect();
                ids.0.chunks(UNIT_LEN).map(|unit| mask(unit, &has)).collect()
            }
        };
        let mut places = Vec::with_capacity(masks.len());
        let mut before = 0;
        for mask in masks {
            places.push((before, mask));
            before += u64::from(mask.count_ones());
        }
        if let Some(Presence::Shapes(counts)) = presence {
            let mut told = Vec::with_capacity(places.len());
            counts.range(segment.body(), 0..counts.len(), &mut told)?;
            // A reader takes the difference of two counts for the number of a unit's instances that have it, and what there is
            // in all for the end.
            let same =
                told.len() == places.len() && told.iter().zip(&places).all(|(told, place)| *told == place.0);
            if !same || all != before {
                return Ok(None);
            }
        }
        Ok(Some(Places(places)))
    }

    /// What is said of `count` instances, at most 128, that are there.
    pub(super) fn held(&self, instance: u64, count: u32) -> Held {
        let unit = usize::try_from(instance / UNIT).expect("as many are in memory");
        let offset = u32::try_from(instance % UNIT).expect("below 128");
        let (before, all) = self.0.get(unit).copied().unwrap_or_default();
        let mut mask = all >> offset;
        if offset > 0
            && let Some((_, next)) = self.0.get(unit + 1)
        {
            mask |= next << (u128::BITS - offset);
        }
        let first = before + u64::from((all & below(offset as usize)).count_ones());
        Held { first, mask: mask & below(count as usize) }
    }
}

impl Held {
    /// Which number among all that have it the instance of a bit is.
    pub(super) fn place(&self, bit: u32) -> u64 {
        self.first + u64::from((self.mask & below(bit as usize)).count_ones())
    }
}

/// Which of some instances have a shape `with` something.
pub(super) fn mask(shapes: &[u16], with: &[bool]) -> u128 {
    let mut mask = 0;
    for half in shapes.chunks(64).rev() {
        let bits = half.iter().rev().fold(0_u64, |bits, shape| {
            bits << 1 | u64::from(with.get(usize::from(*shape)).copied().unwrap_or(false))
        });
        mask = mask << 64 | u128::from(bits);
    }
    mask
}

/// The instances of a rising list, 128 to a mask; `n` of them are there.
fn listed(list: &Numbers, segment: &Segment, n: usize) -> Result<Vec<u128>, Damaged> {
    let mut masks = vec![0; n.div_ceil(UNIT_LEN)];
    let mut instances = Vec::new();
    list.range(segment.body(), 0..list.len(), &mut instances)?;
    let rise = instances.windows(2).all(|two| two[0] < two[1]);
    for instance in instances {
        let at = usize::try_from(instance).ok().filter(|at| *at < n && rise);
        let at = at.ok_or_else(|| segment.malformed("a list of instances that does not rise"))?;
        masks[at / UNIT_LEN] |= 1 << (at % UNIT_LEN);
    }
    Ok(masks)
}

/// The bits that are set, from the lowest.
pub(super) fn bits(mut mask: u128) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = mask.trailing_zeros();
        mask &= mask.wrapping_sub(1);
        (bit < u128::BITS).then_some(bit)
    })
}

/// The lowest `count` bits.
fn below(count: usize) -> u128 {
    if count >= UNIT_LEN { u128::MAX } else { (1 << count) - 1 }
}
