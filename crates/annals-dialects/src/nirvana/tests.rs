use annals_event::filter::Known;
use annals_event::json::{Document, Limits};
use annals_event::{Operation, Position, TenantId};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

const AS_API_KEY: Nirvana = Nirvana { time: CreatedAt::Received, actor_type_other: ActorTypeOther::ApiKey };

/// Shows an event that occurred at a time (empty: none was sent) to `see`.
fn with_record<T>(event: &str, see: impl FnOnce(&Subject<'_>) -> T) -> T {
    let mut document = Document::default();
    let event = document.parse(event.as_bytes(), Limits { depth_max: 64 }).unwrap();
    let received_at = Timestamp::parse("2026-11-21T12:00:00.5Z").unwrap();
    let occurred_at =
        event.get("occurred_at").and_then(Value::as_str).map(|at| Timestamp::parse(at).unwrap());
    let tenant = TenantId::new("acme").unwrap();
    let known = Known {
        occurred_at: occurred_at.unwrap_or(received_at),
        received_at,
        operation: Operation::Other,
        position: Position(7),
        tenant: &tenant,
    };
    see(&Subject { event, known })
}

fn entry(nirvana: Nirvana, event: &str) -> String {
    let mut out = Vec::new();
    with_record(event, |record| nirvana.write_entry(record, &mut out));
    String::from_utf8(out).unwrap()
}

fn read(nirvana: Nirvana, query: &str) -> Result<List, Refusal> {
    nirvana.read(Params::read(query, PARAMETERS)?)
}

fn finds(nirvana: Nirvana, query: &str, event: &str) -> bool {
    let list = read(nirvana, query).unwrap();
    with_record(event, |record| list.condition.holds(record))
}

const FULL: &str = r#"{"id":"e1","occurred_at":"2026-11-21T10:00:00.000000Z","action":"vm.created",
    "actor":{"id":"u1","name":"Alice Smith","type":"user"},"context":{"ip":"203.0.113.1","user_agent":"Mozilla/5.0"},
    "request":{"method":"POST","path":"/v1/compute/VMs","status_code":201},
    "targets":[{"id":"v1","type":"vm"},{"id":"n1","type":"network"}]}"#;

const BARE: &str = r#"{"id":"e2","action":"sync","actor":{"type":"system"}}"#;

#[test]
fn an_entry_has_every_member_whatever_the_event_has() {
    expect![[r#"{"id":"e1","action":"vm.created","actor":{"id":"u1","name":"Alice Smith","type":"user"},"client_ip":"203.0.113.1","created_at":"2026-11-21T10:00:00Z","method":"POST","path":"/v1/compute/VMs","status_code":201,"user_agent":"Mozilla/5.0","target":{"id":"v1","type":"vm"}}"#]]
        .assert_eq(&entry(Nirvana::default(), FULL));
    expect![[r#"{"id":"e2","action":"sync","actor":{"id":"","name":"","type":"system"},"client_ip":"","created_at":"2026-11-21T12:00:00.5Z","method":"","path":"","status_code":0,"user_agent":"","target":null}"#]]
        .assert_eq(&entry(Nirvana::default(), BARE));
}

#[test]
fn settings_change_the_time_and_the_types_of_actors() {
    let shown = entry(AS_API_KEY, FULL);
    assert!(
        shown.contains(r#""created_at":"2026-11-21T12:00:00.5Z""#) && shown.contains(r#""type":"user"}"#),
        "{shown}"
    );
    assert!(entry(AS_API_KEY, BARE).contains(r#""actor":{"id":"","name":"","type":"api_key"}"#));
    assert!(
        entry(AS_API_KEY, r#"{"actor":{"id":"k"}}"#)
            .contains(r#""actor":{"id":"k","name":"","type":"api_key"}"#)
    );
    assert!(finds(AS_API_KEY, "actor_type=api_key", BARE));
    assert!(!finds(AS_API_KEY, "actor_type=api_key", FULL));
    assert!(!finds(AS_API_KEY, "actor_type=system", BARE), "it is shown with another type");
    assert!(finds(Nirvana::default(), "actor_type=system", BARE));
    assert!(finds(AS_API_KEY, "created_at_min=2026-11-21T12:00:00.5Z", FULL));
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
        assert_eq!(finds(Nirvana::default(), query, FULL), full, "{query}: the full event");
        assert_eq!(finds(Nirvana::default(), query, BARE), bare, "{query}: the bare event");
    }
}

#[test]
fn sorts_are_fields_with_directions_and_the_newest_comes_first_by_default() {
    use {Direction::*, SortKey::*};
    let order = |nirvana, query: &str| read(nirvana, query).unwrap().order;
    let default = Nirvana::default();
    assert_eq!(order(default, ""), [(OccurredAt, Falling)]);
    assert_eq!(order(default, "sort=created_at:asc"), [(OccurredAt, Rising)]);
    assert_eq!(order(AS_API_KEY, "sort=created_at:asc"), [(ReceivedAt, Rising)]);
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
        assert_eq!(read(Nirvana::default(), query).unwrap().limit, limit, "{query}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let check = |query: &str, expected: Expect| {
        expected.assert_eq(&read(Nirvana::default(), query).unwrap_err().message)
    };
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
        let refused = read(Nirvana::default(), &format!("sort={sort}")).map(|list| list.order);
        assert_eq!(refused.map_err(|refused| refused.parameter), Err("sort"), "{sort}");
    }
}

#[test]
fn a_cursor_goes_on_alone_or_with_the_same_question() {
    let list = |query: &str| read(Nirvana::default(), query).unwrap();
    let first = list("action=a&sort=status_code:asc&limit=20");
    let kept = list(&first.question(LIMIT));
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
    let list = |entries: &str, page: &Page<'_>| {
        format!("{LIST_OPENING}{entries}{}", String::from_utf8(list_closing(page)).unwrap())
    };
    let written = list("{}", &Page { next: Some("n"), previous: None, total: 125 });
    assert_eq!(
        written,
        r#"{"items":[{}],"pagination":{"next_cursor":"n","previous_cursor":null,"total_count":125}}"#
    );
    let written = list("", &Page { next: None, previous: None, total: 0 });
    assert_eq!(
        written,
        r#"{"items":[],"pagination":{"next_cursor":null,"previous_cursor":null,"total_count":0}}"#
    );
}

proptest! {
    #[test]
    fn any_query_is_read_or_refused_and_a_question_reads_back(
        names in proptest::collection::vec(proptest::sample::select(PARAMETERS), 0..6),
        values in proptest::collection::vec(".{0,12}", 6),
    ) {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(names.iter().zip(&values));
        if let Ok(list) = read(Nirvana::default(), &query.finish()) {
            let back = read(Nirvana::default(), &list.question(LIMIT)).unwrap();
            prop_assert_eq!(List { cursor: None, ..list }, back);
        }
    }

    #[test]
    fn what_the_wire_can_carry_stays(event in crate::testing::events()) {
        crate::testing::keeps(&Nirvana::default(), &event);
    }
}

#[test]
fn an_entry_without_what_an_event_needs_is_refused_by_its_name() {
    let told = |entry: &str| {
        crate::testing::collected(&Nirvana::default(), entry).map_err(|refusal| refusal.message)
    };
    assert_eq!(told("{}").unwrap_err(), "`id` must be a text");
    let entry = r#"{"id":"e1","action":"a","actor":{"id":"","name":"","type":"system"},"created_at":"2026-11-21T10:00:00Z","status_code":0,"target":null}"#;
    expect![[r#"{"id":"e1","occurred_at":"2026-11-21T10:00:00Z","action":"a","actor":{"type":"system"},"context":{},"request":{}}"#]]
        .assert_eq(&told(entry).unwrap());
    assert_eq!(told(&entry.replace("system", "")).unwrap_err(), "`actor` has neither an id nor a type");
}
