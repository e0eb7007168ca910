//! Values of any kind, in pages of 128.
//!
//! ```text
//! page      u32 least length | u8 width | lengths: each less the least, `width` bits, packed as numbers are | the values
//! symbols   8 bytes each, the unused ones zero, for all symbols; then a byte each: how many of the 8 are used
//! ```
//!
//! The last page has as many values as are left, and its lengths are cut behind the last one's bits. Lengths are of what is
//! stored.
//!
//! Where there is a table of symbols, a value is stored in FSST's coding: of its bytes, one that is less than 255 stands for
//! that symbol of the table, and 255 says that the next byte stands for itself.

use std::io;
use std::ops::Range;

use fsst::Compressor;

use super::{Arena, Region, Values, pages};
use crate::Damaged;
use crate::body::{Body, PADDING_BYTES, Writer};
use crate::numbers::{Numbers, UNIT, UNIT_LEN, pack_bits, unpack_u32s};

/// Bytes of a page before its lengths.
const HEAD_BYTES: usize = 5;
/// Most bits of a length.
const WIDTH_MAX: u8 = 32;
/// Read at once at the beginning of a page: its head, and lengths up to 8 bits.
const FIRST_BYTES: usize = HEAD_BYTES + UNIT_LEN;
/// Most values that symbols are found in.
const SAMPLES_MAX: usize = 2_000;
/// What symbols must save: one part in this many.
const SAVED_MIN: usize = 20;
/// Bytes that a symbol takes in the table.
const SYMBOL_BYTES: usize = 9;
/// The code that says that the next byte stands for itself.
const ESCAPE: u8 = 255;

/// The parts of [`Values::Text`].
pub(super) struct Text<'a> {
    pub(super) n: u64,
    pub(super) starts: &'a Numbers,
    pub(super) at: u64,
    pub(super) symbols: Option<Region>,
}

/// Writes values as pages.
pub(super) fn write<W: io::Write>(values: &Arena, out: &mut Writer<W>) -> io::Result<Values> {
    let symbols = symbols(values);
    let table = symbols.as_ref().map(table);
    let at = out.at();
    let mut starts = vec![0];
    let (mut stored, mut lengths, mut page) = (Vec::new(), Vec::new(), Vec::new());
    for first in (0..values.len()).step_by(UNIT_LEN) {
        stored.clear();
        lengths.clear();
        for i in first..values.len().min(first + UNIT_LEN) {
            let before = stored.len();
            match &symbols {
                Some(symbols) => stored.extend_from_slice(&symbols.compress(values.get(i))),
                None => stored.extend_from_slice(values.get(i)),
            }
            lengths.push((stored.len() - before) as u64);
        }
        let least = lengths.iter().copied().min().unwrap_or_default();
        let most = lengths.iter().copied().max().unwrap_or_default();
        let too_long = |_| io::Error::other("a value is too long for a segment");
        u32::try_from(most).map_err(too_long)?;
        let width = u8::try_from(u64::BITS - (most - least).leading_zeros()).expect("at most 32");
        page.clear();
        page.extend_from_slice(&u32::try_from(least).map_err(too_long)?.to_le_bytes());
        page.push(width);
        pack_bits(lengths.iter().map(|length| length - least), width, &mut page);
        out.put(&page)?;
        out.put(&stored)?;
        starts.push(out.at() - at);
    }
    let starts = Numbers::write(&starts, out)?;
    let symbols = table.map(|table| Region::write(&table, out)).transpose()?;
    Ok(Values::Text { n: values.len() as u64, starts, at, symbols })
}

/// Symbols that make the values enough smaller, when there are any.
fn symbols(values: &Arena) -> Option<Compressor> {
    let step = values.len().div_ceil(SAMPLES_MAX).max(1);
    let samples: Vec<&[u8]> =
        (0..values.len()).step_by(step).map(|i| values.get(i)).filter(|v| !v.is_empty()).collect();
    let plain: usize = samples.iter().map(|value| value.len()).sum();
    if plain == 0 {
        return None;
    }
    let symbols = Compressor::train(&samples);
    let stored: usize = samples.iter().map(|value| symbols.compress(value).len()).sum();
    // The table is written once, the samples stand for all values.
    let (plain, stored) = (plain * step, stored * step + symbols.symbol_table().len() * SYMBOL_BYTES);
    if stored + plain / SAVED_MIN > plain {
        return None;
    }
    // What would not come back as it was must not be stored: the last word is ours, not the library's.
    let table = table(&symbols);
    let mut back = Vec::new();
    let sound = values.iter().all(|value| {
        back.clear();
        expand(&table, &symbols.compress(value), &mut back).is_some() && back == value
    });
    sound.then_some(symbols)
}

fn table(symbols: &Compressor) -> Vec<u8> {
    let words = symbols.symbol_table().iter().flat_map(|symbol| symbol.to_u64().to_le_bytes());
    words.chain(symbols.symbol_lengths().iter().copied()).collect()
}

/// Appends what stored bytes stand for; nothing when they do not fit the table.
fn expand(table: &[u8], stored: &[u8], into: &mut Vec<u8>) -> Option<()> {
    let (words, lengths) = table.split_at(table.len() / SYMBOL_BYTES * 8);
    let words = words.as_chunks::<8>().0;
    let mut stored = stored.iter();
    let mut end = into.len();
    // Whole words are written, of which what is behind a symbol is overwritten by the next one.
    into.resize(end + stored.len() * 8 + 8, 0);
    while let Some(code) = stored.next() {
        if *code == ESCAPE {
            into[end] = *stored.next()?;
            end += 1;
            continue;
        }
        let (word, length) = (words.get(usize::from(*code))?, lengths.get(usize::from(*code))?);
        into[end..end + 8].copy_from_slice(word);
        end += usize::from((*length).min(8));
    }
    into.truncate(end);
    Some(())
}

/// Where the values of a page are.
struct Page {
    /// The first value's offset in the file.
    at: u64,
    lengths: [u32; UNIT_LEN],
}

impl Text<'_> {
    pub(super) fn get(&self, body: &Body, ordinal: u64, into: &mut Vec<u8>) -> Result<(), Damaged> {
        let start = self.starts.get(body, ordinal / UNIT)?;
        let page = self.page(body, ordinal / UNIT, start)?;
        let i = usize::try_from(ordinal % UNIT).expect("below 128");
        let before: u64 = page.lengths[..i].iter().map(|length| u64::from(*length)).sum();
        let stored = body.read(page.at.saturating_add(before), self.len(body, page.lengths[i])?)?;
        match self.symbols {
            None => into.extend_from_slice(&stored),
            Some(symbols) => {
                expand(&symbols.read(body)?, &stored, into).ok_or_else(|| self.odd(body))?;
            }
        }
        Ok(())
    }

    pub(super) fn each(
        &self,
        body: &Body,
        range: Range<u64>,
        each: &mut impl FnMut(u64, &[u8]) -> Result<(), Damaged>,
    ) -> Result<(), Damaged> {
        let table = self.symbols.map(|symbols| symbols.read(body)).transpose()?;
        let mut value = Vec::new();
        pages(range, |part, skipped| {
            let number = part.start / UNIT;
            let start = self.starts.get(body, number)?;
            let page = self.page(body, number, start)?;
            let lengths =
                &page.lengths[..skipped + usize::try_from(part.end - part.start).expect("at most 128")];
            let sum = |lengths: &[u32]| lengths.iter().map(|length| u64::from(*length)).sum::<u64>();
            let (before, bytes) = (sum(&lengths[..skipped]), sum(&lengths[skipped..]));
            let bytes = usize::try_from(bytes).map_err(|_| self.odd(body))?;
            let stored = body.read(page.at.saturating_add(before), bytes)?;
            let mut rest = &stored[..];
            for (ordinal, length) in part.zip(&lengths[skipped..]) {
                let (stored, behind) = rest.split_at(self.len(body, *length)?);
                rest = behind;
                match &table {
                    None => each(ordinal, stored)?,
                    Some(table) => {
                        value.clear();
                        expand(table, stored, &mut value).ok_or_else(|| self.odd(body))?;
                        each(ordinal, &value)?;
                    }
                }
            }
            Ok(())
        })
    }

    fn page(&self, body: &Body, number: u64, start: u64) -> Result<Page, Damaged> {
        let at = self.at.saturating_add(start);
        let there = body.bytes().saturating_sub(at);
        let first = usize::try_from(there).map_or(FIRST_BYTES, |there| there.min(FIRST_BYTES));
        let head = body.read(at, first)?;
        let (Some(least), Some(width)) = (head.first_chunk::<4>(), head.get(4)) else {
            return Err(self.odd(body));
        };
        if *width > WIDTH_MAX {
            return Err(self.odd(body));
        }
        let least = u32::from_le_bytes(*least);
        let count = usize::try_from((self.n - number * UNIT).min(UNIT)).expect("at most 128");
        let bytes = (count * usize::from(*width)).div_ceil(8);
        let longer;
        let packed = match head.get(HEAD_BYTES..HEAD_BYTES + bytes) {
            Some(packed) => packed,
            None => {
                longer = body.read(at.saturating_add(HEAD_BYTES as u64), bytes)?;
                &longer
            }
        };
        let mut padded = [0; UNIT_LEN * 4 + PADDING_BYTES];
        padded[..bytes].copy_from_slice(packed);
        let mut lengths = [0; UNIT_LEN];
        unpack_u32s(&padded, *width, least, false, &mut lengths);
        Ok(Page { at: at.saturating_add((HEAD_BYTES + bytes) as u64), lengths })
    }

    fn len(&self, body: &Body, length: u32) -> Result<usize, Damaged> {
        usize::try_from(length).map_err(|_| self.odd(body))
    }

    #[cold]
    fn odd(&self, body: &Body) -> Damaged {
        body.damaged(self.at, "a page of values is malformed")
    }
}
