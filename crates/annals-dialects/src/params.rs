//! Query parameters as vendors take them.
//!
//! Of a name that is repeated the last value counts; an empty value is as none; a name that the vendor does not know is ignored,
//! brackets may be percent-encoded, `+` is a space. What a known parameter says must be right: a filter that cannot be read is
//! refused, as ignoring it would answer with more than was asked for.

use std::collections::BTreeMap;

use annals_event::json::{Document, Kind, Limits};
use annals_event::{TimeError, Timestamp};

/// Longest names and values that count, all together, bytes.
pub const PARAMS_BYTES_MAX: usize = 4 << 10;

/// Longest body that filters are read from, bytes.
pub const PARAMS_BODY_BYTES_MAX: usize = 16 << 10;

/// From this many seconds on a time is taken for one in milliseconds, which no vendor that counts seconds takes.
const SECONDS_MAX: i64 = 100_000_000_000;

/// A second, in µs.
const SECOND: i64 = 1_000_000;

/// Longest piece of a value that a message repeats, characters.
const SHOWN_CHARACTERS_MAX: usize = 64;

/// The parameters that count, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(BTreeMap<&'static str, String>);

/// The time that a value names: an instant, or where it names no more than a second or a day, all of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first µs.
    pub from: Timestamp,
    /// Its last µs.
    pub to: Timestamp,
}

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
    /// A refusal of a parameter, or of a member of an entry, which the message names first.
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
        Self::read_as(query, |said| known.iter().copied().find(|known| *known == said))
    }

    /// Reads a query string. `parameter` says which parameter a name means, if any: several may mean the same.
    ///
    /// # Errors
    ///
    /// As [`Params::read`].
    pub fn read_as(query: &str, parameter: impl Fn(&str) -> Option<&'static str>) -> Result<Self, Refusal> {
        let mut params = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if let Some(name) = parameter(&name) {
                params.insert(name, value.into_owned());
            }
        }
        Self::bounded(params)
    }

    /// Adds what a body says, a JSON object of texts, numbers and truth values; what the query says stands. An empty body adds
    /// nothing.
    ///
    /// # Errors
    ///
    /// The body is none, a member that counts is no such value, or as [`Params::read`].
    pub fn with_body(
        self,
        body: &[u8],
        parameter: impl Fn(&str) -> Option<&'static str>,
    ) -> Result<Self, Refusal> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(self);
        }
        let no_object = || Refusal::new("body", "must be a JSON object of filters, or empty");
        if body.len() > PARAMS_BODY_BYTES_MAX {
            return Err(Refusal::new("body", format!("is longer than {PARAMS_BODY_BYTES_MAX} bytes")));
        }
        let mut document = Document::default();
        let body = document.parse(body, Limits { depth_max: BODY_DEPTH_MAX }).map_err(|_| no_object())?;
        if body.kind() != Kind::Object {
            return Err(no_object());
        }
        let Self(mut params) = self;
        for (said, value) in body.members() {
            let Some(name) = parameter(said) else { continue };
            let text = match value.kind() {
                Kind::String => value.as_str().unwrap_or_default(),
                Kind::Number | Kind::Bool => value.token(),
                Kind::Null => "",
                Kind::Object | Kind::Array => return Err(Refusal::new(name, "must be a text or a number")),
            };
            params.entry(name).or_insert_with(|| text.to_owned());
        }
        Self::bounded(params)
    }

    fn bounded(mut params: BTreeMap<&'static str, String>) -> Result<Self, Refusal> {
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

    /// The parts of a value that has several, in the order given, without empty ones; none when it is not given.
    #[must_use]
    pub fn tokens(&self, name: &str, separator: char) -> Option<Vec<&str>> {
        let text = self.0.get(name)?;
        Some(text.split(separator).map(str::trim).filter(|part| !part.is_empty()).collect())
    }

    /// A day such as `2026-11-21`, or an RFC 3339 time; `offset` is that of a day, and of a time that says none. A space may stand
    /// for `T`, and for the `+` that it is in a query string.
    ///
    /// # Errors
    ///
    /// The value is neither.
    pub fn moment(&self, name: &'static str, offset: &str) -> Result<Option<Span>, Refusal> {
        let read =
            |text: &str| moment(text.trim(), offset).map_err(|error| Refusal::of_value(name, text, error));
        self.text(name).map(read).transpose()
    }

    /// A Unix time in seconds, all of that second.
    ///
    /// # Errors
    ///
    /// The value is no whole number, or not one of seconds.
    pub fn second(&self, name: &'static str) -> Result<Option<Span>, Refusal> {
        let Some(second) = self.integer(name)? else { return Ok(None) };
        let from = second.checked_mul(SECOND).and_then(Timestamp::from_micros);
        match from.filter(|_| second <= SECONDS_MAX) {
            Some(from) => Ok(Some(Span { from, to: later(from, SECOND - 1) })),
            None => {
                let problem = "is no Unix time in seconds; milliseconds are not taken";
                Err(Refusal::of_value(name, self.text(name).unwrap_or_default(), problem))
            }
        }
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

/// Deepest nesting of a body; filters do not nest.
const BODY_DEPTH_MAX: usize = 16;

/// So many µs later, or the last instant there is.
fn later(at: Timestamp, micros: i64) -> Timestamp {
    Timestamp::from_micros(at.as_micros().saturating_add(micros)).unwrap_or(Timestamp::MAX)
}

fn moment(text: &str, offset: &str) -> Result<Span, String> {
    const NO_MOMENT: &str =
        "is neither a day such as `2026-11-21` nor an RFC 3339 time such as `2026-11-21T10:00:59Z`";
    let read = |text: &str| {
        Timestamp::parse(text).map_err(|error| match error {
            TimeError::Form => NO_MOMENT.to_owned(),
            error => error.to_string(),
        })
    };
    if text.len() == 10 {
        let from = read(&format!("{text}T00:00:00{offset}"))?;
        return Ok(Span { from, to: later(from, 86_400 * SECOND - 1) });
    }
    let mut text = text.to_owned();
    if text.as_bytes().get(10) == Some(&b' ') {
        text.replace_range(10..11, "T");
    }
    let mut text = text.replace(' ', "+");
    let has_offset = text.get(10..).is_some_and(|time| time.contains(['Z', 'z', '+', '-']));
    if !has_offset {
        text.push_str(offset);
    }
    read(&text).map(|at| Span { from: at, to: at })
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
    fn a_moment_is_a_day_or_an_instant_in_utc_unless_it_says_otherwise() {
        let at = |text: &str| {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("since", text).finish();
            read(&query).moment("since", "+00:00").map(|span| {
                let span = span.unwrap();
                if span.from == span.to {
                    span.from.to_string()
                } else {
                    format!("{}..{}", span.from, span.to)
                }
            })
        };
        let day = "2026-11-21T00:00:00.000000Z..2026-11-21T23:59:59.999999Z";
        for (text, expected) in [
            ("2026-11-21", day),
            (" 2026-11-21 ", day),
            ("9999-12-31", "9999-12-31T00:00:00.000000Z..9999-12-31T23:59:59.999999Z"),
            ("2026-11-21T10:00:00", "2026-11-21T10:00:00.000000Z"),
            ("2026-11-21 10:00:00", "2026-11-21T10:00:00.000000Z"),
            ("2026-11-21T12:00:00.5 02:00", "2026-11-21T10:00:00.500000Z"),
            ("2026-11-21T08:00:00-02:00", "2026-11-21T10:00:00.000000Z"),
            ("2026-11-21t10:00:00z", "2026-11-21T10:00:00.000000Z"),
        ] {
            assert_eq!(at(text).as_deref(), Ok(expected), "{text}");
        }
        for wrong in [
            "2026-02-30",
            "2026-11-21T25:00:00",
            "yesterday",
            "1795255200",
            "21.11.2026",
            "2026-11-2é",
            "2026-11",
        ] {
            assert_eq!(at(wrong).unwrap_err().parameter, "since", "{wrong}");
        }
    }

    #[test]
    fn a_second_is_all_of_it_and_milliseconds_are_refused() {
        let at = |text: &str| read(&format!("since={text}")).second("since").map(|span| span.unwrap());
        let span = at("1697765051.0").unwrap();
        assert_eq!(span.from.to_string(), "2023-10-20T01:24:11.000000Z");
        assert_eq!(span.to.to_string(), "2023-10-20T01:24:11.999999Z");
        for wrong in ["1697765051000", "100000000001", "-62167219201", "99999999999999999999", "2023-10-20"] {
            assert_eq!(at(wrong).unwrap_err().parameter, "since", "{wrong}");
        }
        assert!(at("100000000000").is_ok() && at("-1").is_ok());
    }

    #[test]
    fn names_may_mean_others_and_a_body_fills_what_the_query_leaves_open() {
        let means = |said: &str| match said {
            "since" | "from" => Some("since"),
            "action" => Some("action"),
            _ => None,
        };
        let query = Params::read_as("from=1&since=2&since=&x=3", means).unwrap();
        assert!(query.is_empty(), "the last one is empty");
        let query = Params::read_as("since=1&from=2", means).unwrap();
        let both = query.clone().with_body(br#" {"from": 3, "action": "a~b", "x": []} "#, means).unwrap();
        assert_eq!(both.pairs().collect::<Vec<_>>(), [("action", "a~b"), ("since", "2")]);
        assert_eq!(both.tokens("action", '~'), Some(vec!["a", "b"]));
        assert_eq!(both.tokens("x", '~'), None);
        assert_eq!(query.clone().with_body(b"\n", means).unwrap(), query);
        assert_eq!(query.clone().with_body(br#"{"action":null}"#, means).unwrap(), query);
        for wrong in ["[]", "{", "action=a", "null", r#"{"action":["a"]}"#, r#"{"action":{"a":1}}"#] {
            query.clone().with_body(wrong.as_bytes(), means).unwrap_err();
        }
        let long = format!(r#"{{"x":"{}"}}"#, "x".repeat(PARAMS_BODY_BYTES_MAX));
        assert_eq!(query.with_body(long.as_bytes(), means).unwrap_err().parameter, "body");
    }

    #[test]
    fn parameters_are_bounded() {
        let long = "x".repeat(PARAMS_BYTES_MAX);
        assert!(Params::read(&format!("colour={long}"), KNOWN).unwrap().is_empty());
        assert_eq!(Params::read(&format!("action={long}"), KNOWN).unwrap_err().parameter, "action");
    }
}
