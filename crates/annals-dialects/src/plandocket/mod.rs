//! PlanDocket: `GET /api/v1/audit-log` and `GET /api/v1/audit-log/{id}`. `README.md` beside this file says what is documented,
//! and how we read what is not.

use std::borrow::Cow;

use annals_event::filter::{Condition, Subject};
use annals_event::json::{Kind, Value};
use annals_event::{Position, Timestamp};

use crate::conditions::{any_contains, contains, is, target};
use crate::json::{Object, at, first_target, object, text_at, text_if_at};
use crate::list::{AS_OF, Direction, List, PAGE, PageNumber, PageSize};
use crate::params::{Params, Refusal, Span};
use crate::rate::Rate;
use crate::settings::{Given, Setting, Wrong};
use crate::time::{self, Time};
use crate::{Api, Envelope, KeyPlace, Refused, Shown, Vendor, known};

/// Where it is, and what its errors look like.
pub const VENDOR: Vendor = Vendor {
    keys: &[KeyPlace::Header("x-api-key"), KeyPlace::Query("api_key")],
    invalid_status: 422,
    // Of the smallest plan. No headers tell it.
    rate: Rate { requests: 1_000, seconds: 3_600 },
    settings: SETTINGS,
    ..Vendor::new("plandocket", &["/api/v1/audit-log"], write_error)
};

const PAGE_SIZE: PageSize = PageSize { default: 50, min: 1, max: 100 };

/// The parameter that says the size of a page.
const SIZE: &str = "per_page";

const PARAMETERS: &[&str] = &[
    "action",
    "admin_id",
    "date_from",
    "date_to",
    "entity_type",
    AS_OF,
    "order",
    PAGE,
    SIZE,
    "search",
    "sort",
];

/// What else a parameter may be called.
const ALIASES: &[(&str, &str)] = &[("limit", SIZE)];

/// The largest integer that every client reads as it is: what a double holds.
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// An actor of this type is nobody's account.
const SYSTEM: &str = "system";

/// How the vendor's API is answered, where that can be set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanDocket {
    /// What `created_at` is.
    pub time: Time,
    /// How it is written.
    pub timestamps: Timestamps,
    /// Entries of a page that does not say; none for 50.
    pub per_page: Option<usize>,
}

/// How times are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timestamps {
    /// As `2026-11-21T10:00:00+00:00`: what the table of the vendor's page says.
    #[default]
    Iso,
    /// As seconds since 1970, and `updated_at` beside `created_at`: what its sample shows.
    Epoch,
}

/// What can be set.
const SETTINGS: &[Setting] = &[
    Setting::time("dialects.plandocket.time"),
    Setting::page_size(
        "dialects.plandocket.per_page",
        "Entries of a page of PlanDocket when a request does not say, 1 to 100. Not set it is 50; the vendor documents no pages.",
    ),
    Setting::one(
        "dialects.plandocket.timestamps",
        "iso",
        "\"iso\"",
        "Times in PlanDocket's entries: `iso` is `2026-11-21T10:00:00+00:00`, `epoch` is seconds since 1970, with `updated_at` beside \
         `created_at`.",
    ),
    Setting::window_days("dialects.plandocket.window_days"),
    Setting::limits("dialects.plandocket.limits"),
];

impl PlanDocket {
    /// What was set.
    ///
    /// # Errors
    ///
    /// A value that does not fit.
    pub fn configured(given: &Given<'_>) -> Result<Self, Wrong> {
        let forms = [("iso", Timestamps::Iso), ("epoch", Timestamps::Epoch)];
        Ok(Self {
            time: given.time("dialects.plandocket.time")?,
            timestamps: given.one_of("dialects.plandocket.timestamps", &forms)?,
            per_page: given.page_size("dialects.plandocket.per_page", PAGE_SIZE)?,
        })
    }

    /// Every filter finds what its member shows; all of them together.
    fn condition(&self, params: &Params) -> Result<Condition, Refusal> {
        let from = params.moment("date_from")?;
        // Shown to the second, so all of it is found.
        let to = params.moment("date_to")?.map(|span| Span { to: end_of_second(span.to), ..span });
        let all = [
            params.text("action").map(|text| is(&["action"], text)),
            params.text("entity_type").and_then(|text| target(vec![is(&["type"], text)])),
            params.text("admin_id").map(|text| is(&["actor", "id"], text).and(is_somebody())),
            params.text("search").map(search),
        ];
        Ok(Condition::All(all.into_iter().flatten().chain(self.time.within(from, to)).collect()))
    }

    fn write_time(&self, entry: &mut Object<'_>, at: Timestamp) {
        match self.timestamps {
            Timestamps::Iso => entry.text("created_at", &time::with_offset(at)),
            Timestamps::Epoch => {
                for name in ["created_at", "updated_at"] {
                    entry.signed(name, time::seconds(at));
                }
            }
        }
    }
}

impl Api for PlanDocket {
    fn vendor(&self) -> &'static Vendor {
        &VENDOR
    }

    fn view(&self) -> Cow<'static, str> {
        VENDOR.name.into()
    }

    fn time(&self) -> Time {
        self.time
    }

    fn page_size(&self) -> PageSize {
        PAGE_SIZE.or(self.per_page)
    }

    fn size_parameter(&self) -> &'static str {
        SIZE
    }

    fn parameter(&self, said: &str) -> Option<&'static str> {
        known(said, PARAMETERS, ALIASES)
    }

    fn read(&self, mut params: Params) -> Result<List, Refusal> {
        let limit = PAGE_SIZE.take(&mut params, SIZE)?;
        let number = Some(PageNumber::take(&mut params)?);
        if params.text("sort").is_some_and(|field| field != "created_at") {
            return Err(Refusal::new("sort", "takes `created_at`"));
        }
        let direction = match params.text("order").map(str::to_ascii_lowercase).as_deref() {
            None | Some("desc") => Direction::Falling,
            Some("asc") => Direction::Rising,
            Some(_) => return Err(Refusal::new("order", "takes `ASC` and `DESC`")),
        };
        let condition = self.condition(&params)?;
        let order = vec![(self.time.sort_key(), direction)];
        Ok(List { order, limit, number, ..List::new(condition, self.time, params) })
    }

    fn write_entry(&self, record: &Subject<'_>, _asked: &Params, out: &mut Vec<u8>) {
        let event = record.event;
        let text = |path: &[&str]| text_if_at(event, path);
        let entity = first_target(event);
        let of_entity = |name: &str| entity.and_then(|entity| text_if_at(entity, &[name]));
        let admin = |name: &str| text(&["actor", name]).filter(|_| text(&["actor", "type"]) != Some(SYSTEM));
        let id = id_of(record.known.position);
        object(out, |entry| {
            entry.integer("id", id);
            entry.integer("audit-log_id", id);
            entry.text("action", text_at(event, &["action"]));
            entry.text_or_null("entity_type", of_entity("type"));
            write_reference(entry, ("entity_id", "entity_ref"), of_entity("id"));
            entry.text_or_null("entity_title", of_entity("name"));
            entry.text_or_null("description", text(&["description"]));
            write_values(entry, "old_values", at(event, &["changes", "before"]));
            write_values(entry, "new_values", at(event, &["changes", "after"]));
            write_reference(entry, ("admin_id", "admin_ref"), admin("id"));
            entry.text_or_null("admin_name", admin("name"));
            entry.text_or_null("ip_address", text(&["context", "ip"]));
            entry.text_or_null("user_agent", text(&["context", "user_agent"]));
            self.write_time(entry, self.time.of(&record.known));
        });
    }

    fn envelope(&self, shown: &Shown<'_>) -> Envelope {
        let mut closing = b"],\"meta\":".to_vec();
        object(&mut closing, |meta| {
            meta.text("request_id", &request_id(shown.request_id));
            meta.integer("page", shown.page);
            meta.integer("per_page", shown.page_size as u64);
            meta.integer("total", shown.total.unwrap_or(0));
            // A list without entries has a page too.
            meta.integer("total_pages", shown.pages().max(1));
        });
        closing.push(b'}');
        Envelope { opening: "{\"data\":[".into(), closing, headers: Vec::new() }
    }

    fn envelope_of_one(&self, request_id: &str) -> Envelope {
        let mut closing = b",\"meta\":".to_vec();
        object(&mut closing, |meta| meta.text("request_id", &self::request_id(request_id)));
        closing.push(b'}');
        Envelope { opening: "{\"data\":".into(), closing, headers: Vec::new() }
    }

    fn read_entry(&self, entry: Value<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        let action = text("action").ok_or_else(|| Refusal::new("action", "is missing"))?;
        let created_at = read_time(entry.get("created_at"))?;
        let admin = read_reference(entry, ("admin_id", "admin_ref"));
        let entity = read_reference(entry, ("entity_id", "entity_ref"));
        object(out, |event| {
            event.text_or_null("id", entry.get("id").filter(|id| id.as_u64().is_some()).map(Value::token));
            event.text_or_null("occurred_at", created_at.as_deref());
            event.text("action", action);
            event.text_or_null("description", text("description"));
            event.object("actor", |actor| {
                let is_somebody = admin.is_some() || text("admin_name").is_some();
                actor.text("type", if is_somebody { "user" } else { SYSTEM });
                actor.text_or_null("id", admin);
                actor.text_or_null("name", text("admin_name"));
            });
            event.object("context", |context| {
                context.text_or_null("ip", text("ip_address"));
                context.text_or_null("user_agent", text("user_agent"));
            });
            event.object("changes", |changes| {
                for (name, member) in [("before", "old_values"), ("after", "new_values")] {
                    if let Some(values) = entry.get(member).filter(|values| values.kind() != Kind::Null) {
                        changes.value(name, values);
                    }
                }
            });
            let (kind, title) = (text("entity_type"), text("entity_title"));
            if kind.is_some() || entity.is_some() || title.is_some() {
                let targets = event.member("targets");
                targets.push(b'[');
                object(targets, |target| {
                    target.text_or_null("type", kind);
                    target.text_or_null("id", entity);
                    target.text_or_null("name", title);
                });
                targets.push(b']');
            }
        });
        Ok(())
    }
}

/// The integer that an entry is called by: strictly rising, the same for good, with holes.
#[must_use]
pub fn id_of(position: Position) -> u64 {
    position.0 + 1
}

/// The place of the entry with this id, if there can be one.
#[must_use]
pub fn position_of(id: &str) -> Option<Position> {
    let digits = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    let id: u64 = id.parse().ok().filter(|_| digits)?;
    id.checked_sub(1).map(Position)
}

fn request_id(id: &str) -> String {
    format!("req_{id}")
}

/// An actor that is an account's.
fn is_somebody() -> Condition {
    is(&["actor", "type"], SYSTEM).negated()
}

/// What an entry shows in words has this as a part, in any case.
fn search(part: &str) -> Condition {
    let shown: [&[&str]; 4] = [&["targets", "name"], &["description"], &["action"], &["targets", "type"]];
    Condition::Any(vec![any_contains(&shown, part), contains(&["actor", "name"], part).and(is_somebody())])
}

fn end_of_second(at: Timestamp) -> Timestamp {
    let micros = at.as_micros();
    Timestamp::from_micros(micros - micros.rem_euclid(1_000_000) + 999_999).unwrap_or(Timestamp::MAX)
}

/// An id that is an integer as one; another as `null`, and as a text in a member beside it.
fn write_reference(entry: &mut Object<'_>, (number, text): (&str, &str), id: Option<&str>) {
    let Some(id) = id else { return entry.null(number) };
    match id.parse::<u64>() {
        Ok(integer) if integer <= INTEGER_MAX && integer.to_string() == id => entry.integer(number, integer),
        _ => {
            entry.null(number);
            entry.text(text, id);
        }
    }
}

fn read_reference<'a>(entry: Value<'a>, (number, text): (&str, &str)) -> Option<&'a str> {
    let written = entry.get(text).and_then(Value::as_str);
    written.or_else(|| entry.get(number).filter(|id| id.kind() == Kind::Number).map(Value::token))
}

/// A state as the object it is; another value as the only member of one, as the wire has objects alone.
fn write_values(entry: &mut Object<'_>, name: &str, values: Option<Value<'_>>) {
    match values.map(|values| (values.kind(), values)) {
        None | Some((Kind::Null, _)) => entry.null(name),
        Some((Kind::Object, values)) => entry.value(name, values),
        Some((_, other)) => entry.object(name, |values| values.value("value", other)),
    }
}

/// A time as either setting writes it.
fn read_time(at: Option<Value<'_>>) -> Result<Option<String>, Refusal> {
    let Some(at) = at else { return Ok(None) };
    if let Some(text) = at.as_str() {
        return Ok(Some(text.to_owned()));
    }
    let seconds = (at.kind() == Kind::Number).then(|| at.token().parse::<i64>().ok()).flatten();
    let time = seconds.and_then(|seconds| Timestamp::from_micros(seconds.checked_mul(1_000_000)?));
    match time {
        Some(time) => Ok(Some(time.to_string())),
        None if at.kind() == Kind::Null => Ok(None),
        None => Err(Refusal::new("created_at", "is neither a time nor seconds since 1970")),
    }
}

fn write_error(refused: &Refused<'_>) -> Vec<u8> {
    let error = match refused.status {
        404 => "Resource not found",
        405 => "Method not allowed",
        422 => "Validation failed",
        429 => "Rate limit exceeded",
        _ => refused.message,
    };
    let mut out = Vec::new();
    object(&mut out, |body| {
        body.text("error", error);
        if let (422, Some(parameter)) = (refused.status, refused.parameter) {
            body.object("errors", |errors| {
                let problems = errors.member(parameter);
                problems.push(b'[');
                annals_event::json::write_string(refused.message, problems);
                problems.push(b']');
            });
        }
    });
    out
}

#[cfg(test)]
mod tests;
