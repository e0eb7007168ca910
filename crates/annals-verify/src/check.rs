//! All that a verifier demands of a bundle, on one thread: what the page in a browser runs.
//!
//! The demands are numbered in `docs/reference/bundle-format.md`. `annals verify` makes the same of the same parts, on all cores
//! and with a memory in files; `cargo xtask test` holds the two against each other on every vector.

use std::collections::BTreeSet;
use std::io;

use annals_bundle::{
    Earlier, FORMAT, Held, Hex, Lifecycle, Manifest, Mode, Registry, Summary, Trust, Verdict, Whose,
};
use annals_tree::Hash;
use annals_tree::checkpoint::Checkpoint;
use annals_tree::cosignature::{Quorum, WitnessKey};
use annals_tree::note::{Note, VerifierKey};
use sha2::{Digest as _, Sha256};

use crate::judge::{Judge, Judged};
use crate::lens::{Withheld, read_filter};
use crate::look::{Asked, Looker};
use crate::pieces::{Stopped, cut};
use crate::row::Row;
use crate::zip::Archive;
use crate::{NEEDED, read_lifecycle};

/// So far may a witness' clock be ahead of ours, in seconds.
const AHEAD_SECONDS_MAX: u64 = 600;

/// A state of a log that was accepted before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Of which log.
    pub origin: String,
    /// The key it was signed with.
    pub key: VerifierKey,
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// What whoever asks brings along.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The log's key, from elsewhere.
    pub key: Option<VerifierKey>,
    /// What was accepted before, of any logs.
    pub remembered: Vec<Remembered>,
    /// Witnesses of whom each must have cosigned.
    pub witnesses: Vec<WitnessKey>,
    /// The time, in seconds since 1970: cosignatures from far ahead do not count.
    pub now_seconds: u64,
}

/// Where the key comes from that the checkpoint was checked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFrom {
    /// It was given.
    Given,
    /// It was accepted before.
    Remembered,
    /// The bundle has it: it then proves that the bundle agrees with itself.
    Found,
}

impl From<Whose> for KeyFrom {
    fn from(whose: Whose) -> Self {
        match whose {
            Whose::Given => Self::Given,
            Whose::Remembered => Self::Remembered,
            Whose::Found => Self::Found,
        }
    }
}

/// How the key that signed goes with the one that the log is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// It is that key.
    Same,
    /// The log leads from that key to it: one followed the other.
    LedTo,
    /// Nothing leads there.
    Stranger,
}

/// One witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Its name.
    pub name: String,
    /// Whether it was asked for; else the bundle itself names it.
    pub is_demanded: bool,
    /// When it cosigned, in seconds since 1970, or why it did not.
    pub said: Result<u64, &'static str>,
}

/// Is told what happens while the log is read.
pub trait Watch {
    /// What became of a position.
    fn position(&mut self, position: u64, verdict: Verdict);
    /// So many positions of so many are accounted for.
    fn progress(&mut self, done: u64, size: u64);
}

/// What was found. Parts are missing when what comes before them was too damaged to go on.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What the bundle says of itself.
    pub manifest: Option<Manifest>,
    /// Its `format`, when it is another one than this program reads. Nothing else was looked at then.
    pub other_format: Option<String>,
    /// The key that signed the checkpoint, and where the one comes from that it is held against.
    pub key: Option<(VerifierKey, KeyFrom)>,
    /// How the two go together; none when the log was not read.
    pub signer: Option<Signer>,
    /// The signed tree head, and the note that it stands in.
    pub checkpoint: Option<(Checkpoint, String)>,
    /// Size of what was accepted before and is shown to be extended.
    pub extends: Option<u64>,
    /// Origin and size of the checkpoint that witnesses cosign: the log's own or, with `registry.json`, the registry's.
    pub cosigned: Option<(String, u64)>,
    /// Who cosigned.
    pub witnesses: Vec<Witness>,
    /// The log as it was read.
    pub summary: Option<Summary>,
    /// Events that the filter takes and that are shown.
    pub matched: u64,
    /// Events of which nobody can tell any more whether the filter takes them.
    pub gone: u64,
    /// The first events that the filter takes.
    pub rows: Vec<Row>,
    /// What does not hold beside the log.
    pub findings: Vec<String>,
}

impl Outcome {
    /// Whether everything holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.findings.is_empty()
            && self.other_format.is_none()
            && self.summary.as_ref().is_some_and(|summary| summary.findings_count == 0)
    }

    /// Everything that does not hold, in words: first what stands beside the log.
    pub fn problems(&self) -> impl Iterator<Item = String> {
        let origin = self.checkpoint.as_ref().map_or("", |(checkpoint, _)| &checkpoint.origin);
        let summary = self.summary.iter().flat_map(move |summary| {
            let more = summary.findings_count - summary.findings.len() as u64;
            let more = (more > 0).then(|| format!("log {origin}: {more} more findings are not listed"));
            summary.findings.iter().map(move |finding| format!("log {origin}: {finding}")).chain(more)
        });
        self.findings.iter().cloned().chain(summary)
    }

    fn find(&mut self, problem: impl Into<String>) {
        self.findings.push(problem.into());
    }
}

/// Checks everything. Without a checkpoint to hold the log against, the log is not read.
///
/// # Errors
///
/// The file cannot be read. That something does not hold is no error: it is said in the outcome.
pub fn check(archive: &Archive, known: &Known, watch: &mut dyn Watch) -> io::Result<Outcome> {
    let mut checking = Checking { archive, known, outcome: Outcome::default() };
    checking.all(watch)?;
    Ok(checking.outcome)
}

struct Checking<'a> {
    archive: &'a Archive,
    known: &'a Known,
    outcome: Outcome,
}

impl Checking<'_> {
    fn all(&mut self, watch: &mut dyn Watch) -> io::Result<()> {
        for name in NEEDED {
            if self.archive.entry(name).is_none() {
                self.outcome.find(format!("the bundle has no `{name}`"));
            }
        }
        let Some(manifest) = self.manifest()? else { return Ok(()) };
        self.outcome.manifest = Some(manifest.clone());
        self.files(&manifest)?;
        let note = self.text("checkpoint")?;
        // Only to learn which log this is; nothing is believed before the signature was checked.
        let claimed = Note::parse(&note).map_err(Into::into).and_then(|note| Checkpoint::parse(note.text()));
        let origin = match claimed {
            Ok(checkpoint) => checkpoint.origin,
            Err(error) => {
                self.outcome.find(format!("`checkpoint`: {error}"));
                return Ok(());
            }
        };
        let trust = self.trust()?;
        let found = self.found_key(trust.as_ref(), &origin);
        let Some(held) = self.held(&origin, found) else { return Ok(()) };
        let (checkpoint, key) = match held.open(&note, &origin) {
            Ok(opened) => opened,
            Err(error) => {
                self.outcome.find(format!("log {origin}: `checkpoint`: {error}"));
                return Ok(());
            }
        };
        self.outcome.key = Some((key.clone(), held.whose().into()));
        self.outcome.checkpoint = Some((checkpoint.clone(), note.clone()));
        let lifecycle = self.lifecycle()?;
        let summary = self.log(&manifest, lifecycle, &checkpoint, watch)?;
        let is_same = held.trusted().first().is_some_and(|(trusted, _)| *trusted == key);
        self.outcome.signer = Some(if is_same { Signer::Same } else { Signer::LedTo });
        if let Err(problem) = held.introduced(&key, checkpoint.size, &summary.keys) {
            if !is_same {
                self.outcome.signer = Some(Signer::Stranger);
            }
            self.outcome.find(format!("log {origin}: {problem}"));
        }
        self.growth(&checkpoint, &summary)?;
        self.outcome.summary = Some(summary);
        let own = (note, key.clone(), checkpoint.size);
        // Whoever cosigned the registry saw the log as far as the registry has it; whoever cosigned the log saw all of it.
        let (note, key, size) = match self.registry(&checkpoint, &key)? {
            Some(registry) if !self.all_cosigned(&own.0, &own.1) => registry,
            _ => own,
        };
        self.witnesses(trust.as_ref(), &note, &key, size);
        Ok(())
    }

    /// A small file; empty when it is not there or not as its header says, which is said.
    fn bytes(&mut self, name: &str) -> io::Result<Vec<u8>> {
        let Some(entry) = self.archive.entry(name) else { return Ok(Vec::new()) };
        match self.archive.read(entry) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.outcome.find(error.to_string());
                Ok(Vec::new())
            }
            read => read,
        }
    }

    fn text(&mut self, name: &str) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&self.bytes(name)?).into_owned())
    }

    /// A JSON file; none when it is not there or says something else, which is said.
    fn document<T: serde::de::DeserializeOwned>(&mut self, name: &str) -> io::Result<Option<T>> {
        if self.archive.entry(name).is_none() {
            return Ok(None);
        }
        let bytes = self.bytes(name)?;
        match serde_json::from_slice(&bytes) {
            Ok(document) => Ok(Some(document)),
            Err(error) => {
                self.outcome.find(format!("`{name}`: {error}"));
                Ok(None)
            }
        }
    }

    fn manifest(&mut self) -> io::Result<Option<Manifest>> {
        let bytes = self.bytes("manifest.json")?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let any = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
        let format = any.as_ref().and_then(|manifest| manifest["format"].as_str());
        if let Some(other) = format.filter(|format| *format != FORMAT) {
            self.outcome.other_format = Some(other.to_owned());
            return Ok(None);
        }
        match serde_json::from_slice(&bytes) {
            Ok(manifest) => Ok(Some(manifest)),
            Err(error) => {
                self.outcome.find(format!("`manifest.json`: {error}"));
                Ok(None)
            }
        }
    }

    /// Holds the archive's files against the manifest's list; the log's hash is compared when it is read.
    fn files(&mut self, manifest: &Manifest) -> io::Result<()> {
        let mut seen = BTreeSet::new();
        for listed in &manifest.files {
            let name = listed.name.escape_default();
            if !seen.insert(&listed.name) {
                self.outcome.find(format!("`manifest.json` lists `{name}` twice"));
            }
            if self.archive.entry(&listed.name).is_none() || listed.name == "manifest.json" {
                self.outcome.find(format!("`manifest.json` lists `{name}`, which is not there"));
            }
        }
        let archive = self.archive;
        for entry in archive.entries().iter().filter(|entry| entry.name != "manifest.json") {
            let name = entry.name;
            let Some(listed) = manifest.files.iter().find(|listed| listed.name == name) else {
                self.outcome.find(format!("`{name}` is not listed in `manifest.json`"));
                continue;
            };
            if listed.bytes != entry.bytes {
                let (has, says) = (entry.bytes, listed.bytes);
                self.outcome.find(format!("`{name}` has {has} bytes, and `manifest.json` says {says}"));
            } else if name != "log.ndjson" {
                let content = self.bytes(name)?;
                if Hex(Sha256::digest(&content).into()) != listed.sha256 {
                    self.outcome.find(not_the_hash(name));
                }
            }
        }
        Ok(())
    }

    fn trust(&mut self) -> io::Result<Option<Trust>> {
        // One that cannot be read at all was said to be so.
        if self.bytes("trust.json")?.is_empty() {
            return Ok(None);
        }
        self.document("trust.json")
    }

    fn found_key(&mut self, trust: Option<&Trust>, origin: &str) -> Option<VerifierKey> {
        let mut keys = trust?.keys.iter().filter_map(|key| key.key.parse::<VerifierKey>().ok());
        let found = keys.rfind(|key| key.name() == origin);
        if found.is_none() {
            self.outcome.find(format!("`trust.json` has no key of log {origin}"));
        }
        found
    }

    fn remembered(&self, origin: &str) -> Option<&Remembered> {
        self.known.remembered.iter().find(|remembered| remembered.origin == origin)
    }

    /// The keys that this log is held against.
    fn held(&mut self, origin: &str, found: Option<VerifierKey>) -> Option<Held> {
        let given = match &self.known.key {
            None => None,
            Some(given) => match under(given, origin) {
                Some(key) => Some(key),
                None => {
                    self.outcome.find(format!("log {origin}: the key given is of `{}`", given.name()));
                    return None;
                }
            },
        };
        let remembered = self.remembered(origin).map(|remembered| (remembered.key.clone(), remembered.size));
        let held = Held::new(given, remembered, found);
        // That there is none may be what damage has done, and was said then.
        if held.is_none() && self.outcome.findings.is_empty() {
            self.outcome.find(format!("log {origin}: no key to check it with"));
        }
        held
    }

    fn lifecycle(&mut self) -> io::Result<Lifecycle> {
        let content = self.bytes("lifecycle.ndjson")?;
        let (lifecycle, problems) = read_lifecycle(&content);
        self.outcome.findings.extend(problems);
        Ok(lifecycle)
    }

    /// What the lines are held against.
    fn asked(&mut self, manifest: &Manifest) -> Asked {
        let mut asked = Asked { rows: true.into(), ..Asked::default() };
        match Withheld::new(manifest.withheld.iter().map(String::as_str)) {
            Ok(withheld) => asked.withheld = withheld,
            Err(problem) => self.outcome.find(format!("`manifest.json`: withheld: {problem}")),
        }
        match manifest.filter.as_deref().map(|filter| read_filter(filter, &manifest.tenant)) {
            None => {}
            Some(Ok(lens)) => {
                let both = lens.looks_at_withheld(&asked.withheld);
                if let Some(pattern) = both.filter(|_| manifest.mode == Mode::Covered) {
                    self.outcome.find(format!("the bundle withholds `{pattern}`, which its filter looks at"));
                }
                asked.lens = Some(lens);
            }
            Some(Err(problem)) => {
                self.outcome.find(format!("`manifest.json`: the filter cannot be read: {problem}"));
            }
        }
        asked
    }

    fn log(
        &mut self,
        manifest: &Manifest,
        lifecycle: Lifecycle,
        checkpoint: &Checkpoint,
        watch: &mut dyn Watch,
    ) -> io::Result<Summary> {
        let asked = self.asked(manifest);
        let size = checkpoint.size;
        let earlier = self.remembered(&checkpoint.origin).map(|remembered| remembered.size);
        let wanted: Vec<u64> = earlier.into_iter().filter(|earlier| *earlier <= size).collect();
        let mut judge = Judge::new(manifest, lifecycle, size, &wanted);
        if manifest.range.0 >= manifest.range.1 {
            judge.find(None, "the bundle accounts for no position: its range is empty".to_owned());
        }
        if let Some(entry) = self.archive.entry("log.ndjson") {
            let mut looker = Looker::default();
            let mut wrong = None;
            let read = cut(&mut self.archive.content(entry), &mut |piece| {
                let (seen, ended) = looker.piece(&piece, &asked);
                for seeing in seen {
                    let Judged { verdict, goes_on, .. } = judge.take(seeing);
                    if let Some((position, verdict)) = verdict {
                        watch.position(position, verdict);
                    }
                    if !goes_on {
                        return false;
                    }
                }
                watch.progress(judge.next(), size);
                asked.rows.store(judge.wants_rows(), std::sync::atomic::Ordering::Relaxed);
                wrong = ended.err();
                wrong.is_none()
            });
            let read = match wrong {
                Some(problem) => Err(Stopped::Line(problem)),
                None => read,
            };
            match read {
                Ok(content) => {
                    let listed = manifest.files.iter().find(|listed| listed.name == "log.ndjson");
                    if listed.is_some_and(|listed| {
                        listed.sha256 != content.sha256 && listed.bytes == content.bytes
                    }) {
                        self.outcome.find(not_the_hash("log.ndjson"));
                    }
                }
                // It was found by the judge.
                Err(Stopped::Enough) => {}
                Err(Stopped::Line(problem)) => {
                    judge.find(None, format!("`log.ndjson`, after position {}: {problem}", judge.next()));
                }
                Err(Stopped::Read(error)) if error.kind() == io::ErrorKind::InvalidData => {
                    judge.find(None, error.to_string());
                }
                Err(Stopped::Read(error)) => return Err(error),
            }
        }
        (self.outcome.matched, self.outcome.gone) = (judge.matched, judge.gone);
        self.outcome.rows = std::mem::take(&mut judge.rows);
        Ok(judge.finish(manifest, checkpoint))
    }

    /// Whether the log extends what was accepted before, and what `earlier.json` says.
    fn growth(&mut self, checkpoint: &Checkpoint, summary: &Summary) -> io::Result<()> {
        let mut proven: Vec<(u64, Hash)> = summary.roots.clone();
        if let Some(earlier) = self.document::<Earlier>("earlier.json")? {
            match earlier.verify(checkpoint) {
                Ok(()) => proven.push((earlier.size, Hash(earlier.root.0))),
                Err(error) => self.outcome.find(format!("`earlier.json`: {error}")),
            }
        }
        let origin = &checkpoint.origin;
        let Some(Remembered { size, root, .. }) = self.remembered(origin).cloned() else { return Ok(()) };
        if checkpoint.size < size {
            self.outcome.find(format!(
                "log {origin}: the bundle's checkpoint has {} records, and {size} were accepted before: it is older than what is known, and nothing shows that it is of the same history",
                checkpoint.size
            ));
        } else if checkpoint.size == size && checkpoint.root != root
            || proven.iter().any(|(other, found)| *other == size && *found != root)
        {
            self.outcome.find(format!(
                "log {origin}: its first {size} records are not those that were accepted before: this is another history"
            ));
        } else if checkpoint.size == size || size == 0 || proven.contains(&(size, root)) {
            self.outcome.extends = Some(size);
        } else {
            self.outcome.find(format!(
                "log {origin}: nothing in the bundle shows that it extends the {size} records accepted before; ask for one made with `--earlier {size}`"
            ));
        }
        Ok(())
    }

    /// The registry's checkpoint, which witnesses cosign, if the bundle has it and it speaks of this log.
    fn registry(
        &mut self,
        checkpoint: &Checkpoint,
        key: &VerifierKey,
    ) -> io::Result<Option<(String, VerifierKey, u64)>> {
        let Some(registry) = self.document::<Registry>("registry.json")? else { return Ok(None) };
        // One key signs all logs of a ledger, each under its own name.
        let Ok(key) = key.with_name(&registry.origin) else {
            self.outcome.find("`registry.json`: its origin is none");
            return Ok(None);
        };
        match registry.verify(checkpoint, &key) {
            Ok((of, _)) => Ok(Some((registry.checkpoint, key, of.size))),
            Err(error) => {
                self.outcome.find(format!("`registry.json`: {error}"));
                Ok(None)
            }
        }
    }

    /// Whether every witness that is demanded cosigned, and there is one.
    fn all_cosigned(&self, note: &str, key: &VerifierKey) -> bool {
        let demanded = &self.known.witnesses;
        let (Ok(note), Ok(quorum)) = (Note::parse(note), Quorum::new(demanded.clone(), demanded.len()))
        else {
            return false;
        };
        let latest = self.known.now_seconds.saturating_add(AHEAD_SECONDS_MAX);
        quorum.count(&note, key).each.iter().all(|said| said.as_ref().is_ok_and(|at| *at <= latest))
    }

    fn witnesses(&mut self, trust: Option<&Trust>, note: &str, key: &VerifierKey, size: u64) {
        let Ok(note) = Note::parse(note) else { return };
        let now = self.known.now_seconds;
        let said = |witness: &WitnessKey| match Quorum::new(vec![witness.clone()], 1) {
            Err(_) => Err("is none"),
            Ok(quorum) => match quorum.count(&note, key).each.first() {
                Some(Ok(at)) if *at > now.saturating_add(AHEAD_SECONDS_MAX) => {
                    Err("has a cosignature of a time to come")
                }
                Some(Ok(at)) => Ok(*at),
                Some(Err(annals_tree::cosignature::CosignatureError::Missing)) | None => Err("did not"),
                Some(Err(_)) => Err("has a wrong cosignature there"),
            },
        };
        let one = |witness: &WitnessKey, is_demanded| Witness {
            name: witness.name().to_owned(),
            is_demanded,
            said: said(witness),
        };
        let demanded = &self.known.witnesses;
        let mut all: Vec<Witness> = demanded.iter().map(|witness| one(witness, true)).collect();
        let cosigned = all.iter().filter(|witness| witness.said.is_ok()).count();
        let named = trust.iter().flat_map(|trust| &trust.witnesses);
        let named = named.filter_map(|text| text.parse::<WitnessKey>().ok());
        all.extend(named.filter(|witness| !demanded.contains(witness)).map(|witness| one(&witness, false)));
        self.outcome.cosigned = Some((key.name().to_owned(), size));
        self.outcome.witnesses = all;
        if cosigned < demanded.len() {
            let problem =
                format!("log {}: {cosigned} witnesses cosigned, {} are needed", key.name(), demanded.len());
            self.outcome.find(problem);
        }
    }
}

fn not_the_hash(name: &str) -> String {
    format!("`{name}` does not have the SHA-256 that `manifest.json` says")
}

/// A key under the log's origin: given so, or as the key of its ledger; none when it is of another.
#[must_use]
pub fn under(key: &VerifierKey, origin: &str) -> Option<VerifierKey> {
    let is_of_ledger = origin.strip_prefix(key.name()).is_some_and(|rest| rest.starts_with('/'));
    (key.name() == origin || is_of_ledger).then(|| key.with_name(origin).ok()).flatten()
}
