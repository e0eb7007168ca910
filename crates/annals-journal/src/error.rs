//! What can go wrong with a journal, one enum per family of operations.

use std::{fmt, io};

use crate::Place;

/// Why a disk or service did not answer; for diagnostics, not for callers of the service.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a group was not acknowledged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The journal ends elsewhere than the caller believed; nothing of the group is stored. Kind `Conflict`.
    #[error("journal: ends at place {next}, not at {expected}: another writer was first")]
    Moved {
        /// Where the caller believed the journal to end.
        expected: Place,
        /// Where it ends.
        next: Place,
    },
    /// The answer was lost: none, some (the first) or all batches of the group are stored. Kind `Uncertain`.
    #[error("journal: the group at place {next} may or may not be stored")]
    Uncertain {
        /// The place its first batch has if it is stored.
        next: Place,
        /// What kept the answer.
        #[source]
        cause: Cause,
    },
    /// No space; nothing of the group is stored, and it may be tried again. Kind `Unavailable`.
    #[error("journal: no space for {bytes} bytes (kept in reserve: {reserve_bytes})")]
    Full {
        /// What the group needs.
        bytes: u64,
        /// Bytes the journal leaves free for others on the disk.
        reserve_bytes: u64,
    },
    /// A batch, or a group of several, is over its limit; nothing is stored. Kind `Invalid`.
    #[error("journal: {bytes} bytes, at most {bytes_max} are taken")]
    TooLarge {
        /// Bytes of the batch or of the group.
        bytes: usize,
        /// [`BATCH_BYTES_MAX`](crate::BATCH_BYTES_MAX) or [`GROUP_BYTES_MAX`](crate::GROUP_BYTES_MAX).
        bytes_max: usize,
    },
    /// A batch without bytes; nothing is stored. Kind `Bug`.
    #[error("journal: batch {index} of the group is empty")]
    Empty {
        /// Index in the group, from 0.
        index: usize,
    },
    /// A flush failed before this group was written; the handle takes no more writes. Kind `Unavailable`.
    #[error(
        "journal: takes no more writes since a flush failed: {reason}\nhint: look at the disk, then restart"
    )]
    Poisoned {
        /// What the failed flush reported.
        reason: String,
    },
    /// The disk or service did not answer; nothing of the group is stored. Kind `Unavailable`.
    #[error("journal: cannot write")]
    Unavailable(#[source] Cause),
}

/// Why batches cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Stored bytes are not what was written. Kind `Damaged`.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The place is no longer kept. Kind `Missing`.
    #[error("journal: place {from} was trimmed, the oldest kept is {first}")]
    Trimmed {
        /// The place asked for.
        from: Place,
        /// The oldest place kept.
        first: Place,
    },
    /// The place is after the end. Kind `Invalid`.
    #[error("journal: place {from} is after the end at {next}")]
    Beyond {
        /// The place asked for.
        from: Place,
        /// Where the journal ends.
        next: Place,
    },
    /// The disk or service did not answer. Kind `Unavailable`.
    #[error("journal: cannot read")]
    Io(#[source] Cause),
}

/// Why batches were not forgotten.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrimError {
    /// The place is after the end; nothing is forgotten. Kind `Bug`.
    #[error("journal: cannot trim up to {up_to}, it ends at {next}")]
    Beyond {
        /// The place asked for.
        up_to: Place,
        /// Where the journal ends.
        next: Place,
    },
    /// A flush failed; the handle takes no more writes. Kind `Unavailable`.
    #[error(
        "journal: takes no more writes since a flush failed: {reason}\nhint: look at the disk, then restart"
    )]
    Poisoned {
        /// What the failed flush reported.
        reason: String,
    },
    /// The disk or service did not answer; some batches may be forgotten. Kind `Unavailable`.
    #[error("journal: cannot trim")]
    Unavailable(#[source] Cause),
}

/// Why a journal does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Stored bytes are not what was written. Nothing has been changed. Kind `Damaged`.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A file has a version this program does not know. Kind `Invalid`.
    #[error(
        "journal: file `{file}` has format version {version}, this program reads version {known}\nhint: use a newer annals"
    )]
    Version {
        /// Name of the file.
        file: String,
        /// Version in its header.
        version: u8,
        /// The version this program reads and writes.
        known: u8,
    },
    /// The disk did not answer. Kind `Unavailable`.
    #[error("journal: cannot open")]
    Io(#[from] io::Error),
}

/// Stored bytes that are not what was written: where, and what is wrong with them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("journal: file `{file}`, byte {offset}{}: {flaw}", at_place(*.place))]
pub struct Damage {
    /// Name of the file.
    pub file: String,
    /// Byte in the file where the first bad frame or header starts.
    pub offset: u64,
    /// The place expected there, when that is known.
    pub place: Option<Place>,
    /// What is wrong.
    pub flaw: Flaw,
}

fn at_place(place: Option<Place>) -> String {
    place.map_or_else(String::new, |place| format!(" (place {place})"))
}

/// What is wrong with stored bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// A name ending in `.journal` that no journal writes.
    Name,
    /// The file's header does not match its checksum, or is cut short.
    FileHeader,
    /// The file belongs to another journal.
    Foreign,
    /// The header names another first place than the file's name.
    FirstPlace,
    /// The places between the file before and this one are missing, or both have them.
    Gap,
    /// Neither a frame's header that matches its checksum, nor the zeros between groups.
    FrameHeader,
    /// A frame's header is whole but its place or group does not follow from the frame before.
    Order,
    /// A payload does not match its checksum, or is cut short.
    Payload,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "not a name that a journal writes",
            Self::FileHeader => "the file header does not match its checksum",
            Self::Foreign => "the file belongs to another journal",
            Self::FirstPlace => "the file header names another first place than the file name",
            Self::Gap => "the file does not start where the one before it ends",
            Self::FrameHeader => "there is no frame header that matches its checksum",
            Self::Order => "the frame does not follow the one before it",
            Self::Payload => "the payload does not match its checksum",
        })
    }
}
