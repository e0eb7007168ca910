//! Records by position, for machines that poll: `GET /v1/feed`, and the access log, which is read in the same way.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use annals_event::filter::Matcher;
use annals_ledger::search::Effort;
use annals_ledger::{Damaged, FeedPage, Ledger, LogKind};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::Value;

use crate::app::{App, blocking};
use crate::auth::Asker;
use crate::conditions::Conditions;
use crate::page::{self, Page, wants_lines};
use crate::problem::{Code, Problem, ProblemBody};
use crate::query::{Known, Params};
use crate::reading::Reading;
use crate::searching::{poll_work, stream_work};

/// Records of a page when no `limit` is given, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// Longest `wait`.
const WAIT_MAX: Duration = Duration::from_secs(60);

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
    /// Which records it runs over.
    pub(crate) reading: Reading,
    /// Those that are wanted; none for all.
    matcher: Option<Arc<Matcher>>,
}

impl Feed {
    /// The feed that the key and the parameters name, put on record as read.
    pub(crate) async fn enter(
        app: &App,
        asker: &Asker,
        params: &Params,
        kind: LogKind,
    ) -> Result<Self, Problem> {
        let named = params.tenant()?;
        let conditions = &params.conditions;
        let takes_all = conditions.is_empty() && asker.caller.view.is_none();
        let matcher = match takes_all {
            true => None,
            false => Some(Arc::new(app.matcher(asker, conditions).await?)),
        };
        let tenant = match kind {
            LogKind::Tenant => asker.caller.tenant_or_all(named),
            LogKind::Access => asker.caller.one_tenant(named).map(Some),
        };
        let reading = Reading::enter(app, asker, tenant, kind, conditions.on_record()).await?;
        Ok(Self { reading, matcher })
    }

    /// How many records there are; none yet when the tenant has no event.
    pub(crate) fn size(&self, app: &App) -> u64 {
        app.ledger.feed_size(&self.reading.scope).unwrap_or(0)
    }

    /// At most `limit` of the wanted records from `from` on. With conditions it looks for them for a bounded time, and `next`
    /// says how far it has come.
    async fn page(&self, app: &App, from: u64, limit: usize) -> Result<FeedPage, Problem> {
        if let Some(nothing) = self.at_end(app, from) {
            return Ok(nothing);
        }
        let page = match self.sift(from, limit) {
            None => self.all(app, from, limit).await?,
            Some(sift) => poll_work(app, sift).await??,
        };
        Ok(page.unwrap_or_else(|| nothing(from)))
    }

    /// As [`Feed::page`], for a stream: waits for its turn for as long as it takes.
    pub(crate) async fn stream_page(&self, app: &App, from: u64, limit: usize) -> Result<FeedPage, Problem> {
        if let Some(nothing) = self.at_end(app, from) {
            return Ok(nothing);
        }
        let page = match self.sift(from, limit) {
            None => self.all(app, from, limit).await?,
            Some(sift) => stream_work(app, sift).await?,
        };
        Ok(page.unwrap_or_else(|| nothing(from)))
    }

    /// The page of those who have read everything: they poll often, and it costs a look at the size.
    fn at_end(&self, app: &App, from: u64) -> Option<FeedPage> {
        let size = self.size(app);
        (from >= size).then(|| FeedPage { size, ..nothing(from) })
    }

    /// At most `limit` records from `from` on, wherever they are; none when there is no such tenant.
    async fn all(&self, app: &App, from: u64, limit: usize) -> Result<Option<FeedPage>, Damaged> {
        let (ledger, scope) = (app.ledger.clone(), self.reading.scope.clone());
        blocking(move || ledger.feed(&scope, from, limit)).await
    }

    /// The work of looking for wanted records; none when all are wanted.
    fn sift(
        &self,
        from: u64,
        limit: usize,
    ) -> Option<impl FnOnce(&Ledger, Effort<'_>) -> Result<Option<FeedPage>, Damaged> + Send + use<>> {
        let matcher = self.matcher.clone()?;
        let scope = self.reading.scope.clone();
        Some(move |ledger: &Ledger, effort: Effort<'_>| {
            ledger.feed_matching(&scope, from, limit, &matcher, effort)
        })
    }

    /// The first page that has a record, or what there is when `wait` is over.
    async fn next_page(
        &self,
        app: &App,
        from: u64,
        limit: usize,
        wait: Duration,
    ) -> Result<FeedPage, Problem> {
        let mut page = self.page(app, from, limit).await?;
        let over = tokio::time::sleep(wait);
        let mut over = pin!(over);
        while page.records.is_empty() && !wait.is_zero() {
            tokio::select! {
                () = app.ledger.wait_beyond(&self.reading.scope, page.next) => {}
                () = &mut over => break,
                () = app.stopped() => break,
            }
            let (from, size) = (page.next, page.size);
            page = tokio::select! {
                page = self.page(app, from, limit) => page?,
                () = &mut over => FeedPage { size, ..nothing(from) },
            };
        }
        Ok(page)
    }

    /// Refuses to start beyond the end: a cursor from elsewhere, or from before data was lost, must not wait in silence.
    pub(crate) fn check_from(
        &self,
        app: &App,
        from: u64,
        (parameter, given): (&str, u64),
    ) -> Result<(), Problem> {
        let size = self.size(app);
        if from <= size {
            return Ok(());
        }
        let detail = format!(
            "`{parameter}` is {given}, but there are only {size} records; the cursor is from another feed, or records it knew were lost"
        );
        Err(Problem::new(Code::OutOfRange, detail).in_parameter(parameter))
    }
}

fn nothing(from: u64) -> FeedPage {
    FeedPage { records: Vec::new(), next: from, size: 0 }
}

/// Reads records by position.
///
/// All records, late and old ones included, each exactly once. A tenant's key reads its tenant by position; a platform key
/// reads all tenants by ledger number, or with `tenant=` that tenant by position. With `wait`, an answer without records
/// comes only after that time. With conditions only the records that satisfy them are given, and `next` moves past the others:
/// a page may have fewer than `limit` records, or none, before `next` has reached `size`. `Accept: application/x-ndjson` gives one record a line, and `next` and `size` as the headers
/// `annals-next` and `annals-size`.
#[utoipa::path(
    get, path = "/v1/feed", tag = "events",
    params(
        ("from" = Option<u64>, Query, description = "First position or ledger number; 0 by default"),
        ("limit" = Option<u64>, Query, description = "At most so many records; 100 by default, up to 1,000"),
        ("wait" = Option<String>, Query, description = "Wait up to this long for a record, such as `30s`; up to `60s`"),
        ("tenant" = Option<String>, Query, description = "With a platform key: one tenant"),
        Conditions,
    ),
    responses(
        (status = 200, description = "A page", content((FeedAnswer = "application/json"), (String = "application/x-ndjson"))),
        (status = 400, description = "A parameter is not allowed, or `from` is beyond the end", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `read` or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "What must be read is damaged", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Too many searches wait, or the read cannot be put on record", body = ProblemBody, content_type = "application/problem+json"),
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
        Conditions,
    ),
    responses(
        (status = 200, description = "A page", content((FeedAnswer = "application/json"), (String = "application/x-ndjson"))),
        (status = 400, description = "A parameter is not allowed, or `from` is beyond the end", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `read` or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "What must be read is damaged", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Too many searches wait, or the read cannot be put on record", body = ProblemBody, content_type = "application/problem+json"),
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
    let known = Known { once: &["from", "limit", "wait", "tenant"], many: &[], conditions: true };
    let params = asker.asked(&known)?;
    let from = params.number("from")?.unwrap_or(0);
    let limit = params.limit(LIMIT, LIMIT_MAX)?;
    let wait = params.duration("wait", WAIT_MAX)?;
    let feed = Feed::enter(app, asker, &params, kind).await?;
    feed.check_from(app, from, ("from", from))?;
    let page = feed.next_page(app, from, limit, wait).await?;
    if !app.is_live(&asker.caller) {
        return Err(Problem::new(Code::Unauthenticated, "the key has ended while the request waited"));
    }
    if !feed.reading.on_record && !page.records.is_empty() {
        // The tenant began after the request was let in.
        feed.reading.enter_again(app, asker).await?;
    }
    let FeedPage { records, next, size } = page;
    let page = Page {
        records,
        write: page::as_sent(feed.reading.shape.clone()),
        lines: wants_lines(headers),
        opening: "{\"records\":[".into(),
        closing: format!("],\"next\":{next},\"size\":{size}}}").into_bytes(),
    };
    let mut headers = HeaderMap::new();
    headers.insert("annals-next", next.into());
    headers.insert("annals-size", size.into());
    page.answer(headers)
}
