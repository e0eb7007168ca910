//! Time that passes when the run says so.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use annals_event::Timestamp;
use annals_ledger::Clock;

/// A wall clock that can be set, and a monotonic one that cannot.
#[derive(Debug)]
pub(crate) struct SimClock {
    wall_us: AtomicI64,
    monotonic_us: AtomicU64,
}

impl SimClock {
    pub(crate) fn new() -> Self {
        // 2026-11-18 and some hours; any day would do.
        Self { wall_us: AtomicI64::new(1_795_000_000_000_000), monotonic_us: AtomicU64::new(1) }
    }

    /// Time passes, for both clocks.
    pub(crate) fn pass(&self, micros: u64) {
        self.monotonic_us.fetch_add(micros, Ordering::Relaxed);
        self.jump(i64::try_from(micros).expect("a run lasts days, not ages"));
    }

    /// Somebody sets the wall clock.
    pub(crate) fn jump(&self, micros: i64) {
        self.wall_us.fetch_add(micros, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.wall_us.load(Ordering::Relaxed)).expect("a time of our days")
    }

    fn monotonic_us(&self) -> u64 {
        self.monotonic_us.load(Ordering::Relaxed)
    }
}
