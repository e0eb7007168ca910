//! A vendor's words for ours: renames, and the coarse verbs. Each is a table with defaults, in which settings may replace lines, and
//! is read in both directions: an entry shows the vendor's word, and a filter by that word finds what is shown with it.

use annals_event::Operation;
use annals_event::filter::{Condition, Field, Literal, Test};

/// Our texts and the vendor's. What is not in the table is the same on both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(Vec<(String, String)>);

impl Words {
    /// No words: all are the same on both sides.
    pub const NONE: Self = Self(Vec::new());

    /// A table of `(ours, the vendor's)`, in which `overrides` replace the lines of the same text of ours. Of several of ours for
    /// one of the vendor's, the first is what that becomes.
    #[must_use]
    pub fn new(table: &[(&str, &str)], overrides: &[(String, String)]) -> Self {
        let kept = table.iter().filter(|(ours, _)| overrides.iter().all(|(other, _)| other != ours));
        let kept = kept.map(|(ours, theirs)| ((*ours).to_owned(), (*theirs).to_owned()));
        Self(kept.chain(overrides.iter().cloned()).collect())
    }

    /// Our texts and the vendor's.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(ours, theirs)| (ours.as_str(), theirs.as_str()))
    }

    /// What the vendor says for a text of ours.
    #[must_use]
    pub fn theirs<'a>(&'a self, ours: &'a str) -> &'a str {
        self.0.iter().find(|(known, _)| known == ours).map_or(ours, |(_, theirs)| theirs)
    }

    /// What we say for a word of the vendor's.
    #[must_use]
    pub fn ours<'a>(&'a self, theirs: &'a str) -> &'a str {
        self.0.iter().find(|(_, known)| known == theirs).map_or(theirs, |(ours, _)| ours)
    }

    /// Everything that is shown with this word of the vendor's.
    pub fn all_ours<'a>(&'a self, theirs: &'a str) -> impl Iterator<Item = &'a str> {
        let renamed = self.0.iter().filter(move |(_, known)| known == theirs).map(|(ours, _)| ours.as_str());
        let itself = self.0.iter().all(|(ours, _)| ours != theirs).then_some(theirs);
        renamed.chain(itself)
    }

    /// A member is shown with one of these words of the vendor's.
    #[must_use]
    pub fn any_of<'a>(&'a self, path: &[&str], theirs: impl IntoIterator<Item = &'a str>) -> Condition {
        Condition::texts(path, theirs.into_iter().flat_map(|theirs| self.all_ours(theirs)))
    }
}

/// A vendor's verbs: by operation, and for some actions another than their operation has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verbs {
    by_operation: Vec<(Operation, String)>,
    by_action: Vec<(String, String)>,
}

impl Verbs {
    /// A table of `(operation, the vendor's verb)`. Overrides are by operation where they name one, else by action. An operation
    /// without a line is shown as we say it. Of several operations for one verb, the first is what that becomes.
    #[must_use]
    pub fn new(table: &[(Operation, &str)], overrides: &[(String, String)]) -> Self {
        let by_operation = |(ours, theirs): &(String, String)| Some((ours.parse().ok()?, theirs.clone()));
        let replaced: Vec<(Operation, String)> = overrides.iter().filter_map(by_operation).collect();
        let kept = table.iter().filter(|(operation, _)| replaced.iter().all(|(other, _)| other != operation));
        let kept = kept.map(|(operation, theirs)| (*operation, (*theirs).to_owned()));
        let by_operation = kept.chain(replaced.iter().cloned()).collect();
        let by_action = overrides.iter().filter(|(ours, _)| ours.parse::<Operation>().is_err());
        Self { by_operation, by_action: by_action.cloned().collect() }
    }

    /// What the vendor says for an event.
    #[must_use]
    pub fn theirs(&self, operation: Operation, action: &str) -> &str {
        let of_action = self.by_action.iter().find(|(known, _)| known == action);
        of_action.map_or_else(|| self.of_operation(operation), |(_, theirs)| theirs)
    }

    fn of_operation(&self, operation: Operation) -> &str {
        let line = self.by_operation.iter().find(|(known, _)| *known == operation);
        line.map_or(operation.as_str(), |(_, theirs)| theirs)
    }

    /// The operation that a verb of the vendor's becomes.
    #[must_use]
    pub fn ours(&self, theirs: &str) -> Operation {
        let line =
            self.by_operation.iter().find(|(_, known)| known == theirs).map(|(operation, _)| *operation);
        line.or_else(|| theirs.parse().ok()).unwrap_or(Operation::Other)
    }

    /// An event is shown with one of these verbs.
    #[must_use]
    pub fn any_of(&self, theirs: &[&str]) -> Condition {
        let operations =
            Operation::ALL.iter().filter(|operation| theirs.contains(&self.of_operation(**operation)));
        let operations = operations.map(|operation| Literal::Text(operation.as_str().into())).collect();
        let by_operation = Condition::Field(Field::Operation, Test::In(operations));
        if self.by_action.is_empty() {
            return by_operation;
        }
        let action = |pairs: &mut dyn Iterator<Item = &(String, String)>| {
            Condition::texts(&["action"], pairs.map(|(action, _)| action.as_str()))
        };
        let elsewhere = action(&mut self.by_action.iter());
        let asked = action(&mut self.by_action.iter().filter(|(_, verb)| theirs.contains(&verb.as_str())));
        Condition::Any(vec![asked, Condition::All(vec![by_operation, elsewhere.negated()])])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{event_with, with_record};

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(ours, theirs)| ((*ours).to_owned(), (*theirs).to_owned())).collect()
    }

    #[test]
    fn a_filter_finds_what_is_shown_with_its_word() {
        let words = Words::new(&[("user", "users"), ("team", "users")], &pairs(&[("team", "groups")]));
        for (ours, theirs) in [("user", "users"), ("users", "users"), ("team", "groups"), ("x", "x")] {
            assert_eq!(words.theirs(ours), theirs);
            assert!(words.all_ours(theirs).any(|found| found == ours), "{theirs} finds {ours}");
        }
        assert_eq!(words.all_ours("user").count(), 0, "nothing is shown with a word that was renamed away");
        assert_eq!((words.ours("users"), words.ours("groups"), words.ours("x")), ("user", "team", "x"));
    }

    #[test]
    fn a_verb_finds_what_is_shown_with_it() {
        let table = [(Operation::Create, "add"), (Operation::Access, "access"), (Operation::Read, "access")];
        let overrides = pairs(&[("user.login", "access"), ("delete", "gone"), ("video.add", "import")]);
        let verbs = Verbs::new(&table, &overrides);
        let events = [
            ("create", "video.upload", "add"),
            ("create", "video.add", "import"),
            ("read", "video.read", "access"),
            ("access", "folder.open", "access"),
            ("authentication", "user.login", "access"),
            ("authentication", "user.mfa", "authentication"),
            ("delete", "video.delete", "gone"),
            ("other", "x", "other"),
        ];
        for (operation, action, verb) in events {
            assert_eq!(verbs.theirs(operation.parse().unwrap(), action), verb, "{action}");
        }
        for asked in ["add", "import", "access", "authentication", "gone", "other", "delete", "create", "x"] {
            for (operation, action, verb) in events {
                let event = event_with(&format!(r#""operation":"{operation}","action":"{action}""#));
                let found = with_record(&event, |record| verbs.any_of(&[asked]).holds(record));
                assert_eq!(found, verb == asked, "{asked} and {action}");
            }
        }
        assert_eq!((verbs.ours("access"), verbs.ours("gone")), (Operation::Access, Operation::Delete));
        assert_eq!((verbs.ours("snapshot"), verbs.ours("import")), (Operation::Snapshot, Operation::Other));
    }
}
