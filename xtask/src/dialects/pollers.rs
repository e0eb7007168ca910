//! Ten pollers of each vendor's list at once, each of which reads all of it while events arrive, two of three of them late.
//!
//! A walk by cursors, by `Link` or with `as_of` is one of the log as it was at some moment: everything that was stored until then
//! is there once, and nothing else. A walk by bare numbers, from the newest on, may see again what others pushed onto a later page, and misses
//! nothing that was there when it began.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{REQUEST_EVENTS_MAX, at, key_for, send};
use crate::fault::{Result, While, fail, require};
use crate::http::{Answer, Client};
use crate::instance::{Binary, Instance, Starting};
use crate::stages::Tally;

const TENANT: &str = "polled";

/// Pollers of a list at the same time.
const POLLERS: usize = 10;

/// Those of them that go by bare numbers, where pages have numbers.
const BARE_POLLERS: usize = 2;

/// Events of one request while the pollers read, and the pause behind it.
const ARRIVING_EVENTS: u64 = 20;
const ARRIVING_PAUSE: Duration = Duration::from_millis(20);

/// How often a page is asked for again that the server was too busy for, and how long after.
const TRIES_MAX: u32 = 100;
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// A vendor's list: where it is, with pages as large as they get, where its entries are, and the member with the id of what an event was
/// done to, which in these events is that of the event.
struct List {
    name: &'static str,
    vendor: &'static str,
    path: &'static str,
    entries: &'static str,
    id: &'static str,
    next: Next,
}

/// How the next page is asked for.
#[derive(Clone, Copy)]
enum Next {
    /// By the cursor at this pointer, in this parameter.
    Cursor(&'static str, &'static str),
    /// At the path at this pointer.
    Path(&'static str),
    /// Where the header `Link` leads.
    Link,
    /// By its number, `as_of` the size that the first page was asked with.
    AsOf,
}

const LISTS: [List; 7] = [
    List {
        name: "BigPanda",
        vendor: "bigpanda",
        path: "/resources/v2.0/audit/logs?per_page=1000",
        entries: "/data",
        id: "resource_id",
        next: Next::Link,
    },
    List {
        name: "Frame.io v2",
        vendor: "frameio",
        path: "/v2/accounts/polled/audit_logs?page_size=500",
        entries: "",
        id: "item_id",
        next: Next::Link,
    },
    List {
        name: "Frame.io v2 events",
        vendor: "frameio",
        path: "/v2/accounts/polled/events?page_size=500",
        entries: "",
        id: "resource_id",
        next: Next::Link,
    },
    List {
        name: "Frame.io v4",
        vendor: "frameio",
        path: "/v4/accounts/polled/audit_logs?page_size=100",
        entries: "/data",
        id: "resource_id",
        next: Next::Path("/links/next"),
    },
    List {
        name: "Nirvana",
        vendor: "nirvana",
        path: "/v1/audit_logs?limit=100",
        entries: "/items",
        id: "id",
        next: Next::Cursor("/pagination/next_cursor", "cursor"),
    },
    List {
        name: "Panda",
        vendor: "panda",
        path: "/audit-logs?limit=1000",
        entries: "/logs",
        id: "video_id",
        next: Next::Link,
    },
    List {
        name: "PlanDocket",
        vendor: "plandocket",
        path: "/api/v1/audit-log?per_page=1000",
        entries: "/data",
        id: "entity_ref",
        next: Next::AsOf,
    },
];

/// Stores so many events and has each list polled.
pub(super) fn run(binary: &Binary, events: u64) -> Result<Tally> {
    let folder = tempfile::tempdir().while_doing("temporary folder")?;
    // It counts all entries for each page.
    let settings = [("ANNALS_DIALECTS__PLANDOCKET__PAGE_SIZE_MAX", "1000")];
    let server = Starting::spawn_with(binary, &folder.path().join("data"), &settings)?.ready()?;
    let numbers: Vec<_> = (0..events).collect();
    for batch in numbers.chunks(REQUEST_EVENTS_MAX) {
        let lines: String = batch.iter().map(|number| event("e", *number, number * 7919 % 100_003)).collect();
        send(&mut server.client(), &lines)?;
    }
    let (ended, arrived) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let arriving = scope.spawn(|| arrive(&mut server.client(), &ended, &arrived));
        let polled = LISTS.iter().try_for_each(|list| list.poll(&server, events, &arrived));
        ended.store(true, Ordering::Relaxed);
        arriving.join().expect("the sender does not panic")?;
        polled
    })?;
    server.stop()?;
    Ok(Tally::passed((LISTS.len() * POLLERS) as u64))
}

/// What a poller saw.
struct Walk {
    /// In the order of the pages.
    ids: Vec<String>,
    pages: u64,
    /// How many entries there were, if the first page told.
    total: Option<u64>,
    /// How often the server was too busy.
    busy: u64,
    slowest: Duration,
}

impl List {
    fn poll(&self, server: &Instance, events: u64, arrived: &AtomicU64) -> Result<()> {
        let key = key_for(server, TENANT, self.vendor)?;
        let bare = if matches!(self.next, Next::Link | Next::AsOf) { BARE_POLLERS } else { 0 };
        let (arrived_before, began) = (arrived.load(Ordering::Relaxed), Instant::now());
        let walks = std::thread::scope(|scope| {
            let poller = |number| {
                let (key, is_bare) = (&key, number < bare);
                scope.spawn(move || self.walk(server, key, is_bare))
            };
            let pollers: Vec<_> = (0..POLLERS).map(poller).collect();
            let walks = pollers.into_iter().map(|poller| poller.join().expect("a poller does not panic"));
            walks.collect::<Result<Vec<Walk>>>()
        })?;
        let seconds = began.elapsed().as_secs_f64();
        let arrived = arrived.load(Ordering::Relaxed) - arrived_before;
        require!(arrived > 0, "{}: no event arrived while it was polled", self.name);
        for (number, walk) in walks.iter().enumerate() {
            let stored = events + arrived_before;
            if number < bare {
                self.check_bare(walk, events, stored)?;
            } else {
                self.check(walk, events, stored)?;
            }
        }
        let entries: usize = walks.iter().map(|walk| walk.ids.len()).sum();
        let pages: u64 = walks.iter().map(|walk| walk.pages).sum();
        let busy: u64 = walks.iter().map(|walk| walk.busy).sum();
        let slowest = walks.iter().map(|walk| walk.slowest).max().unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let (entries_each, pages_each) = (entries as f64 / seconds, pages as f64 / seconds);
        println!(
            "{}: {POLLERS} pollers, {entries} entries on {pages} pages in {seconds:.1} s: {entries_each:.0} entries/s, \
             {pages_each:.0} pages/s, the slowest page {} ms, {busy} asked for again; {arrived} events arrived",
            self.name,
            slowest.as_millis(),
        );
        Ok(())
    }

    /// Reads all pages.
    fn walk(&self, server: &Instance, key: &str, is_bare: bool) -> Result<Walk> {
        let mut client = Client::new(server.address(), key);
        let mut walk = Walk { ids: Vec::new(), pages: 0, total: None, busy: 0, slowest: Duration::ZERO };
        let first = match self.next {
            Next::AsOf if !is_bare => format!("{}&as_of={}", self.path, size(&mut server.client())?),
            _ => self.path.to_owned(),
        };
        let mut next = Some(first.clone());
        while let Some(path) = next {
            let answer = walk.get(&mut client, &path)?;
            let page: Value = serde_json::from_slice(&answer.body).while_doing(&path)?;
            let entries = page.pointer(self.entries).and_then(Value::as_array);
            let entries = entries.map_or(&[][..], Vec::as_slice);
            let ids = entries.iter().map(|entry| entry[self.id].as_str().unwrap_or_default().to_owned());
            walk.ids.extend(ids);
            walk.pages += 1;
            if walk.pages == 1 {
                let told = ["/pagination/total_count", "/total", "/meta/total"].iter();
                let told = told.filter_map(|pointer| page.pointer(pointer)).find_map(Value::as_u64);
                walk.total = told.or_else(|| answer.header("total").parse().ok());
            }
            let text = |pointer: &str| page.pointer(pointer).and_then(Value::as_str);
            next = match self.next {
                Next::Cursor(pointer, name) => text(pointer).map(|cursor| format!("{first}&{name}={cursor}")),
                Next::Path(pointer) => text(pointer).map(str::to_owned),
                Next::Link if !is_bare => link_to_next(&answer, server),
                Next::Link | Next::AsOf => {
                    (!entries.is_empty()).then(|| format!("{first}&page={}", walk.pages + 1))
                }
            };
        }
        Ok(walk)
    }

    /// Everything that was stored until some moment behind the beginning, each once.
    fn check(&self, walk: &Walk, events: u64, stored: u64) -> Result<()> {
        let name = self.name;
        let seen: BTreeSet<&str> = walk.ids.iter().map(String::as_str).collect();
        let twice = walk.ids.len() - seen.len();
        require!(twice == 0, "{name}: {twice} of {} entries are there twice", walk.ids.len());
        let count = seen.len() as u64;
        require!(count >= stored, "{name}: {count} entries of {stored} that were stored before");
        let until = ids(events, count);
        let missing: Vec<_> = until.iter().filter(|id| !seen.contains(id.as_str())).take(3).collect();
        require!(missing.is_empty(), "{name}: {missing:?} and perhaps more are missing, later ones are not");
        require!(walk.total.is_none_or(|total| total == count), "{name}: {count} of {:?}", walk.total);
        Ok(())
    }

    /// Everything that was stored before.
    fn check_bare(&self, walk: &Walk, events: u64, stored: u64) -> Result<()> {
        let seen: BTreeSet<&str> = walk.ids.iter().map(String::as_str).collect();
        let missing = ids(events, stored).iter().filter(|id| !seen.contains(id.as_str())).count();
        require!(missing == 0, "{}: by bare numbers {missing} entries are missing", self.name);
        Ok(())
    }
}

impl Walk {
    fn get(&mut self, client: &mut Client, path: &str) -> Result<Answer> {
        for _ in 0..TRIES_MAX {
            let began = Instant::now();
            let answer = client.get(path).while_doing(path)?;
            self.slowest = self.slowest.max(began.elapsed());
            if answer.status == 200 {
                return Ok(answer);
            }
            require!(answer.status == 503, "{path}: status {}: {}", answer.status, answer.text());
            self.busy += 1;
            std::thread::sleep(BUSY_PAUSE);
        }
        fail!("{path}: still busy at the {TRIES_MAX}th time")
    }
}

/// The path that `Link` has for the next page.
fn link_to_next(answer: &Answer, server: &Instance) -> Option<String> {
    let mut links = answer.header("link").split(", ");
    let next = links.find_map(|link| link.strip_suffix("; rel=\"next\""))?;
    next.trim_matches(['<', '>']).strip_prefix(&server.url()).map(str::to_owned)
}

/// The size of the log.
fn size(client: &mut Client) -> Result<u64> {
    let path = format!("/v1/events?tenant={TENANT}&limit=1");
    let answer = client.get(&path).while_doing(&path)?;
    let page: Value = serde_json::from_slice(&answer.body).while_doing(&path)?;
    Ok(page["size"].as_u64().ok_or_else(|| format!("{path}: {page}"))?)
}

/// The ids of the first so many: those that were stored before, and then in order those that arrived.
fn ids(events: u64, count: u64) -> Vec<String> {
    let before = (0..events.min(count)).map(|number| format!("e{number}"));
    before.chain((0..count.saturating_sub(events)).map(|number| format!("x{number}"))).collect()
}

/// A video is touched, three times in a second.
fn event(prefix: &str, number: u64, third: u64) -> String {
    let id = format!("{prefix}{number}");
    let event = json!({
        "tenant": TENANT, "id": id, "occurred_at": at(third / 3, 0), "action": "video.update", "category": "video",
        "actor": {"type": "user", "id": format!("u{}", number % 97), "name": "Eva"},
        "targets": [{"type": "video", "id": id}], "context": {"ip": "203.0.113.7"},
    });
    format!("{event}\n")
}

/// Stores events until the polling has ended, two of three of which are late.
fn arrive(client: &mut Client, ended: &AtomicBool, arrived: &AtomicU64) -> Result<()> {
    while !ended.load(Ordering::Relaxed) {
        let first = arrived.load(Ordering::Relaxed);
        let third =
            |number: u64| if number.is_multiple_of(3) { 100_003 + number } else { number * 31 % 100_003 };
        let lines: String =
            (first..first + ARRIVING_EVENTS).map(|number| event("x", number, third(number))).collect();
        send(client, &lines)?;
        arrived.store(first + ARRIVING_EVENTS, Ordering::Relaxed);
        std::thread::sleep(ARRIVING_PAUSE);
    }
    Ok(())
}
