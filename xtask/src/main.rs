//! Developer commands of annals: `cargo xtask help`.

#![expect(clippy::print_stdout, reason = "a developer's tool talks to its terminal")]

mod adversary;
mod api;
mod backups;
mod bench;
mod browser;
mod bundles;
mod check;
mod crash;
mod dialects;
mod erasures;
mod exports;
mod fault;
mod foreign;
mod http;
mod instance;
mod model;
mod readme;
mod real_data;
mod relay;
mod repo;
mod rng;
mod schemathesis;
mod segments;
mod sim;
mod stages;
mod test;
mod tidy;
mod tool;
mod verify_page;
mod viewer;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use fault::Result;
use instance::Binary;
use stages::Stages;

/// Developer commands of annals.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything a change passes: format, lints, tidy, docs, tests
    Check {
        /// Only the part under a minute: format, lints, tidy
        #[arg(long)]
        quick: bool,
    },
    /// Format, and rewrite snapshots and generated files; read the diff before committing
    Accept,
    /// Rules that no compiler knows: layers, invariants, error catalogue, words, module headers
    Tidy,
    /// Everything, fetching what it needs; what `.ci/run` calls
    Test,
    /// Kill the real binary under load again and again; fill its disk; start it twice
    Crash {
        /// How often it is killed
        #[arg(long, default_value_t = 200)]
        rounds: u64,
        /// Seed of the choices
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Test the release build
        #[arg(long)]
        release: bool,
    },
    /// Durable ingest and questions over HTTP, measured from outside: the tables of `docs/performance.md`
    Bench(bench::Args),
    /// Simulate the whole service from seeds, on one thread
    Sim(sim::Args),
    /// Send events that real systems wrote through the real binary and read them back
    ///
    /// `ANNALS_REAL_DATA` names a folder of NDJSON files, one event a line as `POST /v1/events` takes them, or of vendor
    /// files with a `to_canonical.py` that turns one into such lines; `../shared/data` beside the repository by default.
    RealData,
    /// Have somebody else's program make requests from `/openapi.json`; every answer must be as described
    Schemathesis {
        /// Random requests to each operation, beside a fixed set
        #[arg(long, default_value_t = 200)]
        examples: u64,
    },
    /// Random questions to random histories, each answered as by a naive ledger
    Model {
        /// How many
        #[arg(long, default_value_t = 100_000)]
        questions: u64,
    },
    /// Random attacks on evidence bundles, published logs and data folders; none may be verified
    Adversary {
        /// How many
        #[arg(long, default_value_t = 1_000)]
        cases: u64,
    },
    /// Erase people and let records expire, killing the server; nothing of them may be left, and every proof must hold
    Erasures {
        /// How many ledgers
        #[arg(long, default_value_t = 10)]
        rounds: u64,
        /// Seed of the choices
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Run every command of README, tutorial and how-tos
    Readme,
    /// Kill product, relay, server and PostgreSQL again and again; every committed event is stored once
    Relay {
        /// How often something is killed
        #[arg(long, default_value_t = 200)]
        rounds: u64,
        /// Seed of the choices
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Back up to a bucket of an S3 server by others under load, and restore from it
    Backups,
    /// The product of `relay`, as a process that can be killed
    #[command(hide = true)]
    Product {
        /// Where its database is
        database: String,
        /// Seed of its choices
        seed: u64,
    },
    /// Have vendors' APIs of the real binary read by clients that others wrote, while events arrive
    Dialects {
        /// Events in the list that is walked
        #[arg(long, default_value_t = 100_000)]
        events: u64,
        /// Only what needs no program of others: ten pollers of each list at once
        #[arg(long)]
        pollers: bool,
        /// Test the release build
        #[arg(long)]
        release: bool,
    },
    /// Export events from the real binary and have them read by programs of others, DuckDB among them
    Exports,
    /// Build the page that checks evidence bundles in a browser, for the next build of annals to embed
    VerifyPage {
        /// Then let a real browser check this bundle, and say how long it takes
        #[arg(long, value_name = "BUNDLE")]
        measure: Option<std::path::PathBuf>,
    },
    /// Have every bundle of the corpus checked by `annals verify`, by a browser, and by a program in Python
    Bundles,
    /// Check the viewer's types, size and units, and have a real browser use it on a demo and on what real systems wrote
    Viewer,
    /// Check logs that the real binary published with programs by others, in Go and Python, and read what it sealed
    Verifiers,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    let mut stages = Stages::default();
    match command {
        Command::Check { quick } => check::run(&mut stages, quick),
        Command::Accept => return check::accept(),
        Command::Tidy => stages.run("tidy", tidy::run),
        Command::Test => test::run(&mut stages),
        Command::Crash { rounds, seed, release } => {
            let binary = Binary::build(release)?;
            stages.run("crash", || crash::run(&binary, rounds, seed));
        }
        Command::Bench(args) => return bench::run(args),
        Command::Sim(args) => stages.run("simulation", || sim::run(&args)),
        Command::RealData => {
            let binary = Binary::build(false)?;
            stages.run("real data", || real_data::run(&binary));
        }
        Command::Schemathesis { examples } => {
            let binary = Binary::build(false)?;
            stages.run("schemathesis", || schemathesis::run(&binary, examples));
        }
        Command::Model { questions } => stages.run("model", || model::run(questions)),
        Command::Adversary { cases } => stages.run("adversary", || adversary::run(cases)),
        Command::Erasures { rounds, seed } => {
            let binary = Binary::build(false)?;
            stages.run("erasures", || erasures::run(&binary, rounds, seed));
        }
        Command::Readme => {
            let binary = Binary::build(false)?;
            stages.run("readme", || readme::run(&binary));
        }
        Command::Relay { rounds, seed } => {
            let binary = Binary::build(false)?;
            stages.run("relay", || relay::run(&binary, rounds, seed));
        }
        Command::Backups => stages.run("backups", backups::run),
        Command::Product { database, seed } => return relay::product::run(&database, seed),
        Command::Dialects { events, pollers, release } => {
            let binary = Binary::build(release)?;
            let run = if pollers { dialects::run_pollers } else { dialects::run };
            stages.run("dialects", || run(&binary, events));
        }
        Command::Exports => {
            let binary = Binary::build(false)?;
            stages.run("exports", || exports::run(&binary));
        }
        Command::VerifyPage { measure: Some(bundle) } => return bundles::measure(&bundle),
        Command::VerifyPage { measure: None } => return verify_page::build().map(drop),
        Command::Bundles => {
            let binary = Binary::build(false)?;
            stages.run("bundles", || bundles::run(&binary));
        }
        Command::Viewer => {
            let binary = Binary::build(false)?;
            stages.run("viewer", || viewer::run(&binary));
        }
        Command::Verifiers => {
            let binary = Binary::build(false)?;
            stages.run("verifiers by others", || foreign::run(&binary));
        }
    }
    stages.finish()
}
