//! Notices when the wall clock jumps against the monotonic one: times in an audit log must not be nonsense.

use std::sync::Mutex;

use crate::clock::Clock;

/// A jump of more than this makes ingest refuse, µs.
pub(crate) const CLOCK_JUMP_US_MAX: i64 = 3_600 * 1_000_000;

/// Remembers how the two clocks stood to each other.
pub(crate) struct ClockGuard {
    /// Wall minus monotonic, µs, when the clock was last believed.
    offset_us: Mutex<i64>,
}

impl ClockGuard {
    pub(crate) fn new(clock: &dyn Clock) -> Self {
        Self { offset_us: Mutex::new(offset_us(clock)) }
    }

    /// How far the wall clock has jumped, when it is too far.
    pub(crate) fn jump_us(&self, clock: &dyn Clock) -> Option<i64> {
        let believed = *self.offset_us.lock().expect("no holder of this lock panics");
        let jump = offset_us(clock).saturating_sub(believed);
        (jump.saturating_abs() > CLOCK_JUMP_US_MAX).then_some(jump)
    }

    /// Believes the clock as it is now.
    pub(crate) fn confirm(&self, clock: &dyn Clock) {
        *self.offset_us.lock().expect("no holder of this lock panics") = offset_us(clock);
    }
}

fn offset_us(clock: &dyn Clock) -> i64 {
    let monotonic = i64::try_from(clock.monotonic_us()).unwrap_or(i64::MAX);
    clock.now().as_micros().saturating_sub(monotonic)
}
