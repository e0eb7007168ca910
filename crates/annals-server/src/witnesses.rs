//! Has witnesses cosign the checkpoints of logs that grew (C2SP tlog-witness), and keeps the newest cosigned one of each.
//!
//! A witness is told the size that it cosigned last and why the log extends it; when it knows another size than we believe it says
//! so, and is asked once more from there. Whatever comes back is checked before it counts. Without a quorum nothing stops:
//! checkpoints are given uncosigned, and that is said in `/v1/status`, in the metrics and in the diagnostics.
//!
//! What is kept is only in memory: after a start everything is submitted again, and a witness cosigns the same state twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use annals_event::TenantId;
use annals_ledger::{FeedScope, Ledger, LogKind, TenantLog, registry_log};
use annals_tree::cosignature::{ANSWER_BYTES_MAX, WitnessKey, take_cosignature};
use annals_tree::note::Note;
use annals_tree::witness::AddCheckpoint;
use futures_util::future::join_all;
use reqwest::{Client, StatusCode};

use crate::app::blocking;
use crate::metrics::Metrics;
use crate::outgoing;

/// Logs whose cosigned checkpoints are kept; beyond these the ones asked for longest ago go.
const LOGS_KEPT: usize = 10_000;

/// Time for a witness to answer, unless said otherwise.
pub const WITNESS_ANSWER_MAX: Duration = Duration::from_secs(10);

/// Between two looks at which logs grew.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// And never more often than so.
const LOOK_AT_LEAST: Duration = Duration::from_secs(1);

/// Between two submissions of a log because somebody asked for a cosigned checkpoint, unless said otherwise.
pub const WITNESS_ASKED_EVERY: Duration = Duration::from_secs(10);

/// A submission waits for others as long as it takes so many answers to fail to come: a witness is asked twice at most.
const TURN_ANSWERS: u32 = 2;

/// Longest part of a witness' refusal that is told on, in characters.
const REFUSAL_CHARS: usize = 200;

/// One witness, and where it is asked.
#[derive(Clone, Debug)]
pub struct WitnessAddress {
    /// Submission prefix: `/add-checkpoint` is below it.
    pub url: String,
    /// Its key.
    pub key: WitnessKey,
}

/// Who cosigns, how many are enough, and how often they are asked.
#[derive(Clone, Debug)]
pub struct Witnessing {
    /// The witnesses.
    pub witnesses: Vec<WitnessAddress>,
    /// So many of them must cosign.
    pub quorum: usize,
    /// A log that grew is submitted at most so often.
    pub every: Duration,
    /// As often at most when somebody asks for a cosigned checkpoint.
    pub asked_every: Duration,
    /// They are asked about the registry of all logs alone, in which every log's head stands.
    pub registry_only: bool,
    /// Time for a witness to answer.
    pub answer_max: Duration,
}

/// A checkpoint with the cosignatures that it has.
#[derive(Clone, Debug)]
pub(crate) struct Cosigned {
    pub(crate) note: String,
    pub(crate) size: u64,
    cosignatures: usize,
}

/// What is known of one log.
#[derive(Default)]
struct Submitted {
    /// The newest checkpoint with a quorum.
    cosigned: Option<Cosigned>,
    /// The newest with any cosignature, where that is a newer one.
    partial: Option<Cosigned>,
    /// The size that was submitted last, and whether that came to a quorum.
    last: Option<(u64, bool)>,
    at: Option<Instant>,
    /// What each witness cosigned last, as far as is known.
    known: Vec<u64>,
    /// Grows with each use.
    used: u64,
}

impl Submitted {
    /// The newest with a quorum; without one the partly cosigned one, unless something newer was submitted since.
    fn newest(&self) -> Option<&Cosigned> {
        let last = self.last.map_or(0, |(size, _)| size);
        self.cosigned.as_ref().or_else(|| self.partial.as_ref().filter(|partial| partial.size >= last))
    }
}

/// A log, in an order.
type Key = (TenantId, LogKind);

fn key(log: &TenantLog) -> Key {
    (log.tenant.clone(), log.kind)
}

/// How a witness did last.
#[derive(Clone, Debug, Default)]
struct Health {
    cosigned_at: Option<u64>,
    trouble: Option<String>,
}

#[derive(Default)]
struct State {
    logs: BTreeMap<Key, Submitted>,
    health: Vec<Health>,
    uses: u64,
}

/// How witnessing goes, for `/v1/status`.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub(crate) struct WitnessStatus {
    /// Cosignatures that are enough.
    quorum: u64,
    /// Logs that were submitted.
    logs: u64,
    /// Logs whose last submission came to no quorum. More than none is an alarm.
    logs_without_quorum: u64,
    /// Each witness.
    witnesses: Vec<OneWitness>,
}

/// One witness.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct OneWitness {
    /// Its name, as on its signature lines.
    name: String,
    /// Where it is asked.
    url: String,
    /// Its last answer was a cosignature; none before the first answer.
    ok: Option<bool>,
    /// The time of its newest cosignature, in POSIX seconds, by its own clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    cosigned_at: Option<u64>,
    /// What was wrong with its last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Asks the witnesses.
pub(crate) struct Witnesses {
    ledger: Ledger,
    metrics: Arc<Metrics>,
    settings: Witnessing,
    client: Client,
    state: Mutex<State>,
    /// One log at a time: what is submitted is small, and witnesses answer fast or not at all.
    turn: tokio::sync::Mutex<()>,
}

/// Why a witness did not cosign.
#[derive(Debug, PartialEq, Eq)]
enum Trouble {
    /// No answer.
    Unreached(String),
    /// It refuses.
    Refused(String),
    /// What it says cannot be true, or it knows another history of the log than there is.
    Contradicts(String),
}

impl Trouble {
    fn label(&self) -> &'static str {
        match self {
            Self::Unreached(_) => "unreached",
            Self::Refused(_) => "refused",
            Self::Contradicts(_) => "contradicts",
        }
    }

    fn words(&self) -> &str {
        match self {
            Self::Unreached(words) | Self::Refused(words) | Self::Contradicts(words) => words,
        }
    }
}

impl Witnesses {
    pub(crate) fn new(ledger: Ledger, metrics: Arc<Metrics>, settings: Witnessing) -> Self {
        let client = outgoing::client(settings.answer_max);
        let state = State { health: vec![Health::default(); settings.witnesses.len()], ..State::default() };
        Self {
            ledger,
            metrics,
            settings,
            client,
            state: Mutex::new(state),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Submits what grew, for ever.
    pub(crate) async fn run(&self) {
        let pause = LOOK_EVERY.min(self.settings.every).max(LOOK_AT_LEAST);
        loop {
            for log in self.submitted_logs() {
                self.submit_due(&log, self.settings.every).await;
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// The newest checkpoint with a quorum; of a log that never had one, what was submitted last with what cosignatures it has. A
    /// log that grew since is submitted first, unless that was done a moment ago. None when there is no cosignature to give.
    pub(crate) async fn newest(&self, log: &TenantLog) -> Option<Cosigned> {
        let submitted = self.submit_asked(log).await;
        let mut state = self.state();
        state.uses += 1;
        let uses = state.uses;
        let kept = state.logs.get_mut(&key(log)).and_then(|kept| {
            kept.used = uses;
            kept.newest().cloned()
        });
        kept.or(submitted)
    }

    /// A checkpoint that covers at least `size` records, with what cosignatures it has; none when there is no cosignature of one.
    /// The log is submitted first, unless that was done a moment ago.
    pub(crate) async fn covering(&self, log: &TenantLog, size: u64) -> Option<Cosigned> {
        drop(self.submit_asked(log).await);
        let mut state = self.state();
        state.uses += 1;
        let uses = state.uses;
        let kept = state.logs.get_mut(&key(log))?;
        kept.used = uses;
        [&kept.cosigned, &kept.partial].into_iter().flatten().find(|cosigned| cosigned.size >= size).cloned()
    }

    /// Keys of the witnesses.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &WitnessKey> {
        self.settings.witnesses.iter().map(|witness| &witness.key)
    }

    /// So many of them must cosign.
    pub(crate) fn quorum(&self) -> usize {
        self.settings.quorum
    }

    /// Submits a log that somebody asks about, when that is due.
    async fn submit_asked(&self, log: &TenantLog) -> Option<Cosigned> {
        if !self.sees(log) {
            return None;
        }
        self.submit_due(log, self.settings.asked_every.min(self.settings.every)).await
    }

    /// Submits a log when that is due. Whoever would wait too long for others to have done so goes without.
    async fn submit_due(&self, log: &TenantLog, every: Duration) -> Option<Cosigned> {
        if !self.is_due(log, every) {
            return None;
        }
        let turn = tokio::time::timeout(self.settings.answer_max * TURN_ANSWERS, self.turn.lock()).await;
        // Whoever had the turn before may have submitted it.
        if turn.is_err() || !self.is_due(log, every) {
            return None;
        }
        self.submit(log).await
    }

    /// Whether witnesses see checkpoints of a log.
    pub(crate) fn sees(&self, log: &TenantLog) -> bool {
        match self.settings.registry_only {
            true => *log == registry_log(),
            false => log.kind == LogKind::Tenant,
        }
    }

    /// The logs whose checkpoints witnesses see.
    fn submitted_logs(&self) -> Vec<TenantLog> {
        let tenants = self.ledger.tenants().into_iter();
        let logs = tenants.map(|tenant| TenantLog { tenant, kind: LogKind::Tenant });
        logs.filter(|log| self.sees(log)).collect()
    }

    pub(crate) fn status(&self) -> WitnessStatus {
        let state = self.state();
        let witnesses =
            self.settings.witnesses.iter().zip(&state.health).map(|(witness, health)| OneWitness {
                name: witness.key.name().to_owned(),
                url: witness.url.clone(),
                ok: (health.cosigned_at.is_some() || health.trouble.is_some())
                    .then_some(health.trouble.is_none()),
                cosigned_at: health.cosigned_at,
                reason: health.trouble.clone(),
            });
        WitnessStatus {
            quorum: self.settings.quorum as u64,
            logs: state.logs.len() as u64,
            logs_without_quorum: without_quorum(&state),
            witnesses: witnesses.collect(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    /// Whether a log is to be submitted now: it grew, or its last submission failed, and that is long enough ago.
    fn is_due(&self, log: &TenantLog, every: Duration) -> bool {
        let size = self.ledger.feed_size(&FeedScope::Log(log.clone())).unwrap_or(0);
        let state = self.state();
        let Some(submitted) = state.logs.get(&key(log)) else { return size > 0 };
        let (is_done, failed) =
            submitted.last.map_or((false, false), |(last, met)| (met && last == size, !met));
        // What failed is tried again sooner.
        let every = if failed { every.min(LOOK_EVERY) } else { every };
        !is_done && submitted.at.is_none_or(|at| at.elapsed() >= every)
    }

    /// Has a log's newest checkpoint cosigned by all who will, and keeps it when that makes a quorum. By one at a time.
    async fn submit(&self, log: &TenantLog) -> Option<Cosigned> {
        let (ledger, asked) = (self.ledger.clone(), log.clone());
        let (size, note) = match blocking(move || ledger.checkpoint(&asked)).await {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                tracing::warn!(%error, "no checkpoint for the witnesses");
                return None;
            }
        };
        let known = self.state().logs.get(&key(log)).map(|kept| kept.known.clone());
        let known = known.unwrap_or_else(|| vec![0; self.settings.witnesses.len()]);
        let text = Note::parse(&note).expect("a checkpoint of ours is a note").text().to_owned();
        let asked = self.settings.witnesses.iter().zip(&known).map(|(witness, known)| {
            let submission = Submission { log, size, note: &note, text: &text };
            async move { self.ask(witness, &submission, *known).await }
        });
        let answers = join_all(asked).await;
        Some(self.settle(log, Cosigned { note, size, cosignatures: 0 }, known, answers))
    }

    /// Takes in what the witnesses said.
    fn settle(
        &self,
        log: &TenantLog,
        mut checkpoint: Cosigned,
        mut known: Vec<u64>,
        answers: Vec<Result<(String, u64), Trouble>>,
    ) -> Cosigned {
        let mut state = self.state();
        for (index, answer) in answers.into_iter().enumerate() {
            let health = &mut state.health[index];
            let name = self.settings.witnesses[index].key.name();
            match answer {
                Ok((line, at)) => {
                    checkpoint.note.push_str(&line);
                    checkpoint.cosignatures += 1;
                    known[index] = checkpoint.size;
                    *health = Health { cosigned_at: Some(at), trouble: None };
                    self.metrics.witness_answer("cosigned");
                }
                Err(trouble) => {
                    self.metrics.witness_answer(trouble.label());
                    let reason = trouble.words();
                    match &trouble {
                        Trouble::Contradicts(_) => {
                            tracing::error!(witness = name, reason, "a witness contradicts this ledger");
                        }
                        _ if health.trouble.as_deref() == Some(reason) => {
                            tracing::debug!(witness = name, reason, "a witness still does not cosign");
                        }
                        _ => tracing::warn!(witness = name, reason, "a witness does not cosign"),
                    }
                    health.trouble = Some(reason.to_owned());
                }
            }
        }
        state.uses += 1;
        let (uses, is_met) = (state.uses, checkpoint.cosignatures >= self.settings.quorum);
        let submitted = state.logs.entry(key(log)).or_default();
        let was_met = submitted.last.is_none_or(|(_, met)| met);
        submitted.known = known;
        submitted.last = Some((checkpoint.size, is_met));
        submitted.at = Some(Instant::now());
        submitted.used = uses;
        if is_met {
            submitted.cosigned = Some(checkpoint.clone());
            submitted.partial = None;
        } else if checkpoint.cosignatures > 0 {
            submitted.partial = Some(checkpoint.clone());
        }
        let (cosignatures, quorum) = (checkpoint.cosignatures, self.settings.quorum);
        match (was_met, is_met) {
            (true, false) => {
                tracing::error!(cosignatures, quorum, "no quorum of witnesses; checkpoints go out uncosigned")
            }
            (false, true) => tracing::info!(cosignatures, quorum, "there is a quorum of witnesses again"),
            _ => {}
        }
        forget_beyond(&mut state, LOGS_KEPT);
        self.metrics.witness_logs(state.logs.len() as u64, without_quorum(&state));
        checkpoint
    }

    /// Asks one witness; once more when it knows another size than we believed.
    async fn ask(
        &self,
        witness: &WitnessAddress,
        submission: &Submission<'_>,
        known: u64,
    ) -> Result<(String, u64), Trouble> {
        // Ours may be ahead of the checkpoint when another was submitted meanwhile; the witness then tells.
        match self.ask_once(witness, submission, known.min(submission.size)).await? {
            Answer::Cosigned(line, at) => Ok((line, at)),
            Answer::Knows(size) if size == known => Err(Trouble::Contradicts(format!(
                "it cosigned {size} records with another root: it knows another history of this log"
            ))),
            Answer::Knows(size) => match self.ask_once(witness, submission, size).await? {
                Answer::Cosigned(line, at) => Ok((line, at)),
                Answer::Knows(again) if again == size => Err(Trouble::Contradicts(format!(
                    "it cosigned {size} records with another root: it knows another history of this log"
                ))),
                Answer::Knows(again) => Err(Trouble::Contradicts(format!(
                    "it first says that it cosigned {size} records, then {again}"
                ))),
            },
        }
    }

    async fn ask_once(
        &self,
        witness: &WitnessAddress,
        submission: &Submission<'_>,
        old_size: u64,
    ) -> Result<Answer, Trouble> {
        let Submission { log, size, note, text } = *submission;
        if old_size > size {
            return Err(Trouble::Contradicts(format!(
                "it says that it cosigned {old_size} records, and there are {size}: either that is not true, or this log lost its end"
            )));
        }
        let (ledger, asked) = (self.ledger.clone(), log.clone());
        let proof = match old_size {
            0 => Vec::new(),
            _ => blocking(move || ledger.consistency(&asked, old_size, size))
                .await
                .map_err(|error| Trouble::Unreached(format!("no proof for it: {error}")))?,
        };
        let body = AddCheckpoint { old_size, proof, checkpoint: note.to_owned() }.to_text();
        let url = format!("{}/add-checkpoint", witness.url.trim_end_matches('/'));
        let unreached = |error: reqwest::Error| Trouble::Unreached(reason(&error.without_url()));
        let mut response = self.client.post(url).body(body).send().await.map_err(unreached)?;
        let status = response.status();
        let mut answer = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(unreached)? {
            if answer.len() + piece.len() > ANSWER_BYTES_MAX {
                return Err(Trouble::Refused(format!("it answers more than {ANSWER_BYTES_MAX} bytes")));
            }
            answer.extend_from_slice(&piece);
        }
        let answer = String::from_utf8(answer)
            .map_err(|_| Trouble::Refused("it answers bytes that are no text".to_owned()))?;
        match status {
            StatusCode::OK => match take_cosignature(text, &answer, &witness.key) {
                Ok((line, at)) => Ok(Answer::Cosigned(line, at)),
                Err(error) => Err(Trouble::Contradicts(format!("its answer is no cosignature: {error}"))),
            },
            StatusCode::CONFLICT => match answer.trim_end().parse() {
                Ok(size) => Ok(Answer::Knows(size)),
                Err(_) => Err(Trouble::Refused("it knows another size and does not tell which".to_owned())),
            },
            _ => {
                let words: String =
                    answer.trim().chars().filter(|letter| !letter.is_control()).take(REFUSAL_CHARS).collect();
                Err(Trouble::Refused(format!("HTTP status {}: {words}", status.as_u16())))
            }
        }
    }
}

/// What is asked of each witness.
struct Submission<'a> {
    log: &'a TenantLog,
    size: u64,
    note: &'a str,
    /// The note's signed text.
    text: &'a str,
}

/// What a witness may say.
enum Answer {
    Cosigned(String, u64),
    Knows(u64),
}

fn without_quorum(state: &State) -> u64 {
    state.logs.values().filter(|log| log.last.is_some_and(|(_, met)| !met)).count() as u64
}

/// Forgets the logs that were used longest ago.
fn forget_beyond(state: &mut State, kept: usize) {
    while state.logs.len() > kept {
        let oldest = state.logs.iter().min_by_key(|(_, log)| log.used).map(|(log, _)| log.clone());
        if let Some(oldest) = oldest {
            state.logs.remove(&oldest);
        }
    }
}

/// An error with its causes, on one line.
fn reason(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logs_used_longest_ago_are_forgotten_first() {
        let mut state = State::default();
        let log = |number: u64| (TenantId::new(&format!("t{number}")).unwrap(), LogKind::Tenant);
        for number in 0..5 {
            state.logs.insert(log(number), Submitted { used: 10 - number, ..Submitted::default() });
        }
        forget_beyond(&mut state, 3);
        assert_eq!(state.logs.keys().cloned().collect::<Vec<_>>(), [log(0), log(1), log(2)]);
    }
}
