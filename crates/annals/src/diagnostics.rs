//! Diagnostics of a server, on standard error: readable on a terminal, JSON lines elsewhere. `ANNALS_LOG` filters them, as
//! `info` or `annals_server=debug,warn` do.

use std::io::{self, IsTerminal as _, Write};

use tracing_subscriber::EnvFilter;

use crate::config;
use crate::exit::{Exit, Failure};

const DEFAULT: &str = "info";

/// Starts them.
///
/// # Errors
///
/// `ANNALS_LOG` is no filter, or not UTF-8.
pub(crate) fn start() -> Result<(), Failure> {
    let filter = config::variable("ANNALS_LOG")?.unwrap_or_else(|| DEFAULT.to_owned());
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        Failure::new(Exit::Invalid, format!("environment variable `ANNALS_LOG`: `{filter}`: {error}"))
            .with_hint("use a level such as `info`, or `annals_server=debug,warn`")
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Unfailing(std::io::stderr()))
        .log_internal_errors(false);
    let started = if std::io::stderr().is_terminal() {
        builder.compact().try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    };
    started.map_err(|error| Failure::new(Exit::Bug, format!("diagnostics cannot start: {error}")))
}

/// Standard error, where a line that cannot be written is lost: it may go to a file on the disk that is full, and what
/// cannot be said must not stop what is done.
struct Unfailing(io::Stderr);

impl Write for Unfailing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.0.write(bytes).unwrap_or(bytes.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().or(Ok(()))
    }
}
