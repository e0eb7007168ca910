use alloc::format;

use proptest::prelude::*;

use super::*;

/// The formulas of the module's header, each with its own hash.
fn naive(secret: &[u8; 16], units: &[(Vec<u8>, Vec<u8>)]) -> Hash {
    let mut outer = [vec![0x05], u32::try_from(units.len()).unwrap().to_be_bytes().to_vec()].concat();
    for (number, (name, value)) in units.iter().enumerate() {
        let pair = u32::try_from(number / 2).unwrap().to_be_bytes();
        let salts = hash::sha256(&[&[0x03], &secret[..], &pair[..]].concat()).0;
        let salt = if number % 2 == 0 { &salts[..16] } else { &salts[16..] };
        let length = u16::try_from(name.len()).unwrap().to_be_bytes();
        outer.extend_from_slice(&hash::sha256(&[&[0x04], salt, &length[..], name, value].concat()).0);
    }
    hash::sha256(&outer)
}

proptest! {
    #[test]
    fn a_committer_does_what_the_formulas_say(
        secret: [u8; 16],
        units in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), prop::collection::vec(any::<u8>(), 0..400)), 0..30),
    ) {
        let mut committer = Committer::new(&Secret::from_bytes([0xee; 16]));
        committer.unit(b"left over", b"from before").unwrap();
        committer.reset(&Secret::from_bytes(secret));
        for (name, value) in &units {
            committer.unit(name, value).unwrap();
        }
        let expected = naive(&secret, &units);
        prop_assert_eq!(committer.finish(), expected);

        // The same with many at a time, behind none, an even and an odd number of others.
        let units = units.iter().map(|(name, value)| (&name[..], &value[..])).collect::<Vec<_>>();
        let (first, rest) = units.split_at(units.len() / 3);
        committer.reset(&Secret::from_bytes(secret));
        committer.units(first.iter().copied()).unwrap();
        committer.units_in_lanes(rest.iter().copied()).unwrap();
        prop_assert_eq!(committer.finish(), expected);
    }
}

#[test]
fn a_withheld_unit_takes_its_place_by_its_digest() {
    let secret = Secret::from_bytes([9; 16]);
    let unit = |number: u32| (format!("/actor/{number}"), format!("\"value {number}\""));
    let digests: Vec<Hash> = (0..7)
        .map(|number| {
            let (name, value) = unit(number);
            unit_digest(&salt(&secret, number), name.as_bytes(), value.as_bytes()).unwrap()
        })
        .collect();
    let expected = commitment(&digests);
    for withheld in 0..7 {
        let mut committer = Committer::new(&secret);
        for number in 0..7 {
            let (name, value) = unit(number);
            if number == withheld {
                committer.digest(&digests[number as usize]);
            } else {
                committer.unit(name.as_bytes(), value.as_bytes()).unwrap();
            }
        }
        assert_eq!(committer.finish(), expected, "without unit {withheld}");
        assert!(committer.digests().iter().eq(digests.iter().map(|digest| &digest.0)));
    }
}

#[test]
fn a_name_that_does_not_fit_is_refused_and_changes_nothing() {
    let long = vec![b'n'; UNIT_NAME_BYTES_MAX + 1];
    let mut committer = Committer::new(&Secret::from_bytes([1; 16]));
    assert_eq!(committer.unit(&long, b"1"), Err(NameTooLong { bytes: long.len() }));
    committer.unit(&long[1..], b"1").unwrap();
    let mut other = Committer::new(&Secret::from_bytes([1; 16]));
    other.unit(&long[1..], b"1").unwrap();
    assert_eq!(committer.finish(), other.finish());
}

#[test]
fn moving_bytes_between_name_and_value_changes_the_digest() {
    let salt = [0; SALT_BYTES];
    assert_ne!(unit_digest(&salt, b"/a", b"bc"), unit_digest(&salt, b"/ab", b"c"));
}

#[test]
fn debug_output_shows_no_secret() {
    let mut committer = Committer::new(&Secret::from_bytes([0xab; 16]));
    committer.unit(b"", b"{}").unwrap();
    assert_eq!(format!("{committer:?}"), "Committer { units: 1, .. }");
}
