//! How fast records may come while others are being sealed.
//!
//! Two tails are held: one is being sealed, the other takes what comes. Whoever writes faster than records are sealed fills the
//! other and must wait. Rather than let him write at full speed and then stand still until the seal is done, the room in the second
//! tail is given out over the time that the seal is likely to take, which is what the last one took.
//!
//! ```text
//! part of the room given out
//! 1 |          ___/
//!   |      ___/
//!   |  ___/
//!   |_/  FREE at once
//! 0 +-------------- time since the tail was frozen / time that sealing it takes
//! ```

use std::time::Duration;

/// Part of the room that nobody waits for: bursts pass at full speed.
const FREE: f64 = 0.25;

/// No seal is expected to take longer: one that hung on a bad disk says nothing of the next.
const SEAL_US_MAX: f64 = 10_000_000.0;

/// See the module.
#[derive(Default)]
pub(crate) struct Pace {
    /// When the tail that is being sealed was frozen, µs of the clock that only rises.
    pub(crate) frozen_at_us: u64,
    /// Time that sealing took last, by record; zero before the first.
    us_per_record: f64,
}

#[expect(clippy::cast_precision_loss, reason = "times and counts far below 2^52")]
impl Pace {
    /// So many records were sealed in so many µs; few of them tell nothing.
    pub(crate) fn sealed(&mut self, records: u64, micros: u64) {
        self.us_per_record = (micros as f64).min(SEAL_US_MAX) / records.max(1) as f64;
    }

    /// How long to wait before the next batch, while so many records are being sealed and the other tail is `filled` in part.
    pub(crate) fn patience(&self, sealing: u64, filled: f64, now_us: u64) -> Option<Duration> {
        let seal_us = (self.us_per_record * sealing as f64).min(SEAL_US_MAX);
        let due_us = (filled - FREE) / (1.0 - FREE) * seal_us;
        let elapsed_us = now_us.saturating_sub(self.frozen_at_us) as f64;
        (due_us > elapsed_us).then(|| Duration::from_secs_f64((due_us - elapsed_us) / 1e6))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAIL: u64 = 80_000;

    fn pace() -> Pace {
        let mut pace = Pace { frozen_at_us: 6_000_000, us_per_record: 0.0 };
        pace.sealed(TAIL, 4_000_000);
        pace
    }

    #[test]
    fn the_room_is_given_out_over_the_time_that_the_last_seal_took() {
        let pace = pace();
        let at = |micros: u64, filled: f64| {
            pace.patience(TAIL, filled, 6_000_000 + micros).map(|time| time.as_micros() / 1_000)
        };
        assert_eq!(at(0, 0.25), None, "a burst passes");
        assert_eq!(at(0, 0.625), Some(2_000), "half of the rest is due at half of the time");
        assert_eq!(at(1_500_000, 0.625), Some(500));
        assert_eq!(at(2_000_000, 0.625), None);
        assert_eq!(at(4_000_000, 0.999), None, "the seal is late; only a full tail stops anybody then");
        assert_eq!(pace.patience(TAIL / 2, 0.625, 6_000_000), Some(Duration::from_secs(1)), "half as many");
    }

    #[test]
    fn a_seal_that_hung_does_not_hold_up_the_next_for_long() {
        assert_eq!(Pace::default().patience(TAIL, 0.99, 0), None, "nothing was sealed yet");
        let mut hung = pace();
        hung.sealed(TAIL, 900_000_000);
        assert_eq!(hung.patience(TAIL, 0.625, 6_000_000), Some(Duration::from_secs(5)));
    }
}
