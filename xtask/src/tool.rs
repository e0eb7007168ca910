//! Running other programs from the repository's root.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::fault::{Result, While, fail};
use crate::repo;

/// A program to run, with its arguments.
#[derive(Debug)]
pub(crate) struct Tool(Command);

impl Tool {
    /// The program `name`, to be run in the repository's root without standard input.
    pub(crate) fn new(name: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(name);
        command.current_dir(repo::root()).stdin(Stdio::null());
        Self(command)
    }

    /// The cargo that runs us.
    pub(crate) fn cargo() -> Self {
        let mut tool = Self::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // Set for us by `cargo run`; they would make crates that read them build again.
        for name in ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
            tool.0.env_remove(name);
        }
        tool
    }

    /// Adds arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.0.args(args);
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Settings of the developer's own shell do not reach what is tested.
    pub(crate) fn without_our_variables(mut self) -> Self {
        without_our_variables(&mut self.0);
        self
    }

    /// Runs elsewhere than in the repository's root.
    pub(crate) fn dir(mut self, folder: &Path) -> Self {
        self.0.current_dir(folder);
        self
    }

    fn name(&self) -> String {
        let args = self.0.get_args().take(4).map(|arg| format!(" {}", arg.to_string_lossy()));
        self.0.get_program().to_string_lossy().into_owned() + &args.collect::<String>()
    }

    /// Runs it, its output going where ours goes.
    pub(crate) fn run(mut self) -> Result<()> {
        let status = self.0.status().while_doing(self.name())?;
        if !status.success() {
            fail!("{}: {status}", self.name());
        }
        Ok(())
    }

    /// Runs it and returns its standard output; the other output goes where ours goes.
    pub(crate) fn output(mut self) -> Result<String> {
        let output = self.0.stderr(Stdio::inherit()).output().while_doing(self.name())?;
        if !output.status.success() {
            fail!("{}: {}", self.name(), output.status);
        }
        String::from_utf8(output.stdout).while_doing(self.name())
    }

    /// Runs it and returns whether it succeeded, and all it said, standard output first.
    pub(crate) fn ask(mut self) -> Result<(bool, String)> {
        let output = self.0.output().while_doing(self.name())?;
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        Ok((output.status.success(), text.into_owned()))
    }

    /// Runs it and returns its exit code, none when it was killed, and what it said on standard output. The other output goes where
    /// ours goes.
    pub(crate) fn code(mut self) -> Result<(Option<i32>, String)> {
        let output = self.0.stderr(Stdio::inherit()).output().while_doing(self.name())?;
        Ok((output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// Runs it, passing on each line of its standard error (`Stream::Error`) or output as it comes, and shows it to
    /// `see` too. Returns whether it succeeded.
    pub(crate) fn watch(mut self, stream: Stream, mut see: impl FnMut(&str)) -> Result<bool> {
        match stream {
            Stream::Output => self.0.stdout(Stdio::piped()),
            Stream::Error => self.0.stderr(Stdio::piped()),
        };
        let mut child = self.0.spawn().while_doing(self.name())?;
        let lines: Box<dyn BufRead> = match stream {
            Stream::Output => Box::new(BufReader::new(child.stdout.take().expect("it was piped"))),
            Stream::Error => Box::new(BufReader::new(child.stderr.take().expect("it was piped"))),
        };
        for line in lines.lines() {
            let line = line.while_doing(self.name())?;
            println!("{line}");
            see(&line);
        }
        Ok(child.wait().while_doing(self.name())?.success())
    }

    /// Whether the program is there and answers `--version`-like arguments with success.
    pub(crate) fn answers(self) -> bool {
        self.ask().is_ok_and(|(success, _)| success)
    }
}

/// Which stream of a program to watch.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// Removes every variable that annals would read.
pub(crate) fn without_our_variables(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"ANNALS_") {
            command.env_remove(name);
        }
    }
}
