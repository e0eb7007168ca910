//! `annals feed`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use reqwest::Method;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::search::TermFlags;
use crate::api::again::Again;
use crate::api::{Api, Query, ServerFlags};
use crate::config::quantity;
use crate::exit::{Exit, Failure};
use crate::files;
use crate::output::Output;
use crate::show::Stage;

/// Records asked for at once. A page is held in memory until it is whole, so that a lost connection repeats nothing.
const RECORDS_MAX: u64 = 500;

/// Longest wait asked of the server at once: well before a silent connection is given up.
const WAIT_AT_ONCE: Duration = Duration::from_secs(20);

/// Longest wait altogether: who wants more follows.
const WAIT_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Longest state file, bytes.
const STATE_BYTES_MAX: u64 = 64 << 10;

/// Print records by position, for scripts
///
/// Every record once, late ones included, one JSON object a line as the server gave it. Ends at the newest one unless told to
/// follow. With `--state FILE` the next run goes on where this one ended: FILE is written only once the records have left
/// this program, so that a run which is killed repeats some of them rather than losing any.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  annals feed --from 4711 --limit 1000
  annals feed --state /var/lib/siem/annals.json operation=delete >> deletes.ndjson
  annals feed --state cursor.json --follow | vector --config pipe.toml")]
pub(crate) struct Args {
    #[command(flatten)]
    terms: TermFlags,
    /// First position, or first ledger number with a platform key and no `--tenant` [default: 0]
    #[arg(long, value_name = "N")]
    from: Option<u64>,
    /// Print at most so many
    #[arg(long, value_name = "N", conflicts_with = "follow", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// If there is none, wait this long for the first one, such as `30s`
    #[arg(long, value_name = "TIME", conflicts_with = "follow", value_parser = quantity::duration)]
    wait: Option<Duration>,
    /// Never end; go on through a restart of the server
    #[arg(long)]
    follow: bool,
    /// Keep the place in FILE; where it exists it goes before `--from`
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Who read the log instead of its events
    #[arg(long)]
    access: bool,
    #[command(flatten)]
    server: ServerFlags,
}

pub(crate) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    let mut filters = args.terms.query(true)?;
    filters.extend(args.server.tenant_parameter());
    let api = args.server.api()?;
    let place = Place::open(args, &filters, &api).await?;
    let mut feed = Feed { api, args, filters, place, stage: Stage::standard(true), output };
    tokio::select! {
        printed = feed.print() => printed?,
        // A page is written whole before anything is waited for: its place is kept.
        interrupted = tokio::signal::ctrl_c(), if args.follow => drop(interrupted),
    }
    Ok(ExitCode::SUCCESS)
}

struct Feed<'a> {
    api: Api,
    args: &'a Args,
    filters: Query,
    place: Place,
    stage: Stage,
    output: Output,
}

impl Feed<'_> {
    async fn print(&mut self) -> Result<(), Failure> {
        let until = self.args.wait.map(|wait| Instant::now() + wait.min(WAIT_MAX));
        let mut again = Again::new(self.output);
        let mut printed = 0;
        let mut wait = Duration::ZERO;
        loop {
            let left = self.args.limit.map_or(RECORDS_MAX, |limit| limit - printed);
            match self.page(left.min(RECORDS_MAX), wait).await {
                Ok(page) => {
                    again.answered();
                    self.output.bytes(&page.lines)?;
                    self.place.keep(page.next)?;
                    printed += page.count;
                    if self.args.limit.is_some_and(|limit| printed >= limit) {
                        return Ok(());
                    }
                    let at_end = page.next >= page.size;
                    let waiting = until.map_or(Duration::ZERO, |until| until - Instant::now());
                    wait = match (at_end, self.args.follow, printed) {
                        (false, ..) => Duration::ZERO,
                        (true, true, _) => WAIT_AT_ONCE,
                        (true, false, 0) if !waiting.is_zero() => waiting.min(WAIT_AT_ONCE),
                        (true, false, _) => return Ok(()),
                    };
                }
                Err(failure) if self.args.follow => again.after(failure).await?,
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn page(&self, limit: u64, wait: Duration) -> Result<Records, Failure> {
        let mut query = self.filters.clone();
        let mut set = |name: &str, value: String| query.push((name.to_owned(), value));
        set("from", self.place.next.to_string());
        set("limit", limit.to_string());
        if !wait.is_zero() {
            set("wait", format!("{}ms", wait.as_millis().max(1)));
        }
        let route = if self.args.access { "access" } else { "feed" };
        let mut page = self.api.page(&["v1", route], &query).await?;
        let next = page.next.and_then(|next| next.parse().ok());
        let next = next.ok_or_else(|| self.api.senseless(&format!("v1/{route}"), "no `annals-next`"))?;
        let mut records = Records { lines: Vec::new(), count: 0, next, size: page.size };
        while let Some(line) = page.lines.next().await? {
            records.lines.extend_from_slice(&self.stage.json(line));
            records.lines.push(b'\n');
            records.count += 1;
        }
        Ok(records)
    }
}

/// A whole page.
struct Records {
    lines: Vec<u8>,
    count: u64,
    next: u64,
    size: u64,
}

/// Where the feed is, kept in a file if one was named.
#[derive(Debug)]
struct Place {
    next: u64,
    kept: Option<Kept>,
}

/// What is written beside the place, and where.
#[derive(Debug)]
struct Kept {
    file: PathBuf,
    feed: String,
    of: Identity,
}

/// The file: `{"next": 4711, "feed": "operation=delete", "tenant": "acme", "url": "http://127.0.0.1:4722/"}`.
#[derive(Debug, Deserialize, Serialize)]
struct State {
    next: u64,
    /// What the numbers are of, so that another feed's are not taken for this one's.
    feed: String,
    #[serde(flatten)]
    of: Identity,
}

/// Whose records the numbers count. The command line does not say it: a tenant's key names its tenant by itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Identity {
    /// [`ALL_TENANTS`], or the one; none of a tenant's key whose tenant has not begun, which has no place but 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    /// The ledger's name, which only platform keys may ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    ledger: Option<String>,
    url: String,
}

/// No tenant is called so. Its numbers are ledger numbers, a tenant's are positions.
const ALL_TENANTS: &str = "*";

impl Identity {
    /// Asks whose records the key reads. Only what needs the scope `read` is asked: to ask for the log itself needs `verify`, and
    /// keys without it would be put on record as refused at every run.
    async fn ask(api: &Api, named: Option<&str>) -> Result<Self, Failure> {
        let status = api.value(api.request(Method::GET, &["v1", "status"], &Query::new())).await;
        let (ledger, whole) = match status {
            Ok(status) => (status["ledger"].as_str().map(str::to_owned), Some(ALL_TENANTS.to_owned())),
            Err(failure) if failure.exit == Exit::Denied => (None, None),
            Err(failure) => return Err(failure),
        };
        let tenant = match named.map(str::to_owned).or(whole) {
            Some(tenant) => Some(tenant),
            None => api.tenants().await?.pop(),
        };
        Ok(Self { tenant, ledger, url: api.url().to_owned() })
    }

    /// The same records: of the same tenant, in the same ledger or, where its name is not known, at the same URL.
    fn is_of(&self, other: &Self) -> bool {
        let differ = |one: &Option<String>, other: &Option<String>| {
            one.as_ref().zip(other.as_ref()).map(|(one, other)| one != other)
        };
        !differ(&self.tenant, &other.tenant).unwrap_or(false)
            && !differ(&self.ledger, &other.ledger).unwrap_or(self.url != other.url)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tenant.as_deref() {
            Some(ALL_TENANTS) => f.write_str("all tenants")?,
            Some(tenant) => write!(f, "tenant `{tenant}`")?,
            None => f.write_str("a tenant without events")?,
        }
        write!(f, " at `{}`", self.url)?;
        self.ledger.iter().try_for_each(|ledger| write!(f, " (ledger `{ledger}`)"))
    }
}

impl Place {
    async fn open(args: &Args, filters: &Query, api: &Api) -> Result<Self, Failure> {
        let from = args.from.unwrap_or(0);
        let Some(file) = args.state.clone() else { return Ok(Self { next: from, kept: None }) };
        // `--since 7d` is another instant each time and yet the same feed.
        let kept = filters.iter().filter(|(name, _)| !matches!(name.as_str(), "since" | "until"));
        let pairs = kept.map(|(name, value)| format!("{name}={value}"));
        let pairs: Vec<String> =
            args.access.then(|| "log=access".to_owned()).into_iter().chain(pairs).collect();
        let feed = pairs.join("&");
        let state = read(&file)?;
        let elsewhere = |kept: &str, asked: &str| {
            let message = format!("`{}` is the place in another feed: {kept}, not {asked}", file.display());
            Failure::new(Exit::Conflict, message).with_hint("keep each feed's place in a file of its own")
        };
        if let Some(state) = state.as_ref().filter(|state| state.feed != feed) {
            return Err(elsewhere(&format!("`{}`", state.feed), &format!("`{feed}`")));
        }
        let of = Identity::ask(api, args.server.tenant.as_deref()).await?;
        if let Some(state) = state.as_ref().filter(|state| !state.of.is_of(&of)) {
            return Err(elsewhere(&state.of.to_string(), &of.to_string()));
        }
        Ok(Self { next: state.map_or(from, |state| state.next), kept: Some(Kept { file, feed, of }) })
    }

    /// Moves on, once everything before `next` has left us. A crash before this repeats a page, and loses none.
    fn keep(&mut self, next: u64) -> Result<(), Failure> {
        let moved = std::mem::replace(&mut self.next, next) != next;
        let Some(Kept { file, feed, of }) = self.kept.as_ref().filter(|kept| moved || !kept.file.exists())
        else {
            return Ok(());
        };
        let state = State { next, feed: feed.clone(), of: of.clone() };
        let mut bytes = serde_json::to_vec(&state).expect("a number and texts serialise");
        bytes.push(b'\n');
        files::replace(file, &bytes).map_err(|error| Failure::io("write", file, &error))
    }
}

/// The state that was kept, if there is one.
fn read(file: &Path) -> Result<Option<State>, Failure> {
    let length = match std::fs::metadata(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::io("read", file, &error)),
        Ok(about) => about.len(),
    };
    let senseless = || {
        Failure::new(Exit::Invalid, format!("`{}` is no state of `annals feed`", file.display()))
            .with_hint("name another file, or remove it to begin at `--from`")
    };
    if length > STATE_BYTES_MAX {
        return Err(senseless());
    }
    let bytes = std::fs::read(file).map_err(|error| Failure::io("read", file, &error))?;
    serde_json::from_slice(&bytes).map(Some).map_err(|_| senseless())
}
