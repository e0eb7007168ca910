//! An event as a row of a table, and whole.

use std::collections::{BTreeMap, BTreeSet};

use annals_event::json::{Document, Kind, Limits, Value};
use annals_event::{Operation, Timestamp};
use anstyle::{AnsiColor, Style};

use super::Stage;
use super::moment;
use super::table::{Cell, Column};
use super::text::{padding, safe, width};

/// Deepest nesting of an event that is shown; a server takes half of it.
const DEPTH_MAX: usize = 128;

/// Targets named in a row; of the others only the number is given.
const TARGETS_SHOWN: usize = 4;

/// Names of members are padded to at most so many columns.
const NAMES_PADDED_MAX: usize = 32;

/// The columns of [`Event::row`]. On a narrow terminal the description leaves first.
pub(crate) const COLUMNS: &[Column] = &[
    Column { title: "TIME", least: 27, typical: 19, leaves: 0 },
    Column { title: "TENANT", least: 6, typical: 0, leaves: 3 },
    Column { title: "ACTOR", least: 14, typical: 24, leaves: 1 },
    Column { title: "ACTION", least: 22, typical: 24, leaves: 0 },
    Column { title: "TARGETS", least: 16, typical: 28, leaves: 2 },
    Column { title: "ADDRESS", least: 15, typical: 15, leaves: 4 },
    Column { title: "DESCRIPTION", least: 24, typical: 40, leaves: 5 },
];

/// The column that says nothing once a tenant was named.
pub(crate) const TENANT: usize = 1;

/// Reads an event that a server gave.
///
/// # Errors
///
/// What is wrong with it, for people: it is no JSON object.
pub(crate) fn read<'a>(document: &'a mut Document, line: &'a [u8]) -> Result<Event<'a>, String> {
    let value = document.parse(line, Limits { depth_max: DEPTH_MAX }).map_err(|error| error.to_string())?;
    if value.kind() == Kind::Object { Ok(Event(value)) } else { Err("an event that is no object".to_owned()) }
}

/// An event as read back from a server.
#[derive(Clone, Copy)]
pub(crate) struct Event<'a>(Value<'a>);

impl<'a> Event<'a> {
    fn at(self, path: &[&str]) -> Option<Value<'a>> {
        path.iter().try_fold(self.0, |value, name| value.get(name))
    }

    fn text(self, path: &[&str]) -> &'a str {
        self.at(path).and_then(Value::as_str).unwrap_or_default()
    }

    /// When it happened: as sent, else when it was received.
    fn time(self) -> Option<Timestamp> {
        let texts = [
            self.text(&["occurred_at"]),
            self.text(&["derived", "occurred_at"]),
            self.text(&["received_at"]),
        ];
        texts.into_iter().find_map(|text| Timestamp::parse(text).ok())
    }

    /// What kind of action it is: as sent, else as the server read it from the action.
    fn operation(self) -> &'a str {
        let sent = self.text(&["operation"]);
        if sent.is_empty() { self.text(&["derived", "operation"]) } else { sent }
    }

    fn failed(self) -> bool {
        matches!(self.text(&["outcome", "result"]), "failure" | "denied")
    }

    fn targets(self) -> impl Iterator<Item = Value<'a>> {
        self.0.get("targets").into_iter().flat_map(Value::items)
    }

    /// Colour of the action: what it does to data, or that it failed.
    fn style(self) -> Style {
        let colour = match self.operation() {
            _ if self.failed() => return AnsiColor::Red.on_default().bold(),
            "create" => AnsiColor::Green,
            "update" => AnsiColor::Yellow,
            "delete" => AnsiColor::Red,
            "read" | "access" => AnsiColor::Cyan,
            "authentication" => AnsiColor::Magenta,
            _ => return Style::new(),
        };
        colour.on_default()
    }

    /// The event as cells of [`COLUMNS`]; with `now`, what is recent is told by how long ago it was.
    pub(crate) fn row(self, now: Option<Timestamp>, stage: &Stage) -> Vec<Cell> {
        let time = self.time().map_or_else(String::new, |at| moment::shown(at, now, stage.zone.as_ref()));
        let mut targets: Vec<String> =
            self.targets().take(TARGETS_SHOWN).map(|target| named(target, NameForm::Short)).collect();
        let more = self.targets().count() - targets.len();
        if more > 0 {
            targets.push(format!("+{more}"));
        }
        let action = self.text(&["action"]);
        let action = if self.failed() { format!("✗ {action}") } else { action.to_owned() };
        let words = [&["description"][..], &["outcome", "reason"], &["reason"]];
        let words = words.into_iter().map(|path| self.text(path)).find(|words| !words.is_empty());
        vec![
            Cell::new(&time).styled(Style::new().dimmed()),
            Cell::new(self.text(&["tenant"])),
            Cell::new(&self.0.get("actor").map_or_else(String::new, |actor| named(actor, NameForm::Short))),
            Cell::new(&action).styled(self.style()),
            Cell::new(&targets.join(", ")),
            Cell::new(self.text(&["context", "ip"])),
            Cell::new(words.unwrap_or_default()).styled(Style::new().dimmed()),
        ]
    }

    /// The event whole: a sentence, every member, what changed.
    pub(crate) fn lines(self, stage: &Stage) -> Vec<String> {
        let mut lines = vec![stage.paint(Style::new().bold(), &self.sentence(stage)), String::new()];
        let mut members = Vec::new();
        for (name, value) in self.0.members().filter(|(name, _)| *name != "changes") {
            flatten(name.to_owned(), value, &mut members);
        }
        members.sort_by_key(|(path, _)| place(path));
        lines.extend(aligned(&members, stage));
        if let Some(changes) = self.0.get("changes") {
            lines.push(String::new());
            lines.extend(changed(changes, stage));
        }
        lines
    }

    /// Who did what to what, when, from where, and how it ended.
    fn sentence(self, stage: &Stage) -> String {
        let (done, to_do) = match self.operation().parse().ok() {
            Some(Operation::Create) => ("created", "create"),
            Some(Operation::Read) => ("read", "read"),
            Some(Operation::Update) => ("updated", "update"),
            Some(Operation::Delete) => ("deleted", "delete"),
            Some(Operation::Access) => ("accessed", "access"),
            _ => ("", ""),
        };
        let mut targets: Vec<String> =
            self.targets().take(TARGETS_SHOWN).map(|target| named(target, NameForm::Long)).collect();
        let more = self.targets().count() - targets.len();
        if more > 0 {
            targets.push(format!("{more} more"));
        }
        let targets = targets.join(", ");
        let action = safe(self.text(&["action"]));
        let on = if targets.is_empty() { String::new() } else { format!(" on {targets}") };
        // Without something that it was done to, the action itself says most.
        let (done, to_do) = if targets.is_empty() || done.is_empty() {
            (format!("did {action}{on}"), format!("do {action}{on}"))
        } else {
            (format!("{done} {targets}"), format!("{to_do} {targets}"))
        };
        let actor =
            self.0.get("actor").map_or_else(|| "somebody".to_owned(), |actor| named(actor, NameForm::Long));
        let ending = match self.text(&["outcome", "result"]) {
            "failure" => "and failed",
            "denied" => "and was denied",
            _ => "",
        };
        let mut sentence =
            if self.failed() { format!("{actor} tried to {to_do}") } else { format!("{actor} {done}") };
        if let Some(at) = self.time() {
            let shown =
                stage.zone.as_ref().map_or_else(|| at.to_string(), |zone| moment::with_offset(at, zone));
            sentence.push_str(&format!(", {shown}"));
        }
        let from = [self.text(&["context", "ip"]), self.text(&["context", "location"])];
        let from: Vec<_> = from.into_iter().filter(|text| !text.is_empty()).map(safe).collect();
        if !from.is_empty() {
            sentence.push_str(&format!(", from {}", from.join(", ")));
        }
        if !ending.is_empty() {
            sentence.push_str(&format!(", {ending}"));
            let reason = safe(self.text(&["outcome", "reason"]));
            if !reason.is_empty() {
                sentence.push_str(&format!(": {reason}"));
            }
        }
        sentence
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum NameForm {
    /// `Ana (user)`
    Short,
    /// `Ana (user u1)`
    Long,
}

/// Somebody or something by name, else by id, with its type; a safe text if its parts are made safe later or here.
fn named(thing: Value<'_>, form: NameForm) -> String {
    let text = |name: &str| thing.get(name).and_then(Value::as_str).unwrap_or_default();
    let (kind, id) = (text("type"), text("id"));
    let name =
        [text("name"), text("email"), id, kind].into_iter().find(|name| !name.is_empty()).unwrap_or_default();
    let id_beside = if form == NameForm::Long && name != id { id } else { "" };
    let beside = [if name == kind { "" } else { kind }, id_beside];
    let beside: Vec<&str> = beside.into_iter().filter(|part| !part.is_empty()).collect();
    if beside.is_empty() {
        safe(name).into_owned()
    } else {
        safe(&format!("{name} ({})", beside.join(" "))).into_owned()
    }
}

/// Where a member stands among those shown: what tells most comes first, what annals added last.
fn place(path: &str) -> usize {
    const ORDER: [&str; 23] = [
        "id",
        "tenant",
        "occurred_at",
        "action",
        "operation",
        "description",
        "reason",
        "category",
        "severity",
        "actor",
        "targets",
        "outcome",
        "context",
        "request",
        "trace",
        "scope",
        "source",
        "metadata",
        "",
        "position",
        "ledger_seq",
        "received_at",
        "derived",
    ];
    let member = path.split(['.', '[']).next().unwrap_or_default();
    let unknown = ORDER.iter().position(|known| known.is_empty()).unwrap_or_default();
    ORDER.iter().position(|known| *known == member).unwrap_or(unknown)
}

/// The scalars of a value with their paths. `{}` and `[]` are shown as such.
fn flatten(path: String, value: Value<'_>, out: &mut Vec<(String, String)>) {
    match value.kind() {
        Kind::Object if !value.is_empty() => {
            for (name, value) in value.members() {
                let name = safe(name);
                let path = if path.is_empty() { name.into_owned() } else { format!("{path}.{name}") };
                flatten(path, value, out);
            }
        }
        Kind::Array if !value.is_empty() => {
            for (index, value) in value.items().enumerate() {
                flatten(format!("{path}[{index}]"), value, out);
            }
        }
        Kind::String => out.push((path, safe(value.as_str().unwrap_or_default()).into_owned())),
        _ => out.push((path, value.token().to_owned())),
    }
}

fn aligned(members: &[(String, String)], stage: &Stage) -> Vec<String> {
    let columns = members.iter().map(|(path, _)| width(path)).max().unwrap_or(0).min(NAMES_PADDED_MAX);
    let line = |(path, value): &(String, String)| {
        let name = stage.paint(Style::new().dimmed(), path);
        format!("{name}{}  {value}", padding(path, columns)).trim_end().to_owned()
    };
    members.iter().map(line).collect()
}

/// What was before and what after, member by member.
fn changed(changes: Value<'_>, stage: &Stage) -> Vec<String> {
    let side = |name: &str| {
        let mut members = Vec::new();
        if let Some(value) = changes.get(name) {
            flatten(String::new(), value, &mut members);
        }
        members.into_iter().collect::<BTreeMap<_, _>>()
    };
    let (before, after) = (side("before"), side("after"));
    let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let (paths, same): (Vec<&String>, Vec<&String>) =
        all.into_iter().partition(|path| before.get(*path) != after.get(*path));
    let columns = paths.iter().map(|path| width(path)).max().unwrap_or(0).min(NAMES_PADDED_MAX);
    let (old, new) = (AnsiColor::Red.on_default(), AnsiColor::Green.on_default());
    let mut lines = vec!["changes".to_owned()];
    for path in paths {
        let told = match (before.get(path), after.get(path)) {
            (Some(before), Some(after)) => {
                format!("{} → {}", stage.paint(old, before), stage.paint(new, after))
            }
            (Some(before), None) => stage.paint(old, &format!("- {before}")),
            (None, Some(after)) => stage.paint(new, &format!("+ {after}")),
            (None, None) => continue,
        };
        lines.push(format!("  {path}{}  {told}", padding(path, columns)));
    }
    if !same.is_empty() {
        lines.push(format!("  {} unchanged", same.len()));
    }
    if changes.get("complete").and_then(Value::as_bool) == Some(true) {
        lines.push("  (whole states)".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests;
