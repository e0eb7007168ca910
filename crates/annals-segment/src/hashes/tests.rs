use proptest::prelude::*;

use super::*;
use crate::body::tests::{file, with_bytes};

fn some_hashes(n: u64, seed: u64) -> Vec<u64> {
    (0..n).map(|i| hash(seed, &i.to_le_bytes())).collect()
}

#[test]
fn the_hash_is_xxh3_with_the_seed() {
    // XXH3's own known answers for no bytes and seeds 0 and 1.
    assert_eq!(hash(0, b""), 0x2d06_8005_38d3_94c2);
    assert_ne!(hash(1, b""), hash(0, b""));
}

#[test]
fn every_value_is_found_and_few_others() {
    for n in [0, 1, 7, 8, 9, 127, 128, 129, 10_000] {
        let hashes = some_hashes(n, 1);
        let (index, body) = file(|out| HashIndex::write(&hashes, out));
        let index: HashIndex = serde_json::from_str(&serde_json::to_string(&index).unwrap()).unwrap();
        assert_eq!(index.len(), n);
        for (ordinal, hash) in hashes.iter().enumerate() {
            assert!(index.candidates(&body, *hash).unwrap().contains(&(ordinal as u64)));
        }
        let others: usize =
            some_hashes(10_000, 2).iter().map(|hash| index.candidates(&body, *hash).unwrap().len()).sum();
        assert!(others < 20, "{others}");
    }
}

#[test]
fn values_of_one_hash_are_all_found_in_order() {
    let mut hashes = vec![77 << 50; 500];
    hashes.extend([0, u64::MAX, u64::MAX]);
    let (index, body) = file(|out| HashIndex::write(&hashes, out));
    assert_eq!(index.candidates(&body, 77 << 50).unwrap(), (0..500).collect::<Vec<_>>());
    assert_eq!(index.candidates(&body, 0).unwrap(), [500]);
    assert_eq!(index.candidates(&body, u64::MAX).unwrap(), [501, 502]);
    assert_eq!(index.candidates(&body, 1 << 63).unwrap(), Vec::<u64>::new());
}

#[test]
fn an_index_takes_little() {
    let (_, body) = file(|out| HashIndex::write(&some_hashes(100_000, 1), out));
    assert!(body.bytes() < 460_000, "{}", body.bytes());
}

#[test]
fn the_filter_has_all_keys_and_about_one_in_a_hundred_others() {
    for n in [0, 1, 51, 52, 1_000, 100_000] {
        let hashes = some_hashes(n, 1);
        let (filter, body) = file(|out| {
            out.put(b"odd")?;
            Filter::write(hashes.iter().copied(), out)
        });
        let filter: Filter = serde_json::from_str(&serde_json::to_string(&filter).unwrap()).unwrap();
        let loaded = filter.load(&body).unwrap();
        assert!(loaded.bytes() as u64 <= n * 10 / 8 + 64);
        for hash in &hashes {
            assert!(filter.may_contain(&body, *hash).unwrap());
            assert!(loaded.may_contain(*hash));
        }
        let mut others = 0;
        for hash in some_hashes(20_000, 2) {
            let may = loaded.may_contain(hash);
            assert_eq!(filter.may_contain(&body, hash).unwrap(), may);
            others += usize::from(may);
        }
        assert!(others < 20_000 / 60, "{n}: {others}");
    }
}

#[test]
fn the_filter_is_laid_out_as_documented() {
    let hash = 0x0123_4567_89ab_cdef_u64;
    let (filter, body) = file(|out| Filter::write([hash].into_iter(), out));
    assert_eq!(serde_json::to_string(&filter).unwrap(), r#"{"lines":1,"at":64}"#);
    let line = body.read(64, 64).unwrap();
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut expected = [0_u8; 64];
    for k in 0..7 {
        let bit = usize::try_from((mixed >> (9 * k)) % 512).unwrap();
        expected[bit / 8] |= 1 << (bit % 8);
    }
    assert_eq!(line, &expected[..]);
}

#[test]
fn changed_bytes_behind_the_checksum_do_not_panic() {
    let hashes = some_hashes(1_000, 1);
    let ((index, filter), body) =
        file(|out| Ok((HashIndex::write(&hashes, out)?, Filter::write(hashes.iter().copied(), out)?)));
    let len = usize::try_from(body.bytes()).unwrap() - 32;
    for at in (0..len).step_by(7) {
        let cut = with_bytes(&body, |bytes| bytes.truncate(at));
        let flipped = with_bytes(&body, |bytes| bytes[at] ^= 0xff);
        for hash in hashes.iter().step_by(50) {
            for body in [&cut, &flipped] {
                drop(index.candidates(body, *hash));
                drop(filter.may_contain(body, *hash));
            }
        }
    }
}

proptest! {
    #[test]
    fn any_footer_over_any_bytes_does_not_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..600), bits in any::<u8>(), n in any::<u64>(),
        at in prop_oneof![0..700_u64, any::<u64>()], hash in any::<u64>(), start in any::<u64>(),
    ) {
        let (_, body) = file(|out| out.put(&bytes));
        for starts in [Numbers::linear(n, start), Numbers::constant(n, start), Numbers::linear(n, 0)] {
            let index = HashIndex { bits, starts, at, ordinals: Numbers::linear(n, 0) };
            drop(index.candidates(&body, hash));
        }
        for lines in [n, n % 10] {
            let filter = Filter::of(lines, at);
            drop(filter.may_contain(&body, hash));
            drop(filter.load(&body));
        }
    }
}
