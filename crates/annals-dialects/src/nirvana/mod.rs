//! Nirvana Labs: `GET /v1/audit_logs` and `GET /v1/audit_logs/{audit_log_id}`. `README.md` beside this file says what is
//! documented, and how we read what is not.

use annals_event::Timestamp;
use annals_event::filter::{Comparison, Condition, Decimal, Field, Literal, Path, Subject, Test};
use annals_event::json::Value;

use crate::conditions::{self, is};
use crate::event::{Actor, Target, needed};
use crate::json::{at, first_target, object, text_at, text_if_at};
use crate::list::{Direction, PageSize, SortKey};
use crate::params::{Params, Refusal};
use crate::settings::{Given, Setting, Wrong};
use crate::{
    Api, Common, Envelope, Event, Form, Kind, Member, Named, Paging, Refused, Route, Shown, Vendor, common,
};

/// Where it is, and what its errors look like.
pub const VENDOR: Vendor = Vendor {
    common: common!("nirvana": time, order, page_size_beyond, window_days, limits),
    settings: SETTINGS,
    ..Vendor::new("nirvana", &["/v1/audit_logs"], write_error, |_| &ERROR)
};

/// Its list.
///
/// Source: `nirvana-go`, `AuditLogListParams`; the page on the web has `cursor` and `limit` alone.
const LIST: Form = Form {
    route: Route {
        about: "Filters hold all together, and each finds what the member of its name shows. A cursor goes on alone, or with the same \
                filters and sort, as of the first page.",
        parameters: &[
            Member::text(
                "sort",
                "`created_at` or `status_code`, each with `:asc` or `:desc`, commas between",
            ),
            Member::text("action", "`action` is this"),
            Member::text("actor_id", "`actor.id` is this"),
            Member::text("actor_type", "`actor.type` is this"),
            Member::text("client_ip", "`client_ip` is this"),
            Member::text("created_at_min", "`created_at` is this RFC 3339 time or later"),
            Member::text("created_at_max", "`created_at` is this RFC 3339 time or earlier"),
            Member::text("method", "`method` is this"),
            Member::text("path", "`path` contains this, in any case"),
            Member::integer("status_code_min", "`status_code` is this or more"),
            Member::integer("status_code_max", "`status_code` is this or less"),
            Member::text("target_id", "A target has this id"),
            Member::text(
                "target_type",
                "A target has this type; the same one as `target_id`, if that is given",
            ),
        ],
        ..Route::new(
            VENDOR.roots[0],
            "nirvana_audit_logs",
            "Lists audit logs as Nirvana Labs does.",
            Kind::Named(&PAGE),
        )
    },
    aliases: &[],
    size: "limit",
    sizes: PageSize { default: 10, min: 10, max: 100 },
    paging: Paging::Cursor("cursor"),
};

/// Its look-up of one entry.
pub const ONE: Route = Route {
    segments: &[Member::text("id", "The event's id")],
    ..Route::new(
        "/v1/audit_logs/{id}",
        "nirvana_audit_log",
        "Reads one audit log as Nirvana Labs does.",
        Kind::Named(&ENTRY),
    )
};

const PAGE: Named = Named {
    name: "NirvanaList",
    about: "A page of Nirvana Labs.",
    members: &[
        Member::new("items", Kind::List(&Kind::Named(&ENTRY)), "The entries, in order."),
        Member::new("pagination", Kind::Members(PAGINATION), "Where the page stands."),
    ],
};

const PAGINATION: &[Member] = &[
    Member::text("next_cursor", "Cursor of the next page.").or_null(),
    Member::text("previous_cursor", "Cursor of the page before.").or_null(),
    Member::integer("total_count", "How many entries the list has, as of its first page."),
];

const ENTRY: Named = Named {
    name: "NirvanaEntry",
    about: "An entry of Nirvana Labs. What an event does not have is an empty text or 0.",
    members: &[
        Member::text("id", "The event's id."),
        Member::text("action", "What was done."),
        Member::new("actor", Kind::Members(ACTOR), "Who did it."),
        Member::text("client_ip", "`context.ip`"),
        Member::new(
            "created_at",
            Kind::Time,
            "When it happened; with `time = \"received\"` when it was received.",
        ),
        Member::text("method", "`request.method`"),
        Member::text("path", "`request.path`"),
        Member::integer("status_code", "`request.status_code`"),
        Member::text("user_agent", "`context.user_agent`"),
        Member::new("target", Kind::Members(TARGET), "The first of `targets`.").or_null(),
    ],
};

const ACTOR: &[Member] = &[
    Member::text("id", "`actor.id`"),
    Member::text("name", "`actor.name`"),
    Member::text("type", "`user`, `api_key`, or another type as it was sent."),
];

const TARGET: &[Member] = &[Member::text("id", "Its id."), Member::text("type", "Its type.")];

const ERROR: Named = Named {
    name: "NirvanaError",
    about: "An error of Nirvana Labs.",
    members: &[Member::text("message", "What happened, for people."), Member::text("code", "Its kind.")],
};

/// What can be set of this vendor alone.
const SETTINGS: &[Setting] = &[Setting::one(
    "dialects.nirvana.actor_type_other",
    "as_sent",
    "\"as_sent\"",
    "Actors in Nirvana's entries that are neither `user` nor `api_key`: `as_sent`, or shown as `api_key`.",
)];

/// Types of actor that the vendor knows.
const USER: &str = "user";
const API_KEY: &str = "api_key";

/// How the vendor's API is answered, where that can be set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nirvana {
    /// What is set of it as of others.
    pub common: Common,
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
            common: Common::configured(given, &VENDOR)?,
            actor_type_other: given.one_of("dialects.nirvana.actor_type_other", &types)?,
        })
    }

    fn actor_type_is(&self, text: &str) -> Condition {
        let sent = |text| Condition::texts(&["actor", "type"], [text]);
        match (self.actor_type_other, text) {
            (ActorTypeOther::AsSent, _) | (_, USER) => sent(text),
            (ActorTypeOther::ApiKey, API_KEY) => sent(USER).negated(),
            (ActorTypeOther::ApiKey, _) => Condition::Any(Vec::new()),
        }
    }
}

impl Api for Nirvana {
    const VENDOR: &'static Vendor = &VENDOR;
    const FORM: &'static Form = &LIST;

    fn common(&self) -> &Common {
        &self.common
    }

    fn view_of_its_own(&self) -> &'static str {
        match self.actor_type_other {
            ActorTypeOther::AsSent => "",
            ActorTypeOther::ApiKey => " api_key",
        }
    }

    /// Every filter finds what its member shows; all of them together.
    fn condition(&self, params: &Params) -> Result<Condition, Refusal> {
        let is = |name: &str, path: &[&str]| params.text(name).map(|text| is(path, text));
        let created_at = |comparison, at| self.common.time.is(comparison, at);
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

    /// Reads `field:asc|desc`, commas between.
    fn order(&self, params: &Params) -> Result<Vec<(SortKey, Direction)>, Refusal> {
        let Some(sort) = params.text("sort") else { return Ok(self.common.order()) };
        let wrong = |problem: &str| Refusal::new("sort", problem);
        let mut order = Vec::new();
        for part in sort.split(',') {
            let Some((field, direction)) = part.trim().split_once(':') else {
                return Err(wrong(
                    "must be fields with their directions, such as `created_at:desc`, commas between",
                ));
            };
            let key = match (field, self.common.time) {
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

    fn write_entry(&self, record: &Subject<'_>, _: &Params, out: &mut Vec<u8>) {
        let event = record.event;
        let created_at = self.common.time.of(&record.known);
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

    fn envelope(&self, shown: &Shown<'_>) -> Envelope {
        let mut closing = b"],\"pagination\":".to_vec();
        object(&mut closing, |pagination| {
            pagination.text_or_null("next_cursor", shown.next);
            pagination.text_or_null("previous_cursor", shown.previous);
            pagination.integer("total_count", shown.total.unwrap_or(0));
        });
        closing.push(b'}');
        Envelope { opening: "{\"items\":[".into(), closing, headers: Vec::new() }
    }

    // What an entry shows as empty, the event does not have.
    fn event<'a>(&'a self, entry: Value<'a>) -> Result<Event<'a>, Refusal> {
        let text = |path: &[&str]| text_if_at(entry, path).filter(|text| !text.is_empty());
        let event_id = needed(entry, "id")?;
        let (kind, id) = (text(&["actor", "type"]), text(&["actor", "id"]));
        if kind.or(id).is_none() {
            return Err(Refusal::new("actor", "has neither an id nor a type"));
        }
        let target = entry.get("target").filter(|target| !target.is_empty()).map(|target| Target {
            kind: text_if_at(target, &["type"]).map(Into::into),
            id: text_if_at(target, &["id"]),
            name: None,
        });
        Ok(Event {
            id: Some(event_id.into()),
            occurred_at: Some(needed(entry, "created_at")?.into()),
            action: needed(entry, "action")?.into(),
            actor: Actor { kind, id, name: text(&["actor", "name"]), email: None },
            ip: text(&["client_ip"]),
            user_agent: text(&["user_agent"]),
            method: text(&["method"]),
            path: text(&["path"]),
            status_code: at(entry, &["status_code"]).and_then(Value::as_u64).filter(|code| *code > 0),
            targets: target.into_iter().collect(),
            ..Event::default()
        })
    }
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

#[cfg(test)]
mod tests;
