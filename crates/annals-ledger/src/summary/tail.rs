//! Counting in the tails where times and what else annals knows beside events tell what counts: without looking at the events,
//! but for members of which no tail remembers the values yet.

use std::ops::{Bound, Range};

use annals_event::filter::{Condition, Field, Walker};
use annals_event::{Operation, Position};
use annals_segment::tally::TallySink;

use super::{Question, Summary, Sums, known_value};
use crate::batch::LogKind;
use crate::columns::{COLUMNS_MAX, Kept, MISSING, UNKEPT};
use crate::log::Row;
use crate::read::FeedScope;
use crate::scan::{is_known, known};
use crate::state::State;
use crate::tail::{Stretch, Tail};

/// Records counted at once, while the state is held, and events that are read for it: what a writer may have to wait for.
const RECORDS_AT_ONCE: u64 = 8 << 10;
const EVENTS_AT_ONCE: usize = 512;

/// How far the tails are counted.
pub(super) struct TailCount {
    /// The number that is next, a position or over all tenants a ledger number.
    next: u64,
    epoch: Option<u64>,
    has_ended: bool,
}

/// What a field is counted by.
enum By<'a> {
    /// The tail's column.
    Column(usize, Vec<u64>),
    /// A member that no column has.
    Member(&'a Walker),
    Operation(Box<[u64; 256]>),
    Other(&'a Field),
}

impl TailCount {
    /// Counting that begins; none where events must be looked at to know whether they count.
    pub(super) fn new(scope: &FeedScope, question: &Question) -> Option<Self> {
        // Records of an access log have no ledger number, by which columns go.
        let is_access = matches!(scope, FeedScope::Log(log) if log.kind == LogKind::Access);
        let is_known = is_known(question.matcher.condition());
        (is_known && !is_access).then_some(Self { next: 0, epoch: None, has_ended: false })
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(super) fn epoch(&self) -> Option<u64> {
        self.epoch
    }

    /// Begins anew, on what there is now.
    pub(super) fn begin(&mut self, state: &State) {
        *self = Self { next: 0, epoch: Some(state.epoch), has_ended: false };
    }

    /// Counts on for a while.
    pub(super) fn fetch(&mut self, state: &State, question: &Question, size: u64, sums: &mut Sums<'_>) {
        let scope = sums.summary.scope;
        let log = match scope {
            FeedScope::All => None,
            FeedScope::Log(name) => match state.log_index(name) {
                Some(log) => Some(log),
                None => {
                    self.has_ended = true;
                    return;
                }
            },
        };
        let mut tails: Vec<&Tail> = state.tails().collect();
        tails.reverse();
        for tail in tails {
            let numbers = match log {
                None => tail.order.first()..tail.order.next(),
                Some(log) => match tail.stretches.get(&log) {
                    Some(stretch) => stretch.first()..stretch.end(),
                    None => continue,
                },
            };
            let numbers = numbers.start.max(self.next)..numbers.end.min(size);
            if !numbers.is_empty() {
                let end = numbers.end.min(numbers.start + RECORDS_AT_ONCE);
                self.next = count(tail, log, numbers.start..end, question, sums);
                return;
            }
        }
        self.has_ended = true;
    }
}

/// Counts records of a tail and gives the number that is next.
fn count(
    tail: &Tail,
    log: Option<u32>,
    numbers: Range<u64>,
    question: &Question,
    sums: &mut Sums<'_>,
) -> u64 {
    let summary: &Summary<'_> = sums.summary;
    let walkers = std::mem::take(&mut sums.walkers);
    let mut kept = tail.columns.lock();
    let mut by: Vec<By<'_>> = fields(summary, &walkers, &mut kept);
    let needs_row = *question.matcher.condition() != Condition::everything()
        || by.iter().any(|by| matches!(by, By::Member(_) | By::Operation(_) | By::Other(_)));
    let stretch_of_log = log.and_then(|log| tail.stretches.get(&log));
    let (low, high) = (lowest(question), highest(question));
    let (mut total, mut events) = (0, 0);
    let mut run = (0..0, 0);
    let mut number = numbers.start;
    while number < numbers.end && events < EVENTS_AT_ONCE {
        let at = number;
        number += 1;
        let (seq, us, found) = match stretch_of_log {
            Some(stretch) => {
                let Some(row) = stretch.row(Position(at)) else { continue };
                let Some(seq) = row.seq else { continue };
                (seq, row.happened_at().as_micros(), Some((stretch, row, Position(at))))
            }
            None => {
                let Some(spot) = tail.order.at(at) else { continue };
                (at, spot.happened_at.as_micros(), None)
            }
        };
        if us < low || us > high {
            continue;
        }
        let found = found.or_else(|| needs_row.then(|| found_at(tail, at)).flatten());
        if needs_row {
            let Some((stretch, row, position)) = found else { continue };
            if question.matcher.condition().decide(&known(stretch, row, position)) == Some(false) {
                continue;
            }
        }
        total += 1;
        if summary.histogram.is_some() {
            if !Range::contains(&run.0, &us) {
                flush(&run, sums);
                run = (sums.stretch(us), 0);
            }
            run.1 += 1;
        }
        let place = usize::try_from(seq - tail.order.first()).expect("records in memory are far fewer");
        let row_of =
            || found.or_else(|| found_at(tail, seq)).expect("a record with a number is in its stretch");
        for (index, by) in by.iter_mut().enumerate() {
            match by {
                By::Column(column, counts) => {
                    let column = kept.column(*column);
                    let mut event: &[u8] = &[];
                    let id = match column.seen(place) {
                        Some(id) if id != UNKEPT => id,
                        seen => {
                            let (_, row, _) = row_of();
                            event = row.event_in(&tail.chunks);
                            events += 1;
                            seen.unwrap_or_else(|| column.see(place, event))
                        }
                    };
                    if id == UNKEPT {
                        sums.count_member(index, column.walker(), event);
                    } else {
                        if counts.len() <= usize::from(id) {
                            counts.resize(column.texts().len() + 1, 0);
                        }
                        counts[usize::from(id)] += 1;
                    }
                }
                By::Member(walker) => {
                    let (_, row, _) = row_of();
                    events += 1;
                    sums.count_member(index, walker, row.event_in(&tail.chunks));
                }
                By::Operation(counts) => {
                    let (_, row, _) = row_of();
                    counts[usize::from(row.operation)] += 1;
                }
                By::Other(field) => {
                    let (stretch, row, position) = row_of();
                    events += 1;
                    sums.add_value(index, &known_value(field, &known(stretch, row, position)), 1);
                }
            }
        }
    }
    sums.total += total;
    flush(&run, sums);
    for (index, by) in by.iter().enumerate() {
        match by {
            By::Column(column, counts) => {
                let texts = kept.column(*column).texts();
                for (id, records) in (0..).zip(counts).filter(|(_, records)| **records > 0) {
                    if id == MISSING {
                        sums.add_missing(index, *records);
                    } else {
                        sums.add_value(index, &texts[usize::from(id) - 1], *records);
                    }
                }
            }
            By::Operation(counts) => {
                for (code, records) in (0..=u8::MAX).zip(&**counts).filter(|(_, records)| **records > 0) {
                    let operation = Operation::from_code(code).unwrap_or(Operation::Other);
                    sums.add_value(index, &super::quoted(operation.as_str()), *records);
                }
            }
            By::Member(_) | By::Other(_) => {}
        }
    }
    drop(by);
    drop(kept);
    sums.walkers = walkers;
    number
}

/// How each field is counted. The first few members have columns.
fn fields<'a>(summary: &Summary<'a>, walkers: &'a [Option<Walker>], kept: &mut Kept) -> Vec<By<'a>> {
    let mut columns = 0;
    let by = summary.by.iter().zip(walkers).map(|(field, walker)| match (field, walker) {
        (Field::Member(path), _) if columns < COLUMNS_MAX => {
            columns += 1;
            By::Column(kept.index(path), Vec::new())
        }
        (Field::Member(_), Some(walker)) => By::Member(walker),
        (Field::Operation, _) => By::Operation(Box::new([0; 256])),
        _ => By::Other(field),
    });
    by.collect()
}

/// Notes the records of one stretch of time.
fn flush((stretch, records): &(Range<i64>, u64), sums: &mut Sums<'_>) {
    if *records > 0 {
        sums.add_time(stretch, *records);
    }
}

/// The record with a ledger number.
fn found_at(tail: &Tail, seq: u64) -> Option<(&Stretch, &Row, Position)> {
    let spot = tail.order.at(seq)?;
    let stretch = tail.stretches.get(&spot.log)?;
    let position = Position(stretch.first() + u64::from(spot.row));
    Some((stretch, stretch.row(position)?, position))
}

/// The first µs that counts, and the last.
fn lowest(question: &Question) -> i64 {
    match question.low {
        Bound::Unbounded => i64::MIN,
        Bound::Included((us, _)) | Bound::Excluded((us, _)) => us,
    }
}

fn highest(question: &Question) -> i64 {
    match question.high {
        Bound::Unbounded => i64::MAX,
        Bound::Included((us, _)) | Bound::Excluded((us, _)) => us,
    }
}
