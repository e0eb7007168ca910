//! What became of an event that is not as it was sent any more.
//!
//! A row never goes: its position, its time of receipt, its class and its leaf are what they were. Where units of its event were
//! *erased*, its event is what is left of it, and beside it stand the bytes that say what is gone, made by the ledger and opaque
//! here. Where it *expired*, its event is [`GONE`], it has no time of its own, and beside it stands what its leaf and the hash
//! of its id are. Expired rows are found by nothing but that hash, and shown to nobody.
//!
//! # In the file
//!
//! The footer has a member `fates`, see [`Fates`](crate::meta::Fates), when there is at least one. A *payload* is, little-endian:
//!
//! ```text
//! 1 erased   the bytes as they are, at most [`ERASED_BYTES_MAX`]
//! 2 expired  32B commitment | u64 position of the statement that says so | u64 keyed hash of the event's id
//! ```

use annals_tree::Hash;
use bytes::Bytes;

/// The event of an expired row.
pub const GONE: &[u8] = b"{}";

/// Most bytes that say what was erased of an event.
pub const ERASED_BYTES_MAX: usize = 1 << 24;

/// Bytes of the payload of an expired row.
pub(crate) const EXPIRED_BYTES: usize = 48;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Units of its event were erased: what says which, 1 to [`ERASED_BYTES_MAX`] bytes.
    Erased(Bytes),
    /// Its event is gone.
    Expired {
        /// What its entry commits to.
        commitment: Hash,
        /// Position of the log's statement that excuses it.
        by: u64,
        /// The ledger's keyed hash of its event id.
        id_hash: u64,
    },
}

/// Which [`Fate`]; the number is that of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FateKind {
    Erased = 1,
    Expired = 2,
}

impl FateKind {
    pub(crate) fn of(number: u64) -> Option<FateKind> {
        match number {
            1 => Some(FateKind::Erased),
            2 => Some(FateKind::Expired),
            _ => None,
        }
    }
}

impl Fate {
    /// Whether nothing is left of the event.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        matches!(self, Fate::Expired { .. })
    }

    /// Bytes of its payload.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Fate::Erased(bytes) => bytes.len(),
            Fate::Expired { .. } => EXPIRED_BYTES,
        }
    }

    /// Appends the payload.
    pub(crate) fn encode(&self, into: &mut Vec<u8>) {
        match self {
            Fate::Erased(bytes) => into.extend_from_slice(bytes),
            Fate::Expired { commitment, by, id_hash } => {
                into.extend_from_slice(&commitment.0);
                into.extend_from_slice(&by.to_le_bytes());
                into.extend_from_slice(&id_hash.to_le_bytes());
            }
        }
    }

    /// What a payload says; `None` when it has not the length that its kind has.
    pub(crate) fn decode(kind: FateKind, payload: Bytes) -> Option<Fate> {
        match kind {
            FateKind::Erased => {
                (1..=ERASED_BYTES_MAX).contains(&payload.len()).then_some(Fate::Erased(payload))
            }
            FateKind::Expired => {
                let payload: &[u8; EXPIRED_BYTES] = payload.as_ref().try_into().ok()?;
                let (commitment, numbers) = payload.split_first_chunk::<32>()?;
                let ([by, id_hash], []) = numbers.as_chunks::<8>() else { return None };
                let (by, id_hash) = (u64::from_le_bytes(*by), u64::from_le_bytes(*id_hash));
                Some(Fate::Expired { commitment: Hash(*commitment), by, id_hash })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_says_what_it_was_made_of_and_no_other_length_does() {
        let expired = Fate::Expired { commitment: Hash([7; 32]), by: 1 << 40, id_hash: u64::MAX - 1 };
        for fate in [expired, Fate::Erased(Bytes::from_static(b"x")), Fate::Erased(vec![9; 70_000].into())] {
            let mut payload = Vec::new();
            fate.encode(&mut payload);
            assert_eq!(payload.len(), fate.bytes());
            let kind = if fate.is_expired() { FateKind::Expired } else { FateKind::Erased };
            assert_eq!(Fate::decode(kind, payload.clone().into()), Some(fate.clone()));
            payload.pop();
            assert_ne!(Fate::decode(kind, payload.clone().into()), Some(fate));
        }
        assert_eq!(Fate::decode(FateKind::Erased, Bytes::new()), None);
        assert_eq!(Fate::decode(FateKind::Erased, vec![0; ERASED_BYTES_MAX + 1].into()), None);
        assert_eq!(Fate::decode(FateKind::Expired, vec![0; 49].into()), None);
        assert_eq!(
            (FateKind::of(0), FateKind::of(2), FateKind::of(3)),
            (None, Some(FateKind::Expired), None)
        );
    }
}
