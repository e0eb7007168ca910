//! Input that means harm, or comes from a broken program: each has its documented answer.

use std::io::Write;

use annals_server::BATCH_BODY_BYTES_MAX;
use serde_json::Value;

use crate::site::{Site, event, events};

/// What becomes of one event between two good ones: its code, or its status when it is stored.
async fn fate(site: &Site, id: usize, hostile: &[u8]) -> String {
    let (before, after) = (event(&format!("before-{id}")), event(&format!("after-{id}")));
    let lines = [before.as_bytes(), b"\n", hostile, b"\n", after.as_bytes()].concat();
    let answer = site.ask("POST /v1/events\ncontent-type: application/x-ndjson", "acme", &lines).await.json();
    let results = answer["results"].as_array().unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(results.len(), 3, "{id}");
    assert_eq!(
        (&results[0]["status"], &results[2]["status"]),
        (&"created".into(), &"created".into()),
        "{id}: the neighbours"
    );
    let item = &results[1];
    item["error"]["code"].as_str().or(item["status"].as_str()).unwrap().to_owned()
}

fn with(member: &str) -> Vec<u8> {
    format!(r#"{{"action":"a","actor":{{"id":"u"}},{member}}}"#).into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_hostile_event_has_its_answer_and_costs_its_neighbours_nothing() {
    let site = Site::new().await;
    let deep = |depth: usize| format!("\"metadata\":{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    let nested = |depth: usize| with(&deep(depth));
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("depth 10,000", nested(10_000), "depth"),
        ("depth 64", nested(63), "created"),
        ("depth 65", nested(64), "depth"),
        (
            "a number of 10 MB",
            with(&format!("\"metadata\":{{\"n\":{}}}", "9".repeat(10 << 20))),
            "event_bytes",
        ),
        ("a long number", with(&format!("\"metadata\":{{\"n\":{}}}", "9".repeat(1000))), "created"),
        ("1e400", with(r#""metadata":{"n":1e400,"m":-1e-400}"#), "created"),
        ("a duplicate member", with(r#""metadata":{"a":1,"a":2}"#), "duplicate_member"),
        ("a duplicate member in disguise", with(r#""metadata":{"a":1,"\u0061":2}"#), "duplicate_member"),
        ("half a surrogate pair", with(r#""description":"\ud800""#), "lone_surrogate"),
        ("a surrogate pair", with(r#""description":"\ud83d\ude00""#), "created"),
        ("an escaped NUL", with(r#""description":"a\u0000b""#), "created"),
        ("a raw NUL", with("\"description\":\"a\0b\""), "control_character"),
        (
            "bad UTF-8",
            [b"{\"action\":\"".as_slice(), b"\xff\xfe", b"\",\"actor\":{\"id\":\"u\"}}"].concat(),
            "utf8",
        ),
        (
            "overlong UTF-8",
            [b"{\"action\":\"".as_slice(), b"\xc0\xaf", b"\",\"actor\":{\"id\":\"u\"}}"].concat(),
            "utf8",
        ),
        ("a byte order mark", [b"\xef\xbb\xbf".as_slice(), event("bom").as_bytes()].concat(), "json"),
        ("NaN", with(r#""metadata":{"n":NaN}"#), "json"),
        ("a leading zero", with(r#""metadata":{"n":01}"#), "number"),
        ("before 1970", with(r#""occurred_at":"1969-12-31T23:59:59.999999Z""#), "created"),
        ("year 0", with(r#""occurred_at":"0000-01-01T00:00:00Z""#), "created"),
        ("before year 0", with(r#""occurred_at":"0000-01-01T00:00:00+01:00""#), "time"),
        ("after 9999", with(r#""occurred_at":"10000-01-01T00:00:00Z""#), "time"),
        ("the last second", with(r#""occurred_at":"9999-12-31T23:59:59.999999Z""#), "created"),
        ("a leap second", with(r#""occurred_at":"2016-12-31T23:59:60Z""#), "created"),
        ("no offset", with(r#""occurred_at":"2026-11-21T10:00:00""#), "time"),
        ("30 February", with(r#""occurred_at":"2026-02-30T10:00:00Z""#), "time"),
        ("an id too long", with(&format!(r#""id":"{}""#, "x".repeat(201))), "id"),
        ("an id with a control character", with(r#""id":"a\u0007b""#), "id"),
        (
            "too long by a little",
            with(&format!(r#""metadata":{{"t":"{}"}}"#, "x".repeat(256 << 10))),
            "event_bytes",
        ),
        ("a reserved member", with(r#""position":7"#), "reserved"),
        ("an array", b"[]".to_vec(), "not_object"),
        ("brackets that do not match", b"{\"action\":[}".to_vec(), "json"),
        ("nothing but a quote", b"\"".to_vec(), "json"),
    ];
    for (id, (name, hostile, expected)) in cases.iter().enumerate() {
        assert_eq!(fate(&site, id, hostile).await, *expected, "{name}");
    }
    assert_eq!(site.ask("GET /v1/feed?limit=1000", "acme", b"").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_hostile_events_in_an_array_are_items_too() {
    let site = Site::new().await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let body = format!("[{},{deep},{{\"a\":1,\"a\":2}},{}]", event("e1"), event("e2"));
    let answer = site.ask("POST /v1/events", "acme", body.as_bytes()).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["created"]), (422, &2.into()), "{}", answer.text());
}

/// The most memory this process has had, KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_costs_no_more_than_an_honest_body() {
    let site = Site::new().await;
    // 1 GiB of spaces: 1 MB as gzip, some 33 KB as zstd.
    let spaces = vec![b' '; 1 << 20];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut zstd = zstd::Encoder::new(Vec::new(), 3).unwrap();
    for _ in 0..1024 {
        gzip.write_all(&spaces).unwrap();
        zstd.write_all(&spaces).unwrap();
    }
    let bombs = [("gzip", gzip.finish().unwrap()), ("zstd", zstd.finish().unwrap())];
    let before = peak_kib();
    for (encoding, bomb) in &bombs {
        let answer = site.ask(&format!("POST /v1/events\ncontent-encoding: {encoding}"), "acme", bomb).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "body_bytes"), "{encoding}");
    }
    let grown = peak_kib() - before;
    assert!(grown < 128 << 10, "{grown} KiB for a bomb");
    // A frame that asks for a window of 2 GiB is refused for that alone.
    let greedy = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
    let answer = site.ask("POST /v1/events\ncontent-encoding: zstd", "acme", &greedy).await;
    assert_eq!(answer.code(), "body_decoding");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_a_batch_are_named_and_nothing_is_stored() {
    let site = Site::new().await;
    let many = site.ask("POST /v1/events", "acme", events("e", 10_001).as_bytes()).await;
    assert_eq!((many.status.as_u16(), many.code().as_str()), (413, "batch_items"));
    let long = vec![b' '; BATCH_BODY_BYTES_MAX + 1];
    let long = site.ask("POST /v1/events", "acme", &long).await;
    assert_eq!((long.status.as_u16(), long.code().as_str()), (413, "body_bytes"));
    assert_eq!(site.ask("GET /v1/feed", "acme", b"").await.json()["size"], 0);
    let most = site.ask("POST /v1/events", "acme", events("e", 10_000).as_bytes()).await;
    assert_eq!(most.json()["created"], 10_000);
    let lines: String = (0..10_001).map(|index| format!("{}\n", event(&format!("l-{index}")))).collect();
    let answer =
        site.ask("POST /v1/events\ncontent-type: application/x-ndjson", "acme", lines.as_bytes()).await;
    assert_eq!(answer.code(), "batch_items");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_of_hostile_events_reads_back() {
    let site = Site::new().await;
    let sent = r#"{"id":"e","action":"a","actor":{"id":"u"},"description":"a\u0000b","metadata":{"n":1e400,"z":-0,"none":null,"":{"a":[null,1.0]}}}"#;
    site.post("acme", sent).await;
    let text = site.ask("GET /v1/events/e", "acme", b"").await.text();
    assert!(text.contains(r#""description":"a\u0000b""#), "{text}");
    assert!(text.contains(r#""metadata":{"":{"a":[null,1.0]},"n":1e400,"none":null,"z":-0}"#), "{text}");
    let _: Value = serde_json::from_str(&text.replace("1e400", "1")).unwrap();
}
