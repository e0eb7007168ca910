//! `annals relay`, as far as it goes without a database; with one it is tested by `cargo xtask relay`.

use expect_test::expect;

use crate::support::World;

#[test]
fn the_sql_of_the_recipe_is_what_is_printed() {
    let said = World::new().run(&["relay", "--print-sql"]);
    assert_eq!((said.code, &*said.stderr), (Some(0), ""));
    let recipe = include_str!("../../../../docs/how-to/outbox.md");
    assert!(recipe.contains(&format!("```sql\n{}```", said.stdout)), "docs/how-to/outbox.md has other SQL");
    let json = World::new().run(&["relay", "--print-sql", "--json"]).result();
    assert_eq!(json["sql"], said.stdout);
}

#[test]
fn another_tables_name_stands_wherever_it_belongs() {
    let said = World::new().run(&["relay", "--print-sql", "--table", "billing.Audit"]);
    for part in [
        r#"create table billing."Audit" ("#,
        r#"create table billing."Audit_rejected" ("#,
        r#"create function billing."Audit_notify"()"#,
        r#"create trigger "Audit_notify" after insert on billing."Audit""#,
        "perform pg_notify('Audit', '');",
        r#"on billing."Audit_rejected" to relay;"#,
    ] {
        assert!(said.stdout.contains(part), "{part} is not in {}", said.stdout);
    }
    assert!(!said.stdout.contains("audit_outbox"), "{}", said.stdout);
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_asked() {
    let world = World::new();
    world.check(
        &["relay", "--from", "mysql://localhost/shop"],
        &expect![[r#"
        exit 2
        --- stderr
        error: the database's URL does not start with `postgres://`
        hint: give `--from postgres://USER@HOST/DATABASE`
    "#]],
    );
    world.check(
        &["relay", "--from", "postgres://relay:secret@db.example.com/shop?sslmode=prefer"],
        &expect![[r#"
            exit 2
            --- stderr
            error: the database's URL has `sslmode=prefer`, which may go in clear without a word
            hint: use `sslmode=verify-full`, or `sslmode=disable` on a network that you trust
        "#]],
    );
    world.check(
        &["relay", "--from", "postgres://localhost/shop", "--table", "a.b.c"],
        &expect![[r#"
        exit 2
        --- stderr
        error: `a.b.c` is not a table's name
        hint: give NAME or SCHEMA.NAME; NAME has at most 54 bytes
    "#]],
    );
    world.check(
        &["relay", "--from", "postgres://localhost/shop", "--poll", "1ms"],
        &expect![[r#"
        exit 2
        --- stderr
        error: invalid value '1ms' for '--poll <TIME>': must be at least 10ms

        For more information, try '--help'.
    "#]],
    );
    world.check(
        &["relay"],
        &expect![[r#"
        exit 2
        --- stderr
        error: the following required arguments were not provided:
          --from <URL>

        Usage: annals relay --from <URL>

        For more information, try '--help'.
    "#]],
    );
}

#[test]
fn a_database_that_does_not_answer_ends_it_only_with_once() {
    // Nobody listens on port 1.
    let world = World::new();
    world.check(
        &["relay", "--once", "--json", "--from", "postgres://relay:secret@127.0.0.1:1/shop"],
        &expect![[r#"
            exit 7
            --- stdout
            {"hint":null,"kind":"unavailable","message":"PostgreSQL: error connecting to server: Connection refused (os error 111)","type":"error"}
            --- stderr
            error: PostgreSQL: error connecting to server: Connection refused (os error 111)
        "#]],
    );
}

#[test]
fn the_help_has_examples() {
    let help = World::new().run(&["relay", "--help"]);
    assert!(help.stdout.contains("annals relay --print-sql | psql shop"), "{}", help.stdout);
}
