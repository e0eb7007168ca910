//! `annals demo`.

mod fill;

use std::process::ExitCode;

use annals_event::Timestamp;
use annals_ledger::{Author, Control, KeyRecord, Ledger, Scope};

use super::serve::{FirstLine, key};
use crate::config::SettingFlags;
use crate::demo::notes::{STORIES, StoryNote};
use crate::demo::story::tenant_ids;
use crate::diagnostics;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::running::Running;
use fill::{Filled, fill};

/// Events in the demo's year.
const EVENTS: u64 = 200_000;

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

/// What the tenants' keys may do: all but `admin`.
const SCOPES: [Scope; 4] = [Scope::Write, Scope::Read, Scope::Export, Scope::Verify];

/// Run a server full of invented events, to look around
///
/// Three companies, a year up to today, 200,000 events, and a few stories worth finding. Lives in a temporary folder that is
/// removed at the end, unless `--data` is given; a folder that was filled before is served as it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  annals demo
  annals demo --listen 127.0.0.1:0 --json
  annals demo --data ./demo-data")]
pub(crate) struct Args {
    #[command(flatten)]
    settings: SettingFlags,
}

pub(crate) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    let output = output.of_server();
    let mut config = args.settings.config()?;
    // Dropped, and so removed, after the server has stopped.
    let temporary = match &args.settings.data {
        Some(_) => None,
        None => Some(temporary_folder()?),
    };
    if let Some(folder) = &temporary {
        config.data = folder.path().join("data");
    }
    diagnostics::start()?;
    let mut running = Running::open(&config).await?;
    let prepared = {
        let ledger = running.ledger.clone();
        let new = running.operator_key.is_some();
        running.interruptible(async move { prepare(&ledger, new, output).await }).await
    };
    let prepared = match prepared {
        Ok(Ok(prepared)) => prepared,
        Ok(Err(failure)) => {
            running.ledger.stop();
            return Err(failure);
        }
        Err(code) => {
            running.ledger.stop();
            return Ok(code);
        }
    };
    let first = FirstLine {
        url: running.url.clone(),
        operator_key: key(&running),
        tenants: prepared.as_ref().map(|prepared| prepared.keys.clone()).unwrap_or_default(),
    };
    running
        .serve(async |_| {
            first.print(&config, output)?;
            match &prepared {
                Some(prepared) => tell(&first, prepared, output),
                None => output.text("\nthe folder was filled before; its keys were shown then"),
            }
        })
        .await
}

fn temporary_folder() -> Result<tempfile::TempDir, Failure> {
    let made = tempfile::Builder::new().prefix("annals-demo-").tempdir();
    made.map_err(|error| Failure::io("make a folder in", &std::env::temp_dir(), &error))
}

/// A ledger that was filled just now.
struct Prepared {
    /// Tenants and their keys.
    keys: Vec<(String, String)>,
    filled: Filled,
}

/// Fills a new ledger and makes the tenants' keys. None when this was done in an earlier run.
async fn prepare(ledger: &Ledger, new: bool, output: Output) -> Result<Option<Prepared>, Failure> {
    if !new {
        return if keys_are_made(ledger) {
            Ok(None)
        } else {
            let message = "the folder holds another ledger, or a demo whose filling was interrupted";
            Err(Failure::new(Exit::Conflict, message)
                .with_hint("give an empty folder with `--data DIR`, or none"))
        };
    }
    let now_us = ledger.clock().now().as_micros();
    let midnight_us = now_us - now_us.rem_euclid(DAY_US);
    let until = Timestamp::from_micros(midnight_us).expect("today's midnight is an instant");
    let filled = fill(ledger, until, EVENTS, output).await?;
    let mut keys = Vec::new();
    // The keys come last: that they are there says that the filling was finished.
    for tenant in tenant_ids() {
        let secret = ledger.new_key_secret();
        let hash = secret.hash();
        let key = KeyRecord {
            id: hash.key_id(),
            hash,
            tenant: Some(tenant.to_owned()),
            scopes: SCOPES.to_vec(),
            dialects: Vec::new(),
            name: Some("demo".to_owned()),
            expires_at_us: None,
            operator: false,
        };
        let made =
            ledger.change_keys(Control::KeyCreated { key, replaces: Vec::new() }, &Author::Machine).await;
        made.map_err(|error| Failure::new(error.kind().into(), error.to_string()))?;
        keys.push((tenant.to_owned(), secret.reveal().to_owned()));
    }
    Ok(Some(Prepared { keys, filled }))
}

fn keys_are_made(ledger: &Ledger) -> bool {
    let keys = ledger.keys();
    let keys = keys.read().expect("no holder of this lock panics");
    tenant_ids().iter().all(|tenant| {
        keys.iter().any(|key| key.tenant.as_deref() == Some(*tenant) && key.name.as_deref() == Some("demo"))
    })
}

/// The keys and the stories, for people.
fn tell(first: &FirstLine, prepared: &Prepared, output: Output) -> Result<(), Failure> {
    output.text("\ntenants and their keys:")?;
    for (tenant, key) in &prepared.keys {
        output.text(&format!("  {tenant:<16} {key}"))?;
    }
    output.text("\nworth finding:")?;
    for (story, found) in STORIES.iter().zip(&prepared.filled.stories) {
        output.text(&format!("\n  {} ({}, {} events)", story.title, story.tenant, story.count))?;
        for line in crate::config::wrapped(story.what_happened, 96) {
            output.text(&format!("    {line}"))?;
        }
        output.text(&format!("    Look: {}", story.how_to_find))?;
        let key =
            prepared.keys.iter().find(|(tenant, _)| tenant == story.tenant).map(|(_, key)| key.as_str());
        if let (Some(key), Some((from, to))) = (key, found) {
            output.text(&format!("    {}", curl_story(&first.url, key, story, *from, *to)))?;
        }
    }
    Ok(())
}

/// A line for the shell that shows a story's events among their neighbours in the feed.
fn curl_story(url: &str, key: &str, story: &StoryNote, from: u64, to: u64) -> String {
    let mut line = format!(
        "curl -s '{url}/v1/feed?from={from}&limit={}' -H 'Authorization: Bearer {key}' -H 'Accept: application/x-ndjson'",
        (to - from + 1).min(fill::FEED_LIMIT_MAX)
    );
    // Parameters of one name mean either, of several names all.
    for (index, (name, _)) in story.find.iter().enumerate() {
        if story.find[..index].iter().any(|(earlier, _)| earlier == name) {
            continue;
        }
        line.push_str(" | grep");
        for (_, value) in story.find.iter().filter(|(other, _)| other == name) {
            line.push_str(&format!(" -e '\"{value}\"'"));
        }
    }
    line
}
