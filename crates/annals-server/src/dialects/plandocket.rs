//! PlanDocket: its routes and their description.

use std::sync::Arc;

use annals_dialects::plandocket::position_of;
use axum::extract::State;
use axum::response::Response;

use super::VendorCall;
use crate::app::App;
use crate::problem::Problem;
use crate::query::PathText;

/// Lists the audit log as PlanDocket does.
///
/// For clients written for that vendor, with which annals is not affiliated. Filters hold all together, and each finds what the
/// member of its name shows. The newest comes first unless `order` says otherwise. Unknown parameters are ignored, of a repeated one
/// the last counts, an empty one is as none. A key needs `read`, or `plandocket` among its dialects; it may also stand in the header
/// `X-API-Key` or the parameter `api_key`.
#[utoipa::path(
    get, path = "/api/v1/audit-log", tag = "dialects", operation_id = "plandocket_audit_log",
    params(
        ("page" = Option<i64>, Query, description = "From 1"),
        ("per_page" = Option<i64>, Query, description = "Entries of a page: 50 by default; brought within 1 to 100"),
        ("limit" = Option<i64>, Query, description = "As `per_page`"),
        ("as_of" = Option<i64>, Query, description = "The size of the log that pages speak of, so that they do not move"),
        ("sort" = Option<String>, Query, description = "`created_at`"),
        ("order" = Option<String>, Query, description = "`ASC` or `DESC`"),
        ("action" = Option<String>, Query, description = "`action` is this"),
        ("entity_type" = Option<String>, Query, description = "A target has this type"),
        ("admin_id" = Option<String>, Query, description = "`admin_id` or `admin_ref` is this"),
        ("date_from" = Option<String>, Query, description = "`created_at` is this time or day or later; in UTC without an offset"),
        ("date_to" = Option<String>, Query, description = "`created_at` is this time or day or earlier"),
        ("search" = Option<String>, Query, description = "`entity_title`, `description`, `admin_name`, `action` or `entity_type` contains this, in any case"),
        ("api_key" = Option<String>, Query, description = "The key"),
        ("tenant" = Option<String>, Query, description = "With a platform key: the tenant"),
    ),
    responses(
        (status = 200, description = "A page", body = PlanDocketList),
        (status = 401, description = "No valid key", body = PlanDocketError),
        (status = 403, description = "The key may not read here, or names no tenant", body = PlanDocketError),
        (status = 404, description = "The tenant does not exist", body = PlanDocketError),
        (status = 422, description = "A parameter cannot be read", body = PlanDocketError),
        (status = 429, description = "The key has made too many requests", body = PlanDocketError),
        (status = 500, description = "What must be read is damaged", body = PlanDocketError),
        (status = 503, description = "The search takes more than 5 s, or too many wait", body = PlanDocketError),
    ),
    security(("key" = ["read"])),
)]
pub(crate) async fn list(State(app): State<Arc<App>>, call: VendorCall) -> Result<Response, Problem> {
    call.list(&app, app.settings.dialects.plandocket).await
}

/// Reads one entry of the audit log as PlanDocket does.
///
/// For clients written for that vendor, with which annals is not affiliated.
#[utoipa::path(
    get, path = "/api/v1/audit-log/{id}", tag = "dialects", operation_id = "plandocket_audit_log_entry",
    params(
        ("id" = String, Path, description = "The event's position, counted from 1"),
        ("api_key" = Option<String>, Query, description = "The key"),
        ("tenant" = Option<String>, Query, description = "With a platform key: the tenant"),
    ),
    responses(
        (status = 200, description = "The entry", body = PlanDocketOne),
        (status = 401, description = "No valid key", body = PlanDocketError),
        (status = 403, description = "The key may not read here, or names no tenant", body = PlanDocketError),
        (status = 404, description = "There is no such entry", body = PlanDocketError),
        (status = 422, description = "The path or `tenant` cannot be read", body = PlanDocketError),
        (status = 429, description = "The key has made too many requests", body = PlanDocketError),
        (status = 500, description = "What must be read is damaged", body = PlanDocketError),
    ),
    security(("key" = ["read"])),
)]
pub(crate) async fn entry(
    State(app): State<Arc<App>>,
    call: VendorCall,
    PathText(id): PathText,
) -> Result<Response, Problem> {
    call.entry_at(&app, app.settings.dialects.plandocket, position_of(&id)).await
}

/// A page of PlanDocket.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct PlanDocketList {
    /// The entries, in order.
    data: Vec<PlanDocketEntry>,
    /// Where the page stands.
    meta: PlanDocketPage,
}

/// An entry of PlanDocket that was asked for alone.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct PlanDocketOne {
    /// The entry.
    data: PlanDocketEntry,
    /// About the answer.
    meta: PlanDocketMeta,
}

/// Where a page of PlanDocket stands.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct PlanDocketPage {
    /// The request's id.
    request_id: String,
    /// Which page, from 1.
    page: u64,
    /// Entries of a full page.
    per_page: u64,
    /// Entries of all pages.
    total: u64,
    /// Pages, at least 1.
    total_pages: u64,
}

/// What PlanDocket says about an answer.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct PlanDocketMeta {
    /// The request's id.
    request_id: String,
}

/// An entry of PlanDocket. What an event does not have is `null`.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct PlanDocketEntry {
    /// The event's position, counted from 1: it rises, and has holes.
    id: u64,
    /// As `id`.
    #[schema(rename = "audit-log_id")]
    audit_log_id: u64,
    /// What was done.
    action: String,
    /// The type of the first of `targets`.
    #[schema(required = true)]
    entity_type: Option<String>,
    /// Its id, if that is an integer.
    #[schema(required = true)]
    entity_id: Option<u64>,
    /// Its id, if that is something else.
    entity_ref: Option<String>,
    /// Its name.
    #[schema(required = true)]
    entity_title: Option<String>,
    /// `description`
    #[schema(required = true)]
    description: Option<String>,
    /// `changes.before`; a value that is no object, in the member `value` of one.
    #[schema(required = true, value_type = Option<Object>)]
    old_values: Option<serde_json::Value>,
    /// `changes.after`, likewise.
    #[schema(required = true, value_type = Option<Object>)]
    new_values: Option<serde_json::Value>,
    /// `actor.id`, if that is an integer and the actor's type is not `system`.
    #[schema(required = true)]
    admin_id: Option<u64>,
    /// `actor.id`, if that is something else and the actor's type is not `system`.
    admin_ref: Option<String>,
    /// `actor.name`, if the actor's type is not `system`.
    #[schema(required = true)]
    admin_name: Option<String>,
    /// `context.ip`
    #[schema(required = true)]
    ip_address: Option<String>,
    /// `context.user_agent`
    #[schema(required = true)]
    user_agent: Option<String>,
    /// When it happened, to the second; with `time = "received"` when it was received.
    #[schema(value_type = PlanDocketTime)]
    created_at: serde_json::Value,
    /// As `created_at`, with `timestamps = "epoch"`.
    updated_at: Option<i64>,
}

/// A time of PlanDocket.
#[derive(utoipa::ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) enum PlanDocketTime {
    /// `2026-11-21T10:00:00+00:00`
    Iso(String),
    /// With `timestamps = "epoch"`: seconds since 1970.
    Epoch(i64),
}

/// An error of PlanDocket.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct PlanDocketError {
    /// What happened, for people.
    error: String,
    /// What is wrong with each parameter, when the status is 422.
    #[schema(value_type = Option<Object>)]
    errors: Option<serde_json::Value>,
}
