//! Bytes that changed where ids are looked up: an event is never stored twice for it and never taken for new, what needs the
//! bytes is refused, all else goes on, and a replay comes to what was answered.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use annals_journal::Disk as _;
use annals_journal::sim::SimDisk;
use annals_ledger::batch::{Batch, Prior, decode};
use annals_ledger::{AcceptOptions, FeedScope, ItemResult, ItemStatus, OpenError};
use annals_segment::body::{BLOCK_BYTES, Cache};
use annals_segment::segment::Segment;
use serde_json::Value;

use crate::sealing::{Running, Stepped};
use crate::support::{Pending, events_of, poll, tenant};

/// Events that are sealed.
const SEALED: u64 = 3_000;

/// An event whose id needs room and is like no other, and which may be as large as some blocks.
fn event(number: u64) -> String {
    let id = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
    let more = if number % 100 == 3 {
        format!("{:x}", number.wrapping_mul(0xd6e8_feb8)).repeat(90)
    } else {
        String::new()
    };
    format!(
        r#"{{"action":"a.b","actor":{{"id":"u{}"}},"id":"x{id:016x}é","description":"{more}"}}"#,
        number % 7
    )
}

fn send(running: &mut Running, events: &[String], atomic: bool) -> Vec<ItemResult> {
    let options = AcceptOptions { tenant: Some(tenant("acme")), atomic, ..AcceptOptions::default() };
    let mut draft = running.ledger.draft(options);
    events.iter().for_each(|event| draft.push(event.as_bytes()));
    let (ledger, sealed) = (running.ledger.clone(), draft.seal());
    let mut pending: Pending = Box::pin(async move { ledger.commit(sealed).await });
    let answer = poll(&mut pending).or_else(|| {
        running.engine.write();
        running.engine.apply();
        poll(&mut pending)
    });
    answer.expect("it is answered").expect("ingest goes on")
}

fn size(running: &Running) -> u64 {
    running.ledger.feed_size(&FeedScope::Log(events_of("acme"))).unwrap()
}

/// A ledger with one segment, and behind its manifest a duplicate, a conflict, new events, and two all-or-nothing batches.
fn ledger() -> (Stepped, String, Vec<u8>, u64) {
    let mut stepped = Stepped::new(u64::MAX);
    let mut running = stepped.open();
    let events: Vec<String> = (0..SEALED).map(event).collect();
    send(&mut running, &events, false);
    running.engine.seal(true).unwrap();
    let mixed = [event(5), event(6).replace("a.b", "c.d"), event(SEALED), event(1_700), event(SEALED + 1)];
    send(&mut running, &mixed, false);
    send(&mut running, &[event(9), event(SEALED + 2)], true);
    send(&mut running, &[event(10).replace("a.b", "c.d"), event(SEALED + 90)], true);
    send(&mut running, &(SEALED + 3..SEALED + 40).map(event).collect::<Vec<_>>(), false);
    let size = size(&running);
    assert_eq!(size, SEALED + 40);
    running.ledger.checkpoint(&events_of("acme")).unwrap();
    running.ledger.stop();
    while running.engine.write() {
        running.engine.apply();
    }
    let names = stepped.segments.list().unwrap();
    let name = names.iter().find(|name| name.starts_with("segment-")).unwrap().clone();
    let bytes = stepped.segments.contents(&name).unwrap();
    (stepped, name, bytes, size)
}

/// The starts of what the footer says of a part: all the numbers called `at` in it.
fn starts(part: &Value, into: &mut BTreeSet<u64>) {
    match part {
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_u64() {
                    Some(at) if name == "at" => {
                        into.insert(at);
                    }
                    _ => starts(value, into),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| starts(item, into)),
        _ => {}
    }
}

/// Where ids are looked up: by kind, a byte of each region.
fn kinds(bytes: &[u8]) -> BTreeMap<&'static str, BTreeSet<u64>> {
    let segment = Segment::open("a".into(), Arc::new(bytes.to_vec()), Cache::new(1 << 20)).unwrap();
    let footer = serde_json::to_value(segment.footer()).unwrap();
    let columns = footer["tables"][0]["columns"].as_array().unwrap();
    let column = columns.iter().find(|column| column["path"] == serde_json::json!(["id"])).unwrap();
    assert!(!column["index"].is_null(), "there are enough ids for an index");
    let parts = [
        ("filter", &footer["ids"]),
        ("index", &column["index"]),
        ("values", &column["values"]),
        ("ordinals", &column["ordinals"]),
        ("blocks", &column["blocks"]),
    ];
    let mut kinds = BTreeMap::new();
    for (kind, part) in parts {
        let found: &mut BTreeSet<u64> = kinds.entry(kind).or_default();
        starts(part, found);
    }
    kinds.retain(|_, found| !found.is_empty());
    kinds
}

/// Opens the ledger with a changed byte and holds what must hold. Gives how many were refused, or why it does not open.
fn with_damage(stepped: &mut Stepped, size_before: u64, context: &str) -> Result<u64, OpenError> {
    let (journal, signer) = (copy(&stepped.journal), copy(&stepped.signer));
    let mut running = stepped.try_open()?;
    assert_eq!(size(&running), size_before, "{context}: a replay gives what was given");
    let all: Vec<String> = (0..SEALED + 40).chain(SEALED + 200..SEALED + 260).map(event).collect();
    let mut refused = 0;
    let mut created = 0;
    for chunk in all.chunks(500) {
        for result in send(&mut running, chunk, false) {
            match result.status {
                ItemStatus::Created { position, .. } => {
                    assert_eq!(
                        position.0,
                        size_before + created,
                        "{context}: {:?} is stored twice",
                        result.id
                    );
                    created += 1;
                }
                ItemStatus::Duplicate { .. } => {}
                ItemStatus::Rejected(error) => {
                    assert_eq!((error.code, error.pointer.as_str()), ("damaged", "/id"), "{context}");
                    refused += 1;
                }
            }
        }
    }
    if refused > 0 {
        assert_eq!(running.ledger.sizes().damaged_segments, 1, "{context}: it is said");
        assert!(running.ledger.damaged_segments(9)[0].starts_with("segment-"), "{context}");
    }
    assert!((40..=60).contains(&created), "{context}: {created} of 60 are taken for new");
    assert_eq!(size(&running), size_before + created, "{context}");
    // All or nothing: what can be looked up decides as ever, what cannot refuses all.
    for n in [7, 1_500, 2_900] {
        let words = send(&mut running, &[event(n), event(SEALED + 500 + n)], true);
        match &words[0].status {
            ItemStatus::Duplicate { .. } => {
                assert!(
                    matches!(words[1].status, ItemStatus::Created { .. } | ItemStatus::Rejected(_)),
                    "{context}"
                );
            }
            ItemStatus::Rejected(error) => {
                assert!(["damaged", "atomic"].contains(&error.code), "{context}: {error:?}");
                assert!(
                    matches!(words[1].status, ItemStatus::Rejected(_)),
                    "{context}: half of it is stored"
                );
            }
            ItemStatus::Created { .. } => panic!("{context}: it is taken for new"),
        }
    }
    let seen = size(&running);
    drop(running);
    // What was answered under damage holds in a replay, also when the file is whole again.
    let running = stepped.try_open().unwrap_or_else(|error| panic!("{context}: it opened before: {error}"));
    assert_eq!(size(&running), seen, "{context}: a replay under damage");
    drop(running);
    // Leave it as it was found.
    put_back(&mut stepped.journal, &journal);
    put_back(&mut stepped.signer, &signer);
    Ok(refused)
}

fn copy(disk: &SimDisk) -> Vec<(String, Vec<u8>)> {
    disk.list().unwrap().into_iter().map(|name| (name.clone(), disk.contents(&name).unwrap())).collect()
}

fn put_back(disk: &mut SimDisk, files: &[(String, Vec<u8>)]) {
    *disk = SimDisk::new(9);
    files.iter().for_each(|(name, bytes)| disk.put(name, bytes.clone()));
}

#[test]
fn damage_where_ids_are_looked_up_refuses_those_ids_and_nothing_else() {
    let (mut stepped, name, bytes, size_before) = ledger();
    let kinds = kinds(&bytes);
    for kind in ["filter", "index", "values", "blocks"] {
        assert!(kinds.contains_key(kind), "{kind} is missing: {kinds:?}");
    }
    for (kind, starts) in &kinds {
        for start in starts {
            let mut spoilt = bytes.clone();
            spoilt[usize::try_from(*start).unwrap()] ^= 1;
            stepped.segments.put(&name, spoilt);
            let refused = with_damage(&mut stepped, size_before, kind);
            let refused = refused.unwrap_or_else(|error| panic!("{kind} at {start}: {error}"));
            if *kind == "filter" {
                assert_eq!(refused, 0, "without a filter the ids themselves are looked at");
            }
        }
    }
    stepped.segments.put(&name, bytes);
    assert_eq!(with_damage(&mut stepped, size_before, "whole").unwrap(), 0);
}

#[test]
fn whatever_block_is_damaged_no_event_is_stored_twice_and_ingest_goes_on() {
    let (mut stepped, name, bytes, size_before) = ledger();
    let (mut opened, mut refused) = (0, 0);
    let mut shut = Vec::new();
    for block in 0..bytes.len().div_ceil(BLOCK_BYTES) {
        let mut spoilt = bytes.clone();
        let at = (block * BLOCK_BYTES + 5_000).min(bytes.len() - 1);
        spoilt[at] ^= 1;
        stepped.segments.put(&name, spoilt);
        match with_damage(&mut stepped, size_before, &format!("block {block}")) {
            Ok(count) => {
                opened += 1;
                refused += count;
            }
            Err(error) => shut.push(format!("block {block}: {error}")),
        }
    }
    assert!(refused > 0);
    assert!(shut.is_empty(), "{opened} opened; {shut:?}");
}

#[test]
fn a_repaired_segment_changes_nothing_that_was_decided_without_it() {
    let (mut stepped, name, bytes, size_before) = ledger();
    let values = &kinds(&bytes)["values"];
    let mut spoilt = bytes.clone();
    for start in values {
        spoilt[usize::try_from(*start).unwrap()] ^= 1;
    }
    stepped.segments.put(&name, spoilt);
    let mut running = stepped.open();
    let results = send(&mut running, &(0..SEALED + 300).map(event).collect::<Vec<_>>(), false);
    let rejected = results.iter().filter(|result| matches!(result.status, ItemStatus::Rejected(_))).count();
    assert!(rejected > 0);
    let seen = size(&running);
    assert!(seen > size_before, "what the filter knows to be new is stored");
    drop(running);
    stepped.segments.put(&name, bytes);
    assert_eq!(size(&stepped.open()), seen);
}

#[test]
fn batches_say_what_was_found_when_their_ids_were_looked_up() {
    let (stepped, ..) = ledger();
    let mut priors = Vec::new();
    for (_, payload) in
        annals_journal::Scan::open(Arc::new(stepped.journal.clone())).unwrap().filter_map(|scanned| {
            match scanned {
                Ok(annals_journal::Scanned::Frame { place, payload, .. }) => Some((place, payload)),
                _ => None,
            }
        })
    {
        if let Ok(Batch::Records(records)) = decode(&payload) {
            assert!(records.looked_to.is_some());
            priors.push((records.atomic, records.items.iter().map(|item| item.prior).collect::<Vec<_>>()));
        }
    }
    assert!(
        priors.contains(&(false, vec![Prior::Known, Prior::Known, Prior::None, Prior::Known, Prior::None])),
        "{priors:?}"
    );
    assert!(priors.contains(&(true, vec![Prior::Same, Prior::None])), "{priors:?}");
    assert!(priors.contains(&(true, vec![Prior::Known, Prior::None])), "{priors:?}");
}
