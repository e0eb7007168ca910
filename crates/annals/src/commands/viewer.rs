//! `annals viewer`.

use std::process::ExitCode;

use reqwest::Method;

use crate::api::{Query, ServerFlags};
use crate::exit::Failure;
use crate::output::Output;
use crate::show::text;

/// Make a link that signs a browser in to the server's viewer
///
/// With what the key may do. It works once, for 10 minutes, and until the server stops; who signs in by it stays signed in as long as the
/// server's setting `viewer.session` says, and no longer than the key lives.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  annals viewer
  annals viewer --url https://audit.example.com
  xdg-open \"$(annals viewer)\"")]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerFlags,
}

pub(crate) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    let api = args.server.api()?;
    let mut answer = api.value(api.request(Method::POST, &["v1", "session", "links"], &Query::new())).await?;
    let Some(url) = answer["url"].as_str().map(str::to_owned) else {
        return Err(api.senseless("/v1/session/links", "it has no `url`"));
    };
    answer["type"] = "result".into();
    output.line(|| text::safe(&url).into_owned(), || answer)?;
    output.note("it signs in once, within 10 minutes");
    Ok(ExitCode::SUCCESS)
}
