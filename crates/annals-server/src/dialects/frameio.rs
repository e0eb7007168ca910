//! Frame.io: its routes and their description.

use std::sync::Arc;

use annals_dialects::frameio::{FrameioEvents, FrameioV2, FrameioV4, write_me};
use annals_ledger::Scope;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::VendorCall;
use crate::app::{self, App};
use crate::problem::Problem;
use crate::query::PathText;

/// Lists audit logs as the second version of Frame.io's API does.
///
/// For clients written for that vendor, with which annals is not affiliated. The account is the tenant. Filters hold all together,
/// each finds what the member of its name shows; item types and actions are compared without case, and without what stands between
/// words. The newest comes first. Headers say which page this is, always. Unknown parameters are ignored, of a repeated one the
/// last counts, an empty one is as none. A key needs `read`, or `frameio` among its dialects.
#[utoipa::path(
    get, path = "/v2/accounts/{account_id}/audit_logs", tag = "dialects", operation_id = "frameio_v2_audit_logs",
    params(
        ("account_id" = String, Path, description = "The tenant"),
        ("page" = Option<i64>, Query, description = "From 1"),
        ("page_size" = Option<i64>, Query, description = "Entries of a page: 50 by default; brought within 1 to 500"),
        ("as_of" = Option<i64>, Query, description = "The size of the log that pages speak of; links carry it, so that pages do not move"),
        ("filter[action]" = Option<String>, Query, description = "`action` is this, such as `AssetCreated` or `asset_created`"),
        ("filter[item_type]" = Option<String>, Query, description = "A target has this type, such as `ReviewLink` or `review_link`"),
        ("filter[item_id]" = Option<String>, Query, description = "A target has this id; the same one as `filter[item_type]`, if that is given"),
        ("filter[actor_id]" = Option<String>, Query, description = "`actor_id` is this"),
        ("filter[team_id]" = Option<String>, Query, description = "`team_id` is this"),
        ("filter[ip_address]" = Option<String>, Query, description = "`ip_address` is this"),
        ("filter[inserted_at][op]" = Option<String>, Query, description = "How `inserted_at` stands to `filter[inserted_at][value]`: `gt`, `gte`, `lt`, `lte` or `eq`"),
        ("filter[inserted_at][value]" = Option<String>, Query, description = "A time or a day; in UTC without an offset"),
        ("filter[inserted_at][gt]" = Option<String>, Query, description = "`inserted_at` is after this"),
        ("filter[inserted_at][gte]" = Option<String>, Query, description = "`inserted_at` is this or after"),
        ("filter[inserted_at][lt]" = Option<String>, Query, description = "`inserted_at` is before this"),
        ("filter[inserted_at][lte]" = Option<String>, Query, description = "`inserted_at` is this or before"),
        ("filter[inserted_at][eq]" = Option<String>, Query, description = "`inserted_at` is this"),
    ),
    responses(
        (status = 200, description = "A page", body = [FrameioAudit], headers(
            ("page-number" = u64, description = "Which page"), ("per-page" = u64, description = "Entries of a full page"),
            ("total" = u64, description = "Entries of all pages"), ("total-pages" = u64, description = "Pages, at least 1"),
            ("link" = String, description = "`first`, `prev`, `next` and `last`, as far as there are such"),
        )),
        (status = 401, description = "No valid key", body = FrameioError),
        (status = 403, description = "The key may not read here, or is of another account", body = FrameioError),
        (status = 404, description = "The account does not exist", body = FrameioError),
        (status = 422, description = "A parameter cannot be read", body = FrameioError),
        (status = 429, description = "The key has made too many requests", body = FrameioError),
        (status = 500, description = "What must be read is damaged", body = FrameioError),
        (status = 503, description = "The search takes more than 5 s, or too many wait", body = FrameioError),
    ),
    security(("key" = ["read"])),
)]
pub(crate) async fn audits(
    State(app): State<Arc<App>>,
    call: VendorCall,
    PathText(account): PathText,
) -> Result<Response, Problem> {
    call.of_tenant(&account).list(&app, FrameioV2(app.settings.dialects.frameio)).await
}

/// Lists events as the second version of Frame.io's API does.
///
/// For clients written for that vendor, with which annals is not affiliated. As its audit logs, with other names, and an integer that
/// rises as id.
#[utoipa::path(
    get, path = "/v2/accounts/{account_id}/events", tag = "dialects", operation_id = "frameio_v2_events",
    params(
        ("account_id" = String, Path, description = "The tenant"),
        ("page" = Option<i64>, Query, description = "From 1"),
        ("page_size" = Option<i64>, Query, description = "Entries of a page: 50 by default; brought within 1 to 500"),
        ("as_of" = Option<i64>, Query, description = "The size of the log that pages speak of; links carry it, so that pages do not move"),
        ("filters[start_date]" = Option<String>, Query, description = "`inserted_at` is this time or day or after"),
        ("filters[end_date]" = Option<String>, Query, description = "`inserted_at` is this time or day or before"),
        ("filters[event_type]" = Option<String>, Query, description = "`event_type` is this, however it is spelled"),
        ("filters[resource_type]" = Option<String>, Query, description = "A target has this type, however it is spelled"),
        ("filters[resource_id]" = Option<String>, Query, description = "A target has this id"),
        ("filters[user_id]" = Option<String>, Query, description = "The actor has this id"),
        ("filters[ip_address]" = Option<String>, Query, description = "`ip_address` is this"),
        ("filters[project_id]" = Option<String>, Query, description = "`project_id` is this"),
        ("filters[team_id]" = Option<String>, Query, description = "`team_id` is this"),
    ),
    responses(
        (status = 200, description = "A page", body = [FrameioEvent], headers(
            ("page-number" = u64, description = "Which page"), ("per-page" = u64, description = "Entries of a full page"),
            ("total" = u64, description = "Entries of all pages"), ("total-pages" = u64, description = "Pages, at least 1"),
            ("link" = String, description = "`first`, `prev`, `next` and `last`, as far as there are such"),
        )),
        (status = 401, description = "No valid key", body = FrameioError),
        (status = 403, description = "The key may not read here, or is of another account", body = FrameioError),
        (status = 404, description = "The account does not exist", body = FrameioError),
        (status = 422, description = "A parameter cannot be read", body = FrameioError),
        (status = 429, description = "The key has made too many requests", body = FrameioError),
        (status = 500, description = "What must be read is damaged", body = FrameioError),
        (status = 503, description = "The search takes more than 5 s, or too many wait", body = FrameioError),
    ),
    security(("key" = ["read"])),
)]
pub(crate) async fn events(
    State(app): State<Arc<App>>,
    call: VendorCall,
    PathText(account): PathText,
) -> Result<Response, Problem> {
    call.of_tenant(&account).list(&app, FrameioEvents(app.settings.dialects.frameio)).await
}

/// Says who asks, as the second version of Frame.io's API does.
///
/// For clients written for that vendor, with which annals is not affiliated: they ask it for the id of their account.
#[utoipa::path(
    get, path = "/v2/me", tag = "dialects", operation_id = "frameio_v2_me",
    params(("tenant" = Option<String>, Query, description = "With a platform key: the tenant")),
    responses(
        (status = 200, description = "The key, as a user", body = FrameioMe),
        (status = 401, description = "No valid key", body = FrameioError),
        (status = 403, description = "The key may not read, or names no tenant", body = FrameioError),
        (status = 422, description = "`tenant` cannot be read", body = FrameioError),
        (status = 429, description = "The key has made too many requests", body = FrameioError),
    ),
    security(("key" = ["read"])),
)]
pub(crate) async fn me(call: VendorCall) -> Result<Response, Problem> {
    let caller = call.caller();
    caller.require(Scope::Read)?;
    let me = write_me(&caller.key_id.0, call.tenant()?.as_str(), caller.name.as_deref());
    Ok(app::json(StatusCode::OK, me))
}

/// Lists audit logs as the fourth version of Frame.io's API does.
///
/// For clients written for that vendor, with which annals is not affiliated. The account is the tenant. `links.next` carries a cursor
/// that knows filters, size and `include`: what stands beside it, apart from a size, is not looked at. A key needs `read`, or
/// `frameio` among its dialects.
#[utoipa::path(
    get, path = "/v4/accounts/{account_id}/audit_logs", tag = "dialects", operation_id = "frameio_audit_logs",
    params(
        ("account_id" = String, Path, description = "The tenant"),
        ("after" = Option<String>, Query, description = "The cursor in `links.next`"),
        ("page_size" = Option<i64>, Query, description = "Entries of a page: 50 by default; brought within 1 to 100"),
        ("include" = Option<String>, Query, description = "`user` for `user` in each entry"),
        ("include_total_count" = Option<bool>, Query, description = "Whether to say how many entries there are"),
        ("filters[event_type]" = Option<String>, Query, description = "`event_type` is this, however it is spelled"),
        ("filters[from_date]" = Option<String>, Query, description = "`inserted_at` is on this day or after"),
        ("filters[to_date]" = Option<String>, Query, description = "`inserted_at` is on this day or before"),
        ("filters[ip_address]" = Option<String>, Query, description = "`ip_address` is this"),
        ("filters[project_id]" = Option<String>, Query, description = "`project_id` is this"),
        ("filters[resource_id]" = Option<String>, Query, description = "A target has this id"),
        ("filters[resource_type]" = Option<String>, Query, description = "A target has this type, however it is spelled"),
        ("filters[user_id]" = Option<String>, Query, description = "`user_id` is this"),
        ("filters[workspace_id]" = Option<String>, Query, description = "`workspace_id` is this"),
    ),
    responses(
        (status = 200, description = "A page", body = FrameioList),
        (status = 401, description = "No valid key", body = FrameioErrors),
        (status = 403, description = "The key may not read here, or is of another account", body = FrameioErrors),
        (status = 404, description = "The account does not exist", body = FrameioErrors),
        (status = 422, description = "A parameter cannot be read, or the cursor is none of this list", body = FrameioErrors),
        (status = 429, description = "The key has made too many requests", body = FrameioErrors),
        (status = 500, description = "What must be read is damaged", body = FrameioErrors),
        (status = 503, description = "The search takes more than 5 s, or too many wait", body = FrameioErrors),
    ),
    security(("key" = ["read"])),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    call: VendorCall,
    PathText(account): PathText,
) -> Result<Response, Problem> {
    call.of_tenant(&account).list(&app, FrameioV4(app.settings.dialects.frameio)).await
}

/// An audit log of Frame.io's second version. What an event does not have is `null`.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct FrameioAudit {
    /// `audit`
    _type: String,
    /// The tenant.
    account_id: String,
    /// What was done, such as `AssetCreated`.
    action: String,
    /// Who did it.
    actor: FrameioActor,
    /// `actor.id`
    #[schema(required = true)]
    actor_id: Option<String>,
    /// `context.application`
    #[schema(required = true)]
    application_id: Option<String>,
    /// The event's id.
    id: String,
    /// When it happened; with `time = "received"` when it was received.
    #[schema(format = DateTime)]
    inserted_at: String,
    /// `context.ip`
    #[schema(required = true)]
    ip_address: Option<String>,
    /// The id of the first of `targets`.
    #[schema(required = true)]
    item_id: Option<String>,
    /// The type of the first of `targets`, such as `ReviewLink`.
    #[schema(required = true)]
    item_type: Option<String>,
    /// `request.id`
    #[schema(required = true)]
    request_id: Option<String>,
    /// `changes.after`, or else `_type`, `id` and `name` of the first of `targets`.
    #[schema(required = true, value_type = Option<Object>)]
    resource: Option<serde_json::Value>,
    /// `scope.team`
    #[schema(required = true)]
    team_id: Option<String>,
    /// As `inserted_at`: no entry changes.
    #[schema(format = DateTime)]
    updated_at: String,
}

/// An actor of Frame.io.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct FrameioActor {
    /// `actor.type`; `user` where there is none.
    _type: String,
    /// `actor.id`
    #[schema(required = true)]
    id: Option<String>,
    /// `actor.name`
    #[schema(required = true)]
    name: Option<String>,
    /// `actor.email`
    #[schema(required = true)]
    email: Option<String>,
}

/// An event of Frame.io's second version.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct FrameioEvent {
    /// The event's position, counted from 1.
    id: u64,
    /// What was done, such as `asset_created`.
    event_type: String,
    /// `changes.after` where it is an object.
    #[schema(value_type = Object)]
    event_details: serde_json::Value,
    /// The id of the first of `targets`.
    #[schema(required = true)]
    resource_id: Option<String>,
    /// The type of the first of `targets`.
    #[schema(required = true)]
    resource_type: Option<String>,
    /// `actor.id`, unless the actor's type is `anonymous_user`.
    #[schema(required = true)]
    user_id: Option<String>,
    /// `actor.id`, if the actor's type is `anonymous_user`.
    #[schema(required = true)]
    anonymous_user_id: Option<String>,
    /// `context.application`
    #[schema(required = true)]
    client: Option<String>,
    /// `source.name`
    #[schema(required = true)]
    source: Option<String>,
    /// `context.ip`
    #[schema(required = true)]
    ip_address: Option<String>,
    /// `scope.project`
    #[schema(required = true)]
    project_id: Option<String>,
    /// `scope.team`
    #[schema(required = true)]
    team_id: Option<String>,
    /// When it happened; with `time = "received"` when it was received.
    #[schema(format = DateTime)]
    inserted_at: String,
    /// As `inserted_at`.
    #[schema(format = DateTime)]
    updated_at: String,
}

/// Who asks, to clients of Frame.io.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct FrameioMe {
    /// `user`
    _type: String,
    /// The key's id.
    id: String,
    /// The tenant.
    account_id: String,
    /// The key's name.
    #[schema(required = true)]
    name: Option<String>,
    /// `null`: a key has none.
    #[schema(required = true)]
    email: Option<String>,
}

/// An error of Frame.io's second version.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct FrameioError {
    /// The status.
    code: u64,
    /// What it is called.
    message: String,
    /// What happened.
    errors: Vec<FrameioErrorItem>,
}

/// What happened, to clients of Frame.io's second version.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct FrameioErrorItem {
    /// The status.
    code: u64,
    /// The status.
    status: u64,
    /// What it is called.
    title: String,
    /// For people.
    detail: String,
}

/// A page of Frame.io's fourth version.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct FrameioList {
    /// The entries, the newest first.
    data: Vec<FrameioLog>,
    /// Where the next page is.
    links: FrameioLinks,
    /// How many entries the list has, where that was asked for.
    #[schema(required = true)]
    total_count: Option<u64>,
}

/// Where a page of Frame.io's fourth version goes on.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct FrameioLinks {
    /// A path with the cursor.
    #[schema(required = true)]
    next: Option<String>,
}

/// An audit log of Frame.io's fourth version.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct FrameioLog {
    /// The tenant.
    account_id: String,
    /// What was done, such as `asset_created`.
    event_type: String,
    /// The event's id.
    id: String,
    /// When it happened; with `time = "received"` when it was received.
    #[schema(format = DateTime)]
    inserted_at: String,
    /// `context.ip`, empty where there is none.
    ip_address: String,
    /// `scope.project`
    #[schema(required = true)]
    project_id: Option<String>,
    /// The id of the first of `targets`, empty where there is none.
    resource_id: String,
    /// Its type, such as `review_link`.
    resource_type: String,
    /// Who did it, where that was asked for.
    user: Option<FrameioUser>,
    /// `actor.id`
    #[schema(required = true)]
    user_id: Option<String>,
    /// `scope.team`
    #[schema(required = true)]
    workspace_id: Option<String>,
}

/// A user of Frame.io's fourth version.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct FrameioUser {
    /// `actor.id`
    id: String,
    /// `actor.name`
    #[schema(required = true)]
    name: Option<String>,
    /// `actor.email`, empty where there is none.
    email: String,
}

/// An error of Frame.io's fourth version.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct FrameioErrors {
    /// What happened.
    errors: Vec<FrameioErrorsItem>,
}

/// What happened, to clients of Frame.io's fourth version.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct FrameioErrorsItem {
    /// What the status is called.
    title: String,
    /// For people.
    detail: String,
    /// Where it was.
    source: Option<FrameioErrorSource>,
}

/// What an error of Frame.io's fourth version is about.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct FrameioErrorSource {
    /// The parameter, as a path.
    pointer: String,
}
