use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::testing::{collected, entry, events, finds, keeps, parameters, read};

const FULL: &str = r#"{"id":"e1","occurred_at":"2022-09-04T09:38:59.5Z","action":"users.update","operation":"update",
    "actor":{"type":"user","id":"62f0","email":"ana@example.com","name":"Ana"},
    "context":{"ip":"::ffff:10.12.55.55","user_agent":"axios/0.24.0"},
    "targets":[{"type":"user","id":"6314","name":"Nataly"},{"type":"team","id":"t1"}],
    "changes":{"before":{"state":"invited"},"after":{"id":"6314","state":"valid","createdAt":1662284244,"n":1.0}}}"#;

const GONE: &str = r#"{"id":"e2","occurred_at":"2022-09-04T09:38:20Z","action":"environments.delete",
    "actor":{"type":"system","id":"reaper"},"targets":[{"type":"environments","id":"63bd"}],
    "changes":{"before":{"id":"63bd"}}}"#;

const BARE: &str = r#"{"id":"e3","occurred_at":"2022-09-04T00:00:00Z","action":"sync","actor":{"id":"k1"},"category":"integrations"}"#;

fn configured(values: &'static [(&'static str, &'static str)]) -> Result<BigPanda, Wrong> {
    crate::testing::configured("bigpanda", values, BigPanda::configured)
}

#[test]
fn an_entry_shows_who_what_and_the_state_after_it() {
    let shown = |event: &str, expected: Expect| expected.assert_eq(&entry(&BigPanda::default(), event));
    shown(
        FULL,
        expect![[
            r#"{"actor":{"type":"user","user":{"id":"62f0","email":"ana@example.com","name":"Ana"}},"action_type":"update","context":{"actor_access":{"ip_address":"::ffff:10.12.55.55","user_agent":"axios/0.24.0"}},"resource_type":"users","resource_id":"6314","timestamp":1662284339,"object":{"createdAt":1662284244,"id":"6314","n":1.0,"state":"valid"},"id":"e1"}"#
        ]],
    );
    shown(
        GONE,
        expect![[
            r#"{"actor":{"type":"system-generated"},"action_type":"delete","resource_type":"environments","resource_id":"63bd","timestamp":1662284300,"object":null,"id":"e2"}"#
        ]],
    );
    shown(
        BARE,
        expect![[
            r#"{"actor":{"type":"user","user":{"id":"k1"}},"action_type":"other","resource_type":"integrations","resource_id":"","timestamp":1662249600,"object":{},"id":"e3"}"#
        ]],
    );
}

#[test]
fn every_filter_finds_what_is_shown_and_nothing_else() {
    for (query, full, gone, bare) in [
        ("", true, true, true),
        ("resource_type=users", true, false, false),
        ("resource_type=user", false, false, false),
        ("resource_type=environments", false, true, false),
        ("resource_type=team", true, false, false),
        ("resource_type=integrations", false, false, true),
        ("resource_type=colours", false, false, false),
        ("resource_id=6314", true, false, false),
        ("resource_id=t1", true, false, false),
        ("action_type=update", true, false, false),
        ("action_type=delete", false, true, false),
        ("action_type=other", false, false, true),
        ("action_type=init_state", false, false, false),
        ("action_type=snapshot", false, false, false),
        ("actor_type=user", true, false, true),
        ("actor_type=system-generated", false, true, false),
        ("actor_type=system", false, false, false),
        ("actor_id=62f0", true, false, false),
        ("user_id=62f0", true, false, false),
        ("user_id=reaper", false, false, false),
        ("start=1662284339", true, false, false),
        ("start=1662284340", false, false, false),
        ("end=1662284339", true, true, true),
        ("end=1662284338", false, true, true),
        ("from=1662284300&to=1662284300", false, true, false),
        ("start=1662284339&start=0", true, true, true),
        ("start=2&end=1", false, false, false),
        ("start=&action_type=&colour=red", true, true, true),
        ("resource_type=users&action_type=delete", false, false, false),
    ] {
        for (event, found) in [(FULL, full), (GONE, gone), (BARE, bare)] {
            assert_eq!(finds(&BigPanda::default(), query, event), found, "{query}: {event}");
        }
    }
    let pattern =
        r#"{"id":"e","action":"a","actor":{"id":"u"},"targets":[{"type":"correlation_pattern","id":"c"}]}"#;
    for name in ["correlation_pattern", "correlation_patterns"] {
        assert!(finds(&BigPanda::default(), &format!("resource_type={name}"), pattern), "{name}");
    }
}

#[test]
fn pages_have_numbers_and_sizes_within_bounds() {
    for (query, page, limit) in [
        ("", 1, None),
        ("page=2&per_page=50", 2, Some(50)),
        ("page_size=5000", 1, Some(1000)),
        ("per_page=0&page=0", 1, Some(1)),
        ("per_page=7.0&page=-3", 1, Some(7)),
    ] {
        let list = read(&BigPanda::default(), query).unwrap();
        assert_eq!((list.number.unwrap().page, list.limit, list.count), (page, limit, false), "{query}");
    }
    for (query, parameter) in [
        ("page=x", PAGE),
        ("per_page=many", "per_page"),
        ("start=1697765051000", "start"),
        ("to=2026-11-21", "end"),
    ] {
        assert_eq!(read(&BigPanda::default(), query).unwrap_err().parameter, parameter, "{query}");
    }
    let shallow = configured(&[("depth", "200")]).unwrap();
    assert!(read(&shallow, "page=2").is_ok());
    assert_eq!(read(&shallow, "page=3").unwrap_err().parameter, PAGE);
}

#[test]
fn settings_change_words_and_envelope() {
    let other = configured(&[
        ("operations", "other=update"),
        ("operations", "users.update=create"),
        ("resource_types", "user=people"),
        ("actor_types", "user=system-generated"),
        ("time", "received"),
    ])
    .unwrap();
    let shown = entry(&other, FULL);
    for part in [
        r#""action_type":"create""#,
        r#""resource_type":"people""#,
        r#"{"type":"system-generated"}"#,
        r#""timestamp":1795262400"#,
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(finds(&other, "resource_type=people&action_type=create&actor_type=system-generated", FULL));
    assert!(finds(&other, "action_type=update", BARE) && !finds(&other, "action_type=update", FULL));
    for wrong in [
        ("envelope", "rows"),
        ("depth", "0"),
        ("operations", "update"),
        ("time", "now"),
        ("resource_types", "=x"),
    ] {
        let given =
            |key: &str| (key == format!("dialects.bigpanda.{}", wrong.0)).then(|| vec![wrong.1.to_owned()]);
        let told = BigPanda::configured(&Given::new(&given)).unwrap_err();
        assert_eq!(told.value, wrong.1, "{told}");
    }
    let twice = configured(&[("actor_types", "user=person"), ("actor_types", " user = people")]).unwrap_err();
    assert_eq!(
        twice.to_string(),
        "`dialects.bigpanda.actor_types`: `user=people` is the second line for `user`"
    );
}

#[test]
fn errors_have_the_vendors_shape() {
    let body = |status| {
        let refused = Refused { status, message: "what was wrong", parameter: None, request_id: "r" };
        String::from_utf8(write_error(&refused)).unwrap()
    };
    assert_eq!(
        body(400),
        r#"{"status":400,"errors":["Call is missing parameters or malformed.","what was wrong"]}"#
    );
    assert_eq!(body(401), r#"{"status":401,"errors":["what was wrong"]}"#);
    assert_eq!(
        body(403),
        r#"{"statusCode":403,"error":"Forbidden","message":"Forbidden - insufficient permissions","detail":"what was wrong"}"#
    );
    assert_eq!(body(429), r#"{"status":429,"errors":["Rate limit exceeded","what was wrong"]}"#);
}

#[test]
fn what_the_vendor_sends_becomes_an_event() {
    // The sample of the vendor's page.
    const SAMPLE: &str = r#"{"actor":{"type":"user","user":{"id":"62f0ec2d95918d0012bba5553","email":"ana@example.com"}},
        "action_type":"update","context":{"actor_access":{"ip_address":"::ffff:10.12.55.55","user_agent":"axios/0.24.0"}},
        "resource_type":"users","resource_id":"631471d494528700126ca555","timestamp":1662284339,
        "object":{"createdAt":1662284244,"lastLoginAt":1662284281,"name":"Nataly","state":"valid"}}"#;
    let api = BigPanda::default();
    expect![[r#"{"id":"ce1523f0a25eabdcdc7e9f2b124c6f9b","occurred_at":"2022-09-04T09:38:59.000000Z","action":"users.update","operation":"update","category":"user","actor":{"type":"user","id":"62f0ec2d95918d0012bba5553","email":"ana@example.com"},"context":{"ip":"::ffff:10.12.55.55","user_agent":"axios/0.24.0"},"targets":[{"type":"user","id":"631471d494528700126ca555"}],"changes":{"after":{"createdAt":1662284244,"lastLoginAt":1662284281,"name":"Nataly","state":"valid"}}}"#]]
        .assert_eq(&collected(&api, SAMPLE).unwrap());
    let again = SAMPLE.replace("ana@example.com", "eva@example.com");
    let id = |entry: &str| collected(&api, entry).unwrap()[..41].to_owned();
    assert_eq!(id(SAMPLE), id(&again), "an address that was changed later makes no other entry");
    assert_ne!(id(SAMPLE), id(&SAMPLE.replace("valid", "invited")));
    for (wrong, member) in [
        ("{}", "action_type"),
        (r#"{"action_type":"update"}"#, "timestamp"),
        (r#"{"action_type":"update","timestamp":"soon"}"#, "timestamp"),
        (r#"{"action_type":"update","timestamp":99999999999999}"#, "timestamp"),
    ] {
        assert_eq!(collected(&api, wrong).unwrap_err().parameter, member, "{wrong}");
    }
}

proptest! {
    #[test]
    fn what_the_wire_can_carry_stays(event in events()) {
        keeps(&BigPanda::default(), &event);
    }

    #[test]
    fn any_query_is_read_or_refused(names in prop::collection::vec(prop::sample::select(parameters::<BigPanda>()), 0..6), values in prop::collection::vec(".{0,12}", 6)) {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(names.iter().zip(&values));
        drop(read(&BigPanda::default(), &query.finish()));
    }
}
