//! Tenants: `GET` and `POST /v1/tenants`, and how one ends, `POST /v1/tenants/{id}/end`.

use std::sync::Arc;

use annals_event::TenantId;
use annals_ledger::{FeedScope, LogKind, Scope, TenantLog};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::auth::Asker;
use crate::body;
use crate::problem::{Code, Problem, ProblemBody};
use crate::query::PathText;

/// Tenants of a page when no `limit` is given, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// A tenant to make.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTenant {
    /// 1 to 128 bytes of `A–Z a–z 0–9 . _ -`, not starting with `_` or `.`.
    id: String,
}

/// A tenant.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Tenant {
    /// Its id.
    id: String,
    /// Records in its log.
    size: u64,
}

/// A page of tenants.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Tenants {
    /// By id, `_annals` among them.
    tenants: Vec<Tenant>,
    /// Where to go on with `after`; null at the end.
    next: Option<String>,
}

/// Lists tenants.
///
/// By id, annals' own tenant `_annals` among them. A platform key with the scope `read` sees all, a tenant's key its own.
#[utoipa::path(
    get, path = "/v1/tenants", tag = "control",
    params(
        ("after" = Option<String>, Query, description = "The `next` of the page before"),
        ("limit" = Option<u64>, Query, description = "At most so many; 100 by default, up to 1,000"),
    ),
    responses(
        (status = 200, description = "A page", body = Tenants),
        (status = 400, description = "A parameter is not allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `read`", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["read"])),
)]
pub(crate) async fn list(State(app): State<Arc<App>>, asker: Asker) -> Result<Json<Tenants>, Problem> {
    asker.caller.require(Scope::Read)?;
    let params = asker.params(&["after", "limit"])?;
    let limit = params.limit(LIMIT, LIMIT_MAX)?;
    let after = params.text("after");
    let visible = |id: &TenantId| asker.caller.tenant.as_ref().is_none_or(|own| own == id);
    let mut left = app
        .ledger
        .tenants()
        .into_iter()
        .filter(|id| visible(id) && after.is_none_or(|after| id.as_str() > after));
    let page: Vec<TenantId> = left.by_ref().take(limit).collect();
    let next = left.next().and(page.last()).map(|id| id.as_str().to_owned());
    let tenants = page.into_iter().map(|id| {
        let scope = FeedScope::Log(TenantLog { tenant: id.clone(), kind: LogKind::Tenant });
        Tenant { id: id.as_str().to_owned(), size: app.ledger.feed_size(&scope).unwrap_or(0) }
    });
    Ok(Json(Tenants { tenants: tenants.collect(), next }))
}

/// Makes a tenant.
///
/// Making one that exists changes nothing and answers 200. A tenant also begins with its first event, unless the operator
/// turned that off.
#[utoipa::path(
    post, path = "/v1/tenants", tag = "control", request_body = NewTenant,
    responses(
        (status = 201, description = "The tenant was made", body = Tenant),
        (status = 200, description = "It was there already", body = Tenant),
        (status = 400, description = "The id is not a tenant id", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "Not a platform key with the scope `admin`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The tenant has ended", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Nothing is promised", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["admin"])),
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    asker: Asker,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Tenant>), Problem> {
    asker.caller.require_platform(Scope::Admin)?;
    asker.params(&[])?;
    let new: NewTenant = body::small_json(&app, body, &headers).await?;
    let id = TenantId::new(&new.id)
        .map_err(|error| Problem::new(Code::BodyValue, format!("the tenant's id {error}")).at("/id"))?;
    if app.ledger.ended_at(&id).is_some() {
        return Err(
            Problem::new(Code::TenantEnded, "the tenant has ended; its id is not given again").at("/id")
        );
    }
    let created = app.ledger.create_tenant(&id, &asker.caller.author()).await?;
    let scope = FeedScope::Log(TenantLog { tenant: id, kind: LogKind::Tenant });
    let tenant = Tenant { id: new.id, size: app.ledger.feed_size(&scope).unwrap_or(0) };
    Ok((if created { StatusCode::CREATED } else { StatusCode::OK }, Json(tenant)))
}

/// A tenant that ended.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct EndedTenant {
    /// Its id, which is not given again.
    id: String,
    /// Since when.
    ended_at: Option<String>,
}

/// Ends a tenant.
///
/// Its keys are refused from now on, it takes no more events, and all records of its two logs expire; what its logs state stays, and
/// the registry says that they ended. This cannot be undone: export first. While a hold stands it is refused.
#[utoipa::path(
    post, path = "/v1/tenants/{id}/end", tag = "control",
    params(("id" = String, Path, description = "The tenant's id")),
    responses(
        (status = 200, description = "It has ended", body = EndedTenant),
        (status = 400, description = "A parameter is not allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "Not a platform key with the scope `admin`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It ended before, a hold stands on it, or it is annals' own", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Nothing is promised", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["admin"])),
)]
pub(crate) async fn end(
    State(app): State<Arc<App>>,
    asker: Asker,
    PathText(id): PathText,
) -> Result<Json<EndedTenant>, Problem> {
    asker.caller.require_platform(Scope::Admin)?;
    asker.params(&[])?;
    let unknown = || Problem::new(Code::TenantUnknown, "the tenant does not exist");
    let tenant = TenantId::from_stored(&id).map_err(|_| unknown())?;
    app.known(&tenant)?;
    app.ledger.end_tenant(&tenant, &asker.caller.author()).await?;
    let ended_at = app.ledger.ended_at(&tenant).map(|at| at.to_string());
    Ok(Json(EndedTenant { id, ended_at }))
}
