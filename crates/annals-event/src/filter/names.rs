//! What a path names, by the model, and what it may have been meant to name.

use std::fmt;

use super::{Field, PATH_NAMES_MAX, Path};
use crate::model::{self, Member, MemberKind};
use crate::operation::Operation;

/// A name as it stands in a question.
pub(super) struct Name {
    pub(super) text: String,
    /// In quotes: taken as it is, whether the model knows it or not.
    pub(super) quoted: bool,
    /// Where it stands.
    pub(super) at: usize,
}

/// Where a path begins.
#[derive(Clone, Copy)]
pub(super) enum Root {
    /// At the event.
    Event,
    /// At an object of the model inside it.
    Model(&'static [Member]),
    /// Where any name may stand.
    Free,
}

/// What a field may hold, and so be asked about.
#[derive(Clone, Copy)]
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
    /// Members.
    Object,
    /// Objects.
    Array,
}

impl fmt::Display for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("a text"),
            Self::Word(_) => f.write_str("a word"),
            Self::Bool => f.write_str("`true` or `false`"),
            Self::Integer(max) => write!(f, "an integer from 0 to {max}"),
            Self::Time => f.write_str("a time"),
            Self::Anything => f.write_str("any value"),
            Self::Object => f.write_str("an object"),
            Self::Array => f.write_str("an array of objects"),
        }
    }
}

/// The words of [`Field::Operation`].
const OPERATIONS: [&str; Operation::ALL.len()] = {
    let mut words = [""; Operation::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = Operation::ALL[at].as_str();
        at += 1;
    }
    words
};

/// What a member holds.
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
        MemberKind::Object(_) | MemberKind::Actor(_) | MemberKind::Free => Holds::Object,
        MemberKind::Targets(_) | MemberKind::Chain(_) => Holds::Array,
        MemberKind::State | MemberKind::Reserved => Holds::Anything,
    }
}

/// The model's members of a member.
pub(super) const fn members(kind: MemberKind) -> Option<&'static [Member]> {
    match kind {
        MemberKind::Object(members)
        | MemberKind::Actor(members)
        | MemberKind::Targets(members)
        | MemberKind::Chain(members) => Some(members),
        _ => None,
    }
}

/// What is not a member: annals knows it beside the event's bytes, or better than they do.
fn known(name: &str) -> Option<(Field, Holds)> {
    Some(match name {
        "occurred_at" => (Field::OccurredAt, Holds::Time),
        "received_at" => (Field::ReceivedAt, Holds::Time),
        "operation" => (Field::Operation, Holds::Word(&OPERATIONS)),
        "position" => (Field::Position, Holds::Integer(u64::MAX)),
        "tenant" => (Field::Tenant, Holds::Text),
        _ => return None,
    })
}

impl Root {
    fn table(self) -> Option<&'static [Member]> {
        match self {
            Self::Event => Some(model::EVENT),
            Self::Model(members) => Some(members),
            Self::Free => None,
        }
    }

    /// One name further in: what stands there, and where paths below it begin. None where only quotes make it a name.
    fn step(self, name: &str, quoted: bool) -> Option<(Holds, Self)> {
        let Some(table) = self.table() else { return Some((Holds::Anything, Self::Free)) };
        let member = table.iter().find(|member| member.name == name);
        match member.map(|member| member.kind) {
            None | Some(MemberKind::Reserved) => quoted.then_some((Holds::Anything, Self::Free)),
            // Of annals' own names the quoted ones are those of the event as it was sent, where a time is a text.
            Some(MemberKind::Time) if quoted => Some((Holds::Text, Self::Free)),
            Some(kind) => Some((holds(kind), members(kind).map_or(Self::Free, Self::Model))),
        }
    }
}

/// What a path names, what that holds, and where paths in brackets behind it begin. An error has the place of the name.
pub(super) fn resolve(names: &[Name], root: Root) -> Result<(Field, Holds, Root), (usize, String)> {
    let first = names.first().map_or(0, |name| name.at);
    if names.len() > PATH_NAMES_MAX {
        return Err((
            first,
            format!("the path has {} names, at most {PATH_NAMES_MAX} are allowed", names.len()),
        ));
    }
    if let (Root::Event, [name]) = (root, names)
        && let Some((field, holds)) = known(&name.text)
        && !name.quoted
    {
        return Ok((field, holds, Root::Free));
    }
    let (mut holds, mut inside) = (Holds::Object, root);
    for (at, name) in names.iter().enumerate() {
        if !matches!(holds, Holds::Object | Holds::Array | Holds::Anything) {
            let before = dotted(&names[..at]);
            return Err((name.at, format!("`{before}` is {holds} and has no members")));
        }
        (holds, inside) = inside
            .step(&name.text, name.quoted)
            .ok_or_else(|| (name.at, unknown(names, at, root, inside)))?;
    }
    let path: Vec<&str> = names.iter().map(|name| name.text.as_str()).collect();
    Ok((Field::Member(Path::new(&path)), holds, inside))
}

/// What to say of a path whose name number `at` is unknown, in the object where `inside` begins.
fn unknown(names: &[Name], at: usize, root: Root, inside: Root) -> String {
    let name = &names[at].text;
    let written = shown(&dotted(&names[..=at]));
    if matches!(inside, Root::Event) && model::EVENT.iter().any(|member| member.name == name) {
        return format!(
            "`{written}` is added when an event is read and is not looked for; \
             `occurred_at`, `received_at`, `operation` and `position` are"
        );
    }
    let mut said = format!("unknown member `{written}`");
    let table = inside.table().unwrap_or_default();
    if let Some(meant) = meant(names, at, root, table) {
        said.push_str(&format!("; did you mean `{meant}`?"));
    } else if matches!(root, Root::Model(_))
        && at == 0
        && model::EVENT.iter().any(|member| member.name == name)
    {
        said.push_str("; in brackets a path begins at the element");
    } else {
        let mut quoted: Vec<String> = names[..at].iter().map(|name| name_text(&name.text)).collect();
        quoted.push(shown(&json_text(name)));
        said.push_str(&format!(
            "; a name that the model does not know stands in quotes: `{}`",
            quoted.join(".")
        ));
    }
    said
}

/// A path that the one with an unknown name number `at` is close to.
fn meant(names: &[Name], at: usize, root: Root, table: &[Member]) -> Option<String> {
    let whole = dotted(names);
    let name = names[at].text.as_str();
    let mut paths = Vec::new();
    if matches!(root, Root::Event) {
        add_paths(&mut paths, &mut Vec::new(), model::EVENT);
        paths.extend(["received_at", "position", "tenant"].map(str::to_owned));
        if let Some(path) = nearest(&whole, paths.iter().map(String::as_str)) {
            return Some(path.to_owned());
        }
    }
    let listed = table.iter().filter(|member| !matches!(member.kind, MemberKind::Reserved));
    if let Some(near) = nearest(name, listed.map(|member| member.name)) {
        let names = names.iter().map(|name| name.text.as_str()).enumerate();
        let path: Vec<String> = names.map(|(i, text)| name_text(if i == at { near } else { text })).collect();
        return Some(shown(&path.join(".")));
    }
    // `email` for `actor.email`.
    paths
        .into_iter()
        .find(|path| path.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case(&whole)))
}

/// Adds the paths of all scalar members, those that lie further out first.
fn add_paths(paths: &mut Vec<String>, before: &mut Vec<&'static str>, table: &'static [Member]) {
    for member in table {
        before.push(member.name);
        if members(member.kind).is_none() && !matches!(member.kind, MemberKind::Reserved | MemberKind::Tenant)
        {
            paths.push(before.join("."));
        }
        before.pop();
    }
    for member in table {
        if let Some(table) = members(member.kind) {
            before.push(member.name);
            add_paths(paths, before, table);
            before.pop();
        }
    }
}

/// The one that a mistyped text is close to: a third of its characters may differ, and the case of all.
pub(super) fn nearest<'a>(text: &str, among: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const CHARACTERS_MAX: usize = 64;
    let characters = text.chars().count();
    if characters > CHARACTERS_MAX {
        return None;
    }
    let small = text.to_lowercase();
    let distance = |other: &'a str| (strsim::osa_distance(&small, &other.to_lowercase()), other);
    let (distance, near) = among.map(distance).min_by_key(|(distance, _)| *distance)?;
    (distance <= (characters / 3).max(1)).then_some(near)
}

/// The names with dots between.
pub(super) fn dotted(names: &[Name]) -> String {
    names.iter().map(|name| name_text(&name.text)).collect::<Vec<_>>().join(".")
}

/// Characters of a name without quotes.
pub(super) fn is_bare(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '$')
}

/// A name as it is written, in quotes where it needs them.
fn name_text(name: &str) -> String {
    if is_plain(name) { name.to_owned() } else { json_text(name) }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(is_bare)
        && !["and", "or", "not"].iter().any(|word| name.eq_ignore_ascii_case(word))
}

/// The beginning of a text for a message: quotes stay, control characters are made visible.
pub(super) fn shown(text: &str) -> String {
    const CHARACTERS_MAX: usize = 64;
    let mut out = String::new();
    for c in text.chars().take(CHARACTERS_MAX) {
        if matches!(c, '"' | '\'') { out.push(c) } else { out.extend(c.escape_debug()) }
    }
    if text.chars().nth(CHARACTERS_MAX).is_some() {
        out.push('…');
    }
    out
}

/// A text in quotes.
pub(super) fn json_text(text: &str) -> String {
    let mut token = Vec::new();
    crate::json::write_string(text, &mut token);
    String::from_utf8(token).expect("escaping a text keeps it a text")
}

/// Writes a field so that it reads back as the same one; `root` is where its path begins. Gives where paths below it begin.
pub(super) fn write_field(f: &mut fmt::Formatter<'_>, field: &Field, root: Root) -> Result<Root, fmt::Error> {
    let path = match field {
        Field::Member(path) => path,
        Field::OccurredAt => return f.write_str("occurred_at").map(|()| Root::Free),
        Field::ReceivedAt => return f.write_str("received_at").map(|()| Root::Free),
        Field::Operation => return f.write_str("operation").map(|()| Root::Free),
        Field::Position => return f.write_str("position").map(|()| Root::Free),
        Field::Tenant => return f.write_str("tenant").map(|()| Root::Free),
    };
    let own = matches!(root, Root::Event) && path.0.len() == 1 && known(&path.0[0]).is_some();
    let mut inside = root;
    for (at, name) in path.names().enumerate() {
        if at > 0 {
            f.write_str(".")?;
        }
        let bare = is_plain(name) && !own;
        let step = inside.step(name, false).filter(|_| bare);
        f.write_str(&if step.is_some() { name.to_owned() } else { json_text(name) })?;
        inside = step.or_else(|| inside.step(name, true)).map_or(Root::Free, |(_, inside)| inside);
    }
    Ok(inside)
}
