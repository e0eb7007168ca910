//! What can be asked of the state.

use annals_event::filter::Matcher;
use annals_event::json::Document;
use annals_event::{LedgerSeq, Operation, Position, TenantId};
use annals_journal::Place;
use annals_tree::{Hash, SecretRoot};

use crate::batch::{Genesis, LogKind};
use crate::commit::Commits;
use crate::ids::{Found, id_hash};
use crate::keys::Keys;
use crate::log::Log;
use crate::record::Record;
use crate::scan::{Scan, Work};
use crate::state::State;

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
    /// Bytes of journal batches kept in memory.
    pub memory_bytes: u64,
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
            records: self.order.size(),
            memory_bytes: self.chunk_bytes,
            batches: self.next.0,
        }
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
            FeedScope::All => Some(self.order.size()),
            FeedScope::Log(name) => self.log(name).map(Log::size),
        }
    }

    /// At most `limit` records of a feed from `from` on; none when the tenant does not exist.
    #[must_use]
    pub fn feed(&self, scope: &FeedScope, from: u64, limit: usize) -> Option<FeedPage> {
        let size = self.feed_size(scope)?;
        let records: Vec<Record> = match scope {
            FeedScope::All => {
                self.order.from(from).take(limit).map(|(_, found)| self.record(found)).collect()
            }
            FeedScope::Log(name) => {
                let log = self.log_index(name)?;
                let end = size.min(from.saturating_add(limit as u64));
                (from..end).map(|position| self.record(Found { log, position: Position(position) })).collect()
            }
        };
        let next = from + records.len() as u64;
        Some(FeedPage { records, next, size })
    }

    /// The record at a position of a log.
    #[must_use]
    pub fn at(&self, name: &TenantLog, position: Position) -> Option<Record> {
        let log = self.log_index(name)?;
        self.logs[log as usize].row(position)?;
        Some(self.record(Found { log, position }))
    }

    /// The record with this event id.
    #[must_use]
    pub fn by_id(&self, name: &TenantLog, id: &str) -> Option<Record> {
        let genesis = self.genesis.as_ref()?;
        let log = self.log_index(name)?;
        let mut escaped = Vec::new();
        annals_event::json::write_string(id, &mut escaped);
        let id = escaped.get(1..escaped.len() - 1)?;
        let hash = id_hash(&genesis.id_key, &name.tenant, name.kind, id);
        self.find(log, hash, id).map(|found| self.record(found))
    }

    pub(crate) fn record(&self, found: Found) -> Record {
        let log = &self.logs[found.log as usize];
        let row = log.row(found.position).expect("whoever asks knows that the record exists");
        Record {
            tenant: log.tenant.clone(),
            log: log.kind,
            position: found.position,
            seq: row.seq.map(LedgerSeq),
            received_at: row.received_at,
            occurred_at: row.occurred_at,
            operation: Operation::from_code(row.operation).unwrap_or(Operation::Other),
            operation_derived: row.derived,
            class: row.class,
            event: row.event(&self.chunks),
        }
    }

    /// Whether annals itself has written a record.
    pub(crate) fn is_system(&self, found: Found) -> bool {
        self.logs[found.log as usize].row(found.position).is_some_and(|row| row.system)
    }

    /// The entry at a position, and whether the event still hashes to what the entry commits to.
    #[must_use]
    pub fn entry(&self, name: &TenantLog, position: Position) -> Option<Entry> {
        let row = self.log(name)?.row(position)?;
        let secret = SecretRoot::from_bytes(self.roots.seeds[row.root as usize]).secret(row.counter);
        let rebuilt = Commits::default().commit(&row.event(&self.chunks), &secret);
        Some(Entry { bytes: row.entry(), leaf: row.leaf(), intact: rebuilt == Some(row.commitment) })
    }
}

/// A stretch of a feed that is being sifted.
pub(crate) struct Sift<'a> {
    scope: &'a FeedScope,
    matcher: &'a Matcher,
    scan: Scan,
    document: Document,
    limit: usize,
    page: FeedPage,
}

impl<'a> Sift<'a> {
    pub(crate) fn new(
        state: &State,
        scope: &'a FeedScope,
        from: u64,
        limit: usize,
        matcher: &'a Matcher,
    ) -> Option<Self> {
        let size = state.feed_size(scope)?;
        let mut scan = Scan::by_number(state, scope, matcher.condition(), false, size);
        if let Some(before) = from.checked_sub(1) {
            scan.after((0, before));
        }
        let page = FeedPage { records: Vec::new(), next: from, size };
        Some(Self { scope, matcher, scan, document: Document::default(), limit, page })
    }

    pub(crate) fn finish(mut self) -> FeedPage {
        if self.scan.has_ended() && self.page.records.len() < self.limit {
            // What the walk left out at its end cannot match.
            self.page.next = self.page.next.max(self.page.size);
        }
        self.page
    }
}

impl Work for Sift<'_> {
    fn fetch(&mut self, state: &State) -> bool {
        self.scan.fetch(state, self.scope);
        !self.scan.has_ended() && self.page.records.len() < self.limit
    }

    fn look(&mut self) -> Option<usize> {
        if self.page.records.len() == self.limit {
            return None;
        }
        let passed = self.scan.next()?;
        let bytes = passed.record.event.len();
        self.page.next = passed.number + 1;
        if passed.satisfies(self.matcher, &mut self.document) {
            self.page.records.push(passed.record);
        }
        Some(bytes)
    }
}

/// What the tree holds at one position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The 44 bytes of the entry.
    pub bytes: [u8; 44],
    /// Their hash.
    pub leaf: Hash,
    /// The event's bytes still give the entry's commitment.
    pub intact: bool,
}
