//! Panda Video: its route and its description.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::VendorCall;
use crate::app::App;
use crate::body::{Arriving, SMALL_BODY_BYTES_MAX};
use crate::problem::Problem;

/// Lists audit logs as Panda Video may do.
///
/// For clients written for that vendor, with which annals is not affiliated. The vendor documents `action` and `category` with their
/// values, no path, no other parameter and no answer: all else here is derived from its other pages, and path, names of dates and the
/// member with the entries can be set. Any of the values that `~` joins is enough; all parameters hold together. Also served at
/// other paths, with `POST`, and with the parameters in a JSON body. The newest comes first. A key needs `read`, or `panda` among its
/// dialects, and may come without `Bearer`.
#[utoipa::path(
    get, path = "/audit-logs", tag = "dialects", operation_id = "panda_audit_logs",
    params(
        ("action" = Option<String>, Query, description = "`edit`, `access`, `authentication`, `remove`, `add`, with `~` between"),
        ("category" = Option<String>, Query, description = "Categories, such as `video`, with `~` between"),
        ("start_date" = Option<String>, Query, description = "`created_at` is on this day or later, or at this RFC 3339 time or later; also `startDate`"),
        ("end_date" = Option<String>, Query, description = "`created_at` is on this day or earlier, or at this RFC 3339 time or earlier; also `endDate`"),
        ("user_id" = Option<String>, Query, description = "`user.id` is this"),
        ("video_id" = Option<String>, Query, description = "A target is the video with this id"),
        ("folder_id" = Option<String>, Query, description = "A target is the folder with this id"),
        ("search" = Option<String>, Query, description = "Description, action, the user's name or address, or a target's name contains this, in any case"),
        ("page" = Option<i64>, Query, description = "Which page, from 1"),
        ("limit" = Option<i64>, Query, description = "Entries of a page: 20 by default; brought within 1 to 1000"),
        ("as_of" = Option<i64>, Query, description = "As of which size of the log, as `Link` has it"),
        ("tenant" = Option<String>, Query, description = "With a platform key: the tenant"),
    ),
    responses(
        (status = 200, description = "A page", body = PandaList, headers(("link" = String, description = "Where other pages are"))),
        (status = 400, description = "A parameter or the body cannot be read", body = PandaError),
        (status = 401, description = "No valid key", body = PandaError),
        (status = 403, description = "The key may not read here, or names no tenant", body = PandaError),
        (status = 404, description = "The tenant does not exist", body = PandaError),
        (status = 413, description = "The body is too long", body = PandaError),
        (status = 415, description = "The body's encoding is not known", body = PandaError),
        (status = 429, description = "The key has made too many requests", body = PandaError),
        (status = 500, description = "What must be read is damaged", body = PandaError),
        (status = 503, description = "The search takes more than 5 s, or too many wait", body = PandaError),
    ),
    security(("key" = ["read"])),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    call: VendorCall,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = Arriving::new(body, &headers).receive(SMALL_BODY_BYTES_MAX, &app.bodies).await?;
    call.list_with(&app, app.settings.dialects.panda.clone(), &body.bytes).await
}

/// Lists audit logs as Panda Video may do, for what is asked in a body.
///
/// As with `GET`. The vendor's page shows its parameters as a JSON object.
#[utoipa::path(
    post, path = "/audit-logs", tag = "dialects", operation_id = "panda_audit_logs_by_post",
    params(("tenant" = Option<String>, Query, description = "With a platform key: the tenant")),
    request_body(content = PandaQuestion, description = "What `GET` takes in its query; what stands there is not replaced"),
    responses(
        (status = 200, description = "A page", body = PandaList, headers(("link" = String, description = "Where other pages are"))),
        (status = 400, description = "A parameter or the body cannot be read", body = PandaError),
        (status = 401, description = "No valid key", body = PandaError),
        (status = 403, description = "The key may not read here, or names no tenant", body = PandaError),
        (status = 404, description = "The tenant does not exist", body = PandaError),
        (status = 413, description = "The body is too long", body = PandaError),
        (status = 415, description = "The body's encoding is not known", body = PandaError),
        (status = 429, description = "The key has made too many requests", body = PandaError),
        (status = 500, description = "What must be read is damaged", body = PandaError),
        (status = 503, description = "The search takes more than 5 s, or too many wait", body = PandaError),
    ),
    security(("key" = ["read"])),
)]
pub(crate) async fn list_by_post(
    state: State<Arc<App>>,
    call: VendorCall,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    list(state, call, headers, body).await
}

/// What a client of Panda Video asks for in a body.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the question, which is read without it")]
pub(crate) struct PandaQuestion {
    /// Actions, with `~` between.
    action: Option<String>,
    /// Categories, with `~` between.
    category: Option<String>,
    /// The first day, or RFC 3339 time.
    start_date: Option<String>,
    /// The last day, or RFC 3339 time.
    end_date: Option<String>,
    /// Who did it.
    user_id: Option<String>,
    /// To which video.
    video_id: Option<String>,
    /// To which folder.
    folder_id: Option<String>,
    /// A part of a text.
    search: Option<String>,
    /// Which page, from 1.
    page: Option<i64>,
    /// Entries of a page.
    limit: Option<i64>,
    /// As of which size of the log.
    as_of: Option<i64>,
}

/// A page of Panda Video.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct PandaList {
    /// The entries, the newest first.
    logs: Vec<PandaEntry>,
    /// How many pages there are.
    pages: u64,
    /// How many entries there are.
    total: u64,
}

/// An entry of Panda Video. What is not known is `null`.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct PandaEntry {
    /// The event's id.
    id: String,
    /// `add`, `edit`, `remove`, `access`, `authentication`, or another word for the event's operation.
    action: String,
    /// `category`
    #[schema(required = true)]
    category: Option<String>,
    /// `description`
    #[schema(required = true)]
    description: Option<String>,
    /// Who did it.
    user: PandaUser,
    /// `source.name`
    #[schema(required = true)]
    source: Option<String>,
    /// Browser and system, as far as `user_agent` tells them.
    #[schema(required = true)]
    device: Option<String>,
    /// `context.user_agent`
    #[schema(required = true)]
    user_agent: Option<String>,
    /// `context.ip`
    #[schema(required = true)]
    ip: Option<String>,
    /// The id of the first target that is a `video`.
    #[schema(required = true)]
    video_id: Option<String>,
    /// The id of the first target that is a `folder`.
    #[schema(required = true)]
    folder_id: Option<String>,
    /// When it happened; with `time = "received"` when it was received.
    #[schema(format = DateTime)]
    created_at: String,
}

/// A user of Panda Video.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct PandaUser {
    /// `actor.id`
    #[schema(required = true)]
    id: Option<String>,
    /// `actor.name`
    #[schema(required = true)]
    name: Option<String>,
    /// `actor.email`
    #[schema(required = true)]
    email: Option<String>,
    /// `actor.type`
    #[schema(required = true)]
    r#type: Option<String>,
}

/// An error of Panda Video.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
#[expect(non_snake_case, reason = "so a client of the vendor's reads it")]
pub(crate) struct PandaError {
    /// What happened, for people.
    message: String,
    /// The same.
    errMsg: String,
}
