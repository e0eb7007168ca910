//! Hostile texts and their documented answers.

use expect_test::{Expect, expect};

use super::*;

/// Parses `raw` and shows its canonical bytes, or the refusal.
#[track_caller]
fn check(raw: impl AsRef<[u8]>, expected: Expect) {
    let mut document = Document::default();
    let shown = match document.parse(raw.as_ref(), Limits { depth_max: 64 }) {
        Ok(value) => {
            let mut out = Vec::new();
            value.write_canonical(&mut out);
            String::from_utf8(out).unwrap()
        }
        Err(rejection) => format!("{} at {:?}: {}", rejection.code, rejection.pointer, rejection.message),
    };
    expected.assert_eq(&shown);
}

fn code(raw: impl AsRef<[u8]>, depth_max: usize) -> Option<crate::Code> {
    Document::default().parse(raw.as_ref(), Limits { depth_max }).err().map(|rejection| rejection.code)
}

#[test]
fn numbers_keep_their_digits() {
    let numbers = "[1e400,-0,1.0,9007199254740993,1E+2,0.1e-7]";
    check(numbers, expect!["[1e400,-0,1.0,9007199254740993,1E+2,0.1e-7]"]);
    let long = "9".repeat(10 << 20);
    let mut document = Document::default();
    assert_eq!(document.parse(long.as_bytes(), Limits { depth_max: 64 }).unwrap().token(), long);
}

#[test]
fn numbers_outside_the_grammar_are_refused() {
    check("[01]", expect![[r#"number at "/0": the number at byte 1 has a leading zero"#]]);
    check("[1.]", expect![[r#"number at "/0": the number at byte 1 has no digits after its point"#]]);
    check("[-]", expect![[r#"number at "/0": the number at byte 1 has no digits"#]]);
    check("[1e+]", expect![[r#"number at "/0": the number at byte 1 has no digits in its exponent"#]]);
    check("[+1]", expect![[r#"json at "/0": `+` stands at byte 1 where a value was expected"#]]);
    check("[.5]", expect![[r#"json at "/0": `.` stands at byte 1 where a value was expected"#]]);
    check("[NaN]", expect![[r#"json at "/0": `N` stands at byte 1 where a value was expected"#]]);
}

#[test]
fn a_duplicate_member_is_found_by_its_decoded_name() {
    check(
        r#"{"x":{"a":1,"\u0061":2}}"#,
        expect![[r#"duplicate_member at "/x/a": the member `a` stands more than once"#]],
    );
    check(r#"{"a":1,"A":2}"#, expect![[r#"{"A":2,"a":1}"#]]);
}

#[test]
fn fifty_thousand_hostile_names_are_sorted_in_no_time() {
    let prefix = "a".repeat(40);
    let names: Vec<String> = (0..50_000).map(|i| format!("\"{prefix}{}\":0", (i * 7919) % 50_000)).collect();
    assert_eq!(code(format!("{{{}}}", names.join(",")), 64), None);
    let twice = format!("{{{},{}}}", names.join(","), names[49_999]);
    assert_eq!(code(twice, 64), Some(crate::Code::DuplicateMember));
}

#[test]
fn lone_surrogates_are_refused_and_pairs_decoded() {
    for lone in
        [r#"["\ud800"]"#, r#"["\udc00"]"#, r#"["\ud800\ud800"]"#, r#"["\ud800x"]"#, r#"["\udc00\ud800"]"#]
    {
        assert_eq!(code(lone, 64), Some(crate::Code::LoneSurrogate), "{lone}");
    }
    check(r#"{"a":["\ud83d\ude00"]}"#, expect![[r#"{"a":["😀"]}"#]]);
    check(
        r#"{"a":"\ud800"}"#,
        expect![[r#"lone_surrogate at "/a": the string at byte 5 has half of a surrogate pair"#]],
    );
}

#[test]
fn strings_are_escaped_as_rfc_8785_says() {
    check(
        r#"["\u0000\u0001\u0008\u0009\u000a\u000c\u000d\u001F\/\"\\\u00e9"]"#,
        expect![[r#"["\u0000\u0001\b\t\n\f\r\u001f/\"\\é"]"#]],
    );
}

#[test]
fn del_is_not_escaped() {
    check(r#"["\u007f"]"#, expect![["[\"\u{7f}\"]"]]);
}

#[test]
fn raw_control_characters_are_refused() {
    check(
        b"[\"a\0b\"]",
        expect![[
            r#"control_character at "/0": the string at byte 1 holds the raw control character U+0000"#
        ]],
    );
    assert_eq!(code(b"[\"\x1f\"]", 64), Some(crate::Code::ControlCharacter));
    assert_eq!(code(b"[\"\x7f\"]", 64), None);
}

#[test]
fn bytes_that_are_not_utf_8_are_refused() {
    check(b"[\"\xff\"]", expect![[r#"utf8 at "": the text is not UTF-8 from byte 2 on"#]]);
    // A surrogate and an overlong slash, written in bytes.
    assert_eq!(code(b"[\"\xed\xa0\x80\"]", 64), Some(crate::Code::Utf8));
    assert_eq!(code(b"[\"\xc0\xaf\"]", 64), Some(crate::Code::Utf8));
}

#[test]
fn a_byte_order_mark_is_refused() {
    check(
        b"\xEF\xBB\xBF{}",
        expect![[r#"json at "": the text starts with a byte order mark; send it without"#]],
    );
}

#[test]
fn depth_is_limited_and_ten_thousand_levels_are_harmless() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(code(nested(64), 64), None);
    assert_eq!(code(nested(65), 64), Some(crate::Code::Depth));
    assert_eq!(code(nested(10_000), 64), Some(crate::Code::Depth));
    assert_eq!(code(nested(10_000), usize::MAX), None);
    let mut document = Document::default();
    let loose = format!("{} {}", "[".repeat(10_000), "]".repeat(10_000));
    let mut out = Vec::new();
    document.parse(loose.as_bytes(), Limits { depth_max: usize::MAX }).unwrap().write_canonical(&mut out);
    assert_eq!(out, nested(10_000).into_bytes());
}

#[test]
fn a_refusal_points_at_the_place() {
    check(
        r#"{"a":[{"b~/c":[1,2,tru]}]}"#,
        expect![[r#"json at "/a/0/b~0~1c/2": `t` stands at byte 19 where a value was expected"#]],
    );
    check(r#"{"a":1"#, expect![[r#"json at "/a": the text ends at byte 6 where `,` or `}` was expected"#]]);
    check(r#"{"a"}"#, expect![[r#"json at "/a": `}` stands at byte 4 where `:` was expected"#]]);
    check("{} x", expect![[r#"trailing_bytes at "": the text goes on after its value, at byte 3"#]]);
    check("", expect![[r#"json at "": the text ends at byte 0 where a value was expected"#]]);
    check("[1,]", expect![[r#"json at "/1": `]` stands at byte 3 where a value was expected"#]]);
    check(
        r#"["\x"]"#,
        expect![[r#"json at "/0": the string at byte 1 has an escape that JSON does not know"#]],
    );
}

#[test]
fn a_pointer_ends_at_the_last_segment_that_fits() {
    let text = format!(r#"{{"a":{{"{}":tru}}}}"#, "n".repeat(2_000));
    let rejection = Document::default().parse(text.as_bytes(), Limits { depth_max: 64 }).err().unwrap();
    assert_eq!(rejection.pointer, "/a");
}

#[test]
fn names_sort_by_utf_16_units() {
    // U+1F600 is D83D DE00 in UTF-16 and so comes before U+E000 and U+FB33, unlike in UTF-8.
    check(
        "{\"\u{fb33}\":1,\"\u{1f600}\":2,\"\u{e000}\":3,\"\\u00f6\":4,\"a\":5,\"\\r\":6,\"1\":7,\"\":8}",
        expect![["{\"\":8,\"\\r\":6,\"1\":7,\"a\":5,\"ö\":4,\"😀\":2,\"\u{e000}\":3,\"\u{fb33}\":1}"]],
    );
    check(
        r#"{"aaaaaaaab":1,"aaaaaaaa":2,"a\u0000":3,"a":4}"#,
        expect![[r#"{"a":4,"a\u0000":3,"aaaaaaaa":2,"aaaaaaaab":1}"#]],
    );
}

#[test]
fn white_space_between_tokens_is_dropped() {
    check(" {\t\"a\" :\r\n[ 1 , { } , [ ] ] } ", expect![[r#"{"a":[1,{},[]]}"#]]);
}

#[test]
fn values_are_offered_decoded() {
    let mut document = Document::default();
    let text = br#"{"n":18446744073709551615,"s":"\u0061","t":true,"z":null,"f":1.0,"e":-0}"#;
    let value = document.parse(text, Limits { depth_max: 64 }).unwrap();
    assert_eq!(value.get("n").and_then(Value::as_u64), Some(u64::MAX));
    assert_eq!(value.get("s").and_then(Value::as_str), Some("a"));
    assert_eq!(value.get("t").and_then(Value::as_bool), Some(true));
    assert_eq!(value.get("z").map(Value::kind), Some(Kind::Null));
    assert_eq!(value.get("f").and_then(Value::as_u64), None);
    assert_eq!(value.get("e").and_then(Value::as_u64), None);
    assert!(value.get("missing").is_none());
}

/// Splits `body` and shows the items, or why there are none.
#[track_caller]
fn check_split(body: impl AsRef<[u8]>, expected: Expect) {
    let items: Result<Vec<_>, _> = split_array(body.as_ref()).collect();
    let shown = match items {
        Ok(items) => items.iter().map(|item| String::from_utf8_lossy(item)).collect::<Vec<_>>().join(" | "),
        Err(rejection) => format!("{}: {}", rejection.code, rejection.message),
    };
    expected.assert_eq(&shown);
}

#[test]
fn a_bad_item_costs_its_neighbours_nothing() {
    check_split(
        r#" [ {"a":1,"a":2} , {"b":"\ud800"},tru, {"c" 1}, "x]," , {} ] "#,
        expect![[r#"{"a":1,"a":2} | {"b":"\ud800"} | tru | {"c" 1} | "x]," | {}"#]],
    );
    check_split(b"[{\"a\":\"\xff\n\"},{}]", expect![["{\"a\":\"\u{fffd}\n\"} | {}"]]);
    let deep = format!("[{}{},{{\"ok\":1}}]", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(split_array(deep.as_bytes()).nth(1).unwrap().unwrap(), br#"{"ok":1}"#);
    check_split("[]", expect![""]);
    check_split(" [ ] ", expect![""]);
}

#[test]
fn a_broken_array_is_an_error_for_the_whole() {
    check_split("[{}", expect!["json: the array has no end, at byte 3"]);
    check_split("[{},", expect!["json: the array has no end, at byte 4"]);
    check_split("[{},]", expect!["json: the array misses an item, at byte 4"]);
    check_split("[,{}]", expect!["json: the array misses an item, at byte 1"]);
    check_split("[{}{}]", expect!["json: the array misses a comma between items, at byte 3"]);
    check_split("[{]}]", expect!["json: the array has brackets that do not match, at byte 2"]);
    check_split("[}]", expect!["json: the array has brackets that do not match, at byte 1"]);
    check_split("[\"a]", expect!["json: the array has a string without end, at byte 4"]);
    check_split("[\"a\\", expect!["json: the array has a string without end, at byte 4"]);
    check_split("[{}] x", expect!["trailing_bytes: the body goes on after its array, at byte 5"]);
    check_split("{}", expect!["json: the array does not start with `[`, at byte 0"]);
    check_split("[", expect!["json: the array has no end, at byte 1"]);
}

#[test]
fn lines_are_cut_and_blank_ones_left_out() {
    let found: Vec<&[u8]> = lines(b"\n{\"a\":1}\r\n \t\r\n  {} \nx").collect();
    assert_eq!(found, [&b"{\"a\":1}"[..], b"{}", b"x"]);
    assert_eq!(lines(b" \r\n").count(), 0);
}

#[test]
fn a_body_tells_its_shape() {
    assert_eq!(shape(b" \n"), Shape::Empty);
    assert_eq!(shape(b" {"), Shape::Object);
    assert_eq!(shape(b"[]"), Shape::Array);
    assert_eq!(shape(b"\"x\""), Shape::Other);
}
