//! A view of a segment in which rows read otherwise answers like a segment that was built so.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ops::{Bound, Range};
use std::sync::Arc;

use annals_event::Operation;
use annals_event::filter::{Condition, Field, Literal, Matcher, Path, Test, parse_words};
use annals_segment::Damaged;
use annals_segment::body::Cache;
use annals_segment::build::Limits;
use annals_segment::fate::{Fate, GONE};
use annals_segment::hits::{Budget, Hits, Lane, Step};
use annals_segment::plan::Plan;
use annals_segment::segment::{Found, Sealed, Segment, Veil};
use proptest::prelude::*;

use crate::merging::{id_of, ledger, without_empty_logs};
use crate::questions::{World, ask_all, name_operations};
use crate::reading::check_record;
use crate::support::{Record, Records, Rng, Style, what_is_left};

/// A ledger's records as they are written, and as they are to be read, and the rows of which these are not the same.
struct Story {
    stored: Records,
    read: Records,
    hidden: Vec<Range<u32>>,
    changed: Vec<u32>,
}

impl Story {
    /// One in `share` records is erased in part, and some more, in stretches, expire.
    fn new(seed: u64, mut stored: Records, share: u64) -> Story {
        name_operations(&mut stored);
        let mut rng = Rng(seed);
        let mut story = Story { read: stored.clone(), stored, hidden: Vec::new(), changed: Vec::new() };
        let mut left = 0;
        for (row, record) in (0..).zip(story.read.logs.iter_mut().flat_map(|log| &mut log.records)) {
            if left == 0 && rng.one_in(4 * share) {
                left = 1 + rng.below(40);
            }
            let is_expired = record.fate.as_ref().is_some_and(Fate::is_expired);
            if left > 0 {
                left -= 1;
                match story.hidden.last_mut() {
                    Some(last) if last.end == row && rng.one_in(2) => last.end += 1,
                    _ => story.hidden.push(row..row + 1),
                }
                let gone = (record.fate.clone(), record.root.clone());
                record.expire(u64::from(row));
                if is_expired {
                    (record.fate, record.root) = gone;
                }
                record.operation = Operation::Other.code();
            } else if rng.one_in(share) {
                story.changed.push(row);
                if !is_expired {
                    let event = what_is_left(&record.event, &mut rng);
                    record.erase(event, vec![3; 9]);
                }
            }
        }
        story
    }

    /// The segment through a veil that makes of it what is to be read.
    fn veil(&self) -> Arc<Veil> {
        let read: Vec<Record> = self.read.rows().map(|(_, record)| record.clone()).collect();
        let change = move |row: u32, sealed: &mut Sealed| -> Result<(), Damaged> {
            let Record { event, fate, root, .. } = &read[row as usize];
            sealed.event = event.clone().into();
            (sealed.fate, sealed.root) = (fate.clone(), root.clone());
            // None of this is a veil's to change.
            (sealed.seq, sealed.received_at, sealed.class, sealed.system) = (None, 0, 77, !sealed.system);
            Ok(())
        };
        Veil::new(self.hidden.clone(), self.changed.clone(), Box::new(change))
    }
}

fn open(records: &Records, limits: Limits) -> (Arc<Cache>, Arc<Segment>) {
    let cache = Cache::new(1 << 22);
    let bytes = Arc::new(records.segment_within(limits));
    (Arc::clone(&cache), Segment::open("test".into(), bytes, cache).unwrap())
}

fn one(rows: Range<u32>) -> Vec<Range<u32>> {
    std::iter::once(rows).collect()
}

const SMALL: Limits = Limits { shapes_max: 5, paths_max: 30, templates: true };

/// The file as it is, views of it, and a file that was written with the changes, are asked in turn.
fn check_answers(seed: u64, style: Style, limits: Limits, share: u64) {
    let story = Story::new(seed, without_empty_logs(ledger(seed, 3, 500, style)), share);
    let (cache, file) = open(&story.stored, limits);
    let both = [&story.stored, &story.read];
    let unveiled = World::of(&story.stored, &both, Arc::clone(&cache), Arc::clone(&file));
    let veiled = World::of(&story.read, &both, cache, file.veiled(story.veil()));
    let (cache, written) = open(&story.read, limits);
    let written = World::of(&story.read, &both, cache, written);
    let seen = ask_all(&[&unveiled, &veiled, &written], seed);
    assert!(seen.hits > 0, "{seen:?}");
}

#[test]
fn a_view_of_realistic_events_answers_as_they_read() {
    check_answers(2, Style::Realistic, Limits::default(), 12);
    check_answers(3, Style::Realistic, Limits::default(), 60);
}

#[test]
fn a_view_of_any_events_answers_as_they_read() {
    check_answers(4, Style::Mixed, Limits::default(), 12);
    check_answers(5, Style::Hostile, SMALL, 30);
}

#[test]
fn a_view_of_which_all_is_gone_or_changed_answers_nothing_else() {
    check_answers(6, Style::Mixed, Limits::default(), 1);
    let (_, file) = open(&ledger(8, 2, 300, Style::Realistic), Limits::default());
    let change = |_: u32, sealed: &mut Sealed| {
        let (commitment, id_hash) = (annals_tree::Hash([1; 32]), 1);
        sealed.fate = Some(Fate::Expired { commitment, by: 0, id_hash });
        Ok(())
    };
    let veil = Veil::new(one(0..file.rows()), Vec::new(), Box::new(change));
    for record in file.veiled(veil).records(0..file.rows()) {
        assert_eq!(record.unwrap().1.event, GONE);
    }
}

#[test]
fn what_no_column_has_is_found_in_the_rows_that_read_so() {
    let mut stored = without_empty_logs(ledger(15, 1, 3_000, Style::Realistic));
    name_operations(&mut stored);
    let (_, file) = open(&stored, Limits::default());
    let changed = vec![130, 131, 1_400, file.rows() - 1];
    let change = |row: u32, sealed: &mut Sealed| {
        sealed.event =
            format!(r#"{{"action":"a","actor":{{"id":"erased-{row}"}},"id":"i","x":"erased"}}"#).into();
        sealed.fate = Some(Fate::Erased(vec![1].into()));
        Ok(())
    };
    let veiled = file.veiled(Veil::new(one(200..260), changed.clone(), Box::new(change)));
    let is = |text: &str| Test::In(vec![Literal::Text(text.into())]);
    let field = |path: &[&str], test| Condition::Field(Field::Member(Path::new(path)), test);
    let pseudonym = field(&["actor", "id"], is("erased-1400"));
    let all_erased = field(&["x"], is("erased"));
    for (condition, expected) in [
        (pseudonym.clone(), vec![1_400]),
        (Condition::Words(parse_words("erased").unwrap()), changed.clone()),
        (Condition::Mentions("erased-13".into()), vec![130, 131]),
        (
            Condition::All(vec![all_erased.clone(), Condition::Not(Box::new(pseudonym))]),
            vec![130, 131, changed[3]],
        ),
        (all_erased, changed.clone()),
        (field(&["actor", "id"], is("nobody")), Vec::new()),
    ] {
        let matcher = Arc::new(Matcher::new(condition.clone()));
        let plan = Arc::new(Plan::new(&veiled, &matcher, false).unwrap());
        let log = veiled.log_rows(0).unwrap();
        for lane in [Lane::LogNumber(log.clone()), Lane::LogTime(log.clone())] {
            let (low, high) = (Bound::Unbounded, Bound::Unbounded);
            let mut hits = Hits::new(&plan, lane, false, low, high, u64::MAX).unwrap();
            let mut found = Vec::new();
            while let Step::Hit { row, .. } = hits.next(&mut Budget::new(u64::MAX)).unwrap() {
                found.push(row);
            }
            found.sort_unstable();
            assert_eq!(found, expected, "{condition:?}");
        }
        let unveiled = Plan::new(&file, &matcher, false).unwrap();
        let is_mention = matches!(condition, Condition::Mentions(_));
        assert!(unveiled.is_never() || is_mention, "{condition:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_view_gives_the_records_that_are_to_be_read_and_nothing_of_others(
        seed: u64,
        logs in 1_usize..5,
        rows in 1_usize..400,
        style in prop::sample::select(vec![Style::Realistic, Style::Mixed]),
        share in 1_u64..20,
        is_small: bool,
    ) {
        let story = Story::new(seed, without_empty_logs(ledger(seed, logs, rows, style)), share);
        let (_, file) = open(&story.stored, if is_small { SMALL } else { Limits::default() });
        check_view(&story.stored, &file)?;
        let veiled = file.veiled(story.veil());
        check_view(&story.read, &veiled)?;
        check_view(&story.stored, &veiled.unveiled())?;
        // A veil takes the place of another.
        let nothing = Veil::new(Vec::new(), Vec::new(), Box::new(|_, _| panic!("nothing is changed")));
        check_view(&story.stored, &veiled.veiled(nothing))?;
        prop_assert_eq!(veiled.same_as(&story.stored).unwrap(), None);
        let mut found = None;
        let rewritten = open(&story.read, Limits::default()).1;
        prop_assert_eq!(rewritten.same_as(&story.read).unwrap(), None);
        for (row, record) in (0..).zip(story.stored.rows().zip(story.read.rows())) {
            let ((_, stored), (_, read)) = record;
            if format!("{stored:?}") != format!("{read:?}") && found.is_none() {
                found = Some(row);
            }
        }
        prop_assert_eq!(found.is_some(), rewritten.same_as(&story.stored).unwrap().is_some());
    }
}

/// Everything that is read of a view's rows.
fn check_view(expected: &Records, view: &Arc<Segment>) -> Result<(), TestCaseError> {
    let mut reader = view.reader();
    let mut row = 0;
    for (index, log) in (0..).zip(&expected.logs) {
        let here = view.log_rows(index).unwrap();
        for record in &log.records {
            check_record(log, record, &reader.record(row).unwrap());
            check_record(log, record, &view.record(row).unwrap());
            let mut event = Vec::new();
            reader.event(row, &mut event).unwrap();
            prop_assert_eq!(&event, &record.event);
            prop_assert_eq!(reader.fate(row).unwrap(), record.fate.clone());
            prop_assert_eq!(reader.root(row).unwrap(), (record.root.clone(), record.counter));
            prop_assert_eq!(reader.secret(row).unwrap(), record.root.secret(record.counter));
            let kind = reader.kind(row).unwrap();
            prop_assert_eq!(view.kind(row).unwrap(), kind);
            prop_assert_eq!((kind.operation, kind.derived), (record.operation, record.derived));
            prop_assert_eq!(
                (kind.class, kind.stated, kind.system),
                (record.class, record.stated, record.system)
            );
            prop_assert_eq!(kind.timed, record.occurred_at.is_some());
            let is_gone = record.fate.as_ref().is_some_and(Fate::is_expired);
            prop_assert_eq!(view.is_gone(row).unwrap(), is_gone);
            let found = Found { row, is_gone };
            if let Some(id) = id_of(&record.event) {
                let mut text = Vec::new();
                annals_event::json::write_string(&id, &mut text);
                let text = &text[1..text.len() - 1];
                prop_assert!(reader.rows_with_id(&here, text).unwrap().contains(&row));
                prop_assert!(reader.find_id(&here, text, record.id_hash).unwrap().contains(&found));
            }
            row += 1;
        }
    }
    prop_assert_eq!(row, view.rows());
    let all: Vec<Sealed> = view.records(0..row).map(|record| record.unwrap().1).collect();
    for ((_, record), sealed) in expected.rows().zip(&all) {
        prop_assert_eq!(&sealed.event, &record.event);
        prop_assert_eq!(sealed.secret(), record.root.secret(record.counter));
    }
    Ok(())
}

#[test]
fn an_id_that_is_gone_is_known_to_have_been_given() {
    let mut rng = Rng(12);
    let stored = without_empty_logs(ledger(13, 3, 300, Style::Realistic));
    let mut gone = stored.clone();
    for record in gone.logs.iter_mut().flat_map(|log| &mut log.records).filter(|_| rng.one_in(3)) {
        record.expire(5);
    }
    let (_, written) = open(&gone, Limits::default());
    let (_, file) = open(&stored, Limits::default());
    let read = gone.rows().map(|(_, record)| record.clone()).collect::<Vec<_>>();
    let is_gone = |row: &u32| read[*row as usize].fate.is_some();
    let hidden: Vec<Range<u32>> = (0..file.rows()).filter(is_gone).map(|row| row..row + 1).collect();
    let fates: Vec<Option<Fate>> = read.iter().map(|record| record.fate.clone()).collect();
    let change = move |row: u32, sealed: &mut Sealed| {
        sealed.fate = fates[row as usize].clone();
        Ok(())
    };
    let veiled = file.veiled(Veil::new(hidden, Vec::new(), Box::new(change)));
    for view in [written, veiled] {
        let mut reader = view.reader();
        let mut row = 0;
        for (index, (log, stored)) in (0..).zip(gone.logs.iter().zip(&stored.logs)) {
            let here = view.log_rows(index).unwrap();
            let other = view.log_rows((index + 1) % view.logs()).unwrap();
            for (record, stored) in log.records.iter().zip(&stored.records) {
                let id = id_of(&stored.event).unwrap();
                let mut text = Vec::new();
                annals_event::json::write_string(&id, &mut text);
                let text = &text[1..text.len() - 1];
                let is_gone = record.fate.is_some();
                assert!(view.may_have_id(stored.id_hash).unwrap());
                let found = reader.find_id(&here, text, stored.id_hash).unwrap();
                assert!(found.contains(&Found { row, is_gone }), "{row} {is_gone} {found:?}");
                assert_eq!(reader.rows_with_id(&here, text).unwrap().contains(&row), !is_gone);
                assert!(reader.find_id(&other, text, stored.id_hash).unwrap().iter().all(|of| of.row != row));
                assert_eq!(reader.find_id(&here, b"none", stored.id_hash ^ 1).unwrap(), []);
                row += 1;
            }
        }
    }
}

#[test]
fn what_a_veil_may_not_do_is_told_of_the_record() {
    let (_, file) = open(&ledger(9, 1, 40, Style::Realistic), Limits::default());
    let damaged = |what: &str| file.malformed(what.to_owned());
    let failing = damaged("it cannot be told");
    let change = move |row: u32, sealed: &mut Sealed| match row {
        0 => Ok(()),
        1 => Err(failing.clone()),
        _ => {
            let (commitment, id_hash) = (annals_tree::Hash([1; 32]), 1);
            sealed.fate = Some(Fate::Expired { commitment, by: 0, id_hash });
            Ok(())
        }
    };
    let veiled = file.veiled(Veil::new(one(0..1), vec![1, 2], Box::new(change)));
    let position = |row| Some(file.reader().position(row).unwrap());
    for (row, what) in [(0, "another fate"), (1, "cannot be told"), (2, "another fate")] {
        let damaged = veiled.record(row).unwrap_err();
        assert!(damaged.to_string().contains(what), "{damaged}");
        assert_eq!(damaged.record.map(|(_, position)| position), position(row));
        assert!(veiled.reader().fate(row).is_err() && veiled.reader().root(row).is_err());
    }
    // What is hidden has no event, whoever says what of it.
    let mut event = Vec::new();
    veiled.reader().event(0, &mut event).unwrap();
    assert_eq!(event, GONE);
    veiled.record(3).unwrap();
}

#[test]
#[should_panic(expected = "a hidden row cannot be changed")]
fn a_row_is_hidden_or_changed() {
    drop(Veil::new(one(2..5), vec![4], Box::new(|_, _| Ok(()))));
}
