//! What applying a batch did, and why it could not be applied.

use annals_event::{Position, TenantId};
use annals_journal::Place;
use annals_segment::Damaged;
use annals_tree::Hash;

use crate::batch::BatchError;

/// What became of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Stored.
    Created {
        /// Its place in its log.
        position: Position,
        /// Its hash in the log's tree.
        leaf: Hash,
    },
    /// The same event was stored before.
    Duplicate {
        /// Where the first one is.
        position: Position,
        /// The first one's leaf.
        leaf: Hash,
    },
    /// Not stored.
    Refused(Refusal),
}

/// Why an item that was well-formed is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Another event has this id.
    Conflict {
        /// Where that one is.
        position: Position,
    },
    /// An event has this id already, and cannot be read to compare the two.
    Unreadable {
        /// Where that one is; none when that cannot be read either.
        position: Option<Position>,
    },
    /// Another event of the same all-or-nothing batch has this id.
    ConflictInBatch,
    /// Another item of an all-or-nothing batch was refused.
    Atomic,
    /// The tenant to be made is there already.
    TenantExists,
    /// The key to be ended is not known.
    KeyMissing,
    /// The log says already who signs it.
    Told,
    /// The tenant has ended.
    TenantEnded,
    /// A change of policies cannot follow those in force.
    Policy,
    /// A case of erasure is not where it would have to be.
    Case,
    /// There is no room for a saved view, or none to be removed.
    View,
    /// A statement was made under policies that are not in force any more.
    Outdated,
}

/// What applying one batch did.
#[derive(Debug)]
pub enum Applied {
    /// The ledger has its identity.
    Genesis,
    /// One outcome an item, in order.
    Records(Vec<Outcome>),
    /// A head was accepted.
    Head,
}

/// A batch that cannot be part of this ledger. The journal says one thing and the ledger another: nothing is repaired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// Not in the form of `batch`.
    #[error("batch {place}: {cause}")]
    Form {
        /// The batch.
        place: Place,
        /// What is wrong.
        #[source]
        cause: BatchError,
    },
    /// The first batch is not a genesis, or a later one is.
    #[error(
        "batch {place} is not what may stand there: the first batch, and only that, is the ledger's genesis"
    )]
    Genesis {
        /// The batch.
        place: Place,
    },
    /// A batch speaks of a tenant as known that is not.
    #[error("batch {place} writes to tenant `{tenant}`, which does not exist there")]
    Tenant {
        /// The batch.
        place: Place,
        /// The tenant.
        tenant: TenantId,
    },
    /// A record of `_annals` that this program cannot apply.
    #[error("batch {place}: record of `_annals` cannot be applied: {cause}")]
    Control {
        /// The batch.
        place: Place,
        /// What is wrong.
        #[source]
        cause: serde_json::Error,
    },
    /// An entry of kind 5 in `_annals` introduces a key that does not follow the one in force; one in another log speaks of no
    /// rotation that was; or nobody can read it.
    #[error("batch {place}: the signing key that it introduces does not follow the one before it")]
    Succession {
        /// The batch.
        place: Place,
    },
    /// A signed head does not match the records before it.
    #[error(
        "batch {place}: log {origin}: the head signed for size {size} does not match the records before it"
    )]
    Head {
        /// The batch.
        place: Place,
        /// The log.
        origin: String,
        /// The size that was signed.
        size: u64,
    },
    /// A head that the ledger's key did not sign.
    #[error("batch {place}: the ledger head is not signed by the ledger's key")]
    HeadSignature {
        /// The batch.
        place: Place,
    },
    /// What is sealed must be looked at to apply the batch, and cannot be.
    #[error("batch {place}: {cause}")]
    Sealed {
        /// The batch.
        place: Place,
        /// What cannot be read.
        #[source]
        cause: Box<Damaged>,
    },
}
