//! A signing key that another one follows: what logs say of it, who may follow, and what a crash in between leaves.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use annals_event::{Position, TenantId, Timestamp};
use annals_journal::sim::SimDisk;
use annals_journal::{Disk as _, FileJournal, JournalId, Options as FileOptions};
use annals_ledger::audit::{Finding, Folders, Notice, audit};
use annals_ledger::signing::{JournalMemory, KeyedSigner};
use annals_ledger::{
    AcceptOptions, Clock, Core, Engine, FeedScope, Ledger, LogKind, OpenError, Options, SearchError,
    SeededEntropy, SignError, SigningService, Store, TailLimits, TenantLog, Unobserved,
};
use annals_tree::checkpoint::Checkpoint;
use annals_tree::entry::Entry;
use annals_tree::head::{Head, HeadLog};
use annals_tree::note::{SigningKey, VerifierKey};
use annals_tree::origin::LogName;
use annals_tree::proof::verify_consistency;
use annals_tree::signer::TreeHead;
use annals_tree::succession::Succession;
use annals_tree::{EntryKind, Hash};

use crate::support::{Pending, TestClock, control_log, events_of, options, poll, tenant};

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed("log.example", &[seed; 32]).unwrap()
}

fn follows(old: u8, new: u8) -> Succession {
    Succession::sign(&key(old), &key(new)).unwrap()
}

/// A ledger on three disks, whose steps are taken one by one.
struct Rotating {
    journal: SimDisk,
    signer: SimDisk,
    segments: SimDisk,
    clock: Arc<TestClock>,
    /// What each look at the clock takes, µs.
    look_us: Arc<AtomicI64>,
    /// Whether the signer answers.
    is_away: Arc<AtomicBool>,
    opens: u64,
    sent: u64,
}

/// A clock that goes on whenever somebody looks at it.
struct SlowClock {
    clock: Arc<TestClock>,
    look_us: Arc<AtomicI64>,
}

impl Clock for SlowClock {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn monotonic_us(&self) -> u64 {
        self.clock.pass(self.look_us.load(Ordering::SeqCst));
        self.clock.monotonic_us()
    }
}

/// A signer that can be away.
struct Leaving {
    signer: KeyedSigner,
    is_away: Arc<AtomicBool>,
}

impl SigningService for Leaving {
    fn verifier_key(&self) -> VerifierKey {
        self.signer.verifier_key()
    }

    fn successions(&self) -> Vec<Succession> {
        self.signer.successions()
    }

    fn signed(&self) -> &BTreeMap<String, TreeHead> {
        self.signer.signed()
    }

    fn prepare(&mut self) -> Result<(), SignError> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(SignError::Away("nobody is there".to_owned()));
        }
        self.signer.prepare()
    }

    fn checkpoint(&mut self, origin: &str, head: TreeHead, proof: &[Hash]) -> Result<String, SignError> {
        self.signer.checkpoint(origin, head, proof)
    }

    fn head(&mut self, head: &Head, proofs: &[Vec<Hash>]) -> Result<Vec<u8>, SignError> {
        self.signer.head(head, proofs)
    }
}

struct Running {
    ledger: Ledger,
    engine: Engine,
}

impl Rotating {
    fn new() -> Self {
        Self {
            journal: SimDisk::new(1),
            signer: SimDisk::new(2),
            segments: SimDisk::new(3),
            clock: TestClock::new(),
            look_us: Arc::default(),
            is_away: Arc::default(),
            opens: 0,
            sent: 0,
        }
    }

    fn try_open(&mut self, seed: u8, successions: &[Succession]) -> Result<Running, OpenError> {
        self.opens += 1;
        let file = FileOptions { reserve_bytes: 0, file_bytes: 8192, ..FileOptions::new(JournalId([3; 16])) };
        let core = Core {
            journal: Box::new(FileJournal::open(Arc::new(self.journal.clone()), &file)?.0),
            segments: Store::new(Arc::new(self.segments.clone()), 4 << 20),
            clock: Arc::new(SlowClock { clock: self.clock.clone(), look_us: self.look_us.clone() }),
            entropy: Arc::new(SeededEntropy::new(self.opens)),
            observer: Arc::new(Unobserved),
        };
        let memory = Box::new(FileJournal::open(Arc::new(self.signer.clone()), &file)?.0);
        let memory = JournalMemory::open(memory).map_err(OpenError::Signer)?;
        let signer = KeyedSigner::new(key(seed), memory, successions.to_vec()).unwrap();
        let signer = Leaving { signer, is_away: self.is_away.clone() };
        let options = Options { tail: TailLimits { records_max: 25, ..TailLimits::default() }, ..options() };
        let (opened, engine) = Ledger::open_with_signer_stepped(core, Box::new(signer), &options)?;
        Ok(Running { ledger: opened.ledger, engine })
    }

    fn open(&mut self, seed: u8, successions: &[Succession]) -> Running {
        self.try_open(seed, successions).unwrap()
    }

    /// Sends an event to a tenant; whether it was acknowledged.
    fn send(&mut self, running: &mut Running, name: &str) -> bool {
        let options = AcceptOptions { tenant: Some(tenant(name)), ..AcceptOptions::default() };
        let mut draft = running.ledger.draft(options);
        let event = format!(r#"{{"action":"video.update","actor":{{"type":"user","id":"u{}"}}}}"#, self.sent);
        draft.push(event.as_bytes());
        self.sent += 1;
        let (ledger, sealed) = (running.ledger.clone(), draft.seal());
        let mut pending: Pending = Box::pin(async move { ledger.commit(sealed).await });
        let answer = poll(&mut pending).or_else(|| {
            running.engine.write();
            running.engine.apply();
            poll(&mut pending)
        });
        answer.is_some_and(|answer| answer.is_ok())
    }

    /// What an audit of the folder finds.
    fn findings(&self) -> Vec<Finding> {
        let folders = Folders {
            journal: Arc::new(self.journal.clone()),
            signer: Some(Arc::new(self.signer.clone())),
            segments: Some(Arc::new(self.segments.clone())),
        };
        let mut found = Vec::new();
        audit(&folders, &mut |notice| {
            if let Notice::Found(finding) = notice {
                found.push(finding);
            }
        })
        .unwrap();
        found
    }

    /// A second passes: heads are signed, and what they have logs say is appended.
    fn second(&mut self, running: &mut Running) {
        self.clock.pass(1_000_001);
        running.engine.apply();
        running.engine.write();
        running.engine.apply();
    }
}

/// Puts an entry of kind 5 into a log, whatever it says. Whether that was acknowledged.
fn state_key(running: &mut Running, log: &TenantLog, metadata: serde_json::Value) -> bool {
    let event = serde_json::json!({
        "action": "annals.signing_key.rotate", "operation": "update", "category": "annals",
        "actor": {"type": "system", "id": "annals"}, "metadata": metadata,
    });
    let (ledger, log) = (running.ledger.clone(), log.clone());
    let mut pending: Pending<Vec<Position>> =
        Box::pin(async move { ledger.state_in(&log, EntryKind::Key, &[event]).await });
    let answer = poll(&mut pending).or_else(|| {
        running.engine.write();
        running.engine.apply();
        poll(&mut pending)
    });
    answer.is_some_and(|answer| answer.is_ok())
}

fn checkpoint(ledger: &Ledger, log: &TenantLog, seed: u8) -> Checkpoint {
    let origin = ledger.log_info(log).unwrap().origin;
    let key: VerifierKey = key(seed).verifier_key().with_name(&origin).unwrap();
    Checkpoint::open(&ledger.checkpoint(log).unwrap().1, &key, &origin).unwrap()
}

fn extends(ledger: &Ledger, log: &TenantLog, earlier: &Checkpoint, later: &Checkpoint) {
    let proof: Vec<Hash> = ledger.consistency(log, earlier.size, later.size).unwrap();
    verify_consistency(earlier.size, &earlier.root, later.size, &later.root, &proof).unwrap();
}

/// Positions of entries of kind 5.
fn told(ledger: &Ledger, log: &TenantLog) -> Vec<u64> {
    let page = ledger.feed(&FeedScope::Log(log.clone()), 0, 1_000).unwrap().unwrap();
    let stated = page.records.iter().filter(|record| record.stated == Some(EntryKind::Key));
    stated.map(|record| record.position.0).collect()
}

/// The seeds of a log's keys, each with the size from which on it signs.
fn keys(ledger: &Ledger, log: &TenantLog) -> Vec<(u8, u64)> {
    let keys = ledger.log_keys(log).unwrap().unwrap();
    for pair in keys.windows(2) {
        assert_eq!(pair[0].until, Some(pair[1].from));
    }
    assert_eq!(keys.last().unwrap().until, None);
    let seed = |of: &VerifierKey| {
        (1..10).find(|seed| key(*seed).verifier_key().public_key() == of.public_key()).unwrap()
    };
    keys.iter().map(|of| (seed(&of.key), of.from)).collect()
}

#[test]
fn each_log_says_once_who_follows_the_key_that_signed_it() {
    let mut world = Rotating::new();
    let mut running = world.open(1, &[]);
    for _ in 0..3 {
        assert!(world.send(&mut running, "acme") && world.send(&mut running, "globex"));
    }
    world.second(&mut running);
    let before = checkpoint(&running.ledger, &events_of("acme"), 1);
    assert_eq!((before.size, keys(&running.ledger, &events_of("acme"))), (3, vec![(1, 0)]));
    running.engine.seal(true).unwrap();
    drop(running);

    let mut running = world.open(2, &[follows(1, 2)]);
    assert_eq!(running.ledger.signing_key(), key(2).verifier_key());
    assert_eq!(told(&running.ledger, &control_log()).len(), 1);
    assert!(told(&running.ledger, &events_of("acme")).is_empty(), "nothing changed there");
    let refused = running.ledger.checkpoint(&events_of("acme")).unwrap_err();
    assert!(refused.to_string().contains("cannot say who signs it"), "{refused}");
    assert!(world.send(&mut running, "acme"));
    // Asked for again before it stands there: it comes once all the same.
    for _ in 0..3 {
        world.clock.pass(1_000_001);
        running.engine.apply();
    }
    for _ in 0..3 {
        world.second(&mut running);
    }
    let after = checkpoint(&running.ledger, &events_of("acme"), 2);
    extends(&running.ledger, &events_of("acme"), &before, &after);
    assert_eq!((after.size, told(&running.ledger, &events_of("acme"))), (5, vec![4]));
    assert_eq!(keys(&running.ledger, &events_of("acme")), [(1, 0), (2, 4)], "the old key signed 3");
    assert!(told(&running.ledger, &events_of("globex")).is_empty());

    let entry = running.ledger.entry(&events_of("acme"), Position(4)).unwrap().unwrap();
    let entry = Entry::decode(&entry.bytes).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&entry.body).unwrap();
    assert_eq!((entry.kind, &body["action"]), (EntryKind::Key, &"annals.signing_key.rotate".into()));
    assert_eq!(body["metadata"]["from"], 4);
    let succession = Succession::open(body["metadata"]["succession"].as_str().unwrap()).unwrap();
    assert_eq!(body["metadata"]["old"], succession.old().to_string());
    assert_eq!(body["metadata"]["new"], key(2).verifier_key().to_string());

    // A log that begins later has nothing to say.
    assert!(world.send(&mut running, "initech"));
    world.second(&mut running);
    assert_eq!(checkpoint(&running.ledger, &events_of("initech"), 2).size, 1);
    assert_eq!(keys(&running.ledger, &events_of("initech")), [(2, 0)]);
    running.engine.seal(true).unwrap();
    drop(running);

    // Two more rotations while nobody looks: what is owed is said in order, also by a log that slept through them.
    let way = [follows(1, 2), follows(2, 3), follows(3, 4)];
    drop(world.open(3, &way[..2]));
    let mut running = world.open(4, &way);
    for name in ["globex", "acme", "initech"] {
        assert!(world.send(&mut running, name));
    }
    for _ in 0..4 {
        world.second(&mut running);
    }
    assert_eq!(keys(&running.ledger, &events_of("globex")), [(1, 0), (2, 4), (3, 4), (4, 4)]);
    assert_eq!(keys(&running.ledger, &events_of("acme")), [(1, 0), (2, 4), (3, 6), (4, 6)]);
    assert_eq!(keys(&running.ledger, &events_of("initech")), [(2, 0), (3, 2), (4, 2)]);
    for name in ["globex", "acme", "initech"] {
        checkpoint(&running.ledger, &events_of(name), 4);
    }
    assert_eq!(told(&running.ledger, &control_log()).len(), 3);
    drop(running);
    let running = world.open(4, &way);
    assert_eq!(told(&running.ledger, &control_log()).len(), 3, "a restart rotates nothing");
    assert_eq!(keys(&running.ledger, &events_of("acme")).len(), 4);
}

#[test]
fn a_key_that_the_one_in_force_did_not_name_does_not_open_the_ledger() {
    let mut world = Rotating::new();
    let mut running = world.open(1, &[]);
    assert!(world.send(&mut running, "acme"));
    world.second(&mut running);
    drop(running);
    for (seed, successions) in
        [(2, vec![]), (2, vec![follows(3, 2)]), (3, vec![follows(1, 2)]), (4, vec![follows(3, 4)])]
    {
        let refused = world.try_open(seed, &successions).err().unwrap();
        assert!(matches!(refused, OpenError::OtherKey), "{seed}: {refused}");
    }
    assert!(told(&world.open(1, &[]).ledger, &control_log()).is_empty(), "nothing was written");
    drop(world.open(2, &[follows(1, 2)]));
    let refused = world.try_open(1, &[]).err().unwrap();
    assert!(matches!(refused, OpenError::OtherKey), "there is no way back: {refused}");
    let refused = world.try_open(5, &[follows(1, 5)]).err().unwrap();
    assert!(matches!(refused, OpenError::OtherKey), "the old key has one successor: {refused}");
    drop(world.open(2, &[]));
}

#[test]
fn wherever_the_power_goes_a_rotation_is_finished_or_undone_at_the_next_start() {
    let mut tried = 0;
    for disk in 0..3 {
        for changes in 0.. {
            if !cut_power_after(disk, changes) {
                break;
            }
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried}");
}

/// Rotates while one of the disks goes off after so many changes. False when all was done before.
fn cut_power_after(disk: usize, changes: u64) -> bool {
    let context = format!("disk {disk} off after {changes} changes");
    let mut world = Rotating::new();
    let mut running = world.open(1, &[]);
    for name in ["acme", "globex", "acme"] {
        assert!(world.send(&mut running, name));
    }
    world.second(&mut running);
    let logs = [events_of("acme"), events_of("globex"), control_log()];
    let before = logs.clone().map(|log| checkpoint(&running.ledger, &log, 1));
    drop(running);

    let disks = [world.journal.clone(), world.signer.clone(), world.segments.clone()];
    disks[disk].cut_power_after(changes);
    let way = [follows(1, 2)];
    let mut is_done = false;
    if let Ok(mut running) = world.try_open(2, &way) {
        is_done = (0..8).all(|round| {
            let sent = world.send(&mut running, ["acme", "globex"][round % 2]);
            world.second(&mut running);
            sent && running.engine.seal(round % 3 == 1).is_ok() && disks[disk].is_on()
        });
    }
    disks.iter().for_each(SimDisk::crash);

    let mut running = world.open(2, &way);
    for _ in 0..4 {
        assert!(world.send(&mut running, "acme") && world.send(&mut running, "globex"), "{context}");
        world.second(&mut running);
    }
    for (log, before) in logs.iter().zip(&before) {
        let now = checkpoint(&running.ledger, log, 2);
        extends(&running.ledger, log, before, &now);
        let (told, keys) = (told(&running.ledger, log), keys(&running.ledger, log));
        assert_eq!((told.len(), keys.len()), (1, 2), "{context}: {log:?} says so once");
        let from = keys[1].1;
        assert!(before.size < from && from <= told[0] + 1, "{context}: {from} {told:?}");
        assert!(now.size > told[0], "{context}");
    }
    drop(running);
    drop(world.open(2, &way));
    !is_done
}

#[test]
fn the_access_log_says_so_as_well() {
    let mut world = Rotating::new();
    let mut running = world.open(1, &[]);
    assert!(world.send(&mut running, "acme"));
    let log = TenantLog { tenant: TenantId::new("acme").unwrap(), kind: LogKind::Access };
    let read = |running: &mut Running| {
        let (ledger, event) = (
            running.ledger.clone(),
            serde_json::json!({
            "action": "annals.access.search", "actor": {"type": "api_key", "id": "key_1"}}),
        );
        let mut pending: Pending<()> =
            Box::pin(async move { ledger.record_access(&tenant("acme"), &event).await });
        if poll(&mut pending).is_none() {
            running.engine.write();
            running.engine.apply();
            poll(&mut pending).unwrap().unwrap();
        }
    };
    read(&mut running);
    world.second(&mut running);
    let before = checkpoint(&running.ledger, &log, 1);
    drop(running);
    let mut running = world.open(2, &[follows(1, 2)]);
    read(&mut running);
    for _ in 0..3 {
        world.second(&mut running);
    }
    let after = checkpoint(&running.ledger, &log, 2);
    extends(&running.ledger, &log, &before, &after);
    assert_eq!(keys(&running.ledger, &log), [(1, 0), (2, 2)]);
}

#[test]
fn an_entry_before_the_rotation_that_it_speaks_of_is_found() {
    let note = |old: u8, new: u8| {
        let way = follows(old, new);
        serde_json::json!({
            "from": 2, "old": way.old().to_string(), "new": way.new_key().to_string(), "succession": way.note(),
        })
    };
    for metadata in [note(1, 2), serde_json::json!({"from": 2})] {
        let mut world = Rotating::new();
        let mut running = world.open(1, &[]);
        assert!(world.send(&mut running, "acme"));
        assert!(!state_key(&mut running, &events_of("acme"), metadata), "it was not, or nobody can read it");
        assert!(running.ledger.health().apply.is_some());
        drop(running);
        assert!(matches!(world.try_open(1, &[]).err().unwrap(), OpenError::Apply(_)));

        let mut found = Vec::new();
        let folders = Folders { journal: Arc::new(world.journal.clone()), signer: None, segments: None };
        audit(&folders, &mut |notice| {
            if let Notice::Found(finding) = notice {
                found.push(finding);
            }
        })
        .unwrap();
        let [Finding::Batch { cause, .. }] = found.as_slice() else { panic!("{found:?}") };
        assert!(cause.contains("does not follow the one before it"), "{cause}");
    }
}

#[test]
fn a_log_that_was_empty_says_so_as_well() {
    let mut world = Rotating::new();
    let mut running = world.open(1, &[]);
    assert!(world.send(&mut running, "acme"));
    let log = TenantLog { tenant: tenant("acme"), kind: LogKind::Access };
    let before = checkpoint(&running.ledger, &log, 1);
    assert_eq!(before.size, 0, "and somebody remembers it");
    drop(running);

    let mut running = world.open(2, &[follows(1, 2)]);
    world.second(&mut running);
    assert!(told(&running.ledger, &log).is_empty(), "nothing changed there");
    let (ledger, event) = (
        running.ledger.clone(),
        serde_json::json!({"action": "annals.access.search", "actor": {"type": "api_key", "id": "key_1"}}),
    );
    let mut pending: Pending<()> =
        Box::pin(async move { ledger.record_access(&tenant("acme"), &event).await });
    drop(poll(&mut pending));
    for _ in 0..3 {
        world.second(&mut running);
    }
    assert_eq!((told(&running.ledger, &log), keys(&running.ledger, &log)), (vec![1], vec![(1, 0), (2, 1)]));
    extends(&running.ledger, &log, &before, &checkpoint(&running.ledger, &log, 2));
}

#[test]
fn a_signer_that_forgot_is_taken_to_have_signed_all_that_there_is() {
    let mut world = Rotating::new();
    let mut running = world.open(1, &[]);
    for _ in 0..3 {
        assert!(world.send(&mut running, "acme"));
    }
    world.second(&mut running);
    let logs = [events_of("acme"), control_log()];
    let before = logs.clone().map(|log| checkpoint(&running.ledger, &log, 1));
    drop(running);
    world.signer = SimDisk::new(9);
    let mut running = world.open(2, &[follows(1, 2)]);
    for _ in 0..3 {
        world.second(&mut running);
    }
    for (log, before) in logs.iter().zip(&before) {
        let told = told(&running.ledger, log);
        let [at] = told.as_slice() else { panic!("{told:?}") };
        let from = keys(&running.ledger, log)[1].1;
        assert!(before.size < from && from == at + 1, "{} {from} {at}", before.size);
    }
}

#[test]
fn heads_that_wait_for_who_says_who_signs_are_told_of() {
    let mut world = Rotating::new();
    let mut running = world.open(1, &[]);
    assert!(world.send(&mut running, "acme"));
    world.second(&mut running);
    drop(running);
    let mut running = world.open(2, &[follows(1, 2)]);
    for _ in 0..3 {
        world.second(&mut running);
    }
    assert_eq!(running.ledger.health().signer_away, None);

    world.is_away.store(true, Ordering::SeqCst);
    assert!(world.send(&mut running, "acme"));
    world.second(&mut running);
    assert_eq!(running.ledger.health().signer_away.as_deref(), Some("nobody is there"));
    world.is_away.store(false, Ordering::SeqCst);
    for _ in 0..3 {
        world.second(&mut running);
    }
    assert_eq!(running.ledger.health().signer_away, None);
    assert_eq!(keys(&running.ledger, &events_of("acme")), [(1, 0), (2, 2)]);
}

#[test]
fn a_signature_of_an_earlier_key_counts_up_to_where_the_log_says_that_another_followed() {
    let mut world = Rotating::new();
    let way = [follows(1, 2), follows(2, 3)];
    for rotations in 0..3 {
        let mut running = world.open(rotations + 1, &way[..usize::from(rotations)]);
        if rotations == 0 {
            assert!(world.send(&mut running, "quiet"));
        }
        for _ in 0..20 {
            assert!(world.send(&mut running, "acme"));
            world.second(&mut running);
            if running.engine.seal(true).unwrap() == annals_ledger::Done::Nothing {
                world.second(&mut running);
            }
        }
        assert_eq!(world.findings(), [], "after {rotations} rotations");
    }
    let mut running = world.open(3, &way);
    world.second(&mut running);
    world.second(&mut running);
    running.engine.seal(true).unwrap();
    let info = running.ledger.log_info(&events_of("acme")).unwrap();
    let newest = checkpoint(&running.ledger, &events_of("acme"), 3);
    let log: LogName = format!("t/{}", info.log_id).parse().unwrap();
    drop(running);
    assert_eq!(world.findings(), []);

    // Whoever has the first key, which stepped back, signs all that there is.
    let claim = HeadLog { log, size: newest.size, root: newest.root };
    let head = Head { at_us: 1, ledger_size: 1, logs: vec![claim] }.sign(&key(1)).unwrap().encode().unwrap();
    for name in world.segments.list().unwrap().iter().filter(|name| name.starts_with("manifest-")) {
        let mut bytes = world.segments.contents(name).unwrap();
        bytes.truncate(bytes.len() - 4);
        let domain = b"annals/ledger-head/v1\0";
        let at = bytes.windows(domain.len()).position(|bytes| bytes == domain).unwrap() - 8;
        let count = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) + 1;
        bytes[at..at + 4].copy_from_slice(&count.to_be_bytes());
        bytes.extend(u32::try_from(head.len()).unwrap().to_be_bytes());
        bytes.extend(&head);
        bytes.extend(crc32c::crc32c(&bytes).to_be_bytes());
        world.segments.put(name, bytes);
    }
    let told: Vec<String> = world.findings().iter().map(ToString::to_string).collect();
    assert!(told[0].contains("by a key that another had followed at size"), "{told:?}");
}

#[test]
fn keys_that_were_not_all_found_in_time_are_not_told() {
    let mut world = Rotating::new();
    let mut running = world.open(1, &[]);
    assert!(world.send(&mut running, "acme"));
    world.second(&mut running);
    drop(running);
    let way = [follows(1, 2), follows(2, 3), follows(3, 4)];
    drop(world.open(2, &way[..1]));
    drop(world.open(3, &way[..2]));
    let mut running = world.open(4, &way);
    assert!(world.send(&mut running, "acme"));
    for _ in 0..3 {
        world.second(&mut running);
    }
    assert_eq!(keys(&running.ledger, &events_of("acme")).len(), 4);
    world.look_us.store(60_000_000, Ordering::SeqCst);
    let answer = running.ledger.log_keys(&events_of("acme"));
    assert!(matches!(answer, Err(SearchError::Busy)), "{answer:?}");
}
