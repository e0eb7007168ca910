//! Why a command ended early.

use std::fmt;

/// What went wrong, for a developer to read.
pub(crate) type Fault = Box<dyn std::error::Error + Send + Sync>;

/// The result of a step.
pub(crate) type Result<T> = std::result::Result<T, Fault>;

/// Says what was being done when an error came up.
pub(crate) trait While<T> {
    /// Puts `what` before the error's text.
    fn while_doing(self, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> While<T> for std::result::Result<T, E> {
    fn while_doing(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| format!("{what}: {error}").into())
    }
}

/// Ends the step with a formatted [`Fault`].
macro_rules! fail {
    ($($text:tt)*) => { return Err(format!($($text)*).into()) };
}

/// Ends the step with a formatted [`Fault`] unless the condition holds.
macro_rules! require {
    ($holds:expr, $($text:tt)*) => { if !$holds { $crate::fault::fail!($($text)*) } };
}

pub(crate) use {fail, require};
