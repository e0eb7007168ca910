//! Instants in and out.

use expect_test::{Expect, expect};

use super::*;

#[track_caller]
fn check(text: &str, expected: Expect) {
    let shown = match Timestamp::parse_noting(text) {
        Ok(parsed) => {
            let cut = if parsed.cut { ", cut" } else { "" };
            let leap = if parsed.leap_second { ", leap second" } else { "" };
            format!("{}{cut}{leap}", parsed.at)
        }
        Err(error) => format!("{text} {error}"),
    };
    expected.assert_eq(&shown);
}

#[test]
fn offsets_are_brought_to_utc() {
    check("2026-11-21T10:00:59.123456Z", expect!["2026-11-21T10:00:59.123456Z"]);
    check("2026-11-21t10:00:59z", expect!["2026-11-21T10:00:59.000000Z"]);
    check("2026-01-01T00:30:00+01:00", expect!["2025-12-31T23:30:00.000000Z"]);
    check("2026-12-31T23:59:59.5-00:30", expect!["2027-01-01T00:29:59.500000Z"]);
    check("2026-11-21T10:00:59-00:00", expect!["2026-11-21T10:00:59.000000Z"]);
}

#[test]
fn digits_beyond_microseconds_are_cut_towards_the_past() {
    check("2026-11-21T10:00:59.123456789Z", expect!["2026-11-21T10:00:59.123456Z, cut"]);
    check("1969-12-31T23:59:59.9999999Z", expect!["1969-12-31T23:59:59.999999Z, cut"]);
    check("2026-11-21T10:00:59.123456000Z", expect!["2026-11-21T10:00:59.123456Z"]);
}

#[test]
fn a_leap_second_is_the_last_microsecond_before() {
    check("2016-12-31T23:59:60Z", expect!["2016-12-31T23:59:59.999999Z, leap second"]);
    check("2016-12-31T23:59:60.5Z", expect!["2016-12-31T23:59:59.999999Z, leap second"]);
    check("2017-01-01T00:59:60+01:00", expect!["2016-12-31T23:59:59.999999Z, leap second"]);
}

#[test]
fn the_years_0000_to_9999_are_whole() {
    check("0000-01-01T00:00:00Z", expect!["0000-01-01T00:00:00.000000Z"]);
    check("9999-12-31T23:59:59.999999Z", expect!["9999-12-31T23:59:59.999999Z"]);
    check("1969-07-20T20:17:40Z", expect!["1969-07-20T20:17:40.000000Z"]);
    check("0000-02-29T12:00:00Z", expect!["0000-02-29T12:00:00.000000Z"]);
    check(
        "9999-12-31T23:59:59-00:01",
        expect!["9999-12-31T23:59:59-00:01 is outside the years 0000 to 9999 in UTC"],
    );
    check(
        "0000-01-01T00:00:00+00:01",
        expect!["0000-01-01T00:00:00+00:01 is outside the years 0000 to 9999 in UTC"],
    );
    assert_eq!(Timestamp::MIN.to_string(), "0000-01-01T00:00:00.000000Z");
    assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999999Z");
    assert_eq!(Timestamp::from_micros(Timestamp::MAX.as_micros() + 1), None);
    assert_eq!(Timestamp::from_micros(-1).unwrap().as_millis_floor(), -1);
}

#[test]
fn other_forms_are_refused() {
    for text in [
        "2026-11-21T10:00:59",
        "2026-11-21 10:00:59Z",
        "2026-11-21",
        "10000-01-01T00:00:00Z",
        "+2026-11-21T10:00:59Z",
        "-001-11-21T10:00:59Z",
        "2026-11-21T10:00Z",
        "2026-11-21T10:00:59.Z",
        "2026-11-21T10:00:59,5Z",
        "2026-11-21T10:00:59+0100",
        "2026-11-21T10:00:59+01",
        "2026-11-21T10:00:59Z ",
        "2026-11-21T10:00:59[Europe/Berlin]",
        "٢٠٢٦-11-21T10:00:59Z",
        "",
    ] {
        assert_eq!(Timestamp::parse(text), Err(TimeError::Form), "{text}");
    }
    for text in [
        "2026-02-29T10:00:59Z",
        "2026-13-01T10:00:59Z",
        "2026-00-01T10:00:59Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T10:60:00Z",
        "2026-11-21T10:00:61Z",
        "2026-11-21T10:00:59+24:00",
        "2026-11-21T10:00:59+01:60",
    ] {
        assert_eq!(Timestamp::parse(text), Err(TimeError::Calendar), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn every_instant_reads_back_as_itself(micros in Timestamp::MIN.as_micros()..=Timestamp::MAX.as_micros()) {
        let at = Timestamp::from_micros(micros).unwrap();
        proptest::prop_assert_eq!(Timestamp::parse(&at.to_string()), Ok(at));
    }
}
