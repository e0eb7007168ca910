use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::testing::{collected, entry, events, finds, keeps, parameters, read};
use crate::{Address, List, Time};

const PLAIN: Nirvana = Nirvana { common: Common::AS_IT_COMES, actor_type_other: ActorTypeOther::AsSent };

const AS_API_KEY: Nirvana = Nirvana {
    common: Common { time: Time::Received, ..Common::AS_IT_COMES },
    actor_type_other: ActorTypeOther::ApiKey,
};

const FULL: &str = r#"{"id":"e1","occurred_at":"2026-11-21T10:00:00.000000Z","action":"vm.created",
    "actor":{"id":"u1","name":"Alice Smith","type":"user"},"context":{"ip":"203.0.113.1","user_agent":"Mozilla/5.0"},
    "request":{"method":"POST","path":"/v1/compute/VMs","status_code":201},
    "targets":[{"id":"v1","type":"vm"},{"id":"n1","type":"network"}]}"#;

const BARE: &str = r#"{"id":"e2","action":"sync","actor":{"type":"system"}}"#;

#[test]
fn an_entry_has_every_member_whatever_the_event_has() {
    expect![[r#"{"id":"e1","action":"vm.created","actor":{"id":"u1","name":"Alice Smith","type":"user"},"client_ip":"203.0.113.1","created_at":"2026-11-21T10:00:00Z","method":"POST","path":"/v1/compute/VMs","status_code":201,"user_agent":"Mozilla/5.0","target":{"id":"v1","type":"vm"}}"#]]
        .assert_eq(&entry(&PLAIN, FULL));
    expect![[r#"{"id":"e2","action":"sync","actor":{"id":"","name":"","type":"system"},"client_ip":"","created_at":"2026-11-21T12:00:00.5Z","method":"","path":"","status_code":0,"user_agent":"","target":null}"#]]
        .assert_eq(&entry(&PLAIN, BARE));
}

#[test]
fn settings_change_the_time_and_the_types_of_actors() {
    let shown = entry(&AS_API_KEY, FULL);
    assert!(
        shown.contains(r#""created_at":"2026-11-21T12:00:00.5Z""#) && shown.contains(r#""type":"user"}"#),
        "{shown}"
    );
    assert!(entry(&AS_API_KEY, BARE).contains(r#""actor":{"id":"","name":"","type":"api_key"}"#));
    assert!(
        entry(&AS_API_KEY, r#"{"action":"a","actor":{"id":"k"}}"#)
            .contains(r#""actor":{"id":"k","name":"","type":"api_key"}"#)
    );
    assert!(finds(&AS_API_KEY, "actor_type=api_key", BARE));
    assert!(!finds(&AS_API_KEY, "actor_type=api_key", FULL));
    assert!(!finds(&AS_API_KEY, "actor_type=system", BARE), "it is shown with another type");
    assert!(finds(&PLAIN, "actor_type=system", BARE));
    assert!(finds(&AS_API_KEY, "created_at_min=2026-11-21T12:00:00.5Z", FULL));
}

#[test]
fn every_filter_finds_what_is_shown_and_nothing_else() {
    for (query, full, bare) in [
        ("", true, true),
        ("action=vm.created", true, false),
        ("action=VM.created", false, false),
        ("actor_id=u1", true, false),
        ("actor_type=user", true, false),
        ("actor_type=api_key", false, false),
        ("client_ip=203.0.113.1", true, false),
        ("client_ip=203.0.113.0/24", false, false),
        ("created_at_min=2026-11-21T10:00:00Z", true, true),
        ("created_at_min=2026-11-21T10:00:00.000001Z", false, true),
        ("created_at_max=2026-11-21T12:00:00+02:00", true, false),
        ("created_at_max=2026-11-21T09:59:59.999999Z", false, false),
        ("created_at_max=2026-11-21T12:00:00.5Z", true, true),
        ("created_at_min=2026-11-21T11:00:00Z&created_at_max=2026-11-21T09:00:00Z", false, false),
        ("method=POST", true, false),
        ("method=post", false, false),
        ("path=COMPUTE/v", true, false),
        ("path=/v2", false, false),
        ("status_code_min=201", true, false),
        ("status_code_min=202", false, false),
        ("status_code_min=0", true, true),
        ("status_code_max=201.0", true, true),
        ("status_code_max=200", false, true),
        ("status_code_max=-1", false, false),
        ("status_code_min=-5&status_code_max=0", false, true),
        ("target_id=v1", true, false),
        ("target_id=n1", true, false),
        ("target_id=v1&target_type=vm", true, false),
        ("target_id=v1&target_type=network", false, false),
        ("action=vm.created&actor_id=u2", false, false),
        ("action=x&action=vm.created", true, false),
        ("action=vm.created&action=", true, true),
        ("colour=red&filter%5Bx%5D=1", true, true),
    ] {
        assert_eq!(finds(&PLAIN, query, FULL), full, "{query}: the full event");
        assert_eq!(finds(&PLAIN, query, BARE), bare, "{query}: the bare event");
    }
}

#[test]
fn sorts_are_fields_with_directions_and_the_newest_comes_first_by_default() {
    use {Direction::*, SortKey::*};
    let order = |nirvana: &Nirvana, query: &str| read(nirvana, query).unwrap().order;
    let default = &PLAIN;
    assert_eq!(order(default, ""), [(OccurredAt, Falling)]);
    assert_eq!(order(default, "sort=created_at:asc"), [(OccurredAt, Rising)]);
    assert_eq!(order(&AS_API_KEY, "sort=created_at:asc"), [(ReceivedAt, Rising)]);
    let both = [(StatusCode, Falling), (OccurredAt, Rising)];
    assert_eq!(order(default, "sort=status_code:desc,%20created_at:asc"), both);
}

#[test]
fn a_limit_is_brought_within_its_bounds() {
    for (query, limit) in [
        ("", None),
        ("limit=", None),
        ("limit=5", Some(10)),
        ("limit=0", Some(10)),
        ("limit=-1", Some(10)),
        ("limit=37", Some(37)),
        ("limit=37.0", Some(37)),
        ("limit=1000000000", Some(100)),
        ("limit=99999999999999999999999", Some(100)),
    ] {
        assert_eq!(read(&PLAIN, query).unwrap().limit, limit, "{query}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let check = |query: &str, expected: Expect| expected.assert_eq(&read(&PLAIN, query).unwrap_err().message);
    check("limit=ten", expect!["`limit`: `ten` is not a whole number"]);
    check("status_code_min=2xx", expect!["`status_code_min`: `2xx` is not a whole number"]);
    check("status_code_max=1e3", expect!["`status_code_max`: `1e3` is not a whole number"]);
    check(
        "created_at_min=2026-11-21",
        expect![
            "`created_at_min`: `2026-11-21` is not an RFC 3339 time with an offset, such as `2026-11-21T10:00:59.123456Z`"
        ],
    );
    check(
        "created_at_max=2026-02-30T00:00:00Z",
        expect!["`created_at_max`: `2026-02-30T00:00:00Z` names a day or time of day that does not exist"],
    );
    for sort in [
        "created_at",
        "created_at:",
        "created_at:up",
        "colour:asc",
        "created_at:asc,",
        ",",
        ":asc",
        "created_at:asc:desc",
        "created_at:asc,created_at:desc",
    ] {
        let refused = read(&PLAIN, &format!("sort={sort}")).map(|list| list.order);
        assert_eq!(refused.map_err(|refused| refused.parameter), Err("sort"), "{sort}");
    }
}

#[test]
fn a_cursor_goes_on_alone_or_with_the_same_question() {
    let list = |query: &str| read(&PLAIN, query).unwrap();
    let first = list("action=a&sort=status_code:asc&limit=20");
    let kept = list(&first.question("limit"));
    assert_eq!(kept, first);
    for (query, limit) in [
        ("cursor=c", Some(20)),
        ("cursor=c&limit=50", Some(50)),
        ("cursor=c&sort=status_code:asc&action=a", Some(20)),
        ("cursor=c&action=b&action=a&sort=status_code:asc&colour=red", Some(20)),
    ] {
        let resumed = list(query).resume(kept.clone()).unwrap();
        assert_eq!(resumed, List { cursor: Some("c".to_owned()), limit, ..kept.clone() }, "{query}");
    }
    for query in [
        "cursor=c&action=b&sort=status_code:asc",
        "cursor=c&action=a",
        "cursor=c&sort=status_code:asc",
        "cursor=c&actor_id=u",
    ] {
        assert_eq!(list(query).resume(kept.clone()).unwrap_err().parameter, "cursor", "{query}");
    }
    let default = list("");
    list("cursor=c&sort=created_at:desc").resume(default).expect("the default may be said");
}

#[test]
fn a_list_has_both_cursors_and_the_total_even_when_empty() {
    let (list, address) = (read(&PLAIN, "").unwrap(), Address::default());
    let closing = |next, total| {
        let envelope = PLAIN.envelope(&Shown {
            list: &list,
            entries: 0,
            page_size: 10,
            page: 1,
            first_page: 1,
            more: false,
            total: Some(total),
            as_of: 9,
            next,
            previous: None,
            address: &address,
            request_id: "r",
        });
        envelope.opening.into_owned() + &String::from_utf8(envelope.closing).unwrap()
    };
    assert_eq!(
        closing(Some("n"), 125),
        r#"{"items":[],"pagination":{"next_cursor":"n","previous_cursor":null,"total_count":125}}"#
    );
    assert_eq!(
        closing(None, 0),
        r#"{"items":[],"pagination":{"next_cursor":null,"previous_cursor":null,"total_count":0}}"#
    );
}

proptest! {
    #[test]
    fn any_query_is_read_or_refused_and_a_question_reads_back(
        names in proptest::collection::vec(proptest::sample::select(parameters::<Nirvana>()), 0..6),
        values in proptest::collection::vec(".{0,12}", 6),
    ) {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(names.iter().zip(&values));
        if let Ok(list) = read(&PLAIN, &query.finish()) {
            let back = read(&PLAIN, &list.question("limit")).unwrap();
            prop_assert_eq!(List { cursor: None, ..list }, back);
        }
    }

    #[test]
    fn what_the_wire_can_carry_stays(event in events()) {
        keeps(&PLAIN, &event);
    }
}

#[test]
fn an_entry_without_what_an_event_needs_is_refused_by_its_name() {
    let told = |entry: &str| collected(&PLAIN, entry).map_err(|refusal| refusal.message);
    assert_eq!(told("{}").unwrap_err(), "`id` must be a text");
    let entry = r#"{"id":"e1","action":"a","actor":{"id":"","name":"","type":"system"},"created_at":"2026-11-21T10:00:00Z","status_code":0,"target":null}"#;
    expect![[r#"{"id":"e1","occurred_at":"2026-11-21T10:00:00Z","action":"a","actor":{"type":"system"}}"#]]
        .assert_eq(&told(entry).unwrap());
    assert_eq!(told(&entry.replace("system", "")).unwrap_err(), "`actor` has neither an id nor a type");
}
