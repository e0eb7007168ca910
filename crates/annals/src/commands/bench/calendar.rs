//! When events happen: over the year 2025, more in office hours than at night and at weekends.
//!
//! Each hour of the year has a weight, and an event's place among all events is its place among the weights; so times rise evenly
//! with the events, and any number of them fills the year.

use super::dice::{Dice, among, derive};

/// Weights of an hour (UTC) of a working day, in per mille of the busiest.
const HOURS: [u64; 24] = [
    220, 180, 160, 150, 160, 210, 330, 520, 760, 930, 1000, 980, 860, 890, 980, 990, 940, 850, 700, 580, 480,
    400, 330, 270,
];

/// What is left of it on the days from Monday to Sunday, in per cent. Some days are quieter at random.
const DAYS: [u64; 7] = [96, 100, 100, 98, 88, 27, 24];

/// 2025-01-01 was a Wednesday.
const FIRST_WEEKDAY: usize = 2;

const DAYS_OF_YEAR: usize = 365;
const HOUR_US: u64 = 3_600_000_000;
pub(super) const DAY_US: u64 = 24 * HOUR_US;
pub(super) const YEAR_US: u64 = 365 * DAY_US;

/// 2025-01-01T00:00:00Z since 1970, in milliseconds.
const YEAR_UNIX_MS: u64 = 1_735_689_600_000;

/// The first day that can be written, days before the year's first; and how many can.
const EARLIER_DAYS: usize = 366;
const TEXT_DAYS: usize = EARLIER_DAYS + DAYS_OF_YEAR + 2;

/// A moment, in microseconds since 2024-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64);

impl Moment {
    /// Microseconds since the beginning of the year 2025; 0 before.
    pub(super) fn of_year(self) -> u64 {
        self.0.saturating_sub(EARLIER_DAYS as u64 * DAY_US)
    }

    /// Milliseconds since 1970.
    pub(super) fn unix_ms(self) -> u64 {
        YEAR_UNIX_MS - EARLIER_DAYS as u64 * (DAY_US / 1_000) + self.0 / 1_000
    }

    pub(super) fn plus_us(self, micros: u64) -> Self {
        Self(self.0 + micros)
    }

    /// Earlier, by up to a year.
    pub(super) fn minus_us(self, micros: u64) -> Self {
        Self(self.0.saturating_sub(micros))
    }
}

/// The year as weights, and where its reader is.
#[derive(Debug)]
pub(super) struct Calendar {
    /// Sum of the weights before each hour, and at the end of all.
    sums: Vec<u64>,
    /// The hour of the last moment.
    hour: usize,
    /// Each day as text.
    days: Vec<[u8; 10]>,
}

impl Calendar {
    pub(super) fn new(seed: u64) -> Self {
        let mut sums = vec![0];
        let mut sum = 0;
        for day in 0..DAYS_OF_YEAR {
            let quiet = if among(derive(seed, day as u64), 30) { 35 } else { 100 };
            for hour in HOURS {
                // Scaled so that a billion events still have moments of their own.
                sum += (hour * DAYS[(FIRST_WEEKDAY + day) % 7] * quiet) << 16;
                sums.push(sum);
            }
        }
        Self { sums, hour: 0, days: days() }
    }

    /// The moment of one event of `count`; they are asked for in order. `late` is how far behind it may be.
    pub(super) fn moment(&mut self, event: u64, count: u64, dice: &mut Dice) -> Moment {
        let total = self.sums[self.sums.len() - 1];
        let at = u128::from(total) * u128::from(2 * event + 1) / u128::from(2 * count);
        let at = u64::try_from(at).expect("below the sum of the weights");
        while self.sums[self.hour + 1] <= at {
            self.hour += 1;
        }
        let within = u128::from(at - self.sums[self.hour]) * u128::from(HOUR_US);
        let within = within / u128::from(self.sums[self.hour + 1] - self.sums[self.hour]);
        let within = u64::try_from(within).expect("within the hour");
        // Machines and networks are not in step: mostly up to two seconds, now and then a minute.
        let behind = if dice.per_mille(8) { 60_000_000 } else { 2_000_000 };
        let behind = u64::from(dice.skewed(behind));
        Moment(EARLIER_DAYS as u64 * DAY_US + self.hour as u64 * HOUR_US + within).minus_us(behind)
    }

    /// RFC 3339 with milliseconds or microseconds, in UTC or an hour east of it.
    pub(super) fn write(&self, moment: Moment, micros: bool, east: bool, to: &mut Vec<u8>) {
        let local = if east { moment.plus_us(HOUR_US) } else { moment };
        let day = usize::try_from(local.0 / DAY_US).expect("a day of three years");
        to.extend_from_slice(&self.days[day.min(TEXT_DAYS - 1)]);
        to.push(b'T');
        let second = local.0 / 1_000_000 % 86_400;
        let micro = local.0 % 1_000_000;
        for (number, end) in [(second / 3_600, b':'), (second / 60 % 60, b':'), (second % 60, b'.')] {
            two(number, to);
            to.push(end);
        }
        let (mut unit, number) = if micros { (100_000, micro) } else { (100, micro / 1_000) };
        while unit > 0 {
            to.push(digit(number / unit % 10));
            unit /= 10;
        }
        to.extend_from_slice(if east { b"+01:00" } else { b"Z" });
    }
}

fn two(number: u64, to: &mut Vec<u8>) {
    to.extend_from_slice(&[digit(number / 10), digit(number % 10)]);
}

fn digit(number: u64) -> u8 {
    b"0123456789"[usize::try_from(number).expect("a digit")]
}

fn days() -> Vec<[u8; 10]> {
    let mut days = Vec::with_capacity(TEXT_DAYS);
    for (year, february) in [(2024, 29), (2025, 28), (2026, 28)] {
        for (month, length) in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31].into_iter().enumerate()
        {
            for day in 1..=length {
                let text = format!("{year}-{:02}-{day:02}", month + 1);
                days.push(text.as_bytes().try_into().expect("ten characters"));
            }
        }
    }
    days.truncate(TEXT_DAYS);
    days
}
