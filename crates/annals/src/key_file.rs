//! A file with the key that signs for a ledger.
//!
//! ```text
//! PRIVATE+KEY+<ledger's name>+<id>+<seed>      as C2SP signed notes write keys
//! succession <base64 of a note>                for each key before this one, the oldest first: who followed it, signed by both
//! ```
//!
//! One file, replaced whole: a rotation that a crash cuts short has not begun, or is at its end.

use std::fs;
use std::path::Path;

use annals_ledger::Entropy as _;
use annals_server::SystemEntropy;
use annals_tree::note::{SigningKey, VerifierKey};
use annals_tree::succession::{self, Succession};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::data_folder::write_secret;
use crate::exit::{Exit, Failure};

const SUCCESSION: &str = "succession ";

/// Longest file that is read, bytes.
const FILE_BYTES_MAX: usize = 1 << 20;

/// The key, and how it came to follow those before it.
#[derive(Clone, Debug)]
pub(crate) struct KeyFile {
    pub(crate) key: SigningKey,
    pub(crate) successions: Vec<Succession>,
}

impl KeyFile {
    /// A new key of a ledger. The name was checked, or is one of ours.
    pub(crate) fn new(name: &str) -> Self {
        Self { key: new_key(name), successions: Vec::new() }
    }

    /// Reads a key file; none when it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.trim_end().lines();
        let key = SigningKey::from_text(lines.next().filter(|_| text.len() <= FILE_BYTES_MAX)?).ok()?;
        let successions = lines.map(|line| {
            let note = STANDARD.decode(line.strip_prefix(SUCCESSION)?).ok()?;
            Succession::open(std::str::from_utf8(&note).ok()?).ok()
        });
        let successions: Vec<Succession> = successions.collect::<Option<_>>()?;
        let leads_here = successions.last().is_none_or(|last| *last.new_key() == key.verifier_key());
        leads_here.then_some(Self { key, successions })
    }

    /// As it stands in the file.
    pub(crate) fn to_text(&self) -> Zeroizing<String> {
        let mut text = self.key.to_text();
        for succession in &self.successions {
            text.push('\n');
            text.push_str(SUCCESSION);
            text.push_str(&STANDARD.encode(succession.note()));
        }
        text
    }

    /// Reads the key in a file.
    ///
    /// # Errors
    ///
    /// The system refuses, or it is no key (`exit`).
    pub(crate) fn read(path: &Path, exit: Exit) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map(Zeroizing::new);
        let text = text.map_err(|error| Failure::io("read the signing key in", path, &error))?;
        Self::parse(&text)
            .ok_or_else(|| Failure::new(exit, format!("`{}` is not a signing key", path.display())))
    }

    /// Writes it, in place of what is there. A crash leaves what was there, or all of it.
    pub(crate) fn write(&self, path: &Path) -> std::io::Result<()> {
        write_secret(path, &self.to_text())
    }

    /// A new key that follows this one; both say so.
    pub(crate) fn rotated(&self) -> Self {
        let key = new_key(self.key.name());
        let succession = Succession::sign(&self.key, &key).expect("two random keys of one name");
        let successions = self.successions.iter().cloned().chain([succession]).collect();
        Self { key, successions }
    }

    /// Whether what is written of it is read again: a file has room for some thousand keys.
    pub(crate) fn is_readable(&self) -> bool {
        Self::parse(&self.to_text()).is_some()
    }

    /// Whether this key is that one, or follows it.
    pub(crate) fn follows(&self, key: &VerifierKey) -> bool {
        succession::path(key, &self.key.verifier_key(), &self.successions).is_some()
    }
}

fn new_key(name: &str) -> SigningKey {
    let mut seed = Zeroizing::new([0; 32]);
    SystemEntropy.fill(&mut *seed);
    SigningKey::from_seed(name, &seed).expect("the name was checked with the settings")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_from_its_file_whatever_its_base64_holds() {
        for _ in 0..64 {
            let file = KeyFile::new("log.example");
            let read = KeyFile::parse(&file.to_text()).expect("it was written by us");
            assert_eq!(read.key.to_text(), file.key.to_text());
        }
        assert!(KeyFile::parse("PRIVATE+KEY+log.example+00000000+AAAA").is_none());
        assert!(KeyFile::parse("").is_none());
    }

    #[test]
    fn a_rotated_key_follows_all_before_it_and_a_file_put_together_is_none() {
        let first = KeyFile::new("log.example");
        let third = first.rotated().rotated();
        let read = KeyFile::parse(&format!("{}\n", third.to_text().as_str())).unwrap();
        assert_eq!((read.successions.len(), &read.successions), (2, &third.successions));
        assert!(read.follows(&first.key.verifier_key()) && read.follows(&third.key.verifier_key()));
        assert!(!first.follows(&third.key.verifier_key()));
        let text = third.to_text();
        let patched = text.replacen(third.key.to_text().as_str(), first.key.to_text().as_str(), 1);
        assert!(KeyFile::parse(&patched).is_none(), "the successions lead to another key");
        assert!(KeyFile::parse(&text[..text.len() - 2]).is_none(), "cut short");
    }
}
