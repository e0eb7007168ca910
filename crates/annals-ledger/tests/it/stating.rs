//! Statements of the ledger's own: records whose bytes stand in clear in their log's entries.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use annals_event::{Position, TenantId};
use annals_ledger::{Done, FeedScope, Ledger, LogKind, TenantLog};
use annals_tree::entry::Entry;
use annals_tree::proof::verify_inclusion;
use annals_tree::{EntryKind, leaf_hash};
use serde_json::json;

use crate::sealing::{Running, Stepped};
use crate::support::{Pending, poll};

fn registry() -> TenantLog {
    TenantLog { tenant: TenantId::registry(), kind: LogKind::Tenant }
}

fn head(size: u64) -> serde_json::Value {
    json!({"action": "annals.registry.head", "actor": {"type": "system", "id": "annals"}, "metadata": {"size": size}})
}

fn state(running: &mut Running, kind: EntryKind, events: &[serde_json::Value]) -> Vec<Position> {
    let (ledger, log, events) = (running.ledger.clone(), registry(), events.to_vec());
    let mut pending: Pending<_> = Box::pin(async move { ledger.state_in(&log, kind, &events).await });
    if let Some(answer) = poll(&mut pending) {
        return answer.unwrap();
    }
    running.engine.write();
    running.engine.apply();
    poll(&mut pending).unwrap().unwrap()
}

/// Each is a statement of its kind, in clear, and in the tree; `sizes` is what they state.
fn check(ledger: &Ledger, kinds: &[EntryKind]) {
    let log = registry();
    let page = ledger.feed(&FeedScope::Log(log.clone()), 0, 100).unwrap().unwrap();
    assert_eq!(page.size, kinds.len() as u64);
    let size = page.size;
    for ((at, kind), record) in (0..).map(Position).zip(kinds).zip(&page.records) {
        assert_eq!((record.position, record.stated), (at, Some(*kind)));
        let entry = ledger.entry(&log, at).unwrap().unwrap();
        assert!(entry.intact);
        let decoded = Entry::decode(&entry.bytes).unwrap();
        assert_eq!((decoded.kind, &decoded.body[..]), (*kind, &record.event[..]));
        assert_eq!(entry.leaf, leaf_hash(&entry.bytes));
        let root = annals_tree::checkpoint::Checkpoint::parse(
            ledger
                .checkpoint(&log)
                .unwrap()
                .1
                .split("\n\n")
                .next()
                .map(|text| format!("{text}\n"))
                .unwrap()
                .as_str(),
        )
        .unwrap()
        .root;
        let proof = ledger.inclusion(&log, at, size).unwrap();
        verify_inclusion(&entry.leaf, at.0, size, &proof, &root).unwrap();
        let disclosed = ledger.disclose(&log, at, 1).unwrap();
        assert_eq!(disclosed[0].entry, entry.bytes);
        let mut shown = Vec::new();
        record.write_json(false, &mut shown);
        let shown: serde_json::Value = serde_json::from_slice(&shown).unwrap();
        assert_eq!(shown["kind"], json!(kind.number()));
        assert_eq!(shown["metadata"]["size"], json!(at.0));
    }
}

#[test]
fn a_statement_stands_in_clear_in_its_entry_wherever_the_record_is() {
    let mut stepped = Stepped::new(u64::MAX);
    let mut running = stepped.open();
    let mut kinds = Vec::new();
    let mut merged = 0;
    for round in 0..10_u64 {
        let kind = if round % 3 == 0 { EntryKind::Policy } else { EntryKind::Head };
        let events = [head(2 * round), head(2 * round + 1)];
        let positions = state(&mut running, kind, &events);
        assert_eq!(positions, [Position(2 * round), Position(2 * round + 1)]);
        kinds.extend([kind, kind]);
        check(&running.ledger, &kinds);
        if round % 4 == 3 {
            running = stepped.open();
            check(&running.ledger, &kinds);
        }
        assert!(matches!(running.engine.seal(true).unwrap(), Done::Sealed(_)));
        check(&running.ledger, &kinds);
        while let Done::Merged(_) = running.engine.seal(false).unwrap() {
            merged += 1;
            check(&running.ledger, &kinds);
        }
    }
    assert!(merged > 0, "some were merged");
    drop(running);
    check(&stepped.open().ledger, &kinds);
}

#[test]
fn the_registry_tells_the_newest_head_of_a_log_at_a_size() {
    let mut stepped = Stepped::new(u64::MAX);
    let mut running = stepped.open();
    assert_eq!(running.ledger.registered("nowhere", u64::MAX, None).unwrap(), None);
    let mut before: std::collections::BTreeMap<String, Position> = std::collections::BTreeMap::new();
    let mut all = Vec::new();
    for round in 0..4 {
        stepped.send_some(&mut running, 5);
        let heads = running.ledger.log_heads(0, usize::MAX).unwrap();
        assert!(heads.iter().all(|head| head.log.tenant != TenantId::registry()));
        let ledger = running.ledger.clone();
        let given: Vec<_> =
            heads.iter().map(|head| (head.clone(), before.get(&head.origin).copied())).collect();
        let mut pending: Pending<_> = Box::pin(async move {
            let heads: Vec<_> = given.iter().map(|(head, previous)| (head, *previous)).collect();
            ledger.register(&heads).await
        });
        let positions = poll(&mut pending).unwrap_or_else(|| {
            running.engine.write();
            running.engine.apply();
            poll(&mut pending).unwrap()
        });
        for (head, position) in heads.iter().zip(positions.unwrap()) {
            let found = running.ledger.registered(&head.origin, head.size, None).unwrap().unwrap();
            assert_eq!((found.position, found.size, found.root), (position, head.size, head.root));
            before.insert(head.origin.clone(), position);
        }
        all.extend(heads);
        if round == 2 {
            running.engine.seal(true).unwrap();
        }
    }
    for head in &all {
        let found = running.ledger.registered(&head.origin, head.size, None).unwrap().unwrap();
        assert_eq!((found.size, found.root), (head.size, head.root), "as of then");
        let entry = Entry::decode(&running.ledger.registry_entry(found.position).unwrap()).unwrap();
        assert_eq!(entry.kind, EntryKind::Head);
    }
    assert_eq!(running.ledger.log_heads(usize::MAX, 1), None);
}
