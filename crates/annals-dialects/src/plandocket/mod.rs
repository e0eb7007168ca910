//! PlanDocket: `GET /api/v1/audit-log` and `GET /api/v1/audit-log/{id}`. `README.md` beside this file says what is documented,
//! and how we read what is not.

use annals_event::filter::{Condition, Subject};
use annals_event::json::{Kind as Json, Value};
use annals_event::{Position, Timestamp};

use crate::conditions::{any_contains, contains, is, target};
use crate::event::{Actor, State, Target, needed};
use crate::json::{Object, at, first_target, object, text_at, text_if_at};
use crate::list::{Direction, PageSize, SortKey};
use crate::params::{Params, Refusal, Span};
use crate::rate::Rate;
use crate::settings::{Given, Setting, Wrong};
use crate::time;
use crate::{
    Api, Common, Envelope, Event, Form, KeyPlace, Kind, Member, Named, Paging, Refused, Route, Shown, Vendor,
    common,
};

/// Where it is, and what its errors look like.
pub const VENDOR: Vendor = Vendor {
    keys: &[KeyPlace::Header("x-api-key"), KeyPlace::Query("api_key")],
    invalid_status: 422,
    // Of the smallest plan. No headers tell it.
    rate: Rate { requests: 1_000, seconds: 3_600 },
    common: common!("plandocket": time, order, page_size, page_size_max, first_page, utc_offset, window_days, limits),
    settings: SETTINGS,
    ..Vendor::new("plandocket", &["/api/v1/audit-log"], write_error, |_| &ERROR)
};

/// Its list.
const LIST: Form = Form {
    route: Route {
        about: "Filters hold all together, and each finds what the member of its name shows. The key may also stand in the header \
                `X-API-Key` or the parameter `api_key`.",
        parameters: &[
            Member::text("sort", "`created_at`"),
            Member::text("order", "`ASC` or `DESC`"),
            Member::text("action", "`action` is this"),
            Member::text("entity_type", "A target has this type"),
            Member::text("admin_id", "`admin_id` or `admin_ref` is this"),
            Member::text("date_from", "`created_at` is this time or day or later; in UTC without an offset"),
            Member::text("date_to", "`created_at` is this time or day or earlier"),
            Member::text(
                "search",
                "`entity_title`, `description`, `admin_name`, `action` or `entity_type` contains this, in any case",
            ),
        ],
        ..Route::new(
            VENDOR.roots[0],
            "plandocket_audit_log",
            "Lists the audit log as PlanDocket does.",
            Kind::Named(&PAGE),
        )
    },
    aliases: &[("limit", "per_page")],
    size: "per_page",
    sizes: PageSize { default: 50, min: 1, max: 100 },
    paging: Paging::Numbers,
};

/// Its look-up of one entry.
pub const ONE: Route = Route {
    segments: &[Member::text("id", "The event's position, counted from 1")],
    ..Route::new(
        "/api/v1/audit-log/{id}",
        "plandocket_audit_log_entry",
        "Reads one entry of the audit log as PlanDocket does.",
        Kind::Named(&Named {
            name: "PlanDocketOne",
            about: "An entry of PlanDocket that was asked for alone.",
            members: &[
                Member::new("data", Kind::Named(&ENTRY), "The entry."),
                Member::new("meta", Kind::Members(&[REQUEST_ID]), "About the answer."),
            ],
        }),
    )
};

const PAGE: Named = Named {
    name: "PlanDocketList",
    about: "A page of PlanDocket.",
    members: &[
        Member::new("data", Kind::List(&Kind::Named(&ENTRY)), "The entries, in order."),
        Member::new("meta", Kind::Members(META), "Where the page stands."),
    ],
};

const REQUEST_ID: Member = Member::text("request_id", "The request's id.");

const META: &[Member] = &[
    REQUEST_ID,
    Member::integer("page", "Which page, from 1."),
    Member::integer("per_page", "Entries of a full page."),
    Member::integer("total", "Entries of all pages."),
    Member::integer("total_pages", "Pages, at least 1."),
];

const ENTRY: Named = Named {
    name: "PlanDocketEntry",
    about: "An entry of PlanDocket. What an event does not have is `null`.",
    members: &[
        Member::integer("id", "The event's position, counted from 1: it rises, and has holes."),
        Member::integer("audit-log_id", "The same."),
        Member::text("action", "What was done."),
        Member::text("entity_type", "The type of the first of `targets`.").or_null(),
        Member::integer("entity_id", "Its id, where that is an integer.").or_null(),
        Member::text("entity_ref", "Its id, where that is none.").or_absent(),
        Member::text("entity_title", "Its name.").or_null(),
        Member::text("description", "`description`").or_null(),
        Member::new("old_values", Kind::Object, "`changes.before`").or_null(),
        Member::new("new_values", Kind::Object, "`changes.after`").or_null(),
        Member::integer("admin_id", "`actor.id`, where that is an integer.").or_null(),
        Member::text("admin_ref", "`actor.id`, where that is none.").or_absent(),
        Member::text("admin_name", "`actor.name`").or_null(),
        Member::text("ip_address", "`context.ip`").or_null(),
        Member::text("user_agent", "`context.user_agent`").or_null(),
        Member::new(
            "created_at",
            Kind::Any,
            "When it happened; with `time = \"received\"` when it was received. With `timestamps = \"epoch\"` an integer.",
        ),
        Member::integer("updated_at", "As `created_at`, with `timestamps = \"epoch\"`.").or_absent(),
    ],
};

const ERROR: Named = Named {
    name: "PlanDocketError",
    about: "An error of PlanDocket.",
    members: &[
        Member::text("error", "What happened."),
        Member::new("errors", Kind::Object, "Of each parameter in question, what was wrong with it.")
            .or_absent(),
    ],
};

/// The largest integer that every client reads as it is: what a double holds.
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// An actor of this type is nobody's account.
const SYSTEM: &str = "system";

/// How the vendor's API is answered, where that can be set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanDocket {
    /// What is set of it as of others.
    pub common: Common,
    /// How `created_at` is written.
    pub timestamps: Timestamps,
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

/// What can be set of this vendor alone.
const SETTINGS: &[Setting] = &[Setting::one(
    "dialects.plandocket.timestamps",
    "iso",
    "\"iso\"",
    "Times in PlanDocket's entries: `iso` is `2026-11-21T10:00:00+00:00`, `epoch` is seconds since 1970, with `updated_at` beside \
     `created_at`.",
)];

impl PlanDocket {
    /// What was set.
    ///
    /// # Errors
    ///
    /// A value that does not fit.
    pub fn configured(given: &Given<'_>) -> Result<Self, Wrong> {
        let forms = [("iso", Timestamps::Iso), ("epoch", Timestamps::Epoch)];
        Ok(Self {
            common: Common::configured(given, &VENDOR)?,
            timestamps: given.one_of("dialects.plandocket.timestamps", &forms)?,
        })
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
    const VENDOR: &'static Vendor = &VENDOR;
    const FORM: &'static Form = &LIST;

    fn common(&self) -> &Common {
        &self.common
    }

    /// Every filter finds what its member shows; all of them together.
    fn condition(&self, params: &Params) -> Result<Condition, Refusal> {
        let offset = &self.common.utc_offset;
        let from = params.moment("date_from", offset)?;
        // Shown to the second, so all of it is found.
        let to = params.moment("date_to", offset)?.map(|span| Span { to: end_of_second(span.to), ..span });
        let all = [
            params.text("action").map(|text| is(&["action"], text)),
            params.text("entity_type").and_then(|text| target(vec![is(&["type"], text)])),
            params.text("admin_id").map(|text| is(&["actor", "id"], text).and(is_somebody())),
            params.text("search").map(search),
        ];
        Ok(Condition::All(all.into_iter().flatten().chain(self.common.time.within(from, to)).collect()))
    }

    fn order(&self, params: &Params) -> Result<Vec<(SortKey, Direction)>, Refusal> {
        if params.text("sort").is_some_and(|field| field != "created_at") {
            return Err(Refusal::new("sort", "takes `created_at`"));
        }
        let direction = match params.text("order").map(str::to_ascii_lowercase).as_deref() {
            None => self.common.order,
            Some("desc") => Direction::Falling,
            Some("asc") => Direction::Rising,
            Some(_) => return Err(Refusal::new("order", "takes `ASC` and `DESC`")),
        };
        Ok(vec![(self.common.time.sort_key(), direction)])
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
            self.write_time(entry, self.common.time.of(&record.known));
        });
    }

    fn envelope(&self, shown: &Shown<'_>) -> Envelope {
        let mut closing = b"],\"meta\":".to_vec();
        object(&mut closing, |meta| {
            meta.text("request_id", &request_id(shown.request_id));
            meta.integer("page", shown.number());
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

    fn event<'a>(&'a self, entry: Value<'a>) -> Result<Event<'a>, Refusal> {
        let text = |name: &str| text_if_at(entry, &[name]);
        let state = |name: &str| entry.get(name).filter(|values| values.kind() != Json::Null).map(State::Is);
        let id = read_reference(entry, ("admin_id", "admin_ref"));
        let is_somebody = id.is_some() || text("admin_name").is_some();
        let target = Target {
            kind: text("entity_type").map(Into::into),
            id: read_reference(entry, ("entity_id", "entity_ref")),
            name: text("entity_title"),
        };
        let is_target = target.kind.is_some() || target.id.or(target.name).is_some();
        Ok(Event {
            id: entry.get("id").filter(|id| id.as_u64().is_some()).map(|id| id.token().into()),
            occurred_at: read_time(entry.get("created_at"))?.map(Into::into),
            action: needed(entry, "action")?.into(),
            description: text("description").map(Into::into),
            actor: Actor {
                kind: Some(if is_somebody { "user" } else { SYSTEM }),
                id,
                name: text("admin_name"),
                email: None,
            },
            ip: text("ip_address"),
            user_agent: text("user_agent"),
            before: state("old_values"),
            after: state("new_values"),
            targets: Some(target).filter(|_| is_target).into_iter().collect(),
            ..Event::default()
        })
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
    written.or_else(|| entry.get(number).filter(|id| id.kind() == Json::Number).map(Value::token))
}

/// A state as the object it is; another value as the only member of one, as the wire has objects alone.
fn write_values(entry: &mut Object<'_>, name: &str, values: Option<Value<'_>>) {
    match values.map(|values| (values.kind(), values)) {
        None | Some((Json::Null, _)) => entry.null(name),
        Some((Json::Object, values)) => entry.value(name, values),
        Some((_, other)) => entry.object(name, |values| values.value("value", other)),
    }
}

/// A time as either setting writes it.
fn read_time(at: Option<Value<'_>>) -> Result<Option<String>, Refusal> {
    let Some(at) = at else { return Ok(None) };
    if let Some(text) = at.as_str() {
        return Ok(Some(text.to_owned()));
    }
    let seconds = (at.kind() == Json::Number).then(|| at.token().parse::<i64>().ok()).flatten();
    let time = seconds.and_then(|seconds| Timestamp::from_micros(seconds.checked_mul(1_000_000)?));
    match time {
        Some(time) => Ok(Some(time.to_string())),
        None if at.kind() == Json::Null => Ok(None),
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
