//! C2SP cosignatures with Ed25519 (signature type 4): what a witness says of a log's checkpoint, and when.
//!
//! A cosignature is one more signature line of the note. It covers the time and the whole text of the checkpoint:
//!
//! ```text
//! signed:   cosignature/v1
//!           time <POSIX seconds, decimal>
//!           <text of the checkpoint, verbatim>
//! line:     — <witness' name> <base64 of: u32 key id, u64 time, 64B signature>
//! ```
//!
//! The key id is the first four bytes of SHA-256(name || 0x0A || 0x04 || public key). A witness' key is written
//! `<name>+<key id, 8 hex digits>+<base64 of: 0x04, public key>`, its private key the same way after `PRIVATE+KEY+`, with the
//! seed in place of the public key: neither is ever taken for a log's. The message does not name the witness, so one key is one
//! witness whatever it is called, and [`Quorum`] counts it once.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, VerifyingKey};
use zeroize::Zeroizing;

use crate::note::{
    KeyError, Note, NoteSignature, PRIVATE, SIGNATURES_MAX, VerifierKey, check_name, encode_key, key_id,
    split_key,
};

/// Most witnesses of a quorum: all their lines fit on one note, next to the log's own.
pub const WITNESSES_MAX: usize = 16;

const _: () = assert!(WITNESSES_MAX < SIGNATURES_MAX);

/// Longest answer of a witness that is read: as many lines as a note may have, of the longest kind.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;

const COSIGNATURE: u8 = 0x04;
const TIME_MAX: u64 = i64::MAX.unsigned_abs();

/// A witness: its name and its public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    id: u32,
    key: VerifyingKey,
}

impl WitnessKey {
    /// The witness `name` with these 32 bytes (RFC 8032) as its key.
    ///
    /// # Errors
    ///
    /// [`KeyError::Name`] or [`KeyError::PublicKey`].
    pub fn new(name: &str, public_key: &[u8; 32]) -> Result<WitnessKey, KeyError> {
        check_name(name)?;
        let key = VerifyingKey::from_bytes(public_key).map_err(|_| KeyError::PublicKey)?;
        Ok(WitnessKey { id: key_id(COSIGNATURE, name, key.as_bytes()), name: name.to_owned(), key })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id that goes with the name on signature lines.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The 32 bytes of the public key.
    #[must_use]
    pub fn public_key(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Checks that this witness cosigned a note; gives the time it says, in POSIX seconds. Lines by others are not looked at.
    ///
    /// # Errors
    ///
    /// * [`CosignatureError::Missing`]: no line has the witness' name and id.
    /// * [`CosignatureError::Wrong`]: one has, and its signature is not right.
    pub fn verify(&self, note: &Note) -> Result<u64, CosignatureError> {
        self.verify_lines(note.text(), note.signatures())
    }

    fn verify_lines(&self, text: &str, lines: &[NoteSignature]) -> Result<u64, CosignatureError> {
        let mut newest = None;
        for line in lines.iter().filter(|line| line.name == self.name && line.id == self.id) {
            let time = self.accepts(text, &line.signature).ok_or(CosignatureError::Wrong)?;
            newest = newest.max(Some(time));
        }
        newest.ok_or(CosignatureError::Missing)
    }

    fn accepts(&self, text: &str, signature: &[u8]) -> Option<u64> {
        let (time, signature) = signature.split_first_chunk()?;
        let time = Some(u64::from_be_bytes(*time)).filter(|time| *time <= TIME_MAX)?;
        let signature = Signature::from_bytes(signature.try_into().ok()?);
        self.key.verify_strict(message(text, time).as_bytes(), &signature).ok().map(|()| time)
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:08x}+{}", self.name, self.id, encode_key(COSIGNATURE, self.public_key()).as_str())
    }
}

impl FromStr for WitnessKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<WitnessKey, KeyError> {
        let (name, id, bytes) = split_key(COSIGNATURE, text)?;
        let key = WitnessKey::new(name, &bytes)?;
        if key.id == id { Ok(key) } else { Err(KeyError::Id) }
    }
}

/// A witness' private key and name. Wiped when dropped.
#[derive(Clone)]
pub struct Cosigner {
    name: String,
    key: ed25519_dalek::SigningKey,
}

impl Cosigner {
    /// The witness `name` with the key made from this 32-byte seed (RFC 8032).
    ///
    /// # Errors
    ///
    /// [`KeyError::Name`].
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Cosigner, KeyError> {
        check_name(name)?;
        Ok(Cosigner { name: name.to_owned(), key: ed25519_dalek::SigningKey::from_bytes(seed) })
    }

    /// Reads what [`Cosigner::to_text`] writes.
    ///
    /// # Errors
    ///
    /// A [`KeyError`], which shows nothing of the key.
    pub fn from_text(text: &str) -> Result<Cosigner, KeyError> {
        let (name, id, seed) = split_key(COSIGNATURE, text.strip_prefix(PRIVATE).ok_or(KeyError::Form)?)?;
        let key = Cosigner::from_seed(name, &Zeroizing::new(seed))?;
        if key.witness_key().id == id { Ok(key) } else { Err(KeyError::Id) }
    }

    /// Writes `PRIVATE+KEY+name+id+base64`, for a key file.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let (id, seed) = (self.witness_key().id, encode_key(COSIGNATURE, self.key.as_bytes()));
        Zeroizing::new(format!("{PRIVATE}{}+{id:08x}+{}", self.name, seed.as_str()))
    }

    /// What others verify with.
    #[must_use]
    pub fn witness_key(&self) -> WitnessKey {
        let key = self.key.verifying_key();
        WitnessKey { name: self.name.clone(), id: key_id(COSIGNATURE, &self.name, key.as_bytes()), key }
    }

    /// The signature line, its end included, over a checkpoint's text at `time`, in POSIX seconds.
    ///
    /// Checks nothing of the checkpoint: a witness cosigns through [`crate::witness::Witness`].
    #[must_use]
    pub fn cosign(&self, text: &str, time: u64) -> String {
        let time = time.min(TIME_MAX);
        let mut signature = Vec::with_capacity(4 + 8 + 64);
        signature.extend_from_slice(&self.witness_key().id.to_be_bytes());
        signature.extend_from_slice(&time.to_be_bytes());
        signature.extend_from_slice(&self.key.sign(message(text, time).as_bytes()).to_bytes());
        format!("\u{2014} {} {}\n", self.name, STANDARD.encode(signature))
    }
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cosigner").field("name", &self.name).finish_non_exhaustive()
    }
}

fn message(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// Why a witness' cosignature does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CosignatureError {
    /// The witness did not cosign.
    #[error("cosignature: not cosigned by this witness")]
    Missing,
    /// A line that claims to be the witness', and is not its cosignature of this checkpoint.
    #[error("cosignature: the one by this witness is wrong")]
    Wrong,
    /// A witness' answer that is not made of signature lines.
    #[error("cosignature: line {0} of the answer is malformed")]
    Line(usize),
    /// More lines than a note may have, or more than [`ANSWER_BYTES_MAX`].
    #[error("cosignature: the answer is longer than a note's signatures may be")]
    TooLong,
}

/// Takes a witness' own line out of its answer about the checkpoint `text`; gives the line with its end, and its time.
///
/// Lines by other keys are left out.
///
/// # Errors
///
/// A [`CosignatureError`]; the answer is not to be believed then.
pub fn take_cosignature(
    text: &str,
    answer: &str,
    witness: &WitnessKey,
) -> Result<(String, u64), CosignatureError> {
    if answer.len() > ANSWER_BYTES_MAX {
        return Err(CosignatureError::TooLong);
    }
    let mut found = None;
    // All of it is read: an answer that is partly none is not to be believed in part.
    for (number, line) in answer.split_inclusive('\n').enumerate() {
        if number == SIGNATURES_MAX {
            return Err(CosignatureError::TooLong);
        }
        let whole = line.strip_suffix('\n').ok_or(CosignatureError::Line(number))?;
        let read = NoteSignature::parse(whole).ok_or(CosignatureError::Line(number))?;
        if read.name == witness.name && read.id == witness.id {
            let time = witness.verify_lines(text, &[read])?;
            found = Some((line.to_owned(), time));
        }
    }
    found.ok_or(CosignatureError::Missing)
}

/// Why witnesses make no quorum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuorumError {
    /// None needed, or more than there are.
    #[error("quorum: {needed} of {witnesses} witnesses can never be reached, or says nothing")]
    Needed {
        /// Cosignatures needed.
        needed: usize,
        /// Witnesses there are.
        witnesses: usize,
    },
    /// More than [`WITNESSES_MAX`].
    #[error("quorum: {0} witnesses, at most {WITNESSES_MAX}")]
    TooMany(usize),
    /// One key twice, or two keys under the same name.
    #[error("quorum: witness `{0}` stands twice; a name and a key are one witness")]
    Twice(String),
}

/// A policy: so many of these witnesses must have cosigned a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    witnesses: Vec<WitnessKey>,
    needed: usize,
}

impl Quorum {
    /// `needed` of `witnesses`.
    ///
    /// # Errors
    ///
    /// A [`QuorumError`].
    pub fn new(witnesses: Vec<WitnessKey>, needed: usize) -> Result<Quorum, QuorumError> {
        if witnesses.len() > WITNESSES_MAX {
            return Err(QuorumError::TooMany(witnesses.len()));
        }
        if needed == 0 || needed > witnesses.len() {
            return Err(QuorumError::Needed { needed, witnesses: witnesses.len() });
        }
        for (index, witness) in witnesses.iter().enumerate() {
            if witnesses[..index].iter().any(|other| other.key == witness.key || other.name == witness.name) {
                return Err(QuorumError::Twice(witness.name.clone()));
            }
        }
        Ok(Quorum { witnesses, needed })
    }

    /// The witnesses.
    #[must_use]
    pub fn witnesses(&self) -> &[WitnessKey] {
        &self.witnesses
    }

    /// How many of them must have cosigned.
    #[must_use]
    pub fn needed(&self) -> usize {
        self.needed
    }

    /// What each witness, in order, says of a note that `log` signed. That `log` signed it is for the caller to check.
    ///
    /// The log itself is no witness: a cosignature by its own key counts as missing.
    #[must_use]
    pub fn count(&self, note: &Note, log: &VerifierKey) -> Tally {
        let each = |witness: &WitnessKey| {
            if witness.public_key() == log.public_key() {
                return Err(CosignatureError::Missing);
            }
            witness.verify(note)
        };
        Tally { each: self.witnesses.iter().map(each).collect(), needed: self.needed }
    }
}

/// Who cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// For each witness of the quorum, in its order: the time it says, or why it does not count.
    pub each: Vec<Result<u64, CosignatureError>>,
    /// How many must have cosigned.
    pub needed: usize,
}

impl Tally {
    /// How many cosigned.
    #[must_use]
    pub fn cosigned(&self) -> usize {
        self.each.iter().filter(|said| said.is_ok()).count()
    }

    /// Whether that is enough.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.cosigned() >= self.needed
    }
}

#[cfg(test)]
mod tests;
