//! People who search, page by page, across crashes and seals, and remember what they found.

use std::sync::Arc;

use annals_event::filter::{Matcher, from_parameters};
use annals_event::{TenantId, Timestamp};
use annals_ledger::{
    Counts, Direction, FeedScope, Ledger, LogKind, Order, Search, SearchError, SearchPage, Start, Summary,
};
use serde_json::Value;

use crate::book::{Book, LogKey, tenant_log};
use crate::dice::Dice;
use crate::invariant::{Broken, Invariant, broken, ensure, is_ordered, readable};

/// Pages read at a time.
const PAGES_AT_ONCE: u64 = 4;

/// Longer than any search takes.
const NO_HURRY: u64 = u64::MAX;

/// A condition as it is asked, and as it is told here.
type Asked = (&'static str, fn(&Value) -> bool);

const CONDITIONS: [Asked; 5] = [
    ("", |_| true),
    (r#"actor.id eq "u3""#, |event| event["actor"]["id"] == "u3"),
    (r#"not (actor.id eq "u1")"#, |event| event["actor"]["id"] != "u1"),
    (r#"action sw "video.""#, |event| is_text(&event["action"], |action| action.starts_with("video."))),
    (r#"source.name pr and actor.type eq "user""#, |event| {
        event["source"]["name"].is_string() && event["actor"]["type"] == "user"
    }),
];

fn is_text(value: &Value, holds: impl Fn(&str) -> bool) -> bool {
    value.as_str().is_some_and(holds)
}

/// One who searches.
pub(crate) struct Seeker {
    number: usize,
    walk: Option<Walk>,
    /// Searches followed to their end.
    pub(crate) walks: u32,
}

/// A search on its way.
struct Walk {
    log: Option<LogKey>,
    filter: &'static str,
    holds: fn(&Value) -> bool,
    matcher: Arc<Matcher>,
    direction: Direction,
    size: Option<u64>,
    start: Start,
    /// Times and numbers of what was found.
    found: Vec<(Timestamp, u64)>,
}

impl Seeker {
    pub(crate) fn new(number: usize) -> Self {
        Self { number, walk: None, walks: 0 }
    }

    /// Reads a few pages.
    pub(crate) fn step(
        &mut self,
        ledger: &Ledger,
        book: &mut Book,
        dice: &mut Dice,
        tenants: &[TenantId],
    ) -> Result<String, Broken> {
        let mut walk = self.walk.take().unwrap_or_else(|| Walk::new(dice, tenants));
        for _ in 0..dice.between(1, PAGES_AT_ONCE) {
            // A hurry ends a page after a single record was looked at.
            let (limit, us_max) = (dice.index(30) + 1, if dice.chance(30) { 0 } else { NO_HURRY });
            if walk.go_on(ledger, limit, us_max)? {
                walk.check(ledger, book, dice)?;
                self.walks += 1;
                return Ok(format!("seeker {} found {} of `{}`", self.number, walk.found.len(), walk.filter));
            }
        }
        let told = format!("seeker {} has found {} of `{}`", self.number, walk.found.len(), walk.filter);
        self.walk = Some(walk);
        Ok(told)
    }

    /// Follows the search to its end, and then one more.
    pub(crate) fn finish(
        &mut self,
        ledger: &Ledger,
        book: &mut Book,
        dice: &mut Dice,
        tenants: &[TenantId],
    ) -> Result<(), Broken> {
        let until = self.walks + 2;
        while self.walks < until {
            self.step(ledger, book, dice, tenants)?;
        }
        Ok(())
    }
}

impl Walk {
    fn new(dice: &mut Dice, tenants: &[TenantId]) -> Self {
        let (filter, holds) = *dice.pick(&CONDITIONS);
        let parameters = if filter.is_empty() { Vec::new() } else { vec![("filter", filter)] };
        let condition = from_parameters(&parameters).expect("the conditions above are well-formed");
        let log = dice.chance(70).then(|| (dice.pick(tenants).clone(), LogKind::Tenant));
        let direction = if dice.chance(50) { Direction::Rising } else { Direction::Falling };
        let matcher = Arc::new(Matcher::new(condition));
        Self { log, filter, holds, matcher, direction, size: None, start: Start::First, found: Vec::new() }
    }

    fn scope(&self) -> FeedScope {
        self.log.as_ref().map_or(FeedScope::All, |log| FeedScope::Log(tenant_log(log)))
    }

    /// Reads a page. Whether it was the last.
    fn go_on(&mut self, ledger: &Ledger, limit: usize, us_max: u64) -> Result<bool, Broken> {
        let (scope, order) = (self.scope(), Order::occurred(self.direction));
        let search = Search {
            scope: &scope,
            matcher: &self.matcher,
            order: &order,
            sent_only: false,
            size: self.size,
            start: &self.start,
            limit,
            count: false,
        };
        let page: SearchPage = match ledger.search(&search, us_max) {
            Ok(page) => page,
            Err(SearchError::TenantMissing) if self.size.is_none() => return Ok(true),
            Err(SearchError::Damaged(damaged)) if is_ordered(&damaged.to_string()) => return Ok(false),
            Err(SearchError::Damaged(damaged)) => {
                return broken(Invariant::SealedIsReadable, damaged.to_string());
            }
            Err(error) => return broken(Invariant::HistoryNeverChanges, format!("{}: {error}", self.told())),
        };
        ensure(self.size.is_none_or(|size| size == page.size), Invariant::FindsAgree, || {
            format!("{}: a page as of {}", self.told(), page.size)
        })?;
        self.size = Some(page.size);
        for record in &page.records {
            let number =
                if self.log.is_some() { Some(record.position.0) } else { record.seq.map(|seq| seq.0) };
            let number = number.expect("records of events have a ledger number");
            self.found.push((record.occurred_at.unwrap_or(record.received_at), number));
        }
        let next = page.next.map(Start::After);
        let gets_ahead = next.as_ref() != Some(&self.start);
        ensure(gets_ahead, Invariant::FindsAgree, || format!("{} stands still", self.told()))?;
        let is_last = next.is_none();
        self.start = next.unwrap_or_default();
        Ok(is_last)
    }

    /// Compares what was found with what is known; and, as of now, counts and a feed with the same condition.
    fn check(&self, ledger: &Ledger, book: &mut Book, dice: &mut Dice) -> Result<(), Broken> {
        book.catch_up_all(ledger)?;
        let log = self.log.as_ref();
        let mut expected = book.matching(log, self.size.unwrap_or(0), self.holds);
        expected.sort_unstable();
        if self.direction == Direction::Falling {
            expected.reverse();
        }
        ensure(self.found == expected, Invariant::FindsAgree, || {
            format!("{} found {:?} in place of {expected:?}", self.told(), self.found)
        })?;
        let scope = self.scope();
        let Some(size) = ledger.feed_size(&scope) else { return Ok(()) };
        let all = book.matching(log, size, self.holds);
        let summary = Summary {
            scope: &scope,
            matcher: &self.matcher,
            by: &[],
            values_max: 1,
            histogram: None,
            size: None,
        };
        let counts: Counts = readable(|| match ledger.summarise(&summary, NO_HURRY) {
            Ok(counts) => Ok(counts),
            Err(SearchError::Damaged(damaged)) => Err(*damaged),
            Err(other) => panic!("a count that nothing hurries: {other}"),
        })?;
        ensure(counts.total == all.len() as u64, Invariant::FindsAgree, || {
            format!("{} counted {} of {}", self.told(), counts.total, all.len())
        })?;
        let from = dice.below(size + 1);
        let page = readable(|| ledger.feed_matching(&scope, from, usize::MAX, &self.matcher, NO_HURRY))?;
        let page = page.expect("it had a size a moment ago");
        let number = |record: &annals_ledger::Record| match log {
            Some(_) => Some(record.position.0),
            None => record.seq.map(|seq| seq.0),
        };
        let read = page.records.iter().filter_map(number);
        let fed = all.iter().map(|(_, number)| *number).filter(|number| *number >= from);
        ensure(read.eq(fed) && page.next == size, Invariant::FindsAgree, || {
            format!("{}: the feed from {from} gave {:?}", self.told(), page.records)
        })
    }

    fn told(&self) -> String {
        format!("`{}` in {:?}, {:?}, as of {:?}", self.filter, self.log, self.direction, self.size)
    }
}
