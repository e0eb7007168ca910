//! `annals completions`.

use std::process::ExitCode;

use clap_complete::Shell;

use crate::exit::Failure;
use crate::output::Output;

/// Print what lets a shell complete commands and flags
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  annals completions bash > ~/.local/share/bash-completion/completions/annals
  annals completions zsh > ~/.zfunc/_annals
  annals completions fish > ~/.config/fish/completions/annals.fish")]
pub(crate) struct Args {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &Args, mut command: clap::Command, output: Output) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "annals", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    output.line(
        || script.trim_end().to_owned(),
        || serde_json::json!({"type": "result", "shell": args.shell.to_string(), "script": script}),
    )?;
    Ok(ExitCode::SUCCESS)
}
