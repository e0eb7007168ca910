//! `annals search`.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use expect_test::expect;
use serde_json::{Value, json};

use crate::support::{Said, Server, World};

/// Runs a command as somebody with a key would, with UTC as the local zone.
pub(crate) fn ask(world: &World, server: &Server, key: &str, args: &[&str]) -> Said {
    let mut command = world.command(args);
    World::finished(command.env("ANNALS_URL", server.url()).env("ANNALS_KEY", key).env("TZ", "UTC0"))
}

/// Stores events of tenant `acme`.
pub(crate) fn store(world: &World, server: &Server, events: &[Value]) {
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    std::fs::write(world.path("events.ndjson"), lines.join("\n")).unwrap();
    let said = ask(world, server, &server.operator_key(), &["send", "--tenant", "acme", "events.ndjson"]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
}

/// Four events that differ in everything that a table shows.
pub(crate) fn story() -> Vec<Value> {
    vec![
        json!({
            "id": "e1", "occurred_at": "2026-03-01T09:00:00.000000Z", "action": "video.create",
            "actor": {"type": "user", "id": "u1", "name": "Ana Example"},
            "targets": [{"type": "video", "id": "v9", "name": "Keynote"}], "context": {"ip": "203.0.113.7"},
            "description": "Ana made the quarterly report",
        }),
        json!({
            "id": "e2", "occurred_at": "2026-03-02T09:00:00.250000Z", "action": "video.update",
            "actor": {"type": "user", "id": "u2", "name": "漢字 太郎", "email": "taro@example.com"},
            "targets": [{"type": "video", "id": "v9", "name": "Keynote 🎬"}, {"type": "playlist", "id": "p1"}],
            "context": {"ip": "203.0.113.8", "location": "Kyoto"}, "outcome": {"result": "success"},
            "changes": {"before": {"title": "Draft", "old": 1, "same": [1]}, "after": {"title": "Keynote", "new": {"a": 1.50}, "same": [1]}},
            "metadata": {"big": 12345678901234567890_u64, "empty": {}},
        }),
        json!({
            "id": "e3", "occurred_at": "2026-03-03T09:00:00.000000Z", "action": "video.delete", "actor": {"type": "api_key", "id": "k1"},
            "targets": [{"type": "video", "id": "v9"}], "outcome": {"result": "denied", "reason": "no right to delete"},
        }),
        json!({
            "id": "e4", "occurred_at": "2026-03-04T09:00:00.000000Z", "action": "user.login", "actor": {"type": "system"},
            "description": "evil \u{1b}[2J\u{1b}]0;owned\u{7} \u{9b}31m\nnext line \u{202e}gpj.exe",
        }),
    ]
}

#[test]
fn events_are_found_by_members_words_filters_and_times() {
    let world = World::new();
    let server = world.serve(&[]);
    store(&world, &server, &story());
    let key = server.operator_key();
    let check = |args: &[&str], expected: expect_test::Expect| {
        let args = [&["search", "--tenant", "acme"], args].concat();
        expected.assert_eq(&ask(&world, &server, &key, &args).masked(&world));
    };
    check(
        &[],
        expect![[r#"
            exit 0
            --- stdout
            TIME                         ACTOR               ACTION          TARGETS                            ADDRESS      DESCRIPTION
            2026-03-04T09:00:00.000000Z  system              user.login                                                      evil \u{1b}[2J\u{1b}]0;owned\u{7} \u{9b}31m\nnext line \u{202e}gpj.exe
            2026-03-03T09:00:00.000000Z  k1 (api_key)        ✗ video.delete  v9 (video)                                      no right to delete
            2026-03-02T09:00:00.250000Z  漢字 太郎 (user)    video.update    Keynote 🎬 (video), p1 (playlist)  203.0.113.8
            2026-03-01T09:00:00.000000Z  Ana Example (user)  video.create    Keynote (video)                    203.0.113.7  Ana made the quarterly report
        "#]],
    );
    check(
        &["targets_id=v9", "actor_type=user", "--oldest-first"],
        expect![[r#"
            exit 0
            --- stdout
            TIME                         ACTOR               ACTION        TARGETS                            ADDRESS      DESCRIPTION
            2026-03-01T09:00:00.000000Z  Ana Example (user)  video.create  Keynote (video)                    203.0.113.7  Ana made the quarterly report
            2026-03-02T09:00:00.250000Z  漢字 太郎 (user)    video.update  Keynote 🎬 (video), p1 (playlist)  203.0.113.8
        "#]],
    );
    check(
        &["operation=update", "operation=delete"],
        expect![[r#"
            exit 0
            --- stdout
            TIME                         ACTOR             ACTION          TARGETS                            ADDRESS      DESCRIPTION
            2026-03-03T09:00:00.000000Z  k1 (api_key)      ✗ video.delete  v9 (video)                                      no right to delete
            2026-03-02T09:00:00.250000Z  漢字 太郎 (user)  video.update    Keynote 🎬 (video), p1 (playlist)  203.0.113.8
        "#]],
    );
    check(
        &["quarterly report"],
        expect![[r#"
            exit 0
            --- stdout
            TIME                         ACTOR               ACTION        TARGETS          ADDRESS      DESCRIPTION
            2026-03-01T09:00:00.000000Z  Ana Example (user)  video.create  Keynote (video)  203.0.113.7  Ana made the quarterly report
        "#]],
    );
    check(
        &["--filter", "outcome.result eq \"denied\" or targets[type eq \"playlist\"]", "--limit", "1"],
        expect![[r#"
            exit 0
            --- stdout
            TIME                         ACTOR         ACTION          TARGETS     DESCRIPTION
            2026-03-03T09:00:00.000000Z  k1 (api_key)  ✗ video.delete  v9 (video)  no right to delete
        "#]],
    );
    check(
        &["--since", "2026-03-02T09:00", "--until", "2026-03-04"],
        expect![[r#"
            exit 0
            --- stdout
            TIME                         ACTOR             ACTION          TARGETS                            ADDRESS      DESCRIPTION
            2026-03-03T09:00:00.000000Z  k1 (api_key)      ✗ video.delete  v9 (video)                                      no right to delete
            2026-03-02T09:00:00.250000Z  漢字 太郎 (user)  video.update    Keynote 🎬 (video), p1 (playlist)  203.0.113.8
        "#]],
    );
    check(
        &["nowhere"],
        expect![[r#"
        exit 0
        --- stderr
        nothing matches
    "#]],
    );
    check(
        &["targets_id=v9", "--total", "--limit", "2"],
        expect![[r#"
            exit 0
            --- stdout
            TIME                         ACTOR             ACTION          TARGETS                            ADDRESS      DESCRIPTION
            2026-03-03T09:00:00.000000Z  k1 (api_key)      ✗ video.delete  v9 (video)                                      no right to delete
            2026-03-02T09:00:00.250000Z  漢字 太郎 (user)  video.update    Keynote 🎬 (video), p1 (playlist)  203.0.113.8
            --- stderr
            2 of 3 that match
        "#]],
    );
    check(
        &["targets_id=v9", "--total", "--limit", "0"],
        expect![[r#"
        exit 0
        --- stdout
        3
    "#]],
    );
    check(
        &["targets_id=v9", "--total", "--limit", "0", "--json"],
        expect![[r#"
        exit 0
        --- stdout
        {"total":3,"type":"result"}
    "#]],
    );
    server.stop();
}

#[test]
fn mistakes_are_explained() {
    let world = World::new();
    let server = world.serve(&[]);
    store(&world, &server, &story());
    let key = server.operator_key();
    let check = |args: &[&str], expected: expect_test::Expect| {
        let args = [&["search", "--tenant", "acme"], args].concat();
        expected.assert_eq(&ask(&world, &server, &key, &args).masked(&world));
    };
    check(
        &["actor_nam=x"],
        expect![[r#"
        exit 2
        --- stderr
        error: the server refuses: `actor_nam` is not a parameter of this route (parameter_unknown)
        hint: did you mean `actor_name`?
    "#]],
    );
    check(
        &["operation=updat"],
        expect![[r#"
        exit 2
        --- stderr
        error: the server refuses: `operation`: `updat` is not one of create, read, update, delete, access, authentication, snapshot, other (parameter_value)
        hint: did you mean `update`?
    "#]],
    );
    check(
        &["--filter", "actor.nam eq \"x\""],
        expect![[r#"
        exit 2
        --- stderr
        error: the server refuses: `filter` is wrong at byte 6: unknown member `actor.nam` (filter)
        hint: did you mean `actor.name`?
    "#]],
    );
    check(
        &["--filter", "actor.name eq"],
        expect![[r#"
        exit 2
        --- stderr
        error: the server refuses: `filter` is wrong at byte 13: the filter ends where a value was expected (filter)
    "#]],
    );
    check(
        &["limit=5"],
        expect![[r#"
        exit 2
        --- stderr
        error: `limit=5`: `limit` is no condition on events
        hint: use `--limit`; to find the text itself, put it in quotes: '"limit=5"'
    "#]],
    );
    check(
        &["--since", "last week"],
        expect![[r#"
        exit 2
        --- stderr
        error: `--since`: `last week` is no time
        hint: give a time such as `7d`, `2h` or `30m` ago, `today`, `yesterday`, `2026-11-21`, `2026-11-21T14:00`, or RFC [NUMBER]
    "#]],
    );
    check(
        &["--limit", "0"],
        expect![[r#"
        exit 2
        --- stderr
        error: `--limit 0` shows nothing
        hint: with `--total` it says how many events match
    "#]],
    );
    check(
        &["--oldest-firts"],
        expect![[r#"
        exit 2
        --- stderr
        error: unexpected argument '--oldest-firts' found

          tip: a similar argument exists: '--oldest-first'

        Usage: annals search --tenant <TENANT> --oldest-first [TERM]...

        For more information, try '--help'.
    "#]],
    );
    check(
        &["actor_nam=x", "--json"],
        expect![[r#"
        exit 2
        --- stdout
        {"hint":"did you mean `actor_name`?","kind":"invalid","message":"the server refuses: `actor_nam` is not a parameter of this route (parameter_unknown)","type":"error"}
        --- stderr
        error: the server refuses: `actor_nam` is not a parameter of this route (parameter_unknown)
        hint: did you mean `actor_name`?
    "#]],
    );
    server.stop();
}

#[tokio::test]
async fn pages_are_walked_to_the_end_in_both_orders() {
    let world = World::new();
    let server = world.serve(&[]);
    let key = server.operator_key();
    server.post(&key, 0, 1_234).await;
    let ids = |args: &[&str]| {
        let said = ask(&world, &server, &key, &[&["search", "--tenant", "acme", "--json"], args].concat());
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        let ids = said.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone());
        ids.map(|id| id.as_str().unwrap().trim_start_matches("event-").parse().unwrap()).collect::<Vec<u64>>()
    };
    assert_eq!(ids(&["action=video.update"]), (0..1_234).rev().collect::<Vec<_>>());
    assert_eq!(ids(&["--oldest-first", "--limit", "1100"]), (0..1_100).collect::<Vec<_>>());
    let rows = ask(&world, &server, &key, &["search", "--tenant", "acme", "--oldest-first"]);
    assert_eq!(rows.stdout.lines().count(), 1 + 1_234, "one header, and no page twice");
    server.stop();
}

#[tokio::test]
async fn json_lines_are_what_the_server_gave_byte_for_byte() {
    let world = World::new();
    let server = world.serve(&[]);
    store(&world, &server, &story());
    let key = server.operator_key();
    let client = reqwest::Client::new();
    let request = client.get(format!("{}/v1/events?tenant=acme", server.url())).bearer_auth(&key);
    let given = request.header("accept", "application/x-ndjson").send().await.unwrap().text().await.unwrap();
    let said = ask(&world, &server, &key, &["search", "--tenant", "acme", "--json"]);
    assert_eq!(said.stdout, given);
    assert!(given.contains('\u{9b}') && given.contains("12345678901234567890"), "{given}");
    server.stop();
}

#[test]
fn nothing_in_an_event_steers_the_terminal() {
    let world = World::new();
    let server = world.serve(&[]);
    store(&world, &server, &story());
    let key = server.operator_key();
    let run = |args: &[&str], variable: &str| {
        let mut command = world.command(args);
        let command = command.env("ANNALS_URL", server.url()).env("ANNALS_KEY", &key).env(variable, "1");
        World::finished(command)
    };
    for args in [&["search", "--tenant", "acme"][..], &["get", "--tenant", "acme", "e4"]] {
        let said = run(args, "CLICOLOR_FORCE").stdout;
        assert!(
            said.contains(r"evil \u{1b}[2J\u{1b}]0;owned\u{7} \u{9b}31m\nnext line \u{202e}gpj.exe"),
            "{said}"
        );
        // What remains are our own colours.
        let ours = said.split("\x1b[").skip(1).all(|rest| {
            let end = rest.find('m').unwrap_or(rest.len());
            rest[..end].bytes().all(|byte| byte.is_ascii_digit() || byte == b';')
        });
        let others =
            said.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\x1b'));
        assert!(ours && !others && said.contains("\x1b[2m"), "{said:?}");
        for variable in ["NO_COLOR", "TERM"] {
            assert!(!run(args, variable).stdout.contains('\x1b'));
        }
    }
    server.stop();
}

#[test]
fn reads_are_found_in_the_access_log() {
    let world = World::new();
    let server = world.serve(&[]);
    store(&world, &server, &story());
    let key = server.operator_key();
    let read = ask(&world, &server, &key, &["get", "--tenant", "acme", "e1"]);
    assert_eq!(read.code, Some(0));
    let said = ask(
        &world,
        &server,
        &key,
        &["search", "--access", "--tenant", "acme", "--json", "action=annals.access.read"],
    );
    assert_eq!((said.code, said.stdout.lines().count()), (Some(0), 1), "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("/v1/events/{id}"), "{}", said.stdout);
    server.stop();
}

/// Answers one request with each of these; gives its address, and then the requests.
pub(crate) fn stranger<const N: usize>(answers: [&'static str; N]) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked, requests) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap();
            // Nobody may care what was asked.
            drop(asked.send(String::from_utf8_lossy(&request[..length]).into_owned()));
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (url, requests)
}

const BROKEN_PAGE: &str =
    "HTTP/1.1 200 OK\r\nannals-size: 2\r\ncontent-length: 99\r\n\r\n{\"id\":\"e2\"}\n{\"id\":";

#[test]
fn a_page_that_breaks_off_is_asked_for_again_and_shown_once() {
    let whole =
        "HTTP/1.1 200 OK\r\nannals-size: 2\r\nconnection: close\r\n\r\n{\"id\":\"e2\"}\n{\"id\":\"e1\"}\n";
    let (url, requests) = stranger([BROKEN_PAGE, whole]);
    let said = World::new().run(&["search", "--json", "--url", &url]);
    assert_eq!(
        (said.code, &*said.stdout),
        (Some(0), "{\"id\":\"e2\"}\n{\"id\":\"e1\"}\n"),
        "{}",
        said.stderr
    );
    assert!(said.stderr.ends_with("; trying again\nconnected again\n"), "{}", said.stderr);
    let requests: Vec<String> = requests.iter().collect();
    assert_eq!(requests[0], requests[1]);
}

#[test]
fn another_servers_answer_is_not_nothing_found() {
    let world = World::new();
    for json in [&[][..], &["--json"]] {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 8\r\n\r\nwelcome\n",
        ] {
            let (url, _) = stranger([answer]);
            let said = world.run(&[&["search", "--url", &url], json].concat());
            assert_eq!(said.code, Some(7), "{}{}", said.stdout, said.stderr);
            assert!(
                said.stderr.contains("answers what annals does not: no `annals-size`"),
                "{}",
                said.stderr
            );
        }
    }
}

#[test]
fn tail_begins_with_what_is_found_in_time() {
    let (url, asked) = stranger(["HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"]);
    assert_eq!(World::new().run(&["tail", "rare", "--url", &url]).code, Some(3));
    assert!(asked.recv().unwrap().starts_with("GET /v1/events?q=rare&limit=20&partial=true "));
}

#[test]
fn a_password_in_the_url_is_refused_and_not_shown() {
    for url in ["http://ana:swordfish@127.0.0.1:1", "ftp://ana:swordfish@example.com"] {
        let said = World::new().run(&["search", "--json", "--url", url]);
        assert_eq!(said.code, Some(2), "{}{}", said.stdout, said.stderr);
        assert!(!said.stdout.contains("swordfish") && !said.stderr.contains("swordfish"), "{}", said.stderr);
    }
}

#[test]
fn nobody_is_led_elsewhere() {
    let world = World::new();
    let elsewhere =
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n";
    let said = world.run(&["search", "--url", &stranger([elsewhere]).0]);
    assert_eq!(said.code, Some(2), "{}{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("HTTP status 307"), "{}", said.stderr);
    assert!(said.stderr.contains("hint: give the address that it leads to with `--url`"), "{}", said.stderr);
}

#[tokio::test]
async fn what_is_found_is_proven_before_it_is_shown() {
    let world = World::new();
    let server = world.serve(&[]);
    let key = server.operator_key();
    server.post(&key, 0, 60).await;
    let search = |extra: &[&str]| {
        let args = ["search", "--url", server.url(), "--key", &key, "--tenant", "acme", "--utc", "--verify"];
        world.run(&[&args[..], extra].concat())
    };
    let said = search(&["--gap-free", "--filter", "metadata.number gt 56"]);
    assert_eq!((said.code, said.stdout.lines().count()), (Some(0), 4), "{}", said.stderr);
    let complete = "complete: positions 0 to 59, 3 events, none left out; log ";
    assert!(said.stderr.contains(complete) && said.stderr.contains("over 60 records"), "{}", said.stderr);
    assert!(said.stderr.contains("the key is the one that the server tells"), "{}", said.stderr);
    // What it shows is what a page has, but for times of receipt, of which entries have whole milliseconds.
    let said = search(&["--json", "--from", "20", "--to", "30"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let shown: Vec<Value> = said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let page = ["--json", "--oldest-first", "--filter", "position ge 20 and position lt 30"];
    let args = ["search", "--url", server.url(), "--key", &key, "--tenant", "acme"];
    let found = world.run(&[&args[..], &page].concat());
    let found: Vec<Value> = found.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((shown.len(), found.len()), (11, 10));
    for (mut shown, mut found) in shown.iter().cloned().zip(found) {
        let ms = |event: &mut Value| {
            let received_at = event["received_at"].take();
            let derived = event["derived"].as_object_mut().and_then(|derived| derived.remove("occurred_at"));
            (
                received_at.as_str().unwrap()[..23].to_owned(),
                derived.map(|at| at.as_str().unwrap()[..23].to_owned()),
            )
        };
        assert_eq!(ms(&mut shown), ms(&mut found));
        for of_the_ledger in ["tenant", "ledger_seq"] {
            found.as_object_mut().unwrap().remove(of_the_ledger);
        }
        assert_eq!(shown, found);
    }
    let last = shown.last().unwrap();
    assert_eq!(
        (&last["verdict"], &last["complete"], &last["matched"]),
        (&json!("ok"), &json!(false), &json!(10))
    );
    server.post(&key, 60, 5).await;
    let said = search(&["--gap-free", "action=video.update"]);
    assert!(said.stderr.contains("it extends the 60 records that were accepted before"), "{}", said.stderr);
    server.stop();
}

#[tokio::test]
async fn an_answer_that_is_not_of_the_known_history_is_not_shown() {
    let world = World::new();
    let server = world.serve(&[]);
    let key = server.operator_key();
    server.post(&key, 0, 20).await;
    let args = ["search", "--url", server.url(), "--key", &key, "--tenant", "acme", "--verify", "--gap-free"];
    assert_eq!(world.run(&args).code, Some(0));
    // Whoever asked before saw another log under the same name and key.
    let folder = world.path("state/checkpoints");
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let kept = std::fs::read_to_string(&file).unwrap();
    let mut seen: Value = serde_json::from_str(&kept).unwrap();
    seen["root"] = json!("00".repeat(32));
    std::fs::write(&file, seen.to_string()).unwrap();
    let said = world.run(&args);
    assert_eq!((said.code, said.stdout.as_str()), (Some(8), ""), "{}", said.stderr);
    assert!(said.stderr.contains("this is another history"), "{}", said.stderr);
    std::fs::write(&file, &kept).unwrap();
    let other = annals_tree::note::SigningKey::from_seed(seen["origin"].as_str().unwrap(), &[5; 32]).unwrap();
    let said = world.run(&[&args[..], &["--log-key", &other.verifier_key().to_string()]].concat());
    assert_eq!((said.code, said.stdout.as_str()), (Some(8), ""), "{}", said.stderr);
    let alone = world.run(&["search", "--url", server.url(), "--gap-free"]);
    assert_eq!(alone.code, Some(2), "`--gap-free` says nothing without `--verify`");
    server.stop();
}
