//! The log of a bundle against what the bundle says of itself.

use std::collections::BTreeMap;

use annals_bundle::{Checked, Counts, Finding, Lifecycle, Manifest, Mode, Shown, Summary, Verdict, Walk};
use annals_tree::checkpoint::Checkpoint;
use annals_tree::entry::EntryKind;

use crate::lens::Truth;
use crate::look::Seeing;
use crate::row::{ROWS_MAX, Row};

/// Takes what the lines show, in order.
#[derive(Debug)]
pub struct Judge {
    walk: Walk,
    mode: Mode,
    range: (u64, u64),
    /// Records that the checkpoint has; nothing is read beyond.
    size: u64,
    /// Events that the filter takes and that are shown.
    pub matched: u64,
    /// Events of which nobody can tell any more whether the filter took them, as they are erased or expired.
    pub gone: u64,
    /// The first events that the filter takes.
    pub rows: Vec<Row>,
}

/// What came of one line.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    /// Of a record, its position and verdict.
    pub verdict: Option<(u64, Verdict)>,
    /// How many positions it accounts for.
    pub positions: u64,
    /// Whether the next line can be placed.
    pub goes_on: bool,
}

impl Judge {
    /// Begins. Roots are kept as of the sizes at which they are wanted.
    #[must_use]
    pub fn new(manifest: &Manifest, lifecycle: Lifecycle, size: u64, wanted: &[u64]) -> Self {
        let mut walk = Walk::new(manifest, lifecycle);
        wanted.iter().for_each(|size| walk.want_root_at(*size));
        Self { walk, mode: manifest.mode, range: manifest.range, size, matched: 0, gone: 0, rows: Vec::new() }
    }

    /// Whether more events are wanted for the list.
    #[must_use]
    pub fn wants_rows(&self) -> bool {
        self.rows.len() < ROWS_MAX
    }

    /// Takes the next line.
    pub fn take(&mut self, seeing: Seeing) -> Judged {
        let Seeing { checked, truth, is_disclosed, row, .. } = seeing;
        let before = self.walk.next();
        let record = match &checked {
            Checked::Gap { .. } => None,
            Checked::Record(record) => {
                Some((record.position, record.entry.kind, record.shown, record.problem.is_some()))
            }
        };
        let verdict = match self.walk.push(checked) {
            Ok(verdict) => verdict,
            Err(Finding { position, problem }) => {
                self.walk.find(position, problem);
                return Judged { verdict: None, positions: 0, goes_on: false };
            }
        };
        let positions = self.walk.next() - before;
        let goes_on = self.walk.next() <= self.size;
        if !goes_on {
            let problem = format!("the log goes on, and its checkpoint has {} records", self.size);
            self.walk.find(Some(before), problem);
        }
        let (Some((position, kind, shown, is_told)), Some(verdict)) = (record, verdict) else {
            return Judged { verdict: None, positions, goes_on };
        };
        if kind == EntryKind::Event && !is_told {
            self.against_the_filter(position, shown, verdict, truth, is_disclosed);
        }
        if let Some(row) = row.filter(|_| self.wants_rows() && verdict != Verdict::Unexplained) {
            self.rows.push(row);
        }
        Judged { verdict: Some((position, verdict)), positions, goes_on }
    }

    fn against_the_filter(
        &mut self,
        position: u64,
        shown: Shown,
        verdict: Verdict,
        truth: Truth,
        is_disclosed: bool,
    ) {
        let (first, end) = self.range;
        let is_gone = matches!(verdict, Verdict::Erased | Verdict::Expired);
        let problem = match (truth, is_disclosed) {
            _ if !(first..end).contains(&position) => {
                Some("an event outside of the range that the manifest names")
            }
            (Truth::No, _) if self.mode != Mode::Covered && shown == Shown::Units => {
                Some("an event that the filter does not take")
            }
            (Truth::No, _) => None,
            (_, true) => {
                self.matched += 1;
                None
            }
            _ if is_gone => {
                self.gone += 1;
                None
            }
            (Truth::Yes, false) => Some("the filter takes this event, and the bundle does not show it"),
            (Truth::Unknown, false) if self.mode == Mode::Covered => {
                Some("whether the filter takes this event cannot be told from what is shown")
            }
            (Truth::Unknown, false) if shown == Shown::Units => {
                Some("more of the event is hidden than the manifest says")
            }
            (Truth::Unknown, false) => None,
        };
        if let Some(problem) = problem {
            self.walk.find(Some(position), problem.to_owned());
        }
    }

    /// Something found elsewhere.
    pub fn find(&mut self, position: Option<u64>, problem: String) {
        self.walk.find(position, problem);
    }

    /// What was in the bundle so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.walk.counts()
    }

    /// Where the next line has to begin.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.walk.next()
    }

    /// Compares with the checkpoint.
    #[must_use]
    pub fn finish(self, manifest: &Manifest, checkpoint: &Checkpoint) -> Summary {
        self.walk.finish(manifest, checkpoint)
    }
}

/// Positions by verdict, in words.
#[must_use]
pub fn counted(verdicts: &BTreeMap<Verdict, u64>) -> String {
    let counts =
        Verdict::ALL.map(|verdict| format!("{} {verdict}", verdicts.get(&verdict).copied().unwrap_or(0)));
    counts.join(", ")
}
