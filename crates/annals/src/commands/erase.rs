//! `annals erase`.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::api::{Api, ServerFlags};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::show::table::{self, Cell, Column};

/// Erase a person from a tenant's records, and prove it
///
/// Without a command: shows what would go, asks, and begins a case. As many keys as the server demands must approve a case (two,
/// unless `erasure.approvals` says otherwise); who asks is the first. Then nobody can read what it takes, and within minutes it is in no file
/// any more. That something happened stays, and so do all proofs. Needs the scope `admin`.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  annals erase --tenant acme --subject usr_17 --subject ada@example.com --dry-run\n  annals erase --tenant acme --subject usr_17 --reason 'request 4711' --yes\n  annals erase list --tenant acme\n  annals erase approve 7f3a90bc11223344 --tenant acme"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    new: New,
}

#[derive(Debug, clap::Args)]
struct New {
    /// What stands for the person in events: an id, an address, a name; case does not count
    #[arg(long, value_name = "VALUE", required = true)]
    subject: Vec<String>,
    /// More that stands for the same person
    #[arg(long, value_name = "VALUE")]
    also: Vec<String>,
    /// Texts in which it stands among other words: `erase` them whole, or `keep` them
    #[arg(long, value_name = "WHAT", value_parser = ["erase", "keep"])]
    text: Option<String>,
    /// Why; it stands in the log for ever, so it must not name the person
    #[arg(long, value_name = "TEXT", default_value = "erasure on request of the person")]
    reason: String,
    /// Only show what would go
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Do not wait until it is done
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    server: ServerFlags,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List cases
    List {
        #[command(flatten)]
        server: ServerFlags,
    },
    /// Show a case
    Show {
        /// Its name
        #[arg(value_name = "CASE")]
        case: String,
        #[command(flatten)]
        server: ServerFlags,
    },
    /// Approve a case; with the last approval it is carried out
    Approve {
        /// Its name
        #[arg(value_name = "CASE")]
        case: String,
        /// Do not wait until it is done
        #[arg(long)]
        no_wait: bool,
        #[command(flatten)]
        server: ServerFlags,
    },
    /// Give a case up that is not approved yet
    Withdraw {
        /// Its name
        #[arg(value_name = "CASE")]
        case: String,
        #[command(flatten)]
        server: ServerFlags,
    },
}

const HITS: &[Column] = &[
    Column { title: "AS", least: 6, typical: 0, leaves: 0 },
    Column { title: "AT", least: 10, typical: 0, leaves: 2 },
    Column { title: "RECORDS", least: 7, typical: 0, leaves: 1 },
];

const CASES: &[Column] = &[
    Column { title: "CASE", least: 16, typical: 0, leaves: 0 },
    Column { title: "TENANT", least: 8, typical: 0, leaves: 3 },
    Column { title: "STAGE", least: 9, typical: 0, leaves: 1 },
    Column { title: "APPROVED", least: 8, typical: 0, leaves: 4 },
    Column { title: "RECORDS", least: 7, typical: 0, leaves: 2 },
    Column { title: "REASON", least: 8, typical: 0, leaves: 5 },
];

/// Between two looks how far a case has come.
const EVERY: Duration = Duration::from_millis(250);

/// Who waits so long is told that it goes on by itself.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

pub(crate) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    match &args.command {
        None => begin(&args.new, output).await?,
        Some(Command::List { server }) => {
            let api = server.api()?;
            let path = &["v1", "erasures"];
            let told = api.value(api.request(Method::GET, path, &server.tenant_parameter())).await?;
            print_cases(told["erasures"].as_array().map_or(&[], Vec::as_slice), output)?;
        }
        Some(Command::Show { case, server }) => {
            let told = of_case(&server.api()?, server, case, None).await?;
            print_cases(&[told], output)?;
        }
        Some(Command::Approve { case, no_wait, server }) => {
            let api = server.api()?;
            let told = of_case(&api, server, case, Some("approve")).await?;
            follow(&api, server, told, *no_wait, output).await?;
        }
        Some(Command::Withdraw { case, server }) => {
            let told = of_case(&server.api()?, server, case, Some("withdraw")).await?;
            print_cases(&[told], output)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn begin(new: &New, output: Output) -> Result<(), Failure> {
    let api = new.server.api()?;
    let values: Vec<&String> = new.subject.iter().chain(&new.also).collect();
    let mut body = json!({"values": values, "dry_run": true});
    if let Some(text) = &new.text {
        body["text"] = text.as_str().into();
    }
    let preview = post(&api, &new.server, &["v1", "erasures"], Some(&body)).await?;
    show(&preview, output)?;
    if new.dry_run {
        return Ok(());
    }
    if !new.yes && !confirmed(output)? {
        return Err(Failure::new(
            Exit::Invalid,
            "nothing was erased; say `--yes` to go on without being asked",
        ));
    }
    body["dry_run"] = false.into();
    body["reason"] = new.reason.as_str().into();
    let case = post(&api, &new.server, &["v1", "erasures"], Some(&body)).await?;
    follow(&api, &new.server, case, new.no_wait, output).await
}

/// What would go.
fn show(preview: &Value, output: Output) -> Result<(), Failure> {
    let hits = preview["hits"].as_array().cloned().unwrap_or_default();
    let row = |hit: &Value| {
        vec![
            Cell::new(hit["class"].as_str().unwrap_or_default()),
            Cell::new(hit["pointer"].as_str().unwrap_or_default()),
            Cell::new(&hit["records"].to_string()),
        ]
    };
    table::print("hit", &hits, HITS, row, output)?;
    let count = |name: &str| preview[name].as_u64().unwrap_or(0);
    let mut words =
        format!("{} values of {} records go, of {}", count("units"), count("records"), count("of"));
    for (name, what) in [
        ("held", "records are held and stay as they are"),
        ("text_kept", "records have it in texts that stay"),
        ("in_envelope", "records have it in an id, an action or a source, which are never erased"),
    ] {
        if count(name) > 0 {
            words.push_str(&format!("; {} {what}", count(name)));
        }
    }
    for name in preview["also_known_as"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        words.push_str(&format!(
            "\nthe same actor is also called {name}: look for that too with --also '{name}'"
        ));
    }
    output.line(
        || words,
        || {
            let mut told = preview.clone();
            told["type"] = "preview".into();
            told
        },
    )
}

fn confirmed(output: Output) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    output.note("erase this for ever? type yes");
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .map_err(|error| Failure::new(Exit::Unavailable, error.to_string()))?;
    Ok(line.trim() == "yes")
}

/// Waits until a case is over, if it can be without somebody else.
async fn follow(
    api: &Api,
    server: &ServerFlags,
    mut case: Value,
    no_wait: bool,
    output: Output,
) -> Result<(), Failure> {
    let began = Instant::now();
    let name = case["case"].as_str().unwrap_or_default().to_owned();
    let goes_on = |case: &Value| matches!(case["stage"].as_str(), Some("approved" | "ordered"));
    let mut was_ordered = false;
    while !no_wait && goes_on(&case) && began.elapsed() < PATIENCE {
        if case["stage"] == "ordered" && !was_ordered {
            was_ordered = true;
            output.note("nobody can read it any more; files are being rewritten");
        }
        tokio::time::sleep(EVERY).await;
        case = of_case(api, server, &name, None).await?;
    }
    print_cases(std::slice::from_ref(&case), output)?;
    match case["stage"].as_str() {
        Some("requested") => {
            let missing = case["approvals_required"].as_u64().unwrap_or(0)
                - case["approved_by"].as_array().map_or(0, |by| by.len() as u64);
            output.note(&format!("{missing} more key(s) must approve: annals erase approve {name}"));
        }
        Some("done") => output.note("it is in no file any more"),
        _ => output.note(&format!("it goes on by itself; see annals erase show {name}")),
    }
    Ok(())
}

async fn of_case(api: &Api, server: &ServerFlags, case: &str, act: Option<&str>) -> Result<Value, Failure> {
    match act {
        Some(act) => post(api, server, &["v1", "erasures", case, act], None).await,
        None => {
            let request = api.request(Method::GET, &["v1", "erasures", case], &server.tenant_parameter());
            api.value(request).await
        }
    }
}

async fn post(
    api: &Api,
    server: &ServerFlags,
    path: &[&str],
    body: Option<&Value>,
) -> Result<Value, Failure> {
    let mut request = api.request(Method::POST, path, &server.tenant_parameter());
    if let Some(body) = body {
        request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
    }
    api.value(request).await
}

fn print_cases(cases: &[Value], output: Output) -> Result<(), Failure> {
    let row = |case: &Value| {
        let text = |name: &str| case[name].as_str().unwrap_or_default().to_owned();
        let approved = case["approved_by"].as_array().map_or(0, Vec::len);
        vec![
            Cell::new(&text("case")),
            Cell::new(&text("tenant")),
            Cell::new(&text("stage")),
            Cell::new(&format!("{approved} of {}", case["approvals_required"])),
            Cell::new(
                &case["took"]["records"].as_u64().map_or("–".to_owned(), |records| records.to_string()),
            ),
            Cell::new(&text("reason")),
        ]
    };
    table::print("case", cases, CASES, row, output)
}
