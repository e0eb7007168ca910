//! Storing events on a server: batch by batch, each tried again until its outcome is known.
//!
//! A batch goes out as the same bytes at every try, so its events need ids of their own: what an earlier try stored, whose
//! answer was lost, is then a duplicate and not a second event.
//!
//! | what comes back | then |
//! |---|---|
//! | 200, 409, 422 with results | an answer for each event |
//! | no connection, a broken one, silence; 408, 429, 502, 503, 504 | again after a pause, for as long as [`Sending::retry_for`] |
//! | 413 | in halves; one event that is too large by itself is rejected |
//! | everything else | the end |

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use annals_ledger::batch::ITEMS_MAX;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;

use crate::api::Api;
use crate::exit::{Exit, Failure, reason};
use crate::output::Output;

/// Most events of one request.
pub(crate) const BATCH_EVENTS_MAX: usize = 10_000;

/// Longest body of one request before compression, bytes; the server takes 16 MiB.
pub(crate) const BATCH_BYTES_MAX: usize = 8 << 20;

const _: () = assert!(BATCH_EVENTS_MAX <= ITEMS_MAX && BATCH_BYTES_MAX < 16 << 20);

/// Longest answer that is read: 10,000 rejections with long reasons are a tenth of it.
const ANSWER_BYTES_MAX: usize = 128 << 20;

/// Shorter bodies are not worth compressing.
const COMPRESSED_FROM_BYTES: usize = 1 << 10;

/// zstd's fastest ordinary level: faster than any network, and a fifth of the bytes.
const COMPRESSION_LEVEL: i32 = 1;

/// Pauses between tries: the first, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Between two notes on the same trouble.
const NOTE_EVERY: Duration = Duration::from_secs(10);

/// How events are sent.
#[derive(Clone, Debug)]
pub(crate) struct Sending {
    /// Unknown members are rejected rather than kept.
    pub(crate) strict: bool,
    /// How long a batch is tried again, from its first failure.
    pub(crate) retry_for: Duration,
    /// Where waiting is said.
    pub(crate) output: Output,
}

/// Stores events on one server. Batches sent one after the other keep their order.
#[derive(Debug)]
pub(crate) struct Sender {
    api: Api,
    sending: Sending,
    resent: AtomicU64,
}

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ItemAnswer {
    pub(crate) status: ItemStatus,
    /// The event's id, unless it could not be read.
    pub(crate) id: Option<String>,
    /// Where it stands in its tenant's log; none of a rejected one.
    pub(crate) position: Option<u64>,
}

/// See [`ItemAnswer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ItemStatus {
    Created,
    /// The same event was stored before.
    Duplicate,
    /// Not stored, and never will be as it is.
    Rejected(Rejected),
}

/// Why an event is not stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Rejected {
    /// Stable name of the reason; `conflict`: another event has its id.
    pub(crate) code: String,
    /// JSON Pointer of the member in question; empty for the whole event.
    pub(crate) pointer: String,
    /// For people.
    pub(crate) detail: String,
}

/// The server's answer to a batch.
#[derive(Deserialize)]
struct Answer {
    results: Vec<AnswerItem>,
}

#[derive(Deserialize)]
struct AnswerItem {
    status: Word,
    id: Option<String>,
    position: Option<u64>,
    #[serde(default)]
    error: Rejected,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Created,
    Duplicate,
    Rejected,
}

/// What became of one try.
enum Outcome {
    Answered(Vec<ItemAnswer>),
    /// The server takes no batch of this size.
    TooLarge(Rejected),
    Again(Trouble),
}

/// Why a batch is tried again.
struct Trouble {
    failure: Failure,
    /// Longest pause the server asks for.
    pause: Option<Duration>,
    /// The events may be stored.
    is_uncertain: bool,
}

impl Sender {
    pub(crate) fn new(api: Api, sending: Sending) -> Self {
        Self { api, sending, resent: AtomicU64::new(0) }
    }

    /// Stores events, in requests of at most [`BATCH_EVENTS_MAX`] events and [`BATCH_BYTES_MAX`] bytes one after the other;
    /// gives an answer for each, in their order.
    ///
    /// Each is one JSON text with an `id`; what is none is rejected by the server.
    ///
    /// # Errors
    ///
    /// The server refuses the request as a whole (wrong key, say), or did not answer within [`Sending::retry_for`]. Events
    /// of these may be stored; sending them again is safe.
    pub(crate) async fn send(&self, events: &[impl AsRef<[u8]>]) -> Result<Vec<ItemAnswer>, Failure> {
        let mut answers = Vec::with_capacity(events.len());
        // What is still to be sent, the next part last.
        let mut parts: Vec<Range<usize>> = parts(events).collect();
        parts.reverse();
        while let Some(part) = parts.pop() {
            match self.send_part(&events[part.clone()]).await? {
                Ok(answer) => answers.extend(answer),
                Err(rejected) if part.len() == 1 => answers.push(ItemAnswer {
                    status: ItemStatus::Rejected(rejected),
                    id: None,
                    position: None,
                }),
                Err(_) => {
                    let middle = part.start + part.len() / 2;
                    parts.extend([middle..part.end, part.start..middle]);
                }
            }
        }
        Ok(answers)
    }

    /// How many events were sent again although an earlier try may have stored them. Those it did count as duplicates.
    pub(crate) fn resent(&self) -> u64 {
        self.resent.load(Ordering::Relaxed)
    }

    /// Tries one request until it is answered, or is known to be too large.
    async fn send_part(
        &self,
        events: &[impl AsRef<[u8]>],
    ) -> Result<Result<Vec<ItemAnswer>, Rejected>, Failure> {
        let body = Body::new(events)?;
        let mut waiting = Waiting::new(&self.sending);
        loop {
            let trouble = match self.attempt(&body, events.len()).await? {
                Outcome::Answered(answers) => {
                    waiting.over();
                    return Ok(Ok(answers));
                }
                Outcome::TooLarge(rejected) => return Ok(Err(rejected)),
                Outcome::Again(trouble) => trouble,
            };
            let is_uncertain = trouble.is_uncertain;
            tokio::time::sleep(waiting.pause(trouble)?).await;
            if is_uncertain {
                self.resent.fetch_add(events.len() as u64, Ordering::Relaxed);
            }
        }
    }

    async fn attempt(&self, body: &Body, count: usize) -> Result<Outcome, Failure> {
        let strict = self.sending.strict.then(|| ("strict".to_owned(), "true".to_owned()));
        let mut request = self.api.request(Method::POST, &["v1", "events"], &strict.into_iter().collect());
        request = request.header(CONTENT_TYPE, "application/x-ndjson").body(body.bytes.clone());
        if body.is_compressed {
            request = request.header(CONTENT_ENCODING, "zstd");
        }
        let unreached = |error: reqwest::Error| {
            let is_uncertain = !error.is_connect();
            Outcome::Again(Trouble { failure: self.api.unreached(error), pause: None, is_uncertain })
        };
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_builder() => return Err(self.api.unreached(error)),
            Err(error) => return Ok(unreached(error)),
        };
        let mut answer = Vec::new();
        loop {
            match response.chunk().await {
                Err(error) => return Ok(unreached(error)),
                Ok(None) => break,
                Ok(Some(piece)) if answer.len() + piece.len() > ANSWER_BYTES_MAX => {
                    return Err(self.senseless(&format!("more than {ANSWER_BYTES_MAX} bytes")));
                }
                Ok(Some(piece)) => answer.extend_from_slice(&piece),
            }
        }
        self.outcome(&response, &answer, count)
    }

    fn outcome(&self, response: &Response, answer: &[u8], count: usize) -> Result<Outcome, Failure> {
        let refusal = || self.api.refusal(response.status(), answer);
        let code = || serde_json::from_slice::<Rejected>(answer).unwrap_or_default();
        let again = |is_uncertain| {
            Ok(Outcome::Again(Trouble { failure: refusal(), pause: asked_pause(response), is_uncertain }))
        };
        match response.status() {
            StatusCode::OK | StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => {
                let items = serde_json::from_slice::<Answer>(answer);
                let items = items.map_err(|error| self.senseless(&error.to_string()))?.results;
                if items.len() != count {
                    return Err(self.senseless(&format!("{} results for {count} events", items.len())));
                }
                Ok(Outcome::Answered(items.into_iter().map(ItemAnswer::from).collect()))
            }
            StatusCode::PAYLOAD_TOO_LARGE => Ok(Outcome::TooLarge(too_large(code()))),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => again(false),
            // A proxy that lost its server does not say what that did.
            StatusCode::SERVICE_UNAVAILABLE => again(matches!(code().code.as_str(), "uncertain" | "")),
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => again(true),
            _ if code().code == "body_broken" => again(false),
            _ => Err(refusal()),
        }
    }

    fn senseless(&self, why: &str) -> Failure {
        self.api.senseless("v1/events", why)
    }
}

impl From<AnswerItem> for ItemAnswer {
    fn from(item: AnswerItem) -> Self {
        let status = match item.status {
            Word::Created => ItemStatus::Created,
            Word::Duplicate => ItemStatus::Duplicate,
            Word::Rejected => ItemStatus::Rejected(item.error),
        };
        Self { status, id: item.id, position: item.position }
    }
}

/// Why one event is too large, also when a proxy says so in no words of ours.
fn too_large(said: Rejected) -> Rejected {
    if !said.code.is_empty() {
        return said;
    }
    let detail = "a proxy before the server takes no request of its length".to_owned();
    Rejected { code: "body_bytes".to_owned(), pointer: String::new(), detail }
}

/// The pause that an answer asks for; dates are not looked at, as clocks differ.
fn asked_pause(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Cuts events into requests. An event too long for any has one of its own.
fn parts(events: &[impl AsRef<[u8]>]) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |event: &&_| {
            bytes += AsRef::<[u8]>::as_ref(*event).len() + 1;
            bytes <= BATCH_BYTES_MAX
        };
        let count = events[from..].iter().take(BATCH_EVENTS_MAX).take_while(fits).count();
        let part = from..(from + count.max(1)).min(events.len());
        from = part.end;
        (!part.is_empty()).then_some(part)
    })
}

/// A request's body, the same at every try.
struct Body {
    bytes: bytes::Bytes,
    is_compressed: bool,
}

impl Body {
    fn new(events: &[impl AsRef<[u8]>]) -> Result<Self, Failure> {
        let lines = lines(events);
        if lines.len() < COMPRESSED_FROM_BYTES {
            return Ok(Self { bytes: lines.into(), is_compressed: false });
        }
        let compressed = zstd::bulk::compress(&lines, COMPRESSION_LEVEL).map_err(|error| {
            Failure::new(Exit::Unavailable, format!("cannot compress a batch: {}", reason(&error)))
        })?;
        Ok(Self { bytes: compressed.into(), is_compressed: true })
    }
}

/// Events as lines of NDJSON, one each.
///
/// A line feed inside an event becomes a carriage return, which JSON takes and refuses in the same places: between tokens it is
/// white space, inside a string it is an error. A blank event, whose line would count for none, becomes `null`.
fn lines(events: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let bytes = events.iter().map(|event| event.as_ref().len() + 1).sum();
    let mut lines = Vec::with_capacity(bytes);
    for event in events {
        let begin = lines.len();
        match event.as_ref() {
            event if event.trim_ascii().is_empty() => lines.extend_from_slice(b"null"),
            event => lines.extend_from_slice(event),
        }
        for byte in &mut lines[begin..] {
            if *byte == b'\n' {
                *byte = b'\r';
            }
        }
        lines.push(b'\n');
    }
    lines
}

/// The pauses of one batch, and what is said of them.
struct Waiting<'a> {
    sending: &'a Sending,
    began: Option<Instant>,
    tries: u32,
    /// What was said last, and when.
    noted: Option<(String, Instant)>,
}

impl<'a> Waiting<'a> {
    fn new(sending: &'a Sending) -> Self {
        Self { sending, began: None, tries: 0, noted: None }
    }

    /// How long to wait after this trouble, or its failure when the time is over.
    fn pause(&mut self, trouble: Trouble) -> Result<Duration, Failure> {
        let now = Instant::now();
        let waited = now - *self.began.get_or_insert(now);
        let left = self.sending.retry_for.saturating_sub(waited);
        let own = pause(self.tries, jitter());
        self.tries += 1;
        if left.is_zero() || trouble.pause.is_some_and(|asked| asked > left) {
            return Err(self.given_up(trouble, waited));
        }
        self.note(&trouble.failure.message, left, now);
        Ok(trouble.pause.map_or(own, |asked| asked.max(own)).min(left))
    }

    fn given_up(&self, trouble: Trouble, waited: Duration) -> Failure {
        let mut failure = trouble.failure;
        if let Some(asked) = trouble.pause {
            failure.message = format!("{}; it asks to wait {} s", failure.message, asked.as_secs());
        }
        if self.tries > 1 {
            failure.message =
                format!("{}; tried {} times in {:.0} s", failure.message, self.tries, waited.as_secs_f64());
        }
        failure
    }

    fn note(&mut self, trouble: &str, left: Duration, now: Instant) {
        let is_news = self.noted.as_ref().is_none_or(|(said, at)| said != trouble || now - *at >= NOTE_EVERY);
        if is_news {
            let left = left.as_secs_f64();
            self.sending.output.note(&format!("{trouble}; trying again for up to {left:.0} s"));
            self.noted = Some((trouble.to_owned(), now));
        }
    }

    /// The batch was answered.
    fn over(&self) {
        if self.noted.is_some() {
            self.sending.output.note("the server answers again");
        }
    }
}

/// The pause after the try of this number, from 0: twice as long each time, and of that a random half is taken off, so that
/// many senders do not come back at once.
fn pause(tries: u32, jitter: u8) -> Duration {
    let longest = PAUSE_MIN.saturating_mul(1 << tries.min(16)).min(PAUSE_MAX);
    longest / 2 + longest / 2 * u32::from(jitter) / u32::from(u8::MAX)
}

fn jitter() -> u8 {
    let mut random = [0];
    // Without randomness the pause is the longest.
    getrandom::fill(&mut random).map_or(u8::MAX, |()| random[0])
}

#[cfg(test)]
mod tests;
