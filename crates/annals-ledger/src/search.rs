//! Finding records: pages of what satisfies a condition, in a stated order, as of a stated size.
//!
//! A search walks over what satisfies its condition in its order, so a page ends as soon as it is full. Nothing is held while
//! it does so. Where the walk is, is remembered as a place in the order, which stays what it is however
//! many records are added meanwhile.
//!
//! An order by anything but one time needs all matches before it can name the first: such a page costs a walk over all
//! records in the range, and memory for one page.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use annals_event::filter::{Field, Matcher};
use annals_event::json::Document;
use annals_segment::Damaged;

use crate::landmarks::Landmark;
use crate::read::FeedScope;
use crate::record::Record;
use crate::scan::{Next, Passed, Readers, Scan, Work, gather, times_of};
use crate::state::State;
use crate::times::Moment;

/// What is looked for.
#[derive(Clone, Copy)]
pub struct Search<'a> {
    /// Where.
    pub scope: &'a FeedScope,
    /// What a record must satisfy.
    pub matcher: &'a Arc<Matcher>,
    /// In which order.
    pub order: &'a Order,
    /// Leaves out what annals itself has written.
    pub sent_only: bool,
    /// As of which size: only the first so many records, by position or ledger number. None is all there are by now.
    pub size: Option<u64>,
    /// Where the page begins.
    pub start: &'a Start,
    /// Records of a full page.
    pub limit: usize,
    /// Whether to count all that match.
    pub count: bool,
}

/// How much work one answer may take. At least one record is looked at always, so whoever goes on where an answer ended gets ahead.
#[derive(Clone, Copy, Debug)]
pub struct Effort<'a> {
    /// About so many µs.
    pub us_max: u64,
    /// Set when nobody waits for the answer any more.
    pub abandoned: Option<&'a AtomicBool>,
}

impl From<u64> for Effort<'_> {
    fn from(us_max: u64) -> Self {
        Self { us_max, abandoned: None }
    }
}

/// The order of what is found: by one key after another. What is equal in all of them stands in the order of the numbers, in
/// the direction of the last key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order(Vec<(SortKey, Direction)>);

/// What records are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortKey {
    /// The client's time, or where it sent none the time of receipt.
    OccurredAt,
    /// The order of receipt: by position, or over all tenants by ledger number. Beside other keys the time of receipt, which
    /// records of one batch share.
    Received,
    /// `request.status_code`; events without one come as if it were -1.
    StatusCode,
}

/// Which comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The smallest.
    Rising,
    /// The largest.
    Falling,
}

/// A record's place in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its value for each key: µs, a number, or a status code.
    pub keys: Vec<i64>,
    /// Its position, or over all tenants its ledger number.
    pub number: u64,
}

/// Where a page begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With the first record of the order.
    #[default]
    First,
    /// With what follows this place.
    After(Place),
    /// With what makes the page end right before this place.
    Before(Place),
    /// With what follows so many records of the order. In an order by anything but one time at most [`SKIPPED_MAX`].
    Skip(u64),
}

/// Most records that a page of an order by anything but one time comes behind: they are all held to be told apart from it.
pub const SKIPPED_MAX: u64 = 10_000;

/// A page of what was found.
#[derive(Clone, Debug)]
pub struct SearchPage {
    /// The records, in order.
    pub records: Vec<Record>,
    /// The place after which the next page begins; none at the end.
    pub next: Option<Place>,
    /// The place before which the previous page ends; none at the beginning.
    pub previous: Option<Place>,
    /// As of which size.
    pub size: u64,
    /// How many match in all, where that was asked for and the time was enough.
    pub total: Option<u64>,
    /// The time was up before the page was full, or before all were counted.
    pub partial: bool,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// There is no such tenant.
    #[error("the tenant does not exist")]
    TenantMissing,
    /// The time was up.
    #[error("the question takes more work than one answer may; ask for a shorter time or for fewer values")]
    Busy,
    /// The size is more than there is.
    #[error(
        "the answer was to be as of {size} records, but there are only {known}; records that were known are lost"
    )]
    Beyond {
        /// What was asked for.
        size: u64,
        /// What there is.
        known: u64,
    },
    /// Something that must be read for the answer is damaged.
    #[error(transparent)]
    Damaged(#[from] Box<Damaged>),
    /// More of something than is counted.
    #[error("the answer would have more than {max} {of}")]
    TooMany {
        /// Of what.
        of: Counted,
        /// The bound.
        max: u64,
    },
}

/// What a summary has a bounded number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Distinct values of its fields.
    Values,
    /// Bytes of these values.
    ValueBytes,
    /// Stretches of time.
    Intervals,
}

impl From<Damaged> for SearchError {
    fn from(damaged: Damaged) -> Self {
        Self::Damaged(Box::new(damaged))
    }
}

impl std::fmt::Display for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Values => "distinct values; count by fewer or by other fields, or over a shorter time",
            Self::ValueBytes => {
                "bytes of distinct values; count by fewer or by other fields, or over a shorter time"
            }
            Self::Intervals => "intervals; ask for a shorter time or a longer interval",
        })
    }
}

impl Order {
    /// By these keys, one after another.
    ///
    /// # Panics
    ///
    /// Without a key.
    #[must_use]
    pub fn new(keys: Vec<(SortKey, Direction)>) -> Self {
        assert!(!keys.is_empty(), "an order has a key");
        Self(keys)
    }

    /// By the time of occurrence.
    #[must_use]
    pub fn occurred(direction: Direction) -> Self {
        Self(vec![(SortKey::OccurredAt, direction)])
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &[(SortKey, Direction)] {
        &self.0
    }

    fn reversed(&self) -> Self {
        Self(self.0.iter().map(|(key, direction)| (*key, direction.reversed())).collect())
    }

    fn last(&self) -> Direction {
        self.0.last().expect("an order has a key").1
    }

    /// Numbers that compare as places do in this order.
    pub(crate) fn rank(&self, place: &Place) -> Vec<i128> {
        let signed = |direction: Direction, value: i128| match direction {
            Direction::Rising => value,
            Direction::Falling => -value,
        };
        let keys =
            self.0.iter().zip(&place.keys).map(|((_, direction), key)| signed(*direction, (*key).into()));
        keys.chain([signed(self.last(), place.number.into())]).collect()
    }

    /// The place of a record.
    pub(crate) fn place(
        &self,
        passed: &Passed,
        document: &mut Document,
        readers: &mut Readers,
    ) -> Result<Place, Damaged> {
        let mut keys = Vec::with_capacity(self.0.len());
        for (key, _) in &self.0 {
            keys.push(match key {
                SortKey::OccurredAt => passed.happened_at()?.as_micros(),
                // Alone it is the order of the numbers.
                SortKey::Received if self.0.len() == 1 => 0,
                SortKey::Received => passed.received_at()?.as_micros(),
                SortKey::StatusCode => status_code(&passed.record(readers)?.event, document),
            });
        }
        Ok(Place { keys, number: passed.number })
    }
}

impl Direction {
    /// The other one.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Rising => Self::Falling,
            Self::Falling => Self::Rising,
        }
    }
}

fn status_code(event: &[u8], document: &mut Document) -> i64 {
    let event = document.parse(event, crate::record::LIMITS).ok();
    let code = event.and_then(|event| event.get("request")?.get("status_code")?.as_u64());
    code.and_then(|code| i64::try_from(code).ok()).unwrap_or(-1)
}

/// A search on its way.
pub(crate) struct Walk<'a> {
    search: &'a Search<'a>,
    /// The order in which it walks; against the page's where that is read from its end.
    order: Order,
    size: u64,
    stage: Stage,
    scan: Scan,
    document: Document,
    readers: Readers,
    hits: Vec<(Place, Passed)>,
    best: BinaryHeap<Ranked>,
    /// What is looked for comes after this rank.
    beyond: Option<Vec<i128>>,
    /// What is looked for comes after so many more.
    skip: u64,
    /// So many are looked at one by one before others are passed over.
    singly: u32,
    counted: u64,
    total: Option<u64>,
    /// Does not count, as somebody else knows how many match in all.
    leaves_total: bool,
    /// What was taken away when it began, and whether there was more since.
    taken: u64,
    has_changed: bool,
    /// The last place before the page, once it is reached.
    page_after: Option<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Fills the page in the order of the walk.
    Page,
    /// Looks for the best of all.
    Best,
    /// Counts.
    Count,
    Done,
}

/// A hit, ordered by its rank.
struct Ranked {
    rank: Vec<i128>,
    place: Place,
    passed: Passed,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(state: &State, search: &'a Search<'a>) -> Result<Self, SearchError> {
        let known = state.feed_size(search.scope).ok_or(SearchError::TenantMissing)?;
        let size = search.size.unwrap_or(known);
        if size > known {
            return Err(SearchError::Beyond { size, known });
        }
        let order = match search.start {
            Start::Before(_) => search.order.reversed(),
            _ => search.order.clone(),
        };
        let falling = order.last() == Direction::Falling;
        let Search { scope, matcher, sent_only, .. } = *search;
        let (stage, scan) = match order.keys() {
            [(SortKey::OccurredAt, _)] => {
                (Stage::Page, Scan::by_time(scope, matcher, sent_only, falling, size))
            }
            [(SortKey::Received, _)] => {
                (Stage::Page, Scan::by_number(scope, matcher, sent_only, falling, size))
            }
            _ => (Stage::Best, Scan::by_time(scope, matcher, sent_only, falling, size)),
        };
        let mut walk = Self {
            search,
            order,
            size,
            stage,
            scan,
            document: Document::default(),
            readers: Readers::default(),
            hits: Vec::new(),
            best: BinaryHeap::new(),
            beyond: None,
            skip: if let Start::Skip(skip) = search.start { *skip } else { 0 },
            singly: 0,
            counted: 0,
            total: None,
            leaves_total: false,
            taken: state.taken,
            has_changed: false,
            page_after: None,
        };
        if stage == Stage::Best && walk.skip > SKIPPED_MAX {
            return Err(SearchError::Busy);
        }
        if let Start::After(place) | Start::Before(place) = search.start {
            match stage {
                Stage::Page => walk.scan.after(moment(place)),
                _ => walk.beyond = Some(walk.order.rank(place)),
            }
        }
        Ok(walk)
    }

    /// As of which size it finds.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Goes on behind this place, up to which there are so many records, if these are no more than are to be skipped. Whether it does.
    pub(crate) fn go_on_after(&mut self, place: &Place, skipped: u64) -> bool {
        let left = self.skip.checked_sub(skipped).filter(|_| self.stage == Stage::Page);
        if let Some(left) = left {
            self.scan.after(moment(place));
            self.skip = left;
            self.note_skipped(Some(place));
        }
        left.is_some()
    }

    /// Somebody else knows how many match in all.
    pub(crate) fn leave_total(&mut self) {
        self.leaves_total = true;
    }

    /// Whether something was taken away of what was shown since it began.
    pub(crate) fn has_changed(&self) -> bool {
        self.has_changed
    }

    /// Places of which it is known by now how many records come up to them, for a page that begins behind so many.
    pub(crate) fn landmarks(&self) -> Vec<Landmark> {
        let Start::Skip(skip) = *self.search.start else { return Vec::new() };
        let of = |place: &Place, records: usize| Landmark {
            size: self.size,
            skipped: skip + records as u64,
            place: place.clone(),
        };
        if self.skip > 0 {
            // Whoever asks again gets ahead.
            let passed = |place| Landmark { size: self.size, skipped: skip - self.skip, place };
            return self
                .place_reached()
                .filter(|_| self.stage == Stage::Page)
                .map(passed)
                .into_iter()
                .collect();
        }
        let begin = self.page_after.as_ref().map(|place| of(place, 0));
        let shown = self.hits.len().min(self.search.limit);
        // In another order than one of these two the place says nothing of what a walk has seen.
        let is_walked = matches!(self.order.keys(), [(SortKey::OccurredAt | SortKey::Received, _)]);
        let end = self.hits[..shown].last().filter(|_| is_walked).map(|(place, _)| of(place, shown));
        begin.into_iter().chain(end).collect()
    }

    fn place_reached(&self) -> Option<Place> {
        self.scan.reached().map(|(time, number)| Place { keys: vec![time], number })
    }

    /// Notes where the page begins, if all before it is skipped.
    fn note_skipped(&mut self, place: Option<&Place>) {
        if self.skip == 0 && self.stage == Stage::Page {
            self.page_after = place.cloned().or_else(|| self.place_reached());
        }
    }

    /// How many of what comes next are only counted, and not looked at one by one.
    fn counts(&self) -> u64 {
        match self.stage {
            Stage::Page => self.skip,
            Stage::Count => u64::MAX,
            Stage::Best | Stage::Done => 0,
        }
    }

    /// So many were counted.
    fn has_passed(&mut self, records: u64) {
        match self.stage {
            Stage::Page if records > 0 => {
                self.skip -= records;
                self.note_skipped(None);
            }
            Stage::Count => self.counted += records,
            _ => {}
        }
    }

    fn look_for_page(&mut self, passed: Passed) -> Result<(), Damaged> {
        let place = self.order.place(&passed, &mut self.document, &mut self.readers)?;
        self.hits.push((place, passed));
        if self.hits.len() > self.search.limit {
            self.end_page();
        }
        Ok(())
    }

    fn end_page(&mut self) {
        let skipped = match self.search.start {
            Start::First => Some(0),
            Start::Skip(skip) => Some(skip - self.skip),
            Start::After(_) | Start::Before(_) => None,
        };
        let skipped = skipped.filter(|_| self.hits.len() <= self.search.limit);
        self.total = skipped.map(|skipped| skipped + self.hits.len() as u64);
        let is_all = self.total.is_some();
        // All records are counted by whoever does nothing else, which is quicker; see `Ledger::search`.
        self.stage = if self.search.count && !is_all && self.search.sent_only && !self.leaves_total {
            let Search { scope, matcher, sent_only, .. } = *self.search;
            // Segments follow each other by number, so each is counted at once. By time less is to be looked at, where times are bounded.
            self.scan = match times_of(matcher.condition(), &Field::OccurredAt) {
                (None, None) => Scan::by_number(scope, matcher, sent_only, true, self.size),
                _ => Scan::by_time(scope, matcher, sent_only, true, self.size),
            };
            Stage::Count
        } else {
            Stage::Done
        };
    }

    fn look_for_best(&mut self, passed: Passed) -> Result<(), Damaged> {
        self.counted += 1;
        let place = self.order.place(&passed, &mut self.document, &mut self.readers)?;
        let rank = self.order.rank(&place);
        if self.beyond.as_ref().is_some_and(|beyond| rank <= *beyond) {
            return Ok(());
        }
        let limit = self.search.limit + usize::try_from(self.skip).unwrap_or(usize::MAX);
        if self.best.len() <= limit || self.best.peek().is_some_and(|worst| rank < worst.rank) {
            self.best.push(Ranked { rank, place, passed });
        }
        if self.best.len() > limit + 1 {
            self.best.pop();
        }
        Ok(())
    }

    /// The page as far as the walk has come.
    ///
    /// # Errors
    ///
    /// [`SearchError::Busy`] when the walk has not ended and nothing of it can be told; [`SearchError::Damaged`].
    pub(crate) fn finish(mut self) -> Result<SearchPage, SearchError> {
        let partial = self.stage != Stage::Done;
        if self.stage == Stage::Best || (partial && self.skip > 0) {
            return Err(SearchError::Busy);
        }
        let more = self.hits.len() > self.search.limit;
        self.hits.truncate(self.search.limit);
        let beyond = match self.stage {
            // The next page begins after what was looked at, whether or not it matched.
            Stage::Page => self.place_reached(),
            _ => self.hits.last().filter(|_| more).map(|(place, _)| place.clone()),
        };
        // The way back begins at what was met first. A page without any has none, as there is no place between two records.
        let back = self.hits.first().map(|(place, _)| place.clone());
        let (next, previous) = match self.search.start {
            Start::First | Start::Skip(_) => (beyond, None),
            Start::After(_) => (beyond, back),
            Start::Before(_) => {
                self.hits.reverse();
                (back, beyond)
            }
        };
        let passed: Vec<&Passed> = self.hits.iter().map(|(_, passed)| passed).collect();
        let records = gather(&passed, self.readers)?;
        let total = self.total.filter(|_| self.search.count);
        Ok(SearchPage { records, next, previous, size: self.size, total, partial })
    }
}

impl Work for Walk<'_> {
    fn is_ahead(&self) -> bool {
        self.stage != Stage::Page || self.scan.reached().is_some()
    }

    fn fetch(&mut self, state: &State) -> Result<bool, Damaged> {
        if self.scan.has_ended() {
            match self.stage {
                Stage::Page => self.end_page(),
                Stage::Best => {
                    let best = std::mem::take(&mut self.best).into_sorted_vec();
                    let best = best.into_iter().skip(usize::try_from(self.skip).unwrap_or(usize::MAX));
                    self.hits = best.map(|ranked| (ranked.place, ranked.passed)).collect();
                    self.total = Some(self.counted);
                    self.stage = Stage::Done;
                    self.skip = 0;
                }
                Stage::Count => {
                    self.total = Some(self.counted);
                    self.stage = Stage::Done;
                }
                Stage::Done => {}
            }
        }
        self.has_changed |= state.taken != self.taken;
        if self.stage != Stage::Done {
            let passed = self.scan.fetch_or_pass(state, self.counts());
            self.has_passed(passed);
        }
        Ok(self.stage != Stage::Done)
    }

    fn look(&mut self) -> Result<Option<usize>, Damaged> {
        if self.stage == Stage::Done {
            return Ok(None);
        }
        let counts = self.counts();
        if counts > 0 && self.singly == 0 {
            let passed = self.scan.pass_over(counts)?;
            // Where that is not to be had, asking for it each time would cost more than going on.
            self.singly = if passed == 0 { SINGLY } else { 0 };
            self.has_passed(passed);
            if passed > 0 {
                let bytes = usize::try_from(passed).unwrap_or(usize::MAX).saturating_mul(BYTES_OF_A_RECORD);
                return Ok(Some(bytes.min(BYTES_OF_A_STRETCH)));
            }
        }
        self.singly = self.singly.saturating_sub(1);
        let passed = match self.scan.next()? {
            Next::Fetch => return Ok(None),
            Next::Looked(bytes) => return Ok(Some(bytes)),
            Next::Found(passed) => passed,
        };
        match self.stage {
            Stage::Page if self.skip > 0 => self.has_passed(1),
            Stage::Page => self.look_for_page(passed)?,
            Stage::Best => self.look_for_best(passed)?,
            Stage::Count => self.has_passed(1),
            Stage::Done => {}
        }
        Ok(Some(BYTES_OF_A_RECORD))
    }
}

/// What a record that is found costs beyond finding it, as if it were so many bytes to look at.
const BYTES_OF_A_RECORD: usize = 64;

/// See `Walk::singly`.
const SINGLY: u32 = 64;

/// What passing over a stretch of them costs, as if it were so many bytes to look at.
const BYTES_OF_A_STRETCH: usize = 50_000;

/// Where a walk by one key goes on.
fn moment(place: &Place) -> Moment {
    (place.keys.first().copied().unwrap_or(0), place.number)
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank.cmp(&other.rank)
    }
}
