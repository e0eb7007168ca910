//! Checking inclusion and consistency, and the C2SP `tlog-proof` text.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64>                 only when there is extra data
//! index <decimal>
//! <base64 hash>                  from the leaf's sibling up, none in a tree of one
//!
//! <checkpoint, verbatim>
//! ```

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::{Hash, empty_root, node_hash};
use crate::note::{NOTE_BYTES_MAX, VerifierKey};

/// Most hashes a proof in a tree of fewer than 2^64 leaves can have.
pub const PROOF_HASHES_MAX: usize = 64;

/// Most characters of a `.tlog-proof`: one note, the path, and as much again for extra data.
pub const TLOG_PROOF_BYTES_MAX: usize = 2 * NOTE_BYTES_MAX;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// A proof does not show what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// There is no such leaf.
    #[error("proof: position {position} is not in a tree of {size}")]
    Position {
        /// The position asked about.
        position: u64,
        /// The tree's size.
        size: u64,
    },
    /// The later tree has fewer leaves than the earlier.
    #[error("proof: a tree of {from} cannot have become one of {to}")]
    Order {
        /// The earlier size.
        from: u64,
        /// The later size.
        to: u64,
    },
    /// Not as many hashes as these sizes need.
    #[error("proof: {0} hashes, more or fewer than these sizes need")]
    Length(usize),
    /// The hashes lead to a root other than the one given.
    #[error("proof: does not lead to the root")]
    Root,
    /// The hashes do not start from the earlier root.
    #[error("proof: does not start from the earlier root")]
    FromRoot,
}

/// Checks that `leaf` is at `position` of the tree with this size and root (RFC 6962, 2.1.1).
///
/// # Errors
///
/// A [`ProofError`]; `Ok` is the only proof.
pub fn verify_inclusion(
    leaf: &Hash,
    position: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if position >= size {
        return Err(ProofError::Position { position, size });
    }
    let mut hash = *leaf;
    let mut place = position;
    let mut last = size - 1;
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::Length(proof.len()));
        }
        if place & 1 == 1 {
            hash = node_hash(sibling, &hash);
        } else if place < last {
            hash = node_hash(&hash, sibling);
        } else {
            // The right edge: levels where it has no sibling are skipped.
            let skipped = place.trailing_zeros();
            place >>= skipped;
            last >>= skipped;
            hash = node_hash(sibling, &hash);
        }
        place >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length(proof.len()));
    }
    if hash == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// Checks that the tree of `to` leaves begins with the tree of `from` leaves (RFC 6962, 2.1.2).
///
/// From an empty tree, and between equal sizes, the proof is empty.
///
/// # Errors
///
/// A [`ProofError`]; `Ok` is the only proof.
pub fn verify_consistency(
    from: u64,
    from_root: &Hash,
    to: u64,
    to_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if from > to {
        return Err(ProofError::Order { from, to });
    }
    if from == 0 && *from_root != empty_root() {
        return Err(ProofError::FromRoot);
    }
    if from == 0 || from == to {
        return match proof {
            [] if from == to && from_root != to_root => Err(ProofError::Root),
            [] => Ok(()),
            _ => Err(ProofError::Length(proof.len())),
        };
    }

    // The walk goes up from the last complete subtree of the earlier tree. When that subtree is the
    // whole earlier tree, its root is known already and is left out of the proof.
    let levels = from.trailing_zeros();
    let mut place = (from >> levels) - 1;
    let mut last = (to - 1) >> levels;
    let (start, rest) =
        if place == 0 { (from_root, proof) } else { proof.split_first().ok_or(ProofError::Length(0))? };
    let mut earlier = *start;
    let mut later = *start;
    for sibling in rest {
        if last == 0 {
            return Err(ProofError::Length(proof.len()));
        }
        if place & 1 == 1 {
            earlier = node_hash(sibling, &earlier);
            later = node_hash(sibling, &later);
        } else if place < last {
            later = node_hash(&later, sibling);
        } else {
            let skipped = place.trailing_zeros();
            place >>= skipped;
            last >>= skipped;
            earlier = node_hash(sibling, &earlier);
            later = node_hash(sibling, &later);
        }
        place >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length(proof.len()));
    }
    if earlier != *from_root {
        return Err(ProofError::FromRoot);
    }
    if later == *to_root { Ok(()) } else { Err(ProofError::Root) }
}

/// A self-contained proof that an entry is in a log: the content of a `.tlog-proof` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// The entry's position.
    pub index: u64,
    /// From the leaf's sibling up to a child of the root.
    pub hashes: Vec<Hash>,
    /// Data nobody vouches for; its meaning is the application's.
    pub extra: Option<Vec<u8>>,
    /// The signed checkpoint, verbatim.
    pub checkpoint: String,
}

/// A `.tlog-proof` cannot be read, or does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlogProofError {
    /// Longer than [`TLOG_PROOF_BYTES_MAX`].
    #[error("tlog-proof: {0} bytes, at most {TLOG_PROOF_BYTES_MAX} are read")]
    TooLong(usize),
    /// Not this format.
    #[error("tlog-proof: must start with `{FIRST_LINE}`")]
    FirstLine,
    /// The `extra` line is not base64.
    #[error("tlog-proof: the `extra` line is not padded base64")]
    Extra,
    /// The `index` line is missing or not a plain number.
    #[error("tlog-proof: the `index` line is missing or not a decimal number without leading zeros")]
    Index,
    /// A line of the path is not a hash, or there are more than [`PROOF_HASHES_MAX`].
    #[error("tlog-proof: hash {0} is not 32 bytes of base64, or one too many")]
    Hash(usize),
    /// No empty line, or nothing after it.
    #[error("tlog-proof: no checkpoint after an empty line")]
    NoCheckpoint,
    /// The checkpoint is not acceptable.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The path does not lead from the entry to the checkpoint's root.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl TlogProof {
    /// The text of the `.tlog-proof` file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::with_capacity(64 + 45 * self.hashes.len() + self.checkpoint.len());
        text.push_str(FIRST_LINE);
        if let Some(extra) = &self.extra {
            text.push_str("\nextra ");
            STANDARD.encode_string(extra, &mut text);
        }
        write!(text, "\nindex {}\n", self.index).expect("a String takes everything");
        for hash in &self.hashes {
            text.push_str(&hash.to_base64());
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// Reads a `.tlog-proof`. What it says is not checked yet: see [`TlogProof::verify`].
    ///
    /// # Errors
    ///
    /// A [`TlogProofError`] naming the line that is wrong.
    pub fn parse(text: &str) -> Result<TlogProof, TlogProofError> {
        if text.len() > TLOG_PROOF_BYTES_MAX {
            return Err(TlogProofError::TooLong(text.len()));
        }
        let (path, checkpoint) = text.split_once("\n\n").ok_or(TlogProofError::NoCheckpoint)?;
        if checkpoint.is_empty() {
            return Err(TlogProofError::NoCheckpoint);
        }
        let mut lines = path.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return Err(TlogProofError::FirstLine);
        }
        let extra = match lines.peek().and_then(|line| line.strip_prefix("extra ")) {
            Some(encoded) => Some(STANDARD.decode(encoded).map_err(|_| TlogProofError::Extra)?),
            None => None,
        };
        if extra.is_some() {
            let _read = lines.next();
        }
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(parse_decimal).ok_or(TlogProofError::Index)?;
        let mut hashes = Vec::new();
        for (number, line) in lines.enumerate() {
            if number == PROOF_HASHES_MAX {
                return Err(TlogProofError::Hash(number));
            }
            hashes.push(Hash::from_base64(line).map_err(|_| TlogProofError::Hash(number))?);
        }
        Ok(TlogProof { index, hashes, extra, checkpoint: checkpoint.to_owned() })
    }

    /// Checks the checkpoint's signature and that `leaf` is at [`TlogProof::index`] of its tree.
    ///
    /// # Errors
    ///
    /// [`TlogProofError::Checkpoint`] or [`TlogProofError::Proof`].
    pub fn verify(&self, leaf: &Hash, key: &VerifierKey, origin: &str) -> Result<Checkpoint, TlogProofError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, key, origin)?;
        verify_inclusion(leaf, self.index, checkpoint.size, &self.hashes, &checkpoint.root)?;
        Ok(checkpoint)
    }
}

/// A number in plain decimal: digits only, no leading zero but in `0` itself.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
