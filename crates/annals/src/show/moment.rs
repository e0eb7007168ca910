//! Instants for people, and the ways in which people name them.

use annals_event::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;
use jiff::{Span, Zoned};

/// An instant that is nearer than this is told by how long ago it was.
const RECENT_SECONDS: i64 = 60 * 60;

/// `3 min ago` within the hour before `now`, else `2026-11-21 14:03:22` in the zone. Without a zone as the server writes it.
pub(crate) fn shown(at: Timestamp, now: Option<Timestamp>, zone: Option<&TimeZone>) -> String {
    let Some(zone) = zone else { return at.to_string() };
    let Some(now) = now else { return absolute(at, zone) };
    let seconds = (now.as_micros() - at.as_micros()).div_euclid(1_000_000);
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..RECENT_SECONDS => format!("{} min ago", seconds / 60),
        _ => absolute(at, zone),
    }
}

/// `2026-11-21 14:03:22` in the zone.
fn absolute(at: Timestamp, zone: &TimeZone) -> String {
    zoned(at, zone).map_or_else(|| at.to_string(), |zoned| zoned.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// `2026-11-21 14:03:22 +01:00` in the zone.
pub(crate) fn with_offset(at: Timestamp, zone: &TimeZone) -> String {
    zoned(at, zone)
        .map_or_else(|| at.to_string(), |zoned| zoned.strftime("%Y-%m-%d %H:%M:%S %:z").to_string())
}

/// None for the hours at either end of time that a zone's calendar does not reach.
fn zoned(at: Timestamp, zone: &TimeZone) -> Option<Zoned> {
    jiff::Timestamp::from_microsecond(at.as_micros()).ok().map(|at| at.to_zoned(zone.clone()))
}

/// Why a text names no instant.
pub(crate) const FORMS: &str = "give a time such as `7d`, `2h` or `30m` ago, `today`, `yesterday`, `2026-11-21`, `2026-11-21T14:00`, or RFC 3339";

/// The instant that a text names: `7d`, `2h`, `30m`, `90s`, `2w` before now; `now`; the beginning of `today`, `yesterday` or a
/// date; a date and time in the zone of `now`; or RFC 3339. None when it is neither.
pub(crate) fn parse(text: &str, now: &Zoned) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(at) = Timestamp::parse(text) {
        return Some(at);
    }
    let named = match text {
        "now" => Some(now.clone()),
        "today" => now.start_of_day().ok(),
        "yesterday" => now.yesterday().ok()?.start_of_day().ok(),
        _ => None,
    };
    let zoned = match named {
        Some(zoned) => zoned,
        None => match ago(text) {
            Some(span) => now.checked_sub(span).ok()?,
            None => civil_time(text)?.to_zoned(now.time_zone().clone()).ok()?,
        },
    };
    Timestamp::from_micros(zoned.timestamp().as_microsecond())
}

/// `7d` and the like.
fn ago(text: &str) -> Option<Span> {
    let unit_at = text.find(|character: char| !character.is_ascii_digit()).filter(|at| *at > 0)?;
    let (number, unit) = text.split_at(unit_at);
    let number: i64 = number.parse().ok()?;
    let span = Span::new();
    match unit {
        "s" => span.try_seconds(number),
        "m" | "min" => span.try_minutes(number),
        "h" => span.try_hours(number),
        "d" => span.try_days(number),
        "w" => span.try_weeks(number),
        _ => return None,
    }
    .ok()
}

/// `2026-11-21`, `2026-11-21T14:00`, `2026-11-21 14:00:30.5`, and nothing with an offset: that is RFC 3339 or a mistake.
fn civil_time(text: &str) -> Option<civil::DateTime> {
    let written = |byte: &u8| byte.is_ascii_digit() || b"-:. T".contains(byte);
    if text.len() < "2026-11-21".len() || !text.as_bytes().iter().all(written) {
        return None;
    }
    // A minus behind the time would be an offset.
    if text.bytes().filter(|byte| *byte == b'-').count() != 2 {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn the_last_hour_is_relative_and_the_rest_local() {
        let now = at("2026-11-22T12:00:00Z");
        for (text, seen) in [
            ("2026-11-22T12:00:00Z", "0 s ago"),
            ("2026-11-22T11:59:01.5Z", "58 s ago"),
            ("2026-11-22T11:57:00Z", "3 min ago"),
            ("2026-11-22T11:00:01Z", "59 min ago"),
            ("2026-11-22T11:00:00Z", "2026-11-22 12:00:00"),
            ("2026-11-22T12:00:01Z", "2026-11-22 13:00:01"),
            ("2026-07-01T22:30:00Z", "2026-07-02 00:30:00"),
            ("0000-01-01T00:00:00Z", "0000-01-01 01:00:00"),
        ] {
            assert_eq!(shown(at(text), Some(now), Some(&berlin())), seen, "{text}");
        }
        assert_eq!(shown(at("2026-11-22T11:59:01.5Z"), Some(now), None), "2026-11-22T11:59:01.500000Z");
        for end in [Timestamp::MIN, Timestamp::MAX] {
            let west = TimeZone::fixed(jiff::tz::offset(-12));
            let _shown = (shown(end, Some(now), Some(&berlin())), shown(end, Some(now), Some(&west)));
        }
    }

    #[test]
    fn people_name_instants_in_several_ways() {
        let now = jiff::Timestamp::from_microsecond(at("2026-11-22T12:34:56Z").as_micros()).unwrap();
        let now = now.to_zoned(berlin());
        for (text, named) in [
            ("30m", Some("2026-11-22T12:04:56Z")),
            ("2h", Some("2026-11-22T10:34:56Z")),
            ("7d", Some("2026-11-15T12:34:56Z")),
            ("2w", Some("2026-11-08T12:34:56Z")),
            // Over the end of summer time a day is a day of the calendar.
            ("30d", Some("2026-10-23T11:34:56Z")),
            ("today", Some("2026-11-21T23:00:00Z")),
            ("yesterday", Some("2026-11-20T23:00:00Z")),
            ("2026-07-01", Some("2026-06-30T22:00:00Z")),
            ("2026-11-21T14:00", Some("2026-11-21T13:00:00Z")),
            ("2026-11-21 14:00:30.5", Some("2026-11-21T13:00:30.5Z")),
            ("2026-11-21T14:00:00Z", Some("2026-11-21T14:00:00Z")),
            ("2026-11-21T14:00:00+05:30", Some("2026-11-21T08:30:00Z")),
            ("2026-11-21T14:00-05:00", None),
            ("2026-02-30", None),
            ("7", None),
            ("d", None),
            ("-7d", None),
            ("99999999999d", None),
            ("99999999999999999999d", None),
            ("9999d9", None),
            ("tomorrow", None),
            ("", None),
            ("2026", None),
        ] {
            assert_eq!(parse(text, &now), named.map(at), "{text}");
        }
    }
}
