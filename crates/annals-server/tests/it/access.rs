//! The access log: who read, and who tried to.

use std::time::Duration;

use expect_test::expect;
use serde_json::Value;

use crate::site::{Site, event};

/// The access log of a tenant once it has `size` records.
async fn access_log(site: &Site, tenant: &str, size: u64) -> Vec<Value> {
    let head = format!("GET /v1/access?limit=1000&tenant={tenant}");
    let answer = site.until(&head, "operator", |answer| answer.json()["size"].as_u64() >= Some(size)).await;
    answer.json()["records"].as_array().cloned().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_stands_on_record_once_a_minute() {
    let site = Site::new().await;
    site.post("acme", &event("e1")).await;
    for _ in 0..5 {
        site.ask("GET /v1/feed", "acme", b"").await;
    }
    let records = access_log(&site, "acme", 1).await;
    assert_eq!(records.len(), 1);
    site.clock.pass(Duration::from_secs(60));
    site.ask("GET /v1/feed", "acme", b"").await;
    assert_eq!(access_log(&site, "acme", 2).await.len(), 2);
    site.check(
        "GET /v1/access?limit=1",
        "acme",
        "",
        expect![[r#"
        200
        {
          "next": 1,
          "records": [
            {
              "action": "annals.access.read",
              "actor": {
                "id": "(key id)",
                "name": "Ana",
                "type": "api_key"
              },
              "category": "annals",
              "derived": {
                "occurred_at": "2026-11-21T10:00:00.000000Z"
              },
              "id": "(uuid)",
              "operation": "access",
              "outcome": {
                "result": "success"
              },
              "position": 0,
              "received_at": "2026-11-21T10:00:00.000000Z",
              "request": {
                "id": "r-1",
                "method": "GET",
                "path": "/v1/feed"
              },
              "targets": [
                {
                  "id": "acme",
                  "type": "events"
                }
              ]
            }
          ],
          "size": 2
        }
    "#]],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_filters_and_routes_are_other_records() {
    let site = Site::new().await;
    site.post("acme", &event("e1")).await;
    for head in
        ["GET /v1/feed", "GET /v1/events/e1", "GET /v1/events/e2", "GET /v1/checkpoint", "GET /v1/feed/live"]
    {
        site.open(head, "acme", b"").await;
    }
    let records = access_log(&site, "acme", 5).await;
    let mut actions: Vec<_> = records
        .iter()
        .map(|record| (record["action"].as_str().unwrap(), record["request"]["path"].as_str().unwrap()))
        .collect();
    actions.sort_unstable();
    assert_eq!(
        actions,
        [
            ("annals.access.read", "/v1/events/{id}"),
            ("annals.access.read", "/v1/events/{id}"),
            ("annals.access.read", "/v1/feed"),
            ("annals.access.read", "/v1/feed/live"),
            ("annals.access.verify", "/v1/checkpoint"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_reads_stand_on_record_with_whom_they_concern() {
    let mut site = Site::new().await;
    site.post("acme", &event("e1")).await;
    site.make_key("writer", r#"{"tenant": "acme", "scopes": ["write"]}"#).await;
    site.make_key("other", r#"{"tenant": "globex", "scopes": ["read"], "name": "somebody at globex"}"#).await;
    assert_eq!(site.ask("GET /v1/feed", "writer", b"").await.status, 403);
    assert_eq!(site.ask("GET /v1/feed?tenant=acme", "other", b"").await.status, 403);
    let records = access_log(&site, "acme", 2).await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut told: Vec<_> = records
        .iter()
        .map(|record| {
            let reason = text(&record["outcome"]["reason"]);
            (text(&record["action"]), reason, text(&record["actor"]["name"]))
        })
        .collect();
    // They are written side by side.
    told.sort();
    let refused = |reason: &str| ("annals.access.refused".to_owned(), reason.to_owned(), String::new());
    assert_eq!(
        told,
        [refused("scope"), refused("tenant_denied")],
        "nor does the tenant learn the other's names"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_of_everything_and_unknown_keys_stand_on_record_at_annals() {
    let site = Site::new().await;
    site.post("acme", &event("e1")).await;
    site.ask("GET /v1/feed", "operator", b"").await;
    site.ask("GET /v1/feed", "annals_nonsense", b"").await;
    site.ask("GET /v1/feed", "", b"").await;
    site.ask("GET /v1/access?tenant=acme", "operator", b"").await;
    let records = access_log(&site, "_annals", 4).await;
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            format!("{} {} {}", record["action"], record["actor"]["type"], record["request"]["path"])
        })
        .collect();
    for expected in [
        r#""annals.access.read" "api_key" "/v1/feed""#,
        r#""annals.access.refused" "unknown" "/v1/feed""#,
        r#""annals.access.read" "api_key" "/v1/access""#,
    ] {
        assert!(told.iter().any(|told| told == expected), "{expected} in {told:?}");
    }
    let refused = told.iter().filter(|told| told.contains("refused")).count();
    assert_eq!(refused, 1, "a flood of unknown keys is one record a minute");
    let acme = access_log(&site, "acme", 0).await;
    assert!(acme.is_empty(), "reading everything is not reading `acme`");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_of_the_feed_does_not_feed_itself() {
    let site = Site::new().await;
    let size = |answer: &crate::site::Answer| answer.json()["size"].as_u64().unwrap();
    let before = size(&site.ask("GET /v1/feed", "operator", b"").await);
    access_log(&site, "_annals", 1).await;
    assert_eq!(size(&site.ask("GET /v1/feed", "operator", b"").await), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_log_has_proofs_of_its_own() {
    let site = Site::new().await;
    site.post("acme", &event("e1")).await;
    site.ask("GET /v1/feed", "acme", b"").await;
    access_log(&site, "acme", 1).await;
    let info = site.ask("GET /v1/log?log=access", "acme", b"").await.json();
    assert!(info["origin"].as_str().unwrap().starts_with("annals-test/a/"), "{info}");
    let checkpoint = site.ask("GET /v1/checkpoint?log=access", "acme", b"").await.text();
    assert!(checkpoint.starts_with(info["origin"].as_str().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_disk_refuses_reads_go_on_and_the_gap_is_stated() {
    let site = Site::on_disk().await;
    site.post("acme", &event("e1")).await;
    site.faults.set_no_space(true);
    assert_eq!(site.ask("GET /v1/feed", "acme", b"").await.status, 200);
    site.until("GET /readyz", "", |answer| answer.status == 503).await;
    site.faults.set_no_space(false);
    site.until("GET /readyz", "", |answer| answer.status == 200).await;
    assert_eq!(site.ask("GET /v1/feed", "acme", b"").await.status, 200);
    assert_eq!(access_log(&site, "acme", 1).await.len(), 1);
    let gap = |answer: &crate::site::Answer| answer.text().contains("annals.access.gap");
    site.until("GET /v1/feed?tenant=_annals&limit=1000", "operator", gap).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_access_refuses_what_it_cannot_record() {
    let settings = annals_server::Settings { access_strict: true, ..annals_server::Settings::default() };
    let site = Site::on_disk_with(settings).await;
    site.post("acme", &event("e1")).await;
    site.faults.set_no_space(true);
    site.check(
        "GET /v1/feed",
        "acme",
        "",
        expect![[r#"
        503
        {
          "code": "access_unrecorded",
          "detail": "the read could not be put on record, and `access.strict` is set",
          "request_id": "r-1",
          "status": 503
        }
    "#]],
    )
    .await;
    let again = site.ask("GET /v1/feed", "acme", b"").await;
    assert_eq!(again.code(), "access_unrecorded", "what failed does not count as recorded");
    site.faults.set_no_space(false);
    site.until("GET /readyz", "", |answer| answer.status == 200).await;
    for _ in 0..2 {
        assert_eq!(site.ask("GET /v1/feed", "acme", b"").await.status, 200);
    }
    assert_eq!(access_log(&site, "acme", 1).await.len(), 1, "what was written counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_before_the_first_event_does_not_hide_the_one_after() {
    let site = Site::new().await;
    let polled = async {
        let poll = site.ask("GET /v1/feed?wait=30s", "acme", b"").await.json();
        assert_eq!(poll["records"].as_array().unwrap().len(), 1);
    };
    let first = async {
        assert_eq!(site.ask("GET /v1/feed", "acme", b"").await.json()["size"], 0);
        site.post("acme", &event("e1")).await;
    };
    tokio::join!(polled, first);
    site.ask("GET /v1/feed", "acme", b"").await;
    assert_eq!(access_log(&site, "acme", 1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_an_id_is_not_put_on_record() {
    let site = Site::new().await;
    site.post("acme", &event("e1")).await;
    for id in ["x".repeat(201), "%00".to_owned()] {
        for path in [format!("/v1/events/{id}"), format!("/v1/events/{id}/proof")] {
            assert_eq!(site.ask(&format!("GET {path}"), "acme", b"").await.code(), "event_unknown", "{path}");
        }
    }
    let records = access_log(&site, "acme", 2).await;
    assert!(
        records.len() == 2 && records.iter().all(|record| record.get("metadata").is_none()),
        "{records:?}"
    );
}
