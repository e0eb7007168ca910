//! `annals key`.

use std::process::ExitCode;
use std::sync::Arc;

use annals_ledger::Unobserved;

use crate::config::{Config, SettingFlags};
use crate::control;
use crate::data_folder::{DataFolder, LedgerOptions};
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Keys, from the machine itself
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Replace the operator key; the old one is refused at once
    ///
    /// Needs no key, only the right to write in the data folder. Works while the server runs, and while it does not. The change
    /// is on record in the tenant `_annals`.
    #[command(after_help = "Examples:\n  annals key reset --data /var/lib/annals\n  annals key reset --json")]
    Reset {
        #[command(flatten)]
        settings: SettingFlags,
    },
}

pub(crate) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    let Command::Reset { settings } = &args.command;
    let key = reset(&settings.config()?).await?;
    output.line(|| key.clone(), || serde_json::json!({"type": "result", "operator_key": key}))?;
    output.note("the operator key is replaced; the old one is refused from now on");
    Ok(ExitCode::SUCCESS)
}

async fn reset(config: &Config) -> Result<String, Failure> {
    let folder = match DataFolder::existing(&config.data, "resetting the operator key") {
        Ok(folder) => folder,
        Err(failure) if failure.exit == Exit::Busy => {
            return control::ask(&config.data, control::KEY_RESET).await;
        }
        Err(failure) => return Err(failure),
    };
    let options =
        LedgerOptions { name: None, event_bytes_max: config.event_bytes_max, observer: Arc::new(Unobserved) };
    let opened = folder.open_ledger(options)?;
    let reset = opened.ledger.reset_operator_key().await;
    opened.ledger.stop();
    reset
        .map(|secret| secret.reveal().to_owned())
        .map_err(|error| Failure::new(error.kind().into(), error.to_string()))
}
