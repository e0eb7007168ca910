//! Connections that send events until the server is gone, and remember what they were told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::api::{self, Ingested, IngestedItem, Seen};
use crate::fault::{Result, fail, require};
use crate::http::Client;
use crate::instance::Instance;
use crate::rng::Rng;

/// Tenants that the events are spread over.
pub(crate) const TENANTS: [&str; 3] = ["acme", "birch", "cedar"];

/// Most events of one request.
const REQUEST_EVENTS_MAX: u64 = 200;

/// How one request carries its events.
#[derive(Clone, Copy, Debug)]
enum Form {
    One,
    Array,
    Lines,
    /// Lines whose events have no ids; the request has an `Idempotency-Key`.
    KeyedLines,
}

/// One event, as sent and as answered.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// The tenant's index in [`TENANTS`].
    pub(crate) tenant: usize,
    /// In its `metadata.marker`; no two events have the same.
    pub(crate) marker: String,
    /// Where it was acknowledged to be.
    pub(crate) place: Option<Acknowledged>,
}

/// What the server acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    /// Position in its tenant's order.
    pub(crate) position: u64,
    /// Leaf hash, lower-case hex.
    pub(crate) leaf: String,
}

/// One request, which can be sent again.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    form: Form,
    key: String,
    /// The events in the order sent.
    pub(crate) events: Vec<Event>,
}

impl Request {
    fn new(rng: &mut Rng, name: String) -> Self {
        let form = [Form::One, Form::Array, Form::Lines, Form::KeyedLines]
            [usize::try_from(rng.below(4)).expect("below 4")];
        let count = if matches!(form, Form::One) { 1 } else { 1 + rng.below(REQUEST_EVENTS_MAX) };
        let mut event = |index| Event {
            tenant: usize::try_from(rng.below(TENANTS.len() as u64)).expect("an index"),
            marker: format!("{name}-{index}"),
            place: None,
        };
        Self { form, events: (0..count).map(&mut event).collect(), key: name }
    }

    fn body(&self) -> Vec<u8> {
        let with_ids = !matches!(self.form, Form::KeyedLines);
        let texts: Vec<_> = self.events.iter().map(|event| event.text(with_ids)).collect();
        match self.form {
            Form::One => texts.concat().into_bytes(),
            Form::Array => format!("[{}]", texts.join(",")).into_bytes(),
            Form::Lines | Form::KeyedLines => texts.join("\n").into_bytes(),
        }
    }

    /// Sends it; false when nobody can tell whether it was carried out.
    ///
    /// # Errors
    ///
    /// When the answer is one that this request must not get.
    pub(crate) fn send(&mut self, client: &mut Client) -> Result<bool> {
        let media = match self.form {
            Form::One | Form::Array => "application/json",
            Form::Lines | Form::KeyedLines => "application/x-ndjson",
        };
        let mut headers = vec![("content-type", media)];
        if matches!(self.form, Form::KeyedLines) {
            headers.push(("idempotency-key", &self.key));
        }
        let Ok(answer) = client.request("POST", "/v1/events", &headers, &self.body()) else {
            return Ok(false);
        };
        if answer.status == 503 {
            return Ok(false);
        }
        let answer: Ingested = api::json("POST /v1/events", &answer)?;
        require!(
            answer.results.len() == self.events.len(),
            "{} results for {} events",
            answer.results.len(),
            self.events.len()
        );
        for (event, item) in self.events.iter_mut().zip(answer.results) {
            event.acknowledge(item)?;
        }
        Ok(true)
    }
}

impl Event {
    /// The event as JSON; the same each time.
    fn text(&self, with_id: bool) -> String {
        let tenant = TENANTS[self.tenant];
        let marker = &self.marker;
        let id = if with_id { format!("\"id\":\"{marker}\",") } else { String::new() };
        format!(
            "{{{id}\"tenant\":\"{tenant}\",\"action\":\"document.update\",\"occurred_at\":\"2026-01-02T03:04:05.678901Z\",\
             \"actor\":{{\"type\":\"user\",\"id\":\"u-{}\",\"name\":\"Ana Example\"}},\
             \"targets\":[{{\"type\":\"document\",\"id\":\"d-{marker}\"}}],\"context\":{{\"ip\":\"203.0.113.7\"}},\
             \"metadata\":{{\"marker\":\"{marker}\",\"none\":null,\"digits\":9007199254740993.10}}}}",
            marker.len(),
        )
    }

    fn acknowledge(&mut self, item: IngestedItem) -> Result<()> {
        let (Some(position), Some(leaf)) = (item.position, item.leaf) else {
            fail!("event {} was {}: {:?}", self.marker, item.status, item.error);
        };
        let place = Acknowledged { position, leaf };
        if let Some(known) = &self.place {
            require!(*known == place, "event {}: acknowledged as {known:?}, then as {place:?}", self.marker);
        }
        self.place = Some(place);
        Ok(())
    }
}

/// What connections sent in one round.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Acknowledged requests; those of one connection stand together, in order.
    pub(crate) answered: Vec<Vec<Request>>,
    /// Requests whose answer was lost.
    pub(crate) lost: Vec<Request>,
    /// The last checkpoint that somebody saw of each tenant.
    pub(crate) seen: Vec<Option<Seen>>,
}

impl Sent {
    /// How many events were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.answered.iter().flatten().map(|request| request.events.len()).sum()
    }

    /// Of how many events nobody knows.
    pub(crate) fn unknown(&self) -> usize {
        self.lost.iter().map(|request| request.events.len()).sum()
    }
}

/// What one connection sent: requests that were answered, in order, and the one that was not.
type Connection = (Vec<Request>, Option<Request>);

/// Connections at work.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    senders: Vec<JoinHandle<Result<Connection>>>,
    auditor: JoinHandle<Vec<Option<Seen>>>,
}

impl Load {
    /// Lets `connections` send, and an auditor fetch checkpoints that extend those `seen`.
    pub(crate) fn start(
        server: &Instance,
        rng: &mut Rng,
        round: u64,
        connections: u64,
        seen: Vec<Option<Seen>>,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let senders = (0..connections)
            .map(|connection| {
                let (client, rng, stop) = (server.client(), rng.split(), Arc::clone(&stop));
                std::thread::spawn(move || {
                    send_until_lost(client, rng, &format!("r{round}-c{connection}"), &stop)
                })
            })
            .collect();
        let (client, watching) = (server.client(), Arc::clone(&stop));
        let auditor = std::thread::spawn(move || audit(client, seen, &watching));
        Self { stop, senders, auditor }
    }

    /// Waits until all have noticed that the server is gone.
    pub(crate) fn finish(self) -> Result<Sent> {
        self.stop.store(true, Ordering::Relaxed);
        let mut sent = Sent::default();
        for sender in self.senders {
            let (answered, lost) = sender.join().map_err(|_| "a sender panicked")??;
            sent.answered.push(answered);
            sent.lost.extend(lost);
        }
        sent.seen = self.auditor.join().map_err(|_| "the auditor panicked")?;
        Ok(sent)
    }
}

fn send_until_lost(mut client: Client, mut rng: Rng, name: &str, stop: &AtomicBool) -> Result<Connection> {
    let mut answered = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let mut request = Request::new(&mut rng, format!("{name}-{}", answered.len()));
        if !request.send(&mut client)? {
            return Ok((answered, Some(request)));
        }
        answered.push(request);
    }
    Ok((answered, None))
}

/// Fetches checkpoints in turn until the server is gone. A broken promise shows after the round, when the checkpoints
/// are to be extended.
fn audit(mut client: Client, mut seen: Vec<Option<Seen>>, stop: &AtomicBool) -> Vec<Option<Seen>> {
    while !stop.load(Ordering::Relaxed) {
        for (tenant, seen) in TENANTS.iter().zip(&mut seen) {
            if let Some(known) = seen
                && let Ok(new) = api::checkpoint(&mut client, tenant, &known.key)
            {
                *known = new;
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    seen
}
