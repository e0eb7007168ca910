//! The ledgers in `corpus/formats/v1`: written once, and opened for ever.
//!
//! `ledger` is from before manifests kept signed heads; `ledger-heads` is made by `ANNALS_WRITE_CORPUS=1 cargo test -p
//! annals-ledger --test it write_the`, for as long as no release has written such files.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals_journal::sim::SimDisk;
use annals_journal::{Disk as _, FileJournal, JournalId, Options as FileOptions};
use annals_ledger::audit::{Folders, Notice, audit};
use annals_ledger::{
    AcceptOptions, Engine, FeedScope, Ledger, OpenError, Options, Parts, SeededEntropy, TailLimits,
    Unobserved,
};

use crate::support::{Pending, TestClock, options, poll, store, tenant};

/// The folders of a data folder that hold the ledger.
const FOLDERS: [&str; 3] = ["journal", "signer", "segments"];

/// The ledgers, and whether their manifests keep signed heads.
const LEDGERS: [(&str, bool); 2] = [("ledger", false), (NEWEST, true)];

/// The one that is written as ledgers are today.
const NEWEST: &str = "ledger-heads";

/// Where a ledger is.
fn folder(ledger: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/formats/v1")).join(ledger)
}

/// The three folders, as disks that can be damaged.
struct Disks([SimDisk; 3]);

impl Disks {
    fn empty() -> Self {
        Self([1, 2, 3].map(SimDisk::new))
    }

    /// Those of a ledger of the corpus.
    fn read(ledger: &str) -> Self {
        let disks = Self::empty();
        for (name, disk) in FOLDERS.iter().zip(&disks.0) {
            let path = folder(ledger).join(name);
            for entry in fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())) {
                let entry = entry.unwrap();
                disk.put(entry.file_name().to_str().unwrap(), fs::read(entry.path()).unwrap());
            }
        }
        disks
    }

    fn write(&self) {
        for (name, disk) in FOLDERS.iter().zip(&self.0) {
            let path = folder(NEWEST).join(name);
            drop(fs::remove_dir_all(&path));
            fs::create_dir_all(&path).unwrap();
            for file in disk.list().unwrap() {
                fs::write(path.join(&file), disk.contents(&file).unwrap()).unwrap();
            }
        }
    }

    /// The disk and the name of a file such as `segments/manifest-0000000000000001`.
    fn file<'p>(&self, path: &'p str) -> (&SimDisk, &'p str) {
        let (of, name) = path.split_once('/').unwrap();
        (&self.0[FOLDERS.iter().position(|folder| *folder == of).unwrap()], name)
    }

    /// Makes changes such as `segments/manifest-0000000000000001@12=ff`, see `damage.tsv`.
    fn change(&self, changes: &str) {
        for change in changes.split(' ') {
            let (path, what) = change.split_once('@').unwrap();
            let (disk, name) = self.file(path);
            let mut bytes = disk.contents(name).unwrap();
            disk.remove(name).unwrap();
            let Some((at, to)) = what.split_once('=') else { continue };
            if at == "cut" {
                bytes.truncate(to.parse().unwrap());
            } else {
                let at: usize = at.parse().unwrap();
                for (i, pair) in to.as_bytes().chunks(2).enumerate() {
                    bytes[at + i] = u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
                }
            }
            disk.put(name, bytes);
        }
    }

    fn open(&self, clock: Arc<TestClock>) -> Result<(Ledger, Engine), OpenError> {
        let file_options =
            FileOptions { reserve_bytes: 0, file_bytes: 4_096, ..FileOptions::new(JournalId([3; 16])) };
        let journal = |disk: &SimDisk| FileJournal::open(Arc::new(disk.clone()), &file_options);
        let parts = Parts {
            journal: Box::new(journal(&self.0[0])?.0),
            signer_journal: Box::new(journal(&self.0[1])?.0),
            segments: store(&self.0[2]),
            signing_seed: [9; 32],
            clock,
            entropy: Arc::new(SeededEntropy::new(1)),
            observer: Arc::new(Unobserved),
        };
        let options =
            Options { tail: TailLimits { records_max: 100_000, ..TailLimits::default() }, ..options() };
        let (opened, engine) = Ledger::open_stepped(parts, &options)?;
        Ok((opened.ledger, engine))
    }

    /// The platform's feed, or why the ledger does not open.
    fn told(&self) -> Result<Vec<String>, String> {
        match self.open(TestClock::new()) {
            Ok((ledger, _engine)) => Ok(feed(&ledger)),
            Err(error) => Err(error.to_string().replace('\n', " | ")),
        }
    }
}

/// All records as the platform's feed gives them.
fn feed(ledger: &Ledger) -> Vec<String> {
    let page = ledger.feed(&FeedScope::All, 0, usize::MAX).unwrap().unwrap();
    let line = |record: &annals_ledger::Record| {
        let mut line = Vec::new();
        record.write_json(true, &mut line);
        String::from_utf8(line).unwrap()
    };
    page.records.iter().map(line).collect()
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_ledger_of_version_1_gives_exactly_its_records() {
    for (ledger, _) in LEDGERS {
        let expected = lines(&folder(ledger).join("records.ndjson"));
        let told = Disks::read(ledger).told().unwrap();
        assert!(expected.len() > 40, "{}", expected.len());
        // The record of this start is new.
        assert_eq!(told[..expected.len()], expected);
    }
}

#[test]
fn a_ledger_of_version_1_is_sound_and_its_manifests_keep_heads_or_do_not() {
    for (ledger, keeps_heads) in LEDGERS {
        let Disks([journal, signer, segments]) = Disks::read(ledger);
        let folders = Folders {
            journal: Arc::new(journal),
            signer: Some(Arc::new(signer)),
            segments: Some(Arc::new(segments)),
        };
        let mut findings = Vec::new();
        let audited = audit(&folders, &mut |notice| {
            if let Notice::Found(finding) = notice {
                findings.push(finding);
            }
        });
        assert_eq!(findings, [], "{ledger}");
        assert_eq!(audited.unwrap().keeps_heads, keeps_heads, "{ledger}");
    }
}

#[test]
fn damage_to_a_ledger_of_version_1_is_told_in_these_words() {
    for (ledger, _) in LEDGERS {
        let expected = lines(&folder(ledger).join("records.ndjson"));
        let damages = lines(&folder(ledger).join("damage.tsv"));
        assert!(damages.len() > 8, "{}", damages.len());
        for damage in damages.iter().filter(|line| !line.starts_with('#')) {
            let [name, changes, message] = damage.split('\t').collect::<Vec<_>>()[..] else {
                panic!("{damage}")
            };
            let disks = Disks::read(ledger);
            disks.change(changes);
            match disks.told() {
                Ok(told) => {
                    assert_eq!(message, "-", "{name}");
                    assert_eq!(told[..expected.len()], expected, "{name}");
                }
                Err(told) => assert_eq!(told, message, "{name}"),
            }
        }
    }
}

#[test]
fn write_the_ledger_of_the_corpus() {
    // Only when asked for, and alone: other tests read what is written here.
    if std::env::var_os("ANNALS_WRITE_CORPUS").is_none() {
        return;
    }
    let (disks, clock) = (Disks::empty(), TestClock::new());
    let (ledger, mut engine) = disks.open(clock.clone()).unwrap();
    let mut sent = 0;
    for round in 0..11 {
        clock.pass(61_000_000);
        for name in ["acme", "globex"] {
            let accept = AcceptOptions { tenant: Some(tenant(name)), ..AcceptOptions::default() };
            let mut draft = ledger.draft(accept);
            for _ in 0..2 {
                draft.push(event(sent).as_bytes());
                sent += 1;
            }
            let (sealed, sender) = (draft.seal(), ledger.clone());
            let mut pending: Pending = Box::pin(async move { sender.commit(sealed).await });
            assert!(poll(&mut pending).is_none());
            engine.write();
            engine.apply();
            poll(&mut pending).unwrap().unwrap();
        }
        if round < 10 {
            engine.seal(true).unwrap();
            // Eight small ones become one.
            engine.seal(false).unwrap();
        }
        // The journal forgets what is sealed.
        engine.write();
    }
    let told = feed(&ledger);
    drop((ledger, engine));
    disks.write();
    fs::write(folder(NEWEST).join("records.ndjson"), told.join("\n") + "\n").unwrap();
    fs::write(folder(NEWEST).join("damage.tsv"), damages(&disks)).unwrap();
}

fn event(number: u64) -> String {
    let more = match number % 4 {
        0 => format!(r#","targets":[{{"id":"t{}","type":"video"}},{{"id":"u"}}]"#, number % 11),
        1 => format!(r#","metadata":{{"k{}":{number},"list":[1,[2,{{"a":null}}]]}}"#, number % 3),
        2 => format!(r#","occurred_at":"2026-01-02T03:{:02}:05Z""#, number % 60),
        _ => format!(r#","source":{{"name":"billing","seq":{number}}}"#),
    };
    format!(r#"{{"action":"a.b{}","actor":{{"id":"u{}"}},"id":"e{number}"{more}}}"#, number % 5, number % 13)
}

/// Damages, one of each kind, as `damage.tsv` has them.
fn damages(disks: &Disks) -> String {
    let names = disks.0[2].list().unwrap();
    let of = |prefix: &str| -> Vec<String> {
        let mut names: Vec<_> = names
            .iter()
            .filter(|name| name.starts_with(prefix))
            .map(|name| format!("segments/{name}"))
            .collect();
        names.sort();
        names
    };
    let (manifests, segments) = (of("manifest-"), of("segment-"));
    let [older, newest] = &manifests[..] else { panic!("{manifests:?}") };
    let [segment, ..] = &segments[..] else { panic!("no segment") };
    let bytes = |path: &str| {
        let (disk, name) = disks.file(path);
        disk.contents(name).unwrap()
    };
    // A byte of the newest manifest is another, and its checksum right.
    let forged = |at: usize, byte: u8| {
        let mut manifest = bytes(newest);
        manifest[at] = byte;
        let end = manifest.len() - 4;
        let sum = crc32c::crc32c(&manifest[..end]);
        format!("{newest}@{at}={byte:02x} {newest}@{end}={sum:08x} {older}@removed")
    };
    let (manifest_bytes, segment_bytes) = (bytes(newest).len(), bytes(segment).len());
    let changes = [
        ("a bit of the newest manifest", format!("{newest}@40={:02x}", bytes(newest)[40] ^ 1)),
        ("the newest manifest is gone: the one before it counts", format!("{newest}@removed")),
        ("both manifests are cut", format!("{newest}@cut={} {older}@cut=3", manifest_bytes - 1)),
        ("both manifests are gone", format!("{newest}@removed {older}@removed")),
        ("a manifest of another version", forged(11, 2)),
        ("a manifest that begins as something else", forged(0, b'B')),
        ("a segment is gone", format!("{segment}@removed")),
        ("a segment is cut", format!("{segment}@cut={}", segment_bytes - 1)),
        ("a segment that does not end as one", format!("{segment}@{}=00", segment_bytes - 1)),
        (
            "a bit of a segment's footer",
            format!("{segment}@{}={:02x}", segment_bytes - 30, bytes(segment)[segment_bytes - 30] ^ 1),
        ),
    ];
    let mut text = "# What is changed (file@offset=hexadecimal bytes, file@cut=length, file@removed), and why the ledger does not open then;\n\
                    # `-` where it opens and has all records.\n"
        .to_owned();
    for (name, change) in changes {
        let damaged = Disks::read(NEWEST);
        damaged.change(&change);
        let message = damaged.told().err().unwrap_or_else(|| "-".to_owned());
        text += &format!("{name}\t{change}\t{message}\n");
    }
    text
}
