//! `GET /v1/feed`, `GET /v1/feed/live` and `GET /v1/events/{id}`.

use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use crate::site::{PATIENCE, Site, event, events};

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_gives_what_was_sent_with_its_place_and_time() {
    let site = Site::new().await;
    let body = r#"{"id":"e1","action":"video.update","actor":{"id":"u1"},"metadata":{"n":9007199254740993.10,"none":null}}"#;
    site.post("acme", body).await;
    site.check(
        "GET /v1/feed",
        "acme",
        "",
        expect![[r#"
        200
        {
          "next": 1,
          "records": [
            {
              "action": "video.update",
              "actor": {
                "id": "u1"
              },
              "derived": {
                "occurred_at": "2026-11-21T10:00:00.000000Z",
                "operation": "update"
              },
              "id": "e1",
              "metadata": {
                "n": 9007199254740994.0,
                "none": null
              },
              "position": 0,
              "received_at": "2026-11-21T10:00:00.000000Z"
            }
          ],
          "size": 1
        }
    "#]],
    )
    .await;
    site.check(
        "GET /v1/events/e1",
        "acme",
        "",
        expect![[r#"
        200
        {
          "action": "video.update",
          "actor": {
            "id": "u1"
          },
          "derived": {
            "occurred_at": "2026-11-21T10:00:00.000000Z",
            "operation": "update"
          },
          "id": "e1",
          "metadata": {
            "n": 9007199254740994.0,
            "none": null
          },
          "position": 0,
          "received_at": "2026-11-21T10:00:00.000000Z"
        }
    "#]],
    )
    .await;
    let text = site.ask("GET /v1/events/e1", "acme", b"").await.text();
    assert!(text.contains(r#"{"n":9007199254740993.10,"none":null}"#), "digits and nulls are kept: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_one_another_without_a_hole() {
    let site = Site::new().await;
    site.post("acme", &events("e", 250)).await;
    let mut from = 0;
    let mut seen = Vec::new();
    loop {
        let page = site.ask(&format!("GET /v1/feed?from={from}&limit=100"), "acme", b"").await.json();
        let records = page["records"].as_array().unwrap();
        assert_eq!(page["size"], 250);
        if records.is_empty() {
            break;
        }
        seen.extend(records.iter().map(|record| record["position"].as_u64().unwrap()));
        from = page["next"].as_u64().unwrap();
    }
    assert_eq!(seen, (0..250).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_carry_their_cursor_in_headers() {
    let site = Site::new().await;
    site.post("acme", &events("e", 3)).await;
    let answer = site.ask("GET /v1/feed?from=1&limit=1\naccept: application/x-ndjson", "acme", b"").await;
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    assert_eq!((answer.header("annals-next"), answer.header("annals-size")), ("2", "3"));
    let lines: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["id"]), (1, &"e-1".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_page_arrives_whole_in_pieces() {
    let site = Site::new().await;
    let long = "x".repeat(100_000);
    for index in 0..30 {
        let body = format!(
            r#"{{"id":"e{index}","action":"a","actor":{{"id":"u"}},"metadata":{{"text":"{long}"}}}}"#
        );
        site.post("acme", &body).await;
    }
    let page = site.ask("GET /v1/feed?limit=1000", "acme", b"").await;
    let size = page.json()["size"].as_u64().unwrap();
    assert_eq!(page.json()["records"].as_array().unwrap().len() as u64, size);
    assert_eq!(size, 30);
    assert!(page.headers.get("content-length").is_none(), "a large page is not held in memory at once");
    let lines = site.ask("GET /v1/feed?limit=1000\naccept: application/x-ndjson", "acme", b"").await;
    assert_eq!(lines.text().lines().count(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_key_reads_all_tenants_by_ledger_number() {
    let site = Site::new().await;
    let body = r#"[{"id":"1","tenant":"acme","action":"a","actor":{"id":"u"}},{"id":"2","tenant":"globex","action":"a","actor":{"id":"u"}}]"#;
    site.post("operator", body).await;
    let page = site.ask("GET /v1/feed?limit=1000", "operator", b"").await.json();
    let records = page["records"].as_array().unwrap();
    let numbers: Vec<_> = records.iter().map(|record| record["ledger_seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..page["size"].as_u64().unwrap()).collect::<Vec<_>>());
    let last: Vec<_> = records
        .iter()
        .rev()
        .take(2)
        .map(|record| (record["tenant"].as_str().unwrap(), record["position"].as_u64().unwrap()))
        .collect();
    assert_eq!(last, [("globex", 0), ("acme", 0)]);
    let page = site.ask("GET /v1/feed?tenant=globex", "operator", b"").await.json();
    assert_eq!((&page["size"], &page["records"][0]["tenant"]), (&1.into(), &"globex".into()));
    assert_eq!(site.ask("GET /v1/feed?tenant=nobody", "operator", b"").await.code(), "tenant_unknown");
    assert_eq!(site.ask("GET /v1/events/1", "operator", b"").await.code(), "tenant_required");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_beyond_the_end_does_not_wait_in_silence() {
    let site = Site::new().await;
    site.post("acme", &event("e1")).await;
    site.check("GET /v1/feed?from=5&wait=60s", "acme", "", expect![[r#"
        400
        {
          "code": "out_of_range",
          "detail": "`from` is 5, but there are only 1 records; the cursor is from another feed, or records it knew were lost",
          "parameter": "from",
          "request_id": "r-1",
          "status": 400
        }
    "#]]).await;
    let answer = site.ask("GET /v1/feed/live\nlast-event-id: 1", "acme", b"").await;
    assert_eq!(answer.code(), "out_of_range");
    assert!(answer.text().contains("`Last-Event-ID` is 1, but"), "{}", answer.text());
    for query in ["wait=30", "wait=61s", "limit=0", "limit=1001", "from=-1", "from=1.0", "frm=1"] {
        assert_eq!(site.ask(&format!("GET /v1/feed?{query}"), "acme", b"").await.status, 400, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_wakes_with_the_next_record() {
    let site = Arc::new(Site::new().await);
    site.post("acme", &event("e0")).await;
    let polling = {
        let site = site.clone();
        tokio::spawn(async move { site.ask("GET /v1/feed?from=1&wait=60s", "acme", b"").await.json() })
    };
    // The poll is waiting once its read is on record.
    site.until("GET /v1/access", "acme", |answer| answer.json()["size"] == 1).await;
    site.post("acme", &event("e1")).await;
    let page = tokio::time::timeout(PATIENCE, polling).await.unwrap().unwrap();
    assert_eq!((&page["records"][0]["id"], &page["next"]), (&"e1".into(), &2.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_without_news_ends_empty_after_its_time() {
    let site = Site::new().await;
    let page = site.ask("GET /v1/feed?wait=50ms", "acme", b"").await.json();
    assert_eq!(page, serde_json::json!({"records": [], "next": 0, "size": 0}));
}

/// Reads a stream until it has shown `count` records; gives their (`id`, event id).
async fn follow(body: &mut Incoming, count: usize) -> Vec<(u64, String)> {
    let mut text = String::new();
    let read = async {
        while text.matches("\ndata: ").count() < count || !text.ends_with("\n\n") {
            let frame = body.frame().await.expect("the stream goes on").unwrap();
            text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap();
    let mut seen = Vec::new();
    for message in text.split("\n\n").filter(|message| message.starts_with("id: ")) {
        let (id, data) = message.split_once("\ndata: ").unwrap();
        let record: Value = serde_json::from_str(data).unwrap();
        seen.push((id["id: ".len()..].parse().unwrap(), record["id"].as_str().unwrap().to_owned()));
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_feed_goes_on_after_the_last_id_without_skip_or_repeat() {
    let site = Site::new().await;
    site.post("acme", &events("a", 3)).await;
    let mut body = site.open("GET /v1/feed/live?from=0", "acme", b"").await.into_body();
    let mut seen = follow(&mut body, 3).await;
    site.post("acme", &events("b", 2)).await;
    seen.extend(follow(&mut body, 2).await);
    drop(body);
    site.post("acme", &events("c", 2)).await;
    let last = seen.last().unwrap().0;
    let head = format!("GET /v1/feed/live?from=0\nlast-event-id: {last}");
    let mut body = site.open(&head, "acme", b"").await.into_body();
    seen.extend(follow(&mut body, 2).await);
    let expected = ["a-0", "a-1", "a-2", "b-0", "b-1", "c-0", "c-1"];
    let expected: Vec<_> = (0..).zip(expected.map(str::to_owned)).collect();
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_feed_of_all_tenants_counts_in_ledger_numbers() {
    let site = Site::new().await;
    let response = site.open("GET /v1/feed/live", "operator", b"").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let start = site.ask("GET /v1/feed?limit=1", "operator", b"").await.json()["size"].as_u64().unwrap();
    // The tenant's own beginning comes first, as a record of `_annals`.
    site.post("acme", &event("e1")).await;
    site.post("acme", &event("e2")).await;
    let seen = follow(&mut response.into_body(), 2).await;
    assert_eq!(
        seen.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        (start..start + seen.len() as u64).collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_feed_ends_with_its_key() {
    let mut site = Site::new().await;
    let made = site.make_key("reader", r#"{"tenant": "acme", "scopes": ["read"]}"#).await;
    let mut body = site.open("GET /v1/feed/live?from=0", "reader", b"").await.into_body();
    site.post("acme", &event("e1")).await;
    follow(&mut body, 1).await;
    let id = made["id"].as_str().unwrap();
    assert_eq!(site.ask(&format!("DELETE /v1/keys/{id}"), "operator", b"").await.status, 204);
    site.post("acme", &event("e2")).await;
    let rest = tokio::time::timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes();
    assert!(rest.is_empty(), "nothing is shown to a key that has ended: {rest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_may_hold_any_character() {
    let site = Site::new().await;
    for (id, path) in
        [("a/b?c#d", "a%2Fb%3Fc%23d"), ("ö%", "%C3%B6%25"), ("..", "%2E%2E"), ("x y+z", "x%20y+z")]
    {
        site.post("acme", &event(id)).await;
        let answer = site.ask(&format!("GET /v1/events/{path}"), "acme", b"").await;
        assert_eq!(answer.json()["id"], id, "{path}");
    }
    assert_eq!(site.ask("GET /v1/events/nothing", "acme", b"").await.code(), "event_unknown");
    assert_eq!(site.ask("GET /v1/events/%FF", "acme", b"").await.code(), "parameter_value");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_without_events_has_an_empty_feed_that_can_be_waited_on() {
    let mut site = Site::new().await;
    site.make_key("new", r#"{"tenant": "new", "scopes": ["read", "write"]}"#).await;
    let mut body = site.open("GET /v1/feed/live", "new", b"").await.into_body();
    site.post("new", &event("e1")).await;
    assert_eq!(follow(&mut body, 1).await, [(0, "e1".to_owned())]);
    tokio::time::sleep(Duration::ZERO).await;
}
