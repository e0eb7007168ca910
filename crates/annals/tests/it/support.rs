//! Running the binary: whole commands, and servers that are stopped with the test.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use expect_test::Expect;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A place of its own for one test: data, published folders, remembered checkpoints.
pub(crate) struct World {
    folder: tempfile::TempDir,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The binary with nothing of the developer's environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_annals"));
        command.args(args).current_dir(self.folder.path()).env_clear();
        command.env("HOME", self.folder.path()).env("ANNALS_STATE", self.path("state"));
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Said {
        Self::finished(&mut self.command(args))
    }

    pub(crate) fn finished(command: &mut Command) -> Said {
        let output = command.stdin(Stdio::null()).output().unwrap();
        Said {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs a command and compares all that it says.
    pub(crate) fn check(&self, args: &[&str], expected: &Expect) {
        expected.assert_eq(&self.run(args).masked(self));
    }

    /// Starts a server on `data` and waits until it says that it is ready.
    pub(crate) fn serve(&self, extra: &[&str]) -> Server {
        let mut args = vec!["serve", "--json", "--data", "data", "--listen", "127.0.0.1:0"];
        args.extend(extra);
        Server::start(&mut self.command(&args))
    }
}

impl Said {
    /// Exit code and both outputs, with what differs between runs masked.
    pub(crate) fn masked(&self, world: &World) -> String {
        let mut text = format!("exit {}\n", self.code.unwrap_or(-1));
        for (name, said) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !said.is_empty() {
                write!(text, "--- {name}\n{}", mask(said, world)).unwrap();
            }
        }
        text
    }

    /// The last line of the output, as JSON.
    pub(crate) fn result(&self) -> Value {
        let last = self
            .stdout
            .lines()
            .last()
            .unwrap_or_else(|| panic!("nothing was said; on stderr: {}", self.stderr));
        serde_json::from_str(last).unwrap()
    }

    /// The findings among the lines of the output.
    pub(crate) fn findings(&self) -> Vec<Value> {
        let lines = self.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["item"] == "finding").collect()
    }
}

const SEPARATORS: [char; 10] = [' ', '`', '/', '"', ',', '+', ':', ';', '(', ')'];

/// Masks paths, process ids, ports, instants, keys, hashes, ids, rates.
fn mask(text: &str, world: &World) -> String {
    let mut out = String::new();
    let text = text.replace(&world.folder.path().display().to_string(), "[WORLD]");
    for line in text.lines() {
        let words = line.split_inclusive(SEPARATORS);
        let mut masked: String = words.map(mask_word).collect();
        if masked.starts_with("checked ") {
            masked = "checked [COUNT] records in [TIME]".to_owned();
        }
        if let (true, Some(end)) = (masked.starts_with("sent "), masked.rfind("; ")) {
            masked.replace_range(end.., "; [TIME]");
        }
        if let (Some(since), Some(end)) = (masked.find(" since "), masked.rfind('Z')) {
            masked.replace_range(since + " since ".len()..=end, "[INSTANT]");
        }
        out.push_str(masked.trim_end());
        out.push('\n');
    }
    out
}

fn mask_word(word: &str) -> String {
    let end = word.find(SEPARATORS).unwrap_or(word.len());
    let (word, separator) = word.split_at(end);
    let hex = |word: &str| word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let shown = match word {
        word if word.len() == 64 && hex(word) => "[HASH]",
        word if word.len() == 32 && hex(word) => "[LOG]",
        word if word.strip_prefix("annals-").is_some_and(|rest| rest.len() == 16 && hex(rest)) => "[LEDGER]",
        word if word.starts_with("annals_") && word.len() > 40 => "[KEY]",
        word if word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_digit()) => "[NUMBER]",
        word => word,
    };
    format!("{shown}{separator}")
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) first_line: Value,
    client: reqwest::Client,
}

impl Server {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let first_line = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the first line is `{line}`"));
        drop(rustls::crypto::ring::default_provider().install_default());
        Self { child, first_line, client: reqwest::Client::new() }
    }

    pub(crate) fn url(&self) -> &str {
        self.first_line["url"].as_str().unwrap()
    }

    pub(crate) fn operator_key(&self) -> String {
        self.first_line["operator_key"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn get(&self, path: &str, key: &str) -> (u16, Value) {
        let response =
            self.client.get(format!("{}{path}", self.url())).bearer_auth(key).send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or(Value::Null))
    }

    /// Stores `count` events of tenant `acme`, numbered from `from`.
    pub(crate) async fn post(&self, key: &str, from: u64, count: u64) {
        let events: Vec<Value> = (from..from + count)
            .map(|number| {
                json!({
                    "tenant": "acme", "id": format!("event-{number}"), "action": "video.update",
                    "actor": {"type": "user", "id": "u1", "name": "Ana Example"}, "metadata": {"number": number},
                })
            })
            .collect();
        let request = self.client.post(format!("{}/v1/events", self.url())).bearer_auth(key);
        let body = serde_json::to_vec(&events).unwrap();
        let response = request.header("content-type", "application/json").body(body).send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{status}: {text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["created"], count, "{answer}");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end; gives the exit code.
    pub(crate) fn ended(mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < PATIENCE, "the server does not stop");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Stops it as an operator would.
    pub(crate) fn stop(self) {
        self.signal(Signal::TERM);
        assert_eq!(self.ended(), Some(0));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Flips one bit of a file.
pub(crate) fn flip(path: &Path, offset: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[offset] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// Where `needle` stands in a file.
pub(crate) fn find(path: &Path, needle: &str) -> usize {
    let bytes = std::fs::read(path).unwrap();
    bytes.windows(needle.len()).position(|window| window == needle.as_bytes()).unwrap()
}

/// Copies a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else if kind.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
