//! Records with all that shows what they are, wherever they stand: in the tail, in a segment, in a merged one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use annals_event::{Position, UnitScratch, units};
use annals_ledger::{AcceptOptions, Disclosed, Discloses, Done, ItemStatus, Ledger, ProveError, Shown};
use annals_tree::commitment::Committer;
use annals_tree::entry::Entry;
use annals_tree::tile::{TileKind, bundles, encode_bundle, hash_tile, hash_tiles};
use annals_tree::{Frontier, Nodes as _, Tree, leaf_hash};

use crate::sealing::{Running, Stepped};
use crate::support::{Pending, events_of, poll, tenant};

/// All records of a log, taken so many at a time.
fn disclosed(ledger: &Ledger, name: &str, count: u64) -> Vec<Disclosed> {
    let mut all = Vec::new();
    loop {
        let more = ledger.disclose(&events_of(name), Position(all.len() as u64), count).unwrap();
        assert!(more.len() as u64 <= count);
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

/// Keeps what it is told of so many records.
struct Few {
    wanted: usize,
    seen: Vec<Disclosed>,
    /// Of each record.
    units: Vec<Vec<(String, Vec<u8>)>>,
    next: Vec<(String, Vec<u8>)>,
}

impl Discloses for Few {
    fn unit(&mut self, name: &str, value: &[u8]) {
        self.next.push((name.to_owned(), value.to_vec()));
    }

    fn record(&mut self, disclosed: Disclosed) -> bool {
        assert!(self.seen.len() < self.wanted, "it had enough");
        self.seen.push(disclosed);
        self.units.push(std::mem::take(&mut self.next));
        self.seen.len() < self.wanted
    }
}

/// Who has seen enough is told no more; the units are those of the record.
fn check_told(ledger: &Ledger, name: &str, size: u64) {
    let log = events_of(name);
    for (from, wanted) in [(0, 3), (size / 3, 40), (size - 1, 2)] {
        let mut few = Few { wanted, seen: Vec::new(), units: Vec::new(), next: Vec::new() };
        ledger.disclose_to(&log, Position(from), size, &mut few).unwrap();
        assert!(!few.seen.is_empty());
        for ((position, found), told) in (from..).zip(&few.seen).zip(&few.units) {
            let mut expected = Vec::new();
            units(&found.record.event, &mut UnitScratch::default(), |name, value| {
                expected.push((name.to_owned(), value.to_vec()));
            })
            .unwrap();
            assert_eq!((found.record.position, told), (Position(position), &expected));
        }
    }
}

/// The published tree is made of the same leaves and entries.
fn check_tiles(ledger: &Ledger, name: &str, tree: &Tree, all: &[Disclosed]) {
    for tile in bundles(tree.size()).chain(hash_tiles(tree.size())) {
        let expected = match tile.kind() {
            TileKind::Hashes(_) => hash_tile(&tile, tree.size(), tree).unwrap(),
            TileKind::Entries => {
                let first = usize::try_from(tile.first()).unwrap();
                let of = &all[first..first + usize::from(tile.width())];
                encode_bundle(of.iter().map(|found| found.entry.clone())).unwrap()
            }
        };
        assert_eq!(ledger.tile(&events_of(name), &tile).unwrap(), expected, "{tile}");
    }
}

/// Holds everything that is disclosed of a log against what the ledger says otherwise.
fn check(ledger: &Ledger, name: &str) {
    let log = events_of(name);
    let size = ledger.log_info(&log).map_or(0, |info| info.size);
    if size == 0 {
        return;
    }
    let mut tree = Tree::new();
    for count in [1, 7, 1_000] {
        let all = disclosed(ledger, name, count);
        assert_eq!(all.len() as u64, size);
        for (position, found) in (0..).map(Position).zip(&all) {
            let entry = ledger.entry(&log, position).unwrap().unwrap();
            assert_eq!((&found.entry[..], found.leaf), (&entry.bytes[..], entry.leaf));
            assert_eq!(found.leaf, leaf_hash(&found.entry));
            let record = ledger.at(&log, position).unwrap().unwrap();
            assert_eq!((found.record.position, &found.record.event), (position, &record.event));
            assert_eq!(found.record.tenant, tenant(name));
            let Shown::Whole(secret) = &found.shown else { panic!("nothing was erased") };
            let mut committer = Committer::new(secret);
            units(&record.event, &mut UnitScratch::default(), |name, value| {
                committer.unit(name.as_bytes(), value).unwrap();
            })
            .unwrap();
            assert_eq!(committer.finish(), Entry::decode(&found.entry).unwrap().commitment);
        }
        if tree.size() == 0 {
            all.iter().for_each(|found| tree.push(found.leaf));
            check_tiles(ledger, name, &tree, &all);
        }
    }
    check_told(ledger, name, size);
    let mut edge = Frontier::new();
    for level in 0..=size.checked_ilog2().unwrap_or(0) {
        for index in 0..size >> level {
            let node = ledger.subtree(&log, level, index).unwrap();
            assert_eq!(Some(node), tree.node(level, index).ok(), "{level} {index} of {size}");
        }
        let beyond = ledger.subtree(&log, level, size >> level);
        assert!(matches!(beyond, Err(ProveError::Beyond { .. })), "{beyond:?}");
    }
    let mut at = 0;
    while at < size {
        let level = (size - at).ilog2();
        edge.push_node(level, ledger.subtree(&log, level, at >> level).unwrap(), &mut |_, _, _| {});
        at += 1 << level;
    }
    assert_eq!(edge.root(), tree.root());
    assert!(ledger.subtree(&log, 63, 0).is_err() && ledger.subtree(&log, 64, 0).is_err());
    assert!(ledger.subtree(&log, 1, u64::MAX).is_err());
}

/// Sends events of several shapes to one tenant.
fn send(running: &mut Running, name: &str, from: u64, count: u64) {
    let options = AcceptOptions { tenant: Some(tenant(name)), ..AcceptOptions::default() };
    let mut draft = running.ledger.draft(options);
    for number in from..from + count {
        let text = "word ".repeat(usize::try_from(number % 90).unwrap());
        draft.push(
            format!(
                r#"{{"action":"a.b{}","actor":{{"id":"u{}"}},"id":"e{number}","description":"{text}","metadata":{{"n":{number}.50,"k{}":null}}}}"#,
                number % 5,
                number % 13,
                number % 7
            )
            .as_bytes(),
        );
    }
    let sealed = draft.seal();
    let ledger = running.ledger.clone();
    let mut pending: Pending = Box::pin(async move { ledger.commit(sealed).await });
    let answer = poll(&mut pending).or_else(|| {
        running.engine.write();
        running.engine.apply();
        poll(&mut pending)
    });
    let stored = answer.unwrap().unwrap();
    assert!(stored.iter().all(|result| matches!(result.status, ItemStatus::Created { .. })));
}

#[test]
fn what_is_disclosed_is_what_is_committed_to_wherever_it_stands() {
    let mut stepped = Stepped::new(u64::MAX);
    let mut running = stepped.open();
    let (mut sent, mut merged) = (0, 0);
    for round in 0..10 {
        for (name, count) in [("acme", 40 + 31 * round), ("globex", round % 3)] {
            send(&mut running, name, sent, count);
            sent += count;
            check(&running.ledger, name);
        }
        if round > 0 {
            assert!(matches!(running.engine.seal(true).unwrap(), Done::Sealed(_)));
            check(&running.ledger, "acme");
            while let Done::Merged(_) = running.engine.seal(false).unwrap() {
                merged += 1;
                check(&running.ledger, "acme");
            }
            check(&running.ledger, "globex");
        }
    }
    assert!(merged > 0, "some were merged");
    let log = events_of("acme");
    assert!(running.ledger.disclose(&log, Position(1 << 40), 5).unwrap().is_empty());
    assert!(running.ledger.disclose(&events_of("nobody"), Position(0), 5).unwrap().is_empty());
}
