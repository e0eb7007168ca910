//! `annals signing-key rotate`: who trusted the old key is led to the new one, everywhere, and a key that nobody introduced is refused.

use annals_tree::checkpoint::Checkpoint;
use annals_tree::note::{SigningKey, VerifierKey};
use annals_tree::succession::Succession;
use serde_json::{Value, json};
use zip::CompressionMethod;

use crate::evidence::Files;
use crate::support::{Said, Server, World};

const ROTATE: [&str; 5] = ["signing-key", "rotate", "--data", "data", "--json"];

/// A key file made by hand.
fn write_key(world: &World, seed: u8, successions: &[Succession]) -> VerifierKey {
    use base64::Engine as _;
    let key = SigningKey::from_seed("log.example", &[seed; 32]).unwrap();
    let mut text = key.to_text().to_string();
    for succession in successions {
        let note = base64::engine::general_purpose::STANDARD.encode(succession.note());
        text.push_str(&format!("\nsuccession {note}"));
    }
    std::fs::create_dir_all(world.path("data")).unwrap();
    std::fs::write(world.path("data/signing.key"), text + "\n").unwrap();
    key.verifier_key()
}

async fn log(server: &Server, operator: &str) -> (String, VerifierKey) {
    let (_, log) = server.get("/v1/log?tenant=acme", operator).await;
    (log["origin"].as_str().unwrap().to_owned(), log["public_key"].as_str().unwrap().parse().unwrap())
}

async fn text(server: &Server, operator: &str, path: &str) -> String {
    let answer = reqwest::Client::new().get(format!("{}{path}", server.url())).bearer_auth(operator);
    answer.send().await.unwrap().text().await.unwrap()
}

fn verify(world: &World, server: &Server, operator: &str, extra: &[&str]) -> Said {
    world.run(&[&["verify", server.url(), "--key", operator, "--tenant", "acme", "--json"], extra].concat())
}

fn bundle(world: &World, server: &Server, operator: &str, file: &str) -> Said {
    world.run(&[
        "export",
        "--bundle",
        "--url",
        server.url(),
        "--key",
        operator,
        "--tenant",
        "acme",
        "--output",
        file,
    ])
}

fn holds(said: &Said) {
    assert_eq!(said.code, Some(0), "{} {}", said.stdout, said.stderr);
}

fn refused(said: &Said, why: &str) {
    assert!(said.code == Some(8) && said.stdout.contains(why), "{} {}", said.stdout, said.stderr);
}

#[tokio::test]
async fn who_trusted_the_old_key_is_led_to_the_new_one() {
    let world = World::new();
    let server = world.serve(&[]);
    let operator = server.operator_key();
    server.post(&operator, 0, 20).await;
    let (origin, old) = log(&server, &operator).await;
    holds(&verify(&world, &server, &operator, &[]));
    holds(&bundle(&world, &server, &operator, "before.zip"));
    let publish = |server: &Server| {
        let url = server.url();
        world.run(&["publish", "--url", url, "--key", &operator, "--tenant", "acme", "published"])
    };
    holds(&publish(&server));
    let receipt = text(&server, &operator, "/v1/checkpoint?tenant=acme").await;
    assert_eq!(world.run(&ROTATE).code, Some(6), "the server has the folder");
    server.stop();

    let rotated = world.run(&ROTATE);
    holds(&rotated);
    let key = |name: &str| rotated.result()[name].as_str().unwrap().parse::<VerifierKey>().unwrap();
    let (old_key, new_key) = (key("old_key"), key("new_key"));
    assert_eq!(old_key.public_key(), old.public_key());
    holds(&world.run(&["verify", "data"]));
    let shown = world.run(&["signing-key", "show", "--data", "data", "--json"]).result();
    assert_eq!(
        (&shown["ledger_key"], &shown["before"]),
        (&json!(new_key.to_string()), &json!([old_key.to_string()]))
    );

    let server = world.serve(&[]);
    let (_, status) = server.get("/v1/status", &operator).await;
    assert_eq!(status["ledger_key"], new_key.to_string());
    let new = new_key.with_name(&origin).unwrap();
    assert_eq!(log(&server, &operator).await, (origin.clone(), new.clone()));
    let note = text(&server, &operator, "/v1/checkpoint?tenant=acme").await;
    assert_eq!(Checkpoint::open(&note, &new, &origin).unwrap().size, 21, "the entry stands before");
    let (_, entry) = server.get("/v1/events?tenant=acme&action=annals.signing_key.rotate", &operator).await;
    let said = &entry["events"][0];
    assert_eq!(
        (&said["position"], &said["kind"], &said["metadata"]["from"]),
        (&20.into(), &5.into(), &21.into())
    );

    // What is searched and proven follows, too: the memory has the old key.
    let search = |extra: &[&str]| {
        let all = [
            "search",
            "--verify",
            "--url",
            server.url(),
            "--key",
            &operator,
            "--tenant",
            "acme",
            "actor_id=u1",
        ];
        world.run(&[&all, extra].concat())
    };
    let remembered = world.path("state").join("checkpoints").join(origin.replace('/', "+"));
    assert!(std::fs::read_to_string(&remembered).unwrap().contains(&old.to_string()));
    holds(&search(&[]));
    assert!(std::fs::read_to_string(&remembered).unwrap().contains(&new.to_string()));
    holds(&search(&["--log-key", &old_key.to_string()]));
    let stranger = SigningKey::from_seed(&origin, &[3; 32]).unwrap().verifier_key().to_string();
    assert_eq!(search(&["--log-key", &stranger]).code, Some(8));

    // From memory, and from the key alone, given for the log or for its ledger.
    holds(&verify(&world, &server, &operator, &[]));
    std::fs::remove_dir_all(world.path("state")).unwrap();
    for key in [old.to_string(), old_key.to_string(), new_key.to_string()] {
        holds(&verify(&world, &server, &operator, &["--log-key", &key]));
        std::fs::remove_dir_all(world.path("state")).unwrap();
    }
    let said = verify(&world, &server, &operator, &["--log-key", &stranger]);
    refused(&said, "is another than the one it is checked with, and no entry of the log introduces it");
    assert!(!world.path("state").exists(), "nothing of it is remembered");

    // What was published before is extended, and still leads from the old key to the new one.
    holds(&publish(&server));
    for key in [&old, &new] {
        holds(&world.run(&["verify", "published", "--log-key", &key.to_string()]));
        std::fs::remove_dir_all(world.path("state")).unwrap();
    }
    let foreign = SigningKey::from_seed(&origin, &[3; 32]).unwrap();
    let published = std::fs::read_to_string(world.path("published/checkpoint")).unwrap();
    let forged = foreign.sign(&published[..=published.find("\n\n").unwrap()]).unwrap();
    std::fs::write(world.path("published/checkpoint"), forged).unwrap();
    assert_eq!(publish(&server).code, Some(5), "a checkpoint that nobody of ours signed");
    std::fs::write(world.path("published/checkpoint"), published).unwrap();

    // Evidence from before and after, each with the key of then and, where the log says so, with the other.
    server.post(&operator, 20, 5).await;
    holds(&bundle(&world, &server, &operator, "after.zip"));
    let mut files = Files::read(&world.path("after.zip"));
    let trust: Value = serde_json::from_slice(files.get("trust.json")).unwrap();
    let listed = json!([
        {"key": old.to_string(), "from": 0, "until": 21}, {"key": new.to_string(), "from": 21, "until": null},
    ]);
    assert_eq!(trust["keys"], listed);
    for (file, key, code) in
        [("before.zip", &old, 0), ("before.zip", &new, 8), ("after.zip", &new, 0), ("after.zip", &old, 0)]
    {
        let said = world.run(&["verify", file, "--log-key", &key.to_string(), "--json"]);
        assert_eq!(said.code, Some(code), "{file} {key}: {} {}", said.stdout, said.stderr);
        drop(std::fs::remove_dir_all(world.path("state")));
    }
    holds(&world.run(&["verify", "before.zip"]));
    holds(&world.run(&["verify", "after.zip"]));
    holds(&bundle(&world, &server, &operator, "since.zip"));
    holds(&world.run(&["verify", "since.zip"]));
    assert_eq!(Checkpoint::open(&receipt, &old, &origin).unwrap().size, 20, "what was signed stays signed");

    server.stop();
    holds(&world.run(&["verify", "data"]));
    holds(&world.run(&["verify", "data", "--log-key", &old_key.to_string()]));
    let said = world.run(&["verify", "data", "--log-key", &stranger, "--tenant", "acme"]);
    assert_eq!(said.code, Some(8), "{}", said.stdout);
}

#[tokio::test]
async fn a_key_that_the_old_one_did_not_vouch_for_is_refused() {
    let world = World::new();
    write_key(&world, 1, &[]);
    let server = world.serve(&[]);
    let operator = server.operator_key();
    server.post(&operator, 0, 10).await;
    let (origin, old) = log(&server, &operator).await;
    holds(&bundle(&world, &server, &operator, "good.zip"));
    holds(&verify(&world, &server, &operator, &[]));
    server.stop();

    // On the server: another key, a key with a succession from elsewhere, one that leads somewhere else.
    let key = |seed: u8| SigningKey::from_seed("log.example", &[seed; 32]).unwrap();
    let follows = |old: u8, new: u8| Succession::sign(&key(old), &key(new)).unwrap();
    for successions in [vec![], vec![follows(3, 2)]] {
        write_key(&world, 2, &successions);
        let said = world.run(&["serve", "--data", "data", "--listen", "127.0.0.1:0"]);
        assert!(said.code != Some(0) && said.stderr.contains("key"), "{said:?}");
    }
    write_key(&world, 2, &[follows(1, 3)]);
    let said = world.run(&["serve", "--data", "data", "--listen", "127.0.0.1:0"]);
    assert!(said.stderr.contains("is not a signing key"), "{said:?}");

    // In evidence: everything signed anew with a key of one's own.
    let mut files = Files::read(&world.path("good.zip"));
    files.sign(2, |_| {});
    files.relist();
    files.write(&world.path("forged.zip"), CompressionMethod::Deflated);
    let said = world.run(&["verify", "forged.zip", "--json"]);
    refused(&said, "is another than the one it is checked with, and no entry of the log introduces it");
    let said = world.run(&["verify", "forged.zip", "--log-key", &old.to_string(), "--json"]);
    refused(&said, "no entry of the log introduces it");
    assert!(origin.starts_with("log.example/t/"));
    holds(&world.run(&["verify", "good.zip"]));
}

#[tokio::test]
async fn killed_at_any_moment_the_next_start_has_one_key_and_goes_on() {
    let world = World::new();
    let mut server = world.serve(&[]);
    let operator = server.operator_key();
    let mut sent = 0;
    for round in 0..4 {
        server.post(&operator, sent, 5).await;
        sent += 5;
        holds(&verify(&world, &server, &operator, &[]));
        server.signal(rustix::process::Signal::KILL);
        drop(server);
        holds(&world.run(&ROTATE));
        if round % 2 == 1 {
            holds(&world.run(&ROTATE));
        }
        // A crash while the file is replaced leaves a file beside it.
        std::fs::write(world.path("data/signing.key.new"), "PRIVATE+KEY+half").unwrap();
        // Killed as soon as it has the folder, before and while it puts the rotation on record.
        for pause in [0, 3, 10, 30] {
            let args = ["serve", "--json", "--data", "data", "--listen", "127.0.0.1:0"];
            let mut child = world.command(&args).stdout(std::process::Stdio::null()).spawn().unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
            child.kill().unwrap();
            child.wait().unwrap();
        }
        server = world.serve(&[]);
        holds(&verify(&world, &server, &operator, &[]));
    }
    let (_, told) = server.get("/v1/events?tenant=acme&action=annals.signing_key.rotate", &operator).await;
    assert_eq!(told["events"].as_array().unwrap().len(), 6, "each rotation once");
    server.stop();
    holds(&world.run(&["verify", "data"]));
}

#[tokio::test]
async fn a_signer_of_its_own_rotates_where_its_key_lies() {
    let world = World::new();
    let signer = |world: &World| {
        let args =
            ["signer", "--json", "--data", "signer", "--listen", "unix:s.sock", "--name", "log.example"];
        Server::start(&mut world.command(&args))
    };
    let serve = |world: &World| {
        let mut command = world.command(&["serve", "--json", "--data", "data", "--listen", "127.0.0.1:0"]);
        let url = format!("unix:{}", world.path("s.sock").display());
        command.env("ANNALS_SIGNER__URL", url).env("ANNALS_SIGNER__TOKEN_FILE", world.path("signer/token"));
        Server::start(&mut command)
    };
    let signing = signer(&world);
    let server = serve(&world);
    let operator = server.operator_key();
    server.post(&operator, 0, 20).await;
    holds(&verify(&world, &server, &operator, &[]));
    let said = world.run(&ROTATE);
    assert!(said.code == Some(2) && said.stderr.contains("is with a signer of its own"), "{said:?}");
    let rotate = ["signing-key", "rotate", "--data", "signer", "--json"];
    assert_eq!(world.run(&rotate).code, Some(6), "the signer has the folder");
    signing.stop();
    let rotated = world.run(&rotate).result();

    // A server that does not know yet gets nothing signed, and takes events all the same.
    let signing = signer(&world);
    assert_eq!(signing.first_line["ledger_key"], rotated["new_key"]);
    server.post(&operator, 20, 5).await;
    let mut ready = Value::Null;
    for _ in 0..600 {
        let note = text(&server, &operator, "/v1/checkpoint?tenant=acme").await;
        assert!(note.contains("signer_unavailable"), "{note}");
        ready = server.get("/readyz", "").await.1;
        if ready.to_string().contains("restart the server to take it over") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(ready.to_string().contains("restart the server to take it over"), "{ready}");
    server.stop();
    let server = serve(&world);
    let (_, status) = server.get("/v1/status", &operator).await;
    assert_eq!(status["ledger_key"], rotated["new_key"]);
    assert_eq!(std::fs::read_to_string(world.path("data/signer.pub")).unwrap().trim(), rotated["new_key"]);
    holds(&verify(&world, &server, &operator, &[]));
    server.stop();

    // Crashed before it pinned the new key, and the signer is away: it waits for the right one.
    std::fs::write(world.path("data/signer.pub"), format!("{}\n", rotated["old_key"].as_str().unwrap()))
        .unwrap();
    signing.stop();
    let server = serve(&world);
    server.post(&operator, 25, 5).await;
    let signing = signer(&world);
    for _ in 0..600 {
        if text(&server, &operator, "/v1/checkpoint?tenant=acme").await.starts_with("log.example/") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    holds(&verify(&world, &server, &operator, &[]));
    server.stop();
    signing.stop();
    holds(&world.run(&["verify", "data"]));
}

#[tokio::test]
async fn a_witness_that_knows_both_keys_goes_on() {
    let world = World::new();
    let old = write_key(&world, 1, &[]).to_string();
    let start = |keys: &[&str]| {
        let mut args = vec!["witness", "--json", "--data", "w", "--listen", "127.0.0.1:0", "--name", "w1"];
        keys.iter().for_each(|key| args.extend(["--ledger", key]));
        Server::start(&mut world.command(&args))
    };
    let serve = |witness: &Server| {
        let setting = format!("{} {}", witness.url(), witness.first_line["witness_key"].as_str().unwrap());
        let mut command = world.command(&["serve", "--json", "--data", "data", "--listen", "127.0.0.1:0"]);
        Server::start(command.env("ANNALS_WITNESS__LIST", setting))
    };
    let witness = start(&[&old]);
    let key = witness.first_line["witness_key"].as_str().unwrap().to_owned();
    let server = serve(&witness);
    let operator = server.operator_key();
    server.post(&operator, 0, 20).await;
    holds(&verify(&world, &server, &operator, &["--witness", &key]));
    server.stop();
    let rotated = world.run(&ROTATE).result();
    let server = serve(&witness);
    refused(&verify(&world, &server, &operator, &["--witness", &key]), "0 witnesses cosigned, 1 are needed");
    server.stop();
    witness.stop();
    let witness = start(&[&old, rotated["new_key"].as_str().unwrap()]);
    let server = serve(&witness);
    holds(&verify(&world, &server, &operator, &["--witness", &key]));
    holds(&bundle(&world, &server, &operator, "seen.zip"));
    let said = world.run(&["verify", "seen.zip", "--witness", &key, "--json"]);
    holds(&said);
    assert!(said.stdout.contains("\"cosigned\":1"), "{}", said.stdout);
}

#[tokio::test]
async fn who_remembers_the_new_key_is_not_led_back_to_the_old_one() {
    let world = World::new();
    let server = world.serve(&[]);
    let operator = server.operator_key();
    server.post(&operator, 0, 20).await;
    let (origin, old) = log(&server, &operator).await;
    server.stop();
    holds(&world.run(&["verify", "data", "--tenant", "acme"]));
    let rotated = world.run(&ROTATE).result();
    let server = world.serve(&[]);
    let (_, new) = log(&server, &operator).await;
    server.stop();

    // Nothing changed in the log: the old key signed it, and who has the new one is told so.
    let given = rotated["new_key"].as_str().unwrap();
    let remembered = world.path("state").join("checkpoints").join(origin.replace('/', "+"));
    let memory = std::fs::read_to_string(&remembered).unwrap();
    assert!(memory.contains(&old.to_string()));
    std::fs::remove_dir_all(world.path("state")).unwrap();
    let said = world.run(&["verify", "data", "--tenant", "acme", "--log-key", given]);
    holds(&said);
    assert!(said.stderr.contains("signed by an earlier key alone"), "{}", said.stderr);
    let said = world.run(&["verify", "data", "--tenant", "acme"]);
    holds(&said);
    assert!(!said.stderr.contains("an earlier key"), "{}", said.stderr);

    // Somebody saw the log under the new key.
    let memory = memory.replace(&old.to_string(), &new.to_string());
    std::fs::write(&remembered, &memory).unwrap();
    for extra in [&[][..], &["--log-key", given], &["--log-key", &old.to_string()]] {
        let said = world.run(&[&["verify", "data", "--json", "--tenant", "acme"], extra].concat());
        refused(&said, "the key remembered from before is another than the one it is checked with");
        assert_eq!(std::fs::read_to_string(&remembered).unwrap(), memory, "and is remembered still");
    }
}

#[test]
fn a_key_file_that_is_full_is_left_as_it_is() {
    let world = World::new();
    let key = |seed: u8| SigningKey::from_seed("log.example", &[seed; 32]).unwrap();
    let way = Succession::sign(&key(1), &key(2)).unwrap();
    write_key(&world, 2, std::slice::from_ref(&way));
    let file = world.path("data/signing.key");
    let line = std::fs::read_to_string(&file).unwrap().lines().last().unwrap().len() + 1;
    write_key(&world, 2, &vec![way; ((1 << 20) - 200) / line]);
    let before = std::fs::read(&file).unwrap();
    holds(&world.run(&["signing-key", "show", "--data", "data"]));
    let said = world.run(&ROTATE);
    assert!(said.code == Some(5) && said.stderr.contains("has no room"), "{said:?}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
}
