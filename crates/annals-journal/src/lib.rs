//! Ordered durable batches: the first of the two seams of annals.
//!
//! A journal keeps *batches*, opaque bytes, in one order. A batch has a [`Place`], from 0, rising by one. What
//! [`Journal::append`] has answered for survives a power cut. Old batches are forgotten by [`Journal::trim`] once
//! something else keeps them.
//!
//! | piece | is |
//! |---|---|
//! | [`Journal`] | the seam: what the ledger needs |
//! | [`FileJournal`] | local files; the default. [`mod@format`] describes every byte |
//! | [`MemoryJournal`] | a vector, for the tests of other crates |
//! | [`Scan`] | reads a folder that may be in use, writes nothing; for `annals verify` |
//! | [`Image`] | makes the bytes of a journal's file elsewhere, for backups |
//! | [`Disk`] | the file operations a file journal needs: [`RealDisk`], [`sim::SimDisk`], [`FaultDisk`] |
//! | [`lock()`] | keeps a second process out of a folder |
//! | `contract` | the suite that every journal passes (feature `contract`) |
//!
//! The calls block: one thread drives a journal and groups what waits (see [`GROUP_BYTES_MAX`]). There is no clock and
//! no randomness in here; the id of a new journal is given by the caller.
//!
//! What is absent on purpose: the journal does not know what a batch holds, never repairs a batch, never skips one,
//! and never flushes again after a flush has failed.

#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod disk;
mod error;
mod fault_disk;
mod file_journal;
pub mod format;
mod image;
mod lock;
mod memory;
mod real_disk;
mod scan;
pub mod sim;
mod walk;

use std::fmt;

pub use disk::{Disk, DiskFile};
pub use error::{AppendError, Cause, Damage, Flaw, OpenError, ReadError, TrimError};
pub use fault_disk::{FaultDisk, Faults};
pub use file_journal::{FileJournal, Opened, Options};
pub use format::JournalId;
pub use image::Image;
pub use lock::{Held, Lock, LockError, lock};
pub use memory::MemoryJournal;
pub use real_disk::RealDisk;
pub use scan::{Scan, Scanned};

/// The largest batch in bytes; a batch holds 1 to this many.
pub const BATCH_BYTES_MAX: usize = 32 << 20;

/// The most bytes of payload that one [`Journal::append`] takes in a group of several batches.
///
/// A larger batch goes alone. The bound keeps a flush short, and with it the wait of the batches behind it.
pub const GROUP_BYTES_MAX: usize = 2 << 20;

const _: () = assert!(GROUP_BYTES_MAX <= BATCH_BYTES_MAX);

/// Where a batch stands in its journal: from 0, rising by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub u64);

impl Place {
    /// The place `count` batches after this one.
    ///
    /// # Panics
    ///
    /// When the sum leaves `u64`, which 584 years of a batch per nanosecond would reach.
    #[must_use]
    pub fn plus(self, count: u64) -> Self {
        Self(self.0.checked_add(count).expect("a journal has fewer than 2^64 batches"))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The batches of a journal in order, each with its place. See [`Journal::read`].
pub type Reader = Box<dyn Iterator<Item = Result<(Place, Vec<u8>), ReadError>> + Send>;

/// Ordered durable batches.
///
/// One writer at a time. Implementations pass the suite in `contract`.
pub trait Journal: Send {
    /// The place the next batch will take, as far as this handle knows.
    ///
    /// After [`AppendError::Uncertain`] it may be behind; reading from it tells.
    fn next(&self) -> Place;

    /// The oldest place still readable; equal to [`next`](Self::next) when there is none.
    fn first(&self) -> Place;

    /// Appends the batches as one group, in order, and returns the first one's place once all would survive a power
    /// cut.
    ///
    /// Each batch holds 1 to [`BATCH_BYTES_MAX`] bytes; several together at most [`GROUP_BYTES_MAX`]. An empty group
    /// does nothing. `next` is where the caller believes the journal ends; it fences off a second writer.
    ///
    /// # Errors
    ///
    /// * [`AppendError::Moved`]: the journal ends elsewhere, another writer was first; nothing of this group is stored.
    /// * [`AppendError::Uncertain`]: the answer was lost; the first few batches of the group, from none to all, are
    ///   stored, each whole. Read from `next`, or open again, before appending more.
    /// * [`AppendError::Full`]: no space; nothing of this group is stored, and it may be tried again.
    /// * [`AppendError::TooLarge`], [`AppendError::Empty`]: outside the limits; nothing is stored.
    /// * [`AppendError::Poisoned`]: an earlier flush failed; nothing of this group is stored, and this handle takes no
    ///   more writes. Open again.
    /// * [`AppendError::Unavailable`]: the disk or service did not answer; nothing of this group is stored, and it may
    ///   be tried again.
    fn append(&mut self, next: Place, group: &[&[u8]]) -> Result<Place, AppendError>;

    /// Reads the batches from `from` up to what is now acknowledged.
    ///
    /// The reader stands on its own: appends and trims may go on. It ends after its first error.
    ///
    /// # Errors
    ///
    /// Both here and from the reader:
    ///
    /// * [`ReadError::Trimmed`]: `from` is older than [`first`](Self::first), or was trimmed before it was reached.
    /// * [`ReadError::Beyond`]: `from` is after [`next`](Self::next).
    /// * [`ReadError::Damaged`]: stored bytes are not what was appended. Nothing is skipped.
    /// * [`ReadError::Io`]: the disk or service did not answer.
    fn read(&self, from: Place) -> Result<Reader, ReadError>;

    /// Forgets batches before `up_to`, as many as it conveniently can, and none from `up_to` on.
    ///
    /// Repeated trims that follow the end leave no batch behind for good: one before `up_to` is gone at the latest
    /// after the next trim to a place behind today's [`next`](Self::next).
    ///
    /// # Errors
    ///
    /// * [`TrimError::Beyond`]: `up_to` is after [`next`](Self::next); nothing is forgotten.
    /// * [`TrimError::Poisoned`]: a flush failed, now or earlier; nothing at or after `up_to` is forgotten.
    /// * [`TrimError::Unavailable`]: the disk or service did not answer; some may be forgotten. It may be tried again.
    fn trim(&mut self, up_to: Place) -> Result<(), TrimError>;
}
