//! Settings: precedence, places in messages, quantities.

use expect_test::{Expect, expect};

use super::*;

/// What reading these sources comes to: the settings that are not at their default, or the error.
fn check(file: &str, environment: &[(&str, &str)], flags: &SettingFlags, expected: &Expect) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("annals.toml");
    std::fs::write(&path, file).unwrap();
    let flags = SettingFlags { config: Some(path), ..flags.clone() };
    let layers = flags.layers_with(|name| {
        Ok(environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    });
    let shown = match layers.and_then(|layers| Config::check(&layers).map(|_| layers)) {
        Ok(layers) => layers
            .iter()
            .filter(|(_, given)| given.origin != Origin::Default)
            .map(|(key, given)| format!("{key} = {} ({})\n", given.to_toml(), given.origin))
            .collect(),
        Err(Failure { message, hint, .. }) => {
            format!("{message}\n{}", hint.map_or_else(String::new, |hint| format!("hint: {hint}\n")))
        }
    };
    expected.assert_eq(&shown.replace(&folder.path().display().to_string(), ""));
}

#[test]
fn flags_win_over_the_environment_which_wins_over_the_file() {
    let flags = SettingFlags { listen: Some("127.0.0.1:3".to_owned()), ..SettingFlags::default() };
    check(
        "data = 'a'\nlisten = '127.0.0.1:1'\n[limits]\nevent = 65536\n[access]\nstrict = true\n",
        &[
            ("ANNALS_DATA", "b"),
            ("ANNALS_LISTEN", "127.0.0.1:2"),
            ("ANNALS_TENANTS__CREATE", "explicit"),
            ("PORT", "9"),
        ],
        &flags,
        &expect![[r#"
            access.strict = "true" (/annals.toml:6:10)
            data = "b" (environment variable `ANNALS_DATA`)
            limits.event = "65536" (/annals.toml:4:9)
            listen = "127.0.0.1:3" (`--listen`)
            tenants.create = "explicit" (environment variable `ANNALS_TENANTS__CREATE`)
        "#]],
    );
}

#[test]
fn port_replaces_the_port_of_the_file_and_of_the_default() {
    check(
        "listen = '[::1]:7'",
        &[("PORT", "9")],
        &SettingFlags::default(),
        &expect![[r#"
        listen = "[::1]:9" (environment variable `PORT`)
    "#]],
    );
}

#[test]
fn an_unknown_key_is_refused_at_its_place_with_what_may_have_been_meant() {
    let none = SettingFlags::default();
    check(
        "\n  lisen = '127.0.0.1:1'",
        &[],
        &none,
        &expect![[r#"
        /annals.toml:2:3: `lisen` is not a setting
        hint: did you mean `listen`?
    "#]],
    );
    check(
        "[limits]\nevnt = 1",
        &[],
        &none,
        &expect![[r#"
        /annals.toml:2:1: `limits.evnt` is not a setting
        hint: did you mean `limits.event`?
    "#]],
    );
    check(
        "[limit]\nevent = 1",
        &[],
        &none,
        &expect![[r#"
        /annals.toml:1:2: `limit` is not a setting
        hint: did you mean `limits`?
    "#]],
    );
    check(
        "colour = 1",
        &[],
        &none,
        &expect![[r#"
        /annals.toml:1:1: `colour` is not a setting
        hint: `annals config example` lists all settings
    "#]],
    );
    check(
        "tls = 'x'",
        &[],
        &none,
        &expect![[r#"
        /annals.toml:1:7: `tls` must be a table
    "#]],
    );
}

#[test]
fn a_value_that_does_not_fit_is_refused_at_its_place() {
    let none = SettingFlags::default();
    check(
        "data = 'a'\nlisten = 'here'",
        &[],
        &none,
        &expect![[r#"
        /annals.toml:2:10: `listen`: `here` must be an address and a port, such as 127.0.0.1:4722 or [::1]:4722
    "#]],
    );
    check(
        "[limits]\nevent = '3MiB'",
        &[],
        &none,
        &expect![[r#"
        /annals.toml:2:9: `limits.event`: `3MiB` must be between 1KiB and 1MiB
    "#]],
    );
    check(
        "shutdown = 1.5",
        &[],
        &none,
        &expect![[r#"
        /annals.toml:1:12: `shutdown` must be a string, a whole number, true or false
    "#]],
    );
    check(
        "",
        &[("ANNALS_SHUTDOWN", "soon")],
        &none,
        &expect![[r#"
        environment variable `ANNALS_SHUTDOWN`: `soon` must be a length of time such as `500ms`, `25s` or `15m`
    "#]],
    );
    check(
        "behind_proxy = ['10.0.0.0/8', 'all']",
        &[],
        &none,
        &expect![[r#"
        /annals.toml:1:16: `behind_proxy`: `all` is no network such as 10.0.0.0/8
    "#]],
    );
    check(
        "data = ",
        &[],
        &none,
        &expect![[r#"
        /annals.toml:1:8: string values must be quoted, expected literal string
    "#]],
    );
}

#[test]
fn beyond_loopback_needs_tls_or_a_proxy() {
    let none = SettingFlags::default();
    check(
        "listen = '0.0.0.0:1'",
        &[],
        &none,
        &expect![[r#"
        /annals.toml:1:10: `listen`: `0.0.0.0:1` is reachable from other machines, and keys would travel in clear
        hint: give `--tls-cert` and `--tls-key`, or `--behind-proxy CIDR` when a proxy in front ends TLS; or listen on 127.0.0.1
    "#]],
    );
    check(
        "listen = '0.0.0.0:1'\nbehind_proxy = ['10.0.0.0/8']",
        &[],
        &none,
        &expect![[r#"
        behind_proxy = ["10.0.0.0/8"] (/annals.toml:2:16)
        listen = "0.0.0.0:1" (/annals.toml:1:10)
    "#]],
    );
    check(
        "[tls]\ncert = 'x'",
        &[],
        &none,
        &expect![[r#"
        /annals.toml:2:8: `tls.cert`: `x` stands alone; `tls.key` is missing
    "#]],
    );
}

#[test]
fn when_records_are_sealed_has_bounds() {
    let none = SettingFlags::default();
    check(
        "[segments]\ncache = '1GiB'\nseal_records = 1\nseal_bytes = '1MiB'\nseal_age = '90s'",
        &[],
        &none,
        &expect![[r#"
            segments.cache = "1GiB" (/annals.toml:2:9)
            segments.seal_age = "90s" (/annals.toml:5:12)
            segments.seal_bytes = "1MiB" (/annals.toml:4:14)
            segments.seal_records = "1" (/annals.toml:3:16)
        "#]],
    );
    for (file, expected) in [
        (
            "[segments]\ncache = 4096",
            expect![[r#"
            /annals.toml:2:9: `segments.cache`: `4096` must be between 1MiB and 64GiB
        "#]],
        ),
        (
            "[segments]\nseal_records = 0",
            expect![[r#"
            /annals.toml:2:16: `segments.seal_records`: `0` must be between 1 and 1000000
        "#]],
        ),
        (
            "[segments]\nseal_bytes = '2GiB'",
            expect![[r#"
            /annals.toml:2:14: `segments.seal_bytes`: `2GiB` must be between 64KiB and 1GiB
        "#]],
        ),
        (
            "[segments]\nseal_age = '10ms'",
            expect![[r#"
            /annals.toml:2:12: `segments.seal_age`: `10ms` must be between 1s and 365d
        "#]],
        ),
    ] {
        check(file, &[], &none, &expected);
    }
    let taken = SettingFlags::default()
        .layers_with(|name| Ok((name == "ANNALS_SEGMENTS__SEAL_AGE").then(|| "2h".to_owned())));
    let tail = Config::check(&taken.unwrap()).unwrap().tail;
    assert_eq!((tail.records_max, tail.bytes_max, tail.age_us_max), (60_000, 48 << 20, 7_200_000_000));
}

#[test]
fn witnesses_are_checked_before_they_are_asked() {
    let none = SettingFlags::default();
    let one = "http://w.example witness.example/w1+0ad7d35e+BIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
    let two = "http://v.example witness.example/w2+92e6b37c+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU";
    let given = SettingFlags::default()
        .layers_with(|name| Ok((name == "ANNALS_WITNESS__LIST").then(|| format!("{one}, {two}"))));
    let witnessing = Config::check(&given.unwrap()).unwrap().witnessing.unwrap();
    assert_eq!((witnessing.witnesses.len(), witnessing.quorum), (2, 2));
    assert_eq!(witnessing.witnesses[1].key.name(), "witness.example/w2");
    for (file, expected) in [
        (
            "[witness]\nlist = ['http://w.example']".to_owned(),
            expect![[r#"
            /annals.toml:2:8: `witness.list`: `http://w.example` must be a URL, a space, and the witness' key
        "#]],
        ),
        (
            "[witness]\nlist = ['http://me:secret@w.example x+0+y']".to_owned(),
            expect![[r#"
            /annals.toml:2:8: `witness.list`: `http://me:secret@w.example x+0+y` must begin with the URL of a server, without a user or a password
        "#]],
        ),
        (
            "[witness]\nlist = ['http://w.example a+00000000+AAAA']".to_owned(),
            expect![[r#"
            /annals.toml:2:8: `witness.list`: `http://w.example a+00000000+AAAA` is no witness: key: of another type than is wanted here (logs sign with type 1, witnesses with type 4)
        "#]],
        ),
        (
            "[witness]\nquorum = 1".to_owned(),
            expect![[r#"
            /annals.toml:2:10: `witness.quorum`: `1` stands alone; `witness.list` is missing
        "#]],
        ),
    ] {
        check(&file, &[], &none, &expected);
    }
    let file = format!("[witness]\nquorum = 3\nlist = ['{one}', '{two}']");
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), file).unwrap();
    let flags = SettingFlags { config: Some(path.path().to_owned()), ..none };
    let failure = Config::check(&flags.layers_with(|_| Ok(None)).unwrap()).unwrap_err();
    assert!(
        failure.message.ends_with("quorum: 3 of 2 witnesses can never be reached, or says nothing"),
        "{failure:?}"
    );
}

#[test]
fn the_example_with_every_line_taken_in_is_a_file_that_passes() {
    let taken_in: String = example()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let layers = file::parse("example", &taken_in).unwrap();
    assert_eq!(layers.len(), SETTINGS.len(), "{taken_in}");
    Config::check(&layers).unwrap();
}

#[test]
fn defaults_pass() {
    let config = Config::check(&SettingFlags::default().layers_with(|_| Ok(None)).unwrap()).unwrap();
    assert_eq!(config.listen, SocketAddr::from(([127, 0, 0, 1], 4722)));
    assert_eq!(config.shutdown, Duration::from_secs(25));
    let (tail, default) = (config.tail, TailLimits::default());
    assert_eq!(
        (tail.records_max, tail.bytes_max, tail.age_us_max),
        (default.records_max, default.bytes_max, default.age_us_max)
    );
}

#[test]
fn sizes_and_durations_are_read_as_people_write_them() {
    assert_eq!(quantity::size("64MiB"), Ok(64 << 20));
    assert_eq!(quantity::size("5 kB"), Ok(5_000));
    assert_eq!(quantity::size("17"), Ok(17));
    assert_eq!(quantity::duration("15m"), Ok(Duration::from_secs(900)));
    assert_eq!(quantity::duration("500ms"), Ok(Duration::from_millis(500)));
    for bad in ["", "-1", "1.5MiB", "MiB", "1mib", "99999999999999999999", "18446744073709551615GiB"] {
        assert!(quantity::size(bad).is_err(), "{bad}");
    }
    assert!(quantity::duration("15").is_err(), "a length of time says its unit");
}

#[test]
fn a_misspelt_variable_is_remarked_and_a_clusters_own_are_not() {
    let names = ["ANNALS_LISTN", "ANNALS_LOG", "ANNALS_LIMITS__EVENT", "ANNALS_PORT_4722_TCP_ADDR", "HOME"];
    let remarks = unknown_variables(names.into_iter().map(str::to_owned));
    expect![
        "environment variable `ANNALS_LISTN` is not known and does nothing; did you mean `ANNALS_LISTEN`?"
    ]
    .assert_eq(&remarks.join("\n"));
}
