//! Rules that take values out of events before anything of them is kept.
//!
//! A rule names a place by a JSON Pointer in which `*` stands for every member or item, and says what becomes of what is there:
//!
//! | rule | the value becomes |
//! |---|---|
//! | [`Redact::Drop`] | nothing: the member is left out, the item is taken out of its array |
//! | [`Redact::Mask`] | the text `***` |
//! | [`Redact::Hash`] | `hash:` and 32 hex digits that are the same for the same value, under a key that the caller has |
//!
//! An event stays an event whatever a rule does: what the model needs cannot be named, and what it holds to a form (a time, a status
//! code) can be dropped but not be given another form. A target or link of which nothing is left goes as a whole.

use std::fmt;

use crate::json::{Document, Kind, Limits, Value, write_string};
use crate::model::{self, Member, MemberKind};

/// Most rules of one tenant.
pub const RULES_MAX: usize = 64;

/// Longest pointer of a rule, bytes.
pub const RULE_POINTER_BYTES_MAX: usize = 1_024;

/// What stands in the place of a masked value.
pub const MASK: &str = "***";

/// What begins a hashed value.
pub const HASH_PREFIX: &str = "hash:";

/// What becomes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redact {
    /// It is left out.
    Drop,
    /// `***` stands in its place.
    Mask,
    /// A keyed hash stands in its place, so that one can still tell what is the same.
    Hash,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which values: a JSON Pointer, `*` for every member or item of what is before it.
    pub pointer: String,
    /// What becomes of them.
    pub redact: Redact,
}

/// A rule that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// Which of the rules, from 0; the number of rules when there are too many.
    pub index: usize,
    /// What is wrong, for people.
    pub problem: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for RuleError {}

/// The rules of a tenant, made ready.
#[derive(Clone, Debug, Default)]
pub struct Redaction {
    rules: Vec<Rule>,
    root: Node,
}

/// What rules say of a place and of those below it.
#[derive(Clone, Debug, Default)]
struct Node {
    /// The first rule that ends here.
    rule: Option<(usize, Redact)>,
    named: Vec<(String, Node)>,
    every: Option<Box<Node>>,
}

impl Redaction {
    /// Makes rules ready. Where two name the same value, the one that stands first counts.
    ///
    /// # Errors
    ///
    /// [`RuleError`] for the first rule that cannot be.
    pub fn new(rules: Vec<Rule>) -> Result<Self, RuleError> {
        if rules.len() > RULES_MAX {
            let problem = format!("{} rules are given, at most {RULES_MAX} are allowed", rules.len());
            return Err(RuleError { index: RULES_MAX, problem });
        }
        let mut root = Node::default();
        for (index, rule) in rules.iter().enumerate() {
            let error = |problem| RuleError { index, problem };
            let steps = steps(&rule.pointer).map_err(error)?;
            check(&steps, rule.redact).map_err(error)?;
            let node = steps.into_iter().fold(&mut root, Node::below);
            if node.rule.is_some() {
                return Err(error(format!("`{}` has a rule already", rule.pointer)));
            }
            node.rule = Some((index, rule.redact));
        }
        Ok(Self { rules, root })
    }

    /// The rules as they were given.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Writes an event to `out` without what the rules take, and says how many values they took. `hash` gives the keyed hash of a
    /// value: of a text its characters, of anything else its canonical bytes.
    ///
    /// What is written may have members that are empty now; [`normalise`](crate::normalise) leaves these out.
    pub fn apply(
        &self,
        canonical: &[u8],
        document: &mut Document,
        hash: &dyn Fn(&[u8]) -> [u8; 16],
        out: &mut Vec<u8>,
    ) -> u64 {
        out.clear();
        // Canonical bytes came from a parse with these limits or stricter ones.
        let limits = Limits { depth_max: usize::MAX };
        let event = document.parse(canonical, limits).expect("canonical bytes are JSON");
        let mut taking = Taking { hash, out, taken: 0 };
        taking.value(event, &[&self.root]);
        taking.taken
    }
}

impl Node {
    fn below(&mut self, step: Step) -> &mut Self {
        match step {
            Step::Every => self.every.get_or_insert_default(),
            Step::Name(name) => {
                let at = match self.named.binary_search_by(|(known, _)| known.as_str().cmp(&name)) {
                    Ok(at) => at,
                    Err(at) => {
                        self.named.insert(at, (name, Self::default()));
                        at
                    }
                };
                &mut self.named[at].1
            }
        }
    }

    fn at(&self, name: &str) -> impl Iterator<Item = &Self> {
        let named = self.named.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok();
        named.map(|at| &self.named[at].1).into_iter().chain(self.every.as_deref())
    }
}

/// What is left of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Nothing, and nothing was written.
    Nothing,
    /// A container in which nothing is left but such containers.
    Void,
    /// Something.
    Some,
}

/// An event that is being written.
struct Taking<'t> {
    hash: &'t dyn Fn(&[u8]) -> [u8; 16],
    out: &'t mut Vec<u8>,
    taken: u64,
}

impl Taking<'_> {
    /// Writes a value, of which these nodes speak, and says what is left of it.
    fn value(&mut self, value: Value<'_>, nodes: &[&Node]) -> Left {
        if nodes.is_empty() {
            value.write_canonical(self.out);
            return Left::Some;
        }
        let rule = nodes.iter().filter_map(|node| node.rule).min_by_key(|(index, _)| *index);
        if let Some((_, redact)) = rule {
            self.taken += 1;
            return self.take(value, redact);
        }
        let (start, taken) = (self.out.len(), self.taken);
        let mut is_void = matches!(value.kind(), Kind::Object | Kind::Array);
        match value.kind() {
            Kind::Object => {
                self.out.push(b'{');
                for (name, member) in value.members() {
                    let nodes: Vec<&Node> = nodes.iter().flat_map(|node| node.at(name)).collect();
                    let before = self.separate(start);
                    write_string(name, self.out);
                    self.out.push(b':');
                    match self.value(member, &nodes) {
                        Left::Nothing => self.out.truncate(before),
                        left => is_void &= left == Left::Void,
                    }
                }
                self.out.push(b'}');
            }
            Kind::Array => {
                self.out.push(b'[');
                for (index, item) in value.items().enumerate() {
                    let name = index.to_string();
                    let nodes: Vec<&Node> = nodes.iter().flat_map(|node| node.at(&name)).collect();
                    let before = self.separate(start);
                    match self.value(item, &nodes) {
                        Left::Nothing | Left::Void => self.out.truncate(before),
                        Left::Some => is_void = false,
                    }
                }
                self.out.push(b']');
            }
            _ => value.write_canonical(self.out),
        }
        if is_void && self.taken > taken { Left::Void } else { Left::Some }
    }

    /// A comma, unless nothing stands in the container that begins at `start`. Gives where the next child begins.
    fn separate(&mut self, start: usize) -> usize {
        let before = self.out.len();
        if before > start + 1 {
            self.out.push(b',');
        }
        before
    }

    fn take(&mut self, value: Value<'_>, redact: Redact) -> Left {
        match redact {
            Redact::Drop => return Left::Nothing,
            Redact::Mask => write_string(MASK, self.out),
            Redact::Hash => {
                let mut bytes = Vec::new();
                let bytes = match value.as_str() {
                    Some(text) => text.as_bytes(),
                    None => {
                        value.write_canonical(&mut bytes);
                        &bytes
                    }
                };
                let mut text = HASH_PREFIX.to_owned();
                for byte in (self.hash)(bytes) {
                    fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}"))
                        .expect("writing to a String does not fail");
                }
                write_string(&text, self.out);
            }
        }
        Left::Some
    }
}

/// One step of a rule's pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    Every,
}

fn steps(pointer: &str) -> Result<Vec<Step>, String> {
    if pointer.len() > RULE_POINTER_BYTES_MAX {
        return Err(format!(
            "the pointer has {} bytes, at most {RULE_POINTER_BYTES_MAX} are allowed",
            pointer.len()
        ));
    }
    let Some(path) = pointer.strip_prefix('/') else {
        return Err(format!("`{pointer}` is no JSON Pointer: it starts with `/`"));
    };
    path.split('/')
        .map(|step| match step {
            "*" => Ok(Step::Every),
            _ if step.replace("~0", "").replace("~1", "").contains('~') => {
                Err(format!("`{pointer}`: `~` is written `~0`, `/` in a name `~1`"))
            }
            _ => Ok(Step::Name(step.replace("~1", "/").replace("~0", "~"))),
        })
        .collect()
}

/// Whether a rule leaves an event that the model takes.
fn check(steps: &[Step], redact: Redact) -> Result<(), String> {
    /// What stands at a place.
    enum At {
        Members(&'static [Member]),
        Items(&'static [Member]),
        Any,
    }
    let mut at = At::Members(model::EVENT);
    let mut members_of_actor = false;
    for (depth, step) in steps.iter().enumerate() {
        let is_last = depth + 1 == steps.len();
        let drops = redact == Redact::Drop;
        let members = match at {
            At::Any => return Ok(()),
            At::Items(members) => {
                if *step != Step::Every {
                    return Err("items of `targets` and `chain` are named by `*`".to_owned());
                }
                if is_last {
                    return Err("name a member of the items, or the array itself".to_owned());
                }
                at = At::Members(members);
                continue;
            }
            At::Members(members) => members,
        };
        let Step::Name(name) = step else {
            return Err("`*` stands for what clients name themselves: name this member".to_owned());
        };
        let known = members.iter().find(|member| member.name == name).map(|member| member.kind);
        let is_of_actor = std::mem::replace(&mut members_of_actor, false);
        let Some(kind) = known else {
            at = At::Any;
            continue;
        };
        at = match kind {
            MemberKind::Text if is_last && drops && is_of_actor && matches!(name.as_str(), "id" | "type") => {
                return Err(format!("an actor needs its `{name}`: mask or hash it"));
            }
            MemberKind::Text | MemberKind::State => At::Any,
            MemberKind::Bool | MemberKind::StatusCode if drops => At::Any,
            MemberKind::Bool | MemberKind::StatusCode => {
                return Err(format!("`{name}` is no text: it can only be dropped"));
            }
            MemberKind::Free if is_last && !drops => {
                return Err(format!("`{name}` is an object: drop it, or name its members"));
            }
            MemberKind::Free => At::Any,
            MemberKind::Actor(_) if is_last => return Err("an event needs its `actor`".to_owned()),
            MemberKind::Actor(members) => {
                members_of_actor = true;
                At::Members(members)
            }
            MemberKind::Object(members) if name != "source" => {
                if is_last && !drops {
                    return Err(format!("`{name}` is an object: drop it, or name its members"));
                }
                At::Members(members)
            }
            MemberKind::Targets(members) | MemberKind::Chain(members) => {
                if is_last && !drops {
                    return Err(format!("`{name}` is an array: drop it, or name members of its items"));
                }
                At::Items(members)
            }
            _ => return Err(format!("`{name}` is what the ledger itself goes by")),
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests;
