//! `annals verify` on a data folder.

use std::io::Write as _;
use std::process::Stdio;

use expect_test::expect;

use crate::support::{World, copy, find, flip};

/// The journal's only file.
const JOURNAL: &str = "journal/0000000000000000.journal";

/// A data folder with records of `acme` in two runs.
async fn data_folder(world: &World) {
    let server = world.serve(&[]);
    let key = server.operator_key();
    server.post(&key, 0, 300).await;
    server.stop();
    let server = world.serve(&[]);
    server.post(&key, 300, 5).await;
    server.stop();
}

#[tokio::test]
async fn a_whole_folder_is_accepted_while_a_server_runs_on_it_and_after() {
    let world = World::new();
    data_folder(&world).await;
    // Whether the last head is in the journal, or in the signer's memory alone, is a matter of when the server was stopped.
    let said = world.run(&["verify", "data", "--tenant", "acme"]).masked(&world);
    let said: String =
        said.split_inclusive('\n').filter(|line| !line.contains("has no signature over")).collect();
    expect![[r#"
        exit 0
        --- stdout
        ok        tenant `acme`, log [LEDGER]/t/[LOG]: 305 records, root [HASH]
        ok        access log of tenant `acme`, log [LEDGER]/a/[LOG]: 0 records, root [HASH]
        --- stderr
        checked [COUNT] records in [TIME]
        note: the key was taken from the target itself and is remembered from now on; so far this shows only that the log agrees with itself. Compare the key with one you got elsewhere, or give it with `--log-key`.
    "#]].assert_eq(&said);
    let server = world.serve(&[]);
    let before = std::fs::read_dir(world.path("data")).unwrap().count();
    let said = world.run(&["verify", "data", "--json"]);
    assert_eq!((said.code, &said.result()["verdict"]), (Some(0), &"ok".into()), "{}", said.stdout);
    assert_eq!(std::fs::read_dir(world.path("data")).unwrap().count(), before, "nothing is written there");
    server.stop();
    world.check(&["verify", "data", "--tenant", "acme"], &expect![[r#"
        exit 0
        --- stdout
        ok        tenant `acme`, log [LEDGER]/t/[LOG]: 305 records, root [HASH], extends the 305 accepted before
        ok        access log of tenant `acme`, log [LEDGER]/a/[LOG]: 0 records, root [HASH]
        --- stderr
        checked [COUNT] records in [TIME]
        note: the key was taken from the target itself and is remembered from now on; so far this shows only that the log agrees with itself. Compare the key with one you got elsewhere, or give it with `--log-key`.
    "#]]);
}

#[tokio::test]
async fn a_flipped_byte_in_the_journal_is_named_by_tenant_and_position() {
    let world = World::new();
    data_folder(&world).await;
    for number in [0, 137, 302] {
        let damaged = world.path(&format!("damaged-{number}"));
        copy(&world.path("data"), &damaged);
        let file = damaged.join(JOURNAL);
        let at = find(&file, &format!("\"id\":\"event-{number}\"")) + 8;
        flip(&file, at);
        let said = world.run(&["verify", damaged.to_str().unwrap(), "--json"]);
        assert_eq!(said.code, Some(8), "{}", said.stdout);
        let findings = said.findings();
        let record = findings
            .iter()
            .find(|finding| finding["position"] == number)
            .unwrap_or_else(|| panic!("{findings:#?}"));
        assert_eq!((&record["tenant"], &record["log"]), (&"acme".into(), &"events".into()));
        let offset = usize::try_from(record["offset"].as_u64().unwrap()).unwrap();
        assert!(offset < at && at < offset + 300, "the record begins at {offset}, the byte is at {at}");
        // The server does not serve it either, and says where to look.
        let refused = world.run(&["serve", "--data", damaged.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
        assert_eq!(refused.code, Some(8), "{}", refused.stderr);
        assert!(refused.stderr.contains("annals verify"), "{}", refused.stderr);
    }
}

#[tokio::test]
async fn what_is_said_of_a_damaged_folder() {
    let world = World::new();
    data_folder(&world).await;
    let file = world.path("data").join(JOURNAL);
    flip(&file, find(&file, "\"id\":\"event-301\"") + 8);
    world.check(&["verify", "data", "--tenant", "acme"], &expect![[r#"
        exit 8
        --- stdout
        damaged   journal: file `0000000000000000.journal`, byte [NUMBER] (place 6): the payload does not match its checksum; it holds tenant `acme`, positions 300 to 304
        damaged   tenant `acme`: the record at position 301 does not match its commitment (file `0000000000000000.journal`, byte [NUMBER])
        damaged   tenant `acme`, log [LEDGER]/t/[LOG]: 305 records, root [HASH]
        ok        access log of tenant `acme`, log [LEDGER]/a/[LOG]: 0 records, root [HASH]
        --- stderr
        checked [COUNT] records in [TIME]
        error: 2 things do not hold
        hint: leave everything as it is; a backup or a published copy may still be good, `annals verify` tells
    "#]]);
    let mut unread = world.command(&["verify", "data"]);
    let mut unread = unread.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(unread.stdout.take());
    assert_eq!(unread.wait().unwrap().code(), Some(8), "also when nobody reads it");
}

#[tokio::test]
async fn a_journal_that_lost_its_end_is_an_alarm() {
    let world = World::new();
    data_folder(&world).await;
    // Cut off at the first batch of the second run; to the journal alone this looks like a write cut short by a crash.
    let file = world.path("data").join(JOURNAL);
    let at = find(&file, "\"id\":\"event-300\"");
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(at as u64).unwrap();
    let said = world.run(&["verify", "data", "--json"]);
    assert_eq!(said.code, Some(8), "{}", said.stdout);
    let findings = said.findings();
    assert!(
        findings.iter().any(|finding| finding["signed"] == 305 && finding["found"] == 300),
        "{findings:#?}"
    );
}

#[tokio::test]
async fn a_write_that_was_cut_short_is_said_and_is_no_damage() {
    let world = World::new();
    data_folder(&world).await;
    let file = world.path("data").join(JOURNAL);
    let mut journal = std::fs::OpenOptions::new().append(true).open(&file).unwrap();
    journal.write_all(&[1; 100]).unwrap();
    let said = world.run(&["verify", "data", "--json"]);
    let result = said.result();
    assert_eq!((said.code, &result["tail_bytes"]), (Some(0), &100.into()), "{result}");
    assert!(
        said.stderr.contains("100 bytes of a write that is under way or was cut short"),
        "{}",
        said.stderr
    );
}

#[tokio::test]
async fn a_folder_rolled_back_as_a_whole_is_an_alarm_to_who_saw_it_before() {
    let world = World::new();
    let server = world.serve(&[]);
    let key = server.operator_key();
    server.post(&key, 0, 10).await;
    server.stop();
    copy(&world.path("data"), &world.path("old"));
    let server = world.serve(&[]);
    server.post(&key, 10, 10).await;
    server.stop();
    assert_eq!(world.run(&["verify", "data"]).code, Some(0));
    assert_eq!(world.run(&["verify", "data"]).code, Some(0));
    world.check(&["verify", "old", "--tenant", "acme"], &expect![[r#"
        exit 8
        --- stdout
        damaged   tenant `acme`: log [LEDGER]/t/[LOG]: 20 records were accepted before, now there are 10: the end is missing
        damaged   tenant `acme`, log [LEDGER]/t/[LOG]: 10 records, root [HASH]
        ok        access log of tenant `acme`, log [LEDGER]/a/[LOG]: 0 records, root [HASH]
        --- stderr
        checked [COUNT] records in [TIME]
        error: one thing does not hold
        hint: leave everything as it is; a backup or a published copy may still be good, `annals verify` tells
    "#]]);
}

#[test]
fn a_target_that_is_none_is_said() {
    let world = World::new();
    std::fs::create_dir(world.path("empty")).unwrap();
    world.check(
        &["verify", "empty"],
        &expect![[r#"
        exit 2
        --- stderr
        error: `empty` is neither a data folder nor a published log
        hint: give a server's URL, a data folder of `annals serve`, a folder written by `annals publish`, or a bundle of `annals export --bundle`
    "#]],
    );
    world.check(&["verify", "nowhere", "--json"], &expect![[r#"
        exit 4
        --- stdout
        {"hint":"give a server's URL, a data folder of `annals serve`, a folder written by `annals publish`, or a bundle of `annals export --bundle`","kind":"missing","message":"`nowhere` does not exist","type":"error"}
        --- stderr
        error: `nowhere` does not exist
        hint: give a server's URL, a data folder of `annals serve`, a folder written by `annals publish`, or a bundle of `annals export --bundle`
    "#]]);
    world.check(&["verify", "http://127.0.0.1:1"], &expect![[r#"
        exit 7
        --- stderr
        error: no answer from `http://127.0.0.1:1/`: error sending request: client error (Connect): tcp connect error: Connection refused (os error 111)
        hint: is the server running, and is the URL right?
    "#]]);
}
