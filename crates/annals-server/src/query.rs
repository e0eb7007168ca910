//! Query parameters: every route says which it knows, and an unknown one is an error, never ignored.

use std::str::FromStr;
use std::time::Duration;

use annals_event::TenantId;
use annals_event::filter::{self, FILTER_TESTS_MAX};
use annals_ledger::LogKind;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use crate::conditions::Conditions;
use crate::problem::{Code, Problem};

/// Most parameters of a request, but for conditions.
const PARAMETERS_MAX: usize = 64;

/// The one parameter in a route's path, percent-decoded.
pub(crate) struct PathText(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathText {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::from_request_parts(parts, state).await.map_err(|_| {
            Problem::new(Code::ParameterValue, "the path is not UTF-8 once its percent signs are decoded")
        })?;
        Ok(Self(text))
    }
}

/// Which parameters a route takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known<'a> {
    /// At most once.
    pub(crate) once: &'a [&'a str],
    /// Any number of times.
    pub(crate) many: &'a [&'a str],
    /// [`Conditions`] too.
    pub(crate) conditions: bool,
}

/// The parameters of one request.
#[derive(Debug)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
    /// What they narrow the question to.
    pub(crate) conditions: Conditions,
}

impl Params {
    /// Reads a query string in which only known names may stand.
    pub(crate) fn parse(query: Option<&str>, known: &Known<'_>) -> Result<Self, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let mut conditions = Vec::new();
        for pair in query.unwrap_or_default().split('&') {
            let Some((name, value)) = form_urlencoded::parse(pair.as_bytes()).next() else { continue };
            if known.conditions && Conditions::knows(&name) {
                check_utf8(pair, &name, &value)?;
                if conditions.len() == FILTER_TESTS_MAX {
                    let detail = format!("the request has more than {FILTER_TESTS_MAX} conditions");
                    return Err(Problem::new(Code::ParameterValue, detail).in_parameter(name));
                }
                conditions.push((name.into_owned(), value.into_owned()));
                continue;
            }
            let repeats = known.many.contains(&&*name);
            if !repeats && !known.once.contains(&&*name) {
                return Err(unknown(&name, known));
            }
            check_utf8(pair, &name, &value)?;
            if pairs.len() == PARAMETERS_MAX {
                let detail = format!("the request has more than {PARAMETERS_MAX} parameters");
                return Err(Problem::new(Code::ParameterValue, detail).in_parameter(name));
            }
            if !repeats && pairs.iter().any(|(seen, _)| *seen == *name) {
                return Err(self::value(&name, "is given twice"));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self { pairs, conditions: Conditions::new(conditions) })
    }

    /// The value of a parameter.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.texts(name).next()
    }

    /// The values of a parameter, in the order given.
    pub(crate) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// `true` or `false`; false when left out.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(value(name, "must be `true` or `false`")),
        }
    }

    /// A whole number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let digits = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_digit()).then(|| u64::from_str(text).ok()).flatten()
        };
        match self.text(name) {
            None => Ok(None),
            Some(text) => digits(text).map(Some).ok_or_else(|| value(name, "must be a whole number from 0")),
        }
    }

    /// How many of something: 1 to `max`.
    pub(crate) fn limit(&self, default: usize, max: usize) -> Result<usize, Problem> {
        let Some(limit) = self.number("limit")? else { return Ok(default) };
        usize::try_from(limit)
            .ok()
            .filter(|limit| (1..=max).contains(limit))
            .ok_or_else(|| value("limit", &format!("must be 1 to {max}")))
    }

    /// A length of time up to `max`, with its unit: `500ms`, `30s`, `1m`.
    pub(crate) fn duration(&self, name: &str, max: Duration) -> Result<Duration, Problem> {
        let Some(text) = self.text(name) else { return Ok(Duration::ZERO) };
        parse_duration(text).filter(|duration| *duration <= max).ok_or_else(|| {
            value(name, &format!("must be a time with its unit, such as `30s`, at most `{}s`", max.as_secs()))
        })
    }

    /// The log named by `log`.
    pub(crate) fn log_kind(&self) -> Result<LogKind, Problem> {
        match self.text("log") {
            None | Some("events") => Ok(LogKind::Tenant),
            Some("access") => Ok(LogKind::Access),
            Some(_) => Err(value("log", "must be `events` or `access`")),
        }
    }

    /// The tenant named by `tenant`.
    pub(crate) fn tenant(&self) -> Result<Option<TenantId>, Problem> {
        self.text("tenant")
            .map(|text| TenantId::from_stored(text).map_err(|error| value("tenant", &error.to_string())))
            .transpose()
    }
}

/// A number and a unit: `ms`, `s`, `m`, `h` or `d`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// A problem with one parameter's value.
pub(crate) fn value(name: &str, what: &str) -> Problem {
    Problem::new(Code::ParameterValue, format!("`{name}` {what}")).in_parameter(name)
}

/// Refuses a value that does not decode to UTF-8. Decoding puts U+FFFD where it does not, so there are more than were sent.
fn check_utf8(pair: &str, name: &str, value: &str) -> Result<(), Problem> {
    let replaced = |text: &str| text.matches(char::REPLACEMENT_CHARACTER).count();
    let sent = replaced(pair) + pair.to_ascii_uppercase().matches("%EF%BF%BD").count();
    if replaced(value) > sent {
        return Err(self::value(name, "is not UTF-8 once its percent signs are decoded"));
    }
    Ok(())
}

fn unknown(name: &str, known: &Known<'_>) -> Problem {
    let shown: String = name.chars().take(64).collect();
    let own = [known.once, known.many].concat();
    let conditions = if known.conditions { filter::parameter_names() } else { &[] };
    let near = own
        .iter()
        .chain(conditions)
        .map(|known| (distance(&shown, known), known))
        .min()
        .filter(|(distance, _)| *distance <= 2);
    let hint = match (near, own.as_slice()) {
        (Some((_, near)), _) => format!("did you mean `{near}`?"),
        (None, []) => "this route takes none".to_owned(),
        (None, _) if known.conditions => {
            format!(
                "this route takes `{}`, and conditions such as `actor_id`, `since` and `filter`",
                own.join("`, `")
            )
        }
        (None, _) => format!("this route takes `{}`", own.join("`, `")),
    };
    Problem::new(Code::ParameterUnknown, format!("`{shown}` is not a parameter of this route; {hint}"))
        .in_parameter(shown)
}

/// Levenshtein's distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, from) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in right.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_parameter_is_named_with_the_nearest_known_one() {
        let told = |query, conditions| {
            let known = Known { once: &["from", "limit"], many: &["by"], conditions };
            String::from_utf8(Params::parse(Some(query), &known).unwrap_err().body("r")).unwrap()
        };
        assert!(told("limt=3", false).contains("did you mean `limit`?"));
        assert!(told("colour=3", false).contains("this route takes `from`, `limit`, `by`\""));
        assert!(told("from=1&from=2", false).contains("given twice"));
        assert!(told("actor.id=u", true).contains("did you mean `actor_id`?"));
        assert!(told("colour=3", true).contains("and conditions such as"));
        assert!(told("action=a", false).contains("is not a parameter of this route"));
        let many = format!("limit=1{}", "&by=a".repeat(64));
        assert!(told(&many, true).contains("more than 64 parameters"));
    }

    #[test]
    fn conditions_and_what_is_known_to_repeat_may_stand_more_than_once() {
        let known = Known { once: &["limit"], many: &["by"], conditions: true };
        let params = Params::parse(Some("by=a&action=2&limit=1&by=b&action=1&action=2"), &known).unwrap();
        assert_eq!(params.texts("by").collect::<Vec<_>>(), ["a", "b"]);
        let same = Params::parse(Some("action=1&action=2"), &known).unwrap();
        assert_eq!(params.conditions, same.conditions, "neither order nor repetition matters");
        let many = Params::parse(Some(&"&action=1".repeat(FILTER_TESTS_MAX + 1)), &known);
        assert_eq!(many.unwrap_err().code(), Code::ParameterValue);
    }

    #[test]
    fn what_does_not_decode_to_utf_8_is_refused() {
        let known = Known { once: &["tenant"], many: &[], conditions: true };
        let read = |query| Params::parse(Some(query), &known);
        for query in ["action=%FF", "tenant=a%C3", "action=b&action=%EF%BF%BD%F0", "action=%ED%A0%80"] {
            let told = read(query).unwrap_err();
            assert_eq!(told.code(), Code::ParameterValue, "{query}");
            assert!(told.detail().contains("is not UTF-8"), "{query}: {}", told.detail());
        }
        assert_eq!(read("%FF=a").unwrap_err().code(), Code::ParameterUnknown);
        let sent = read("&action=%ef%bf%bd&actor_id=\u{FFFD}&action=a+%C3%A9&").unwrap();
        let pairs: Vec<_> = sent.conditions.pairs().iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(pairs, ["a \u{E9}", "\u{FFFD}", "\u{FFFD}"]);
    }

    #[test]
    fn durations_need_a_unit() {
        for (text, millis) in [
            ("30s", Some(30_000)),
            ("500ms", Some(500)),
            ("1m", Some(60_000)),
            ("30", None),
            ("s", None),
            ("-1s", None),
        ] {
            assert_eq!(parse_duration(text), millis.map(Duration::from_millis), "{text}");
        }
    }
}
