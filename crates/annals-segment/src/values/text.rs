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

use bytes::{Buf, Bytes};
use fsst::Compressor;

use super::near::{Near, PageOf};
use super::{Arena, Region, Values, pages};
use crate::Damaged;
use crate::body::{Body, PADDING_BYTES, Writer};
use crate::numbers::{Numbers, UNIT, UNIT_LEN, pack_bits, unpack_u32s};

/// Bytes of a page before its lengths.
const HEAD_BYTES: usize = 5;
/// Most bits of a length.
const WIDTH_MAX: u8 = 32;
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
    let coded = coded(values);
    let stored = coded.as_ref().map_or(values, |(_, stored)| stored);
    let at = out.at();
    let mut starts = vec![0];
    let (mut lengths, mut page) = (Vec::new(), Vec::new());
    for first in (0..stored.len()).step_by(UNIT_LEN) {
        let range = first..stored.len().min(first + UNIT_LEN);
        lengths.clear();
        lengths.extend(range.clone().map(|i| stored.get(i).len() as u64));
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
        for i in range {
            out.put(stored.get(i))?;
        }
        starts.push(out.at() - at);
    }
    let starts = Numbers::write(&starts, out)?;
    let symbols = coded.map(|(table, _)| Region::write(&table, out)).transpose()?;
    Ok(Values::Text { n: values.len() as u64, starts, at, symbols })
}

/// A table of symbols and the values coded with it, where that makes them enough smaller.
fn coded(values: &Arena) -> Option<(Vec<u8>, Arena)> {
    let step = values.len().div_ceil(SAMPLES_MAX).max(1);
    let samples = (0..values.len()).step_by(step).map(|i| values.get(i));
    let samples: Vec<&[u8]> = samples.filter(|value| !value.is_empty()).collect();
    let plain: usize = samples.iter().map(|value| value.len()).sum();
    if plain == 0 {
        return None;
    }
    let symbols = Compressor::train(&samples);
    let table = table(&symbols);
    let stored: usize = samples.iter().map(|value| symbols.compress(value).len()).sum();
    // The table is written once, the samples stand for all values.
    let (plain, stored) = (plain * step, stored * step + table.len());
    if stored + plain / SAVED_MIN > plain {
        return None;
    }
    let (mut stored, mut back, written) = (Arena::new(), Vec::new(), Symbols::of(&table));
    for value in values.iter() {
        let bytes = symbols.compress(value);
        // What would not come back as it was must not be stored: the last word is ours, not the library's.
        back.clear();
        written.expand(&bytes, &mut back).filter(|()| back == value)?;
        stored.push(&bytes);
    }
    Some((table, stored))
}

fn table(symbols: &Compressor) -> Vec<u8> {
    let words = symbols.symbol_table().iter().flat_map(|symbol| symbol.to_u64().to_le_bytes());
    words.chain(symbols.symbol_lengths().iter().copied()).collect()
}

/// A table of symbols, one for each code.
pub(super) struct Symbols {
    words: [[u8; 8]; 256],
    /// How many bytes of its word a code stands for; more than there are for codes that stand for nothing.
    lengths: [u8; 256],
}

impl Symbols {
    /// A length that no symbol has.
    const NONE: u8 = u8::MAX;

    fn of(table: &[u8]) -> Box<Self> {
        let (words, lengths) = table.split_at(table.len() / SYMBOL_BYTES * 8);
        let mut symbols = Box::new(Self { words: [[0; 8]; 256], lengths: [Self::NONE; 256] });
        for (own, word) in symbols.words.iter_mut().zip(words.as_chunks::<8>().0) {
            *own = *word;
        }
        for (own, length) in symbols.lengths.iter_mut().zip(&lengths[..words.len() / 8]) {
            *own = (*length).min(8);
        }
        symbols.lengths[usize::from(ESCAPE)] = Self::NONE;
        symbols
    }

    /// Appends what stored bytes stand for; nothing when they do not fit the table.
    fn expand(&self, stored: &[u8], into: &mut Vec<u8>) -> Option<()> {
        /// Bytes that are put together before they are appended.
        const PIECE_BYTES: usize = 120;
        let mut stored = stored.iter();
        // Whole words are written, of which what is behind a symbol is overwritten by the next one.
        let mut piece = [0; PIECE_BYTES + 8];
        let mut end = 0;
        while let Some(code) = stored.next() {
            if end >= PIECE_BYTES {
                into.extend_from_slice(&piece[..end]);
                end = 0;
            }
            let length = self.lengths[usize::from(*code)];
            if length == Self::NONE {
                if *code != ESCAPE {
                    return None;
                }
                piece[end] = *stored.next()?;
                end += 1;
                continue;
            }
            piece[end..end + 8].copy_from_slice(&self.words[usize::from(*code)]);
            end += usize::from(length);
        }
        into.extend_from_slice(&piece[..end]);
        Some(())
    }
}

/// Where the values of a page are.
struct Page {
    /// The first value's offset in the file.
    at: u64,
    lengths: [u32; UNIT_LEN],
    /// As many bytes of the values as stand in the block in which the page begins.
    first: Bytes,
}

impl Page {
    /// Stored bytes of its values.
    fn stored(&self, body: &Body, from: u64, len: usize) -> Result<Bytes, Damaged> {
        let there = usize::try_from(from).ok().and_then(|from| Some(from..from.checked_add(len)?));
        match there.filter(|there| there.end <= self.first.len()) {
            Some(there) => Ok(self.first.slice(there)),
            None => body.read(self.at.saturating_add(from), len),
        }
    }
}

impl Text<'_> {
    pub(super) fn get(
        &self,
        near: &mut Near,
        body: &Body,
        ordinal: u64,
        into: &mut Vec<u8>,
    ) -> Result<(), Damaged> {
        let start = near.places.get(self.starts, body, ordinal / UNIT)?;
        let page = self.page(body, ordinal / UNIT, start)?;
        let i = usize::try_from(ordinal % UNIT).expect("below 128");
        let before: u64 = page.lengths[..i].iter().map(|length| u64::from(*length)).sum();
        let stored = page.stored(body, before, self.len(body, page.lengths[i])?)?;
        match self.symbols {
            None => into.extend_from_slice(&stored),
            Some(symbols) => {
                let symbols = match &mut near.symbols {
                    Some(symbols) => symbols,
                    none => none.insert(Symbols::of(&symbols.read(body)?)),
                };
                symbols.expand(&stored, into).ok_or_else(|| self.odd(body))?;
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
        let table = table.map(|table| Symbols::of(&table));
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
            let stored = page.stored(body, before, bytes)?;
            let mut rest = &stored[..];
            for (ordinal, length) in part.zip(&lengths[skipped..]) {
                let (stored, behind) = rest.split_at(self.len(body, *length)?);
                rest = behind;
                match &table {
                    None => each(ordinal, stored)?,
                    Some(table) => {
                        value.clear();
                        table.expand(stored, &mut value).ok_or_else(|| self.odd(body))?;
                        each(ordinal, &value)?;
                    }
                }
            }
            Ok(())
        })
    }

    /// Gives all values, page by page.
    pub(super) fn each_page(
        &self,
        body: &Body,
        each: &mut dyn FnMut(u64, &PageOf) -> Result<(), Damaged>,
    ) -> Result<(), Damaged> {
        let table = self.symbols.map(|symbols| symbols.read(body)).transpose()?;
        let table = table.map(|table| Symbols::of(&table));
        let mut values = PageOf::default();
        pages(0..self.n, |part, _| {
            let start = self.starts.get(body, part.start / UNIT)?;
            let page = self.page(body, part.start / UNIT, start)?;
            let lengths = &page.lengths[..usize::try_from(part.end - part.start).expect("at most 128")];
            let bytes: u64 = lengths.iter().map(|length| u64::from(*length)).sum();
            let stored = page.stored(body, 0, usize::try_from(bytes).map_err(|_| self.odd(body))?)?;
            let mut rest = &stored[..];
            values.clear();
            for length in lengths {
                let (stored, behind) = rest.split_at(self.len(body, *length)?);
                rest = behind;
                match &table {
                    None => values.push(stored),
                    Some(table) => {
                        values.push_with(|into| table.expand(stored, into)).ok_or_else(|| self.odd(body))?
                    }
                }
            }
            each(part.start, &values)
        })
    }

    fn page(&self, body: &Body, number: u64, start: u64) -> Result<Page, Damaged> {
        let at = self.at.saturating_add(start);
        let mut head = body.rest(at)?;
        if head.len() < HEAD_BYTES {
            head = body.read(at, HEAD_BYTES)?;
        }
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
        let values = (HEAD_BYTES + bytes).min(head.len());
        let at = at.saturating_add((HEAD_BYTES + bytes) as u64);
        head.advance(values);
        Ok(Page { at, lengths, first: head })
    }

    fn len(&self, body: &Body, length: u32) -> Result<usize, Damaged> {
        usize::try_from(length).map_err(|_| self.odd(body))
    }

    #[cold]
    fn odd(&self, body: &Body) -> Damaged {
        body.damaged(self.at, "a page of values is malformed")
    }
}
