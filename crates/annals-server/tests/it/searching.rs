//! `GET /v1/events`, and feeds with conditions.

use std::sync::Arc;
use std::time::Duration;

use annals_ledger::{Cursor, FeedScope, Place, Start};
use expect_test::expect;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::site::{Answer, PATIENCE, Site, event, events, log};

/// An event that occurred at a minute after ten.
fn at(id: &str, minute: u32) -> String {
    format!(
        r#"{{"id":"{id}","action":"video.update","actor":{{"type":"user","id":"u{}"}},"occurred_at":"2026-11-21T10:{minute:02}:00Z"}}"#,
        minute % 2
    )
}

/// So many events, a minute apart each, as one body.
fn minutes(range: std::ops::Range<u32>) -> String {
    let items: Vec<String> = range.map(|minute| at(&format!("m{minute}"), minute)).collect();
    format!("[{}]", items.join(","))
}

fn ids(page: &Value) -> Vec<String> {
    let events = page["events"].as_array().unwrap_or_else(|| panic!("no events: {page}"));
    events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

/// Percent-encodes what a filter may hold.
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

async fn find(site: &Site, key: &str, query: &str) -> Value {
    let answer = site.ask(&format!("GET /v1/events?{query}"), key, b"").await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_reads_as_it_does_by_its_id() {
    let site = Site::new().await;
    site.post("acme", &minutes(0..3)).await;
    site.check(
        "GET /v1/events?actor_id=u0&limit=1",
        "acme",
        "",
        expect![[r#"
            200
            {
              "events": [
                {
                  "action": "video.update",
                  "actor": {
                    "id": "u0",
                    "type": "user"
                  },
                  "derived": {
                    "operation": "update"
                  },
                  "id": "m2",
                  "occurred_at": "2026-11-21T10:02:00.000000Z",
                  "position": 2,
                  "received_at": "2026-11-21T10:00:00.000000Z"
                }
              ],
              "next": "(cursor)",
              "size": 3
            }
        "#]],
    )
    .await;
    let found = find(&site, "acme", "").await;
    assert_eq!(ids(&found), ["m2", "m1", "m0"]);
    assert_eq!(found["next"], Value::Null);
    for event in found["events"].as_array().unwrap() {
        let id = event["id"].as_str().unwrap();
        assert_eq!(&site.ask(&format!("GET /v1/events/{id}"), "acme", b"").await.json(), event);
    }
    assert_eq!(ids(&find(&site, "acme", "order=asc&since=2026-11-21T10:01:00Z").await), ["m1", "m2"]);
    assert_eq!(ids(&find(&site, "acme", "id=m1&id=m0&id=none").await), ["m1", "m0"]);
    let filter = encoded(r#"actor.id eq "u0" and not (id eq "m2")"#);
    assert_eq!(ids(&find(&site, "acme", &format!("filter={filter}")).await), ["m0"]);
    assert_eq!(ids(&find(&site, "acme", "q=UPDATE").await).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_every_event_once_while_late_ones_arrive_and_the_server_restarts() {
    for order in ["desc", "asc"] {
        let mut site = Site::new().await;
        site.post("acme", &minutes(0..25)).await;
        let mut expected: Vec<String> = (0..25).map(|minute| format!("m{minute}")).collect();
        if order == "desc" {
            expected.reverse();
        }
        let mut seen = Vec::new();
        let mut query = format!("order={order}&limit=4&total=true");
        for turn in 0.. {
            let page = find(&site, "acme", &query).await;
            assert_eq!((&page["size"], &page["total"]), (&25.into(), &25.into()), "{order} {turn}");
            seen.extend(ids(&page));
            let Some(next) = page["next"].as_str() else { break };
            query = format!("cursor={next}");
            // Before what was seen, among it and after it.
            let late: Vec<String> =
                [0, 12, 24, 40].iter().map(|m| at(&format!("late{turn}-{m}"), *m)).collect();
            site.post("acme", &format!("[{}]", late.join(","))).await;
            if turn == 2 {
                site = site.restart().await;
            }
        }
        assert_eq!(seen, expected, "{order}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_page_by_how_many_come_before_it_is_that_of_a_walk_while_events_arrive() {
    // Some are sealed, some are not.
    let site = Site::sealing_each(40).await;
    let body: Vec<String> = (0..100).map(|id| at(&format!("m{id}"), id * 7 % 60)).collect();
    for some in body.chunks(30) {
        site.post("acme", &format!("[{}]", some.join(","))).await;
    }
    for question in ["order=desc", "order=asc", "actor_id=u1", "filter=id%20ne%20%22m7%22&order=asc"] {
        let first = find(&site, "acme", &format!("{question}&limit=13&total=true")).await;
        let size = first["size"].as_u64().unwrap();
        let mut walked = ids(&first);
        let mut next = first["next"].as_str().map(str::to_owned);
        while let Some(cursor) = next {
            let page = find(&site, "acme", &format!("cursor={cursor}")).await;
            walked.extend(ids(&page));
            next = page["next"].as_str().map(str::to_owned);
        }
        assert_eq!(first["total"], walked.len());
        for (turn, skip) in [0, 50, 3, walked.len() - 1, 17, walked.len(), 1_000_000].into_iter().enumerate()
        {
            // Before what is looked at, among it and after it.
            let late: Vec<String> =
                [0, 12, 59].iter().map(|m| at(&format!("late-{question}-{turn}-{m}"), *m)).collect();
            site.post("acme", &format!("[{}]", late.join(","))).await;
            let asked = format!("{question}&limit=9&skip={skip}&size={size}&total=true");
            let page = find(&site, "acme", &asked).await;
            let block: Vec<String> = walked.iter().skip(skip).take(9).cloned().collect();
            assert_eq!((ids(&page), &page["size"]), (block, &size.into()), "{asked}");
            assert_eq!(page["total"], walked.len(), "{asked}");
            // From there it goes on as any page does.
            if let Some(cursor) = page["next"].as_str() {
                let following = find(&site, "acme", &format!("cursor={cursor}")).await;
                let block: Vec<String> = walked.iter().skip(skip + 9).take(9).cloned().collect();
                assert_eq!(ids(&following), block, "{asked}");
            } else {
                assert!(skip + 9 >= walked.len(), "{asked}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_beyond_what_there_is_or_beside_a_cursor_is_refused() {
    let site = Site::new().await;
    site.post("acme", &minutes(0..5)).await;
    let next = find(&site, "acme", "limit=2").await["next"].as_str().unwrap().to_owned();
    for (query, code, parameter) in [
        ("size=6".to_owned(), "out_of_range", "size"),
        ("skip=-1".to_owned(), "parameter_value", "skip"),
        ("size=all".to_owned(), "parameter_value", "size"),
        (format!("cursor={next}&skip=2"), "parameter_value", "skip"),
        (format!("cursor={next}&size=5"), "parameter_value", "size"),
    ] {
        let refused = site.ask(&format!("GET /v1/events?{query}"), "acme", b"").await;
        let told = refused.json();
        assert_eq!(
            (refused.status.as_u16(), &told["code"], &told["parameter"]),
            (400, &code.into(), &parameter.into()),
            "{query}"
        );
    }
    assert_eq!(ids(&find(&site, "acme", "size=2").await), ["m1", "m0"]);
    assert_eq!(ids(&find(&site, "acme", "size=0").await).len(), 0);
    // The newest pages there are, without a size.
    assert_eq!(ids(&find(&site, "acme", "skip=3").await), ["m1", "m0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_lead_to_the_next_and_to_the_first_page() {
    let site = Site::new().await;
    site.post("acme", &minutes(0..5)).await;
    let first = "actor_id=u0&actor_id=u1&order=asc&limit=2";
    let mut answer = site.ask("GET /v1/events?limit=2&actor_id=u1&order=asc&actor_id=u0", "acme", b"").await;
    let mut seen = Vec::new();
    loop {
        seen.extend(ids(&answer.json()));
        let link = answer.header("link").to_owned();
        assert!(
            link.contains(&format!("<http://annals.example.com/v1/events?{first}>; rel=\"first\"")),
            "{link}"
        );
        let Some((next, _)) = link.split_once(">; rel=\"next\"") else { break };
        let path = next.strip_prefix("<http://annals.example.com").unwrap();
        answer = site.ask(&format!("GET {path}"), "acme", b"").await;
    }
    assert_eq!(seen, ["m0", "m1", "m2", "m3", "m4"]);
    // Proxies refuse long headers.
    let long = encoded(&format!("id eq {:?} or position ge 0", "x".repeat(5000)));
    let answer = site.ask(&format!("GET /v1/events?limit=2&filter={long}"), "acme", b"").await;
    assert!(answer.json()["next"].is_string());
    assert_eq!(answer.header("link"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_carry_cursor_size_and_total_in_headers() {
    let site = Site::new().await;
    site.post("acme", &minutes(0..3)).await;
    let ask = |query: String| format!("GET /v1/events?{query}\naccept: application/x-ndjson");
    let answer = site.ask(&ask("limit=2&total=true".to_owned()), "acme", b"").await;
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    assert_eq!((answer.header("annals-size"), answer.header("annals-total")), ("3", "3"));
    assert_eq!(answer.text().lines().count(), 2);
    let last = site.ask(&ask(format!("cursor={}", answer.header("annals-next"))), "acme", b"").await;
    assert!(last.headers.get("annals-next").is_none(), "the end has no cursor");
    assert_eq!(last.header("annals-total"), "3");
    let lines: Vec<Value> = last.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["id"]), (1, &"m0".into()));
    let head = site.ask("HEAD /v1/events", "acme", b"").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_large_events_arrives_whole_in_pieces() {
    let site = Site::new().await;
    let long = "x".repeat(100_000);
    for index in 0..20 {
        let body = format!(
            r#"{{"id":"e{index}","action":"a","actor":{{"id":"u"}},"metadata":{{"text":"{long}"}}}}"#
        );
        site.post("acme", &body).await;
    }
    let answer = site.ask("GET /v1/events?limit=1000&action=a", "acme", b"").await;
    assert_eq!(ids(&answer.json()).len(), 20);
    assert!(answer.headers.get("content-length").is_none(), "a large page is not held in memory at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_key_finds_events_of_all_tenants() {
    let site = Site::new().await;
    let body = r#"[{"id":"1","tenant":"acme","action":"a","actor":{"id":"u"},"occurred_at":"2026-11-20T00:00:00Z"},
        {"id":"2","tenant":"globex","action":"a","actor":{"id":"u"},"occurred_at":"2026-11-21T00:00:00Z"},
        {"id":"3","tenant":"acme","action":"a","actor":{"id":"u"},"occurred_at":"2026-11-22T00:00:00Z"}]"#;
    site.post("operator", body).await;
    let mut query = "action=a&limit=1&total=true".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = find(&site, "operator", &query).await;
        assert_eq!(page["total"], 3);
        for event in page["events"].as_array().unwrap() {
            assert!(event["ledger_seq"].is_u64());
            seen.push(format!("{} {}", event["tenant"].as_str().unwrap(), event["id"].as_str().unwrap()));
        }
        let Some(next) = page["next"].as_str() else { break };
        query = format!("cursor={next}");
    }
    assert_eq!(seen, ["acme 3", "globex 2", "acme 1"]);
    let globex = find(&site, "operator", "tenant=globex").await;
    assert_eq!((ids(&globex), &globex["events"][0]["tenant"]), (vec!["2".to_owned()], &"globex".into()));
    let filter = encoded(r#"tenant eq "globex" and action eq "a""#);
    assert_eq!(ids(&find(&site, "operator", &format!("filter={filter}")).await), ["2"]);
    assert_eq!(site.ask("GET /v1/events?tenant=nobody", "operator", b"").await.code(), "tenant_unknown");
    assert_eq!(site.ask("GET /v1/events?log=access", "operator", b"").await.code(), "tenant_required");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_without_events_has_an_empty_page() {
    let mut site = Site::new().await;
    site.make_key("new", r#"{"tenant": "new", "scopes": ["read", "write"]}"#).await;
    let page = find(&site, "new", "total=true").await;
    assert_eq!(page, json!({"events": [], "next": null, "size": 0, "total": 0}));
}

async fn check(site: &Site, query: &str, code: &str, parameter: &str) -> String {
    let answer = site.ask(&format!("GET /v1/events?{query}"), "acme", b"").await;
    let told = answer.json();
    assert_eq!(answer.status, 400, "{query}: {told}");
    assert_eq!((&told["code"], &told["parameter"]), (&code.into(), &parameter.into()), "{query}: {told}");
    told["detail"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_wrongly_is_told_what_is_wrong() {
    let site = Site::new().await;
    site.post("acme", &event("e1")).await;
    for limit in ["0", "-1", "1000000000", "1e3", "", "1.0", "+1", "0x10", "%201", "99999999999999999999"] {
        check(&site, &format!("limit={limit}"), "parameter_value", "limit").await;
    }
    for (query, parameter) in [
        ("order=up", "order"),
        ("order=", "order"),
        ("total=yes", "total"),
        ("partial=1", "partial"),
        ("log=all", "log"),
        ("tenant=A%20B", "tenant"),
        ("limit=1&limit=1", "limit"),
        ("operation=updat", "operation"),
        ("request_status_code=4xx", "request_status_code"),
        ("request_status_code=-1", "request_status_code"),
        ("changes_complete=yes", "changes_complete"),
        ("context_ip=10.0.0.0/33", "context_ip"),
        ("action=", "action"),
        ("q=", "q"),
        ("q=a&q=b", "q"),
        ("q=a&q=a", "q"),
        ("action=a&q=a&actor_id=u1&q=a", "q"),
        ("filter=action%20pr&filter=action%20pr", "filter"),
        ("since=2026-11-21T10:00:00Z&since=2026-11-21T10:00:00Z", "since"),
        ("received_until=2026-11-21T10:00:00Z&received_until=2026-11-21T10:00:00Z", "received_until"),
    ] {
        check(&site, query, "parameter_value", parameter).await;
    }
    for time in [
        "2026-11-21",
        "2026-11-21T10:00:00",
        "2026-11-21%2010:00:00Z",
        "10:00:00Z",
        "yesterday",
        "1795255200",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-21T25:00:00Z",
        "2026-11-21T10:00:00+25:00",
        "",
        "2026-11-21T10:00:00Z%00",
        "%FF",
        "-1",
    ] {
        for name in ["since", "until", "received_since", "received_until"] {
            check(&site, &format!("{name}={time}"), "parameter_value", name).await;
        }
    }
    let detail = check(&site, "actor.id=u1", "parameter_unknown", "actor.id").await;
    assert!(detail.contains("did you mean `actor_id`?"), "{detail}");
    let detail = check(&site, "curser=x", "parameter_unknown", "curser").await;
    assert!(detail.contains("did you mean `cursor`?"), "{detail}");
    check(&site, "colour=red", "parameter_unknown", "colour").await;
    let repeated = vec!["action=a"; 1001].join("&");
    check(&site, &repeated, "parameter_value", "action").await;
    // Too long for a cursor to carry: told at once, not on the second page.
    let many: Vec<String> = (0..300).map(|n| format!("id={n:0100}")).collect();
    check(&site, &many.join("&"), "parameter_value", "id").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_does_not_parse_is_told_where() {
    let site = Site::new().await;
    site.post("acme", &event("e1")).await;
    for (filter, place) in [
        (r#"actor.id eq "u1" or or"#, "byte 20"),
        (r#"actr.id eq "u1""#, "`actor.id`"),
        (r#"actor.id equals "u1""#, "byte 9"),
        (r#"actor.id eq "u1"#, "byte 12"),
        ("actor.id eq 5", "byte 12"),
        ("(actor.id pr", "byte 12"),
        ("occurred_at gt \"yesterday\"", "byte 15"),
        ("", "empty"),
    ] {
        let query = format!("filter={}", encoded(filter));
        let answer = site.ask(&format!("GET /v1/events?{query}"), "acme", b"").await;
        let told = answer.json();
        assert_eq!((answer.status.as_u16(), &told["parameter"]), (400, &"filter".into()), "{filter}: {told}");
        assert!(told["detail"].as_str().unwrap().contains(place), "{filter}: {told}");
        assert!(filter.is_empty() || told["code"] == "filter", "{filter}: {told}");
    }
    let deep = format!("filter={}id%20pr{}", "(".repeat(2000), ")".repeat(2000));
    check(&site, &deep, "filter", "filter").await;
    let deeper = format!("filter={}id%20pr", "not%20(".repeat(1000));
    check(&site, &deeper, "filter", "filter").await;
    let terms = format!("filter=id%20pr{}", "+or+id+pr".repeat(5000));
    check(&site, &terms, "filter", "filter").await;
    let long = site.ask(&format!("GET /v1/events?filter={}", "(".repeat(60_000)), "acme", b"").await;
    assert_eq!(long.code(), "filter");
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_that_no_cursor_could_carry_are_refused_wherever_they_are_asked() {
    let site = Site::new().await;
    site.post("acme", &event("e1")).await;
    let conditions: Vec<_> = (0..20).map(|n| format!("actor_id={n}{}", "x".repeat(1000))).collect();
    for route in ["/v1/events", "/v1/summary", "/v1/feed", "/v1/feed/live", "/v1/access"] {
        let told = site.ask(&format!("GET {route}?{}", conditions.join("&")), "acme", b"").await;
        assert_eq!((told.status.as_u16(), told.code().as_str()), (400, "parameter_value"), "{route}");
        assert!(told.text().contains("`actor_id` and the other conditions have"), "{route}: {}", told.text());
    }
    let fewer = conditions[..15].join("&");
    assert_eq!(site.ask(&format!("GET /v1/summary?{fewer}"), "acme", b"").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_was_cut_or_changed_or_came_from_elsewhere_is_refused() {
    let mut site = Site::new().await;
    site.post("acme", &minutes(0..5)).await;
    site.make_key("globex", r#"{"tenant": "globex", "scopes": ["read", "write"]}"#).await;
    site.post("globex", &minutes(0..5)).await;
    let cursor = find(&site, "acme", "limit=2").await["next"].as_str().unwrap().to_owned();
    for cut in ["", "x", &cursor[1..], &cursor[..cursor.len() - 1], &cursor[..cursor.len() / 2]] {
        check(&site, &format!("cursor={cut}"), "cursor", "cursor").await;
    }
    for place in [0, 1, 5, cursor.len() / 2, cursor.len() - 1] {
        let mut changed = cursor.clone().into_bytes();
        changed[place] = if changed[place] == b'B' { b'C' } else { b'B' };
        let changed = String::from_utf8(changed).unwrap();
        check(&site, &format!("cursor={changed}"), "cursor", "cursor").await;
    }
    check(&site, &format!("cursor={}", "A".repeat(60_000)), "cursor", "cursor").await;
    // Of another tenant, of all tenants, of the access log.
    let foreign = find(&site, "globex", "limit=2").await["next"].as_str().unwrap().to_owned();
    check(&site, &format!("cursor={foreign}"), "cursor", "cursor").await;
    let all = find(&site, "operator", "limit=2").await["next"].as_str().unwrap().to_owned();
    let detail = check(&site, &format!("cursor={all}"), "cursor", "cursor").await;
    assert!(detail.contains("only a platform key"), "{detail}");
    check(&site, &format!("cursor={cursor}&log=access"), "cursor_mismatch", "log").await;
    let made = |site: &Site, view: &str, size| {
        let start = Start::After(Place { keys: vec![0], number: 0 });
        let question =
            r#"{"conditions":[],"order":"asc","total":false,"partial":false,"limit":2}"#.to_owned();
        let scope = FeedScope::Log(log("acme"));
        let cursor = Cursor { view: view.to_owned(), scope, question, size, total: None, start };
        site.ledger.write_cursor(&cursor).unwrap()
    };
    assert_eq!(ids(&find(&site, "acme", &format!("cursor={}", made(&site, "v1", 5))).await), ["m0", "m1"]);
    check(&site, &format!("cursor={}", made(&site, "frameio", 5)), "cursor", "cursor").await;
    let beyond = check(&site, &format!("cursor={}", made(&site, "v1", 6)), "out_of_range", "cursor").await;
    assert!(beyond.contains("as of 6 records, but there are only 5"), "{beyond}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_server_is_refused() {
    let site = Site::new().await;
    site.post("acme", &minutes(0..5)).await;
    let cursor = find(&site, "acme", "limit=2").await["next"].as_str().unwrap().to_owned();
    let other = Site::new().await;
    other.post("acme", &minutes(0..5)).await;
    let answer = other.ask(&format!("GET /v1/events?cursor={cursor}"), "acme", b"").await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "cursor"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_beside_a_cursor_must_be_its_question() {
    let site = Site::new().await;
    site.post("acme", &minutes(0..9)).await;
    let question = "actor_id=u0&actor_id=u1&action=video.update&order=asc&limit=2";
    let cursor = find(&site, "acme", question).await["next"].as_str().unwrap().to_owned();
    for beside in [
        "",
        "&limit=2",
        "&order=asc",
        "&action=video.update&actor_id=u1&actor_id=u0&actor_id=u1",
        "&tenant=acme",
        "&log=events",
        "&total=false",
        "&partial=true",
    ] {
        let page = find(&site, "acme", &format!("cursor={cursor}{beside}")).await;
        assert_eq!(ids(&page), ["m2", "m3"], "{beside}");
    }
    let longer = find(&site, "acme", &format!("cursor={cursor}&limit=3")).await;
    assert_eq!(ids(&longer), ["m2", "m3", "m4"]);
    let next = longer["next"].as_str().unwrap();
    assert_eq!(ids(&find(&site, "acme", &format!("cursor={next}")).await).len(), 3, "the new limit goes on");
    for (beside, parameter) in [
        ("order=desc", "order"),
        ("total=true", "total"),
        ("action=video.update", "actor_id"),
        ("actor_id=u0&actor_id=u1&action=video.update&id=m2", "id"),
        ("q=video", "q"),
        ("log=access", "log"),
    ] {
        check(&site, &format!("cursor={cursor}&{beside}"), "cursor_mismatch", parameter).await;
    }
    // Nothing that was answered has it twice.
    let words = find(&site, "acme", "q=video&limit=2").await["next"].as_str().unwrap().to_owned();
    assert_eq!(ids(&find(&site, "acme", &format!("cursor={words}&q=video")).await), ["m6", "m5"]);
    check(&site, &format!("cursor={words}&q=video&q=video"), "cursor_mismatch", "q").await;
    let denied = site.ask(&format!("GET /v1/events?cursor={cursor}&tenant=globex"), "acme", b"").await;
    assert_eq!(denied.code(), "tenant_denied");
    let page = find(&site, "operator", &format!("cursor={cursor}&tenant=acme")).await;
    assert_eq!(
        (ids(&page), &page["events"][0]["tenant"]),
        (vec!["m2".to_owned(), "m3".to_owned()], &"acme".into())
    );
    let other = site.ask(&format!("GET /v1/events?cursor={cursor}&tenant=globex"), "operator", b"").await;
    assert_eq!(other.code(), "cursor_mismatch");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_is_refused_or_given_in_part() {
    /// The beginning of a word: each event has to be looked at.
    const HARD: &str = "filter=action%20sw%20%22rar%22";
    let site = Site::new().await;
    site.post("acme", &events("e", 4000)).await;
    site.post(
        "acme",
        r#"{"id":"rare","action":"rare","actor":{"id":"u"},"occurred_at":"2020-01-01T00:00:00Z"}"#,
    )
    .await;
    // The second look at the clock is one too many; some hundred records lie between two.
    site.clock.crawl(Duration::from_secs(3));
    site.check(&format!("GET /v1/events?{HARD}"), "acme", "", expect![[r#"
        503
        {
          "code": "busy",
          "detail": "the question was not answered within 5 s; ask for a shorter time with `since` and `until`, or take short pages with `partial=true`",
          "request_id": "r-1",
          "status": 503
        }
    "#]]).await;
    let answer = site.ask("GET /v1/events?limit=1&total=true", "acme", b"").await;
    assert!(answer.text().contains("leave out `total`"), "{}", answer.text());
    assert_eq!(site.ask(&format!("GET /v1/summary?{HARD}"), "acme", b"").await.code(), "busy");
    // Short pages lead to the end all the same.
    let mut query = format!("{HARD}&partial=true&total=true");
    let mut found = Vec::new();
    let mut pages = 0;
    loop {
        let page = find(&site, "acme", &query).await;
        found.extend(ids(&page));
        pages += 1;
        assert!(pages < 10, "it gets ahead");
        let Some(next) = page["next"].as_str() else {
            assert_eq!((page.get("partial"), &page["total"]), (None, &Value::Null), "{page}");
            break;
        };
        assert_eq!((&page["partial"], &page["total"]), (&true.into(), &Value::Null), "{page}");
        query = format!("cursor={next}");
    }
    assert_eq!(found, ["rare"]);
    assert!(pages > 2, "{pages}");
    // The feed says how far it has come.
    let mut from = 0;
    let mut found = Vec::new();
    for _ in 0..10 {
        let page = site.ask(&format!("GET /v1/feed?{HARD}&from={from}"), "acme", b"").await.json();
        found.extend(page["records"].as_array().unwrap().iter().map(|record| record["id"].clone()));
        assert!(page["next"].as_u64().unwrap() > from || from == 4001, "{page}");
        from = page["next"].as_u64().unwrap();
    }
    assert_eq!((found, from), (vec![json!("rare")], 4001));
}

/// The access log of a tenant once it has `size` records.
async fn access_log(site: &Site, tenant: &str, size: u64) -> Vec<Value> {
    let head = format!("GET /v1/access?limit=1000&tenant={tenant}");
    let enough = |answer: &Answer| answer.json()["size"].as_u64() >= Some(size);
    site.until(&head, "operator", enough).await.json()["records"].as_array().cloned().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_looked_for_stands_on_record_once_a_minute() {
    let site = Site::new().await;
    site.post("acme", &minutes(0..9)).await;
    let mut query = "q=video&actor_id=u0&actor_id=u1&limit=2".to_owned();
    loop {
        let page = find(&site, "acme", &query).await;
        let Some(next) = page["next"].as_str() else { break };
        query = format!("cursor={next}");
    }
    find(&site, "acme", "actor_id=u1&q=video&actor_id=u0&order=asc").await;
    let records = access_log(&site, "acme", 1).await;
    assert_eq!(records.len(), 1, "pages and orders of one question are one record: {records:?}");
    assert_eq!(records[0]["metadata"], json!({"filter": {"actor_id": ["u0", "u1"], "q": "video"}}));
    assert_eq!(records[0]["request"]["path"], "/v1/events");
    site.ask("GET /v1/summary?q=video", "acme", b"").await;
    site.ask("GET /v1/feed?q=other", "acme", b"").await;
    let records = access_log(&site, "acme", 3).await;
    let filters: Vec<_> = records.iter().map(|record| record["metadata"]["filter"]["q"].clone()).collect();
    assert!(filters.contains(&json!("other")), "{filters:?}");
    let found = find(&site, "acme", "log=access&actor_type=api_key").await;
    assert_eq!(ids(&found).len(), 3);
    // Looking into an access log is on record at annals.
    let told = |answer: &Answer| answer.text().contains(r#""path":"/v1/events""#);
    site.until("GET /v1/access?limit=1000&tenant=_annals", "operator", told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_with_conditions_wakes_with_what_satisfies_them() {
    let site = Arc::new(Site::new().await);
    site.post("acme", &event("e0")).await;
    let polling = {
        let site = site.clone();
        tokio::spawn(async move { site.ask("GET /v1/feed?wait=60s&action=wanted", "acme", b"").await.json() })
    };
    site.until("GET /v1/access", "acme", |answer| answer.json()["size"] == 1).await;
    site.post("acme", &event("e1")).await;
    site.post("acme", r#"{"id":"e2","action":"wanted","actor":{"id":"u"}}"#).await;
    let page = tokio::time::timeout(PATIENCE, polling).await.unwrap().unwrap();
    assert_eq!((&page["records"][0]["id"], &page["next"]), (&"e2".into(), &3.into()));
    let nothing = site.ask("GET /v1/feed?wait=50ms&action=none", "acme", b"").await.json();
    assert_eq!(nothing, json!({"records": [], "next": 3, "size": 3}));
    let pages = site.ask("GET /v1/feed?limit=1&action=video.update", "acme", b"").await.json();
    assert_eq!((&pages["records"][0]["id"], &pages["next"]), (&"e0".into(), &1.into()));
    let access = site.ask("GET /v1/access?request_path=%2Fv1%2Ffeed", "acme", b"").await.json();
    assert_eq!(access["records"].as_array().unwrap().len() as u64, access["size"].as_u64().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_feed_with_conditions_gives_the_numbers_of_what_satisfies_them() {
    let site = Site::new().await;
    site.post("acme", &events("a", 600)).await;
    site.post("acme", r#"{"id":"w1","action":"wanted","actor":{"id":"u"}}"#).await;
    for (key, query, first) in [("acme", "", 600), ("operator", "&tenant=acme", 600)] {
        let head = format!("GET /v1/feed/live?from=0&action=wanted{query}");
        let mut body = site.open(&head, key, b"").await.into_body();
        let mut text = String::new();
        while !text.contains("data: ") || !text.ends_with("\n\n") {
            let frame = tokio::time::timeout(PATIENCE, body.frame()).await.unwrap().unwrap().unwrap();
            text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
        assert!(text.contains(&format!("id: {first}\ndata: ")), "{text}");
        assert_eq!(text.matches("data: ").count(), 1);
    }
    let wrong = site.ask("GET /v1/feed/live?operation=updat", "acme", b"").await;
    assert_eq!(wrong.code(), "parameter_value");
}
