//! The routes of a signer.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use annals_ledger::signing::JournalMemory;
use annals_tree::head::{Head, HeadLog};
use annals_tree::signer::{Refusal, Signer};
use annals_tree::succession::Succession;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::signer::{
    BODY_BYTES_MAX, CheckpointRequest, HeadRequest, Refused, Signature, SignedAnswer, SignedLog, read_hashes,
};

/// Time for a body to come.
const BODY_MAX: Duration = Duration::from_secs(10);

/// A signer at work.
pub(super) struct Service {
    signer: Mutex<Signer<JournalMemory>>,
    /// How the key came to follow others.
    successions: Vec<Succession>,
    /// Of the token; comparing hashes tells nothing of it by its time.
    token: [u8; 32],
    /// Why the memory cannot be written.
    trouble: Mutex<Option<String>>,
}

impl Service {
    pub(super) fn new(signer: Signer<JournalMemory>, successions: Vec<Succession>, token: &str) -> Self {
        let token = Sha256::digest(token.as_bytes()).into();
        Self { signer: Mutex::new(signer), successions, token, trouble: Mutex::default() }
    }

    fn signer(&self) -> MutexGuard<'_, Signer<JournalMemory>> {
        self.signer.lock().expect("no holder of this lock panics")
    }

    fn checkpoint(&self, request: &CheckpointRequest) -> Result<String, Answer> {
        self.wanted(request.key.as_deref())?;
        let root = request.root.parse().map_err(|_| malformed("root"))?;
        let proof = read_hashes(&request.proof).ok_or_else(|| malformed("proof"))?;
        let signed = self.signer().sign_checkpoint(&request.origin, request.size, &root, &proof);
        signed.map_err(|refusal| self.refused(&refusal))
    }

    fn head(&self, request: &HeadRequest) -> Result<String, Answer> {
        self.wanted(request.key.as_deref())?;
        let (mut logs, mut proofs) = (Vec::new(), Vec::new());
        for entry in &request.logs {
            logs.push(HeadLog {
                log: entry.log.parse().map_err(|_| malformed("log"))?,
                size: entry.size,
                root: entry.root.parse().map_err(|_| malformed("root"))?,
            });
            proofs.push(read_hashes(&entry.proof).ok_or_else(|| malformed("proof"))?);
        }
        let head = Head { at_us: request.at_us, ledger_size: request.ledger_size, logs };
        let signed = self.signer().sign_head(&head, &proofs).map_err(|refusal| self.refused(&refusal))?;
        let bytes = signed.encode().map_err(|error| Answer(StatusCode::CONFLICT, error.to_string()))?;
        Ok(STANDARD.encode(bytes))
    }

    /// A server that does not know yet that the key was rotated is not to have anything signed: its logs do not say so either.
    fn wanted(&self, key: Option<&str>) -> Result<(), Answer> {
        let own = self.signer().verifier_key().to_string();
        if key.is_none_or(|key| key == own) {
            return Ok(());
        }
        Err(Answer(StatusCode::CONFLICT, format!("signer: the key here is {own}")))
    }

    fn refused(&self, refusal: &Refusal<String>) -> Answer {
        if let Refusal::Memory(reason) = refusal {
            tracing::error!(reason, "the memory cannot be written; nothing is signed");
            *self.trouble.lock().expect("no holder of this lock panics") = Some(reason.clone());
            return Answer(StatusCode::SERVICE_UNAVAILABLE, format!("{refusal}: {reason}"));
        }
        tracing::error!(%refusal, "not signed");
        Answer(StatusCode::CONFLICT, refusal.to_string())
    }
}

fn malformed(what: &str) -> Answer {
    Answer(StatusCode::BAD_REQUEST, format!("`{what}` cannot be read"))
}

/// A refusal.
struct Answer(StatusCode, String);

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.0, axum::Json(Refused { error: self.1 })).into_response()
    }
}

pub(super) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/v1/signed", get(signed))
        .route("/v1/checkpoint", post(checkpoint))
        .route("/v1/head", post(head))
        .layer(middleware::from_fn_with_state(service.clone(), authorised))
        .route("/healthz", get(healthz))
        .fallback(async || Answer(StatusCode::NOT_FOUND, "there is no such route".to_owned()))
        .with_state(service)
}

async fn authorised(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if <[u8; 32]>::from(Sha256::digest(given.as_bytes())) != service.token {
        return Answer(StatusCode::UNAUTHORIZED, "the token is missing or another".to_owned())
            .into_response();
    }
    next.run(request).await
}

async fn read<T: DeserializeOwned>(body: Body) -> Result<T, Answer> {
    let body = tokio::time::timeout(BODY_MAX, to_bytes(body, BODY_BYTES_MAX)).await;
    let body = body.map_err(|_| Answer(StatusCode::REQUEST_TIMEOUT, "the body took too long".to_owned()))?;
    let body = body.map_err(|error| Answer(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()))?;
    serde_json::from_slice(&body).map_err(|error| Answer(StatusCode::BAD_REQUEST, error.to_string()))
}

/// Signs off the threads that serve connections: it waits for the disk.
async fn signing(
    service: Arc<Service>,
    sign: impl FnOnce(&Service) -> Result<String, Answer> + Send + 'static,
) -> Result<axum::Json<Signature>, Answer> {
    let signed = tokio::task::spawn_blocking(move || sign(&service)).await;
    let signed =
        signed.map_err(|_| Answer(StatusCode::INTERNAL_SERVER_ERROR, "a bug of ours".to_owned()))??;
    Ok(axum::Json(Signature { signed }))
}

async fn checkpoint(
    State(service): State<Arc<Service>>,
    body: Body,
) -> Result<axum::Json<Signature>, Answer> {
    let request: CheckpointRequest = read(body).await?;
    signing(service, move |service| service.checkpoint(&request)).await
}

async fn head(State(service): State<Arc<Service>>, body: Body) -> Result<axum::Json<Signature>, Answer> {
    let request: HeadRequest = read(body).await?;
    signing(service, move |service| service.head(&request)).await
}

async fn signed(State(service): State<Arc<Service>>) -> axum::Json<SignedAnswer> {
    let signer = service.signer();
    let signed = signer.memory().iter().map(|(origin, head)| SignedLog {
        origin: origin.to_owned(),
        size: head.size,
        root: head.root.to_string(),
    });
    axum::Json(SignedAnswer {
        key: signer.verifier_key().to_string(),
        successions: service.successions.iter().map(|succession| succession.note().to_owned()).collect(),
        signed: signed.collect(),
    })
}

async fn healthz(State(service): State<Arc<Service>>) -> (StatusCode, axum::Json<serde_json::Value>) {
    let trouble = service.trouble.lock().expect("no holder of this lock panics").clone();
    match trouble {
        None => (StatusCode::OK, axum::Json(serde_json::json!({"status": "ok"}))),
        Some(reason) => {
            let body = serde_json::json!({"status": "failing", "reason": format!("memory: {reason}")});
            (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body))
        }
    }
}
