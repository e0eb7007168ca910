//! `annals tenant retention`, `annals hold` and `annals tenant end`.

use expect_test::{Expect, expect};

use crate::searching::{ask, store, story};
use crate::support::World;

#[test]
fn rules_are_set_shown_and_foreseen() {
    let world = World::new();
    let server = world.serve(&[]);
    store(&world, &server, &story());
    let check = |args: &[&str], expected: Expect| {
        expected.assert_eq(&ask(&world, &server, &server.operator_key(), args).masked(&world));
    };
    check(
        &["tenant", "retention", "show", "acme"],
        expect![[r#"
        exit 0
        --- stdout

        --- stderr
        new records are kept for ever
    "#]],
    );
    check(
        &[
            "tenant",
            "retention",
            "set",
            "acme",
            "--rule",
            "all=90d",
            "--rule",
            "logins=36h,action=user.login,category=auth",
            "--rule",
            "reads=30d,log=access",
        ],
        expect![[r#"
            exit 0
            --- stdout
            CLASS  NAME    KEPT  NEW RECORDS
            1      all     90d   all
            2      logins  36h   action user.login…, category auth
            3      reads   30d   access log
        "#]],
    );
    check(
        &["tenant", "retention", "show", "--tenant", "acme", "--json"],
        expect![[r#"
            exit 0
            --- stdout
            {"class":1,"in_force":true,"item":"class","keep":"90d","name":"all","then":null,"type":"item"}
            {"class":2,"in_force":true,"item":"class","keep":"36h","name":"logins","then":null,"type":"item"}
            {"class":3,"in_force":true,"item":"class","keep":"30d","name":"reads","then":null,"type":"item"}
            {"count":3,"type":"result"}
        "#]],
    );
    check(
        &["tenant", "retention", "set", "acme", "--none"],
        expect![[r#"
        exit 0
        --- stdout
        CLASS  NAME    KEPT  NEW RECORDS
        1      all     90d   none
        2      logins  36h   none
        3      reads   30d   none
        --- stderr
        new records are kept for ever
    "#]],
    );
    check(
        &["tenant", "retention", "set", "acme", "--preset", "gdpr-12-months"],
        expect![[r#"
        exit 0
        --- stdout
        CLASS  NAME                   KEPT  NEW RECORDS
        1      all                    90d   none
        2      logins                 36h   none
        3      reads                  30d   none
        4      gdpr-12-months         366d  all
        5      gdpr-12-months-access  183d  access log
    "#]],
    );
    check(
        &["tenant", "retention", "preview", "acme", "--at", "2020-01-01"],
        expect![[r#"
        exit 2
        --- stderr
        error: the server refuses: `at` is in the past; what is gone already is not foreseen (parameter_value)
    "#]],
    );
    let said = ask(
        &world,
        &server,
        &server.operator_key(),
        &["send", "--tenant", "acme", &{
            let path = world.path("more.ndjson");
            std::fs::write(&path, r#"{"id":"later","action":"a","actor":{"id":"u"}}"#).unwrap();
            path.to_str().unwrap().to_owned()
        }],
    );
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    check(
        &["tenant", "retention", "preview", "acme", "--at", "2090-01-01"],
        expect![[r#"
        exit 0
        --- stdout
        CLASS  NAME            RECORDS  BYTES  HELD
        4      gdpr-12-months  1        46     0
    "#]],
    );
    check(
        &["tenant", "retention", "preview", "acme", "--at", "2090-01-01", "--json"],
        expect![[r#"
        exit 0
        --- stdout
        {"class":4,"event_bytes":46,"held":0,"item":"class","name":"gdpr-12-months","records":1,"type":"item"}
        {"at":"2090-01-01T00:00:00.000000Z","count":1,"holds":[],"partial":false,"type":"result"}
    "#]],
    );
}

#[test]
fn rules_that_cannot_be_are_told_with_a_way_out() {
    let world = World::new();
    let server = world.serve(&[]);
    store(&world, &server, &story());
    for (args, told) in [
        (&["set", "acme", "--rule", "all=10m"][..], "less than an hour"),
        (&["set", "acme", "--rule", "a=1d", "--rule", "b=2d"], "speak of the same records"),
        (&["set", "acme", "--rule", "all"], "has no NAME=TIME"),
        (&["set", "acme", "--rule", "all=1d,who=x"], "there are `action`, `category` and `log`"),
        (&["set", "acme", "--preset", "iso"], "`annals tenant retention presets`"),
        (&["set", "acme"], "--rule"),
        (&["show", "nobody"], "tenant_unknown"),
        (&["preview", "acme", "--at", "soon"], "must be a day"),
    ] {
        let args: Vec<&str> = ["tenant", "retention"].iter().chain(args).copied().collect();
        let said = ask(&world, &server, &server.operator_key(), &args);
        assert!(matches!(said.code, Some(2 | 4)), "{args:?}: {:?}", said.code);
        assert!(said.stderr.contains(told), "{args:?}: {}", said.stderr);
    }
    let said = world.run(&["tenant", "retention", "presets"]);
    assert_eq!(said.code, Some(0));
    assert!(
        said.stdout.contains("pci-12-months") && said.stderr.contains("no legal advice"),
        "{}",
        said.stdout
    );
}

#[test]
fn a_hold_stands_in_the_way_of_an_end_until_it_is_released() {
    let world = World::new();
    let server = world.serve(&[]);
    store(&world, &server, &story());
    let run = |args: &[&str]| ask(&world, &server, &server.operator_key(), args);
    let said =
        run(&["hold", "add", "--tenant", "acme", "--filter", "actor.id eq", "--reason", "r", "--owner", "o"]);
    assert_eq!(said.code, Some(2), "{}", said.stderr);
    assert!(said.stderr.contains("does not parse"), "{}", said.stderr);
    let said = run(&["hold", "add", "--tenant", "acme", "--everything", "--reason", "case 7"]);
    assert!(said.code == Some(2) && said.stderr.contains("--owner"), "{}", said.stderr);
    let said = run(&[
        "hold",
        "add",
        "--tenant",
        "acme",
        "--everything",
        "--reason",
        "case 7",
        "--owner",
        "Ana",
        "--json",
    ]);
    let id = said.result()["id"].as_str().unwrap().to_owned();
    let said = run(&["hold", "list", "--tenant", "acme"]);
    assert!(said.stdout.contains(&id) && said.stdout.contains("case 7"), "{}", said.stdout);
    let said = run(&["tenant", "end", "acme"]);
    assert!(said.code == Some(2) && said.stderr.contains("--yes"), "{}", said.stderr);
    let said = run(&["tenant", "end", "acme", "--yes"]);
    assert_eq!(said.code, Some(5), "{}", said.stderr);
    assert!(said.stderr.contains(&id), "{}", said.stderr);
    assert_eq!(run(&["hold", "release", &id, "--tenant", "acme"]).code, Some(0));
    assert_eq!(run(&["hold", "release", &id, "--tenant", "acme"]).code, Some(4));
    assert!(run(&["hold", "list", "--tenant", "acme"]).stderr.contains("no hold stands"));
    assert_eq!(
        run(&["tenant", "end", "acme", "--yes"]).stdout,
        "tenant acme has ended; its records expire\n"
    );
    let said = run(&["tenant", "end", "acme", "--yes"]);
    assert!(said.code == Some(5) && said.stderr.contains("tenant_ended"), "{}", said.stderr);
    let said = run(&["send", "--tenant", "acme", "events.ndjson"]);
    assert!(said.stdout.contains("tenant_ended") || said.stderr.contains("tenant_ended"), "{}", said.stdout);
}
