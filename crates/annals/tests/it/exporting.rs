//! `annals export`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use expect_test::expect;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::searching::{ask, store, story};
use crate::support::{Said, Server, World};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

const FORMATS: [&str; 3] = ["ndjson", "csv", "parquet"];

/// Events that make an export of some hundred KB.
fn many(from: usize, count: usize) -> Vec<Value> {
    let event = |i: usize| {
        json!({
            "id": format!("e{i}"), "action": "video.update", "actor": {"type": "user", "id": format!("u{}", i % 7), "shoe_size": i},
            "description": "=x,\"y\"\r\n".repeat(i % 40), "metadata": {"i": i},
        })
    };
    (from..from + count).map(event).collect()
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the server itself gives.
async fn from_server(server: &Server, query: &str) -> Vec<u8> {
    let url = format!("{}/v1/export?tenant=acme&{query}", server.url());
    let answer = reqwest::Client::new().get(url).bearer_auth(server.operator_key()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap().to_vec()
}

fn export(world: &World, server: &Server, args: &[&str]) -> Said {
    ask(world, server, &server.operator_key(), &[&["export", "--tenant", "acme"], args].concat())
}

fn names(world: &World, beginning: &str) -> Vec<String> {
    let entries = fs::read_dir(world.path(".")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.starts_with(beginning));
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_what_the_server_gives_and_its_sum_stands_beside_it() {
    let world = World::new();
    let server = world.serve(&[]);
    store(&world, &server, &story());
    for (format, more, query) in [
        ("ndjson", &[][..], ""),
        ("csv", &["--bom", "--newest-first"], "&bom=true&order=desc"),
        (
            "csv",
            &["--columns", "id,description,other", "actor_type=user"],
            "&columns=id,description,other&actor_type=user",
        ),
        ("parquet", &["--since", "2026-03-02"], "&since=2026-03-02T00:00:00Z"),
        (
            "parquet",
            &["--columns", "position", "--filter", "id sw \"e\""],
            "&columns=position&filter=id%20sw%20%22e%22",
        ),
    ] {
        let file = format!("out.{format}");
        let said = export(&world, &server, &[&["--json", "--output", &file, "--force"], more].concat());
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        let bytes = fs::read(world.path(&file)).unwrap();
        assert!(bytes == from_server(&server, &format!("format={format}{query}")).await, "{format} {query}");
        let result = said.result();
        assert_eq!((&result["sha256"], &result["bytes"]), (&sum(&bytes).into(), &bytes.len().into()));
        assert_eq!(
            (&result["format"], &result["size"], &result["file"]),
            (&format.into(), &4.into(), &file.clone().into())
        );
        let sums = fs::read_to_string(world.path(&format!("{file}.sha256"))).unwrap();
        assert_eq!(sums, format!("{}  {file}\n", sum(&bytes)));
        assert_eq!(names(&world, "out.").iter().filter(|name| name.contains(".part")).count(), 0);
        assert_eq!(fs::metadata(world.path(&file)).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let said = export(&world, &server, &["--output", "access.csv", "--access"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(fs::read_to_string(world.path("access.csv")).unwrap().contains("annals.access.export"));
    // Over all tenants records have ledger numbers.
    let said = ask(&world, &server, &server.operator_key(), &["export", "--output", "all.ndjson"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(
        fs::read_to_string(world.path("all.ndjson"))
            .unwrap()
            .lines()
            .all(|line| line.contains("\"ledger_seq\":"))
    );
}

#[test]
fn standard_output_gets_the_export_alone() {
    let world = World::new();
    let server = world.serve(&[]);
    store(&world, &server, &story());
    let said = export(
        &world,
        &server,
        &["--output", "-", "--format", "csv", "--columns", "id,action", "id=e1", "id=e3"],
    );
    expect![[r#"
        exit 0
        --- stdout
        id,action
        e1,video.create
        e3,video.delete
        --- stderr
        exported 2 rows, 45 bytes, as of 4 records; sha256 [HASH]
    "#]]
    .assert_eq(&said.masked(&world));
    assert_eq!(export(&world, &server, &["--output", "-"]).stdout.lines().count(), 4);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = world.command(&["export", "--tenant", "acme", "--output", "-"]);
    command.env("ANNALS_URL", server.url()).env("ANNALS_KEY", server.operator_key());
    let output = command.stdin(Stdio::null()).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_cannot_be_exported_is_told_and_nothing_is_left() {
    let world = World::new();
    let server = world.serve(&[]);
    store(&world, &server, &story());
    fs::write(world.path("there.csv"), "mine").unwrap();
    let check = |args: &[&str], expected: expect_test::Expect| {
        expected.assert_eq(&export(&world, &server, args).masked(&world))
    };
    check(
        &["--output", "there.csv"],
        expect![[r#"
            exit 5
            --- stderr
            error: `there.csv` is there already
            hint: name another file, or put the new one in its place with `--force`
        "#]],
    );
    check(
        &["--output", "missing/a.csv"],
        expect![[r#"
            exit 4
            --- stderr
            error: cannot write `missing/a.csv.part`: No such file or directory (os error 2)
            hint: make its folder first
        "#]],
    );
    check(
        &["--output", "data", "--force"],
        expect![[r#"
            exit 2
            --- stderr
            error: `data` is no file
            hint: give the name of a file, or `-` for standard output
        "#]],
    );
    check(
        &["--output", "a.csv", "--columns", "id,actor.name"],
        expect![[r#"
            exit 2
            --- stderr
            error: invalid value 'id,actor.name' for '--columns <A,B,C>': `actor.name` is no column; did you mean `actor_name`?

            For more information, try '--help'.
        "#]],
    );
    check(
        &["--output", "a.csv", "--format", "xlsx"],
        expect![[r#"
            exit 2
            --- stderr
            error: invalid value 'xlsx' for '--format <FORMAT>': must be `ndjson`, `csv` or `parquet`

            For more information, try '--help'.
        "#]],
    );
    check(
        &["--output", "a.txt", "--columns", "id"],
        expect![[r#"
            exit 2
            --- stderr
            error: `--columns` is for `csv` and `parquet`; `ndjson` has whole events
            hint: name another format with `--format`
        "#]],
    );
    check(
        &["--output", "a.csv", "format=csv"],
        expect![[r#"
            exit 2
            --- stderr
            error: `format=csv`: `format` is no condition on events
            hint: use `--format`
        "#]],
    );
    check(
        &["--output", "a.csv", "actr_id=u1"],
        expect![[r#"
            exit 2
            --- stderr
            error: the server refuses: `actr_id` is not a parameter of this route (parameter_unknown)
            hint: did you mean `actor_id`?
        "#]],
    );
    check(
        &["--output", "none.csv", "--columns", "id,action", "action=nothing"],
        expect![[r#"
            exit 0
            --- stdout
            exported 0 rows, 11 bytes, as of 4 records to none.csv; sha256 [HASH]
            --- stderr
            nothing matches: the export has no rows
        "#]],
    );
    assert_eq!(fs::read(world.path("there.csv")).unwrap(), b"mine");
    let operator = server.operator_key();
    let made =
        ask(&world, &server, &operator, &["key", "create", "--tenant", "acme", "--scope", "read", "--json"]);
    let key = made.result()["key"].as_str().unwrap().to_owned();
    let refused = ask(&world, &server, &key, &["export", "--output", "b.csv"]);
    expect![[r#"
        exit 3
        --- stderr
        error: the server refuses: the key lacks the scope `export` (scope)
    "#]]
    .assert_eq(&refused.masked(&world));
    assert_eq!(
        (names(&world, "a."), names(&world, "b.")),
        (vec![], vec![]),
        "nothing is left of what was refused"
    );
}

/// What a proxy does to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Stops passing on after so many bytes of answers.
    Stalls(usize),
    /// Closes the connection after so many bytes of answers.
    Cuts(usize),
    /// Passes everything on but what lets trailers come.
    NoTrailers,
    /// Asks something else than the client did.
    Asks {
        instead_of: &'static str,
        /// As long.
        this: &'static str,
    },
    Passes,
}

/// Stands between a client and a server.
struct Proxy {
    address: SocketAddr,
    fate: Arc<std::sync::Mutex<Fate>>,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    fn before(server: &Server, fate: Fate) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let upstream = server.url().trim_start_matches("http://").trim_end_matches('/').to_owned();
        let fate = Arc::new(std::sync::Mutex::new(fate));
        let connections = Arc::new(AtomicUsize::new(0));
        let (shared, counted) = (fate.clone(), connections.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                counted.fetch_add(1, Ordering::SeqCst);
                let server = TcpStream::connect(&upstream).unwrap();
                let fate = *shared.lock().unwrap();
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || {
                    let changes = matches!(fate, Fate::NoTrailers | Fate::Asks { .. });
                    pass(from, to, if changes { fate } else { Fate::Passes })
                });
                std::thread::spawn(move || pass(server, client, fate));
            }
        });
        Self { address, fate, connections }
    }

    fn becomes(&self, fate: Fate) {
        *self.fate.lock().unwrap() = fate;
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, fate: Fate) {
    let mut left = match fate {
        Fate::Stalls(bytes) | Fate::Cuts(bytes) => bytes,
        Fate::NoTrailers | Fate::Asks { .. } | Fate::Passes => usize::MAX,
    };
    let mut buffer = [0; 8 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let mut piece = buffer[..read.min(left)].to_vec();
        if let (Fate::NoTrailers, Some(at)) =
            (fate, piece.windows(12).position(|part| part.eq_ignore_ascii_case(b"te: trailers")))
        {
            piece[at..at + 2].copy_from_slice(b"xx");
        }
        if let Fate::Asks { instead_of, this } = fate
            && let Some(at) =
                piece.windows(this.len()).position(|part| part.eq_ignore_ascii_case(instead_of.as_bytes()))
        {
            piece[at..at + this.len()].copy_from_slice(this.as_bytes());
        }
        if to.write_all(&piece).is_err() {
            return;
        }
        left -= piece.len();
        if left == 0 {
            if let Fate::Stalls(_) = fate {
                std::thread::sleep(PATIENCE);
            }
            drop((from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)));
            return;
        }
    }
    drop(to.shutdown(Shutdown::Write));
}

#[test]
fn a_proof_of_another_question_is_none() {
    let world = World::new();
    let server = world.serve(&[]);
    store(&world, &server, &story());
    let proxy = Proxy::before(&server, Fate::Passes);
    let search = ["search", "--verify", "--gap-free", "--tenant", "acme", "action=video.delete"];
    let asked = |args: &[&str]| {
        let mut command = world.command(args);
        command.env("ANNALS_URL", proxy.url()).env("ANNALS_KEY", server.operator_key());
        World::finished(&mut command)
    };
    let honest = asked(&search);
    assert_eq!(honest.code, Some(0), "{}", honest.stderr);
    assert!(honest.stderr.contains("1 event, none left out"), "{}", honest.stderr);
    proxy.becomes(Fate::Asks { instead_of: "action=video.delete", this: "action=video.nobody" });
    for args in [
        &search[..],
        &[
            "export",
            "--bundle",
            "--mode",
            "covered",
            "--tenant",
            "acme",
            "--output",
            "x.zip",
            "action=video.delete",
        ],
    ] {
        let said = asked(args);
        assert_eq!(said.code, Some(8), "{args:?}: {}{}", said.stdout, said.stderr);
        assert!(
            said.stderr.contains("the server answers another question: conditions `action=video.nobody`"),
            "{}",
            said.stderr
        );
        assert!(!said.stdout.contains("video"), "{}", said.stdout);
        assert!(!world.path("x.zip").exists());
    }
    server.stop();
}

fn through(world: &World, server: &Server, proxy: &Proxy, args: &[&str]) -> Command {
    let mut command = world.command(&[&["export", "--tenant", "acme"], args].concat());
    command.env("ANNALS_URL", proxy.url()).env("ANNALS_KEY", server.operator_key()).env("TZ", "UTC0");
    command
}

/// The state beside a file, once it has rows.
fn state_of(world: &World, file: &str) -> Value {
    let began = Instant::now();
    loop {
        let state = fs::read(world.path(&format!("{file}.part.json"))).ok();
        let state: Option<Value> = state.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if let Some(state) = state.filter(|state| state["rows"].as_u64() > Some(0)) {
            return state;
        }
        assert!(began.elapsed() < PATIENCE, "no row came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_export_that_is_killed_goes_on_and_becomes_the_same_file() {
    let world = World::new();
    let server = world.serve(&[]);
    store(&world, &server, &many(0, 2_000));
    for (round, format) in FORMATS.into_iter().enumerate() {
        let whole = format!("whole.{format}");
        assert_eq!(export(&world, &server, &["--output", &whole, "--since", "30d"]).code, Some(0));
        let file = format!("killed.{format}");
        let args = ["--output", &file, "--since", "30d"];
        let proxy = Proxy::before(&server, Fate::Stalls(200_000));
        for times in 1..=2 {
            let mut child = through(&world, &server, &proxy, &args)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let before = state_of(&world, &file);
            // Once it goes on, the rows are more than those of the run before; the state follows them within a second or so.
            let began = Instant::now();
            while times == 2
                && fs::metadata(world.path(&format!("{file}.part"))).unwrap().len()
                    <= before["bytes"].as_u64().unwrap()
            {
                assert!(began.elapsed() < PATIENCE);
                std::thread::sleep(Duration::from_millis(5));
            }
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(!world.path(&file).exists());
        }
        // What a dying process wrote last may be torn.
        let mut part = fs::OpenOptions::new().append(true).open(world.path(&format!("{file}.part"))).unwrap();
        part.write_all(b"{\"torn").unwrap();
        store(&world, &server, &many(10_000 * (round + 1), 50));
        proxy.becomes(Fate::Passes);
        let other = World::finished(&mut through(&world, &server, &proxy, &["--output", &file]));
        assert_eq!(other.code, Some(5), "{}", other.stderr);
        assert!(other.stderr.contains("is of another export"), "{}", other.stderr);
        let said = World::finished(&mut through(&world, &server, &proxy, &args));
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        assert!(said.stderr.contains("going on after "), "{}", said.stderr);
        let (expected, became) =
            (fs::read(world.path(&whole)).unwrap(), fs::read(world.path(&file)).unwrap());
        assert!(expected == became, "{format}: {} and {} bytes", expected.len(), became.len());
        assert_eq!(names(&world, "killed.").len(), 2 * (round + 1), "{:?}", names(&world, "killed."));
    }
}

#[test]
fn a_lost_connection_costs_no_row_and_repeats_none() {
    let world = World::new();
    let server = world.serve(&[]);
    store(&world, &server, &many(0, 1_000));
    assert_eq!(export(&world, &server, &["--output", "whole.csv"]).code, Some(0));
    for (name, fate) in [("cut.csv", Fate::Cuts(120_000)), ("no-trailers.csv", Fate::NoTrailers)] {
        let proxy = Proxy::before(&server, fate);
        let said = World::finished(&mut through(&world, &server, &proxy, &["--output", name]));
        assert_eq!(said.code, Some(0), "{fate:?}: {}", said.stderr);
        assert!(
            fs::read(world.path("whole.csv")).unwrap() == fs::read(world.path(name)).unwrap(),
            "{fate:?}"
        );
        assert!(proxy.connections.load(Ordering::SeqCst) > 1 || fate == Fate::NoTrailers, "{fate:?}");
    }
}

#[test]
fn a_disk_that_is_full_loses_nothing_that_came() {
    let world = World::new();
    let server = world.serve(&[]);
    store(&world, &server, &many(0, 2_000));
    for format in FORMATS {
        let (whole, file) = (format!("whole.{format}"), format!("full.{format}"));
        assert_eq!(export(&world, &server, &["--output", &whole]).code, Some(0));
        let program = world.command(&[]).get_program().to_owned();
        // No file may become larger than 100 KB, for which the system has another error than for a full disk, at the same place.
        let mut limited = Command::new("bash");
        limited.args(["-c", "trap '' XFSZ; ulimit -f 100; exec \"$0\" \"$@\""]).arg(program);
        limited
            .args(["export", "--tenant", "acme", "--output", &file])
            .current_dir(world.path("."))
            .env_clear();
        limited
            .env("PATH", "/usr/bin:/bin")
            .env("ANNALS_URL", server.url())
            .env("ANNALS_KEY", server.operator_key());
        let said = World::finished(&mut limited);
        assert_eq!(said.code, Some(7), "{}", said.stderr);
        assert!(
            said.stderr.contains(&format!("cannot write `{file}.part`: File too large")),
            "{}",
            said.stderr
        );
        let said = export(&world, &server, &["--output", &file]);
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        assert!(fs::read(world.path(&whole)).unwrap() == fs::read(world.path(&file)).unwrap(), "{format}");
    }
}
