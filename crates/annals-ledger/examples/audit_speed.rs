//! How fast a folder of segments is audited.
//!
//! ```text
//! cargo run --release -p annals-ledger --example audit_speed [EVENTS.ndjson]
//! ```
//!
//! Fills a temporary folder with 300,000 events of one tenant, or with those of a file, which name their tenants; seals them, and audits
//! the folder three times. Figures are of the audit alone, with as many threads as there are cores; `taskset -c 0` shows one.

#![expect(clippy::print_stdout, reason = "an example that prints its result")]
#![expect(clippy::disallowed_methods, reason = "an example may look at the clock")]

use std::sync::Arc;
use std::time::Instant;

use annals_event::{TenantId, Timestamp};
use annals_journal::{Disk, FileJournal, JournalId, Options as JournalOptions, RealDisk};
use annals_ledger::audit::{Folders, Notice, audit};
use annals_ledger::{
    AcceptOptions, Clock, Ledger, Options, Parts, SeededEntropy, Store, TailLimits, Unobserved,
};

const EVENTS: usize = 300_000;
const REQUEST_EVENTS: usize = 1_000;

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
    let disk = |name: &str| Arc::new(RealDisk::create(folder.path().join(name)).expect("the folder is ours"));
    let journal = |name: &str| {
        FileJournal::open(disk(name), &JournalOptions::new(JournalId([7; 16])))
            .expect("an empty folder opens")
            .0
    };
    let parts = Parts {
        journal: Box::new(journal("journal")),
        signer_journal: Box::new(journal("signer")),
        segments: Store::new(disk("segments"), 64 << 20),
        signing_seed: [1; 32],
        clock: Arc::new(RealClock(Instant::now())),
        entropy: Arc::new(SeededEntropy::new(1)),
        observer: Arc::new(Unobserved),
    };
    let options = Options {
        name: None,
        event_bytes_max: 256 * 1024,
        tail: TailLimits { records_max: 60_000, ..TailLimits::default() },
        version: "speed".to_owned(),
    };
    let (opened, mut engine) = Ledger::open_stepped(parts, &options).expect("an empty ledger opens");
    let ledger = opened.ledger;
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (events, tenant): (Vec<String>, _) = match std::env::args().nth(1) {
        Some(path) => {
            (std::fs::read_to_string(path).expect("it reads").lines().map(str::to_owned).collect(), None)
        }
        None => ((0..EVENTS).map(event).collect(), Some(TenantId::new("acme").expect("a good id"))),
    };
    for (n, request) in events.chunks(REQUEST_EVENTS).enumerate() {
        let mut draft = ledger.draft(AcceptOptions { tenant: tenant.clone(), ..AcceptOptions::default() });
        request.iter().for_each(|event| draft.push(event.as_bytes()));
        let sealed = draft.seal();
        runtime.block_on(async {
            let mut committing = std::pin::pin!(ledger.commit(sealed));
            let answer = std::future::poll_fn(|context| {
                let first = committing.as_mut().poll(context);
                if first.is_pending() {
                    engine.write();
                    engine.apply();
                    return committing.as_mut().poll(context);
                }
                first
            });
            answer.await.expect("the disk has room");
        });
        if (n + 1) % 60 == 0 {
            engine.seal(true).expect("it seals");
        }
    }
    engine.seal(true).expect("it seals");
    ledger.stop();
    while engine.write() {
        engine.apply();
    }
    let bytes: u64 = ledger.sizes().segment_bytes;
    println!("{} segments, {bytes} bytes", ledger.sizes().segments);
    let of = |name: &str| disk(name) as Arc<dyn Disk>;
    for _ in 0..3 {
        let folders =
            Folders { journal: of("journal"), signer: Some(of("signer")), segments: Some(of("segments")) };
        let began = Instant::now();
        let audited = audit(&folders, &mut |notice| {
            if let Notice::Found(finding) = notice {
                println!("{finding}");
            }
        });
        let audited = audited.expect("there is a ledger");
        let seconds = began.elapsed().as_secs_f64();
        let records = u32::try_from(audited.records).expect("a short run");
        println!(
            "{records} records in {seconds:.2} s: {:.0} a second, {:.2} µs each; {} findings",
            f64::from(records) / seconds,
            seconds * 1e6 / f64::from(records),
            audited.findings
        );
    }
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
