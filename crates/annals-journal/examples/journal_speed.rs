//! Prints how fast a file journal appends, and how fast it opens and reads.
//!
//! `cargo run --release -p annals-journal --example journal_speed -- FOLDER` (a folder on the disk to measure; it must be empty
//! or missing, and is left behind).
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "measures real time and prints what it finds"
)]

use std::{error::Error, sync::Arc, time::Instant};

use annals_journal::{FileJournal, Journal, JournalId, Options, Place, RealDisk};

/// Payload bytes of a group, batches in it, groups appended.
const RUNS: [(usize, usize, usize); 5] =
    [(1_000, 1, 2_000), (1_000, 10, 2_000), (100_000, 1, 500), (100_000, 100, 500), (1_000_000, 10, 200)];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: journal_speed FOLDER")?;
    let options = Options::new(JournalId(*b"speed of journal"));
    for (run, (group_bytes, batches, groups)) in RUNS.into_iter().enumerate() {
        let open = || -> Result<FileJournal, Box<dyn Error>> {
            let disk = RealDisk::create(format!("{folder}/{run}"))?;
            Ok(FileJournal::open(Arc::new(disk), &options)?.0)
        };
        let mut journal = open()?;
        let batch: Vec<u8> = (0..=255).cycle().take(group_bytes / batches).collect();
        let group = vec![batch.as_slice(); batches];
        let mut appends_us = Vec::with_capacity(groups);
        for _ in 0..groups {
            let started = Instant::now();
            let next = journal.next();
            journal.append(next, &group)?;
            appends_us.push(started.elapsed().as_micros());
        }
        drop(journal);

        let total_us: u128 = appends_us.iter().sum();
        appends_us.sort_unstable();
        let percentile = |percent: usize| appends_us[(groups - 1) * percent / 100];
        let megabytes = (group_bytes * groups) as f64 / 1e6;
        println!(
            "append {group_bytes:>9} B in {batches:>3}: p50 {:>6} µs, p99 {:>6} µs, {:>6.0} groups/s, {:>5.0} MB/s",
            percentile(50),
            percentile(99),
            groups as f64 / (total_us as f64 / 1e6),
            megabytes / (total_us as f64 / 1e6),
        );

        let started = Instant::now();
        let journal = open()?;
        let opened = started.elapsed();
        let started = Instant::now();
        for batch in journal.read(Place(0))? {
            batch?;
        }
        println!(
            "  {megabytes:.0} MB: open {:.0} ms, read {:.0} MB/s",
            opened.as_secs_f64() * 1e3,
            megabytes / started.elapsed().as_secs_f64()
        );
    }
    Ok(())
}
