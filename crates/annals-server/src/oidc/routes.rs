//! The way to the identity provider, and back from it.
//!
//! What belongs to one sign-in (its state, nonce and verifier) goes along in a cookie of the browser, as a ticket: who comes back without it
//! did not begin here.

use std::sync::Arc;

use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::provider::{Return, refused};
use super::{Provider, granted};
use crate::app::App;
use crate::auth::Call;
use crate::problem::{Code, Problem, ProblemBody};
use crate::query::{Known, Params};
use crate::session::{Who, random};

/// How long somebody may take at the provider, µs.
const WAY_US_MAX: i64 = 600 * 1_000_000;

/// Where the viewer is, and the only place that somebody is led back to.
const VIEWER: &str = "/viewer";

/// Longest place to be led back to, bytes: it must fit into a cookie beside the rest.
const RETURN_BYTES_MAX: usize = 1_024;

/// Longest code of a provider, bytes.
const CODE_BYTES_MAX: usize = 4 << 10;

const PATH_BACK: &str = "/v1/session/oidc/callback";

/// What tickets on the way are for.
const PURPOSE: &str = "oidc";

/// The cookie on the way, over HTTPS and over HTTP; see those of sessions.
const COOKIE_HTTPS: &str = "__Host-annals_oidc";
const COOKIE_HTTP: &str = "annals_oidc";

/// One sign-in on its way.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Way {
    state: String,
    nonce: String,
    verifier: String,
    /// Our own address, as the provider was told.
    redirect_uri: String,
    return_to: String,
    /// µs since 1970.
    expires_at_us: i64,
}

/// Leads to the identity provider.
///
/// For browsers; who comes back is signed in.
#[utoipa::path(
    get, path = "/v1/session/oidc", tag = "viewer",
    params(("return_to" = Option<String>, Query, description = "Where to be led then: `/viewer`, or a path below it")),
    responses(
        (status = 302, description = "To the provider"),
        (status = 400, description = "A parameter is not allowed, or the request names no host", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No provider is configured", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The provider does not answer", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(()),
)]
pub(crate) async fn begin(State(app): State<Arc<App>>, parts: Parts) -> Result<Response, Problem> {
    let went = leave(&app, &parts).await;
    answered(&app, &parts, went)
}

async fn leave(app: &App, parts: &Parts) -> Result<Response, Problem> {
    let provider = app.provider.as_ref().ok_or_else(unconfigured)?;
    let params = Params::parse(parts.uri.query(), &Known { once: &["return_to"], ..Known::default() })?;
    let return_to = params.text("return_to").unwrap_or(VIEWER);
    if !is_own(return_to) {
        return Err(crate::query::value("return_to", "must be `/viewer` or a path below it"));
    }
    let origin = app.origin.text(&parts.uri, &parts.headers);
    if origin.is_empty() {
        return Err(Problem::new(Code::ParameterValue, "the request names no host to come back to"));
    }
    let about = provider.about().await?;
    let way = Way {
        state: random()?,
        nonce: random()?,
        verifier: format!("{}{}", random()?, random()?),
        redirect_uri: format!("{origin}{PATH_BACK}"),
        return_to: return_to.to_owned(),
        expires_at_us: app.ledger.clock().now().as_micros().saturating_add(WAY_US_MAX),
    };
    let mut address: Url = about.authorization_endpoint.parse().map_err(|_| refused("it has no address"))?;
    address
        .query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &provider.settings.client_id)
        .append_pair("redirect_uri", &way.redirect_uri)
        .append_pair("scope", &provider.settings.scopes)
        .append_pair("state", &way.state)
        .append_pair("nonce", &way.nonce)
        .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(Sha256::digest(way.verifier.as_bytes())))
        .append_pair("code_challenge_method", "S256");
    let content = serde_json::to_vec(&way).expect("texts and a number serialise");
    let ticket = app.ledger.write_ticket(PURPOSE, &content).ok_or_else(|| refused("its way is too long"))?;
    let cookie = app.cookie(&parts.headers, cookie_name(app, &parts.headers), &ticket, WAY_US_MAX);
    let location = HeaderValue::try_from(address.as_str()).map_err(|_| refused("it has no address"))?;
    Ok((StatusCode::FOUND, [(header::LOCATION, location), (header::SET_COOKIE, cookie)]).into_response())
}

/// Takes who comes back from the identity provider.
///
/// The provider leads browsers here; nobody else has anything to ask.
#[utoipa::path(
    get, path = "/v1/session/oidc/callback", tag = "viewer",
    params(
        ("code" = Option<String>, Query, description = "What the provider tells who it is for"),
        ("state" = Option<String>, Query, description = "Which sign-in it is"),
        ("iss" = Option<String>, Query, description = "The provider"),
        ("error" = Option<String>, Query, description = "Why the provider vouches for nobody"),
    ),
    responses(
        (status = 303, description = "Signed in: to the viewer"),
        (status = 403, description = "The provider vouches for nobody, its answer cannot be taken, or no role fits", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No provider is configured", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The provider does not answer, or too many people come back at once", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(()),
)]
pub(crate) async fn back(State(app): State<Arc<App>>, parts: Parts) -> Result<Response, Problem> {
    let came = arrive(&app, &parts).await.inspect_err(|problem| {
        if problem.code() == Code::SignInRefused {
            app.access.unknown(&Call::of(&parts), problem);
        }
    });
    answered(&app, &parts, came)
}

async fn arrive(app: &App, parts: &Parts) -> Result<Response, Problem> {
    let provider = app.provider.as_ref().ok_or_else(unconfigured)?;
    let way = way(app, parts)?;
    let code = code(provider, parts, &way).await?;
    let back =
        Return { code: &code, redirect_uri: &way.redirect_uri, verifier: &way.verifier, nonce: &way.nonce };
    let mut person = {
        let _turn = provider.turn()?;
        provider.spend(&way.state, way.expires_at_us)?;
        provider.person(&back).await?
    };
    let call = Call::of(parts);
    // Only what gives a role goes into the cookie.
    let roles = &provider.settings.roles;
    person.values.retain(|value| roles.iter().any(|role| role.value == *value));
    if let Err(problem) = granted(&provider.settings, &person) {
        app.access.turned_away(&person, &call, &problem);
        return Err(problem);
    }
    let session = app.new_session(Who::Person(person))?;
    let caller = app.caller_of(session.clone())?;
    let cookie = app.session_cookie(&session, &parts.headers)?;
    app.access.signed(&caller, &call, "annals.access.sign_in");
    let spent = app.cookie(&parts.headers, cookie_name(app, &parts.headers), "", 0);
    let location = HeaderValue::try_from(&way.return_to).map_err(|_| refused("it has no way back"))?;
    let headers = [(header::LOCATION, location), (header::SET_COOKIE, cookie), (header::SET_COOKIE, spent)];
    Ok((StatusCode::SEE_OTHER, AppendHeaders(headers)).into_response())
}

/// The sign-in that a browser comes back from.
fn way(app: &App, parts: &Parts) -> Result<Way, Problem> {
    let ticket = crate::session::cookie(&parts.headers, cookie_name(app, &parts.headers));
    let content = ticket.and_then(|ticket| app.ledger.read_ticket(PURPOSE, ticket));
    let way: Option<Way> = content.and_then(|content| serde_json::from_slice(&content).ok());
    let now_us = app.ledger.clock().now().as_micros();
    way.filter(|way| now_us < way.expires_at_us).ok_or_else(|| {
        refused("it answers a sign-in that did not begin in this browser, or too long ago; begin again")
    })
}

/// The code that the provider sends along with who comes back. Providers send more parameters than these.
async fn code(provider: &Provider, parts: &Parts, way: &Way) -> Result<String, Problem> {
    let mut given = [None, None, None, None];
    let [state, code, issuer, error] = &mut given;
    for (name, value) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
        let place = match &*name {
            "state" => &mut *state,
            "code" => &mut *code,
            "iss" => &mut *issuer,
            "error" => &mut *error,
            _ => continue,
        };
        if place.replace(value.into_owned()).is_some() {
            return Err(refused("it says something twice"));
        }
    }
    let [state, code, issuer, error] = given;
    if state.as_ref() != Some(&way.state) {
        return Err(refused("it answers another sign-in (`state`); begin again"));
    }
    let names_itself = provider.about().await?.authorization_response_iss_parameter_supported;
    if issuer.as_ref().map_or(names_itself, |issuer| *issuer != provider.settings.issuer) {
        return Err(refused("another provider answers (`iss`)"));
    }
    match (code, error) {
        (Some(code), None) if code.len() <= CODE_BYTES_MAX => Ok(code),
        (_, Some(error)) if error == "access_denied" => Err(refused("it lets you not in (`access_denied`)")),
        (_, Some(_)) => Err(refused("it reports an error; who runs this server finds more at the provider")),
        _ => Err(refused("it sends no code")),
    }
}

/// The answer for who asked; people with browsers get a page.
fn answered(app: &App, parts: &Parts, answer: Result<Response, Problem>) -> Result<Response, Problem> {
    let accepted = parts.headers.get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
    match answer {
        Err(problem) if accepted.is_some_and(|accepted| accepted.contains("text/html")) => {
            app.metrics.problem(problem.code().as_str());
            Ok(crate::docs::refusal(&problem))
        }
        answer => answer,
    }
}

/// Whether a place is the viewer's own: a path, and nothing that browsers take for another host.
fn is_own(place: &str) -> bool {
    let rest = place.strip_prefix(VIEWER);
    place.len() <= RETURN_BYTES_MAX
        && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
        && place.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

fn cookie_name(app: &App, headers: &HeaderMap) -> &'static str {
    if app.origin.is_https(headers) { COOKIE_HTTPS } else { COOKIE_HTTP }
}

fn unconfigured() -> Problem {
    Problem::new(Code::RouteUnknown, "no identity provider is configured here (`oidc.issuer`)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_elsewhere() {
        for own in ["/viewer", "/viewer/", "/viewer/actor?id=u1#x", "/viewer?q=a%20b", "/viewer#x"] {
            assert!(is_own(own), "{own}");
        }
        let long = format!("/viewer/{}", "x".repeat(RETURN_BYTES_MAX));
        for other in [
            "",
            "/",
            "/viewers",
            "//evil.example",
            "https://evil.example/viewer",
            "/viewer\\@x",
            "/viewer/ x",
            "/viewer\nx",
            "/viewer/é",
            &long,
        ] {
            assert!(!is_own(other), "{other}");
        }
    }
}
