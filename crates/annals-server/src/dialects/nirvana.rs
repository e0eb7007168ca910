//! Nirvana Labs: its routes and their description.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::VendorCall;
use crate::app::App;
use crate::problem::Problem;
use crate::query::PathText;

/// Lists audit logs as Nirvana Labs does.
///
/// For clients written for that vendor, with which annals is not affiliated. Filters hold all together, and each finds what the
/// member of its name shows. The newest comes first unless `sort` says otherwise. A cursor goes on alone, or with the same
/// filters and sort, as of the first page. Unknown parameters are ignored, of a repeated one the last counts, an empty one is
/// as none. A key needs `read`, or `nirvana` among its dialects.
#[utoipa::path(
    get, path = "/v1/audit_logs", tag = "dialects", operation_id = "nirvana_audit_logs",
    params(
        ("cursor" = Option<String>, Query, description = "`next_cursor` or `previous_cursor` of a page"),
        ("limit" = Option<i64>, Query, description = "Entries of a page: 10 by default; brought within 10 to 100"),
        ("sort" = Option<String>, Query, description = "`created_at` or `status_code`, each with `:asc` or `:desc`, commas between"),
        ("action" = Option<String>, Query, description = "`action` is this"),
        ("actor_id" = Option<String>, Query, description = "`actor.id` is this"),
        ("actor_type" = Option<String>, Query, description = "`actor.type` is this"),
        ("client_ip" = Option<String>, Query, description = "`client_ip` is this"),
        ("created_at_min" = Option<String>, Query, description = "`created_at` is this RFC 3339 time or later"),
        ("created_at_max" = Option<String>, Query, description = "`created_at` is this RFC 3339 time or earlier"),
        ("method" = Option<String>, Query, description = "`method` is this"),
        ("path" = Option<String>, Query, description = "`path` contains this, in any case"),
        ("status_code_min" = Option<i64>, Query, description = "`status_code` is this or more"),
        ("status_code_max" = Option<i64>, Query, description = "`status_code` is this or less"),
        ("target_id" = Option<String>, Query, description = "A target has this id"),
        ("target_type" = Option<String>, Query, description = "A target has this type; the same one as `target_id`, if that is given"),
        ("tenant" = Option<String>, Query, description = "With a platform key: the tenant"),
    ),
    responses(
        (status = 200, description = "A page", body = NirvanaList),
        (status = 400, description = "A parameter cannot be read, or the cursor is not for these", body = NirvanaError),
        (status = 401, description = "No valid key", body = NirvanaError),
        (status = 403, description = "The key may not read here, or names no tenant", body = NirvanaError),
        (status = 404, description = "The tenant does not exist", body = NirvanaError),
        (status = 429, description = "The key has made too many requests", body = NirvanaError),
        (status = 500, description = "What must be read is damaged", body = NirvanaError),
        (status = 503, description = "The search takes more than 5 s, or too many wait", body = NirvanaError),
    ),
    security(("key" = ["read"])),
)]
pub(crate) async fn list(State(app): State<Arc<App>>, call: VendorCall) -> Result<Response, Problem> {
    call.list(&app, app.settings.dialects.nirvana).await
}

/// Reads one audit log as Nirvana Labs does.
///
/// For clients written for that vendor, with which annals is not affiliated.
#[utoipa::path(
    get, path = "/v1/audit_logs/{id}", tag = "dialects", operation_id = "nirvana_audit_log",
    params(
        ("id" = String, Path, description = "The event's id"),
        ("tenant" = Option<String>, Query, description = "With a platform key: the tenant"),
    ),
    responses(
        (status = 200, description = "The entry", body = NirvanaEntry),
        (status = 400, description = "The path or `tenant` cannot be read", body = NirvanaError),
        (status = 401, description = "No valid key", body = NirvanaError),
        (status = 403, description = "The key may not read here, or names no tenant", body = NirvanaError),
        (status = 404, description = "There is no such entry", body = NirvanaError),
        (status = 429, description = "The key has made too many requests", body = NirvanaError),
        (status = 500, description = "What must be read is damaged", body = NirvanaError),
    ),
    security(("key" = ["read"])),
)]
pub(crate) async fn entry(
    State(app): State<Arc<App>>,
    call: VendorCall,
    PathText(id): PathText,
) -> Result<Response, Problem> {
    call.entry(&app, app.settings.dialects.nirvana, &id).await
}

/// A page of Nirvana Labs.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct NirvanaList {
    /// The entries, in order.
    items: Vec<NirvanaEntry>,
    /// Where the page stands.
    pagination: NirvanaPagination,
}

/// Where a page of Nirvana Labs stands.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct NirvanaPagination {
    /// Cursor of the next page.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// Cursor of the page before.
    #[schema(required = true)]
    previous_cursor: Option<String>,
    /// How many entries the list has, as of its first page.
    total_count: u64,
}

/// An entry of Nirvana Labs. What an event does not have is an empty text or 0.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct NirvanaEntry {
    /// The event's id.
    id: String,
    /// What was done.
    action: String,
    /// Who did it.
    actor: NirvanaActor,
    /// `context.ip`
    client_ip: String,
    /// When it happened; with `time = "received"` when it was received.
    #[schema(format = DateTime)]
    created_at: String,
    /// `request.method`
    method: String,
    /// `request.path`
    path: String,
    /// `request.status_code`
    status_code: u64,
    /// `context.user_agent`
    user_agent: String,
    /// The first of `targets`.
    #[schema(required = true)]
    target: Option<NirvanaTarget>,
}

/// An actor of Nirvana Labs.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct NirvanaActor {
    /// `actor.id`
    id: String,
    /// `actor.name`
    name: String,
    /// `user`, `api_key`, or another type as it was sent.
    #[schema(rename = "type")]
    r#type: String,
}

/// A target of Nirvana Labs.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct NirvanaTarget {
    /// Its id.
    id: String,
    /// Its type.
    r#type: String,
}

/// An error of Nirvana Labs.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct NirvanaError {
    /// What happened, for people.
    message: String,
    /// Its kind.
    code: String,
}
