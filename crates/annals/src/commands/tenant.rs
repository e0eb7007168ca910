//! `annals tenant`.

mod retention;

use std::process::ExitCode;

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::api::{Query, ServerFlags};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::show::table::{self, Cell, Column};

/// List, make and end tenants; say how long their records are kept
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List tenants and the sizes of their logs
    ///
    /// annals' own tenant `_annals` among them. A tenant's key sees its own. Needs the scope `read`.
    #[command(after_help = "Examples:\n  annals tenant list\n  annals tenant list --json")]
    List {
        #[command(flatten)]
        server: ServerFlags,
    },
    /// Show or change what is taken out of a tenant's events before anything of them is kept
    ///
    /// Without rules shows those in force. With rules these take the place of all that were; they hold for events that come after.
    /// A rule names a place by a JSON Pointer, with `*` for every member or item. Where two name a value, the first counts: `--drop`
    /// comes before `--mask`, `--mask` before `--hash`. Needs the scope `admin`.
    #[command(
        after_help = "Examples:\n  annals tenant redaction --tenant acme\n  annals tenant redaction --tenant acme --mask /context/ip --hash /actor/email --drop '/metadata/*/password'\n  annals tenant redaction --tenant acme --end"
    )]
    Redaction {
        /// Leave these out
        #[arg(long, value_name = "POINTER")]
        drop: Vec<String>,
        /// Put `***` in their place
        #[arg(long, value_name = "POINTER")]
        mask: Vec<String>,
        /// Put a keyed hash in their place, the same for the same value
        #[arg(long, value_name = "POINTER")]
        hash: Vec<String>,
        /// End all rules
        #[arg(long, conflicts_with_all = ["drop", "mask", "hash"])]
        end: bool,
        #[command(flatten)]
        server: ServerFlags,
    },
    /// Show or change how long a tenant's records are kept, and foresee what that comes to
    ///
    /// Needs the scope `admin`.
    #[command(subcommand)]
    Retention(retention::Command),
    /// End a tenant: its keys, its events to come, and all its records
    ///
    /// What its logs state stays, so that what was shown of them can still be checked. This cannot be undone: export first. It is
    /// refused while a hold stands. Needs a platform key with the scope `admin`.
    #[command(
        after_help = "Examples:\n  annals export --tenant acme --out acme.ndjson\n  annals tenant end acme --yes"
    )]
    End {
        /// The tenant
        #[arg(value_name = "ID")]
        id: String,
        /// Yes, all its records are to go
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        server: ServerFlags,
    },
    /// Make a tenant; making one that exists changes nothing
    ///
    /// Needs a platform key with the scope `admin`.
    #[command(after_help = "Example:\n  annals tenant create acme")]
    Create {
        /// 1 to 128 bytes of `A–Z a–z 0–9 . _ -`, not starting with `_` or `.`
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        server: ServerFlags,
    },
}

const COLUMNS: &[Column] = &[
    Column { title: "TENANT", least: 8, typical: 0, leaves: 0 },
    Column { title: "RECORDS", least: 7, typical: 0, leaves: 1 },
];

const RULE_COLUMNS: &[Column] = &[
    Column { title: "DO", least: 4, typical: 0, leaves: 0 },
    Column { title: "VALUES AT", least: 10, typical: 0, leaves: 1 },
];

pub(crate) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    match &args.command {
        Command::List { server } => {
            let mut tenants = server.api()?.all(&["v1", "tenants"], "tenants", &Query::new()).await?;
            // The route has no such parameter: a platform key lists all.
            tenants
                .retain(|tenant| server.tenant.as_ref().is_none_or(|named| tenant["id"] == named.as_str()));
            let row = |tenant: &Value| {
                vec![
                    Cell::new(tenant["id"].as_str().unwrap_or_default()),
                    Cell::new(&tenant["size"].to_string()),
                ]
            };
            table::print("tenant", &tenants, COLUMNS, row, output)?;
        }
        Command::Redaction { drop, mask, hash, end, server } => {
            let acts = [("drop", drop), ("mask", mask), ("hash", hash)];
            let rules: Vec<Value> = acts
                .iter()
                .flat_map(|(act, pointers)| pointers.iter().map(move |at| json!({"pointer": at, "do": act})))
                .collect();
            let api = server.api()?;
            let query = server.tenant_parameter();
            let path = &["v1", "redaction"];
            let request = if rules.is_empty() && !end {
                api.request(Method::GET, path, &query)
            } else {
                let body = json!({"rules": rules}).to_string();
                api.request(Method::PUT, path, &query).header(CONTENT_TYPE, "application/json").body(body)
            };
            let told = api.value(request).await?;
            let rules = told["rules"].as_array().cloned().unwrap_or_default();
            let row = |rule: &Value| {
                vec![
                    Cell::new(rule["do"].as_str().unwrap_or_default()),
                    Cell::new(rule["pointer"].as_str().unwrap_or_default()),
                ]
            };
            table::print("rule", &rules, RULE_COLUMNS, row, output)?;
            if rules.is_empty() {
                output.note("nothing is taken out of the tenant's events");
            }
        }
        Command::Retention(command) => retention::run(command, output).await?,
        Command::End { id, yes, server } => {
            if !yes {
                return Err(Failure::new(Exit::Invalid, format!("ending `{id}` takes all its records away"))
                    .with_hint("export it first; then say `--yes`"));
            }
            let api = server.api()?;
            let request = api.request(Method::POST, &["v1", "tenants", id, "end"], &Query::new());
            let told = api.value(request).await?;
            output.line(
                || format!("tenant {id} has ended; its records expire"),
                || json!({"type": "result", "id": id, "ended_at": told["ended_at"]}),
            )?;
        }
        Command::Create { id, server } => {
            let api = server.api()?;
            let request = api.request(Method::POST, &["v1", "tenants"], &Query::new());
            let request =
                request.header(CONTENT_TYPE, "application/json").body(json!({"id": id}).to_string());
            let response = api.answer(request).await?;
            let created = response.status() == reqwest::StatusCode::CREATED;
            let words = if created { "is made" } else { "was there already" };
            output.line(
                || format!("tenant {id} {words}"),
                || json!({"type": "result", "id": id, "created": created}),
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
