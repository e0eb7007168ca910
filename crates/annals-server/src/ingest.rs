//! The way in: `POST /v1/events`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use annals_event::TenantId;
use annals_event::json::{Shape, lines, shape, split_array, write_string};
use annals_ledger::accept::IDEMPOTENCY_KEY_BYTES_MAX;
use annals_ledger::batch::ITEMS_MAX;
use annals_ledger::{
    AcceptOptions, CommitError, Draft, ItemResult, ItemStatus, Ledger, LogKind, Scope, Sealed, TenantLog,
};
use annals_tree::proof::TlogProof;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use crate::app::{App, blocking, json};
use crate::auth::{Asker, Caller};
use crate::body::{Arriving, BATCH_BODY_BYTES_MAX, Received};
use crate::problem::{Code, Problem, ProblemBody, write_item_error};
use crate::query;

/// Most events whose receipts one answer carries (`wait=checkpoint`).
pub const RECEIPTS_MAX: usize = 1_000;

/// Bodies longer than this are read on a thread of their own, so that no connection waits for another's parsing.
const READ_HERE_BYTES_MAX: usize = 64 << 10;

/// Longest wait for the journal; what it does later is not known here.
const COMMIT_MAX: Duration = Duration::from_secs(60);

/// How the events stand in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// One object, or an array of them.
    Json,
    /// One object a line.
    Lines,
}

/// What a request wants, from its head.
struct Wish {
    options: AcceptOptions,
    form: Form,
    receipts: bool,
}

/// What became of the events of one request.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct Ingested {
    /// Events stored by this request.
    created: u64,
    /// Events that were stored before.
    duplicate: u64,
    /// Events not stored.
    rejected: u64,
    /// One an event, in the order sent.
    results: Vec<IngestedItem>,
}

/// What became of one event.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct IngestedItem {
    /// `created`, `duplicate` or `rejected`.
    status: String,
    /// The id sent or given; none when it could not be read.
    id: Option<String>,
    /// The tenant, with a platform key.
    tenant: Option<String>,
    /// Where it stands, or the first one of a duplicate.
    position: Option<u64>,
    /// Hash of its entry, lower-case hex.
    leaf: Option<String>,
    /// What is remarkable about an event that is kept.
    warnings: Option<Vec<IngestWarning>>,
    /// Why it is rejected.
    error: Option<ProblemBody<'static>>,
    /// A `.tlog-proof`, with `wait=checkpoint`.
    receipt: Option<String>,
}

/// A remark on an event that is kept.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct IngestWarning {
    /// Stable name of the remark.
    code: String,
    /// JSON Pointer of the member.
    pointer: String,
    /// For people.
    detail: String,
}

/// Stores events.
///
/// The body is one event, an array of events (`application/json`) or one event a line (`application/x-ndjson`); it may be
/// compressed with gzip or zstd. The answer comes after what is stored would survive a power cut. The status tells the truth
/// by itself: 200 only when every event is created or a duplicate.
#[utoipa::path(
    post, path = "/v1/events", tag = "events",
    params(
        ("atomic" = Option<bool>, Query, description = "One rejection rejects all"),
        ("strict" = Option<bool>, Query, description = "Unknown members are rejected rather than kept"),
        ("wait" = Option<String>, Query, description = "`checkpoint`: every stored event's result carries a receipt; at most 1,000 events then"),
        ("tenant" = Option<String>, Query, description = "With a platform key: the tenant of all events of the request"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 bytes: gives events without an id one that is the same at the next try"),
        ("Content-Encoding" = Option<String>, Header, description = "`gzip` or `zstd`"),
    ),
    request_body(description = "Events", content(("application/json"), ("application/x-ndjson"))),
    responses(
        (status = 200, description = "Every event is stored, now or before", body = Ingested),
        (status = 409, description = "The only failures are conflicts: another event has the id; the others are stored", body = Ingested),
        (status = 422, description = "Some events were rejected; the others are stored", body = Ingested),
        (status = 400, description = "The request cannot be read; nothing is stored", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `write` or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "More than 16 MiB or 10,000 events; nothing is stored", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "Unknown content type or encoding; nothing is stored", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Nothing is promised; send it again with the same ids", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["write"])),
)]
pub(crate) async fn post_events(
    State(app): State<Arc<App>>,
    asker: Result<Asker, Problem>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let mut arriving = Arriving::new(body, &parts.headers);
    let taken = async {
        let asker = asker?;
        let wish = wish(&app, &asker, &parts.headers)?;
        let received = arriving.receive(BATCH_BODY_BYTES_MAX, &app.bodies).await?;
        app.metrics.received(received.bytes.len());
        Ok((asker, wish, received))
    };
    let (asker, wish, received) = match taken.await {
        Ok(taken) => taken,
        Err(problem) => {
            arriving.discard().await;
            return Err(problem);
        }
    };
    let receipts = wish.receipts;
    let one_object = wish.form == Form::Json && shape(&received.bytes) == Shape::Object;
    let sealed = seal(&app, wish, received).await?;
    let commit = tokio::time::timeout(COMMIT_MAX, app.ledger.commit(sealed));
    let results = commit.await.unwrap_or(Err(CommitError::Uncertain))?;
    if one_object {
        refuse_broken_object(&results)?;
    }
    answer(&app, &asker, results, receipts).await
}

/// Reads the events, where it disturbs nobody.
async fn seal(app: &App, wish: Wish, received: Received) -> Result<Sealed, Problem> {
    if received.bytes.len() <= READ_HERE_BYTES_MAX {
        return read(&app.ledger, wish, &received.bytes);
    }
    let _turn = app.reading.acquire().await.expect("this semaphore is never closed");
    let ledger = app.ledger.clone();
    blocking(move || read(&ledger, wish, &received.bytes)).await
}

/// What the request's head asks for.
fn wish(app: &App, asker: &Asker, headers: &HeaderMap) -> Result<Wish, Problem> {
    asker.caller.require(Scope::Write)?;
    let params = asker.params(&["atomic", "strict", "wait", "tenant"])?;
    let receipts = match params.text("wait") {
        None => false,
        Some("checkpoint") => true,
        Some(_) => return Err(query::value("wait", "must be `checkpoint` or left out")),
    };
    let tenant = asker.caller.tenant_or_all(params.tenant()?)?;
    if tenant.as_ref().is_some_and(TenantId::is_annals) {
        return Err(query::value("tenant", "is annals' own; nobody writes to it"));
    }
    let options = AcceptOptions {
        tenant,
        atomic: params.flag("atomic")?,
        strict: params.flag("strict")?,
        idempotency_key: idempotency_key(headers)?,
        known_tenants_only: !app.settings.tenants_on_write,
    };
    Ok(Wish { options, form: media_form(headers)?, receipts })
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<Vec<u8>>, Problem> {
    let mut sent = headers.get_all("idempotency-key").iter();
    match (sent.next(), sent.next()) {
        (None, _) => Ok(None),
        (Some(key), None) if (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) => {
            Ok(Some(key.as_bytes().to_vec()))
        }
        _ => Err(Problem::new(
            Code::IdempotencyKey,
            format!(
                "the header `Idempotency-Key` must stand once and have 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes"
            ),
        )),
    }
}

fn media_form(headers: &HeaderMap) -> Result<Form, Problem> {
    let sent = headers.get(header::CONTENT_TYPE).and_then(|sent| sent.to_str().ok()).unwrap_or_default();
    let essence = sent.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => Ok(Form::Json),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Form::Lines),
        _ => Err(Problem::new(
            Code::MediaType,
            "`Content-Type` must be `application/json` for one event or an array, or `application/x-ndjson` for one event a line",
        )),
    }
}

/// Reads the events of a body: each by itself, so that a bad one costs no other its place.
fn read(ledger: &Ledger, wish: Wish, body: &[u8]) -> Result<Sealed, Problem> {
    let Wish { options, form, receipts } = wish;
    let items_max = if receipts { RECEIPTS_MAX } else { ITEMS_MAX };
    let items = items(form, body, items_max + 1)?;
    if items.len() > ITEMS_MAX {
        return Err(Problem::new(
            Code::BatchItems,
            format!("the body has more than {ITEMS_MAX} events; send it in parts"),
        ));
    }
    if items.len() > items_max {
        let detail = format!(
            "`wait=checkpoint` is for at most {RECEIPTS_MAX} events; ask for proofs later, or send it in parts"
        );
        return Err(Problem::new(Code::ReceiptItems, detail).in_parameter("wait"));
    }
    let mut draft: Draft<'_> = ledger.draft(options);
    for item in items {
        draft.push(item);
    }
    Ok(draft.seal())
}

/// Cuts the body into at most `count` items.
fn items(form: Form, body: &[u8], count: usize) -> Result<Vec<&[u8]>, Problem> {
    if form == Form::Lines {
        return Ok(lines(body).take(count).collect());
    }
    if let Err(error) = std::str::from_utf8(body) {
        return Err(Problem::new(
            Code::Utf8,
            format!("the body is not UTF-8 from byte {} on", error.valid_up_to()),
        ));
    }
    match shape(body) {
        Shape::Object => Ok(vec![body.trim_ascii()]),
        Shape::Array => {
            let items = split_array(body).take(count).collect::<Result<_, _>>();
            items.map_err(|rejection| broken(rejection.code.as_str(), rejection.message))
        }
        Shape::Empty => {
            Err(Problem::new(Code::Json, "the body is empty; send an event, or an array of events"))
        }
        Shape::Other => {
            Err(Problem::new(Code::Json, "the body must be an event (an object) or an array of events"))
        }
    }
}

fn broken(code: &str, message: String) -> Problem {
    match code {
        "trailing_bytes" => Problem::new(
            Code::TrailingBytes,
            format!("{message}; one event a line is `application/x-ndjson`"),
        ),
        _ => Problem::new(Code::Json, message),
    }
}

/// One object that is not JSON is a request that cannot be read, not an event that was rejected.
fn refuse_broken_object(results: &[ItemResult]) -> Result<(), Problem> {
    match results {
        [ItemResult { status: ItemStatus::Rejected(error), .. }]
            if matches!(error.code, "json" | "trailing_bytes" | "control_character" | "number") =>
        {
            Err(broken(error.code, error.message.clone()))
        }
        _ => Ok(()),
    }
}

#[derive(Default)]
struct Counts {
    created: u64,
    duplicate: u64,
    rejected: u64,
    conflicts: u64,
    /// Rejected only because another was.
    atomic: u64,
}

impl Counts {
    fn of(results: &[ItemResult]) -> Self {
        let mut counts = Self::default();
        for result in results {
            match &result.status {
                ItemStatus::Created { .. } => counts.created += 1,
                ItemStatus::Duplicate { .. } => counts.duplicate += 1,
                ItemStatus::Rejected(error) => {
                    counts.rejected += 1;
                    counts.conflicts += u64::from(error.code == "conflict");
                    counts.atomic += u64::from(error.code == "atomic");
                }
            }
        }
        counts
    }

    fn status(&self) -> StatusCode {
        if self.rejected == 0 {
            StatusCode::OK
        } else if self.conflicts > 0 && self.conflicts + self.atomic == self.rejected {
            StatusCode::CONFLICT
        } else {
            StatusCode::UNPROCESSABLE_ENTITY
        }
    }

    fn report(&self, app: &App, results: &[ItemResult]) {
        app.metrics.ingested("created", self.created);
        app.metrics.ingested("duplicate", self.duplicate);
        app.metrics.ingested("rejected", self.rejected);
        app.metrics.redacted(results.iter().map(|result| result.redacted).sum());
        for warning in results.iter().flat_map(|result| &result.warnings) {
            app.metrics.warned(warning.code.as_str());
        }
        if self.rejected == self.conflicts {
            return;
        }
        let mut codes: BTreeMap<&'static str, u64> = BTreeMap::new();
        for result in results {
            if let ItemStatus::Rejected(error) = &result.status
                && error.code != "conflict"
            {
                *codes.entry(error.code).or_default() += 1;
            }
        }
        codes.into_iter().for_each(|(code, count)| app.metrics.refused_with(code, count));
    }
}

async fn answer(
    app: &App,
    asker: &Asker,
    results: Vec<ItemResult>,
    receipts: bool,
) -> Result<Response, Problem> {
    let counts = Counts::of(&results);
    counts.report(app, &results);
    let (results, receipts) = match receipts {
        false => (results, Vec::new()),
        true => {
            let ledger = app.ledger.clone();
            blocking(move || {
                let receipts = receipts_of(&ledger, &results);
                (results, receipts)
            })
            .await
        }
    };
    let body = write_results(&counts, &results, &receipts, &asker.caller, asker.call.id.as_str());
    Ok(json(counts.status(), Body::from(body)))
}

/// The receipts of stored items, all of a tenant's against one checkpoint; none for an item that is not stored, or when the
/// signer does not sign at the moment: the event is kept all the same, and its receipt can be had later.
fn receipts_of(ledger: &Ledger, results: &[ItemResult]) -> Vec<Option<String>> {
    let mut checkpoints: BTreeMap<&TenantId, Option<(u64, String)>> = BTreeMap::new();
    let receipts = results.iter().map(|result| {
        let (ItemStatus::Created { position, .. } | ItemStatus::Duplicate { position, .. }) = &result.status
        else {
            return None;
        };
        let tenant = result.tenant.as_ref()?;
        let log = TenantLog { tenant: tenant.clone(), kind: LogKind::Tenant };
        let checkpoint = checkpoints.entry(tenant).or_insert_with(|| {
            let checkpoint = ledger.checkpoint(&log);
            checkpoint.inspect_err(|error| tracing::error!(%error, "no receipts were given")).ok()
        });
        let (size, checkpoint) = checkpoint.as_ref()?;
        let hashes = ledger
            .inclusion(&log, *position, *size)
            .inspect_err(|error| tracing::error!(%error, "no receipt was given"))
            .ok()?;
        let proof = TlogProof { index: position.0, hashes, extra: None, checkpoint: checkpoint.clone() };
        Some(proof.to_text())
    });
    receipts.collect()
}

fn write_results(
    counts: &Counts,
    results: &[ItemResult],
    receipts: &[Option<String>],
    caller: &Caller,
    request_id: &str,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(96 + results.len() * 192);
    out.extend_from_slice(
        format!(
            "{{\"created\":{},\"duplicate\":{},\"rejected\":{},\"results\":[",
            counts.created, counts.duplicate, counts.rejected
        )
        .as_bytes(),
    );
    for (index, result) in results.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let receipt = receipts.get(index).and_then(Option::as_deref);
        write_result(result, receipt, caller.is_platform(), request_id, &mut out);
    }
    out.extend_from_slice(b"]}");
    out
}

fn write_result(
    result: &ItemResult,
    receipt: Option<&str>,
    for_platform: bool,
    request_id: &str,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"status\":\"");
    let (status, stored) = match &result.status {
        ItemStatus::Created { position, leaf } => ("created", Some((position, leaf))),
        ItemStatus::Duplicate { position, leaf } => ("duplicate", Some((position, leaf))),
        ItemStatus::Rejected(_) => ("rejected", None),
    };
    out.extend_from_slice(status.as_bytes());
    out.push(b'"');
    if let Some(id) = &result.id {
        out.extend_from_slice(b",\"id\":");
        write_string(id, out);
    }
    if let (true, Some(tenant)) = (for_platform, &result.tenant) {
        out.extend_from_slice(b",\"tenant\":");
        write_string(tenant.as_str(), out);
    }
    if let Some((position, leaf)) = stored {
        out.extend_from_slice(b",\"position\":");
        out.extend_from_slice(position.0.to_string().as_bytes());
        out.extend_from_slice(b",\"leaf\":\"");
        write_hex(&leaf.0, out);
        out.push(b'"');
    }
    for (index, warning) in result.warnings.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b",\"warnings\":[" } else { b"," });
        out.extend_from_slice(b"{\"code\":");
        write_string(warning.code.as_str(), out);
        out.extend_from_slice(b",\"pointer\":");
        write_string(&warning.pointer, out);
        out.extend_from_slice(b",\"detail\":");
        write_string(&warning.message, out);
        out.push(b'}');
    }
    if !result.warnings.is_empty() {
        out.push(b']');
    }
    if let ItemStatus::Rejected(error) = &result.status {
        out.extend_from_slice(b",\"error\":");
        write_item_error(error, request_id, out);
    }
    if let Some(receipt) = receipt {
        out.extend_from_slice(b",\"receipt\":");
        write_string(receipt, out);
    }
    out.push(b'}');
}

fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}
