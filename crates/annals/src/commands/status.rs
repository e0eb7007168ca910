//! `annals status`.

use std::process::ExitCode;

use reqwest::Method;
use serde_json::{Value, json};

use crate::api::{Api, Query, ServerFlags};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::show::Stage;
use crate::show::table::{Cell, Column, Layout};

/// Say whether a server is ready, and how much it holds
///
/// With a platform key of scope `read` all that `/v1/status` tells; with a tenant's key the size of its log; without a key
/// what everybody may know. Ends with exit code 7 while events are refused.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  annals status
  annals status --url https://audit.example.com --json

Exit codes: 0 ready, 7 not ready or not there, others as for every command.")]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerFlags,
}

const COLUMNS: &[Column] = &[
    Column { title: "", least: 16, typical: 0, leaves: 0 },
    Column { title: "", least: 10, typical: 0, leaves: 0 },
];

pub(crate) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    let api = args.server.api()?;
    let status = match ask(&api, &["v1", "status"]).await {
        Err(failure) if failure.exit == Exit::Denied => open(&api, args).await?,
        asked => asked?,
    };
    let ready = status["readiness"]["ready"] == true;
    if output.is_json() {
        let mut line = json!({"type": "result"});
        if let (Some(line), Some(status)) = (line.as_object_mut(), status.as_object()) {
            line.extend(status.clone());
        }
        output.raw(&line.to_string())?;
    } else {
        let stage = Stage::standard(true);
        let rows: Vec<Vec<Cell>> =
            told(&status).iter().map(|(name, value)| vec![Cell::new(name), Cell::new(value)]).collect();
        // Reasons are sentences: they may be longer than a line.
        let layout = Layout::of(COLUMNS, &rows, &Stage { columns: None, ..stage.clone() });
        let lines: Vec<String> =
            rows.iter().map(|row| layout.line(row, &Stage { columns: None, ..stage.clone() })).collect();
        output.raw(&lines.join("\n"))?;
    }
    Ok(if ready { ExitCode::SUCCESS } else { ExitCode::from(Exit::Unavailable.code()) })
}

async fn ask(api: &Api, path: &[&str]) -> Result<Value, Failure> {
    api.value(api.request(Method::GET, path, &Query::new())).await
}

/// What those may know who may not see the status.
async fn open(api: &Api, args: &Args) -> Result<Value, Failure> {
    let version = ask(api, &["version"]).await?["version"].take();
    let readiness = api.readiness().await?;
    let mut status = json!({"version": version, "readiness": readiness});
    if args.server.key.is_some() {
        // A key that is refused here too is a wrong key, or one that may not read.
        let mut tenants = ask(api, &["v1", "tenants"]).await?;
        status["logs"] = tenants["tenants"].take();
    }
    Ok(status)
}

/// The status as names and values.
fn told(status: &Value) -> Vec<(String, String)> {
    let checks = status["readiness"]["checks"].as_object();
    let reasons = checks.into_iter().flatten().filter(|(_, check)| check["ok"] != true);
    let reasons: Vec<String> = reasons
        .map(|(name, check)| format!("{name}: {}", check["reason"].as_str().unwrap_or("not well")))
        .collect();
    let ready = match (status["readiness"]["ready"] == true, reasons.is_empty()) {
        (true, true) => "yes".to_owned(),
        // Events are taken, and yet something is for the operator to look at.
        (true, false) => format!("yes, but {}", reasons.join("; ")),
        (false, true) => "no".to_owned(),
        (false, false) => format!("no: {}", reasons.join("; ")),
    };
    let mut rows = vec![("ready".to_owned(), ready)];
    for (name, member) in [
        ("version", "version"),
        ("ledger", "ledger"),
        ("tenants", "tenants"),
        ("records", "records"),
        ("not yet sealed", "tail_records"),
        ("memory for them", "memory_bytes"),
        ("segments", "segments"),
        ("on disk", "segment_bytes"),
        ("journal batches", "journal_batches"),
        ("waiting batches", "queue_batches"),
        ("waiting", "queue_bytes"),
    ] {
        let value = match &status[member] {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            Value::Number(bytes) if member.ends_with("_bytes") => size(bytes.as_u64().unwrap_or(0)),
            value => value.to_string(),
        };
        rows.push((name.to_owned(), value));
    }
    for log in status["logs"].as_array().into_iter().flatten() {
        rows.push((
            format!("log of {}", log["id"].as_str().unwrap_or_default()),
            format!("{} records", log["size"]),
        ));
    }
    rows
}

/// Bytes for people, one digit behind the point.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut tenths = u128::from(bytes) * 10;
    let mut unit = "B";
    for next in UNITS {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1024;
        unit = next;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{}.{} {unit}", tenths / 10, tenths % 10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_well_is_named() {
        let status = json!({"readiness": {"ready": false, "checks": {
            "clock": {"ok": false, "reason": "jumped by 7200 s"}, "journal": {"ok": true}, "signer": {"ok": false, "reason": "no"},
        }}});
        assert_eq!(
            told(&status),
            [("ready".to_owned(), "no: clock: jumped by 7200 s; signer: no".to_owned())]
        );
    }

    #[test]
    fn what_an_operator_must_look_at_is_named_while_events_are_taken() {
        let segments = json!({"ok": false, "reason": "the segments' folder: no space left"});
        let status =
            json!({"readiness": {"ready": true, "checks": {"journal": {"ok": true}, "segments": segments}}});
        let told = told(&status);
        assert_eq!(told[0].1, "yes, but segments: the segments' folder: no space left");
    }

    #[test]
    fn sizes_are_rounded_down() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (16 << 20, "16.0 MiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }
}
