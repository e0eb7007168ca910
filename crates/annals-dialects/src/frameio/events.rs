//! `GET /v2/accounts/{account_id}/events`.

use std::borrow::Cow;

use annals_event::filter::{Condition, Subject};
use annals_event::json::{Kind, Value};

use super::names::{self, snake};
use super::v2::{PAGE_SIZE, bare_array};
use super::{Frameio, VENDOR, exactly, read_target, target, view};
use crate::json::{at, first_target, object, text_at, text_if_at as text};
use crate::list::{AS_OF, List, PAGE, PageNumber, PageSize};
use crate::params::{Params, Refusal};
use crate::{Api, Envelope, Shown, Time, Vendor, known};

/// The list of events of the second version.
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameioEvents(pub Frameio);

/// The parameter that says the size of a page.
const SIZE: &str = "page_size";

const PARAMETERS: &[&str] = &[
    "filters[end_date]",
    "filters[event_type]",
    "filters[ip_address]",
    "filters[project_id]",
    "filters[resource_id]",
    "filters[resource_type]",
    "filters[start_date]",
    "filters[team_id]",
    "filters[user_id]",
    AS_OF,
    PAGE,
    SIZE,
];

/// A type of actor that has a member of its own.
const ANONYMOUS: &str = "anonymous_user";

impl Api for FrameioEvents {
    fn vendor(&self) -> &'static Vendor {
        &VENDOR
    }

    fn view(&self) -> Cow<'static, str> {
        view("events", self.0)
    }

    fn time(&self) -> Time {
        self.0.time
    }

    fn page_size(&self) -> PageSize {
        PAGE_SIZE.or(self.0.page_size)
    }

    fn size_parameter(&self) -> &'static str {
        SIZE
    }

    fn parameter(&self, said: &str) -> Option<&'static str> {
        known(said, PARAMETERS, &[])
    }

    fn read(&self, mut params: Params) -> Result<List, Refusal> {
        let limit = PAGE_SIZE.take(&mut params, SIZE)?;
        let number = Some(PageNumber::take(&mut params)?);
        let from = params.moment("filters[start_date]")?;
        let to = params.moment("filters[end_date]")?;
        let mut all: Vec<_> = [
            params.text("filters[event_type]").map(|name| names::is_named(&["action"], name)),
            exactly(&params, "filters[ip_address]", &["context", "ip"]),
            exactly(&params, "filters[project_id]", &["scope", "project"]),
            exactly(&params, "filters[team_id]", &["scope", "team"]),
            exactly(&params, "filters[user_id]", &["actor", "id"]),
            target(params.text("filters[resource_id]"), params.text("filters[resource_type]")),
        ]
        .into_iter()
        .flatten()
        .collect();
        all.extend(self.0.time.within(from, to));
        Ok(List { limit, number, ..List::new(Condition::All(all), self.0.time, params) })
    }

    fn write_entry(&self, record: &Subject<'_>, _asked: &Params, out: &mut Vec<u8>) {
        let event = record.event;
        let inserted_at = self.0.time.of(&record.known).to_string();
        let item = first_target(event);
        let of_item = |name: &str| item.and_then(|item| text(item, &[name]));
        let id = text(event, &["actor", "id"]);
        let is_anonymous = text(event, &["actor", "type"]) == Some(ANONYMOUS);
        object(out, |entry| {
            entry.integer("id", record.known.position.0 + 1);
            entry.text("event_type", &snake(text_at(event, &["action"])));
            match at(event, &["changes", "after"]).filter(|after| after.kind() == Kind::Object) {
                Some(after) => entry.value("event_details", after),
                None => entry.object("event_details", |_| {}),
            }
            entry.text_or_null("resource_id", of_item("id"));
            entry.text_or_null("resource_type", of_item("type").map(snake).as_deref());
            entry.text_or_null("user_id", id.filter(|_| !is_anonymous));
            entry.text_or_null("anonymous_user_id", id.filter(|_| is_anonymous));
            entry.text_or_null("client", text(event, &["context", "application"]));
            entry.text_or_null("source", text(event, &["source", "name"]));
            entry.text_or_null("ip_address", text(event, &["context", "ip"]));
            entry.text_or_null("project_id", text(event, &["scope", "project"]));
            entry.text_or_null("team_id", text(event, &["scope", "team"]));
            entry.text("inserted_at", &inserted_at);
            entry.text("updated_at", &inserted_at);
        });
    }

    fn envelope(&self, shown: &Shown<'_>) -> Envelope {
        bare_array(shown)
    }

    fn read_entry(&self, entry: Value<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let of = |name: &str| text(entry, &[name]);
        let event_type = of("event_type").ok_or_else(|| Refusal::new("event_type", "is missing"))?;
        let resource_type = of("resource_type");
        object(out, |event| {
            if let Some(id) = entry.get("id").filter(|id| id.kind() == Kind::Number) {
                event.text("id", id.token());
            }
            event.text_or_null("occurred_at", of("inserted_at"));
            event.text("action", &names::action(event_type, resource_type, snake));
            event.object("actor", |actor| match (of("user_id"), of("anonymous_user_id")) {
                (Some(id), _) => {
                    actor.text("type", "user");
                    actor.text("id", id);
                }
                (None, Some(id)) => {
                    actor.text("type", ANONYMOUS);
                    actor.text("id", id);
                }
                (None, None) => actor.text("type", "system"),
            });
            event.object("context", |context| {
                context.text_or_null("ip", of("ip_address"));
                context.text_or_null("application", of("client"));
            });
            event.object("source", |source| source.text_or_null("name", of("source")));
            event.object("scope", |scope| {
                scope.text_or_null("project", of("project_id"));
                scope.text_or_null("team", of("team_id"));
            });
            let details = entry.get("event_details").filter(|details| details.kind() == Kind::Object);
            if let Some(details) = details.filter(|details| !details.is_empty()) {
                event.object("changes", |changes| changes.value("after", details));
            }
            let kind = resource_type.map(|name| names::thing(name, snake));
            read_target(event, kind, of("resource_id"), None);
        });
        Ok(())
    }
}
