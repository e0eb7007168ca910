use proptest::prelude::*;

use super::*;
use crate::body::tests::{file, with_bytes};

const SIZES: [usize; 9] = [0, 1, 127, 128, 129, 8_191, 8_192, 8_193, 10_000];

fn check(values: &[u64]) -> (Numbers, Body) {
    let (numbers, body) = file(|out| {
        out.put(b"odd")?;
        Numbers::write(values, out)
    });
    let text = serde_json::to_string(&numbers).unwrap();
    let numbers: Numbers = serde_json::from_str(&text).unwrap();
    assert_eq!(numbers.len(), values.len() as u64);
    assert_eq!(numbers.is_empty(), values.is_empty());

    let mut all = Vec::new();
    numbers.range(&body, 0..numbers.len(), &mut all).unwrap();
    assert_eq!(all, values);

    let mut group = Group::default();
    let mut narrow_group = Group::default();
    for (unit, expected) in values.chunks(UNIT_LEN).enumerate() {
        let (unit, mut out, mut narrow) = (unit as u64, [7; UNIT_LEN], [7; UNIT_LEN]);
        assert_eq!(numbers.unit(&body, unit, &mut out).unwrap(), expected.len());
        assert_eq!(&out[..expected.len()], expected);
        assert_eq!(numbers.unit_of(&mut group, &body, unit, &mut out).unwrap(), expected.len());
        assert_eq!(&out[..expected.len()], expected);
        let narrowed = numbers.unit_u32_of(&mut narrow_group, &body, unit, &mut narrow);
        let fits: Result<Vec<u32>, _> = expected.iter().map(|value| u32::try_from(*value)).collect();
        match fits {
            Ok(fits) => {
                assert_eq!(narrowed.unwrap(), fits.len());
                assert_eq!(narrow[..fits.len()], fits);
            }
            Err(_) => assert!(narrowed.is_err()),
        }
        let (low, high) = numbers.unit_bounds(&body, unit).unwrap();
        assert!(expected.iter().all(|value| (low..=high).contains(value)), "{low} {high}");
    }
    for i in (0..values.len()).step_by((values.len() / 300).max(1)) {
        assert_eq!(numbers.get(&body, i as u64).unwrap(), values[i], "{i}");
        if let Some(next) = values.get(i + 1) {
            let span = numbers.span(&body, i as u64);
            if values[i] <= *next {
                assert_eq!(span.unwrap(), values[i]..*next);
            } else {
                assert!(span.is_err());
            }
        }
    }
    for beyond in [values.len() as u64, values.len() as u64 + 1, u64::MAX] {
        assert!(numbers.get(&body, beyond).is_err());
        assert!(numbers.span(&body, beyond).is_err());
        assert!(numbers.range(&body, 0..beyond.saturating_add(1), &mut Vec::new()).is_err());
        let unit = numbers.units() + (beyond - numbers.len());
        assert!(numbers.unit(&body, unit, &mut [0; UNIT_LEN]).is_err());
        assert!(numbers.unit_u32(&body, unit, &mut [0; UNIT_LEN]).is_err());
        assert!(numbers.unit_bounds(&body, unit).is_err());
    }
    (numbers, body)
}

/// Numbers without a pattern, of at most so many bits.
fn random(n: usize, bits: u32, seed: u64) -> Vec<u64> {
    (0..n as u64)
        .map(|i| crate::hashes::hash(seed, &i.to_le_bytes()).checked_shr(64 - bits).unwrap_or(0))
        .collect()
}

#[test]
fn every_width_and_size_comes_back() {
    for bits in 0..=64 {
        check(&random(300, bits, u64::from(bits)));
    }
    for n in SIZES {
        for bits in [0, 1, 5, 17, 32, 33, 57, 58, 63, 64] {
            check(&random(n, bits, 1));
        }
    }
}

#[test]
fn extremes_and_patterns_come_back() {
    for n in SIZES {
        let index = 0..n as u64;
        check(&index.clone().map(|_| u64::MAX).collect::<Vec<_>>());
        check(&index.clone().map(|i| i % 2 * u64::MAX).collect::<Vec<_>>());
        check(&index.clone().map(|i| u64::MAX - i).collect::<Vec<_>>());
        check(&index.clone().map(|i| u64::MAX - n as u64 + i).collect::<Vec<_>>());
        check(&index.clone().map(|i| i * i).collect::<Vec<_>>());
        check(&index.clone().map(|i| i * 3 / 2).collect::<Vec<_>>());
        check(&index.clone().map(|i| (1 << 63) + i * 1_000_000).collect::<Vec<_>>());
        check(&index.clone().map(|i| u64::from(i != 500) * i).collect::<Vec<_>>());
    }
}

#[test]
fn what_follows_a_rule_takes_no_bytes() {
    for values in [vec![], vec![5], vec![9; 1_000], (u64::MAX - 500..=u64::MAX).collect()] {
        let (_, body) = check(&values);
        assert_eq!(body.bytes(), 16 + 3 + 16);
    }
    let (numbers, _) = check(&[3; 10]);
    assert_eq!(numbers.as_constant(), Some(3));
    assert_eq!(serde_json::to_string(&numbers).unwrap(), r#"{"n":10,"as":{"constant":3}}"#);
    assert_eq!(numbers, Numbers::constant(10, 3));
    let (numbers, _) = check(&[3, 4, 5]);
    assert_eq!(numbers, Numbers::linear(3, 3));
    let (numbers, _) = check(&[3, 4, 6]);
    let text = serde_json::to_string(&numbers).unwrap();
    assert_eq!(text, r#"{"n":3,"as":{"packed":{"at":19,"base_bytes":1}}}"#);
}

#[test]
fn rising_numbers_with_holes_are_packed_against_a_line() {
    // One hole in 128 numbers: one bit each with a step, seven or eight without.
    let values: Vec<u64> = (0..12_800).map(|i| i + i / 100).collect();
    let (_, body) = check(&values);
    assert!(body.bytes() < 12_800 * 2 / 8 + 600, "{}", body.bytes());
}

#[test]
fn the_last_unit_ends_behind_its_last_number() {
    let (_, body) = check(&[1, 200, 3]);
    // Offset, width, base, three bytes.
    assert_eq!(body.bytes(), 16 + 3 + (4 + 1 + 1) + 3 + 16);
}

#[test]
fn layout_is_as_documented() {
    let (numbers, body) = check(&[10, 12, 11, 17]);
    assert_eq!(body.read(19, 6 + 2).unwrap()[..], [0, 0, 0, 0, 3, 10, 0b01_010_000, 0b1110]);
    assert_eq!(numbers.unit_bounds(&body, 0).unwrap(), (10, 17));
    let (_, body) = check(&[10, 11, 13, 14]);
    assert_eq!(body.read(19, 6 + 1).unwrap()[..], [0, 0, 0, 0, 0x81, 10, 0b1100]);
}

#[test]
fn a_point_is_found_in_any_range() {
    for values in [
        (0..5_000).map(|i| i * 3 + i % 2).collect::<Vec<u64>>(),
        (0..5_000).map(|i| i / 700).collect(),
        (7..5_000).collect(),
        vec![4; 3_000],
        vec![],
    ] {
        let (numbers, body) = check(&values);
        let n = values.len();
        for (from, to) in [
            (0, n),
            (n.min(1), n),
            (n / 3, n / 2),
            (n / 2, n / 2),
            (n / 128 * 128, n),
            (n / 4, n / 4 + n.min(1)),
        ] {
            for limit in [0, 1, 4, 5, 699, 1_000, 7_500, 14_998, 14_999, u64::MAX] {
                let expected = from + values[from..to].partition_point(|value| *value < limit);
                let found = numbers.partition_point(&body, from as u64..to as u64, |value| value < limit);
                assert_eq!(found.unwrap(), expected as u64, "{from} {to} {limit}");
            }
        }
        assert!(numbers.partition_point(&body, 0..n as u64 + 1, |_| true).is_err());
    }
}

/// Reads in every way; whatever comes, it does not panic.
fn read_all(numbers: &Numbers, body: &Body) {
    let mut group = Group::default();
    for unit in (0..numbers.units().min(200)).chain([u64::MAX, u64::MAX / UNIT]) {
        drop(numbers.unit_of(&mut group, body, unit, &mut [0; UNIT_LEN]));
        drop(numbers.unit_u32(body, unit, &mut [0; UNIT_LEN]));
        drop(numbers.unit_bounds(body, unit));
    }
    for i in (0..numbers.len().min(10_000)).step_by(61).chain([numbers.len().wrapping_sub(1), u64::MAX]) {
        drop(numbers.get(body, i));
        drop(numbers.span(body, i));
    }
    drop(numbers.partition_point(body, 0..numbers.len(), |value| value < 99));
    drop(numbers.range(body, 0..numbers.len().min(10_000), &mut Vec::new()));
}

#[test]
fn changed_bytes_behind_the_checksum_do_not_panic() {
    let values = random(8_300, 23, 3);
    let (numbers, body) = check(&values);
    let len = usize::try_from(body.bytes()).unwrap() - 32;
    // All of the headers, some of the data.
    for at in (0..700).step_by(3).chain((700..len).step_by(2_003)) {
        for bits in [0x80, 0x40, 0xff] {
            read_all(&numbers, &with_bytes(&body, |bytes| bytes[at] ^= bits));
        }
    }
    for cut in (0..700).step_by(3).chain((700..len).step_by(2_003)) {
        read_all(&numbers, &with_bytes(&body, |bytes| bytes.truncate(cut)));
    }
}

proptest! {
    #[test]
    fn any_numbers_come_back(
        values in proptest::collection::vec(any::<u64>(), 0..400), shift in 0_u32..64, rise in any::<bool>(),
    ) {
        let mut values: Vec<u64> = values.iter().map(|value| value >> shift).collect();
        if rise {
            values.sort_unstable();
        }
        check(&values);
    }

    #[test]
    fn any_footer_over_any_bytes_does_not_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..600), n in prop_oneof![0..1_000_u64, any::<u64>()],
        at in prop_oneof![0..700_u64, any::<u64>()], base_bytes in prop_oneof![0..9_u8, any::<u8>()],
    ) {
        let (_, body) = file(|out| out.put(&bytes));
        let numbers = Numbers { n, coding: Coding::Packed(Packed { at, base_bytes }) };
        read_all(&numbers, &body);
        read_all(&Numbers::linear(n, at), &body);
    }
}
