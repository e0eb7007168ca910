use annals_event::{rebuild, units};
use proptest::prelude::*;

use super::*;

/// Canonical events: everyday ones, and ones that are barely events.
const EVENTS: [&str; 9] = [
    r#"{"action":"a"}"#,
    r#"{"action":"a","actor":{"email":"e@x","id":"u1","type":"user"},"id":"1"}"#,
    r#"{"action":"a","changes":{"after":{"n":[1,{"a":"}"}],"x":null},"before":{"x":"\",{"},"kind":"k"}}"#,
    r#"{"action":"a","changes":{"after":7,"before":[]},"context":{"geo":{"city":"Köln"},"ip":"::1","zone":1}}"#,
    r#"{"action":"a","context":{"aa":1,"ip":"::1","j":{},"user_agent":"m","z":[]},"description":"d, \"e\""}"#,
    r#"{"action":"a","metadata":{"a.b":1,"a/b":2,"z z":"\\","ä":3},"outcome":{"error":"no","result":"failure","z":0}}"#,
    r#"{"action":"a","metadata":{"one":1},"targets":[{"id":"t","name":"n","type":"video"},{"id":"u"},{}],"zoo":{"a":[[]]}}"#,
    r#"{"action":"a","actor":{},"targets":[{"id":"t","type":null}]}"#,
    r#"{"":1,"action":"a","request":{"id":"r","status_code":200},"scope":{"a":{"b":{}}}}"#,
];

fn split(event: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    units(event.as_bytes(), &mut UnitScratch::default(), |name, value| {
        all.push((name.to_owned(), String::from_utf8(value.to_vec()).unwrap()));
    })
    .unwrap();
    all
}

/// What is assembled, if it is.
fn quick(shown: &[(String, String)]) -> Option<String> {
    let (mut scratch, mut canonical, mut event) = (UnitScratch::default(), Vec::new(), Vec::new());
    let shown = shown.iter().map(|(name, value)| (&name[..], &value[..]));
    let is_made = assemble(shown, &mut Document::default(), &mut scratch, &mut canonical, &mut event);
    is_made.then(|| String::from_utf8(event).unwrap())
}

/// What the general way makes of them.
fn general(shown: &[(String, String)]) -> Option<String> {
    let texts = shown.iter().map(|(name, value)| (&name[..], &value[..]));
    let event = rebuild(texts.clone().map(|(name, value)| (name, value.as_bytes()))).ok()?;
    let event = String::from_utf8(event).unwrap();
    splits_into(&event, &mut UnitScratch::default(), texts).then_some(event)
}

#[test]
fn everyday_events_are_assembled() {
    for at in [0, 1, 2, 4, 6, 8] {
        assert_eq!(quick(&split(EVENTS[at])).as_deref(), Some(EVENTS[at]));
    }
}

#[test]
fn names_that_are_not_plain_are_for_the_general_way() {
    let shown = split(EVENTS[5]);
    assert_eq!((quick(&shown), general(&shown).as_deref()), (None, Some(EVENTS[5])));
}

#[test]
fn units_of_no_event_are_not_assembled() {
    for (at, name, value) in [
        // Not canonical; members that break out of their place; members that belong elsewhere.
        (1, "/actor/id", "\"u1\" "),
        (1, "/actor/id", "\"\\u0061\""),
        (1, "/actor/id", "1,\"ie\":2"),
        (1, "/actor/id", "1},\"b\":{\"c\":2"),
        (1, "", "{\"action\":\"a\",\"actor\":{\"z\":1},\"id\":\"1\"}"),
        (1, "", "{\"action\":\"a\",\"id\":\"1\",\"id\":\"2\"}"),
        (1, "", "{\"action\":\"a\",\"id\":\"1\",\"targets\":[]}"),
        (1, "", "{\"id\":\"1\",\"action\":\"a\"}"),
        (4, "/context", "{\"ip\":\"::2\"}"),
        (6, "/targets/0", "{\"id\":\"t\",\"type\":\"x\"}"),
        (6, "/targets/1", "{\"id\":\"u\",\"type\":null}"),
        (6, "/targets/1", "{}"),
    ] {
        let mut shown = split(EVENTS[at]);
        let unit = shown.iter_mut().find(|unit| unit.0 == name).unwrap();
        unit.1 = value.to_owned();
        assert_eq!((quick(&shown), general(&shown)), (None, None), "{name} {value}");
    }
}

fn piece() -> impl Strategy<Value = String> {
    let pieces = &[
        "",
        "\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\\",
        "/",
        "~",
        "0",
        "00",
        "null",
        "\"type\"",
        "a",
        "type",
        "after",
        "ip",
        ",\"x\":1",
        "\"result\":1",
        "{}",
        "[]",
        " ",
        "ä",
        "targets",
        "metadata",
    ][..];
    prop::sample::select(pieces).prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever is done to units, what is assembled of them is what the general way makes of them.
    #[test]
    fn what_is_assembled_is_what_is_rebuilt(
        event in prop::sample::select(&EVENTS[..]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), any::<prop::sample::Index>(), 0..3_usize, piece()), 0..3),
        gone in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut shown = split(event);
        for (unit, in_name, at, take, put) in edits {
            let unit = unit.get_mut(&mut shown);
            let text = if in_name { &mut unit.0 } else { &mut unit.1 };
            let characters: Vec<char> = text.chars().collect();
            let at = at.index(characters.len() + 1);
            let end = (at + take).min(characters.len());
            *text = characters[..at].iter().collect::<String>() + &put + &characters[end..].iter().collect::<String>();
        }
        if let Some(gone) = gone.filter(|_| shown.len() > 1) {
            shown.remove(gone.index(shown.len()));
        }
        if let Some(made) = quick(&shown) {
            prop_assert_eq!(Some(made), general(&shown));
        }
    }
}
