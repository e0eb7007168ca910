//! Waiting for what is not as it should be, and saying so.

use std::time::{Duration, Instant};

use crate::output::Output;

/// Pauses between tries: the first, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Between two notes on the same trouble.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// The pauses of one trouble, without end.
pub(super) struct Patience {
    output: Output,
    next: Duration,
    /// What was said last, and when.
    noted: Option<(String, Instant)>,
}

impl Patience {
    pub(super) fn new(output: Output) -> Self {
        Self { output, next: PAUSE_MIN, noted: None }
    }

    /// Waits, longer each time, and says why: when the reason is new, and once a minute.
    pub(super) async fn pause(&mut self, why: &str) {
        let now = Instant::now();
        let is_news = self.noted.as_ref().is_none_or(|(said, at)| said != why || now - *at >= NOTE_EVERY);
        if is_news {
            self.output.note(&format!("{why}; trying again"));
            self.noted = Some((why.to_owned(), now));
        }
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(PAUSE_MAX);
    }

    /// Something was done again.
    pub(super) fn over(&mut self) {
        if self.noted.take().is_some() {
            self.output.note("relaying again");
        }
        self.next = PAUSE_MIN;
    }
}
