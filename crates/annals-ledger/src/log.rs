//! One log, a tenant's or its access log: what is known of it as of now. Its records are in segments and in the tail.

use std::sync::Arc;

use annals_event::{Position, TenantId, Timestamp};
use annals_tree::origin::LogName;
use annals_tree::{Counter, EntryKind, Frontier, Hash, entry, leaf_hash};
use bytes::Bytes;

use crate::batch::{LogId, LogKind};
use crate::bits::Bits;
use crate::sources::{Hole, Sources};
use crate::tail::{BLOCK_LEVEL, Stretch};

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
    pub(crate) id_hash: u64,
    pub(crate) operation: u8,
    pub(crate) derived: bool,
    /// Written by annals itself.
    pub(crate) system: bool,
    /// For a statement of the log's own, the kind of its entry.
    pub(crate) stated: Option<EntryKind>,
    pub(crate) class: u16,
    /// Index of its secret root in the tail.
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
    pub(crate) fn leaf(&self, chunks: &[Bytes]) -> Hash {
        match self.stated {
            None => leaf_hash(&entry::encode_event(
                self.class,
                received_at_ms(self.received_at),
                &self.commitment,
            )),
            Some(_) => leaf_hash(&self.entry(chunks)),
        }
    }

    /// The row as an entry of its log.
    pub(crate) fn entry(&self, chunks: &[Bytes]) -> Vec<u8> {
        let received_at_ms = received_at_ms(self.received_at);
        match self.stated {
            None => entry::encode_event(self.class, received_at_ms, &self.commitment).to_vec(),
            Some(kind) => entry::encode_stating(kind, self.class, received_at_ms, self.event_in(chunks)),
        }
    }

    /// The client's time, or where it sent none the time of receipt: what searches order by.
    pub(crate) fn happened_at(&self) -> Timestamp {
        self.occurred_at.unwrap_or(self.received_at)
    }

    /// The event's canonical bytes, where they are.
    pub(crate) fn event_in<'a>(&self, chunks: &'a [Bytes]) -> &'a [u8] {
        &chunks[self.chunk as usize][self.bytes.0 as usize..self.bytes.1 as usize]
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

/// One log as of now. There may be hundreds of thousands.
pub(crate) struct Log {
    pub(crate) id: LogId,
    pub(crate) kind: LogKind,
    pub(crate) tenant: TenantId,
    pub(crate) tree: Frontier,
    pub(crate) last_received_at: Option<Timestamp>,
    pub(crate) sources: Option<Arc<Sources>>,
    /// The segments it appears in, by their slots.
    pub(crate) parts: Bits,
}

impl Log {
    pub(crate) fn new(id: LogId, kind: LogKind, tenant: TenantId) -> Self {
        Self {
            id,
            kind,
            tenant,
            tree: Frontier::new(),
            last_received_at: None,
            sources: None,
            parts: Bits::default(),
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

    /// Notes a number that a source counted and tells what it jumped over.
    pub(crate) fn advance(&mut self, source: u64, seq: u64) -> Option<Hole> {
        // What a tail remembers of the log before it stays as it was.
        Arc::make_mut(self.sources.get_or_insert_default()).advance(source, seq)
    }

    /// Adds a record to its stretch in the tail and gives its position and leaf.
    pub(crate) fn push(&mut self, stretch: &mut Stretch, row: Row, chunks: &[Bytes]) -> (Position, Hash) {
        debug_assert!(
            self.last_received_at.is_none_or(|last| last <= row.received_at),
            "received_at never falls"
        );
        let position = Position(self.size());
        let leaf = row.leaf(chunks);
        let nodes = &mut stretch.nodes;
        self.tree.push(leaf, &mut |level, _, hash| {
            if level >= BLOCK_LEVEL {
                nodes.push(hash);
            }
        });
        self.last_received_at = Some(row.received_at);
        stretch.times.push(row.happened_at(), position.0);
        stretch.rows.push(row);
        assert_eq!(stretch.end(), self.tree.size(), "a position is a row and a leaf");
        (position, leaf)
    }
}
