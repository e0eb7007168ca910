//! The routes of a witness, and what bounds the work they cause.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use annals_ledger::Clock as _;
use annals_ledger::signing::JournalMemory;
use annals_server::SystemClock;
use annals_tree::checkpoint::Checkpoint;
use annals_tree::note::Note;
use annals_tree::signer::SignerMemory as _;
use annals_tree::witness::{AddCheckpoint, Logs, REQUEST_BYTES_MAX, Refusal, Witness};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use tokio::sync::Semaphore;

/// Requests a second that are looked at, over all logs; each costs a signature check, some of them a flush.
const REQUESTS_A_SECOND: u64 = 50;

/// So many may come at once after a quiet time.
const REQUESTS_AT_ONCE: u64 = 200;

/// Requests that may wait for the key and the disk.
const WAITING_MAX: usize = 64;

/// Time for a body to come.
const BODY_MAX: Duration = Duration::from_secs(10);

/// Logs that are remembered, listed or not: what one ledger's key can make the memory grow to.
const ORIGINS_MAX: usize = 100_000;

/// Longest part of a checkpoint that shows two histories in diagnostics, in characters: it is evidence.
const EVIDENCE_CHARS: usize = 4096;

/// A witness at work.
pub(super) struct Service {
    witness: Mutex<Witness<JournalMemory>>,
    rate: Mutex<Rate>,
    waiting: Semaphore,
    /// Why the memory cannot be written.
    trouble: Mutex<Option<String>>,
}

impl Service {
    pub(super) fn new(witness: Witness<JournalMemory>) -> Self {
        Self {
            witness: Mutex::new(witness),
            rate: Mutex::new(Rate::full(SystemClock.monotonic_us())),
            waiting: Semaphore::new(WAITING_MAX),
            trouble: Mutex::default(),
        }
    }

    pub(super) fn replace_logs(&self, logs: Logs) {
        self.witness().replace_logs(logs);
    }

    fn witness(&self) -> MutexGuard<'_, Witness<JournalMemory>> {
        self.witness.lock().expect("no holder of this lock panics")
    }

    fn trouble(&self) -> MutexGuard<'_, Option<String>> {
        self.trouble.lock().expect("no holder of this lock panics")
    }

    /// Cosigns, or says why not. Blocks on the disk.
    fn add(&self, request: &AddCheckpoint) -> Result<String, Answer> {
        let mut witness = self.witness();
        if witness.memory().len() >= ORIGINS_MAX && is_new(&witness, &request.checkpoint) {
            return Err(Answer::plain(StatusCode::INSUFFICIENT_STORAGE, "too many logs are witnessed here"));
        }
        let seconds = SystemClock.now().as_micros().div_euclid(1_000_000);
        let added = witness.add(request, u64::try_from(seconds).unwrap_or(0));
        drop(witness);
        match &added {
            Ok(_) => *self.trouble() = None,
            Err(Refusal::Memory(reason)) => {
                tracing::error!(reason, "the memory cannot be written; nothing is cosigned");
                *self.trouble() = Some(reason.clone());
            }
            Err(refusal @ (Refusal::OtherRoot { .. } | Refusal::Inconsistent { .. })) => {
                let checkpoint: String = request.checkpoint.chars().take(EVIDENCE_CHARS).collect();
                tracing::error!(%refusal, checkpoint, "a log's own signature is on what does not extend its past");
            }
            Err(refusal) => tracing::info!(%refusal, "not cosigned"),
        }
        added.map_err(Answer::of)
    }
}

/// Whether a checkpoint is of a log that nothing is remembered of.
fn is_new(witness: &Witness<JournalMemory>, note: &str) -> bool {
    let origin = Note::parse(note).ok().and_then(|note| Checkpoint::parse(note.text()).ok());
    origin.is_some_and(|checkpoint| matches!(witness.memory().recall(&checkpoint.origin), Ok(None)))
}

/// A refusal as it is answered.
struct Answer {
    status: StatusCode,
    kind: &'static str,
    body: String,
}

impl Answer {
    fn plain(status: StatusCode, message: impl ToString) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", body: format!("{}\n", message.to_string()) }
    }

    /// The statuses are those of C2SP tlog-witness.
    fn of(refusal: Refusal<String>) -> Self {
        let status = match &refusal {
            Refusal::Conflict { cosigned: size, .. } | Refusal::OtherRoot { size } => {
                let body = format!("{size}\n");
                return Self { status: StatusCode::CONFLICT, kind: "text/x.tlog.size", body };
            }
            Refusal::UnknownOrigin(_) => StatusCode::NOT_FOUND,
            Refusal::NotSigned(_) => StatusCode::FORBIDDEN,
            Refusal::Inconsistent { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::Memory(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::plain(status, refusal)
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, [(header::CONTENT_TYPE, self.kind)], self.body).into_response();
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        response
    }
}

pub(super) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/", get(about))
        .route("/healthz", get(healthz))
        .fallback(async || {
            Answer::plain(StatusCode::NOT_FOUND, "there is `/add-checkpoint`, `/` and `/healthz`")
        })
        .with_state(service)
}

async fn add_checkpoint(State(service): State<Arc<Service>>, body: Body) -> Result<Response, Answer> {
    let too_many = || Answer::plain(StatusCode::TOO_MANY_REQUESTS, "too many requests");
    let may = service.rate.lock().expect("no holder of this lock panics").take(SystemClock.monotonic_us());
    if !may {
        return Err(too_many());
    }
    let _turn = service.waiting.try_acquire().map_err(|_| too_many())?;
    let body = tokio::time::timeout(BODY_MAX, to_bytes(body, REQUEST_BYTES_MAX)).await;
    let body = body.map_err(|_| Answer::plain(StatusCode::REQUEST_TIMEOUT, "the body took too long"))?;
    let body =
        body.map_err(|_| Answer::plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long, or broke off"))?;
    let text = std::str::from_utf8(&body).map_err(|_| Answer::plain(StatusCode::BAD_REQUEST, "not UTF-8"))?;
    let request =
        AddCheckpoint::parse(text).map_err(|error| Answer::plain(StatusCode::BAD_REQUEST, error))?;
    let added = {
        let service = service.clone();
        tokio::task::spawn_blocking(move || service.add(&request)).await
    };
    let line = added.map_err(|_| Answer::plain(StatusCode::INTERNAL_SERVER_ERROR, "a bug of ours"))??;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], line).into_response())
}

/// Says whose checkpoints are cosigned here, and how far they were.
async fn about(State(service): State<Arc<Service>>) -> axum::Json<serde_json::Value> {
    let witness = service.witness();
    let size = |origin: &str| witness.memory().recall(origin).ok().flatten().map(|head| head.size);
    let logs: Vec<_> = witness
        .logs()
        .keys()
        .map(|key| json!({"origin": key.name(), "key": key.to_string(), "cosigned_size": size(key.name())}))
        .collect();
    let ledgers = witness.logs().ledgers().iter().map(|key| {
        let is_its = |origin: &str| origin.strip_prefix(key.name()).is_some_and(|rest| rest.starts_with('/'));
        let logs = witness.memory().iter().filter(|(origin, _)| is_its(origin)).count();
        json!({"name": key.name(), "key": key.to_string(), "logs_cosigned": logs})
    });
    let ledgers: Vec<_> = ledgers.collect();
    axum::Json(json!({
        "witness_key": witness.key().to_string(), "version": env!("CARGO_PKG_VERSION"), "logs": logs, "ledgers": ledgers,
    }))
}

async fn healthz(State(service): State<Arc<Service>>) -> (StatusCode, axum::Json<serde_json::Value>) {
    match service.trouble().clone() {
        None => (StatusCode::OK, axum::Json(json!({"status": "ok"}))),
        Some(reason) => {
            let body = json!({"status": "failing", "reason": format!("memory: {reason}")});
            (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body))
        }
    }
}

/// Requests that may come: a bucket that fills evenly.
struct Rate {
    /// In millionths of a request.
    left: u64,
    at_us: u64,
}

impl Rate {
    fn full(now_us: u64) -> Self {
        Self { left: REQUESTS_AT_ONCE * 1_000_000, at_us: now_us }
    }

    fn take(&mut self, now_us: u64) -> bool {
        let more = now_us.saturating_sub(self.at_us).saturating_mul(REQUESTS_A_SECOND);
        self.left = self.left.saturating_add(more).min(REQUESTS_AT_ONCE * 1_000_000);
        self.at_us = now_us;
        let may = self.left >= 1_000_000;
        self.left -= if may { 1_000_000 } else { 0 };
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_beyond_the_rate_wait_for_the_next_second() {
        let mut rate = Rate::full(5);
        let at_once = (0..1_000).filter(|_| rate.take(5)).count() as u64;
        assert_eq!(at_once, REQUESTS_AT_ONCE);
        let next_second = (0..1_000).filter(|_| rate.take(1_000_005)).count() as u64;
        assert_eq!(next_second, REQUESTS_A_SECOND);
        assert!(!rate.take(3), "a clock that falls gives nothing");
    }
}
