//! The way back: from units to the bytes they were split from.

use super::is_in_envelope;
use crate::json::{Document, Kind, Limits, Value, compare_names, write_string};

/// Units that do not make an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// The envelope, whose name is empty, is not the first unit.
    #[error("the envelope is not the first unit")]
    Envelope,
    /// No event has a unit of this name, or not with a value of this form.
    #[error("the unit `{name}` has no place in the event")]
    Place {
        /// The unit's name.
        name: String,
    },
    /// The value is not canonical JSON.
    #[error("the value of the unit `{name}` is not canonical JSON")]
    Value {
        /// The unit's name.
        name: String,
    },
    /// Two units hold the same member.
    #[error("the unit `{name}` repeats a member")]
    Repeated {
        /// The unit's name, or that of the object the member is in.
        name: String,
    },
}

/// Puts an event's canonical bytes together from its units, the envelope first, the others in any order.
///
/// From all units of an event come its canonical bytes. Units may be missing (erased or withheld):
/// what is left still makes an event; of a target without its unit the type remains, or `{}`.
/// Whether the units were split as they should have been is not checked; call
/// [`units`](crate::units) on the result to compare.
///
/// # Errors
///
/// A [`RebuildError`] naming the unit that does not fit.
pub fn rebuild<'a>(units: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Vec<u8>, RebuildError> {
    let mut units = units.into_iter();
    let mut document = Document::default();
    let mut event = Event::default();
    match units.next() {
        Some(("", value)) => event.envelope(parse(&mut document, "", value)?)?,
        _ => return Err(RebuildError::Envelope),
    }
    for (name, value) in units {
        let value = parse(&mut document, name, value)?;
        event.unit(name, value)?;
    }
    event.write()
}

/// Parses a unit's value and checks that it is canonical, so that the result is.
fn parse<'a>(document: &'a mut Document, name: &str, value: &'a [u8]) -> Result<Value<'a>, RebuildError> {
    let not_canonical = || RebuildError::Value { name: name.to_owned() };
    let parsed = document.parse(value, Limits { depth_max: usize::MAX }).map_err(|_| not_canonical())?;
    let mut canonical = Vec::with_capacity(value.len());
    parsed.write_canonical(&mut canonical);
    if canonical == value { Ok(parsed) } else { Err(not_canonical()) }
}

/// An object's members so far: names decoded, values canonical.
#[derive(Default)]
struct Object(Vec<(String, Vec<u8>)>);

impl Object {
    fn push(&mut self, name: &str, value: Value<'_>) {
        self.0.push((name.to_owned(), value.token().as_bytes().to_vec()));
    }

    /// Adds an object as a member unless it is empty.
    fn push_object(&mut self, name: &str, object: Self) -> Result<(), RebuildError> {
        if !object.0.is_empty() {
            self.0.push((name.to_owned(), object.write(name)?));
        }
        Ok(())
    }

    fn extend(&mut self, value: Value<'_>) -> Option<()> {
        value.members().for_each(|(name, value)| self.push(name, value));
        (value.kind() == Kind::Object).then_some(())
    }

    fn write(mut self, name: &str) -> Result<Vec<u8>, RebuildError> {
        self.0.sort_by(|(a, _), (b, _)| compare_names(a, b));
        if self.0.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(RebuildError::Repeated { name: name.to_owned() });
        }
        let mut out = vec![b'{'];
        for (name, value) in self.0 {
            if out.len() > 1 {
                out.push(b',');
            }
            write_string(&name, &mut out);
            out.push(b':');
            out.extend_from_slice(&value);
        }
        out.push(b'}');
        Ok(out)
    }
}

/// An event whose units are being collected.
#[derive(Default)]
struct Event {
    top: Object,
    actor: Object,
    after: Object,
    before: Object,
    changes: Object,
    context: Object,
    metadata: Object,
    outcome: Object,
    targets: Vec<Object>,
}

impl Event {
    fn envelope(&mut self, envelope: Value<'_>) -> Result<(), RebuildError> {
        let place = || RebuildError::Place { name: String::new() };
        if envelope.kind() != Kind::Object {
            return Err(place());
        }
        for (name, value) in envelope.members() {
            match name {
                "changes" => self.changes.extend(value).ok_or_else(place)?,
                "outcome" => self.outcome.extend(value).ok_or_else(place)?,
                "targets" if value.kind() == Kind::Array => {
                    self.targets.extend(value.items().map(target_of_type))
                }
                _ if is_in_envelope(name) => self.top.push(name, value),
                _ => return Err(place()),
            }
        }
        Ok(())
    }

    fn unit(&mut self, name: &str, value: Value<'_>) -> Result<(), RebuildError> {
        self.place(name, value).ok_or_else(|| RebuildError::Place { name: name.to_owned() })
    }

    fn place(&mut self, name: &str, value: Value<'_>) -> Option<()> {
        let path = name.strip_prefix('/')?;
        match path.split_once('/') {
            Some(("actor", member)) => self.actor.push(&unescaped(member)?, value),
            Some(("changes", member)) => self.change(member, value)?,
            Some(("context", member @ ("ip" | "user_agent"))) => self.context.push(member, value),
            Some(("metadata", member)) => self.metadata.push(&unescaped(member)?, value),
            Some(("targets", index)) => {
                let at: usize = index.parse().ok().filter(|at: &usize| at.to_string() == index)?;
                self.targets.get_mut(at)?.extend(value)?;
            }
            Some(_) => return None,
            None => match path {
                "context" => self.context.extend(value)?,
                "metadata" => self.metadata.extend(value)?,
                "outcome" => self.outcome.extend(value)?,
                "actor" | "changes" | "targets" => return None,
                _ if is_in_envelope(path) => return None,
                _ => self.top.push(&unescaped(path)?, value),
            },
        }
        Some(())
    }

    /// A unit under `/changes/`: one first-level member, the folded members, or a whole value.
    fn change(&mut self, path: &str, value: Value<'_>) -> Option<()> {
        let (state, member) =
            path.split_once('/').map_or((path, None), |(state, member)| (state, Some(member)));
        let object = match state {
            "after" => &mut self.after,
            "before" => &mut self.before,
            _ => return None,
        };
        match member {
            Some(member) => object.push(&unescaped(member)?, value),
            None if value.kind() == Kind::Object && !value.is_empty() => object.extend(value)?,
            None => self.changes.push(state, value),
        }
        Some(())
    }

    fn write(mut self) -> Result<Vec<u8>, RebuildError> {
        self.changes.push_object("after", self.after)?;
        self.changes.push_object("before", self.before)?;
        let objects = [
            ("actor", self.actor),
            ("changes", self.changes),
            ("context", self.context),
            ("metadata", self.metadata),
            ("outcome", self.outcome),
        ];
        for (name, object) in objects {
            self.top.push_object(name, object)?;
        }
        if !self.targets.is_empty() {
            let targets = self.targets.into_iter().map(|target| target.write("targets"));
            let targets = targets.collect::<Result<Vec<_>, _>>()?.join(&b',');
            self.top.0.push(("targets".to_owned(), [b"[", &targets[..], b"]"].concat()));
        }
        self.top.write("")
    }
}

/// A target as far as the envelope tells: its type, or nothing.
fn target_of_type(kind: Value<'_>) -> Object {
    let mut target = Object::default();
    if kind.kind() != Kind::Null {
        target.push("type", kind);
    }
    target
}

/// Undoes the escapes of one segment of a pointer; `None` for a stray `~` or `/`.
fn unescaped(segment: &str) -> Option<String> {
    let mut out = String::with_capacity(segment.len());
    let mut characters = segment.chars();
    while let Some(character) = characters.next() {
        out.push(match character {
            '~' => match characters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            '/' => return None,
            _ => character,
        });
    }
    Some(out)
}
