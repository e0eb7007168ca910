//! Events that annals makes by itself: committed, stored and read like any other.

use annals_event::json::{Document, Limits};
use annals_event::{Normalised, Operation, Rules, Scratch, normalise};
use annals_tree::{Hash, Secret};
use sha2::{Digest, Sha256};

use crate::batch;
use crate::commit::Commits;
use crate::sources::Hole;

/// One made event.
pub(crate) struct Made {
    pub(crate) bytes: Vec<u8>,
    pub(crate) id: String,
    /// Range of the id's text in the bytes.
    pub(crate) id_at: (u32, u16),
    pub(crate) commitment: Hash,
    pub(crate) operation: Operation,
}

/// Makes events; keeps its buffers between them.
#[derive(Default)]
pub(crate) struct SystemEvents {
    scratch: Scratch,
    normalised: Normalised,
    commits: Commits,
}

impl SystemEvents {
    /// The event in its canonical form, with an id that follows from its secret alone, so that every replica gives the same.
    pub(crate) fn make(&mut self, event: &serde_json::Value, secret: &Secret) -> Made {
        let hash: [u8; 32] = Sha256::new()
            .chain_update(b"annals system event id")
            .chain_update(secret.as_bytes())
            .finalize()
            .into();
        let id = uuid::Builder::from_custom_bytes(*hash.first_chunk().expect("a hash has 32 bytes"))
            .into_uuid()
            .to_string();
        let raw = serde_json::to_vec(event).expect("a JSON value serialises");
        // What a client's event brought in was bounded there, and may be as long as an event.
        let rules = Rules::default().for_system().with_event_bytes_max(usize::MAX);
        normalise(&raw, &rules, &mut self.scratch, &mut self.normalised)
            .expect("our own events keep the rules");
        self.normalised.insert_id(&id).expect("a UUID is an event id");
        let bytes = self.normalised.bytes().to_vec();
        let commitment = self.commits.commit(&bytes, secret).expect("the bytes were normalised a moment ago");
        let operation = self.normalised.operation();
        Made { id, id_at: batch::id_range(self.normalised.id_text()), commitment, bytes, operation }
    }
}

/// A source jumped over some of its numbers: events were lost on the way to us, or the source was reset.
pub(crate) fn source_gap(event: &[u8], hole: Hole) -> serde_json::Value {
    let mut document = Document::default();
    let source = document
        .parse(event, Limits { depth_max: Rules::default().depth_max })
        .ok()
        .and_then(|event| event.get("source"));
    let member = |name: &str| source.and_then(|source| source.get(name)).and_then(|value| value.as_str());
    serde_json::json!({
        "action": "annals.source.gap", "operation": "other", "category": "annals", "severity": "warning",
        "actor": {"type": "system", "id": "annals"},
        "description": "a source left out some of its numbers",
        "metadata": {"source": {"name": member("name"), "instance": member("instance")}, "missing": {"from": hole.from, "to": hole.to}},
    })
}
