//! How often each key comes, of however many.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};

/// Keys that are held at once: some 100 MB of texts.
const KEYS_MAX: usize = 1 << 20;

/// What is known of each key; where there are too many keys to hold, of some of them, and of those nothing is missed.
///
/// A key is held when its hash ends in so many zeros; whenever the keys are too many it is one more.
#[derive(Debug)]
pub(super) struct Counts<K, V = u64> {
    known: HashMap<K, V>,
    zeros: u32,
}

impl<K, V> Default for Counts<K, V> {
    fn default() -> Self {
        Self { known: HashMap::new(), zeros: 0 }
    }
}

impl<K: Clone + Eq + Hash, V: Default> Counts<K, V> {
    /// What is known of a key; none when it is not one of those that are held.
    pub(super) fn entry(&mut self, key: &K) -> Option<&mut V> {
        self.entry_of(key, KEYS_MAX)
    }

    fn entry_of(&mut self, key: &K, keys_max: usize) -> Option<&mut V> {
        if zeros(key) < self.zeros {
            return None;
        }
        while self.known.len() >= keys_max && !self.known.contains_key(key) {
            self.zeros += 1;
            self.known.retain(|known, _| zeros(known) >= self.zeros);
            if zeros(key) < self.zeros {
                return None;
            }
        }
        Some(self.known.entry(key.clone()).or_default())
    }

    /// All that are held, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.known.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

impl<K: Clone + Eq + Hash + Ord> Counts<K> {
    pub(super) fn add(&mut self, key: &K) {
        if let Some(count) = self.entry(key) {
            *count += 1;
        }
    }

    pub(super) fn most_frequent(&self) -> Option<K> {
        self.known.iter().max_by_key(|(key, count)| (**count, *key)).map(|(key, _)| key.clone())
    }
}

fn zeros(key: &impl Hash) -> u32 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish().trailing_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_keys_some_are_held_and_each_of_those_with_all_its_events() {
        let mut counts = Counts::<String>::default();
        for round in 0..3 {
            for key in 0..1_000 {
                if let Some(count) = counts.entry_of(&format!("key {key}"), 100) {
                    *count += 1;
                }
            }
            assert!(counts.iter().count() <= 100, "round {round}");
        }
        assert!(counts.iter().count() > 10);
        assert!(counts.iter().all(|(_, count)| *count == 3));
    }
}
