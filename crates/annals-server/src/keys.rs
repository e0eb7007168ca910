//! API keys: made, listed, rotated, ended. Each change is a record of `_annals`.
//!
//! A key cannot give what it does not have: who makes, rotates or ends a key has the scope `admin`, has every scope of that
//! key, has `read` or every dialect of it, and is a platform key or bound to the same tenant.

use std::sync::Arc;
use std::time::Duration;

use annals_event::{TenantId, Timestamp};
use annals_ledger::control::KeyEnd;
use annals_ledger::{Control, KeyId, KeyRecord, KeySecret, Scope};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::auth::{Asker, Caller};
use crate::body;
use crate::problem::{Code, Problem, ProblemBody};
use crate::query::{PathText, parse_duration};

/// Keys of a page when no `limit` is given, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// Longest note of a key, bytes.
const NAME_BYTES_MAX: usize = 200;

/// Most vendors of a key, and the longest name of one, bytes.
const DIALECTS_MAX: usize = 32;
const DIALECT_BYTES_MAX: usize = 64;

/// How long a rotated key goes on when `overlap` is left out, and at most.
const OVERLAP: Duration = Duration::from_secs(24 * 3600);
const OVERLAP_MAX: Duration = Duration::from_secs(90 * 24 * 3600);

/// A key to make.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    /// The tenant it is bound to; a platform key when left out by a platform key.
    tenant: Option<String>,
    /// `write`, `read`, `export`, `verify`, `admin`.
    #[schema(value_type = Vec<ScopeName>)]
    scopes: Vec<Scope>,
    /// Vendors whose read permission it also grants; never annals' `admin`.
    #[serde(default)]
    dialects: Vec<String>,
    /// RFC 3339: from this instant on it is refused.
    expires_at: Option<String>,
    /// A note for people, up to 200 bytes.
    name: Option<String>,
}

/// What a key may do, as requests and answers name it.
#[derive(utoipa::ToSchema)]
#[schema(as = Scope, rename_all = "lowercase")]
#[expect(dead_code, reason = "describes what the ledger's own type reads and writes")]
pub(crate) enum ScopeName {
    Write,
    Read,
    Export,
    Verify,
    Admin,
}

/// What to do with a key that is replaced.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    /// How long the old key goes on, such as `24h` (the default); up to `90d`, `0s` ends it at once.
    overlap: Option<String>,
}

/// A key, without its secret.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Key {
    /// Public name.
    id: String,
    /// The tenant it is bound to; null for a platform key.
    tenant: Option<String>,
    /// What it may do.
    #[schema(value_type = Vec<ScopeName>)]
    scopes: Vec<Scope>,
    /// Vendors whose read permission it also grants.
    dialects: Vec<String>,
    /// From this instant on it is refused; null for never.
    expires_at: Option<String>,
    /// A note for people.
    name: Option<String>,
    /// The operator key, which the machine's `annals key reset` replaces.
    operator: bool,
}

/// A key that was just made. Its secret is shown here and never again.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ShownKey {
    /// The secret.
    key: String,
    /// What it opens.
    #[serde(flatten)]
    about: Key,
}

/// A page of keys.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct KeysAnswer {
    /// By id, ended ones too.
    keys: Vec<Key>,
    /// Where to go on with `after`; null at the end.
    next: Option<String>,
}

impl Key {
    fn of(record: &KeyRecord) -> Self {
        Self {
            id: record.id.0.clone(),
            tenant: record.tenant.clone(),
            scopes: record.scopes.clone(),
            dialects: record.dialects.clone(),
            expires_at: record.expires_at_us.and_then(Timestamp::from_micros).map(|at| at.to_string()),
            name: record.name.clone(),
            operator: record.operator,
        }
    }
}

/// Lists keys.
///
/// Without their secrets, which are stored nowhere; ended ones too. A tenant's key sees its tenant's.
#[utoipa::path(
    get, path = "/v1/keys", tag = "control",
    params(
        ("tenant" = Option<String>, Query, description = "With a platform key: only this tenant's"),
        ("after" = Option<String>, Query, description = "The `next` of the page before"),
        ("limit" = Option<u64>, Query, description = "At most so many; 100 by default, up to 1,000"),
    ),
    responses(
        (status = 200, description = "A page", body = KeysAnswer),
        (status = 400, description = "A parameter is not allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `admin`", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["admin"])),
)]
pub(crate) async fn list(State(app): State<Arc<App>>, asker: Asker) -> Result<Json<KeysAnswer>, Problem> {
    asker.caller.require(Scope::Admin)?;
    let params = asker.params(&["tenant", "after", "limit"])?;
    let limit = params.limit(LIMIT, LIMIT_MAX)?;
    let tenant = asker.caller.tenant_or_all(params.tenant()?)?;
    let after = params.text("after");
    let keys = app.ledger.keys();
    let keys = keys.read().expect("no holder of this lock panics");
    let mut left = keys.iter().filter(|key| {
        tenant.as_ref().is_none_or(|tenant| key.tenant.as_deref() == Some(tenant.as_str()))
            && after.is_none_or(|after| key.id.0.as_str() > after)
    });
    let page: Vec<Key> = left.by_ref().take(limit).map(Key::of).collect();
    let next = left.next().and(page.last()).map(|key| key.id.clone());
    Ok(Json(KeysAnswer { keys: page, next }))
}

/// Makes a key.
///
/// The secret is in this answer and nowhere else. A tenant's key with the scope `admin` makes keys for its own tenant; no key
/// gives a scope that it does not have.
#[utoipa::path(
    post, path = "/v1/keys", tag = "control", request_body = NewKey,
    responses(
        (status = 201, description = "The key, shown this once", body = ShownKey),
        (status = 400, description = "A member is not allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks `admin` or what it would give", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Nothing is promised", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["admin"])),
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    asker: Asker,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<ShownKey>), Problem> {
    asker.caller.require(Scope::Admin)?;
    asker.params(&[])?;
    let new: NewKey = body::small_json(&app, body, &headers).await?;
    let (secret, key) = checked(&app, &asker.caller, new)?;
    store(&app, &asker.caller, secret, key, Vec::new()).await
}

/// Replaces a key.
///
/// A new secret with the same rights; the old one goes on for `overlap`.
#[utoipa::path(
    post, path = "/v1/keys/{id}/rotate", tag = "control", request_body = Rotation,
    params(("id" = String, Path, description = "The key's public name")),
    responses(
        (status = 201, description = "The new key, shown this once", body = ShownKey),
        (status = 400, description = "A member is not allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks `admin` or what it would give", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such key, or it has ended", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Nothing is promised", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["admin"])),
)]
pub(crate) async fn rotate(
    State(app): State<Arc<App>>,
    asker: Asker,
    PathText(id): PathText,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<ShownKey>), Problem> {
    asker.caller.require(Scope::Admin)?;
    asker.params(&[])?;
    let rotation: Rotation = body::small_json(&app, body, &headers).await?;
    let overlap = overlap(&rotation)?;
    let old = known(&app, &asker.caller, &id)?;
    check_rights(&asker.caller, &old.scopes, &old.dialects)?;
    let now = app.ledger.clock().now().as_micros();
    let end = KeyEnd { key_id: old.id.clone(), expires_at_us: now.saturating_add(overlap) };
    let secret = app.ledger.new_key_secret();
    let hash = secret.hash();
    let key = KeyRecord { id: hash.key_id(), hash, ..old };
    store(&app, &asker.caller, secret, key, vec![end]).await
}

/// Ends a key.
///
/// It is refused from now on; open streams end within 15 s.
#[utoipa::path(
    delete, path = "/v1/keys/{id}", tag = "control",
    params(("id" = String, Path, description = "The key's public name")),
    responses(
        (status = 204, description = "The key is refused from now on"),
        (status = 400, description = "A parameter is not allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `admin` or the other key's scopes", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such key, or it has ended", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Nothing is promised", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["admin"])),
)]
pub(crate) async fn end(
    State(app): State<Arc<App>>,
    asker: Asker,
    PathText(id): PathText,
) -> Result<StatusCode, Problem> {
    asker.caller.require(Scope::Admin)?;
    asker.params(&[])?;
    let key = known(&app, &asker.caller, &id)?;
    check_rights(&asker.caller, &key.scopes, &key.dialects)?;
    let end = KeyEnd { key_id: key.id, expires_at_us: app.ledger.clock().now().as_micros() };
    if app.ledger.change(Control::KeyEnded { end }, &asker.caller.author()).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(key_unknown())
    }
}

fn checked(app: &App, caller: &Caller, new: NewKey) -> Result<(KeySecret, KeyRecord), Problem> {
    let wrong = |pointer: &str, detail: String| Problem::new(Code::BodyValue, detail).at(pointer);
    let mut scopes = new.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.is_empty() && new.dialects.is_empty() {
        return Err(wrong("/scopes", "`scopes` is empty; the key could do nothing".to_owned()));
    }
    check_rights(caller, &scopes, &new.dialects)?;
    let named = new.tenant.as_deref().map(TenantId::new).transpose();
    let named = named.map_err(|error| wrong("/tenant", format!("`tenant` {error}")))?;
    let tenant = caller.tenant_or_all(named).map_err(|_| {
        Problem::new(Code::RightsExceeded, "the key is bound to a tenant and makes keys for that one only")
            .at("/tenant")
    })?;
    if tenant.as_ref().is_some_and(|tenant| app.ledger.ended_at(tenant).is_some()) {
        return Err(Problem::new(Code::TenantEnded, "the tenant has ended").at("/tenant"));
    }
    if new.name.as_ref().is_some_and(|name| name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control))
    {
        return Err(wrong(
            "/name",
            format!("`name` must have at most {NAME_BYTES_MAX} bytes and no control characters"),
        ));
    }
    let is_name = |name: &String| {
        (1..=DIALECT_BYTES_MAX).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
    };
    if new.dialects.len() > DIALECTS_MAX || !new.dialects.iter().all(is_name) {
        let detail = format!("`dialects` must be at most {DIALECTS_MAX} names of `a–z 0–9 - _`");
        return Err(wrong("/dialects", detail));
    }
    let expires_at = new.expires_at.as_deref().map(Timestamp::parse).transpose();
    let expires_at = expires_at.map_err(|error| wrong("/expires_at", format!("`expires_at` {error}")))?;
    if expires_at.is_some_and(|at| at <= app.ledger.clock().now()) {
        return Err(wrong("/expires_at", "`expires_at` is not in the future".to_owned()));
    }
    let secret = app.ledger.new_key_secret();
    let hash = secret.hash();
    let key = KeyRecord {
        id: hash.key_id(),
        hash,
        tenant: tenant.map(|tenant| tenant.as_str().to_owned()),
        scopes,
        dialects: new.dialects,
        name: new.name,
        expires_at_us: expires_at.map(Timestamp::as_micros),
        operator: false,
    };
    Ok((secret, key))
}

/// A key cannot give, replace or end what it does not have itself.
fn check_rights(caller: &Caller, scopes: &[Scope], dialects: &[String]) -> Result<(), Problem> {
    if let Some(scope) = scopes.iter().find(|scope| !caller.scopes.contains(scope)) {
        let detail = format!("the key lacks the scope `{}` itself", scope.as_str());
        return Err(Problem::new(Code::RightsExceeded, detail).at("/scopes"));
    }
    // A dialect is a way to read, so who may read may give any.
    let may_read = caller.scopes.contains(&Scope::Read);
    if !may_read && dialects.iter().any(|dialect| !caller.dialects.contains(dialect)) {
        let detail = "the key has neither the scope `read` nor each of the `dialects` itself";
        return Err(Problem::new(Code::RightsExceeded, detail).at("/dialects"));
    }
    Ok(())
}

/// The live key of this name, if it is one that the caller may know of.
fn known(app: &App, caller: &Caller, id: &str) -> Result<KeyRecord, Problem> {
    let keys = app.ledger.keys();
    let keys = keys.read().expect("no holder of this lock panics");
    let key = keys
        .live(&KeyId(id.to_owned()), app.ledger.clock().now())
        .filter(|key| caller.tenant.as_ref().is_none_or(|own| key.tenant.as_deref() == Some(own.as_str())));
    key.cloned().ok_or_else(key_unknown)
}

fn key_unknown() -> Problem {
    Problem::new(Code::KeyUnknown, "there is no such key, or it has ended")
}

fn overlap(rotation: &Rotation) -> Result<i64, Problem> {
    let overlap = match rotation.overlap.as_deref() {
        None => Some(OVERLAP),
        Some(text) => parse_duration(text).filter(|overlap| *overlap <= OVERLAP_MAX),
    };
    overlap.and_then(|overlap| i64::try_from(overlap.as_micros()).ok()).ok_or_else(|| {
        Problem::new(Code::BodyValue, "`overlap` must be a time with its unit, such as `24h`, at most `90d`")
            .at("/overlap")
    })
}

async fn store(
    app: &App,
    caller: &Caller,
    secret: KeySecret,
    key: KeyRecord,
    replaces: Vec<KeyEnd>,
) -> Result<(StatusCode, Json<ShownKey>), Problem> {
    let about = Key::of(&key);
    if !app.ledger.change(Control::KeyCreated { key, replaces }, &caller.author()).await? {
        return Err(key_unknown());
    }
    Ok((StatusCode::CREATED, Json(ShownKey { key: secret.reveal().to_owned(), about })))
}
