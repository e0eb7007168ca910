//! One record against its commitment, and what stands beside its event against what the event says.

use annals_event::json::{Document, Limits};
use annals_event::model::ACTION_PREFIX_RESERVED;
use annals_event::{Normalised, Operation, Rules, Scratch, Timestamp, normalise};
use annals_segment::root::RootRef;
use annals_tree::secret::Secrets;
use annals_tree::{Counter, EntryKind, Hash, Secret, SecretRoot};

use crate::batch::{self, Item, Records};
use crate::commit::Commits;

/// Most threads that check; more would wait for the one that goes on with what they checked.
const THREADS_MAX: usize = 8;

/// Fewer items of a batch than these are not shared out: it would take longer.
const ITEMS_SHARED_MIN: usize = 256;

/// How many threads check.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |threads| threads.get().min(THREADS_MAX))
}

/// Indexes of the items whose bytes do not give their commitment, rising. Each of the `checks` has its share of them.
pub(super) fn mismatches(checks: &mut [Checks], records: &Records, batch: &[u8]) -> Vec<usize> {
    let each = records.items.len().div_ceil(checks.len().max(1)).max(ITEMS_SHARED_MIN);
    let firsts = (0..records.items.len()).step_by(each);
    let parts = records.items.chunks(each).zip(firsts).zip(checks);
    let mut parts =
        parts.map(|((items, first), checks)| move || checks.mismatches(records, items, first, batch));
    if records.items.len() <= each {
        return parts.next().map_or_else(Vec::new, |mut part| part());
    }
    std::thread::scope(|scope| {
        let parts: Vec<_> = parts.map(|part| scope.spawn(part)).collect();
        parts.into_iter().flat_map(|part| part.join().expect("checking does not panic")).collect()
    })
}

/// Commits to records again; keeps its buffers between them.
#[derive(Default)]
pub(super) struct Checks {
    commits: Commits,
    document: Document,
    scratch: Scratch,
    normalised: Normalised,
    /// The root whose secret was asked for last, and its secrets: neighbours cost one hash or two, those of another root twelve.
    secrets: Option<([u8; 32], Secrets)>,
    /// The id of the event that was looked at last.
    id: Vec<u8>,
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
    /// Indexes of those among `items` whose bytes do not give their commitment; that of the first is given.
    fn mismatches(&mut self, records: &Records, items: &[Item], first: usize, batch: &[u8]) -> Vec<usize> {
        let items = (first..).zip(items);
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
        self.commitment(item.stated, event, RootRef::Whole(root), item.secret.counter)
            == Some(item.commitment)
            && self.follows(&beside, event).is_some_and(|id| item.id_at == batch::id_range(id))
            && item.source.map(|(_, seq)| seq) == self.normalised.source().map(|source| source.seq)
    }

    /// The commitment to a record; none when its bytes are no event, or its secret was forgotten.
    pub(super) fn commitment(
        &mut self,
        stated: Option<EntryKind>,
        event: &[u8],
        root: RootRef<'_>,
        counter: Counter,
    ) -> Option<Hash> {
        let secret = match root {
            RootRef::Whole(root) => self.secret(root, counter),
            RootRef::Punctured(punctured) => punctured.left.secret(counter)?,
        };
        self.commits.commit_as(stated, event, &secret)
    }

    /// As [`Checks::follows`], of an event whose commitment is held against the tree: whatever else its form should be, it is
    /// the one that was appended. So only what is stored beside it is looked for, in one parse; of an event that was committed
    /// to right before, in one of its envelope, where all of that stands. The id is [`Checks::id`] then.
    pub(super) fn follows_at_a_glance(
        &mut self,
        beside: &Beside,
        event: &[u8],
        was_just_split: bool,
    ) -> bool {
        let Self { commits, document, id, .. } = self;
        let said = was_just_split.then(|| beside_at_a_glance(document, commits.envelope(), id)).flatten();
        if said.as_ref() == Some(beside) || beside_at_a_glance(document, event, id).as_ref() == Some(beside) {
            return true;
        }
        // Slowly, so that nothing is called wrong for a reading of its own.
        let Some(range) = self.follows(beside, event) else { return false };
        self.id.clear();
        self.id.extend_from_slice(&event[range]);
        true
    }

    /// The id of the event that was looked at last, as it stands between its quotes.
    pub(super) fn id(&self) -> &[u8] {
        &self.id
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
        match &mut self.secrets {
            Some((same, secrets)) if same == root => secrets.secret(counter),
            other => {
                let (_, secrets) = other.insert((*root, SecretRoot::from_bytes(*root).secrets(counter)));
                secrets.secret(counter)
            }
        }
    }
}

/// What an event's members say of what is stored beside it. Its id takes the place of what `into` held.
fn beside_at_a_glance(document: &mut Document, event: &[u8], into: &mut Vec<u8>) -> Option<Beside> {
    into.clear();
    let root = document.parse(event, Limits { depth_max: usize::MAX }).ok()?;
    let (mut id, mut action, mut sent, mut occurred_at) = (None, None, None, None);
    for (name, value) in root.members() {
        match name {
            // Without its quotes.
            "id" => id = Some(value.token().strip_prefix('"')?.strip_suffix('"')?),
            "action" => action = Some(value.as_str()?),
            "operation" => sent = Some(value.as_str()?.parse::<Operation>().ok()?),
            "occurred_at" => occurred_at = Some(Timestamp::parse(value.as_str()?).ok()?),
            _ => {}
        }
    }
    let action = action?;
    into.extend_from_slice(id?.as_bytes());
    Some(Beside {
        operation: sent.unwrap_or_else(|| Operation::derive(action)).code(),
        derived: sent.is_none(),
        system: action.starts_with(ACTION_PREFIX_RESERVED),
        occurred_at,
    })
}
