//! Disks that are full or fail, senders that crowd, and a stop while much is on its way.

use std::num::NonZero;
use std::sync::Arc;

use annals_journal::sim::{Fault, Op, SimDisk};
use annals_journal::{FaultDisk, Faults, FileJournal, JournalId, MemoryJournal, Options as FileOptions};
use annals_ledger::{
    AcceptOptions, CommitError, Engine, FeedScope, ItemResult, ItemStatus, Ledger, Parts, Sealed,
    SeededEntropy, Unobserved,
};

use crate::support::{
    Pending, TestClock, World, control_log, events_of, options, poll, send, store, tenant, words,
};

/// A ledger on a disk with a switchboard; nothing moves by itself.
struct Stepped {
    disk: SimDisk,
    segments: SimDisk,
    faults: Arc<Faults>,
    signer: MemoryJournal,
    clock: Arc<TestClock>,
    opens: u64,
}

impl Stepped {
    fn new() -> Self {
        let (disk, signer) = (SimDisk::new(1), MemoryJournal::new());
        let segments = SimDisk::new(2);
        Self { disk, segments, faults: Arc::default(), signer, clock: TestClock::new(), opens: 0 }
    }

    fn open(&mut self) -> (Ledger, Engine) {
        self.open_on(false)
    }

    fn open_on(&mut self, full: bool) -> (Ledger, Engine) {
        self.opens += 1;
        let (disk, faults) = FaultDisk::new(self.disk.clone());
        self.faults = faults;
        let file_options = FileOptions { reserve_bytes: 0, ..FileOptions::new(JournalId([3; 16])) };
        let (journal, _) = FileJournal::open(Arc::new(disk), &file_options).expect("the journal opens");
        self.faults.set_no_space(full);
        let parts = Parts {
            journal: Box::new(journal),
            signer_journal: Box::new(self.signer.clone()),
            segments: store(&self.segments),
            signing_seed: [9; 32],
            clock: self.clock.clone(),
            entropy: Arc::new(SeededEntropy::new(self.opens)),
            observer: Arc::new(Unobserved),
        };
        let (opened, engine) = Ledger::open_stepped(parts, &options()).expect("the ledger opens");
        (opened.ledger, engine)
    }
}

fn seal(ledger: &Ledger, events: &[String]) -> Sealed {
    let options = AcceptOptions { tenant: Some(tenant("acme")), ..AcceptOptions::default() };
    let mut draft = ledger.draft(options);
    events.iter().for_each(|event| draft.push(event.as_bytes()));
    draft.seal()
}

fn event(id: u64) -> String {
    format!(r#"{{"action":"a.b","actor":{{"id":"u"}},"id":"e{id}"}}"#)
}

/// Puts one event into the queue.
fn submit(ledger: &Ledger, events: &[String]) -> Pending {
    let sealed = seal(ledger, events);
    let ledger = ledger.clone();
    let mut pending: Pending = Box::pin(async move { ledger.commit(sealed).await });
    match poll(&mut pending) {
        Some(ready) => Box::pin(std::future::ready(ready)),
        None => pending,
    }
}

/// Sends one event and takes the steps that answer it.
fn send_one(ledger: &Ledger, engine: &mut Engine, id: u64) -> Result<Vec<ItemResult>, CommitError> {
    let mut pending = submit(ledger, &[event(id)]);
    engine.write();
    engine.apply();
    poll(&mut pending).expect("answered after one turn of each thread")
}

fn size(ledger: &Ledger) -> Option<u64> {
    ledger.feed_size(&FeedScope::Log(events_of("acme")))
}

#[test]
fn a_full_disk_refuses_and_ingest_resumes_by_itself_and_says_what_was_refused() {
    let mut stepped = Stepped::new();
    let (ledger, mut engine) = stepped.open();
    assert_eq!(words(&send_one(&ledger, &mut engine, 0).unwrap()), ["created 0"]);
    stepped.faults.set_no_space(true);
    for id in 1..4 {
        assert_eq!(send_one(&ledger, &mut engine, id).unwrap_err(), CommitError::Full);
        assert_eq!(ledger.health().journal, Some(CommitError::Full.to_string()));
        assert_eq!(size(&ledger), Some(1), "reads go on");
    }
    stepped.faults.set_no_space(false);
    // The turn that finds nothing to write tries the disk with the record of what was refused.
    engine.write();
    engine.apply();
    assert!(ledger.health().is_ready());
    let control = ledger.feed(&FeedScope::Log(control_log()), 0, 100).unwrap().unwrap();
    let last: serde_json::Value = serde_json::from_slice(&control.records.last().unwrap().event).unwrap();
    let told = &last["metadata"]["control"];
    assert_eq!(last["action"], "annals.ingest.refused");
    assert_eq!(
        (told["requests"].as_u64(), told["events"].as_u64(), told["reason"].as_str()),
        (Some(3), Some(3), Some("full"))
    );
    assert_eq!(words(&send_one(&ledger, &mut engine, 1).unwrap()), ["created 1"]);
}

#[test]
fn after_a_failed_flush_no_write_is_taken_until_a_restart() {
    for op in [Op::Sync, Op::Write] {
        let mut stepped = Stepped::new();
        let (ledger, mut engine) = stepped.open();
        send_one(&ledger, &mut engine, 0).unwrap();
        stepped.disk.fail(op, 0, Fault::Error);
        if op == Op::Write {
            // A write that fails is undone, and here the undoing fails too.
            stepped.disk.fail(Op::Sync, 0, Fault::Error);
        }
        assert_eq!(send_one(&ledger, &mut engine, 1).unwrap_err(), CommitError::Uncertain);
        assert!(!ledger.health().is_ready(), "readiness says so before anybody else tries");
        for _ in 0..3 {
            let refused = send_one(&ledger, &mut engine, 2).unwrap_err();
            assert!(matches!(refused, CommitError::Unavailable { .. }), "{refused:?}");
            assert_eq!(size(&ledger), Some(1), "reads go on");
        }
        drop((ledger, engine));

        let (ledger, mut engine) = stepped.open();
        assert!(ledger.health().is_ready());
        assert!(size(&ledger) == Some(1) || size(&ledger) == Some(2));
        // What was uncertain is sent again, and is there once.
        send_one(&ledger, &mut engine, 1).unwrap();
        send_one(&ledger, &mut engine, 2).unwrap();
        assert_eq!(size(&ledger), Some(3));
    }
}

#[test]
fn a_write_that_fails_and_is_undone_can_be_sent_again() {
    let mut stepped = Stepped::new();
    let (ledger, mut engine) = stepped.open();
    stepped.faults.set_failing_writes(true);
    let refused = send_one(&ledger, &mut engine, 0).unwrap_err();
    assert!(matches!(refused, CommitError::Unavailable { .. }), "{refused:?}");
    stepped.faults.set_failing_writes(false);
    assert_eq!(words(&send_one(&ledger, &mut engine, 0).unwrap()), ["created 0"]);
    drop((ledger, engine));
    assert_eq!(size(&stepped.open().0), Some(1));
}

#[test]
fn what_does_not_fit_into_the_queue_is_told_to_wait() {
    let mut stepped = Stepped::new();
    let (ledger, mut engine) = stepped.open();
    let long = "x".repeat(250_000);
    let batch = |batch: u64| -> Vec<String> {
        let event =
            |n: u64| format!(r#"{{"action":"a","actor":{{"id":"u"}},"id":"{batch}-{n}","reason":"{long}"}}"#);
        (0..60).map(event).collect()
    };
    let mut waiting: Vec<_> = (0..6).map(|number| submit(&ledger, &batch(number))).collect();
    let busy: Vec<_> = waiting.iter_mut().map(poll).map(|answer| answer.map(Result::unwrap_err)).collect();
    assert_eq!(busy, [None, None, None, None, Some(CommitError::Busy), Some(CommitError::Busy)]);
    assert!(ledger.queue_depth().1 <= 64 << 20);
    while engine.write() {
        engine.apply();
    }
    for answer in &mut waiting[..4] {
        poll(answer).expect("answered").expect("stored");
    }
    assert_eq!((size(&ledger), ledger.queue_depth()), (Some(240), (0, 0)));
}

#[tokio::test]
async fn a_stop_answers_everybody_and_keeps_what_it_answered() {
    let mut world = World::new();
    let ledger = world.open().ledger;
    let pending: Vec<_> = (0..200).map(|id| submit(&ledger, &[event(id)])).collect();
    ledger.stop();
    let mut kept = 0;
    for answer in pending {
        kept += answer.await.expect("it was taken before the stop").len() as u64;
    }
    assert_eq!(send(&ledger, &[&event(999)]).await.unwrap_err(), CommitError::Stopping);
    let ledger = world.open().ledger;
    assert_eq!(size(&ledger), Some(kept));
    let start = ledger.feed(&FeedScope::Log(control_log()), 0, 100).unwrap().unwrap().records.pop().unwrap();
    assert!(std::str::from_utf8(&start.event).unwrap().contains(r#""unclean":false"#));
    ledger.stop();
}

#[test]
fn of_those_who_send_the_same_ids_at_once_exactly_one_is_told_created() {
    const EVENTS: usize = 40;
    let mut world = World::new();
    let ledger = world.open().ledger;
    let senders = std::thread::available_parallelism().map_or(4, NonZero::get).max(4);
    let answers: Vec<Vec<ItemResult>> = std::thread::scope(|scope| {
        let send = |sender: usize| {
            let ledger = &ledger;
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                // Each begins somewhere else, and sends some alone and some together.
                let ids = (0..EVENTS).map(|n| ((n + sender * 7) % EVENTS) as u64).collect::<Vec<_>>();
                let requests = ids.chunks(sender + 1).map(|ids| {
                    let events: Vec<String> = ids.iter().map(|id| event(*id)).collect();
                    runtime.block_on(ledger.commit(seal(ledger, &events))).expect("stored")
                });
                requests.flatten().collect()
            })
        };
        let threads: Vec<_> = (0..senders).map(send).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let mut places = std::collections::BTreeMap::new();
    let mut created = 0;
    for result in answers.iter().flatten() {
        let (position, leaf) = match result.status {
            ItemStatus::Created { position, leaf } => {
                created += 1;
                (position, leaf)
            }
            ItemStatus::Duplicate { position, leaf } => (position, leaf),
            ItemStatus::Rejected(ref error) => panic!("{error:?}"),
        };
        assert_eq!(*places.entry(result.id.clone()).or_insert((position, leaf)), (position, leaf));
    }
    assert_eq!((created, places.len(), size(&ledger)), (EVENTS, EVENTS, Some(EVENTS as u64)));
    ledger.stop();
}

#[tokio::test]
async fn no_source_can_stop_the_ledger_with_a_long_name_or_the_largest_number() {
    let mut world = World::new();
    let ledger = world.open().ledger;
    let name = "n".repeat(262_144 - 100);
    let sent = |seq: u64| {
        format!(r#"{{"action":"a","actor":{{"id":"u"}},"source":{{"name":"{name}","seq":{seq}}}}}"#)
    };
    for seq in [1, 5, u64::MAX, u64::MAX, 0] {
        let results = send(&ledger, &[&sent(seq)]).await.expect("stored");
        assert!(matches!(results[0].status, ItemStatus::Created { .. }), "{seq}: {:?}", results[0].status);
    }
    assert!(ledger.health().is_ready());
    assert_eq!(size(&ledger), Some(5 + 2), "two holes");
    ledger.stop();
    assert_eq!(size(&world.open().ledger), Some(5 + 2));
}

#[test]
fn a_ledger_opens_on_a_full_disk_reads_and_says_later_that_it_started() {
    let mut stepped = Stepped::new();
    let (ledger, mut engine) = stepped.open();
    send_one(&ledger, &mut engine, 0).unwrap();
    drop((ledger, engine));

    let (ledger, mut engine) = stepped.open_on(true);
    assert_eq!(size(&ledger), Some(1), "reads go on");
    engine.write();
    assert_eq!(ledger.health().journal, Some(CommitError::Full.to_string()));
    stepped.faults.set_no_space(false);
    engine.write();
    engine.apply();
    assert!(ledger.health().is_ready());
    let control = ledger.feed(&FeedScope::Log(control_log()), 0, 100).unwrap().unwrap().records;
    let actions: Vec<_> = control
        .iter()
        .map(|record| {
            serde_json::from_slice::<serde_json::Value>(&record.event).unwrap()["action"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(actions[actions.len() - 2..], ["annals.server.start", "annals.ingest.refused"], "{actions:?}");
}
