//! Walking over the records of a scope in steps, each record once, while others are added.

use std::ops::Bound;

use annals_event::filter::{Comparison, Condition, Field, Known, Literal, Matcher, Test};
use annals_event::json::Document;
use annals_event::{Operation, Position, TenantId};

use crate::ids::Found;
use crate::log::{Log, Row};
use crate::read::FeedScope;
use crate::state::State;
use crate::times::Moment;

/// Records looked at in one step, while the state is held: what a writer may have to wait for.
pub(crate) const STEP_RECORDS: usize = 512;

/// By what records are walked over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// By the time they occurred, then by number.
    Time,
    /// By number: position, or over all tenants ledger number.
    Number,
}

/// A walk on its way. Its place is kept as a moment, which no later record moves.
#[derive(Debug)]
pub(crate) struct Scan {
    lane: Lane,
    falling: bool,
    low: Bound<Moment>,
    high: Bound<Moment>,
    /// Only numbers below this one.
    size: u64,
    numbers: Vec<u64>,
}

/// One record on the way.
pub(crate) struct Passed<'a> {
    /// Position, or over all tenants ledger number.
    pub(crate) number: u64,
    pub(crate) found: Found,
    pub(crate) row: &'a Row,
    pub(crate) tenant: &'a TenantId,
    /// Canonical bytes of the event.
    pub(crate) event: &'a [u8],
}

impl Scan {
    /// A walk by time over what may satisfy `condition`, which bounds it where it bounds times.
    pub(crate) fn by_time(condition: &Condition, falling: bool, size: u64) -> Self {
        let mut scan = Self::new(Lane::Time, falling, size);
        let (from, to) = times_of(condition);
        scan.low = from.map_or(Bound::Unbounded, |us| Bound::Included((us, 0)));
        scan.high = to.map_or(Bound::Unbounded, |us| Bound::Included((us, u64::MAX)));
        scan
    }

    /// A walk by number.
    pub(crate) fn by_number(falling: bool, size: u64) -> Self {
        Self::new(Lane::Number, falling, size)
    }

    fn new(lane: Lane, falling: bool, size: u64) -> Self {
        Self { lane, falling, low: Bound::Unbounded, high: Bound::Unbounded, size, numbers: Vec::new() }
    }

    /// Goes on after this moment; in a walk by number its time is 0.
    pub(crate) fn after(&mut self, moment: Moment) {
        let (bound, narrower): (_, fn(Moment, Moment) -> bool) = if self.falling {
            (&mut self.high, |new, old| new <= old)
        } else {
            (&mut self.low, |new, old| new >= old)
        };
        let keeps = match *bound {
            Bound::Unbounded => false,
            Bound::Included(old) | Bound::Excluded(old) => !narrower(moment, old),
        };
        if !keeps {
            *bound = Bound::Excluded(moment);
        }
    }

    /// The moment up to which it has come, whether or not there was something to show; none before the first step.
    pub(crate) fn reached(&self) -> Option<Moment> {
        match if self.falling { self.high } else { self.low } {
            Bound::Excluded(moment) => Some(moment),
            Bound::Included(_) | Bound::Unbounded => None,
        }
    }

    /// Takes one step and shows each record to `see`, which says whether to go on. False at the end of the walk; a walk that
    /// `see` has ended is not to be continued.
    pub(crate) fn step(
        &mut self,
        state: &State,
        scope: &FeedScope,
        mut see: impl FnMut(Passed<'_>) -> bool,
    ) -> bool {
        let Some(source) = Source::of(state, scope) else { return false };
        let mut numbers = std::mem::take(&mut self.numbers);
        numbers.clear();
        let more = self.take(&source, &mut numbers);
        let shown = numbers.iter().filter(|number| **number < self.size).all(|number| {
            let found = source.found(*number);
            let log = &state.logs()[found.log as usize];
            let row = log.row(found.position).expect("the indexes name records that exist");
            see(Passed {
                number: *number,
                found,
                row,
                tenant: &log.tenant,
                event: row.event_bytes(&state.chunks),
            })
        });
        self.numbers = numbers;
        shown && more
    }

    /// The numbers of the next records, and whether there may be more.
    fn take(&mut self, source: &Source<'_>, numbers: &mut Vec<u64>) -> bool {
        let mut last = None;
        match self.lane {
            Lane::Time => {
                let times = source.times();
                let mut put = |moments: &mut dyn Iterator<Item = Moment>| {
                    for moment in moments.take(STEP_RECORDS) {
                        numbers.push(moment.1);
                        last = Some(moment);
                    }
                };
                if self.falling {
                    put(&mut times.falling(self.low, self.high));
                } else {
                    put(&mut times.rising(self.low, self.high));
                }
            }
            Lane::Number => {
                let low = match self.low {
                    Bound::Unbounded => 0,
                    Bound::Included((_, number)) => number,
                    Bound::Excluded((_, number)) => number.saturating_add(1),
                };
                let end = match self.high {
                    Bound::Unbounded => self.size,
                    Bound::Included((_, number)) => number.saturating_add(1),
                    Bound::Excluded((_, number)) => number,
                };
                let range = low..end.min(source.size()).min(self.size).max(low);
                if self.falling {
                    numbers.extend(range.rev().take(STEP_RECORDS));
                } else {
                    numbers.extend(range.take(STEP_RECORDS));
                }
                last = numbers.last().map(|number| (0, *number));
            }
        }
        if let Some(last) = last {
            self.after(last);
        }
        numbers.len() == STEP_RECORDS
    }
}

/// What a scope's numbers mean.
enum Source<'a> {
    Log { index: u32, log: &'a Log },
    All(&'a State),
}

impl<'a> Source<'a> {
    fn of(state: &'a State, scope: &FeedScope) -> Option<Self> {
        match scope {
            FeedScope::All => Some(Self::All(state)),
            FeedScope::Log(name) => {
                let index = state.log_index(name)?;
                Some(Self::Log { index, log: &state.logs()[index as usize] })
            }
        }
    }

    fn size(&self) -> u64 {
        match self {
            Self::Log { log, .. } => log.size(),
            Self::All(state) => state.order.size(),
        }
    }

    fn times(&self) -> &'a crate::times::Times {
        match self {
            Self::Log { log, .. } => &log.times,
            Self::All(state) => &state.times,
        }
    }

    fn found(&self, number: u64) -> Found {
        match self {
            Self::Log { index, .. } => Found { log: *index, position: Position(number) },
            Self::All(state) => state.order.at(number).expect("the caller stays below the size"),
        }
    }
}

impl Passed<'_> {
    /// What annals knows of it beside its bytes.
    pub(crate) fn known(&self) -> Known<'_> {
        Known {
            occurred_at: self.row.occurred_at(),
            received_at: self.row.received_at,
            operation: Operation::from_code(self.row.operation).unwrap_or(Operation::Other),
            position: self.found.position,
            tenant: self.tenant,
        }
    }

    /// Whether it satisfies the condition. `document` is room to parse in.
    pub(crate) fn satisfies(&self, matcher: &Matcher, document: &mut Document) -> bool {
        matcher.matches(document, self.event, &self.known())
    }
}

/// The first and the last µs at which something that satisfies the condition can have occurred.
pub(crate) fn times_of(condition: &Condition) -> (Option<i64>, Option<i64>) {
    let later = |a: Option<i64>, b: Option<i64>| a.max(b);
    let earlier = |a: Option<i64>, b: Option<i64>| match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    match condition {
        Condition::All(all) => all
            .iter()
            .map(times_of)
            .fold((None, None), |(from, to), (low, high)| (later(from, low), earlier(to, high))),
        Condition::Field(Field::OccurredAt, Test::Order(comparison, Literal::Time(at))) => {
            let us = at.as_micros();
            match comparison {
                Comparison::Above => (Some(us + 1), None),
                Comparison::AtLeast => (Some(us), None),
                Comparison::Below => (None, Some(us - 1)),
                Comparison::AtMost => (None, Some(us)),
            }
        }
        _ => (None, None),
    }
}
