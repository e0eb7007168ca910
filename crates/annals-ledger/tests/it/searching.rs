//! Random histories and random questions: every answer is the one of a ledger so simple that it is plainly right.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod events;
mod naive;
mod numbered;
mod questions;

use std::sync::Arc;

use annals_event::Timestamp;
use annals_event::filter::{Matcher, from_parameters, parse_field};
use annals_ledger::{
    Direction, FeedScope, Histogram, Interval, Ledger, Order, Place, Search, SearchError, SearchPage,
    SortKey, Start, Summary,
};
use jiff::tz::TimeZone;

use crate::support::{World, events_of};
use events::{Known, Rng, TENANTS};
use questions::Question;

/// Longer than any search of these tests may take.
const NO_HURRY: u64 = u64::MAX;

/// How many questions are asked: by `ANNALS_MODEL_QUESTIONS` more than fit into every run of the tests.
fn questions() -> u64 {
    let asked = std::env::var("ANNALS_MODEL_QUESTIONS").ok();
    asked.map_or(2_000, |text| text.parse().expect("`ANNALS_MODEL_QUESTIONS` is a number"))
}

/// A ledger, and what it must hold.
struct Pair {
    ledger: Ledger,
    known: Vec<Known>,
    runtime: tokio::runtime::Runtime,
}

/// Questions to one history.
const A_HISTORY: u64 = 250;

#[test]
fn random_questions_to_random_histories_are_answered_as_by_a_naive_ledger() {
    let questions = questions();
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    std::thread::scope(|threads| {
        for core in 0..cores {
            let seeds = (0..questions.div_ceil(A_HISTORY)).filter(move |seed| seed % cores == core);
            threads.spawn(move || seeds.for_each(ask_a_history));
        }
    });
}

fn ask_a_history(seed: u64) {
    let mut rng = Rng(seed);
    let mut world = World::new();
    if !rng.one_in(4) {
        // Records are sealed and segments merged while the questions are asked.
        world.tail.records_max = 1 + rng.below(40);
    }
    let mut pair = Pair::open(&mut world);
    for _ in 0..rng.below(6) {
        pair.grow(&world, &mut rng, 25);
    }
    for number in 0..A_HISTORY {
        let question = Question::any(&mut rng);
        let context = format!("seed {seed}, question {number}: {}", question.text());
        pair.ask(&world, &mut rng, &question, &context);
        if rng.one_in(100) {
            pair.ledger.stop();
            pair = Pair { ledger: world.open().ledger, ..pair };
            pair.learn();
        }
    }
    pair.ledger.stop();
}

#[test]
fn times_of_receipt_bound_a_walk_by_number_exactly() {
    let mut world = World::new();
    let mut pair = Pair::open(&mut world);
    let mut rng = Rng(7);
    for _ in 0..20 {
        pair.grow(&world, &mut rng, 3);
        world.clock.pass(1_000_000);
    }
    let scope = FeedScope::Log(events_of(TENANTS[0]));
    let known: Vec<&Known> = pair.known.iter().filter(|known| known.is_in(&scope)).collect();
    assert!(known.len() > 3, "{}", known.len());
    for bound in known.iter().map(|known| known.received_at()) {
        for (operator, passes) in [
            ("ge", (|at, bound| at >= bound) as fn(Timestamp, Timestamp) -> bool),
            ("gt", |at, bound| at > bound),
            ("le", |at, bound| at <= bound),
            ("lt", |at, bound| at < bound),
        ] {
            let filter = format!("received_at {operator} \"{bound}\"");
            let matcher = Arc::new(Matcher::new(from_parameters(&[("filter", &filter)]).unwrap()));
            let page = pair.ledger.feed_matching(&scope, 0, 100, &matcher, NO_HURRY).unwrap().unwrap();
            let found: Vec<u64> = page.records.iter().map(|record| record.position.0).collect();
            let expected = known.iter().filter(|known| passes(known.received_at(), bound));
            assert_eq!(found, expected.map(|known| known.position()).collect::<Vec<_>>(), "{filter}");
            assert_eq!(page.next, page.size, "{filter}");
        }
    }
    pair.ledger.stop();
}

impl Pair {
    fn open(world: &mut World) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut pair = Self { ledger: world.open().ledger, known: Vec::new(), runtime };
        pair.learn();
        pair
    }

    /// Sends a few more events, many of them late.
    fn grow(&mut self, world: &World, rng: &mut Rng, events_max: u64) {
        for _ in 0..1 + rng.below(events_max) {
            let tenant = TENANTS[rng.index(TENANTS.len())];
            let event = events::any(rng);
            let options = annals_ledger::AcceptOptions {
                tenant: Some(crate::support::tenant(tenant)),
                ..annals_ledger::AcceptOptions::default()
            };
            let results = self.runtime.block_on(crate::support::send_with(&self.ledger, &[&event], options));
            assert!(results.unwrap()[0].id.is_some(), "{event}");
            if rng.one_in(3) {
                world.clock.pass(i64::try_from(rng.below(5) * 25_000_000).unwrap());
            }
        }
        self.learn();
    }

    /// Reads what the ledger holds by its feed, which other tests hold against a model.
    fn learn(&mut self) {
        let from = self.known.len() as u64;
        let page = self.ledger.feed(&FeedScope::All, from, usize::MAX).unwrap().unwrap();
        self.known.extend(page.records.into_iter().map(Known::new));
    }

    fn ask(&mut self, world: &World, rng: &mut Rng, question: &Question, context: &str) {
        let scope = match rng.below(4) {
            0 => FeedScope::All,
            index => FeedScope::Log(events_of(TENANTS[usize::try_from(index).unwrap() - 1])),
        };
        let condition =
            from_parameters(&question.parameters()).unwrap_or_else(|error| panic!("{context}: {error:?}"));
        let matcher = Arc::new(Matcher::new(condition));
        if self.ledger.feed_size(&scope).is_none() {
            return;
        }
        let sent_only = rng.one_in(3);
        let order = any_order(rng);
        let matching: Vec<&Known> = self
            .known
            .iter()
            .filter(|known| known.is_in(&scope) && !(sent_only && known.is_ours()) && question.holds(known))
            .collect();
        let expected = in_order(&matching, &scope, &order);
        if rng.one_in(5) {
            self.count(rng, &scope, &matcher, question, context);
        }
        if rng.one_in(5) {
            self.sift(rng, &scope, &matcher, question, context);
        }
        let asked = Asked { scope, matcher, order, sent_only, limit: 1 + rng.index(9), context };
        if rng.one_in(10) && asked.order.keys().len() == 1 {
            asked.crawl(&self.ledger, &expected);
        }
        let size = asked.jump(rng, &self.ledger, &expected);
        self.walk(world, rng, &asked, &expected);
        if rng.one_in(3) {
            // As of the size before the walk, whatever came meanwhile.
            asked.jump_as_of(rng, &self.ledger, &expected, Some(size));
        }
    }

    /// Walks all pages forth, with events that come meanwhile, and some of them back.
    fn walk(&mut self, world: &World, rng: &mut Rng, asked: &Asked<'_>, expected: &[(String, u64)]) {
        let context = asked.context;
        let mut start = Start::First;
        let mut size = None;
        let mut walked: Vec<(String, u64)> = Vec::new();
        loop {
            let page = asked.page(&self.ledger, &start, size);
            assert!(!page.partial && page.size == size.unwrap_or(page.size), "{context}");
            assert_eq!(page.total, Some(expected.len() as u64), "{context}");
            let here = numbers(&page);
            assert!(here.len() == asked.limit || page.next.is_none(), "{context}: a short page");
            assert_eq!(page.previous.is_some(), start != Start::First, "{context}");
            if let Some(previous) = page.previous.clone().filter(|_| rng.one_in(3)) {
                let back = asked.page(&self.ledger, &Start::Before(previous), Some(page.size));
                let from = walked.len().saturating_sub(asked.limit);
                assert_eq!(numbers(&back), walked[from..], "{context}: back from page at {}", walked.len());
                assert_eq!(
                    back.previous.is_some(),
                    from > 0,
                    "{context}: back from page at {}",
                    walked.len()
                );
                assert!(back.next.is_some(), "{context}");
            }
            size = Some(page.size);
            walked.extend(here);
            match page.next {
                Some(next) => start = Start::After(next),
                None => break,
            }
            if rng.one_in(60) {
                self.grow(world, rng, 3);
            }
        }
        assert_eq!(walked, expected, "{context}");
    }

    fn count(
        &self,
        rng: &mut Rng,
        scope: &FeedScope,
        matcher: &Arc<Matcher>,
        question: &Question,
        context: &str,
    ) {
        let fields = [
            "action",
            "targets.id",
            "metadata.tags",
            "request.status_code",
            "operation",
            "tenant",
            "actor.name",
        ];
        let by = [fields[rng.index(fields.len())], fields[rng.index(fields.len())]];
        let zones = ["UTC", "America/Sao_Paulo", "Asia/Kathmandu", "Europe/Berlin"];
        let histogram = Histogram {
            interval: [Interval::Day, Interval::Hours(1), Interval::Week, Interval::Month][rng.index(4)],
            zone: TimeZone::get(zones[rng.index(zones.len())]).unwrap(),
        };
        let values_max = 1 + rng.index(8);
        let matching: Vec<&Known> =
            self.known.iter().filter(|known| known.is_in(scope) && question.holds(known)).collect();
        let summary = Summary {
            scope,
            matcher,
            by: &by.map(|name| parse_field(name).unwrap()),
            values_max,
            histogram: Some(&histogram),
            size: None,
        };
        let counts = self.ledger.summarise(&summary, NO_HURRY).unwrap();
        assert_eq!(counts.total, matching.len() as u64, "{context}");
        let size = rng.index(usize::try_from(counts.size).unwrap() + 1) as u64;
        let early = self.ledger.summarise(&Summary { size: Some(size), ..summary }, NO_HURRY).unwrap();
        let is_early = |known: &&&Known| known.number(scope) < size;
        assert_eq!(early.total, matching.iter().filter(is_early).count() as u64, "{context}: as of {size}");
        for (name, field) in by.iter().zip(&counts.fields) {
            let (values, missing) = naive::count(&matching, name);
            assert_eq!(field.distinct, values.len() as u64, "{context}: by {name}");
            assert_eq!(field.missing, missing, "{context}: by {name}");
            let told: Vec<(String, u64)> =
                field.values.iter().map(|(value, count)| (value.to_string(), *count)).collect();
            assert_eq!(told, values[..values_max.min(values.len())], "{context}: by {name}");
        }
        // The last stretch has no end of its own here: nothing is later than what it counts.
        let ends = counts.stretches.iter().skip(1).map(|(at, _)| *at).chain([Timestamp::MAX]);
        let mut in_all = 0;
        for ((start, count), end) in counts.stretches.iter().zip(ends) {
            let inside = matching.iter().filter(|known| (*start..end).contains(&known.occurred_at()));
            assert_eq!(inside.count() as u64, *count, "{context}: from {start}");
            in_all += count;
        }
        assert_eq!(in_all, counts.total, "{context}");
    }

    /// Reads the feed with the same condition.
    fn sift(
        &self,
        rng: &mut Rng,
        scope: &FeedScope,
        matcher: &Arc<Matcher>,
        question: &Question,
        context: &str,
    ) {
        let from = rng.below(self.ledger.feed_size(scope).unwrap() + 1);
        let limit = 1 + rng.index(20);
        let (mut at, mut read) = (from, Vec::new());
        loop {
            let page = self.ledger.feed_matching(scope, at, limit, matcher, NO_HURRY).unwrap().unwrap();
            assert!(page.records.len() <= limit && page.next >= at, "{context}");
            read.extend(page.records.iter().map(|record| (record.tenant.to_string(), record.position.0)));
            at = page.next;
            if at == page.size {
                break;
            }
            assert!(!page.records.is_empty(), "{context}: the feed stands still at {at}");
        }
        let here = self.known.iter().filter(|known| known.is_in(scope) && known.number(scope) >= from);
        let expected: Vec<(String, u64)> =
            here.filter(|known| question.holds(known)).map(Known::name).collect();
        assert_eq!(read, expected, "{context}: feed from {from}");
    }
}

/// A question and how its pages are asked for.
struct Asked<'a> {
    scope: FeedScope,
    matcher: Arc<Matcher>,
    order: Order,
    sent_only: bool,
    limit: usize,
    context: &'a str,
}

impl Asked<'_> {
    /// Walks all pages, each of which ends after a single record was looked at.
    fn crawl(&self, ledger: &Ledger, expected: &[(String, u64)]) {
        let (mut start, mut size, mut walked) = (Start::First, None, Vec::new());
        loop {
            let page = self.ask(ledger, &start, size, 0).unwrap();
            assert!(page.records.len() <= 1, "{}", self.context);
            size = Some(page.size);
            walked.extend(numbers(&page));
            match page.next {
                Some(next) => start = Start::After(next),
                None => break,
            }
        }
        assert_eq!(walked, expected, "{}: one record at a time", self.context);
    }

    /// Asks for pages behind so many records, and says as of which size they were.
    fn jump(&self, rng: &mut Rng, ledger: &Ledger, expected: &[(String, u64)]) -> u64 {
        self.jump_as_of(rng, ledger, expected, None)
    }

    fn jump_as_of(
        &self,
        rng: &mut Rng,
        ledger: &Ledger,
        expected: &[(String, u64)],
        size: Option<u64>,
    ) -> u64 {
        let mut known = size;
        for _ in 0..3 {
            let skip = rng.index(expected.len() + 4);
            let page = self.page(ledger, &Start::Skip(skip as u64), known);
            let from = skip.min(expected.len());
            let to = (from + self.limit).min(expected.len());
            assert_eq!(numbers(&page), expected[from..to], "{}: behind {skip}", self.context);
            assert_eq!(page.total, Some(expected.len() as u64), "{}: behind {skip}", self.context);
            assert_eq!(page.next.is_some(), to < expected.len(), "{}: behind {skip}", self.context);
            assert!(!page.partial && page.previous.is_none(), "{}: behind {skip}", self.context);
            known = Some(page.size);
        }
        known.expect("it was asked for a page")
    }

    fn page(&self, ledger: &Ledger, start: &Start, size: Option<u64>) -> SearchPage {
        self.ask(ledger, start, size, NO_HURRY).unwrap_or_else(|error| panic!("{}: {error}", self.context))
    }

    fn ask(
        &self,
        ledger: &Ledger,
        start: &Start,
        size: Option<u64>,
        us_max: u64,
    ) -> Result<SearchPage, SearchError> {
        let search = Search {
            scope: &self.scope,
            matcher: &self.matcher,
            order: &self.order,
            sent_only: self.sent_only,
            size,
            start,
            limit: self.limit,
            count: true,
        };
        ledger.search(&search, us_max)
    }
}

fn numbers(page: &SearchPage) -> Vec<(String, u64)> {
    page.records.iter().map(|record| (record.tenant.to_string(), record.position.0)).collect()
}

fn any_order(rng: &mut Rng) -> Order {
    let mut direction = || if rng.one_in(2) { Direction::Rising } else { Direction::Falling };
    let (first, second) = (direction(), direction());
    match rng.below(6) {
        0 => Order::new(vec![(SortKey::StatusCode, first), (SortKey::OccurredAt, second)]),
        1 => Order::new(vec![(SortKey::OccurredAt, first), (SortKey::StatusCode, second)]),
        2 => Order::new(vec![(SortKey::Received, first)]),
        _ => Order::occurred(first),
    }
}

/// The records' tenants and positions, in the order.
fn in_order(matching: &[&Known], scope: &FeedScope, order: &Order) -> Vec<(String, u64)> {
    let place = |known: &Known| {
        let keys = order.keys().iter().map(|(key, _)| match key {
            SortKey::OccurredAt => known.occurred_at().as_micros(),
            SortKey::Received => 0,
            SortKey::StatusCode => known.status_code(),
        });
        Place { keys: keys.collect(), number: known.number(scope) }
    };
    let mut sorted = matching.to_vec();
    sorted.sort_by(|left, right| {
        let (left, right) = (place(left), place(right));
        let turned = |direction: Direction, ordering: std::cmp::Ordering| match direction {
            Direction::Rising => ordering,
            Direction::Falling => ordering.reverse(),
        };
        let mut ordering = std::cmp::Ordering::Equal;
        for (index, (_, direction)) in order.keys().iter().enumerate() {
            ordering = ordering.then(turned(*direction, left.keys[index].cmp(&right.keys[index])));
        }
        let last = order.keys().last().unwrap().1;
        ordering.then(turned(last, left.number.cmp(&right.number)))
    });
    sorted.into_iter().map(Known::name).collect()
}
