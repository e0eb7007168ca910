//! What pages of other hosts may read: answers to viewer tokens that name them, and nothing else.
//!
//! Neither cookies nor keys are ever let through from another host's page: only a token says for which pages it is.

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;

use crate::app::App;
use crate::viewer_tokens::{ROUTES, ViewerToken};

/// How long a browser need not ask again, seconds.
const ASKED_AGAIN_SECONDS: HeaderValue = HeaderValue::from_static("7200");

/// Headers that a page may send, and those of an answer that it may read.
const SENT: HeaderValue = HeaderValue::from_static("authorization, accept, last-event-id");
const READ: HeaderValue = HeaderValue::from_static(
    "annals-next, annals-size, annals-total, annals-partial, link, retry-after, content-disposition, x-request-id",
);

/// The answer to a browser that asks whether a page may ask; none to anything else. It names no page, as it says nothing that a page
/// could not know, and who shows which token is only known when it does.
pub(crate) fn preflight(request: &Request) -> Option<Response> {
    let headers = request.headers();
    let route = request.extensions().get::<MatchedPath>()?.as_str();
    let is_preflight = *request.method() == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if !is_preflight || !ROUTES.contains(&route) {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    let say: [(HeaderName, HeaderValue); 4] = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET")),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, SENT),
        (header::ACCESS_CONTROL_MAX_AGE, ASKED_AGAIN_SECONDS),
    ];
    headers.extend(say);
    Some(response)
}

/// The page that may read the answer to a request with these headers: one that the token that it shows names, be it ended or not.
pub(crate) fn reader(app: &App, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    let token = ViewerToken::of(headers)?;
    token.is_for(app, origin.to_str().ok()?).then(|| origin.clone())
}

/// Lets the page read an answer.
pub(crate) fn allow(origin: HeaderValue, headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, READ);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}
