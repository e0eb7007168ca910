//! A file of events, read in batches by those who send them.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::engine::BATCH;
use crate::fault::{Result, While, require};
use crate::instance::Binary;
use crate::repo;
use crate::tool::Tool;

/// A server takes a body of 16 MiB.
const BATCH_BYTES_MAX: usize = 8 << 20;

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
        Self { lines: Mutex::new(Box::new(BufReader::with_capacity(1 << 20, source))) }
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
