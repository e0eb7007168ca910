//! One event by its id: `GET /v1/events/{id}`.

use std::sync::Arc;

use annals_event::check_event_id;
use annals_ledger::{LogKind, Record, TenantLog};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::access::{Subject, Verb};
use crate::app::{self, App};
use crate::auth::Asker;
use crate::problem::{Code, Problem, ProblemBody};
use crate::query::{Params, PathText};
use crate::view::Shape;

/// Reads one event.
///
/// The id is the one sent or given, percent-encoded where it holds characters that a path cannot.
#[utoipa::path(
    get, path = "/v1/events/{id}", tag = "events",
    params(
        ("id" = String, Path, description = "The event's id"),
        ("tenant" = Option<String>, Query, description = "With a platform key: the tenant"),
    ),
    responses(
        (status = 200, description = "What was sent, with `position`, `received_at` and `derived`", body = Value),
        (status = 400, description = "A parameter is not allowed or missing", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `read` or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such event", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "What must be read is damaged", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["read"])),
)]
pub(crate) async fn event(
    State(app): State<Arc<App>>,
    asker: Asker,
    PathText(id): PathText,
) -> Result<Response, Problem> {
    let params = asker.params(&["tenant"])?;
    let (_, record) = find(&app, &asker, &params, Verb::Read, &id).await?;
    let mut out = Vec::with_capacity(record.event.len() + 160);
    Shape::of(&asker.caller).write(&record, &mut out);
    Ok(app::json(StatusCode::OK, out))
}

/// The record with this id in the log that the key and the parameters name, put on record as read or verified.
pub(crate) async fn find(
    app: &App,
    asker: &Asker,
    params: &Params,
    verb: Verb,
    id: &str,
) -> Result<(TenantLog, Record), Problem> {
    let tenant = app.entering(asker, verb, asker.caller.one_tenant(params.tenant()?)).await?;
    let log = TenantLog { tenant, kind: LogKind::Tenant };
    // What cannot be an id is no filter either: it may be of any length.
    let id = Some(id).filter(|id| check_event_id(id).is_ok());
    let filter: Map<String, Value> = id.map(|id| ("id".to_owned(), json!(id))).into_iter().collect();
    let on_record = app.enter(asker, verb, &Subject::Log(log.clone()), filter).await?;
    // A tenant that begins only now has its first event found by a request that can be put on record.
    let record = match id.filter(|_| on_record) {
        Some(id) => app.by_id(&log, id).await?,
        None => None,
    };
    let record = record.filter(|record| asker.caller.view.as_ref().is_none_or(|view| view.shows(record)));
    let record =
        record.ok_or_else(|| Problem::new(Code::EventUnknown, "the tenant has no event with this id"))?;
    Ok((log, record))
}
