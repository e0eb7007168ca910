//! How long a segment of real events takes to build, and where its bytes go.
//!
//! `cargo run --release -p annals-segment --example build_speed -- EVENTS.ndjson [ROWS [TIMES]]`: events as `POST /v1/events`
//! takes them, one a line, with or without `tenant`; each stretch of ROWS of them (131,072 unless said) becomes a segment in
//! memory.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::time::Instant;

use annals_event::{Normalised, Rules, Scratch, TenantId, normalise};
use annals_segment::build::{LogName, Row, Rows, build};
use annals_tree::{Hash, leaf_hash, node_hash};
use serde_json::Value;

/// Records that arrive together.
const BATCH: u64 = 1_000;

struct Record {
    seq: u64,
    received_at: i64,
    occurred_at: Option<i64>,
    operation: u8,
    derived: bool,
    leaf: Hash,
    id_hash: u64,
    event: Vec<u8>,
}

#[derive(Default)]
struct Log {
    records: Vec<Record>,
    nodes: Vec<Hash>,
}

struct Logs(Vec<(TenantId, Log)>);

impl Rows for Logs {
    fn logs(&self) -> usize {
        self.0.len()
    }

    fn log(&self, log: usize) -> LogName {
        let tenant = self.0[log].0.clone();
        let mut id = [0; 16];
        id.copy_from_slice(&leaf_hash(tenant.as_str().as_bytes()).0[..16]);
        LogName { tenant, access: false, id }
    }

    fn count(&self, log: usize) -> usize {
        self.0[log].1.records.len()
    }

    fn row(&self, log: usize, n: usize) -> Row<'_> {
        let record = &self.0[log].1.records[n];
        Row {
            position: n as u64,
            seq: Some(record.seq),
            received_at: record.received_at,
            occurred_at: record.occurred_at,
            operation: record.operation,
            derived: record.derived,
            system: false,
            stated: 0,
            class: 0,
            root: &[7; 32],
            counter: u16::try_from(record.seq / BATCH % 4_096).expect("a remainder"),
            leaf: record.leaf,
            id_hash: record.id_hash,
            event: &record.event,
        }
    }

    fn nodes(&self, log: usize) -> &[Hash] {
        &self.0[log].1.nodes
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("name a file of events")?;
    let rows: usize = arguments.next().map_or(Ok(131_072), |rows| rows.parse())?;
    let times: u32 = arguments.next().map_or(Ok(3), |times| times.parse())?;
    let mut lines = BufReader::new(std::fs::File::open(path)?).lines();
    let mut first = 0;
    loop {
        let (logs, events, bytes) = read(&mut lines, rows, first)?;
        if events == 0 {
            return Ok(());
        }
        first += events;
        let mut file = Vec::new();
        for _ in 0..times {
            let (cpu, wall) = (cpu_seconds()?, Instant::now());
            file = build(&logs, 0x5EED, Vec::with_capacity(file.len()))?.0;
            let millions = events as f64 / 1e6;
            println!(
                "{events} events of {} bytes in {} logs: {:.1} bytes an event; {:.2} cpu s and {:.2} s a million; peak {}",
                bytes / events,
                logs.logs(),
                file.len() as f64 / events as f64,
                (cpu_seconds()? - cpu) / millions,
                wall.elapsed().as_secs_f64() / millions,
                peak()?,
            );
        }
        print_parts(&file, events)?;
    }
}

/// Reads up to `rows` events; also how many, and their canonical bytes.
fn read(
    lines: &mut impl Iterator<Item = std::io::Result<String>>,
    rows: usize,
    first: u64,
) -> Result<(Logs, u64, u64), Box<dyn Error>> {
    let (mut scratch, mut event) = (Scratch::default(), Normalised::default());
    let mut logs: BTreeMap<TenantId, Log> = BTreeMap::new();
    let (mut seq, mut bytes, mut received_at) = (first, 0, 0);
    for line in lines.take(rows) {
        normalise(line?.as_bytes(), &Rules::default(), &mut scratch, &mut event)
            .map_err(|error| error.message)?;
        if event.id().is_none() {
            let hash = leaf_hash(&seq.to_le_bytes()).0;
            let half = |at: usize| u64::from_le_bytes(hash[at..at + 8].try_into().expect("eight bytes"));
            let hex = format!("{:016x}{:016x}", half(0), half(8));
            event
                .insert_id(&format!(
                    "{}-{}-7{}-8{}-{}",
                    &hex[..8],
                    &hex[8..12],
                    &hex[13..16],
                    &hex[17..20],
                    &hex[20..]
                ))
                .map_err(|error| error.message)?;
        }
        let occurred_at = event.occurred_at().map(|at| at.as_micros());
        if seq % BATCH == 0 || received_at == 0 {
            received_at = received_at.max(occurred_at.unwrap_or_default() + 312_345);
        }
        let tenant = event.tenant().cloned().map_or_else(|| TenantId::new("all"), Ok)?;
        let id = leaf_hash(event.id().unwrap_or_default().as_bytes()).0;
        bytes += event.bytes().len() as u64;
        logs.entry(tenant).or_default().records.push(Record {
            seq,
            received_at,
            occurred_at,
            operation: event.operation() as u8,
            derived: event.operation_is_derived(),
            leaf: leaf_hash(event.bytes()),
            id_hash: u64::from_le_bytes(id[..8].try_into().expect("eight bytes")),
            event: event.bytes().to_vec(),
        });
        seq += 1;
    }
    for log in logs.values_mut() {
        let leaves: Vec<Hash> = log.records.iter().map(|record| record.leaf).collect();
        for end in (256..=leaves.len()).step_by(256) {
            let mut size = 256;
            while end.is_multiple_of(size) {
                log.nodes.push(subtree(&leaves[end - size..end]));
                size *= 2;
            }
        }
    }
    Ok((Logs(logs.into_iter().collect()), seq - first, bytes))
}

fn subtree(leaves: &[Hash]) -> Hash {
    match leaves {
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len() / 2);
            node_hash(&subtree(left), &subtree(right))
        }
    }
}

/// Processor time of this process so far.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    let nanoseconds: f64 = text.split(' ').next().ok_or("no time")?.parse()?;
    Ok(nanoseconds / 1e9)
}

/// The most memory this process had.
fn peak() -> Result<String, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.ok_or("no peak")?.trim().to_owned())
}

/// Prints bytes an event by part: each part goes from its offset to the next one.
fn print_parts(file: &[u8], events: u64) -> Result<(), Box<dyn Error>> {
    let trailer = file.last_chunk::<24>().ok_or("a file has a trailer")?;
    let at = usize::try_from(u64::from_le_bytes(trailer[..8].try_into()?))?;
    let length = u32::from_le_bytes(trailer[8..12].try_into()?) as usize;
    let footer: Value = serde_json::from_slice(&file[at..at + length])?;
    let mut offsets = Vec::new();
    collect(&footer, &mut Vec::new(), &mut offsets);
    offsets.push((at as u64, "footer and sums".to_owned(), "footer and sums".to_owned()));
    offsets.push((file.len() as u64, String::new(), String::new()));
    offsets.sort();
    let (mut parts, mut groups) = (BTreeMap::new(), BTreeMap::new());
    for two in offsets.windows(2) {
        let bytes = two[1].0 - two[0].0;
        *parts.entry(&two[0].1).or_insert(0) += bytes;
        *groups.entry(&two[0].2).or_insert(0) += bytes;
    }
    for list in [groups, parts] {
        let mut list: Vec<_> = list.into_iter().collect();
        list.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        let shown: Vec<_> = list
            .iter()
            .take(48)
            .map(|(name, bytes)| format!("{:7.2} {name}", *bytes as f64 / events as f64))
            .collect();
        println!("{}\n", shown.join("\n"));
    }
    Ok(())
}

/// Everything in the footer that has an offset: where, its name, and the name of what it is a part of.
fn collect(value: &Value, path: &mut Vec<String>, out: &mut Vec<(u64, String, String)>) {
    match value {
        Value::Object(members) => {
            let own = members
                .get("path")
                .and_then(Value::as_array)
                .map(|names| names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("."));
            let name = own.map(|own| {
                std::mem::replace(path.last_mut().expect("what has a path is in a list"), format!("`{own}`"))
            });
            for (member, value) in members {
                if let (true, Some(at)) = (matches!(member.as_str(), "at" | "low"), value.as_u64()) {
                    let kinds: Vec<_> = path.iter().filter(|name| !name.starts_with('`')).cloned().collect();
                    out.push((at, path.join(" "), kinds.join(" ")));
                    continue;
                }
                if member != "as" && member != "packed" {
                    path.push(member.clone());
                }
                collect(value, path, out);
                if member != "as" && member != "packed" {
                    path.pop();
                }
            }
            if let (Some(name), Some(last)) = (name, path.last_mut()) {
                *last = name;
            }
        }
        Value::Array(items) => {
            for item in items {
                path.push(String::new());
                collect(item, path, out);
                path.pop();
            }
        }
        _ => {}
    }
}
