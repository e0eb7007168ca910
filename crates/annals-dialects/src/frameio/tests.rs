use expect_test::expect;
use proptest::prelude::*;

use super::names::{action, camel, snake, thing};
use super::*;
use crate::testing::{collected, entry, event_with, events, finds, keeps, read, with_record};
use crate::{Address, Api, Envelope, List, PageNumber, Refused, Shown};

const PLAIN: Frameio = Frameio {
    common: Common::AS_IT_COMES,
    without_ids: false,
    actions: Words::NONE,
    item_types: Words::NONE,
};
const V2: FrameioV2 = FrameioV2(PLAIN);
const V4: FrameioV4 = FrameioV4(PLAIN);
const EVENTS: FrameioEvents = FrameioEvents(PLAIN);

const FULL: &str = r#"{"id":"0f9c","occurred_at":"2026-11-21T10:00:59.123456Z","action":"asset.created",
    "actor":{"type":"user","id":"b72b","name":"Jo","email":"jo@example.com"},
    "targets":[{"type":"asset","id":"92je","name":"a.mov"},{"type":"review_link","id":"r-1"}],
    "changes":{"before":{"name":"b.mov"},"after":{"_type":"file","name":"a.mov"}},
    "context":{"ip":"203.0.113.1","application":"app-1","user_agent":"x"},"request":{"id":"Fx1"},
    "source":{"name":"web"},"scope":{"team":"5j4d","project":"p-1"},"description":"not on this wire"}"#;

const BARE: &str = r#"{"id":"e2","action":"SyncStarted","actor":{"type":"system"}}"#;

#[test]
fn names_are_written_in_both_ways_and_read_back() {
    for (event, wire_camel, wire_snake, done_to) in [
        ("asset.created", "AssetCreated", "asset_created", "asset"),
        ("review_link_item.created", "ReviewLinkItemCreated", "review_link_item_created", "review_link_item"),
        ("project.updated", "ProjectUpdated", "project_updated", "asset"),
        ("asset.status_changed", "AssetStatusChanged", "asset_status_changed", "asset"),
        ("asset_status.changed", "AssetStatusChanged", "asset_status_changed", ""),
        ("login", "Login", "login", "user"),
        ("asset", "Asset", "asset", "asset"),
    ] {
        assert_eq!((camel(event), snake(event)), (wire_camel.to_owned(), wire_snake.to_owned()));
        let (camels, snakes) = (camel(done_to), snake(done_to));
        assert_eq!(action(wire_camel, Some(&camels), camel), event);
        assert_eq!(action(wire_snake, Some(&snakes), snake), event);
        assert_eq!((thing(&camels, camel), thing(&snakes, snake)), (done_to.to_owned(), done_to.to_owned()));
    }
    for (event, wire_camel, wire_snake) in [
        ("S3.GetObject", "S3GetObject", "s3_get_object"),
        ("HTTPServer", "HTTPServer", "http_server"),
        ("user login/failed!", "UserLoginFailed", "user_login_failed"),
        ("vm2Created", "Vm2Created", "vm2_created"),
        ("削除.済み", "削除済み", "削除_済み"),
        ("straße", "Straße", "straße"),
        ("-.-", "-.-", "-.-"),
        ("", "", ""),
    ] {
        assert_eq!((camel(event), snake(event)), (wire_camel.to_owned(), wire_snake.to_owned()));
    }
    assert_eq!(action("HTTPServer", None, camel), "HTTPServer", "it would come back as HttpServer");
    assert_eq!(
        action("AnnalsHole", None, camel),
        "AnnalsHole",
        "no event of a client's begins with `annals.`"
    );
    assert_eq!(thing("HTTPServer", camel), "HTTPServer");
}

#[test]
fn an_entry_has_every_member_whatever_the_event_has() {
    expect![[r#"{"_type":"audit","account_id":"acme","action":"AssetCreated","actor":{"_type":"user","id":"b72b","name":"Jo","email":"jo@example.com"},"actor_id":"b72b","application_id":"app-1","id":"0f9c","inserted_at":"2026-11-21T10:00:59.123456Z","ip_address":"203.0.113.1","item_id":"92je","item_type":"Asset","request_id":"Fx1","resource":{"_type":"file","id":"92je","name":"a.mov"},"team_id":"5j4d","updated_at":"2026-11-21T10:00:59.123456Z"}"#]]
        .assert_eq(&entry(&V2, FULL));
    expect![[r#"{"_type":"audit","account_id":"acme","action":"SyncStarted","actor":{"_type":"system","id":null,"name":null,"email":null},"actor_id":null,"application_id":null,"id":"e2","inserted_at":"2026-11-21T12:00:00.500000Z","ip_address":null,"item_id":null,"item_type":null,"request_id":null,"resource":null,"team_id":null,"updated_at":"2026-11-21T12:00:00.500000Z"}"#]]
        .assert_eq(&entry(&V2, BARE));
    expect![[r#"{"account_id":"acme","event_type":"asset_created","id":"0f9c","inserted_at":"2026-11-21T10:00:59.123456Z","ip_address":"203.0.113.1","project_id":"p-1","resource_id":"92je","resource_type":"asset","user_id":"b72b","workspace_id":"5j4d"}"#]]
        .assert_eq(&entry(&V4, FULL));
    expect![[r#"{"account_id":"acme","event_type":"sync_started","id":"e2","inserted_at":"2026-11-21T12:00:00.500000Z","ip_address":"","project_id":null,"resource_id":"","resource_type":"","user_id":null,"workspace_id":null}"#]]
        .assert_eq(&entry(&V4, BARE));
    expect![[r#"{"id":8,"event_type":"asset_created","event_details":{"_type":"file","name":"a.mov"},"resource_id":"92je","resource_type":"asset","user_id":"b72b","anonymous_user_id":null,"client":"app-1","source":"web","ip_address":"203.0.113.1","project_id":"p-1","team_id":"5j4d","inserted_at":"2026-11-21T10:00:59.123456Z","updated_at":"2026-11-21T10:00:59.123456Z"}"#]]
        .assert_eq(&entry(&EVENTS, FULL));
    expect![[r#"{"id":8,"event_type":"sync_started","event_details":{},"resource_id":null,"resource_type":null,"user_id":null,"anonymous_user_id":null,"client":null,"source":null,"ip_address":null,"project_id":null,"team_id":null,"inserted_at":"2026-11-21T12:00:00.500000Z","updated_at":"2026-11-21T12:00:00.500000Z"}"#]]
        .assert_eq(&entry(&EVENTS, BARE));
}

#[test]
fn the_fourth_version_shows_the_user_where_it_is_asked_to() {
    let shown = |query: &str, event: &str| {
        let list = read(&V4, query).unwrap();
        let mut out = Vec::new();
        with_record(event, |record| V4.write_entry(record, &list.asked, &mut out));
        let text = String::from_utf8(out).unwrap();
        text.split_once(r#""user":"#).map(|(_, user)| user.split(r#","user_id""#).next().unwrap().to_owned())
    };
    let jo = Some(r#"{"id":"b72b","name":"Jo","email":"jo@example.com"}"#.to_owned());
    assert_eq!(shown("include=user", FULL), jo);
    assert_eq!(shown("include=project,user", FULL), jo);
    assert_eq!(shown("include=user", BARE), Some("null".to_owned()));
    let nameless = Some(r#"{"id":"u","name":null,"email":""}"#.to_owned());
    assert_eq!(shown("include=user", &event_with(r#""action":"a""#)), nameless);
    assert_eq!((shown("", FULL), shown("include=users", FULL)), (None, None));
}

#[test]
fn a_resource_is_the_state_after_the_change_or_else_the_target() {
    let resource = |members: &str| {
        let shown = entry(&V2, &event_with(&format!(r#""action":"a",{members}"#)));
        let (_, rest) = shown.split_once(r#""resource":"#).unwrap();
        rest.split_once(r#","team_id""#).unwrap().0.to_owned()
    };
    let target = r#""targets":[{"type":"review_link","id":"r","name":"R"}]"#;
    for (members, expected) in [
        (target.to_owned(), r#"{"_type":"review_link","id":"r","name":"R"}"#),
        (r#""targets":[{"id":"r"}]"#.to_owned(), r#"{"_type":null,"id":"r","name":null}"#),
        (
            format!(r#"{target},"changes":{{"after":{{"A":1.50}}}}"#),
            r#"{"_type":"review_link","id":"r","A":1.50}"#,
        ),
        (
            format!(r#"{target},"changes":{{"after":{{"id":7,"z":null}}}}"#),
            r#"{"_type":"review_link","id":7,"z":null}"#,
        ),
        (format!(r#"{target},"changes":{{"after":"on"}}"#), r#"{"_type":"review_link","id":"r","name":"R"}"#),
        (format!(r#"{target},"changes":{{"after":{{}}}}"#), r#"{"_type":"review_link","id":"r","name":"R"}"#),
        (r#""changes":{"after":{"b":1,"a":2}}"#.to_owned(), r#"{"a":2,"b":1}"#),
        (r#""changes":{"after":[1]}"#.to_owned(), "null"),
    ] {
        assert_eq!(resource(&members), expected, "{members}");
    }
}

#[test]
fn an_erased_persons_name_is_nowhere_and_what_stands_for_the_id_is_shown() {
    // Units that were erased are absent; of the actor an id stays that says so.
    let erased = r#"{"id":"e","action":"asset.created","actor":{"id":"erased-7f3a"},"targets":[{"type":"asset","id":"erased-90cc"}]}"#;
    let shown = entry(&V2, erased);
    assert!(
        shown.contains(r#""actor":{"_type":"user","id":"erased-7f3a","name":null,"email":null}"#),
        "{shown}"
    );
    assert!(shown.contains(r#""resource":{"_type":"asset","id":"erased-90cc","name":null}"#), "{shown}");
    assert!(entry(&V4, erased).contains(r#""user_id":"erased-7f3a""#));
    assert!(entry(&EVENTS, erased).contains(r#""user_id":"erased-7f3a","anonymous_user_id":null"#));
}

#[test]
fn every_filter_of_the_second_version_finds_what_is_shown_and_nothing_else() {
    let at = "filter[inserted_at]";
    for (query, full, bare) in [
        ("", true, true),
        ("filter[action]=AssetCreated", true, false),
        ("filter[action]=asset_created", true, false),
        ("filter[action]=ASSETCREATED", true, false),
        ("filter[action]=asset.created", true, false),
        ("filter[action]=AssetCreate", false, false),
        ("filter[action]=sync_started", false, true),
        ("filter[item_type]=Asset", true, false),
        ("filter[item_type]=asset", true, false),
        ("filter[item_type]=ReviewLink", true, false),
        ("filter[item_type]=reviewlink", true, false),
        ("filter[item_type]=Review_Link", true, false),
        ("filter[item_type]=Presentation", false, false),
        ("filter[item_type]=_", false, false),
        ("filter[item_id]=92je", true, false),
        ("filter[item_id]=92JE", false, false),
        ("filter[item_id]=r-1&filter[item_type]=ReviewLink", true, false),
        ("filter[item_id]=92je&filter[item_type]=ReviewLink", false, false),
        ("filter[actor_id]=b72b", true, false),
        ("filter[team_id]=5j4d", true, false),
        ("filter[ip_address]=203.0.113.1", true, false),
        ("filter[ip_address]=203.0.113", false, false),
        ("filter[action]=none&filter[action]=AssetCreated", true, false),
        ("filter[action]=AssetCreated&filter[action]=none", false, false),
        ("filter%5Baction%5D=AssetCreated&filter%5Bcolour%5D=red", true, false),
        ("filter[action]=", true, true),
        ("action=none", true, true),
        ("filter[inserted_at][op]=gt&filter[inserted_at][value]=2026-11-21T10:00:59.123455Z", true, true),
        ("filter[inserted_at][op]=gt&filter[inserted_at][value]=2026-11-21T10:00:59.123456Z", false, true),
        ("filter[inserted_at][op]=gte&filter[inserted_at][value]=2026-11-21T10:00:59.123456", true, true),
        (
            "filter[inserted_at][op]=lt&filter[inserted_at][value]=2026-11-21T12:00:59.123456%2B02:00",
            false,
            false,
        ),
        ("filter[inserted_at][op]=lte&filter[inserted_at][value]=2026-11-21T10:00:59.123456Z", true, false),
        ("filter[inserted_at][op]=eq&filter[inserted_at][value]=2026-11-21T10:00:59.123456Z", true, false),
        ("filter[inserted_at][op]=eq&filter[inserted_at][value]=2026-11-21", true, true),
        ("filter[inserted_at][op]=gt&filter[inserted_at][value]=2026-11-21", false, false),
        (
            "filter[inserted_at][gte]=2026-11-21T10:00:00Z&filter[inserted_at][lt]=2026-11-21T11:00:00Z",
            true,
            false,
        ),
        ("filter[inserted_at][gt]=2026-11-21T11:00:00Z&filter[inserted_at][lte]=2026-11-22", false, true),
        ("filter[inserted_at][eq]=2026-11-21T10:00:59.123456Z", true, false),
    ] {
        assert_eq!(finds(&V2, query, FULL), full, "{query}: the full event");
        assert_eq!(finds(&V2, query, BARE), bare, "{query}: the bare event");
    }
    for (query, parameter) in [
        (format!("{at}[op]=gt"), format!("{at}[value]")),
        (format!("{at}[value]=2026-11-21"), format!("{at}[op]")),
        (format!("{at}[op]=ge&{at}[value]=2026-11-21"), format!("{at}[op]")),
        (format!("{at}[op]=gt&{at}[value]=yesterday"), format!("{at}[value]")),
        (format!("{at}[lt]=1"), format!("{at}[lt]")),
        ("page=two".to_owned(), "page".to_owned()),
        ("page_size=many".to_owned(), "page_size".to_owned()),
    ] {
        assert_eq!(read(&V2, &query).unwrap_err().parameter, parameter, "{query}");
    }
}

#[test]
fn every_filter_of_the_fourth_version_and_of_events_finds_what_is_shown() {
    for (filter, full, bare) in [
        ("", true, true),
        ("event_type=asset_created", true, false),
        ("event_type=AssetCreated", true, false),
        ("event_type=none", false, false),
        ("ip_address=203.0.113.1", true, false),
        ("project_id=p-1", true, false),
        ("resource_id=92je", true, false),
        ("resource_type=review_link", true, false),
        ("resource_type=project", false, false),
        ("user_id=b72b", true, false),
    ] {
        let query = if filter.is_empty() {
            String::new()
        } else {
            format!("filters[{}", filter.replacen('=', "]=", 1))
        };
        for (event, expected) in [(FULL, full), (BARE, bare)] {
            assert_eq!(finds(&V4, &query, event), expected, "{query}");
            assert_eq!(finds(&EVENTS, &query, event), expected, "{query}");
        }
    }
    for (four, two) in [("from_date", "start_date"), ("to_date", "end_date"), ("workspace_id", "team_id")] {
        for (value, full) in [
            ("2026-11-21", true),
            ("2026-11-22", four == "to_date"),
            ("2026-11-20", four == "from_date"),
            ("5j4d", true),
        ] {
            if value.contains('-') == four.contains("date") {
                assert_eq!(finds(&V4, &format!("filters[{four}]={value}"), FULL), full, "{four} {value}");
                assert_eq!(finds(&EVENTS, &format!("filters[{two}]={value}"), FULL), full, "{two} {value}");
            }
        }
    }
    assert_eq!(read(&V4, "filters[from_date]=x").unwrap_err().parameter, "filters[from_date]");
    assert_eq!(read(&V4, "include_total_count=x").unwrap_err().parameter, "include_total_count");
    assert_eq!(read(&EVENTS, "filters[end_date]=x").unwrap_err().parameter, "filters[end_date]");
}

#[test]
fn sizes_of_pages_are_brought_within_their_bounds() {
    for (query, two, four) in [
        ("", None, None),
        ("page_size=", None, None),
        ("page_size=0", Some(1), Some(1)),
        ("page_size=20.0", Some(20), Some(20)),
        ("page_size=500", Some(500), Some(100)),
        ("page_size=99999999999999999999", Some(500), Some(100)),
    ] {
        assert_eq!(read(&V2, query).unwrap().limit, two, "{query}");
        assert_eq!(read(&EVENTS, query).unwrap().limit, two, "{query}");
        assert_eq!(read(&V4, query).unwrap().limit, four, "{query}");
    }
    assert_eq!((V2.page_size().default, V4.page_size().default), (50, 50));
    let with = |text: &'static str| {
        let given = move |key: &str| (key == "dialects.frameio.page_size").then(|| vec![text.to_owned()]);
        Frameio::configured(&Given::new(&given))
    };
    let set = with("20").unwrap();
    let sizes = [
        FrameioV2(set.clone()).page_size(),
        FrameioEvents(set.clone()).page_size(),
        FrameioV4(set).page_size(),
    ];
    assert_eq!(sizes.map(|size| (size.default, size.max)), [(20, 500), (20, 500), (50, 100)]);
    for wrong in ["0", "1001", "many"] {
        assert_eq!(with(wrong).unwrap_err().problem, "must be a number, 1 to 1000");
    }
    assert_eq!(read(&V2, "page=3&as_of=9").unwrap().number, Some(PageNumber { page: 3, as_of: Some(9) }));
    let four = read(&V4, "after=c&include=user&include_total_count=true").unwrap();
    assert_eq!((four.cursor.as_deref(), four.count, four.number), (Some("c"), true, None));
    assert!(!read(&V4, "").unwrap().count && read(&V2, "").unwrap().count);
}

/// The envelope of a page.
fn envelope(api: &impl Api, list: &List, page: u64, total: Option<u64>, next: Option<&str>) -> Envelope {
    let address = Address {
        base: "https://h/acme/fio".to_owned(),
        path: "/v4/accounts/acme/audit_logs".to_owned(),
        query: "page_size=15&page=9".to_owned(),
    };
    api.envelope(&Shown {
        list,
        entries: 15,
        page_size: 15,
        page,
        first_page: 1,
        more: total.is_some_and(|total| page * 15 < total),
        total,
        as_of: 70,
        next,
        previous: None,
        address: &address,
        request_id: "r",
    })
}

#[test]
fn what_the_second_version_says_of_a_page_is_in_headers_that_are_always_there() {
    let list = read(&V2, "").unwrap();
    let told = |page, total| {
        let envelope = envelope(&V2, &list, page, Some(total), None);
        assert_eq!((envelope.opening.as_ref(), envelope.closing.as_slice()), ("[", b"]".as_slice()));
        let lines = envelope.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
        lines.collect::<String>()
    };
    expect![[r#"
        page-number: 2
        per-page: 15
        total: 45
        total-pages: 3
        link: <https://h/acme/fio/v4/accounts/acme/audit_logs?page_size=15&page=1&as_of=70>; rel="first", <https://h/acme/fio/v4/accounts/acme/audit_logs?page_size=15&page=1&as_of=70>; rel="prev", <https://h/acme/fio/v4/accounts/acme/audit_logs?page_size=15&page=3&as_of=70>; rel="next", <https://h/acme/fio/v4/accounts/acme/audit_logs?page_size=15&page=3&as_of=70>; rel="last"
    "#]]
    .assert_eq(&told(2, 45));
    expect![[r#"
        page-number: 1
        per-page: 15
        total: 0
        total-pages: 1
        link: <https://h/acme/fio/v4/accounts/acme/audit_logs?page_size=15&page=1&as_of=70>; rel="first", <https://h/acme/fio/v4/accounts/acme/audit_logs?page_size=15&page=1&as_of=70>; rel="last"
    "#]]
    .assert_eq(&told(1, 0));
    assert!(told(9, 16).contains("page=2&as_of=70>; rel=\"prev\""), "the page before is one that there is");
}

#[test]
fn the_next_page_of_the_fourth_version_is_a_path_without_prefix_that_carries_the_cursor_alone() {
    let closing = |query: &str, total, next| {
        let list = read(&V4, query).unwrap();
        String::from_utf8(envelope(&V4, &list, 1, total, next).closing).unwrap()
    };
    let next = r#"],"links":{"next":"/v4/accounts/acme/audit_logs?after=c"},"total_count":"#;
    assert_eq!(closing("include=user", None, Some("c")), format!("{next}null}}"));
    assert_eq!(closing("include_total_count=true", Some(7), Some("c")), format!("{next}7}}"));
    assert_eq!(closing("", None, None), r#"],"links":{"next":null},"total_count":null}"#);
}

#[test]
fn errors_have_the_form_of_their_version() {
    let body = |path, status, parameter| {
        let refused = Refused { status, message: "it \"was\" so", parameter, request_id: "r" };
        String::from_utf8(VENDOR.error(path, &refused)).unwrap()
    };
    expect![[r#"{"code":403,"message":"Forbidden","errors":[{"code":403,"status":403,"title":"Forbidden","detail":"it \"was\" so"}]}"#]]
        .assert_eq(&body("/v2/accounts/x/audit_logs", 403, None));
    expect![[r#"{"errors":[{"title":"Unprocessable Entity","detail":"it \"was\" so","source":{"pointer":"/filters/from_date"}}]}"#]]
        .assert_eq(&body("/v4/accounts/x/audit_logs", 422, Some("filters[from_date]")));
    expect![[r#"{"errors":[{"title":"Not Found","detail":"it \"was\" so"}]}"#]].assert_eq(&body(
        "/v4/accounts",
        404,
        None,
    ));
}

#[test]
fn what_the_vendor_sends_becomes_an_event() {
    let two = r#"{"_type":"audit","account_id":"6bdc","action":"AssetVersioned","actor":{"_type":"user","id":"b72b"},"actor_id":"b72b","id":"0f9c","inserted_at":"2026-11-21T10:00:59.123456Z","item_id":"92je","item_type":"Asset","resource":{"_type":"version_stack","id":"92je","name":"s","fps":23.976},"team_id":"5j4d","updated_at":"2026-11-21T10:00:59.123456Z"}"#;
    expect![[r#"{"id":"0f9c","occurred_at":"2026-11-21T10:00:59.123456Z","action":"asset.versioned","actor":{"type":"user","id":"b72b"},"scope":{"team":"5j4d"},"targets":[{"type":"asset","id":"92je","name":"s"}],"changes":{"after":{"_type":"version_stack","fps":23.976,"id":"92je","name":"s"}}}"#]]
        .assert_eq(&collected(&V2, two).unwrap());
    let plain =
        two.replace(r#""_type":"version_stack""#, r#""_type":"asset""#).replace(r#","fps":23.976"#, "");
    let event = collected(&V2, &plain).unwrap();
    assert!(
        !event.contains("changes") && event.ends_with(r#""name":"s"}]}"#),
        "no state, but the target: {event}"
    );
    let four = r#"{"account_id":"6bdc","event_type":"comment_created","inserted_at":"2026-11-21T10:00:59.123456Z","ip_address":"203.0.113.1","resource_id":"c1","resource_type":"comment","user_id":"b72b"}"#;
    expect![[r#"{"occurred_at":"2026-11-21T10:00:59.123456Z","action":"comment.created","actor":{"type":"user","id":"b72b"},"context":{"ip":"203.0.113.1"},"targets":[{"type":"comment","id":"c1"}]}"#]]
        .assert_eq(&collected(&V4, four).unwrap());
    let anonymous = r#"{"id":17,"event_type":"share_viewed","event_details":{"page":2},"resource_id":"s1","resource_type":"share","user_id":null,"anonymous_user_id":"x9","inserted_at":"2026-11-21T10:00:59Z"}"#;
    let event = collected(&EVENTS, anonymous).unwrap();
    assert!(
        event.starts_with(r#"{"id":"17","#)
            && event.contains(r#""actor":{"type":"anonymous_user","id":"x9"}"#),
        "{event}"
    );
    assert!(event.contains(r#""changes":{"after":{"page":2}}"#), "{event}");
    keeps(&EVENTS, &event.replace("2026-11-21T10:00:59Z", "2026-11-21T10:00:59.000000Z"));
    for (refused, parameter) in [
        (collected(&V2, "{}"), "action"),
        (collected(&V4, r#"{"event_type":""}"#), "event_type"),
        (collected(&EVENTS, r#"{"event_type":5}"#), "event_type"),
    ] {
        assert_eq!(refused.unwrap_err().parameter, parameter);
    }
}

#[test]
fn who_asks_is_a_user_of_the_account() {
    let me = write_me("k1", "acme", Some("poller"));
    let expected = r#"{"_type":"user","id":"k1","account_id":"acme","name":"poller","email":null}"#;
    assert_eq!(String::from_utf8(me).unwrap(), expected);
}

proptest! {
    #[test]
    fn what_the_wires_can_carry_stays(event in events()) {
        keeps(&V2, &event);
        keeps(&V4, &event);
        keeps(&EVENTS, &event);
    }

    #[test]
    fn an_entry_is_found_by_what_it_shows(event in events()) {
        let shown: serde_json::Value = serde_json::from_str(&entry(&V2, &event)).unwrap();
        for (filter, member) in [("action", "action"), ("item_type", "item_type"), ("item_id", "item_id"), ("actor_id", "actor_id")] {
            if let Some(text) = shown[member].as_str().filter(|text| !text.is_empty()) {
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.append_pair(&format!("filter[{filter}]"), text);
                prop_assert!(finds(&V2, &query.finish(), &event), "{} {}", member, text);
            }
        }
    }

    #[test]
    fn any_query_is_read_or_refused(values in proptest::collection::vec(".{0,12}", 14)) {
        let said = ["filter[action]", "filter[item_type]", "filter[inserted_at][op]", "filter[inserted_at][value]", "filter[inserted_at][lt]",
            "page", "page_size", "as_of", "after", "include", "include_total_count", "filters[from_date]", "filters[resource_type]", "filters[end_date]"];
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(said.iter().zip(&values));
        let query = query.finish();
        let _ignored = (read(&V2, &query), read(&V4, &query), read(&EVENTS, &query));
    }
}
