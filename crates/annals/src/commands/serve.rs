//! `annals serve`.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::config::{Config, SettingFlags};
use crate::diagnostics;
use crate::exit::Failure;
use crate::output::Output;
use crate::running::Running;
use crate::viewer::ABSENT;

/// Run the server
///
/// On an empty or missing folder begins a ledger and prints the operator key, once.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  annals serve
  annals serve --data /var/lib/annals --listen 127.0.0.1:8080
  annals serve --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem
  annals serve --listen 0.0.0.0:4722 --behind-proxy 10.0.0.0/8 --json

Signals: TERM and INT finish open requests and stop, a second one stops at once; HUP reads the TLS files again.
Diagnostics go to standard error; ANNALS_LOG filters them.")]
pub(crate) struct Args {
    #[command(flatten)]
    settings: SettingFlags,
}

pub(crate) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    let output = output.of_server();
    let config = args.settings.config()?;
    diagnostics::start()?;
    let running = Running::open(&config).await?;
    let operator = running.operator_key.as_ref().map(|secret| secret.hash().key_id());
    let first = FirstLine {
        url: running.url.clone(),
        viewer: running.viewer_url(operator.as_ref()),
        signs_in: operator.is_some(),
        operator_key: key(&running),
        tenants: Vec::new(),
    };
    running
        .serve(async |_| {
            first.print(&config, output)?;
            output.text("\nsend an event:")?;
            let key = first.operator_key.as_deref().unwrap_or("$ANNALS_KEY");
            output.text(&format!("  {}", curl_event(&first.url, key)))
        })
        .await
}

/// The operator key to show, when the ledger is new.
pub(super) fn key(running: &Running) -> Option<String> {
    running.operator_key.as_ref().map(|secret| secret.reveal().to_owned())
}

/// What is said once the server is ready.
pub(super) struct FirstLine {
    pub(super) url: String,
    /// The viewer's address, if there is one.
    pub(super) viewer: Option<String>,
    /// Whether that signs in, once.
    pub(super) signs_in: bool,
    pub(super) operator_key: Option<String>,
    /// Ids and keys.
    pub(super) tenants: Vec<(String, String)>,
}

impl FirstLine {
    pub(super) fn print(&self, config: &Config, output: Output) -> Result<(), Failure> {
        if output.is_json() {
            return output.raw(&self.to_json().to_string());
        }
        let data = std::path::absolute(&config.data).unwrap_or_else(|_| config.data.clone());
        output.text(&format!("listening on   {}", self.url))?;
        output.text(&format!("data folder    {}", data.display()))?;
        let once = if self.signs_in { "  (once, within 10 minutes)" } else { "" };
        match &self.viewer {
            Some(viewer) => output.text(&format!("viewer         {viewer}{once}"))?,
            None => output.text(&format!("viewer         none: {ABSENT}"))?,
        }
        if let Some(key) = &self.operator_key {
            output.text(&format!("operator key   {key}"))?;
            output.text("               keep it: it is shown this once; `annals key reset` replaces it")?;
        }
        Ok(())
    }

    fn to_json(&self) -> Value {
        let mut line = json!({"url": self.url, "viewer_url": self.viewer});
        if let Some(key) = &self.operator_key {
            line["operator_key"] = json!(key);
        }
        let tenants = self.tenants.iter().map(|(id, key)| json!({"id": id, "key": key}));
        line["tenants"] = tenants.collect();
        line
    }
}

/// A line for the shell that stores one event.
fn curl_event(url: &str, key: &str) -> String {
    format!(
        "curl {url}/v1/events -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \
         -d '{{\"tenant\":\"acme\",\"action\":\"user.login\",\"actor\":{{\"type\":\"user\",\"id\":\"u1\"}}}}'"
    )
    // A variable does not expand between single quotes.
    .replace("'Authorization: Bearer $ANNALS_KEY'", "\"Authorization: Bearer $ANNALS_KEY\"")
}
