//! What was counted over all rows of a log in a segment, or of all logs: it can never come out otherwise.
//!
//! A dashboard asks for the same facets all day, and of most segments it asks for all there is. So what such a count has found
//! stays here, in few bytes: ordinals of values, not their texts. All segments of a cache of blocks share one memory, bounded by
//! [`BYTES_MAX`] and by a part of what the cache may take; what was not asked for the longest goes first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use annals_event::filter::Field;

use super::counter::Counted;
use super::times::{Cells, Length};

/// Most bytes of counts that are kept for one cache of blocks.
pub const BYTES_MAX: usize = 16 << 20;

/// What part of the cache's own bound they may take at most.
const PART_OF_CACHE: usize = 4;

/// No count takes more than this part of the memory: a field with as many values is no facet that people look at.
const ENTRY_PART: usize = 32;

/// What an entry takes beside what it counts, about: two nodes of trees and a key.
const ENTRY_BYTES: usize = 256;

/// Which count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// Number of the file, or of a view of one, in the cache.
    pub(super) file: u64,
    /// Index of the log; none for all rows with a ledger number.
    pub(super) log: Option<u32>,
    pub(super) of: Counts,
}

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Counts {
    Values(Field),
    Times(Length),
}

/// What is kept.
#[derive(Clone)]
pub(super) enum Kept {
    Values(Arc<Counted>),
    Times(Cells),
}

/// See the module.
pub(crate) struct Memory {
    bytes_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: BTreeMap<Key, Entry>,
    /// Keys by when they were asked for last.
    used: BTreeMap<u64, Key>,
    /// Rises with each use.
    clock: u64,
    bytes: usize,
}

struct Entry {
    kept: Kept,
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

    pub(super) fn find(&self, key: &Key) -> Option<Kept> {
        let mut inner = self.lock();
        let Inner { entries, used, clock, .. } = &mut *inner;
        let entry = entries.get_mut(key)?;
        *clock += 1;
        if let Some(key) = used.remove(&entry.used) {
            used.insert(*clock, key);
        }
        entry.used = *clock;
        Some(entry.kept.clone())
    }

    pub(super) fn keep(&self, key: Key, kept: Kept) {
        let own = match &kept {
            Kept::Values(counted) => counted.bytes(),
            Kept::Times(cells) => size_of_val(cells.as_slice()),
        };
        let bytes = own + ENTRY_BYTES + 2 * key.of.bytes();
        if bytes > self.bytes_max / ENTRY_PART {
            return;
        }
        let mut inner = self.lock();
        if inner.entries.contains_key(&key) {
            // Another one counted the same at the same time and was first.
            return;
        }
        while inner.bytes + bytes > self.bytes_max {
            let Some((_, oldest)) = inner.used.pop_first() else { break };
            inner.bytes -= inner.entries.remove(&oldest).map_or(0, |entry| entry.bytes);
        }
        inner.clock += 1;
        inner.bytes += bytes;
        let used = inner.clock;
        inner.used.insert(used, key.clone());
        inner.entries.insert(key, Entry { kept, bytes, used });
    }

    /// A panic while it was locked leaves it whole enough: an entry in one of the trees alone is found by nobody, or goes first.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// Bytes it takes beside itself.
    fn bytes(&self) -> usize {
        match self {
            Self::Values(Field::Member(path)) => path.as_slice().iter().map(|name| 32 + name.len()).sum(),
            Self::Values(_) | Self::Times(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::times::Cell;

    fn key(file: u64) -> Key {
        Key { file, log: Some(7), of: Counts::Times(Length::Hour) }
    }

    fn cells(count: usize) -> Kept {
        Kept::Times(Arc::new(vec![Cell { number: 1, count: 2 }; count]))
    }

    #[test]
    fn it_stays_within_its_bound_and_lets_go_of_what_was_not_asked_for() {
        let memory = Memory::beside(4 << 20);
        let bound = 1 << 20;
        for file in 0..10_000 {
            memory.keep(key(file), cells(usize::try_from(file).unwrap() % 500));
            assert!(memory.bytes() <= bound, "{}", memory.bytes());
            assert!(memory.find(&key(0)).is_some(), "asked for all the time, gone after {file}");
            assert!(memory.find(&key(file)).is_some(), "{file}");
        }
        assert!(memory.bytes() > bound / 2, "{}", memory.bytes());
        assert!(memory.find(&key(1)).is_none(), "nobody asked for it");
        let inner = memory.lock();
        assert_eq!(inner.bytes, inner.entries.values().map(|entry| entry.bytes).sum::<usize>());
        assert_eq!(inner.used.len(), inner.entries.len());
        assert!(inner.used.iter().all(|(used, key)| inner.entries[key].used == *used));
    }

    #[test]
    fn what_takes_much_of_it_is_not_kept() {
        let memory = Memory::beside(usize::MAX);
        memory.keep(key(1), cells(BYTES_MAX / ENTRY_PART / size_of::<Cell>()));
        memory.keep(key(2), cells(BYTES_MAX / ENTRY_PART / size_of::<Cell>() - ENTRY_BYTES));
        assert!(memory.find(&key(1)).is_none());
        assert!(memory.find(&key(2)).is_some());
        let none = Memory::beside(0);
        none.keep(key(1), cells(0));
        assert!(none.find(&key(1)).is_none());
    }

    #[test]
    fn a_count_is_that_of_its_file_log_and_field() {
        let memory = Memory::beside(usize::MAX);
        let keys = [
            key(1),
            key(2),
            Key { log: None, ..key(1) },
            Key { log: Some(8), ..key(1) },
            Key { of: Counts::Times(Length::Quarter), ..key(1) },
            Key { of: Counts::Values(Field::Tenant), ..key(1) },
            Key { of: Counts::Values(Field::Operation), ..key(1) },
        ];
        for (count, key) in keys.iter().enumerate() {
            assert!(memory.find(key).is_none());
            memory.keep(key.clone(), cells(count));
        }
        for (count, key) in keys.iter().enumerate() {
            assert!(matches!(memory.find(key), Some(Kept::Times(cells)) if cells.len() == count));
        }
    }
}
