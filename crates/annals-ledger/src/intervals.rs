//! Stretches of time that a histogram counts in: hours and days as the clocks of a time zone show them.

use annals_event::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Span};

/// The length of a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    /// So many minutes, which divide an hour; each is as long as it says, also where clocks are set.
    Minutes(u8),
    /// So many hours, which divide a day. From one full hour of the zone's clocks to another, so where clocks are set one of
    /// them is shorter or longer; but an hour is always an hour.
    Hours(u8),
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first of a month to the next.
    Month,
}

impl Interval {
    /// Every interval, with its name.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("1m", Self::Minutes(1)),
        ("5m", Self::Minutes(5)),
        ("15m", Self::Minutes(15)),
        ("30m", Self::Minutes(30)),
        ("1h", Self::Hours(1)),
        ("3h", Self::Hours(3)),
        ("6h", Self::Hours(6)),
        ("12h", Self::Hours(12)),
        ("1d", Self::Day),
        ("1w", Self::Week),
        ("1mo", Self::Month),
    ];

    /// The interval of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, interval)| *interval)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let known = Self::ALL.iter().find(|(_, interval)| *interval == self);
        known.expect("intervals other than those of the table are not made").0
    }

    /// The stretch that holds `at`: its first µs, and the first of the one after it.
    pub(crate) fn around(self, at: Timestamp, zone: &TimeZone) -> (i64, i64) {
        let us = at.as_micros();
        let exact = match self {
            Self::Minutes(minutes) => Some(i64::from(minutes) * 60),
            Self::Hours(1) => Some(3600),
            _ => None,
        };
        // Our last year ends 26 hours after jiff's last instant: for the zone's clocks what is later is as if it were then.
        let instant = jiff::Timestamp::from_microsecond(us).unwrap_or(jiff::Timestamp::MAX);
        if let Some(seconds) = exact {
            let length = seconds * 1_000_000;
            let ahead = i64::from(zone.to_offset(instant).seconds()) * 1_000_000;
            let start = us - (us + ahead).rem_euclid(length);
            return (start, start + length);
        }
        let local = zone.to_datetime(instant);
        let start = self.floor(local);
        let mut bounds = (to_us(start, zone), to_us(self.after(start), zone));
        // A clock that is set back over midnight shows some times of the day before once more: they belong to that day.
        if bounds.1 <= us {
            bounds = (bounds.1, to_us(self.after(self.after(start)), zone));
        }
        (bounds.0.min(us), bounds.1.max(us + 1))
    }

    fn floor(self, local: DateTime) -> DateTime {
        let date = match self {
            Self::Week => {
                let days = local.date().weekday().to_monday_zero_offset();
                local.date().checked_sub(Span::new().days(days)).unwrap_or(local.date())
            }
            Self::Month => local.date().first_of_month(),
            Self::Minutes(_) | Self::Hours(_) | Self::Day => local.date(),
        };
        match self {
            Self::Hours(hours) => {
                let hour = local.hour() - local.hour() % i8::try_from(hours).unwrap_or(1);
                date.to_datetime(Time::new(hour, 0, 0, 0).expect("an hour of the day rounded down is one"))
            }
            _ => date.to_datetime(Time::midnight()),
        }
    }

    fn after(self, start: DateTime) -> DateTime {
        let next = match self {
            Self::Minutes(minutes) => start.checked_add(SignedDuration::from_mins(minutes.into())),
            Self::Hours(hours) => start.checked_add(SignedDuration::from_hours(hours.into())),
            Self::Day => start.checked_add(Span::new().days(1)),
            Self::Week => start.checked_add(Span::new().days(7)),
            Self::Month => start.checked_add(Span::new().months(1)),
        };
        next.unwrap_or(DateTime::MAX)
    }
}

/// The first instant at which the zone's clocks show `local`, or where they skip it the one at which they skip.
fn to_us(local: DateTime, zone: &TimeZone) -> i64 {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    let skipped = matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. });
    let Ok(instant) = ambiguous.compatible() else { return i64::MAX };
    if !skipped {
        return instant.as_microsecond();
    }
    // As much later than the skip as `local` is into it: the skip is the last change up to there.
    let up_to = instant.checked_add(SignedDuration::from_micros(1)).unwrap_or(instant);
    zone.preceding(up_to).next().map_or(instant, |skip| skip.timestamp()).as_microsecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn check(interval: &str, zone_name: &str, at: &str, start: &str, end: &str) {
        let interval = Interval::named(interval).unwrap();
        let (from, to) = interval.around(at.parse().unwrap(), &zone(zone_name));
        let text = |us| Timestamp::from_micros(us).unwrap().to_string().replace(".000000", "");
        assert_eq!((text(from).as_str(), text(to).as_str()), (start, end), "{at} in {zone_name}");
    }

    #[test]
    fn stretches_begin_where_the_zones_clocks_say() {
        check("1d", "UTC", "2026-11-21T10:00:00Z", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z");
        check(
            "1d",
            "America/Sao_Paulo",
            "2026-11-21T02:00:00Z",
            "2026-11-20T03:00:00Z",
            "2026-11-21T03:00:00Z",
        );
        check("1w", "UTC", "2026-11-22T23:59:59Z", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z");
        check("1mo", "Asia/Kolkata", "2026-02-28T18:30:00Z", "2026-02-28T18:30:00Z", "2026-03-31T18:30:00Z");
        check(
            "15m",
            "Asia/Kathmandu",
            "2026-11-21T10:14:00Z",
            "2026-11-21T10:00:00Z",
            "2026-11-21T10:15:00Z",
        );
        check("1h", "Asia/Kathmandu", "2026-11-21T10:14:00Z", "2026-11-21T09:15:00Z", "2026-11-21T10:15:00Z");
    }

    #[test]
    fn a_day_on_which_clocks_are_set_has_23_or_25_hours() {
        check("1d", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
        check("1d", "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        check("3h", "Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-24T22:00:00Z", "2026-10-25T02:00:00Z");
        check("1h", "Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z");
    }

    #[test]
    fn a_stretch_whose_beginning_the_clocks_skip_begins_where_they_skip() {
        // From 2:45 to 3:45, so that nothing is ever 3:00.
        check(
            "3h",
            "Pacific/Chatham",
            "2026-09-26T13:59:59Z",
            "2026-09-26T11:15:00Z",
            "2026-09-26T14:00:00Z",
        );
        for at in ["2026-09-26T14:00:00Z", "2026-09-26T14:05:00Z", "2026-09-26T16:14:59Z"] {
            check("3h", "Pacific/Chatham", at, "2026-09-26T14:00:00Z", "2026-09-26T16:15:00Z");
        }
        // From 23:30 to 0:30: no midnight.
        check(
            "1d",
            "America/Toronto",
            "1919-03-31T04:40:00Z",
            "1919-03-31T04:30:00Z",
            "1919-04-01T04:00:00Z",
        );
    }

    #[test]
    fn stretches_follow_one_another_without_a_hole_or_an_overlap() {
        for name in
            ["UTC", "Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Gaza"]
        {
            let zone = zone(name);
            for (interval_name, interval) in Interval::ALL {
                let first: Timestamp = "2025-12-28T07:11:13Z".parse().unwrap();
                let (mut start, mut end) = interval.around(first, &zone);
                for _ in 0..800 {
                    let inside = Timestamp::from_micros(start + (end - start) / 2).unwrap();
                    assert_eq!(interval.around(inside, &zone), (start, end), "{interval_name} in {name}");
                    let last = Timestamp::from_micros(end - 1).unwrap();
                    assert_eq!(interval.around(last, &zone), (start, end), "{interval_name} in {name}");
                    let next = interval.around(Timestamp::from_micros(end).unwrap(), &zone);
                    assert_eq!(next.0, end, "{interval_name} in {name}");
                    (start, end) = next;
                }
            }
        }
    }

    #[test]
    fn the_first_and_the_last_time_of_an_event_lie_in_a_stretch_too() {
        for name in ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"] {
            for (interval_name, interval) in Interval::ALL {
                for at in [Timestamp::MIN, Timestamp::MAX] {
                    let (start, end) = interval.around(at, &zone(name));
                    assert!((start..end).contains(&at.as_micros()), "{interval_name} in {name}");
                }
            }
        }
    }
}
