use proptest::prelude::*;

use super::*;
use crate::body::tests::{file, with_bytes};

fn kind(values: &Values) -> String {
    let json = serde_json::to_value(values).unwrap();
    let coded = json.get("symbols").is_some();
    format!("{}{}", json["kind"].as_str().unwrap(), if coded { " coded" } else { "" })
}

fn check<T: AsRef<[u8]>>(expected: impl IntoIterator<Item = T>) -> (Values, Body) {
    let expected: Arena = expected.into_iter().collect();
    let (values, body) = file(|out| {
        out.put(b"odd")?;
        Values::write(&expected, out)
    });
    let values: Values = serde_json::from_str(&serde_json::to_string(&values).unwrap()).unwrap();
    let n = expected.len() as u64;
    assert_eq!(values.len(), n);
    let mut seen = 0;
    let all = values.each(&body, 0..n, |ordinal, value| {
        assert_eq!(ordinal, seen);
        assert_eq!(value, expected.get(usize::try_from(ordinal).unwrap()));
        seen += 1;
        Ok(())
    });
    all.unwrap();
    assert_eq!(seen, n);
    let mut value = b"before".to_vec();
    for (ordinal, expected) in expected.iter().enumerate().step_by((expected.len() / 300).max(1)) {
        value.truncate(6);
        values.get(&body, ordinal as u64, &mut value).unwrap();
        assert_eq!(value.strip_prefix(b"before"), Some(expected));
    }
    for (from, to) in [(0, n / 2), (n / 3, n), (n / 2, n / 2), (n / 2, n.min(n / 2 + 200))] {
        let mut next = from;
        let part = values.each(&body, from..to, |ordinal, value| {
            assert_eq!((ordinal, value), (next, expected.get(usize::try_from(next).unwrap())));
            next += 1;
            Ok(())
        });
        part.unwrap();
        assert_eq!(next, to);
    }
    for beyond in [n, n + 1, u64::MAX] {
        assert!(values.get(&body, beyond, &mut Vec::new()).is_err());
        assert!(values.each(&body, 0..beyond.saturating_add(1), |_, _| Ok(())).is_err());
    }
    (values, body)
}

#[track_caller]
fn check_kind<T: AsRef<[u8]>>(values: impl IntoIterator<Item = T>, expected: &str) {
    assert_eq!(kind(&check(values).0), expected);
}

fn noise(i: u64) -> u64 {
    crate::hashes::hash(3, &i.to_le_bytes())
}

/// A value of one of several forms, the last ones rare.
fn any_form(i: u64) -> String {
    let n = noise(i);
    match n % 11 {
        0..4 => format!("vid_{n:016x}"),
        4..6 => format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            n >> 32,
            n & 0xffff,
            i & 0xfff,
            i & 0xfff,
            n & 0xff_ffff
        ),
        6 => format!("{n:016x}"),
        7 => format!("Ünïcode:{n:020x}"),
        8 => format!("some text {i}"),
        9 => format!("vid_{n:x}"),
        _ => format!("rare{}_{n:016x}", i % 97),
    }
}

#[test]
fn values_of_several_forms_are_kept_in_parts() {
    for n in [128, 400, 5_000] {
        check_kind((0..n).map(any_form), if n < 400 { "text" } else { "mixed" });
    }
    // Parts of one form alone, and values that begin with digits they all share.
    check_kind(
        (0..2_000)
            .map(|i| if i % 2 == 0 { format!("a-{i:012x}") } else { format!("b{:08x}", noise(i) >> 33) }),
        "mixed",
    );
    check_kind(
        (0..2_000).map(|i| if i % 5 == 0 { format!("{i:012x}") } else { format!("text {i}") }),
        "text coded",
    );
}

#[test]
fn texts_among_values_of_several_forms_are_known() {
    let all: Arena = (0..5_000).map(any_form).collect();
    let (values, _) = check((0..5_000).map(any_form));
    let Values::Mixed { class, parts, .. } = &values else { panic!("{values:?}") };
    assert!(parts.len() > 3 && class.len() == 5_000);
    assert!(matches!(parts.last(), Some(Values::Text { .. })));
    let texts = all.iter().filter(|value| values.is_text(value)).count();
    assert_eq!(texts as u64, parts.last().unwrap().len());
}

fn uuid_text(i: u64) -> String {
    let (a, b) = (noise(i), noise(i + 1));
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xffff,
        b >> 48,
        b & 0xffff_ffff_ffff
    )
}

fn time_text(second: u64) -> String {
    format!(
        "2026-0{}-1{}T12:34:{:02}.{:06}Z",
        second % 9 + 1,
        second % 10,
        second % 60,
        noise(second) % 1_000_000
    )
}

#[test]
fn every_kind_comes_back_at_every_size() {
    for n in [1, 2, 127, 128, 129, 10_000] {
        check_kind((0..n).map(|i| format!("req_{:016x}", noise(i))), if n == 1 { "text" } else { "hex" });
        check_kind((0..n).map(uuid_text), "uuid");
        check_kind((0..n).map(|i| (noise(i) >> 1).to_string()), "ints");
        check_kind((0..n).map(time_text), "times");
        let (values, _) = check((0..n).map(|i| format!("user.{}@example{}.com", i, i % 7)));
        assert!(kind(&values).starts_with("text"));
        check((0..n).map(|i| noise(i).to_le_bytes()));
    }
    check_kind(Vec::<&str>::new(), "text");
}

#[test]
fn kinds_fit_exactly() {
    check_kind(["0"], "ints");
    check_kind(["9223372036854775807", "0", "10"], "ints");
    for odd in [
        "9223372036854775808",
        "01",
        "-1",
        "1.0",
        "",
        "1e3",
        "18446744073709551616",
        "00",
        "null",
        "99999999999999999999",
    ] {
        check_kind(["1", odd], "text");
    }
    check_kind(
        ["0000-03-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z", "2024-02-29T00:00:00.000001Z"],
        "times",
    );
    check_kind(["0000-01-01T00:00:00.000000Z", "1969-12-31T23:59:59.999999Z"], "times");
    for odd in [
        "2023-02-29T00:00:00.000000Z",
        "2024-13-01T00:00:00.000000Z",
        "2024-00-01T00:00:00.000000Z",
        "2024-01-00T00:00:00.000000Z",
        "2024-01-01T24:00:00.000000Z",
        "2024-01-01T00:00:60.000000Z",
        "2024-01-01t00:00:00.000000Z",
        "2024-01-01T00:00:00.000000z",
        "2024-01-01T00:00:00.00000Z",
        "2024-01-01T00:00:00,000000Z",
    ] {
        check_kind(["2024-01-01T00:00:00.000000Z", odd], "text");
    }
    check_kind(["0123abcd-0123-0123-0123-0123456789ab"], "uuid");
    for odd in [
        "0123ABCD-0123-0123-0123-0123456789ab",
        "0123abcd00123-0123-0123-0123456789ab",
        "0123abcd-0123-0123-0123-0123456789a",
    ] {
        check_kind(["0123abcd-0123-0123-0123-0123456789ab", odd], "text");
    }
    check_kind(["a00000001", "a0000000b"], "text");
    check_kind(["afedcba98", "a12345678"], "hex");
    // The prefix they share leaves an odd number of digits: the last of it is a digit again, or there is none.
    check_kind(["x-1fedcba9", "x-11234567"], "hex");
    check_kind(["x-fedcba980", "x-123456780"], "text");
    check_kind(["x-1fedcb", "x-112345"], "text");
    check_kind(["é-fedcba98", "é-12345678"], "hex");
    check_kind(["x-FEDCBA98", "x-12345678"], "text");
    check_kind(["x-fedcba98", "x-1234567"], "text");
}

#[test]
fn symbols_are_used_only_where_they_pay() {
    check_kind((0..5_000).map(|i| format!("/v1/workspaces/{}/members", i)), "text coded");
    check_kind((0..5_000).map(|i| noise(i).to_le_bytes()), "text");
    check_kind(["short", "texts"], "text");
    let (_, body) = check((0..5_000).map(|i| format!("/v1/workspaces/{i}/members")));
    assert!(body.bytes() < 5_000 * 15, "{}", body.bytes());
}

#[test]
fn long_values_come_back() {
    let long = |i: u64, len: usize| -> Vec<u8> {
        (0..len as u64).map(|k| noise(i * 1_000_000 + k / 3).to_le_bytes()[0]).collect()
    };
    check((0..4).map(|i| long(i, 256 * 1024)));
    check((0..200).map(|i| long(i, if i % 90 == 3 { 70_000 } else { usize::try_from(i).unwrap() })));
    check((0..300).map(|i| "ab".repeat(if i == 150 { 100_000 } else { i })));
    check((0..300).map(|i| "\u{1}\u{0}x".repeat(i % 5)));
    check([vec![0; 5_000], vec![255; 5_000], vec![]]);
}

#[test]
fn pages_are_laid_out_as_documented() {
    let (values, body) = check(["ab", "", "abcd"]);
    let Values::Text { n: 3, starts, at: 19, symbols: None } = values else { panic!("{values:?}") };
    assert_eq!(starts.span(&body, 0).unwrap(), 0..13);
    assert_eq!(body.read(19, 13).unwrap()[..], *b"\0\0\0\0\x03\x02\x01ababcd");
}

#[test]
fn a_region_gives_its_parts() {
    let (region, body) = file(|out| Region::write(b"hello", out));
    assert_eq!(region.read(&body).unwrap()[..], *b"hello");
    assert_eq!(region.slice(&body, 1..3).unwrap()[..], *b"el");
    assert!(region.slice(&body, 5..5).unwrap().is_empty());
    #[expect(clippy::reversed_empty_ranges, reason = "that is what must not panic")]
    for range in [5..6, 3..2, 0..u64::MAX, u64::MAX..u64::MAX] {
        assert!(region.slice(&body, range).is_err());
    }
}

#[test]
fn values_of_rows_are_not_here() {
    let ((), body) = file(|_| Ok(()));
    let values: Values = serde_json::from_str(r#"{"kind":"happened","n":5}"#).unwrap();
    assert_eq!(values.len(), 5);
    assert!(values.get(&body, 1, &mut Vec::new()).is_err());
    assert!(values.each(&body, 0..5, |_, _| Ok(())).is_err());
}

#[test]
fn a_complaint_of_the_caller_ends_the_walk() {
    let (values, body) = check((0..500).map(|i| format!("value {i}")));
    let mut seen = 0;
    let walked = values.each(&body, 0..500, |ordinal, _| {
        seen += 1;
        if ordinal == 200 { Err(body.damaged(3, "enough")) } else { Ok(()) }
    });
    assert_eq!(walked.unwrap_err().at, 3);
    assert_eq!(seen, 201);
}

/// Reads in every way; whatever comes, it does not panic.
fn read_all(values: &Values, body: &Body) {
    let end = values.len().min(400);
    drop(values.each(body, 0..end, |_, _| Ok(())));
    drop(values.each(body, values.len().saturating_sub(100)..values.len(), |_, _| Ok(())));
    for ordinal in (0..end).step_by(31).chain([values.len().wrapping_sub(1), u64::MAX]) {
        drop(values.get(body, ordinal, &mut Vec::new()));
    }
}

#[test]
fn changed_bytes_behind_the_checksum_do_not_panic() {
    for (values, body) in [
        check((0..400).map(|i| format!("/v1/workspaces/{i}/members"))),
        check((0..200).map(|i| noise(i).to_le_bytes())),
        check((0..200).map(uuid_text)),
        check((0..200).map(time_text)),
        check((0..200).map(|i| format!("req_{:016x}", noise(i)))),
        check((0..200).map(|i| (noise(i) >> 1).to_string())),
    ] {
        let len = usize::try_from(body.bytes()).unwrap() - 32;
        for at in (0..len).step_by(3) {
            for bits in [1, 0xff] {
                read_all(&values, &with_bytes(&body, |bytes| bytes[at] ^= bits));
            }
            read_all(&values, &with_bytes(&body, |bytes| bytes.truncate(at)));
        }
    }
}

fn numbers() -> impl Strategy<Value = Numbers> {
    (prop_oneof![0..1_000_u64, any::<u64>()], prop_oneof![0..700_u64, any::<u64>()], any::<bool>()).prop_map(
        |(n, start, constant)| if constant { Numbers::constant(n, start) } else { Numbers::linear(n, start) },
    )
}

fn region() -> impl Strategy<Value = Region> {
    (prop_oneof![0..700_u64, any::<u64>()], prop_oneof![0..700_u64, any::<u64>()])
        .prop_map(|(at, len)| Region { at, len })
}

fn any_values() -> impl Strategy<Value = Values> {
    let n = || prop_oneof![0..1_000_u64, any::<u64>()];
    prop_oneof![
        (n(), numbers(), n(), proptest::option::of(region()))
            .prop_map(|(n, starts, at, symbols)| Values::Text { n, starts, at, symbols }),
        (n(), prop_oneof![0..40_u32, any::<u32>()], n()).prop_map(|(n, digits, at)| Values::Hex {
            n,
            prefix: "x".to_owned(),
            digits,
            at
        }),
        (numbers(), region()).prop_map(|(high, low)| Values::Uuid { high, low }),
        numbers().prop_map(|numbers| Values::Ints { numbers }),
        numbers().prop_map(|numbers| Values::Times { numbers }),
        n().prop_map(|n| Values::Happened { n }),
    ]
}

proptest! {
    #[test]
    fn any_values_come_back(values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..300)) {
        check(values);
    }

    #[test]
    fn any_texts_of_one_form_come_back(
        values in proptest::collection::vec("(a|b-)?[0-9a-f]{7,9}|[0-9]{1,20}|20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:59\\.[0-9]{6}Z", 1..4),
    ) {
        check(values);
    }

    #[test]
    fn times_come_back_from_any_number(number in any::<u64>(), near in -377_705_116_800_000_000..253_402_300_800_000_000_i64) {
        for number in [number, near.cast_unsigned() ^ (1 << 63)] {
            let mut text = Vec::new();
            if coding::put_time(number, &mut text).is_some() {
                prop_assert_eq!(coding::time(&text), Some(number));
            }
        }
    }

    #[test]
    fn any_footer_over_any_bytes_does_not_panic(
        values in any_values(), bytes in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let (_, body) = file(|out| out.put(&bytes));
        read_all(&values, &body);
    }
}
