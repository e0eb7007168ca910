//! What must hold, by name.

use std::fmt;

use annals_ledger::Damaged;

/// Something that must hold whatever happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Invariant {
    /// An item that was answered `created` is there, exactly once, at the position and with the leaf and bytes that were
    /// acknowledged, in every later life of the service.
    AcknowledgedIsKept,
    /// An item is stored at most once, however often it is sent and whether or not it was ever answered.
    StoredAtMostOnce,
    /// Every record is byte for byte what some client sent, or annals' own.
    NothingIsInvented,
    /// What was refused (a bad item, a conflict, an answer that promises that nothing is stored) is not stored.
    RefusedIsNotStored,
    /// A duplicate is answered with the position and leaf of the first.
    DuplicateNamesTheFirst,
    /// A conflict is answered only where another event has the id.
    ConflictHasAnother,
    /// Of an all-or-nothing request everything is stored or nothing.
    AtomicIsAllOrNothing,
    /// A hole in a source's numbers is followed by the record that says so, and nothing else is.
    SourceHolesAreRecorded,
    /// Positions and ledger numbers are 0, 1, 2 … without a hole.
    NoHoles,
    /// What anybody has read once reads the same ever after: bytes, time, place; nothing vanishes.
    HistoryNeverChanges,
    /// `received_at` never falls within a log, whatever the clocks do.
    TimesNeverFall,
    /// A reader that goes on from `next` sees every record once and none twice, across crashes.
    ReadersMissNothing,
    /// The feed of all tenants and the tenants' own feeds hold the same records with the same numbers.
    FeedsAgree,
    /// Everything that was ever signed about a log is a prefix of what it is now, and the proofs show it.
    SignedIsAPrefix,
    /// A receipt verifies against the acknowledged leaf with nothing but the log's key.
    ReceiptsVerify,
    /// The signer never signs a smaller tree, or another tree of the same size.
    SignerNeverGoesBack,
    /// A journal set back behind what was signed does not open, and is left as it was.
    RolledBackIsRefused,
    /// Tenants and keys that were acknowledged exist, with the ends that were acknowledged.
    ControlIsKept,
    /// After a full disk has space again, ingest resumes by itself and leaves a record of the refusals.
    IngestResumes,
    /// What is sealed can be read, unless the disk refuses to read.
    SealedIsReadable,
    /// A search, a count or a feed with a condition gives what satisfies the condition, each once and in order, however often
    /// the service was started and records were sealed meanwhile.
    FindsAgree,
    /// After the segments' disk is well again, what waits is sealed and readiness says so.
    SealingResumes,
    /// After a failed flush no write is taken until a restart, and readiness says so.
    NoWriteAfterFailedFlush,
    /// Whatever a crash leaves, the service opens.
    Recovers,
    /// Nothing panics, and every durable batch can be applied.
    NeverPanics,
    /// Every request is answered in the end, in the words that fit it.
    EveryoneIsAnswered,
}

impl fmt::Display for Invariant {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, out)
    }
}

/// An invariant that did not hold, and how it showed.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) invariant: Invariant,
    pub(crate) detail: String,
}

/// Checks one thing; `detail` is written only when it does not hold.
pub(crate) fn ensure(
    holds: bool,
    invariant: Invariant,
    detail: impl FnOnce() -> String,
) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken { invariant, detail: detail() }) }
}

/// Whether a message tells of nothing but a fault that the run ordered.
pub(crate) fn is_ordered(message: &str) -> bool {
    message.contains("simulated: ")
}

/// Attempts to read, each of which may meet a fault that was ordered: they come once.
const READS_MAX: u32 = 16;

/// Reads, and reads again where the disk refused to.
pub(crate) fn readable<T>(mut read: impl FnMut() -> Result<T, Damaged>) -> Result<T, Broken> {
    for left in (0..READS_MAX).rev() {
        match read() {
            Ok(read) => return Ok(read),
            Err(damaged) if left > 0 && is_ordered(&damaged.to_string()) => {}
            Err(damaged) => return broken(Invariant::SealedIsReadable, damaged.to_string()),
        }
    }
    unreachable!("the last attempt ends the loop")
}

/// As [`ensure`], for what could not be had at all.
pub(crate) fn broken<T>(invariant: Invariant, detail: impl Into<String>) -> Result<T, Broken> {
    Err(Broken { invariant, detail: detail.into() })
}
