//! `annals config`, and settings as commands see them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use expect_test::expect;

use crate::support::World;

#[test]
fn settings_are_shown_with_where_they_come_from() {
    let world = World::new();
    std::fs::write(world.path("annals.toml"), "data = 'here'\n[access]\nstrict = true\n").unwrap();
    let mut command = world.command(&[
        "config",
        "show",
        "--origin",
        "--config",
        "annals.toml",
        "--behind-proxy",
        "10.0.0.0/8",
    ]);
    let said = World::finished(command.env("ANNALS_LIMITS__EVENT", "64KiB"));
    expect![[r#"
        exit 0
        --- stdout
        data = "here"  # annals.toml:1:8
        listen = "127.0.0.1:[NUMBER]"  # default
        behind_proxy = ["10.0.0.0/8"]  # `--behind-proxy`
        shutdown = "25s"  # default
        # tls.cert is not set
        # tls.key is not set
        # log.name is not set
        tenants.create = "on-write"  # default
        access.strict = "true"  # annals.toml:3:10
        viewer.session = "12h"  # default
        # oidc.issuer is not set
        # oidc.client_id is not set
        # oidc.client_secret_file is not set
        oidc.label = "Single sign-on"  # default
        oidc.scopes = "openid email profile"  # default
        oidc.claim = "groups"  # default
        # oidc.roles is not set
        dialects.bigpanda.time = "occurred"  # default
        dialects.bigpanda.order = "newest_first"  # default
        # dialects.bigpanda.page_size is not set
        # dialects.bigpanda.page_size_max is not set
        dialects.bigpanda.first_page = "1"  # default
        # dialects.bigpanda.window_days is not set
        dialects.bigpanda.limits = "ours"  # default
        dialects.bigpanda.envelope = "data"  # default
        # dialects.bigpanda.depth is not set
        # dialects.bigpanda.operations is not set
        # dialects.bigpanda.resource_types is not set
        # dialects.bigpanda.actor_types is not set
        dialects.bigpanda.ids = "shown"  # default
        dialects.frameio.time = "occurred"  # default
        dialects.frameio.order = "newest_first"  # default
        # dialects.frameio.page_size is not set
        # dialects.frameio.page_size_max is not set
        dialects.frameio.utc_offset = "+00:00"  # default
        # dialects.frameio.window_days is not set
        dialects.frameio.limits = "ours"  # default
        # dialects.frameio.actions is not set
        # dialects.frameio.item_types is not set
        dialects.frameio.ids = "shown"  # default
        dialects.nirvana.time = "occurred"  # default
        dialects.nirvana.order = "newest_first"  # default
        dialects.nirvana.page_size_beyond = "brought_within"  # default
        # dialects.nirvana.window_days is not set
        dialects.nirvana.limits = "ours"  # default
        dialects.nirvana.actor_type_other = "as_sent"  # default
        dialects.panda.time = "occurred"  # default
        dialects.panda.order = "newest_first"  # default
        # dialects.panda.page_size is not set
        # dialects.panda.page_size_max is not set
        dialects.panda.first_page = "1"  # default
        dialects.panda.utc_offset = "+00:00"  # default
        # dialects.panda.window_days is not set
        dialects.panda.limits = "ours"  # default
        # dialects.panda.paths is not set
        dialects.panda.envelope = "logs"  # default
        # dialects.panda.date_names is not set
        # dialects.panda.operations is not set
        # dialects.panda.categories is not set
        dialects.plandocket.time = "occurred"  # default
        dialects.plandocket.order = "newest_first"  # default
        # dialects.plandocket.page_size is not set
        # dialects.plandocket.page_size_max is not set
        dialects.plandocket.first_page = "1"  # default
        dialects.plandocket.utc_offset = "+00:00"  # default
        # dialects.plandocket.window_days is not set
        dialects.plandocket.limits = "ours"  # default
        dialects.plandocket.timestamps = "iso"  # default
        # dialects.mounts is not set
        limits.event = "64KiB"  # environment variable `ANNALS_LIMITS__EVENT`
        segments.cache = "64MiB"  # default
        segments.seal_records = "[NUMBER]"  # default
        segments.seal_bytes = "48MiB"  # default
        segments.seal_age = "1h"  # default
        registry.every = "1h"  # default
        erasure.approvals = "2"  # default
        scrub.rate = "[NUMBER]"  # default
        scrub.every = "1d"  # default
        # signer.url is not set
        # signer.token_file is not set
        # witness.list is not set
        # witness.quorum is not set
        witness.every = "1h"  # default
        witness.logs = "all"  # default
    "#]]
    .assert_eq(&said.masked(&world));
}

#[test]
fn a_mistake_in_the_file_is_named_with_its_line() {
    let world = World::new();
    std::fs::write(world.path("annals.toml"), "data = 'here'\n\n[tls]\ncerts = 'x'\n").unwrap();
    world.check(
        &["serve", "--config", "annals.toml"],
        &expect![[r#"
        exit 2
        --- stderr
        error: annals.toml:4:1: `tls.certs` is not a setting
        hint: did you mean `tls.cert`?
    "#]],
    );
    world.check(&["config", "check", "--config", "annals.toml", "--json"], &expect![[r#"
        exit 2
        --- stdout
        {"hint":"did you mean `tls.cert`?","kind":"invalid","message":"annals.toml:4:1: `tls.certs` is not a setting","type":"error"}
        --- stderr
        error: annals.toml:4:1: `tls.certs` is not a setting
        hint: did you mean `tls.cert`?
    "#]]);
    assert!(!world.path("here").exists(), "nothing is made before the settings are in order");
}

#[test]
fn a_misspelt_variable_is_remarked() {
    let world = World::new();
    let said = World::finished(world.command(&["config", "check"]).env("ANNALS_LISEN", "x"));
    expect![[r#"
        exit 0
        --- stdout
        the settings are in order
        --- stderr
        warning: environment variable `ANNALS_LISEN` is not known and does nothing; did you mean `ANNALS_LISTEN`?
    "#]].assert_eq(&said.masked(&world));
}

#[test]
fn a_variable_that_is_not_utf_8_is_named() {
    let world = World::new();
    let path = OsStr::from_bytes(b"caf\xe9");
    let said = World::finished(world.command(&["config", "check"]).env("ANNALS_DATA", path));
    expect![[r#"
        exit 2
        --- stderr
        error: environment variable `ANNALS_DATA`: `caf�` is not UTF-8
    "#]]
    .assert_eq(&said.masked(&world));
}

#[test]
fn the_example_is_a_file_that_passes() {
    let world = World::new();
    let example = world.run(&["config", "example"]);
    std::fs::write(world.path("annals.toml"), &example.stdout).unwrap();
    world.check(
        &["config", "check", "--config", "annals.toml"],
        &expect![[r#"
        exit 0
        --- stdout
        the settings are in order
    "#]],
    );
}

#[test]
fn the_reference_of_settings_names_every_setting() {
    let reference = include_str!("../../../../docs/reference/configuration.md");
    let world = World::new();
    let shown = world.run(&["config", "show", "--json"]);
    let keys = shown.stdout.lines().filter_map(|line| {
        serde_json::from_str::<serde_json::Value>(line).unwrap()["key"].as_str().map(str::to_owned)
    });
    for key in keys {
        assert!(reference.contains(&format!("`{key}`")), "`{key}` is not in the reference");
    }
}

#[test]
fn every_command_explains_itself_with_examples() {
    let world = World::new();
    let reference = include_str!("../../../../docs/reference/command-line.md");
    for command in [
        "serve",
        "demo",
        "search",
        "get",
        "tail",
        "feed",
        "verify",
        "publish",
        "status",
        "tenant list",
        "tenant create",
        "key list",
        "key create",
        "key rotate",
        "key end",
        "completions",
        "key reset",
        "config show",
        "config check",
        "config example",
        "version",
    ] {
        let mut args: Vec<&str> = command.split(' ').collect();
        args.push("--help");
        let said = world.run(&args);
        assert_eq!(said.code, Some(0));
        assert!(said.stdout.contains("Example"), "{command}: {}", said.stdout);
        assert!(reference.contains(&format!("annals {command}")), "`{command}` is not in the reference");
    }
}
