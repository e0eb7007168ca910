//! Bytes that an event must contain to satisfy a condition: most events are passed over without being parsed.

use memchr::memmem::Finder;

use super::{Condition, Field, Literal, Test};
use crate::json::write_string;

/// What an event's canonical bytes contain when a condition holds for it.
pub struct Needles(Vec<Finder<'static>>);

impl Needles {
    /// What a condition asks for.
    #[must_use]
    pub fn of(condition: &Condition) -> Self {
        let mut found = Vec::new();
        collect(condition, &mut found);
        Self(found)
    }

    /// False only for an event that does not satisfy the condition.
    #[must_use]
    pub fn may_match(&self, canonical: &[u8]) -> bool {
        self.0.iter().all(|needle| needle.find(canonical).is_some())
    }
}

fn collect(condition: &Condition, found: &mut Vec<Finder<'static>>) {
    match condition {
        Condition::All(all) => all.iter().for_each(|condition| collect(condition, found)),
        Condition::Field(Field::Member(_), Test::In(literals)) => {
            if let [Literal::Text(text)] = literals.as_slice() {
                let mut token = Vec::new();
                write_string(text, &mut token);
                found.push(Finder::new(&token).into_owned());
            }
        }
        _ => {}
    }
}
