//! The published vectors: the units of an event, as an independent program splits them.

use annals_event::{Normalised, Rules, Scratch, UnitScratch, normalise, units};

#[test]
fn events_split_into_the_units_of_the_published_vectors() {
    let text = include_str!("../../../corpus/vectors/commitment.json");
    let vectors: serde_json::Value = serde_json::from_str(text).unwrap();
    let mut scratch = UnitScratch::default();
    for case in vectors["cases"].as_array().unwrap() {
        let mut found = Vec::new();
        let event = case["event"].as_str().unwrap();
        units(event.as_bytes(), &mut scratch, |name, value| {
            found.push((name.to_owned(), std::str::from_utf8(value).unwrap().to_owned()));
        })
        .unwrap();
        let expected: Vec<_> = case["units"]
            .as_array()
            .unwrap()
            .iter()
            .map(|unit| {
                (unit["name"].as_str().unwrap().to_owned(), unit["value"].as_str().unwrap().to_owned())
            })
            .collect();
        assert_eq!(found, expected, "{}", case["name"]);
    }
}

#[test]
fn a_given_id_stands_at_its_sorted_place_and_its_text_is_found_there() {
    let (mut scratch, mut event) = (Scratch::default(), Normalised::default());
    for sent in [
        r#"{"action":"a","actor":{"id":"u"}}"#,
        r#"{"action":"a","actor":{"id":"u"},"zebra":1,"metadata":{"id":"m"}}"#,
        r#"{"ice":1,"ie":2,"action":"a","actor":{"id":"u"}}"#,
    ] {
        normalise(sent.as_bytes(), &Rules::default(), &mut scratch, &mut event).unwrap();
        event.insert_id("x-1").unwrap();
        assert_eq!(&event.bytes()[event.id_text()], b"x-1", "{sent}");
        let given = event.bytes().to_vec();
        let with_id = sent.replacen('{', r#"{"id":"x-1","#, 1);
        normalise(with_id.as_bytes(), &Rules::default(), &mut scratch, &mut event).unwrap();
        assert_eq!(given, event.bytes(), "an id sent and an id given make the same bytes");
        assert_eq!(&event.bytes()[event.id_text()], b"x-1", "{sent}");
    }
    normalise(
        br#"{"id":"a\"\u00e9\/b","action":"a","actor":{"id":"u"}}"#,
        &Rules::default(),
        &mut scratch,
        &mut event,
    )
    .unwrap();
    assert_eq!(
        std::str::from_utf8(&event.bytes()[event.id_text()]).unwrap(),
        "a\\\"é/b",
        "as it is escaped in the bytes"
    );
    assert_eq!(event.id(), Some("a\"é/b"));
}

#[test]
fn only_annals_own_events_may_use_its_actions() {
    let (mut scratch, mut event) = (Scratch::default(), Normalised::default());
    let own = br#"{"action":"annals.key.create","actor":{"id":"u"}}"#;
    assert_eq!(
        normalise(own, &Rules::default(), &mut scratch, &mut event).unwrap_err().code.as_str(),
        "reserved"
    );
    normalise(own, &Rules::default().for_system(), &mut scratch, &mut event).unwrap();
}
