use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use annals_tree::checkpoint::Checkpoint;
use annals_tree::commitment::{Committer, salt};
use annals_tree::entry::{Entry, EntryKind, encode_event};
use annals_tree::{Hash, Nodes as _, Secret, Tree, leaf_hash, unit_digest};
use proptest::prelude::*;

use super::*;

/// A log as a server has it.
struct Log {
    records: Vec<Record>,
    tree: Tree,
}

struct Record {
    entry: Vec<u8>,
    secret: Secret,
    units: Vec<(String, String)>,
}

/// What is shown of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Show {
    Whole,
    /// All but this unit, modulo their number.
    Less(u32),
    Bare,
    Gap,
}

impl Log {
    fn of(count: u64) -> Log {
        let mut log = Log { records: Vec::new(), tree: Tree::new() };
        for at in 0..count {
            log.event(at);
        }
        log
    }

    fn event(&mut self, at: u64) {
        let secret = Secret::from_bytes([at.to_le_bytes()[0]; 16]);
        let units = vec![
            (String::new(), format!("{{\"action\":\"video.delete\",\"id\":\"e{at}\"}}")),
            ("/actor/id".to_string(), format!("\"u{}\"", at % 5)),
            ("/actor/näme \"x\"\t".to_string(), "\"Ana \\\"A\\\" \\u0001\"".to_string()),
        ];
        let mut committer = Committer::new(&secret);
        for (name, value) in &units {
            committer.unit(name.as_bytes(), value.as_bytes()).unwrap();
        }
        let entry = encode_event(3, 1_000 + at, &committer.finish()).to_vec();
        self.tree.push(leaf_hash(&entry));
        self.records.push(Record { entry, secret, units });
    }

    /// Appends an entry of the log's own.
    fn states(&mut self, kind: EntryKind, body: &str) {
        let entry = Entry::stating(kind, 0, 1_000 + self.records.len() as u64, body.as_bytes().to_vec());
        let entry = entry.unwrap().encode().unwrap();
        self.tree.push(leaf_hash(&entry));
        self.records.push(Record { entry, secret: Secret::from_bytes([0; 16]), units: Vec::new() });
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint::new("log.example/t/00", self.tree.size(), self.tree.root())
    }

    fn line(&self, at: usize, show: Show, erased: Option<u64>) -> Vec<u8> {
        let Record { entry, secret, units } = &self.records[at];
        let position = at as u64;
        let mut out = Vec::new();
        let texts: Vec<(&str, &str)> = units.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        match show {
            Show::Whole if !units.is_empty() => {
                write_line(&Line::Whole { position, entry, secret, units: &texts }, &mut out);
            }
            Show::Less(hidden) if !units.is_empty() => {
                let salts: Vec<_> = (0..).take(units.len()).map(|number| salt(secret, number)).collect();
                let digests: Vec<Hash> = texts
                    .iter()
                    .zip(&salts)
                    .map(|((name, value), salt)| {
                        unit_digest(salt, name.as_bytes(), value.as_bytes()).unwrap()
                    })
                    .collect();
                let hidden = hidden as usize % units.len();
                let parts: Vec<Unit<'_>> = (0..units.len())
                    .map(|number| match number == hidden {
                        true => Unit::Hidden(&digests[number], erased),
                        false => Unit::Shown(texts[number].0, texts[number].1, &salts[number]),
                    })
                    .collect();
                write_line(&Line::Part { position, entry, units: &parts }, &mut out);
            }
            _ => write_line(&Line::Bare { position, entry, expired: None }, &mut out),
        }
        out
    }

    fn gap(&self, from: u64, to: u64) -> Vec<u8> {
        let nodes: Vec<Hash> =
            gap_nodes(from, to).map(|(level, index)| self.tree.node(level, index).unwrap()).collect();
        let mut out = Vec::new();
        write_line(&Line::Gap { from, to, nodes: &nodes }, &mut out);
        out
    }

    /// A bundle of what is shown, its lines.
    fn bundle(&self, shows: &[Show]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        let mut at = 0;
        while at < shows.len() {
            let run = shows[at..].iter().take_while(|show| **show == Show::Gap).count();
            if run > 0 {
                lines.push(self.gap(at as u64, (at + run) as u64));
                at += run;
            } else {
                lines.push(self.line(at, shows[at], None));
                at += 1;
            }
        }
        lines
    }

    fn manifest(&self, shows: &[Show], mode: Mode) -> Manifest {
        let records = shows.iter().filter(|show| **show != Show::Gap).count() as u64;
        let disclosed = shows
            .iter()
            .zip(&self.records)
            .filter(|(show, record)| matches!(show, Show::Whole | Show::Less(_)) && !record.units.is_empty());
        Manifest {
            format: FORMAT.to_string(),
            origin: "log.example/t/00".to_string(),
            tenant: "acme".to_string(),
            log: "events".to_string(),
            size: self.tree.size(),
            range: (0, self.tree.size()),
            mode,
            filter: None,
            withheld: Vec::new(),
            created_at: "2026-11-22T00:00:00Z".to_string(),
            program: "test".to_string(),
            counts: Counts { records, disclosed: disclosed.count() as u64 },
            files: Vec::new(),
        }
    }
}

fn lifecycle_of(lines: &[Vec<u8>]) -> Lifecycle {
    let mut lifecycle = Lifecycle::default();
    for line in lines {
        if let Ok(Checked::Record(record)) = check_line(line.trim_ascii_end(), &mut |_, _| {}) {
            lifecycle.add(record.position, &record.entry.encode().unwrap(), &record.entry).unwrap();
        }
    }
    lifecycle
}

/// Verifies; a line that cannot be read, or does not follow, is a finding too.
fn verify(manifest: &Manifest, lifecycle: Lifecycle, lines: &[Vec<u8>], checkpoint: &Checkpoint) -> Summary {
    let mut walk = Walk::new(manifest, lifecycle);
    for line in lines {
        match check_line(line.trim_ascii_end(), &mut |_, _| {}) {
            Ok(checked) => {
                if let Err(Finding { position, problem }) = walk.push(checked) {
                    walk.find(position, problem);
                    break;
                }
            }
            Err(error) => {
                walk.find(None, error.to_string());
                break;
            }
        }
    }
    walk.finish(manifest, checkpoint)
}

fn shows() -> impl Strategy<Value = Vec<Show>> {
    let show = prop_oneof![
        Just(Show::Whole),
        (0_u32..9).prop_map(Show::Less),
        Just(Show::Bare),
        Just(Show::Gap),
        Just(Show::Gap),
    ];
    proptest::collection::vec(show, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_left_out_the_rest_gives_the_root(shows in shows()) {
        let log = Log::of(shows.len() as u64);
        let summary = verify(&log.manifest(&shows, Mode::Selection), Lifecycle::default(), &log.bundle(&shows), &log.checkpoint());
        prop_assert_eq!(&summary.findings, &vec![]);
        let of = |verdict| summary.verdicts.get(&verdict).copied().unwrap_or(0);
        prop_assert_eq!(of(Verdict::Intact), shows.iter().filter(|show| **show == Show::Whole).count() as u64);
        let withheld = shows.iter().filter(|show| matches!(show, Show::Less(_) | Show::Bare)).count();
        prop_assert_eq!(of(Verdict::Withheld), withheld as u64);
    }

    #[test]
    fn a_changed_byte_anywhere_is_found(shows in shows(), line in any::<prop::sample::Index>(), byte in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let log = Log::of(shows.len() as u64);
        let mut lines = log.bundle(&shows);
        let line = line.index(lines.len());
        let last = lines[line].len() - 1;
        let byte = byte.index(last);
        lines[line][byte] ^= 1 << bit;
        let manifest = log.manifest(&shows, Mode::Selection);
        let summary = verify(&manifest, Lifecycle::default(), &lines, &log.checkpoint());
        prop_assert!(summary.findings_count > 0, "{}", String::from_utf8_lossy(&lines[line]));
    }

    #[test]
    fn lines_that_are_dropped_repeated_or_swapped_are_found(shows in shows(), a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let log = Log::of(shows.len() as u64);
        let lines = log.bundle(&shows);
        let manifest = log.manifest(&shows, Mode::Selection);
        let (a, b) = (a.index(lines.len()), b.index(lines.len()));
        let mut dropped = lines.clone();
        dropped.remove(a);
        let mut repeated = lines.clone();
        repeated.insert(b, lines[a].clone());
        let mut swapped = lines.clone();
        swapped.swap(a, b);
        for (lines, changed) in [(dropped, true), (repeated, true), (swapped, a != b)] {
            let summary = verify(&manifest, Lifecycle::default(), &lines, &log.checkpoint());
            prop_assert_eq!(summary.findings_count > 0, changed);
        }
    }

    #[test]
    fn no_line_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(check_line(&bytes, &mut |_, _| {}));
    }
}

/// The problems found, in order.
fn problems(summary: &Summary) -> Vec<String> {
    summary.findings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_gap_where_none_may_be_is_found_at_its_position() {
    let log = Log::of(20);
    let mut shows = vec![Show::Bare; 20];
    shows[12] = Show::Gap;
    shows[13] = Show::Gap;
    let manifest = log.manifest(&shows, Mode::GapFree);
    let summary = verify(&manifest, Lifecycle::default(), &log.bundle(&shows), &log.checkpoint());
    assert_eq!(
        problems(&summary),
        ["position 12: 2 positions from here on are left out, and the bundle says that none is"]
    );
    let outside = Manifest { range: (0, 12), ..manifest };
    let summary = verify(&outside, Lifecycle::default(), &log.bundle(&shows), &log.checkpoint());
    assert_eq!(problems(&summary), [""; 0]);
}

/// A log whose record 1 lost unit 1, and what an entry says of it.
fn erased(body: &str, kind: EntryKind) -> (Log, Vec<Vec<u8>>) {
    let mut log = Log::of(3);
    log.states(kind, body);
    let lines = vec![
        log.line(0, Show::Whole, None),
        log.line(1, Show::Less(1), Some(3)),
        log.line(2, Show::Whole, None),
        log.line(3, Show::Bare, None),
    ];
    (log, lines)
}

const CASE: &str = r#"{"metadata":{"approvals":2,"approvals_required":2,"case":"7f3a","erased":[{"runs":[[0,1]],"units":[1]}],"reason":"","stage":"done"}}"#;

#[test]
fn what_an_erasure_covers_is_erased_and_nothing_else() {
    let all = [Show::Whole, Show::Less(1), Show::Whole, Show::Bare];
    let (log, lines) = erased(CASE, EntryKind::Erasure);
    let manifest = log.manifest(&all, Mode::GapFree);
    let summary = verify(&manifest, lifecycle_of(&lines[3..]), &lines, &log.checkpoint());
    assert_eq!(problems(&summary), [""; 0]);
    assert_eq!(summary.verdicts.get(&Verdict::Erased), Some(&1));
    assert_eq!((summary.verdicts.get(&Verdict::Intact), summary.own), (Some(&3), 1));

    let not_listed = verify(&manifest, Lifecycle::default(), &lines, &log.checkpoint());
    assert_eq!(
        problems(&not_listed),
        ["position 1: said to be erased by entry 3, which the bundle does not have"]
    );
    assert_eq!(not_listed.verdicts.get(&Verdict::Unexplained), Some(&1));

    for (from, to, problem) in [
        ("[[0,1]]", "[[0,0]]", "position 1: said to be erased by entry 3, which does not cover it"),
        (
            "\"units\":[1]",
            "\"units\":[2]",
            "position 1: said to be erased by entry 3, which does not cover it",
        ),
        (
            "\"approvals\":2",
            "\"approvals\":1",
            "position 1: erased by entry 3 with fewer approvals than it takes",
        ),
    ] {
        let (log, lines) = erased(&CASE.replace(from, to), EntryKind::Erasure);
        let summary = verify(&manifest, lifecycle_of(&lines[3..]), &lines, &log.checkpoint());
        assert_eq!(problems(&summary), [problem]);
    }
    let (log, lines) = erased(CASE, EntryKind::Policy);
    let summary = verify(&manifest, lifecycle_of(&lines[3..]), &lines, &log.checkpoint());
    assert_eq!(
        problems(&summary),
        ["position 1: said to be erased by entry 3, which says nothing of the kind"]
    );
}

#[test]
fn an_erasure_that_is_not_in_the_log_excuses_nothing() {
    let all = [Show::Whole, Show::Less(1), Show::Whole, Show::Bare];
    let (log, lines) = erased(r#"{"reason":"another"}"#, EntryKind::Policy);
    let (_, forged) = erased(CASE, EntryKind::Erasure);
    let manifest = log.manifest(&all, Mode::GapFree);
    let summary = verify(&manifest, lifecycle_of(&forged[3..]), &lines, &log.checkpoint());
    assert_eq!(
        problems(&summary),
        [
            "position 3: the entry differs from the one that `lifecycle.ndjson` gives",
            "position 3: an entry of `lifecycle.ndjson` excuses others and is not in the log",
        ]
    );
    // Left out of the walk by a gap, it is no better.
    let gap = vec![lines[0].clone(), lines[1].clone(), log.gap(2, 4)];
    let selection = log.manifest(&[Show::Whole, Show::Less(1), Show::Gap, Show::Gap], Mode::Selection);
    let summary = verify(&selection, lifecycle_of(&forged[3..]), &gap, &log.checkpoint());
    assert_eq!(
        problems(&summary),
        ["position 3: an entry of `lifecycle.ndjson` excuses others and is not in the log"]
    );
}

#[test]
fn an_expiry_covers_its_class_its_time_and_its_runs() {
    let body = |class: u16, cutoff: u64, runs: &str| {
        format!(r#"{{"metadata":{{"class":{class},"cutoff_ms":{cutoff},"runs":{runs}}}}}"#)
    };
    for (body, holds) in [
        (body(3, 1_003, "[[0,2]]"), true),
        (body(2, 1_003, "[[0,2]]"), false),
        (body(3, 1_001, "[[0,2]]"), false),
        (body(3, 1_003, "[[0,0],[2,2]]"), false),
    ] {
        let mut log = Log::of(3);
        log.states(EntryKind::Expiry, &body);
        let mut gone = Vec::new();
        write_line(&Line::Bare { position: 1, entry: &log.records[1].entry, expired: Some(3) }, &mut gone);
        let lines = vec![
            log.line(0, Show::Whole, None),
            gone,
            log.line(2, Show::Bare, None),
            log.line(3, Show::Bare, None),
        ];
        let manifest = log.manifest(&[Show::Whole, Show::Bare, Show::Bare, Show::Bare], Mode::GapFree);
        let summary = verify(&manifest, lifecycle_of(&lines[3..]), &lines, &log.checkpoint());
        assert_eq!(summary.verdicts.contains_key(&Verdict::Expired), holds, "{body}");
        assert_eq!(summary.findings_count == 0, holds, "{body}");
    }
}

#[test]
fn a_manifest_that_lies_is_contradicted() {
    let log = Log::of(9);
    let shows = [Show::Whole; 9];
    let lines = log.bundle(&shows);
    let manifest = log.manifest(&shows, Mode::GapFree);
    type Lie = fn(&mut Manifest);
    let lies: [(Lie, &str); 5] = [
        (
            |of| of.origin.push('1'),
            "the manifest is of log log.example/t/001, the checkpoint of log.example/t/00",
        ),
        (|of| of.size = 10, "the manifest says 10 records, the checkpoint 9"),
        (|of| of.range = (0, 10), "the manifest's range 0 to 10 is none of this log"),
        (|of| of.counts.records = 8, "the manifest counts 8 records, 9 of them disclosed; there are 9 and 9"),
        (
            |of| of.counts.disclosed = 7,
            "the manifest counts 9 records, 7 of them disclosed; there are 9 and 9",
        ),
    ];
    for (lie, problem) in lies {
        let mut told = manifest.clone();
        lie(&mut told);
        let summary = verify(&told, Lifecycle::default(), &lines, &log.checkpoint());
        assert_eq!(problems(&summary), [problem]);
    }
}

#[test]
fn numbers_without_measure_are_refused() {
    let log = Log::of(1);
    let manifest = log.manifest(&[Show::Whole], Mode::Selection);
    let huge = format!("{{\"gap\":[0,{}],\"nodes\":[]}}", u64::MAX).into_bytes();
    let summary = verify(&manifest, Lifecycle::default(), &[huge], &log.checkpoint());
    assert_eq!(problems(&summary)[0], "position 0: no log has 18446744073709551615 records");
    let back = b"{\"gap\":[3,3],\"nodes\":[]}".to_vec();
    let summary = verify(&manifest, Lifecycle::default(), &[back], &log.checkpoint());
    assert_eq!(problems(&summary)[0], "a gap from 3 to 3");
}

#[test]
fn roots_of_sizes_on_the_way_are_kept() {
    let log = Log::of(9);
    let shows = [Show::Whole; 9];
    let manifest = log.manifest(&shows, Mode::GapFree);
    let mut walk = Walk::new(&manifest, Lifecycle::default());
    walk.want_root_at(4);
    for line in log.bundle(&shows) {
        walk.push(check_line(line.trim_ascii_end(), &mut |_, _| {}).unwrap()).unwrap();
    }
    let summary = walk.finish(&manifest, &log.checkpoint());
    assert_eq!(summary.roots, [(4, Log::of(4).tree.root())]);
}
