//! Somebody who may write the data folder, or what was published of a log, and wants to be believed: random attacks, with all
//! checksums made anew, by those who have the signing key and by those who do not.
//!
//! Each attack is a ledger with another past, built as the service builds it: same log ids, same secrets. What an attacker
//! without the key puts into it in place of signatures differs. Attacks on bundles are in `adversary.rs`, which also says how many
//! there are.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};

use annals_event::{TenantId, Timestamp};
use annals_journal::sim::SimDisk;
use annals_journal::{
    AppendError, Disk as _, FileJournal, Journal, JournalId, Options as FileOptions, Place, ReadError,
    Reader, TrimError,
};
use annals_ledger::batch::{Records, encode_records};
use annals_ledger::{
    AcceptOptions, Clock, Engine, Ledger, LogKind, Opened, Options, Parts, SeededEntropy, Store, TailLimits,
    TenantLog, Unobserved,
};
use annals_tree::EntryKind;
use annals_tree::cosignature::Cosigner;
use annals_tree::note::{Note, SigningKey};
use serde_json::json;

use crate::adversary::{Bundle, Dice, attack, cases};
use crate::support::{Said, World};

const LEDGER: &str = "log.example";
const TENANTS: [&str; 2] = ["acme", "globex"];

/// Between two batches at least: received times are signed in milliseconds.
const PASS_US_MIN: u64 = 20_000;

/// And so much more at most: a few records may be without a head yet, most are not.
const PASS_US_MAX: u64 = 7_000_000;

/// What is on the disks of a data folder.
#[derive(Clone)]
struct Disks {
    journal: SimDisk,
    signer: SimDisk,
    segments: SimDisk,
}

/// One thing that happens to a ledger.
#[derive(Clone)]
struct Step {
    /// Time since the step before, µs.
    pass_us: i64,
    tenant: usize,
    what: What,
    /// Everything is sealed after it.
    seals: bool,
}

#[derive(Clone, PartialEq)]
enum What {
    Event(String),
    /// An entry of the ledger's own which says that somebody's data were erased.
    Erasure(u64),
}

struct StillClock(AtomicI64);

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_795_000_000_000_000 + self.0.load(Ordering::SeqCst)).unwrap()
    }

    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// A journal as it is when the process was killed before it was trimmed: so that batches keep their places.
struct Untrimmed(FileJournal);

impl Journal for Untrimmed {
    fn next(&self) -> Place {
        self.0.next()
    }

    fn first(&self) -> Place {
        self.0.first()
    }

    fn append(&mut self, next: Place, group: &[&[u8]]) -> Result<Place, AppendError> {
        self.0.append(next, group)
    }

    fn read(&self, from: Place) -> Result<Reader, ReadError> {
        self.0.read(from)
    }

    fn trim(&mut self, _: Place) -> Result<(), TrimError> {
        Ok(())
    }
}

fn journal(disk: &SimDisk) -> FileJournal {
    FileJournal::open(Arc::new(disk.clone()), &FileOptions::new(JournalId([3; 16]))).unwrap().0
}

/// A running ledger that is moved step by step.
struct Running {
    ledger: Ledger,
    engine: Engine,
    clock: Arc<StillClock>,
}

impl Running {
    fn turn(&mut self) {
        self.engine.apply();
        while self.engine.write() {
            self.engine.apply();
        }
    }

    fn done<T>(&mut self, mut pending: Pin<Box<dyn Future<Output = T>>>) -> T {
        for _ in 0..4 {
            if let Poll::Ready(answer) = pending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return answer;
            }
            self.turn();
        }
        panic!("no answer")
    }

    fn seal(&mut self) {
        while self.engine.seal(true).unwrap() != annals_ledger::Done::Nothing {
            self.turn();
        }
    }
}

/// A new ledger that is signed with the key of this seed, the disks that it is on, and its operator key.
fn begin(seed: u8) -> (Running, Disks, String) {
    let disks = Disks { journal: SimDisk::new(1), signer: SimDisk::new(2), segments: SimDisk::new(3) };
    let clock = Arc::new(StillClock(AtomicI64::new(0)));
    let parts = Parts {
        journal: Box::new(Untrimmed(journal(&disks.journal))),
        signer_journal: Box::new(journal(&disks.signer)),
        segments: Store::new(Arc::new(disks.segments.clone()), 1 << 20),
        signing_seed: [seed; 32],
        clock: clock.clone(),
        entropy: Arc::new(SeededEntropy::new(5)),
        observer: Arc::new(Unobserved),
    };
    let options = Options {
        name: Some(LEDGER.to_owned()),
        event_bytes_max: 1 << 16,
        tail: TailLimits::default(),
        version: "test".to_owned(),
    };
    let (Opened { ledger, operator_key }, engine) = Ledger::open_stepped(parts, &options).unwrap();
    (Running { ledger, engine, clock }, disks, operator_key.unwrap().reveal().to_owned())
}

impl Running {
    /// Signs what is not signed yet.
    fn end(mut self) {
        for _ in 0..2 {
            self.clock.0.fetch_add(2_000_000, Ordering::SeqCst);
            self.turn();
        }
    }
}

/// A ledger to which all of this happened.
fn build(steps: &[Step], seed: u8) -> Disks {
    let (mut running, disks, _) = begin(seed);
    for step in steps {
        running.clock.0.fetch_add(step.pass_us, Ordering::SeqCst);
        running.turn();
        take(&mut running, step);
        if step.seals {
            running.seal();
        }
    }
    running.end();
    disks
}

/// A data folder with an event of `acme` and a record of the registry, which a server writes only after a minute. Gives the
/// operator key.
pub(crate) fn folder_with_registry(folder: &Path) -> String {
    let (mut running, disks, operator_key) = begin(1);
    let what = What::Event(event(&mut Dice(1), 1));
    take(&mut running, &Step { pass_us: 0, tenant: 0, what, seals: false });
    let ledger = running.ledger.clone();
    running.done(Box::pin(async move { ledger.register_nothing().await })).unwrap();
    running.end();
    disks.write(folder);
    let key = SigningKey::from_seed(LEDGER, &[1; 32]).unwrap();
    let path = folder.join("signing.key");
    std::fs::write(&path, format!("{}\n", key.to_text().as_str())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    operator_key
}

fn take(running: &mut Running, step: &Step) {
    let tenant = TenantId::new(TENANTS[step.tenant]).unwrap();
    let ledger = running.ledger.clone();
    match &step.what {
        What::Event(event) => {
            let options = AcceptOptions { tenant: Some(tenant), ..AcceptOptions::default() };
            let mut draft = ledger.draft(options);
            draft.push(event.as_bytes());
            let sealed = draft.seal();
            let committing = ledger.clone();
            running.done(Box::pin(async move { committing.commit(sealed).await })).unwrap();
        }
        What::Erasure(of) => {
            let log = TenantLog { tenant, kind: LogKind::Tenant };
            let body = json!({
                "action": "annals.erasure", "actor": {"type": "system", "id": "annals"},
                "metadata": {"erased": [{"runs": [[of, of]], "units": [1]}], "stage": "done", "case": "00", "reason": "x"},
            });
            let pending = Box::pin(async move { ledger.state_in(&log, EntryKind::Erasure, &[body]).await });
            running.done(pending).unwrap();
        }
    }
}

fn files(disk: &SimDisk) -> Vec<(String, Vec<u8>)> {
    disk.list().unwrap().into_iter().map(|name| (name.clone(), disk.contents(&name).unwrap())).collect()
}

fn copied(disk: &SimDisk) -> SimDisk {
    let copy = SimDisk::new(4);
    files(disk).into_iter().for_each(|(name, contents)| copy.put(&name, contents));
    copy
}

impl Disks {
    fn write(&self, folder: &Path) {
        drop(std::fs::remove_dir_all(folder));
        for (name, disk) in
            [("journal", &self.journal), ("signer", &self.signer), ("segments", &self.segments)]
        {
            std::fs::create_dir_all(folder.join(name)).unwrap();
            for (file, contents) in files(disk) {
                std::fs::write(folder.join(name).join(file), contents).unwrap();
            }
        }
    }

    fn batches(&self) -> Vec<Vec<u8>> {
        journal(&self.journal).read(Place(0)).unwrap().map(|batch| batch.unwrap().1).collect()
    }

    /// The same with other batches in the journal.
    fn with_batches(&self, batches: &[Vec<u8>]) -> Self {
        let disk = SimDisk::new(5);
        let mut journal = journal(&disk);
        for batch in batches {
            let next = journal.next();
            journal.append(next, &[batch]).unwrap();
        }
        Self { journal: disk, ..self.clone() }
    }

    /// The same with other bytes in its manifests, of the same length, and their checksums made anew.
    fn with_manifests(&self, from: &[u8], to: &[u8]) -> Self {
        let segments = copied(&self.segments);
        for (name, mut bytes) in
            files(&segments).into_iter().filter(|(name, _)| name.starts_with("manifest-"))
        {
            let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
            bytes[at..at + to.len()].copy_from_slice(to);
            let end = bytes.len() - 4;
            let checksum = crc32c(&bytes[..end]);
            bytes[end..].copy_from_slice(&checksum.to_be_bytes());
            segments.put(&name, bytes);
        }
        Self { segments, ..self.clone() }
    }

    /// The same with other signed heads in its manifests; with none of them as a version writes it that kept none.
    fn with_kept(&self, heads: Option<&[Vec<u8>]>) -> Self {
        let segments = copied(&self.segments);
        for (name, mut bytes) in
            files(&segments).into_iter().filter(|(name, _)| name.starts_with("manifest-"))
        {
            bytes.truncate(kept_at(&bytes));
            match heads {
                Some(heads) => {
                    bytes.extend(u32::try_from(heads.len()).unwrap().to_be_bytes());
                    for head in heads {
                        bytes.extend(u32::try_from(head.len()).unwrap().to_be_bytes());
                        bytes.extend(head);
                    }
                }
                None => {
                    // The flags stand behind the genesis, whose length stands at byte 28, and a number.
                    let genesis = u32::from_be_bytes(bytes[28..32].try_into().unwrap());
                    bytes[32 + usize::try_from(genesis).unwrap() + 8] &= !4;
                }
            }
            let checksum = crc32c(&bytes);
            bytes.extend(checksum.to_be_bytes());
            segments.put(&name, bytes);
        }
        Self { segments, ..self.clone() }
    }

    /// The signed heads in its newest manifest.
    fn kept(&self) -> Vec<Vec<u8>> {
        let manifests = files(&self.segments).into_iter().filter(|(name, _)| name.starts_with("manifest-"));
        let (_, bytes) = manifests.max().unwrap();
        let mut rest = &bytes[kept_at(&bytes) + 4..bytes.len() - 4];
        let mut heads = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk() {
            let (head, after) = after.split_at(usize::try_from(u32::from_be_bytes(*length)).unwrap());
            heads.push(head.to_vec());
            rest = after;
        }
        heads
    }
}

/// Where the heads of a manifest begin, of which there must be one: their number and the length of the first come before it.
fn kept_at(manifest: &[u8]) -> usize {
    let domain = b"annals/ledger-head/v1\0";
    manifest.windows(domain.len()).position(|bytes| bytes == domain).unwrap() - 8
}

/// CRC32C (Castagnoli), bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

fn is_genesis(batch: &[u8]) -> bool {
    batch[1] == 1
}

fn is_head(batch: &[u8]) -> bool {
    batch[1] == 3
}

/// A batch that does nothing.
fn idle() -> Vec<u8> {
    let records = Records {
        accepted_at: StillClock(AtomicI64::new(0)).now(),
        atomic: false,
        looked_to: None,
        roots: Vec::new(),
        tenants: Vec::new(),
        items: Vec::new(),
    };
    let mut out = Vec::new();
    encode_records(&records, |_| &[], &mut out);
    out
}

/// Who attacks, and what he puts in place of signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Attacker {
    /// Signs with a key of his own.
    OwnKey,
    /// The same, and says that it is ours.
    OwnKeyUnderOurs,
    /// Puts the heads that we signed.
    OurHeads,
    /// Leaves out all heads.
    NoHeads,
    /// Puts an older copy of all of the folder.
    OlderCopy,
    /// Has the key.
    OurKey,
}

const ATTACKERS: [Attacker; 6] = [
    Attacker::OwnKey,
    Attacker::OwnKeyUnderOurs,
    Attacker::OurHeads,
    Attacker::NoHeads,
    Attacker::OlderCopy,
    Attacker::OurKey,
];

/// The folder as the attacker makes it. `with_signer`: he may write the signer's memory as well.
fn forge(attacker: Attacker, honest: &Disks, evil: &[Step], with_signer: bool) -> Disks {
    let ours = || SigningKey::from_seed(LEDGER, &[1; 32]).unwrap().verifier_key();
    let theirs = || SigningKey::from_seed(LEDGER, &[2; 32]).unwrap().verifier_key();
    let mut forged = match attacker {
        Attacker::OurKey | Attacker::OlderCopy => build(evil, 1),
        Attacker::OwnKey => build(evil, 2),
        Attacker::OwnKeyUnderOurs | Attacker::OurHeads | Attacker::NoHeads => {
            let built = build(evil, 2);
            let mut heads = honest.batches().into_iter().filter(|batch| is_head(batch));
            let genesis = honest.batches().swap_remove(0);
            assert!(is_genesis(&genesis));
            let mut batches: Vec<Vec<u8>> = Vec::new();
            for batch in built.batches() {
                batches.push(match attacker {
                    _ if is_genesis(&batch) => genesis.clone(),
                    Attacker::OurHeads if is_head(&batch) => heads.next().unwrap_or_else(idle),
                    Attacker::NoHeads if is_head(&batch) => idle(),
                    _ => batch,
                });
            }
            if attacker == Attacker::OurHeads {
                batches.extend(heads);
            }
            built.with_batches(&batches).with_manifests(theirs().public_key(), ours().public_key())
        }
    };
    if !with_signer {
        forged.signer = honest.signer.clone();
    }
    forged
}

fn event(dice: &mut Dice, number: u64) -> String {
    let action = ["video.update", "video.delete", "video.view"][dice.place(3)];
    json!({
        "id": format!("e{number}"), "action": action,
        "actor": {"type": "user", "id": format!("u{}", dice.below(5)), "email": format!("mail{number}@example.com")},
        "metadata": {"n": number},
    })
    .to_string()
}

fn honest_steps(dice: &mut Dice) -> Vec<Step> {
    let count = 15 + dice.below(25);
    // Often there are no segments, or all is in some.
    let seals_one_in = [5, 12, 1_000][dice.place(3)];
    let mut steps = Vec::new();
    for number in 0..count {
        let what = What::Event(event(dice, number));
        let pass_us = i64::try_from(PASS_US_MIN + dice.below(PASS_US_MAX)).unwrap();
        let tenant = usize::from(dice.below(4) == 0);
        steps.push(Step { pass_us, tenant, what, seals: dice.below(seals_one_in) == 0 });
    }
    // Both tenants are there from the beginning, and when somebody cuts off the end.
    (steps[0].tenant, steps[1].tenant) = (0, 1);
    steps
}

const CLASSES: [&str; 10] = [
    "edit",
    "drop",
    "insert",
    "reorder",
    "truncate",
    "fork",
    "back-date",
    "replay of an old head",
    "swapped tenants",
    "forged lifecycle entry",
];

fn changed(class: &str, honest: &[Step], dice: &mut Dice) -> Vec<Step> {
    let mut evil = honest.to_vec();
    let at = 3 + dice.place(honest.len() - 5);
    let new = |dice: &mut Dice, tenant| Step {
        pass_us: i64::try_from(PASS_US_MIN + dice.below(PASS_US_MAX)).unwrap(),
        tenant,
        what: What::Event(event(dice, 5_000 + dice.0 % 100_000)),
        seals: false,
    };
    match class {
        "edit" => {
            if let What::Event(event) = &mut evil[at].what {
                *event = event.replace("\"id\":\"u", "\"id\":\"v");
            }
        }
        "drop" => {
            let gone = evil.remove(at);
            evil[at].pass_us += gone.pass_us;
        }
        "insert" => {
            let tenant = dice.place(2);
            let mut step = new(dice, tenant);
            step.pass_us = 0;
            evil.insert(at, step);
        }
        "reorder" => {
            // The next of the same tenant, or there is one before.
            let same = |other: &usize| evil[*other].tenant == evil[at].tenant && *other != at;
            let other = (at..evil.len()).find(same).or_else(|| (0..at).rev().find(same)).unwrap();
            let (one, two) = (evil[at].what.clone(), evil[other].what.clone());
            (evil[at].what, evil[other].what) = (two, one);
        }
        "truncate" | "replay of an old head" => evil.truncate(at),
        "fork" => {
            evil.truncate(at);
            for _ in 0..honest.len() {
                let tenant = dice.place(2);
                evil.push(new(dice, tenant));
            }
        }
        "back-date" => {
            let back = evil[at].pass_us - 2_000;
            evil[at].pass_us -= back;
            if let Some(next) = evil.get_mut(at + 1) {
                next.pass_us += back;
            }
        }
        "swapped tenants" => evil[at..].iter_mut().for_each(|step| step.tenant = 1 - step.tenant),
        _ => {
            let tenant = evil[at].tenant;
            let what = What::Erasure(dice.below(3));
            evil.insert(at, Step { pass_us: 0, tenant, what, seals: false });
        }
    }
    if dice.flip() && !["truncate", "replay of an old head"].contains(&class) {
        for _ in 0..dice.below(10) {
            let tenant = dice.place(2);
            evil.push(new(dice, tenant));
        }
    }
    evil
}

/// Said of logs whose newest records no signature in the folder covers.
const NOT_SHOWN: &str = "the folder has no signature over the newest records";

/// Why somebody need not see it who never saw the log before, but has its key. None when he must.
fn unseen_by_a_stranger(attacker: Attacker, class: &str, with_signer: bool) -> Option<&'static str> {
    let shortened = ["truncate", "replay of an old head"].contains(&class);
    match attacker {
        Attacker::OwnKey => None,
        // The signer's memory gives it away wherever it was not rewritten as well.
        _ if !with_signer => None,
        Attacker::OlderCopy => Some("an older copy of everything is what was there once"),
        Attacker::OurKey if shortened => Some("whoever has the key can sign an end"),
        Attacker::OurKey => Some("whoever has the key can sign another past"),
        _ => Some("records of the last seconds need no signature yet; verify says so"),
    }
}

#[test]
fn nobody_is_believed_who_rewrites_a_data_folder() {
    let world = World::new();
    let key = SigningKey::from_seed(LEDGER, &[1; 32]).unwrap().verifier_key().to_string();
    let verify = |folder: &str, state: &str| {
        let mut command = world.command(&["verify", folder, "--log-key", &key]);
        World::finished(command.env("ANNALS_STATE", world.path(state)))
    };
    let mut tally = Tally::default();
    for case in 0..cases() {
        let mut dice = Dice(case.wrapping_mul(7919) + 13);
        let number = usize::try_from(case).unwrap();
        let class = CLASSES[number % CLASSES.len()];
        let attacker = ATTACKERS[(number / CLASSES.len() + number) % ATTACKERS.len()];
        // Only what is cut off is an older copy.
        let class = if attacker == Attacker::OlderCopy {
            ["truncate", "replay of an old head"][number % 2]
        } else {
            class
        };
        let with_signer = dice.flip();
        let steps = honest_steps(&mut dice);
        let honest = build(&steps, 1);
        honest.write(&world.path("honest"));
        drop(std::fs::remove_dir_all(world.path("known")));
        drop(std::fs::remove_dir_all(world.path("stranger")));
        let accepted = verify("honest", "known");
        assert_eq!(accepted.code, Some(0), "case {case}: {}{}", accepted.stdout, accepted.stderr);
        assert!(!accepted.stdout.contains("not signed yet"), "case {case}: {}", accepted.stdout);

        let evil = changed(class, &steps, &mut dice);
        forge(attacker, &honest, &evil, with_signer).write(&world.path("evil"));
        let who = format!("case {case}, {class} by {attacker:?}, with the signer's memory: {with_signer}");
        let said = verify("evil", "known");
        assert_eq!(said.code, Some(8), "{who}: {}{}", said.stdout, said.stderr);
        tally.seen(class);

        let said = verify("evil", "stranger");
        match unseen_by_a_stranger(attacker, class, with_signer) {
            Some(reason) if said.code == Some(0) => {
                told_as_unseen(&said, &who);
                let has_key = [Attacker::OurKey, Attacker::OlderCopy].contains(&attacker);
                assert!(has_key || said.stderr.contains(NOT_SHOWN), "{who}: {}{}", said.stdout, said.stderr);
                tally.unseen(class, reason);
            }
            _ => {
                assert_eq!(said.code, Some(8), "{who}, a stranger: {}{}", said.stdout, said.stderr);
                tally.seen(class);
            }
        }
    }
    print!("{}", tally.lines("data folder"));
}

/// Events of two tenants, of which the second is quiet after the first few; nearly all are in segments.
fn sealed_steps() -> Vec<Step> {
    let mut dice = Dice(3);
    let mut step = |number: u64| Step {
        pass_us: 5_000_000,
        tenant: usize::from(number == 1 || number == 2),
        what: What::Event(event(&mut dice, number)),
        seals: number % 6 == 5,
    };
    (0..40).map(&mut step).collect()
}

#[test]
fn nobody_is_believed_who_rewrites_sealed_records_without_the_key() {
    let world = World::new();
    let key = SigningKey::from_seed(LEDGER, &[1; 32]).unwrap().verifier_key().to_string();
    let verify = |disks: &Disks| {
        disks.write(&world.path("folder"));
        drop(std::fs::remove_dir_all(world.path("state")));
        let mut command = world.command(&["verify", "folder", "--log-key", &key]);
        World::finished(command.env("ANNALS_STATE", world.path("state")))
    };
    let steps = sealed_steps();
    let honest = build(&steps, 1);
    let said = verify(&honest);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    assert!(!said.stderr.contains(NOT_SHOWN), "{}", said.stderr);
    let heads = honest.kept();
    assert!(heads.len() > 1, "the quiet tenant's head is not the newest");

    // What was signed when only the first records were there: he has it from an older copy.
    let early = build(&steps[..6], 1).kept();
    for (tenant, changed) in [("globex", 1), ("acme", 7), ("acme", 30)] {
        let mut evil = steps.clone();
        if let What::Event(event) = &mut evil[changed].what {
            *event = event.replace("\"id\":\"u", "\"id\":\"v");
        }
        // All follows from the other event: segments, manifests, journal and the signer's memory.
        let forged = forge(Attacker::NoHeads, &honest, &evil, true);
        let own: Vec<Vec<u8>> = forged.kept();
        let quiet: Vec<Vec<u8>> =
            heads.iter().filter(|head| !speaks_of(head, &honest, tenant)).cloned().collect();
        for (what, kept) in [
            ("his own", own.as_slice()),
            ("ours", heads.as_slice()),
            ("older ones of ours", early.as_slice()),
            ("ours but for those of the log", quiet.as_slice()),
            ("none", &[]),
        ] {
            let said = verify(&forged.with_kept(Some(kept)));
            let who = format!("event {changed} of {tenant}, heads in manifests: {what}");
            assert_eq!(said.code, Some(8), "{who}: {}{}", said.stdout, said.stderr);
            assert!(said.stdout.contains(&format!("tenant `{tenant}`")), "{who}: {}", said.stdout);
            if what == "ours" {
                assert!(
                    said.stdout.contains("do not give the root that was signed"),
                    "{who}: {}",
                    said.stdout
                );
            }
        }
        // As if a version had written it that kept no heads: the journal has what is not sealed, and its heads are gone, too.
        let said = verify(&forged.with_kept(None));
        assert!(
            said.code == Some(8) || said.stderr.contains("as an earlier version wrote it"),
            "{}",
            said.stderr
        );
    }
}

/// Whether a signed head speaks of the tenant's log of events.
fn speaks_of(head: &[u8], of: &Disks, tenant: &str) -> bool {
    let manifests = files(&of.segments).into_iter().filter(|(name, _)| name.starts_with("manifest-"));
    let (_, manifest) = manifests.max().unwrap();
    let name = [&[u8::try_from(tenant.len()).unwrap()], tenant.as_bytes()].concat();
    let at = manifest.windows(name.len()).position(|bytes| bytes == name).unwrap() + name.len();
    let id = &manifest[at..at + 16];
    head.windows(id.len()).any(|bytes| bytes == id)
}

/// Nothing is seen, and the program says what that is worth.
fn told_as_unseen(said: &Said, who: &str) {
    assert_eq!(said.code, Some(0), "{who}: {}{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("no earlier checkpoint was known"), "{who}: {}", said.stderr);
}

/// The classes of `adversary.rs` that change what is published.
const PUBLISHED_CLASSES: [&str; 9] = [
    "edit",
    "drop",
    "insert",
    "reorder",
    "truncate",
    "fork",
    "back-date",
    "replay of an old head",
    "swapped tenants",
];

#[test]
fn nobody_is_believed_who_rewrites_what_was_published() {
    let world = World::new();
    let witness = Cosigner::from_seed("w1", &[8; 32]).unwrap();
    let witness_key = witness.witness_key().to_string();
    let mut tally = Tally::default();
    for case in 0..cases() {
        let mut dice = Dice(case.wrapping_mul(104_729) + 7);
        let class = PUBLISHED_CLASSES[usize::try_from(case).unwrap() % PUBLISHED_CLASSES.len()];
        let honest = Bundle::honest(&mut dice);
        let key = honest.key();
        let run = |folder: &str, state: &str, extra: &[&str]| {
            let args = [&["verify", folder, "--log-key", &key], extra].concat();
            World::finished(world.command(&args).env("ANNALS_STATE", world.path(state)))
        };
        for folder in ["honest", "evil", "known", "stranger", "counting"] {
            drop(std::fs::remove_dir_all(world.path(folder)));
        }
        honest.publish(&world.path("honest"));
        // The witness cosigned what was published; nobody else can.
        let note = honest.signed();
        let line = witness.cosign(Note::parse(&note).unwrap().text(), 1_795_000_000);
        std::fs::write(world.path("honest/checkpoint"), format!("{note}{line}")).unwrap();
        let accepted = run("honest", "known", &["--witness", &witness_key]);
        assert_eq!(accepted.code, Some(0), "case {case}: {}{}", accepted.stdout, accepted.stderr);

        let (evil, _) = attack(class, &honest, &mut dice);
        evil.publish(&world.path("evil"));
        let who = format!("case {case}, {class}");
        let said = run("evil", "known", &[]);
        assert_eq!(said.code, Some(8), "{who}: {}{}", said.stdout, said.stderr);
        let said = run("evil", "counting", &["--witness", &witness_key]);
        assert_eq!(said.code, Some(8), "{who}, counting: {}{}", said.stdout, said.stderr);
        tally.seen(class);
        // A stranger without a witness sees what does not agree with itself, or is signed by another.
        let said = run("evil", "stranger", &[]);
        // Whoever has the key may still have a time fall, which no log does.
        if agrees_with_itself(&evil, &honest) && said.code == Some(0) {
            told_as_unseen(&said, &who);
            let reason = if evil.replayed.is_some() {
                "an older state is what was there once"
            } else {
                "whoever has the key can sign another past"
            };
            tally.unseen(class, reason);
        } else {
            assert_eq!(said.code, Some(8), "{who}, a stranger: {}{}", said.stdout, said.stderr);
            tally.seen(class);
        }
    }
    print!("{}", tally.lines("published log"));
}

/// Whether the checkpoint is of the log's key and of these entries.
fn agrees_with_itself(evil: &Bundle, honest: &Bundle) -> bool {
    evil.key() == honest.key() && evil.replayed.as_ref().is_none_or(|replayed| *replayed == evil.signed())
}

/// What became of the attacks.
#[derive(Default)]
struct Tally {
    seen: BTreeMap<String, u64>,
    unseen: BTreeMap<(String, &'static str), u64>,
}

impl Tally {
    fn seen(&mut self, class: &str) {
        *self.seen.entry(class.to_owned()).or_default() += 1;
    }

    fn unseen(&mut self, class: &str, reason: &'static str) {
        *self.unseen.entry((class.to_owned(), reason)).or_default() += 1;
    }

    fn lines(&self, what: &str) -> String {
        let seen =
            self.seen.iter().map(|(class, count)| format!("attack: {what}: {class}: seen {count} times\n"));
        let unseen = self.unseen.iter().map(|((class, reason), count)| {
            format!("attack: {what}: {class}: cannot be seen by a stranger, {count} times: {reason}\n")
        });
        seen.chain(unseen).collect()
    }
}
