//! The API reference for people: `/docs`, a page that lays out `/openapi.json`. Everything it needs comes from here, so it
//! works without the internet, and its policy lets nothing else in. And `/verify`, the page that checks evidence bundles, if the program
//! brought it along.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::problem::{Code, Problem, ProblemBody};

/// Nothing from elsewhere, and no script or style inside the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page that is complete in itself and names its own policy.
#[derive(Clone, Debug)]
pub struct VerifyPage {
    html: &'static [u8],
    policy: HeaderValue,
}

impl VerifyPage {
    /// The page, if it has a policy: it is not shown without one.
    #[must_use]
    pub fn new(html: &'static [u8]) -> Option<Self> {
        const BEFORE: &str = "<meta http-equiv=\"Content-Security-Policy\" content=\"";
        let text = std::str::from_utf8(html).ok()?;
        let (policy, _) = text.split_once(BEFORE)?.1.split_once('"')?;
        // What a page cannot say of itself.
        let policy = HeaderValue::try_from(format!("{policy}; frame-ancestors 'none'")).ok()?;
        policy.to_str().ok()?.starts_with("default-src 'none'; ").then_some(Self { html, policy })
    }
}

/// Shows the page that verifies evidence bundles.
///
/// Everything happens in the browser: no bundle is sent here.
#[utoipa::path(
    get, path = "/verify", tag = "prove",
    responses(
        (status = 200, description = "A page", body = String, content_type = "text/html"),
        (status = 404, description = "The program was built without it", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(()),
)]
pub(crate) async fn verify(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    match &app.settings.verify_page {
        Some(VerifyPage { html, policy }) => Ok(file("text/html; charset=utf-8", html, policy.clone())),
        None => Err(Problem::new(Code::RouteUnknown, "this program was built without the page")),
    }
}

/// Leads to the viewer, or without it to the API reference.
#[utoipa::path(
    get, path = "/", tag = "operate",
    responses((status = 303, description = "`/viewer` or `/docs`")),
    security(()),
)]
pub(crate) async fn root(State(app): State<Arc<App>>) -> Response {
    let place = if app.settings.viewer.is_some() { "/viewer" } else { "/docs" };
    (StatusCode::SEE_OTHER, [(header::LOCATION, HeaderValue::from_static(place))]).into_response()
}

/// Shows this API reference.
#[utoipa::path(
    get, path = "/docs", tag = "operate",
    responses((status = 200, description = "A page", body = String, content_type = "text/html")),
    security(()),
)]
pub(crate) async fn page() -> Response {
    own("text/html; charset=utf-8", include_bytes!("docs/page.html"))
}

/// Gives the script of the API reference.
#[utoipa::path(
    get, path = "/docs/page.js", tag = "operate",
    responses((status = 200, description = "The script", body = String, content_type = "text/javascript")),
    security(()),
)]
pub(crate) async fn script() -> Response {
    own("text/javascript; charset=utf-8", include_bytes!("docs/page.js"))
}

/// Gives the style of the API reference.
#[utoipa::path(
    get, path = "/docs/page.css", tag = "operate",
    responses((status = 200, description = "The style", body = String, content_type = "text/css")),
    security(()),
)]
pub(crate) async fn style() -> Response {
    own("text/css; charset=utf-8", include_bytes!("docs/page.css"))
}

/// The page that tells somebody who signs in with a browser why that did not work.
pub(crate) fn refusal(problem: &Problem) -> Response {
    let page = include_str!("docs/refusal.html").replace("{detail}", &escaped(problem.detail()));
    let page = page.replace("{code}", problem.code().as_str());
    let mut response = own("text/html; charset=utf-8", b"");
    *response.body_mut() = page.into();
    *response.status_mut() = problem.status();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A text as it stands between tags.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn own(kind: &'static str, bytes: &'static [u8]) -> Response {
    file(kind, bytes, HeaderValue::from_static(POLICY))
}

fn file(kind: &'static str, bytes: &'static [u8], policy: HeaderValue) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, bytes).into_response()
}
