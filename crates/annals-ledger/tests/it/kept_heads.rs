//! Of each log the newest signed head stays in the folder, whatever the journal forgets and whenever the power goes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use annals_journal::sim::SimDisk;
use annals_journal::{Disk as _, FileJournal, JournalId, Options as FileOptions};
use annals_ledger::audit::{Audited, Finding, Folders, Notice, audit};
use annals_ledger::{
    AcceptOptions, Engine, Ledger, LogKind, OpenError, Options, Parts, SeededEntropy, TailLimits, Unobserved,
};

use crate::support::{Pending, TestClock, options, poll, store, tenant};

/// A ledger on three disks, moved step by step.
struct Folder {
    journal: SimDisk,
    signer: SimDisk,
    segments: SimDisk,
    clock: Arc<TestClock>,
    opens: u64,
    sent: u64,
}

struct Running {
    ledger: Ledger,
    engine: Engine,
}

/// Where a manifest's flags stand: behind the genesis, whose length stands at byte 28, and the next ledger number.
fn flags_at(manifest: &[u8]) -> usize {
    let genesis = u32::from_be_bytes(manifest[28..32].try_into().unwrap());
    32 + usize::try_from(genesis).unwrap() + 8
}

impl Folder {
    fn new() -> Self {
        let disks = [1, 2, 3].map(SimDisk::new);
        let [journal, signer, segments] = disks;
        Self { journal, signer, segments, clock: TestClock::new(), opens: 0, sent: 0 }
    }

    fn try_open(&mut self) -> Result<Running, OpenError> {
        self.opens += 1;
        let file_options =
            FileOptions { reserve_bytes: 0, file_bytes: 4_096, ..FileOptions::new(JournalId([3; 16])) };
        let journal = |disk: &SimDisk| FileJournal::open(Arc::new(disk.clone()), &file_options);
        let parts = Parts {
            journal: Box::new(journal(&self.journal)?.0),
            signer_journal: Box::new(journal(&self.signer)?.0),
            segments: store(&self.segments),
            signing_seed: [9; 32],
            clock: self.clock.clone(),
            entropy: Arc::new(SeededEntropy::new(self.opens)),
            observer: Arc::new(Unobserved),
        };
        let options =
            Options { tail: TailLimits { records_max: 100_000, ..TailLimits::default() }, ..options() };
        let (opened, engine) = Ledger::open_stepped(parts, &options)?;
        Ok(Running { ledger: opened.ledger, engine })
    }

    fn open(&mut self) -> Running {
        self.try_open().unwrap()
    }

    /// Sends an event; false when it was not acknowledged. Time passes, so that a head is signed.
    fn send(&mut self, running: &mut Running, name: &str) -> bool {
        self.clock.pass(2_000_000);
        self.sent += 1;
        let mut draft =
            running.ledger.draft(AcceptOptions { tenant: Some(tenant(name)), ..AcceptOptions::default() });
        draft.push(format!(r#"{{"action":"a.b","actor":{{"id":"u"}},"id":"e{}"}}"#, self.sent).as_bytes());
        let (sealed, sender) = (draft.seal(), running.ledger.clone());
        let mut pending: Pending = Box::pin(async move { sender.commit(sealed).await });
        let answer = poll(&mut pending).or_else(|| {
            running.engine.write();
            running.engine.apply();
            poll(&mut pending)
        });
        matches!(answer, Some(Ok(_)))
    }

    /// What changed is signed, and the head is in the journal.
    fn sign(&self, running: &mut Running) {
        self.clock.pass(2_000_000);
        for _ in 0..3 {
            running.engine.apply();
            running.engine.write();
        }
    }

    /// Events of `acme`, and all of them sealed.
    fn rounds(&mut self, running: &mut Running, rounds: u64) {
        for _ in 0..rounds {
            for _ in 0..3 {
                assert!(self.send(running, "acme"));
            }
            running.engine.seal(true).unwrap();
            while running.engine.seal(false).unwrap() != annals_ledger::Done::Nothing {}
            running.engine.write();
            running.engine.apply();
        }
    }

    fn audit(&self) -> (Audited, Vec<Finding>) {
        let folders = Folders {
            journal: Arc::new(self.journal.clone()),
            signer: Some(Arc::new(self.signer.clone())),
            segments: Some(Arc::new(self.segments.clone())),
        };
        let mut findings = Vec::new();
        let audited = audit(&folders, &mut |notice| {
            if let Notice::Found(finding) = notice {
                findings.push(finding);
            }
        });
        (audited.unwrap(), findings)
    }

    /// Changes all manifests, and makes their checksums anew.
    fn change_manifests(&self, change: impl Fn(&mut Vec<u8>)) {
        for name in self.segments.list().unwrap().iter().filter(|name| name.starts_with("manifest-")) {
            let mut bytes = self.segments.contents(name).unwrap();
            bytes.truncate(bytes.len() - 4);
            change(&mut bytes);
            bytes.extend(crc32c::crc32c(&bytes).to_be_bytes());
            self.segments.put(name, bytes);
        }
    }

    /// Makes them those of a version that kept no heads.
    fn forget_heads(&self) {
        self.change_manifests(|bytes| {
            let at = flags_at(bytes);
            assert_eq!(bytes[at] & 4, 4, "heads are kept");
            bytes[at] &= !4;
            bytes.truncate(heads_at(bytes));
        });
    }
}

/// Where the heads of a manifest begin, of which there must be one: their number and the length of the first come before it.
fn heads_at(manifest: &[u8]) -> usize {
    let domain = b"annals/ledger-head/v1\0";
    manifest.windows(domain.len()).position(|bytes| bytes == domain).unwrap() - 8
}

/// Records, and how many of them are under a head that is in the folder.
fn covered(audited: &Audited, name: &str) -> (u64, u64) {
    let is_it =
        |log: &&annals_ledger::audit::AuditedLog| log.tenant == tenant(name) && log.kind == LogKind::Tenant;
    audited.logs.iter().find(is_it).map(|log| (log.size, log.headed)).unwrap()
}

#[test]
fn a_log_that_nobody_writes_to_keeps_its_signature_when_the_journal_forgets_it() {
    let mut folder = Folder::new();
    let mut running = folder.open();
    for _ in 0..3 {
        assert!(folder.send(&mut running, "quiet"));
    }
    let first_file = folder.journal.list().unwrap()[0].clone();
    for turn in 0..3 {
        folder.rounds(&mut running, 10);
        folder.sign(&mut running);
        let (audited, findings) = folder.audit();
        assert_eq!(findings, [], "turn {turn}");
        assert!(audited.keeps_heads);
        assert_eq!(covered(&audited, "quiet"), (3, 3), "turn {turn}");
        let (size, headed) = covered(&audited, "acme");
        assert_eq!(size, headed, "turn {turn}");
        assert!(audited.logs.iter().all(|log| log.intact), "turn {turn}");
        // Opened again, it goes on with what the manifest has.
        drop(running);
        running = folder.open();
    }
    assert!(!folder.journal.list().unwrap().contains(&first_file), "the journal is trimmed");
}

#[test]
fn signatures_stay_wherever_the_power_goes_while_records_are_sealed() {
    let mut cuts = 0;
    for changes in (1..).step_by(7) {
        let mut folder = Folder::new();
        let mut running = folder.open();
        assert!(folder.send(&mut running, "quiet"));
        folder.sign(&mut running);
        folder.segments.cut_power_after(changes);
        let ended = (0..12).all(|round| {
            let sent = (0..3).all(|_| folder.send(&mut running, "acme"));
            let sealed = running.engine.seal(round % 3 != 2);
            running.engine.write();
            running.engine.apply();
            sent && sealed.is_ok() && folder.segments.is_on()
        });
        if ended {
            break;
        }
        cuts += 1;
        drop(running);
        for disk in [&folder.journal, &folder.signer, &folder.segments] {
            disk.crash();
        }
        let (audited, findings) = folder.audit();
        assert_eq!(findings, [], "power gone after {changes} changes");
        assert_eq!(covered(&audited, "quiet"), (1, 1), "power gone after {changes} changes");
        let mut running = folder.open();
        folder.rounds(&mut running, 2);
        folder.sign(&mut running);
        let (audited, findings) = folder.audit();
        assert_eq!(findings, [], "power gone after {changes} changes, later");
        for name in ["quiet", "acme"] {
            let (size, headed) = covered(&audited, name);
            assert_eq!(size, headed, "power gone after {changes} changes, later: {name}");
        }
    }
    assert!(cuts > 10, "{cuts}");
}

#[test]
fn a_folder_from_before_heads_were_kept_is_sound_and_keeps_them_from_then_on() {
    let mut folder = Folder::new();
    let mut running = folder.open();
    assert!(folder.send(&mut running, "quiet"));
    folder.rounds(&mut running, 12);
    folder.sign(&mut running);
    drop(running);
    folder.forget_heads();
    let (audited, findings) = folder.audit();
    assert_eq!(findings, []);
    assert!(!audited.keeps_heads);
    assert_eq!(covered(&audited, "quiet"), (1, 0), "its head left the journal");
    assert!(audited.logs.iter().all(|log| log.intact));

    let mut running = folder.open();
    folder.sign(&mut running);
    folder.rounds(&mut running, 12);
    let (audited, findings) = folder.audit();
    assert_eq!(findings, []);
    assert!(audited.keeps_heads);
    assert_eq!(covered(&audited, "quiet"), (1, 1));
}

#[test]
fn a_manifest_whose_heads_were_taken_out_is_found() {
    let mut folder = Folder::new();
    let mut running = folder.open();
    assert!(folder.send(&mut running, "quiet"));
    folder.rounds(&mut running, 40);
    folder.sign(&mut running);
    drop(running);
    folder.change_manifests(|bytes| {
        bytes.truncate(heads_at(bytes));
        bytes.extend([0; 4]);
    });
    let (audited, findings) = folder.audit();
    let [Finding::Unsigned { holds }] = &findings[..] else { panic!("{findings:?}") };
    let quiet = holds.iter().find(|span| span.tenant == tenant("quiet")).unwrap();
    assert_eq!((quiet.first.0, quiet.last.0), (0, 0));
    let told = findings[0].to_string();
    assert!(told.contains("tenant `quiet`, positions 0 to 0"), "{told}");
    let broken = audited.logs.iter().filter(|log| !log.intact).map(|log| log.tenant.as_str());
    assert!(broken.into_iter().any(|name| name == "quiet"));
}

#[test]
fn a_head_of_a_manifest_that_says_something_else_is_found() {
    let mut folder = Folder::new();
    let mut running = folder.open();
    assert!(folder.send(&mut running, "quiet"));
    folder.rounds(&mut running, 4);
    folder.sign(&mut running);
    drop(running);
    // The last byte is of the last head's signature.
    folder.change_manifests(|bytes| *bytes.last_mut().unwrap() ^= 1);
    let (_, findings) = folder.audit();
    let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(told[0].ends_with("a signed head in it is not signed by a key of the ledger"), "{told:?}");
}

#[test]
fn what_was_signed_while_the_service_stopped_is_signed_into_the_folder_at_the_next_start() {
    let mut folder = Folder::new();
    let mut running = folder.open();
    assert!(folder.send(&mut running, "quiet"));
    let log = crate::support::events_of("quiet");
    // In the signer's memory alone.
    running.ledger.checkpoint(&log).unwrap();
    drop(running);
    let (audited, findings) = folder.audit();
    assert_eq!((findings, covered(&audited, "quiet")), (Vec::new(), (1, 0)));
    let mut running = folder.open();
    folder.sign(&mut running);
    let (audited, findings) = folder.audit();
    assert_eq!((findings, covered(&audited, "quiet")), (Vec::new(), (1, 1)));
}
