//! `GET /v2/accounts/{account_id}/audit_logs`, and `/v2/me`, which scripts ask for the account's id.

use annals_event::filter::{Comparison, Condition, Subject};
use annals_event::json::{Kind as Json, Value};

use super::names::{self, camel};
use super::{Frameio, PAGE_HEADERS, VENDOR, exactly, title};
use crate::event::{Actor, State, Target, needed};
use crate::json::{Object, first_target, object, text_at, text_if_at as text};
use crate::list::PageSize;
use crate::params::{Params, Refusal, Span};
use crate::{Api, Common, Envelope, Event, Form, Kind, Member, Named, Paging, Refused, Route, Shown, Vendor};

/// The list of the second version.
#[derive(Clone, Debug, Default)]
pub struct FrameioV2(pub Frameio);

/// How it is asked for.
const LIST: Form = Form {
    route: Route {
        about: "The account is the tenant. Filters hold all together, each finds what the member of its name shows; item types and actions \
                are compared without case, and without what stands between words. Headers say which page this is, always.",
        segments: &[super::ACCOUNT],
        parameters: &[
            Member::text("filter[action]", "`action` is this, such as `AssetCreated` or `asset_created`"),
            Member::text(
                "filter[item_type]",
                "A target has this type, such as `ReviewLink` or `review_link`",
            ),
            Member::text(
                "filter[item_id]",
                "A target has this id; the same one as `filter[item_type]`, if that is given",
            ),
            Member::text("filter[actor_id]", "`actor_id` is this"),
            Member::text("filter[team_id]", "`team_id` is this"),
            Member::text("filter[ip_address]", "`ip_address` is this"),
            Member::text(
                OP,
                "How `inserted_at` stands to `filter[inserted_at][value]`: `gt`, `gte`, `lt`, `lte` or `eq`",
            ),
            Member::text(VALUE, "A time or a day; in UTC without an offset"),
            Member::text(BOUNDS[0].0, "`inserted_at` is after this"),
            Member::text(BOUNDS[1].0, "`inserted_at` is this or after"),
            Member::text(BOUNDS[2].0, "`inserted_at` is before this"),
            Member::text(BOUNDS[3].0, "`inserted_at` is this or before"),
            Member::text(BOUNDS[4].0, "`inserted_at` is this"),
        ],
        headers: PAGE_HEADERS,
        ..Route::new(
            "/v2/accounts/{account_id}/audit_logs",
            "frameio_v2_audit_logs",
            "Lists audit logs as the second version of Frame.io's API does.",
            Kind::List(&Kind::Named(&ENTRY)),
        )
    },
    aliases: &[],
    size: super::SIZE,
    sizes: SIZES,
    paging: Paging::Numbers,
};

/// Sizes of pages of the second version.
pub(super) const SIZES: PageSize = PageSize { default: 50, min: 1, max: 500 };

const ENTRY: Named = Named {
    name: "FrameioAudit",
    about: "An audit log of Frame.io's second version. What an event does not have is `null`.",
    members: &[
        Member::text("_type", "`audit`"),
        Member::text("account_id", "The tenant."),
        Member::text("action", "What was done, such as `AssetCreated`."),
        Member::new("actor", Kind::Members(ACTOR), "Who did it."),
        Member::text("actor_id", "`actor.id`").or_null(),
        Member::text("application_id", "`context.application`").or_null(),
        Member::text("id", "The event's id."),
        Member::new(
            "inserted_at",
            Kind::Time,
            "When it happened; with `time = \"received\"` when it was received.",
        ),
        Member::text("ip_address", "`context.ip`").or_null(),
        Member::text("item_id", "The id of the first of `targets`.").or_null(),
        Member::text("item_type", "The type of the first of `targets`, such as `ReviewLink`.").or_null(),
        Member::text("request_id", "`request.id`").or_null(),
        Member::new(
            "resource",
            Kind::Object,
            "`changes.after`, or else `_type`, `id` and `name` of the first of `targets`.",
        )
        .or_null(),
        Member::text("team_id", "`scope.team`").or_null(),
        Member::new("updated_at", Kind::Time, "As `inserted_at`: no entry changes."),
    ],
};

const ACTOR: &[Member] = &[
    Member::text("_type", "`actor.type`; `user` where there is none."),
    Member::text("id", "`actor.id`").or_null(),
    Member::text("name", "`actor.name`").or_null(),
    Member::text("email", "`actor.email`").or_null(),
];

/// The form of an error.
pub(super) const ERROR: Named = Named {
    name: "FrameioError",
    about: "An error of Frame.io's second version.",
    members: &[
        Member::integer("code", "The status."),
        Member::text("message", "What it is called."),
        Member::new("errors", Kind::List(&Kind::Members(ERRORS)), "What happened."),
    ],
};

const ERRORS: &[Member] = &[
    Member::integer("code", "The status."),
    Member::integer("status", "The status."),
    Member::text("title", "What it is called."),
    Member::text("detail", "For people."),
];

/// Who asks.
pub const ME: Route = Route {
    about: "They ask it for the id of their account.",
    ..Route::new(
        "/v2/me",
        "frameio_v2_me",
        "Says who asks, as the second version of Frame.io's API does.",
        Kind::Named(&Named {
            name: "FrameioMe",
            about: "Who asks, to clients of Frame.io.",
            members: &[
                Member::text("_type", "`user`"),
                Member::text("id", "The key's id."),
                Member::text("account_id", "The tenant."),
                Member::text("name", "The key's name.").or_null(),
                Member::text("email", "`null`: a key has none.").or_null(),
            ],
        }),
    )
};

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

impl Api for FrameioV2 {
    const VENDOR: &'static Vendor = &VENDOR;
    const FORM: &'static Form = &LIST;

    fn common(&self) -> &Common {
        &self.0.common
    }

    /// Every filter finds what its member shows; all of them together.
    fn condition(&self, params: &Params) -> Result<Condition, Refusal> {
        let mut all: Vec<_> = [
            params.text("filter[action]").map(|name| self.0.action_is(name)),
            exactly(params, "filter[actor_id]", &["actor", "id"]),
            exactly(params, "filter[ip_address]", &["context", "ip"]),
            exactly(params, "filter[team_id]", &["scope", "team"]),
            self.0.target_is(params.text("filter[item_id]"), params.text("filter[item_type]")),
        ]
        .into_iter()
        .flatten()
        .collect();
        let offset = &self.0.common.utc_offset;
        match (params.text(OP), params.moment(VALUE, offset)?) {
            (Some(op), Some(span)) => all.push(self.inserted(op, span)?),
            (None, None) => {}
            (Some(_), None) => return Err(Refusal::new(VALUE, format!("must come with `{OP}`"))),
            (None, Some(_)) => {
                return Err(Refusal::new(OP, format!("must come with `{VALUE}`: gt, gte, lt, lte or eq")));
            }
        }
        for (name, op) in BOUNDS {
            if let Some(span) = params.moment(name, offset)? {
                all.push(self.inserted(op, span)?);
            }
        }
        Ok(Condition::All(all))
    }

    fn write_entry(&self, record: &Subject<'_>, _asked: &Params, out: &mut Vec<u8>) {
        let event = record.event;
        let inserted_at = self.0.common.time.of(&record.known).to_string();
        let (actor, item) = (event.get("actor"), first_target(event));
        let of_actor = |name: &str| actor.and_then(|actor| text(actor, &[name]));
        let of_item = |name: &str| item.and_then(|item| text(item, &[name]));
        object(out, |entry| {
            entry.text("_type", "audit");
            entry.text("account_id", record.known.tenant.as_str());
            entry.text("action", &camel(self.0.actions.theirs(text_at(event, &["action"]))));
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
            entry.text_or_null(
                "item_type",
                of_item("type").map(|of| camel(self.0.item_types.theirs(of))).as_deref(),
            );
            entry.text_or_null("request_id", text(event, &["request", "id"]));
            write_resource(entry, item, event.get("changes").and_then(|changes| changes.get("after")));
            entry.text_or_null("team_id", text(event, &["scope", "team"]));
            entry.text("updated_at", &inserted_at);
        });
    }

    fn envelope(&self, shown: &Shown<'_>) -> Envelope {
        bare_array(shown)
    }

    fn event<'a>(&'a self, entry: Value<'a>) -> Result<Event<'a>, Refusal> {
        let of = |name: &str| text(entry, &[name]);
        let of_actor = |name: &str| text(entry, &["actor", name]);
        let (item_type, item_id) = (of("item_type"), of("item_id"));
        let kind = item_type.map(|name| names::thing(name, camel));
        let resource = entry.get("resource").filter(|resource| resource.kind() == Json::Object);
        let is_target = |resource: &Value<'_>| is_only_target(*resource, kind.as_deref(), item_id);
        let after = resource.filter(|resource| !is_target(resource)).map(State::Is);
        let name = resource.and_then(|resource| text(resource, &["name"]));
        Ok(Event {
            id: of("id").map(Into::into),
            occurred_at: of("inserted_at").map(Into::into),
            action: names::action(needed(entry, "action")?, item_type, camel).into(),
            actor: Actor {
                kind: Some(of_actor("_type").unwrap_or(USER)),
                id: of("actor_id").or_else(|| of_actor("id")),
                name: of_actor("name"),
                email: of_actor("email"),
            },
            ip: of("ip_address"),
            application: of("application_id"),
            request_id: of("request_id"),
            team: of("team_id"),
            after,
            targets: Target::of(kind, item_id, name),
            ..Event::default()
        })
    }
}

/// What an actor is called of whom nothing else is said.
const USER: &str = "user";

impl FrameioV2 {
    /// `inserted_at` is on this side of a moment, which may be a whole day.
    fn inserted(&self, op: &str, span: Span) -> Result<Condition, Refusal> {
        let is = |comparison, at| self.0.common.time.is(comparison, at);
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
        ("page-number", shown.number().to_string()),
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
    let after = after.filter(|after| after.kind() == Json::Object && !after.is_empty());
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
        Some(value) if value.kind() == Json::Null => expected.is_none(),
        Some(value) => value.as_str().is_some() && value.as_str() == expected,
    };
    let has_name =
        resource.get("name").is_none_or(|name| name.kind() == Json::Null || name.as_str().is_some());
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
