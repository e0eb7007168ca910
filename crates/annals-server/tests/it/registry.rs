//! The registry of all logs, and reading again, as they go on beside a server.

use std::time::{Duration, Instant};

use annals_bundle::{Hex, Registry, RegistryError};
use annals_server::{Listening, Scrubbing, Settings};
use annals_tree::checkpoint::Checkpoint;
use annals_tree::note::VerifierKey;
use serde_json::Value;

use crate::site::{PATIENCE, Site, events};

/// Asks until the answer is what is wanted.
async fn until(site: &Site, line: &str, key: &str, wanted: impl Fn(&Value, u16) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let answer = site.ask(line, key, b"").await;
        let (status, body) = (answer.status.as_u16(), answer.json());
        if wanted(&body, status) {
            return body;
        }
        assert!(began.elapsed() < PATIENCE, "{status} {body}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn hashes(list: &Value) -> Vec<Hex<32>> {
    serde_json::from_value(list.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_is_shown_to_extend_what_the_registry_says() {
    let settings = Settings { register_every: Some(Duration::from_millis(100)), ..Settings::default() };
    let site = Site::with(settings, Listening::default()).await;
    site.post("acme", &events("e", 20)).await;
    let first = until(&site, "GET /v1/registry/proof", "acme", |_, status| status == 200).await;
    site.post("acme", &events("f", 30)).await;
    let second = until(&site, "GET /v1/registry/proof", "acme", |proof, status| {
        status == 200 && proof["position"] != first["position"]
    })
    .await;
    let info = site.ask("GET /v1/log", "acme", b"").await.json();
    let key: VerifierKey = info["public_key"].as_str().unwrap().parse().unwrap();
    for (proof, size) in [(&first, 20), (&second, 50)] {
        let note = proof["log_checkpoint"].as_str().unwrap();
        let checkpoint = Checkpoint::open(note, &key, info["origin"].as_str().unwrap()).unwrap();
        let registry_key: VerifierKey = proof["public_key"].as_str().unwrap().parse().unwrap();
        let registry = Registry {
            origin: proof["origin"].as_str().unwrap().to_owned(),
            entry: proof["entry"].as_str().unwrap().to_owned(),
            position: proof["position"].as_u64().unwrap(),
            hashes: hashes(&proof["hashes"]),
            checkpoint: proof["checkpoint"].as_str().unwrap().to_owned(),
            consistency: hashes(&proof["consistency"]),
        };
        let (_, registered) = registry.verify(&checkpoint, &registry_key).unwrap();
        assert_eq!((registered, checkpoint.size), (size, size));

        let other = Checkpoint { root: annals_tree::leaf_hash(b"other"), ..checkpoint.clone() };
        let refused = registry.verify(&other, &registry_key);
        assert!(matches!(refused, Err(RegistryError::Consistency { .. })), "{refused:?}");
        let other = Checkpoint { origin: registry.origin.clone(), ..checkpoint.clone() };
        assert_eq!(registry.verify(&other, &registry_key), Err(RegistryError::OtherLog));
        let id = &registry.origin[registry.origin.rfind("/t/").unwrap()..];
        for elsewhere in [format!("other.example{id}"), "annals-test/registry".to_owned()] {
            let moved = Registry { origin: elsewhere.clone(), ..registry.clone() };
            let key = registry_key.with_name(&elsewhere).unwrap();
            assert_eq!(moved.verify(&checkpoint, &key), Err(RegistryError::OtherLedger));
        }
        let mut moved = registry.clone();
        moved.position += 1;
        let refused = moved.verify(&checkpoint, &registry_key);
        assert!(matches!(refused, Err(RegistryError::Inclusion(_))), "{refused:?}");
        let mut changed = registry.clone();
        let last = changed.entry.len() - 1;
        changed.entry.replace_range(last.., "0");
        assert!(changed.verify(&checkpoint, &registry_key).is_err());
    }
    assert_eq!(site.ask("GET /v1/registry/proof?tenant=acme", "operator", b"").await.status.as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_not_registered_yet_is_said_to_be_so() {
    let site = Site::new().await;
    site.post("acme", &events("e", 2)).await;
    let answer = site.ask("GET /v1/registry/proof", "acme", b"").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (404, &Value::from("head_unknown")));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_read_again_and_that_is_on_record() {
    let scrubbing = Scrubbing { records_per_second: 1_000_000, every: Duration::from_millis(50) };
    let settings = Settings { scrubbing: Some(scrubbing), ..Settings::default() };
    let site = Site::with(settings, Listening::default()).await;
    site.post("acme", &events("e", 700)).await;
    let status = until(&site, "GET /v1/status", "operator", |status, _| {
        status["scrub"]["passes"].as_u64() > Some(1) && status["scrub"]["of"].as_u64() >= Some(700)
    })
    .await;
    assert_eq!(
        (&status["scrub"]["findings"], &status["scrub"]["found"]),
        (&0.into(), &Value::Array(Vec::new()))
    );
    let line = "GET /v1/events?tenant=_annals&action=annals.scrub.end";
    let ended = until(&site, line, "operator", |found, _| found["events"][0].is_object()).await;
    assert_eq!(ended["events"][0]["metadata"]["control"]["findings"], 0);
}
