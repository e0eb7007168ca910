//! From a value to its ordinal, and whether a value is there at all.
//!
//! # The index
//!
//! Entries are sorted by hash. The highest `bits` bits of a hash are its *bucket*; `starts` says for each bucket how many
//! entries stand before it, and has one more at the end. The 16 bits of the hash behind those of the bucket are the entry's
//! *remainder*; remainders are u16 little-endian, one behind the other from `at`. `ordinals` has an entry's ordinal. What is
//! found this way is only likely: the value itself has to be compared.
//!
//! # The filter
//!
//! `lines` lines of 64 bytes from `at`, a multiple of 64. A hash h belongs to line (h × lines) >> 64. With
//! m = (h ^ (h >> 32)) × 0x9e3779b97f4a7c15 mod 2^64, bits 9k to 9k+8 of m for k = 0 to 6, numbered from the lowest, say which
//! seven bits of the line are set: bit b of the line is bit b mod 8 of its byte b / 8.

use std::io;

use serde::{Deserialize, Serialize};

use crate::Damaged;
use crate::body::{Body, Writer};
use crate::numbers::{Group, Numbers, UNIT_LEN};

mod filter;

pub use filter::{Filter, LoadedFilter};

/// Entries of a bucket, on average: at most.
const BUCKET_ENTRIES: u64 = 8;
/// Most bits of a bucket's number, so that a remainder always has its 16 bits.
const BUCKET_BITS_MAX: u8 = 40;

/// The hash of a value: 64-bit XXH3 with the segment's seed.
#[must_use]
pub fn hash(seed: u64, bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(bytes, seed)
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashIndex {
    bits: u8,
    starts: Numbers,
    at: u64,
    ordinals: Numbers,
}

impl HashIndex {
    /// Writes an index of hashes; their places in the slice are the ordinals.
    ///
    /// # Errors
    ///
    /// What the writer says.
    pub fn write<W: io::Write>(hashes: &[u64], out: &mut Writer<W>) -> io::Result<Self> {
        let mut entries: Vec<(u64, u64)> = hashes.iter().copied().zip(0..).collect();
        entries.sort_unstable();
        let mut bits = 0;
        while bits < BUCKET_BITS_MAX && (entries.len() as u64) >> bits > BUCKET_ENTRIES {
            bits += 1;
        }
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        for (i, (hash, _)) in entries.iter().enumerate() {
            // Every bucket up to this entry's that has not begun begins here.
            while starts.len() as u64 <= bucket(*hash, bits) {
                starts.push(i as u64);
            }
        }
        starts.resize((1 << bits) + 1, entries.len() as u64);
        let starts = Numbers::write(&starts, out)?;
        let at = out.at();
        for (hash, _) in &entries {
            out.put(&remainder(*hash, bits).to_le_bytes())?;
        }
        let ordinals: Vec<u64> = entries.into_iter().map(|(_, ordinal)| ordinal).collect();
        let ordinals = Numbers::write(&ordinals, out)?;
        Ok(Self { bits, starts, at, ordinals })
    }

    /// Entries.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ordinals.len()
    }

    /// Has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ordinals of the values that may have this hash, rising; the values have to be compared.
    ///
    /// # Errors
    ///
    /// When the bytes of the index are damaged.
    pub fn candidates(&self, body: &Body, hash: u64) -> Result<Vec<u64>, Damaged> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        if self.bits > BUCKET_BITS_MAX {
            return Err(body.damaged(self.at, "its buckets have too many bits"));
        }
        let entries = self.starts.span(body, bucket(hash, self.bits))?;
        if entries.end > self.len() {
            return Err(body.damaged(self.at, "a bucket ends behind the last entry"));
        }
        let len = usize::try_from((entries.end - entries.start).saturating_mul(2))
            .map_err(|_| body.damaged(self.at, "a bucket is too large"))?;
        let remainders = body.read(self.at.saturating_add(entries.start.saturating_mul(2)), len)?;
        let wanted = remainder(hash, self.bits).to_le_bytes();
        let mut found = Vec::new();
        for (entry, remainder) in entries.zip(remainders.chunks_exact(2)) {
            if remainder == wanted {
                found.push(self.ordinals.get(body, entry)?);
            }
        }
        found.sort_unstable();
        Ok(found)
    }
}

/// An index that was read whole, for whoever looks for all that is in it.
pub(crate) struct LoadedIndex {
    bits: u8,
    starts: Vec<u32>,
    remainders: Vec<u16>,
    ordinals: Vec<u32>,
}

impl HashIndex {
    /// Reads the whole index. `None` when it has more than `most` entries, or some of it is not what was written.
    pub(crate) fn load(&self, body: &Body, most: u64) -> Option<LoadedIndex> {
        // A bucket has some entries, so there are no more of them.
        let buckets = (self.bits <= BUCKET_BITS_MAX).then(|| 1_u64 << self.bits)?;
        if self.len() > most || buckets > most || self.starts.len() != buckets + 1 {
            return None;
        }
        let len = usize::try_from(self.len().checked_mul(2)?).ok()?;
        let remainders = body.read(self.at, len).ok()?;
        Some(LoadedIndex {
            bits: self.bits,
            starts: whole(&self.starts, body)?,
            remainders: remainders.as_chunks().0.iter().copied().map(u16::from_le_bytes).collect(),
            ordinals: whole(&self.ordinals, body)?,
        })
    }
}

impl LoadedIndex {
    /// Whether an ordinal is among the [candidates](HashIndex::candidates) of a hash.
    pub(crate) fn has(&self, hash: u64, ordinal: u32) -> bool {
        let at = usize::try_from(bucket(hash, self.bits)).unwrap_or(usize::MAX);
        let (Some(start), Some(end)) = (self.starts.get(at), self.starts.get(at.saturating_add(1))) else {
            return false;
        };
        let entries = *start as usize..*end as usize;
        let (Some(remainders), Some(ordinals)) =
            (self.remainders.get(entries.clone()), self.ordinals.get(entries))
        else {
            return false;
        };
        let wanted = remainder(hash, self.bits);
        remainders.iter().zip(ordinals).any(|(other, of)| *other == wanted && *of == ordinal)
    }
}

/// All numbers of a list, of which the caller knows that it is not too long; `None` when some are not what was written.
pub(crate) fn whole(numbers: &Numbers, body: &Body) -> Option<Vec<u32>> {
    let mut all = Vec::with_capacity(usize::try_from(numbers.len()).ok()?);
    let (mut group, mut unit) = (Group::default(), [0; UNIT_LEN]);
    for number in 0..numbers.units() {
        let len = numbers.unit_u32_of(&mut group, body, number, &mut unit).ok()?;
        all.extend_from_slice(&unit[..len]);
    }
    Some(all)
}

fn bucket(hash: u64, bits: u8) -> u64 {
    hash.checked_shr(64 - u32::from(bits)).unwrap_or(0)
}

fn remainder(hash: u64, bits: u8) -> u16 {
    u16::try_from((hash << bits) >> 48).expect("16 bits are left")
}

#[cfg(test)]
mod tests;
