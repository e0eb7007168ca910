//! `annals send`.

mod gaps;
mod input;
mod reading;
mod report;
mod split;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use annals_event::TenantId;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::error::TryRecvError;

use self::input::Origin;
use self::reading::{Event, Place, Told};
use self::report::Report;
use crate::api::ServerFlags;
use crate::client::ingest::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, Sender, Sending};
use crate::config::quantity;
use crate::exit::{Exit, Failure, reason};
use crate::output::Output;

/// Longest body of a request before compression, bytes: sent and answered in a moment also on slow lines.
const REQUEST_BYTES_MAX: usize = 4 << 20;

const _: () = assert!(REQUEST_BYTES_MAX <= BATCH_BYTES_MAX);

/// Silence of an input after which is said what is waited for.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// Send events from files or standard input
///
/// Takes one event a line (NDJSON), a JSON array of any length, or JSON objects over several lines, as they are or compressed with
/// gzip or zstd; which of them is told by the content, not by the name. Events are stored in the order they are read in. With a
/// platform key, `--tenant` is the tenant of events that name none.
///
/// An event without `id` gets one made from all that the input says and the event's number in it. So the same command can be
/// repeated after any failure: what is stored already is a duplicate, not a second event. Two inputs that say exactly the same
/// are the same events for that reason; what tells them apart is an `id` or `occurred_at`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  annals send events.ndjson --tenant acme
  annals send exported/*.json.gz --key annals_… --rejects rejected.ndjson
  zcat old.gz | grep -v heartbeat | annals send --json

Exit codes: 0 every event is stored, 2 some were rejected, 5 some have the id of another event, others as for every command.")]
pub(crate) struct Args {
    /// Files to send; `-` is standard input, which is also read when no file is named
    #[arg(value_name = "FILE")]
    files: Vec<OsString>,
    /// Have events with unknown members rejected rather than kept with a warning
    #[arg(long)]
    strict: bool,
    /// Write rejected events to FILE, one a line, each beside its error
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Most events of one request
    #[arg(long, value_name = "N", default_value = "2000", value_parser = batch)]
    batch: usize,
    /// How long to try again while the server does not answer, counted for each request
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = quantity::duration)]
    retry_for: Duration,
    #[command(flatten)]
    server: ServerFlags,
}

fn batch(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=BATCH_EVENTS_MAX).contains(count));
    count.ok_or_else(|| format!("must be a number from 1 to {BATCH_EVENTS_MAX}"))
}

pub(crate) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    // Exit code 0 says that every event is stored, also to whoever has read enough of the words.
    let output = output.of_server();
    let tenant = args.server.tenant.as_deref().map(tenant).transpose()?;
    let origins = origins(&args.files)?;
    let mut lengths = origins.iter().map(Origin::length).collect::<Result<Vec<_>, _>>()?;
    let length: Option<u64> = lengths.drain(..).sum();
    let sending = Sending { strict: args.strict, retry_for: args.retry_for, output };
    let sender = Sender::new(args.server.api()?, sending);
    let mut report = Report::begin(&origins, args.rejects.as_deref(), length, output)?;
    if origins == [Origin::StandardInput] && io::stdin().is_terminal() {
        output.note("reading events from the terminal, one a line; Ctrl-D ends them");
    }
    let told = reading::start(origins, tenant)?;
    let ended = tokio::select! {
        outcome = send_all(told, &sender, args.batch, &mut report) => outcome.map(|()| None),
        signal = stopped() => signal.map(Some),
    };
    match ended {
        Ok(None) => report.finish(sender.resent()),
        Ok(Some(signal)) => report.interrupted(signal),
        Err(failure) => Err(report.failed(failure)),
    }
}

/// The tenant, known to be one before anything is sent.
fn tenant(text: &str) -> Result<TenantId, Failure> {
    TenantId::new(text).map_err(|error| Failure::new(Exit::Invalid, format!("`--tenant`: `{text}` {error}")))
}

fn origins(files: &[OsString]) -> Result<Vec<Origin>, Failure> {
    let origins: Vec<_> = match files {
        [] => vec![Origin::StandardInput],
        files => files.iter().map(|name| Origin::of(name)).collect(),
    };
    if origins.iter().filter(|origin| **origin == Origin::StandardInput).count() > 1 {
        return Err(Failure::new(Exit::Invalid, "standard input can be read only once: `-` stands twice"));
    }
    Ok(origins)
}

/// Waits for a signal to stop; gives its exit code.
async fn stopped() -> Result<u8, Failure> {
    let listen = |kind| {
        signal(kind).map_err(|error| {
            Failure::new(Exit::Unavailable, format!("cannot listen for signals: {}", reason(&error)))
        })
    };
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    Ok(tokio::select! {
        _ = interrupt.recv() => 130,
        _ = terminate.recv() => 143,
    })
}

/// Sends what is read, one request at a time, so that events are stored in the order they are read in.
async fn send_all(
    told: Receiver<Told>,
    sender: &Sender,
    batch_max: usize,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut waiting = Waiting { told, events: VecDeque::new(), end: None };
    loop {
        let batch = waiting.batch(batch_max, report).await;
        if batch.is_empty() {
            return waiting.end.unwrap_or(Ok(()));
        }
        let sent: Vec<&Event> = batch.iter().filter(|event| event.too_long.is_none()).collect();
        let mut answers = sender.send(&sent).await?.into_iter();
        for event in &batch {
            let answer = if event.too_long.is_none() { answers.next() } else { None };
            report.note(event, answer)?;
        }
        report.batch_done(&batch);
    }
}

/// Events that were read and not yet sent.
struct Waiting {
    told: Receiver<Told>,
    events: VecDeque<Event>,
    end: Option<Result<(), Failure>>,
}

impl Waiting {
    /// The next events: as many as are there, up to a request. A slow input is sent as it comes. None: that was all.
    async fn batch(&mut self, batch_max: usize, report: &Report) -> Vec<Event> {
        while self.events.is_empty() && self.end.is_none() {
            let told = self.hear(report).await;
            self.take(told, report);
        }
        while self.end.is_none() && !self.is_enough(batch_max) {
            match self.told.try_recv() {
                Ok(told) => self.take(told, report),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        self.events.drain(..self.fitting(batch_max)).collect()
    }

    async fn hear(&mut self, report: &Report) -> Told {
        let heard = match tokio::time::timeout(SILENCE_MAX, self.told.recv()).await {
            Ok(heard) => heard,
            Err(_) => {
                report.say_what_is_awaited();
                self.told.recv().await
            }
        };
        let lost = || Failure::new(Exit::Bug, "the thread that reads ended without a word");
        heard.unwrap_or_else(|| Told::End(Err(lost())))
    }

    fn take(&mut self, told: Told, report: &Report) {
        match told {
            Told::Events(events) => self.events.extend(events),
            Told::Surveying(Place { name, is_kept }) => report.awaits(name, is_kept),
            Told::End(outcome) => self.end = Some(outcome),
        }
    }

    fn is_enough(&self, batch_max: usize) -> bool {
        self.fitting(batch_max + 1) < self.events.len() || self.events.len() >= batch_max
    }

    /// How many of the events fit into one request; at least one.
    fn fitting(&self, batch_max: usize) -> usize {
        let mut bytes = 0;
        let fits = |event: &&Event| {
            bytes += event.text.len() + 1;
            bytes <= REQUEST_BYTES_MAX
        };
        let count = self.events.iter().take(batch_max).take_while(fits).count();
        count.max(1).min(self.events.len())
    }
}

#[cfg(test)]
mod tests;
