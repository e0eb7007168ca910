//! Rows of a segment, checked a thousand at a time on several threads, which take turns, and handed out in their order.
//!
//! What one row shows by itself is looked at here: that it can be read, that its event gives a commitment and with it a leaf
//! with the row's tag, that what stands beside the event follows from it, that the filter over ids has it and their index leads to it, and that it stands
//! in the orders of time. What it shows together with its neighbours is for `segments` to see.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use annals_event::Timestamp;
use annals_segment::Damaged;
use annals_segment::fate::Fate;
use annals_segment::hashes::LoadedFilter;
use annals_segment::segment::{LoadedIds, LogRows, Reader, Segment};
use annals_tree::tree::tag;
use annals_tree::{Counter, EntryKind, Hash, entry, leaf_hash};

use super::checks::{Beside, Checks, threads};
use super::finding::Flaw;
use crate::batch::LogKind;
use crate::erased::ErasedEvent;
use crate::ids::id_hash;
use crate::log::received_at_ms;

/// Rows that are checked and handed over together.
const ROWS_AT_ONCE: u32 = 1_024;

/// So many times that many wait to be taken, of each thread.
const WAITING_MAX: usize = 2;
const _: () = assert!(WAITING_MAX > 0, "the only piece of a small segment waits for nobody");

/// Bytes of columns' values that all threads together keep.
const VALUES_BYTES_MAX: usize = 32 << 20;

/// What one row shows.
pub(super) struct Seen {
    /// None when it cannot be read.
    pub(super) position: Option<u64>,
    /// Made of the event and its secret anew; none when they cannot be read, or are none.
    pub(super) leaf: Option<Hash>,
    pub(super) tag: Tag,
    pub(super) received_at: Option<i64>,
    pub(super) seq: Option<u64>,
    /// It says that a key follows another.
    pub(super) tells_key: bool,
    pub(super) flaw: Option<Flaw>,
    /// Why it cannot be read.
    pub(super) damaged: Option<Box<Damaged>>,
}

/// The tag of a row, held against its leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// It cannot be read.
    Unknown,
    Is(u16),
}

impl Seen {
    /// The leaf does not have the tag that was stored, or is none.
    pub(super) fn is_bad(&self) -> bool {
        match (&self.leaf, self.tag) {
            (None, _) => true,
            (Some(_), Tag::Unknown) => false,
            (Some(leaf), Tag::Is(stored)) => tag(leaf) != stored,
        }
    }
}

/// Those who check rows; each keeps its buffers.
pub(super) struct Checkers {
    all: Vec<Checker>,
    /// Keys the hashes of event ids.
    id_key: [u8; 16],
}

impl Checkers {
    pub(super) fn new(id_key: [u8; 16]) -> Self {
        Self { all: std::iter::repeat_with(Checker::default).take(threads()).collect(), id_key }
    }
}

/// What all who check the rows of a segment need.
struct Common<'a> {
    segment: &'a Arc<Segment>,
    id_key: &'a [u8; 16],
    /// Over ids; none when it cannot be read.
    filter: Option<LoadedFilter>,
    /// From ids to rows; none when not all of it can be read, and each row is to say whether it finds its part.
    ids: Option<LoadedIds>,
    /// Bytes of columns' values that each of them keeps.
    values_bytes: usize,
}

/// The rows of a segment, in order.
pub(super) struct Rows {
    /// The row that is handed out next.
    next: u32,
    ready: VecDeque<Seen>,
    /// From those who check, by turns; what one of them gives is in order.
    lanes: Vec<Receiver<Checked>>,
    /// Whose turn it is.
    turn: usize,
    /// What was damaged, but of no one row.
    pub(super) damaged: Vec<Damaged>,
    /// Ledger numbers, or their order by time, do not rise.
    pub(super) ranks_are_wrong: bool,
}

/// Gives the rows of a segment to `take`, while others check those behind.
pub(super) fn read<T>(
    segment: &Arc<Segment>,
    checkers: &mut Checkers,
    take: impl FnOnce(&mut Rows) -> T,
) -> T {
    let (filter, damaged) = match segment.load_filter() {
        Ok(filter) => (Some(filter), Vec::new()),
        Err(damaged) => (None, vec![damaged]),
    };
    let Checkers { all, id_key } = checkers;
    let pieces = segment.rows().div_ceil(ROWS_AT_ONCE);
    let threads = all.len().min(pieces as usize).max(1);
    let (ids, values_bytes) = (segment.load_ids(), VALUES_BYTES_MAX / threads);
    let common = &Common { segment, id_key, filter, ids, values_bytes };
    let rows =
        Rows { next: 0, ready: VecDeque::new(), lanes: Vec::new(), turn: 0, damaged, ranks_are_wrong: false };
    std::thread::scope(move |scope| {
        // In here, so that whoever waits to hand over ends when `take` does.
        let mut rows = rows;
        for (first, checker) in (0..pieces).zip(all.iter_mut()) {
            let (give, lane) = sync_channel(WAITING_MAX);
            rows.lanes.push(lane);
            let mut work = move || {
                let mut readers = Readers::new(common);
                for piece in (first..pieces).step_by(threads) {
                    let start = piece * ROWS_AT_ONCE;
                    let part = start..segment.rows().min(start.saturating_add(ROWS_AT_ONCE));
                    if give.send(checker.check(common, &mut readers, part)).is_err() {
                        return;
                    }
                }
            };
            if pieces == 1 {
                // There is room for it to wait, and a thread would take longer to begin than this to be done.
                work();
            } else {
                scope.spawn(work);
            }
        }
        take(&mut rows)
    })
}

impl Rows {
    /// A row that was not handed out yet; those before it are passed over. `checked` counts those that were checked.
    pub(super) fn at(&mut self, row: u32, checked: &mut u64) -> Option<Seen> {
        loop {
            if self.ready.is_empty() {
                // All are given when the one has ended whose turn it is.
                let more = self.lanes.get(self.turn)?.recv().ok()?;
                self.turn = (self.turn + 1) % self.lanes.len();
                *checked += more.seen.len() as u64;
                self.ready = more.seen.into();
                self.damaged.extend(more.damaged);
                self.ranks_are_wrong |= more.ranks_are_wrong;
            }
            let seen = self.ready.pop_front()?;
            self.next += 1;
            if self.next > row {
                return Some(seen);
            }
        }
    }
}

/// A reader of rows, and one of the same in the order of time.
struct Readers {
    rows: Reader,
    by_time: Reader,
}

impl Readers {
    fn new(common: &Common<'_>) -> Self {
        let mut rows = common.segment.reader();
        rows.keep_values(common.values_bytes);
        Self { rows, by_time: common.segment.reader() }
    }
}

/// What some rows show.
#[derive(Default)]
struct Checked {
    seen: Vec<Seen>,
    damaged: Vec<Damaged>,
    ranks_are_wrong: bool,
}

#[derive(Default)]
struct Checker {
    checks: Checks,
    event: Vec<u8>,
    tags: Vec<u16>,
}

/// A place in an order of time: the time, and what decides among equal ones.
type Moment = (i64, u64);

impl Checker {
    fn check(&mut self, common: &Common<'_>, readers: &mut Readers, rows: Range<u32>) -> Checked {
        let segment = common.segment;
        let mut checked = Checked { seen: Vec::with_capacity(rows.len()), ..Checked::default() };
        let Readers { rows: reader, by_time } = readers;
        self.tags.clear();
        if let Err(damaged) = segment.tags(rows.clone(), &mut self.tags) {
            self.tags.clear();
            checked.damaged.push(damaged);
        }
        let mut before = None;
        for (n, row) in rows.clone().enumerate() {
            let tag = self.tags.get(n).map_or(Tag::Unknown, |tag| Tag::Is(*tag));
            let mut seen = Seen {
                position: reader.position(row).ok().map(|position| position.0),
                leaf: None,
                tag,
                received_at: None,
                seq: None,
                tells_key: false,
                flaw: None,
                damaged: None,
            };
            if let Err(damaged) = self.look(common, reader, row, &mut seen) {
                seen.leaf = None;
                seen.damaged = Some(Box::new(damaged));
            }
            match is_in_order(reader, by_time, row, &mut before) {
                Ok(true) => {}
                Ok(false) => seen.flaw = seen.flaw.or(Some(Flaw::Order)),
                Err(damaged) => checked.damaged.push(damaged),
            }
            checked.seen.push(seen);
        }
        let (ranks, all) = (segment.ranks(), u64::from(segment.rows()).max(1));
        let rank = |row: u32| ranks * u64::from(row) / all;
        match ranks_rise(by_time, rank(rows.start)..rank(rows.end)) {
            Ok(rise) => checked.ranks_are_wrong = !rise,
            Err(damaged) => checked.damaged.push(damaged),
        }
        checked
    }

    /// Looks at one row.
    fn look(
        &mut self,
        common: &Common<'_>,
        reader: &mut Reader,
        row: u32,
        seen: &mut Seen,
    ) -> Result<(), Damaged> {
        self.event.clear();
        reader.event(row, &mut self.event)?;
        let kind = reader.kind(row)?;
        let (root, counter) = reader.root(row)?;
        let (happened, received) = (reader.happened(row)?, reader.received_at(row)?);
        seen.received_at = Some(received);
        seen.seq = reader.seq(row)?;
        let time = Timestamp::from_micros(received);
        let stated = EntryKind::from_number(kind.stated);
        seen.tells_key = stated == Some(EntryKind::Key);
        let fate = reader.fate(row)?;
        let commitment = match &fate {
            None => Counter::new(counter)
                .and_then(|counter| self.checks.commitment(stated, &self.event, root.lend(), counter)),
            // What reads is what its units make.
            Some(Fate::Erased(bytes)) => ErasedEvent::decode(bytes)
                .ok()
                .filter(|erased| erased.event().as_deref() == Some(&*self.event))
                .and_then(|erased| erased.commitment()),
            Some(Fate::Expired { commitment, .. }) => Some(*commitment),
        };
        seen.leaf = time.zip(commitment).map(|(time, commitment)| match stated {
            None => leaf_hash(&entry::encode_event(kind.class, received_at_ms(time), &commitment)),
            Some(stated) => {
                leaf_hash(&entry::encode_stating(stated, kind.class, received_at_ms(time), &self.event))
            }
        });
        if matches!(fate, Some(Fate::Expired { .. })) {
            // Nothing else is left of it.
            return Ok(());
        }
        let beside = Beside {
            operation: kind.operation,
            derived: kind.derived,
            system: kind.system,
            occurred_at: kind.timed.then(|| Timestamp::from_micros(happened)).flatten(),
        };
        let was_just_split = stated.is_none() && fate.is_none() && commitment.is_some();
        let follows = self.checks.follows_at_a_glance(&beside, &self.event, was_just_split);
        if !follows || (!kind.timed && happened != received) {
            seen.flaw = Some(Flaw::Beside);
        }
        if follows {
            let (_, name) = reader.log(row)?;
            let log = if name.access { LogKind::Access } else { LogKind::Tenant };
            let hash = id_hash(common.id_key, &name.tenant, log, self.checks.id());
            let may_be_there = match &common.filter {
                Some(filter) => filter.may_contain(hash),
                // It could not be read; which block of it, is told for the file.
                None => true,
            };
            if !may_be_there {
                seen.flaw = seen.flaw.or(Some(Flaw::Filter));
            }
            if !reader.is_found_by_id(row, self.checks.id(), common.ids.as_ref())? {
                seen.flaw = seen.flaw.or(Some(Flaw::Index));
            }
        }
        Ok(())
    }
}

/// Whether the row that the log's order of time has in the place of `row` comes after the one before it.
fn is_in_order(
    reader: &mut Reader,
    by_time: &mut Reader,
    row: u32,
    before: &mut Option<(u32, Moment)>,
) -> Result<bool, Damaged> {
    let log = reader.log(row)?.0.clone();
    let here = moment(by_time, &log, row)?;
    let last = match before.take() {
        Some((same, moment)) if same == log.index => Some(moment),
        _ if row > log.rows.start => Some(moment(by_time, &log, row - 1)?),
        _ => None,
    };
    *before = Some((log.index, here));
    Ok(last < Some(here))
}

/// The moment at a row's place in its log's order of time.
fn moment(reader: &mut Reader, log: &LogRows, row: u32) -> Result<Moment, Damaged> {
    let row = reader.log_time_row(log, row - log.rows.start)?;
    Ok((reader.happened(row)?, u64::from(row)))
}

/// Whether ledger numbers, and moments in the order of time, rise at these ranks.
fn ranks_rise(reader: &mut Reader, ranks: Range<u64>) -> Result<bool, Damaged> {
    let (mut seq, mut moment) = (None, None);
    for i in ranks.start.saturating_sub(1)..ranks.end {
        let next_seq = Some(reader.seq_of_rank(i)?);
        let rank = reader.all_time_rank(i)?;
        let row = reader.row_of_rank(rank)?;
        let next = Some((reader.happened(row)?, rank));
        if next_seq <= seq || next <= moment {
            return Ok(false);
        }
        (seq, moment) = (next_seq, next);
    }
    Ok(true)
}
