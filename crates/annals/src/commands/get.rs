//! `annals get`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use annals_event::json::Document;
use reqwest::Method;

use crate::api::ServerFlags;
use crate::exit::{Exit, Failure};
use crate::files;
use crate::output::Output;
use crate::show::{Stage, event};

/// Show one event, or its proof
///
/// A sentence, then every member, then what changed. With `--json` the event as the server gave it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  annals get ord-4711-paid
  annals get ord-4711-paid --json | jq .changes
  annals get ord-4711-paid --proof=ord-4711-paid.tlog-proof")]
pub(crate) struct Args {
    /// The event's id
    #[arg(value_name = "ID")]
    id: String,
    /// Print the proof that the event is in its log instead, or save it in FILE; needs a key with the scope `verify`
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    proof: Option<Option<PathBuf>>,
    /// Show times in UTC on a terminal too
    #[arg(long)]
    utc: bool,
    #[command(flatten)]
    server: ServerFlags,
}

pub(crate) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    if matches!(args.id.as_str(), "" | "." | "..") {
        // A path cannot name them.
        return Err(Failure::new(Exit::Invalid, format!("`{}` cannot be asked for by path", args.id))
            .with_hint(format!("use `annals search id={}`", args.id)));
    }
    match &args.proof {
        None => event(args, output).await?,
        Some(file) => proof(args, file.as_deref(), output).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn event(args: &Args, output: Output) -> Result<(), Failure> {
    let api = args.server.api()?;
    let path = ["v1", "events", &args.id];
    let response = api.answer(api.request(Method::GET, &path, &args.server.tenant_parameter())).await?;
    let body = api.body(response, "v1/events").await?;
    let stage = Stage::standard(args.utc);
    if output.is_json() {
        let line = [&stage.json(body.trim_ascii_end()), &b"\n"[..]].concat();
        return output.bytes(&line);
    }
    let mut document = Document::default();
    let event = event::read(&mut document, &body).map_err(|why| api.senseless("v1/events", &why))?;
    output.raw(&event.lines(&stage).join("\n"))
}

async fn proof(args: &Args, file: Option<&Path>, output: Output) -> Result<(), Failure> {
    let api = args.server.api()?;
    let path = ["v1", "events", &args.id, "proof"];
    let response = api.answer(api.request(Method::GET, &path, &args.server.tenant_parameter())).await?;
    let body = api.body(response, "v1/events").await?;
    let proof = String::from_utf8(body).map_err(|_| api.senseless("v1/events", "a proof that is no text"))?;
    let Some(file) = file else {
        return output.line(
            || crate::show::text::safe_lines(proof.trim_end()).into_owned(),
            || serde_json::json!({"type": "result", "proof": proof}),
        );
    };
    files::replace(file, proof.as_bytes()).map_err(|error| Failure::io("write", file, &error))?;
    let name = file.display();
    output.line(
        || format!("saved the proof in {name}"),
        || serde_json::json!({"type": "result", "file": name.to_string()}),
    )
}
