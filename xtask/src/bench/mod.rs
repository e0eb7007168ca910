//! `cargo xtask bench`: durable ingest and questions over HTTP, measured from outside, on this machine.
//!
//! ```text
//! cargo xtask bench                     both tables
//! cargo xtask bench --seconds 30        longer runs
//! cargo xtask bench --only 1000x16      one cell of ingest: events a request x connections
//! cargo xtask bench --queries 200000    questions to a ledger of so many events, and no ingest
//! ```
//!
//! Each cell of ingest starts the release binary on an empty folder, sends from as many connections as it says, each request as soon
//! as the one before was answered, and reads the server's CPU time from the system. Client and server share the machine's
//! cores. An answer counts only when every item is `created`.

mod client;
mod event;
mod queries;

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use client::Client;
use event::Request;

use crate::fault::{Fault, Result, While as _, fail};
use crate::instance::{Binary, Instance};

const BATCHES: [usize; 3] = [1, 100, 1_000];
const CONNECTIONS: [usize; 3] = [1, 16, 64];

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

/// Prints the tables, or of one the parts asked for: cells of ingest, sizes of the ledger that is asked.
pub(crate) fn run(duration: Duration, cells: Vec<Cell>, sizes: &[usize]) -> Result<()> {
    let all = cells.is_empty() && sizes.is_empty();
    let binary = Binary::build(true)?;
    if all || !cells.is_empty() {
        ingest(&binary, duration, cells)?;
    }
    if all || !sizes.is_empty() {
        queries::run(&binary, if all { &queries::SIZES } else { sizes }, duration)?;
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
    let client_cpu = cpu_seconds(std::process::id())?;
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
        client_cpu_s_per_m: (cpu_seconds(std::process::id())? - client_cpu) / millions,
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

/// User and system time of a process so far. Source: proc(5), `/proc/PID/stat`, fields 14 and 15, in ticks of 1/100 s.
fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .map_err(|error| format!("process {pid}: {error}"))?;
    let after_name = stat.rsplit_once(") ").ok_or("the process's stat has no name")?.1;
    let ticks = after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    Ok(ticks.sum::<f64>() / 100.0)
}
