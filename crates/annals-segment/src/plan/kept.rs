//! What tests were resolved to, kept for the next question.
//!
//! A segment never changes, so neither does what a test says of it. People page, refresh and narrow down: the same tests come
//! again with other times around them. What took a look through a dictionary is kept here, with the rows of each block that
//! was looked at since. All segments share one memory, bounded by [`BYTES_MAX`]; what was not asked for the longest goes first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use annals_event::filter::{Condition, Field, Literal, Part, Path, Phrase, Test};

use super::blocks::Listed;
use super::eval::Rows;
use super::node::Node;
use super::resolve::Scope;

/// Most bytes of all that is kept for one cache of blocks.
pub const BYTES_MAX: usize = 16 << 20;

/// What part of the cache's own bound it may take at most.
const PART_OF_CACHE: usize = 4;

/// Nothing takes more than this part of the memory.
const ENTRY_PART: usize = 16;

/// What an entry takes beside its node, about.
const ENTRY_BYTES: usize = 512;

/// A test or a phrase at its place in a condition.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Asked {
    /// A test of what stands at a path from the scope on.
    Member(Vec<Box<str>>, Test),
    /// A phrase in the scope's texts.
    Words(Phrase),
    /// A part of any text, number or name.
    Mentions(Box<str>),
    /// A condition on elements at a path from the scope on.
    Element(Vec<Box<str>>, Condition),
}

impl Asked {
    /// Whether a test takes so long to resolve that the answer is worth its place.
    pub(super) fn is_costly(test: &Test) -> bool {
        match test {
            Test::Present | Test::In(_) | Test::Text { part: Part::Whole, folded: false, .. } => false,
            Test::Text { .. } | Test::Loose(_) | Test::Order(..) | Test::Network(_) => true,
        }
    }

    /// As [`Self::is_costly`], of something in a condition.
    pub(super) fn has_costly(condition: &Condition) -> bool {
        match condition {
            Condition::All(several) | Condition::Any(several) => several.iter().any(Self::has_costly),
            Condition::Not(condition) | Condition::Element(_, condition) => Self::has_costly(condition),
            Condition::Field(_, test) => Self::is_costly(test),
            Condition::Words(_) | Condition::Mentions(_) => true,
        }
    }

    fn bytes(&self) -> usize {
        let path = |path: &[Box<str>]| path.iter().map(|name| NAME_BYTES + name.len()).sum::<usize>();
        match self {
            Self::Member(names, test) => path(names) + bytes_of_test(test),
            Self::Words(phrase) => phrase_bytes(phrase),
            Self::Mentions(text) => text.len(),
            Self::Element(names, condition) => path(names) + condition_bytes(condition),
        }
    }
}

/// What a name or a word takes beside its letters.
const NAME_BYTES: usize = 16;

fn condition_bytes(condition: &Condition) -> usize {
    let path = |path: &Path| path.names().map(|name| NAME_BYTES + name.len()).sum::<usize>();
    let own = match condition {
        Condition::All(several) | Condition::Any(several) => several.iter().map(condition_bytes).sum(),
        Condition::Not(condition) => condition_bytes(condition),
        Condition::Element(names, condition) => path(names) + condition_bytes(condition),
        Condition::Field(Field::Member(names), test) => path(names) + bytes_of_test(test),
        Condition::Field(_, test) => bytes_of_test(test),
        Condition::Words(phrases) => phrases.iter().map(phrase_bytes).sum(),
        Condition::Mentions(text) => text.len(),
    };
    size_of::<Condition>() + own
}

fn bytes_of_test(test: &Test) -> usize {
    let literal = |literal: &Literal| {
        size_of::<Literal>()
            + match literal {
                Literal::Text(text) => text.len(),
                Literal::Number(number) => number.to_string().len(),
                _ => 0,
            }
    };
    match test {
        Test::Present => 0,
        Test::In(literals) => literals.iter().map(literal).sum(),
        Test::Text { text, .. } | Test::Loose(text) => text.len(),
        Test::Order(_, other) => literal(other),
        Test::Network(networks) => size_of_val(networks.as_slice()),
    }
}

fn phrase_bytes(phrase: &Phrase) -> usize {
    phrase.words().map(|word| NAME_BYTES + word.len()).sum()
}

/// A node that was resolved once.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) node: Node,
    pub(super) blocks: Listed,
    /// Whole blocks are looked at: that costs hardly more than some of their rows.
    pub(super) is_light: bool,
    /// Blocks of the segment.
    count: usize,
    /// Per block which rows were looked at, and for which of them it holds. Empty until there is one.
    rows: Mutex<Vec<(u128, u128)>>,
}

impl Kept {
    pub(super) fn new(node: Node, blocks: Listed, count: usize) -> Self {
        let is_light = node.is_light();
        Self { node, blocks, is_light, count, rows: Mutex::default() }
    }

    pub(super) fn bytes(&self) -> usize {
        let blocks = self.blocks.as_ref().map_or(0, |blocks| blocks.len() * size_of::<u32>());
        self.node.bytes() + blocks + self.count * size_of::<(u128, u128)>()
    }

    /// Which rows of a block were looked at, and for which of them it holds.
    pub(super) fn known(&self, block: u32) -> (u128, u128) {
        self.rows().get(block as usize).copied().unwrap_or_default()
    }

    /// Takes note of rows of a block that were looked at, where all that may hold does.
    pub(super) fn note(&self, block: u32, seen: u128, found: Rows) {
        if (found.sure ^ found.may) & seen != 0 {
            return;
        }
        let mut rows = self.rows();
        if rows.is_empty() {
            rows.resize(self.count, (0, 0));
        }
        if let Some((all, holding)) = rows.get_mut(block as usize) {
            *all |= seen;
            *holding |= found.sure & seen;
        }
    }

    /// Whoever panicked left whole pairs.
    fn rows(&self) -> MutexGuard<'_, Vec<(u128, u128)>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the module.
pub(crate) struct Memory {
    bytes_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// By number of the segment's file in the cache.
    entries: BTreeMap<u64, Vec<Entry>>,
    /// Whose entry was used when, for the last time.
    used: BTreeMap<u64, u64>,
    /// Rises with each use.
    clock: u64,
    bytes: usize,
}

struct Entry {
    table: usize,
    path: Box<[Box<str>]>,
    asked: Asked,
    kept: Arc<Kept>,
    bytes: usize,
    used: u64,
}

impl Memory {
    /// The memory beside a cache of so many bytes.
    pub(crate) fn beside(cache_bytes_max: usize) -> Self {
        Self { bytes_max: (cache_bytes_max / PART_OF_CACHE).min(BYTES_MAX), inner: Mutex::default() }
    }

    /// Bytes of what is kept, about.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Forgets everything: to see what questions take that nobody has asked before.
    pub(crate) fn forget(&self) {
        *self.lock() = Inner::default();
    }

    /// What was kept for a segment, if it was.
    pub(super) fn find(&self, segment: u64, scope: &Scope, asked: &Asked) -> Option<Arc<Kept>> {
        let mut inner = self.lock();
        let Inner { entries, used, clock, .. } = &mut *inner;
        let of_segment = entries.get_mut(&segment)?;
        let entry = of_segment.iter_mut().find(|entry| entry.is(scope, asked))?;
        *clock += 1;
        used.remove(&entry.used);
        used.insert(*clock, segment);
        entry.used = *clock;
        Some(Arc::clone(&entry.kept))
    }

    /// Keeps what was resolved.
    pub(super) fn keep(&self, segment: u64, scope: &Scope, asked: Asked, kept: &Arc<Kept>) {
        let bytes = ENTRY_BYTES + asked.bytes() + kept.bytes();
        if bytes > self.bytes_max / ENTRY_PART {
            return;
        }
        let mut inner = self.lock();
        if inner.entries.get(&segment).is_some_and(|of| of.iter().any(|entry| entry.is(scope, &asked))) {
            // Another one resolved the same at the same time and was first.
            return;
        }
        while inner.bytes + bytes > self.bytes_max && inner.forget_oldest() {}
        inner.clock += 1;
        inner.bytes += bytes;
        let used = inner.clock;
        inner.used.insert(used, segment);
        inner.entries.entry(segment).or_default().push(Entry {
            table: scope.table,
            path: scope.path.as_slice().into(),
            asked,
            kept: Arc::clone(kept),
            bytes,
            used,
        });
    }

    /// A panic while it was locked leaves it whole enough: an entry in one of the trees alone is never forgotten, or goes first.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget_oldest(&mut self) -> bool {
        let Some((used, segment)) = self.used.pop_first() else { return false };
        if let Some(of_segment) = self.entries.get_mut(&segment) {
            if let Some(at) = of_segment.iter().position(|entry| entry.used == used) {
                self.bytes -= of_segment.swap_remove(at).bytes;
            }
            if of_segment.is_empty() {
                self.entries.remove(&segment);
            }
        }
        true
    }
}

impl Entry {
    fn is(&self, scope: &Scope, asked: &Asked) -> bool {
        self.table == scope.table && *self.path == *scope.path && self.asked == *asked
    }
}

#[cfg(test)]
mod tests {
    use annals_event::filter::parse_words;

    use super::*;

    fn scope(table: usize) -> Scope {
        Scope { table, path: Vec::new(), under: Vec::new() }
    }

    fn asked(word: u64) -> Asked {
        Asked::Words(parse_words(&format!("w{word}")).unwrap().remove(0))
    }

    fn kept(count: usize) -> Arc<Kept> {
        Arc::new(Kept::new(Node::Const(true), None, count))
    }

    #[test]
    fn it_stays_within_its_bound_and_lets_go_of_what_was_not_asked_for() {
        let memory = Memory::beside(4 << 20);
        for word in 0..3_000 {
            memory.keep(word % 7, &scope(0), asked(word), &kept(usize::try_from(word).unwrap() % 100));
            assert!(memory.lock().bytes <= 1 << 20);
            assert!(
                memory.find(0, &scope(0), &asked(0)).is_some(),
                "asked for all the time, gone after {word}"
            );
            assert!(memory.find(word % 7, &scope(0), &asked(word)).is_some(), "{word}");
        }
        assert!(memory.lock().bytes > 1 << 19);
        assert!(memory.find(1, &scope(0), &asked(1)).is_none(), "nobody asked for it");
        let inner = memory.lock();
        let entries = || inner.entries.values().flatten();
        assert_eq!(inner.bytes, entries().map(|entry| entry.bytes).sum::<usize>());
        assert_eq!(inner.used.len(), entries().count());
        assert!(inner.entries.iter().all(|(of, all)| all.iter().all(|entry| inner.used[&entry.used] == *of)));
    }

    #[test]
    fn what_is_kept_is_of_its_segment_scope_and_test() {
        let memory = Memory::beside(usize::MAX);
        memory.keep(1, &scope(0), asked(1), &kept(1));
        assert!(memory.find(1, &scope(0), &asked(1)).is_some());
        assert!(memory.find(2, &scope(0), &asked(1)).is_none());
        assert!(memory.find(1, &scope(1), &asked(1)).is_none());
        assert!(memory.find(1, &scope(0), &asked(2)).is_none());
        let elsewhere = Scope { path: vec!["targets".into()], ..scope(0) };
        assert!(memory.find(1, &elsewhere, &asked(1)).is_none());
        memory.keep(1, &scope(0), asked(3), &kept(BYTES_MAX / ENTRY_PART / 32));
        assert!(memory.find(1, &scope(0), &asked(3)).is_none(), "it takes much of the memory");
    }

    #[test]
    fn rows_that_only_may_match_are_not_noted() {
        let kept = kept(2);
        assert_eq!(kept.known(1), (0, 0));
        kept.note(1, 0b1111, Rows { sure: 0b0101, may: 0b0101 });
        kept.note(1, 0b110000, Rows { sure: 0b010000, may: 0b110000 });
        kept.note(7, 0b1, Rows { sure: 1, may: 1 });
        assert_eq!(kept.known(1), (0b1111, 0b0101));
        assert_eq!(kept.known(0), (0, 0));
    }
}
