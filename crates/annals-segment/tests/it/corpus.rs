//! The files in `corpus/formats/v1`: written once, and read for ever.
//!
//! They are made by `ANNALS_WRITE_CORPUS=1 cargo test -p annals-segment --test it write_the`, for as long as no release has written files of
//! this version; after that only new ones are added.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use annals_event::Timestamp;
use annals_segment::Damaged;
use annals_segment::body::Cache;
use annals_segment::fate::Fate;
use annals_segment::segment::{Sealed, Segment};
use annals_tree::Hash;
use annals_tree::tree::tag;
use serde_json::Value;

mod make;

pub(crate) use make::{footer_at, reseal};

/// The folder of the corpus.
fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/formats/v1"))
}

fn read(name: &str) -> Vec<u8> {
    let path = folder().join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The healthy files, without their ending.
const FILES: [&str; 6] = ["arrays", "fates", "kept-whole", "part-1", "part-2", "merged"];

fn open(name: &str, bytes: Vec<u8>) -> Result<Arc<Segment>, Damaged> {
    Segment::open(name.into(), Arc::new(bytes), Cache::new(1 << 22))
}

/// A record as the corpus has it: what is known of it, then the event byte for byte.
fn line(record: &Sealed) -> String {
    let time = |micros| {
        let text = Timestamp::from_micros(micros).unwrap().to_bytes();
        format!("\"{}\"", str::from_utf8(&text).unwrap())
    };
    let log = if record.access { "access" } else { "events" };
    let none = || "null".to_owned();
    let (seq, occurred_at) =
        (record.seq.map_or_else(none, |seq| seq.to_string()), record.occurred_at.map_or_else(none, time));
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let fate = match &record.fate {
        None => String::new(),
        Some(Fate::Erased(what)) => format!(r#""fate":{{"erased":"{}"}},"#, hex(what)),
        Some(Fate::Expired { commitment: Hash(commitment), by, id_hash }) => {
            let commitment = hex(commitment);
            format!(r#""fate":{{"expired":{{"commitment":"{commitment}","by":{by},"id_hash":{id_hash}}}}},"#)
        }
    };
    let Sealed { tenant, position, operation, derived, system, class, .. } = record;
    format!(
        r#"{{"tenant":"{tenant}","log":"{log}","position":{position},"seq":{seq},"received_at":{},"occurred_at":{occurred_at},"operation":{operation},"derived":{derived},"system":{system},"class":{class},{fate}"event":{}}}"#,
        time(record.received_at),
        str::from_utf8(&record.event).unwrap()
    )
}

/// The lines that a file must give. Those of the merged one are those of its parts, in the order of rows.
fn expected(name: &str) -> Vec<String> {
    let lines = |name: &str| -> Vec<String> {
        let text = String::from_utf8(read(&format!("{name}.ndjson"))).unwrap();
        text.lines().map(str::to_owned).collect()
    };
    if name != "merged" {
        return lines(name);
    }
    let mut all = [lines("part-1"), lines("part-2")].concat();
    all.sort_by_cached_key(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        (line["tenant"].as_str().unwrap().to_owned(), line["log"] == "access", line["position"].as_u64())
    });
    all
}

#[test]
fn files_of_version_1_give_exactly_their_records() {
    for name in FILES {
        let segment = open(name, read(&format!("{name}.seg"))).unwrap();
        let mut lines = Vec::new();
        let check = segment.check(&mut |row, record| {
            lines.push(line(record));
            if let Some(leaf) = make::leaf_of(record) {
                assert_eq!(segment.tag(row).unwrap(), tag(&leaf), "{name}: row {row}");
            }
            Ok(())
        });
        check.unwrap();
        let expected = expected(name);
        assert_eq!(lines.len(), expected.len(), "{name}");
        for (line, expected) in lines.iter().zip(&expected) {
            assert_eq!(line, expected, "{name}");
        }
        // Alone, and from the end: no row needs the one before it.
        for (row, expected) in expected.iter().enumerate().rev().step_by(7) {
            let record = segment.record(u32::try_from(row).unwrap()).unwrap();
            assert_eq!(line(&record), *expected, "{name}");
        }
    }
}

#[test]
fn files_of_version_1_have_every_coding_between_them() {
    let mut met = BTreeSet::new();
    for name in FILES {
        let segment = open(name, read(&format!("{name}.seg"))).unwrap();
        let footer = serde_json::to_value(segment.footer()).unwrap();
        collect(&footer, &mut met);
        assert!(footer.get("dictionary_roots").is_none());
    }
    let wanted = [
        "constant",
        "linear",
        "packed",
        "groups",
        "text",
        "symbols",
        "hex",
        "uuid",
        "ints",
        "times",
        "mixed",
        "happened",
        "all",
        "shapes",
        "listed",
        "rows",
        "elements",
        "objects",
        "token",
        "raw",
        "refs",
        "index",
        "blocks",
        "words",
        "fates",
        "punctured",
    ];
    let missing: Vec<_> = wanted.iter().filter(|word| !met.contains(**word)).collect();
    assert!(missing.is_empty(), "{missing:?} of {met:?}");
}

/// Names of members that are there, and the words that say which coding is used.
fn collect(value: &Value, met: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            // More than one group of packed numbers.
            if members.get("as").is_some_and(|coding| coding.get("packed").is_some())
                && members["n"].as_u64() > Some(128 * 64)
            {
                met.insert("groups".to_owned());
            }
            for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
                met.insert(name.clone());
                collect(value, met);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, met)),
        Value::String(word) => {
            met.insert(word.clone());
        }
        _ => {}
    }
}

/// A line of `damage.tsv`.
struct Damage {
    name: String,
    file: String,
    change: String,
    /// How many records cannot be read; none when the file does not open.
    fails: Option<usize>,
    message: String,
}

impl Damage {
    fn all() -> Vec<Damage> {
        let text = String::from_utf8(read("damage.tsv")).unwrap();
        let damage = |line: &str| {
            let fields: Vec<&str> = line.split('\t').collect();
            let [name, file, change, fails, message] = fields[..] else { panic!("{line}") };
            let [name, file, change, message] = [name, file, change, message].map(str::to_owned);
            Damage { name, file, change, fails: (fails != "all").then(|| fails.parse().unwrap()), message }
        };
        text.lines().filter(|line| !line.starts_with('#')).map(damage).collect()
    }

    /// The file with the change.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = read(&self.file);
        for change in self.change.split(' ') {
            let (at, to) = change.split_once('=').unwrap();
            if at == "cut" {
                bytes.truncate(to.parse().unwrap());
                continue;
            }
            let at: usize = at.parse().unwrap();
            for (i, pair) in to.as_bytes().chunks(2).enumerate() {
                bytes[at + i] = u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
            }
        }
        bytes
    }
}

/// What is told, without whose record it was.
fn told(damaged: &Damaged) -> String {
    let text = damaged.to_string();
    text[text.find("segment `").unwrap()..].to_owned()
}

/// How many records cannot be read, none when the file does not open, and what is told.
fn outcome(file: &str, bytes: Vec<u8>, expected: &[String]) -> (Option<usize>, String) {
    let segment = match open(file, bytes) {
        Ok(segment) => segment,
        Err(damaged) => return (None, told(&damaged)),
    };
    let mut messages = Vec::new();
    for row in 0..segment.rows() {
        match segment.record(row) {
            Ok(record) => assert_eq!(line(&record), expected[row as usize]),
            Err(damaged) => messages.push(told(&damaged)),
        }
    }
    let fails = Some(messages.len());
    messages.dedup();
    assert!(messages.len() < 2, "{messages:?}");
    (fails, messages.pop().unwrap_or_else(|| "-".to_owned()))
}

#[test]
fn damage_to_files_of_version_1_is_told_in_these_words_and_costs_what_needs_it() {
    let damages = Damage::all();
    assert!(damages.len() >= 15, "{}", damages.len());
    for damage in damages {
        let name = damage.file.trim_end_matches(".seg");
        let (fails, message) = outcome(&damage.file, damage.bytes(), &expected(name));
        assert_eq!((fails, &message), (damage.fails, &damage.message), "{}", damage.name);
    }
}
