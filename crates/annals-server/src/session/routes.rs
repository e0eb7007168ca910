//! Signing in and out.

use std::sync::Arc;

use annals_ledger::Scope;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::{COOKIE_HTTP, COOKIE_HTTPS, Session, Who, instant, origin};
use crate::app::App;
use crate::auth::{self, Asker, Call, Caller};
use crate::body;
use crate::keys::ScopeName;
use crate::problem::{Code, Problem, ProblemBody};
use crate::query::{Known, Params};

/// What somebody signs in by; one of both.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    /// An API key.
    key: Option<String>,
    /// What stands after `ticket=` in a link that signs in once.
    ticket: Option<String>,
}

/// Who asks.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct SessionAnswer {
    /// As the access log names it: the key's public name, or for a person `oidc:`, eight hex digits of the identity provider and their name there.
    key_id: String,
    /// The key's note for people, or the person's name.
    name: Option<String>,
    /// The person's address, where the identity provider told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// The tenant it is bound to; null for all of them.
    tenant: Option<String>,
    /// What it may do.
    #[schema(value_type = Vec<ScopeName>)]
    scopes: Vec<Scope>,
    /// When the session ends; null where the request came with a key and not with a session.
    expires_at: Option<String>,
    /// How the caller signed in: `key`, or `oidc` by the identity provider.
    sign_in: &'static str,
}

/// How people can sign in here.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct WaysAnswer {
    /// With an API key, always.
    key: bool,
    /// By an identity provider; null where none is configured.
    oidc: Option<ProviderAnswer>,
}

/// An identity provider to sign in by.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ProviderAnswer {
    /// What it is called.
    label: String,
    /// Where browsers are led to it; with `return_to`, back to a path of the viewer.
    path: &'static str,
}

/// A link that signs in once.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct LinkAnswer {
    /// To be opened in a browser.
    url: String,
    /// From this instant on it is refused.
    expires_at: Option<String>,
}

impl SessionAnswer {
    fn of(caller: Caller) -> Self {
        let person = caller.person();
        Self {
            email: person.and_then(|person| person.email.clone()),
            sign_in: if person.is_some() { "oidc" } else { "key" },
            key_id: caller.key_id.0,
            name: caller.name,
            tenant: caller.tenant.map(|tenant| tenant.as_str().to_owned()),
            scopes: caller.scopes,
            expires_at: caller.session.and_then(|session| instant(session.ends_at_us)),
        }
    }
}

/// Signs in.
///
/// By a key, or by the ticket of a link that signs in once. The session is a cookie that scripts cannot read; with it the routes under
/// `/v1/` take requests as with the key, those that change something only from pages of this server. It ends with its time, with the
/// key, or when it is signed out of.
#[utoipa::path(
    post, path = "/v1/session", tag = "viewer", request_body = SignIn,
    responses(
        (status = 200, description = "The session, which the header `Set-Cookie` gives", body = SessionAnswer),
        (status = 400, description = "A member is not allowed, or neither or both are there", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key, or the link was used or has expired", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "A page of elsewhere asked", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(()),
)]
pub(crate) async fn begin(
    State(app): State<Arc<App>>,
    parts: Parts,
    body: Body,
) -> Result<Response, Problem> {
    origin::check_page(&app, &parts.uri, &parts.headers)?;
    no_parameters(&parts.uri)?;
    let sign_in: SignIn = body::small_json(&app, body, &parts.headers).await?;
    let call = Call::of(&parts);
    let session =
        session_by(&app, sign_in).and_then(|session| Ok((app.caller_of(session.clone())?, session)));
    let (caller, session) = session.inspect_err(|problem| {
        if problem.code() == Code::Unauthenticated {
            app.access.unknown(&call, problem);
        }
    })?;
    app.access.signed(&caller, &call, "annals.access.sign_in");
    let cookie = app.session_cookie(&session, &parts.headers)?;
    Ok(([(header::SET_COOKIE, cookie)], Json(SessionAnswer::of(caller))).into_response())
}

fn session_by(app: &App, sign_in: SignIn) -> Result<Session, Problem> {
    match (sign_in.key, sign_in.ticket) {
        (Some(key), None) => {
            let caller = auth::by_key(app, key.trim()).map_err(|problem| problem.at("/key"))?;
            app.new_session(Who::Key(caller.key_id))
        }
        (None, Some(ticket)) => app.use_link(&ticket),
        (None, None) => Err(Problem::new(Code::BodyValue, "`key` is missing").at("/key")),
        (Some(_), Some(_)) => {
            Err(Problem::new(Code::BodyValue, "`ticket` stands beside `key`; send one of them").at("/ticket"))
        }
    }
}

/// Says who asks.
///
/// With the session's cookie or with a key.
#[utoipa::path(
    get, path = "/v1/session", tag = "viewer",
    responses(
        (status = 200, description = "Who asks", body = SessionAnswer),
        (status = 400, description = "A parameter is not allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "Nobody is signed in; `/v1/session/ways` says how to", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = [])),
)]
pub(crate) async fn show(State(app): State<Arc<App>>, parts: Parts) -> Result<Json<SessionAnswer>, Problem> {
    // That nobody is signed in yet is no attempt to read, and stands on no record.
    let caller = auth::authenticate(&app, &parts)?;
    no_parameters(&parts.uri)?;
    Ok(Json(SessionAnswer::of(caller)))
}

/// Signs out.
///
/// The browser forgets the cookie, and the session is taken by nobody any more, nor is one that its links led to.
#[utoipa::path(
    delete, path = "/v1/session", tag = "viewer",
    responses(
        (status = 204, description = "Nobody is signed in"),
        (status = 400, description = "A parameter is not allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "A page of elsewhere asked", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(()),
)]
pub(crate) async fn end(State(app): State<Arc<App>>, parts: Parts) -> Result<Response, Problem> {
    origin::check_page(&app, &parts.uri, &parts.headers)?;
    no_parameters(&parts.uri)?;
    if let Ok(Some(session)) = app.session(&parts.headers) {
        if let Ok(caller) = app.caller_of(session.clone()) {
            app.access.signed(&caller, &Call::of(&parts), "annals.access.sign_out");
        }
        app.end_session(&session);
    }
    let name = if app.origin.is_https(&parts.headers) { COOKIE_HTTPS } else { COOKIE_HTTP };
    let cookie = app.cookie(&parts.headers, name, "", 0);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// Says how people can sign in here.
#[utoipa::path(
    get, path = "/v1/session/ways", tag = "viewer",
    responses((status = 200, description = "The ways", body = WaysAnswer)),
    security(()),
)]
pub(crate) async fn ways(State(app): State<Arc<App>>) -> Json<WaysAnswer> {
    let label = app.provider.as_ref().map(|provider| provider.settings.label.clone());
    let oidc = label.map(|label| ProviderAnswer { label, path: "/v1/session/oidc" });
    Json(WaysAnswer { key: true, oidc })
}

/// Makes a link that signs the caller in to the viewer, once.
///
/// For whoever has a key in a terminal and wants to look with a browser. It is good for 10 minutes and until the server stops. Made by a
/// session, it leads to one that ends with that, also when that is signed out of.
#[utoipa::path(
    post, path = "/v1/session/links", tag = "viewer",
    responses(
        (status = 201, description = "The link", body = LinkAnswer),
        (status = 400, description = "A parameter is not allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "A page of elsewhere asked, or too many links in a row led to the session", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The program was built without the viewer", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Too many links wait to be used", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = [])),
)]
pub(crate) async fn link(
    State(app): State<Arc<App>>,
    asker: Asker,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<LinkAnswer>), Problem> {
    asker.params(&[])?;
    if app.settings.viewer.is_none() {
        return Err(crate::viewer::missing());
    }
    let session = asker.caller.session.as_deref();
    let who = session.map_or_else(|| Who::Key(asker.caller.key_id.clone()), |session| session.who.clone());
    let (path, expires_at_us) = app.sign_in_link(who, session)?;
    let url = format!("{}{path}", app.origin.text(&asker.call.uri, &headers));
    Ok((StatusCode::CREATED, Json(LinkAnswer { url, expires_at: instant(expires_at_us) })))
}

fn no_parameters(uri: &Uri) -> Result<(), Problem> {
    Params::parse(uri.query(), &Known::default()).map(|_| ())
}
