//! Lines of events, from a file or made while they are read, and batches of them for those who send.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use super::engine::BATCH;
use crate::fault::{Result, While, fail, require};
use crate::instance::Binary;
use crate::repo;
use crate::tool::Tool;

/// A server takes a body of 16 MiB.
const BATCH_BYTES_MAX: usize = 8 << 20;

/// How much is read at once.
const READ_BYTES: usize = 1 << 20;

/// Where events come from; they are the same each time they are read.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// A file with one on each line.
    File(PathBuf),
    /// `annals bench generate`, run anew for each reading: more events than the disk has room for.
    Generator { binary: Binary, shape: &'static str, events: u64, seed: u64 },
}

impl Source {
    /// The lines, from the first.
    pub(super) fn open(&self) -> Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::File(file) => Box::new(File::open(file).while_doing(file.display())?),
            Self::Generator { binary, shape, events, seed } => {
                Box::new(Generator::start(binary, shape, *events, *seed)?)
            }
        })
    }

    /// The file, for an engine that wants one.
    pub(super) fn file(&self) -> Result<&Path> {
        match self {
            Self::File(file) => Ok(file),
            Self::Generator { .. } => fail!("there is no file of these events"),
        }
    }

    /// Shows each line, without its end.
    pub(super) fn each_line(&self, mut see: impl FnMut(&str) -> Result<()>) -> Result<()> {
        let mut lines = BufReader::with_capacity(READ_BYTES, self.open()?);
        let mut line = String::new();
        while lines.read_line(&mut line).while_doing("the events")? > 0 {
            see(line.trim_end_matches('\n'))?;
            line.clear();
        }
        Ok(())
    }
}

/// A generator at work; ended when dropped.
struct Generator {
    child: Child,
    output: ChildStdout,
}

impl Generator {
    fn start(binary: &Binary, shape: &str, events: u64, seed: u64) -> Result<Self> {
        let mut command = Command::new(binary.path());
        command.args(["bench", "generate", "--shape", shape]);
        command.args(["--events", &events.to_string(), "--seed", &seed.to_string()]);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().while_doing("generate")?;
        let output = child.stdout.take().expect("it was piped");
        Ok(Self { child, output })
    }
}

impl Read for Generator {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.output.read(to)?;
        if read == 0 && !to.is_empty() && !self.child.wait()?.success() {
            return Err(io::Error::other("annals bench generate failed"));
        }
        Ok(read)
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        // It has ended already when this fails.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Lines for several senders: each takes the next batch when it is ready.
pub(super) struct Batches {
    lines: Mutex<Box<dyn BufReadSend>>,
}

trait BufReadSend: std::io::BufRead + Send {}
impl<T: std::io::BufRead + Send> BufReadSend for T {}

impl Batches {
    pub(super) fn open(file: &Path) -> Result<Self> {
        let file = File::open(file).while_doing(file.display())?;
        Ok(Self::of(file))
    }

    /// Lines from anywhere.
    pub(super) fn of(source: impl Read + Send + 'static) -> Self {
        Self { lines: Mutex::new(Box::new(BufReader::with_capacity(READ_BYTES, source))) }
    }

    /// Puts the next lines into `to`; gives how many, 0 at the end.
    pub(super) fn next(&self, to: &mut Vec<u8>) -> Result<usize> {
        to.clear();
        let mut lines = self.lines.lock().expect("no holder of this lock panics");
        let mut count = 0;
        while count < BATCH && to.len() < BATCH_BYTES_MAX {
            if lines.read_until(b'\n', to).while_doing("the file of events")? == 0 {
                break;
            }
            count += 1;
        }
        Ok(count)
    }
}

/// Has `annals bench generate` write a file of events into `folder`.
pub(super) fn generate(
    binary: &Binary,
    folder: &Path,
    shape: &str,
    events: u64,
    seed: u64,
) -> Result<PathBuf> {
    let path = folder.join(format!("{shape}-{events}-{seed}.ndjson"));
    let shell = "\"$0\" bench generate --events \"$1\" --seed \"$2\" --shape \"$3\" > \"$4\"";
    let (made, said) = Tool::new("sh")
        .args(["-c", shell])
        .args([binary.path()])
        .args([events.to_string(), seed.to_string(), shape.to_owned()])
        .args([&path])
        .ask()?;
    require!(made, "annals bench generate: {said}");
    Ok(path)
}

/// A folder for files that may be large, on the disk of what cargo builds; everybody may look into it, as PostgreSQL runs as
/// somebody else.
pub(super) fn folder() -> Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = repo::target().join("bench");
    std::fs::create_dir_all(&parent).while_doing(parent.display())?;
    let permissions = std::fs::Permissions::from_mode(0o755);
    tempfile::Builder::new()
        .prefix("b")
        .permissions(permissions)
        .tempdir_in(&parent)
        .while_doing("temporary folder")
}
