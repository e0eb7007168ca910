//! `cargo xtask bench --sustained MINUTES`: ingest for minutes, with sealing and merging, while others ask and write single events.
//!
//! The events are made before and kept compressed, so that making them takes nothing of the machine. Four connections send a
//! thousand at once, each as soon as the one before was answered; two writers send one event fifty times a second; one reader asks one
//! question after the other, fifty a second. A batch that is refused as `busy` is sent again after a pause and counted.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::annals::{Annals, CONNECTIONS, Sender, metric, query, settled};
use super::client;
use super::event::Request;
use super::lines::{self, Batches};
use super::process::{Meter, memory_kib};
use super::question::Condition;
use crate::fault::{Fault, Result, While, fail, require};
use crate::instance::{Binary, Instance};

/// Events made ready for a second.
const EVENTS_A_SECOND: f64 = 110_000.0;

const WRITERS: usize = 2;

/// Between two of a writer, and two of the reader.
const EVERY: Duration = Duration::from_millis(20);

/// Before a refused batch is sent again.
const PAUSE: Duration = Duration::from_millis(20);

/// A line of the table.
const TOLD_EVERY: Duration = Duration::from_secs(30);

/// The largest tenant's name ends so.
const LARGEST: &[u8] = b"-0001\"";

/// What happened since the last line of the table.
#[derive(Default)]
struct Seen {
    events: AtomicU64,
    refused: AtomicU64,
    refused_questions: AtomicU64,
    batches: Mutex<Vec<u64>>,
    singles: Mutex<Vec<u64>>,
    asked: Mutex<Vec<u64>>,
}

/// Prints a line for each half minute, and one for all of it.
pub(super) fn run(binary: &Binary, minutes: f64, events: Option<u64>, seed: u64) -> Result<()> {
    require!((0.01..=600.0).contains(&minutes), "so many minutes: 0.01 to 600");
    let duration = Duration::from_secs_f64(minutes * 60.0);
    let events = events.unwrap_or_else(|| {
        // A positive number far below the largest.
        format!("{:.0}", duration.as_secs_f64() * EVENTS_A_SECOND).parse().unwrap_or(u64::MAX)
    });
    let folder = lines::folder()?;
    let (file, tenant) = prepare(binary, folder.path(), events, seed)?;
    let annals = Annals::start(binary, folder.path())?;
    let server = annals.server();
    let (seen, stop) = (Seen::default(), AtomicBool::new(false));
    let meter = Meter::start(server.id())?;
    let frames = Mutex::new(BufReader::new(File::open(&file).while_doing(file.display())?));
    println!(
        "\nIngest of up to {events} events for up to {minutes} minutes; milliseconds; memory is anonymous.\n"
    );
    println!(
        "| s | events/s | refused batches | ack of 1,000: p50 | p99 | ack of one: p50 | p99 | question: p50 | p99 | MiB |"
    );
    println!("|---:|{}", "---:|".repeat(9));
    let began = Instant::now();
    let all = std::thread::scope(|scope| {
        let senders: Vec<_> =
            (0..CONNECTIONS).map(|_| scope.spawn(|| send(server, &frames, &seen, &stop))).collect();
        let mut beside: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (seen, stop) = (&seen, &stop);
                scope.spawn(move || write(server, writer, seen, stop))
            })
            .collect();
        beside.push(scope.spawn(|| read(server, &tenant, &seen, &stop)));
        let mut all = Totals::default();
        let mut told = Instant::now();
        loop {
            std::thread::sleep(Duration::from_millis(20));
            let ended = began.elapsed() >= duration
                || senders.iter().any(std::thread::ScopedJoinHandle::is_finished)
                || beside.iter().any(std::thread::ScopedJoinHandle::is_finished);
            if told.elapsed() >= TOLD_EVERY || ended {
                let line = all.take(&seen, told.elapsed());
                println!(
                    "| {:.0} | {line} | {:.0} |",
                    began.elapsed().as_secs_f64(),
                    mib(memory_kib(server.id()))
                );
                told = Instant::now();
            }
            if ended {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
        for thread in senders.into_iter().chain(beside) {
            thread.join().map_err(|_| "a thread panicked".to_owned())??;
        }
        Ok::<_, Fault>(all)
    })?;
    let taken = meter.taken()?;
    settled(server)?;
    let millions = (all.events + seen.events.load(Ordering::Relaxed)) as f64 / 1e6;
    let settled = meter.taken()?;
    println!("| all | {} | {:.0}, the peak |", all.line(taken.seconds), mib(settled.peak_kib));
    println!(
        "\nquestions refused as busy: {}; CPU s per M: {:.1} until the last event, {:.1} with the work that was left, which took {:.1} s",
        seen.refused_questions.load(Ordering::Relaxed),
        taken.cpu_seconds / millions,
        settled.cpu_seconds / millions,
        settled.seconds - taken.seconds
    );
    let in_tail = metric(server, "annals_tail_records")?.unwrap_or(0);
    println!("records in the tail, whose bytes are the journal's: {in_tail} of {:.0}", millions * 1e6);
    let each = |bytes: u64| bytes as f64 / (millions * 1e6);
    let kinds = annals.bytes()?;
    let kinds: Vec<_> = kinds.iter().map(|(kind, bytes)| format!("{kind} {:.1}", each(*bytes))).collect();
    println!(
        "bytes an event on disk: {}; memory at rest: {:.0} MiB",
        kinds.join(", "),
        mib(memory_kib(server.id()))
    );
    Ok(())
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// What happened from the beginning on.
#[derive(Default)]
struct Totals {
    events: u64,
    refused: u64,
    batches: Vec<u64>,
    singles: Vec<u64>,
    asked: Vec<u64>,
}

impl Totals {
    /// The cells of what happened since the last line, which comes to the sum.
    fn take(&mut self, seen: &Seen, time: Duration) -> String {
        let take =
            |of: &Mutex<Vec<u64>>| std::mem::take(&mut *of.lock().expect("no holder of this lock panics"));
        let mut now = Self {
            events: seen.events.swap(0, Ordering::Relaxed),
            refused: seen.refused.swap(0, Ordering::Relaxed),
            batches: take(&seen.batches),
            singles: take(&seen.singles),
            asked: take(&seen.asked),
        };
        let line = now.line(time.as_secs_f64());
        self.events += now.events;
        self.refused += now.refused;
        self.batches.append(&mut now.batches);
        self.singles.append(&mut now.singles);
        self.asked.append(&mut now.asked);
        line
    }

    fn line(&self, seconds: f64) -> String {
        let times = [&self.batches, &self.singles, &self.asked].map(|micros| {
            let mut micros = micros.clone();
            micros.sort_unstable();
            let at = |per_cent: usize| {
                micros.get(micros.len() * per_cent / 100).map_or(0.0, |micros| *micros as f64 / 1e3)
            };
            format!("{:.2} | {:.2}", at(50), at(99))
        });
        format!("{:.0} | {} | {}", self.events as f64 / seconds, self.refused, times.join(" | "))
    }
}

/// Makes the events, in compressed batches: the number of events and of bytes before each, as 32 bits, little-endian.
///
/// Gives the file and the name of the largest tenant.
fn prepare(binary: &Binary, folder: &Path, events: u64, seed: u64) -> Result<(PathBuf, String)> {
    let path = folder.join("batches");
    let mut file = BufWriter::new(File::create(&path).while_doing(path.display())?);
    let mut command = Command::new(binary.path());
    command.args(["bench", "generate", "--events", &events.to_string(), "--seed", &seed.to_string()]);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().while_doing("annals bench generate")?;
    let batches = Batches::of(child.stdout.take().expect("it was piped"));
    let (mut lines, mut tenant) = (Vec::new(), None);
    loop {
        let count = batches.next(&mut lines)?;
        if count == 0 {
            break;
        }
        if tenant.is_none() {
            tenant = largest(&lines);
        }
        let frame = zstd::bulk::compress(&lines, 1).while_doing("compress")?;
        for number in [count, frame.len()] {
            file.write_all(&u32::try_from(number)?.to_le_bytes()).while_doing(path.display())?;
        }
        file.write_all(&frame).while_doing(path.display())?;
    }
    require!(child.wait().while_doing("annals bench generate")?.success(), "annals bench generate failed");
    file.into_inner().map_err(|error| error.to_string())?.sync_all().while_doing(path.display())?;
    Ok((path, tenant.ok_or("the first events have none of the largest tenant")?))
}

fn largest(lines: &[u8]) -> Option<String> {
    let end = lines.windows(LARGEST.len()).position(|window| window == LARGEST)? + LARGEST.len() - 1;
    let begin = lines[..end].iter().rposition(|byte| *byte == b'"')? + 1;
    String::from_utf8(lines[begin..end].to_vec()).ok()
}

/// The next batch; false at the end.
fn next(frames: &Mutex<BufReader<File>>, frame: &mut Vec<u8>, count: &mut usize) -> Result<bool> {
    let mut file = frames.lock().expect("no holder of this lock panics");
    let mut number = [0; 4];
    let mut read = |file: &mut BufReader<File>| -> Result<Option<usize>> {
        match file.read_exact(&mut number) {
            Ok(()) => Ok(Some(usize::try_from(u32::from_le_bytes(number))?)),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error.into()),
        }
    };
    let Some(events) = read(&mut file)? else { return Ok(false) };
    let bytes = read(&mut file)?.ok_or("the file of batches is cut")?;
    frame.resize(bytes, 0);
    file.read_exact(frame).while_doing("the file of batches")?;
    *count = events;
    Ok(true)
}

fn send(server: &Instance, frames: &Mutex<BufReader<File>>, seen: &Seen, stop: &AtomicBool) -> Result<()> {
    let mut sender = Sender::connect(server.address(), &server.key)?;
    let (mut frame, mut count) = (Vec::new(), 0);
    while !stop.load(Ordering::Relaxed) && next(frames, &mut frame, &mut count)? {
        let lines = zstd::bulk::decompress(&frame, 64 << 20).while_doing("decompress")?;
        let began = Instant::now();
        while !sender.try_send(&lines, count)? {
            seen.refused.fetch_add(1, Ordering::Relaxed);
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        note(&seen.batches, began);
        seen.events.fetch_add(count as u64, Ordering::Relaxed);
    }
    Ok(())
}

fn write(server: &Instance, writer: usize, seen: &Seen, stop: &AtomicBool) -> Result<()> {
    let mut client = client::Client::connect(server.address()).while_doing("connect")?;
    let mut request = Request::new(&server.key, writer, 1);
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        due += EVERY;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let began = Instant::now();
        let answer = client.exchange(request.next()).while_doing("send one event")?;
        if answer.starts_with(b"{\"created\":1,") {
            note(&seen.singles, began);
            seen.events.fetch_add(1, Ordering::Relaxed);
        } else if String::from_utf8_lossy(answer).contains("\"busy\"") {
            seen.refused.fetch_add(1, Ordering::Relaxed);
        } else {
            fail!("answered {}", String::from_utf8_lossy(&answer[..answer.len().min(300)]));
        }
    }
    Ok(())
}

fn read(server: &Instance, tenant: &str, seen: &Seen, stop: &AtomicBool) -> Result<()> {
    let mut client = server.client();
    let of_tenant = Condition { tenant: Some(tenant.to_owned()), ..Condition::default() };
    let words = vec!["migration".to_owned(), "video".to_owned()];
    let paths = [
        format!("/v1/events?{}", query(&of_tenant, &[])),
        format!("/v1/events?{}", query(&of_tenant, &[("action", "export.download")])),
        format!("/v1/events?{}", query(&of_tenant, &[("actor_id", "usr_nobody")])),
        format!("/v1/events?{}", query(&of_tenant, &[("category", "video"), ("request_status_code", "403")])),
        format!("/v1/events?{}", query(&Condition { words, ..of_tenant.clone() }, &[])),
        format!("/v1/summary?{}", query(&of_tenant, &[("by", "action")])),
    ];
    let mut due = Instant::now();
    for path in paths.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        due = (due + EVERY).max(Instant::now());
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let began = Instant::now();
        let answer = client.get(path).while_doing(path)?;
        match answer.status {
            200 => {}
            // Refused for its work: that takes its time too.
            503 => {
                seen.refused_questions.fetch_add(1, Ordering::Relaxed);
            }
            // Nothing of this tenant has arrived yet.
            404 => continue,
            status => fail!("{path}: status {status}: {}", answer.text()),
        }
        note(&seen.asked, began);
    }
    Ok(())
}

fn note(times: &Mutex<Vec<u64>>, began: Instant) {
    let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    times.lock().expect("no holder of this lock panics").push(micros);
}
