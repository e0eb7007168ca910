//! Vendors' APIs: their routes, and what all of them do between a request read and an answer written.
//!
//! What a vendor says on the wire is in `annals-dialects`. Here its questions become searches, its cursors are read and
//! given, and its readers stand in the access log like all others. A key needs the scope `read`, or the vendor among its
//! `dialects`. Every problem below a vendor's root is answered in that vendor's form: see [`refuse`].

use std::sync::Arc;

use annals_dialects::params::PARAMS_BYTES_MAX;
use annals_dialects::{Direction, List, Params, Refusal, SortKey, Vendor};
use annals_event::filter::{Known, Matcher, Subject};
use annals_event::json::{Document, Limits};
use annals_event::{TenantId, check_event_id};
use annals_ledger::cursor::QUESTION_BYTES_MAX;
use annals_ledger::{Cursor, FeedScope, LogKind, Order, Place, Record, Scope, SearchPage, Start, TenantLog};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::auth::Asker;
use crate::problem::{Code, Problem};
use crate::query::value;
use crate::reading::Reading;
use crate::searching::{self, Asked};

pub(crate) mod nirvana;

// A percent sign and two digits for each byte, and the names.
const _: () = assert!(3 * PARAMS_BYTES_MAX + 1024 <= QUESTION_BYTES_MAX);

/// Limits to parse stored events with: they were met when the events were taken.
const LIMITS: Limits = Limits { depth_max: usize::MAX };

/// Routes under a second name, which are described under their first.
pub(crate) fn aliases() -> Router<Arc<App>> {
    Router::new().route("/v1/audit_logs/", get(nirvana::list))
}

/// Writes a problem in the vendor's form into an answer whose status and headers stand.
pub(crate) fn refuse(vendor: &Vendor, problem: &Problem, response: &mut Response) {
    let status = response.status().as_u16();
    *response.body_mut() = Body::from((vendor.write_error)(status, problem.detail()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
}

impl Asker {
    /// The request as one to a vendor's API: the key may read if that is among its dialects; a slash at the end of the route
    /// makes no other.
    fn of_vendor(mut self, vendor: &Vendor) -> Self {
        if self.caller.dialects.iter().any(|dialect| dialect == vendor.name) {
            self.caller.scopes.push(Scope::Read);
        }
        self.call.route.truncate(self.call.route.trim_end_matches('/').len());
        self
    }

    /// The tenant whose events the key reads, as [`Reading::enter`] takes it. That a platform key names none is a lack of
    /// permission here: the vendor's parameters, which its client gave, are fine.
    fn vendors_tenant(&self) -> Result<TenantId, Problem> {
        let query = self.call.uri.query().unwrap_or_default();
        let named = Params::read(query, &["tenant"])?.take("tenant");
        let named = named
            .map(|text| TenantId::from_stored(&text).map_err(|error| value("tenant", &error.to_string())));
        self.caller.one_tenant(named.transpose()?).map_err(|problem| match problem.code() {
            Code::TenantRequired => Problem::new(Code::TenantDenied, problem.detail().to_owned()),
            _ => problem,
        })
    }
}

/// A page of a vendor's list.
struct Found {
    records: Vec<Record>,
    next: Option<String>,
    previous: Option<String>,
    total: u64,
}

impl Found {
    /// The page that a request asks for, put on record as read. `view` is whose cursors it takes and gives; `read` reads parameters into a list, of which `limit` says the
    /// size of a page.
    async fn look_up(
        app: &App,
        asker: &Asker,
        (vendor, view): (&Vendor, &str),
        limit: &'static str,
        read: impl Fn(&str) -> Result<List, Refusal>,
    ) -> Result<Self, Problem> {
        let list = read(asker.call.uri.query().unwrap_or_default())?;
        let tenant = asker.vendors_tenant();
        let cursor = list.cursor.as_deref().map(|text| app.ledger.read_cursor(text)).transpose();
        let cursor = cursor.map_err(|_| no_cursor())?;
        let list = match &cursor {
            None => list,
            Some(cursor) => {
                let elsewhere = tenant.as_ref().is_ok_and(|tenant| cursor.scope != events_of(tenant));
                if cursor.view != view || elsewhere {
                    return Err(no_cursor());
                }
                // What was asked then was read then.
                list.resume(read(&cursor.question).map_err(|_| no_cursor())?).map_err(|refusal| {
                    Problem::new(Code::CursorMismatch, refusal.message).in_parameter("cursor")
                })?
            }
        };
        let filter = list.asked.pairs().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        let reading = Reading::enter(app, asker, tenant.map(Some), LogKind::Tenant, filter).await?;
        let total = cursor.as_ref().and_then(|cursor| cursor.total);
        let asked = Asked {
            scope: reading.scope.clone(),
            matcher: Arc::new(Matcher::new(list.condition.clone())),
            order: order(&list),
            sent_only: true,
            size: cursor.as_ref().map(|cursor| cursor.size),
            start: cursor.map_or(Start::First, |cursor| cursor.start),
            limit: list.limit.unwrap_or(vendor.page_size.default),
            count: total.is_none(),
        };
        let mut page = searching::search(app, asked).await.map_err(|problem| match problem.code() {
            Code::Busy => busy(),
            Code::OutOfRange => problem.in_parameter("cursor"),
            _ => problem,
        })?;
        page.total = page.total.or(total);
        if page.partial {
            return Err(busy());
        }
        if !reading.on_record && !page.records.is_empty() {
            // The tenant began after the request was let in.
            reading.enter_again(app, asker).await?;
        }
        Ok(Self::of(app, view, &reading.scope, &list.question(limit), page))
    }

    fn of(app: &App, view: &str, scope: &FeedScope, question: &str, page: SearchPage) -> Self {
        let cursor = |start: fn(Place) -> Start, place: Option<Place>| {
            let cursor = Cursor {
                view: view.to_owned(),
                scope: scope.clone(),
                question: question.to_owned(),
                size: page.size,
                total: page.total,
                start: start(place?),
            };
            Some(app.ledger.write_cursor(&cursor).expect("a question is short enough, as asserted above"))
        };
        Self {
            next: cursor(Start::After, page.next),
            previous: cursor(Start::Before, page.previous),
            total: page.total.expect("all were counted, unless the page is partial"),
            records: page.records,
        }
    }
}

/// The record with this id, put on record as read. What annals itself has written is no entry of a vendor's.
async fn find(app: &App, asker: &Asker, id: &str) -> Result<Record, Problem> {
    // What cannot be an id is no filter either: it may be of any length.
    let id = Some(id).filter(|id| check_event_id(id).is_ok());
    let filter: Map<String, Value> = id.map(|id| ("id".to_owned(), json!(id))).into_iter().collect();
    let tenant = asker.vendors_tenant().map(Some);
    let reading = Reading::enter(app, asker, tenant, LogKind::Tenant, filter).await?;
    // A tenant that begins only now has its first event found by a request that can be put on record.
    let record = match (&reading.scope, id) {
        (FeedScope::Log(log), Some(id)) if reading.on_record => app.by_id(log, id).await?,
        _ => None,
    };
    let missing = || Problem::new(Code::EventUnknown, "audit log not found");
    let record = record.ok_or_else(missing)?;
    let is_ours = with_subject(&record, |record| {
        record
            .event
            .get("action")
            .and_then(|action| action.as_str())
            .is_some_and(|action| action.starts_with("annals."))
    })?;
    if is_ours { Err(missing()) } else { Ok(record) }
}

fn events_of(tenant: &TenantId) -> FeedScope {
    FeedScope::Log(TenantLog { tenant: tenant.clone(), kind: LogKind::Tenant })
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

fn no_cursor() -> Problem {
    let detail = "`cursor` is not one that this route gave to this tenant; it may have been cut or changed, or the server's settings were; begin anew without it";
    Problem::new(Code::Cursor, detail).in_parameter("cursor")
}

fn busy() -> Problem {
    Problem::new(Code::Busy, "too much is being looked for; try again in a moment, or ask for a shorter time")
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(Code::ParameterValue, refusal.message).in_parameter(refusal.parameter)
    }
}
