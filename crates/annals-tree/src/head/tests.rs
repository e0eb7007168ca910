use alloc::vec;

use super::*;
use crate::hash::leaf_hash;
use crate::testing::mutations;

fn key() -> SigningKey {
    SigningKey::from_seed("annals.example", &[4; 32]).unwrap()
}

fn head() -> Head {
    let log = |kind, id, size, root| HeadLog { log: LogName { kind, id: [id; 16] }, size, root };
    let logs = vec![
        log(LogKind::Tenant, 1, 7, leaf_hash(b"one")),
        log(LogKind::Access, 2, 1, leaf_hash(b"two")),
        log(LogKind::Tenant, 0, 0, empty_root()),
    ];
    Head { at_us: -1, ledger_size: 8, logs }
}

#[test]
fn a_head_reads_back_and_verifies() {
    let signed = head().sign(&key()).unwrap();
    let read = SignedHead::decode(&signed.encode().unwrap()).unwrap();
    assert_eq!(read, signed);
    let logs: Vec<_> =
        read.verify(&key().verifier_key()).unwrap().logs.iter().map(|entry| entry.size).collect();
    assert_eq!(logs, [1, 0, 7], "by kind and then id");
}

#[test]
fn no_changed_head_is_accepted() {
    let bytes = head().sign(&key()).unwrap().encode().unwrap();
    for changed in mutations(&bytes) {
        if let Ok(read) = SignedHead::decode(&changed) {
            assert_eq!(read.encode().unwrap(), changed);
            assert!(read.verify(&key().verifier_key()).is_err());
        }
    }
}

#[test]
fn a_key_of_another_ledger_is_not_asked() {
    let signed = head().sign(&key()).unwrap();
    let renamed = key().verifier_key().with_name("other.example").unwrap();
    assert_eq!(signed.verify(&renamed), Err(HeadError::Ledger("annals.example".to_owned())));
    let other = SigningKey::from_seed("annals.example", &[5; 32]).unwrap().verifier_key();
    assert_eq!(signed.verify(&other), Err(HeadError::Signature));
}

#[test]
fn a_head_is_no_note() {
    let message = head().message("annals.example").unwrap();
    assert!(message.contains(&0), "notes have no control characters");
}

#[test]
fn heads_that_contradict_themselves_are_not_signed() {
    let mut twice = head();
    twice.logs.push(twice.logs[0]);
    assert_eq!(twice.sign(&key()), Err(HeadError::LogOrder(twice.logs[0].log)));
    let mut empty = head();
    empty.logs[0].size = 0;
    assert_eq!(empty.sign(&key()), Err(HeadError::EmptyRoot(empty.logs[0].log)));
    assert_eq!(head().message("two words"), Err(HeadError::Name("two words".to_owned())));
}

#[test]
fn a_head_has_a_bounded_number_of_logs() {
    let mut large = head();
    large.logs = vec![large.logs[0]; HEAD_LOGS_MAX + 1];
    assert_eq!(large.sign(&key()), Err(HeadError::TooManyLogs(HEAD_LOGS_MAX + 1)));
    let mut bytes = Head { logs: Vec::new(), ..head() }.sign(&key()).unwrap().encode().unwrap();
    let count = DOMAIN.len() + 1 + "annals.example".len() + 16;
    bytes[count..count + 4].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(SignedHead::decode(&bytes), Err(HeadError::TooManyLogs(u32::MAX as usize)));
}
