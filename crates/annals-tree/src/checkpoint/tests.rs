use super::*;
use crate::hash::leaf_hash;
use crate::note::SigningKey;
use crate::testing::text_mutations;

fn checkpoint() -> Checkpoint {
    Checkpoint::new("log.example/t/1", 20_852_163, leaf_hash(b"root"))
}

#[test]
fn a_checkpoint_reads_back_with_its_extensions() {
    let mut checkpoint = checkpoint();
    assert_eq!(Checkpoint::parse(&checkpoint.to_text()), Ok(checkpoint.clone()));
    checkpoint.extensions = ["one".to_owned(), "two words".to_owned()].into();
    assert_eq!(Checkpoint::parse(&checkpoint.to_text()), Ok(checkpoint));
}

#[test]
fn what_is_read_is_what_would_be_written() {
    for changed in text_mutations(&checkpoint().to_text()) {
        if let Ok(read) = Checkpoint::parse(&changed) {
            assert_eq!(read.to_text(), changed);
        }
    }
}

#[test]
fn each_line_has_its_form() {
    let text = checkpoint().to_text();
    let check = |from: &str, to: &str, expected: CheckpointError| {
        assert_eq!(Checkpoint::parse(&text.replacen(from, to, 1)), Err(expected), "{from} as {to}");
    };
    for size in ["020852163", "+1", "-1", "1e3", "18446744073709551616", "x"] {
        check("20852163", size, CheckpointError::Size);
    }
    check("20852163", "", CheckpointError::Lines);
    check("20852163", "0", CheckpointError::EmptyRoot);
    check("log.example/t/1", "", CheckpointError::Lines);
    check("=\n", "\n", CheckpointError::Root);
    check("=\n", "=\n\n", CheckpointError::Lines);
    check("=\n", "=", CheckpointError::Lines);
    assert_eq!(Checkpoint::parse("a\n1\n"), Err(CheckpointError::Lines));
}

#[test]
fn a_checkpoint_opens_for_its_own_log_and_key_only() {
    let key = SigningKey::from_seed("log.example/t/1", &[5; 32]).unwrap();
    let note = key.sign(&checkpoint().to_text()).unwrap();
    assert_eq!(Checkpoint::open(&note, &key.verifier_key(), "log.example/t/1"), Ok(checkpoint()));
    let other_log = Checkpoint::open(&note, &key.verifier_key(), "log.example/t/2");
    assert_eq!(other_log, Err(CheckpointError::Origin("log.example/t/1".to_owned())));
    let other_key = SigningKey::from_seed("log.example/t/1", &[6; 32]).unwrap().verifier_key();
    let unsigned = Checkpoint::open(&note, &other_key, "log.example/t/1");
    assert_eq!(unsigned, Err(CheckpointError::Note(NoteError::NotSignedBy)));
}
