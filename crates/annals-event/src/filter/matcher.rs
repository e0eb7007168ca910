//! A condition made ready for many events.

use super::{Condition, Known, Needles, Subject};
use crate::json::{Document, Limits};

/// A condition made ready for many events.
pub struct Matcher {
    condition: Condition,
    needles: Needles,
}

impl Matcher {
    /// Makes a condition ready.
    #[must_use]
    pub fn new(condition: Condition) -> Self {
        let needles = Needles::of(&condition);
        Self { condition, needles }
    }

    /// Whether the condition holds for the event with these canonical bytes, as [`Condition::holds`] says. `document` is
    /// working memory. Bytes that are not JSON satisfy nothing; whoever read them has checked them.
    #[must_use]
    pub fn matches(&self, document: &mut Document, canonical: &[u8], known: &Known<'_>) -> bool {
        if let Some(decided) = self.condition.decide(known) {
            return decided;
        }
        if !self.needles.may_match(canonical) {
            return false;
        }
        match document.parse(canonical, Limits { depth_max: usize::MAX }) {
            Ok(event) => self.condition.holds(&Subject { event, known: *known }),
            Err(_) => false,
        }
    }

    /// The condition.
    #[must_use]
    pub fn condition(&self) -> &Condition {
        &self.condition
    }
}
