//! The API reference for people: `/docs`, a page that lays out `/openapi.json`. Everything it needs comes from here, so it
//! works without the internet, and its policy lets nothing else in.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Nothing from elsewhere, and no script or style inside the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Leads to the API reference.
#[utoipa::path(
    get, path = "/", tag = "operate",
    responses((status = 303, description = "`/docs`")),
    security(()),
)]
pub(crate) async fn root() -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, HeaderValue::from_static("/docs"))]).into_response()
}

/// Shows this API reference.
#[utoipa::path(
    get, path = "/docs", tag = "operate",
    responses((status = 200, description = "A page", body = String, content_type = "text/html")),
    security(()),
)]
pub(crate) async fn page() -> Response {
    file("text/html; charset=utf-8", include_bytes!("docs/page.html"))
}

/// Gives the script of the API reference.
#[utoipa::path(
    get, path = "/docs/page.js", tag = "operate",
    responses((status = 200, description = "The script", body = String, content_type = "text/javascript")),
    security(()),
)]
pub(crate) async fn script() -> Response {
    file("text/javascript; charset=utf-8", include_bytes!("docs/page.js"))
}

/// Gives the style of the API reference.
#[utoipa::path(
    get, path = "/docs/page.css", tag = "operate",
    responses((status = 200, description = "The style", body = String, content_type = "text/css")),
    security(()),
)]
pub(crate) async fn style() -> Response {
    file("text/css; charset=utf-8", include_bytes!("docs/page.css"))
}

fn file(kind: &'static str, bytes: &'static [u8]) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, bytes).into_response()
}
