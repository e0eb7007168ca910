//! `annals search`.

mod proven;
mod terms;

use std::process::ExitCode;

use annals_event::json::Document;

use crate::api::again::Again;
use crate::api::{Api, Query, ServerFlags};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::show::event::{self, COLUMNS, TENANT};
use crate::show::table::{Cell, Layout};
use crate::show::{self, Stage};
use proven::ProofFlags;

pub(crate) use terms::TermFlags;

/// Events shown on a terminal when nobody says how many.
const WATCHED_LIMIT: u64 = 50;

/// Most events asked for at once, and fewer where they are laid out. A page is held in memory until it is whole, so that a
/// lost connection repeats nothing.
const LINES_MAX: u64 = 500;
const ROWS_MAX: u64 = 200;

/// Tries for a page that breaks off, over about half a minute.
const TRIES_MAX: u32 = 6;

/// Lines are written out once there are so many bytes of them.
const WRITE_BYTES: usize = 64 << 10;

/// Find events, newest first
///
/// A TERM `name=value` is a condition on a member (`actor_id=u1`, `operation=delete`, `context_ip=10.0.0.0/8`); given again
/// for the same name, any of the values will do. Any other TERM is a word to find anywhere in an event, a TERM with spaces in
/// it a phrase. All conditions must hold. On a terminal the newest 50 are shown as a table; elsewhere all are, with full
/// values and UTC times. With `--json` each line is an event as the server gave it.
///
/// With `--verify` nothing is shown before it was proven, and with `--gap-free` too it is proven that nothing that matches was left
/// out. The key needs the scope `export`, and what does not hold ends with exit code 8.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  annals search actor_id=u1 operation=delete --since 7d
  annals search 'quarterly report' --since yesterday --until today
  annals search --filter 'targets[type eq \"video\" and id eq \"v9\"]' --all
  annals search action=user.login outcome_result=failure --limit 0 --total
  annals search --since 2026-11-01 --json > november.ndjson
  annals search actor_id=u1 --verify --gap-free --tenant acme")]
pub(crate) struct Args {
    #[command(flatten)]
    terms: TermFlags,
    /// Show at most so many [default: 50 on a terminal, all elsewhere]
    #[arg(long, value_name = "N", conflicts_with = "all")]
    limit: Option<u64>,
    /// Show all, however many
    #[arg(long)]
    all: bool,
    /// Oldest first
    #[arg(long)]
    oldest_first: bool,
    /// Say how many match in all; with `--limit 0` this alone
    #[arg(long)]
    total: bool,
    /// Search who read the log instead of its events
    #[arg(long)]
    access: bool,
    /// Show times in UTC on a terminal too
    #[arg(long)]
    utc: bool,
    #[command(flatten)]
    proof: ProofFlags,
    #[command(flatten)]
    server: ServerFlags,
}

pub(crate) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    let stage = Stage::standard(args.utc);
    let mut query = args.terms.query(args.utc)?;
    query.extend(args.server.tenant_parameter());
    let mut set = |name: &str, value: &str| query.push((name.to_owned(), value.to_owned()));
    if args.access {
        set("log", "access");
    }
    if args.oldest_first {
        set("order", "asc");
    }
    if args.proof.verify {
        return proven::run(args, query, output).await;
    }
    let api = args.server.api()?;
    if args.limit == Some(0) {
        return total_alone(&api, query, args.total, output).await;
    }
    // A page may come early when looking takes long; counting must not.
    set(if args.total { "total" } else { "partial" }, "true");
    let default = if stage.is_watched() { Some(WATCHED_LIMIT) } else { None };
    let limit = if args.all { None } else { args.limit.or(default) };
    let found =
        Search { api, stage, output, one_tenant: args.server.tenant.is_some() }.show(query, limit).await?;
    if let Some(total) = found.total {
        output.note(&format!("{} of {total} that match", found.shown));
    } else if found.more && !args.all && args.limit.is_none() {
        output.note("more match: see them with `--all` or `--limit N`");
    } else if found.shown == 0 {
        output.note("nothing matches");
    }
    Ok(ExitCode::SUCCESS)
}

async fn total_alone(api: &Api, mut query: Query, asked: bool, output: Output) -> Result<ExitCode, Failure> {
    if !asked {
        return Err(Failure::new(Exit::Invalid, "`--limit 0` shows nothing")
            .with_hint("with `--total` it says how many events match"));
    }
    query.extend([("total".to_owned(), "true".to_owned()), ("limit".to_owned(), "1".to_owned())]);
    let page = api.page(&["v1", "events"], &query).await?;
    let total = page.total.ok_or_else(|| api.senseless("v1/events", "no `annals-total`"))?;
    output.line(|| total.to_string(), || serde_json::json!({"type": "result", "total": total}))?;
    Ok(ExitCode::SUCCESS)
}

/// What a search showed.
struct Found {
    shown: u64,
    total: Option<u64>,
    more: bool,
}

/// A page, whole.
struct Whole {
    lines: Vec<Vec<u8>>,
    next: Option<String>,
    total: Option<u64>,
}

struct Search {
    api: Api,
    stage: Stage,
    output: Output,
    /// All are of the tenant that was named.
    one_tenant: bool,
}

impl Search {
    /// Shows what matches, page after page.
    async fn show(&self, first: Query, limit: Option<u64>) -> Result<Found, Failure> {
        let page_max = if self.output.is_json() { LINES_MAX } else { ROWS_MAX };
        let mut found = Found { shown: 0, total: None, more: true };
        let mut query = first;
        let mut layout = None;
        let mut again = Again::up_to(TRIES_MAX, self.output);
        loop {
            let left = limit.map_or(page_max, |limit| limit.saturating_sub(found.shown));
            query.push(("limit".to_owned(), left.min(page_max).to_string()));
            let page = self.page(&query, &mut again).await?;
            found.total = found.total.or(page.total);
            found.shown += page.lines.len() as u64;
            if self.output.is_json() {
                self.lines(&page.lines)?;
            } else {
                self.rows(&page.lines, &mut layout)?;
            }
            found.more = page.next.is_some();
            let Some(cursor) = page.next.filter(|_| limit.is_none_or(|limit| found.shown < limit)) else {
                return Ok(found);
            };
            // It carries the question.
            query = vec![("cursor".to_owned(), cursor)];
        }
    }

    /// A page, asked for again when it breaks off.
    async fn page(&self, query: &Query, again: &mut Again) -> Result<Whole, Failure> {
        loop {
            match self.try_page(query, again).await {
                Ok(page) => {
                    again.answered();
                    return Ok(page);
                }
                Err(failure) => again.after(failure).await?,
            }
        }
    }

    async fn try_page(&self, query: &Query, again: &mut Again) -> Result<Whole, Failure> {
        let mut page = self.api.page(&["v1", "events"], query).await?;
        again.begun();
        let mut lines = Vec::new();
        while let Some(line) = page.lines.next().await? {
            lines.push(line.to_vec());
        }
        Ok(Whole { lines, next: page.next, total: page.total })
    }

    /// Passes a page on as it is.
    fn lines(&self, lines: &[Vec<u8>]) -> Result<(), Failure> {
        let mut out = Vec::new();
        for line in lines {
            out.extend_from_slice(&self.stage.json(line));
            out.push(b'\n');
            if out.len() >= WRITE_BYTES {
                self.output.bytes(&out)?;
                out.clear();
            }
        }
        self.output.bytes(&out)
    }

    /// Shows a page as rows; the first page that has any decides how wide the columns are.
    fn rows(&self, lines: &[Vec<u8>], layout: &mut Option<Layout>) -> Result<(), Failure> {
        let now = Some(show::now());
        let mut rows: Vec<Vec<Cell>> = Vec::new();
        let mut document = Document::default();
        for line in lines {
            let event =
                event::read(&mut document, line).map_err(|why| self.api.senseless("v1/events", &why))?;
            let mut row = event.row(now, &self.stage);
            if self.one_tenant {
                row[TENANT] = Cell::default();
            }
            rows.push(row);
        }
        if rows.is_empty() {
            return Ok(());
        }
        let mut out = String::new();
        let layout = layout.get_or_insert_with(|| {
            let layout = Layout::of(COLUMNS, &rows, &self.stage);
            out.push_str(&layout.header(COLUMNS, &self.stage));
            out.push('\n');
            layout
        });
        for row in &rows {
            out.push_str(&layout.line(row, &self.stage));
            out.push('\n');
        }
        self.output.bytes(out.as_bytes())
    }
}
