//! The meaning of a condition: whether it holds for a record.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::fold::{loosen, with_folded};
use super::{Comparison, Condition, Field, Known, Literal, Part, Path, Subject, Test, words};
use crate::json::{Kind, Value};
use crate::time::Timestamp;

impl Condition {
    /// Whether the condition holds for the record. This is what every other way of evaluating a condition must agree with.
    #[must_use]
    pub fn holds(&self, subject: &Subject<'_>) -> bool {
        self.holds_at(subject.event, &subject.known)
    }

    /// As [`Condition::holds`], with paths that begin at `root`.
    fn holds_at(&self, root: Value<'_>, known: &Known<'_>) -> bool {
        match self {
            Self::All(all) => all.iter().all(|condition| condition.holds_at(root, known)),
            Self::Any(any) => any.iter().any(|condition| condition.holds_at(root, known)),
            Self::Not(condition) => !condition.holds_at(root, known),
            Self::Field(Field::Member(path), test) => {
                any_at(root, path, &mut |value| test.passes(&Scalar::of(value)))
            }
            Self::Field(field, test) => known.passes(field, test),
            Self::Element(path, condition) => {
                any_at(root, path, &mut |element| condition.holds_at(element, known))
            }
            Self::Words(phrases) => words::all_occur(phrases, root),
            Self::Mentions(text) => mentions(root, text),
        }
    }

    /// The answer where times, operation, position and tenant alone give it: whatever the event holds, `holds` says the same.
    #[must_use]
    pub fn decide(&self, known: &Known<'_>) -> Option<bool> {
        match self {
            Self::All(all) => decide_all(all, known, false),
            Self::Any(any) => decide_all(any, known, true),
            Self::Not(condition) => condition.decide(known).map(|holds| !holds),
            Self::Field(Field::Member(_), _) | Self::Words(_) | Self::Mentions(_) => None,
            Self::Field(field, test) => Some(known.passes(field, test)),
            // Whether there is an element at all only the event says.
            Self::Element(_, condition) => condition.decide(known).filter(|holds| !holds),
        }
    }
}

/// Whether some text, number or name of a member at or below a value contains a text, which is folded: what
/// [`Condition::Mentions`] asks, for those who have a part of an event.
#[must_use]
pub fn mentions(value: Value<'_>, text: &str) -> bool {
    match value.kind() {
        Kind::String => value.as_str().is_some_and(|value| contains_folded(value, text)),
        Kind::Number => contains_folded(value.token(), text),
        Kind::Array => value.items().any(|item| mentions(item, text)),
        Kind::Object => {
            value.members().any(|(name, member)| contains_folded(name, text) || mentions(member, text))
        }
        Kind::Null | Kind::Bool => false,
    }
}

/// Whether a value, once it is folded, contains a text that is folded.
#[must_use]
pub fn contains_folded(value: &str, text: &str) -> bool {
    // What is ASCII folds to itself in lower case, character by character.
    if value.is_ascii() {
        Part::Anywhere.is_without_case(value, text)
    } else {
        with_folded(value, |value| Part::Anywhere.is(value, text))
    }
}

/// `deciding` if one of the conditions is decided so; the opposite if all are decided, none of them so.
fn decide_all(conditions: &[Condition], known: &Known<'_>, deciding: bool) -> Option<bool> {
    let mut answer = Some(!deciding);
    for condition in conditions {
        match condition.decide(known) {
            Some(decided) if decided == deciding => return Some(deciding),
            Some(_) => {}
            None => answer = None,
        }
    }
    answer
}

impl Known<'_> {
    /// Whether a field that is not a member passes; a member never does.
    #[must_use]
    pub fn passes(&self, field: &Field, test: &Test) -> bool {
        let mut digits = [0; 20];
        test.passes(&match field {
            Field::Member(_) => return false,
            Field::OccurredAt => Scalar::Time(self.occurred_at),
            Field::ReceivedAt => Scalar::Time(self.received_at),
            Field::Operation => Scalar::Text(self.operation.as_str()),
            Field::Position => Scalar::Number(decimal(self.position.0, &mut digits)),
            Field::Tenant => Scalar::Text(self.tenant.as_str()),
        })
    }
}

/// The digits of a number, written to the end of `digits`.
fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &str {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).expect("a digit is below ten");
        number /= 10;
        if number == 0 {
            break;
        }
    }
    str::from_utf8(&digits[at..]).expect("digits are ASCII")
}

/// Whether `f` says yes to some value at the path. Arrays are passed through, at the end too.
pub(super) fn any_at<'a>(root: Value<'a>, path: &Path, f: &mut dyn FnMut(Value<'a>) -> bool) -> bool {
    any_below(root, &path.0, f)
}

/// Whether `f` says yes to some value that is so many names below `value`, or is `value` itself where there are no names.
/// Arrays are passed through, at either end too: it is how every [`Path`] is followed.
pub fn any_below<'a>(value: Value<'a>, names: &[Box<str>], f: &mut dyn FnMut(Value<'a>) -> bool) -> bool {
    if value.kind() == Kind::Array {
        return value.items().any(|item| any_below(item, names, f));
    }
    match names {
        [] => f(value),
        [name, rest @ ..] => value.get(name).is_some_and(|member| any_below(member, rest, f)),
    }
}

/// A value as it is held against a [`Test`], for those who have it without the event around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar<'a> {
    /// A string, decoded.
    Text(&'a str),
    /// A number's token.
    Number(&'a str),
    /// `true` or `false`.
    Bool(bool),
    /// An instant; only of what annals knows beside the event.
    Time(Timestamp),
    /// An object with members.
    Object,
    /// `null` or an object without members.
    Nothing,
}

impl<'a> Scalar<'a> {
    /// A token of JSON that is neither string, array nor object.
    #[must_use]
    pub fn of_token(token: &'a str) -> Self {
        match token {
            "null" => Self::Nothing,
            "true" => Self::Bool(true),
            "false" => Self::Bool(false),
            number => Self::Number(number),
        }
    }

    /// A value of an event. An array is nothing of its own: its elements are the values.
    #[must_use]
    pub fn of(value: Value<'a>) -> Self {
        match value.kind() {
            Kind::String => Self::Text(value.as_str().unwrap_or_default()),
            Kind::Number => Self::Number(value.token()),
            Kind::Bool => Self::Bool(value.as_bool().unwrap_or_default()),
            Kind::Object if !value.is_empty() => Self::Object,
            Kind::Object | Kind::Array | Kind::Null => Self::Nothing,
        }
    }

    /// How the value stands to a literal of its kind; nothing for another kind.
    fn compare(&self, literal: &Literal) -> Option<Ordering> {
        match (self, literal) {
            (Self::Text(text), Literal::Text(other)) => Some((*text).cmp(other)),
            (Self::Number(token), Literal::Number(other)) => {
                other.compare_token(token).map(Ordering::reverse)
            }
            (Self::Time(at), Literal::Time(other)) => Some(at.cmp(other)),
            (Self::Bool(truth), Literal::Bool(other)) => (truth == other).then_some(Ordering::Equal),
            _ => None,
        }
    }
}

impl Test {
    /// Whether a value passes. What this says of single values is what [`Condition::holds`] says of events.
    #[must_use]
    pub fn passes(&self, value: &Scalar<'_>) -> bool {
        match self {
            Self::Present => !matches!(value, Scalar::Nothing | Scalar::Text("")),
            Self::In(literals) => {
                literals.iter().any(|literal| value.compare(literal) == Some(Ordering::Equal))
            }
            // Neither is above the other.
            Self::Order(_, Literal::Bool(_)) => false,
            Self::Order(comparison, literal) => {
                value.compare(literal).is_some_and(|order| comparison.allows(order))
            }
            Self::Text { part, text, folded } => match value {
                // What is ASCII folds to itself in lower case, character by character.
                Scalar::Text(value) if *folded && value.is_ascii() => part.is_without_case(value, text),
                Scalar::Text(value) if *folded => with_folded(value, |value| part.is(value, text)),
                Scalar::Text(value) => part.is(value, text),
                _ => false,
            },
            Self::Loose(text) => matches!(value, Scalar::Text(value) if loosen(value) == **text),
            Self::Network(networks) => match value {
                Scalar::Text(value) => value.parse::<IpAddr>().is_ok_and(|address| {
                    let address = address.to_canonical();
                    networks.iter().any(|network| network.contains(&address))
                }),
                _ => false,
            },
        }
    }
}

impl Comparison {
    const fn allows(self, order: Ordering) -> bool {
        match self {
            Self::Above => order.is_gt(),
            Self::AtLeast => order.is_ge(),
            Self::Below => order.is_lt(),
            Self::AtMost => order.is_le(),
        }
    }
}

impl Part {
    fn is(self, value: &str, text: &str) -> bool {
        match self {
            Self::Whole => value == text,
            Self::Start => value.starts_with(text),
            Self::End => value.ends_with(text),
            Self::Anywhere => memchr::memmem::find(value.as_bytes(), text.as_bytes()).is_some(),
        }
    }

    /// As [`Part::is`] for the value in lower case. The value is ASCII, the text is folded.
    fn is_without_case(self, value: &str, text: &str) -> bool {
        let (value, text) = (value.as_bytes(), text.as_bytes());
        let Some(rest) = value.len().checked_sub(text.len()) else { return false };
        let is_at = |start: usize| {
            value[start..start + text.len()]
                .iter()
                .zip(text)
                .all(|(byte, other)| byte.to_ascii_lowercase() == *other)
        };
        match self {
            Self::Whole => rest == 0 && is_at(0),
            Self::Start => is_at(0),
            Self::End => is_at(rest),
            Self::Anywhere => match text.first() {
                None => true,
                Some(first) => {
                    memchr::memchr2_iter(*first, first.to_ascii_uppercase(), &value[..=rest]).any(is_at)
                }
            },
        }
    }
}
