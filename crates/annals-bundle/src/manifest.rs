//! The files beside the log: what the bundle says of itself, and what ties it to other checkpoints.

use alloc::string::String;
use alloc::vec::Vec;

use annals_tree::Hash;
use annals_tree::checkpoint::Checkpoint;
use annals_tree::proof::{ProofError, verify_consistency};
use serde::{Deserialize, Serialize};

use crate::line::Hex;

/// `manifest.json`. Nothing of it is believed: what can be counted is counted again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`crate::FORMAT`].
    pub format: String,
    /// First line of the checkpoint.
    pub origin: String,
    /// Whose log, as the server calls it. Checkpoints do not name customers, so nothing proves it.
    pub tenant: String,
    /// `events` or `access`.
    pub log: String,
    /// Records in the log, as of the checkpoint.
    pub size: u64,
    /// First position that the bundle accounts for, and the first after them.
    pub range: (u64, u64),
    /// How.
    pub mode: Mode,
    /// What chose records: conditions as they stand in the query of `GET /v1/events`, see `docs/reference/search.md`.
    pub filter: Option<String>,
    /// Units left out on purpose, by name or, ending in `/*`, by the beginning of a name.
    pub withheld: Vec<String>,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// What made it.
    pub program: String,
    /// What is in it.
    pub counts: Counts,
    /// The other files of the archive.
    pub files: Vec<File>,
}

/// Which records are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Those that somebody chose. That there are no others cannot be proven.
    Selection,
    /// An entry for each position of the range, chosen or not.
    GapFree,
    /// As gap-free; and of each record that the filter leaves out, what shows that it does.
    Covered,
}

impl Mode {
    /// Whether each position of the range has to be there.
    #[must_use]
    pub fn has_no_gaps(self) -> bool {
        self != Mode::Selection
    }
}

/// How many positions are in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// With an entry.
    pub records: u64,
    /// Of these, with units.
    pub disclosed: u64,
}

/// One file of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its bytes, before compression.
    pub bytes: u64,
    /// SHA-256 of them.
    pub sha256: Hex<32>,
}

/// `earlier.json`: that the log only grew since a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Hex<32>,
    /// The RFC 6962 consistency proof from there to the bundle's checkpoint.
    pub hashes: Vec<Hex<32>>,
}

impl Earlier {
    /// Checks the proof against the bundle's checkpoint.
    ///
    /// # Errors
    ///
    /// It does not hold.
    pub fn verify(&self, checkpoint: &Checkpoint) -> Result<(), ProofError> {
        let hashes: Vec<Hash> = self.hashes.iter().map(|hash| Hash(hash.0)).collect();
        verify_consistency(self.size, &Hash(self.root.0), checkpoint.size, &checkpoint.root, &hashes)
    }
}

/// `trust.json`: keys, as the server tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    /// Keys that sign or signed the log's checkpoints.
    pub keys: Vec<TrustedKey>,
    /// Witnesses that the server asks, as signed-note verifier keys.
    pub witnesses: Vec<String>,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedKey {
    /// As a signed-note verifier key under the log's origin.
    pub key: String,
    /// First size that it signs.
    pub from: u64,
    /// First size that it does not sign any more; none while it does.
    pub until: Option<u64>,
}
