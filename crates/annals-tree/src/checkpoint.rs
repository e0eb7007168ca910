//! C2SP checkpoints: a log's size and root as the text of a signed note.
//!
//! ```text
//! <origin>
//! <size, decimal>
//! <root, base64>
//! <extension lines, none of ours>
//! ```

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::hash::{Hash, empty_root};
use crate::note::{Note, NoteError, VerifierKey};
use crate::proof::parse_decimal;

/// What a checkpoint says about a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// Number of its leaves.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
    /// Further lines, without their ends; annals writes none.
    pub extensions: Vec<String>,
}

/// Why a checkpoint is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The note around it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Fewer than three lines, an empty line, or a last line without an end.
    #[error("checkpoint: must be three or more lines, none of them empty")]
    Lines,
    /// The size is not a plain decimal number.
    #[error("checkpoint: the size must be a decimal number without leading zeros")]
    Size,
    /// The root is not base64 of 32 bytes.
    #[error("checkpoint: the root must be base64 of 32 bytes")]
    Root,
    /// Size 0 with a root that is not the empty tree's.
    #[error("checkpoint: size 0 with the root of a tree that is not empty")]
    EmptyRoot,
    /// A checkpoint of another log.
    #[error("checkpoint: of `{0}`, another log than the one asked for")]
    Origin(String),
}

impl Checkpoint {
    /// A checkpoint without extension lines.
    #[must_use]
    pub fn new(origin: &str, size: u64, root: Hash) -> Checkpoint {
        Checkpoint { origin: origin.to_owned(), size, root, extensions: Vec::new() }
    }

    /// The text to sign.
    ///
    /// The caller sees to it that origin and extensions are non-empty single lines;
    /// signing refuses control characters, and [`Checkpoint::parse`] refuses the rest.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.size, self.root.to_base64());
        for line in &self.extensions {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Reads the text of a note as a checkpoint.
    ///
    /// # Errors
    ///
    /// A [`CheckpointError`] naming the line that is wrong.
    pub fn parse(text: &str) -> Result<Checkpoint, CheckpointError> {
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?.split('\n');
        let mut line = || lines.next().filter(|line| !line.is_empty()).ok_or(CheckpointError::Lines);
        let (origin, size, root) = (line()?, line()?, line()?);
        let size = parse_decimal(size).ok_or(CheckpointError::Size)?;
        let root = Hash::from_base64(root).map_err(|_| CheckpointError::Root)?;
        if size == 0 && root != empty_root() {
            return Err(CheckpointError::EmptyRoot);
        }
        let mut checkpoint = Checkpoint::new(origin, size, root);
        for extension in lines {
            if extension.is_empty() {
                return Err(CheckpointError::Lines);
            }
            checkpoint.extensions.push(extension.to_owned());
        }
        Ok(checkpoint)
    }

    /// Reads a signed note as the checkpoint of log `origin`, signed by `key`.
    ///
    /// # Errors
    ///
    /// A [`CheckpointError`]; nothing of the note is believed before its signature was checked.
    pub fn open(note: &str, key: &VerifierKey, origin: &str) -> Result<Checkpoint, CheckpointError> {
        let note = Note::open(note, key)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        if checkpoint.origin == origin {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::Origin(checkpoint.origin))
        }
    }
}

#[cfg(test)]
mod tests;
