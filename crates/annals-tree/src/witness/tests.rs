use alloc::vec;
use core::cell::Cell;

use super::*;
use crate::note::SigningKey;
use crate::signer::VolatileMemory;
use crate::testing::{leaves, naive_root, text_mutations, tree_of};

const ORIGIN: &str = "annals.example/t/000102030405060708090a0b0c0d0e0f";

fn log() -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[1; 32]).unwrap()
}

fn witness() -> Witness<VolatileMemory> {
    let cosigner = Cosigner::from_seed("witness.example/w", &[2; 32]).unwrap();
    Witness::new(cosigner, Logs::new([log().verifier_key()]), VolatileMemory::default())
}

fn signed(size: u64, root: Hash) -> String {
    log().sign(&Checkpoint::new(ORIGIN, size, root).to_text()).unwrap()
}

fn request(from: u64, to: u64) -> AddCheckpoint {
    let leaves = leaves(to);
    let proof = crate::consistency(from, to, &tree_of(&leaves)).unwrap();
    AddCheckpoint { old_size: from, proof, checkpoint: signed(to, naive_root(&leaves)) }
}

#[test]
fn a_growing_log_is_cosigned_at_every_size() {
    let mut witness = witness();
    let mut last = 0;
    for (to, time) in [0, 0, 1, 1, 2, 255, 256, 300, 300].into_iter().zip(7_000..) {
        let request = request(last, to);
        let line = witness.add(&request, time).unwrap();
        let note = Note::parse(&[request.checkpoint, line].concat()).unwrap();
        assert_eq!(witness.key().verify(&note), Ok(time));
        last = to;
    }
}

#[test]
fn what_does_not_extend_the_past_is_refused_and_changes_nothing() {
    let mut witness = witness();
    let _line = witness.add(&request(0, 100), 1).unwrap();

    assert_eq!(witness.add(&request(0, 150), 2), Err(Refusal::Conflict { old: 0, cosigned: 100 }));
    assert_eq!(witness.add(&request(99, 150), 2), Err(Refusal::Conflict { old: 99, cosigned: 100 }));
    assert_eq!(witness.add(&request(90, 99), 2), Err(Refusal::Conflict { old: 90, cosigned: 100 }));
    let backwards = AddCheckpoint { old_size: 100, ..request(0, 99) };
    assert_eq!(witness.add(&backwards, 2), Err(Refusal::OldBeyond { old: 100, size: 99 }));

    let mut forked = leaves(150);
    forked[3] = Hash([7; 32]);
    let root = naive_root(&forked);
    let proof = crate::consistency(100, 150, &tree_of(&forked)).unwrap();
    let fork = AddCheckpoint { old_size: 100, proof, checkpoint: signed(150, root) };
    assert!(matches!(witness.add(&fork, 2), Err(Refusal::Inconsistent { cosigned: 100, .. })));
    let same_size = AddCheckpoint {
        old_size: 100,
        proof: Vec::new(),
        checkpoint: signed(100, naive_root(&forked[..100])),
    };
    assert_eq!(witness.add(&same_size, 2), Err(Refusal::OtherRoot { size: 100 }));
    let mut long = request(100, 150);
    long.proof.push(Hash([0; 32]));
    assert!(matches!(witness.add(&long, 2), Err(Refusal::Inconsistent { .. })));

    let _line = witness.add(&request(100, 150), 3).expect("nothing of what was refused stands in the way");
}

#[test]
fn a_first_checkpoint_comes_without_a_proof() {
    let with_proof = AddCheckpoint { proof: vec![Hash([0; 32])], ..request(0, 5) };
    assert!(matches!(witness().add(&with_proof, 1), Err(Refusal::Inconsistent { cosigned: 0, .. })));
}

#[test]
fn who_is_not_known_or_did_not_sign_is_told_so() {
    let mut witness = witness();
    let text = Checkpoint::new(ORIGIN, 5, naive_root(&leaves(5))).to_text();
    let by = |name: &str, seed: u8| {
        let checkpoint = SigningKey::from_seed(name, &[seed; 32]).unwrap().sign(&text).unwrap();
        AddCheckpoint { old_size: 0, proof: Vec::new(), checkpoint }
    };
    assert_eq!(witness.add(&by(ORIGIN, 9), 1), Err(Refusal::NotSigned(ORIGIN.to_owned())));
    assert_eq!(witness.add(&by("annals.example/t/else", 1), 1), Err(Refusal::NotSigned(ORIGIN.to_owned())));
    let elsewhere = Checkpoint::new("elsewhere.example", 5, naive_root(&leaves(5))).to_text();
    let elsewhere =
        AddCheckpoint { old_size: 0, proof: Vec::new(), checkpoint: log().sign(&elsewhere).unwrap() };
    assert_eq!(witness.add(&elsewhere, 1), Err(Refusal::UnknownOrigin("elsewhere.example".to_owned())));
    let none = AddCheckpoint { checkpoint: "text\n".to_owned(), ..elsewhere };
    assert!(matches!(witness.add(&none, 1), Err(Refusal::Malformed(_))));
    assert_eq!(witness.memory().recall(ORIGIN), Ok(None));
}

#[test]
fn a_log_with_a_new_key_next_to_its_old_one_goes_on() {
    let new = SigningKey::from_seed(ORIGIN, &[8; 32]).unwrap();
    let cosigner = Cosigner::from_seed("witness.example/w", &[2; 32]).unwrap();
    let logs = Logs::new([log().verifier_key(), new.verifier_key(), log().verifier_key()]);
    assert_eq!(logs.keys().count(), 2);
    let mut witness = Witness::new(cosigner, logs, VolatileMemory::default());
    let _line = witness.add(&request(0, 10), 1).unwrap();
    let mut next = request(10, 20);
    next.checkpoint = new.sign(Note::parse(&next.checkpoint).unwrap().text()).unwrap();
    let _line = witness.add(&next, 2).unwrap();
}

#[test]
fn all_logs_of_a_ledger_are_witnessed_by_the_ledgers_key() {
    let ledger = SigningKey::from_seed("annals.example", &[1; 32]).unwrap();
    let cosigner = Cosigner::from_seed("witness.example/w", &[2; 32]).unwrap();
    let logs = Logs::default().with_ledgers([ledger.verifier_key(), ledger.verifier_key()]);
    assert_eq!(logs.ledgers().len(), 1);
    let mut witness = Witness::new(cosigner, logs, VolatileMemory::default());
    let _line = witness.add(&request(0, 10), 1).unwrap();
    let of = |origin: &str, seed: u8| {
        let text = Checkpoint::new(origin, 5, naive_root(&leaves(5))).to_text();
        let checkpoint = SigningKey::from_seed(origin, &[seed; 32]).unwrap().sign(&text).unwrap();
        AddCheckpoint { old_size: 0, proof: Vec::new(), checkpoint }
    };
    let access = "annals.example/a/000102030405060708090a0b0c0d0e0f";
    assert!(witness.add(&of(access, 1), 2).is_ok());
    assert_eq!(
        witness.add(&of("annals.example/t/ffffffffffffffffffffffffffffffff", 9), 2),
        Err(Refusal::NotSigned("annals.example/t/ffffffffffffffffffffffffffffffff".to_owned()))
    );
    for other in
        ["annals.example", "annals.example/t/1", "annals.example.org/t/000102030405060708090a0b0c0d0e0f"]
    {
        assert_eq!(witness.add(&of(other, 1), 2), Err(Refusal::UnknownOrigin(other.to_owned())));
    }
}

/// A memory that cannot be written.
#[derive(Default)]
struct Failing(Cell<bool>);

impl SignerMemory for Failing {
    type Error = ();

    fn recall(&self, _: &str) -> Result<Option<TreeHead>, ()> {
        if self.0.get() { Err(()) } else { Ok(None) }
    }

    fn remember(&mut self, _: &[(String, TreeHead)]) -> Result<(), ()> {
        Err(())
    }
}

#[test]
fn nothing_is_cosigned_while_the_memory_fails() {
    let cosigner = Cosigner::from_seed("witness.example/w", &[2; 32]).unwrap();
    let mut witness = Witness::new(cosigner, Logs::new([log().verifier_key()]), Failing::default());
    assert_eq!(witness.add(&request(0, 5), 1), Err(Refusal::Memory(())));
    witness.memory().0.set(true);
    assert_eq!(witness.add(&request(0, 5), 1), Err(Refusal::Memory(())));
}

#[test]
fn requests_read_back_and_what_is_none_is_refused() {
    for request in [request(0, 7), request(3, 7), request(7, 7), request(255, 300)] {
        assert_eq!(AddCheckpoint::parse(&request.to_text()), Ok(request));
    }
    let good = request(3, 7).to_text();
    for changed in text_mutations(&good) {
        // Whatever is read is what was written; nothing is read in two ways.
        if let Ok(read) = AddCheckpoint::parse(&changed) {
            assert_eq!(read.to_text(), changed);
        }
    }
    for (body, error) in [
        ("", RequestError::NoCheckpoint),
        ("old 0\n", RequestError::NoCheckpoint),
        ("new 0\n\nx", RequestError::OldSize),
        ("old 00\n\nx", RequestError::OldSize),
        ("old -1\n\nx", RequestError::OldSize),
        ("old 18446744073709551616\n\nx", RequestError::OldSize),
        ("old 1\nAAAA\n\nx", RequestError::Hash(0)),
    ] {
        assert_eq!(AddCheckpoint::parse(body), Err(error), "{body:?}");
    }
    let hash = format!("{}\n", Hash([1; 32]).to_base64());
    let of = |lines: usize| format!("old 1\n{}\nx", hash.repeat(lines));
    assert!(AddCheckpoint::parse(&of(63)).is_ok());
    assert_eq!(AddCheckpoint::parse(&of(64)), Err(RequestError::TooManyHashes));
    let long = format!("old 0\n\n{}", "x".repeat(REQUEST_BYTES_MAX));
    assert_eq!(AddCheckpoint::parse(&long), Err(RequestError::TooLong));
}
