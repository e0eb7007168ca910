//! A ledger over journals in memory that can be stopped and opened again.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};

use annals_event::{TenantId, Timestamp};
use annals_journal::sim::SimDisk;
use annals_journal::{Journal as _, MemoryJournal};
use annals_ledger::{
    AcceptOptions, Clock, CommitError, ItemResult, ItemStatus, Ledger, LogKind, Opened, Options, Parts,
    SeededEntropy, Store, TailLimits, TenantLog, Unobserved,
};

use crate::sealing::Running;

/// A clock that stands still until it is moved.
pub(crate) struct TestClock {
    wall_us: AtomicI64,
    monotonic_us: AtomicI64,
}

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { wall_us: AtomicI64::new(1_795_000_000_000_000), monotonic_us: AtomicI64::new(0) })
    }

    /// Time passes.
    pub(crate) fn pass(&self, micros: i64) {
        self.wall_us.fetch_add(micros, Ordering::SeqCst);
        self.monotonic_us.fetch_add(micros, Ordering::SeqCst);
    }

    /// Somebody sets the wall clock.
    pub(crate) fn jump(&self, micros: i64) {
        self.wall_us.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.wall_us.load(Ordering::SeqCst)).expect("a time of our days")
    }

    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.monotonic_us.load(Ordering::SeqCst)).expect("it only rises")
    }
}

pub(crate) struct World {
    pub(crate) clock: Arc<TestClock>,
    journal: MemoryJournal,
    signer_journal: MemoryJournal,
    /// The folder of segments.
    segments: SimDisk,
    /// When records are sealed.
    pub(crate) tail: TailLimits,
    /// Memory for what is read of segments.
    pub(crate) cache_bytes_max: usize,
    opens: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        let (clock, journal, signer_journal) = (TestClock::new(), MemoryJournal::new(), MemoryJournal::new());
        Self {
            clock,
            journal,
            signer_journal,
            segments: SimDisk::new(1),
            tail: TailLimits::default(),
            cache_bytes_max: CACHE_BYTES_MAX,
            opens: 0,
        }
    }

    pub(crate) fn open(&mut self) -> Opened {
        self.opens += 1;
        Ledger::open(self.parts(), &Options { tail: self.tail, ..options() }).expect("the ledger opens")
    }

    /// A ledger that moves step by step, and that is killed when it is dropped.
    pub(crate) fn open_stepped(&mut self) -> Running {
        self.opens += 1;
        let (opened, engine) =
            Ledger::open_stepped(self.parts(), &Options { tail: self.tail, ..options() }).expect("it opens");
        Running { ledger: opened.ledger, engine }
    }

    /// Writes the journal anew with changed batches, as somebody could who may write the folder.
    pub(crate) fn change_batches(&mut self, change: impl Fn(&mut Vec<u8>)) {
        let mut changed = MemoryJournal::new();
        for batch in self.journal.read(self.journal.first()).expect("it reads") {
            let (place, mut bytes) = batch.expect("it reads");
            change(&mut bytes);
            changed.append(place, &[&bytes]).expect("memory has room");
        }
        self.journal = changed;
    }

    pub(crate) fn parts(&self) -> Parts {
        Parts {
            journal: Box::new(self.journal.clone()),
            signer_journal: Box::new(self.signer_journal.clone()),
            segments: Store::new(Arc::new(self.segments.clone()), self.cache_bytes_max),
            signing_seed: [9; 32],
            clock: self.clock.clone(),
            entropy: Arc::new(SeededEntropy::new(self.opens)),
            observer: Arc::new(Unobserved),
        }
    }
}

pub(crate) fn options() -> Options {
    Options {
        name: Some("log.example".to_owned()),
        event_bytes_max: 256 * 1024,
        tail: TailLimits::default(),
        version: "test".to_owned(),
    }
}

/// Memory for what is read of segments, where a test says nothing else.
const CACHE_BYTES_MAX: usize = 4 << 20;

/// The segments' store on a disk.
pub(crate) fn store(disk: &SimDisk) -> Store {
    Store::new(Arc::new(disk.clone()), CACHE_BYTES_MAX)
}

pub(crate) fn tenant(id: &str) -> TenantId {
    TenantId::new(id).expect("a good id")
}

pub(crate) fn events_of(id: &str) -> TenantLog {
    TenantLog { tenant: tenant(id), kind: LogKind::Tenant }
}

/// The log of annals' own control plane.
pub(crate) fn control_log() -> TenantLog {
    TenantLog { tenant: TenantId::annals(), kind: LogKind::Tenant }
}

/// Sends events to tenant `acme`.
pub(crate) async fn send(ledger: &Ledger, events: &[&str]) -> Result<Vec<ItemResult>, CommitError> {
    send_with(ledger, events, AcceptOptions { tenant: Some(tenant("acme")), ..AcceptOptions::default() })
        .await
}

pub(crate) async fn send_with(
    ledger: &Ledger,
    events: &[&str],
    options: AcceptOptions,
) -> Result<Vec<ItemResult>, CommitError> {
    let mut draft = ledger.draft(options);
    for event in events {
        draft.push(event.as_bytes());
    }
    ledger.commit(draft.seal()).await
}

/// What became of each item, in a word.
pub(crate) fn words(results: &[ItemResult]) -> Vec<String> {
    let word = |result: &ItemResult| match &result.status {
        ItemStatus::Created { position, .. } => format!("created {position}"),
        ItemStatus::Duplicate { position, .. } => format!("duplicate {position}"),
        ItemStatus::Rejected(error) => format!("{} {}", error.code, error.pointer),
    };
    results.iter().map(word).collect()
}

/// An answer on its way.
pub(crate) type Pending<T = Vec<ItemResult>> = Pin<Box<dyn Future<Output = Result<T, CommitError>> + Send>>;

/// The answer, if it is there; for ledgers that are moved step by step.
pub(crate) fn poll<T>(pending: &mut Pending<T>) -> Option<Result<T, CommitError>> {
    match pending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}
