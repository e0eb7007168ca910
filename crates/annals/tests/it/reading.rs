//! `annals get`, `tail` and `feed`.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Stdio};

use expect_test::expect;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::searching::{ask, store, story, stranger};
use crate::support::{Server, World};

/// When an event was received differs from run to run.
fn without_receipt(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with("received_at"));
    lines.fold(String::new(), |all, line| all + line + "\n")
}

#[test]
fn an_event_is_told_as_a_sentence_then_whole() {
    let world = World::new();
    let server = world.serve(&[]);
    store(&world, &server, &story());
    let key = server.operator_key();
    let check = |id: &str, expected: expect_test::Expect| {
        let said = ask(&world, &server, &key, &["get", "--tenant", "acme", id]);
        expected.assert_eq(&without_receipt(&said.masked(&world)));
    };
    check(
        "e1",
        expect![[r#"
        exit 0
        --- stdout
        Ana Example (user u1) created Keynote (video v9), 2026-03-01T09:00:00.000000Z, from 203.0.113.7

        id                 e1
        tenant             acme
        occurred_at        2026-03-01T09:00:00.000000Z
        action             video.create
        description        Ana made the quarterly report
        actor.id           u1
        actor.name         Ana Example
        actor.type         user
        targets[0].id      v9
        targets[0].name    Keynote
        targets[0].type    video
        context.ip         203.0.113.7
        position           0
        ledger_seq         3
        derived.operation  create
    "#]],
    );
    check(
        "e2",
        expect![[r#"
            exit 0
            --- stdout
            漢字 太郎 (user u2) updated Keynote 🎬 (video v9), p1 (playlist), 2026-03-02T09:00:00.250000Z, from 203.0.113.8, Kyoto

            id                 e2
            tenant             acme
            occurred_at        2026-03-02T09:00:00.250000Z
            action             video.update
            actor.email        taro@example.com
            actor.id           u2
            actor.name         漢字 太郎
            actor.type         user
            targets[0].id      v9
            targets[0].name    Keynote 🎬
            targets[0].type    video
            targets[1].id      p1
            targets[1].type    playlist
            outcome.result     success
            context.ip         203.0.113.8
            context.location   Kyoto
            metadata.big       [NUMBER]
            metadata.empty     {}
            position           1
            ledger_seq         4
            derived.operation  update

            changes
              new.a  + 1.5
              old    - 1
              title  Draft → Keynote
              1 unchanged
        "#]],
    );
    check(
        "e3",
        expect![[r#"
        exit 0
        --- stdout
        k1 (api_key) tried to delete v9 (video), 2026-03-03T09:00:00.000000Z, and was denied: no right to delete

        id                 e3
        tenant             acme
        occurred_at        2026-03-03T09:00:00.000000Z
        action             video.delete
        actor.id           k1
        actor.type         api_key
        targets[0].id      v9
        targets[0].type    video
        outcome.reason     no right to delete
        outcome.result     denied
        position           2
        ledger_seq         5
        derived.operation  delete
    "#]],
    );
    check(
        "e4",
        expect![[r#"
        exit 0
        --- stdout
        system did user.login, 2026-03-04T09:00:00.000000Z

        id                 e4
        tenant             acme
        occurred_at        2026-03-04T09:00:00.000000Z
        action             user.login
        description        evil \u{1b}[2J\u{1b}]0;owned\u{7} \u{9b}31m\nnext line \u{202e}gpj.exe
        actor.type         system
        position           3
        ledger_seq         6
        derived.operation  authentication
    "#]],
    );
    check(
        "e5",
        expect![[r#"
        exit 4
        --- stderr
        error: the server refuses: the tenant has no event with this id (event_unknown)
    "#]],
    );
    check(
        "..",
        expect![[r#"
        exit 2
        --- stderr
        error: `..` cannot be asked for by path
        hint: use `annals search id=..`
    "#]],
    );
    let refused = ask(&world, &server, "annals_wrong", &["get", "--tenant", "acme", "e1"]);
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    server.stop();
}

#[tokio::test]
async fn an_event_and_its_proof_are_given_raw() {
    let world = World::new();
    let server = world.serve(&[]);
    let mut events = story();
    events[0]["id"] = "a/b c%".into();
    store(&world, &server, &events);
    let key = server.operator_key();
    let said = ask(&world, &server, &key, &["get", "--tenant", "acme", "--json", "a/b c%"]);
    let (_, given) = server.get("/v1/events/a%2Fb%20c%25?tenant=acme", &key).await;
    assert_eq!(serde_json::from_str::<Value>(&said.stdout).unwrap(), given);
    assert_eq!((said.stdout.lines().count(), &given["id"]), (1, &"a/b c%".into()));
    let saved = ask(&world, &server, &key, &["get", "--tenant", "acme", "e2", "--proof=e2.tlog-proof"]);
    assert_eq!(saved.stdout, "saved the proof in e2.tlog-proof\n");
    let printed = ask(&world, &server, &key, &["get", "--tenant", "acme", "--proof", "e2"]);
    assert!(printed.stdout.starts_with("c2sp.org/tlog-proof@v1\nindex 1\n"), "{}", printed.stdout);
    let file = std::fs::read_to_string(world.path("e2.tlog-proof")).unwrap();
    assert_eq!(file.lines().take(4).collect::<Vec<_>>(), printed.stdout.lines().take(4).collect::<Vec<_>>());
    server.stop();
}

#[tokio::test]
async fn a_feed_goes_on_where_its_state_says() {
    let world = World::new();
    let server = world.serve(&[]);
    let key = server.operator_key();
    server.post(&key, 0, 700).await;
    let positions = |args: &[&str]| {
        let args = [&["feed", "--tenant", "acme", "--state", "state.json"], args].concat();
        let said = ask(&world, &server, &key, &args);
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        let lines = said.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| line["position"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(positions(&["--from", "5", "--limit", "3"]), [5, 6, 7]);
    let (_, status) = server.get("/v1/status", &key).await;
    let state = |next: u64, feed: &str| {
        let (ledger, url) = (&status["ledger"], server.url());
        format!(
            "{{\"next\":{next},\"feed\":\"{feed}\",\"tenant\":\"acme\",\"ledger\":{ledger},\"url\":\"{url}/\"}}\n"
        )
    };
    assert_eq!(std::fs::read_to_string(world.path("state.json")).unwrap(), state(8, "tenant=acme"));
    assert_eq!(positions(&["--from", "5"]), (8..700).collect::<Vec<_>>());
    assert!(positions(&["--wait", "50ms"]).is_empty());
    server.post(&key, 700, 2).await;
    assert_eq!(positions(&["--wait", "30s", "--since", "7d"]), [700, 701]);

    let check = |args: &[&str], expected: expect_test::Expect| {
        let args = [&["feed", "--tenant", "acme", "--state", "state.json"], args].concat();
        expected.assert_eq(&ask(&world, &server, &key, &args).masked(&world));
    };
    check(
        &["operation=delete"],
        expect![[r#"
        exit 5
        --- stderr
        error: `state.json` is the place in another feed: `tenant=acme`, not `operation=delete&tenant=acme`
        hint: keep each feed's place in a file of its own
    "#]],
    );
    std::fs::write(world.path("state.json"), state(5000, "tenant=acme")).unwrap();
    check(
        &[],
        expect![[r#"
        exit 2
        --- stderr
        error: the server refuses: `from` is [NUMBER], but there are only 702 records; the cursor is from another feed, or records it knew were lost (out_of_range)
    "#]],
    );
    std::fs::write(world.path("state.json"), "12").unwrap();
    check(
        &[],
        expect![[r#"
        exit 2
        --- stderr
        error: `state.json` is no state of `annals feed`
        hint: name another file, or remove it to begin at `--from`
    "#]],
    );
    server.stop();
}

#[tokio::test]
async fn a_place_of_one_tenant_or_ledger_is_not_taken_for_anothers() {
    let world = World::new();
    let server = world.serve(&[]);
    let operator = server.operator_key();
    server.post(&operator, 0, 2).await;
    ask(&world, &server, &operator, &["tenant", "create", "globex"]);
    let tenant_key = |tenant: &str| {
        let args = ["key", "create", "--tenant", tenant, "--scope", "read", "--json"];
        ask(&world, &server, &operator, &args).result()["key"].as_str().unwrap().to_owned()
    };
    let (acme, globex) = (tenant_key("acme"), tenant_key("globex"));
    let feed = |key: &str, state: &str| ask(&world, &server, key, &["feed", "--state", state]);

    assert_eq!(feed(&acme, "acme.json").stdout.lines().count(), 2);
    assert_eq!(feed(&acme, "acme.json").masked(&world), "exit 0\n", "it goes on with the same key");
    assert_eq!(feed(&operator, "all.json").code, Some(0));
    for (key, state, kept, asked) in [
        (&globex, "acme.json", "tenant `acme`", "tenant `globex`"),
        (&operator, "acme.json", "tenant `acme`", "all tenants"),
        (&acme, "all.json", "all tenants", "tenant `acme`"),
    ] {
        let said = feed(key, state);
        assert_eq!((said.code, &*said.stdout), (Some(5), ""), "{}", said.stderr);
        let begins = format!("error: `{state}` is the place in another feed: {kept} at `{}/`", server.url());
        assert!(said.stderr.starts_with(&begins), "{}", said.stderr);
        assert!(said.stderr.contains(&format!(", not {asked} at ")), "{}", said.stderr);
    }

    let (_, access) = server.get("/v1/access?tenant=acme", &operator).await;
    assert!(
        !access.to_string().contains("annals.access.refused"),
        "nothing was asked that is refused: {access}"
    );

    // Another ledger at the same URL has other records.
    let address = server.url().trim_start_matches("http://").to_owned();
    server.stop();
    let mut other = world.command(&["serve", "--json", "--data", "other", "--listen", &address]);
    let server = Server::start(&mut other);
    let said = ask(&world, &server, &server.operator_key(), &["feed", "--state", "all.json"]);
    assert_eq!(said.code, Some(5), "{}", said.stderr);
    server.stop();
}

#[tokio::test]
async fn a_feed_that_nobody_reads_keeps_its_place() {
    let world = World::new();
    let server = world.serve(&[]);
    let key = server.operator_key();
    server.post(&key, 0, 2_000).await;
    let mut command = world.command(&["feed", "--tenant", "acme", "--state", "state.json"]);
    command.env("ANNALS_URL", server.url()).env("ANNALS_KEY", &key);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut first = String::new();
    BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    // The reader is gone, and a page is more than a pipe holds: it has not left us whole.
    child.wait().unwrap();
    assert!(!world.path("state.json").exists());
    server.stop();
}

/// A command that runs until it is interrupted.
struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    fn start(world: &World, server: &Server, args: &[&str]) -> Self {
        let mut command = world.command(args);
        command.env("ANNALS_URL", server.url()).env("ANNALS_KEY", server.operator_key()).env("TZ", "UTC0");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }

    fn positions(&mut self, count: usize) -> Vec<u64> {
        let position =
            |line: String| serde_json::from_str::<Value>(&line).unwrap()["position"].as_u64().unwrap();
        (0..count).map(|_| position(self.line())).collect()
    }

    /// Ends it as Ctrl-C does; gives the exit code and what it said on standard error.
    fn interrupt(mut self) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test]
async fn following_goes_on_through_a_restart_without_a_skip_or_a_repeat() {
    let world = World::new();
    let server = world.serve(&[]);
    let key = server.operator_key();
    server.post(&key, 0, 30).await;
    let mut tail = Running::start(
        &world,
        &server,
        &["tail", "--tenant", "acme", "--json", "-n", "5", "operation=update"],
    );
    let mut feed = Running::start(
        &world,
        &server,
        &["feed", "--tenant", "acme", "--follow", "--from", "20", "--state", "state.json"],
    );
    assert_eq!(tail.positions(5), [25, 26, 27, 28, 29]);
    assert_eq!(feed.positions(10), (20..30).collect::<Vec<_>>());
    server.post(&key, 30, 2).await;
    assert_eq!((tail.positions(2), feed.positions(2)), (vec![30, 31], vec![30, 31]));

    let address = server.url().trim_start_matches("http://").to_owned();
    server.stop();
    let server =
        Server::start(&mut world.command(&["serve", "--json", "--data", "data", "--listen", &address]));
    server.post(&key, 32, 3).await;
    assert_eq!((tail.positions(3), feed.positions(3)), (vec![32, 33, 34], vec![32, 33, 34]));

    let (code, said) = tail.interrupt();
    assert_eq!(code, Some(0));
    assert!(
        said.contains("; trying again until it answers\n") && said.ends_with("connected again\n"),
        "{said}"
    );
    let (code, _) = feed.interrupt();
    assert_eq!(code, Some(0));
    let state: Value = serde_json::from_slice(&std::fs::read(world.path("state.json")).unwrap()).unwrap();
    assert!(state["next"] == 35 || state["next"] == 32, "{state}");
    server.stop();
}

#[test]
fn a_tail_goes_on_behind_what_was_passed_over_and_only_with_a_stream_of_events() {
    let (url, requests) = stranger([
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\nretry: 1000\n\nid: 4\n\nid: 7\n",
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 4\r\n\r\nbye\n",
        "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n",
    ]);
    let said = World::new().run(&["tail", "--from", "0", "--url", &url]);
    assert_eq!(said.code, Some(7), "{}", said.stderr);
    assert!(
        said.stderr.contains("/v1/feed/live` answers what annals does not: `text/html`"),
        "{}",
        said.stderr
    );
    assert!(said.stderr.contains("\nhint: "), "{}", said.stderr);
    for from in ["?from=0 ", "?from=5 "] {
        let request = requests.recv().unwrap();
        assert!(request.contains(from), "{request}");
    }
}

#[tokio::test]
async fn a_tail_is_a_table_that_grows_and_ends_with_its_key() {
    let world = World::new();
    let server = world.serve(&[]);
    store(&world, &server, &story());
    let operator = server.operator_key();
    let made =
        ask(&world, &server, &operator, &["key", "create", "--tenant", "acme", "--scope", "read", "--json"]);
    let made = made.result();
    let mut command = world.command(&["tail", "-n", "2"]);
    command.env("ANNALS_URL", server.url()).env("ANNALS_KEY", made["key"].as_str().unwrap());
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    let mut tail = Running { child, lines };
    let mut said: String = (0..3).map(|_| tail.line()).collect();
    let mut late = story().remove(0);
    late["id"] = "late".into();
    store(&world, &server, &[late]);
    said.push_str(&tail.line());
    expect![[r#"
        TIME                         ACTOR                     ACTION                    TARGETS                       ADDRESS          DESCRIPTION
        2026-03-03T09:00:00.000000Z  k1 (api_key)              ✗ video.delete            v9 (video)                                     no right to delete
        2026-03-04T09:00:00.000000Z  system                    user.login                                                               evil \u{1b}[2J\u{1b}]0;owned\u{7} \u{9b}31m\nnext line \u{202e}gpj.exe
        2026-03-01T09:00:00.000000Z  Ana Example (user)        video.create              Keynote (video)               203.0.113.7      Ana made the quarterly report
    "#]].assert_eq(&said);

    let ended = ask(&world, &server, &operator, &["key", "end", made["id"].as_str().unwrap()]);
    assert_eq!(ended.code, Some(0));
    // What comes next is not for this key.
    store(&world, &server, &[story().remove(1)]);
    let mut another = story().remove(1);
    another["id"] = "another".into();
    store(&world, &server, &[another]);
    let mut said = String::new();
    tail.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(tail.child.wait().unwrap().code(), Some(3), "{said}");
    server.stop();
}
