//! The program inside the page that checks evidence bundles in a browser: `docs/decisions/0015-verify-page.md` says how it gets there.
//!
//! It is a command like any other, built for WASI, of which the page plays as much as it takes: a file that can be read at any
//! place, arguments, a clock, two streams.
//!
//! ```text
//! annals-verify-page FILE REQUEST
//!
//! REQUEST          JSON: {"key":VKEY|null,"witnesses":[VKEY,…],"remembered":[{"origin":…,"public_key":…,"size":…,"root":…},…]}
//! standard output  one line a position that has an entry, as `annals verify --positions --json` has them
//! standard error   one JSON object a line: "progress" while it reads, at the end one "result" or "error"
//! exit code        0 everything holds, 8 something does not, 2 the request or the format is not known, 7 the file cannot be read
//! ```

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use annals_bundle::Verdict;
use annals_event::Timestamp;
use annals_verify::check::Signer;
use annals_verify::zip::{Archive, ZipError};
use annals_verify::{KeyFrom, Known, Outcome, Remembered, Row, Watch, Witness, check};
use serde::Deserialize;
use serde_json::{Value, json};

/// Positions that are listed because they are not intact; the lines have all.
const LISTED_MAX: usize = 1_000;

/// Progress is said once in so many positions.
const PROGRESS_EVERY: u64 = 2_000;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (Some(file), Some(request)) = (args.next(), args.next()) else {
        return failed(2, "a file and a request are needed");
    };
    let known = match known(&request) {
        Ok(known) => known,
        Err(problem) => return failed(2, &problem),
    };
    let archive = match Archive::open(Path::new(&file)) {
        Ok(archive) => archive,
        Err(ZipError::Form(problem)) => {
            let mut outcome = Outcome::default();
            outcome.findings.push(format!("this is no whole bundle: {problem}"));
            return told(&outcome, &Lines::new());
        }
        Err(ZipError::Io(error)) => return failed(7, &format!("cannot read the file: {error}")),
    };
    let mut lines = Lines::new();
    let outcome = match check(&archive, &known, &mut lines) {
        Ok(outcome) => outcome,
        Err(error) => return failed(7, &format!("cannot read the file: {error}")),
    };
    if lines.out.flush().is_err() || lines.is_broken {
        return failed(7, "cannot write the verdicts");
    }
    told(&outcome, &lines)
}

/// Says how it ended.
fn told(outcome: &Outcome, lines: &Lines) -> ExitCode {
    if let Some(format) = &outcome.other_format {
        let format = format.escape_default();
        return failed(2, &format!("a bundle of the format `{format}`, which this page does not read"));
    }
    say(&result(outcome, lines));
    if outcome.holds() { ExitCode::SUCCESS } else { ExitCode::from(8) }
}

fn failed(code: u8, message: &str) -> ExitCode {
    say(&json!({"type": "error", "message": message}));
    ExitCode::from(code)
}

/// One line on standard error, in one piece.
fn say(line: &Value) {
    // Nobody is left to tell when nobody listens.
    drop(io::stderr().lock().write_all(format!("{line}\n").as_bytes()));
}

#[derive(Deserialize)]
struct Request {
    key: Option<String>,
    witnesses: Vec<String>,
    remembered: Vec<Kept>,
}

#[derive(Deserialize)]
struct Kept {
    origin: String,
    public_key: String,
    size: u64,
    root: String,
}

fn known(request: &str) -> Result<Known, String> {
    let request: Request = serde_json::from_str(request).map_err(|error| format!("the request: {error}"))?;
    let key = request.key.map(|key| key.trim().parse().map_err(|error| format!("the log's key: {error}")));
    let witnesses = request.witnesses.iter().map(|key| {
        key.trim().parse().map_err(|error| format!("the witness' key `{}`: {error}", key.escape_default()))
    });
    let remembered = request.remembered.into_iter().map(|kept| {
        let parsed = kept.public_key.parse().ok().zip(kept.root.parse().ok());
        // Forgetting in silence would take back the alarm.
        let (key, root) = parsed.ok_or_else(|| {
            format!(
                "what is remembered of log {} is damaged, so nobody can tell whether it was rewritten",
                kept.origin
            )
        })?;
        Ok::<_, String>(Remembered { origin: kept.origin, key, size: kept.size, root })
    });
    Ok(Known {
        key: key.transpose()?,
        witnesses: witnesses.collect::<Result<_, _>>()?,
        remembered: remembered.collect::<Result<_, _>>()?,
        now_seconds: SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |time| time.as_secs()),
    })
}

/// What became of each position.
struct Lines {
    out: BufWriter<io::Stdout>,
    is_broken: bool,
    listed: Vec<(u64, Verdict)>,
    told_at: u64,
}

impl Lines {
    fn new() -> Self {
        let out = BufWriter::with_capacity(256 << 10, io::stdout());
        Self { out, is_broken: false, listed: Vec::new(), told_at: 0 }
    }
}

impl Watch for Lines {
    fn position(&mut self, position: u64, verdict: Verdict) {
        let line = format_args!(
            "{{\"item\":\"position\",\"position\":{position},\"type\":\"item\",\"verdict\":\"{verdict}\"}}\n"
        );
        self.is_broken |= self.out.write_fmt(line).is_err();
        if verdict != Verdict::Intact && self.listed.len() < LISTED_MAX {
            self.listed.push((position, verdict));
        }
    }

    fn progress(&mut self, done: u64, size: u64) {
        if done >= self.told_at + PROGRESS_EVERY {
            self.told_at = done;
            say(&json!({"type": "progress", "done": done, "size": size}));
        }
    }
}

fn result(outcome: &Outcome, lines: &Lines) -> Value {
    let summary = outcome.summary.as_ref();
    let counts = summary.map(|summary| {
        let count = |verdict: Verdict| summary.verdicts.get(&verdict).copied().unwrap_or(0);
        let each: serde_json::Map<String, Value> =
            Verdict::ALL.iter().map(|verdict| (verdict.to_string(), count(*verdict).into())).collect();
        each
    });
    json!({
        "type": "result",
        "verdict": if outcome.holds() { "ok" } else { "damaged" },
        "problems": outcome.problems().collect::<Vec<_>>(),
        "manifest": outcome.manifest,
        "key": outcome.key.as_ref().map(|(key, from)| json!({
            "key": key.to_string(), "from": word(*from), "signer": outcome.signer.map(how),
        })),
        "checkpoint": outcome.checkpoint.as_ref().map(|(checkpoint, note)| json!({
            "origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.to_string(), "note": note,
        })),
        "extends": outcome.extends,
        "cosigned": outcome.cosigned.as_ref().map(|(origin, size)| json!({"origin": origin, "size": size})),
        "witnesses": outcome.witnesses.iter().map(witness).collect::<Vec<_>>(),
        "verdicts": counts,
        "own": summary.map(|summary| summary.own),
        "records": summary.map(|summary| summary.counts.records),
        "disclosed": summary.map(|summary| summary.counts.disclosed),
        "matched": outcome.matched,
        "gone": outcome.gone,
        "events": outcome.rows.iter().map(event).collect::<Vec<_>>(),
        "not_intact": lines.listed.iter().map(|(position, verdict)| json!([position, verdict.as_str()])).collect::<Vec<_>>(),
    })
}

fn word(from: KeyFrom) -> &'static str {
    match from {
        KeyFrom::Given => "given",
        KeyFrom::Remembered => "remembered",
        KeyFrom::Found => "found",
    }
}

fn how(signer: Signer) -> &'static str {
    match signer {
        Signer::Same => "same",
        Signer::LedTo => "led_to",
        Signer::Stranger => "stranger",
    }
}

fn witness(witness: &Witness) -> Value {
    let at = |seconds: u64| {
        let micros = i64::try_from(seconds).ok()?.checked_mul(1_000_000)?;
        Timestamp::from_micros(micros).map(|at| at.to_string())
    };
    json!({
        "name": witness.name,
        "is_demanded": witness.is_demanded,
        "cosigned_at": witness.said.ok().and_then(at),
        "reason": witness.said.err(),
    })
}

fn event(row: &Row) -> Value {
    json!([row.position, row.received_at, row.occurred_at, row.action, row.actor, row.targets, row.result])
}
