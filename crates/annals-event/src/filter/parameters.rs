//! Query parameters that are conditions.

use std::sync::LazyLock;

use super::names::{self, Holds, holds, shown};
use super::operator::{bound, check_word, is_integer_to, network};
use super::scim::{any_of, parse_ungrouped};
use super::{
    Comparison, Condition, Decimal, FILTER_FOLDED_MAX, FILTER_TESTS_MAX, Field, Literal, MENTION_BYTES_MAX,
    Path, Test, fold, group, parse_words,
};
use crate::model::{self, Member, MemberKind};
use crate::time::Timestamp;

/// A parameter that is a condition.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name. That of a member is its path joined by `_`.
    pub name: String,
    /// What it takes.
    pub kind: ParameterKind,
    field: Option<Field>,
}

impl Parameter {
    /// What it is compared with; nothing for `q`, `mentions` and `filter`.
    #[must_use]
    pub fn field(&self) -> Option<&Field> {
        self.field.as_ref()
    }

    /// Whether it may stand several times, for any of its values.
    #[must_use]
    pub fn repeats(&self) -> bool {
        self.once().is_none()
    }
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParameterKind {
    /// A text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Bool,
    /// An integer from 0 to this one.
    Integer(u64),
    /// A network, such as `10.0.0.0/8`, or a text without `/`.
    Address,
    /// An RFC 3339 time with an offset; what is found is at or after it.
    Since,
    /// An RFC 3339 time with an offset; what is found is before it.
    Until,
    /// Words and phrases: [`parse_words`].
    Words,
    /// A text that some text, number or name in the event contains, in any case.
    Mentions,
    /// A filter: [`parse`](super::parse).
    Filter,
}

/// Why a request's parameters are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParameterError {
    /// The parameter.
    pub parameter: String,
    /// What is the matter with it.
    pub problem: ParameterProblem,
    /// For people: lower case, the thing first, then what is wrong with it, then a way out.
    pub message: String,
}

/// What is the matter with a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParameterProblem {
    /// There is none of this name.
    Unknown,
    /// It cannot have this value, or not beside the others.
    Value,
    /// The filter is wrong at this byte.
    Filter {
        /// Bytes from its start.
        at: usize,
    },
}

static PARAMETERS: LazyLock<Vec<Parameter>> = LazyLock::new(|| {
    let special = |name: &str, kind, field| Parameter { name: name.to_owned(), kind, field };
    let mut parameters = vec![
        special("since", ParameterKind::Since, Some(Field::OccurredAt)),
        special("until", ParameterKind::Until, Some(Field::OccurredAt)),
        special("received_since", ParameterKind::Since, Some(Field::ReceivedAt)),
        special("received_until", ParameterKind::Until, Some(Field::ReceivedAt)),
        special("q", ParameterKind::Words, None),
        special("mentions", ParameterKind::Mentions, None),
        special("filter", ParameterKind::Filter, None),
    ];
    add_members(&mut parameters, &mut Vec::new(), model::EVENT);
    parameters.sort_by(|a, b| a.name.cmp(&b.name));
    parameters
});

static NAMES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| PARAMETERS.iter().map(|parameter| parameter.name.as_str()).collect());

/// Adds a parameter for each scalar member.
fn add_members(parameters: &mut Vec<Parameter>, path: &mut Vec<&'static str>, table: &'static [Member]) {
    for member in table {
        path.push(member.name);
        if let Some(table) = names::members(member.kind) {
            add_members(parameters, path, table);
        }
        // `tenant` is the route's own, and times have `since` and `until`.
        let kind = match holds(member.kind) {
            _ if matches!(member.kind, MemberKind::Tenant) => None,
            Holds::Text if path[..] == ["context", "ip"] => Some(ParameterKind::Address),
            Holds::Text => Some(ParameterKind::Text),
            Holds::Word(words) => Some(ParameterKind::Word(words)),
            Holds::Bool => Some(ParameterKind::Bool),
            Holds::Integer(max) => Some(ParameterKind::Integer(max)),
            Holds::Time | Holds::Anything | Holds::Object | Holds::Array => None,
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

/// Every parameter that is a condition, sorted by name: one for each scalar member of the model, `since`, `until`,
/// `received_since`, `received_until`, `q` and `filter`.
#[must_use]
pub fn parameters() -> &'static [Parameter] {
    &PARAMETERS
}

/// The names of [`parameters`], sorted.
#[must_use]
pub fn parameter_names() -> &'static [&'static str] {
    &NAMES
}

fn named(name: &str) -> Option<(usize, &'static Parameter)> {
    let at = PARAMETERS.binary_search_by(|parameter| parameter.name.as_str().cmp(name)).ok()?;
    Some((at, &PARAMETERS[at]))
}

/// The field that a parameter of this name is equal to.
pub(super) fn field(name: &str) -> Option<Field> {
    let (_, parameter) = named(name)?;
    if matches!(parameter.kind, ParameterKind::Since | ParameterKind::Until) {
        return None;
    }
    parameter.field.clone()
}

/// The condition that a request's parameters ask for. Different ones hold all together, over `filter` too for one and the same
/// element of an array; one that is repeated is any of its values.
///
/// # Errors
///
/// [`ParameterError`] for an unknown name, a value that the member never has, an empty value, an empty span of time, a `q` or
/// `filter` that does not parse, a second one of these, more than [`FILTER_TESTS_MAX`] tests over all, and more
/// than [`FILTER_FOLDED_MAX`] in `filter` that fold, or as many `mentions`.
pub fn from_parameters(pairs: &[(impl AsRef<str>, impl AsRef<str>)]) -> Result<Condition, ParameterError> {
    let mut given: Vec<(usize, &'static Parameter, Vec<Condition>)> = Vec::new();
    let (mut tests, mut folded) = (0, 0);
    for (name, value) in pairs {
        let (name, value) = (name.as_ref(), value.as_ref());
        let refused = |problem, message| ParameterError { parameter: shown(name), problem, message };
        let Some((order, parameter)) = named(name) else {
            let near = names::nearest(name, NAMES.iter().copied());
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            let message = format!("unknown parameter `{}`{hint}", shown(name));
            return Err(refused(ParameterProblem::Unknown, message));
        };
        let condition =
            parameter.condition(value).map_err(|Refused(problem, message)| refused(problem, message))?;
        tests += count(&condition);
        if tests > FILTER_TESTS_MAX {
            let message = format!("the request has more than {FILTER_TESTS_MAX} tests");
            return Err(refused(ParameterProblem::Value, message));
        }
        folded += usize::from(matches!(condition, Condition::Mentions(_)));
        if folded > FILTER_FOLDED_MAX {
            let message =
                format!("`mentions` stands more than {FILTER_FOLDED_MAX} times; ask in several requests");
            return Err(refused(ParameterProblem::Value, message));
        }
        match given.iter_mut().find(|(other, ..)| *other == order) {
            None => given.push((order, parameter, vec![condition])),
            Some((.., values)) => match parameter.once() {
                None => values.push(condition),
                Some(hint) => {
                    let message = format!("`{name}` stands more than once; {hint}");
                    return Err(refused(ParameterProblem::Value, message));
                }
            },
        }
    }
    refuse_empty_spans(pairs)?;
    let all = given.into_iter().map(|(.., values)| any_of(values));
    Ok(group::group(all.fold(Condition::everything(), Condition::and)))
}

impl Parameter {
    fn condition(&self, value: &str) -> Result<Condition, Refused> {
        if value.is_empty() {
            let hint = match &self.field {
                Some(Field::Member(path)) => {
                    let path = path.names().collect::<Vec<_>>().join(".");
                    format!("; an empty text is found by `filter={path} eq \"\"`")
                }
                _ => String::new(),
            };
            return Err(format!("`{}` is empty; leave it out{hint}", self.name).into());
        }
        let test = match self.kind {
            ParameterKind::Text => Test::In(vec![Literal::Text(value.into())]),
            ParameterKind::Word(words) => {
                check_word(value, words)?;
                Test::In(vec![Literal::Text(value.into())])
            }
            ParameterKind::Bool => match value {
                "true" | "false" => Test::In(vec![Literal::Bool(value == "true")]),
                _ => return Err(format!("`{}` is neither `true` nor `false`", shown(value)).into()),
            },
            ParameterKind::Integer(max) => match Decimal::parse(value) {
                Some(number) if is_integer_to(&number, max) => Test::In(vec![Literal::Number(number)]),
                _ => return Err(format!("`{}` is not an integer from 0 to {max}", shown(value)).into()),
            },
            ParameterKind::Address if value.contains('/') => Test::Network(vec![network(value)?]),
            ParameterKind::Address => Test::In(vec![Literal::Text(value.into())]),
            ParameterKind::Since => time(Comparison::AtLeast, value)?,
            ParameterKind::Until => time(Comparison::Below, value)?,
            ParameterKind::Words => {
                return parse_words(value)
                    .map(Condition::Words)
                    .map_err(|error| format!("`q` {error}").into());
            }
            ParameterKind::Mentions if value.len() > MENTION_BYTES_MAX => {
                let message =
                    format!("`mentions` has {} bytes, at most {MENTION_BYTES_MAX} are allowed", value.len());
                return Err(message.into());
            }
            ParameterKind::Mentions => return Ok(Condition::Mentions(fold(value).into())),
            ParameterKind::Filter => {
                return parse_ungrouped(value)
                    .map_err(|error| Refused(ParameterProblem::Filter { at: error.at }, error.message));
            }
        };
        let field = self.field.clone().expect("a parameter that is compared has a field");
        Ok(Condition::Field(field, test))
    }

    /// What to do instead of giving it twice, where several values would not be any of them.
    fn once(&self) -> Option<&'static str> {
        match self.kind {
            ParameterKind::Since | ParameterKind::Until => Some("give the narrower time alone"),
            ParameterKind::Words => Some("put all words into one, with spaces between"),
            ParameterKind::Filter => Some("join the filters by `and` or `or`"),
            _ => None,
        }
    }
}

/// Why a value is refused, and in what words.
struct Refused(ParameterProblem, String);

impl From<String> for Refused {
    fn from(message: String) -> Self {
        Self(ParameterProblem::Value, message)
    }
}

fn time(comparison: Comparison, value: &str) -> Result<Test, String> {
    let (comparison, at) = bound(comparison, value).map_err(|error| {
        // In a URL `+` is a space.
        let meant = value.replacen(' ', "+", 1);
        if Timestamp::parse(&meant).is_err() {
            return error;
        }
        let written = meant.replace('+', "%2B");
        format!("`{}` has a space where a `+` was lost; in a URL it is written `{written}`", shown(value))
    })?;
    Ok(Test::Order(comparison, Literal::Time(at)))
}

/// Refuses a span of time that no event can lie in.
fn refuse_empty_spans(pairs: &[(impl AsRef<str>, impl AsRef<str>)]) -> Result<(), ParameterError> {
    let given = |wanted: &str, comparison| {
        let (_, value) = pairs.iter().find(|(name, _)| name.as_ref() == wanted)?;
        let (comparison, at) = bound(comparison, value.as_ref()).ok()?;
        // The first µs that lies within, or that no longer does.
        let next = matches!(comparison, Comparison::Above | Comparison::AtMost);
        Some((value.as_ref(), at.as_micros() + i64::from(next)))
    };
    for (since, until) in [("since", "until"), ("received_since", "received_until")] {
        if let Some((from, from_at)) = given(since, Comparison::AtLeast)
            && let Some((to, to_at)) = given(until, Comparison::Below)
            && from_at >= to_at
        {
            let message = format!(
                "`{}` is not after `{since}`, which is `{}`: no event lies between; `{until}` is where the span ends, itself left out",
                shown(to),
                shown(from)
            );
            let problem = ParameterProblem::Value;
            return Err(ParameterError { parameter: until.to_owned(), problem, message });
        }
    }
    Ok(())
}

/// How many tests a condition makes.
fn count(condition: &Condition) -> usize {
    match condition {
        Condition::All(several) | Condition::Any(several) => several.iter().map(count).sum(),
        Condition::Not(inner) | Condition::Element(_, inner) => count(inner),
        Condition::Field(_, Test::In(literals)) => literals.len(),
        Condition::Field(_, Test::Network(networks)) => networks.len(),
        Condition::Field(..) => 1,
        Condition::Words(phrases) => phrases.len(),
        Condition::Mentions(_) => 1,
    }
}
