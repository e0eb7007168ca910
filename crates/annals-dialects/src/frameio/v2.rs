//! `GET /v2/accounts/{account_id}/audit_logs`, and `/v2/me`, which scripts ask for the account's id.

use std::borrow::Cow;

use annals_event::filter::{Comparison, Condition, Subject};
use annals_event::json::{Kind, Value};

use super::names::{self, camel};
use super::{Frameio, VENDOR, exactly, read_target, target, title, view};
use crate::json::{Object, first_target, object, text_at, text_if_at as text};
use crate::list::{AS_OF, List, PAGE, PageNumber, PageSize};
use crate::params::{Params, Refusal, Span};
use crate::{Api, Envelope, Refused, Shown, Time, Vendor, known};

/// The list of the second version.
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameioV2(pub Frameio);

/// How a bound on `inserted_at` is said in two parameters.
const OP: &str = "filter[inserted_at][op]";
const VALUE: &str = "filter[inserted_at][value]";

/// How it is said in one, so that a request can have two of them.
const BOUNDS: [(&str, &str); 5] = [
    ("filter[inserted_at][gt]", "gt"),
    ("filter[inserted_at][gte]", "gte"),
    ("filter[inserted_at][lt]", "lt"),
    ("filter[inserted_at][lte]", "lte"),
    ("filter[inserted_at][eq]", "eq"),
];

const PARAMETERS: &[&str] = &[
    "filter[action]",
    "filter[actor_id]",
    BOUNDS[0].0,
    BOUNDS[1].0,
    BOUNDS[2].0,
    BOUNDS[3].0,
    BOUNDS[4].0,
    OP,
    VALUE,
    "filter[ip_address]",
    "filter[item_id]",
    "filter[item_type]",
    "filter[team_id]",
    AS_OF,
    PAGE,
    SIZE,
];

impl Api for FrameioV2 {
    fn vendor(&self) -> &'static Vendor {
        &VENDOR
    }

    fn view(&self) -> Cow<'static, str> {
        view("v2", self.0)
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
        let condition = self.condition(&params)?;
        Ok(List { limit, number, ..List::new(condition, self.0.time, params) })
    }

    fn write_entry(&self, record: &Subject<'_>, _asked: &Params, out: &mut Vec<u8>) {
        let event = record.event;
        let inserted_at = self.0.time.of(&record.known).to_string();
        let (actor, item) = (event.get("actor"), first_target(event));
        let of_actor = |name: &str| actor.and_then(|actor| text(actor, &[name]));
        let of_item = |name: &str| item.and_then(|item| text(item, &[name]));
        object(out, |entry| {
            entry.text("_type", "audit");
            entry.text("account_id", record.known.tenant.as_str());
            entry.text("action", &camel(text_at(event, &["action"])));
            entry.object("actor", |actor| {
                actor.text("_type", of_actor("type").unwrap_or(USER));
                actor.text_or_null("id", of_actor("id"));
                actor.text_or_null("name", of_actor("name"));
                actor.text_or_null("email", of_actor("email"));
            });
            entry.text_or_null("actor_id", of_actor("id"));
            entry.text_or_null("application_id", text(event, &["context", "application"]));
            entry.text("id", text_at(event, &["id"]));
            entry.text("inserted_at", &inserted_at);
            entry.text_or_null("ip_address", text(event, &["context", "ip"]));
            entry.text_or_null("item_id", of_item("id"));
            entry.text_or_null("item_type", of_item("type").map(camel).as_deref());
            entry.text_or_null("request_id", text(event, &["request", "id"]));
            write_resource(entry, item, event.get("changes").and_then(|changes| changes.get("after")));
            entry.text_or_null("team_id", text(event, &["scope", "team"]));
            entry.text("updated_at", &inserted_at);
        });
    }

    fn envelope(&self, shown: &Shown<'_>) -> Envelope {
        bare_array(shown)
    }

    fn read_entry(&self, entry: Value<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let of = |name: &str| text(entry, &[name]);
        let action = of("action").ok_or_else(|| Refusal::new("action", "is missing"))?;
        let (item_type, item_id) = (of("item_type"), of("item_id"));
        let kind = item_type.map(|name| names::thing(name, camel));
        let of_actor = |name: &str| text(entry, &["actor", name]);
        object(out, |event| {
            event.text_or_null("id", of("id"));
            event.text_or_null("occurred_at", of("inserted_at"));
            event.text("action", &names::action(action, item_type, camel));
            event.object("actor", |actor| {
                actor.text("type", of_actor("_type").unwrap_or(USER));
                actor.text_or_null("id", of("actor_id").or_else(|| of_actor("id")));
                actor.text_or_null("name", of_actor("name"));
                actor.text_or_null("email", of_actor("email"));
            });
            event.object("context", |context| {
                context.text_or_null("ip", of("ip_address"));
                context.text_or_null("application", of("application_id"));
            });
            event.object("request", |request| request.text_or_null("id", of("request_id")));
            event.object("scope", |scope| scope.text_or_null("team", of("team_id")));
            let resource = entry.get("resource").filter(|resource| resource.kind() == Kind::Object);
            let is_target =
                resource.is_none_or(|resource| is_only_target(resource, kind.as_deref(), item_id));
            if let Some(after) = resource.filter(|_| !is_target) {
                event.object("changes", |changes| changes.value("after", after));
            }
            let name = resource.and_then(|resource| text(resource, &["name"]));
            read_target(event, kind, item_id, name);
        });
        Ok(())
    }
}

pub(super) const PAGE_SIZE: PageSize = PageSize { default: 50, min: 1, max: 500 };

/// The parameter that says the size of a page.
const SIZE: &str = "page_size";

/// What an actor is called of whom nothing else is said.
const USER: &str = "user";

impl FrameioV2 {
    /// Every filter finds what its member shows; all of them together.
    fn condition(&self, params: &Params) -> Result<Condition, Refusal> {
        let mut all: Vec<_> = [
            params.text("filter[action]").map(|name| names::is_named(&["action"], name)),
            exactly(params, "filter[actor_id]", &["actor", "id"]),
            exactly(params, "filter[ip_address]", &["context", "ip"]),
            exactly(params, "filter[team_id]", &["scope", "team"]),
            target(params.text("filter[item_id]"), params.text("filter[item_type]")),
        ]
        .into_iter()
        .flatten()
        .collect();
        match (params.text(OP), params.moment(VALUE)?) {
            (Some(op), Some(span)) => all.push(self.inserted(op, span)?),
            (None, None) => {}
            (Some(_), None) => return Err(Refusal::new(VALUE, format!("must come with `{OP}`"))),
            (None, Some(_)) => {
                return Err(Refusal::new(OP, format!("must come with `{VALUE}`: gt, gte, lt, lte or eq")));
            }
        }
        for (name, op) in BOUNDS {
            if let Some(span) = params.moment(name)? {
                all.push(self.inserted(op, span)?);
            }
        }
        Ok(Condition::All(all))
    }

    /// `inserted_at` is on this side of a moment, which may be a whole day.
    fn inserted(&self, op: &str, span: Span) -> Result<Condition, Refusal> {
        let is = |comparison, at| self.0.time.is(comparison, at);
        Ok(match op {
            "gt" => is(Comparison::Above, span.to),
            "gte" => is(Comparison::AtLeast, span.from),
            "lt" => is(Comparison::Below, span.from),
            "lte" => is(Comparison::AtMost, span.to),
            "eq" => is(Comparison::AtLeast, span.from).and(is(Comparison::AtMost, span.to)),
            _ => return Err(Refusal::new(OP, "takes gt, gte, lt, lte and eq")),
        })
    }
}

/// A page as the second version has it: the entries alone, and all that is said of them in headers, which are always there.
pub(super) fn bare_array(shown: &Shown<'_>) -> Envelope {
    // A list without entries has a page too.
    let last = shown.pages().max(1);
    let mut headers = vec![
        ("page-number", shown.page.to_string()),
        ("per-page", shown.page_size.to_string()),
        ("total", shown.total.unwrap_or(0).to_string()),
        ("total-pages", last.to_string()),
    ];
    let links = [
        Some(("first", 1)),
        shown.page.checked_sub(1).filter(|page| *page > 0).map(|page| ("prev", page.min(last))),
        shown.more.then_some(("next", shown.page + 1)),
        Some(("last", last)),
    ];
    let links =
        links.into_iter().flatten().map(|(name, page)| format!("<{}>; rel=\"{name}\"", shown.link(page)));
    headers.push(("link", links.collect::<Vec<_>>().join(", ")));
    Envelope { opening: "[".into(), closing: b"]".to_vec(), headers }
}

/// The state after the change, which says what it is and of what; else the target.
fn write_resource(entry: &mut Object<'_>, item: Option<Value<'_>>, after: Option<Value<'_>>) {
    let after = after.filter(|after| after.kind() == Kind::Object && !after.is_empty());
    match (item, after) {
        (None, None) => entry.null("resource"),
        (Some(item), None) => entry.object("resource", |resource| {
            resource.text_or_null("_type", text(item, &["type"]));
            resource.text_or_null("id", text(item, &["id"]));
            resource.text_or_null("name", text(item, &["name"]));
        }),
        (item, Some(after)) => entry.object("resource", |resource| {
            for (name, member) in IDENTITY {
                match (after.get(name), item) {
                    (Some(value), _) => resource.value(name, value),
                    (None, Some(item)) => resource.text_or_null(name, text(item, &[member])),
                    (None, None) => {}
                }
            }
            for (name, value) in
                after.members().filter(|(name, _)| IDENTITY.iter().all(|(own, _)| own != name))
            {
                resource.value(name, value);
            }
        }),
    }
}

/// Members by which a resource says what it is, and those of a target.
const IDENTITY: [(&str, &str); 2] = [("_type", "type"), ("id", "id")];

/// Whether a resource says no more than a target does.
fn is_only_target(resource: Value<'_>, kind: Option<&str>, id: Option<&str>) -> bool {
    let is = |name: &str, expected: Option<&str>| match resource.get(name) {
        None => true,
        Some(value) if value.kind() == Kind::Null => expected.is_none(),
        Some(value) => value.as_str().is_some() && value.as_str() == expected,
    };
    let has_name =
        resource.get("name").is_none_or(|name| name.kind() == Kind::Null || name.as_str().is_some());
    (kind.is_some() || id.is_some())
        && is("_type", kind)
        && is("id", id)
        && has_name
        && resource.members().all(|(name, _)| matches!(name, "_type" | "id" | "name"))
}

/// Writes who asks: the key, as a user.
#[must_use]
pub fn write_me(key_id: &str, account_id: &str, name: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    object(&mut out, |me| {
        me.text("_type", USER);
        me.text("id", key_id);
        me.text("account_id", account_id);
        me.text_or_null("name", name);
        me.null("email");
    });
    out
}

pub(super) fn write_error(refused: &Refused<'_>) -> Vec<u8> {
    let (status, title) = (u64::from(refused.status), title(refused.status));
    let mut out = Vec::new();
    object(&mut out, |body| {
        body.integer("code", status);
        body.text("message", title);
        let errors = body.member("errors");
        errors.push(b'[');
        object(errors, |error| {
            error.integer("code", status);
            error.integer("status", status);
            error.text("title", title);
            error.text("detail", refused.message);
        });
        errors.push(b']');
    });
    out
}
