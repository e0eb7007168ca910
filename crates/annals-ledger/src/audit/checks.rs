//! One record against its commitment, and what stands beside its event against what the event says.

use annals_event::json::{Document, Limits};
use annals_event::model::ACTION_PREFIX_RESERVED;
use annals_event::{Normalised, Operation, Rules, Scratch, Timestamp, normalise};
use annals_tree::secret::Secrets;
use annals_tree::{Counter, EntryKind, Hash, Secret, SecretRoot};

use crate::batch::{self, Item, Records};
use crate::commit::Commits;

/// Commits to records again; keeps its buffers between them.
#[derive(Default)]
pub(super) struct Checks {
    commits: Commits,
    document: Document,
    scratch: Scratch,
    normalised: Normalised,
    /// The secrets that follow the one used last: in order they cost two hashes, out of order twelve.
    following: Option<([u8; 32], Counter, Secrets)>,
}

/// What is stored beside an event although it follows from it. Nothing of it is committed to by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Beside {
    pub(super) operation: u8,
    pub(super) derived: bool,
    pub(super) system: bool,
    pub(super) occurred_at: Option<Timestamp>,
}

impl Checks {
    /// Indexes of the items whose bytes do not give their commitment.
    pub(super) fn mismatches(&mut self, records: &Records, batch: &[u8]) -> Vec<usize> {
        let items = records.items.iter().enumerate();
        items.filter(|(_, item)| !self.matches(records, item, batch)).map(|(index, _)| index).collect()
    }

    fn matches(&mut self, records: &Records, item: &Item, batch: &[u8]) -> bool {
        let event = item.event(batch);
        let root = &records.roots[usize::from(item.secret.root)];
        let beside = Beside {
            operation: item.operation,
            derived: item.derived,
            system: item.system,
            occurred_at: item.occurred_at,
        };
        self.commitment(item.stated, event, root, item.secret.counter) == Some(item.commitment)
            && self.follows(&beside, event).is_some_and(|id| item.id_at == batch::id_range(id))
            && item.source.map(|(_, seq)| seq) == self.normalised.source().map(|source| source.seq)
    }

    /// The commitment to a record; none when its bytes are no event.
    pub(super) fn commitment(
        &mut self,
        stated: Option<EntryKind>,
        event: &[u8],
        root: &[u8; 32],
        counter: Counter,
    ) -> Option<Hash> {
        let secret = self.secret(root, counter);
        self.commits.commit_as(stated, event, &secret)
    }

    /// As [`Checks::follows`], of an event whose commitment is held against the tree: whatever else its form should be, it is
    /// the one that was appended. So only what is stored beside it is looked for, in one parse.
    pub(super) fn follows_at_a_glance(
        &mut self,
        beside: &Beside,
        event: &[u8],
    ) -> Option<std::ops::Range<usize>> {
        let id = beside_at_a_glance(&mut self.document, event).filter(|(said, _)| said == beside);
        match id {
            Some((_, id)) => Some(id),
            // Slowly, so that nothing is called wrong for a reading of its own.
            None => self.follows(beside, event),
        }
    }

    /// Where the id stands in the event, if what is stored beside the event is what its bytes say.
    pub(super) fn follows(&mut self, beside: &Beside, event: &[u8]) -> Option<std::ops::Range<usize>> {
        let rules = Rules::default().for_system().with_event_bytes_max(usize::MAX);
        normalise(event, &rules, &mut self.scratch, &mut self.normalised).ok()?;
        let found = &self.normalised;
        let said = Beside {
            operation: found.operation().code(),
            derived: found.operation_is_derived(),
            system: found.action().starts_with(ACTION_PREFIX_RESERVED),
            occurred_at: found.occurred_at(),
        };
        (found.bytes() == event && said == *beside).then(|| found.id_text())
    }

    fn secret(&mut self, root: &[u8; 32], counter: Counter) -> Secret {
        let mut secrets = match self.following.take() {
            Some((same, next, secrets)) if same == *root && next == counter => secrets,
            _ => SecretRoot::from_bytes(*root).secrets(counter),
        };
        let secret = secrets.next().expect("secrets run to the last counter, and this one is not beyond it");
        self.following = counter.next().map(|next| (*root, next, secrets));
        secret
    }
}

/// What an event's members say of what is stored beside it, and where its id stands.
fn beside_at_a_glance(document: &mut Document, event: &[u8]) -> Option<(Beside, std::ops::Range<usize>)> {
    let root = document.parse(event, Limits { depth_max: usize::MAX }).ok()?;
    let (mut id, mut action, mut sent, mut occurred_at) = (None, None, None, None);
    for (name, value) in root.members() {
        match name {
            "id" => {
                let token = value.token();
                let start = token.as_ptr().addr().checked_sub(event.as_ptr().addr())?;
                // Without its quotes.
                id = Some(start + 1..(start + token.len()).checked_sub(1)?);
            }
            "action" => action = Some(value.as_str()?),
            "operation" => sent = Some(value.as_str()?.parse::<Operation>().ok()?),
            "occurred_at" => occurred_at = Some(Timestamp::parse(value.as_str()?).ok()?),
            _ => {}
        }
    }
    let (id, action) = (id.filter(|id| id.start <= id.end && id.end < event.len())?, action?);
    let beside = Beside {
        operation: sent.unwrap_or_else(|| Operation::derive(action)).code(),
        derived: sent.is_none(),
        system: action.starts_with(ACTION_PREFIX_RESERVED),
        occurred_at,
    };
    Some((beside, id))
}
