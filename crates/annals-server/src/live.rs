//! The feed as it happens: `GET /v1/feed/live`, server-sent events.
//!
//! An event's `id` is the record's position, or its ledger number in the feed over all tenants, so that a client that comes
//! back with `Last-Event-ID` goes on where it was, without a skip or a repeat.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use annals_ledger::{FeedPage, FeedScope, LogKind, Record};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, stream};

use crate::app::App;
use crate::auth::Asker;
use crate::conditions::Conditions;
use crate::feed::Feed;
use crate::metrics::Counted;
use crate::problem::{Code, Problem, ProblemBody};
use crate::query::Known;

/// Silence after which a comment is sent, so that proxies keep the connection and a gone client is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Records taken from the ledger at once, and bytes written at once, for one client.
const RECORDS_AT_ONCE: usize = 256;
const BYTES_AT_ONCE: usize = 64 << 10;

/// Whom a stream is for, and what of.
struct Client {
    app: Arc<App>,
    asker: Asker,
    feed: Feed,
}

/// One client's stream.
struct Live {
    client: Arc<Client>,
    /// The look for records that is on its way: a sign of life may be sent before it has ended.
    looking: Option<BoxFuture<'static, Option<FeedPage>>>,
    /// Silence after which one is.
    heartbeat: Duration,
    /// The next record to look at.
    from: u64,
    /// From where the client goes on if it comes back now.
    told: u64,
    greeted: bool,
    _counted: Counted,
}

/// Follows records as they come.
///
/// Server-sent events: `id` is the position, or with a platform key over all tenants the ledger number; `data` is the record.
/// Starts after `Last-Event-ID`, or at `from`, or with what comes next. Ends when the server stops, the key ends, or a record is
/// damaged; a client that reconnects goes on where it was. With conditions only the records that satisfy them come.
#[utoipa::path(
    get, path = "/v1/feed/live", tag = "events",
    params(
        ("from" = Option<u64>, Query, description = "First position or ledger number; what comes next by default"),
        ("tenant" = Option<String>, Query, description = "With a platform key: one tenant"),
        ("Last-Event-ID" = Option<u64>, Header, description = "The last `id` seen; goes before `from`"),
        Conditions,
    ),
    responses(
        (status = 200, description = "The stream", body = String, content_type = "text/event-stream"),
        (status = 400, description = "A parameter is not allowed, or the start is beyond the end", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `read` or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "What must be read is damaged", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["read"])),
)]
pub(crate) async fn live(
    State(app): State<Arc<App>>,
    asker: Asker,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let params = asker.asked(&Known { once: &["from", "tenant"], many: &[], conditions: true })?;
    let asked = params.number("from")?;
    let resumed = last_event_id(&headers)?;
    let feed = Feed::enter(&app, &asker, &params, LogKind::Tenant).await?;
    let from = match (resumed, asked) {
        (Some(last), _) => {
            let from = last.saturating_add(1);
            feed.check_from(&app, from, ("Last-Event-ID", last))?;
            from
        }
        (None, Some(from)) => {
            feed.check_from(&app, from, ("from", from))?;
            from
        }
        (None, None) => feed.size(&app),
    };
    let counted = app.metrics.stream();
    let client = Arc::new(Client { app, asker, feed });
    let live = Live {
        client,
        looking: None,
        heartbeat: HEARTBEAT,
        from,
        told: from,
        greeted: false,
        _counted: counted,
    };
    let body = Body::from_stream(stream::unfold(live, |mut live| async move {
        let piece = live.piece().await?;
        Some((Ok::<_, Infallible>(Bytes::from(piece)), live))
    }));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((StatusCode::OK, headers, body).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(sent) = headers.get("last-event-id") else { return Ok(None) };
    let text = sent.to_str().unwrap_or_default().trim();
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        Problem::new(Code::ParameterValue, "`Last-Event-ID` must be the `id` of an event of this stream")
            .in_parameter("Last-Event-ID")
    })
}

impl Client {
    /// What comes from `from` on, once there is something to look at; nothing when the key has ended, the read cannot be put on
    /// record, or a record cannot be read.
    async fn look(self: Arc<Self>, from: u64) -> Option<FeedPage> {
        self.app.ledger.wait_beyond(&self.feed.reading.scope, from).await;
        if !self.is_live() {
            return None;
        }
        // A stream that lasts for days stands on record for each minute in which it was read.
        self.feed.reading.enter_again(&self.app, &self.asker).await.ok()?;
        // Past a record that cannot be read no stream goes on: the client would take what follows for all there is.
        let page = self.feed.stream_page(&self.app, from, RECORDS_AT_ONCE).await.ok()?;
        // Looking for what is rare may take a while.
        self.is_live().then_some(page)
    }

    fn is_live(&self) -> bool {
        self.app.is_live(&self.asker.caller)
    }
}

impl Live {
    /// What to send next, or nothing at the end.
    async fn piece(&mut self) -> Option<Vec<u8>> {
        if !self.greeted {
            self.greeted = true;
            // Opens the stream at the client before the first record comes.
            return Some(b"retry: 1000\n\n".to_vec());
        }
        let mut heartbeat = pin!(tokio::time::sleep(self.heartbeat));
        loop {
            let client = self.client.clone();
            let looking = self.looking.get_or_insert_with(|| client.look(self.from).boxed());
            let page = tokio::select! {
                page = looking => page?,
                () = &mut heartbeat => return self.client.is_live().then(|| self.still_here()),
                () = self.client.app.stopped() => return None,
            };
            self.looking = None;
            self.from = page.next;
            if !page.records.is_empty() {
                return Some(self.write(&page.records));
            }
        }
    }

    fn write(&mut self, records: &[Record]) -> Vec<u8> {
        let mut out = Vec::new();
        for record in records {
            let number = match &self.client.feed.reading.scope {
                FeedScope::Log(_) => record.position.0,
                FeedScope::All => record.seq.expect("records of events have a ledger number").0,
            };
            if out.len() >= BYTES_AT_ONCE {
                self.from = number;
                break;
            }
            out.extend_from_slice(format!("id: {number}\ndata: ").as_bytes());
            self.client.feed.reading.shape.write(record, &mut out);
            out.extend_from_slice(b"\n\n");
            self.told = number + 1;
        }
        out
    }

    /// A sign of life. Where records were passed over that are not wanted, it also moves the `id` from which a client that
    /// comes back goes on: a message without data is none to it.
    fn still_here(&mut self) -> Vec<u8> {
        match self.from.checked_sub(1).filter(|_| self.from > self.told) {
            Some(last) => {
                self.told = self.from;
                format!("id: {last}\n\n").into_bytes()
            }
            None => b": still here\n\n".to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::FromRequestParts;
    use axum::http::Request;

    use super::*;
    use crate::app::tests::app;

    #[tokio::test]
    async fn a_stream_that_waits_for_its_turn_says_that_it_is_still_there_and_loses_nothing() {
        let app = app();
        let secret = app.ledger.reset_operator_key().await.unwrap();
        let request = Request::get("/v1/feed/live?action=annals.key.create")
            .header("authorization", format!("Bearer {}", secret.reveal()));
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let asker = Asker::from_request_parts(&mut parts, &app).await.unwrap();
        let params = asker.asked(&Known { once: &[], many: &[], conditions: true }).unwrap();
        let feed = Feed::enter(&app, &asker, &params, LogKind::Tenant).await.unwrap();
        let counted = app.metrics.stream();
        let mut live = Live {
            client: Arc::new(Client { app: app.clone(), asker, feed }),
            looking: None,
            heartbeat: Duration::from_millis(1),
            from: 0,
            told: 0,
            greeted: true,
            _counted: counted,
        };
        let turns = app.turns.hold_feeds().await;
        for _ in 0..2 {
            assert_eq!(live.piece().await.unwrap(), b": still here\n\n");
        }
        drop(turns);
        live.heartbeat = HEARTBEAT;
        let piece = String::from_utf8(live.piece().await.unwrap()).unwrap();
        assert!(piece.starts_with("id: ") && piece.contains("annals.key.create"), "{piece}");
    }
}
