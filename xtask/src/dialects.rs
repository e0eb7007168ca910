//! Vendors' APIs of the real binary, read by a client that others wrote while events arrive.
//!
//! dlt walks Nirvana's list of all events page by page; nothing may be missing and nothing there twice, though late and new
//! events are stored all the while. Then it walks a smaller list under filters and in each sort. [`pollers`] has every vendor's list read
//! by ten at once.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{self, Ingested};
use crate::fault::{Result, While, require};
use crate::foreign::virtual_environment;
use crate::http::Client;
use crate::instance::{Binary, Instance};
use crate::repo;
use crate::stages::Tally;
use crate::tool::Tool;

mod frameio;
mod numbered;
mod plandocket;
mod pollers;

/// The client, as anybody installs it.
const CLIENT: &str = "dlt==1.31.0";

const BIG: &str = "big";
const SMALL: &str = "small";

/// Events of the tenant that is walked under filters and sorts.
const SMALL_EVENTS: u64 = 2_000;

/// Events of one request, before the walks and while they go on.
const REQUEST_EVENTS: u64 = 5_000;
const REQUEST_EVENTS_MAX: usize = 5_000;
const ARRIVING_EVENTS: u64 = 20;

/// Pause between requests while the walks go on.
const ARRIVING_PAUSE: Duration = Duration::from_millis(20);

const SORTS: [&str; 8] = [
    "created_at:asc",
    "created_at:desc",
    "status_code:asc",
    "status_code:desc",
    "created_at:asc,status_code:desc",
    "created_at:desc,status_code:desc",
    "status_code:asc,created_at:desc",
    "status_code:desc,created_at:asc",
];

/// A filter, and which events it finds.
type Filter = (Value, fn(&Event) -> bool);

/// Sends `events` and has each vendor's list read by ten at once.
pub(crate) fn run_pollers(binary: &Binary, events: u64) -> Result<Tally> {
    pollers::run(binary, events)
}

/// Sends `events` and has them walked.
pub(crate) fn run(binary: &Binary, events: u64) -> Result<Tally> {
    let programs = virtual_environment("dlt", &["install", "--quiet", CLIENT])?;
    let folder = tempfile::tempdir().while_doing("temporary folder")?;
    let server = Instance::start(binary, &folder.path().join("data"))?;
    let mut client = server.client();
    for (tenant, count) in [(BIG, events), (SMALL, SMALL_EVENTS)] {
        store(&mut client, tenant, count)?;
    }
    let key = |tenant| key_for(&server, tenant, "nirvana");
    let (big, small) = (key(BIG)?, key(SMALL)?);
    let dlt = |key: &str, walks: Vec<Value>| {
        let plan = json!({"url": server.url(), "key": key, "walks": walks}).to_string();
        let script = repo::root().join("xtask/clients/dlt_walks.py");
        let said = Tool::new(programs.join("python")).args([script.as_os_str(), plan.as_ref()]).output()?;
        let walks = said.lines().map(|line| serde_json::from_str(line).while_doing("a line of dlt_walks.py"));
        walks.collect::<Result<Vec<Walk>>>()
    };
    let filters = filters();
    let mut walks: Vec<_> = SORTS.iter().map(|sort| walk(json!({"limit": 100, "sort": sort}))).collect();
    walks.extend(filters.iter().map(|(params, _)| walk(params.clone())));

    let ended = AtomicBool::new(false);
    let arrived = AtomicU64::new(0);
    let (big_walks, small_walks) = std::thread::scope(|scope| {
        let arriving = scope.spawn(|| arrive(&mut server.client(), events, &ended, &arrived));
        let walked =
            dlt(&big, vec![walk(json!({"limit": 100}))]).and_then(|big| Ok((big, dlt(&small, walks)?)));
        ended.store(true, Ordering::Relaxed);
        arriving.join().expect("the sender does not panic")?;
        walked
    })?;
    let arrived = arrived.load(Ordering::Relaxed);

    let all = &big_walks[0];
    all.check("all events", (0..events).map(|number| Event(number).id()).collect())?;
    // Without the `Z`, as a fraction stands before it.
    let times = || all.times.iter().map(|time| time.trim_end_matches('Z'));
    require!(times().is_sorted_by(|one, next| one >= next), "all events: not the newest first");
    println!(
        "dlt: {} entries on {} pages in {:.1} s, while {arrived} events arrived; nothing missing, nothing twice",
        all.ids.len(),
        all.pages,
        all.seconds
    );
    require!(arrived > 0, "no event arrived while the walk went on");
    let everything = || (0..SMALL_EVENTS).map(Event);
    let (sorts, filtered) = small_walks.split_at(SORTS.len());
    for (sort, walked) in SORTS.iter().zip(sorts) {
        walked.check(sort, everything().map(|event| event.id()).collect())?;
    }
    let mut seconds = sorts.iter().map(|walked| walked.seconds).sum::<f64>();
    for ((params, finds), walked) in filters.iter().zip(filtered) {
        let found = everything().filter(finds).map(|event| event.id()).collect::<BTreeSet<_>>();
        require!(!found.is_empty(), "{params} finds nothing");
        walked.check(&params.to_string(), found)?;
        seconds += walked.seconds;
    }
    println!(
        "dlt: {SMALL_EVENTS} events in {} sorts and under {} filters in {seconds:.1} s",
        SORTS.len(),
        filters.len()
    );
    server.stop()?;
    let mut tally = Tally::passed(small_walks.len() as u64 + 1);
    tally.add(numbered::run(binary, events, &programs)?);
    tally.add(frameio::run(binary, events, &programs)?);
    tally.add(plandocket::run(binary, events, &programs)?);
    tally.add(pollers::run(binary, events)?);
    Ok(tally)
}

fn walk(params: Value) -> Value {
    json!({
        "path": "/v1/audit_logs", "params": params, "selector": "items",
        "cursor_path": "pagination.next_cursor", "cursor_param": "cursor",
    })
}

/// What the client saw.
#[derive(Debug, Deserialize)]
struct Walk {
    ids: Vec<String>,
    times: Vec<String>,
    pages: u64,
    seconds: f64,
    /// Each different total that a page told.
    totals: Vec<u64>,
}

impl Walk {
    /// Those that were stored before are there, each once; others may be, each once; and every page told their number.
    fn check(&self, what: &str, stored: BTreeSet<String>) -> Result<()> {
        let seen: BTreeSet<&str> = self.ids.iter().map(String::as_str).collect();
        require!(
            seen.len() == self.ids.len(),
            "{what}: {} entries are there twice",
            self.ids.len() - seen.len()
        );
        let missing: Vec<_> = stored.iter().filter(|id| !seen.contains(id.as_str())).take(3).collect();
        require!(missing.is_empty(), "{what}: missing {missing:?}");
        let foreign: Vec<_> =
            seen.iter().filter(|id| !stored.contains(**id) && !id.starts_with('x')).take(3).collect();
        require!(foreign.is_empty(), "{what}: {foreign:?} should not be there");
        let told: Vec<_> = self.totals.iter().map(|total| usize::try_from(*total)).collect();
        require!(
            told == [Ok(seen.len())],
            "{what}: {} entries, but the pages told {:?}",
            seen.len(),
            self.totals
        );
        Ok(())
    }
}

/// Events whose members follow from their number.
#[derive(Clone, Copy)]
struct Event(u64);

impl Event {
    const ACTIONS: [&str; 4] = ["vm.created", "vm.updated", "key.used", "login"];
    const STATUSES: [Option<u64>; 5] = [Some(200), Some(201), None, Some(404), Some(500)];

    fn id(self) -> String {
        format!("e{}", self.0)
    }

    fn action(self) -> &'static str {
        Self::ACTIONS[self.index(Self::ACTIONS.len())]
    }

    fn status(self) -> Option<u64> {
        Self::STATUSES[self.index(Self::STATUSES.len())]
    }

    fn index(self, of: usize) -> usize {
        usize::try_from(self.0).expect("counts fit into memory") % of
    }

    /// Three in a second, and not in the order in which they are sent.
    fn second(self) -> u64 {
        (self.0 * 7919 % 100_003) / 3
    }

    fn json(self, tenant: &str) -> String {
        let request =
            json!({"method": "GET", "path": format!("/v1/Compute/{}", self.0), "status_code": self.status()});
        event(tenant, &self.id(), &at(self.second(), 0), self.action(), self.0 % 97, &request)
    }
}

fn event(tenant: &str, id: &str, at: &str, action: &str, actor: u64, request: &Value) -> String {
    let event = json!({
        "tenant": tenant, "id": id, "occurred_at": at, "action": action,
        "actor": {"type": if actor.is_multiple_of(2) { "user" } else { "api_key" }, "id": format!("u{actor}"), "name": "N"},
        "targets": [{"type": "vm", "id": format!("v{}", actor % 10)}], "request": request,
    });
    format!("{event}\n")
}

/// An instant of October 2026.
fn at(second: u64, micros: u64) -> String {
    let (minute, hour, day) = (second / 60 % 60, second / 3600 % 24, second / 86_400 + 1);
    format!("2026-10-{day:02}T{hour:02}:{minute:02}:{:02}.{micros:06}Z", second % 60)
}

fn filters() -> Vec<Filter> {
    vec![
        (json!({"limit": 100, "action": "login", "sort": "created_at:asc"}), |event| {
            event.action() == "login"
        }),
        (json!({"limit": 50, "actor_id": "u5"}), |event| event.0 % 97 == 5),
        (json!({"limit": 100, "actor_type": "user"}), |event| (event.0 % 97).is_multiple_of(2)),
        (json!({"limit": 100, "path": "COMPUTE/1", "sort": "status_code:desc"}), |event| {
            event.0.to_string().starts_with('1')
        }),
        (json!({"limit": 100, "status_code_min": 201, "status_code_max": 404}), |event| {
            event.status().is_some_and(|status| (201..=404).contains(&status))
        }),
        (json!({"limit": 100, "status_code_max": 0}), |event| event.status().is_none()),
        (json!({"limit": 100, "target_id": "v3", "target_type": "vm", "method": "GET"}), |event| {
            event.0 % 97 % 10 == 3
        }),
        (json!({"limit": 100, "created_at_min": at(1_000, 0), "created_at_max": at(9_000, 0)}), |event| {
            (1_000..=9_000).contains(&event.second())
        }),
    ]
}

/// Makes a key with nothing but the vendor among its dialects.
pub(crate) fn key_for(server: &Instance, tenant: &str, dialect: &str) -> Result<String> {
    let wanted = json!({"tenant": tenant, "scopes": [], "dialects": [dialect]}).to_string();
    let answer = server.client().post("/v1/keys", wanted.as_bytes()).while_doing("POST /v1/keys")?;
    require!(answer.status == 201, "POST /v1/keys: status {}: {}", answer.status, answer.text());
    let made: Value = serde_json::from_slice(&answer.body).while_doing("POST /v1/keys")?;
    Ok(made["key"].as_str().unwrap_or_default().to_owned())
}

/// What a program of `xtask/clients` says of a plan, line by line.
fn said(programs: &Path, script: &str, plan: &Value) -> Result<Vec<Value>> {
    let script = repo::root().join("xtask/clients").join(script);
    let plan = plan.to_string();
    let said = Tool::new(programs.join("python")).args([script.as_os_str(), plan.as_ref()]).output()?;
    said.lines()
        .map(|line| serde_json::from_str(line).while_doing(format!("a line of {}", script.display())))
        .collect()
}

fn store(client: &mut Client, tenant: &str, count: u64) -> Result<()> {
    let began = Instant::now();
    let mut at = 0;
    while at < count {
        let end = count.min(at + REQUEST_EVENTS);
        send(client, &(at..end).map(|number| Event(number).json(tenant)).collect::<String>())?;
        at = end;
    }
    println!("{tenant}: {count} events stored in {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// Stores events, one a line, each of which must be new.
pub(crate) fn send(client: &mut Client, lines: &str) -> Result<()> {
    let headers = [("content-type", "application/x-ndjson")];
    let answer =
        client.request("POST", "/v1/events", &headers, lines.as_bytes()).while_doing("POST /v1/events")?;
    let ingested: Ingested = api::json("POST /v1/events", &answer)?;
    require!(ingested.results.iter().all(|result| result.status == "created"), "an event was not created");
    Ok(())
}

/// Stores late events and new ones of both tenants until the walks have ended; some of them match the filters.
fn arrive(client: &mut Client, events: u64, ended: &AtomicBool, arrived: &AtomicU64) -> Result<()> {
    let request = json!({"method": "PUT", "path": "/x", "status_code": 300});
    while !ended.load(Ordering::Relaxed) {
        let first = arrived.load(Ordering::Relaxed);
        let mut lines = String::new();
        for number in first..first + ARRIVING_EVENTS {
            // Two of three are late: they occurred between those that are being walked over.
            let second = if !number.is_multiple_of(3) { number * 31 % events / 3 } else { 100_003 + number };
            // Few of the small one: a sort by status looks through all of it for each page.
            let tenants = if number == first { &[BIG, SMALL][..] } else { &[BIG] };
            for tenant in tenants {
                let id = format!("x{number}");
                lines.push_str(&event(tenant, &id, &at(second, 500_000), "arriving", number % 97, &request));
            }
        }
        send(client, &lines)?;
        arrived.store(first + ARRIVING_EVENTS, Ordering::Relaxed);
        std::thread::sleep(ARRIVING_PAUSE);
    }
    Ok(())
}
