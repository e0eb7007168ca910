//! A request to a vendor's API, from its key to its answer. A vendor's handlers say which list is meant; all else is here.

use std::sync::Arc;
use std::time::Duration;

use annals_dialects::{Address, Api, Envelope, KeyPlace, List, Params, Rate, Shown, Vendor};
use annals_event::filter::{Comparison, Condition, Matcher};
use annals_event::{Position, TenantId, Timestamp, check_event_id};
use annals_ledger::{Cursor, FeedScope, LogKind, Place, Record, Scope, SearchPage, Start, TenantLog};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::{Addressed, order, with_subject};
use crate::app::{self, App};
use crate::auth::{self, Asker, Call, Caller};
use crate::page::Page;
use crate::problem::{Code, Problem};
use crate::reading::Reading;
use crate::searching::{self, Asked};
use crate::viewer_tokens::ViewerToken;

/// Actions that annals itself writes begin so. What it has written is no entry of a vendor's.
const OWN_ACTIONS: &str = "annals.";

const DAY: Duration = Duration::from_secs(86_400);

/// A request to a vendor's API whose key is good and has requests left.
pub(crate) struct VendorCall {
    asker: Asker,
    addressed: Addressed,
    /// The tenant that the path names.
    named: Option<String>,
}

impl FromRequestParts<Arc<App>> for VendorCall {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let addressed = parts.extensions.get::<Addressed>().cloned();
        let Some(addressed) = addressed else {
            return Err(Problem::new(
                Code::RouteUnknown,
                "there is no such route; `/openapi.json` lists them all",
            ));
        };
        if let Some(token) = ViewerToken::of(&parts.headers) {
            token.enter(app, parts).await?;
            return Err(Problem::new(Code::ViewerDenied, "a viewer token does not open a vendor's API"));
        }
        let vendor = addressed.vendor;
        let mut call = Call::of(parts);
        let shown = shown_key(vendor, parts);
        let caller = match auth::authenticate_with(app, &parts.headers, shown.as_deref()) {
            Ok(caller) => caller,
            Err(problem) => {
                app.access.unknown(&call, &problem);
                return Err(problem);
            }
        };
        call.route.truncate(call.route.trim_end_matches('/').len());
        take_allowance(app, &addressed, &caller)?;
        let mut asker = Asker { caller, call };
        if asker.caller.dialects.iter().any(|dialect| dialect == vendor.name) {
            asker.caller.scopes.push(Scope::Read);
        }
        Ok(Self { asker, addressed, named: None })
    }
}

/// The key, where it is not in `Authorization`.
fn shown_key(vendor: &Vendor, parts: &Parts) -> Option<String> {
    vendor.keys.iter().find_map(|place| match place {
        KeyPlace::Header(name) => parts.headers.get(*name)?.to_str().ok().map(str::to_owned),
        KeyPlace::Query(name) => {
            Params::read(parts.uri.query().unwrap_or_default(), &[name]).ok()?.take(name)
        }
    })
}

fn take_allowance(app: &App, addressed: &Addressed, caller: &Caller) -> Result<(), Problem> {
    let vendor = addressed.vendor;
    let bounds = app.settings.dialects.bounds_of(vendor);
    let rate = if bounds.vendors_limits { vendor.rate } else { Rate::OURS };
    let mut allowances = app.allowances.lock().expect("no holder of this lock panics");
    let taken = allowances.take(vendor.name, &caller.key_id.0, rate, app.ledger.clock().now());
    drop(allowances);
    let (allowance, is_left) = match taken {
        Ok(allowance) => (allowance, true),
        Err(allowance) => (allowance, false),
    };
    addressed.allowance.get_or_init(|| allowance);
    if is_left {
        return Ok(());
    }
    let Rate { requests, seconds } = rate;
    let wait = allowance.seconds_left;
    let detail = format!("the key has made {requests} requests within {seconds} s; come back in {wait} s");
    Err(Problem::new(Code::RateLimited, detail).retry_after(u32::try_from(wait).unwrap_or(u32::MAX)))
}

impl VendorCall {
    /// The request's path names the tenant: a key of another is refused.
    pub(crate) fn of_tenant(self, named: &str) -> Self {
        Self { named: Some(named.to_owned()), ..self }
    }

    /// Who asks.
    pub(crate) fn caller(&self) -> &Caller {
        &self.asker.caller
    }

    /// The request's id.
    pub(crate) fn request_id(&self) -> &str {
        self.asker.call.id.as_str()
    }

    fn query(&self) -> &str {
        self.asker.call.uri.query().unwrap_or_default()
    }

    /// The tenant whose events the key reads. It may be named by the query, the path, and where the API is; all of them must agree.
    /// That a platform key names none is a lack of permission here: the vendor's parameters, which its client gave, are fine.
    ///
    /// # Errors
    ///
    /// `tenant_denied`, or `parameter_value` when the query names what is no tenant's name.
    pub(crate) fn tenant(&self) -> Result<TenantId, Problem> {
        let in_query = Params::read(self.query(), &["tenant"])?.take("tenant");
        let in_query = in_query
            .map(|text| {
                TenantId::from_stored(&text)
                    .map_err(|error| crate::query::value("tenant", &error.to_string()))
            })
            .transpose()?;
        let denied = |detail: &'static str| Problem::new(Code::TenantDenied, detail);
        let mut named = in_query;
        for text in [&self.named, &self.addressed.mounted.tenant].into_iter().flatten() {
            let other = TenantId::from_stored(text)
                .map_err(|_| denied("the key is bound to another tenant than the address names"))?;
            if named.as_ref().is_some_and(|named| *named != other) {
                return Err(denied("the address and the query name different tenants"));
            }
            named = Some(other);
        }
        self.asker.caller.one_tenant(named).map_err(|problem| match problem.code() {
            Code::TenantRequired => Problem::new(Code::TenantDenied, problem.detail().to_owned()),
            _ => problem,
        })
    }

    /// Answers a request for a list.
    ///
    /// # Errors
    ///
    /// What is said in the vendor's form.
    pub(crate) async fn list<A: Api>(&self, app: &App, api: A) -> Result<Response, Problem> {
        self.list_with(app, api, &[]).await
    }

    /// As [`VendorCall::list`], with a body that has parameters too.
    ///
    /// # Errors
    ///
    /// As [`VendorCall::list`].
    pub(crate) async fn list_with<A: Api>(
        &self,
        app: &App,
        api: A,
        body: &[u8],
    ) -> Result<Response, Problem> {
        let read = |query: &str, body: &[u8]| {
            let params = Params::read_as(query, |said| api.parameter(said))?;
            api.read(params.with_body(body, |said| api.parameter(said))?)
        };
        let list = read(self.query(), body)?;
        let tenant = self.tenant();
        let view = api.view();
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
                let of = read(&cursor.question, &[]).map_err(|_| no_cursor())?;
                resumed(list, of, api.binds_cursors())?
            }
        };
        let filter = list.asked.pairs().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        let reading = Reading::enter(app, &self.asker, tenant.map(Some), LogKind::Tenant, filter).await?;
        let page_size = list.limit.unwrap_or(api.page_size().default);
        let known_total = cursor.as_ref().and_then(|cursor| cursor.total);
        let asked = Asked {
            scope: reading.scope.clone(),
            matcher: Arc::new(Matcher::new(self.within_window(app, &api, list.condition.clone()))),
            order: order(&list),
            sent_only: true,
            size: cursor.as_ref().map(|cursor| cursor.size).or(list.number.and_then(|number| number.as_of)),
            start: match (cursor, list.number) {
                (Some(cursor), _) => cursor.start,
                (None, Some(number)) => Start::Skip(number.skips(page_size)),
                (None, None) => Start::First,
            },
            limit: page_size,
            count: list.count && known_total.is_none(),
        };
        let mut page = searching::search(app, asked).await.map_err(|problem| match problem.code() {
            Code::Busy => busy(),
            Code::OutOfRange if list.number.is_some() => problem.in_parameter(annals_dialects::list::AS_OF),
            Code::OutOfRange => problem.in_parameter("cursor"),
            _ => problem,
        })?;
        page.total = page.total.filter(|_| list.count).or(known_total);
        if page.partial {
            return Err(busy());
        }
        if !reading.on_record && !page.records.is_empty() {
            // The tenant began after the request was let in.
            reading.enter_again(app, &self.asker).await?;
        }
        let address = self.address(&api, &list, !body.is_empty());
        self.answer(app, api, &reading.scope, &list, &address, page)
    }

    /// What a vendor shows of what is found: nothing older than its window.
    fn within_window<A: Api>(&self, app: &App, api: &A, condition: Condition) -> Condition {
        match self.window_begins(app, A::VENDOR) {
            Some(at) => condition.and(api.common().time.is(Comparison::AtLeast, at)),
            None => condition,
        }
    }

    fn window_begins(&self, app: &App, vendor: &Vendor) -> Option<Timestamp> {
        let days =
            self.addressed.mounted.window_days.or(app.settings.dialects.bounds_of(vendor).window_days)?;
        let window = i64::try_from((DAY * days).as_micros()).unwrap_or(i64::MAX);
        let at = app.ledger.clock().now().as_micros().saturating_sub(window);
        Some(Timestamp::from_micros(at).unwrap_or(Timestamp::MIN))
    }

    fn answer<A: Api>(
        &self,
        app: &App,
        api: A,
        scope: &FeedScope,
        list: &List,
        address: &Address,
        page: SearchPage,
    ) -> Result<Response, Problem> {
        let more = page.next.is_some();
        let question = list.question(A::FORM.size);
        let cursor = |start: fn(Place) -> Start, place: Option<Place>| {
            let cursor = Cursor {
                view: api.view(),
                scope: scope.clone(),
                question: question.clone(),
                size: page.size,
                total: page.total,
                start: start(place.filter(|_| list.number.is_none())?),
            };
            Some(app.ledger.write_cursor(&cursor).expect("a question is short enough, as asserted above"))
        };
        let (next, previous) = (cursor(Start::After, page.next), cursor(Start::Before, page.previous));
        let envelope = api.envelope(&Shown {
            list,
            entries: page.records.len(),
            page_size: list.limit.unwrap_or(api.page_size().default),
            page: list.number.map_or(1, |number| number.page),
            first_page: api.common().first_page,
            more,
            total: page.total,
            as_of: page.size,
            next: next.as_deref(),
            previous: previous.as_deref(),
            address,
            request_id: self.request_id(),
        });
        let headers = headers(&envelope);
        let asked = list.asked.clone();
        let write = move |record: &Record, out: &mut Vec<u8>| {
            with_subject(record, |record| api.write_entry(record, &asked, out))
        };
        let Envelope { opening, closing, .. } = envelope;
        Page { records: page.records, write, lines: false, opening, closing }.answer(headers)
    }

    /// How the page was asked for. What stood in a body stands in the query here: links have no body.
    fn address<A: Api>(&self, api: &A, list: &List, has_body: bool) -> Address {
        let keys = self.addressed.vendor.keys;
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(self.query().as_bytes()) {
            let is_key = keys.iter().any(|place| matches!(place, KeyPlace::Query(key) if *key == name));
            let is_asked_below = has_body && api.parameter(&name).is_some();
            if !is_key && !is_asked_below {
                query.append_pair(&name, &value);
            }
        }
        if has_body {
            let question = list.question(A::FORM.size);
            query.extend_pairs(form_urlencoded::parse(question.as_bytes()));
        }
        Address {
            base: self.addressed.base.clone(),
            path: self.asker.call.uri.path().to_owned(),
            query: query.finish(),
        }
    }

    /// Answers with the entry of the event with this id.
    ///
    /// # Errors
    ///
    /// `event_unknown`, and what a list has.
    pub(crate) async fn entry<A: Api>(&self, app: &App, api: A, id: &str) -> Result<Response, Problem> {
        // What cannot be an id is no filter either: it may be of any length.
        let id = Some(id).filter(|id| check_event_id(id).is_ok());
        let filter = id.map(|id| ("id".to_owned(), json!(id))).into_iter().collect();
        let log = self.enter(app, filter).await?;
        let record = match (log, id) {
            (Some(log), Some(id)) => app.by_id(&log, id).await?,
            _ => None,
        };
        self.answer_one(app, api, record)
    }

    /// Answers with the entry of the event at this position; none is nowhere.
    ///
    /// # Errors
    ///
    /// As [`VendorCall::entry`].
    pub(crate) async fn entry_at<A: Api>(
        &self,
        app: &App,
        api: A,
        position: Option<Position>,
    ) -> Result<Response, Problem> {
        let filter =
            position.map(|position| ("position".to_owned(), json!(position.0))).into_iter().collect();
        let log = self.enter(app, filter).await?;
        let record = match (log, position) {
            (Some(log), Some(position)) => {
                let ledger = app.ledger.clone();
                app::blocking(move || ledger.at(&log, position)).await?
            }
            _ => None,
        };
        self.answer_one(app, api, record)
    }

    /// The log to find an entry in, put on record as read; none of a tenant that begins only now: it has its first event found by a
    /// request that can be put on record.
    async fn enter(&self, app: &App, filter: Map<String, Value>) -> Result<Option<TenantLog>, Problem> {
        let tenant = self.tenant().map(Some);
        let reading = Reading::enter(app, &self.asker, tenant, LogKind::Tenant, filter).await?;
        Ok(match reading.scope {
            FeedScope::Log(log) if reading.on_record => Some(log),
            _ => None,
        })
    }

    fn answer_one<A: Api>(&self, app: &App, api: A, record: Option<Record>) -> Result<Response, Problem> {
        let missing = || Problem::new(Code::EventUnknown, "audit log not found");
        let record = record.ok_or_else(missing)?;
        let begins = self.window_begins(app, A::VENDOR);
        let asked = Params::read_as(self.query(), |said| api.parameter(said))?;
        let Envelope { opening, closing, headers: more } = api.envelope_of_one(self.request_id());
        let mut out = opening.into_owned().into_bytes();
        let is_shown = with_subject(&record, |record| {
            let action = record.event.get("action").and_then(|action| action.as_str()).unwrap_or_default();
            let is_old = begins.is_some_and(|begins| api.common().time.of(&record.known) < begins);
            api.write_entry(record, &asked, &mut out);
            !is_old && !action.starts_with(OWN_ACTIONS)
        })?;
        if !is_shown {
            return Err(missing());
        }
        out.extend(closing);
        let mut response = app::json(StatusCode::OK, out);
        response.headers_mut().extend(headers(&Envelope { headers: more, ..Envelope::default() }));
        Ok(response)
    }
}

/// The list that a cursor was given for, as the request goes on with it.
fn resumed(list: List, of: List, is_bound: bool) -> Result<List, Problem> {
    if is_bound {
        return list
            .resume(of)
            .map_err(|refusal| Problem::new(Code::CursorMismatch, refusal.message).in_parameter("cursor"));
    }
    Ok(List { limit: list.limit.or(of.limit), cursor: list.cursor, ..of })
}

fn headers(envelope: &Envelope) -> HeaderMap {
    let pairs = envelope.headers.iter().filter_map(|(name, value)| {
        Some((HeaderName::from_static(name), HeaderValue::try_from(value).ok()?))
    });
    pairs.collect()
}

fn events_of(tenant: &TenantId) -> FeedScope {
    FeedScope::Log(TenantLog { tenant: tenant.clone(), kind: LogKind::Tenant })
}

fn no_cursor() -> Problem {
    let detail = "`cursor` is not one that this route gave to this tenant; it may have been cut or changed, or the server's settings were; begin anew without it";
    Problem::new(Code::Cursor, detail).in_parameter("cursor")
}

fn busy() -> Problem {
    Problem::new(Code::Busy, "too much is being looked for; try again in a moment, or ask for a shorter time")
}
