//! Rows of a segment, checked a few thousand at a time on several threads and handed out in their order.
//!
//! What one row shows by itself is looked at here: that it can be read, that its event gives a commitment and with it a leaf
//! with the row's tag, that what stands beside the event follows from it, that the filter over ids has it and their index leads to it, and that it stands
//! in the orders of time. What it shows together with its neighbours is for `segments` to see.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use annals_event::Timestamp;
use annals_segment::Damaged;
use annals_segment::hashes::LoadedFilter;
use annals_segment::segment::{LogRows, Reader, Segment};
use annals_tree::tree::tag;
use annals_tree::{Counter, EntryKind, Hash, entry, leaf_hash};

use super::checks::{Beside, Checks};
use super::finding::Flaw;
use crate::batch::LogKind;
use crate::ids::id_hash;
use crate::log::received_at_ms;

/// Rows that one thread checks at a time.
const ROWS_AT_ONCE: u32 = 4_096;

/// Most threads; more would wait for the one that goes on with what they checked.
const THREADS_MAX: usize = 8;

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
        let threads =
            std::thread::available_parallelism().map_or(1, |threads| threads.get().min(THREADS_MAX));
        Self { all: std::iter::repeat_with(Checker::default).take(threads).collect(), id_key }
    }
}

/// The rows of a segment, in order.
pub(super) struct Rows<'a> {
    segment: &'a Arc<Segment>,
    checkers: &'a mut Checkers,
    /// Over ids; none when it cannot be read.
    filter: Option<LoadedFilter>,
    /// The row that is handed out next.
    next: u32,
    ready: VecDeque<Seen>,
    /// The row that is checked next.
    unchecked: u32,
    /// What was damaged, but of no one row.
    pub(super) damaged: Vec<Damaged>,
    /// Ledger numbers, or their order by time, do not rise.
    pub(super) ranks_are_wrong: bool,
}

impl<'a> Rows<'a> {
    pub(super) fn new(segment: &'a Arc<Segment>, checkers: &'a mut Checkers) -> Self {
        let (filter, damaged) = match segment.load_filter() {
            Ok(filter) => (Some(filter), Vec::new()),
            Err(damaged) => (None, vec![damaged]),
        };
        Self {
            segment,
            checkers,
            filter,
            next: 0,
            ready: VecDeque::new(),
            unchecked: 0,
            damaged,
            ranks_are_wrong: false,
        }
    }

    /// A row that was not handed out yet; those before it are passed over. `checked` counts those that were checked.
    pub(super) fn at(&mut self, row: u32, checked: &mut u64) -> Option<Seen> {
        loop {
            if self.ready.is_empty() {
                let rows = self.check_more();
                if rows == 0 {
                    return None;
                }
                *checked += u64::from(rows);
            }
            let seen = self.ready.pop_front()?;
            self.next += 1;
            if self.next > row {
                return Some(seen);
            }
        }
    }

    /// Checks as many rows as there are threads for.
    fn check_more(&mut self) -> u32 {
        let (segment, rows, id_key) = (self.segment, self.segment.rows(), &self.checkers.id_key);
        let filter = self.filter.as_ref();
        let mut parts = Vec::new();
        let first = self.unchecked;
        for checker in &mut self.checkers.all {
            let part = self.unchecked..rows.min(self.unchecked.saturating_add(ROWS_AT_ONCE));
            if !part.is_empty() {
                self.unchecked = part.end;
                parts.push((checker, part));
            }
        }
        let checked: Vec<Checked> = if let [(checker, part)] = parts.as_mut_slice() {
            vec![checker.check(segment, part.clone(), id_key, filter)]
        } else {
            std::thread::scope(|scope| {
                let work = parts
                    .into_iter()
                    .map(|(checker, part)| scope.spawn(move || checker.check(segment, part, id_key, filter)));
                let work: Vec<_> = work.collect();
                work.into_iter().map(|work| work.join().expect("checking does not panic")).collect()
            })
        };
        for checked in checked {
            self.ready.extend(checked.seen);
            self.damaged.extend(checked.damaged);
            self.ranks_are_wrong |= checked.ranks_are_wrong;
        }
        self.unchecked - first
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
    fn check(
        &mut self,
        segment: &Arc<Segment>,
        rows: Range<u32>,
        id_key: &[u8; 16],
        filter: Option<&LoadedFilter>,
    ) -> Checked {
        let mut checked = Checked::default();
        let mut reader = segment.reader();
        self.tags.clear();
        if let Err(damaged) = segment.tags(rows.clone(), &mut self.tags) {
            self.tags.clear();
            checked.damaged.push(damaged);
        }
        let mut by_time = segment.reader();
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
            if let Err(damaged) = self.look(&mut reader, row, &mut seen, id_key, filter) {
                seen.leaf = None;
                seen.damaged = Some(Box::new(damaged));
            }
            match is_in_order(&mut reader, &mut by_time, row, &mut before) {
                Ok(true) => {}
                Ok(false) => seen.flaw = seen.flaw.or(Some(Flaw::Order)),
                Err(damaged) => checked.damaged.push(damaged),
            }
            checked.seen.push(seen);
        }
        let (ranks, all) = (segment.ranks(), u64::from(segment.rows()).max(1));
        let rank = |row: u32| ranks * u64::from(row) / all;
        match ranks_rise(segment, &mut by_time, rank(rows.start)..rank(rows.end)) {
            Ok(rise) => checked.ranks_are_wrong = !rise,
            Err(damaged) => checked.damaged.push(damaged),
        }
        checked
    }

    /// Looks at one row.
    fn look(
        &mut self,
        reader: &mut Reader,
        row: u32,
        seen: &mut Seen,
        id_key: &[u8; 16],
        filter: Option<&LoadedFilter>,
    ) -> Result<(), Damaged> {
        self.event.clear();
        reader.event(row, &mut self.event)?;
        let kind = reader.kind(row)?;
        let (root, counter) = reader.secret(row)?;
        let (happened, received) = (reader.happened(row)?, reader.received_at(row)?);
        seen.received_at = Some(received);
        seen.seq = reader.seq(row)?;
        let time = Timestamp::from_micros(received);
        let stated = EntryKind::from_number(kind.stated);
        seen.tells_key = stated == Some(EntryKind::Key);
        let commitment = Counter::new(counter)
            .and_then(|counter| self.checks.commitment(stated, &self.event, &root, counter));
        seen.leaf = time.zip(commitment).map(|(time, commitment)| match stated {
            None => leaf_hash(&entry::encode_event(kind.class, received_at_ms(time), &commitment)),
            Some(stated) => {
                leaf_hash(&entry::encode_stating(stated, kind.class, received_at_ms(time), &self.event))
            }
        });
        let beside = Beside {
            operation: kind.operation,
            derived: kind.derived,
            system: kind.system,
            occurred_at: kind.timed.then(|| Timestamp::from_micros(happened)).flatten(),
        };
        let id = self.checks.follows_at_a_glance(&beside, &self.event);
        if id.is_none() || (!kind.timed && happened != received) {
            seen.flaw = Some(Flaw::Beside);
        }
        if let Some(id) = id {
            let (_, name) = reader.log(row)?;
            let log = if name.access { LogKind::Access } else { LogKind::Tenant };
            let hash = id_hash(id_key, &name.tenant, log, &self.event[id.clone()]);
            let may_be_there = match filter {
                Some(filter) => filter.may_contain(hash),
                // It could not be read; which block of it, is told for the file.
                None => true,
            };
            if !may_be_there {
                seen.flaw = seen.flaw.or(Some(Flaw::Filter));
            }
            if !reader.is_found_by_id(row, &self.event[id])? {
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
    let row = reader.segment().log_time_row(log, row - log.rows.start)?;
    Ok((reader.happened(row)?, u64::from(row)))
}

/// Whether ledger numbers, and moments in the order of time, rise at these ranks.
fn ranks_rise(segment: &Segment, reader: &mut Reader, ranks: Range<u64>) -> Result<bool, Damaged> {
    let (mut seq, mut moment) = (None, None);
    for i in ranks.start.saturating_sub(1)..ranks.end {
        let next_seq = Some(segment.seq_of_rank(i)?);
        let rank = segment.all_time_rank(i)?;
        let next = Some((reader.happened(segment.row_of_rank(rank)?)?, rank));
        if next_seq <= seq || next <= moment {
            return Ok(false);
        }
        (seq, moment) = (next_seq, next);
    }
    Ok(true)
}
