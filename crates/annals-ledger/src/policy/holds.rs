//! Holds: records that stay, whatever rules say, for as long as somebody needs them.

use std::sync::Arc;

use annals_event::filter::{Condition, FilterError, Matcher, parse};
use serde::{Deserialize, Serialize};

/// Most holds of a tenant at once: each is asked about every record that is due.
pub const HOLDS_MAX: usize = 64;

/// Longest reason and owner of a hold, bytes.
pub const HOLD_TEXT_BYTES_MAX: usize = 500;

/// A hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// `hold_` and 16 hex digits.
    pub id: String,
    /// Which records, as a filter of searches; none for all of the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Why, for people.
    pub reason: String,
    /// Who answers for it, for people.
    pub owner: String,
    /// Since when, µs since 1970.
    pub began_at_us: i64,
    /// A platform key made it; only such a key ends it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_platform: bool,
}

/// Why there is no such hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HoldError {
    /// Its filter.
    #[error("{0}")]
    Filter(#[from] FilterError),
    /// Its reason or owner.
    #[error("`{0}` must have 1 to {HOLD_TEXT_BYTES_MAX} bytes and no control characters")]
    Text(&'static str),
}

impl Hold {
    /// Checks what people wrote.
    ///
    /// # Errors
    ///
    /// [`HoldError`].
    pub fn check(&self) -> Result<(), HoldError> {
        for (name, text) in [("reason", &self.reason), ("owner", &self.owner)] {
            let is_good = !text.trim().is_empty() && text.len() <= HOLD_TEXT_BYTES_MAX;
            if !is_good || text.chars().any(char::is_control) {
                return Err(HoldError::Text(name));
            }
        }
        self.filter.as_deref().map_or(Ok(()), |filter| parse(filter).map(drop).map_err(HoldError::from))
    }
}

/// A hold with its filter made ready.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "Hold", into = "Hold")]
pub(crate) struct Holding {
    pub(crate) hold: Hold,
    pub(crate) matcher: Arc<Matcher>,
}

impl From<Hold> for Holding {
    /// Filters were checked when holds were made. One that another version took and this one does not holds everything: what
    /// somebody needs must not go.
    fn from(hold: Hold) -> Self {
        let condition = match hold.filter.as_deref().map(parse) {
            None => Condition::everything(),
            Some(Ok(condition)) => condition,
            Some(Err(error)) => {
                tracing::error!(hold = hold.id, %error, "the filter of a hold cannot be read; everything is held");
                Condition::everything()
            }
        };
        Self { hold, matcher: Arc::new(Matcher::new(condition)) }
    }
}

impl From<Holding> for Hold {
    fn from(holding: Holding) -> Self {
        holding.hold
    }
}
