//! Events and their units.

use expect_test::{Expect, expect};

use super::*;

fn split(canonical: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    units(canonical.as_bytes(), &mut UnitScratch::default(), |name, value| {
        found.push((name.to_owned(), String::from_utf8(value.to_vec()).unwrap()));
    })
    .unwrap();
    let rebuilt = rebuild(found.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))).unwrap();
    assert_eq!(String::from_utf8(rebuilt).unwrap(), canonical);
    found
}

/// Shows each unit on a line, and checks on the way that they rebuild the event.
#[track_caller]
fn check(canonical: &str, expected: Expect) {
    let lines: Vec<String> =
        split(canonical).iter().map(|(name, value)| format!("{name:?} {value}")).collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn an_event_with_everything_is_split_as_documented() {
    check(
        concat!(
            r#"{"action":"a","actor":{"chain":[{"id":"x"}],"id":"u","metadata":{"m":1}},"category":"c","#,
            r#""changes":{"after":{"n":1,"t":{"u":null}},"before":{},"complete":true,"why":"?"},"#,
            r#""context":{"ip":"203.0.113.7","location":"Ulm","user_agent":"x"},"context-x":1,"description":"d","id":"e","#,
            r#""metadata":{"a/b~c":1,"b":{"c":2}},"occurred_at":"2026-11-21T10:00:59.123456Z","operation":"read","#,
            r#""outcome":{"extra":1,"reason":"r","result":"success"},"reason":"why","request":{"id":"r"},"scope":{"team":"t"},"#,
            r#""severity":"info","source":{"seq":1},"targets":[{"id":"t","type":"v"},{"name":"n"},{"type":"w"}],"#,
            r#""trace":{"span_id":"s"},"über":[1]}"#,
        ),
        expect![[r#"
            "" {"action":"a","category":"c","changes":{"complete":true,"why":"?"},"id":"e","occurred_at":"2026-11-21T10:00:59.123456Z","operation":"read","outcome":{"result":"success"},"severity":"info","source":{"seq":1},"targets":["v",null,"w"],"trace":{"span_id":"s"}}
            "/actor/chain" [{"id":"x"}]
            "/actor/id" "u"
            "/actor/metadata" {"m":1}
            "/changes/after/n" 1
            "/changes/after/t" {"u":null}
            "/changes/before" {}
            "/context" {"location":"Ulm"}
            "/context-x" 1
            "/context/ip" "203.0.113.7"
            "/context/user_agent" "x"
            "/description" "d"
            "/metadata/a~1b~0c" 1
            "/metadata/b" {"c":2}
            "/outcome" {"extra":1,"reason":"r"}
            "/reason" "why"
            "/request" {"id":"r"}
            "/scope" {"team":"t"}
            "/targets/0" {"id":"t"}
            "/targets/1" {"name":"n"}
            "/über" [1]"#]],
    );
}

#[test]
fn states_that_are_not_objects_with_members_are_one_unit() {
    check(
        r#"{"action":"a","actor":{"id":"u"},"changes":{"after":[{"a":1}],"before":null}}"#,
        expect![[r#"
            "" {"action":"a"}
            "/actor/id" "u"
            "/changes/after" [{"a":1}]
            "/changes/before" null"#]],
    );
}

#[test]
fn names_are_decoded_before_they_become_pointers() {
    check(
        r#"{"action":"a","actor":{"id":"u"},"metadata":{"":1,"\t\"":2,"~1":3}}"#,
        expect![[r#"
            "" {"action":"a"}
            "/actor/id" "u"
            "/metadata/" 1
            "/metadata/\t\"" 2
            "/metadata/~01" 3"#]],
    );
}

#[test]
fn names_sort_by_bytes_and_values_by_utf_16() {
    // In the bytes U+1F600 comes first, in the order of units U+E000 does.
    let found = split("{\"action\":\"a\",\"actor\":{\"id\":\"u\"},\"metadata\":{\"😀\":1,\"\u{e000}\":2}}");
    assert_eq!(found[2], ("/metadata/\u{e000}".to_owned(), "2".to_owned()));
    assert_eq!(found[3], ("/metadata/😀".to_owned(), "1".to_owned()));
}

#[test]
fn targets_sort_by_the_bytes_of_their_index() {
    let targets = [r#"{"id":"t"}"#; 11].join(",");
    let found = split(&format!(r#"{{"action":"a","actor":{{"id":"u"}},"targets":[{targets}]}}"#));
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).skip(2).take(4).collect();
    assert_eq!(names, ["/targets/0", "/targets/1", "/targets/10", "/targets/2"]);
}

/// An event with so many members of metadata and of `changes.after`, named `k000` and on.
fn wide(metadata: usize, after: usize) -> String {
    let members = |count| (0..count).map(|i| format!(r#""k{i:03}":{i}"#)).collect::<Vec<_>>().join(",");
    let changes =
        if after == 0 { String::new() } else { format!(r#""changes":{{"after":{{{}}}}},"#, members(after)) };
    format!(r#"{{"action":"a","actor":{{"id":"u"}},{changes}"metadata":{{{}}}}}"#, members(metadata))
}

#[test]
fn one_hundred_and_twenty_eight_units_stand_alone_and_the_rest_folds() {
    // The envelope and /actor/id leave room for 126.
    assert_eq!(split(&wide(126, 0)).len(), 128);
    let found = split(&wide(128, 0));
    assert_eq!(found.len(), 129);
    assert_eq!(found[2], ("/metadata".to_owned(), r#"{"k126":126,"k127":127}"#.to_owned()));
    assert_eq!(found[128], ("/metadata/k125".to_owned(), "125".to_owned()));
}

#[test]
fn room_is_given_in_the_order_of_names_over_all_three_parents() {
    let found = split(&wide(100, 100));
    let count = |prefix: &str| found.iter().filter(|(name, _)| name.starts_with(prefix)).count();
    assert_eq!((count("/changes/after/"), count("/metadata/")), (100, 26));
    assert_eq!(found.len(), 129);
    assert!(found.iter().any(|(name, value)| name == "/metadata" && value.starts_with(r#"{"k026":26,"#)));
}

#[test]
fn other_units_stand_alone_beyond_the_limit() {
    let targets = vec![r#"{"id":"t"}"#; 200].join(",");
    let found = split(&format!(
        r#"{{"action":"a","actor":{{"id":"u"}},"changes":{{"before":{{"b":1}}}},"metadata":{{"a":1,"b":2}},"targets":[{targets}]}}"#
    ));
    assert_eq!(found.len(), 2 + 200 + 2);
    assert!(found.contains(&("/metadata".to_owned(), r#"{"a":1,"b":2}"#.to_owned())));
    assert!(found.contains(&("/changes/before".to_owned(), r#"{"b":1}"#.to_owned())));
}

#[test]
fn a_long_name_folds_by_itself() {
    // "/metadata/" has ten bytes; `~` counts twice, as the name is escaped.
    let (fits, long) = ("x".repeat(1014), "~".repeat(508));
    let found =
        split(&format!(r#"{{"action":"a","actor":{{"id":"u"}},"metadata":{{"{fits}":1,"{long}":2}}}}"#));
    assert_eq!(found[2], ("/metadata".to_owned(), format!(r#"{{"{long}":2}}"#)));
    assert_eq!(found[3].0, format!("/metadata/{fits}"));
}

#[test]
fn bytes_that_are_no_event_are_an_error() {
    for garbage in [
        "",
        "{",
        "[]",
        "{}x",
        r#"{"action"}"#,
        r#"{"action":}"#,
        r#"{"action":"a""#,
        r#"{"actor":1}"#,
        r#"{"a":"\"#,
        r#"{"targets":[1]}"#,
        r#"{"a":1 ,"b":2}"#,
        r#"{"a":[1}"#,
    ] {
        let mut called = false;
        let result = units(garbage.as_bytes(), &mut UnitScratch::default(), |_, _| called = true);
        assert!(result.is_err() && !called, "{garbage}");
    }
    assert_eq!(units(b"{\"\xff\":1}", &mut UnitScratch::default(), |_, _| ()), Err(UnitsError { at: 2 }));
}

#[test]
fn units_that_make_no_event_are_named() {
    let check = |units: &[(&str, &str)], expected: Expect| {
        let result = rebuild(units.iter().map(|(name, value)| (*name, value.as_bytes())));
        expected.assert_eq(
            &result.map_or_else(|error| error.to_string(), |bytes| String::from_utf8(bytes).unwrap()),
        );
    };
    check(&[("/metadata/a", "1")], expect!["the envelope is not the first unit"]);
    check(&[("", "[]")], expect!["the unit `` has no place in the event"]);
    check(&[("", r#"{"description":"d"}"#)], expect!["the unit `` has no place in the event"]);
    check(&[("", "{}"), ("/action", "1")], expect!["the unit `/action` has no place in the event"]);
    check(&[("", "{}"), ("/targets/0", "{}")], expect!["the unit `/targets/0` has no place in the event"]);
    check(
        &[("", "{}"), ("/metadata/a/b", "1")],
        expect!["the unit `/metadata/a/b` has no place in the event"],
    );
    check(&[("", "{}"), ("/metadata/~2", "1")], expect!["the unit `/metadata/~2` has no place in the event"]);
    check(&[("", "{}"), ("/x", "1,2")], expect!["the value of the unit `/x` is not canonical JSON"]);
    check(&[("", "{}"), ("/x", "[ 1]")], expect!["the value of the unit `/x` is not canonical JSON"]);
    check(&[("", "{}"), ("/x", "1"), ("/x", "2")], expect!["the unit `` repeats a member"]);
    check(
        &[("", "{}"), ("/metadata", r#"{"a":1}"#), ("/metadata/a", "2")],
        expect!["the unit `metadata` repeats a member"],
    );
    // Of what was erased or withheld, the rest still makes an event.
    check(
        &[("", r#"{"action":"a","targets":["v",null]}"#)],
        expect![[r#"{"action":"a","targets":[{"type":"v"},{}]}"#]],
    );
}
