//! Conditions on records as query parameters: the same ones on every route that looks for records.

use annals_event::filter::{self, Field, Matcher, ParameterError, ParameterKind, ParameterProblem};
use annals_ledger::cursor::QUESTION_BYTES_MAX;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::IntoParams;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, ParameterStyle};
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};

use crate::problem::{Code, Problem};

/// Longest conditions of one request, as JSON, bytes: cursors and records of access carry them.
const CONDITIONS_BYTES_MAX: usize = QUESTION_BYTES_MAX - 256;

/// The conditions of one request: names and values in one order, each once, so that equal questions are equal. What may not be
/// repeated stands as often as it was given, to be refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Conditions(Vec<(String, String)>);

impl Conditions {
    /// Whether a parameter of this name is a condition.
    pub(crate) fn knows(name: &str) -> bool {
        named(name).is_some()
    }

    /// The conditions with these names and values.
    pub(crate) fn new(mut pairs: Vec<(String, String)>) -> Self {
        pairs.sort();
        pairs.dedup_by(|next, one| next == one && named(&one.0).is_some_and(filter::Parameter::repeats));
        Self(pairs)
    }

    /// Every record satisfies them.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values.
    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// What a record must satisfy.
    ///
    /// # Errors
    ///
    /// A value is not allowed, the filter does not parse, or all together are too long to be carried.
    pub(crate) fn matcher(&self) -> Result<Matcher, Problem> {
        let matcher = Matcher::new(filter::from_parameters(&self.0)?);
        let bytes = serde_json::to_string(self).expect("texts serialise").len();
        match self.0.iter().max_by_key(|(_, value)| value.len()) {
            Some((longest, _)) if bytes > CONDITIONS_BYTES_MAX => {
                let detail = format!(
                    "`{longest}` and the other conditions have {bytes} bytes as JSON, at most {CONDITIONS_BYTES_MAX} are allowed; ask for fewer values at once"
                );
                Err(Problem::new(Code::ParameterValue, detail).in_parameter(longest))
            }
            _ => Ok(matcher),
        }
    }

    /// As they stand in the access log.
    pub(crate) fn on_record(&self) -> Map<String, Value> {
        let mut record = Map::new();
        for (name, value) in &self.0 {
            match record.get_mut(name) {
                None => drop(record.insert(name.clone(), json!(value))),
                Some(Value::Array(values)) => values.push(json!(value)),
                Some(first) => *first = json!([first.take(), value]),
            }
        }
        record
    }

    fn count(&self, pair: &(String, String)) -> usize {
        self.0.partition_point(|other| other <= pair) - self.0.partition_point(|other| other < pair)
    }

    /// A name in which these differ from the others.
    pub(crate) fn difference<'a>(&'a self, other: &'a Self) -> Option<&'a str> {
        let missing =
            |from: &'a Self, of: &'a Self| of.0.iter().find(|pair| from.count(pair) < of.count(pair));
        missing(other, self).or_else(|| missing(self, other)).map(|(name, _)| name.as_str())
    }
}

/// The condition of this name.
fn named(name: &str) -> Option<&'static filter::Parameter> {
    let at = filter::parameter_names().binary_search(&name).ok()?;
    filter::parameters().get(at)
}

impl From<ParameterError> for Problem {
    fn from(error: ParameterError) -> Self {
        let ParameterError { parameter, problem, message } = error;
        let (code, detail) = match problem {
            ParameterProblem::Unknown => (Code::ParameterUnknown, message),
            ParameterProblem::Filter { at } => {
                (Code::Filter, format!("`{parameter}` is wrong at byte {at}: {message}"))
            }
            _ if message.starts_with(&format!("`{parameter}`")) => (Code::ParameterValue, message),
            _ => (Code::ParameterValue, format!("`{parameter}`: {message}")),
        };
        Self::new(code, detail).in_parameter(parameter)
    }
}

impl IntoParams for Conditions {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        filter::parameters().iter().map(described).collect()
    }
}

fn described(parameter: &filter::Parameter) -> Parameter {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let path = match parameter.field() {
        Some(Field::Member(path)) => path.names().collect::<Vec<_>>().join("."),
        Some(Field::ReceivedAt) => "received_at".to_owned(),
        Some(Field::OccurredAt) => "occurred_at".to_owned(),
        _ => parameter.name.clone(),
    };
    let (schema, description) = match parameter.kind {
        ParameterKind::Word(words) => {
            (text().enum_values(Some(words.iter().copied())), format!("`{path}` is one of these"))
        }
        ParameterKind::Bool => (ObjectBuilder::new().schema_type(Type::Boolean), format!("`{path}` is this")),
        ParameterKind::Integer(_) => {
            (ObjectBuilder::new().schema_type(Type::Integer), format!("`{path}` is one of these"))
        }
        ParameterKind::Address => {
            (text(), format!("`{path}` is one of these, or in one of these networks (`10.0.0.0/8`)"))
        }
        ParameterKind::Since => (time(), format!("`{path}` is at or after this time")),
        ParameterKind::Until => (time(), format!("`{path}` is before this time")),
        ParameterKind::Mentions => {
            (text(), "Some text, number or name in the event contains this, in any case".to_owned())
        }
        ParameterKind::Words => {
            (text(), "All these words, anywhere in the event; `\"two words\"` side by side".to_owned())
        }
        ParameterKind::Filter => {
            (text(), "A condition such as `actor.id eq \"u1\" and not (action sw \"video.\")`".to_owned())
        }
        _ => (text(), format!("`{path}` is one of these")),
    };
    let builder = ParameterBuilder::new()
        .name(&parameter.name)
        .parameter_in(ParameterIn::Query)
        .description(Some(description))
        .extensions(Some(ExtensionsBuilder::new().add("x-condition", true).build()));
    if parameter.repeats() {
        let several = Schema::Array(ArrayBuilder::new().items(schema).build());
        builder.schema(Some(several)).style(Some(ParameterStyle::Form)).explode(Some(true)).build()
    } else {
        builder.schema(Some(Schema::Object(schema.build()))).build()
    }
}

fn time() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
}
