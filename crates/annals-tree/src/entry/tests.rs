use alloc::vec;

use super::*;
use crate::testing::mutations;

fn erasure() -> Entry {
    Entry::stating(EntryKind::Erasure, 3, 1_790_000_000_123, br#"{"case":"7f3a"}"#.to_vec()).unwrap()
}

#[test]
fn an_event_takes_44_bytes_and_reads_back() {
    let entry = Entry::event(0x0102, 0x0304_0506_0708_090a, Hash([0xcc; 32]));
    let bytes = entry.encode().unwrap();
    assert_eq!(bytes[..12], [1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(bytes[12..], [0xcc; 32]);
    assert_eq!(bytes, encode_event(entry.class, entry.received_at_ms, &entry.commitment));
    assert_eq!(Entry::decode(&bytes), Ok(entry));
}

#[test]
fn a_statement_carries_its_body_and_commits_to_it() {
    let entry = erasure();
    let bytes = entry.encode().unwrap();
    assert_eq!(bytes.len(), ENTRY_BYTES + entry.body.len());
    assert_eq!(Entry::decode(&bytes), Ok(entry));
}

#[test]
fn bodies_have_bounds() {
    let stating = |kind, bytes| Entry::stating(kind, 0, 0, vec![b' '; bytes]);
    assert!(stating(EntryKind::Policy, BODY_BYTES_MAX).is_ok());
    assert_eq!(
        stating(EntryKind::Policy, BODY_BYTES_MAX + 1),
        Err(EntryError::BodyBytes(BODY_BYTES_MAX + 1))
    );
    assert_eq!(stating(EntryKind::Key, 0), Err(EntryError::BodyBytes(0)));
    assert_eq!(stating(EntryKind::Event, 1), Err(EntryError::Kind(1)));
}

#[test]
fn fields_that_contradict_each_other_are_not_encoded() {
    let mut entry = erasure();
    entry.body.push(b' ');
    assert_eq!(entry.encode(), Err(EntryError::BodyCommitment));
    let mut event = Entry::event(0, 0, Hash::default());
    event.body.push(b' ');
    assert_eq!(event.encode(), Err(EntryError::EventBody(1)));
}

#[test]
fn what_is_read_is_what_would_be_written() {
    for entry in [erasure(), Entry::event(1, 2, Hash([3; 32]))] {
        for bytes in mutations(&entry.encode().unwrap()) {
            if let Ok(read) = Entry::decode(&bytes) {
                assert_eq!(read.encode().unwrap(), bytes);
            }
        }
    }
}

#[test]
fn no_changed_statement_is_read_with_the_same_commitment() {
    let entry = erasure();
    let bytes = entry.encode().unwrap();
    for at in 12..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert_eq!(Entry::decode(&changed), Err(EntryError::BodyCommitment));
    }
}
