//! `annals signer`.

mod import;
mod routes;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use annals_ledger::Entropy as _;
use annals_server::SystemEntropy;
use annals_tree::signer::Signer;
use serde_json::json;
use zeroize::Zeroizing;

use crate::data_folder::{SIGNER, SIGNING_KEY, random_name, write_secret};
use crate::diagnostics;
use crate::exit::{Exit, Failure};
use crate::key_file::KeyFile;
use crate::output::Output;
use crate::standing::{DoorFlags, KeyFolder, Place};

use routes::Service;

const TOKEN: &str = "token";

/// What may be in a signer's folder.
const OURS: &[&str] = &[SIGNING_KEY, "signing.key.new", TOKEN, "token.key.new", SIGNER];

/// Run a signer: the ledger's key in a process of its own
///
/// Holds the key and remembers what it signed last of each log; signs a head or a checkpoint only with a proof that the log grew from
/// there. Whoever takes over the server can then stop it or invent events, but gets no signature on another past. Run it as another
/// user, better on another machine. The key is made at the first start, or taken over with `annals signer import`.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  annals signer --data /var/lib/annals-signer --listen unix:/run/annals/signer.sock
  annals signer --data ./signer --listen 10.0.0.7:4724 --tls-cert cert.pem --tls-key key.pem
  annals signer import /var/lib/annals --data /var/lib/annals-signer

The server finds it with the settings `signer.url` and `signer.token_file`; the token is in the folder, as `token`.

Signals: TERM and INT stop; HUP reads the TLS files again."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Folder with key and memory; made when missing
    #[arg(long, value_name = "DIR", default_value = "annals-signer")]
    data: PathBuf,
    /// Address to listen on, or `unix:PATH`
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:4724")]
    listen: Place,
    /// First part of the origins of a new ledger's logs, fixed with the key [default: random]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    door: DoorFlags,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Move the signing key and the signer's memory out of a data folder
    ///
    /// The server must be stopped. What is left behind is the public key, by which the server knows its signer. Blocks of the disk
    /// and backups of yours may still hold the private key: a key that nobody ever had on the server is made by starting with a signer.
    #[command(after_help = "Example:\n  annals signer import /var/lib/annals --data /var/lib/annals-signer")]
    Import {
        /// The server's data folder
        #[arg(value_name = "DATA")]
        from: PathBuf,
        /// The signer's folder; made when missing
        #[arg(long, value_name = "DIR", default_value = "annals-signer")]
        data: PathBuf,
    },
}

pub(crate) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    if let Some(Command::Import { from, data }) = &args.command {
        return import::run(from, data, output);
    }
    let output = output.of_server();
    diagnostics::start()?;
    let folder = KeyFolder::create(&args.data, "signing", OURS)?;
    let bound = args.door.bind(&args.listen).await?;
    let KeyFile { key, successions } = signing_key(&folder, args.name.as_deref())?;
    let token = token(&folder)?;
    let signer = Signer::new(key, folder.memory(SIGNER)?)
        .map_err(|error| Failure::new(Exit::Damaged, error.to_string()))?;
    let public_key = signer.verifier_key();
    let service = Arc::new(Service::new(signer, successions, &token));
    let url = bound.url.clone();
    let ready = || {
        let token = folder.path().join(TOKEN);
        if output.is_json() {
            let line = json!({
                "url": url, "ledger_key": public_key.to_string(), "token_file": token.display().to_string(),
            });
            return output.raw(&line.to_string());
        }
        output.text(&format!("listening on   {url}"))?;
        output.text(&format!("data folder    {}", folder.path().display()))?;
        output.text(&format!("ledger key     {public_key}"))?;
        output.text(&format!("token          in {}", token.display()))
    };
    bound.serve(routes::router(service), ready, || {}).await
}

/// The ledger's key; made at the first start.
fn signing_key(folder: &KeyFolder, name: Option<&str>) -> Result<KeyFile, Failure> {
    if let Some(text) = folder.key(SIGNING_KEY)? {
        let path = folder.path().join(SIGNING_KEY);
        let file = KeyFile::parse(&text).ok_or_else(|| {
            Failure::new(Exit::Damaged, format!("`{}` is not a signing key", path.display()))
        })?;
        if name.is_some_and(|name| name != file.key.name()) {
            return Err(Failure::new(
                Exit::Conflict,
                format!("this signer's ledger is called `{}`", file.key.name()),
            )
            .with_hint("leave `--name` out; another ledger has a signer of its own"));
        }
        return Ok(file);
    }
    let name = name.map_or_else(random_name, str::to_owned);
    annals_tree::origin::check_ledger_name(&name)
        .map_err(|error| Failure::new(Exit::Invalid, format!("`--name`: `{name}`: {error}")))?;
    let file = KeyFile::new(&name);
    folder.keep_key(SIGNING_KEY, &file.to_text(), SIGNER)?;
    Ok(file)
}

/// What the server is known by; made at the first start.
fn token(folder: &KeyFolder) -> Result<Zeroizing<String>, Failure> {
    if let Some(token) = folder.key(TOKEN)?.filter(|token| !token.trim().is_empty()) {
        return Ok(Zeroizing::new(token.trim().to_owned()));
    }
    let mut random = Zeroizing::new([0; 32]);
    SystemEntropy.fill(&mut *random);
    let token: Zeroizing<String> = Zeroizing::new(random.iter().map(|byte| format!("{byte:02x}")).collect());
    let path = folder.path().join(TOKEN);
    write_secret(&path, &token).map_err(|error| Failure::io("write the token", &path, &error))?;
    Ok(token)
}
