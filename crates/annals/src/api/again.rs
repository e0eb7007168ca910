//! Going on after a connection was lost, for commands that follow.

use std::time::Duration;

use crate::exit::{Exit, Failure};
use crate::output::Output;

/// The first wait, and the longest.
const WAIT_MIN: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(15);

/// Tries again once the server has answered, for ever or a few times, and says so on standard error.
#[derive(Debug)]
pub(crate) struct Again {
    output: Output,
    /// The server has answered once.
    answered: bool,
    lost: bool,
    wait: Duration,
    /// Tries before it gives up; none for no end.
    tries_max: Option<u32>,
    tries: u32,
}

impl Again {
    /// Without an end, for who follows.
    pub(crate) fn new(output: Output) -> Self {
        Self { output, answered: false, lost: false, wait: WAIT_MIN, tries_max: None, tries: 0 }
    }

    /// At most so many tries one after the other, for who wants an end.
    pub(crate) fn up_to(tries_max: u32, output: Output) -> Self {
        Self { tries_max: Some(tries_max), ..Self::new(output) }
    }

    /// The server has begun to answer. What is lost from here on is worth another try.
    pub(crate) fn begun(&mut self) {
        self.answered = true;
    }

    /// The server answers.
    pub(crate) fn answered(&mut self) {
        if self.lost {
            self.output.note("connected again");
        }
        *self = Self { answered: true, tries_max: self.tries_max, ..Self::new(self.output) };
    }

    /// Waits before the next try.
    ///
    /// # Errors
    ///
    /// `failure` itself, when trying again does not mend it: the server never answered, or it refuses, or enough was tried.
    pub(crate) async fn after(&mut self, failure: Failure) -> Result<(), Failure> {
        if !self.answered || !matches!(failure.exit, Exit::Busy | Exit::Unavailable) {
            return Err(failure);
        }
        if self.tries_max.is_some_and(|max| self.tries >= max) {
            return Err(failure);
        }
        self.tries += 1;
        if !self.lost {
            self.lost = true;
            let how_long = if self.tries_max.is_none() { " until it answers" } else { "" };
            self.output.note(&format!("{}; trying again{how_long}", failure.message));
        }
        tokio::time::sleep(self.wait).await;
        self.wait = (self.wait * 2).min(WAIT_MAX);
        Ok(())
    }
}
