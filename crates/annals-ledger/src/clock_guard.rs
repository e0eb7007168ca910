//! Notices when the wall clock jumps against the monotonic one: times in an audit log must not be nonsense.
//!
//! Of a clock at the start nothing is known but the newest time that is stored. One that is far ahead of it may be right, after a long
//! rest, or wrong; events are taken, as somebody may look at them and mend it, but nothing expires, which nobody could mend.

use std::sync::Mutex;

use crate::clock::Clock;

/// A jump of more than this makes ingest refuse, µs.
pub(crate) const CLOCK_JUMP_US_MAX: i64 = 3_600 * 1_000_000;

/// A clock that is this far ahead of the newest stored time at the start is doubted, and believed after it ran for as long, µs.
pub(crate) const CLOCK_AHEAD_US_MAX: i64 = 72 * 3_600 * 1_000_000;

/// Remembers how the two clocks stood to each other.
pub(crate) struct ClockGuard {
    /// Wall minus monotonic, µs, when the clock was last believed.
    offset_us: Mutex<i64>,
    /// What the clock at the start was too far ahead of.
    doubt: Mutex<Option<Doubt>>,
}

/// See [`CLOCK_AHEAD_US_MAX`].
#[derive(Clone, Copy)]
struct Doubt {
    /// The newest time that was stored, µs since 1970.
    newest_us: i64,
    /// Since when the clock runs, by the monotonic one, µs.
    since_us: u64,
}

impl ClockGuard {
    pub(crate) fn new(clock: &dyn Clock) -> Self {
        Self { offset_us: Mutex::new(offset_us(clock)), doubt: Mutex::default() }
    }

    /// How far the wall clock has jumped, when it is too far.
    pub(crate) fn jump_us(&self, clock: &dyn Clock) -> Option<i64> {
        let believed = *self.offset_us.lock().expect("no holder of this lock panics");
        let jump = offset_us(clock).saturating_sub(believed);
        (jump.saturating_abs() > CLOCK_JUMP_US_MAX).then_some(jump)
    }

    /// The clock at the start was too far ahead of this time.
    pub(crate) fn doubt(&self, newest_us: i64, clock: &dyn Clock) {
        *self.doubting() = Some(Doubt { newest_us, since_us: clock.monotonic_us() });
    }

    /// How far the clock is ahead of what was stored before the start, when that is too far; and whether it has run for long enough
    /// to be believed all the same.
    pub(crate) fn doubted(&self, clock: &dyn Clock) -> Option<(i64, bool)> {
        let doubt = (*self.doubting())?;
        let ran_us = clock.monotonic_us().saturating_sub(doubt.since_us);
        let is_over = ran_us >= CLOCK_AHEAD_US_MAX.unsigned_abs();
        Some((clock.now().as_micros().saturating_sub(doubt.newest_us), is_over))
    }

    fn doubting(&self) -> std::sync::MutexGuard<'_, Option<Doubt>> {
        self.doubt.lock().expect("no holder of this lock panics")
    }

    /// Believes the clock as it is now.
    pub(crate) fn confirm(&self, clock: &dyn Clock) {
        *self.doubting() = None;
        *self.offset_us.lock().expect("no holder of this lock panics") = offset_us(clock);
    }
}

fn offset_us(clock: &dyn Clock) -> i64 {
    let monotonic = i64::try_from(clock.monotonic_us()).unwrap_or(i64::MAX);
    clock.now().as_micros().saturating_sub(monotonic)
}
