use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::testing::{collected, entry, events, finds, keeps, parameters, read};

const FULL: &str = r#"{"id":"0d5c","occurred_at":"2026-09-26T17:00:00.1239Z","action":"video.upload","operation":"create",
    "category":"video","description":"Uploaded a video to the \"Training\" folder",
    "actor":{"type":"user","id":"u-17","name":"João Silva","email":"joao@example.com"},"source":{"name":"dashboard"},
    "context":{"ip":"203.0.113.9","user_agent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/17.4 Safari/605.1.15"},
    "targets":[{"type":"folder","id":"f-1"},{"type":"video","id":"dfb633cf","name":"Keynote"},{"type":"video","id":"second"}]}"#;

const LOGIN: &str = r#"{"id":"l1","occurred_at":"2026-09-27T00:00:00Z","action":"user.login","category":"user_account","actor":{"type":"root","id":"r"}}"#;

const MFA: &str = r#"{"id":"m1","occurred_at":"2026-09-27T23:59:59.999999Z","action":"user.mfa","operation":"authentication","category":"users","actor":{"type":"api_key"}}"#;

fn configured(name: &'static str, values: &'static [&'static str]) -> Result<Panda, Wrong> {
    let given = move |key: &str| {
        (key == format!("dialects.panda.{name}"))
            .then(|| values.iter().map(|value| (*value).to_owned()).collect())
    };
    Panda::configured(&Given::new(&given))
}

#[test]
fn an_entry_has_every_member_whatever_the_event_has() {
    let shown = |event: &str, expected: Expect| expected.assert_eq(&entry(&Panda::default(), event));
    shown(
        FULL,
        expect![[
            r#"{"id":"0d5c","action":"add","category":"video","description":"Uploaded a video to the \"Training\" folder","user":{"id":"u-17","name":"João Silva","email":"joao@example.com","type":"user"},"source":"dashboard","device":"Safari - macOS","user_agent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/17.4 Safari/605.1.15","ip":"203.0.113.9","video_id":"dfb633cf","folder_id":"f-1","created_at":"2026-09-26T17:00:00.123Z"}"#
        ]],
    );
    shown(
        MFA,
        expect![[
            r#"{"id":"m1","action":"authentication","category":"users","description":null,"user":{"id":null,"name":null,"email":null,"type":"api_key"},"source":null,"device":null,"user_agent":null,"ip":null,"video_id":null,"folder_id":null,"created_at":"2026-09-27T23:59:59.999Z"}"#
        ]],
    );
}

#[test]
fn every_filter_finds_what_is_shown_and_nothing_else() {
    for (query, full, login, mfa) in [
        ("", true, true, true),
        ("action=add", true, false, false),
        ("action=access", false, true, false),
        ("action=authentication", false, false, true),
        ("action=access~authentication~add", true, true, true),
        ("action=access%7Eauthentication", false, true, true),
        ("action=create", false, false, false),
        ("action=fly", false, false, false),
        ("action=fly~add", true, false, false),
        ("action=~", false, false, false),
        ("action=~add~", true, false, false),
        ("category=player_config~organization_account~user_account", false, true, false),
        ("category=VIDEO", false, false, false),
        ("category=video&action=remove", false, false, false),
        ("category=video&action=add", true, false, false),
        ("user_id=u-17", true, false, false),
        ("video_id=dfb633cf", true, false, false),
        ("video_id=second", true, false, false),
        ("video_id=f-1", false, false, false),
        ("folder_id=f-1", true, false, false),
        ("search=TRAINING", true, false, false),
        ("search=joao", true, false, false),
        ("search=keynote", true, false, false),
        ("search=203.0", false, false, false),
        ("start_date=2026-09-27", false, true, true),
        ("end_date=2026-09-26", true, false, false),
        ("end_date=2026-09-27", true, true, true),
        ("startDate=2026-09-27&endDate=2026-09-27", false, true, true),
        ("start_date=2026-09-26T17:00:00.1239Z&end_date=2026-09-27T00:00:00", true, true, false),
        ("start_date=&end_date=&action=&limit=", true, true, true),
        ("start_date=2026-09-28&end_date=2026-09-01", false, false, false),
        ("action=remove&action=add&colour=red", true, false, false),
    ] {
        for (event, found) in [(FULL, full), (LOGIN, login), (MFA, mfa)] {
            assert_eq!(finds(&Panda::default(), query, event), found, "{query}: {event}");
        }
    }
}

#[test]
fn filters_may_stand_in_a_body() {
    let panda = Panda::default();
    let body = br#"{"action": "access~authentication~add", "limit": 5, "page": 2, "endDate": "2026-09-26"}"#;
    let parameter = |said: &str| panda.parameter(said);
    let params = Params::read_as("limit=7", parameter).unwrap().with_body(body, parameter).unwrap();
    let list = panda.read(params).unwrap();
    assert_eq!((list.limit, list.number.unwrap().page), (Some(7), 2), "the query stands");
    assert!(crate::testing::with_record(FULL, |record| list.condition.holds(record)));
    assert!(!crate::testing::with_record(LOGIN, |record| list.condition.holds(record)));
}

#[test]
fn pages_have_numbers_and_sizes_within_bounds() {
    for (query, page, limit) in [
        ("", 1, None),
        ("page=2&limit=50", 2, Some(50)),
        ("limit=5000", 1, Some(1000)),
        ("limit=0", 1, Some(1)),
    ] {
        let list = read(&Panda::default(), query).unwrap();
        assert_eq!((list.number.unwrap().page, list.limit, list.count), (page, limit, true), "{query}");
    }
    for (query, parameter) in [
        ("page=x", "page"),
        ("limit=many", "limit"),
        ("start_date=26.09.2026", START),
        ("endDate=2026-02-30", END),
    ] {
        assert_eq!(read(&Panda::default(), query).unwrap_err().parameter, parameter, "{query}");
    }
}

#[test]
fn settings_change_names_words_and_paths() {
    let named = configured("date_names", &["since", "until"]).unwrap();
    assert!(finds(&named, "since=2026-09-27", LOGIN) && !finds(&named, "since=2026-09-27", FULL));
    assert!(!finds(&named, "until=2026-09-26", LOGIN) && finds(&named, "end_date=2026-09-27", LOGIN));
    let verbs = configured("operations", &["user.login=authentication", "create=new"]).unwrap();
    assert!(finds(&verbs, "action=authentication", LOGIN) && finds(&verbs, "action=new", FULL));
    assert!(!finds(&verbs, "action=add", FULL) && entry(&verbs, FULL).contains(r#""action":"new""#));
    let categories = configured("categories", &["video=videos"]).unwrap();
    assert!(finds(&categories, "category=videos", FULL) && !finds(&categories, "category=video", FULL));
    assert_eq!(configured("paths", &["/v/audits"]).unwrap().paths, ["/v/audits"]);
    for (name, values) in [
        ("date_names", &["since"] as &[_]),
        ("paths", &["audits"]),
        ("paths", &["/v1/events"]),
        ("operations", &["edit"]),
        ("time", &["now"]),
    ] {
        let told = configured(name, values).unwrap_err();
        assert_eq!(told.key, format!("dialects.panda.{name}"), "{told}");
    }
}

#[test]
fn errors_have_the_members_that_clients_read() {
    let body = |status| {
        let refused = Refused { status, message: "what was wrong", parameter: None, request_id: "r" };
        String::from_utf8(write_error(&refused)).unwrap()
    };
    assert_eq!(body(400), r#"{"message":"what was wrong","errMsg":"what was wrong"}"#);
    assert_eq!(body(401), r#"{"message":"Unauthorized","errMsg":"Unauthorized"}"#);
}

#[test]
fn what_the_vendor_sends_becomes_an_event() {
    let api = Panda::default();
    expect![[r#"{"id":"0d5c","occurred_at":"2026-09-26T17:00:00.123000Z","action":"video.add","operation":"create","category":"video","description":"Uploaded a video to the \"Training\" folder","actor":{"type":"user","id":"u-17","name":"João Silva","email":"joao@example.com"},"context":{"ip":"203.0.113.9","user_agent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/17.4 Safari/605.1.15"},"source":{"name":"dashboard"},"targets":[{"type":"video","id":"dfb633cf"},{"type":"folder","id":"f-1"}]}"#]]
        .assert_eq(&collected(&api, &entry(&api, FULL)).unwrap());
    let bare = r#"{"id":"a","action":"edit","created_at":"2026-09-26T17:00:00.000Z"}"#;
    expect![[r#"{"id":"a","occurred_at":"2026-09-26T17:00:00.000000Z","action":"edit","operation":"update","actor":{"type":"unknown"}}"#]]
        .assert_eq(&collected(&api, bare).unwrap());
    for (wrong, member) in [
        ("{}", "action"),
        (r#"{"action":"edit"}"#, "created_at"),
        (r#"{"action":"edit","created_at":"2026-09-26T00:00:00Z"}"#, "id"),
        (r#"{"created_at":"2026-09-26","id":"a","action":"edit"}"#, "created_at"),
    ] {
        assert_eq!(collected(&api, wrong).unwrap_err().parameter, member, "{wrong}");
    }
}

proptest! {
    #[test]
    fn what_the_wire_can_carry_stays(event in events()) {
        keeps(&Panda::default(), &event);
    }

    #[test]
    fn any_query_is_read_or_refused(names in prop::collection::vec(prop::sample::select(parameters::<Panda>()), 0..6), values in prop::collection::vec(".{0,12}", 6)) {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(names.iter().zip(&values));
        drop(read(&Panda::default(), &query.finish()));
    }
}
