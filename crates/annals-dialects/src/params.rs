//! Query parameters as vendors take them.
//!
//! Of a name that is repeated the last value counts; an empty value is as none; a name that the vendor does not know is ignored,
//! brackets may be percent-encoded, `+` is a space. What a known parameter says must be right: a filter that cannot be read is
//! refused, as ignoring it would answer with more than was asked for.

use std::collections::BTreeMap;

use annals_event::Timestamp;

/// Longest names and values that count, all together, bytes.
pub const PARAMS_BYTES_MAX: usize = 4 << 10;

/// Longest piece of a value that a message repeats, characters.
const SHOWN_CHARACTERS_MAX: usize = 64;

/// The parameters that count, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(BTreeMap<&'static str, String>);

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The parameter in question.
    pub parameter: &'static str,
    /// The parameter first, then what was wrong, then a way out.
    pub message: String,
}

impl Refusal {
    /// A refusal of a parameter, which the message names first.
    #[must_use]
    pub fn new(parameter: &'static str, problem: impl std::fmt::Display) -> Self {
        Self { parameter, message: format!("`{parameter}` {problem}") }
    }

    /// As [`Refusal::new`], with the value.
    fn of_value(parameter: &'static str, value: &str, problem: impl std::fmt::Display) -> Self {
        let mut shown: String = value.chars().take(SHOWN_CHARACTERS_MAX).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        Self { parameter, message: format!("`{parameter}`: `{shown}` {problem}") }
    }
}

impl Params {
    /// Reads a query string, in which the names in `known` count.
    ///
    /// # Errors
    ///
    /// More than [`PARAMS_BYTES_MAX`] of what counts.
    pub fn read(query: &str, known: &[&'static str]) -> Result<Self, Refusal> {
        let mut params = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if let Some(name) = known.iter().find(|known| **known == name) {
                params.insert(*name, value.into_owned());
            }
        }
        params.retain(|_, value| !value.is_empty());
        let longest = params.iter().max_by_key(|(_, value)| value.len()).map(|(name, _)| *name);
        let bytes: usize = params.iter().map(|(name, value)| name.len() + value.len()).sum();
        match longest {
            Some(longest) if bytes > PARAMS_BYTES_MAX => {
                let problem =
                    format!("and the other parameters are longer than {PARAMS_BYTES_MAX} bytes together");
                Err(Refusal::new(longest, problem))
            }
            _ => Ok(Self(params)),
        }
    }

    /// The parameters as a query string, in one spelling, from which [`Params::read`] reads the same ones.
    #[must_use]
    pub fn to_query(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }

    /// Names and values.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Whether none is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a parameter out.
    pub fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// A value as it is.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A whole number, also written `50.0` or `+50`; what does not fit is the nearest that does.
    ///
    /// # Errors
    ///
    /// The value is no whole number.
    pub fn integer(&self, name: &'static str) -> Result<Option<i64>, Refusal> {
        let read =
            |text: &str| integer(text).ok_or_else(|| Refusal::of_value(name, text, "is not a whole number"));
        self.text(name).map(read).transpose()
    }

    /// An RFC 3339 time with an offset, whose `+` may have come as the space it is in a query string.
    ///
    /// # Errors
    ///
    /// The value is no such time.
    pub fn time(&self, name: &'static str) -> Result<Option<Timestamp>, Refusal> {
        let read = |text: &str| {
            Timestamp::parse(&text.replace(' ', "+")).map_err(|error| Refusal::of_value(name, text, error))
        };
        self.text(name).map(read).transpose()
    }
}

fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix(['-', '+', ' ']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    let digits = match digits.split_once('.') {
        Some((digits, zeros)) => zeros.bytes().all(|byte| byte == b'0').then_some(digits)?,
        None => digits,
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let magnitude: i64 = digits.parse().unwrap_or(i64::MAX);
    Some(if negative { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["action", "filter[item_id]", "limit", "since"];

    fn read(query: &str) -> Params {
        Params::read(query, KNOWN).unwrap()
    }

    #[test]
    fn the_last_value_wins_empty_is_absent_and_unknown_is_ignored() {
        let params = read("action=a&colour=red&action=b&limit=&filter%5Bitem_id%5D=i+1");
        let expected = [("action", "b"), ("filter[item_id]", "i 1")];
        assert_eq!(params.pairs().collect::<Vec<_>>(), expected);
        assert_eq!(read("action=a&action="), Params::default(), "the last one is empty");
    }

    #[test]
    fn the_written_form_reads_back() {
        for query in ["", "action=a%26b%3D+%C3%A9%25", "filter[item_id]=[x]&limit=5&action=%FF"] {
            let params = read(query);
            assert_eq!(read(&params.to_query()), params, "{query}");
        }
    }

    #[test]
    fn whole_numbers_are_read_generously_and_nothing_else_is() {
        for (text, number) in [
            ("50", Some(50)),
            ("50.0", Some(50)),
            ("+50", Some(50)),
            ("-1", Some(-1)),
            ("007", Some(7)),
            ("99999999999999999999", Some(i64::MAX)),
            ("50.5", None),
            ("5e1", None),
            ("-", None),
            (".0", None),
            ("fifty", None),
            ("٥", None),
        ] {
            assert_eq!(integer(text), number, "{text}");
        }
        let refused = read("limit=fifty").integer("limit").unwrap_err();
        assert_eq!(refused.message, "`limit`: `fifty` is not a whole number");
    }

    #[test]
    fn times_need_an_offset_whose_plus_may_be_a_space() {
        let at = |query: &str| read(query).time("since").map(|at| at.unwrap().to_string());
        assert_eq!(at("since=2026-11-21T12:00:00+02:00").unwrap(), "2026-11-21T10:00:00.000000Z");
        assert_eq!(at("since=2026-11-21T12:00:00%2B02:00").unwrap(), "2026-11-21T10:00:00.000000Z");
        for wrong in [
            "2026-11-21",
            "2026-11-21T10:00:00",
            "2026-11-21 10:00:00Z",
            "1795255200",
            "2026-02-30T00:00:00Z",
            "2026-11-21T25:00:00Z",
            "yesterday",
            "2026-11-21T10:00:00.Z",
            "+2026-11-21T10:00:00Z",
        ] {
            let refused = at(&format!("since={wrong}")).unwrap_err();
            assert!(refused.message.starts_with("`since`: `"), "{refused}");
        }
    }

    #[test]
    fn parameters_are_bounded() {
        let long = "x".repeat(PARAMS_BYTES_MAX);
        assert!(Params::read(&format!("colour={long}"), KNOWN).unwrap().is_empty());
        assert_eq!(Params::read(&format!("action={long}"), KNOWN).unwrap_err().parameter, "action");
    }
}
