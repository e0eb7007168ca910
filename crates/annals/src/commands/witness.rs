//! `annals witness`.

mod routes;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use annals_ledger::Entropy as _;
use annals_server::SystemEntropy;
use annals_tree::cosignature::Cosigner;
use annals_tree::note::VerifierKey;
use annals_tree::witness::{Logs, Witness};
use serde_json::json;
use zeroize::Zeroizing;

use crate::diagnostics;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::standing::{DoorFlags, KeyFolder, Place};

use routes::Service;

const KEY: &str = "witness.key";
const MEMORY: &str = "memory";

/// Longest file of logs that is read, bytes.
const LOGS_BYTES_MAX: u64 = 16 << 20;

/// Run a witness: a second machine that sees logs grow, and says so
///
/// Cosigns a log's checkpoint only where it extends the one cosigned before, so that nobody, whoever has the log's server, can show two
/// histories that this witness cosigned. Speaks C2SP tlog-witness. The key is made at the first start; what was cosigned is
/// remembered in the folder, which needs a disk of its own and no backup that could set it back.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  annals witness --data ./witness --log 'log.example.com/t/0123…+89abcdef+AUx…'
  annals witness --data ./witness --ledger 'log.example.com+89abcdef+AUx…' --name witness.example.org
  annals witness --data ./witness --logs logs.txt --listen 0.0.0.0:4723 --tls-cert cert.pem --tls-key key.pem

`GET /v1/log` gives a log's key, `annals status --json` that of the ledger. The file of `--logs` has a line `log VKEY` or
`ledger VKEY` for each, and comments after `#`.

Signals: TERM and INT stop; HUP reads the file of `--logs` and the TLS files again.")]
pub(crate) struct Args {
    /// Folder with key and memory; made when missing
    #[arg(long, value_name = "DIR", default_value = "annals-witness")]
    data: PathBuf,
    /// Address to listen on, or `unix:PATH`
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:4723")]
    listen: Place,
    /// Key of a log to witness; may be repeated
    #[arg(long = "log", value_name = "VKEY")]
    logs: Vec<VerifierKey>,
    /// Key of a ledger all of whose logs to witness; may be repeated
    #[arg(long = "ledger", value_name = "VKEY")]
    ledgers: Vec<VerifierKey>,
    /// File of such keys
    #[arg(long = "logs", value_name = "FILE")]
    file: Option<PathBuf>,
    /// The witness' name, fixed at the first start [default: `witness-` and random digits]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    door: DoorFlags,
}

pub(crate) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    let output = output.of_server();
    let logs = args.all_logs()?;
    if logs.is_empty() {
        return Err(Failure::new(Exit::Invalid, "no log to witness").with_hint(
            "give a key with `--log VKEY` or `--ledger VKEY`, or a file of them with `--logs FILE`",
        ));
    }
    diagnostics::start()?;
    let folder = KeyFolder::create(&args.data, "witnessing", &[KEY, "witness.key.new", MEMORY])?;
    let bound = args.door.bind(&args.listen).await?;
    let cosigner = cosigner(&folder, args.name.as_deref())?;
    let witness = Witness::new(cosigner, logs, folder.memory(MEMORY)?);
    let key = witness.key();
    let (count, ledgers) = (witness.logs().keys().count(), witness.logs().ledgers().len());
    let service = Arc::new(Service::new(witness));
    let url = bound.url.clone();
    let ready = || {
        if output.is_json() {
            let line = json!({"url": url, "witness_key": key.to_string(), "logs": count, "ledgers": ledgers});
            return output.raw(&line.to_string());
        }
        output.text(&format!("listening on   {url}"))?;
        output.text(&format!("data folder    {}", folder.path().display()))?;
        output.text(&format!("witness key    {key}"))?;
        output.text(&format!("witnessing     {count} logs, and all of {ledgers} ledgers"))
    };
    let hangup = || match args.all_logs() {
        Ok(logs) => {
            tracing::info!(
                logs = logs.keys().count(),
                ledgers = logs.ledgers().len(),
                "the logs were read again"
            );
            service.replace_logs(logs);
        }
        Err(failure) => tracing::error!(
            reason = failure.message,
            "the file of logs cannot be used; the logs read before stay"
        ),
    };
    bound.serve(routes::router(service.clone()), ready, hangup).await
}

impl Args {
    /// What the flags and the file say.
    fn all_logs(&self) -> Result<Logs, Failure> {
        let (mut logs, mut ledgers) = (self.logs.clone(), self.ledgers.clone());
        if let Some(path) = &self.file {
            read_logs(path, &mut logs, &mut ledgers)?;
        }
        Ok(Logs::new(logs).with_ledgers(ledgers))
    }
}

fn read_logs(
    path: &Path,
    logs: &mut Vec<VerifierKey>,
    ledgers: &mut Vec<VerifierKey>,
) -> Result<(), Failure> {
    let failed = |error| Failure::io("read the logs in", path, &error);
    if std::fs::metadata(path).map_err(failed)?.len() > LOGS_BYTES_MAX {
        return Err(Failure::new(Exit::Invalid, format!("`{}` is longer than 16 MiB", path.display())));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    for (number, line) in (1..).zip(text.lines()) {
        let said = line.split('#').next().unwrap_or("").trim();
        let refuse = |why: &str| Failure::new(Exit::Invalid, format!("{}:{number}: {why}", path.display()));
        let into = match said.split_once(' ') {
            None if said.is_empty() => continue,
            Some(("log", _)) => &mut *logs,
            Some(("ledger", _)) => &mut *ledgers,
            _ => return Err(refuse("must be `log VKEY` or `ledger VKEY`")),
        };
        let key = said.split_once(' ').map_or("", |(_, key)| key.trim());
        into.push(key.parse().map_err(|error: annals_tree::note::KeyError| refuse(&error.to_string()))?);
    }
    Ok(())
}

/// The witness' key; made at the first start.
fn cosigner(folder: &KeyFolder, name: Option<&str>) -> Result<Cosigner, Failure> {
    let path = folder.path().join(KEY);
    if let Some(text) = folder.key(KEY)? {
        let cosigner = Cosigner::from_text(text.trim_end()).map_err(|_| {
            Failure::new(Exit::Damaged, format!("`{}` is not a witness' key", path.display()))
        })?;
        let known = cosigner.witness_key().name().to_owned();
        if name.is_some_and(|name| name != known) {
            return Err(Failure::new(Exit::Conflict, format!("this witness is called `{known}`"))
                .with_hint("leave `--name` out; another name is another witness, with a folder of its own"));
        }
        return Ok(cosigner);
    }
    let mut seed = Zeroizing::new([0; 32]);
    SystemEntropy.fill(&mut *seed);
    let name = name.map_or_else(random_name, str::to_owned);
    let cosigner = Cosigner::from_seed(&name, &seed)
        .map_err(|error| Failure::new(Exit::Invalid, format!("`--name`: `{name}`: {error}")))?;
    folder.keep_key(KEY, &cosigner.to_text(), MEMORY)?;
    Ok(cosigner)
}

fn random_name() -> String {
    let mut random = [0; 8];
    SystemEntropy.fill(&mut random);
    format!("witness-{:016x}", u64::from_be_bytes(random))
}
