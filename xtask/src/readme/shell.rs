//! One bash that runs a page's blocks.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::page::{Block, agrees};
use crate::fault::{Result, While, fail, require};
use crate::tool;

/// Longest that a block may take: in the build that is tested the demo takes most of a minute.
const BLOCK_SECONDS_MAX: u64 = 180;

/// Between two looks at what a block has printed so far.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A bash in a folder, and those that it starts; killed when dropped.
pub(super) struct Shell {
    child: Child,
    input: ChildStdin,
    /// The exit codes of blocks.
    codes: mpsc::Receiver<String>,
    folder: PathBuf,
    variables: Vec<(&'static str, OsString)>,
}

impl Shell {
    pub(super) fn start(folder: &Path, variables: Vec<(&'static str, OsString)>) -> Result<Self> {
        let mut command = bash(folder, &variables);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .while_doing("start bash")?;
        let input = child.stdin.take().expect("it was piped");
        let output = child.stdout.take().expect("it was piped");
        let (send, codes) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
                // Nobody waits any more once a block has failed.
                drop(send.send(line));
            }
        });
        Ok(Self { child, input, codes, folder: folder.to_owned(), variables })
    }

    /// Runs a block to its end.
    pub(super) fn run(&mut self, block: &Block, expected: i32) -> Result<()> {
        let (script, output) = self.write(block)?;
        // Read from a file, so that a mistake in one block is that block's; what a block exports the next ones see.
        let line =
            format!("source '{}' </dev/null >'{}' 2>&1; echo $?\n", script.display(), output.display());
        self.input.write_all(line.as_bytes()).while_doing("speak to bash")?;
        let code = self.codes.recv_timeout(Duration::from_secs(BLOCK_SECONDS_MAX));
        let said = said(&output);
        let Ok(code) = code else {
            fail!("it takes more than {BLOCK_SECONDS_MAX} s, or ends the shell; it printed:\n{said}");
        };
        require!(code == expected.to_string(), "exit code {code}, not {expected}; it printed:\n{said}");
        require_promised(block, &said)
    }

    /// Runs a block until it has printed what it promises, then interrupts it.
    pub(super) fn run_until_interrupted(&mut self, block: &Block) -> Result<()> {
        let Some(promised) = &block.prints else { fail!("nothing says what it prints when it is ready") };
        let (script, output) = self.write(block)?;
        let to = File::create(&output).while_doing("make the block's output")?;
        let errors = to.try_clone().while_doing("make the block's output")?;
        let mut command = bash(&self.folder, &self.variables);
        let child = command.arg(&script).stdin(Stdio::null()).stdout(to).stderr(errors).spawn();
        let mut child = child.while_doing("start bash")?;
        let ready = wait_until(|| Ok(agrees(promised, &said(&output), true)));
        signal(&child, Signal::INT);
        let ended = wait_until(|| Ok(child.try_wait().while_doing("wait for the block")?.is_some()));
        signal(&child, Signal::KILL);
        let status = child.wait().while_doing("wait for the block")?;
        if ready.is_err() {
            require_promised(block, &said(&output))?;
        }
        ended?;
        require!(status.success(), "{status} when it was interrupted; it printed:\n{}", said(&output));
        Ok(())
    }

    fn write(&self, block: &Block) -> Result<(PathBuf, PathBuf)> {
        let beside = self.folder.with_extension(block.line.to_string());
        let script = beside.with_extension(format!("{}.sh", block.line));
        fs::write(&script, &block.commands).while_doing("write the block")?;
        Ok((script, beside))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        signal(&self.child, Signal::KILL);
        drop(self.child.wait());
    }
}

/// A bash that reads nothing of the developer's, and leads a process group.
fn bash(folder: &Path, variables: &[(&'static str, OsString)]) -> Command {
    let mut command = Command::new("bash");
    command.args(["--noprofile", "--norc"]).current_dir(folder).process_group(0);
    tool::without_our_variables(&mut command);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command
}

/// To a shell and all that it started; those that are gone already hear nothing.
fn signal(child: &Child, signal: Signal) {
    let id = i32::try_from(child.id()).expect("Linux process ids fit");
    let _gone = kill_process_group(Pid::from_raw(id).expect("a child's id is not 0"), signal);
}

fn wait_until(mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(BLOCK_SECONDS_MAX);
    while !done()? {
        require!(Instant::now() < deadline, "it takes more than {BLOCK_SECONDS_MAX} s");
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

fn said(output: &Path) -> String {
    String::from_utf8_lossy(&fs::read(output).unwrap_or_default()).into_owned()
}

fn require_promised(block: &Block, said: &str) -> Result<()> {
    let Some(promised) = &block.prints else { return Ok(()) };
    require!(agrees(promised, said, false), "it printed:\n{said}but the page says:\n{promised}");
    Ok(())
}
