//! C2SP signed notes with Ed25519 (signature type 1).
//!
//! ```text
//! <text: lines, the last one ended>
//! <empty line>
//! — <key name> <base64 of: u32 key id, signature>        one or more
//! ```
//!
//! The key id is the first four bytes of SHA-256(name || 0x0A || 0x01 || public key). A verifier key
//! is written `<name>+<key id, 8 hex digits>+<base64 of: 0x01, public key>`, a signing key the same
//! way after `PRIVATE+KEY+`, with the 32-byte seed in place of the public key.

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

use crate::hash;

/// Longest note read.
pub const NOTE_BYTES_MAX: usize = 256 * 1024;

/// Most signatures read on one note.
pub const SIGNATURES_MAX: usize = 64;

/// Longest key name, and so longest origin.
pub const NAME_BYTES_MAX: usize = 255;

/// The type of keys that sign notes.
pub(crate) const ED25519: u8 = 0x01;
pub(crate) const PRIVATE: &str = "PRIVATE+KEY+";

/// Why a key cannot be read or made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The name is empty, too long, or has a space, a `+` or a control character.
    #[error("key: a name must be 1 to {NAME_BYTES_MAX} bytes without spaces, `+` and control characters")]
    Name,
    /// Not three parts of the right form.
    #[error("key: must be `name+id+base64`")]
    Form,
    /// A key for something else: a log's in place of a witness', or of a kind that is not known.
    #[error("key: of another type than is wanted here (logs sign with type 1, witnesses with type 4)")]
    Type,
    /// The id is not that of the name and key.
    #[error("key: the id does not belong to this name and key")]
    Id,
    /// The bytes are not a usable public key.
    #[error("key: not an Ed25519 public key")]
    PublicKey,
}

/// Why a note is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// Longer than [`NOTE_BYTES_MAX`].
    #[error("note: {0} bytes, at most {NOTE_BYTES_MAX} are read")]
    TooLong(usize),
    /// The text does not end a line, or has control characters.
    #[error("note: the text must be whole lines without control characters")]
    Text,
    /// No empty line followed by signatures.
    #[error("note: no signatures after the last empty line")]
    Unsigned,
    /// A signature line of another form.
    #[error("note: signature line {0} is malformed")]
    SignatureLine(usize),
    /// More than [`SIGNATURES_MAX`].
    #[error("note: more than {SIGNATURES_MAX} signatures")]
    TooManySignatures,
    /// No signature by the key asked for.
    #[error("note: not signed by this key")]
    NotSignedBy,
    /// A signature that claims to be by the key and is not.
    #[error("note: the signature by this key is wrong")]
    WrongSignature,
}

/// A public key and the name it signs notes under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    key: VerifyingKey,
}

impl VerifierKey {
    /// The key with these 32 bytes (RFC 8032) under `name`.
    ///
    /// # Errors
    ///
    /// [`KeyError::Name`] or [`KeyError::PublicKey`].
    pub fn new(name: &str, public_key: &[u8; 32]) -> Result<VerifierKey, KeyError> {
        check_name(name)?;
        let key = VerifyingKey::from_bytes(public_key).map_err(|_| KeyError::PublicKey)?;
        Ok(VerifierKey { id: key_id(ED25519, name, key.as_bytes()), name: name.to_owned(), key })
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

    /// The same key under another name: a log's key is named by its origin.
    ///
    /// # Errors
    ///
    /// [`KeyError::Name`].
    pub fn with_name(&self, name: &str) -> Result<VerifierKey, KeyError> {
        VerifierKey::new(name, self.public_key())
    }

    /// Whether `signature` is this key's over `message`. Refuses weak keys and malleable signatures.
    #[must_use]
    pub(crate) fn accepts(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:08x}+{}", self.name, self.id, encode_key(ED25519, self.public_key()).as_str())
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<VerifierKey, KeyError> {
        let (name, id, bytes) = split_key(ED25519, text)?;
        let key = VerifierKey::new(name, &bytes)?;
        if key.id == id { Ok(key) } else { Err(KeyError::Id) }
    }
}

/// A private key and the name it signs notes under. Wiped when dropped.
#[derive(Clone)]
pub struct SigningKey {
    name: String,
    key: ed25519_dalek::SigningKey,
}

impl SigningKey {
    /// The key made from this 32-byte seed (RFC 8032) under `name`.
    ///
    /// # Errors
    ///
    /// [`KeyError::Name`].
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<SigningKey, KeyError> {
        check_name(name)?;
        Ok(SigningKey { name: name.to_owned(), key: ed25519_dalek::SigningKey::from_bytes(seed) })
    }

    /// Reads `PRIVATE+KEY+name+id+base64`.
    ///
    /// # Errors
    ///
    /// A [`KeyError`], which shows nothing of the key.
    pub fn from_text(text: &str) -> Result<SigningKey, KeyError> {
        let (name, id, seed) = split_key(ED25519, text.strip_prefix(PRIVATE).ok_or(KeyError::Form)?)?;
        let key = SigningKey::from_seed(name, &Zeroizing::new(seed))?;
        if key.verifier_key().id == id { Ok(key) } else { Err(KeyError::Id) }
    }

    /// Writes `PRIVATE+KEY+name+id+base64`, for a key file or a secret store.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let seed = encode_key(ED25519, self.key.as_bytes());
        let id = self.verifier_key().id;
        Zeroizing::new(format!("{PRIVATE}{}+{id:08x}+{}", self.name, seed.as_str()))
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What others verify with.
    #[must_use]
    pub fn verifier_key(&self) -> VerifierKey {
        let key = self.key.verifying_key();
        VerifierKey { name: self.name.clone(), id: key_id(ED25519, &self.name, key.as_bytes()), key }
    }

    /// The same key under another name.
    ///
    /// # Errors
    ///
    /// [`KeyError::Name`].
    pub fn with_name(&self, name: &str) -> Result<SigningKey, KeyError> {
        check_name(name)?;
        Ok(SigningKey { name: name.to_owned(), key: self.key.clone() })
    }

    /// The note: `text`, an empty line, one signature line.
    ///
    /// # Errors
    ///
    /// [`NoteError::Text`] or [`NoteError::TooLong`].
    pub fn sign(&self, text: &str) -> Result<String, NoteError> {
        check_text(text)?;
        let mut signature = Vec::with_capacity(4 + 64);
        signature.extend_from_slice(&self.verifier_key().id.to_be_bytes());
        signature.extend_from_slice(&self.sign_bytes(text.as_bytes()));
        let note = format!("{text}\n\u{2014} {} {}\n", self.name, STANDARD.encode(signature));
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong(note.len()));
        }
        Ok(note)
    }

    /// The bare Ed25519 signature. Callers keep what they sign apart from note texts.
    pub(crate) fn sign_bytes(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A note taken apart. Nothing in it is to be believed before [`Note::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line, by whatever key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// The name of the key.
    pub name: String,
    /// The key's id.
    pub id: u32,
    /// The signature without the id; its form depends on the key.
    pub signature: Vec<u8>,
}

impl Note {
    /// Takes a note apart, keeping all its signatures.
    ///
    /// # Errors
    ///
    /// A [`NoteError`] about the form.
    pub fn parse(note: &str) -> Result<Note, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong(note.len()));
        }
        let empty_line = note.rfind("\n\n").ok_or(NoteError::Unsigned)?;
        let text = &note[..=empty_line];
        check_text(text)?;
        let lines = note[empty_line + 2..].strip_suffix('\n').ok_or(NoteError::Unsigned)?;
        let mut signatures = Vec::new();
        for (number, line) in lines.split('\n').enumerate() {
            if number == SIGNATURES_MAX {
                return Err(NoteError::TooManySignatures);
            }
            signatures.push(NoteSignature::parse(line).ok_or(NoteError::SignatureLine(number))?);
        }
        Ok(Note { text: text.to_owned(), signatures })
    }

    /// Takes a note apart and checks that `key` signed it.
    ///
    /// # Errors
    ///
    /// A [`NoteError`] about the form, or as [`Note::verify`].
    pub fn open(note: &str, key: &VerifierKey) -> Result<Note, NoteError> {
        let note = Note::parse(note)?;
        note.verify(key)?;
        Ok(note)
    }

    /// Checks that `key` signed the text. Signatures by other keys are not looked at.
    ///
    /// # Errors
    ///
    /// * [`NoteError::NotSignedBy`]: no signature line has the key's name and id.
    /// * [`NoteError::WrongSignature`]: one has, and the signature is not right.
    pub fn verify(&self, key: &VerifierKey) -> Result<(), NoteError> {
        let mut signed = false;
        for line in self.signatures.iter().filter(|line| line.name == key.name && line.id == key.id) {
            let signature = line.signature[..].try_into().map_err(|_| NoteError::WrongSignature)?;
            if !key.accepts(self.text.as_bytes(), signature) {
                return Err(NoteError::WrongSignature);
            }
            signed = true;
        }
        if signed { Ok(()) } else { Err(NoteError::NotSignedBy) }
    }

    /// The text, its last line ended.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All signatures in order, known or not.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }
}

impl NoteSignature {
    /// Reads a line without its end.
    pub(crate) fn parse(line: &str) -> Option<NoteSignature> {
        let (name, encoded) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        check_name(name).ok()?;
        let bytes = STANDARD.decode(encoded).ok()?;
        let (id, signature) = bytes.split_first_chunk()?;
        if signature.is_empty() {
            return None;
        }
        Some(NoteSignature {
            name: name.to_owned(),
            id: u32::from_be_bytes(*id),
            signature: signature.to_vec(),
        })
    }
}

/// Checks a key name, and so an origin.
pub(crate) fn check_name(name: &str) -> Result<(), KeyError> {
    let banned = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(banned) {
        Err(KeyError::Name)
    } else {
        Ok(())
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    let whole_lines = text.ends_with('\n');
    let controls = text.bytes().any(|byte| byte < b' ' && byte != b'\n');
    if whole_lines && !controls { Ok(()) } else { Err(NoteError::Text) }
}

/// The id of a key of a type under a name.
pub(crate) fn key_id(kind: u8, name: &str, public_key: &[u8; 32]) -> u32 {
    let mut message = Vec::with_capacity(name.len() + 2 + 32);
    message.extend_from_slice(name.as_bytes());
    message.extend_from_slice(&[b'\n', kind]);
    message.extend_from_slice(public_key);
    let [a, b, c, d, ..] = hash::sha256(&message).0;
    u32::from_be_bytes([a, b, c, d])
}

/// The last part of a key's text.
pub(crate) fn encode_key(kind: u8, bytes: &[u8; 32]) -> Zeroizing<String> {
    let mut typed = Zeroizing::new([kind; 33]);
    typed[1..].copy_from_slice(bytes);
    Zeroizing::new(STANDARD.encode(*typed))
}

/// Splits `name+id+base64` of a key of a type; the base64 may itself have a `+`.
pub(crate) fn split_key(kind: u8, text: &str) -> Result<(&str, u32, [u8; 32]), KeyError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KeyError::Form);
    };
    check_name(name)?;
    if id.len() != 8 || !id.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(KeyError::Form);
    }
    let id = u32::from_str_radix(id, 16).map_err(|_| KeyError::Form)?;
    let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| KeyError::Form)?);
    match bytes.split_first() {
        Some((found, key)) if *found == kind => Ok((name, id, key.try_into().map_err(|_| KeyError::Form)?)),
        Some(_) => Err(KeyError::Type),
        None => Err(KeyError::Form),
    }
}

#[cfg(test)]
mod tests;
