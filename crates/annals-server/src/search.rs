//! Finding events: `GET /v1/events`.
//!
//! A question is asked by parameters, or continued by a cursor, which carries the question. So a cursor works alone, and what
//! is given beside it must be the same question; only how it is answered (`limit`, `partial`) may change from page to page.

use std::sync::Arc;

use annals_event::TenantId;
use annals_ledger::{Cursor, Direction, FeedScope, LogKind, Order, SearchPage, Start, TenantLog};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::Asker;
use crate::conditions::Conditions;
use crate::page::{self, Page, wants_lines};
use crate::problem::{Code, Problem, ProblemBody};
use crate::query::{Known, Params, value};
use crate::reading::Reading;
use crate::searching::{self, Asked};

/// Events of a page when no `limit` is given, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// Longest header `Link`, bytes. Proxies refuse answers whose headers are long; `next` says the same.
const LINK_BYTES_MAX: usize = 4 << 10;

/// The API that these cursors are for.
const VIEW: &str = "v1";

const PARAMETERS: Known<'_> = Known {
    once: &["limit", "order", "cursor", "skip", "size", "total", "partial", "tenant", "log"],
    many: &[],
    conditions: true,
};

/// A page of events.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct EventsAnswer {
    /// What was found, in order: each as `GET /v1/events/{id}` gives it; with a platform key also `tenant` and `ledger_seq`.
    events: Vec<Value>,
    /// The cursor of the next page; `null` at the end.
    next: Option<String>,
    /// How many records there were when the first page was asked for; later ones are on no page.
    size: u64,
    /// How many events match, with `total=true`; `null` if there was no time to count them.
    total: Option<u64>,
    /// True when the time was up before the page was full.
    partial: Option<bool>,
}

/// What is asked, as a cursor carries it. Cursors never expire: members may be added, with a default, and none changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Question {
    conditions: Conditions,
    order: Sort,
    total: bool,
    partial: bool,
    limit: usize,
}

/// By the time of occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sort {
    Desc,
    Asc,
}

impl Sort {
    /// The one that `order` names, if it does.
    pub(crate) fn read(params: &Params) -> Result<Option<Self>, Problem> {
        match params.text("order") {
            None => Ok(None),
            Some("desc") => Ok(Some(Self::Desc)),
            Some("asc") => Ok(Some(Self::Asc)),
            Some(_) => Err(value("order", "must be `desc` or `asc`")),
        }
    }

    /// Its direction.
    pub(crate) fn direction(self) -> Direction {
        match self {
            Self::Desc => Direction::Falling,
            Self::Asc => Direction::Rising,
        }
    }

    fn order(self) -> Order {
        Order::occurred(self.direction())
    }
}

impl Question {
    /// The question that the parameters ask, or the one that the cursor continues.
    fn read(params: &Params, cursor: Option<&Cursor>) -> Result<Self, Problem> {
        let limit = params.text("limit").map(|_| params.limit(LIMIT, LIMIT_MAX)).transpose()?;
        let order = Sort::read(params)?;
        let flag = |name| params.text(name).map(|_| params.flag(name)).transpose();
        let (total, partial) = (flag("total")?, flag("partial")?);
        let conditions = &params.conditions;
        let Some(cursor) = cursor else {
            return Ok(Self {
                conditions: conditions.clone(),
                order: order.unwrap_or(Sort::Desc),
                total: total.unwrap_or(false),
                partial: partial.unwrap_or(false),
                limit: limit.unwrap_or(LIMIT),
            });
        };
        let question: Self = serde_json::from_str(&cursor.question).map_err(|_| no_cursor())?;
        let changed = if order.is_some_and(|order| order != question.order) {
            Some("order")
        } else if total.is_some_and(|total| total != question.total) {
            Some("total")
        } else if conditions.is_empty() {
            None
        } else {
            conditions.difference(&question.conditions)
        };
        match changed {
            Some(name) => Err(mismatch(name)),
            None => Ok(Self {
                partial: partial.unwrap_or(question.partial),
                limit: limit.unwrap_or(question.limit),
                ..question
            }),
        }
    }

    /// As a cursor carries it.
    fn text(&self) -> String {
        serde_json::to_string(self).expect("texts, numbers and flags serialise")
    }

    /// The parameters that ask this question from its beginning, in one log or all.
    fn query(&self, reading: &Reading) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.conditions.pairs());
        if let FeedScope::Log(log) = &reading.scope {
            if reading.for_platform {
                query.append_pair("tenant", log.tenant.as_str());
            }
            if log.kind == LogKind::Access {
                query.append_pair("log", "access");
            }
        }
        if self.order == Sort::Asc {
            query.append_pair("order", "asc");
        }
        for (name, given) in [("total", self.total), ("partial", self.partial)] {
            if given {
                query.append_pair(name, "true");
            }
        }
        if self.limit != LIMIT {
            query.append_pair("limit", &self.limit.to_string());
        }
        query.finish()
    }
}

/// Finds events.
///
/// Newest first, by the time of occurrence, then by position; `order=asc` turns that round. A tenant's key searches its tenant;
/// a platform key all tenants, or with `tenant=` that one. Conditions hold all together, and one that is repeated is any of
/// its values. `next` is the cursor of the next page: alone it continues, as of the `size` of the first page, so later events
/// move nothing. `skip` with that `size` gives any page in between. `Accept: application/x-ndjson` gives one event a line, and `next`, `size` and `total` as the headers
/// `annals-next` (absent at the end), `annals-size` and `annals-total`.
#[utoipa::path(
    get, path = "/v1/events", tag = "events",
    params(
        ("limit" = Option<u64>, Query, description = "At most so many events; 100 by default, up to 1,000"),
        ("order" = Option<String>, Query, description = "`desc` (default): newest first; `asc`: oldest first"),
        ("cursor" = Option<String>, Query, description = "`next` of an earlier page: continues its question"),
        ("skip" = Option<u64>, Query, description = "Begin with what follows so many events that match; not beside `cursor`"),
        ("size" = Option<u64>, Query, description = "As of so many records, such as the `size` of an earlier page; all there are by default; not beside `cursor`"),
        ("total" = Option<bool>, Query, description = "Count all events that match"),
        ("partial" = Option<bool>, Query, description = "When the time is up, give a short page with `next` rather than none"),
        ("tenant" = Option<String>, Query, description = "With a platform key: one tenant"),
        ("log" = Option<String>, Query, description = "`events` (default) or `access`"),
        Conditions,
    ),
    responses(
        (status = 200, description = "A page; the header `Link` leads to the first and the next one", content((EventsAnswer = "application/json"), (String = "application/x-ndjson"))),
        (status = 400, description = "A parameter, the filter or the cursor is not allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `read` or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "What must be read is damaged", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The search takes more than 5 s, or too many wait", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["read"])),
)]
pub(crate) async fn events(
    State(app): State<Arc<App>>,
    asker: Asker,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let params = asker.asked(&PARAMETERS)?;
    let cursor = params.text("cursor").map(|text| read_cursor(&app, &asker, text)).transpose()?;
    let question = Question::read(&params, cursor.as_ref())?;
    let (skip, size) = (params.number("skip")?.unwrap_or(0), params.number("size")?);
    for name in ["skip", "size"] {
        if cursor.is_some() && params.text(name).is_some() {
            return Err(value(
                name,
                "cannot stand beside `cursor`, which says where the page begins, and as of which size",
            ));
        }
    }
    let of_size = if cursor.is_some() { "cursor" } else { "size" };
    let matcher = app.matcher(&asker, &question.conditions).await.map_err(|problem| match cursor {
        // The question was fine when the cursor was given.
        Some(_) => no_cursor(),
        None => problem,
    })?;
    let (tenant, kind) = place(&asker, &params, cursor.as_ref())?;
    let filter = question.conditions.on_record();
    let reading = Reading::enter(&app, &asker, tenant, kind, filter).await?;
    let total = cursor.as_ref().and_then(|cursor| cursor.total).filter(|_| question.total);
    let asked = Asked {
        scope: reading.scope.clone(),
        matcher: Arc::new(matcher),
        order: question.order.order(),
        sent_only: false,
        size: cursor.as_ref().map(|cursor| cursor.size).or(size),
        start: cursor.map_or(Start::Skip(skip), |cursor| cursor.start),
        limit: question.limit,
        count: question.total && total.is_none(),
    };
    let mut page = searching::search(&app, asked).await.map_err(|problem| match problem.code() {
        Code::OutOfRange => problem.in_parameter(of_size),
        _ => problem,
    })?;
    page.total = page.total.or(total);
    // What was left to do may have been the counting alone.
    page.partial &= page.next.is_some() && page.records.len() < question.limit;
    if !question.partial && (page.partial || question.total && page.total.is_none()) {
        return Err(searching::too_much_work(if page.partial {
            "ask for a shorter time with `since` and `until`, or take short pages with `partial=true`"
        } else {
            "leave out `total`, or ask for a shorter time with `since` and `until`"
        }));
    }
    if !reading.on_record && !page.records.is_empty() {
        // The tenant began after the request was let in.
        reading.enter_again(&app, &asker).await?;
    }
    let next = page.next.clone().map(|place| {
        let cursor = Cursor {
            view: view_of(&asker),
            scope: reading.scope.clone(),
            question: question.text(),
            size: page.size,
            total: page.total,
            start: Start::After(place),
        };
        app.ledger.write_cursor(&cursor).expect("conditions are short enough")
    });
    let origin = app.origin.text(&asker.call.uri, &headers);
    answer(page, next, &question, &reading, &origin, wants_lines(&headers))
}

fn read_cursor(app: &App, asker: &Asker, text: &str) -> Result<Cursor, Problem> {
    let cursor = app.ledger.read_cursor(text);
    cursor.ok().filter(|cursor| cursor.view == view_of(asker)).ok_or_else(no_cursor)
}

/// What cursors that are given to this caller are for: a viewer token goes on only where one with the same view was, as a cursor
/// may carry how many events match.
fn view_of(asker: &Asker) -> String {
    match &asker.caller.view {
        Some(view) => format!("{VIEW} {}", view.name),
        None => VIEW.to_owned(),
    }
}

fn no_cursor() -> Problem {
    let detail = "`cursor` is not one that this route of this server gave; it may have been cut or changed, or come from \
                  elsewhere. Begin anew without it";
    Problem::new(Code::Cursor, detail).in_parameter("cursor")
}

fn mismatch(name: &str) -> Problem {
    let detail = format!(
        "`{name}` is not as in the question that `cursor` continues; give the cursor alone, or begin anew without it"
    );
    Problem::new(Code::CursorMismatch, detail).in_parameter(name)
}

/// The tenant, as [`Reading::enter`] takes it, and its log: those of the cursor, with which what the key and the parameters name
/// must agree.
fn place(
    asker: &Asker,
    params: &Params,
    cursor: Option<&Cursor>,
) -> Result<(Result<Option<TenantId>, Problem>, LogKind), Problem> {
    let named = params.tenant()?;
    let kind = params.log_kind()?;
    let Some(cursor) = cursor else {
        return Ok(match kind {
            LogKind::Tenant => (asker.caller.tenant_or_all(named), kind),
            LogKind::Access => (asker.caller.one_tenant(named).map(Some), kind),
        });
    };
    let allowed = asker.caller.tenant_or_all(named.clone());
    if allowed.is_err() {
        return Ok((allowed, kind));
    }
    let (tenant, found) = match &cursor.scope {
        FeedScope::All => (None, LogKind::Tenant),
        FeedScope::Log(TenantLog { tenant, kind }) => (Some(tenant.clone()), *kind),
    };
    if let Some(own) = &asker.caller.tenant
        && tenant.as_ref() != Some(own)
    {
        let detail = match tenant {
            None => "`cursor` is over all tenants; only a platform key continues it",
            Some(_) => "`cursor` is not for the key's tenant; begin anew without it",
        };
        return Err(Problem::new(Code::Cursor, detail).in_parameter("cursor"));
    }
    if named.is_some() && named != tenant {
        return Err(mismatch("tenant"));
    }
    if params.text("log").is_some() && kind != found {
        return Err(mismatch("log"));
    }
    Ok((Ok(tenant), found))
}

fn answer(
    found: SearchPage,
    next: Option<String>,
    question: &Question,
    reading: &Reading,
    origin: &str,
    lines: bool,
) -> Result<Response, Problem> {
    let mut headers = HeaderMap::new();
    let first = format!("<{origin}/v1/events?{}>; rel=\"first\"", question.query(reading));
    let link = match &next {
        Some(next) => format!("<{origin}/v1/events?cursor={next}>; rel=\"next\", {first}"),
        None => first,
    };
    if let Ok(link) = HeaderValue::from_str(&link)
        && link.len() <= LINK_BYTES_MAX
    {
        headers.insert(header::LINK, link);
    }
    let mut closing = format!("],\"next\":{},\"size\":{}", json!(next), found.size);
    if lines {
        if let Some(next) = next.and_then(|next| HeaderValue::try_from(next).ok()) {
            headers.insert("annals-next", next);
        }
        headers.insert("annals-size", found.size.into());
        if let Some(total) = found.total {
            headers.insert("annals-total", total.into());
        }
        if found.partial {
            headers.insert("annals-partial", HeaderValue::from_static("true"));
        }
    }
    if question.total {
        closing.push_str(&format!(",\"total\":{}", json!(found.total)));
    }
    closing.push_str(if found.partial { ",\"partial\":true}" } else { "}" });
    let page = Page {
        records: found.records,
        write: page::as_sent(reading.shape.clone()),
        lines,
        opening: "{\"events\":[".into(),
        closing: closing.into_bytes(),
    };
    page.answer(headers)
}
