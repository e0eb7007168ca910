//! `annals signer`: a server without a key, a signer that is away or killed, and forks that it does not sign.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;

use annals_tree::checkpoint::Checkpoint;
use annals_tree::hash::leaf_hash;
use annals_tree::note::VerifierKey;
use annals_tree::proof::verify_consistency;
use annals_tree::tree::Tree;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Server, World};

/// A signer on a socket in the world's folder.
fn signer(world: &World) -> Server {
    let args = ["signer", "--json", "--data", "signer", "--listen", "unix:s.sock", "--name", "log.example"];
    Server::start(&mut world.command(&args))
}

/// A server whose key is with that signer.
fn server(world: &World) -> Server {
    let mut command = world.command(&["serve", "--json", "--data", "data", "--listen", "127.0.0.1:0"]);
    let url = format!("unix:{}", world.path("s.sock").display());
    command.env("ANNALS_SIGNER__URL", url).env("ANNALS_SIGNER__TOKEN_FILE", world.path("signer/token"));
    Server::start(&mut command)
}

/// Asks the signer itself, as somebody who has the server and its token.
async fn ask(world: &World, path: &str, body: Option<Value>) -> (u16, Value) {
    let token = std::fs::read_to_string(world.path("signer/token")).unwrap();
    let client = reqwest::Client::builder().unix_socket(world.path("s.sock")).build().unwrap();
    let url = format!("http://signer/{path}");
    let request = match body {
        Some(body) => client.post(url).body(body.to_string()),
        None => client.get(url),
    };
    let answer = request.bearer_auth(token.trim()).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

/// The newest checkpoint of `acme`, opened with the ledger's key.
async fn checkpoint(server: &Server, operator: &str, ledger: &VerifierKey) -> Option<Checkpoint> {
    let url = format!("{}/v1/checkpoint?tenant=acme", server.url());
    let answer = reqwest::Client::new().get(url).bearer_auth(operator).send().await.unwrap();
    if answer.status() != 200 {
        return None;
    }
    let note = answer.text().await.unwrap();
    let origin = note.lines().next().unwrap().to_owned();
    Some(Checkpoint::open(&note, &ledger.with_name(&origin).unwrap(), &origin).unwrap())
}

/// As [`checkpoint`], once the signer answers again.
async fn checkpoint_soon(server: &Server, operator: &str, ledger: &VerifierKey) -> Checkpoint {
    for _ in 0..600 {
        if let Some(checkpoint) = checkpoint(server, operator, ledger).await {
            return checkpoint;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("no checkpoint is signed")
}

async fn extends(server: &Server, operator: &str, earlier: &Checkpoint, later: &Checkpoint) {
    let path = format!("/v1/proofs/consistency?tenant=acme&from={}&to={}", earlier.size, later.size);
    let (_, answer) = server.get(&path, operator).await;
    let hashes = answer["hashes"].as_array().unwrap().iter();
    let proof: Vec<_> = hashes.map(|hash| hash.as_str().unwrap().parse().unwrap()).collect();
    verify_consistency(earlier.size, &earlier.root, later.size, &later.root, &proof).unwrap();
}

fn ledger_key(signer: &Server) -> VerifierKey {
    signer.first_line["ledger_key"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn whoever_has_the_server_gets_no_fork_signed() {
    let world = World::new();
    let signer = signer(&world);
    let key = ledger_key(&signer);
    let server = server(&world);
    assert!(!world.path("data/signing.key").exists(), "the server has no private key");
    assert_eq!(std::fs::read_to_string(world.path("data/signer.pub")).unwrap().trim(), key.to_string());
    let operator = server.operator_key();
    server.post(&operator, 0, 20).await;
    let real = checkpoint(&server, &operator, &key).await.unwrap();
    assert_eq!((real.size, real.origin.starts_with("log.example/t/")), (20, true));

    // Another history of the same log, with all that root on the server has: the token, and proofs of its own.
    let fork = |size: u64| {
        let mut tree = Tree::new();
        tree.extend(
            (0..size).map(|number| leaf_hash(&[b"forked".as_slice(), &number.to_be_bytes()].concat())),
        );
        tree
    };
    let origin = real.origin.clone();
    let forked = fork(40);
    let proof: Vec<String> =
        annals_tree::consistency(20, 40, &forked).unwrap().iter().map(ToString::to_string).collect();
    let root = |size: u64| annals_tree::root_at(size, &forked).unwrap().to_string();
    for (size, proof) in
        [(20, Vec::new()), (19, Vec::new()), (40, proof.clone()), (40, Vec::new()), (0, Vec::new())]
    {
        let body = json!({"origin": origin, "size": size, "root": root(size), "proof": proof});
        let (status, said) = ask(&world, "v1/checkpoint", Some(body)).await;
        assert_eq!(status, 409, "{size}: {said}");
        assert!(said["error"].as_str().unwrap().starts_with("signer: log `"), "{said}");
        let name = origin.strip_prefix("log.example/").unwrap();
        let entry = json!({"log": name, "size": size, "root": root(size), "proof": proof});
        let body = json!({"at_us": 1, "ledger_size": size, "logs": [entry]});
        assert_eq!(ask(&world, "v1/head", Some(body)).await.0, 409, "{size}, as a head");
    }
    let foreign = json!({"origin": "other.example/t/1", "size": 0, "root": root(0), "proof": []});
    assert_eq!(ask(&world, "v1/checkpoint", Some(foreign)).await.0, 409);
    assert_eq!(ask(&world, "v1/checkpoint", Some(json!({"origin": 1}))).await.0, 400);
    let client = reqwest::Client::builder().unix_socket(world.path("s.sock")).build().unwrap();
    assert_eq!(client.get("http://signer/v1/signed").send().await.unwrap().status(), 401);

    server.post(&operator, 20, 10).await;
    let later = checkpoint(&server, &operator, &key).await.unwrap();
    assert_eq!(later.size, 30, "nothing that was refused stands in the way");
    extends(&server, &operator, &real, &later).await;
    server.stop();
    signer.stop();
}

#[tokio::test]
async fn while_the_signer_is_away_events_are_taken_and_what_was_published_is_extended_after() {
    let world = World::new();
    let mut signing = signer(&world);
    let key = ledger_key(&signing);
    let server = server(&world);
    let operator = server.operator_key();
    let mut events = 0;
    let mut last: Option<Checkpoint> = None;
    for _ in 0..3 {
        server.post(&operator, events, 5).await;
        events += 5;
        // Killed while heads and this checkpoint are being signed; whichever answer came counts.
        let under_way = {
            let (url, operator) = (format!("{}/v1/checkpoint?tenant=acme", server.url()), operator.clone());
            tokio::spawn(async move {
                let answer = reqwest::Client::new().get(url).bearer_auth(operator).send().await.unwrap();
                (answer.status().is_success(), answer.text().await.unwrap())
            })
        };
        signing.signal(Signal::KILL);
        drop(signing);
        let (is_signed, note) = under_way.await.unwrap();
        if is_signed {
            let origin = note.lines().next().unwrap();
            let published = Checkpoint::open(&note, &key.with_name(origin).unwrap(), origin).unwrap();
            last = Some(published);
        }

        server.post(&operator, events, 5).await;
        events += 5;
        assert!(checkpoint(&server, &operator, &key).await.is_none(), "nobody can sign it");
        let (status, ready) = server.get("/readyz", "").await;
        assert_eq!((status, &ready["checks"]["signer"]["ok"]), (200, &false.into()), "{ready}");

        signing = signer(&world);
        assert_eq!(ledger_key(&signing), key);
        let newest = checkpoint_soon(&server, &operator, &key).await;
        assert_eq!(newest.size, events);
        if let Some(last) = &last {
            extends(&server, &operator, last, &newest).await;
        }
        last = Some(newest);
    }
    server.stop();
    let last = last.unwrap();

    // A server that starts while its signer is away takes events, too.
    signing.stop();
    let server = self::server(&world);
    server.post(&operator, events, 5).await;
    let signing = signer(&world);
    let newest = checkpoint_soon(&server, &operator, &key).await;
    extends(&server, &operator, &last, &newest).await;
    server.stop();
    signing.stop();
    let said = world.run(&["verify", "data"]);
    assert_eq!(said.code, Some(0), "{} {}", said.stdout, said.stderr);
}

#[tokio::test]
async fn a_key_moves_out_of_a_data_folder_with_what_it_signed() {
    let world = World::new();
    let server = world.serve(&[]);
    let operator = server.operator_key();
    server.post(&operator, 0, 20).await;
    let (_, status) = server.get("/v1/status", &operator).await;
    let key: VerifierKey = status["ledger_key"].as_str().unwrap().parse().unwrap();
    let before = checkpoint(&server, &operator, &key).await.unwrap();
    let import = ["signer", "import", "data", "--data", "signer", "--json"];
    assert_eq!(world.run(&import).code, Some(6), "the server has the folder");
    server.stop();
    let said = world.run(&import);
    assert_eq!(
        (said.code, &said.result()["ledger_key"]),
        (Some(0), &key.to_string().into()),
        "{}",
        said.stderr
    );
    assert!(!world.path("data/signing.key").exists() && world.path("data/signer.pub").exists());
    assert_eq!(world.run(&import).code, Some(4), "there is no key any more");
    let said = world.run(&["serve", "--data", "data", "--listen", "127.0.0.1:0"]);
    assert!(said.code == Some(2) && said.stderr.contains("signer.url"), "{}", said.stderr);

    let args = ["signer", "--json", "--data", "signer", "--listen", "unix:s.sock"];
    let signer = Server::start(&mut world.command(&args));
    let (_, signed) = ask(&world, "v1/signed", None).await;
    let known = |log: &&Value| log["origin"] == before.origin.as_str() && log["size"].as_u64() >= Some(20);
    assert!(signed["signed"].as_array().unwrap().iter().any(|log| known(&log)), "{signed}");
    let server = self::server(&world);
    server.post(&operator, 20, 5).await;
    let after = checkpoint(&server, &operator, &key).await.unwrap();
    extends(&server, &operator, &before, &after).await;
    server.stop();
    signer.stop();

    // A signer with another key is not ours.
    rename(&world.path("signer"), &world.path("ours"));
    let other = Server::start(&mut world.command(&args));
    let server = self::server(&world);
    server.post(&operator, 25, 1).await;
    assert!(checkpoint(&server, &operator, &key).await.is_none());
    let (_, ready) = server.get("/readyz", "").await;
    let reason = ready["checks"]["signer"]["reason"].as_str().unwrap();
    assert!(reason.contains("it has the key"), "{reason}");
    drop((server, other));
}

fn rename(from: &Path, to: &Path) {
    std::fs::rename(from, to).unwrap();
}

#[tokio::test]
async fn an_empty_folder_is_no_new_ledger_while_its_signer_remembers_one() {
    let world = World::new();
    let signer = signer(&world);
    let server = server(&world);
    server.post(&server.operator_key(), 0, 3).await;
    server.stop();
    rename(&world.path("data"), &world.path("lost"));
    let url = format!("unix:{}", world.path("s.sock").display());
    let mut command = world.command(&["serve", "--data", "data", "--listen", "127.0.0.1:0"]);
    command.env("ANNALS_SIGNER__URL", url).env("ANNALS_SIGNER__TOKEN_FILE", world.path("signer/token"));
    let said = World::finished(&mut command);
    assert!(said.code != Some(0) && said.stderr.contains("log.example/"), "{said:?}");
    signer.stop();
    std::fs::remove_dir_all(world.path("data")).unwrap();
    let said = World::finished(&mut command);
    assert!(said.code == Some(7) && said.stderr.contains("needs its signer once"), "{said:?}");
}

#[tokio::test]
async fn a_signer_that_talks_nonsense_keeps_no_server_from_starting() {
    let world = World::new();
    let signer = signer(&world);
    let server = self::server(&world);
    let operator = server.operator_key();
    server.post(&operator, 0, 3).await;
    server.stop();
    signer.stop();

    drop(std::fs::remove_file(world.path("s.sock")));
    let listener = UnixListener::bind(world.path("s.sock")).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            lines.take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty())).for_each(drop);
            let body = json!({"key": "nonsense", "successions": ["?"], "signed": []}).to_string();
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}", body.len());
            drop(write!(stream, "{head}\r\n\r\n{body}"));
        }
    });
    let server = self::server(&world);
    server.post(&operator, 3, 3).await;
    let (status, _) = server.get("/v1/checkpoint?tenant=acme", &operator).await;
    assert_eq!(status, 503, "nobody signs it");
    let (_, ready) = server.get("/readyz", "").await;
    let reason = ready["checks"]["signer"]["reason"].as_str().unwrap();
    assert!(reason.contains("it has the key nonsense"), "{reason}");
    server.stop();
}
