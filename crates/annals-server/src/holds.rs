//! Holds: records that stay, whatever rules say. `GET` and `POST /v1/holds`, `DELETE /v1/holds/{id}`.

use std::sync::Arc;

use annals_event::{TenantId, Timestamp};
use annals_ledger::{HoldError, PolicyError, Scope};
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

/// A hold to begin.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewHold {
    /// Whose records; the key's own tenant when left out.
    tenant: Option<String>,
    /// Which records, in the grammar of `filter=`.
    #[schema(example = r#"actor.id eq "usr_17""#)]
    filter: Option<String>,
    /// All records of the tenant, instead of a filter.
    #[serde(default)]
    everything: bool,
    /// Why, up to 500 bytes.
    #[serde(default)]
    reason: String,
    /// Who answers for it, up to 500 bytes.
    #[serde(default)]
    owner: String,
}

/// A hold.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Hold {
    /// Its id.
    id: String,
    /// Whose records.
    tenant: String,
    /// Which records; null for all of the tenant.
    filter: Option<String>,
    /// Why.
    reason: String,
    /// Who answers for it.
    owner: String,
    /// Since when.
    began_at: Option<String>,
    /// A platform key made it, and only one can release it.
    by_platform: bool,
}

/// Holds of a tenant.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Holds {
    /// By id. At most 64.
    holds: Vec<Hold>,
}

impl Hold {
    fn of(tenant: &TenantId, hold: annals_ledger::Hold) -> Self {
        Self {
            id: hold.id,
            tenant: tenant.as_str().to_owned(),
            filter: hold.filter,
            reason: hold.reason,
            owner: hold.owner,
            began_at: Timestamp::from_micros(hold.began_at_us).map(|at| at.to_string()),
            by_platform: hold.by_platform,
        }
    }
}

/// Lists the holds of a tenant.
#[utoipa::path(
    get, path = "/v1/holds", tag = "control",
    params(("tenant" = Option<String>, Query, description = "With a platform key: whose")),
    responses(
        (status = 200, description = "The holds that stand", body = Holds),
        (status = 400, description = "A parameter is not allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `admin`, or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["admin"])),
)]
pub(crate) async fn list(State(app): State<Arc<App>>, asker: Asker) -> Result<Json<Holds>, Problem> {
    let tenant = asker.caller.one_tenant(asker.params(&["tenant"])?.tenant()?)?;
    asker.caller.require(Scope::Admin)?;
    app.known(&tenant)?;
    let holds = app.ledger.holds(&tenant).into_iter().map(|(hold, _)| Hold::of(&tenant, hold));
    Ok(Json(Holds { holds: holds.collect() }))
}

/// Has records of a tenant stay.
///
/// From the answer on none of them expires, whatever rules say, until the hold is released. The hold is a record of `_annals`, and
/// the tenant's log says that it began, without its filter.
#[utoipa::path(
    post, path = "/v1/holds", tag = "control", request_body = NewHold,
    responses(
        (status = 201, description = "The hold stands", body = Hold),
        (status = 400, description = "A member is missing or not allowed, or the filter does not parse", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `admin`, or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The tenant has ended, or is annals' own", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Nothing is promised", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["admin"])),
)]
pub(crate) async fn begin(
    State(app): State<Arc<App>>,
    asker: Asker,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Hold>), Problem> {
    asker.caller.require(Scope::Admin)?;
    asker.params(&[])?;
    let new: NewHold = body::small_json(&app, body, &headers).await?;
    let wrong = |pointer: &str, detail: String| Problem::new(Code::BodyValue, detail).at(pointer);
    let named = new.tenant.as_deref().map(TenantId::from_stored).transpose();
    let named = named.map_err(|error| wrong("/tenant", format!("`tenant` {error}")))?;
    let tenant = asker.caller.tenant_or_all(named).map_err(|problem| problem.at("/tenant"))?;
    let tenant = tenant.ok_or_else(|| {
        Problem::new(Code::TenantRequired, "a platform key must name the `tenant`").at("/tenant")
    })?;
    app.known(&tenant)?;
    if new.filter.is_some() == new.everything {
        let detail = "give either a `filter` or `\"everything\":true`";
        return Err(wrong("/filter", detail.to_owned()));
    }
    let hold = annals_ledger::Hold {
        id: String::new(),
        filter: new.filter,
        reason: new.reason,
        owner: new.owner,
        began_at_us: 0,
        by_platform: asker.caller.is_platform(),
    };
    let begun = app.ledger.begin_hold(&tenant, hold, &asker.caller.author()).await;
    let hold = begun.map_err(|error| match error {
        PolicyError::Hold(HoldError::Filter(error)) => {
            let detail = format!("the filter does not parse at byte {}: {error}", error.at);
            Problem::new(Code::Filter, detail).at("/filter")
        }
        PolicyError::Hold(error @ HoldError::Text(name)) => wrong(&format!("/{name}"), error.to_string()),
        error => error.into(),
    })?;
    Ok((StatusCode::CREATED, Json(Hold::of(&tenant, hold))))
}

/// Releases a hold.
///
/// What became due while it stood expires soon.
#[utoipa::path(
    delete, path = "/v1/holds/{id}", tag = "control",
    params(
        ("id" = String, Path, description = "The hold's id"),
        ("tenant" = Option<String>, Query, description = "With a platform key: whose"),
    ),
    responses(
        (status = 204, description = "It is released"),
        (status = 400, description = "A parameter is not allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `admin`, is for another tenant, or a platform key made the hold", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such hold, or it was released", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Nothing is promised", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["admin"])),
)]
pub(crate) async fn release(
    State(app): State<Arc<App>>,
    asker: Asker,
    PathText(id): PathText,
) -> Result<StatusCode, Problem> {
    let tenant = asker.caller.one_tenant(asker.params(&["tenant"])?.tenant()?)?;
    asker.caller.require(Scope::Admin)?;
    app.known(&tenant)?;
    let stands = app.ledger.holds(&tenant).into_iter().find(|(hold, _)| hold.id == id);
    if stands.is_some_and(|(hold, _)| hold.by_platform) && !asker.caller.is_platform() {
        let detail = "a platform key made the hold; only a platform key may release it";
        return Err(Problem::new(Code::PlatformOnly, detail));
    }
    app.ledger.end_hold(&tenant, &id, &asker.caller.author()).await?;
    Ok(StatusCode::NO_CONTENT)
}
