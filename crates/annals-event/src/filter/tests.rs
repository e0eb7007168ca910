//! The rules one by one: what is read, what is refused and how, what is found.

use expect_test::{Expect, expect};

use super::*;
use crate::json::{Document, Limits};

mod refusals;
mod texts;

/// An event with something of everything.
const EVENT: &str = r#"{"action":"video.update","actor":{"chain":[{"id":"c1","type":"service"}],"email":"Ana@Example.com",
"id":"u1","metadata":{"n":1.0},"name":"Ana Straße","type":"user"},"changes":{"after":{"name":"Keynote"},"before":"draft",
"complete":true},"context":{"ip":"::ffff:10.1.2.3"},"description":"","id":"e1","metadata":{"big":9007199254740993,
"deep":[[{"k":"v"}],null],"empty":{},"huge":1e400,"none":null,"odd.key":"x","say":"a \"quote\" \\ back\nline",
"session_id":"s1","tags":["red","Blue"]},"outcome":{"result":"success"},"request":{"status_code":200},
"source":{"seq":18446744073709551615},"targets":[{"id":"v8","type":"video"},{"id":"v9","type":"folder"}],"zone":"a"}"#;

fn known(tenant: &TenantId) -> Known<'_> {
    Known {
        occurred_at: Timestamp::parse("2026-11-21T10:00:59Z").unwrap(),
        received_at: Timestamp::parse("2026-11-21T10:01:00Z").unwrap(),
        operation: Operation::Update,
        position: Position(1841),
        tenant,
    }
}

fn holds_for(condition: &Condition, event: &str) -> bool {
    let tenant = TenantId::new("acme").unwrap();
    let mut document = Document::default();
    let event = document.parse(event.as_bytes(), Limits { depth_max: 64 }).unwrap();
    condition.holds(&Subject { event, known: known(&tenant) })
}

/// Whether each filter finds [`EVENT`].
#[track_caller]
fn finds(wanted: bool, filters: &[&str]) {
    for filter in filters {
        let condition = parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
        assert_eq!(holds_for(&condition, EVENT), wanted, "{filter}");
    }
}

/// What a filter reads as, or its error with the place below it.
fn read(filter: &str) -> String {
    match parse(filter) {
        Ok(condition) => {
            let written = condition.to_string();
            assert_eq!(parse(&written).as_ref(), Ok(&condition), "{written}");
            written
        }
        Err(error) => format!("{}: {error}", error.at),
    }
}

#[track_caller]
fn check(filters: &[&str], expected: Expect) {
    let read: Vec<String> =
        filters.iter().map(|filter| format!("{filter}\n    {}\n", read(filter))).collect();
    expected.assert_eq(&read.concat());
}

fn asked(pairs: &[(&str, &str)]) -> String {
    match from_parameters(pairs) {
        Ok(condition) => condition.to_string(),
        Err(error) => format!("{} ({:?}): {error}", error.parameter, error.problem),
    }
}

#[track_caller]
fn check_parameters(requests: &[&[(&str, &str)]], expected: Expect) {
    let shown = |pairs: &[(&str, &str)]| {
        let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("&")
    };
    let read: Vec<String> =
        requests.iter().map(|pairs| format!("{}\n    {}\n", shown(pairs), asked(pairs))).collect();
    expected.assert_eq(&read.concat());
}

fn words_of(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    each_word(text, &mut |word| words.push(word.to_owned()));
    words
}

#[test]
fn each_operator_finds_what_it_says() {
    finds(
        true,
        &[
            r#"actor.id eq "u1""#,
            r#"actor.id ne "u2""#,
            r#"actor.email co "@Example""#,
            r#"actor.email sw "Ana""#,
            r#"actor.email ew ".com""#,
            r#"actor.email ieq "ana@EXAMPLE.com""#,
            r#"actor.name ico "STRASSE""#,
            r#"actor.name isw "ANA""#,
            r#"actor.name iew "strasse""#,
            r#"actor.id gt "u0" and actor.id ge "u1" and actor.id lt "u2" and actor.id le "u1""#,
            "request.status_code gt 199.5 and request.status_code le 2e2",
            "source.seq eq 18446744073709551615",
            "changes.complete eq true",
            "changes.complete ne false",
            r#"context.ip cidr "10.0.0.0/8""#,
            r#"context.ip cidr "::ffff:10.0.0.0/104""#,
            r#"context.ip cidr "10.1.2.3""#,
        ],
    );
    finds(
        false,
        &[
            r#"actor.id eq "U1""#,
            r#"actor.id ne "u1""#,
            r#"actor.email co "@example""#,
            r#"actor.name iew "strass""#,
            r#"actor.id gt "u1""#,
            "request.status_code lt 200",
            "source.seq gt 18446744073709551614.9 and source.seq lt 18446744073709551615",
            r#"context.ip cidr "11.0.0.0/8""#,
            r#"context.ip cidr "::/0""#,
            r#"actor.name cidr "0.0.0.0/0""#,
        ],
    );
}

#[test]
fn present_is_a_value_that_says_something() {
    finds(
        true,
        &[
            "actor pr",
            "targets pr",
            "metadata.tags pr",
            "metadata.deep pr",
            "metadata.big pr",
            "changes.complete pr",
        ],
    );
    finds(true, &["changes.before ne null", "description eq null", "trace eq null", "not (trace pr)"]);
    finds(
        false,
        &[
            "description pr",
            "metadata.none pr",
            "metadata.empty pr",
            "trace.span_id pr",
            "context.ip eq null",
        ],
    );
}

#[test]
fn an_absent_member_does_not_have_the_value() {
    finds(true, &[r#"trace.span_id ne "x""#, r#"not (trace.span_id eq "x")"#]);
    finds(false, &[r#"trace.span_id eq """#, r#"trace.span_id lt "z""#, r#"not (trace.span_id ne "x")"#]);
}

#[test]
fn paths_pass_through_arrays_and_a_test_wants_some_value() {
    finds(true, &[r#"targets.id eq "v9""#, r#"metadata.tags eq "red""#, r#"metadata.deep.k eq "v""#]);
    finds(true, &[r#"actor.chain.id eq "c1""#, r#"targets.type eq "video" or targets.type eq "x""#]);
    // Some target is not of the type; but `ne` says that none is.
    finds(false, &[r#"targets.type ne "video""#, r#"metadata.tags eq "blue""#]);
}

#[test]
fn what_and_joins_about_one_array_holds_for_one_element() {
    finds(true, &[r#"targets.type eq "folder" and targets.id eq "v9""#]);
    finds(true, &[r#"targets[type eq "folder" and id eq "v9"]"#]);
    finds(true, &[r#"targets[type eq "video"] and targets[id eq "v9"]"#]);
    finds(true, &[r#"targets.type eq "video" and not (targets.id ne "v9")"#]);
    finds(false, &[r#"targets.type eq "video" and targets.id eq "v9""#]);
    finds(false, &[r#"targets.type eq "video" and action pr and targets.id eq "v9""#]);
    finds(false, &[r#"targets.type eq "video" and (action pr and targets.id eq "v9")"#]);
    finds(false, &[r#"(targets.type eq "video" or targets.type eq "x") and targets.id eq "v9""#]);
    finds(true, &[r#"(targets.type eq "folder" or targets.type eq "x") and targets.id eq "v9""#]);
    finds(false, &[r#"targets[type eq "video" and id eq "v9"]"#, r#"targets[not (type pr)]"#]);
    finds(true, &[r#"targets[not (type eq "video")]"#, r#"actor[type eq "user" and id eq "u1"]"#]);
    check(
        &[
            r#"targets.type eq "a" and action eq "x" and (targets.id eq "1" or targets.id eq "2")"#,
            r#"targets.type eq "a" and actor.chain.id eq "x" and targets.id pr and actor.chain.type eq "y""#,
            r#"targets.type eq "a" or targets.id eq "b""#,
            r#"action pr or targets.type eq "a" and targets.id eq "b""#,
            r#"targets.type eq "a" and (targets.id eq "b" or action pr)"#,
            r#"not (targets.type eq "a" and targets.id eq "b")"#,
            r#"targets.type eq "a" and targets.id ne "b" and targets.name pr"#,
            r#"targets.id eq "v" and (targets.name eq "a" or targets.type eq "b" and targets.metadata.k eq 1)"#,
        ],
        expect![[r#"
            targets.type eq "a" and action eq "x" and (targets.id eq "1" or targets.id eq "2")
                targets[type eq "a" and (id eq "1" or id eq "2")] and action eq "x"
            targets.type eq "a" and actor.chain.id eq "x" and targets.id pr and actor.chain.type eq "y"
                targets[type eq "a" and id pr] and actor.chain[id eq "x" and type eq "y"]
            targets.type eq "a" or targets.id eq "b"
                targets.type eq "a" or targets.id eq "b"
            action pr or targets.type eq "a" and targets.id eq "b"
                action pr or targets[type eq "a" and id eq "b"]
            targets.type eq "a" and (targets.id eq "b" or action pr)
                targets.type eq "a" and (targets.id eq "b" or action pr)
            not (targets.type eq "a" and targets.id eq "b")
                not (targets[type eq "a" and id eq "b"])
            targets.type eq "a" and targets.id ne "b" and targets.name pr
                targets[type eq "a" and name pr] and targets.id ne "b"
            targets.id eq "v" and (targets.name eq "a" or targets.type eq "b" and targets.metadata.k eq 1)
                targets[id eq "v" and (name eq "a" or type eq "b" and metadata.k eq 1)]
        "#]],
    );
}

#[test]
fn numbers_are_compared_digit_for_digit() {
    finds(
        true,
        &["metadata.big eq 9007199254740993", "metadata.big gt 9007199254740992", "metadata.huge gt 9e399"],
    );
    finds(true, &["actor.metadata.n eq 1", "actor.metadata.n eq 10e-1", "metadata.huge eq 10e399"]);
    finds(
        false,
        &["metadata.big eq 9007199254740992", "metadata.huge eq 1e401", "metadata.huge eq 1e999999999"],
    );
}

#[test]
fn a_value_of_another_kind_never_passes() {
    finds(
        false,
        &[r#"metadata.big eq "9007199254740993""#, "metadata.session_id eq 5", "metadata.session_id ge 0"],
    );
    finds(false, &["metadata.big eq true", r#"metadata.big co "9""#]);
    finds(true, &[r#"metadata.big ne "9007199254740993""#]);
}

#[test]
fn what_annals_knows_is_asked_beside_the_members() {
    finds(
        true,
        &[r#"occurred_at ge "2026-11-21T11:00:59+01:00" and received_at gt "2026-11-21T10:00:59.999999Z""#],
    );
    finds(
        true,
        &[r#"occurred_at eq "2026-11-21T10:00:59Z""#, r#"operation eq "update""#, "position eq 1841.0"],
    );
    finds(true, &[r#"tenant eq "acme""#, "position lt 1842", r#"operation ico "DAT""#, "occurred_at pr"]);
    // In quotes they are the members as they were sent.
    finds(false, &[r#""operation" pr"#, r#""occurred_at" pr"#, "position ge 1842", r#"tenant sw "b""#]);
}

#[test]
fn times_finer_than_microseconds_bound_exactly() {
    let read = |operator: &str| read(&format!("occurred_at {operator} \"2026-11-21T10:00:59.1234567Z\""));
    assert_eq!(read("ge"), "occurred_at gt \"2026-11-21T10:00:59.123456Z\"");
    assert_eq!(read("lt"), "occurred_at le \"2026-11-21T10:00:59.123456Z\"");
    assert_eq!(read("gt"), "occurred_at gt \"2026-11-21T10:00:59.123456Z\"");
    assert_eq!(read("le"), "occurred_at le \"2026-11-21T10:00:59.123456Z\"");
    let span = |since, until| from_parameters(&[("since", since), ("until", until)]).is_ok();
    assert!(span("2026-11-21T10:00:59.123456Z", "2026-11-21T10:00:59.1234561Z"));
    assert!(!span("2026-11-21T10:00:59.1234561Z", "2026-11-21T10:00:59.1234569Z"));
}

#[test]
fn a_time_between_the_last_microsecond_and_the_end_of_the_calendar_bounds_exactly() {
    let tenant = TenantId::new("acme").unwrap();
    let last = Known { occurred_at: Timestamp::MAX, received_at: Timestamp::MAX, ..known(&tenant) };
    let end = "9999-12-31T23:59:59.9999999Z";
    for (parameter, operator, expected) in [("since", "ge", false), ("until", "lt", true)] {
        for (prefix, field) in [("", "occurred_at"), ("received_", "received_at")] {
            let asked = from_parameters(&[(format!("{prefix}{parameter}"), end)]).unwrap();
            assert_eq!(asked.decide(&last), Some(expected), "{asked}");
            let filter = parse(&format!("{field} {operator} \"{end}\"")).unwrap();
            assert_eq!(filter.decide(&last), Some(expected), "{filter}");
        }
    }
    let span = |since, until| from_parameters(&[("since", since), ("until", until)]).is_ok();
    assert!(span("9999-12-31T23:59:59.999999Z", end));
    assert!(!span(end, "9999-12-31T23:59:59.99999999Z"));
}

#[test]
fn so_many_tests_fold_and_no_more() {
    for operator in ["ieq", "ICO", "isw", "iew"] {
        let tests = |count| vec![format!("reason {operator} \"x\""); count].join(" or ");
        assert!(parse(&tests(FILTER_FOLDED_MAX)).is_ok());
        let filter = format!("action eq \"a\" and ({})", tests(FILTER_FOLDED_MAX + 1));
        let error = parse(&filter).unwrap_err();
        assert_eq!(
            error.message,
            "the filter has more than 32 of `ieq`, `ico`, `isw` and `iew`; look for words by `q`, or ask in several requests"
        );
        assert_eq!(error.at, filter.rfind(operator).unwrap());
        let asked = from_parameters(&[("action", "a"), ("filter", &filter)]).unwrap_err();
        assert_eq!((asked.parameter.as_str(), asked.message), ("filter", error.message));
    }
}

#[test]
fn texts_to_choose_from_are_sorted_and_stand_once() {
    let sorted = ["a", "b", "c", "\u{e9}", "\u{ff5e}", "\u{1f3ac}"];
    let mixed = ["c", "\u{1f3ac}", "a", "\u{ff5e}", "c", "b", "\u{e9}", "a"];
    let expected = Condition::Field(
        Field::Member(Path::new(&["actor", "id"])),
        Test::In(sorted.iter().map(|text| Literal::Text((*text).into())).collect()),
    );
    let built = Condition::texts(&["actor", "id"], mixed);
    assert_eq!(built, expected);
    let pairs = mixed.map(|text| ("actor_id", text));
    assert_eq!(from_parameters(&pairs).unwrap(), expected);
    let filter = mixed.map(|text| format!("actor.id eq \"{text}\"")).join(" or ");
    assert_eq!(parse(&filter).unwrap(), expected);
    let nested = format!("({}) or actor.id eq \"b\" or ({filter})", filter.replace(" or ", ") or ("));
    let nested = nested.replacen("(actor", "((actor", 1).replacen(')', "))", 1);
    assert_eq!(parse(&nested).unwrap(), expected);
    // What is no text has no such order, and stays as it was asked.
    let several = "metadata.n eq \"b\" or metadata.n eq 5 or metadata.n eq \"a\" or metadata.n eq \"b\"";
    assert_eq!(read(several), several);
}

#[test]
fn names_in_quotes_are_taken_as_they_are() {
    finds(
        true,
        &[r#"metadata."odd.key" eq "x""#, r#""zone" eq "a""#, r#""zone" eq "a""#, r#"actor."id" eq "u1""#],
    );
    finds(true, &[r#""metadata"."odd\u002ekey" pr"#, r#"metadata.say co "\"quote\" \\ back\nline""#]);
    finds(false, &[r#"actor."foo" pr"#, r#""x-y".z pr"#]);
    check(
        &[
            r#"actor."foo".bar pr"#,
            r#""x-y"."a b".c pr"#,
            r#""operation" eq "update""#,
            r#""occurred_at" sw "2026-""#,
            r#""leaf" pr"#,
            r#""actor"."id" pr"#,
            r#"metadata.and pr"#,
            r#"metadata[not."or" pr]"#,
            r#"changes.before eq "draft" or changes.after.name eq "b""#,
        ],
        expect![[r#"
            actor."foo".bar pr
                actor."foo".bar pr
            "x-y"."a b".c pr
                "x-y"."a b".c pr
            "operation" eq "update"
                "operation" eq "update"
            "occurred_at" sw "2026-"
                "occurred_at" sw "2026-"
            "leaf" pr
                "leaf" pr
            "actor"."id" pr
                actor.id pr
            metadata.and pr
                metadata."and" pr
            metadata[not."or" pr]
                9: `not` is not before `(`; write `not (actor.id eq "u1")`
            changes.before eq "draft" or changes.after.name eq "b"
                changes.before eq "draft" or changes.after.name eq "b"
        "#]],
    );
}

#[test]
fn operators_bind_as_scim_says_and_are_taken_in_any_case() {
    check(
        &[
            r#"action eq "a" or action eq "b" and id eq "c""#,
            r#"(action eq "a" or reason pr) and id eq "c""#,
            r#"action EQ "a" AND NOT (id Pr OR reason pr)"#,
            r#"not(id pr)and(action pr)"#,
            r#"((((action pr))))"#,
            r#"(action pr and id pr) and (reason pr and severity pr)"#,
            r#"action eq "a" or (action eq "b" or id pr)"#,
            r#"not (not (id ne "x"))"#,
            r#"context.ip cidr "10.1.2.3/8" or context.ip cidr "2001:db8::1""#,
            r#"occurred_at ge "2026-11-21t11:00:59+01:00""#,
            r#"metadata.n eq -0 or metadata.n eq 1.50e3 or metadata.n eq 1e400 or metadata.n eq 0.00125"#,
        ],
        expect![[r#"
            action eq "a" or action eq "b" and id eq "c"
                action eq "a" or action eq "b" and id eq "c"
            (action eq "a" or reason pr) and id eq "c"
                (action eq "a" or reason pr) and id eq "c"
            action EQ "a" AND NOT (id Pr OR reason pr)
                action eq "a" and not (id pr or reason pr)
            not(id pr)and(action pr)
                not (id pr) and action pr
            ((((action pr))))
                action pr
            (action pr and id pr) and (reason pr and severity pr)
                action pr and id pr and reason pr and severity pr
            action eq "a" or (action eq "b" or id pr)
                action eq "a" or action eq "b" or id pr
            not (not (id ne "x"))
                not (not (id ne "x"))
            context.ip cidr "10.1.2.3/8" or context.ip cidr "2001:db8::1"
                context.ip cidr "10.0.0.0/8" or context.ip cidr "2001:db8::1/128"
            occurred_at ge "2026-11-21t11:00:59+01:00"
                occurred_at ge "2026-11-21T10:00:59.000000Z"
            metadata.n eq -0 or metadata.n eq 1.50e3 or metadata.n eq 1e400 or metadata.n eq 0.00125
                metadata.n eq 0 or metadata.n eq 1500 or metadata.n eq 1e400 or metadata.n eq 1.25e-3
        "#]],
    );
}

#[test]
fn white_space_stands_where_it_likes() {
    assert_eq!(parse("  action\tpr\r\n and(\nid pr ) "), parse("action pr and id pr"));
    assert_eq!(parse(" \n").unwrap_err().message, "the filter is empty; leave it out to find everything");
}

#[test]
fn every_scalar_member_is_a_parameter() {
    let names: Vec<String> = parameters()
        .iter()
        .map(|parameter| match parameter.kind {
            ParameterKind::Word(words) => format!("{}: {}", parameter.name, words.join("|")),
            kind => format!("{}: {kind:?}", parameter.name),
        })
        .collect();
    assert!(parameter_names().is_sorted());
    expect![[r#"
        action: Text
        actor_chain_id: Text
        actor_chain_name: Text
        actor_chain_type: Text
        actor_credential_id: Text
        actor_credential_type: Text
        actor_email: Text
        actor_id: Text
        actor_name: Text
        actor_type: Text
        category: Text
        changes_complete: Bool
        context_application: Text
        context_ip: Address
        context_location: Text
        context_session_id: Text
        context_user_agent: Text
        description: Text
        filter: Filter
        id: Text
        mentions: Mentions
        operation: create|read|update|delete|access|authentication|snapshot|other
        outcome_reason: Text
        outcome_result: success|failure|denied|unknown
        q: Words
        reason: Text
        received_since: Since
        received_until: Until
        request_id: Text
        request_method: Text
        request_path: Text
        request_status_code: Integer(999)
        scope_project: Text
        scope_team: Text
        severity: Text
        since: Since
        source_instance: Text
        source_name: Text
        source_seq: Integer(18446744073709551615)
        source_version: Text
        targets_id: Text
        targets_name: Text
        targets_type: Text
        trace_span_id: Text
        trace_trace_id: Text
        until: Until"#]]
    .assert_eq(&names.join("\n"));
}

#[test]
fn parameters_hold_all_together_and_a_repeated_one_is_any() {
    check_parameters(
        &[
            &[],
            &[("actor_id", "u1"), ("action", "a,b"), ("actor_id", "u2")],
            &[
                ("targets_type", "video"),
                ("since", "2026-11-21T10:00:00Z"),
                ("targets_id", "v9"),
                ("targets_id", "v8"),
            ],
            &[("targets_type", "video"), ("filter", r#"targets.id eq "v9" and not (targets.name pr)"#)],
            &[("filter", r#"actor.id eq "a" or actor.id eq "b""#), ("actor_id", "c")],
            &[("context_ip", "10.0.0.0/8"), ("context_ip", "AWS Internal"), ("context_ip", "10.0.0.1")],
            &[
                ("q", r#"video.update "two words" Ana"#),
                ("operation", "update"),
                ("changes_complete", "true"),
            ],
            &[("request_status_code", "200"), ("source_seq", "7"), ("outcome_result", "denied")],
            &[("received_since", "2026-11-21T10:00:00Z"), ("received_until", "2026-11-21T10:00:00.000001Z")],
            &[("actor_chain_id", "a"), ("actor_chain_type", "b")],
            &[("filter", r#"action pr or targets.type eq "a" and targets.id eq "b""#)],
        ],
        expect![[r#"

                everything
            actor_id=u1&action=a,b&actor_id=u2
                (actor.id eq "u1" or actor.id eq "u2") and action eq "a,b"
            targets_type=video&since=2026-11-21T10:00:00Z&targets_id=v9&targets_id=v8
                targets[type eq "video" and (id eq "v8" or id eq "v9")] and occurred_at ge "2026-11-21T10:00:00.000000Z"
            targets_type=video&filter=targets.id eq "v9" and not (targets.name pr)
                targets[type eq "video" and id eq "v9"] and not (targets.name pr)
            filter=actor.id eq "a" or actor.id eq "b"&actor_id=c
                (actor.id eq "a" or actor.id eq "b") and actor.id eq "c"
            context_ip=10.0.0.0/8&context_ip=AWS Internal&context_ip=10.0.0.1
                context.ip cidr "10.0.0.0/8" or context.ip eq "10.0.0.1" or context.ip eq "AWS Internal"
            q=video.update "two words" Ana&operation=update&changes_complete=true
                q("video update" "two words" ana) and operation eq "update" and changes.complete eq true
            request_status_code=200&source_seq=7&outcome_result=denied
                request.status_code eq 200 and source.seq eq 7 and outcome.result eq "denied"
            received_since=2026-11-21T10:00:00Z&received_until=2026-11-21T10:00:00.000001Z
                received_at ge "2026-11-21T10:00:00.000000Z" and received_at lt "2026-11-21T10:00:00.000001Z"
            actor_chain_id=a&actor_chain_type=b
                actor.chain[id eq "a" and type eq "b"]
            filter=action pr or targets.type eq "a" and targets.id eq "b"
                action pr or targets[type eq "a" and id eq "b"]
        "#]],
    );
}

#[test]
fn a_field_is_named_as_in_a_filter_or_as_a_parameter() {
    let same = [
        ("actor.id", "actor_id"),
        ("operation", "operation"),
        ("request.status_code", "request_status_code"),
    ];
    for (path, parameter) in same {
        assert_eq!(parse_field(path).unwrap(), parse_field(parameter).unwrap());
    }
    assert_eq!(parse_field("occurred_at").unwrap(), Field::OccurredAt);
    assert_eq!(
        parse_field(r#"metadata."odd.key""#).unwrap(),
        Field::Member(Path::new(&["metadata", "odd.key"]))
    );
    for (path, expected) in [
        ("actor.emial", "unknown member `actor.emial`; did you mean `actor.email`?"),
        ("actor.id ", "` ` stands where `.` or the end was expected"),
        ("", "the path ends where a member's name was expected"),
        (
            "since",
            "unknown member `since`; a name that the model does not know stands in quotes: `\"since\"`",
        ),
    ] {
        assert_eq!(parse_field(path).unwrap_err().message, expected);
    }
}

#[test]
fn what_is_known_decides_where_it_can() {
    let tenant = TenantId::new("acme").unwrap();
    let known = known(&tenant);
    for (filter, expected) in [
        (r#"operation eq "update""#, Some(true)),
        (r#"operation ne "update""#, Some(false)),
        (r#"operation eq "read" and action pr"#, Some(false)),
        (r#"operation eq "update" and action pr"#, None),
        (r#"operation eq "update" or action pr"#, Some(true)),
        (r#"operation eq "read" or action pr"#, None),
        (r#"not (operation eq "read" and action pr)"#, Some(true)),
        ("action pr", None),
        ("position lt 5 or position ge 2000", Some(false)),
        (r#"targets[id pr]"#, None),
    ] {
        assert_eq!(parse(filter).unwrap().decide(&known), expected, "{filter}");
    }
    assert_eq!(Condition::everything().decide(&known), Some(true));
    let never = Condition::Element(Path::new(&["targets"]), Box::new(Condition::Any(vec![])));
    assert_eq!(never.decide(&known), Some(false));
}

#[test]
fn the_reference_shows_filters_that_read_and_names_every_operator_and_limit() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/search.md"))
            .unwrap();
    let blocks: Vec<&str> =
        page.split("```scim\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() > 1);
    for filter in blocks.concat().lines() {
        assert!(parse(filter).is_ok(), "{filter}: {}", read(filter));
    }
    let operators =
        ["eq", "ne", "co", "sw", "ew", "pr", "gt", "ge", "lt", "le", "ieq", "ico", "isw", "iew", "cidr"];
    for word in
        operators.into_iter().chain(["since", "until", "received_since", "received_until", "q", "filter"])
    {
        assert!(page.contains(&format!("`{word}`")), "{word}");
    }
    for limit in
        [FILTER_BYTES_MAX, FILTER_TESTS_MAX, FILTER_DEPTH_MAX, PATH_NAMES_MAX, WORDS_BYTES_MAX, WORDS_MAX]
    {
        let digits = limit.to_string();
        let limit = if limit < 1000 { digits } else { format!("{},{}", &digits[..1], &digits[1..]) };
        assert!(page.contains(&limit), "{limit}");
    }
    let row = format!("| tests by `ieq`, `ico`, `isw` and `iew` in one request | {FILTER_FOLDED_MAX} |");
    assert!(page.contains(&row), "{row}");
}
