//! Pages by number of lists that are read again and again while records come, many of them late, and are sealed and merged.

use std::sync::Arc;

use annals_event::filter::{Matcher, from_parameters};
use annals_ledger::{Direction, FeedScope, Order, SearchError, SortKey, Start};

use super::events::{Known, Rng, TENANTS};
use super::questions::Question;
use super::{Asked, Pair, in_order, numbers};
use crate::support::{World, events_of};

/// Events must be looked at to know whether it holds, which it always does.
const ANY_ACTION: &str = "not (action eq \"no.such\")";

/// Grows until there are so many records.
fn grow_to(records: usize, pair: &mut Pair, world: &World, rng: &mut Rng) {
    while pair.known.len() < records {
        pair.grow(world, rng, 30);
    }
}

/// A list, and what is in it.
struct List {
    asked: Asked<'static>,
    question: Question,
}

impl List {
    fn any(rng: &mut Rng, index: u64) -> Self {
        // Conditions on what stands beside events, and on events; the first holds for all.
        let question = if index == 0 { Question::everything() } else { Question::any(rng) };
        let condition = from_parameters(&question.parameters()).unwrap();
        let direction = if rng.one_in(2) { Direction::Rising } else { Direction::Falling };
        let key = if rng.one_in(4) { SortKey::Received } else { SortKey::OccurredAt };
        let scope = if rng.one_in(2) { FeedScope::All } else { FeedScope::Log(events_of(TENANTS[0])) };
        let asked = Asked {
            scope,
            matcher: Arc::new(Matcher::new(condition)),
            order: Order::new(vec![(key, direction)]),
            sent_only: rng.one_in(2),
            limit: 1 + rng.index(6),
            context: "a list that is read by page numbers",
        };
        Self { asked, question }
    }

    /// What is in it, as of a size.
    fn expected(&self, pair: &Pair, size: u64) -> Vec<(String, u64)> {
        let Asked { scope, sent_only, .. } = &self.asked;
        let is_in = |known: &&Known| {
            known.is_in(scope)
                && known.number(scope) < size
                && !(*sent_only && known.is_ours())
                && self.question.holds(known)
        };
        let matching: Vec<&Known> = pair.known.iter().filter(is_in).collect();
        in_order(&matching, scope, &self.asked.order)
    }

    /// Asks for a page, as of a size or of now, and says as of which it was.
    fn ask(&self, pair: &Pair, page: u64, size: Option<u64>, context: &str) -> u64 {
        let skip = page * self.asked.limit as u64;
        let page = self.asked.page(&pair.ledger, &Start::Skip(skip), size);
        let expected = self.expected(pair, page.size);
        let from = usize::try_from(skip).unwrap().min(expected.len());
        let to = (from + self.asked.limit).min(expected.len());
        let context = format!("{context}, behind {skip} as of {size:?}: {}", self.question.text());
        assert_eq!(numbers(&page), expected[from..to], "{context}");
        assert_eq!(page.total, Some(expected.len() as u64), "{context}");
        assert!(size.is_none_or(|size| size == page.size), "{context}");
        page.size
    }
}

#[test]
fn pages_by_number_are_right_whatever_came_since_the_one_before() {
    for seed in 0..24 {
        let mut rng = Rng(seed);
        let mut world = World::new();
        if rng.one_in(2) {
            world.tail.records_max = 5 + rng.below(60);
        }
        let mut pair = Pair::open(&mut world);
        for _ in 0..4 {
            pair.grow(&world, &mut rng, 30);
        }
        let lists: Vec<List> = (0..4).map(|index| List::any(&mut rng, index)).collect();
        let mut sizes: Vec<Vec<u64>> = vec![Vec::new(); lists.len()];
        let mut pages = vec![0; lists.len()];
        for round in 0..150 {
            let index = rng.index(lists.len());
            let list = &lists[index];
            let in_all = list.expected(&pair, u64::MAX).len() as u64 / list.asked.limit as u64;
            // Mostly the next page.
            pages[index] =
                if rng.one_in(5) { rng.below(in_all + 2) } else { (pages[index] + 1) % (in_all + 2) };
            let known = &sizes[index];
            let as_of =
                if rng.one_in(3) || known.is_empty() { None } else { Some(known[rng.index(known.len())]) };
            let size =
                list.ask(&pair, pages[index], as_of, &format!("seed {seed}, round {round}, list {index}"));
            sizes[index].push(size);
            if rng.one_in(3) {
                pair.grow(&world, &mut rng, 4);
            }
        }
        pair.ledger.stop();
    }
}

#[test]
fn a_page_far_down_a_long_tail_is_right_beside_segments_before_and_between_it() {
    let mut world = World::new();
    let mut pair = Pair::open(&mut world);
    let mut rng = Rng(11);
    grow_to(250, &mut pair, &world, &mut rng);
    pair.ledger.seal_now().unwrap();
    // More than is fetched of a tail at once.
    grow_to(1_400, &mut pair, &world, &mut rng);
    let scopes = [FeedScope::All, FeedScope::Log(events_of(TENANTS[0]))];
    let known = Question::with_operation("delete");
    for (index, question) in [Question::everything(), known].into_iter().enumerate() {
        for scope in &scopes {
            for (key, direction) in [
                (SortKey::Received, Direction::Rising),
                (SortKey::Received, Direction::Falling),
                (SortKey::OccurredAt, Direction::Rising),
                (SortKey::OccurredAt, Direction::Falling),
            ] {
                let asked = Asked {
                    scope: scope.clone(),
                    matcher: Arc::new(Matcher::new(from_parameters(&question.parameters()).unwrap())),
                    order: Order::new(vec![(key, direction)]),
                    sent_only: index == 1,
                    limit: 7,
                    context: "a page far down",
                };
                let list = List { asked, question: question.clone() };
                let pages = list.expected(&pair, u64::MAX).len() as u64 / 7;
                assert!(pages > 5, "{pages} pages");
                // From the end on, so that no landmark is of use.
                for page in (0..pages + 2).rev().step_by(5) {
                    list.ask(&pair, page, None, &format!("{key:?}, {direction:?}"));
                }
            }
        }
    }
    pair.ledger.stop();
}

#[test]
fn who_is_told_to_come_back_gets_ahead() {
    let mut world = World::new();
    let mut pair = Pair::open(&mut world);
    let mut rng = Rng(5);
    grow_to(60, &mut pair, &world, &mut rng);
    let asked = Asked {
        scope: FeedScope::All,
        matcher: Arc::new(Matcher::new(from_parameters(&[("filter", ANY_ACTION)]).unwrap())),
        order: Order::occurred(Direction::Rising),
        sent_only: true,
        limit: 3,
        context: "a page of which all before it are looked at",
    };
    let tries = (1..100).find(|_| asked.ask(&pair.ledger, &Start::Skip(20), None, 0).is_ok());
    assert!(tries.is_some_and(|tries| tries > 10), "{tries:?} tries");
    pair.ledger.stop();
}

#[test]
fn a_page_after_one_that_was_read_costs_a_page_and_does_so_when_the_log_has_grown() {
    let mut world = World::new();
    let mut pair = Pair::open(&mut world);
    let mut rng = Rng(3);
    grow_to(300, &mut pair, &world, &mut rng);
    let condition = from_parameters(&[("filter", ANY_ACTION)]).unwrap();
    let asked = Asked {
        scope: FeedScope::All,
        matcher: Arc::new(Matcher::new(condition)),
        order: Order::occurred(Direction::Falling),
        sent_only: true,
        limit: 10,
        context: "a page far behind",
    };
    let far = Start::Skip(200);
    let hurried = |pair: &Pair, size| {
        // Nobody waits for more than a record, but for a page that has begun.
        asked.ask(&pair.ledger, &far, size, 0)
    };
    let size = asked.page(&pair.ledger, &Start::Skip(0), None).size;
    assert_eq!(hurried(&pair, Some(size)).unwrap_err(), SearchError::Busy);
    asked.page(&pair.ledger, &Start::Skip(190), Some(size));
    let page = hurried(&pair, Some(size)).unwrap();
    assert_eq!(page.records.len(), 1);
    pair.grow(&world, &mut rng, 5);
    let again = asked.ask(&pair.ledger, &far, Some(size), 0).unwrap();
    assert_eq!(numbers(&again), numbers(&page), "as of the size of before");
    pair.ledger.stop();
}
