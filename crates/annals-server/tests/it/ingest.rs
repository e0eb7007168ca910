//! `POST /v1/events`.

use std::io::Write;

use expect_test::expect;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::site::{PATIENCE, Site, event, events};

const NDJSON: &str = "POST /v1/events\ncontent-type: application/x-ndjson";

#[tokio::test(flavor = "multi_thread")]
async fn one_object_is_stored_and_answered_with_its_place() {
    let site = Site::new().await;
    site.check(
        "POST /v1/events",
        "acme",
        &event("e1"),
        expect![[r#"
        200
        {
          "created": 1,
          "duplicate": 0,
          "rejected": 0,
          "results": [
            {
              "id": "e1",
              "leaf": "(hash)",
              "position": 0,
              "status": "created"
            }
          ]
        }
    "#]],
    )
    .await;
    site.check(
        "POST /v1/events",
        "acme",
        &event("e1"),
        expect![[r#"
        200
        {
          "created": 0,
          "duplicate": 1,
          "rejected": 0,
          "results": [
            {
              "id": "e1",
              "leaf": "(hash)",
              "position": 0,
              "status": "duplicate"
            }
          ]
        }
    "#]],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_item_costs_its_neighbours_nothing() {
    let site = Site::new().await;
    let body = format!(
        r#"[{},{{"action":"x"}},{},7,{{"action":"annals.x","actor":{{"id":"u"}}}}]"#,
        event("e1"),
        event("e2")
    );
    site.check(
        "POST /v1/events",
        "acme",
        &body,
        expect![[r#"
        422
        {
          "created": 2,
          "duplicate": 0,
          "rejected": 3,
          "results": [
            {
              "id": "e1",
              "leaf": "(hash)",
              "position": 0,
              "status": "created"
            },
            {
              "error": {
                "code": "required",
                "detail": "the event has no `actor`",
                "pointer": "/actor",
                "request_id": "r-1",
                "status": 422
              },
              "status": "rejected"
            },
            {
              "id": "e2",
              "leaf": "(hash)",
              "position": 1,
              "status": "created"
            },
            {
              "error": {
                "code": "not_object",
                "detail": "the event is a number, not an object",
                "pointer": "",
                "request_id": "r-1",
                "status": 422
              },
              "status": "rejected"
            },
            {
              "error": {
                "code": "reserved",
                "detail": "actions starting with `annals.` are annals' own",
                "pointer": "/action",
                "request_id": "r-1",
                "status": 422
              },
              "status": "rejected"
            }
          ]
        }
    "#]],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_not_json_is_a_rejected_item() {
    let site = Site::new().await;
    let body = format!("{}\n\n{{\"action\":\n{}\n", event("e1"), event("e2"));
    site.check(
        NDJSON,
        "acme",
        &body,
        expect![[r#"
        422
        {
          "created": 2,
          "duplicate": 0,
          "rejected": 1,
          "results": [
            {
              "id": "e1",
              "leaf": "(hash)",
              "position": 0,
              "status": "created"
            },
            {
              "error": {
                "code": "json",
                "detail": "the text ends at byte 10 where a value was expected",
                "pointer": "/action",
                "request_id": "r-1",
                "status": 422
              },
              "status": "rejected"
            },
            {
              "id": "e2",
              "leaf": "(hash)",
              "position": 1,
              "status": "created"
            }
          ]
        }
    "#]],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_conflicts_are_409_and_with_others_422() {
    let site = Site::new().await;
    site.post("acme", &event("e1")).await;
    let conflict = r#"{"id":"e1","action":"video.delete","actor":{"id":"u1"}}"#;
    site.check(
        "POST /v1/events",
        "acme",
        &format!("[{conflict},{}]", event("e2")),
        expect![[r#"
        409
        {
          "created": 1,
          "duplicate": 0,
          "rejected": 1,
          "results": [
            {
              "error": {
                "code": "conflict",
                "detail": "another event with this `id` is at position 0",
                "pointer": "/id",
                "request_id": "r-1",
                "status": 409
              },
              "id": "e1",
              "status": "rejected"
            },
            {
              "id": "e2",
              "leaf": "(hash)",
              "position": 1,
              "status": "created"
            }
          ]
        }
    "#]],
    )
    .await;
    let answer = site.ask("POST /v1/events", "acme", format!("[{conflict},{{}}]").as_bytes()).await;
    assert_eq!(answer.status, 422);
    let answer = site
        .ask("POST /v1/events?atomic=true", "acme", format!("[{conflict},{}]", event("e3")).as_bytes())
        .await;
    assert_eq!(answer.status, 409, "{}", answer.text());
    let codes: Vec<_> = answer.json()["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["error"]["code"].clone())
        .collect();
    assert_eq!(codes, ["conflict", "atomic"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn atomic_stores_all_or_nothing() {
    let site = Site::new().await;
    let body = format!("[{},{{\"action\":\"x\"}}]", event("e1"));
    site.check(
        "POST /v1/events?atomic=true",
        "acme",
        &body,
        expect![[r#"
        422
        {
          "created": 0,
          "duplicate": 0,
          "rejected": 2,
          "results": [
            {
              "error": {
                "code": "atomic",
                "detail": "not stored, as `atomic` was asked for and another item was rejected",
                "pointer": "",
                "request_id": "r-1",
                "status": 422
              },
              "id": "e1",
              "status": "rejected"
            },
            {
              "error": {
                "code": "required",
                "detail": "the event has no `actor`",
                "pointer": "/actor",
                "request_id": "r-1",
                "status": 422
              },
              "status": "rejected"
            }
          ]
        }
    "#]],
    )
    .await;
    assert_eq!(site.ask("GET /v1/feed", "acme", b"").await.json()["size"], 0);
    let answer = site.post("acme", &event("e1")).await;
    assert_eq!(answer["created"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_members_warn_or_with_strict_are_refused() {
    let site = Site::new().await;
    let body = r#"{"id":"e1","action":"x","actor":{"id":"u"},"colour":"red"}"#;
    site.check(
        "POST /v1/events?strict=true",
        "acme",
        body,
        expect![[r#"
        422
        {
          "created": 0,
          "duplicate": 0,
          "rejected": 1,
          "results": [
            {
              "error": {
                "code": "unknown_member",
                "detail": "the member `colour` is not known",
                "pointer": "/colour",
                "request_id": "r-1",
                "status": 422
              },
              "status": "rejected"
            }
          ]
        }
    "#]],
    )
    .await;
    site.check(
        "POST /v1/events",
        "acme",
        body,
        expect![[r#"
        200
        {
          "created": 1,
          "duplicate": 0,
          "rejected": 0,
          "results": [
            {
              "id": "e1",
              "leaf": "(hash)",
              "position": 0,
              "status": "created",
              "warnings": [
                {
                  "code": "unknown_member",
                  "detail": "the member `colour` is not known; it is kept as sent",
                  "pointer": "/colour"
                }
              ]
            }
          ]
        }
    "#]],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_concerns_the_request_is_400_and_stores_nothing() {
    let site = Site::new().await;
    let broken_array = format!("[{},", event("e1"));
    let bad_utf8 = [b"[".as_slice(), event("e1").as_bytes(), b",\"\xff\"]"].concat();
    for (head, body, status, code) in [
        ("POST /v1/events", b"".as_slice(), 415, "media_type"),
        ("POST /v1/events\ncontent-type: application/json", b"", 400, "json"),
        ("POST /v1/events", b"nonsense", 400, "json"),
        ("POST /v1/events", b"{\"action\":", 400, "json"),
        ("POST /v1/events", b"{} {}", 400, "trailing_bytes"),
        ("POST /v1/events", broken_array.as_bytes(), 400, "json"),
        ("POST /v1/events", &bad_utf8, 400, "utf8"),
        ("POST /v1/events?atomc=true", b"{}", 400, "parameter_unknown"),
        ("POST /v1/events?atomic=yes", b"{}", 400, "parameter_value"),
        ("POST /v1/events?wait=forever", b"{}", 400, "parameter_value"),
        ("POST /v1/events\ncontent-type: text/plain", b"{}", 415, "media_type"),
        ("POST /v1/events\ncontent-encoding: br", b"{}", 415, "content_encoding"),
        ("POST /v1/events\ncontent-encoding: gzip", b"{}", 400, "body_decoding"),
        ("POST /v1/events\ncontent-encoding: zstd", b"{}", 400, "body_decoding"),
        ("POST /v1/events\nidempotency-key: ", b"{}", 400, "idempotency_key"),
        ("POST /v1/events?tenant=other", b"{}", 403, "tenant_denied"),
    ] {
        let answer = site.ask(head, "acme", body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code),
            "{head}: {}",
            answer.text()
        );
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    assert_eq!(site.ask("GET /v1/feed", "acme", b"").await.json()["size"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_asks_first_is_told_before_it_sends() {
    let site = Site::new().await;
    for (key, length, status) in [("nobody", 10, "401"), ("acme", 1 << 30, "413")] {
        let mut stream = tokio::net::TcpStream::connect(site.address).await.unwrap();
        let head = format!(
            "POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nexpect: 100-continue\r\n\r\n",
            site.key(key)
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_bodies_are_taken() {
    let site = Site::new().await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(events("g", 300).as_bytes()).unwrap();
    let answer = site.ask("POST /v1/events\ncontent-encoding: gzip", "acme", &gzip.finish().unwrap()).await;
    assert_eq!(answer.json()["created"], 300);
    let zstd = zstd::encode_all(events("z", 300).as_bytes(), 3).unwrap();
    let answer = site.ask("POST /v1/events\ncontent-encoding: zstd", "acme", &zstd).await;
    assert_eq!(answer.json()["created"], 300);
    let cut = site.ask("POST /v1/events\ncontent-encoding: zstd", "acme", &zstd[..zstd.len() / 2]).await;
    assert_eq!(cut.code(), "body_decoding", "half a body is not a shorter one");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_makes_a_resend_harmless() {
    let site = Site::new().await;
    let body = r#"[{"action":"a","actor":{"id":"u"}},{"action":"b","actor":{"id":"u"}}]"#;
    let head = "POST /v1/events\nidempotency-key: k1";
    let first = site.ask(head, "acme", body.as_bytes()).await.json();
    let again = site.ask(head, "acme", body.as_bytes()).await.json();
    assert_eq!((&first["created"], &again["duplicate"]), (&2.into(), &2.into()));
    assert_eq!(first["results"][1]["id"], again["results"][1]["id"]);
    assert_eq!(first["results"][1]["leaf"], again["results"][1]["leaf"]);
    // The ids count non-empty lines, so the same events as lines are the same events.
    let lines =
        "{\"action\":\"a\",\"actor\":{\"id\":\"u\"}}\n\n{\"action\":\"b\",\"actor\":{\"id\":\"u\"}}\n";
    let as_lines = site.ask(&format!("{NDJSON}\nidempotency-key: k1"), "acme", lines.as_bytes()).await.json();
    assert_eq!(as_lines["duplicate"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_keys_events_name_their_tenant() {
    let site = Site::new().await;
    let body = r#"[{"id":"1","tenant":"acme","action":"a","actor":{"id":"u"}},{"id":"2","action":"a","actor":{"id":"u"}},
        {"id":"3","tenant":"_annals","action":"a","actor":{"id":"u"}},{"id":"4","tenant":"globex","action":"a","actor":{"id":"u"}}]"#;
    site.check(
        "POST /v1/events",
        "operator",
        body,
        expect![[r#"
        422
        {
          "created": 2,
          "duplicate": 0,
          "rejected": 2,
          "results": [
            {
              "id": "1",
              "leaf": "(hash)",
              "position": 0,
              "status": "created",
              "tenant": "acme"
            },
            {
              "error": {
                "code": "tenant_required",
                "detail": "`tenant` is missing; a platform key's events name their tenant",
                "pointer": "/tenant",
                "request_id": "r-1",
                "status": 422
              },
              "id": "2",
              "status": "rejected"
            },
            {
              "error": {
                "code": "tenant",
                "detail": "the tenant id starts with `_` or `.`, which annals keeps for itself",
                "pointer": "/tenant",
                "request_id": "r-1",
                "status": 422
              },
              "status": "rejected"
            },
            {
              "id": "4",
              "leaf": "(hash)",
              "position": 0,
              "status": "created",
              "tenant": "globex"
            }
          ]
        }
    "#]],
    )
    .await;
    let answer = site.ask("POST /v1/events?tenant=initech", "operator", event("e9").as_bytes()).await;
    assert_eq!(answer.json()["results"][0]["tenant"], "initech");
    let answer = site.ask("POST /v1/events?tenant=_annals", "operator", event("e9").as_bytes()).await;
    assert_eq!(answer.code(), "parameter_value");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_write_is_told_so() {
    let mut site = Site::new().await;
    site.make_key("reader", r#"{"tenant": "acme", "scopes": ["read"]}"#).await;
    site.check(
        "POST /v1/events",
        "reader",
        &event("e1"),
        expect![[r#"
        403
        {
          "code": "scope",
          "detail": "the key lacks the scope `write`",
          "request_id": "r-1",
          "status": 403
        }
    "#]],
    )
    .await;
    site.check(
        "POST /v1/events",
        "",
        &event("e1"),
        expect![[r#"
        401
        {
          "code": "unauthenticated",
          "detail": "send a key in the header `Authorization: Bearer annals_…`",
          "request_id": "r-1",
          "status": 401
        }
    "#]],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wait_checkpoint_brings_a_receipt_for_every_stored_event() {
    let site = Site::new().await;
    site.post("acme", &event("e0")).await;
    let body = format!("[{},{},{{}}]", event("e0"), event("e1"));
    let answer = site.ask("POST /v1/events?wait=checkpoint", "acme", body.as_bytes()).await.json();
    for (index, item) in answer["results"].as_array().unwrap()[..2].iter().enumerate() {
        let receipt = item["receipt"].as_str().unwrap();
        assert!(receipt.starts_with(&format!("c2sp.org/tlog-proof@v1\nindex {index}\n")), "{receipt}");
        assert!(receipt.contains("annals-test/t/"), "{receipt}");
    }
    assert!(answer["results"][2].get("receipt").is_none());
    let many = site.ask("POST /v1/events?wait=checkpoint", "acme", events("m", 1001).as_bytes()).await;
    assert_eq!(many.code(), "receipt_items");
    assert_eq!(site.ask("GET /v1/feed", "acme", b"").await.json()["size"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_senders_of_the_same_ids_store_each_once() {
    let site = std::sync::Arc::new(Site::new().await);
    let senders = (0..16).map(|_| {
        let site = site.clone();
        tokio::spawn(async move { site.post("acme", &events("same", 50)).await })
    });
    let mut created = 0;
    let mut places = std::collections::BTreeSet::new();
    for sender in senders.collect::<Vec<_>>() {
        let answer = sender.await.unwrap();
        created += answer["created"].as_u64().unwrap();
        let places_of_this: Vec<_> =
            answer["results"].as_array().unwrap().iter().map(|item| item["leaf"].to_string()).collect();
        places.insert(places_of_this);
    }
    assert_eq!(created, 50);
    assert_eq!(places.len(), 1, "every sender is told the same places");
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_and_conflicts_are_known_after_a_restart() {
    let site = Site::on_disk().await;
    site.post("acme", &events("e", 3)).await;
    let site = site.restart().await;
    assert_eq!(site.post("acme", &events("e", 3)).await["duplicate"], 3);
    let conflict = r#"{"id":"e-1","action":"other","actor":{"id":"u1"}}"#;
    assert_eq!(site.ask("POST /v1/events", "acme", conflict.as_bytes()).await.status, 409);
    assert_eq!(site.ask("GET /v1/feed", "acme", b"").await.json()["size"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_can_be_required_to_exist() {
    let settings = annals_server::Settings { tenants_on_write: false, ..annals_server::Settings::default() };
    let site = Site::with(settings, annals_server::Listening::default()).await;
    let answer = site.ask("POST /v1/events", "acme", event("e1").as_bytes()).await;
    assert_eq!(answer.json()["results"][0]["error"]["code"], "tenant_unknown");
    assert_eq!(site.ask("POST /v1/tenants", "operator", br#"{"id":"acme"}"#).await.status, 201);
    assert_eq!(site.post("acme", &event("e1")).await["created"], 1);
}
