//! Nirvana Labs: `GET /v1/audit_logs` and `GET /v1/audit_logs/{audit_log_id}`. `README.md` beside this file says what is
//! documented, and how we read what is not.

use std::borrow::Cow;

use annals_event::Timestamp;
use annals_event::filter::{Comparison, Condition, Decimal, Field, Literal, Path, Subject, Test};
use annals_event::json::Value;

use crate::conditions::{self, is};
use crate::json::{at, first_target, object, text_at, text_if_at};
use crate::list::{Direction, List, Page, PageSize, SortKey};
use crate::params::{Params, Refusal};
use crate::settings::{Given, Setting, Wrong};
use crate::{Api, Envelope, Refused, Shown, Vendor, known};

pub use crate::time::Time as CreatedAt;

/// Where it is, and what its errors look like.
pub const VENDOR: Vendor =
    Vendor { settings: SETTINGS, ..Vendor::new("nirvana", &["/v1/audit_logs"], write_error) };

/// How many entries a page has.
pub const PAGE_SIZE: PageSize = PageSize { default: 10, min: 10, max: 100 };

/// What can be set.
const SETTINGS: &[Setting] = &[
    Setting::time("dialects.nirvana.time"),
    Setting::one(
        "dialects.nirvana.actor_type_other",
        "as_sent",
        "\"as_sent\"",
        "Actors in Nirvana's entries that are neither `user` nor `api_key`: `as_sent`, or shown as `api_key`.",
    ),
    Setting::window_days("dialects.nirvana.window_days"),
    Setting::limits("dialects.nirvana.limits"),
];

/// The parameter that says the size of a page.
pub const LIMIT: &str = "limit";

/// The parameter with a cursor, in either direction.
pub const CURSOR: &str = "cursor";

/// Every parameter that counts.
///
/// Source: `nirvana-go`, `AuditLogListParams`; the page on the web has `cursor` and `limit` alone.
pub const PARAMETERS: &[&str] = &[
    "action",
    "actor_id",
    "actor_type",
    "client_ip",
    "created_at_max",
    "created_at_min",
    CURSOR,
    LIMIT,
    "method",
    "path",
    "sort",
    "status_code_max",
    "status_code_min",
    "target_id",
    "target_type",
];

/// Types of actor that the vendor knows.
const USER: &str = "user";
const API_KEY: &str = "api_key";

/// How the vendor's API is answered, where that can be set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nirvana {
    /// What `created_at` is.
    pub time: CreatedAt,
    /// How actors are shown that are neither `user` nor `api_key`.
    pub actor_type_other: ActorTypeOther,
}

/// How actors are shown that are neither `user` nor `api_key`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ActorTypeOther {
    /// With the type that was sent.
    #[default]
    AsSent,
    /// As `api_key`.
    ApiKey,
}

impl Nirvana {
    /// What was set.
    ///
    /// # Errors
    ///
    /// A value that does not fit.
    pub fn configured(given: &Given<'_>) -> Result<Self, Wrong> {
        let types = [("as_sent", ActorTypeOther::AsSent), ("api_key", ActorTypeOther::ApiKey)];
        Ok(Self {
            time: given.time("dialects.nirvana.time")?,
            actor_type_other: given.one_of("dialects.nirvana.actor_type_other", &types)?,
        })
    }

    /// Whose cursors these are: with other settings the same question has other answers, in another order.
    #[must_use]
    pub fn view(&self) -> &'static str {
        match (self.time, self.actor_type_other) {
            (CreatedAt::Occurred, ActorTypeOther::AsSent) => VENDOR.name,
            (CreatedAt::Occurred, ActorTypeOther::ApiKey) => "nirvana api_key",
            (CreatedAt::Received, ActorTypeOther::AsSent) => "nirvana received",
            (CreatedAt::Received, ActorTypeOther::ApiKey) => "nirvana received api_key",
        }
    }

    /// Reads what a request for a list asks for.
    ///
    /// # Errors
    ///
    /// A time, number or sort that cannot be read.
    pub fn read(&self, mut params: Params) -> Result<List, Refusal> {
        let limit = PAGE_SIZE.read(&params, LIMIT)?;
        params.take(LIMIT);
        let cursor = params.take(CURSOR);
        let order = self.order(params.text("sort"))?;
        let condition = self.condition(&params)?;
        Ok(List { order, limit, cursor, ..List::new(condition, self.time, params) })
    }

    /// Every filter finds what its member shows; all of them together.
    fn condition(&self, params: &Params) -> Result<Condition, Refusal> {
        let is = |name: &str, path: &[&str]| params.text(name).map(|text| is(path, text));
        let created_at = |comparison, at| self.time.is(comparison, at);
        let all = [
            is("action", &["action"]),
            is("actor_id", &["actor", "id"]),
            params.text("actor_type").map(|text| self.actor_type_is(text)),
            is("client_ip", &["context", "ip"]),
            params.time("created_at_min")?.map(|at| created_at(Comparison::AtLeast, at)),
            params.time("created_at_max")?.map(|at| created_at(Comparison::AtMost, at)),
            is("method", &["request", "method"]),
            params.text("path").map(|text| conditions::contains(&["request", "path"], text)),
            params.integer("status_code_min")?.map(|code| status_code(Comparison::AtLeast, code)),
            params.integer("status_code_max")?.map(|code| status_code(Comparison::AtMost, code)),
            target(params),
        ];
        Ok(Condition::All(all.into_iter().flatten().collect()))
    }

    fn actor_type_is(&self, text: &str) -> Condition {
        let sent = |text| Condition::texts(&["actor", "type"], [text]);
        match (self.actor_type_other, text) {
            (ActorTypeOther::AsSent, _) | (_, USER) => sent(text),
            (ActorTypeOther::ApiKey, API_KEY) => sent(USER).negated(),
            (ActorTypeOther::ApiKey, _) => Condition::Any(Vec::new()),
        }
    }

    /// Reads `field:asc|desc`, commas between; the newest first when nothing is said.
    fn order(&self, sort: Option<&str>) -> Result<Vec<(SortKey, Direction)>, Refusal> {
        let wrong = |problem: &str| Refusal::new("sort", problem);
        let mut order = Vec::new();
        for part in sort.unwrap_or("created_at:desc").split(',') {
            let Some((field, direction)) = part.trim().split_once(':') else {
                return Err(wrong(
                    "must be fields with their directions, such as `created_at:desc`, commas between",
                ));
            };
            let key = match (field, self.time) {
                ("created_at", time) => time.sort_key(),
                ("status_code", _) => SortKey::StatusCode,
                _ => return Err(wrong("takes the fields `created_at` and `status_code`")),
            };
            let direction = match direction {
                "asc" => Direction::Rising,
                "desc" => Direction::Falling,
                _ => return Err(wrong("takes the directions `asc` and `desc`")),
            };
            if order.iter().any(|(named, _)| *named == key) {
                return Err(wrong("names a field twice"));
            }
            order.push((key, direction));
        }
        Ok(order)
    }

    /// Writes a record as an entry of a list, or the answer about it alone.
    pub fn write_entry(&self, record: &Subject<'_>, out: &mut Vec<u8>) {
        let event = record.event;
        let created_at = self.time.of(&record.known);
        let actor_type = match (text_at(event, &["actor", "type"]), self.actor_type_other) {
            (USER, _) => USER,
            (sent, ActorTypeOther::AsSent) => sent,
            (_, ActorTypeOther::ApiKey) => API_KEY,
        };
        object(out, |entry| {
            entry.text("id", text_at(event, &["id"]));
            entry.text("action", text_at(event, &["action"]));
            entry.object("actor", |actor| {
                actor.text("id", text_at(event, &["actor", "id"]));
                actor.text("name", text_at(event, &["actor", "name"]));
                actor.text("type", actor_type);
            });
            entry.text("client_ip", text_at(event, &["context", "ip"]));
            entry.text("created_at", &time(created_at));
            entry.text("method", text_at(event, &["request", "method"]));
            entry.text("path", text_at(event, &["request", "path"]));
            let code = at(event, &["request", "status_code"]).and_then(Value::as_u64);
            entry.integer("status_code", code.unwrap_or(0));
            entry.text("user_agent", text_at(event, &["context", "user_agent"]));
            match first_target(event) {
                Some(first) => entry.object("target", |target| {
                    target.text("id", text_at(first, &["id"]));
                    target.text("type", text_at(first, &["type"]));
                }),
                None => entry.null("target"),
            }
        });
    }
}

/// What comes before the entries of a page, which have commas between.
pub const LIST_OPENING: &str = "{\"items\":[";

/// What comes after the entries of a page.
#[must_use]
pub fn list_closing(page: &Page<'_>) -> Vec<u8> {
    let mut out = b"],\"pagination\":".to_vec();
    object(&mut out, |pagination| {
        pagination.text_or_null("next_cursor", page.next);
        pagination.text_or_null("previous_cursor", page.previous);
        pagination.integer("total_count", page.total);
    });
    out.push(b'}');
    out
}

fn write_error(refused: &Refused<'_>) -> Vec<u8> {
    let code = match refused.status {
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not_found",
        405 => "method_not_allowed",
        422 => "unprocessable_entity",
        429 => "too_many_requests",
        400..=499 => "bad_request",
        503 => "unavailable",
        _ => "internal_error",
    };
    let mut out = Vec::new();
    object(&mut out, |error| {
        error.text("message", refused.message);
        error.text("code", code);
    });
    out
}

/// The instant as the vendor's server, written in Go, prints one: without the zeros that end its fraction.
fn time(at: Timestamp) -> String {
    let text = at.to_string();
    let digits = text.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.');
    format!("{digits}Z")
}

/// A code on this side of a bound. An event without one is shown with 0 and found as such.
fn status_code(comparison: Comparison, bound: i64) -> Condition {
    let path = || Field::Member(Path::new(&["request", "status_code"]));
    let number = Decimal::parse(&bound.to_string()).expect("an integer's digits are a number");
    let within = Condition::Field(path(), Test::Order(comparison, Literal::Number(number)));
    let zero_is_within = match comparison {
        Comparison::AtLeast => bound <= 0,
        _ => bound >= 0,
    };
    if zero_is_within {
        let none = Condition::Field(path(), Test::Present).negated();
        return Condition::Any(vec![within, none]);
    }
    within
}

/// One and the same target has this id and this type.
fn target(params: &Params) -> Option<Condition> {
    let given = [("target_id", "id"), ("target_type", "type")].into_iter();
    conditions::target(given.filter_map(|(name, member)| Some(is(&[member], params.text(name)?))).collect())
}

impl Api for Nirvana {
    fn vendor(&self) -> &'static Vendor {
        &VENDOR
    }

    fn view(&self) -> Cow<'static, str> {
        self.view().into()
    }

    fn time(&self) -> CreatedAt {
        self.time
    }

    fn page_size(&self) -> PageSize {
        PAGE_SIZE
    }

    fn size_parameter(&self) -> &'static str {
        LIMIT
    }

    fn parameter(&self, said: &str) -> Option<&'static str> {
        known(said, PARAMETERS, &[])
    }

    fn read(&self, params: Params) -> Result<List, Refusal> {
        self.read(params)
    }

    fn write_entry(&self, record: &Subject<'_>, _: &Params, out: &mut Vec<u8>) {
        self.write_entry(record, out);
    }

    fn envelope(&self, shown: &Shown<'_>) -> Envelope {
        let page = Page { next: shown.next, previous: shown.previous, total: shown.total.unwrap_or(0) };
        Envelope { opening: LIST_OPENING.into(), closing: list_closing(&page), headers: Vec::new() }
    }

    fn read_entry(&self, entry: Value<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        read_entry(entry, out)
    }
}

/// Writes an entry as an event. What an entry shows as empty, the event does not have.
fn read_entry(entry: Value<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let text = |path: &[&str]| text_if_at(entry, path).filter(|text| !text.is_empty());
    let needed = |name: &'static str| text(&[name]).ok_or_else(|| Refusal::new(name, "must be a text"));
    let (id, action, created_at) = (needed("id")?, needed("action")?, needed("created_at")?);
    let actor = ["id", "name", "type"].map(|name| (name, text(&["actor", name])));
    if let [(_, None), _, (_, None)] = actor {
        return Err(Refusal::new("actor", "has neither an id nor a type"));
    }
    object(out, |event| {
        event.text("id", id);
        event.text("occurred_at", created_at);
        event.text("action", action);
        event.object("actor", |out| {
            for (name, text) in actor {
                out.text_if(name, text);
            }
        });
        event.object("context", |context| {
            context.text_if("ip", text(&["client_ip"]));
            context.text_if("user_agent", text(&["user_agent"]));
        });
        event.object("request", |request| {
            request.text_if("method", text(&["method"]));
            request.text_if("path", text(&["path"]));
            if let Some(code) = at(entry, &["status_code"]).and_then(Value::as_u64).filter(|code| *code > 0) {
                request.integer("status_code", code);
            }
        });
        if let Some(target) = entry.get("target").filter(|target| !target.is_empty()) {
            event.array_of_one("targets", |out| {
                out.text_if("id", text_if_at(target, &["id"]));
                out.text_if("type", text_if_at(target, &["type"]));
            });
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests;
