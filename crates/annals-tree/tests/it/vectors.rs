//! Against `corpus/vectors`, which `generate.py` there makes without any code of ours.

use std::path::Path;

use annals_tree::block::BlockPart;
use annals_tree::checkpoint::Checkpoint;
use annals_tree::commitment::{Committer, commitment, salt, unit_digest};
use annals_tree::cosignature::{Cosigner, Quorum, WitnessKey};
use annals_tree::entry::{Entry, EntryKind, encode_event};
use annals_tree::hash::{Hash, leaf_hash};
use annals_tree::head::{Head, HeadLog, SignedHead};
use annals_tree::nodes::{consistency, inclusion, root_at};
use annals_tree::note::{Note, SigningKey, VerifierKey};
use annals_tree::origin::{LogKind, LogName};
use annals_tree::proof::{TlogProof, verify_consistency, verify_inclusion};
use annals_tree::secret::{Counter, PuncturedRoot, Secret, SecretRoot};
use annals_tree::tree::Tree;
use annals_tree::witness::AddCheckpoint;
use serde_json::Value;

fn load(name: &str) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/vectors").join(name);
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    let text = text(value);
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    hex(value).try_into().unwrap()
}

fn hash(value: &Value) -> Hash {
    text(value).parse().unwrap()
}

fn hashes(value: &Value) -> Vec<Hash> {
    list(value).iter().map(hash).collect()
}

#[test]
fn commitments_come_out() {
    for case in list(&load("commitment.json")["cases"]) {
        let secret = Secret::from_bytes(array(&case["secret"]));
        let mut committer = Committer::new(&secret);
        let mut digests = Vec::new();
        for (index, unit) in (0..).zip(list(&case["units"])) {
            let (name, value) = (text(&unit["name"]).as_bytes(), text(&unit["value"]).as_bytes());
            assert_eq!(salt(&secret, index), array(&unit["salt"]));
            digests.push(unit_digest(&salt(&secret, index), name, value).unwrap());
            assert_eq!(digests[index as usize], hash(&unit["digest"]));
            committer.unit(name, value).unwrap();
        }
        assert_eq!(committer.finish(), hash(&case["commitment"]), "{}", case["name"]);
        assert_eq!(commitment(&digests), hash(&case["commitment"]));
    }
}

#[test]
fn entries_come_out() {
    for case in list(&load("entry.json")["cases"]) {
        let kind = EntryKind::from_number(u8::try_from(number(&case["kind"])).unwrap()).unwrap();
        let class = u16::try_from(number(&case["class"])).unwrap();
        let received_at_ms = text(&case["received_at_ms"]).parse().unwrap();
        let body = match case.get("body_spaces") {
            Some(count) => " ".repeat(usize::try_from(number(count)).unwrap()).into_bytes(),
            None => text(&case["body"]).as_bytes().to_vec(),
        };
        let entry = if kind == EntryKind::Event {
            let bytes = encode_event(class, received_at_ms, &hash(&case["commitment"]));
            assert_eq!(bytes[..], hex(&case["entry"]));
            Entry::event(class, received_at_ms, hash(&case["commitment"]))
        } else {
            Entry::stating(kind, class, received_at_ms, body).unwrap()
        };
        assert_eq!(entry.commitment, hash(&case["commitment"]));
        let bytes = entry.encode().unwrap();
        assert_eq!(leaf_hash(&bytes), hash(&case["leaf"]), "{}", case["name"]);
        assert_eq!(Entry::decode(&bytes).unwrap(), entry);
        if let Some(expected) = case.get("entry") {
            assert_eq!(bytes, hex(expected));
        }
    }
}

#[test]
fn secrets_and_punctured_roots_come_out() {
    let vectors = load("ggm.json");
    let root = SecretRoot::from_bytes(array(&vectors["root"]));
    let counter = |value: &Value| Counter::new(u16::try_from(number(value)).unwrap()).unwrap();
    for case in list(&vectors["secrets"]) {
        let counter = counter(&case["counter"]);
        assert_eq!(*root.secret(counter).as_bytes(), array(&case["secret"]));
        assert_eq!(root.secrets(counter).next(), Some(root.secret(counter)));
    }
    for case in list(&vectors["punctured"]) {
        let counters: Vec<Counter> = list(&case["counters"]).iter().map(counter).collect();
        let mut punctured = root.puncture(counters[0]);
        counters.iter().for_each(|counter| punctured.puncture(*counter));
        assert_eq!(**punctured.encode(), hex(&case["encoded"]));
        assert_eq!(PuncturedRoot::decode(&hex(&case["encoded"])).unwrap(), punctured);
    }
}

/// Checks the listed proofs of a log, both made and verified.
fn check_proofs(vectors: &Value, leaves: &[Hash]) {
    let mut tree = Tree::new();
    tree.extend(leaves.iter().copied());
    let root = |size| root_at(size, &tree).unwrap();
    for case in list(&vectors["inclusion"]) {
        let (position, size, proof) =
            (number(&case["position"]), number(&case["size"]), hashes(&case["proof"]));
        assert_eq!(inclusion(position, size, &tree).unwrap(), proof);
        let leaf = &leaves[usize::try_from(position).unwrap()];
        assert_eq!(verify_inclusion(leaf, position, size, &proof, &root(size)), Ok(()));
    }
    for case in list(&vectors["consistency"]) {
        let (from, to, proof) = (number(&case["from"]), number(&case["to"]), hashes(&case["proof"]));
        assert_eq!(consistency(from, to, &tree).unwrap(), proof);
        assert_eq!(verify_consistency(from, &root(from), to, &root(to), &proof), Ok(()));
    }
}

fn numbered(count: u64) -> Vec<Hash> {
    (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
}

#[test]
fn published_trees_come_out() {
    let vectors = load("tree.json");
    let leaves: Vec<Hash> = list(&vectors["entries"]).iter().map(|entry| leaf_hash(&hex(entry))).collect();
    let mut tree = Tree::new();
    for (size, root) in hashes(&vectors["roots"]).into_iter().enumerate() {
        assert_eq!(tree.root(), root, "root of {size}");
        tree.extend(leaves.get(size).copied());
    }
    check_proofs(&vectors, &leaves);
}

#[test]
fn trees_of_several_blocks_come_out() {
    let vectors = &load("tree.json")["numbered"];
    let leaves = numbered(1000);
    let mut tree = Tree::new();
    tree.extend(leaves.iter().copied());
    for case in list(&vectors["roots"]) {
        let root = root_at(number(&case["size"]), &tree);
        assert_eq!(root, Ok(hash(&case["root"])));
    }
    for case in list(&vectors["block_states"]) {
        let start = usize::try_from(number(&case["block"])).unwrap() * 256;
        let block = &leaves[start..start + 256];
        let part = BlockPart::of(block);
        assert_eq!(part.check_root(block, &hash(&case["root"])), Ok(()));
        // The tags big-endian in order, and then the XOR.
        let tags = part.tags().iter().flat_map(|tag| tag.to_be_bytes());
        assert_eq!(tags.chain(part.xor().0).collect::<Vec<_>>(), hex(&case["state"]));
    }
    check_proofs(vectors, &leaves);
}

#[test]
fn keys_and_checkpoints_come_out() {
    let vectors = load("checkpoint.json");
    let origin = text(&vectors["origin"]);
    let key = SigningKey::from_seed(origin, &array(&vectors["seed"])).unwrap();
    assert_eq!(key.verifier_key().to_string(), text(&vectors["verifier_key"]));
    assert_eq!(key.to_text().as_str(), text(&vectors["signing_key"]));
    for case in list(&vectors["checkpoints"]) {
        let checkpoint = Checkpoint::new(origin, number(&case["size"]), hash(&case["root"]));
        assert_eq!(key.sign(&checkpoint.to_text()).unwrap(), text(&case["note"]));
        assert_eq!(Checkpoint::open(text(&case["note"]), &key.verifier_key(), origin), Ok(checkpoint));
    }
}

#[test]
fn cosignatures_come_out() {
    let vectors = load("cosignature.json");
    let checkpoint = text(&vectors["checkpoint"]);
    let note = Note::parse(checkpoint).unwrap();
    let mut cosigned = checkpoint.to_owned();
    let mut keys: Vec<WitnessKey> = Vec::new();
    for witness in list(&vectors["witnesses"]) {
        let cosigner = Cosigner::from_seed(text(&witness["name"]), &array(&witness["seed"])).unwrap();
        assert_eq!(cosigner.to_text().as_str(), text(&witness["signing_key"]));
        assert_eq!(cosigner.witness_key().to_string(), text(&witness["witness_key"]));
        let line = cosigner.cosign(note.text(), number(&witness["time"]));
        assert_eq!(line, text(&witness["line"]));
        cosigned.push_str(&line);
        keys.push(text(&witness["witness_key"]).parse().unwrap());
    }
    assert_eq!(cosigned, text(&vectors["cosigned"]));
    let log: VerifierKey = text(&vectors["verifier_key"]).parse().unwrap();
    let note = Note::open(&cosigned, &log).unwrap();
    let tally = Quorum::new(keys, 2).unwrap().count(&note, &log);
    assert_eq!(tally.each, [Ok(1_795_303_721), Ok(0)]);
    let request = AddCheckpoint::parse(text(&vectors["request"])).unwrap();
    assert_eq!((request.old_size, request.checkpoint.as_str()), (300, checkpoint));
    assert_eq!(request.to_text(), text(&vectors["request"]));
}

#[test]
fn heads_come_out() {
    let vectors = load("checkpoint.json");
    let ledger = text(&vectors["ledger"]);
    let key = SigningKey::from_seed(ledger, &array(&vectors["seed"])).unwrap();
    assert_eq!(key.verifier_key().to_string(), text(&vectors["ledger_key"]));
    let expected = &vectors["head"];
    let logs = list(&expected["logs"]).iter().map(|log| HeadLog {
        log: LogName {
            kind: LogKind::from_letter(text(&log["kind"]).as_bytes()[0]).unwrap(),
            id: array(&log["log_id"]),
        },
        size: number(&log["size"]),
        root: hash(&log["root"]),
    });
    let head = Head {
        at_us: expected["at_us"].as_i64().unwrap(),
        ledger_size: number(&expected["ledger_size"]),
        logs: logs.collect(),
    };
    let signed = head.sign(&key).unwrap();
    assert_eq!(head.message(ledger).unwrap(), hex(&expected["message"]));
    assert_eq!(signed.signature, array(&expected["signature"]));
    let stored = [hex(&expected["message"]), hex(&expected["signature"])].concat();
    assert!(SignedHead::decode(&stored).unwrap().verify(&key.verifier_key()).is_ok());
}

#[test]
fn receipts_come_out() {
    let vectors = load("tlog-proof.json");
    let key: VerifierKey = text(&vectors["verifier_key"]).parse().unwrap();
    let origin = text(&vectors["origin"]);
    for case in list(&vectors["cases"]) {
        let proof = TlogProof::parse(text(&case["text"])).unwrap();
        assert_eq!(proof.to_text(), text(&case["text"]));
        let entry = hex(&case["entry"]);
        assert!(proof.verify(&leaf_hash(&entry), &key, origin).is_ok());
        assert!(proof.verify(&leaf_hash(&entry[1..]), &key, origin).is_err());
    }
}

#[test]
fn the_worked_example_of_the_reference_is_that_of_the_vectors() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/commitment.md");
    let reference = std::fs::read_to_string(file).unwrap();
    let example = &load("commitment.json")["cases"][0];
    let entry = &load("entry.json")["cases"][0];
    let units = list(&example["units"]);
    let quoted = units.iter().flat_map(|unit| [&unit["name"], &unit["value"]]);
    let first = [&units[0]["salt"], &units[0]["digest"], &units[1]["salt"], &units[1]["digest"]];
    let ends = [&example["secret"], &example["commitment"], &entry["entry"], &entry["leaf"]];
    for quote in quoted.chain(first).chain(ends) {
        assert!(reference.contains(text(quote)), "not in the reference: {quote}");
    }
}
