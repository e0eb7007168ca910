//! What can be asked of the state.

use std::sync::Arc;

use annals_event::filter::Matcher;
use annals_event::{LedgerSeq, Operation, Position, TenantId, Timestamp};
use annals_journal::Place;
use annals_segment::Damaged;
use annals_tree::tree::tag;
use annals_tree::{Hash, SecretRoot};

use crate::batch::{Genesis, LogKind};
use crate::commit::Commits;
use crate::ids::id_hash;
use crate::keys::Keys;
use crate::log::{Log, Row};
use crate::record::Record;
use crate::scan::{Next, Readers, Scan, Work};
use crate::sealed::{Part, entry_of};
use crate::state::State;
use crate::tail::Tail;

/// One log of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantLog {
    /// Whose.
    pub tenant: TenantId,
    /// Which of the two.
    pub kind: LogKind,
}

/// What a feed runs over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedScope {
    /// One log, by position.
    Log(TenantLog),
    /// All tenants' events, by ledger number.
    All,
}

/// A stretch of a feed.
#[derive(Clone, Debug)]
pub struct FeedPage {
    /// The records, in order.
    pub records: Vec<Record>,
    /// Where to go on.
    pub next: u64,
    /// How many records the feed has.
    pub size: u64,
}

/// How much the state holds; for `status` and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Tenants, `_annals` among them.
    pub tenants: u64,
    /// Records of events in all tenants.
    pub records: u64,
    /// Of these, records that are not sealed yet.
    pub tail_records: u64,
    /// When the oldest of these was received.
    pub tail_since: Option<Timestamp>,
    /// Some of these are being put into a segment, or wait for that.
    pub is_sealing: bool,
    /// Bytes of journal batches kept in memory.
    pub memory_bytes: u64,
    /// Segments.
    pub segments: u64,
    /// Bytes of their files.
    pub segment_bytes: u64,
    /// Segments of which something could not be read since the start, or was not what was written.
    pub damaged_segments: u64,
    /// Batches in the journal.
    pub batches: u64,
}

impl State {
    /// The ledger's identity; none before the first batch.
    #[must_use]
    pub fn genesis(&self) -> Option<&Genesis> {
        self.genesis.as_ref()
    }

    /// Whether the tenant exists.
    #[must_use]
    pub fn knows(&self, tenant: &TenantId) -> bool {
        self.tenants.contains_key(tenant)
    }

    /// All tenants, sorted.
    pub fn tenants(&self) -> impl Iterator<Item = &TenantId> {
        self.tenants.keys()
    }

    /// The keys, shared with whoever checks them.
    #[must_use]
    pub fn keys(&self) -> std::sync::Arc<std::sync::RwLock<Keys>> {
        self.keys.clone()
    }

    /// The place of the next batch.
    #[must_use]
    pub fn next(&self) -> Place {
        self.next
    }

    /// Whether the last run started and did not say that it stopped.
    #[must_use]
    pub fn running(&self) -> bool {
        self.running
    }

    /// Whether the journal so far has a signed head.
    pub(crate) fn has_heads(&self) -> bool {
        self.last_head_at.is_some()
    }

    pub(crate) fn has_operator_key(&self) -> bool {
        self.keys.read().expect("no holder of this lock panics").iter().any(|key| key.operator)
    }

    /// How much there is.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        Sizes {
            tenants: self.tenants.len() as u64,
            records: self.tail.order.next(),
            tail_records: self.tails().map(|tail| tail.records).sum(),
            tail_since: self.tails().filter_map(|tail| tail.since).min(),
            is_sealing: self.sealing.is_some(),
            memory_bytes: self.tails().map(|tail| tail.chunk_bytes).sum(),
            segments: self.sealed.iter().len() as u64,
            segment_bytes: self.sealed.iter().map(|part| part.bytes).sum(),
            damaged_segments: self.damaged_segments().count() as u64,
            batches: self.next.0,
        }
    }

    /// Names of the segments of which something could not be read since the start, or was not what was written.
    pub(crate) fn damaged_segments(&self) -> impl Iterator<Item = &Arc<str>> {
        self.sealed.iter().filter(|part| part.segment.is_damaged()).map(|part| part.segment.name())
    }

    pub(crate) fn log(&self, name: &TenantLog) -> Option<&Log> {
        Some(&self.logs[self.log_index(name)? as usize])
    }

    pub(crate) fn log_index(&self, name: &TenantLog) -> Option<u32> {
        Some(self.tenants.get(&name.tenant)? + u32::from(name.kind == LogKind::Access))
    }

    pub(crate) fn logs(&self) -> &[Log] {
        &self.logs
    }

    /// How many records a feed has; none when the tenant does not exist.
    #[must_use]
    pub fn feed_size(&self, scope: &FeedScope) -> Option<u64> {
        match scope {
            FeedScope::All => Some(self.tail.order.next()),
            FeedScope::Log(name) => self.log(name).map(Log::size),
        }
    }

    /// A record of a tail.
    pub(crate) fn record_in(&self, tail: &Tail, log: u32, position: Position) -> Option<Record> {
        tail.row(log, position).map(|row| self.record_at(tail, log, position, row))
    }

    /// The record of a row of a tail.
    pub(crate) fn record_at(&self, tail: &Tail, log: u32, position: Position, row: &Row) -> Record {
        let log = &self.logs[log as usize];
        Record {
            tenant: log.tenant.clone(),
            log: log.kind,
            position,
            seq: row.seq.map(LedgerSeq),
            received_at: row.received_at,
            occurred_at: row.occurred_at,
            operation: Operation::from_code(row.operation).unwrap_or(Operation::Other),
            operation_derived: row.derived,
            class: row.class,
            stated: row.stated,
            event: row.event(&tail.chunks),
            fate: None,
        }
    }

    /// Where the record at a position of a log is.
    pub(crate) fn locate(&self, name: &TenantLog, position: Position) -> Result<Option<Located>, Damaged> {
        let Some(index) = self.log_index(name) else { return Ok(None) };
        if let Some(tail) = self.tails().find(|tail| tail.row(index, position).is_some()) {
            return Ok(self.record_in(tail, index, position).map(|record| {
                let row = tail.row(index, position).expect("it was found a moment ago");
                let secret = SecretRoot::from_bytes(tail.roots.seeds[row.root as usize]).secret(row.counter);
                let commitment = Commits::default().commit_as(row.stated, &record.event, &secret);
                let intact = commitment == Some(row.commitment);
                let (bytes, leaf) = (row.entry(&tail.chunks), row.leaf(&tail.chunks));
                Located::Here(Box::new(record), Entry { bytes, leaf, intact })
            }));
        }
        let found = self.sealed.at(&self.logs[index as usize], position)?;
        Ok(found.map(|(part, row)| Located::Sealed(part.clone(), row)))
    }

    /// Where the record with this event id is, or may be: in the tails, or in one of these segments.
    pub(crate) fn locate_id(&self, name: &TenantLog, id: &str) -> Option<Wanted> {
        let genesis = self.genesis.as_ref()?;
        let index = self.log_index(name)?;
        let mut escaped = Vec::new();
        annals_event::json::write_string(id, &mut escaped);
        let id = escaped.get(1..escaped.len() - 1)?;
        let hash = id_hash(&genesis.id_key, &name.tenant, name.kind, id);
        if let Some((tail, position)) = self.find_in_tails(index, hash, id) {
            return self.record_in(tail, index, position).map(Wanted::Here);
        }
        let log = &self.logs[index as usize];
        let parts = self.sealed.of(&log.parts).rev().cloned().collect();
        Some(Wanted::Sealed { parts, hash, id: id.into() })
    }
}

/// Where a record is.
pub(crate) enum Located {
    /// In a tail.
    Here(Box<Record>, Entry),
    /// In a segment.
    Sealed(Arc<Part>, u32),
}

impl Located {
    /// The entry, and whether the event still hashes to what the entry commits to.
    pub(crate) fn entry(self) -> Result<Entry, Damaged> {
        let (part, row) = match self {
            Self::Here(_, entry) => return Ok(entry),
            Self::Sealed(part, row) => (part, row),
        };
        let sealed = part.segment.record(row)?;
        let (bytes, leaf) = entry_of(&sealed).ok_or_else(|| {
            part.segment.malformed("a record is no event").of(&sealed.tenant, sealed.position)
        })?;
        Ok(Entry { bytes, leaf, intact: part.segment.tag(row)? == tag(&leaf) })
    }

    /// The record.
    pub(crate) fn record(self) -> Result<Record, Damaged> {
        match self {
            Self::Here(record, _) => Ok(*record),
            Self::Sealed(part, row) => part.record(row),
        }
    }
}

/// A record that is looked for by its id.
pub(crate) enum Wanted {
    /// It is in a tail.
    Here(Record),
    /// If it is anywhere, it is in one of these.
    Sealed { parts: Vec<Arc<Part>>, hash: u64, id: Box<[u8]> },
}

impl Wanted {
    pub(crate) fn record(self, name: &TenantLog) -> Result<Option<Record>, Damaged> {
        match self {
            Self::Here(record) => Ok(Some(record)),
            Self::Sealed { parts, hash, id } => {
                for part in parts {
                    if let Some(row) = part.find(&name.tenant, name.kind, hash, &id)? {
                        return part.record(row).map(Some);
                    }
                }
                Ok(None)
            }
        }
    }
}

/// A stretch of a feed that is being sifted.
pub(crate) struct Sift {
    scan: Scan,
    readers: Readers,
    limit: usize,
    page: FeedPage,
}

impl Sift {
    pub(crate) fn new(
        state: &State,
        scope: &FeedScope,
        from: u64,
        limit: usize,
        matcher: &Arc<Matcher>,
    ) -> Option<Self> {
        let size = state.feed_size(scope)?;
        let mut scan = Scan::by_number(scope, matcher, false, false, size);
        if let Some(before) = from.checked_sub(1) {
            scan.after((0, before));
        }
        let page = FeedPage { records: Vec::new(), next: from, size };
        Some(Self { scan, readers: Readers::default(), limit, page })
    }

    pub(crate) fn finish(mut self) -> FeedPage {
        if self.page.records.len() < self.limit {
            // What was looked at without finding anything need not be looked at again.
            let reached = if self.scan.has_ended() {
                self.page.size
            } else {
                self.scan.reached().map_or(0, |(_, number)| number + 1)
            };
            self.page.next = self.page.next.max(reached);
        }
        self.page
    }
}

impl Work for Sift {
    fn is_ahead(&self) -> bool {
        self.scan.reached().is_some()
    }

    fn fetch(&mut self, state: &State) -> Result<bool, Damaged> {
        self.scan.fetch(state);
        Ok(!self.scan.has_ended() && self.page.records.len() < self.limit)
    }

    fn look(&mut self) -> Result<Option<usize>, Damaged> {
        if self.page.records.len() == self.limit {
            return Ok(None);
        }
        match self.scan.next()? {
            Next::Fetch => Ok(None),
            Next::Looked(bytes) => Ok(Some(bytes)),
            Next::Found(passed) => {
                let record = passed.record(&mut self.readers)?;
                let bytes = record.event.len();
                self.page.next = passed.number + 1;
                self.page.records.push(record);
                Ok(Some(bytes))
            }
        }
    }
}

/// What the tree holds at one position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The entry: 44 bytes, and for a statement the record's own behind them.
    pub bytes: Vec<u8>,
    /// Their hash.
    pub leaf: Hash,
    /// The event's bytes still give the entry's commitment.
    pub intact: bool,
}
