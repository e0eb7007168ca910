//! Query parameters that are conditions.

use std::sync::LazyLock;

use super::names::{Holds, holds};
use super::scim::{network, parse_ungrouped};
use super::{
    Comparison, Condition, Decimal, FILTER_TESTS_MAX, Field, Literal, Path, Test, group, parse_words,
};
use crate::code::shown;
use crate::model::{self, Member, MemberKind};
use crate::time::Timestamp;

/// A parameter that is a condition.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name: the member's path joined by `_`.
    pub name: String,
    /// What it takes.
    pub kind: ParameterKind,
    /// What it is compared with.
    field: Option<Field>,
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// A text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Bool,
    /// An integer from 0 to this one.
    Integer(u64),
    /// An address or a network, or any text without `/`.
    Address,
    /// A time (RFC 3339 with an offset).
    Time,
    /// Words: [`parse_words`].
    Words,
    /// A filter: [`parse`](super::parse).
    Filter,
}

/// A parameter's value is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParameterError {
    /// Which one.
    pub parameter: String,
    /// For people.
    pub message: String,
}

static PARAMETERS: LazyLock<Vec<Parameter>> = LazyLock::new(|| {
    let mut parameters = Vec::new();
    let special = [
        ("since", ParameterKind::Time),
        ("until", ParameterKind::Time),
        ("received_since", ParameterKind::Time),
        ("received_until", ParameterKind::Time),
        ("q", ParameterKind::Words),
        ("filter", ParameterKind::Filter),
    ];
    for (name, kind) in special {
        parameters.push(Parameter { name: name.to_owned(), kind, field: None });
    }
    add_members(&mut parameters, &mut Vec::new(), model::EVENT);
    parameters.sort_by(|a, b| a.name.cmp(&b.name));
    parameters
});

static NAMES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| PARAMETERS.iter().map(|parameter| parameter.name.as_str()).collect());

fn add_members(parameters: &mut Vec<Parameter>, path: &mut Vec<&'static str>, members: &'static [Member]) {
    for member in members {
        path.push(member.name);
        let kind = match (member.kind, holds(member.kind)) {
            (MemberKind::Tenant | MemberKind::Time | MemberKind::Reserved | MemberKind::State, _) => None,
            (_, Holds::Members(_, members)) => {
                add_members(parameters, path, members);
                None
            }
            _ if path[..] == ["context", "ip"] => Some(ParameterKind::Address),
            (_, Holds::Text) => Some(ParameterKind::Text),
            (_, Holds::Word(words)) => Some(ParameterKind::Word(words)),
            (_, Holds::Bool) => Some(ParameterKind::Bool),
            (_, Holds::Integer(max)) => Some(ParameterKind::Integer(max)),
            (_, Holds::Time | Holds::Anything) => None,
        };
        if let Some(kind) = kind {
            let field = match member.kind {
                MemberKind::Operation => Field::Operation,
                _ => Field::Member(Path::new(path)),
            };
            parameters.push(Parameter { name: path.join("_"), kind, field: Some(field) });
        }
        path.pop();
    }
}

/// Every parameter that is a condition, by name.
#[must_use]
pub fn parameters() -> &'static [Parameter] {
    &PARAMETERS
}

/// The names of [`parameters`], sorted.
#[must_use]
pub fn parameter_names() -> &'static [&'static str] {
    &NAMES
}

fn parameter(name: &str) -> Option<&'static Parameter> {
    let at = PARAMETERS.binary_search_by(|parameter| parameter.name.as_str().cmp(name)).ok()?;
    Some(&PARAMETERS[at])
}

/// The field that a parameter of this name is compared with.
pub(super) fn field(name: &str) -> Option<Field> {
    parameter(name)?.field.clone()
}

/// The condition that a request's parameters ask for: several hold all together, a repeated one is any of its values.
///
/// # Errors
///
/// [`ParameterError`] for the first one that is unknown or has a value it cannot have.
pub fn from_parameters(pairs: &[(impl AsRef<str>, impl AsRef<str>)]) -> Result<Condition, ParameterError> {
    let mut fields: Vec<(&'static Parameter, Condition)> = Vec::new();
    let mut tests = 0;
    for (name, value) in pairs {
        let (name, value) = (name.as_ref(), value.as_ref());
        let error = |message: String| ParameterError { parameter: name.to_owned(), message };
        let parameter =
            parameter(name).ok_or_else(|| error(format!("unknown parameter `{}`", shown(name))))?;
        tests += 1;
        if tests > FILTER_TESTS_MAX {
            return Err(error(format!("the request has more than {FILTER_TESTS_MAX} tests")));
        }
        let condition = condition(parameter, value).map_err(error)?;
        match fields.iter_mut().find(|(other, _)| other.name == parameter.name) {
            Some((_, Condition::Any(any))) => any.push(condition),
            Some((_, other)) => {
                let first = std::mem::replace(other, Condition::everything());
                *other = Condition::Any(vec![first, condition]);
            }
            None => fields.push((parameter, condition)),
        }
    }
    let all = fields.into_iter().map(|(_, condition)| condition);
    Ok(group::group(all.fold(Condition::everything(), Condition::and)))
}

fn condition(parameter: &Parameter, value: &str) -> Result<Condition, String> {
    let text = || Test::In(vec![Literal::Text(value.into())]);
    let time =
        || Timestamp::parse(value).map(Literal::Time).map_err(|error| format!("`{}` {error}", shown(value)));
    let test = match parameter.kind {
        ParameterKind::Text => text(),
        ParameterKind::Word(words) if words.contains(&value) => text(),
        ParameterKind::Word(words) => {
            return Err(format!("`{}` is not one of {}", shown(value), words.join(", ")));
        }
        ParameterKind::Bool => match value {
            "true" | "false" => Test::In(vec![Literal::Bool(value == "true")]),
            _ => return Err(format!("`{}` is neither `true` nor `false`", shown(value))),
        },
        ParameterKind::Integer(max) => match Decimal::parse(value) {
            Some(number) if number.is_whole() && number <= max.into() && number >= 0.into() => {
                Test::In(vec![Literal::Number(number)])
            }
            _ => return Err(format!("`{}` is not an integer from 0 to {max}", shown(value))),
        },
        ParameterKind::Address if value.contains('/') => Test::Network(vec![network(value)?]),
        ParameterKind::Address => text(),
        ParameterKind::Time => {
            let order =
                if parameter.name.ends_with("since") { Comparison::AtLeast } else { Comparison::Below };
            let field =
                if parameter.name.starts_with("received") { Field::ReceivedAt } else { Field::OccurredAt };
            return Ok(Condition::Field(field, Test::Order(order, time()?)));
        }
        ParameterKind::Words => {
            return parse_words(value).map(Condition::Words).map_err(|error| error.to_string());
        }
        ParameterKind::Filter => return parse_ungrouped(value).map_err(|error| error.to_string()),
    };
    let field = parameter.field.clone().expect("a parameter that is not special has a field");
    Ok(Condition::Field(field, test))
}
