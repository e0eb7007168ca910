//! `GET /v4/accounts/{account_id}/audit_logs`.

use std::borrow::Cow;

use annals_event::filter::{Condition, Subject};
use annals_event::json::Value;

use super::names::{self, snake};
use super::{Frameio, VENDOR, exactly, read_target, target, title, view};
use crate::json::{first_target, object, text_at, text_if_at as text};
use crate::list::{List, PageSize};
use crate::params::{Params, Refusal};
use crate::{Api, Envelope, Refused, Shown, Time, Vendor, known};

/// The list of the fourth version.
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameioV4(pub Frameio);

const PAGE_SIZE: PageSize = PageSize { default: 50, min: 1, max: 100 };

/// The parameter that says the size of a page.
const SIZE: &str = "page_size";

const PARAMETERS: &[&str] = &[
    "after",
    "filters[event_type]",
    "filters[from_date]",
    "filters[ip_address]",
    "filters[project_id]",
    "filters[resource_id]",
    "filters[resource_type]",
    "filters[to_date]",
    "filters[user_id]",
    "filters[workspace_id]",
    "include",
    "include_total_count",
    SIZE,
];

impl Api for FrameioV4 {
    fn vendor(&self) -> &'static Vendor {
        &VENDOR
    }

    fn view(&self) -> Cow<'static, str> {
        view("v4", self.0)
    }

    fn time(&self) -> Time {
        self.0.time
    }

    fn page_size(&self) -> PageSize {
        PAGE_SIZE
    }

    fn size_parameter(&self) -> &'static str {
        SIZE
    }

    fn parameter(&self, said: &str) -> Option<&'static str> {
        known(said, PARAMETERS, &[])
    }

    fn read(&self, mut params: Params) -> Result<List, Refusal> {
        let limit = PAGE_SIZE.take(&mut params, SIZE)?;
        let cursor = params.take("after");
        let count = match params.text("include_total_count") {
            None | Some("false" | "0") => false,
            Some("true" | "1") => true,
            Some(_) => return Err(Refusal::new("include_total_count", "takes true and false")),
        };
        let time = self.0.time;
        let from = params.moment("filters[from_date]")?;
        let to = params.moment("filters[to_date]")?;
        let mut all: Vec<_> = [
            params.text("filters[event_type]").map(|name| names::is_named(&["action"], name)),
            exactly(&params, "filters[ip_address]", &["context", "ip"]),
            exactly(&params, "filters[project_id]", &["scope", "project"]),
            exactly(&params, "filters[user_id]", &["actor", "id"]),
            exactly(&params, "filters[workspace_id]", &["scope", "team"]),
            target(params.text("filters[resource_id]"), params.text("filters[resource_type]")),
        ]
        .into_iter()
        .flatten()
        .collect();
        all.extend(time.within(from, to));
        Ok(List { limit, cursor, count, ..List::new(Condition::All(all), time, params) })
    }

    // The client sends nothing else on the second page; other filters beside a cursor are not said to be an error.
    fn binds_cursors(&self) -> bool {
        false
    }

    fn write_entry(&self, record: &Subject<'_>, asked: &Params, out: &mut Vec<u8>) {
        let event = record.event;
        let item = first_target(event);
        let of_item = |name: &str| item.and_then(|item| text(item, &[name]));
        let of_actor = |name: &str| text(event, &["actor", name]);
        let with_user =
            asked.text("include").is_some_and(|names| names.split(',').any(|name| name == "user"));
        object(out, |entry| {
            entry.text("account_id", record.known.tenant.as_str());
            entry.text("event_type", &snake(text_at(event, &["action"])));
            entry.text("id", text_at(event, &["id"]));
            entry.text("inserted_at", &self.0.time.of(&record.known).to_string());
            entry.text("ip_address", text_at(event, &["context", "ip"]));
            entry.text_or_null("project_id", text(event, &["scope", "project"]));
            entry.text("resource_id", of_item("id").unwrap_or_default());
            entry.text("resource_type", &of_item("type").map(snake).unwrap_or_default());
            match of_actor("id") {
                _ if !with_user => {}
                None => entry.null("user"),
                Some(id) => entry.object("user", |user| {
                    user.text("id", id);
                    user.text_or_null("name", of_actor("name"));
                    user.text("email", of_actor("email").unwrap_or_default());
                }),
            }
            entry.text_or_null("user_id", of_actor("id"));
            entry.text_or_null("workspace_id", text(event, &["scope", "team"]));
        });
    }

    fn envelope(&self, shown: &Shown<'_>) -> Envelope {
        let mut closing = b"],".to_vec();
        // The client joins its base address and this path, so it has no prefix; it sends nothing else, so the cursor knows all.
        let next = shown.next.map(|cursor| format!("{}?after={cursor}", shown.address.path));
        let mut rest = Vec::new();
        object(&mut rest, |end| {
            end.object("links", |links| links.text_or_null("next", next.as_deref()));
            match shown.total {
                Some(total) if shown.list.count => end.integer("total_count", total),
                _ => end.null("total_count"),
            }
        });
        closing.extend_from_slice(&rest[1..]);
        Envelope { opening: "{\"data\":[".into(), closing, headers: Vec::new() }
    }

    fn read_entry(&self, entry: Value<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let of = |name: &str| text(entry, &[name]);
        // These are texts on the wire, empty where there is nothing.
        let given = |name: &str| of(name).filter(|text| !text.is_empty());
        let event_type = given("event_type").ok_or_else(|| Refusal::new("event_type", "is missing"))?;
        let resource_type = given("resource_type");
        let user_id = of("user_id").or_else(|| text(entry, &["user", "id"]));
        object(out, |event| {
            event.text_or_null("id", of("id"));
            event.text_or_null("occurred_at", of("inserted_at"));
            event.text("action", &names::action(event_type, resource_type, snake));
            event.object("actor", |actor| {
                actor.text("type", if user_id.is_some() { "user" } else { "system" });
                actor.text_or_null("id", user_id);
                actor.text_or_null("name", text(entry, &["user", "name"]));
                let email = text(entry, &["user", "email"]).filter(|email| !email.is_empty());
                actor.text_or_null("email", email);
            });
            event.object("context", |context| context.text_or_null("ip", given("ip_address")));
            event.object("scope", |scope| {
                scope.text_or_null("project", of("project_id"));
                scope.text_or_null("team", of("workspace_id"));
            });
            let kind = resource_type.map(|name| names::thing(name, snake));
            read_target(event, kind, given("resource_id"), None);
        });
        Ok(())
    }
}

pub(super) fn write_error(refused: &Refused<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    object(&mut out, |body| {
        let errors = body.member("errors");
        errors.push(b'[');
        object(errors, |error| {
            error.text("title", title(refused.status));
            error.text("detail", refused.message);
            if let Some(parameter) = refused.parameter {
                // The routes' word for it, which is not the vendor's.
                let parameter = if parameter == "cursor" { "after" } else { parameter };
                let pointer = format!("/{}", parameter.replace('[', "/").replace(']', ""));
                error.object("source", |source| source.text("pointer", &pointer));
            }
        });
        errors.push(b']');
    });
    out
}
