//! Tenants and keys.

use std::time::Duration;

use expect_test::expect;

use crate::site::{Site, event};

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_made_once_and_listed() {
    let site = Site::new().await;
    let make = |id: &str| format!(r#"{{"id":"{id}"}}"#);
    assert_eq!(site.ask("POST /v1/tenants", "operator", make("b").as_bytes()).await.status, 201);
    assert_eq!(site.ask("POST /v1/tenants", "operator", make("b").as_bytes()).await.status, 200);
    assert_eq!(site.ask("POST /v1/tenants", "operator", make("a").as_bytes()).await.status, 201);
    site.post("acme", &event("e1")).await;
    let page = site.ask("GET /v1/tenants?limit=2", "operator", b"").await.json();
    assert_eq!(page["next"], "a", "{page}");
    site.check(
        "GET /v1/tenants?after=a",
        "operator",
        "",
        expect![[r#"
        200
        {
          "next": null,
          "tenants": [
            {
              "id": "acme",
              "size": 1
            },
            {
              "id": "b",
              "size": 0
            }
          ]
        }
    "#]],
    )
    .await;
    let own = site.ask("GET /v1/tenants", "acme", b"").await.json();
    assert_eq!(own["tenants"].as_array().unwrap().len(), 1, "a tenant's key sees its own: {own}");
    for (body, code) in [
        (r#"{"id":"_x"}"#, "body_value"),
        (r#"{"id":"a b"}"#, "body_value"),
        ("{}", "body_value"),
        ("{", "json"),
        (r#"{"id":"x","name":"y"}"#, "body_value"),
    ] {
        assert_eq!(site.ask("POST /v1/tenants", "operator", body.as_bytes()).await.code(), code, "{body}");
    }
    assert_eq!(site.ask("POST /v1/tenants", "acme", make("c").as_bytes()).await.code(), "platform_only");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_and_does_what_it_may() {
    let mut site = Site::new().await;
    let made = site.make_key("reader", r#"{"tenant":"acme","scopes":["read","read"],"dialects":["frameio"],"name":"Ana's laptop","expires_at":"2026-11-21T11:00:00+00:00"}"#).await;
    let mut told = made.clone();
    told["key"] = "…".into();
    told["id"] = "…".into();
    expect![[r#"
        {
          "dialects": [
            "frameio"
          ],
          "expires_at": "2026-11-21T11:00:00.000000Z",
          "id": "…",
          "key": "…",
          "name": "Ana's laptop",
          "operator": false,
          "scopes": [
            "read"
          ],
          "tenant": "acme"
        }"#]]
    .assert_eq(&format!("{told:#}"));
    assert!(made["key"].as_str().unwrap().starts_with("annals_"));
    let listed = site.ask("GET /v1/keys?tenant=acme", "operator", b"").await.text();
    assert!(listed.contains("Ana's laptop") && !listed.contains(made["key"].as_str().unwrap()));
    assert_eq!(site.ask("GET /v1/feed", "reader", b"").await.status, 200);
    assert_eq!(site.ask("POST /v1/events", "reader", event("e").as_bytes()).await.code(), "scope");
    site.clock.pass(Duration::from_secs(3600));
    assert_eq!(site.ask("GET /v1/feed", "reader", b"").await.code(), "unauthenticated", "it expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_key_is_taken_too() {
    let site = Site::new().await;
    let head = format!("GET /v1/feed\nauthorization: {}", site.key("acme"));
    assert_eq!(site.ask(&head, "", b"").await.status, 200);
    for wrong in ["Basic abc", "Bearer annals_short", "annals_", "Bearer"] {
        let answer = site.ask(&format!("GET /v1/feed\nauthorization: {wrong}"), "", b"").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("www-authenticate")),
            (401, "Bearer realm=\"annals\""),
            "{wrong}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_cannot_give_what_it_does_not_have() {
    let mut site = Site::new().await;
    site.make_key("small", r#"{"tenant":"acme","scopes":["admin","read"]}"#).await;
    site.make_key("big", r#"{"tenant":"acme","scopes":["admin","write"]}"#).await;
    let other = site.make_key("other", r#"{"tenant":"globex","scopes":["read"]}"#).await;
    let big = site.ask("GET /v1/keys?tenant=acme&limit=1000", "operator", b"").await.json();
    let big = big["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["scopes"] == serde_json::json!(["write", "admin"]))
        .unwrap()["id"]
        .clone();
    let big = big.as_str().unwrap();
    let other = other["id"].as_str().unwrap();
    for (head, body, status, code) in [
        ("POST /v1/keys".to_owned(), r#"{"scopes":["write"]}"#, 403, "rights_exceeded"),
        ("POST /v1/keys".to_owned(), r#"{"scopes":["read"],"tenant":"globex"}"#, 403, "rights_exceeded"),
        (format!("POST /v1/keys/{big}/rotate"), "", 403, "rights_exceeded"),
        (format!("DELETE /v1/keys/{big}"), "", 403, "rights_exceeded"),
        (format!("DELETE /v1/keys/{other}"), "", 404, "key_unknown"),
        (format!("POST /v1/keys/{other}/rotate"), "", 404, "key_unknown"),
        ("GET /v1/keys?tenant=globex".to_owned(), "", 403, "tenant_denied"),
        ("POST /v1/clock/confirm".to_owned(), "", 403, "platform_only"),
        ("GET /v1/status".to_owned(), "", 403, "platform_only"),
    ] {
        let answer = site.ask(&head, "small", body.as_bytes()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{head} {body}");
    }
    site.make_key("maker", r#"{"tenant":"acme","scopes":["admin"],"dialects":["frameio"]}"#).await;
    let other_dialect = site.ask("POST /v1/keys", "maker", br#"{"scopes":[],"dialects":["okta"]}"#).await;
    assert_eq!(other_dialect.code(), "rights_exceeded", "a dialect is a way to read");
    site.make_key_as("maker", "same", r#"{"scopes":[],"dialects":["frameio"]}"#).await;
    site.make_key_as("small", "reads anyhow", r#"{"scopes":[],"dialects":["okta"]}"#).await;
    let own = site.make_key_as("small", "mine", r#"{"scopes":["read"]}"#).await;
    assert_eq!(own["tenant"], "acme", "a tenant's key makes keys for its tenant");
    let seen = site.ask("GET /v1/keys", "small", b"").await.text();
    assert!(!seen.contains(other), "nor does it see others' keys");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_goes_on_for_its_overlap() {
    let mut site = Site::new().await;
    let made = site.make_key("old", r#"{"tenant":"acme","scopes":["read"],"name":"poller"}"#).await;
    let head = format!("POST /v1/keys/{}/rotate", made["id"].as_str().unwrap());
    let new = site.ask(&head, "operator", br#"{"overlap":"2h"}"#).await;
    assert_eq!(new.status, 201, "{}", new.text());
    let new = new.json();
    assert_eq!((&new["name"], &new["scopes"]), (&made["name"], &made["scopes"]));
    site.know_key("new", new["key"].as_str().unwrap());
    for (key, status) in [("old", 200), ("new", 200)] {
        assert_eq!(site.ask("GET /v1/feed", key, b"").await.status, status);
    }
    site.clock.pass(Duration::from_secs(2 * 3600));
    for (key, status) in [("old", 401), ("new", 200)] {
        assert_eq!(site.ask("GET /v1/feed", key, b"").await.status, status);
    }
    assert_eq!(site.ask(&head, "operator", b"").await.code(), "key_unknown", "an ended key has no successor");
    let bad = format!("POST /v1/keys/{}/rotate", new["id"].as_str().unwrap());
    assert_eq!(site.ask(&bad, "operator", br#"{"overlap":"2"}"#).await.code(), "body_value");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_key_is_refused_at_once_and_after_a_restart() {
    let mut site = Site::on_disk().await;
    let made = site.make_key("gone", r#"{"tenant":"acme","scopes":["read"]}"#).await;
    let head = format!("DELETE /v1/keys/{}", made["id"].as_str().unwrap());
    assert_eq!(site.ask(&head, "operator", b"").await.status, 204);
    assert_eq!(site.ask("GET /v1/feed", "gone", b"").await.status, 401);
    assert_eq!(site.ask(&head, "operator", b"").await.status, 404);
    let site = site.restart().await;
    assert_eq!(site.ask("GET /v1/feed", "gone", b"").await.status, 401);
    assert_eq!(site.ask("GET /v1/feed", "acme", b"").await.status, 200);
    let control = site.ask("GET /v1/feed?tenant=_annals&limit=1000", "operator", b"").await.text();
    assert!(control.contains("annals.key.end"), "the change is itself on record");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_key_are_checked() {
    let site = Site::new().await;
    for (body, pointer) in [
        (r#"{"scopes":[]}"#, "/scopes"),
        (r#"{"scopes":["read"],"tenant":"_annals"}"#, "/tenant"),
        (r#"{"scopes":["read"],"expires_at":"2026-11-21T10:00:00Z"}"#, "/expires_at"),
        (r#"{"scopes":["read"],"expires_at":"tomorrow"}"#, "/expires_at"),
        (r#"{"scopes":["read"],"dialects":["Frame IO"]}"#, "/dialects"),
        (r#"{"scopes":["read"],"name":"a\u0000b"}"#, "/name"),
    ] {
        let answer = site.ask("POST /v1/keys", "operator", body.as_bytes()).await.json();
        assert_eq!(
            (&answer["code"], &answer["pointer"]),
            (&"body_value".into(), &pointer.into()),
            "{body}: {answer}"
        );
    }
    for body in [r#"{"scopes":["everything"]}"#, r#"{"scope":["read"]}"#, "{}"] {
        assert_eq!(
            site.ask("POST /v1/keys", "operator", body.as_bytes()).await.code(),
            "body_value",
            "{body}"
        );
    }
}
