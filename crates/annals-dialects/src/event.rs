//! An event as annals takes it: what an entry of a vendor's becomes. What is `None` is not known, and not written.

use std::borrow::Cow;

use annals_event::json::Value;
use annals_event::model::ACTION_BYTES_MAX;

use crate::json::{Object, object, text_if_at};
use crate::params::Refusal;

/// A text, of the entry or made from it.
pub type Text<'a> = Option<Cow<'a, str>>;

/// An event.
#[derive(Clone, Default)]
pub struct Event<'a> {
    /// Its id.
    pub id: Text<'a>,
    /// When it happened.
    pub occurred_at: Text<'a>,
    /// What was done.
    pub action: Cow<'a, str>,
    /// The coarse verb.
    pub operation: Option<&'static str>,
    /// The part of the product.
    pub category: Text<'a>,
    /// For people.
    pub description: Text<'a>,
    /// Who did it.
    pub actor: Actor<'a>,
    /// `context.ip`
    pub ip: Option<&'a str>,
    /// `context.user_agent`
    pub user_agent: Option<&'a str>,
    /// `context.application`
    pub application: Option<&'a str>,
    /// `request.id`
    pub request_id: Option<&'a str>,
    /// `request.method`
    pub method: Option<&'a str>,
    /// `request.path`
    pub path: Option<&'a str>,
    /// `request.status_code`
    pub status_code: Option<u64>,
    /// `scope.project`
    pub project: Option<&'a str>,
    /// `scope.team`
    pub team: Option<&'a str>,
    /// `source.name`
    pub source: Option<&'a str>,
    /// To what, in order.
    pub targets: Vec<Target<'a>>,
    /// `changes.before`
    pub before: Option<State<'a>>,
    /// `changes.after`
    pub after: Option<State<'a>>,
}

/// Who did it.
#[derive(Clone, Debug, Default)]
pub struct Actor<'a> {
    /// `actor.type`
    pub kind: Option<&'a str>,
    /// `actor.id`
    pub id: Option<&'a str>,
    /// `actor.name`
    pub name: Option<&'a str>,
    /// `actor.email`
    pub email: Option<&'a str>,
}

/// To what.
#[derive(Clone, Debug, Default)]
pub struct Target<'a> {
    /// `type`
    pub kind: Text<'a>,
    /// `id`
    pub id: Option<&'a str>,
    /// `name`
    pub name: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// The only one, if it has a type or an id.
    #[must_use]
    pub fn of(kind: Option<String>, id: Option<&'a str>, name: Option<&'a str>) -> Vec<Self> {
        let is_any = kind.is_some() || id.is_some();
        let target = Self { kind: kind.map(Cow::Owned), id, name };
        Some(target).filter(|_| is_any).into_iter().collect()
    }
}

/// A side of a change.
#[derive(Clone, Copy)]
pub enum State<'a> {
    /// There is nothing.
    Gone,
    /// This.
    Is(Value<'a>),
}

impl Event<'_> {
    /// Writes it.
    pub fn write(&self, out: &mut Vec<u8>) {
        object(out, |event| {
            event.text_if("id", self.id.as_deref());
            event.text_if("occurred_at", self.occurred_at.as_deref());
            event.text("action", &self.action);
            event.text_if("operation", self.operation);
            event.text_if("category", self.category.as_deref());
            event.text_if("description", self.description.as_deref());
            let Actor { kind, id, name, email } = self.actor;
            event.texts_if("actor", &[("type", kind), ("id", id), ("name", name), ("email", email)]);
            let context =
                [("ip", self.ip), ("user_agent", self.user_agent), ("application", self.application)];
            event.texts_if("context", &context);
            event.texts_if("scope", &[("project", self.project), ("team", self.team)]);
            event.texts_if("source", &[("name", self.source)]);
            self.write_request(event);
            self.write_targets(event);
            self.write_changes(event);
        });
    }

    fn write_request(&self, event: &mut Object<'_>) {
        let texts = [("id", self.request_id), ("method", self.method), ("path", self.path)];
        if texts.iter().all(|(_, text)| text.is_none()) && self.status_code.is_none() {
            return;
        }
        event.object("request", |request| {
            for (name, text) in texts {
                request.text_if(name, text);
            }
            if let Some(code) = self.status_code {
                request.integer("status_code", code);
            }
        });
    }

    fn write_targets(&self, event: &mut Object<'_>) {
        if self.targets.is_empty() {
            return;
        }
        event.array("targets", &self.targets, |target, of| {
            target.text_if("type", of.kind.as_deref());
            target.text_if("id", of.id);
            target.text_if("name", of.name);
        });
    }

    fn write_changes(&self, event: &mut Object<'_>) {
        if self.before.is_none() && self.after.is_none() {
            return;
        }
        event.object("changes", |changes| {
            for (name, state) in [("before", self.before), ("after", self.after)] {
                match state {
                    None => {}
                    Some(State::Gone) => changes.null(name),
                    Some(State::Is(value)) => changes.value(name, value),
                }
            }
        });
    }
}

/// The text of a member without which an entry is none.
///
/// # Errors
///
/// It is no text, or empty.
pub fn needed<'a>(entry: Value<'a>, name: &'static str) -> Result<&'a str, Refusal> {
    let text = text_if_at(entry, &[name]).filter(|text| !text.is_empty());
    text.ok_or_else(|| Refusal::new(name, "must be a text"))
}

/// The action of an event whose vendor names the thing and the verb apart: `users.update`.
#[must_use]
pub fn action(thing: Option<&str>, verb: &str) -> String {
    let mut action = match thing.filter(|thing| !thing.is_empty()) {
        None => verb.to_owned(),
        Some(of) => format!("{of}.{verb}"),
    };
    action.truncate(action.floor_char_boundary(ACTION_BYTES_MAX));
    action
}
