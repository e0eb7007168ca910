//! Viewer tokens: what their holders see, and all that they do not.

use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::site::{Answer, PATIENCE, Site};

const PAGE: &str = "https://app.example.com";

/// What a token that hides `context.ip`, `actor.email`, `metadata.internal` and `targets.metadata` never shows.
const SECRET: &str = "secret-marker-c0ffee";

/// An event of one of three actors, of which every third is internal.
fn event(n: usize) -> Value {
    let action = ["video.update", "video.delete"][n % 2];
    json!({
        "id": format!("e{n}"), "action": action, "occurred_at": format!("2026-11-20T{:02}:{:02}:00Z", n / 60, n % 60),
        "actor": {"type": "user", "id": format!("u{}", n % 3), "email": format!("{SECRET}@example.com")},
        "context": {"ip": "203.0.113.9", "location": "Ghent"},
        "metadata": {"internal": {"deep": [SECRET, n]}, "n": n, "kind": if n.is_multiple_of(3) { "internal" } else { "open" }},
        "targets": [{"type": "video", "id": format!("v{}", n % 5), "metadata": {"note": SECRET}}],
    })
}

async fn filled() -> Site {
    // Some are sealed, some are not.
    let site = Site::sealing_each(25).await;
    let events: Vec<Value> = (0..60).map(event).collect();
    for some in events.chunks(20) {
        site.post("acme", &Value::from(some).to_string()).await;
    }
    site
}

impl Site {
    /// A token under a name that requests use.
    async fn make_token(&mut self, by: &str, name: &str, asked: &Value) -> Value {
        let made = self.ask("POST /v1/viewer-tokens", by, asked.to_string().as_bytes()).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let made = made.json();
        self.know_key(name, made["token"].as_str().unwrap());
        made
    }

    async fn refused(&self, head: &str, key: &str) -> (u16, String) {
        let answer = self.ask(head, key, b"").await;
        let code = answer.code();
        (answer.status.as_u16(), code)
    }
}

fn hiding() -> Value {
    json!({"hide": ["context.ip", "actor.email", "metadata.internal", "targets.metadata"], "export": true})
}

fn ids(page: &Value) -> Vec<String> {
    let events = page["events"].as_array().unwrap_or_else(|| panic!("no events: {page}"));
    events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// What a live feed says from its beginning, until it has told of an event, or ends.
async fn live(site: &Site, head: &str, key: &str, until: &str) -> Answer {
    let (parts, mut body) = site.open(head, key, b"").await.into_parts();
    let mut text = Vec::new();
    while let Some(frame) = tokio::time::timeout(PATIENCE, body.frame()).await.unwrap() {
        text.extend_from_slice(frame.unwrap().data_ref().unwrap());
        if String::from_utf8_lossy(&text).contains(until) {
            break;
        }
    }
    Answer { status: parts.status, headers: parts.headers, body: text.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_all_routes_a_viewer_token_opens_those_that_read_events_alone() {
    let mut site = filled().await;
    site.make_token("acme", "viewer", &json!({})).await;
    site.make_token("acme", "exporter", &json!({"export": true})).await;
    site.make_token("operator", "of platform", &json!({"tenant": "acme", "export": true})).await;
    let document = site.ask("GET /openapi.json", "", b"").await.json();
    let (mut opened, mut denied) = (Vec::new(), 0);
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["security"][0]["key"].is_null() {
                continue;
            }
            let filled = path.replace("{id}", "e4").replace("{account_id}", "acme").replace("{case}", "c");
            let head = format!("{} {}", method.to_uppercase(), filled.replace("{path}", "0/000"));
            let name = format!("{} {path}", method.to_uppercase());
            for (token, exports) in [("viewer", false), ("exporter", true), ("of platform", true)] {
                let response = site.open(&head, token, b"").await;
                let status = response.status().as_u16();
                let reads = ["GET /v1/events", "GET /v1/events/{id}", "GET /v1/summary", "GET /v1/feed/live"];
                if reads.contains(&name.as_str()) || (exports && name == "GET /v1/export") {
                    assert_eq!(status, 200, "{name} with {token}");
                    opened.push(name.clone());
                    continue;
                }
                denied += 1;
                if name == "GET /v1/session" {
                    // Its holder is nobody there: neither of a key nor of a session.
                    assert_eq!(status, 401, "{name} with {token}");
                    continue;
                }
                assert_eq!(status, 403, "{name} with {token}");
                if name.contains("/v1/") && operation["tags"][0] != "dialects" {
                    let body = response.into_body().collect().await.unwrap().to_bytes();
                    let problem: Value = serde_json::from_slice(&body).unwrap();
                    assert_eq!(problem["code"], "viewer_denied", "{name} with {token}");
                }
            }
        }
    }
    assert_eq!(opened.len(), 4 * 3 + 2, "{opened:?}");
    assert!(denied > 100, "{denied}");
    // Nor where a vendor's client shows its key otherwise.
    let token = site.key("exporter");
    for head in
        [format!("GET /v1/audit_logs\nx-api-key: {token}"), format!("GET /audit-logs?api_key={token}")]
    {
        assert!(matches!(site.ask(&head, "", b"").await.status.as_u16(), 401 | 403), "{head}");
    }
    let seen = "GET /v1/access?action=annals.access.refused&filter=metadata.viewer_token%20pr";
    site.until(seen, "acme", |answer| answer.json()["records"].as_array().unwrap().len() > 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_a_fixed_filter_holds() {
    let mut site = filled().await;
    let asked = json!({"filter": {"actor_id": ["u1", "u2"], "filter": "metadata.kind ne \"internal\" and action eq \"video.update\""}, "export": true});
    site.make_token("acme", "viewer", &asked).await;
    let is_seen = |n: &usize| !n.is_multiple_of(3) && n.is_multiple_of(2);
    let seen: Vec<String> = (0..60).filter(is_seen).map(|n| format!("e{n}")).rev().collect();
    let found = site.ask("GET /v1/events?limit=1000&total=true", "viewer", b"").await.json();
    assert_eq!((ids(&found), &found["total"]), (seen.clone(), &seen.len().into()));
    let mut walked = Vec::new();
    let mut head = "GET /v1/events?limit=7&total=true".to_owned();
    loop {
        let page = site.ask(&head, "viewer", b"").await.json();
        walked.extend(ids(&page));
        let Some(next) = page["next"].as_str() else { break };
        head = format!("GET /v1/events?cursor={next}");
    }
    assert_eq!(walked, seen);
    assert_eq!(ids(&site.ask("GET /v1/events?skip=5&limit=3", "viewer", b"").await.json()), seen[5..8]);
    for n in 0..60 {
        let status = site.ask(&format!("GET /v1/events/e{n}"), "viewer", b"").await.status.as_u16();
        assert_eq!(status, if is_seen(&n) { 200 } else { 404 }, "e{n}");
    }
    for (question, expected) in [
        ("actor_id=u0".to_owned(), 0),
        (format!("filter={}", encoded(r#"actor.id eq "u0" or not (actor.id eq "u0")"#)), seen.len()),
        (format!("filter={}", encoded("metadata.kind eq \"internal\" or id pr")), seen.len()),
        ("id=e0&id=e1&id=e2".to_owned(), 1),
        (format!("q={SECRET}"), seen.len()),
        ("mentions=internal&actor_id=u1".to_owned(), seen.len() / 2),
    ] {
        let found = site.ask(&format!("GET /v1/events?limit=1000&{question}"), "viewer", b"").await.json();
        assert_eq!(ids(&found).len(), expected, "{question}");
        let counted = site
            .ask(&format!("GET /v1/summary?by=actor.id&interval=1h&split=action&{question}"), "viewer", b"")
            .await
            .json();
        assert_eq!(counted["total"], expected, "{question}: {counted}");
        assert!(
            !counted.to_string().contains("u0") && !counted.to_string().contains("video.delete"),
            "{counted}"
        );
        let exported = site.ask(&format!("GET /v1/export?{question}"), "viewer", b"").await.text();
        assert_eq!(exported.lines().count(), expected, "{question}");
    }
    let told = live(&site, "GET /v1/feed/live?from=0", "viewer", "\"e58\"").await.text();
    let told: Vec<&str> =
        told.split("\"id\":\"e").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let mut expected: Vec<String> = seen.iter().map(|id| id[1..].to_owned()).collect();
    expected.reverse();
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_somebody_who_sees_more_leads_nowhere() {
    let mut site = filled().await;
    site.make_token("acme", "narrow", &json!({"filter": {"actor_id": "u1"}, "hide": ["context.ip"]})).await;
    site.make_token("acme", "wide", &json!({})).await;
    site.make_token("acme", "less hidden", &json!({"filter": {"actor_id": "u1"}})).await;
    let mut cursors = Vec::new();
    for (key, question) in [
        ("acme", "limit=2&total=true"),
        ("acme", "limit=2&total=true&context_ip=203.0.113.9"),
        ("acme", "limit=2&log=access"),
        ("operator", "limit=2"),
        ("wide", "limit=2&total=true"),
        ("less hidden", "limit=2&context_ip=203.0.113.9"),
    ] {
        site.ask("GET /v1/feed", "acme", b"").await;
        let head = format!("GET /v1/events?{question}");
        let page =
            site.until(&head, key, |answer| question.contains("access") || answer.status == 200).await.json();
        if let Some(next) = page["next"].as_str() {
            cursors.push((key, next.to_owned()));
        }
    }
    assert!(cursors.len() >= 5, "{cursors:?}");
    for (by, cursor) in cursors {
        let refused = site.refused(&format!("GET /v1/events?cursor={cursor}"), "narrow").await;
        assert_eq!(refused, (400, "cursor".to_owned()), "a cursor of {by}");
    }
    // One that was made anew on the same terms goes on.
    let first = site.ask("GET /v1/events?limit=2&total=true", "narrow", b"").await.json();
    site.clock.pass(Duration::from_mins(30));
    site.make_token(
        "acme",
        "narrow again",
        &json!({"filter": {"actor_id": "u1"}, "hide": ["context.ip"], "minutes": 5}),
    )
    .await;
    let head = format!("GET /v1/events?cursor={}", first["next"].as_str().unwrap());
    let second = site.ask(&head, "narrow again", b"").await.json();
    assert_eq!((ids(&second), &second["total"]), (vec!["e52".to_owned(), "e49".to_owned()], &20.into()));
    assert_eq!(site.refused(&head, "acme").await.1, "cursor", "nor does a key with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_is_in_no_answer_and_cannot_be_asked_about() {
    let mut site = filled().await;
    site.make_token("acme", "viewer", &hiding()).await;
    for head in [
        "GET /v1/events?limit=1000",
        "GET /v1/events?limit=1000\naccept: application/x-ndjson",
        "GET /v1/events/e7",
        "GET /v1/export",
        "GET /v1/export?format=csv",
        "GET /v1/export?format=csv&columns=id,context_ip,actor_email,event",
    ] {
        let whole = site.ask(head, "acme", b"").await;
        let answer = site.ask(head, "viewer", b"").await;
        if head.contains("columns") && whole.status != 200 {
            continue;
        }
        assert_eq!(answer.status, 200, "{head}: {}", answer.text());
        let text = answer.text();
        assert!(whole.text().contains(SECRET) && whole.text().contains("203.0.113.9"), "{head}");
        assert!(!text.contains(SECRET) && !text.contains("203.0.113.9"), "{head}: {text}");
        assert!(text.contains("e7"), "{head}: {text}");
    }
    let parquet = site.ask("GET /v1/export?format=parquet", "viewer", b"").await;
    assert_eq!(parquet.status, 200);
    let told = live(&site, "GET /v1/feed/live?from=0", "viewer", "\"e59\"").await.text();
    assert!(!told.contains(SECRET) && !told.contains("203.0.113.9"), "{told}");
    let shown = site.ask("GET /v1/events/e7", "viewer", b"").await.json();
    assert_eq!(shown["metadata"], json!({"kind": "open", "n": 7}));
    assert_eq!(shown["targets"], json!([{"type": "video", "id": "v2"}]));
    assert_eq!(shown["context"], json!({"location": "Ghent"}));

    let filter = |text: &str| format!("filter={}", encoded(text));
    for (question, parameter) in [
        ("context_ip=203.0.113.9".to_owned(), "context_ip"),
        ("context_ip=203.0.113.0/24&actor_id=u1".to_owned(), "context_ip"),
        ("actor_email=x".to_owned(), "actor_email"),
        (filter("context pr"), "filter"),
        (filter("metadata[not (zz pr)]"), "filter"),
        (filter("metadata.internal.deep eq 7"), "filter"),
        (filter("not (metadata.internal.deep eq 7)"), "filter"),
        (filter("metadata[internal pr]"), "filter"),
        (filter("targets[metadata.note sw \"s\"]"), "filter"),
        (filter("targets.metadata.note sw \"s\" and targets.type eq \"video\""), "filter"),
        (filter("targets pr"), "filter"),
        ("q=marker".to_owned(), "q"),
        ("mentions=c0ffee".to_owned(), "mentions"),
    ] {
        for route in ["events", "summary", "export", "feed/live"] {
            let answer = site.ask(&format!("GET /v1/{route}?{question}"), "viewer", b"").await;
            let told = (answer.status.as_u16(), answer.code(), answer.json()["parameter"].clone());
            assert_eq!(told, (403, "field_hidden".to_owned(), json!(parameter)), "{route}?{question}");
        }
    }
    for (question, parameter) in [
        ("by=context.ip", "by"),
        ("by=action&by=context_ip", "by"),
        ("by=metadata.internal.deep", "by"),
        ("by=metadata", "by"),
        ("by=targets.metadata.note", "by"),
        ("interval=1d&split=actor.email", "split"),
        ("interval=1d&split=targets.metadata.note", "split"),
    ] {
        let answer = site.ask(&format!("GET /v1/summary?{question}"), "viewer", b"").await;
        let told = (answer.status.as_u16(), answer.code(), answer.json()["parameter"].clone());
        assert_eq!(told, (403, "field_hidden".to_owned(), json!(parameter)), "{question}");
    }
    for allowed in [
        "by=metadata.kind&by=targets.id&by=context.location",
        "interval=1d&split=targets.type",
        "targets_type=video&targets_id=v2",
    ] {
        assert_eq!(
            site.ask(&format!("GET /v1/summary?{allowed}"), "viewer", b"").await.status,
            200,
            "{allowed}"
        );
    }
    let seen = "GET /v1/access?action=annals.access.refused&outcome_reason=field_hidden";
    site.until(seen, "acme", |answer| !answer.json()["records"].as_array().unwrap().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_derived_operation_is_hidden_with_the_one_that_was_sent() {
    let mut site = Site::new().await;
    site.post("acme", r#"[{"id":"sent","action":"a","operation":"delete","actor":{"id":"u"}},{"id":"derived","action":"video.delete","actor":{"id":"u"}}]"#).await;
    site.make_token("acme", "viewer", &json!({"hide": ["operation"]})).await;
    for id in ["sent", "derived"] {
        let head = format!("GET /v1/events/{id}");
        assert!(site.ask(&head, "acme", b"").await.text().contains("\"operation\":\"delete\""));
        assert!(!site.ask(&head, "viewer", b"").await.text().contains("\"operation\""), "{id}");
    }
    assert_eq!(site.refused("GET /v1/events?operation=delete", "viewer").await.1, "field_hidden");
    assert_eq!(site.refused("GET /v1/summary?by=operation", "viewer").await.1, "field_hidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_log_and_no_other_tenant_is_read_by_a_viewer_token() {
    let mut site = filled().await;
    site.make_key("globex", r#"{"tenant":"globex","scopes":["read","write"]}"#).await;
    site.post("globex", &event(1).to_string()).await;
    site.make_token("acme", "viewer", &json!({"export": true, "viewer": "Eva at Example"})).await;
    site.make_token(
        "operator",
        "of platform",
        &json!({"tenant": "acme", "export": true, "viewer": "Eva at Example"}),
    )
    .await;
    for key in ["viewer", "of platform"] {
        for route in ["events", "summary", "export"] {
            let refused = site.refused(&format!("GET /v1/{route}?log=access"), key).await;
            assert_eq!(refused, (403, "viewer_denied".to_owned()), "{route} with {key}");
        }
        for route in ["events", "events/e1", "summary", "export", "feed/live"] {
            for tenant in ["globex", "_annals"] {
                let refused = site.refused(&format!("GET /v1/{route}?tenant={tenant}"), key).await;
                assert_eq!(refused, (403, "tenant_denied".to_owned()), "{route} of {tenant} with {key}");
            }
            let answer = site.open(&format!("GET /v1/{route}?tenant=acme"), key, b"").await;
            assert_eq!(answer.status(), 200, "{route} with {key}");
        }
        let found = site.ask("GET /v1/events?limit=1", key, b"").await.text();
        assert!(!found.contains("ledger_seq") && !found.contains("\"tenant\""), "{found}");
    }
    // The tenant that was asked for learns that it was, and not for whom.
    let seen = "GET /v1/access?action=annals.access.refused";
    let records = site.until(seen, "globex", |answer| answer.json()["size"].as_u64() > Some(9)).await.text();
    assert!(!records.contains("Eva"), "{records}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_with_its_time_and_with_the_key_that_made_it() {
    let mut site = filled().await;
    let made = site.make_token("acme", "short", &json!({"minutes": 2, "origin": PAGE})).await;
    assert_eq!(made["expires_at"], "2026-11-21T10:02:00.000000Z");
    let key = site.make_key("backend", r#"{"tenant":"acme","scopes":["read"]}"#).await;
    site.make_token("backend", "of backend", &json!({"minutes": 1440})).await;
    let (token, mut body) = ("short", site.open("GET /v1/feed/live", "short", b"").await.into_body());
    body.frame().await.unwrap().unwrap();
    site.clock.pass(Duration::from_secs(119));
    assert_eq!(site.ask("GET /v1/events", token, b"").await.status, 200);
    site.clock.pass(Duration::from_secs(1));
    let ended = site.ask(&format!("GET /v1/events\norigin: {PAGE}"), token, b"").await;
    assert_eq!((ended.status.as_u16(), ended.code()), (401, "unauthenticated".to_owned()));
    assert_eq!(ended.header("access-control-allow-origin"), PAGE, "the page reads that it has ended");
    // A stream that is open ends before it tells anything more.
    site.post("acme", &event(77).to_string()).await;
    let mut rest = Vec::new();
    while let Some(frame) = tokio::time::timeout(PATIENCE, body.frame()).await.unwrap() {
        rest.extend_from_slice(frame.unwrap().data_ref().unwrap());
    }
    assert!(!String::from_utf8_lossy(&rest).contains("e77"));

    assert_eq!(site.ask("GET /v1/events", "of backend", b"").await.status, 200);
    let head = format!("DELETE /v1/keys/{}", key["id"].as_str().unwrap());
    assert_eq!(site.ask(&head, "acme", b"").await.status, 204);
    assert_eq!(site.refused("GET /v1/events", "of backend").await, (401, "unauthenticated".to_owned()));
    let site = site.restart().await;
    assert_eq!(site.refused("GET /v1/events", "of backend").await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_a_session_made_ends_with_the_session_at_the_latest() {
    let mut site = filled().await;
    let of_session = "2026-11-21T22:00:00.000000Z";
    let body = json!({"key": site.key("acme")}).to_string();
    let session = site.ask("POST /v1/session", "", body.as_bytes()).await;
    assert_eq!(session.json()["expires_at"], of_session);
    let cookie = session.header("set-cookie").split(';').next().unwrap().to_owned();
    let head = format!("POST /v1/viewer-tokens\ncookie: {cookie}\nsec-fetch-site: same-origin");
    for (minutes, end) in [(60, "2026-11-21T11:00:00.000000Z"), (1440, of_session)] {
        let made = site.ask(&head, "", json!({"minutes": minutes}).to_string().as_bytes()).await;
        assert_eq!(made.status, 201, "{}", made.text());
        assert_eq!(made.json()["expires_at"], end);
        site.know_key(end, made.json()["token"].as_str().unwrap());
    }
    site.clock.pass(Duration::from_secs(12 * 3600 - 1));
    assert_eq!(site.ask("GET /v1/events", of_session, b"").await.status, 200);
    site.clock.pass(Duration::from_secs(1));
    assert_eq!(site.refused("GET /v1/events", of_session).await, (401, "unauthenticated".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_changed_or_comes_from_elsewhere_is_none() {
    let mut site = filled().await;
    let made =
        site.make_token("acme", "viewer", &json!({"filter": {"actor_id": "u1"}, "origin": PAGE})).await;
    let token = made["token"].as_str().unwrap().to_owned();
    for at in (12..token.len()).step_by(7) {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        site.know_key(&format!("changed {at}"), &String::from_utf8(changed).unwrap());
        let answer =
            site.ask(&format!("GET /v1/events\norigin: {PAGE}"), &format!("changed {at}"), b"").await;
        assert_eq!((answer.status.as_u16(), answer.code()), (401, "unauthenticated".to_owned()), "{at}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{at}");
    }
    let elsewhere = filled().await;
    assert_eq!(elsewhere.refused("GET /v1/events", &token).await.0, 401);
    let cursor =
        site.ask("GET /v1/events?limit=1", "acme", b"").await.json()["next"].as_str().unwrap().to_owned();
    for none in ["annals_view_", "annals_view_AAAA", &format!("annals_view_{cursor}")] {
        assert_eq!(site.refused("GET /v1/events", none).await.0, 401, "{none}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_viewer_sees_stands_on_record_under_his_name() {
    let mut site = filled().await;
    let asked = json!({"filter": {"actor_id": "u1"}, "hide": ["context.ip"], "viewer": "eva@customer.example", "origin": PAGE});
    site.make_token("acme", "eva", &asked).await;
    site.make_token("acme", "bo", &json!({"viewer": "bo@customer.example"})).await;
    for key in ["eva", "bo", "eva", "bo"] {
        assert_eq!(site.ask("GET /v1/events?action=video.update", key, b"").await.status, 200);
    }
    let records = site.until("GET /v1/access", "acme", |answer| answer.json()["size"] == 4).await.json();
    let records = records["records"].as_array().unwrap().clone();
    let of = |action: &str, viewer: &str| {
        let found: Vec<&Value> = records
            .iter()
            .filter(|record| {
                record["action"] == action
                    && (record["metadata"]["viewer"] == viewer
                        || record["metadata"]["filter"]["viewer"] == viewer)
            })
            .collect();
        assert_eq!(found.len(), 1, "{action} of {viewer}: {records:?}");
        found[0].clone()
    };
    let read = of("annals.access.read", "eva@customer.example");
    assert_eq!(read["actor"]["name"], "Ana");
    assert_eq!(read["metadata"]["filter"], json!({"action": "video.update"}));
    let made = of("annals.access.delegate", "eva@customer.example");
    let told = &made["metadata"]["filter"];
    assert_eq!(
        (&told["actor_id"], &told["hide"], &told["origin"]),
        (&json!("u1"), &json!(["context.ip"]), &json!([PAGE]))
    );
    assert_eq!(told["viewer_token"], read["metadata"]["viewer_token"]);
    assert!(read["metadata"]["viewer_token"].as_str().unwrap().starts_with("view_"));
    assert_ne!(
        of("annals.access.read", "bo@customer.example")["metadata"]["viewer_token"],
        told["viewer_token"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_a_token_names_read_its_answers_and_no_others() {
    let mut site = filled().await;
    site.make_token("acme", "viewer", &json!({"origin": [PAGE, "http://localhost:5173"]})).await;
    site.make_token("acme", "of no page", &json!({})).await;
    let allowed = |answer: &Answer| answer.header("access-control-allow-origin").to_owned();
    for page in [PAGE, "http://localhost:5173"] {
        for (head, status) in
            [("events", 200), ("events/none", 404), ("events?limt=1", 400), ("keys", 403), ("summary", 200)]
        {
            let answer = site.ask(&format!("GET /v1/{head}\norigin: {page}"), "viewer", b"").await;
            assert_eq!((answer.status.as_u16(), allowed(&answer).as_str()), (status, page), "{head}");
            assert_eq!(answer.header("vary"), "origin", "{head}");
            assert!(answer.header("access-control-expose-headers").contains("annals-next"), "{head}");
            assert_eq!(answer.header("access-control-allow-credentials"), "", "{head}");
        }
        let told = live(&site, &format!("GET /v1/feed/live?from=0\norigin: {page}"), "viewer", "e59").await;
        assert_eq!(allowed(&told), page);
    }
    for (page, key) in [
        ("https://evil.example", "viewer"),
        ("https://app.example.com.evil.example", "viewer"),
        ("http://app.example.com", "viewer"),
        ("https://app.example.com:8443", "viewer"),
        ("null", "viewer"),
        (PAGE, "of no page"),
    ] {
        let answer = site.ask(&format!("GET /v1/events\norigin: {page}"), key, b"").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "origin_denied"), "{page}");
        assert_eq!(allowed(&answer), "", "{page}");
    }
    // Keys are for no page, and neither is who has none.
    for key in ["acme", "operator", ""] {
        let answer = site.ask(&format!("GET /v1/events\norigin: {PAGE}"), key, b"").await;
        assert_eq!(allowed(&answer), "", "{key}");
    }
    let none = site.ask("GET /v1/events", "viewer", b"").await;
    assert_eq!((none.status.as_u16(), allowed(&none).as_str(), none.header("vary")), (200, "", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_asks_first_is_told_of_reading_routes_alone() {
    let site = filled().await;
    let asks = |method: &str| {
        format!(
            "\norigin: {PAGE}\naccess-control-request-method: {method}\naccess-control-request-headers: authorization"
        )
    };
    for route in ["events", "events/e1", "summary", "feed/live", "export"] {
        let answer = site.ask(&format!("OPTIONS /v1/{route}{}", asks("GET")), "", b"").await;
        assert_eq!(answer.status, 204, "{route}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{route}");
        assert_eq!(answer.header("access-control-allow-methods"), "GET", "{route}");
        assert_eq!(
            answer.header("access-control-allow-headers"),
            "authorization, accept, last-event-id",
            "{route}"
        );
        assert!(!answer.header("access-control-max-age").is_empty());
        assert_eq!(answer.header("access-control-allow-credentials"), "", "{route}");
        assert!(answer.body.is_empty(), "{route}");
    }
    for route in
        ["keys", "viewer-tokens", "feed", "access", "status", "audit_logs", "bundle", "events/e1/proof"]
    {
        let answer = site.ask(&format!("OPTIONS /v1/{route}{}", asks("GET")), "", b"").await;
        assert_eq!(answer.status, 405, "{route}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{route}");
    }
    assert_eq!(site.ask("OPTIONS /v1/events", "", b"").await.status, 405, "that is no browser's question");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_cannot_be_is_told_what_is_wrong() {
    let mut site = filled().await;
    site.make_key("reader", r#"{"tenant":"acme","scopes":["read"]}"#).await;
    site.make_key("writer", r#"{"tenant":"acme","scopes":["write"]}"#).await;
    let many = json!({"filter": {"actor_id": (0..200).map(|n| format!("a-rather-long-user-id-{n}")).collect::<Vec<_>>()}});
    for (key, body, status, code, pointer) in [
        ("writer", json!({}), 403, "scope", Value::Null),
        ("reader", json!({"export": true}), 403, "scope", Value::Null),
        ("acme", json!({"tenant": "globex"}), 403, "tenant_denied", json!("/tenant")),
        ("operator", json!({}), 400, "tenant_required", json!("/tenant")),
        ("operator", json!({"tenant": "nobody"}), 404, "tenant_unknown", Value::Null),
        ("operator", json!({"tenant": "_annals"}), 400, "body_value", json!("/tenant")),
        ("acme", json!({"minutes": 0}), 400, "body_value", json!("/minutes")),
        ("acme", json!({"minutes": 1441}), 400, "body_value", json!("/minutes")),
        ("acme", json!({"origin": "https://app.example.com/"}), 400, "body_value", json!("/origin")),
        ("acme", json!({"origin": ["*"]}), 400, "body_value", json!("/origin")),
        ("acme", json!({"origin": vec![PAGE; 9]}), 400, "body_value", json!("/origin")),
        ("acme", json!({"viewer": ""}), 400, "body_value", json!("/viewer")),
        ("acme", json!({"viewer": "x".repeat(201)}), 400, "body_value", json!("/viewer")),
        ("acme", json!({"viewer": "a\nb"}), 400, "body_value", json!("/viewer")),
        ("acme", json!({"hide": ["context.ip", "id"]}), 400, "body_value", json!("/hide/1")),
        ("acme", json!({"hide": ["context.colour"]}), 400, "body_value", json!("/hide/0")),
        ("acme", json!({"filter": {"actor": "u1"}}), 400, "body_value", json!("/filter/actor")),
        ("acme", json!({"filter": {"limit": "1"}}), 400, "body_value", json!("/filter/limit")),
        ("acme", json!({"filter": {"actor_id": 5}}), 400, "body_value", json!("/filter/actor_id")),
        ("acme", json!({"filter": {"actor_id": []}}), 400, "body_value", json!("/filter/actor_id")),
        ("acme", json!({"filter": {"operation": "updat"}}), 400, "body_value", json!("/filter/operation")),
        ("acme", json!({"filter": {"filter": "actor.id eq"}}), 400, "body_value", json!("/filter/filter")),
        ("acme", json!({"filters": {}}), 400, "body_value", Value::Null),
        ("acme", many, 400, "body_value", json!("")),
    ] {
        let refused = site.ask("POST /v1/viewer-tokens", key, body.to_string().as_bytes()).await;
        let told = (refused.status.as_u16(), refused.code(), refused.json()["pointer"].clone());
        assert_eq!(told, (status, code.to_owned(), pointer), "{body}: {}", refused.text());
    }
}
