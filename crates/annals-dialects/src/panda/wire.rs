//! An entry as it is on the wire, from a record and to an event.
//!
//! Our reading, as no page has one: the columns of the vendor's dashboard, with names as its other answers have them. What is not known
//! is `null`.

use annals_event::Timestamp;
use annals_event::filter::Subject;
use annals_event::json::Value;

use super::Panda;
use crate::event::{Actor, Target, action, needed};
use crate::json::{object, text_at, text_if_at};
use crate::params::Refusal;
use crate::time::with_millis;
use crate::{Event, Kind, Member, Named};

/// The types of target that have a member of their own.
pub(super) const VIDEO: &str = "video";
pub(super) const FOLDER: &str = "folder";

/// The type of an actor of whom nothing is said.
const UNKNOWN: &str = "unknown";

/// A page.
pub(super) const LIST: Named = Named {
    name: "PandaList",
    about: "A page of Panda Video.",
    members: &[
        Member::new("logs", Kind::List(&Kind::Named(&ENTRY)), "The entries, the newest first."),
        Member::integer("pages", "How many pages there are."),
        Member::integer("total", "How many entries there are."),
    ],
};

const ENTRY: Named = Named {
    name: "PandaEntry",
    about: "An entry of Panda Video. What is not known is `null`.",
    members: &[
        Member::text("id", "The event's id."),
        Member::text(
            "action",
            "`add`, `edit`, `remove`, `access`, `authentication`, or another word for the event's operation.",
        ),
        Member::text("category", "`category`").or_null(),
        Member::text("description", "`description`").or_null(),
        Member::new("user", Kind::Members(USER), "Who did it."),
        Member::text("source", "`source.name`").or_null(),
        Member::text("device", "Browser and system, as far as `user_agent` tells them.").or_null(),
        Member::text("user_agent", "`context.user_agent`").or_null(),
        Member::text("ip", "`context.ip`").or_null(),
        Member::text("video_id", "The id of the first target that is a `video`.").or_null(),
        Member::text("folder_id", "The id of the first target that is a `folder`.").or_null(),
        Member::new(
            "created_at",
            Kind::Time,
            "When it happened; with `time = \"received\"` when it was received.",
        ),
    ],
};

const USER: &[Member] = &[
    Member::text("id", "`actor.id`").or_null(),
    Member::text("name", "`actor.name`").or_null(),
    Member::text("email", "`actor.email`").or_null(),
    Member::text("type", "`actor.type`").or_null(),
];

/// The form of an error.
pub(super) const ERROR: Named = Named {
    name: "PandaError",
    about: "An error of Panda Video.",
    members: &[Member::text("message", "What happened, for people."), Member::text("errMsg", "The same.")],
};

/// Writes a record as the vendor would have sent it.
pub(super) fn write(settings: &Panda, record: &Subject<'_>, out: &mut Vec<u8>) {
    let event = record.event;
    let text = |path: &[&str]| text_if_at(event, path);
    let target = |of: &str| {
        let mut targets = event.get("targets").into_iter().flat_map(Value::items);
        let fitting = targets.find(|target| text_at(*target, &["type"]) == of);
        fitting.and_then(|target| text_if_at(target, &["id"]))
    };
    let user_agent = text(&["context", "user_agent"]);
    object(out, |entry| {
        entry.text("id", text_at(event, &["id"]));
        let verb = settings.verbs.theirs(record.known.operation, text_at(event, &["action"]));
        entry.text("action", verb);
        let category = text(&["category"]).map(|category| settings.categories.theirs(category));
        entry.text_or_null("category", category);
        entry.text_or_null("description", text(&["description"]));
        let user = ["id", "name", "email", "type"].map(|name| (name, text(&["actor", name])));
        entry.texts_or_null("user", &user);
        entry.text_or_null("source", text(&["source", "name"]));
        entry.text_or_null("device", user_agent.and_then(device).as_deref());
        entry.text_or_null("user_agent", user_agent);
        entry.text_or_null("ip", text(&["context", "ip"]));
        entry.text_or_null("video_id", target(VIDEO));
        entry.text_or_null("folder_id", target(FOLDER));
        entry.text("created_at", &with_millis(settings.common.time.of(&record.known)));
    });
}

/// The event that an entry becomes.
pub(super) fn event<'a>(settings: &'a Panda, entry: Value<'a>) -> Result<Event<'a>, Refusal> {
    let text = |name: &str| text_if_at(entry, &[name]);
    let verb = needed(entry, "action")?;
    let created_at = Timestamp::parse(needed(entry, "created_at")?);
    let created_at = created_at.map_err(|error| Refusal::new("created_at", error))?;
    let user = |name: &str| text_if_at(entry, &["user", name]);
    let (id, kind) = (user("id"), user("type"));
    let is_nobody = id.or(kind).is_none_or(str::is_empty);
    let target = |kind: &'static str, member: &str| {
        Some(Target { kind: Some(kind.into()), id: Some(text(member)?), name: None })
    };
    Ok(Event {
        id: Some(needed(entry, "id")?.into()),
        occurred_at: Some(created_at.to_string().into()),
        action: action(text("category"), verb).into(),
        operation: Some(settings.verbs.ours(verb).as_str()),
        category: text("category").map(|category| settings.categories.ours(category).into()),
        description: text("description").map(Into::into),
        actor: Actor {
            kind: if is_nobody { Some(UNKNOWN) } else { kind },
            id,
            name: user("name"),
            email: user("email"),
        },
        source: text("source"),
        user_agent: text("user_agent"),
        ip: text("ip"),
        targets: [target(VIDEO, "video_id"), target(FOLDER, "folder_id")].into_iter().flatten().collect(),
        ..Event::default()
    })
}

/// `Safari - macOS`, as the dashboard has it; none where the text says neither.
fn device(user_agent: &str) -> Option<String> {
    // The first that fits: most browsers name others too.
    const BROWSERS: [(&str, &str); 7] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("CriOS/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 7] = [
        ("Windows", "Windows"),
        ("iPhone", "iOS"),
        ("iPad", "iPadOS"),
        ("Mac OS X", "macOS"),
        ("Android", "Android"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    let first = |names: &[(&str, &'static str)]| {
        names.iter().find(|(part, _)| user_agent.contains(part)).map(|(_, name)| *name)
    };
    let named: Vec<_> = [first(&BROWSERS), first(&SYSTEMS)].into_iter().flatten().collect();
    (!named.is_empty()).then(|| named.join(" - "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_a_browser_and_a_system() {
        for (user_agent, expected) in [
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
                Some("Safari - macOS"),
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0 Safari/537.36 Edg/124.0",
                Some("Edge - Windows"),
            ),
            (
                "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0 Mobile Safari/537.36",
                Some("Chrome - Android"),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1",
                Some("Safari - iOS"),
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0",
                Some("Firefox - Linux"),
            ),
            ("curl/8.5.0", None),
            ("", None),
        ] {
            assert_eq!(device(user_agent).as_deref(), expected, "{user_agent}");
        }
    }
}
