//! The server stops: nothing that was begun is lost, and nothing keeps it from ending.

use std::sync::Arc;
use std::time::Duration;

use annals_server::{Limits, Listening};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::site::{PATIENCE, Site, event, settings};

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_live_feeds_and_long_polls_cleanly() {
    let mut site = Site::new().await;
    site.post("acme", &event("e1")).await;
    let live = site.open("GET /v1/feed/live?from=0", "acme", b"").await.into_body();
    let request = site.request("GET /v1/feed?from=1&wait=60s", "acme", b"");
    let stream = TcpStream::connect(site.address).await.unwrap();
    let polling = tokio::spawn(async move {
        crate::site::send(stream, request).await.into_body().collect().await.unwrap().to_bytes()
    });
    site.until("GET /v1/access", "acme", |answer| answer.json()["size"] == 2).await;
    let began = std::time::Instant::now();
    site.stop().await;
    assert!(began.elapsed() < Duration::from_secs(10), "nothing had to be cut off");
    let seen = tokio::time::timeout(PATIENCE, live.collect())
        .await
        .unwrap()
        .expect("the stream ends as a whole")
        .to_bytes();
    assert!(String::from_utf8_lossy(&seen).contains("\"e1\""));
    let page = tokio::time::timeout(PATIENCE, polling).await.unwrap().unwrap();
    assert_eq!(&page[..], br#"{"records":[],"next":1,"size":1}"#);
    assert!(TcpStream::connect(site.address).await.is_err(), "nobody is let in any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn load_balancers_get_time_to_notice() {
    let limits = Limits { unready_first: Duration::from_secs(1), ..Limits::default() };
    let mut site = Site::with(settings(), Listening { limits, ..Listening::default() }).await;
    site.begin_stop();
    let answer = site.until("GET /readyz", "", |answer| answer.status == 503).await;
    assert_eq!(answer.json()["checks"]["serving"]["reason"], "stopping");
    site.post("acme", &event("e1")).await;
    site.stop_begun().await;
    assert!(TcpStream::connect(site.address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_begun_is_answered() {
    let mut site = Site::new().await;
    let body = event("e1");
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        site.key("acme"),
        body.len()
    );
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // Counted as open once its head was read.
    site.until("GET /metrics", "", |answer| answer.text().contains("annals_http_connections 2")).await;
    site.begin_stop();
    let (first, second) = body.split_at(10);
    stream.write_all(first.as_bytes()).await.unwrap();
    stream.write_all(second.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"created\":1"), "{answer}");
    site.stop_begun().await;
    assert!(site.ledger.by_id(&crate::site::log("acme"), "e1").unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_events_are_there_after_a_stop_under_load() {
    let site = Arc::new(Site::on_disk().await);
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let site = site.clone();
            tokio::spawn(async move {
                let mut kept = Vec::new();
                for index in 0..200 {
                    let id = format!("{sender}-{index}");
                    let answer = site.ask("POST /v1/events", "acme", event(&id).as_bytes()).await;
                    if answer.status == 200 {
                        kept.push(id);
                    }
                }
                kept
            })
        })
        .collect();
    let mut kept = Vec::new();
    for sender in senders {
        kept.extend(sender.await.unwrap());
    }
    let site = Arc::into_inner(site).unwrap().restart().await;
    assert_eq!(kept.len(), 800);
    for id in kept {
        assert_eq!(site.ask(&format!("GET /v1/events/{id}"), "acme", b"").await.status, 200, "{id}");
    }
}
