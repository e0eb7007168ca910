use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::Value;

use super::calendar::{DAY_US, STORY_DAYS, local_time, push_instant};
use super::names::{NAMES, mailbox, name};
use super::notes::{STORIES, StoryNote};
use super::rng::mix;
use super::story::{DemoEvent, story, tenant_ids};

/// 2026-11-22T00:00:00Z.
const UNTIL_US: i64 = 1_795_305_600_000_000;
const TOTAL: u64 = 20_000;

struct Told {
    event: DemoEvent,
    value: Value,
}

static YEAR: LazyLock<Vec<Told>> = LazyLock::new(|| {
    story(UNTIL_US, TOTAL)
        .map(|event| {
            let value = serde_json::from_slice(&event.json).unwrap();
            Told { event, value }
        })
        .collect()
});

#[test]
fn the_same_arguments_give_the_same_bytes() {
    let hash = |until| {
        story(until, TOTAL).fold((0, 0), |(hash, count), event| {
            let bytes = event.json.iter().fold(hash, |hash, byte| mix(hash ^ u64::from(*byte)));
            (mix(bytes ^ event.occurred_at_us.cast_unsigned()), count + 1)
        })
    };
    assert_eq!(hash(UNTIL_US), hash(UNTIL_US));
    assert_eq!(hash(UNTIL_US).1, TOTAL);
    assert_ne!(hash(UNTIL_US), hash(UNTIL_US + DAY_US));
}

#[test]
fn any_total_is_met_exactly() {
    for total in [0, 1, 100, 1_000, 3_333, 20_001] {
        assert_eq!(story(UNTIL_US, total).count() as u64, total);
    }
}

#[test]
fn times_rise_and_stay_within_the_year() {
    let mut last_us = UNTIL_US - STORY_DAYS * DAY_US + 1;
    for told in YEAR.iter() {
        let at_us = told.event.occurred_at_us;
        assert!(last_us <= at_us && at_us < UNTIL_US, "{at_us} after {last_us}");
        last_us = at_us;
        let mut text = Vec::new();
        push_instant(&mut text, at_us);
        assert_eq!(told.value["occurred_at"].as_str().unwrap().as_bytes(), text);
    }
    // The weekday of `until` may be any.
    for day in 1..7 {
        assert_eq!(
            story(UNTIL_US - day * DAY_US, 5_000)
                .filter(|event| event.occurred_at_us >= UNTIL_US - day * DAY_US)
                .count(),
            0
        );
    }
}

#[test]
fn every_event_has_what_the_model_asks_for() {
    const MEMBERS: [&str; 17] = [
        "id",
        "occurred_at",
        "action",
        "operation",
        "category",
        "severity",
        "description",
        "reason",
        "actor",
        "targets",
        "context",
        "request",
        "trace",
        "outcome",
        "changes",
        "scope",
        "source",
    ];
    const OPERATIONS: [&str; 8] =
        ["create", "read", "update", "delete", "access", "authentication", "snapshot", "other"];
    for told in YEAR.iter() {
        let event = told.value.as_object().unwrap();
        assert!(
            event["action"]
                .as_str()
                .is_some_and(|action| !action.is_empty() && !action.starts_with("annals."))
        );
        assert!(event["actor"]["type"].is_string());
        assert!(event["outcome"]["result"].is_string());
        assert!(
            event.get("operation").is_none_or(|operation| OPERATIONS.contains(&operation.as_str().unwrap())),
            "{event:?}"
        );
        for key in event.keys() {
            assert!(MEMBERS.contains(&key.as_str()) || key == "metadata", "{key}");
        }
        let description = event["description"].as_str().unwrap();
        assert!(
            !description.contains(['{', '}']) && !description.contains("“”") && !description.contains("  "),
            "{description}"
        );
        assert!(!told.event.json.contains(&b'\n'));
    }
}

#[test]
fn ids_are_unique_in_the_whole_story() {
    let ids: BTreeSet<&str> = YEAR.iter().map(|told| told.value["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len() as u64, TOTAL);
}

#[test]
fn names_and_mailboxes_are_unique() {
    let mailboxes: BTreeSet<String> = (0..NAMES).map(|number| mailbox(&name(number))).collect();
    assert_eq!(mailboxes.len(), NAMES);
    for name in (0..NAMES).map(name) {
        let letters = name.chars().filter(|letter| letter.is_alphabetic()).count();
        let mailbox = mailbox(&name);
        assert!(
            mailbox.is_ascii() && mailbox.bytes().filter(u8::is_ascii_alphabetic).count() >= letters,
            "{name}: {mailbox}"
        );
    }
}

#[test]
fn only_reserved_addresses_and_domains_appear() {
    for told in YEAR.iter() {
        every_text(&told.value, &mut |text| {
            if let Ok(address) = text.parse::<std::net::IpAddr>() {
                let reserved = ["192.0.2.", "198.51.100.", "203.0.113.", "2001:db8:"];
                assert!(reserved.iter().any(|prefix| address.to_string().starts_with(prefix)), "{address}");
            }
            for after in text.split("://").skip(1) {
                let host = after.split(['/', ')', ' ', ':']).next().unwrap();
                assert!(host.ends_with(".example"), "{text}");
            }
            for after in text.split('@').skip(1) {
                assert!(after.split([' ', '”']).next().unwrap().ends_with(".example"), "{text}");
            }
        });
        if let Some(ip) = told.value["context"]["ip"].as_str() {
            assert!(ip.parse::<std::net::IpAddr>().is_ok(), "{ip}");
        }
    }
}

#[test]
fn events_are_of_ordinary_size() {
    let bytes: usize = YEAR.iter().map(|told| told.event.json.len()).sum();
    let mean = bytes / YEAR.len();
    assert!((600..=900).contains(&mean), "{mean}");
    assert!(YEAR.iter().all(|told| (200..4096).contains(&told.event.json.len())));
}

#[test]
fn every_story_is_found_as_its_note_says() {
    for note in STORIES {
        let found: Vec<&Told> =
            YEAR.iter().filter(|told| told.event.tenant == note.tenant && finds(note, &told.value)).collect();
        assert_eq!(found.len() as u64, note.count, "{}", note.title);
        let oldest_us = UNTIL_US - note.days_ago * DAY_US;
        assert!(found.iter().all(|told| told.event.occurred_at_us >= oldest_us), "{}", note.title);
    }
}

#[test]
fn the_approval_names_the_whole_chain() {
    let approval = YEAR
        .iter()
        .find(|told| {
            told.value["action"] == "invoice.approve" && told.value["targets"][0]["id"] == "inv_aurora_0097"
        })
        .unwrap();
    let chain = approval.value["actor"]["chain"].as_array().unwrap();
    assert_eq!(chain.len(), 2);
    let entered = YEAR
        .iter()
        .find(|told| {
            told.value["action"] == "invoice.create" && told.value["targets"][0]["id"] == "inv_aurora_0097"
        })
        .unwrap();
    assert_eq!(chain[1]["id"], entered.value["actor"]["id"]);
}

#[test]
fn whoever_has_left_does_nothing_more_but_try_to_sign_in() {
    let mut suspended: BTreeSet<&str> = BTreeSet::new();
    for told in YEAR.iter() {
        let actor = told.value["actor"]["id"].as_str().unwrap_or_default();
        assert!(!suspended.contains(actor) || told.value["outcome"]["result"] != "success", "{}", told.value);
        if told.value["action"] == "user.suspend" {
            suspended.insert(told.value["targets"][0]["id"].as_str().unwrap());
        }
    }
    assert!(suspended.len() > 10, "{}", suspended.len());
}

#[test]
fn sources_count_without_a_hole_but_one() {
    let mut last: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut holes = Vec::new();
    for told in YEAR.iter() {
        let source = &told.value["source"];
        let Some(seq) = source["seq"].as_u64() else { continue };
        let before = last.insert((told.event.tenant, source["instance"].as_str().unwrap()), seq);
        if let Some(before) = before {
            assert!(seq > before);
            if seq > before + 1 {
                holes.push((source["instance"].as_str().unwrap(), seq - before - 1));
            }
        }
    }
    assert_eq!(holes, [("exporter-1", 14)]);
    assert!(last.len() >= 12, "{}", last.len());
}

#[test]
fn tenants_have_their_share_and_their_rhythm() {
    for (tenant, share, offset_hours) in
        [("northwind-video", 58..62, 1), ("ledgerly", 22..27, -3), ("mosaic-health", 13..18, 9)]
    {
        assert!(tenant_ids().contains(&tenant));
        let times: Vec<i64> = YEAR
            .iter()
            .filter(|told| told.event.tenant == tenant)
            .map(|told| told.event.occurred_at_us)
            .collect();
        assert!(share.contains(&(times.len() * 100 / YEAR.len())), "{tenant}: {}", times.len());
        let count = |wanted: &dyn Fn(usize, usize) -> bool| {
            times
                .iter()
                .map(|at_us| local_time(*at_us, offset_hours))
                .filter(|local| wanted(local.weekday, local.hour))
                .count()
        };
        let (tuesdays, sundays) = (count(&|weekday, _| weekday == 1), count(&|weekday, _| weekday == 6));
        assert!(tuesdays > 2 * sundays, "{tenant}: {tuesdays} {sundays}");
        let (mornings, nights) =
            (count(&|_, hour| (9..12).contains(&hour)), count(&|_, hour| (2..5).contains(&hour)));
        assert!(mornings > 4 * nights, "{tenant}: {mornings} {nights}");
        let middle_us = UNTIL_US - STORY_DAYS * DAY_US / 2;
        let early = times.iter().filter(|at_us| **at_us < middle_us).count();
        assert!(early * 10 < times.len() * 45, "{tenant}: grows over the year");
    }
}

#[test]
fn sessions_begin_with_a_login_and_go_on_from_one_address() {
    let mut first: BTreeMap<&str, (&str, &Value)> = BTreeMap::new();
    let mut events = 0_usize;
    for told in YEAR.iter() {
        let Some(session) = told.value["context"]["session_id"].as_str() else { continue };
        let action = told.value["action"].as_str().unwrap();
        let (first_action, ip) = first.entry(session).or_insert((action, &told.value["context"]["ip"]));
        assert!(matches!(*first_action, "login" | "login.failed"));
        assert_eq!(*ip, &told.value["context"]["ip"]);
        events += 1;
    }
    // Shorter than in a full year: with so few events many sessions run idle before they are through.
    assert!((4..12).contains(&(events / first.len())), "{events} events in {} sessions", first.len());
}

#[test]
fn dates_are_those_of_the_calendar() {
    let mut text = Vec::new();
    push_instant(&mut text, UNTIL_US - 1);
    assert_eq!(text, b"2026-11-21T23:59:59.999999Z");
    text.clear();
    push_instant(&mut text, 951_782_400_000_000);
    assert_eq!(text, b"2000-02-29T00:00:00.000000Z");
    // A Sunday.
    assert_eq!(local_time(UNTIL_US, 0).weekday, 6);
    assert_eq!(local_time(UNTIL_US, -3).hour, 21);
}

/// As the server's parameters: repeated ones mean either, different ones both.
fn finds(note: &StoryNote, event: &Value) -> bool {
    note.find.iter().all(|(parameter, _)| {
        note.find.iter().filter(|(other, _)| other == parameter).any(|(_, value)| match *parameter {
            "actor_id" => event["actor"]["id"] == *value,
            "context_ip" => event["context"]["ip"] == *value,
            "targets_id" => {
                event["targets"].as_array().is_some_and(|all| all.iter().any(|one| one["id"] == *value))
            }
            other => panic!("the test does not know the parameter {other}"),
        })
    })
}

fn every_text(value: &Value, see: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(items) => items.iter().for_each(|item| every_text(item, see)),
        Value::Object(members) => members.values().for_each(|member| every_text(member, see)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
