//! `annals export`.
//!
//! | module | does |
//! |---|---|
//! | `bundle` | evidence: `--bundle` |
//! | `fetch` | asks the server, again where the answer breaks off, and checks what came |
//! | `file` | keeps what came beside the file that is to be, until it is whole |
//! | `summed` | counts and hashes what is written |

mod bundle;
mod fetch;
mod file;
mod summed;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use annals_export::columns::Selection;
use annals_export::{Exporter, Format, Options};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::fetch::{Fetch, Place, Take};
use self::file::Kept;
use self::summed::{Sum, Summed};
use super::search::TermFlags;
use crate::api::{Query, ServerFlags};
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Parameters of the route that are no conditions, each with the flag that sets it.
const FLAGS: &[(&str, &str)] = &[
    ("after", "--output"),
    ("bom", "--bom"),
    ("columns", "--columns"),
    ("format", "--format"),
    ("size", "--output"),
];

/// Export events to a file: NDJSON, CSV or Parquet
///
/// All events that match, oldest first, as of the moment at which it begins. What came is kept in `FILE.part`: when the export is
/// interrupted, the same command goes on where it stopped, and the file becomes the same as without the interruption. The file has
/// its name once it is whole; its SHA-256 is beside it in `FILE.sha256`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  annals export --output november.csv --since 2026-11-01 --until 2026-12-01
  annals export --output acme.parquet --tenant acme
  annals export --output logins.csv --columns occurred_at,actor_name,context_ip action=user.login
  annals export --output - operation=delete | jq .actor.name
  annals export --bundle --output evidence.zip --mode covered actor_id=u1 --withhold /actor/email")]
pub(crate) struct Args {
    #[command(flatten)]
    terms: TermFlags,
    /// File to write; `-` for standard output
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// `ndjson`, `csv` or `parquet` [default: as FILE ends, else ndjson]
    #[arg(long, value_name = "FORMAT", value_parser = format_of)]
    format: Option<Format>,
    /// CSV and Parquet: these columns alone, in this order
    #[arg(long, value_name = "A,B,C", value_parser = columns_of)]
    columns: Option<Selection>,
    /// CSV: begin with a byte order mark, for Excel
    #[arg(long)]
    bom: bool,
    /// Newest first
    #[arg(long)]
    newest_first: bool,
    /// Export who read the log instead of its events
    #[arg(long)]
    access: bool,
    /// Put the new file in the place of one that is there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    bundle: bundle::BundleFlags,
    #[command(flatten)]
    server: ServerFlags,
}

fn format_of(text: &str) -> Result<Format, String> {
    text.parse().map_err(|why: annals_export::UnknownFormat| why.to_string())
}

fn columns_of(text: &str) -> Result<Selection, String> {
    Selection::parse(text).map_err(|why| why.to_string())
}

/// What is exported and how: by this an export that was interrupted is known again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    server: String,
    tenant: Option<String>,
    access: bool,
    newest_first: bool,
    /// As given: `7d` is the same words tomorrow.
    terms: Value,
    format: String,
    columns: Vec<String>,
    bom: bool,
}

/// How an export ended.
struct Done {
    rows: u64,
    /// As of how many records.
    size: u64,
    sum: Sum,
}

pub(crate) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    if args.bundle.bundle {
        return bundle::run(args, output).await;
    }
    let options = args.options()?;
    let api = args.server.api()?.patient()?;
    let query = args.query()?;
    let asked = args.asked(api.url(), &options);
    let to_stdout = args.output.as_os_str() == "-";
    let fetch = Fetch { api, query, one_log: args.server.tenant.is_some() || args.access, output };
    let done = if to_stdout {
        pour(&options, fetch).await?
    } else {
        let kept = Kept::open(&args.output, asked, &options, fetch.query.clone(), args.force, output)?;
        kept.fill(fetch).await?
    };
    if done.rows == 0 {
        output.note("nothing matches: the export has no rows");
    }
    let Done { rows, size, sum } = done;
    if to_stdout {
        output.note(&format!(
            "exported {}, {} bytes, as of {size} records; sha256 {}",
            counted(rows),
            sum.bytes,
            sum.sha256
        ));
        return Ok(ExitCode::SUCCESS);
    }
    output.line(
        || {
            format!(
                "exported {}, {} bytes, as of {size} records to {}; sha256 {}",
                counted(rows), sum.bytes, args.output.display(), sum.sha256
            )
        },
        || {
            json!({
                "type": "result", "file": args.output.display().to_string(), "format": options.format.as_str(),
                "rows": rows, "size": size, "bytes": sum.bytes, "sha256": sum.sha256,
            })
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

/// How many rows, in words.
fn counted(rows: u64) -> String {
    format!("{rows} row{}", if rows == 1 { "" } else { "s" })
}

impl Args {
    fn options(&self) -> Result<Options, Failure> {
        let ending = self.output.extension().and_then(|ending| ending.to_str());
        let by_ending = || ending.and_then(|ending| ending.to_ascii_lowercase().parse().ok());
        let format = self.format.or_else(by_ending).unwrap_or(Format::Ndjson);
        if self.columns.is_some() && format == Format::Ndjson {
            return Err(Failure::new(
                Exit::Invalid,
                "`--columns` is for `csv` and `parquet`; `ndjson` has whole events",
            )
            .with_hint("name another format with `--format`"));
        }
        if self.bom && format != Format::Csv {
            return Err(Failure::new(Exit::Invalid, "`--bom` is for `csv`"));
        }
        Ok(Options { format, columns: self.columns.clone().unwrap_or_default(), bom: self.bom })
    }

    fn query(&self) -> Result<Query, Failure> {
        let mut query = self.terms.query(false)?;
        for (name, value) in &query {
            if let Some((_, flag)) = FLAGS.iter().find(|(known, _)| known == name) {
                let message = format!("`{name}={value}`: `{name}` is no condition on events");
                return Err(Failure::new(Exit::Invalid, message).with_hint(format!("use `{flag}`")));
            }
        }
        query.extend(self.server.tenant_parameter());
        let mut set = |name: &str, value: &str| query.push((name.to_owned(), value.to_owned()));
        if self.access {
            set("log", "access");
        }
        if self.newest_first {
            set("order", "desc");
        }
        Ok(query)
    }

    fn asked(&self, server: &str, options: &Options) -> Asked {
        Asked {
            server: server.to_owned(),
            tenant: self.server.tenant.clone(),
            access: self.access,
            newest_first: self.newest_first,
            terms: self.terms.as_given(),
            format: options.format.as_str().to_owned(),
            columns: options.columns.columns().map(|column| column.name.to_owned()).collect(),
            bom: options.bom,
        }
    }
}

/// Exports to standard output.
async fn pour(options: &Options, fetch: Fetch) -> Result<Done, Failure> {
    let exporter = Exporter::new(options, Summed::new(Stdout)).map_err(|why| failure(&why, None))?;
    let mut taker = Pouring { exporter };
    let place = fetch.all(Place::default(), &mut taker).await?;
    let summed = taker.exporter.finish().map_err(|why| failure(&why, None))?;
    Ok(Done { rows: place.rows, size: place.size.unwrap_or(0), sum: summed.sum() })
}

struct Pouring {
    exporter: Exporter<Summed<Stdout>>,
}

impl Take for Pouring {
    fn lines(&mut self, lines: &[u8], _: &Place) -> Result<(), Failure> {
        let added = each_line(lines, |line| self.exporter.event(line)).and_then(|()| self.exporter.flush());
        added.map_err(|why| failure(&why, None))
    }
}

/// Each of some whole lines, without its end.
fn each_line<E>(lines: &[u8], mut see: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    lines
        .split_inclusive(|byte| *byte == b'\n')
        .try_for_each(|line| see(line.strip_suffix(b"\n").unwrap_or(line)))
}

/// Standard output. Whoever reads it may have seen enough, as in `annals … | head -1`.
struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        quiet(io::stdout().lock().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        quiet(io::stdout().lock().flush())
    }
}

fn quiet<T>(written: io::Result<T>) -> io::Result<T> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        written => written,
    }
}

/// Why the file, or without one standard output, was not written.
fn failure(error: &annals_export::ExportError, file: Option<&Path>) -> Failure {
    match (error, file) {
        (annals_export::ExportError::Io(error), Some(file)) => Failure::io("write", file, error),
        (annals_export::ExportError::Io(error), None) => {
            Failure::new(Exit::Unavailable, format!("cannot write to standard output: {error}"))
        }
        (other, _) => {
            Failure::new(Exit::Damaged, format!("what the server sent cannot be exported: {other}"))
        }
    }
}
