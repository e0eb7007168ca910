//! What is built is what was given.

use std::sync::Arc;

use annals_segment::body::Cache;
use annals_segment::build::{Limits, build};
use annals_segment::meta::{PATHS_MAX, SHAPES_MAX};
use annals_segment::segment::Segment;
use annals_segment::skeleton::{Part, Piece, Shape, TakeApart};
use proptest::prelude::*;

use crate::support::{Events, Records, Style, records};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn an_event_taken_apart_and_put_together_is_itself(seed: u64, hostile: bool) {
        let mut events = Events::new(seed);
        let style = if hostile { Style::Hostile } else { Style::Realistic };
        let event = events.event(style, Some(1_790_000_000_000_000));
        let mut taken = TakeApart::default();
        taken.take(&event).unwrap();
        let mut out = Vec::new();
        join(&taken, taken.root().unwrap(), &event, &mut out);
        prop_assert_eq!(String::from_utf8(out).unwrap(), String::from_utf8(event).unwrap());
    }

    #[test]
    fn bytes_of_any_kind_are_taken_apart_into_themselves_or_refused(seed: u64, at: prop::sample::Index, byte: u8) {
        let mut event = Events::new(seed).event(Style::Mixed, None);
        let at = at.index(event.len());
        event[at] = byte;
        let mut taken = TakeApart::default();
        if taken.take(&event).is_ok() && parses(&taken) {
            let mut out = Vec::new();
            join(&taken, taken.root().unwrap(), &event, &mut out);
            prop_assert_eq!(out, event);
        }
    }
}

/// Whether the root's shape is one; the builder asks this of every shape before it takes it.
fn parses(taken: &TakeApart) -> bool {
    fn part_parses(taken: &TakeApart, part: &Part) -> bool {
        let pieces = taken.pieces(part);
        Shape::parse(taken.shape(part)).is_ok_and(|shape| shape.slots().len() == pieces.len())
            && pieces.iter().all(|piece| match *piece {
                Piece::Leaf { .. } => true,
                Piece::Object(part) => part_parses(taken, taken.part(part)),
                Piece::Elements { first, count } => {
                    taken.elements(first, count).iter().all(|part| part_parses(taken, taken.part(*part)))
                }
            })
    }
    part_parses(taken, taken.root().unwrap())
}

fn join(taken: &TakeApart, part: &Part, event: &[u8], out: &mut Vec<u8>) {
    let shape = Shape::parse(taken.shape(part)).unwrap();
    for (index, piece) in taken.pieces(part).iter().enumerate() {
        out.extend_from_slice(shape.literal(index));
        match *piece {
            Piece::Leaf { start, end } => out.extend_from_slice(&event[start as usize..end as usize]),
            Piece::Object(part) => join(taken, taken.part(part), event, out),
            Piece::Elements { first, count } => {
                out.push(b'[');
                for (index, part) in taken.elements(first, count).iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    join(taken, taken.part(*part), event, out);
                }
                out.push(b']');
            }
        }
    }
    out.extend_from_slice(shape.literal(shape.slots().len()));
}

#[test]
fn segments_of_all_kinds_hold_what_they_were_built_from() {
    for (style, logs, rows) in [
        (Style::Realistic, 6, 3_000),
        (Style::Hostile, 5, 600),
        (Style::Mixed, 1, 500),
        (Style::Mixed, 3, 1),
        (Style::Mixed, 2, 0),
        (Style::Mixed, 0, 0),
    ] {
        let records = records(11, logs, rows, style);
        assert_eq!(records.len(), rows);
        let bytes = records.segment();
        assert!(bytes == records.segment());
        check_same(&records, bytes);
        for (shapes_max, paths_max) in [(SHAPES_MAX, PATHS_MAX), (3, 12), (SHAPES_MAX, 20), (0, 0)] {
            check_same(&records, records.segment_within(Limits { shapes_max, paths_max, templates: true }));
        }
    }
}

fn check_same(records: &Records, bytes: Vec<u8>) {
    let segment = Segment::open("s".into(), Arc::new(bytes), Cache::new(1 << 24)).unwrap();
    assert_eq!(segment.same_as(records).unwrap(), None);
}

#[test]
fn texts_that_name_others_are_kept_as_what_is_left_of_them() {
    let mut records = records(14, 2, 2_000, Style::Realistic);
    // Now and then what is named is not there, or there twice, or all that there is.
    let mut replace = |from: &str, to: &str, step: usize| {
        let records = records.logs.iter_mut().flat_map(|log| &mut log.records);
        for record in records.step_by(step) {
            record.event = String::from_utf8(record.event.clone()).unwrap().replace(from, to).into_bytes();
        }
    };
    replace(r#""type":"video""#, r#""kind":{"a":[]},"type":"video""#, 7);
    replace(" did ", r#" \n\"and\" "#, 11);
    replace(" to ", " x", 13);
    let bytes = records.segment_within(Limits { templates: true, ..Limits::default() });
    let segment = Segment::open("s".into(), Arc::new(bytes), Cache::new(1 << 24)).unwrap();
    let columns = &segment.footer().tables[0].columns;
    let few = |name: &str| {
        let column =
            columns.iter().find(|column| column.path.last().is_some_and(|last| last == name)).unwrap();
        assert!(!column.refs.is_empty() && column.values.len() < 200, "{name}: {}", column.values.len());
    };
    few("description");
    few("path");
    assert_eq!(segment.same_as(&records).unwrap(), None);
}

#[test]
fn times_that_are_not_the_rows_own_are_kept_as_texts() {
    let mut records = records(13, 2, 400, Style::Realistic);
    for (at, log) in records.logs.iter_mut().enumerate() {
        for record in log.records.iter_mut().skip(at * 150) {
            record.occurred_at = record.occurred_at.map(|time| time + i64::from(at == 1));
        }
    }
    check_same(&records, records.segment());
}

#[test]
fn a_disk_that_refuses_is_told_of() {
    struct Full(usize);
    impl std::io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let records: Records = records(12, 2, 300, Style::Mixed);
    let whole = records.segment().len();
    for room in [0, whole / 2, whole - 1] {
        let refused = build(&records, 0x5EED, Full(room)).map(|(_, bytes)| bytes);
        assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    }
    assert!(build(&records, 0x5EED, Full(whole)).is_ok());
}
