use expect_test::{Expect, expect};
use jiff::tz::TimeZone;

use super::*;
use crate::show::table::Layout;

const EVENTS: &[&str] = &[
    r#"{"action":"video.create","actor":{"id":"u1","name":"Ana Example","type":"user"},"context":{"ip":"203.0.113.7"},"derived":{"operation":"create"},"description":"Ana made the quarterly report","occurred_at":"2026-11-22T11:57:00.000000Z","targets":[{"id":"v9","name":"Keynote","type":"video"}]}"#,
    r#"{"action":"アカウント.更新","actor":{"id":"u2","name":"漢字漢字漢字漢字 太郎","type":"user"},"context":{"ip":"2001:db8:85a3:8d3:1319:8a2e:370:7348"},"derived":{"operation":"update"},"description":"👩‍🚀👩‍🚀👩‍🚀 ☀️☀️☀️ 🇩🇪🇩🇪 e\u0301e\u0301e\u0301e\u0301 and a sentence that goes on for longer than any terminal is wide, so that it has to be cut somewhere, wherever that is","occurred_at":"2026-11-21T11:00:00.000000Z","targets":[{"id":"v1","name":"東京 #15 🎬🎬🎬🎬🎬🎬🎬🎬"},{"id":"v2"},{"id":"v3"},{"id":"v4"},{"id":"v5"},{"id":"v6"}]}"#,
    r#"{"action":"\u001b[31mvideo.delete\r","actor":{"type":"system"},"derived":{"occurred_at":"2026-11-20T11:00:00.000000Z","operation":"delete"},"description":"\u001b]0;owned\u0007\u009b2J\u202egpj.exe","outcome":{"result":"failure"},"targets":[{"name":"a\nb\tc"}]}"#,
    r#"{"action":"x","actor":{"id":""},"targets":"no list"}"#,
];

fn stage(columns: Option<usize>) -> Stage {
    let zone = columns.map(|_| TimeZone::posix("CET-1").unwrap());
    Stage { columns, colour: false, zone }
}

fn rows(stage: &Stage) -> Vec<Vec<Cell>> {
    let now = Timestamp::parse("2026-11-22T12:00:00Z").unwrap();
    let mut document = Document::default();
    let row = |line: &&str| read(&mut document, line.as_bytes()).unwrap().row(Some(now), stage);
    EVENTS.iter().map(row).collect()
}

fn table(columns: Option<usize>) -> Vec<String> {
    let stage = stage(columns);
    let rows = rows(&stage);
    let layout = Layout::of(COLUMNS, &rows, &stage);
    std::iter::once(layout.header(COLUMNS, &stage))
        .chain(rows.iter().map(|row| layout.line(row, &stage)))
        .collect()
}

fn check(columns: Option<usize>, expected: &Expect) {
    expected.assert_eq(&(table(columns).join("\n") + "\n"));
}

#[test]
fn a_table_fits_every_terminal() {
    for columns in 1..260 {
        for line in table(Some(columns)) {
            assert!(width(&line) <= columns, "{columns}: {} columns in `{line}`", width(&line));
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
}

#[test]
fn columns_give_way_in_order() {
    check(
        Some(40),
        &expect![[r#"
        TIME                 ACTION
        3 min ago            video.create
        2026-11-21 12:00:00  アカウント.更新
        2026-11-20 12:00:00  ✗ \u{1b}[31mvideo.…
                             x
    "#]],
    );
    check(
        Some(80),
        &expect![[r#"
        TIME                 ACTOR              ACTION                  TARGETS
        3 min ago            Ana Example (use…  video.create            Keynote (video)
        2026-11-21 12:00:00  漢字漢字漢字漢字…  アカウント.更新         東京 #15 🎬🎬🎬…
        2026-11-20 12:00:00  system             ✗ \u{1b}[31mvideo.del…  a\nb\tc
                                                x
    "#]],
    );
    check(
        Some(120),
        &expect![[r#"
        TIME                 ACTOR           ACTION                  TARGETS           ADDRESS          DESCRIPTION
        3 min ago            Ana Example (…  video.create            Keynote (video)   203.0.113.7      Ana made the quarterly …
        2026-11-21 12:00:00  漢字漢字漢字…   アカウント.更新         東京 #15 🎬🎬🎬…  2001:db8:85a3:…  👩‍🚀👩‍🚀👩‍🚀 ☀️☀️☀️ 🇩🇪🇩🇪 é…
        2026-11-20 12:00:00  system          ✗ \u{1b}[31mvideo.del…  a\nb\tc                            \u{1b}]0;owned\u{7}\u{9…
                                             x
    "#]],
    );
    check(
        Some(200),
        &expect![[r#"
        TIME                 ACTOR                         ACTION                      TARGETS                                    ADDRESS                               DESCRIPTION
        3 min ago            Ana Example (user)            video.create                Keynote (video)                            203.0.113.7                           Ana made the quarterly report
        2026-11-21 12:00:00  漢字漢字漢字漢字 太郎 (user)  アカウント.更新             東京 #15 🎬🎬🎬🎬🎬🎬🎬🎬, v2, v3, v4, +2  2001:db8:85a3:8d3:1319:8a2e:370:7348  👩‍🚀👩‍🚀👩‍🚀 ☀️☀️☀️ 🇩🇪🇩🇪 éééé and a senten…
        2026-11-20 12:00:00  system                        ✗ \u{1b}[31mvideo.delete\r  a\nb\tc                                                                          \u{1b}]0;owned\u{7}\u{9b}2J\u{202e}gpj.…
                                                           x
    "#]],
    );
    check(
        None,
        &expect![[r#"
        TIME                         ACTOR                         ACTION                      TARGETS                                    ADDRESS                               DESCRIPTION
        2026-11-22T11:57:00.000000Z  Ana Example (user)            video.create                Keynote (video)                            203.0.113.7                           Ana made the quarterly report
        2026-11-21T11:00:00.000000Z  漢字漢字漢字漢字 太郎 (user)  アカウント.更新             東京 #15 🎬🎬🎬🎬🎬🎬🎬🎬, v2, v3, v4, +2  2001:db8:85a3:8d3:1319:8a2e:370:7348  👩‍🚀👩‍🚀👩‍🚀 ☀️☀️☀️ 🇩🇪🇩🇪 éééé and a sentence that goes on for longer than any terminal is wide, so that it has to be cut somewhere, wherever that is
        2026-11-20T11:00:00.000000Z  system                        ✗ \u{1b}[31mvideo.delete\r  a\nb\tc                                                                          \u{1b}]0;owned\u{7}\u{9b}2J\u{202e}gpj.exe
                                                                   x
    "#]],
    );
}

#[test]
fn colours_take_no_room_and_tell_what_was_done() {
    let mut painted = stage(Some(120));
    painted.colour = true;
    let rows = rows(&painted);
    let layout = Layout::of(COLUMNS, &rows, &painted);
    let lines: Vec<String> = rows.iter().map(|row| layout.line(row, &painted)).collect();
    assert!(lines[0].contains("\x1b[32mvideo.create\x1b[0m"), "{:?}", lines[0]);
    assert!(lines[2].contains("\x1b[1m\x1b[31m✗ \\u{1b}[31mvideo"), "{:?}", lines[2]);
    let plain: Vec<String> =
        lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
    assert_eq!(plain, table(Some(120))[1..]);
}

#[test]
fn a_table_of_nothing_is_empty_and_one_that_grows_has_room() {
    let stage = stage(Some(120));
    assert_eq!(Layout::of(COLUMNS, &[], &stage).header(COLUMNS, &stage), "");
    let header = Layout::ahead(COLUMNS, &[], &stage).header(COLUMNS, &stage);
    assert_eq!(
        header.split_whitespace().collect::<Vec<_>>(),
        ["TIME", "ACTOR", "ACTION", "TARGETS", "ADDRESS", "DESCRIPTION"]
    );
}

#[test]
fn an_event_shows_its_numbers_digit_for_digit_and_its_changes_as_such() {
    let line = r#"{"action":"a.update","actor":{"id":"u"},"changes":{"after":{"b":1e400,"k":"same"},"before":{"b":1.50,"k":"same"},"complete":true},"metadata":{"n":[0.10,{"\u001b":null}]}}"#;
    let mut document = Document::default();
    let told = read(&mut document, line.as_bytes()).unwrap().lines(&stage(None)).join("\n");
    expect![[r#"
        u did a.update

        action                a.update
        actor.id              u
        metadata.n[0]         0.10
        metadata.n[1].\u{1b}  null

        changes
          b  1.50 → 1e400
          1 unchanged
          (whole states)"#]]
    .assert_eq(&told);
    for line in ["", "[]", "1", "{", "{\"a\":1}}"] {
        assert!(read(&mut Document::default(), line.as_bytes()).is_err(), "{line}");
    }
}
