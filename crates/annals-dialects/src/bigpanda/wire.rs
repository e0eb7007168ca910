//! An entry as it is on the wire, from a record and to an event.
//!
//! Source: *Audit Log Object*. `actor.user` and `context` only of what a user did; `object` is the state after the change, `null`
//! when the resource is gone. Our reading: an `id`, which the vendor does not send, at the end.

use annals_event::filter::Subject;
use annals_event::json::{Kind as Json, Value};
use annals_event::{Operation, Timestamp};
use sha2::{Digest, Sha256};

use super::{BigPanda, SYSTEM, USER};
use crate::event::{Actor, State, Target, action, needed};
use crate::json::{at, first_target, object, text_at, text_if_at};
use crate::params::Refusal;
use crate::time::seconds;
use crate::{Event, Kind, Member, Named};

/// Bytes of the hash that an entry without an id is known by.
const HASH_BYTES: usize = 16;

/// A page.
pub(super) const LIST: Named = Named {
    name: "BigPandaList",
    about: "A page of BigPanda.",
    members: &[
        Member::integer("status", "200"),
        Member::new("data", Kind::List(&Kind::Named(&ENTRY)), "The entries, the newest first."),
        Member::new("pagination", Kind::Members(PAGINATION), "Where the page stands."),
    ],
};

const PAGINATION: &[Member] = &[
    Member::integer("page", "Its number, from 1."),
    Member::integer("limit", "How many entries a full page has."),
    Member::new("hasMore", Kind::Boolean, "There are more behind it."),
];

const ENTRY: Named = Named {
    name: "BigPandaEntry",
    about: "An entry of BigPanda.",
    members: &[
        Member::new("actor", Kind::Members(ACTOR), "Who did it."),
        Member::text(
            "action_type",
            "`init_state`, `create`, `update`, `delete`, or another word for the event's operation.",
        ),
        Member::new("context", Kind::Members(CONTEXT), "From where; only of what a user did.").or_absent(),
        Member::text("resource_type", "The type of the first target, or without one the event's category."),
        Member::text("resource_id", "The id of the first target; empty without one."),
        Member::integer("timestamp", "Unix time in seconds."),
        Member::new(
            "object",
            Kind::Any,
            "`changes.after`: the state after the change; `null` when it is gone, empty when it is not known.",
        ),
        Member::text("id", "The event's id, which the vendor does not send.").or_absent(),
    ],
};

const ACTOR: &[Member] = &[
    Member::text("type", "`user` or `system-generated`."),
    Member::new("user", Kind::Members(USERS), "Only of users.").or_absent(),
];

const USERS: &[Member] = &[
    Member::text("id", "`actor.id`"),
    Member::text("email", "`actor.email`").or_absent(),
    Member::text("name", "`actor.name`").or_absent(),
];

const CONTEXT: &[Member] = &[Member::new(
    "actor_access",
    Kind::Members(&[
        Member::text("ip_address", "`context.ip`").or_absent(),
        Member::text("user_agent", "`context.user_agent`").or_absent(),
    ]),
    "As the client reported it.",
)];

/// The form of an error.
pub(super) fn error(status: u16) -> &'static Named {
    const ERROR: Named = Named {
        name: "BigPandaError",
        about: "An error of BigPanda.",
        members: &[
            Member::integer("status", "The status once more."),
            Member::new("errors", Kind::List(&Kind::Text), "What happened, for people."),
        ],
    };
    const FORBIDDEN: Named = Named {
        name: "BigPandaForbidden",
        about: "A refusal of BigPanda.",
        members: &[
            Member::integer("statusCode", "403"),
            Member::text("error", "`Forbidden`"),
            Member::text("message", "The same for every refusal."),
            Member::text("detail", "What happened, for people."),
        ],
    };
    if status == 403 { &FORBIDDEN } else { &ERROR }
}

/// Writes a record as the vendor would have sent it.
pub(super) fn write(settings: &BigPanda, record: &Subject<'_>, out: &mut Vec<u8>) {
    let event = record.event;
    let text = |path: &[&str]| text_if_at(event, path);
    let is_user = settings.actor_types.theirs(text_at(event, &["actor", "type"])) != SYSTEM;
    let target = first_target(event);
    let resource_type = target.map_or(text_at(event, &["category"]), |target| text_at(target, &["type"]));
    let access = [("ip_address", text(&["context", "ip"])), ("user_agent", text(&["context", "user_agent"]))];
    object(out, |entry| {
        entry.object("actor", |actor| {
            actor.text("type", if is_user { USER } else { SYSTEM });
            if is_user {
                actor.object("user", |user| {
                    user.text("id", text_at(event, &["actor", "id"]));
                    user.text_if("email", text(&["actor", "email"]));
                    user.text_if("name", text(&["actor", "name"]));
                });
            }
        });
        let verb = settings.verbs.theirs(record.known.operation, text_at(event, &["action"]));
        entry.text("action_type", verb);
        if is_user && access.iter().any(|(_, text)| text.is_some()) {
            entry.object("context", |context| context.texts_if("actor_access", &access));
        }
        entry.text("resource_type", settings.resource_types.theirs(resource_type));
        entry.text("resource_id", target.map_or("", |target| text_at(target, &["id"])));
        entry.signed("timestamp", seconds(settings.common.time.of(&record.known)));
        match at(event, &["changes", "after"]) {
            _ if record.known.operation == Operation::Delete => entry.null("object"),
            Some(after) => entry.value("object", after),
            None => entry.object("object", |_| {}),
        }
        entry.text_if("id", text(&["id"]).filter(|_| !settings.without_ids));
    });
}

/// The event that an entry becomes.
pub(super) fn event<'a>(settings: &'a BigPanda, entry: Value<'a>) -> Result<Event<'a>, Refusal> {
    let verb = needed(entry, "action_type")?;
    let timestamp = at(entry, &["timestamp"]).and_then(|value| {
        let digits = value.as_str().unwrap_or_else(|| value.token());
        Timestamp::from_millis(digits.parse::<i64>().ok()?.checked_mul(1_000)?)
    });
    let timestamp = timestamp.ok_or_else(|| Refusal::new("timestamp", "must be a time in seconds"))?;
    let kind = settings.resource_types.ours(text_at(entry, &["resource_type"]));
    let operation = settings.verbs.ours(verb);
    let user = at(entry, &["actor", "user"]);
    let access = |name| user.and_then(|_| text_if_at(entry, &["context", "actor_access", name]));
    let id = text_if_at(entry, &["id"]).filter(|id| !id.is_empty());
    Ok(Event {
        id: Some(id.map_or_else(|| hash(entry, timestamp).into(), Into::into)),
        occurred_at: Some(timestamp.to_string().into()),
        action: action(text_if_at(entry, &["resource_type"]), verb).into(),
        operation: Some(operation.as_str()),
        category: Some(kind.into()),
        actor: match user {
            None => Actor { kind: Some(settings.actor_types.ours(SYSTEM)), ..Actor::default() },
            Some(user) => Actor {
                kind: Some(USER),
                id: Some(text_at(user, &["id"])),
                email: text_if_at(user, &["email"]),
                name: text_if_at(user, &["name"]),
            },
        },
        ip: access("ip_address"),
        user_agent: access("user_agent"),
        targets: vec![Target {
            kind: Some(kind.into()),
            id: Some(text_at(entry, &["resource_id"])),
            name: None,
        }],
        after: match entry.get("object") {
            Some(state) if state.kind() != Json::Null => Some(State::Is(state)),
            Some(_) if operation != Operation::Delete => Some(State::Gone),
            _ => None,
        },
        ..Event::default()
    })
}

/// What tells an entry without an id from others: everything that it says but where its user came from.
fn hash(entry: Value<'_>, timestamp: Timestamp) -> String {
    let mut said = Vec::new();
    object(&mut said, |all| {
        all.signed("timestamp", seconds(timestamp));
        for name in ["resource_type", "resource_id", "action_type"] {
            all.text(name, text_at(entry, &[name]));
        }
        all.text_if("actor", text_if_at(entry, &["actor", "user", "id"]));
        all.value_or_null("object", entry.get("object"));
    });
    Sha256::digest(said).iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect()
}
