//! Views that people saved: `GET /v1/views`, `PUT` and `DELETE /v1/views/{name}`.

use std::sync::Arc;

use annals_dialects::Rate;
use annals_event::{TenantId, Timestamp};
use annals_ledger::{
    KeyId, SAVED_VIEW_NAME_BYTES_MAX, SAVED_VIEW_QUERY_BYTES_MAX, SavedView, Scope, ViewError,
};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::auth::{Asker, Caller};
use crate::body;
use crate::problem::{Code, Problem, ProblemBody};
use crate::query::{Params, PathText};

/// How many views a key may save and remove: each change is a record of `_annals`, which stays for ever.
const CHANGES: Rate = Rate { requests: 60, seconds: 60 };

/// A view to save.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewView {
    /// The viewer's query, up to 4 KiB.
    #[schema(example = "action=video.delete&last=30d")]
    query: String,
    /// All keys that read the same tenant see it.
    #[serde(default)]
    shared: bool,
}

/// A view.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ViewBody {
    /// Its name.
    name: String,
    /// The viewer's query.
    query: String,
    /// All keys that read the same tenant see it.
    shared: bool,
    /// Whose it is: a key's public name.
    owner: String,
    /// The note of that key, or its public name again.
    by: String,
    /// It is the asker's own.
    own: bool,
    /// When it was saved.
    saved_at: String,
}

/// The views that somebody sees.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ViewsBody {
    /// His own, by name, then those that others share.
    views: Vec<ViewBody>,
}

impl ViewBody {
    fn of(app: &App, view: SavedView, caller: &Caller) -> Self {
        let keys = app.ledger.keys();
        let keys = keys.read().expect("no holder of this lock panics");
        let key = keys.by_id(&KeyId(view.owner.clone()));
        Self {
            by: key.and_then(|key| key.name.clone()).unwrap_or_else(|| view.owner.clone()),
            own: view.owner == caller.key_id.0,
            name: view.name,
            query: view.query,
            shared: view.shared,
            owner: view.owner,
            saved_at: Timestamp::from_micros(view.saved_at_us).unwrap_or(Timestamp::MIN).to_string(),
        }
    }
}

/// Lists saved views.
///
/// The key's own, and those that other keys share: about its tenant, or with a platform key that names none about all tenants. With
/// `all` and the scope `admin` those too that other keys have for themselves.
#[utoipa::path(
    get, path = "/v1/views", tag = "control",
    params(
        ("all" = Option<bool>, Query, description = "What other keys do not share, too"),
        ("tenant" = Option<String>, Query, description = "With a platform key: views about this tenant"),
    ),
    responses(
        (status = 200, description = "The views", body = ViewsBody),
        (status = 400, description = "A parameter is not allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `read`, or for `all` also `admin`, or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["read"])),
)]
pub(crate) async fn list(State(app): State<Arc<App>>, asker: Asker) -> Result<Json<ViewsBody>, Problem> {
    let caller = &asker.caller;
    let params = asker.params(&["all", "tenant"])?;
    let tenant = about(&app, caller, &params)?;
    let all = params.flag("all")?;
    if all {
        caller.require(Scope::Admin)?;
    }
    let views = app.ledger.saved_views(tenant.as_ref(), &caller.key_id.0, all);
    Ok(Json(ViewsBody { views: views.into_iter().map(|view| ViewBody::of(&app, view, caller)).collect() }))
}

/// Saves a view under a name.
///
/// In place of the key's view of this name, if there is one; where that is the same nothing changes. A rotated key's views go on with the key that replaces it.
#[utoipa::path(
    put, path = "/v1/views/{name}", tag = "control", request_body = NewView,
    params(
        ("name" = String, Path, description = "Up to 64 bytes, without control characters"),
        ("tenant" = Option<String>, Query, description = "With a platform key: a view about this tenant"),
    ),
    responses(
        (status = 200, description = "The view, as it is saved", body = ViewBody),
        (status = 400, description = "The name or a member is not allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `read`, or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "There are too many views", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "The key changed 60 views within a minute", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Nothing is promised", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["read"])),
)]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    asker: Asker,
    PathText(name): PathText,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ViewBody>, Problem> {
    let caller = &asker.caller;
    let tenant = about(&app, caller, &asker.params(&["tenant"])?)?;
    check_name(&name)?;
    let new: NewView = body::small_json(&app, body, &headers).await?;
    if new.query.len() > SAVED_VIEW_QUERY_BYTES_MAX || new.query.chars().any(char::is_control) {
        let detail =
            format!("`query` must have at most {SAVED_VIEW_QUERY_BYTES_MAX} bytes and no control characters");
        return Err(Problem::new(Code::BodyValue, detail).at("/query"));
    }
    let saved = app.ledger.saved_view(tenant.as_ref(), &caller.key_id.0, &name);
    if let Some(same) = saved.filter(|saved| (&saved.query, saved.shared) == (&new.query, new.shared)) {
        return Ok(Json(ViewBody::of(&app, same, caller)));
    }
    take_change(&app, caller)?;
    let view = SavedView {
        tenant: tenant.map(|tenant| tenant.as_str().to_owned()),
        owner: caller.key_id.0.clone(),
        name,
        query: new.query,
        shared: new.shared,
        saved_at_us: app.ledger.clock().now().as_micros(),
    };
    app.ledger.save_view(view.clone(), &caller.author()).await?;
    Ok(Json(ViewBody::of(&app, view, caller)))
}

/// Removes a view.
///
/// The key's own, or with `owner` and the scope `admin` one of another key about the same tenant.
#[utoipa::path(
    delete, path = "/v1/views/{name}", tag = "control",
    params(
        ("name" = String, Path, description = "Its name"),
        ("tenant" = Option<String>, Query, description = "With a platform key: a view about this tenant"),
        ("owner" = Option<String>, Query, description = "Whose it is, where it is another key's"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 400, description = "A parameter is not allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `read`, or for another key's view `admin`, or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such view", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "The key changed 60 views within a minute", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Nothing is promised", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["read"])),
)]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    asker: Asker,
    PathText(name): PathText,
) -> Result<StatusCode, Problem> {
    let caller = &asker.caller;
    let params = asker.params(&["owner", "tenant"])?;
    let tenant = about(&app, caller, &params)?;
    let own = caller.key_id.0.as_str();
    let owner = params.text("owner").unwrap_or(own);
    if owner != own {
        caller.require(Scope::Admin)?;
    }
    app.ledger.saved_view(tenant.as_ref(), owner, &name).ok_or(ViewError::Missing)?;
    take_change(&app, caller)?;
    app.ledger.remove_view(tenant.as_ref(), owner, &name, &caller.author()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The tenant that views are about, none for all, once the caller may read it.
fn about(app: &App, caller: &Caller, params: &Params) -> Result<Option<TenantId>, Problem> {
    let tenant = caller.tenant_or_all(params.tenant()?)?;
    caller.require(Scope::Read)?;
    // A key's own tenant may have no event yet.
    if let Some(tenant) = tenant.as_ref().filter(|_| caller.is_platform()) {
        app.known(tenant)?;
    }
    Ok(tenant)
}

/// Counts a change of the caller's.
fn take_change(app: &App, caller: &Caller) -> Result<(), Problem> {
    let mut allowances = app.allowances.lock().expect("no holder of this lock panics");
    let taken = allowances.take("views", &caller.key_id.0, CHANGES, app.ledger.clock().now());
    drop(allowances);
    let Err(allowance) = taken else { return Ok(()) };
    let (Rate { requests, seconds }, wait) = (CHANGES, allowance.seconds_left);
    let detail = format!("the key has changed {requests} views within {seconds} s; come back in {wait} s");
    Err(Problem::new(Code::RateLimited, detail).retry_after(u32::try_from(wait).unwrap_or(u32::MAX)))
}

fn check_name(name: &str) -> Result<(), Problem> {
    if (1..=SAVED_VIEW_NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    let detail =
        format!("the name of a view has 1 to {SAVED_VIEW_NAME_BYTES_MAX} bytes and no control characters");
    Err(Problem::new(Code::ParameterValue, detail).in_parameter("name"))
}

impl From<ViewError> for Problem {
    fn from(error: ViewError) -> Self {
        let code = match error {
            ViewError::Commit(error) => return error.into(),
            ViewError::Missing => Code::ViewUnknown,
            ViewError::TooMany | ViewError::TooMuch => Code::ViewsMany,
            _ => Code::Bug,
        };
        Self::new(code, error.to_string())
    }
}
