//! What a command says: data on standard output, talk on standard error.
//!
//! With `--json`, standard output is NDJSON: `item` lines, then one `result` line, or an `error` line. (`serve` and `demo`
//! print one line of their own form first.)

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use crate::exit::{Exit, Failure};
use crate::show::text::{json_for_terminal, safe_lines};

/// Between two lines of progress when nobody watches a terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The bar that stands on the terminal, if there is one: whatever else is written there must not be drawn over.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Writes with the bar taken away meanwhile.
fn beside_the_bar<T>(write: impl FnOnce() -> T) -> T {
    let bar = BAR.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Where a command's words go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    /// What is said is beside the point: the work goes on when nobody reads the words.
    serving: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, serving: false }
    }

    /// The words of a server, whose first line may be all that is read, or of a command whose exit code speaks of all its work.
    pub(crate) fn of_server(self) -> Self {
        Self { serving: true, ..self }
    }

    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// One line of data, in the form that was asked for.
    pub(crate) fn line(
        self,
        text: impl FnOnce() -> String,
        json: impl FnOnce() -> Value,
    ) -> Result<(), Failure> {
        let line = if self.json { json().to_string() } else { text() };
        self.raw(&line)
    }

    /// One line of data that stands in the text form alone.
    pub(crate) fn text(self, line: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { self.raw(line) }
    }

    /// One line as it is; of JSON the same value in bytes that do not steer a terminal.
    pub(crate) fn raw(self, line: &str) -> Result<(), Failure> {
        let line = line.as_bytes();
        let may_steer = self.json && io::stdout().is_terminal();
        let line = if may_steer { json_for_terminal(line) } else { line.into() };
        self.bytes(&[&line, &b"\n"[..]].concat())
    }

    /// Whole lines as they are. They have left us when this returns.
    pub(crate) fn bytes(self, lines: &[u8]) -> Result<(), Failure> {
        let written = beside_the_bar(|| {
            let mut out = io::stdout().lock();
            out.write_all(lines).and_then(|()| out.flush())
        });
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe && self.serving => Ok(()),
            // Whoever read the output has seen enough, as in `annals … | head -1`.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            Err(error) => {
                Err(Failure::new(Exit::Unavailable, format!("cannot write to standard output: {error}")))
            }
            Ok(()) => Ok(()),
        }
    }

    /// A remark for people, on standard error.
    pub(crate) fn note(self, text: &str) {
        // Nobody is left to tell when standard error is gone.
        drop(beside_the_bar(|| writeln!(io::stderr().lock(), "{}", safe_lines(text))));
    }

    /// Says why the command failed: for people on standard error, with `--json` also as the last line of the output.
    pub(crate) fn failure(self, failure: &Failure) {
        self.error_line(failure);
        self.note(&format!("error: {}", failure.message));
        if let Some(hint) = &failure.hint {
            self.note(&format!("hint: {hint}"));
        }
    }

    /// With `--json`, why the command failed as the last line of the output.
    pub(crate) fn error_line(self, failure: &Failure) {
        if self.json {
            let line = serde_json::json!({
                "type": "error", "kind": failure.exit.word(), "message": failure.message, "hint": failure.hint,
            });
            drop(self.raw(&line.to_string()));
        }
    }

    /// Progress over `total` things: a bar on a terminal, a line every ten seconds elsewhere.
    pub(crate) fn progress(self, total: u64, what: &'static str) -> Progress {
        self.begin(Some(total), what, "{bar:40} {human_pos}/{human_len} {msg}, {per_sec}, {eta} left")
    }

    /// As [`Self::progress`], over bytes.
    pub(crate) fn progress_of_bytes(self, total: u64) -> Progress {
        self.begin(Some(total), "bytes", "{bar:40} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left")
    }

    /// As [`Self::progress`], over nobody knows how many things.
    pub(crate) fn counting(self, what: &'static str) -> Progress {
        self.begin(None, what, "{spinner} {human_pos} {msg}, {per_sec}")
    }

    fn begin(self, total: Option<u64>, what: &'static str, template: &str) -> Progress {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        let watched = io::stderr().is_terminal();
        if watched {
            let style = ProgressStyle::with_template(template).expect("our templates are constants");
            bar.set_style(style);
            bar.set_message(what);
            bar.set_draw_target(ProgressDrawTarget::stderr());
            *BAR.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(bar.clone());
        }
        Progress { output: self, bar, what, watched, next_line: LINE_EVERY }
    }
}

/// See [`Output::progress`].
pub(crate) struct Progress {
    output: Output,
    bar: ProgressBar,
    what: &'static str,
    watched: bool,
    /// When the next line is due, counted from the start.
    next_line: Duration,
}

impl Progress {
    /// So many more are done.
    pub(crate) fn add(&mut self, done: u64) {
        self.bar.inc(done);
        self.say_when_due();
    }

    /// So many are done in all.
    pub(crate) fn set(&mut self, done: u64) {
        self.bar.set_position(done);
        self.say_when_due();
    }

    fn say_when_due(&mut self) {
        if !self.watched && self.bar.elapsed() >= self.next_line {
            self.next_line += LINE_EVERY;
            let total = self.bar.length().map(|total| format!(" of {total}")).unwrap_or_default();
            self.output.note(&format!("{}{total} {}", self.bar.position(), self.what));
        }
    }

    /// All is done; gives how long it took.
    pub(crate) fn finish(self) -> Duration {
        self.bar.elapsed()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        *BAR.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
    }
}
