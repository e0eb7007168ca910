//! Cases of erasure over HTTP: asked for, approved, carried out by the server itself.

use serde_json::{Value, json};

use crate::site::Site;

fn event(n: usize) -> String {
    let (id, mail) =
        if n.is_multiple_of(5) { ("usr_17", "ada@example.com") } else { ("usr_2", "bo@example.com") };
    let words = if n == 7 { "asked by ada@example.com, at once" } else { "nothing" };
    let target = if n == 8 { "usr_17" } else { "vid_1" };
    json!({
        "id": format!("e{n}"), "action": "video.update", "description": words,
        "actor": {"type": "user", "id": id, "email": mail}, "context": {"ip": "203.0.113.9"},
        "targets": [{"type": "video", "id": target}],
    })
    .to_string()
}

async fn case_at(site: &Site, case: &str, stage: &str) -> Value {
    let head = format!("GET /v1/erasures/{case}?tenant=acme");
    site.until(&head, "operator", |answer| answer.json()["stage"] == stage).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_is_read_by_nobody_and_every_step_is_answered() {
    let mut site = Site::sealing_each(16).await;
    site.make_key("second", r#"{"tenant":"acme","scopes":["admin"]}"#).await;
    site.make_key("other", r#"{"tenant":"globex","scopes":["admin"]}"#).await;
    for n in 0..40 {
        site.post("acme", &event(n)).await;
    }
    site.ask("POST /v1/events?tenant=globex", "operator", event(0).as_bytes()).await;
    let checkpoint = site.ask("GET /v1/log/tile/entries/000.p/40", "acme", b"").await.body;
    let ask = async |body: Value| {
        site.ask("POST /v1/erasures?tenant=acme", "operator", body.to_string().as_bytes()).await
    };

    // What is wrong is told, and nothing begins.
    for (body, code, at) in [
        (json!({"values": []}), "body_value", "/values"),
        (json!({"values": ["x"]}), "body_value", "/values"),
        (json!({"values": ["usr_17"], "reason": ""}), "body_value", "/reason"),
        (json!({"values": ["usr_17"], "reason": "usr_17 wants it", "text": "keep"}), "body_value", "/reason"),
        (json!({"values": ["nobody at all"], "reason": "r"}), "body_value", "/values"),
        (json!({"values": ["ada@example.com"], "reason": "r"}), "body_value", "/text"),
    ] {
        let answer = ask(body.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (400, code),
            "{body}: {}",
            answer.text()
        );
        assert_eq!(answer.json()["pointer"], at, "{body}");
    }
    assert_eq!(site.ask("GET /v1/erasures", "operator", b"").await.json(), json!({"erasures": []}));
    let preview = ask(json!({"values": ["usr_17"], "dry_run": true})).await.json();
    assert_eq!((&preview["records"], &preview["also_known_as"]), (&json!(9), &json!(["ada@example.com"])));

    let body = json!({"values": ["usr_17", "ADA@example.com"], "text": "erase", "reason": "request 4711"});
    let begun = ask(body).await;
    assert_eq!(begun.status, 201, "{}", begun.text());
    let case = begun.json()["case"].as_str().unwrap().to_owned();
    assert_eq!(
        (&begun.json()["stage"], &begun.json()["approvals_required"]),
        (&json!("requested"), &json!(2))
    );
    let approve = format!("POST /v1/erasures/{case}/approve?tenant=acme");
    assert_eq!(site.ask(&approve, "operator", b"").await.code(), "erasure_state", "the same key twice");
    let of_another = format!("POST /v1/erasures/{case}/approve");
    assert_eq!(site.ask(&of_another, "other", b"").await.code(), "erasure_unknown", "another tenant's");
    assert_eq!(site.ask(&of_another, "second", b"").await.status, 200);
    let done = case_at(&site, &case, "done").await;
    assert_eq!((&done["took"]["records"], &done["values"]), (&json!(10), &Value::Null), "{done}");
    let withdraw = format!("POST /v1/erasures/{case}/withdraw?tenant=acme");
    assert_eq!(site.ask(&withdraw, "operator", b"").await.code(), "erasure_state");

    for what in ["actor_id=usr_17", "mentions=ada%40example.com", "q=ada", "targets_id=usr_17"] {
        let found = site.ask(&format!("GET /v1/events?{what}"), "acme", b"").await.json();
        assert_eq!(found["events"], json!([]), "{what}");
    }
    let event = site.ask("GET /v1/events/e0", "acme", b"").await.json();
    assert!(event["actor"]["id"].as_str().unwrap().starts_with("erased-"), "{event}");
    assert_eq!((&event["actor"]["email"], &event["context"]), (&Value::Null, &Value::Null), "{event}");
    assert_eq!(event["derived"]["erased"].as_array().unwrap().len(), 1, "{event}");
    let opening = site.ask("GET /v1/events/e0/opening", "acme", b"").await.json();
    let (leaf, rebuilt) = crate::prove::opened(&opening);
    let proof = site.ask("GET /v1/proofs/inclusion?position=0", "acme", b"").await.json();
    assert_eq!(proof["leaf"], leaf.to_string(), "{opening}");
    assert_eq!(serde_json::from_slice::<Value>(&rebuilt).unwrap()["actor"], event["actor"], "{opening}");
    let gone = opening["units"].as_array().unwrap().iter().find(|unit| unit["state"] == "erased").unwrap();
    assert_eq!((&gone["by"], &gone["value"]), (&event["derived"]["erased"][0], &Value::Null), "{opening}");
    let by_vendor = site.ask("GET /v1/audit_logs/e0", "acme", b"").await.json();
    assert_eq!(by_vendor["actor"]["id"], event["actor"]["id"], "{by_vendor}");
    assert_eq!(site.ask("GET /v1/log/tile/entries/000.p/40", "acme", b"").await.body, checkpoint);
    let elsewhere = site.ask("GET /v1/events?tenant=globex&actor_id=usr_17", "operator", b"").await.json();
    assert_eq!(elsewhere["events"].as_array().unwrap().len(), 1, "another tenant's records stay");
    assert_eq!(site.post("acme", &self::event(0)).await["duplicate"], 1, "nothing comes back");

    let site = site.restart().await;
    assert_eq!(case_at(&site, &case, "done").await["reason"], "request 4711");
    let found = site.ask("GET /v1/events?actor_id=usr_17", "acme", b"").await.json();
    assert_eq!(found["events"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_stays_and_a_case_can_be_withdrawn() {
    let site = Site::sealing_each(16).await;
    for n in 0..20 {
        site.post("acme", &event(n)).await;
    }
    let hold =
        json!({"tenant": "acme", "reason": "case 7", "owner": "legal", "everything": true}).to_string();
    let held = site.ask("POST /v1/holds", "operator", hold.as_bytes()).await;
    assert!(held.status.is_success(), "{}", held.text());
    let body = json!({"values": ["usr_17"], "text": "keep", "reason": "r"}).to_string();
    let refused = site.ask("POST /v1/erasures?tenant=acme", "operator", body.as_bytes()).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("are held"), "{}", refused.text());
    let hold = held.json();
    let id =
        hold["id"].as_str().or(hold["hold"]["id"].as_str()).unwrap_or_else(|| panic!("{hold}")).to_owned();
    let released = site.ask(&format!("DELETE /v1/holds/{id}?tenant=acme"), "operator", b"").await;
    assert!(released.status.is_success(), "{}", released.text());
    let begun = site.ask("POST /v1/erasures?tenant=acme", "operator", body.as_bytes()).await.json();
    let case = begun["case"].as_str().unwrap_or_else(|| panic!("{begun}"));
    let withdrawn =
        site.ask(&format!("POST /v1/erasures/{case}/withdraw?tenant=acme"), "operator", b"").await;
    assert_eq!(withdrawn.json()["stage"], "withdrawn");
    let found = site.ask("GET /v1/events?actor_id=usr_17", "acme", b"").await.json();
    assert_eq!(found["events"].as_array().unwrap().len(), 4);
}
