//! Ids and counts as types, so that a position is never taken for a size.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest tenant id in bytes.
pub const TENANT_ID_BYTES_MAX: usize = 128;

/// Longest event id in bytes of UTF-8.
pub const EVENT_ID_BYTES_MAX: usize = 200;

/// Who an event belongs to: 1 to 128 bytes of `A–Z a–z 0–9 . _ -`, case-sensitive, not starting with
/// `_` or `.`.
///
/// Ids that start with `_` belong to annals and come from constructors here, never from a request.
/// Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// The id of annals' own tenant, which holds its configuration and its reads over all tenants.
    pub const ANNALS: &'static str = "_annals";
    const REGISTRY: &str = "_registry";

    /// Takes an id from outside.
    ///
    /// # Errors
    ///
    /// [`IdError`] when the text breaks the rule above; [`TenantId::ANNALS`] does too.
    pub fn new(text: &str) -> Result<Self, IdError> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }

    /// annals' own tenant, `_annals`.
    #[must_use]
    pub fn annals() -> Self {
        Self(Self::ANNALS.into())
    }

    /// The tenant `_registry`: its log says what size and root every log of the ledger has.
    #[must_use]
    pub fn registry() -> Self {
        Self(Self::REGISTRY.into())
    }

    /// Takes an id that annals itself stored: what [`TenantId::new`] takes, `_annals`, or `_registry`.
    ///
    /// # Errors
    ///
    /// [`IdError`] as for [`TenantId::new`]: the stored bytes are not what was written.
    pub fn from_stored(text: &str) -> Result<Self, IdError> {
        match text {
            Self::ANNALS => Ok(Self::annals()),
            Self::REGISTRY => Ok(Self::registry()),
            _ => Self::new(text),
        }
    }

    /// Whether this is annals' own tenant.
    #[must_use]
    pub fn is_annals(&self) -> bool {
        &*self.0 == Self::ANNALS
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn check(text: &str) -> Result<(), IdError> {
        if text.is_empty() || text.len() > TENANT_ID_BYTES_MAX {
            return Err(IdError::Length { bytes: text.len(), bytes_max: TENANT_ID_BYTES_MAX });
        }
        if text.starts_with(['_', '.']) {
            return Err(IdError::Start);
        }
        match text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))) {
            Some(character) => Err(IdError::Character { character }),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantId({:?})", &*self.0)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TenantId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl std::borrow::Borrow<str> for TenantId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Checks the rule for event ids: 1 to 200 bytes of UTF-8 without control characters
/// (Unicode category Cc: U+0000–U+001F and U+007F–U+009F).
///
/// # Errors
///
/// [`IdError::Length`] or [`IdError::Character`].
pub fn check_event_id(text: &str) -> Result<(), IdError> {
    if text.is_empty() || text.len() > EVENT_ID_BYTES_MAX {
        return Err(IdError::Length { bytes: text.len(), bytes_max: EVENT_ID_BYTES_MAX });
    }
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Ok(());
    }
    match text.chars().find(|c| c.is_control()) {
        Some(character) => Err(IdError::Character { character }),
        None => Ok(()),
    }
}

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// Too short or too long.
    #[error("has {bytes} bytes, 1 to {bytes_max} are allowed")]
    Length {
        /// What it has.
        bytes: usize,
        /// What it may have.
        bytes_max: usize,
    },
    /// A character the rule leaves out.
    #[error("holds the character U+{:04X}, which is not allowed", *character as u32)]
    Character {
        /// The first such character.
        character: char,
    },
    /// Starts with `_` or `.`, which annals keeps for itself.
    #[error("starts with `_` or `.`, which annals keeps for itself")]
    Start,
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number! {
    /// A record's place in its tenant's order, from 0, and its index in the tenant's tree.
    Position
}
number! {
    /// How many records a tenant's tree holds: one more than its last position.
    TreeSize
}
number! {
    /// A record's place among all records of all tenants, from 0. Stored, not committed.
    LedgerSeq
}

impl Position {
    /// The smallest tree that holds this position; `None` for the very last `u64`.
    #[must_use]
    pub const fn size_with(self) -> Option<TreeSize> {
        match self.0.checked_add(1) {
            Some(size) => Some(TreeSize(size)),
            None => None,
        }
    }
}

impl TreeSize {
    /// The position the next record takes.
    #[must_use]
    pub const fn next(self) -> Position {
        Position(self.0)
    }

    /// Whether `position` is in a tree of this size.
    #[must_use]
    pub const fn holds(self, position: Position) -> bool {
        position.0 < self.0
    }
}
