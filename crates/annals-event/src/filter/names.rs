//! What a path names, by the model.

use super::{Field, PATH_NAMES_MAX, Path};
use crate::code::shown;
use crate::model::{self, Member, MemberKind};
use crate::operation::Operation;

/// A name as it stands in a question.
pub(super) struct Name {
    pub(super) text: String,
    /// In quotes: taken as it is, whether the model knows it or not.
    pub(super) quoted: bool,
}

/// Where a path begins.
#[derive(Clone, Copy)]
pub(super) enum Root {
    /// At the event.
    Event,
    /// At an object of the model.
    Model(&'static [Member]),
    /// Inside what is the client's.
    Free,
}

/// What may be asked of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Holds {
    /// A text.
    Text,
    /// One of these texts.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Bool,
    /// An integer up to this one.
    Integer(u64),
    /// An instant.
    Time,
    /// Any value.
    Anything,
    /// Other members; what it is, with its article.
    Members(&'static str, &'static [Member]),
}

/// The words of [`Field::Operation`].
pub(super) const OPERATIONS: [&str; Operation::ALL.len()] = {
    let mut words = [""; Operation::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = Operation::ALL[at].as_str();
        at += 1;
    }
    words
};

/// What can be asked of a member.
pub(super) const fn holds(kind: MemberKind) -> Holds {
    match kind {
        MemberKind::Text
        | MemberKind::Id
        | MemberKind::Tenant
        | MemberKind::Action
        | MemberKind::SourceName
        | MemberKind::SourceInstance => Holds::Text,
        MemberKind::Bool => Holds::Bool,
        MemberKind::Operation => Holds::Word(&OPERATIONS),
        MemberKind::Time => Holds::Time,
        MemberKind::Result => Holds::Word(&model::OUTCOME_RESULTS),
        MemberKind::StatusCode => Holds::Integer(model::STATUS_CODE_MAX),
        MemberKind::SourceSeq => Holds::Integer(u64::MAX),
        MemberKind::Object(members) | MemberKind::Actor(members) => Holds::Members("an object", members),
        MemberKind::Targets(members) | MemberKind::Chain(members) => {
            Holds::Members("an array of objects", members)
        }
        MemberKind::Free => Holds::Members("an object of the client's", &[]),
        MemberKind::State | MemberKind::Reserved => Holds::Anything,
    }
}

/// The field that a path names, what it holds, and where paths inside its brackets begin. An error says why there is none.
pub(super) fn resolve(names: &[Name], root: Root) -> Result<(Field, Holds, Root), String> {
    if names.len() > PATH_NAMES_MAX {
        return Err(format!("the path has {} names, at most {PATH_NAMES_MAX} are allowed", names.len()));
    }
    if let (Root::Event, [Name { text, quoted: false }]) = (root, names) {
        let field = match text.as_str() {
            "occurred_at" => Some((Field::OccurredAt, Holds::Time)),
            "received_at" => Some((Field::ReceivedAt, Holds::Time)),
            "operation" => Some((Field::Operation, Holds::Word(&OPERATIONS))),
            "position" => Some((Field::Position, Holds::Integer(u64::MAX))),
            "tenant" => Some((Field::Tenant, Holds::Text)),
            _ => None,
        };
        if let Some((field, holds)) = field {
            return Ok((field, holds, Root::Free));
        }
    }
    let mut root = root;
    let mut held = Holds::Anything;
    for (at, name) in names.iter().enumerate() {
        let table = match root {
            Root::Event => model::EVENT,
            Root::Model(table) => table,
            Root::Free => {
                held = Holds::Anything;
                continue;
            }
        };
        let member = table
            .iter()
            .find(|member| member.name == name.text && !(name.quoted && matches!(root, Root::Event)));
        match member {
            None if name.quoted => {
                // At the top also what annals knows better: `"operation"` is the one that was sent.
                let member = table.iter().find(|member| member.name == name.text);
                (held, root) = member
                    .map_or((Holds::Anything, Root::Free), |member| (holds(member.kind), below(member.kind)));
            }
            None => return Err(unknown(names, at, table)),
            Some(Member { kind: MemberKind::Reserved, .. }) => return Err(unknown(names, at, table)),
            Some(member) => {
                held = holds(member.kind);
                root = below(member.kind);
                if at + 1 < names.len()
                    && !matches!(held, Holds::Members(..))
                    && !matches!(member.kind, MemberKind::State)
                {
                    return Err(format!("`{}` has no members", dotted(&names[..=at])));
                }
            }
        }
    }
    let path: Vec<&str> = names.iter().map(|name| name.text.as_str()).collect();
    Ok((Field::Member(Path::new(&path)), held, root))
}

/// Where paths below a member begin.
fn below(kind: MemberKind) -> Root {
    match kind {
        MemberKind::Object(members)
        | MemberKind::Actor(members)
        | MemberKind::Targets(members)
        | MemberKind::Chain(members) => Root::Model(members),
        _ => Root::Free,
    }
}

fn unknown(names: &[Name], at: usize, _table: &[Member]) -> String {
    format!("unknown member `{}`", shown(&dotted(&names[..=at])))
}

/// The names with dots between.
pub(super) fn dotted(names: &[Name]) -> String {
    names.iter().map(|name| name.text.as_str()).collect::<Vec<_>>().join(".")
}
