//! Several files to one.

use std::sync::Arc;

use annals_event::TenantId;
use annals_event::json::{Document, Limits as JsonLimits};
use annals_segment::Damaged;
use annals_segment::body::Cache;
use annals_segment::build::{Limits, build_within};
use annals_segment::hashes::hash;
use annals_segment::merge::{merge, merge_within};
use annals_segment::segment::Segment;
use annals_tree::Hash;
use proptest::prelude::*;

use crate::questions::check_in;
use crate::support::{Log, Records, Style, records, with_fates};

/// A ledger's keyed hash of event ids, for tests.
pub(crate) fn id_hash(tenant: &TenantId, access: bool, id: &[u8]) -> u64 {
    hash(u64::from(access), &[tenant.as_str().as_bytes(), &[0], id].concat())
}

/// The id of an event, if it has one.
pub(crate) fn id_of(event: &[u8]) -> Option<String> {
    let mut document = Document::default();
    let event = document.parse(event, JsonLimits { depth_max: usize::MAX }).unwrap();
    event.get("id").and_then(|id| id.as_str()).map(str::to_owned)
}

/// Random records whose id hashes are those of their ids; of every other seed some are erased or expired. Events without one get the hash of the first that has one.
pub(crate) fn ledger(seed: u64, logs: usize, rows: usize, style: Style) -> Records {
    let mut ledger = records(seed, logs, rows, style);
    for log in &mut ledger.logs {
        let mut known = None;
        let hashes: Vec<Option<u64>> = log
            .records
            .iter()
            .map(|record| id_of(&record.event))
            .map(|id| {
                id.map(|id| {
                    let mut escaped = Vec::new();
                    annals_event::json::write_string(&id, &mut escaped);
                    id_hash(&log.name.tenant, log.name.access, &escaped[1..escaped.len() - 1])
                })
            })
            .inspect(|hash| known = known.or(*hash))
            .collect();
        for (record, hash) in log.records.iter_mut().zip(hashes) {
            record.id_hash = hash.or(known).unwrap_or(0);
        }
    }
    if seed.is_multiple_of(2) { with_fates(ledger, seed) } else { ledger }
}

/// Cuts records where their ledger numbers, or else the order of their logs, would have been sealed: at these shares of them.
pub(crate) fn cut(whole: &Records, cuts: &[prop::sample::Index]) -> Vec<Records> {
    cut_at(whole, cuts.len() + 1, &|log, n| {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(log.records.len() + 1)).collect();
        at.sort_unstable();
        if n == 0 { 0 } else { at.get(n - 1).copied().unwrap_or(log.records.len()) }
    })
}

/// Cuts records to so many parts; `begins` says where in a log each begins, and where the last one ends.
pub(crate) fn cut_at(whole: &Records, parts: usize, begins: &dyn Fn(&Log, usize) -> usize) -> Vec<Records> {
    let mut parts: Vec<Records> = (0..parts).map(|_| Records::default()).collect();
    for log in &whole.logs {
        let at: Vec<usize> = (0..=parts.len()).map(|n| begins(log, n)).collect();
        let mut nodes = log.nodes.iter();
        for (part, bounds) in parts.iter_mut().zip(at.windows(2)) {
            let records = &log.records[bounds[0]..bounds[1]];
            let own: Vec<Hash> = records
                .iter()
                .filter(|record| (record.position + 1).is_multiple_of(256))
                .flat_map(|record| {
                    let above = ((record.position + 1) / 256).trailing_zeros();
                    nodes.by_ref().take(above as usize + 1).copied().collect::<Vec<_>>()
                })
                .collect();
            if !records.is_empty() {
                part.logs.push(Log { name: log.name.clone(), records: records.to_vec(), nodes: own });
            }
        }
    }
    parts
}

pub(crate) fn open(name: &str, bytes: Vec<u8>) -> Arc<Segment> {
    Segment::open(name.into(), Arc::new(bytes), Cache::new(1 << 24)).unwrap()
}

pub(crate) fn without_empty_logs(mut whole: Records) -> Records {
    whole.logs.retain(|log| !log.records.is_empty());
    whole
}

/// The bytes of a segment merged from parts of a ledger.
fn merged_from(parts: &[Records], built: Limits, merged: Limits) -> Vec<u8> {
    let inputs: Vec<Arc<Segment>> =
        parts.iter().map(|part| open("part", build_within(part, 3, built, Vec::new()).unwrap().0)).collect();
    let (bytes, length) = merge_within(&inputs, 5, &id_hash, merged, Vec::new()).unwrap();
    assert_eq!(bytes.len() as u64, length);
    bytes
}

/// Merges parts of a ledger that were built with one kind of limits under others, and compares with the ledger.
fn check(whole: &Records, parts: &[Records], built: Limits, merged: Limits) {
    let inputs: Vec<Arc<Segment>> =
        parts.iter().map(|part| open("part", build_within(part, 3, built, Vec::new()).unwrap().0)).collect();
    let (bytes, length) = merge_within(&inputs, 5, &id_hash, merged, Vec::new()).unwrap();
    assert_eq!(bytes.len() as u64, length);
    let segment = open("merged", bytes);
    assert_eq!(segment.same_as(whole).unwrap(), None);
    for (at, log) in whole.logs.iter().enumerate() {
        let rows = segment.log_rows(u32::try_from(at).unwrap()).unwrap();
        let mut reader = segment.reader();
        for (row, record) in rows.rows.clone().zip(&log.records).step_by(11) {
            if let Some(id) = id_of(&record.event) {
                let mut text = Vec::new();
                annals_event::json::write_string(&id, &mut text);
                let found = reader.rows_with_id(&rows, &text[1..text.len() - 1]).unwrap();
                assert!(found.contains(&row), "row {row} is found by its id");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_merged_segment_holds_what_one_built_from_all_rows_holds(
        seed: u64,
        logs in 1_usize..6,
        rows in 0_usize..500,
        style in prop::sample::select(vec![Style::Realistic, Style::Hostile, Style::Mixed]),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        built_small: bool,
        merged_small: bool,
    ) {
        let whole = without_empty_logs(ledger(seed, logs, rows, style));
        let parts = cut(&whole, &cuts);
        let small = Limits { shapes_max: 5, paths_max: 30, ..Limits::default() };
        let limits = |is_small| if is_small { small } else { Limits::default() };
        check(&whole, &parts, limits(built_small), limits(merged_small));
    }
}

#[test]
fn values_that_others_name_are_put_back_where_room_runs_out() {
    let mut whole = without_empty_logs(ledger(81, 2, 500, Style::Realistic));
    // A target's shape that is met first, so that those have no room that descriptions name; events are taken apart all the
    // same.
    let event = &mut whole.logs[0].records[0].event;
    let text = String::from_utf8(event.clone()).unwrap();
    *event = text.replace("\"targets\":[", "\"targets\":[{\"id\":\"odd\"},").into_bytes();
    let cut_at: [prop::sample::Index; 0] = [];
    let parts = cut(&whole, &cut_at);
    for shapes_max in [1, 2, 5] {
        for paths_max in [25, 35, 1_024] {
            check(&whole, &parts, Limits::default(), Limits { shapes_max, paths_max, ..Limits::default() });
        }
    }
}

#[test]
fn a_merged_segment_answers_as_the_events_do() {
    let small = Limits { shapes_max: 4, paths_max: 40, ..Limits::default() };
    let usual = Limits::default();
    for (seed, style, built, merged) in [
        (91, Style::Realistic, usual, usual),
        (92, Style::Mixed, usual, usual),
        (93, Style::Mixed, small, usual),
        (94, Style::Realistic, usual, small),
    ] {
        let whole = without_empty_logs(ledger(seed, 4, 600, style));
        check_in(seed, whole, &|whole| {
            let thirds = |log: &Log, n: usize| log.records.len() * n / 3;
            merged_from(&cut_at(whole, 3, &thirds), built, merged)
        });
    }
}

#[test]
fn what_is_merged_is_merged_again() {
    let whole = without_empty_logs(ledger(77, 4, 1_500, Style::Mixed));
    let cuts: [prop::sample::Index; 0] = [];
    let parts = cut(&whole, &cuts);
    assert_eq!(parts.len(), 1);
    let mut inputs = vec![open("part", parts[0].segment())];
    for seed in 0..3 {
        let (bytes, _) = merge(&inputs, seed, &id_hash, Vec::new()).unwrap();
        inputs = vec![open("merged", bytes)];
    }
    assert_eq!(inputs[0].same_as(&whole).unwrap(), None);
}

#[test]
fn segments_that_do_not_follow_each_other_are_not_merged() {
    let whole = without_empty_logs(ledger(78, 2, 300, Style::Realistic));
    let part = open("part", whole.segment());
    let error = merge(&[Arc::clone(&part), part], 0, &id_hash, Vec::new()).unwrap_err();
    assert!(error.to_string().contains("do not follow each other"), "{error}");
}

#[test]
fn a_damaged_input_is_named() {
    let whole = without_empty_logs(ledger(79, 3, 900, Style::Realistic));
    let bytes = whole.segment();
    for at in [20_000, 40_000, 60_000] {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        let segment = open("broken", bytes);
        let error = merge(&[segment], 0, &id_hash, Vec::new()).unwrap_err();
        let damaged = error.get_ref().and_then(|error| error.downcast_ref::<Damaged>()).unwrap();
        assert_eq!((&*damaged.file, damaged.at), ("broken", at as u64 / 16_384 * 16_384), "{damaged}");
    }
}
