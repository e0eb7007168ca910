//! A full disk, a disk that does not flush, and a second process.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::load::TENANTS;
use crate::api;
use crate::fault::{Result, While, fail, require};
use crate::http::Client;
use crate::instance::{Binary, Instance, Starting};
use crate::stages::Tally;
use crate::tool::Tool;

/// No write fits into so small a file but the header of a new journal file.
const FILE_BYTES_MAX: u64 = 4 << 10;

/// Events of one request: more than fit under the limits here, also compressed.
const REQUEST_EVENTS: usize = 200;

/// Size of the small disk, as `mount` takes it: more than the 64 MiB that a journal leaves free for others.
const SMALL_DISK: &str = "size=96m";

/// How long ingest may take to go on after there is space again.
const RESUME_SECONDS_MAX: u64 = 40;

const TENANT: &str = TENANTS[0];

/// A second server on the same folder is refused and told who holds it; the first one is not disturbed.
pub(crate) fn second_process(binary: &Binary, data: &Path) -> Result<Tally> {
    let server = Instance::start(binary, data)?;
    let (code, said) = Starting::spawn(binary, data)?.refused()?;
    require!(code == Some(6), "a second server ended with {code:?} rather than 6 (busy): {said}");
    let holder = server.id().to_string();
    require!(
        said.contains(&holder),
        "a second server was not told that process {holder} holds the folder: {said}"
    );
    let answer = post(&mut server.client(), 0, 1)?;
    require!(answer.0 == 200, "the first server was disturbed by the second: {}", answer.1);
    server.stop()?;
    println!("a second process is refused: {}", said.lines().last().unwrap_or_default());
    Ok(Tally::one())
}

/// Files that may not grow (`RLIMIT_FSIZE`) are met as a full disk is.
pub(crate) fn file_limit(binary: &Binary, data: &Path) -> Result<Tally> {
    let server = Instance::start(binary, data)?;
    let mut client = server.client();
    let mut sent = 0;
    created(&mut client, &mut sent, REQUEST_EVENTS)?;
    server.limit_files(Some(FILE_BYTES_MAX))?;
    for _ in 0..3 {
        refused_as_full(&mut client, sent)?;
    }
    reads_go_on(&mut client, sent)?;
    server.limit_files(None)?;
    resumes(&mut client, &mut sent)?;
    restart_keeps(binary, server, data, sent)?;
    println!("files that may not grow: refused as disk_full, read on, resumed by itself");
    Ok(Tally::one())
}

/// A flush that fails ends writing until a restart, and is not tried again. `strace` makes it fail, when it may trace.
pub(crate) fn failing_flush(binary: &Binary, data: &Path) -> Result<Tally> {
    let server = Instance::start(binary, data)?;
    let mut client = server.client();
    let mut sent = 0;
    created(&mut client, &mut sent, REQUEST_EVENTS)?;
    let Some(tracer) = Tracer::failing_flushes(&server)? else {
        return Ok(Tally::skipped("a flush that fails: `strace` is not there or may not trace"));
    };
    let (status, text) = post(&mut client, sent, 1)?;
    require!(
        status == 503 && text.contains("\"uncertain\""),
        "a failed flush was answered with {status}: {text}"
    );
    tracer.detach()?;
    for _ in 0..3 {
        let (status, text) = post(&mut client, sent, 1)?;
        let refused = status == 503 && text.contains("\"journal_unavailable\"");
        require!(refused, "after a failed flush, with a disk that works again: {status}: {text}");
    }
    let ready = client.get("/readyz").while_doing("GET /readyz")?;
    require!(ready.status == 503, "readiness says {} after a failed flush: {}", ready.status, ready.text());
    reads_go_on(&mut client, sent)?;
    let key = server.key.clone();
    server.stop()?;
    let mut again = Instance::start(binary, data)?;
    again.key = key;
    // What was in flight may be stored or not; sent again it is there once.
    created(&mut again.client(), &mut sent, 1)?;
    reads_go_on(&mut again.client(), sent)?;
    again.stop()?;
    println!("a flush that failed: uncertain, then refused until a restart, read on");
    Ok(Tally::one())
}

/// `strace`, making system calls of a server fail while it lives.
struct Tracer(std::process::Child);

impl Tracer {
    fn failing_flushes(server: &Instance) -> Result<Option<Self>> {
        let there = || Tool::new("strace").args(["-V"]).answers();
        if !there() {
            // Where we may not install it either, the test is skipped and says so.
            for step in [["update", "-qq"].as_slice(), &["install", "-qq", "--yes", "strace"]] {
                drop(Tool::new("apt-get").args(step).ask());
            }
        }
        if !there() {
            return Ok(None);
        }
        let id = server.id().to_string();
        let mut tracer = std::process::Command::new("strace")
            .args(["-f", "-q", "-o", "/dev/null", "-p", &id])
            .args(["-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:error=EIO"])
            .stderr(std::process::Stdio::null())
            .spawn()
            .while_doing("start strace")?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if tracer.try_wait().while_doing("strace")?.is_some() {
                return Ok(None);
            }
            if traced(&id)? {
                return Ok(Some(Self(tracer)));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        fail!("strace did not attach to every thread of process {id}")
    }

    fn detach(mut self) -> Result<()> {
        let id = i32::try_from(self.0.id()).while_doing("process id")?;
        let process = rustix::process::Pid::from_raw(id).ok_or("a process id is not zero")?;
        rustix::process::kill_process(process, rustix::process::Signal::INT).while_doing("SIGINT")?;
        self.0.wait().while_doing("wait for strace")?;
        Ok(())
    }
}

/// Whether every thread of the process is traced.
fn traced(id: &str) -> Result<bool> {
    for thread in std::fs::read_dir(format!("/proc/{id}/task")).while_doing("threads")? {
        let status = std::fs::read_to_string(thread.while_doing("thread")?.path().join("status"))
            .while_doing("status")?;
        if status
            .lines()
            .any(|line| line.strip_prefix("TracerPid:").is_some_and(|tracer| tracer.trim() == "0"))
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A small disk that runs full, when we may mount one.
pub(crate) fn small_disk(binary: &Binary, disk: &Path) -> Result<Tally> {
    std::fs::create_dir_all(disk).while_doing("folder for the small disk")?;
    let (mounted, said) =
        Tool::new("mount").args(["-t", "tmpfs", "-o", SMALL_DISK, "tmpfs"]).args([disk]).ask()?;
    if !mounted {
        return Ok(Tally::skipped(format!("a small disk that runs full: cannot mount one: {}", said.trim())));
    }
    let result = fill_disk(binary, disk);
    Tool::new("umount").args(["--lazy"]).args([disk]).run()?;
    result
}

fn fill_disk(binary: &Binary, disk: &Path) -> Result<Tally> {
    let data = disk.join("data");
    let server = Instance::start(binary, &data)?;
    let mut client = server.client();
    let mut sent = 0;
    created(&mut client, &mut sent, REQUEST_EVENTS)?;
    let ballast = disk.join("ballast");
    fill(&ballast)?;
    for _ in 0..3 {
        refused_as_full(&mut client, sent)?;
    }
    reads_go_on(&mut client, sent)?;
    std::fs::remove_file(&ballast).while_doing("remove the ballast")?;
    resumes(&mut client, &mut sent)?;
    restart_keeps(binary, server, &data, sent)?;
    println!("a disk that ran full: refused as disk_full, read on, resumed by itself");
    Ok(Tally::one())
}

/// Writes zeros until the disk is full.
fn fill(ballast: &Path) -> Result<()> {
    use std::io::Write;
    let mut file = std::fs::File::create(ballast).while_doing("ballast")?;
    while file.write_all(&[0; 4096]).is_ok() {}
    Ok(())
}

/// Sends events numbered from `first`; returns the status and the body.
fn post(client: &mut Client, first: usize, count: usize) -> Result<(u16, String)> {
    let events = (first..first + count).map(|number| {
        format!(
            "{{\"id\":\"e{number}\",\"tenant\":\"{TENANT}\",\"action\":\"document.update\",\"actor\":{{\"id\":\"u1\"}},\
             \"metadata\":{{\"padding\":\"{number:0>400}\"}}}}"
        )
    });
    let body = format!("[{}]", events.collect::<Vec<_>>().join(","));
    let answer = client.post("/v1/events", body.as_bytes()).while_doing("POST /v1/events")?;
    Ok((answer.status, answer.text()))
}

/// Stores events; those that were stored before count too.
fn created(client: &mut Client, sent: &mut usize, count: usize) -> Result<()> {
    let (status, text) = post(client, *sent, count)?;
    require!(status == 200, "status {status}: {text}");
    *sent += count;
    Ok(())
}

fn refused_as_full(client: &mut Client, sent: usize) -> Result<()> {
    let (status, text) = post(client, sent, REQUEST_EVENTS)?;
    let code =
        serde_json::from_str::<Value>(&text).map(|problem| problem["code"].clone()).unwrap_or_default();
    require!(status == 503 && code == "disk_full", "a full disk was answered with {status}: {text}");
    Ok(())
}

/// Everything acknowledged, and nothing of what was refused, can be read.
fn reads_go_on(client: &mut Client, sent: usize) -> Result<()> {
    let records = api::feed(client, TENANT, 0)?;
    require!(records.len() == sent, "{} records are there, {sent} were acknowledged", records.len());
    Ok(())
}

/// Ingest goes on by itself, and what was refused is on record.
fn resumes(client: &mut Client, sent: &mut usize) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(RESUME_SECONDS_MAX);
    loop {
        let (status, text) = post(client, *sent, REQUEST_EVENTS)?;
        if status == 200 {
            break;
        }
        if Instant::now() > deadline {
            fail!("ingest did not go on within {RESUME_SECONDS_MAX} s of space: status {status}: {text}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    *sent += REQUEST_EVENTS;
    // The record may come with the next batch or a moment later.
    while Instant::now() < deadline {
        let records = api::feed(client, "_annals", 0)?;
        if records.iter().any(|record| record.get().contains("\"annals.ingest.refused\"")) {
            return reads_go_on(client, *sent);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    fail!("no `annals.ingest.refused` record in `_annals` after ingest went on")
}

/// What was acknowledged before, between and after is there after a restart too, and verifies.
fn restart_keeps(binary: &Binary, server: Instance, data: &Path, sent: usize) -> Result<()> {
    let key = server.key.clone();
    server.stop()?;
    binary.verify(data, &data.with_extension("state"))?;
    let mut again = Instance::start(binary, data)?;
    again.key = key;
    reads_go_on(&mut again.client(), sent)?;
    again.stop()
}
