//! `annals relay`: from a product's outbox table in PostgreSQL to a server.
//!
//! A product writes an event as a row of the transaction that the event is about; this command sends the rows and deletes those
//! that are stored. What makes a crash at any moment harmless:
//!
//! * an event's id comes from its row, so that what is sent twice is stored once;
//! * a row is deleted only after the server said that its event is stored, or with the row that parks it, in one transaction;
//! * rows are deleted by the numbers that were sent, never up to a number: numbers are given before a transaction commits, so a
//!   lower one may appear after a higher one was sent.
//!
//! The lock that keeps a second relay waiting keeps the order, nothing else: two at once would store nothing twice.
//!
//! | module | does |
//! |---|---|
//! | `table` | the table's names and every statement on it |
//! | `row` | a row as the event that is sent |
//! | `connection` | PostgreSQL: address, TLS, what is wrong with it |
//! | `outbox` | one session: lock, rows, settling, waking up |
//! | `patience` | waiting for what does not answer |

mod connection;
mod outbox;
mod patience;
mod row;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::api::ServerFlags;
use crate::client::ingest::{ItemStatus, Rejected, Sender, Sending};
use crate::exit::{Exit, Failure};
use crate::output::Output;

use connection::{Source, Trouble};
use outbox::{Outbox, Parked};
use patience::Patience;
use table::Table;

/// How long one batch is tried before the rows are read again; of `--once` until it gives up.
const SEND_MAX: Duration = Duration::from_secs(600);
const SEND_ONCE_MAX: Duration = Duration::from_secs(60);

/// Shortest `--poll`.
const POLL_MIN: Duration = Duration::from_millis(10);

/// Parked rows of one batch that are named on standard error; with `--json` each is an item.
const NAMED_MAX: usize = 10;

/// Send the events of an outbox table in PostgreSQL, each once
///
/// The product inserts the event in its own transaction; a row is deleted once its event is stored. A row whose event is
/// rejected is parked in TABLE_rejected beside the error. Relay, server, product and PostgreSQL may be killed at any moment:
/// nothing is lost, and each event is stored once. A second relay of the same table stands by until the first one is gone.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  annals relay --print-sql | psql shop
  annals relay --from postgres://relay@/shop?host=/var/run/postgresql --table audit_outbox
  ANNALS_OUTBOX=postgres://relay:secret@db.example.com/shop annals relay --key annals_… --tenant acme
  annals relay --from postgres://relay@localhost/shop --once --json

PostgreSQL on another machine is spoken to in TLS, with its certificate checked: add sslrootcert=FILE for a CA of your own,
sslmode=disable on a network that you trust. Recipe: docs/how-to/outbox.md")]
pub(crate) struct Args {
    /// The database
    #[arg(
        long,
        value_name = "URL",
        env = "ANNALS_OUTBOX",
        hide_env_values = true,
        required_unless_present = "print_sql"
    )]
    from: Option<String>,
    /// The table, as NAME or SCHEMA.NAME
    #[arg(long, value_name = "TABLE", default_value = "audit_outbox")]
    table: String,
    /// Between two looks at the table when nothing wakes the relay
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = poll)]
    poll: Duration,
    /// Send what is there, then end
    #[arg(long)]
    once: bool,
    /// Print the SQL that makes the tables, the trigger and the rights, and end
    #[arg(long)]
    print_sql: bool,
    #[command(flatten)]
    server: ServerFlags,
}

fn poll(text: &str) -> Result<Duration, String> {
    let poll = crate::config::quantity::duration(text)?;
    if poll < POLL_MIN { Err("must be at least 10ms".to_owned()) } else { Ok(poll) }
}

pub(crate) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    let table = Table::parse(&args.table)?;
    if args.print_sql {
        let sql = table.definition();
        output.line(|| sql.trim_end().to_owned(), || json!({"type": "result", "sql": sql}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let output = output.of_server();
    let source = Source::parse(args.from.as_deref().expect("clap demands it without `--print-sql`"))?;
    let retry_for = if args.once { SEND_ONCE_MAX } else { SEND_MAX };
    let sender = Sender::new(args.server.api()?, Sending { strict: false, retry_for, output });
    let mut relay = Relay { args, table, source, sender, output, relayed: Relayed::default() };
    let ended = tokio::select! {
        ended = relay.run() => ended,
        stopped = stopped() => stopped,
    };
    relay.finish(ended)
}

/// Waits for the signal to stop. Everything may be dropped then: whatever was on the way comes again.
async fn stopped() -> Result<(), Failure> {
    let listen = |kind| {
        signal(kind)
            .map_err(|error| Failure::new(Exit::Unavailable, format!("cannot listen for signals: {error}")))
    };
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

/// What became of rows.
#[derive(Clone, Copy, Debug, Default)]
struct Relayed {
    created: u64,
    duplicate: u64,
    parked: u64,
    /// Of the parked ones, those whose id another event has.
    conflicts: u64,
}

impl Relayed {
    fn add(&mut self, more: Self) {
        self.created += more.created;
        self.duplicate += more.duplicate;
        self.parked += more.parked;
        self.conflicts += more.conflicts;
    }
}

struct Relay<'a> {
    args: &'a Args,
    table: Table,
    source: Source,
    sender: Sender,
    output: Output,
    relayed: Relayed,
}

impl Relay<'_> {
    /// Session after session, until the table is empty with `--once`, and for ever without.
    async fn run(&mut self) -> Result<(), Failure> {
        let mut patience = Patience::new(self.output);
        // What is wrong before anything worked is wrong with the command; what goes wrong later is waited for.
        let mut worked = false;
        loop {
            let failure = match self.session(&mut patience, &mut worked).await {
                Ok(()) => return Ok(()),
                Err(Trouble::Ours(failure)) => return Err(failure),
                Err(Trouble::Lasting(failure)) if self.args.once || !worked => return Err(failure),
                Err(Trouble::Passing(failure)) if self.args.once => return Err(failure),
                Err(Trouble::Lasting(failure) | Trouble::Passing(failure)) => failure,
            };
            patience.pause(&failure.message).await;
        }
    }

    /// Connects and relays until something breaks, or until the table is empty with `--once`.
    async fn session(&mut self, patience: &mut Patience, worked: &mut bool) -> Result<(), Trouble> {
        let mut outbox = Outbox::open(&self.source, &self.table).await?;
        if !outbox.lock().await? {
            self.stand_by(&outbox).await?;
        }
        outbox.listen().await?;
        if !std::mem::replace(worked, true) {
            self.output.note(&format!("relaying {} to {}", self.table, self.args.server.url));
        }
        // What is inserted meanwhile is not waited for: with a busy product there would be no end.
        let last = if self.args.once { Some(outbox.last().await?) } else { None };
        loop {
            let rows = outbox.head().await?;
            let first = rows.first().map(|row| row.number);
            if last.is_some_and(|last| first.is_none_or(|first| first > last)) {
                return Ok(());
            }
            if !rows.is_empty() {
                let done = self.relay(&mut outbox, &rows).await?;
                self.report(done).map_err(Trouble::Ours)?;
            }
            patience.over();
            if rows.is_empty() {
                outbox.wait(self.args.poll).await;
            }
        }
    }

    /// Waits until no other relay has the table.
    async fn stand_by(&self, outbox: &Outbox) -> Result<(), Trouble> {
        let message = format!("another relay has {}", self.table);
        if self.args.once {
            return Err(Trouble::Ours(Failure::new(Exit::Busy, message)));
        }
        self.output.note(&format!("{message}; standing by"));
        loop {
            tokio::time::sleep(self.args.poll).await;
            if outbox.lock().await? {
                return Ok(());
            }
        }
    }

    /// Sends rows and settles each: deleted when stored, parked when rejected.
    async fn relay(&self, outbox: &mut Outbox, rows: &[row::Row]) -> Result<Relayed, Trouble> {
        let (mut sent, mut events, mut parked) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            match row.event(self.args.server.tenant.as_deref()) {
                Ok(event) => {
                    sent.push(row);
                    events.push(event);
                }
                Err(rejected) => parked.push(Parked { row: row.number, rejected }),
            }
        }
        let answers = self.sender.send(&events).await.map_err(|failure| match failure.exit {
            Exit::Busy | Exit::Unavailable => Trouble::Passing(failure),
            // The key, the address: to be mended where this command is started.
            _ => Trouble::Ours(failure),
        })?;
        let mut relayed = Relayed::default();
        let mut stored = Vec::new();
        for (row, answer) in sent.into_iter().zip(answers) {
            match answer.status {
                ItemStatus::Created => relayed.created += 1,
                ItemStatus::Duplicate => relayed.duplicate += 1,
                ItemStatus::Rejected(rejected) => {
                    parked.push(Parked { row: row.number, rejected });
                    continue;
                }
            }
            stored.push(row.number);
        }
        // Killed before this: the rows are sent again, and those stored are duplicates.
        outbox.settle(&stored, &parked).await?;
        relayed.parked = parked.len() as u64;
        parked.sort_by_key(|parked| parked.row);
        relayed.conflicts = parked.iter().filter(|parked| parked.rejected.code == "conflict").count() as u64;
        self.name(&parked).map_err(Trouble::Ours)?;
        Ok(relayed)
    }

    /// Says which rows were parked, and why.
    fn name(&self, parked: &[Parked]) -> Result<(), Failure> {
        for (index, Parked { row, rejected: Rejected { code, pointer, detail } }) in parked.iter().enumerate()
        {
            if self.output.is_json() {
                self.output.raw(
                    &json!({
                        "type": "item", "item": "parked", "row": row,
                        "error": {"code": code, "pointer": pointer, "detail": detail},
                    })
                    .to_string(),
                )?;
            }
            if index < NAMED_MAX {
                let place = if pointer.is_empty() { String::new() } else { format!(" at `{pointer}`") };
                self.output.note(&format!("row {row} is parked: {code}{place}: {detail}"));
            }
        }
        if let Some(more) = parked.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
            self.output.note(&format!("{more} more rows are parked; see {}", self.table.rejected()));
        }
        Ok(())
    }

    fn report(&mut self, done: Relayed) -> Result<(), Failure> {
        self.relayed.add(done);
        if !self.output.is_json() {
            return Ok(());
        }
        let Relayed { created, duplicate, parked, .. } = done;
        let line = json!({
            "type": "item", "item": "batch", "created": created, "duplicate": duplicate, "parked": parked,
        });
        self.output.raw(&line.to_string())
    }

    /// The last words: all that was done, also when it ended badly.
    fn finish(&self, ended: Result<(), Failure>) -> Result<ExitCode, Failure> {
        let Relayed { created, duplicate, parked, conflicts } = self.relayed;
        let summary = format!("{created} created, {duplicate} duplicate, {parked} parked");
        if let Err(failure) = ended {
            if created + duplicate + parked > 0 {
                self.output.note(&summary);
            }
            return Err(failure);
        }
        self.output.line(
            || summary,
            || json!({"type": "result", "created": created, "duplicate": duplicate, "parked": parked}),
        )?;
        // As the statuses 409 and 422 of a request: everything was settled, and somebody must look.
        Ok(match parked {
            0 => ExitCode::SUCCESS,
            _ if !self.args.once => ExitCode::SUCCESS,
            _ if parked == conflicts => ExitCode::from(Exit::Conflict.code()),
            _ => ExitCode::from(Exit::Invalid.code()),
        })
    }
}
