use alloc::string::ToString as _;
use alloc::vec;

use super::*;
use crate::note::SigningKey;
use crate::testing::text_mutations;

const ORIGIN: &str = "annals.example/t/000102030405060708090a0b0c0d0e0f";
const TEXT: &str = "annals.example/t/000102030405060708090a0b0c0d0e0f\n7\nAAAA\n";

fn log() -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[1; 32]).unwrap()
}

fn cosigner(seed: u8) -> Cosigner {
    Cosigner::from_seed(&format!("witness.example/{seed}"), &[seed; 32]).unwrap()
}

fn cosigned(by: &[Cosigner]) -> Note {
    let mut note = log().sign(TEXT).unwrap();
    for (cosigner, time) in by.iter().zip(1_000..) {
        note.push_str(&cosigner.cosign(TEXT, time));
    }
    Note::parse(&note).unwrap()
}

#[test]
fn what_a_witness_cosigned_verifies_with_its_time_next_to_the_logs_signature() {
    let note = cosigned(&[cosigner(2), cosigner(3)]);
    assert_eq!(note.verify(&log().verifier_key()), Ok(()));
    assert_eq!(cosigner(2).witness_key().verify(&note), Ok(1_000));
    assert_eq!(cosigner(3).witness_key().verify(&note), Ok(1_001));
    assert_eq!(cosigner(4).witness_key().verify(&note), Err(CosignatureError::Missing));
}

#[test]
fn a_cosignature_of_another_text_another_time_or_another_kind_is_wrong() {
    let witness = cosigner(2);
    let line = witness.cosign(TEXT, 1_000);
    let key = witness.witness_key();
    let other = TEXT.replace('7', "8");
    assert_eq!(take_cosignature(&other, &line, &key), Err(CosignatureError::Wrong));
    let mut changed = NoteSignature::parse(line.trim_end()).unwrap();
    changed.signature[7] ^= 1;
    assert_eq!(key.verify_lines(TEXT, &[changed]), Err(CosignatureError::Wrong));
    // The same key's signature of the note itself says nothing of what the key observed.
    let plain = SigningKey::from_seed(key.name(), &[2; 32]).unwrap().sign(TEXT).unwrap();
    assert_eq!(key.verify(&Note::parse(&plain).unwrap()), Err(CosignatureError::Missing));
    let mut beyond = NoteSignature::parse(line.trim_end()).unwrap();
    beyond.signature[0] = 0x80;
    assert_eq!(key.verify_lines(TEXT, &[beyond]), Err(CosignatureError::Wrong));
}

#[test]
fn no_changed_answer_is_taken_for_a_cosignature() {
    let (witness, time) = (cosigner(2), 1_000);
    let (line, key) = (witness.cosign(TEXT, time), witness.witness_key());
    assert_eq!(take_cosignature(TEXT, &line, &key), Ok((line.clone(), time)));
    for changed in text_mutations(&line) {
        if changed != line {
            assert!(take_cosignature(TEXT, &changed, &key).is_err(), "{changed:?}");
        }
    }
}

#[test]
fn an_answer_with_lines_of_others_gives_the_witness_own() {
    let (witness, other) = (cosigner(2), cosigner(3));
    let answer = [other.cosign(TEXT, 5), witness.cosign(TEXT, 6)].concat();
    assert_eq!(take_cosignature(TEXT, &answer, &witness.witness_key()), Ok((witness.cosign(TEXT, 6), 6)));
    assert_eq!(
        take_cosignature(TEXT, &other.cosign(TEXT, 5), &witness.witness_key()),
        Err(CosignatureError::Missing)
    );
    assert_eq!(take_cosignature(TEXT, "", &witness.witness_key()), Err(CosignatureError::Missing));
    let many = other.cosign(TEXT, 5).repeat(65);
    assert_eq!(take_cosignature(TEXT, &many, &witness.witness_key()), Err(CosignatureError::TooLong));
    let long = "x".repeat(ANSWER_BYTES_MAX + 1);
    assert_eq!(take_cosignature(TEXT, &long, &witness.witness_key()), Err(CosignatureError::TooLong));
}

#[test]
fn keys_read_back_and_are_never_taken_for_a_logs() {
    let witness = cosigner(2);
    let key = witness.witness_key();
    assert_eq!(key.to_string().parse(), Ok(key.clone()));
    assert_eq!(Cosigner::from_text(&witness.to_text()).unwrap().witness_key(), key);
    assert_eq!(key.to_string().parse::<VerifierKey>(), Err(KeyError::Type));
    assert_eq!(log().verifier_key().to_string().parse::<WitnessKey>(), Err(KeyError::Type));
    assert!(SigningKey::from_text(&witness.to_text()).is_err());
    assert!(Cosigner::from_text(&log().to_text()).is_err());
    for changed in text_mutations(&key.to_string()) {
        let read = changed.parse::<WitnessKey>();
        assert!(read.as_ref() != Ok(&key) || changed == key.to_string(), "{changed}");
    }
    assert!(!format!("{witness:?}").contains("SigningKey"), "nothing of the key is shown");
}

#[test]
fn a_quorum_counts_each_witness_once_and_never_the_log_itself() {
    let keys = |seeds: &[u8]| seeds.iter().map(|seed| cosigner(*seed).witness_key()).collect::<Vec<_>>();
    let note = cosigned(&[cosigner(2), cosigner(3), cosigner(2)]);
    let log_key = log().verifier_key();
    for (seeds, needed, cosigned, met) in
        [(&[2, 3, 4][..], 2, 2, true), (&[2, 3, 4], 3, 2, false), (&[4], 1, 0, false), (&[2], 1, 1, true)]
    {
        let tally = Quorum::new(keys(seeds), needed).unwrap().count(&note, &log_key);
        assert_eq!((tally.cosigned(), tally.is_met()), (cosigned, met), "{seeds:?}");
    }
    // The newest of two lines by one witness.
    assert_eq!(Quorum::new(keys(&[2]), 1).unwrap().count(&note, &log_key).each, [Ok(1_002)]);

    let own = Cosigner::from_seed("witness.example/own", &[1; 32]).unwrap();
    let note = cosigned(core::slice::from_ref(&own));
    let tally = Quorum::new(vec![own.witness_key()], 1).unwrap().count(&note, &log_key);
    assert!(own.witness_key().verify(&note).is_ok() && !tally.is_met(), "a log is not its own witness");

    for (keys, needed, error) in [
        (keys(&[2, 3]), 0, QuorumError::Needed { needed: 0, witnesses: 2 }),
        (keys(&[2, 3]), 3, QuorumError::Needed { needed: 3, witnesses: 2 }),
        (keys(&[2, 3, 2]), 2, QuorumError::Twice("witness.example/2".to_owned())),
        (vec![cosigner(2).witness_key(); 17], 2, QuorumError::TooMany(17)),
    ] {
        assert_eq!(Quorum::new(keys, needed), Err(error));
    }
    let renamed = Cosigner::from_seed("witness.example/other", &[2; 32]).unwrap().witness_key();
    assert!(Quorum::new(vec![cosigner(2).witness_key(), renamed], 2).is_err(), "one key is one witness");
}

#[test]
fn the_example_of_the_specification_reads() {
    let note = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
    let note = Note::parse(note).unwrap();
    let line = &note.signatures()[1];
    assert_eq!((line.name.as_str(), line.id), ("witness.example.com/w1", 0x8d66_cf3f));
    // The page names this time for its signed message, too.
    assert_eq!(line.signature[..8], 1_679_315_147_u64.to_be_bytes());
    assert_eq!(line.signature.len(), 8 + 64);
}
