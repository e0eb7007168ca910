//! `cargo xtask bench --hostile`: shapes of events that are meant to hurt, so that a cliff would show.
//!
//! Each shape is stored on an empty folder and settles; then some questions are asked about a tenant, an actor and words of an
//! event in the middle of the file. A question that the server refuses for its work is told as `busy`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use super::annals::{Annals, query};
use super::engine::Engine as _;
use super::lines::{self, Source};
use super::question::{Condition, Event, words};
use crate::fault::{Result, While, fail, require};
use crate::http::Client;
use crate::instance::Binary;

/// The shapes of `annals bench generate`, and how many of the events that were asked for: so many for one, or one for so many.
const SHAPES: [(&str, u64, u64); 9] = [
    ("everyday", 1, 1),
    ("distinct", 1, 1),
    ("shapes", 1, 1),
    ("large", 1, 250),
    ("targets", 1, 100),
    ("keys", 1, 1),
    ("giant", 1, 1),
    ("tenants", 4, 1),
    ("late", 1, 1),
];

/// Events of a shape, unless said otherwise.
const EVENTS: u64 = 250_000;

/// Events of the file from which one is asked about.
const CANDIDATES: usize = 200;

/// A question is asked so often, for at most so long.
const ASKED: usize = 100;
const ASKED_MAX: Duration = Duration::from_secs(5);

/// Stores and asks; prints the table.
pub(super) fn run(binary: &Binary, only: &[String], events: Option<u64>, seed: u64) -> Result<()> {
    for shape in only {
        require!(SHAPES.iter().any(|known| known.0 == shape), "there is no shape `{shape}`");
    }
    println!("\nThe median of each question in milliseconds; memory is anonymous, its peak and at rest.\n");
    println!(
        "| shape | events | bytes each | on disk each, sealed | in the tail | events/s | CPU s per M | CPU s per GB | \
         peak MiB | at rest MiB | newest page | by actor | miss | two words | facets |"
    );
    println!("|---|{}", "---:|".repeat(14));
    for (shape, times, part) in SHAPES {
        if only.is_empty() || only.iter().any(|wanted| wanted == shape) {
            let events = (events.unwrap_or(EVENTS) * times / part).max(1);
            measure(binary, shape, events, seed).while_doing(format!("shape {shape}"))?;
        }
    }
    Ok(())
}

fn measure(binary: &Binary, shape: &str, events: u64, seed: u64) -> Result<()> {
    let folder = lines::folder()?;
    let file = lines::generate(binary, folder.path(), shape, events, seed)?;
    let sent = std::fs::metadata(&file).while_doing(file.display())?.len();
    let mut annals = Annals::start(binary, folder.path())?;
    let loaded = annals.ingest(&Source::File(file.clone()))?;
    require!(loaded.events == events, "{} events were stored", loaded.events);
    let mut client = annals.server().client();
    let mut cells = Vec::new();
    for path in questions(&file, events / 2)? {
        cells.push(ask(&mut client, &path)?);
    }
    let sealed = loaded.bytes_sealed().map_or_else(|| "–".to_owned(), |bytes| format!("{bytes:.1}"));
    println!(
        "| {shape} | {events} | {:.0} | {sealed} | {} | {:.0} | {:.1} | {:.1} | {:.0} | {:.0} | {} |",
        sent as f64 / events as f64,
        loaded.in_tail.map_or_else(|| "–".to_owned(), |records| records.to_string()),
        events as f64 / loaded.ingest.seconds,
        loaded.settled.cpu_seconds / loaded.millions(),
        loaded.settled.cpu_seconds / (sent as f64 / 1e9),
        loaded.settled.peak_kib as f64 / 1024.0,
        loaded.rest_kib as f64 / 1024.0,
        cells.join(" | "),
    );
    Ok(())
}

/// What is asked about an event of the file: paths of `GET`.
fn questions(file: &Path, number: u64) -> Result<Vec<String>> {
    let lines = BufReader::new(File::open(file).while_doing(file.display())?).lines();
    let mut events = Vec::new();
    for line in lines.skip(usize::try_from(number)?).take(CANDIDATES) {
        events.push(Event::parse(&line.while_doing(file.display())?)?);
    }
    // Of a large tenant, where there are large ones.
    let mut tenants: BTreeMap<&str, usize> = BTreeMap::new();
    for event in &events {
        *tenants.entry(event.tenant.as_str()).or_default() += 1;
    }
    let largest = tenants.into_iter().max_by_key(|(_, count)| *count).map(|(tenant, _)| tenant);
    let event =
        events.iter().find(|event| Some(event.tenant.as_str()) == largest).ok_or("the file is too short")?;
    let prose = event.prose();
    let mut wanted: Vec<String> = words(&prose).collect::<BTreeSet<_>>().into_iter().collect();
    wanted.sort_by_key(|word| std::cmp::Reverse(word.len()));
    wanted.extend(event.actor.id.iter().flat_map(|id| words(id)));
    wanted.truncate(2);
    let of_tenant = Condition { tenant: Some(event.tenant.clone()), ..Condition::default() };
    let condition = |actor: Option<&str>, words: Vec<String>| {
        query(&Condition { actor: actor.map(str::to_owned), words, ..of_tenant.clone() }, &[])
    };
    Ok(vec![
        format!("/v1/events?{}", condition(None, Vec::new())),
        format!("/v1/events?{}", condition(event.actor.id.as_deref(), Vec::new())),
        format!("/v1/events?{}", condition(Some("usr_nobody"), Vec::new())),
        format!("/v1/events?{}", condition(None, wanted)),
        format!("/v1/summary?{}", query(&of_tenant, &[("by", "action")])),
    ])
}

/// The median of asking, in milliseconds.
fn ask(client: &mut Client, path: &str) -> Result<String> {
    let (start, mut micros) = (Instant::now(), Vec::new());
    while micros.len() < ASKED && (micros.is_empty() || start.elapsed() < ASKED_MAX) {
        let began = Instant::now();
        let answer = client.get(path).while_doing(path)?;
        micros.push(began.elapsed().as_micros());
        match answer.status {
            200 => {}
            503 => return Ok("busy".to_owned()),
            // A summary of values that never repeat says that there are too many.
            400 if path.starts_with("/v1/summary") => return Ok("too many values".to_owned()),
            status => fail!("{path}: status {status}: {}", answer.text()),
        }
    }
    micros.sort_unstable();
    Ok(format!("{:.2}", micros[micros.len() / 2] as f64 / 1e3))
}
