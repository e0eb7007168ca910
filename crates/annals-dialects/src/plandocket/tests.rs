use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::testing::{collected, entry, event_with, events, finds, keeps, parameters, read, with_record};
use crate::{Address, PageNumber, Params, Time};

const ISO: PlanDocket = PlanDocket { common: Common::AS_IT_COMES, timestamps: Timestamps::Iso };
const EPOCH: PlanDocket = PlanDocket {
    common: Common { time: Time::Received, page_size: Some(20), ..Common::AS_IT_COMES },
    timestamps: Timestamps::Epoch,
};

const FULL: &str = r#"{"id":"e1","occurred_at":"2026-11-21T10:00:00.750000Z","action":"update","description":"Changed the Title",
    "actor":{"type":"user","id":"3","name":"Eva"},"targets":[{"type":"event","id":"12","name":"Spring Fair"}],
    "changes":{"before":{"title":"Fair"},"after":{"title":"Spring Fair","seats":1.50}},
    "context":{"ip":"203.0.113.7","user_agent":"Mozilla/5.0"},"request":{"method":"GET"}}"#;

const BARE: &str =
    r#"{"id":"e2","action":"cleanup","actor":{"type":"system","id":"cron","name":"Eva's cron"}}"#;

const NAMED: &str = r#"{"id":"e3","action":"login","actor":{"id":"u-7"},"targets":[{"type":"session","id":"007"},{"id":"12","name":"Zweite"}]}"#;

#[test]
fn an_entry_has_every_member_whatever_the_event_has() {
    expect![[r#"{"id":8,"audit-log_id":8,"action":"update","entity_type":"event","entity_id":12,"entity_title":"Spring Fair","description":"Changed the Title","old_values":{"title":"Fair"},"new_values":{"seats":1.50,"title":"Spring Fair"},"admin_id":3,"admin_name":"Eva","ip_address":"203.0.113.7","user_agent":"Mozilla/5.0","created_at":"2026-11-21T10:00:00+00:00"}"#]]
        .assert_eq(&entry(&ISO, FULL));
    expect![[r#"{"id":8,"audit-log_id":8,"action":"cleanup","entity_type":null,"entity_id":null,"entity_title":null,"description":null,"old_values":null,"new_values":null,"admin_id":null,"admin_name":null,"ip_address":null,"user_agent":null,"created_at":1795262400,"updated_at":1795262400}"#]]
        .assert_eq(&entry(&EPOCH, BARE));
    expect![[r#"{"id":8,"audit-log_id":8,"action":"login","entity_type":"session","entity_id":null,"entity_ref":"007","entity_title":null,"description":null,"old_values":null,"new_values":null,"admin_id":null,"admin_ref":"u-7","admin_name":null,"ip_address":null,"user_agent":null,"created_at":"2026-11-21T12:00:00+00:00"}"#]]
        .assert_eq(&entry(&ISO, NAMED));
}

#[test]
fn ids_are_integers_where_every_client_reads_them_so() {
    let shown = |id: &str| {
        let entry = entry(&ISO, &format!(r#"{{"action":"a","actor":{{"id":"{id}"}}}}"#));
        entry.split_once(r#""admin_id":"#).unwrap().1.split(r#","admin_name""#).next().unwrap().to_owned()
    };
    for (id, expected) in [
        ("0", "0"),
        ("9007199254740991", "9007199254740991"),
        ("9007199254740992", r#"null,"admin_ref":"9007199254740992""#),
        ("+5", r#"null,"admin_ref":"+5""#),
        ("-5", r#"null,"admin_ref":"-5""#),
        ("5.0", r#"null,"admin_ref":"5.0""#),
        ("00", r#"null,"admin_ref":"00""#),
    ] {
        assert_eq!(shown(id), expected);
    }
    for (id, position) in [
        ("1", Some(0)),
        ("4711", Some(4710)),
        ("18446744073709551615", Some(u64::MAX - 1)),
        ("0", None),
        ("+1", None),
        ("-1", None),
        ("1.0", None),
        ("18446744073709551616", None),
        ("", None),
        ("x", None),
    ] {
        assert_eq!(position_of(id), position.map(Position), "{id}");
    }
    assert_eq!(id_of(Position(4710)), 4711);
}

#[test]
fn states_that_are_no_objects_are_wrapped_in_one() {
    let values = |after: &str| {
        let entry = entry(&ISO, &event_with(&format!(r#""action":"a","changes":{{"after":{after}}}"#)));
        entry.split_once(r#""new_values":"#).unwrap().1.split(r#","admin_id""#).next().unwrap().to_owned()
    };
    for (after, expected) in [
        ("{}", "{}"),
        ("null", "null"),
        ("5", r#"{"value":5}"#),
        ("[1,{}]", r#"{"value":[1,{}]}"#),
        ("\"x\"", r#"{"value":"x"}"#),
    ] {
        assert_eq!(values(after), expected);
    }
}

#[test]
fn every_filter_finds_what_is_shown_and_nothing_else() {
    for (query, full, bare, named) in [
        ("", true, true, true),
        ("action=update", true, false, false),
        ("action=Update", false, false, false),
        ("action=update~login", false, false, false),
        ("entity_type=event", true, false, false),
        ("admin_id=3", true, false, false),
        ("admin_id=u-7", false, false, true),
        ("admin_id=cron", false, false, false),
        ("search=spring", true, false, false),
        ("search=TITLE", true, false, false),
        ("search=eva", true, false, false),
        ("search=pdat", true, false, false),
        ("search=session", false, false, true),
        ("search=zweite", false, false, true),
        ("search=203.0", false, false, false),
        ("search=%25", false, false, false),
        ("date_from=2026-11-21T10:00:00Z", true, true, true),
        ("date_from=2026-11-21T10:00:01Z", false, true, true),
        ("date_to=2026-11-21T10:00:00Z", true, false, false),
        ("date_to=2026-11-21T10:00:00", true, false, false),
        ("date_to=2026-11-21T11:59:59%2B02:00", false, false, false),
        ("date_to=2026-11-21", true, true, true),
        ("date_to=2026-11-20", false, false, false),
        ("date_from=2026-11-22", false, false, false),
        ("date_from=2026-11-21&date_to=2026-11-21", true, true, true),
        ("action=none&action=update&colour=red", true, false, false),
        ("action=&admin_id=", true, true, true),
    ] {
        for (event, expected) in [(FULL, full), (BARE, bare), (NAMED, named)] {
            assert_eq!(finds(&ISO, query, event), expected, "{query}: {event}");
        }
    }
}

#[test]
fn pages_and_order_are_read() {
    let list = read(&ISO, "page=2&per_page=20&as_of=7&sort=created_at&order=ASC&api_key=secret").unwrap();
    assert_eq!((list.limit, list.number), (Some(20), Some(PageNumber { page: 2, as_of: Some(7) })));
    assert_eq!(list.order, [(Time::Occurred.sort_key(), Direction::Rising)]);
    assert!(!list.asked.to_query().contains("secret"));
    let list = read(&EPOCH, "limit=1000").unwrap();
    assert_eq!((list.limit, list.order), (Some(100), vec![(Time::Received.sort_key(), Direction::Falling)]));
    assert_eq!(
        (ISO.page_size().default, EPOCH.page_size()),
        (50, PageSize { default: 20, min: 1, max: 100 })
    );
    assert_eq!(read(&ISO, "order=desc").unwrap().order, [(Time::Occurred.sort_key(), Direction::Falling)]);
    for (query, parameter) in [
        ("page=x", "page"),
        ("per_page=1e3", "per_page"),
        ("limit=ten", "per_page"),
        ("date_from=soon", "date_from"),
        ("date_to=2026-13-01", "date_to"),
        ("sort=id", "sort"),
        ("order=up", "order"),
    ] {
        assert_eq!(read(&ISO, query).unwrap_err().parameter, parameter, "{query}");
    }
}

#[test]
fn totals_are_in_meta_and_a_single_entry_has_one_too() {
    let (list, address) = (read(&ISO, "").unwrap(), Address::default());
    let shown = |total| Shown {
        list: &list,
        entries: 0,
        page_size: 50,
        page: 2,
        first_page: 1,
        more: false,
        total: Some(total),
        as_of: 9,
        next: None,
        previous: None,
        address: &address,
        request_id: "abc123",
    };
    let written = |envelope: Envelope| {
        envelope.opening.into_owned() + "…" + &String::from_utf8(envelope.closing).unwrap()
    };
    assert_eq!(
        written(ISO.envelope(&shown(57))),
        r#"{"data":[…],"meta":{"request_id":"req_abc123","page":2,"per_page":50,"total":57,"total_pages":2}}"#
    );
    assert!(written(ISO.envelope(&shown(0))).ends_with(r#""total":0,"total_pages":1}}"#));
    assert_eq!(written(ISO.envelope_of_one("abc123")), r#"{"data":…,"meta":{"request_id":"req_abc123"}}"#);
}

#[test]
fn errors_are_written_as_documented() {
    let body = |status, message, parameter| {
        let refused = Refused { status, message, parameter, request_id: "r" };
        String::from_utf8((VENDOR.write_error)(&refused)).unwrap()
    };
    assert_eq!(body(404, "no such entry", None), r#"{"error":"Resource not found"}"#);
    assert_eq!(body(429, "wait", None), r#"{"error":"Rate limit exceeded"}"#);
    assert_eq!(body(403, "the key lacks it", None), r#"{"error":"the key lacks it"}"#);
    assert_eq!(
        body(422, "`date_from`: `x` is wrong", Some("date_from")),
        r#"{"error":"Validation failed","errors":{"date_from":["`date_from`: `x` is wrong"]}}"#
    );
}

#[test]
fn what_the_vendor_sends_becomes_an_event() {
    let sent = r#"{"id":4711,"action":"update","entity_type":"event","entity_id":12,"entity_title":"Spring Fair","description":"Changed the title","old_values":{"title":"Fair"},"new_values":{"title":"Spring Fair"},"admin_id":3,"admin_name":"Eva","ip_address":"203.0.113.7","user_agent":"Mozilla/5.0","created_at":"2026-11-21T10:00:00+00:00"}"#;
    expect![[r#"{"id":"4711","occurred_at":"2026-11-21T10:00:00+00:00","action":"update","description":"Changed the title","actor":{"type":"user","id":"3","name":"Eva"},"context":{"ip":"203.0.113.7","user_agent":"Mozilla/5.0"},"targets":[{"type":"event","id":"12","name":"Spring Fair"}],"changes":{"before":{"title":"Fair"},"after":{"title":"Spring Fair"}}}"#]]
        .assert_eq(&collected(&ISO, sent).unwrap());
    let of_sample = r#"{"audit-log_id":1,"action":"a","created_at":1704067200,"updated_at":1704067200}"#;
    assert!(collected(&ISO, of_sample).unwrap().contains(r#""occurred_at":"2024-01-01T00:00:00.000000Z""#));
    for (entry, parameter) in [
        ("{}", "action"),
        (r#"{"action":"a","created_at":1e99}"#, "created_at"),
        (r#"{"action":"a","created_at":[]}"#, "created_at"),
        (r#"{"action":"a","created_at":99999999999999999}"#, "created_at"),
    ] {
        assert_eq!(collected(&ISO, entry).unwrap_err().parameter, parameter, "{entry}");
    }
}

proptest! {
    #[test]
    fn what_the_wire_can_carry_stays(event in events()) {
        keeps(&ISO, &event);
        let epoch = PlanDocket { common: Common::AS_IT_COMES, ..EPOCH };
        keeps(&epoch, &event);
    }

    #[test]
    fn an_entry_is_found_by_what_it_shows(event in events(), cut in 0_usize..6) {
        let shown: serde_json::Value = serde_json::from_str(&entry(&ISO, &event)).unwrap();
        let admin = shown["admin_id"].as_u64().map(|id| id.to_string());
        let admin = admin.or_else(|| shown["admin_ref"].as_str().map(str::to_owned));
        let of = |name: &str| shown[name].as_str().map(str::to_owned);
        let part = |text: Option<String>| text.map(|text| text.chars().skip(cut.min(2)).take(4).collect::<String>());
        for (filter, text) in [
            ("action", of("action")),
            ("entity_type", of("entity_type")),
            ("admin_id", admin),
            ("search", part(of("entity_title"))),
            ("search", part(of("description")).map(|text| text.to_uppercase())),
            ("date_from", of("created_at")),
            ("date_to", of("created_at")),
        ] {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.append_pair(filter, &text);
                prop_assert!(finds(&ISO, &query.finish(), &event), "{} {}", filter, text);
            }
        }
    }

    #[test]
    fn any_query_is_read_or_refused(values in proptest::collection::vec(".{0,12}", 10)) {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters::<PlanDocket>().iter().zip(&values));
        let _ignored = read(&ISO, &query.finish());
    }
}

#[test]
fn a_record_without_a_time_of_its_own_shows_that_of_receipt() {
    let mut out = Vec::new();
    with_record(BARE, |record| ISO.write_entry(record, &Params::default(), &mut out));
    assert!(String::from_utf8(out).unwrap().contains(r#""created_at":"2026-11-21T12:00:00+00:00""#));
}
