//! Tenants: `GET` and `POST /v1/tenants`. There is no way to remove one.

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
    let created = app.ledger.create_tenant(&id, &asker.caller.author()).await?;
    let scope = FeedScope::Log(TenantLog { tenant: id, kind: LogKind::Tenant });
    let tenant = Tenant { id: new.id, size: app.ledger.feed_size(&scope).unwrap_or(0) };
    Ok((if created { StatusCode::CREATED } else { StatusCode::OK }, Json(tenant)))
}
