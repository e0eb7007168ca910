//! Searching the ledger as it runs: the state is held while records are fetched, and let go while they are looked at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use annals_event::filter::Matcher;
use annals_segment::Damaged;

use super::Ledger;
use crate::landmarks::{Between, Counted, Landmark, Total};
use crate::read::{FeedPage, FeedScope, Sift};
use crate::scan::Work;
use crate::search::{Effort, Place, Search, SearchError, SearchPage, Walk};
use crate::summary::{Counts, Summary, Tally};

/// Bytes of events between two looks at the clock, while they are searched.
const BYTES_BETWEEN_LOOKS: usize = 64 << 10;

/// What fetching records costs, as if it were so many bytes to look at.
const BYTES_OF_A_FETCH: usize = 16 << 10;

/// When work ends at the latest.
#[derive(Clone, Copy)]
struct Deadline<'a> {
    /// On the clock that only rises.
    until_us: u64,
    /// See [`Effort::abandoned`].
    abandoned: Option<&'a AtomicBool>,
}

/// What a search has found, and whether that can be trusted.
enum Found {
    Page(SearchPage),
    /// Something was taken away since that was counted from which it began, or its total cannot be told from what was counted.
    Changed,
}

impl Ledger {
    /// A page of what a search finds. Blocks for as long as it takes, up to the effort: [`SearchPage::partial`].
    ///
    /// # Errors
    ///
    /// [`SearchError`].
    pub fn search<'e>(
        &self,
        search: &Search<'_>,
        effort: impl Into<Effort<'e>>,
    ) -> Result<SearchPage, SearchError> {
        let deadline = self.deadline(effort.into());
        match self.search_from_landmarks(search, deadline)? {
            Found::Page(page) => Ok(page),
            Found::Changed => {
                let mut walk = Walk::new(&self.state(), search)?;
                self.work_until(&mut walk, deadline)?;
                self.with_total(search, walk.finish()?, deadline)
            }
        }
    }

    fn search_from_landmarks(
        &self,
        search: &Search<'_>,
        deadline: Deadline<'_>,
    ) -> Result<Found, SearchError> {
        let state = self.state();
        let mut walk = Walk::new(&state, search)?;
        let (taken, epoch, sealed_end) = (state.taken, state.epoch, state.feed_sealed_end(search.scope));
        drop(state);
        let size = walk.size();
        let Counted { landmark, total } = self.shared.landmarks.of(search, size, taken, sealed_end);
        let mut is_trusting = total.is_some();
        if let Some(Landmark { size: then, skipped, place }) = &landmark
            && let Some((_, before)) = self.between(search, (*then, size), Some(place), epoch, deadline)?
        {
            let skipped = if *then < size { skipped + before } else { skipped.saturating_sub(before) };
            is_trusting |= walk.go_on_after(place, skipped);
        }
        if total.is_some() {
            walk.leave_total();
        }
        self.work_until(&mut walk, deadline)?;
        let (has_changed, landmarks) = (walk.has_changed(), walk.landmarks());
        if has_changed && is_trusting {
            return Ok(Found::Changed);
        }
        let found = walk.finish();
        if found.is_err() && !has_changed {
            self.shared.landmarks.leave(search, taken, landmarks, None);
            return found.map(Found::Page);
        }
        let mut page = found?;
        if let Some(Total { size: then, records }) = total.filter(|_| page.total.is_none() && !page.partial) {
            match self.between(search, (then, size), None, epoch, deadline)? {
                Some((more, _)) if then < size => page.total = Some(records + more),
                Some((fewer, _)) => page.total = Some(records.saturating_sub(fewer)),
                // It is counted otherwise, if there is time left.
                None if search.sent_only && self.is_past(deadline) => page.partial = true,
                None if search.sent_only => {
                    self.shared.landmarks.leave(search, taken, landmarks, None);
                    return Ok(Found::Changed);
                }
                None => {}
            }
        }
        let page = self.with_total(search, page, deadline)?;
        // It may have been counted after something was taken away.
        if !has_changed && self.state().taken == taken {
            let total = page.total.map(|records| Total { size, records });
            self.shared.landmarks.leave(search, taken, landmarks, total);
        }
        Ok(Found::Page(page))
    }

    /// How many records of a list there are between two sizes, and how many of these come up to the place; none where the effort does not
    /// last, or they have been sealed meanwhile.
    fn between(
        &self,
        search: &Search<'_>,
        sizes: (u64, u64),
        place: Option<&Place>,
        epoch: u64,
        deadline: Deadline<'_>,
    ) -> Result<Option<(u64, u64)>, Damaged> {
        if sizes.0 == sizes.1 {
            return Ok(Some((0, 0)));
        }
        let mut between = Between::new(search, sizes, place, epoch);
        self.work_until(&mut between, deadline)?;
        Ok(between.is_complete().then_some((between.records, between.before)))
    }

    /// The page with its total, where that is asked for and not known yet.
    fn with_total(
        &self,
        search: &Search<'_>,
        mut page: SearchPage,
        Deadline { until_us, abandoned }: Deadline<'_>,
    ) -> Result<SearchPage, SearchError> {
        if search.count && page.total.is_none() && !page.partial {
            let Search { scope, matcher, .. } = *search;
            let size = Some(page.size);
            let all = Summary { scope, matcher, by: &[], values_max: 0, histogram: None, size };
            let us_max = until_us.saturating_sub(self.shared.clock.monotonic_us());
            match self.summarise(&all, Effort { us_max, abandoned }) {
                Ok(counts) => page.total = Some(counts.total),
                Err(SearchError::Busy) => page.partial = true,
                Err(error) => return Err(error),
            }
        }
        Ok(page)
    }

    /// Counts what satisfies a condition. Blocks for as long as it takes, up to the effort.
    ///
    /// # Errors
    ///
    /// [`SearchError`].
    pub fn summarise<'e>(
        &self,
        summary: &Summary<'_>,
        effort: impl Into<Effort<'e>>,
    ) -> Result<Counts, SearchError> {
        let mut tally = Tally::new(&self.state(), summary)?;
        self.work(&mut tally, effort.into())?;
        tally.finish()
    }

    /// As [`Ledger::feed`], with only those records that satisfy the condition. Blocks until `limit` are found, the end is
    /// reached, or the effort is spent; the page says where to go on.
    ///
    /// # Errors
    ///
    /// A segment cannot be read.
    pub fn feed_matching<'e>(
        &self,
        scope: &FeedScope,
        from: u64,
        limit: usize,
        matcher: &Arc<Matcher>,
        effort: impl Into<Effort<'e>>,
    ) -> Result<Option<FeedPage>, Damaged> {
        let Some(mut sift) = Sift::new(&self.state(), scope, from, limit, matcher) else { return Ok(None) };
        self.work(&mut sift, effort.into())?;
        Ok(Some(sift.finish()))
    }

    /// Works until all is done or the effort is spent, but looks at one record at least.
    pub(super) fn work(&self, work: &mut dyn Work, effort: Effort<'_>) -> Result<(), Damaged> {
        self.work_until(work, self.deadline(effort))
    }

    fn deadline<'e>(&self, Effort { us_max, abandoned }: Effort<'e>) -> Deadline<'e> {
        Deadline { until_us: self.shared.clock.monotonic_us().saturating_add(us_max), abandoned }
    }

    fn is_past(&self, Deadline { until_us, .. }: Deadline<'_>) -> bool {
        self.shared.clock.monotonic_us() >= until_us
    }

    fn work_until(
        &self,
        work: &mut dyn Work,
        Deadline { until_us, abandoned }: Deadline<'_>,
    ) -> Result<(), Damaged> {
        let clock = &self.shared.clock;
        let mut bytes = BYTES_BETWEEN_LOOKS;
        let mut is_over = false;
        let mut is_spent = |work: &dyn Work, more: usize| {
            bytes += more;
            if bytes >= BYTES_BETWEEN_LOOKS {
                bytes = 0;
                is_over = clock.monotonic_us() >= until_us;
                if abandoned.is_some_and(|abandoned| abandoned.load(Ordering::Relaxed)) {
                    return true;
                }
            }
            is_over && work.is_ahead()
        };
        // The state is let go as soon as the records are fetched.
        while self.fetched(work)? {
            while let Some(looked_at) = work.look()? {
                if is_spent(work, looked_at) {
                    return Ok(());
                }
            }
            if is_spent(work, BYTES_OF_A_FETCH) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn fetched(&self, work: &mut dyn Work) -> Result<bool, Damaged> {
        work.fetch(&self.state())
    }
}
