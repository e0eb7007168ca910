//! Checkpoints, proofs and tiles, checked as an outsider would: with the tree crate and the public key alone.

use annals_tree::Hash;
use annals_tree::checkpoint::Checkpoint;
use annals_tree::note::{Note, VerifierKey};
use annals_tree::proof::{TlogProof, verify_consistency, verify_inclusion};
use serde_json::Value;

use crate::site::{Site, event, events};

async fn key(site: &Site) -> (VerifierKey, Value) {
    let info = site.ask("GET /v1/log", "acme", b"").await.json();
    (info["public_key"].as_str().unwrap().parse().unwrap(), info)
}

async fn checkpoint(site: &Site) -> Checkpoint {
    let (key, info) = key(site).await;
    let note = site.ask("GET /v1/checkpoint", "acme", b"").await.text();
    Checkpoint::open(&note, &key, info["origin"].as_str().unwrap()).unwrap()
}

fn hashes(proof: &Value) -> Vec<Hash> {
    proof["hashes"].as_array().unwrap().iter().map(hash).collect()
}

fn hash(value: &Value) -> Hash {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_opens_with_the_logs_key_and_covers_everything() {
    let site = Site::new().await;
    site.post("acme", &events("e", 300)).await;
    let (key, info) = key(&site).await;
    let checkpoint = site.ask("GET /v1/checkpoint", "acme", b"").await;
    assert_eq!(checkpoint.header("content-type"), "text/plain; charset=utf-8");
    let note = Note::open(&checkpoint.text(), &key).unwrap();
    let mut lines = note.text().lines();
    assert_eq!(lines.next(), info["origin"].as_str());
    assert_eq!(lines.next(), Some("300"));
    assert_eq!(site.ask("GET /v1/log/checkpoint", "acme", b"").await.body, checkpoint.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn inclusion_and_consistency_proofs_hold() {
    let site = Site::new().await;
    let first = site.post("acme", &events("e", 200)).await;
    let earlier = checkpoint(&site).await;
    site.post("acme", &events("f", 100)).await;
    let later = checkpoint(&site).await;
    assert_eq!((earlier.size, later.size), (200, 300));
    for (query, checkpoint) in [("position=7&size=200", &earlier), ("position=7", &later)] {
        let proof = site.ask(&format!("GET /v1/proofs/inclusion?{query}"), "acme", b"").await.json();
        assert_eq!(proof["leaf"], first["results"][7]["leaf"], "the acknowledgement named the leaf");
        assert_eq!(proof["size"], checkpoint.size);
        verify_inclusion(&hash(&proof["leaf"]), 7, checkpoint.size, &hashes(&proof), &checkpoint.root)
            .unwrap();
    }
    let proof = site.ask("GET /v1/proofs/consistency?from=200", "acme", b"").await.json();
    assert_eq!(proof["to"], 300);
    verify_consistency(200, &earlier.root, 300, &later.root, &hashes(&proof)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_all_that_an_outsider_needs() {
    let site = Site::new().await;
    site.post("acme", &events("e", 10)).await;
    let answer = site.ask("POST /v1/events?wait=checkpoint", "acme", event("mine").as_bytes()).await.json();
    let item = &answer["results"][0];
    let (key, info) = key(&site).await;
    let proof = TlogProof::parse(item["receipt"].as_str().unwrap()).unwrap();
    assert_eq!(proof.index, 10);
    proof.verify(&hash(&item["leaf"]), &key, info["origin"].as_str().unwrap()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_events_proof_can_be_had_later_and_at_an_earlier_checkpoint() {
    let site = Site::new().await;
    site.post("acme", &events("e", 5)).await;
    site.ask("GET /v1/checkpoint", "acme", b"").await;
    site.post("acme", &event("later")).await;
    let proof = site.ask("GET /v1/events/e-3/proof", "acme", b"").await.text();
    assert!(proof.contains("index 3\n") && proof.contains("\n6\n"), "{proof}");
    let proof = site.ask("GET /v1/events/e-3/proof?size=5", "acme", b"").await.text();
    assert!(proof.contains("index 3\n") && proof.contains("\n5\n"), "{proof}");
    for (head, status, code) in [
        ("GET /v1/events/e-3/proof?size=4", 404, "checkpoint_unknown"),
        ("GET /v1/events/none/proof", 404, "event_unknown"),
        ("GET /v1/proofs/inclusion", 400, "parameter_value"),
        ("GET /v1/proofs/inclusion?position=6", 400, "out_of_range"),
        ("GET /v1/proofs/inclusion?position=1&size=7", 400, "out_of_range"),
        ("GET /v1/proofs/consistency?from=5&to=4", 400, "out_of_range"),
        ("GET /v1/checkpoint?log=both", 400, "parameter_value"),
    ] {
        let answer = site.ask(head, "acme", b"").await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code),
            "{head}: {}",
            answer.text()
        );
    }
}

/// The leaf that an answer of `…/opening` comes to, with what the shown units make of the event.
pub(crate) fn opened(opening: &Value) -> (Hash, Vec<u8>) {
    let mut digests = Vec::new();
    let mut shown: Vec<(String, String)> = Vec::new();
    for unit in opening["units"].as_array().unwrap() {
        let text = |name: &str| unit[name].as_str().unwrap().to_owned();
        if unit["state"] == "erased" {
            digests.push(hash(&unit["digest"]));
            if let Some(name) = unit["stands_in"]["name"].as_str() {
                shown.push((name.to_owned(), unit["stands_in"]["value"].as_str().unwrap().to_owned()));
            }
            continue;
        }
        let (name, value) = (text("name"), text("value"));
        let salt = bytes(&unit["salt"]).try_into().unwrap();
        digests.push(annals_tree::unit_digest(&salt, name.as_bytes(), value.as_bytes()).unwrap());
        shown.push((name, value));
    }
    let entry = bytes(&opening["entry"]);
    let decoded = annals_tree::Entry::decode(&entry).unwrap();
    assert_eq!(decoded.commitment, annals_tree::commitment::commitment(&digests), "{opening}");
    let event = annals_event::rebuild(shown.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
    (annals_tree::leaf_hash(&entry), event.unwrap())
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_opens_an_event_comes_to_the_leaf_that_is_in_the_tree() {
    // Some are sealed, some are not.
    let site = Site::sealing_each(20).await;
    let event = |id: &str, n: usize| {
        format!(
            r#"{{"id":"{id}","action":"video.update","actor":{{"id":"u{n}","name":"Ana \u00e9"}},"context":{{"ip":"203.0.113.9","zone":1}},"metadata":{{"n":1.50,"a/b":[{n},null]}},"changes":{{"before":{{"t":"x"}},"after":{{"t":"y"}}}},"targets":[{{"id":"v"}},{{"type":"t"}}]}}"#
        )
    };
    for n in 0..30 {
        site.post("acme", &event(&format!("e{n}"), n)).await;
    }
    let root = checkpoint(&site).await;
    for id in [0, 7, 19, 20, 29] {
        let opening = site.ask(&format!("GET /v1/events/e{id}/opening"), "acme", b"").await;
        assert_eq!(opening.status, 200, "{}", opening.text());
        let opening = opening.json();
        assert_eq!(opening["position"], id);
        let (leaf, rebuilt) = opened(&opening);
        let proof = site.ask(&format!("GET /v1/proofs/inclusion?position={id}"), "acme", b"").await.json();
        assert_eq!(hash(&proof["leaf"]), leaf);
        verify_inclusion(&leaf, id, root.size, &hashes(&proof), &root.root).unwrap();
        let rebuilt: Value = serde_json::from_slice(&rebuilt).unwrap();
        let mut shown = site.ask(&format!("GET /v1/events/e{id}"), "acme", b"").await.json();
        for added in ["position", "received_at", "derived"] {
            shown.as_object_mut().unwrap().remove(added);
        }
        assert_eq!(rebuilt, shown, "what is opened is what was shown");
        let mut changed = opening.clone();
        changed["units"][1]["value"] = "\"u-other\"".into();
        assert!(
            std::panic::catch_unwind(|| opened(&changed)).is_err(),
            "another value comes to another leaf"
        );
    }
    let asked = "GET /v1/access?actor_type=api_key&request_path=/v1/events/%7Bid%7D/opening";
    let seen = site
        .until(asked, "acme", |answer| answer.json()["records"].as_array().unwrap().len() == 10)
        .await
        .json();
    let actions: Vec<&str> =
        seen["records"].as_array().unwrap().iter().map(|record| record["action"].as_str().unwrap()).collect();
    assert_eq!(actions.iter().filter(|action| **action == "annals.access.verify").count(), 5, "{actions:?}");
    assert_eq!(actions.iter().filter(|action| **action == "annals.access.read").count(), 5, "{actions:?}");
    let missing = site.ask("GET /v1/events/none/opening", "acme", b"").await;
    assert_eq!((missing.status.as_u16(), missing.code()), (404, "event_unknown".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_of_the_logs_own_is_opened_by_its_entry_alone() {
    let site = Site::new().await;
    site.post("acme", &event("e")).await;
    let hold = br#"{"tenant":"acme","everything":true,"reason":"r","owner":"o"}"#;
    assert_eq!(site.ask("POST /v1/holds", "acme", hold).await.status, 201);
    let asked = "GET /v1/events?action=annals.hold.begin";
    let found = site.until(asked, "acme", |answer| !answer.json()["events"][0].is_null()).await.json();
    let id = found["events"][0]["id"].as_str().unwrap().to_owned();
    let opening = site.ask(&format!("GET /v1/events/{id}/opening"), "acme", b"").await.json();
    assert_eq!(opening["units"], serde_json::json!([]), "{opening}");
    let entry = bytes(&opening["entry"]);
    assert_eq!(annals_tree::Entry::decode(&entry).unwrap().kind.number(), 4);
    let position = &opening["position"];
    let proof = site.ask(&format!("GET /v1/proofs/inclusion?position={position}"), "acme", b"").await.json();
    assert_eq!(hash(&proof["leaf"]), annals_tree::leaf_hash(&entry));
}

#[tokio::test(flavor = "multi_thread")]
async fn tiles_are_served_as_c2sp_has_them() {
    let site = Site::new().await;
    site.post("acme", &events("e", 300)).await;
    let full = site.ask("GET /v1/log/tile/0/000", "acme", b"").await;
    assert_eq!(
        (full.body.len(), full.header("cache-control")),
        (256 * 32, "private, max-age=31536000, immutable")
    );
    assert_eq!(site.ask("GET /v1/log/tile/0/001.p/44", "acme", b"").await.body.len(), 44 * 32);
    assert_eq!(site.ask("GET /v1/log/tile/1/000.p/1", "acme", b"").await.body.len(), 32);
    let bundle = site.ask("GET /v1/log/tile/entries/001.p/44", "acme", b"").await;
    assert_eq!(bundle.body.len(), 44 * (2 + 44));
    for path in
        ["0/001", "0/001.p/45", "entries/002", "0/1", "8/0/000", "data/000", "..%2Fcheckpoint", "0/000.p/256"]
    {
        let answer = site.ask(&format!("GET /v1/log/tile/{path}"), "acme", b"").await;
        assert_eq!(answer.code(), "tile_unknown", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_of_the_tree_may_be_kept_is_said_and_is_not_sent_twice() {
    let site = Site::new().await;
    site.post("acme", &events("e", 300)).await;
    let expected = [
        ("tile/0/000", "private, max-age=31536000, immutable"),
        ("tile/entries/000", "private, max-age=31536000, immutable"),
        ("tile/0/001.p/44", "private, max-age=3600"),
        ("tile/1/000.p/1", "private, max-age=3600"),
        ("tile/entries/001.p/44", "private, max-age=3600"),
        ("checkpoint", "private, no-cache"),
    ];
    let mut tags = Vec::new();
    for (name, keeping) in expected {
        let path = format!("GET /v1/log/{name}");
        let first = site.ask(&path, "acme", b"").await;
        let said = (first.header("cache-control"), first.header("vary"));
        assert_eq!(said, (keeping, "authorization, cookie"), "{name}");
        let tag = first.header("etag").to_owned();
        assert!(!tags.contains(&tag), "{name}");
        for (known, status) in [
            (tag.clone(), 304),
            (format!("\"other\", W/{tag}"), 304),
            ("*".to_owned(), 304),
            ("\"other\"".to_owned(), 200),
            (tag.trim_matches('"').to_owned(), 200),
        ] {
            let again = site.ask(&format!("{path}\nif-none-match: {known}"), "acme", b"").await;
            assert_eq!(again.status.as_u16(), status, "{name} {known}");
            assert_eq!((again.header("etag"), again.header("cache-control")), (tag.as_str(), keeping));
            assert_eq!(again.body.is_empty(), status == 304);
        }
        // Who may not see it does not learn that it is as it was.
        let stranger = site.ask(&format!("{path}\nif-none-match: *"), "nobody", b"").await;
        assert_eq!(stranger.status.as_u16(), 401, "{name}");
        tags.push(tag);
    }
    site.post("acme", &events("f", 1)).await;
    let known = tags.last().unwrap();
    let path = format!("GET /v1/log/checkpoint\nif-none-match: {known}");
    let grown = site.ask(&path, "acme", b"").await;
    assert_eq!(grown.status.as_u16(), 200, "a checkpoint that grew is sent");
    assert_ne!(grown.header("etag"), known);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_receipts_of_a_request_are_against_one_checkpoint_a_tenant() {
    let site = Site::new().await;
    let with = |tenant: &str, id: &str| event(id).replacen('{', &format!(r#"{{"tenant":"{tenant}","#), 1);
    let body = format!("[{},{},{}]", with("acme", "a"), with("globex", "b"), with("acme", "c"));
    let answer = site.ask("POST /v1/events?wait=checkpoint", "operator", body.as_bytes()).await.json();
    let receipt =
        |index: usize| TlogProof::parse(answer["results"][index]["receipt"].as_str().unwrap()).unwrap();
    assert_eq!(receipt(0).checkpoint, receipt(2).checkpoint);
    assert_ne!(receipt(0).checkpoint, receipt(1).checkpoint);
    let (key, info) = key(&site).await;
    for index in [0, 2] {
        let leaf = hash(&answer["results"][index]["leaf"]);
        receipt(index).verify(&leaf, &key, info["origin"].as_str().unwrap()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_a_tenant_exists_is_not_told_without_the_scope() {
    let mut site = Site::new().await;
    site.make_key("reader", r#"{"scopes":["read"]}"#).await;
    assert_eq!(site.ask("GET /v1/log?tenant=nobody", "reader", b"").await.code(), "scope");
    assert_eq!(site.ask("GET /v1/log?tenant=nobody", "operator", b"").await.code(), "tenant_unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_need_the_scope_verify() {
    let mut site = Site::new().await;
    site.post("acme", &event("e1")).await;
    site.make_key("reader", r#"{"tenant":"acme","scopes":["read"]}"#).await;
    for path in [
        "/v1/checkpoint",
        "/v1/log",
        "/v1/log/checkpoint",
        "/v1/log/tile/0/000.p/1",
        "/v1/proofs/inclusion?position=0",
        "/v1/proofs/consistency?from=1",
        "/v1/events/e1/proof",
    ] {
        assert_eq!(site.ask(&format!("GET {path}"), "reader", b"").await.code(), "scope", "{path}");
        let all = site.ask(&format!("GET {path}"), "operator", b"").await;
        assert_eq!(all.code(), "tenant_required", "{path}");
    }
}
