use alloc::format;
use alloc::vec;
use core::cell::Cell;

use super::*;
use crate::head::HeadLog;
use crate::origin::{LogKind, LogName};
use crate::testing::{leaves, naive_root, tree_of};

const LEDGER: &str = "annals.example";

fn key() -> SigningKey {
    SigningKey::from_seed(LEDGER, &[4; 32]).unwrap()
}

fn signer() -> Signer<VolatileMemory> {
    Signer::new(key(), VolatileMemory::default()).unwrap()
}

fn log(id: u8) -> LogName {
    LogName { kind: LogKind::Tenant, id: [id; 16] }
}

/// Size, root, and the proof from an earlier size, of the log the tests sign.
fn grown(from: u64, to: u64) -> (u64, Hash, Vec<Hash>) {
    let leaves = leaves(to);
    let proof = crate::consistency(from, to, &tree_of(&leaves)).unwrap();
    (to, naive_root(&leaves), proof)
}

#[test]
fn a_growing_log_is_signed_at_every_size() {
    let mut signer = signer();
    let origin = log(1).origin(LEDGER);
    let key = signer.verifier_key().with_name(&origin).unwrap();
    let mut last = 0;
    for to in [0, 0, 1, 2, 2, 255, 256, 300] {
        let (size, root, proof) = grown(last, to);
        let note = signer.sign_checkpoint(&origin, size, &root, &proof).unwrap();
        assert_eq!(Checkpoint::open(&note, &key, &origin), Ok(Checkpoint::new(&origin, size, root)));
        last = to;
    }
    assert_eq!(signer.memory().recall(&origin).unwrap().unwrap().size, 300);
}

#[test]
fn what_does_not_extend_the_past_is_refused() {
    let mut signer = signer();
    let origin = log(1).origin(LEDGER);
    let (size, root, _) = grown(0, 100);
    let _first = signer.sign_checkpoint(&origin, size, &root, &[]).unwrap();

    let (_, small_root, _) = grown(0, 99);
    let smaller = signer.sign_checkpoint(&origin, 99, &small_root, &[]);
    assert_eq!(smaller, Err(Refusal::Smaller { origin: origin.clone(), asked: 99, signed: 100 }));
    let other = signer.sign_checkpoint(&origin, 100, &small_root, &[]);
    assert_eq!(other, Err(Refusal::OtherRoot { origin: origin.clone(), size: 100 }));
    let (size, root, proof) = grown(100, 150);
    for wrong in [&[][..], &proof[1..], &grown(99, 150).2] {
        let refused = signer.sign_checkpoint(&origin, size, &root, wrong);
        assert!(matches!(refused, Err(Refusal::Inconsistent { signed: 100, .. })), "{refused:?}");
    }
    // None of the refusals was remembered.
    assert!(signer.sign_checkpoint(&origin, size, &root, &proof).is_ok());
}

#[test]
fn a_log_seen_for_the_first_time_may_have_any_size() {
    let (size, root, _) = grown(0, 100);
    assert!(signer().sign_checkpoint(&log(1).origin(LEDGER), size, &root, &[]).is_ok());
    let refused = signer().sign_checkpoint(&log(1).origin(LEDGER), 0, &root, &[]);
    assert_eq!(refused, Err(Refusal::EmptyRoot(log(1).origin(LEDGER))));
}

#[test]
fn only_logs_of_the_ledger_are_signed() {
    for origin in
        ["annals.example", "annals.example/", "annals.example.org/t/1", "other/t/1", "annals.example/t 1", ""]
    {
        let refused = signer().sign_checkpoint(origin, 1, &leaves(1)[0], &[]);
        assert_eq!(refused, Err(Refusal::Foreign(origin.to_owned())));
    }
}

#[test]
fn heads_and_checkpoints_share_one_memory() {
    let mut signer = signer();
    let (size, root, _) = grown(0, 10);
    let _note = signer.sign_checkpoint(&log(1).origin(LEDGER), size, &root, &[]).unwrap();
    let (size, root, proof) = grown(10, 12);
    let head = Head { at_us: 1, ledger_size: 12, logs: vec![HeadLog { log: log(1), size, root }] };
    assert!(matches!(signer.sign_head(&head, &[Vec::new()]), Err(Refusal::Inconsistent { signed: 10, .. })));
    let signed = signer.sign_head(&head, &[proof]).unwrap();
    assert_eq!(signed.verify(&signer.verifier_key()), Ok(&head));
    let back = signer.sign_checkpoint(&log(1).origin(LEDGER), 11, &grown(0, 11).1, &[]);
    assert!(matches!(back, Err(Refusal::Smaller { asked: 11, signed: 12, .. })));
}

#[test]
fn a_head_is_signed_whole_or_not_at_all() {
    let mut signer = signer();
    let (size, root, _) = grown(0, 10);
    let _note = signer.sign_checkpoint(&log(2).origin(LEDGER), size, &root, &[]).unwrap();
    let entry = |id, to| HeadLog { log: log(id), size: to, root: grown(0, to).1 };
    let head = Head { at_us: 1, ledger_size: 14, logs: vec![entry(1, 5), entry(2, 9)] };
    let refused = signer.sign_head(&head, &[Vec::new(), Vec::new()]);
    assert!(matches!(refused, Err(Refusal::Smaller { asked: 9, signed: 10, .. })));
    assert_eq!(signer.memory().recall(&log(1).origin(LEDGER)), Ok(None));
    let refused = signer.sign_head(&head, &[Vec::new()]);
    assert_eq!(refused, Err(Refusal::ProofCount { logs: 2, proofs: 1 }));
}

/// A memory whose next call fails.
#[derive(Default)]
struct Failing {
    kept: VolatileMemory,
    recall: Cell<bool>,
    remember: bool,
}

impl SignerMemory for Failing {
    type Error = &'static str;

    fn recall(&self, origin: &str) -> Result<Option<TreeHead>, Self::Error> {
        if self.recall.take() { Err("recall") } else { Ok(self.kept.recall(origin).unwrap()) }
    }

    fn remember(&mut self, entries: &[(String, TreeHead)]) -> Result<(), Self::Error> {
        if self.remember {
            return Err("remember");
        }
        self.kept.remember(entries).unwrap();
        Ok(())
    }
}

#[test]
fn nothing_is_signed_while_the_memory_fails() {
    let origin = log(1).origin(LEDGER);
    let (size, root, _) = grown(0, 10);
    let mut signer = Signer::new(key(), Failing::default()).unwrap();
    signer.memory.recall.set(true);
    assert_eq!(signer.sign_checkpoint(&origin, size, &root, &[]), Err(Refusal::Memory("recall")));
    signer.memory.remember = true;
    assert_eq!(signer.sign_checkpoint(&origin, size, &root, &[]), Err(Refusal::Memory("remember")));
    let head = Head { at_us: 0, ledger_size: 10, logs: vec![HeadLog { log: log(1), size, root }] };
    assert_eq!(signer.sign_head(&head, &[Vec::new()]), Err(Refusal::Memory("remember")));
    signer.memory.remember = false;
    assert!(signer.sign_checkpoint(&origin, size, &root, &[]).is_ok());
}

#[test]
fn a_ledger_name_too_long_for_origins_has_no_signer() {
    let long = SigningKey::from_seed(&"n".repeat(250), &[4; 32]).unwrap();
    assert_eq!(Signer::new(long, VolatileMemory::default()).err(), Some(KeyError::Name));
    assert!(!format!("{:?}", signer()).contains("04040404"));
}
