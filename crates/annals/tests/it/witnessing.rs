//! `annals witness`: what it cosigns, what it refuses, and that it never goes back.

use annals_tree::checkpoint::Checkpoint;
use annals_tree::cosignature::WitnessKey;
use annals_tree::hash::{Hash, leaf_hash};
use annals_tree::note::{Note, SigningKey};
use annals_tree::tree::Tree;
use annals_tree::witness::{AddCheckpoint, REQUEST_BYTES_MAX};
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Server, World};

const LEDGER: &str = "log.example";
const ORIGIN: &str = "log.example/t/000102030405060708090a0b0c0d0e0f";

fn log() -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[1; 32]).unwrap()
}

/// A log's tree; `other` gives another history from its first leaf on.
fn tree(size: u64, other: bool) -> Tree {
    let mut tree = Tree::new();
    tree.extend((0..size).map(|number| leaf_hash(&[number.to_be_bytes(), [u8::from(other); 8]].concat())));
    tree
}

fn request(old_size: u64, size: u64, other: bool) -> AddCheckpoint {
    let tree = tree(size, other);
    let proof = annals_tree::consistency(old_size, size, &tree).unwrap();
    let root = annals_tree::root_at(size, &tree).unwrap();
    let checkpoint = log().sign(&Checkpoint::new(ORIGIN, size, root).to_text()).unwrap();
    AddCheckpoint { old_size, proof, checkpoint }
}

fn start(world: &World, extra: &[&str]) -> Server {
    let key = log().verifier_key().to_string();
    let mut args = vec!["witness", "--json", "--data", "w", "--listen", "127.0.0.1:0", "--log", &key];
    args.extend(extra);
    Server::start(&mut world.command(&args))
}

/// Status, kind and body of the answer.
async fn send(server: &Server, body: impl Into<reqwest::Body>) -> (u16, String, String) {
    let url = format!("{}/add-checkpoint", server.url());
    let answer = reqwest::Client::new().post(url).body(body).send().await.unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (answer.status().as_u16(), kind, answer.text().await.unwrap())
}

fn key(server: &Server) -> WitnessKey {
    server.first_line["witness_key"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_witness_answers_as_the_specification_says() {
    let world = World::new();
    let witness = start(&world, &["--name", "witness.example/w1"]);
    assert_eq!(key(&witness).name(), "witness.example/w1");

    let first = request(0, 5, false);
    let (status, _, line) = send(&witness, first.to_text()).await;
    assert_eq!(status, 200, "{line}");
    let note = Note::parse(&[first.checkpoint.as_str(), &line].concat()).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(key(&witness).verify(&note).unwrap().abs_diff(now) < 600);
    assert_eq!(send(&witness, request(5, 300, false).to_text()).await.0, 200);

    let size = (409, "text/x.tlog.size".to_owned(), "300\n".to_owned());
    assert_eq!(send(&witness, request(5, 400, false).to_text()).await, size);
    assert_eq!(send(&witness, request(0, 1, false).to_text()).await, size);
    let fork = AddCheckpoint { proof: Vec::new(), ..request(300, 300, true) };
    assert_eq!(send(&witness, fork.to_text()).await, size);
    for (expected, request) in [
        (422, request(300, 400, true)),
        (422, AddCheckpoint { proof: vec![Hash([0; 32])], ..request(300, 300, false) }),
        (400, AddCheckpoint { old_size: 301, ..request(0, 300, false) }),
        (400, AddCheckpoint { checkpoint: "text\n".to_owned(), ..request(300, 400, false) }),
    ] {
        assert_eq!(send(&witness, request.to_text()).await.0, expected);
    }
    let text = Checkpoint::new(ORIGIN, 400, Hash([1; 32])).to_text();
    let by = |name: &str, text: &str| {
        let checkpoint = SigningKey::from_seed(name, &[9; 32]).unwrap().sign(text).unwrap();
        AddCheckpoint { old_size: 300, proof: Vec::new(), checkpoint }.to_text()
    };
    assert_eq!(send(&witness, by(ORIGIN, &text)).await.0, 403);
    assert_eq!(send(&witness, by("other", &text.replace(ORIGIN, "other"))).await.0, 404);
    assert_eq!(send(&witness, "old 1\n").await.0, 400);
    assert_eq!(send(&witness, vec![0xff; 100]).await.0, 400);
    assert_eq!(send(&witness, vec![b'x'; REQUEST_BYTES_MAX + 1]).await.0, 413);

    assert_eq!(
        send(&witness, request(300, 400, false).to_text()).await.0,
        200,
        "nothing refused left a trace"
    );
    let (status, about) = witness.get("/", "").await;
    assert_eq!(
        (status, &about["logs"][0]["origin"], &about["logs"][0]["cosigned_size"]),
        (200, &ORIGIN.into(), &400.into())
    );
    assert_eq!(witness.get("/healthz", "").await.0, 200);
    witness.stop();
}

#[tokio::test]
async fn a_witness_that_is_killed_remembers_all_that_it_cosigned() {
    let world = World::new();
    let mut last = 0;
    let mut first_key = None;
    for round in 0..4 {
        let witness = start(&world, &[]);
        assert_eq!(first_key.get_or_insert_with(|| key(&witness)), &key(&witness), "the key stays");
        // What was answered before the kill is known after it, and what was asked as it came may be.
        let (status, _, size) = send(&witness, request(0, 3, true).to_text()).await;
        if round > 0 {
            assert_eq!(status, 409);
            let known: u64 = size.trim().parse().unwrap();
            assert!(known >= last, "cosigned {last}, remembered {known}");
            last = known;
        } else {
            assert_eq!(status, 200);
            last = 3;
        }
        for _ in 0..5 {
            let next = request(last, last + 7, true);
            assert_eq!(send(&witness, next.to_text()).await.0, 200);
            last += 7;
        }
        let under_way = tokio::spawn({
            let url = format!("{}/add-checkpoint", witness.url());
            let body = request(last, last + 1, true).to_text();
            async move { reqwest::Client::new().post(url).body(body).send().await.is_ok() }
        });
        witness.signal(Signal::KILL);
        drop(witness);
        drop(under_way.await);
    }
    let witness = start(&world, &[]);
    let fork = request(0, last, false);
    assert_eq!(send(&witness, fork.to_text()).await.0, 409, "a witness never begins anew");
}

#[tokio::test]
async fn logs_come_from_a_file_too_and_ledgers_bring_all_of_theirs() {
    let world = World::new();
    let ledger = SigningKey::from_seed(LEDGER, &[1; 32]).unwrap().verifier_key();
    let other = SigningKey::from_seed("other.example", &[2; 32]).unwrap().verifier_key();
    std::fs::write(world.path("logs"), format!("# ours\nledger {ledger}\nlog {other} # a friend's\n\n"))
        .unwrap();
    let args = ["witness", "--json", "--data", "w", "--listen", "unix:w.sock", "--logs", "logs"];
    let witness = Server::start(&mut world.command(&args));
    assert_eq!(
        (&witness.first_line["logs"], &witness.first_line["ledgers"]),
        (&Value::from(1), &Value::from(1))
    );
    let client = reqwest::Client::builder().unix_socket(world.path("w.sock")).build().unwrap();
    let body = request(0, 5, false).to_text();
    let answer = client.post("http://witness/add-checkpoint").body(body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    witness.stop();
    assert!(!world.path("w.sock").exists());

    std::fs::write(world.path("logs"), format!("ledger {ledger}x\n")).unwrap();
    let said = world.run(&args);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("logs:1: key: "), "{}", said.stderr);
}

#[test]
fn what_makes_no_witness_is_told_why() {
    let world = World::new();
    let key = log().verifier_key().to_string();
    let run = |args: &[&str]| {
        let said = world.run(&[&["witness", "--data", "w"], args].concat());
        (said.code.unwrap(), said.stderr)
    };
    let (code, said) = run(&[]);
    assert!(code == 2 && said.contains("no log to witness"), "{said}");
    let (code, said) = run(&["--log", &key, "--listen", "0.0.0.0:0"]);
    assert!(code == 2 && said.contains("reachable from other machines"), "{said}");
    let (code, said) = run(&["--log", &key, "--name", "a b", "--listen", "127.0.0.1:0"]);
    assert!(code == 2 && said.contains("`a b`"), "{said}");
    let server = start(&world, &[]);
    let (code, said) = run(&["--log", &key, "--listen", "127.0.0.1:0"]);
    assert!(code == 6 && said.contains("in use by"), "{said}");
    drop(server);
    let (code, said) = run(&["--log", &key, "--name", "another", "--listen", "127.0.0.1:0"]);
    assert!(code == 5 && said.contains("this witness is called"), "{said}");
    std::fs::remove_file(world.path("w/witness.key")).unwrap();
    let (code, said) = run(&["--log", &key, "--listen", "127.0.0.1:0"]);
    assert!(code == 4 && said.contains("its memory is there"), "{said}");
}

/// A server with this witness, and its operator key.
fn server(world: &World, witness: &Server) -> (Server, String) {
    let setting = format!("{} {}", witness.url(), key(witness));
    let mut command = world.command(&["serve", "--json", "--data", "data", "--listen", "127.0.0.1:0"]);
    let server = Server::start(command.env("ANNALS_WITNESS__LIST", setting).env("ANNALS_LOG__NAME", LEDGER));
    let operator = server.first_line["operator_key"].as_str().unwrap_or_default().to_owned();
    (server, operator)
}

/// The ledger's key must be known to its witness before the server starts: the key file is made by hand.
fn ledger_key(world: &World) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let key = SigningKey::from_seed(LEDGER, &[7; 32]).unwrap();
    std::fs::create_dir(world.path("data")).unwrap();
    std::fs::write(world.path("data/signing.key"), format!("{}\n", key.to_text().as_str())).unwrap();
    std::fs::set_permissions(world.path("data/signing.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    key.verifier_key().to_string()
}

#[tokio::test]
async fn verify_says_who_cosigned_and_when_and_ends_with_8_below_the_quorum() {
    let world = World::new();
    let ledger = ledger_key(&world);
    let args =
        ["witness", "--json", "--data", "w", "--listen", "127.0.0.1:0", "--ledger", &ledger, "--name", "w1"];
    let witness = Server::start(&mut world.command(&args));
    let (server, operator) = server(&world, &witness);
    server.post(&operator, 0, 20).await;
    let status = server.get("/v1/status", &operator).await.1;
    assert_eq!(status["ledger_key"], ledger.as_str());

    let w1 = key(&witness).to_string();
    let verify = |extra: &[&str]| {
        let all = ["verify", server.url(), "--key", &operator, "--tenant", "acme", "--json"];
        let said = world.run(&[&all, extra].concat());
        let lines = said.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        (said.code, lines.filter(|line| line["item"] == "cosignatures").collect::<Vec<_>>())
    };
    let (code, said) = verify(&["--witness", &w1]);
    assert_eq!((code, said.len()), (Some(0), 1), "{said:?}");
    assert_eq!(
        (&said[0]["cosigned"], &said[0]["size"], &said[0]["witnesses"][0]["name"]),
        (&1.into(), &20.into(), &"w1".into())
    );
    assert!(said[0]["witnesses"][0]["cosigned_at"].as_str().unwrap().ends_with('Z'));

    let stranger =
        annals_tree::cosignature::Cosigner::from_seed("w2", &[3; 32]).unwrap().witness_key().to_string();
    let (code, said) = verify(&["--witness", &w1, "--witness", &stranger]);
    assert_eq!((code, &said[0]["cosigned"], &said[0]["needed"]), (Some(8), &1.into(), &2.into()));
    let (code, _) = verify(&["--witness", &w1, "--witness", &stranger, "--witness-quorum", "1"]);
    assert_eq!(code, Some(0));
    assert_eq!(verify(&["--witness", "nobody"]).0, Some(2));
    assert_eq!(verify(&["--witness-quorum", "1"]).0, Some(2));

    // The witness is gone and the log grows: the newest cosigned checkpoint is older, and still of the same history.
    witness.stop();
    server.post(&operator, 20, 5).await;
    let (code, said) = verify(&["--witness", &w1]);
    assert_eq!((code, &said[0]["size"]), (Some(0), &20.into()));
    server.stop();
    let said = world.run(&["verify", "data", "--witness", &w1]);
    assert_eq!(
        said.code,
        Some(8),
        "a data folder has no cosignatures, and does not pass for cosigned: {}",
        said.stdout
    );
}
