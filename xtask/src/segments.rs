//! Segments read by a program that was written from their description alone: those of the corpus, those that the real binary
//! just wrote, and damaged ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::api;
use crate::fault::{Result, While, fail, require};
use crate::http::Client;
use crate::instance::{self, Binary};
use crate::repo;
use crate::stages::Tally;
use crate::tool::Tool;

/// Segments of the corpus, each with its records beside it.
const FILES: [&str; 5] = ["arrays", "fates", "kept-whole", "part-1", "part-2"];

/// The one made of two of these.
const MERGED: (&str, [&str; 2]) = ("merged", ["part-1", "part-2"]);

/// Requests and events of each that the real binary gets.
const REQUESTS: u64 = 6;
const REQUEST_EVENTS: u64 = 500;

/// Records that may be left unsealed: annals writes some of its own.
const UNSEALED_MAX: u64 = 20;

/// How long sealing may take.
const SEALED_SECONDS_MAX: u64 = 60;

/// Records of a feed's page.
const PAGE_RECORDS: usize = 1_000;

/// What the program prints of a record.
#[derive(Deserialize)]
struct Line<'a> {
    tenant: String,
    position: u64,
    seq: Option<u64>,
    received_at: String,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// Has everything read with this Python, which has the packages that commitments need.
pub(crate) fn run(binary: &Binary, python: &Path) -> Result<Tally> {
    let reader = Reader(python);
    let mut tally = corpus(&reader)?;
    tally.add(damaged(&reader)?);
    tally.add(written(binary, &reader)?);
    Ok(tally)
}

/// `verifiers/python/read_segment.py`.
struct Reader<'p>(&'p Path);

impl Reader<'_> {
    fn read(&self, files: &[PathBuf]) -> Tool {
        let program = repo::root().join("verifiers/python/read_segment.py");
        Tool::new(self.0).args([program.as_os_str(), "--leaves".as_ref()]).args(files)
    }

    /// The records of all segments in a folder.
    fn read_folder(&self, folder: &Path) -> Result<String> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).while_doing(folder.display())? {
            let path = entry.while_doing(folder.display())?.path();
            files.extend(path.extension().is_some_and(|ending| ending == "seg").then_some(path));
        }
        files.sort();
        require!(!files.is_empty(), "{}: no segments", folder.display());
        self.read(&files).output()
    }
}

fn folder() -> PathBuf {
    repo::root().join("corpus/formats/v1")
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).while_doing(path.display())
}

/// The corpus gives the records that lie beside it.
fn corpus(reader: &Reader<'_>) -> Result<Tally> {
    let expected = |name: &str| text(&folder().join(format!("{name}.ndjson")));
    let read = |name: &str| reader.read(&[folder().join(format!("{name}.seg"))]).output();
    for name in FILES {
        require!(read(name)? == expected(name)?, "{name}.seg: other records than {name}.ndjson");
    }
    let parts = MERGED.1.map(expected).into_iter().collect::<Result<Vec<_>>>()?.concat();
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    require!(sorted(&read(MERGED.0)?) == sorted(&parts), "{}.seg: other records than its parts", MERGED.0);
    let ledger = folder().join("ledger");
    let feed = text(&ledger.join("records.ndjson"))?;
    let sealed = compare(&reader.read_folder(&ledger.join("segments"))?, feed.lines())?;
    println!("corpus: read as described; {sealed} records of the ledger as its feed gives them");
    Ok(Tally::passed(FILES.len() as u64 + 2))
}

/// What is damaged is refused.
fn damaged(reader: &Reader<'_>) -> Result<Tally> {
    let temporary = tempfile::tempdir().while_doing("temporary folder")?;
    let mut refused = 0;
    for damage in text(&folder().join("damage.tsv"))?.lines().filter(|line| !line.starts_with('#')) {
        let [name, file, changes, ..] = damage.split('\t').collect::<Vec<_>>()[..] else {
            fail!("damage.tsv: {damage}")
        };
        let path = folder().join(file);
        let mut bytes = fs::read(&path).while_doing(path.display())?;
        for change in changes.split(' ') {
            let Some((at, to)) = change.split_once('=') else { fail!("damage.tsv: {change}") };
            if at == "cut" {
                bytes.truncate(to.parse().while_doing(change)?);
                continue;
            }
            let at: usize = at.parse().while_doing(change)?;
            for (i, pair) in to.as_bytes().chunks(2).enumerate() {
                bytes[at + i] = u8::from_str_radix(&String::from_utf8_lossy(pair), 16).while_doing(change)?;
            }
        }
        let copy = temporary.path().join(file);
        fs::write(&copy, bytes).while_doing(copy.display())?;
        let (accepted, said) = reader.read(&[copy]).ask()?;
        require!(!accepted, "{file} with {name} is accepted: {said}");
        refused += 1;
    }
    println!("corpus: {refused} kinds of damage are refused");
    Ok(Tally::passed(refused))
}

/// What the real binary seals is read as its feed gives it.
fn written(binary: &Binary, reader: &Reader<'_>) -> Result<Tally> {
    let temporary = tempfile::tempdir().while_doing("temporary folder")?;
    let data = temporary.path().join("data");
    let settings = [("ANNALS_SEGMENTS__SEAL_RECORDS", "700"), ("ANNALS_SEGMENTS__SEAL_AGE", "1s")];
    let server = instance::Starting::spawn_with(binary, &data, &settings)?.ready()?;
    let mut client = server.client();
    for request in 0..REQUESTS {
        let lines: String = (request * REQUEST_EVENTS..(request + 1) * REQUEST_EVENTS).map(event).collect();
        let headers = [("content-type", "application/x-ndjson")];
        let answer = client
            .request("POST", "/v1/events", &headers, lines.as_bytes())
            .while_doing("POST /v1/events")?;
        let ingested: api::Ingested = api::json("POST /v1/events", &answer)?;
        require!(ingested.results.iter().all(|item| item.status == "created"), "an event was not stored");
    }
    wait_until_sealed(&mut client)?;
    let feed = feed(&mut client)?;
    server.stop()?;
    let sealed = compare(&reader.read_folder(&data.join("segments"))?, feed.iter().map(String::as_str))?;
    let sent = REQUESTS * REQUEST_EVENTS;
    require!(sealed >= sent - UNSEALED_MAX, "only {sealed} of {sent} records are sealed");
    println!("annals: {sealed} sealed records read as the feed gives them, each leaf as its tag says");
    Ok(Tally::one())
}

fn wait_until_sealed(client: &mut Client) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(SEALED_SECONDS_MAX);
    loop {
        let answer = client.get("/v1/status").while_doing("status")?;
        let status: Value = api::json("status", &answer)?;
        if status["tail_records"].as_u64().is_some_and(|records| records < UNSEALED_MAX) {
            return Ok(());
        }
        require!(Instant::now() < deadline, "not sealed within {SEALED_SECONDS_MAX} s: {status}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The platform's feed, a record a line.
fn feed(client: &mut Client) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let path = format!("/v1/feed?from={}&limit={PAGE_RECORDS}", lines.len());
        let headers = [("accept", "application/x-ndjson")];
        let answer = client.request("GET", &path, &headers, b"").while_doing(&path)?;
        require!(answer.status == 200, "{path}: status {}: {}", answer.status, answer.text());
        let before = lines.len();
        lines.extend(String::from_utf8(answer.body).while_doing(&path)?.lines().map(str::to_owned));
        if lines.len() - before < PAGE_RECORDS {
            return Ok(lines);
        }
    }
}

/// Holds what was read against the platform's feed, byte for byte; says how many records were.
fn compare<'f>(read: &str, feed: impl Iterator<Item = &'f str>) -> Result<u64> {
    let number = |line: &'f str| {
        let seq = line.rsplit_once("\"ledger_seq\":").and_then(|(_, seq)| seq.strip_suffix('}'));
        Ok((seq.unwrap_or_default().parse::<u64>().while_doing(line)?, line))
    };
    let feed = feed.map(number).collect::<Result<BTreeMap<_, _>>>()?;
    let mut compared = 0;
    for text in read.lines() {
        let line: Line<'_> = serde_json::from_str(text).while_doing(text)?;
        // Access logs are in no feed.
        let Some(seq) = line.seq else { continue };
        let Some(fed) = feed.get(&seq) else {
            fail!("the feed has no record {seq}, which is sealed: {text}")
        };
        let event = line.event.get();
        let (Line { tenant, position, received_at, .. }, open) = (&line, &event[..event.len() - 1]);
        let start = format!("{open},\"position\":{position},\"received_at\":\"{received_at}\"");
        let end = format!(",\"tenant\":\"{tenant}\",\"ledger_seq\":{seq}}}");
        require!(fed.starts_with(&start) && fed.ends_with(&end), "sealed as {text}, in the feed as {fed}");
        compared += 1;
    }
    Ok(compared)
}

/// An event among whose values are ids of several forms, times, numbers, and sentences that name others.
fn event(number: u64) -> String {
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let (person, thing) = (mixed % 40, format!("vid_{:016x}", (mixed >> 20) % 300 * 0x1234_5678_9ABC));
    let id = match number % 3 {
        0 => format!("ord-{number}"),
        _ => format!("{:08x}-1111-4222-8333-{:012x}", mixed >> 32, mixed & 0xFFFF_FFFF_FFFF),
    };
    let time = match number % 4 {
        0 => format!("\"occurred_at\":\"2026-01-{:02}T03:04:05.{number:06}Z\",", 1 + number % 28),
        _ => String::new(),
    };
    let changes = match number % 5 {
        0 => format!(
            ",\"changes\":{{\"before\":{{\"n\":{number}}},\"after\":{{\"n\":1.50,\"t\":[[\"x\"],{{}}]}}}}"
        ),
        _ => String::new(),
    };
    let tenant = ["acme", "globex"][usize::from(number % 7 < 3)];
    format!(
        "{{{time}\"id\":\"{id}\",\"tenant\":\"{tenant}\",\"action\":\"video.update\",\"actor\":{{\"type\":\"user\",\"id\":\"usr_{person}\",\
         \"name\":\"Zoë {person}\"}},\"targets\":[{{\"type\":\"video\",\"id\":\"{thing}\"}},{{\"id\":\"{}\",\"metadata\":{{\"k\":null}}}}],\
         \"description\":\"Zoë {person} changed “{thing}”\",\"metadata\":{{\"bytes\":{},\"odd {}\":true}}{changes}}}\n",
        number % 9,
        mixed >> 40,
        number % 50
    )
}
