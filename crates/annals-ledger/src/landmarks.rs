//! Landmarks: what answers have counted of a list, so that the next page of it does not count it again.
//!
//! A page that has a number begins behind so many records of its list. Counting these anew for each page would make reading a list
//! cost the square of its length, so a page leaves landmarks behind: places, with how many records of the list come
//! before. The next page begins at the nearest one. The list may be as of another size by then: the records that make the difference
//! ([`Between`]) are looked at, and those that come before the place are added to the landmark, or taken from it. How many records there are
//! in all is kept alike.
//!
//! What is counted holds until something is taken away of what was shown, be it in any tenant: [`State::taken`]. Sealing and
//! merging move records, and change nothing of the lists.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use annals_event::filter::Matcher;
use annals_event::json::Document;
use annals_segment::Damaged;

use crate::read::FeedScope;
use crate::scan::{Next, Readers, Scan, Work};
use crate::search::{Order, Place, Search, Start};
use crate::state::State;

/// Lists that are remembered.
const LISTS_MAX: usize = 64;

/// Landmarks of a list. Those who read it at once leave theirs here, two for each page.
const LANDMARKS_MAX: usize = 128;

/// Most records by which the size of a list may differ from that of which something was counted.
const BETWEEN_MAX: u64 = 16 << 10;

/// See the module.
#[derive(Default)]
pub(crate) struct Landmarks(Mutex<Lists>);

#[derive(Default)]
struct Lists {
    taken: u64,
    /// The one that was used last comes last.
    lists: Vec<List>,
}

struct List {
    scope: FeedScope,
    matcher: Arc<Matcher>,
    order: Order,
    sent_only: bool,
    total: Option<Total>,
    /// In the order in which they were left.
    landmarks: VecDeque<Landmark>,
}

/// A place in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Landmark {
    /// As of which size.
    pub(crate) size: u64,
    /// How many records of the list come up to here.
    pub(crate) skipped: u64,
    /// Where.
    pub(crate) place: Place,
}

/// How many records a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Total {
    /// As of which size.
    pub(crate) size: u64,
    /// So many.
    pub(crate) records: u64,
}

/// What is known of a list before a page of it is looked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// The last landmark that comes before the page, as of whichever size.
    pub(crate) landmark: Option<Landmark>,
    /// The total, if it is asked for.
    pub(crate) total: Option<Total>,
}

impl Landmarks {
    /// What is known of what a search looks through, as of a size. Only what the records from `sealed_end` on bring to that
    /// size is given.
    pub(crate) fn of(&self, search: &Search<'_>, size: u64, taken: u64, sealed_end: u64) -> Counted {
        let mut lists = self.0.lock().expect("no holder of this lock panics");
        let Some(list) = lists.of(search, taken) else { return Counted::default() };
        let is_near =
            |of: u64| of == size || (of.abs_diff(size) <= BETWEEN_MAX && of.min(size) >= sealed_end);
        let landmark = match search.start {
            Start::Skip(skip) => {
                let before = list.landmarks.iter().filter(|landmark| {
                    // All records that have come since may stand before it.
                    is_near(landmark.size) && landmark.skipped + size.saturating_sub(landmark.size) <= *skip
                });
                before.max_by_key(|landmark| landmark.skipped).cloned()
            }
            _ => None,
        };
        Counted { landmark, total: list.total.filter(|total| search.count && is_near(total.size)) }
    }

    /// Remembers what a search has counted.
    pub(crate) fn leave(
        &self,
        search: &Search<'_>,
        taken: u64,
        landmarks: impl IntoIterator<Item = Landmark>,
        total: Option<Total>,
    ) {
        let mut landmarks = landmarks.into_iter().peekable();
        if landmarks.peek().is_none() && total.is_none() {
            return;
        }
        let mut lists = self.0.lock().expect("no holder of this lock panics");
        let Some(list) = lists.of_or_new(search, taken) else { return };
        list.total = total.or(list.total);
        for landmark in landmarks {
            if list.landmarks.contains(&landmark) {
                continue;
            }
            if list.landmarks.len() == LANDMARKS_MAX {
                list.landmarks.pop_front();
            }
            list.landmarks.push_back(landmark);
        }
    }
}

impl Lists {
    /// The list that a search looks through, which comes last from then on.
    fn of(&mut self, search: &Search<'_>, taken: u64) -> Option<&mut List> {
        if self.taken < taken {
            *self = Self { taken, lists: Vec::new() };
        }
        let index = self.lists.iter().position(|list| self.taken == taken && list.is_of(search))?;
        let list = self.lists.remove(index);
        self.lists.push(list);
        self.lists.last_mut()
    }

    /// As [`Lists::of`]; one that is new takes the place of the one that was not used for longest. None where something was taken away
    /// since.
    fn of_or_new(&mut self, search: &Search<'_>, taken: u64) -> Option<&mut List> {
        let is_known = self.of(search, taken).is_some();
        if self.taken != taken {
            return None;
        }
        if !is_known {
            if self.lists.len() == LISTS_MAX {
                self.lists.remove(0);
            }
            self.lists.push(List::of(search));
        }
        self.lists.last_mut()
    }
}

impl List {
    fn of(search: &Search<'_>) -> Self {
        Self {
            scope: search.scope.clone(),
            matcher: search.matcher.clone(),
            order: search.order.clone(),
            sent_only: search.sent_only,
            total: None,
            landmarks: VecDeque::new(),
        }
    }

    fn is_of(&self, search: &Search<'_>) -> bool {
        self.sent_only == search.sent_only
            && self.order == *search.order
            && self.scope == *search.scope
            && self.matcher.condition() == search.matcher.condition()
    }
}

/// Counts the records of a list between two sizes, which are in tails.
pub(crate) struct Between<'a> {
    order: &'a Order,
    scan: Scan,
    place: Option<&'a Place>,
    document: Document,
    readers: Readers,
    /// The arrangement of segments and tails in which they are, and whether it has become another.
    epoch: u64,
    has_moved: bool,
    /// How many there are.
    pub(crate) records: u64,
    /// How many of them come up to the place, if one was given.
    pub(crate) before: u64,
}

impl<'a> Between<'a> {
    pub(crate) fn new(search: &Search<'a>, sizes: (u64, u64), place: Option<&'a Place>, epoch: u64) -> Self {
        let (small, large) = (sizes.0.min(sizes.1), sizes.0.max(sizes.1));
        let scan = Scan::by_number(search.scope, search.matcher, search.sent_only, false, large);
        let mut scan = scan.of_tail();
        if let Some(last) = small.checked_sub(1) {
            scan.after((0, last));
        }
        Self {
            order: search.order,
            scan,
            place,
            document: Document::default(),
            readers: Readers::default(),
            epoch,
            has_moved: false,
            records: 0,
            before: 0,
        }
    }

    /// Whether all were looked at.
    pub(crate) fn is_complete(&self) -> bool {
        self.scan.has_ended() && !self.has_moved
    }
}

impl Work for Between<'_> {
    fn is_ahead(&self) -> bool {
        true
    }

    fn fetch(&mut self, state: &State) -> Result<bool, Damaged> {
        self.has_moved |= state.epoch != self.epoch;
        if !self.has_moved && !self.scan.has_ended() {
            self.scan.fetch(state);
        }
        Ok(!self.has_moved && !self.scan.has_ended())
    }

    fn look(&mut self) -> Result<Option<usize>, Damaged> {
        let passed = match self.scan.next()? {
            Next::Fetch => return Ok(None),
            Next::Looked(bytes) => return Ok(Some(bytes)),
            Next::Found(passed) => passed,
        };
        self.records += 1;
        if let Some(place) = self.place {
            let found = self.order.place(&passed, &mut self.document, &mut self.readers)?;
            self.before += u64::from(self.order.rank(&found) <= self.order.rank(place));
        }
        Ok(Some(size_of::<u64>()))
    }
}
