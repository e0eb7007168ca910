//! Evidence bundles: part of a log with all that it takes to check it, far from any server.
//!
//! A bundle is a zip archive of these files; the archive itself is for the caller to read and write.
//!
//! ```text
//! manifest.json     what the bundle says of itself: origin, range, counts, the other files' hashes  (Manifest)
//! checkpoint        the signed tree head that everything is proven against, with all its cosignatures
//! lifecycle.ndjson  the log's own entries that excuse what is hidden: erasures, expiries, policies, keys
//! log.ndjson        the log from its first position to its last: records, and hashes in place of the others
//! earlier.json      optional: a checkpoint that somebody kept, and the proof that the log only grew since  (Earlier)
//! registry.json     optional: where the registry of all logs names this one  (Registry)
//! trust.json        the keys that the server says are its own; a reader compares them with those that it has  (Trust)
//! report.html       for people; it proves nothing
//! README.txt        likewise
//! ```
//!
//! **`log.ndjson`** is one walk over the tree from the left to the right, one JSON object a line, at most [`LINE_BYTES_MAX`] bytes
//! each. Folding it as it comes gives the root; what is needed at once is one line and a hash for each level of the tree.
//!
//! ```text
//! {"position":17,"entry":HEX,"secret":HEX,"units":[[NAME,VALUE],…]}           a record, all of it
//! {"position":18,"entry":HEX,"units":[[NAME,VALUE,SALT],[DIGEST],[DIGEST,40],…]}  parts are withheld, or erased by entry 40
//! {"position":19,"entry":HEX}                                                 withheld, or for kinds 2 to 6 all there is
//! {"position":20,"entry":HEX,"expired":41}                                    gone by the rule that entry 41 states
//! {"gap":[21,64],"nodes":[HEX,…]}                                             positions 21 to 63 are not in this bundle
//! ```
//!
//! Entries, units, salts and digests are those of `docs/reference/commitment.md`; NAME and VALUE are strings that hold exactly the
//! bytes committed to. The nodes of a gap are the roots of the largest complete subtrees that it consists of, from the left.
//! `lifecycle.ndjson` repeats, in front, the lines without units of entries of kinds 2 to 6.
//!
//! A line is checked by itself ([`check_line`]), on as many threads as there are; [`Walk`] takes the results in order, and
//! [`Walk::finish`] compares the root with the checkpoint's. Nothing here does I/O, knows the time or panics on what it is given.

#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod compose;
mod keys;
mod lifecycle;
mod line;
mod manifest;
mod plain;
mod registry;
#[cfg(test)]
mod tests;
mod verdict;
mod walk;

pub use compose::{Line, Unit, gap_nodes, write_line};
pub use keys::{Held, KeyChange, KeyError, Whose, follow};
pub use lifecycle::{Erased, Erasure, Expiry, Lifecycle, LifecycleError, Stage};
pub use line::{Checked, Hex, LineError, Part, RecordCheck, Shown, UnitText, check_line, check_parts};
pub use manifest::{Counts, Earlier, File, Manifest, Mode, Trust, TrustedKey};
pub use registry::{RegisteredHead, Registry, RegistryError};
pub use verdict::{Finding, Verdict};
pub use walk::{Summary, Walk};

/// What `manifest.json` names as the format.
pub const FORMAT: &str = "annals-bundle/1";

/// Longest line of `log.ndjson`, in bytes: an event of 256 KiB, each of its bytes escaped, with room for 128 salts.
pub const LINE_BYTES_MAX: usize = 2 << 20;

/// Most findings that are kept; all are counted.
pub const FINDINGS_KEPT: usize = 100;
