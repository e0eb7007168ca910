//! Reading everything again while the ledger runs.

use std::collections::BTreeMap;

use annals_event::Position;
use annals_journal::Disk as _;
use annals_ledger::{Done, Ledger, ScrubFinding};

use crate::sealing::Stepped;
use crate::support::control_log;

/// All findings of a pass, and how many records it looked at.
fn pass(ledger: &Ledger) -> (Vec<ScrubFinding>, u64) {
    let mut scrub = ledger.scrub();
    let mut findings = Vec::new();
    let mut steps = 0;
    while scrub.step(&mut |finding| findings.push(finding)).is_some() {
        steps += 1;
        assert!(steps < 10_000, "a pass ends");
    }
    let (records, of) = scrub.progress();
    assert_eq!(records, of, "it looks at everything");
    assert_eq!(scrub.findings(), findings.len() as u64);
    (findings, records)
}

#[test]
fn a_pass_reads_everything_and_finds_nothing_wrong_where_nothing_is() {
    let mut stepped = Stepped::new(u64::MAX);
    let mut running = stepped.open();
    for round in 0..12 {
        stepped.send_some(&mut running, 90);
        let (findings, records) = pass(&running.ledger);
        assert_eq!(findings, []);
        assert!(records >= 90 * (round + 1), "{records}");
        if round % 4 == 1 {
            continue;
        }
        running.engine.seal(true).unwrap();
        while let Done::Merged(_) = running.engine.seal(false).unwrap() {}
        assert_eq!(pass(&running.ledger).0, []);
    }
}

#[test]
fn a_changed_byte_is_found_in_its_file_and_where_it_matters() {
    let mut stepped = Stepped::new(u64::MAX);
    let mut running = stepped.open();
    for _ in 0..6 {
        stepped.send_some(&mut running, 100);
    }
    running.engine.seal(true).unwrap();
    drop(running);
    let name = stepped.segments.list().unwrap().into_iter().find(|name| name.ends_with(".seg")).unwrap();
    let healthy = stepped.segments.contents(&name).unwrap();
    let mut by_position: BTreeMap<Option<Position>, u32> = BTreeMap::new();
    for at in (0..healthy.len()).step_by(healthy.len() / 40) {
        let mut damaged = healthy.clone();
        damaged[at] ^= 1;
        stepped.segments.put(&name, damaged);
        // What is needed to open it at all is another matter.
        let Ok(running) = stepped.try_open() else { continue };
        let (findings, _) = pass(&running.ledger);
        assert!(!findings.is_empty(), "byte {at}");
        let in_file = findings.iter().filter(|finding| finding.log.is_none());
        assert_eq!(in_file.count(), 1, "byte {at}: one block does not match");
        for finding in &findings {
            assert!(
                finding.log.as_ref().is_none_or(|log| *log != control_log() || finding.position.is_some())
            );
            *by_position.entry(finding.position).or_default() += 1;
        }
    }
    assert!(by_position.len() > 1, "some bytes are of records: {by_position:?}");
}
