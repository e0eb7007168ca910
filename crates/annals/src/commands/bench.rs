//! `annals bench`: what measurements need and nobody else does, so it is not in the help.
//!
//! `annals bench generate` writes invented events as `POST /v1/events` takes them. Its distributions are those of a service
//! with many customers; they are said in [`everyday`], and those of the shapes that are meant to hurt in [`hostile`]. The same
//! flags give the same bytes, on every machine: all of it is arithmetic with integers, from the seed.
//!
//! | module | does |
//! |---|---|
//! | `generate` | the flags, the loop over events |
//! | `dice` | even numbers, skewed numbers, skewed choices |
//! | `calendar` | when events happen, and times as text |
//! | `line` | JSON, without a buffer per event |
//! | `words` | names, verbs, agents, keys |
//! | `world` | tenants, actors and targets: each follows from a number, so that none is kept |
//! | `everyday`, `hostile` | one event |

mod calendar;
mod dice;
mod everyday;
mod generate;
mod hostile;
mod line;
mod words;
mod world;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use crate::exit::Failure;
use crate::output::Output;

/// What measurements need
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  annals bench generate --events 1000000 --seed 1 > events.ndjson")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Generate(generate::Args),
}

pub(crate) fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    match &args.command {
        Command::Generate(args) => generate::run(args, output),
    }
}
