//! An evidence bundle: one file, checked without any server.

use std::io::{self, Read as _};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use annals_bundle::{
    Earlier, FORMAT, Hex, Lifecycle, Manifest, Mode, RegisteredHead, Registry, Summary, Trust,
};
use annals_event::Timestamp;
use annals_tree::Hash;
use annals_tree::checkpoint::Checkpoint;
use annals_tree::note::{Note, VerifierKey};
use annals_verify::{Withheld, read_filter};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::published::another_history;
use super::report::{Against, Report, Verdict};
use crate::exit::{Exit, Failure};
use crate::verify::bundle::judge::{Judge, Judged, counted};
use crate::verify::bundle::lines::{self, Asked, Stopped};
use crate::verify::bundle::zip::{Archive, ZipError};
use crate::verify::bundle::{NEEDED, read_lifecycle};
use crate::verify::memory::Remembered;

/// Checks a bundle; with `positions` says what became of each.
pub(super) fn verify(path: &Path, positions: bool, report: &mut Report) -> Result<(), Failure> {
    let archive = match Archive::open(path) {
        Ok(archive) => archive,
        Err(ZipError::Io(error)) => return Err(Failure::io("read the bundle", path, &error)),
        Err(ZipError::Form(problem)) => {
            let message = format!("`{}` is no whole bundle: {problem}", path.display());
            return report.finding(&message, json!({"file": path.display().to_string()}));
        }
    };
    let mut bundle = Bundle { archive, findings: Vec::new() };
    let checked = bundle.check(path, positions, report)?;
    for problem in &bundle.findings {
        report.finding(problem, json!({}))?;
    }
    match checked {
        Some(checked) => checked.say(bundle.findings.is_empty(), report),
        None => Ok(()),
    }
}

struct Bundle {
    archive: Archive,
    /// What does not hold beside the log itself.
    findings: Vec<String>,
}

/// A bundle whose log was read.
struct Checked {
    manifest: Manifest,
    checkpoint: Checkpoint,
    note: String,
    /// The key that signed it.
    key: VerifierKey,
    against: Against,
    summary: Summary,
    matched: u64,
    gone: u64,
    is_linked: bool,
    registered: Option<Registered>,
}

/// What the registry of all logs has of the log. Witnesses may have cosigned its checkpoint in place of the log's own.
struct Registered {
    head: RegisteredHead,
    /// Where in the registry.
    position: u64,
    note: String,
    key: VerifierKey,
    /// Records in the registry.
    size: u64,
}

impl Bundle {
    fn find(&mut self, problem: impl Into<String>) {
        self.findings.push(problem.into());
    }

    /// Checks everything. Without a checkpoint to hold the log against, the log is not read.
    fn check(
        &mut self,
        path: &Path,
        positions: bool,
        report: &mut Report,
    ) -> Result<Option<Checked>, Failure> {
        for name in NEEDED {
            if self.archive.entry(name).is_none() {
                self.find(format!("the bundle has no `{name}`"));
            }
        }
        let Some(manifest) = self.manifest(path)? else { return Ok(None) };
        self.check_files(path, &manifest)?;
        let note = self.text(path, "checkpoint")?;
        // Only to learn which log this is; nothing is believed before the signature was checked.
        let claimed = Note::parse(&note).map_err(Into::into).and_then(|note| Checkpoint::parse(note.text()));
        let origin = match claimed {
            Ok(checkpoint) => checkpoint.origin,
            Err(error) => {
                self.find(format!("`checkpoint`: {error}"));
                return Ok(None);
            }
        };
        let found = self.found_key(path, &origin)?;
        let against = match report.against(&origin, found.as_ref()) {
            // That there is no key is what damage was found to have done.
            Err(failure) if failure.exit == Exit::Invalid && !self.findings.is_empty() => return Ok(None),
            against => against?,
        };
        let Some(against) = against else { return Ok(None) };
        let (checkpoint, key) = match against.open(&note, &origin) {
            Ok(opened) => opened,
            Err(error) => {
                self.find(format!("log {origin}: `checkpoint`: {error}"));
                return Ok(None);
            }
        };
        let lifecycle = self.lifecycle(path)?;
        let asked = self.asked(&manifest);
        let known = against.earlier.filter(|(size, _)| *size <= checkpoint.size);
        let wanted: Vec<u64> = known.iter().map(|(size, _)| *size).collect();
        let mut judge = Judge::new(&manifest, lifecycle, checkpoint.size, &wanted);
        if manifest.range.0 >= manifest.range.1 {
            judge.find(None, "the bundle accounts for no position: its range is empty".to_owned());
        }
        let began = Instant::now();
        self.walk(path, &manifest, &asked, &mut judge, positions, report)?;
        let (matched, gone) = (judge.matched, judge.gone);
        let summary = judge.finish(&manifest, &checkpoint);
        report.took(summary.counts.records, began.elapsed());
        if let Err(problem) = against.introduced(&key, checkpoint.size, &summary.keys) {
            self.find(format!("log {origin}: {problem}"));
        }
        let is_linked = self.check_growth(path, &checkpoint, &against, &summary)?;
        let registered = self.check_registry(path, &checkpoint, &key)?;
        Ok(Some(Checked {
            manifest,
            checkpoint,
            note,
            key,
            against,
            summary,
            matched,
            gone,
            is_linked,
            registered,
        }))
    }

    /// A small file; empty when it is not there or not as its header says, which is said.
    fn bytes(&mut self, path: &Path, name: &str) -> Result<Vec<u8>, Failure> {
        let Some(entry) = self.archive.entry(name) else { return Ok(Vec::new()) };
        match self.archive.read(entry) {
            Ok(bytes) => Ok(bytes),
            Err(error) => {
                let problem = unreadable(path, &error)?;
                self.find(problem);
                Ok(Vec::new())
            }
        }
    }

    fn text(&mut self, path: &Path, name: &str) -> Result<String, Failure> {
        let bytes = self.bytes(path, name)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn manifest(&mut self, path: &Path) -> Result<Option<Manifest>, Failure> {
        let bytes = self.bytes(path, "manifest.json")?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let format = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
        let format = format.as_ref().and_then(|manifest| manifest["format"].as_str());
        if format.is_some_and(|format| format != FORMAT) {
            let message = format!(
                "`{}` is a bundle of the format `{}`, and this program reads `{FORMAT}`",
                path.display(),
                format.unwrap_or_default().escape_default()
            );
            return Err(Failure::new(Exit::Invalid, message).with_hint("use a newer version of annals"));
        }
        match serde_json::from_slice(&bytes) {
            Ok(manifest) => Ok(Some(manifest)),
            Err(error) => {
                self.find(format!("`manifest.json`: {error}"));
                Ok(None)
            }
        }
    }

    /// Holds the archive's files against the manifest's list; the log's hash is compared when it is read.
    fn check_files(&mut self, path: &Path, manifest: &Manifest) -> Result<(), Failure> {
        for (at, listed) in manifest.files.iter().enumerate() {
            let name = listed.name.escape_default();
            if manifest.files[..at].iter().any(|other| other.name == listed.name) {
                self.find(format!("`manifest.json` lists `{name}` twice"));
            }
            if self.archive.entry(&listed.name).is_none() || listed.name == "manifest.json" {
                self.find(format!("`manifest.json` lists `{name}`, which is not there"));
            }
        }
        for entry in self.archive.entries().to_vec() {
            if entry.name == "manifest.json" {
                continue;
            }
            let Some(listed) = manifest.files.iter().find(|listed| listed.name == entry.name) else {
                self.find(format!("`{}` is not listed in `manifest.json`", entry.name));
                continue;
            };
            if listed.bytes != entry.bytes {
                self.find(format!(
                    "`{}` has {} bytes, and `manifest.json` says {}",
                    entry.name, entry.bytes, listed.bytes
                ));
            } else if entry.name != "log.ndjson" {
                let content = self.bytes(path, entry.name)?;
                if Hex(Sha256::digest(&content).into()) != listed.sha256 {
                    self.find(not_the_hash(entry.name));
                }
            }
        }
        Ok(())
    }

    /// The key that the bundle says is the log's.
    fn found_key(&mut self, path: &Path, origin: &str) -> Result<Option<VerifierKey>, Failure> {
        let bytes = self.bytes(path, "trust.json")?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let trust: Trust = match serde_json::from_slice(&bytes) {
            Ok(trust) => trust,
            Err(error) => {
                self.find(format!("`trust.json`: {error}"));
                return Ok(None);
            }
        };
        let mut keys = trust.keys.iter().filter_map(|key| key.key.parse::<VerifierKey>().ok());
        let found = keys.rfind(|key| key.name() == origin);
        if found.is_none() {
            self.find(format!("`trust.json` has no key of log {origin}"));
        }
        Ok(found)
    }

    fn lifecycle(&mut self, path: &Path) -> Result<Lifecycle, Failure> {
        let content = self.bytes(path, "lifecycle.ndjson")?;
        let (lifecycle, problems) = read_lifecycle(&content);
        self.findings.extend(problems);
        Ok(lifecycle)
    }

    /// What the lines are held against.
    fn asked(&mut self, manifest: &Manifest) -> Asked {
        let mut asked = Asked::default();
        match Withheld::new(manifest.withheld.iter().map(String::as_str)) {
            Ok(withheld) => asked.withheld = withheld,
            Err(problem) => self.find(format!("`manifest.json`: withheld: {problem}")),
        }
        match manifest.filter.as_deref().map(|filter| read_filter(filter, &manifest.tenant)) {
            None => {}
            Some(Ok(lens)) => {
                let both = lens.looks_at_withheld(&asked.withheld);
                if let Some(pattern) = both.filter(|_| manifest.mode == Mode::Covered) {
                    self.find(format!("the bundle withholds `{pattern}`, which its filter looks at"));
                }
                asked.lens = Some(lens);
            }
            Some(Err(problem)) => self.find(format!("`manifest.json`: the filter cannot be read: {problem}")),
        }
        asked
    }

    fn walk(
        &mut self,
        path: &Path,
        manifest: &Manifest,
        asked: &Asked,
        judge: &mut Judge,
        positions: bool,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let Some(entry) = self.archive.entry("log.ndjson") else { return Ok(()) };
        let mut progress = report.output.progress(manifest.size, "positions");
        let mut said = Ok(());
        asked.rows.store(false, Ordering::Relaxed);
        let output = report.output;
        let read = lines::check(self.archive.content(entry).take(u64::MAX), asked, &mut |seeing| {
            let Judged { verdict, positions: more, goes_on } = judge.take(seeing);
            progress.add(more);
            if let (Some((position, verdict)), true) = (verdict, positions) {
                said = output.line(
                    || format!("{:<11} position {position}", verdict.as_str()),
                    || json!({"type": "item", "item": "position", "position": position, "verdict": verdict.as_str()}),
                );
            }
            goes_on && said.is_ok()
        });
        progress.finish();
        said?;
        match read {
            Ok(content) => {
                let listed = manifest.files.iter().find(|listed| listed.name == "log.ndjson");
                if listed
                    .is_some_and(|listed| listed.sha256 != content.sha256 && listed.bytes == content.bytes)
                {
                    self.find(not_the_hash("log.ndjson"));
                }
            }
            // It was found by the judge.
            Err(Stopped::Enough) => {}
            Err(Stopped::Line(problem)) => {
                judge.find(None, format!("`log.ndjson`, after position {}: {problem}", judge.next()));
            }
            Err(Stopped::Read(error)) => judge.find(None, unreadable(path, &error)?),
        }
        Ok(())
    }

    /// The registry's checkpoint, which witnesses cosign, if the bundle has it and it speaks of this log.
    fn check_registry(
        &mut self,
        path: &Path,
        checkpoint: &Checkpoint,
        key: &VerifierKey,
    ) -> Result<Option<Registered>, Failure> {
        if self.archive.entry("registry.json").is_none() {
            return Ok(None);
        }
        let bytes = self.bytes(path, "registry.json")?;
        let registry: Registry = match serde_json::from_slice(&bytes) {
            Ok(registry) => registry,
            Err(error) => {
                self.find(format!("`registry.json`: {error}"));
                return Ok(None);
            }
        };
        // One key signs all logs of a ledger, each under its own name.
        let Ok(key) = key.with_name(&registry.origin) else {
            self.find("`registry.json`: its origin is none");
            return Ok(None);
        };
        let verified = registry.verify(checkpoint, &key).and_then(|(of, _)| Ok((of, registry.stated()?)));
        match verified {
            Ok((of, head)) => Ok(Some(Registered {
                head,
                position: registry.position,
                note: registry.checkpoint,
                key,
                size: of.size,
            })),
            Err(error) => {
                self.find(format!("`registry.json`: {error}"));
                Ok(None)
            }
        }
    }

    /// Whether the log extends what was accepted before, and what `earlier.json` says.
    fn check_growth(
        &mut self,
        path: &Path,
        checkpoint: &Checkpoint,
        against: &Against,
        summary: &Summary,
    ) -> Result<bool, Failure> {
        let mut proven: Vec<(u64, Hash)> = summary.roots.clone();
        if self.archive.entry("earlier.json").is_some() {
            let bytes = self.bytes(path, "earlier.json")?;
            match serde_json::from_slice::<Earlier>(&bytes) {
                Err(error) => self.find(format!("`earlier.json`: {error}")),
                Ok(earlier) => match earlier.verify(checkpoint) {
                    Ok(()) => proven.push((earlier.size, Hash(earlier.root.0))),
                    Err(error) => self.find(format!("`earlier.json`: {error}")),
                },
            }
        }
        let Some((size, root)) = against.earlier else { return Ok(true) };
        let origin = &checkpoint.origin;
        if checkpoint.size < size {
            self.find(format!(
                "log {origin}: the bundle's checkpoint has {} records, and {size} were accepted before: it is older than what is known, and nothing shows that it is of the same history",
                checkpoint.size
            ));
            return Ok(false);
        }
        if checkpoint.size == size && checkpoint.root != root
            || proven.iter().any(|(other, found)| *other == size && *found != root)
        {
            self.find(format!("log {origin}: {}", another_history(size)));
            return Ok(false);
        }
        let is_shown = checkpoint.size == size || size == 0 || proven.contains(&(size, root));
        if !is_shown {
            self.find(format!(
                "log {origin}: nothing in the bundle shows that it extends the {size} records accepted before; ask for one made with `--earlier {size}`"
            ));
        }
        Ok(is_shown)
    }
}

impl Checked {
    fn say(self, is_intact: bool, report: &mut Report) -> Result<(), Failure> {
        let Self { manifest, checkpoint, note, key, against, summary, matched, gone, is_linked, registered } =
            self;
        let origin = &checkpoint.origin;
        for finding in &summary.findings {
            report.finding(
                &format!("log {origin}: {finding}"),
                json!({"origin": origin, "position": finding.position}),
            )?;
        }
        let more = summary.findings_count - summary.findings.len() as u64;
        if more > 0 {
            report.finding(
                &format!("log {origin}: {more} more findings are not listed"),
                json!({"origin": origin}),
            )?;
        }
        let is_intact = is_intact && summary.findings_count == 0;
        let counts = counted(&summary.verdicts);
        let (first, end) = manifest.range;
        report.output.line(
            || {
                let filter = manifest.filter.as_ref().map_or_else(String::new, |filter| format!(", filter `{filter}`"));
                format!(
                    "range     positions {first} to {}, {}{filter}: {matched} events match and are shown{}",
                    end.saturating_sub(1),
                    mode_words(manifest.mode),
                    if gone > 0 { format!(", of {gone} nobody can tell any more") } else { String::new() },
                )
            },
            || {
                json!({
                    "type": "item", "item": "bundle", "origin": origin, "tenant": manifest.tenant, "log": manifest.log,
                    "range": manifest.range, "mode": manifest.mode, "filter": manifest.filter, "withheld": manifest.withheld,
                    "matched": matched, "gone": gone, "records": summary.counts.records, "disclosed": summary.counts.disclosed,
                    "verdicts": annals_bundle::Verdict::ALL
                        .map(|verdict| (verdict.as_str(), summary.verdicts.get(&verdict).copied().unwrap_or(0)))
                        .into_iter().collect::<std::collections::BTreeMap<_, _>>(),
                })
            },
        )?;
        report.verdict(&Verdict {
            tenant: Some(&manifest.tenant),
            log: Some(&manifest.log),
            origin,
            size: checkpoint.size,
            root: checkpoint.root,
            trust: against.trust(),
            earlier: against.earlier.filter(|_| is_linked).map(|(size, _)| size),
            intact: is_intact,
            remark: Some(counts),
        })?;
        if is_intact && manifest.mode == Mode::Selection {
            report.output.note(
                "note: a selection shows that its events are in the log, unchanged; that it leaves none out that matches cannot be seen from it. \
                 `--mode covered` shows that.",
            );
        }
        if let Some(registered) = &registered {
            registered.say(&checkpoint, report)?;
        }
        // Whoever cosigned the registry saw the log as far as the registry has it; whoever cosigned the log saw all of it.
        let own = Note::parse(&note).ok();
        let in_registry = registered.as_ref().and_then(|of| Some((Note::parse(&of.note).ok()?, of)));
        match (own, in_registry) {
            (own, Some((note, of))) if !own.as_ref().is_some_and(|own| report.has_quorum(own, &key)) => {
                report.cosigned(&note, &of.key, of.size)?;
            }
            (Some(own), _) => report.cosigned(&own, &key, checkpoint.size)?,
            (None, _) => {}
        }
        if is_intact {
            report.remember(&Remembered {
                origin: origin.clone(),
                public_key: key.to_string(),
                size: checkpoint.size,
                root: checkpoint.root.to_string(),
                checkpoint: Some(note),
            })?;
        }
        Ok(())
    }
}

impl Registered {
    /// Says since when the registry has how much of the log.
    fn say(&self, checkpoint: &Checkpoint, report: &Report) -> Result<(), Failure> {
        let at = i64::try_from(self.head.received_at_ms).ok().and_then(|ms| ms.checked_mul(1_000));
        // To the second, as the times of cosignatures are said.
        let at = at.and_then(Timestamp::from_micros).map(|at| format!("{}Z", &at.to_string()[..19]));
        let (origin, registry, position) = (&checkpoint.origin, self.key.name(), self.position);
        let (known, all) = (self.head.size, checkpoint.size);
        report.output.line(
            || {
                let at = at.as_deref().unwrap_or("a time that cannot be");
                format!(
                    "registry  log {origin}: registered as of {at} with {known} of its {all} records, at position {position} of {registry}"
                )
            },
            || {
                json!({
                    "type": "item", "item": "registered", "origin": origin, "registry": registry, "position": position,
                    "size": known, "of": all, "registered_at": at, "registry_size": self.size,
                })
            },
        )
    }
}

fn mode_words(mode: Mode) -> &'static str {
    match mode {
        Mode::Selection => "a selection",
        Mode::GapFree => "gap-free",
        Mode::Covered => "covered",
    }
}

fn not_the_hash(name: &str) -> String {
    format!("`{name}` does not have the SHA-256 that `manifest.json` says")
}

/// What is wrong with a file's content; where the disk fails, that is a failure of ours.
fn unreadable(path: &Path, error: &io::Error) -> Result<String, Failure> {
    match error.kind() {
        io::ErrorKind::InvalidData => Ok(error.to_string()),
        _ => Err(Failure::io("read the bundle", path, error)),
    }
}
