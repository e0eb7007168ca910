//! Records that are sealed into segments: every way of reading them, what a server says of them, and bytes that are damaged.

use std::time::Duration;

use annals_journal::Disk;
use annals_journal::sim::{Fault, Op};
use annals_tree::proof::TlogProof;
use serde_json::Value;

use crate::site::{Answer, Site, event, events, log};

/// Records of a tail.
const RECORDS: u64 = 8;

/// A server with some sealed records of `acme`, `e-0` and on, and some that are not sealed.
async fn sealed() -> Site {
    let site = Site::sealing_each(RECORDS).await;
    for round in 0..6 {
        site.post("acme", &events(&format!("e-{round}"), 5)).await;
        site.until("GET /v1/status", "operator", |answer| {
            answer.json()["tail_records"].as_u64() < Some(RECORDS)
        })
        .await;
    }
    site
}

async fn status(site: &Site) -> Value {
    site.ask("GET /v1/status", "operator", b"").await.json()
}

/// All that `acme` can read, by each route that reads.
async fn all(site: &Site) -> Vec<Value> {
    let feed = site.ask("GET /v1/feed?limit=1000", "acme", b"").await.json();
    let mut answers = vec![
        feed["records"].clone(),
        site.ask("GET /v1/feed?limit=1000&action=video.update", "acme", b"").await.json()["records"].clone(),
        site.ask("GET /v1/events?limit=100&order=asc", "acme", b"").await.json(),
        site.ask("GET /v1/summary?by=action", "acme", b"").await.json(),
    ];
    for record in feed["records"].as_array().unwrap() {
        let id = record["id"].as_str().unwrap();
        answers.push(site.ask(&format!("GET /v1/events/{id}"), "acme", b"").await.json());
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sealed_is_read_in_every_way_and_after_a_restart_too() {
    let site = sealed().await;
    let told = status(&site).await;
    assert!(told["segments"].as_u64() > Some(0) && told["segment_bytes"].as_u64() > Some(0), "{told:#}");
    assert!(told["tail_records"].as_u64() < told["records"].as_u64(), "{told:#}");
    let before = all(&site).await;
    assert_eq!(before[0].as_array().unwrap().len(), 30);
    for answer in &before[4..] {
        assert!(before[0].as_array().unwrap().contains(answer), "{answer}");
    }
    let info = site.ledger.log_info(&log("acme")).unwrap();
    for record in before[0].as_array().unwrap() {
        let (id, position) = (record["id"].as_str().unwrap(), record["position"].as_u64().unwrap());
        let proof = site.ask(&format!("GET /v1/events/{id}/proof"), "acme", b"").await.text();
        let proof = TlogProof::parse(&proof).unwrap();
        assert_eq!(proof.index, position);
        let inclusion =
            site.ask(&format!("GET /v1/proofs/inclusion?position={position}"), "acme", b"").await.json();
        let leaf = site.ledger.entry(&log("acme"), annals_event::Position(position)).unwrap().unwrap().leaf;
        assert_eq!(inclusion["leaf"], leaf.to_string());
        proof.verify(&leaf, &info.public_key, &info.origin).unwrap();
    }
    let again = site.post("acme", &events("e-0", 5)).await;
    assert_eq!((&again["duplicate"], &again["created"]), (&5.into(), &0.into()), "sealed ids are known");
    let site = site.restart().await;
    assert_eq!(all(&site).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_is_sealed_and_merged() {
    let site = sealed().await;
    // Readers see a segment before it is counted.
    site.until("GET /metrics", "", |answer| {
        let text = answer.text();
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap()
        };
        let (records, tail) = (value("annals_ledger_records"), value("annals_tail_records"));
        assert!(value("annals_segments") > 0.0 && value("annals_segments_bytes") > 0.0);
        // Records of access logs are sealed too, and have no ledger number.
        value("annals_segments_seal_seconds_count") > 0.0
            && value("annals_segments_sealed_records_total") >= records - tail
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_segment_is_a_problem_that_names_the_record_and_no_file() {
    const EVENTS: usize = 200;
    let site = Site::sealing_each(EVENTS as u64).await;
    // Long texts of all kinds, so that the segment is many blocks, most of them of events.
    let texts = (0..EVENTS).map(|n| {
        let text: String = (0..20).map(|part| format!("{:032x}", spread(20 * n as u128 + part))).collect();
        format!(r#"{{"id":"e{n}","action":"a","actor":{{"id":"u"}},"description":"{text}"}}"#)
    });
    site.post("acme", &format!("[{}]", texts.collect::<Vec<_>>().join(","))).await;
    site.until("GET /v1/status", "operator", |answer| answer.json()["segments"] == 1).await;
    let before = site.ask("GET /v1/feed?limit=1000", "acme", b"").await.json();
    // Opened anew, so that nothing of it is in the cache.
    let disk = site.segments().clone();
    let name = disk.list().unwrap().into_iter().find(|name| name.ends_with(".seg")).unwrap();
    let mut bytes = disk.contents(&name).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    disk.put(&name, bytes);
    let site = site.restart().await;
    let mut damaged = 0;
    for (position, record) in before["records"].as_array().unwrap().iter().enumerate() {
        let id = record["id"].as_str().unwrap();
        let answer = site.ask(&format!("GET /v1/events/{id}"), "acme", b"").await;
        if answer.status == 200 {
            assert_eq!(answer.json(), *record, "what is not damaged reads as before");
            continue;
        }
        damaged += 1;
        assert_damaged(&answer, "one event");
        let page = site.ask(&format!("GET /v1/feed?from={position}&limit=1"), "acme", b"").await;
        assert_damaged(&page, "a page of one");
        let told = format!("tenant `acme`: the record at position {position} is damaged; ");
        assert!(page.json()["detail"].as_str().unwrap().starts_with(&told), "{}", page.text());
    }
    assert!((1..EVENTS).contains(&damaged), "{damaged} of {EVENTS}");
    for route in
        ["/v1/feed?limit=1000", "/v1/feed?limit=1000&action=a", "/v1/events?limit=1000", "/v1/export"]
    {
        assert_damaged(&site.ask(&format!("GET {route}"), "acme", b"").await, route);
    }
    let live = site.ask("GET /v1/feed/live?from=0", "acme", b"").await.text();
    assert!(!live.contains(&format!("id: {}", EVENTS - 1)), "a stream ends before what it cannot read");
    // Who has read everything reads no segment, and what is new is taken.
    let from = format!("GET /v1/feed?from={EVENTS}");
    assert_eq!(site.ask(&from, "acme", b"").await.status, 200);
    site.post("acme", &event("new")).await;
    assert_eq!(site.ask(&from, "acme", b"").await.json()["records"][0]["id"], "new");
    let metrics = site.ask("GET /metrics", "", b"").await.text();
    assert!(metrics.contains(r#"annals_http_problems_total{code="damaged"}"#), "{metrics}");
}

fn assert_damaged(answer: &Answer, context: &str) {
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (500, "damaged"),
        "{context}: {}",
        answer.text()
    );
    let problem = answer.text();
    assert!(!problem.contains("segment") && !problem.contains(".seg"), "{context}: {problem}");
}

/// A number of which nothing is seen in what it becomes.
fn spread(number: u128) -> u128 {
    (number + 1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
        .rotate_left(59)
        .wrapping_mul(0xbf58_476d_1ce4_e5b9_94d0_49bb_1331_11eb)
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nothing_can_be_sealed_readiness_says_so_and_it_is_tried_again() {
    let site = Site::sealing_each(RECORDS).await;
    site.segments().set_capacity(Some(0));
    site.post("acme", &events("e", 20)).await;
    let answer =
        site.until("GET /readyz", "", |answer| answer.json()["checks"]["segments"]["ok"] == false).await;
    let expected = if site.ledger.health().is_ready() { 200 } else { 503 };
    assert_eq!(answer.status, expected, "{}", answer.text());
    assert!(answer.json()["checks"]["segments"]["reason"].is_string(), "{}", answer.text());
    assert_eq!(site.ask("GET /v1/feed", "acme", b"").await.json()["size"], 20, "reads go on");
    site.segments().set_capacity(None);
    site.segments().fail(Op::Rename, 0, Fault::Error);
    site.until("GET /readyz", "", |answer| answer.json()["checks"]["segments"]["ok"] == true).await;
    assert!(status(&site).await["segments"].as_u64() > Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_and_a_live_feed_go_on_across_seals() {
    let site = sealed().await;
    let poll = site.ask("GET /v1/feed?from=30&wait=60s", "acme", b"");
    let send = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        site.post("acme", &events("later", 20)).await
    };
    let (page, _) = tokio::join!(poll, send);
    assert_eq!(page.json()["records"][0]["position"], 30);
    let mut live = site.open("GET /v1/feed/live?from=0", "acme", b"").await.into_body();
    let mut text = String::new();
    while !text.contains("\"position\":49") {
        let frame = http_body_util::BodyExt::frame(&mut live).await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    let ids: Vec<u64> = text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect();
    assert_eq!(ids, (0..50).collect::<Vec<_>>());
}
