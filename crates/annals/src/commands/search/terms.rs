//! What to look for, as `search`, `tail` and `feed` take it.

use annals_event::Timestamp;
use jiff::Zoned;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::api::Query;
use crate::exit::{Exit, Failure};
use crate::show::moment;

/// Parameters that are no conditions, each with the flag that sets it.
const FLAGS: &[(&str, &str)] = &[
    ("all", "--all"),
    ("cursor", "--all"),
    ("filter", "--filter"),
    ("from", "--from"),
    ("limit", "--limit"),
    ("log", "--access"),
    ("order", "--oldest-first"),
    ("partial", "--all"),
    ("since", "--since"),
    ("tenant", "--tenant"),
    ("total", "--total"),
    ("until", "--until"),
    ("wait", "--wait"),
];

/// Which events: the same flags wherever events are looked for.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct TermFlags {
    /// `name=value`, a word, or a phrase
    #[arg(value_name = "TERM")]
    terms: Vec<String>,
    /// A condition in the grammar of SCIM: `actor.id eq "u1" and not (action sw "user.")`
    #[arg(long, value_name = "SCIM")]
    filter: Option<String>,
    /// From this instant on: `7d`, `2h`, `30m`, `today`, `yesterday`, a local date or time, or RFC 3339
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this instant
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl TermFlags {
    /// The parameters of a request for these events. Dates are those of the local zone, or of UTC.
    ///
    /// # Errors
    ///
    /// `Invalid`: a time cannot be read, or a term is what a flag is for. Names and values the server judges.
    pub(crate) fn query(&self, utc: bool) -> Result<Query, Failure> {
        let zone = if utc { TimeZone::UTC } else { TimeZone::system() };
        self.query_at(&Zoned::now().with_time_zone(zone))
    }

    /// As they were given.
    pub(crate) fn as_given(&self) -> Value {
        let Self { terms, filter, since, until } = self;
        json!({"terms": terms, "filter": filter, "since": since, "until": until})
    }

    fn query_at(&self, now: &Zoned) -> Result<Query, Failure> {
        let mut query = Query::new();
        let mut words = Vec::new();
        for term in &self.terms {
            match condition(term) {
                Some((name, value)) => query.push((name.to_owned(), checked(name, value, now)?)),
                None if term.contains(char::is_whitespace) && !term.contains('"') => {
                    words.push(format!("\"{term}\""))
                }
                None => words.push(term.clone()),
            }
        }
        if !words.is_empty() {
            query.push(("q".to_owned(), words.join(" ")));
        }
        query.extend(self.filter.iter().map(|filter| ("filter".to_owned(), filter.clone())));
        for (flag, name, text) in [("--since", "since", &self.since), ("--until", "until", &self.until)] {
            if let Some(text) = text {
                query.push((name.to_owned(), instant(flag, text, now)?.to_string()));
            }
        }
        Ok(query)
    }
}

/// Name and value, if the term is a condition. A name is a word of letters; anything else before `=` is text to find.
fn condition(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.bytes().all(fits))
        .then_some((name, value))
}

fn checked(name: &str, value: &str, now: &Zoned) -> Result<String, Failure> {
    if let Some((_, flag)) = FLAGS.iter().find(|(known, _)| *known == name) {
        return Err(Failure::new(
            Exit::Invalid,
            format!("`{name}={value}`: `{name}` is no condition on events"),
        )
        .with_hint(format!(
            "use `{flag}`; to find the text itself, put it in quotes: '\"{name}={value}\"'"
        )));
    }
    match name {
        "received_since" | "received_until" => Ok(instant(name, value, now)?.to_string()),
        _ => Ok(value.to_owned()),
    }
}

fn instant(what: &str, text: &str, now: &Zoned) -> Result<Timestamp, Failure> {
    moment::parse(text, now).ok_or_else(|| {
        Failure::new(Exit::Invalid, format!("`{what}`: `{text}` is no time")).with_hint(moment::FORMS)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(terms: &[&str], since: Option<&str>) -> Result<String, Failure> {
        let now = "2026-11-22T12:00:00+01:00[+01:00]".parse::<Zoned>().unwrap();
        let terms = terms.iter().map(|term| (*term).to_owned()).collect();
        let flags = TermFlags { terms, since: since.map(str::to_owned), ..TermFlags::default() };
        let pairs = flags.query_at(&now)?;
        Ok(pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&"))
    }

    #[test]
    fn terms_are_conditions_words_and_phrases() {
        for (terms, sent) in [
            (&["actor_id=u1", "actor_id=u2"][..], "actor_id=u1&actor_id=u2"),
            (&["report", "action=a=b", "two words"], "action=a=b&q=report \"two words\""),
            (&["\"a=b\"", "§=x", "=x", "a b=c"], "q=\"a=b\" §=x =x \"a b=c\""),
            (&["description="], "description="),
            (&["actor.id=u1"], "actor.id=u1"),
            (&["received_since=2h"], "received_since=2026-11-22T09:00:00.000000Z"),
        ] {
            assert_eq!(query(terms, None).unwrap(), sent, "{terms:?}");
        }
        assert_eq!(query(&[], Some("yesterday")).unwrap(), "since=2026-11-20T23:00:00.000000Z");
    }

    #[test]
    fn what_a_flag_is_for_is_no_term() {
        let failure = query(&["limit=5"], None).unwrap_err();
        assert_eq!(failure.message, "`limit=5`: `limit` is no condition on events");
        assert!(failure.hint.unwrap().starts_with("use `--limit`"));
        let failure = query(&[], Some("last week")).unwrap_err();
        assert_eq!((failure.exit, &*failure.message), (Exit::Invalid, "`--since`: `last week` is no time"));
    }
}
