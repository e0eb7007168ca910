//! Splitting canonical bytes into the units they are committed in, and putting them together again.
//!
//! Units partition the bytes: every member is in exactly one, so nothing is uncommitted, and each can be
//! erased or withheld alone. A unit has a name, a JSON Pointer, and value bytes, which are canonical JSON.
//! Units are ordered by the bytes of their names.
//!
//! ```text
//! name                     value
//! (empty)                  the envelope, always there: an object of action, category, id, occurred_at,
//!                          operation, severity, source, trace; `changes` without after and before;
//!                          `outcome` with result alone; `targets` as the array of types, null for none
//! /actor/<member>          the member, for every member of actor
//! /changes/after/<member>  the member, as /changes/before/<member> and /metadata/<member>, see below
//! /changes/after           a value that is not an object with members; /changes/before likewise
//! /context/ip              the member, as /context/user_agent
//! /context                 an object of the rest of context
//! /description, /reason, /request, /scope   the member
//! /outcome                 an object of outcome without result
//! /targets/<index>         an object of the element without type
//! /<member>                the member, for every member the model does not know
//! ```
//!
//! A rest without members has no unit, nor has an absent member. In names `~` is written `~0` and `/` is
//! `~1`; members' names are decoded first (`"\u0009"` is a tab in the pointer), so a name is a text and
//! not a piece of JSON.
//!
//! **Folding.** First-level members of `metadata`, `changes.before` and `changes.after` stand alone only
//! within [`UNITS_MAX`] and [`UNIT_NAME_BYTES_MAX`]. Our exact reading: let `a` be the number of all other
//! units, the envelope included; they always stand alone, also beyond the limit. Of the first-level
//! members whose whole unit name (the escaped pointer with its prefix) has at most 1,024 bytes, the first
//! `max(0, 128 - a)` in the order of the names' bytes, over the three parents together, stand alone. The
//! remaining members of each parent, if any, form one unit named by that parent; these at most three come
//! on top of the 128. Nothing within one of the members is split further.

mod rebuild;
mod walk;

use std::fmt::Write as _;
use std::ops::Range;

use crate::json::{decode_string, push_segment};
use walk::Walk;

pub use rebuild::{RebuildError, Rebuilder, rebuild};

/// Most units of an event before members of `metadata`, `changes.before` and `changes.after` are folded.
pub const UNITS_MAX: usize = 128;

/// Longest unit name, in bytes, for such a member to stand alone.
pub const UNIT_NAME_BYTES_MAX: usize = 1024;

/// The bytes are not an event's canonical bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not an event's canonical bytes, at byte {at}")]
pub struct UnitsError {
    /// The first byte that does not fit.
    pub at: usize,
}

/// Working memory of [`units`], reused from event to event.
#[derive(Default)]
pub struct UnitScratch {
    units: Vec<Unit>,
    /// The names, one after the other.
    names: String,
    /// Values that do not stand in the canonical bytes as they are: rests and folds.
    built: Vec<u8>,
    envelope: Vec<u8>,
    /// A member's name that had escapes.
    decoded: String,
    /// Indexes of units, while folding.
    order: Vec<usize>,
}

struct Unit {
    name: Range<usize>,
    value: Range<usize>,
    place: Place,
}

/// Where a unit's value is, and whether it may be folded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the canonical bytes.
    Sent,
    /// In [`UnitScratch::built`].
    Built,
    /// In the canonical bytes, as a first-level member of this parent; its name token starts there.
    Member { of: Parent, from: usize },
    /// Was such a member, and has been folded into its parent's unit.
    Folded,
}

/// The three objects whose first-level members are folded when there are too many.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parent {
    After,
    Before,
    Metadata,
}

impl Parent {
    const ALL: [Self; 3] = [Self::After, Self::Before, Self::Metadata];

    const fn name(self) -> &'static str {
        match self {
            Self::After => "/changes/after",
            Self::Before => "/changes/before",
            Self::Metadata => "/metadata",
        }
    }
}

/// Calls `each` with the name and the value bytes of every unit, in the order of the names' bytes.
///
/// `canonical` is what [`normalise`](crate::normalise) wrote. It is trusted to be: other bytes give an
/// error where the walk notices, else units that mean nothing, but never a panic.
///
/// # Errors
///
/// [`UnitsError`] when the bytes do not have the form of an event; `each` has not been called then.
pub fn units(
    canonical: &[u8],
    scratch: &mut UnitScratch,
    each: impl FnMut(&str, &[u8]),
) -> Result<(), UnitsError> {
    let text = str::from_utf8(canonical).map_err(|error| UnitsError { at: error.valid_up_to() })?;
    units_of_text(text, scratch, each)
}

/// As [`units`], of bytes that are known to be a text.
///
/// # Errors
///
/// As of [`units`].
pub fn units_of_text(
    text: &str,
    scratch: &mut UnitScratch,
    mut each: impl FnMut(&str, &[u8]),
) -> Result<(), UnitsError> {
    let canonical = text.as_bytes();
    scratch.units.clear();
    scratch.names.clear();
    scratch.built.clear();
    scratch.envelope.clear();
    Split { walk: Walk::new(text), text, scratch }.event()?;
    scratch.fold(canonical);
    scratch.sort();
    each("", &scratch.envelope);
    for unit in &scratch.units {
        let name = &scratch.names[unit.name.clone()];
        match unit.place {
            Place::Sent | Place::Member { .. } => each(name, &canonical[unit.value.clone()]),
            Place::Built => each(name, &scratch.built[unit.value.clone()]),
            Place::Folded => {}
        }
    }
    Ok(())
}

impl UnitScratch {
    /// The value of the first unit of the event that was split last: its envelope. What stands here after an error is of no use.
    #[must_use]
    pub fn envelope(&self) -> &[u8] {
        &self.envelope
    }

    /// Moves first-level members beyond the limits into one unit for each parent.
    fn fold(&mut self, canonical: &[u8]) {
        let may_fold = |unit: &Unit| matches!(unit.place, Place::Member { .. });
        let alone = 1 + self.units.iter().filter(|unit| !may_fold(unit)).count();
        if self.units.len() < UNITS_MAX
            && self.units.iter().all(|unit| unit.name.len() <= UNIT_NAME_BYTES_MAX || !may_fold(unit))
        {
            return;
        }
        let Self { units, names, built, order, .. } = self;
        order.clear();
        order.extend((0..units.len()).filter(|&unit| may_fold(&units[unit])));
        let name_of = |unit: usize| &names[units[unit].name.clone()];
        order.sort_unstable_by(|&a, &b| name_of(a).cmp(name_of(b)));
        // What keeps its place leaves the list; what is left of it folds, back in the order of the bytes.
        let mut room = UNITS_MAX.saturating_sub(alone);
        order.retain(|&unit| {
            let stays = room > 0 && units[unit].name.len() <= UNIT_NAME_BYTES_MAX;
            room -= usize::from(stays);
            !stays
        });
        order.sort_unstable();
        for parent in Parent::ALL {
            let from = built.len();
            for &unit in order.iter() {
                let Place::Member { of, from: member } = units[unit].place else { continue };
                if of == parent {
                    built.push(if built.len() == from { b'{' } else { b',' });
                    built.extend_from_slice(&canonical[member..units[unit].value.end]);
                    units[unit].place = Place::Folded;
                }
            }
            if built.len() > from {
                built.push(b'}');
                let name = names.len()..names.len() + parent.name().len();
                names.push_str(parent.name());
                units.push(Unit { name, value: from..built.len(), place: Place::Built });
            }
        }
    }

    fn sort(&mut self) {
        let names = &self.names;
        let name_of = |unit: &Unit| names[unit.name.clone()].as_bytes();
        if !self.units.is_sorted_by(|a, b| name_of(a) <= name_of(b)) {
            self.units.sort_unstable_by(|a, b| name_of(a).cmp(name_of(b)));
        }
    }
}

/// One pass over the canonical bytes.
struct Split<'s, 'a> {
    walk: Walk<'a>,
    text: &'a str,
    scratch: &'s mut UnitScratch,
}

type Step = Result<(), UnitsError>;

impl<'a> Split<'_, 'a> {
    fn event(mut self) -> Step {
        self.scratch.envelope.push(b'{');
        self.walk.open(b'{')?;
        while self.walk.next(b'}')? {
            let member = self.walk.name()?;
            match self.name(&member) {
                name if is_in_envelope(name) => {
                    let value = self.walk.value()?;
                    self.envelope(&self.text[member.start..value.end]);
                }
                "actor" => self.actor()?,
                "changes" => self.changes()?,
                "context" => self.context()?,
                "metadata" => self.members("/metadata", Parent::Metadata)?,
                "outcome" => self.outcome()?,
                "targets" => self.targets()?,
                _ => {
                    let value = self.walk.value()?;
                    self.unit("", &member, value, Place::Sent);
                }
            }
        }
        self.walk.finish()?;
        self.scratch.envelope.push(b'}');
        Ok(())
    }

    fn actor(&mut self) -> Step {
        self.walk.open(b'{')?;
        while self.walk.next(b'}')? {
            let member = self.walk.name()?;
            let value = self.walk.value()?;
            self.unit("/actor", &member, value, Place::Sent);
        }
        Ok(())
    }

    fn changes(&mut self) -> Step {
        let start = self.begin_in_envelope("changes", b'{');
        self.walk.open(b'{')?;
        while self.walk.next(b'}')? {
            let member = self.walk.name()?;
            match self.name(&member) {
                "after" => self.state(&member, Parent::After)?,
                "before" => self.state(&member, Parent::Before)?,
                _ => {
                    let value = self.walk.value()?;
                    self.add_in_envelope(&start, &self.text[member.start..value.end]);
                }
            }
        }
        self.end_in_envelope(start, b'}');
        Ok(())
    }

    /// `changes.after` or `changes.before`: an object with members is split, anything else is one unit.
    fn state(&mut self, member: &Range<usize>, parent: Parent) -> Step {
        if self.walk.at_object_with_members() {
            return self.members(parent.name(), parent);
        }
        let value = self.walk.value()?;
        self.unit("/changes", member, value, Place::Sent);
        Ok(())
    }

    fn members(&mut self, prefix: &str, parent: Parent) -> Step {
        self.walk.open(b'{')?;
        while self.walk.next(b'}')? {
            let member = self.walk.name()?;
            let value = self.walk.value()?;
            self.unit(prefix, &member, value, Place::Member { of: parent, from: member.start });
        }
        Ok(())
    }

    fn context(&mut self) -> Step {
        let first = self.scratch.units.len();
        let rest = self.scratch.built.len();
        self.walk.open(b'{')?;
        while self.walk.next(b'}')? {
            let member = self.walk.name()?;
            let value = self.walk.value()?;
            match self.name(&member) {
                "ip" | "user_agent" => self.unit("/context", &member, value, Place::Sent),
                _ => self.add_to_rest(rest, &self.text[member.start..value.end]),
            }
        }
        if self.end_rest(rest, |name| name.push_str("/context")) {
            // The rest is named by the parent and sorts before the members that stand alone.
            self.scratch.units[first..].rotate_right(1);
        }
        Ok(())
    }

    fn outcome(&mut self) -> Step {
        let start = self.begin_in_envelope("outcome", b'{');
        let rest = self.scratch.built.len();
        self.walk.open(b'{')?;
        while self.walk.next(b'}')? {
            let member = self.walk.name()?;
            let value = self.walk.value()?;
            let sent = &self.text[member.start..value.end];
            match self.name(&member) {
                "result" => self.add_in_envelope(&start, sent),
                _ => self.add_to_rest(rest, sent),
            }
        }
        self.end_in_envelope(start, b'}');
        self.end_rest(rest, |name| name.push_str("/outcome"));
        Ok(())
    }

    fn targets(&mut self) -> Step {
        let start = self.begin_in_envelope("targets", b'[');
        self.walk.open(b'[')?;
        let mut index = 0;
        while self.walk.next(b']')? {
            let rest = self.scratch.built.len();
            let mut kind = "null";
            self.walk.open(b'{')?;
            while self.walk.next(b'}')? {
                let member = self.walk.name()?;
                let value = self.walk.value()?;
                match self.name(&member) {
                    "type" => kind = &self.text[value],
                    _ => self.add_to_rest(rest, &self.text[member.start..value.end]),
                }
            }
            self.add_in_envelope(&start, kind);
            self.end_rest(rest, |name| {
                write!(name, "/targets/{index}").expect("writing to a string cannot fail");
            });
            index += 1;
        }
        self.end_in_envelope(start, b']');
        Ok(())
    }

    /// Adds a unit named by `prefix` and the member's decoded and escaped name.
    fn unit(&mut self, prefix: &str, member: &Range<usize>, value: Range<usize>, place: Place) {
        let inner = self.name(member);
        let UnitScratch { units, names, decoded, .. } = &mut *self.scratch;
        let from = names.len();
        names.push_str(prefix);
        if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
            push_segment(names, inner);
        } else {
            decoded.clear();
            decode_string(inner, decoded);
            push_segment(names, decoded);
        }
        units.push(Unit { name: from..names.len(), value, place });
    }

    /// The inside of a name token. Names of the model are never escaped in canonical bytes.
    #[inline]
    fn name(&self, token: &Range<usize>) -> &'a str {
        &self.text[token.start + 1..token.end - 1]
    }

    fn envelope(&mut self, member: &str) {
        let envelope = &mut self.scratch.envelope;
        if envelope.len() > 1 {
            envelope.push(b',');
        }
        envelope.extend_from_slice(member.as_bytes());
    }

    fn begin_in_envelope(&mut self, member: &str, bracket: u8) -> Inner {
        let before = self.scratch.envelope.len();
        self.envelope("\"");
        let envelope = &mut self.scratch.envelope;
        envelope.extend_from_slice(member.as_bytes());
        envelope.extend_from_slice(b"\":");
        envelope.push(bracket);
        Inner { before, start: envelope.len() }
    }

    fn add_in_envelope(&mut self, inner: &Inner, member: &str) {
        let envelope = &mut self.scratch.envelope;
        if envelope.len() > inner.start {
            envelope.push(b',');
        }
        envelope.extend_from_slice(member.as_bytes());
    }

    fn end_in_envelope(&mut self, inner: Inner, bracket: u8) {
        let envelope = &mut self.scratch.envelope;
        if envelope.len() == inner.start {
            envelope.truncate(inner.before);
        } else {
            envelope.push(bracket);
        }
    }

    /// Adds a member to the object that is being built from `rest` on.
    fn add_to_rest(&mut self, rest: usize, member: &str) {
        let built = &mut self.scratch.built;
        built.push(if built.len() == rest { b'{' } else { b',' });
        built.extend_from_slice(member.as_bytes());
    }

    /// Makes the object built from `rest` on a unit, if it has members.
    fn end_rest(&mut self, rest: usize, write_name: impl FnOnce(&mut String)) -> bool {
        let UnitScratch { units, names, built, .. } = &mut *self.scratch;
        if built.len() == rest {
            return false;
        }
        built.push(b'}');
        let from = names.len();
        write_name(names);
        units.push(Unit { name: from..names.len(), value: rest..built.len(), place: Place::Built });
        true
    }
}

/// Members of the event that stand whole in the envelope.
fn is_in_envelope(name: &str) -> bool {
    matches!(
        name,
        "action" | "category" | "id" | "occurred_at" | "operation" | "severity" | "source" | "trace"
    )
}

/// A container begun in the envelope: where to cut back to if it stays empty, and where its inside starts.
struct Inner {
    before: usize,
    start: usize,
}

#[cfg(test)]
mod tests;
