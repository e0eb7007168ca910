//! One process at a time in a folder.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::{FlockOperation, flock};

/// Name of the lock file in its folder.
const LOCK_FILE: &str = "lock";

/// The most bytes of the holder's text that are read back.
const HOLDER_BYTES_MAX: u64 = 1024;

/// A folder that is ours until this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    /// The lock belongs to the open file; closing it gives the lock back. The file stays: removing it would let two
    /// processes hold locks on two files of one name.
    _file: File,
}

/// Why a folder could not be locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody else has it. Kind `Conflict`.
    #[error(transparent)]
    Held(#[from] Held),
    /// The lock file cannot be made or locked. Kind `Unavailable`.
    #[error("cannot lock the folder")]
    Io(#[from] io::Error),
}

/// Who holds a folder, in the words it left.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the folder is in use by {}", if .holder.is_empty() { "another process" } else { .holder })]
pub struct Held {
    /// The text its holder gave to [`lock()`]; empty when it has left none.
    pub holder: String,
}

/// Takes the lock `lock` in the existing folder `folder`, without waiting, and writes `holder` (one line that says who
/// we are, such as the process id) into it.
///
/// # Errors
///
/// * [`LockError::Held`]: another process, or another [`Lock`] in this one, has it.
/// * [`LockError::Io`]: as the system says.
pub fn lock(folder: &Path, holder: &str) -> Result<Lock, LockError> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(folder.join(LOCK_FILE))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(Held { holder: read_holder(&file)? }.into()),
        Err(error) => return Err(io::Error::from(error).into()),
    }
    match write_holder(&mut file, holder) {
        // The text is for people alone: a service must come up on a full disk, to read and to free space.
        Err(error) if error.kind() != io::ErrorKind::StorageFull => Err(error.into()),
        _ => Ok(Lock { _file: file }),
    }
}

fn write_holder(file: &mut File, holder: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(format!("{holder}\n").as_bytes())
}

fn read_holder(file: &File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(HOLDER_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_with_the_words_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path(), "annals serve, process 4711").unwrap();
        let refused = lock(folder.path(), "annals serve, process 4712").unwrap_err();
        assert_eq!(refused.to_string(), "the folder is in use by annals serve, process 4711");
        drop(held);
        let again = lock(folder.path(), "short").unwrap();
        assert!(matches!(lock(folder.path(), "x"), Err(LockError::Held(held)) if held.holder == "short"));
        drop(again);
    }
}
