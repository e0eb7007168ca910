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
    for work in ["sealing", "merging"] {
        if status[work] == true {
            rows.push(("at work".to_owned(), work.to_owned()));
        }
    }
    if let Some(reason) = status["merging_fails"].as_str() {
        rows.push(("cannot merge".to_owned(), reason.to_owned()));
    }
    if let Some(damaged) = status["segments_damaged"].as_u64().filter(|damaged| *damaged > 0) {
        rows.push((
            "damaged".to_owned(),
            format!("{damaged} segments: {}", listed(&status["damaged_segments"])),
        ));
    }
    rows.extend(scrubbed(&status["scrub"]));
    rows.extend(witnessed(&status["witnessing"]));
    for log in status["logs"].as_array().into_iter().flatten() {
        rows.push((
            format!("log of {}", log["id"].as_str().unwrap_or_default()),
            format!("{} records", log["size"]),
        ));
    }
    rows
}

/// How far the pass over everything is, and what it found.
fn scrubbed(scrub: &Value) -> Vec<(String, String)> {
    let (Some(records), Some(of), Some(passes)) =
        (scrub["records"].as_u64(), scrub["of"].as_u64(), scrub["passes"].as_u64())
    else {
        return Vec::new();
    };
    let progress = match of {
        0 => "not begun yet".to_owned(),
        of => format!("{records} of {of} records, {passes} passes ended"),
    };
    let mut rows = vec![("read again".to_owned(), progress)];
    if let Some(findings) = scrub["findings"].as_u64().filter(|findings| *findings > 0) {
        rows.push(("not as written".to_owned(), format!("{findings}: {}", listed(&scrub["found"]))));
    }
    rows
}

/// Who cosigns, and who does not.
fn witnessed(witnessing: &Value) -> Vec<(String, String)> {
    let Some(quorum) = witnessing["quorum"].as_u64() else { return Vec::new() };
    let witnesses = witnessing["witnesses"].as_array().map_or(&[][..], Vec::as_slice);
    let without = witnessing["logs_without_quorum"].as_u64().unwrap_or(0);
    let mut told = format!("{quorum} of {} must cosign", witnesses.len());
    if without > 0 {
        told = format!("{told}; {without} of {} logs have too few", witnessing["logs"]);
    }
    let mut rows = vec![("witnesses".to_owned(), told)];
    for witness in witnesses {
        let said = match witness["ok"].as_bool() {
            Some(true) => "cosigns".to_owned(),
            Some(false) => format!("does not: {}", witness["reason"].as_str().unwrap_or("no reason given")),
            None => "not asked yet".to_owned(),
        };
        rows.push((witness["name"].as_str().unwrap_or_default().to_owned(), said));
    }
    rows
}

/// Texts of a list, one behind the other.
fn listed(texts: &Value) -> String {
    let texts = texts.as_array().map_or(&[][..], Vec::as_slice);
    texts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
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
    fn work_in_the_background_and_what_it_found_is_told() {
        let status = json!({
            "readiness": {"ready": true, "checks": {}}, "sealing": false, "merging": true,
            "segments_damaged": 1, "damaged_segments": ["segment-7.seg"],
            "scrub": {"passes": 2, "records": 40, "of": 100, "findings": 1, "found": ["acme: position 7"]},
            "witnessing": {"quorum": 1, "logs": 5, "logs_without_quorum": 2, "witnesses": [
                {"name": "one.example/w", "url": "https://one.example", "ok": true},
                {"name": "two.example/w", "url": "https://two.example", "ok": false, "reason": "timed out"},
                {"name": "six.example/w", "url": "https://six.example", "ok": null},
            ]},
        });
        let told: Vec<String> =
            told(&status).iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(
            told,
            [
                "ready: yes",
                "at work: merging",
                "damaged: 1 segments: segment-7.seg",
                "read again: 40 of 100 records, 2 passes ended",
                "not as written: 1: acme: position 7",
                "witnesses: 1 of 3 must cosign; 2 of 5 logs have too few",
                "one.example/w: cosigns",
                "two.example/w: does not: timed out",
                "six.example/w: not asked yet",
            ]
        );
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
