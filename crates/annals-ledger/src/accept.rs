//! The way in: one request's events become one batch, on the request's own task.
//!
//! Everything that is not deterministic is fixed here (time, secrets, ids, log ids), and everything that costs CPU is done
//! here (parsing, normalising, committing), in parallel with other requests. What remains for the ledger's single thread is
//! to decide and to number.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, RwLock};

use annals_event::filter::Marker;
use annals_event::json::Document;
use annals_event::redact::Redaction;
use annals_event::suspect::{Suspect, Suspicion, suspicions};
use annals_event::{
    Code, Normalised, Operation, Position, Rejection, Rules, Scratch, TenantId, Timestamp, Warning,
    WarningCode, normalise,
};
use annals_journal::{BATCH_BYTES_MAX, Place};
use annals_tree::entry::BODY_BYTES_MAX;
use annals_tree::{EntryKind, Hash, SecretRoot};
use sha2::{Digest, Sha256};

use crate::batch::{
    self, BatchTenant, ITEM_HEADER_BYTES_MAX, ITEMS_MAX, Item, LogKind, NewTenant, Prior, Records, SecretRef,
};
use crate::clock::{Clock, Entropy};
use crate::commit::Commits;
use crate::ids;
use crate::known::{self, Asked, Standing};
use crate::marks::Marked;
use crate::policy::ValueHasher;
use crate::secrets::{Lease, Secrets};
use crate::signing::read;
use crate::state::State;

/// A client's clock may be this far ahead of ours before an event is marked, µs.
pub const CLOCK_AHEAD_US_MAX: i64 = 5 * 60 * 1_000_000;

/// Longest `Idempotency-Key`, bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// How one request wants its events taken.
#[derive(Clone, Debug, Default)]
pub struct AcceptOptions {
    /// The key's tenant. Without one every event names its own.
    pub tenant: Option<TenantId>,
    /// All or nothing.
    pub atomic: bool,
    /// Unknown members are refused rather than kept.
    pub strict: bool,
    /// Gives events without an id one that is the same at the next try; 1 to 255 bytes.
    pub idempotency_key: Option<Vec<u8>>,
    /// Tenants must have been made before.
    pub known_tenants_only: bool,
}

/// Why one item is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemError {
    /// Stable name of the reason.
    pub code: &'static str,
    /// JSON Pointer of the member in question; empty for the whole item.
    pub pointer: String,
    /// One line for people.
    pub message: String,
}

impl From<Rejection> for ItemError {
    fn from(rejection: Rejection) -> Self {
        Self { code: rejection.code.as_str(), pointer: rejection.pointer, message: rejection.message }
    }
}

/// Shared by all requests: where time, randomness and secrets come from.
pub struct Acceptor {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    secrets: Mutex<Secrets>,
    /// Buffers of requests that are done, for those to come.
    workspaces: Mutex<Vec<Workspace>>,
    state: Arc<RwLock<State>>,
    id_key: [u8; 16],
    event_bytes_max: usize,
}

/// One item of a request on its way.
enum Entry {
    Refused(Option<String>, ItemError),
    /// Stored before, and removed since.
    Removed(SealedItem),
    Taken(Taken),
}

struct Taken {
    /// Range of the canonical bytes in the draft's arena.
    bytes: (usize, usize),
    /// Range of the id's escaped text in them.
    id_at: (u32, u16),
    /// The id itself, to answer with.
    id: String,
    id_hash: u64,
    /// What was stored under the id before.
    prior: Prior,
    tenant: u16,
    operation: Operation,
    derived: bool,
    occurred_at: Option<Timestamp>,
    source: Option<(u64, u64)>,
    warnings: Vec<Warning>,
    /// Values that the tenant's rules took.
    redacted: u64,
}

/// Workspaces kept; more requests at once than this make their own.
const WORKSPACES_MAX: usize = 16;

/// A workspace with more bytes of events than this is not kept.
const WORKSPACE_BYTES_MAX: usize = 1 << 20;

/// The buffers of one request.
#[derive(Default)]
struct Workspace {
    scratch: Scratch,
    normalised: Normalised,
    commits: Commits,
    marker: Marker,
    /// Canonical bytes of the events taken, one after the other.
    arena: Vec<u8>,
    /// An event of which values were taken, and its parse.
    redacted: Vec<u8>,
    document: Document,
}

/// What is taken out of a tenant's events.
struct Redacting {
    rules: Arc<Redaction>,
    hasher: ValueHasher,
}

/// The events of one request, read one after another.
pub struct Draft<'a> {
    acceptor: &'a Acceptor,
    options: AcceptOptions,
    accepted_at: Timestamp,
    rules: Rules,
    work: Workspace,
    tenants: Vec<TenantId>,
    /// Of each tenant what is taken out of its events, if anything is.
    redactions: Vec<Option<Redacting>>,
    tenant_index: BTreeMap<TenantId, u16>,
    entries: Vec<Entry>,
    ids: IdMaker,
    /// The items are statements of the log's own, of this kind.
    stated: Option<EntryKind>,
}

/// A request's items with their fate so far, and the batch for those that go on.
pub struct Sealed {
    /// Journal payload; none when no item goes on.
    pub(crate) batch: Option<Vec<u8>>,
    /// The marks of its events, where they are of use.
    pub(crate) marks: Option<Marked>,
    /// Events in the batch.
    pub(crate) events: usize,
    /// All or nothing.
    pub(crate) atomic: bool,
    /// One an item, in the order sent.
    pub(crate) items: Vec<SealedItem>,
}

/// One item, after reading.
pub(crate) enum SealedItem {
    /// Refused at the door.
    Refused(Option<String>, ItemError),
    /// Stored before, where something of it was erased or it expired; not in the batch.
    Removed {
        /// Its tenant.
        tenant: TenantId,
        /// Its id, sent or given.
        id: String,
        /// Where it is.
        position: Position,
        /// Its leaf.
        leaf: Hash,
    },
    /// In the batch; the ledger decides.
    Going {
        /// Its tenant.
        tenant: TenantId,
        /// Its id, sent or given.
        id: String,
        /// What to tell the sender.
        warnings: Vec<Warning>,
        /// Values that the tenant's rules took out of it.
        redacted: u64,
    },
}

impl Acceptor {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        state: Arc<RwLock<State>>,
        id_key: [u8; 16],
        event_bytes_max: usize,
    ) -> Self {
        Self {
            clock,
            entropy,
            secrets: Mutex::default(),
            workspaces: Mutex::default(),
            state,
            id_key,
            event_bytes_max,
        }
    }

    /// Begins a request.
    #[must_use]
    pub fn draft(&self, options: AcceptOptions) -> Draft<'_> {
        let rules = Rules::default().with_strict(options.strict).with_event_bytes_max(self.event_bytes_max);
        self.draft_with(options, rules, self.clock.now())
    }

    /// A request whose events were received at `accepted_at`: for filling a ledger with a simulated past.
    #[must_use]
    pub fn draft_at(&self, options: AcceptOptions, accepted_at: Timestamp) -> Draft<'_> {
        let rules = Rules::default().with_strict(options.strict).with_event_bytes_max(self.event_bytes_max);
        self.draft_with(options, rules, accepted_at)
    }

    /// A batch of annals' own records.
    pub(crate) fn system_draft(&self, tenant: TenantId) -> Draft<'_> {
        let rules = Rules::default().for_system();
        self.draft_with(
            AcceptOptions { tenant: Some(tenant), ..AcceptOptions::default() },
            rules,
            self.clock.now(),
        )
    }

    /// A batch of statements.
    pub(crate) fn statement_draft(&self, tenant: TenantId, kind: EntryKind) -> Draft<'_> {
        let rules = Rules::default().for_system().with_event_bytes_max(BODY_BYTES_MAX);
        let options = AcceptOptions { tenant: Some(tenant), ..AcceptOptions::default() };
        let mut draft = self.draft_with(options, rules, self.clock.now());
        draft.stated = Some(kind);
        draft
    }

    fn draft_with(&self, options: AcceptOptions, rules: Rules, accepted_at: Timestamp) -> Draft<'_> {
        Draft {
            acceptor: self,
            accepted_at,
            rules,
            work: self.workspaces.lock().expect("no holder of this lock panics").pop().unwrap_or_default(),
            tenants: Vec::new(),
            redactions: Vec::new(),
            tenant_index: BTreeMap::new(),
            entries: Vec::new(),
            ids: IdMaker::default(),
            stated: None,
            options,
        }
    }

    fn redacting(&self, tenant: &TenantId) -> Option<Redacting> {
        let rules = read(&self.state).redaction(tenant)?;
        Some(Redacting { rules, hasher: ValueHasher::new(&self.id_key, tenant) })
    }

    /// Leases `count` secrets.
    fn lease(&self, count: usize, now_us: u64) -> Vec<Lease> {
        let mut secrets = self.secrets.lock().expect("no holder of this lock panics");
        secrets.lease(count, now_us, &*self.entropy)
    }
}

/// Tells of what looks like it should not be in a log.
fn warn_of_suspects(event: &[u8], warnings: &mut Vec<Warning>) {
    for Suspicion { suspect, pointer } in suspicions(event) {
        let (code, what) = match suspect {
            Suspect::Secret => (WarningCode::LooksSecret, "a secret"),
            Suspect::Card => (WarningCode::LooksLikeCard, "the number of a payment card"),
        };
        let message = format!("the value looks like {what}; it is kept as sent");
        warnings.push(Warning { code, pointer, message });
    }
}

impl Draft<'_> {
    /// Reads one item as it was sent. Whatever is wrong with it stays with it.
    pub fn push(&mut self, raw: &[u8]) {
        let entry = match self.take(raw) {
            Ok(taken) => Entry::Taken(taken),
            Err((id, error)) => Entry::Refused(id, error),
        };
        self.entries.push(entry);
    }

    /// How many items were read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was read yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn take(&mut self, raw: &[u8]) -> Result<Taken, (Option<String>, ItemError)> {
        normalise(raw, &self.rules, &mut self.work.scratch, &mut self.work.normalised)
            .map_err(|rejection| (None, ItemError::from(rejection)))?;
        let sent_id = self.work.normalised.id().map(str::to_owned);
        let tenant = self.tenant().map_err(|error| (sent_id.clone(), error))?;
        let id = match sent_id {
            Some(id) => id,
            None => self.give_id(),
        };
        let mut warnings = self.work.normalised.warnings().to_vec();
        let redacted = self.redact(tenant, &id).map_err(|error| (Some(id.clone()), error))?;
        let event = &self.work.normalised;
        if redacted > 0 {
            // What is told of a member that was taken is not so any more.
            warnings.retain(|warning| warning.code != WarningCode::UnknownMember);
            warnings.extend(event.warnings().iter().cloned());
        }
        if self.work.arena.len() + event.bytes().len() > BATCH_BYTES_MAX {
            let message = "the request's events are too many bytes together; send them in parts".to_owned();
            let error = ItemError { code: Code::EventBytes.as_str(), pointer: String::new(), message };
            return Err((Some(id), error));
        }
        if !self.rules.system {
            warn_of_suspects(event.bytes(), &mut warnings);
        }
        let ahead_us =
            event.occurred_at().map_or(0, |at| at.as_micros().saturating_sub(self.accepted_at.as_micros()));
        if ahead_us > CLOCK_AHEAD_US_MAX {
            warnings.push(Warning {
                code: WarningCode::ClockAhead,
                pointer: "/occurred_at".to_owned(),
                message: format!(
                    "`occurred_at` is {} s ahead of the server's clock; it is kept",
                    ahead_us / 1_000_000
                ),
            });
        }
        let source = event.source().map(|source| {
            let hash = ids::source_hash(
                &self.acceptor.id_key,
                &self.tenants[usize::from(tenant)],
                source.name,
                source.instance,
            );
            (hash, source.seq)
        });
        let start = self.work.arena.len();
        self.work.arena.extend_from_slice(event.bytes());
        Ok(Taken {
            bytes: (start, self.work.arena.len()),
            id_at: batch::id_range(event.id_text()),
            id,
            id_hash: 0,
            prior: Prior::None,
            tenant,
            operation: event.operation(),
            derived: event.operation_is_derived(),
            occurred_at: event.occurred_at(),
            source,
            warnings,
            redacted,
        })
    }

    /// Takes out of the event in hand what its tenant's rules take, and says how many values that were.
    fn redact(&mut self, tenant: u16, id: &str) -> Result<u64, ItemError> {
        let Some(redacting) = &self.redactions[usize::from(tenant)] else { return Ok(0) };
        let Workspace { scratch, normalised, redacted, document, .. } = &mut self.work;
        let hash = |value: &[u8]| redacting.hasher.hash(value);
        let taken = redacting.rules.apply(normalised.bytes(), document, &hash, redacted);
        if taken == 0 {
            return Ok(0);
        }
        // Masks and hashes may be longer than what they stand for: an event that was taken as it was sent must not outgrow its limit.
        let bytes_max = normalised.bytes().len().max(self.rules.event_bytes_max);
        if redacted.len() > bytes_max {
            let message = format!(
                "the event has {} bytes once its tenant's rules are applied, at most {bytes_max} are allowed",
                redacted.len()
            );
            return Err(ItemError { code: Code::EventBytes.as_str(), pointer: String::new(), message });
        }
        let rules = self.rules.clone().with_strict(false).with_event_bytes_max(bytes_max);
        normalise(redacted, &rules, scratch, normalised)?;
        debug_assert_eq!(normalised.id(), Some(id), "no rule takes an id");
        Ok(taken)
    }

    /// Gives the event in hand an id.
    fn give_id(&mut self) -> String {
        let index = u32::try_from(self.entries.len()).expect("a request is at most 10,000 items");
        let id = match &self.options.idempotency_key {
            Some(key) => idempotent_id(key, index),
            None => self.ids.next(self.accepted_at, &*self.acceptor.entropy),
        };
        self.work.normalised.insert_id(&id).expect("a UUID is an event id");
        id
    }

    /// Index of the tenant that the event in hand goes to.
    fn tenant(&mut self) -> Result<u16, ItemError> {
        let error = |code, message: &str| ItemError {
            code,
            pointer: "/tenant".to_owned(),
            message: message.to_owned(),
        };
        let tenant = match (&self.options.tenant, self.work.normalised.tenant()) {
            (Some(bound), Some(named)) if bound != named => {
                return Err(error("tenant_mismatch", "`tenant` is another than the key's; leave it out"));
            }
            (Some(tenant), _) | (None, Some(tenant)) => tenant,
            (None, None) => {
                return Err(error(
                    "tenant_required",
                    "`tenant` is missing; a platform key's events name their tenant",
                ));
            }
        };
        if let Some(index) = self.tenant_index.get(tenant) {
            return Ok(*index);
        }
        if !self.rules.system && self.acceptor.has_ended(tenant) {
            return Err(ItemError::tenant_ended());
        }
        if self.options.known_tenants_only && !self.acceptor.knows(tenant) {
            return Err(error("tenant_unknown", "`tenant` does not exist; create it with POST /v1/tenants"));
        }
        let index = u16::try_from(self.tenants.len()).expect("a request is at most 10,000 items");
        self.tenants.push(tenant.clone());
        let redacting = if self.rules.system { None } else { self.acceptor.redacting(tenant) };
        self.redactions.push(redacting);
        self.tenant_index.insert(tenant.clone(), index);
        Ok(index)
    }

    /// Closes the request: commits to every event that was taken and writes the batch.
    #[must_use]
    pub fn seal(self) -> Sealed {
        self.seal_as(LogKind::Tenant, None)
    }

    /// As [`Draft::seal`], for annals' own records. `announced` is a tenant that begins with the record in the batch.
    pub(crate) fn seal_as(mut self, log: LogKind, announced: Option<&TenantId>) -> Sealed {
        assert!(self.entries.len() <= ITEMS_MAX, "the door bounds a request to {ITEMS_MAX} items");
        let mut entries = std::mem::take(&mut self.entries);
        let looked_to = self.look_up(&mut entries, log);
        let refused = entries.iter().any(|entry| matches!(entry, Entry::Refused(..)));
        let atomic = self.options.atomic;
        if atomic && refused {
            return refuse_all(entries);
        }
        let events = entries.iter().filter(|entry| matches!(entry, Entry::Taken(_))).count();
        if events == 0 {
            return Sealed { batch: None, marks: None, events, atomic, items: self.items(entries) };
        }
        let marks = (log == LogKind::Tenant).then(|| self.marks(&entries));
        let batch = self.write_batch(&entries, log, announced, looked_to);
        Sealed { batch: Some(batch), marks, events, atomic, items: self.items(entries) }
    }

    fn items(&self, entries: Vec<Entry>) -> Vec<SealedItem> {
        let items = entries.into_iter().map(|entry| match entry {
            Entry::Refused(id, error) => SealedItem::Refused(id, error),
            Entry::Removed(item) => item,
            Entry::Taken(taken) => SealedItem::Going {
                tenant: self.tenants[usize::from(taken.tenant)].clone(),
                id: taken.id,
                warnings: taken.warnings,
                redacted: taken.redacted,
            },
        });
        items.collect()
    }

    /// Looks for the ids among what is stored; refuses those that cannot be looked for.
    fn look_up(&self, entries: &mut [Entry], log: LogKind) -> Place {
        let id_key = &self.acceptor.id_key;
        let mut asked = Vec::with_capacity(entries.len());
        for entry in entries.iter_mut() {
            let Entry::Taken(taken) = entry else { continue };
            let event = &self.work.arena[taken.bytes.0..taken.bytes.1];
            let id = &event[taken.id_at.0 as usize..][..usize::from(taken.id_at.1)];
            let tenant = &self.tenants[usize::from(taken.tenant)];
            taken.id_hash = ids::id_hash(id_key, tenant, log, id);
            let event = self.options.atomic.then_some(event);
            asked.push(Asked { tenant, id_hash: taken.id_hash, id, event });
        }
        if self.rules.system {
            // Their ids are random numbers of a moment ago.
            asked.clear();
        }
        let (looked_to, found) = known::look_up(&self.acceptor.state, log, &asked);
        let taken = entries.iter_mut().filter(|entry| matches!(entry, Entry::Taken(_)));
        for (entry, found) in taken.zip(found) {
            let Entry::Taken(taken) = entry else { continue };
            match found {
                Ok(Standing::Prior(prior)) => taken.prior = prior,
                Ok(Standing::Removed { position, leaf }) => {
                    let tenant = self.tenants[usize::from(taken.tenant)].clone();
                    let id = std::mem::take(&mut taken.id);
                    *entry = Entry::Removed(SealedItem::Removed { tenant, id, position, leaf });
                }
                Err(damaged) => {
                    tracing::error!(%damaged, "an id cannot be looked for; its event is refused");
                    *entry = Entry::Refused(Some(std::mem::take(&mut taken.id)), ItemError::damaged(None));
                }
            }
        }
        looked_to
    }

    /// The marks of the events that were taken.
    fn marks(&mut self, entries: &[Entry]) -> Marked {
        let Workspace { marker, arena, .. } = &mut self.work;
        let mut marks = Marked::default();
        for taken in entries.iter().filter_map(Entry::taken) {
            marks.push(marker, &arena[taken.bytes.0..taken.bytes.1], taken.operation);
        }
        marks
    }

    fn write_batch(
        &mut self,
        entries: &[Entry],
        log: LogKind,
        announced: Option<&TenantId>,
        looked_to: Place,
    ) -> Vec<u8> {
        let taken: Vec<&Taken> = entries.iter().filter_map(Entry::taken).collect();
        let mut tenants = self.acceptor.batch_tenants(&self.tenants, announced);
        let wanted = taken.len()
            + taken.iter().filter(|taken| taken.source.is_some()).count()
            + tenants.iter().filter(|tenant| tenant.new.is_some()).count();
        let leases = self.acceptor.lease(wanted, self.acceptor.clock.monotonic_us());
        let roots: Vec<SecretRoot> = leases.iter().map(|lease| SecretRoot::from_bytes(lease.seed)).collect();
        // Counters are handed out in order, first to the events, so that their secrets are derived in sequence.
        let mut refs = leases.iter().enumerate().flat_map(|(root, lease)| {
            let root = u8::try_from(root).expect("30,000 secrets at most take 9 roots");
            lease.counters().map(move |counter| SecretRef { root, counter })
        });
        let mut secrets = leases
            .iter()
            .zip(&roots)
            .flat_map(|(lease, root)| root.secrets(lease.from).take(usize::from(lease.count)));
        let Workspace { commits, arena, .. } = &mut self.work;
        let mut items = Vec::with_capacity(taken.len());
        for taken in &taken {
            let secret = secrets.next().expect("a secret was leased for every event");
            let event = &arena[taken.bytes.0..taken.bytes.1];
            let commitment = commits
                .commit_as(self.stated, event, &secret)
                .expect("the bytes were normalised a moment ago");
            items.push(Item {
                tenant: taken.tenant,
                log,
                system: self.rules.system,
                operation: taken.operation.code(),
                derived: taken.derived,
                secret: refs.next().expect("a secret was leased for every event"),
                commitment,
                id_hash: taken.id_hash,
                id_at: taken.id_at,
                stated: self.stated,
                prior: taken.prior,
                spare: None,
                occurred_at: taken.occurred_at,
                source: taken.source,
                bytes: (0, 0),
            });
        }
        for item in items.iter_mut().filter(|item| item.source.is_some()) {
            item.spare = refs.next();
        }
        for new in tenants.iter_mut().filter_map(|tenant| tenant.new.as_mut()) {
            new.secret = refs.next().expect("a secret was leased for every new tenant");
        }
        let records = Records {
            accepted_at: self.accepted_at,
            atomic: self.options.atomic,
            looked_to: Some(looked_to),
            roots: leases.iter().map(|lease| lease.seed).collect(),
            tenants,
            items,
        };
        let mut out = Vec::with_capacity(arena.len() + ITEM_HEADER_BYTES_MAX * taken.len() + 256);
        batch::encode_records(&records, |index| &arena[taken[index].bytes.0..taken[index].bytes.1], &mut out);
        out
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        let mut work = std::mem::take(&mut self.work);
        work.arena.clear();
        let mut kept = self.acceptor.workspaces.lock().expect("no holder of this lock panics");
        if kept.len() < WORKSPACES_MAX && work.arena.capacity() <= WORKSPACE_BYTES_MAX {
            kept.push(work);
        }
    }
}

impl Acceptor {
    fn has_ended(&self, tenant: &TenantId) -> bool {
        read(&self.state).ended_at_us(tenant).is_some()
    }

    /// Has what comes from now on share no secret root with what came before.
    pub(crate) fn renew_secrets(&self) {
        self.secrets.lock().expect("no holder of this lock panics").renew();
    }

    fn knows(&self, tenant: &TenantId) -> bool {
        read(&self.state).knows(tenant)
    }

    fn batch_tenants(&self, tenants: &[TenantId], announced: Option<&TenantId>) -> Vec<BatchTenant> {
        let state = read(&self.state);
        let tenants = tenants.iter().chain(announced).map(|id| {
            let new = (!state.knows(id)).then(|| {
                let mut random = [0; 32];
                self.entropy.fill(&mut random);
                let (events, access) = random.split_at(16);
                NewTenant {
                    events: events.try_into().expect("half of 32 bytes"),
                    access: access.try_into().expect("half of 32 bytes"),
                    secret: SecretRef::default(),
                    announced: announced == Some(id),
                }
            });
            BatchTenant { id: id.clone(), new }
        });
        tenants.collect()
    }
}

impl Entry {
    fn taken(&self) -> Option<&Taken> {
        match self {
            Self::Taken(taken) => Some(taken),
            Self::Refused(..) | Self::Removed(_) => None,
        }
    }
}

/// Nothing is stored: refused items keep their reason, the others are refused with them.
fn refuse_all(entries: Vec<Entry>) -> Sealed {
    let items = entries.into_iter().map(|entry| match entry {
        Entry::Refused(id, error) => SealedItem::Refused(id, error),
        Entry::Removed(SealedItem::Removed { id, .. }) => SealedItem::Refused(Some(id), ItemError::atomic()),
        Entry::Removed(item) => item,
        Entry::Taken(taken) => SealedItem::Refused(Some(taken.id), ItemError::atomic()),
    });
    Sealed { batch: None, marks: None, events: 0, atomic: true, items: items.collect() }
}

impl ItemError {
    /// Another item of an all-or-nothing request was refused.
    pub(crate) fn atomic() -> Self {
        let message = "not stored, as `atomic` was asked for and another item was rejected".to_owned();
        Self { code: "atomic", pointer: String::new(), message }
    }

    /// Its tenant takes no more events.
    pub(crate) fn tenant_ended() -> Self {
        let message = "the tenant has ended and takes no more events".to_owned();
        Self { code: "tenant_ended", pointer: "/tenant".to_owned(), message }
    }

    /// It cannot be read whether the event was stored before, or where its `id` is, whether it is the same.
    pub(crate) fn damaged(position: Option<Position>) -> Self {
        let message = match position {
            Some(position) => {
                format!("the event with this `id` at position {position} cannot be read to compare them")
            }
            None => "it cannot be read whether an event with this `id` was stored before".to_owned(),
        };
        Self { code: "damaged", pointer: "/id".to_owned(), message }
    }
}

/// The id that item `index` of a request with this `Idempotency-Key` gets: a UUIDv8 of
/// SHA-256(u16 length of the key || key || u32 index).
fn idempotent_id(key: &[u8], index: u32) -> String {
    let length = u16::try_from(key.len()).expect("the door bounds the key");
    let hash: [u8; 32] = Sha256::new()
        .chain_update(length.to_be_bytes())
        .chain_update(key)
        .chain_update(index.to_be_bytes())
        .finalize()
        .into();
    uuid_id(uuid::Builder::from_custom_bytes(*hash.first_chunk().expect("a hash has 32 bytes")))
}

fn uuid_id(builder: uuid::Builder) -> String {
    builder.into_uuid().to_string()
}

/// UUIDv7s of one request: its time, then a random number that rises by one, so that neighbours sort as they were sent.
#[derive(Default)]
struct IdMaker {
    random: Option<[u8; 10]>,
}

impl IdMaker {
    fn next(&mut self, at: Timestamp, entropy: &dyn Entropy) -> String {
        let random = self.random.get_or_insert_with(|| {
            let mut random = [0; 10];
            entropy.fill(&mut random);
            // Room to count up without touching the bits that the version and variant take.
            random[6] &= 0x7f;
            random
        });
        let low: [u8; 4] = *random.last_chunk().expect("ten bytes");
        random[6..].copy_from_slice(&(u32::from_be_bytes(low) + 1).to_be_bytes());
        let millis = u64::try_from(at.as_micros().div_euclid(1000)).unwrap_or(0);
        uuid_id(uuid::Builder::from_unix_timestamp_millis(millis, random))
    }
}
