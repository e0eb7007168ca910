//! The real clock and the real randomness.

use annals_event::Timestamp;
use annals_ledger::{Clock, Entropy};
use rustix::time::{ClockId, clock_gettime};

/// The operating system's clocks.
///
/// Monotonic time is `CLOCK_BOOTTIME`, which goes on while the machine sleeps: a suspend is then no jump of the wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let at = clock_gettime(ClockId::Realtime);
        Timestamp::from_micros(at.tv_sec.saturating_mul(1_000_000).saturating_add(at.tv_nsec / 1000))
            .expect("the system clock is between the years 0000 and 9999")
    }

    fn monotonic_us(&self) -> u64 {
        let at = clock_gettime(ClockId::Boottime);
        u64::try_from(at.tv_sec.saturating_mul(1_000_000).saturating_add(at.tv_nsec / 1000))
            .expect("time since the start is not negative")
    }
}

/// The operating system's random number generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes)
            .expect("the operating system gives random bytes; without them no secret may be made");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_does_not_fall_and_random_bytes_differ() {
        let clock = SystemClock;
        let first = clock.monotonic_us();
        assert!(clock.monotonic_us() >= first);
        assert!(clock.now().as_micros() > 0);
        let (mut one, mut other) = ([0; 32], [0; 32]);
        SystemEntropy.fill(&mut one);
        SystemEntropy.fill(&mut other);
        assert_ne!(one, other);
    }
}
