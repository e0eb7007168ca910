//! Views that people saved.

use std::time::Duration;

use serde_json::{Value, json};

use crate::site::{Answer, Site};

async fn save(site: &Site, key: &str, name: &str, query: &str, shared: bool) -> Answer {
    let body = json!({"query": query, "shared": shared}).to_string();
    site.ask(&format!("PUT /v1/views/{name}"), key, body.as_bytes()).await
}

/// Names, queries and whether they are the key's own.
async fn seen(site: &Site, key: &str) -> Vec<(String, String, bool)> {
    let answer = site.ask("GET /v1/views", key, b"").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let views = answer.json()["views"].as_array().unwrap().clone();
    let text = |view: &Value, name: &str| view[name].as_str().unwrap().to_owned();
    views.iter().map(|view| (text(view, "name"), text(view, "query"), view["own"] == true)).collect()
}

fn view(name: &str, query: &str, own: bool) -> (String, String, bool) {
    (name.to_owned(), query.to_owned(), own)
}

async fn site() -> Site {
    let mut site = Site::new().await;
    site.post("acme", &crate::site::event("e")).await;
    for (name, tenant) in
        [("colleague", r#""tenant":"acme","#), ("globex", r#""tenant":"globex","#), ("platform", "")]
    {
        site.make_key(name, &format!(r#"{{{tenant}"scopes":["read"]}}"#)).await;
    }
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_the_keys_own_or_shared_with_its_tenant_and_stay_after_a_restart() {
    let site = site().await;
    let saved = save(&site, "acme", "mine", "action=a", false).await;
    assert_eq!(saved.status, 200, "{}", saved.text());
    assert_eq!(
        (&saved.json()["name"], &saved.json()["own"], &saved.json()["saved_at"]),
        (&json!("mine"), &json!(true), &json!("2026-11-21T10:00:00.000000Z"))
    );
    save(&site, "acme", "ours", "action=b", true).await;
    save(&site, "colleague", "ours", "action=c", true).await;
    save(&site, "globex", "ours", "action=d", true).await;
    save(&site, "operator", "all%20of%20them%2F", "action=e", true).await;
    let check = async |site: &Site| {
        let acme =
            [view("mine", "action=a", true), view("ours", "action=b", true), view("ours", "action=c", false)];
        assert_eq!(seen(site, "acme").await, acme);
        assert_eq!(
            seen(site, "colleague").await,
            [view("ours", "action=c", true), view("ours", "action=b", false)]
        );
        assert_eq!(seen(site, "globex").await, [view("ours", "action=d", true)]);
        assert_eq!(seen(site, "operator").await, [view("all of them/", "action=e", true)]);
        assert_eq!(seen(site, "platform").await, [view("all of them/", "action=e", false)]);
    };
    check(&site).await;
    let site = site.restart().await;
    check(&site).await;
    // Who reads all tenants says about which one it is, and shares it with those who read that.
    save(&site, "operator", "for%20acme?tenant=acme", "action=f", true).await;
    assert_eq!(seen(&site, "acme").await[2], view("for acme", "action=f", false));
    assert_eq!(seen(&site, "operator").await.len(), 1);
    let about = site.ask("GET /v1/views?tenant=acme", "platform", b"").await.json();
    let names: Vec<&Value> = about["views"].as_array().unwrap().iter().map(|view| &view["name"]).collect();
    assert_eq!(names, ["for acme", "ours", "ours"], "{about}");
    assert_eq!(
        about["views"].as_array().unwrap().iter().filter(|view| view["by"] == "Ana").count(),
        1,
        "{about}"
    );
    for (key, tenant, code) in [("acme", "globex", "tenant_denied"), ("operator", "nobody", "tenant_unknown")]
    {
        assert_eq!(site.ask(&format!("GET /v1/views?tenant={tenant}"), key, b"").await.code(), code);
    }
    let gone = site.ask("DELETE /v1/views/for%20acme?tenant=acme", "operator", b"").await;
    assert_eq!(gone.status, 204);
    // In the place of one of the same name.
    save(&site, "acme", "mine", "action=z", true).await;
    assert_eq!(seen(&site, "acme").await[0], view("mine", "action=z", true));
    assert_eq!(seen(&site, "colleague").await.len(), 3);
    assert_eq!(site.ask("DELETE /v1/views/mine", "acme", b"").await.status, 204);
    assert_eq!(site.ask("DELETE /v1/views/mine", "acme", b"").await.code(), "view_unknown");
    assert_eq!(seen(&site, "acme").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_in_manifests_too() {
    let site = Site::sealing_each(4).await;
    save(&site, "acme", "mine", "action=a", false).await;
    for n in 0..40 {
        site.post("acme", &crate::site::event(&format!("e{n}"))).await;
    }
    site.until("GET /v1/status", "operator", |answer| answer.json()["segments"].as_u64() > Some(0)).await;
    let site = site.restart().await;
    assert_eq!(seen(&site, "acme").await, [view("mine", "action=a", true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_what_another_key_saved_but_who_may_end_it() {
    let mut site = site().await;
    save(&site, "colleague", "ours", "action=c", true).await;
    save(&site, "colleague", "own", "action=d", false).await;
    let owner = site.ask("GET /v1/views", "colleague", b"").await.json()["views"][0]["owner"]
        .as_str()
        .unwrap()
        .to_owned();
    site.make_key("third", r#"{"tenant":"acme","scopes":["read"]}"#).await;
    site.make_key("other admin", r#"{"tenant":"globex","scopes":["read","admin"]}"#).await;
    for (key, name, code) in [
        ("third", "ours", "scope"),
        ("other admin", "ours", "view_unknown"),
        ("operator", "ours", "view_unknown"),
        ("third", "own", "scope"),
    ] {
        let refused = site.ask(&format!("DELETE /v1/views/{name}?owner={owner}"), key, b"").await;
        assert_eq!(refused.code(), code, "{key} {name}");
    }
    assert_eq!(
        site.ask("DELETE /v1/views/ours", "acme", b"").await.code(),
        "view_unknown",
        "it is not acme's own"
    );
    assert_eq!(site.ask(&format!("DELETE /v1/views/ours?owner={owner}"), "acme", b"").await.status, 204);
    assert_eq!(seen(&site, "colleague").await, [view("own", "action=d", true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_administers_a_tenant_sees_and_removes_all_its_views() {
    let mut site = site().await;
    save(&site, "acme", "mine", "action=a", false).await;
    save(&site, "globex", "elsewhere", "action=b", false).await;
    save(&site, "operator", "over%20all", "action=c", false).await;
    let key = r#"{"tenant":"acme","scopes":["read"],"expires_at":"2026-11-21T11:00:00Z"}"#;
    let id = site.make_key("for an hour", key).await["id"].clone();
    assert_eq!(save(&site, "for an hour", "left", "action=d", false).await.status, 200);
    site.clock.pass(Duration::from_secs(3600));
    assert_eq!(site.ask("GET /v1/views", "for an hour", b"").await.status, 401);
    let all = async |head: &str, key: &str| {
        let answer = site.ask(head, key, b"").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let views = answer.json()["views"].as_array().unwrap().clone();
        views.into_iter().map(|view| (view["name"].clone(), view["owner"] == id)).collect::<Vec<_>>()
    };
    let of_acme = [(json!("mine"), false), (json!("left"), true)];
    assert_eq!(all("GET /v1/views?all=true", "acme").await, of_acme);
    assert_eq!(all("GET /v1/views?all=true&tenant=acme", "operator").await.len(), 2);
    assert_eq!(all("GET /v1/views?all=true", "operator").await, [(json!("over all"), false)]);
    for head in ["GET /v1/views", "GET /v1/views?all=false"] {
        assert_eq!(all(head, "acme").await, of_acme[..1], "only who asks for all is shown others' own");
    }
    for (head, key, code) in [
        ("GET /v1/views?all=true", "colleague", "scope"),
        ("GET /v1/views?all=yes", "acme", "parameter_value"),
    ] {
        assert_eq!(site.ask(head, key, b"").await.code(), code, "{head} {key}");
    }
    let head = format!("DELETE /v1/views/left?owner={}", id.as_str().unwrap());
    assert_eq!(site.ask(&head, "acme", b"").await.status, 204);
    assert_eq!(all("GET /v1/views?all=true", "acme").await, of_acme[..1]);
}

/// How many records `_annals` has.
async fn records(site: &Site) -> u64 {
    let answer = site.ask("GET /v1/checkpoint?tenant=_annals", "operator", b"").await;
    answer.text().lines().nth(1).and_then(|size| size.parse().ok()).expect("a checkpoint")
}

#[tokio::test(flavor = "multi_thread")]
async fn saving_again_what_is_saved_is_no_change_and_changes_are_so_many_a_minute() {
    let site = site().await;
    let first = save(&site, "colleague", "x", "a=0", false).await;
    let before = records(&site).await;
    site.clock.pass(Duration::from_secs(1));
    for _ in 0..100 {
        let again = save(&site, "colleague", "x", "a=0", false).await;
        assert_eq!((again.status.as_u16(), again.json()), (200, first.json()));
    }
    assert_eq!(records(&site).await, before, "nothing changed, so nothing is on record");
    assert_eq!(site.ask("DELETE /v1/views/none", "colleague", b"").await.code(), "view_unknown");
    // The first was one; that it is shared is another change, and so is that it is gone.
    assert_eq!(save(&site, "colleague", "x", "a=0", true).await.status, 200);
    assert_eq!(records(&site).await, before + 1);
    assert_eq!(site.ask("DELETE /v1/views/x", "colleague", b"").await.status, 204);
    for n in 3..60 {
        assert_eq!(save(&site, "colleague", "x", &format!("a={n}"), false).await.status, 200, "{n}");
    }
    let before = records(&site).await;
    let refused = save(&site, "colleague", "x", "a=60", false).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (429, "rate_limited".to_owned()));
    assert_eq!(refused.header("retry-after"), "59");
    let refused = site.ask("DELETE /v1/views/x", "colleague", b"").await;
    assert_eq!((refused.status.as_u16(), refused.code()), (429, "rate_limited".to_owned()));
    assert_eq!(records(&site).await, before);
    assert_eq!(save(&site, "colleague", "x", "a=59", false).await.status, 200, "it is saved already");
    assert_eq!(save(&site, "acme", "x", "a=60", false).await.status, 200, "another key");
    site.clock.pass(Duration::from_secs(59));
    assert_eq!(save(&site, "colleague", "x", "a=60", false).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn views_go_on_with_a_rotated_key_and_what_is_shared_outlives_it() {
    let mut site = site().await;
    save(&site, "colleague", "ours", "action=c", true).await;
    save(&site, "colleague", "own", "action=d", false).await;
    let id = site.ask("GET /v1/views", "colleague", b"").await.json()["views"][0]["owner"]
        .as_str()
        .unwrap()
        .to_owned();
    let rotated = site.ask(&format!("POST /v1/keys/{id}/rotate"), "acme", b"{}").await.json();
    site.know_key("new", rotated["key"].as_str().unwrap());
    assert_eq!(seen(&site, "new").await, [view("ours", "action=c", true), view("own", "action=d", true)]);
    let id = rotated["id"].as_str().unwrap();
    assert_eq!(site.ask(&format!("DELETE /v1/keys/{id}"), "acme", b"").await.status, 204);
    assert_eq!(seen(&site, "acme").await, [view("ours", "action=c", false)]);
    assert_eq!(site.ask(&format!("DELETE /v1/views/ours?owner={id}"), "acme", b"").await.status, 204);
    assert_eq!(seen(&site, "acme").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_saved_is_told_why() {
    let mut site = site().await;
    site.make_key("writer", r#"{"tenant":"acme","scopes":["write"]}"#).await;
    let long_name = "n".repeat(65);
    for (key, name, body, status, code) in [
        ("writer", "x", json!({"query": "a"}), 403, "scope"),
        ("", "x", json!({"query": "a"}), 401, "unauthenticated"),
        ("acme", long_name.as_str(), json!({"query": "a"}), 400, "parameter_value"),
        ("acme", "a%0Ab", json!({"query": "a"}), 400, "parameter_value"),
        ("acme", "x", json!({"query": "a".repeat(4097)}), 400, "body_value"),
        ("acme", "x", json!({"query": "a\nb"}), 400, "body_value"),
        ("acme", "x", json!({}), 400, "body_value"),
        ("acme", "x", json!({"query": "a", "colour": 1}), 400, "body_value"),
    ] {
        let refused = site.ask(&format!("PUT /v1/views/{name}"), key, body.to_string().as_bytes()).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (status, code), "{name} {body}");
    }
    assert_eq!(site.ask("GET /v1/views", "writer", b"").await.code(), "scope");
    for n in 0..100 {
        site.clock.pass(Duration::from_secs(1));
        assert_eq!(save(&site, "acme", &format!("v{n}"), "a", false).await.status, 200, "{n}");
    }
    let refused = save(&site, "acme", "one-more", "a", false).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (409, "views_many".to_owned()));
    assert_eq!(save(&site, "acme", "v7", "b", false).await.status, 200);
    assert_eq!(save(&site, "colleague", "one-more", "a", false).await.status, 200);
}
