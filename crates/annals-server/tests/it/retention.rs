//! How long records are kept: rules, holds, what would be gone, and how a tenant ends.

use std::time::Duration;

use annals_bundle::{Expiry, Lifecycle};
use annals_event::{Position, TenantId};
use annals_ledger::{FeedScope, LogKind, TenantLog};
use annals_server::{Listening, Settings};
use annals_tree::entry::{Entry, EntryKind};
use serde_json::{Value, json};

use crate::site::{Site, settings};

const HOUR: Duration = Duration::from_secs(3_600);

/// A server on which what is due expires soon.
async fn expiring() -> Site {
    let settings = Settings { expire_every: Some(Duration::from_millis(30)), ..settings() };
    Site::with(settings, Listening::default()).await
}

fn event(id: &str, action: &str, category: &str) -> String {
    json!({"id": id, "action": action, "category": category, "actor": {"id": "u1"}}).to_string()
}

async fn put(site: &Site, rules: Value) -> Value {
    let body = json!({"rules": rules}).to_string();
    let answer = site.ask("PUT /v1/retention", "acme", body.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn hold(site: &Site, key: &str, body: Value) -> String {
    let answer = site.ask("POST /v1/holds", key, body.to_string().as_bytes()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

fn acme() -> TenantLog {
    TenantLog { tenant: TenantId::new("acme").unwrap(), kind: LogKind::Tenant }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_goes_and_verifiers_take_what_the_log_says_of_it() {
    let site = expiring().await;
    site.post("acme", &event("before", "a", "x")).await;
    let rules = json!([
        {"name": "all", "keep": "2h"},
        {"name": "logins", "keep": "90d", "action": "user.login"},
        {"name": "reads", "keep": "36h", "log": "access"},
    ]);
    let told = put(&site, rules).await;
    assert_eq!(
        told["rules"][1],
        json!({"name": "logins", "keep": "90d", "action": "user.login", "log": "events"})
    );
    assert_eq!(
        told["classes"][2],
        json!({"class": 3, "name": "reads", "keep": "36h", "then": null, "in_force": true})
    );
    for (id, action) in [("e1", "video.play"), ("e2", "user.login"), ("e3", "video.stop")] {
        site.post("acme", &event(id, action, "x")).await;
    }
    let preview = |hours: u64| {
        let at = annals_event::Timestamp::from_micros(
            site.ledger.clock().now().as_micros() + i64::try_from(hours).unwrap() * 3_600_000_000,
        );
        format!("GET /v1/retention/preview?at={}", at.unwrap())
    };
    let would = site.ask(&preview(3), "acme", b"").await.json();
    assert_eq!(
        (&would["classes"][0]["name"], &would["classes"][0]["records"]),
        (&json!("all"), &json!(2)),
        "{would}"
    );
    assert_eq!(would["partial"], false);
    site.clock.pass(HOUR);
    assert_eq!(site.ask("GET /v1/events/e1", "acme", b"").await.status, 200);
    site.clock.pass(HOUR + Duration::from_secs(1));
    site.until("GET /v1/events/e1", "acme", |answer| answer.status == 404).await;
    site.until("GET /v1/events/e3", "acme", |answer| answer.status == 404).await;
    for id in ["before", "e2"] {
        assert_eq!(site.ask(&format!("GET /v1/events/{id}"), "acme", b"").await.status, 200, "{id}");
    }
    let found = site.ask("GET /v1/events?filter=actor.id%20eq%20%22u1%22", "acme", b"").await.json();
    assert_eq!(found["events"].as_array().unwrap().len(), 2, "{found}");
    let metrics = site.ask("GET /metrics", "operator", b"").await.text();
    assert!(metrics.contains("annals_retention_expired_records_total 2"), "{metrics}");

    // What the entries say, as verifiers read them.
    let stated = site.ledger.feed(&FeedScope::Log(acme()), 0, 100).unwrap().unwrap().records;
    let mut lifecycle = Lifecycle::default();
    let mut runs = Vec::new();
    for record in stated.iter().filter(|record| record.stated.is_some()) {
        let bytes = site.ledger.entry(&acme(), record.position).unwrap().unwrap().bytes;
        let entry = Entry::decode(&bytes).unwrap();
        lifecycle.add(record.position.0, &bytes, &entry).unwrap();
        if entry.kind == EntryKind::Expiry {
            let body: Value = serde_json::from_slice(&entry.body).unwrap();
            let expiry: Expiry = serde_json::from_value(body["metadata"].clone()).unwrap();
            assert_eq!(expiry.class, 1);
            assert!(expiry.cutoff_ms + 2 * 3_600_000 <= entry.received_at_ms);
            runs.extend(expiry.runs);
        }
    }
    let positions: Vec<u64> = runs.iter().flat_map(|(first, last)| *first..=*last).collect();
    assert_eq!(positions.len(), 2);
    for position in positions {
        let entry = site.ledger.entry(&acme(), Position(position)).unwrap().unwrap();
        assert_eq!(Entry::decode(&entry.bytes).unwrap().class, 1, "the entry stays what it was");
    }
    // The rules are on record.
    let record =
        site.ask("GET /v1/events?tenant=_annals&action=annals.retention.set", "operator", b"").await.json();
    assert_eq!(record["events"][0]["targets"], json!([{"id": "acme", "type": "tenant"}]), "{record}");
    let site = site.restart().await;
    assert_eq!(site.ask("GET /v1/events/e1", "acme", b"").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_cannot_be_change_nothing_and_the_answer_says_why() {
    let site = Site::new().await;
    site.post("acme", &event("e", "a", "x")).await;
    put(&site, json!([{"name": "all", "keep": "90d"}])).await;
    for (rules, at, told) in [
        (json!([{"name": "all", "keep": "59m"}]), "/rules/0/keep", "less than an hour"),
        (json!([{"name": "all", "keep": "90m"}]), "/rules/0/keep", "whole hours"),
        (json!([{"name": "all", "keep": "ever"}]), "/rules/0/keep", "such as `36h`"),
        (json!([{"name": "all", "keep": "200000d"}]), "/rules/0/keep", "100 years"),
        (json!([{"name": "A b", "keep": "1d"}]), "/rules/0/name", "name"),
        (
            json!([{"name": "a", "keep": "1d"}, {"name": "b", "keep": "2d"}]),
            "/rules/1/action",
            "the same records",
        ),
        (
            json!([{"name": "a", "keep": "1d"}, {"name": "a", "keep": "2d", "action": "x"}]),
            "/rules/1/name",
            "called",
        ),
        (json!([{"name": "a", "keep": "1d", "action": ""}]), "/rules/0/action", "1 to"),
        (json!([{"name": "a", "keep": "1d", "actor": "x"}]), "", "actor"),
    ] {
        let body = json!({"rules": rules}).to_string();
        let answer = site.ask("PUT /v1/retention", "acme", body.as_bytes()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "body_value"), "{body}");
        let problem = answer.json();
        assert!(problem["detail"].as_str().unwrap().contains(told), "{problem}");
        if !at.is_empty() {
            assert_eq!(problem["pointer"], at, "{problem}");
        }
    }
    let told = site.ask("GET /v1/retention", "acme", b"").await.json();
    assert_eq!(told["rules"], json!([{"name": "all", "keep": "90d", "log": "events"}]));
    // A shorter period comes later, a longer one at once.
    let told = put(&site, json!([{"name": "all", "keep": "30d"}])).await;
    assert_eq!(
        (&told["classes"][0]["keep"], &told["classes"][0]["then"]["keep"]),
        (&json!("90d"), &json!("30d"))
    );
    assert_eq!(told["classes"][0]["then"]["from"], "2026-11-28T10:00:00.000000Z");
    let told = put(&site, json!([{"name": "all", "keep": "91d"}])).await;
    assert_eq!((&told["classes"][0]["keep"], &told["classes"][0]["then"]), (&json!("91d"), &Value::Null));
    let told = put(&site, json!([])).await;
    assert_eq!((&told["rules"], &told["classes"][0]["in_force"]), (&json!([]), &json!(false)));
    for (tenant, code) in [("nobody", "tenant_unknown"), ("_annals", "tenant_own")] {
        let head = format!("PUT /v1/retention?tenant={tenant}");
        assert_eq!(site.ask(&head, "operator", br#"{"rules":[]}"#).await.code(), code);
    }
    for (query, told) in [("at=2020-01-01", "in the past"), ("at=soon", "must be a day"), ("", "is missing")]
    {
        let answer = site.ask(&format!("GET /v1/retention/preview?{query}"), "acme", b"").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "parameter_value"), "{query}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(told), "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_stays_is_foreseen_and_goes_when_it_is_released() {
    let site = expiring().await;
    site.post("acme", &event("before", "a", "x")).await;
    put(&site, json!([{"name": "all", "keep": "1h"}])).await;
    site.post("acme", &event("e1", "a", "x")).await;
    site.post("acme", &event("e2", "a", "y")).await;
    let good = json!({"tenant": "acme", "filter": "category eq \"y\"", "reason": "case 7", "owner": "legal"});
    for (member, value, code, at) in [
        ("reason", json!(" "), "body_value", "/reason"),
        ("owner", Value::Null, "body_value", ""),
        ("filter", json!("category eq"), "filter", "/filter"),
        ("filter", json!("actor.colour eq \"y\""), "filter", "/filter"),
        ("everything", json!(true), "body_value", "/filter"),
        ("tenant", json!("nobody"), "tenant_unknown", ""),
        ("tenant", json!("_annals"), "tenant_own", ""),
    ] {
        let mut body = good.clone();
        body[member] = value;
        let answer = site.ask("POST /v1/holds", "operator", body.to_string().as_bytes()).await;
        assert_eq!(answer.code(), code, "{body}: {}", answer.text());
        if !at.is_empty() {
            assert_eq!(answer.json()["pointer"], at, "{body}");
        }
    }
    for lacks in ["reason", "owner"] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(lacks);
        let answer = site.ask("POST /v1/holds", "operator", body.to_string().as_bytes()).await;
        assert_eq!(answer.json()["pointer"], format!("/{lacks}"));
    }
    assert_eq!(site.ask("GET /v1/holds", "acme", b"").await.json(), json!({"holds": []}));
    let id = hold(&site, "operator", good).await;
    let listed = site.ask("GET /v1/holds", "acme", b"").await.json();
    assert_eq!((&listed["holds"][0]["id"], &listed["holds"][0]["owner"]), (&json!(id), &json!("legal")));
    let would = site.ask("GET /v1/retention/preview?at=2027-01-01", "acme", b"").await.json();
    assert_eq!(would["classes"][0]["records"], 1, "{would}");
    assert_eq!(
        (&would["classes"][0]["held"], &would["holds"][0]),
        (&json!(1), &json!({"id": id, "records": 1}))
    );
    site.clock.pass(HOUR + HOUR);
    site.until("GET /v1/events/e1", "acme", |answer| answer.status == 404).await;
    site.until("GET /metrics", "operator", |answer| {
        answer.text().contains("annals_retention_held_records 1")
    })
    .await;
    assert_eq!(site.ask("GET /v1/events/e2", "acme", b"").await.status, 200);
    let release = format!("DELETE /v1/holds/{id}");
    assert_eq!(site.ask(&release, "acme", b"").await.code(), "platform_only", "it is the platform's");
    assert_eq!(site.ask(&format!("{release}?tenant=acme"), "operator", b"").await.status, 204);
    site.until("GET /v1/events/e2", "acme", |answer| answer.status == 404).await;
    assert_eq!(site.ask(&format!("{release}?tenant=acme"), "operator", b"").await.code(), "hold_unknown");
    let own = hold(&site, "acme", json!({"everything": true, "reason": "r", "owner": "o"})).await;
    assert_eq!(site.ask(&format!("DELETE /v1/holds/{own}"), "acme", b"").await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_ends_with_its_keys_and_records_and_says_so() {
    let site = expiring().await;
    site.post("acme", &event("e1", "a", "x")).await;
    assert_eq!(site.ask("GET /v1/events", "acme", b"").await.status, 200);
    site.until("GET /v1/access?limit=1", "acme", |answer| answer.json()["size"] != 0).await;
    let end = "POST /v1/tenants/acme/end";
    assert_eq!(site.ask(end, "acme", b"").await.code(), "platform_only");
    let id =
        hold(&site, "operator", json!({"tenant": "acme", "everything": true, "reason": "r", "owner": "o"}))
            .await;
    let held = site.ask(end, "operator", b"").await;
    assert_eq!((held.status.as_u16(), held.code().as_str()), (409, "tenant_held"));
    assert!(held.json()["detail"].as_str().unwrap().contains(&id));
    assert_eq!(site.ask(&format!("DELETE /v1/holds/{id}?tenant=acme"), "operator", b"").await.status, 204);
    let ended = site.ask(end, "operator", b"").await;
    assert_eq!(ended.status, 200, "{}", ended.text());
    assert_eq!(ended.json()["ended_at"], "2026-11-21T10:00:00.000000Z");
    for (head, body, code) in [
        (end, "", "tenant_ended"),
        ("POST /v1/tenants/_annals/end", "", "tenant_own"),
        ("POST /v1/tenants/nobody/end", "", "tenant_unknown"),
        ("POST /v1/tenants", r#"{"id":"acme"}"#, "tenant_ended"),
        ("POST /v1/keys", r#"{"tenant":"acme","scopes":["read"]}"#, "tenant_ended"),
        ("PUT /v1/retention?tenant=acme", r#"{"rules":[]}"#, "tenant_ended"),
        ("POST /v1/holds", r#"{"tenant":"acme","everything":true,"reason":"r","owner":"o"}"#, "tenant_ended"),
    ] {
        assert_eq!(site.ask(head, "operator", body.as_bytes()).await.code(), code, "{head}");
    }
    assert_eq!(site.ask("GET /v1/events", "acme", b"").await.code(), "unauthenticated", "its keys ended");
    let sent =
        site.ask("POST /v1/events?tenant=acme", "operator", event("e2", "a", "x").as_bytes()).await.json();
    assert_eq!(sent["results"][0]["error"]["code"], "tenant_ended", "{sent}");
    site.clock.pass(Duration::from_secs(1));
    site.until("GET /v1/events/e1?tenant=acme", "operator", |answer| answer.status == 404).await;
    let told = site.ask("GET /v1/retention?tenant=acme", "operator", b"").await.json();
    assert_eq!(told["ended_at"], "2026-11-21T10:00:00.000000Z");
    let registry = "GET /v1/events?tenant=_registry&action=annals.registry.end";
    let said = site
        .until(registry, "operator", |answer| {
            answer.json()["events"].as_array().is_some_and(|all| all.len() == 2)
        })
        .await;
    assert!(!said.text().contains("acme"), "the registry names no customer");
    let site = site.restart().await;
    assert_eq!(site.ask(end, "operator", b"").await.code(), "tenant_ended");
    assert_eq!(site.ask("GET /v1/events/e1?tenant=acme", "operator", b"").await.status, 404);
}
