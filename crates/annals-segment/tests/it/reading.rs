//! What is read of a segment is what it was built from, one question at a time; and what is damaged is said to be.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_event::{Position, TenantId};
use annals_segment::body::{BLOCK_BYTES, Cache};
use annals_segment::build::Limits;
use annals_segment::fate::Fate;
use annals_segment::segment::{LogRows, Sealed, Segment};
use annals_tree::nodes::stored_node_place;
use annals_tree::tree::tag;
use proptest::prelude::*;

use crate::merging::id_of;
use crate::support::{Log, Record, Records, Style, nodes, records};

fn open(bytes: Vec<u8>) -> Arc<Segment> {
    Segment::open("seg".into(), Arc::new(bytes), Cache::new(1 << 24)).unwrap()
}

fn ledger(seed: u64, logs: usize, rows: usize, style: Style) -> Records {
    let mut ledger = records(seed, logs, rows, style);
    ledger.logs.retain(|log| !log.records.is_empty());
    ledger
}

/// The logs with their rows, as a reader finds them by name.
fn logs<'r>(segment: &Segment, ledger: &'r Records) -> Vec<(LogRows, &'r Log)> {
    let find = |log: &Log| segment.find_log(&log.name.tenant, log.name.access).unwrap().unwrap();
    ledger.logs.iter().map(|log| (find(log), log)).collect()
}

fn happened(record: &Record) -> i64 {
    record.occurred_at.unwrap_or(record.received_at)
}

pub(crate) fn check_record(log: &Log, record: &Record, sealed: &Sealed) {
    let expected = Sealed {
        tenant: log.name.tenant.clone(),
        access: log.name.access,
        position: Position(record.position),
        seq: record.seq,
        received_at: record.received_at,
        occurred_at: record.occurred_at,
        operation: record.operation,
        derived: record.derived,
        system: record.system,
        stated: record.stated,
        class: record.class,
        root: record.root.clone(),
        counter: record.counter,
        event: record.event.clone().into(),
        fate: record.fate.clone(),
    };
    assert_eq!(sealed, &expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn every_record_is_found_by_position_number_and_row(
        seed: u64,
        count in 1_usize..7,
        rows in 1_usize..700,
        style in prop::sample::select(vec![Style::Realistic, Style::Mixed]),
    ) {
        let ledger = ledger(seed, count, rows, style);
        let segment = open(ledger.segment());
        let mut reader = segment.reader();
        let mut numbered = BTreeMap::new();
        let mut row = 0;
        for (index, (here, log)) in logs(&segment, &ledger).iter().enumerate() {
            assert_eq!(usize::try_from(here.index).unwrap(), index);
            assert_eq!(segment.log_name(here.index).unwrap(), log.name);
            assert_eq!(&segment.log_rows(here.index).unwrap(), here);
            assert_eq!(here.rows.len(), log.records.len());
            let (first, last) = (log.records.first().unwrap(), log.records.last().unwrap());
            assert_eq!(
                segment.positions(here).unwrap(),
                (Position(first.position), Position(last.position))
            );
            let mut before = None;
            for record in &log.records {
                check_record(log, record, &segment.record(row).unwrap());
                check_record(log, record, &reader.record(row).unwrap());
                assert_eq!(segment.log_of_row(row).unwrap(), *here);
                let position = Position(record.position);
                assert_eq!(segment.row_at(here, position).unwrap(), Some(row));
                assert_eq!(segment.position_of(here, row).unwrap(), position);
                assert_eq!(segment.seq_of_row(row).unwrap(), record.seq);
                assert_eq!(segment.happened(row).unwrap(), happened(record));
                assert_eq!(segment.received_at(row).unwrap(), record.received_at);
                assert_eq!(segment.kind(row).unwrap().class, record.class);
                assert_eq!(segment.tag(row).unwrap(), tag(&record.leaf));
                assert!(segment.may_have_id(record.id_hash).unwrap());
                if let Some(seq) = record.seq {
                    assert_eq!(segment.row_of_seq(seq).unwrap(), Some(row));
                    numbered.insert(seq, row);
                }
                // Positions in a hole are not here, and the next one is after them.
                for hole in before.map_or(record.position.saturating_sub(3), |before| before + 1)..record.position {
                    assert_eq!(segment.row_at(here, Position(hole)).unwrap(), None);
                    assert_eq!(segment.row_from(here, Position(hole)).unwrap(), row);
                }
                before = Some(record.position);
                row += 1;
            }
            assert_eq!(segment.row_at(here, Position(last.position + 1)).unwrap(), None);
            assert_eq!(segment.row_from(here, Position(u64::MAX)).unwrap(), here.rows.end);
        }
        assert_eq!(segment.rows(), row);
        let ends = numbered.first_key_value().zip(numbered.last_key_value());
        assert_eq!(segment.seqs().unwrap(), ends.map(|((first, _), (last, _))| *first..*last + 1));
        assert!(segment.record(row).is_err());
        assert_eq!(segment.find_log(&TenantId::new("nobody").unwrap(), false).unwrap(), None);
    }

    #[test]
    fn rows_come_in_the_order_of_time(seed: u64, count in 1_usize..5, rows in 1_usize..500) {
        let ledger = ledger(seed, count, rows, Style::Realistic);
        let segment = open(ledger.segment());
        let mut reader = segment.reader();
        let mut all = Vec::new();
        for (here, log) in logs(&segment, &ledger) {
            let mut expected: Vec<(i64, u32)> =
                here.rows.clone().zip(&log.records).map(|(row, record)| (happened(record), row)).collect();
            all.extend(here.rows.clone().zip(&log.records).filter_map(|(row, record)| {
                Some((happened(record), record.seq?, row))
            }));
            expected.sort_unstable();
            let found: Vec<u32> =
                (0..u32::try_from(here.rows.len()).unwrap()).map(|i| segment.log_time_row(&here, i).unwrap()).collect();
            assert_eq!(found, expected.iter().map(|(_, row)| *row).collect::<Vec<_>>());
            for (i, row) in (0..).zip(&found) {
                assert_eq!(reader.log_time_row(&here, i).unwrap(), *row);
            }
            assert_eq!(segment.log_times(&here).unwrap(), (expected[0].0, expected.last().unwrap().0));
            assert!(segment.log_time_row(&here, u32::try_from(here.rows.len()).unwrap()).is_err());
            assert!(reader.log_time_row(&here, u32::try_from(here.rows.len()).unwrap()).is_err());
        }
        all.sort_unstable();
        assert_eq!(segment.ranks(), all.len() as u64);
        let found: Vec<u32> = (0..segment.ranks()).map(|i| segment.all_time_row(i).unwrap()).collect();
        assert_eq!(found, all.iter().map(|(_, _, row)| *row).collect::<Vec<_>>());
        for i in 0..segment.ranks() {
            let rank = reader.all_time_rank(i).unwrap();
            assert_eq!(rank, segment.all_time_rank(i).unwrap());
            assert_eq!(reader.row_of_rank(rank).unwrap(), segment.row_of_rank(rank).unwrap());
            assert_eq!(reader.seq_of_rank(rank).unwrap(), segment.seq_of_rank(rank).unwrap());
        }
        assert!(reader.all_time_rank(segment.ranks()).is_err());
        assert!(reader.row_of_rank(segment.ranks()).is_err());
        let ends = all.first().zip(all.last()).map(|(first, last)| (first.0, last.0));
        assert_eq!(segment.all_times().unwrap(), ends);
    }

    #[test]
    fn tree_nodes_and_sums_are_those_of_the_rows(seed: u64, count in 1_usize..3, rows in 1_usize..3_000) {
        let ledger = ledger(seed, count, rows, Style::Realistic);
        let segment = open(ledger.segment());
        for (here, log) in logs(&segment, &ledger) {
            let mut nodes = log.nodes.iter();
            let mut blocks: BTreeMap<u64, Vec<&Record>> = BTreeMap::new();
            for record in &log.records {
                blocks.entry(record.position / 256).or_default().push(record);
                if (record.position + 1).is_multiple_of(256) {
                    let block = record.position / 256;
                    for above in 0..=block.trailing_ones() {
                        let (level, index) = (8 + above, block >> above);
                        assert_eq!(stored_node_place(level, index), (block, u64::from(above)));
                        assert_eq!(segment.node(&here, level, index).unwrap().as_ref(), nodes.next());
                    }
                }
            }
            assert_eq!(nodes.next(), None);
            for (block, records) in blocks {
                if records.last().unwrap().position % 256 != 255 {
                    assert_eq!(segment.node(&here, 8, block).unwrap(), None);
                }
                let mut records = records.into_iter();
                for part in segment.block_parts(&here, block).unwrap() {
                    let mut sum = [0; 32];
                    for n in 0..part.rows.len() as u64 {
                        let record = records.next().unwrap();
                        assert_eq!(record.position, part.position.0 + n);
                        sum.iter_mut().zip(record.leaf.0).for_each(|(sum, byte)| *sum ^= byte);
                    }
                    assert_eq!(part.xor.0, sum);
                }
                assert!(records.next().is_none());
                assert!(segment.block_parts(&here, block + 1_000_000).unwrap().is_empty());
            }
        }
    }

    #[test]
    fn a_flipped_bit_gives_an_error_or_changes_nothing(at: prop::sample::Index, bit in 0..8) {
        let ledger = ledger(5, 3, 300, Style::Mixed);
        let mut bytes = ledger.segment();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        let Ok(segment) = Segment::open("seg".into(), Arc::new(bytes), Cache::new(1 << 24)) else { return Ok(()) };
        let compared = segment.same_as(&ledger);
        let block = (at / BLOCK_BYTES * BLOCK_BYTES) as u64;
        if let Err(damaged) = &compared {
            assert_eq!(damaged.at, block);
        } else {
            // Not a bit of what was compared.
            assert_eq!(compared.unwrap(), None);
        }
        let checked = segment.check(&mut |_, _| Ok(()));
        assert_eq!(checked.unwrap_err().at, block);
    }
}

#[test]
fn a_record_that_cannot_be_read_is_named_and_others_are_read() {
    let ledger = ledger(6, 2, 4_000, Style::Realistic);
    let bytes = ledger.segment();
    let (mut read, mut named) = (0, 0);
    for block in 1..bytes.len() / BLOCK_BYTES {
        let mut bytes = bytes.clone();
        bytes[block * BLOCK_BYTES + 77] ^= 1;
        let Ok(segment) = Segment::open("seg".into(), Arc::new(bytes), Cache::new(1 << 24)) else { continue };
        let mut reader = segment.reader();
        for (row, (name, record)) in ledger.rows().enumerate().step_by(13) {
            match reader.record(u32::try_from(row).unwrap()) {
                Ok(sealed) => {
                    assert_eq!(sealed.event, record.event);
                    read += 1;
                }
                Err(damaged) if damaged.record.is_some() => {
                    assert_eq!(damaged.record, Some((name.tenant.clone(), Position(record.position))));
                    named += 1;
                }
                // Who it belongs to stood in the same block.
                Err(_) => {}
            }
        }
    }
    assert!(read > 1_000 && named > 100, "{read} read, {named} named");
}

#[test]
fn the_first_record_that_differs_is_told() {
    let ledger = ledger(9, 3, 600, Style::Mixed);
    let segment = open(ledger.segment());
    assert_eq!(segment.same_as(&ledger).unwrap(), None);
    for bytes in [0, 1, 3_000] {
        assert_eq!(segment.same_as_keeping(&ledger, bytes).unwrap(), None);
    }
    type Change = fn(&mut Record);
    let changes: [Change; 18] = [
        |record| *record.event.last_mut().unwrap() = b' ',
        |record| record.event.push(b' '),
        |record| record.received_at += 1,
        |record| record.occurred_at = record.occurred_at.map_or(Some(1), |_| None),
        |record| record.seq = record.seq.map_or(Some(u64::MAX - 1), |_| None),
        |record| record.operation ^= 1,
        |record| record.derived = !record.derived,
        |record| record.system = !record.system,
        |record| record.stated ^= 2,
        |record| record.class += 1,
        |record| record.spoil_root(),
        |record| record.counter ^= 1,
        |record| record.leaf.0[0] ^= 1,
        |record| record.forget(),
        |record| record.expire(3),
        |record| record.erase(record.event.clone(), vec![1]),
        |record| record.fate = Some(Fate::Erased(vec![1; 7].into())),
        |record| record.position += 1 << 20,
    ];
    for (n, change) in changes.iter().enumerate() {
        for (log, at) in [(0, 0), (1, 17), (2, usize::MAX)] {
            let mut other = ledger.clone();
            let records = &mut other.logs[log].records;
            let at = at.min(records.len() - 1);
            change(&mut records[at]);
            let place = (log, other.logs[log].records[at].position);
            assert_eq!(segment.same_as(&other).unwrap(), Some(place), "change {n}");
            // However many of the values are kept.
            for bytes in [0, 1, 3_000] {
                let found = segment.same_as_keeping(&other, bytes).unwrap();
                assert_eq!(found, Some(place), "change {n}, {bytes} bytes");
            }
        }
    }
    // A leaf that differs where its tag does not, and a node, are of a stretch of rows.
    let mut other = ledger.clone();
    other.logs[1].records[3].leaf.0[20] ^= 1;
    assert_eq!(segment.same_as(&other).unwrap().unwrap().0, 1);
    for (log, nodes) in ledger.logs.iter().map(|log| log.nodes.len()).enumerate() {
        for node in 0..nodes {
            let mut other = ledger.clone();
            other.logs[log].nodes[node].0[7] ^= 1;
            assert_eq!(segment.same_as(&other).unwrap().unwrap().0, log);
        }
    }
    // Records too few, or too many.
    let mut other = ledger.clone();
    let more = other.logs[2].records.pop().unwrap();
    assert_eq!(segment.same_as(&other).unwrap(), Some((2, more.position)));
    other.logs[2].nodes = nodes(&other.logs[2].records);
    let shorter = open(other.segment());
    assert_eq!(shorter.same_as(&ledger).unwrap(), Some((2, more.position)));
}

#[test]
fn what_is_kept_of_ids_leads_where_the_file_does() {
    for (rows, style) in [(60, Style::Realistic), (900, Style::Realistic), (900, Style::Mixed)] {
        let ledger = ledger(11, 3, rows, style);
        let bytes = ledger.segment();
        let segment = open(bytes.clone());
        let (loaded, mut reader) = (segment.load_ids(), segment.reader());
        assert!(loaded.is_some());
        for (row, (_, record)) in (0..).zip(ledger.rows()) {
            let Some(id) = id_of(&record.event) else { continue };
            let mut text = Vec::new();
            annals_event::json::write_string(&id, &mut text);
            let id = &text[1..text.len() - 1];
            assert!(reader.is_found_by_id(row, id, loaded.as_ref()).unwrap(), "row {row}");
            assert!(reader.is_found_by_id(row, id, None).unwrap(), "row {row}");
            // An index leads elsewhere from any other.
            let other = [id, b"x"].concat();
            let found = reader.is_found_by_id(row, &other, loaded.as_ref()).unwrap();
            assert_eq!(found, reader.is_found_by_id(row, &other, None).unwrap(), "row {row}");
        }
        // Of a file where some of it cannot be read nothing is kept.
        let columns = &segment.footer().tables[0].columns;
        let column = columns.iter().find(|column| column.path == ["id"]).unwrap();
        let parts = serde_json::to_value((&column.index, &column.blocks)).unwrap().to_string();
        let starts = parts.split("\"at\":").skip(1);
        for at in starts.map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap()) {
            let mut bytes = bytes.clone();
            bytes[at.parse::<usize>().unwrap()] ^= 1;
            assert!(open(bytes).load_ids().is_none(), "byte {at}");
        }
    }
}

#[test]
fn a_record_is_found_by_its_id() {
    for style in [Style::Realistic, Style::Mixed] {
        let ledger = ledger(10, 4, 250, style);
        let few = Limits { shapes_max: 3, paths_max: 20, ..Limits::default() };
        for bytes in [ledger.segment(), ledger.segment_within(few)] {
            let segment = open(bytes);
            let mut reader = segment.reader();
            for (here, log) in logs(&segment, &ledger) {
                let mut expected: BTreeMap<String, Vec<u32>> = BTreeMap::new();
                for (row, record) in here.rows.clone().zip(&log.records) {
                    if let Some(id) = id_of(&record.event) {
                        expected.entry(id).or_default().push(row);
                    }
                }
                for (id, rows) in expected {
                    let mut text = Vec::new();
                    annals_event::json::write_string(&id, &mut text);
                    assert_eq!(reader.rows_with_id(&here, &text[1..text.len() - 1]).unwrap(), rows, "{id}");
                }
                assert_eq!(reader.rows_with_id(&here, b"no such id").unwrap(), [] as [u32; 0]);
            }
        }
    }
}
