//! The words of actions.

use super::*;

#[test]
fn actions_of_many_styles_find_their_operation() {
    use Operation::*;
    for (action, operation) in [
        ("video.update", Update),
        ("s3.GetObject", Read),
        ("user.login.failed", Authentication),
        ("CreateUser", Create),
        ("user.logged_in", Authentication),
        ("session.signOut", Authentication),
        ("organization.member_added", Create),
        ("iam.ListAccessKeys", Read),
        ("access_key_create", Create),
        ("file.access", Access),
        ("file.accessed", Access),
        ("sts.AssumeRole", Authentication),
        ("secretsmanager.GetSecretValue", Read),
        ("disk.snapshot", Snapshot),
        ("ec2.DeleteSnapshot", Delete),
        ("mfa.challenge", Authentication),
        ("mfa.enabled", Update),
        ("document.signed", Other),
        ("GetMFADevice", Read),
        ("pods.list", Read),
        ("API_KEY_REVOKED", Delete),
        ("thing", Other),
        ("..", Other),
        ("größe.geändert", Other),
    ] {
        assert_eq!(Operation::derive(action), operation, "{action}");
    }
}

#[test]
fn words_and_codes_read_back() {
    for operation in Operation::ALL {
        assert_eq!(operation.as_str().parse(), Ok(operation));
        assert_eq!(Operation::from_code(operation.code()), Some(operation));
    }
    assert_eq!("Create".parse::<Operation>(), Err(UnknownOperation));
    assert_eq!(Operation::from_code(0), None);
    assert_eq!(Operation::from_code(9), None);
}

#[test]
fn no_word_says_two_things() {
    let mut seen = std::collections::BTreeSet::new();
    for word in VERBS.iter().chain(NOUNS).flat_map(|(_, words)| words.iter()) {
        assert!(seen.insert(word), "{word} stands twice");
        assert!(
            word.len() <= 16 && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
            "{word}"
        );
    }
}
