//! The segments, one after another in the order of the ledger: every block, every row, and the trees that the rows give.
//!
//! Of each log a frontier is kept, that of an append-only tree, so that nothing of what was passed need be remembered. The rows
//! whose leaves stand in one block of 256 are looked at together: their leaves must have the tags that were stored and add up
//! to the sum that was stored. Of a block with one bad leaf the sum still tells which leaf it was. Where that does not help,
//! the log waits until a stored tree hash covers what is missing, and goes on with it; so damage at one place hides nothing
//! behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use annals_event::Position;
use annals_segment::Damaged;
use annals_segment::segment::{LogRows, Segment};
use annals_tree::origin::LogName;
use annals_tree::tree::{BLOCK_LEAVES, tag};
use annals_tree::{Frontier, Hash, node_hash};

use super::folder::{Folder, Listed};
use super::journal::Audit;
use super::rows::{self, Checkers, Rows, Seen, Tag};
use super::signed;
use super::{Finding, Flaw, Span};
use crate::batch::LogKind;
use crate::signing::JournalMemory;
use crate::state::State;
use crate::tail::BLOCK_LEVEL;

const LEAVES: u64 = BLOCK_LEAVES as u64;

/// What was met in segments besides what was found.
#[derive(Default)]
pub(super) struct Walked {
    /// Roots of logs at the sizes asked for, by the log's index; none at a size beyond its records in segments, nor where too much
    /// cannot be read.
    pub(super) roots: BTreeMap<(u32, u64), Hash>,
    /// Positions of the records that say that a key follows another, rising.
    pub(super) told: BTreeMap<u32, Vec<u64>>,
    /// When the first record was received that no head covers.
    pub(super) uncovered: BTreeMap<u32, i64>,
    /// The seconds in which those that no head covers were received.
    pub(super) seconds: BTreeSet<i64>,
}

/// Checks all segments.
pub(super) fn check(audit: &mut Audit<'_>, folder: Folder, memory: Option<&JournalMemory>) -> Walked {
    let Some(genesis) = audit.state.genesis() else { return Walked::default() };
    let mut checkers = Checkers::new(genesis.id_key);
    let cursors = std::iter::repeat_with(Cursor::default).take(audit.state.tail.logs_before).collect();
    let mut walk = Walk {
        sizes: audit.sizes(memory),
        covered: audit.covered(),
        audit,
        segments: folder.segments,
        cursors,
        walked: Walked::default(),
        seqs: 0,
        seqs_may_jump: false,
    };
    for index in 0..walk.segments.len() {
        walk.segment(index, &mut checkers);
    }
    walk.finish();
    walk.walked
}

/// How far one log is.
#[derive(Default)]
struct Cursor {
    /// Of the records until where their leaves are known.
    frontier: Frontier,
    /// The position that comes next.
    next: u64,
    /// Of the record at the last position; none when it cannot be read.
    received_at: Option<i64>,
    /// So many segments are behind it: one more than the index of the last that has the log.
    segments: usize,
}

struct Walk<'a, 'n> {
    audit: &'a mut Audit<'n>,
    segments: Vec<Listed>,
    /// Of each log that may have records in segments.
    cursors: Vec<Cursor>,
    /// Sizes at which the roots of logs are asked for, rising.
    sizes: BTreeMap<u32, Vec<u64>>,
    /// So many records of each log are under a head.
    covered: Vec<u64>,
    walked: Walked,
    /// The ledger number that comes next.
    seqs: u64,
    /// A segment before could not be read.
    seqs_may_jump: bool,
}

/// The segment that is being gone through.
struct Here<'a> {
    segment: &'a Arc<Segment>,
    file: &'a Arc<str>,
    /// Its index in the manifest.
    at: usize,
    broken: Broken,
    progress: Progress,
}

/// Bytes of a segment that are not what was written, and the records that cannot be read for it.
#[derive(Default)]
struct Broken(BTreeMap<(u64, Box<str>), (Damaged, Vec<Span>)>);

impl Broken {
    fn note(&mut self, damaged: Damaged, span: Option<Span>) {
        let key = (damaged.at, damaged.what.clone());
        let (_, spans) = self.0.entry(key).or_insert_with(|| (damaged, Vec::new()));
        let Some(span) = span else { return };
        match spans.last_mut() {
            Some(last)
                if last.tenant == span.tenant && last.log == span.log && last.last.0 + 1 == span.first.0 =>
            {
                last.last = span.last;
            }
            _ => spans.push(span),
        }
    }
}

/// A log in the segment that is being gone through.
struct LogHere {
    /// Its index in the ledger.
    index: u32,
    rows: LogRows,
    /// Its records in segments, as the manifest has it.
    size: u64,
    last_seq: Option<u64>,
    /// Records that the ledger does not have here, and what should be.
    misplaced: Option<(Range<u64>, u64)>,
}

impl Walk<'_, '_> {
    fn segment(&mut self, at: usize, checkers: &mut Checkers) {
        let Ok(segment) = self.segments[at].segment.clone() else {
            self.seqs_may_jump = true;
            return;
        };
        let file = segment.name().clone();
        let progress = Progress::new(&segment);
        let mut here = Here { segment: &segment, file: &file, at, broken: Broken::default(), progress };
        if let Some(damaged) = self.segments[at].damaged.take() {
            here.broken.note(damaged, None);
        }
        segment.check_blocks(&mut |_, damaged| {
            if let Some(damaged) = damaged {
                here.broken.note(damaged, None);
            }
        });
        let (mut numbered, mut all_logs, mut ranks_are_wrong) = (0, true, false);
        rows::read(&segment, checkers, |rows| {
            for log in 0..segment.logs() {
                match self.log(log, &mut here, rows) {
                    Ok(count) => numbered += count,
                    Err(damaged) => {
                        here.broken.note(damaged, None);
                        all_logs = false;
                    }
                }
            }
            // Rows of logs that could not be made out.
            while rows.at(u32::MAX, &mut here.progress.checked).is_some() {}
            std::mem::take(&mut rows.damaged).into_iter().for_each(|damaged| here.broken.note(damaged, None));
            ranks_are_wrong = rows.ranks_are_wrong;
        });
        here.progress.tell(self.audit);
        self.numbers(&mut here, numbered, ranks_are_wrong);
        for (damage, holds) in here.broken.0.into_values() {
            self.audit.found(Finding::Block { damage, holds });
        }
        if all_logs {
            self.absent(at, &file);
        }
    }

    /// Goes through one log of a segment. Gives how many of its rows have a ledger number.
    fn log(&mut self, log: u32, here: &mut Here<'_>, rows: &mut Rows) -> Result<u64, Damaged> {
        let (log_rows, name) = (here.segment.log_rows(log)?, here.segment.log_name(log)?);
        let kind = if name.access { LogKind::Access } else { LogKind::Tenant };
        let index = self.audit.state.by_name.get(&LogName { kind, id: name.id }).copied();
        let index = index.filter(|index| {
            let log = &self.audit.state.logs()[*index as usize];
            let slot = u16::try_from(here.at).expect("segments are below 65,536");
            log.tenant == name.tenant && log.parts.contains(slot) && (*index as usize) < self.cursors.len()
        });
        let Some(index) = index else {
            let (tenant, file) = (name.tenant, here.file.clone());
            self.audit.found(Finding::Stranger { tenant, log: kind, file, is_there: true });
            return Ok(0);
        };
        let size = sealed(&self.audit.state, index).0.size();
        let mut log = LogHere { index, rows: log_rows, size, last_seq: None, misplaced: None };
        let mut numbered = 0;
        let mut part: Vec<Seen> = Vec::new();
        let mut first = 0;
        for row in log.rows.rows.clone() {
            let Some(mut seen) = rows.at(row, &mut here.progress.checked) else { break };
            here.progress.tell(self.audit);
            numbered += u64::from(seen.seq.is_some());
            let follows = match part.len() {
                0 => self.cursors[index as usize].next,
                count => first + count as u64,
            };
            let position = seen.position.unwrap_or(follows);
            if position != follows || position.is_multiple_of(LEAVES) {
                self.part(here, &mut log, row, first, &mut part);
            }
            if part.is_empty() {
                first = position;
            }
            self.one(&mut log, kind, &mut seen);
            part.push(seen);
        }
        let end = log.rows.rows.end;
        self.part(here, &mut log, end, first, &mut part);
        self.cursors[index as usize].segments = here.at + 1;
        if let Some((positions, expected)) = log.misplaced {
            let span = self.span(index, positions);
            self.audit.found(Finding::Misplaced { span, file: here.file.clone(), expected });
        }
        Ok(numbered)
    }

    /// What a row shows beside the one before.
    fn one(&mut self, log: &mut LogHere, kind: LogKind, seen: &mut Seen) {
        if seen.damaged.is_some() {
            self.cursors[log.index as usize].received_at = None;
            return;
        }
        let last = std::mem::replace(&mut self.cursors[log.index as usize].received_at, seen.received_at);
        let is_numbered_well = match kind {
            LogKind::Tenant => seen.seq.is_some() && seen.seq > log.last_seq,
            LogKind::Access => seen.seq.is_none(),
        };
        log.last_seq = seen.seq.or(log.last_seq);
        if seen.flaw.is_none() && !is_numbered_well {
            seen.flaw = Some(Flaw::Number);
        }
        if seen.flaw.is_none() && seen.received_at < last {
            seen.flaw = Some(Flaw::Received);
        }
    }

    /// Goes on with rows whose leaves stand in one block and whose positions follow each other from `first` on; `end` is the
    /// row behind them.
    fn part(&mut self, here: &mut Here<'_>, log: &mut LogHere, end: u32, first: u64, part: &mut Vec<Seen>) {
        let seen = std::mem::take(part);
        let Ok(count) = u32::try_from(seen.len()) else { return };
        if count == 0 {
            return;
        }
        let positions = first..first.saturating_add(u64::from(count));
        let next = self.cursors[log.index as usize].next;
        if first < next || positions.end > log.size {
            match &mut log.misplaced {
                Some((misplaced, _)) if misplaced.end == first => misplaced.end = positions.end,
                Some(_) => {}
                None => log.misplaced = Some((positions, next)),
            }
            return;
        }
        if first > next {
            self.hole(log.index, next..first, here.at);
        }
        self.cursors[log.index as usize].next = positions.end;
        self.note(log.index, first, &seen);
        let rows = end - count..end;
        let leaves = self.leaves(here, log, rows, first, &seen);
        self.grow(here, log, positions, leaves);
        // The block with its vector goes on to the next part.
        *part = seen;
        part.clear();
    }

    /// Notes what signatures are held against, of rows from position `first` on.
    fn note(&mut self, index: u32, first: u64, seen: &[Seen]) {
        let covered = self.covered[index as usize];
        for (position, seen) in (first..).zip(seen) {
            if seen.tells_key {
                self.walked.told.entry(index).or_default().push(position);
            }
            if position >= covered
                && !self.audit.kept.is_missing
                && let Some(received_at) = seen.received_at
            {
                self.walked.uncovered.entry(index).or_insert(received_at);
                signed::note_second(&mut self.walked.seconds, received_at);
            }
        }
    }

    /// The leaves of a part, if they can be known, and what is found about them.
    fn leaves(
        &mut self,
        here: &mut Here<'_>,
        log: &LogHere,
        rows: Range<u32>,
        first: u64,
        seen: &[Seen],
    ) -> Option<Vec<Hash>> {
        let stored = here.segment.block_parts(&log.rows, first / LEAVES);
        let stored = match stored.map(|parts| parts.into_iter().find(|part| part.rows == rows)) {
            Ok(Some(part)) => Some(part.xor),
            Ok(None) => {
                here.broken.note(here.segment.malformed("sums of leaf hashes"), None);
                None
            }
            Err(damaged) => {
                here.broken.note(damaged, None);
                None
            }
        };
        let mut leaves: Vec<Hash> = seen.iter().map(|seen| seen.leaf.unwrap_or(Hash([0; 32]))).collect();
        let sum = |leaves: &[Hash]| leaves.iter().fold(Hash([0; 32]), |sum, leaf| xor(&sum, leaf));
        let bad: Vec<usize> = (0..seen.len()).filter(|n| seen[*n].is_bad()).collect();
        let adds_up = stored.map(|stored| stored == sum(&leaves));
        let is_whole = seen.iter().all(|seen| seen.leaf.is_some());
        // A sum that holds is worth more than a tag that does not.
        let wrong = if is_whole && adds_up == Some(true) { Flaw::Tag } else { Flaw::Commitment };
        for (n, seen) in seen.iter().enumerate() {
            let position = Position(first + n as u64);
            if let Some(damaged) = &seen.damaged {
                let span = self.span(log.index, position.0..position.0 + 1);
                here.broken.note((**damaged).clone(), Some(span));
            } else if let Some(flaw) = seen.is_bad().then_some(wrong).or(seen.flaw) {
                let row = rows.start + u32::try_from(n).expect("a part has at most 256 rows");
                let of = &self.audit.state.logs()[log.index as usize];
                let (tenant, log, file) = (of.tenant.clone(), of.kind, here.file.clone());
                self.audit.found(Finding::Sealed { tenant, log, position, file, row, flaw });
            }
        }
        match (bad.as_slice(), adds_up) {
            ([], None | Some(true)) => Some(leaves),
            ([], Some(false)) => {
                let span = self.span(log.index, first..first + seen.len() as u64);
                self.audit.found(Finding::Sum { span, file: here.file.clone() });
                Some(leaves)
            }
            _ if is_whole && adds_up == Some(true) => Some(leaves),
            ([one], Some(false)) => {
                leaves[*one] = Hash([0; 32]);
                let missing = xor(&sum(&leaves), &stored.expect("there is one that does not match"));
                leaves[*one] = missing;
                (seen[*one].tag == Tag::Is(tag(&missing))).then_some(leaves)
            }
            _ => None,
        }
    }

    /// Appends leaves to a log's tree, or waits until its tree is known again.
    fn grow(&mut self, here: &mut Here<'_>, log: &LogHere, positions: Range<u64>, leaves: Option<Vec<Hash>>) {
        let is_known = self.cursors[log.index as usize].frontier.size() == positions.start;
        let sizes: &[u64] = self.sizes.get(&log.index).map_or(&[], Vec::as_slice);
        let at_end = sizes.contains(&positions.end);
        match leaves.filter(|_| is_known) {
            Some(leaves) => {
                for size in
                    sizes.iter().copied().filter(|size| positions.start < *size && *size < positions.end)
                {
                    let mut then = self.cursors[log.index as usize].frontier.clone();
                    for leaf in leaves.iter().take(usize::try_from(size - positions.start).unwrap_or(0)) {
                        then.push(*leaf, &mut |_, _, _| {});
                    }
                    self.walked.roots.insert((log.index, size), then.root());
                }
                if leaves.len() == BLOCK_LEAVES {
                    self.append(here, log, BLOCK_LEVEL, subtree(&leaves));
                } else {
                    for (position, leaf) in positions.clone().zip(&leaves) {
                        if (position + 1).is_multiple_of(LEAVES) {
                            self.append(here, log, 0, *leaf);
                        } else {
                            self.cursors[log.index as usize].frontier.push(*leaf, &mut |_, _, _| {});
                        }
                    }
                }
            }
            None if positions.end.is_multiple_of(LEAVES) => self.resume(here, log, positions.end),
            None => {}
        }
        let frontier = &self.cursors[log.index as usize].frontier;
        if at_end && frontier.size() == positions.end {
            self.walked.roots.insert((log.index, positions.end), frontier.root());
        }
    }

    /// Goes on with the smallest stored subtree that ends at `end` and begins where leaves are still known.
    fn resume(&mut self, here: &mut Here<'_>, log: &LogHere, end: u64) {
        let block = end / LEAVES - 1;
        for above in 0..=block.trailing_ones() {
            let (level, index) = (BLOCK_LEVEL + above, block >> above);
            if self.cursors[log.index as usize].frontier.size() >> level != index {
                continue;
            }
            match here.segment.node(&log.rows, level, index) {
                Ok(Some(hash)) => return self.append(here, log, level, hash),
                Ok(None) => {}
                Err(damaged) => here.broken.note(damaged, None),
            }
        }
    }

    /// Appends a subtree, in place of what is known of it, and holds those that it completes against the stored ones. Where
    /// one differs, that is told, and the log goes on with the stored one.
    fn append(&mut self, here: &mut Here<'_>, log: &LogHere, level: u32, hash: Hash) {
        let (mut level, mut hash) = (level, hash);
        loop {
            let frontier = &self.cursors[log.index as usize].frontier;
            let mut grown = if level == 0 { frontier.clone() } else { begun_at(frontier, level) };
            let mut other = None;
            grown.push_node(level, hash, &mut |level, index, hash| {
                if level < BLOCK_LEVEL || other.is_some() {
                    return;
                }
                match here.segment.node(&log.rows, level, index) {
                    Ok(Some(stored)) if stored == hash => {}
                    Ok(Some(stored)) => other = Some((level, index, stored)),
                    Ok(None) => here.broken.note(here.segment.malformed("tree hashes of a log"), None),
                    Err(damaged) => here.broken.note(damaged, None),
                }
            });
            let Some((at, index, stored)) = other else {
                self.cursors[log.index as usize].frontier = grown;
                return;
            };
            let span = self.span(log.index, index << at..(index + 1) << at);
            self.audit.found(Finding::Subtree { span, file: here.file.clone() });
            (level, hash) = (at, stored);
        }
    }

    /// Records of a log that should come next and do not; the segments before `until` were to have them.
    fn hole(&mut self, index: u32, positions: Range<u64>, until: usize) {
        let span = self.span(index, positions);
        let parts = &self.audit.state.logs()[index as usize].parts;
        let cursor = &mut self.cursors[index as usize];
        cursor.received_at = None;
        let mut is_explained = false;
        for (at, listed) in self.segments.iter_mut().enumerate().take(until).skip(cursor.segments) {
            if listed.segment.is_err() && u16::try_from(at).is_ok_and(|slot| parts.contains(slot)) {
                listed.holds.push(span.clone());
                is_explained = true;
            }
        }
        if !is_explained {
            self.audit.found(Finding::Hole { span });
        }
    }

    /// Ledger numbers follow each other, also from segment to segment.
    fn numbers(&mut self, here: &mut Here<'_>, numbered: u64, ranks_are_wrong: bool) {
        let seqs = match here.segment.seqs() {
            Ok(seqs) => seqs.unwrap_or(self.seqs..self.seqs),
            Err(damaged) => return here.broken.note(damaged, None),
        };
        let what = if seqs.start < self.seqs {
            Some("its ledger numbers were given before")
        } else if seqs.start > self.seqs && !self.seqs_may_jump {
            Some("its ledger numbers do not follow those before")
        } else if ranks_are_wrong {
            Some("its ledger numbers, or their order by time, do not rise")
        } else if seqs.end.saturating_sub(seqs.start) != here.segment.ranks() {
            Some("its ledger numbers have holes")
        } else if here.broken.0.is_empty() && numbered != here.segment.ranks() {
            Some("it has not as many ledger numbers as records with one")
        } else {
            None
        };
        if let Some(what) = what {
            self.audit.found(Finding::Numbers { file: here.file.clone(), what });
        }
        self.seqs = self.seqs.max(seqs.end);
        self.seqs_may_jump = false;
    }

    /// Logs that the manifest has in a segment and that were not met there.
    fn absent(&mut self, at: usize, file: &Arc<str>) {
        let slot = u16::try_from(at).expect("segments are below 65,536");
        let logs = self.audit.state.logs().iter().zip(&self.cursors);
        let absent = logs.filter(|(log, cursor)| log.parts.contains(slot) && cursor.segments <= at);
        let absent: Vec<_> = absent.map(|(log, _)| (log.tenant.clone(), log.kind)).collect();
        for (tenant, log) in absent {
            self.audit.found(Finding::Stranger { tenant, log, file: file.clone(), is_there: false });
        }
    }

    /// Holds what all segments gave against the manifest.
    fn finish(&mut self) {
        for index in 0..u32::try_from(self.cursors.len()).expect("logs are far below 2^32") {
            let (tree, received_at) = sealed(&self.audit.state, index);
            let (size, tree, received_at) = (tree.size(), tree.clone(), received_at);
            let next = self.cursors[index as usize].next;
            if next < size {
                self.hole(index, next..size, self.segments.len());
            }
            let cursor = &self.cursors[index as usize];
            let differs = if cursor.frontier.size() == size && cursor.frontier != tree {
                Some("tree")
            } else if cursor.received_at.is_some() && cursor.received_at != received_at {
                Some("last time of receipt")
            } else {
                None
            };
            if let Some(what) = differs {
                let log = &self.audit.state.logs()[index as usize];
                let (tenant, log) = (log.tenant.clone(), log.kind);
                self.audit.found(Finding::Entry { tenant, log, size, what });
            }
        }
        if self.seqs != self.audit.state.tail.order.first()
            && !self.seqs_may_jump
            && let Some(last) = self.segments.last()
        {
            let what = "the ledger numbers in the manifest do not go on where it ends";
            self.audit.found(Finding::Numbers { file: last.name.as_str().into(), what });
        }
        for Listed { name, segment, holds, .. } in std::mem::take(&mut self.segments) {
            if let Err(what) = segment {
                self.audit.found(Finding::Segment { name, what, holds });
            }
        }
    }

    fn span(&self, index: u32, positions: Range<u64>) -> Span {
        let log = &self.audit.state.logs()[index as usize];
        Span {
            tenant: log.tenant.clone(),
            log: log.kind,
            first: Position(positions.start),
            last: Position(positions.end.saturating_sub(1)),
        }
    }
}

/// A log's tree and last time of receipt before what the journal holds behind the manifest.
pub(super) fn sealed(state: &State, index: u32) -> (&Frontier, Option<i64>) {
    let log = &state.logs()[index as usize];
    let (tree, received_at) = match state.tail.stretches.get(&index) {
        Some(stretch) => (&stretch.before.tree, stretch.before.last_received_at),
        None => (&log.tree, log.last_received_at),
    };
    (tree, received_at.map(|at| at.as_micros()))
}

/// The frontier at the beginning of the subtree of a level that it reaches into.
fn begun_at(frontier: &Frontier, level: u32) -> Frontier {
    let mut begun = Frontier::new();
    for (at, _, hash) in frontier.nodes().filter(|(at, ..)| *at >= level) {
        begun.push_node(at, hash, &mut |_, _, _| {});
    }
    begun
}

/// The root over the leaves of a block.
fn subtree(leaves: &[Hash]) -> Hash {
    let mut hashes = leaves.to_vec();
    while hashes.len() > 1 {
        hashes = hashes.as_chunks().0.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    hashes[0]
}

fn xor(a: &Hash, b: &Hash) -> Hash {
    Hash(std::array::from_fn(|at| a.0[at] ^ b.0[at]))
}

/// How far a segment is: its bytes are told of along with its rows.
struct Progress {
    bytes: u64,
    rows: u64,
    checked: u64,
    told: u64,
}

impl Progress {
    fn new(segment: &Segment) -> Self {
        Self { bytes: segment.bytes(), rows: u64::from(segment.rows()), checked: 0, told: 0 }
    }

    fn tell(&mut self, audit: &mut Audit<'_>) {
        if self.checked > self.told {
            let bytes = |rows: u64| {
                u64::try_from(u128::from(self.bytes) * u128::from(rows) / u128::from(self.rows)).unwrap_or(0)
            };
            audit.checked(bytes(self.checked) - bytes(self.told), self.checked - self.told);
            self.told = self.checked;
        }
    }
}
