//! What taking events in costs, step by step, in process, without and with segments to look for their ids in.
//!
//! ```text
//! cargo run --release -p annals-ledger --example accept_speed
//! ```
//!
//! Events of about 800 bytes of 100 tenants, in requests of 1,000. Figures are nanoseconds an event, of the request in the middle of
//! all when they are ordered by their times, and of the fastest one.

#![expect(clippy::print_stdout, reason = "an example that prints its result")]
#![expect(clippy::disallowed_methods, reason = "an example may look at the clock")]

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use annals_event::Timestamp;
use annals_journal::{FileJournal, JournalId, Options as JournalOptions, RealDisk};
use annals_ledger::{
    AcceptOptions, Clock, Engine, ItemStatus, Ledger, Options, Parts, SeededEntropy, Store, TailLimits,
    Unobserved,
};

const REQUESTS: usize = 40;
const REQUEST_EVENTS: usize = 1_000;
const SEGMENTS: usize = 10;
const SEGMENT_REQUESTS: usize = 8;
const TENANTS: usize = 100;

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

/// Times of the steps, ns a request.
#[derive(Default)]
struct Times {
    draft: Vec<u128>,
    write: Vec<u128>,
    apply: Vec<u128>,
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
    let (opened, mut engine) = Ledger::open_stepped(parts, &options).expect("an empty ledger opens");
    let ledger = opened.ledger;
    let mut sent = 0;
    let mut measured = Times::default();
    (0..REQUESTS).for_each(|_| request(&ledger, &mut engine, &mut sent, &mut measured));
    print("no segment", measured);
    for _ in 0..SEGMENTS {
        let mut passed = Times::default();
        (0..SEGMENT_REQUESTS).for_each(|_| request(&ledger, &mut engine, &mut sent, &mut passed));
        engine.seal(true).expect("the disk has room");
    }
    let mut measured = Times::default();
    (0..REQUESTS).for_each(|_| request(&ledger, &mut engine, &mut sent, &mut measured));
    print("segments", measured);
    ledger.stop();
}

/// Sends the next events and takes the engine's steps.
fn request(ledger: &Ledger, engine: &mut Engine, sent: &mut usize, times: &mut Times) {
    let events: Vec<String> = (*sent..*sent + REQUEST_EVENTS).map(event).collect();
    *sent += REQUEST_EVENTS;
    let began = Instant::now();
    let mut draft = ledger.draft(AcceptOptions::default());
    events.iter().for_each(|event| draft.push(event.as_bytes()));
    let sealed = draft.seal();
    times.draft.push(began.elapsed().as_nanos());
    let mut commit = pin!(ledger.commit(sealed));
    let mut context = Context::from_waker(Waker::noop());
    assert!(commit.as_mut().poll(&mut context).is_pending());
    let began = Instant::now();
    engine.write();
    times.write.push(began.elapsed().as_nanos());
    let began = Instant::now();
    engine.apply();
    times.apply.push(began.elapsed().as_nanos());
    let Poll::Ready(Ok(items)) = commit.as_mut().poll(&mut context) else { panic!("it was applied") };
    assert!(items.iter().all(|item| matches!(item.status, ItemStatus::Created { .. })));
}

fn print(when: &str, times: Times) {
    let steps = [
        ("read, normalise, commit, look ids up, write the batch", times.draft),
        ("append, flush", times.write),
        ("apply", times.apply),
    ];
    for (step, mut times) in steps {
        times.sort_unstable();
        let of = |ns: u128| ns / REQUEST_EVENTS as u128;
        println!("{when}: {step}: {} ns (fastest {})", of(times[times.len() / 2]), of(times[0]));
    }
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
