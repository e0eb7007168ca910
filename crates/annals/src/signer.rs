//! What a server and its signer say to each other: JSON over HTTP, with a token.
//!
//! ```text
//! GET  /v1/signed       {"key": VKEY, "successions": [NOTE], "signed": [{"origin", "size", "root"}]}      the key, how it follows
//!                       others, and what was signed last of each log
//! POST /v1/checkpoint   {"key", "origin", "size", "root", "proof": [HASH]}                {"signed": NOTE}
//! POST /v1/head         {"key", "at_us", "ledger_size", "logs": [{"log", "size", "root", "proof"}]}   {"signed": BASE64}
//! ```
//!
//! Hashes are lower-case hex. A refusal is `{"error": …}`: 401 without the token, 400 for what cannot be read, 409 for what the signer
//! does not sign, 503 when its memory fails. What comes back is checked against the key before it is used.

pub(crate) mod client;

use annals_tree::Hash;
use annals_tree::signer::TreeHead;
use serde::{Deserialize, Serialize};

/// Longest body either way: a head over 1,024 logs with proofs, or what was signed of 100,000 logs.
pub(crate) const BODY_BYTES_MAX: usize = 32 << 20;

/// What was signed last.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SignedAnswer {
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) successions: Vec<String>,
    pub(crate) signed: Vec<SignedLog>,
}

/// What was signed last of one log.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SignedLog {
    pub(crate) origin: String,
    pub(crate) size: u64,
    pub(crate) root: String,
}

/// Asks for a checkpoint.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CheckpointRequest {
    /// The key that is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    pub(crate) origin: String,
    pub(crate) size: u64,
    pub(crate) root: String,
    pub(crate) proof: Vec<String>,
}

/// Asks for a head.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HeadRequest {
    /// The key that is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    pub(crate) at_us: i64,
    pub(crate) ledger_size: u64,
    pub(crate) logs: Vec<HeadRequestLog>,
}

/// One log of a head.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HeadRequestLog {
    pub(crate) log: String,
    pub(crate) size: u64,
    pub(crate) root: String,
    pub(crate) proof: Vec<String>,
}

/// What was signed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Signature {
    pub(crate) signed: String,
}

/// Why nothing was signed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refused {
    pub(crate) error: String,
}

/// Hashes as they are sent.
pub(crate) fn write_hashes(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(ToString::to_string).collect()
}

/// Reads what [`write_hashes`] wrote.
pub(crate) fn read_hashes(texts: &[String]) -> Option<Vec<Hash>> {
    texts.iter().map(|text| text.parse().ok()).collect()
}

impl SignedLog {
    pub(crate) fn read(self) -> Option<(String, TreeHead)> {
        let root = self.root.parse().ok()?;
        Some((self.origin, TreeHead { size: self.size, root }))
    }
}
