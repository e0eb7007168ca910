//! `annals hold`.

use std::process::ExitCode;

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::api::{Query, ServerFlags};
use crate::exit::Failure;
use crate::output::Output;
use crate::show::table::{self, Cell, Column};
use crate::show::text;

/// Keep records whatever rules say: list, begin and release holds
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the holds that stand on a tenant
    #[command(after_help = "Example:\n  annals hold list --tenant acme")]
    List {
        #[command(flatten)]
        server: ServerFlags,
    },
    /// Keep records until the hold is released
    ///
    /// Of one tenant: those that a filter of `annals search` finds, or all of them. Needs the scope `admin`.
    #[command(after_help = "\
Examples:
  annals hold add --tenant acme --filter 'actor.id eq \"usr_17\"' --reason 'case 2026-118' --owner legal@example.com
  annals hold add --tenant acme --everything --reason audit --owner 'Ana'")]
    Add {
        /// Which records
        #[arg(long, value_name = "FILTER", required_unless_present = "everything")]
        filter: Option<String>,
        /// All records of the tenant
        #[arg(long, conflicts_with = "filter")]
        everything: bool,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who answers for it
        #[arg(long, value_name = "TEXT")]
        owner: String,
        #[command(flatten)]
        server: ServerFlags,
    },
    /// Release a hold; what became due meanwhile expires soon
    #[command(after_help = "Example:\n  annals hold release hold_0123456789abcdef --tenant acme")]
    Release {
        /// The hold's id, as `annals hold list` shows it
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        server: ServerFlags,
    },
}

const COLUMNS: &[Column] = &[
    Column { title: "ID", least: 21, typical: 0, leaves: 0 },
    Column { title: "SINCE", least: 20, typical: 0, leaves: 3 },
    Column { title: "RECORDS", least: 12, typical: 0, leaves: 2 },
    Column { title: "OWNER", least: 8, typical: 0, leaves: 1 },
    Column { title: "REASON", least: 8, typical: 0, leaves: 4 },
];

pub(crate) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    match &args.command {
        Command::List { server } => {
            let api = server.api()?;
            let request = api.request(Method::GET, &["v1", "holds"], &server.tenant_parameter());
            let told = api.value(request).await?;
            let holds = told["holds"].as_array().cloned().unwrap_or_default();
            let row = |hold: &Value| {
                let text = |name: &str| hold[name].as_str().unwrap_or_default();
                let records = hold["filter"].as_str().unwrap_or("all");
                [text("id"), text("began_at"), records, text("owner"), text("reason")]
                    .iter()
                    .map(|value| Cell::new(value))
                    .collect()
            };
            table::print("hold", &holds, COLUMNS, row, output)?;
            if holds.is_empty() {
                output.note("no hold stands on the tenant");
            }
        }
        Command::Add { filter, everything, reason, owner, server } => {
            let api = server.api()?;
            let mut body = json!({"everything": everything, "reason": reason, "owner": owner});
            if let Some(filter) = filter {
                body["filter"] = filter.as_str().into();
            }
            if let Some(tenant) = &server.tenant {
                body["tenant"] = tenant.as_str().into();
            }
            let request = api.request(Method::POST, &["v1", "holds"], &Query::new());
            let request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
            let mut hold = api.value(request).await?;
            hold["type"] = "result".into();
            let id = text::safe(hold["id"].as_str().unwrap_or_default()).into_owned();
            output.line(|| format!("hold {id} stands"), || hold)?;
        }
        Command::Release { id, server } => {
            let api = server.api()?;
            let request = api.request(Method::DELETE, &["v1", "holds", id], &server.tenant_parameter());
            api.answer(request).await?;
            output.line(
                || format!("hold {id} is released"),
                || json!({"type": "result", "id": id, "released": true}),
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
