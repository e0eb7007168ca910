//! Frame.io: what one answer of the corpus cannot show.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use annals_dialects::frameio::Frameio;
use annals_dialects::{Bounds, Common, Dialects, Mount, Time};
use annals_server::{Listening, Settings};
use serde_json::Value;

use crate::replay;
use crate::site::{Answer, Site, settings};

fn with(dialects: Dialects) -> Settings {
    Settings { dialects, ..settings() }
}

fn bounds(bounds: Bounds) -> Dialects {
    Dialects { bounds: [("frameio", bounds)].into(), ..Dialects::default() }
}

/// So many events of one tenant, the last of which occurred last; every third is a comment.
async fn filled(site: &Site, count: u64) {
    let event = |n: u64| {
        let action = if n.is_multiple_of(3) { "comment.created" } else { "asset.created" };
        format!(
            r#"{{"id":"m-{n}","occurred_at":"2026-11-20T10:{:02}:{:02}Z","action":"{action}","actor":{{"type":"user","id":"u","email":"u@example.com"}}}}"#,
            n / 60,
            n % 60
        )
    };
    let events: Vec<_> = (0..count).map(event).collect();
    site.post("acme", &format!("[{}]", events.join(","))).await;
}

fn ids(entries: &Value) -> Vec<String> {
    let entries = entries.as_array().unwrap_or_else(|| panic!("{entries}"));
    entries.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
}

fn next(answer: &Answer) -> Option<String> {
    answer.json()["links"]["next"].as_str().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_corpus_of_frameio_is_answered_byte_for_byte() {
    let site = replay::site("frameio", settings()).await;
    replay::check(&site, "frameio", 70).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_alone_goes_on_with_filters_size_and_users_while_events_arrive() {
    let site = Site::new().await;
    filled(&site, 97).await;
    let first = "/v4/accounts/acme/audit_logs?filters[event_type]=comment_created&page_size=7&include=user";
    let (mut path, mut found, mut page) = (Some(first.to_owned()), Vec::new(), 0);
    while let Some(asked) = path {
        let late = format!(
            r#"{{"id":"late-{page}","occurred_at":"2026-11-20T10:00:30Z","action":"comment.created","actor":{{"id":"u"}}}}"#
        );
        site.post("acme", &late).await;
        let answer = site.ask(&format!("GET {asked}"), "acme", b"").await;
        let entries = answer.json()["data"].clone();
        found.extend(ids(&entries));
        for entry in entries.as_array().unwrap() {
            assert_eq!(
                (&entry["event_type"], &entry["user"]["id"]),
                (&"comment_created".into(), &"u".into())
            );
        }
        path = next(&answer);
        assert!(path.is_none() || ids(&entries).len() == 7, "a page that is not the last is full");
        page += 1;
    }
    let expected: Vec<_> = (0..97).rev().filter(|n| n % 3 == 0).map(|n| format!("m-{n}")).collect();
    // The first late one was there before the first page.
    found.retain(|id| id != "late-0");
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_comes_with_a_get_costs_neither_the_answer_nor_the_connection() {
    let site = Site::new().await;
    filled(&site, 500).await;
    let (address, key) = (site.address, site.key("acme"));
    let read = move || {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let head = format!(
            "GET /v2/accounts/acme/audit_logs?page_size=500 HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n"
        );
        for _ in 0..8 {
            // As the old client does: the head in one piece, the body in another.
            (&stream).write_all(head.as_bytes()).unwrap();
            (&stream).write_all(b"{}").unwrap();
            let mut line = String::new();
            while line != "0\r\n" {
                line.clear();
                assert!(
                    lines.read_line(&mut line).unwrap() > 0,
                    "the connection ended in the middle of an answer"
                );
            }
            lines.read_line(&mut line).unwrap();
        }
    };
    tokio::task::spawn_blocking(read).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn numbered_pages_of_one_size_do_not_move() {
    let site = Site::new().await;
    filled(&site, 23).await;
    let first = site.ask("GET /v2/accounts/acme/audit_logs?page_size=5", "acme", b"").await;
    let link =
        first.header("link").split("; rel=\"next\"").next().unwrap().rsplit_once('<').unwrap().1.to_owned();
    let second = link.trim_end_matches('>').strip_prefix("http://annals.example.com").unwrap().to_owned();
    site.post("acme", r#"{"id":"new","action":"a","actor":{"id":"u"}}"#).await;
    let second = site.ask(&format!("GET {second}"), "acme", b"").await;
    assert_eq!(ids(&second.json()), (13..18).rev().map(|n| format!("m-{n}")).collect::<Vec<_>>());
    assert_eq!((second.header("total"), second.header("page-number")), ("23", "2"));
    let moved = site.ask("GET /v2/accounts/acme/audit_logs?page_size=5&page=2", "acme", b"").await;
    assert_eq!((moved.header("total"), ids(&moved.json())[0].as_str()), ("24", "m-18"));
}

#[tokio::test(flavor = "multi_thread")]
async fn below_a_mount_headers_have_the_prefix_and_bodies_do_not() {
    let mounts = vec![
        Mount::parse("/acme/fio acme frameio").unwrap(),
        Mount::parse("/any * frameio window_days=30").unwrap(),
    ];
    let site = Site::with(with(Dialects { mounts, ..Dialects::default() }), Listening::default()).await;
    filled(&site, 9).await;
    let two = site
        .ask(
            "GET /acme/fio/v2/accounts/acme/audit_logs/?page_size=5&filter[action]=AssetCreated",
            "acme",
            b"",
        )
        .await;
    let link = "<http://annals.example.com/acme/fio/v2/accounts/acme/audit_logs?page_size=5&filter%5Baction%5D=AssetCreated&page=2&as_of=9>; rel=\"next\"";
    assert!(two.header("link").contains(link), "{}", two.header("link"));
    let four = site.ask("GET /acme/fio/v4/accounts/acme/audit_logs?page_size=5", "acme", b"").await;
    let path = next(&four).unwrap();
    assert!(path.starts_with("/v4/accounts/acme/audit_logs?after="), "{path}");
    let second = site.ask(&format!("GET /acme/fio{path}"), "acme", b"").await;
    assert_eq!(ids(&second.json()["data"]).len(), 4);
    let other = site.ask("GET /acme/fio/v4/accounts/other/audit_logs", "acme", b"").await;
    assert_eq!(
        (other.status.as_u16(), other.json()["errors"][0]["title"].as_str()),
        (403, Some("Forbidden"))
    );
    let nowhere = site.ask("GET /acme/fio/v1/events", "acme", b"").await;
    assert_eq!(
        (nowhere.status.as_u16(), nowhere.json()["code"].as_u64()),
        (404, Some(404)),
        "{}",
        nowhere.text()
    );
    site.clock.pass(Duration::from_secs(40 * 86_400));
    let window = site.ask("GET /any/v2/accounts/acme/audit_logs", "acme", b"").await;
    assert_eq!((window.header("total"), window.text().as_str()), ("0", "[]"), "all is older than the window");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_vendors_limits_the_hundred_and_first_request_of_a_minute_waits() {
    let site =
        Site::with(with(bounds(Bounds { vendors_limits: true, ..Bounds::default() })), Listening::default())
            .await;
    filled(&site, 1).await;
    for left in (0..100).rev() {
        let path = if left % 2 == 0 { "/v2/me" } else { "/v4/accounts/acme/audit_logs" };
        let answer = site.ask(&format!("GET {path}"), "acme", b"").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("x-ratelimit-remaining")),
            (200, left.to_string().as_str())
        );
        assert_eq!(
            (answer.header("x-ratelimit-limit"), answer.header("x-ratelimit-window")),
            ("100", "60000")
        );
    }
    for (path, code) in
        [("/v2/accounts/acme/audit_logs", "/code"), ("/v4/accounts/acme/audit_logs", "/errors/0/title")]
    {
        let refused = site.ask(&format!("GET {path}"), "acme", b"").await;
        assert_eq!((refused.status.as_u16(), refused.header("x-ratelimit-remaining")), (429, "0"));
        assert!(refused.header("retry-after").parse::<u64>().unwrap() <= 60);
        assert!(refused.json().pointer(code).is_some(), "{}", refused.text());
    }
    site.clock.pass(Duration::from_secs(60));
    assert_eq!(site.ask("GET /v2/me", "acme", b"").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_hides_what_is_older_and_the_time_of_receipt_may_be_shown() {
    let site =
        Site::with(with(bounds(Bounds { window_days: Some(30), ..Bounds::default() })), Listening::default())
            .await;
    let event = |id: &str, at: &str| {
        format!(r#"{{"id":"{id}","occurred_at":"{at}","action":"asset.created","actor":{{"id":"u"}}}}"#)
    };
    site.post("acme", &event("old", "2026-10-22T09:59:59Z")).await;
    site.post("acme", &event("young", "2026-10-22T10:00:00Z")).await;
    let two = site.ask("GET /v2/accounts/acme/audit_logs", "acme", b"").await;
    assert_eq!((ids(&two.json()), two.header("total")), (vec!["young".to_owned()], "1"));
    let four = site.ask("GET /v4/accounts/acme/audit_logs?page_size=1", "acme", b"").await;
    let site = site
        .restart_with(with(Dialects {
            frameio: Frameio {
                common: Common { time: Time::Received, ..Common::AS_IT_COMES },
                ..Frameio::default()
            },
            ..Dialects::default()
        }))
        .await;
    let received =
        site.ask("GET /v2/accounts/acme/audit_logs?filter[inserted_at][gte]=2026-11-21", "acme", b"").await;
    assert_eq!(ids(&received.json()), ["young", "old"]);
    assert_eq!(received.json()[0]["inserted_at"], "2026-11-21T10:00:00.000000Z");
    assert_eq!(next(&four), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_was_cut_or_changed_or_is_of_another_list_or_tenant_is_refused() {
    let mut site = Site::new().await;
    filled(&site, 9).await;
    site.make_key("other", r#"{"tenant": "other", "scopes": ["write", "read"]}"#).await;
    site.post("other", r#"{"id":"o","action":"a","actor":{"id":"u"}}"#).await;
    let first = site.ask("GET /v4/accounts/acme/audit_logs?page_size=2", "acme", b"").await;
    let path = next(&first).unwrap();
    let cursor = path.split_once("after=").unwrap().1.to_owned();
    let nirvana = site.ask("GET /v1/audit_logs?limit=10&action=none", "acme", b"").await;
    assert_eq!(nirvana.status, 200);
    let native =
        site.ask("GET /v1/events?limit=1", "acme", b"").await.json()["next"].as_str().unwrap().to_owned();
    let mut wrong = vec![native, cursor.to_uppercase(), format!("{cursor}A"), "A".repeat(1 << 15)];
    wrong.extend((1..cursor.len()).step_by(7).map(|end| cursor[..end].to_owned()));
    for wrong in wrong {
        let answer = site.ask(&format!("GET /v4/accounts/acme/audit_logs?after={wrong}"), "acme", b"").await;
        assert_eq!(answer.status, 422, "{wrong}");
        assert!(answer.json()["errors"][0]["detail"].is_string(), "{}", answer.text());
    }
    let foreign = site.ask(&format!("GET /v4/accounts/other/audit_logs?after={cursor}"), "other", b"").await;
    assert_eq!(foreign.status, 422, "{}", foreign.text());
    let elsewhere = site.ask(&format!("GET /v1/audit_logs?cursor={cursor}"), "acme", b"").await;
    assert_eq!(elsewhere.status, 400, "{}", elsewhere.text());
    let site = site.restart().await;
    let again = site.ask(&format!("GET {path}"), "acme", b"").await;
    assert_eq!(ids(&again.json()["data"]), ["m-6", "m-5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_garbage_is_answered_with_400_or_makes_a_list_fail() {
    let site = replay::site("frameio", settings()).await;
    let names = [
        "filter[action]",
        "filter[item_type]",
        "filter[inserted_at][op]",
        "filter[inserted_at][value]",
        "filter[inserted_at][lt]",
        "filters[event_type]",
        "filters[from_date]",
        "filters[end_date]",
        "include",
        "include_total_count",
        "after",
        "page",
        "page_size",
        "as_of",
        "tenant",
        "filter[",
        "filters[x][y]",
    ];
    let long = "9".repeat(20_000);
    let values =
        ["", "%00", "%FF%FE", "-1", "1e9", "%F0%9F%92%A9", "'%20OR%201=1--", "..%2F..", "null", "[]", &long];
    for list in
        ["/v2/accounts/acme/audit_logs", "/v2/accounts/acme/events", "/v4/accounts/acme/audit_logs", "/v2/me"]
    {
        for name in names {
            for value in values {
                let answer =
                    site.ask(&format!("GET {list}?{name}={value}&{name}={value}"), "acme", b"").await;
                assert!(
                    matches!(answer.status.as_u16(), 200 | 403 | 422),
                    "{list} {name}={value}: {}",
                    answer.text()
                );
                answer.json();
            }
        }
    }
    for account in ["%00", "%FF", "..", "a%2Fb", &long[..2_000]] {
        let answer = site.ask(&format!("GET /v2/accounts/{account}/audit_logs"), "acme", b"").await;
        assert!(
            matches!(answer.status.as_u16(), 403 | 422),
            "{account}: {} {}",
            answer.status,
            answer.text()
        );
    }
}
