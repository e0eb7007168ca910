//! The viewer: the page at `/viewer` and what it loads, if the program brought it along. Its parts are given as they were built; nothing
//! comes from elsewhere, and its policy lets nothing else in.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::problem::{Code, Problem, ProblemBody};
use crate::prove;
use crate::query::PathText;

/// The page itself.
const PAGE: &str = "index.html";

/// Beside a file of the same name, that file compressed.
const COMPRESSED: &str = ".gz";

/// Bytes of the hash that tells one build of a file from another.
const TAG_BYTES: usize = 16;

/// Nothing from elsewhere, and no script or style inside the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The files that the viewer was built into.
#[derive(Clone, Debug)]
pub struct Viewer(Arc<BTreeMap<&'static str, Asset>>);

#[derive(Debug)]
struct Asset {
    bytes: &'static [u8],
    compressed: Option<&'static [u8]>,
    kind: &'static str,
    /// Of what it says, in hexadecimal.
    tag: String,
}

impl Viewer {
    /// The viewer with these files, as names and contents, if the page is among them.
    #[must_use]
    pub fn new(files: &[(&'static str, &'static [u8])]) -> Option<Self> {
        let named = |wanted: &str| files.iter().find(|(name, _)| *name == wanted).map(|(_, bytes)| *bytes);
        let assets = files.iter().filter(|(name, _)| !name.ends_with(COMPRESSED)).map(|(name, bytes)| {
            let tag = Sha256::digest(bytes)[..TAG_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
            let compressed = named(&format!("{name}{COMPRESSED}"));
            (*name, Asset { bytes, compressed, kind: kind(name), tag })
        });
        let assets: BTreeMap<_, _> = assets.collect();
        assets.contains_key(PAGE).then(|| Self(Arc::new(assets)))
    }
}

/// Shows the viewer.
///
/// A page for people, who sign in to it. It asks the other routes here as whoever signed in.
#[utoipa::path(
    get, path = "/viewer", tag = "viewer",
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html"),
        (status = 404, description = "The program was built without it", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(()),
)]
pub(crate) async fn page(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    let page = app.settings.viewer.as_ref().and_then(|viewer| viewer.0.get(PAGE)).ok_or_else(missing)?;
    let mut response = page.answer(&headers, HeaderValue::from_static("no-cache"));
    let more = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    response.headers_mut().extend(more.map(|(name, value)| (name, HeaderValue::from_static(value))));
    Ok(response)
}

/// Shows the viewer, too: the page looks at its own path.
#[utoipa::path(
    get, path = "/viewer/", tag = "viewer",
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html"),
        (status = 404, description = "The program was built without it", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(()),
)]
pub(crate) async fn page_in_folder(app: State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    page(app, headers).await
}

/// Shows the viewer at one of its own paths.
#[utoipa::path(
    get, path = "/viewer/{*path}", tag = "viewer",
    params(("path" = String, Path, description = "A path of the page's own, such as `actor`")),
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html"),
        (status = 404, description = "The program was built without it", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(()),
)]
pub(crate) async fn page_at(app: State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    page(app, headers).await
}

/// Gives a file that the viewer loads.
///
/// Pages of other origins may load it as well: products embed `annals-log.js`.
#[utoipa::path(
    get, path = "/viewer/assets/{file}", tag = "viewer",
    params(("file" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "The file", body = String, content_type = "text/javascript"),
        (status = 304, description = "It is the one that `If-None-Match` names"),
        (status = 404, description = "There is no such file, or the program was built without the viewer", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(()),
)]
pub(crate) async fn asset(
    State(app): State<Arc<App>>,
    PathText(file): PathText,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let viewer = app.settings.viewer.as_ref().ok_or_else(missing)?;
    let asset = viewer.0.get(file.as_str()).filter(|_| file != PAGE);
    let asset = asset.ok_or_else(|| Problem::new(Code::RouteUnknown, "the viewer has no such file"))?;
    let keeping = if is_lasting(&file) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = asset.answer(&headers, HeaderValue::from_static(keeping));
    let more = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ];
    response.headers_mut().extend(more.map(|(name, value)| (name, HeaderValue::from_static(value))));
    Ok(response)
}

impl Asset {
    /// The file as it is accepted, or that the asker has it.
    fn answer(&self, asked: &HeaderMap, keeping: HeaderValue) -> Response {
        let compressed = self.compressed.filter(|_| takes_gzip(asked));
        let form = if compressed.is_some() { "-gz" } else { "" };
        let tag = format!("\"{}{form}\"", self.tag);
        let has_it = asked.get_all(header::IF_NONE_MATCH).iter().any(|tags| prove::names(tags, &tag));
        let mut headers = HeaderMap::new();
        headers.insert(header::ETAG, HeaderValue::try_from(tag).expect("hexadecimal digits in quotes"));
        headers.insert(header::CACHE_CONTROL, keeping);
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if has_it {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
        if compressed.is_some() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        (headers, compressed.unwrap_or(self.bytes)).into_response()
    }
}

pub(crate) fn missing() -> Problem {
    Problem::new(Code::RouteUnknown, "this program was built without the viewer")
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, end)| end) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" => "application/json",
        "woff2" => "font/woff2",
        "png" => "image/png",
        "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

/// Whether a name changes with what the file says: `chunk-2YK6QR3A.js`, as bundlers write a hash.
fn is_lasting(name: &str) -> bool {
    const HASH_CHARS: usize = 8;
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    stem.rsplit_once('-').is_some_and(|(_, hash)| {
        hash.len() == HASH_CHARS
            && hash.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    })
}

/// Whether an answer may be compressed with gzip.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused =
            weight.trim().strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0));
        matches!(name.trim(), "gzip" | "*") && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_a_hash_last() {
        for name in ["chunk-2YK6QR3A.js", "a-b-01234567.css"] {
            assert!(is_lasting(name), "{name}");
        }
        for name in ["viewer.js", "annals-log.js", "annals-overview.js", "chunk-2yk6qr3a.js", "2YK6QR3A.js"] {
            assert!(!is_lasting(name), "{name}");
        }
    }

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        let takes = |value: &'static str| {
            takes_gzip(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))]))
        };
        assert!(takes("gzip, deflate, br") && takes("br;q=1, gzip;q=0.5") && takes("*"));
        assert!(!takes("br") && !takes("gzip;q=0") && !takes("") && !takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn without_its_page_there_is_no_viewer() {
        assert!(Viewer::new(&[("viewer.js", b"")]).is_none());
        assert!(Viewer::new(&[("index.html", b"")]).is_some());
    }
}
