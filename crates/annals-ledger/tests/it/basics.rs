//! Events in, records out; duplicates, conflicts, all or nothing; heads, checkpoints, proofs.

use annals_event::Position;
use annals_ledger::{AcceptOptions, CommitError, FeedScope, ItemStatus};
use annals_tree::checkpoint::Checkpoint;
use annals_tree::proof::{TlogProof, verify_consistency};

use crate::support::{World, events_of, send, send_with, tenant, words};

const LOGIN: &str = r#"{"id":"a","action":"user.login","actor":{"id":"u1"}}"#;
const LOGOUT: &str = r#"{"id":"b","action":"user.logout","actor":{"id":"u1"}}"#;
const OTHER_A: &str = r#"{"id":"a","action":"user.delete","actor":{"id":"u1"}}"#;

#[tokio::test]
async fn records_read_back_with_what_was_sent_and_after_a_restart_too() {
    let mut world = World::new();
    let ledger = world.open().ledger;
    let results = send(&ledger, &[LOGIN, "{", LOGOUT]).await.unwrap();
    assert_eq!(words(&results), ["created 0", "json ", "created 1"]);
    let before = ledger.feed(&FeedScope::Log(events_of("acme")), 0, 10).unwrap().unwrap();
    ledger.stop();

    let ledger = world.open().ledger;
    let after = ledger.feed(&FeedScope::Log(events_of("acme")), 0, 10).unwrap().unwrap();
    assert_eq!((after.next, after.size), (2, 2));
    let text = |page: &annals_ledger::FeedPage| {
        let mut out = Vec::new();
        page.records.iter().for_each(|record| record.write_json(true, &mut out));
        String::from_utf8(out).unwrap()
    };
    assert_eq!(text(&before), text(&after));
    assert!(text(&after).starts_with(r#"{"action":"user.login","actor":{"id":"u1"},"id":"a","position":0,"#));
    ledger.stop();
}

#[tokio::test]
async fn the_same_event_again_is_a_duplicate_and_another_under_its_id_a_conflict() {
    let mut world = World::new();
    let ledger = world.open().ledger;
    assert_eq!(
        words(&send(&ledger, &[LOGIN, LOGIN, OTHER_A]).await.unwrap()),
        ["created 0", "duplicate 0", "conflict /id"]
    );
    ledger.stop();
    let ledger = world.open().ledger;
    assert_eq!(
        words(&send(&ledger, &[OTHER_A, LOGOUT, LOGIN]).await.unwrap()),
        ["conflict /id", "created 1", "duplicate 0"]
    );
    let other = AcceptOptions { tenant: Some(tenant("other")), ..AcceptOptions::default() };
    assert_eq!(
        words(&send_with(&ledger, &[OTHER_A], other).await.unwrap()),
        ["created 0"],
        "ids are the tenant's own"
    );
    ledger.stop();
}

#[tokio::test]
async fn atomic_stores_all_or_nothing() {
    let mut world = World::new();
    let ledger = world.open().ledger;
    let atomic = || AcceptOptions { tenant: Some(tenant("acme")), atomic: true, ..AcceptOptions::default() };
    assert_eq!(
        words(&send_with(&ledger, &[LOGIN, "[]"], atomic()).await.unwrap()),
        ["atomic ", "not_object "]
    );
    assert_eq!(
        words(&send_with(&ledger, &[LOGIN, LOGOUT, OTHER_A], atomic()).await.unwrap()),
        ["atomic ", "atomic ", "conflict /id"]
    );
    assert!(!ledger.knows(&tenant("acme")), "a refused batch makes no tenant");
    assert_eq!(words(&send_with(&ledger, &[LOGIN], atomic()).await.unwrap()), ["created 0"]);
    assert_eq!(
        words(&send_with(&ledger, &[LOGOUT, OTHER_A], atomic()).await.unwrap()),
        ["atomic ", "conflict /id"]
    );
    assert_eq!(
        words(&send_with(&ledger, &[LOGOUT, LOGIN], atomic()).await.unwrap()),
        ["created 1", "duplicate 0"]
    );
    ledger.stop();
}

#[tokio::test]
async fn an_idempotency_key_gives_the_same_ids_again() {
    let mut world = World::new();
    let ledger = world.open().ledger;
    let keyed = || AcceptOptions {
        tenant: Some(tenant("acme")),
        idempotency_key: Some(b"try-1".to_vec()),
        ..AcceptOptions::default()
    };
    let event = r#"{"action":"a","actor":{"id":"u"}}"#;
    let first = send_with(&ledger, &[event, event], keyed()).await.unwrap();
    let again = send_with(&ledger, &[event, event], keyed()).await.unwrap();
    assert_eq!(
        (words(&first), words(&again)),
        (
            vec!["created 0".to_owned(), "created 1".to_owned()],
            vec!["duplicate 0".to_owned(), "duplicate 1".to_owned()],
        )
    );
    // SHA-256(0005 || "try-1" || 00000000), version and variant bits set; computed with Python's hashlib.
    assert_eq!(first[0].id.as_deref(), Some(IDEMPOTENT_ID));
    let changed = r#"{"action":"b","actor":{"id":"u"}}"#;
    assert_eq!(words(&send_with(&ledger, &[changed], keyed()).await.unwrap()), ["conflict /id"]);
    ledger.stop();
}

const IDEMPOTENT_ID: &str = "fecd8c0c-9f12-847e-a937-337ac43d4887";

#[tokio::test]
async fn checkpoints_cover_what_was_acknowledged_and_proofs_hold_against_them() {
    let mut world = World::new();
    let ledger = world.open().ledger;
    let log = events_of("acme");
    let mut earlier: Option<Checkpoint> = None;
    for round in 0..5_u64 {
        let events: Vec<String> = (0..150)
            .map(|n| format!(r#"{{"id":"{round}-{n}","action":"a.b","actor":{{"id":"u{n}"}}}}"#))
            .collect();
        let results = send(&ledger, &events.iter().map(String::as_str).collect::<Vec<_>>()).await.unwrap();
        let info = ledger.log_info(&log).unwrap();
        let (size, note) = ledger.checkpoint(&log).unwrap();
        let checkpoint = Checkpoint::open(&note, &info.public_key, &info.origin).unwrap();
        assert_eq!((size, checkpoint.size), ((round + 1) * 150, (round + 1) * 150));
        for result in results.iter().step_by(37) {
            let ItemStatus::Created { position, leaf } = result.status else { panic!("{result:?}") };
            let proof = TlogProof::parse(&ledger.receipt(&log, position, None).unwrap()).unwrap();
            proof.verify(&leaf, &info.public_key, &info.origin).unwrap();
            assert_eq!(proof.index, position.0);
        }
        if let Some(before) = &earlier {
            let proof = ledger.consistency(&log, before.size, size).unwrap();
            verify_consistency(before.size, &before.root, size, &checkpoint.root, &proof).unwrap();
        }
        earlier = Some(checkpoint);
    }
    assert!(ledger.entry(&log, Position(3)).unwrap().unwrap().intact);
    assert!(ledger.receipt(&log, Position(3), Some(200)).is_err(), "no checkpoint of 200 was ever signed");
    ledger.receipt(&log, Position(3), Some(300)).unwrap();
    ledger.stop();
}

#[tokio::test]
async fn a_hole_in_a_sources_numbers_becomes_a_record() {
    let mut world = World::new();
    let ledger = world.open().ledger;
    let event = |seq: u64| {
        format!(r#"{{"action":"a","actor":{{"id":"u"}},"source":{{"name":"billing","seq":{seq}}}}}"#)
    };
    // A number too large for any machine type stands in the event that shows the hole: digits are never read as numbers.
    let huge = event(12).replacen('{', r#"{"metadata":{"n":1e400},"#, 1);
    let events = [event(7), event(8), huge, event(9)];
    let results = send(&ledger, &events.iter().map(String::as_str).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(words(&results), ["created 0", "created 1", "created 2", "created 4"]);
    let hole = ledger.at(&events_of("acme"), Position(3)).unwrap().unwrap();
    let text = std::str::from_utf8(&hole.event).unwrap().to_owned();
    assert!(
        text.contains(r#""action":"annals.source.gap""#) && text.contains(r#""missing":{"from":9,"to":11}"#),
        "{text}"
    );
    assert!(text.contains(r#""source":{"instance":null,"name":"billing"}"#), "{text}");
    assert!(ledger.entry(&events_of("acme"), Position(3)).unwrap().unwrap().intact);
    ledger.stop();
}

#[tokio::test]
async fn events_are_refused_while_the_clock_has_jumped_until_it_returns_or_is_confirmed() {
    let mut world = World::new();
    let ledger = world.open().ledger;
    send(&ledger, &[LOGIN]).await.unwrap();
    world.clock.jump(2 * 3_600_000_000);
    assert!(matches!(send(&ledger, &[LOGOUT]).await, Err(CommitError::Clock { jump_us: 7_200_000_000 })));
    assert!(!ledger.health().is_ready());
    world.clock.jump(-2 * 3_600_000_000);
    assert!(ledger.health().is_ready());
    send(&ledger, &[LOGOUT]).await.unwrap();
    world.clock.jump(-3 * 3_600_000_000);
    assert!(ledger.confirm_clock(&annals_ledger::Author::Machine).await.unwrap());
    send(&ledger, &[r#"{"action":"late","actor":{"id":"u"}}"#]).await.unwrap();
    let page = ledger.feed(&FeedScope::Log(events_of("acme")), 0, 10).unwrap().unwrap();
    let times: Vec<_> = page.records.iter().map(|record| record.received_at).collect();
    assert!(times.is_sorted(), "received_at never falls, whatever the clock does: {times:?}");
    world.clock.pass(1);
    ledger.stop();
}

#[tokio::test]
async fn an_ended_key_stays_ended_when_the_clock_is_set_back_and_there_is_one_operator_key() {
    let mut world = World::new();
    let opened = world.open();
    let (ledger, first) = (opened.ledger, opened.operator_key.unwrap());
    let lives = |key: &annals_ledger::KeySecret| {
        let now = annals_event::Timestamp::from_micros(0).unwrap();
        ledger.keys().read().unwrap().find(key, now).is_some()
    };
    assert!(lives(&first));
    let (second, third) = tokio::join!(ledger.reset_operator_key(), ledger.reset_operator_key());
    let live = [&first, &second.unwrap(), &third.unwrap()].map(lives);
    assert_eq!(
        live.iter().filter(|live| **live).count(),
        1,
        "{live:?}, long before they were ended by the clock"
    );
    ledger.stop();
    assert!(world.open().operator_key.is_none(), "there is one already");
}

#[tokio::test]
async fn events_refused_for_the_clock_are_on_record_once_it_is_believed_again() {
    let mut world = World::new();
    let ledger = world.open().ledger;
    world.clock.jump(-7_200_000_000);
    for _ in 0..3 {
        send(&ledger, &[LOGIN, LOGOUT]).await.unwrap_err();
    }
    world.clock.jump(7_200_000_000);
    send(&ledger, &[LOGIN]).await.unwrap();
    ledger.stop();
    let ledger = world.open().ledger;
    let control = annals_ledger::TenantLog {
        tenant: annals_event::TenantId::annals(),
        kind: annals_ledger::LogKind::Tenant,
    };
    let records = ledger.feed(&FeedScope::Log(control), 0, 100).unwrap().unwrap().records;
    let texts = records.iter().map(|record| String::from_utf8(record.event.to_vec()).unwrap());
    let refused: Vec<_> = texts.filter(|text| text.contains("annals.ingest.refused")).collect();
    assert_eq!(refused.len(), 1);
    assert!(refused[0].contains(r#""events":6,"reason":"clock","requests":3"#), "{}", refused[0]);
    ledger.stop();
}
