//! What annals commits to, and how anybody checks it.
//!
//! Everything an outsider needs to verify an annals ledger, and everything the ledger needs to be
//! verifiable: entries and the salted commitments in them, the RFC 6962 tree over the entries, its
//! proofs and C2SP tiles, signed notes and checkpoints, ledger heads, and the rules a signer keeps.
//! The formats are described for implementers in `docs/reference/commitment.md`.
//!
//! The crate is pure: no I/O, no clock, no randomness. Secrets, times and stored hashes arrive as
//! arguments. It needs `alloc` and nothing else of the standard library.
//!
//! | module | holds |
//! |---|---|
//! | [`hash`] | SHA-256 as RFC 6962 uses it |
//! | [`entry`] | the bytes a leaf hashes |
//! | [`commitment`] | salted digests of an event's units |
//! | [`secret`] | the per-event secrets and the tree they are derived from |
//! | [`block`] | what shows whether leaves made anew are those that were appended |
//! | [`frontier`] | what appending to a tree takes: the right edge |
//! | [`nodes`] | roots and proofs out of stored nodes; how stored nodes are numbered |
//! | [`tree`] | a whole tree in memory, leaves and all |
//! | [`proof`] | checking proofs; the `.tlog-proof` text |
//! | [`tile`] | C2SP tiles and entry bundles |
//! | [`note`] | C2SP signed notes |
//! | [`checkpoint`] | C2SP checkpoints |
//! | [`cosignature`] | C2SP cosignatures, and how many of them are enough |
//! | [`witness`] | cosigns only what extends what was cosigned before |
//! | [`origin`] | what logs are called |
//! | [`head`] | ledger heads: many logs under one signature |
//! | [`signer`] | signs only what extends what was signed before |
//! | [`succession`] | one signing key follows another, and both say so |

#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod block;
pub mod checkpoint;
pub mod commitment;
pub mod cosignature;
pub mod entry;
pub mod frontier;
pub mod hash;
pub mod head;
#[cfg(any(test, all(target_arch = "wasm32", target_feature = "simd128")))]
mod lanes;
pub mod nodes;
pub mod note;
pub mod origin;
pub mod proof;
pub mod secret;
pub mod signer;
pub mod succession;
#[cfg(test)]
mod testing;
pub mod tile;
pub mod tree;
pub mod witness;

pub use commitment::{Committer, Salt, unit_digest};
pub use entry::{Entry, EntryKind};
pub use frontier::Frontier;
pub use hash::{Hash, leaf_hash, node_hash};
pub use nodes::{Nodes, consistency, inclusion, root_at};
pub use secret::{Counter, PuncturedRoot, Secret, SecretRoot};
pub use tree::Tree;
