//! What `annals verify` remembers: of each log the newest checkpoint it accepted, so that a shorter log or another history
//! is an alarm the next time, whoever serves it.
//!
//! ```text
//! $ANNALS_STATE, or $XDG_STATE_HOME/annals, or ~/.local/state/annals
//!   checkpoints/<origin, `/` written as `+`>    one JSON object: origin, public_key, size, root, and the signed note
//!   lock                                        held while one of them is replaced
//! ```
//!
//! A `+` cannot be in an origin. Files are replaced whole, by rename.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use annals_tree::Hash;
use annals_tree::note::VerifierKey;
use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Failure};
use crate::files;

/// The newest state of a log that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    pub(crate) origin: String,
    /// The key it was signed with, as a signed-note verifier key.
    pub(crate) public_key: String,
    pub(crate) size: u64,
    /// Lower-case hex.
    pub(crate) root: String,
    /// The checkpoint as it was signed; none when it was taken from a ledger head in a data folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) checkpoint: Option<String>,
}

impl Remembered {
    /// The key and the root, which were checked when they were written.
    pub(crate) fn parsed(&self) -> Option<(VerifierKey, Hash)> {
        Some((self.public_key.parse().ok()?, self.root.parse().ok()?))
    }
}

/// The folder of remembered checkpoints.
#[derive(Debug)]
pub(crate) struct Memory {
    folder: PathBuf,
}

impl Memory {
    /// Where the environment says.
    ///
    /// # Errors
    ///
    /// It says nothing.
    pub(crate) fn locate() -> Result<Self, Failure> {
        let folder = state_folder(|name| std::env::var_os(name).filter(|value| !value.is_empty()));
        let folder = folder.ok_or_else(|| {
            Failure::new(Exit::Invalid, "no place to remember checkpoints: `HOME` is not set")
                .with_hint("set `ANNALS_STATE` to a folder that stays")
        })?;
        Ok(Self { folder })
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What was accepted of a log last.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is not what was written: forgetting in silence would take back the alarm.
    pub(crate) fn recall(&self, origin: &str) -> Result<Option<Remembered>, Failure> {
        let path = self.path(origin);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::io("read the remembered checkpoint", &path, &error)),
        };
        let remembered = serde_json::from_slice::<Remembered>(&text).ok();
        let remembered =
            remembered.filter(|remembered| remembered.origin == origin && remembered.parsed().is_some());
        remembered.map(Some).ok_or_else(|| {
            Failure::new(Exit::Damaged, format!("the remembered checkpoint `{}` is damaged", path.display()))
                .with_hint(
                    "restore it from a backup; removing it means trusting the log as if for the first time",
                )
        })
    }

    /// Remembers a log's state, unless a newer one is remembered by now.
    ///
    /// # Errors
    ///
    /// The folder cannot be written.
    pub(crate) fn remember(&self, newest: &Remembered) -> Result<(), Failure> {
        let path = self.path(&newest.origin);
        let folder = path.parent().expect("it is in a folder of ours");
        let failed = |error: std::io::Error| Failure::io("remember the checkpoint in", &path, &error);
        files::make_folder(folder).map_err(failed)?;
        let lock = File::create(self.folder.join("lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        if self.recall(&newest.origin)?.is_some_and(|known| known.size >= newest.size) {
            return Ok(());
        }
        let text = serde_json::to_vec_pretty(newest).expect("texts and numbers serialise");
        files::replace(&path, &text).map_err(failed)
    }

    fn path(&self, origin: &str) -> PathBuf {
        self.folder.join("checkpoints").join(origin.replace('/', "+"))
    }
}

fn state_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if let Some(folder) = variable("ANNALS_STATE") {
        return Some(folder.into());
    }
    let state = variable("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".local/state")))?;
    Some(state.join("annals"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembered(size: u64) -> Remembered {
        let key =
            annals_tree::note::SigningKey::from_seed("log.example/t/00", &[1; 32]).unwrap().verifier_key();
        Remembered {
            origin: "log.example/t/00".to_owned(),
            public_key: key.to_string(),
            size,
            root: annals_tree::leaf_hash(&size.to_be_bytes()).to_string(),
            checkpoint: None,
        }
    }

    #[test]
    fn the_newest_is_remembered_and_an_older_one_does_not_replace_it() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory { folder: folder.path().join("state") };
        assert_eq!(memory.recall("log.example/t/00").unwrap(), None);
        for size in [5, 9, 7] {
            memory.remember(&remembered(size)).unwrap();
        }
        assert_eq!(memory.recall("log.example/t/00").unwrap(), Some(remembered(9)));
        assert_eq!(memory.recall("log.example/t/01").unwrap(), None);
    }

    #[test]
    fn a_damaged_memory_is_an_alarm_and_not_a_fresh_start() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory { folder: folder.path().to_owned() };
        memory.remember(&remembered(5)).unwrap();
        fs::write(memory.path("log.example/t/00"), "{").unwrap();
        assert_eq!(memory.recall("log.example/t/00").unwrap_err().exit, Exit::Damaged);
    }

    #[test]
    fn the_state_folder_follows_the_environment() {
        let of = |set: &[(&str, &str)]| {
            let set = set.to_vec();
            state_folder(move |name| {
                set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into())
            })
        };
        assert_eq!(of(&[("ANNALS_STATE", "/s"), ("HOME", "/h")]), Some("/s".into()));
        assert_eq!(of(&[("XDG_STATE_HOME", "/x"), ("HOME", "/h")]), Some("/x/annals".into()));
        assert_eq!(of(&[("HOME", "/h")]), Some("/h/.local/state/annals".into()));
        assert_eq!(of(&[]), None);
    }
}
