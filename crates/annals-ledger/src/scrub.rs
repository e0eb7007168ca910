//! Reading everything again, a little at a time, while the ledger runs: what lies on a disk for years is looked at before
//! somebody needs it.
//!
//! A pass checks every block of every segment against its checksum, past the cache; then, log by log, it makes the leaf of each
//! record anew, holds 256 leaves at a time against the tree's stored node, and what that gives against the root in memory. So a
//! record that is not what was appended is found at its position, whatever its checksums say.

use std::collections::VecDeque;
use std::sync::Arc;

use annals_event::{Position, TenantId};
use annals_tree::nodes::root_at;
use annals_tree::tree::BLOCK_LEAVES;
use annals_tree::{Frontier, Hash};

use crate::batch::LogKind;
use crate::disclose::subtree;
use crate::ledger::Ledger;
use crate::read::TenantLog;
use crate::sealed::Part;
use crate::signing::{ProveError, tree, tree_error};
use crate::tail::BLOCK_LEVEL;

/// Records in a block of the tree.
const BLOCK: u64 = BLOCK_LEAVES as u64;

/// What a segment's checksums cost, as if it were so many records for each MiB.
const RECORDS_FOR_A_MIB: u64 = 500;

/// Something that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrubFinding {
    /// In which log; none where a whole file is meant.
    pub log: Option<TenantLog>,
    /// Where in it, if that is known.
    pub position: Option<Position>,
    /// What is wrong.
    pub problem: String,
}

/// A pass on its way.
pub struct Scrub {
    ledger: Ledger,
    segments: VecDeque<Arc<Part>>,
    logs: VecDeque<TenantLog>,
    walk: Option<LogWalk>,
    records: u64,
    /// Records there were when the pass began.
    of: u64,
    findings: u64,
}

/// The way through one log.
struct LogWalk {
    log: TenantLog,
    size: u64,
    next: u64,
    /// Made of what was read; none once something could not be.
    edge: Option<Frontier>,
}

impl Ledger {
    /// Begins to read everything again.
    #[must_use]
    pub fn scrub(&self) -> Scrub {
        let segments = self.state().sealed.iter().cloned().collect();
        let log = |tenant: &TenantId, kind| TenantLog { tenant: tenant.clone(), kind };
        let logs = self.tenants().into_iter();
        let logs: VecDeque<_> =
            logs.flat_map(|tenant| [log(&tenant, LogKind::Tenant), log(&tenant, LogKind::Access)]).collect();
        let of = logs.iter().filter_map(|log| self.log_info(log)).map(|info| info.size).sum();
        Scrub { ledger: self.clone(), segments, logs, walk: None, records: 0, of, findings: 0 }
    }
}

impl Scrub {
    /// Records looked at so far, and how many there were when it began.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.records, self.of)
    }

    /// Findings so far.
    #[must_use]
    pub fn findings(&self) -> u64 {
        self.findings
    }

    /// Goes on by a block of 256 records, or one segment's checksums. Gives what that cost, in records; none at the end.
    pub fn step(&mut self, found: &mut dyn FnMut(ScrubFinding)) -> Option<u64> {
        if let Some(part) = self.segments.pop_front() {
            // A segment that was merged away meanwhile is nobody's any more.
            let is_there = self.ledger.state().sealed.iter().any(|other| other.number == part.number);
            let findings = &mut self.findings;
            part.segment.check_blocks(&mut |_, damaged| {
                if let Some(damaged) = damaged.filter(|_| is_there) {
                    *findings += 1;
                    found(ScrubFinding { log: None, position: None, problem: damaged.to_string() });
                }
            });
            return Some((part.bytes >> 20).max(1) * RECORDS_FOR_A_MIB);
        }
        if self.walk.is_none() {
            let log = self.logs.pop_front()?;
            let size = self.ledger.log_info(&log).map_or(0, |info| info.size);
            self.walk = Some(LogWalk { log, size, next: 0, edge: Some(Frontier::new()) });
        }
        let walk = self.walk.as_mut().expect("it was put there above");
        let (first, end) = (walk.next, (walk.next + BLOCK).min(walk.size));
        walk.next = end;
        self.records += end - first;
        let problems = walk.block(&self.ledger, first..end);
        let has_ended = end == walk.size;
        let last = if has_ended { walk.root(&self.ledger) } else { None };
        for (position, problem) in problems.into_iter().chain(last) {
            self.findings += 1;
            found(ScrubFinding { log: Some(walk.log.clone()), position, problem });
        }
        if has_ended {
            self.walk = None;
        }
        Some((end - first).max(1))
    }
}

type Problem = (Option<Position>, String);

impl LogWalk {
    fn block(&mut self, ledger: &Ledger, positions: std::ops::Range<u64>) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut leaves: Vec<Hash> = Vec::new();
        let mut at = positions.start;
        // What cannot be read together is read one by one, so that the others are checked all the same.
        let mut together = positions.end - at;
        while at < positions.end {
            match ledger.disclose(&self.log, Position(at), together.min(positions.end - at)) {
                Ok(disclosed) if !disclosed.is_empty() => {
                    at += disclosed.len() as u64;
                    leaves.extend(disclosed.iter().map(|disclosed| disclosed.leaf));
                }
                Ok(_) => {
                    problems.push((Some(Position(at)), "there is no record".to_owned()));
                    break;
                }
                Err(_) if together > 1 => together = 1,
                Err(error) => {
                    problems.push((Some(Position(at)), error.to_string()));
                    at += 1;
                }
            }
        }
        if !problems.is_empty() {
            self.edge = None;
            return problems;
        }
        if positions.end - positions.start == BLOCK {
            let made = annals_tree::block::subtree_root(&leaves);
            match subtree(ledger.shared_state(), &self.log, (BLOCK_LEVEL, positions.start / BLOCK)) {
                Ok(stored) if stored == made => {}
                Ok(_) => problems.push((
                    Some(Position(positions.start)),
                    format!("the {BLOCK} records from here on are not those of the tree"),
                )),
                Err(error) => problems.push((Some(Position(positions.start)), error.to_string())),
            }
        }
        if let Some(edge) = &mut self.edge {
            leaves.into_iter().for_each(|leaf| edge.push(leaf, &mut |_, _, _| {}));
        }
        problems
    }

    /// Holds all that was read against the root.
    fn root(&self, ledger: &Ledger) -> Option<Problem> {
        let edge = self.edge.as_ref()?;
        let root = || -> Result<Hash, ProveError> {
            let tree = tree(ledger.shared_state(), &self.log)?;
            root_at(self.size, &tree.nodes).map_err(|error| tree_error(error, &tree.origin))
        };
        match root() {
            Ok(root) if root == edge.root() => None,
            Ok(_) => Some((None, format!("the {} records do not give the root of the tree", self.size))),
            Err(error) => Some((None, error.to_string())),
        }
    }
}
