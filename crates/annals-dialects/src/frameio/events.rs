//! `GET /v2/accounts/{account_id}/events`.

use annals_event::filter::{Condition, Subject};
use annals_event::json::{Kind as Json, Value};

use super::names::{self, snake};
use super::v2::{SIZES, bare_array};
use super::{Frameio, PAGE_HEADERS, VENDOR, exactly};
use crate::event::{Actor, State, Target, needed};
use crate::json::{at, first_target, object, text_at, text_if_at as text};
use crate::params::{Params, Refusal};
use crate::{Api, Common, Envelope, Event, Form, Kind, Member, Named, Paging, Route, Shown, Vendor};

/// The list of events of the second version.
#[derive(Clone, Debug, Default)]
pub struct FrameioEvents(pub Frameio);

/// How it is asked for.
const LIST: Form = Form {
    route: Route {
        about: "As its audit logs, with other names, and an integer that rises as id.",
        segments: &[super::ACCOUNT],
        parameters: &[
            Member::text("filters[start_date]", "`inserted_at` is this time or day or after"),
            Member::text("filters[end_date]", "`inserted_at` is this time or day or before"),
            Member::text("filters[event_type]", "`event_type` is this, however it is spelled"),
            Member::text("filters[resource_type]", "A target has this type, however it is spelled"),
            Member::text("filters[resource_id]", "A target has this id"),
            Member::text("filters[user_id]", "The actor has this id"),
            Member::text("filters[ip_address]", "`ip_address` is this"),
            Member::text("filters[project_id]", "`project_id` is this"),
            Member::text("filters[team_id]", "`team_id` is this"),
        ],
        headers: PAGE_HEADERS,
        ..Route::new(
            "/v2/accounts/{account_id}/events",
            "frameio_v2_events",
            "Lists events as the second version of Frame.io's API does.",
            Kind::List(&Kind::Named(&ENTRY)),
        )
    },
    aliases: &[],
    size: super::SIZE,
    sizes: SIZES,
    paging: Paging::Numbers,
};

const ENTRY: Named = Named {
    name: "FrameioEvent",
    about: "An event of Frame.io's second version.",
    members: &[
        Member::integer("id", "The event's position, counted from 1."),
        Member::text("event_type", "What was done, such as `asset_created`."),
        Member::new("event_details", Kind::Object, "`changes.after` where it is an object."),
        Member::text("resource_id", "The id of the first of `targets`.").or_null(),
        Member::text("resource_type", "The type of the first of `targets`.").or_null(),
        Member::text("user_id", "`actor.id`, unless the actor's type is `anonymous_user`.").or_null(),
        Member::text("anonymous_user_id", "`actor.id`, if the actor's type is `anonymous_user`.").or_null(),
        Member::text("client", "`context.application`").or_null(),
        Member::text("source", "`source.name`").or_null(),
        Member::text("ip_address", "`context.ip`").or_null(),
        Member::text("project_id", "`scope.project`").or_null(),
        Member::text("team_id", "`scope.team`").or_null(),
        Member::new(
            "inserted_at",
            Kind::Time,
            "When it happened; with `time = \"received\"` when it was received.",
        ),
        Member::new("updated_at", Kind::Time, "As `inserted_at`."),
    ],
};

/// A type of actor that has a member of its own.
const ANONYMOUS: &str = "anonymous_user";

impl Api for FrameioEvents {
    const VENDOR: &'static Vendor = &VENDOR;
    const FORM: &'static Form = &LIST;

    fn common(&self) -> &Common {
        &self.0.common
    }

    fn condition(&self, params: &Params) -> Result<Condition, Refusal> {
        let Common { time, utc_offset, .. } = &self.0.common;
        let from = params.moment("filters[start_date]", utc_offset)?;
        let to = params.moment("filters[end_date]", utc_offset)?;
        let all = [
            params.text("filters[event_type]").map(|name| self.0.action_is(name)),
            exactly(params, "filters[ip_address]", &["context", "ip"]),
            exactly(params, "filters[project_id]", &["scope", "project"]),
            exactly(params, "filters[team_id]", &["scope", "team"]),
            exactly(params, "filters[user_id]", &["actor", "id"]),
            self.0.target_is(params.text("filters[resource_id]"), params.text("filters[resource_type]")),
        ];
        Ok(Condition::All(all.into_iter().flatten().chain(time.within(from, to)).collect()))
    }

    fn write_entry(&self, record: &Subject<'_>, _asked: &Params, out: &mut Vec<u8>) {
        let event = record.event;
        let inserted_at = self.0.common.time.of(&record.known).to_string();
        let item = first_target(event);
        let of_item = |name: &str| item.and_then(|item| text(item, &[name]));
        let id = text(event, &["actor", "id"]);
        let is_anonymous = text(event, &["actor", "type"]) == Some(ANONYMOUS);
        object(out, |entry| {
            entry.integer("id", record.known.position.0 + 1);
            entry.text("event_type", &snake(self.0.actions.theirs(text_at(event, &["action"]))));
            match at(event, &["changes", "after"]).filter(|after| after.kind() == Json::Object) {
                Some(after) => entry.value("event_details", after),
                None => entry.object("event_details", |_| {}),
            }
            entry.text_or_null("resource_id", of_item("id"));
            entry.text_or_null(
                "resource_type",
                of_item("type").map(|of| snake(self.0.item_types.theirs(of))).as_deref(),
            );
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

    fn event<'a>(&'a self, entry: Value<'a>) -> Result<Event<'a>, Refusal> {
        let of = |name: &str| text(entry, &[name]);
        let resource_type = of("resource_type");
        let (kind, id) = match (of("user_id"), of("anonymous_user_id")) {
            (Some(id), _) => ("user", Some(id)),
            (None, Some(id)) => (ANONYMOUS, Some(id)),
            (None, None) => ("system", None),
        };
        let details = entry.get("event_details").filter(|details| details.kind() == Json::Object);
        let thing = resource_type.map(|name| names::thing(name, snake));
        Ok(Event {
            id: entry.get("id").filter(|id| id.kind() == Json::Number).map(|id| id.token().into()),
            occurred_at: of("inserted_at").map(Into::into),
            action: names::action(needed(entry, "event_type")?, resource_type, snake).into(),
            actor: Actor { kind: Some(kind), id, ..Actor::default() },
            ip: of("ip_address"),
            application: of("client"),
            source: of("source"),
            project: of("project_id"),
            team: of("team_id"),
            after: details.filter(|details| !details.is_empty()).map(State::Is),
            targets: Target::of(thing, of("resource_id"), None),
            ..Event::default()
        })
    }
}
