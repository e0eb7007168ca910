//! What a viewer token narrows everything to: a tenant, fixed conditions, and members that are hidden.
//!
//! A view is enforced where answers are made, not route by route: whoever asks for a [`Matcher`] gets one that holds to the view
//! ([`App::matcher`]), and whoever writes records writes them through a [`Shape`]. What is hidden is not in an answer, and
//! nothing can be asked that would tell of it: neither of the member, nor of what holds it, nor of anything inside it.

use std::sync::Arc;

use annals_event::filter::{self, Condition, Field, Matcher};
use annals_event::json::{Document, Kind, Limits, Value, write_string};
use annals_ledger::{Damaged, LogKind, Poured, Record, TenantLog};
use serde_json::Map;

use crate::access::{Subject, Verb};
use crate::app::App;
use crate::auth::{Asker, Caller};
use crate::conditions::Conditions;
use crate::problem::{Code, Problem};

/// Most members that a view hides.
pub(crate) const HIDDEN_MAX: usize = 64;

/// Members that stay: by these an event is told from others, ordered and asked for.
const SHOWN_ALWAYS: [&str; 7] =
    ["id", "action", "occurred_at", "received_at", "position", "tenant", "derived"];

/// What a viewer token narrows everything to.
#[derive(Debug)]
pub(crate) struct View {
    /// Marks the token in the access log.
    pub(crate) marker: String,
    /// For whom it was made, in the words of whoever made it.
    pub(crate) viewer: Option<String>,
    /// When it ends, µs since 1970.
    pub(crate) until_us: i64,
    /// Names what is seen through it: two tokens that show the same have the same.
    pub(crate) name: String,
    /// Decides what is seen.
    matcher: Matcher,
    hidden: Hidden,
}

impl View {
    pub(crate) fn new(
        (marker, name): (String, String),
        viewer: Option<String>,
        until_us: i64,
        condition: Condition,
        hidden: Hidden,
    ) -> Self {
        Self { marker, viewer, until_us, name, matcher: Matcher::new(condition), hidden }
    }

    /// Whether the record is one of those that are seen.
    pub(crate) fn shows(&self, record: &Record) -> bool {
        self.matcher.matches(&mut Document::default(), &record.event, &record.known())
    }

    /// The record without what is hidden.
    fn stripped(&self, record: &Record) -> Record {
        let mut event = Vec::with_capacity(record.event.len());
        self.hidden.strip(&record.event, &mut event);
        Record {
            event: event.into(),
            operation_derived: record.operation_derived && !self.hidden.operation,
            ..record.clone()
        }
    }
}

impl App {
    /// What records must satisfy that are found by these conditions, for this caller. That somebody asks about what is hidden from
    /// him is put on record.
    ///
    /// # Errors
    ///
    /// As [`Conditions::matcher`]; `field_hidden`.
    pub(crate) async fn matcher(&self, asker: &Asker, conditions: &Conditions) -> Result<Matcher, Problem> {
        let asked = conditions.matcher()?;
        let Some(view) = &asker.caller.view else { return Ok(asked) };
        for pair in conditions.pairs() {
            let one = filter::from_parameters(std::slice::from_ref(pair))?;
            if let Err(told) = view.hidden.check(&one) {
                return Err(self.refused(asker, hides(&told).in_parameter(&pair.0)).await?);
            }
        }
        Ok(Matcher::new(view.matcher.condition().clone().and(asked.condition().clone())))
    }

    /// Refuses to count by a field that is hidden from the caller, and puts that on record.
    ///
    /// # Errors
    ///
    /// `field_hidden`.
    pub(crate) async fn check_counted(
        &self,
        asker: &Asker,
        parameter: &str,
        field: &Field,
    ) -> Result<(), Problem> {
        let Some(view) = &asker.caller.view else { return Ok(()) };
        match view.hidden.check_field(&[], field) {
            Ok(()) => Ok(()),
            Err(told) => {
                Err(self.refused(asker, hides(&Asked::Member(told)).in_parameter(parameter)).await?)
            }
        }
    }

    /// The problem, once it stands on record that the holder of a viewer token was refused.
    ///
    /// # Errors
    ///
    /// It cannot be put on record.
    pub(crate) async fn refused(&self, asker: &Asker, problem: Problem) -> Result<Problem, Problem> {
        if let Some(tenant) = asker.caller.tenant.clone() {
            let subject = Subject::Log(TenantLog { tenant, kind: LogKind::Tenant });
            self.access.note(asker, Verb::Read, &subject, Map::new(), Some(&problem)).await?;
        }
        Ok(problem)
    }
}

/// How records are written for whoever asks.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    for_platform: bool,
    view: Option<Arc<View>>,
}

impl Shape {
    /// For this caller.
    pub(crate) fn of(caller: &Caller) -> Self {
        Self {
            for_platform: caller.is_platform(),
            view: caller.view.clone().filter(|view| !view.hidden.is_empty()),
        }
    }

    /// Appends the record as one JSON object.
    pub(crate) fn write(&self, record: &Record, out: &mut Vec<u8>) {
        match &self.view {
            None => record.write_json(self.for_platform, out),
            Some(view) => view.stripped(record).write_json(self.for_platform, out),
        }
    }

    /// As [`Shape::write`], of a record of an export.
    ///
    /// # Errors
    ///
    /// It cannot be read; then nothing is appended.
    pub(crate) fn write_poured(&self, record: &mut Poured<'_>, out: &mut Vec<u8>) -> Result<(), Damaged> {
        match self.view {
            None => record.write_json(self.for_platform, out),
            Some(_) => {
                self.write(&record.record()?, out);
                Ok(())
            }
        }
    }
}

/// Members that are hidden.
#[derive(Debug, Default)]
pub(crate) struct Hidden {
    /// Names from the outside in, arrays passed through, each with the words that it was given in.
    paths: Vec<(Vec<Box<str>>, String)>,
    /// The operation is, sent or derived.
    operation: bool,
}

/// What is asked of that would tell of something hidden.
enum Asked {
    /// A member, under its name as it was hidden.
    Member(String),
    /// All texts.
    Everything,
}

fn hides(asked: &Asked) -> Problem {
    let detail = match asked {
        Asked::Member(hidden) => format!("the viewer token hides `{hidden}`, so nothing can be asked that would tell of it"),
        Asked::Everything => {
            "this looks at every member of an event, and the viewer token hides some of them; ask about single members".to_owned()
        }
    };
    Problem::new(Code::FieldHidden, detail)
}

impl Hidden {
    /// Reads the paths of members, as a filter writes them.
    ///
    /// # Errors
    ///
    /// Which of them is wrong, and how.
    pub(crate) fn parse(texts: &[String]) -> Result<Self, (usize, String)> {
        if texts.len() > HIDDEN_MAX {
            return Err((
                HIDDEN_MAX,
                format!("{} members are named, at most {HIDDEN_MAX} can be hidden", texts.len()),
            ));
        }
        let mut hidden = Self::default();
        for (index, text) in texts.iter().enumerate() {
            let field = filter::parse_field(text)
                .map_err(|error| (index, format!("`{text}` names no member: {error}")))?;
            let names: Vec<Box<str>> = match field {
                Field::Member(path) => path.as_slice().to_vec(),
                Field::Operation => vec!["operation".into()],
                _ => Vec::new(),
            };
            let Some(first) = names.first().filter(|first| !SHOWN_ALWAYS.contains(&&***first)) else {
                let detail =
                    format!("`{text}` cannot be hidden: events are told apart, ordered and asked for by it");
                return Err((index, detail));
            };
            hidden.operation |= &**first == "operation";
            hidden.paths.push((names, text.clone()));
        }
        Ok(hidden)
    }

    fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// What of a condition would tell of something hidden.
    fn check(&self, condition: &Condition) -> Result<(), Asked> {
        self.check_below(&[], condition)
    }

    fn check_below(&self, base: &[Box<str>], condition: &Condition) -> Result<(), Asked> {
        match condition {
            Condition::All(all) | Condition::Any(all) => {
                all.iter().try_for_each(|one| self.check_below(base, one))
            }
            Condition::Not(inner) => self.check_below(base, inner),
            Condition::Field(field, _) => self.check_field(base, field).map_err(Asked::Member),
            Condition::Element(path, inner) => {
                let below = [base, path.as_slice()].concat();
                // Of what holds something hidden other members may be asked for.
                self.hides_what_holds(&below).map_err(Asked::Member)?;
                // But not so that it is enough that it is there: it may be there for what is hidden alone.
                if holds_for_empty(inner) {
                    self.hides_inside(&below).map_err(Asked::Member)?;
                }
                self.check_below(&below, inner)
            }
            Condition::Words(_) | Condition::Mentions(_) if self.is_empty() => Ok(()),
            Condition::Words(_) | Condition::Mentions(_) => Err(Asked::Everything),
        }
    }

    fn check_field(&self, base: &[Box<str>], field: &Field) -> Result<(), String> {
        let operation: [Box<str>; 1] = ["operation".into()];
        let path = match field {
            Field::Member(path) => [base, path.as_slice()].concat(),
            Field::Operation => operation.to_vec(),
            Field::OccurredAt | Field::ReceivedAt | Field::Position | Field::Tenant => return Ok(()),
        };
        self.hides_what_holds(&path)?;
        self.hides_inside(&path)
    }

    /// Whether the member at the path, or one around it, is hidden.
    fn hides_what_holds(&self, path: &[Box<str>]) -> Result<(), String> {
        let around = self.paths.iter().find(|(hidden, _)| path.starts_with(hidden));
        around.map_or(Ok(()), |(_, text)| Err(text.clone()))
    }

    /// Whether the member at the path, or something inside it, is hidden.
    fn hides_inside(&self, path: &[Box<str>]) -> Result<(), String> {
        let inside = self.paths.iter().find(|(hidden, _)| hidden.starts_with(path));
        inside.map_or(Ok(()), |(_, text)| Err(text.clone()))
    }

    /// Writes an event without what is hidden.
    fn strip(&self, canonical: &[u8], out: &mut Vec<u8>) {
        let paths: Vec<&[Box<str>]> = self.paths.iter().map(|(names, _)| names.as_slice()).collect();
        let mut document = Document::default();
        // Stored events met limits when they were taken. One that cannot be read any more shows nothing.
        match document.parse(canonical, Limits { depth_max: usize::MAX }) {
            Ok(event) => drop(write_without(event, &paths, out)),
            Err(_) => out.extend_from_slice(b"{}"),
        }
    }
}

/// Whether a condition on an element holds for one without members.
fn holds_for_empty(condition: &Condition) -> bool {
    match condition {
        Condition::All(all) => all.iter().all(holds_for_empty),
        Condition::Any(any) => any.iter().any(holds_for_empty),
        Condition::Not(inner) => !holds_for_empty(inner),
        // Inside an element these look at its members alone.
        Condition::Field(..) | Condition::Element(..) | Condition::Words(_) | Condition::Mentions(_) => false,
    }
}

/// Writes a value without what is at the paths, arrays passed through. False when it was an object of which nothing is left.
fn write_without(value: Value<'_>, paths: &[&[Box<str>]], out: &mut Vec<u8>) -> bool {
    match value.kind() {
        Kind::Array if !paths.is_empty() => {
            out.push(b'[');
            for (index, item) in value.items().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                // An item of which nothing is left keeps its place.
                write_without(item, paths, out);
            }
            out.push(b']');
            true
        }
        Kind::Object if !paths.is_empty() => {
            out.push(b'{');
            let begin = out.len();
            for (name, member) in value.members() {
                let below: Vec<&[Box<str>]> = paths
                    .iter()
                    .filter_map(|path| {
                        path.split_first().filter(|(first, _)| ***first == *name).map(|(_, rest)| rest)
                    })
                    .collect();
                if below.iter().any(|rest| rest.is_empty()) {
                    continue;
                }
                let before = out.len();
                if before > begin {
                    out.push(b',');
                }
                write_string(name, out);
                out.push(b':');
                if !write_without(member, &below, out) {
                    out.truncate(before);
                }
            }
            let has_any = out.len() > begin;
            out.push(b'}');
            has_any || value.is_empty()
        }
        _ => {
            value.write_canonical(out);
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(paths: &[&str]) -> Hidden {
        Hidden::parse(&paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn stripped(paths: &[&str], event: &str) -> String {
        let mut out = Vec::new();
        hidden(paths).strip(event.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_hidden_is_left_out_wherever_a_path_leads() {
        let event = r#"{"action":"a","context":{"ip":"1"},"metadata":{"a":[[{"b":{"c":1,"d":2}}],{"b":7}],"é":1},"targets":[{"id":"v","metadata":{"x":1}},{"metadata":{"x":[2],"y":3}},null]}"#;
        for (paths, left) in [
            (&["context.ip"][..], event.replace(r#""context":{"ip":"1"},"#, "")),
            (&["metadata.a.b.c"], event.replace(r#""c":1,"#, "")),
            (&["metadata.a.b"], event.replace(r#"[{"b":{"c":1,"d":2}}],{"b":7}"#, "[{}],{}")),
            (
                &["metadata.\"é\"", "metadata.a"],
                event.replace(r#""metadata":{"a":[[{"b":{"c":1,"d":2}}],{"b":7}],"é":1},"#, ""),
            ),
            (&["targets.metadata.x"], event.replace(r#","metadata":{"x":1}"#, "").replace(r#""x":[2],"#, "")),
            (&["targets"], event.split(r#","targets""#).next().unwrap().to_owned() + "}"),
            (&["actor.email", "metadata.b"], event.to_owned()),
        ] {
            assert_eq!(stripped(paths, event), left, "{paths:?}");
        }
        // An object that was empty before tells nothing.
        assert_eq!(stripped(&["context.ip"], r#"{"context":{}}"#), r#"{"context":{}}"#);
        assert_eq!(stripped(&["context.ip"], "not json"), "{}");
    }

    #[test]
    fn nothing_can_be_asked_that_would_tell_of_what_is_hidden() {
        let hidden = hidden(&[
            "context.ip",
            "metadata.internal",
            "targets.metadata",
            "operation",
            "changes.before.deep.secret",
            "actor.chain.id",
        ]);
        let is_refused = |filter: &str| {
            let condition = filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
            hidden.check(&condition).is_err()
        };
        for refused in [
            r#"context.ip eq "1""#,
            "context pr",
            "metadata pr",
            "metadata.internal pr",
            r#"metadata.internal.deep eq 1"#,
            r#"not (metadata.internal eq 1)"#,
            r#"action eq "a" or (metadata.n eq 1 and metadata.internal eq 1)"#,
            r#"metadata[internal eq 1]"#,
            r#"metadata.internal[a eq 1]"#,
            r#"targets[metadata.x eq 1]"#,
            r#"targets[id eq "v" and not (metadata.x eq 1)]"#,
            r#"targets.metadata.x eq 1 and targets.id eq "v""#,
            // What holds for an element without members tells whether there is one, and so of what it holds alone.
            "context[not (user_agent pr)]",
            r#"context[user_agent ne "x"]"#,
            r#"context[not (user_agent eq "x" and location pr)]"#,
            r#"context[user_agent pr or not (location pr)]"#,
            "context[user_agent eq null]",
            "not (context[not (user_agent pr)])",
            "metadata[not (zz pr)]",
            "changes[not (before.x pr)]",
            "changes.before[not (x pr)]",
            "changes.before.deep[not (x pr)]",
            "actor[chain[not (name pr)]]",
            "actor[not (name pr)]",
            "targets pr",
            "operation pr",
            r#""operation" eq "update""#,
        ] {
            assert!(is_refused(refused), "{refused}");
        }
        for allowed in [
            r#"context.user_agent eq "x""#,
            "metadata.n pr",
            r#"metadata.internals eq 1"#,
            r#"targets[id eq "v"]"#,
            r#"targets[id pr and type ne "video"]"#,
            r#"context[user_agent eq "x" and not (location pr)]"#,
            "not (context[user_agent pr])",
            "metadata.open[not (x pr)]",
            "actor[chain[name pr] and not (email pr)]",
            r#"targets.type eq "video" and targets.id eq "v""#,
            "position ge 1",
        ] {
            assert!(!is_refused(allowed), "{allowed}");
        }
        for everywhere in [("q", "x"), ("mentions", "x")] {
            let condition = filter::from_parameters(&[everywhere]).unwrap();
            assert!(
                hidden.check(&condition).is_err() && Hidden::default().check(&condition).is_ok(),
                "{everywhere:?}"
            );
        }
    }

    #[test]
    fn what_events_are_told_apart_by_cannot_be_hidden() {
        for path in [
            "id",
            "action",
            "position",
            "occurred_at",
            "received_at",
            "tenant",
            "\"occurred_at\"",
            "\"derived\".operation",
        ] {
            let refused = Hidden::parse(&[path.to_owned()]).unwrap_err();
            assert!(refused.1.contains("cannot be hidden"), "{path}: {refused:?}");
        }
        for path in ["colour", "", "actor.", "actor.shoe"] {
            assert!(Hidden::parse(&[path.to_owned()]).unwrap_err().1.contains("names no member"), "{path}");
        }
        assert!(Hidden::parse(&vec!["actor.id".to_owned(); HIDDEN_MAX + 1]).is_err());
    }
}
