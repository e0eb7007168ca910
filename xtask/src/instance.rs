//! The real binary, started on a folder of its own.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::Value;

use crate::fault::{Result, While, fail, require};
use crate::http::Client;
use crate::repo;
use crate::tool::{self, Tool};

/// How long a start may take until the server is ready.
const READY_SECONDS_MAX: u64 = 60;

/// How long a server may take to drain and end.
const STOP_SECONDS_MAX: u64 = 40;

/// The `annals` binary to test.
#[derive(Clone, Debug)]
pub(crate) struct Binary(PathBuf);

impl Binary {
    /// Builds the binary alone.
    pub(crate) fn build(release: bool) -> Result<Self> {
        let profile: &[&str] = if release { &["--release"] } else { &[] };
        Tool::cargo().args(["build", "--quiet", "--package", "annals"]).args(profile).run()?;
        Ok(Self::built(if release { "release" } else { "debug" }))
    }

    /// Builds the binary with all tests, so that neither builds a dependency again with other features.
    pub(crate) fn build_with_tests() -> Result<Self> {
        Tool::cargo().args(["build", "--quiet", "--workspace", "--all-targets"]).run()?;
        Ok(Self::built("debug"))
    }

    /// One that was built before.
    pub(crate) fn at(file: PathBuf) -> Self {
        Self(file)
    }

    fn built(profile: &str) -> Self {
        Self(repo::target().join(profile).join("annals"))
    }

    /// The binary, with nothing of the developer's settings.
    pub(crate) fn command(&self) -> Tool {
        Tool::new(&self.0).without_our_variables()
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// `annals verify` of a data folder, all logs in it, with its memory of keys and checkpoints in `state`.
    pub(crate) fn verify(&self, folder: &Path, state: &Path) -> Result<()> {
        let verify = self.command().env("ANNALS_STATE", state);
        let (accepted, said) = verify.args(["verify"]).args([folder]).ask()?;
        require!(accepted, "annals verify {}: {said}", folder.display());
        Ok(())
    }

    /// `annals publish` of a tenant's log into `folder`.
    pub(crate) fn publish(&self, server: &Instance, tenant: &str, folder: &Path) -> Result<()> {
        let publish = self.command().args([
            "publish",
            "--tenant",
            tenant,
            "--url",
            &server.url(),
            "--key",
            &server.key,
        ]);
        let (published, said) = publish.args([folder]).ask()?;
        require!(published, "annals publish: {said}");
        Ok(())
    }
}

/// A server process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Instance {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The operator's key; empty when the folder was started before and the caller did not put it here.
    pub(crate) key: String,
}

impl Instance {
    /// Starts a server on `data` and waits until it is ready.
    ///
    /// What it says besides its first line goes to `data` with `.diagnostics` behind its name.
    pub(crate) fn start(binary: &Binary, data: &Path) -> Result<Self> {
        let mut starting = Starting::spawn(binary, data)?;
        starting.ready()
    }

    /// As [`Instance::start`], listening on `address`.
    pub(crate) fn start_on(binary: &Binary, data: &Path, address: SocketAddr) -> Result<Self> {
        let mut starting = Starting::spawn_on(binary, data, address)?;
        starting.ready()
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A connection to it, signed in as the operator.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.address, &self.key)
    }

    /// Ends it as a power cut would end the process: at once.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill().while_doing("kill")?;
        self.child.wait().while_doing("wait for the killed server")?;
        Ok(())
    }

    /// Asks it to drain and end, as a service manager does, and wants exit code 0.
    pub(crate) fn stop(mut self) -> Result<()> {
        kill_process(pid(&self.child), Signal::TERM).while_doing("SIGTERM")?;
        let deadline = Instant::now() + Duration::from_secs(STOP_SECONDS_MAX);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().while_doing("wait for the server")? {
                require!(status.success(), "the server ended with {status} after SIGTERM");
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        fail!("the server did not end within {STOP_SECONDS_MAX} s of SIGTERM")
    }

    /// Sets how large a file it may write; nothing means no limit.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) -> Result<()> {
        // The hard limit stays, so that the soft one can be raised again.
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(pid(&self.child)), Resource::Fsize, limit).while_doing("prlimit")?;
        Ok(())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // It has ended already when this fails.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A server that was started and has not said yet that it is ready.
#[derive(Debug)]
pub(crate) struct Starting {
    child: Option<Child>,
    first_line: mpsc::Receiver<String>,
    diagnostics: PathBuf,
}

impl Starting {
    /// Starts a server on `data`, on a port that is free.
    pub(crate) fn spawn(binary: &Binary, data: &Path) -> Result<Self> {
        Self::spawn_on(binary, data, SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// As [`Starting::spawn`], with settings from the environment.
    pub(crate) fn spawn_with(binary: &Binary, data: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        Self::spawn_as(binary, data, SocketAddr::from(([127, 0, 0, 1], 0)), settings)
    }

    /// Starts a server on `data`, listening on `address`.
    pub(crate) fn spawn_on(binary: &Binary, data: &Path, address: SocketAddr) -> Result<Self> {
        Self::spawn_as(binary, data, address, &[])
    }

    fn spawn_as(
        binary: &Binary,
        data: &Path,
        address: SocketAddr,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let diagnostics = data.with_extension("diagnostics");
        let mut command = Command::new(&binary.0);
        command
            .args(["serve", "--json", "--listen", &address.to_string(), "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&diagnostics).while_doing("diagnostics")?);
        tool::without_our_variables(&mut command);
        command.envs(settings.iter().copied());
        let mut child = command.spawn().while_doing("start annals")?;
        let output = child.stdout.take().expect("it was piped");
        let (send, first_line) = mpsc::channel();
        // Reads on behind the first line, so that the server never waits for a reader.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
                // Nobody waits any more when the server was killed while it started.
                drop(send.send(line));
            }
        });
        Ok(Self { child: Some(child), first_line, diagnostics })
    }

    /// Waits until it is ready.
    pub(crate) fn ready(&mut self) -> Result<Instance> {
        let line = self.first_line.recv_timeout(Duration::from_secs(READY_SECONDS_MAX));
        let Ok(line) = line else {
            fail!("the server did not become ready; it said: {}", self.said());
        };
        let first: Value = serde_json::from_str(&line).while_doing(format!("first line `{line}`"))?;
        let url = first["url"].as_str().unwrap_or_default();
        let address = url.trim_start_matches("http://").trim_end_matches('/').parse();
        let address = address.while_doing(format!("url `{url}`"))?;
        let key = first["operator_key"].as_str().unwrap_or_default().to_owned();
        Ok(Instance { child: self.child.take().expect("ready is called once"), address, key })
    }

    /// Ends it at once, ready or not.
    pub(crate) fn kill(mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().while_doing("kill")?;
            child.wait().while_doing("wait for the killed server")?;
        }
        Ok(())
    }

    /// Waits until it gave up by itself; returns its exit code and what it said.
    pub(crate) fn refused(mut self) -> Result<(Option<i32>, String)> {
        // With `--json` the error is a line of standard output.
        let line = self.first_line.recv_timeout(Duration::from_secs(READY_SECONDS_MAX)).unwrap_or_default();
        require!(!line.contains("\"url\""), "the server started although it should not: {line}");
        let mut child = self.child.take().expect("it is not ready");
        let status = child.wait().while_doing("wait for the server")?;
        Ok((status.code(), format!("{}\n{line}", self.said())))
    }

    fn said(&self) -> String {
        let text = std::fs::read_to_string(&self.diagnostics).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn pid(child: &Child) -> Pid {
    let id = i32::try_from(child.id()).expect("Linux process ids fit");
    Pid::from_raw(id).expect("a child's id is not 0")
}
