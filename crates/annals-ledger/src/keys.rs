//! API keys: what they look like, what they may do, and the table of all of them.
//!
//! A key is `annals_` + 43 characters of base 62 (256 random bits) + 6 of checksum, so that a secret scanner
//! can tell a real key from a look-alike without asking us. Only SHA-256 of it is stored: a random secret of that length
//! needs no slow hash.

use std::collections::{BTreeMap, BTreeSet};

use annals_event::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::control::KeyEnd;
use crate::policy::Policies;
use crate::rotation::Rotations;
use crate::views::SavedViews;

const PREFIX: &str = "annals_";
const SECRET_CHARS: usize = 43;
const CHECK_CHARS: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Send events.
    Write,
    /// Read events, the feed and the access log.
    Read,
    /// Take events out in bulk.
    Export,
    /// Ask for checkpoints and proofs.
    Verify,
    /// Make tenants and keys, confirm clocks.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 5] = [Self::Write, Self::Read, Self::Export, Self::Verify, Self::Admin];

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::Export => "export",
            Self::Verify => "verify",
            Self::Admin => "admin",
        }
    }
}

/// A key in clear, to be shown once.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySecret(String);

impl KeySecret {
    /// Makes a key from 32 random bytes.
    #[must_use]
    pub fn from_random(random: &[u8; 32]) -> Self {
        let mut text = String::from(PREFIX);
        push_base62(&mut text, random, SECRET_CHARS);
        let check = checksum(&text);
        text.push_str(&check);
        Self(text)
    }

    /// Accepts the text of a key if its form and checksum are right. Says nothing of whether it is known.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let body = text.strip_prefix(PREFIX)?;
        let well_formed =
            body.len() == SECRET_CHARS + CHECK_CHARS && body.bytes().all(|byte| ALPHABET.contains(&byte));
        if !well_formed {
            return None;
        }
        let (secret, check) = text.split_at(PREFIX.len() + SECRET_CHARS);
        (checksum(secret) == check).then(|| Self(text.to_owned()))
    }

    /// The text to hand over.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored of the key.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl std::fmt::Debug for KeySecret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("KeySecret(…)")
    }
}

/// Six characters of base 62 from SHA-256 of what stands before them.
fn checksum(text: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    let mut out = String::new();
    push_base62(&mut out, &hash[..4], CHECK_CHARS);
    out
}

/// Big-endian bytes as exactly `chars` digits of base 62, most significant first.
fn push_base62(out: &mut String, bytes: &[u8], chars: usize) {
    let mut number = bytes.to_vec();
    let mut digits = vec![b'0'; chars];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0_u32;
        for byte in &mut number {
            let value = rest * 256 + u32::from(*byte);
            *byte = u8::try_from(value / 62).expect("rest is below 62, so the quotient is below 256");
            rest = value % 62;
        }
        *digit = ALPHABET[rest as usize];
    }
    out.extend(digits.into_iter().map(char::from));
}

/// SHA-256 of a key; hex on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Public name of the key: what lists, access records and revocations call it. 16 hex digits.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        KeyId(format!("key_{}", hex(&self.0[..8])))
    }
}

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&hex(&self.0))
    }
}

impl Serialize for KeyHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for KeyHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let hash: annals_tree::Hash = text.parse().map_err(serde::de::Error::custom)?;
        Ok(Self(hash.0))
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String does not fail");
        text
    })
}

/// A key's public name: `key_` and 16 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub String);

/// A key as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Public name.
    pub id: KeyId,
    /// SHA-256 of the key.
    pub hash: KeyHash,
    /// The tenant it is bound to; none for a platform key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// What it may do, sorted.
    pub scopes: Vec<Scope>,
    /// Vendors whose read permission it also grants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dialects: Vec<String>,
    /// A note for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// From this instant on it is refused; µs since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_us: Option<i64>,
    /// The operator key, of which there is one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub operator: bool,
}

impl KeyRecord {
    /// Whether the key allows `scope`.
    #[must_use]
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// The tenant it is bound to.
    #[must_use]
    pub fn tenant_id(&self) -> Option<TenantId> {
        self.tenant.as_deref().and_then(|tenant| TenantId::from_stored(tenant).ok())
    }

    fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at_us.is_none_or(|at| now.as_micros() < at)
    }
}

/// All keys of a ledger, a fold over the records of `_annals`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    by_id: BTreeMap<KeyId, KeyRecord>,
    /// Ended at once: they stay ended when the clock is set back.
    ended: BTreeSet<KeyId>,
    /// Changes of the key that signs, which is no API key, and goes with these into manifests.
    #[serde(default, rename = "signing", skip_serializing_if = "Rotations::is_empty")]
    pub(crate) rotations: Rotations,
    /// What was decided about tenants' events, which goes with these into manifests, too.
    #[serde(default, skip_serializing_if = "Policies::is_empty")]
    pub(crate) policies: Policies,
    /// Views that were saved with them.
    #[serde(default, skip_serializing_if = "SavedViews::is_empty")]
    pub(crate) views: SavedViews,
}

impl Keys {
    /// The live key with this secret.
    #[must_use]
    pub fn find(&self, secret: &KeySecret, now: Timestamp) -> Option<&KeyRecord> {
        let hash = secret.hash();
        let key = self.live(&hash.key_id(), now)?;
        bool::from(key.hash.0.ct_eq(&hash.0)).then_some(key)
    }

    /// The key with this public name, if it is in force.
    #[must_use]
    pub fn live(&self, id: &KeyId, now: Timestamp) -> Option<&KeyRecord> {
        self.by_id.get(id).filter(|key| key.is_live(now) && !self.ended.contains(&key.id))
    }

    /// The key with this public name, ended or not.
    #[must_use]
    pub fn by_id(&self, id: &KeyId) -> Option<&KeyRecord> {
        self.by_id.get(id)
    }

    /// All keys, expired ones too, by public name.
    pub fn iter(&self) -> impl Iterator<Item = &KeyRecord> {
        self.by_id.values()
    }

    pub(crate) fn insert(&mut self, key: KeyRecord) {
        self.by_id.insert(key.id.clone(), key);
    }

    /// Ends every operator key.
    pub(crate) fn end_operator(&mut self, now: Timestamp) {
        let operators = self.by_id.values().filter(|key| key.operator);
        let ends: Vec<_> =
            operators.map(|key| KeyEnd { key_id: key.id.clone(), expires_at_us: now.as_micros() }).collect();
        ends.iter().for_each(|end| self.expire(end, now));
    }

    /// As [`Keys::insert`]; one for a tenant that ended is ended at once.
    pub(crate) fn insert_for(&mut self, key: KeyRecord, now: Timestamp) {
        let ended = key
            .tenant_id()
            .filter(|tenant| self.policies.life(tenant).is_some_and(|life| life.ended_at_us().is_some()));
        self.insert(key);
        if let Some(tenant) = ended {
            self.end_tenant(tenant.as_str(), now);
        }
    }

    /// Ends every key of a tenant.
    pub(crate) fn end_tenant(&mut self, tenant: &str, now: Timestamp) {
        let own = self.by_id.values().filter(|key| key.tenant.as_deref() == Some(tenant));
        let ends: Vec<_> =
            own.map(|key| KeyEnd { key_id: key.id.clone(), expires_at_us: now.as_micros() }).collect();
        ends.iter().for_each(|end| self.expire(end, now));
        self.views.end_tenant(tenant);
    }

    /// A key's end may come nearer, never recede.
    pub(crate) fn expire(&mut self, end: &KeyEnd, now: Timestamp) {
        if let Some(key) = self.by_id.get_mut(&end.key_id) {
            if end.expires_at_us <= now.as_micros() {
                self.ended.insert(end.key_id.clone());
                self.views.end_key(&end.key_id);
            }
            key.expires_at_us =
                Some(key.expires_at_us.map_or(end.expires_at_us, |at| at.min(end.expires_at_us)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_and_a_changed_one_does_not() {
        let key = KeySecret::from_random(&[7; 32]);
        assert_eq!(key.reveal().len(), PREFIX.len() + SECRET_CHARS + CHECK_CHARS);
        assert_eq!(KeySecret::parse(key.reveal()), Some(key.clone()));
        for at in PREFIX.len()..key.reveal().len() {
            let mut text = key.reveal().as_bytes().to_vec();
            text[at] = if text[at] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(text).unwrap();
            assert_eq!(KeySecret::parse(&changed), None, "changed at {at}");
        }
    }

    #[test]
    fn the_largest_secret_fits_its_digits() {
        let text = KeySecret::from_random(&[255; 32]);
        assert!(
            !text.reveal()[PREFIX.len()..].starts_with('0'),
            "43 digits of base 62 hold just over 256 bits"
        );
    }
}
