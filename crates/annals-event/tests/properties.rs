//! What must hold for every event, asked of generated ones.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use annals_event::json::{Document, Limits, compare_names};
use annals_event::{Normalised, Rules, Scratch, UnitScratch, normalise, rebuild, units};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

/// Texts that try every way of escaping, pointing and sorting.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z0-9_.-]{0,12}",
        1 => "[~/\"\\\\\u{0}\u{1}\u{7f}\n\té\u{e000}\u{ffff}\u{10000}\u{1f600}a]{0,6}",
        1 => any::<String>(),
    ]
}

/// A JSON text of any shape, with white space, unsorted names and needless escapes.
fn json_text(depth: u32) -> impl Strategy<Value = String> {
    let number = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| format!("{n:e}")),
        Just("1e400".to_owned()),
        Just("-0".to_owned()),
        Just("1.0".to_owned()),
        Just("9007199254740993".to_owned()),
    ];
    let leaf =
        prop_oneof![Just("null".to_owned()), any::<bool>().prop_map(|b| b.to_string()), number, quoted(),];
    leaf.prop_recursive(depth, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(|items| format!("[ {} ]", items.join(" ,\n"))),
            object(inner),
        ]
    })
}

fn quoted() -> impl Strategy<Value = String> {
    (text(), any::<bool>()).prop_map(|(text, escape)| {
        if escape {
            let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
            format!("\"{units}\"")
        } else {
            serde_json::to_string(&text).unwrap()
        }
    })
}

/// An object with distinct names out of values of one kind.
fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    vec((text(), value), 0..6).prop_map(|members| members_text(members, ""))
}

/// Joins members, the first of a name wins; `more` is put in front as it is.
fn members_text(members: Vec<(String, String)>, more: &str) -> String {
    let mut seen = std::collections::BTreeSet::new();
    let mut parts: Vec<String> = Vec::new();
    if !more.is_empty() {
        parts.push(more.to_owned());
    }
    for (name, value) in members {
        if seen.insert(name.clone()) {
            parts.push(format!("{} : {value}", serde_json::to_string(&name).unwrap()));
        }
    }
    format!("{{{}}}", parts.join(" , "))
}

/// An event the model accepts, with any free-form parts and unknown members.
fn event() -> impl Strategy<Value = String> {
    // Names that stand between, before and after those of the model.
    let name = || {
        prop_oneof![
        "(context-|context0|outcome\\.|targets0|targets\u{e000}|i|ie|aa|changes/|type0|\u{0}|~|\u{10000})[a-z]{0,2}",
        text().prop_map(|name| format!("x{name}")),
    ].prop_filter("unknown", |name| !matches!(name.as_str(), "id" | "ip"))
    };
    let unknown = || vec((name(), json_text(2)), 0..3);
    let target = || {
        (proptest::option::of(quoted()), proptest::option::of(quoted()), unknown()).prop_map(
            |(kind, name, more)| {
                let kind = kind.map_or(String::new(), |kind| format!(r#","type":{kind}"#));
                let name = name.map_or(String::new(), |name| format!(r#","name":{name}"#));
                members_text(more, &format!(r#""id":"t"{kind}{name}"#))
            },
        )
    };
    let object = || object(json_text(3));
    (
        (vec(target(), 0..14), unknown(), object()),
        (proptest::option::of(object()), json_text(3), proptest::option::of(object())),
        (quoted(), proptest::option::of(quoted()), unknown(), unknown()),
        (unknown(), proptest::option::of(any::<u64>())),
    )
        .prop_map(
            |(
                (targets, context, actor),
                (metadata, before, after),
                (ip, agent, changes, outcome),
                (top, seq),
            )| {
                let mut known = vec![
                    r#""action":"thing.done""#.to_owned(),
                    format!(r#""actor":{{"id":"u1","credential":{{"type":null}},"metadata":{actor}}}"#),
                    format!(r#""context":{}"#, members_text(context, &format!(r#""ip":{ip}"#))),
                    format!(
                        r#""changes":{}"#,
                        members_text(
                            changes,
                            &format!(
                                r#""before":{before}{}"#,
                                after.map_or(String::new(), |after| format!(r#","after":{after}"#))
                            )
                        )
                    ),
                    format!(r#""outcome":{}"#, members_text(outcome, r#""result":"success""#)),
                    format!(r#""targets":[{}]"#, targets.join(",")),
                ];
                known.extend(agent.map(|agent| format!(r#""description":{agent}"#)));
                known.extend(metadata.map(|metadata| format!(r#""metadata":{metadata}"#)));
                known.extend(seq.map(|seq| format!(r#""source":{{"seq":{seq},"name":"billing"}}"#)));
                members_text(top, &known.join(", "))
            },
        )
}

fn canonical(sent: &str) -> Vec<u8> {
    let (mut scratch, mut out) = (Scratch::default(), Normalised::default());
    normalise(sent.as_bytes(), &Rules::default(), &mut scratch, &mut out)
        .unwrap_or_else(|e| panic!("{e:?}: {sent}"));
    out.bytes().to_vec()
}

fn all_units(canonical: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    units(canonical, &mut UnitScratch::default(), |name, value| {
        found.push((name.to_owned(), value.to_vec()))
    })
    .unwrap();
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn canonical_bytes_normalise_to_themselves(sent in event()) {
        let once = canonical(&sent);
        let twice = canonical(str::from_utf8(&once).unwrap());
        prop_assert_eq!(String::from_utf8(once).unwrap(), String::from_utf8(twice).unwrap());
    }

    #[test]
    fn every_event_is_rebuilt_byte_exactly_from_its_units_alone(sent in event()) {
        let canonical = canonical(&sent);
        let units = all_units(&canonical);
        let rebuilt = rebuild(units.iter().map(|(name, value)| (name.as_str(), value.as_slice()))).unwrap();
        prop_assert_eq!(String::from_utf8(rebuilt).unwrap(), String::from_utf8(canonical).unwrap());
    }

    #[test]
    fn units_are_in_the_strict_order_of_their_names(sent in event()) {
        let units = all_units(&canonical(&sent));
        prop_assert!(units.is_sorted_by(|a, b| a.0.as_bytes() < b.0.as_bytes()));
        prop_assert_eq!(units[0].0.as_str(), "");
    }

    #[test]
    fn free_form_parts_mean_the_same_to_serde_json(metadata in object(json_text(4)), before in json_text(4)) {
        let sent = format!(
            r#"{{"metadata":{metadata},"changes":{{"before":{before}}},"action":"a","actor":{{"id":"u"}}}}"#
        );
        // Numbers beyond a double are the one thing serde_json cannot read; ours keeps their digits.
        prop_assume!(!sent.contains("e400"));
        let canonical: Value = serde_json::from_slice(&canonical(&sent)).unwrap();
        let sent: Value = serde_json::from_str(&sent).unwrap();
        let nothing = Value::Object(serde_json::Map::new());
        prop_assert_eq!(canonical.get("metadata").unwrap_or(&nothing), &sent["metadata"]);
        prop_assert_eq!(&canonical["changes"]["before"], &sent["changes"]["before"]);
    }

    #[test]
    fn names_sort_as_their_utf_16_units_do(a in text(), b in text()) {
        prop_assert_eq!(compare_names(&a, &b), a.encode_utf16().cmp(b.encode_utf16()));
    }

    #[test]
    fn valid_texts_are_accepted_with_canonical_bytes_of_the_same_meaning(sent in json_text(5)) {
        prop_assume!(!sent.contains("e400"));
        let mut document = Document::default();
        let mut out = Vec::new();
        document.parse(sent.as_bytes(), Limits { depth_max: 64 }).unwrap().write_canonical(&mut out);
        let (ours, theirs): (Value, Value) = (serde_json::from_slice(&out).unwrap(), serde_json::from_str(&sent).unwrap());
        prop_assert_eq!(ours, theirs);
    }

    /// Broken texts, made by changing one byte of a good one: both scanners agree on whether it is JSON.
    #[test]
    fn broken_texts_are_refused_where_serde_json_refuses_them(
        sent in json_text(3), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        use annals_event::Code;
        let mut bytes = sent.into_bytes();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        let mut document = Document::default();
        let ours = document.parse(&bytes, Limits { depth_max: 64 }).map(|_| ());
        match (ours, serde_json::from_slice::<Value>(&bytes)) {
            (Ok(()), Ok(_)) => {}
            (Err(error), Ok(_)) => prop_assert_eq!(error.code, Code::DuplicateMember),
            (Ok(()), Err(error)) => prop_assert!(error.to_string().contains("number out of range"), "{}", error),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn garbage_never_panics(mut bytes in vec(any::<u8>(), 0..200), sent in event(), at in any::<prop::sample::Index>()) {
        let (mut scratch, mut out) = (Scratch::default(), Normalised::default());
        let _ignored = normalise(&bytes, &Rules::default(), &mut scratch, &mut out);
        let _ignored = units(&bytes, &mut UnitScratch::default(), |_, _| ());
        let _ignored = rebuild([("", bytes.as_slice()), ("/targets/0", bytes.as_slice())]);
        let _ignored = annals_event::json::split_array(&bytes).count();
        bytes = canonical(&sent);
        let at = at.index(bytes.len());
        bytes[at] = bytes[at].wrapping_add(1);
        let _ignored = units(&bytes, &mut UnitScratch::default(), |_, _| ());
        bytes.truncate(at);
        let _ignored = units(&bytes, &mut UnitScratch::default(), |_, _| ());
    }

    #[test]
    fn an_id_goes_to_its_sorted_place(sent in event()) {
        let (mut scratch, mut out) = (Scratch::default(), Normalised::default());
        normalise(sent.as_bytes(), &Rules::default(), &mut scratch, &mut out).unwrap();
        out.insert_id("an \"id\"").unwrap();
        let with_id = String::from_utf8(out.bytes().to_vec()).unwrap();
        prop_assert_eq!(String::from_utf8(canonical(&with_id)).unwrap(), with_id);
        prop_assert_eq!(out.id(), Some("an \"id\""));
    }

    #[test]
    fn an_array_splits_into_the_items_it_was_made_of(items in vec(json_text(3), 0..6)) {
        let body = format!(" [ {} ] ", items.join(" , "));
        let split: Vec<&[u8]> = annals_event::json::split_array(body.as_bytes()).collect::<Result<_, _>>().unwrap();
        let trimmed: Vec<&[u8]> = items.iter().map(|item| item.trim().as_bytes()).collect();
        prop_assert_eq!(split, trimmed);
    }
}
