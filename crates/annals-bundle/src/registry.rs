//! `registry.json`: where the registry of all logs names this one.
//!
//! Witnesses see the registry's checkpoints. So a checkpoint of any log is as good as theirs once it is shown to extend a head
//! that the registry holds.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write as _;

use annals_tree::checkpoint::{Checkpoint, CheckpointError};
use annals_tree::entry::{Entry, EntryError, EntryKind};
use annals_tree::note::VerifierKey;
use annals_tree::origin::ledger_of;
use annals_tree::proof::{ProofError, verify_consistency, verify_inclusion};
use annals_tree::{Hash, leaf_hash};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::line::{Hex, decode_hex};

/// A head of a log in the registry, and that a later checkpoint of the log extends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registry {
    /// First line of the registry's checkpoints.
    pub origin: String,
    /// The registry's entry, whole, in hex.
    pub entry: String,
    /// Where in the registry.
    pub position: u64,
    /// The inclusion proof.
    pub hashes: Vec<Hex<32>>,
    /// The registry's checkpoint, a signed note with its cosignatures.
    pub checkpoint: String,
    /// From the head that the entry states to the log's checkpoint: a consistency proof.
    pub consistency: Vec<Hex<32>>,
}

/// Why the registry says nothing about a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// It is a log of another ledger, or none at all.
    #[error("its origin is no log of the ledger that the log is of")]
    OtherLedger,
    /// The registry's checkpoint.
    #[error("the registry's checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The entry's digits.
    #[error("the registry's entry is not lower-case hex")]
    Digits,
    /// The entry.
    #[error("the registry's entry: {0}")]
    Entry(#[from] EntryError),
    /// It states something else.
    #[error("the registry's entry states no head")]
    NoHead,
    /// It is of another log.
    #[error("the registry's entry is about another log")]
    OtherLog,
    /// The entry is not in the registry.
    #[error("the registry does not hold the entry: {0}")]
    Inclusion(ProofError),
    /// The checkpoint does not extend the head.
    #[error("the log's checkpoint does not extend the {size} records that the registry has of it: {problem}")]
    Consistency {
        /// Records that the log had.
        size: u64,
        /// What is wrong.
        problem: ProofError,
    },
}

#[derive(Deserialize)]
struct Body {
    metadata: Head,
}

#[derive(Deserialize)]
struct Head {
    origin_sha256: String,
    size: u64,
    root: Hex<32>,
}

/// What the registry has of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisteredHead {
    /// Records that the log had.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
    /// When the registry received it, ms since 1970, by the ledger's clock.
    pub received_at_ms: u64,
}

impl Registry {
    /// What the entry states. Nothing of it is to be believed before [`Registry::verify`].
    ///
    /// # Errors
    ///
    /// It is no entry, or states no head.
    pub fn stated(&self) -> Result<RegisteredHead, RegistryError> {
        let (_, received_at_ms, head) = self.decoded()?;
        Ok(RegisteredHead { size: head.size, root: Hash(head.root.0), received_at_ms })
    }

    /// The entry's bytes, its time, and what it states.
    fn decoded(&self) -> Result<(Vec<u8>, u64, Head), RegistryError> {
        let mut entry = vec![0; self.entry.len() / 2];
        if !decode_hex(&self.entry, &mut entry) {
            return Err(RegistryError::Digits);
        }
        let stated = Entry::decode(&entry)?;
        let body = serde_json::from_slice::<Body>(&stated.body).ok();
        let body = body.filter(|_| stated.kind == EntryKind::Head).ok_or(RegistryError::NoHead)?;
        Ok((entry, stated.received_at_ms, body.metadata))
    }

    /// Checks everything against the log's checkpoint, whose signature the caller has checked. Gives the registry's checkpoint,
    /// for its cosignatures, and the size that the registry has of the log.
    ///
    /// # Errors
    ///
    /// [`RegistryError`].
    pub fn verify(&self, log: &Checkpoint, key: &VerifierKey) -> Result<(Checkpoint, u64), RegistryError> {
        // One key signs all logs of a ledger, and a registry speaks of the logs of its own.
        if ledger_of(&self.origin).is_none_or(|ledger| Some(ledger) != ledger_of(&log.origin)) {
            return Err(RegistryError::OtherLedger);
        }
        let registry = Checkpoint::open(&self.checkpoint, key, &self.origin)?;
        let (entry, _, head) = self.decoded()?;
        let mut name = String::new();
        for byte in Sha256::digest(log.origin.as_bytes()) {
            write!(name, "{byte:02x}").expect("a String takes everything");
        }
        if head.origin_sha256 != name {
            return Err(RegistryError::OtherLog);
        }
        let hashes = |hashes: &[Hex<32>]| -> Vec<Hash> { hashes.iter().map(|hash| Hash(hash.0)).collect() };
        verify_inclusion(
            &leaf_hash(&entry),
            self.position,
            registry.size,
            &hashes(&self.hashes),
            &registry.root,
        )
        .map_err(RegistryError::Inclusion)?;
        let consistency = hashes(&self.consistency);
        verify_consistency(head.size, &Hash(head.root.0), log.size, &log.root, &consistency)
            .map_err(|problem| RegistryError::Consistency { size: head.size, problem })?;
        Ok((registry, head.size))
    }
}
