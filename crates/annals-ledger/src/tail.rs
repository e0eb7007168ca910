//! The tail: records that are not sealed yet, in memory.
//!
//! There is one that grows and at most one before it, which does not change any more and is being sealed. A tail knows what
//! each of its logs was before its first record, so that the state as of its beginning can be written down at any time later.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_event::{Position, TenantId, Timestamp};
use annals_journal::Place;
pub(crate) use annals_tree::block::BLOCK_LEVEL;
use annals_tree::nodes::{stored_node_place, stored_nodes_before};
use annals_tree::{Frontier, Hash};
use bytes::Bytes;

use crate::batch::{LogId, LogKind};
use crate::columns::Columns;
use crate::ids::IdIndex;
use crate::log::{Log, Row};
use crate::marks::Marks;
use crate::order::Order;
use crate::sources::Sources;
use crate::state::Roots;
use crate::times::Times;

/// See the module.
pub(crate) struct Tail {
    /// The first batch whose records are here.
    pub(crate) first_place: Place,
    /// Logs that were there before the first record; later ones begin here.
    pub(crate) logs_before: usize,
    /// Batches that hold records, kept whole.
    pub(crate) chunks: Vec<Bytes>,
    pub(crate) chunk_bytes: u64,
    pub(crate) roots: Roots,
    pub(crate) ids: IdIndex,
    /// Ledger numbers.
    pub(crate) order: Order,
    /// Ledger numbers by the time of occurrence.
    pub(crate) times: Times,
    /// Marks of the records that have a ledger number.
    pub(crate) marks: Marks,
    /// Values that were counted.
    pub(crate) columns: Columns,
    /// Records of each log, by its index.
    pub(crate) stretches: BTreeMap<u32, Stretch>,
    pub(crate) records: u64,
    /// When its first record was accepted.
    pub(crate) since: Option<Timestamp>,
}

/// Neighbouring records of one log.
pub(crate) struct Stretch {
    pub(crate) tenant: TenantId,
    pub(crate) kind: LogKind,
    pub(crate) id: LogId,
    /// The log before the first of them.
    pub(crate) before: Before,
    pub(crate) rows: Vec<Row>,
    /// Positions by the time of occurrence.
    pub(crate) times: Times,
    /// Complete subtrees of 256 leaves and more that these records complete, in the order of completion.
    pub(crate) nodes: Vec<Hash>,
}

/// A log as it was when a tail began.
#[derive(Clone)]
pub(crate) struct Before {
    pub(crate) tree: Frontier,
    pub(crate) last_received_at: Option<Timestamp>,
    pub(crate) sources: Option<Arc<Sources>>,
}

impl Tail {
    /// A tail without a record, that begins with the batch at `first_place` and ledger number `first_seq`.
    pub(crate) fn new(first_place: Place, first_seq: u64, logs_before: usize) -> Self {
        Self {
            first_place,
            logs_before,
            chunks: Vec::new(),
            chunk_bytes: 0,
            roots: Roots::default(),
            ids: IdIndex::default(),
            order: Order::new(first_seq),
            times: Times::default(),
            marks: Marks::default(),
            columns: Columns::default(),
            stretches: BTreeMap::new(),
            records: 0,
            since: None,
        }
    }

    /// The row at a position of a log.
    pub(crate) fn row(&self, log: u32, position: Position) -> Option<&Row> {
        self.stretches.get(&log)?.row(position)
    }
}

impl Stretch {
    /// A stretch without a record, of a log as it is now.
    pub(crate) fn after(log: &Log) -> Self {
        Self {
            tenant: log.tenant.clone(),
            kind: log.kind,
            id: log.id,
            before: Before {
                tree: log.tree.clone(),
                last_received_at: log.last_received_at,
                sources: log.sources.clone(),
            },
            rows: Vec::new(),
            times: Times::default(),
            nodes: Vec::new(),
        }
    }

    /// Position of the first record.
    pub(crate) fn first(&self) -> u64 {
        self.before.tree.size()
    }

    /// One more than the position of the last record.
    pub(crate) fn end(&self) -> u64 {
        self.first() + self.rows.len() as u64
    }

    pub(crate) fn row(&self, position: Position) -> Option<&Row> {
        self.rows.get(usize::try_from(position.0.checked_sub(self.first())?).ok()?)
    }

    /// How many records from the first on were received at times of which `is_early` holds; it holds for none after one for
    /// which it does not.
    pub(crate) fn received_before(&self, is_early: impl Fn(Timestamp) -> bool) -> u64 {
        self.rows.partition_point(|row| is_early(row.received_at)) as u64
    }

    /// The hash of a complete subtree of 256 leaves or more, when a record of this stretch completes it.
    pub(crate) fn node(&self, level: u32, index: u64) -> Option<Hash> {
        debug_assert!(level >= BLOCK_LEVEL, "smaller ones are made of leaves");
        let (block, offset) = stored_node_place(level, index);
        let before = stored_nodes_before(self.first() >> BLOCK_LEVEL);
        let place = (stored_nodes_before(block) + offset).checked_sub(before)?;
        self.nodes.get(usize::try_from(place).ok()?).copied()
    }
}
