use annals_event::json::{lines, split_array};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

/// Splits `input` in pieces of `piece_bytes`.
fn split(input: &[u8], piece_bytes: usize, event_bytes_max: usize) -> (Vec<Cut>, Result<(), Broken>) {
    let mut splitter = Splitter::new(event_bytes_max);
    let mut cuts = Vec::new();
    let mut pieces = input.chunks(piece_bytes);
    let outcome = pieces.try_for_each(|piece| splitter.push(piece, &mut cuts));
    let outcome = outcome.and_then(|()| splitter.finish(&mut cuts));
    (cuts, outcome)
}

#[track_caller]
fn check(input: impl AsRef<[u8]>, expected: Expect) {
    let (cuts, outcome) = split(input.as_ref(), 5, 24);
    let mut shown = String::new();
    for cut in cuts {
        let text = String::from_utf8_lossy(&cut.text);
        let long = cut.too_long.map(|bytes| format!(" … of {bytes} bytes")).unwrap_or_default();
        shown.push_str(&format!("{} (line {}): {text}{long}\n", cut.index, cut.line));
    }
    if let Err(Broken(why)) = outcome {
        shown.push_str(&format!("broken: {why}\n"));
    }
    expected.assert_eq(&shown);
}

#[test]
fn lines_are_cut_and_blank_ones_not_counted() {
    check(
        "\n{\"a\":1}\r\n \t\r\n  {} \nx\n",
        expect![[r#"
            0 (line 2): {"a":1}
            1 (line 4): {}
            2 (line 5): x
        "#]],
    );
    check("", expect![[""]]);
    check(" \n ", expect![[""]]);
    check(
        "no JSON at all",
        expect![[r#"
            0 (line 1): no JSON at all
        "#]],
    );
}

#[test]
fn a_line_that_is_too_long_is_cut_short_and_costs_its_neighbours_nothing() {
    check(
        format!("{{\"a\":\"{}\"}}\n{{\"b\":1}}", "x".repeat(100)),
        expect![[r#"
            0 (line 1): {"a":"xxxxxxxxxxxxxxxxxx … of 108 bytes
            1 (line 2): {"b":1}
        "#]],
    );
    check(
        format!("[{{\"a\":\"{}\"}},{{\"b\":1}}]", "x".repeat(100)),
        expect![[r#"
            0 (line 1): {"a":"xxxxxxxxxxxxxxxxxx … of 108 bytes
            1 (line 1): {"b":1}
        "#]],
    );
}

#[test]
fn an_array_tells_the_line_of_each_item() {
    check(
        "[\n  {\"a\":\n1},\n  2 ,\n\n\"x],\" ]\n",
        expect![[r#"
            0 (line 2): {"a":
            1}
            1 (line 4): 2
            2 (line 6): "x],"
        "#]],
    );
}

#[test]
fn objects_over_several_lines_follow_each_other() {
    check(
        "{\n  \"a\": [1, {}]\n}\n{\n  \"b\": \"}\"\n}",
        expect![[r#"
            0 (line 1): {
              "a": [1, {}]
            }
            1 (line 4): {
              "b": "}"
            }
        "#]],
    );
    check(
        "{\"a\":\n1}",
        expect![[r#"
        0 (line 1): {"a":
        1}
    "#]],
    );
    check(
        "{\n\"a\": 1",
        expect![[r#"
        broken: an object has no end, at byte 8
    "#]],
    );
    check(
        "{\n}, {}",
        expect![[r#"
        0 (line 1): {
        }
        broken: goes on after an object, at byte 3
    "#]],
    );
}

#[test]
fn a_byte_order_mark_is_skipped() {
    check(
        "\u{feff}[1]",
        expect![[r#"
        0 (line 1): 1
    "#]],
    );
    check(
        "\u{feff}{\"a\":1}\n",
        expect![[r#"
        0 (line 1): {"a":1}
    "#]],
    );
    check("\u{feff}", expect![[""]]);
}

#[test]
fn a_broken_array_says_where() {
    check(
        "[{}, {]}]",
        expect![[r#"
        0 (line 1): {}
        broken: the array has brackets that do not match, at byte 6
    "#]],
    );
    check(
        "[1] 2",
        expect![[r#"
        0 (line 1): 1
        broken: goes on after its array, at byte 4
    "#]],
    );
    let deep = "[".repeat(LEVELS_MAX + 2);
    let (_, outcome) = split(deep.as_bytes(), 1 << 16, 24);
    assert_eq!(
        outcome,
        Err(Broken(format!("the array nests deeper than {LEVELS_MAX} levels, at byte {}", LEVELS_MAX + 1)))
    );
}

/// Texts made of what matters to a splitter.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        prop::sample::select(vec![
            "[",
            "]",
            "{",
            "}",
            ",",
            "\"",
            "\\",
            " ",
            "\n",
            "\r\n",
            ":",
            "1",
            "null",
            "\"a\"",
            "\"\\\"\"",
            "{\"a\":[1,\"]\"]}",
            "\u{fe}",
        ])
        .prop_map(|token| token.as_bytes().to_vec()),
        Just(vec![0xff]),
    ];
    prop::collection::vec(token, 0..24).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn an_array_is_cut_as_the_server_cuts_it(rest in hostile(), piece_bytes in 1_usize..9) {
        let input = [b"[", rest.as_slice()].concat();
        let (cuts, outcome) = split(&input, piece_bytes, EVENT_BYTES_MAX);
        let mut expected = Vec::new();
        let mut broken = None;
        for item in split_array(&input) {
            match item {
                Ok(item) => expected.push(item.to_vec()),
                Err(rejection) => broken = Some(rejection.message),
            }
        }
        prop_assert_eq!(cuts.into_iter().map(|cut| cut.text).collect::<Vec<_>>(), expected);
        let said = outcome.err().map(|Broken(why)| why);
        match broken {
            Some(theirs) if theirs.starts_with("the body goes on") => {
                prop_assert_eq!(said.map(|why| format!("the body {why}")), Some(theirs));
            }
            broken => prop_assert_eq!(said, broken),
        }
    }

    #[test]
    fn lines_are_cut_as_the_server_cuts_them(rest in hostile(), piece_bytes in 1_usize..9) {
        let input = [b"1", rest.as_slice()].concat();
        let (cuts, outcome) = split(&input, piece_bytes, EVENT_BYTES_MAX);
        prop_assert_eq!(outcome, Ok(()));
        let texts: Vec<&[u8]> = cuts.iter().map(|cut| cut.text.as_slice()).collect();
        prop_assert_eq!(texts, lines(&input).collect::<Vec<_>>());
        for cut in &cuts {
            let line = input.split(|byte| *byte == b'\n').nth(usize::try_from(cut.line - 1).unwrap());
            prop_assert!(line.unwrap().windows(cut.text.len()).any(|window| window == cut.text));
        }
    }

    #[test]
    fn how_an_input_arrives_changes_nothing(input in hostile(), piece_bytes in 1_usize..9) {
        let whole = split(&input, input.len().max(1), EVENT_BYTES_MAX);
        prop_assert_eq!(split(&input, piece_bytes, EVENT_BYTES_MAX), whole);
    }
}
