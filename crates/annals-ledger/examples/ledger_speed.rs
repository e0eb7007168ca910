//! Where the time of one event goes, in process: reading and committing, appending, applying, proving.
//!
//! ```text
//! cargo run --release -p annals-ledger --example ledger_speed
//! ```
//!
//! Events of about 800 bytes with the members of a busy web application, in requests of 1,000, over a file journal in a
//! temporary folder. Figures are microseconds of one core an event, and events a second.

#![expect(clippy::print_stdout, reason = "an example that prints its result")]
#![expect(clippy::disallowed_methods, reason = "an example may look at the clock")]

use std::sync::Arc;
use std::time::Instant;

use annals_event::{Position, TenantId, Timestamp};
use annals_journal::{FileJournal, JournalId, Options as JournalOptions, RealDisk};
use annals_ledger::{
    AcceptOptions, Clock, Ledger, LogKind, Options, Parts, Sealed, SeededEntropy, Store, TailLimits,
    TenantLog, Unobserved,
};

const REQUESTS: usize = 300;
const REQUEST_EVENTS: usize = 1_000;
const EVENTS: f64 = (REQUESTS * REQUEST_EVENTS) as f64;

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
    let ledger = Ledger::open(parts, &options).expect("an empty ledger opens").ledger;
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");

    let requests: Vec<Vec<String>> = (0..REQUESTS)
        .map(|request| (0..REQUEST_EVENTS).map(|n| event(request * REQUEST_EVENTS + n)).collect())
        .collect();
    let mut sealed: Vec<Sealed> = Vec::with_capacity(REQUESTS);
    time("read, normalise, commit, write the batch", || {
        for request in &requests {
            let mut draft =
                ledger.draft(AcceptOptions { tenant: Some(tenant()), ..AcceptOptions::default() });
            for event in request {
                draft.push(event.as_bytes());
            }
            sealed.push(draft.seal());
        }
    });
    time("append, flush, apply, answer", || {
        runtime.block_on(async {
            for request in sealed.drain(..) {
                ledger.commit(request).await.expect("the disk has room");
            }
        });
    });
    let log = TenantLog { tenant: tenant(), kind: LogKind::Tenant };
    time("rebuild the commitment and check it", || {
        for position in 0..REQUESTS * REQUEST_EVENTS {
            assert!(
                ledger.entry(&log, Position(position as u64)).expect("it reads").expect("it is there").intact
            );
        }
    });
    let size = (REQUESTS * REQUEST_EVENTS) as u64;
    let began = Instant::now();
    for n in 0..20_000_u64 {
        ledger.inclusion(&log, Position(n * 7919 % size), size).expect("a proof");
    }
    println!("inclusion proofs: {:.0} a second", 20_000.0 / began.elapsed().as_secs_f64());
    ledger.stop();
}

fn tenant() -> TenantId {
    TenantId::new("acme").expect("a good id")
}

fn time(what: &str, work: impl FnOnce()) {
    let began = Instant::now();
    work();
    let seconds = began.elapsed().as_secs_f64();
    println!("{what}: {:.2} µs an event, {:.0} events a second", seconds * 1e6 / EVENTS, EVENTS / seconds);
}

fn event(n: usize) -> String {
    let (user, video) = (n * 7919 % 997, n * 104_729 % 50_021);
    format!(
        concat!(
            r#"{{"id":"018f3c1a-7b2e-7c3d-9e4f-{n:012x}","occurred_at":"2026-11-21T10:{minute:02}:{second:02}.{micro:06}Z","#,
            r#""action":"video.update","operation":"update","category":"video","#,
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
        user = user,
        video = video,
        minute = n / 60 % 60,
        second = n % 60,
        micro = n % 1_000_000,
        ip = user % 250,
    )
}
