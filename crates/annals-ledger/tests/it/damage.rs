//! Bytes that changed where nobody should have changed them: in the journal, in the signer's memory, in a batch.

use std::sync::{Arc, OnceLock};

use annals_event::Position;
use annals_journal::sim::SimDisk;
use annals_journal::{Disk, FileJournal, Journal, JournalId, MemoryJournal, Options as FileOptions, Place};
use annals_ledger::batch::{Batch, decode, encode_records};
use annals_ledger::{
    AcceptOptions, Author, ErrorKind, FeedScope, Ledger, LogKind, OpenError, Opened, Parts, SeededEntropy,
    State, TenantLog, Unobserved,
};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::support::{TestClock, World, control_log, events_of, options, poll, send, store, tenant};

/// A small ledger: genesis, keys, tenants by request and by event, holes, duplicates, an access record, heads.
fn history() -> &'static [Vec<u8>] {
    static HISTORY: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    HISTORY.get_or_init(|| {
        let journal = MemoryJournal::new();
        write_history(Box::new(journal.clone()), Box::new(MemoryJournal::new()));
        batches(&journal)
    })
}

/// Runs a ledger on the journals for a while and stops it.
fn write_history(journal: Box<dyn Journal>, signer_journal: Box<dyn Journal>) {
    let clock = TestClock::new();
    let parts = parts(journal, signer_journal, clock.clone(), [9; 32]);
    let (Opened { ledger, .. }, mut engine) =
        Ledger::open_stepped(parts, &options()).expect("the ledger opens");
    for round in 0..6_u64 {
        let options = AcceptOptions {
            tenant: (round % 2 == 0).then(|| tenant("acme")),
            atomic: round == 4,
            ..AcceptOptions::default()
        };
        let mut draft = ledger.draft(options);
        for n in 0..3 {
            let named = if round % 2 == 0 { String::new() } else { format!(r#""tenant":"t{n}","#) };
            let seq = round * 4 + n;
            let event = format!(
                r#"{{{named}"action":"a.b","actor":{{"id":"u{n}"}},"id":"e{round}-{n}","occurred_at":"2026-11-17T10:00:00Z","source":{{"name":"s","seq":{seq}}}}}"#
            );
            draft.push(event.as_bytes());
        }
        let sealed = draft.seal();
        let sender = ledger.clone();
        let mut pending: crate::support::Pending = Box::pin(async move { sender.commit(sealed).await });
        assert!(poll(&mut pending).is_none());
        let (operator, made) = (ledger.clone(), tenant(&format!("made-{round}")));
        let mut making = Box::pin(async move {
            operator.create_tenant(&made, &Author::Machine).await?;
            let access = serde_json::json!({"action": "annals.access.read", "actor": {"id": "k"}});
            operator.record_access(&tenant("acme"), &access).await?;
            operator.reset_operator_key().await
        });
        for _ in 0..4 {
            let waker = std::task::Waker::noop();
            let done = making.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_ready();
            engine.write();
            engine.apply();
            if done {
                break;
            }
        }
        poll(&mut pending).expect("answered").expect("stored");
        clock.pass(1_000_000);
        engine.apply();
    }
    ledger.checkpoint(&events_of("acme")).expect("signed");
    ledger.checkpoint(&control_log()).expect("signed");
    ledger.stop();
    while engine.write() {
        engine.apply();
    }
    ledger.checkpoint(&control_log()).expect("signed");
}

fn parts(
    journal: Box<dyn Journal>,
    signer_journal: Box<dyn Journal>,
    clock: Arc<TestClock>,
    seed: [u8; 32],
) -> Parts {
    Parts {
        journal,
        signer_journal,
        segments: store(&SimDisk::new(1)),
        signing_seed: seed,
        clock,
        entropy: Arc::new(SeededEntropy::new(5)),
        observer: Arc::new(Unobserved),
    }
}

fn batches(journal: &dyn Journal) -> Vec<Vec<u8>> {
    let all = journal.read(Place(0)).expect("readable");
    all.map(|batch| batch.expect("readable").1).collect()
}

fn journal_of(batches: impl IntoIterator<Item = Vec<u8>>) -> MemoryJournal {
    let mut journal = MemoryJournal::new();
    for batch in batches {
        journal.append(journal.next(), &[&batch]).expect("memory takes it");
    }
    journal
}

/// Two disks with a stopped ledger, and the name of each one's only file.
fn disks() -> (SimDisk, SimDisk, String) {
    let (journal, signer) = (SimDisk::new(1), SimDisk::new(2));
    let opened = |disk| Box::new(file_journal(disk).expect("an empty disk becomes a journal"));
    write_history(opened(&journal), opened(&signer));
    let names = journal.list().expect("the disk answers");
    assert_eq!((names.len(), &names), (1, &signer.list().expect("the disk answers")));
    (journal, signer, names[0].clone())
}

fn file_journal(disk: &SimDisk) -> Result<FileJournal, OpenError> {
    let options = FileOptions { reserve_bytes: 0, ..FileOptions::new(JournalId([3; 16])) };
    Ok(FileJournal::open(Arc::new(disk.clone()), &options)?.0)
}

/// Opens what is on the disks, or says why not. Works on copies.
fn open(journal: &[u8], signer: &[u8], name: &str, seed: [u8; 32]) -> Result<Ledger, OpenError> {
    let (journal_disk, signer_disk) = (SimDisk::new(3), SimDisk::new(4));
    journal_disk.put(name, journal.to_vec());
    signer_disk.put(name, signer.to_vec());
    let journal = Box::new(file_journal(&journal_disk)?);
    let signer_journal = Box::new(file_journal(&signer_disk)?);
    let parts = parts(journal, signer_journal, TestClock::new(), seed);
    Ledger::open_stepped(parts, &options()).map(|(opened, _)| opened.ledger)
}

#[test]
fn a_flipped_byte_of_the_journal_is_damage_and_the_message_says_where() {
    let (journal, signer, name) = disks();
    let (good, memory) = (journal.contents(&name).unwrap(), signer.contents(&name).unwrap());
    open(&good, &memory, &name, [9; 32]).expect("nothing is wrong yet");
    for at in (0..good.len()).step_by(61) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x20;
        let Err(error) = open(&bytes, &memory, &name, [9; 32]) else {
            panic!("byte {at} of {} was not missed", good.len())
        };
        // The last group looks like one that a crash cut short; the signer remembers what it held.
        let signed = matches!(&error, OpenError::SignedOtherwise { .. });
        let place = format!("file `{name}`, byte ");
        let told = error.to_string();
        let version = told.contains("has format version");
        assert!(
            signed || version || (error.kind() == ErrorKind::Damaged && told.contains(&place)),
            "byte {at}: {told}"
        );
        if let Some(offset) = told.split(&place).nth(1).and_then(|rest| rest.split([' ', ':']).next()) {
            let offset: usize = offset.parse().expect("a number");
            assert!(offset <= at, "byte {at} was flipped, and the damage is said to start at {offset}");
        }
    }
}

#[test]
fn a_journal_cut_anywhere_behind_what_was_signed_is_refused() {
    let (journal, signer, name) = disks();
    let (good, memory) = (journal.contents(&name).unwrap(), signer.contents(&name).unwrap());
    for bytes in (0..good.len()).step_by(103) {
        let Err(error) = open(&good[..bytes], &memory, &name, [9; 32]) else {
            panic!("a cut at {bytes} was not missed")
        };
        assert_eq!(error.kind(), ErrorKind::Damaged, "cut at {bytes}: {error}");
    }
}

#[test]
fn a_flipped_byte_of_the_signers_memory_never_makes_it_sign_less() {
    let (journal, signer, name) = disks();
    let (good, memory) = (journal.contents(&name).unwrap(), signer.contents(&name).unwrap());
    let sizes = |ledger: &Ledger| ledger.checkpoint(&events_of("acme")).map(|(size, _)| size);
    let before = sizes(&open(&good, &memory, &name, [9; 32]).unwrap()).unwrap();
    for at in (0..memory.len()).step_by(97) {
        let mut bytes = memory.clone();
        bytes[at] ^= 1;
        match open(&good, &bytes, &name, [9; 32]) {
            Err(error) => assert!(
                matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Unavailable),
                "byte {at}: {error}"
            ),
            // The last thing it remembered is cut off as a torn tail; what it signs then is no less.
            Ok(ledger) => assert_eq!(sizes(&ledger).unwrap(), before, "byte {at}"),
        }
    }
}

#[test]
fn a_signers_memory_of_another_form_is_not_taken_for_an_empty_one() {
    let parts = parts(
        Box::new(journal_of(history().to_vec())),
        Box::new(journal_of([vec![0, 9, 1]])),
        TestClock::new(),
        [9; 32],
    );
    let Err(error) = Ledger::open_stepped(parts, &options()) else { panic!("it was taken") };
    assert_eq!(error.to_string(), "the signer's memory: batch 0 is malformed");
}

#[test]
fn another_signing_key_is_refused() {
    let (journal, signer, name) = disks();
    let (journal, signer) = (journal.contents(&name).unwrap(), signer.contents(&name).unwrap());
    let Err(error) = open(&journal, &signer, &name, [8; 32]) else { panic!("it was taken") };
    assert!(matches!(error, OpenError::OtherKey), "{error}");
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn an_event_rewritten_with_a_good_checksum_no_longer_matches_its_leaf() {
    let rewritten = history().iter().map(|batch| {
        let at = batch.windows(4).position(|part| part == b"e2-1");
        let mut batch = batch.clone();
        if let Some(at) = at {
            batch[at + 3] = b'7';
        }
        batch
    });
    let parts =
        parts(Box::new(journal_of(rewritten)), Box::new(MemoryJournal::new()), TestClock::new(), [9; 32]);
    let (opened, _engine) = Ledger::open_stepped(parts, &options()).expect("every tree is as it was signed");
    let log = events_of("acme");
    let size = opened.ledger.feed_size(&FeedScope::Log(log.clone())).unwrap();
    let bad =
        (0..size).filter(|position| !opened.ledger.entry(&log, Position(*position)).unwrap().unwrap().intact);
    let text = |position: u64| opened.ledger.at(&log, Position(position)).unwrap().unwrap().event;
    let bad: Vec<String> = bad.map(|position| String::from_utf8(text(position).to_vec()).unwrap()).collect();
    assert_eq!(bad.len(), 1, "{bad:?}");
    assert!(bad[0].contains(r#""id":"e2-7""#));
}

#[test]
fn records_decode_to_what_encodes_to_the_same_bytes() {
    let mut records = 0;
    for bytes in history() {
        if let Batch::Records(batch) = decode(bytes).expect("this program wrote it") {
            let mut again = Vec::new();
            encode_records(&batch, |index| batch.items[index].event(bytes), &mut again);
            assert_eq!(again, *bytes);
            records += batch.items.len();
        }
    }
    assert!(records > 30, "{records}");
}

/// One way to spoil bytes.
#[derive(Clone, Debug)]
enum Spoil {
    Flip(Index, u8),
    Cut(Index),
    Repeat(Index, Index),
    Insert(Index, Vec<u8>),
}

impl Spoil {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Flip(at, mask) => {
                let at = at.index(bytes.len());
                bytes[at] ^= mask;
            }
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Self::Repeat(from, len) => {
                let from = from.index(bytes.len());
                let part = bytes[from..from + len.index(bytes.len() - from)].to_vec();
                bytes.splice(from..from, part);
            }
            Self::Insert(at, part) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, part.iter().copied());
            }
        }
    }
}

fn spoil() -> impl Strategy<Value = Spoil> {
    prop_oneof![
        6 => (any::<Index>(), 1..=255_u8).prop_map(|(at, mask)| Spoil::Flip(at, mask)),
        1 => any::<Index>().prop_map(Spoil::Cut),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(from, len)| Spoil::Repeat(from, len)),
        1 => (any::<Index>(), vec(any::<u8>(), 1..40)).prop_map(|(at, part)| Spoil::Insert(at, part)),
    ]
}

/// Every event of a ledger can be read, and its entry hashes to its leaf.
fn read_all(ledger: &Ledger) -> Result<(), TestCaseError> {
    for tenant in ledger.tenants() {
        let log = TenantLog { tenant, kind: LogKind::Tenant };
        let page = ledger
            .feed(&FeedScope::Log(log.clone()), 0, 1_000)
            .expect("it can be read")
            .expect("the tenant is there");
        for record in page.records {
            let entry = ledger
                .entry(&log, record.position)
                .expect("it can be read")
                .expect("it was read a moment ago");
            prop_assert!(entry.leaf == annals_tree::leaf_hash(&entry.bytes));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 768, failure_persistence: None, ..ProptestConfig::default() })]

    /// The journal's checksums keep such batches away; if one comes all the same, from another program or a bug, it is an
    /// error or a batch, never a panic, and what was taken can be read.
    #[test]
    fn spoiled_batches_are_errors_and_never_panics(which: Index, spoils in vec(spoil(), 1..4)) {
        let which = which.index(history().len());
        let mut spoiled = history()[which].clone();
        spoils.iter().for_each(|spoil| spoil.apply(&mut spoiled));
        let mut state = State::new();
        for (place, batch) in (0..).zip(&history()[..which]) {
            state.apply(Place(place), Bytes::copy_from_slice(batch)).expect("it is as it was written");
        }
        let mut taken = history()[..which].to_vec();
        for batch in std::iter::once(&spoiled).chain(&history()[which + 1..]) {
            if state.apply(state.next(), Bytes::copy_from_slice(batch)).is_err() {
                break;
            }
            taken.push(batch.clone());
        }
        let journal = Box::new(journal_of(taken));
        let parts = parts(journal, Box::new(MemoryJournal::new()), TestClock::new(), [9; 32]);
        if let Ok((Opened { ledger, .. }, _engine)) = Ledger::open_stepped(parts, &options()) {
            read_all(&ledger)?;
        }
    }

    #[test]
    fn arbitrary_bytes_are_no_batch_and_no_panic(bytes in vec(any::<u8>(), 0..200), kind in 0..5_u8) {
        let bytes = [&[1, kind], bytes.as_slice()].concat();
        drop(decode(&bytes));
    }
}

#[tokio::test]
async fn a_proof_of_an_event_whose_bytes_changed_is_refused_at_its_position() {
    // Somebody who can write the folder and knows its checksums changes an event's bytes and nothing else.
    let mut world = World::new();
    let ledger = world.open().ledger;
    send(&ledger, &[r#"{"id":"a","action":"user.login","actor":{"id":"u1"}}"#]).await.unwrap();
    ledger.stop();
    world.change_batches(|batch| {
        if let Some(at) = batch.windows(10).position(|window| window == b"user.login") {
            batch[at..at + 10].copy_from_slice(b"user.LOGIN");
        }
    });
    let ledger = world.open().ledger;
    let log = events_of("acme");
    let refused = ledger.receipt(&log, Position(0), None).unwrap_err();
    assert!(matches!(refused, annals_ledger::ProveError::Damaged { position: Some(0), .. }), "{refused}");
    ledger.stop();
}
