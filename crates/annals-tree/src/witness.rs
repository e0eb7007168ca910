//! What a witness does (C2SP tlog-witness): cosigns a log's checkpoint where it extends the one cosigned before.
//!
//! A log that wants a cosignature sends
//!
//! ```text
//! old <size of the checkpoint that the witness cosigned last, 0 when there is none>
//! <base64 hash>                  the consistency proof from there, at most 63
//! <empty line>
//! <the checkpoint, as signed>
//! ```
//!
//! The witness knows which logs it witnesses, by origin, and remembers size and root that it cosigned last of each. As with a
//! signer the memory is the caller's to keep, and is told before the cosignature exists: a crash between the two leaves a
//! witness that is ahead by a cosignature nobody has seen, and cosigns the same checkpoint again.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::cosignature::{Cosigner, WitnessKey};
use crate::hash::{Hash, empty_root};
use crate::note::{NOTE_BYTES_MAX, Note, NoteError, VerifierKey};
use crate::origin::LogName;
use crate::proof::{ProofError, parse_decimal, verify_consistency};
use crate::signer::{SignerMemory, TreeHead};

/// Most hashes that go with a checkpoint.
pub const PROOF_LINES_MAX: usize = 63;

/// Longest request that is read: one note, and the proof before it.
pub const REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + PROOF_LINES_MAX * 45 + 32;

/// A request for a cosignature. Nothing in it is to be believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size of the checkpoint that the witness cosigned last, as the log believes.
    pub old_size: u64,
    /// Consistency proof from there.
    pub proof: Vec<Hash>,
    /// The checkpoint, as signed.
    pub checkpoint: String,
}

/// Bytes that are no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Longer than [`REQUEST_BYTES_MAX`].
    #[error("request: longer than {REQUEST_BYTES_MAX} bytes")]
    TooLong,
    /// The first line is another.
    #[error("request: the first line must be `old` and a size")]
    OldSize,
    /// A line of the proof that is no hash.
    #[error("request: line {0} of the proof must be base64 of 32 bytes")]
    Hash(usize),
    /// More than [`PROOF_LINES_MAX`].
    #[error("request: more than {PROOF_LINES_MAX} lines of proof")]
    TooManyHashes,
    /// There is no empty line.
    #[error("request: no checkpoint after an empty line")]
    NoCheckpoint,
}

impl AddCheckpoint {
    /// Reads a request's body.
    ///
    /// # Errors
    ///
    /// A [`RequestError`]; the checkpoint itself is not looked at.
    pub fn parse(body: &str) -> Result<AddCheckpoint, RequestError> {
        if body.len() > REQUEST_BYTES_MAX {
            return Err(RequestError::TooLong);
        }
        let (head, checkpoint) = body.split_once("\n\n").ok_or(RequestError::NoCheckpoint)?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(parse_decimal);
        let old_size = old.ok_or(RequestError::OldSize)?;
        let mut proof = Vec::new();
        for (number, line) in lines.enumerate() {
            if number == PROOF_LINES_MAX {
                return Err(RequestError::TooManyHashes);
            }
            proof.push(Hash::from_base64(line).map_err(|_| RequestError::Hash(number))?);
        }
        Ok(AddCheckpoint { old_size, proof, checkpoint: checkpoint.to_owned() })
    }

    /// Writes a request's body.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("old {}\n", self.old_size);
        for hash in &self.proof {
            text.push_str(&hash.to_base64());
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }
}

/// Why a witness does not cosign. `E` is the memory's error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal<E> {
    /// Not a checkpoint.
    #[error(transparent)]
    Malformed(#[from] CheckpointError),
    /// No log of this origin is witnessed here.
    #[error("witness: log `{0}` is not witnessed here")]
    UnknownOrigin(String),
    /// Not signed by a key that is known for this origin.
    #[error("witness: the checkpoint is not signed by a known key of log `{0}`")]
    NotSigned(String),
    /// The old size is beyond the checkpoint's.
    #[error("witness: a log of {old} records cannot have become one of {size}")]
    OldBeyond {
        /// The old size.
        old: u64,
        /// The checkpoint's.
        size: u64,
    },
    /// Another checkpoint than the one that the log believes was cosigned last.
    #[error("witness: {cosigned} records of this log were cosigned last, not {old}")]
    Conflict {
        /// The old size in the request.
        old: u64,
        /// What was cosigned last; 0 for nothing.
        cosigned: u64,
    },
    /// The same size as before with another root: the log has forked.
    #[error("witness: another root was cosigned at {size} records: the log has two histories")]
    OtherRoot {
        /// The size.
        size: u64,
    },
    /// The proof does not show that the log only grew.
    #[error("witness: the log is not shown to extend the {cosigned} records cosigned before")]
    Inconsistent {
        /// What was cosigned last.
        cosigned: u64,
        /// What is wrong with the proof.
        source: ProofError,
    },
    /// What was cosigned before is not known, or would not be known after.
    #[error("witness: the memory failed")]
    Memory(#[source] E),
}

/// Logs that are witnessed: the keys of each, by origin, and ledgers all of whose logs are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logs {
    by_origin: BTreeMap<String, Vec<VerifierKey>>,
    ledgers: Vec<VerifierKey>,
}

impl Logs {
    /// The logs of these keys; each is named by its origin. Several keys may share one.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = VerifierKey>) -> Logs {
        let mut logs = Logs::default();
        for key in keys {
            let of_origin = logs.by_origin.entry(key.name().to_owned()).or_default();
            if !of_origin.contains(&key) {
                of_origin.push(key);
            }
        }
        logs
    }

    /// With all logs of ledgers as well, those of today and those to come. Each key is named by its ledger.
    #[must_use]
    pub fn with_ledgers(mut self, keys: impl IntoIterator<Item = VerifierKey>) -> Logs {
        for key in keys {
            if !self.ledgers.contains(&key) {
                self.ledgers.push(key);
            }
        }
        self
    }

    /// The keys of logs, by origin.
    pub fn keys(&self) -> impl Iterator<Item = &VerifierKey> {
        self.by_origin.values().flatten()
    }

    /// The keys of ledgers.
    #[must_use]
    pub fn ledgers(&self) -> &[VerifierKey] {
        &self.ledgers
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_origin.is_empty() && self.ledgers.is_empty()
    }

    /// The keys that a log of this origin may sign with.
    fn keys_of(&self, origin: &str) -> Vec<VerifierKey> {
        let mut keys = self.by_origin.get(origin).cloned().unwrap_or_default();
        for ledger in &self.ledgers {
            let log = origin.strip_prefix(ledger.name()).and_then(|rest| rest.strip_prefix('/'));
            // A log's key is its ledger's under the log's origin.
            let key = log.filter(|log| log.parse::<LogName>().is_ok()).map(|_| ledger.with_name(origin));
            keys.extend(key.and_then(Result::ok));
        }
        keys
    }

    /// Opens a note as a checkpoint of one of the logs.
    fn open<E>(&self, note: &str) -> Result<(Checkpoint, Note), Refusal<E>> {
        let note = Note::parse(note).map_err(CheckpointError::from)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        let keys = self.keys_of(&checkpoint.origin);
        if keys.is_empty() {
            return Err(Refusal::UnknownOrigin(checkpoint.origin));
        }
        let mut signed = false;
        for key in &keys {
            match note.verify(key) {
                Ok(()) => signed = true,
                Err(NoteError::NotSignedBy) => {}
                // Something that claims to be a known key's and is not spoils the whole note.
                Err(_) => return Err(Refusal::NotSigned(checkpoint.origin)),
            }
        }
        if signed { Ok((checkpoint, note)) } else { Err(Refusal::NotSigned(checkpoint.origin)) }
    }
}

/// A witness' key and what it cosigned.
#[derive(Debug)]
pub struct Witness<M> {
    cosigner: Cosigner,
    logs: Logs,
    memory: M,
}

impl<M: SignerMemory> Witness<M> {
    /// A witness of these logs.
    pub fn new(cosigner: Cosigner, logs: Logs, memory: M) -> Witness<M> {
        Witness { cosigner, logs, memory }
    }

    /// What its cosignatures verify with.
    #[must_use]
    pub fn key(&self) -> WitnessKey {
        self.cosigner.witness_key()
    }

    /// The logs that it witnesses.
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Witnesses these logs from now on, in place of those before. What was cosigned of others is still remembered.
    pub fn replace_logs(&mut self, logs: Logs) {
        self.logs = logs;
    }

    /// What was cosigned so far.
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// Cosigns a checkpoint at `time`, in POSIX seconds; gives the signature line with its end.
    ///
    /// # Errors
    ///
    /// A [`Refusal`]; nothing was cosigned, and nothing is remembered of the request.
    pub fn add(&mut self, request: &AddCheckpoint, time: u64) -> Result<String, Refusal<M::Error>> {
        let (checkpoint, note) = self.logs.open(&request.checkpoint)?;
        let (old, size) = (request.old_size, checkpoint.size);
        if old > size {
            return Err(Refusal::OldBeyond { old, size });
        }
        let last = self.memory.recall(&checkpoint.origin).map_err(Refusal::Memory)?;
        let last = last.unwrap_or(TreeHead { size: 0, root: empty_root() });
        if old != last.size {
            return Err(Refusal::Conflict { old, cosigned: last.size });
        }
        if size == last.size && checkpoint.root != last.root {
            return Err(Refusal::OtherRoot { size });
        }
        verify_consistency(last.size, &last.root, size, &checkpoint.root, &request.proof)
            .map_err(|source| Refusal::Inconsistent { cosigned: last.size, source })?;
        let next = TreeHead { size, root: checkpoint.root };
        // A crash after this leaves the memory ahead by one cosignature nobody has seen.
        self.memory.remember(&[(checkpoint.origin, next)]).map_err(Refusal::Memory)?;
        Ok(self.cosigner.cosign(note.text(), time))
    }
}

#[cfg(test)]
mod tests;
