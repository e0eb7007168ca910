//! Bytes that changed in segments and manifests, as an audit of the folder finds them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_event::{Position, UnitScratch, units};
use annals_journal::sim::SimDisk;
use annals_journal::{Disk as _, FileJournal, JournalId, Options as FileOptions};
use annals_ledger::audit::{AuditError, Audited, Finding, Flaw, Folders, Notice, audit};
use annals_ledger::{
    AcceptOptions, Author, Done, Engine, ErrorKind, FeedScope, Ledger, Options, Parts, SeededEntropy,
    TailLimits, TenantLog, Unobserved,
};
use annals_segment::body::{BLOCK_BYTES, Cache};
use annals_segment::build::{LogName, Row, Rows, build};
use annals_segment::segment::{Sealed, Segment};
use annals_tree::tile::{bundles, hash_tiles};
use annals_tree::{Committer, Frontier, Hash, entry, leaf_hash};
use sha2::{Digest as _, Sha256};

use crate::support::{Pending, TestClock, control_log, events_of, options, poll, store, tenant};

const BLOCK: u64 = BLOCK_BYTES as u64;

/// The folders of a ledger.
#[derive(Clone)]
struct Disks {
    journal: SimDisk,
    signer: SimDisk,
    segments: SimDisk,
}

impl Disks {
    fn new() -> Self {
        Self { journal: SimDisk::new(1), signer: SimDisk::new(2), segments: SimDisk::new(3) }
    }

    /// A copy that can be spoiled.
    fn copy(&self) -> Self {
        let copy = |disk: &SimDisk| {
            let new = SimDisk::new(4);
            for name in disk.list().unwrap() {
                new.put(&name, disk.contents(&name).unwrap());
            }
            new
        };
        Self { journal: copy(&self.journal), signer: copy(&self.signer), segments: copy(&self.segments) }
    }

    fn names(&self, prefix: &str) -> Vec<String> {
        self.segments.list().unwrap().into_iter().filter(|name| name.starts_with(prefix)).collect()
    }

    fn open(&self, seed: u64) -> (Ledger, Engine, Arc<TestClock>) {
        let file_options =
            FileOptions { reserve_bytes: 0, file_bytes: 8192, ..FileOptions::new(JournalId([3; 16])) };
        let clock = TestClock::new();
        let parts = Parts {
            journal: Box::new(FileJournal::open(Arc::new(self.journal.clone()), &file_options).unwrap().0),
            signer_journal: Box::new(
                FileJournal::open(Arc::new(self.signer.clone()), &file_options).unwrap().0,
            ),
            segments: store(&self.segments),
            signing_seed: [9; 32],
            clock: clock.clone(),
            entropy: Arc::new(SeededEntropy::new(seed)),
            observer: Arc::new(Unobserved),
        };
        let options =
            Options { tail: TailLimits { records_max: 100_000, ..TailLimits::default() }, ..options() };
        let (opened, engine) = Ledger::open_stepped(parts, &options).unwrap();
        (opened.ledger, engine, clock)
    }

    fn folders(&self) -> Folders {
        Folders {
            journal: Arc::new(self.journal.clone()),
            signer: Some(Arc::new(self.signer.clone())),
            segments: Some(Arc::new(self.segments.clone())),
        }
    }

    fn audit(&self) -> (Result<Audited, AuditError>, Vec<Finding>) {
        let mut findings = Vec::new();
        let audited = audit(&self.folders(), &mut |notice| {
            if let Notice::Found(finding) = notice {
                findings.push(finding);
            }
        });
        (audited, findings)
    }

    fn findings(&self) -> Vec<Finding> {
        let (audited, findings) = self.audit();
        if let Ok(audited) = audited {
            assert_eq!(audited.findings, findings.len() as u64);
        }
        findings
    }
}

fn send(ledger: &Ledger, engine: &mut Engine, name: &str, events: &[String]) {
    let mut draft = ledger.draft(AcceptOptions { tenant: Some(tenant(name)), ..AcceptOptions::default() });
    events.iter().for_each(|event| draft.push(event.as_bytes()));
    let (sealed, sender) = (draft.seal(), ledger.clone());
    let mut pending: Pending = Box::pin(async move { sender.commit(sealed).await });
    assert!(poll(&mut pending).is_none());
    engine.write();
    engine.apply();
    poll(&mut pending).unwrap().unwrap();
}

fn event(number: u64) -> String {
    let more = match number % 5 {
        0 => format!(r#","targets":[{{"id":"t{}","type":"video"}},{{"id":"u"}}]"#, number % 11),
        1 => format!(r#","metadata":{{"k{}":{number},"list":[1,[2,{{"a":null}}]]}}"#, number % 3),
        2 => format!(r#","occurred_at":"2026-01-02T03:{:02}:05Z""#, number % 60),
        3 => r#","operation":"update""#.to_owned(),
        _ => format!(
            r#","description":"number {number} of {}""#,
            "many ".repeat(usize::try_from(number % 40).unwrap())
        ),
    };
    format!(r#"{{"action":"a.b{}","actor":{{"id":"u{}"}},"id":"e{number}"{more}}}"#, number % 5, number % 13)
}

/// A stopped ledger: `seals` segments, of which the first eight were merged when there are so many, and a tail.
fn sealed_ledger(seals: u64, seed: u64) -> Disks {
    let disks = Disks::new();
    let (ledger, mut engine, clock) = disks.open(seed);
    let mut number = seed * 100_000;
    let mut batch = |ledger: &Ledger, engine: &mut Engine, name: &str, count: u64| {
        let events: Vec<String> = (number..number + count).map(event).collect();
        number += count;
        clock.pass(2_000_000);
        send(ledger, engine, name, &events);
    };
    for round in 0..seals {
        for n in 0..6 {
            batch(&ledger, &mut engine, "acme", 31 + 7 * n + round);
            batch(&ledger, &mut engine, if n % 2 == 0 { "globex" } else { "initech" }, 11 + n);
        }
        let (operator, made) = (ledger.clone(), tenant(&format!("made-{round}")));
        let mut making = Box::pin(async move {
            operator.create_tenant(&made, &Author::Machine).await.unwrap();
            let access = serde_json::json!({"action": "annals.access.read", "actor": {"id": "k"}});
            operator.record_access(&tenant("acme"), &access).await.unwrap();
        });
        for _ in 0..3 {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let is_ready = making.as_mut().poll(&mut context).is_ready();
            engine.write();
            engine.apply();
            if is_ready {
                break;
            }
        }
        assert!(matches!(engine.seal(true).unwrap(), Done::Sealed(_)));
        while let Done::Merged(_) = engine.seal(false).unwrap() {}
        engine.write();
        engine.apply();
    }
    batch(&ledger, &mut engine, "acme", 20);
    for log in [events_of("acme"), events_of("globex"), control_log()] {
        ledger.checkpoint(&log).unwrap();
    }
    ledger.stop();
    while engine.write() {
        engine.apply();
    }
    disks
}

/// Opens a segment's bytes.
fn segment(bytes: &[u8]) -> Option<Arc<Segment>> {
    Segment::open("a".into(), Arc::new(bytes.to_vec()), Cache::new(1 << 20)).ok()
}

/// Records and when they happened; rows by time in each log and in all; tags.
type Told = (Vec<(Sealed, i64)>, Vec<u32>, Vec<u32>, Vec<u16>);

/// Everything of a segment that the ledger hands out as stored, or none when it cannot be read.
fn told(bytes: &[u8]) -> Option<Told> {
    let segment = segment(bytes)?;
    let records = segment.records(0..segment.rows());
    let records =
        records.map(|record| record.and_then(|(row, record)| Ok((record, segment.happened(row)?))).ok());
    let records = records.collect::<Option<_>>()?;
    let mut by_time = Vec::new();
    for log in 0..segment.logs() {
        let log = segment.log_rows(log).ok()?;
        for i in 0..log.rows.end - log.rows.start {
            by_time.push(segment.log_time_row(&log, i).ok()?);
        }
    }
    let all = (0..segment.ranks()).map(|i| segment.all_time_row(i).ok()).collect::<Option<_>>()?;
    let mut tags = Vec::new();
    segment.tags(0..segment.rows(), &mut tags).ok()?;
    Some((records, by_time, all, tags))
}

/// Changes a segment's body and gives it checksums that match.
fn forge(bytes: &mut [u8], change: impl FnOnce(&mut [u8])) {
    let end = bytes.len();
    let body = usize::try_from(u64::from_le_bytes(bytes[end - 24..end - 16].try_into().unwrap())).unwrap();
    let footer = u32::from_le_bytes(bytes[end - 16..end - 12].try_into().unwrap()) as usize;
    change(&mut bytes[..body]);
    let sums: Vec<u8> =
        bytes[..body].chunks(BLOCK_BYTES).flat_map(|block| crc32c::crc32c(block).to_le_bytes()).collect();
    bytes[body + footer..end - 24].copy_from_slice(&sums);
    let sum = crc32c::crc32c(&bytes[body..end - 24]);
    bytes[end - 12..end - 8].copy_from_slice(&sum.to_le_bytes());
}

fn body_bytes(bytes: &[u8]) -> usize {
    usize::try_from(u64::from_le_bytes(bytes[bytes.len() - 24..][..8].try_into().unwrap())).unwrap()
}

#[test]
fn a_ledger_of_segments_is_sound_while_it_runs_and_when_it_is_stopped() {
    for seals in [1, 3, 9] {
        let disks = sealed_ledger(seals, 5);
        let (audited, findings) = disks.audit();
        assert_eq!(findings, [], "{seals}");
        let audited = audited.unwrap();
        let (ledger, mut engine, _) = disks.open(77);
        let size = |log: &TenantLog| ledger.log_info(log).unwrap().size;
        for log in &audited.logs {
            let name = TenantLog { tenant: log.tenant.clone(), kind: log.kind };
            assert!(log.intact);
            // The start is on record since.
            let expected = size(&name) - u64::from(name == control_log());
            assert_eq!(log.size, expected, "{name:?}");
            assert_eq!(audited.root_at(&log.origin, log.size), Some(log.root));
            for earlier in [1, log.size / 2, log.size.saturating_sub(30)].into_iter().filter(|_| log.size > 0)
            {
                let proof = ledger.consistency(&name, earlier, log.size).unwrap();
                let root = audited.root_at(&log.origin, earlier).unwrap();
                annals_tree::proof::verify_consistency(earlier, &root, log.size, &log.root, &proof).unwrap();
            }
        }
        let records = ledger.feed_size(&FeedScope::All).unwrap() - 1;
        let accesses: u64 = audited
            .logs
            .iter()
            .filter(|log| log.kind == annals_ledger::LogKind::Access)
            .map(|log| log.size)
            .sum();
        assert_eq!(audited.records, records + accesses, "each once, those that are also in the journal too");
        // It runs: the journal holds more, the manifest is older.
        engine.write();
        engine.apply();
        send(&ledger, &mut engine, "acme", &[event(7)]);
        assert_eq!(disks.findings(), []);
        engine.seal(true).unwrap();
        assert_eq!(disks.findings(), []);
        assert!(disks.journal.list().unwrap().first().unwrap() > &"0".repeat(20), "the journal was trimmed");
    }
}

#[test]
fn a_flipped_byte_of_a_segment_is_found_in_its_block_with_the_records_that_need_it() {
    let disks = sealed_ledger(2, 5);
    let names = disks.names("segment-");
    let good = disks.segments.contents(&names[0]).unwrap();
    let body = body_bytes(&good);
    let rows = segment(&good).unwrap();
    for at in (0..good.len()).step_by(good.len() / 60) {
        let spoiled = disks.copy();
        let mut bytes = good.clone();
        bytes[at] ^= 4;
        spoiled.segments.put(&names[0], bytes.clone());
        let findings = spoiled.findings();
        if at >= body || at < 16 {
            let [Finding::Segment { name, holds, .. }] = findings.as_slice() else {
                panic!("{at}: {findings:?}")
            };
            assert_eq!(name, &names[0]);
            let lost: u64 = holds.iter().map(|span| span.last.0 + 1 - span.first.0).sum();
            assert_eq!(lost, u64::from(rows.rows()), "{at}: {holds:?}");
            continue;
        }
        let of_block = |finding: &Finding| {
            matches!(finding, Finding::Block { damage, .. }
                if *damage.file == *names[0] && damage.at == at as u64 / BLOCK * BLOCK)
        };
        assert_eq!(findings.iter().filter(|finding| of_block(finding)).count(), 1, "{at}: {findings:?}");
        // Logs of the segment that cannot be made out are holes; nothing else is said to be wrong.
        let other = findings.iter().filter(|finding| !of_block(finding));
        assert!(other.clone().all(|other| matches!(other, Finding::Hole { .. })), "{at}: {findings:?}");
        let Some(Finding::Block { holds, .. }) = findings.iter().find(|finding| of_block(finding)) else {
            continue;
        };
        let damaged = segment(&bytes).unwrap();
        let unread = (0..damaged.rows()).filter(|row| damaged.record(*row).is_err()).count() as u64;
        let held: u64 = holds.iter().map(|span| span.last.0 + 1 - span.first.0).sum();
        if other.count() == 0 {
            assert!(held >= unread, "{at}: {held} of {unread}");
        }
    }
}

#[test]
fn a_changed_byte_with_good_checksums_is_found_unless_all_that_is_told_stays_the_same() {
    let disks = sealed_ledger(2, 5);
    let name = disks.names("segment-").remove(0);
    let good = disks.segments.contents(&name).unwrap();
    let before = told(&good).unwrap();
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for at in (16..body_bytes(&good)).step_by(193) {
        let mut bytes = good.clone();
        forge(&mut bytes, |body| body[at] ^= 1 << (at % 8));
        let spoiled = disks.copy();
        spoiled.segments.put(&name, bytes.clone());
        let findings = spoiled.findings();
        let after = told(&bytes);
        if findings.is_empty() {
            assert_eq!(after.as_ref(), Some(&before), "byte {at} was missed");
            *seen.entry("nothing").or_default() += 1;
        }
        for finding in &findings {
            *seen.entry(word(finding)).or_default() += 1;
            let (Finding::Sealed { position, row, flaw: Flaw::Commitment | Flaw::Beside, .. }, Some(after)) =
                (finding, &after)
            else {
                continue;
            };
            let row = *row as usize;
            assert_eq!(before.0[row].0.position, *position);
            assert_ne!(after.0[row], before.0[row], "byte {at}: {finding}");
        }
        if let Some(after) = after {
            // Every record that reads otherwise is named.
            for (row, (after, before)) in (0..).zip(after.0.iter().zip(&before.0)) {
                let is_named = findings.iter().any(|finding| match finding {
                    Finding::Sealed { row: named, .. } => *named == row,
                    Finding::Misplaced { .. } | Finding::Stranger { .. } | Finding::Hole { .. } => true,
                    Finding::Numbers { .. } => after.0.event == before.0.event,
                    _ => false,
                });
                assert!(after == before || is_named, "byte {at}, row {row}: {findings:?}");
            }
        }
    }
    for kind in ["block", "commitment", "tag", "sum", "subtree", "filter", "nothing"] {
        assert!(seen.contains_key(kind), "no {kind} in {seen:?}");
    }
}

fn word(finding: &Finding) -> &'static str {
    match finding {
        Finding::Block { .. } => "block",
        Finding::Sealed { flaw: Flaw::Commitment, .. } => "commitment",
        Finding::Sealed { flaw: Flaw::Tag, .. } => "tag",
        Finding::Sealed { flaw: Flaw::Filter, .. } => "filter",
        Finding::Sealed { .. } => "record",
        Finding::Sum { .. } => "sum",
        Finding::Subtree { .. } => "subtree",
        Finding::Entry { .. } => "entry",
        _ => "other",
    }
}

#[test]
fn a_segment_that_is_gone_cut_or_another_one_is_named_with_what_it_held() {
    let disks = sealed_ledger(3, 5);
    let names = disks.names("segment-");
    let other = sealed_ledger(3, 6);
    let contents: Vec<_> = names.iter().map(|name| disks.segments.contents(name).unwrap()).collect();
    let rows: Vec<_> = contents.iter().map(|bytes| u64::from(segment(bytes).unwrap().rows())).collect();
    for (n, name) in names.iter().enumerate() {
        type Spoil<'a> = &'a dyn Fn(&Disks);
        let spoils: [(&str, Spoil<'_>); 4] = [
            ("is missing", &|disks| disks.segments.remove(name).unwrap()),
            ("bytes instead of", &|disks| {
                disks.segments.put(name, contents[n][..contents[n].len() - 1].to_vec());
            }),
            ("bytes instead of", &|disks| disks.segments.put(name, contents[(n + 1) % 3].clone())),
            ("bytes instead of", &|disks| {
                let foreign = other.segments.contents(name).unwrap();
                disks.segments.put(name, foreign);
            }),
        ];
        for (expected, spoil) in spoils {
            let spoiled = disks.copy();
            spoil(&spoiled);
            let (audited, findings) = spoiled.audit();
            let [Finding::Segment { name: named, what, holds }] = findings.as_slice() else {
                panic!("{expected}: {findings:?}")
            };
            assert_eq!(named, name);
            assert!(what.contains(expected), "{what}");
            let lost: u64 = holds.iter().map(|span| span.last.0 + 1 - span.first.0).sum();
            assert_eq!(lost, rows[n], "{holds:?}");
            let audited = audited.unwrap();
            let intact = |name: &str| {
                let mut logs = audited.logs.iter();
                logs.any(|log| log.tenant.as_str() == name && log.intact)
            };
            assert!(!audited.logs.iter().any(|log| {
                log.intact && holds.iter().any(|span| span.tenant == log.tenant && span.log == log.kind)
            }));
            assert!((0..3).filter(|made| *made != n).all(|made| intact(&format!("made-{made}"))));
        }
    }
}

/// Writes a manifest's bytes with a good checksum.
fn forge_manifest(disks: &Disks, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = disks.segments.contents(name).unwrap();
    bytes.truncate(bytes.len() - 4);
    change(&mut bytes);
    let sum = crc32c::crc32c(&bytes);
    bytes.extend(sum.to_be_bytes());
    disks.segments.put(name, bytes);
}

/// Where a manifest names a segment: its number, bytes and rows.
fn entry_at(manifest: &[u8], segment: &str, bytes: usize) -> usize {
    let number = u64::from_str_radix(&segment["segment-".len()..][..16], 16).unwrap();
    let entry = [number.to_be_bytes(), (bytes as u64).to_be_bytes()].concat();
    manifest.windows(16).position(|window| window == entry).unwrap()
}

#[test]
fn a_segment_of_another_ledger_under_a_forged_manifest_is_a_stranger() {
    let (disks, other) = (sealed_ledger(2, 5), sealed_ledger(2, 6));
    let name = disks.names("segment-").remove(1);
    let (own, foreign) = (disks.segments.contents(&name).unwrap(), other.segments.contents(&name).unwrap());
    let manifest = disks.names("manifest-").pop().unwrap();
    forge_manifest(&disks, &manifest, |bytes| {
        let at = entry_at(bytes, &name, own.len()) + 8;
        bytes[at..at + 8].copy_from_slice(&(foreign.len() as u64).to_be_bytes());
        let rows = u64::from(segment(&foreign).unwrap().rows());
        bytes[at + 8..at + 16].copy_from_slice(&rows.to_be_bytes());
    });
    disks.segments.put(&name, foreign);
    let findings = disks.findings();
    let strangers =
        findings.iter().filter(|finding| matches!(finding, Finding::Stranger { is_there: true, .. }));
    assert!(strangers.count() >= 4, "{findings:?}");
    let is_hole = |finding: &Finding| matches!(finding, Finding::Hole { span } if span.tenant.as_str() == "acme" && span.first.0 > 0);
    assert!(findings.iter().any(is_hole), "{findings:?}");
    assert!(!findings.iter().any(|finding| matches!(finding, Finding::Sealed { .. })), "{findings:?}");
}

#[test]
fn a_manifest_that_cannot_be_read_is_told_and_the_one_before_it_used() {
    let disks = sealed_ledger(3, 5);
    let manifests = disks.names("manifest-");
    for (n, name) in manifests.iter().enumerate() {
        let spoiled = disks.copy();
        let mut bytes = spoiled.segments.contents(name).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        spoiled.segments.put(name, bytes);
        let findings = spoiled.findings();
        let [Finding::Manifest { name: named, .. }] = findings.as_slice() else {
            panic!("{n}: {findings:?}")
        };
        assert_eq!(named, name);
    }
    let spoiled = disks.copy();
    manifests.iter().for_each(|name| spoiled.segments.remove(name).unwrap());
    let findings = spoiled.findings();
    assert!(matches!(findings.as_slice(), [Finding::ManifestMissing { .. }, ..]), "{findings:?}");
}

#[test]
fn a_manifest_that_was_put_back_is_found_by_the_journal_that_does_not_reach_back_to_it() {
    let disks = Disks::new();
    let (ledger, mut engine, clock) = disks.open(5);
    let mut old = None;
    for round in 0..8 {
        let events: Vec<String> = (round * 100..round * 100 + 60).map(event).collect();
        clock.pass(1_000_000);
        send(&ledger, &mut engine, "acme", &events);
        engine.seal(true).unwrap();
        engine.write();
        engine.apply();
        if round == 1 {
            let name = disks.names("manifest-").pop().unwrap();
            old = Some((disks.segments.contents(&name).unwrap(), name));
        }
    }
    assert_eq!(disks.findings(), []);
    for name in disks.names("manifest-") {
        disks.segments.remove(&name).unwrap();
    }
    let (bytes, name) = old.unwrap();
    disks.segments.put(&name, bytes.clone());
    let findings = disks.findings();
    assert!(
        findings
            .iter()
            .any(|finding| matches!(finding, Finding::Batch { cause, .. } if cause.contains("missing"))),
        "{findings:?}"
    );
    // Under the newest one's name it is not taken for it.
    disks.segments.put("manifest-00000000000000ff", bytes);
    let findings = disks.findings();
    assert!(matches!(findings.first(), Some(Finding::Manifest { cause, .. }) if cause.contains("number")));
}

#[test]
fn a_forged_tree_in_the_manifest_is_found_by_the_records() {
    let disks = sealed_ledger(2, 5);
    let manifest = disks.names("manifest-").pop().unwrap();
    let bytes = disks.segments.contents(&manifest).unwrap();
    let globex = bytes.windows(7).position(|window| window == b"\x06globex").unwrap();
    // Id, size, time; then the frontier.
    for (at, expected) in [(globex + 7 + 32 + 3, "tree"), (globex + 7 + 24 + 7, "last time of receipt")] {
        let spoiled = disks.copy();
        forge_manifest(&spoiled, &manifest, |bytes| bytes[at] ^= 1);
        let findings = spoiled.findings();
        let is_it = |finding: &Finding| matches!(finding, Finding::Entry { tenant, what, .. } if tenant.as_str() == "globex" && *what == expected);
        assert!(findings.iter().any(is_it), "{expected}: {findings:?}");
        assert!(findings.len() <= 3, "{findings:?}");
    }
}

#[test]
fn damage_in_a_segment_hides_none_in_the_journal_and_the_signers_memory() {
    let disks = sealed_ledger(3, 5);
    let names = disks.names("segment-");
    disks.segments.remove(&names[0]).unwrap();
    let mut bytes = disks.segments.contents(&names[2]).unwrap();
    forge(&mut bytes, |body| {
        let at = body.len() / 3;
        body[at..at + 64].iter_mut().for_each(|byte| *byte ^= 0xff);
    });
    disks.segments.put(&names[2], bytes);
    let journal = disks.journal.list().unwrap().pop().unwrap();
    let mut bytes = disks.journal.contents(&journal).unwrap();
    let at = bytes.windows(8).rposition(|window| window == b"\"action\"").unwrap();
    bytes[at + 12] ^= 1;
    disks.journal.put(&journal, bytes);
    let (audited, findings) = disks.audit();
    let has = |is_it: &dyn Fn(&Finding) -> bool| findings.iter().any(is_it);
    assert!(has(&|finding| matches!(finding, Finding::Segment { .. })), "{findings:?}");
    assert!(
        has(&|finding| matches!(finding, Finding::Sealed { file, .. } if **file == *names[2])
            || matches!(finding, Finding::Block { damage, .. } if *damage.file == *names[2])),
        "{findings:?}"
    );
    assert!(has(&|finding| matches!(finding, Finding::Frame { .. })) || audited.unwrap().tail_bytes > 0);
}

/// A segment in which one event of a tenant was changed, in the first block of its log, under good checksums; and where.
fn with_one_change(good: &[u8], name: &str) -> (Vec<u8>, u64) {
    let before = told(good).unwrap();
    let changed = (16..body_bytes(good)).step_by(61).find_map(|at| {
        let mut bytes = good.to_vec();
        forge(&mut bytes, |body| body[at] ^= 1 << (at % 8));
        let after = told(&bytes)?;
        let rows = after.0.iter().zip(&before.0).filter(|(after, before)| after != before);
        let changed: Vec<_> = rows.map(|(after, before)| (&after.0, &before.0)).collect();
        let [(after, before)] = changed[..] else { return None };
        let same = Sealed { event: before.event.clone(), ..after.clone() } == *before;
        let is_ours =
            before.tenant.as_str() == name && !before.access && (40..200).contains(&before.position.0);
        (same && is_ours).then_some((bytes, before.position.0))
    });
    changed.unwrap()
}

#[test]
fn a_record_that_changed_costs_the_proofs_that_need_it_and_no_others() {
    let disks = sealed_ledger(2, 5);
    let name = disks.names("segment-").remove(0);
    let (bytes, damaged) = with_one_change(&disks.segments.contents(&name).unwrap(), "acme");
    let spoiled = disks.copy();
    spoiled.segments.put(&name, bytes);
    let ((healthy, ..), (ledger, ..)) = (disks.open(9), spoiled.open(9));
    let log = events_of("acme");
    let size = healthy.log_info(&log).unwrap().size;
    assert!(size > 512, "{size}");
    let is_near = |position: u64| position / 256 == damaged / 256;
    // The second time what could be made is remembered.
    for _ in 0..2 {
        for position in (0..size).step_by(29).chain([damaged]) {
            let proof = |ledger: &Ledger, size| ledger.inclusion(&log, Position(position), size);
            match proof(&ledger, size) {
                Err(error) => {
                    assert!(is_near(position) && error.kind() == ErrorKind::Damaged, "{position}: {error}")
                }
                Ok(proven) => {
                    assert!(!is_near(position), "{position}");
                    assert_eq!(proven, proof(&healthy, size).unwrap());
                }
            }
            if position < damaged {
                // Before that record was there nothing needed it.
                assert_eq!(proof(&ledger, damaged).unwrap(), proof(&healthy, damaged).unwrap(), "{position}");
            }
        }
        for tile in bundles(size).chain(hash_tiles(size)) {
            let is_of_leaves =
                tile.to_string().starts_with("tile/0/") || tile.to_string().contains("entries");
            match ledger.tile(&log, &tile) {
                Ok(bytes) => assert_eq!(bytes, healthy.tile(&log, &tile).unwrap(), "{tile}"),
                Err(error) => {
                    assert!(is_of_leaves && is_near(tile.first()), "{tile}: {error}");
                    assert!(error.to_string().contains(&format!("position {damaged}")), "{tile}: {error}");
                    continue;
                }
            }
            assert!(!is_of_leaves || !is_near(tile.first()), "{tile}");
        }
    }
}

/// The records of a segment, with all hashes made anew; its logs begin with it.
struct Remade {
    logs: Vec<RemadeLog>,
}

/// A log, its records with their leaves and the hashes of their ids, and its stored nodes.
type RemadeLog = (LogName, Vec<(Sealed, Hash, u64)>, Vec<Hash>);

impl Remade {
    fn new(segment: &Arc<Segment>, id_key: &[u8; 16], change: impl Fn(&mut Sealed)) -> Self {
        let mut logs = Vec::new();
        for log in 0..segment.logs() {
            let (rows, name) = (segment.log_rows(log).unwrap(), segment.log_name(log).unwrap());
            let (mut frontier, mut nodes, mut records) = (Frontier::new(), Vec::new(), Vec::new());
            for record in segment.records(rows.rows) {
                let mut record = record.unwrap().1;
                change(&mut record);
                let secret = record.secret().unwrap();
                let mut committer = Committer::new(&secret);
                units(&record.event, &mut UnitScratch::default(), |name, value| {
                    committer.unit(name.as_bytes(), value).unwrap();
                })
                .unwrap();
                let ms = u64::try_from(record.received_at / 1000).unwrap();
                let leaf = leaf_hash(&entry::encode_event(record.class, ms, &committer.finish()));
                frontier.push(leaf, &mut |level, _, hash| {
                    if level >= 8 {
                        nodes.push(hash);
                    }
                });
                let text = std::str::from_utf8(&record.event).unwrap();
                let id =
                    text.split(r#""id":""#).find(|part| part.starts_with('e') || part.contains('-')).unwrap();
                let id = id.split('"').next().unwrap().to_owned();
                let mut hasher = Sha256::new();
                hasher.update(id_key);
                hasher.update([u8::from(name.access), u8::try_from(name.tenant.as_str().len()).unwrap()]);
                hasher.update(name.tenant.as_str().as_bytes());
                hasher.update(id.as_bytes());
                let id_hash = u64::from_be_bytes(hasher.finalize()[..8].try_into().unwrap());
                records.push((record, leaf, id_hash));
            }
            logs.push((name, records, nodes));
        }
        Self { logs }
    }
}

impl Rows for Remade {
    fn logs(&self) -> usize {
        self.logs.len()
    }

    fn log(&self, log: usize) -> LogName {
        self.logs[log].0.clone()
    }

    fn count(&self, log: usize) -> usize {
        self.logs[log].1.len()
    }

    fn row(&self, log: usize, n: usize) -> Row<'_> {
        let (record, leaf, id_hash) = &self.logs[log].1[n];
        Row {
            position: record.position.0,
            seq: record.seq,
            received_at: record.received_at,
            occurred_at: record.occurred_at,
            operation: record.operation,
            derived: record.derived,
            system: record.system,
            class: record.class,
            root: record.root.lend(),
            counter: record.counter,
            leaf: *leaf,
            id_hash: *id_hash,
            stated: record.stated,
            event: &record.event,
            fate: record.fate.as_ref(),
        }
    }

    fn nodes(&self, log: usize) -> &[Hash] {
        &self.logs[log].2
    }
}

#[test]
fn an_event_that_was_changed_with_every_hash_in_its_segment_is_found_by_what_was_signed() {
    let disks = sealed_ledger(2, 5);
    let id_key = disks.copy().open(9).0.genesis().id_key;
    let (name, manifest) = (disks.names("segment-").remove(0), disks.names("manifest-").pop().unwrap());
    let good = disks.segments.contents(&name).unwrap();
    let with = |change: &dyn Fn(&mut Sealed)| {
        let spoiled = disks.copy();
        let old = segment(&good).unwrap();
        let made = Remade::new(&old, &id_key, change);
        let (bytes, _) = build(&made, old.footer().seed, Vec::new()).unwrap();
        forge_manifest(&spoiled, &manifest, |manifest| {
            let at = entry_at(manifest, &name, good.len()) + 8;
            manifest[at..at + 8].copy_from_slice(&(bytes.len() as u64).to_be_bytes());
        });
        spoiled.segments.put(&name, bytes);
        // The manifest before names the segment with its old length, and is not used.
        spoiled.audit()
    };
    assert_eq!(with(&|_| {}).1, []);
    let (audited, findings) = with(&|record| {
        if record.tenant.as_str() == "globex" && record.position.0 == 7 {
            let text = std::str::from_utf8(&record.event).unwrap();
            let changed = text.replacen(r#""actor":{"id":"u"#, r#""actor":{"id":"v"#, 1);
            assert_ne!(text, changed);
            record.event = changed.into_bytes().into();
        }
    });
    assert!(
        findings.iter().any(|finding| {
            matches!(finding, Finding::Entry { tenant, what: "tree", .. } if tenant.as_str() == "globex")
        }),
        "{findings:?}"
    );
    let audited = audited.unwrap();
    let broken = audited.logs.iter().filter(|log| !log.intact).map(|log| log.tenant.as_str());
    assert_eq!(broken.collect::<Vec<_>>(), ["globex"], "{findings:?}");
}

#[test]
fn an_index_over_ids_that_leads_elsewhere_is_found_although_its_checksums_hold() {
    let disks = sealed_ledger(3, 7);
    let name = disks.names("segment-").remove(0);
    let bytes = disks.segments.contents(&name).unwrap();
    let footer = serde_json::to_value(segment(&bytes).unwrap().footer()).unwrap();
    let columns = footer["tables"][0]["columns"].as_array().unwrap();
    let column = columns.iter().find(|column| column["path"] == serde_json::json!(["id"])).unwrap();
    let places =
        [("index", &column["index"]["at"], Flaw::Index), ("filter", &footer["ids"]["at"], Flaw::Filter)];
    for (what, at, expected) in places {
        let at =
            usize::try_from(at.as_u64().unwrap_or_else(|| panic!("there is no {what}: {footer}"))).unwrap();
        let spoilt = disks.copy();
        let mut changed = bytes.clone();
        // The first entries of the one lead nowhere; the first lines of the other have no bits.
        forge(&mut changed, |body| {
            body[at..at + 64]
                .iter_mut()
                .for_each(|byte| *byte = if what == "index" { *byte ^ 0x55 } else { 0 })
        });
        spoilt.segments.put(&name, changed);
        let findings = spoilt.findings();
        assert!(!findings.is_empty(), "{what}");
        for finding in &findings {
            assert!(
                matches!(finding, Finding::Sealed { flaw, file, .. } if *flaw == expected && **file == *name),
                "{what}: {finding}"
            );
        }
    }
}

#[test]
fn of_many_logs_that_need_a_block_five_are_named() {
    let span = |n: u64| annals_ledger::audit::Span {
        tenant: tenant(&format!("t{n}")),
        log: annals_ledger::LogKind::Tenant,
        first: annals_event::Position(0),
        last: annals_event::Position(n),
    };
    let damage = segment(&sealed_ledger(1, 8).segments.contents("segment-0000000000000000.seg").unwrap());
    let finding =
        Finding::Block { damage: damage.unwrap().malformed("a test"), holds: (0..100).map(span).collect() };
    let said = finding.to_string();
    assert_eq!(said.matches("needed for").count(), 5, "{said}");
    assert!(said.ends_with("; and 95 more"), "{said}");
}

#[test]
fn records_of_a_batch_that_is_shared_out_are_told_by_their_positions() {
    let disks = Disks::new();
    let (ledger, mut engine, _) = disks.open(3);
    let events: Vec<String> = (7_000..7_900).map(event).collect();
    send(&ledger, &mut engine, "acme", &events);
    ledger.stop();
    while engine.write() {
        engine.apply();
    }
    assert_eq!(disks.findings(), []);
    let spoiled = [7_010, 7_250, 7_460, 7_899];
    for name in disks.journal.list().unwrap() {
        let mut bytes = disks.journal.contents(&name).unwrap();
        for number in spoiled {
            let id = format!(r#""id":"e{number}""#);
            if let Some(at) = bytes.windows(id.len()).position(|part| part == id.as_bytes()) {
                bytes[at + 6] = b'f';
            }
        }
        disks.journal.put(&name, bytes);
    }
    let findings = disks.findings();
    let positions = findings.iter().filter_map(|finding| match finding {
        Finding::Record { position, .. } => position.map(|position| position.0),
        _ => None,
    });
    let positions: Vec<u64> = positions.collect();
    let first = positions.first().unwrap() - 10;
    assert_eq!(positions, spoiled.map(|number| first + number - 7_000));
}
