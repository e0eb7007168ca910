//! BigPanda: `GET /resources/v2.0/audit/logs`. `README.md` beside this file says what is documented, and how we read what is not.

use annals_event::Operation;
use annals_event::filter::{Condition, Field, Path, Subject, Test};
use annals_event::json::Value;

use crate::conditions::{any_of, is, nothing, target};
use crate::json::object;
use crate::list::{PAGE, PageNumber, PageSize};
use crate::params::{Params, Refusal};
use crate::settings::{Given, Setting, Wrong};
use crate::words::{Verbs, Words};
use crate::{
    Api, Common, Envelope, Event, Form, Kind, Member, Paging, Rate, Refused, Route, Shown, Vendor, common,
};

mod wire;

/// What is said of it before any request is read.
pub const VENDOR: Vendor = Vendor {
    rate: Rate { requests: 5, seconds: 1 },
    common: common!("bigpanda": time, order, page_size, page_size_max, first_page, window_days, limits),
    settings: SETTINGS,
    ..Vendor::new("bigpanda", &["/resources/v2.0/audit/logs"], write_error, wire::error)
};

/// Its list.
const LIST: Form = Form {
    route: Route {
        about: "Filters hold all together, and each finds what the member of its name shows. Pages have numbers; `Link` leads to the \
                next one as of the same size of the log. What the entries stand in can be set.",
        parameters: &[
            Member::text("resource_type", "`resource_type` is this; of several targets, that of one"),
            Member::text("resource_id", "A target has this id"),
            Member::text("action_type", "`action_type` is this, such as `create`"),
            Member::text("actor_type", "`user` or `system-generated`"),
            Member::text("actor_id", "`actor.user.id` is this; also `user_id`"),
            Member::integer("start", "`timestamp` is this Unix time in seconds or later; also `from`"),
            Member::integer("end", "`timestamp` is this Unix time in seconds or earlier; also `to`"),
        ],
        headers: &[Member::text("link", "Where other pages are").or_absent()],
        ..Route::new(
            VENDOR.roots[0],
            "bigpanda_audit_logs",
            "Lists audit logs as BigPanda does.",
            Kind::Named(&wire::LIST),
        )
    },
    aliases: &[("from", "start"), ("page_size", "per_page"), ("to", "end"), ("user_id", "actor_id")],
    size: "per_page",
    sizes: PageSize { default: 100, min: 1, max: 1000 },
    paging: Paging::Numbers,
};

const USER: &str = "user";
const SYSTEM: &str = "system-generated";

/// Its verbs for our operations. Others are shown as we say them.
const VERBS: &[(Operation, &str)] = &[(Operation::Snapshot, "init_state")];

/// Its types for ours. Others are the same on both sides.
const RESOURCE_TYPES: &[(&str, &str)] = &[
    ("api_key", "api_keys"),
    ("auto_share_rule", "auto_share_rules"),
    ("correlation_pattern", "correlation_patterns"),
    ("custom_tag", "custom_tags"),
    ("environment", "environments"),
    ("integration", "integrations"),
    ("jit_domain", "jit_domains"),
    ("jit_role", "jit_roles"),
    ("maintenance_plan", "maintenance_plans"),
    ("role", "roles"),
    ("tag_enrichment", "tag_enrichments"),
    ("user", "users"),
];

/// What stands in a filter for a type, as in a sample of the vendor's.
const SINGULAR: (&str, &str) = ("correlation_pattern", "correlation_patterns");

/// Actors that did not act for anybody. All others are users.
const ACTOR_TYPES: &[(&str, &str)] = &[("system", SYSTEM)];

const SETTINGS: &[Setting] = &[
    Setting::one(
        "dialects.bigpanda.envelope",
        "data",
        "\"data\"",
        "What BigPanda's entries stand in: the member `data`, `items` or `logs` beside `status` and `pagination`, or an \
         `array` alone.",
    ),
    Setting {
        key: "dialects.bigpanda.depth",
        default: None,
        example: "10000",
        about: "Pages that end beyond so many entries are refused, as a neighbour of that API does at 10000.",
        is_list: false,
    },
    Setting::list(
        "dialects.bigpanda.operations",
        "[\"read=access\", \"user.login=access\"]",
        "Its `action_type` for an operation of ours, or for an action, as `ours=theirs`.",
    ),
    Setting::list(
        "dialects.bigpanda.resource_types",
        "[\"team=roles\"]",
        "Its `resource_type` for a target's type, as `ours=theirs`.",
    ),
    Setting::list(
        "dialects.bigpanda.actor_types",
        "[\"service=system-generated\"]",
        "Types of actor that are `system-generated` there, as `ours=system-generated`; all others are `user`.",
    ),
    Setting::ids("dialects.bigpanda.ids"),
];

/// How the vendor's API is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BigPanda {
    /// What is set of it as of others.
    pub common: Common,
    /// The member that the entries of a page stand in; empty where a page is nothing but their array.
    pub envelope: &'static str,
    /// No page ends beyond so many entries.
    pub depth: Option<u64>,
    /// Entries have no `id`, as the vendor's.
    pub without_ids: bool,
    verbs: Verbs,
    resource_types: Words,
    actor_types: Words,
}

impl Default for BigPanda {
    fn default() -> Self {
        Self {
            common: Common::default(),
            envelope: "data",
            depth: None,
            without_ids: false,
            verbs: Verbs::new(VERBS, &[]),
            resource_types: Words::new(RESOURCE_TYPES, &[]),
            actor_types: Words::new(ACTOR_TYPES, &[]),
        }
    }
}

impl BigPanda {
    /// What was set.
    ///
    /// # Errors
    ///
    /// A value that does not fit.
    pub fn configured(given: &Given<'_>) -> Result<Self, Wrong> {
        // The last has no member.
        let envelopes =
            [("data", None), ("items", Some("items")), ("logs", Some("logs")), ("array", Some(""))];
        const DEPTH: &str = "dialects.bigpanda.depth";
        let depth = |text: String| {
            let depth = text.parse().ok().filter(|depth| *depth > 0);
            depth.ok_or_else(|| Wrong::new(DEPTH, &text, "must be a whole number from 1"))
        };
        Ok(Self {
            common: Common::configured(given, &VENDOR)?,
            envelope: given.one_of("dialects.bigpanda.envelope", &envelopes)?.unwrap_or("data"),
            depth: given.text(DEPTH).map(depth).transpose()?,
            without_ids: given.without_ids("dialects.bigpanda.ids")?,
            verbs: Verbs::new(VERBS, &given.pairs("dialects.bigpanda.operations")?),
            resource_types: Words::new(RESOURCE_TYPES, &given.pairs("dialects.bigpanda.resource_types")?),
            actor_types: Words::new(ACTOR_TYPES, &given.pairs("dialects.bigpanda.actor_types")?),
        })
    }

    fn is_user(&self) -> Condition {
        self.actor_types.any_of(&["actor", "type"], [SYSTEM]).negated()
    }

    /// A target's type, or where there is no target the event's category, is shown so.
    fn resource_type_is(&self, text: &str) -> Condition {
        let plural = (text == SINGULAR.0).then_some(SINGULAR.1);
        let ours: Vec<_> =
            [text].into_iter().chain(plural).flat_map(|text| self.resource_types.all_ours(text)).collect();
        let no_target = Condition::Field(Field::Member(Path::new(&["targets"])), Test::Present).negated();
        let of_target = target(vec![any_of(&["type"], ours.clone())]);
        let of_category = no_target.and(any_of(&["category"], ours));
        Condition::Any(of_target.into_iter().chain([of_category]).collect())
    }
}

impl Api for BigPanda {
    const VENDOR: &'static Vendor = &VENDOR;
    const FORM: &'static Form = &LIST;

    fn common(&self) -> &Common {
        &self.common
    }

    /// Every filter finds what its member shows; all of them together.
    fn condition(&self, params: &Params) -> Result<Condition, Refusal> {
        let all = [
            params.text("resource_type").map(|text| self.resource_type_is(text)),
            params.text("resource_id").and_then(|text| target(vec![is(&["id"], text)])),
            params.text("action_type").map(|text| self.verbs.any_of(&[text])),
            params.text("actor_id").map(|text| self.is_user().and(is(&["actor", "id"], text))),
            params.text("actor_type").map(|text| match text {
                USER => self.is_user(),
                SYSTEM => self.is_user().negated(),
                _ => nothing(),
            }),
        ];
        let within = self.common.time.within(params.second("start")?, params.second("end")?);
        Ok(Condition::All(all.into_iter().flatten().chain(within).collect()))
    }

    fn counts(&self, _: &Params) -> Result<bool, Refusal> {
        Ok(false)
    }

    fn check(&self, number: PageNumber, size: usize) -> Result<(), Refusal> {
        let end = number.skips(size).saturating_add(size as u64);
        if self.depth.is_some_and(|depth| end > depth) {
            return Err(Refusal::new(PAGE, "ends beyond what this API gives; ask for a shorter time"));
        }
        Ok(())
    }

    fn write_entry(&self, record: &Subject<'_>, _: &Params, out: &mut Vec<u8>) {
        wire::write(self, record, out);
    }

    fn envelope(&self, shown: &Shown<'_>) -> Envelope {
        let headers = shown.link_header().into_iter().collect();
        if self.envelope.is_empty() {
            return Envelope { opening: "[".into(), closing: b"]".to_vec(), headers };
        }
        let mut closing = b"],\"pagination\":".to_vec();
        object(&mut closing, |pagination| {
            pagination.integer("page", shown.number());
            pagination.integer("limit", shown.page_size as u64);
            pagination.boolean("hasMore", shown.more);
        });
        closing.push(b'}');
        Envelope { opening: format!("{{\"status\":200,\"{}\":[", self.envelope).into(), closing, headers }
    }

    fn event<'a>(&'a self, entry: Value<'a>) -> Result<Event<'a>, Refusal> {
        wire::event(self, entry)
    }
}

/// What the vendor says, where it says something; then what we say.
fn write_error(refused: &Refused<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    object(&mut out, |error| {
        if refused.status == 403 {
            error.integer("statusCode", 403);
            error.text("error", "Forbidden");
            error.text("message", "Forbidden - insufficient permissions");
            error.text("detail", refused.message);
            return;
        }
        error.integer("status", refused.status.into());
        error.texts(
            "errors",
            &match refused.status {
                400 => vec!["Call is missing parameters or malformed.", refused.message],
                429 => vec!["Rate limit exceeded", refused.message],
                _ => vec![refused.message],
            },
        );
    });
    out
}

#[cfg(test)]
mod tests;
