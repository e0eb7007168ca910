//! Entries of kind 5: a key follows the one that signed the log before.
//!
//! ```text
//! kind 5  "metadata":{"from":SIZE,"new":VKEY,"old":VKEY,"succession":NOTE}
//! ```
//!
//! Who trusts the old key needs nobody to trust the new one: the old one signed the succession. The entry says besides from which
//! size on the new key signs; the old one signed no checkpoint of so many records, so one that it signs later is a forgery.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use annals_tree::checkpoint::{Checkpoint, CheckpointError};
use annals_tree::entry::{Entry, EntryKind};
use annals_tree::note::{NoteError, VerifierKey};
use annals_tree::origin::ledger_of;
use annals_tree::succession::Succession;
use serde::Deserialize;

/// An entry of kind 5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// First size that the new key signs.
    pub from: u64,
    /// Who follows whom.
    pub succession: Succession,
}

#[derive(Deserialize)]
struct Body {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    from: u64,
    old: String,
    new: String,
    succession: String,
}

/// Why a log does not lead to the key that signed its checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It says nothing of it, or leads elsewhere.
    #[error("no entry of the log introduces it")]
    NotIntroduced,
    /// The old key was seen to sign what it should not have.
    #[error(
        "the entry at position {position} says that a new key signs from {from} records on, and {seen} were accepted under the old one"
    )]
    TooLate {
        /// Where.
        position: u64,
        /// First size of the new key.
        from: u64,
        /// A size that the old key signed.
        seen: u64,
    },
    /// The key that signed had stepped back.
    #[error("the entry at position {position} says that another key signs from {from} records on")]
    SteppedBack {
        /// Where.
        position: u64,
        /// First size of the other key.
        from: u64,
    },
}

impl KeyChange {
    /// Reads an entry of a log with this origin; none when it is another one, or the keys did not sign what it says.
    #[must_use]
    pub fn read(entry: &Entry, origin: &str) -> Option<KeyChange> {
        if entry.kind != EntryKind::Key {
            return None;
        }
        let Body { metadata } = serde_json::from_slice(&entry.body).ok()?;
        let succession = Succession::open(&metadata.succession).ok()?;
        let is_said = metadata.old == succession.old().to_string()
            && metadata.new == succession.new_key().to_string()
            && ledger_of(origin) == Some(succession.old().name());
        is_said.then_some(KeyChange { from: metadata.from, succession })
    }
}

/// Whether a log leads from a key that is trusted to the one that signed its checkpoint of `size` records.
///
/// `changes` are the log's entries of kind 5 with their positions, in order; `seen` is the newest size known to be signed by the
/// trusted key.
///
/// # Errors
///
/// [`KeyError`].
pub fn follow(
    trusted: &VerifierKey,
    seen: Option<u64>,
    signer: &VerifierKey,
    size: u64,
    changes: &[(u64, KeyChange)],
) -> Result<(), KeyError> {
    let mut at = trusted.public_key();
    for (position, KeyChange { from, succession }) in changes {
        let (position, from) = (*position, *from);
        if succession.old().public_key() == signer.public_key() && from <= size {
            return Err(KeyError::SteppedBack { position, from });
        }
        if succession.old().public_key() != at {
            continue;
        }
        if let Some(seen) = seen.filter(|seen| at == trusted.public_key() && *seen >= from) {
            return Err(KeyError::TooLate { position, from, seen });
        }
        at = succession.new_key().public_key();
    }
    if at == signer.public_key() { Ok(()) } else { Err(KeyError::NotIntroduced) }
}

/// Where a key comes from that a log is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// It was given.
    Given,
    /// It was accepted before.
    Remembered,
    /// The log, or what shows it, has it.
    Found,
}

impl Whose {
    /// In a sentence about the key.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Remembered => "remembered from before",
            Self::Found => "that the log shows",
        }
    }
}

/// The keys that a log is held against, all named by its origin.
#[derive(Clone, Debug)]
pub struct Held {
    /// Those that are trusted; the first one before the others.
    trusted: Vec<(VerifierKey, Whose)>,
    /// The key that the log shows.
    found: Option<VerifierKey>,
    /// The key remembered, given or not, and the newest size accepted under it.
    remembered: Option<(VerifierKey, u64)>,
}

impl Held {
    /// The key given and the one remembered, with the size that was accepted under it, are trusted; without either the one found is.
    /// None when there is none.
    #[must_use]
    pub fn new(
        given: Option<VerifierKey>,
        remembered: Option<(VerifierKey, u64)>,
        found: Option<VerifierKey>,
    ) -> Option<Held> {
        let other = remembered.as_ref().map(|(key, _)| key.clone()).filter(|key| given.as_ref() != Some(key));
        let given = given.map(|key| (key, Whose::Given));
        let mut trusted: Vec<_> =
            given.into_iter().chain(other.map(|key| (key, Whose::Remembered))).collect();
        if trusted.is_empty() {
            trusted.push((found.clone()?, Whose::Found));
        }
        Some(Held { trusted, found, remembered })
    }

    /// Keys that are trusted, the first one before the others. There is one at least.
    #[must_use]
    pub fn trusted(&self) -> &[(VerifierKey, Whose)] {
        &self.trusted
    }

    /// Where the first key comes from that is trusted.
    #[must_use]
    pub fn whose(&self) -> Whose {
        self.trusted.first().map_or(Whose::Found, |(_, whose)| *whose)
    }

    /// Opens a checkpoint with one of the keys that are trusted, or with the one that the log shows: that one is to be believed only
    /// once [`Held::introduced`] says so.
    ///
    /// # Errors
    ///
    /// None of them signed it.
    pub fn open(&self, note: &str, origin: &str) -> Result<(Checkpoint, VerifierKey), CheckpointError> {
        let keys = self.trusted.iter().map(|(key, _)| key).chain(&self.found);
        let mut first = None;
        for key in keys {
            match Checkpoint::open(note, key, origin) {
                Ok(checkpoint) => return Ok((checkpoint, key.clone())),
                Err(error) => drop(first.get_or_insert(error)),
            }
        }
        Err(first.unwrap_or(CheckpointError::Note(NoteError::NotSignedBy)))
    }

    /// Whether every key that is trusted leads to the one that signed the checkpoint of `size` records, by the log's entries of kind
    /// 5, and the log shows that one.
    ///
    /// # Errors
    ///
    /// In words, what does not hold.
    pub fn introduced(
        &self,
        signer: &VerifierKey,
        size: u64,
        changes: &[(u64, KeyChange)],
    ) -> Result<(), String> {
        let another = |whose: Whose, why: &dyn fmt::Display| {
            format!("the key {} is another than the one it is checked with, and {why}", whose.words())
        };
        let is_trusted = self.trusted.iter().any(|(key, _)| key == signer);
        for (key, whose) in &self.trusted {
            let seen = self.remembered.as_ref().filter(|(other, _)| other == key).map(|(_, size)| *size);
            match follow(key, seen, signer, size, changes) {
                Err(error @ KeyError::NotIntroduced) => {
                    return Err(another(if is_trusted { *whose } else { Whose::Found }, &error));
                }
                Err(error) => return Err(error.to_string()),
                Ok(()) => {}
            }
        }
        match &self.found {
            Some(found) if found != signer => Err(another(Whose::Found, &"it did not sign the checkpoint")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use annals_tree::note::SigningKey;

    use super::*;

    const ORIGIN: &str = "log.example/t/0123456789abcdef0123456789abcdef";

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed("log.example", &[seed; 32]).unwrap()
    }

    fn public(seed: u8) -> VerifierKey {
        key(seed).verifier_key().with_name(ORIGIN).unwrap()
    }

    fn entry(from: u64, old: u8, new: u8, note: &str) -> Entry {
        let (old, new) = (key(old).verifier_key(), key(new).verifier_key());
        let note = serde_json::to_string(note).unwrap();
        let body = format!(
            "{{\"metadata\":{{\"from\":{from},\"new\":\"{new}\",\"old\":\"{old}\",\"succession\":{note}}}}}"
        );
        Entry::stating(EntryKind::Key, 0, 1, body.into_bytes()).unwrap()
    }

    fn change(from: u64, old: u8, new: u8) -> KeyChange {
        let note = Succession::sign(&key(old), &key(new)).unwrap();
        KeyChange::read(&entry(from, old, new, note.note()), ORIGIN).unwrap()
    }

    #[test]
    fn a_log_leads_to_the_key_in_force_and_to_no_other() {
        let changes: Vec<(u64, KeyChange)> =
            [(7, change(6, 1, 2)), (20, change(20, 2, 3))].into_iter().collect();
        let led = |trusted: u8, seen, signer: u8, size| {
            follow(&public(trusted), seen, &public(signer), size, &changes)
        };
        assert_eq!(led(1, Some(5), 3, 30), Ok(()));
        assert_eq!(led(2, Some(19), 3, 30), Ok(()));
        assert_eq!(led(3, None, 3, 30), Ok(()));
        assert_eq!(led(1, None, 4, 30), Err(KeyError::NotIntroduced));
        assert_eq!(led(4, None, 3, 30), Err(KeyError::NotIntroduced));
        assert_eq!(led(1, Some(6), 3, 30), Err(KeyError::TooLate { position: 7, from: 6, seen: 6 }));
        let stepped_back = Err(KeyError::SteppedBack { position: 20, from: 20 });
        assert_eq!(led(2, None, 2, 30), stepped_back, "it is not for the old key to sign any more");
        assert_eq!(led(1, None, 2, 30), stepped_back);
        assert_eq!(follow(&public(1), None, &public(2), 10, &changes[..1]), Ok(()));
    }

    #[test]
    fn a_key_that_is_only_shown_counts_once_the_log_introduces_it() {
        let sign = |seed: u8| {
            let root = annals_tree::leaf_hash(b"x");
            key(seed).with_name(ORIGIN).unwrap().sign(&Checkpoint::new(ORIGIN, 9, root).to_text()).unwrap()
        };
        let changes = [(7, change(6, 1, 2))];
        let held = |given: Option<u8>, remembered: Option<u8>, found: Option<u8>| {
            Held::new(given.map(public), remembered.map(|seed| (public(seed), 5)), found.map(public)).unwrap()
        };
        let said = |held: &Held, seed: u8, changes| {
            let (checkpoint, signer) = held.open(&sign(seed), ORIGIN).unwrap();
            held.introduced(&signer, checkpoint.size, changes)
        };
        for held in [
            held(Some(1), None, Some(2)),
            held(None, Some(1), Some(2)),
            held(Some(2), Some(1), Some(2)),
            held(Some(2), Some(1), None),
            held(None, None, Some(2)),
        ] {
            assert_eq!(said(&held, 2, &changes), Ok(()), "{held:?}");
        }
        for (held, whose) in [
            (held(Some(1), None, Some(2)), "that the log shows"),
            (held(None, Some(1), Some(2)), "that the log shows"),
            (held(Some(2), Some(1), Some(2)), "remembered from before"),
        ] {
            let problem = said(&held, 2, &[]).unwrap_err();
            assert_eq!(
                problem,
                format!(
                    "the key {whose} is another than the one it is checked with, and no entry of the log introduces it"
                )
            );
        }
        let problem = said(&held(None, Some(2), Some(1)), 2, &[]).unwrap_err();
        assert!(problem.ends_with("it did not sign the checkpoint"), "{problem}");
        // What is remembered of a key counts, too, when the key is given besides.
        for given in [None, Some(public(1))] {
            let held = Held::new(given, Some((public(1), 6)), Some(public(2))).unwrap();
            let problem = said(&held, 2, &changes).unwrap_err();
            assert!(problem.ends_with("and 6 were accepted under the old one"), "{problem}");
        }
        assert!(held(Some(1), None, None).open(&sign(2), ORIGIN).is_err());
        assert!(Held::new(None, None, None).is_none());
    }

    #[test]
    fn an_entry_that_the_old_key_did_not_sign_introduces_nobody() {
        let note = Succession::sign(&key(1), &key(2)).unwrap();
        let read = KeyChange::read;
        assert!(read(&entry(1, 1, 2, note.note()), ORIGIN).is_some());
        assert_eq!(read(&entry(1, 1, 3, note.note()), ORIGIN), None, "it says something else");
        assert_eq!(read(&entry(1, 1, 2, note.note()), &ORIGIN.replace("log.", "other.")), None);
        let forged = Succession::sign(&key(9), &key(3)).unwrap();
        let forged =
            forged.note().replace(&key(9).verifier_key().to_string(), &key(1).verifier_key().to_string());
        assert_eq!(read(&entry(1, 1, 3, &forged), ORIGIN), None);
        let mut other = entry(1, 1, 2, note.note());
        other.kind = EntryKind::Policy;
        assert_eq!(read(&other, ORIGIN), None);
    }
}
