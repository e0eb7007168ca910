//! `annals key`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use annals_event::Timestamp;
use annals_ledger::Unobserved;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::api::{Query, ServerFlags};
use crate::config::{Config, SettingFlags, quantity};
use crate::control;
use crate::data_folder::{DataFolder, LedgerOptions};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::show::table::{self, Cell, Column};
use crate::show::{self, text};

/// List, make, replace and end keys
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List keys, ended ones too, without their secrets
    ///
    /// A tenant's key sees its tenant's. Needs the scope `admin`.
    #[command(after_help = "Examples:\n  annals key list\n  annals key list --tenant acme --json")]
    List {
        #[command(flatten)]
        server: ServerFlags,
    },
    /// Make a key and print it: this once
    ///
    /// Bound to `--tenant`, or a platform key without it (a tenant's key makes keys for its own tenant). No key gives what it
    /// does not have. Needs the scope `admin`.
    #[command(after_help = "\
Examples:
  annals key create --tenant acme --scope write --name 'shop backend'
  annals key create --tenant acme --scope read --scope verify --expires-in 90d
  annals key create --tenant acme --dialect nirvana --json")]
    Create {
        /// What it may do; may be repeated
        #[arg(long = "scope", value_name = "SCOPE", value_enum, required_unless_present = "dialects")]
        scopes: Vec<ScopeName>,
        /// A vendor whose API it may read through; may be repeated
        #[arg(long = "dialect", value_name = "VENDOR")]
        dialects: Vec<String>,
        /// A note for people
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// It is refused after this time, such as `90d`
        #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
        expires_in: Option<Duration>,
        #[command(flatten)]
        server: ServerFlags,
    },
    /// Replace a key by a new one with the same rights, and print it: this once
    ///
    /// The old one goes on for `--overlap`.
    #[command(after_help = "\
Examples:
  annals key rotate key_0123456789abcdef
  annals key rotate key_0123456789abcdef --overlap 0s")]
    Rotate {
        /// The key's id, as `annals key list` shows it
        #[arg(value_name = "ID")]
        id: String,
        /// How long the old key goes on, up to `90d` [default: 24h]
        #[arg(long, value_name = "TIME")]
        overlap: Option<String>,
        #[command(flatten)]
        server: ServerFlags,
    },
    /// End a key: it is refused from now on
    #[command(after_help = "Example:\n  annals key end key_0123456789abcdef")]
    End {
        /// The key's id, as `annals key list` shows it
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        server: ServerFlags,
    },
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

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ScopeName {
    Write,
    Read,
    Export,
    Verify,
    Admin,
}

impl ScopeName {
    fn word(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::Export => "export",
            Self::Verify => "verify",
            Self::Admin => "admin",
        }
    }
}

const COLUMNS: &[Column] = &[
    Column { title: "ID", least: 16, typical: 0, leaves: 0 },
    Column { title: "TENANT", least: 8, typical: 0, leaves: 1 },
    Column { title: "SCOPES", least: 12, typical: 0, leaves: 2 },
    Column { title: "DIALECTS", least: 8, typical: 0, leaves: 4 },
    Column { title: "EXPIRES", least: 27, typical: 0, leaves: 3 },
    Column { title: "NAME", least: 8, typical: 0, leaves: 5 },
];

pub(crate) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    match &args.command {
        Command::List { server } => list(server, output).await?,
        Command::Create { scopes, dialects, name, expires_in, server } => {
            let scopes: Vec<&str> = scopes.iter().map(|scope| scope.word()).collect();
            let expires_at = expires_in.map(expiry).transpose()?;
            let body = json!({
                "tenant": server.tenant, "scopes": scopes, "dialects": dialects, "name": name, "expires_at": expires_at,
            });
            made(server, &["v1", "keys"], &body, output).await?;
        }
        Command::Rotate { id, overlap, server } => {
            let body = overlap.as_ref().map_or_else(|| json!({}), |overlap| json!({"overlap": overlap}));
            made(server, &["v1", "keys", id, "rotate"], &body, output).await?;
        }
        Command::End { id, server } => {
            let api = server.api()?;
            api.answer(api.request(Method::DELETE, &["v1", "keys", id], &Query::new())).await?;
            output.line(
                || format!("key {id} has ended"),
                || json!({"type": "result", "id": id, "ended": true}),
            )?;
        }
        Command::Reset { settings } => {
            let key = reset(&settings.config()?).await?;
            output.line(|| key.clone(), || json!({"type": "result", "operator_key": key}))?;
            output.note("the operator key is replaced; the old one is refused from now on");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The instant so long from now.
fn expiry(after: Duration) -> Result<String, Failure> {
    let after = i64::try_from(after.as_micros()).unwrap_or(i64::MAX);
    let at = Timestamp::from_micros(show::now().as_micros().saturating_add(after));
    at.map(|at| at.to_string())
        .ok_or_else(|| Failure::new(Exit::Invalid, "`--expires-in` is after the year 9999"))
}

async fn list(server: &ServerFlags, output: Output) -> Result<(), Failure> {
    let keys = server.api()?.all(&["v1", "keys"], "keys", &server.tenant_parameter()).await?;
    let text = |key: &Value, name: &str| key[name].as_str().unwrap_or_default().to_owned();
    let row = |key: &Value| {
        let scopes = if key["operator"] == true { "operator".to_owned() } else { words(&key["scopes"]) };
        let tenant = if key["tenant"].is_null() { "(platform)".to_owned() } else { text(key, "tenant") };
        [text(key, "id"), tenant, scopes, words(&key["dialects"]), text(key, "expires_at"), text(key, "name")]
            .iter()
            .map(|value| Cell::new(value))
            .collect()
    };
    table::print("key", &keys, COLUMNS, row, output)
}

fn words(list: &Value) -> String {
    let words = list.as_array().into_iter().flatten().filter_map(Value::as_str);
    words.collect::<Vec<_>>().join(" ")
}

/// Asks for a key and prints it.
async fn made(server: &ServerFlags, path: &[&str], body: &Value, output: Output) -> Result<(), Failure> {
    let api = server.api()?;
    let request = api.request(Method::POST, path, &Query::new());
    let request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
    let mut answer = api.value(request).await?;
    let key = answer["key"].as_str().unwrap_or_default().to_owned();
    let id = answer["id"].as_str().unwrap_or_default().to_owned();
    answer["type"] = "result".into();
    output.line(|| text::safe(&key).into_owned(), || answer)?;
    output.note(&format!("this is key {id}; it is shown this once"));
    Ok(())
}

async fn reset(config: &Config) -> Result<String, Failure> {
    let folder = match DataFolder::existing(&config.data, "resetting the operator key") {
        Ok(folder) => folder,
        Err(failure) if failure.exit == Exit::Busy => {
            return control::ask(&config.data, control::KEY_RESET).await;
        }
        Err(failure) => return Err(failure),
    };
    let options = LedgerOptions {
        name: None,
        event_bytes_max: config.event_bytes_max,
        cache_bytes_max: config.cache_bytes_max,
        tail: config.tail,
        observer: Arc::new(Unobserved),
        signer: config.signer.clone(),
    };
    let opened = folder.open_ledger(options)?;
    let reset = opened.ledger.reset_operator_key().await;
    opened.ledger.stop();
    reset
        .map(|secret| secret.reveal().to_owned())
        .map_err(|error| Failure::new(error.kind().into(), error.to_string()))
}
