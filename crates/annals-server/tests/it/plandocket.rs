//! PlanDocket: what one answer of the corpus cannot show.

use annals_dialects::plandocket::{PlanDocket, Timestamps};
use annals_dialects::{Bounds, Dialects, Mount};
use annals_server::{Listening, Settings};
use serde_json::Value;

use crate::replay;
use crate::site::{Site, event, settings};

fn with(dialects: Dialects) -> Settings {
    Settings { dialects, ..settings() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_corpus_of_plandocket_is_answered_byte_for_byte() {
    let site = replay::site("plandocket", settings()).await;
    replay::check(&site, "plandocket", 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn times_may_be_seconds() {
    let plandocket = PlanDocket { timestamps: Timestamps::Epoch, ..PlanDocket::default() };
    let site = Site::with(with(Dialects { plandocket, ..Dialects::default() }), Listening::default()).await;
    site.post("acme", r#"{"id":"e","occurred_at":"2026-11-21T10:00:00.9Z","action":"a","actor":{"id":"1"}}"#)
        .await;
    let one = site.ask("GET /api/v1/audit-log/1", "acme", b"").await.json();
    assert_eq!(
        (&one["data"]["created_at"], &one["data"]["updated_at"]),
        (&1_795_255_200.into(), &1_795_255_200.into())
    );
    assert_eq!(one["meta"], serde_json::json!({"request_id": "req_r-1"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_label_of_the_host_is_the_tenant() {
    // The host of all requests here is `annals.example.com`.
    let mounts = vec![Mount::parse("*.example.com * plandocket").unwrap()];
    let mut site = Site::new().await;
    site.make_key("annals", r#"{"tenant": "annals", "scopes": ["write", "read"]}"#).await;
    site.post("annals", &event("e1")).await;
    let site = site.restart_with(with(Dialects { mounts, ..Dialects::default() })).await;
    let own = site.ask("GET /api/v1/audit-log", "annals", b"").await;
    assert_eq!((own.status.as_u16(), own.json()["meta"]["total"].as_u64()), (200, Some(1)), "{}", own.text());
    let named = site.ask("GET /api/v1/audit-log", "operator", b"").await;
    assert_eq!(named.text(), own.text(), "the host names the tenant of a platform key");
    assert_eq!(site.ask("GET /v1/events", "acme", b"").await.status, 404, "nothing else is at this host");
    let denied = site.ask("GET /api/v1/audit-log", "acme", b"").await;
    assert_eq!(
        (denied.status.as_u16(), denied.json()["error"].is_string()),
        (403, true),
        "{}",
        denied.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_the_query_stands_in_no_record_and_no_link() {
    let site = Site::new().await;
    site.post("acme", &event("e1")).await;
    let secret = site.key("acme");
    let page = site.ask(&format!("GET /api/v1/audit-log?api_key={secret}&action=none"), "", b"").await;
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(!page.text().contains(&secret));
    let has = |answer: &crate::site::Answer| {
        answer.json()["records"].as_array().is_some_and(|records| !records.is_empty())
    };
    let access = site.until("GET /v1/access?tenant=acme", "operator", has).await;
    assert!(!access.text().contains(&secret), "{}", access.text());
    let record: Value = access.json()["records"][0].clone();
    assert_eq!(record["request"]["path"], "/api/v1/audit-log");
    assert_eq!(record["metadata"]["filter"], serde_json::json!({"action": "none"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_vendors_limits_a_key_has_a_thousand_requests_an_hour() {
    let bounds = [("plandocket", Bounds { vendors_limits: true, ..Bounds::default() })].into();
    let site = Site::with(with(Dialects { bounds, ..Dialects::default() }), Listening::default()).await;
    site.post("acme", &event("e1")).await;
    for _ in 0..1_000 {
        let answer = site.ask("GET /api/v1/audit-log/1", "acme", b"").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let refused = site.ask("GET /api/v1/audit-log", "acme", b"").await;
    assert_eq!(
        (refused.status.as_u16(), refused.text()),
        (429, r#"{"error":"Rate limit exceeded"}"#.to_owned())
    );
    assert!((1..=3_600).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    assert_eq!(
        site.ask("GET /v1/events", "acme", b"").await.status,
        200,
        "only the vendor's API is limited so"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_garbage_makes_a_list_fail() {
    let site = replay::site("plandocket", settings()).await;
    let names = [
        "action",
        "entity_type",
        "admin_id",
        "date_from",
        "date_to",
        "search",
        "page",
        "per_page",
        "limit",
        "sort",
        "order",
        "as_of",
        "tenant",
        "colour",
    ];
    let long = "9".repeat(20_000);
    let values =
        ["", "%00", "%FF%FE", "-1", "1e9", "%F0%9F%92%A9", "'%20OR%201=1--", "..%2F..", "null", "[]", &long];
    for name in names {
        for value in values {
            let answer =
                site.ask(&format!("GET /api/v1/audit-log?{name}={value}&{name}={value}"), "acme", b"").await;
            assert!(matches!(answer.status.as_u16(), 200 | 403 | 422), "{name}={value}: {}", answer.text());
            if answer.status == 422 && name != "colour" {
                let errors = answer.json()["errors"].clone();
                let named = if name == "limit" { "per_page" } else { name };
                assert!(errors[named][0].is_string(), "{name}={value}: {}", answer.text());
            }
        }
    }
    for id in ["%00", "..", "a%2Fb", "1%20", "%2B1", &long[..2_000]] {
        let answer = site.ask(&format!("GET /api/v1/audit-log/{id}"), "acme", b"").await;
        assert_eq!(answer.status, 404, "{id}: {}", answer.text());
    }
}
