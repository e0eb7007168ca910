//! SHA-256 as RFC 6962, section 2.1 uses it.
//!
//! ```text
//! leaf   SHA-256(0x00 || entry)
//! node   SHA-256(0x01 || left || right)
//! empty  SHA-256()
//! ```
//!
//! Most messages here are shorter than three blocks, so they are padded on the stack and handed to
//! the compression function at once; only longer ones go through the streaming hasher.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::block_api::compress256;
use sha2::{Digest as _, Sha256};

/// Bytes in a hash.
pub const HASH_BYTES: usize = 32;

/// A SHA-256 value: of a leaf, a node, a root, a unit or a commitment.
///
/// Displays and parses as 64 hexadecimal digits (lower case when written, either case when read).
#[derive(Copy, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; HASH_BYTES]);

impl Hash {
    /// Adds `other` bit by bit, modulo two.
    pub(crate) fn xor_in_place(&mut self, other: &Hash) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine ^= theirs;
        }
    }

    /// Standard base64 with padding, 44 characters: the form of checkpoints and proofs.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// Reads what [`Hash::to_base64`] writes, and nothing else.
    ///
    /// # Errors
    ///
    /// [`ParseHashError`] when `text` is not the canonical base64 of exactly 32 bytes.
    pub fn from_base64(text: &str) -> Result<Hash, ParseHashError> {
        let bytes = STANDARD.decode(text).map_err(|_| ParseHashError)?;
        Ok(Hash(bytes.try_into().map_err(|_| ParseHashError)?))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The first four bytes: enough to tell hashes apart in a failing test.
impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "Hash({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// The text is not a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hash must be 32 bytes: 64 hexadecimal digits, or 44 characters of padded base64")]
pub struct ParseHashError;

impl FromStr for Hash {
    type Err = ParseHashError;

    fn from_str(text: &str) -> Result<Hash, ParseHashError> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != HASH_BYTES || !rest.is_empty() {
            return Err(ParseHashError);
        }
        let mut hash = Hash::default();
        for (byte, [high, low]) in hash.0.iter_mut().zip(pairs) {
            *byte = hex_digit(*high)? << 4 | hex_digit(*low)?;
        }
        Ok(hash)
    }
}

fn hex_digit(digit: u8) -> Result<u8, ParseHashError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(ParseHashError),
    }
}

/// The leaf hash of an entry: SHA-256(0x00 || `entry`).
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    tagged(0x00, &[entry])
}

/// The hash of an inner node: SHA-256(0x01 || `left` || `right`).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut blocks = [0; 128];
    blocks[0] = 0x01;
    blocks[1..33].copy_from_slice(&left.0);
    blocks[33..65].copy_from_slice(&right.0);
    finish(&mut blocks, 65)
}

/// The root of a tree without leaves: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Hash {
    finish(&mut [0; 64], 0)
}

/// SHA-256(`tag` || parts).
pub(crate) fn tagged(tag: u8, parts: &[&[u8]]) -> Hash {
    // A message of so many blocks leaves nine bytes for its padding.
    match 1 + parts.iter().map(|part| part.len()).sum::<usize>() {
        0..=55 => on_stack::<64>(tag, parts),
        56..=119 => on_stack::<128>(tag, parts),
        120..=247 => on_stack::<256>(tag, parts),
        _ => {
            let mut hasher = Sha256::new_with_prefix([tag]);
            parts.iter().for_each(|part| hasher.update(part));
            Hash(hasher.finalize().into())
        }
    }
}

#[inline]
fn on_stack<const BYTES: usize>(tag: u8, parts: &[&[u8]]) -> Hash {
    let mut blocks = [0; BYTES];
    blocks[0] = tag;
    let mut end = 1;
    for part in parts {
        blocks[end..end + part.len()].copy_from_slice(part);
        end += part.len();
    }
    finish(&mut blocks, end)
}

/// SHA-256(`head` || `name` || `value`), for heads that are always as long: each copy then is of a known length or is needed.
#[inline]
pub(crate) fn headed<const HEAD: usize>(head: &[u8; HEAD], name: &[u8], value: &[u8]) -> Hash {
    #[inline]
    fn short<const HEAD: usize, const BYTES: usize>(head: &[u8; HEAD], name: &[u8], value: &[u8]) -> Hash {
        let mut blocks = [0; BYTES];
        blocks[..HEAD].copy_from_slice(head);
        let (named, end) = (HEAD + name.len(), HEAD + name.len() + value.len());
        blocks[HEAD..named].copy_from_slice(name);
        blocks[named..end].copy_from_slice(value);
        finish(&mut blocks, end)
    }
    match HEAD + name.len() + value.len() {
        0..=55 => short::<HEAD, 64>(head, name, value),
        56..=119 => short::<HEAD, 128>(head, name, value),
        120..=247 => short::<HEAD, 256>(head, name, value),
        _ => {
            let mut hasher = Sha256::new_with_prefix(head);
            hasher.update(name);
            hasher.update(value);
            Hash(hasher.finalize().into())
        }
    }
}

/// SHA-256 of one long message.
pub(crate) fn sha256(message: &[u8]) -> Hash {
    Hash(Sha256::digest(message).into())
}

/// SHA-256 of the first `length` bytes of `blocks`, which must be zero from there on and have room
/// for nine bytes of padding.
#[inline]
pub(crate) fn finish(blocks: &mut [u8], length: usize) -> Hash {
    let end = (length + 9).next_multiple_of(64);
    pad(&mut blocks[..end], length);
    padded(blocks[..end].as_chunks().0)
}

/// Pads a message of `length` bytes that ends with `blocks`, zero behind it.
#[inline]
pub(crate) fn pad(blocks: &mut [u8], length: usize) {
    let end = blocks.len();
    blocks[length] = 0x80;
    blocks[end - 8..].copy_from_slice(&(length as u64 * 8).to_be_bytes());
}

/// FIPS 180-4, section 5.3.3.
pub(crate) const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// SHA-256 of a message that was padded.
#[inline]
pub(crate) fn padded(blocks: &[[u8; 64]]) -> Hash {
    let mut state = INITIAL;
    compress256(&mut state, blocks);
    of_state(state)
}

#[inline]
pub(crate) fn of_state(state: [u32; 8]) -> Hash {
    let mut hash = Hash::default();
    for (bytes, word) in hash.0.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    hash
}

#[cfg(test)]
mod tests;
