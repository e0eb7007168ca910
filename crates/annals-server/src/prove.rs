//! Checkpoints, proofs and the C2SP tree: all that a verifier needs, for one log.

use std::sync::Arc;

use annals_event::Position;
use annals_ledger::TenantLog;
use annals_tree::cosignature::WitnessKey;
use annals_tree::tile::Tile;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::access::{Subject, Verb};
use crate::app::{App, blocking};
use crate::auth::Asker;
use crate::events;
use crate::problem::{Code, Problem, ProblemBody};
use crate::query::{Params, PathText};

/// A full tile is the same for ever; it is the asker's alone.
const KEPT_FOR_EVER: &str = "private, max-age=31536000, immutable";
/// So is a partial one; but nobody wants it once the log has grown, and caches need not keep it for a year.
const KEPT_AN_HOUR: &str = "private, max-age=3600";
/// The newest is asked for each time.
const KEPT_TO_COMPARE: &str = "private, no-cache";

/// Hexadecimal digits of a tag.
const TAG_DIGITS: usize = 32;

/// A log as its readers know it.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct LogAnswer {
    /// First line of its checkpoints.
    origin: String,
    /// 32 hex digits.
    log_id: String,
    /// Verifies its checkpoints: a signed-note verifier key.
    public_key: String,
    /// Records in it.
    size: u64,
    /// Who cosigns its checkpoints; left out where nobody is asked to.
    #[serde(skip_serializing_if = "Option::is_none")]
    witnesses: Option<Vec<WitnessAnswer>>,
    /// So many of them are enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    quorum: Option<u64>,
}

/// A witness of a log.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct WitnessAnswer {
    /// Its name, as on its signature lines.
    name: String,
    /// Verifies its cosignatures: a verifier key.
    key: String,
}

/// That a record is in its log.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct InclusionAnswer {
    /// The record.
    position: u64,
    /// The size of the tree the proof is for.
    size: u64,
    /// Hash of the record's entry, lower-case hex.
    leaf: String,
    /// The RFC 6962 audit path, lower-case hex.
    hashes: Vec<String>,
}

/// That a log grew from one size to another and nothing before changed.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ConsistencyAnswer {
    /// The earlier size.
    from: u64,
    /// The later size.
    to: u64,
    /// The RFC 6962 consistency proof, lower-case hex.
    hashes: Vec<String>,
}

/// The log that the key, `tenant=` and `log=` name, put on record as verified.
pub(crate) async fn enter(app: &App, asker: &Asker, params: &Params) -> Result<TenantLog, Problem> {
    let tenant = app.entering(asker, Verb::Verify, asker.caller.one_tenant(params.tenant()?)).await?;
    let log = TenantLog { tenant, kind: params.log_kind()? };
    app.enter(asker, Verb::Verify, &Subject::Log(log.clone()), filter(params)).await?;
    // Only now: whether a tenant exists is for those who may ask about it.
    app.known(&log.tenant)?;
    Ok(log)
}

/// What is looked at, for the access log; which proof of it is all the same.
fn filter(params: &Params) -> Map<String, Value> {
    params.text("log").map(|log| ("log".to_owned(), json!(log))).into_iter().collect()
}

fn text(body: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}

/// An answer that whoever asked may keep. It is left out for those who say that they have it.
fn kept(asked: &HeaderMap, kind: &'static str, keeping: &'static str, body: Vec<u8>) -> Response {
    // Of what the answer says, and not of its name: a ledger brought back from a backup may say something else under it.
    let tag = format!("\"{}\"", &annals_tree::leaf_hash(&body).to_string()[..TAG_DIGITS]);
    let has_it = asked.get_all(header::IF_NONE_MATCH).iter().any(|tags| names(tags, &tag));
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::ETAG, HeaderValue::from_str(&tag).expect("hexadecimal digits in quotes")),
        (header::CACHE_CONTROL, HeaderValue::from_static(keeping)),
        // The same address is another tenant's with another key or session.
        (header::VARY, HeaderValue::from_static("authorization, cookie")),
    ];
    if has_it {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (StatusCode::OK, headers, [(header::CONTENT_TYPE, kind)], body).into_response()
}

/// Whether a list of tags, as `If-None-Match` has it, names this one, or all.
pub(crate) fn names(tags: &HeaderValue, tag: &str) -> bool {
    let mut tags = tags.to_str().unwrap_or_default().split(',').map(str::trim);
    tags.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// Proves that an event is in its log.
///
/// A `.tlog-proof`: the inclusion proof and a signed checkpoint, checked offline. With `size`, against the checkpoint of that
/// size if it was given before and is still kept.
#[utoipa::path(
    get, path = "/v1/events/{id}/proof", tag = "prove",
    params(
        ("id" = String, Path, description = "The event's id"),
        ("size" = Option<u64>, Query, description = "Size of an earlier checkpoint"),
        ("tenant" = Option<String>, Query, description = "With a platform key: the tenant"),
    ),
    responses(
        (status = 200, description = "The proof", body = String, content_type = "text/plain"),
        (status = 400, description = "A parameter is not allowed, or the size is beyond the log", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `verify` or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such event, or no checkpoint of that size is kept", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "What must be read is damaged", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The signer does not sign", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["verify"])),
)]
pub(crate) async fn event_proof(
    State(app): State<Arc<App>>,
    asker: Asker,
    PathText(id): PathText,
) -> Result<Response, Problem> {
    let params = asker.params(&["size", "tenant"])?;
    let size = params.number("size")?;
    let (log, record) = events::find(&app, &asker, &params, Verb::Verify, &id).await?;
    let ledger = app.ledger.clone();
    Ok(text(blocking(move || ledger.receipt(&log, record.position, size)).await?))
}

/// Gives a signed checkpoint over everything acknowledged.
///
/// A C2SP signed note: the log's origin, its size, its root hash, and the signature. With `cosigned=true` the newest checkpoint
/// that a quorum of witnesses cosigned, with their lines, which may be older than the log; where there is none, the newest with
/// what cosignatures it has. Who needs a quorum counts.
#[utoipa::path(
    get, path = "/v1/checkpoint", tag = "prove",
    params(
        ("tenant" = Option<String>, Query, description = "With a platform key: the tenant"),
        ("log" = Option<String>, Query, description = "`events` (default) or `access`"),
        ("cosigned" = Option<bool>, Query, description = "The newest that witnesses cosigned; submits the log to them if it grew"),
    ),
    responses(
        (status = 200, description = "The checkpoint", body = String, content_type = "text/plain"),
        (status = 400, description = "A parameter is not allowed or missing", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `verify` or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "What must be read is damaged", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The signer does not sign", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["verify"])),
)]
pub(crate) async fn checkpoint(State(app): State<Arc<App>>, asker: Asker) -> Result<Response, Problem> {
    newest(&app, &asker).await.map(text)
}

/// Gives the checkpoint of the C2SP tree.
///
/// The same bytes as `/v1/checkpoint`, where clients of C2SP `tlog-tiles` look for them.
#[utoipa::path(
    get, path = "/v1/log/checkpoint", tag = "prove",
    params(
        ("tenant" = Option<String>, Query, description = "With a platform key: the tenant"),
        ("log" = Option<String>, Query, description = "`events` (default) or `access`"),
        ("cosigned" = Option<bool>, Query, description = "The newest that witnesses cosigned; submits the log to them if it grew"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an answer that is there"),
    ),
    responses(
        (status = 200, description = "The checkpoint", body = String, content_type = "text/plain"),
        (status = 304, description = "It is as it was"),
        (status = 400, description = "A parameter is not allowed or missing", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `verify` or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "What must be read is damaged", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The signer does not sign", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["verify"])),
)]
pub(crate) async fn log_checkpoint(
    State(app): State<Arc<App>>,
    asker: Asker,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let note = newest(&app, &asker).await?;
    Ok(kept(&headers, "text/plain; charset=utf-8", KEPT_TO_COMPARE, note.into_bytes()))
}

/// The signed note that is asked for.
async fn newest(app: &App, asker: &Asker) -> Result<String, Problem> {
    let params = asker.params(&["tenant", "log", "cosigned"])?;
    let log = enter(app, asker, &params).await?;
    if let (true, Some(witnesses)) = (params.flag("cosigned")?, &app.witnesses)
        && let Some(cosigned) = witnesses.newest(&log).await
    {
        return Ok(cosigned.note);
    }
    let ledger = app.ledger.clone();
    let (_, note) = blocking(move || ledger.checkpoint(&log)).await?;
    Ok(note)
}

/// Proves that a position is in the tree of a size.
#[utoipa::path(
    get, path = "/v1/proofs/inclusion", tag = "prove",
    params(
        ("position" = u64, Query, description = "The record"),
        ("size" = Option<u64>, Query, description = "Size of the tree; everything by default"),
        ("tenant" = Option<String>, Query, description = "With a platform key: the tenant"),
        ("log" = Option<String>, Query, description = "`events` (default) or `access`"),
    ),
    responses(
        (status = 200, description = "The proof", body = InclusionAnswer),
        (status = 400, description = "A parameter is not allowed or missing, or a number is beyond the log", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `verify` or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "What must be read is damaged", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["verify"])),
)]
pub(crate) async fn inclusion(
    State(app): State<Arc<App>>,
    asker: Asker,
) -> Result<axum::Json<InclusionAnswer>, Problem> {
    let params = asker.params(&["position", "size", "tenant", "log"])?;
    let position = Position(required(&params, "position")?);
    let asked = params.number("size")?;
    let log = enter(&app, &asker, &params).await?;
    let ledger = app.ledger.clone();
    let proof = blocking(move || {
        let size = asked.or_else(|| ledger.log_info(&log).map(|info| info.size)).unwrap_or(0);
        let (leaf, hashes) = ledger.inclusion_of(&log, position, size)?;
        Ok::<_, annals_ledger::ProveError>((size, leaf, hashes))
    });
    let (size, leaf, hashes) = proof.await?;
    let hashes = hashes.iter().map(ToString::to_string).collect();
    Ok(axum::Json(InclusionAnswer { position: position.0, size, leaf: leaf.to_string(), hashes }))
}

/// Proves that a log grew from one size to another and nothing before changed.
#[utoipa::path(
    get, path = "/v1/proofs/consistency", tag = "prove",
    params(
        ("from" = u64, Query, description = "The earlier size"),
        ("to" = Option<u64>, Query, description = "The later size; everything by default"),
        ("tenant" = Option<String>, Query, description = "With a platform key: the tenant"),
        ("log" = Option<String>, Query, description = "`events` (default) or `access`"),
    ),
    responses(
        (status = 200, description = "The proof", body = ConsistencyAnswer),
        (status = 400, description = "A parameter is not allowed or missing, or a size is beyond the log", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `verify` or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "What must be read is damaged", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["verify"])),
)]
pub(crate) async fn consistency(
    State(app): State<Arc<App>>,
    asker: Asker,
) -> Result<axum::Json<ConsistencyAnswer>, Problem> {
    let params = asker.params(&["from", "to", "tenant", "log"])?;
    let from = required(&params, "from")?;
    let asked = params.number("to")?;
    let log = enter(&app, &asker, &params).await?;
    let ledger = app.ledger.clone();
    let proof = blocking(move || {
        let to = asked.or_else(|| ledger.log_info(&log).map(|info| info.size)).unwrap_or(0);
        ledger.consistency(&log, from, to).map(|hashes| (to, hashes))
    });
    let (to, hashes) = proof.await?;
    Ok(axum::Json(ConsistencyAnswer { from, to, hashes: hashes.iter().map(ToString::to_string).collect() }))
}

/// Says what a log is called, how its checkpoints are verified, and who cosigns them.
#[utoipa::path(
    get, path = "/v1/log", tag = "prove",
    params(
        ("tenant" = Option<String>, Query, description = "With a platform key: the tenant"),
        ("log" = Option<String>, Query, description = "`events` (default) or `access`"),
    ),
    responses(
        (status = 200, description = "The log", body = LogAnswer),
        (status = 400, description = "A parameter is not allowed or missing", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `verify` or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["verify"])),
)]
pub(crate) async fn log(State(app): State<Arc<App>>, asker: Asker) -> Result<axum::Json<LogAnswer>, Problem> {
    let log = enter(&app, &asker, &asker.params(&["tenant", "log"])?).await?;
    let ledger = app.ledger.clone();
    let witnesses = app.witnesses.as_ref().filter(|witnesses| witnesses.sees(&log));
    let quorum = witnesses.map(|witnesses| witnesses.quorum() as u64);
    let witness = |key: &WitnessKey| WitnessAnswer { name: key.name().to_owned(), key: key.to_string() };
    let witnesses = witnesses.map(|witnesses| witnesses.keys().map(witness).collect());
    let info = blocking(move || ledger.log_info(&log)).await;
    let info = info.ok_or_else(|| Problem::new(Code::TenantUnknown, "the tenant does not exist"))?;
    Ok(axum::Json(LogAnswer {
        origin: info.origin,
        log_id: info.log_id,
        public_key: info.public_key.to_string(),
        size: info.size,
        witnesses,
        quorum,
    }))
}

/// Gives one tile of the C2SP tree.
///
/// `<level>/<index>` or `entries/<index>`, with `.p/<width>` for a partial one; the index in groups of three digits, as C2SP
/// `tlog-tiles` has it. A tile never changes; a full one may be kept for ever.
#[utoipa::path(
    get, path = "/v1/log/tile/{*path}", tag = "prove",
    params(
        ("path" = String, Path, description = "The tile, such as `0/000` or `entries/x001/234.p/17`"),
        ("tenant" = Option<String>, Query, description = "With a platform key: the tenant"),
        ("log" = Option<String>, Query, description = "`events` (default) or `access`"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an answer that is there"),
    ),
    responses(
        (status = 200, description = "The tile", body = [u8], content_type = "application/octet-stream"),
        (status = 304, description = "It is as it was"),
        (status = 400, description = "A parameter is not allowed or missing", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `verify` or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such tile", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "What must be read is damaged", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["verify"])),
)]
pub(crate) async fn tile(
    State(app): State<Arc<App>>,
    asker: Asker,
    PathText(path): PathText,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let log = enter(&app, &asker, &asker.params(&["tenant", "log"])?).await?;
    let unknown = |detail: String| Problem::new(Code::TileUnknown, detail);
    let tile: Tile = format!("tile/{path}")
        .parse()
        .map_err(|error: annals_tree::tile::ParseTileError| unknown(error.to_string()))?;
    let ledger = app.ledger.clone();
    let bytes = blocking(move || ledger.tile(&log, &tile)).await.map_err(|error| match error {
        annals_ledger::ProveError::Beyond { .. } => {
            unknown(format!("the log does not have this tile yet: {error}"))
        }
        other => other.into(),
    })?;
    let keeping = if tile.is_partial() { KEPT_AN_HOUR } else { KEPT_FOR_EVER };
    Ok(kept(&headers, "application/octet-stream", keeping, bytes))
}

fn required(params: &Params, name: &str) -> Result<u64, Problem> {
    params
        .number(name)?
        .ok_or_else(|| Problem::new(Code::ParameterValue, format!("`{name}` is missing")).in_parameter(name))
}
