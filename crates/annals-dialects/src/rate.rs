//! How many requests a key may make: counted in windows, each of which begins with its first request.

use std::collections::BTreeMap;

use annals_event::Timestamp;

/// Windows that are remembered at once. Beyond, what ended is forgotten, and if nothing did, what began first.
const WINDOWS_MAX: usize = 1 << 14;

/// A second, in µs.
const SECOND: i64 = 1_000_000;

/// So many requests within so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At most so many,
    pub requests: u64,
    /// within so long.
    pub seconds: u64,
}

impl Rate {
    /// What holds unless the vendor's own limits are asked for: a fence around a client that runs wild.
    pub const OURS: Self = Self { requests: 60_000, seconds: 60 };
}

/// What a key has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Of this.
    pub rate: Rate,
    /// Requests.
    pub left: u64,
    /// Seconds until there are all again, from 1.
    pub seconds_left: u64,
}

/// What all keys have left.
#[derive(Debug, Default)]
pub struct Allowances(BTreeMap<(&'static str, String), Window>);

#[derive(Clone, Copy, Debug)]
struct Window {
    began_us: i64,
    ends_us: i64,
    requests: u64,
}

impl Allowances {
    /// Counts a request of a key to a vendor's API.
    ///
    /// # Errors
    ///
    /// There is nothing left; what says how long to wait.
    pub fn take(
        &mut self,
        vendor: &'static str,
        key: &str,
        rate: Rate,
        now: Timestamp,
    ) -> Result<Allowance, Allowance> {
        let now = now.as_micros();
        let length = i64::try_from(rate.seconds).unwrap_or(i64::MAX).saturating_mul(SECOND);
        let new = Window { began_us: now, ends_us: now.saturating_add(length), requests: 0 };
        let name = (vendor, key.to_owned());
        if !self.0.contains_key(&name) {
            self.make_room(now);
        }
        let window = self.0.entry(name).or_insert(new);
        // Before its beginning: the clock was set back.
        if !(window.began_us..window.ends_us).contains(&now) {
            *window = new;
        }
        let left_us = u64::try_from(window.ends_us - now).unwrap_or(0);
        let allowance = |left| Allowance { rate, left, seconds_left: left_us.div_ceil(1_000_000).max(1) };
        if window.requests >= rate.requests {
            return Err(allowance(0));
        }
        window.requests += 1;
        Ok(allowance(rate.requests - window.requests))
    }

    fn make_room(&mut self, now: i64) {
        if self.0.len() < WINDOWS_MAX {
            return;
        }
        self.0.retain(|_, window| (window.began_us..window.ends_us).contains(&now));
        if self.0.len() >= WINDOWS_MAX {
            let oldest =
                self.0.iter().min_by_key(|(_, window)| window.began_us).map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                self.0.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: Rate = Rate { requests: 5, seconds: 1 };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_795_255_200_000 + millis).unwrap()
    }

    #[test]
    fn the_sixth_within_a_second_waits_for_its_end() {
        let mut allowances = Allowances::default();
        let mut take = |key, millis| allowances.take("v", key, FIVE, at(millis));
        for (millis, left) in [(0, 4), (10, 3), (20, 2), (30, 1), (999, 0)] {
            assert_eq!(take("k", millis).unwrap().left, left);
        }
        assert_eq!(take("k", 999).unwrap_err(), Allowance { rate: FIVE, left: 0, seconds_left: 1 });
        assert_eq!(take("other", 999).unwrap().left, 4);
        assert_eq!(take("k", 1_000).unwrap().left, 4);
        assert_eq!(take("k", -5_000).unwrap().left, 4, "the clock was set back");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut allowances = Allowances::default();
        let mut take = |key: usize, millis| {
            allowances.take("v", &key.to_string(), FIVE, at(millis)).unwrap();
            allowances.0.len()
        };
        for key in 0..WINDOWS_MAX + 5 {
            assert_eq!(take(key, 7), WINDOWS_MAX.min(key + 1), "none has ended");
        }
        assert_eq!(take(0, 1_007), 1, "all others have ended");
    }
}
