//! The viewer: its types, its size, its units, and its pages in a real browser against the real binary.
//!
//! The browser's tests are `viewer/tests/browser/*.test.mjs`. They ask the servers that are started here: a demo, and one with what
//! real systems wrote where such files are at hand.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::json;

use crate::browser::Browser;
use crate::fault::{Result, While, fail, require};
use crate::instance::{Binary, Instance};
use crate::stages::Tally;
use crate::tool::{self, Stream, Tool};
use crate::{real_data, repo};

/// The oldest Node that the viewer is built and tested with.
const NODE_MIN: u32 = 20;

/// How long the demo may take to tell its year.
const DEMO_SECONDS_MAX: u64 = 300;

/// A file of tests that hangs is ended, so that the others are heard of.
const FILE_MS_MAX: u64 = 600_000;

/// Builds and tests all of it.
pub(crate) fn run(binary: &Binary) -> Result<Tally> {
    if let Err(why) = node()? {
        return Ok(Tally::skipped(format!("the viewer: {why}")));
    }
    let folder = tempfile::tempdir().while_doing("temporary folder")?;
    let here = repo::root().join("viewer");
    fetch(&here, "node_modules/playwright-core")?;
    Tool::new("npx").args(["--no-install", "tsc", "--noEmit"]).dir(&here).run()?;
    let built = folder.path().join("built");
    // It refuses by itself what has grown too large.
    Tool::new("node").args(["build.mjs", "--out"]).args([&built]).dir(&here).run()?;
    println!("{} KB, all that a browser loads pressed", pressed(&built)? / 1024);
    let mut tally = Tally::passed(2);
    tally.add(test(&tests_of("unit")?, &[])?);
    // A provider by others is a program of its own, with libraries of its own.
    fetch(&here.join("tests/oidc"), "node_modules/oidc-provider")?;
    tally.add(test(&tests_of("oidc")?, &[("ANNALS", binary.path().display().to_string())])?);
    let Some(browser) = Browser::installed() else {
        tally.skipped.push("the viewer's pages: no Chromium is installed".to_owned());
        return Ok(tally);
    };
    let demo = Demo::start(binary)?;
    let real = Real::start(binary, folder.path())?;
    let mut settings = vec![
        ("ANNALS_TESTS_BINARY", binary.path().display().to_string()),
        ("ANNALS_TESTS_BROWSER", browser.to_owned()),
        ("ANNALS_TESTS_DEMO", demo.first_line.clone()),
    ];
    if let Some(real) = &real {
        settings.push(("ANNALS_TESTS_REAL", real.told()));
    }
    tally.add(test(&tests_of("browser")?, &settings)?);
    if let Some(real) = real {
        real.server.stop()?;
    }
    Ok(tally)
}

/// Whether there is a Node that is new enough; if not, why.
fn node() -> Result<std::result::Result<(), String>> {
    if !Tool::new("node").args(["--version"]).answers() || !Tool::new("npm").args(["--version"]).answers() {
        return Ok(Err("there is no Node with npm on the PATH".to_owned()));
    }
    let version = Tool::new("node").args(["--version"]).output()?;
    let version = version.trim().trim_start_matches('v');
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    let is_new = major.is_some_and(|major| major >= NODE_MIN);
    Ok(if is_new { Ok(()) } else { Err(format!("Node {version} is older than {NODE_MIN}")) })
}

/// Fetches the libraries that a folder names, unless all are there, this one that only tests need among them.
fn fetch(folder: &Path, of_tests: &str) -> Result<()> {
    let changed = |path: &str| fs::metadata(folder.join(path)).and_then(|about| about.modified()).ok();
    let fetched = changed("node_modules/.package-lock.json");
    // A build of the program alone leaves out what only tests need.
    if fetched.is_some() && fetched >= changed("package-lock.json") && folder.join(of_tests).exists() {
        return Ok(());
    }
    let npm =
        Tool::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    npm.dir(folder).run()
}

/// What the page's files have together, pressed.
fn pressed(built: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(built).while_doing(built.display())? {
        let entry = entry.while_doing(built.display())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_loaded = ["viewer-", "chunk-", "index."].iter().any(|begin| name.starts_with(begin));
        if name.ends_with(".gz") && is_loaded {
            bytes += entry.metadata().while_doing(name)?.len();
        }
    }
    Ok(bytes)
}

/// The files in a folder of `viewer/tests` that hold tests; others hold what tests share.
fn tests_of(folder: &str) -> Result<Vec<PathBuf>> {
    let folder = repo::root().join("viewer/tests").join(folder);
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).while_doing(folder.display())? {
        let path = entry.while_doing(folder.display())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".test.mjs") {
            files.push(path);
        }
    }
    require!(!files.is_empty(), "{}: no tests", folder.display());
    files.sort();
    Ok(files)
}

/// Runs files of tests, one after the other, and counts.
fn test(files: &[PathBuf], settings: &[(&str, String)]) -> Result<Tally> {
    let mut node = Tool::new("node").without_our_variables();
    for (name, value) in settings {
        node = node.env(name, value);
    }
    let node = node
        .args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
        .args([format!("--test-timeout={FILE_MS_MAX}")])
        .args(files);
    let (mut tally, mut counted) = (Tally::default(), false);
    let passed = node.watch(Stream::Output, |line| {
        if let Some(why) = line.trim_start().strip_prefix("﹣ ") {
            tally.skipped.push(format!("the viewer: {why}"));
        }
        match line.strip_prefix("ℹ ").and_then(|counts| counts.split_once(' ')) {
            Some(("pass", count)) => {
                tally.passed = count.parse().unwrap_or_default();
                counted = true;
            }
            Some(("fail" | "cancelled", count)) => tally.failed += count.parse::<u64>().unwrap_or(1),
            _ => {}
        }
    })?;
    require!(counted, "node --test did not say how many tests held");
    require!(passed || tally.failed > 0, "node --test failed without a test that did");
    Ok(tally)
}

/// A server full of invented events; killed when dropped.
#[derive(Debug)]
struct Demo {
    child: Child,
    /// What it says first: where it is, and its keys.
    first_line: String,
}

impl Demo {
    fn start(binary: &Binary) -> Result<Self> {
        let mut command = Command::new(binary.path());
        command.args(["demo", "--listen", "127.0.0.1:0", "--json"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        tool::without_our_variables(&mut command);
        let mut child = command.spawn().while_doing("annals demo")?;
        let output = child.stdout.take().expect("it was piped");
        let mut demo = Self { child, first_line: String::new() };
        let (send, first_line) = mpsc::channel();
        // Reads on behind the first line, so that the server never waits for a reader.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
                drop(send.send(line));
            }
        });
        match first_line.recv_timeout(Duration::from_secs(DEMO_SECONDS_MAX)) {
            Ok(line) if line.contains("\"url\"") => demo.first_line = line,
            Ok(line) => fail!("annals demo: {line}"),
            Err(_) => fail!("annals demo did not become ready"),
        }
        Ok(demo)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Asked to end, it removes its folder; it has ended already when this fails.
        let id = self.child.id().to_string();
        drop(Tool::new("kill").args(["-TERM", &id]).ask());
        drop(self.child.wait());
    }
}

/// A server with what real systems wrote.
#[derive(Debug)]
struct Real {
    server: Instance,
    tenants: Vec<String>,
}

impl Real {
    /// Each file goes to a tenant of its own; nothing where there are none.
    fn start(binary: &Binary, folder: &Path) -> Result<Option<Self>> {
        let Ok(files) = real_data::converted()? else { return Ok(None) };
        let server = Instance::start(binary, &folder.join("real"))?;
        let mut tenants = Vec::new();
        for file in files {
            let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let send = binary.command().env("ANNALS_URL", server.url()).env("ANNALS_KEY", &server.key);
            // Some are refused, which `real data` looks at; all others are there.
            let (_, said) = send.args(["send", "--tenant", &name]).args([&file]).ask()?;
            println!("{name}: {}", said.lines().last().unwrap_or_default());
            tenants.push(name);
        }
        Ok(Some(Self { server, tenants }))
    }

    /// As the demo says of itself.
    fn told(&self) -> String {
        let tenants: Vec<_> = self.tenants.iter().map(|id| json!({"id": id})).collect();
        json!({"url": self.server.url(), "operator_key": self.server.key, "tenants": tenants}).to_string()
    }
}
