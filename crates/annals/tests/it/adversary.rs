//! Somebody who wants to be believed: random attacks on bundles, of twelve classes, by those who have the log's key and by those
//! who do not. None may come off clean; what cannot be seen by design is said. Attacks on folders are in `adversary_folders.rs`.
//!
//! `ANNALS_ADVERSARY_CASES` says how many; `cargo xtask adversary` asks for more.

use std::collections::BTreeMap;
use std::path::Path;

use annals_bundle::{
    Counts, FORMAT, File, Line, Manifest, Mode, Trust, TrustedKey, Unit, gap_nodes, write_line,
};
use annals_event::{UnitScratch, units};
use annals_server::bundle::Archive;
use annals_tree::checkpoint::Checkpoint;
use annals_tree::commitment::{Committer, Salt, salt};
use annals_tree::entry::{Entry, encode_event};
use annals_tree::note::SigningKey;
use annals_tree::tile::{TileKind, bundles, encode_bundle, hash_tile, hash_tiles};
use annals_tree::{EntryKind, Hash, Nodes as _, Secret, Tree, leaf_hash, unit_digest};

use crate::support::World;

const CASES: &str = "ANNALS_ADVERSARY_CASES";
const CASES_DEFAULT: u64 = 36;
pub(crate) const ORIGIN: &str = "log.example/t/0123456789abcdef0123456789abcdef";
const OTHER_ORIGIN: &str = "log.example/t/fedcba9876543210fedcba9876543210";

/// How many attacks each test makes.
pub(crate) fn cases() -> u64 {
    std::env::var(CASES).ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES_DEFAULT)
}

/// A sequence of numbers that a seed gives.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        // Steele, Lea and Flood's splitmix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    pub(crate) fn place(&mut self, limit: usize) -> usize {
        usize::try_from(self.below(limit as u64)).unwrap()
    }

    pub(crate) fn flip(&mut self) -> bool {
        self.below(2) == 1
    }
}

/// One record of a log, as a server has it.
#[derive(Clone)]
enum Record {
    Event { at_ms: u64, secret: [u8; 16], event: String },
    Own { at_ms: u64, kind: EntryKind, body: String },
}

impl Record {
    fn event(number: u64, at_ms: u64) -> Self {
        let event = format!(
            r#"{{"action":"video.{}","actor":{{"email":"mail{number}@example.com","id":"u{}","type":"user"}},"id":"e{number}","metadata":{{"n":{number}}}}}"#,
            ["update", "delete", "view"][usize::try_from(number % 3).unwrap()],
            number % 5
        );
        let mut secret = [7; 16];
        secret[..8].copy_from_slice(&number.to_be_bytes());
        Self::Event { at_ms, secret, event }
    }

    fn at_ms(&mut self) -> &mut u64 {
        match self {
            Self::Event { at_ms, .. } | Self::Own { at_ms, .. } => at_ms,
        }
    }

    fn units(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        if let Self::Event { event, .. } = self {
            units(event.as_bytes(), &mut UnitScratch::default(), |name, value| {
                all.push((name.to_owned(), String::from_utf8(value.to_vec()).unwrap()));
            })
            .unwrap();
        }
        all
    }

    fn entry(&self) -> Vec<u8> {
        match self {
            Self::Event { at_ms, secret, .. } => {
                let mut committer = Committer::new(&Secret::from_bytes(*secret));
                for (name, value) in self.units() {
                    committer.unit(name.as_bytes(), value.as_bytes()).unwrap();
                }
                encode_event(0, *at_ms, &committer.finish()).to_vec()
            }
            Self::Own { at_ms, kind, body } => {
                Entry::stating(*kind, 0, *at_ms, body.clone().into_bytes()).unwrap().encode().unwrap()
            }
        }
    }
}

/// How a record stands in a bundle.
#[derive(Clone, Copy, PartialEq)]
enum Show {
    Whole,
    /// The envelope, and digests of the rest.
    Envelope,
    /// All but this unit, which is hidden; by an erasure, if one is named.
    Less(usize, Option<u64>),
    Bare(Option<u64>),
    Gap,
}

/// A log and how a bundle shows it.
#[derive(Clone)]
pub(crate) struct Bundle {
    origin: &'static str,
    records: Vec<Record>,
    shows: BTreeMap<usize, Show>,
    mode: Mode,
    filter: Option<&'static str>,
    /// Lines of `lifecycle.ndjson` beside those in the log.
    forged: Vec<u8>,
    seed: u8,
    /// A checkpoint as it was signed once, in place of a new one.
    pub(crate) replayed: Option<String>,
}

impl Bundle {
    pub(crate) fn honest(dice: &mut Dice) -> Self {
        let size = 20 + dice.below(60);
        let mut records: Vec<Record> =
            (0..size).map(|number| Record::event(number, 1_000 + 10 * number)).collect();
        // An erasure with its approvals, of the second unit of the first event.
        let body = r#"{"metadata":{"approvals":2,"approvals_required":2,"case":"00","erased":[{"runs":[[0,0]],"units":[1]}],"reason":"x","stage":"done"}}"#;
        let at = 12 + dice.place(5);
        let at_ms = *records[at].at_ms();
        records.insert(at, Record::Own { at_ms, kind: EntryKind::Erasure, body: body.to_owned() });
        let shows = BTreeMap::from([(0, Show::Less(1, Some(at as u64)))]);
        Self {
            origin: ORIGIN,
            records,
            shows,
            mode: Mode::GapFree,
            filter: None,
            forged: Vec::new(),
            seed: 1,
            replayed: None,
        }
    }

    fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        self.records.iter().for_each(|record| tree.push(leaf_hash(&record.entry())));
        tree
    }

    pub(crate) fn signed(&self) -> String {
        let tree = self.tree();
        let key = SigningKey::from_seed(self.origin, &[self.seed; 32]).unwrap();
        key.sign(&Checkpoint::new(self.origin, tree.size(), tree.root()).to_text()).unwrap()
    }

    pub(crate) fn key(&self) -> String {
        SigningKey::from_seed(self.origin, &[self.seed; 32]).unwrap().verifier_key().to_string()
    }

    /// The lines of its log.
    pub(crate) fn log(&self) -> Vec<u8> {
        self.lines(&mut Counts::default(), &mut Vec::new())
    }

    fn show(&self, at: usize) -> Show {
        self.shows.get(&at).copied().unwrap_or(Show::Whole)
    }

    fn lines(&self, counts: &mut Counts, own: &mut Vec<u8>) -> Vec<u8> {
        let (tree, mut out, mut at) = (self.tree(), Vec::new(), 0);
        while at < self.records.len() {
            let run = (at..self.records.len()).take_while(|at| self.show(*at) == Show::Gap).count();
            if run > 0 {
                let (from, to) = (at as u64, (at + run) as u64);
                let nodes: Vec<Hash> =
                    gap_nodes(from, to).map(|(level, index)| tree.node(level, index).unwrap()).collect();
                write_line(&Line::Gap { from, to, nodes: &nodes }, &mut out);
                at += run;
                continue;
            }
            counts.records += 1;
            let line = self.line(at, counts);
            if matches!(self.records[at], Record::Own { .. }) {
                own.extend_from_slice(&line);
            }
            out.extend(line);
            at += 1;
        }
        out
    }

    fn line(&self, at: usize, counts: &mut Counts) -> Vec<u8> {
        let (record, position, mut out) = (&self.records[at], at as u64, Vec::new());
        let entry = &record.entry()[..];
        let all = record.units();
        let texts: Vec<(&str, &str)> = all.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        let (show, Record::Event { secret, .. }) = (self.show(at), record) else {
            write_line(&Line::Bare { position, entry, expired: None }, &mut out);
            return out;
        };
        let secret = Secret::from_bytes(*secret);
        let salts: Vec<Salt> = (0..).take(all.len()).map(|number| salt(&secret, number)).collect();
        let digests: Vec<Hash> = texts
            .iter()
            .zip(&salts)
            .map(|((name, value), salt)| unit_digest(salt, name.as_bytes(), value.as_bytes()).unwrap())
            .collect();
        let part = |hidden: &dyn Fn(usize) -> Option<Option<u64>>| -> Vec<Unit<'_>> {
            let each = |number: usize| match hidden(number) {
                Some(by) => Unit::Hidden(&digests[number], by),
                None => Unit::Shown(texts[number].0, texts[number].1, &salts[number]),
            };
            (0..texts.len()).map(each).collect()
        };
        let units = match show {
            Show::Bare(expired) => {
                write_line(&Line::Bare { position, entry, expired }, &mut out);
                return out;
            }
            Show::Envelope => part(&|number| (number > 0).then_some(None)),
            Show::Less(unit, by) => part(&|number| (number == unit).then_some(by)),
            Show::Whole | Show::Gap => {
                counts.disclosed += 1;
                write_line(&Line::Whole { position, entry, secret: &secret, units: &texts }, &mut out);
                return out;
            }
        };
        counts.disclosed += 1;
        write_line(&Line::Part { position, entry, units: &units }, &mut out);
        out
    }

    fn write(&self, path: &Path) {
        let size = self.records.len() as u64;
        let (mut counts, mut own) = (Counts::default(), Vec::new());
        let log = self.lines(&mut counts, &mut own);
        own.extend_from_slice(&self.forged);
        let mut archive = Archive::new(Vec::new());
        let note = self.replayed.clone().unwrap_or_else(|| self.signed());
        archive.file("checkpoint", note.as_bytes()).unwrap();
        let key = TrustedKey { key: self.key(), from: 0, until: None };
        let trust = Trust { keys: vec![key], witnesses: Vec::new() };
        archive.file("trust.json", &serde_json::to_vec(&trust).unwrap()).unwrap();
        archive.file("lifecycle.ndjson", &own).unwrap();
        archive.file("log.ndjson", &log).unwrap();
        let files: Vec<File> = archive.files().to_vec();
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            origin: self.origin.to_owned(),
            tenant: "acme".to_owned(),
            log: "events".to_owned(),
            size,
            range: (0, size),
            mode: self.mode,
            filter: self.filter.map(str::to_owned),
            withheld: Vec::new(),
            created_at: "2026-11-22T00:00:00Z".to_owned(),
            program: "somebody's".to_owned(),
            counts,
            files,
        };
        archive.file("manifest.json", &serde_json::to_vec(&manifest).unwrap()).unwrap();
        std::fs::write(path, archive.finish().unwrap()).unwrap();
    }

    /// The same log as C2SP tiles.
    pub(crate) fn publish(&self, folder: &Path) {
        let tree = self.tree();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        for tile in bundles(tree.size()).chain(hash_tiles(tree.size())) {
            let bytes = match tile.kind() {
                TileKind::Hashes(_) => hash_tile(&tile, tree.size(), &tree).unwrap(),
                TileKind::Entries => {
                    let first = usize::try_from(tile.first()).unwrap();
                    let entries = &self.records[first..first + usize::from(tile.width())];
                    encode_bundle(entries.iter().map(Record::entry)).unwrap()
                }
            };
            write(&tile.to_string(), &bytes);
        }
        write("checkpoint", self.replayed.clone().unwrap_or_else(|| self.signed()).as_bytes());
        write("vkey", self.key().as_bytes());
    }

    /// A place in the log that the auditor has seen, and that is an event.
    fn seen(&self, dice: &mut Dice) -> usize {
        loop {
            let at = 1 + dice.place(self.records.len() - 2);
            if matches!(
                (&self.records[at], &self.records[at + 1]),
                (Record::Event { .. }, Record::Event { .. })
            ) {
                return at;
            }
        }
    }

    /// More events, as time passes.
    fn grow(&mut self, dice: &mut Dice) {
        for more in 0..1 + dice.below(30) {
            let at_ms = *self.records.last_mut().unwrap().at_ms() + 5;
            self.records.push(Record::event(1_000 + more, at_ms));
        }
    }
}

/// What the auditor sees.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Expected {
    Alarm,
    /// Nothing, and the program says that it cannot.
    ToldAsUnseen,
}

const CLASSES: [&str; 12] = [
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
    "withheld shown as erased",
    "bundle that omits a hit",
];

/// Attacks a log that the auditor has accepted as it was.
pub(crate) fn attack(class: &str, honest: &Bundle, dice: &mut Dice) -> (Bundle, Expected) {
    let mut evil = honest.clone();
    let at = evil.seen(dice);
    // Without the key the checkpoint stays as it was.
    let has_key = dice.flip();
    let mut keeps_checkpoint = !has_key;
    match class {
        "edit" => {
            if let Record::Event { event, .. } = &mut evil.records[at] {
                *event = event.replace("\"u", "\"v");
            }
        }
        "drop" => drop(evil.records.remove(at)),
        "insert" => {
            let at_ms = *evil.records[at].at_ms();
            evil.records.insert(at, Record::event(5_000, at_ms));
        }
        "reorder" => {
            let (one, two) = (*evil.records[at].at_ms(), *evil.records[at + 1].at_ms());
            evil.records.swap(at, at + 1);
            (*evil.records[at].at_ms(), *evil.records[at + 1].at_ms()) = (one, two);
        }
        "truncate" => evil.records.truncate(at),
        "fork" => {
            evil.records.truncate(at);
            for more in 0..honest.records.len() as u64 {
                let at_ms = *evil.records[at - 1].at_ms() + 1_000 + more;
                evil.records.push(Record::event(9_000 + more, at_ms));
            }
        }
        "back-date" => {
            // The one in front of it may have come in the same millisecond.
            let (before, own) = (*evil.records[at - 1].at_ms(), *evil.records[at].at_ms());
            *evil.records[at].at_ms() = before.min(own - 1);
        }
        "replay of an old head" => {
            keeps_checkpoint = false;
            evil.records.truncate(at);
            evil.replayed = Some(evil.signed());
            if dice.flip() {
                // All of the log, under the old head.
                evil.records = honest.records.clone();
            }
        }
        "swapped tenants" => {
            keeps_checkpoint = false;
            evil.origin = OTHER_ORIGIN;
            if dice.flip() {
                evil.replayed = Some(Bundle { origin: OTHER_ORIGIN, ..honest.clone() }.signed());
                evil.origin = ORIGIN;
            }
        }
        "forged lifecycle entry" => {
            keeps_checkpoint = false;
            let by = evil.records.len() as u64 - 1;
            let body = format!(
                r#"{{"metadata":{{"approvals":2,"approvals_required":2,"case":"00","erased":[{{"runs":[[{at},{at}]],"units":[1,2,3]}}],"reason":"x","stage":"done"}}}}"#
            );
            let entry = Entry::stating(EntryKind::Erasure, 0, 1_000, body.into_bytes()).unwrap();
            let entry = entry.encode().unwrap();
            write_line(&Line::Bare { position: by, entry: &entry, expired: None }, &mut evil.forged);
            evil.shows.insert(at, if dice.flip() { Show::Less(2, Some(by)) } else { Show::Bare(Some(by)) });
        }
        "withheld shown as erased" => {
            keeps_checkpoint = false;
            let erasure = evil.records.iter().position(|record| matches!(record, Record::Own { .. }));
            let erasure = erasure.unwrap() as u64;
            let by = [erasure, at as u64 + 1, 0, 1 << 40][dice.place(4)];
            evil.shows.insert(at, if dice.flip() { Show::Less(1, Some(by)) } else { Show::Bare(Some(by)) });
        }
        _ => {
            keeps_checkpoint = false;
            let mut hits: Vec<usize> = Vec::new();
            for (place, record) in evil.records.iter().enumerate() {
                let Record::Event { event, .. } = record else { continue };
                let is_hit = event.contains("\"id\":\"u3\"");
                hits.extend((is_hit && place > 0).then_some(place));
                // `/actor/id` shows who did it; it stands behind the mail and in front of the type.
                let show = if is_hit { Show::Whole } else { Show::Less(1, None) };
                evil.shows.entry(place).or_insert(show);
            }
            evil.filter = Some("actor_id=u3");
            let hit = hits[dice.place(hits.len())];
            if dice.below(4) == 0 {
                evil.mode = Mode::Selection;
                evil.shows.retain(|_, show| *show == Show::Whole);
                for place in 0..evil.records.len() {
                    let is_shown = hits.contains(&place) && place != hit;
                    evil.shows.insert(place, if is_shown { Show::Whole } else { Show::Gap });
                }
                return (evil, Expected::ToldAsUnseen);
            }
            evil.mode = Mode::Covered;
            let hidden =
                [Show::Bare(None), Show::Envelope, Show::Less(2, None), Show::Less(1, None), Show::Gap];
            evil.shows.insert(hit, hidden[dice.place(hidden.len())]);
        }
    }
    if keeps_checkpoint {
        evil.replayed = Some(honest.signed());
    } else if has_key && class != "truncate" && evil.replayed.is_none() && class != "bundle that omits a hit"
    {
        evil.grow(dice);
    }
    (evil, Expected::Alarm)
}

#[test]
fn nobody_is_believed_who_changes_the_past() {
    let cases = cases();
    let world = World::new();
    let mut unseen = 0;
    for case in 0..cases {
        let mut dice = Dice(case);
        let class = CLASSES[usize::try_from(case).unwrap() % CLASSES.len()];
        let honest = Bundle::honest(&mut dice);
        drop(std::fs::remove_dir_all(world.path("state")));
        honest.write(&world.path("honest.zip"));
        let key = honest.key();
        let accepted = world.run(&["verify", "honest.zip", "--log-key", &key]);
        assert_eq!(accepted.code, Some(0), "case {case}: {}", accepted.stdout);
        let (evil, expected) = attack(class, &honest, &mut dice);
        evil.write(&world.path("evil.zip"));
        let said = world.run(&["verify", "evil.zip", "--log-key", &key]);
        match expected {
            Expected::Alarm => {
                assert_eq!(said.code, Some(8), "case {case}, {class}: {}{}", said.stdout, said.stderr);
                assert!(!said.stdout.contains("\nok "), "case {case}, {class}: {}", said.stdout);
            }
            Expected::ToldAsUnseen => {
                unseen += 1;
                assert_eq!(said.code, Some(0), "case {case}, {class}: {}", said.stdout);
                assert!(said.stderr.contains("that it leaves none out that matches cannot be seen from it"));
            }
        }
    }
    assert!(cases < 100 || unseen > 0, "what is unseen by design was among them");
    println!("attack: bundle: seen {} times", cases - unseen);
    println!(
        "attack: bundle: bundle that omits a hit: cannot be seen in a selection, {unseen} times: it says itself that it may leave out what matches"
    );
}
