//! What must not count again, until it would have expired anyway.

use std::collections::HashMap;

/// Names, each of somebody and until an instant; a bounded number of them, and of each one's. Where there is no room, the one goes that
/// expires soonest: one's own where one has too many, so that nobody crowds out another.
pub(crate) struct Spent {
    names: HashMap<String, Name>,
    names_max: usize,
    of_one_max: usize,
}

struct Name {
    owner: String,
    until_us: i64,
}

impl Spent {
    pub(crate) fn new(names_max: usize, of_one_max: usize) -> Self {
        Self { names: HashMap::new(), names_max, of_one_max }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// Remembers a name of this owner until this instant. False where it was remembered before.
    pub(crate) fn add(&mut self, name: &str, owner: &str, until_us: i64, now_us: i64) -> bool {
        if self.has(name) {
            return false;
        }
        self.names.retain(|_, name| now_us < name.until_us);
        if self.names.values().filter(|name| name.owner == owner).count() >= self.of_one_max {
            self.forget_soonest(|name| name.owner == owner);
        }
        if self.names.len() >= self.names_max {
            self.forget_soonest(|_| true);
        }
        self.names.insert(name.to_owned(), Name { owner: owner.to_owned(), until_us });
        true
    }

    fn forget_soonest(&mut self, is_meant: impl Fn(&Name) -> bool) {
        let soonest =
            self.names.iter().filter(|(_, name)| is_meant(name)).min_by_key(|(_, name)| name.until_us);
        if let Some(soonest) = soonest.map(|(text, _)| text.clone()) {
            self.names.remove(&soonest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_stays_so_until_it_expires() {
        let mut spent = Spent::new(10, 10);
        assert!(spent.add("a", "x", 10, 0) && spent.add("b", "x", 20, 0) && spent.has("a"));
        assert!(!spent.add("a", "x", 10, 0), "it was spent before");
        assert!(spent.add("c", "x", 30, 10) && spent.has("c") && spent.has("b") && !spent.has("a"));
    }

    #[test]
    fn who_spends_too_much_crowds_out_only_their_own_that_expires_soonest() {
        let mut spent = Spent::new(10, 2);
        for (name, owner, until_us) in
            [("other", "y", 1), ("late", "x", 30), ("soon", "x", 10), ("new", "x", 20)]
        {
            assert!(spent.add(name, owner, until_us, 0));
        }
        assert_eq!(["other", "late", "soon", "new"].map(|name| spent.has(name)), [true, true, false, true]);
    }

    #[test]
    fn where_it_is_full_what_expires_soonest_makes_room() {
        let mut spent = Spent::new(3, 2);
        for (name, owner, until_us) in [("a", "x", 30), ("b", "y", 10), ("c", "z", 20), ("d", "w", 5)] {
            assert!(spent.add(name, owner, until_us, 0));
        }
        assert_eq!(["a", "b", "c", "d"].map(|name| spent.has(name)), [true, false, true, true]);
        assert_eq!(spent.names.len(), 3);
    }
}
