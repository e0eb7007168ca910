//! Frame.io: `audit_logs` and `events` of its second API, `audit_logs` of its fourth. `README.md` beside this file says what is
//! documented, and how we read what is not.

use std::borrow::Cow;

use annals_event::filter::Condition;

use crate::Vendor;
use crate::conditions::{self, is};
use crate::json::{Object, object};
use crate::params::Params;
use crate::rate::{Allowance, Rate};
use crate::settings::{Given, Setting, Wrong};
use crate::time::Time;

mod events;
mod names;
mod v2;
mod v4;

pub use events::FrameioEvents;
pub use v2::{FrameioV2, write_me};
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
    errors_below: &[("/v4/", v4::write_error)],
    settings: SETTINGS,
    ..Vendor::new("frameio", &["/v2/accounts", "/v2/me", "/v4/accounts"], v2::write_error)
};

/// What can be set.
const SETTINGS: &[Setting] = &[
    Setting::time("dialects.frameio.time"),
    Setting::page_size(
        "dialects.frameio.page_size",
        "Entries of a page of Frame.io's V2 when a request does not say, 1 to 500. Not set it is 50; the vendor documents no number.",
    ),
    Setting::window_days("dialects.frameio.window_days"),
    Setting::limits("dialects.frameio.limits"),
];

/// How the vendor's API is answered, where that can be set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frameio {
    /// What `inserted_at` is.
    pub time: Time,
    /// Entries of a page of the second version that does not say; none for 50.
    pub page_size: Option<usize>,
}

impl Frameio {
    /// What was set.
    ///
    /// # Errors
    ///
    /// A value that does not fit.
    pub fn configured(given: &Given<'_>) -> Result<Self, Wrong> {
        Ok(Self {
            time: given.time("dialects.frameio.time")?,
            page_size: given.page_size("dialects.frameio.page_size", v2::PAGE_SIZE)?,
        })
    }
}

/// Whose cursors a list's are.
fn view(list: &str, settings: Frameio) -> Cow<'static, str> {
    match settings.time {
        Time::Occurred => format!("frameio {list}").into(),
        Time::Received => format!("frameio {list} received").into(),
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

/// One and the same target has this id, and a type of this name.
fn target(id: Option<&str>, kind: Option<&str>) -> Option<Condition> {
    let id = id.map(|id| is(&["id"], id));
    let kind = kind.map(|kind| names::is_named(&["type"], kind));
    conditions::target(id.into_iter().chain(kind).collect())
}

/// Writes `targets` of an event that is read from the wire.
fn read_target(event: &mut Object<'_>, kind: Option<String>, id: Option<&str>, name: Option<&str>) {
    if kind.is_none() && id.is_none() {
        return;
    }
    let out = event.member("targets");
    out.push(b'[');
    object(out, |target| {
        target.text_or_null("type", kind.as_deref());
        target.text_or_null("id", id);
        target.text_or_null("name", name);
    });
    out.push(b']');
}

#[cfg(test)]
mod tests;
