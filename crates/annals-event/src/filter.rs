//! Conditions on records: one tree, however a question was asked.
//!
//! Query parameters ([`Parameter`]), the SCIM grammar ([`parse`]) and the vendors' dialects all build a [`Condition`]; whatever
//! holds records, rows in memory or columns in a segment, evaluates the same tree and must give the same answer as
//! [`Condition::holds`], which is the definition.
//!
//! What holds for every condition:
//!
//! * A path passes through arrays: `targets.id` names the ids of all targets, and a [`Test`] holds when *some* value at the
//!   path passes it. [`Condition::Element`] ties several conditions to one and the same element.
//! * A value of another kind than the test's never passes: `metadata.n eq "5"` does not find the number 5. For members of the
//!   model such a question is refused when it is asked ([`FilterError`]), as it could find nothing.
//! * Texts are compared byte for byte unless a test folds; numbers by value, digit for digit (`1.0` is `1`, and
//!   9007199254740993 is not 9007199254740992); instants as instants.
//! * `not` is plain: what does not hold. An event without the member does not have the value, so `ne` finds it.

use ipnet::IpNet;

use crate::ids::{Position, TenantId};
use crate::json::Value;
use crate::operation::Operation;
use crate::time::Timestamp;

mod decimal;
mod display;
mod evaluate;
mod fold;
mod group;
mod marks;
mod matcher;
mod names;
mod needles;
mod operator;
mod parameters;
mod scim;
mod walker;
mod words;

pub use decimal::Decimal;
pub use evaluate::{Scalar, any_below, contains_folded, mentions};
pub use fold::{fold, loosen};
pub use marks::{Demand, EXACT_MARKS, Marker, operation_mark};
pub use matcher::Matcher;
pub use needles::Needles;
pub use parameters::{
    Parameter, ParameterError, ParameterKind, ParameterProblem, from_parameters, parameter_names, parameters,
};
pub use scim::{FilterError, parse, parse_field};
pub use walker::Walker;
pub use words::{Phrase, WordsError, each_word, parse_words};

/// Longest text of a filter, bytes.
pub const FILTER_BYTES_MAX: usize = 8 << 10;

/// Most tests in one question, over all its parameters.
pub const FILTER_TESTS_MAX: usize = 1_000;

/// Most tests in one question that fold what they look at (`ieq`, `ico`, `isw`, `iew`): each of them folds every value at its
/// path, and folding takes far longer than comparing.
pub const FILTER_FOLDED_MAX: usize = 32;

/// Deepest nesting of parentheses, `not` and brackets.
pub const FILTER_DEPTH_MAX: usize = 32;

/// Most names in a path.
pub const PATH_NAMES_MAX: usize = 32;

/// Longest `q`, bytes, and most words in it.
pub const WORDS_BYTES_MAX: usize = 1 << 10;
/// See [`WORDS_BYTES_MAX`].
pub const WORDS_MAX: usize = 32;

/// Longest text of [`Condition::Mentions`] that is asked for by a parameter, bytes.
pub const MENTION_BYTES_MAX: usize = 1 << 10;

/// A condition on one record.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// All of them hold. Without any it holds for every record.
    All(Vec<Condition>),
    /// At least one of them holds. Without any it holds for none.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// Some value of the field passes.
    Field(Field, Test),
    /// Some element at the path, of an array or the one value that stands there, satisfies the condition, whose own paths
    /// begin at the element.
    Element(Path, Box<Condition>),
    /// Every phrase occurs in some text of the event.
    Words(Vec<Phrase>),
    /// Some text, number or name of a member in the event contains this, which is [folded](fold), as they are before they are
    /// compared.
    Mentions(Box<str>),
}

/// What a test looks at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// A member of the event, or inside [`Condition::Element`] of the element.
    Member(Path),
    /// The client's time, or where it sent none the time of receipt.
    OccurredAt,
    /// The time of receipt.
    ReceivedAt,
    /// The operation as sent, or derived.
    Operation,
    /// Place in the tenant's order.
    Position,
    /// Whose it is.
    Tenant,
}

/// Names of members, from the outside in. Never empty, at most [`PATH_NAMES_MAX`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(Box<[Box<str>]>);

/// What a value is held against.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// There is a value: not `null`, not an empty text, array or object.
    Present,
    /// Equal to one of these. Where all are texts, what this module builds has them sorted by their bytes, each once, so that
    /// they can be searched; what others build may have them in any order.
    In(Vec<Literal>),
    /// A text that is, begins with, ends with or contains this one.
    Text {
        /// How.
        part: Part,
        /// The text; folded already where `folded` says so.
        text: Box<str>,
        /// The value is folded too before it is compared: [`fold`].
        folded: bool,
    },
    /// A text that is this one, which is [loosened](loosen), as the value is before it is compared.
    Loose(Box<str>),
    /// At or above, above, at or below, or below the literal. Texts in the order of their code points.
    Order(Comparison, Literal),
    /// A text that is an address in one of these networks. `::ffff:a.b.c.d` is `a.b.c.d`.
    Network(Vec<IpNet>),
}

/// Where in a value a text is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It is the value.
    Whole,
    /// At its start.
    Start,
    /// At its end.
    End,
    /// Anywhere.
    Anywhere,
}

/// On which side of a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `gt`
    Above,
    /// `ge`
    AtLeast,
    /// `lt`
    Below,
    /// `le`
    AtMost,
}

/// A value in a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// A string.
    Text(Box<str>),
    /// A number, digits kept.
    Number(Decimal),
    /// `true` or `false`.
    Bool(bool),
    /// An instant; for [`Field::OccurredAt`] and [`Field::ReceivedAt`] alone.
    Time(Timestamp),
}

/// A record as conditions see it.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The event's parsed canonical bytes.
    pub event: Value<'a>,
    /// What annals knows beside them.
    pub known: Known<'a>,
}

/// What annals knows of a record beside its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The client's time, or where it sent none the time of receipt.
    pub occurred_at: Timestamp,
    /// The time of receipt.
    pub received_at: Timestamp,
    /// Sent or derived.
    pub operation: Operation,
    /// Place in the tenant's order.
    pub position: Position,
    /// Whose.
    pub tenant: &'a TenantId,
}

impl Condition {
    /// Holds for every record.
    #[must_use]
    pub const fn everything() -> Self {
        Self::All(Vec::new())
    }

    /// A member that is one of these texts.
    #[must_use]
    pub fn texts<'a>(path: &[&str], texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut texts = texts.into_iter().map(|text| Literal::Text(text.into())).collect();
        sort_texts(&mut texts);
        Self::Field(Field::Member(Path::new(path)), Test::In(texts))
    }

    /// Both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All(mut all), Self::All(more)) => {
                all.extend(more);
                Self::All(all)
            }
            (Self::All(mut all), one) => {
                all.push(one);
                Self::All(all)
            }
            (one, Self::All(mut all)) => {
                all.insert(0, one);
                Self::All(all)
            }
            (one, other) => Self::All(vec![one, other]),
        }
    }

    /// It does not hold.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }
}

/// Sorts literals that are all texts, and leaves each once; others stay as they are.
fn sort_texts(literals: &mut Vec<Literal>) {
    let text = |literal: &Literal| match literal {
        Literal::Text(text) => Some(text.clone()),
        _ => None,
    };
    if let Some(mut texts) = literals.iter().map(text).collect::<Option<Vec<_>>>() {
        texts.sort_unstable();
        texts.dedup();
        *literals = texts.into_iter().map(Literal::Text).collect();
    }
}

impl Path {
    /// A path of so many names.
    ///
    /// # Panics
    ///
    /// Without a name, or with more than [`PATH_NAMES_MAX`]; callers that read names from outside check before.
    #[must_use]
    pub fn new(names: &[&str]) -> Self {
        assert!((1..=PATH_NAMES_MAX).contains(&names.len()), "a path has 1 to {PATH_NAMES_MAX} names");
        Self(names.iter().map(|name| (*name).into()).collect())
    }

    /// Shows each value at the path below `root`, arrays passed through.
    pub fn each<'a>(&self, root: Value<'a>, see: &mut dyn FnMut(Value<'a>)) {
        evaluate::any_at(root, self, &mut |value| {
            see(value);
            false
        });
    }

    /// The names, as [`any_below`] takes them.
    #[must_use]
    pub fn as_slice(&self) -> &[Box<str>] {
        &self.0
    }

    /// The names, from the outside in.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.0.iter().map(AsRef::as_ref)
    }
}

#[cfg(test)]
mod tests;
