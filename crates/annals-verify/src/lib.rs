//! Checks evidence bundles: what `annals verify` does with one, and the page that does it in a browser.
//!
//! | module | does |
//! |---|---|
//! | [`zip`] | reads the archive, and refuses whatever a bundle's does not have |
//! | [`check()`] | all that a verifier demands of a bundle, on one thread |
//! | [`pieces`] | cuts the log into pieces of whole lines |
//! | [`lens`] | whether a filter takes a record of which parts may be hidden |
//! | [`look`] | checks one line of the log, and holds it against the filter |
//! | [`judge`] | takes what the lines show in order, and holds the log against manifest and checkpoint |
//! | [`row`] | an event as people see it in a list |
//!
//! Threads, the memory of earlier checkpoints and words for people are the callers'. The file is all that is read.

mod assemble;
pub mod check;
pub mod judge;
pub mod lens;
pub mod look;
pub mod pieces;
pub mod row;
pub mod zip;

pub use check::{KeyFrom, Known, Outcome, Remembered, Watch, Witness, check, under};
pub use judge::{Judge, Judged};
pub use lens::{
    Hidden, Lens, Seen, Truth, WITHHELD_MAX, Withheld, hidden_between, is_exact_in_ms, read_filter,
};
pub use look::{Asked, Looker, Seeing};
pub use pieces::{Content, Stopped, cut};
pub use row::{ROWS_MAX, Row};

use annals_bundle::{Checked, Lifecycle, check_line};

/// What each file may have at most, bytes; the log has no bound but its checkpoint's size.
pub const FILES: [(&str, u64); 9] = [
    ("manifest.json", 1 << 20),
    ("checkpoint", 256 << 10),
    ("lifecycle.ndjson", 16 << 20),
    ("log.ndjson", u64::MAX),
    ("earlier.json", 64 << 10),
    ("registry.json", 1 << 20),
    ("trust.json", 1 << 20),
    ("report.html", 16 << 20),
    ("README.txt", 1 << 20),
];

/// Files without which a bundle is none.
pub const NEEDED: [&str; 4] = ["manifest.json", "checkpoint", "lifecycle.ndjson", "log.ndjson"];

/// Lines that cannot be read that are told of a `lifecycle.ndjson`; there may be millions of them.
const PROBLEMS_MAX: usize = 16;

/// Reads `lifecycle.ndjson`. What cannot be understood excuses nothing, and is said; of much of it the first.
#[must_use]
pub fn read_lifecycle(content: &[u8]) -> (Lifecycle, Vec<String>) {
    let mut lifecycle = Lifecycle::default();
    let mut problems = Vec::new();
    for line in content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let added = match check_line(line, &mut |_, _| {}) {
            Ok(Checked::Record(record)) => {
                let bytes = record.entry.encode().unwrap_or_default();
                lifecycle.add(record.position, &bytes, &record.entry).map_err(|error| error.to_string())
            }
            Ok(Checked::Gap { .. }) => Err("a gap".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        match added {
            Ok(()) => {}
            Err(_) if problems.len() == PROBLEMS_MAX => {
                problems.push("`lifecycle.ndjson`: more of it cannot be read".to_owned());
                break;
            }
            Err(problem) => problems.push(format!("`lifecycle.ndjson`: {problem}")),
        }
    }
    (lifecycle, problems)
}
