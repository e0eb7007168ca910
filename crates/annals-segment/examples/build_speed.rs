//! How long segments of real events take to build, to be compared with the events and to be merged, and where their bytes go.
//!
//! `cargo run --release -p annals-segment --example build_speed -- EVENTS.ndjson [ROWS [TIMES]]`: events as `POST /v1/events`
//! takes them, one a line, with or without `tenant`; each stretch of ROWS of them (131,072 unless said) becomes a segment in
//! memory. At the end all of them are merged to one, as often.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::time::Instant;

use annals_event::{Normalised, Rules, Scratch, TenantId, normalise};
use annals_segment::body::Cache;
use annals_segment::build::{LogName, RootRef, Row, Rows, build};
use annals_segment::merge::compare::{compare, first_difference_rebuilt};
use annals_segment::merge::merge;
use annals_segment::segment::Segment;
use annals_tree::{Hash, leaf_hash};
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
    /// Position of the first one.
    first: u64,
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
            position: self.0[log].1.first + n as u64,
            seq: Some(record.seq),
            received_at: record.received_at,
            occurred_at: record.occurred_at,
            operation: record.operation,
            derived: record.derived,
            system: false,
            stated: 0,
            class: 0,
            root: RootRef::Whole(&[7; 32]),
            counter: u16::try_from(record.seq / BATCH % 4_096).expect("a remainder"),
            leaf: record.leaf,
            id_hash: record.id_hash,
            event: &record.event,
            fate: None,
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
    let mut positions = BTreeMap::new();
    let mut segments = Vec::new();
    loop {
        let (logs, events, bytes) = read(&mut lines, rows, first, &mut positions)?;
        if events == 0 {
            break;
        }
        first += events;
        let mut file = Vec::new();
        for _ in 0..times {
            let clock = Clock::start()?;
            file = build(&logs, 0x5EED, Vec::with_capacity(file.len()))?.0;
            println!(
                "{events} events of {} bytes in {} logs: {:.1} bytes an event; built: {}; peak {}",
                bytes / events,
                logs.logs(),
                file.len() as f64 / events as f64,
                clock.of(events)?,
                peak()?,
            );
        }
        print_parts(&file, events)?;
        let segment = open(file)?;
        for _ in 0..times {
            let clock = Clock::start()?;
            if segment.same_as(&logs)?.is_some() {
                return Err("a record does not come back".into());
            }
            println!("compared with the events: {}", clock.of(events)?);
        }
        segments.push(segment);
    }
    if segments.len() < 2 {
        return Ok(());
    }
    let hash = |_: &TenantId, _, id: &[u8]| id_hash(id);
    for _ in 0..times {
        let clock = Clock::start()?;
        let file = merge(&segments, 0x5EED, &hash, Vec::new())?.0;
        println!("{} segments merged: {}; peak {}", segments.len(), clock.of(first)?, peak()?);
        let merged = open(file)?;
        let clock = Clock::start()?;
        let compared = compare(&merged, &segments)?;
        println!(
            "compared by columns: {}; {} events put together; peak {}",
            clock.of(first)?,
            compared.rebuilt,
            peak()?
        );
        let clock = Clock::start()?;
        if compared.difference.is_some() || first_difference_rebuilt(&merged, &segments)?.is_some() {
            return Err("a record does not come back".into());
        }
        println!("compared event by event: {}", clock.of(first)?);
    }
    Ok(())
}

fn open(file: Vec<u8>) -> Result<Arc<Segment>, Box<dyn Error>> {
    Ok(Segment::open("segment".into(), Arc::new(file), Cache::new(CACHE_BYTES))?)
}

/// What a server keeps of segments unless it is told otherwise.
const CACHE_BYTES: usize = 64 << 20;

/// Time since it was started.
struct Clock {
    cpu: f64,
    wall: Instant,
}

impl Clock {
    fn start() -> Result<Self, Box<dyn Error>> {
        Ok(Self { cpu: cpu_seconds()?, wall: Instant::now() })
    }

    fn of(&self, events: u64) -> Result<String, Box<dyn Error>> {
        let millions = events as f64 / 1e6;
        let (cpu, wall) =
            ((cpu_seconds()? - self.cpu) / millions, self.wall.elapsed().as_secs_f64() / millions);
        Ok(format!("{cpu:.2} cpu s and {wall:.2} s a million"))
    }
}

fn id_hash(id: &[u8]) -> u64 {
    u64::from_le_bytes(*leaf_hash(id).0.first_chunk().expect("eight bytes of 32"))
}

/// Reads up to `rows` events; also how many, and their canonical bytes.
fn read(
    lines: &mut impl Iterator<Item = std::io::Result<String>>,
    rows: usize,
    first: u64,
    positions: &mut BTreeMap<TenantId, u64>,
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
        bytes += event.bytes().len() as u64;
        logs.entry(tenant).or_default().records.push(Record {
            seq,
            received_at,
            occurred_at,
            operation: event.operation() as u8,
            derived: event.operation_is_derived(),
            leaf: leaf_hash(event.bytes()),
            id_hash: id_hash(event.id().unwrap_or_default().as_bytes()),
            event: event.bytes().to_vec(),
        });
        seq += 1;
    }
    for (tenant, log) in &mut logs {
        let next = positions.entry(tenant.clone()).or_default();
        log.first = *next;
        *next += log.records.len() as u64;
        for end in (log.first + 1..=*next).filter(|end| end.is_multiple_of(256)) {
            // Which hash it is makes no difference to how long anything takes.
            let above = (end / 256).trailing_zeros();
            log.nodes.extend(
                (0..=above)
                    .map(|level| leaf_hash(&[end.to_le_bytes(), u64::from(level).to_le_bytes()].concat())),
            );
        }
    }
    Ok((Logs(logs.into_iter().collect()), seq - first, bytes))
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
