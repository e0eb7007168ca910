//! What questions take over HTTP, each asked again and again on one connection, while events arrive at a steady rate.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use form_urlencoded::Serializer;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::client;
use super::event::{self, Request};
use crate::fault::{Fault, Result, While as _, fail, require};
use crate::http::Client;
use crate::instance::{Binary, Instance};

/// Sizes of the ledger when none is asked for.
pub(super) const SIZES: [usize; 2] = [200_000, 1_000_000];

/// The tenant that has half of the events, and how many others share the rest.
const TENANT: &str = "acme";
const OTHERS: usize = 7;

const ACTIONS: [&str; 12] = [
    "video.update",
    "video.create",
    "video.delete",
    "video.view",
    "comment.create",
    "comment.delete",
    "folder.create",
    "folder.move",
    "user.login",
    "user.logout",
    "share.create",
    "share.revoke",
];

/// Days over which events occurred, one after the other.
const DAYS: usize = 20;

/// Events of a request, and connections, while the ledger is filled.
const FILL_EVENTS: usize = 2_000;
const FILL_CONNECTIONS: usize = 4;

/// What arrives while questions are asked: so many events a request, a request each time this has passed.
const ARRIVING_EVENTS: usize = 2;
const ARRIVING_EVERY: Duration = Duration::from_millis(10);

/// A question is asked at most so often, for at most so long, but some times at least.
const ASKED_MAX: usize = 300;
const ASKED_MIN: usize = 5;

/// The page that is asked for by its cursor, counted from 1.
const LATER_PAGE: usize = 50;

type Parameters = &'static [(&'static str, &'static str)];

/// Questions, by what one would call them. `actor_id` and `targets_id` are among those of [`event::event`].
const QUESTIONS: [(&str, &str, Parameters); 10] = [
    ("newest page", "/v1/events", &[]),
    ("page by actor, 1 in 997", "/v1/events", &[("actor_id", "usr_0000004d")]),
    ("page by action, 1 in 12", "/v1/events", &[("action", "video.delete")]),
    ("needle: target, 1 in 50,021", "/v1/events", &[("targets_id", "vid_00001267")]),
    ("miss: no such actor", "/v1/events", &[("actor_id", "usr_nobody")]),
    ("two words, 1 in 50,021", "/v1/events", &[("q", "keynote 4711")]),
    ("`co`, 1 in 997", "/v1/events", &[("filter", "actor.email co \"ser77@\"")]),
    ("`co`, a miss", "/v1/events", &[("filter", "actor.email co \"nobody@\"")]),
    ("page by action with total", "/v1/events", &[("action", "video.delete"), ("total", "true")]),
    ("summary: by action, by day", "/v1/summary", &[("by", "action"), ("interval", "1d")]),
];

/// Fills a ledger of each size and prints its table; each question is asked for so long.
pub(super) fn run(binary: &Binary, sizes: &[usize], duration: Duration) -> Result<()> {
    for size in sizes {
        let folder = tempfile::tempdir().while_doing("temporary folder")?;
        let server = Instance::start(binary, &folder.path().join("data"))?;
        let began = Instant::now();
        fill(&server, *size)?;
        println!(
            "\n{size} events of {} tenants, stored in {:.1} s",
            OTHERS + 1,
            began.elapsed().as_secs_f64()
        );
        println!("| question | over | found | p50 ms | p99 ms | ingest p99 ms |");
        println!("|---|---|---:|---:|---:|---:|");
        let arrivals = Mutex::new(Vec::new());
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let arriving = scope.spawn(|| arrive(&server, &stop, &arrivals));
            let asked = ask_all(&server, *size, duration, &arrivals);
            stop.store(true, Ordering::Relaxed);
            arriving.join().map_err(|_| "the sender panicked".to_owned())??;
            asked
        })?;
    }
    Ok(())
}

fn fill(server: &Instance, size: usize) -> Result<()> {
    let send = |connection: usize| -> Result<()> {
        let mut client = server.client();
        for first in (connection * FILL_EVENTS..size).step_by(FILL_EVENTS * FILL_CONNECTIONS) {
            let lines: String = (first..size.min(first + FILL_EVENTS)).map(|n| stored(n, size)).collect();
            let headers = [("content-type", "application/x-ndjson")];
            let answer =
                client.request("POST", "/v1/events", &headers, lines.as_bytes()).while_doing("fill")?;
            require!(answer.status == 200, "fill: status {}", answer.status);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let senders: Vec<_> =
            (0..FILL_CONNECTIONS).map(|connection| scope.spawn(move || send(connection))).collect();
        senders
            .into_iter()
            .try_for_each(|sender| sender.join().map_err(|_| "a sender panicked".to_owned())?)
    })
}

/// One of the `size` events of the filled ledger, as a line: those of the other table, spread over tenants and actions, and
/// in the order of their times over days.
fn stored(n: usize, size: usize) -> String {
    let tenant = if n.is_multiple_of(2) { TENANT.to_owned() } else { format!("tenant-{}", n / 2 % OTHERS) };
    let action = ACTIONS[n / 3 % ACTIONS.len()];
    let second = n * DAYS * 86_400 / size;
    let (day, hour, minute, second) =
        (1 + second / 86_400, second / 3_600 % 24, second / 60 % 60, second % 60);
    let micro = n % 1_000_000;
    let event = event::event(n);
    let (head, rest) = event.split_once("\"occurred_at\":\"").expect("every event has a time");
    let (_, rest) = rest.split_once('"').expect("a text ends");
    let head = head.replacen("\"tenant\":\"acme\"", &format!("\"tenant\":\"{tenant}\""), 1);
    let rest = rest.replacen("\"action\":\"video.update\"", &format!("\"action\":\"{action}\""), 1);
    format!(
        "{head}\"occurred_at\":\"2026-11-{day:02}T{hour:02}:{minute:02}:{second:02}.{micro:06}Z\"{rest}\n"
    )
}

/// Sends a few events at a steady rate until it is told to stop; notes what each request took, in microseconds.
fn arrive(server: &Instance, stop: &AtomicBool, arrivals: &Mutex<Vec<u64>>) -> Result<()> {
    let mut client = client::Client::connect(server.address()).while_doing("connect")?;
    // Ids beyond those of the ledger.
    let mut request = Request::new(&server.key, FILL_CONNECTIONS, ARRIVING_EVENTS);
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        due += ARRIVING_EVERY;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let began = Instant::now();
        let answer = client.exchange(request.next()).while_doing("send")?;
        require!(answer.starts_with(b"{\"created\":2,"), "answered {}", String::from_utf8_lossy(answer));
        arrivals.lock().expect("no holder of this lock panics").push(micros(began));
    }
    Ok(())
}

fn ask_all(server: &Instance, size: usize, duration: Duration, arrivals: &Mutex<Vec<u64>>) -> Result<()> {
    let mut client = server.client();
    let take = || std::mem::take(&mut *arrivals.lock().expect("no holder of this lock panics"));
    drop(take());
    std::thread::sleep(duration);
    println!("| nothing asked | | | | | {} |", at(take(), 99));
    for (name, path, parameters) in QUESTIONS {
        for scope in [Some(TENANT), None] {
            let asked = format!("{path}?{}", query(parameters, scope));
            row(name, scope, &measure(&mut client, &asked, duration)?, at(take(), 99));
        }
    }
    for scope in [Some(TENANT), None] {
        let cursor = later_page(&mut client, scope).while_doing(format!("{size} events"))?;
        let found = measure(&mut client, &format!("/v1/events?cursor={cursor}"), duration)?;
        row(&format!("page {LATER_PAGE}, by cursor"), scope, &found, at(take(), 99));
    }
    Ok(())
}

fn query(parameters: Parameters, tenant: Option<&str>) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(parameters).extend_pairs(tenant.map(|tenant| ("tenant", tenant)));
    query.finish()
}

/// What matters of an answer: a page's events, or a summary's total.
#[derive(Deserialize)]
struct Answer {
    events: Option<Vec<IgnoredAny>>,
    total: Option<u64>,
    next: Option<String>,
}

struct Found {
    events: Option<usize>,
    total: Option<u64>,
    latencies: Vec<u64>,
    /// Asks that were answered with `busy`: they take more than the server gives.
    busy: usize,
}

/// Asks one question over and over.
fn measure(client: &mut Client, path: &str, duration: Duration) -> Result<Found> {
    let mut found = Found { events: None, total: None, latencies: Vec::new(), busy: 0 };
    let start = Instant::now();
    let mut asked = 0;
    while asked < ASKED_MIN || asked < ASKED_MAX && start.elapsed() < duration {
        let began = Instant::now();
        let answer = client.get(path).while_doing(path)?;
        found.latencies.push(micros(began));
        asked += 1;
        match answer.status {
            503 => found.busy += 1,
            200 if asked == 1 => {
                let answer: Answer = serde_json::from_slice(&answer.body).while_doing(path)?;
                (found.events, found.total) = (answer.events.map(|events| events.len()), answer.total);
            }
            200 => {}
            status => fail!("{path}: status {status}: {}", answer.text()),
        }
    }
    Ok(found)
}

fn row(name: &str, tenant: Option<&str>, found: &Found, ingest: String) {
    let over = if tenant.is_some() { "one tenant" } else { "all" };
    let events = match (found.events, found.total) {
        _ if found.busy > 0 => format!("busy, {} of {}", found.busy, found.latencies.len()),
        (Some(events), Some(total)) => format!("{events} of {total}"),
        (Some(events), None) => events.to_string(),
        (None, total) => total.unwrap_or_default().to_string(),
    };
    let (p50, p99) = (at(found.latencies.clone(), 50), at(found.latencies.clone(), 99));
    println!("| {name} | {over} | {events} | {p50} | {p99} | {ingest} |");
}

/// The cursor of a later page.
fn later_page(client: &mut Client, tenant: Option<&str>) -> Result<String> {
    let mut path = format!("/v1/events?{}", query(&[], tenant));
    for page in 2.. {
        let answer = client.get(&path).while_doing(&path)?;
        let answer: Answer = crate::api::json(&path, &answer)?;
        let Some(next) = answer.next else { break };
        if page == LATER_PAGE {
            return Ok(next);
        }
        path = format!("/v1/events?cursor={next}");
    }
    Err(Fault::from("the ledger has too few pages"))
}

fn micros(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// A percentile in milliseconds.
fn at(mut micros: Vec<u64>, per_cent: usize) -> String {
    micros.sort_unstable();
    let found = micros.get(micros.len() * per_cent / 100).or(micros.last());
    found.map_or_else(|| "-".to_owned(), |micros| format!("{:.2}", *micros as f64 / 1e3))
}
