use alloc::string::ToString as _;

use super::*;
use crate::testing::text_mutations;

/// The example of Go's `golang.org/x/mod/sumdb/note`.
const GO_SIGNING_KEY: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const GO_VERIFIER_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_TEXT: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\n\
    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn go_key() -> VerifierKey {
    GO_VERIFIER_KEY.parse().unwrap()
}

#[test]
fn the_published_keys_and_note_come_out() {
    let signing = SigningKey::from_text(GO_SIGNING_KEY).unwrap();
    assert_eq!(signing.to_text().as_str(), GO_SIGNING_KEY);
    assert_eq!(signing.verifier_key().to_string(), GO_VERIFIER_KEY);
    assert_eq!(signing.sign(GO_TEXT).unwrap(), GO_NOTE);
    assert_eq!(Note::open(GO_NOTE, &go_key()).unwrap().text(), GO_TEXT);
}

#[test]
fn no_changed_note_is_accepted() {
    for changed in text_mutations(GO_NOTE) {
        if let Ok(note) = Note::open(&changed, &go_key()) {
            panic!("accepted {changed:?} as {note:?}");
        }
    }
}

#[test]
fn no_changed_key_is_read_as_another() {
    for changed in text_mutations(GO_VERIFIER_KEY) {
        if let Ok(key) = changed.parse::<VerifierKey>() {
            panic!("read {changed} as {key}");
        }
    }
    for changed in text_mutations(GO_SIGNING_KEY) {
        assert!(SigningKey::from_text(&changed).is_err(), "{changed}");
    }
}

#[test]
fn other_signatures_are_kept_and_not_looked_at() {
    let line = "— witness.example/w1 AAAAAAEC\n";
    for note in [GO_NOTE.to_owned() + line, GO_NOTE.replace("\n\n", &format!("\n\n{line}"))] {
        let note = Note::open(&note, &go_key()).unwrap();
        assert_eq!(note.signatures().len(), 2);
        let other = note.signatures().iter().find(|line| line.name == "witness.example/w1").unwrap();
        assert_eq!((other.id, &other.signature[..]), (0, &[1, 2][..]));
    }
}

#[test]
fn a_second_wrong_signature_by_the_same_key_spoils_the_note() {
    let (text, line) = GO_NOTE.rsplit_once("\n\n").unwrap();
    let wrong = line.replace("/ZJku", "/ZJkv");
    let note = format!("{text}\n\n{line}{wrong}");
    assert_eq!(Note::open(&note, &go_key()), Err(NoteError::WrongSignature));
}

#[test]
fn a_key_of_the_same_name_or_id_alone_is_another_key() {
    let other = SigningKey::from_seed("PeterNeumann", &[1; 32]).unwrap().verifier_key();
    assert_eq!(Note::open(GO_NOTE, &other), Err(NoteError::NotSignedBy));
    let renamed = go_key().with_name("PeterNeumann2").unwrap();
    assert_eq!(Note::open(GO_NOTE, &renamed), Err(NoteError::NotSignedBy));
}

#[test]
fn the_last_empty_line_ends_the_text() {
    let key = SigningKey::from_seed("example.com/log", &[1; 32]).unwrap();
    for text in ["one\n\ntwo\n", "one\n\n", "\n", "\u{2014} not a signature\n"] {
        let note = key.sign(text).unwrap();
        assert_eq!(Note::open(&note, &key.verifier_key()).unwrap().text(), text);
    }
}

#[test]
fn texts_of_another_form_are_not_signed() {
    let key = SigningKey::from_seed("example.com/log", &[1; 32]).unwrap();
    for text in ["", "no end", "tab\t\n", "return\r\n", "nul\0\n"] {
        assert_eq!(key.sign(text), Err(NoteError::Text), "{text:?}");
    }
}

#[test]
fn notes_of_another_form_are_refused() {
    let check = |note: &str, expected: NoteError| assert_eq!(Note::parse(note), Err(expected), "{note:?}");
    check("", NoteError::Unsigned);
    check("text\n", NoteError::Unsigned);
    check("text\n\n", NoteError::Unsigned);
    check("text\n\n— a AAAAAAEC", NoteError::Unsigned);
    check("te\rxt\n\n— a AAAAAAEC\n", NoteError::Text);
    for line in [
        "- a AAAAAAEC",
        "— a",
        "— a ",
        "— AAAAAAEC",
        "— a AAAA",
        "— a AAAAAA==",
        "— a+b AAAAAAEC",
        "—  AAAAAAEC",
        "— a AAAAAAEC ",
        "",
    ] {
        check(
            &format!("text\n\n— a AAAAAAEC\n{line}\n"),
            if line.is_empty() { NoteError::Unsigned } else { NoteError::SignatureLine(1) },
        );
    }
    check(&format!("text\n\n{}", "— a AAAAAAEC\n".repeat(SIGNATURES_MAX + 1)), NoteError::TooManySignatures);
    assert!(Note::parse(&format!("text\n\n{}", "— a AAAAAAEC\n".repeat(SIGNATURES_MAX))).is_ok());
    let long = "x".repeat(NOTE_BYTES_MAX) + "\n";
    check(&long, NoteError::TooLong(long.len()));
}

#[test]
fn names_have_no_spaces_pluses_or_control_characters() {
    for name in ["", "a b", "a\u{a0}b", "a+b", "a\nb", "a\u{7f}", &"n".repeat(NAME_BYTES_MAX + 1)] {
        assert_eq!(SigningKey::from_seed(name, &[1; 32]).err(), Some(KeyError::Name), "{name:?}");
    }
    assert!(SigningKey::from_seed(&"n".repeat(NAME_BYTES_MAX), &[1; 32]).is_ok());
}

#[test]
fn keys_of_another_type_are_refused() {
    let typed = STANDARD.encode([&[4][..], go_key().public_key()].concat());
    assert_eq!(format!("a+00000000+{typed}").parse::<VerifierKey>(), Err(KeyError::Type));
    assert_eq!("a+00000000+".parse::<VerifierKey>(), Err(KeyError::Form));
    assert_eq!("a+00000000".parse::<VerifierKey>(), Err(KeyError::Form));
}

#[test]
fn debug_output_shows_no_key() {
    let key = SigningKey::from_seed("example.com/log", &[0xab; 32]).unwrap();
    assert_eq!(format!("{key:?}"), "SigningKey { name: \"example.com/log\", .. }");
}
