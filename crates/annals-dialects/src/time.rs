//! Which time a vendor's API shows, filters and sorts by, and how vendors write one.

use annals_event::Timestamp;
use annals_event::filter::{Comparison, Condition, Field, Known, Literal, Test};

use crate::list::SortKey;
use crate::params::Span;

/// A second, in µs.
const SECOND: i64 = 1_000_000;

/// Which time a vendor's API shows, filters and sorts by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Time {
    /// The client's time, or where it sent none the time of receipt.
    #[default]
    Occurred,
    /// The time of receipt: who polls by time misses no late event.
    Received,
}

impl Time {
    /// The words of the setting.
    pub const WORDS: &[(&str, Self)] = &[("occurred", Self::Occurred), ("received", Self::Received)];

    /// A record's.
    #[must_use]
    pub fn of(self, known: &Known<'_>) -> Timestamp {
        match self {
            Self::Occurred => known.occurred_at,
            Self::Received => known.received_at,
        }
    }

    /// What conditions ask it of.
    #[must_use]
    pub fn field(self) -> Field {
        match self {
            Self::Occurred => Field::OccurredAt,
            Self::Received => Field::ReceivedAt,
        }
    }

    /// What lists are sorted by.
    #[must_use]
    pub fn sort_key(self) -> SortKey {
        match self {
            Self::Occurred => SortKey::OccurredAt,
            Self::Received => SortKey::ReceivedAt,
        }
    }

    /// It lies on this side of an instant.
    #[must_use]
    pub fn is(self, comparison: Comparison, at: Timestamp) -> Condition {
        Condition::Field(self.field(), Test::Order(comparison, Literal::Time(at)))
    }

    /// It lies within the first and the last time that are named, both included with all that they name; none leaves that side
    /// open.
    pub fn within(self, first: Option<Span>, last: Option<Span>) -> impl Iterator<Item = Condition> {
        let first = first.map(|span| self.is(Comparison::AtLeast, span.from));
        let last = last.map(|span| self.is(Comparison::AtMost, span.to));
        first.into_iter().chain(last)
    }
}

/// Unix seconds, rounded towards the past.
#[must_use]
pub fn seconds(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(SECOND)
}

/// `2026-11-21T10:00:59.123Z`: as JavaScript writes one, rounded towards the past.
#[must_use]
pub fn with_millis(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{}Z", &text[..text.len() - "123Z".len()])
}

/// `2026-11-21T10:00:59+00:00`: as PHP writes one, rounded towards the past.
#[must_use]
pub fn with_offset(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{}+00:00", &text[..text.len() - ".123456Z".len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_cut_towards_the_past() {
        for (text, millis, offset, unix) in [
            (
                "2026-11-21T10:00:59.123999Z",
                "2026-11-21T10:00:59.123Z",
                "2026-11-21T10:00:59+00:00",
                1_795_255_259,
            ),
            ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59+00:00", -1),
            (
                "0000-01-01T00:00:00.000000Z",
                "0000-01-01T00:00:00.000Z",
                "0000-01-01T00:00:00+00:00",
                -62_167_219_200,
            ),
        ] {
            let at = Timestamp::parse(text).unwrap();
            assert_eq!(
                (with_millis(at).as_str(), with_offset(at).as_str(), seconds(at)),
                (millis, offset, unix)
            );
        }
    }
}
