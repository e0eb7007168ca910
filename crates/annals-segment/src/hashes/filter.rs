//! A blocked Bloom filter over 64-bit hashes: one line of 64 bytes a key.

use std::io;

use serde::{Deserialize, Serialize};

use crate::Damaged;
use crate::body::{Body, Writer};

/// Bytes of a line.
const LINE_BYTES: u64 = 64;
/// Bits of a line.
const LINE_BITS: u64 = LINE_BYTES * 8;
/// Bits of a key, on average.
const KEY_BITS: u64 = 10;
/// Bits that a key sets.
const PROBES: u32 = 7;

/// Says of a hash that it is surely not there, or may be. About one in a hundred that are not there may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    lines: u64,
    at: u64,
}

/// A [`Filter`] in memory.
#[derive(Clone, Debug)]
pub struct LoadedFilter {
    lines: Box<[[u64; 8]]>,
}

impl Filter {
    /// Writes a filter of these hashes.
    ///
    /// # Errors
    ///
    /// What the writer says.
    pub fn write<W: io::Write>(
        hashes: impl ExactSizeIterator<Item = u64>,
        out: &mut Writer<W>,
    ) -> io::Result<Self> {
        let lines = (hashes.len() as u64 * KEY_BITS).div_ceil(LINE_BITS);
        let too_many = |_| io::Error::other("too many keys for a filter");
        let mut bits = vec![[0_u64; 8]; usize::try_from(lines).map_err(too_many)?];
        for hash in hashes {
            let line = &mut bits[place(hash, lines)];
            for (word, bit) in line.iter_mut().zip(pattern(hash)) {
                *word |= bit;
            }
        }
        let at = out.align(LINE_BYTES)?;
        for word in bits.iter().flatten() {
            out.put(&word.to_le_bytes())?;
        }
        Ok(Self { lines, at })
    }

    #[cfg(test)]
    pub(super) fn of(lines: u64, at: u64) -> Self {
        Self { lines, at }
    }

    /// Whether the hash may be there.
    ///
    /// # Errors
    ///
    /// When the bytes of the filter are damaged.
    pub fn may_contain(&self, body: &Body, hash: u64) -> Result<bool, Damaged> {
        if self.lines == 0 {
            return Ok(false);
        }
        let at = self.at.saturating_add((place(hash, self.lines) as u64).saturating_mul(LINE_BYTES));
        let bytes = body.read(at, 64)?;
        Ok(covers(&line(&bytes), hash))
    }

    /// Reads the whole filter.
    ///
    /// # Errors
    ///
    /// When its bytes are damaged.
    pub fn load(&self, body: &Body) -> Result<LoadedFilter, Damaged> {
        let len = usize::try_from(self.lines.saturating_mul(LINE_BYTES));
        let bytes = body.read(self.at, len.map_err(|_| body.damaged(self.at, "the filter is too large"))?)?;
        Ok(LoadedFilter { lines: bytes.chunks_exact(64).map(line).collect() })
    }
}

impl LoadedFilter {
    /// Whether the hash may be there.
    #[must_use]
    pub fn may_contain(&self, hash: u64) -> bool {
        !self.lines.is_empty() && covers(&self.lines[place(hash, self.lines.len() as u64)], hash)
    }

    /// Bytes it takes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        std::mem::size_of_val(&*self.lines)
    }
}

/// The line of a hash; `lines` is not 0.
fn place(hash: u64, lines: u64) -> usize {
    usize::try_from((u128::from(hash) * u128::from(lines)) >> 64).unwrap_or(usize::MAX)
}

/// The bits of a line that a hash sets.
fn pattern(hash: u64) -> [u64; 8] {
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut words = [0; 8];
    for probe in 0..PROBES {
        let bit = (mixed >> (9 * probe)) & (LINE_BITS - 1);
        words[usize::try_from(bit / 64).expect("below 8")] |= 1 << (bit % 64);
    }
    words
}

fn covers(line: &[u64; 8], hash: u64) -> bool {
    line.iter().zip(pattern(hash)).all(|(word, bits)| word & bits == bits)
}

/// The line in 64 bytes.
fn line(bytes: &[u8]) -> [u64; 8] {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_le_bytes(*bytes.first_chunk().expect("a chunk of 8"));
    }
    words
}
