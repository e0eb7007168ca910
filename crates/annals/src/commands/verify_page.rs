//! `annals verify-page`.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::verify::page::page;

/// Write the page that verifies evidence bundles in a browser
///
/// One HTML file that holds all it needs: opened from a disk, without a network, it checks a bundle that is dropped onto it and demands
/// what `annals verify` does. Give it to whoever gets a bundle and has no annals. A server shows it at `/verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  annals verify-page --output verify.html
  annals verify-page --output - | sha256sum")]
pub(crate) struct Args {
    /// Where to; `-` is standard output
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    let page = page().ok_or_else(|| {
        Failure::new(Exit::Missing, "this program was built without the page")
            .with_hint("in a checkout, `cargo xtask verify-page` makes it; build annals again then")
    })?;
    let path = &args.output;
    if path.as_os_str() == "-" {
        output.bytes(page)?;
        return Ok(ExitCode::SUCCESS);
    }
    if path.exists() && !args.force {
        return Err(Failure::new(Exit::Conflict, format!("`{}` is there already", path.display()))
            .with_hint("`--force` puts the new file in its place"));
    }
    std::fs::write(path, page).map_err(|error| Failure::io("write", path, &error))?;
    output.line(
        || format!("wrote the page to {}: {} bytes", path.display(), page.len()),
        || json!({"type": "result", "file": path.display().to_string(), "bytes": page.len()}),
    )?;
    Ok(ExitCode::SUCCESS)
}
