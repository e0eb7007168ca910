//! Entries: the bytes a leaf hashes, free of personal data.
//!
//! Version 1, big-endian:
//!
//! ```text
//! offset  bytes  field
//!      0      1  version = 1
//!      1      1  kind: 1 event, 2 erasure, 3 expiry, 4 policy, 5 key, 6 head
//!      2      2  retention class
//!      4      8  received_at, ms since the Unix epoch
//!     12     32  commitment
//!     44      …  kinds 2 to 6 only: the body, 1 to 32,768 bytes
//! ```
//!
//! An event's commitment covers its units ([`crate::commitment`]). The other kinds carry their body
//! in clear and commit to it as SHA-256(0x02 || body); the leaf hash covers the body a second time.

use alloc::vec::Vec;

use crate::hash::{self, Hash};

/// Bytes of an event's entry, and of every entry before its body.
pub const ENTRY_BYTES: usize = 44;

/// Longest body in bytes. Longer statements are split over several entries.
pub const BODY_BYTES_MAX: usize = 32 * 1024;

/// The version this module writes and reads.
pub const VERSION: u8 = 1;

// A bundle stores an entry's length in 16 bits.
const _: () = assert!(ENTRY_BYTES + BODY_BYTES_MAX <= u16::MAX as usize);

/// What an entry states.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EntryKind {
    /// A client's event; its data lives outside the log.
    Event = 1,
    /// Values were ordered to be erased, or are gone.
    Erasure = 2,
    /// Events left under a retention rule.
    Expiry = 3,
    /// The table of retention classes, holds and other rules changed.
    Policy = 4,
    /// A signing key was added or retired.
    Key = 5,
    /// Another log's size and root: an entry of the registry.
    Head = 6,
}

impl EntryKind {
    /// The kind with this number, if there is one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<EntryKind> {
        Some(match number {
            1 => EntryKind::Event,
            2 => EntryKind::Erasure,
            3 => EntryKind::Expiry,
            4 => EntryKind::Policy,
            5 => EntryKind::Key,
            6 => EntryKind::Head,
            _ => return None,
        })
    }

    /// The number in the entry's second byte.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// One entry of a log.
///
/// The fields are open for reading; build one with [`Entry::event`] or [`Entry::stating`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// What it states.
    pub kind: EntryKind,
    /// Retention class, from the tenant's class table when the entry was recorded.
    pub class: u16,
    /// When the ledger received it, in ms since the Unix epoch; never falls within a log.
    pub received_at_ms: u64,
    /// Of the event's units, or of the body.
    pub commitment: Hash,
    /// Empty for events; 1 to [`BODY_BYTES_MAX`] bytes of canonical JSON otherwise. The JSON is not
    /// looked at here.
    pub body: Vec<u8>,
}

/// Why bytes or fields are not an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Shorter than [`ENTRY_BYTES`].
    #[error("entry: {0} bytes, fewer than the {ENTRY_BYTES} every entry has")]
    Short(usize),
    /// A version this code does not know.
    #[error("entry: version {0}, only {VERSION} is known")]
    Version(u8),
    /// A kind this version does not have.
    #[error("entry: kind {0}, only 1 to 6 are known")]
    Kind(u8),
    /// An event's entry goes on after its commitment.
    #[error("entry: an event must end at byte {ENTRY_BYTES}, {0} more follow")]
    EventBody(usize),
    /// A body that is missing or too long.
    #[error("entry: a body of {0} bytes, must be 1 to {BODY_BYTES_MAX}")]
    BodyBytes(usize),
    /// The commitment is of some other body.
    #[error("entry: the body does not match its commitment")]
    BodyCommitment,
}

impl Entry {
    /// The entry of an event.
    #[must_use]
    pub fn event(class: u16, received_at_ms: u64, commitment: Hash) -> Entry {
        Entry { kind: EntryKind::Event, class, received_at_ms, commitment, body: Vec::new() }
    }

    /// An entry of the ledger's own, stating `body` in clear.
    ///
    /// # Errors
    ///
    /// * [`EntryError::Kind`]: `kind` is [`EntryKind::Event`], which has no body.
    /// * [`EntryError::BodyBytes`]: `body` is empty or longer than [`BODY_BYTES_MAX`].
    pub fn stating(
        kind: EntryKind,
        class: u16,
        received_at_ms: u64,
        body: Vec<u8>,
    ) -> Result<Entry, EntryError> {
        if kind == EntryKind::Event {
            return Err(EntryError::Kind(kind.number()));
        }
        let commitment = body_commitment(&body);
        let entry = Entry { kind, class, received_at_ms, commitment, body };
        entry.check()?;
        Ok(entry)
    }

    /// The entry's bytes, [`ENTRY_BYTES`] long and then the body.
    ///
    /// # Errors
    ///
    /// As [`Entry::decode`], when a field was changed into something that could not be read back.
    pub fn encode(&self) -> Result<Vec<u8>, EntryError> {
        self.check()?;
        let mut bytes = Vec::with_capacity(ENTRY_BYTES + self.body.len());
        bytes.extend_from_slice(&encode_fixed(self.kind, self.class, self.received_at_ms, &self.commitment));
        bytes.extend_from_slice(&self.body);
        Ok(bytes)
    }

    /// Reads one whole entry.
    ///
    /// # Errors
    ///
    /// An [`EntryError`] naming the field that is wrong; a body must match its commitment.
    pub fn decode(bytes: &[u8]) -> Result<Entry, EntryError> {
        let (fixed, body) = bytes.split_first_chunk::<ENTRY_BYTES>().ok_or(EntryError::Short(bytes.len()))?;
        let [version, kind, class_high, class_low, rest @ ..] = *fixed;
        if version != VERSION {
            return Err(EntryError::Version(version));
        }
        let kind = EntryKind::from_number(kind).ok_or(EntryError::Kind(kind))?;
        let (received_at, commitment) = rest.split_at(8);
        let entry = Entry {
            kind,
            class: u16::from_be_bytes([class_high, class_low]),
            received_at_ms: u64::from_be_bytes(received_at.try_into().expect("split at 8 bytes")),
            commitment: Hash(commitment.try_into().expect("44 bytes less 12 are 32")),
            body: body.to_vec(),
        };
        entry.check()?;
        Ok(entry)
    }

    fn check(&self) -> Result<(), EntryError> {
        match (self.kind, self.body.len()) {
            (EntryKind::Event, 0) => Ok(()),
            (EntryKind::Event, more) => Err(EntryError::EventBody(more)),
            (_, 1..=BODY_BYTES_MAX) if body_commitment(&self.body) != self.commitment => {
                Err(EntryError::BodyCommitment)
            }
            (_, 1..=BODY_BYTES_MAX) => Ok(()),
            (_, bytes) => Err(EntryError::BodyBytes(bytes)),
        }
    }
}

/// The bytes of an event's entry, without allocating.
#[must_use]
pub fn encode_event(class: u16, received_at_ms: u64, commitment: &Hash) -> [u8; ENTRY_BYTES] {
    encode_fixed(EntryKind::Event, class, received_at_ms, commitment)
}

/// The bytes of an entry that states `body`, which the caller bounds as [`Entry::stating`] does.
#[must_use]
pub fn encode_stating(kind: EntryKind, class: u16, received_at_ms: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ENTRY_BYTES + body.len());
    bytes.extend_from_slice(&encode_fixed(kind, class, received_at_ms, &body_commitment(body)));
    bytes.extend_from_slice(body);
    bytes
}

/// What entries of kinds 2 to 6 commit with: SHA-256(0x02 || `body`).
#[must_use]
pub fn body_commitment(body: &[u8]) -> Hash {
    hash::tagged(0x02, &[body])
}

fn encode_fixed(kind: EntryKind, class: u16, received_at_ms: u64, commitment: &Hash) -> [u8; ENTRY_BYTES] {
    let mut bytes = [0; ENTRY_BYTES];
    bytes[0] = VERSION;
    bytes[1] = kind.number();
    bytes[2..4].copy_from_slice(&class.to_be_bytes());
    bytes[4..12].copy_from_slice(&received_at_ms.to_be_bytes());
    bytes[12..].copy_from_slice(&commitment.0);
    bytes
}

#[cfg(test)]
mod tests;
