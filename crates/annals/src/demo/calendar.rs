//! Days, weekdays and clock times, from microseconds since 1970 and back to text. UTC, proleptic Gregorian.

pub(super) const SECOND_US: i64 = 1_000_000;
pub(super) const MINUTE_US: i64 = 60 * SECOND_US;
pub(super) const HOUR_US: i64 = 60 * MINUTE_US;
pub(super) const DAY_US: i64 = 24 * HOUR_US;

/// How many days the story lasts.
pub(super) const STORY_DAYS: i64 = 365;

/// A moment as people in one place see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LocalTime {
    pub(super) year: i64,
    /// 1 to 12.
    pub(super) month: u32,
    /// 1 to 31.
    pub(super) day: u32,
    /// 0 is Monday.
    pub(super) weekday: usize,
    /// 0 to 23.
    pub(super) hour: usize,
}

/// The wall-clock time at `at_us` where clocks are `offset_hours` ahead of UTC.
pub(super) fn local_time(at_us: i64, offset_hours: i64) -> LocalTime {
    let local_us = at_us + offset_hours * HOUR_US;
    let days = local_us.div_euclid(DAY_US);
    let (year, month, day) = civil(days);
    LocalTime {
        year,
        month,
        day,
        // 1970-01-01 was a Thursday.
        weekday: small((days + 3).rem_euclid(7)) as usize,
        hour: small(local_us.rem_euclid(DAY_US) / HOUR_US) as usize,
    }
}

/// Appends `YYYY-MM-DDTHH:MM:SS.ffffffZ`. `at_us` lies in the years 1000 to 9999.
pub(super) fn push_instant(out: &mut Vec<u8>, at_us: i64) {
    push_date(out, at_us);
    let in_day_us = at_us.rem_euclid(DAY_US);
    out.push(b'T');
    push_digits(out, in_day_us / HOUR_US, 2);
    out.push(b':');
    push_digits(out, in_day_us / MINUTE_US % 60, 2);
    out.push(b':');
    push_digits(out, in_day_us / SECOND_US % 60, 2);
    out.push(b'.');
    push_digits(out, in_day_us % SECOND_US, 6);
    out.push(b'Z');
}

/// Appends `YYYY-MM-DD`.
pub(super) fn push_date(out: &mut Vec<u8>, at_us: i64) {
    let (year, month, day) = civil(at_us.div_euclid(DAY_US));
    push_digits(out, year, 4);
    out.push(b'-');
    push_digits(out, i64::from(month), 2);
    out.push(b'-');
    push_digits(out, i64::from(day), 2);
}

/// Year, month and day of a day counted from 1970-01-01.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`: years begin in March, so
/// that the leap day is the last of its year.
fn civil(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = small(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    let month = small(if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 });
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn push_digits(out: &mut Vec<u8>, value: i64, digits: usize) {
    let mut text = [b'0'; 6];
    let mut left = value;
    for place in text[..digits].iter_mut().rev() {
        *place += u8::try_from(left.rem_euclid(10)).expect("a digit is below 10");
        left /= 10;
    }
    out.extend_from_slice(&text[..digits]);
}

fn small(value: i64) -> u32 {
    u32::try_from(value).expect("a part of a date is small and not negative")
}
