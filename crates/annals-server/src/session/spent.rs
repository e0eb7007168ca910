//! What must not count again, until it would have expired anyway.

use std::collections::HashMap;

/// Names, each until an instant; a bounded number of them.
pub(super) struct Spent {
    until_us: HashMap<String, i64>,
    names_max: usize,
}

impl Spent {
    pub(super) fn new(names_max: usize) -> Self {
        Self { until_us: HashMap::new(), names_max }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.until_us.contains_key(name)
    }

    /// Remembers a name until this instant. False where there is no room, nothing is remembered then.
    pub(super) fn add(&mut self, name: &str, until_us: i64, now_us: i64) -> bool {
        if self.until_us.len() >= self.names_max {
            self.until_us.retain(|_, until_us| *until_us > now_us);
        }
        let has_room = self.until_us.len() < self.names_max;
        if has_room {
            self.until_us.insert(name.to_owned(), until_us);
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_stays_so_until_it_expires_and_there_is_a_bound() {
        let mut spent = Spent::new(2);
        assert!(spent.add("a", 10, 0) && spent.add("b", 20, 0) && spent.has("a"));
        assert!(!spent.add("c", 30, 9) && !spent.has("c") && spent.has("a"));
        assert!(spent.add("c", 30, 10) && spent.has("c") && spent.has("b") && !spent.has("a"));
    }
}
