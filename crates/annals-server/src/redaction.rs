//! What is taken out of a tenant's events at the door: `GET` and `PUT /v1/redaction`.

use std::sync::Arc;

use annals_ledger::{RedactionAct, RedactionRule, Scope, redaction};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::auth::Asker;
use crate::body;
use crate::problem::{Code, Problem, ProblemBody};

/// Rules of a tenant.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRules {
    /// All rules; they take the place of those that were. None ends the redaction. At most 64.
    rules: Vec<Rule>,
}

/// What is taken out of a tenant's events.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Rules {
    /// Whose events.
    tenant: String,
    /// In the order in which they count.
    rules: Vec<Rule>,
}

/// One rule.
#[derive(Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// Which values: a JSON Pointer into the event, `*` for every member or item at its place.
    #[schema(example = "/context/ip")]
    pointer: String,
    /// What becomes of them.
    #[serde(rename = "do")]
    act: Act,
}

/// What becomes of a value.
#[derive(Clone, Copy, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Act {
    /// It is left out.
    Drop,
    /// `***` stands in its place.
    Mask,
    /// `hash:` and 32 hex digits stand in its place, the same ones for the same value of this tenant.
    Hash,
}

impl From<RedactionRule> for Rule {
    fn from(rule: RedactionRule) -> Self {
        let act = match rule.act {
            RedactionAct::Drop => Act::Drop,
            RedactionAct::Mask => Act::Mask,
            RedactionAct::Hash => Act::Hash,
        };
        Self { pointer: rule.pointer, act }
    }
}

impl From<Rule> for RedactionRule {
    fn from(rule: Rule) -> Self {
        let act = match rule.act {
            Act::Drop => RedactionAct::Drop,
            Act::Mask => RedactionAct::Mask,
            Act::Hash => RedactionAct::Hash,
        };
        Self { pointer: rule.pointer, act }
    }
}

/// Tells what is taken out of a tenant's events.
#[utoipa::path(
    get, path = "/v1/redaction", tag = "control",
    params(("tenant" = Option<String>, Query, description = "With a platform key: whose")),
    responses(
        (status = 200, description = "The rules in force", body = Rules),
        (status = 400, description = "A parameter is not allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `admin`, or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["admin"])),
)]
pub(crate) async fn get(State(app): State<Arc<App>>, asker: Asker) -> Result<Json<Rules>, Problem> {
    let tenant = asker.caller.one_tenant(asker.params(&["tenant"])?.tenant()?)?;
    asker.caller.require(Scope::Admin)?;
    app.known(&tenant)?;
    let rules = app.ledger.redaction_rules(&tenant).into_iter().map(Rule::from).collect();
    Ok(Json(Rules { tenant: tenant.as_str().to_owned(), rules }))
}

/// Says what is taken out of a tenant's events.
///
/// Holds for events that are sent after the answer; what is stored stays as it is. The change is a record of `_annals`.
#[utoipa::path(
    put, path = "/v1/redaction", tag = "control", request_body = NewRules,
    params(("tenant" = Option<String>, Query, description = "With a platform key: whose")),
    responses(
        (status = 200, description = "The rules in force", body = Rules),
        (status = 400, description = "A rule cannot be: `pointer` says which", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `admin`, or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Nothing is promised", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["admin"])),
)]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    asker: Asker,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Rules>, Problem> {
    let tenant = asker.caller.one_tenant(asker.params(&["tenant"])?.tenant()?)?;
    asker.caller.require(Scope::Admin)?;
    app.known(&tenant)?;
    let new: NewRules = body::small_json(&app, body, &headers).await?;
    let rules: Vec<RedactionRule> = new.rules.into_iter().map(RedactionRule::from).collect();
    redaction(&rules).map_err(|error| {
        Problem::new(Code::BodyValue, error.problem).at(format!("/rules/{}/pointer", error.index))
    })?;
    app.ledger.set_redaction(&tenant, rules.clone(), &asker.caller.author()).await?;
    Ok(Json(Rules { tenant: tenant.as_str().to_owned(), rules: rules.into_iter().map(Rule::from).collect() }))
}
