//! The ledger as a running thing: threads around the pure parts.
//!
//! ```text
//! request tasks ── Draft::seal ──> queue ──> journal thread: one write, one flush for a group
//!                                               └─> ledger thread: State::apply, answers, heads each second
//! ```
//!
//! The two overlap: while one group is flushed, the one before is applied (by the journal's own thread when nothing else
//! waits). A sender is answered after both, so whatever was
//! acknowledged is durable and is in the next read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use annals_event::filter::{Condition, Matcher};
use annals_event::{Position, TenantId, Timestamp};
use annals_journal::{AppendError, Journal, Place, ReadError};
use annals_segment::Damaged;
use annals_tree::EntryKind;
use annals_tree::note::VerifierKey;
use bytes::Bytes;
use tokio::sync::{oneshot, watch};

use crate::accept::{AcceptOptions, Acceptor, Draft, Sealed, SealedItem};
use crate::batch::{Genesis, LogKind, encode_genesis, encode_head};
use crate::clock::{Clock, Entropy};
use crate::clock_guard::ClockGuard;
use crate::control::{Author, Control};
use crate::cursor::{Cursor, CursorError};
use crate::error::{CommitError, OpenError};
use crate::keys::{KeyRecord, KeySecret, Keys, Scope};
use crate::landmarks::Landmarks;
use crate::observer::Observer;
use crate::pace::Pace;
use crate::queue::{Queue, Submission, Whose, Work};
use crate::read::{FeedPage, FeedScope, Located, Sizes, TenantLog};
use crate::record::Record;
use crate::seal::{Sealer, TailLimits};
use crate::signing::{JournalMemory, SignError, Signatory, Signing, SigningService, read};
use crate::state::{Applied, Outcome, State};
use crate::store::{Store, StoreError};
use crate::ticket;

#[path = "erasing.rs"]
mod erasing;
#[path = "expiry.rs"]
mod expiry;
#[path = "finding.rs"]
mod finding;
#[path = "items.rs"]
mod items;
#[path = "living.rs"]
mod living;
#[path = "pour.rs"]
mod pour;
#[path = "proving.rs"]
mod proving;
#[path = "threads.rs"]
mod threads;

pub use erasing::{EraseError, ErasurePlan};
pub use expiry::{Due, Expirer, Looked};
pub use items::{ItemResult, ItemStatus};
use items::{item_status, removed_status};
pub use living::{PolicyError, Preview, PreviewClass};
pub use pour::{Pour, PourStart, Poured};
pub use threads::{Engine, lower_priority};

/// How often heads are signed and a full disk is tried again.
const TICK: Duration = Duration::from_secs(1);
/// Groups between the two threads.
const GROUPS_IN_FLIGHT: usize = 4;

/// What a ledger is made of.
pub struct Parts {
    /// The ledger's journal.
    pub journal: Box<dyn Journal>,
    /// The signer's memory.
    pub signer_journal: Box<dyn Journal>,
    /// The folder of segments.
    pub segments: Store,
    /// The signing key's 32-byte seed.
    pub signing_seed: [u8; 32],
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Told of what happens, for metrics.
    pub observer: Arc<dyn Observer>,
}

/// As [`Parts`], of a ledger whose signer is elsewhere.
pub struct Core {
    /// The ledger's journal.
    pub journal: Box<dyn Journal>,
    /// The folder of segments.
    pub segments: Store,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Told of what happens, for metrics.
    pub observer: Arc<dyn Observer>,
}

/// What an operator may set.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of a new ledger, first part of its origins; a random one when none is given. Ignored later.
    pub name: Option<String>,
    /// Longest event as sent, bytes.
    pub event_bytes_max: usize,
    /// When records are sealed.
    pub tail: TailLimits,
    /// The program's version, for the record of the start.
    pub version: String,
}

/// An opened ledger.
pub struct Opened {
    /// The ledger.
    pub ledger: Ledger,
    /// The operator key, when the ledger is new: shown once, stored nowhere.
    pub operator_key: Option<KeySecret>,
}

/// What is wrong at the moment, if anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Why the journal takes no writes: `full`, or what it said. Reads go on.
    pub journal: Option<String>,
    /// How far the clock has jumped, µs.
    pub clock_jump_us: Option<i64>,
    /// Why records are not sealed. Reads and writes go on, the latter until there is no more room in memory.
    pub segments: Option<String>,
    /// Why segments are not merged. Reads and writes go on, but the more segments there are the more a question has to look at.
    pub merging: Option<String>,
    /// Why heads are not signed.
    pub signer: Option<String>,
    /// Why the signer, which is elsewhere, does not answer. Events are taken meanwhile; heads and checkpoints wait.
    pub signer_away: Option<String>,
    /// The ledger's thread stopped on a batch it cannot apply.
    pub apply: Option<String>,
    /// The ledger is stopping.
    pub stopping: bool,
}

impl Health {
    /// Whether events are taken.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        Self { merging: None, signer_away: None, ..self.clone() } == Self::default()
    }
}

/// A log as its readers know it.
#[derive(Clone, Debug)]
pub struct LogInfo {
    /// First line of its checkpoints.
    pub origin: String,
    /// 32 hex digits.
    pub log_id: String,
    /// Verifies its checkpoints.
    pub public_key: VerifierKey,
    /// Records in it.
    pub size: u64,
}

/// A running ledger. Clones are the same ledger.
#[derive(Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

struct Shared {
    state: Arc<RwLock<State>>,
    keys: Arc<RwLock<Keys>>,
    acceptor: Acceptor,
    queue: Queue,
    signing: Signing,
    /// Records to be sealed.
    sealing: Sealing,
    /// Holds for every record.
    everything: Arc<Matcher>,
    /// What was counted of lists.
    landmarks: Landmarks,
    /// Signs cursors.
    cursor_key: [u8; 16],
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    clock_guard: ClockGuard,
    observer: Arc<dyn Observer>,
    health: Mutex<Health>,
    /// What was refused since the clock jumped.
    clock_refused: Mutex<Option<threads::Refusing>>,
    /// Changes whenever records were added; carries the number of groups applied.
    grown: watch::Sender<u64>,
    stopping: AtomicBool,
}

/// What those who add records and the one who seals them tell each other.
struct Sealing {
    limits: TailLimits,
    /// How often a tail was frozen or sealed, or segments were merged.
    turns: Mutex<u64>,
    pace: Mutex<Pace>,
    turned: Condvar,
    /// Batches before this place are to be sealed, whatever their number and age.
    wanted: Arc<AtomicU64>,
    /// The newest manifest is to be written once more.
    again: AtomicBool,
    /// The newest manifest is of this place.
    stated_to: Arc<AtomicU64>,
    /// The first batch that the journal still has.
    journal_first: AtomicU64,
    /// Batches before this place are not needed any more.
    trim_to: Arc<AtomicU64>,
    /// Segments are being merged.
    merges: Arc<AtomicBool>,
    /// Somebody seals by himself; in the simulation that is a step like any other, and nobody waits for it.
    runs: AtomicBool,
}

impl Ledger {
    /// Opens a ledger: reads the newest manifest, replays the journal, checks it against what was signed, and takes up work.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; nothing is changed then, but for a torn tail that the journal cut back.
    pub fn open(parts: Parts, options: &Options) -> Result<Opened, OpenError> {
        let (opened, engine) = Self::open_stepped(parts, options)?;
        *opened.ledger.threads.lock().expect("no holder of this lock panics") = engine.start();
        Ok(opened)
    }

    /// As [`Ledger::open`], but nothing moves on unless the caller takes the [`Engine`]'s steps: for the simulation.
    ///
    /// # Errors
    ///
    /// As [`Ledger::open`].
    pub fn open_stepped(parts: Parts, options: &Options) -> Result<(Opened, Engine), OpenError> {
        let Parts { journal, signer_journal, segments, signing_seed: seed, clock, entropy, observer } = parts;
        let core = Core { journal, segments, clock, entropy, observer };
        let signatory = move || {
            let memory = JournalMemory::open(signer_journal).map_err(OpenError::Signer)?;
            Ok(Signatory::Here { seed, memory })
        };
        Self::open_signed_by(core, signatory, options)
    }

    /// As [`Ledger::open`], with a signer that is elsewhere. It need not answer yet, but for a new ledger.
    ///
    /// # Errors
    ///
    /// As [`Ledger::open`].
    pub fn open_with_signer(
        core: Core,
        signer: Box<dyn SigningService>,
        options: &Options,
    ) -> Result<Opened, OpenError> {
        let (opened, engine) = Self::open_with_signer_stepped(core, signer, options)?;
        *opened.ledger.threads.lock().expect("no holder of this lock panics") = engine.start();
        Ok(opened)
    }

    /// As [`Ledger::open_with_signer`], but nothing moves on unless the caller takes the [`Engine`]'s steps.
    ///
    /// # Errors
    ///
    /// As [`Ledger::open`].
    pub fn open_with_signer_stepped(
        core: Core,
        signer: Box<dyn SigningService>,
        options: &Options,
    ) -> Result<(Opened, Engine), OpenError> {
        Self::open_signed_by(core, || Ok(Signatory::Elsewhere(signer)), options)
    }

    fn open_signed_by(
        mut parts: Core,
        signatory: impl FnOnce() -> Result<Signatory, OpenError>,
        options: &Options,
    ) -> Result<(Opened, Engine), OpenError> {
        let (state, newest) = match parts.segments.newest()? {
            Some(manifest) => {
                let head = manifest.head.clone();
                (State::restore(manifest, &parts.segments)?, Some(head))
            }
            None => (State::new(), None),
        };
        let state = Arc::new(RwLock::new(state));
        let sealer = Sealer::new(state.clone(), parts.segments, newest)?;
        replay(&*parts.journal, &state, &sealer, options.tail)?;
        let mut signatory = signatory()?;
        if read(&state).genesis().is_none() {
            // A journal that is gone is no new ledger: nothing is written over what a backup may bring back.
            let signed = signatory.first_signed().map_err(OpenError::Signer)?;
            if let Some((origin, signed_size)) = signed {
                return Err(OpenError::SignedOtherwise { origin, signed_size, found: None });
            }
            let name = signatory.name().or_else(|| options.name.clone());
            let name = name.unwrap_or_else(|| random_name(&*parts.entropy));
            let key = signatory.public_key(&name).map_err(OpenError::Signer)?;
            let genesis = new_genesis(key, &*parts.clock, &*parts.entropy, &name);
            append(&mut *parts.journal, &mut write(&state), encode_genesis(&genesis))?;
        }
        let genesis = read(&state).genesis().expect("read or written a moment ago").clone();
        let successions = signatory.follow(&genesis.name, &read(&state))?;
        let mut signer = signatory.into_service(&genesis.name).map_err(OpenError::Signer)?;
        let answers = signer.prepare();
        if let Err(reason) = &answers {
            tracing::error!(%reason, "the signer does not answer; heads and checkpoints wait");
        }
        let signer_memory_lost = answers.is_ok() && signer.signed().is_empty() && read(&state).has_heads();
        if signer_memory_lost {
            tracing::error!(
                "the signer remembers nothing of what this ledger signed; was its folder lost or left out of a restore?"
            );
        }
        if let (Err(reason), false) = (&answers, successions.is_empty()) {
            // What the old key signed last stands in the record of the new one.
            return Err(OpenError::Signer(reason.to_string()));
        }
        let signing = Signing::new(signer);
        let disagreement = signing.disagreement(&read(&state), &genesis.name).map_err(StoreError::Damaged)?;
        if let Some((origin, signed_size, found)) = disagreement {
            return Err(OpenError::SignedOtherwise { origin, signed_size, found });
        }
        let unsigned = signing.unsigned(&read(&state), &genesis.name);
        write(&state).unsigned = unsigned.into_iter().collect();
        let unclean = read(&state).running();
        // Not only after the genesis: a crash may have come before the key's record.
        let operator_key =
            (!read(&state).has_operator_key()).then(|| KeySecret::from_random(&random(&*parts.entropy)));
        let keys = read(&state).keys();
        let acceptor = Acceptor::new(
            parts.clock.clone(),
            parts.entropy.clone(),
            state.clone(),
            genesis.id_key,
            options.event_bytes_max,
        );
        let shared = Arc::new(Shared {
            state,
            keys,
            acceptor,
            queue: Queue::default(),
            signing,
            sealing: Sealing {
                limits: options.tail,
                turns: Mutex::default(),
                pace: Mutex::default(),
                turned: Condvar::new(),
                wanted: sealer.wanted.clone(),
                stated_to: sealer.stated_to.clone(),
                again: AtomicBool::new(false),
                journal_first: AtomicU64::new(0),
                trim_to: sealer.trim_to.clone(),
                merges: sealer.merges.clone(),
                runs: AtomicBool::new(false),
            },
            everything: Arc::new(Matcher::new(Condition::everything())),
            landmarks: Landmarks::default(),
            cursor_key: genesis.id_key,
            clock_guard: ClockGuard::new(&*parts.clock),
            clock: parts.clock,
            entropy: parts.entropy,
            observer: parts.observer,
            health: Mutex::default(),
            clock_refused: Mutex::default(),
            grown: watch::Sender::new(0),
            stopping: AtomicBool::new(false),
        });
        if let Some(secret) = &operator_key {
            let batch = shared.control_batch(&operator_key_created(secret), &Author::System);
            append(&mut *parts.journal, &mut shared.write_state(), batch)?;
        }
        for succession in &successions {
            let (batch, old, new) =
                (shared.rotation_batch(succession), succession.old(), succession.new_key());
            append(&mut *parts.journal, &mut shared.write_state(), batch)?;
            tracing::info!(%old, %new, "the signing key was rotated");
        }
        let (clock_known_us, is_doubted) = read(&shared.state).clock_known(shared.clock.now());
        if let Some(newest_us) = clock_known_us.filter(|_| is_doubted) {
            let newest = Timestamp::from_micros(newest_us).map(|at| at.to_string()).unwrap_or_default();
            tracing::warn!(
                newest,
                "the clock is more than 72 h ahead of the newest stored time; nothing expires until it ran for as long or is confirmed"
            );
            shared.clock_guard.doubt(newest_us, &*shared.clock);
        }
        let version = options.version.clone();
        let started = Control::ServerStarted { version, unclean, signer_memory_lost, clock_known_us };
        let batch = shared.control_batch(&started, &Author::System);
        match append(&mut *parts.journal, &mut shared.write_state(), batch.clone()) {
            Ok(()) => {}
            Err(OpenError::Write { cause: AppendError::Full { .. }, .. }) => {
                // Reads go on without room to write; the record is tried again as others are.
                drop(shared.queue.push(Submission { batch, marks: None, events: 0, whose: Whose::Record }));
            }
            Err(error) => return Err(error),
        }
        let engine = Engine::new(&shared, parts.journal, sealer);
        let ledger = Self { shared, threads: Arc::default() };
        Ok((Opened { ledger, operator_key }, engine))
    }

    /// Begins a request.
    #[must_use]
    pub fn draft(&self, options: AcceptOptions) -> Draft<'_> {
        self.shared.acceptor.draft(options)
    }

    /// Begins a request whose events were received at `accepted_at`: to fill a ledger with a past. Times never fall, so
    /// this is for a tenant whose newest record is older.
    #[must_use]
    pub fn draft_at(&self, options: AcceptOptions, accepted_at: Timestamp) -> Draft<'_> {
        self.shared.acceptor.draft_at(options, accepted_at)
    }

    /// Stores what a request brought and says what became of each item, in the order sent.
    ///
    /// # Errors
    ///
    /// [`CommitError`]: nothing is promised for any item.
    pub async fn commit(&self, sealed: Sealed) -> Result<Vec<ItemResult>, CommitError> {
        let outcomes = match sealed.batch {
            None => Vec::new(),
            Some(batch) => {
                self.shared.check_clock(sealed.events as u64)?;
                self.shared.submit_marked(batch, sealed.marks, sealed.events as u64).await?
            }
        };
        let refused = |outcome: &Outcome| matches!(outcome, Outcome::Refused(_));
        let is_refused = sealed.atomic && outcomes.iter().any(refused);
        let mut outcomes = outcomes.into_iter();
        let results = sealed.items.into_iter().map(|item| match item {
            SealedItem::Refused(id, error) => ItemResult {
                id,
                status: ItemStatus::Rejected(error),
                warnings: Vec::new(),
                redacted: 0,
                tenant: None,
            },
            SealedItem::Removed { tenant, id, position, leaf } => ItemResult {
                id: Some(id),
                status: removed_status(position, leaf, is_refused),
                warnings: Vec::new(),
                redacted: 0,
                tenant: Some(tenant),
            },
            SealedItem::Going { tenant, id, warnings, redacted } => {
                let status = item_status(outcomes.next().expect("the ledger gives one outcome an item"));
                let warnings = if matches!(status, ItemStatus::Rejected(_)) { Vec::new() } else { warnings };
                ItemResult { id: Some(id), status, warnings, redacted, tenant: Some(tenant) }
            }
        });
        Ok(results.collect())
    }

    /// Makes a tenant. `false` when it was there already.
    ///
    /// # Errors
    ///
    /// [`CommitError`].
    pub async fn create_tenant(&self, tenant: &TenantId, author: &Author) -> Result<bool, CommitError> {
        let control = Control::TenantCreated { tenant: tenant.as_str().to_owned() };
        let batch = self.shared.tenant_batch(tenant, &control, author);
        let outcome = self.shared.change(batch).await?;
        Ok(matches!(outcome, Outcome::Created { .. }))
    }

    /// Stores a change of keys or policies. `false` when it speaks of a key that does not exist.
    ///
    /// # Errors
    ///
    /// [`CommitError`].
    pub async fn change(&self, control: Control, author: &Author) -> Result<bool, CommitError> {
        let batch = self.shared.control_batch(&control, author);
        let outcome = self.shared.change(batch).await?;
        Ok(matches!(outcome, Outcome::Created { .. }))
    }

    /// A new secret, to be stored by [`Ledger::change`] and shown once.
    #[must_use]
    pub fn new_key_secret(&self) -> KeySecret {
        KeySecret::from_random(&random(&*self.shared.entropy))
    }

    /// Replaces the operator key; the old one ends at once.
    ///
    /// # Errors
    ///
    /// [`CommitError`].
    pub async fn reset_operator_key(&self) -> Result<KeySecret, CommitError> {
        let secret = self.new_key_secret();
        self.change(operator_key_created(&secret), &Author::Machine).await?;
        Ok(secret)
    }

    /// Puts on record, in the log of `_annals`, what the service itself did or found.
    ///
    /// # Errors
    ///
    /// [`CommitError`].
    pub async fn note(&self, control: &Control) -> Result<(), CommitError> {
        let batch = self.shared.control_batch(control, &Author::System);
        self.shared.change(batch).await.map(drop)
    }

    /// Says that the jump of the clock is right, or that it was right to be far ahead at the start. `false` when neither is so.
    ///
    /// # Errors
    ///
    /// [`CommitError`].
    pub async fn confirm_clock(&self, author: &Author) -> Result<bool, CommitError> {
        let guard = &self.shared.clock_guard;
        let ahead_us = || guard.doubted(&*self.shared.clock).map(|(ahead_us, _)| ahead_us);
        let Some(jump_us) = guard.jump_us(&*self.shared.clock).or_else(ahead_us) else { return Ok(false) };
        // First on record, then believed: a confirmation that cannot be written changes nothing.
        let confirmed_at_us = Some(self.shared.clock.now().as_micros());
        let batch = self.shared.control_batch(&Control::ClockConfirmed { jump_us, confirmed_at_us }, author);
        self.shared.change(batch).await?;
        self.shared.clock_guard.confirm(&*self.shared.clock);
        self.shared.note_clock();
        Ok(true)
    }

    /// Appends one event of annals' own to a tenant's access log.
    ///
    /// # Errors
    ///
    /// [`CommitError`]. Nothing is appended to the access log of a tenant that does not exist.
    pub async fn record_access(
        &self,
        tenant: &TenantId,
        event: &serde_json::Value,
    ) -> Result<(), CommitError> {
        if !self.state().knows(tenant) {
            return Ok(());
        }
        let batch = self.shared.system_batch(tenant, LogKind::Access, event);
        self.shared.submit(batch, 0).await.map(drop)
    }

    /// The keys, to check requests against.
    #[must_use]
    pub fn keys(&self) -> Arc<RwLock<Keys>> {
        self.shared.keys.clone()
    }

    /// Whether the tenant exists.
    #[must_use]
    pub fn knows(&self, tenant: &TenantId) -> bool {
        self.state().knows(tenant)
    }

    /// All tenants, sorted, `_annals` among them.
    #[must_use]
    pub fn tenants(&self) -> Vec<TenantId> {
        self.state().tenants().cloned().collect()
    }

    /// At most `limit` records of a feed from `from` on; none when the tenant does not exist.
    ///
    /// # Errors
    ///
    /// A segment cannot be read.
    pub fn feed(&self, scope: &FeedScope, from: u64, limit: usize) -> Result<Option<FeedPage>, Damaged> {
        self.feed_matching(scope, from, limit, &self.shared.everything, u64::MAX)
    }

    /// How many records a feed has; none when the tenant does not exist.
    #[must_use]
    pub fn feed_size(&self, scope: &FeedScope) -> Option<u64> {
        self.state().feed_size(scope)
    }

    /// A cursor as text; none when its question is too long for one.
    #[must_use]
    pub fn write_cursor(&self, cursor: &Cursor) -> Option<String> {
        cursor.to_text(&self.shared.cursor_key)
    }

    /// A text that only this ledger can write, with this content for this purpose, for somebody to show again. It is signed, not
    /// encrypted. None where the content is longer than [`TICKET_BYTES_MAX`](crate::TICKET_BYTES_MAX).
    #[must_use]
    pub fn write_ticket(&self, purpose: &'static str, content: &[u8]) -> Option<String> {
        ticket::write(&self.shared.cursor_key, purpose, content)
    }

    /// The content of a ticket that this ledger wrote for this purpose, whenever that was; none of anything else.
    #[must_use]
    pub fn read_ticket(&self, purpose: &'static str, text: &str) -> Option<Vec<u8>> {
        ticket::read(&self.shared.cursor_key, purpose, text)
    }

    /// Reads a cursor that this ledger wrote, whenever that was.
    ///
    /// # Errors
    ///
    /// [`CursorError`].
    pub fn read_cursor(&self, text: &str) -> Result<Cursor, CursorError> {
        Cursor::from_text(text, &self.shared.cursor_key)
    }

    /// Waits until the feed has more than `size` records, or for ever.
    pub async fn wait_beyond(&self, scope: &FeedScope, size: u64) {
        let mut grown = self.shared.grown.subscribe();
        // A tenant that does not exist yet may come to be.
        while self.feed_size(scope).unwrap_or(0) <= size {
            if grown.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// The record with this event id.
    ///
    /// # Errors
    ///
    /// A segment cannot be read.
    pub fn by_id(&self, log: &TenantLog, id: &str) -> Result<Option<Record>, Damaged> {
        let wanted = self.state().locate_id(log, id);
        wanted.map_or(Ok(None), |wanted| wanted.record(log))
    }

    /// The record at a position.
    ///
    /// # Errors
    ///
    /// A segment cannot be read.
    pub fn at(&self, log: &TenantLog, position: Position) -> Result<Option<Record>, Damaged> {
        let located = self.state().locate(log, position)?;
        located.map(Located::record).transpose()
    }

    /// How much there is.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        self.state().sizes()
    }

    /// Whether segments are being merged.
    #[must_use]
    pub fn is_merging(&self) -> bool {
        self.shared.sealing.merges.load(Ordering::Acquire)
    }

    /// Files of the first `limit` segments of which something could not be read since the start, or was not what was written.
    #[must_use]
    pub fn damaged_segments(&self, limit: usize) -> Vec<String> {
        self.state().damaged_segments().take(limit).map(ToString::to_string).collect()
    }

    /// Batches and bytes that wait for the journal.
    #[must_use]
    pub fn queue_depth(&self) -> (usize, usize) {
        self.shared.queue.depth()
    }

    /// What is wrong at the moment.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.note_clock();
        self.shared.health().clone()
    }

    /// The ledger's identity.
    #[must_use]
    pub fn genesis(&self) -> Genesis {
        self.state().genesis().expect("an open ledger has its genesis").clone()
    }

    /// The ledger's clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// Takes no more, writes what waits, signs the last head and says that the service stopped. Blocks.
    pub fn stop(&self) {
        if self.shared.stopping.swap(true, Ordering::SeqCst) {
            return;
        }
        let stopped = Control::ServerStopped { clock_known_us: self.clock_known_at_stop() };
        let batch = self.shared.control_batch(&stopped, &Author::System);
        // A full queue has no room for it; the next start then reports an unclean stop, which is what it was.
        drop(self.shared.queue.push(Submission { batch, marks: None, events: 0, whose: Whose::Record }));
        self.shared.health().stopping = true;
        self.shared.queue.close();
        self.shared.sealing.tell();
        let threads = std::mem::take(&mut *self.threads.lock().expect("no holder of this lock panics"));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a ledger thread panicked");
            }
        }
    }

    pub(crate) fn shared_state(&self) -> &RwLock<State> {
        &self.shared.state
    }

    pub(crate) fn state(&self) -> std::sync::RwLockReadGuard<'_, State> {
        read(&self.shared.state)
    }
}

fn random<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}

fn random_name(entropy: &dyn Entropy) -> String {
    format!("annals-{:016x}", u64::from_be_bytes(random(entropy)))
}

fn new_genesis(public_key: [u8; 32], clock: &dyn Clock, entropy: &dyn Entropy, name: &str) -> Genesis {
    Genesis {
        ledger_id: random(entropy),
        id_key: random(entropy),
        public_key,
        created_at: clock.now(),
        name: name.to_owned(),
        control_logs: (random(entropy), random(entropy)),
    }
}

/// A new operator key. As it replaces none by name, applying it ends them all.
fn operator_key_created(secret: &KeySecret) -> Control {
    let hash = secret.hash();
    let key = KeyRecord {
        id: hash.key_id(),
        hash,
        tenant: None,
        scopes: Scope::ALL.to_vec(),
        dialects: Vec::new(),
        name: Some("operator".to_owned()),
        expires_at_us: None,
        operator: true,
    };
    Control::KeyCreated { key, replaces: Vec::new() }
}

/// Applies what the journal has behind the newest manifest. A long journal, that of a ledger from before there were segments,
/// is sealed on the way.
fn replay(
    journal: &dyn Journal,
    state: &RwLock<State>,
    sealer: &Sealer,
    limits: TailLimits,
) -> Result<(), OpenError> {
    let from = read(state).next();
    if journal.first() > from {
        return Err(OpenError::Gap { first: journal.first(), needed: from });
    }
    if journal.next() < from {
        return Err(OpenError::Short { next: journal.next(), needed: from });
    }
    for batch in journal.read(from)? {
        let (place, bytes) = batch?;
        let mut state = write(state);
        state.apply(place, Bytes::from(bytes))?;
        if state.sealing.is_none() && limits.is_reached_by(&state.tail) {
            state.freeze();
            drop(state);
            if let Err(error) = sealer.seal() {
                // All is in the journal; it is tried again later, and until then takes memory.
                tracing::error!(%error, "records cannot be sealed");
            }
        }
    }
    Ok(())
}

fn write(state: &RwLock<State>) -> std::sync::RwLockWriteGuard<'_, State> {
    state.write().expect("nobody panics while he writes")
}

/// Appends and applies one batch before the threads run.
fn append(journal: &mut dyn Journal, state: &mut State, batch: Vec<u8>) -> Result<(), OpenError> {
    let place = journal.next();
    journal.append(place, &[&batch]).map_err(|cause| OpenError::Write { place, cause })?;
    state.apply(place, Bytes::from(batch))?;
    Ok(())
}
