//! Who asks, and what the key allows.

use std::sync::Arc;

use annals_event::TenantId;
use annals_ledger::{Author, KeyId, KeyRecord, KeySecret, LogKind, Scope};
use axum::extract::{FromRequestParts, MatchedPath};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri, header};
use serde_json::{Value, json};

use crate::access::Subject;
use crate::app::App;
use crate::oidc::Person;
use crate::problem::{Code, Problem};
use crate::query::{Known, Params};
use crate::request::RequestId;
use crate::session::{Session, Who};
use crate::view::View;
use crate::viewer_tokens::ViewerToken;

/// The key that came with a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The key's public name.
    pub(crate) key_id: KeyId,
    /// Its note for people.
    pub(crate) name: Option<String>,
    /// The tenant it is bound to; none for a platform key.
    pub(crate) tenant: Option<TenantId>,
    /// What it may do.
    pub(crate) scopes: Vec<Scope>,
    /// Vendors whose read permission it also grants.
    pub(crate) dialects: Vec<String>,
    /// What the request showed instead of the key.
    pub(crate) session: Option<Arc<Session>>,
    /// What all it may do is narrowed to, where a viewer token came in the key's place.
    pub(crate) view: Option<Arc<View>>,
}

impl Caller {
    /// Who shows this key.
    pub(crate) fn of(key: &KeyRecord) -> Self {
        Self {
            key_id: key.id.clone(),
            name: key.name.clone(),
            tenant: key.tenant_id(),
            scopes: key.scopes.clone(),
            dialects: key.dialects.clone(),
            session: None,
            view: None,
        }
    }

    /// Whether the key may act for all tenants.
    pub(crate) fn is_platform(&self) -> bool {
        self.tenant.is_none()
    }

    /// Refuses unless the key has the scope.
    pub(crate) fn require(&self, scope: Scope) -> Result<(), Problem> {
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        Err(Problem::new(Code::ScopeMissing, format!("the key lacks the scope `{}`", scope.as_str())))
    }

    /// Refuses unless it is a platform key with the scope.
    pub(crate) fn require_platform(&self, scope: Scope) -> Result<(), Problem> {
        self.require(scope)?;
        if self.is_platform() {
            return Ok(());
        }
        Err(Problem::new(Code::PlatformOnly, "the key is bound to a tenant; only a platform key may do this"))
    }

    /// The tenant that a request is about: the key's own, or the one it names. None with a platform key that names none.
    pub(crate) fn tenant_or_all(&self, named: Option<TenantId>) -> Result<Option<TenantId>, Problem> {
        match (&self.tenant, named) {
            (Some(own), Some(named)) if *own != named => Err(Problem::new(
                Code::TenantDenied,
                "the key is bound to another tenant than `tenant` names",
            )
            .in_parameter("tenant")),
            (Some(own), _) => Ok(Some(own.clone())),
            (None, named) => Ok(named),
        }
    }

    /// As [`Caller::tenant_or_all`], where a tenant is needed.
    pub(crate) fn one_tenant(&self, named: Option<TenantId>) -> Result<TenantId, Problem> {
        self.tenant_or_all(named)?.ok_or_else(|| {
            Problem::new(Code::TenantRequired, "a platform key must name the tenant with `tenant=`")
                .in_parameter("tenant")
        })
    }

    /// Whom an identity provider vouched for, if that is how the caller signed in.
    pub(crate) fn person(&self) -> Option<&Person> {
        match &self.session.as_ref()?.who {
            Who::Person(person) => Some(person),
            Who::Key(_) => None,
        }
    }

    /// Who it is, as the access log has it.
    pub(crate) fn actor(&self) -> Value {
        if let Some(person) = self.person() {
            return person.actor();
        }
        let mut actor = json!({"type": "api_key", "id": self.key_id});
        if let Some(name) = &self.name {
            actor["name"] = json!(name);
        }
        actor
    }

    /// Refuses the holder of a viewer token whatever is not its tenant's events.
    pub(crate) fn check_subject(&self, subject: &Subject) -> Result<(), Problem> {
        let is_in_view = match subject {
            Subject::Log(log) => log.kind == LogKind::Tenant && self.tenant.as_ref() == Some(&log.tenant),
            Subject::All => false,
        };
        if self.view.is_none() || is_in_view {
            return Ok(());
        }
        Err(Problem::new(Code::ViewerDenied, "a viewer token reads its tenant's events, and no other log"))
    }

    /// The key, as approvals name it.
    pub(crate) fn author_name(&self) -> String {
        self.key_id.0.clone()
    }

    /// Whoever stands behind a change in the control plane.
    pub(crate) fn author(&self) -> Author {
        match self.person() {
            Some(person) => Author::Person { id: person.id(), name: self.name.clone() },
            None => Author::Key(self.key_id.clone()),
        }
    }
}

/// A request with a valid key.
pub(crate) struct Asker {
    /// The key.
    pub(crate) caller: Caller,
    /// What was asked.
    pub(crate) call: Call,
}

/// What a request asks for, without what it carries.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Method.
    pub(crate) method: Method,
    /// Path as documented, with its placeholders.
    pub(crate) route: String,
    /// Path and query as sent.
    pub(crate) uri: Uri,
    /// The request's id.
    pub(crate) id: RequestId,
}

impl Asker {
    /// The query parameters, of which only `known` may be there.
    pub(crate) fn params(&self, known: &[&str]) -> Result<Params, Problem> {
        self.asked(&Known { once: known, ..Known::default() })
    }

    /// As [`Asker::params`], where some may repeat or are conditions.
    pub(crate) fn asked(&self, known: &Known<'_>) -> Result<Params, Problem> {
        Params::parse(self.call.uri.query(), known)
    }
}

impl Call {
    /// What these say.
    pub(crate) fn of(parts: &Parts) -> Self {
        let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        Self {
            method: parts.method.clone(),
            route: route.to_owned(),
            uri: parts.uri.clone(),
            id: parts.extensions.get::<RequestId>().cloned().unwrap_or_default(),
        }
    }
}

impl FromRequestParts<Arc<App>> for Asker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        if let Some(token) = ViewerToken::of(&parts.headers) {
            return token.enter(app, parts).await;
        }
        let call = Call::of(parts);
        match authenticate(app, parts) {
            Ok(caller) => Ok(Self { caller, call }),
            Err(problem) => {
                app.access.unknown(&call, &problem);
                Err(problem)
            }
        }
    }
}

/// Finds who sends a request, by the key or the session that it shows; a key goes first.
pub(crate) fn authenticate(app: &App, parts: &Parts) -> Result<Caller, Problem> {
    if !parts.headers.contains_key(header::AUTHORIZATION)
        && let Some(caller) = app.session_caller(parts)?
    {
        return Ok(caller);
    }
    authenticate_with(app, &parts.headers, None)
}

/// Finds the key that a request shows, which it may also show elsewhere than in the header. No session counts here.
pub(crate) fn authenticate_with(
    app: &App,
    headers: &HeaderMap,
    elsewhere: Option<&str>,
) -> Result<Caller, Problem> {
    let refuse = |detail: &'static str| Problem::new(Code::Unauthenticated, detail);
    let shown = headers.get(header::AUTHORIZATION).map(|shown| shown.to_str().unwrap_or_default());
    let shown = shown.or(elsewhere);
    let shown =
        shown.ok_or_else(|| refuse("send a key in the header `Authorization: Bearer annals_…`"))?.trim();
    match shown.split_once(' ') {
        Some((scheme, secret)) if scheme.eq_ignore_ascii_case("bearer") => by_key(app, secret.trim()),
        Some(_) => Err(refuse("the header `Authorization` must be `Bearer annals_…`")),
        None => by_key(app, shown),
    }
}

/// Finds the key with this secret.
pub(crate) fn by_key(app: &App, secret: &str) -> Result<Caller, Problem> {
    let refuse = |detail: &'static str| Problem::new(Code::Unauthenticated, detail);
    let secret = KeySecret::parse(secret)
        .ok_or_else(|| refuse("the key is not well-formed; it may have been cut or mistyped"))?;
    let keys = app.ledger.keys();
    let keys = keys.read().expect("no holder of this lock panics");
    let key = keys.find(&secret, app.ledger.clock().now());
    key.map(Caller::of).ok_or_else(|| refuse("the key is unknown, ended or expired"))
}

impl App {
    /// Whether the key or session that opened a stream is still good.
    pub(crate) fn is_live(&self, caller: &Caller) -> bool {
        if caller.session.as_ref().is_some_and(|session| !self.is_in_time(session)) {
            return false;
        }
        if caller.person().is_some() {
            // What the configuration gives them changes only with a start.
            return true;
        }
        let now_us = self.ledger.clock().now().as_micros();
        if caller.view.as_ref().is_some_and(|view| view.until_us <= now_us) {
            return false;
        }
        let keys = self.ledger.keys();
        let keys = keys.read().expect("no holder of this lock panics");
        keys.live(&caller.key_id, self.ledger.clock().now()).is_some()
    }

    /// Refuses a tenant that does not exist.
    pub(crate) fn known(&self, tenant: &TenantId) -> Result<(), Problem> {
        if self.ledger.knows(tenant) {
            return Ok(());
        }
        Err(Problem::new(
            Code::TenantUnknown,
            format!("tenant `{tenant}` does not exist; it begins with its first event"),
        ))
    }
}
