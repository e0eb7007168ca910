//! Ledger heads: sizes and roots of many logs under one signature.
//!
//! Version 1, big-endian. The signature is Ed25519 over everything before it:
//!
//! ```text
//! 22B  "annals/ledger-head/v1" and a zero byte
//! u8   length of the ledger's name, 1 to 220
//!      the name
//! i64  when the head was made, µs since the Unix epoch
//! u64  records in the ledger, over all its logs
//! u32  number of logs, 0 to 65,536
//! per log, ascending by kind and then id:
//!   u8   kind: 'a' access log, 't' tenant's log
//!   16B  log id
//!   u64  size
//!   32B  root
//! 64B  signature
//! ```
//!
//! The zero byte keeps heads apart from notes, whose texts cannot have one, so the key that signs
//! checkpoints also signs heads. A head lists the logs that changed since the one before.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;

use crate::hash::{HASH_BYTES, Hash, empty_root};
use crate::note::{SigningKey, VerifierKey};
use crate::origin::{LEDGER_NAME_BYTES_MAX, LOG_ID_BYTES, LogKind, LogName, check_ledger_name};

/// Most logs under one head; more changed logs take several heads.
pub const HEAD_LOGS_MAX: usize = 65_536;

const DOMAIN: &[u8; 22] = b"annals/ledger-head/v1\0";
const LOG_BYTES: usize = 1 + LOG_ID_BYTES + 8 + HASH_BYTES;
const SIGNATURE_BYTES: usize = 64;

const _: () = assert!(LEDGER_NAME_BYTES_MAX <= u8::MAX as usize);

/// What one signature says about the logs of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// When it was made, µs since the Unix epoch.
    pub at_us: i64,
    /// Records in the ledger, over all its logs.
    pub ledger_size: u64,
    /// The logs, in any order; each at most once.
    pub logs: Vec<HeadLog>,
}

/// Size and root of one log.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeadLog {
    /// Which log.
    pub log: LogName,
    /// Its number of leaves.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
}

/// Why a head cannot be made or is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The ledger's name cannot be part of an origin.
    #[error("head: `{0}` cannot be the name of a ledger")]
    Name(String),
    /// More than [`HEAD_LOGS_MAX`].
    #[error("head: {0} logs, at most {HEAD_LOGS_MAX} go under one head")]
    TooManyLogs(usize),
    /// A log twice, or bytes whose logs are out of order.
    #[error("head: log `{0}` stands twice or out of order")]
    LogOrder(LogName),
    /// A log of size 0 with a root that is not the empty tree's.
    #[error("head: log `{0}` has size 0 and the root of a tree that is not empty")]
    EmptyRoot(LogName),
    /// Bytes that are not a head of this version.
    #[error("head: not a ledger head of version 1")]
    Form,
    /// The key is of another ledger.
    #[error("head: of ledger `{0}`, not of the one the key is for")]
    Ledger(String),
    /// The signature is not the key's.
    #[error("head: not signed by this key")]
    Signature,
}

impl Head {
    /// The bytes a head's signature covers, for the ledger called `name`. Sorts the logs.
    ///
    /// # Errors
    ///
    /// [`HeadError::Name`], [`HeadError::TooManyLogs`], [`HeadError::LogOrder`] or
    /// [`HeadError::EmptyRoot`].
    pub fn message(&self, name: &str) -> Result<Vec<u8>, HeadError> {
        check_ledger_name(name).map_err(|_| HeadError::Name(name.to_owned()))?;
        if self.logs.len() > HEAD_LOGS_MAX {
            return Err(HeadError::TooManyLogs(self.logs.len()));
        }
        let mut logs: Vec<&HeadLog> = self.logs.iter().collect();
        logs.sort_unstable_by_key(|entry| entry.log);
        check_logs(&logs)?;

        let mut message = Vec::with_capacity(DOMAIN.len() + 1 + name.len() + 20 + logs.len() * LOG_BYTES);
        message.extend_from_slice(DOMAIN);
        message.push(u8::try_from(name.len()).expect("checked with the name"));
        message.extend_from_slice(name.as_bytes());
        message.extend_from_slice(&self.at_us.to_be_bytes());
        message.extend_from_slice(&self.ledger_size.to_be_bytes());
        message.extend_from_slice(&u32::try_from(logs.len()).expect("checked above").to_be_bytes());
        for entry in logs {
            message.push(entry.log.kind.letter());
            message.extend_from_slice(&entry.log.id);
            message.extend_from_slice(&entry.size.to_be_bytes());
            message.extend_from_slice(&entry.root.0);
        }
        Ok(message)
    }

    /// Signs for the ledger the key is named after. Checks nothing about the past: a ledger signs
    /// through [`crate::signer::Signer`].
    ///
    /// # Errors
    ///
    /// As [`Head::message`].
    pub fn sign(&self, key: &SigningKey) -> Result<SignedHead, HeadError> {
        let message = self.message(key.name())?;
        let mut head = self.clone();
        head.logs.sort_unstable();
        Ok(SignedHead { name: key.name().to_owned(), head, signature: key.sign_bytes(&message) })
    }
}

/// A head with its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    /// The ledger's name, and the key's.
    pub name: String,
    /// What is signed; logs ascending.
    pub head: Head,
    /// Ed25519 over [`Head::message`].
    pub signature: [u8; SIGNATURE_BYTES],
}

impl SignedHead {
    /// The stored and published form: the message and then the signature.
    ///
    /// # Errors
    ///
    /// As [`Head::message`], when a field was changed into something that could not be read back.
    pub fn encode(&self) -> Result<Vec<u8>, HeadError> {
        let mut bytes = self.head.message(&self.name)?;
        bytes.extend_from_slice(&self.signature);
        Ok(bytes)
    }

    /// Reads the stored form without checking the signature.
    ///
    /// # Errors
    ///
    /// A [`HeadError`] about the form; only what [`SignedHead::encode`] writes is read.
    pub fn decode(bytes: &[u8]) -> Result<SignedHead, HeadError> {
        let mut rest = bytes;
        if take(&mut rest)? != DOMAIN {
            return Err(HeadError::Form);
        }
        let [length] = *take(&mut rest)?;
        let (name, after) = rest.split_at_checked(usize::from(length)).ok_or(HeadError::Form)?;
        rest = after;
        let name = core::str::from_utf8(name).map_err(|_| HeadError::Form)?;
        check_ledger_name(name).map_err(|_| HeadError::Name(name.to_owned()))?;
        let at_us = i64::from_be_bytes(*take(&mut rest)?);
        let ledger_size = u64::from_be_bytes(*take(&mut rest)?);
        let count = usize::try_from(u32::from_be_bytes(*take(&mut rest)?)).map_err(|_| HeadError::Form)?;
        if count > HEAD_LOGS_MAX {
            return Err(HeadError::TooManyLogs(count));
        }
        if rest.len() != count * LOG_BYTES + SIGNATURE_BYTES {
            return Err(HeadError::Form);
        }
        let mut logs = Vec::with_capacity(count);
        for _ in 0..count {
            let [letter] = *take(&mut rest)?;
            let kind = LogKind::from_letter(letter).ok_or(HeadError::Form)?;
            let log = LogName { kind, id: *take(&mut rest)? };
            let size = u64::from_be_bytes(*take(&mut rest)?);
            logs.push(HeadLog { log, size, root: Hash(*take(&mut rest)?) });
        }
        check_logs(&logs.iter().collect::<Vec<_>>())?;
        let signature = *take(&mut rest)?;
        Ok(SignedHead { name: name.to_owned(), head: Head { at_us, ledger_size, logs }, signature })
    }

    /// Checks the signature with the ledger's key, whose name must be the ledger's.
    ///
    /// # Errors
    ///
    /// [`HeadError::Ledger`], [`HeadError::Signature`], or as [`Head::message`].
    pub fn verify(&self, key: &VerifierKey) -> Result<&Head, HeadError> {
        if key.name() != self.name {
            return Err(HeadError::Ledger(self.name.clone()));
        }
        let message = self.head.message(&self.name)?;
        if key.accepts(&message, &self.signature) { Ok(&self.head) } else { Err(HeadError::Signature) }
    }
}

/// Checks what must hold between and within the logs of a head.
fn check_logs(logs: &[&HeadLog]) -> Result<(), HeadError> {
    if let Some(pair) = logs.windows(2).find(|pair| pair[0].log >= pair[1].log) {
        return Err(HeadError::LogOrder(pair[1].log));
    }
    match logs.iter().find(|entry| entry.size == 0 && entry.root != empty_root()) {
        Some(entry) => Err(HeadError::EmptyRoot(entry.log)),
        None => Ok(()),
    }
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], HeadError> {
    let (taken, after) = rest.split_first_chunk().ok_or(HeadError::Form)?;
    *rest = after;
    Ok(taken)
}

#[cfg(test)]
mod tests;
