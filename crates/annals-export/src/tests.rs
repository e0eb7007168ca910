use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use annals_event::model::{self, Member, MemberKind};
use bytes::Bytes;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::cells::unguarded;
use crate::columns::{COLUMNS, Column, Kind, SelectionError};

fn options(format: Format) -> Options {
    Options { format, columns: Selection::default(), bom: false }
}

fn export(options: &Options, events: &[Value]) -> Vec<u8> {
    let mut exporter = Exporter::new(options, Vec::new()).unwrap();
    for event in events {
        exporter.event(event.to_string().as_bytes()).unwrap();
    }
    assert_eq!(exporter.rows(), events.len() as u64);
    exporter.finish().unwrap()
}

/// Puts a value where a path says.
fn put(event: &mut Map<String, Value>, path: &[&str], value: Value) {
    match path {
        [] => {
            for (name, below) in value.as_object().unwrap() {
                merge(event, name, below);
            }
        }
        [name] => drop(event.insert((*name).to_owned(), value)),
        [name, rest @ ..] => {
            let below = event.entry((*name).to_owned()).or_insert_with(|| json!({}));
            put(below.as_object_mut().unwrap(), rest, value);
        }
    }
}

fn merge(event: &mut Map<String, Value>, name: &str, value: &Value) {
    match (event.get_mut(name), value) {
        (Some(Value::Object(there)), Value::Object(more)) => {
            for (name, value) in more {
                merge(there, name, value);
            }
        }
        (None, _) => drop(event.insert(name.to_owned(), value.clone())),
        (Some(there), _) => panic!("`{name}` is {there} in its column and {value} in `other`"),
    }
}

/// What was derived is not among what was sent.
fn without_derived(mut event: Map<String, Value>) -> Value {
    let derived = event.get("derived").cloned().unwrap_or_default();
    for name in ["operation", "occurred_at"] {
        if let Some(value) = derived.get(name) {
            assert_eq!(event.remove(name).as_ref(), Some(value), "the derived value is in the cell");
        }
    }
    Value::Object(event)
}

/// The events that a file of cells holds.
fn read_csv(bytes: &[u8]) -> Vec<Value> {
    let mut reader = csv::ReaderBuilder::new().from_reader(bytes);
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(header, COLUMNS.iter().map(|column| column.name).collect::<Vec<_>>());
    let read = |column: &Column, cell: &str| match column.kind {
        Kind::Text | Kind::Time => json!(cell),
        _ => serde_json::from_str(cell).unwrap(),
    };
    let event = |row: csv::StringRecord| {
        let mut event = Map::new();
        for (column, cell) in COLUMNS.iter().zip(&row) {
            if !cell.is_empty() {
                put(&mut event, column.path, read(column, unguarded(cell)));
            }
        }
        without_derived(event)
    };
    reader.records().map(|row| event(row.unwrap())).collect()
}

/// The events that a Parquet file holds.
fn read_parquet(bytes: Vec<u8>) -> Vec<Value> {
    let reader = SerializedFileReader::new(Bytes::from(bytes)).unwrap();
    let value = |column: &Column, field: &Field| match (column.kind, field) {
        (_, Field::Null) => None,
        (Kind::Text, Field::Str(text)) => Some(json!(text)),
        (Kind::Json, Field::Str(text)) => Some(serde_json::from_str(text).unwrap()),
        (Kind::Number, Field::ULong(number)) => Some(json!(number)),
        (Kind::StatusCode, Field::UShort(number)) => Some(json!(number)),
        (Kind::Time, Field::TimestampMicros(us)) => {
            Some(json!(annals_event::Timestamp::from_micros(*us).unwrap().to_string()))
        }
        (Kind::Bool, Field::Bool(is)) => Some(json!(is)),
        (_, field) => panic!("`{}` holds {field:?}", column.name),
    };
    let event = |row: parquet::record::Row| {
        let mut event = Map::new();
        for (column, (name, field)) in COLUMNS.iter().zip(row.get_column_iter()) {
            assert_eq!(column.name, name);
            if let Some(value) = value(column, field) {
                put(&mut event, column.path, value);
            }
        }
        without_derived(event)
    };
    reader.get_row_iter(None).unwrap().map(|row| event(row.unwrap())).collect()
}

fn check(events: &[Value]) {
    let lines = export(&options(Format::Ndjson), events);
    let lines: Vec<Value> = lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines, events);
    assert_eq!(read_csv(&export(&options(Format::Csv), events)), events, "CSV");
    assert_eq!(read_parquet(export(&options(Format::Parquet), events)), events, "Parquet");
}

fn event() -> Value {
    json!({
        "position": 7, "received_at": "2026-11-22T10:00:00.000001Z", "occurred_at": "0000-01-01T00:00:00.000000Z",
        "id": "e1", "action": "file.create", "operation": "create", "category": "files", "severity": "info",
        "description": "say \"hi\", twice", "reason": "two\r\nlines",
        "actor": {"type": "user", "id": "u1", "name": "Ana", "email": "a@example.com", "chain": [{"id": "r"}],
            "credential": {"type": "key", "id": "k"}, "metadata": {"a": null}},
        "targets": [{"type": "video", "id": "v9"}, {"id": ","}],
        "context": {"ip": "10.0.0.1", "user_agent": "Mozilla", "session_id": "s", "location": "DE", "application": "web"},
        "request": {"id": "r", "method": "GET", "path": "/", "status_code": 404},
        "trace": {"trace_id": "t", "span_id": "s"},
        "outcome": {"result": "failure", "reason": "no"},
        "changes": {"before": null, "after": -1, "complete": true},
        "scope": {"team": "a", "project": "b"},
        "source": {"name": "s", "version": "1", "instance": "i", "seq": u64::MAX},
        "metadata": {"k": [1.50, {}]}, "tenant": "acme", "ledger_seq": 9,
    })
}

#[test]
fn an_event_with_every_member_keeps_them_all() {
    let event = event();
    check(std::slice::from_ref(&event));
    let bytes = export(&options(Format::Csv), &[event]);
    let cells = csv::Reader::from_reader(&bytes[..]).records().next().unwrap().unwrap();
    for (column, cell) in COLUMNS.iter().zip(&cells) {
        assert_eq!(cell.is_empty(), matches!(column.name, "derived" | "other"), "`{}`", column.name);
    }
}

#[test]
fn what_has_no_column_is_kept_in_its_place() {
    for event in [
        json!({"zone": {"a": 1}, "actor": {"shoe_size": 43, "id": "u"}, "kind": 2}),
        json!({"request": {"status_code": 1000}, "source": {"seq": 1.5}, "occurred_at": "2026-11-22", "targets": {}}),
        json!({"request": {"status_code": "404"}, "changes": {"complete": "yes"}, "actor": "root", "context": {}}),
        json!({"description": "", "actor": {"id": "", "credential": {"id": "", "other": []}}, "outcome": null}),
        json!({"changes": {"before": {}, "after": ""}, "other": "=1", "a\"b": "c", "metadata": null}),
        json!({}),
    ] {
        check(&[event.clone(), self::event(), event]);
    }
}

#[test]
fn derived_values_stand_where_the_sent_ones_would() {
    let derived = json!({"action": "a", "received_at": "2026-11-22T10:00:00.000001Z",
        "derived": {"occurred_at": "2026-11-22T10:00:00.000001Z", "operation": "other"}});
    check(std::slice::from_ref(&derived));
    let columns = Selection::parse("occurred_at,operation").unwrap();
    let csv = export(&Options { columns, ..options(Format::Csv) }, &[derived]);
    assert_eq!(csv, b"occurred_at,operation\r\n2026-11-22T10:00:00.000001Z,other\r\n");
}

#[test]
fn no_cell_is_a_formula_and_every_one_comes_back() {
    let columns = Selection::parse("description,changes_after").unwrap();
    let options = Options { columns, ..options(Format::Csv) };
    for text in [
        "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'", "'=1", "''", "＝1", "＋1", "－1", "＠a",
        " =1", "a=1",
    ] {
        let csv = export(&options, &[json!({"description": text, "changes": {"after": -1}})]);
        let row = csv::Reader::from_reader(&csv[..]).records().next().unwrap().unwrap();
        let safe =
            |cell: &str| !cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
        assert!(safe(&row[0]) && safe(&row[1]), "{text:?}: {row:?}");
        assert_eq!((unguarded(&row[0]), unguarded(&row[1])), (text, "-1"));
    }
}

#[test]
fn a_file_of_cells_has_its_header_its_mark_and_its_line_ends() {
    let columns = Selection::parse("id, actor_id").unwrap();
    let plain = Options { columns, ..options(Format::Csv) };
    assert_eq!(export(&plain, &[]), b"id,actor_id\r\n");
    assert_eq!(export(&Options { bom: true, ..plain.clone() }, &[]), "\u{FEFF}id,actor_id\r\n".as_bytes());
    let events = [json!({"id": "a,b", "actor": {"id": "\"é\""}}), json!({"id": "c\r\nd"})];
    assert_eq!(export(&plain, &events), "id,actor_id\r\n\"a,b\",\"\"\"é\"\"\"\r\n\"c\r\nd\",\r\n".as_bytes());
    // Where the beginning is there already, the rows follow it.
    let whole = export(&plain, &events);
    let mut first = Exporter::new(&plain, Vec::new()).unwrap();
    first.event(events[0].to_string().as_bytes()).unwrap();
    let mut rest = Exporter::resume(&plain, first.finish().unwrap(), 1).unwrap();
    rest.event(events[1].to_string().as_bytes()).unwrap();
    assert_eq!(rest.rows(), 2);
    assert_eq!(rest.finish().unwrap(), whole);
}

#[test]
fn groups_end_before_they_are_too_large_and_lose_nothing() {
    let text = "x".repeat(GROUP_TEXT_BYTES);
    let columns = Selection::parse("position,description").unwrap();
    let options = Options { columns, ..options(Format::Parquet) };
    let events: Vec<Value> =
        (0..40).map(|i| json!({"position": i, "description": format!("{i}{text}")})).collect();
    let file = export(&options, &events);
    let reader = SerializedFileReader::new(Bytes::from(file)).unwrap();
    let metadata = reader.metadata();
    let groups = metadata.row_groups();
    assert!(groups.len() > 1, "{}", groups.len());
    for group in groups {
        assert!(usize::try_from(group.total_byte_size()).unwrap() < groups::GROUP_BYTES_MAX + (2 << 20));
    }
    assert_eq!(metadata.file_metadata().num_rows(), 40);
    let positions: Vec<u64> = reader
        .get_row_iter(None)
        .unwrap()
        .map(|row| match row.unwrap().get_column_iter().next() {
            Some((_, Field::ULong(position))) => *position,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(positions, (0..40).collect::<Vec<_>>());
}

const GROUP_TEXT_BYTES: usize = 1 << 20;

#[test]
fn a_group_goes_out_when_it_is_full() {
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);
    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let out = Shared::default();
    let columns = Selection::parse("description").unwrap();
    let mut exporter = Exporter::new(&Options { columns, ..options(Format::Parquet) }, out.clone()).unwrap();
    let line = |exporter: &mut Exporter<Shared>| {
        let text = "x".repeat(GROUP_TEXT_BYTES);
        exporter.event(json!({"description": text}).to_string().as_bytes()).unwrap();
        exporter.flush().unwrap();
        out.0.lock().unwrap().len()
    };
    let before = line(&mut exporter);
    assert!((0..33).map(|_| line(&mut exporter)).last().unwrap() > before);
}

#[test]
fn what_refuses_to_be_written_to_is_told_as_such() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for format in Format::ALL {
        let written = Exporter::new(&options(format), Full).and_then(|mut exporter| {
            exporter.event(b"{\"id\":\"a\"}")?;
            exporter.finish().map(drop)
        });
        let kind = match written {
            Err(ExportError::Io(error)) => Some(error.kind()),
            other => panic!("{}: {other:?}", format.as_str()),
        };
        assert_eq!(kind, Some(io::ErrorKind::StorageFull));
    }
}

#[test]
fn lines_that_are_no_events_are_refused() {
    for format in [Format::Csv, Format::Parquet] {
        for line in ["", "[]", "{", "1", "{\"a\":1,\"a\":2}"] {
            let mut exporter = Exporter::new(&options(format), Vec::new()).unwrap();
            assert!(matches!(exporter.event(line.as_bytes()), Err(ExportError::Line(_))), "{line}");
        }
    }
}

#[test]
fn every_member_of_the_model_has_a_column() {
    fn members(path: &[&'static str], table: &'static [Member], found: &mut BTreeSet<Vec<&'static str>>) {
        for member in table {
            let path = [path, &[member.name]].concat();
            match member.kind {
                MemberKind::Object(below) | MemberKind::Actor(below) => members(&path, below, found),
                MemberKind::Reserved if matches!(member.name, "kind" | "leaf") => {}
                _ => drop(found.insert(path)),
            }
        }
    }
    let mut found = BTreeSet::new();
    members(&[], model::EVENT, &mut found);
    let columns: BTreeSet<Vec<&str>> =
        COLUMNS.iter().filter(|column| !column.path.is_empty()).map(|column| column.path.to_vec()).collect();
    assert_eq!(columns, found);
    for column in &COLUMNS[..columns::OTHER] {
        assert_eq!(column.name, column.path.join("_"));
    }
}

#[test]
fn columns_are_chosen_by_name_each_once() {
    let chosen = Selection::parse("other,id").unwrap();
    assert_eq!(chosen.columns().map(|column| column.name).collect::<Vec<_>>(), ["other", "id"]);
    let told = |list: &str| Selection::parse(list).unwrap_err().to_string();
    assert_eq!(told("actor.id"), "`actor.id` is no column; did you mean `actor_id`?");
    assert_eq!(told("ip"), "`ip` is no column; did you mean `context_ip`?");
    assert_eq!(told("id,shoe"), "`shoe` is no column");
    assert_eq!(told(""), "`` is no column");
    assert_eq!(Selection::parse("id,id"), Err(SelectionError::Twice { name: "id" }));
}

/// JSON of any form, with names that the model knows among its names.
fn any_value() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "actor",
        "id",
        "type",
        "credential",
        "request",
        "status_code",
        "seq",
        "source",
        "changes",
        "before",
        "metadata",
        "description",
        "complete",
        "other",
        "zone",
        "",
    ]);
    let text = prop_oneof!["[=+@'\"\\PC,;\\r\\n-]{0,6}", Just("2026-11-22T10:00:00.000001Z".to_owned())];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..8).prop_map(|members| {
                Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_form_loses_anything_of_any_event(event in any_value(), more in any_value()) {
        let events: Vec<Value> = [event, more].into_iter().filter(Value::is_object).collect();
        check(&events);
    }
}
