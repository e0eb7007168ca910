//! Records that move from the tail into segments, and from segments into larger ones, while the power may go at any moment:
//! whoever reads notices nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use annals_event::Position;
use annals_journal::sim::{Fault, Op, SimDisk};
use annals_journal::{Disk, DiskFile, FileJournal, Journal as _, JournalId, Options as FileOptions};
use annals_ledger::{
    AcceptOptions, Done, Engine, FeedScope, ItemResult, ItemStatus, Ledger, LogKind, OpenError, Options,
    Parts, SeededEntropy, Store, TailLimits, TenantLog, Unobserved,
};

use crate::support::{Pending, TestClock, control_log, options, poll, tenant};

const TENANTS: [&str; 3] = ["acme", "globex", "initech"];

/// A disk that changes a bit in the middle of each segment when that gets its name, while it is told to.
#[derive(Debug)]
struct Flipping {
    disk: SimDisk,
    flips: Arc<AtomicBool>,
}

impl Disk for Flipping {
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.disk.open(name)
    }

    fn open_to_read(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.disk.open_to_read(name)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.disk.create(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)?;
        if self.flips.load(Ordering::SeqCst) && to.starts_with("segment-") {
            let mut bytes = self.disk.contents(to).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 4;
            self.disk.put(to, bytes);
        }
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.disk.free_bytes()
    }
}

/// A ledger whose steps are taken one by one, on three disks.
pub(crate) struct Stepped {
    pub(crate) journal: SimDisk,
    pub(crate) signer: SimDisk,
    pub(crate) segments: SimDisk,
    clock: Arc<TestClock>,
    limits: TailLimits,
    /// The disk of segments changes a bit of each one once it has its name.
    flips: Arc<AtomicBool>,
    opens: u64,
    sent: u64,
    /// Ids that were acknowledged, and where.
    known: BTreeMap<(String, String), u64>,
}

pub(crate) struct Running {
    pub(crate) ledger: Ledger,
    pub(crate) engine: Engine,
}

impl Stepped {
    pub(crate) fn new(records_max: u64) -> Self {
        Self {
            journal: SimDisk::new(1),
            signer: SimDisk::new(2),
            segments: SimDisk::new(3),
            clock: TestClock::new(),
            limits: TailLimits { records_max, ..TailLimits::default() },
            flips: Arc::default(),
            opens: 0,
            sent: 0,
            known: BTreeMap::new(),
        }
    }

    pub(crate) fn try_open(&mut self) -> Result<Running, OpenError> {
        let parts = self.parts()?;
        let options = Options { tail: self.limits, ..options() };
        let (opened, engine) = Ledger::open_stepped(parts, &options)?;
        Ok(Running { ledger: opened.ledger, engine })
    }

    fn parts(&mut self) -> Result<Parts, OpenError> {
        self.opens += 1;
        let segments = Flipping { disk: self.segments.clone(), flips: self.flips.clone() };
        let file_options =
            FileOptions { reserve_bytes: 0, file_bytes: 8192, ..FileOptions::new(JournalId([3; 16])) };
        Ok(Parts {
            journal: Box::new(FileJournal::open(Arc::new(self.journal.clone()), &file_options)?.0),
            signer_journal: Box::new(FileJournal::open(Arc::new(self.signer.clone()), &file_options)?.0),
            segments: Store::new(Arc::new(segments), 4 << 20),
            signing_seed: [9; 32],
            clock: self.clock.clone(),
            entropy: Arc::new(SeededEntropy::new(self.opens)),
            observer: Arc::new(Unobserved),
        })
    }

    pub(crate) fn open(&mut self) -> Running {
        self.try_open().unwrap()
    }

    /// Sends a few events to one tenant; false when they were not acknowledged.
    fn send(&mut self, running: &mut Running, count: u64) -> bool {
        self.clock.pass(1_700);
        let name = TENANTS[usize::try_from(self.sent % 3).unwrap()];
        let options = AcceptOptions { tenant: Some(tenant(name)), ..AcceptOptions::default() };
        let mut draft = running.ledger.draft(options);
        for _ in 0..count {
            draft.push(event(self.sent).as_bytes());
            self.sent += 1;
        }
        let sealed = draft.seal();
        let ledger = running.ledger.clone();
        let mut pending: Pending = Box::pin(async move { ledger.commit(sealed).await });
        let answer = poll(&mut pending).or_else(|| {
            running.engine.write();
            running.engine.apply();
            poll(&mut pending)
        });
        let Some(Ok(results)) = answer else { return false };
        self.note(name, results);
        true
    }

    /// These were acknowledged.
    fn note(&mut self, name: &str, results: Vec<ItemResult>) {
        for result in results {
            let position = match result.status {
                ItemStatus::Created { position, .. } | ItemStatus::Duplicate { position, .. } => position,
                ItemStatus::Rejected(error) => panic!("{error:?}"),
            };
            self.known.insert((name.to_owned(), result.id.unwrap()), position.0);
        }
    }

    /// Sends events, which must be acknowledged.
    pub(crate) fn send_some(&mut self, running: &mut Running, count: u64) {
        assert!(self.send(running, count), "nothing is wrong with the disk");
    }

    /// Everything that was acknowledged is there, once, where it was acknowledged; and the proofs hold.
    fn check(&self, running: &Running, context: &str) {
        let ledger = &running.ledger;
        let all = ledger.feed(&FeedScope::All, 0, usize::MAX).unwrap().unwrap();
        assert_eq!(all.next, all.size, "{context}");
        assert!((0..).zip(&all.records).all(|(seq, record)| record.seq.unwrap().0 == seq), "{context}");
        for name in TENANTS {
            let log = TenantLog { tenant: tenant(name), kind: LogKind::Tenant };
            let Some(page) = ledger.feed(&FeedScope::Log(log.clone()), 0, usize::MAX).unwrap() else {
                assert!(!self.known.keys().any(|(tenant, _)| tenant == name), "{context}");
                continue;
            };
            let of_all: Vec<_> = all.records.iter().filter(|record| record.tenant == log.tenant).collect();
            assert_eq!(of_all.len(), page.records.len(), "{context}: {name}");
            for (position, (record, same)) in (0..).zip(page.records.iter().zip(of_all)) {
                assert_eq!(record.position.0, position, "{context}: {name}");
                assert_eq!(format!("{record:?}"), format!("{same:?}"), "{context}");
                let entry = ledger.entry(&log, record.position).unwrap().unwrap();
                assert!(entry.intact, "{context}: {name} at {position}");
            }
        }
        for ((name, id), position) in &self.known {
            let log = TenantLog { tenant: tenant(name), kind: LogKind::Tenant };
            let found = ledger.by_id(&log, id).unwrap();
            assert_eq!(found.map(|found| found.position.0), Some(*position), "{context}: {name} {id}");
        }
    }
}

/// Everything a reader can see, as text.
fn seen(ledger: &Ledger) -> Vec<String> {
    let mut seen = Vec::new();
    let mut tell = |what: String| seen.push(what);
    for record in ledger.feed(&FeedScope::All, 0, usize::MAX).unwrap().unwrap().records {
        tell(format!("{record:?}"));
    }
    let logs = TENANTS.map(|name| TenantLog { tenant: tenant(name), kind: LogKind::Tenant });
    for log in logs.into_iter().chain([control_log()]) {
        let Some(info) = ledger.log_info(&log) else { continue };
        for position in (0..info.size).map(Position) {
            tell(format!("{:?}", ledger.entry(&log, position).unwrap()));
        }
        // Each of these may read a block of sealed records again.
        for position in (0..info.size).step_by(37).map(Position) {
            tell(format!("{:?}", ledger.inclusion(&log, position, info.size).unwrap()));
        }
        for from in (0..=info.size).step_by(41) {
            tell(format!("{:?}", ledger.consistency(&log, from, info.size).unwrap()));
        }
    }
    seen
}

/// Events of several shapes, some as large as a batch of others.
fn event(number: u64) -> String {
    let more = match number % 7 {
        0 => format!(r#","targets":[{{"id":"t{}","type":"video"}},{{"id":"u","name":"Ünï"}}]"#, number % 11),
        1 => format!(r#","metadata":{{"k{}":{number},"list":[1,[2,{{"a":null}}]]}}"#, number % 23),
        2 => r#","occurred_at":"2026-01-02T03:04:05Z""#.to_owned(),
        3 => format!(r#","unknown":{{"deep":[{{}},"{number}"]}}"#),
        4 => format!(r#","source":{{"name":"billing","seq":{}}}"#, number * 2),
        5 => format!(r#","changes":{{"before":{{"n":{number}}},"after":{{"n":{}.50}}}}"#, number + 1),
        _ => format!(r#","description":"{}""#, "word ".repeat(usize::try_from(number % 90).unwrap())),
    };
    format!(r#"{{"action":"a.b{}","actor":{{"id":"u{}"}},"id":"e{number}"{more}}}"#, number % 5, number % 13)
}

#[test]
fn what_is_sealed_and_merged_reads_as_it_did_in_the_tail() {
    let mut stepped = Stepped::new(u64::MAX);
    let mut running = stepped.open();
    let mut merged = 0;
    for round in 0..24 {
        for _ in 0..1 + round % 4 {
            assert!(stepped.send(&mut running, 1 + round % 23));
        }
        let before = seen(&running.ledger);
        assert!(matches!(running.engine.seal(true).unwrap(), Done::Sealed(records) if records > 0));
        assert_eq!(running.ledger.sizes().tail_records, 0);
        assert_eq!(seen(&running.ledger), before, "round {round}: sealed");
        while let Done::Merged(_) = running.engine.seal(false).unwrap() {
            merged += 1;
            assert_eq!(seen(&running.ledger), before, "round {round}: merged");
        }
    }
    assert!(merged >= 3, "{merged}");
    stepped.check(&running, "at the end");
    let before = seen(&running.ledger);
    drop(running);
    let running = stepped.open();
    let after = seen(&running.ledger);
    // The record of the start is new.
    assert!(
        before.iter().filter(|told| !after.contains(told)).count() < 40,
        "all but the control log's proofs"
    );
    stepped.check(&running, "opened again");
    let first = FileJournal::open(
        Arc::new(stepped.journal.clone()),
        &FileOptions { reserve_bytes: 0, file_bytes: 8192, ..FileOptions::new(JournalId([3; 16])) },
    );
    assert!(first.unwrap().0.first().0 > 0, "the journal is trimmed");
}

/// How far apart the changes of the disk are that are tried as the last one; with `ANNALS_EVERY_CUT` each is.
fn stride() -> usize {
    let every = std::env::var("ANNALS_EVERY_CUT").is_ok();
    if every { 1 } else { 9 }
}

#[test]
fn the_power_may_go_at_any_step_of_sealing_merging_and_trimming() {
    let cuts = (1..).step_by(stride()).take_while(|changes| cut_power_after(*changes)).count();
    assert!(cuts * stride() > 150, "{cuts}");
}

/// Runs until the segments' disk has taken so many changes, then cuts the power. False when the run ends before.
fn cut_power_after(changes: u64) -> bool {
    let mut stepped = Stepped::new(30);
    let mut running = stepped.open();
    stepped.segments.cut_power_after(changes);
    let ended = (0..45).all(|round| {
        let sent = stepped.send(&mut running, 1 + round % 13);
        // Every other time records are sealed between the beginning and the end of a merge.
        let merging = if round % 2 == 0 { running.engine.begin_merge() } else { Ok(false) };
        let sealed = running.engine.seal(round % 5 == 0);
        running.engine.write();
        running.engine.apply();
        sent && merging.is_ok() && sealed.is_ok() && stepped.segments.is_on()
    });
    if ended {
        return false;
    }
    drop(running);
    for disk in [&stepped.journal, &stepped.signer, &stepped.segments] {
        disk.crash();
    }
    let mut running = stepped.open();
    let context = format!("power gone after {changes} changes");
    stepped.check(&running, &context);
    // It goes on as if nothing had been.
    for round in 0..20 {
        assert!(stepped.send(&mut running, 1 + round), "{context}");
        running.engine.seal(round % 3 == 0).unwrap();
        running.engine.write();
        running.engine.apply();
    }
    stepped.check(&running, &format!("{context}, later"));
    let files = stepped.segments.list().unwrap();
    assert!(!files.iter().any(|name| name.ends_with(".tmp")), "{context}: {files:?}");
    true
}

#[test]
fn a_disk_that_fails_while_it_seals_costs_nothing_and_is_tried_again() {
    for (op, skipped) in [Op::Create, Op::Write, Op::Sync, Op::Rename, Op::SyncDir]
        .into_iter()
        .flat_map(|op| (0..3).map(move |n| (op, n)))
    {
        let mut stepped = Stepped::new(u64::MAX);
        let mut running = stepped.open();
        for _ in 0..6 {
            assert!(stepped.send(&mut running, 9));
        }
        stepped.segments.fail(op, skipped, Fault::Error);
        let context = format!("{op:?} after {skipped}");
        let mut failed = false;
        for _ in 0..4 {
            match running.engine.seal(true) {
                Ok(_) => {}
                Err(_) => {
                    failed = true;
                    assert!(running.ledger.health().segments.is_some(), "{context}");
                    assert!(stepped.send(&mut running, 3), "{context}: writes go on");
                }
            }
            stepped.check(&running, &context);
        }
        assert!(failed || skipped > 1, "{context}");
        assert_eq!(running.ledger.health().segments, None, "{context}: said no more once it works again");
        drop(running);
        let running = stepped.open();
        stepped.check(&running, &context);
    }
}

#[test]
fn a_merged_segment_that_does_not_read_as_the_old_ones_replaces_none_of_them() {
    let mut stepped = Stepped::new(u64::MAX);
    let mut running = stepped.open();
    for _ in 0..8 {
        stepped.send_some(&mut running, 20);
        assert!(matches!(running.engine.seal(true).unwrap(), Done::Sealed(_)));
    }
    let (before, segments) = (seen(&running.ledger), running.ledger.sizes().segments);
    let files = stepped.segments.list().unwrap();
    stepped.flips.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        assert!(running.engine.seal(false).is_err(), "what is read back is not what was written");
        assert!(running.ledger.health().merging.is_some());
        assert!(running.ledger.health().is_ready(), "events are taken all the same");
        assert_eq!(running.ledger.sizes().segments, segments);
        assert_eq!(seen(&running.ledger), before);
        assert_eq!(stepped.segments.list().unwrap(), files, "what was made is gone");
    }
    stepped.flips.store(false, Ordering::SeqCst);
    assert!(matches!(running.engine.seal(false).unwrap(), Done::Merged(_)));
    assert_eq!(running.ledger.health().merging, None);
    assert!(running.ledger.sizes().segments < segments);
    assert_eq!(seen(&running.ledger), before);
    drop(running);
    let running = stepped.open();
    stepped.check(&running, "opened again");
}

#[test]
fn records_are_sealed_while_segments_are_merged() {
    let mut stepped = Stepped::new(u64::MAX);
    let mut running = stepped.open();
    for _ in 0..8 {
        stepped.send_some(&mut running, 20);
        assert!(matches!(running.engine.seal(true).unwrap(), Done::Sealed(_)));
    }
    assert!(running.engine.begin_merge().unwrap());
    // Segments that come while one is made, and what is removed then, are none of its concern; nor does it stop another merge.
    for _ in 0..9 {
        stepped.send_some(&mut running, 20);
        let before = seen(&running.ledger);
        assert!(matches!(running.engine.seal(true).unwrap(), Done::Sealed(_)));
        assert_eq!(seen(&running.ledger), before);
    }
    let before = seen(&running.ledger);
    assert_eq!(running.ledger.sizes().segments, 17);
    assert!(matches!(running.engine.seal(false).unwrap(), Done::Merged(_)));
    assert_eq!(running.ledger.sizes().segments, 10);
    assert_eq!(seen(&running.ledger), before);
    drop(running);
    let mut running = stepped.open();
    stepped.check(&running, "opened with what was merged");
    let before = seen(&running.ledger);
    while let Done::Merged(_) = running.engine.seal(false).unwrap() {
        assert_eq!(seen(&running.ledger), before);
    }
    assert_eq!(running.ledger.sizes().segments, 3);
    // The end of a merge that the stop of the service came before is no harm.
    for _ in 0..6 {
        stepped.send_some(&mut running, 20);
        running.engine.seal(true).unwrap();
    }
    assert!(running.engine.begin_merge().unwrap());
    let before = seen(&running.ledger);
    drop(running);
    let running = stepped.open();
    let after = seen(&running.ledger);
    assert!(
        before.iter().filter(|told| !after.contains(told)).count() < 40,
        "all but the control log's proofs"
    );
    stepped.check(&running, "opened again");
}

#[test]
fn while_nothing_can_be_sealed_two_tails_are_taken_and_afterwards_the_rest() {
    const RECORDS_MAX: u64 = 100;
    const BATCH: u64 = 5;
    /// Two tails, each ended by the batch that filled it, and what the ledger itself writes.
    const HELD_MAX: u64 = 2 * (RECORDS_MAX + BATCH) + 5;
    let wait = || std::thread::park_timeout(Duration::from_millis(1));
    let mut stepped = Stepped::new(RECORDS_MAX);
    let options = Options { tail: stepped.limits, ..options() };
    let ledger = Ledger::open(stepped.parts().unwrap(), &options).unwrap().ledger;
    stepped.segments.set_capacity(Some(0));
    let mut pending: Vec<(&str, Pending)> = Vec::new();
    for sent in 0..300 {
        let name = TENANTS[sent % 3];
        let mut draft =
            ledger.draft(AcceptOptions { tenant: Some(tenant(name)), ..AcceptOptions::default() });
        for _ in 0..BATCH {
            draft.push(event(stepped.sent).as_bytes());
            stepped.sent += 1;
        }
        let (sealed, ledger) = (draft.seal(), ledger.clone());
        pending.push((name, Box::pin(async move { ledger.commit(sealed).await })));
    }
    let mut take = |stepped: &mut Stepped| {
        pending.retain_mut(|(name, pending)| match poll(pending) {
            Some(results) => {
                stepped.note(name, results.unwrap());
                false
            }
            None => true,
        });
        pending.len()
    };
    // First until both tails are full, and then for a while.
    let (mut turns, mut full) = (0, 0);
    while full < 200 {
        let waiting = take(&mut stepped);
        let sizes = ledger.sizes();
        assert!(sizes.tail_records <= HELD_MAX, "{} records in memory", sizes.tail_records);
        assert!(waiting > 0, "nobody had to wait");
        full += u64::from(sizes.tail_records >= 2 * RECORDS_MAX);
        turns += 1;
        assert!(turns < 60_000, "{sizes:?}");
        wait();
    }
    assert!(ledger.health().segments.is_some(), "it says why");
    stepped.segments.set_capacity(None);
    while take(&mut stepped) > 0 {
        assert!(ledger.sizes().tail_records <= HELD_MAX);
        turns += 1;
        assert!(turns < 120_000, "nobody is answered");
        wait();
    }
    assert_eq!(stepped.known.len(), 1_500);
    ledger.stop();
    drop(ledger);
    let mut running = stepped.open();
    stepped.check(&running, "opened again");
    stepped.send_some(&mut running, 3);
    stepped.check(&running, "goes on");
}

#[test]
fn what_was_merged_is_on_disk_once_as_soon_as_there_is_nothing_else_to_do() {
    let mut stepped = Stepped::new(u64::MAX);
    let mut running = stepped.open();
    for _ in 0..8 {
        stepped.send_some(&mut running, 20);
        assert!(matches!(running.engine.seal(true).unwrap(), Done::Sealed(_)));
    }
    let files = |stepped: &Stepped| {
        stepped.segments.list().unwrap().iter().filter(|name| name.starts_with("segment-")).count()
    };
    assert!(matches!(running.engine.seal(false).unwrap(), Done::Merged(_)));
    assert_eq!(files(&stepped), 9, "the older manifest is kept, with what it names");
    assert_eq!(running.engine.seal(false).unwrap(), Done::Nothing);
    assert_eq!(files(&stepped), 1);
    drop(running);
    let running = stepped.open();
    stepped.check(&running, "opened again");
}

#[test]
fn a_folder_from_before_segments_is_sealed_when_it_is_opened() {
    let mut stepped = Stepped::new(u64::MAX);
    let mut running = stepped.open();
    for _ in 0..60 {
        assert!(stepped.send(&mut running, 11));
    }
    let before = seen(&running.ledger);
    drop(running);
    assert!(stepped.segments.list().unwrap().is_empty());
    stepped.limits.records_max = 100;
    let running = stepped.open();
    assert!(running.ledger.sizes().segments >= 5, "{:?}", running.ledger.sizes());
    assert!(running.ledger.sizes().tail_records < 120, "{:?}", running.ledger.sizes());
    stepped.check(&running, "upgraded");
    let after = seen(&running.ledger);
    let events =
        |seen: &[String]| seen.iter().filter(|told| told.contains("acme")).cloned().collect::<Vec<_>>();
    assert_eq!(events(&before), events(&after));
}

#[test]
fn a_newest_manifest_that_cannot_be_read_is_passed_over_for_the_one_before() {
    let mut stepped = Stepped::new(u64::MAX);
    let mut running = stepped.open();
    for _ in 0..4 {
        assert!(stepped.send(&mut running, 9));
        running.engine.seal(true).unwrap();
        running.engine.write();
    }
    drop(running);
    let newest =
        stepped.segments.list().unwrap().into_iter().rfind(|name| name.starts_with("manifest-")).unwrap();
    let mut bytes = stepped.segments.contents(&newest).unwrap();
    bytes[40] ^= 1;
    stepped.segments.put(&newest, bytes.clone());
    let mut running = stepped.open();
    stepped.check(&running, "from the manifest before");
    assert_eq!(stepped.segments.contents(&newest), Some(bytes), "nothing is written over it");
    for _ in 0..3 {
        assert!(stepped.send(&mut running, 9));
        running.engine.seal(true).unwrap();
        running.engine.write();
    }
    drop(running);
    let running = stepped.open();
    stepped.check(&running, "from manifests after it");
    assert!(!stepped.segments.list().unwrap().contains(&newest), "in time it goes as any other");
}

#[test]
fn what_a_manifest_needs_and_is_gone_is_said() {
    let mut stepped = Stepped::new(u64::MAX);
    let mut running = stepped.open();
    for _ in 0..3 {
        assert!(stepped.send(&mut running, 9));
        running.engine.seal(true).unwrap();
        // The journal's thread forgets what is sealed.
        running.engine.write();
    }
    drop(running);
    let names = stepped.segments.list().unwrap();
    let segment = names.iter().find(|name| name.starts_with("segment-")).unwrap();
    let whole = stepped.segments.contents(segment).unwrap();
    stepped.segments.remove(segment).unwrap();
    assert!(stepped.try_open().err().unwrap().to_string().contains("is missing"));
    stepped.segments.put(segment, whole[..whole.len() - 1].to_vec());
    assert!(stepped.try_open().err().unwrap().to_string().contains("bytes instead of"));
    stepped.segments.put(segment, whole);
    // Both manifests gone, and the journal trimmed: this is no new ledger.
    for name in names.iter().filter(|name| name.starts_with("manifest-")) {
        stepped.segments.remove(name).unwrap();
    }
    assert!(stepped.try_open().is_err());
}
