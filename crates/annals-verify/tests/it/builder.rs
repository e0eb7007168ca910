//! A log and its bundles, made from seeds alone: the same bytes each time.

use std::io::{Cursor, Read as _, Write as _};

use annals_bundle::{
    Counts, Earlier, FORMAT, File, Hex, Line, Manifest, Mode, Registry, Trust, TrustedKey, Unit, gap_nodes,
    write_line,
};
use annals_event::{UnitScratch, units};
use annals_tree::checkpoint::Checkpoint;
use annals_tree::commitment::{Committer, salt};
use annals_tree::entry::{Entry, EntryKind, encode_event};
use annals_tree::nodes::{consistency, inclusion, root_at};
use annals_tree::note::SigningKey;
use annals_tree::{Hash, Nodes as _, Secret, Tree, leaf_hash, unit_digest};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

pub(crate) const ORIGIN: &str = "log.example/t/000102030405060708090a0b0c0d0e0f";
pub(crate) const REGISTRY: &str = "log.example/t/ffffffffffffffffffffffffffffffff";
pub(crate) const SEED: [u8; 32] = [7; 32];
pub(crate) const BEGAN_MS: u64 = 1_795_303_721_000;

/// Units of an event of ours, by their numbers.
pub(crate) const EMAIL: u32 = 1;

pub(crate) struct Record {
    pub(crate) entry: Vec<u8>,
    secret: Secret,
    /// Names and values; none of entries of the log's own.
    pub(crate) units: Vec<(String, String)>,
}

pub(crate) struct Log {
    pub(crate) records: Vec<Record>,
    pub(crate) tree: Tree,
}

/// What is shown of a record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Show {
    Whole,
    /// Of each unit whether it is shown, or which entry erased it.
    Parts(Vec<Part>),
    Bare,
    Expired(u64),
    Gap,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Part {
    Shown,
    Hidden,
    Erased(u64),
}

impl Log {
    pub(crate) fn new() -> Self {
        Self { records: Vec::new(), tree: Tree::new() }
    }

    fn next_ms(&self) -> u64 {
        BEGAN_MS + 1_500 * self.records.len() as u64
    }

    /// Appends an event, which must be canonical.
    pub(crate) fn event(&mut self, class: u16, event: &str) {
        let mut split = Vec::new();
        units(event.as_bytes(), &mut UnitScratch::default(), |name, value| {
            split.push((name.to_owned(), String::from_utf8(value.to_vec()).unwrap()));
        })
        .unwrap();
        self.units(class, split);
    }

    /// Appends an event of these units, whether or not any event splits into them.
    pub(crate) fn units(&mut self, class: u16, split: Vec<(String, String)>) {
        let number = u8::try_from(self.records.len()).unwrap();
        let secret = Secret::from_bytes([number; 16]);
        let mut committer = Committer::new(&secret);
        for (name, value) in &split {
            committer.unit(name.as_bytes(), value.as_bytes()).unwrap();
        }
        let entry = encode_event(class, self.next_ms(), &committer.finish()).to_vec();
        self.push(Record { entry, secret, units: split });
    }

    /// Appends an entry of the log's own.
    pub(crate) fn state(&mut self, kind: EntryKind, body: &Value) {
        let entry = Entry::stating(kind, 0, self.next_ms(), body.to_string().into_bytes()).unwrap();
        let entry = entry.encode().unwrap();
        self.push(Record { entry, secret: Secret::from_bytes([0; 16]), units: Vec::new() });
    }

    fn push(&mut self, record: Record) {
        self.tree.push(leaf_hash(&record.entry));
        self.records.push(record);
    }

    pub(crate) fn is_own(&self, at: usize) -> bool {
        self.records[at].entry[1] != 1
    }

    /// All units shown but those that a pattern takes, or that are said to be erased.
    pub(crate) fn parts(&self, at: usize, part: impl Fn(u32, &str) -> Part) -> Show {
        let units = self.records[at].units.iter().zip(0..);
        Show::Parts(units.map(|((name, _), number)| part(number, name)).collect())
    }

    fn line(&self, at: usize, show: &Show, out: &mut Vec<u8>) {
        let Record { entry, secret, units } = &self.records[at];
        let position = at as u64;
        let texts: Vec<(&str, &str)> = units.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        match show {
            Show::Whole if !units.is_empty() => {
                write_line(&Line::Whole { position, entry, secret, units: &texts }, out);
            }
            Show::Parts(parts) => {
                let salts: Vec<_> = (0..).take(units.len()).map(|number| salt(secret, number)).collect();
                let digest = |((name, value), salt): (&(&str, &str), &_)| {
                    unit_digest(salt, name.as_bytes(), value.as_bytes()).unwrap()
                };
                let digests: Vec<Hash> = texts.iter().zip(&salts).map(digest).collect();
                let units: Vec<Unit<'_>> = parts
                    .iter()
                    .enumerate()
                    .map(|(number, part)| match part {
                        Part::Shown => Unit::Shown(texts[number].0, texts[number].1, &salts[number]),
                        Part::Hidden => Unit::Hidden(&digests[number], None),
                        Part::Erased(by) => Unit::Hidden(&digests[number], Some(*by)),
                    })
                    .collect();
                write_line(&Line::Part { position, entry, units: &units }, out);
            }
            Show::Expired(by) => write_line(&Line::Bare { position, entry, expired: Some(*by) }, out),
            _ => write_line(&Line::Bare { position, entry, expired: None }, out),
        }
    }

    fn gap(&self, from: u64, to: u64, out: &mut Vec<u8>) {
        let nodes: Vec<Hash> =
            gap_nodes(from, to).map(|(level, index)| self.tree.node(level, index).unwrap()).collect();
        write_line(&Line::Gap { from, to, nodes: &nodes }, out);
    }

    pub(crate) fn checkpoint(&self, seed: &[u8; 32]) -> String {
        let checkpoint = Checkpoint::new(ORIGIN, self.tree.size(), self.tree.root());
        SigningKey::from_seed(ORIGIN, seed).unwrap().sign(&checkpoint.to_text()).unwrap()
    }

    /// That the log extends its first `size` records.
    pub(crate) fn earlier(&self, size: u64) -> Earlier {
        let hashes = consistency(size, self.tree.size(), &self.tree).unwrap();
        let root = root_at(size, &self.tree).unwrap();
        Earlier { size, root: Hex(root.0), hashes: hashes.into_iter().map(|hash| Hex(hash.0)).collect() }
    }

    /// A registry that names another log and, then, the first `size` records of this one.
    pub(crate) fn registry(&self, size: u64) -> Registry {
        let mut registry = Tree::new();
        let mut entries = Vec::new();
        for (origin, size, root) in
            [("log.example/t/ff", 3, Hash([9; 32])), (ORIGIN, size, root_at(size, &self.tree).unwrap())]
        {
            let name: String =
                Sha256::digest(origin.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
            let body = json!({"action": "annals.log.head", "metadata": {"origin_sha256": name, "root": root.to_string(), "size": size}});
            let entry = Entry::stating(EntryKind::Head, 0, BEGAN_MS, body.to_string().into_bytes()).unwrap();
            entries.push(entry.encode().unwrap());
            registry.push(leaf_hash(entries.last().unwrap()));
        }
        let checkpoint = Checkpoint::new(REGISTRY, 2, registry.root());
        let signed = SigningKey::from_seed(REGISTRY, &SEED).unwrap().sign(&checkpoint.to_text()).unwrap();
        let hashes = |hashes: Vec<Hash>| hashes.into_iter().map(|hash| Hex(hash.0)).collect();
        Registry {
            origin: REGISTRY.to_owned(),
            entry: entries[1].iter().map(|byte| format!("{byte:02x}")).collect(),
            position: 1,
            hashes: hashes(inclusion(1, 2, &registry).unwrap()),
            checkpoint: signed,
            consistency: hashes(consistency(size, self.tree.size(), &self.tree).unwrap()),
        }
    }
}

/// What a bundle is asked to be.
pub(crate) struct Asked<'a> {
    pub(crate) mode: Mode,
    pub(crate) range: (u64, u64),
    pub(crate) filter: Option<&'a str>,
    pub(crate) withheld: &'a [&'a str],
    pub(crate) shows: &'a [Show],
}

/// The files of an archive, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Files(pub(crate) Vec<(String, Vec<u8>)>);

impl Files {
    pub(crate) fn of(log: &Log, asked: &Asked<'_>) -> Self {
        Self::signed(log, asked, &SEED)
    }

    /// As [`Files::of`], where another key signs, which `trust.json` names.
    pub(crate) fn signed(log: &Log, asked: &Asked<'_>, seed: &[u8; 32]) -> Self {
        let (mut lines, mut own, mut at) = (Vec::new(), Vec::new(), 0);
        while at < asked.shows.len() {
            let run = asked.shows[at..].iter().take_while(|show| **show == Show::Gap).count();
            if run > 0 {
                log.gap(at as u64, (at + run) as u64, &mut lines);
                at += run;
                continue;
            }
            log.line(at, &asked.shows[at], &mut lines);
            if log.is_own(at) {
                log.line(at, &Show::Bare, &mut own);
            }
            at += 1;
        }
        let shown = asked.shows.iter().enumerate().filter(|(_, show)| **show != Show::Gap);
        let disclosed = shown.clone().filter(|(at, show)| {
            matches!(show, Show::Whole | Show::Parts(_)) && !log.records[*at].units.is_empty()
        });
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            origin: ORIGIN.to_owned(),
            tenant: "acme".to_owned(),
            log: "events".to_owned(),
            size: log.tree.size(),
            range: asked.range,
            mode: asked.mode,
            filter: asked.filter.map(str::to_owned),
            withheld: asked.withheld.iter().map(|unit| (*unit).to_owned()).collect(),
            created_at: "2026-11-22T00:00:00.000000Z".to_owned(),
            program: "vectors".to_owned(),
            counts: Counts { records: shown.count() as u64, disclosed: disclosed.count() as u64 },
            files: Vec::new(),
        };
        let key = SigningKey::from_seed(ORIGIN, seed).unwrap().verifier_key().to_string();
        let trust = Trust { keys: vec![TrustedKey { key, from: 0, until: None }], witnesses: Vec::new() };
        let mut files = Self(vec![
            ("checkpoint".to_owned(), log.checkpoint(seed).into_bytes()),
            ("trust.json".to_owned(), serde_json::to_vec(&trust).unwrap()),
            ("lifecycle.ndjson".to_owned(), own),
            ("log.ndjson".to_owned(), lines),
            ("README.txt".to_owned(), b"A bundle for tests.\n".to_vec()),
            ("manifest.json".to_owned(), serde_json::to_vec(&manifest).unwrap()),
        ]);
        files.relist();
        files
    }

    pub(crate) fn with(mut self, name: &str, content: &impl serde::Serialize) -> Self {
        self.0.insert(2, (name.to_owned(), serde_json::to_vec(content).unwrap()));
        self.relist();
        self
    }

    pub(crate) fn get(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.0.iter_mut().find(|(known, _)| known == name).unwrap().1
    }

    pub(crate) fn text(&mut self, name: &str) -> String {
        String::from_utf8(self.get(name).clone()).unwrap()
    }

    pub(crate) fn replace(&mut self, name: &str, from: &str, to: &str) {
        let text = self.text(name);
        assert!(text.contains(from), "{from}: {text}");
        *self.get(name) = text.replacen(from, to, 1).into_bytes();
    }

    /// The lines of the log, changed.
    pub(crate) fn lines(&mut self, change: impl FnOnce(&mut Vec<String>)) {
        let text = self.text("log.ndjson");
        let mut lines = text.lines().map(|line| format!("{line}\n")).collect();
        change(&mut lines);
        *self.get("log.ndjson") = lines.concat().into_bytes();
    }

    pub(crate) fn manifest(&mut self, change: impl FnOnce(&mut Value)) {
        let mut manifest: Value = serde_json::from_slice(self.get("manifest.json")).unwrap();
        change(&mut manifest);
        *self.get("manifest.json") = serde_json::to_vec(&manifest).unwrap();
    }

    /// Makes the manifest list the files as they are now.
    pub(crate) fn relist(&mut self) {
        let listed: Vec<File> = self
            .0
            .iter()
            .filter(|(name, _)| name != "manifest.json")
            .map(|(name, content)| File {
                name: name.clone(),
                bytes: content.len() as u64,
                sha256: Hex(Sha256::digest(content).into()),
            })
            .collect();
        self.manifest(|manifest| manifest["files"] = serde_json::to_value(&listed).unwrap());
    }

    pub(crate) fn packed(&self, method: CompressionMethod) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in &self.0 {
            zip.start_file(name, SimpleFileOptions::default().compression_method(method)).unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    /// What an archive holds; none when it is not one.
    pub(crate) fn unpacked(bytes: &[u8]) -> Option<Self> {
        let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
        let mut files = Vec::new();
        for index in 0..archive.len() {
            let mut file = archive.by_index(index).ok()?;
            let mut content = Vec::new();
            file.read_to_end(&mut content).ok()?;
            files.push((file.name().ok()?.into_owned(), content));
        }
        Some(Self(files))
    }
}
