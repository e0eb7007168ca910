//! Stretches of time that a histogram counts in: hours and days as the clocks of a time zone show them.

use annals_event::Timestamp;
use jiff::civil::{DateTime, Time, datetime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span};

const SECOND: i64 = 1_000_000;
const EPOCH: DateTime = datetime(1970, 1, 1, 0, 0, 0, 0);

/// More than any clock is ahead of UTC or behind it.
const OFFSET_US_MAX: i64 = 26 * 3600 * SECOND;

/// The length of a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    /// So many minutes, which divide an hour; each is as long as it says, also where clocks are set, unless they are set by a
    /// part of it: then one ends early, and the next begins, where they are.
    Minutes(u8),
    /// So many hours, which divide a day. From one full hour of the zone's clocks to another, so where clocks are set one of
    /// them is shorter or longer; but a single hour is as minutes are.
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

    /// The stretch that holds `at`: its first µs, and the first of the one after it; [`i64::MAX`] where our calendar ends.
    ///
    /// Stretches follow one another without a hole or an overlap, whatever the zone's clocks do.
    pub(crate) fn around(self, at: Timestamp, zone: &TimeZone) -> (i64, i64) {
        let us = at.as_micros();
        match self {
            Self::Minutes(minutes) => exact(us, i64::from(minutes) * 60 * SECOND, zone),
            Self::Hours(1) => exact(us, 3600 * SECOND, zone),
            _ => {
                // A clock that is set back over midnight shows some times of the day before once more: they belong to the day
                // that had begun.
                let local = EPOCH.checked_add(SignedDuration::from_micros(latest_shown(us, zone)));
                let start = self.floor(local.unwrap_or(DateTime::MAX));
                let end = self.after(start).map_or(i64::MAX, |end| first_showing(local_us(end), zone));
                (first_showing(local_us(start), zone), end)
            }
        }
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

    fn after(self, start: DateTime) -> Option<DateTime> {
        let next = match self {
            Self::Minutes(minutes) => start.checked_add(SignedDuration::from_mins(minutes.into())),
            Self::Hours(hours) => start.checked_add(SignedDuration::from_hours(hours.into())),
            Self::Day => start.checked_add(Span::new().days(1)),
            Self::Week => start.checked_add(Span::new().days(7)),
            Self::Month => start.checked_add(Span::new().months(1)),
        };
        next.ok()
    }
}

/// The stretch of `length` µs of the zone's clocks that holds `us`. Where they are set by another amount than so many whole
/// stretches, the one before ends, and the first one after begins, at the change.
fn exact(us: i64, length: i64, zone: &TimeZone) -> (i64, i64) {
    let shifts = |change: i64| (offset_us(change, zone) - offset_us(change - 1, zone)) % length != 0;
    let start = us - (us + offset_us(us, zone)).rem_euclid(length);
    let end = start + length;
    let before = changes_back(us, zone).take_while(|change| *change > start).find(|change| shifts(*change));
    let after = changes_after(us, zone).take_while(|change| *change < end).find(|change| shifts(*change));
    (before.unwrap_or(start), after.unwrap_or(end))
}

/// The latest time that the zone's clocks have shown up to `us`, as µs of their calendar.
fn latest_shown(us: i64, zone: &TimeZone) -> i64 {
    // What was shown before is later only if the clocks were set back since, and by more than has passed.
    let changes = changes_back(us, zone).take_while(|change| us - change <= 2 * OFFSET_US_MAX);
    let shown = changes.map(|change| change - 1 + offset_us(change - 1, zone));
    shown.fold(us + offset_us(us, zone), i64::max)
}

/// The first instant at which the zone's clocks show a time as late as `local`, µs of their calendar: where they skip it the
/// one at which they skip, and where they show it twice the first.
fn first_showing(local: i64, zone: &TimeZone) -> i64 {
    // No clock is further ahead, so none has shown it yet.
    let mut from = local - OFFSET_US_MAX;
    let mut changes = changes_after(from, zone);
    loop {
        let change = changes.next().unwrap_or(i64::MAX);
        let at = from.max(local - offset_us(from, zone));
        if at < change {
            return at;
        }
        from = change;
    }
}

/// The changes of the zone's clocks up to `us`, the latest first.
fn changes_back(us: i64, zone: &TimeZone) -> impl Iterator<Item = i64> {
    zone.preceding(instant(us.saturating_add(1))).map(|change| change.timestamp().as_microsecond())
}

/// The changes of the zone's clocks after `us`, the earliest first.
fn changes_after(us: i64, zone: &TimeZone) -> impl Iterator<Item = i64> {
    zone.following(instant(us)).map(|change| change.timestamp().as_microsecond())
}

/// How far the zone's clocks are ahead of UTC.
fn offset_us(us: i64, zone: &TimeZone) -> i64 {
    i64::from(zone.to_offset(instant(us)).seconds()) * SECOND
}

/// Our last year ends 26 hours after jiff's last instant: for the zone's clocks what is later is as if it were then.
fn instant(us: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(us).unwrap_or(jiff::Timestamp::MAX)
}

fn local_us(local: DateTime) -> i64 {
    i64::try_from(local.duration_since(EPOCH).as_micros())
        .expect("the years of the calendar in µs are an i64")
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

    /// Zones that have set their clocks by odd amounts, over midnight, by whole days, twice at short notice, or the usual way.
    const ZONES: &[&str] = &[
        "Africa/Cairo",
        "Africa/Casablanca",
        "Africa/Monrovia",
        "America/Caracas",
        "America/Havana",
        "America/Juneau",
        "America/Los_Angeles",
        "America/Santiago",
        "America/Sao_Paulo",
        "America/Scoresbysund",
        "America/St_Johns",
        "America/Toronto",
        "Antarctica/Casey",
        "Antarctica/Troll",
        "Asia/Gaza",
        "Asia/Jerusalem",
        "Asia/Kathmandu",
        "Asia/Kolkata",
        "Asia/Manila",
        "Asia/Pyongyang",
        "Asia/Singapore",
        "Asia/Tehran",
        "Atlantic/Azores",
        "Australia/Eucla",
        "Australia/Lord_Howe",
        "EET",
        "Europe/Amsterdam",
        "Europe/Berlin",
        "Europe/Dublin",
        "Europe/Istanbul",
        "Europe/London",
        "Europe/Moscow",
        "Pacific/Apia",
        "Pacific/Chatham",
        "Pacific/Guam",
        "Pacific/Honolulu",
        "Pacific/Kiritimati",
        "Pacific/Kwajalein",
        "Pacific/Norfolk",
        "Pacific/Tongatapu",
    ];

    #[test]
    fn no_change_of_the_clocks_leaves_a_hole_or_an_overlap() {
        let until: jiff::Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
        let mut changes = 0;
        for name in ZONES {
            let zone = zone(name);
            let all = zone.following(jiff::Timestamp::MIN).map(|change| change.timestamp());
            for change in all.take_while(|change| *change < until) {
                changes += 1;
                for (interval_name, interval) in Interval::ALL {
                    let case = format!("{interval_name} in {name} at {change}");
                    let around = |us| interval.around(Timestamp::from_micros(us).unwrap(), &zone);
                    let change = change.as_microsecond();
                    let mut start = around(change - 35 * 60 * SECOND).0;
                    // Up to it, and some more.
                    let mut beyond = 0;
                    while beyond < 3 {
                        let stretch @ (_, end) = around(start);
                        assert_eq!(stretch.0, start, "{case}: begins where the one before ends");
                        assert!(start < end, "{case}");
                        for inside in [start + (end - start) / 2, end - 1] {
                            assert_eq!(around(inside), stretch, "{case}: {inside}");
                        }
                        beyond += usize::from(change < end);
                        start = end;
                    }
                    for at in (-8..=8).map(|step| change + step * 23 * 60 * SECOND).chain([change - 1]) {
                        let (from, to) = around(at);
                        assert!((from..to).contains(&at), "{case}: {at} in {from}..{to}");
                        assert_eq!(around(from), (from, to), "{case}: {at}");
                        assert_eq!(around(to - 1), (from, to), "{case}: {at}");
                    }
                }
            }
        }
        assert!(changes > 3_000, "{changes}");
    }

    #[test]
    fn an_hour_ends_where_the_clocks_are_set_by_half_of_one() {
        // From 2:00 back to 1:30.
        check(
            "1h",
            "Australia/Lord_Howe",
            "2026-04-04T14:40:00Z",
            "2026-04-04T14:00:00Z",
            "2026-04-04T15:00:00Z",
        );
        for at in ["2026-04-04T15:00:00Z", "2026-04-04T15:29:59Z"] {
            check("1h", "Australia/Lord_Howe", at, "2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z");
        }
        check(
            "1h",
            "Australia/Lord_Howe",
            "2026-04-04T15:30:00Z",
            "2026-04-04T15:30:00Z",
            "2026-04-04T16:30:00Z",
        );
        // From 2:00 to 2:30.
        check(
            "1h",
            "Australia/Lord_Howe",
            "2026-10-03T15:30:00Z",
            "2026-10-03T15:30:00Z",
            "2026-10-03T16:00:00Z",
        );
    }

    #[test]
    fn the_last_day_of_the_calendar_is_a_day() {
        check("1d", "UTC", "9999-12-30T23:00:00Z", "9999-12-30T00:00:00Z", "9999-12-31T00:00:00Z");
        let (start, end) = Interval::Day.around(Timestamp::MAX, &TimeZone::UTC);
        assert_eq!(Timestamp::from_micros(start).unwrap().to_string(), "9999-12-31T00:00:00.000000Z");
        assert!(end > Timestamp::MAX.as_micros());
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
