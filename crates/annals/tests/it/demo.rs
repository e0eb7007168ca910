//! `annals demo`: what it prints can be pasted as it stands.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Said, Server, World};

/// The stories are the same in a shorter year; the whole one is filled by `cargo xtask readme`.
const EVENTS: &str = "20000";

/// Behind it a story's title says how many events there are to find.
const COUNT: &str = " days ago, ";

/// Ended with the test, however that ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It has ended by itself when this fails.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test]
async fn every_command_that_the_demo_prints_does_what_it_says() {
    let world = World::new();
    let mut demo = world.command(&["demo", "--data", "demo", "--events", EVENTS, "--listen", "127.0.0.1:0"]);
    let demo = demo.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut demo = Ended(demo);
    let mut printed = Vec::new();
    let lines = BufReader::new(demo.0.stdout.take().unwrap()).lines();
    for line in lines.map(Result::unwrap) {
        let is_last = line.starts_with("Ctrl-C ");
        printed.push(line);
        if is_last {
            break;
        }
    }
    assert!(printed.len() <= 50, "{} lines do not fit on a screen", printed.len());
    let called = |line: &String| line.replace(env!("CARGO_BIN_EXE_annals"), "annals");
    let longest = printed.iter().map(|line| called(line).chars().count()).max();
    assert!(longest <= Some(140), "a line of {longest:?} characters: {printed:#?}");
    // Commands are those lines that begin with a program's name; they are run as they stand, in one folder.
    let export = printed.iter().map(|line| line.trim()).find(|line| line.starts_with("export ")).unwrap();
    let run = |command: &str| {
        let mut bash = Command::new("bash");
        bash.args(["-c", &format!("{export}\n{command}")]).env_clear();
        bash.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        bash.env("ANNALS_STATE", world.path("state")).current_dir(world.path(""));
        World::finished(&mut bash)
    };
    let mut stories = 0;
    let mut count = None;
    for line in &printed {
        if let Some((_, counted)) = line.split_once(COUNT) {
            count = counted.split(' ').next().unwrap().parse::<u64>().ok();
        }
        if line.contains(" search --tenant ") {
            let found = run(&format!("{line} --json"));
            assert_eq!(found.code, Some(0), "{line}: {}", found.stderr);
            let counted = count.take();
            assert_eq!(Some(found.stdout.lines().count() as u64), counted, "{line}");
            // The same over HTTP.
            let (_, terms) = line.split_once(" search --tenant ").unwrap();
            let url = format!("$ANNALS_URL/v1/events?limit=1&total=true&tenant={}", terms.replace(' ', "&"));
            let page = run(&format!("curl -sS \"{url}\" -H \"Authorization: Bearer $ANNALS_KEY\""));
            let page: Value = serde_json::from_str(&page.stdout).unwrap();
            assert_eq!(page["total"].as_u64(), counted, "{url}: {page}");
            stories += 1;
        }
    }
    assert_eq!(stories, 6);
    let command = |wanted: &str| {
        let line = printed.iter().find(|line| line.contains(wanted));
        line.unwrap_or_else(|| panic!("nothing with `{wanted}` is printed")).trim()
    };
    let url = command("/docs").rsplit(' ').next().unwrap();
    assert!(run(&format!("curl -sSf {url}")).stdout.contains("<html"), "{url} is a page");
    let page: Value = serde_json::from_str(&run(command("/v1/events?")).stdout).unwrap();
    assert_eq!(
        (page["total"].as_u64(), page["events"].as_array().map(Vec::len)),
        (Some(3), Some(3)),
        "{page}"
    );
    let list: Value = serde_json::from_str(&run(command("/v1/audit_logs")).stdout).unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 10, "{list}");
    for preparing in ["cp -r ", " sed "] {
        let said = run(command(preparing));
        assert_eq!((said.code, &*said.stderr), (Some(0), ""), "{preparing}");
    }
    let Said { code, stdout, stderr } = run(command(" verify tampered"));
    assert_eq!(code, Some(8), "{stderr}");
    assert!(stdout.contains("damaged   tenant `ledgerly`: the record at position "), "{stdout}");
    kill_process(Pid::from_child(&demo.0), Signal::INT).unwrap();
    assert_eq!(demo.0.wait().unwrap().code(), Some(0));

    let again = ["demo", "--json", "--data", "demo", "--events", EVENTS, "--listen", "127.0.0.1:0"];
    let server = Server::start(&mut world.command(&again));
    assert!(server.first_line["tenants"].as_array().unwrap().is_empty(), "its keys were shown before");
    let key = export.rsplit('=').next().unwrap();
    let (status, page) = server.get("/v1/events?limit=1&total=true", key).await;
    assert_eq!(status, 200, "{page}");
    let total = page["total"].as_u64().unwrap();
    assert!((20_000..20_100).contains(&total), "it is filled once: {total}");
    server.stop();
}

#[test]
fn a_script_is_told_the_tenants_keys() {
    let world = World::new();
    let server =
        Server::start(&mut world.command(&["demo", "--json", "--events", EVENTS, "--listen", "127.0.0.1:0"]));
    let tenants = server.first_line["tenants"].as_array().unwrap();
    let ids: Vec<&str> = tenants.iter().map(|tenant| tenant["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["northwind-video", "ledgerly", "mosaic-health"]);
    assert!(tenants.iter().all(|tenant| tenant["key"].as_str().unwrap().starts_with("annals_")));
    server.stop();
}
