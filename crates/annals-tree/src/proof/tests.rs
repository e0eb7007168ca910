use super::*;
use crate::hash::leaf_hash;
use crate::note::SigningKey;
use crate::testing::{leaves, naive_consistency, naive_inclusion, naive_root, text_mutations, tree_of};

#[test]
fn inclusion_holds_for_nothing_but_its_own_leaf_place_and_root() {
    let leaves = leaves(40);
    for size in [1, 2, 3, 7, 8, 33, 40_usize] {
        let root = naive_root(&leaves[..size]);
        for position in 0..size {
            let proof = naive_inclusion(position, &leaves[..size]);
            for other in 0..size as u64 + 2 {
                let right = other == position as u64;
                let held = verify_inclusion(&leaves[position], other, size as u64, &proof, &root).is_ok();
                assert_eq!(held, right, "{position} as {other} of {size}");
            }
            let (at, to) = (position as u64, size as u64);
            assert!(verify_inclusion(&leaf_hash(b"other"), at, to, &proof, &root).is_err());
            assert!(verify_inclusion(&leaves[position], at, to, &proof, &leaf_hash(b"root")).is_err());
            for dropped in 0..proof.len() {
                let mut short = proof.clone();
                let _dropped = short.remove(dropped);
                assert!(verify_inclusion(&leaves[position], at, to, &short, &root).is_err());
                let mut wrong = proof.clone();
                wrong[dropped].0[5] ^= 1;
                assert_eq!(verify_inclusion(&leaves[position], at, to, &wrong, &root), Err(ProofError::Root));
            }
            let long = [&proof[..], &[root]].concat();
            let expected = Err(ProofError::Length(long.len()));
            assert_eq!(verify_inclusion(&leaves[position], at, to, &long, &root), expected);
        }
    }
}

#[test]
fn consistency_holds_for_nothing_but_its_own_sizes_and_roots() {
    let leaves = leaves(34);
    for to in 1..=34_usize {
        let to_root = naive_root(&leaves[..to]);
        for from in 1..=to {
            let from_root = naive_root(&leaves[..from]);
            let proof = naive_consistency(from, &leaves[..to]);
            let (small, large) = (from as u64, to as u64);
            assert_eq!(verify_consistency(small, &from_root, large, &to_root, &proof), Ok(()));
            let other = leaf_hash(b"other");
            assert!(verify_consistency(small, &other, large, &to_root, &proof).is_err());
            assert!(verify_consistency(small, &from_root, large, &other, &proof).is_err());
            for changed in 0..proof.len() {
                let mut wrong = proof.clone();
                wrong[changed].0[5] ^= 1;
                assert!(verify_consistency(small, &from_root, large, &to_root, &wrong).is_err());
                let _dropped = wrong.remove(changed);
                assert!(verify_consistency(small, &from_root, large, &to_root, &wrong).is_err());
            }
            let long = [&proof[..], &[to_root]].concat();
            assert!(verify_consistency(small, &from_root, large, &to_root, &long).is_err());
        }
    }
}

#[test]
fn trivial_consistency_needs_an_empty_proof_and_the_right_roots() {
    let (empty, root) = (empty_root(), leaf_hash(b"only"));
    assert_eq!(verify_consistency(0, &empty, 1, &root, &[]), Ok(()));
    assert_eq!(verify_consistency(0, &empty, 0, &empty, &[]), Ok(()));
    assert_eq!(verify_consistency(0, &empty, 0, &root, &[]), Err(ProofError::Root));
    assert_eq!(verify_consistency(0, &root, 1, &root, &[]), Err(ProofError::FromRoot));
    assert_eq!(verify_consistency(0, &empty, 1, &root, &[root]), Err(ProofError::Length(1)));
    assert_eq!(verify_consistency(1, &root, 1, &root, &[]), Ok(()));
    assert_eq!(verify_consistency(1, &root, 1, &empty, &[]), Err(ProofError::Root));
    assert_eq!(verify_consistency(2, &root, 1, &root, &[]), Err(ProofError::Order { from: 2, to: 1 }));
    assert_eq!(verify_consistency(3, &root, 4, &root, &[]), Err(ProofError::Length(0)));
}

#[test]
fn sizes_at_the_end_of_the_numbers_do_not_overflow() {
    let root = leaf_hash(b"x");
    let hashes = [root; PROOF_HASHES_MAX];
    for (position, size) in
        [(u64::MAX - 1, u64::MAX), (0, u64::MAX), (1 << 63, u64::MAX), ((1 << 63) - 1, 1 << 63)]
    {
        for length in 0..=PROOF_HASHES_MAX {
            assert!(verify_inclusion(&root, position, size, &hashes[..length], &root).is_err());
            assert!(verify_consistency(position.max(1), &root, size, &root, &hashes[..length]).is_err());
        }
    }
}

/// The proof of one entry of a log of 300, and what it is checked with.
fn receipt(extra: Option<&[u8]>) -> (TlogProof, Hash, VerifierKey) {
    let leaves = leaves(300);
    let tree = tree_of(&leaves);
    let key = SigningKey::from_seed("log.example/t/1", &[3; 32]).unwrap();
    let checkpoint = key.sign(&Checkpoint::new(key.name(), 300, tree.root()).to_text()).unwrap();
    let hashes = crate::inclusion(17, 300, &tree).unwrap();
    let proof = TlogProof { index: 17, hashes, extra: extra.map(<[u8]>::to_vec), checkpoint };
    (proof, leaves[17], key.verifier_key())
}

#[test]
fn a_receipt_reads_back_and_verifies() {
    for extra in [None, Some(&b"context"[..]), Some(b"")] {
        let (proof, leaf, key) = receipt(extra);
        let read = TlogProof::parse(&proof.to_text()).unwrap();
        assert_eq!(read, proof);
        assert_eq!(read.verify(&leaf, &key, "log.example/t/1").unwrap().size, 300);
        assert!(read.verify(&leaf_hash(b"other"), &key, "log.example/t/1").is_err());
        assert!(read.verify(&leaf, &key, "log.example/t/2").is_err());
    }
}

#[test]
fn a_receipt_of_a_log_of_one_has_no_hashes() {
    let key = SigningKey::from_seed("log.example/t/1", &[3; 32]).unwrap();
    let leaf = leaf_hash(b"only");
    let checkpoint = key.sign(&Checkpoint::new(key.name(), 1, leaf).to_text()).unwrap();
    let proof = TlogProof { index: 0, hashes: Vec::new(), extra: None, checkpoint };
    let read = TlogProof::parse(&proof.to_text()).unwrap();
    assert!(read.verify(&leaf, &key.verifier_key(), key.name()).is_ok());
}

#[test]
fn a_changed_receipt_is_another_receipt_or_none() {
    let (proof, leaf, key) = receipt(Some(b"context"));
    let text = proof.to_text();
    for changed in text_mutations(&text) {
        let Ok(read) = TlogProof::parse(&changed) else { continue };
        assert_eq!(read.to_text(), changed);
        if read.verify(&leaf, &key, "log.example/t/1").is_ok() {
            // Only what nobody vouches for may differ: the extra data.
            assert_eq!(TlogProof { extra: None, ..read }, TlogProof { extra: None, ..proof.clone() });
        }
    }
}

#[test]
fn malformed_receipts_are_refused_by_line() {
    let (proof, ..) = receipt(None);
    let text = proof.to_text();
    let check = |from: &str, to: &str, expected: TlogProofError| {
        assert_eq!(TlogProof::parse(&text.replacen(from, to, 1)), Err(expected), "{from} as {to}");
    };
    check("@v1", "@v2", TlogProofError::FirstLine);
    check("index 17", "index 017", TlogProofError::Index);
    check("index 17", "index +17", TlogProofError::Index);
    check("index 17", "extra !\nindex 17", TlogProofError::Extra);
    check("index 17", "index 17\nAAAA", TlogProofError::Hash(0));
    let many = alloc::format!("index 17{}", alloc::format!("\n{}", Hash::default().to_base64()).repeat(64));
    check("index 17", &many, TlogProofError::Hash(64));
    let cut = text.split_once("\n\n").unwrap().0;
    assert_eq!(TlogProof::parse(cut), Err(TlogProofError::NoCheckpoint));
    let long = text.clone() + &" ".repeat(TLOG_PROOF_BYTES_MAX);
    assert_eq!(TlogProof::parse(&long), Err(TlogProofError::TooLong(long.len())));
}
