//! What a request is told of its items.

use annals_event::{Position, TenantId, Warning};
use annals_tree::Hash;

use crate::accept::ItemError;
use crate::state::{Outcome, Refusal};

/// What became of one item of a request.
#[derive(Clone, Debug)]
pub struct ItemResult {
    /// Its id, sent or given; none when it could not be read.
    pub id: Option<String>,
    /// Stored, known, or why not.
    pub status: ItemStatus,
    /// What to tell the sender of an item that is kept.
    pub warnings: Vec<Warning>,
    /// Values that the tenant's rules took out of it.
    pub redacted: u64,
    /// The tenant it went to; none when it went nowhere.
    pub tenant: Option<TenantId>,
}

/// See [`ItemResult`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemStatus {
    /// Stored now.
    Created {
        /// Its position.
        position: Position,
        /// Its leaf.
        leaf: Hash,
    },
    /// Stored before.
    Duplicate {
        /// The first one's position.
        position: Position,
        /// The first one's leaf.
        leaf: Hash,
    },
    /// Not stored.
    Rejected(ItemError),
}

/// Of an event that was stored before and removed since; `is_refused` where it is of an all-or-nothing request that was.
pub(super) fn removed_status(position: Position, leaf: Hash, is_refused: bool) -> ItemStatus {
    if is_refused {
        return ItemStatus::Rejected(ItemError::atomic());
    }
    ItemStatus::Duplicate { position, leaf }
}

pub(super) fn item_status(outcome: Outcome) -> ItemStatus {
    match outcome {
        Outcome::Created { position, leaf } => ItemStatus::Created { position, leaf },
        Outcome::Duplicate { position, leaf } => ItemStatus::Duplicate { position, leaf },
        Outcome::Refused(refusal) => ItemStatus::Rejected(match refusal {
            Refusal::Unreadable { position } => ItemError::damaged(position),
            Refusal::Conflict { position } => ItemError {
                code: "conflict",
                pointer: "/id".to_owned(),
                message: format!("another event with this `id` is at position {position}"),
            },
            Refusal::ConflictInBatch => ItemError {
                code: "conflict",
                pointer: "/id".to_owned(),
                message: "another event of this request has the same `id`".to_owned(),
            },
            Refusal::TenantEnded => ItemError::tenant_ended(),
            Refusal::Atomic
            | Refusal::TenantExists
            | Refusal::KeyMissing
            | Refusal::Told
            | Refusal::Policy
            | Refusal::Case
            | Refusal::View
            | Refusal::Outdated => ItemError::atomic(),
        }),
    }
}
