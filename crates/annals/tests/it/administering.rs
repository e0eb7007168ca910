//! `annals status`, `tenant`, `key` and `completions`; the help of every command that asks a server.

use expect_test::{Expect, expect, expect_file};
use serde_json::json;

use crate::searching::{ask, store, story};
use crate::support::World;

/// Commands whose help is kept, and whose flags the reference names.
const COMMANDS: &[&str] = &[
    "search",
    "get",
    "tail",
    "feed",
    "export",
    "status",
    "tenant list",
    "tenant create",
    "tenant end",
    "tenant retention show",
    "tenant retention set",
    "tenant retention preview",
    "tenant retention presets",
    "hold list",
    "hold add",
    "hold release",
    "key list",
    "key create",
    "key rotate",
    "key end",
    "completions",
];

#[test]
fn help_is_as_it_was_and_its_flags_are_in_the_reference() {
    let world = World::new();
    let reference = include_str!("../../../../docs/reference/command-line.md");
    for command in COMMANDS {
        let mut args: Vec<&str> = command.split(' ').collect();
        args.push("--help");
        let said = world.run(&args);
        assert_eq!(said.code, Some(0));
        assert!(said.stdout.contains("Example"), "{command}: {}", said.stdout);
        let words: Vec<&str> = command.split(' ').collect();
        let heading = format!("\n## `annals {}", words[0]);
        let section =
            reference.split_once(&heading).unwrap_or_else(|| panic!("`{command}` is not in the reference")).1;
        let section = section.split("\n## ").next().unwrap();
        // Some are the same for every command that asks a server.
        let shared = reference.split_once("\n## Asking a server").unwrap().1.split("\n## ").next().unwrap();
        let section = [section, shared].concat();
        let flags = said.stdout.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
        for flag in flags.filter_map(|line| line.split_once("--")?.1.split([' ', '[', '=']).next()) {
            let common = ["json", "help", "url", "key", "tenant"].contains(&flag);
            assert!(
                common || section.contains(&format!("--{flag}")),
                "`annals {command} --{flag}` is not in the reference"
            );
        }
        expect_file![format!("help/{}.txt", command.replace(' ', "-"))].assert_eq(&said.stdout);
    }
}

#[test]
fn status_says_what_the_key_may_know() {
    let world = World::new();
    let server = world.serve(&[]);
    store(&world, &server, &story());
    let operator = server.operator_key();
    let made = ask(&world, &server, &operator, &["key", "create", "--tenant", "acme", "--scope", "read"]);
    let own = made.stdout.trim_end().to_owned();
    let check = |key: &str, args: &[&str], expected: Expect| {
        let said = ask(&world, &server, key, args).masked(&world);
        // What the ledger itself wrote, and how large that is, is not what this is about.
        let lines = said.lines().map(|line| {
            let counted = ["journal batches", "memory ", "not yet sealed", "records "]
                .iter()
                .any(|name| line.starts_with(name));
            if counted {
                line.split_whitespace().next().unwrap().to_owned() + " […]\n"
            } else {
                line.to_owned() + "\n"
            }
        });
        expected.assert_eq(&lines.collect::<String>());
    };
    check(
        &operator,
        &["status"],
        expect![[r#"
        exit 0
        --- stdout
        ready            yes
        version          0.1.0
        ledger           [LEDGER]
        tenants          2
        records […]
        not […]
        memory […]
        segments         0
        on disk          0 B
        journal […]
        waiting batches  0
        waiting          0 B
        read again       not begun yet
    "#]],
    );
    check(
        &own,
        &["status"],
        expect![[r#"
        exit 0
        --- stdout
        ready        yes
        version      0.1.0
        log of acme  4 records
    "#]],
    );
    check(
        &own,
        &["status", "--json"],
        expect![[r#"
            exit 0
            --- stdout
            {"logs":[{"id":"acme","size":4}],"readiness":{"checks":{"clock":{"ok":true},"journal":{"ok":true},"ledger":{"ok":true},"segments":{"ok":true},"serving":{"ok":true},"signer":{"ok":true}},"ready":true},"type":"result","version":"0.1.0"}
        "#]],
    );
    check(
        "annals_wrong",
        &["status"],
        expect![[r#"
        exit 3
        --- stderr
        error: the server refuses: the key is not well-formed; it may have been cut or mistyped (unauthenticated)
    "#]],
    );
    let mut command = world.command(&["status"]);
    let said = World::finished(command.env("ANNALS_URL", server.url()));
    expect![[r#"
        exit 0
        --- stdout
        ready    yes
        version  0.1.0
    "#]]
    .assert_eq(&said.masked(&world));
    let url = server.url().to_owned();
    server.stop();
    let mut command = world.command(&["status"]);
    let said = World::finished(command.env("ANNALS_URL", url));
    assert_eq!(said.code, Some(7), "{}", said.stderr);
    assert!(said.stderr.contains("hint: is the server running"), "{}", said.stderr);
}

#[test]
fn tenants_are_made_and_listed() {
    let world = World::new();
    let server = world.serve(&[]);
    store(&world, &server, &story());
    let check = |args: &[&str], expected: Expect| {
        expected.assert_eq(&ask(&world, &server, &server.operator_key(), args).masked(&world));
    };
    check(
        &["tenant", "create", "beta"],
        expect![[r#"
        exit 0
        --- stdout
        tenant beta is made
    "#]],
    );
    check(
        &["tenant", "create", "beta", "--json"],
        expect![[r#"
        exit 0
        --- stdout
        {"created":false,"id":"beta","type":"result"}
    "#]],
    );
    check(
        &["tenant", "create", "_beta"],
        expect![[r#"
        exit 2
        --- stderr
        error: the server refuses: the tenant's id starts with `_` or `.`, which annals keeps for itself (body_value)
    "#]],
    );
    check(
        &["tenant", "list", "--tenant", "acme"],
        expect![[r#"
        exit 0
        --- stdout
        TENANT  RECORDS
        acme    4
    "#]],
    );
    check(
        &["tenant", "list", "--tenant", "beta", "--json"],
        expect![[r#"
        exit 0
        --- stdout
        {"id":"beta","item":"tenant","size":0,"type":"item"}
        {"count":1,"type":"result"}
    "#]],
    );
    server.stop();
}

#[test]
fn a_key_lives_from_create_to_end() {
    let world = World::new();
    let server = world.serve(&[]);
    store(&world, &server, &story());
    let operator = server.operator_key();
    let run = |args: &[&str]| ask(&world, &server, &operator, args);
    let flags = ["--scope", "read", "--scope", "verify", "--name", "auditor", "--expires-in", "90d"];
    let made = run(&[&["key", "create", "--tenant", "acme"], &flags[..]].concat());
    let secret = made.stdout.trim_end().to_owned();
    let id = made.stderr.split_whitespace().nth(3).unwrap().trim_end_matches(';').to_owned();
    assert!(secret.starts_with("annals_") && id.starts_with("key_"), "{made:?}");
    assert_eq!(ask(&world, &server, &secret, &["get", "e1"]).code, Some(0));

    let listed = run(&["key", "list", "--tenant", "acme"]).stdout;
    let row = listed.lines().nth(1).unwrap();
    assert_eq!(
        listed.lines().next().unwrap().split_whitespace().collect::<Vec<_>>(),
        ["ID", "TENANT", "SCOPES", "EXPIRES", "NAME"]
    );
    assert!(
        row.starts_with(&id)
            && row.contains("acme")
            && row.contains("read verify")
            && row.ends_with("auditor"),
        "{row}"
    );
    assert!(!listed.contains(&secret));

    let rotated = run(&["key", "rotate", &id, "--overlap", "0s", "--json"]).result();
    assert_eq!((&rotated["type"], &rotated["name"]), (&"result".into(), &"auditor".into()));
    assert_eq!(ask(&world, &server, &secret, &["get", "e1"]).code, Some(3), "the old one has ended");
    let new = rotated["key"].as_str().unwrap();
    assert_eq!(ask(&world, &server, new, &["get", "e1"]).code, Some(0));
    let new_id = rotated["id"].as_str().unwrap();
    assert_eq!(run(&["key", "end", new_id]).stdout, format!("key {new_id} has ended\n"));
    assert_eq!(ask(&world, &server, new, &["get", "e1"]).code, Some(3));
    assert_eq!(run(&["key", "end", new_id]).code, Some(4));
    server.stop();
}

#[test]
fn a_key_that_would_be_wrong_is_not_made() {
    let world = World::new();
    let server = world.serve(&[]);
    let check = |args: &[&str], expected: Expect| {
        expected.assert_eq(&ask(&world, &server, &server.operator_key(), args).masked(&world));
    };
    check(
        &["key", "create", "--scope", "raed"],
        expect![[r#"
        exit 2
        --- stderr
        error: invalid value 'raed' for '--scope <SCOPE>'
          [possible values: write, read, export, verify, admin]

          tip: a similar value exists: 'read'

        For more information, try '--help'.
    "#]],
    );
    check(
        &["key", "create"],
        expect![[r#"
        exit 2
        --- stderr
        error: the following required arguments were not provided:
          --scope <SCOPE>

        Usage: annals key create --url <URL> --key <KEY> --scope <SCOPE>

        For more information, try '--help'.
    "#]],
    );
    check(
        &["key", "create", "--scope", "read", "--expires-in", "soon"],
        expect![[r#"
        exit 2
        --- stderr
        error: invalid value 'soon' for '--expires-in <TIME>': must be a length of time such as `500ms`, `25s` or `15m`

        For more information, try '--help'.
    "#]],
    );
    check(
        &["key", "create", "--scope", "read", "--tenant", "a b"],
        expect![[r#"
        exit 2
        --- stderr
        error: the server refuses: `tenant` holds the character U+[NUMBER], which is not allowed (body_value)
    "#]],
    );
    check(
        &["key", "rotate", "key_0000000000000000", "--overlap", "91d"],
        expect![[r#"
        exit 2
        --- stderr
        error: the server refuses: `overlap` must be a time with its unit, such as `24h`, at most `90d` (body_value)
    "#]],
    );
    check(
        &["key", "rotate", "key_0000000000000000"],
        expect![[r#"
        exit 4
        --- stderr
        error: the server refuses: there is no such key, or it has ended (key_unknown)
    "#]],
    );
    server.stop();
}

#[test]
fn completions_know_every_command() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = world.run(&["completions", shell]);
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
        for word in ["search", "oldest-first", "expires-in"] {
            assert!(said.stdout.contains(word), "{shell}: no `{word}`");
        }
    }
    expect![[r#"
        exit 2
        --- stderr
        error: invalid value 'bsh' for '<SHELL>'
          [possible values: bash, elvish, fish, powershell, zsh]

          tip: a similar value exists: 'bash'

        For more information, try '--help'.
    "#]]
    .assert_eq(&world.run(&["completions", "bsh"]).masked(&world));
}

#[test]
fn with_json_a_command_that_cannot_be_read_ends_with_an_error_line_too() {
    let world = World::new();
    for (args, message, hint) in [
        (
            &["--json", "serch"][..],
            "unrecognized subcommand 'serch'",
            "some similar subcommands exist: 'serve', 'bench', 'search'",
        ),
        (
            &["search", "--json", "--limt", "3"],
            "unexpected argument '--limt' found",
            "a similar argument exists: '--limit'",
        ),
        (
            &["search", "--limit", "x", "--json"],
            "invalid value 'x' for '--limit <N>': invalid digit found in string",
            "see `--help`",
        ),
        (&["get", "--json"], "the following required arguments were not provided: <ID>", "see `--help`"),
        (&["--json", "key"], "a command is missing", "see `--help`"),
    ] {
        let said = world.run(args);
        assert_eq!(said.code, Some(2), "{args:?}: {}", said.stderr);
        let expected = json!({"type": "error", "kind": "invalid", "message": message, "hint": hint});
        assert_eq!((said.result(), said.stdout.lines().count()), (expected, 1), "{args:?}");
        assert!(!said.stderr.is_empty(), "{args:?}");
    }
    for args in [&["--json", "--help"][..], &["--json", "--version"], &["--json", "help", "key"]] {
        let said = world.run(args);
        assert_eq!((said.code, &*said.stderr), (Some(0), ""), "{args:?}");
        assert!(!said.stdout.contains("\"type\""), "{args:?}: {}", said.stdout);
    }
    assert_eq!(world.run(&["serch"]).stdout, "");
    assert_eq!(world.run(&["search", "--limit", "x", "--", "--json"]).stdout, "");
}
