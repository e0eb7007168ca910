//! Keeps the registry of all logs up to date: heads of those that changed, and heartbeats when none did.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use annals_bundle::{Hex, Registry};
use annals_event::{Position, TenantId};
use annals_ledger::{HEADS_MAX, Ledger, LogHead, LogKind, TenantLog, registry_log};
use annals_tree::Hash;
use annals_tree::checkpoint::Checkpoint;
use annals_tree::note::Note;
use axum::extract::State;
use serde::Serialize;

use crate::app::{App, blocking};
use crate::auth::Asker;
use crate::problem::{Code, Problem, ProblemBody};
use crate::prove;

/// Between two rounds, unless said otherwise.
pub const REGISTER_EVERY: Duration = Duration::from_secs(60 * 60);

/// Logs looked at while the ledger's state is locked once.
const LOOKED_AT_ONCE: usize = 1_024;

/// Before the first round: a server that is started to look at something need not write.
const FIRST: Duration = Duration::from_secs(60);

/// Before a round that failed is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// Puts heads into the registry, round after round.
pub(crate) struct Registrar {
    ledger: Ledger,
    every: Duration,
    /// Where each log's newest head is, and its size; of logs that were not looked up since the start nothing is known.
    known: BTreeMap<(TenantId, LogKind), (Position, u64)>,
}

impl Registrar {
    pub(crate) fn new(ledger: Ledger, every: Duration) -> Self {
        Self { ledger, every, known: BTreeMap::new() }
    }

    /// Goes on for ever. The first round comes soon: what was appended before the last stop may not be registered yet.
    pub(crate) async fn run(mut self) {
        tokio::time::sleep(self.every.min(FIRST)).await;
        loop {
            let pause = match self.round().await {
                Ok(_) => self.every,
                Err(error) => {
                    tracing::warn!(error, "the registry could not be written");
                    AGAIN.min(self.every)
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Registers every log that changed since its newest head; how many.
    pub(crate) async fn round(&mut self) -> Result<usize, String> {
        let (mut from, mut registered) = (0, 0);
        loop {
            let ledger = self.ledger.clone();
            let heads = blocking(move || ledger.log_heads(from, LOOKED_AT_ONCE)).await;
            let Some(heads) = heads else { break };
            from += LOOKED_AT_ONCE;
            let mut changed = Vec::new();
            for head in heads.into_iter().filter(|head| head.size > 0) {
                let known = self.known(&head).await?;
                if known.is_none_or(|(_, size)| size < head.size) {
                    changed.push((head, known.map(|(position, _)| position)));
                }
            }
            for heads in changed.chunks(HEADS_MAX) {
                let asked: Vec<_> = heads.iter().map(|(head, previous)| (head, *previous)).collect();
                let positions = self.ledger.register(&asked).await.map_err(|error| error.to_string())?;
                for ((head, _), position) in heads.iter().zip(positions) {
                    let log = (head.log.tenant.clone(), head.log.kind);
                    self.known.insert(log, (position, head.size));
                }
                registered += heads.len();
            }
        }
        if registered == 0 {
            self.ledger.register_nothing().await.map_err(|error| error.to_string())?;
        }
        Ok(registered)
    }

    /// Where a log's newest head is, and its size.
    async fn known(&mut self, head: &LogHead) -> Result<Option<(Position, u64)>, String> {
        let log = (head.log.tenant.clone(), head.log.kind);
        if let Some(known) = self.known.get(&log) {
            return Ok(Some(*known));
        }
        let (ledger, origin) = (self.ledger.clone(), head.origin.clone());
        let found = blocking(move || ledger.registered(&origin, u64::MAX, None)).await;
        let found = found.map_err(|error| error.to_string())?.map(|head| (head.position, head.size));
        if let Some(found) = found {
            self.known.insert(log, found);
        }
        Ok(found)
    }
}

/// Where the registry names a log, and that the log's checkpoint extends what it says.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct RegistryProof {
    /// First line of the registry's checkpoints.
    origin: String,
    /// Verifies them: a signed-note verifier key.
    public_key: String,
    /// The registry's entry, whole, lower-case hex.
    entry: String,
    /// Where in the registry.
    position: u64,
    /// That the entry is there: the RFC 6962 audit path, lower-case hex.
    hashes: Vec<String>,
    /// The registry's checkpoint, with the cosignatures that it has.
    checkpoint: String,
    /// From the log's size in the entry to its checkpoint: an RFC 6962 consistency proof, lower-case hex.
    consistency: Vec<String>,
    /// The log's checkpoint.
    log_checkpoint: String,
}

/// Proves what the registry of all logs has of this one.
///
/// Witnesses cosign the registry's checkpoints. With this proof a log's checkpoint is as good as theirs.
#[utoipa::path(
    get, path = "/v1/registry/proof", tag = "prove",
    params(
        ("tenant" = Option<String>, Query, description = "With a platform key: the tenant"),
        ("log" = Option<String>, Query, description = "`events` (default) or `access`"),
    ),
    responses(
        (status = 200, description = "The proof", body = RegistryProof),
        (status = 400, description = "A parameter is not allowed or missing", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `verify` or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist, or the registry does not name its log yet", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "What must be read is damaged", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The signer does not sign", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["verify"])),
)]
pub(crate) async fn proof(
    State(app): State<Arc<App>>,
    asker: Asker,
) -> Result<axum::Json<RegistryProof>, Problem> {
    let log = prove::enter(&app, &asker, &asker.params(&["tenant", "log"])?).await?;
    let missing = || Problem::new(Code::HeadUnknown, "the registry does not name this log yet");
    let cosigned = cosigned(&app).await;
    let ledger = app.ledger.clone();
    blocking(move || {
        let known = ledger.log_info(&registry_log()).ok_or_else(missing)?;
        let (log_size, log_checkpoint) = ledger.checkpoint(&log)?;
        let checkpoint = match cosigned {
            Some(note) => note,
            None => ledger.checkpoint(&registry_log())?.1,
        };
        let Registry { origin, entry, position, hashes, checkpoint, consistency } =
            link(&ledger, &log, log_size, checkpoint)?.ok_or_else(missing)?;
        let texts = |hashes: &[Hex<32>]| hashes.iter().map(ToString::to_string).collect();
        Ok(axum::Json(RegistryProof {
            origin,
            public_key: known.public_key.to_string(),
            entry,
            position,
            hashes: texts(&hashes),
            checkpoint,
            consistency: texts(&consistency),
            log_checkpoint,
        }))
    })
    .await
}

/// The registry's newest cosigned checkpoint, if witnesses are asked and there is one.
pub(crate) async fn cosigned(app: &App) -> Option<String> {
    let cosigned = app.witnesses.as_ref()?.newest(&registry_log()).await?;
    Some(cosigned.note)
}

/// What ties a log of `log_size` records to a checkpoint of the registry; none where the registry does not name the log as of then.
/// Blocks.
pub(crate) fn link(
    ledger: &Ledger,
    log: &TenantLog,
    log_size: u64,
    checkpoint: String,
) -> Result<Option<Registry>, Problem> {
    let registry = registry_log();
    let (Some(known), Some(info)) = (ledger.log_info(&registry), ledger.log_info(log)) else {
        return Ok(None);
    };
    let size = Note::parse(&checkpoint).ok().and_then(|note| Checkpoint::parse(note.text()).ok());
    let size = size.map_or(0, |checkpoint| checkpoint.size);
    let Some(head) = ledger.registered(&info.origin, log_size, Some(size))? else { return Ok(None) };
    Ok(Some(Registry {
        origin: known.origin,
        entry: hex(&ledger.registry_entry(head.position)?),
        position: head.position.0,
        hashes: texts(&ledger.inclusion(&registry, head.position, size)?),
        checkpoint,
        consistency: texts(&ledger.consistency(log, head.size, log_size)?),
    }))
}

/// As [`link`], for evidence: with the registry's cosigned checkpoint where that names the log, else with its newest one.
pub(crate) fn link_for_evidence(
    ledger: &Ledger,
    log: &TenantLog,
    log_size: u64,
    cosigned: Option<String>,
) -> Result<Option<Registry>, Problem> {
    if ledger.log_info(&registry_log()).is_none() {
        return Ok(None);
    }
    if let Some(cosigned) = cosigned
        && let Some(link) = link(ledger, log, log_size, cosigned)?
    {
        return Ok(Some(link));
    }
    link(ledger, log, log_size, ledger.checkpoint(&registry_log())?.1)
}

fn texts(hashes: &[Hash]) -> Vec<Hex<32>> {
    hashes.iter().map(|hash| Hex(hash.0)).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}
