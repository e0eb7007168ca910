//! What is due expires, and nothing else does: rules, holds, clocks, ends.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::collections::{BTreeMap, BTreeSet};

use annals_event::{Position, Timestamp};
use annals_ledger::{
    Author, CommitError, FeedScope, Hold, ItemStatus, Ledger, LifeError, Looked, Opened, PolicyError,
    RetentionLog, RetentionRule, TailLimits, registry_log,
};
use annals_tree::EntryKind;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::erasing::drive;
use crate::support::{World, events_of, send, tenant, words};

const HOUR_US: i64 = 3_600_000_000;

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

fn rule(name: &str, hours: u32) -> RetentionRule {
    RetentionRule { name: name.to_owned(), hours, category: None, action: None, log: RetentionLog::Events }
}

fn hold(filter: Option<&str>) -> Hold {
    Hold {
        id: String::new(),
        filter: filter.map(str::to_owned),
        reason: "a case".to_owned(),
        owner: "legal".to_owned(),
        began_at_us: 0,
        by_platform: false,
    }
}

async fn set(ledger: &Ledger, rules: &[RetentionRule]) -> Result<(), PolicyError> {
    ledger.set_retention(&tenant("acme"), rules.to_vec(), &Author::Machine).await
}

async fn begin(ledger: &Ledger, filter: Option<&str>) -> Result<String, PolicyError> {
    ledger.begin_hold(&tenant("acme"), hold(filter), &Author::Machine).await.map(|hold| hold.id)
}

/// All that is due now is stated; how many records.
async fn turn(ledger: &Ledger) -> u64 {
    let mut expirer = ledger.expirer();
    expirer.begin().await.unwrap();
    for tenant in expirer.ended() {
        expirer.register_end(&tenant).await.unwrap();
    }
    let mut records = 0;
    loop {
        match expirer.look().unwrap() {
            Looked::Done => return records,
            Looked::More => {}
            Looked::Due(due) => records += expirer.state(due).await.unwrap(),
        }
    }
}

/// What a tenant's log states, with the entries' kinds and positions.
fn statements(ledger: &Ledger, from: u64) -> Vec<(u64, EntryKind, Value)> {
    let page = ledger.feed(&FeedScope::Log(events_of("acme")), from, usize::MAX).unwrap().unwrap();
    let stated = page.records.into_iter().filter_map(|record| Some((record.stated?, record)));
    stated
        .map(|(kind, record)| (record.position.0, kind, serde_json::from_slice(&record.event).unwrap()))
        .collect()
}

/// Positions that statements from `from` on say have expired, each with the statement's class.
fn expired(ledger: &Ledger, from: u64) -> Vec<(u64, u16)> {
    let stated = statements(ledger, from).into_iter().filter(|(_, kind, _)| *kind == EntryKind::Expiry);
    let mut expired = Vec::new();
    for (_, _, event) in stated {
        let class = u16::try_from(event["metadata"]["class"].as_u64().unwrap()).unwrap();
        for run in event["metadata"]["runs"].as_array().unwrap() {
            let (first, last) = (run[0].as_u64().unwrap(), run[1].as_u64().unwrap());
            expired.extend((first..=last).map(|position| (position, class)));
        }
    }
    expired
}

fn positions(ledger: &Ledger, from: u64) -> Vec<u64> {
    expired(ledger, from).into_iter().map(|(position, _)| position).collect()
}

fn event(n: usize, action: &str, category: &str) -> String {
    json!({"id": format!("e{n}"), "action": action, "category": category, "actor": {"id": "u1"}}).to_string()
}

/// What a log says it is told.
fn told(ledger: &Ledger) -> Vec<String> {
    let stated = statements(ledger, 0).into_iter().filter(|(_, kind, _)| *kind == EntryKind::Policy);
    stated.map(|(_, _, event)| event["action"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_record_is_stated_once_it_is_due_and_never_when_it_has_no_class() {
    block_on(async {
        let mut world = World::new();
        let Opened { ledger, .. } = world.open();
        send(&ledger, &[&event(0, "a", "x")]).await.unwrap();
        set(&ledger, &[rule("all", 2)]).await.unwrap();
        assert_eq!(told(&ledger), ["annals.retention.set"]);
        send(&ledger, &[&event(1, "a", "x"), &event(2, "a", "x")]).await.unwrap();
        assert_eq!(ledger.at(&events_of("acme"), Position(0)).unwrap().unwrap().class, 0);
        assert_eq!(ledger.at(&events_of("acme"), Position(1)).unwrap().unwrap().class, 0, "the statement");
        assert_eq!(ledger.at(&events_of("acme"), Position(2)).unwrap().unwrap().class, 1);
        world.clock.pass(2 * HOUR_US);
        ledger.seal_now().unwrap();
        assert_eq!(turn(&ledger).await, 0, "two hours to the microsecond");
        world.clock.pass(1_000);
        assert_eq!(turn(&ledger).await, 2);
        assert_eq!(expired(&ledger, 0), [(2, 1), (3, 1)]);
        world.clock.pass(1_000 * HOUR_US);
        assert_eq!(turn(&ledger).await, 0);
        ledger.stop();
        let Opened { ledger, .. } = world.open();
        assert_eq!(turn(&ledger).await, 0, "a restart remembers how far it came");
        ledger.stop();
    });
}

#[test]
fn classes_are_the_same_after_a_restart_from_manifest_and_journal() {
    block_on(async {
        let mut world = World::new();
        let Opened { ledger, .. } = world.open();
        send(&ledger, &[&event(0, "a", "x")]).await.unwrap();
        let login = RetentionRule { action: Some("user.".to_owned()), ..rule("logins", 48) };
        set(&ledger, &[rule("all", 24), login.clone()]).await.unwrap();
        let batch = |from: usize| -> Vec<String> {
            (from..from + 6).map(|n| event(n, ["user.login", "video.play"][n % 2], "x")).collect()
        };
        let texts = |batch: &[String]| batch.iter().map(String::as_str).collect::<Vec<_>>().join("\n");
        for n in [1, 10] {
            let batch = batch(n);
            send(&ledger, &batch.iter().map(String::as_str).collect::<Vec<_>>()).await.unwrap();
            assert!(!texts(&batch).is_empty());
            if n == 1 {
                ledger.seal_now().unwrap();
            }
        }
        set(&ledger, &[login]).await.unwrap();
        let after = batch(20);
        send(&ledger, &after.iter().map(String::as_str).collect::<Vec<_>>()).await.unwrap();
        let all = |ledger: &Ledger| -> Vec<(u64, u16)> {
            let page = ledger.feed(&FeedScope::Log(events_of("acme")), 0, usize::MAX).unwrap().unwrap();
            page.records.iter().map(|record| (record.position.0, record.class)).collect()
        };
        let before = (all(&ledger), ledger.log_heads(0, 10));
        let counts = |class| before.0.iter().filter(|(_, of)| *of == class).count();
        assert_eq!((counts(1), counts(2)), (6, 9), "{:?}", before.0);
        assert_eq!(counts(0), 1 + 2 + 3);
        ledger.stop();
        let Opened { ledger, .. } = world.open();
        assert_eq!(all(&ledger), before.0);
        let roots = |heads: Option<Vec<annals_ledger::LogHead>>| -> Vec<_> {
            let heads = heads.unwrap().into_iter().filter(|head| head.log.tenant == tenant("acme"));
            heads.map(|head| (head.size, head.root)).collect()
        };
        assert_eq!(roots(ledger.log_heads(0, 10)), roots(before.1));
        ledger.stop();
    });
}

#[test]
fn nothing_expires_while_the_clock_is_not_believed() {
    block_on(async {
        let mut world = World::new();
        let Opened { ledger, .. } = world.open();
        send(&ledger, &[&event(0, "a", "x")]).await.unwrap();
        set(&ledger, &[rule("all", 24)]).await.unwrap();
        send(&ledger, &[&event(1, "a", "x")]).await.unwrap();
        ledger.seal_now().unwrap();
        world.clock.jump(1_000 * HOUR_US);
        assert_eq!(turn(&ledger).await, 0);
        // Who is started again does not believe it either, though the record of the stop has that time.
        ledger.stop();
        let Opened { ledger, .. } = world.open();
        assert_eq!((ledger.doubts_clock(), turn(&ledger).await), (true, 0));
        ledger.stop();
        world.clock.jump(-1_000 * HOUR_US);
        world.clock.pass(1_000);
        let Opened { ledger, .. } = world.open();
        assert_eq!((ledger.doubts_clock(), turn(&ledger).await), (false, 0));
        world.clock.jump(25 * HOUR_US);
        assert!(ledger.confirm_clock(&Author::Machine).await.unwrap());
        assert_eq!(turn(&ledger).await, 1);
        ledger.stop();
    });
}

#[test]
fn a_clock_far_ahead_at_the_start_lets_nothing_expire_until_it_is_confirmed_or_ran_for_as_long() {
    block_on(async {
        let mut world = World::new();
        let Opened { ledger, .. } = world.open();
        send(&ledger, &[&event(0, "a", "x")]).await.unwrap();
        set(&ledger, &[rule("all", 24)]).await.unwrap();
        send(&ledger, &[&event(1, "a", "x")]).await.unwrap();
        ledger.seal_now().unwrap();
        ledger.stop();
        world.clock.jump(9_000 * HOUR_US);
        let Opened { ledger, .. } = world.open();
        assert!(ledger.doubts_clock());
        assert_eq!(turn(&ledger).await, 0);
        let stored = send(&ledger, &[&event(2, "a", "x")]).await.unwrap();
        assert_eq!(words(&stored), ["created 3"], "events are taken all the same");
        ledger.stop();
        // What was stored under such a clock does not vouch for it.
        let Opened { ledger, .. } = world.open();
        assert_eq!((ledger.doubts_clock(), turn(&ledger).await), (true, 0));
        ledger.stop();
        world.clock.jump(-9_000 * HOUR_US);
        let Opened { ledger, .. } = world.open();
        assert_eq!((ledger.doubts_clock(), turn(&ledger).await), (false, 0), "it was put right");
        ledger.stop();
        // This time it was a long rest.
        world.clock.jump(9_000 * HOUR_US);
        let Opened { ledger, .. } = world.open();
        world.clock.pass(72 * HOUR_US - 1);
        assert_eq!(turn(&ledger).await, 0);
        world.clock.pass(1);
        ledger.seal_now().unwrap();
        assert_eq!(turn(&ledger).await, 2, "also what came while the clock was wrong is a day old by now");
        ledger.stop();
        let Opened { ledger, .. } = world.open();
        assert!(!ledger.doubts_clock());
        send(&ledger, &[&event(4, "a", "x")]).await.unwrap();
        ledger.seal_now().unwrap();
        ledger.stop();
        world.clock.jump(100 * HOUR_US);
        let Opened { ledger, .. } = world.open();
        assert_eq!(turn(&ledger).await, 0);
        assert!(ledger.confirm_clock(&Author::Machine).await.unwrap());
        assert!(!ledger.confirm_clock(&Author::Machine).await.unwrap());
        assert!(turn(&ledger).await > 0);
        ledger.stop();
    });
}

#[test]
fn a_jump_after_a_doubted_start_is_believed_by_nobody_in_time() {
    block_on(async {
        let mut world = World::new();
        let Opened { ledger, .. } = world.open();
        send(&ledger, &[&event(0, "a", "x")]).await.unwrap();
        set(&ledger, &[rule("all", 24)]).await.unwrap();
        send(&ledger, &[&event(1, "a", "x")]).await.unwrap();
        ledger.seal_now().unwrap();
        ledger.stop();
        world.clock.jump(100 * HOUR_US);
        let Opened { ledger, .. } = world.open();
        world.clock.jump(1_000 * HOUR_US);
        world.clock.pass(72 * HOUR_US);
        assert_eq!(turn(&ledger).await, 0);
        let refused = send(&ledger, &[&event(2, "a", "x")]).await;
        assert!(matches!(refused, Err(CommitError::Clock { .. })), "{refused:?}");
        world.clock.jump(-1_000 * HOUR_US);
        assert!(ledger.doubts_clock(), "until it is on record");
        assert_eq!(turn(&ledger).await, 1);
        assert!(!ledger.doubts_clock());
        ledger.stop();
    });
}

#[test]
fn times_stored_before_a_jump_back_was_confirmed_vouch_for_no_clock() {
    block_on(async {
        let mut world = World::new();
        let Opened { ledger, .. } = world.open();
        send(&ledger, &[&event(0, "a", "x")]).await.unwrap();
        world.clock.jump(9_000 * HOUR_US);
        assert!(ledger.confirm_clock(&Author::Machine).await.unwrap());
        send(&ledger, &[&event(1, "a", "x")]).await.unwrap();
        world.clock.jump(-9_000 * HOUR_US);
        assert!(ledger.confirm_clock(&Author::Machine).await.unwrap());
        ledger.stop();
        world.clock.jump(5_000 * HOUR_US);
        let Opened { ledger, .. } = world.open();
        assert!(ledger.doubts_clock());
        ledger.stop();
        world.clock.jump(-5_000 * HOUR_US);
        let Opened { ledger, .. } = world.open();
        assert!(!ledger.doubts_clock());
        ledger.stop();
    });
}

#[test]
fn a_clock_far_ahead_is_doubted_before_any_tenant_has_rules() {
    block_on(async {
        let mut world = World::new();
        let Opened { ledger, .. } = world.open();
        send(&ledger, &[&event(0, "a", "x")]).await.unwrap();
        ledger.stop();
        world.clock.jump(9_000 * HOUR_US);
        let Opened { ledger, .. } = world.open();
        assert!(ledger.doubts_clock());
        assert!(!ledger.expirer().waits(), "there is nothing to wait for");
        set(&ledger, &[rule("all", 24)]).await.unwrap();
        assert!(ledger.expirer().waits());
        send(&ledger, &[&event(1, "a", "x")]).await.unwrap();
        ledger.seal_now().unwrap();
        world.clock.pass(25 * HOUR_US);
        assert_eq!(turn(&ledger).await, 0);
        ledger.stop();
    });
}

#[test]
fn a_clock_that_was_put_right_is_believed_at_later_starts_too() {
    block_on(async {
        let mut world = World::new();
        let Opened { ledger, .. } = world.open();
        send(&ledger, &[&event(0, "a", "x")]).await.unwrap();
        ledger.stop();
        world.clock.jump(9_000 * HOUR_US);
        let Opened { ledger, .. } = world.open();
        send(&ledger, &[&event(1, "a", "x")]).await.unwrap();
        ledger.stop();
        world.clock.jump(-9_000 * HOUR_US);
        let Opened { ledger, .. } = world.open();
        world.clock.pass(200 * HOUR_US);
        ledger.stop();
        // One that is killed after it stored something each day.
        let mut running = world.open_stepped();
        assert!(!running.ledger.doubts_clock(), "it ran until a moment ago");
        for n in 2..10 {
            world.clock.pass(24 * HOUR_US);
            let ledger = running.ledger.clone();
            drive(&mut running, send(&ledger, &[&event(n, "a", "x")])).unwrap();
        }
        drop(running);
        let Opened { ledger, .. } = world.open();
        assert!(!ledger.doubts_clock());
        // What jumps while it runs, and is not confirmed, does not vouch either.
        world.clock.jump(500 * HOUR_US);
        ledger.stop();
        let Opened { ledger, .. } = world.open();
        assert!(ledger.doubts_clock());
        ledger.stop();
    });
}

#[test]
fn what_is_held_stays_until_the_hold_is_released_and_goes_then() {
    block_on(async {
        let mut world = World::new();
        let Opened { ledger, .. } = world.open();
        send(&ledger, &[&event(0, "a", "x")]).await.unwrap();
        set(&ledger, &[rule("all", 1)]).await.unwrap();
        let events: Vec<String> = (1..7).map(|n| event(n, "a", ["x", "y"][n % 2])).collect();
        send(&ledger, &events.iter().map(String::as_str).collect::<Vec<_>>()).await.unwrap();
        ledger.seal_now().unwrap();
        let id = begin(&ledger, Some("category eq \"y\"")).await.unwrap();
        let refused = begin(&ledger, Some("category eq")).await.unwrap_err();
        assert!(matches!(refused, PolicyError::Hold(_)), "{refused}");
        world.clock.pass(2 * HOUR_US);
        let now = ledger.clock().now();
        let preview = ledger.preview_retention(&tenant("acme"), now, 1_000_000).unwrap();
        assert_eq!((preview.classes[&1].records, preview.classes[&1].held), (3, 3));
        assert_eq!(preview.holds[&id], 3);
        assert!(!preview.partial && preview.classes[&1].event_bytes > 100);
        assert_eq!(turn(&ledger).await, 3);
        assert_eq!(positions(&ledger, 0), [3, 5, 7]);
        let second = begin(&ledger, None).await.unwrap();
        ledger.stop();
        let Opened { ledger, .. } = world.open();
        assert_eq!(ledger.holds(&tenant("acme")).len(), 2);
        let size = ledger.feed_size(&FeedScope::Log(events_of("acme"))).unwrap();
        ledger.end_hold(&tenant("acme"), &id, &Author::Machine).await.unwrap();
        assert_eq!(turn(&ledger).await, 0, "the other hold keeps all");
        ledger.end_hold(&tenant("acme"), &second, &Author::Machine).await.unwrap();
        turn(&ledger).await;
        assert_eq!(positions(&ledger, size), [2, 4, 6]);
        let gone = ledger.end_hold(&tenant("acme"), &id, &Author::Machine).await.unwrap_err();
        assert_eq!(gone, PolicyError::Life(LifeError::HoldMissing));
        assert_eq!(
            told(&ledger),
            [
                "annals.retention.set",
                "annals.hold.begin",
                "annals.hold.begin",
                "annals.hold.end",
                "annals.hold.end"
            ]
        );
        let all = format!("{:?}", statements(&ledger, 0));
        assert!(!all.contains("category eq"), "no filter in clear");
        ledger.stop();
    });
}

#[test]
fn what_was_found_due_is_not_stated_once_a_hold_or_a_longer_period_came_between() {
    block_on(async {
        let mut world = World::new();
        let Opened { ledger, .. } = world.open();
        send(&ledger, &[&event(0, "a", "x")]).await.unwrap();
        set(&ledger, &[rule("all", 1)]).await.unwrap();
        send(&ledger, &[&event(1, "a", "x")]).await.unwrap();
        world.clock.pass(2 * HOUR_US);
        ledger.seal_now().unwrap();
        let found = |expirer: &mut annals_ledger::Expirer| loop {
            match expirer.look().unwrap() {
                Looked::Due(due) => return due,
                Looked::More => {}
                Looked::Done => panic!("something is due"),
            }
        };
        let mut expirer = ledger.expirer();
        expirer.begin().await.unwrap();
        let due = found(&mut expirer);
        assert_eq!(due.records(), 1);
        let id = begin(&ledger, None).await.unwrap();
        assert_eq!(expirer.state(due).await.unwrap(), 0);
        ledger.end_hold(&tenant("acme"), &id, &Author::Machine).await.unwrap();
        expirer.begin().await.unwrap();
        let due = found(&mut expirer);
        set(&ledger, &[rule("all", 5)]).await.unwrap();
        assert_eq!(expirer.state(due).await.unwrap(), 0);
        assert!(positions(&ledger, 0).is_empty());
        ledger.stop();
    });
}

#[test]
fn a_tenant_that_ends_takes_nothing_more_and_loses_all_but_what_its_logs_state() {
    block_on(async {
        let mut world = World::new();
        let Opened { ledger, .. } = world.open();
        send(&ledger, &[&event(0, "a", "x")]).await.unwrap();
        let access = RetentionRule { log: RetentionLog::Access, ..rule("reads", 100) };
        set(&ledger, &[rule("all", 100), access]).await.unwrap();
        send(&ledger, &[&event(1, "a", "x")]).await.unwrap();
        let read = json!({"action": "annals.access.read", "actor": {"type": "api_key", "id": "key_1"}});
        ledger.record_access(&tenant("acme"), &read).await.unwrap();
        let secret = ledger.new_key_secret();
        let hash = secret.hash();
        let key = annals_ledger::KeyRecord {
            id: hash.key_id(),
            hash,
            tenant: Some("acme".to_owned()),
            scopes: vec![annals_ledger::Scope::Read],
            dialects: Vec::new(),
            name: None,
            expires_at_us: None,
            operator: false,
        };
        let created = annals_ledger::Control::KeyCreated { key, replaces: Vec::new() };
        assert!(ledger.change(created, &Author::Machine).await.unwrap());
        let finds =
            |ledger: &Ledger| ledger.keys().read().unwrap().find(&secret, ledger.clock().now()).is_some();
        assert!(finds(&ledger));

        let end = async || ledger.end_tenant(&tenant("acme"), &Author::Machine).await;
        let id = begin(&ledger, None).await.unwrap();
        assert_eq!(end().await, Err(PolicyError::Life(LifeError::Held(id.clone()))));
        ledger.end_hold(&tenant("acme"), &id, &Author::Machine).await.unwrap();
        end().await.unwrap();
        assert_eq!(end().await, Err(PolicyError::Life(LifeError::Ended)));
        let annals = annals_event::TenantId::annals();
        let own = ledger.end_tenant(&annals, &Author::Machine).await;
        assert_eq!(own, Err(PolicyError::Own(annals)));
        assert_eq!(
            ledger.end_tenant(&tenant("nobody"), &Author::Machine).await,
            Err(PolicyError::TenantMissing)
        );
        assert!(!finds(&ledger), "its keys end");
        assert_eq!(words(&send(&ledger, &[&event(2, "a", "x")]).await.unwrap()), ["tenant_ended /tenant"]);
        assert_eq!(begin(&ledger, None).await, Err(PolicyError::Life(LifeError::Ended)));

        world.clock.pass(1_000);
        ledger.seal_now().unwrap();
        assert_eq!(turn(&ledger).await, 3);
        assert_eq!(expired(&ledger, 0), [(0, 0), (2, 1)], "each by the class that its entry has");
        assert_eq!(turn(&ledger).await, 0);
        let registry = ledger.feed(&FeedScope::Log(registry_log()), 0, 100).unwrap().unwrap().records;
        let ends = registry
            .iter()
            .filter(|record| record.event.windows(19).any(|text| text == b"annals.registry.end"));
        assert_eq!(ends.count(), 2, "both logs, once");
        assert_eq!(told(&ledger).last().unwrap(), "annals.tenant.end");
        ledger.stop();
        let Opened { ledger, .. } = world.open();
        assert!(ledger.ended_at(&tenant("acme")).is_some());
        assert_eq!(turn(&ledger).await, 0);
        assert_eq!(words(&send(&ledger, &[&event(3, "a", "x")]).await.unwrap()), ["tenant_ended /tenant"]);
        ledger.stop();
    });
}

/// A step of a history.
#[derive(Clone, Debug)]
enum Step {
    /// Events: action, category, how many.
    Send(usize, usize, usize),
    /// Hours, and µs.
    Pass(i64, i64),
    /// Hours of each rule; 0 leaves it out.
    Rules([u32; 3]),
    Hold(usize),
    Release(usize),
    /// The clock jumps by hours, a turn is tried, and it is believed or goes back.
    Jump(i64, bool),
    Restart,
    Turn,
}

fn step() -> impl Strategy<Value = Step> {
    let hours = || prop_oneof![Just(0_u32), 1..30_u32];
    prop_oneof![
        4 => (0..3_usize, 0..2_usize, 1..4_usize).prop_map(|(action, category, n)| Step::Send(action, category, n)),
        3 => (0..60_i64, 0..3_000_i64).prop_map(|(hours, us)| Step::Pass(hours, us)),
        2 => [hours(), hours(), hours()].prop_map(Step::Rules),
        1 => (0..3_usize).prop_map(Step::Hold),
        1 => (0..4_usize).prop_map(Step::Release),
        1 => (-50..200_i64, any::<bool>()).prop_map(|(hours, stays)| Step::Jump(hours, stays)),
        1 => Just(Step::Restart),
        3 => Just(Step::Turn),
    ]
}

const ACTIONS: [&str; 3] = ["user.login", "user.logout", "video.play"];
const CATEGORIES: [&str; 2] = ["auth", "media"];
const FILTERS: [Option<&str>; 3] = [None, Some("action eq \"user.login\""), Some("category eq \"media\"")];
const NAMES: [&str; 3] = ["all", "users", "auth"];

fn rules_of(hours: [u32; 3]) -> Vec<RetentionRule> {
    let all = [
        rule(NAMES[0], hours[0]),
        RetentionRule { action: Some("user.".to_owned()), ..rule(NAMES[1], hours[1]) },
        RetentionRule { category: Some(CATEGORIES[0].to_owned()), ..rule(NAMES[2], hours[2]) },
    ];
    all.into_iter().filter(|rule| rule.hours > 0).collect()
}

struct Sent {
    position: u64,
    received_at_us: i64,
    action: usize,
    category: usize,
    class: u16,
}

/// When a period was set, when the log said so, and how many hours it is.
type Said = (i64, i64, u32);

/// What should be.
#[derive(Default)]
struct Model {
    sent: Vec<Sent>,
    /// Which of the three rules are in force.
    rules: [u32; 3],
    /// Classes in the order in which they came: which rule, and each period with when it was set and when the log said so.
    classes: Vec<(usize, Vec<Said>)>,
    /// Ids with their filters.
    holds: Vec<(String, usize)>,
    stated: BTreeSet<u64>,
}

impl Model {
    fn class_of(&self, action: usize, category: usize) -> u16 {
        let by = if action < 2 && self.rules[1] > 0 {
            1
        } else if category == 0 && self.rules[2] > 0 {
            2
        } else if self.rules[0] > 0 {
            0
        } else {
            return 0;
        };
        let at = self.classes.iter().position(|(name, _)| *name == by).unwrap();
        u16::try_from(at + 1).unwrap()
    }

    /// Longer at once, shorter after a week.
    fn hours(&self, class: u16, at_us: i64) -> Option<u32> {
        let (_, said) = self.classes.get(usize::from(class).checked_sub(1)?)?;
        let mut now = said[0].2;
        let mut later: Option<(u32, i64)> = None;
        for &(since, told, hours) in &said[1..] {
            if let Some((shorter, from)) = later.filter(|(_, from)| *from <= since) {
                debug_assert!(from <= told);
                (now, later) = (shorter, None);
            }
            later = match later {
                _ if hours >= now => {
                    now = hours;
                    None
                }
                Some((shorter, from)) if shorter <= hours => Some((hours, from)),
                _ => Some((hours, told + 7 * 24 * HOUR_US)),
            };
        }
        Some(later.filter(|(_, from)| *from <= at_us).map_or(now, |(hours, _)| hours))
    }

    fn is_held(&self, sent: &Sent) -> bool {
        self.holds.iter().any(|(_, filter)| match filter {
            0 => true,
            1 => sent.action == 0,
            _ => sent.category == 1,
        })
    }

    /// Whole milliseconds count, and one more must have begun.
    fn is_due(&self, sent: &Sent, at_us: i64) -> bool {
        let Some(hours) = self.hours(sent.class, at_us) else { return false };
        sent.received_at_us.div_euclid(1000) < (at_us - i64::from(hours) * HOUR_US).div_euclid(1000)
    }
}

async fn run(steps: Vec<Step>) {
    let mut world = World::new();
    world.tail = TailLimits { records_max: 1_000, ..TailLimits::default() };
    let Opened { mut ledger, .. } = world.open();
    let mut model = Model::default();
    let mut sent = 0;
    send(&ledger, &[&event(999, "first", "x")]).await.unwrap();
    let mut seen = ledger.feed_size(&FeedScope::Log(events_of("acme"))).unwrap();
    for step in steps.into_iter().chain([Step::Pass(24 * 30, 0), Step::Turn]) {
        match step {
            Step::Send(action, category, n) => {
                let events: Vec<String> =
                    (0..n).map(|n| event(sent + n, ACTIONS[action], CATEGORIES[category])).collect();
                sent += n;
                let results =
                    send(&ledger, &events.iter().map(String::as_str).collect::<Vec<_>>()).await.unwrap();
                for result in results {
                    let ItemStatus::Created { position, .. } = result.status else { panic!("{result:?}") };
                    let record = ledger.at(&events_of("acme"), position).unwrap().unwrap();
                    let class = model.class_of(action, category);
                    assert_eq!(record.class, class);
                    let received_at_us = record.received_at.as_micros();
                    model.sent.push(Sent { position: position.0, received_at_us, action, category, class });
                }
            }
            Step::Pass(hours, us) => world.clock.pass(hours * HOUR_US + us),
            Step::Rules(hours) => {
                set(&ledger, &rules_of(hours)).await.unwrap();
                model.rules = hours;
                let (since, told) = (ledger.clock().now().as_micros(), newest_received(&ledger));
                for (name, hours) in hours.into_iter().enumerate().filter(|(_, hours)| *hours > 0) {
                    match model.classes.iter_mut().find(|(of, _)| *of == name) {
                        Some((_, said)) => said.push((since, told, hours)),
                        None => model.classes.push((name, vec![(since, told, hours)])),
                    }
                }
            }
            Step::Hold(filter) => {
                if let Ok(id) = begin(&ledger, FILTERS[filter]).await {
                    model.holds.push((id, filter));
                }
            }
            Step::Release(index) => {
                if index < model.holds.len() {
                    let (id, _) = model.holds.remove(index);
                    ledger.end_hold(&tenant("acme"), &id, &Author::Machine).await.unwrap();
                }
            }
            Step::Jump(hours, stays) => {
                world.clock.jump(hours * HOUR_US);
                if hours.abs() > 1 {
                    assert_eq!(turn(&ledger).await, 0, "the clock is not believed");
                }
                if stays {
                    ledger.confirm_clock(&Author::Machine).await.unwrap();
                } else {
                    world.clock.jump(-hours * HOUR_US);
                }
            }
            Step::Restart => {
                ledger.stop();
                ledger = world.open().ledger;
            }
            Step::Turn => {
                ledger.seal_now().unwrap();
                turn(&ledger).await;
                let now = ledger.clock().now().as_micros();
                let of: BTreeMap<u64, &Sent> = model.sent.iter().map(|sent| (sent.position, sent)).collect();
                for (position, class) in expired(&ledger, seen) {
                    let sent = of.get(&position).expect("only events expire");
                    assert_eq!(sent.class, class);
                    assert!(model.is_due(sent, now), "position {position} is not due");
                    assert!(!model.is_held(sent), "position {position} is held");
                    assert!(model.stated.insert(position), "position {position} is stated twice");
                }
                let late = model.sent.iter().filter(|sent| model.is_due(sent, now) && !model.is_held(sent));
                for sent in late {
                    assert!(model.stated.contains(&sent.position), "position {} is due", sent.position);
                }
                seen = ledger.feed_size(&FeedScope::Log(events_of("acme"))).unwrap();
            }
        }
    }
    ledger.stop();
}

/// When the newest statement of the log was received: its times never fall, whatever the clock does.
fn newest_received(ledger: &Ledger) -> i64 {
    let size = ledger.feed_size(&FeedScope::Log(events_of("acme"))).unwrap();
    let record = ledger.at(&events_of("acme"), Position(size - 1)).unwrap().unwrap();
    Timestamp::as_micros(record.received_at)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn in_random_histories_all_that_is_due_and_nothing_else_is_stated(steps in prop::collection::vec(step(), 1..40)) {
        block_on(run(steps));
    }
}
