//! One signing key of a ledger follows another.
//!
//! A note that both keys sign, each under the ledger's name: the old one says who comes after it, the new one that it is there.
//!
//! ```text
//! annals/signing-key/v1
//! <ledger name>
//! <old key, as a verifier key>
//! <new key>
//!
//! — <ledger name> <signature of the old key>
//! — <ledger name> <signature of the new key>
//! ```
//!
//! No checkpoint reads like that, as the third line of one is a hash; and a ledger head is no note at all. So a key that signs those
//! says nothing about its successor by them. A signer makes such a note where its key lies, and for nobody who only asks it for
//! signatures.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;

use crate::note::{KeyError, Note, NoteError, SigningKey, VerifierKey};
use crate::origin::check_ledger_name;

const FIRST_LINE: &str = "annals/signing-key/v1";

/// That one key of a ledger follows another, signed by both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succession {
    old: VerifierKey,
    new: VerifierKey,
    note: String,
}

/// Why a note does not say who follows whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SuccessionError {
    /// Not four lines of the right form, or names that differ.
    #[error("succession: must name a ledger, its old key and its new one")]
    Form,
    /// A key cannot be read.
    #[error("succession: {0}")]
    Key(#[from] KeyError),
    /// A key would follow itself.
    #[error("succession: the old key and the new one are the same")]
    Same,
    /// The note around it.
    #[error("succession: {0}")]
    Note(#[from] NoteError),
    /// The old key did not agree.
    #[error("succession: not signed by the old key: {0}")]
    Old(NoteError),
    /// The new key did not agree.
    #[error("succession: not signed by the new key: {0}")]
    New(NoteError),
}

impl Succession {
    /// Has `new` follow `old`; both are named after their ledger.
    ///
    /// # Errors
    ///
    /// The names differ, or the keys are the same.
    pub fn sign(old: &SigningKey, new: &SigningKey) -> Result<Succession, SuccessionError> {
        let text = format!("{FIRST_LINE}\n{}\n{}\n{}\n", old.name(), old.verifier_key(), new.verifier_key());
        let mut note = old.sign(&text)?;
        let by_new = new.sign(&text)?;
        note.push_str(&by_new[text.len() + 1..]);
        Succession::open(&note)
    }

    /// Reads such a note and checks both signatures. Further ones are not looked at.
    ///
    /// # Errors
    ///
    /// A [`SuccessionError`].
    pub fn open(note: &str) -> Result<Succession, SuccessionError> {
        let parsed = Note::parse(note)?;
        let lines = parsed.text().strip_suffix('\n').ok_or(SuccessionError::Form)?;
        let mut lines = lines.split('\n');
        let mut line = || lines.next().ok_or(SuccessionError::Form);
        let (first, ledger, old, new) = (line()?, line()?, line()?, line()?);
        if first != FIRST_LINE || lines.next().is_some() {
            return Err(SuccessionError::Form);
        }
        check_ledger_name(ledger)?;
        let (old, new): (VerifierKey, VerifierKey) = (old.parse()?, new.parse()?);
        if old.name() != ledger || new.name() != ledger {
            return Err(SuccessionError::Form);
        }
        if old.public_key() == new.public_key() {
            return Err(SuccessionError::Same);
        }
        parsed.verify(&old).map_err(SuccessionError::Old)?;
        parsed.verify(&new).map_err(SuccessionError::New)?;
        Ok(Succession { old, new, note: note.to_owned() })
    }

    /// The key that steps back, named after its ledger.
    #[must_use]
    pub fn old(&self) -> &VerifierKey {
        &self.old
    }

    /// The key that follows, named after its ledger.
    #[must_use]
    pub fn new_key(&self) -> &VerifierKey {
        &self.new
    }

    /// The note, as signed.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }
}

/// The successions that lead from one key to another, in order, from among `all`; none where there is no such way.
#[must_use]
pub fn path<'a>(
    from: &VerifierKey,
    to: &VerifierKey,
    all: &'a [Succession],
) -> Option<alloc::vec::Vec<&'a Succession>> {
    let mut steps = alloc::vec::Vec::new();
    let mut at = from;
    while at.public_key() != to.public_key() {
        // As many steps as there are successions are enough; more would go round.
        if steps.len() == all.len() {
            return None;
        }
        let step = all.iter().find(|step| step.old() == at)?;
        steps.push(step);
        at = step.new_key();
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;
    use crate::checkpoint::Checkpoint;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed("log.example", &[seed; 32]).unwrap()
    }

    #[test]
    fn one_key_follows_another_when_both_say_so() {
        let made = Succession::sign(&key(1), &key(2)).unwrap();
        assert_eq!((made.old(), made.new_key()), (&key(1).verifier_key(), &key(2).verifier_key()));
        assert_eq!(Succession::open(made.note()), Ok(made.clone()));
        assert!(Checkpoint::parse(Note::parse(made.note()).unwrap().text()).is_err(), "it is no checkpoint");

        let lines: alloc::vec::Vec<&str> = made.note().split_inclusive('\n').collect();
        let without = |left_out: usize| {
            let kept = lines.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, line)| *line);
            kept.collect::<String>()
        };
        assert_eq!(Succession::open(&without(5)), Err(SuccessionError::Old(NoteError::NotSignedBy)));
        assert_eq!(Succession::open(&without(6)), Err(SuccessionError::New(NoteError::NotSignedBy)));
        assert_eq!(Succession::sign(&key(1), &key(1)), Err(SuccessionError::Same));
        let other = SigningKey::from_seed("other.example", &[2; 32]).unwrap();
        assert_eq!(Succession::sign(&key(1), &other), Err(SuccessionError::Form));
    }

    #[test]
    fn a_key_that_the_old_one_did_not_name_does_not_follow_it() {
        let made = Succession::sign(&key(1), &key(2)).unwrap();
        let forged =
            made.note().replace(&key(2).verifier_key().to_string(), &key(3).verifier_key().to_string());
        assert_eq!(Succession::open(&forged), Err(SuccessionError::Old(NoteError::WrongSignature)));
        for at in 0..made.note().len() {
            let mut bytes = made.note().as_bytes().to_vec();
            bytes[at] ^= 1;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(Succession::open(&changed).is_err(), "changed at {at}");
            }
        }
    }

    #[test]
    fn a_way_leads_over_all_keys_between_and_never_back() {
        let all = [(1, 2), (2, 3), (3, 4)].map(|(old, new)| Succession::sign(&key(old), &key(new)).unwrap());
        let way = |from: u8, to: u8| {
            path(&key(from).verifier_key(), &key(to).verifier_key(), &all).map(|steps| steps.len())
        };
        assert_eq!((way(1, 4), way(2, 3), way(3, 3)), (Some(3), Some(1), Some(0)));
        assert_eq!((way(4, 1), way(1, 5), way(6, 2)), (None, None, None));
        let round = [(1, 2), (2, 1)].map(|(old, new)| Succession::sign(&key(old), &key(new)).unwrap());
        assert_eq!(path(&key(1).verifier_key(), &key(5).verifier_key(), &round), None);
    }
}
