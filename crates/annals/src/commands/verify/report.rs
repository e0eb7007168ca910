//! What verifying comes to: keys and earlier checkpoints to hold a log against, and words for the outcome.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use annals_bundle::{Held, KeyChange, Whose};
use annals_ledger::audit::AuditedLog;
use annals_tree::Hash;
use annals_tree::checkpoint::{Checkpoint, CheckpointError};
use annals_tree::cosignature::Quorum;
use annals_tree::note::{Note, VerifierKey};
use annals_tree::origin::ledger_of;
use annals_tree::succession::{Succession, path};
use serde_json::{Value, json};

use super::witnesses;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::verify::memory::{Memory, Remembered};

/// Collects verdicts and says them.
pub(super) struct Report {
    pub(super) output: Output,
    log_key: Option<VerifierKey>,
    memory: Memory,
    /// Who must have cosigned.
    quorum: Option<Quorum>,
    /// Logs whose cosignatures were looked at.
    cosigned: u64,
    logs: u64,
    events: u64,
    findings: u64,
    time: Duration,
    /// Logs whose key was taken from themselves.
    pinned: u64,
    /// Logs without an earlier checkpoint to hold them against.
    first_seen: u64,
    /// Bytes at the journal's end that are no whole batch; none when no journal was looked at.
    tail_bytes: Option<u64>,
}

/// What a log is held against.
pub(super) struct Against {
    keys: Held,
    /// The key accepted before, also where the same one was given.
    remembered: Option<VerifierKey>,
    /// Size and root accepted before.
    pub(super) earlier: Option<(u64, Hash)>,
}

/// How the keys that are trusted belong to the one that a log shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Led {
    /// They are that one, or it follows them.
    On,
    /// One that was given follows it: the log is signed by an earlier key alone.
    Back,
}

impl Against {
    /// Where the key comes from.
    pub(super) fn trust(&self) -> Whose {
        self.keys.whose()
    }

    /// As [`Held::open`].
    pub(super) fn open(
        &self,
        note: &str,
        origin: &str,
    ) -> Result<(Checkpoint, VerifierKey), CheckpointError> {
        self.keys.open(note, origin)
    }

    /// As [`Held::introduced`].
    pub(super) fn introduced(
        &self,
        signer: &VerifierKey,
        size: u64,
        changes: &[(u64, KeyChange)],
    ) -> Result<(), String> {
        self.keys.introduced(signer, size, changes)
    }

    /// As [`Against::introduced`], of a ledger that is there whole: `signer` is what it says itself, and keys that follow one another
    /// have signed that.
    pub(super) fn leads(&self, signer: &VerifierKey, successions: &[Succession]) -> Result<Led, String> {
        let under = |key: &VerifierKey| {
            let ledger = ledger_of(key.name()).unwrap_or(key.name());
            key.with_name(ledger).ok()
        };
        let led = |trusted: &VerifierKey| {
            let (key, signer) = (under(trusted)?, under(signer)?);
            if path(&key, &signer, successions).is_some() {
                return Some(Led::On);
            }
            // A log that did not change since a rotation was signed by the key before, which the new one vouches for. But who
            // remembers the new one has seen the log introduce it: it cannot be as it was before that.
            let is_remembered = self.remembered.as_ref() == Some(trusted);
            let leads_back = !is_remembered && path(&signer, &key, successions).is_some();
            leads_back.then_some(Led::Back)
        };
        let mut all = Led::On;
        for (key, _) in self.keys.trusted() {
            match led(key) {
                Some(Led::On) => {}
                Some(Led::Back) => all = Led::Back,
                None => {
                    let is_remembered = self.remembered.as_ref() == Some(key);
                    let whose = if is_remembered { Whose::Remembered } else { Whose::Found }.words();
                    return Err(format!("the key {whose} is another than the one it is checked with"));
                }
            }
        }
        Ok(all)
    }
}

/// One log, checked.
pub(super) struct Verdict<'a> {
    pub(super) tenant: Option<&'a str>,
    /// `events` or `access`, where it is known.
    pub(super) log: Option<&'a str>,
    pub(super) origin: &'a str,
    pub(super) size: u64,
    pub(super) root: Hash,
    pub(super) trust: Whose,
    pub(super) earlier: Option<u64>,
    pub(super) intact: bool,
    /// More to say, in words.
    pub(super) remark: Option<String>,
}

impl Report {
    pub(super) fn new(output: Output, log_key: Option<VerifierKey>, memory: Memory) -> Self {
        Self {
            output,
            log_key,
            memory,
            quorum: None,
            cosigned: 0,
            logs: 0,
            events: 0,
            findings: 0,
            time: Duration::ZERO,
            pinned: 0,
            first_seen: 0,
            tail_bytes: None,
        }
    }

    /// Also counts cosignatures.
    pub(super) fn with_witnesses(self, quorum: Option<Quorum>) -> Self {
        Self { quorum, ..self }
    }

    /// Whether cosignatures are to be counted.
    pub(super) fn wants_witnesses(&self) -> bool {
        self.quorum.is_some()
    }

    /// Whether enough witnesses cosigned a checkpoint that the log's `key` signed; no when nobody asked for witnesses.
    pub(super) fn has_quorum(&self, note: &Note, key: &VerifierKey) -> bool {
        self.quorum.as_ref().is_some_and(|quorum| witnesses::is_met(quorum, note, key))
    }

    /// Counts the cosignatures of a checkpoint over `size` records that the log's `key` signed, when that is wanted.
    pub(super) fn cosigned(&mut self, note: &Note, key: &VerifierKey, size: u64) -> Result<(), Failure> {
        let Some(quorum) = self.quorum.clone() else { return Ok(()) };
        self.cosigned += 1;
        witnesses::say(self, &quorum, note, key, size)
    }

    /// Refuses to remember inside of what is checked.
    pub(super) fn keep_out_of(&self, target: &Path) -> Result<(), Failure> {
        let absolute = |path: &Path| std::fs::canonicalize(path).or_else(|_| std::path::absolute(path));
        match (absolute(target), absolute(self.memory.folder())) {
            (Ok(target), Ok(memory)) if memory.starts_with(&target) => {
                let message = format!(
                    "`{}`, where checkpoints are remembered, is inside of what is to be verified",
                    memory.display()
                );
                Err(Failure::new(Exit::Invalid, message)
                    .with_hint("set `ANNALS_STATE` to a folder elsewhere"))
            }
            _ => Ok(()),
        }
    }

    /// Lets a key given for one of these logs stand for them all: they are one ledger's.
    pub(super) fn widen_key(&mut self, logs: &[AuditedLog]) {
        let Some(key) = &self.log_key else { return };
        let ledger = logs
            .iter()
            .any(|log| log.origin == key.name())
            .then(|| key.name().rsplitn(3, '/').nth(2))
            .flatten();
        if let Some(widened) = ledger.and_then(|ledger| key.with_name(ledger).ok()) {
            self.log_key = Some(widened);
        }
    }

    /// The keys and the earlier checkpoint for the log called `origin`, which shows `found` as its key; none when the key given is
    /// of another log, which is then a finding.
    pub(super) fn against(
        &mut self,
        origin: &str,
        found: Option<&VerifierKey>,
    ) -> Result<Option<Against>, Failure> {
        let remembered = self.memory.recall(origin)?;
        let remembered = remembered.as_ref().and_then(Remembered::parsed_with_size);
        let pinned = remembered.as_ref().map(|(key, ..)| key.clone());
        let earlier = remembered.as_ref().map(|(_, size, root)| (*size, *root));
        let given = match &self.log_key {
            None => None,
            Some(given) => match named(given, origin) {
                Some(key) => Some(key),
                None => {
                    let message = format!("log {origin}: the key given is of `{}`", given.name());
                    self.finding(&message, json!({"origin": origin}))?;
                    return Ok(None);
                }
            },
        };
        let remembered = pinned.clone().zip(earlier.map(|(size, _)| size));
        let keys = Held::new(given, remembered, found.cloned()).ok_or_else(|| {
            Failure::new(Exit::Invalid, format!("log {origin}: no key to check it with"))
                .with_hint("give the log's public key with `--log-key`")
        })?;
        Ok(Some(Against { keys, remembered: pinned, earlier }))
    }

    /// Says that something does not hold.
    pub(super) fn finding(&mut self, message: &str, details: Value) -> Result<(), Failure> {
        self.findings += 1;
        let json = || {
            let mut line = json!({"type": "item", "item": "finding", "message": message});
            if let (Value::Object(line), Value::Object(details)) = (&mut line, details) {
                line.extend(details);
            }
            line
        };
        self.output.line(|| format!("damaged   {message}"), json)
    }

    /// Says how a log came off.
    pub(super) fn verdict(&mut self, verdict: &Verdict<'_>) -> Result<(), Failure> {
        self.logs += 1;
        if verdict.intact {
            self.pinned += u64::from(verdict.trust == Whose::Found);
            self.first_seen += u64::from(verdict.earlier.is_none());
        }
        let word = if verdict.intact { "ok" } else { "damaged" };
        let text = || {
            let whose = match (verdict.tenant, verdict.log) {
                (Some(tenant), Some("access")) => format!("access log of tenant `{tenant}`, "),
                (Some(tenant), _) => format!("tenant `{tenant}`, "),
                (None, _) => String::new(),
            };
            let earlier = match verdict.earlier {
                Some(size) if verdict.intact => format!(", extends the {size} accepted before"),
                _ => String::new(),
            };
            let remark = verdict.remark.as_ref().map_or_else(String::new, |remark| format!(", {remark}"));
            format!(
                "{word:<9} {whose}log {}: {} records, root {}{earlier}{remark}",
                verdict.origin, verdict.size, verdict.root
            )
        };
        let json = || {
            json!({
                "type": "item", "item": "log", "tenant": verdict.tenant, "log": verdict.log, "origin": verdict.origin,
                "size": verdict.size, "root": verdict.root.to_string(), "verdict": word, "key": word_of(verdict.trust),
                "earlier": verdict.earlier,
            })
        };
        self.output.line(text, json)
    }

    /// Remembers an intact log's newest signed state.
    pub(super) fn remember(&self, newest: &Remembered) -> Result<(), Failure> {
        self.memory.remember(newest)
    }

    /// So many events were checked in this time.
    pub(super) fn took(&mut self, events: u64, time: Duration) {
        self.events += events;
        self.time += time;
    }

    /// So many bytes at the journal's end are no whole batch. Whether any of it was acknowledged cannot be known from them.
    pub(super) fn tail(&mut self, bytes: u64) {
        self.tail_bytes = Some(bytes);
        if bytes > 0 {
            self.output.note(&format!(
                "note: the journal ends with {bytes} bytes of a write that is under way or was cut short"
            ));
        }
    }

    /// The last line, and the exit code.
    pub(super) fn finish(mut self) -> Result<ExitCode, Failure> {
        if self.wants_witnesses() && self.cosigned == 0 && self.findings == 0 {
            self.finding("there is no checkpoint here that witnesses could have cosigned", json!({}))?;
        }
        let seconds = self.time.as_secs_f64();
        let rate = if seconds > 0.0 { self.events as f64 / seconds } else { 0.0 };
        let intact = self.findings == 0;
        if self.output.is_json() {
            let line = json!({
                "type": "result", "verdict": if intact { "ok" } else { "damaged" }, "logs": self.logs, "events": self.events,
                "findings": self.findings, "keys_pinned": self.pinned, "first_seen": self.first_seen,
                "tail_bytes": self.tail_bytes, "seconds": seconds, "events_per_second": rate.round(),
            });
            self.output.raw(&line.to_string())?;
        }
        self.output.note(&format!("checked {} records in {seconds:.1} s, {rate:.0} a second", self.events));
        if !intact {
            self.output.note(&format!("error: {}", not_holding(self.findings)));
            self.output.note("hint: leave everything as it is; a backup or a published copy may still be good, `annals verify` tells");
            return Ok(ExitCode::from(Exit::Damaged.code()));
        }
        if self.pinned > 0 {
            self.output.note(
                "note: the key was taken from the target itself and is remembered from now on; so far this shows only that the \
                 log agrees with itself. Compare the key with one you got elsewhere, or give it with `--log-key`.",
            );
        } else if self.first_seen > 0 {
            self.output.note(
                "note: no earlier checkpoint was known; this shows what the key's holder signs today. It is remembered from now on.",
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Where a key comes from, for programs.
fn word_of(whose: Whose) -> &'static str {
    match whose {
        Whose::Given => "given",
        Whose::Remembered => "remembered",
        Whose::Found => "found",
    }
}

fn not_holding(findings: u64) -> String {
    if findings == 1 {
        "one thing does not hold".to_owned()
    } else {
        format!("{findings} things do not hold")
    }
}

/// A key under the log's origin: given so, or as the key of its ledger.
fn named(key: &VerifierKey, origin: &str) -> Option<VerifierKey> {
    let of_ledger = origin.strip_prefix(key.name()).is_some_and(|rest| rest.starts_with('/'));
    (key.name() == origin || of_ledger).then(|| key.with_name(origin).ok()).flatten()
}

impl Remembered {
    fn parsed_with_size(&self) -> Option<(VerifierKey, u64, Hash)> {
        let (key, root) = self.parsed()?;
        Some((key, self.size, root))
    }
}
