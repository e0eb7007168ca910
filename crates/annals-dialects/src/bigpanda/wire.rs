//! An entry as it is on the wire, from a record and to an event.
//!
//! Source: *Audit Log Object*. `actor.user` and `context` only of what a user did; `object` is the state after the change, `null`
//! when the resource is gone. Our reading: an `id`, which the vendor does not send, at the end.

use std::borrow::Cow;

use annals_event::filter::Subject;
use annals_event::json::{Kind, Value};
use annals_event::model::ACTION_BYTES_MAX;
use annals_event::{Operation, Timestamp};
use sha2::{Digest, Sha256};

use super::{BigPanda, SYSTEM, USER};
use crate::json::{at, first_target, object, text_at, text_if_at};
use crate::params::Refusal;
use crate::time::seconds;

/// Bytes of the hash that an entry without an id is known by.
const HASH_BYTES: usize = 16;

/// An entry.
pub(super) struct Entry<'a> {
    /// None when nobody did it.
    user: Option<User<'a>>,
    action_type: &'a str,
    resource_type: &'a str,
    resource_id: &'a str,
    timestamp: i64,
    /// None when it is not known.
    object: Option<State<'a>>,
    id: Option<&'a str>,
}

struct User<'a> {
    id: &'a str,
    email: Option<&'a str>,
    name: Option<&'a str>,
    ip_address: Option<&'a str>,
    user_agent: Option<&'a str>,
}

/// A resource after a change.
enum State<'a> {
    Gone,
    Is(Value<'a>),
}

impl<'a> Entry<'a> {
    /// A record as the vendor would have sent it.
    pub(super) fn of(record: &Subject<'a>, settings: &'a BigPanda) -> Self {
        let event = record.event;
        let is_system = settings.actor_types.theirs(text_at(event, &["actor", "type"])) == SYSTEM;
        let target = first_target(event);
        let resource_type = match target {
            Some(target) => text_at(target, &["type"]),
            None => text_at(event, &["category"]),
        };
        let is_gone = record.known.operation == Operation::Delete;
        let after = at(event, &["changes", "after"]).map(State::Is);
        Self {
            user: (!is_system).then(|| User {
                id: text_at(event, &["actor", "id"]),
                email: text_if_at(event, &["actor", "email"]),
                name: text_if_at(event, &["actor", "name"]),
                ip_address: text_if_at(event, &["context", "ip"]),
                user_agent: text_if_at(event, &["context", "user_agent"]),
            }),
            action_type: settings.verbs.theirs(record.known.operation, text_at(event, &["action"])),
            resource_type: settings.resource_types.theirs(resource_type),
            resource_id: target.map_or("", |target| text_at(target, &["id"])),
            timestamp: seconds(settings.time.of(&record.known)),
            object: if is_gone { Some(State::Gone) } else { after },
            id: text_if_at(event, &["id"]),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        object(out, |entry| {
            entry.object("actor", |actor| {
                actor.text("type", if self.user.is_some() { USER } else { SYSTEM });
                if let Some(of) = &self.user {
                    actor.object("user", |user| {
                        user.text("id", of.id);
                        user.text_if("email", of.email);
                        user.text_if("name", of.name);
                    });
                }
            });
            entry.text("action_type", self.action_type);
            if let Some(of) = self.user.as_ref().filter(|of| of.ip_address.or(of.user_agent).is_some()) {
                entry.object("context", |context| {
                    context.object("actor_access", |access| {
                        access.text_if("ip_address", of.ip_address);
                        access.text_if("user_agent", of.user_agent);
                    });
                });
            }
            entry.text("resource_type", self.resource_type);
            entry.text("resource_id", self.resource_id);
            entry.signed("timestamp", self.timestamp);
            match &self.object {
                None => entry.object("object", |_| {}),
                Some(State::Gone) => entry.null("object"),
                Some(State::Is(value)) => entry.value("object", *value),
            }
            entry.text_if("id", self.id);
        });
    }

    /// What the vendor sent.
    pub(super) fn read(entry: Value<'a>) -> Result<Self, Refusal> {
        let needed = |name: &'static str| {
            let text = text_if_at(entry, &[name]).filter(|text| !text.is_empty());
            text.ok_or_else(|| Refusal::new(name, "must be a text"))
        };
        let timestamp = at(entry, &["timestamp"]).and_then(|value| {
            let digits = value.as_str().unwrap_or_else(|| value.token());
            digits.parse::<i64>().ok().filter(|seconds| time(*seconds).is_some())
        });
        let user = |of: Value<'a>| User {
            id: text_at(of, &["id"]),
            email: text_if_at(of, &["email"]),
            name: text_if_at(of, &["name"]),
            ip_address: text_if_at(entry, &["context", "actor_access", "ip_address"]),
            user_agent: text_if_at(entry, &["context", "actor_access", "user_agent"]),
        };
        Ok(Self {
            user: at(entry, &["actor", "user"]).map(user),
            action_type: needed("action_type")?,
            resource_type: text_at(entry, &["resource_type"]),
            resource_id: text_at(entry, &["resource_id"]),
            timestamp: timestamp.ok_or_else(|| Refusal::new("timestamp", "must be a time in seconds"))?,
            object: entry.get("object").map(|value| match value.kind() {
                Kind::Null => State::Gone,
                _ => State::Is(value),
            }),
            id: text_if_at(entry, &["id"]).filter(|id| !id.is_empty()),
        })
    }

    /// The event that annals takes.
    pub(super) fn write_event(&self, settings: &BigPanda, out: &mut Vec<u8>) {
        let resource_type = settings.resource_types.ours(self.resource_type);
        let operation = settings.verbs.ours(self.action_type);
        let id = self.id.map_or_else(|| self.hash().into(), Cow::Borrowed);
        object(out, |event| {
            event.text("id", &id);
            event.text("occurred_at", &time(self.timestamp).expect("it was read before").to_string());
            event.text("action", &self.action());
            event.text("operation", operation.as_str());
            event.object("actor", |actor| match &self.user {
                None => actor.text("type", settings.actor_types.ours(SYSTEM)),
                Some(user) => {
                    actor.text("type", USER);
                    actor.text("id", user.id);
                    actor.text_if("email", user.email);
                    actor.text_if("name", user.name);
                }
            });
            if let Some(user) = &self.user {
                event.object("context", |context| {
                    context.text_if("ip", user.ip_address);
                    context.text_if("user_agent", user.user_agent);
                });
            }
            event.text("category", resource_type);
            event.array_of_one("targets", |target| {
                target.text("type", resource_type);
                target.text("id", self.resource_id);
            });
            match &self.object {
                Some(State::Is(value)) => event.object("changes", |changes| changes.value("after", *value)),
                Some(State::Gone) if operation != Operation::Delete => {
                    event.object("changes", |changes| changes.null("after"));
                }
                _ => {}
            }
        });
    }

    /// `users.update`: the vendor names the thing and the verb apart.
    fn action(&self) -> String {
        let mut action = match self.resource_type {
            "" => self.action_type.to_owned(),
            of => format!("{of}.{}", self.action_type),
        };
        action.truncate(action.floor_char_boundary(ACTION_BYTES_MAX));
        action
    }

    /// What tells an entry without an id from others: everything that it says but where its user came from.
    fn hash(&self) -> String {
        let mut said = Vec::new();
        object(&mut said, |all| {
            all.signed("timestamp", self.timestamp);
            all.text("resource_type", self.resource_type);
            all.text("resource_id", self.resource_id);
            all.text("action_type", self.action_type);
            all.text_if("actor", self.user.as_ref().map(|user| user.id));
            match &self.object {
                Some(State::Is(value)) => all.value("object", *value),
                _ => all.null("object"),
            }
        });
        Sha256::digest(said).iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect()
    }
}

fn time(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_millis(seconds.checked_mul(1_000)?)
}
