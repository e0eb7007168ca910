//! Health, metrics, status.

use expect_test::expect;

use crate::site::{Site, event};

#[tokio::test(flavor = "multi_thread")]
async fn health_needs_no_key() {
    let site = Site::new().await;
    site.check(
        "GET /healthz",
        "",
        "",
        expect![[r#"
        200
        {
          "status": "alive"
        }
    "#]],
    )
    .await;
    site.check(
        "GET /readyz",
        "",
        "",
        expect![[r#"
        200
        {
          "checks": {
            "clock": {
              "ok": true
            },
            "journal": {
              "ok": true
            },
            "ledger": {
              "ok": true
            },
            "segments": {
              "ok": true
            },
            "serving": {
              "ok": true
            },
            "signer": {
              "ok": true
            }
          },
          "ready": true
        }
    "#]],
    )
    .await;
    site.check(
        "GET /version",
        "",
        "",
        expect![[r#"
        200
        {
          "name": "annals",
          "version": "1.2.3"
        }
    "#]],
    )
    .await;
    assert_eq!(site.ask("GET /openapi.json", "", b"").await.json()["openapi"], "3.1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_says_what_there_is() {
    let site = Site::new().await;
    site.post("acme", &event("e1")).await;
    let mut status = site.ask("GET /v1/status", "operator", b"").await.json();
    status["memory_bytes"] = "…".into();
    let since = status["tail_since"].take();
    assert!(since.as_str().is_some_and(|since| since.ends_with('Z')), "{since}");
    status["tail_since"] = "…".into();
    expect![[r#"
        {
          "damaged_segments": [],
          "journal_batches": 5,
          "ledger": "annals-test",
          "ledger_key": "annals-test+c5342435+AW56HN0psLeP0Tr0xVmP7/TvKpcWbjym8uT7/M2AUFvx",
          "memory_bytes": "…",
          "merging": false,
          "queue_batches": 0,
          "queue_bytes": 0,
          "readiness": {
            "checks": {
              "clock": {
                "ok": true
              },
              "journal": {
                "ok": true
              },
              "ledger": {
                "ok": true
              },
              "segments": {
                "ok": true
              },
              "serving": {
                "ok": true
              },
              "signer": {
                "ok": true
              }
            },
            "ready": true
          },
          "records": 5,
          "sealing": false,
          "segment_bytes": 0,
          "segments": 0,
          "segments_damaged": 0,
          "tail_records": 5,
          "tail_since": "…",
          "tenants": 2,
          "version": "1.2.3"
        }"#]]
    .assert_eq(&format!("{status:#}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_happened_and_name_nobody() {
    let site = Site::new().await;
    site.post("acme", &event("e1")).await;
    site.post("acme", &event("e1")).await;
    site.ask("POST /v1/events", "acme", b"[{}]").await;
    site.ask("GET /v1/feed", "nobody", b"").await;
    let answer = site.ask("GET /metrics", "", b"").await;
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    let text = answer.text();
    for line in [
        r#"annals_ingest_items_total{result="created"} 1"#,
        r#"annals_ingest_items_total{result="duplicate"} 1"#,
        r#"annals_ingest_items_total{result="rejected"} 1"#,
        r#"annals_ingest_refusals_total{code="required"} 1"#,
        r#"annals_http_problems_total{code="unauthenticated"} 1"#,
        r#"annals_http_requests_total{method="POST",route="/v1/events",status="200"} 2"#,
        r#"annals_build_info{version="1.2.3"} 1"#,
        "annals_ready 1",
    ] {
        assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
    }
    for name in [
        "annals_journal_append_seconds_count",
        "annals_ledger_apply_seconds_count",
        "annals_tail_bytes",
        "annals_tail_records",
        "annals_segments 0",
        "annals_segments_bytes 0",
        "annals_segments_sealed_records_total 0",
        "annals_segments_merged_records_total 0",
        "annals_segments_seal_seconds_count 0",
        "annals_segments_merge_seconds_count 0",
        "annals_queue_bytes",
        "annals_http_connections",
        "annals_http_request_seconds_bucket",
    ] {
        assert!(text.contains(name), "{name}");
    }
    assert!(!text.contains("acme"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_in_the_reference() {
    let site = Site::new().await;
    site.post("acme", &event("e1")).await;
    let documented = include_str!("../../../../docs/reference/metrics.md");
    let text = site.ask("GET /metrics", "", b"").await.text();
    for name in
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).filter_map(|line| line.split(' ').next())
    {
        assert!(documented.contains(&format!("`{name}")), "{name} is not in docs/reference/metrics.md");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_of_the_clock_refuses_events_until_it_returns_or_is_confirmed() {
    let site = Site::new().await;
    site.clock.jump(2 * 3600);
    let refused = site.ask("POST /v1/events", "acme", event("e1").as_bytes()).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "clock"));
    assert!(!refused.header("retry-after").is_empty());
    site.check(
        "GET /readyz",
        "",
        "",
        expect![[r#"
        503
        {
          "checks": {
            "clock": {
              "ok": false,
              "reason": "jumped by 7200 s; set it right, or confirm it with POST /v1/clock/confirm"
            },
            "journal": {
              "ok": true
            },
            "ledger": {
              "ok": true
            },
            "segments": {
              "ok": true
            },
            "serving": {
              "ok": true
            },
            "signer": {
              "ok": true
            }
          },
          "ready": false
        }
    "#]],
    )
    .await;
    assert_eq!(site.ask("GET /v1/feed", "acme", b"").await.status, 200, "reads go on");
    site.clock.jump(-2 * 3600);
    site.post("acme", &event("e1")).await;
    site.clock.jump(-2 * 3600);
    assert_eq!(site.ask("POST /v1/events", "acme", event("e2").as_bytes()).await.status, 503);
    site.check(
        "POST /v1/clock/confirm",
        "operator",
        "",
        expect![[r#"
        200
        {
          "confirmed": true
        }
    "#]],
    )
    .await;
    site.post("acme", &event("e2")).await;
    assert_eq!(site.ask("POST /v1/clock/confirm", "operator", b"").await.json()["confirmed"], false);
    let page = site.ask("GET /v1/feed", "acme", b"").await.json();
    let times: Vec<_> = page["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["received_at"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted(), "times never fall: {times:?}");
}
