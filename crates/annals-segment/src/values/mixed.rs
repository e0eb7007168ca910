//! Values of several kinds in one column: customers' ids, say, of which each has its own form.
//!
//! `class` has for each value which of `parts` it is in. There the values of a part stand in the order of all values. `ranks`
//! says for each page of 128 values and each part (page by page) how many values of the part stand before the page.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use super::coding::{self, HEX_DIGITS_MIN};
use super::near::Near;
use super::{Arena, Values, in_page, pages, text};
use crate::Damaged;
use crate::body::{Body, Writer};
use crate::numbers::{Group, Numbers, UNIT, UNIT_LEN};

/// Most parts; values of further forms are texts.
const PARTS_MAX: usize = 16;
/// Most forms that are counted.
const FORMS_MAX: usize = 4_096;
/// Fewest values of a part.
const PART_MIN: usize = 128;
/// One value in so many must be of a part's form.
const PART_SHARE: usize = 256;
/// One value in so many must be of a form that is coded, or all are texts.
const CODED_SHARE: usize = 4;

/// What a value is shown to.
type Each<'e> = dyn FnMut(u64, &[u8]) -> Result<(), Damaged> + 'e;

/// A form of values with a coding of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form<'v> {
    Uuid,
    Hex { prefix: &'v str, digits: u32 },
}

impl<'v> Form<'v> {
    fn of(value: &'v [u8]) -> Option<Self> {
        if coding::uuid(value).is_some() {
            return Some(Self::Uuid);
        }
        let is_digit = |byte: &&u8| matches!(**byte, b'0'..=b'9' | b'a'..=b'f');
        let digits = value.iter().rev().take_while(is_digit).count();
        if digits < HEX_DIGITS_MIN as usize || !digits.is_multiple_of(2) {
            return None;
        }
        let prefix = str::from_utf8(&value[..value.len() - digits]).ok()?;
        let digits = u32::try_from(digits).ok()?;
        Some(Self::Hex { prefix, digits })
    }
}

/// Writes values in parts, where that pays; none where it does not.
pub(super) fn write<W: io::Write>(values: &Arena, out: &mut Writer<W>) -> io::Result<Option<Values>> {
    if values.len() < PART_MIN {
        return Ok(None);
    }
    let mut forms: BTreeMap<Form<'_>, usize> = BTreeMap::new();
    let mut coded = 0;
    for form in values.iter().filter_map(Form::of) {
        if let Some(count) = forms.get_mut(&form) {
            *count += 1;
        } else if forms.len() < FORMS_MAX {
            forms.insert(form, 1);
        }
        coded += 1;
    }
    if coded < values.len() / CODED_SHARE {
        return Ok(None);
    }
    let least = PART_MIN.max(values.len() / PART_SHARE);
    let mut forms: Vec<(Form<'_>, usize)> = forms.into_iter().filter(|(_, count)| *count >= least).collect();
    forms.sort_by_key(|(form, count)| (std::cmp::Reverse(*count), *form));
    forms.truncate(PARTS_MAX - 1);
    if forms.iter().map(|(_, count)| count).sum::<usize>() < values.len() / CODED_SHARE {
        return Ok(None);
    }
    let text_class = forms.len();
    let mut parts = vec![Arena::default(); forms.len() + 1];
    let (mut class, mut ranks) = (Vec::with_capacity(values.len()), Vec::new());
    for (at, value) in values.iter().enumerate() {
        if at % UNIT_LEN == 0 {
            ranks.extend(parts.iter().map(|part| part.len() as u64));
        }
        let form = Form::of(value);
        let of =
            form.and_then(|form| forms.iter().position(|(other, _)| *other == form)).unwrap_or(text_class);
        class.push(of as u64);
        parts[of].push(value);
    }
    let mut written = Vec::with_capacity(parts.len());
    for ((form, _), part) in forms.iter().zip(&parts) {
        written.push(match form {
            Form::Uuid => Values::uuids(part, out)?,
            Form::Hex { prefix, digits } => Values::hexes(part, (*prefix).to_owned(), *digits, out)?,
        });
    }
    written.push(text::write(&parts[text_class], out)?);
    let (class, ranks) = (Numbers::write(&class, out)?, Numbers::write(&ranks, out)?);
    Ok(Some(Values::Mixed { class, ranks, parts: written }))
}

/// The parts of [`Values::Mixed`].
pub(super) struct Mixed<'a> {
    pub(super) class: &'a Numbers,
    pub(super) ranks: &'a Numbers,
    pub(super) parts: &'a [Values],
}

impl Mixed<'_> {
    /// Which part each value of a page is in, how many there are, and where the parts' own ones begin.
    fn page(
        &self,
        body: &Body,
        page: u64,
        group: &mut Group,
        class: &mut [u64; UNIT_LEN],
        ranks: &mut Vec<u64>,
    ) -> Result<usize, Damaged> {
        let n = self.class.unit_of(group, body, page, class)?;
        let parts = self.parts.len() as u64;
        if class[..n].iter().any(|class| *class >= parts) {
            return Err(self.odd(body));
        }
        ranks.clear();
        self.ranks.range(
            body,
            page.saturating_mul(parts)..page.saturating_add(1).saturating_mul(parts),
            ranks,
        )?;
        Ok(n)
    }

    pub(super) fn get(
        &self,
        near: &mut Near,
        body: &Body,
        ordinal: u64,
        into: &mut Vec<u8>,
    ) -> Result<(), Damaged> {
        let page = ordinal / UNIT;
        let Near { places, classes, parts, .. } = near;
        let classes = classes.of_page(self.class, body, page, self.parts.len())?;
        let classes = classes.ok_or_else(|| self.odd(body))?;
        let (before, from) =
            classes.split_at_checked(in_page(ordinal % UNIT)).ok_or_else(|| self.odd(body))?;
        let of = *from.first().ok_or_else(|| self.odd(body))?;
        let rank = before.iter().filter(|class| **class == of).count() as u64;
        let of = usize::from(of);
        let first = page.saturating_mul(self.parts.len() as u64).saturating_add(of as u64);
        let first = places.get(self.ranks, body, first)?;
        while parts.len() < self.parts.len() {
            parts.push(Near::default());
        }
        self.parts[of].get_near(&mut parts[of], body, first.saturating_add(rank), into)
    }

    pub(super) fn each(
        &self,
        body: &Body,
        range: Range<u64>,
        each: &mut impl FnMut(u64, &[u8]) -> Result<(), Damaged>,
    ) -> Result<(), Damaged> {
        let (mut group, mut class, mut ranks) = (Group::default(), [0; UNIT_LEN], Vec::new());
        let mut kept = vec![(Arena::default(), 0_usize); self.parts.len()];
        pages(range, |page, skipped| {
            let n = self.page(body, page.start / UNIT, &mut group, &mut class, &mut ranks)?;
            for (of, ((part, rank), (values, next))) in
                self.parts.iter().zip(&ranks).zip(&mut kept).enumerate()
            {
                let is = |class: &&u64| **class == of as u64;
                let count = class[..n].iter().filter(is).count() as u64;
                *next = class[..skipped.min(n)].iter().filter(is).count();
                values.clear();
                let keep = &mut |_: u64, value: &[u8]| {
                    values.push(value);
                    Ok(())
                };
                // Not generic here: parts are values too, and so on.
                let keep: &mut Each<'_> = keep;
                part.each(body, *rank..rank.saturating_add(count), keep)?;
            }
            for (ordinal, of) in page.zip(class[..n].iter().skip(skipped)) {
                let (values, next) = &mut kept[usize::try_from(*of).expect("a part's number")];
                each(ordinal, values.get(*next))?;
                *next += 1;
            }
            Ok(())
        })
    }

    #[cold]
    fn odd(&self, body: &Body) -> Damaged {
        body.damaged(self.parts.first().map_or(0, Values::place), "a value that is in no part of its column")
    }
}

/// Whether a value, coded in parts, is in the one for texts.
pub(super) fn is_text(parts: &[Values], value: &[u8]) -> bool {
    match Form::of(value) {
        None => true,
        Some(Form::Uuid) => !parts.iter().any(|part| matches!(part, Values::Uuid { .. })),
        Some(Form::Hex { prefix, digits }) => !parts.iter().any(|part| {
            matches!(part, Values::Hex { prefix: own, digits: own_digits, .. } if own == prefix && *own_digits == digits)
        }),
    }
}
