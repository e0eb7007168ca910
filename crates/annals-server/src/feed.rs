//! Records by position, for machines that poll: `GET /v1/feed`, and the access log, which is read in the same way.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use annals_event::TenantId;
use annals_ledger::{FeedPage, FeedScope, LogKind, Record, TenantLog};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Map, Value};

use crate::access::{Subject, Verb};
use crate::app::App;
use crate::auth::Asker;
use crate::problem::{Code, Problem, ProblemBody};
use crate::query::Params;

/// Records of a page when no `limit` is given, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// Longest `wait`.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// A page is written in pieces of about this size, each when the one before is on its way.
const PIECE_BYTES: usize = 64 << 10;

/// A page of a feed.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct FeedAnswer {
    /// The records in order: what was sent, with `position`, `received_at` and `derived`; with a platform key also `tenant`
    /// and `ledger_seq`.
    records: Vec<Value>,
    /// Where to continue from.
    next: u64,
    /// How many records the feed has.
    size: u64,
}

/// A feed that a request may read.
pub(crate) struct Feed {
    /// What it runs over.
    pub(crate) scope: FeedScope,
    /// Records name their tenant.
    pub(crate) for_platform: bool,
    /// That it is read stands on record; a tenant that does not exist yet has nothing to put it on.
    on_record: bool,
}

impl Feed {
    /// The feed that the key and `tenant=` name, put on record as read.
    pub(crate) async fn enter(
        app: &App,
        asker: &Asker,
        params: &Params,
        kind: LogKind,
    ) -> Result<Self, Problem> {
        let named = params.tenant()?;
        let tenant = match kind {
            LogKind::Tenant => asker.caller.tenant_or_all(named),
            LogKind::Access => asker.caller.one_tenant(named).map(Some),
        };
        let tenant = app.entering(asker, Verb::Read, tenant).await?;
        let log = |tenant: TenantId| TenantLog { tenant, kind };
        let subject = tenant.clone().map_or(Subject::All, |tenant| Subject::Log(log(tenant)));
        let on_record = app.enter(asker, Verb::Read, &subject, Map::new()).await?;
        // A key's own tenant may have no event yet: its feed is empty, and can be waited on.
        if let Some(tenant) = tenant.as_ref().filter(|_| asker.caller.is_platform()) {
            app.known(tenant)?;
        }
        let scope = tenant.map_or(FeedScope::All, |tenant| FeedScope::Log(log(tenant)));
        Ok(Self { scope, for_platform: asker.caller.is_platform(), on_record })
    }

    /// Puts on record that a feed entered before is read on.
    pub(crate) async fn enter_again(app: &App, asker: &Asker, feed: &Self) -> Result<(), Problem> {
        let subject = match &feed.scope {
            FeedScope::All => Subject::All,
            FeedScope::Log(log) => Subject::Log(log.clone()),
        };
        app.enter(asker, Verb::Read, &subject, Map::new()).await.map(drop)
    }

    /// How many records there are; none yet when the tenant has no event.
    pub(crate) fn size(&self, app: &App) -> u64 {
        app.ledger.feed_size(&self.scope).unwrap_or(0)
    }

    /// At most `limit` records from `from` on.
    pub(crate) fn page(&self, app: &App, from: u64, limit: usize) -> FeedPage {
        app.ledger.feed(&self.scope, from, limit).unwrap_or(FeedPage {
            records: Vec::new(),
            next: from,
            size: 0,
        })
    }

    /// Refuses to start beyond the end: a cursor from elsewhere, or from before data was lost, must not wait in silence.
    pub(crate) fn check_from(&self, app: &App, from: u64, parameter: &str) -> Result<(), Problem> {
        let size = self.size(app);
        if from <= size {
            return Ok(());
        }
        let detail = format!(
            "`{parameter}` is {from}, but there are only {size} records; the cursor is from another feed, or records it knew were lost"
        );
        Err(Problem::new(Code::OutOfRange, detail).in_parameter(parameter))
    }
}

/// Reads records by position.
///
/// All records, late and old ones included, each exactly once. A tenant's key reads its tenant by position; a platform key
/// reads all tenants by ledger number, or with `tenant=` that tenant by position. With `wait`, an answer without records
/// comes only after that time. `Accept: application/x-ndjson` gives one record a line, and `next` and `size` as the headers
/// `annals-next` and `annals-size`.
#[utoipa::path(
    get, path = "/v1/feed", tag = "events",
    params(
        ("from" = Option<u64>, Query, description = "First position or ledger number; 0 by default"),
        ("limit" = Option<u64>, Query, description = "At most so many records; 100 by default, up to 1,000"),
        ("wait" = Option<String>, Query, description = "Wait up to this long for a record, such as `30s`; up to `60s`"),
        ("tenant" = Option<String>, Query, description = "With a platform key: one tenant"),
    ),
    responses(
        (status = 200, description = "A page", body = FeedAnswer),
        (status = 400, description = "A parameter is not allowed, or `from` is beyond the end", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `read` or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["read"])),
)]
pub(crate) async fn feed(
    State(app): State<Arc<App>>,
    asker: Asker,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    read(&app, &asker, &headers, LogKind::Tenant).await
}

/// Reads who read.
///
/// The access log of a tenant, by position, in the form of `GET /v1/feed`. Reading it is put on record in the access log of
/// `_annals`.
#[utoipa::path(
    get, path = "/v1/access", tag = "events",
    params(
        ("from" = Option<u64>, Query, description = "First position; 0 by default"),
        ("limit" = Option<u64>, Query, description = "At most so many records; 100 by default, up to 1,000"),
        ("wait" = Option<String>, Query, description = "Wait up to this long for a record, such as `30s`; up to `60s`"),
        ("tenant" = Option<String>, Query, description = "With a platform key: the tenant"),
    ),
    responses(
        (status = 200, description = "A page", body = FeedAnswer),
        (status = 400, description = "A parameter is not allowed, or `from` is beyond the end", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `read` or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["read"])),
)]
pub(crate) async fn access(
    State(app): State<Arc<App>>,
    asker: Asker,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    read(&app, &asker, &headers, LogKind::Access).await
}

async fn read(app: &App, asker: &Asker, headers: &HeaderMap, kind: LogKind) -> Result<Response, Problem> {
    let params = asker.params(&["from", "limit", "wait", "tenant"])?;
    let from = params.number("from")?.unwrap_or(0);
    let limit = params.limit(LIMIT, LIMIT_MAX)?;
    let wait = params.duration("wait", WAIT_MAX)?;
    let feed = Feed::enter(app, asker, &params, kind).await?;
    feed.check_from(app, from, "from")?;
    if !wait.is_zero() && feed.size(app) == from {
        tokio::select! {
            () = app.ledger.wait_beyond(&feed.scope, from) => {}
            () = tokio::time::sleep(wait) => {}
            () = app.stopped() => {}
        }
        if !app.is_live(&asker.caller) {
            return Err(Problem::new(Code::Unauthenticated, "the key has ended while the request waited"));
        }
    }
    let page = feed.page(app, from, limit);
    if !feed.on_record && !page.records.is_empty() {
        // The tenant began after the request was let in.
        Feed::enter_again(app, asker, &feed).await?;
    }
    Ok(write_page(page, wants_lines(headers), feed.for_platform))
}

/// Whether the sender prefers one record a line.
fn wants_lines(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|range| {
        let essence = range.split(';').next().unwrap_or_default().trim();
        ["application/x-ndjson", "application/ndjson", "application/jsonl"]
            .iter()
            .any(|lines| essence.eq_ignore_ascii_case(lines))
    })
}

fn write_page(page: FeedPage, lines: bool, for_platform: bool) -> Response {
    let bytes: usize = page.records.iter().map(|record| record.event.len() + 128).sum();
    let (next, size) = (page.next, page.size);
    let mut writer = PageWriter { page, at: 0, lines, for_platform, ended: false };
    let body = if bytes <= PIECE_BYTES {
        Body::from(writer.piece(usize::MAX).unwrap_or_default())
    } else {
        Body::from_stream(stream::unfold(writer, |mut writer| async move {
            writer.piece(PIECE_BYTES).map(|piece| (Ok::<_, Infallible>(Bytes::from(piece)), writer))
        }))
    };
    let kind = if lines { "application/x-ndjson" } else { "application/json" };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::HeaderName::from_static("annals-next"), next.into()),
        (header::HeaderName::from_static("annals-size"), size.into()),
    ];
    (StatusCode::OK, headers, body).into_response()
}

/// Writes a page piece by piece. The records share the ledger's bytes, so a page of large ones costs no copy of them all.
struct PageWriter {
    page: FeedPage,
    at: usize,
    lines: bool,
    for_platform: bool,
    ended: bool,
}

impl PageWriter {
    fn piece(&mut self, bytes: usize) -> Option<Vec<u8>> {
        if self.ended {
            return None;
        }
        let mut out = Vec::new();
        if self.at == 0 && !self.lines {
            out.extend_from_slice(b"{\"records\":[");
        }
        while out.len() < bytes
            && let Some(record) = self.page.records.get(self.at)
        {
            if self.at > 0 && !self.lines {
                out.push(b',');
            }
            write_record(record, self.for_platform, &mut out);
            if self.lines {
                out.push(b'\n');
            }
            self.at += 1;
        }
        if self.at == self.page.records.len() {
            self.ended = true;
            if !self.lines {
                out.extend_from_slice(
                    format!("],\"next\":{},\"size\":{}}}", self.page.next, self.page.size).as_bytes(),
                );
            }
        }
        Some(out)
    }
}

/// A record on one line.
pub(crate) fn write_record(record: &Record, for_platform: bool, out: &mut Vec<u8>) {
    record.write_json(for_platform, out);
}
