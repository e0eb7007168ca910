//! An entry as it is on the wire, from a record and to an event.
//!
//! Our reading, as no page has one: the columns of the vendor's dashboard, with names as its other answers have them. What is not known
//! is `null`.

use annals_event::Timestamp;
use annals_event::filter::Subject;
use annals_event::json::Value;
use annals_event::model::ACTION_BYTES_MAX;

use super::Panda;
use crate::json::{object, text_at, text_if_at};
use crate::params::Refusal;
use crate::time::with_millis;

/// The types of target that have a member of their own.
pub(super) const VIDEO: &str = "video";
pub(super) const FOLDER: &str = "folder";

/// The type of an actor of whom nothing is said.
const UNKNOWN: &str = "unknown";

/// An entry.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    id: &'a str,
    action: &'a str,
    category: Option<&'a str>,
    description: Option<&'a str>,
    user: User<'a>,
    source: Option<&'a str>,
    user_agent: Option<&'a str>,
    ip: Option<&'a str>,
    video_id: Option<&'a str>,
    folder_id: Option<&'a str>,
    created_at: Timestamp,
}

#[derive(Debug)]
struct User<'a> {
    id: Option<&'a str>,
    name: Option<&'a str>,
    email: Option<&'a str>,
    kind: Option<&'a str>,
}

impl<'a> Entry<'a> {
    /// A record as the vendor would have sent it.
    pub(super) fn of(record: &Subject<'a>, settings: &'a Panda) -> Self {
        let event = record.event;
        let target = |of: &str| {
            let targets = event.get("targets").into_iter().flat_map(Value::items);
            let mut fitting = targets.filter(|target| text_at(*target, &["type"]) == of);
            fitting.next().and_then(|target| text_if_at(target, &["id"]))
        };
        let category = text_if_at(event, &["category"]);
        Self {
            id: text_at(event, &["id"]),
            action: settings.verbs.theirs(record.known.operation, text_at(event, &["action"])),
            category: category.map(|category| settings.categories.theirs(category)),
            description: text_if_at(event, &["description"]),
            user: User {
                id: text_if_at(event, &["actor", "id"]),
                name: text_if_at(event, &["actor", "name"]),
                email: text_if_at(event, &["actor", "email"]),
                kind: text_if_at(event, &["actor", "type"]),
            },
            source: text_if_at(event, &["source", "name"]),
            user_agent: text_if_at(event, &["context", "user_agent"]),
            ip: text_if_at(event, &["context", "ip"]),
            video_id: target(VIDEO),
            folder_id: target(FOLDER),
            created_at: settings.time.of(&record.known),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        object(out, |entry| {
            entry.text("id", self.id);
            entry.text("action", self.action);
            entry.text_or_null("category", self.category);
            entry.text_or_null("description", self.description);
            entry.object("user", |user| {
                user.text_or_null("id", self.user.id);
                user.text_or_null("name", self.user.name);
                user.text_or_null("email", self.user.email);
                user.text_or_null("type", self.user.kind);
            });
            entry.text_or_null("source", self.source);
            entry.text_or_null("device", self.user_agent.and_then(device).as_deref());
            entry.text_or_null("user_agent", self.user_agent);
            entry.text_or_null("ip", self.ip);
            entry.text_or_null("video_id", self.video_id);
            entry.text_or_null("folder_id", self.folder_id);
            entry.text("created_at", &with_millis(self.created_at));
        });
    }

    /// What the vendor sent.
    pub(super) fn read(entry: Value<'a>) -> Result<Self, Refusal> {
        let text = |name: &str| text_if_at(entry, &[name]);
        let needed = |name: &'static str| {
            text(name).filter(|text| !text.is_empty()).ok_or_else(|| Refusal::new(name, "must be a text"))
        };
        let created_at = Timestamp::parse(needed("created_at")?);
        let user = |name: &str| text_if_at(entry, &["user", name]);
        Ok(Self {
            id: needed("id")?,
            action: needed("action")?,
            category: text("category"),
            description: text("description"),
            user: User { id: user("id"), name: user("name"), email: user("email"), kind: user("type") },
            source: text("source"),
            user_agent: text("user_agent"),
            ip: text("ip"),
            video_id: text("video_id"),
            folder_id: text("folder_id"),
            created_at: created_at.map_err(|error| Refusal::new("created_at", error))?,
        })
    }

    /// The event that annals takes.
    pub(super) fn write_event(&self, settings: &Panda, out: &mut Vec<u8>) {
        let category = self.category.map(|category| settings.categories.ours(category));
        object(out, |event| {
            event.text("id", self.id);
            event.text("occurred_at", &self.created_at.to_string());
            event.text("action", &self.action());
            event.text("operation", settings.verbs.ours(self.action).as_str());
            event.text_if("category", category);
            event.text_if("description", self.description);
            event.object("actor", |actor| {
                let User { id, name, email, kind } = self.user;
                let is_nobody = id.or(kind).is_none_or(str::is_empty);
                actor.text_if("type", if is_nobody { Some(UNKNOWN) } else { kind });
                actor.text_if("id", id);
                actor.text_if("name", name);
                actor.text_if("email", email);
            });
            event.object("source", |source| source.text_if("name", self.source));
            event.object("context", |context| {
                context.text_if("user_agent", self.user_agent);
                context.text_if("ip", self.ip);
            });
            let mut targets = Vec::new();
            for (of, id) in [(VIDEO, self.video_id), (FOLDER, self.folder_id)] {
                let Some(id) = id else { continue };
                targets.push(if targets.is_empty() { b'[' } else { b',' });
                object(&mut targets, |target| {
                    target.text("type", of);
                    target.text("id", id);
                });
            }
            if !targets.is_empty() {
                targets.push(b']');
                event.member("targets").extend(targets);
            }
        });
    }

    /// `video.add`: the vendor names the part of the product and the verb apart.
    fn action(&self) -> String {
        let mut action = match self.category.filter(|category| !category.is_empty()) {
            None => self.action.to_owned(),
            Some(of) => format!("{of}.{}", self.action),
        };
        action.truncate(action.floor_char_boundary(ACTION_BYTES_MAX));
        action
    }
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
