//! A condition made ready for many events.

use std::fmt;

use super::{Condition, Demand, Known, Needles, Subject};
use crate::json::{Document, Limits};

/// A condition made ready for many events: it looks no closer at an event than it has to.
pub struct Matcher {
    condition: Condition,
    needles: Needles,
    demand: Demand,
}

impl Matcher {
    /// Deeper than [`Rules::depth_max`](crate::Rules::depth_max) lets any event be.
    const LIMITS: Limits = Limits { depth_max: 1 << 10 };

    /// Makes a condition ready.
    #[must_use]
    pub fn new(condition: Condition) -> Self {
        let needles = Needles::of(&condition);
        let demand = Demand::of(&condition);
        Self { condition, needles, demand }
    }

    /// Whether the condition holds for the event with these canonical bytes; what [`Condition::holds`] says. `document` is
    /// working memory, and nothing else is allocated once it has grown.
    ///
    /// Bytes that are no event satisfy nothing but what is known without them; whoever read them has checked them.
    #[must_use]
    pub fn matches(&self, document: &mut Document, canonical: &[u8], known: &Known<'_>) -> bool {
        if let Some(decided) = self.condition.decide(known) {
            return decided;
        }
        self.needles.may_match(canonical)
            && document
                .parse(canonical, Self::LIMITS)
                .is_ok_and(|event| self.condition.holds(&Subject { event, known: *known }))
    }

    /// False where the bytes, without being parsed, show that [`Matcher::matches`] says no. This takes a tenth of the time.
    #[must_use]
    pub fn may_match(&self, canonical: &[u8], known: &Known<'_>) -> bool {
        self.condition.decide(known).unwrap_or_else(|| self.needles.may_match(canonical))
    }

    /// The marks without which [`Matcher::matches`] says no.
    #[must_use]
    pub fn demand(&self) -> &Demand {
        &self.demand
    }

    /// The condition.
    #[must_use]
    pub fn condition(&self) -> &Condition {
        &self.condition
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matcher")
            .field("condition", &self.condition)
            .field("needles", &self.needles)
            .field("demand", &self.demand)
            .finish()
    }
}
