//! What an operator and their machines look at.

use std::sync::Arc;

use annals_ledger::{Health, Scope};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::app::{App, Stage, json};
use crate::auth::Asker;
use crate::problem::{Problem, ProblemBody};
use crate::scrub::{ScrubStatus, Scrubber};
use crate::witnesses::WitnessStatus;

/// The program.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Version {
    /// Always `annals`.
    name: &'static str,
    /// Its version.
    version: String,
}

/// The process lives.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Alive {
    /// Always `alive`.
    status: &'static str,
}

/// Whether events are taken, and if not, why.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Readiness {
    /// Events are taken.
    ready: bool,
    /// Each check.
    checks: Checks,
}

/// What readiness looks at.
#[derive(Serialize, utoipa::ToSchema)]
struct Checks {
    /// The journal takes writes.
    journal: Check,
    /// The clock has not jumped.
    clock: Check,
    /// Records are sealed into segments.
    segments: Check,
    /// Heads are signed.
    signer: Check,
    /// What is durable is applied.
    ledger: Check,
    /// The server is not stopping.
    serving: Check,
}

/// One thing that readiness looks at.
#[derive(Serialize, utoipa::ToSchema)]
struct Check {
    /// It is well.
    ok: bool,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Check {
    fn of(reason: Option<String>) -> Self {
        Self { ok: reason.is_none(), reason }
    }
}

impl Readiness {
    fn of(app: &App) -> Self {
        let health = app.ledger.health();
        let serves = *app.stage.borrow() == Stage::Serving;
        let ready = health.is_ready() && serves;
        let Health { journal, clock_jump_us, segments, signer, signer_away, apply, stopping, .. } = health;
        let jump = clock_jump_us.map(|jump_us| {
            let seconds = jump_us / 1_000_000;
            format!("jumped by {seconds} s; set it right, or confirm it with POST /v1/clock/confirm")
        });
        let stopping = stopping || !serves;
        let checks = Checks {
            journal: Check::of(journal),
            clock: Check::of(jump),
            segments: Check::of(segments),
            signer: Check::of(signer.or(signer_away)),
            ledger: Check::of(apply),
            serving: Check::of(stopping.then(|| "stopping".to_owned())),
        };
        Self { ready, checks }
    }
}

/// Most damaged segments that are named.
const DAMAGED_SEGMENTS_TOLD: usize = 16;

/// How things are.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Status {
    /// The program's version.
    version: String,
    /// The ledger's name, the first part of its logs' origins.
    ledger: String,
    /// The ledger's verifier key: under a log's origin it verifies that log's checkpoints.
    ledger_key: String,
    /// Whether events are taken, and if not, why.
    readiness: Readiness,
    /// Who cosigns checkpoints, if anybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    witnessing: Option<WitnessStatus>,
    /// How far reading everything again is, where that is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    scrub: Option<ScrubStatus>,
    /// Tenants, `_annals` among them.
    tenants: u64,
    /// Records of all tenants.
    records: u64,
    /// Of these, records in memory that are not sealed yet.
    tail_records: u64,
    /// When the oldest of these was received, by the server's clock; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    tail_since: Option<String>,
    /// Why segments are not merged; it is tried again each minute, and events are taken meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    merging_fails: Option<String>,
    /// Some of these are being put into a segment.
    sealing: bool,
    /// Segments are being merged into a larger one.
    merging: bool,
    /// Bytes of journal batches held in memory for them.
    memory_bytes: u64,
    /// Segments that hold the others.
    segments: u64,
    /// Bytes of their files.
    segment_bytes: u64,
    /// How many of them are damaged: something could not be read since the server started, or was not what was written.
    segments_damaged: u64,
    /// Files of these, at most 16 of them.
    damaged_segments: Vec<String>,
    /// Batches that the journal has taken so far.
    journal_batches: u64,
    /// Batches that wait for the journal.
    queue_batches: u64,
    /// Bytes that wait for the journal.
    queue_bytes: u64,
}

/// A jump of the clock that was confirmed.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ClockConfirmed {
    /// False when there was no jump to confirm.
    confirmed: bool,
}

/// Confirms a jump of the server's clock.
///
/// After a jump of more than an hour events are refused until the clock returns or somebody says here that it is right now. A clock that
/// was more than 72 hours ahead of the newest stored time at the start lets nothing expire until then.
#[utoipa::path(
    post, path = "/v1/clock/confirm", tag = "operate",
    responses(
        (status = 200, description = "The clock is believed", body = ClockConfirmed),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "Not a platform key with the scope `admin`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "It could not be put on record", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["admin"])),
)]
pub(crate) async fn confirm_clock(
    State(app): State<Arc<App>>,
    asker: Asker,
) -> Result<Json<ClockConfirmed>, Problem> {
    asker.caller.require_platform(Scope::Admin)?;
    asker.params(&[])?;
    let confirmed = app.ledger.confirm_clock(&asker.caller.author()).await?;
    Ok(Json(ClockConfirmed { confirmed }))
}

/// Says how things are.
#[utoipa::path(
    get, path = "/v1/status", tag = "operate",
    responses(
        (status = 200, description = "How things are", body = Status),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "Not a platform key with the scope `read`", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["read"])),
)]
pub(crate) async fn status(State(app): State<Arc<App>>, asker: Asker) -> Result<Json<Status>, Problem> {
    asker.caller.require_platform(Scope::Read)?;
    asker.params(&[])?;
    let sizes = app.ledger.sizes();
    let (queue_batches, queue_bytes) = app.ledger.queue_depth();
    let genesis = app.ledger.genesis();
    Ok(Json(Status {
        version: app.settings.version.clone(),
        ledger_key: app.ledger.signing_key().to_string(),
        ledger: genesis.name,
        readiness: Readiness::of(&app),
        witnessing: app.witnesses.as_ref().map(|witnesses| witnesses.status()),
        scrub: app.scrubber.as_ref().map(Scrubber::status),
        tenants: sizes.tenants,
        records: sizes.records,
        tail_records: sizes.tail_records,
        tail_since: sizes.tail_since.map(|at| at.to_string()),
        sealing: sizes.is_sealing,
        merging_fails: app.ledger.health().merging,
        merging: app.ledger.is_merging(),
        memory_bytes: sizes.memory_bytes,
        segments: sizes.segments,
        segment_bytes: sizes.segment_bytes,
        segments_damaged: sizes.damaged_segments,
        damaged_segments: app.ledger.damaged_segments(DAMAGED_SEGMENTS_TOLD),
        journal_batches: sizes.batches,
        queue_batches: queue_batches as u64,
        queue_bytes: queue_bytes as u64,
    }))
}

/// Names the program.
#[utoipa::path(
    get, path = "/version", tag = "operate",
    responses((status = 200, description = "The program and its version", body = Version)),
    security(()),
)]
pub(crate) async fn version(State(app): State<Arc<App>>) -> Json<Version> {
    Json(Version { name: "annals", version: app.settings.version.clone() })
}

/// Says that the process lives.
///
/// Touches no disk; a supervisor restarts a process that does not answer here.
#[utoipa::path(
    get, path = "/healthz", tag = "operate",
    responses((status = 200, description = "It lives", body = Alive)),
    security(()),
)]
pub(crate) async fn healthz() -> Json<Alive> {
    Json(Alive { status: "alive" })
}

/// Says whether events are taken, and if not, why.
#[utoipa::path(
    get, path = "/readyz", tag = "operate",
    responses(
        (status = 200, description = "Events are taken", body = Readiness),
        (status = 503, description = "Events are refused; reads may go on", body = Readiness),
    ),
    security(()),
)]
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> (StatusCode, Json<Readiness>) {
    let readiness = Readiness::of(&app);
    (if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(readiness))
}

/// Gives the metrics.
///
/// OpenMetrics text; no label names a tenant or a key.
#[utoipa::path(
    get, path = "/metrics", tag = "operate",
    responses((status = 200, description = "The metrics", body = String, content_type = "application/openmetrics-text")),
    security(()),
)]
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], app.metrics.text(&app.ledger)).into_response()
}

/// Describes every route: this document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operate",
    params(("dialect" = Option<String>, Query, description = "Only the routes of this vendor's API")),
    responses(
        (status = 200, description = "An OpenAPI 3.1 document", body = serde_json::Value),
        (status = 400, description = "`dialect` names no vendor", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(()),
)]
pub(crate) async fn openapi(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    let params = annals_dialects::Params::read(uri.query().unwrap_or_default(), &["dialect"])?;
    let document = match params.text("dialect") {
        None => app.openapi.get().cloned(),
        Some(vendor) => {
            let documents = app.vendors_openapi.get();
            let document = documents.and_then(|documents| documents.get(vendor).cloned());
            Some(document.ok_or_else(|| {
                crate::query::value("dialect", "names no vendor whose API is answered here")
            })?)
        }
    };
    Ok(json(StatusCode::OK, document.unwrap_or_default()))
}
