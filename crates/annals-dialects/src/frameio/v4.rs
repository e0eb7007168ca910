//! `GET /v4/accounts/{account_id}/audit_logs`.

use annals_event::filter::{Condition, Subject};
use annals_event::json::Value;

use super::names::{self, snake};
use super::{Frameio, VENDOR, exactly, title};
use crate::event::{Actor, Target, needed};
use crate::json::{first_target, object, text_at, text_if_at as text};
use crate::list::PageSize;
use crate::params::{Params, Refusal};
use crate::{Api, Common, Envelope, Event, Form, Kind, Member, Named, Paging, Refused, Route, Shown, Vendor};

/// The list of the fourth version.
#[derive(Clone, Debug, Default)]
pub struct FrameioV4(pub Frameio);

/// How it is asked for.
const LIST: Form = Form {
    route: Route {
        about: "The account is the tenant. `links.next` carries a cursor that knows filters, size and `include`: what stands beside it, apart \
                from a size, is not looked at.",
        segments: &[super::ACCOUNT],
        parameters: &[
            Member::text("include", "`user` for `user` in each entry"),
            Member::new("include_total_count", Kind::Boolean, "Whether to say how many entries there are"),
            Member::text("filters[event_type]", "`event_type` is this, however it is spelled"),
            Member::text("filters[from_date]", "`inserted_at` is on this day or after"),
            Member::text("filters[to_date]", "`inserted_at` is on this day or before"),
            Member::text("filters[ip_address]", "`ip_address` is this"),
            Member::text("filters[project_id]", "`project_id` is this"),
            Member::text("filters[resource_id]", "A target has this id"),
            Member::text("filters[resource_type]", "A target has this type, however it is spelled"),
            Member::text("filters[user_id]", "`user_id` is this"),
            Member::text("filters[workspace_id]", "`workspace_id` is this"),
        ],
        ..Route::new(
            "/v4/accounts/{account_id}/audit_logs",
            "frameio_audit_logs",
            "Lists audit logs as the fourth version of Frame.io's API does.",
            Kind::Named(&PAGE),
        )
    },
    aliases: &[],
    size: super::SIZE,
    sizes: PageSize { default: 50, min: 1, max: 100 },
    paging: Paging::Cursor("after"),
};

const PAGE: Named = Named {
    name: "FrameioList",
    about: "A page of Frame.io's fourth version.",
    members: &[
        Member::new("data", Kind::List(&Kind::Named(&ENTRY)), "The entries, the newest first."),
        Member::new(
            "links",
            Kind::Members(&[Member::text("next", "A path with the cursor.").or_null()]),
            "Where the next page is.",
        ),
        Member::integer("total_count", "How many entries the list has, where that was asked for.").or_null(),
    ],
};

const ENTRY: Named = Named {
    name: "FrameioLog",
    about: "An audit log of Frame.io's fourth version.",
    members: &[
        Member::text("account_id", "The tenant."),
        Member::text("event_type", "What was done, such as `asset_created`."),
        Member::text("id", "The event's id, which the vendor does not send.").or_absent(),
        Member::new(
            "inserted_at",
            Kind::Time,
            "When it happened; with `time = \"received\"` when it was received.",
        ),
        Member::text("ip_address", "`context.ip`, empty where there is none."),
        Member::text("project_id", "`scope.project`").or_null(),
        Member::text("resource_id", "The id of the first of `targets`, empty where there is none."),
        Member::text("resource_type", "Its type, such as `review_link`."),
        Member::new("user", Kind::Members(USER), "Who did it, where that was asked for.")
            .or_null()
            .or_absent(),
        Member::text("user_id", "`actor.id`").or_null(),
        Member::text("workspace_id", "`scope.team`").or_null(),
    ],
};

const USER: &[Member] = &[
    Member::text("id", "`actor.id`"),
    Member::text("name", "`actor.name`").or_null(),
    Member::text("email", "`actor.email`, empty where there is none."),
];

/// The form of an error.
pub(super) const ERROR: Named = Named {
    name: "FrameioErrors",
    about: "An error of Frame.io's fourth version.",
    members: &[Member::new("errors", Kind::List(&Kind::Members(ERRORS)), "What happened.")],
};

const ERRORS: &[Member] = &[
    Member::text("title", "What the status is called."),
    Member::text("detail", "For people."),
    Member::new(
        "source",
        Kind::Members(&[Member::text("pointer", "The parameter, as a path.")]),
        "Where it was.",
    )
    .or_absent(),
];

impl Api for FrameioV4 {
    const VENDOR: &'static Vendor = &VENDOR;
    const FORM: &'static Form = &LIST;

    fn common(&self) -> &Common {
        &self.0.common
    }

    // The vendor documents these.
    fn page_size(&self) -> PageSize {
        LIST.sizes
    }

    fn condition(&self, params: &Params) -> Result<Condition, Refusal> {
        let Common { time, utc_offset, .. } = &self.0.common;
        let from = params.moment("filters[from_date]", utc_offset)?;
        let to = params.moment("filters[to_date]", utc_offset)?;
        let all = [
            params.text("filters[event_type]").map(|name| self.0.action_is(name)),
            exactly(params, "filters[ip_address]", &["context", "ip"]),
            exactly(params, "filters[project_id]", &["scope", "project"]),
            exactly(params, "filters[user_id]", &["actor", "id"]),
            exactly(params, "filters[workspace_id]", &["scope", "team"]),
            self.0.target_is(params.text("filters[resource_id]"), params.text("filters[resource_type]")),
        ];
        Ok(Condition::All(all.into_iter().flatten().chain(time.within(from, to)).collect()))
    }

    fn counts(&self, params: &Params) -> Result<bool, Refusal> {
        match params.text("include_total_count") {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => Err(Refusal::new("include_total_count", "takes true and false")),
        }
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
            entry.text("event_type", &snake(self.0.actions.theirs(text_at(event, &["action"]))));
            entry.text_if("id", text(event, &["id"]).filter(|_| !self.0.without_ids));
            entry.text("inserted_at", &self.0.common.time.of(&record.known).to_string());
            entry.text("ip_address", text_at(event, &["context", "ip"]));
            entry.text_or_null("project_id", text(event, &["scope", "project"]));
            entry.text("resource_id", of_item("id").unwrap_or_default());
            entry.text(
                "resource_type",
                &of_item("type").map(|of| snake(self.0.item_types.theirs(of))).unwrap_or_default(),
            );
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

    fn event<'a>(&'a self, entry: Value<'a>) -> Result<Event<'a>, Refusal> {
        let of = |name: &str| text(entry, &[name]);
        // These are texts on the wire, empty where there is nothing.
        let given = |text: Option<&'a str>| text.filter(|text| !text.is_empty());
        let resource_type = given(of("resource_type"));
        let user_id = of("user_id").or_else(|| text(entry, &["user", "id"]));
        let kind = resource_type.map(|name| names::thing(name, snake));
        Ok(Event {
            id: of("id").map(Into::into),
            occurred_at: of("inserted_at").map(Into::into),
            action: names::action(needed(entry, "event_type")?, resource_type, snake).into(),
            actor: Actor {
                kind: Some(if user_id.is_some() { "user" } else { "system" }),
                id: user_id,
                name: text(entry, &["user", "name"]),
                email: given(text(entry, &["user", "email"])),
            },
            ip: given(of("ip_address")),
            project: of("project_id"),
            team: of("workspace_id"),
            targets: Target::of(kind, given(of("resource_id")), None),
            ..Event::default()
        })
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
