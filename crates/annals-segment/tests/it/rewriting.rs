//! A file that is written anew has the same rows with the same proofs, whatever became of their events.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use annals_segment::body::{BLOCK_BYTES, Cache};
use annals_segment::build::build;
use annals_segment::fate::Fate;
use annals_segment::merge::compare::{first_difference, first_difference_rebuilt};
use annals_segment::rewrite::{PieceLimits, Rewriter, rewrite, same_proof};
use annals_segment::segment::{Sealed, Segment};
use annals_tree::Hash;
use bytes::Bytes;
use proptest::prelude::*;

use crate::corpus::{footer_at, reseal};
use crate::merging::{id_hash, id_of, ledger, open, without_empty_logs};
use crate::reading::check_record;
use crate::support::{Record, Records, Rng, Style, what_is_left, with_fates};

/// Records of which all have an id, with the hash of it.
fn with_ids(seed: u64, logs: usize, rows: usize, style: Style) -> Records {
    let mut made = without_empty_logs(ledger(seed | 1, logs, rows, style));
    for log in &mut made.logs {
        log.records.retain(|record| id_of(&record.event).is_some());
        log.nodes = crate::support::nodes(&log.records);
    }
    without_empty_logs(made)
}

/// The records with some more of them erased and expired.
fn later(records: &Records, seed: u64) -> Records {
    let mut rng = Rng(seed);
    let mut later = records.clone();
    for (by, record) in later.logs.iter_mut().flat_map(|log| &mut log.records).enumerate() {
        match rng.below(9) {
            0 if record.fate.is_none() => record.expire(by as u64),
            1 if !record.fate.as_ref().is_some_and(Fate::is_expired) => {
                let event = what_is_left(&record.event, &mut rng);
                record.erase(event, vec![2; 1 + rng.index(2_000)]);
            }
            _ => {}
        }
    }
    later
}

/// What stands in the place of a record.
fn replaced(sealed: Sealed, by: &Record) -> (Sealed, Hash) {
    let (event, fate) = (Bytes::from(by.event.clone()), by.fate.clone());
    let Record { occurred_at, operation, derived, ref root, leaf, .. } = *by;
    (Sealed { event, fate, root: root.clone(), occurred_at, operation, derived, ..sealed }, leaf)
}

fn rewritten(old: &Arc<Segment>, later: &Records, limits: PieceLimits) -> (Arc<Segment>, usize) {
    let rows: Vec<&Record> = later.rows().map(|(_, record)| record).collect();
    let (mut next, mut pieces) = (0, 0);
    let mut replace = |sealed| {
        next += 1;
        Ok(replaced(sealed, rows[next - 1]))
    };
    let mut keep = |piece: &annals_segment::rewrite::Piece| {
        pieces += 1;
        Ok(open("piece", build(piece, 1, Vec::new())?.0))
    };
    let (bytes, length) = rewrite(old, 9, &id_hash, &mut replace, limits, &mut keep, Vec::new()).unwrap();
    assert_eq!((length, next), (bytes.len() as u64, rows.len()));
    (open("rewritten", bytes), pieces)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_file_written_anew_is_the_one_that_would_be_built(
        seed: u64,
        logs in 1_usize..6,
        rows in 1_usize..600,
        style in prop::sample::select(vec![Style::Realistic, Style::Mixed, Style::Hostile]),
        share in 1_usize..12,
        is_twice: bool,
    ) {
        let mut stored = with_ids(seed, logs, rows, style);
        if is_twice {
            stored = with_fates(stored, seed);
        }
        let later = later(&stored, seed ^ 1);
        let old = open("old", stored.segment());
        let rows_max = stored.len().div_ceil(share).max(1);
        let limits = PieceLimits { rows_max, ..PieceLimits::default() };
        let (new, pieces) = rewritten(&old, &later, limits);
        prop_assert_eq!(pieces, stored.len().div_ceil(rows_max));
        prop_assert_eq!(new.same_as(&later).unwrap(), None);
        prop_assert_eq!(same_proof(&old, &new, &id_hash).unwrap(), None);
        prop_assert_eq!(same_proof(&old, &old, &id_hash).unwrap(), None);
        let (at_once, pieces) = rewritten(&old, &later, PieceLimits::default());
        prop_assert_eq!((pieces, at_once.same_as(&later).unwrap()), (usize::from(stored.len() > 0), None));
        let few = PieceLimits { bytes_max: 90_000, ..PieceLimits::default() };
        let (by_bytes, _) = rewritten(&old, &later, few);
        prop_assert_eq!(by_bytes.same_as(&later).unwrap(), None);
    }
}

#[test]
fn pieces_are_bounded_by_bytes() {
    let stored = with_ids(7, 2, 400, Style::Realistic);
    let old = open("old", stored.segment());
    let mut replace = |sealed: Sealed| Ok((sealed, Hash([0; 32])));
    let limits = PieceLimits { bytes_max: 5_000, ..PieceLimits::default() };
    let mut rewriter = Rewriter::new(&old, &id_hash, &mut replace, limits);
    let mut pieces = 0;
    while let Some(piece) = rewriter.next_piece().unwrap() {
        use annals_segment::build::Rows as _;
        let rows = (0..piece.logs()).flat_map(|log| (0..piece.count(log)).map(move |n| (log, n)));
        let bytes: Vec<usize> = rows.map(|(log, n)| piece.row(log, n).event.len()).collect();
        assert!(bytes[..bytes.len() - 1].iter().sum::<usize>() < 5_000);
        pieces += 1;
    }
    assert!(pieces > 20, "{pieces}");
}

#[test]
fn whatever_is_proven_and_differs_is_found() {
    let stored = with_ids(21, 3, 900, Style::Realistic);
    let old = open("old", stored.segment());
    let expired = later(&stored, 5);
    type Break = fn(&mut Record);
    let breaks: [(&str, Break); 10] = [
        ("position", |record| record.position += 1 << 20),
        ("seq", |record| record.seq = record.seq.map_or(Some(u64::MAX - 1), |_| None)),
        ("number", |record| record.seq = record.seq.map(|_| u64::MAX - 1)),
        ("received", |record| record.received_at += 1),
        ("class", |record| record.class += 1),
        ("stated", |record| record.stated ^= 2),
        ("tag", |record| record.leaf.0[0] ^= 1),
        ("leaf", |record| record.leaf.0[9] ^= 1),
        ("id", |record| record.event = br#"{"id":"another"}"#.to_vec()),
        ("hash", |record| {
            record.expire(1);
            record.id_hash ^= 1;
            let Some(Fate::Expired { id_hash, .. }) = &mut record.fate else { panic!() };
            *id_hash ^= 1;
        }),
    ];
    for base in [&stored, &expired] {
        for (what, spoil) in breaks {
            for log in 0..base.logs.len() {
                let mut other = base.clone();
                let records = &mut other.logs[log].records;
                let n = records.len() - 1;
                let is_expired = records[n].fate.as_ref().is_some_and(Fate::is_expired);
                if (what == "id" && is_expired) || (what == "number" && records[n].seq.is_none()) {
                    continue;
                }
                spoil(&mut records[n]);
                let position = stored.logs[log].records[n].position;
                if what == "position" {
                    other.logs[log].nodes = crate::support::nodes(&other.logs[log].records);
                }
                let new = open("new", other.segment());
                let found = same_proof(&old, &new, &id_hash).unwrap();
                let found = found.unwrap_or_else(|| panic!("{what} of log {log} is not found"));
                if !["leaf", "seq", "position"].contains(&what) {
                    assert_eq!(found, (log, position), "{what}");
                }
            }
        }
        let mut other = base.clone();
        other.logs[0].nodes[0].0[0] ^= 1;
        assert_eq!(same_proof(&old, &open("new", other.segment()), &id_hash).unwrap().unwrap().0, 0);
        let mut other = base.clone();
        other.logs[1].name.id[3] ^= 1;
        assert_eq!(same_proof(&old, &open("new", other.segment()), &id_hash).unwrap().unwrap().0, 1);
        assert_eq!(same_proof(&old, &open("new", base.segment()), &id_hash).unwrap(), None);
    }
    let mut fewer = stored.clone();
    fewer.logs.pop();
    assert_eq!(same_proof(&old, &open("new", fewer.segment()), &id_hash).unwrap(), Some((0, 0)));
}

#[test]
fn a_damaged_fate_is_told_of_its_record_and_others_are_read() {
    let mut stored = with_ids(31, 2, 600, Style::Realistic);
    let mut rng = Rng(1);
    for record in stored.logs.iter_mut().flat_map(|log| &mut log.records) {
        match rng.below(3) {
            0 => record.expire(2),
            1 => {
                let event = what_is_left(&record.event, &mut rng);
                record.erase(event, vec![rng.next().to_le_bytes()[0]; 2_000]);
            }
            _ => record.forget(),
        }
    }
    let bytes = stored.segment();
    let whole = open("whole", bytes.clone());
    let fates = whole.footer().fates.clone().unwrap();
    let blocks = |region: annals_segment::values::Region| {
        let (first, end) =
            (region.at / BLOCK_BYTES as u64, (region.at + region.len).div_ceil(BLOCK_BYTES as u64));
        usize::try_from(first).unwrap() + 1..usize::try_from(end).unwrap() - 1
    };
    assert!(blocks(fates.payloads).len() > 10);
    let (mut told, mut read) = (0, 0);
    for block in blocks(fates.payloads) {
        let mut bytes = bytes.clone();
        bytes[block * BLOCK_BYTES + 5] ^= 1;
        let segment = Segment::open("seg".into(), Arc::new(bytes), Cache::new(1 << 24)).unwrap();
        let mut reader = segment.reader();
        let rows = stored.logs.iter().flat_map(|log| log.records.iter().map(move |record| (log, record)));
        for (row, (log, record)) in (0..).zip(rows) {
            match reader.record(row) {
                Ok(sealed) => {
                    check_record(log, record, &sealed);
                    read += 1;
                }
                Err(damaged) => {
                    let (tenant, position) = damaged.record.clone().unwrap();
                    assert_eq!((tenant, position.0), (log.name.tenant.clone(), record.position));
                    assert!(record.fate.is_some() && segment.is_damaged());
                    assert_eq!(reader.fate(row).unwrap_err().record, damaged.record);
                    told += 1;
                }
            }
        }
    }
    assert!(told > 50 && read > 5_000, "{told} told, {read} read");
}

#[test]
fn expired_rows_that_are_not_found_by_their_ids_are_told_by_all_who_compare() {
    let stored = later(&with_ids(41, 2, 300, Style::Realistic), 6);
    let (bytes, old) = (stored.segment(), open("old", stored.segment()));
    let footer = serde_json::to_value(old.footer()).unwrap();
    let at = footer.pointer("/fates/by_id/as/packed/at").unwrap().as_u64().unwrap();
    let mut told = 0;
    for at in usize::try_from(at).unwrap()..footer_at(&bytes) - 16 {
        let mut spoiled = bytes.clone();
        spoiled[at] ^= 4;
        reseal(&mut spoiled);
        let segment = open("spoiled", spoiled);
        let is_told = segment.same_as(&stored) != Ok(None);
        assert_eq!(same_proof(&old, &segment, &id_hash) != Ok(None), is_told, "byte {at}");
        let olds = std::slice::from_ref(&old);
        assert_eq!(first_difference(&segment, olds) != Ok(None), is_told, "byte {at}");
        assert_eq!(first_difference_rebuilt(&segment, olds) != Ok(None), is_told, "byte {at}");
        told += u64::from(is_told);
    }
    assert!(told > 20, "{told}");
}

/// Any byte of what is said of fates and roots is changed, with sums that match: nobody panics, and nothing is made up that is
/// longer than the file.
#[test]
fn fates_that_do_not_fit_are_told() {
    let mut stored = with_ids(33, 2, 120, Style::Realistic);
    stored = later(&stored, 3);
    let bytes = stored.segment();
    let whole = open("whole", bytes.clone());
    let (footer, mut rng) = (whole.footer(), Rng(4));
    let offset = |at: u64| usize::try_from(at).unwrap();
    let left = footer.known.punctured.clone().unwrap().encoded;
    let roots = offset(footer.known.roots.at)..offset(left.at + left.len);
    let fates = offset(footer.fates.clone().unwrap().payloads.at)..footer_at(&bytes);
    let (mut told, mut same) = (0, 0);
    for _ in 0..600 {
        let mut spoiled = bytes.clone();
        let place = if rng.one_in(3) { &roots } else { &fates };
        let at = place.start + rng.index(place.len());
        spoiled[at] ^= 1 << rng.below(8);
        reseal(&mut spoiled);
        let Ok(segment) = Segment::open("seg".into(), Arc::new(spoiled), Cache::new(1 << 20)) else {
            continue;
        };
        let mut is_told = segment.same_as(&stored) != Ok(None);
        let mut reader = segment.reader();
        for row in 0..segment.rows().min(whole.rows()) {
            is_told |= reader.record(row).is_err() | reader.fate(row).is_err();
        }
        let log = segment.log_rows(0);
        is_told |= log.is_ok_and(|log| segment.reader().find_id(&log, b"x", 77).is_err());
        is_told |= same_proof(&whole, &segment, &id_hash) != Ok(None);
        if is_told { told += 1 } else { same += 1 }
    }
    assert!(told > 500, "{told} told, {same} not");
}
