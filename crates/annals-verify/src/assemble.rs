//! Putting an event together from all of its units, in one pass.
//!
//! The general way ([`Rebuilder`](annals_event::Rebuilder)) parses every unit, as some may be missing or wrong. Where all are shown
//! and their names are plain, their values are put in their places as they are, unread, and the *whole* is then held against what
//! an event is: it must be canonical JSON, and split into just these units. What does not stand that is left to the general way, which
//! alone says that units make no event.

use annals_event::json::{Document, Limits};
use annals_event::{UnitScratch, units_of_text};

/// An object of the event. Targets follow, each by its index.
const TOP: u32 = 0;
const ACTOR: u32 = 1;
const AFTER: u32 = 2;
const BEFORE: u32 = 3;
const CHANGES: u32 = 4;
const CONTEXT: u32 = 5;
const METADATA: u32 = 6;
const OUTCOME: u32 = 7;
const TARGETS: u32 = 8;

/// Objects within others, with their names and what they stand in; what stands in another one comes before it.
const NESTED: [(u32, &str, u32); 7] = [
    (ACTOR, "actor", TOP),
    (AFTER, "after", CHANGES),
    (BEFORE, "before", CHANGES),
    (CHANGES, "changes", TOP),
    (CONTEXT, "context", TOP),
    (METADATA, "metadata", TOP),
    (OUTCOME, "outcome", TOP),
];

/// More targets are for the general way.
const TARGETS_MAX: u32 = 1 << 10;

/// What stands behind a member's name.
#[derive(Clone, Copy)]
enum Held<'a> {
    /// These bytes.
    Value(&'a str),
    /// The members of another object.
    Object(u32),
    /// The targets.
    Targets,
}

/// A member of an object.
struct Member<'a> {
    of: u32,
    /// Plain: in JSON it stands as it is, and its bytes are in canonical order.
    name: &'a str,
    held: Held<'a>,
}

/// Writes the event that these units, which are all of it and in order, make; false where only the general way can tell.
pub(crate) fn assemble<'a>(
    shown: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    document: &mut Document,
    scratch: &mut UnitScratch,
    canonical: &mut Vec<u8>,
    event: &mut Vec<u8>,
) -> bool {
    event.clear();
    if put_together(shown.clone(), event).is_none() {
        return false;
    }
    let Ok(parsed) = document.parse(event, Limits { depth_max: usize::MAX }) else { return false };
    if !parsed.is_plainly_canonical() {
        canonical.clear();
        parsed.write_canonical(canonical);
        if canonical != event {
            return false;
        }
    }
    // It was written with both its braces, so there is nothing around it.
    debug_assert_eq!(parsed.token().len(), event.len(), "an event is all that was written");
    splits_into(parsed.token(), scratch, shown)
}

/// Whether an event splits into just these units.
pub(crate) fn splits_into<'a>(
    event: &str,
    scratch: &mut UnitScratch,
    mut shown: impl Iterator<Item = (&'a str, &'a str)>,
) -> bool {
    let mut is_same = true;
    let split = units_of_text(event, scratch, |name, value| {
        is_same =
            is_same && shown.next().is_some_and(|(other, text)| other == name && text.as_bytes() == value);
    });
    split.is_ok() && is_same && shown.next().is_none()
}

fn put_together<'a>(mut shown: impl Iterator<Item = (&'a str, &'a str)>, event: &mut Vec<u8>) -> Option<()> {
    let (name, envelope) = shown.next()?;
    if !name.is_empty() {
        return None;
    }
    let mut all = All { members: Vec::with_capacity(48), targets: 0 };
    all.envelope(envelope)?;
    for (name, value) in shown {
        all.unit(name.strip_prefix('/')?, value)?;
    }
    for (object, name, of) in NESTED {
        if all.members.iter().any(|member| member.of == object) {
            all.members.push(Member { of, name, held: Held::Object(object) });
        }
    }
    if all.targets > 0 {
        all.members.push(Member { of: TOP, name: "targets", held: Held::Targets });
    }
    all.members.sort_unstable_by(|a, b| a.of.cmp(&b.of).then_with(|| a.name.cmp(b.name)));
    all.write(TOP, event);
    Some(())
}

struct All<'a> {
    members: Vec<Member<'a>>,
    targets: u32,
}

impl<'a> All<'a> {
    fn envelope(&mut self, envelope: &'a str) -> Option<()> {
        let mut is_plain = true;
        each_member(envelope, &mut |name, value| {
            is_plain &= match name {
                "changes" => self.rest(CHANGES, value).is_some(),
                "outcome" => self.rest(OUTCOME, value).is_some(),
                "targets" => self.types(value).is_some(),
                _ => self.push(TOP, name, value).is_some(),
            };
        })?;
        is_plain.then_some(())
    }

    /// The types of the targets.
    fn types(&mut self, list: &'a str) -> Option<()> {
        let mut rest = list.strip_prefix('[')?.strip_suffix(']')?;
        loop {
            let end = value_end(rest)?;
            let (kind, behind) = rest.split_at(end);
            if kind != "null" {
                self.push(TARGETS + self.targets, "type", kind)?;
            }
            self.targets += 1;
            if behind.is_empty() || self.targets > TARGETS_MAX {
                return behind.is_empty().then_some(());
            }
            rest = behind.strip_prefix(',')?;
        }
    }

    fn unit(&mut self, path: &'a str, value: &'a str) -> Option<()> {
        let Some((first, member)) = path.split_once('/') else {
            return match path {
                "context" => self.rest(CONTEXT, value),
                "outcome" => self.rest(OUTCOME, value),
                // Members that were too many, or none of an event.
                "actor" | "changes" | "metadata" | "targets" => None,
                _ => self.push(TOP, path, value),
            };
        };
        match (first, member) {
            ("actor", _) => self.push(ACTOR, member, value),
            ("metadata", _) => self.push(METADATA, member, value),
            ("context", "ip" | "user_agent") => self.push(CONTEXT, member, value),
            ("changes", _) => {
                let (state, member) = member.split_once('/')?;
                let state = match state {
                    "after" => AFTER,
                    "before" => BEFORE,
                    _ => return None,
                };
                self.push(state, member, value)
            }
            ("targets", _) => {
                let at = member.parse::<u32>().ok().filter(|at| *at < self.targets)?;
                self.rest(TARGETS + at, value)
            }
            _ => None,
        }
    }

    fn push(&mut self, of: u32, name: &'a str, value: &'a str) -> Option<()> {
        // No escapes, neither of a pointer nor of JSON, and where bytes sort as they should.
        let is_plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b' '));
        is_plain.then(|| self.members.push(Member { of, name, held: Held::Value(value) }))
    }

    /// The members of an object that others are put beside.
    fn rest(&mut self, of: u32, object: &'a str) -> Option<()> {
        let mut is_plain = true;
        each_member(object, &mut |name, value| is_plain &= self.push(of, name, value).is_some())?;
        is_plain.then_some(())
    }

    /// Writes an object; the members are in order.
    fn write(&self, of: u32, out: &mut Vec<u8>) {
        let first = self.members.partition_point(|member| member.of < of);
        out.push(b'{');
        for (at, member) in self.members[first..].iter().take_while(|member| member.of == of).enumerate() {
            out.extend_from_slice(if at == 0 { b"\"" } else { b",\"" });
            out.extend_from_slice(member.name.as_bytes());
            out.extend_from_slice(b"\":");
            match member.held {
                Held::Value(value) => out.extend_from_slice(value.as_bytes()),
                Held::Object(object) => self.write(object, out),
                Held::Targets => {
                    for target in 0..self.targets {
                        out.push(if target == 0 { b'[' } else { b',' });
                        self.write(TARGETS + target, out);
                    }
                    out.push(b']');
                }
            }
        }
        out.push(b'}');
    }
}

/// Names and values of an object that has members, if it is written as canonical JSON is. Names with escapes are given as they stand.
fn each_member<'a>(object: &'a str, each: &mut dyn FnMut(&'a str, &'a str)) -> Option<()> {
    let mut rest = object.strip_prefix('{')?.strip_suffix('}')?;
    loop {
        let name = rest.strip_prefix('"')?;
        let (name, behind) = name.split_at(string_end(name)?);
        let value = behind.strip_prefix(':')?;
        let (value, behind) = value.split_at(value_end(value)?);
        each(name.strip_suffix('"')?, value);
        if behind.is_empty() {
            return Some(());
        }
        rest = behind.strip_prefix(',')?;
    }
}

/// Where a string ends whose first quote was taken off, behind its last one.
fn string_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Where the value ends that the text begins with: at a comma outside of it, or at the end.
fn value_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_u32);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at += string_end(text.get(at + 1..)?)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => break,
            _ => {}
        }
        at += 1;
    }
    (depth == 0).then_some(at)
}

#[cfg(test)]
mod tests;
