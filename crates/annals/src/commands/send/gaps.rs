//! What an event lacks before it can be sent again and again, and filling it in without touching any other byte.

use std::ops::Range;

use annals_event::json::{Document, Kind, Limits, Value};
use sha2::{Digest as _, Sha256};

/// Deepest nesting that is read; far beyond what a server takes.
const DEPTH_MAX: usize = 1_024;

/// A member that an event does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Gap {
    Absent,
    /// It is `null`, which is absence too; here.
    Null(Range<usize>),
}

/// What one event lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gaps {
    id: Option<Gap>,
    tenant: Option<Gap>,
    /// The object has no members at all.
    is_empty: bool,
}

impl Gaps {
    /// Looks at an event. What is no JSON object lacks nothing: the server says what is wrong with it.
    pub(super) fn of(text: &[u8], document: &mut Document) -> Self {
        match document.parse(text, Limits { depth_max: DEPTH_MAX }) {
            Ok(value) if value.kind() == Kind::Object => Self {
                id: gap(value, "id", text),
                tenant: gap(value, "tenant", text),
                is_empty: value.is_empty(),
            },
            _ => Self::default(),
        }
    }

    pub(super) fn lacks_id(&self) -> bool {
        self.id.is_some()
    }

    /// The event with an id and a tenant where it lacks them, and no other byte changed. Both must be texts that stand in JSON
    /// as they are.
    pub(super) fn fill(&self, text: Vec<u8>, id: Option<&str>, tenant: Option<&str>) -> Vec<u8> {
        let mut added = Vec::new();
        let mut replaced = Vec::new();
        for (name, gap, value) in [("id", &self.id, id), ("tenant", &self.tenant, tenant)] {
            match (gap, value) {
                (Some(Gap::Absent), Some(value)) => added.push(format!("\"{name}\":\"{value}\"")),
                (Some(Gap::Null(at)), Some(value)) => replaced.push((at.clone(), format!("\"{value}\""))),
                _ => {}
            }
        }
        let mut text = text;
        // From behind, so that places before stay true.
        replaced.sort_by_key(|(at, _)| std::cmp::Reverse(at.start));
        for (at, value) in replaced {
            text.splice(at, value.into_bytes());
        }
        if !added.is_empty() {
            let comma = if self.is_empty { "" } else { "," };
            text.splice(1..1, format!("{}{comma}", added.join(",")).into_bytes());
        }
        text
    }
}

fn gap(event: Value<'_>, name: &str, text: &[u8]) -> Option<Gap> {
    let Some(value) = event.get(name) else { return Some(Gap::Absent) };
    (value.kind() == Kind::Null).then(|| {
        let start = value.token().as_ptr() as usize - text.as_ptr() as usize;
        Gap::Null(start..start + value.token().len())
    })
}

/// The id of the event with this number (from 0) in an input with this hash: a UUIDv8 of
/// SHA-256(hash || u64 number, big-endian).
pub(super) fn event_id(content: &[u8; 32], index: u64) -> String {
    let hash: [u8; 32] =
        Sha256::new().chain_update(content).chain_update(index.to_be_bytes()).finalize().into();
    let bytes = *hash.first_chunk().expect("a hash has 32 bytes");
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

#[cfg(test)]
mod tests;
