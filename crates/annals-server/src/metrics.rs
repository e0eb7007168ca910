//! What the server counts, for Prometheus. No label names a tenant, a key or an event: their number has no bound.

use std::sync::atomic::{AtomicI64, AtomicU64};

use annals_ledger::state::Refusal;
use annals_ledger::{Done, Ledger, Observer, Outcome};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabel {
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabel {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: String,
}

type LatencyFamily = Family<RouteLabel, Histogram, fn() -> Histogram>;

/// The server's metrics. Made before the ledger opens, as the ledger reports to it too.
pub struct Metrics {
    registry: Registry,
    items: Family<ResultLabel, Counter>,
    refusals: Family<CodeLabel, Counter>,
    warnings: Family<CodeLabel, Counter>,
    redacted: Counter,
    problems: Family<CodeLabel, Counter>,
    body_bytes: Counter,
    appends: Histogram,
    append_batches: Counter,
    append_bytes: Counter,
    applies: Histogram,
    heads: Counter,
    seals: Histogram,
    sealed_records: Counter,
    merges: Histogram,
    merged_records: Counter,
    rewritten_records: Counter,
    requests: Family<RequestLabel, Counter>,
    latency: LatencyFamily,
    connections: Gauge,
    streams: Gauge,
    connections_refused: Counter,
    expired: Counter,
    held: Gauge<u64, AtomicU64>,
    expiry_waits: Gauge<u64, AtomicU64>,
    expiry_failures: Counter,
    witness_answers: Family<ResultLabel, Counter>,
    witness_logs: Gauge<u64, AtomicU64>,
    witness_logs_without_quorum: Gauge<u64, AtomicU64>,
    ledger: LedgerGauges,
}

/// What is read from the ledger when somebody asks.
#[derive(Default)]
struct LedgerGauges {
    records: Gauge<u64, AtomicU64>,
    tenants: Gauge<u64, AtomicU64>,
    tail_records: Gauge<u64, AtomicU64>,
    memory_bytes: Gauge<u64, AtomicU64>,
    segments: Gauge<u64, AtomicU64>,
    segment_bytes: Gauge<u64, AtomicU64>,
    damaged_segments: Gauge<u64, AtomicU64>,
    batches: Gauge<u64, AtomicU64>,
    queue_batches: Gauge<u64, AtomicU64>,
    queue_bytes: Gauge<u64, AtomicU64>,
    ready: Gauge<i64, AtomicI64>,
}

/// 50 µs to 26 s, each twice the one before.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_05, 2.0, 20))
}

impl Metrics {
    /// Metrics of a program of this version.
    #[must_use]
    pub fn new(version: &str) -> Self {
        let mut root = Registry::default();
        let registry = root.sub_registry_with_prefix("annals");
        registry.register(
            "build",
            "The program",
            Info::new(vec![("version".to_owned(), version.to_owned())]),
        );
        let metrics = Self {
            items: Family::default(),
            refusals: Family::default(),
            warnings: Family::default(),
            redacted: Counter::default(),
            problems: Family::default(),
            body_bytes: Counter::default(),
            appends: seconds(),
            append_batches: Counter::default(),
            append_bytes: Counter::default(),
            applies: seconds(),
            heads: Counter::default(),
            seals: seconds(),
            sealed_records: Counter::default(),
            merges: seconds(),
            merged_records: Counter::default(),
            rewritten_records: Counter::default(),
            requests: Family::default(),
            latency: Family::new_with_constructor(seconds),
            connections: Gauge::default(),
            streams: Gauge::default(),
            connections_refused: Counter::default(),
            expired: Counter::default(),
            held: Gauge::default(),
            expiry_waits: Gauge::default(),
            expiry_failures: Counter::default(),
            witness_answers: Family::default(),
            witness_logs: Gauge::default(),
            witness_logs_without_quorum: Gauge::default(),
            ledger: LedgerGauges::default(),
            registry: Registry::default(),
        };
        let m = &metrics;
        registry.register("ingest_items", "Events sent, by what became of them", m.items.clone());
        registry.register("ingest_refusals", "Events refused, by code", m.refusals.clone());
        registry.register(
            "ingest_warnings",
            "Warnings about events that were kept, by code",
            m.warnings.clone(),
        );
        registry.register(
            "ingest_redacted_values",
            "Values that tenants' rules took out of events",
            m.redacted.clone(),
        );
        registry.register("http_problems", "Requests refused, by code", m.problems.clone());
        registry.register_with_unit(
            "ingest_body",
            "Bodies taken in, decompressed",
            Unit::Bytes,
            m.body_bytes.clone(),
        );
        registry.register_with_unit(
            "journal_append",
            "Time to write and flush one group",
            Unit::Seconds,
            m.appends.clone(),
        );
        registry.register("journal_batches", "Batches appended to the journal", m.append_batches.clone());
        registry.register_with_unit(
            "journal",
            "Payload appended to the journal",
            Unit::Bytes,
            m.append_bytes.clone(),
        );
        registry.register_with_unit(
            "ledger_apply",
            "Time to apply one batch",
            Unit::Seconds,
            m.applies.clone(),
        );
        registry.register("heads_signed", "Ledger heads signed", m.heads.clone());
        registry.register("http_requests", "Requests answered", m.requests.clone());
        registry.register_with_unit(
            "http_request",
            "Time until an answer begins",
            Unit::Seconds,
            m.latency.clone(),
        );
        registry.register("http_connections", "Open connections", m.connections.clone());
        registry.register(
            "http_connections_refused",
            "Connections refused: too many, or not from the proxy",
            m.connections_refused.clone(),
        );
        registry.register("live_streams", "Open live feeds", m.streams.clone());
        registry.register("retention_expired_records", "Records stated as expired", m.expired.clone());
        registry.register(
            "retention_held_records",
            "Records that would have expired but for a hold, as far as is known",
            m.held.clone(),
        );
        registry.register(
            "retention_waits",
            "1 while nothing expires because the clock at the start was far ahead of what is stored",
            m.expiry_waits.clone(),
        );
        registry.register(
            "retention_failures",
            "Times that what is due could not be found or stated",
            m.expiry_failures.clone(),
        );
        registry.register(
            "witness_answers",
            "Checkpoints sent to witnesses, by what came of it",
            m.witness_answers.clone(),
        );
        registry.register("witness_logs", "Logs that were submitted to witnesses", m.witness_logs.clone());
        registry.register(
            "witness_logs_without_quorum",
            "Logs whose last submission came to no quorum of witnesses",
            m.witness_logs_without_quorum.clone(),
        );
        registry.register("ledger_records", "Records of all tenants", m.ledger.records.clone());
        registry.register("ledger_tenants", "Tenants", m.ledger.tenants.clone());
        registry.register_with_unit(
            "tail",
            "Journal batches held in memory",
            Unit::Bytes,
            m.ledger.memory_bytes.clone(),
        );
        registry.register(
            "tail_records",
            "Records in memory that are not sealed yet",
            m.ledger.tail_records.clone(),
        );
        registry.register(
            "journal_size_batches",
            "Batches that the journal has taken",
            m.ledger.batches.clone(),
        );
        registry.register("segments", "Segments", m.ledger.segments.clone());
        registry.register(
            "segments_damaged",
            "Segments of which something could not be read, or was not what was written",
            m.ledger.damaged_segments.clone(),
        );
        registry.register_with_unit(
            "segments",
            "Files of segments",
            Unit::Bytes,
            m.ledger.segment_bytes.clone(),
        );
        registry.register_with_unit(
            "segments_seal",
            "Time to seal records into a segment",
            Unit::Seconds,
            m.seals.clone(),
        );
        registry.register(
            "segments_sealed_records",
            "Records sealed into segments",
            m.sealed_records.clone(),
        );
        registry.register_with_unit(
            "segments_merge",
            "Time to merge segments into a larger one",
            Unit::Seconds,
            m.merges.clone(),
        );
        registry.register(
            "segments_merged_records",
            "Records of segments that were merged",
            m.merged_records.clone(),
        );
        registry.register(
            "segments_rewritten_records",
            "Records of segments that were rewritten without what was erased or expired",
            m.rewritten_records.clone(),
        );
        registry.register(
            "queue_batches",
            "Batches that wait for the journal",
            m.ledger.queue_batches.clone(),
        );
        registry.register_with_unit(
            "queue",
            "Bytes that wait for the journal",
            Unit::Bytes,
            m.ledger.queue_bytes.clone(),
        );
        registry.register("ready", "Whether events are taken", m.ledger.ready.clone());
        Self { registry: root, ..metrics }
    }

    /// The text for a scrape, with the ledger's state of the moment.
    pub(crate) fn text(&self, ledger: &Ledger) -> String {
        let sizes = ledger.sizes();
        let (queue_batches, queue_bytes) = ledger.queue_depth();
        let gauges = &self.ledger;
        gauges.records.set(sizes.records);
        gauges.tenants.set(sizes.tenants);
        gauges.tail_records.set(sizes.tail_records);
        gauges.memory_bytes.set(sizes.memory_bytes);
        gauges.segments.set(sizes.segments);
        gauges.segment_bytes.set(sizes.segment_bytes);
        gauges.damaged_segments.set(sizes.damaged_segments);
        gauges.batches.set(sizes.batches);
        gauges.queue_batches.set(queue_batches as u64);
        gauges.queue_bytes.set(queue_bytes as u64);
        gauges.ready.set(i64::from(ledger.health().is_ready()));
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a String does not fail");
        text
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.body_bytes.inc_by(bytes as u64);
    }

    pub(crate) fn ingested(&self, result: &'static str, items: u64) {
        if items > 0 {
            self.items.get_or_create(&ResultLabel { result }).inc_by(items);
        }
    }

    /// A request was refused.
    pub(crate) fn problem(&self, code: &'static str) {
        self.problems.get_or_create(&CodeLabel { code }).inc();
    }

    /// Events were refused.
    pub(crate) fn refused_with(&self, code: &'static str, count: u64) {
        self.refusals.get_or_create(&CodeLabel { code }).inc_by(count);
    }

    pub(crate) fn warned(&self, code: &'static str) {
        self.warnings.get_or_create(&CodeLabel { code }).inc();
    }

    pub(crate) fn redacted(&self, values: u64) {
        self.redacted.inc_by(values);
    }

    pub(crate) fn answered(&self, method: &str, route: &str, status: u16, seconds: f64) {
        let label = RequestLabel { method: method.to_owned(), route: route.to_owned(), status };
        self.requests.get_or_create(&label).inc();
        self.latency.get_or_create(&RouteLabel { route: label.route }).observe(seconds);
    }

    pub(crate) fn expired(&self, records: u64) {
        self.expired.inc_by(records);
    }

    pub(crate) fn held(&self, records: u64) {
        self.held.set(records);
    }

    pub(crate) fn expiry_waits(&self, waits: bool) {
        self.expiry_waits.set(waits.into());
    }

    pub(crate) fn expiry_failed(&self) {
        self.expiry_failures.inc();
    }

    pub(crate) fn witness_answer(&self, result: &'static str) {
        self.witness_answers.get_or_create(&ResultLabel { result }).inc();
    }

    pub(crate) fn witness_logs(&self, submitted: u64, without_quorum: u64) {
        self.witness_logs.set(submitted);
        self.witness_logs_without_quorum.set(without_quorum);
    }

    pub(crate) fn connection_refused(&self) {
        self.connections_refused.inc();
    }

    /// Counts a connection while the guard lives.
    pub(crate) fn connection(&self) -> Counted {
        Counted::new(&self.connections)
    }

    /// Counts a live feed while the guard lives.
    pub(crate) fn stream(&self) -> Counted {
        Counted::new(&self.streams)
    }
}

/// One more, until it is dropped.
pub(crate) struct Counted(Gauge);

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[expect(clippy::cast_precision_loss, reason = "a duration that loses microseconds is days long")]
fn micros_to_seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

impl Observer for Metrics {
    fn appended(&self, batches: usize, bytes: usize, micros: u64) {
        self.appends.observe(micros_to_seconds(micros));
        self.append_batches.inc_by(batches as u64);
        self.append_bytes.inc_by(bytes as u64);
    }

    fn refused(&self, events: u64, code: &'static str) {
        self.refused_with(code, events.max(1));
    }

    fn applied(&self, outcomes: &[Outcome], micros: u64) {
        self.applies.observe(micros_to_seconds(micros));
        let conflicts = outcomes.iter().filter(|outcome| {
            matches!(outcome, Outcome::Refused(Refusal::Conflict { .. } | Refusal::ConflictInBatch))
        });
        let conflicts = conflicts.count() as u64;
        if conflicts > 0 {
            self.refused_with("conflict", conflicts);
        }
    }

    fn sealed(&self, done: Done, micros: u64) {
        let seconds = micros_to_seconds(micros);
        match done {
            Done::Sealed(records) => {
                self.seals.observe(seconds);
                self.sealed_records.inc_by(records);
            }
            Done::Merged(records) => {
                self.merges.observe(seconds);
                self.merged_records.inc_by(records);
            }
            Done::Rewritten(records) => {
                self.rewritten_records.inc_by(records);
            }
            Done::Nothing => {}
        }
    }

    fn signed(&self, heads: usize) {
        self.heads.inc_by(heads as u64);
    }
}
