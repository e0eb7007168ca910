//! Going on after a connection was lost, for commands that follow.

use std::time::Duration;

use crate::exit::{Exit, Failure};
use crate::output::Output;

/// The first wait, and the longest.
const WAIT_MIN: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(15);

/// Tries again for ever once the server has answered, and says so on standard error.
#[derive(Debug)]
pub(crate) struct Again {
    output: Output,
    /// The server has answered once.
    answered: bool,
    lost: bool,
    wait: Duration,
}

impl Again {
    pub(crate) fn new(output: Output) -> Self {
        Self { output, answered: false, lost: false, wait: WAIT_MIN }
    }

    /// The server answers.
    pub(crate) fn answered(&mut self) {
        if self.lost {
            self.output.note("connected again");
        }
        *self = Self { answered: true, ..Self::new(self.output) };
    }

    /// Waits before the next try.
    ///
    /// # Errors
    ///
    /// `failure` itself, when trying again does not mend it: the server never answered, or it refuses.
    pub(crate) async fn after(&mut self, failure: Failure) -> Result<(), Failure> {
        if !self.answered || !matches!(failure.exit, Exit::Busy | Exit::Unavailable) {
            return Err(failure);
        }
        if !self.lost {
            self.lost = true;
            self.output.note(&format!("{}; trying again until it answers", failure.message));
        }
        tokio::time::sleep(self.wait).await;
        self.wait = (self.wait * 2).min(WAIT_MAX);
        Ok(())
    }
}
