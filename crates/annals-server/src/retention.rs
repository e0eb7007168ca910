//! How long a tenant's records are kept: `GET` and `PUT /v1/retention`, and what that comes to at a time, `GET /v1/retention/preview`.

use std::sync::Arc;

use annals_event::Timestamp;
use annals_ledger::{
    LifeError, PolicyError, Preview, RetentionClass, RetentionError, RetentionLog, RetentionRule, Scope,
    check_retention,
};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::auth::Asker;
use crate::body;
use crate::problem::{Code, Problem, ProblemBody};
use crate::query::{parse_duration, value};
use crate::searching::work;

/// An hour, ms.
const HOUR_MS: u128 = 3_600_000;

/// Rules of a tenant.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRetention {
    /// All rules; they take the place of those that were. Without any, new records are kept for ever. At most 32.
    rules: Vec<KeepRule>,
}

/// How long some of a tenant's records are kept.
#[derive(Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeepRule {
    /// Names the class that records get: 1 to 48 of `a–z 0–9 - _ .`. The same name is the same class.
    #[schema(example = "logins")]
    name: String,
    /// From the time of receipt on: hours or days, such as `36h` or `90d`; an hour at least.
    #[schema(example = "90d")]
    keep: String,
    /// Only records with this category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    /// Only records whose action begins so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    /// Records of which log: that of events by default.
    #[serde(default)]
    log: KeepLog,
}

/// A tenant's log.
#[derive(Clone, Copy, Default, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeepLog {
    /// That of its events.
    #[default]
    Events,
    /// That of who read them.
    Access,
}

/// How long a tenant's records are kept.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Retention {
    /// Whose records.
    tenant: String,
    /// Rules for new records, by class. Of those that speak of a record the one with the longest `action` counts, then one with a
    /// `category`.
    rules: Vec<KeepRule>,
    /// All classes that records may have, those of rules that are gone among them. Class 0, of all else, is kept for ever.
    classes: Vec<KeepClass>,
    /// When the tenant ended; null while it has not.
    ended_at: Option<String>,
}

/// A retention class.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct KeepClass {
    /// Its number, which stands in the entries of its records.
    class: u16,
    /// Its name.
    name: String,
    /// How long its records are kept now.
    keep: String,
    /// How long they are kept later; null where that is the same.
    then: Option<KeepThen>,
    /// New records get it.
    in_force: bool,
}

/// A period that becomes shorter.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct KeepThen {
    /// How long.
    keep: String,
    /// From when on; null until the tenant's log says so.
    from: Option<String>,
}

/// What would be gone at a time, of the records that are there now.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct RetentionPreview {
    /// Whose records.
    tenant: String,
    /// When.
    at: String,
    /// By class; only those of which something would be gone or is held.
    classes: Vec<PreviewOfClass>,
    /// Holds that keep some of these.
    holds: Vec<PreviewOfHold>,
    /// There was no time to look at all: there may be more.
    partial: bool,
}

/// What would be gone of a class.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct PreviewOfClass {
    /// Its number.
    class: u16,
    /// Its name; null for class 0.
    name: Option<String>,
    /// Records that would be gone.
    records: u64,
    /// Bytes of their events, as they were accepted.
    event_bytes: u64,
    /// Records that would be, and are held.
    held: u64,
}

/// What a hold keeps.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct PreviewOfHold {
    /// Its id.
    id: String,
    /// Records that it keeps.
    records: u64,
}

/// A period as it is written.
fn keep(hours: u32) -> String {
    if hours.is_multiple_of(24) { format!("{}d", hours / 24) } else { format!("{hours}h") }
}

fn hours(keep: &str) -> Result<u32, &'static str> {
    let period = parse_duration(keep).ok_or("`keep` must be hours or days, such as `36h` or `90d`")?;
    let ms = period.as_millis();
    if ms < HOUR_MS {
        return Err("`keep` is less than an hour");
    }
    if !ms.is_multiple_of(HOUR_MS) {
        return Err("`keep` must be whole hours");
    }
    u32::try_from(ms / HOUR_MS).map_err(|_| "`keep` is more than 100 years")
}

impl KeepRule {
    fn read(self, index: usize) -> Result<RetentionRule, Problem> {
        let Self { name, keep, category, action, log } = self;
        let hours = hours(&keep)
            .map_err(|what| Problem::new(Code::BodyValue, what).at(format!("/rules/{index}/keep")))?;
        let log = match log {
            KeepLog::Events => RetentionLog::Events,
            KeepLog::Access => RetentionLog::Access,
        };
        Ok(RetentionRule { name, hours, category, action, log })
    }

    fn of(rule: RetentionRule) -> Self {
        let RetentionRule { name, hours, category, action, log } = rule;
        let log = match log {
            RetentionLog::Events => KeepLog::Events,
            RetentionLog::Access => KeepLog::Access,
        };
        Self { name, keep: keep(hours), category, action, log }
    }
}

impl KeepClass {
    fn of(class: &RetentionClass) -> Self {
        let time = |us: i64| Timestamp::from_micros(us).map(|at| at.to_string());
        Self {
            class: class.class,
            name: class.name.clone(),
            keep: keep(class.hours),
            then: class
                .shortens
                .map(|(hours, from)| KeepThen { keep: keep(hours), from: from.and_then(time) }),
            in_force: class.rule.is_some(),
        }
    }
}

fn told(app: &App, tenant: &annals_event::TenantId) -> Retention {
    let classes = app.ledger.retention_classes(tenant);
    Retention {
        tenant: tenant.as_str().to_owned(),
        classes: classes.iter().map(KeepClass::of).collect(),
        rules: classes.into_iter().filter_map(|class| class.rule).map(KeepRule::of).collect(),
        ended_at: app.ledger.ended_at(tenant).map(|at| at.to_string()),
    }
}

fn rules_wrong(error: RetentionError) -> Problem {
    let problem = Problem::new(Code::BodyValue, error.problem);
    match error.at {
        Some((index, member)) => problem.at(format!("/rules/{index}/{member}")),
        None => problem.at("/rules"),
    }
}

impl From<PolicyError> for Problem {
    fn from(error: PolicyError) -> Self {
        let code = match error {
            PolicyError::Commit(error) => return error.into(),
            PolicyError::Damaged(damaged) => return damaged.as_ref().into(),
            PolicyError::Life(LifeError::Retention(error)) => return rules_wrong(error),
            PolicyError::TenantMissing => Code::TenantUnknown,
            PolicyError::Own(_) => Code::TenantOwn,
            PolicyError::Life(LifeError::Ended) => Code::TenantEnded,
            PolicyError::Life(LifeError::Held(_)) => Code::TenantHeld,
            PolicyError::Life(LifeError::HoldMissing) => Code::HoldUnknown,
            PolicyError::Changed => Code::PolicyChanged,
            _ => Code::BodyValue,
        };
        Self::new(code, error.to_string())
    }
}

/// Tells how long a tenant's records are kept.
#[utoipa::path(
    get, path = "/v1/retention", tag = "control",
    params(("tenant" = Option<String>, Query, description = "With a platform key: whose")),
    responses(
        (status = 200, description = "The rules in force", body = Retention),
        (status = 400, description = "A parameter is not allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `admin`, or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["admin"])),
)]
pub(crate) async fn get(State(app): State<Arc<App>>, asker: Asker) -> Result<Json<Retention>, Problem> {
    let tenant = asker.caller.one_tenant(asker.params(&["tenant"])?.tenant()?)?;
    asker.caller.require(Scope::Admin)?;
    app.known(&tenant)?;
    Ok(Json(told(&app, &tenant)))
}

/// Says how long a tenant's records are kept.
///
/// Rules decide about records that are sent after the answer. A class that becomes longer is so at once, for all its records; one that
/// becomes shorter 7 days after the tenant's log says so. The change is a record of `_annals` and a statement in the tenant's log.
#[utoipa::path(
    put, path = "/v1/retention", tag = "control", request_body = NewRetention,
    params(("tenant" = Option<String>, Query, description = "With a platform key: whose")),
    responses(
        (status = 200, description = "The rules in force", body = Retention),
        (status = 400, description = "A rule cannot be: `pointer` says which", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `admin`, or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The tenant has ended, or is annals' own", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Nothing is promised", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["admin"])),
)]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    asker: Asker,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Retention>, Problem> {
    let tenant = asker.caller.one_tenant(asker.params(&["tenant"])?.tenant()?)?;
    asker.caller.require(Scope::Admin)?;
    app.known(&tenant)?;
    let new: NewRetention = body::small_json(&app, body, &headers).await?;
    let rules = new.rules.into_iter().enumerate().map(|(index, rule)| rule.read(index));
    let rules = rules.collect::<Result<Vec<_>, _>>()?;
    check_retention(&rules).map_err(rules_wrong)?;
    app.ledger.set_retention(&tenant, rules, &asker.caller.author()).await?;
    Ok(Json(told(&app, &tenant)))
}

/// Tells what of a tenant's records would be gone at a time.
///
/// Of those that are there now, by the rules and holds in force. Nothing is changed.
#[utoipa::path(
    get, path = "/v1/retention/preview", tag = "control",
    params(
        ("at" = String, Query, description = "A day, such as `2027-01-01`, at its beginning in UTC, or an RFC 3339 time; not before now"),
        ("tenant" = Option<String>, Query, description = "With a platform key: whose"),
    ),
    responses(
        (status = 200, description = "What would be gone", body = RetentionPreview),
        (status = 400, description = "A parameter is not allowed or missing", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `admin`, or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The tenant is annals' own", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "What must be read is damaged", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Too many wait", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["admin"])),
)]
pub(crate) async fn preview(
    State(app): State<Arc<App>>,
    asker: Asker,
) -> Result<Json<RetentionPreview>, Problem> {
    let params = asker.params(&["tenant", "at"])?;
    let tenant = asker.caller.one_tenant(params.tenant()?)?;
    asker.caller.require(Scope::Admin)?;
    app.known(&tenant)?;
    let at = at(params.text("at"), app.ledger.clock().now())?;
    let names: Vec<_> = app.ledger.retention_classes(&tenant);
    let of = tenant.clone();
    let found = work(&app, move |ledger, effort| ledger.preview_retention(&of, at, effort)).await?;
    let Preview { classes, holds, partial } = found?;
    let classes = classes.into_iter().map(|(class, would)| PreviewOfClass {
        class,
        name: names.iter().find(|known| known.class == class).map(|known| known.name.clone()),
        records: would.records,
        event_bytes: would.event_bytes,
        held: would.held,
    });
    Ok(Json(RetentionPreview {
        tenant: tenant.as_str().to_owned(),
        at: at.to_string(),
        classes: classes.collect(),
        holds: holds.into_iter().map(|(id, records)| PreviewOfHold { id, records }).collect(),
        partial,
    }))
}

/// The time that is asked about.
fn at(text: Option<&str>, now: Timestamp) -> Result<Timestamp, Problem> {
    let text = text.ok_or_else(|| value("at", "is missing; give a day, such as `2027-01-01`"))?;
    let is_day = text.len() == 10;
    let at = if is_day { Timestamp::parse(&format!("{text}T00:00:00Z")) } else { Timestamp::parse(text) };
    let at = at.map_err(|_| value("at", "must be a day, such as `2027-01-01`, or an RFC 3339 time"))?;
    if at < now { Err(value("at", "is in the past; what is gone already is not foreseen")) } else { Ok(at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_whole_hours_and_read_back() {
        for (text, told) in [("36h", Ok(36)), ("90d", Ok(2160)), ("120m", Ok(2))] {
            assert_eq!(hours(text), told, "{text}");
        }
        assert!(hours("59m").unwrap_err().contains("less than an hour"));
        assert!(hours("90m").unwrap_err().contains("whole hours"));
        assert!(hours("1").is_err() && hours("").is_err() && hours("1y").is_err());
        assert!(hours("9999999999999d").is_err());
        for text in ["36h", "90d", "1h"] {
            assert_eq!(keep(hours(text).unwrap()), text);
        }
    }
}
