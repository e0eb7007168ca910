//! How a command ends: who must act, as an exit code.
//!
//! | code | kind | who acts |
//! |---|---|---|
//! | 0 | | nobody |
//! | 2 | invalid | the caller changes the command, the settings or the request |
//! | 3 | denied | the caller gets other credentials |
//! | 4 | missing | the caller asks for something else |
//! | 5 | conflict | the caller looks again, then decides |
//! | 6 | busy | the caller waits |
//! | 7 | unavailable | the operator: a disk, a server or a network does not answer |
//! | 8 | damaged | the operator: stored bytes do not match their hash |
//! | 70 | bug | us |
//!
//! Ended by a signal: 128 and its number, 130 for an interrupt, 143 for a termination.

use annals_ledger::ErrorKind;

/// Who must act on a failed command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Invalid,
    Denied,
    Missing,
    Conflict,
    Busy,
    Unavailable,
    Damaged,
    Bug,
}

impl Exit {
    /// The process's exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Invalid => 2,
            Self::Denied => 3,
            Self::Missing => 4,
            Self::Conflict => 5,
            Self::Busy => 6,
            Self::Unavailable => 7,
            Self::Damaged => 8,
            Self::Bug => 70,
        }
    }

    /// The word for it in JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Denied => "denied",
            Self::Missing => "missing",
            Self::Conflict => "conflict",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Damaged => "damaged",
            Self::Bug => "bug",
        }
    }
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Invalid => Self::Invalid,
            ErrorKind::Denied => Self::Denied,
            ErrorKind::Missing => Self::Missing,
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::Busy | ErrorKind::Uncertain => Self::Busy,
            ErrorKind::Unavailable => Self::Unavailable,
            ErrorKind::Damaged => Self::Damaged,
            ErrorKind::Bug => Self::Bug,
        }
    }
}

/// Why a command failed, in words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// Lower case, no full stop, values in backticks.
    pub(crate) message: String,
    /// A way out.
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// A failure without a hint. A line starting with `hint: ` in `message` becomes one.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        let message = message.into();
        match message.split_once("\nhint: ") {
            Some((message, hint)) => Self { exit, message: message.to_owned(), hint: Some(hint.to_owned()) },
            None => Self { exit, message, hint: None },
        }
    }

    /// A file or folder that the system does not let us use.
    pub(crate) fn io(what: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let exit = match error.kind() {
            std::io::ErrorKind::NotFound => Exit::Missing,
            std::io::ErrorKind::PermissionDenied => Exit::Denied,
            _ => Exit::Unavailable,
        };
        Self::new(exit, format!("cannot {what} `{}`: {}", path.display(), reason(error)))
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// An error with its causes, on one line.
pub(crate) fn reason(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        // Some errors repeat their cause in their own words.
        if !text.ends_with(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}
