//! `annals verify`.

mod bundle;
mod data;
mod mirror;
mod published;
mod report;
mod witnesses;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use annals_tree::note::VerifierKey;

use crate::api::Api;
use crate::commands::publish::shelf::Shelf;
use crate::data_folder;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::verify::memory::Memory;
use mirror::{Bucket, Web};
use published::{Folder, Published};
use report::Report;

/// Check a log: signatures, tree, every record
///
/// TARGET is the URL of a server, a data folder (the server may be running on it), what `annals publish` wrote (a folder, a bucket's
/// URL, or the URL of whoever serves it), or an evidence bundle written by `annals export --bundle`.
/// Nothing is written there. The newest checkpoint accepted of each log is remembered, and the next run demands that the log
/// extends it: a log that shrank or changed ends with exit code 8, and so does any byte that is not what was recorded.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  annals verify ./annals-data
  annals verify ./published --log-key log.example.com/t/0123…+1a2b3c4d+AbCd…
  annals verify https://logs.example.com/acme-log
  annals verify https://audit.example.com --key annals_… --tenant acme
  annals verify https://audit.example.com --key annals_… --witness w1.example+1a2b3c4d+BAbC… --witness-quorum 1
  annals verify evidence.zip --log-key log.example.com/t/0123…+1a2b3c4d+AbCd…

What is remembered lies in $ANNALS_STATE, or $XDG_STATE_HOME/annals, or ~/.local/state/annals.
Exit codes: 0 everything holds, 8 something does not, others as for every command.")]
pub(crate) struct Args {
    /// A server's URL, a data folder, a published log (a folder or URL), or a bundle
    #[arg(value_name = "TARGET")]
    target: String,
    /// The log's public key, as text or as a file; without it the key found there is used, and pinned
    #[arg(long, value_name = "VKEY|FILE")]
    log_key: Option<String>,
    /// Only this tenant
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// Of a server: the access log instead of the events
    #[arg(long)]
    access: bool,
    /// Of a bundle: say what became of each position
    #[arg(long)]
    positions: bool,
    /// Key of a witness that must have cosigned; may be repeated
    #[arg(long = "witness", value_name = "VKEY")]
    witnesses: Vec<String>,
    /// So many of them are enough [default: all]
    #[arg(long, value_name = "K", requires = "witnesses")]
    witness_quorum: Option<usize>,
    /// API key with the scope `verify`, to ask a server with
    #[arg(long, value_name = "KEY", env = "ANNALS_KEY", hide_env_values = true)]
    key: Option<String>,
}

pub(crate) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    let log_key = args.log_key.as_deref().map(read_log_key).transpose()?;
    let quorum = witnesses::quorum(&args.witnesses, args.witness_quorum)?;
    let memory = Memory::locate()?;
    // Its exit code is the verdict, also to whoever has read enough of the words.
    let mut report = Report::new(output.of_server(), log_key, memory).with_witnesses(quorum);
    match Target::of(&args.target)? {
        Target::Server(url) => match mirror(args, &url).await? {
            Some(source) => Published { source, tenant: None }.verify(&mut report).await?,
            None => server(args, &url, &mut report).await?,
        },
        Target::Published(paths) => {
            for path in paths {
                // Keeping our memory in what we check would let it be changed along with it.
                report.keep_out_of(&path)?;
                Published { source: Folder(&path), tenant: None }.verify(&mut report).await?;
            }
        }
        Target::Bucket(url) => {
            let source = Bucket(Shelf::existing(&url)?);
            Published { source, tenant: None }.verify(&mut report).await?;
        }
        Target::Bundle(path) => bundle::verify(&path, args.positions, &mut report)?,
        Target::Data(path) => {
            report.keep_out_of(&path)?;
            data::verify(&path, args.tenant.as_deref(), &mut report)?;
        }
    }
    report.finish()
}

/// What anybody may read there as static files, if it is that: it is asked without the key, and a server has no such file there.
async fn mirror(args: &Args, url: &str) -> Result<Option<Web>, Failure> {
    if args.tenant.is_some() || args.access {
        return Ok(None);
    }
    Web::at(Api::new(url, None)?).await
}

async fn server(args: &Args, url: &str, report: &mut Report) -> Result<(), Failure> {
    let api = Api::new(url, args.key.clone())?;
    let tenants = match &args.tenant {
        Some(tenant) => vec![Some(tenant.clone())],
        None => match api.tenants().await {
            Ok(tenants) => tenants.into_iter().map(Some).collect(),
            // A key that may only verify cannot list; if it is a tenant's, the server knows which.
            Err(failure) if failure.exit == Exit::Denied && args.key.is_some() => vec![None],
            Err(failure) => return Err(failure),
        },
    };
    for tenant in tenants {
        let source = api.log(tenant.as_deref(), args.access);
        Published { source, tenant }.verify(report).await?;
    }
    Ok(())
}

/// What is to be checked.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Server(String),
    Data(PathBuf),
    Published(Vec<PathBuf>),
    Bucket(String),
    Bundle(PathBuf),
}

impl Target {
    fn of(text: &str) -> Result<Self, Failure> {
        if text.starts_with("http://") || text.starts_with("https://") {
            return Ok(Self::Server(text.to_owned()));
        }
        if text.starts_with("s3://") {
            return Ok(Self::Bucket(text.to_owned()));
        }
        let path = Path::new(text);
        if path.is_file() {
            return Ok(Self::Bundle(path.to_owned()));
        }
        for candidate in [path.to_owned(), path.join("log")] {
            if candidate.join("checkpoint").is_file() {
                return Ok(Self::Published(vec![candidate]));
            }
        }
        let below = logs_below(path);
        if !below.is_empty() {
            return Ok(Self::Published(below));
        }
        if data_folder::folders_to_audit(path).is_some() {
            return Ok(Self::Data(path.to_owned()));
        }
        let (exit, what) = if path.exists() {
            (Exit::Invalid, "is neither a data folder nor a published log")
        } else {
            (Exit::Missing, "does not exist")
        };
        Err(Failure::new(exit, format!("`{text}` {what}")).with_hint(
            "give a server's URL, a data folder of `annals serve`, a folder written by `annals publish`, or a bundle of `annals export --bundle`",
        ))
    }
}

/// Published logs in a folder of several, as `annals publish --all` writes them.
fn logs_below(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut logs: Vec<PathBuf> = entries.filter(|path| path.join("checkpoint").is_file()).collect();
    logs.sort();
    logs
}

/// The key, or the file that holds it.
fn read_log_key(text: &str) -> Result<VerifierKey, Failure> {
    if let Ok(key) = text.parse() {
        return Ok(key);
    }
    let path = Path::new(text);
    if !path.is_file() {
        return Err(Failure::new(
            Exit::Invalid,
            format!("`--log-key`: `{text}` is neither a verifier key nor a file"),
        )
        .with_hint("a verifier key is one line, `name+id+base64`; `GET /v1/log` names it as `public_key`"));
    }
    let content =
        std::fs::read_to_string(path).map_err(|error| Failure::io("read the log's key in", path, &error))?;
    // A published log's file has two while its key changes: from the older one both are reached.
    let key = content.trim().lines().last().unwrap_or_default();
    key.trim().parse().map_err(|error| Failure::new(Exit::Invalid, format!("`--log-key`: `{text}`: {error}")))
}
