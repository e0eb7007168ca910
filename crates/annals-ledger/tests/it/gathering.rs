//! Pages whose records stand far apart, where no block that they need is in memory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use annals_event::filter::{Matcher, from_parameters};
use annals_ledger::{Direction, FeedScope, Order, Search, Start, TailLimits};

use crate::support::{World, events_of, send};

const EVENTS: u64 = 3_000;
const SEALED_AT: u64 = 1_000;
/// Each so-manieth event is by the same actor.
const ACTORS: u64 = 61;

/// Longer than any search of these tests may take.
const NO_HURRY: u64 = u64::MAX;

/// An event whose values nobody else has, so that each of its columns fills blocks of its own.
fn event(number: u64) -> String {
    let mut metadata = String::new();
    for column in 0..24_u64 {
        let value = (number << 8 | column).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        write!(metadata, r#""m{column}":"{value:x} and {:x}","#, value.rotate_left(29)).unwrap();
    }
    format!(
        r#"{{"id":"e{number}","action":"a.b","actor":{{"id":"u{}"}},"metadata":{{{metadata}"n":{number}}}}}"#,
        number % ACTORS
    )
}

#[tokio::test]
async fn a_page_from_all_over_segments_that_are_not_in_memory_is_whole_and_in_order() {
    let mut world = World::new();
    world.tail = TailLimits { records_max: SEALED_AT, ..TailLimits::default() };
    // A single block.
    world.cache_bytes_max = 1;
    let ledger = world.open().ledger;
    for first in (0..EVENTS).step_by(100) {
        let events: Vec<String> = (first..first + 100).map(event).collect();
        send(&ledger, &events.iter().map(String::as_str).collect::<Vec<_>>()).await.unwrap();
    }
    while ledger.sizes().tail_records >= SEALED_AT {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let scope = FeedScope::Log(events_of("acme"));
    let matcher = Arc::new(Matcher::new(from_parameters(&[("actor_id", "u7")]).unwrap()));
    for direction in [Direction::Rising, Direction::Falling] {
        let search = Search {
            scope: &scope,
            matcher: &matcher,
            order: &Order::occurred(direction),
            sent_only: true,
            size: None,
            start: &Start::First,
            limit: 1_000,
            count: false,
        };
        let page = ledger.search(&search, NO_HURRY).unwrap();
        let found: Vec<String> =
            page.records.iter().map(|record| String::from_utf8(record.event.to_vec()).unwrap()).collect();
        let mut expected: Vec<u64> = (0..EVENTS).filter(|number| number % ACTORS == 7).collect();
        if direction == Direction::Falling {
            expected.reverse();
        }
        assert_eq!(found.len(), expected.len());
        for (found, number) in found.iter().zip(expected) {
            assert!(found.contains(&format!(r#""id":"e{number}""#)), "{found} and not {number}");
            assert!(found.contains(&format!(r#""n":{number}"#)), "{found}");
        }
    }
    ledger.stop();
}
