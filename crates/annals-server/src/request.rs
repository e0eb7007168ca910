//! What every request passes through: its id, its span, its count, and the headers of its answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use crate::app::App;
use crate::cors;
use crate::dialects::{self, Addressed};
use crate::problem::{Code, Problem};

/// Longest `X-Request-Id` taken over, bytes.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// The id under which a request stands in answers and diagnostics.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Gives ids to requests that bring none: a random beginning for the process, then a count.
pub(crate) struct RequestIds {
    prefix: u64,
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new(prefix: u64) -> Self {
        Self { prefix, next: AtomicU64::new(0) }
    }

    /// The sender's id when it is 1 to 128 of `A–Z a–z 0–9 . _ -`, else a new one.
    fn of(&self, headers: &HeaderMap) -> RequestId {
        let sent = headers.get("x-request-id").and_then(|id| id.to_str().ok());
        let fits = |id: &&str| {
            (1..=REQUEST_ID_BYTES_MAX).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        };
        let id = match sent.filter(fits) {
            Some(id) => Arc::from(id),
            None => format!("{:016x}-{:x}", self.prefix, self.next.fetch_add(1, Ordering::Relaxed)).into(),
        };
        RequestId(id)
    }
}

/// The outermost layer of the routes.
pub(crate) async fn pass(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = app.request_ids.of(request.headers());
    request.extensions_mut().insert(id.clone());
    let method = request.method().clone();
    let addressed = request.extensions().get::<Addressed>().cloned();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let trace_id = trace_id(request.headers());
    // No path, query, key or body: ids and names of people may stand in them.
    let span = tracing::info_span!("request", id = id.as_str(), %method, route, trace_id);
    let preflight = cors::preflight(&request);
    let reader = cors::reader(&app, request.headers());
    let mut response = match preflight {
        Some(response) => response,
        None => next.run(request).instrument(span.clone()).await,
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED && response.extensions().get::<Problem>().is_none()
    {
        response = method_not_allowed(&method, &response);
    }
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        app.metrics.problem(problem.code().as_str());
        span.in_scope(|| tracing::debug!(code = problem.code().as_str(), "refused"));
        match &addressed {
            Some(addressed) => dialects::refuse(addressed, &problem, id.as_str(), &mut response),
            None => {
                *response.body_mut() = Body::from(problem.body(id.as_str()));
                let kind = HeaderValue::from_static("application/problem+json");
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
            }
        }
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    if let Some(addressed) = &addressed {
        dialects::tell_allowance(addressed, &mut response);
    }
    set_headers(response.headers_mut(), &id);
    if let Some(origin) = reader {
        cors::allow(origin, response.headers_mut());
    }
    span.in_scope(|| tracing::debug!(status = response.status().as_u16(), "answered"));
    let seconds = began.elapsed().as_secs_f64();
    app.metrics.answered(method_label(&method), &route, response.status().as_u16(), seconds);
    response
}

/// The method's name in the metrics. Anybody can make up methods, and every label is kept for good.
fn method_label(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::DELETE
        | Method::OPTIONS
        | Method::PATCH
        | Method::CONNECT
        | Method::TRACE => method.as_str(),
        _ => "other",
    }
}

fn set_headers(headers: &mut HeaderMap, id: &RequestId) {
    let id = HeaderValue::from_str(id.as_str()).expect("an id is ASCII without control characters");
    headers.insert(HeaderName::from_static("x-request-id"), id);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

fn method_not_allowed(method: &Method, response: &Response) -> Response {
    let detail = format!("this route does not take {method}; the header `Allow` names what it takes");
    let mut problem = Problem::new(Code::Method, detail).into_response();
    if let Some(allow) = response.headers().get(header::ALLOW) {
        problem.headers_mut().insert(header::ALLOW, allow.clone());
    }
    problem
}

/// The trace that a W3C `traceparent` names: `00-<32 hex>-<16 hex>-<2 hex>`.
fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("traceparent")?.to_str().ok()?;
    let mut parts = value.split('-');
    let mut hex = |length: usize| {
        let part = parts.next()?;
        let lower_hex = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (part.len() == length && lower_hex).then_some(part)
    };
    let (_, trace, _, _) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    trace.bytes().any(|byte| byte != b'0').then_some(trace)
}

/// Answer to a route that does not exist.
pub(crate) async fn unknown_route() -> Problem {
    Problem::new(Code::RouteUnknown, "there is no such route; `/openapi.json` lists them all")
}

/// Answer to a panic. The message is in the diagnostics alone.
pub(crate) fn panicked(cause: Box<dyn std::any::Any + Send>) -> Response {
    let message =
        cause.downcast_ref::<&str>().copied().or_else(|| cause.downcast_ref::<String>().map(String::as_str));
    tracing::error!(message = message.unwrap_or("unknown"), "a request panicked");
    Problem::new(
        Code::Bug,
        "something is wrong in annals; the request id finds it in the server's diagnostics",
    )
    .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_standard_methods_are_labels() {
        assert_eq!(method_label(&Method::DELETE), "DELETE");
        for made_up in ["X1", "GETS", "get", "PROPFIND"] {
            assert_eq!(method_label(&made_up.parse().unwrap()), "other", "{made_up}");
        }
    }
}
