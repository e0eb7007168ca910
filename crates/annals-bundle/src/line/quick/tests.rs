use std::format;
use std::string::String;
use std::vec::Vec;

use annals_tree::{Hash, Secret};
use proptest::prelude::*;

use super::*;
use crate::compose::{Line, Unit, write_line};

/// Quickly read, a line is what the general reader makes of it, or it is left to that.
fn agrees(line: &str) -> bool {
    let quick = read(line);
    if let Some(raw) = &quick {
        assert_eq!(serde_json::from_str::<Raw<'_>>(line).ok().as_ref(), Some(raw), "{line}");
    }
    quick.is_some()
}

fn written(line: &Line<'_>) -> String {
    let mut bytes = Vec::new();
    write_line(line, &mut bytes);
    assert_eq!(bytes.pop(), Some(b'\n'));
    String::from_utf8(bytes).unwrap()
}

fn whole(units: &[(&str, &str)]) -> String {
    let secret = Secret::from_bytes([7; 16]);
    written(&Line::Whole { position: 12, entry: &[1, 2, 0xfe], secret: &secret, units })
}

#[test]
fn lines_with_units_are_read_quickly() {
    assert!(agrees(&whole(&[("", "{\"action\":\"a\"}"), ("/actor/nä\"me\\", "\"\\\"x\\\"\"")])));
    let units = [
        Unit::Shown("", "{}", &[3; 16]),
        Unit::Hidden(&Hash([4; 32]), None),
        Unit::Hidden(&Hash([5; 32]), Some(9)),
    ];
    assert!(agrees(&written(&Line::Part { position: u64::MAX, entry: &[], units: &units })));
}

#[test]
fn other_lines_are_left_to_the_general_reader() {
    let bare = written(&Line::Bare { position: 0, entry: &[1], expired: Some(3) });
    let gap = written(&Line::Gap { from: 0, to: 1, nodes: &[Hash([0; 32])] });
    let control = whole(&[("", "\u{1}")]);
    for line in [bare, gap, control, String::new(), "{}".into()] {
        assert!(!agrees(&line), "{line}");
    }
    let line = whole(&[("", "{}")]);
    for (from, to) in [
        (":12,", ":012,"),
        (":12,", ":12.0,"),
        (":12,", ":99999999999999999999,"),
        (":12,", ": 12,"),
        ("]}", "]]}"),
        ("]}", "]} "),
        ("\"{}\"", "\"{\\/}\""),
        ("\"{}\"", "\"{\n}\""),
        ("\"{}\"", "{}"),
        ("\"secret\":\"07", "\"secret\":\"G7"),
        ("\"units\"", "\"expired\":1,\"units\""),
    ] {
        let other = line.replace(from, to);
        assert!(other != line && !agrees(&other), "{other}");
    }
}

proptest! {
    /// Whatever becomes of a line, both readers say the same of it where the quick one says anything.
    #[test]
    fn both_readers_agree(
        texts in prop::collection::vec(("[ -~ä\u{1}\u{10000}]{0,20}", "[\"\\\\a{}é]{0,20}"), 1..6),
        cut in any::<prop::sample::Index>(),
        put in prop::option::of("[ -~\n]{1}"),
    ) {
        let units: Vec<(&str, &str)> = texts.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        let line = whole(&units);
        agrees(&line);
        let mut at = cut.index(line.len());
        while !line.is_char_boundary(at) {
            at -= 1;
        }
        let width = line[at..].chars().next().map_or(0, char::len_utf8);
        let other = format!("{}{}{}", &line[..at], put.unwrap_or_default(), &line[at + width..]);
        agrees(&other);
    }
}
