//! `annals config`.

use std::process::ExitCode;

use serde_json::json;

use crate::config::{self, SETTINGS, SettingFlags};
use crate::exit::Failure;
use crate::output::Output;

/// Look at and check settings
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print the settings in force
    #[command(
        after_help = "Examples:\n  annals config show\n  annals config show --origin --config /etc/annals.toml"
    )]
    Show {
        #[command(flatten)]
        settings: SettingFlags,
        /// Say where each comes from
        #[arg(long)]
        origin: bool,
    },
    /// Check the settings as `serve` would
    #[command(after_help = "Example:\n  annals config check --config /etc/annals.toml")]
    Check {
        #[command(flatten)]
        settings: SettingFlags,
    },
    /// Print a file with every setting, explained
    #[command(after_help = "Example:\n  annals config example > annals.toml")]
    Example,
}

pub(crate) fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    match &args.command {
        Command::Show { settings, origin } => show(settings, *origin, output)?,
        Command::Check { settings } => {
            settings.config()?;
            output
                .line(|| "the settings are in order".to_owned(), || json!({"type": "result", "ok": true}))?;
        }
        Command::Example => {
            let example = config::example();
            output
                .line(|| example.trim_end().to_owned(), || json!({"type": "result", "example": example}))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(settings: &SettingFlags, with_origin: bool, output: Output) -> Result<(), Failure> {
    let layers = settings.layers()?;
    for setting in SETTINGS.iter() {
        let given = layers.get(setting.key);
        let text = || {
            let line = given.map_or_else(
                || format!("# {} is not set", setting.key),
                |given| format!("{} = {}", setting.key, given.to_toml()),
            );
            match given {
                Some(given) if with_origin => format!("{line}  # {}", given.origin),
                _ => line,
            }
        };
        let json = || {
            let value =
                given.map(|given| if given.is_list { json!(given.values) } else { json!(given.values[0]) });
            let mut item = json!({"type": "item", "key": setting.key, "value": value});
            if with_origin {
                item["origin"] = json!(given.map(|given| given.origin.to_string()));
            }
            item
        };
        output.line(text, json)?;
    }
    if output.is_json() {
        output.raw(&json!({"type": "result", "ok": true}).to_string())?;
    }
    Ok(())
}
