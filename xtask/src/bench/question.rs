//! What every engine is asked, and what an answer is, so that answers can be compared.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::fault::{Result, While, require};

/// Events of a page.
pub(super) const PAGE: usize = 100;

/// A question, by what one would call it.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) name: String,
    pub(super) ask: Ask,
}

/// A question.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    /// The newest events for which a condition holds.
    Page(Condition),
    /// The page behind that one, as one who pages comes to it.
    Next(Condition),
    /// How many of each action.
    Facets(Condition),
    /// How many of each day.
    Histogram(Condition),
    /// The event of a tenant with this id.
    One { tenant: String, id: String },
    /// All events for which a condition holds, whole, newest first.
    Export(Condition),
}

impl Ask {
    /// The tenant that is asked for, if it is one.
    pub(super) fn tenant(&self) -> Option<&str> {
        match self {
            Self::Page(condition)
            | Self::Next(condition)
            | Self::Facets(condition)
            | Self::Histogram(condition)
            | Self::Export(condition) => condition.tenant.as_deref(),
            Self::One { tenant, .. } => Some(tenant),
        }
    }
}

/// Holds when all that is named holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Condition {
    pub(super) tenant: Option<String>,
    pub(super) action: Option<String>,
    pub(super) actor: Option<String>,
    pub(super) email: Option<String>,
    pub(super) target: Option<String>,
    pub(super) address: Option<String>,
    /// One of these.
    pub(super) categories: Vec<String>,
    pub(super) status: Option<u16>,
    /// Both of these.
    pub(super) words: Vec<String>,
    pub(super) metadata: Option<InMetadata>,
    /// At or after, and before: RFC 3339 in UTC.
    pub(super) since: Option<String>,
    pub(super) until: Option<String>,
}

/// A text inside `metadata`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct InMetadata {
    /// Names of members, with points between; none has one itself.
    pub(super) path: String,
    pub(super) value: String,
}

impl InMetadata {
    /// Whether an event's line says so. The value has no letter that JSON might write in another way.
    pub(super) fn holds(&self, line: &str) -> Result<bool> {
        if !line.contains(&self.value) {
            return Ok(false);
        }
        let event: Value = serde_json::from_str(line).while_doing("an event")?;
        let found = self.path.split('.').try_fold(&event["metadata"], |inner, name| inner.get(name));
        Ok(found.and_then(Value::as_str) == Some(&self.value))
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Times in microseconds since 1970, and ids.
    Events(Vec<(i64, String)>),
    Counts(BTreeMap<String, u64>),
}

impl Answer {
    /// What a table tells of it.
    pub(super) fn found(&self) -> u64 {
        match self {
            Self::Events(events) => events.len() as u64,
            Self::Counts(counts) => counts.values().sum(),
        }
    }

    /// Whether it is the same answer as the expected one.
    ///
    /// Events of one microsecond may come in any order, and at the end of a page any of them may be on it.
    pub(super) fn check(&self, expected: &Expected) -> Result<()> {
        match (self, expected) {
            (Self::Counts(found), Expected::Counts(counts)) => {
                let found: BTreeMap<_, _> = found.iter().filter(|(_, count)| **count > 0).collect();
                let other = counts.iter().find(|(value, count)| found.get(value) != Some(count));
                require!(other.is_none(), "counted otherwise than {other:?}");
                require!(found.len() == counts.len(), "{} values and not {}", found.len(), counts.len());
            }
            (Self::Events(found), Expected::Events { events, first, count }) => {
                let end = events.len().min(first + count);
                let expected = &events[(*first).min(end)..end];
                require!(found.len() == expected.len(), "{} events and not {}", found.len(), expected.len());
                for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
                    require!(found.0 == expected.0, "event {index} is {found:?} and not {expected:?}");
                    // Those that match are newest first.
                    let known = events.binary_search_by(|event| found.cmp(event)).is_ok();
                    require!(known, "`{}` does not belong there", found.1);
                }
                let mut ids: Vec<_> = found.iter().map(|event| &event.1).collect();
                ids.sort_unstable();
                ids.dedup();
                require!(ids.len() == found.len(), "an event came twice");
            }
            _ => require!(false, "an answer of another kind"),
        }
        Ok(())
    }
}

/// What the file itself says, read by us.
#[derive(Clone, Debug)]
pub(super) enum Expected {
    /// All that match, or the newest of them, by falling time and id; the answer is those from `first` on.
    Events {
        events: Vec<(i64, String)>,
        first: usize,
        count: usize,
    },
    Counts(BTreeMap<String, u64>),
}

/// The members of an event that are asked for, or stored apart.
#[derive(Deserialize)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) tenant: String,
    pub(super) occurred_at: String,
    pub(super) action: String,
    pub(super) category: Option<String>,
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) actor: Actor,
    #[serde(default)]
    pub(super) targets: Vec<Target>,
    #[serde(default)]
    pub(super) context: Context,
    #[serde(default)]
    pub(super) request: Request,
    #[serde(default)]
    pub(super) metadata: Metadata,
}

#[derive(Default, Deserialize)]
pub(super) struct Actor {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Target {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
}

#[derive(Default, Deserialize)]
pub(super) struct Context {
    pub(super) ip: Option<String>,
}

#[derive(Default, Deserialize)]
pub(super) struct Request {
    pub(super) status_code: Option<u16>,
}

#[derive(Default, Deserialize)]
pub(super) struct Metadata {
    ticket: Option<Value>,
}

impl Metadata {
    /// The text of this name.
    pub(super) fn ticket(&self) -> Option<&str> {
        self.ticket.as_ref()?.as_str()
    }
}

impl Event {
    pub(super) fn parse(line: &str) -> Result<Self> {
        serde_json::from_str(line).while_doing("an event of the file")
    }

    /// The texts that people look for words in.
    pub(super) fn prose(&self) -> String {
        let names = self.targets.iter().filter_map(|target| target.name.as_deref());
        let parts = self.description.as_deref().into_iter().chain(self.actor.name.as_deref()).chain(names);
        parts.collect::<Vec<_>>().join(" ")
    }
}

/// The words of a text, folded, as far as ASCII goes.
pub(super) fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

/// Microseconds since 1970 of a time as RFC 3339, with an offset of hours and minutes or `Z`.
pub(super) fn micros(time: &str) -> Result<i64> {
    parse_time(time).ok_or_else(|| format!("`{time}` is not a time").into())
}

fn parse_time(time: &str) -> Option<i64> {
    let number = |from: usize, to: usize| time.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let seconds = number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
    let zone = time[19..].find(['Z', '+', '-'])? + 19;
    let fraction = time[19..zone].trim_start_matches('.');
    let fraction: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    let offset = match &time[zone..=zone] {
        "Z" => 0,
        sign => {
            (if sign == "-" { -60 } else { 60 })
                * (number(zone + 1, zone + 3)? * 60 + number(zone + 4, zone + 6)?)
        }
    };
    Some((days(year, month, day) * 86_400 + seconds - offset) * 1_000_000 + fraction)
}

/// Days since 1970-01-01 of a date of our calendar: years begin in March, so that the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (month * 153 + 2) / 5
        + day
        - 719_469
}

/// The day of a time, as `2025-06-01`, by the time's days since 1970.
pub(super) fn day(micros: i64) -> String {
    let days = micros.div_euclid(86_400_000_000) + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", year_of_era + era * 400 + later)
}

/// A time as RFC 3339 in UTC.
pub(super) fn time(micros: i64) -> String {
    let of_day = micros.rem_euclid(86_400_000_000);
    let (seconds, micros_of_second) = (of_day / 1_000_000, of_day % 1_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}.{micros_of_second:06}Z", day(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_offset_and_days_are_told() {
        assert_eq!(micros("1970-01-01T00:00:00Z").unwrap(), 0);
        assert_eq!(micros("2025-06-01T12:30:15.250Z").unwrap(), 1_748_781_015_250_000);
        assert_eq!(micros("2025-06-01T13:30:15.250000+01:00").unwrap(), 1_748_781_015_250_000);
        for day_of_it in ["1970-01-01", "2000-02-29", "2024-12-31", "2025-01-01", "2025-03-01"] {
            assert_eq!(day(micros(&format!("{day_of_it}T23:59:59.9Z")).unwrap()), day_of_it);
        }
        assert!(micros("2025-06-01").is_err());
        for text in ["2025-06-01T12:30:15.250001Z", "1969-12-31T23:59:59.000000Z"] {
            assert_eq!(time(micros(text).unwrap()), text);
        }
    }

    #[test]
    fn an_answer_is_right_up_to_the_order_of_one_moment() {
        let event = |time, id: &str| (time, id.to_owned());
        let events = vec![event(3, "d"), event(2, "c"), event(2, "b"), event(1, "a")];
        let expected = Expected::Events { events, first: 0, count: 2 };
        let right = |events: Vec<_>| Answer::Events(events).check(&expected).is_ok();
        assert!(right(vec![event(3, "d"), event(2, "c")]));
        assert!(right(vec![event(3, "d"), event(2, "b")]));
        assert!(!right(vec![event(3, "d"), event(2, "a")]));
        assert!(!right(vec![event(3, "d")]));
        assert!(!right(vec![event(2, "c"), event(2, "b")]));
    }
}
