use alloc::string::ToString as _;

use super::*;
use crate::testing::text_mutations;

#[test]
fn an_origin_is_name_letter_and_id() {
    let log = LogName {
        kind: LogKind::Tenant,
        id: *b"\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\xff",
    };
    assert_eq!(log.origin("annals.example"), "annals.example/t/000102030405060708090a0b0c0d0eff");
    let access = LogName { kind: LogKind::Access, ..log };
    assert_eq!(access.to_string().parse(), Ok(access));
}

#[test]
fn a_log_has_one_name() {
    let text = LogName { kind: LogKind::Access, id: [0xa5; 16] }.to_string();
    for changed in text_mutations(&text) {
        if let Ok(read) = changed.parse::<LogName>() {
            assert_eq!(read.to_string(), changed);
        }
    }
}

#[test]
fn the_longest_ledger_name_makes_an_origin_that_is_a_key_name() {
    let longest = "n".repeat(LEDGER_NAME_BYTES_MAX);
    let log = LogName { kind: LogKind::Tenant, id: [0; 16] };
    assert_eq!(check_ledger_name(&longest), Ok(()));
    assert_eq!(check_name(&log.origin(&longest)), Ok(()));
    assert_eq!(check_ledger_name(&(longest + "n")), Err(KeyError::Name));
    assert_eq!(check_ledger_name("two words"), Err(KeyError::Name));
}

#[test]
fn the_ledger_of_an_origin_is_what_comes_before_the_log() {
    let id = "0123456789abcdef0123456789abcdef";
    assert_eq!(ledger_of(&format!("log.example/t/{id}")), Some("log.example"));
    assert_eq!(ledger_of(&format!("log.example/eu/a/{id}")), Some("log.example/eu"));
    for origin in [
        "",
        "log.example",
        "/t/",
        &format!("t/{id}"),
        &format!("/t/{id}"),
        "log.example/t/01",
        "log.example/x/",
    ] {
        assert_eq!(ledger_of(origin), None, "{origin}");
    }
}
