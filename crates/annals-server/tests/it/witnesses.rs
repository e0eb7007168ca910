//! Witnesses that are honest, away, slow, forgetful or lying, and what the server makes of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals_server::{Listening, Settings, WitnessAddress, Witnessing};
use annals_tree::cosignature::{Cosigner, Quorum, WitnessKey};
use annals_tree::note::{Note, SigningKey, VerifierKey};
use annals_tree::signer::VolatileMemory;
use annals_tree::witness::{AddCheckpoint, Logs, Refusal, Witness};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::site::{Site, events, settings};

/// How a fake witness behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Honest,
    /// Never answers.
    Silent,
    Failing,
    /// Cosigns something else.
    Forging,
    /// Claims to have seen more than there is.
    Boasting,
    /// Says again and again that it is elsewhere.
    Stubborn,
    /// Answers without end.
    Endless,
}

struct Fake {
    url: String,
    key: WitnessKey,
    inner: Arc<Inner>,
}

struct Inner {
    mood: Mutex<Mood>,
    witness: Mutex<Option<Witness<VolatileMemory>>>,
    seed: u8,
    asked: Mutex<Vec<AddCheckpoint>>,
}

fn cosigner(seed: u8) -> Cosigner {
    Cosigner::from_seed(&format!("witness.example/{seed}"), &[seed; 32]).unwrap()
}

impl Fake {
    async fn start(seed: u8) -> Self {
        let inner = Arc::new(Inner {
            mood: Mutex::new(Mood::Honest),
            witness: Mutex::default(),
            seed,
            asked: Mutex::default(),
        });
        let router = Router::new().route("/w/add-checkpoint", post(answer)).with_state(inner.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/w/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let router = router.clone();
                let service =
                    hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                        tower_oneshot(router.clone(), request)
                    });
                tokio::spawn(async move {
                    let io = hyper_util::rt::TokioIo::new(stream);
                    drop(hyper::server::conn::http1::Builder::new().serve_connection(io, service).await);
                });
            }
        });
        Self { url, key: cosigner(seed).witness_key(), inner }
    }

    fn feels(&self, mood: Mood) {
        *self.inner.mood.lock().unwrap() = mood;
    }

    fn address(&self) -> WitnessAddress {
        WitnessAddress { url: self.url.clone(), key: self.key.clone() }
    }

    /// The old sizes it was asked from, of the log `acme`.
    async fn asked(&self, site: &Site) -> Vec<u64> {
        let info = site.ask("GET /v1/log", "acme", b"").await.json();
        let origin = info["origin"].as_str().unwrap();
        let asked = self.inner.asked.lock().unwrap();
        let of_log = asked.iter().filter(|asked| asked.checkpoint.starts_with(origin));
        of_log.map(|asked| asked.old_size).collect()
    }

    /// Forgets all that it cosigned.
    fn forget(&self) {
        *self.inner.witness.lock().unwrap() = None;
    }
}

async fn tower_oneshot(
    router: Router,
    request: hyper::Request<hyper::body::Incoming>,
) -> Result<Response, std::convert::Infallible> {
    tower::ServiceExt::oneshot(router, request.map(axum::body::Body::new)).await
}

async fn answer(State(inner): State<Arc<Inner>>, body: String) -> Response {
    let request = AddCheckpoint::parse(&body).unwrap();
    inner.asked.lock().unwrap().push(request.clone());
    let mood = *inner.mood.lock().unwrap();
    let size =
        |size: u64| (StatusCode::CONFLICT, [("content-type", "text/x.tlog.size")], format!("{size}\n"));
    match mood {
        Mood::Honest => {}
        Mood::Silent => std::future::pending().await,
        Mood::Failing => return (StatusCode::INTERNAL_SERVER_ERROR, "no\u{7} disk").into_response(),
        Mood::Forging => {
            let other = cosigner(inner.seed).cosign("another\n1\nAAAA\n", 1_000);
            return other.into_response();
        }
        Mood::Boasting => return size(1_000_000).into_response(),
        Mood::Stubborn => return size(request.old_size.saturating_sub(1)).into_response(),
        Mood::Endless => return "x".repeat(300 << 10).into_response(),
    }
    let mut witness = inner.witness.lock().unwrap();
    let witness = witness.get_or_insert_with(|| {
        // The key of every test site.
        let key = SigningKey::from_seed("annals-test", &[5; 32]).unwrap().verifier_key();
        Witness::new(cosigner(inner.seed), Logs::default().with_ledgers([key]), VolatileMemory::default())
    });
    match witness.add(&request, 1_795_255_200) {
        Ok(line) => line.into_response(),
        Err(Refusal::Conflict { cosigned, .. }) => size(cosigned).into_response(),
        Err(Refusal::OtherRoot { size: cosigned }) => size(cosigned).into_response(),
        Err(refusal) => (StatusCode::UNPROCESSABLE_ENTITY, refusal.to_string()).into_response(),
    }
}

/// A server with these witnesses, `quorum` of which must cosign.
async fn site(witnesses: &[&Fake], quorum: usize) -> Site {
    let witnessing = witnessing(witnesses, quorum);
    let site =
        Site::with(Settings { witnessing: Some(witnessing), ..settings() }, Listening::default()).await;
    // The log of the control plane is submitted at the start.
    while status(&site).await["logs"] == 0 {
        tokio::task::yield_now().await;
    }
    site
}

fn witnessing(witnesses: &[&Fake], quorum: usize) -> Witnessing {
    Witnessing {
        registry_only: false,
        witnesses: witnesses.iter().map(|fake| fake.address()).collect(),
        quorum,
        // After the start only what is asked for is submitted, at once.
        every: Duration::from_hours(1),
        asked_every: Duration::ZERO,
        answer_max: Duration::from_secs(3),
    }
}

/// Which of the witnesses cosigned the note of a log whose key this is, and its size.
fn counted(note: &str, key: &VerifierKey, witnesses: &[&Fake]) -> (u64, Vec<bool>) {
    let note = Note::open(note, key).unwrap();
    let size = note.text().lines().nth(1).unwrap().parse().unwrap();
    let quorum = Quorum::new(witnesses.iter().map(|fake| fake.key.clone()).collect(), 1).unwrap();
    (size, quorum.count(&note, key).each.iter().map(Result::is_ok).collect())
}

/// What `?cosigned=true` gives: the size, and for each witness whether it cosigned.
async fn cosigned(site: &Site, witnesses: &[&Fake]) -> (u64, Vec<bool>) {
    let info = site.ask("GET /v1/log", "acme", b"").await.json();
    let key: VerifierKey = info["public_key"].as_str().unwrap().parse().unwrap();
    let text = site.ask("GET /v1/checkpoint?cosigned=true", "acme", b"").await.text();
    counted(&text, &key, witnesses)
}

async fn status(site: &Site) -> Value {
    site.ask("GET /v1/status", "operator", b"").await.json()["witnessing"].clone()
}

/// Why the first witness does not cosign.
async fn reason(site: &Site) -> String {
    status(site).await["witnesses"][0]["reason"].as_str().unwrap_or("none").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_grows_is_cosigned_by_all_and_the_newest_is_given() {
    let (a, b) = (Fake::start(1).await, Fake::start(2).await);
    let site = site(&[&a, &b], 2).await;
    site.post("acme", &events("e", 20)).await;
    assert_eq!(cosigned(&site, &[&a, &b]).await, (20, vec![true, true]));
    site.post("acme", &events("f", 30)).await;
    assert_eq!(cosigned(&site, &[&a, &b]).await, (50, vec![true, true]));
    assert_eq!(a.asked(&site).await, [0, 20], "the proof starts from what was cosigned last");
    assert_eq!(cosigned(&site, &[&a, &b]).await.0, 50);
    assert_eq!(a.asked(&site).await, [0, 20], "what did not grow is not submitted again");
    let status = status(&site).await;
    assert_eq!((&status["quorum"], &status["logs_without_quorum"]), (&2.into(), &0.into()));
    assert_eq!(
        (&status["witnesses"][1]["ok"], &status["witnesses"][1]["cosigned_at"]),
        (&true.into(), &1_795_255_200.into())
    );
    let log = site.ask("GET /v1/log", "acme", b"").await.json();
    let told: Vec<_> = [&a, &b]
        .iter()
        .map(|fake| serde_json::json!({"name": fake.key.name(), "key": fake.key.to_string()}))
        .collect();
    assert_eq!((&log["witnesses"], &log["quorum"]), (&told.into(), &2.into()), "{log}");
    let plain = site.ask("GET /v1/checkpoint", "acme", b"").await.text();
    assert_eq!(
        Note::parse(&plain).unwrap().signatures().len(),
        1,
        "without asking, there is the log's alone"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_checkpoints_go_out_and_an_alarm_is_raised_until_it_is_back() {
    let (a, b) = (Fake::start(3).await, Fake::start(4).await);
    let site = site(&[&b, &a], 2).await;
    b.feels(Mood::Silent);
    site.post("acme", &events("e", 20)).await;
    assert_eq!(cosigned(&site, &[&a, &b]).await, (20, vec![true, false]), "what there is, is given");
    assert_eq!(status(&site).await["logs_without_quorum"], 1);
    let metrics = site.ask("GET /metrics", "", b"").await.text();
    assert!(metrics.contains("\nannals_witness_logs_without_quorum 1\n"), "{metrics}");
    assert!(metrics.contains("annals_witness_answers_total{result=\"unreached\"}"), "{metrics}");
    assert_eq!(site.ask("GET /readyz", "", b"").await.status, 200, "events are taken all the same");

    b.feels(Mood::Honest);
    assert_eq!(cosigned(&site, &[&a, &b]).await, (20, vec![true, true]), "what failed is tried again");
    assert_eq!(status(&site).await["logs_without_quorum"], 0);

    b.feels(Mood::Failing);
    site.post("acme", &events("f", 5)).await;
    assert_eq!(cosigned(&site, &[&a, &b]).await, (20, vec![true, true]), "the newest with a quorum is kept");
    assert_eq!(reason(&site).await, "HTTP status 500: no disk");
}

/// As [`site`], whose log `acme` is submitted once, because it is asked for, and not again for a minute.
async fn site_asked_seldom(witnesses: &[&Fake], quorum: usize) -> Site {
    let witnessing = Witnessing {
        asked_every: Duration::from_mins(1),
        answer_max: Duration::from_secs(1),
        ..witnessing(witnesses, quorum)
    };
    let site =
        Site::with(Settings { witnessing: Some(witnessing), ..settings() }, Listening::default()).await;
    while status(&site).await["logs"] == 0 {
        tokio::task::yield_now().await;
    }
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_hangs_is_asked_once_however_many_ask() {
    let a = Fake::start(12).await;
    let site = site_asked_seldom(&[&a], 1).await;
    a.feels(Mood::Silent);
    site.post("acme", &events("e", 20)).await;
    let witnesses = [&a];
    let all = (0..8).map(|_| cosigned(&site, &witnesses));
    let given = futures_util::future::join_all(all).await;
    assert_eq!(given, vec![(20, vec![false]); 8]);
    assert_eq!(a.asked(&site).await, [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_waits_for_a_witness_keeps_no_export_out() {
    let a = Fake::start(13).await;
    let site = site_asked_seldom(&[&a], 1).await;
    a.feels(Mood::Silent);
    site.post("acme", &events("e", 20)).await;
    let waiting = async {
        let all = (0..annals_server::EXPORTS_MAX).map(|_| site.ask("GET /v1/bundle", "acme", b""));
        futures_util::future::join_all(all).await
    };
    let exported = async {
        while a.asked(&site).await.is_empty() {
            tokio::task::yield_now().await;
        }
        // All of them wait for the witness by now, or are about to.
        tokio::time::sleep(Duration::from_millis(200)).await;
        site.ask("GET /v1/export", "acme", b"").await.status
    };
    let (bundles, exported) = tokio::join!(waiting, exported);
    assert_eq!(exported, 200);
    assert!(bundles.iter().all(|bundle| bundle.status == 200 || bundle.status == 503));
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_cosignatures_are_given_between_two_submissions() {
    let (a, b) = (Fake::start(14).await, Fake::start(15).await);
    let site = site_asked_seldom(&[&a, &b], 2).await;
    b.feels(Mood::Failing);
    site.post("acme", &events("e", 20)).await;
    for _ in 0..2 {
        assert_eq!(cosigned(&site, &[&a, &b]).await, (20, vec![true, false]));
    }
    assert_eq!(a.asked(&site).await, [0], "it was submitted once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_elsewhere_is_asked_again_from_there() {
    let a = Fake::start(8).await;
    let site = site(&[&a], 1).await;
    site.post("acme", &events("e", 20)).await;
    assert_eq!(cosigned(&site, &[&a]).await.1, [true]);
    // A witness that lost its memory says 0; one that somebody else asked meanwhile says more.
    a.forget();
    site.post("acme", &events("f", 5)).await;
    assert_eq!(cosigned(&site, &[&a]).await, (25, vec![true]));
    assert_eq!(a.asked(&site).await, [0, 20, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_cannot_be_right_is_not_believed() {
    let a = Fake::start(6).await;
    let site = site(&[&a], 1).await;
    site.post("acme", &events("e", 20)).await;
    for (mood, said) in [
        (Mood::Forging, "its answer is no cosignature: cosignature: the one by this witness is wrong"),
        (Mood::Boasting, "it says that it cosigned 1000000 records, and there are 20"),
        (Mood::Stubborn, "it cosigned 0 records with another root"),
        (Mood::Endless, "it answers more than"),
    ] {
        a.feels(mood);
        assert_eq!(cosigned(&site, &[&a]).await, (20, vec![false]), "{mood:?}");
        let reason = reason(&site).await;
        assert!(reason.starts_with(said), "{mood:?}: {reason}");
    }
    let metrics = site.ask("GET /metrics", "", b"").await.text();
    assert!(metrics.contains("annals_witness_answers_total{result=\"contradicts\"} "), "{metrics}");
    a.feels(Mood::Honest);
    assert_eq!(cosigned(&site, &[&a]).await, (20, vec![true]));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_witnesses_a_cosigned_checkpoint_is_a_plain_one() {
    let site = Site::new().await;
    site.post("acme", &events("e", 3)).await;
    let plain = site.ask("GET /v1/checkpoint", "acme", b"").await.text();
    assert_eq!(site.ask("GET /v1/checkpoint?cosigned=true", "acme", b"").await.text(), plain);
    assert!(site.ask("GET /v1/status", "operator", b"").await.json().get("witnessing").is_none());
}

/// What a bundle of `acme` begins with, and the key of its log.
async fn bundle_head(site: &Site) -> (Value, VerifierKey) {
    let head = site.ask("GET /v1/bundle/head", "acme", b"").await.json();
    let key = head["trust"]["keys"][0]["key"].as_str().unwrap().parse().unwrap();
    (head, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_carries_the_cosignatures_on_hand() {
    let (a, b) = (Fake::start(9).await, Fake::start(10).await);
    let site = site(&[&a, &b], 2).await;
    for (from, mood, size, expected) in [
        ("e", Mood::Honest, 20, [true, true]),
        ("f", Mood::Failing, 40, [true, false]),
        ("g", Mood::Honest, 60, [true, true]),
    ] {
        b.feels(mood);
        site.post("acme", &events(from, 20)).await;
        let (head, key) = bundle_head(&site).await;
        let note = head["checkpoint"].as_str().unwrap();
        assert_eq!(counted(note, &key, &[&a, &b]), (size, expected.to_vec()), "{mood:?}");
        assert_eq!(head["size"], size, "it covers all, whoever cosigned what");
        let keys = [&a, &b].map(|fake| Value::from(fake.key.to_string()));
        assert_eq!(head["trust"]["witnesses"], Value::from(keys.to_vec()));
    }
    a.feels(Mood::Failing);
    b.feels(Mood::Failing);
    site.post("acme", &events("h", 20)).await;
    let (head, key) = bundle_head(&site).await;
    assert_eq!(counted(head["checkpoint"].as_str().unwrap(), &key, &[&a, &b]), (80, vec![false, false]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_no_witness_sees_is_shown_by_the_registry_that_they_see() {
    let a = Fake::start(11).await;
    let settings = Settings {
        witnessing: Some(Witnessing { registry_only: true, ..witnessing(&[&a], 1) }),
        register_every: Some(Duration::from_millis(50)),
        ..settings()
    };
    let site = Site::with(settings, Listening::default()).await;
    site.post("acme", &events("e", 20)).await;
    let log = site.ask("GET /v1/log", "acme", b"").await.json();
    assert_eq!((log.get("witnesses"), log.get("quorum")), (None, None), "{log}");
    // A registry that came to be a moment ago is given without cosignatures.
    let (head, key) = loop {
        let (head, key) = bundle_head(&site).await;
        let note = head["registry"]["checkpoint"].as_str().unwrap_or_default();
        if note.matches("\n\u{2014} ").count() == 2 {
            break (head, key);
        }
        tokio::task::yield_now().await;
    };
    let note = head["checkpoint"].as_str().unwrap();
    assert_eq!(counted(note, &key, &[&a]), (20, vec![false]));
    assert!(a.asked(&site).await.is_empty(), "it was never asked about this log");
    let registry: annals_bundle::Registry = serde_json::from_value(head["registry"].clone()).unwrap();
    let registry_key = key.with_name(&registry.origin).unwrap();
    let checkpoint = annals_tree::checkpoint::Checkpoint::open(note, &key, key.name()).unwrap();
    let (of, known) = registry.verify(&checkpoint, &registry_key).unwrap();
    assert_eq!(counted(&registry.checkpoint, &registry_key, &[&a]), (of.size, vec![true]));
    assert_eq!(known, 20);
    let zip = site.ask("GET /v1/bundle", "acme", b"").await.body;
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(zip.to_vec())).unwrap();
    let file = zip.by_name("registry.json").unwrap();
    let written: annals_bundle::Registry = serde_json::from_reader(file).unwrap();
    assert_eq!(written.verify(&checkpoint, &registry_key).unwrap().1, 20);
}
