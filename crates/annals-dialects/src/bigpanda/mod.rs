//! BigPanda: `GET /resources/v2.0/audit/logs`. `README.md` beside this file says what is documented, and how we read what is not.

use std::borrow::Cow;

use annals_event::Operation;
use annals_event::filter::{Condition, Field, Path, Subject, Test};
use annals_event::json::Value;

use crate::conditions::{any_of, is, nothing, target};
use crate::json::object;
use crate::list::{AS_OF, List, PAGE, PageNumber, PageSize};
use crate::params::{Params, Refusal};
use crate::settings::{Given, Setting, Wrong};
use crate::words::{Verbs, Words};
use crate::{Api, Envelope, Rate, Refused, Shown, Time, Vendor, known};

mod wire;

/// What is said of it before any request is read.
pub const VENDOR: Vendor = Vendor {
    rate: Rate { requests: 5, seconds: 1 },
    settings: SETTINGS,
    ..Vendor::new("bigpanda", &["/resources/v2.0/audit/logs"], write_error)
};

/// How many entries a page has.
const PAGE_SIZE: PageSize = PageSize { default: 100, min: 1, max: 1000 };

/// The parameter that says so.
const PER_PAGE: &str = "per_page";

/// Every parameter that counts.
const PARAMETERS: &[&str] = &[
    "action_type",
    "actor_id",
    "actor_type",
    "end",
    PAGE,
    PER_PAGE,
    "resource_id",
    "resource_type",
    "start",
    AS_OF,
];

const ALIASES: &[(&str, &str)] =
    &[("from", "start"), ("page_size", PER_PAGE), ("to", "end"), ("user_id", "actor_id")];

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
    Setting::time("dialects.bigpanda.time"),
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
    Setting::window_days("dialects.bigpanda.window_days"),
    Setting::limits("dialects.bigpanda.limits"),
];

/// How the vendor's API is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BigPanda {
    /// What `timestamp` is.
    pub time: Time,
    /// What the entries of a page stand in.
    pub envelope: EnvelopeKind,
    /// No page ends beyond so many entries.
    pub depth: Option<u64>,
    verbs: Verbs,
    resource_types: Words,
    actor_types: Words,
}

/// What the entries of a page stand in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EnvelopeKind {
    /// The member `data`, beside `status` and `pagination`.
    #[default]
    Data,
    /// The member `items`.
    Items,
    /// The member `logs`.
    Logs,
    /// Nothing but their array.
    Array,
}

impl Default for BigPanda {
    fn default() -> Self {
        Self {
            time: Time::default(),
            envelope: EnvelopeKind::default(),
            depth: None,
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
        let envelopes = [
            ("data", EnvelopeKind::Data),
            ("items", EnvelopeKind::Items),
            ("logs", EnvelopeKind::Logs),
            ("array", EnvelopeKind::Array),
        ];
        const DEPTH: &str = "dialects.bigpanda.depth";
        let depth = |text: String| {
            let depth = text.parse().ok().filter(|depth| *depth > 0);
            depth.ok_or_else(|| Wrong::new(DEPTH, &text, "must be a whole number from 1"))
        };
        Ok(Self {
            time: given.time("dialects.bigpanda.time")?,
            envelope: given.one_of("dialects.bigpanda.envelope", &envelopes)?,
            depth: given.text(DEPTH).map(depth).transpose()?,
            verbs: Verbs::new(VERBS, &given.pairs("dialects.bigpanda.operations")?),
            resource_types: Words::new(RESOURCE_TYPES, &given.pairs("dialects.bigpanda.resource_types")?),
            actor_types: Words::new(ACTOR_TYPES, &given.pairs("dialects.bigpanda.actor_types")?),
        })
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
        let within = self.time.within(params.second("start")?, params.second("end")?);
        Ok(Condition::All(all.into_iter().flatten().chain(within).collect()))
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
        PAGE_SIZE
    }

    fn size_parameter(&self) -> &'static str {
        PER_PAGE
    }

    fn parameter(&self, said: &str) -> Option<&'static str> {
        known(said, PARAMETERS, ALIASES)
    }

    fn read(&self, mut params: Params) -> Result<List, Refusal> {
        let limit = PAGE_SIZE.take(&mut params, PER_PAGE)?;
        let number = PageNumber::take(&mut params)?;
        let size = limit.unwrap_or(PAGE_SIZE.default);
        if self.depth.is_some_and(|depth| number.skips(size).saturating_add(size as u64) > depth) {
            return Err(Refusal::new(PAGE, "ends beyond what this API gives; ask for a shorter time"));
        }
        let condition = self.condition(&params)?;
        Ok(List { limit, number: Some(number), count: false, ..List::new(condition, self.time, params) })
    }

    fn write_entry(&self, record: &Subject<'_>, _: &Params, out: &mut Vec<u8>) {
        wire::Entry::of(record, self).write(out);
    }

    fn envelope(&self, shown: &Shown<'_>) -> Envelope {
        let member = match self.envelope {
            EnvelopeKind::Data => "data",
            EnvelopeKind::Items => "items",
            EnvelopeKind::Logs => "logs",
            EnvelopeKind::Array => "",
        };
        let headers = shown.link_header().into_iter().collect();
        if member.is_empty() {
            return Envelope { opening: "[".into(), closing: b"]".to_vec(), headers };
        }
        let mut closing = b"],\"pagination\":".to_vec();
        object(&mut closing, |pagination| {
            pagination.integer("page", shown.page);
            pagination.integer("limit", shown.page_size as u64);
            pagination.boolean("hasMore", shown.more);
        });
        closing.push(b'}');
        Envelope { opening: format!("{{\"status\":200,\"{member}\":[").into(), closing, headers }
    }

    fn read_entry(&self, entry: Value<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        wire::Entry::read(entry)?.write_event(self, out);
        Ok(())
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
