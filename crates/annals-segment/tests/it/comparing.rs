//! A merged segment compared with its inputs, column by column: what is the same is said to be, and what is not is found.

use std::sync::Arc;

use annals_segment::build::{Limits, build_within};
use annals_segment::fate::Fate;
use annals_segment::merge::compare::{compare, first_difference, first_difference_rebuilt};
use annals_segment::merge::merge_within;
use annals_segment::segment::Segment;
use annals_segment::skeleton::{Piece, Shape, SlotKind, TakeApart};
use proptest::prelude::*;

use crate::merging::{cut, cut_at, id_hash, ledger, open, without_empty_logs};
use crate::support::{Log, Record, Records, Rng, Style, nodes};

const SMALL: Limits = Limits { shapes_max: 5, paths_max: 30, templates: true };

fn segments(parts: &[Records], limits: Limits) -> Vec<Arc<Segment>> {
    parts.iter().map(|part| open("part", build_within(part, 3, limits, Vec::new()).unwrap().0)).collect()
}

fn merged(inputs: &[Arc<Segment>], limits: Limits) -> Arc<Segment> {
    open("merged", merge_within(inputs, 5, &id_hash, limits, Vec::new()).unwrap().0)
}

fn limits(is_small: bool) -> Limits {
    if is_small { SMALL } else { Limits::default() }
}

/// Text with a part of it replaced.
fn spliced(event: &[u8], start: usize, end: usize, with: &[u8]) -> Vec<u8> {
    [&event[..start], with, &event[end..]].concat()
}

/// Leaves of an event of this kind, by their places; and its arrays, by the places of their elements.
type Taken = (Vec<(usize, usize)>, Vec<Vec<(usize, usize)>>);

fn take(event: &[u8], kind: SlotKind) -> Taken {
    let mut taken = TakeApart::default();
    let (mut leaves, mut arrays) = (Vec::new(), Vec::new());
    if taken.take(event).is_err() {
        return (leaves, arrays);
    }
    let mut waiting = vec![*taken.root().unwrap()];
    while let Some(part) = waiting.pop() {
        let shape = Shape::parse(taken.shape(&part)).unwrap();
        for (slot, piece) in shape.slots().iter().zip(taken.pieces(&part)) {
            match *piece {
                Piece::Leaf { start, end } if slot.kind == kind => {
                    leaves.push((start as usize, end as usize));
                }
                Piece::Leaf { .. } => {}
                Piece::Object(at) => waiting.push(*taken.part(at)),
                Piece::Elements { first, count } => {
                    let elements: Vec<_> =
                        taken.elements(first, count).iter().map(|at| *taken.part(*at)).collect();
                    arrays.push(elements.iter().map(|part| (part.text().start, part.text().end)).collect());
                    waiting.extend(elements);
                }
            }
        }
    }
    (leaves, arrays)
}

/// What is changed of a record. False when the record has nothing of the kind.
type Change = fn(&mut Record, &mut Rng) -> bool;

fn change_text(record: &mut Record, rng: &mut Rng) -> bool {
    let (leaves, _) = take(&record.event, SlotKind::Text);
    let Some((start, end)) = (!leaves.is_empty()).then(|| rng.of(&leaves)) else { return false };
    let texts: [&[u8]; 4] = [b"", b"user", "東京".as_bytes(), b"203.0.113.7"];
    let with = rng.of(&texts);
    let with = if record.event[start..end] == *with { b"other" } else { with };
    record.event = spliced(&record.event, start, end, with);
    true
}

fn change_one_letter(record: &mut Record, rng: &mut Rng) -> bool {
    let (mut leaves, _) = take(&record.event, SlotKind::Text);
    let event = &record.event;
    leaves.retain(|(start, end)| event[*start..*end].last().is_some_and(u8::is_ascii_alphanumeric));
    let Some((_, end)) = (!leaves.is_empty()).then(|| rng.of(&leaves)) else { return false };
    // Another digit or letter, so that a time or number stays one for the most part.
    record.event[end - 1] = if record.event[end - 1] == b'4' { b'5' } else { b'4' };
    true
}

fn change_token(record: &mut Record, rng: &mut Rng) -> bool {
    let (leaves, _) = take(&record.event, SlotKind::Token);
    let Some((start, end)) = (!leaves.is_empty()).then(|| rng.of(&leaves)) else { return false };
    let tokens: [&[u8]; 4] = [b"17", b"null", b"true", b"1.0"];
    let with = rng.of(&tokens);
    let with = if record.event[start..end] == *with { b"18" } else { with };
    record.event = spliced(&record.event, start, end, with);
    true
}

fn text_to_token(record: &mut Record, rng: &mut Rng) -> bool {
    let (leaves, _) = take(&record.event, SlotKind::Text);
    let Some((start, end)) = (!leaves.is_empty()).then(|| rng.of(&leaves)) else { return false };
    record.event = spliced(&record.event, start - 1, end + 1, b"200");
    true
}

fn swap_elements(record: &mut Record, rng: &mut Rng) -> bool {
    let (_, mut arrays) = take(&record.event, SlotKind::Text);
    let event = record.event.clone();
    arrays.retain(|elements| elements.len() > 1);
    let Some(elements) = (!arrays.is_empty()).then(|| &arrays[rng.index(arrays.len())]) else { return false };
    let (first, second) = (elements[0], elements[1]);
    let (a, b) = (&event[first.0..first.1], &event[second.0..second.1]);
    record.event = [&event[..first.0], b, &event[first.1..second.0], a, &event[second.1..]].concat();
    record.event != event
}

fn drop_element(record: &mut Record, rng: &mut Rng) -> bool {
    let (_, mut arrays) = take(&record.event, SlotKind::Text);
    arrays.retain(|elements| elements.len() > 1);
    let Some(elements) = (!arrays.is_empty()).then(|| &arrays[rng.index(arrays.len())]) else { return false };
    record.event = spliced(&record.event, elements[0].0, elements[1].0, b"");
    true
}

fn add_element(record: &mut Record, rng: &mut Rng) -> bool {
    let (_, mut arrays) = take(&record.event, SlotKind::Text);
    arrays.retain(|elements| !elements.is_empty());
    let Some(elements) = (!arrays.is_empty()).then(|| &arrays[rng.index(arrays.len())]) else { return false };
    let (start, end) = elements[rng.index(elements.len())];
    let twice = [&record.event[start..end], b","].concat();
    record.event = spliced(&record.event, start, start, &twice);
    true
}

fn add_member(record: &mut Record, rng: &mut Rng) -> bool {
    let objects: Vec<usize> =
        (0..record.event.len()).filter(|at| record.event[*at..].starts_with(b"{\"")).collect();
    let at = rng.of(&objects) + 1;
    let members: [&[u8]; 4] = [b"\"zz\":1,", b"\"zz\":\"u\",", b"\"zz\":[],", b"\"zz\":{},"];
    record.event = spliced(&record.event, at, at, rng.of(&members));
    true
}

fn rename_member(record: &mut Record, rng: &mut Rng) -> bool {
    let names: Vec<usize> = (1..record.event.len())
        .filter(|at| record.event[*at..].starts_with(b"\":") && record.event[at - 1].is_ascii_lowercase())
        .collect();
    let at = rng.of(&names);
    record.event = spliced(&record.event, at, at, b"z");
    true
}

fn no_json(record: &mut Record, _: &mut Rng) -> bool {
    record.event.push(b' ');
    true
}

const CHANGES: [(&str, Change); 26] = [
    ("text", change_text),
    ("letter", change_one_letter),
    ("token", change_token),
    ("text to token", text_to_token),
    ("swap", swap_elements),
    ("drop", drop_element),
    ("add", add_element),
    ("member", add_member),
    ("rename", rename_member),
    ("no JSON", no_json),
    ("received", |record, _| {
        record.received_at += 1;
        true
    }),
    ("occurred", |record, _| {
        record.occurred_at = record.occurred_at.map_or(Some(1), |at| Some(at + 1));
        true
    }),
    ("timed", |record, _| {
        record.occurred_at = record.occurred_at.map_or(Some(record.received_at), |_| None);
        true
    }),
    ("seq", |record, rng| {
        record.seq = record.seq.map_or(Some(u64::MAX / 2 + rng.next() / 4), |_| None);
        true
    }),
    ("operation", |record, _| {
        record.operation ^= 1;
        true
    }),
    ("derived", |record, _| {
        record.derived = !record.derived;
        true
    }),
    ("system", |record, _| {
        record.system = !record.system;
        true
    }),
    ("stated", |record, _| {
        record.stated ^= 2;
        true
    }),
    ("class", |record, _| {
        record.class += 1;
        true
    }),
    ("root", |record, _| {
        record.spoil_root();
        true
    }),
    ("counter", |record, _| {
        record.counter ^= 1;
        true
    }),
    ("puncture", |record, _| {
        let before = record.root.clone();
        record.forget();
        record.root != before
    }),
    ("expire", |record, _| {
        record.expire(u64::MAX);
        true
    }),
    ("erase", |record, _| {
        record.fate = Some(Fate::Erased(vec![7; 3].into()));
        true
    }),
    ("unerase", |record, _| record.fate.take().is_some()),
    ("tag", |record, _| {
        record.leaf.0[1] ^= 1;
        true
    }),
];

/// Makes a change, where such a record can have it: there is nothing to an expired one that events have.
fn changed(record: &mut Record, what: &str, change: Change, rng: &mut Rng) -> bool {
    const OF_ALL: [&str; 11] = [
        "received",
        "seq",
        "operation",
        "derived",
        "system",
        "stated",
        "class",
        "root",
        "counter",
        "unerase",
        "tag",
    ];
    let is_expired = record.fate.as_ref().is_some_and(Fate::is_expired);
    if !is_expired || what == "expire" || OF_ALL.contains(&what) { change(record, rng) } else { false }
}

/// Both ways of comparing must say this.
fn check(merged: &Arc<Segment>, inputs: &[Arc<Segment>], expected: Option<(usize, u64)>, what: &str) {
    assert_eq!(first_difference_rebuilt(merged, inputs).unwrap(), expected, "rebuilt: {what}");
    assert_eq!(first_difference(merged, inputs).unwrap(), expected, "{what}");
}

/// Where a record is: its log in the whole, and its position.
fn place(whole: &Records, part: &Records, log: usize, n: usize) -> (usize, u64) {
    let name = &part.logs[log].name;
    let at = whole.logs.iter().position(|log| log.name == *name).unwrap();
    (at, part.logs[log].records[n].position)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_merged_is_the_same_as_its_inputs(
        seed: u64,
        logs in 1_usize..6,
        rows in 0_usize..400,
        style in prop::sample::select(vec![Style::Realistic, Style::Hostile, Style::Mixed]),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        built_small: bool,
        merged_small: bool,
    ) {
        let whole = without_empty_logs(ledger(seed, logs, rows, style));
        let inputs = segments(&cut(&whole, &cuts), limits(built_small));
        let once = merged(&inputs, limits(merged_small));
        check(&once, &inputs, None, "once");
        let twice = merged(std::slice::from_ref(&once), limits(built_small));
        check(&twice, &[once], None, "twice");
    }

}

proptest! {
    // Of each case, each kind of change in turn is built and merged.
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn whatever_is_changed_of_a_record_is_found(
        seed: u64,
        logs in 1_usize..5,
        rows in 40_usize..300,
        style in prop::sample::select(vec![Style::Realistic, Style::Mixed, Style::Hostile]),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        built_small in prop::bool::weighted(0.25),
        merged_small in prop::bool::weighted(0.25),
    ) {
        let mut rng = Rng(seed);
        let whole = without_empty_logs(ledger(seed, logs, rows, style));
        let parts = cut(&whole, &cuts);
        let inputs = segments(&parts, limits(built_small));
        let same = merged(&inputs, limits(merged_small));
        for (what, change) in CHANGES {
            let mut others = parts.clone();
            let with: Vec<usize> = (0..others.len()).filter(|part| !others[*part].logs.is_empty()).collect();
            let part = rng.of(&with);
            let log = rng.index(others[part].logs.len());
            let n = rng.index(others[part].logs[log].records.len());
            if !changed(&mut others[part].logs[log].records[n], what, change, &mut rng) {
                continue;
            }
            let expected = Some(place(&whole, &others[part], log, n));
            let changed = segments(&others, limits(built_small));
            check(&same, &changed, expected, what);
            check(&merged(&changed, limits(merged_small)), &inputs, expected, what);
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn both_ways_of_comparing_find_the_same_record(
        seed: u64,
        logs in 1_usize..5,
        rows in 10_usize..300,
        style in prop::sample::select(vec![Style::Realistic, Style::Mixed, Style::Hostile]),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        changes in 0_usize..5,
        small: [bool; 3],
    ) {
        let mut rng = Rng(seed);
        let whole = without_empty_logs(ledger(seed, logs, rows, style));
        let mut parts = cut(&whole, &cuts);
        let inputs = segments(&parts, limits(small[0]));
        for _ in 0..changes {
            let with: Vec<usize> = (0..parts.len()).filter(|part| !parts[*part].logs.is_empty()).collect();
            let part = rng.of(&with);
            let log = rng.index(parts[part].logs.len());
            let records = &mut parts[part].logs[log].records;
            let n = rng.index(records.len());
            let (what, change) = CHANGES[rng.index(CHANGES.len())];
            changed(&mut records[n], what, change, &mut rng);
        }
        let other = merged(&segments(&parts, limits(small[1])), limits(small[2]));
        let slow = first_difference_rebuilt(&other, &inputs).unwrap();
        prop_assert_eq!(first_difference(&other, &inputs).unwrap(), slow);
    }
}

#[test]
fn records_too_few_or_too_many_are_found() {
    let whole = without_empty_logs(ledger(31, 3, 400, Style::Realistic));
    let halves = |log: &Log, n: usize| log.records.len() * n / 2;
    let parts = cut_at(&whole, 2, &halves);
    let inputs = segments(&parts, Limits::default());
    let all = merged(&inputs, Limits::default());
    let first = merged(&inputs[..1], Limits::default());
    check(&all, &inputs, None, "all");
    check(&first, &inputs[..1], None, "the first");
    check(&all, &inputs[..1], Some((0, 0)), "more than there were");
    check(&first, &inputs, Some(place(&whole, &parts[1], 0, 0)), "fewer than there were");
    // A record that stands elsewhere in its log.
    let mut others = parts.clone();
    let records = &mut others[1].logs[0].records;
    records.last_mut().unwrap().position += 1 << 20;
    let expected = Some((0, records.last().unwrap().position));
    others[1].logs[0].nodes = nodes(&others[1].logs[0].records);
    check(&all, &segments(&others, Limits::default()), expected, "position");
    // A log of another id, and of another tenant.
    let mut others = parts.clone();
    others[0].logs[1].name.id[3] ^= 1;
    let expected = Some(place(&whole, &parts[0], 1, 0));
    check(&all, &segments(&others, Limits::default()), expected, "id of a log");
    // The order of the inputs is that of the records.
    let turned: Vec<_> = inputs.iter().rev().cloned().collect();
    check(&all, &turned, Some(place(&whole, &parts[1], 0, 0)), "order");
}

#[test]
fn events_that_change_places_are_found() {
    let whole = without_empty_logs(ledger(33, 2, 300, Style::Mixed));
    let parts = cut_at(&whole, 3, &|log, n| log.records.len() * n / 3);
    let all = merged(&segments(&parts, Limits::default()), Limits::default());
    for (part, log, n) in [(0, 0, 0), (1, 1, 7), (2, 0, 11)] {
        let mut others = parts.clone();
        let records = &mut others[part].logs[log].records;
        let event = std::mem::take(&mut records[n].event);
        records[n].event = std::mem::replace(&mut records[n + 3].event, event);
        let expected = Some(place(&whole, &parts[part], log, n));
        check(&all, &segments(&others, Limits::default()), expected, "swapped");
    }
}

#[test]
fn columns_suffice_where_events_are_as_services_send_them() {
    let whole = without_empty_logs(ledger(33, 6, 3_000, Style::Realistic));
    let parts = cut_at(&whole, 4, &|log, n| log.records.len() * n / 4);
    let inputs = segments(&parts, Limits::default());
    let once = merged(&inputs, Limits::default());
    assert!(
        once.footer().tables[0].columns.iter().any(|column| !column.refs.is_empty()),
        "some values name others"
    );
    let compared = compare(&once, &inputs).unwrap();
    assert_eq!((compared.difference, compared.rebuilt), (None, 0));
    let twice = merged(std::slice::from_ref(&once), Limits::default());
    let compared = compare(&twice, &[once]).unwrap();
    assert_eq!((compared.difference, compared.rebuilt), (None, 0));
}
