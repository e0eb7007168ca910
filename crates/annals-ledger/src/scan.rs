//! Walking over the records of a scope, each once, while others are added.
//!
//! Records are fetched a few hundred at a time, while the state is held, and looked at when it is let go: whatever a condition
//! costs, writers wait for the fetching alone.

use std::collections::VecDeque;
use std::ops::Bound;

use annals_event::Position;
use annals_event::filter::{Comparison, Condition, Field, Literal, Matcher, Test};
use annals_event::json::Document;

use crate::ids::Found;
use crate::log::Log;
use crate::read::FeedScope;
use crate::record::Record;
use crate::state::State;
use crate::times::{Moment, Times};

/// Records fetched at once, while the state is held: what a writer may have to wait for. They are looked at afterwards.
const FETCHED_RECORDS: usize = 512;

/// By what records are walked over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    /// By the time they occurred, then by number.
    Time,
    /// By number: position, or over all tenants ledger number.
    Number,
}

/// A walk on its way. Its place is kept as a moment, which no later record moves.
pub(crate) struct Scan {
    lane: Lane,
    falling: bool,
    low: Bound<Moment>,
    high: Bound<Moment>,
    /// Only numbers below this one.
    size: u64,
    /// The next ones, in order.
    fetched: VecDeque<Passed>,
    /// There is nothing after what is fetched.
    ended: bool,
    /// The last one that was looked at.
    reached: Option<Moment>,
}

/// One record on the way. It shares the ledger's bytes.
pub(crate) struct Passed {
    /// Position, or over all tenants ledger number.
    pub(crate) number: u64,
    /// Its place in the walk.
    moment: Moment,
    /// Written by annals itself.
    pub(crate) is_system: bool,
    pub(crate) record: Record,
}

/// Work that looks at records one by one, and holds the state only while it fetches them.
pub(crate) trait Work {
    /// Fetches what is to be looked at next. False when there is nothing left to do.
    fn fetch(&mut self, state: &State) -> bool;

    /// Looks at one record and says how many bytes it has; none when more must be fetched first.
    fn look(&mut self) -> Option<usize>;
}

impl Scan {
    /// A walk by time over what may satisfy `condition`, which bounds it where it bounds times.
    pub(crate) fn by_time(condition: &Condition, falling: bool, size: u64) -> Self {
        let mut scan = Self::new(Lane::Time, falling, size);
        let (from, to) = times_of(condition, &Field::OccurredAt);
        scan.low = from.map_or(Bound::Unbounded, |us| Bound::Included((us, 0)));
        scan.high = to.map_or(Bound::Unbounded, |us| Bound::Included((us, u64::MAX)));
        scan
    }

    /// A walk by number over what may satisfy `condition`. In one log, where times of receipt never fall, it is bounded by
    /// those that the condition bounds.
    pub(crate) fn by_number(
        state: &State,
        scope: &FeedScope,
        condition: &Condition,
        falling: bool,
        size: u64,
    ) -> Self {
        let mut scan = Self::new(Lane::Number, falling, size);
        if let Some(Source::Log { log, .. }) = Source::of(state, scope) {
            let (from, to) = times_of(condition, &Field::ReceivedAt);
            let first_after = |us: i64| log.received_before(|at| at.as_micros() <= us);
            scan.low =
                from.map_or(Bound::Unbounded, |us| Bound::Included((0, first_after(us.saturating_sub(1)))));
            scan.high = to.map_or(Bound::Unbounded, |us| Bound::Excluded((0, first_after(us))));
        }
        scan
    }

    fn new(lane: Lane, falling: bool, size: u64) -> Self {
        Self {
            lane,
            falling,
            low: Bound::Unbounded,
            high: Bound::Unbounded,
            size,
            fetched: VecDeque::new(),
            ended: false,
            reached: None,
        }
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

    /// The moment up to which everything was looked at, whether or not there was something to show; none before the first.
    pub(crate) fn reached(&self) -> Option<Moment> {
        self.reached
    }

    /// Whether everything was looked at.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended && self.fetched.is_empty()
    }

    /// The next record; none when more must be fetched first.
    pub(crate) fn next(&mut self) -> Option<Passed> {
        let passed = self.fetched.pop_front()?;
        self.reached = Some(passed.moment);
        Some(passed)
    }

    /// Fetches the next records, if those before were all looked at.
    pub(crate) fn fetch(&mut self, state: &State, scope: &FeedScope) {
        if self.ended || !self.fetched.is_empty() {
            return;
        }
        let Some(source) = Source::of(state, scope) else {
            self.ended = true;
            return;
        };
        let moments = self.moments(&source);
        self.ended = moments.len() < FETCHED_RECORDS;
        if let Some(last) = moments.last() {
            self.after(*last);
        }
        let shown = moments.iter().filter(|moment| moment.1 < self.size);
        self.fetched.extend(shown.map(|moment| source.passed(state, *moment)));
        if self.fetched.is_empty() {
            // None of them is for this walk, which has passed them all the same.
            self.reached = moments.last().copied().or(self.reached);
        }
    }

    fn moments(&self, source: &Source<'_>) -> Vec<Moment> {
        match self.lane {
            Lane::Time => {
                let times = source.times();
                if self.falling {
                    times.falling(self.low, self.high).take(FETCHED_RECORDS).collect()
                } else {
                    times.rising(self.low, self.high).take(FETCHED_RECORDS).collect()
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
                let moment = |number| (0, number);
                if self.falling {
                    range.rev().take(FETCHED_RECORDS).map(moment).collect()
                } else {
                    range.take(FETCHED_RECORDS).map(moment).collect()
                }
            }
        }
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

    fn times(&self) -> &'a Times {
        match self {
            Self::Log { log, .. } => &log.times,
            Self::All(state) => &state.times,
        }
    }

    fn passed(&self, state: &State, moment: Moment) -> Passed {
        let number = moment.1;
        let found = match self {
            Self::Log { index, .. } => Found { log: *index, position: Position(number) },
            Self::All(state) => state.order.at(number).expect("the caller stays below the size"),
        };
        Passed { number, moment, is_system: state.is_system(found), record: state.record(found) }
    }
}

impl Passed {
    /// Whether it satisfies the condition. `document` is room to parse in.
    pub(crate) fn satisfies(&self, matcher: &Matcher, document: &mut Document) -> bool {
        matcher.matches(document, &self.record.event, &self.record.known())
    }
}

/// The first and the last µs that the condition leaves for a time of what satisfies it.
pub(crate) fn times_of(condition: &Condition, field: &Field) -> (Option<i64>, Option<i64>) {
    let later = |a: Option<i64>, b: Option<i64>| a.max(b);
    let earlier = |a: Option<i64>, b: Option<i64>| match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    match condition {
        Condition::All(all) => {
            let each = all.iter().map(|condition| times_of(condition, field));
            each.fold((None, None), |(from, to), (low, high)| (later(from, low), earlier(to, high)))
        }
        Condition::Field(of, Test::In(literals)) if of == field => {
            let times = literals.iter().filter_map(|literal| match literal {
                Literal::Time(at) => Some(at.as_micros()),
                _ => None,
            });
            (times.clone().min(), times.max())
        }
        Condition::Field(of, Test::Order(comparison, Literal::Time(at))) if of == field => {
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
