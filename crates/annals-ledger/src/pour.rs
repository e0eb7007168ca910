//! Handing out all records that satisfy a condition, in order, however many there are.
//!
//! A search gives pages, each of which begins anew. This goes on where it stopped: what was prepared for a segment serves all that
//! is read of it, and no more is in memory than what is just handed out. Between two stretches nothing of the ledger is held but
//! the files of the segments it is in; [`Pour::rest`] lets go of these too, for a receiver that takes its time.

use std::ops::ControlFlow;
use std::sync::Arc;

use annals_event::filter::Matcher;
use annals_segment::Damaged;

use super::Ledger;
use crate::read::FeedScope;
use crate::scan::{Next, Passed, Readers, Scan, Work};
use crate::search::{Direction, Effort, SearchError};
use crate::state::State;
use crate::times::Moment;

/// All records that satisfy a condition, by the time they occurred, as of a size.
pub struct Pour {
    scope: FeedScope,
    matcher: Arc<Matcher>,
    direction: Direction,
    size: u64,
    scan: Scan,
    readers: Readers,
    /// The last record that was looked at.
    reached: Option<Moment>,
    ended: bool,
}

/// Where a pour begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PourStart {
    /// As of which size: only the first so many records, by position or ledger number. None is all there are by now.
    pub size: Option<u64>,
    /// It goes on after the record with this number: its position, or over all tenants its ledger number.
    pub after: Option<u64>,
}

impl Pour {
    /// As of which size.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether all was handed out.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Lets go of the files it is in. What comes next is looked for anew.
    pub fn rest(&mut self) {
        self.reached = self.scan.reached().or(self.reached);
        let falling = self.direction == Direction::Falling;
        self.scan = Scan::by_time(&self.scope, &self.matcher, false, falling, self.size);
        self.readers = Readers::default();
        if let Some(reached) = self.reached {
            self.scan.after(reached);
        }
    }
}

impl Ledger {
    /// Begins to hand out what satisfies a condition.
    ///
    /// # Errors
    ///
    /// [`SearchError::TenantMissing`]; [`SearchError::Beyond`] for a size, or a record to go on after, that is not there;
    /// [`SearchError::Damaged`].
    pub fn pour(
        &self,
        scope: &FeedScope,
        matcher: &Arc<Matcher>,
        direction: Direction,
        start: PourStart,
    ) -> Result<Pour, SearchError> {
        let known = self.feed_size(scope).ok_or(SearchError::TenantMissing)?;
        let size = start.size.unwrap_or(known);
        if size > known {
            return Err(SearchError::Beyond { size, known });
        }
        let mut scan = Scan::by_time(scope, matcher, false, direction == Direction::Falling, size);
        let mut reached = None;
        if let Some(after) = start.after {
            let page = self.feed(scope, after, 1)?;
            let record = page.and_then(|page| page.records.into_iter().next());
            let beyond = SearchError::Beyond { size: after.saturating_add(1), known: size };
            let record = record.filter(|_| after < size).ok_or(beyond)?;
            let moment = (record.happened_at().as_micros(), after);
            scan.after(moment);
            reached = Some(moment);
        }
        let (scope, matcher) = (scope.clone(), matcher.clone());
        let ended = size == 0;
        Ok(Pour { scope, matcher, direction, size, scan, readers: Readers::default(), reached, ended })
    }

    /// Hands out what comes next, until `take` breaks it off, the effort is spent or all is handed out. Blocks meanwhile.
    ///
    /// # Errors
    ///
    /// A record that comes next cannot be read, or what `take` says. What follows it must not be taken for all there is.
    pub fn pour_on<'e>(
        &self,
        pour: &mut Pour,
        effort: impl Into<Effort<'e>>,
        take: &mut dyn FnMut(&mut Poured<'_>) -> Result<ControlFlow<()>, Damaged>,
    ) -> Result<(), Damaged> {
        if pour.ended {
            return Ok(());
        }
        let mut stretch = Stretch { pour, take, broken_off: false, moved: false };
        self.work(&mut stretch, effort.into())
    }
}

/// A record that is handed out.
pub struct Poured<'p> {
    passed: &'p Passed,
    readers: &'p mut Readers,
    bytes: usize,
}

impl Poured<'_> {
    /// It, to be written otherwise.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn record(&mut self) -> Result<crate::Record, Damaged> {
        let record = self.passed.record(self.readers)?;
        self.bytes = record.event.len();
        Ok(record)
    }

    /// Appends it as [`Record::write_json`](crate::Record::write_json) does.
    ///
    /// # Errors
    ///
    /// It cannot be read; then nothing is appended.
    pub fn write_json(&mut self, for_platform: bool, out: &mut Vec<u8>) -> Result<(), Damaged> {
        self.bytes = self.passed.write_json(self.readers, for_platform, out)?;
        Ok(())
    }
}

/// What is handed out at once.
struct Stretch<'p, 't> {
    pour: &'p mut Pour,
    take: &'t mut dyn FnMut(&mut Poured<'_>) -> Result<ControlFlow<()>, Damaged>,
    broken_off: bool,
    /// Something was looked at: who goes on gets ahead.
    moved: bool,
}

impl Work for Stretch<'_, '_> {
    fn is_ahead(&self) -> bool {
        self.moved
    }

    fn fetch(&mut self, state: &State) -> Result<bool, Damaged> {
        self.pour.scan.fetch(state);
        self.pour.ended = self.pour.scan.has_ended();
        Ok(!self.pour.ended && !self.broken_off)
    }

    fn look(&mut self) -> Result<Option<usize>, Damaged> {
        if self.broken_off {
            return Ok(None);
        }
        match self.pour.scan.next()? {
            Next::Fetch => Ok(None),
            Next::Looked(bytes) => {
                self.moved = true;
                Ok(Some(bytes))
            }
            Next::Found(passed) => {
                let mut poured = Poured { passed: &passed, readers: &mut self.pour.readers, bytes: 0 };
                self.broken_off = (self.take)(&mut poured)?.is_break();
                self.moved = true;
                Ok(Some(poured.bytes))
            }
        }
    }
}
