//! The way back: from units to the bytes they were split from.

use std::borrow::Cow;

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
    let mut event = Vec::new();
    Rebuilder::default().rebuild(units, &mut event)?;
    Ok(event)
}

/// Puts events together one after the other, in memory that is used again for each.
#[derive(Default)]
pub struct Rebuilder {
    document: Document,
    /// A unit's value as it should be written.
    canonical: Vec<u8>,
    parts: Parts,
}

impl Rebuilder {
    /// As [`rebuild`]; the event takes the place of what `event` held.
    ///
    /// # Errors
    ///
    /// As there. What `event` then holds is of no use.
    pub fn rebuild<'a>(
        &mut self,
        units: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        event: &mut Vec<u8>,
    ) -> Result<(), RebuildError> {
        let Self { document, canonical, parts } = self;
        parts.clear();
        let mut units = units.into_iter();
        match units.next() {
            Some(("", value)) => parts.envelope(parse(document, canonical, "", value)?)?,
            _ => return Err(RebuildError::Envelope),
        }
        for (name, value) in units {
            let value = parse(document, canonical, name, value)?;
            parts.unit(name, value)?;
        }
        event.clear();
        parts.write(event)
    }
}

/// Parses a unit's value and checks that it is canonical, so that the result is.
fn parse<'a>(
    document: &'a mut Document,
    canonical: &mut Vec<u8>,
    name: &str,
    value: &'a [u8],
) -> Result<Value<'a>, RebuildError> {
    let not_canonical = || RebuildError::Value { name: name.to_owned() };
    let parsed = document.parse(value, Limits { depth_max: usize::MAX }).map_err(|_| not_canonical())?;
    canonical.clear();
    parsed.write_canonical(canonical);
    if canonical == value { Ok(parsed) } else { Err(not_canonical()) }
}

/// An object of the event whose members come from several units. Targets follow, each by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Owner(usize);

impl Owner {
    const TOP: Self = Self(0);
    const ACTOR: Self = Self(1);
    const AFTER: Self = Self(2);
    const BEFORE: Self = Self(3);
    const CHANGES: Self = Self(4);
    const CONTEXT: Self = Self(5);
    const METADATA: Self = Self(6);
    const OUTCOME: Self = Self(7);
    const TARGETS: usize = 8;

    /// Those that are members of others, with their names and what they stand in.
    const NESTED: [(Self, &'static str, Self); 7] = [
        (Self::ACTOR, "actor", Self::TOP),
        (Self::AFTER, "after", Self::CHANGES),
        (Self::BEFORE, "before", Self::CHANGES),
        (Self::CHANGES, "changes", Self::TOP),
        (Self::CONTEXT, "context", Self::TOP),
        (Self::METADATA, "metadata", Self::TOP),
        (Self::OUTCOME, "outcome", Self::TOP),
    ];

    fn target(index: usize) -> Self {
        Self(Self::TARGETS + index)
    }

    /// Its name in messages.
    fn name(self) -> &'static str {
        match Self::NESTED.iter().find(|(owner, ..)| *owner == self) {
            Some((_, name, _)) => name,
            None if self == Self::TOP => "",
            None => "targets",
        }
    }
}

/// What stands behind a member's name.
#[derive(Clone, Copy, Debug)]
enum Held {
    /// The part of [`Parts::texts`] from the end of the name to here.
    Value { end: usize },
    /// The members of another object.
    Object(Owner),
    /// The targets.
    Targets,
}

/// A member of an object.
#[derive(Clone, Copy, Debug)]
struct Member {
    of: Owner,
    /// Its name, decoded: a part of [`Parts::texts`].
    name: (usize, usize),
    held: Held,
}

/// An event whose units are being collected.
#[derive(Debug, Default)]
struct Parts {
    /// Names, and values as they are written.
    texts: String,
    members: Vec<Member>,
    targets: usize,
}

impl Parts {
    fn clear(&mut self) {
        self.texts.clear();
        self.members.clear();
        self.targets = 0;
    }

    fn envelope(&mut self, envelope: Value<'_>) -> Result<(), RebuildError> {
        let place = || RebuildError::Place { name: String::new() };
        if envelope.kind() != Kind::Object {
            return Err(place());
        }
        for (name, value) in envelope.members() {
            match name {
                "changes" => self.extend(Owner::CHANGES, value).ok_or_else(place)?,
                "outcome" => self.extend(Owner::OUTCOME, value).ok_or_else(place)?,
                "targets" if value.kind() == Kind::Array => value.items().for_each(|kind| self.target(kind)),
                _ if is_in_envelope(name) => self.push(Owner::TOP, name, value),
                _ => return Err(place()),
            }
        }
        Ok(())
    }

    /// A target as far as the envelope tells: its type, or nothing.
    fn target(&mut self, kind: Value<'_>) {
        if kind.kind() != Kind::Null {
            self.push(Owner::target(self.targets), "type", kind);
        }
        self.targets += 1;
    }

    fn unit(&mut self, name: &str, value: Value<'_>) -> Result<(), RebuildError> {
        self.place(name, value).ok_or_else(|| RebuildError::Place { name: name.to_owned() })
    }

    fn place(&mut self, name: &str, value: Value<'_>) -> Option<()> {
        let path = name.strip_prefix('/')?;
        match path.split_once('/') {
            Some(("actor", member)) => self.push(Owner::ACTOR, &unescaped(member)?, value),
            Some(("changes", member)) => self.change(member, value)?,
            Some(("context", member @ ("ip" | "user_agent"))) => self.push(Owner::CONTEXT, member, value),
            Some(("metadata", member)) => self.push(Owner::METADATA, &unescaped(member)?, value),
            Some(("targets", index)) => {
                let is_plain = index == "0" || !index.starts_with(['0', '+']);
                let at: usize = index.parse().ok().filter(|at| is_plain && *at < self.targets)?;
                self.extend(Owner::target(at), value)?;
            }
            Some(_) => return None,
            None => match path {
                "context" => self.extend(Owner::CONTEXT, value)?,
                "metadata" => self.extend(Owner::METADATA, value)?,
                "outcome" => self.extend(Owner::OUTCOME, value)?,
                "actor" | "changes" | "targets" => return None,
                _ if is_in_envelope(path) => return None,
                _ => self.push(Owner::TOP, &unescaped(path)?, value),
            },
        }
        Some(())
    }

    /// A unit under `/changes/`: one first-level member, the folded members, or a whole value.
    fn change(&mut self, path: &str, value: Value<'_>) -> Option<()> {
        let (state, member) =
            path.split_once('/').map_or((path, None), |(state, member)| (state, Some(member)));
        let object = match state {
            "after" => Owner::AFTER,
            "before" => Owner::BEFORE,
            _ => return None,
        };
        match member {
            Some(member) => self.push(object, &unescaped(member)?, value),
            None if value.kind() == Kind::Object && !value.is_empty() => self.extend(object, value)?,
            None => self.push(Owner::CHANGES, state, value),
        }
        Some(())
    }

    fn push(&mut self, of: Owner, name: &str, value: Value<'_>) {
        let name = self.name(name);
        self.texts.push_str(value.token());
        self.members.push(Member { of, name, held: Held::Value { end: self.texts.len() } });
    }

    fn extend(&mut self, of: Owner, value: Value<'_>) -> Option<()> {
        value.members().for_each(|(name, value)| self.push(of, name, value));
        (value.kind() == Kind::Object).then_some(())
    }

    fn name(&mut self, name: &str) -> (usize, usize) {
        let start = self.texts.len();
        self.texts.push_str(name);
        (start, self.texts.len())
    }

    fn name_of(&self, member: &Member) -> &str {
        &self.texts[member.name.0..member.name.1]
    }

    fn write(&mut self, out: &mut Vec<u8>) -> Result<(), RebuildError> {
        // Those of `changes` come before it, which has members if they have.
        for (owner, name, of) in Owner::NESTED {
            if self.members.iter().any(|member| member.of == owner) {
                let name = self.name(name);
                self.members.push(Member { of, name, held: Held::Object(owner) });
            }
        }
        if self.targets > 0 {
            let name = self.name("targets");
            self.members.push(Member { of: Owner::TOP, name, held: Held::Targets });
        }
        let mut members = std::mem::take(&mut self.members);
        let order = |a: &Member, b: &Member| {
            a.of.cmp(&b.of).then_with(|| compare_names(self.name_of(a), self.name_of(b)))
        };
        members.sort_unstable_by(order);
        let repeated = members.windows(2).find(|two| order(&two[0], &two[1]).is_eq());
        let repeated = repeated.map(|two| RebuildError::Repeated { name: two[0].of.name().to_owned() });
        if repeated.is_none() {
            self.object(&members, Owner::TOP, out);
        }
        self.members = members;
        repeated.map_or(Ok(()), Err)
    }

    /// Writes an object; `members` are those of all objects, in order.
    fn object(&self, members: &[Member], of: Owner, out: &mut Vec<u8>) {
        let first = members.partition_point(|member| member.of < of);
        out.push(b'{');
        for (at, member) in members[first..].iter().take_while(|member| member.of == of).enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_string(self.name_of(member), out);
            out.push(b':');
            match member.held {
                Held::Value { end } => out.extend_from_slice(&self.texts.as_bytes()[member.name.1..end]),
                Held::Object(owner) => self.object(members, owner, out),
                Held::Targets => {
                    out.push(b'[');
                    for target in 0..self.targets {
                        if target > 0 {
                            out.push(b',');
                        }
                        self.object(members, Owner::target(target), out);
                    }
                    out.push(b']');
                }
            }
        }
        out.push(b'}');
    }
}

/// Undoes the escapes of one segment of a pointer; `None` for a stray `~` or `/`.
fn unescaped(segment: &str) -> Option<Cow<'_, str>> {
    if !segment.contains(['~', '/']) {
        return Some(Cow::Borrowed(segment));
    }
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
    Some(Cow::Owned(out))
}
