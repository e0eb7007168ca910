//! How fast a ledger is searched, and what filling it costs, in process.
//!
//! ```text
//! cargo run --release -p annals-ledger --example search_speed [-- SEGMENTS [PART]]
//! ```
//!
//! Without SEGMENTS, or with 0, 60,000 events in the unsealed tail; with it so many segments of 1,000 events each, none of them
//! merged. With PART only the questions that have it in their text, for a second each, and no counts. The
//! events are of about 800 bytes and of 100 tenants, one of which has 15 in 100, in requests of 1,000. Figures are microseconds
//! an event, and for each question the fastest and the middle one of many answers, and how many of the events matched; for each
//! count the first answer and the middle one of those after it.

#![expect(clippy::print_stdout, reason = "an example that prints its result")]
#![expect(clippy::disallowed_methods, reason = "an example may look at the clock")]

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Instant;

use annals_event::filter::{Condition, Field, Matcher, parse, parse_field, parse_words};
use annals_event::{TenantId, Timestamp};
use annals_journal::{FileJournal, JournalId, Options as JournalOptions, RealDisk};
use annals_ledger::search::{Direction, Order, Search, Start};
use annals_ledger::{
    AcceptOptions, Clock, FeedScope, Histogram, Interval, Ledger, LogKind, Options, Parts, Sealed,
    SeededEntropy, Store, Summary, TailLimits, TenantLog, Unobserved,
};
use jiff::tz::TimeZone;

const TAIL_EVENTS: usize = 60_000;
const REQUEST_EVENTS: usize = 1_000;
const TENANTS: usize = 100;
const ROUNDS: usize = 41;
const PAGE: usize = 100;

struct RealClock(Instant);

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        let micros =
            1_795_000_000_000_000 + i64::try_from(self.0.elapsed().as_micros()).expect("a short run");
        Timestamp::from_micros(micros).expect("a time of our days")
    }

    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).expect("a short run")
    }
}

fn main() {
    let part = std::env::args().nth(2);
    let segments =
        std::env::args().nth(1).map(|segments| segments.parse::<usize>().expect("a number of segments"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let journal = |name: &str| {
        let disk = RealDisk::create(folder.path().join(name)).expect("the folder is ours");
        FileJournal::open(Arc::new(disk), &JournalOptions::new(JournalId([7; 16])))
            .expect("an empty folder opens")
            .0
    };
    let parts = Parts {
        journal: Box::new(journal("journal")),
        signer_journal: Box::new(journal("signer")),
        segments: Store::new(
            Arc::new(RealDisk::create(folder.path().join("segments")).expect("the folder is ours")),
            64 << 20,
        ),
        signing_seed: [1; 32],
        clock: Arc::new(RealClock(Instant::now())),
        entropy: Arc::new(SeededEntropy::new(1)),
        observer: Arc::new(Unobserved),
    };
    let options = Options {
        name: None,
        event_bytes_max: 256 * 1024,
        tail: TailLimits::default(),
        version: "speed".to_owned(),
    };
    let ledger = match segments {
        None | Some(0) => filled_tail(parts, &options),
        Some(segments) => filled_segments(parts, &options, segments),
    };
    println!("memory: {} MiB", anonymous_kib() / 1024);

    let filter = |filter: &str| parse(filter).expect("a good filter");
    let words = |q: &str| Condition::Words(parse_words(q).expect("good words"));
    let questions = [
        ("the newest", Condition::everything()),
        ("an actor that is nowhere", filter(r#"actor.id eq "usr_nobody""#)),
        ("one request", filter(r#"request.id eq "req_000000000000d431""#)),
        ("two words that are nowhere", words("zebra crossing")),
        ("a word that is rare", words("vid_00001234")),
        ("an action of 1 in 3", filter(r#"action eq "video.update""#)),
        ("an action of 1 in 1,000", filter(r#"action eq "team.delete""#)),
        ("an operation that is nowhere", filter(r#"operation eq "snapshot""#)),
        ("a status that is nowhere", filter("request.status_code eq 418")),
        ("two targets of many", filter(r#"targets.id eq "vid_00000001" or targets.id eq "vid_00000002""#)),
        ("anything but an action", filter(r#"action ne "video.update""#)),
        ("a part of a text that is nowhere", filter(r#"description co "unicorn""#)),
    ];
    let scopes = [
        ("all tenants", FeedScope::All),
        ("a large tenant", FeedScope::Log(TenantLog { tenant: tenant(0), kind: LogKind::Tenant })),
        ("a small tenant", FeedScope::Log(TenantLog { tenant: tenant(50), kind: LogKind::Tenant })),
    ];
    for (name, condition) in questions {
        if part.as_ref().is_some_and(|part| !name.contains(part)) {
            continue;
        }
        let matcher = Arc::new(Matcher::new(condition));
        for (place, scope) in &scopes {
            let order = Order::occurred(Direction::Falling);
            let search = Search {
                scope,
                matcher: &matcher,
                order: &order,
                sent_only: false,
                size: None,
                start: &Start::First,
                limit: PAGE,
                count: false,
            };
            let mut found = 0;
            let started = Instant::now();
            let is_wanted = |round: usize| match part {
                None => round < ROUNDS,
                Some(_) => started.elapsed().as_secs() < 1,
            };
            let mut times: Vec<u128> = (0..)
                .take_while(|round| is_wanted(*round))
                .map(|_| {
                    let began = Instant::now();
                    found = ledger.search(&search, u64::MAX).expect("the tenant exists").records.len();
                    began.elapsed().as_nanos()
                })
                .collect();
            times.sort_unstable();
            let (fastest, middle) = (times[0] / 1_000, times[times.len() / 2] / 1_000);
            println!("{name}, {place}: {middle} µs (fastest {fastest}), {found} found");
        }
    }
    if part.is_some() {
        return ledger.stop();
    }
    let day = Histogram { interval: Interval::Day, zone: TimeZone::UTC };
    let counted: [(&str, &[&str], Option<&Histogram>); 5] = [
        ("how many", &[], None),
        ("days", &[], Some(&day)),
        ("actions", &["action"], None),
        ("actors", &["actor.id"], None),
        ("regions and operations", &["metadata.region", "operation"], None),
    ];
    let conditions =
        [("all", Condition::everything()), ("an action of 1 in 3", filter(r#"action eq "video.update""#))];
    for (of, condition) in conditions {
        let matcher = Arc::new(Matcher::new(condition));
        for (what, by, histogram) in counted {
            let by: Vec<Field> = by.iter().map(|name| parse_field(name).expect("a field")).collect();
            for (place, scope) in &scopes {
                let summary =
                    Summary { scope, matcher: &matcher, by: &by, values_max: 10, histogram, size: None };
                let times: Vec<u128> = (0..ROUNDS)
                    .map(|_| {
                        let began = Instant::now();
                        ledger.summarise(&summary, u64::MAX).expect("the tenant exists");
                        began.elapsed().as_micros()
                    })
                    .collect();
                let (first, mut later) = (times[0], times[1..].to_vec());
                later.sort_unstable();
                println!("{what} of {of}, {place}: first {first} µs, later {} µs", later[later.len() / 2]);
            }
        }
    }
    ledger.stop();
}

/// A ledger with all events in its tail.
fn filled_tail(parts: Parts, options: &Options) -> Ledger {
    let ledger = Ledger::open(parts, options).expect("an empty ledger opens").ledger;
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let events: Vec<String> = (0..TAIL_EVENTS).map(event).collect();
    let mut sealed: Vec<Sealed> = Vec::with_capacity(TAIL_EVENTS / REQUEST_EVENTS);
    filling("read, normalise, commit, write the batch", TAIL_EVENTS, || {
        sealed.extend(events.chunks(REQUEST_EVENTS).map(|request| request_of(&ledger, request)));
    });
    drop(events);
    filling("append, flush, apply, answer", TAIL_EVENTS, || {
        runtime.block_on(async {
            for request in sealed.drain(..) {
                ledger.commit(request).await.expect("the disk has room");
            }
        });
    });
    ledger
}

/// A ledger of which each request became a segment. As its threads do not run, nobody merges them.
fn filled_segments(parts: Parts, options: &Options, segments: usize) -> Ledger {
    let (opened, mut engine) = Ledger::open_stepped(parts, options).expect("an empty ledger opens");
    let ledger = opened.ledger;
    filling("everything, a segment for each request", segments * REQUEST_EVENTS, || {
        for segment in 0..segments {
            let events: Vec<String> =
                (segment * REQUEST_EVENTS..(segment + 1) * REQUEST_EVENTS).map(event).collect();
            let mut answer = pin!(ledger.commit(request_of(&ledger, &events)));
            let mut context = Context::from_waker(Waker::noop());
            while answer.as_mut().poll(&mut context).is_pending() {
                engine.write();
                engine.apply();
            }
            engine.seal(true).expect("the disk has room");
        }
    });
    println!("segments: {}", ledger.sizes().segments);
    // Its threads would merge them.
    std::mem::forget(engine);
    ledger
}

fn request_of(ledger: &Ledger, events: &[String]) -> Sealed {
    let mut draft = ledger.draft(AcceptOptions::default());
    for event in events {
        draft.push(event.as_bytes());
    }
    draft.seal()
}

fn filling(what: &str, events: usize, work: impl FnOnce()) {
    let began = Instant::now();
    work();
    let us = u32::try_from(began.elapsed().as_micros()).expect("a short run");
    println!("{what}: {:.2} µs an event", f64::from(us) / f64::from(u32::try_from(events).expect("few")));
}

/// What the process holds of memory that is no file's.
fn anonymous_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn tenant(number: usize) -> TenantId {
    TenantId::new(&format!("tenant-{number}")).expect("a good id")
}

fn event(n: usize) -> String {
    // A multiplication by a large odd number, so that neighbours have little in common.
    let random = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let tenant = if random % 100 < 15 { 0 } else { random / 100 % TENANTS };
    let (user, video) = (random / 7 % 997, random / 13 % 50_021);
    let (action, operation) = match random % 1_000 {
        0 => ("team.delete", "delete"),
        1..=333 => ("video.update", "update"),
        334..=600 => ("video.view", "read"),
        601..=800 => ("comment.create", "create"),
        _ => ("user.login", "authentication"),
    };
    format!(
        concat!(
            r#"{{"id":"018f3c1a-7b2e-7c3d-9e4f-{n:012x}","tenant":"tenant-{tenant}","occurred_at":"2026-11-21T10:{minute:02}:{second:02}.{micro:06}Z","#,
            r#""action":"{action}","operation":"{operation}","category":"video","#,
            r#""description":"User {user} renamed the video {video}","#,
            r#""actor":{{"type":"user","id":"usr_{user:08x}","name":"Person Number {user}","email":"user{user}@example.com","#,
            r#""credential":{{"type":"token","id":"tok_{user:04x}"}}}},"#,
            r#""targets":[{{"type":"video","id":"vid_{video:08x}","name":"Keynote {video}"}}],"#,
            r#""context":{{"ip":"203.0.113.{ip}","user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0 Safari/537.36","session_id":"ses_{user:012x}"}},"#,
            r#""request":{{"id":"req_{n:016x}","method":"PATCH","path":"/v1/videos/vid_{video:08x}","status_code":200}},"#,
            r#""outcome":{{"result":"success"}},"changes":{{"before":{{"title":"Old {video}"}},"after":{{"title":"Keynote {video}"}}}},"#,
            r#""metadata":{{"region":"eu-west-1","plan":"pro","bytes":{n}}}}}"#,
        ),
        n = n,
        tenant = tenant,
        action = action,
        operation = operation,
        user = user,
        video = video,
        minute = n / 1_000 % 60,
        second = n / 17 % 60,
        micro = random % 1_000_000,
        ip = user % 250,
    )
}
