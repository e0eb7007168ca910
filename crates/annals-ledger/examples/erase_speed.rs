//! How long ingest waits while somebody is erased, in process.
//!
//! ```text
//! cargo run --release -p annals-ledger --example erase_speed [-- RECORDS [OTHERS]]
//! ```
//!
//! RECORDS events speak of somebody (10,000 unless said otherwise), with OTHERS events between two of them (9), so that the records
//! are as many runs. One event after the other is sent while the case is ordered and carried out. Figures: how long planning and
//! ordering took, the longest wait of an event in each step and the 99th percentile, and the same of a quiet second before.

#![expect(clippy::print_stdout, reason = "an example that prints its result")]
#![expect(clippy::disallowed_methods, reason = "an example may look at the clock")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use annals_event::{TenantId, Timestamp};
use annals_journal::{FileJournal, JournalId, Options as JournalOptions, RealDisk};
use annals_ledger::{
    AcceptOptions, Author, Clock, ErasureStage, FreeText, Ledger, NewErasure, Options, Parts, SeededEntropy,
    Store, TailLimits, Unobserved,
};

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
    let argument =
        |n: usize, or: usize| std::env::args().nth(n).map_or(or, |text| text.parse().expect("a number"));
    let (records, others) = (argument(1, 10_000), argument(2, 9));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ledger = open(folder.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let events: Vec<String> = (0..records * (others + 1)).map(|n| event(n, n % (others + 1) == 0)).collect();
    for events in events.chunks(REQUEST_EVENTS) {
        runtime.block_on(send(&ledger, events));
    }
    let case = runtime.block_on(async {
        let case = ledger.new_case();
        let new = NewErasure {
            case: case.clone(),
            tenant: "acme".to_owned(),
            values: vec!["usr_gone".to_owned()],
            text: FreeText::Erase,
            reason: "a measurement".to_owned(),
            approvals_required: 1,
            by: "key".to_owned(),
        };
        ledger.request_erasure(new, &Author::System).await.expect("a good case");
        case
    });
    ledger.prepare_erasure().expect("the tail is sealed");
    let (waits, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
    let sender = {
        let (ledger, waits, stop) = (ledger.clone(), waits.clone(), stop.clone());
        std::thread::spawn(move || keep_sending(&ledger, &waits, &stop))
    };
    std::thread::sleep(Duration::from_secs(1));
    told("a quiet second", &waits);
    let began = Instant::now();
    let plan = ledger.plan_order(&ledger.erasure(&case).expect("it began")).expect("it can be read");
    println!(
        "planning {} records took {:.2} s",
        plan.preview().counts.records,
        began.elapsed().as_secs_f64()
    );
    told("while it is planned", &waits);
    let began = Instant::now();
    runtime.block_on(ledger.order_erasure(plan)).expect("it is ordered");
    println!("ordering took {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    told("while it is ordered", &waits);
    let began = Instant::now();
    while ledger.erasure(&case).is_some_and(|case| case.stage != ErasureStage::Done) {
        let gone = ledger.clear_rewritten().expect("the journal is shortened");
        runtime.block_on(ledger.finish_removals(gone)).expect("it is said");
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("rewriting took {:.1} s", began.elapsed().as_secs_f64());
    told("while files are rewritten", &waits);
    stop.store(true, Ordering::Relaxed);
    sender.join().expect("the sender does not panic");
    ledger.stop();
}

fn open(folder: &std::path::Path) -> Ledger {
    let disk = |name: &str| Arc::new(RealDisk::create(folder.join(name)).expect("the folder is ours"));
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
        tail: TailLimits::default(),
        version: "speed".to_owned(),
    };
    Ledger::open(parts, &options).expect("it opens").ledger
}

fn event(n: usize, is_of_somebody: bool) -> String {
    let who = if is_of_somebody { "usr_gone".to_owned() } else { format!("usr_{}", n % 997) };
    format!(
        r#"{{"id":"e{n}","action":"video.update","actor":{{"type":"user","id":"{who}","email":"{who}@example.com"}},"targets":[{{"type":"video","id":"vid_{}"}}],"description":"{who} changed a video","metadata":{{"n":{n}}}}}"#,
        n % 30_011
    )
}

async fn send(ledger: &Ledger, events: &[String]) {
    let tenant = TenantId::new("acme").expect("a good name");
    let mut draft = ledger.draft(AcceptOptions { tenant: Some(tenant), ..AcceptOptions::default() });
    for event in events {
        draft.push(event.as_bytes());
    }
    ledger.commit(draft.seal()).await.expect("the ledger takes them");
}

fn keep_sending(ledger: &Ledger, waits: &Mutex<Vec<u64>>, stop: &AtomicBool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let mut n = 1 << 30;
    while !stop.load(Ordering::Relaxed) {
        let event = [event(n, false)];
        n += 1;
        let began = Instant::now();
        runtime.block_on(send(ledger, &event));
        let waited = u64::try_from(began.elapsed().as_micros()).expect("a short run");
        waits.lock().expect("nobody panics").push(waited);
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// Says what came since the last time.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn told(when: &str, waits: &Mutex<Vec<u64>>) {
    let mut waits = std::mem::take(&mut *waits.lock().expect("nobody panics"));
    waits.sort_unstable();
    let ms = |at: usize| waits.get(at).map_or(0.0, |us| *us as f64 / 1e3);
    let last = waits.len().saturating_sub(1);
    println!(
        "  {when}: {} events, p99 {:.1} ms, longest {:.1} ms",
        waits.len(),
        ms(last * 99 / 100),
        ms(last)
    );
}
