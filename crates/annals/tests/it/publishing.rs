//! `annals publish`, and `annals verify` on what it wrote and on the server it came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use annals_tree::cosignature::Cosigner;
use annals_tree::note::{Note, SigningKey};
use annals_tree::tile::{bundles, hash_tiles};
use axum::http::{StatusCode, Uri};
use expect_test::expect;
use rustix::process::Signal;

use crate::adversary_folders::folder_with_registry;
use crate::support::{Said, Server, World, copy, flip};

/// Names a bucket (and prefix) that may be filled; `AWS_*` say how to get there. `cargo xtask backups` sets them.
const BUCKET: &str = "ANNALS_TEST_S3_URL";

async fn server(world: &World, records: u64) -> (Server, String) {
    let server = world.serve(&[]);
    let key = server.operator_key();
    server.post(&key, 0, records).await;
    (server, key)
}

fn publish(world: &World, server: &Server, key: &str, extra: &[&str]) -> crate::support::Said {
    let mut args = vec!["publish", "--url", server.url(), "--key", key, "--tenant", "acme", "log"];
    args.extend(extra);
    world.run(&args)
}

#[tokio::test]
async fn a_published_log_is_verified_offline_and_grows() {
    let world = World::new();
    let (server, key) = server(&world, 300).await;
    let said = publish(&world, &server, &key, &[]);
    expect![[r#"
        exit 0
        --- stdout
        published log [LEDGER]/t/[LOG]: 300 records, root [HASH]; 5 tiles written, 0 kept, in log
    "#]]
    .assert_eq(&said.masked(&world));
    world.check(&["verify", "log"], &expect![[r#"
        exit 0
        --- stdout
        ok        log [LEDGER]/t/[LOG]: 300 records, root [HASH]
        --- stderr
        checked [COUNT] records in [TIME]
        note: the key was taken from the target itself and is remembered from now on; so far this shows only that the log agrees with itself. Compare the key with one you got elsewhere, or give it with `--log-key`.
    "#]]);
    let first = std::fs::read(world.path("log/tile/entries/000")).unwrap();

    server.post(&key, 300, 700).await;
    let said = publish(&world, &server, &key, &["--json"]);
    assert_eq!(
        (said.code, &said.result()["size"], &said.result()["tiles_kept"]),
        (Some(0), &1000.into(), &2.into())
    );
    assert_eq!(std::fs::read(world.path("log/tile/entries/000")).unwrap(), first);
    server.stop();
    world.check(
        &["verify", "log"],
        &expect![[r#"
        exit 0
        --- stdout
        ok        log [LEDGER]/t/[LOG]: [NUMBER] records, root [HASH], extends the 300 accepted before
        --- stderr
        checked [COUNT] records in [TIME]
    "#]],
    );
    let vkey = world.path("log/vkey");
    assert_eq!(world.run(&["verify", "log", "--log-key", vkey.to_str().unwrap()]).code, Some(0));
    let whole = world.run(&["verify", "data", "--log-key", vkey.to_str().unwrap()]);
    assert_eq!(
        whole.code,
        Some(0),
        "the key of one log is the key of all logs of its data folder: {whole:?}"
    );
}

#[tokio::test]
async fn a_server_is_verified_from_outside() {
    let world = World::new();
    let (server, key) = server(&world, 600).await;
    world.check(&["verify", server.url(), "--key", &key, "--tenant", "acme"], &expect![[r#"
        exit 0
        --- stdout
        ok        tenant `acme`, log [LEDGER]/t/[LOG]: 600 records, root [HASH]
        --- stderr
        checked [COUNT] records in [TIME]
        note: the key was taken from the target itself and is remembered from now on; so far this shows only that the log agrees with itself. Compare the key with one you got elsewhere, or give it with `--log-key`.
    "#]]);
    server.post(&key, 600, 1).await;
    let said = world.run(&["verify", server.url(), "--key", &key, "--json"]);
    assert_eq!(said.code, Some(0), "{}", said.stdout);
    assert_eq!(said.result()["logs"], 2, "the tenant's and that of `_annals`");
    let access =
        world.run(&["verify", server.url(), "--key", &key, "--tenant", "acme", "--access", "--json"]);
    assert_eq!(access.code, Some(0), "{}", access.stdout);
    world.check(
        &["verify", server.url(), "--tenant", "acme"],
        &expect![[r#"
        exit 3
        --- stderr
        error: the server refuses: send a key in the header `Authorization: Bearer annals_…` (unauthenticated)
        hint: give a key with `--key` or `ANNALS_KEY`
    "#]],
    );
    server.stop();
}

#[tokio::test]
async fn a_flipped_byte_in_a_published_log_is_named() {
    let world = World::new();
    let (server, key) = server(&world, 600).await;
    assert_eq!(publish(&world, &server, &key, &[]).code, Some(0));
    copy(&world.path("log"), &world.path("whole"));

    // Entry 300 is the 45th of its bundle; the byte is in its commitment.
    flip(&world.path("log/tile/entries/001"), 46 * 44 + 20);
    world.check(&["verify", "log"], &expect![[r#"
        exit 8
        --- stdout
        damaged   log [LEDGER]/t/[LOG]: `tile/entries/001`: position 300: the entry does not hash to leaf 44 of `tile/0/001`
        damaged   log [LEDGER]/t/[LOG]: 600 records, root [HASH]
        --- stderr
        checked [COUNT] records in [TIME]
        error: one thing does not hold
        hint: leave everything as it is; a backup or a published copy may still be good, `annals verify` tells
    "#]]);
    // Publishing again does not paper over it.
    let again = publish(&world, &server, &key, &[]);
    expect![[r#"
        exit 8
        --- stdout
        damaged   `log/tile/entries/001` is not what the server has
        --- stderr
        damaged: `tile/entries/001`: position 300: the entry does not hash to leaf 44 of `tile/0/001`
        error: log [LEDGER]/t/[LOG]: the folder's files do not give the root that its checkpoint signs; no checkpoint was written
        hint: `annals verify` on the folder and on the server shows which of the two is wrong
    "#]].assert_eq(&again.masked(&world));
    server.stop();

    for name in ["tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/002.p/88", "checkpoint"] {
        std::fs::remove_dir_all(world.path("log")).unwrap();
        copy(&world.path("whole"), &world.path("log"));
        flip(&world.path("log").join(name), 40);
        let said = world.run(&["verify", "log", "--json"]);
        assert_eq!(said.code, Some(8), "{name}: {}", said.stdout);
        let names_it = |finding: &serde_json::Value| {
            finding["file"] == name || finding["message"].as_str().unwrap().contains(name)
        };
        assert!(said.findings().iter().any(names_it), "{name}: {}", said.stdout);
    }
}

#[tokio::test]
async fn a_log_that_shrank_or_forked_is_an_alarm() {
    let world = World::new();
    let (server, key) = server(&world, 10).await;
    assert_eq!(publish(&world, &server, &key, &[]).code, Some(0));
    copy(&world.path("log"), &world.path("old"));
    server.post(&key, 10, 10).await;
    assert_eq!(publish(&world, &server, &key, &[]).code, Some(0));
    assert_eq!(world.run(&["verify", "log"]).code, Some(0));
    world.check(
        &["verify", "old"],
        &expect![[r#"
        exit 8
        --- stdout
        damaged   log [LEDGER]/t/[LOG]: 20 records were accepted before, now there are 10: the end is missing
        damaged   log [LEDGER]/t/[LOG]: 10 records, root [HASH]
        --- stderr
        checked [COUNT] records in [TIME]
        error: one thing does not hold
        hint: leave everything as it is; a backup or a published copy may still be good, `annals verify` tells
    "#]],
    );
    server.stop();

    // The same ledger, continued differently from a copy: the same key signs another history.
    let other = World::new();
    let (fork, key) = self::server(&other, 10).await;
    fork.stop();
    copy(&other.path("data"), &other.path("twin"));
    for (data, from) in [("data", 10), ("twin", 500)] {
        let mut command = other.command(&["serve", "--json", "--data", data, "--listen", "127.0.0.1:0"]);
        let server = Server::start(&mut command);
        server.post(&key, from, 20).await;
        let said = other.run(&["verify", server.url(), "--key", &key, "--tenant", "acme"]);
        if data == "data" {
            assert_eq!(said.code, Some(0), "{}", said.stdout);
        } else {
            expect![[r#"
                exit 8
                --- stdout
                damaged   tenant `acme`: log [LEDGER]/t/[LOG]: its first 30 records are not those that were accepted before: this is another history: proof: does not lead to the root
                damaged   tenant `acme`, log [LEDGER]/t/[LOG]: 30 records, root [HASH]
                --- stderr
                checked [COUNT] records in [TIME]
                error: one thing does not hold
                hint: leave everything as it is; a backup or a published copy may still be good, `annals verify` tells
            "#]].assert_eq(&said.masked(&other));
        }
        server.stop();
    }
}

#[tokio::test]
async fn another_key_than_the_one_given_is_an_alarm() {
    let world = World::new();
    let (server, key) = server(&world, 3).await;
    assert_eq!(publish(&world, &server, &key, &[]).code, Some(0));
    server.stop();
    let foreign = "log.example.com/t/00000000000000000000000000000000+5b1a5a5c+AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";
    let said = world.run(&["verify", "log", "--log-key", foreign]);
    assert_eq!(said.code, Some(2), "a key whose id does not fit is no key: {}", said.stdout);
}

/// Every file of a folder, by its name in it.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn add(folder: &Path, above: &str, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let entry = entry.unwrap();
            let name = format!("{above}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                add(&entry.path(), &format!("{name}/"), found);
            } else {
                found.insert(name, std::fs::read(entry.path()).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    add(folder, "", &mut found);
    found
}

/// One file of a log, as the server gives it, and the headers it comes with.
async fn served(url: &str, key: &str) -> (u16, BTreeMap<String, String>, Vec<u8>) {
    let answer = reqwest::Client::new().get(url).bearer_auth(key).send().await.unwrap();
    let headers = answer.headers().iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    (answer.status().as_u16(), headers, answer.bytes().await.unwrap().to_vec())
}

/// Runs a command that may need what the environment says of the bucket.
fn run_with_bucket(world: &World, args: &[&str]) -> Said {
    let mut command = world.command(args);
    command.envs(std::env::vars().filter(|(name, _)| name.starts_with("AWS_")));
    World::finished(&mut command)
}

/// Sizes at which the tree changes its shape.
const SIZES: [u64; 6] = [1, 255, 256, 257, 600, 1000];

#[tokio::test]
async fn a_published_folder_is_what_the_server_gives_byte_by_byte() {
    let world = World::new();
    let (server, key) = server(&world, 0).await;
    let mut at = 0;
    for size in SIZES {
        server.post(&key, at, size - at).await;
        at = size;
        assert_eq!(publish(&world, &server, &key, &[]).code, Some(0));
        compare_with_server(&server, &key, size, &files(&world.path("log"))).await;
    }
    server.stop();
}

/// All that a published log of this size has, against what the server gives under the same names.
async fn compare_with_server(server: &Server, key: &str, size: u64, files: &BTreeMap<String, Vec<u8>>) {
    let names = hash_tiles(size).chain(bundles(size)).map(|tile| tile.to_string());
    for name in names.chain(["checkpoint".to_owned()]) {
        let url = format!("{}/v1/log/{name}?tenant=acme", server.url());
        let (status, _, body) = served(&url, key).await;
        assert_eq!(status, 200, "{name}");
        assert!(files.get(&name) == Some(&body), "{name} of {size} records");
    }
}

#[tokio::test]
async fn a_published_log_is_the_same_from_a_bucket() {
    let Ok(bucket) = std::env::var(BUCKET) else {
        println!("skipped: {BUCKET} is not set");
        return;
    };
    let world = World::new();
    let (server, key) = server(&world, 0).await;
    let url = format!("{bucket}/published-{}", std::process::id());
    // The same by plain HTTP, as everybody reads a public bucket.
    let endpoint = std::env::var("AWS_ENDPOINT_URL").unwrap();
    let web = format!("{endpoint}/{}", url.strip_prefix("s3://").unwrap());
    let publish_to = |place: &str, extra: &[&str]| {
        let args = ["publish", "--url", server.url(), "--key", &key, "--tenant", "acme", place];
        run_with_bucket(&world, &[&args, extra].concat())
    };
    let mut at = 0;
    for size in SIZES {
        server.post(&key, at, size - at).await;
        at = size;
        assert_eq!(publish_to("log", &[]).code, Some(0));
        let said = publish_to(&url, &["--json"]);
        assert_eq!((said.code, &said.result()["size"]), (Some(0), &size.into()), "{said:?}");
        let files = files(&world.path("log"));
        compare_with_server(&server, &key, size, &files).await;
        for (name, bytes) in &files {
            let (status, headers, body) = served(&format!("{web}/{name}"), "none").await;
            assert!(status == 200 && body == *bytes, "{name} of {size} records: {status}");
            let (kind, keeping) = match name.as_str() {
                "checkpoint" | "vkey" => ("text/plain; charset=utf-8", "public, max-age=5"),
                name if name.contains(".p/") => ("application/octet-stream", "public, max-age=3600"),
                _ => ("application/octet-stream", "public, max-age=31536000, immutable"),
            };
            assert_eq!((&*headers["content-type"], &*headers["cache-control"]), (kind, keeping), "{name}");
        }
        // Each time somebody else verifies what is there, and it extends what was there before.
        for place in [&url, &web] {
            let said = run_with_bucket(&world, &["verify", place]);
            assert_eq!(said.code, Some(0), "{place}: {said:?}");
            assert!(said.stdout.contains(&format!(": {size} records")), "{place}: {said:?}");
        }
    }
    let (_, _, checkpoint) = served(&format!("{web}/checkpoint"), "none").await;

    // Another log does not go there, and a log that lost its end does not take it back.
    let args = ["publish", "--url", server.url(), "--key", &key, "--tenant", "_annals", &url];
    assert_eq!(run_with_bucket(&world, &args).code, Some(5));
    server.stop();
    let other = World::new();
    let (older, older_key) = self::server(&other, 5).await;
    let args = ["publish", "--url", older.url(), "--key", &older_key, "--tenant", "acme", &url];
    assert_eq!(run_with_bucket(&world, &args).code, Some(5), "another ledger's log is another log");
    older.stop();
    assert_eq!(served(&format!("{web}/checkpoint"), "none").await.2, checkpoint);
    let missing = run_with_bucket(&world, &["verify", &format!("{url}/elsewhere")]);
    assert_eq!(missing.code, Some(4), "{missing:?}");
}

#[tokio::test]
async fn what_was_published_never_goes_back() {
    let world = World::new();
    let (first, key) = server(&world, 10).await;
    first.stop();
    copy(&world.path("data"), &world.path("older"));
    let second = world.serve(&[]);
    second.post(&key, 10, 10).await;
    assert_eq!(publish(&world, &second, &key, &[]).code, Some(0));
    second.stop();
    let before = files(&world.path("log"));
    let mut command = world.command(&["serve", "--json", "--data", "older", "--listen", "127.0.0.1:0"]);
    let older = Server::start(&mut command);
    let said = publish(&world, &older, &key, &[]);
    expect![[r#"
        exit 8
        --- stderr
        error: log [LEDGER]/t/[LOG]: 20 records were published before, now the server has 10: the end is missing
        hint: nothing was written; compare the two with `annals verify`
    "#]]
    .assert_eq(&said.masked(&world));
    // As many records, and others: the tiles differ.
    older.post(&key, 500, 10).await;
    let said = publish(&world, &older, &key, &[]);
    assert_eq!(said.code, Some(8), "{said:?}");
    assert!(said.stdout.contains("is not what the server has"), "{said:?}");
    assert!(files(&world.path("log")) == before);
    older.stop();
}

/// Hands out the files of a folder, as any web server does; where they are.
async fn static_files(folder: PathBuf) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = axum::Router::new().fallback(move |uri: Uri| {
        let path = folder.join(uri.path().trim_start_matches('/'));
        async move { std::fs::read(path).map_err(|_| StatusCode::NOT_FOUND) }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_published_log_is_verified_from_any_web_server() {
    let world = World::new();
    let (server, key) = server(&world, 300).await;
    assert_eq!(publish(&world, &server, &key, &[]).code, Some(0));
    let url = format!("{}/log", static_files(world.path("")).await);
    world.check(&["verify", &url], &expect![[r#"
        exit 0
        --- stdout
        ok        log [LEDGER]/t/[LOG]: 300 records, root [HASH]
        --- stderr
        checked [COUNT] records in [TIME]
        note: the key was taken from the target itself and is remembered from now on; so far this shows only that the log agrees with itself. Compare the key with one you got elsewhere, or give it with `--log-key`.
    "#]]);
    server.post(&key, 300, 300).await;
    assert_eq!(publish(&world, &server, &key, &[]).code, Some(0));
    server.stop();
    // The partial tiles of the checkpoint before may be gone.
    std::fs::remove_dir_all(world.path("log/tile/0/001.p")).unwrap();
    std::fs::remove_dir_all(world.path("log/tile/entries/001.p")).unwrap();
    let said = world.run(&["verify", &url, "--key", "annals_whatever"]);
    assert!(said.code == Some(0) && said.stdout.contains("extends the 300 accepted before"), "{said:?}");
    flip(&world.path("log/tile/0/001"), 40);
    let said = world.run(&["verify", &url]);
    assert!(said.code == Some(8) && said.stdout.contains("`tile/0/001`"), "{said:?}");
    std::fs::remove_file(world.path("log/tile/0/001")).unwrap();
    let said = world.run(&["verify", &url]);
    assert!(said.code == Some(8) && said.stdout.contains("`tile/0/001`: is missing"), "{said:?}");
}

#[tokio::test]
async fn all_logs_are_published_under_their_ids_and_the_registry_with_them() {
    let world = World::new();
    let key = folder_with_registry(&world.path("data"));
    let server = world.serve(&[]);
    server.post(&key, 0, 19).await;
    let all = ["publish", "--url", server.url(), "--key", &key, "--all", "logs", "--json"];
    let said = world.run(&all);
    assert_eq!((said.code, &said.result()["logs"]), (Some(0), &3.into()), "{said:?}");
    let mut published: Vec<String> = std::fs::read_dir(world.path("logs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    published.sort();
    let mut ids = Vec::new();
    for tenant in ["_annals", "_registry", "acme"] {
        let (_, log) = server.get(&format!("/v1/log?tenant={tenant}"), &key).await;
        ids.push(log["log_id"].as_str().unwrap().to_owned());
    }
    ids.sort();
    assert_eq!(published, ids);
    for (name, bytes) in files(&world.path("logs")) {
        let names_it = bytes.windows(4).any(|window| window == b"acme") || name.contains("acme");
        assert!(!names_it, "{name} names a customer");
    }
    let said = world.run(&["verify", "logs", "--json"]);
    assert_eq!((said.code, &said.result()["logs"]), (Some(0), &3.into()), "{said:?}");

    // The registry alone, and again all of it, where one log was changed: the others are published.
    let registry = ["publish", "--url", server.url(), "--key", &key, "--registry", "registry"];
    assert_eq!(world.run(&registry).code, Some(0));
    assert_eq!(world.run(&["verify", "registry"]).code, Some(0));
    let (_, log) = server.get("/v1/log?tenant=acme", &key).await;
    flip(&world.path("logs").join(log["log_id"].as_str().unwrap()).join("tile/entries/000.p/20"), 30);
    let said = world.run(&all);
    assert_eq!(said.code, Some(8), "{said:?}");
    assert!(said.stdout.contains("\"item\":\"failure\"") && said.stderr.contains("1 of 3 logs"), "{said:?}");

    let said = world.run(&[
        "key",
        "create",
        "--url",
        server.url(),
        "--key",
        &key,
        "--tenant",
        "acme",
        "--scope",
        "verify",
        "--json",
    ]);
    let result = said.result();
    let secret = result["key"].as_str().or(result["secret"].as_str()).unwrap_or_else(|| panic!("{said:?}"));
    let denied = world.run(&["publish", "--url", server.url(), "--key", secret, "--registry", "other"]);
    assert_eq!(denied.code, Some(3), "{denied:?}");
    assert!(!world.path("other/checkpoint").exists());
    server.stop();
}

#[tokio::test]
async fn cosignatures_are_published_with_the_checkpoint() {
    let world = World::new();
    let (server, key) = server(&world, 0).await;
    let ledger = server.get("/v1/status", &key).await.1["ledger_key"].as_str().unwrap().to_owned();
    server.stop();
    let args =
        ["witness", "--json", "--data", "w", "--listen", "127.0.0.1:0", "--ledger", &ledger, "--name", "w1"];
    let witness = Server::start(&mut world.command(&args));
    let w1 = witness.first_line["witness_key"].as_str().unwrap().to_owned();
    let setting = format!("{} {w1}", witness.url());
    let serve = || {
        let mut command = world.command(&["serve", "--json", "--data", "data", "--listen", "127.0.0.1:0"]);
        Server::start(command.env("ANNALS_WITNESS__LIST", &setting))
    };
    let server = serve();
    server.post(&key, 0, 20).await;
    let said = publish(&world, &server, &key, &["--json"]);
    assert_eq!((said.code, &said.result()["cosignatures"]), (Some(0), &1.into()), "{said:?}");
    let verify = ["verify", "log", "--witness", &w1];
    let said = world.run(&verify);
    assert!(said.code == Some(0) && said.stdout.contains("by 1 of 1 witnesses"), "{said:?}");
    let url = format!("{}/v1/log/checkpoint?tenant=acme&cosigned=true", server.url());
    assert_eq!(served(&url, &key).await.2, std::fs::read(world.path("log/checkpoint")).unwrap());

    // The witness is away: what it cosigned stays published, and that there is more is said.
    witness.stop();
    server.post(&key, 20, 5).await;
    let cosigned = std::fs::read(world.path("log/checkpoint")).unwrap();
    let said = publish(&world, &server, &key, &[]);
    assert!(said.code == Some(0) && said.stderr.contains("5 newer records are not cosigned yet"), "{said:?}");
    assert_eq!(std::fs::read(world.path("log/checkpoint")).unwrap(), cosigned);
    server.stop();

    // A server that was restarted knows of no cosignature: nothing is taken back, and nothing waits for ever.
    let server = serve();
    let said = publish(&world, &server, &key, &["--json"]);
    assert_eq!((&said.result()["size"], &said.result()["cosignatures"]), (&25.into(), &0.into()), "{said:?}");
    assert_eq!(world.run(&["verify", "log"]).code, Some(0));
    // Of the same records, lines that the server does not have stay, and are not called cosignatures.
    let note = std::fs::read_to_string(world.path("log/checkpoint")).unwrap();
    let other = Cosigner::from_seed("w2", &[3; 32]).unwrap();
    let signed = format!("{note}{}", other.cosign(Note::parse(&note).unwrap().text(), 1_795_000_000));
    std::fs::write(world.path("log/checkpoint"), &signed).unwrap();
    let said = publish(&world, &server, &key, &["--json"]).result();
    assert_eq!((&said["cosignatures"], &said["lines_kept"]), (&0.into(), &1.into()));
    assert!(publish(&world, &server, &key, &[]).stdout.contains(", 1 unchecked signature line kept;"));
    assert_eq!(std::fs::read_to_string(world.path("log/checkpoint")).unwrap(), signed);
    server.stop();
}

#[tokio::test]
async fn a_publisher_that_is_killed_leaves_a_log_that_the_next_one_extends() {
    let world = World::new();
    let (mut server, key) = server(&world, 300).await;
    let mut at = 300;
    let mut interrupted = 0;
    for round in 0..10_u64 {
        let before = files(&world.path("log"));
        let args = ["publish", "--url", server.url(), "--key", &key, "--tenant", "acme", "log"];
        let mut child = world.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(7 * ((round * 5) % 13)));
        drop(child.kill());
        interrupted += u64::from(!child.wait().unwrap().success());
        if round % 3 == 2 {
            // The server as well, in the midst of signing.
            server.post(&key, at, 3).await;
            at += 3;
            server.signal(Signal::KILL);
            drop(server);
            server = world.serve(&[]);
        }
        let after = files(&world.path("log"));
        for (name, bytes) in before.iter().filter(|(name, _)| name.starts_with("tile/")) {
            assert!(after.get(name) == Some(bytes), "round {round}: {name} is another");
        }
        if after.contains_key("checkpoint") {
            // Also between two runs it is whole, and extends what was seen before.
            let said = world.run(&["verify", "log"]);
            assert_eq!(said.code, Some(0), "round {round}: {said:?}");
        }
        server.post(&key, at, 90).await;
        at += 90;
    }
    assert!(interrupted > 2, "only {interrupted} runs were killed");
    let said = publish(&world, &server, &key, &["--json"]);
    assert_eq!((said.code, &said.result()["size"]), (Some(0), &at.into()), "{said:?}");
    assert_eq!(world.run(&["verify", "log"]).code, Some(0));
    let unfinished: Vec<_> =
        files(&world.path("log")).into_keys().filter(|name| name.contains(".annals-")).collect();
    assert!(unfinished.is_empty(), "{unfinished:?}");
    compare_with_server(&server, &key, at, &files(&world.path("log"))).await;
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_whose_key_was_rotated_is_published_on() {
    let world = World::new();
    let (server, key) = server(&world, 20).await;
    assert_eq!(publish(&world, &server, &key, &[]).code, Some(0));
    assert_eq!(world.run(&["verify", "log"]).code, Some(0));
    let (before, vkey) =
        (files(&world.path("log")), std::fs::read_to_string(world.path("log/vkey")).unwrap());
    server.stop();
    let rotated = world.run(&["signing-key", "rotate", "--data", "data", "--json"]);
    assert_eq!(rotated.code, Some(0), "{rotated:?}");
    let server = world.serve(&[]);
    server.post(&key, 20, 20).await;
    let said = publish(&world, &server, &key, &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_ne!(std::fs::read_to_string(world.path("log/vkey")).unwrap(), vkey);
    // Whoever trusts the old key is led to the new one.
    for extra in [&[][..], &["--log-key", vkey.trim()]] {
        let said = world.run(&[&["verify", "log"], extra].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    // Wherever a run is killed, what it leaves is verified by whoever never saw it and by whoever remembers the old key, and the
    // next one goes on.
    let after = files(&world.path("log"));
    let new = String::from_utf8(after["vkey"].clone()).unwrap();
    let both = format!("{new}{vkey}");
    let web = format!("{}/log", static_files(world.path("")).await);
    let lay = |files: &BTreeMap<String, Vec<u8>>, keys: &str| {
        std::fs::write(world.path("log/checkpoint"), &files["checkpoint"]).unwrap();
        std::fs::write(world.path("log/vkey"), keys).unwrap();
    };
    for (step, (note, keys)) in
        [(&before, &vkey), (&before, &both), (&after, &both), (&after, &new)].into_iter().enumerate()
    {
        for knows_old in [false, true] {
            let verify = |place: &str| {
                let state = world.path(&format!("state-{step}-{knows_old}"));
                World::finished(world.command(&["verify", place]).env("ANNALS_STATE", state))
            };
            if knows_old {
                lay(&before, &vkey);
                assert_eq!(verify("log").code, Some(0));
            }
            lay(note, keys);
            for place in ["log", &web] {
                let said = verify(place);
                assert_eq!(said.code, Some(0), "step {step}, old key known: {knows_old}: {place}: {said:?}");
            }
        }
        let file = world.path("log/vkey").display().to_string();
        let said = world.run(&["verify", "log", "--log-key", &file]);
        // What this machine remembers is the newer state.
        assert_eq!(said.code, Some(if step < 2 { 8 } else { 0 }), "step {step}: {said:?}");
        assert_eq!(publish(&world, &server, &key, &[]).code, Some(0));
        assert_eq!(std::fs::read_to_string(world.path("log/vkey")).unwrap(), new);
        assert_eq!(std::fs::read(world.path("log/checkpoint")).unwrap(), after["checkpoint"]);
    }
    // A checkpoint that somebody else signed is none of this log's.
    let note = String::from_utf8(before["checkpoint"].clone()).unwrap();
    let parsed = Note::parse(&note).unwrap();
    let origin = note.lines().next().unwrap();
    let other = SigningKey::from_seed(origin, &[9; 32]).unwrap();
    std::fs::write(world.path("log/checkpoint"), other.sign(parsed.text()).unwrap()).unwrap();
    let said = publish(&world, &server, &key, &[]);
    assert!(said.code == Some(5) && said.stderr.contains("is not an earlier state"), "{said:?}");
    server.stop();
}
