//! Events in, canonical bytes or refusals out.

use expect_test::{Expect, expect};

use super::*;

/// Normalises and shows the bytes and warnings, or the refusal.
#[track_caller]
fn check(sent: &str, expected: Expect) {
    check_with(sent, &Rules::default(), expected);
}

#[track_caller]
fn check_with(sent: &str, rules: &Rules, expected: Expect) {
    let (mut scratch, mut out) = (Scratch::default(), Normalised::default());
    let shown = match normalise(sent.as_bytes(), rules, &mut scratch, &mut out) {
        Ok(()) => {
            let warnings =
                out.warnings().iter().map(|w| format!("\n{} at {}: {}", w.code, w.pointer, w.message));
            str::from_utf8(out.bytes()).unwrap().to_owned() + &warnings.collect::<String>()
        }
        Err(r) => format!("{} at {}: {}", r.code, r.pointer, r.message),
    };
    expected.assert_eq(&shown);
}

/// A good event with `more` members.
fn with(more: &str) -> String {
    format!(r#"{{"action":"a.b","actor":{{"id":"u"}},{more}}}"#)
}

fn normalised(sent: &str) -> Normalised {
    let mut out = Normalised::default();
    normalise(sent.as_bytes(), &Rules::default(), &mut Scratch::default(), &mut out).unwrap();
    out
}

#[test]
fn absent_members_of_the_model_are_dropped_at_every_level() {
    check(
        &with(
            r#""description":null,"context":{"ip":null},"targets":[],"metadata":{},"outcome":{"result":null},
               "request":{},"changes":{},"operation":null,"occurred_at":null,"id":null,"tenant":null"#,
        ),
        expect![[r#"{"action":"a.b","actor":{"id":"u"}}"#]],
    );
    check(
        r#"{"action":"a","actor":{"id":"u","chain":[],"credential":{"id":null},"metadata":{},"name":""},"reason":""}"#,
        expect![[r#"{"action":"a","actor":{"id":"u","name":""},"reason":""}"#]],
    );
}

#[test]
fn free_form_parts_keep_everything() {
    check(
        &with(
            r#""metadata":{"b":null,"a":{},"c":[null,{}],"n":1.00},"changes":{"before":null,"after":{"x":{}, "a":null}}"#,
        ),
        expect![[
            r#"{"action":"a.b","actor":{"id":"u"},"changes":{"after":{"a":null,"x":{}},"before":null},"metadata":{"a":{},"b":null,"c":[null,{}],"n":1.00}}"#
        ]],
    );
    check(
        &with(r#""changes":{"before":{},"after":7}"#),
        expect![[r#"{"action":"a.b","actor":{"id":"u"},"changes":{"after":7,"before":{}}}"#]],
    );
}

#[test]
fn unknown_members_are_kept_and_named_or_refused_when_strict() {
    let sent = with(r#""zone":null,"context":{"a/b":{}},"targets":[{"id":"t","size":1}]"#);
    check(
        &sent,
        expect![[r#"
            {"action":"a.b","actor":{"id":"u"},"context":{"a/b":{}},"targets":[{"id":"t","size":1}],"zone":null}
            unknown_member at /context/a~1b: the member `a/b` is not known; it is kept as sent
            unknown_member at /targets/0/size: the member `size` is not known; it is kept as sent
            unknown_member at /zone: the member `zone` is not known; it is kept as sent"#]],
    );
    check_with(
        &sent,
        &Rules::default().with_strict(true),
        expect!["unknown_member at /context/a~1b: the member `a/b` is not known"],
    );
    check(
        &with(&format!(r#""{}":1"#, "n".repeat(1025))),
        expect!["length at : the name of an unknown member has 1025 bytes, at most 1024 are allowed"],
    );
}

#[test]
fn warnings_are_bounded() {
    let many: Vec<String> = (0..100).map(|i| format!(r#""x{i}":1"#)).collect();
    let event = normalised(&with(&many.join(",")));
    assert_eq!(event.warnings().len(), WARNINGS_MAX + 1);
    assert_eq!(event.warnings()[WARNINGS_MAX].code, WarningCode::More);
    assert_eq!(event.warnings()[WARNINGS_MAX].message, "36 more warnings are not listed");
}

#[test]
fn required_members_are_required() {
    check("{}", expect!["required at /action: the event has no `action`"]);
    check(r#"{"actor":{"id":"u"},"action":null}"#, expect!["required at /action: the event has no `action`"]);
    check(r#"{"action":"a"}"#, expect!["required at /actor: the event has no `actor`"]);
    check(r#"{"action":"a","actor":null}"#, expect!["required at /actor: the event has no `actor`"]);
    check(
        r#"{"action":"a","actor":{"name":"Ana","id":"","type":null}}"#,
        expect!["required at /actor: the actor has neither a `type` nor an `id`"],
    );
    check(
        r#"{"action":"a","actor":{}}"#,
        expect!["required at /actor: the actor has neither a `type` nor an `id`"],
    );
    check(
        r#"{"action":"a","actor":{"type":"system"}}"#,
        expect![[r#"{"action":"a","actor":{"type":"system"}}"#]],
    );
}

#[test]
fn types_are_checked() {
    check("[]", expect!["not_object at : the event is an array, not an object"]);
    check(r#""x""#, expect!["not_object at : the event is a string, not an object"]);
    check(&with(r#""description":7"#), expect!["type at /description: the value is a number, not a string"]);
    check(&with(r#""context":[]"#), expect!["type at /context: the value is an array, not an object"]);
    check(&with(r#""targets":{}"#), expect!["type at /targets: the value is an object, not an array"]);
    check(&with(r#""targets":["t"]"#), expect!["type at /targets/0: the value is a string, not an object"]);
    check(&with(r#""metadata":[1]"#), expect!["type at /metadata: the value is an array, not an object"]);
    check(
        &with(r#""changes":{"complete":1}"#),
        expect!["type at /changes/complete: the value is a number, not a boolean"],
    );
    check(
        r#"{"action":"a","actor":{"id":"u","credential":{"id":{}}}}"#,
        expect!["type at /actor/credential/id: the value is an object, not a string"],
    );
    check(
        &with(r#""targets":[{"id":"a"},{"metadata":"x"}]"#),
        expect!["type at /targets/1/metadata: the value is a string, not an object"],
    );
}

#[test]
fn items_of_the_model_must_say_something() {
    check(&with(r#""targets":[null]"#), expect!["empty at /targets/0: the item is null"]);
    check(
        &with(r#""targets":[{"id":"t"},{"id":null}]"#),
        expect!["empty at /targets/1: the item has no members"],
    );
    check(
        r#"{"action":"a","actor":{"id":"u","chain":[null]}}"#,
        expect!["empty at /actor/chain/0: the item is null"],
    );
}

#[test]
fn ranges_and_lists_of_words_are_checked() {
    check(
        &with(r#""operation":"Update""#),
        expect![
            "value at /operation: the operation is not one of create, read, update, delete, access, authentication, snapshot, other"
        ],
    );
    check(
        &with(r#""outcome":{"result":"ok"}"#),
        expect!["value at /outcome/result: the result is not one of success, failure, denied, unknown"],
    );
    for bad in ["1000", "-1", "-0", "200.0", "2e2", "99999999999999999999999"] {
        let (mut scratch, mut out) = (Scratch::default(), Normalised::default());
        let sent = with(&format!(r#""request":{{"status_code":{bad}}}"#));
        let rejection = normalise(sent.as_bytes(), &Rules::default(), &mut scratch, &mut out).unwrap_err();
        assert_eq!(
            (rejection.code, rejection.pointer.as_str()),
            (Code::Value, "/request/status_code"),
            "{bad}"
        );
    }
    check(
        &with(r#""request":{"status_code":999}"#),
        expect![[r#"{"action":"a.b","actor":{"id":"u"},"request":{"status_code":999}}"#]],
    );
    check(
        &with(r#""source":{"seq":18446744073709551616}"#),
        expect![
            "value at /source/seq: `18446744073709551616` is not a whole number from 0 to 18446744073709551615, written in digits"
        ],
    );
    check(
        &with(r#""source":{"seq":"1"}"#),
        expect!["type at /source/seq: the value is a string, not a number"],
    );
}

#[test]
fn actions_have_limits() {
    let action = |action: &str| format!(r#"{{"actor":{{"id":"u"}},"action":{action}}}"#);
    check(&action(r#""""#), expect!["length at /action: the action has 0 bytes, 1 to 256 are allowed"]);
    check(
        &action(&format!("\"{}\"", "é".repeat(129))),
        expect!["length at /action: the action has 258 bytes, 1 to 256 are allowed"],
    );
    check(
        &action(r#""annals.start""#),
        expect!["reserved at /action: actions starting with `annals.` are annals' own"],
    );
    check(
        &action(r#""\u0061nnals.start""#),
        expect!["reserved at /action: actions starting with `annals.` are annals' own"],
    );
    check(&action(r#""annals""#), expect![[r#"{"action":"annals","actor":{"id":"u"}}"#]]);
}

#[test]
fn names_annals_adds_are_reserved() {
    for name in ["position", "received_at", "derived", "kind", "leaf", "ledger_seq"] {
        let (mut scratch, mut out) = (Scratch::default(), Normalised::default());
        let sent = with(&format!(r#""{name}":null"#));
        let rejection = normalise(sent.as_bytes(), &Rules::default(), &mut scratch, &mut out).unwrap_err();
        assert_eq!((rejection.code, rejection.pointer), (Code::Reserved, format!("/{name}")));
    }
    assert_eq!(normalised(&with(r#""_x":1,"metadata":{"position":1}"#)).warnings().len(), 1);
}

#[test]
fn the_tenant_is_taken_out_of_the_bytes() {
    let event = normalised(&with(r#""tenant":"acme""#));
    assert_eq!(event.tenant().map(TenantId::as_str), Some("acme"));
    assert_eq!(event.bytes(), br#"{"action":"a.b","actor":{"id":"u"}}"#);
    check(
        &with(r#""tenant":"_annals""#),
        expect!["tenant at /tenant: the tenant id starts with `_` or `.`, which annals keeps for itself"],
    );
    check(
        &with(r#""tenant":"a b""#),
        expect!["tenant at /tenant: the tenant id holds the character U+0020, which is not allowed"],
    );
    check(
        &with(r#""tenant":"""#),
        expect!["tenant at /tenant: the tenant id has 0 bytes, 1 to 128 are allowed"],
    );
}

#[test]
fn ids_are_kept_checked_and_given() {
    let mut event = normalised(&with(r#""id":"e-\u00e9""#));
    assert_eq!(event.id(), Some("e-é"));
    check(&with(r#""id":"""#), expect!["id at /id: the event id has 0 bytes, 1 to 200 are allowed"]);
    check(
        &with(r#""id":"a\u0085""#),
        expect!["id at /id: the event id holds the character U+0085, which is not allowed"],
    );
    check(
        &with(&format!(r#""id":"{}""#, "x".repeat(201))),
        expect!["id at /id: the event id has 201 bytes, 1 to 200 are allowed"],
    );

    event = normalised(&with(r#""id\u0000":1,"ic":2,"tenant":"t","reason":"r""#));
    assert_eq!(event.id(), None);
    assert_eq!(event.insert_id("\u{1}").unwrap_err().code, Code::Id);
    event.insert_id("e\"1").unwrap();
    assert_eq!(
        str::from_utf8(event.bytes()).unwrap(),
        r#"{"action":"a.b","actor":{"id":"u"},"ic":2,"id":"e\"1","id\u0000":1,"reason":"r"}"#
    );
    event = normalised(r#"{"action":"a","actor":{"id":"u"}}"#);
    event.insert_id("e1").unwrap();
    assert_eq!(event.bytes(), br#"{"action":"a","actor":{"id":"u"},"id":"e1"}"#);
}

#[test]
#[should_panic(expected = "the event has an id")]
fn a_clients_id_is_never_overwritten() {
    let _ignored = normalised(&with(r#""id":"e""#)).insert_id("f");
}

#[test]
fn times_are_brought_to_utc_with_microseconds() {
    check(
        &with(r#""occurred_at":"2026-11-21T11:00:59.1234567+01:00""#),
        expect![[r#"
            {"action":"a.b","actor":{"id":"u"},"occurred_at":"2026-11-21T10:00:59.123456Z"}
            precision at /occurred_at: `2026-11-21T11:00:59.1234567+01:00` was cut to microseconds"#]],
    );
    check(
        &with(r#""occurred_at":"2016-12-31T23:59:60Z""#),
        expect![[r#"
            {"action":"a.b","actor":{"id":"u"},"occurred_at":"2016-12-31T23:59:59.999999Z"}
            leap_second at /occurred_at: `2016-12-31T23:59:60Z` names a leap second; it is kept as `2016-12-31T23:59:59.999999Z`"#]],
    );
    check(
        &with(r#""occurred_at":"2026-11-21T10:00:59""#),
        expect![
            "time at /occurred_at: `2026-11-21T10:00:59` is not an RFC 3339 time with an offset, such as `2026-11-21T10:00:59.123456Z`"
        ],
    );
    check(
        &with(r#""occurred_at":1763719259"#),
        expect!["type at /occurred_at: the value is a number, not a string"],
    );
}

#[test]
fn the_chain_is_limited() {
    let chain = |links: usize| {
        let links = vec![r#"{"id":"u"}"#; links].join(",");
        format!(r#"{{"action":"a","actor":{{"id":"u","chain":[{links}]}}}}"#)
    };
    assert!(normalised(&chain(10)).warnings().is_empty());
    check(
        &chain(11),
        expect!["chain_length at /actor/chain: the chain has 11 links, at most 10 are allowed"],
    );
}

#[test]
fn what_the_ledger_needs_is_read_out() {
    let event = normalised(&with(
        r#""operation":"read","occurred_at":"1970-01-01T00:00:01Z","source":{"name":"b\u0069lling","instance":"i1","seq":812}"#,
    ));
    assert_eq!(
        (event.action(), event.operation(), event.operation_is_derived()),
        ("a.b", Operation::Read, false)
    );
    assert_eq!(event.occurred_at(), Timestamp::from_micros(1_000_000));
    assert_eq!(event.source(), Some(Source { name: "billing", instance: "i1", seq: 812 }));
    let event = normalised(r#"{"action":"video.delete","actor":{"id":"u"},"source":{"name":"x"}}"#);
    assert_eq!((event.operation(), event.operation_is_derived()), (Operation::Delete, true));
    assert_eq!(event.source(), None);
}

#[test]
fn an_event_is_limited_in_bytes_as_sent() {
    let sent = with(r#""reason":"r""#);
    let rules = Rules { event_bytes_max: sent.len(), ..Rules::default() };
    check_with(&sent, &rules, expect![[r#"{"action":"a.b","actor":{"id":"u"},"reason":"r"}"#]]);
    let rules = Rules { event_bytes_max: sent.len() - 1, ..Rules::default() };
    check_with(&sent, &rules, expect!["event_bytes at : the event has 48 bytes, at most 47 are allowed"]);
}

#[test]
fn nothing_of_one_event_stays_for_the_next() {
    let (mut scratch, mut out) = (Scratch::default(), Normalised::default());
    let full = with(
        r#""id":"e","tenant":"t","x":1,"operation":"read","occurred_at":"1970-01-01T00:00:01Z","source":{"name":"n","seq":1}"#,
    );
    normalise(full.as_bytes(), &Rules::default(), &mut scratch, &mut out).unwrap();
    assert!(normalise(b"{", &Rules::default(), &mut scratch, &mut out).is_err());
    normalise(br#"{"action":"quux","actor":{"id":"u"}}"#, &Rules::default(), &mut scratch, &mut out).unwrap();
    assert_eq!((out.id(), out.tenant(), out.occurred_at(), out.source()), (None, None, None, None));
    assert!(out.warnings().is_empty() && out.operation_is_derived());
    assert_eq!(out.operation(), Operation::Other);
}

#[test]
fn the_tables_of_the_model_are_sorted() {
    for table in [
        model::EVENT,
        model::ACTOR,
        model::CHAIN_LINK,
        model::CREDENTIAL,
        model::TARGET,
        model::CONTEXT,
        model::REQUEST,
        model::TRACE,
        model::OUTCOME,
        model::CHANGES,
        model::SCOPE,
        model::SOURCE,
    ] {
        assert!(table.is_sorted_by(|a, b| a.name < b.name && a.prefix <= b.prefix));
    }
}

/// The reference names every code and warning; a new one has to be explained there.
#[test]
fn the_reference_lists_every_code_and_member() {
    let Ok(reference) =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/event.md"))
    else {
        eprintln!("skipped: the repository's docs are not beside this crate");
        return;
    };
    let codes = Code::ALL.iter().map(|code| code.as_str());
    let warnings = WarningCode::ALL.iter().map(|code| code.as_str());
    let members = model::EVENT.iter().map(|member| member.name);
    for word in codes.chain(warnings).chain(members) {
        assert!(
            reference.contains(&format!("`{word}`")),
            "docs/reference/event.md does not explain `{word}`"
        );
    }
    for (_, words) in crate::operation::VERBS.iter().chain(crate::operation::NOUNS) {
        for word in *words {
            let found = reference.split(|c: char| !c.is_alphanumeric()).any(|other| other == *word);
            assert!(found, "docs/reference/event.md does not list the verb {word}");
        }
    }
}
