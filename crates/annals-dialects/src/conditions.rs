//! Conditions that vendors' filters have in common.

use annals_event::filter::{Condition, Field, Part, Path, Test, fold};

/// A member is this text.
#[must_use]
pub fn is(path: &[&str], text: &str) -> Condition {
    Condition::texts(path, [text])
}

/// A member is one of these texts; of none, nothing is found.
#[must_use]
pub fn any_of<'a>(path: &[&str], texts: impl IntoIterator<Item = &'a str>) -> Condition {
    Condition::texts(path, texts)
}

/// Finds nothing: what a value asks for that no record can have.
#[must_use]
pub const fn nothing() -> Condition {
    Condition::Any(Vec::new())
}

/// One and the same target satisfies all of these, whose paths begin at the target; none when there are none.
#[must_use]
pub fn target(all: Vec<Condition>) -> Option<Condition> {
    (!all.is_empty()).then(|| Condition::Element(Path::new(&["targets"]), Box::new(Condition::All(all))))
}

/// A member contains this text, case and Unicode forms folded.
#[must_use]
pub fn contains(path: &[&str], text: &str) -> Condition {
    let test = Test::Text { part: Part::Anywhere, text: fold(text).into(), folded: true };
    Condition::Field(Field::Member(Path::new(path)), test)
}

/// One of these members contains the text, case and Unicode forms folded.
#[must_use]
pub fn any_contains(paths: &[&[&str]], text: &str) -> Condition {
    Condition::Any(paths.iter().map(|path| contains(path, text)).collect())
}
