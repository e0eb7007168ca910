//! How old heads and checkpoints are under load, and what it takes when many tenants change each second.
//!
//! | figure | how it is counted |
//! |---|---|
//! | age of the head | ten times a second: how long ago the number of signed heads (`/metrics`) was last seen to rise |
//! | age of a checkpoint | ten times a second one is asked for; it is signed then and must have every record acknowledged before: its age is the time until the answer is there |
//! | load of one tenant | [`STEADY_A_SECOND`] events of `annals bench generate --shape giant`, made meanwhile, in requests of a thousand |
//! | many tenants | a small event of each every second, in requests of a thousand tenants, after a first round that makes the tenants and is not counted |

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::annals::{CONNECTIONS, Sender, metric};
use super::lines::{self, Batches};
use super::process::Meter;
use super::proof::{STRIDE, at, row};
use crate::fault::{Fault, Result, While, require};
use crate::instance::{Binary, Instance};

/// Events of the steady load.
const STEADY_A_SECOND: u64 = 20_000;

/// Between two questions.
const EVERY: Duration = Duration::from_millis(100);

/// Before a refused request is sent again.
const PAUSE: Duration = Duration::from_millis(20);

/// Tenants, and so events, of a request.
const TENANTS_A_REQUEST: u64 = 1_000;

/// What was seen while a load ran, in microseconds.
#[derive(Default)]
struct Ages {
    head: Vec<u64>,
    checkpoint: Vec<u64>,
}

/// Heads and checkpoints of one tenant under steady load.
pub(super) fn steady(binary: &Binary, duration: Duration, seed: u64) -> Result<()> {
    let folder = lines::folder()?;
    let server = Instance::start(binary, &folder.path().join("data"))?;
    // Half a second more than is sent, so that it does not run dry.
    let events = (duration.as_secs() + 2) * STEADY_A_SECOND;
    let mut generate = Command::new(binary.path());
    generate.args(["bench", "generate", "--shape", "giant", "--events", &events.to_string(), "--seed"]);
    generate.arg(seed.to_string()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut generator = generate.spawn().while_doing("annals bench generate")?;
    let batches = Batches::of(generator.stdout.take().expect("it was piped"));
    let mut first = Vec::new();
    let count = batches.next(&mut first)?;
    let line = first.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let event: serde_json::Value = serde_json::from_slice(line).while_doing("the first event")?;
    let tenant = event["tenant"].as_str().ok_or("the first event names no tenant")?.to_owned();
    Sender::connect(server.address(), &server.key)?.send(&first, count)?;
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicU64::new(count as u64));
    let meter = Meter::start(server.id())?;
    let began = Instant::now();
    let mut ages = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let (server, batches, stop, acknowledged) = (&server, &batches, &stop, &acknowledged);
                scope.spawn(move || {
                    let mut sender = Sender::connect(server.address(), &server.key)?;
                    let mut lines = Vec::new();
                    let mut due = Instant::now();
                    while !stop.load(Ordering::Relaxed) {
                        let count = batches.next(&mut lines)?;
                        if count == 0 {
                            break;
                        }
                        while !sender.try_send(&lines, count)? && !stop.load(Ordering::Relaxed) {
                            std::thread::sleep(PAUSE);
                        }
                        acknowledged.fetch_add(count as u64, Ordering::Relaxed);
                        due += Duration::from_secs(CONNECTIONS as u64) * u32::try_from(count)?
                            / u32::try_from(STEADY_A_SECOND)?;
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    }
                    Ok::<_, Fault>(())
                })
            })
            .collect();
        let asked = ask(&server, duration, &mut |_| {
            (format!("/v1/checkpoint?tenant={tenant}"), acknowledged.load(Ordering::Relaxed))
        });
        stop.store(true, Ordering::Relaxed);
        for sender in senders {
            sender.join().map_err(|_| "a sender panicked".to_owned())??;
        }
        asked
    })?;
    generator.kill().while_doing("kill the generator")?;
    generator.wait().while_doing("wait for the generator")?;
    let (taken, seconds) = (meter.taken()?, began.elapsed().as_secs_f64());
    let rate = acknowledged.load(Ordering::Relaxed) as f64 / seconds;
    let of = format!("one tenant, {rate:.0} events/s for {seconds:.0} s");
    ages.tell(&of);
    row("CPU", &of, format!("{:.2} s a second", taken.cpu_seconds / seconds));
    Ok(())
}

/// Many tenants, of which each changes once a second if the server keeps up.
pub(super) fn many(binary: &Binary, duration: Duration, tenants: u64) -> Result<()> {
    let folder = lines::folder()?;
    let server = Instance::start(binary, &folder.path().join("data"))?;
    let requests = tenants.div_ceil(TENANTS_A_REQUEST);
    let next = AtomicU64::new(0);
    // The first round, as fast as it goes.
    round(&server, &next, tenants, &|number| (number < requests).then_some(Duration::ZERO))?;
    next.store(0, Ordering::Relaxed);
    let (stop, before) = (AtomicBool::new(false), Counters::of(&server)?);
    let meter = Meter::start(server.id())?;
    let began = Instant::now();
    let mut ages = std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            round(&server, &next, tenants, &|number| {
                let due = Duration::from_secs_f64(number as f64 / requests as f64);
                (!stop.load(Ordering::Relaxed)).then(|| due.saturating_sub(began.elapsed()))
            })
        });
        let asked = ask(&server, duration, &mut |number| {
            (format!("/v1/checkpoint?tenant={}", name(number * STRIDE % tenants)), 1)
        });
        stop.store(true, Ordering::Relaxed);
        sending.join().map_err(|_| "a sender panicked".to_owned())??;
        asked
    })?;
    let (taken, seconds, after) = (meter.taken()?, began.elapsed().as_secs_f64(), Counters::of(&server)?);
    let each = |after: u64, before: u64| (after - before) as f64 / seconds;
    let of = format!("{tenants} tenants, each once a second, for {seconds:.0} s");
    row("tenants that changed", &of, format!("{:.0}/s", each(after.records, before.records)));
    row("CPU", &of, format!("{:.2} s a second", taken.cpu_seconds / seconds));
    row("heads signed", &of, format!("{:.2}/s", each(after.heads, before.heads)));
    row("journal", &of, format!("{:.0} B/s", each(after.journal_bytes, before.journal_bytes)));
    row("anonymous memory, peak", &of, format!("{:.0} MiB", taken.peak_kib as f64 / 1024.0));
    ages.tell(&of);
    Ok(())
}

impl Ages {
    fn tell(&mut self, of: &str) {
        for (what, micros) in
            [("age of the head", &mut self.head), ("age of a checkpoint", &mut self.checkpoint)]
        {
            let figure = format!("p50 {:.1} ms, p99 {:.1} ms", at(micros, 50), at(micros, 99));
            row(what, of, figure);
        }
    }
}

/// Asks for checkpoints and the number of heads while a load runs. `next` gives the path of a number, and how many records the
/// checkpoint must have at least.
fn ask(server: &Instance, duration: Duration, next: &mut dyn FnMut(u64) -> (String, u64)) -> Result<Ages> {
    let (mut client, mut ages) = (server.client(), Ages::default());
    let (began, mut number, mut heads, mut rose) = (Instant::now(), 0, None, None);
    while began.elapsed() < duration {
        let (path, least) = next(number);
        let asked = Instant::now();
        let answer = client.get(&path).while_doing(&path)?;
        ages.checkpoint.push(micros(asked.elapsed()));
        require!(answer.status == 200, "{path}: status {}: {}", answer.status, answer.text());
        let text = answer.text();
        let size: u64 = text.lines().nth(1).unwrap_or_default().parse().while_doing("a checkpoint's size")?;
        require!(size >= least, "a checkpoint of {size} records, and {least} were acknowledged before");
        let signed = metric(server, HEADS)?;
        if heads.replace(signed).is_some_and(|before| before != signed) {
            rose = Some(Instant::now());
        }
        // Before it was seen to rise nobody knows how old the last one is.
        ages.head.extend(rose.map(|rose| micros(rose.elapsed())));
        number += 1;
        let due = EVERY * u32::try_from(number)?;
        std::thread::sleep(due.saturating_sub(began.elapsed()));
    }
    Ok(ages)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

const HEADS: &str = "annals_heads_signed_total";

/// What the server counts.
struct Counters {
    heads: u64,
    journal_bytes: u64,
    records: u64,
}

impl Counters {
    fn of(server: &Instance) -> Result<Self> {
        let of = |name: &str| Ok::<_, Fault>(metric(server, name)?.ok_or(format!("there is no `{name}`"))?);
        Ok(Self {
            heads: of(HEADS)?,
            journal_bytes: of("annals_journal_bytes_total")?,
            records: of("annals_ledger_records")?,
        })
    }
}

fn name(tenant: u64) -> String {
    format!("t{tenant:07}")
}

/// Sends an event of each tenant, over and over, on all connections; `wait` says of each request how long to wait before it, or
/// that it is enough.
fn round(
    server: &Instance,
    next: &AtomicU64,
    tenants: u64,
    wait: &(dyn Fn(u64) -> Option<Duration> + Sync),
) -> Result<()> {
    let requests = tenants.div_ceil(TENANTS_A_REQUEST);
    let send = || {
        let mut sender = Sender::connect(server.address(), &server.key)?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(wait) = wait(number) else { return Ok::<_, Fault>(()) };
            std::thread::sleep(wait);
            let first = number % requests * TENANTS_A_REQUEST;
            let mut lines = String::new();
            let end = tenants.min(first + TENANTS_A_REQUEST);
            for tenant in first..end {
                let tenant = name(tenant);
                writeln!(
                    lines,
                    "{{\"tenant\":\"{tenant}\",\"action\":\"video.view\",\"actor\":{{\"type\":\"user\",\"id\":\"u1\"}}}}"
                )?;
            }
            while !sender.try_send(lines.as_bytes(), usize::try_from(end - first)?)? {
                std::thread::sleep(PAUSE);
            }
        }
    };
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(send)).collect();
        for sender in senders {
            sender.join().map_err(|_| "a sender panicked".to_owned())??;
        }
        Ok(())
    })
}
