//! `annals backup` and `annals restore`, to a folder, and to a bucket when one is there to test with.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use expect_test::{Expect, expect};
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Said, Server, World, copy, flip};

/// Names a bucket (and prefix) that may be filled; `AWS_*` say how to get there. `cargo xtask backups` sets them.
const BUCKET: &str = "ANNALS_TEST_S3_URL";

/// Seals after so many records, so that a test has segments and merges.
const SEAL_RECORDS: &str = "100";

fn serve(world: &World, data: &str) -> Server {
    let mut command = world.command(&["serve", "--json", "--data", data, "--listen", "127.0.0.1:0"]);
    Server::start(command.env("ANNALS_SEGMENTS__SEAL_RECORDS", SEAL_RECORDS))
}

/// Runs a command that may need what the environment says of the bucket.
fn run(world: &World, args: &[&str]) -> Said {
    let mut command = world.command(args);
    command.envs(std::env::vars().filter(|(name, _)| name.starts_with("AWS_")));
    World::finished(&mut command)
}

fn backup(world: &World, place: &str) -> Value {
    let said = run(world, &["backup", place, "--data", "data", "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    said.result()
}

fn count(result: &Value, name: &str) -> u64 {
    result[name].as_u64().unwrap_or_else(|| panic!("no `{name}` in {result}"))
}

/// Compares what a command says, with instants and sizes masked as well.
fn check(world: &World, args: &[&str], expected: &Expect) {
    let said = run(world, args).masked(world);
    let mut out = String::new();
    let mut words = said.split_inclusive([' ', '(', ')', '\n', '"', ',']).peekable();
    while let Some(word) = words.next() {
        let body = word.trim_end_matches([' ', '(', ')', '\n', '"', ',']);
        let unit = words.peek().map(|next| next.trim_end_matches([' ', '(', ')', '\n', '"', ',']));
        if body.len() == 20 && body.starts_with("20") && body.ends_with('Z') {
            out.push_str("[INSTANT]");
            out.push_str(&word[body.len()..]);
        } else if matches!(unit, Some("B" | "KiB" | "MiB")) && body.parse::<f64>().is_ok() {
            out.push_str("[SIZE]");
            out.push_str(
                words.next().map_or("", |word| word.trim_start_matches(|c: char| c.is_alphabetic())),
            );
        } else {
            out.push_str(word);
        }
    }
    expected.assert_eq(&out);
}

/// A small data folder with segments, and one backup of it in `backups`.
async fn backed_up(world: &World) -> Value {
    let server = serve(world, "data");
    server.post(&server.operator_key(), 0, 350).await;
    sealed(world).await;
    server.stop();
    backup(world, "backups")
}

/// Waits until something was sealed.
async fn sealed(world: &World) {
    let segments = world.path("data/segments");
    let is_manifest = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.starts_with("manifest-") && !name.ends_with(".tmp")
    };
    for _ in 0..6000 {
        if std::fs::read_dir(&segments).is_ok_and(|mut entries| entries.any(is_manifest)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nothing was sealed");
}

/// Every file below a folder, by its path in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_under_load_comes_back_from_a_folder() {
    drill("backups").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_under_load_comes_back_from_a_bucket() {
    match std::env::var(BUCKET) {
        Ok(url) => drill(&format!("{url}/drill-{}", std::process::id())).await,
        Err(_) => println!("skipped: {BUCKET} is not set"),
    }
}

/// Backs up a server that stores, seals and merges meanwhile, kills it, restores elsewhere and goes on there.
async fn drill(place: &str) {
    let world = Arc::new(World::new());
    let server = Arc::new(serve(&world, "data"));
    let key = server.operator_key();
    server.post(&key, 0, 1500).await;
    sealed(&world).await;

    let acknowledged = Arc::new(AtomicU64::new(1500));
    let enough = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn({
        let (server, key) = (server.clone(), key.clone());
        let (acknowledged, enough) = (acknowledged.clone(), enough.clone());
        async move {
            let mut at = 1500;
            while !enough.load(Ordering::SeqCst) {
                server.post(&key, at, 40).await;
                at += 40;
                acknowledged.store(at, Ordering::SeqCst);
            }
        }
    });
    let back_up = || async {
        let (world, place) = (world.clone(), place.to_owned());
        let before = acknowledged.load(Ordering::SeqCst);
        let result = tokio::task::spawn_blocking(move || backup(&world, &place)).await.unwrap();
        (before, result)
    };

    let (before_first, first) = back_up().await;
    while acknowledged.load(Ordering::SeqCst) < before_first + 400 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // What somebody outside holds: proofs, and a checkpoint that `verify` remembers.
    let proof =
        |position: u64| format!("/v1/proofs/inclusion?tenant=acme&position={position}&size={before_first}");
    let mut proofs = Vec::new();
    for position in [0, 1, 255, 256, 700, before_first - 1] {
        let (status, proven) = server.get(&proof(position), &key).await;
        assert_eq!(status, 200, "{proven}");
        proofs.push((position, proven));
    }
    let remembers = ["verify", server.url(), "--key", &key, "--tenant", "acme"];
    assert_eq!(world.run(&remembers).code, Some(0));
    let (before_second, second) = back_up().await;
    enough.store(true, Ordering::SeqCst);
    load.await.unwrap();
    assert_eq!((count(&first, "number"), count(&second, "number")), (1, 2));
    assert!(count(&first, "events") >= before_first && count(&second, "events") >= before_second);

    // Nothing is stored any more: only what is signed may still move.
    let (_, third) = back_up().await;
    // The journal, the signer, the list, a manifest, and a segment, into which all may be merged.
    assert!(count(&third, "objects") >= 5, "there are segments: {third}");
    // What was stored last may still be sealed, merged and said again by another manifest.
    let mut copied = Vec::new();
    while copied.last().is_none_or(|copied| *copied > 3) {
        assert!(copied.len() < 100, "more than the journal, the signer, the list: {copied:?}");
        copied.push(count(&back_up().await.1, "objects_copied"));
    }
    server.signal(Signal::KILL);
    drop(Arc::into_inner(server));
    let (_, of_the_dead) = back_up().await;
    let (_, again) = back_up().await;
    assert_eq!(count(&again, "objects_copied"), 0, "{of_the_dead} {again}");

    // Elsewhere, the second one, which was made under load.
    std::fs::rename(world.path("data"), world.path("lost")).unwrap();
    let restore =
        ["restore", place, "--at", "2", "--data", "data", "--signing-key", "lost/signing.key", "--json"];
    let said = run(&world, &restore);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.result()["events"], second["events"]);
    assert_eq!(world.run(&["verify", "data"]).code, Some(0));
    let server = serve(&world, "data");
    for (position, proven) in proofs {
        assert_eq!(server.get(&proof(position), &key).await, (200, proven));
    }
    let remembers = ["verify", server.url(), "--key", &key, "--tenant", "acme"];
    let said = world.run(&remembers);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("extends the"), "{}", said.stdout);
    let feed = world.run(&["feed", "--url", server.url(), "--key", &key, "--tenant", "acme"]);
    let ids: Vec<String> = feed
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter_map(|record| Some(record["event"]["id"].as_str().or(record["id"].as_str())?.to_owned()))
        .collect();
    let expected: Vec<String> =
        (0..count(&second, "events")).map(|number| format!("event-{number}")).collect();
    assert_eq!(ids.len(), expected.len());
    assert_eq!(ids, expected, "each event once, in its order, and every one acknowledged before");

    // It goes on, and can be backed up to the same place again.
    server.post(&key, count(&second, "events"), 400).await;
    assert_eq!(world.run(&remembers).code, Some(0));
    server.stop();
    assert_eq!(world.run(&["verify", "data"]).code, Some(0));
    let (_, after) = back_up().await;
    assert_eq!(count(&after, "events"), count(&second, "events") + 400);
    let said = run(&world, &["restore", place, "--data", "last", "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[tokio::test]
async fn every_damaged_or_missing_object_is_named_and_no_folder_is_left() {
    let world = World::new();
    backed_up(&world).await;
    copy(&world.path("backups"), &world.path("whole"));
    let whole = files(&world.path("whole"));
    assert!(whole.len() >= 6, "{whole:?}");
    for file in whole {
        let name = file.strip_prefix(world.path("whole")).unwrap().to_str().unwrap().to_owned();
        let bytes = std::fs::read(&file).unwrap().len();
        type Harm = fn(&Path, usize);
        let harms: [(&str, Harm); 4] = [
            ("flipped first byte", |path, _| flip(path, 0)),
            ("flipped last byte", |path, bytes| flip(path, bytes - 1)),
            ("cut", |path, bytes| {
                let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
                file.set_len(bytes as u64 - 1).unwrap();
            }),
            ("gone", |path, _| std::fs::remove_file(path).unwrap()),
        ];
        for (harm, harmed) in harms {
            std::fs::remove_dir_all(world.path("backups")).unwrap();
            copy(&world.path("whole"), &world.path("backups"));
            harmed(&world.path("backups").join(&name), bytes);
            let said = world.run(&["restore", "backups", "--data", "new"]);
            if name.starts_with("backup-") && harm == "gone" {
                assert_eq!(said.code, Some(4), "without its index a backup does not count: {said:?}");
            } else {
                assert_eq!(said.code, Some(8), "{name}, {harm}: {said:?}");
                assert!(said.stderr.contains(&name), "{name}, {harm}: {}", said.stderr);
            }
            assert!(!world.path("new").exists(), "{name}, {harm}");
        }
    }
}

#[tokio::test]
async fn objects_that_match_their_hashes_and_not_each_other_are_refused() {
    let world = World::new();
    backed_up(&world).await;
    // An index with other words and a good checksum: the audit finds what hashes cannot.
    let path = world.path("backups/backup-00000001.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let body = text.split_once("\"backup\":").unwrap().1.trim_end().strip_suffix('}').unwrap();
    let mut index: Value = serde_json::from_str(body).unwrap();
    index["objects"].as_array_mut().unwrap().retain(|object| object["kind"] != "segment");
    let body = index.to_string();
    let hash = <sha2::Sha256 as sha2::Digest>::digest(&body);
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(&path, format!("{{\"sha256\":\"{hash}\",\"backup\":{body}}}\n")).unwrap();
    let said = world.run(&["restore", "backups", "--data", "new", "--json"]);
    assert_eq!(said.code, Some(8), "{said:?}");
    assert!(said.stdout.contains("segment-"), "{}", said.stdout);
    assert!(!world.path("new").exists());
}

#[tokio::test]
async fn what_is_said() {
    let world = World::new();
    backed_up(&world).await;
    check(
        &world,
        &["backup", "backups", "--data", "data"],
        &expect![[r#"
        exit 0
        --- stdout
        backup 2 of ledger [LEDGER]: 350 events of 1 tenant; 0 objects copied ([SIZE]), 5 were there, in backups
    "#]],
    );
    check(
        &world,
        &["backup", "backups", "--list"],
        &expect![[r#"
        exit 0
        --- stdout
        BACKUP  MADE AT               LEDGER                   TENANTS  EVENTS  OBJECTS  SIZE
        1       [INSTANT]  [LEDGER]  1        350     5        [SIZE]
        2       [INSTANT]  [LEDGER]  1        350     5        [SIZE]
    "#]],
    );
    check(
        &world,
        &["restore", "backups", "--list", "--json"],
        &expect![[r#"
        exit 0
        --- stdout
        {"bytes":[NUMBER],"events":350,"item":"backup","ledger":"[LEDGER]","made_at":"[INSTANT]","number":1,"objects":5,"tenants":1,"type":"item"}
        {"bytes":[NUMBER],"events":350,"item":"backup","ledger":"[LEDGER]","made_at":"[INSTANT]","number":2,"objects":5,"tenants":1,"type":"item"}
        {"count":2,"type":"result"}
    "#]],
    );
    check(
        &world,
        &["restore", "backups", "--data", "new", "--signing-key", "data/signing.key"],
        &expect![[r#"
            exit 0
            --- stdout
            restored backup 2 of [INSTANT] from `backups`: ledger [LEDGER], 350 events of 1 tenant, 0 records of access; 354 records checked, 2 signed logs, in `new`
        "#]],
    );
    assert_eq!(
        std::fs::read(world.path("new/signing.key")).unwrap(),
        std::fs::read(world.path("data/signing.key")).unwrap()
    );
    assert!(!world.path("new/restoring").exists());
    check(
        &world,
        &["restore", "backups", "--data", "new"],
        &expect![[r#"
        exit 5
        --- stderr
        error: `new` is not empty
        hint: nothing is ever restored over something else; give a new folder with `--data DIR`
    "#]],
    );
    check(
        &world,
        &["restore", "backups", "--at", "1", "--data", "keyless"],
        &expect![[r#"
        exit 0
        --- stdout
        restored backup 1 of [INSTANT] from `backups`: ledger [LEDGER], 350 events of 1 tenant, 0 records of access; 354 records checked, 2 signed logs, in `keyless`
        --- stderr
        note: the signing key is in no backup; put your copy of it to `keyless/signing.key` (mode [NUMBER]): until then the folder does not start
    "#]],
    );
    check(
        &world,
        &["serve", "--data", "keyless", "--listen", "127.0.0.1:0"],
        &expect![[r#"
        exit 4
        --- stderr
        error: `keyless/signing.key` is missing, and the ledger was begun with it
        hint: put your own copy of it there: `annals backup` leaves it out
    "#]],
    );
    std::fs::copy(world.path("data/signing.key"), world.path("keyless/signing.key")).unwrap();
    serve(&world, "keyless").stop();
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let world = World::new();
    backed_up(&world).await;
    check(
        &world,
        &["backup", "data/backups", "--data", "data"],
        &expect![[r#"
        exit 2
        --- stderr
        error: `data/backups` is inside the data folder `data`
        hint: what is lost with the folder is no backup
    "#]],
    );
    check(
        &world,
        &["backup", "https://example.com/x", "--data", "data"],
        &expect![[r#"
        exit 2
        --- stderr
        error: `https://example.com/x` is a URL of a kind that holds no backups
        hint: give a folder, or `s3://BUCKET/PREFIX`
    "#]],
    );
    check(
        &world,
        &["backup", "backups", "--data", "nowhere"],
        &expect![[r#"
        exit 4
        --- stderr
        error: `nowhere` holds no ledger
        hint: `annals serve --data DIR` begins one
    "#]],
    );
    check(
        &world,
        &["restore", "nowhere", "--data", "new"],
        &expect![[r#"
        exit 4
        --- stderr
        error: `nowhere` is no folder
        hint: give the folder or URL that `annals backup` wrote to
    "#]],
    );
    std::fs::create_dir(world.path("empty")).unwrap();
    check(
        &world,
        &["restore", "empty", "--data", "new"],
        &expect![[r#"
        exit 4
        --- stderr
        error: there is no backup in `empty`
        hint: give the folder or URL that `annals backup` wrote to
    "#]],
    );
    check(
        &world,
        &["restore", "backups", "--at", "7", "--data", "new"],
        &expect![[r#"
        exit 4
        --- stderr
        error: there is no backup 7 in `backups`; the newest is 1
        hint: `annals restore --list` shows all
    "#]],
    );
    let mut other = world.command(&["serve", "--json", "--data", "other", "--listen", "127.0.0.1:0"]);
    Server::start(&mut other).stop();
    check(
        &world,
        &["backup", "backups", "--data", "other"],
        &expect![[r#"
        exit 5
        --- stderr
        error: `backups` has backups of another ledger, `[LEDGER]`
        hint: give each ledger a folder or prefix of its own
    "#]],
    );
    let said = world.run(&["restore", "backups", "--data", "new", "--signing-key", "other/signing.key"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("`other/signing.key` is not the key of ledger"), "{}", said.stderr);
    assert!(!world.path("new").exists());

    // A segment that is damaged is not copied.
    let segment = files(&world.path("data/segments")).pop().unwrap();
    flip(&segment, 100);
    let said = world.run(&["backup", "elsewhere", "--data", "data"]);
    assert_eq!(said.code, Some(8), "{said:?}");
    assert!(said.stderr.contains(segment.file_name().unwrap().to_str().unwrap()), "{}", said.stderr);
    assert!(world.run(&["backup", "elsewhere", "--list"]).stdout.is_empty());
}

#[tokio::test]
async fn older_backups_go_with_what_only_they_needed() {
    let world = World::new();
    backed_up(&world).await;
    let server = serve(&world, "data");
    let key = {
        // The operator key is shown once; an own one is made from the machine itself.
        let said = world.run(&["key", "reset", "--data", "data", "--json"]);
        said.result()["key"].as_str().or(said.result()["operator_key"].as_str()).unwrap().to_owned()
    };
    server.post(&key, 350, 1000).await;
    server.stop();
    backup(&world, "backups");
    // Left behind by backups that were never finished: one long ago, one perhaps under way.
    let backups = world.path("backups");
    let (old, young) = (backups.join("segments/old"), backups.join("segments/young"));
    std::fs::write(&old, "x").unwrap();
    std::fs::write(&young, "x").unwrap();
    std::fs::write(backups.join("letter.txt"), "x").unwrap();
    let two_days_ago = SystemTime::now() - Duration::from_secs(2 * 24 * 3600);
    std::fs::File::options().write(true).open(&old).unwrap().set_modified(two_days_ago).unwrap();

    let said = world.run(&["backup", "backups", "--data", "data", "--keep", "1", "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.result()["backups_removed"], 2);
    assert!(!old.exists() && young.exists() && backups.join("letter.txt").exists());
    let text = std::fs::read_to_string(backups.join("backup-00000003.json")).unwrap();
    let mut left = files(&backups);
    left.retain(|path| !path.ends_with("segments/young") && !path.ends_with("letter.txt"));
    assert_eq!(left.len() as u64, 1 + count(&said.result(), "objects"), "{left:?}");
    for path in left.iter().filter(|path| !path.ends_with("backup-00000003.json")) {
        assert!(text.contains(path.strip_prefix(&backups).unwrap().to_str().unwrap()), "{path:?}");
    }
    assert_eq!(world.run(&["restore", "backups", "--data", "new"]).code, Some(0));

    // While one that is to be left cannot be read, nobody knows what it needs.
    backup(&world, "backups");
    flip(&backups.join("backup-00000003.json"), 100);
    let before = files(&backups).len();
    let said = world.run(&["backup", "backups", "--data", "data", "--keep", "2"]);
    assert_eq!(said.code, Some(0), "the third is not among the two newest: {said:?}");
    flip(&backups.join("backup-00000005.json"), 100);
    let said = world.run(&["backup", "backups", "--data", "data", "--keep", "2"]);
    assert_eq!(said.code, Some(8), "{said:?}");
    assert!(said.stderr.contains("backup-00000005.json"), "{}", said.stderr);
    assert!(files(&backups).len() >= before);
    assert!(backups.join("backup-00000006.json").exists(), "the new one stands");
    assert_eq!(world.run(&["restore", "backups", "--data", "newest"]).code, Some(0));
}

#[tokio::test]
async fn a_restore_that_was_killed_is_begun_anew_and_another_is_waited_for() {
    let world = World::new();
    backed_up(&world).await;
    std::fs::create_dir_all(world.path("new/restoring/journal")).unwrap();
    std::fs::write(world.path("new/restoring/journal/0000000000000099.journal"), "half").unwrap();
    let lock = annals_journal::lock(&world.path("new/restoring"), "somebody").unwrap();
    let said = world.run(&["restore", "backups", "--data", "new"]);
    assert_eq!(said.code, Some(6), "{said:?}");
    drop(lock);
    let refused = world.run(&["serve", "--data", "new", "--listen", "127.0.0.1:0"]);
    assert_eq!(refused.code, Some(2), "half a restore is no data folder: {refused:?}");
    let said = world.run(&["restore", "backups", "--data", "new"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(world.run(&["verify", "new"]).code, Some(0));
}

#[test]
fn a_bucket_that_does_not_answer_is_said() {
    let world = World::new();
    let mut command: Command = world.command(&["backup", "s3://nowhere/x", "--list"]);
    command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1").env("AWS_ALLOW_HTTP", "true");
    command.env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "x").env("AWS_REGION", "us-east-1");
    let said = World::finished(&mut command);
    assert_eq!(said.code, Some(7), "{said:?}");
    assert!(said.stderr.contains("AWS_ENDPOINT_URL"), "{}", said.stderr);
}
