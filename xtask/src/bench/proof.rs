//! `cargo xtask bench --proof`: what proof takes of disk, memory and time.
//!
//! | row | how it is counted |
//! |---|---|
//! | state on disk | in the footers of all segments: bytes from the offset of each part to the next, of the parts under `proof` and of `known.roots` and `known.secrets`, over the rows; nothing is left in the tail |
//! | state in memory | anonymous memory of a server that was started again on these segments, less that of one on an empty folder, over the rows: an upper bound, as whatever else is kept of a record is in it |
//! | inclusion proofs over HTTP | `GET /v1/proofs/inclusion` at the size that the log has, positions all over it, as many connections as [`CONNECTIONS`] |
//! | proofs by library | `annals-tree` on a tree of so many leaves, one core |
//! | verify, bundle | the program itself; its memory is the largest resident set of its process, pages of files among it |
//! | the rest | [`super::proof_load`] |

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use annals_tree::entry::encode_event;
use annals_tree::proof::verify_inclusion;
use annals_tree::{Hash, Tree, inclusion, leaf_hash, root_at};
use serde_json::Value;

use super::annals::{CONNECTIONS, Sender, metric, settled};
use super::lines::{self, Batches};
use super::process::{Meter, cpu_seconds, files, memory_kib};
use super::proof_load;
use crate::fault::{Fault, Result, While, fail, require};
use crate::instance::{Binary, Instance, Starting};

/// Events, unless said otherwise.
const EVENTS: u64 = 300_000;

/// Events that are sent one by one at most, and on how many connections.
const SINGLE_MAX: u64 = 100_000;
const SINGLE_CONNECTIONS: usize = 64;

/// What is not sealed for its number is sealed for its age, so that all is in segments.
const SEALED: [(&str, &str); 1] = [("ANNALS_SEGMENTS__SEAL_AGE", "5s")];

/// How long sealing may take after the last event.
const SEALED_MAX: Duration = Duration::from_secs(120);

/// How long proofs are asked for.
const ASKED: Duration = Duration::from_secs(3);

/// Between two looks at a program that runs.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Prime: times a number, modulo the size, it gives positions all over a log.
pub(super) const STRIDE: u64 = 7_919;

/// What is measured.
pub(super) struct Plan {
    pub(super) events: Option<u64>,
    pub(super) tenants: u64,
    pub(super) minutes: f64,
    pub(super) seed: u64,
}

/// Prints the table.
pub(super) fn run(binary: &Binary, plan: &Plan) -> Result<()> {
    let Plan { events, tenants, minutes, seed } = *plan;
    require!((0.01..=600.0).contains(&minutes), "so many minutes: 0.01 to 600");
    require!((1..=1_000_000).contains(&tenants), "so many tenants: 1 to 1000000");
    let events = events.unwrap_or(EVENTS).max(1_000);
    let duration = Duration::from_secs_f64(minutes * 60.0);
    println!("\n| what | of | figure |");
    println!("|---|---|---:|");
    let empty_kib = empty_memory(binary)?;
    let singles = events.min(SINGLE_MAX);
    Loaded::new(binary, singles, seed, 1)?.state(binary, empty_kib, "1")?;
    let loaded = Loaded::new(binary, events, seed, lines_a_batch())?.state(binary, empty_kib, "1,000")?;
    loaded.proofs()?;
    by_library(events)?;
    let bundle = loaded.export(binary)?;
    let (what, of) = ("verify a bundle", format!("{events} events"));
    loaded.verify(binary, &bundle, what, &of)?;
    let loaded = loaded.stop()?;
    loaded.verify(binary, "verify DATA", &of)?;
    drop(loaded);
    proof_load::steady(binary, duration, seed)?;
    proof_load::many(binary, duration, tenants)
}

/// Prints a line of the table.
pub(super) fn row(what: &str, of: &str, figure: impl std::fmt::Display) {
    println!("| {what} | {of} | {figure} |");
}

/// The value of so many of a hundred, in milliseconds.
pub(super) fn at(micros: &mut [u64], per_cent: usize) -> f64 {
    micros.sort_unstable();
    micros.get(micros.len() * per_cent / 100).map_or(0.0, |micros| *micros as f64 / 1e3)
}

fn lines_a_batch() -> usize {
    super::engine::BATCH
}

/// Anonymous memory of a server that holds nothing.
fn empty_memory(binary: &Binary) -> Result<u64> {
    let folder = lines::folder()?;
    let server = Instance::start(binary, &folder.path().join("data"))?;
    settled(&server)?;
    Ok(memory_kib(server.id()))
}

/// A folder with events of one tenant, all of them sealed, and its server.
struct Loaded {
    folder: tempfile::TempDir,
    server: Instance,
    tenant: String,
    events: u64,
}

/// The same without its server.
struct Stopped {
    folder: tempfile::TempDir,
    events: u64,
}

impl Loaded {
    /// Stores the events, so many at once.
    fn new(binary: &Binary, events: u64, seed: u64, batch: usize) -> Result<Self> {
        let folder = lines::folder()?;
        let file = lines::generate(binary, folder.path(), "giant", events, seed)?;
        let tenant = first_tenant(&file)?;
        let server = Starting::spawn_with(binary, &folder.path().join("data"), &SEALED)?.ready()?;
        let batches = Batches::open(&file)?;
        let connections = if batch == 1 { SINGLE_CONNECTIONS } else { CONNECTIONS };
        std::thread::scope(|scope| {
            let senders: Vec<_> =
                (0..connections).map(|_| scope.spawn(|| send(&server, &batches, batch))).collect();
            for sender in senders {
                sender.join().map_err(|_| "a sender panicked".to_owned())??;
            }
            Ok::<_, Fault>(())
        })?;
        let deadline = Instant::now() + SEALED_MAX;
        while metric(&server, "annals_tail_records")?.unwrap_or(0) > 0 {
            require!(Instant::now() < deadline, "not all is sealed after {} s", SEALED_MAX.as_secs());
            std::thread::sleep(Duration::from_millis(100));
        }
        settled(&server)?;
        std::fs::remove_file(&file).while_doing(file.display())?;
        Ok(Self { folder, server, tenant, events })
    }

    /// What verification keeps of each event; the server is another one then.
    fn state(mut self, binary: &Binary, empty_kib: u64, batch: &str) -> Result<Self> {
        let of = format!("{} events in batches of {batch}", self.events);
        let State { rows, proof, secrets, files } = state_of(&data(&self.folder).join("segments"))?;
        require!(rows >= self.events, "{rows} records are in segments, of {} events", self.events);
        let each = |bytes: u64| bytes as f64 / rows as f64;
        let figure = format!(
            "{:.2} B: {:.2} of the tree, {:.2} of secrets; {files} segments",
            each(proof + secrets),
            each(proof),
            each(secrets)
        );
        row("state on disk, each event", &of, figure);
        let key = std::mem::take(&mut self.server.key);
        self.server.stop()?;
        self.server = Starting::spawn_with(binary, &data(&self.folder), &SEALED)?.ready()?;
        self.server.key = key;
        settled(&self.server)?;
        let more_kib = memory_kib(self.server.id()).saturating_sub(empty_kib);
        row("state in memory, each event, at most", &of, format!("{:.2} B", each(more_kib * 1024)));
        Ok(self)
    }

    /// Inclusion proofs over HTTP.
    fn proofs(&self) -> Result<()> {
        let began = Instant::now();
        let asked = std::thread::scope(|scope| {
            let askers: Vec<_> = (0..CONNECTIONS as u64)
                .map(|asker| {
                    scope.spawn(move || {
                        let (mut client, mut asked) = (self.server.client(), 0_u64);
                        while began.elapsed() < ASKED {
                            let number = asked * CONNECTIONS as u64 + asker;
                            let position = number * STRIDE % self.events;
                            let (tenant, size) = (&self.tenant, self.events);
                            let path = format!(
                                "/v1/proofs/inclusion?tenant={tenant}&position={position}&size={size}"
                            );
                            let answer = client.get(&path).while_doing(&path)?;
                            require!(
                                answer.status == 200,
                                "{path}: status {}: {}",
                                answer.status,
                                answer.text()
                            );
                            asked += 1;
                        }
                        Ok::<_, Fault>(asked)
                    })
                })
                .collect();
            askers.into_iter().try_fold(0, |sum, asker| {
                Ok::<_, Fault>(sum + asker.join().map_err(|_| "an asker panicked".to_owned())??)
            })
        })?;
        let of = format!("{} records, {CONNECTIONS} connections", self.events);
        let rate = asked as f64 / began.elapsed().as_secs_f64();
        row("inclusion proofs over HTTP", &of, format!("{rate:.0}/s"));
        Ok(())
    }

    /// Has the program write a bundle of everything, which checks it on the way.
    fn export(&self, binary: &Binary) -> Result<PathBuf> {
        let path = self.folder.path().join("bundle.zip");
        let meter = Meter::start(self.server.id())?;
        let before_kib = memory_kib(self.server.id());
        let mut command = command(binary, &self.folder);
        command.args(["export", "--bundle", "--tenant", &self.tenant, "--url", &self.server.url(), "--key"]);
        command.arg(&self.server.key).arg("--output").arg(&path);
        let ran = ran(command)?;
        let taken = meter.taken()?;
        let (bytes, events) = (std::fs::metadata(&path).while_doing(path.display())?.len(), self.events);
        let of = format!("{events} events");
        row("build a bundle, checked on the way", &of, ran.told(events));
        let figure = format!(
            "{:.1} CPU s, {:.0} MiB more at its peak",
            taken.cpu_seconds,
            mib(taken.peak_kib.saturating_sub(before_kib))
        );
        row("the same, the server's part", &of, figure);
        row("size of the bundle, each event", &of, format!("{:.0} B", bytes as f64 / events as f64));
        Ok(path)
    }

    fn verify(&self, binary: &Binary, what: &Path, told: &str, of: &str) -> Result<()> {
        verify(binary, &self.folder, what, self.events, told, of)
    }

    fn stop(self) -> Result<Stopped> {
        self.server.stop()?;
        Ok(Stopped { folder: self.folder, events: self.events })
    }
}

impl Stopped {
    fn verify(&self, binary: &Binary, told: &str, of: &str) -> Result<()> {
        verify(binary, &self.folder, &data(&self.folder), self.events, told, of)
    }
}

fn data(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("data")
}

fn verify(
    binary: &Binary,
    folder: &tempfile::TempDir,
    what: &Path,
    events: u64,
    told: &str,
    of: &str,
) -> Result<()> {
    let mut command = command(binary, folder);
    command.arg("verify").arg(what);
    row(told, of, ran(command)?.told(events));
    Ok(())
}

/// The program with a memory of keys and checkpoints of its own.
fn command(binary: &Binary, folder: &tempfile::TempDir) -> Command {
    let mut command = Command::new(binary.path());
    crate::tool::without_our_variables(&mut command);
    command.env("ANNALS_STATE", folder.path().join("state"));
    command
}

/// What a run of a program took.
struct Ran {
    seconds: f64,
    cpu_seconds: f64,
    peak_kib: u64,
}

impl Ran {
    fn told(&self, events: u64) -> String {
        format!(
            "{:.0}/s: {:.1} s, {:.1} CPU s, {:.0} MiB",
            events as f64 / self.seconds,
            self.seconds,
            self.cpu_seconds,
            mib(self.peak_kib)
        )
    }
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// Runs a program to its end, which must be a good one. CPU and memory are those of the last look at it.
fn ran(mut command: Command) -> Result<Ran> {
    let told = format!("{command:?}");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let mut child = command.spawn().while_doing(&told)?;
    let (mut cpu, mut peak_kib) = (0.0, 0);
    let status = loop {
        if let Some(status) = child.try_wait().while_doing(&told)? {
            break status;
        }
        cpu = cpu_seconds(child.id()).unwrap_or(cpu);
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok());
        peak_kib = peak.unwrap_or(0).max(peak_kib);
        std::thread::sleep(LOOK_EVERY);
    };
    let seconds = began.elapsed().as_secs_f64();
    require!(status.success(), "{told}: {status}");
    Ok(Ran { seconds, cpu_seconds: cpu, peak_kib })
}

/// Sends batches until there are no more, so many lines at once.
fn send(server: &Instance, batches: &Batches, batch: usize) -> Result<()> {
    let mut sender = Sender::connect(server.address(), &server.key)?;
    let mut lines = Vec::new();
    loop {
        let count = batches.next(&mut lines)?;
        if count == 0 {
            return Ok(());
        }
        if batch >= count {
            sender.send(&lines, count)?;
            continue;
        }
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            sender.send(line, 1)?;
        }
    }
}

/// The tenant that the first line names.
fn first_tenant(file: &Path) -> Result<String> {
    let mut lines = Vec::new();
    Batches::open(file)?.next(&mut lines)?;
    let line = lines.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let event: Value = serde_json::from_slice(line).while_doing("the first event")?;
    Ok(event["tenant"].as_str().ok_or("the first event names no tenant")?.to_owned())
}

/// What segments hold for verification, in bytes.
struct State {
    rows: u64,
    proof: u64,
    secrets: u64,
    files: usize,
}

fn state_of(folder: &Path) -> Result<State> {
    let mut state = State { rows: 0, proof: 0, secrets: 0, files: 0 };
    for path in files(folder)?.iter().filter(|path| path.extension().is_some_and(|end| end == "seg")) {
        let file = std::fs::read(path).while_doing(path.display())?;
        state.add(&file).while_doing(path.display())?;
    }
    require!(state.files > 0, "{} has no segments", folder.display());
    Ok(state)
}

impl State {
    /// Adds a segment's parts: each goes from its offset to the next one.
    fn add(&mut self, file: &[u8]) -> Result<()> {
        let trailer = file.last_chunk::<24>().ok_or("it has no trailer")?;
        let (at, rest) = trailer.split_first_chunk::<8>().expect("24 bytes");
        let at = usize::try_from(u64::from_le_bytes(*at))?;
        let length = rest.first_chunk::<4>().map(|length| u32::from_le_bytes(*length)).expect("16 bytes");
        let footer = at..at.saturating_add(usize::try_from(length)?);
        let footer: Value = serde_json::from_slice(file.get(footer).ok_or("its footer is not there")?)?;
        self.rows += footer["rows"].as_u64().ok_or("its footer has no rows")?;
        self.files += 1;
        let mut offsets = vec![(at as u64, Part::Other)];
        collect(&footer, &mut Vec::new(), &mut offsets);
        offsets.sort_unstable();
        for two in offsets.windows(2) {
            let bytes = two[1].0 - two[0].0;
            match two[0].1 {
                Part::Proof => self.proof += bytes,
                Part::Secrets => self.secrets += bytes,
                Part::Other => {}
            }
        }
        Ok(())
    }
}

/// What a part of a segment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Proof,
    Secrets,
    Other,
}

/// Every offset that the footer names, and what stands there.
fn collect<'a>(value: &'a Value, path: &mut Vec<&'a str>, offsets: &mut Vec<(u64, Part)>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if let (true, Some(at)) = (matches!(name.as_str(), "at" | "low"), value.as_u64()) {
                    let part = match path[..] {
                        ["proof", ..] => Part::Proof,
                        ["known", "roots" | "secrets", ..] => Part::Secrets,
                        _ => Part::Other,
                    };
                    offsets.push((at, part));
                    continue;
                }
                path.push(name);
                collect(value, path, offsets);
                path.pop();
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, path, offsets)),
        _ => {}
    }
}

/// Proofs by the library that outsiders use.
fn by_library(size: u64) -> Result<()> {
    let leaf = |number| leaf_hash(&encode_event(1, number, &Hash([7; 32])));
    let mut tree = Tree::new();
    tree.extend((0..size).map(leaf));
    let of = format!("{size} leaves, one core");
    let began = Instant::now();
    let (mut made, mut last) = (0, (0, Vec::new()));
    while began.elapsed() < ASKED {
        let position = made * STRIDE % size;
        last = (position, inclusion(position, size, &tree).while_doing("an inclusion proof")?);
        made += 1;
    }
    row("inclusion proofs by library", &of, format!("{:.0}/s", made as f64 / began.elapsed().as_secs_f64()));
    let root = root_at(size, &tree).while_doing("the root")?;
    let (position, proof) = last;
    let leaf = leaf(position);
    let (began, mut checked) = (Instant::now(), 0_u64);
    while began.elapsed() < ASKED {
        if verify_inclusion(&leaf, position, size, &proof, &root).is_err() {
            fail!("a proof does not hold");
        }
        checked += 1;
    }
    row("the same, checked", &of, format!("{:.0}/s", checked as f64 / began.elapsed().as_secs_f64()));
    Ok(())
}
