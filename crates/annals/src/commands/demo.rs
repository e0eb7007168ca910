//! `annals demo`.

mod fill;

use std::path::Path;
use std::process::ExitCode;

use annals_event::Timestamp;
use annals_ledger::{Author, Control, KeyId, KeyRecord, Ledger, Scope};

use super::serve::{FirstLine, key};
use crate::config::SettingFlags;
use crate::demo::notes::{STORIES, StoryNote};
use crate::demo::story::tenant_ids;
use crate::diagnostics;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::running::Running;
use fill::fill;

/// With fewer, the stories crowd out the everyday; more take minutes.
const EVENTS_MIN: u64 = 20_000;
const EVENTS_MAX: u64 = 2_000_000;

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
    /// How many events the year has
    #[arg(long, value_name = "N", default_value_t = 200_000,
        value_parser = clap::value_parser!(u64).range(EVENTS_MIN..=EVENTS_MAX))]
    events: u64,
    #[command(flatten)]
    settings: SettingFlags,
}

pub(crate) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    let output = output.of_server();
    // One person looks around here: there is nobody else to approve.
    let mut config = args.settings.config_with(&[("erasure.approvals", "1")])?;
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
        let (new, events) = (running.operator_key.is_some(), args.events);
        running.interruptible(async move { prepare(&ledger, new, events, output).await }).await
    };
    let keys = match prepared {
        Ok(Ok(keys)) => keys,
        Ok(Err(failure)) => {
            running.ledger.stop();
            return Err(failure);
        }
        Err(code) => {
            running.ledger.stop();
            return Ok(code);
        }
    };
    let operator = operator(&running.ledger);
    let first = FirstLine {
        url: running.url.clone(),
        viewer: running.viewer_url(operator.as_ref()),
        signs_in: operator.is_some(),
        operator_key: key(&running),
        tenants: keys.clone().unwrap_or_default(),
    };
    running
        .serve(async |_| {
            first.print(&config, output)?;
            match &keys {
                Some(keys) => tell(&first, keys, &config.data, output)?,
                None => output.text("\nthe folder was filled before; its keys were shown then")?,
            }
            let end = if temporary.is_some() {
                "ends it and removes the folder"
            } else {
                "ends it; the folder stays"
            };
            output.text(&format!("\nCtrl-C {end}"))
        })
        .await
}

fn temporary_folder() -> Result<tempfile::TempDir, Failure> {
    let made = tempfile::Builder::new().prefix("annals-demo-").tempdir();
    made.map_err(|error| Failure::io("make a folder in", &std::env::temp_dir(), &error))
}

/// Tenants and their keys.
type Keys = Vec<(String, String)>;

/// Fills a new ledger and makes the tenants' keys. None when this was done in an earlier run.
async fn prepare(ledger: &Ledger, new: bool, events: u64, output: Output) -> Result<Option<Keys>, Failure> {
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
    fill(ledger, until, events, output).await?;
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
        let made = ledger.change(Control::KeyCreated { key, replaces: Vec::new() }, &Author::Machine).await;
        made.map_err(|error| Failure::new(error.kind().into(), error.to_string()))?;
        keys.push((tenant.to_owned(), secret.reveal().to_owned()));
    }
    Ok(Some(keys))
}

/// The operator key's name: whoever can run a demo on a folder may look around in it.
fn operator(ledger: &Ledger) -> Option<KeyId> {
    let now = ledger.clock().now();
    let keys = ledger.keys();
    let keys = keys.read().expect("no holder of this lock panics");
    let operator = keys.iter().find(|key| key.operator && keys.live(&key.id, now).is_some());
    operator.map(|key| key.id.clone())
}

fn keys_are_made(ledger: &Ledger) -> bool {
    let keys = ledger.keys();
    let keys = keys.read().expect("no holder of this lock panics");
    tenant_ids().iter().all(|tenant| {
        keys.iter().any(|key| key.tenant.as_deref() == Some(*tenant) && key.name.as_deref() == Some("demo"))
    })
}

/// What to do with it, for people: lines for the shell, as they stand.
fn tell(first: &FirstLine, keys: &[(String, String)], data: &Path, output: Output) -> Result<(), Failure> {
    let (url, operator, annals) = (&first.url, first.operator_key.as_deref().unwrap_or_default(), program());
    output.text("\ntenants' keys:")?;
    for (tenant, key) in keys {
        output.text(&format!("  {tenant:<16} {key}"))?;
    }
    output.text("\na year of three companies, with six stories in it. In another terminal:")?;
    output.text(&format!("  export ANNALS_URL={url} ANNALS_KEY={operator}"))?;
    for story in STORIES {
        let StoryNote { title, tenant, days_ago, count, .. } = story;
        output.text(&format!("\n  {title} ({tenant}, {days_ago} days ago, {count} events)"))?;
        output.text(&format!("    {}", story.what_happened))?;
        let terms = story.find.iter().map(|(name, value)| format!(" {name}={value}"));
        output.text(&format!("  {annals} search --tenant {tenant}{}", terms.collect::<String>()))?;
    }
    let data = quoted(&std::path::absolute(data).unwrap_or_else(|_| data.to_owned()).to_string_lossy());
    let of_vendor = keys.first().map(|(_, key)| key.as_str()).unwrap_or_default();
    let query = http_query(&STORIES[0]);
    output.text("\nand more:")?;
    output.text(&format!("  every route: open {url}/docs"))?;
    output.text("  a search over HTTP:")?;
    output.text(&format!(
        r#"  curl -s "$ANNALS_URL/v1/events?{query}" -H "Authorization: Bearer $ANNALS_KEY""#
    ))?;
    output.text("  what a client written for a vendor gets, here Nirvana Labs:")?;
    output.text(&format!("  curl -s {url}/v1/audit_logs -H 'Authorization: Bearer {of_vendor}'"))?;
    output.text("  tampering is found: change a byte in a copy, and ask")?;
    output.text(&format!("  cp -r {data} tampered"))?;
    output.text("  LC_ALL=C sed -i.bak s/inv_aurora_0097/inv_aurora_0098/ tampered/journal/*.journal")?;
    output.text(&format!("  {annals} verify tampered"))
}

/// The parameters that find a story, and count it.
fn http_query(story: &StoryNote) -> String {
    let terms = story.find.iter().map(|(name, value)| format!("&{name}={value}"));
    format!("tenant={}{}&total=true", story.tenant, terms.collect::<String>())
}

/// This program, as whoever started it may call it again.
fn program() -> String {
    std::env::args_os().next().map_or_else(|| "annals".to_owned(), |name| quoted(&name.to_string_lossy()))
}

/// One word for a shell.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%".contains(&byte);
    if text.bytes().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
