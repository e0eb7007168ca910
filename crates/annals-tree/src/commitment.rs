//! The commitment of an event: one salted digest for each of its units, and one hash over them.
//!
//! ```text
//! salt_i = half (i mod 2) of SHA-256(0x03 || secret || u32 i/2)
//! d_i    = SHA-256(0x04 || salt_i || u16 len(name) || name || value)
//! C      = SHA-256(0x05 || u32 n || d_0 || … || d_{n-1})
//! ```
//!
//! Integers are big-endian; `i/2` rounds down; half 0 is the first 16 bytes. A unit is a JSON
//! Pointer and the minified JSON it stands for; which units an event has is for the caller (and for
//! `docs/reference/commitment.md`) to say, here names and values are bytes.
//!
//! Whoever lacks a unit's salt learns nothing from its digest, so a unit can leave with its salt
//! while the digest stays and the event keeps verifying.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use crate::hash::{self, HASH_BYTES, Hash};
#[cfg(any(test, all(target_arch = "wasm32", target_feature = "simd128")))]
use crate::lanes::Lanes;
use crate::secret::Secret;

/// What keeps one unit's value from being guessed; disclosed together with the value.
pub type Salt = [u8; SALT_BYTES];

/// Bytes in a [`Salt`].
pub const SALT_BYTES: usize = 16;

/// Longest name of a unit in bytes.
pub const UNIT_NAME_BYTES_MAX: usize = u16::MAX as usize;

/// A unit's name does not fit its 16-bit length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unit: a name of {bytes} bytes, at most {UNIT_NAME_BYTES_MAX} fit")]
pub struct NameTooLong {
    /// How long it is.
    pub bytes: usize,
}

/// The salt of unit `index` of the event with this secret.
#[must_use]
pub fn salt(secret: &Secret, index: u32) -> Salt {
    half(&salt_pair(secret, index / 2), index)
}

/// The digest of one unit.
///
/// # Errors
///
/// [`NameTooLong`] when `name` has more than [`UNIT_NAME_BYTES_MAX`] bytes.
pub fn unit_digest(salt: &Salt, name: &[u8], value: &[u8]) -> Result<Hash, NameTooLong> {
    let length = u16::try_from(name.len()).map_err(|_| NameTooLong { bytes: name.len() })?;
    let mut head = [0x04; 1 + SALT_BYTES + 2];
    head[1..=SALT_BYTES].copy_from_slice(salt);
    head[1 + SALT_BYTES..].copy_from_slice(&length.to_be_bytes());
    Ok(hash::headed(&head, name, value))
}

/// The commitment over the digests of all units, in order.
///
/// # Panics
///
/// With 2³² digests or more, which no event that fits in memory has.
#[must_use]
pub fn commitment(digests: &[Hash]) -> Hash {
    let mut message = header();
    message.reserve_exact(digests.len() * HASH_BYTES);
    message.extend(digests.iter().flat_map(|digest| digest.0));
    close(&mut message)
}

/// Makes the commitments of many events, one after the other, without allocating for each.
///
/// ```
/// use annals_tree::{Committer, Secret};
///
/// let mut committer = Committer::new(&Secret::from_bytes([7; 16]));
/// committer.unit(b"", br#"{"action":"video.update"}"#)?;
/// committer.unit(b"/actor/id", br#""usr_1""#)?;
/// let first = committer.finish();
///
/// committer.reset(&Secret::from_bytes([8; 16]));
/// committer.unit(b"", br#"{"action":"video.update"}"#)?;
/// committer.unit(b"/actor/id", br#""usr_1""#)?;
/// assert_ne!(committer.finish(), first);
/// # Ok::<(), annals_tree::commitment::NameTooLong>(())
/// ```
pub struct Committer {
    secret: Secret,
    /// The message hashed into the commitment: tag, room for the count, the digests so far.
    message: Vec<u8>,
    units: u32,
    /// The salts of the pair that was needed last, and which pair that is.
    pair: Zeroizing<[u8; 2 * SALT_BYTES]>,
    pair_index: Option<u32>,
}

impl Committer {
    /// Starts the first event.
    #[must_use]
    pub fn new(secret: &Secret) -> Committer {
        Committer {
            secret: secret.clone(),
            message: {
                let mut message = header();
                message.reserve(DIGESTS * HASH_BYTES);
                message
            },
            units: 0,
            pair: Zeroizing::default(),
            pair_index: None,
        }
    }

    /// Forgets the event at hand and starts another.
    pub fn reset(&mut self, secret: &Secret) {
        self.secret.clone_from(secret);
        self.message.truncate(HEADER_BYTES);
        self.units = 0;
        self.pair_index = None;
    }

    /// Adds the next unit: its name, a JSON Pointer, and the bytes of its value.
    ///
    /// # Errors
    ///
    /// [`NameTooLong`]; the unit was not added.
    pub fn unit(&mut self, name: &[u8], value: &[u8]) -> Result<(), NameTooLong> {
        let digest = unit_digest(&self.next_salt(), name, value)?;
        self.digest(&digest);
        Ok(())
    }

    /// Adds the next units, in order, each with its name and its value.
    ///
    /// # Errors
    ///
    /// [`NameTooLong`]; how many were added until then is not said, so this event comes to nothing.
    pub fn units<'u>(
        &mut self,
        units: impl Iterator<Item = (&'u [u8], &'u [u8])> + Clone,
    ) -> Result<(), NameTooLong> {
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        return self.units_in_lanes(units);
        #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
        {
            let mut units = units;
            units.try_for_each(|(name, value)| self.unit(name, value))
        }
    }

    /// As [`Committer::units`], four hashes at a time.
    #[cfg(any(test, all(target_arch = "wasm32", target_feature = "simd128")))]
    fn units_in_lanes<'u>(
        &mut self,
        units: impl Iterator<Item = (&'u [u8], &'u [u8])> + Clone,
    ) -> Result<(), NameTooLong> {
        let count = units.clone().count();
        let mut lanes = Lanes::with_room(count);
        let count = u32::try_from(count).expect("4 billion units fill 137 GB");
        let (first, end) = (self.units, self.units + count);
        // Pairs of salts, the first of which may be only half needed.
        let pairs = first / 2..end.div_ceil(2);
        let mut salts = Zeroizing::new(vec![[0; 2 * SALT_BYTES]; pairs.len()]);
        for (at, pair) in pairs.enumerate() {
            lanes.add(at, &[&[0x03], self.secret.as_bytes(), &pair.to_be_bytes()]);
        }
        lanes.finish(|at, hash| salts[at] = hash.0);
        let salts: &[Salt] = salts.as_flattened().as_chunks().0;
        let skipped = usize::from(!first.is_multiple_of(2));
        for (at, ((name, value), salt)) in units.zip(&salts[skipped..]).enumerate() {
            let length = u16::try_from(name.len()).map_err(|_| NameTooLong { bytes: name.len() })?;
            lanes.add(at, &[&[0x04], salt, &length.to_be_bytes(), name, value]);
        }
        let from = self.message.len();
        self.message.resize(from + count as usize * HASH_BYTES, 0);
        let digests = self.message[from..].as_chunks_mut::<HASH_BYTES>().0;
        lanes.finish(|at, hash| digests[at] = hash.0);
        self.units = end;
        Ok(())
    }

    /// Adds the next unit by its digest, when its value is withheld or erased.
    pub fn digest(&mut self, digest: &Hash) {
        self.message.extend_from_slice(&digest.0);
        self.units += 1;
    }

    /// The salt of the unit to be added next.
    pub fn next_salt(&mut self) -> Salt {
        let pair_index = self.units / 2;
        if self.pair_index != Some(pair_index) {
            *self.pair = salt_pair(&self.secret, pair_index);
            self.pair_index = Some(pair_index);
        }
        half(&self.pair, self.units)
    }

    /// The digests added so far, 32 bytes each.
    #[must_use]
    pub fn digests(&self) -> &[[u8; HASH_BYTES]] {
        self.message[HEADER_BYTES..].as_chunks().0
    }

    /// The commitment over the units added. [`Committer::reset`] before the next event.
    pub fn finish(&mut self) -> Hash {
        close(&mut self.message)
    }
}

/// Shows no salt.
impl fmt::Debug for Committer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Committer").field("units", &self.units).finish_non_exhaustive()
    }
}

/// Digests for which a [`Committer`] has room at first.
const DIGESTS: usize = 32;

/// Bytes before the first digest: the tag and the count.
const HEADER_BYTES: usize = 5;

fn header() -> Vec<u8> {
    vec![0x05, 0, 0, 0, 0]
}

/// Writes the count into `message` and hashes it.
fn close(message: &mut [u8]) -> Hash {
    let count =
        u32::try_from((message.len() - HEADER_BYTES) / HASH_BYTES).expect("4 billion digests fill 137 GB");
    message[1..HEADER_BYTES].copy_from_slice(&count.to_be_bytes());
    hash::sha256(message)
}

/// The salts of units `2 * pair` and `2 * pair + 1`.
fn salt_pair(secret: &Secret, pair: u32) -> [u8; 2 * SALT_BYTES] {
    let mut block = [0; 64];
    block[0] = 0x03;
    block[1..17].copy_from_slice(secret.as_bytes());
    block[17..21].copy_from_slice(&pair.to_be_bytes());
    hash::finish(&mut block, 21).0
}

fn half(pair: &[u8; 2 * SALT_BYTES], index: u32) -> Salt {
    let halves: &[Salt] = pair.as_chunks().0;
    if index.is_multiple_of(2) { halves[0] } else { halves[1] }
}

#[cfg(test)]
mod tests;
