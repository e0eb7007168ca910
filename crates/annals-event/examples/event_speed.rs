//! Prints how many events a second one core normalises and splits into units.
//!
//! ```text
//! cargo run --release -p annals-event --example event_speed
//! ```
//!
//! The events have about 800 bytes and the members of a busy web application; each is different.
//! Every figure is the best of 200 rounds over one batch of 1,000.

#![expect(clippy::print_stdout, reason = "an example that prints its result")]

use std::hint::black_box;

use annals_event::filter::Marker;
use annals_event::{
    Extra, Normalised, Position, Rules, Scratch, Timestamp, UnitScratch, normalise, render, units,
};

const EVENTS: usize = 1_000;
const ROUNDS: usize = 200;

fn main() {
    let sent: Vec<String> = (0..EVENTS).map(event).collect();
    let bytes: usize = sent.iter().map(String::len).sum();
    println!("{EVENTS} events of {} bytes on average", bytes / EVENTS);

    let (mut scratch, mut normalised) = (Scratch::default(), Normalised::default());
    let rules = Rules::default();
    report("normalise", || {
        for event in &sent {
            normalise(event.as_bytes(), &rules, &mut scratch, &mut normalised)
                .expect("the event is a good one");
            black_box(normalised.bytes());
        }
    });

    let mut canonical = Vec::new();
    for event in &sent {
        normalise(event.as_bytes(), &rules, &mut scratch, &mut normalised).expect("the event is a good one");
        canonical.push(normalised.bytes().to_vec());
    }
    let (mut unit_scratch, mut count) = (UnitScratch::default(), 0);
    report("units", || {
        count = 0;
        for event in &canonical {
            units(event, &mut unit_scratch, |name, value| {
                black_box((name, value));
                count += 1;
            })
            .expect("the bytes are canonical");
        }
    });
    println!("{} units an event", count / EVENTS);

    let mut marker = Marker::default();
    report("marks", || {
        count = 0;
        for event in &canonical {
            marker.each(event, &mut |mark| {
                black_box(mark);
                count += 1;
            });
        }
    });
    println!("{} marks an event", count / EVENTS);

    let mut out = Vec::new();
    let extra = Extra {
        position: Position(123_456),
        received_at: Timestamp::from_micros(1_763_719_259_123_456).expect("a time in 2025"),
        derived_operation: None,
        derived_occurred_at: false,
        tenant: None,
        ledger_seq: None,
        kind: None,
        erased: &[],
    };
    report("render", || {
        for event in &canonical {
            out.clear();
            render(event, &extra, &mut out);
            black_box(&out);
        }
    });

    let body = format!("[{}]", sent.join(","));
    report("split_array", || {
        black_box(annals_event::json::split_array(body.as_bytes()).count());
    });
    report("normalise, members sorted already", || {
        for event in &canonical {
            normalise(event, &rules, &mut scratch, &mut normalised).expect("the event is a good one");
            black_box(normalised.bytes());
        }
    });
}

/// Runs `round`, which handles every event once, and prints the best rate.
fn report(name: &str, mut round: impl FnMut()) {
    #[expect(clippy::disallowed_methods, reason = "a stopwatch is what this program is for")]
    let now = std::time::Instant::now;
    let best = (0..ROUNDS)
        .map(|_| {
            let start = now();
            round();
            start.elapsed()
        })
        .min()
        .expect("there is at least one round");
    let nanos = best.as_nanos() / EVENTS as u128;
    println!("{name}: {} k events/s, {nanos} ns an event", 1_000_000 / nanos.max(1));
}

fn event(i: usize) -> String {
    let user = i * 7919 % 500;
    let (second, micro) = (i % 60, i * 104_729 % 1_000_000);
    format!(
        concat!(
            r#"{{"id":"01939{i:07}-7c1e-7d2a-9f00-{i:012x}","occurred_at":"2026-11-21T10:00:{second:02}.{micro:06}Z","#,
            r#""action":"video.update","operation":"update","category":"video","severity":"info","#,
            r#""description":"Ana renamed Keynote {i}","#,
            r#""actor":{{"type":"user","id":"usr_{user:016x}","name":"Ana {user}","email":"ana{user}@example.com","#,
            r#""credential":{{"id":"tok_{user:08x}"}}}},"#,
            r#""targets":[{{"type":"video","id":"vid_{i:016x}","name":"Keynote {i}"}}],"#,
            r#""context":{{"ip":"203.0.113.{ip}","user_agent":"Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0","#,
            r#""session_id":"ses_{user:016x}"}},"#,
            r#""request":{{"id":"req_{i:08x}","method":"PATCH","path":"/v1/videos/{i:08x}","status_code":200}},"#,
            r#""outcome":{{"result":"success"}},"#,
            r#""changes":{{"before":{{"name":"Draft {i}"}},"after":{{"name":"Keynote {i}"}}}},"#,
            r#""metadata":{{"region":"eu-central","plan":"business","attempt":{attempt},"bytes":{micro}}}}}"#,
        ),
        i = i,
        second = second,
        micro = micro,
        user = user,
        ip = i % 254 + 1,
        attempt = i % 3,
    )
}
