//! What an audit finds, and how it is told.

use std::fmt;
use std::sync::Arc;

use annals_event::{Position, TenantId};
use annals_journal::{Damage, Place};
use annals_segment::Damaged;

use crate::batch::LogKind;

/// Where in the journal's files something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSpot {
    /// Name of the file in the journal's folder.
    pub file: Arc<str>,
    /// Byte in the file.
    pub offset: u64,
}

impl fmt::Display for FileSpot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "file `{}`, byte {}", self.file, self.offset)
    }
}

/// Neighbouring positions of one log, both ends included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Whose.
    pub tenant: TenantId,
    /// Which of the tenant's logs.
    pub log: LogKind,
    /// First position.
    pub first: Position,
    /// Last position.
    pub last: Position,
}

/// One thing that is not as it was stored or signed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// A frame, or a file's header, does not match its checksum.
    Frame {
        /// Where and what.
        damage: Damage,
        /// The records in the frame, as far as they can be made out.
        holds: Vec<Span>,
    },
    /// A record's bytes do not give the commitment that was made to them.
    Record {
        /// Whose.
        tenant: TenantId,
        /// Which of the tenant's logs.
        log: LogKind,
        /// Its position, unless what stands before it could not be read.
        position: Option<Position>,
        /// Where the event's bytes begin.
        at: FileSpot,
    },
    /// A batch cannot follow those before it. Records behind it have no positions.
    Batch {
        /// Where its frame begins.
        at: FileSpot,
        /// Its place.
        place: Place,
        /// Why.
        cause: String,
    },
    /// The records of a log do not give the root that was signed.
    Head {
        /// Whose.
        tenant: TenantId,
        /// The log.
        origin: String,
        /// Records that match an earlier signed head.
        good: u64,
        /// The size that was signed.
        signed: u64,
        /// Where the head's frame begins.
        at: FileSpot,
    },
    /// A head that the ledger's key did not sign.
    HeadSignature {
        /// Where its frame begins.
        at: FileSpot,
    },
    /// The signer remembers another log than the journal gives.
    Signer {
        /// The log.
        origin: String,
        /// The size that was signed.
        signed: u64,
        /// How many records the journal has.
        found: u64,
    },
    /// What the signer remembers cannot be read.
    SignerMemory {
        /// Why.
        cause: String,
    },
    /// A manifest cannot be read.
    Manifest {
        /// Its file.
        name: String,
        /// Why.
        cause: String,
    },
    /// There is no manifest that can be read, and the journal does not begin with the ledger.
    ManifestMissing {
        /// The first batch that the journal has.
        first: Place,
    },
    /// The journal has not the batches that follow the manifest's segments.
    Journal {
        /// The batch after the last one that it has; none when it has no file.
        next: Option<Place>,
        /// The first batch that is not in segments.
        needed: Place,
    },
    /// A segment that the manifest names is missing, or is not the one that it names.
    Segment {
        /// Its file.
        name: String,
        /// What is wrong with it.
        what: String,
        /// The records in it, as far as their neighbours tell.
        holds: Vec<Span>,
    },
    /// Bytes of a segment are not what was written.
    Block {
        /// Where and what.
        damage: Damaged,
        /// The records that cannot be read without them. None when they only help to search.
        holds: Vec<Span>,
    },
    /// A record in a segment is not the one that was appended.
    Sealed {
        /// Whose.
        tenant: TenantId,
        /// Which of the tenant's logs.
        log: LogKind,
        /// Its position.
        position: Position,
        /// The segment's file.
        file: Arc<str>,
        /// Its row there.
        row: u32,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// The hashes of records do not add up to the sum beside them, although each has the tag that it should have.
    Sum {
        /// The records; one or more of them were changed.
        span: Span,
        /// The segment's file.
        file: Arc<str>,
    },
    /// The records do not give the tree hash that was stored when they were sealed.
    Subtree {
        /// The records.
        span: Span,
        /// The segment's file.
        file: Arc<str>,
    },
    /// No segment has these records.
    Hole {
        /// The records.
        span: Span,
    },
    /// A segment has records that the ledger does not have there.
    Misplaced {
        /// The records.
        span: Span,
        /// The segment's file.
        file: Arc<str>,
        /// The position that should follow there.
        expected: u64,
    },
    /// A segment has a log that the manifest does not place there, or not the log that it does.
    Stranger {
        /// Whose.
        tenant: TenantId,
        /// Which of the tenant's logs.
        log: LogKind,
        /// The segment's file.
        file: Arc<str>,
        /// The log is there, and should not be.
        is_there: bool,
    },
    /// Ledger numbers of a segment do not follow each other, or those before.
    Numbers {
        /// The segment's file.
        file: Arc<str>,
        /// What is wrong.
        what: &'static str,
    },
    /// The records in segments do not give what the manifest says of their log.
    Entry {
        /// Whose.
        tenant: TenantId,
        /// Which of the tenant's logs.
        log: LogKind,
        /// Records in segments.
        size: u64,
        /// What it says otherwise.
        what: &'static str,
    },
    /// A signed head in a manifest says nothing of this ledger.
    KeptHead {
        /// The manifest's file.
        name: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The records of a log in segments do not give the root of the signed head in the manifest.
    Kept {
        /// Whose.
        tenant: TenantId,
        /// Which of the tenant's logs.
        log: LogKind,
        /// Records that match an earlier signed head.
        good: u64,
        /// The size that was signed.
        signed: u64,
        /// The manifest's file.
        name: String,
    },
    /// No signed head in the folder covers these records, although one must: they are too old, or too many.
    Unsigned {
        /// The records.
        holds: Vec<Span>,
    },
}

impl Finding {
    /// Something is missing that the signer gives, and nothing that is there is wrong: so it is also while a signer is away.
    #[must_use]
    pub fn is_of_signatures_missing(&self) -> bool {
        matches!(self, Self::Unsigned { .. })
    }
}

/// What is wrong with a record in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// Its bytes do not give the commitment that was made to them, or its time of receipt is another one.
    Commitment,
    /// Only its tag is another one: the sum of its block shows that the record is right.
    Tag,
    /// What stands beside the event is not what its bytes say.
    Beside,
    /// It was received before the record in front of it.
    Received,
    /// It has a ledger number and should have none, or none and should have one, or not a higher one than the record before.
    Number,
    /// The filter over ids does not have its id, so that it is not found by it.
    Filter,
    /// The index over ids does not lead to it.
    Index,
    /// It stands at a wrong place in the order of time.
    Order,
}

impl fmt::Display for Flaw {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Commitment => "does not match its commitment",
            Self::Tag => "matches its block's sum, but not its tag",
            Self::Beside => "has beside it what its bytes do not say",
            Self::Received => "was received before the one in front of it",
            Self::Number => "has not the ledger number that it should have",
            Self::Filter => "is not found by its id, as the filter does not have it",
            Self::Index => "is not found by its id, as the index leads elsewhere",
            Self::Order => "stands at a wrong place in the order of time",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame { damage, holds } => {
                write!(out, "{damage}")?;
                each(out, "it holds", holds)
            }
            Self::Record { tenant, log, position: Some(position), at } => {
                write!(
                    out,
                    "{}: the record at position {position} does not match its commitment ({at})",
                    log_of(tenant, *log)
                )
            }
            Self::Record { tenant, log, position: None, at } => {
                write!(out, "{}: a record does not match its commitment ({at})", log_of(tenant, *log))
            }
            Self::Batch { at, cause, .. } => {
                write!(out, "{cause} ({at}); records behind it cannot be numbered")
            }
            Self::Head { tenant, origin, good, signed, at } => {
                let last = signed.saturating_sub(1);
                write!(
                    out,
                    "tenant `{tenant}`: log {origin}: positions {good} to {last} do not give the root that was signed for size \
                     {signed} ({at})"
                )
            }
            Self::HeadSignature { at } => {
                write!(out, "a ledger head is not signed by the ledger's key ({at})")
            }
            Self::Signer { origin, signed, found } if found < signed => {
                write!(out, "log {origin}: size {signed} was signed, the journal has {found} records")
            }
            Self::Signer { origin, signed, .. } => {
                write!(
                    out,
                    "log {origin}: the records do not give the root that was signed for size {signed}"
                )
            }
            Self::SignerMemory { cause } => write!(out, "the signer's memory: {cause}"),
            Self::Manifest { name, cause } => write!(out, "manifest `{name}`: {cause}"),
            Self::ManifestMissing { first } => {
                write!(out, "no manifest can be read, and the journal begins with batch {first} only")
            }
            Self::Journal { next: Some(next), needed } => {
                write!(out, "the journal ends before batch {next}; the segments go up to batch {needed}")
            }
            Self::Journal { next: None, needed } => {
                write!(out, "the journal is gone; batch {needed} and those behind it were in it")
            }
            Self::Segment { name, what, holds } => {
                write!(out, "segment `{name}` {what}")?;
                each(out, "it holds", holds)
            }
            Self::Block { damage, holds } => {
                // Which record came upon it first says nothing beside all that do.
                let damage = Damaged { record: None, ..damage.clone() };
                write!(out, "{damage}")?;
                each(out, "needed for", holds)
            }
            Self::Sealed { tenant, log, position, file, row, flaw } => {
                let log = log_of(tenant, *log);
                write!(out, "{log}: the record at position {position} {flaw} (segment `{file}`, row {row})")
            }
            Self::Sum { span, file } => {
                write!(out, "{span} do not add up to the sum of their hashes (segment `{file}`)")
            }
            Self::Subtree { span, file } => {
                write!(out, "{span} do not give their stored tree hash (segment `{file}`)")
            }
            Self::Hole { span } => write!(out, "{span} are in no segment"),
            Self::Misplaced { span, file, expected } => {
                write!(
                    out,
                    "{span} stand in segment `{file}`, where position {expected} should follow or nothing"
                )
            }
            Self::Stranger { tenant, log, file, is_there: true } => {
                write!(out, "{} is in segment `{file}`, and should not be", log_of(tenant, *log))
            }
            Self::Stranger { tenant, log, file, is_there: false } => {
                write!(out, "{} is not in segment `{file}`, and should be", log_of(tenant, *log))
            }
            Self::Numbers { file, what } => write!(out, "segment `{file}`: {what}"),
            Self::Entry { tenant, log, size, what } => {
                let log = log_of(tenant, *log);
                write!(out, "{log}: the {size} records in segments do not give the {what} in the manifest")
            }
            Self::KeptHead { name, cause } => write!(out, "manifest `{name}`: a signed head in it {cause}"),
            Self::Kept { tenant, log, good, signed, name } => {
                let (log, last) = (log_of(tenant, *log), signed.saturating_sub(1));
                write!(
                    out,
                    "{log}: positions {good} to {last} do not give the root that was signed for size {signed} (manifest `{name}`)"
                )
            }
            Self::Unsigned { holds } => {
                write!(out, "signed heads are missing, which are made each second")?;
                each(out, "none covers", holds)
            }
        }
    }
}

/// Spans that are told of one by one; of more only how many there are.
const SPANS_TOLD: usize = 5;

fn each(out: &mut fmt::Formatter<'_>, what: &str, spans: &[Span]) -> fmt::Result {
    for span in spans.iter().take(SPANS_TOLD) {
        write!(out, "; {what} {span}")?;
    }
    match spans.len().saturating_sub(SPANS_TOLD) {
        0 => Ok(()),
        more => write!(out, "; and {more} more"),
    }
}

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}, positions {} to {}", log_of(&self.tenant, self.log), self.first, self.last)
    }
}

fn log_of(tenant: &TenantId, log: LogKind) -> String {
    match log {
        LogKind::Tenant => format!("tenant `{tenant}`"),
        LogKind::Access => format!("access log of tenant `{tenant}`"),
    }
}
