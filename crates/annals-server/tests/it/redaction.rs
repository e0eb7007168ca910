//! What is taken out of events at the door, and what senders are told of.

use serde_json::{Value, json};

use crate::site::Site;

const RULES: &str = r#"{"rules":[{"pointer":"/context/ip","do":"mask"},{"pointer":"/actor/email","do":"hash"},{"pointer":"/metadata/password","do":"drop"}]}"#;

const EVENT: &str = r#"{"id":"e1","action":"user.login","actor":{"id":"u1","email":"ana@example.com"},"context":{"ip":"203.0.113.9"},"metadata":{"password":"hunter2","plan":"pro"}}"#;

async fn stored(site: &Site, id: &str) -> Value {
    site.ask(&format!("GET /v1/events/{id}"), "acme", b"").await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rules_take_is_nowhere_and_rules_outlive_a_restart() {
    let site = Site::sealing_each(4).await;
    site.post("acme", r#"{"id":"before","action":"a","actor":{"id":"u1","email":"old@example.com"}}"#).await;
    assert_eq!(site.ask("PUT /v1/redaction", "acme", RULES.as_bytes()).await.status, 200);
    let told = site.ask("GET /v1/redaction?tenant=acme", "operator", b"").await.json();
    let given: Value = serde_json::from_str(RULES).unwrap();
    assert_eq!(told, json!({"tenant": "acme", "rules": given["rules"]}));
    site.post("acme", EVENT).await;
    let event = stored(&site, "e1").await;
    assert_eq!(event["context"]["ip"], "***");
    assert_eq!(event["metadata"], json!({"plan": "pro"}));
    let hashed = event["actor"]["email"].as_str().unwrap().to_owned();
    assert!(hashed.starts_with("hash:") && hashed.len() == 37, "{hashed}");
    assert_eq!(stored(&site, "before").await["actor"]["email"], "old@example.com", "what is stored stays");
    // Sent again it is the same event, and rules change what is new only.
    assert_eq!(site.post("acme", EVENT).await["duplicate"], 1);
    // Enough for the rules to be in a manifest and out of the journal.
    for n in 0..20 {
        site.post("acme", &EVENT.replace("e1", &format!("more{n}"))).await;
    }
    let site = site.restart().await;
    site.post("acme", &EVENT.replace("e1", "later")).await;
    assert_eq!(
        stored(&site, "later").await["actor"]["email"],
        hashed.as_str(),
        "the same value, the same hash"
    );
    let found = site
        .ask(&format!("GET /v1/events?filter=actor.email%20eq%20%22{hashed}%22&limit=100"), "acme", b"")
        .await
        .json();
    assert_eq!(found["events"].as_array().unwrap().len(), 22, "{found}");
    for word in ["hunter2", "ana@example.com", "203.0.113.9"] {
        let found = site.ask(&format!("GET /v1/events?q={word}"), "acme", b"").await.json();
        assert_eq!(found["events"], json!([]), "{word}");
    }
    // Another tenant's events are its own.
    assert_eq!(site.ask("POST /v1/events?tenant=globex", "operator", EVENT.as_bytes()).await.status, 200);
    let other = site.ask("GET /v1/events/e1?tenant=globex", "operator", b"").await.json();
    assert_eq!(other["context"]["ip"], "203.0.113.9");
    // The rules are on record, and end.
    let record =
        site.ask("GET /v1/events?tenant=_annals&action=annals.redaction.set", "operator", b"").await.json();
    assert_eq!(record["events"][0]["targets"], json!([{"id": "acme", "type": "tenant"}]), "{record}");
    assert_eq!(site.ask("PUT /v1/redaction", "acme", br#"{"rules":[]}"#).await.status, 200);
    site.post("acme", &EVENT.replace("e1", "open")).await;
    assert_eq!(stored(&site, "open").await["context"]["ip"], "203.0.113.9");
    let metrics = site.ask("GET /metrics", "operator", b"").await.text();
    assert!(metrics.contains("annals_ingest_redacted_values_total 3"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_cannot_be_change_nothing_and_the_answer_names_them() {
    let site = Site::new().await;
    site.post("acme", r#"{"action":"a","actor":{"id":"u"}}"#).await;
    assert_eq!(site.ask("PUT /v1/redaction", "acme", RULES.as_bytes()).await.status, 200);
    for (body, at) in [
        (
            r#"{"rules":[{"pointer":"/context/ip","do":"mask"},{"pointer":"/id","do":"drop"}]}"#,
            "/rules/1/pointer",
        ),
        (r#"{"rules":[{"pointer":"/actor/*","do":"drop"}]}"#, "/rules/0/pointer"),
        (r#"{"rules":[{"pointer":"/reason","do":"burn"}]}"#, ""),
        (r#"{"rules":[{"pointer":"/reason"}]}"#, ""),
        (r#"{}"#, ""),
    ] {
        let answer = site.ask("PUT /v1/redaction", "acme", body.as_bytes()).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.code(), "body_value", "{body}");
        if !at.is_empty() {
            assert_eq!(answer.json()["pointer"], at, "{body}");
        }
    }
    let told = site.ask("GET /v1/redaction", "acme", b"").await.json();
    assert_eq!(told["rules"].as_array().unwrap().len(), 3, "what was in force stays in force");
    assert_eq!(site.ask("GET /v1/redaction?tenant=nobody", "operator", b"").await.code(), "tenant_unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_hashes_would_make_too_long_is_refused_and_costs_no_other_its_place() {
    let site = Site::new().await;
    site.post("acme", r#"{"action":"a","actor":{"id":"u"}}"#).await;
    let rules = r#"{"rules":[{"pointer":"/metadata/list/*","do":"hash"}]}"#;
    assert_eq!(site.ask("PUT /v1/redaction", "acme", rules.as_bytes()).await.status, 200);
    let event = |id: &str, items: usize| json!({"id": id, "action": "a", "actor": {"id": "u"}, "metadata": {"list": vec![0; items]}});
    // Each item becomes 39 bytes.
    let body = json!([event("short", 10), event("long", 10_000), event("next", 10)]).to_string();
    let answer = site.ask("POST /v1/events", "acme", body.as_bytes()).await;
    let answer = answer.json();
    assert_eq!((&answer["created"], &answer["rejected"]), (&json!(2), &json!(1)), "{answer}");
    assert_eq!(answer["results"][1]["error"]["code"], "event_bytes", "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_is_told_of_what_looks_like_a_secret_or_a_card() {
    let site = Site::new().await;
    let event =
        r#"{"action":"a","actor":{"id":"u"},"metadata":{"card":"4111 1111 1111 1111","password":"hunter2"}}"#;
    let answer = site.post("acme", event).await;
    let warnings = answer["results"][0]["warnings"].as_array().unwrap();
    let told: Vec<_> = warnings
        .iter()
        .map(|warning| (warning["code"].as_str().unwrap(), warning["pointer"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("looks_like_card", "/metadata/card"), ("looks_secret", "/metadata/password")]);
    // What a rule takes is not warned of.
    let rules = r#"{"rules":[{"pointer":"/metadata/*","do":"mask"}]}"#;
    assert_eq!(site.ask("PUT /v1/redaction", "acme", rules.as_bytes()).await.status, 200);
    assert_eq!(site.post("acme", event).await["results"][0].get("warnings"), None);
    let metrics = site.ask("GET /metrics", "operator", b"").await.text();
    assert!(metrics.contains(r#"annals_ingest_warnings_total{code="looks_secret"} 1"#), "{metrics}");
}
