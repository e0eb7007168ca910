//! `cargo xtask bench --compare N`: annals, PostgreSQL and ClickHouse, on one file of events, in one run. With `--compare-real` the
//! events are those that real systems wrote, see `real`; with `--alone` only annals is asked, and there is no file, so that the
//! events may be more than fit on the disk.
//!
//! Each stores the file, is asked every question so often that a percentile means something, and then each question once more
//! as the first one after a start with nothing in the page cache. Every answer is compared with what the file itself says.

use std::path::Path;
use std::time::Duration;

use super::annals::Annals;
use super::choice::Plan;
use super::clickhouse::ClickHouse;
use super::engine::{Engine, Loaded};
use super::lines::{self, Source};
use super::postgres::Postgres;
use super::process::memory_kib;
use super::question::Ask;
use super::real;
use super::truth::{Known, Truth};
use crate::fault::{Result, While, require};
use crate::instance::Binary;

/// How often a question is asked when all is warm, and before that.
const WARM: usize = 200;
const WARM_UP: usize = 5;

/// An export reads thousands of events.
const EXPORTS: usize = 10;

/// What one engine did.
struct Column {
    name: &'static str,
    loaded: Loaded,
    rows: Vec<Timed>,
    /// Memory after the question that left most.
    asked_kib: u64,
    /// How long each start took, nothing cached, where the process tells.
    ready: Vec<Duration>,
}

/// What a question took, in milliseconds.
struct Timed {
    median: f64,
    p99: f64,
    cold: f64,
    found: u64,
}

/// Generated events: stores and asks; prints the tables.
pub(super) fn run(binary: &Binary, events: u64, seed: u64, alone: bool) -> Result<()> {
    let folder = lines::folder()?;
    const SHAPE: &str = "everyday";
    let source = if alone {
        Source::Generator { binary: binary.clone(), shape: SHAPE, events, seed }
    } else {
        Source::File(lines::generate(binary, folder.path(), SHAPE, events, seed)?)
    };
    let truth = Truth::of(&source, &Plan::generated())?;
    println!("\n## {events} events of {} bytes, seed {seed}", truth.bytes / truth.events);
    compare(binary, folder.path(), &source, &truth, alone)
}

/// Real events, as often over: stores and asks; prints the tables.
pub(super) fn run_real(binary: &Binary, copies: u64) -> Result<()> {
    let folder = lines::folder()?;
    let (file, said) = match real::write(folder.path(), copies)? {
        Ok(written) => written,
        Err(why) => {
            println!("skipped, {why}");
            return Ok(());
        }
    };
    let source = Source::File(file);
    let truth = Truth::of(&source, &Plan::real(&source)?)?;
    let bytes = truth.bytes / truth.events;
    println!("\n## {} events of {bytes} bytes that real systems wrote, {copies} × ({said})\n", truth.events);
    truth.left_out.iter().for_each(|why| println!("Not asked: {why}"));
    compare(binary, folder.path(), &source, &truth, false)
}

fn compare(binary: &Binary, folder: &Path, source: &Source, truth: &Truth, alone: bool) -> Result<()> {
    let mut columns = vec![measure(Annals::start(binary, folder)?, source, truth)?];
    if !alone {
        match Postgres::start(folder) {
            Ok(Some(engine)) => columns.push(measure(engine, source, truth)?),
            Ok(None) => println!("\nPostgreSQL: skipped, it is not installed and cannot be"),
            Err(error) => println!("\nPostgreSQL: skipped, it does not start: {error}"),
        }
        match ClickHouse::start(folder) {
            Ok(Some(engine)) => columns.push(measure(engine, source, truth)?),
            Ok(None) => println!("\nClickHouse: skipped, `chdb` is not installed and cannot be"),
            Err(error) => println!("\nClickHouse: skipped, it does not start: {error}"),
        }
    }
    print_loaded(&columns);
    print_questions(&columns, &truth.known);
    Ok(())
}

fn measure(mut engine: impl Engine, source: &Source, truth: &Truth) -> Result<Column> {
    let (name, known) = (engine.name(), &truth.known);
    println!("{name}: storing, asking, asking again from cold");
    let loaded = engine.ingest(source).while_doing(name)?;
    require!(loaded.events == truth.events, "{name} stored {} of {} events", loaded.events, truth.events);
    let (mut rows, mut asked_kib, mut ready) = (Vec::new(), 0, Vec::new());
    for Known { question, expected } in known {
        let doing = format!("{name}, {}", question.name);
        let (warm_up, times) = match question.ask {
            Ask::Export(_) => (1, EXPORTS),
            _ => (WARM_UP, WARM),
        };
        let (_, answer) = engine.ask(&question.ask, warm_up).while_doing(&doing)?;
        answer.check(expected).while_doing(&doing)?;
        let (mut micros, answer) = engine.ask(&question.ask, times).while_doing(&doing)?;
        answer.check(expected).while_doing(&doing)?;
        micros.sort_unstable();
        let at = |per_cent: usize| micros[(micros.len() * per_cent / 100).min(micros.len() - 1)] as f64 / 1e3;
        rows.push(Timed { median: at(50), p99: at(99), cold: 0.0, found: answer.found() });
        asked_kib = asked_kib.max(memory_kib(engine.pid()?));
    }
    for (Known { question, expected }, row) in known.iter().zip(&mut rows) {
        let doing = format!("{name}, {}, cold", question.name);
        ready.extend(engine.restart_cold().while_doing(&doing)?);
        let (micros, answer) = engine.ask(&question.ask, 1).while_doing(&doing)?;
        answer.check(expected).while_doing(&doing)?;
        row.cold = micros[0] as f64 / 1e3;
    }
    ready.sort_unstable();
    Ok(Column { name, loaded, rows, asked_kib, ready })
}

fn print_loaded(columns: &[Column]) {
    println!("\n| stored | {} |", columns.iter().map(|column| column.name).collect::<Vec<_>>().join(" | "));
    println!("|---|{}", "---:|".repeat(columns.len()));
    let of_columns = |name: &str, of: &dyn Fn(&Column) -> String| {
        println!("| {name} | {} |", columns.iter().map(of).collect::<Vec<_>>().join(" | "));
    };
    let row = |name: &str, of: &dyn Fn(&Loaded) -> String| {
        of_columns(name, &|column| of(&column.loaded));
    };
    row("events/s, durable", &|loaded| format!("{:.0}", loaded.events as f64 / loaded.ingest.seconds));
    row("CPU s per M, ingest", &|loaded| format!("{:.1}", loaded.ingest.cpu_seconds / loaded.millions()));
    row("CPU s per M, with all work in the background", &|loaded| {
        format!("{:.1}", loaded.settled.cpu_seconds / loaded.millions())
    });
    row("s until that was done", &|loaded| format!("{:.1}", loaded.settled.seconds - loaded.ingest.seconds));
    row("client CPU s per M", &|loaded| format!("{:.1}", loaded.client_cpu_seconds / loaded.millions()));
    row("anonymous and shared memory, peak, MiB", &|loaded| {
        format!("{:.0}", loaded.settled.peak_kib as f64 / 1024.0)
    });
    row("the same at rest", &|loaded| format!("{:.0}", loaded.rest_kib as f64 / 1024.0));
    of_columns("the same after a question, at most", &|column| {
        format!("{:.0}", column.asked_kib as f64 / 1024.0)
    });
    of_columns("ready after a start, nothing cached, ms: median / longest", &|column| {
        let at = |index| column.ready.get(index).map(|ready: &Duration| ready.as_secs_f64() * 1e3);
        match (at(column.ready.len() / 2), at(column.ready.len().saturating_sub(1))) {
            (Some(median), Some(longest)) => format!("{median:.0} / {longest:.0}"),
            _ => "–".to_owned(),
        }
    });
    row(
        "bytes a sealed event (events in the tail)",
        &|loaded| match (loaded.bytes_sealed(), loaded.in_tail) {
            (Some(bytes), Some(in_tail)) => format!("{bytes:.1} ({in_tail})"),
            _ => "–".to_owned(),
        },
    );
    row("bytes an event on disk", &|loaded| {
        let counted = loaded.bytes.iter().filter(|(kind, _)| !kind.starts_with('('));
        let per_event = |bytes: u64| bytes as f64 / loaded.events as f64;
        let kinds: Vec<_> =
            loaded.bytes.iter().map(|(kind, bytes)| format!("{kind} {:.1}", per_event(*bytes))).collect();
        format!("{:.1}: {}", per_event(counted.map(|(_, bytes)| bytes).sum()), kinds.join(", "))
    });
}

fn print_questions(columns: &[Column], known: &[Known]) {
    println!(
        "\nMilliseconds: median / 99th of {WARM} asked one after the other / first after a start, nothing cached."
    );
    println!("All answers were the file's.\n");
    let names = columns.iter().map(|column| column.name).collect::<Vec<_>>().join(" | ");
    println!("| question | found | {names} |");
    println!("|---|---:|{}", "---:|".repeat(columns.len()));
    for (index, Known { question, .. }) in known.iter().enumerate() {
        let cell = |column: &Column| {
            let Timed { median, p99, cold, .. } = column.rows[index];
            format!("{median:.2} / {p99:.2} / {cold:.1}")
        };
        let cells: Vec<_> = columns.iter().map(cell).collect();
        println!("| {} | {} | {} |", question.name, columns[0].rows[index].found, cells.join(" | "));
    }
    let (ours, others) = columns.split_at(1);
    for other in others {
        let mean = |of: fn(&Timed) -> f64| {
            let logs = ours[0].rows.iter().zip(&other.rows).map(|(a, b)| (of(a) / of(b)).ln());
            (logs.sum::<f64>() / ours[0].rows.len() as f64).exp()
        };
        let slower = ours[0].rows.iter().zip(&other.rows).zip(known);
        let slower: Vec<_> = slower
            .filter(|((a, b), _)| a.median > b.median)
            .map(|(_, known)| known.question.name.as_str())
            .collect();
        println!(
            "\nannals / {}, geometric mean over all questions: median {:.3}, p99 {:.3}, cold {:.3}; slower by the median in: {}",
            other.name,
            mean(|timed| timed.median),
            mean(|timed| timed.p99),
            mean(|timed| timed.cold),
            if slower.is_empty() { "none".to_owned() } else { slower.join("; ") },
        );
    }
}
