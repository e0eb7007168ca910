use std::collections::{BTreeMap, BTreeSet};

use annals_event::{Normalised, Rules, Scratch, normalise};
use clap::ValueEnum as _;

use super::generate::{Generator, Shape};
use super::line::Line;

fn generate(shape: Shape, seed: u64, count: u64) -> Vec<u8> {
    let mut generator = Generator::new(shape, seed, None, count);
    let mut line = Line::default();
    for _ in 0..count {
        generator.write(&mut line);
    }
    line.bytes().to_vec()
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

#[test]
fn a_seed_is_one_file_and_another_seed_another() {
    let one = generate(Shape::Everyday, 1, 500);
    assert_eq!(one, generate(Shape::Everyday, 1, 500));
    assert_ne!(one, generate(Shape::Everyday, 2, 500));
}

#[test]
fn every_event_of_every_shape_is_taken_without_a_remark_and_has_an_id_of_its_own() {
    for shape in Shape::value_variants() {
        let count = if matches!(shape, Shape::Large | Shape::Targets) { 20 } else { 3_000 };
        let bytes = generate(*shape, 7, count);
        let (mut scratch, mut event) = (Scratch::default(), Normalised::default());
        let mut ids = BTreeSet::new();
        for line in lines(&bytes) {
            normalise(line, &Rules::default().with_strict(true), &mut scratch, &mut event)
                .unwrap_or_else(|error| panic!("{shape:?}: {error:?}: {}", String::from_utf8_lossy(line)));
            assert!(event.warnings().is_empty(), "{shape:?}: {:?}", event.warnings());
            assert!(event.tenant().is_some());
            assert!(event.occurred_at().is_some());
            assert!(ids.insert(event.id().unwrap().to_owned()), "{shape:?}: an id came twice");
        }
        assert_eq!(ids.len() as u64, count, "{shape:?}");
    }
}

#[test]
fn sizes_are_as_the_documents_say() {
    const COUNT: u64 = 40_000;
    let bytes = generate(Shape::Everyday, 1, COUNT);
    let mean = bytes.len() as u64 / COUNT;
    assert!((780..=880).contains(&mean), "an event has {mean} bytes");
    let mut tenants: BTreeMap<String, u64> = BTreeMap::new();
    let mut actions: BTreeSet<String> = BTreeSet::new();
    for line in lines(&bytes) {
        let event: serde_json::Value = serde_json::from_slice(line).unwrap();
        *tenants.entry(event["tenant"].as_str().unwrap().to_owned()).or_default() += 1;
        actions.insert(event["action"].as_str().unwrap().to_owned());
    }
    let largest = *tenants.values().max().unwrap();
    assert!((140..=160).contains(&(largest * 1_000 / COUNT)), "{largest} of {COUNT}");
    assert!((990..=1_000).contains(&tenants.len()), "{} tenants", tenants.len());
    assert_eq!(actions.len(), 42);
}

#[test]
fn times_are_nearly_in_order_and_fill_the_year() {
    let seconds = |shape| -> Vec<i64> {
        let bytes = generate(shape, 1, 5_000);
        let time = |line| -> i64 {
            let event: serde_json::Value = serde_json::from_slice(line).unwrap();
            let text = event["occurred_at"].as_str().unwrap();
            text.parse::<jiff::Timestamp>().unwrap().as_second()
        };
        lines(&bytes).map(time).collect()
    };
    let everyday = seconds(Shape::Everyday);
    let back = everyday.windows(2).map(|pair| pair[0] - pair[1]).max().unwrap();
    assert!(back <= 61, "one is {back} s before the one before it");
    let day = 86_400;
    assert!((everyday[4_999] - everyday[0]) / day >= 363);
    let late = seconds(Shape::Late);
    let back = late.windows(2).map(|pair| pair[0] - pair[1]).max().unwrap();
    assert!(back / day > 200, "at most {} days late", back / day);
}
