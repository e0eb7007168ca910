//! `annals send`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use expect_test::expect;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};
use serde_json::{Value, json};

use crate::support::{Said, Server, World};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// `annals send` to this server, as its operator.
fn send(world: &World, server: &Server) -> Command {
    let mut command = world.command(&["send"]);
    command.env("ANNALS_URL", server.url()).env("ANNALS_KEY", server.operator_key());
    command
}

/// The same, for the tenant `acme`.
fn send_acme(world: &World, server: &Server, args: &[&str]) -> Command {
    let mut command = send(world, server);
    command.args(["--tenant", "acme"]).args(args);
    command
}

/// Runs a command with this on its standard input.
fn fed(command: &mut Command, input: &[u8]) -> Said {
    let mut child = start(command);
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let said = end(child);
    // A command that failed early did not read it all.
    drop(writer.join().unwrap());
    said
}

fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(child: Child) -> Said {
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Events without ids, one a line.
fn lines(count: u64) -> String {
    let mut text = String::new();
    for number in 0..count {
        writeln!(
            text,
            r#"{{"action":"video.update","actor":{{"id":"u1"}},"metadata":{{"number":{number},"exact":1.50e+2}}}}"#
        )
        .unwrap();
    }
    text
}

/// All of the tenant's records.
async fn records(server: &Server, key: &str) -> Vec<Value> {
    let mut records = Vec::new();
    loop {
        let path = format!("/v1/feed?tenant=acme&limit=1000&from={}", records.len());
        let (status, page) = server.get(&path, key).await;
        if status == 404 {
            return records;
        }
        assert_eq!(status, 200, "{page}");
        let found = page["records"].as_array().unwrap();
        if found.is_empty() {
            return records;
        }
        records.extend(found.iter().cloned());
    }
}

/// Waits until the tenant has so many records.
async fn wait_for(server: &Server, key: &str, count: u64) {
    let began = Instant::now();
    loop {
        let (_, page) = server.get("/v1/feed?tenant=acme&limit=1", key).await;
        if page["size"].as_u64().is_some_and(|size| size >= count) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{count} records never come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_same_lines_are_the_same_events_however_they_come() {
    let world = World::new();
    let server = world.serve(&[]);
    let text = lines(2_500);
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    std::fs::write(world.path("events.ndjson"), &text).unwrap();
    // Names tell nothing.
    std::fs::write(world.path("events.txt"), &gzip).unwrap();
    std::fs::write(world.path("events"), zstd::bulk::compress(text.as_bytes(), 3).unwrap()).unwrap();
    let first = World::finished(&mut send_acme(&world, &server, &["events.ndjson"]));
    expect![[r#"
        exit 0
        --- stdout
        sent [NUMBER] events: [NUMBER] created, 0 duplicate, 0 rejected; [TIME]
    "#]]
    .assert_eq(&first.masked(&world));
    for args in [&["events.ndjson"], &["events.txt"], &["events"]] {
        let again = World::finished(&mut send_acme(&world, &server, args)).stdout;
        assert!(
            again.starts_with("sent 2500 events: 0 created, 2500 duplicate, 0 rejected;"),
            "{args:?}: {again}"
        );
    }
    for input in [text.as_bytes(), &gzip] {
        let again = fed(&mut send_acme(&world, &server, &["--json"]), input).result();
        assert_eq!((&again["created"], &again["duplicate"]), (&json!(0), &json!(2500)), "{again}");
    }
    let records = records(&server, &server.operator_key()).await;
    let numbers: Vec<_> = records.iter().map(|record| record["metadata"]["number"].as_u64()).collect();
    assert_eq!(numbers, (0..2500).map(Some).collect::<Vec<_>>(), "in the order of the file");
    let (_, feed) = server.get("/v1/feed?tenant=acme&limit=1", &server.operator_key()).await;
    assert_eq!(feed["size"], 2500);
}

#[tokio::test]
async fn an_array_and_objects_over_several_lines_are_taken_and_keep_their_digits() {
    let world = World::new();
    let server = world.serve(&[]);
    let event = |id: &str| json!({"id": id, "action": "a.b", "actor": {"id": "u1"}});
    let array = serde_json::to_string_pretty(&json!([event("1"), event("2"), event("3")])).unwrap();
    let object =
        "{\n  \"action\": \"a.b\",\n  \"actor\": {\"id\": \"u1\"},\n  \"metadata\": {\"n\": 1.50e+2}\n}\n";
    std::fs::write(world.path("array.json"), array).unwrap();
    std::fs::write(world.path("object.json"), object).unwrap();
    let said = World::finished(&mut send_acme(&world, &server, &["array.json", "object.json", "--json"]));
    assert_eq!((said.code, &said.result()["created"]), (Some(0), &json!(4)), "{said:?}");
    let key = server.operator_key();
    let (_, page) = server.get("/v1/feed?tenant=acme&from=3", &key).await;
    let id = page["records"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(id.as_bytes()[14], b'8', "a UUIDv8: {id}");
    let client = reqwest::Client::new();
    let url = format!("{}/v1/events/{id}?tenant=acme", server.url());
    let text = client.get(url).bearer_auth(&key).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("\"n\":1.50e+2"), "{text}");
}

/// Lines of which some are wrong, each in its own way.
fn mixed() -> Vec<u8> {
    let long =
        format!("{{\"id\":\"long\",\"action\":\"a.b\",\"actor\":{{\"id\":\"{}\"}}}}", "x".repeat(300_000));
    let giant = format!("{{\"id\":\"giant\",\"action\":\"{}\"}}", "x".repeat(5 << 20));
    [
        br#"{"id":"1","action":"a.b","actor":{"id":"u1"}}"#.as_slice(),
        b"no JSON",
        br#"{"id":"3","action":"a.b"}"#,
        b"",
        b"{\"id\":\"5\",\"action\":\"\xff\",\"actor\":{\"id\":\"u1\"}}",
        long.as_bytes(),
        giant.as_bytes(),
        br#"{"id":"8","action":"a.b","actor":{"id":"u1"}}"#,
    ]
    .join(&b'\n')
}

#[test]
fn bad_lines_are_named_and_do_not_stop_the_rest() {
    let world = World::new();
    let server = world.serve(&[]);
    std::fs::write(world.path("mixed.ndjson"), mixed()).unwrap();
    let said = World::finished(&mut send_acme(&world, &server, &["mixed.ndjson"]));
    expect![[r#"
        exit 2
        --- stdout
        sent 7 events: 2 created, 0 duplicate, 5 rejected; [TIME]
        --- stderr
        mixed.ndjson:2: `n` stands at byte 0 where a value was expected (json)
        mixed.ndjson:3: event `3`: /actor: the event has no `actor` (required)
        mixed.ndjson:5: the text is not UTF-8 from byte 20 on (utf8)
        mixed.ndjson:6: event `long`: the event has [NUMBER] bytes, at most [NUMBER] are allowed (event_bytes)
        mixed.ndjson:7: the event has [NUMBER] bytes, more than [NUMBER]; it was not sent (event_bytes)
        error: 5 of 7 events rejected
        hint: with `--rejects FILE` they are written beside their errors, to be put right and sent again
    "#]]
    .assert_eq(&said.masked(&world));
    let said =
        World::finished(&mut send_acme(&world, &server, &["mixed.ndjson", "--json", "--rejects", "rejects"]));
    assert_eq!(said.code, Some(2));
    let items: Vec<Value> = said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(items.len(), 6, "{items:?}");
    assert_eq!(items[1]["type"], "item");
    assert_eq!(
        (&items[1]["line"], &items[1]["id"], &items[1]["error"]["pointer"]),
        (&json!(3), &json!("3"), &json!("/actor"))
    );
    assert_eq!((&items[5]["duplicate"], &items[5]["rejected"]), (&json!(2), &json!(5)));
    let rejects = std::fs::read_to_string(world.path("rejects")).unwrap();
    let rejects: Vec<Value> = rejects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rejects.len(), 5);
    assert_eq!(rejects[0]["text"], "no JSON");
    assert_eq!(rejects[1]["event"], json!({"tenant": "acme", "id": "3", "action": "a.b"}));
    assert_eq!(
        (&rejects[1]["file"], &rejects[1]["error"]["code"]),
        (&json!("mixed.ndjson"), &json!("required"))
    );
}

#[test]
fn of_many_rejected_events_some_are_named() {
    let world = World::new();
    let server = world.serve(&[]);
    let said = fed(&mut send_acme(&world, &server, &["-"]), "{}\n".repeat(50).as_bytes());
    assert_eq!(said.code, Some(2));
    assert_eq!(said.stderr.lines().filter(|line| line.starts_with("standard input:")).count(), 20);
    assert!(said.stderr.contains("\nand 30 more\nerror: 50 of 50 events rejected\n"), "{}", said.stderr);
}

#[tokio::test]
async fn it_sends_to_the_end_although_nobody_reads_what_it_says() {
    let world = World::new();
    let server = world.serve(&[]);
    let mut child = start(send_acme(&world, &server, &["--json", "--batch", "10"]).arg("-"));
    drop(child.stdout.take());
    let input = format!("{}{}", "{}\n".repeat(30), lines(30));
    let written = child.stdin.take().unwrap().write_all(input.as_bytes());
    assert_eq!(end(child).code, Some(2), "some were rejected");
    written.unwrap();
    assert_eq!(records(&server, &server.operator_key()).await.len(), 30);
}

#[test]
fn json_does_not_steer_a_terminal() {
    let world = World::new();
    let server = world.serve(&[]);
    std::fs::write(world.path("turned.ndjson"), "{\"id\": \"a\u{202e}b\"}\n").unwrap();
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let screen = std::fs::OpenOptions::new().write(true).open(name.to_str().unwrap()).unwrap();
    let mut command = send_acme(&world, &server, &["--json", "turned.ndjson"]);
    let mut child = command.stdin(Stdio::null()).stdout(screen).stderr(Stdio::null()).spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    let mut shown = vec![0; 4096];
    let length = rustix::io::read(&terminal, &mut shown[..]).unwrap();
    let shown = String::from_utf8(shown[..length].to_vec()).unwrap();
    assert!(shown.contains(r#""id":"a\u202eb""#), "{shown:?}");
}

#[test]
fn another_event_under_a_known_id_is_a_conflict() {
    let world = World::new();
    let server = world.serve(&[]);
    let event = |action: &str| format!("[{}]", json!({"id": "1", "action": action, "actor": {"id": "u1"}}));
    assert_eq!(fed(&mut send_acme(&world, &server, &[]), event("a.b").as_bytes()).code, Some(0));
    std::fs::write(world.path("other.json"), event("a.c")).unwrap();
    let said = World::finished(&mut send_acme(&world, &server, &["other.json"]));
    expect![[r#"
        exit 5
        --- stdout
        sent 1 event: 0 created, 0 duplicate, 1 rejected; [TIME]
        --- stderr
        other.json:1 [0]: event `1`: /id: another event with this `id` is at position 0 (conflict)
        error: 1 of 1 event rejected
        hint: other events are stored under their ids; an event is never changed
    "#]]
    .assert_eq(&said.masked(&world));
}

#[tokio::test]
async fn a_server_killed_in_the_middle_loses_and_repeats_nothing() {
    const COUNT: u64 = 20_000;
    let world = World::new();
    let server = world.serve(&[]);
    let key = server.operator_key();
    let address = server.url().trim_start_matches("http://").to_owned();
    std::fs::write(world.path("events.ndjson"), lines(COUNT)).unwrap();
    let mut sending = start(&mut send_acme(&world, &server, &["events.ndjson", "--batch", "50", "--json"]));
    let mut server = server;
    for stored in [2_000, 6_000] {
        wait_for(&server, &key, stored).await;
        server.signal(Signal::KILL);
        assert_eq!(sending.try_wait().unwrap(), None, "it is in the middle");
        server.ended();
        server =
            Server::start(&mut world.command(&["serve", "--json", "--data", "data", "--listen", &address]));
    }
    let said = end(sending);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains("trying again for up to 60 s\n"), "{}", said.stderr);
    assert!(said.stderr.contains("the server answers again\n"), "{}", said.stderr);
    let result = said.result();
    assert_eq!(
        result["created"].as_u64().unwrap() + result["duplicate"].as_u64().unwrap(),
        COUNT,
        "{result}"
    );
    let records = records(&server, &key).await;
    let numbers: BTreeSet<_> =
        records.iter().map(|record| record["metadata"]["number"].as_u64().unwrap()).collect();
    assert_eq!((records.len() as u64, numbers.len() as u64), (COUNT, COUNT), "each exactly once");
}

#[tokio::test]
async fn a_slow_pipe_is_sent_as_it_comes_and_an_interrupt_says_how_far_it_came() {
    let world = World::new();
    let server = world.serve(&[]);
    let mut child = start(&mut send_acme(&world, &server, &[]));
    let mut stdin = child.stdin.take().unwrap();
    for id in 0..2 {
        writeln!(stdin, "{}", json!({"id": id.to_string(), "action": "a.b", "actor": {"id": "u1"}})).unwrap();
        wait_for(&server, &server.operator_key(), id + 1).await;
    }
    // The answer may still be on its way.
    writeln!(stdin, "{{\"id\":\"wrong\"}}").unwrap();
    let mut said = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    assert!(said.next().unwrap().unwrap().starts_with("standard input:3: event `wrong`: "));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let said: Vec<_> = said.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    expect!["interrupted; 3 events answered (2 created, 0 duplicate, 1 rejected), what was on its way may be stored too; the same command again is safe"].assert_eq(&said.join("\n"));
}

#[test]
fn without_a_server_it_says_so_after_having_waited() {
    let world = World::new();
    std::fs::write(world.path("events.ndjson"), lines(1)).unwrap();
    let url = ["--url", "http://127.0.0.1:1", "--key", "annals_x"];
    let at_once = [&["send", "events.ndjson", "--retry-for", "0s"][..], &url].concat();
    world.check(&at_once, &expect![[r#"
        exit 7
        --- stderr
        error: no answer from `http://127.0.0.1:1/`: error sending request: client error (Connect): tcp connect error: Connection refused (os error 111)
        hint: is the server running, and is the URL right?
    "#]]);
    let later = world.run(&[&["send", "events.ndjson", "--retry-for", "300ms"][..], &url].concat());
    assert_eq!(later.code, Some(7));
    assert!(later.stderr.contains("trying again for up to 0 s\n"), "{}", later.stderr);
    assert!(later.stderr.contains("; tried "), "{}", later.stderr);
}

#[test]
fn a_wrong_key_is_said_at_once() {
    let world = World::new();
    let server = world.serve(&[]);
    std::fs::write(world.path("events.ndjson"), lines(1)).unwrap();
    let said =
        World::finished(send_acme(&world, &server, &["events.ndjson"]).env("ANNALS_KEY", "annals_wrong"));
    expect![[r#"
        exit 3
        --- stderr
        error: the server refuses: the key is not well-formed; it may have been cut or mistyped (unauthenticated)
    "#]].assert_eq(&said.masked(&world));
}

#[tokio::test]
async fn what_cannot_be_read_is_said_before_anything_is_sent() {
    let world = World::new();
    let server = world.serve(&[]);
    let good = lines(3).replace("{\"action", "{\"tenant\":\"acme\",\"action");
    std::fs::write(world.path("good.ndjson"), good).unwrap();
    std::fs::write(world.path("broken.json"), format!("[{}", lines(1))).unwrap();
    std::fs::create_dir(world.path("folder")).unwrap();
    let mut said = String::new();
    for args in [
        &["good.ndjson", "missing.ndjson"][..],
        &["good.ndjson", "folder"],
        &["-", "-"],
        &["broken.json"],
        &["good.ndjson", "--rejects", "good.ndjson"],
        &["good.ndjson", "--tenant", "_x"],
        &["good.ndjson", "--batch", "0"],
    ] {
        writeln!(said, "$ annals send {}", args.join(" ")).unwrap();
        let mut command = send(&world, &server);
        command.args(args);
        said.push_str(&World::finished(&mut command).masked(&world));
    }
    expect![[r#"
        $ annals send good.ndjson missing.ndjson
        exit 4
        --- stderr
        error: cannot read `missing.ndjson`: No such file or directory (os error 2)
        $ annals send good.ndjson folder
        exit 2
        --- stderr
        error: `folder` is a folder
        hint: name its files: `annals send folder/*`
        $ annals send - -
        exit 2
        --- stderr
        error: standard input can be read only once: `-` stands twice
        $ annals send broken.json
        exit 2
        --- stderr
        error: `broken.json`: the array has no end, at byte 87
        $ annals send good.ndjson --rejects good.ndjson
        exit 2
        --- stderr
        error: `--rejects`: `good.ndjson` is one of the files to send
        hint: name another file; it is overwritten
        $ annals send good.ndjson --tenant _x
        exit 2
        --- stderr
        error: `--tenant`: `_x` starts with `_` or `.`, which annals keeps for itself
        $ annals send good.ndjson --batch 0
        exit 2
        --- stderr
        error: invalid value '0' for '--batch <N>': must be a number from 1 to [NUMBER]

        For more information, try '--help'.
    "#]]
    .assert_eq(&said);
    assert!(records(&server, &server.operator_key()).await.is_empty());
}
