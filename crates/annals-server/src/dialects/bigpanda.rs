//! BigPanda: its route and its description.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::VendorCall;
use crate::app::App;
use crate::problem::Problem;

/// Lists audit logs as BigPanda does.
///
/// For clients written for that vendor, with which annals is not affiliated. Filters hold all together, and each finds what the
/// member of its name shows. The newest comes first. Pages have numbers; `Link` leads to the next one as of the same size of the
/// log. Unknown parameters are ignored, of a repeated one the last counts, an empty one is as none. A key needs `read`, or `bigpanda`
/// among its dialects. What the entries stand in can be set.
#[utoipa::path(
    get, path = "/resources/v2.0/audit/logs", tag = "dialects", operation_id = "bigpanda_audit_logs",
    params(
        ("resource_type" = Option<String>, Query, description = "`resource_type` is this; of several targets, that of one"),
        ("resource_id" = Option<String>, Query, description = "A target has this id"),
        ("action_type" = Option<String>, Query, description = "`action_type` is this, such as `create`"),
        ("actor_type" = Option<String>, Query, description = "`user` or `system-generated`"),
        ("actor_id" = Option<String>, Query, description = "`actor.user.id` is this; also `user_id`"),
        ("start" = Option<i64>, Query, description = "`timestamp` is this Unix time in seconds or later; also `from`"),
        ("end" = Option<i64>, Query, description = "`timestamp` is this Unix time in seconds or earlier; also `to`"),
        ("page" = Option<i64>, Query, description = "Which page, from 1"),
        ("per_page" = Option<i64>, Query, description = "Entries of a page: 100 by default; brought within 1 to 1000; also `page_size`"),
        ("as_of" = Option<i64>, Query, description = "As of which size of the log, as `Link` has it"),
        ("tenant" = Option<String>, Query, description = "With a platform key: the tenant"),
    ),
    responses(
        (status = 200, description = "A page", body = BigPandaList, headers(("link" = String, description = "Where other pages are"))),
        (status = 400, description = "A parameter cannot be read", body = BigPandaError),
        (status = 401, description = "No valid key", body = BigPandaError),
        (status = 403, description = "The key may not read here, or names no tenant", body = BigPandaForbidden),
        (status = 404, description = "The tenant does not exist", body = BigPandaError),
        (status = 429, description = "The key has made too many requests", body = BigPandaError),
        (status = 500, description = "What must be read is damaged", body = BigPandaError),
        (status = 503, description = "The search takes more than 5 s, or too many wait", body = BigPandaError),
    ),
    security(("key" = ["read"])),
)]
pub(crate) async fn list(State(app): State<Arc<App>>, call: VendorCall) -> Result<Response, Problem> {
    call.list(&app, app.settings.dialects.bigpanda.clone()).await
}

/// A page of BigPanda.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct BigPandaList {
    /// 200
    status: u16,
    /// The entries, the newest first.
    data: Vec<BigPandaEntry>,
    /// Where the page stands.
    pagination: BigPandaPagination,
}

/// Where a page of BigPanda stands.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
#[expect(non_snake_case, reason = "so the vendor names it")]
pub(crate) struct BigPandaPagination {
    /// Its number, from 1.
    page: u64,
    /// How many entries a full page has.
    limit: u64,
    /// There are more behind it.
    hasMore: bool,
}

/// An entry of BigPanda.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct BigPandaEntry {
    /// Who did it.
    actor: BigPandaActor,
    /// `init_state`, `create`, `update`, `delete`, or another word for the event's operation.
    action_type: String,
    /// From where; only of what a user did.
    context: Option<BigPandaContext>,
    /// The type of the first target, or without one the event's category.
    resource_type: String,
    /// The id of the first target; empty without one.
    resource_id: String,
    /// Unix time in seconds.
    timestamp: i64,
    /// `changes.after`: the state after the change; `null` when it is gone, empty when it is not known.
    #[schema(required = true)]
    object: serde_json::Value,
    /// The event's id, which the vendor does not send.
    id: String,
}

/// An actor of BigPanda.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct BigPandaActor {
    /// `user` or `system-generated`.
    r#type: String,
    /// Only of users.
    user: Option<BigPandaUser>,
}

/// A user of BigPanda.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct BigPandaUser {
    /// `actor.id`
    id: String,
    /// `actor.email`
    email: Option<String>,
    /// `actor.name`
    name: Option<String>,
}

/// From where a user of BigPanda came.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct BigPandaContext {
    /// As the client reported it.
    actor_access: BigPandaAccess,
}

/// The client of a user of BigPanda.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct BigPandaAccess {
    /// `context.ip`
    ip_address: Option<String>,
    /// `context.user_agent`
    user_agent: Option<String>,
}

/// An error of BigPanda.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct BigPandaError {
    /// The status once more.
    status: u16,
    /// What happened, for people.
    errors: Vec<String>,
}

/// A refusal of BigPanda.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
#[expect(non_snake_case, reason = "so the vendor names it")]
pub(crate) struct BigPandaForbidden {
    /// 403
    statusCode: u16,
    /// `Forbidden`
    error: String,
    /// The same for every refusal.
    message: String,
    /// What happened, for people.
    detail: String,
}
