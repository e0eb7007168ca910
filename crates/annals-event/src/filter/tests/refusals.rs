//! What is refused, and in what words.

use expect_test::expect;

use super::*;

#[test]
fn an_error_names_the_thing_and_a_way_out() {
    check(
        &[
            "",
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
            r#"occurred_at eq "2026-11-21T10:00:59.1234567Z""#,
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
            occurred_at eq "2026-11-21T10:00:59.1234567Z"
                15: `2026-11-21T10:00:59.1234567Z` is finer than microseconds, which no time is
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
