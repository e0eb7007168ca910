//! One log: the records of a tenant (or of its access log) in order, and the tree over them.

use annals_event::{Position, TenantId, Timestamp};
use annals_tree::origin::LogName;
use annals_tree::{Counter, Hash, LeafSource, Tree, entry, leaf_hash};
use bytes::Bytes;

use crate::batch::{LogId, LogKind};
use crate::sources::Sources;
use crate::times::Times;

/// Index of a batch in the ledger's tail.
pub(crate) type Chunk = u32;

/// What is known of a record besides its bytes, which stay in the batch that brought them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) chunk: Chunk,
    /// Range of the event's bytes in the chunk.
    pub(crate) bytes: (u32, u32),
    /// Range of the id in the event's bytes.
    pub(crate) id_at: (u32, u16),
    pub(crate) operation: u8,
    pub(crate) derived: bool,
    /// Written by annals itself.
    pub(crate) system: bool,
    pub(crate) class: u16,
    pub(crate) root: u32,
    pub(crate) counter: Counter,
    pub(crate) received_at: Timestamp,
    pub(crate) occurred_at: Option<Timestamp>,
    /// Ledger number; none in an access log.
    pub(crate) seq: Option<u64>,
    pub(crate) commitment: Hash,
}

impl Row {
    /// The entry's hash, the row's leaf in its log's tree.
    pub(crate) fn leaf(&self) -> Hash {
        leaf_hash(&self.entry())
    }

    /// The row as an entry of its log.
    pub(crate) fn entry(&self) -> [u8; 44] {
        entry::encode_event(self.class, received_at_ms(self.received_at), &self.commitment)
    }

    /// The client's time, or where it sent none the time of receipt: what searches order by.
    pub(crate) fn occurred_at(&self) -> Timestamp {
        self.occurred_at.unwrap_or(self.received_at)
    }

    /// The event's canonical bytes, without a copy.
    pub(crate) fn event(&self, chunks: &[Bytes]) -> Bytes {
        chunks[self.chunk as usize].slice(self.bytes.0 as usize..self.bytes.1 as usize)
    }

    /// The event's id, as it is escaped in the bytes.
    pub(crate) fn id<'a>(&self, chunks: &'a [Bytes]) -> &'a [u8] {
        let start = self.bytes.0 as usize + self.id_at.0 as usize;
        &chunks[self.chunk as usize][start..start + usize::from(self.id_at.1)]
    }
}

/// The entry's time: milliseconds since 1970, rounded down; 0 for a clock that stands before it.
pub(crate) fn received_at_ms(at: Timestamp) -> u64 {
    u64::try_from(at.as_micros().div_euclid(1000)).unwrap_or(0)
}

/// The records of one log.
pub(crate) struct Log {
    pub(crate) id: LogId,
    pub(crate) kind: LogKind,
    pub(crate) tenant: TenantId,
    pub(crate) tree: Tree,
    pub(crate) sources: Sources,
    /// Positions by the time of occurrence.
    pub(crate) times: Times,
    rows: Vec<Row>,
}

impl Log {
    pub(crate) fn new(id: LogId, kind: LogKind, tenant: TenantId) -> Self {
        Self {
            id,
            kind,
            tenant,
            tree: Tree::new(),
            sources: Sources::default(),
            times: Times::default(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn name(&self) -> LogName {
        LogName { kind: self.kind, id: self.id }
    }

    /// Origin of the log's checkpoints in the ledger called `name`.
    pub(crate) fn origin(&self, name: &str) -> String {
        self.name().origin(name)
    }

    pub(crate) fn size(&self) -> u64 {
        self.tree.size()
    }

    pub(crate) fn row(&self, position: Position) -> Option<&Row> {
        self.rows.get(usize::try_from(position.0).ok()?)
    }

    pub(crate) fn rows_from(&self, position: Position) -> &[Row] {
        usize::try_from(position.0).ok().and_then(|at| self.rows.get(at..)).unwrap_or_default()
    }

    /// How many records from the first on were received at times of which `is_early` holds; it holds for none after one for
    /// which it does not.
    pub(crate) fn received_before(&self, is_early: impl Fn(Timestamp) -> bool) -> u64 {
        self.rows.partition_point(|row| is_early(row.received_at)) as u64
    }

    pub(crate) fn last_received_at(&self) -> Option<Timestamp> {
        self.rows.last().map(|row| row.received_at)
    }

    /// The root when the log had `size` records, or none when it never had that many.
    pub(crate) fn root_at(&self, size: u64) -> Option<Hash> {
        if size > self.size() {
            return None;
        }
        self.tree.root_at(size, self).ok()
    }

    /// Adds a record and gives its position and leaf.
    pub(crate) fn push(&mut self, row: Row) -> (Position, Hash) {
        debug_assert!(
            self.last_received_at().is_none_or(|last| last <= row.received_at),
            "received_at never falls"
        );
        let position = Position(self.size());
        let leaf = row.leaf();
        self.tree.push(leaf);
        self.times.push(row.occurred_at(), position.0);
        self.rows.push(row);
        assert_eq!(self.rows.len() as u64, self.tree.size(), "a position is a row and a leaf");
        (position, leaf)
    }
}

/// Leaves are recomputed from the rows; the tree itself keeps only what is above 256 of them.
impl LeafSource for Log {
    type Error = std::convert::Infallible;

    fn block(&self, block: u64) -> Result<Vec<Hash>, Self::Error> {
        let start = usize::try_from(block * 256).expect("a block the tree knows is in memory");
        Ok(self.rows[start..start + 256].iter().map(Row::leaf).collect())
    }
}
