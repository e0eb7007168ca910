//! `annals signing-key`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use crate::data_folder::{SIGNER_PUB, SIGNING_KEY, lock, no_ledger};
use crate::exit::{Exit, Failure};
use crate::key_file::KeyFile;
use crate::output::Output;

/// The key that signs heads and checkpoints
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Replace the key by a new one that it vouches for
    ///
    /// The server, or the signer, must be stopped. The old key signs who follows it, the new one signs the same, and the old one is
    /// overwritten. The next start of the server puts that on record, and each log says so in an entry of kind 5 before the new key
    /// signs anything of it: whoever trusts the old key is led to the new one by `annals verify`. Give the new key to witnesses
    /// before the server starts, and keep a copy of the file elsewhere: backups have none.
    #[command(after_help = "\
Examples:
  annals signing-key rotate --data ./annals-data
  annals signing-key rotate --data /var/lib/annals-signer")]
    Rotate {
        /// The server's data folder or, when the key is with a signer, that one's
        #[arg(long, value_name = "DIR", default_value = "annals-data")]
        data: PathBuf,
    },
    /// Show the public key, and which keys it follows
    #[command(after_help = "Example:\n  annals signing-key show --data ./annals-data")]
    Show {
        /// The server's data folder, or the signer's
        #[arg(long, value_name = "DIR", default_value = "annals-data")]
        data: PathBuf,
    },
}

pub(crate) fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    match &args.command {
        Command::Rotate { data } => rotate(data, output),
        Command::Show { data } => show(data, output),
    }
}

fn rotate(data: &Path, output: Output) -> Result<ExitCode, Failure> {
    let path = key_path(data)?;
    let _lock = lock(data, "rotating the signing key")?;
    let old = KeyFile::read(&path, Exit::Damaged)?;
    let new = old.rotated();
    if !new.is_readable() {
        let message = format!("`{}` has no room for another key that follows those in it", path.display());
        return Err(Failure::new(Exit::Conflict, message)
            .with_hint("nothing was changed; the key in force is the last one that this file can lead to"));
    }
    // A crash leaves the old key, whose successor nobody has, or the new one with all that shows where it comes from.
    new.write(&path).map_err(|error| Failure::io("write the signing key", &path, &error))?;
    let (old, new) = (old.key.verifier_key(), new.key.verifier_key());
    output.line(
        || {
            format!(
                "old key        {old}\nnew key        {new}\nnext           tell the witnesses, keep a copy of {}, and start the server",
                path.display()
            )
        },
        || json!({"type": "result", "old_key": old.to_string(), "new_key": new.to_string()}),
    )?;
    Ok(ExitCode::SUCCESS)
}

fn show(data: &Path, output: Output) -> Result<ExitCode, Failure> {
    let file = KeyFile::read(&key_path(data)?, Exit::Damaged)?;
    let earlier = || file.successions.iter().map(|succession| succession.old().to_string());
    output.line(
        || {
            let earlier = earlier().map(|key| format!("\nbefore         {key}"));
            format!("ledger key     {}{}", file.key.verifier_key(), earlier.collect::<String>())
        },
        || {
            json!({
                "type": "result", "ledger_key": file.key.verifier_key().to_string(), "before": earlier().collect::<Vec<_>>(),
            })
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Where the key of a folder is.
fn key_path(data: &Path) -> Result<PathBuf, Failure> {
    let path = data.join(SIGNING_KEY);
    if path.exists() {
        return Ok(path);
    }
    if data.join(SIGNER_PUB).exists() {
        let message = format!("the key of `{}` is with a signer of its own", data.display());
        return Err(Failure::new(Exit::Invalid, message)
            .with_hint("stop the signer, and give its folder with `--data DIR`"));
    }
    Err(no_ledger(data))
}
