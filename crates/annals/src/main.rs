//! The `annals` program: an audit log in one binary.
//!
//! | module | does |
//! |---|---|
//! | `commands` | one module for each command |
//! | `config` | settings from flags, environment and file |
//! | `data_folder`, `running`, `control`, `tls` | what `serve`, `demo` and `key reset` share: the folder, the server in it, its socket, its certificate |
//! | `signer` | what a server and a signer of its own say to each other |
//! | `key_file` | the file with the key that signs |
//! | `standing` | what `witness` and `signer` share: a folder with a key and a memory, a door |
//! | `verify` | checking logs |
//! | `viewer` | the page for people that the server shows |
//! | `api`, `client` | asking a server, sending to one |
//! | `exit`, `output` | how a command ends, and what it says |
//! | `show` | texts, instants, tables and events as people see them |
//! | `demo` | the invented year of events |

mod api;
mod client;
mod commands;
mod config;
mod control;
mod data_folder;
mod demo;
mod diagnostics;
mod exit;
mod files;
mod key_file;
mod output;
mod running;
mod show;
mod signer;
mod standing;
mod tls;
mod verify;
mod viewer;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Gives memory back to the system that threads which are idle by now have let go: `docs/decisions/0012-allocator.md`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// An audit log in one program: takes events, finds them again, proves that none was changed.
#[derive(Debug, Parser)]
#[command(name = "annals", version, max_term_width = 100, after_help = AFTER)]
struct Cli {
    /// Print data as JSON, one object a line
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "\
Examples:
  annals demo                        a server full of invented events, to look around
  annals serve --data ./annals-data  a server on your own folder
  annals search operation=delete     find events
  annals verify ./annals-data        check everything that is stored in it

Commands that ask a server take its address from `--url` or ANNALS_URL, and the key from `--key` or ANNALS_KEY.

Exit codes: 2 invalid, 3 denied, 4 missing, 5 conflict, 6 busy, 7 unavailable, 8 damaged, 70 bug.";

#[derive(Debug, Subcommand)]
enum Command {
    Serve(commands::serve::Args),
    Demo(commands::demo::Args),
    Search(commands::search::Args),
    Get(commands::get::Args),
    Tail(commands::tail::Args),
    Feed(commands::feed::Args),
    Export(commands::export::Args),
    Send(commands::send::Args),
    Verify(commands::verify::Args),
    VerifyPage(commands::verify_page::Args),
    Viewer(commands::viewer::Args),
    Publish(commands::publish::Args),
    Witness(commands::witness::Args),
    Signer(commands::signer::Args),
    SigningKey(commands::signing_key::Args),
    Backup(commands::backup::Args),
    Restore(commands::restore::Args),
    Relay(commands::relay::Args),
    Status(commands::status::Args),
    Tenant(commands::tenant::Args),
    Erase(commands::erase::Args),
    Hold(commands::hold::Args),
    Key(commands::key::Args),
    Config(commands::config::Args),
    Completions(commands::completions::Args),
    #[command(hide = true)]
    Bench(commands::bench::Args),
    /// Print the version
    #[command(after_help = "Example:\n  annals version --json")]
    Version,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(said) => return misused(&said),
    };
    let output = Output::new(cli.json);
    match run(cli.command, output) {
        Ok(code) => code,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit.code())
        }
    }
}

/// Says what clap says, help or an error; an error with `--json` also as the last line of the output.
fn misused(said: &clap::Error) -> ExitCode {
    // Nobody is left to tell when the outputs are gone.
    drop(said.print());
    if !said.use_stderr() {
        return ExitCode::SUCCESS;
    }
    let mut arguments = std::env::args_os().skip(1).take_while(|argument| argument != "--");
    Output::new(arguments.any(|argument| argument == "--json")).error_line(&usage(said));
    ExitCode::from(Exit::Invalid.code())
}

/// Clap's error without its colours, its layout and its usage.
fn usage(said: &clap::Error) -> Failure {
    let text = said.to_string();
    let text = match said.kind() {
        // All of it is help.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "a command is missing",
        _ => text.strip_prefix("error: ").unwrap_or(&text),
    };
    let (message, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    let words: Vec<&str> = message.split_whitespace().collect();
    let tip = rest.lines().find_map(|line| line.trim_start().strip_prefix("tip: "));
    Failure::new(Exit::Invalid, words.join(" ")).with_hint(tip.unwrap_or("see `--help`"))
}

fn run(command: Command, output: Output) -> Result<ExitCode, Failure> {
    for remark in
        config::unknown_variables(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))
    {
        output.note(&format!("warning: {remark}"));
    }
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::new(Exit::Unavailable, format!("cannot start threads: {error}")))?;
    let code = runtime.block_on(async {
        match command {
            Command::Serve(args) => commands::serve::run(&args, output).await,
            Command::Demo(args) => commands::demo::run(&args, output).await,
            Command::Search(args) => commands::search::run(&args, output).await,
            Command::Get(args) => commands::get::run(&args, output).await,
            Command::Tail(args) => commands::tail::run(&args, output).await,
            Command::Feed(args) => commands::feed::run(&args, output).await,
            Command::Export(args) => commands::export::run(&args, output).await,
            Command::Send(args) => commands::send::run(&args, output).await,
            Command::Verify(args) => commands::verify::run(&args, output).await,
            Command::VerifyPage(args) => commands::verify_page::run(&args, output),
            Command::Viewer(args) => commands::viewer::run(&args, output).await,
            Command::Publish(args) => commands::publish::run(&args, output).await,
            Command::Witness(args) => commands::witness::run(&args, output).await,
            Command::Signer(args) => commands::signer::run(&args, output).await,
            Command::SigningKey(args) => commands::signing_key::run(&args, output),
            Command::Backup(args) => commands::backup::run(&args, output).await,
            Command::Restore(args) => commands::restore::run(&args, output).await,
            Command::Relay(args) => commands::relay::run(&args, output).await,
            Command::Status(args) => commands::status::run(&args, output).await,
            Command::Erase(args) => commands::erase::run(&args, output).await,
            Command::Tenant(args) => commands::tenant::run(&args, output).await,
            Command::Hold(args) => commands::hold::run(&args, output).await,
            Command::Key(args) => commands::key::run(&args, output).await,
            Command::Config(args) => commands::config::run(&args, output),
            Command::Completions(args) => commands::completions::run(&args, Cli::command(), output),
            Command::Bench(args) => commands::bench::run(&args, output),
            Command::Version => version(output),
        }
    });
    // What still blocks (a name being looked up, say) must not keep a finished command.
    runtime.shutdown_background();
    code
}

/// Lets the process have as many files open as the system allows it: a ledger holds each of its segments open, and a usual shell
/// starts programs with no more than 1,024. Where it cannot, what was allowed stays so.
fn raise_open_files() {
    let mut limits = getrlimit(Resource::Nofile);
    limits.current = limits.maximum;
    setrlimit(Resource::Nofile, limits).ok();
}

fn version(output: Output) -> Result<ExitCode, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    output
        .line(|| format!("annals {version}"), || serde_json::json!({"type": "result", "version": version}))?;
    Ok(ExitCode::SUCCESS)
}
