//! Vendors' APIs: how a request finds its vendor, and what all of them do between a request read and an answer written.
//!
//! What a vendor says on the wire is in `annals-dialects`. Here its questions become searches, its cursors are read and
//! given, and its readers stand in the access log like all others ([`call`]). Which routes there are is in [`routes`]. A key needs the scope `read`, or the vendor among its
//! `dialects`. Every problem below a vendor's root is answered in that vendor's form: see [`refuse`].

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use annals_dialects::params::{PARAMS_BODY_BYTES_MAX, PARAMS_BYTES_MAX};
use annals_dialects::{Allowance, Direction, List, Mounted, Refusal, Refused, SortKey, Vendor};
use annals_event::filter::{Known, Subject};
use annals_event::json::{Document, Limits};
use annals_ledger::cursor::QUESTION_BYTES_MAX;
use annals_ledger::{Order, Record};
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderName, HeaderValue, Method, Uri, header};
use axum::response::Response;
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::app::App;
use crate::body::SMALL_BODY_BYTES_MAX;
use crate::problem::{Code, Problem};

mod call;
mod describe;
pub(crate) mod documents;
pub(crate) mod routes;

pub(crate) use call::VendorCall;

// A percent sign and two digits for each byte, and the names.
const _: () = assert!(3 * PARAMS_BYTES_MAX + 1024 <= QUESTION_BYTES_MAX);
const _: () = assert!(PARAMS_BODY_BYTES_MAX <= SMALL_BODY_BYTES_MAX);

/// Limits to parse stored events with: they were met when the events were taken.
const LIMITS: Limits = Limits { depth_max: usize::MAX };

/// Longest time that the body of a request that reads may take to arrive.
const BODY_MAX: Duration = Duration::from_secs(2);

/// A request to a vendor's API.
#[derive(Clone, Debug)]
pub(crate) struct Addressed {
    /// Whose it is.
    pub(crate) vendor: &'static Vendor,
    /// The path that is meant.
    pub(crate) path: String,
    /// What the mount says that it came through.
    mounted: Mounted,
    /// Scheme and host as the client knows them, and the mount's prefix.
    base: String,
    /// What its key has left, once that is known.
    pub(crate) allowance: Arc<OnceLock<Allowance>>,
}

/// Routes to which requests find under all paths and hosts that vendors' APIs have.
pub(crate) fn placed(router: Router, app: Arc<App>) -> Router {
    Router::new().fallback(move |request: Request| {
        let request = place(&app, request);
        let router = router.clone();
        async move { router.oneshot(with_body(request).await).await }
    })
}

/// Takes in what comes with a request that reads: old clients send `{}` with every GET, and an answer is lost on one whose connection
/// is closed while it still sends. Of what is longer than any such body may be, the beginning stays.
async fn with_body(request: Request) -> Request {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads || request.body().is_end_stream() || request.extensions().get::<Addressed>().is_none() {
        return request;
    }
    let (parts, mut body) = request.into_parts();
    let mut taken = Vec::new();
    let all = async {
        while taken.len() <= SMALL_BODY_BYTES_MAX
            && let Some(Ok(frame)) = body.frame().await
        {
            taken.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        }
    };
    // Who is slower has its connection closed behind the answer.
    drop(tokio::time::timeout(BODY_MAX, all).await);
    Request::from_parts(parts, Body::from(taken))
}

/// Sends a request to a vendor's API on to the path that is meant.
fn place(app: &App, mut request: Request) -> Request {
    let base = app.origin.text(request.uri(), request.headers());
    let host = base.split_once("://").map_or("", |(_, host)| host);
    let place = app.places.place(host, request.uri().path());
    let Some(vendor) = place.vendor else { return request };
    if let Some(path) = place.path {
        let meant = match request.uri().query() {
            Some(query) => format!("{path}?{query}"),
            None => path,
        };
        // What does not stand in an address any more is left as it came, where no vendor's route is.
        if let Ok(meant) = PathAndQuery::try_from(meant) {
            let mut parts = request.uri().clone().into_parts();
            parts.path_and_query = Some(meant);
            *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        }
    }
    let base = format!("{base}{}", place.mounted.prefix);
    let path = request.uri().path().to_owned();
    let addressed = Addressed { vendor, path, mounted: place.mounted, base, allowance: Arc::default() };
    request.extensions_mut().insert(addressed);
    request
}

/// Writes a problem in the vendor's form into an answer whose headers stand.
pub(crate) fn refuse(addressed: &Addressed, problem: &Problem, request_id: &str, response: &mut Response) {
    let Addressed { vendor, path, .. } = addressed;
    if response.status() == axum::http::StatusCode::BAD_REQUEST
        && let Ok(status) = vendor.invalid_status.try_into()
    {
        *response.status_mut() = status;
    }
    let refused = Refused {
        status: response.status().as_u16(),
        message: problem.detail(),
        parameter: problem.parameter(),
        request_id,
    };
    *response.body_mut() = Body::from(vendor.error(path, &refused));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
}

/// Adds what every answer of the vendor says of the key's limits.
pub(crate) fn tell_allowance(addressed: &Addressed, response: &mut Response) {
    let Some(allowance) = addressed.allowance.get() else { return };
    for (name, value) in (addressed.vendor.rate_headers)(allowance) {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
}

fn order(list: &List) -> Order {
    let keys = list.order.iter().map(|(key, direction)| {
        let key = match key {
            SortKey::OccurredAt => annals_ledger::SortKey::OccurredAt,
            SortKey::ReceivedAt => annals_ledger::SortKey::Received,
            SortKey::StatusCode => annals_ledger::SortKey::StatusCode,
        };
        let direction = match direction {
            Direction::Rising => annals_ledger::Direction::Rising,
            Direction::Falling => annals_ledger::Direction::Falling,
        };
        (key, direction)
    });
    Order::new(keys.collect())
}

/// Shows a record as dialects see it.
fn with_subject<T>(record: &Record, see: impl FnOnce(&Subject<'_>) -> T) -> Result<T, Problem> {
    let mut document = Document::default();
    let event = document.parse(&record.event, LIMITS).map_err(|rejection| {
        tracing::error!(tenant = %record.tenant, position = record.position.0, code = rejection.code.as_str(), "a stored event is not JSON");
        Problem::new(Code::Damaged, "a stored event is damaged; the operator finds which in the server's diagnostics")
    })?;
    let known = Known {
        occurred_at: record.occurred_at.unwrap_or(record.received_at),
        received_at: record.received_at,
        operation: record.operation,
        position: record.position,
        tenant: &record.tenant,
    };
    Ok(see(&Subject { event, known }))
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(Code::ParameterValue, refusal.message).in_parameter(refusal.parameter)
    }
}
