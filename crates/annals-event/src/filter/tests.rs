//! The rules one by one: what is read, what is refused and how, what is found.

use expect_test::{Expect, expect};

use super::*;
use crate::json::{Document, Limits};

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
            "  action\tpr\r\n ",
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
              action	pr
 
                action pr
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
fn an_error_names_the_thing_and_a_way_out() {
    check(
        &[
            "",
            "  ",
            "actor.id",
            r#"actor.id equals "u1""#,
            r#"actor.id = "u1""#,
            r#"actor.id >= "u1""#,
            r#"actor.id =~ "u.*""#,
            r#"actor.id like "u%""#,
            r#"actor.id in ("a", "b")"#,
            r#"actor.id xyzzy "u1""#,
            "actor.id eq /u.*/i",
            "actor.id eq u*",
            "actor.id eq 'u1'",
            "actor.id eq “u1”",
            "actor.id eq u1",
            "actor.id eq",
            r#"actor.id eq "u1"#,
            r#"actor.id eq "\x""#,
            r#"actor.id eq "\ud800""#,
            "actor.id eq \"a\nb\"",
            "actor.id eq True",
            "actor.id gt null",
            "actor.id eq 5",
            "metadata.n eq 01",
            r#"actor.id eq "a" && action pr"#,
            r#"actor.id eq "a" || action pr"#,
            r#"actor.id eq "a", action pr"#,
            r#"actor.id eq "a" action pr"#,
            "!(action pr)",
            "not action pr",
            "(action pr",
            "action pr)",
            "()",
            "and action pr",
            "action pr or",
            "targets[",
            "targets[id pr",
            "targets[targets.id pr]",
            "targets[emial pr]",
            r#"metadata["odd.key"] eq "x""#,
            "action[id pr]",
            "action.id pr",
            "actor..id pr",
            "actor. id pr",
        ],
        expect![[r#"

                0: the filter is empty; leave it out to find everything
  
                2: the filter is empty; leave it out to find everything
            actor.id
                8: `actor.id` has no operator behind it; there are eq, ne, co, sw, ew, pr, gt, ge, lt, le, ieq, ico, isw, iew and cidr
            actor.id equals "u1"
                9: unknown operator `equals`; there are eq, ne, co, sw, ew, pr, gt, ge, lt, le, ieq, ico, isw, iew and cidr; did you mean `eq`?
            actor.id = "u1"
                9: unknown operator `=`; there are eq, ne, co, sw, ew, pr, gt, ge, lt, le, ieq, ico, isw, iew and cidr; did you mean `eq`?
            actor.id >= "u1"
                9: unknown operator `>=`; there are eq, ne, co, sw, ew, pr, gt, ge, lt, le, ieq, ico, isw, iew and cidr; did you mean `ge`?
            actor.id =~ "u.*"
                9: unknown operator `=~`; there are eq, ne, co, sw, ew, pr, gt, ge, lt, le, ieq, ico, isw, iew and cidr; there are no patterns; `co`, `sw` and `ew` look for a part of a text
            actor.id like "u%"
                9: unknown operator `like`; there are eq, ne, co, sw, ew, pr, gt, ge, lt, le, ieq, ico, isw, iew and cidr; there are no patterns; `co`, `sw` and `ew` look for a part of a text
            actor.id in ("a", "b")
                9: unknown operator `in`; there are eq, ne, co, sw, ew, pr, gt, ge, lt, le, ieq, ico, isw, iew and cidr; write `(a eq "x" or a eq "y")`
            actor.id xyzzy "u1"
                9: unknown operator `xyzzy`; there are eq, ne, co, sw, ew, pr, gt, ge, lt, le, ieq, ico, isw, iew and cidr
            actor.id eq /u.*/i
                12: `/u.*/i` is not a value; there are no patterns; `co`, `sw` and `ew` look for a part of a text
            actor.id eq u*
                12: `u*` is not a value; there are no patterns; `co`, `sw` and `ew` look for a part of a text
            actor.id eq 'u1'
                12: `'u1'` is not a value; a text stands in double quotes: `"u1"`
            actor.id eq “u1”
                12: `“u1”` is not a value; a text stands in double quotes: `"u1"`
            actor.id eq u1
                12: `u1` is not a value; a text stands in double quotes: `"u1"`
            actor.id eq
                11: the filter ends where a value was expected
            actor.id eq "u1
                12: the text has no end; a text stands between double quotes
            actor.id eq "\x"
                12: the text has an escape that JSON does not know
            actor.id eq "\ud800"
                12: the text has half of a surrogate pair
            actor.id eq "a
            b"
                12: the text holds a raw control character; JSON escapes it, as in `\n`
            actor.id eq True
                12: `True` is not a value; did you mean `true`?
            actor.id gt null
                12: `null` does not go with `gt`; `eq null` says that there is no value, `ne null` that there is
            actor.id eq 5
                12: `actor.id` is a text, not a number; write it in double quotes
            metadata.n eq 01
                14: `01` is not a value; a text stands in double quotes: `"01"`
            actor.id eq "a" && action pr
                16: `&` stands where `and`, `or` or the end was expected; conditions are joined by `and`
            actor.id eq "a" || action pr
                16: `|` stands where `and`, `or` or the end was expected; conditions are joined by `or`
            actor.id eq "a", action pr
                15: `,` stands where `and`, `or` or the end was expected; conditions are joined by `and` or `or`
            actor.id eq "a" action pr
                16: `action` stands where `and`, `or` or the end was expected
            !(action pr)
                0: `!` is no operator; write `not (actor.id eq "u1")`
            not action pr
                0: `not` is not before `(`; write `not (actor.id eq "u1")`
            (action pr
                10: the filter ends where `and`, `or` or `)` was expected
            action pr)
                9: `)` stands where `and`, `or` or the end was expected
            ()
                1: `)` stands where a member's name was expected
            and action pr
                0: `and` stands where a member's name was expected
            action pr or
                12: the filter ends where a member's name was expected
            targets[
                8: the filter ends where a member's name was expected
            targets[id pr
                13: the filter ends where `and`, `or` or `]` was expected
            targets[targets.id pr]
                8: unknown member `targets`; in brackets a path begins at the element
            targets[emial pr]
                8: unknown member `emial`; a name that the model does not know stands in quotes: `"emial"`
            metadata["odd.key"] eq "x"
                9: brackets hold a condition, not a name; write `metadata."odd.key"`
            action[id pr]
                6: `action` is a text and has no members
            action.id pr
                7: `action` is a text and has no members
            actor..id pr
                6: `.` stands where a member's name was expected
            actor. id pr
                6: ` ` stands where a member's name was expected
        "#]],
    );
}

#[test]
fn a_name_that_the_model_does_not_know_is_an_error() {
    check(
        &[
            r#"actor.emial eq "x""#,
            r#"actor_id eq "x""#,
            r#"Actor.Id eq "x""#,
            r#"target.id eq "x""#,
            r#"email eq "x""#,
            r#"status_code eq 200"#,
            r#"user.login eq "x""#,
            r#"actor.shoe_size eq 5"#,
            r#"derived.operation pr"#,
            r#"leaf pr"#,
            r#"recieved_at pr"#,
            r#"occured_at pr"#,
            r#"urn:x:y pr"#,
        ],
        expect![[r#"
            actor.emial eq "x"
                6: unknown member `actor.emial`; did you mean `actor.email`?
            actor_id eq "x"
                0: unknown member `actor_id`; did you mean `actor.id`?
            Actor.Id eq "x"
                0: unknown member `Actor`; did you mean `actor.id`?
            target.id eq "x"
                0: unknown member `target`; did you mean `targets.id`?
            email eq "x"
                0: unknown member `email`; did you mean `actor.email`?
            status_code eq 200
                0: unknown member `status_code`; did you mean `request.status_code`?
            user.login eq "x"
                0: unknown member `user`; a name that the model does not know stands in quotes: `"user"`
            actor.shoe_size eq 5
                6: unknown member `actor.shoe_size`; a name that the model does not know stands in quotes: `actor."shoe_size"`
            derived.operation pr
                0: `derived` is added when an event is read and is not looked for; `occurred_at`, `received_at`, `operation` and `position` are
            leaf pr
                0: `leaf` is added when an event is read and is not looked for; `occurred_at`, `received_at`, `operation` and `position` are
            recieved_at pr
                0: unknown member `recieved_at`; did you mean `received_at`?
            occured_at pr
                0: unknown member `occured_at`; did you mean `occurred_at`?
            urn:x:y pr
                0: unknown member `urn`; a name that the model does not know stands in quotes: `"urn"`
        "#]],
    );
}

#[test]
fn a_value_that_the_member_never_has_is_an_error() {
    check(
        &[
            r#"request.status_code eq "abc""#,
            "request.status_code eq 1000",
            "request.status_code eq 200.5",
            "source.seq eq -1",
            r#"request.status_code co "2""#,
            r#"operation eq "updat""#,
            r#"operation ieq "Updates""#,
            r#"outcome.result eq "sucess""#,
            r#"occurred_at gt "yesterday""#,
            r#"occurred_at gt "2026-11-21""#,
            "occurred_at gt 5",
            r#"occurred_at sw "2026""#,
            "changes.complete gt true",
            r#"changes.complete eq "true""#,
            "metadata.b gt true",
            r#"actor eq "x""#,
            r#"targets eq "x""#,
            r#"metadata eq "x""#,
            "actor eq null",
            r#"context.ip cidr "10.0.0.0/99""#,
            "context.ip cidr 10",
            "metadata.x sw 5",
            r#"operation cidr "10.0.0.0/8""#,
        ],
        expect![[r#"
            request.status_code eq "abc"
                23: `request.status_code` is an integer from 0 to 999, not a text; write it without quotes
            request.status_code eq 1000
                23: `request.status_code` is an integer from 0 to 999, never `1000`
            request.status_code eq 200.5
                23: `request.status_code` is an integer from 0 to 999, never `200.5`
            source.seq eq -1
                14: `source.seq` is an integer from 0 to 18446744073709551615, never `-1`
            request.status_code co "2"
                20: `co` does not go with `request.status_code`, which is an integer from 0 to 999; compare it by `eq`, `gt`, `ge`, `lt` or `le`
            operation eq "updat"
                13: `updat` is not one of create, read, update, delete, access, authentication, snapshot, other; did you mean `update`?
            operation ieq "Updates"
                14: `updates` is not one of create, read, update, delete, access, authentication, snapshot, other; did you mean `update`?
            outcome.result eq "sucess"
                18: `sucess` is not one of success, failure, denied, unknown; did you mean `success`?
            occurred_at gt "yesterday"
                15: `yesterday` is not an RFC 3339 time with an offset, such as `2026-11-21T10:00:59.123456Z`
            occurred_at gt "2026-11-21"
                15: `2026-11-21` is not an RFC 3339 time with an offset, such as `2026-11-21T10:00:59.123456Z`
            occurred_at gt 5
                15: `occurred_at` is a time, not a number; write it in double quotes
            occurred_at sw "2026"
                12: `sw` does not go with `occurred_at`, which is a time; compare it by `ge` and `lt`
            changes.complete gt true
                17: `gt` does not go with `changes.complete`, which is `true` or `false`; compare it by `eq`
            changes.complete eq "true"
                20: `changes.complete` is `true` or `false`, not a text; write it without quotes
            metadata.b gt true
                14: `gt` takes a text or a number; `true` and `false` have no order
            actor eq "x"
                6: `actor` is an object; ask for one of its members, or `actor pr` whether it is there
            targets eq "x"
                8: `targets` is an array of objects; ask for one of its members, or `targets pr` whether it is there
            metadata eq "x"
                9: `metadata` is an object; ask for one of its members, or `metadata pr` whether it is there
            actor eq null
                not (actor pr)
            context.ip cidr "10.0.0.0/99"
                16: `10.0.0.0/99` is neither a network such as `10.0.0.0/8` nor an address
            context.ip cidr 10
                16: `cidr` takes a network in double quotes, such as `"10.0.0.0/8"`
            metadata.x sw 5
                14: `sw` takes a text, in double quotes
            operation cidr "10.0.0.0/8"
                10: `cidr` does not go with `operation`, which is a word; compare it by `eq`
        "#]],
    );
}

#[test]
fn what_is_too_long_too_deep_or_too_much_is_an_error() {
    let many = vec!["id pr"; 10_000].join(" or ");
    let deep = format!("{}id pr{}", "(".repeat(10_000), ")".repeat(10_000));
    let deep_within_bytes = format!("{}id pr{}", "(".repeat(33), ")".repeat(33));
    let deep_enough = format!("{}id pr{}", "(".repeat(32), ")".repeat(32));
    let brackets = format!("metadata{}a pr{}", "[a".repeat(33), "]".repeat(33));
    let nots = format!("{}id pr{}", "not (".repeat(1000), ")".repeat(1000));
    let tests = vec!["id pr"; 909].join(" or ");
    let names = format!("metadata{} pr", ".a".repeat(32));
    assert!(parse(&deep_enough).is_ok());
    assert!(parse(&tests).is_ok());
    for (filter, expected) in [
        (many, "the filter has 89996 bytes, at most 8192 are allowed"),
        (deep, "the filter has 20005 bytes, at most 8192 are allowed"),
        (deep_within_bytes, "the filter nests deeper than 32 levels"),
        (brackets, "the filter nests deeper than 32 levels"),
        (nots, "the filter nests deeper than 32 levels"),
        (names, "the path has 33 names, at most 32 are allowed"),
    ] {
        assert_eq!(parse(&filter).unwrap_err().message, expected);
    }
    let repeated: Vec<_> = (0..1001).map(|n| ("actor_id", format!("u{n}"))).collect();
    assert_eq!(from_parameters(&repeated).unwrap_err().message, "the request has more than 1000 tests");
    assert!(from_parameters(&repeated[1..]).is_ok());
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
        ],
        expect![[r#"

                everything
            actor_id=u1&action=a,b&actor_id=u2
                (actor.id eq "u1" or actor.id eq "u2") and action eq "a,b"
            targets_type=video&since=2026-11-21T10:00:00Z&targets_id=v9&targets_id=v8
                targets[type eq "video" and (id eq "v9" or id eq "v8")] and occurred_at ge "2026-11-21T10:00:00.000000Z"
            targets_type=video&filter=targets.id eq "v9" and not (targets.name pr)
                targets[type eq "video" and id eq "v9"] and not (targets.name pr)
            filter=actor.id eq "a" or actor.id eq "b"&actor_id=c
                (actor.id eq "a" or actor.id eq "b") and actor.id eq "c"
            context_ip=10.0.0.0/8&context_ip=AWS Internal&context_ip=10.0.0.1
                context.ip cidr "10.0.0.0/8" or context.ip eq "AWS Internal" or context.ip eq "10.0.0.1"
            q=video.update "two words" Ana&operation=update&changes_complete=true
                q("video update" "two words" ana) and operation eq "update" and changes.complete eq true
            request_status_code=200&source_seq=7&outcome_result=denied
                request.status_code eq 200 and source.seq eq 7 and outcome.result eq "denied"
            received_since=2026-11-21T10:00:00Z&received_until=2026-11-21T10:00:00.000001Z
                received_at ge "2026-11-21T10:00:00.000000Z" and received_at lt "2026-11-21T10:00:00.000001Z"
            actor_chain_id=a&actor_chain_type=b
                actor.chain[id eq "a" and type eq "b"]
        "#]],
    );
}

#[test]
fn a_parameter_that_cannot_be_meant_is_an_error() {
    check_parameters(
        &[
            &[("actor.id", "u1")],
            &[("actr_id", "u1")],
            &[("xyzzy", "u1")],
            &[("metadata", "u1")],
            &[("operation", "updat")],
            &[("actor_id", "")],
            &[("since", "")],
            &[("request_status_code", "abc")],
            &[("request_status_code", "1000")],
            &[("changes_complete", "yes")],
            &[("context_ip", "10.0.0.0/99")],
            &[("since", "2026-11-21")],
            &[("since", "2026-11-21T10:00:59 01:00")],
            &[("since", "2026-11-21T10:00:59Z"), ("until", "2026-11-21T10:00:59Z")],
            &[("received_since", "2026-11-22T00:00:00Z"), ("received_until", "2026-11-21T00:00:00Z")],
            &[("since", "2026-11-21T10:00:59Z"), ("since", "2026-11-21T10:00:59Z")],
            &[("q", "a"), ("q", "b")],
            &[("q", "-- !")],
            &[("q", "\"a")],
            &[("filter", "id pr"), ("filter", "id pr")],
            &[("filter", "id pr and actor.emial pr")],
        ],
        expect![[r#"
            actor.id=u1
                actor.id (Unknown): unknown parameter `actor.id`; did you mean `actor_id`?
            actr_id=u1
                actr_id (Unknown): unknown parameter `actr_id`; did you mean `actor_id`?
            xyzzy=u1
                xyzzy (Unknown): unknown parameter `xyzzy`
            metadata=u1
                metadata (Unknown): unknown parameter `metadata`
            operation=updat
                operation (Value): `updat` is not one of create, read, update, delete, access, authentication, snapshot, other; did you mean `update`?
            actor_id=
                actor_id (Value): `actor_id` is empty; leave it out; an empty text is found by `filter=actor.id eq ""`
            since=
                since (Value): `since` is empty; leave it out
            request_status_code=abc
                request_status_code (Value): `abc` is not an integer from 0 to 999
            request_status_code=1000
                request_status_code (Value): `1000` is not an integer from 0 to 999
            changes_complete=yes
                changes_complete (Value): `yes` is neither `true` nor `false`
            context_ip=10.0.0.0/99
                context_ip (Value): `10.0.0.0/99` is neither a network such as `10.0.0.0/8` nor an address
            since=2026-11-21
                since (Value): `2026-11-21` is not an RFC 3339 time with an offset, such as `2026-11-21T10:00:59.123456Z`
            since=2026-11-21T10:00:59 01:00
                since (Value): `2026-11-21T10:00:59 01:00` has a space where a `+` was lost; in a URL it is written `2026-11-21T10:00:59%2B01:00`
            since=2026-11-21T10:00:59Z&until=2026-11-21T10:00:59Z
                until (Value): `2026-11-21T10:00:59Z` is not after `since`, which is `2026-11-21T10:00:59Z`: no event lies between; `until` is where the span ends, itself left out
            received_since=2026-11-22T00:00:00Z&received_until=2026-11-21T00:00:00Z
                received_until (Value): `2026-11-21T00:00:00Z` is not after `received_since`, which is `2026-11-22T00:00:00Z`: no event lies between; `received_until` is where the span ends, itself left out
            since=2026-11-21T10:00:59Z&since=2026-11-21T10:00:59Z
                since (Value): `since` stands more than once; give the narrower time alone
            q=a&q=b
                q (Value): `q` stands more than once; put all words into one, with spaces between
            q=-- !
                q (Value): `q` holds no word to look for, which has letters or digits
            q="a
                q (Value): `q` has a quote at byte 0 without its other one; a phrase stands between two: `"two words"`
            filter=id pr&filter=id pr
                filter (Value): `filter` stands more than once; join the filters by `and` or `or`
            filter=id pr and actor.emial pr
                filter (Filter { at: 16 }): unknown member `actor.emial`; did you mean `actor.email`?
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
fn texts_fold_without_case_and_form() {
    for (a, b) in [
        ("STRASSE", "straße"),
        ("ﬁ", "FI"),
        ("Ａｂ９", "aB9"),
        ("e\u{301}", "É"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("\u{212a}", "k"),
        ("ſ", "S"),
        ("İ", "i\u{307}"),
        ("①", "1"),
        ("ｶﾞ", "ガ"),
        ("ᾳ", "αι"),
    ] {
        assert_eq!(fold(a), fold(b), "{a} {b}");
    }
    assert_ne!(fold("ı"), fold("i"));
    assert!(matches!(fold("already lower 9"), std::borrow::Cow::Borrowed(_)));
}

#[test]
fn each_character_folds_once_and_for_all() {
    let mut longest = 0;
    for c in '\0'..=char::MAX {
        let text = c.to_string();
        let once = fold(&text).into_owned();
        assert_eq!(fold(&once), once, "U+{:04X}", c as u32);
        longest = longest.max(once.len().div_ceil(text.len()));
    }
    assert_eq!(longest, 11, "times as long at most");
}

#[test]
fn texts_are_cut_into_words() {
    for (text, expected) in [
        ("video.update", "video|update"),
        ("ana@Example.com", "ana|example|com"),
        ("It's 9:41, isn’t it?", "it|s|9|41|isn|t|it"),
        ("snake_case kebab-case camelCase", "snake|case|kebab|case|camelcase"),
        ("10.0.0.1 1,000.5", "10|0|0|1|1|000|5"),
        ("हिन्दी में", "हिन्दी|में"),
        ("مَرْحَبًا، يا", "مَرْحَبًا|يا"),
        ("東京タワー", "東|京|タワー"),
        ("ภาษาไทย", "ภ|า|ษ|า|ไ|ท|ย"),
        ("ΟΔΥΣΣΕΥΣ", "οδυσσευσ"),
        ("İstanbul ışık", "i\u{307}stanbul|ışık"),
        ("👍🏽 ok 🎬", "👍🏽|ok|🎬"),
        ("Strasse\u{301}x", "strass\u{e9}x"),
        ("צה״ל", "צה|ל"),
        ("--- … ! \u{301}", ""),
        ("", ""),
    ] {
        assert_eq!(words_of(text).join("|"), expected, "{text}");
    }
}

#[test]
fn a_question_is_cut_into_words_and_phrases() {
    for (q, expected) in [
        ("Ana", "q(ana)"),
        ("video.update  by\tAna", r#"q("video update" by ana)"#),
        (r#""two words" x"y z"w"#, r#"q("two words" x "y z" w)"#),
        (r#"- "" a"#, "q(a)"),
        ("東京", r#"q("東 京")"#),
    ] {
        assert_eq!(Condition::Words(parse_words(q).unwrap()).to_string(), expected, "{q}");
    }
    for (q, expected) in [
        ("", "holds no word to look for, which has letters or digits"),
        ("\"--\"", "holds no word to look for, which has letters or digits"),
        (
            "a \"b",
            "has a quote at byte 2 without its other one; a phrase stands between two: `\"two words\"`",
        ),
        (&"x".repeat(1025), "has 1025 bytes, at most 1024 are allowed"),
        (&"x ".repeat(33), "has 33 words, at most 32 are allowed"),
    ] {
        assert_eq!(parse_words(q).unwrap_err().to_string(), expected);
    }
    assert!(parse_words(&"x ".repeat(32)).is_ok());
}

#[test]
fn words_are_found_in_any_text_and_phrases_within_one() {
    let finds = |q: &str| holds_for(&Condition::Words(parse_words(q).unwrap()), EVENT);
    for q in [
        "ana",
        "ANA STRASSE",
        r#""ana strasse""#,
        "ana@example.com",
        "v9 folder",
        "quote back",
        "red e1",
        "u1 10.1.2.3",
    ] {
        assert!(finds(q), "{q}");
    }
    // Not across texts, not the other way round, no names, no numbers, no parts of words.
    for q in
        [r#""strasse ana""#, r#""red blue""#, "session_id", "200", "vide", "ana bob", r#""ana ana strasse""#]
    {
        assert!(!finds(q), "{q}");
    }
}

#[test]
fn numbers_order_by_value() {
    let ordered = [
        "-1e400",
        "-10",
        "-9.5",
        "-1e-400",
        "0",
        "1e-999999999",
        "1e-400",
        "0.1",
        "0.10000000000000000000000001",
        "1",
        "1.5",
        "9007199254740992",
        "9007199254740993",
        "1e21",
        "1.0000000000000000000000001e21",
        "1e400",
        "1e999999999",
    ];
    let numbers: Vec<Decimal> = ordered.iter().map(|token| Decimal::parse(token).unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    for (a, b) in [
        ("-0", "0"),
        ("1.0", "1"),
        ("100e-2", "1"),
        ("0.001E3", "1"),
        ("0e999999999999999999999999", "0"),
        ("12e+1", "120"),
        ("1e00000000000000000000000000000001", "10"),
        ("0.00", "-0.0e5"),
    ] {
        assert_eq!(Decimal::parse(a).unwrap(), Decimal::parse(b).unwrap(), "{a} {b}");
    }
    for token in [
        "",
        "-",
        "+1",
        "01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x1",
        "1 ",
        "NaN",
        "1e1000000000000000001",
        "1e99999999999999999999",
    ] {
        assert_eq!(Decimal::parse(token), None, "{token}");
    }
    for number in numbers {
        assert_eq!(Decimal::parse(&number.to_string()).as_ref(), Some(&number), "{number}");
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
fn needles_are_what_the_bytes_must_hold() {
    let needles = |filter: &str| format!("{filter}\n    {:?}\n", Needles::of(&parse(filter).unwrap()));
    let shown: String = [
        r#"actor.id eq "u\"1""#,
        r#"actor.id sw "u" and actor.name co "a\\b" and reason ew "z""#,
        r#"actor.id eq "a" or actor.id eq "b""#,
        r#"actor.id eq "a" or operation eq "read""#,
        r#"actor.name ico "STRASSE" and action pr"#,
        r#"actor.name ieq "Москва""#,
        r#"not (actor.id eq "a")"#,
        r#"targets[type eq "video" and metadata.n gt 5]"#,
        "metadata.session_id pr",
        r#"reason co """#,
    ]
    .map(needles)
    .concat();
    expect![[r#"
        actor.id eq "u\"1"
            Needles { need: "u\"1", folded: false }
        actor.id sw "u" and actor.name co "a\\b" and reason ew "z"
            Needles { need: all(["u, a\\b, z"]), folded: false }
        actor.id eq "a" or actor.id eq "b"
            Needles { need: any(["a", "b"]), folded: false }
        actor.id eq "a" or operation eq "read"
            Needles { need: nothing, folded: false }
        actor.name ico "STRASSE" and action pr
            Needles { need: all([strasse in any case, "action":]), folded: true }
        actor.name ieq "Москва"
            Needles { need: something beyond ASCII, folded: true }
        not (actor.id eq "a")
            Needles { need: nothing, folded: false }
        targets[type eq "video" and metadata.n gt 5]
            Needles { need: all(["video", "n":]), folded: false }
        metadata.session_id pr
            Needles { need: "session_id":, folded: false }
        reason co ""
            Needles { need: "reason":, folded: false }
    "#]]
    .assert_eq(&shown);
    let words = Needles::of(&Condition::Words(parse_words("Kick \"of it\"").unwrap()));
    assert!(words.may_match(br#"{"a":"KICK","b":"OF IT"}"#));
    assert!(!words.may_match(br#"{"a":"KIC","b":"OF IT"}"#));
    assert!(words.may_match("{\"a\":\"\u{212a}ick of it\"}".as_bytes()), "the sign for kelvin is a k");
}
