//! The walk over the log, from the first position to the last.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use annals_tree::checkpoint::Checkpoint;
use annals_tree::entry::EntryKind;
use annals_tree::frontier::TREE_SIZE_MAX;
use annals_tree::{Frontier, Hash};

use crate::FINDINGS_KEPT;
use crate::compose::gap_nodes;
use crate::keys::KeyChange;
use crate::lifecycle::{Excuse, Lifecycle};
use crate::line::{Checked, RecordCheck, Shown};
use crate::manifest::{Counts, Manifest};
use crate::verdict::{Finding, Verdict};

/// Changes of the key that are kept.
const KEYS_MAX: usize = 1_000;

/// Takes the checked lines of a log in order.
#[derive(Debug)]
pub struct Walk {
    /// Of the log, as the bundle says; it is held against the checkpoint's at the end.
    origin: String,
    frontier: Frontier,
    lifecycle: Lifecycle,
    /// The range that must have no gap; empty when it may have.
    whole: (u64, u64),
    /// Sizes at which the root is wanted.
    wanted: Vec<u64>,
    roots: Vec<(u64, Hash)>,
    last_received_at_ms: u64,
    verdicts: BTreeMap<Verdict, u64>,
    own: u64,
    counts: Counts,
    keys: Vec<(u64, KeyChange)>,
    findings: Vec<Finding>,
    findings_count: u64,
}

/// What a walk has shown.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Positions by verdict.
    pub verdicts: BTreeMap<Verdict, u64>,
    /// Of these, entries of the log's own.
    pub own: u64,
    /// What was in the bundle.
    pub counts: Counts,
    /// The root over everything.
    pub root: Hash,
    /// Roots at the sizes asked for that were passed exactly.
    pub roots: Vec<(u64, Hash)>,
    /// Entries by which one key follows another, with their positions.
    pub keys: Vec<(u64, KeyChange)>,
    /// The first findings.
    pub findings: Vec<Finding>,
    /// How many there were.
    pub findings_count: u64,
}

impl Walk {
    /// Begins with what excuses hidden values, and the range in which no position may be left out.
    #[must_use]
    pub fn new(manifest: &Manifest, lifecycle: Lifecycle) -> Self {
        Self {
            origin: manifest.origin.clone(),
            frontier: Frontier::new(),
            lifecycle,
            whole: if manifest.mode.has_no_gaps() { manifest.range } else { (0, 0) },
            wanted: Vec::new(),
            roots: Vec::new(),
            last_received_at_ms: 0,
            verdicts: BTreeMap::new(),
            own: 0,
            counts: Counts::default(),
            keys: Vec::new(),
            findings: Vec::new(),
            findings_count: 0,
        }
    }

    /// Keeps the root as of a size, should the walk stand there.
    pub fn want_root_at(&mut self, size: u64) {
        self.wanted.push(size);
    }

    /// The next position.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.frontier.size()
    }

    /// What was in the bundle so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes the next line. What it says of a record's position, if it is a record.
    ///
    /// # Errors
    ///
    /// It does not follow what came before; nothing behind it can be placed.
    pub fn push(&mut self, line: Checked) -> Result<Option<Verdict>, Finding> {
        let verdict = match line {
            Checked::Gap { from, to, nodes } => {
                self.gap(from, to, &nodes)?;
                None
            }
            Checked::Record(record) => Some(self.record(&record)?),
        };
        let size = self.frontier.size();
        if self.wanted.contains(&size) {
            self.roots.push((size, self.frontier.root()));
        }
        Ok(verdict)
    }

    fn gap(&mut self, from: u64, to: u64, nodes: &[Hash]) -> Result<(), Finding> {
        self.follows(from)?;
        self.fits(to)?;
        let (first, end) = self.whole;
        let missing = first.max(from)..end.min(to);
        if !missing.is_empty() {
            let problem = format!(
                "{} positions from here on are left out, and the bundle says that none is",
                missing.end - missing.start
            );
            self.find(Some(missing.start), problem);
        }
        let places: Vec<(u32, u64)> = gap_nodes(from, to).collect();
        if places.len() != nodes.len() {
            let problem = format!("a gap to {to} with {} hashes, it takes {}", nodes.len(), places.len());
            return Err(Finding { position: Some(from), problem });
        }
        for ((level, _), hash) in places.into_iter().zip(nodes) {
            self.frontier.push_node(level, *hash, &mut |_, _, _| {});
        }
        Ok(())
    }

    fn follows(&self, position: u64) -> Result<(), Finding> {
        let next = self.frontier.size();
        if position == next {
            return Ok(());
        }
        let problem = format!("comes where position {next} has to");
        Err(Finding { position: Some(position), problem })
    }

    fn fits(&self, size: u64) -> Result<(), Finding> {
        if size <= TREE_SIZE_MAX {
            return Ok(());
        }
        Err(Finding { position: Some(self.frontier.size()), problem: format!("no log has {size} records") })
    }

    fn record(&mut self, record: &RecordCheck) -> Result<Verdict, Finding> {
        self.follows(record.position)?;
        self.fits(record.position + 1)?;
        self.frontier.push(record.leaf, &mut |_, _, _| {});
        self.counts.records += 1;
        self.counts.disclosed += u64::from(record.shown == Shown::Units);
        let received_at_ms = record.entry.received_at_ms;
        if received_at_ms < self.last_received_at_ms {
            self.find(Some(record.position), "received before the record in front of it".into());
        }
        self.last_received_at_ms = received_at_ms.max(self.last_received_at_ms);
        let verdict = self.judge(record);
        *self.verdicts.entry(verdict).or_default() += 1;
        Ok(verdict)
    }

    fn judge(&mut self, record: &RecordCheck) -> Verdict {
        let position = record.position;
        if record.entry.kind != EntryKind::Event {
            self.own += 1;
            let bytes = record.entry.encode().unwrap_or_default();
            if record.problem.is_some() || record.expired.is_some() {
                self.find(Some(position), "an entry of the log's own that pretends to be an event".into());
                return Verdict::Unexplained;
            }
            if !self.lifecycle.meet(position, &bytes) {
                let problem = "the entry differs from the one that `lifecycle.ndjson` gives";
                self.find(Some(position), problem.into());
                return Verdict::Unexplained;
            }
            if self.keys.len() < KEYS_MAX {
                let change = KeyChange::read(&record.entry, &self.origin);
                self.keys.extend(change.map(|change| (position, change)));
            }
            return Verdict::Intact;
        }
        if let Some(problem) = record.problem {
            self.find(Some(position), problem.into());
            return Verdict::Unexplained;
        }
        if let Some(by) = record.expired {
            let excuse =
                self.lifecycle.expired(by, position, record.entry.class, record.entry.received_at_ms);
            return self.excused(position, "expired", by, excuse, Verdict::Expired);
        }
        let mut verdict = match (record.shown, record.withheld) {
            (Shown::Units, 0) => Verdict::Intact,
            _ => Verdict::Withheld,
        };
        for (unit, by) in &record.erased {
            let excuse = self.lifecycle.erased(*by, position, *unit);
            let erased = self.excused(position, "erased", *by, excuse, Verdict::Erased);
            verdict = verdict.max(erased);
        }
        verdict
    }

    fn excused(&mut self, position: u64, what: &str, by: u64, excuse: Excuse, verdict: Verdict) -> Verdict {
        let problem = match excuse {
            Excuse::Holds => return verdict,
            Excuse::Missing => format!("said to be {what} by entry {by}, which the bundle does not have"),
            Excuse::OtherKind => format!("said to be {what} by entry {by}, which says nothing of the kind"),
            Excuse::NotCovered => format!("said to be {what} by entry {by}, which does not cover it"),
            Excuse::Unapproved => format!("{what} by entry {by} with fewer approvals than it takes"),
        };
        self.find(Some(position), problem);
        Verdict::Unexplained
    }

    /// Something found by whoever reads the archive.
    pub fn find(&mut self, position: Option<u64>, problem: String) {
        self.findings_count += 1;
        if self.findings.len() < FINDINGS_KEPT {
            self.findings.push(Finding { position, problem });
        }
    }

    /// Ends the walk: compares the root with the checkpoint's and the counts with the manifest's.
    #[must_use]
    pub fn finish(mut self, manifest: &Manifest, checkpoint: &Checkpoint) -> Summary {
        let root = self.frontier.root();
        let size = self.frontier.size();
        if size != checkpoint.size {
            self.find(
                Some(size),
                format!("the log ends here, its checkpoint has {} records", checkpoint.size),
            );
        } else if root != checkpoint.root {
            let problem = "the records and hashes do not give the root that was signed";
            self.find(None, problem.into());
        }
        let unmet: Vec<u64> = self.lifecycle.unconfirmed().collect();
        for position in unmet {
            let problem = "an entry of `lifecycle.ndjson` excuses others and is not in the log";
            self.find(Some(position), problem.into());
        }
        if manifest.origin != checkpoint.origin {
            self.find(
                None,
                format!(
                    "the manifest is of log {}, the checkpoint of {}",
                    manifest.origin, checkpoint.origin
                ),
            );
        }
        if manifest.size != checkpoint.size {
            let problem =
                format!("the manifest says {} records, the checkpoint {}", manifest.size, checkpoint.size);
            self.find(None, problem);
        }
        let (from, to) = manifest.range;
        if from > to || to > checkpoint.size {
            self.find(None, format!("the manifest's range {from} to {to} is none of this log"));
        }
        if manifest.counts != self.counts {
            let problem = format!(
                "the manifest counts {} records, {} of them disclosed; there are {} and {}",
                manifest.counts.records,
                manifest.counts.disclosed,
                self.counts.records,
                self.counts.disclosed
            );
            self.find(None, problem);
        }
        Summary {
            verdicts: self.verdicts,
            own: self.own,
            counts: self.counts,
            root,
            roots: self.roots,
            keys: self.keys,
            findings: self.findings,
            findings_count: self.findings_count,
        }
    }
}
