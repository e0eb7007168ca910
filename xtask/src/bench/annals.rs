//! annals, over HTTP.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use form_urlencoded::Serializer;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::client;
use super::engine::{Engine, Loaded};
use super::lines::{Batches, Source};
use super::process::{Meter, disk_bytes, forget, memory_kib, own_cpu_seconds, still};
use super::question::{Answer, Ask, Condition, InMetadata, micros};
use crate::fault::{Result, While, fail, require};
use crate::http::Client;
use crate::instance::{Binary, Instance};

/// Connections that send events.
pub(super) const CONNECTIONS: usize = 4;

/// Events of a page of an export.
const EXPORT_PAGE: usize = 1_000;

/// Values of a summary, at most: as many as it gives, as the others give all.
const SUMMARY_VALUES: &str = "1000";

/// A server, and its folder.
pub(super) struct Annals {
    binary: Binary,
    data: PathBuf,
    key: String,
    server: Option<Instance>,
    client: Client,
}

impl Annals {
    /// Starts one on a new folder.
    pub(super) fn start(binary: &Binary, folder: &Path) -> Result<Self> {
        let data = folder.join("annals");
        let server = Instance::start(binary, &data)?;
        let (key, client) = (server.key.clone(), server.client());
        Ok(Self { binary: binary.clone(), data, key, server: Some(server), client })
    }

    pub(super) fn server(&self) -> &Instance {
        self.server.as_ref().expect("it runs between calls")
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Bytes on disk by kind of file.
    pub(super) fn bytes(&self) -> Result<Vec<(String, u64)>> {
        let of = |name: &str| {
            let folder = self.data.join(name);
            if folder.is_dir() { disk_bytes(&folder) } else { Ok(0) }
        };
        let (journal, segments) = (of("journal")?, of("segments")?);
        let rest = disk_bytes(&self.data)?.saturating_sub(journal + segments);
        Ok(vec![
            ("segments".to_owned(), segments),
            ("journal".to_owned(), journal),
            ("rest".to_owned(), rest),
        ])
    }

    fn get(&mut self, path: &str) -> Result<Vec<u8>> {
        let answer = self.client.get(path).while_doing(path)?;
        require!(answer.status == 200, "{path}: status {}: {}", answer.status, answer.text());
        Ok(answer.body)
    }
}

/// A number of `/metrics`; none where there is no such metric.
pub(super) fn metric(server: &Instance, name: &str) -> Result<Option<u64>> {
    let answer = server.client().get("/metrics").while_doing("/metrics")?.text();
    let value = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map(str::parse).transpose().while_doing(name)
}

/// Waits until sealing and merging are done.
pub(super) fn settled(server: &Instance) -> Result<()> {
    still(server.id())
}

impl Engine for Annals {
    fn name(&self) -> &'static str {
        "annals"
    }

    fn pid(&self) -> Result<u32> {
        Ok(self.server().id())
    }

    fn ingest(&mut self, source: &Source) -> Result<Loaded> {
        let batches = Batches::of(source.open()?);
        let (server, key) = (self.server(), self.key());
        let meter = Meter::start(server.id())?;
        let client_cpu = own_cpu_seconds()?;
        let address = server.address();
        let sent = std::thread::scope(|scope| {
            let senders: Vec<_> =
                (0..CONNECTIONS).map(|_| scope.spawn(|| send_all(address, key, &batches))).collect();
            senders.into_iter().try_fold(0, |sum, sender| {
                Ok::<_, crate::fault::Fault>(
                    sum + sender.join().map_err(|_| "a sender panicked".to_owned())??,
                )
            })
        })?;
        let ingest = meter.taken()?;
        let client_cpu_seconds = own_cpu_seconds()? - client_cpu;
        settled(server)?;
        let settled = meter.taken()?;
        let rest_kib = memory_kib(server.id());
        let in_tail = metric(server, "annals_tail_records")?;
        Ok(Loaded {
            events: sent,
            ingest,
            settled,
            client_cpu_seconds,
            rest_kib,
            in_tail,
            bytes: self.bytes()?,
        })
    }

    fn restart_cold(&mut self) -> Result<Option<Duration>> {
        self.server.take().expect("it runs between calls").stop()?;
        forget(&self.data)?;
        let began = Instant::now();
        let mut server = Instance::start(&self.binary, &self.data)?;
        let ready = began.elapsed();
        server.key = self.key.clone();
        self.client = server.client();
        self.server = Some(server);
        // The connection is there before the clock starts, as those of the others are.
        self.get("/healthz")?;
        Ok(Some(ready))
    }

    fn ask(&mut self, ask: &Ask, times: usize) -> Result<(Vec<u64>, Answer)> {
        let path = self.path(ask)?;
        let (mut latencies, mut answer) = (Vec::with_capacity(times), None);
        for _ in 0..times {
            let (took, found) = match ask {
                Ask::Export(_) => self.export(&path)?,
                _ => {
                    let (took, body) = self.timed(&path)?;
                    (took, read(ask, &body)?)
                }
            };
            latencies.push(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
            answer = Some(found);
        }
        Ok((latencies, answer.ok_or("nothing was asked")?))
    }
}

impl Annals {
    fn timed(&mut self, path: &str) -> Result<(Duration, Vec<u8>)> {
        let began = Instant::now();
        let body = self.get(path)?;
        Ok((began.elapsed(), body))
    }

    /// All pages; the clock stands still while one is taken apart, so that no more than one is held.
    fn export(&mut self, path: &str) -> Result<(Duration, Answer)> {
        let (mut took, mut events) = (Duration::ZERO, Vec::new());
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let (of_page, body) = self.timed(&path)?;
            took += of_page;
            events.extend(page(&body)?);
            next = cursor(&body).map(|cursor| format!("/v1/events?cursor={cursor}&limit={EXPORT_PAGE}"));
        }
        Ok((took, Answer::Events(events)))
    }

    fn path(&mut self, ask: &Ask) -> Result<String> {
        Ok(match ask {
            Ask::Page(condition) => format!("/v1/events?{}", query(condition, &[])),
            Ask::Next(condition) => {
                let body = self.get(&format!("/v1/events?{}", query(condition, &[])))?;
                let cursor = cursor(&body).ok_or("there is no next page")?;
                format!("/v1/events?cursor={cursor}")
            }
            Ask::Facets(condition) => {
                format!("/v1/summary?{}", query(condition, &[("by", "action"), ("limit", SUMMARY_VALUES)]))
            }
            Ask::Histogram(condition) => format!("/v1/summary?{}", query(condition, &[("interval", "1d")])),
            Ask::One { tenant, id } => format!("/v1/events/{id}?tenant={tenant}"),
            Ask::Export(condition) => {
                format!("/v1/events?{}", query(condition, &[("limit", &EXPORT_PAGE.to_string())]))
            }
        })
    }
}

/// The parameters of a condition: see `docs/reference/search.md`.
pub(super) fn query(condition: &Condition, more: &[(&str, &str)]) -> String {
    let Condition {
        tenant,
        action,
        actor,
        email,
        target,
        address,
        categories,
        status,
        words,
        metadata,
        since,
        until,
    } = condition;
    let mut query = Serializer::new(String::new());
    let named = [
        ("tenant", tenant),
        ("action", action),
        ("actor_id", actor),
        ("actor_email", email),
        ("targets_id", target),
        ("context_ip", address),
        ("since", since),
        ("until", until),
    ];
    for (name, value) in named {
        query.extend_pairs(value.iter().map(|value| (name, value)));
    }
    query.extend_pairs(categories.iter().map(|category| ("category", category)));
    query.extend_pairs(status.iter().map(|status| ("request_status_code", status.to_string())));
    query.extend_pairs(
        metadata
            .iter()
            .map(|InMetadata { path, value }| ("filter", format!("metadata.{path} eq \"{value}\""))),
    );
    if !words.is_empty() {
        query.append_pair("q", &words.join(" "));
    }
    query.extend_pairs(more);
    query.finish()
}

/// What stands behind the last `"next":"` of a page, without reading the page.
fn cursor(body: &[u8]) -> Option<String> {
    const NAME: &[u8] = b"\"next\":\"";
    let at = body.windows(NAME.len()).rposition(|window| window == NAME)? + NAME.len();
    let end = at + body[at..].iter().position(|byte| *byte == b'"')?;
    String::from_utf8(body[at..end].to_vec()).ok()
}

#[derive(Deserialize)]
struct Found {
    id: String,
    occurred_at: String,
}

#[derive(Deserialize)]
struct Page {
    events: Vec<Found>,
}

#[derive(Deserialize)]
struct Summary {
    counts: Option<BTreeMap<String, Values>>,
    histogram: Option<Histogram>,
}

#[derive(Deserialize)]
struct Values {
    values: Vec<Value>,
}

#[derive(Deserialize)]
struct Value {
    value: String,
    count: u64,
}

#[derive(Deserialize)]
struct Histogram {
    buckets: Vec<Bucket>,
}

#[derive(Deserialize)]
struct Bucket {
    start: String,
    count: u64,
}

fn read(ask: &Ask, body: &[u8]) -> Result<Answer> {
    Ok(match ask {
        Ask::Page(_) | Ask::Next(_) | Ask::Export(_) => Answer::Events(page(body)?),
        Ask::One { .. } => Answer::Events(vec![event(json(body)?)?]),
        Ask::Facets(_) => {
            let summary: Summary = json(body)?;
            let counts = summary.counts.and_then(|mut counts| counts.remove("action"));
            let values = counts.ok_or("an answer without counts")?.values;
            Answer::Counts(values.into_iter().map(|value| (value.value, value.count)).collect())
        }
        Ask::Histogram(_) => {
            let summary: Summary = json(body)?;
            let buckets = summary.histogram.ok_or("an answer without a histogram")?.buckets;
            Answer::Counts(
                buckets.into_iter().map(|bucket| (bucket.start[..10].to_owned(), bucket.count)).collect(),
            )
        }
    })
}

fn page(body: &[u8]) -> Result<Vec<(i64, String)>> {
    let page: Page = json(body)?;
    page.events.into_iter().map(event).collect()
}

fn event(found: Found) -> Result<(i64, String)> {
    Ok((micros(&found.occurred_at)?, found.id))
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).while_doing("an answer of annals")
}

/// Sends batches until there are no more; gives how many events.
fn send_all(address: SocketAddr, key: &str, batches: &Batches) -> Result<u64> {
    let mut sender = Sender::connect(address, key)?;
    let (mut lines, mut sent) = (Vec::new(), 0);
    loop {
        let count = batches.next(&mut lines)?;
        if count == 0 {
            return Ok(sent);
        }
        sender.send(&lines, count)?;
        sent += count as u64;
    }
}

/// A connection that sends events.
pub(super) struct Sender {
    client: client::Client,
    key: String,
    request: Vec<u8>,
}

impl Sender {
    pub(super) fn connect(address: SocketAddr, key: &str) -> Result<Self> {
        let client = client::Client::connect(address).while_doing("connect")?;
        Ok(Self { client, key: key.to_owned(), request: Vec::new() })
    }

    /// Sends lines; an error unless each becomes an event.
    pub(super) fn send(&mut self, lines: &[u8], count: usize) -> Result<()> {
        if !self.try_send(lines, count)? {
            fail!("refused for now");
        }
        Ok(())
    }

    /// As [`Self::send`]; false when the server says that it has too much to do.
    pub(super) fn try_send(&mut self, lines: &[u8], count: usize) -> Result<bool> {
        self.request.clear();
        let head = format!(
            "POST /v1/events HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {}\r\ncontent-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
            self.key,
            lines.len()
        );
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(lines);
        let answer = self.client.exchange(&self.request).while_doing("send")?;
        let expected = format!("{{\"created\":{count},\"duplicate\":0,\"rejected\":0,");
        if answer.starts_with(expected.as_bytes()) {
            return Ok(true);
        }
        let said = String::from_utf8_lossy(&answer[..answer.len().min(600)]);
        require!(said.contains("\"busy\""), "answered {said}");
        Ok(false)
    }
}
