//! Signs a log only where it extends what was signed before.
//!
//! The signer remembers size and root it last signed for each origin and asks for a consistency
//! proof when a log grew. It can run as its own process on another machine; then whoever takes over
//! the ledger's machine can stop the ledger or invent events, but gets no signature over a history
//! that differs from the one signed before.
//!
//! The memory is the caller's to keep ([`SignerMemory`]). It is told of a new size *before* the
//! signature over it exists, so a crash between the two leaves a memory that is ahead of what was
//! published: signing the same size and root again is allowed, anything older is not.
//!
//! A log that is not in the memory is accepted at any size, and remembered. The signer has nothing
//! to compare it with: the log may come from a backup or an older key. It is no way around the memory,
//! as the origin is part of what is signed: a new history under a known origin needs its proof, and
//! under a new origin it is another log, which verifiers and witnesses do not know. What this asks
//! of operators is that a lost memory is restored, not started afresh; verifiers that kept an earlier
//! checkpoint notice the difference.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::convert::Infallible;

use crate::checkpoint::Checkpoint;
use crate::hash::{Hash, empty_root};
use crate::head::{Head, HeadError, SignedHead};
use crate::note::{KeyError, NoteError, SigningKey, VerifierKey};
use crate::origin::check_ledger_name;
use crate::proof::{ProofError, verify_consistency};

/// Size and root of a tree.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct TreeHead {
    /// Number of leaves.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
}

/// What a signer signed last, kept through restarts.
pub trait SignerMemory {
    /// Why the memory cannot be read or written.
    type Error;

    /// What was signed last under `origin`; `None` only when it never was.
    ///
    /// # Errors
    ///
    /// When that is not known; nothing is signed then.
    fn recall(&self, origin: &str) -> Result<Option<TreeHead>, Self::Error>;

    /// Keeps all of `entries`, durably, replacing what was kept under these origins.
    ///
    /// # Errors
    ///
    /// When they may not have been kept; nothing is signed then. They may have been kept in part.
    fn remember(&mut self, entries: &[(String, TreeHead)]) -> Result<(), Self::Error>;
}

/// A memory that lasts as long as the process.
#[derive(Debug, Clone, Default)]
pub struct VolatileMemory {
    heads: BTreeMap<String, TreeHead>,
}

impl SignerMemory for VolatileMemory {
    type Error = Infallible;

    fn recall(&self, origin: &str) -> Result<Option<TreeHead>, Infallible> {
        Ok(self.heads.get(origin).copied())
    }

    fn remember(&mut self, entries: &[(String, TreeHead)]) -> Result<(), Infallible> {
        self.heads.extend(entries.iter().cloned());
        Ok(())
    }
}

/// Why the signer did not sign. `E` is the memory's error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal<E> {
    /// The log became smaller.
    #[error("signer: log `{origin}` has {asked} leaves, {signed} were signed already")]
    Smaller {
        /// The log.
        origin: String,
        /// The size to be signed.
        asked: u64,
        /// The size signed before.
        signed: u64,
    },
    /// Another tree of a size that was signed already.
    #[error("signer: log `{origin}` has another root than the one signed at {size} leaves")]
    OtherRoot {
        /// The log.
        origin: String,
        /// The size.
        size: u64,
    },
    /// The proof does not show that the log only grew.
    #[error("signer: log `{origin}` is not shown to extend the {signed} leaves signed before")]
    Inconsistent {
        /// The log.
        origin: String,
        /// The size signed before.
        signed: u64,
        /// What is wrong with the proof.
        source: ProofError,
    },
    /// A tree without leaves that has a root of one with leaves.
    #[error("signer: log `{0}` has size 0 and the root of a tree that is not empty")]
    EmptyRoot(String),
    /// Not one proof for each log of the head.
    #[error("signer: {proofs} proofs for {logs} logs")]
    ProofCount {
        /// Logs in the head.
        logs: usize,
        /// Proofs given.
        proofs: usize,
    },
    /// The origin is not of the signer's ledger.
    #[error("signer: `{0}` is not a log of this ledger")]
    Foreign(String),
    /// The head cannot be encoded.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The checkpoint cannot be encoded.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// What was signed before is not known, or would not be known after.
    #[error("signer: the memory failed")]
    Memory(#[source] E),
}

/// One ledger's key and what it signed.
#[derive(Debug)]
pub struct Signer<M> {
    key: SigningKey,
    memory: M,
}

impl<M: SignerMemory> Signer<M> {
    /// A signer for the ledger called as the key is.
    ///
    /// # Errors
    ///
    /// [`KeyError::Name`] when that name is too long for origins to be made from it.
    pub fn new(key: SigningKey, memory: M) -> Result<Signer<M>, KeyError> {
        check_ledger_name(key.name())?;
        Ok(Signer { key, memory })
    }

    /// What the ledger's heads verify with. Under a log's origin
    /// ([`VerifierKey::with_name`]) it verifies that log's checkpoints.
    #[must_use]
    pub fn verifier_key(&self) -> VerifierKey {
        self.key.verifier_key()
    }

    /// What was signed so far.
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// Signs a checkpoint of log `origin`, which must be `<ledger name>/…`.
    ///
    /// `proof` shows that the tree extends the one signed last; it is empty when none was, or when
    /// the size is the same. The note is signed under the origin's name.
    ///
    /// # Errors
    ///
    /// A [`Refusal`]; nothing was signed.
    pub fn sign_checkpoint(
        &mut self,
        origin: &str,
        size: u64,
        root: &Hash,
        proof: &[Hash],
    ) -> Result<String, Refusal<M::Error>> {
        let of_this_ledger = origin.strip_prefix(self.key.name()).and_then(|rest| rest.strip_prefix('/'));
        let foreign = || Refusal::Foreign(origin.to_owned());
        of_this_ledger.filter(|rest| !rest.is_empty()).ok_or_else(foreign)?;
        let key = self.key.with_name(origin).map_err(|_| foreign())?;
        let next = TreeHead { size, root: *root };
        self.check(origin, next, proof)?;
        // A crash after this leaves the memory ahead by one signature nobody has seen.
        self.memory.remember(&[(origin.to_owned(), next)]).map_err(Refusal::Memory)?;
        Ok(key.sign(&Checkpoint::new(origin, size, *root).to_text())?)
    }

    /// Signs a ledger head: every log in it, or none.
    ///
    /// `proofs` has one consistency proof for each of `head.logs`, in their order, each as for
    /// [`Signer::sign_checkpoint`].
    ///
    /// # Errors
    ///
    /// A [`Refusal`] for the first log that cannot be signed; nothing was signed.
    pub fn sign_head<P: AsRef<[Hash]>>(
        &mut self,
        head: &Head,
        proofs: &[P],
    ) -> Result<SignedHead, Refusal<M::Error>> {
        if proofs.len() != head.logs.len() {
            return Err(Refusal::ProofCount { logs: head.logs.len(), proofs: proofs.len() });
        }
        // Signed first, as it also finds logs that stand twice; released only at the end.
        let signed = head.sign(&self.key)?;
        let mut entries = Vec::with_capacity(head.logs.len());
        for (entry, proof) in head.logs.iter().zip(proofs) {
            let origin = entry.log.origin(self.key.name());
            let next = TreeHead { size: entry.size, root: entry.root };
            self.check(&origin, next, proof.as_ref())?;
            entries.push((origin, next));
        }
        // A crash after this leaves the memory ahead by one signature nobody has seen.
        self.memory.remember(&entries).map_err(Refusal::Memory)?;
        Ok(signed)
    }

    /// Whether `next` may follow what was signed for this origin.
    fn check(&self, origin: &str, next: TreeHead, proof: &[Hash]) -> Result<(), Refusal<M::Error>> {
        let origin = || origin.to_owned();
        if next.size == 0 && next.root != empty_root() {
            return Err(Refusal::EmptyRoot(origin()));
        }
        let Some(last) = self.memory.recall(&origin()).map_err(Refusal::Memory)? else {
            return Ok(());
        };
        if next.size < last.size {
            return Err(Refusal::Smaller { origin: origin(), asked: next.size, signed: last.size });
        }
        if next.size == last.size && next.root != last.root {
            return Err(Refusal::OtherRoot { origin: origin(), size: next.size });
        }
        verify_consistency(last.size, &last.root, next.size, &next.root, proof)
            .map_err(|source| Refusal::Inconsistent { origin: origin(), signed: last.size, source })
    }
}

#[cfg(test)]
mod tests;
