//! What logs are called.
//!
//! ```text
//! <ledger name>/t/<log id, 32 hex digits>     a tenant's log
//! <ledger name>/a/<log id, 32 hex digits>     a tenant's access log
//! ```
//!
//! The ledger's name is chosen at the first start and stored; the log id is random. Neither is taken
//! from an address or a customer's name. The origin is the first line of the log's checkpoints and
//! the name of the key they are signed with.

use alloc::format;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use crate::note::{KeyError, NAME_BYTES_MAX, check_name};

/// Bytes in a log id.
pub const LOG_ID_BYTES: usize = 16;

/// Longest name of a ledger in bytes, so that its origins are key names.
pub const LEDGER_NAME_BYTES_MAX: usize = NAME_BYTES_MAX - 3 - 2 * LOG_ID_BYTES;

/// Which of a tenant's two logs.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum LogKind {
    /// Who read the tenant's log.
    Access = b'a',
    /// The tenant's own log.
    Tenant = b't',
}

impl LogKind {
    /// The letter in origins and heads.
    #[must_use]
    pub fn letter(self) -> u8 {
        self as u8
    }

    /// The kind with this letter, if there is one.
    #[must_use]
    pub fn from_letter(letter: u8) -> Option<LogKind> {
        match letter {
            b'a' => Some(LogKind::Access),
            b't' => Some(LogKind::Tenant),
            _ => None,
        }
    }
}

/// One log of a ledger, by kind and random id. Displays as the end of its origin, `t/0123…`.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogName {
    /// Which of the tenant's logs.
    pub kind: LogKind,
    /// Random, and different for the two logs of a tenant.
    pub id: [u8; LOG_ID_BYTES],
}

impl LogName {
    /// The log's origin in the ledger called `ledger`.
    #[must_use]
    pub fn origin(&self, ledger: &str) -> String {
        format!("{ledger}/{self}")
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:032x}", char::from(self.kind.letter()), u128::from_be_bytes(self.id))
    }
}

/// The text is not the end of an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("log: must be `t/` or `a/` and 32 lower-case hexadecimal digits")]
pub struct ParseLogNameError;

impl FromStr for LogName {
    type Err = ParseLogNameError;

    fn from_str(text: &str) -> Result<LogName, ParseLogNameError> {
        let (kind, id) = text.split_once('/').ok_or(ParseLogNameError)?;
        let [letter] = *kind.as_bytes() else {
            return Err(ParseLogNameError);
        };
        let kind = LogKind::from_letter(letter).ok_or(ParseLogNameError)?;
        if id.len() != 2 * LOG_ID_BYTES || !id.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        {
            return Err(ParseLogNameError);
        }
        let id = u128::from_str_radix(id, 16).map_err(|_| ParseLogNameError)?.to_be_bytes();
        Ok(LogName { kind, id })
    }
}

/// The name of the ledger that a log of this origin is of; none when it is no log's origin.
#[must_use]
pub fn ledger_of(origin: &str) -> Option<&str> {
    let (rest, id) = origin.rsplit_once('/')?;
    let (ledger, _) = rest.rsplit_once('/')?;
    let name = &origin[ledger.len() + 1..];
    (!ledger.is_empty() && !id.is_empty() && name.parse::<LogName>().is_ok()).then_some(ledger)
}

/// Checks the name of a ledger: 1 to [`LEDGER_NAME_BYTES_MAX`] bytes, otherwise as a key's name.
///
/// # Errors
///
/// [`KeyError::Name`].
pub fn check_ledger_name(name: &str) -> Result<(), KeyError> {
    if name.len() > LEDGER_NAME_BYTES_MAX { Err(KeyError::Name) } else { check_name(name) }
}

#[cfg(test)]
mod tests;
