//! Viewer tokens: what a product's backend makes for one of its users' browsers. `POST /v1/viewer-tokens`.
//!
//! A token is a ticket of the ledger's: it says itself what its holder may see, and nothing is stored. It holds no longer than the
//! key that made it, and no longer than the session if one made it. Its holder may read by the routes of [`ROUTES`] and by no others, whatever routes there will be.

use std::sync::Arc;

use annals_event::{TenantId, Timestamp};
use annals_ledger::{KeyId, LogKind, Scope, TICKET_BYTES_MAX, TenantLog};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::access::{Subject, Verb};
use crate::app::App;
use crate::auth::{Asker, Call, Caller};
use crate::body;
use crate::conditions::Conditions;
use crate::problem::{Code, Problem, ProblemBody};
use crate::view::{Hidden, View};

/// What begins a token.
const PREFIX: &str = "annals_view_";

/// What its ticket is for.
const PURPOSE: &str = "viewer-token";

/// Routes by which the holder of a token may read, and no others. The last needs `export`.
pub(crate) const ROUTES: [&str; 5] =
    ["/v1/events", "/v1/events/{id}", "/v1/summary", "/v1/feed/live", EXPORT];
const EXPORT: &str = "/v1/export";

/// How long a token holds, minutes, when nothing is said, and at most.
const MINUTES: u32 = 60;
const MINUTES_MAX: u32 = 24 * 60;

/// Most pages from which a token is used, and the longest address of one, bytes.
const ORIGINS_MAX: usize = 8;
const ORIGIN_BYTES_MAX: usize = 256;

/// Longest name of a viewer, bytes.
const VIEWER_BYTES_MAX: usize = 200;

/// Hexadecimal digits by which a token is told from others.
const MARKER_DIGITS: usize = 16;

/// A token to make.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    /// Whose events; the key's own tenant when left out.
    tenant: Option<String>,
    /// What its holder sees of them: query parameters of `GET /v1/events` that are conditions, each with a value or a list of them,
    /// `filter` among them. All events when left out.
    #[serde(default)]
    #[schema(value_type = Object, example = json!({"actor_id": "usr_17", "filter": "metadata.internal ne true"}))]
    filter: Map<String, Value>,
    /// Members of events that its holder neither sees nor can ask about, as paths of a filter. Up to 64.
    #[serde(default)]
    #[schema(example = json!(["context.ip", "metadata.internal"]))]
    hide: Vec<String>,
    /// For how long: 1 to 1,440; 60 when left out.
    minutes: Option<u32>,
    /// `https://app.example.com`, or up to 8 such: pages from which it may be used. Without any it is good only where no page of
    /// another host shows it.
    #[schema(value_type = Option<Vec<String>>)]
    origin: Option<OneOrMany>,
    /// For whom it is, up to 200 bytes: a name for the access log.
    viewer: Option<String>,
    /// Its holder may export what he sees.
    #[serde(default)]
    export: bool,
}

/// A text or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// A token. It is shown here and never again.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct MadeToken {
    /// The token.
    token: String,
    /// From this instant on it is refused.
    expires_at: String,
}

/// What a token says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    key: KeyId,
    tenant: TenantText,
    until_us: i64,
    #[serde(default, skip_serializing_if = "Conditions::is_empty")]
    filter: Conditions,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hide: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    origins: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    viewer: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    export: bool,
}

/// A tenant's id, as a token carries it.
type TenantText = String;

/// Makes a viewer token.
///
/// For a browser that reads a part of a tenant's events: whoever holds the token sees what `filter` lets through, without what `hide`
/// names, by `GET /v1/events`, `/v1/events/{id}`, `/v1/summary` and `/v1/feed/live`, and with `export` by `/v1/export`; and does
/// nothing else. It ends with its time or with the key that made it, and one that a session made no later than the session's time.
/// That it was made stands in the tenant's access log, as does all
/// that is read by it.
#[utoipa::path(
    post, path = "/v1/viewer-tokens", tag = "control", request_body = NewToken,
    responses(
        (status = 201, description = "The token", body = MadeToken),
        (status = 400, description = "A member is missing or not allowed, the filter does not parse, or the token would be too long", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `read`, or for `export` that one, or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be put on record", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["read"])),
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    asker: Asker,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<MadeToken>), Problem> {
    asker.caller.require(Scope::Read)?;
    asker.params(&[])?;
    let new: NewToken = body::small_json(&app, body, &headers).await?;
    if new.export {
        asker.caller.require(Scope::Export)?;
    }
    if !app.is_live_key(&asker.caller.key_id) {
        let detail = "a viewer token ends with the key that made it, and this session is of no key";
        return Err(Problem::new(Code::RightsExceeded, detail));
    }
    // annals' own tenants are for platform keys alone.
    let named = new.tenant.as_deref().map(TenantId::new).transpose();
    let named = named.map_err(|error| wrong("/tenant", format!("`tenant` {error}")))?;
    let tenant = asker.caller.tenant_or_all(named).map_err(|problem| problem.at("/tenant"))?;
    let tenant = tenant.ok_or_else(|| {
        Problem::new(Code::TenantRequired, "a platform key must name the `tenant`").at("/tenant")
    })?;
    if asker.caller.is_platform() {
        app.known(&tenant)?;
    }
    let minutes = new.minutes.unwrap_or(MINUTES);
    if !(1..=MINUTES_MAX).contains(&minutes) {
        return Err(wrong("/minutes", format!("`minutes` must be 1 to {MINUTES_MAX}")));
    }
    let until_us = app.ledger.clock().now().as_micros().saturating_add(i64::from(minutes) * 60_000_000);
    let session = asker.caller.session.as_ref();
    let until_us = session.map_or(until_us, |session| until_us.min(session.ends_at_us));
    let content = Content {
        key: asker.caller.key_id.clone(),
        tenant: tenant.as_str().to_owned(),
        until_us,
        filter: new.conditions()?,
        origins: new.origins()?,
        viewer: new.viewer()?,
        hide: new.hide,
        export: new.export,
    };
    Hidden::parse(&content.hide).map_err(|(index, problem)| wrong(&format!("/hide/{index}"), problem))?;
    let token = content.write(&app)?;
    let log = TenantLog { tenant, kind: LogKind::Tenant };
    app.enter(&asker, Verb::Delegate, &Subject::Log(log), content.on_record(&token)).await?;
    let until = Timestamp::from_micros(until_us).unwrap_or(Timestamp::MAX);
    Ok((StatusCode::CREATED, Json(MadeToken { token, expires_at: until.to_string() })))
}

fn wrong(pointer: &str, detail: impl Into<String>) -> Problem {
    Problem::new(Code::BodyValue, detail.into()).at(pointer)
}

impl NewToken {
    fn conditions(&self) -> Result<Conditions, Problem> {
        let mut pairs = Vec::new();
        for (name, value) in &self.filter {
            let pointer = format!("/filter/{}", name.replace('~', "~0").replace('/', "~1"));
            if !Conditions::knows(name) {
                let detail = format!("`{name}` is no condition: `filter` takes those of `GET /v1/events`");
                return Err(wrong(&pointer, detail));
            }
            let values = match value {
                Value::Array(values) if !values.is_empty() => values.as_slice(),
                value => std::slice::from_ref(value),
            };
            for value in values {
                let text = value
                    .as_str()
                    .ok_or_else(|| wrong(&pointer, format!("`{name}` must be a text, or a list of texts")))?;
                pairs.push((name.clone(), text.to_owned()));
            }
        }
        let conditions = Conditions::new(pairs);
        conditions.matcher().map_err(|problem| {
            let pointer = problem.parameter().map_or("/filter".to_owned(), |name| format!("/filter/{name}"));
            wrong(&pointer, problem.detail().to_owned())
        })?;
        Ok(conditions)
    }

    fn origins(&self) -> Result<Vec<String>, Problem> {
        let given = match &self.origin {
            None => &[],
            Some(OneOrMany::One(one)) => std::slice::from_ref(one),
            Some(OneOrMany::Many(many)) => many.as_slice(),
        };
        if given.len() > ORIGINS_MAX {
            return Err(wrong(
                "/origin",
                format!("`origin` names {} pages, at most {ORIGINS_MAX} are allowed", given.len()),
            ));
        }
        let mut origins = given.to_vec();
        if let Some(no_origin) = origins.iter().find(|origin| !is_origin(origin)) {
            let detail = format!(
                "`{no_origin}` is no origin: it is a scheme and a host in lower case, such as `https://app.example.com`, with a port where that is not the scheme's own, and nothing behind"
            );
            return Err(wrong("/origin", detail));
        }
        origins.sort();
        origins.dedup();
        Ok(origins)
    }

    fn viewer(&self) -> Result<Option<String>, Problem> {
        let Some(viewer) = &self.viewer else { return Ok(None) };
        if viewer.is_empty() || viewer.len() > VIEWER_BYTES_MAX || viewer.chars().any(char::is_control) {
            let detail = format!("`viewer` must be 1 to {VIEWER_BYTES_MAX} bytes without control characters");
            return Err(wrong("/viewer", detail));
        }
        Ok(Some(viewer.clone()))
    }
}

/// Whether a browser sends this as the origin of a page.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (host, None),
    };
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte))
        }
    };
    let is_port = port.is_none_or(|port| {
        let number = port.parse::<u16>().ok().filter(|number| number.to_string() == port);
        // Browsers leave a scheme's own port out.
        number.is_some_and(|number| !matches!((scheme, number), ("https", 443) | ("http", 80)))
    });
    text.len() <= ORIGIN_BYTES_MAX && is_scheme && is_host && is_port
}

impl Content {
    fn write(&self, app: &App) -> Result<String, Problem> {
        let content = serde_json::to_vec(self).expect("texts and numbers serialise");
        let ticket = app.ledger.write_ticket(PURPOSE, &content).ok_or_else(|| {
            let detail = format!(
                "the token would carry {} bytes, at most {TICKET_BYTES_MAX} are allowed; give it fewer values or a shorter filter",
                content.len()
            );
            wrong("", detail)
        })?;
        Ok(format!("{PREFIX}{ticket}"))
    }

    /// As it stands in the access log.
    fn on_record(&self, token: &str) -> Map<String, Value> {
        let mut record = self.filter.on_record();
        // These are no names of conditions.
        record.insert("viewer_token".to_owned(), marker(token).into());
        record.insert("hide".to_owned(), json!(self.hide));
        record.insert("origin".to_owned(), json!(self.origins));
        record.insert("viewer".to_owned(), json!(self.viewer));
        record.insert("export".to_owned(), json!(self.export));
        record.insert(
            "expires_at".to_owned(),
            json!(Timestamp::from_micros(self.until_us).map(|at| at.to_string())),
        );
        record
    }

    /// Who may ask for what this says; none when it cannot be read any more.
    fn view(&self, token: &str) -> Option<View> {
        let condition = self.filter.matcher().ok()?.condition().clone();
        let hidden = Hidden::parse(&self.hide).ok()?;
        let seen = json!([self.tenant, self.filter, self.hide]).to_string();
        let names = (marker(token), digits(seen.as_bytes()));
        Some(View::new(names, self.viewer.clone(), self.until_us, condition, hidden))
    }
}

/// By what a token stands in the access log.
fn marker(token: &str) -> String {
    format!("view_{}", digits(token.as_bytes()))
}

fn digits(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    digits[..MARKER_DIGITS].to_owned()
}

/// A token that came with a request, whatever it is worth.
pub(crate) struct ViewerToken<'a>(&'a str);

impl<'a> ViewerToken<'a> {
    /// The token that stands in the header `Authorization`, if one does.
    pub(crate) fn of(headers: &'a HeaderMap) -> Option<Self> {
        let shown = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim();
        let token = match shown.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            Some(_) => return None,
            None => shown,
        };
        token.starts_with(PREFIX).then_some(Self(token))
    }

    /// What it says, if it is one of this server's.
    fn content(&self, app: &App) -> Option<Content> {
        let content = app.ledger.read_ticket(PURPOSE, self.0.strip_prefix(PREFIX)?)?;
        serde_json::from_slice(&content).ok()
    }

    /// Whether pages of this origin may read what is answered to it, also that it has ended.
    pub(crate) fn is_for(&self, app: &App, origin: &str) -> bool {
        self.content(app).is_some_and(|content| content.origins.iter().any(|known| known == origin))
    }

    /// Lets its holder in to what it is for; whatever else it is shown for is put on record as refused.
    pub(crate) async fn enter(&self, app: &App, parts: &Parts) -> Result<Asker, Problem> {
        let call = Call::of(parts);
        let caller = match self.caller(app) {
            Ok(caller) => caller,
            Err(problem) => {
                app.access.unknown(&call, &problem);
                return Err(problem);
            }
        };
        let asker = Asker { caller, call };
        if let Err(problem) = self.check(app, &asker, &parts.headers) {
            return Err(app.refused(&asker, problem).await?);
        }
        Ok(asker)
    }

    fn caller(&self, app: &App) -> Result<Caller, Problem> {
        let refuse = |detail: &'static str| Problem::new(Code::Unauthenticated, detail);
        let content = self.content(app);
        let content = content
            .ok_or_else(|| refuse("the viewer token is not one of this server's; it may have been cut"))?;
        let now = app.ledger.clock().now();
        if now.as_micros() >= content.until_us {
            return Err(refuse("the viewer token has ended; get a new one"));
        }
        let ended = || refuse("the key that made the viewer token has ended");
        let keys = app.ledger.keys();
        let keys = keys.read().expect("no holder of this lock panics");
        let key = keys.live(&content.key, now).ok_or_else(ended)?;
        let tenant = TenantId::from_stored(&content.tenant).map_err(|_| ended())?;
        if key.tenant.is_some() && key.tenant_id().as_ref() != Some(&tenant) {
            return Err(ended());
        }
        let scopes = [(Scope::Read, true), (Scope::Export, content.export)];
        let scopes = scopes.into_iter().filter(|(scope, given)| *given && key.scopes.contains(scope));
        // What cannot be read any more must not show everything.
        let view = content
            .view(self.0)
            .ok_or_else(|| refuse("the viewer token is of another version; get a new one"))?;
        Ok(Caller {
            key_id: key.id.clone(),
            name: key.name.clone(),
            tenant: Some(tenant),
            scopes: scopes.map(|(scope, _)| scope).collect(),
            dialects: Vec::new(),
            session: None,
            view: Some(Arc::new(view)),
        })
    }

    fn check(&self, app: &App, asker: &Asker, headers: &HeaderMap) -> Result<(), Problem> {
        let denied = |detail: &'static str| Problem::new(Code::ViewerDenied, detail);
        let route = asker.call.route.as_str();
        let reads = matches!(asker.call.method, Method::GET | Method::HEAD);
        if !reads || !ROUTES.contains(&route) {
            return Err(denied("a viewer token reads events, and does nothing else"));
        }
        if route == EXPORT && !asker.caller.scopes.contains(&Scope::Export) {
            return Err(denied("the viewer token was made without `export`"));
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        if origins.all(|origin| origin.to_str().is_ok_and(|origin| self.is_for(app, origin))) {
            return Ok(());
        }
        Err(Problem::new(
            Code::OriginDenied,
            "the viewer token is for pages of other origins than the one that shows it",
        ))
    }
}

impl App {
    /// Whether there is a key of this name that has not ended.
    fn is_live_key(&self, key: &KeyId) -> bool {
        let keys = self.ledger.keys();
        let keys = keys.read().expect("no holder of this lock panics");
        keys.live(key, self.ledger.clock().now()).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for origin in [
            "https://app.example.com",
            "http://localhost:5173",
            "http://127.0.0.1:8080",
            "https://[::1]:8443",
            "capacitor://localhost",
        ] {
            assert!(is_origin(origin), "{origin}");
        }
        for none in [
            "",
            "*",
            "null",
            "app.example.com",
            "https://",
            "https://app.example.com/",
            "https://app.example.com/page",
            "https://App.example.com",
            "https://app.example.com:443",
            "http://app.example.com:80",
            "https://app.example.com:0443",
            "https://app.example.com:",
            "https://app.example.com:99999",
            "https://*.example.com",
            "https://a@b.example",
            "https://a.example b.example",
            "://a.example",
            "https://[::1",
        ] {
            assert!(!is_origin(none), "{none}");
        }
    }
}
