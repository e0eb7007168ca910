//! What can go wrong, and who must act.

use annals_journal::{OpenError as JournalOpenError, Place, ReadError};

use crate::state::ApplyError;
use crate::store::StoreError;

/// Who must act on an error. One place in the server maps it to a status, one in the command line to an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The caller changes the request.
    Invalid,
    /// The caller gets other credentials.
    Denied,
    /// The caller asks for something else.
    Missing,
    /// The caller reads again, then decides.
    Conflict,
    /// The caller waits.
    Busy,
    /// May or may not have been stored; safe to send again with the same ids.
    Uncertain,
    /// The operator looks at the disk or engine.
    Unavailable,
    /// The operator: stored bytes do not match their hash. Never repaired silently.
    Damaged,
    /// We.
    Bug,
}

/// Why a batch was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// Too much waits already; nothing is stored.
    #[error("too many events wait to be written")]
    Busy,
    /// The flush failed or its answer was lost; the batch is stored whole or not at all.
    #[error("the events may or may not be stored; send them again with the same ids")]
    Uncertain,
    /// No space; nothing is stored. Goes on by itself when there is space again.
    #[error("the journal's disk is full")]
    Full,
    /// The clock jumped; nothing is stored.
    #[error("the server's clock jumped by {} s; events are refused until it returns or an operator confirms it", jump_us / 1_000_000)]
    Clock {
        /// How far, µs, against the monotonic clock.
        jump_us: i64,
    },
    /// A flush failed earlier, or the journal does not answer; nothing is stored.
    #[error("the journal takes no writes: {reason}")]
    Unavailable {
        /// What the journal said.
        reason: String,
    },
    /// The request is larger than a batch may be; nothing is stored.
    #[error("the events are too large for one batch once stored ({bytes} bytes)")]
    TooLarge {
        /// Bytes of the batch.
        bytes: usize,
    },
    /// The server is stopping; nothing is stored.
    #[error("the server is stopping")]
    Stopping,
}

impl CommitError {
    /// Who must act.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Busy | Self::Stopping => ErrorKind::Busy,
            Self::Uncertain => ErrorKind::Uncertain,
            Self::Full | Self::Clock { .. } | Self::Unavailable { .. } => ErrorKind::Unavailable,
            Self::TooLarge { .. } => ErrorKind::Invalid,
        }
    }

    /// Stable name.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Uncertain => "uncertain",
            Self::Full => "disk_full",
            Self::Clock { .. } => "clock",
            Self::Unavailable { .. } => "journal_unavailable",
            Self::TooLarge { .. } => "batch_bytes",
            Self::Stopping => "stopping",
        }
    }
}

/// Why a ledger does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The journal does not open.
    #[error(transparent)]
    Journal(#[from] JournalOpenError),
    /// The journal cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A batch does not belong to this ledger.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The folder of segments cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal lacks batches that are in no segment.
    #[error(
        "the journal begins with batch {first}, but the segments end before batch {needed}\nhint: a part of the data folder was lost or replaced; restore it from a backup"
    )]
    Gap {
        /// The journal's oldest batch.
        first: Place,
        /// The first one that is needed.
        needed: Place,
    },
    /// The journal ends before the segments do.
    #[error(
        "the journal ends before batch {next}, but the segments have all before batch {needed}\nhint: a part of the data folder was lost or replaced; restore it from a backup"
    )]
    Short {
        /// The place of the next batch.
        next: Place,
        /// Where the segments end.
        needed: Place,
    },
    /// The log is not the one that was signed: shorter, or other records.
    #[error("log {origin}: size {signed_size} was signed before, but the records give {}\nhint: part of the data folder was replaced or lost; restore it from a backup", .found.as_ref().map_or_else(|| "fewer".to_owned(), |root| format!("another root, {root}")))]
    SignedOtherwise {
        /// The log.
        origin: String,
        /// The size the signer remembers.
        signed_size: u64,
        /// The root at that size now, if the log has it.
        found: Option<annals_tree::Hash>,
    },
    /// The signing key is another than the ledger's.
    #[error("the signing key is not the one this ledger began with")]
    OtherKey,
    /// The first records could not be written.
    #[error("the ledger cannot write its first records at place {place}: {cause}")]
    Write {
        /// Where.
        place: Place,
        /// Why.
        #[source]
        cause: annals_journal::AppendError,
    },
    /// The signer's memory cannot be used.
    #[error("the signer's memory: {0}")]
    Signer(String),
}

impl OpenError {
    /// Who must act.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Journal(JournalOpenError::Damaged(_))
            | Self::Read(ReadError::Damaged(_))
            | Self::Apply(_)
            | Self::Store(
                StoreError::Manifest { .. } | StoreError::Segment { .. } | StoreError::Damaged(_),
            )
            | Self::Gap { .. }
            | Self::Short { .. }
            | Self::SignedOtherwise { .. } => ErrorKind::Damaged,
            Self::OtherKey => ErrorKind::Invalid,
            _ => ErrorKind::Unavailable,
        }
    }
}
