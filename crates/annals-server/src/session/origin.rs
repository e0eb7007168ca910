//! Browsers send cookies along with requests that other pages make. A session changes something only for a page of this server.

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri, header};

use crate::app::App;
use crate::problem::{Code, Problem};

/// Where the page is that makes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    /// On this server.
    Here,
    /// Elsewhere.
    Elsewhere,
    /// Nothing says so: no browser of today, or no browser at all.
    Unsaid,
}

/// Refuses a request with a session that would change something, unless a page of this server makes it.
pub(super) fn check_change(app: &App, parts: &Parts) -> Result<(), Problem> {
    let only_reads = matches!(parts.method, Method::GET | Method::HEAD);
    if only_reads || from(app, &parts.uri, &parts.headers) == From::Here {
        return Ok(());
    }
    Err(refused())
}

/// Refuses a request that a page of elsewhere makes. One without a session may come from no page.
pub(super) fn check_page(app: &App, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    match from(app, uri, headers) {
        From::Here | From::Unsaid => Ok(()),
        From::Elsewhere => Err(refused()),
    }
}

fn from(app: &App, uri: &Uri, headers: &HeaderMap) -> From {
    // Set by the browser alone. Behind a proxy that changes the host, it is the one that is right.
    if let Some(site) = headers.get("sec-fetch-site") {
        return if site == "same-origin" { From::Here } else { From::Elsewhere };
    }
    match headers.get(header::ORIGIN) {
        None => From::Unsaid,
        Some(origin) if *origin == app.origin.text(uri, headers) => From::Here,
        Some(_) => From::Elsewhere,
    }
}

fn refused() -> Problem {
    Problem::new(Code::CrossOrigin, "a session acts only for pages of this server; programs send a key")
}
