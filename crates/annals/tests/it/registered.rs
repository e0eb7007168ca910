//! `registry.json` in evidence: as of when the log was registered and who saw that; one that does not hold.

use annals_tree::checkpoint::Checkpoint;
use annals_tree::cosignature::Cosigner;
use annals_tree::entry::Entry;
use annals_tree::note::{Note, SigningKey};
use annals_tree::{EntryKind, leaf_hash};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use zip::CompressionMethod;

use crate::evidence::Files;
use crate::support::World;

const LEDGER: &str = "log.example";
const REGISTRY: &str = "log.example/t/00000000000000000000000000000009";

fn key() -> SigningKey {
    SigningKey::from_seed(LEDGER, &[7; 32]).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a registry of one entry says.
struct Said {
    origin: String,
    log: String,
    size: u64,
    root: String,
    position: u64,
    kind: EntryKind,
    signer: SigningKey,
}

impl Said {
    fn write(&self) -> Value {
        let body = json!({"action": "annals.registry.head", "metadata": {
            "origin_sha256": hex(&Sha256::digest(self.log.as_bytes())), "root": self.root, "size": self.size,
        }});
        let body = serde_json::to_vec(&body).unwrap();
        let entry = Entry::stating(self.kind, 0, 1_795_303_721_456, body).unwrap().encode().unwrap();
        let checkpoint = Checkpoint::new(&self.origin, 1, leaf_hash(&entry)).to_text();
        let mut note = self.signer.with_name(&self.origin).unwrap().sign(&checkpoint).unwrap();
        note.push_str(&Cosigner::from_seed("w1", &[8; 32]).unwrap().cosign(&checkpoint, 1_795_300_000));
        json!({
            "origin": self.origin, "entry": hex(&entry), "position": self.position, "hashes": [],
            "checkpoint": note, "consistency": [],
        })
    }
}

#[tokio::test]
async fn evidence_says_as_of_when_the_log_was_registered_and_who_saw_that() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    std::fs::create_dir(world.path("data")).unwrap();
    std::fs::write(world.path("data/signing.key"), format!("{}\n", key().to_text().as_str())).unwrap();
    std::fs::set_permissions(world.path("data/signing.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let server = world.serve(&[]);
    let operator = server.operator_key();
    server.post(&operator, 0, 20).await;
    let url = server.url();
    let export =
        ["export", "--bundle", "--url", url, "--key", &operator, "--tenant", "acme", "--output", "b.zip"];
    assert_eq!(world.run(&export).code, Some(0));
    server.stop();
    let bundle = Files::read(&world.path("b.zip"));
    let note = bundle.clone().text("checkpoint");
    let checkpoint = Checkpoint::parse(Note::parse(&note).unwrap().text()).unwrap();
    let w1 = Cosigner::from_seed("w1", &[8; 32]).unwrap().witness_key().to_string();
    let verify = |change: &dyn Fn(&mut Said)| {
        let mut said = Said {
            origin: REGISTRY.to_owned(),
            log: checkpoint.origin.clone(),
            size: 20,
            root: checkpoint.root.to_string(),
            position: 0,
            kind: EntryKind::Head,
            signer: key(),
        };
        change(&mut said);
        let mut files = bundle.clone();
        files.add("registry.json", said.write().to_string().into_bytes());
        files.relist();
        files.write(&world.path("c.zip"), CompressionMethod::Deflated);
        world.run(&["verify", "c.zip", "--witness", &w1])
    };
    let said = verify(&|_| {});
    assert_eq!(said.code, Some(0), "{} {}", said.stdout, said.stderr);
    for expected in [
        "registered as of 2026-11-21T23:28:41Z with",
        "with 20 of its 20 records, at position 0 of log.example/t/00000000000000000000000000000009",
        "cosigned  log log.example/t/00000000000000000000000000000009: 1 records, by 1 of 1 witnesses: `w1` at 2026-11-21T22:26:40Z",
    ] {
        assert!(said.stdout.contains(expected), "{expected}: {}", said.stdout);
    }
    let other = leaf_hash(b"other").to_string();
    type Change<'a> = (&'a str, &'a dyn Fn(&mut Said), &'a str);
    let changes: [Change<'_>; 7] = [
        ("another place", &|said| said.position = 1, "the registry does not hold the entry"),
        ("another log", &|said| said.log = REGISTRY.to_owned(), "is about another log"),
        ("another root", &|said| said.root = other.clone(), "does not extend the 20 records"),
        (
            "fewer records of another history",
            &|said| (said.size, said.root) = (5, other.clone()),
            "does not extend the 5 records",
        ),
        ("another kind", &|said| said.kind = EntryKind::Policy, "states no head"),
        ("another ledger", &|said| said.origin = REGISTRY.replace("log.", "other."), "no log of the ledger"),
        (
            "another key",
            &|said| said.signer = SigningKey::from_seed(LEDGER, &[6; 32]).unwrap(),
            "not signed by this key",
        ),
    ];
    for (what, change, expected) in changes {
        let said = verify(change);
        assert!(
            said.code == Some(8) && said.stdout.contains(expected),
            "{what}: {} {}",
            said.stdout,
            said.stderr
        );
        assert!(!said.stdout.contains("\nok "), "{what}: {}", said.stdout);
    }
}
