//! Checking an evidence bundle.
//!
//! | module | does |
//! |---|---|
//! | [`zip`] | reads the archive, and refuses whatever a bundle's does not have |
//! | [`lines`] | checks the lines of the log on all cores, and hands on what each shows in order |
//! | [`judge`] | holds the log against manifest, filter and checkpoint |

pub(crate) mod judge;
pub(crate) mod lines;
pub(crate) mod zip;

use annals_bundle::{Checked, Lifecycle, check_line};

/// What each file may have at most, bytes; the log has no bound but its checkpoint's size.
pub(crate) const FILES: [(&str, u64); 9] = [
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
pub(crate) const NEEDED: [&str; 4] = ["manifest.json", "checkpoint", "lifecycle.ndjson", "log.ndjson"];

/// Reads `lifecycle.ndjson`. What cannot be understood excuses nothing, and is said.
pub(crate) fn read_lifecycle(content: &[u8]) -> (Lifecycle, Vec<String>) {
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
        problems.extend(added.err().map(|problem| format!("`lifecycle.ndjson`: {problem}")));
    }
    (lifecycle, problems)
}
