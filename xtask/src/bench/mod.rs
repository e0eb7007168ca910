//! `cargo xtask bench`: durable ingest and questions over HTTP, measured from outside, on this machine.
//!
//! ```text
//! cargo xtask bench                     both tables
//! cargo xtask bench --seconds 30        longer runs
//! cargo xtask bench --only 1000x16      one cell of ingest: events a request x connections
//! cargo xtask bench --queries 200000    questions to a ledger of so many events, and no ingest
//! cargo xtask bench --compare 1000000   annals beside PostgreSQL and ClickHouse, on so many events: `compare`
//! cargo xtask bench --compare 20000000 --alone   annals alone, on more events than the disk has room for as a file
//! cargo xtask bench --compare-real      the three on events that real systems wrote: `real`
//! cargo xtask bench --hostile           shapes of events that are meant to hurt: `hostile`
//! cargo xtask bench --sustained 10      minutes of ingest beside questions and single events: `sustained`
//! cargo xtask bench --proof             what proof takes of disk, memory and time: `proof`, `proof_load`
//! ```
//!
//! Each cell of ingest starts the release binary on an empty folder, sends from as many connections as it says, each request as soon
//! as the one before was answered, and reads the server's CPU time from the system. Client and server share the machine's
//! cores. An answer counts only when every item is `created`.

mod annals;
mod choice;
mod clickhouse;
mod client;
mod compare;
mod counts;
mod engine;
mod event;
mod hostile;
mod lines;
mod postgres;
mod process;
mod proof;
mod proof_load;
mod queries;
mod question;
mod real;
mod sustained;
mod truth;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use client::Client;
use event::Request;
use process::{cpu_seconds, own_cpu_seconds};

use crate::fault::{Fault, Result, While as _, fail};
use crate::instance::{Binary, Instance};
use crate::tool::Tool;

const BATCHES: [usize; 3] = [1, 100, 1_000];
const CONNECTIONS: [usize; 3] = [1, 16, 64];

/// Years of hours.
const COPIES_MAX: u64 = 100_000;

/// What is measured at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    /// Events in a request.
    batch: usize,
    /// Connections that send.
    connections: usize,
}

impl FromStr for Cell {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let parts = text
            .split_once('x')
            .and_then(|(batch, connections)| Some((batch.parse().ok()?, connections.parse().ok()?)));
        let (batch, connections) = parts.ok_or("must be EVENTSxCONNECTIONS, such as 1000x16")?;
        Ok(Self { batch, connections })
    }
}

/// What is measured; with nothing asked for, the tables of ingest and questions.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Seconds a cell or a question runs
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// One cell, as EVENTSxCONNECTIONS; several by repeating it
    #[arg(long)]
    only: Vec<Cell>,
    /// Questions to a ledger of so many events; several by repeating it
    #[arg(long)]
    queries: Vec<usize>,
    /// annals beside PostgreSQL and ClickHouse, on so many events; several by repeating it
    #[arg(long, value_name = "EVENTS")]
    compare: Vec<u64>,
    /// Only annals, on events that are made while they are sent; none of them is a file
    #[arg(long, requires = "compare")]
    alone: bool,
    /// annals beside PostgreSQL and ClickHouse, on the events of `ANNALS_REAL_DATA`: see `cargo xtask help real-data`
    #[arg(long)]
    compare_real: bool,
    /// Those events so often over, each copy an hour later with ids of its own
    #[arg(long, requires = "compare_real", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=COPIES_MAX))]
    copies: u64,
    /// Shapes of events that are meant to hurt
    #[arg(long)]
    hostile: bool,
    /// Of the hostile shapes only this one; several by repeating it
    #[arg(long, requires = "hostile")]
    shape: Vec<String>,
    /// Minutes of ingest beside questions and writers of single events
    #[arg(long, value_name = "MINUTES")]
    sustained: Option<f64>,
    /// What proof takes of disk, memory and time
    #[arg(long)]
    proof: bool,
    /// Tenants of which each changes once a second, for `--proof`
    #[arg(long, requires = "proof", default_value_t = 100_000)]
    tenants: u64,
    /// Minutes of each load of `--proof`
    #[arg(long, requires = "proof", default_value_t = 0.2)]
    minutes: f64,
    /// Events that are made ready for `--hostile`, each shape, for `--sustained` or for `--proof`
    #[arg(long)]
    events: Option<u64>,
    /// Seed of the events
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// This server instead of one that is built here
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

/// Prints the tables, or of one the parts asked for: cells of ingest, sizes of the ledger that is asked.
pub(crate) fn run(args: Args) -> Result<()> {
    let Args {
        seconds,
        only: cells,
        queries: sizes,
        compare,
        alone,
        compare_real,
        copies,
        hostile,
        shape,
        sustained,
        proof,
        tenants,
        minutes,
        events,
        seed,
        binary,
    } = args;
    let duration = Duration::from_secs(seconds);
    let tables = compare.is_empty() && !compare_real && !hostile && sustained.is_none() && !proof;
    if cfg!(debug_assertions) && !tables {
        // Others are fed by us: what we took of the cores for it would be held against them.
        let release = ["run", "--quiet", "--release", "--package", "xtask", "--"];
        return Tool::cargo().args(release).args(std::env::args_os().skip(1)).run();
    }
    let all = tables && cells.is_empty() && sizes.is_empty();
    let binary = binary.map_or_else(|| Binary::build(true), |file| Ok(Binary::at(file)))?;
    for events in compare {
        compare::run(&binary, events, seed, alone)?;
    }
    if compare_real {
        compare::run_real(&binary, copies)?;
    }
    if hostile {
        hostile::run(&binary, &shape, events, seed)?;
    }
    if let Some(minutes) = sustained {
        sustained::run(&binary, minutes, events, seed)?;
    }
    if proof {
        proof::run(&binary, &proof::Plan { events, tenants, minutes, seed })?;
    }
    if all || !cells.is_empty() {
        ingest(&binary, duration, cells)?;
    }
    if all || !sizes.is_empty() {
        queries::run(&binary, if all { &queries::SIZES } else { &sizes }, duration)?;
    }
    Ok(())
}

fn ingest(binary: &Binary, duration: Duration, mut cells: Vec<Cell>) -> Result<()> {
    if cells.is_empty() {
        cells = BATCHES
            .iter()
            .flat_map(|batch| CONNECTIONS.map(|connections| Cell { batch: *batch, connections }))
            .collect();
    }
    println!("one event is {} bytes; each cell runs {} s", event::event(0).len(), duration.as_secs());
    println!(
        "| events a request | connections | events/s | server CPU s per M | client CPU s per M | ack p50 ms | ack p99 ms |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for cell in cells {
        let found = measure(binary, cell, duration)?;
        println!(
            "| {} | {} | {:.0} | {:.1} | {:.1} | {:.2} | {:.2} |",
            cell.batch,
            cell.connections,
            found.events_per_s,
            found.server_cpu_s_per_m,
            found.client_cpu_s_per_m,
            found.p50_ms,
            found.p99_ms,
        );
    }
    Ok(())
}

struct Found {
    events_per_s: f64,
    server_cpu_s_per_m: f64,
    client_cpu_s_per_m: f64,
    p50_ms: f64,
    p99_ms: f64,
}

fn measure(binary: &Binary, Cell { batch, connections }: Cell, duration: Duration) -> Result<Found> {
    let folder = tempfile::tempdir().while_doing("temporary folder")?;
    let server = Instance::start(binary, &folder.path().join("data"))?;
    let stop = AtomicBool::new(false);
    let (address, key, pid) = (server.address(), server.key.as_str(), server.id());
    let server_cpu = cpu_seconds(pid)?;
    let client_cpu = own_cpu_seconds()?;
    let began = Instant::now();
    let mut latencies = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..connections)
            .map(|connection| {
                let stop = &stop;
                scope.spawn(move || send(address, key, connection, batch, stop))
            })
            .collect();
        std::thread::sleep(duration);
        stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for sender in senders {
            all.extend(sender.join().map_err(|_| "a sender panicked".to_owned())??);
        }
        Ok::<_, Fault>(all)
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let millions = (latencies.len() * batch) as f64 / 1e6;
    latencies.sort_unstable();
    let at = |per_cent: usize| {
        latencies.get(latencies.len() * per_cent / 100).map_or(0.0, |micros| *micros as f64 / 1e3)
    };
    Ok(Found {
        events_per_s: millions * 1e6 / seconds,
        server_cpu_s_per_m: (cpu_seconds(pid)? - server_cpu) / millions,
        client_cpu_s_per_m: (own_cpu_seconds()? - client_cpu) / millions,
        p50_ms: at(50),
        p99_ms: at(99),
    })
}

/// Sends until it is told to stop; gives the time of each acknowledged request, in microseconds.
fn send(
    address: SocketAddr,
    key: &str,
    connection: usize,
    batch: usize,
    stop: &AtomicBool,
) -> Result<Vec<u64>> {
    let mut client = Client::connect(address).while_doing("connect")?;
    let mut request = Request::new(key, connection, batch);
    let mut latencies = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let bytes = request.next();
        let began = Instant::now();
        let answer = client.exchange(bytes).while_doing("send")?;
        latencies.push(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
        let expected = format!("{{\"created\":{batch},\"duplicate\":0,\"rejected\":0,");
        if !answer.starts_with(expected.as_bytes()) {
            fail!("answered {}", String::from_utf8_lossy(&answer[..answer.len().min(300)]));
        }
    }
    Ok(latencies)
}
