//! How fast events are put together again, and several segments are merged to one. Single thread.
//!
//! Usage: `cargo run --release -p annals-segment --example read_speed -- [rows of a segment] [segments to merge] [PART]`. With
//! PART only those ways of reading that have it in their name, ten times each.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals_event::TenantId;
use annals_segment::body::Cache;
use annals_segment::build::{LogName, RootRef, Row, Rows, build};
use annals_segment::merge::merge;
use annals_segment::segment::Segment;
use annals_tree::{Frontier, Hash, leaf_hash};

const TENANTS: usize = 12;
const CACHE_BYTES: usize = 128 << 20;
/// Level of the lowest nodes that segments keep.
const BLOCK_LEVEL: u32 = 8;

#[expect(clippy::print_stdout, reason = "an example that prints what it measures")]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut number = |usual| arguments.next().map_or(Ok(usual), |text| text.parse::<usize>());
    let (Ok(rows), Ok(segments)) = (number(131_072), number(0)) else {
        eprint_usage();
        return ExitCode::from(2);
    };
    let part = std::env::args().nth(3);
    let cache = Cache::new(CACHE_BYTES);
    let mut logs: Vec<LogSoFar> = (0..TENANTS).map(LogSoFar::new).collect();

    let mut inputs = Vec::new();
    let mut built = Duration::ZERO;
    for input in 0..segments.max(1) {
        let made = Made::new(input * rows, rows, &mut logs);
        let (elapsed, file) = time(|| build(&made, 7, Vec::new()).expect("memory takes everything").0);
        built += elapsed;
        let bytes = file.len();
        let segment = open(format!("input {input}"), on_disk(&file), &cache);
        if input == 0 {
            println!("{:.1} bytes an event, of {}", ratio(bytes, rows), made.events.bytes() / rows);
            for _ in 0..if part.is_some() { 0 } else { 2 } {
                let (elapsed, found) = time(|| segment.same_as(&made).expect("a whole file"));
                assert_eq!(found, None);
                println!("compared                {:>9.3} us an event", per(elapsed, rows));
            }
            read(&segment, rows, &cache, part.as_deref());
        }
        inputs.push(segment);
    }
    println!("built                   {:>9.3} us an event", per(built, rows * segments.max(1)));

    if segments > 0 {
        let id_hash = |_: &TenantId, _: bool, id: &[u8]| hash_of(id);
        let before = memory("VmRSS:");
        // Begins the peak anew, where the system can.
        let _cannot = std::fs::write("/proc/self/clear_refs", "5");
        let out = tempfile::tempfile().expect("a place for files");
        let (elapsed, (out, bytes)) =
            time(|| merge(&inputs, 9, &id_hash, BufWriter::new(out)).expect("whole inputs"));
        println!("merged {segments} segments       {:>9.3} us an event", per(elapsed, rows * segments));
        println!("{:.1} bytes an event", ratio(usize::try_from(bytes).expect("fits"), rows * segments));
        println!("memory {} MB before, {} MB at the peak", before >> 20, memory("VmHWM:") >> 20);
        let file = out.into_inner().expect("flushed");
        let merged = open("merged".into(), file, &cache);
        read(&merged, rows * segments, &cache, part.as_deref());
        let mut n = 0;
        for row in merged.records(0..merged.rows()) {
            row.expect("a whole file");
            n += 1;
        }
        println!("{n} records read");
    }
    ExitCode::SUCCESS
}

#[expect(clippy::print_stderr, reason = "an example that says how it is used")]
fn eprint_usage() {
    eprintln!("usage: read_speed [rows of a segment] [segments to merge]");
}

/// A number of bytes of memory that the system says this process has.
fn memory(what: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kib.unwrap_or_default() << 10
}

#[expect(clippy::print_stdout, reason = "an example that prints what it measures")]
fn read(segment: &Arc<Segment>, rows: usize, cache: &Cache, part: Option<&str>) {
    let passes = if part.is_some() { 10 } else { 2 };
    let is_asked = |what: &str| part.is_none_or(|part| what.contains(part));
    let row = |n: usize| u32::try_from(n).expect("rows are few");
    let mut event = Vec::new();
    let reads = || {
        let stats = cache.stats();
        stats.hits + stats.misses
    };
    for _ in 0..if is_asked("all events") { passes } else { 0 } {
        let before = reads();
        let mut reader = segment.reader();
        let (elapsed, bytes) = time(|| {
            let mut bytes = 0;
            for n in 0..rows {
                event.clear();
                reader.event(row(n), &mut event).expect("a whole file");
                bytes += event.len();
            }
            bytes
        });
        let reads = (reads() - before) / rows as u64;
        println!(
            "all events              {:>9.3} us an event ({bytes} bytes, {reads} reads an event)",
            per(elapsed, rows)
        );
    }
    for _ in 0..if is_asked("scattered events") { passes } else { 0 } {
        let before = reads();
        let mut reader = segment.reader();
        let (elapsed, ()) = time(|| {
            for n in 0..rows.min(100_000) {
                event.clear();
                reader.event(row(n * 7_919 % rows), &mut event).expect("a whole file");
            }
        });
        let reads = (reads() - before) / rows.min(100_000) as u64;
        println!(
            "scattered events        {:>9.3} us an event ({reads} reads an event)",
            per(elapsed, rows.min(100_000))
        );
    }
    for (name, step) in [("neighbours", 1), ("scattered", 1_009)] {
        if !is_asked(&format!("page of {name}")) {
            continue;
        }
        let pages = 100 * passes;
        let (elapsed, ()) = time(|| {
            for page in 0..pages {
                let mut reader = segment.reader();
                for n in 0..100 {
                    let at = (page * 611_953 + (99 - n) * step) % rows;
                    reader.record(row(at)).expect("a whole file");
                }
            }
        });
        println!("page of 100, {name:<10} {:>9.3} ms", per(elapsed, pages) / 1_000.0);
    }
}

fn on_disk(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a place for files");
    file.write_all(bytes).expect("room for files");
    file
}

fn open(name: String, file: File, cache: &Arc<Cache>) -> Arc<Segment> {
    Segment::open(name.into(), Arc::new(file), Arc::clone(cache)).expect("a whole file")
}

/// How long it took; on Linux only the time this thread had a processor, so that other programs matter less.
fn time<T>(f: impl FnOnce() -> T) -> (Duration, T) {
    let (start, worked) = (Instant::now(), processor_time());
    let value = f();
    let elapsed = start.elapsed();
    (worked.zip(processor_time()).map_or(elapsed, |(from, to)| to.saturating_sub(from)), value)
}

fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

#[expect(clippy::cast_precision_loss, reason = "for a person to read")]
fn per(elapsed: Duration, n: usize) -> f64 {
    elapsed.as_secs_f64() * 1e6 / n as f64
}

#[expect(clippy::cast_precision_loss, reason = "for a person to read")]
fn ratio(bytes: usize, n: usize) -> f64 {
    bytes as f64 / n as f64
}

fn hash_of(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A tenant's log up to here.
struct LogSoFar {
    name: LogName,
    tree: Frontier,
}

impl LogSoFar {
    fn new(n: usize) -> LogSoFar {
        let tenant = TenantId::new(&format!("tenant-{n:03}")).expect("a good id");
        LogSoFar {
            name: LogName { tenant, access: false, id: [u8::try_from(n).expect("few"); 16] },
            tree: Frontier::new(),
        }
    }
}

/// Events, one after another.
#[derive(Default)]
struct Events {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Events {
    fn push(&mut self, event: &str) {
        self.text.extend_from_slice(event.as_bytes());
        self.ends.push(self.text.len());
    }

    fn get(&self, n: usize) -> &[u8] {
        &self.text[if n == 0 { 0 } else { self.ends[n - 1] }..self.ends[n]]
    }

    fn bytes(&self) -> usize {
        self.text.len()
    }
}

/// Rows made up: a third of them of one tenant.
struct Made {
    events: Events,
    occurred: Vec<i64>,
    /// Per log: its name, the events in it with their numbers, and its nodes.
    logs: Vec<(LogName, Vec<MadeRow>, Vec<Hash>)>,
}

struct MadeRow {
    event: usize,
    seq: u64,
    position: u64,
    leaf: Hash,
    id_hash: u64,
}

impl Made {
    fn new(first: usize, rows: usize, so_far: &mut [LogSoFar]) -> Made {
        let mut made = Made { events: Events::default(), occurred: Vec::new(), logs: Vec::new() };
        made.logs = so_far.iter().map(|log| (log.name.clone(), Vec::new(), Vec::new())).collect();
        for n in first..first + rows {
            let log = if n.is_multiple_of(3) { 0 } else { n / 7 % TENANTS };
            let occurred = 1_763_719_200_000_000 + 86_400 * i64::try_from(n).expect("small");
            let time = annals_event::Timestamp::from_micros(occurred).expect("in the calendar").to_bytes();
            made.events.push(&event(n, std::str::from_utf8(&time).expect("ASCII")));
            made.occurred.push(occurred);
            let leaf = leaf_hash(&n.to_le_bytes());
            let (_, out, nodes) = &mut made.logs[log];
            let tree = &mut so_far[log].tree;
            let id = format!("018f3c1a-7b2e-7c3d-9e4f-{n:012x}");
            out.push(MadeRow {
                event: n - first,
                seq: n as u64,
                position: tree.size(),
                leaf,
                id_hash: hash_of(id.as_bytes()),
            });
            tree.push(leaf, &mut |level, _, node| {
                if level >= BLOCK_LEVEL {
                    nodes.push(node);
                }
            });
        }
        made
    }
}

impl Rows for Made {
    fn logs(&self) -> usize {
        self.logs.len()
    }

    fn log(&self, log: usize) -> LogName {
        self.logs[log].0.clone()
    }

    fn count(&self, log: usize) -> usize {
        self.logs[log].1.len()
    }

    fn row(&self, log: usize, n: usize) -> Row<'_> {
        let row = &self.logs[log].1[n];
        Row {
            position: row.position,
            seq: Some(row.seq),
            received_at: self.occurred[row.event] / 1_000_000 * 1_000_000,
            occurred_at: Some(self.occurred[row.event]),
            operation: 2,
            derived: false,
            system: false,
            stated: 0,
            class: 0,
            root: RootRef::Whole(&[9; 32]),
            counter: u16::try_from(n % 4_096).expect("small"),
            leaf: row.leaf,
            id_hash: row.id_hash,
            event: self.events.get(row.event),
            fate: None,
        }
    }

    fn nodes(&self, log: usize) -> &[Hash] {
        &self.logs[log].2
    }
}

/// One event, canonical, about 840 bytes and 27 leaves.
fn event(n: usize, occurred: &str) -> String {
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (user, video, kind) = ((mixed >> 20) % 997, (mixed >> 33) % 50_021, n % 5);
    let action = ["video.update", "video.create", "comment.create", "user.login", "video.delete"][kind];
    let metadata = match kind {
        0 | 1 => format!(r#"{{"region":"eu-west-1","plan":"pro","bytes":{n}}}"#),
        2 => format!(r#"{{"region":"us-east-1","length":{}}}"#, n % 977),
        _ => "{}".into(),
    };
    let changes = if kind == 0 {
        format!(r#","changes":{{"before":{{"title":"Old {video}"}},"after":{{"title":"Keynote {video}"}}}}"#)
    } else {
        String::new()
    };
    format!(
        concat!(
            r#"{{"id":"018f3c1a-7b2e-7c3d-9e4f-{n:012x}","occurred_at":"{occurred}","#,
            r#""action":"{action}","category":"video","#,
            r#""description":"User {user} did {action} with the video {video}","#,
            r#""actor":{{"type":"user","id":"usr_{user:08x}","name":"Person Number {user}","email":"user{user}@example.com","#,
            r#""credential":{{"type":"token","id":"tok_{user:04x}"}}}},"#,
            r#""targets":[{{"type":"video","id":"vid_{video:08x}","name":"Keynote {video}"}}],"#,
            r#""context":{{"ip":"203.0.113.{ip}","user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{chrome}.0 Safari/537.36","session_id":"ses_{session:012x}"}},"#,
            r#""request":{{"id":"req_{mixed:016x}","method":"PATCH","path":"/v1/videos/vid_{video:08x}","status_code":200}},"#,
            r#""outcome":{{"result":"success"}}{changes},"metadata":{metadata}}}"#,
        ),
        n = n,
        occurred = occurred,
        action = action,
        user = user,
        video = video,
        ip = user % 250,
        chrome = 90 + user % 50,
        session = user * 31 + n / 10_000,
        mixed = mixed,
        changes = changes,
        metadata = metadata,
    )
}
