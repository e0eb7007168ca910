//! `annals publish`, and `annals verify` on what it wrote and on the server it came from.

use expect_test::expect;

use crate::support::{Server, World, copy, flip};

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
