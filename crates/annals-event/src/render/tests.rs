//! Events read back.

use expect_test::expect;

use super::*;

#[test]
fn members_of_annals_follow_the_ones_sent() {
    let received_at = Timestamp::parse("2026-11-21T10:00:59Z").unwrap();
    let tenant = TenantId::new("acme").unwrap();
    let mut extra = Extra {
        position: Position(0),
        received_at,
        derived_operation: None,
        derived_occurred_at: false,
        tenant: None,
        ledger_seq: None,
        kind: None,
        erased: &[],
    };
    let show = |extra: &Extra<'_>| {
        let mut out = Vec::new();
        render(br#"{"action":"a"}"#, extra, &mut out);
        let _: serde_json::Value = serde_json::from_slice(&out).unwrap();
        String::from_utf8(out).unwrap()
    };
    expect![[r#"{"action":"a","position":0,"received_at":"2026-11-21T10:00:59.000000Z"}"#]]
        .assert_eq(&show(&extra));
    extra.erased = &[3, 41];
    expect![[r#"{"action":"a","position":0,"received_at":"2026-11-21T10:00:59.000000Z","derived":{"erased":[3,41]}}"#]]
        .assert_eq(&show(&extra));
    extra.derived_operation = Some(Operation::Update);
    expect![[r#"{"action":"a","position":0,"received_at":"2026-11-21T10:00:59.000000Z","derived":{"erased":[3,41],"operation":"update"}}"#]]
        .assert_eq(&show(&extra));
    extra.erased = &[];
    expect![[r#"{"action":"a","position":0,"received_at":"2026-11-21T10:00:59.000000Z","derived":{"operation":"update"}}"#]]
        .assert_eq(&show(&extra));
    extra.position = Position(u64::MAX);
    extra.derived_occurred_at = true;
    extra.tenant = Some(&tenant);
    extra.ledger_seq = Some(LedgerSeq(10));
    extra.kind = Some(2);
    expect![[r#"{"action":"a","position":18446744073709551615,"received_at":"2026-11-21T10:00:59.000000Z","derived":{"occurred_at":"2026-11-21T10:00:59.000000Z","operation":"update"},"tenant":"acme","ledger_seq":10,"kind":2}"#]]
        .assert_eq(&show(&extra));
}
