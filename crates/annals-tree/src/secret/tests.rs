use alloc::collections::BTreeSet;
use alloc::format;

use proptest::prelude::*;

use super::*;
use crate::testing::mutations;

fn root() -> SecretRoot {
    SecretRoot::from_bytes([0x42; ROOT_BYTES])
}

fn counter(number: u16) -> Counter {
    Counter::new(number).unwrap()
}

/// Walks down bit by bit, as the module's header says.
fn naive(root: &[u8], number: u16) -> [u8; 16] {
    let mut seed = root.to_vec();
    for bit in (0..12).rev() {
        let halves = hash::sha256(&[&[0x06], &seed[..]].concat()).0;
        seed = if number >> bit & 1 == 0 { halves[..16].to_vec() } else { halves[16..].to_vec() };
    }
    seed.try_into().unwrap()
}

#[test]
fn every_secret_is_where_its_bits_lead() {
    let all: Vec<Secret> = root().secrets(counter(0)).collect();
    assert_eq!(all.len(), usize::from(SECRETS_PER_ROOT));
    for (number, secret) in (0..SECRETS_PER_ROOT).zip(&all) {
        assert_eq!(*secret.as_bytes(), naive(&[0x42; 32], number), "counter {number}");
    }
    assert_eq!(all.iter().map(|secret| secret.as_bytes()).collect::<BTreeSet<_>>().len(), all.len());
}

#[test]
fn a_name_is_a_hash_of_the_whole_root_and_none_of_its_seeds() {
    let name = root().name();
    assert_eq!(name, hash::sha256(&[&[0x07], &[0x42; 32][..]].concat()).0);
    assert_ne!(name, hash::sha256(&[&[0x06], &[0x42; 32][..]].concat()).0);
}

#[test]
fn secrets_start_anywhere_and_end_with_the_root() {
    for from in [0, 1, 2, 1023, 2047, 2048, 4094, 4095] {
        let listed: Vec<Secret> = root().secrets(counter(from)).take(5).collect();
        let single: Vec<Secret> =
            (from..SECRETS_PER_ROOT).take(5).map(|c| root().secret(counter(c))).collect();
        assert_eq!(listed, single, "from {from}");
    }
    assert_eq!(Counter::new(SECRETS_PER_ROOT), None);
    assert_eq!(Counter::MAX.next(), None);
}

#[test]
fn secrets_are_the_same_in_any_order() {
    let mut secrets = root().secrets(counter(100));
    // There and back, by one bit and by all, and a counter again.
    for number in [100, 101, 101, 103, 102, 0, 4095, 4094, 2047, 2048, 2049, 1, 4095, 7] {
        assert_eq!(secrets.secret(counter(number)), root().secret(counter(number)), "counter {number}");
    }
    assert_eq!(secrets.next(), Some(root().secret(counter(8))));
    assert_eq!(secrets.secret(Counter::MAX), root().secret(Counter::MAX));
    assert_eq!(secrets.next(), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn a_punctured_root_gives_all_but_what_was_removed(
        removed in prop::collection::btree_set(0..SECRETS_PER_ROOT, 1..12),
    ) {
        let mut numbers = removed.iter().copied();
        let mut punctured = root().puncture(counter(numbers.next().unwrap()));
        numbers.for_each(|number| punctured.puncture(counter(number)));
        prop_assert_eq!(usize::from(punctured.remaining()), 4096 - removed.len());
        let read = PuncturedRoot::decode(&punctured.encode()).unwrap();
        prop_assert_eq!(&read, &punctured);
        for (number, secret) in (0..).zip(root().secrets(Counter::default())) {
            let expected = (!removed.contains(&number)).then_some(secret);
            prop_assert_eq!(read.secret(counter(number)), expected);
        }
        // Nothing kept leads to what was removed: no seed stands on the path to it.
        for subtree in &punctured.subtrees {
            let holds = subtree.first..subtree.first + subtree.secrets();
            prop_assert!(removed.iter().all(|number| !holds.contains(number)));
        }
    }
}

#[test]
fn one_puncture_leaves_twelve_seeds() {
    for number in [0, 1, 2048, 4095] {
        assert_eq!(root().puncture(counter(number)).subtrees.len(), 12);
    }
}

#[test]
fn puncturing_again_changes_nothing() {
    let once = root().puncture(counter(77));
    let mut twice = once.clone();
    twice.puncture(counter(77));
    assert_eq!(once, twice);
}

#[test]
fn everything_can_be_removed() {
    let mut punctured = root().puncture(Counter::default());
    for number in 0..SECRETS_PER_ROOT {
        punctured.puncture(counter(number));
    }
    assert_eq!(punctured.remaining(), 0);
    assert_eq!(PuncturedRoot::decode(&punctured.encode()).unwrap(), punctured);
}

#[test]
fn a_changed_encoding_is_refused_or_means_what_it_says() {
    for bytes in mutations(&root().puncture(counter(1234)).encode()) {
        if let Ok(read) = PuncturedRoot::decode(&bytes) {
            assert_eq!(**read.encode(), bytes);
        }
    }
}

#[test]
fn overlapping_and_misplaced_subtrees_are_refused() {
    let encode = |subtrees: &[(u16, u8)]| {
        let mut bytes = [&[VERSION, 0][..], &[u8::try_from(subtrees.len()).unwrap()]].concat();
        for (first, depth) in subtrees {
            bytes.extend_from_slice(&first.to_be_bytes());
            bytes.push(*depth);
            bytes.extend_from_slice(&[0; 16]);
        }
        bytes
    };
    assert!(PuncturedRoot::decode(&encode(&[(0, 2), (1024, 12), (4095, 12)])).is_ok());
    for wrong in
        [&[(0, 0)][..], &[(0, 13)], &[(1, 11)], &[(4096, 12)], &[(2048, 1), (0, 1)], &[(0, 1), (2047, 12)]]
    {
        assert!(PuncturedRoot::decode(&encode(wrong)).is_err(), "{wrong:?}");
    }
}

#[test]
fn debug_output_shows_no_secret() {
    let secret = root().secret(Counter::MAX);
    assert_eq!(format!("{:?} {:?}", root(), secret), "SecretRoot(…) Secret(…)");
    assert_eq!(format!("{:?}", root().puncture(Counter::MAX)), "PuncturedRoot { remaining: 4095, .. }");
}
