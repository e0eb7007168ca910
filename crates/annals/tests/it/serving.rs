//! Starting, stopping, who may and who may not.

use std::os::unix::fs::PermissionsExt as _;

use expect_test::expect;
use rustix::process::Signal;

use crate::support::{Server, World};

#[tokio::test]
async fn the_first_start_prints_the_operator_key_and_the_second_does_not() {
    let world = World::new();
    let server = world.serve(&[]);
    let key = server.operator_key();
    assert_eq!(server.first_line["tenants"], serde_json::json!([]));
    server.post(&key, 0, 3).await;
    server.stop();

    let server = world.serve(&[]);
    assert_eq!(server.first_line.get("operator_key"), None);
    let mode = |name: &str| std::fs::metadata(world.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("data/control.sock"), 0o600);
    let (status, page) = server.get("/v1/feed?tenant=acme", &key).await;
    assert_eq!((status, &page["size"]), (200, &3.into()), "{page}");
    assert_eq!(page["records"][2]["id"], "event-2");
    server.stop();

    assert_eq!((mode("data"), mode("data/signing.key")), (0o700, 0o600));
    assert!(!world.path("data/control.sock").exists(), "a stopped server leaves no socket");
}

#[tokio::test]
async fn the_first_starts_link_signs_in_once_and_the_command_makes_more() {
    let world = World::new();
    let server = world.serve(&[]);
    let Some(link) = server.first_line["viewer_url"].as_str() else {
        let (status, page) = server.get("/viewer", "").await;
        assert_eq!((status, &page["code"]), (404, &"route_unknown".into()), "it goes without, and says so");
        return;
    };
    let client = reqwest::Client::new();
    let sign_in = async |link: &str| {
        assert!(link.starts_with(&format!("{}/viewer/sign-in?ticket=", server.url())), "{link}");
        assert!(client.get(link).send().await.unwrap().text().await.unwrap().contains("<html"), "{link}");
        let body = serde_json::json!({"ticket": link.split_once("ticket=").unwrap().1}).to_string();
        let answer = client.post(format!("{}/v1/session", server.url())).body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, session) = sign_in(link).await;
    assert!(status == 200 && session.contains("\"admin\""), "{session}");
    assert_eq!(sign_in(link).await.0, 401);
    let made =
        world.run(&["viewer", "--json", "--url", server.url(), "--key", &server.operator_key()]).result();
    assert_eq!(sign_in(made["url"].as_str().unwrap()).await.0, 200);
    let text = world.run(&["viewer", "--url", server.url(), "--key", &server.operator_key()]).stdout;
    assert_eq!(sign_in(text.trim()).await.0, 200);
    let (url, key) = (server.url().to_owned(), server.operator_key());
    server.stop();
    let server = world.serve(&[]);
    assert_eq!(
        server.first_line["viewer_url"],
        format!("{}/viewer", server.url()),
        "there is no key to sign in with"
    );
    server.stop();
    assert_eq!(world.run(&["viewer", "--url", &url, "--key", &key]).code, Some(7));
}

#[tokio::test]
async fn records_are_sealed_into_a_folder_of_their_own_and_are_there_after_a_restart() {
    let world = World::new();
    std::fs::write(world.path("annals.toml"), "[segments]\nseal_records = 40\ncache = '1MiB'\n").unwrap();
    let server = world.serve(&["--config", "annals.toml"]);
    let key = server.operator_key();
    for round in 0..10 {
        server.post(&key, 30 * round, 30).await;
    }
    loop {
        let (_, status) = server.get("/v1/status", &key).await;
        if status["segments"].as_u64() > Some(0) && status["tail_records"].as_u64() < Some(40) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    server.stop();
    let segments = world.path("data/segments");
    assert_eq!(std::fs::metadata(&segments).unwrap().permissions().mode() & 0o777, 0o700);
    let names = || std::fs::read_dir(&segments).unwrap().map(|entry| entry.unwrap());
    assert!(names().any(|entry| entry.file_name().to_str().unwrap().ends_with(".seg")));
    for entry in names() {
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
    }

    let server = world.serve(&["--config", "annals.toml"]);
    let (status, page) = server.get("/v1/feed?tenant=acme&limit=1000", &key).await;
    assert_eq!((status, page["records"].as_array().unwrap().len()), (200, 300));
    for (number, record) in page["records"].as_array().unwrap().iter().enumerate() {
        assert_eq!((&record["position"], &record["metadata"]["number"]), (&number.into(), &number.into()));
    }
    server.stop();
}

#[tokio::test]
async fn as_many_files_are_open_as_the_system_allows_not_as_few_as_the_shell_does() {
    let world = World::new();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", r#"ulimit -Sn 48; exec "$0" serve --data data --listen 127.0.0.1:0 --json"#]);
    command.arg(env!("CARGO_BIN_EXE_annals")).current_dir(world.path(".")).env_clear();
    let server = crate::support::Server::start(&mut command);
    let address = server.url().strip_prefix("http://").unwrap().to_owned();
    let connections: Vec<_> = (0..100).map(|_| std::net::TcpStream::connect(&address).unwrap()).collect();
    let key = server.operator_key();
    let asked = server.get("/v1/status", &key);
    let answer = tokio::time::timeout(std::time::Duration::from_secs(20), asked).await;
    assert_eq!(answer.expect("the server takes no more connections").0, 200);
    drop(connections);
    server.stop();
}

#[test]
fn people_are_told_where_what_and_how() {
    let world = World::new();
    let mut command = world.command(&["serve", "--data", "data", "--listen", "127.0.0.1:0"]);
    let mut child =
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let mut said = crate::support::Said { code: Some(0), stdout: String::new(), stderr: String::new() };
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    while !said.stdout.contains("curl") {
        said.stdout.push_str(&lines.next().unwrap().unwrap());
        said.stdout.push('\n');
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // Whether there is a viewer depends on the machine that annals was built on.
    let (before, rest) = said.stdout.split_once("\nviewer         ").unwrap();
    let (viewer, after) = rest.split_once("\noperator key").unwrap();
    let has_one = viewer.starts_with("http") && viewer.contains("/viewer/sign-in?ticket=");
    assert!(
        viewer.ends_with(if has_one {
            "  (once, within 10 minutes)"
        } else {
            "Node 20 or newer on the PATH"
        }),
        "{viewer}"
    );
    said.stdout = format!("{before}\nviewer         [VIEWER]\noperator key{after}");
    expect![[r#"
        exit 0
        --- stdout
        listening on   http://127.0.0.1:[NUMBER]
        data folder    [WORLD]/data
        viewer         [VIEWER]
        operator key   [KEY]
                       keep it: it is shown this once; `annals key reset` replaces it

        send an event:
          curl http://127.0.0.1:[NUMBER]/v1/events -H 'Authorization: Bearer [KEY] -H 'Content-Type: application/json' -d '{"tenant":"acme","action":"user.login","actor":{"type":"user","id":"u1"}}'
    "#]].assert_eq(&said.masked(&world));
}

#[test]
fn a_second_process_is_refused_and_told_who_has_the_folder() {
    let world = World::new();
    let server = world.serve(&[]);
    world.check(
        &["serve", "--data", "data", "--listen", "127.0.0.1:0"],
        &expect![[r#"
        exit 6
        --- stderr
        error: data folder `data` is in use by pid [NUMBER], serving 127.0.0.1:[NUMBER] since [INSTANT]
        hint: stop that process, or give another folder with `--data DIR`
    "#]],
    );
    server.stop();
}

#[test]
fn an_address_that_is_taken_is_said() {
    let world = World::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    world.check(
        &["serve", "--data", "data", "--listen", &address],
        &expect![[r#"
        exit 7
        --- stderr
        error: cannot listen on `127.0.0.1:[NUMBER]`: Address already in use (os error 98)
        hint: give another address with `--listen ADDR:PORT`; port 0 takes a free one
    "#]],
    );
}

#[test]
fn other_machines_may_not_come_in_clear() {
    let world = World::new();
    world.check(&["serve", "--listen", "0.0.0.0:0"], &expect![[r#"
        exit 2
        --- stderr
        error: `--listen`: `0.0.0.0:0` is reachable from other machines, and keys would travel in clear
        hint: give `--tls-cert` and `--tls-key`, or `--behind-proxy CIDR` when a proxy in front ends TLS; or listen on 127.0.0.1
    "#]]);
    let args = ["serve", "--json", "--data", "data", "--listen", "0.0.0.0:0", "--behind-proxy", "127.0.0.1"];
    let server = Server::start(&mut world.command(&args));
    assert!(server.url().starts_with("http://localhost:"), "{}", server.url());
    server.stop();
}

#[test]
fn both_signals_stop_it_with_success() {
    for signal in [Signal::TERM, Signal::INT] {
        let world = World::new();
        let server = world.serve(&[]);
        server.signal(signal);
        assert_eq!(server.ended(), Some(0));
    }
}

#[tokio::test]
async fn tls_is_served_from_files_and_read_again_on_hangup() {
    let world = World::new();
    let issue =
        || rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let install = |issued: &rcgen::CertifiedKey<rcgen::KeyPair>| {
        std::fs::write(world.path("cert.pem"), issued.cert.pem()).unwrap();
        std::fs::write(world.path("key.pem"), issued.signing_key.serialize_pem()).unwrap();
    };
    let trusting = |issued: &rcgen::CertifiedKey<rcgen::KeyPair>| {
        let root = reqwest::Certificate::from_pem(issued.cert.pem().as_bytes()).unwrap();
        reqwest::Client::builder().tls_certs_only([root]).build().unwrap()
    };
    let first = issue();
    install(&first);
    let server = world.serve(&["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    let health = format!("{}/healthz", server.url());
    assert!(health.starts_with("https://"));
    assert!(trusting(&first).get(&health).send().await.unwrap().status().is_success());

    let second = issue();
    install(&second);
    server.signal(Signal::HUP);
    // Each client makes a new connection; one of the next sees the new certificate.
    let mut tries = 0;
    while trusting(&second).get(&health).send().await.is_err() {
        tries += 1;
        assert!(tries < 2000, "the new certificate is never served");
    }
    server.stop();
}

#[test]
fn a_first_start_with_bad_tls_files_does_not_lose_the_operator_key() {
    let world = World::new();
    std::fs::write(world.path("cert.pem"), "no certificate").unwrap();
    let tls = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let mut args = vec!["serve", "--data", "data", "--listen", "127.0.0.1:0"];
    args.extend(tls);
    world.check(
        &args,
        &expect![[r#"
        exit 2
        --- stderr
        error: cert.pem: holds no certificate
    "#]],
    );
    let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(world.path("cert.pem"), issued.cert.pem()).unwrap();
    std::fs::write(world.path("key.pem"), other.signing_key.serialize_pem()).unwrap();
    world.check(
        &args,
        &expect![[r#"
        exit 2
        --- stderr
        error: the TLS certificate and key do not fit: keys may not be consistent: KeyMismatch
    "#]],
    );
    assert!(!world.path("data").exists(), "nothing is begun");
    std::fs::write(world.path("key.pem"), issued.signing_key.serialize_pem()).unwrap();
    let server = world.serve(&tls);
    assert!(!server.operator_key().is_empty());
    server.stop();
}

#[test]
fn a_file_size_limit_does_not_kill_the_server() {
    let world = World::new();
    let server = world.serve(&[]);
    server.signal(Signal::XFSZ);
    server.stop();
}

#[tokio::test]
async fn the_operator_key_is_reset_while_the_server_runs_and_while_it_does_not() {
    let world = World::new();
    let server = world.serve(&[]);
    let old = server.operator_key();
    let live = world.run(&["key", "reset", "--data", "data", "--json"]);
    let new = live.result()["operator_key"].as_str().unwrap().to_owned();
    assert_eq!(server.get("/v1/tenants", &old).await.0, 401);
    assert_eq!(server.get("/v1/tenants", &new).await.0, 200);
    server.stop();

    let offline = world.run(&["key", "reset", "--data", "data", "--json"]);
    let newest = offline.result()["operator_key"].as_str().unwrap().to_owned();
    let server = world.serve(&[]);
    assert_eq!(server.get("/v1/tenants", &new).await.0, 401);
    assert_eq!(server.get("/v1/tenants", &newest).await.0, 200);
    server.stop();
}

#[test]
fn resetting_the_key_of_nothing_makes_nothing() {
    let world = World::new();
    world.check(
        &["key", "reset", "--data", "nowhere"],
        &expect![[r#"
        exit 4
        --- stderr
        error: `nowhere` holds no ledger
        hint: `annals serve --data DIR` begins one
    "#]],
    );
    assert!(!world.path("nowhere").exists());
}

#[tokio::test]
async fn a_server_runs_on_when_nobody_reads_what_it_says() {
    let world = World::new();
    let mut command = world.command(&["serve", "--data", "data", "--listen", "127.0.0.1:0"]);
    // The text form says several lines; the reader leaves before the first.
    let mut child =
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    let socket = world.path("data/control.sock");
    for _ in 0..400 {
        if socket.exists() && world.run(&["key", "reset", "--data", "data"]).code == Some(0) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    assert_eq!(
        world.run(&["key", "reset", "--data", "data", "--json"]).code,
        Some(0),
        "it answers on its socket"
    );
    assert_eq!(child.try_wait().unwrap(), None, "it runs");
    child.kill().unwrap();
    child.wait().unwrap();
}
