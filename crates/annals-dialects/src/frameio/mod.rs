//! Frame.io: `audit_logs` and `events` of its second API, `audit_logs` of its fourth. `README.md` beside this file says what is
//! documented, and how we read what is not.

use annals_event::filter::Condition;

use crate::conditions::{self, is};
use crate::describe::Member;
use crate::params::Params;
use crate::rate::{Allowance, Rate};
use crate::settings::{Given, Setting, Wrong};
use crate::words::Words;
use crate::{Common, Vendor, common};

mod events;
mod names;
mod v2;
mod v4;

pub use events::FrameioEvents;
pub use v2::{FrameioV2, ME, write_me};
pub use v4::FrameioV4;

/// Where it is, and what its errors look like.
pub const VENDOR: Vendor = Vendor {
    aliases: &[
        ("/accounts/{}/audit_logs", "/v2/accounts/{}/audit_logs"),
        ("/v2/account/{}/audit_logs", "/v2/accounts/{}/audit_logs"),
    ],
    // The second version's client takes 400 for a passing trouble, and tries a hundred times.
    invalid_status: 422,
    // As documented of the fourth version; of the second only that it depends.
    rate: Rate { requests: 100, seconds: 60 },
    rate_headers,
    headers: &[
        Member::integer("x-ratelimit-limit", "Requests that the key may make in a window").or_absent(),
        Member::integer("x-ratelimit-remaining", "Those that are left").or_absent(),
        Member::integer("x-ratelimit-window", "The window, ms").or_absent(),
    ],
    errors_below: &[("/v4/", v4::write_error, |_| &v4::ERROR)],
    common: common!("frameio": time, order, page_size, page_size_max, utc_offset, window_days, limits),
    settings: SETTINGS,
    ..Vendor::new("frameio", &["/v2/accounts", "/v2/me", "/v4/accounts"], v2::write_error, |_| &v2::ERROR)
};

/// The parameter that says the size of a page.
const SIZE: &str = "page_size";

/// What the paths of lists name.
const ACCOUNT: Member = Member::text("account_id", "The tenant");

/// Headers of a page of the second version.
const PAGE_HEADERS: &[Member] = &[
    Member::integer("page-number", "Which page"),
    Member::integer("per-page", "Entries of a full page"),
    Member::integer("total", "Entries of all pages"),
    Member::integer("total-pages", "Pages, at least 1"),
    Member::text("link", "`first`, `prev`, `next` and `last`, as far as there are such"),
];

/// What can be set of this vendor alone.
const SETTINGS: &[Setting] = &[
    Setting::list(
        "dialects.frameio.actions",
        "[\"video.uploaded=asset_created\"]",
        "Its name for an action of ours, however it is spelled, as `ours=theirs`.",
    ),
    Setting::list(
        "dialects.frameio.item_types",
        "[\"video=asset\"]",
        "Its name for a target's type, however it is spelled, as `ours=theirs`.",
    ),
    Setting::ids("dialects.frameio.ids"),
];

/// How the vendor's API is answered, where that can be set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frameio {
    /// What is set of it as of others.
    pub common: Common,
    /// Entries of the fourth version have no `id`, as the vendor's.
    pub without_ids: bool,
    /// Its names for actions, where they do not follow from ours.
    pub actions: Words,
    /// And for types.
    pub item_types: Words,
}

impl Frameio {
    /// What was set.
    ///
    /// # Errors
    ///
    /// A value that does not fit.
    pub fn configured(given: &Given<'_>) -> Result<Self, Wrong> {
        Ok(Self {
            common: Common::configured(given, &VENDOR)?,
            without_ids: given.without_ids("dialects.frameio.ids")?,
            actions: Words::new(&[], &given.pairs("dialects.frameio.actions")?),
            item_types: Words::new(&[], &given.pairs("dialects.frameio.item_types")?),
        })
    }

    /// What was done is shown with this name, however it is spelled.
    fn action_is(&self, name: &str) -> Condition {
        names::is_shown(&self.actions, &["action"], name)
    }

    /// One and the same target has this id, and a type that is shown with this name.
    fn target_is(&self, id: Option<&str>, kind: Option<&str>) -> Option<Condition> {
        let id = id.map(|id| is(&["id"], id));
        let kind = kind.map(|kind| names::is_shown(&self.item_types, &["type"], kind));
        conditions::target(id.into_iter().chain(kind).collect())
    }
}

/// What the vendor sends with every answer.
fn rate_headers(allowance: &Allowance) -> Vec<(&'static str, String)> {
    vec![
        ("x-ratelimit-limit", allowance.rate.requests.to_string()),
        ("x-ratelimit-remaining", allowance.left.to_string()),
        ("x-ratelimit-window", (allowance.rate.seconds * 1000).to_string()),
    ]
}

/// What a status is called.
fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        413 => "Content Too Large",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

/// The text of a parameter as a condition on a member.
fn exactly(params: &Params, name: &str, path: &[&str]) -> Option<Condition> {
    params.text(name).map(|text| is(path, text))
}

#[cfg(test)]
mod tests;
