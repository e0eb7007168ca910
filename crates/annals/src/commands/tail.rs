//! `annals tail`.

use std::process::ExitCode;

use annals_event::json::Document;

use super::search::TermFlags;
use crate::api::live::Live;
use crate::api::{Api, ServerFlags};
use crate::exit::Failure;
use crate::output::Output;
use crate::show::Stage;
use crate::show::event::{self, COLUMNS, TENANT};
use crate::show::table::{Cell, Layout};

/// Show the newest events, then each one as it comes in
///
/// Conditions are those of `annals search`. Goes on through a restart of the server without a skip or a repeat. Ends with
/// Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  annals tail
  annals tail operation=delete -n 5
  annals tail --from 4711 --json | while read -r event; do …; done")]
pub(crate) struct Args {
    #[command(flatten)]
    terms: TermFlags,
    /// Begin with so many of the newest by time
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=1000))]
    lines: u64,
    /// Begin at this position instead, or at this ledger number with a platform key and no `--tenant`
    #[arg(long, value_name = "POSITION", conflicts_with = "lines")]
    from: Option<u64>,
    /// Show times in UTC on a terminal too
    #[arg(long)]
    utc: bool,
    #[command(flatten)]
    server: ServerFlags,
}

pub(crate) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    tokio::select! {
        followed = follow(args, output) => followed,
        interrupted = tokio::signal::ctrl_c() => {
            drop(interrupted);
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn follow(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    let api = args.server.api()?;
    let mut filters = args.terms.query(args.utc)?;
    filters.extend(args.server.tenant_parameter());
    let (newest, from) = match args.from {
        Some(from) => (Vec::new(), from),
        None => newest(&api, &filters, args.lines).await?,
    };
    let mut rows = Rows {
        output,
        stage: Stage::standard(args.utc),
        layout: None,
        one_tenant: args.server.tenant.is_some(),
    };
    rows.show(&newest, &api)?;
    let mut live = Live::new(api.clone(), filters, from, output);
    loop {
        let record = live.record().await?;
        rows.show(&[record], &api)?;
    }
}

/// The newest `count` events that match, oldest of them first, and where the feed goes on behind them.
async fn newest(api: &Api, filters: &[(String, String)], count: u64) -> Result<(Vec<Vec<u8>>, u64), Failure> {
    let mut query = filters.to_vec();
    query.push(("limit".to_owned(), count.max(1).to_string()));
    // What is rare is found later than anybody waits; following begins all the same.
    query.push(("partial".to_owned(), "true".to_owned()));
    let mut page = api.page(&["v1", "events"], &query).await?;
    let mut lines = Vec::new();
    while let Some(line) = page.lines.next().await? {
        lines.push(line.to_vec());
    }
    lines.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    lines.reverse();
    Ok((lines, page.size))
}

/// The table as it grows. What came first decides how wide the columns are.
struct Rows {
    output: Output,
    stage: Stage,
    layout: Option<Layout>,
    /// All are of the tenant that was named.
    one_tenant: bool,
}

impl Rows {
    fn show(&mut self, records: &[Vec<u8>], api: &Api) -> Result<(), Failure> {
        let mut out = Vec::new();
        if self.output.is_json() {
            for record in records {
                out.extend_from_slice(&self.stage.json(record));
                out.push(b'\n');
            }
            return self.output.bytes(&out);
        }
        let mut document = Document::default();
        let mut rows: Vec<Vec<Cell>> = Vec::with_capacity(records.len());
        for record in records {
            let event =
                event::read(&mut document, record).map_err(|why| api.senseless("v1/feed/live", &why))?;
            // What stays on the screen must not say how long ago it was.
            let mut row = event.row(None, &self.stage);
            if self.one_tenant {
                row[TENANT] = Cell::default();
            }
            rows.push(row);
        }
        if rows.is_empty() {
            return Ok(());
        }
        if self.layout.is_none() {
            let layout = Layout::ahead(COLUMNS, &rows, &self.stage);
            out.extend_from_slice(layout.header(COLUMNS, &self.stage).as_bytes());
            out.push(b'\n');
            self.layout = Some(layout);
        }
        for row in &rows {
            let line = self.layout.as_ref().map(|layout| layout.line(row, &self.stage));
            out.extend_from_slice(line.unwrap_or_default().as_bytes());
            out.push(b'\n');
        }
        self.output.bytes(&out)
    }
}
