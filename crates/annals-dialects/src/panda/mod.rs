//! Panda Video: `GET /audit-logs`, a path that is our guess. `README.md` beside this file says what is documented, and how we read
//! what is not.

use annals_event::Operation;
use annals_event::filter::{Condition, Subject};
use annals_event::json::{Value, write_string};

use crate::conditions::{any_contains, is, target};
use crate::json::object;
use crate::list::PageSize;
use crate::params::{Params, Refusal};
use crate::settings::{Given, Setting, Wrong};
use crate::words::{Verbs, Words};
use crate::{
    Api, Common, Envelope, Event, Form, Kind, Member, Paging, Rate, Refused, Route, Shown, Vendor, common,
};

mod wire;

/// What is said of it before any request is read.
pub const VENDOR: Vendor = Vendor {
    rate: Rate { requests: 200, seconds: 60 },
    common: common!("panda": time, order, page_size, page_size_max, first_page, utc_offset, window_days, limits),
    settings: SETTINGS,
    ..Vendor::new("panda", &[PATH], write_error, |_| &wire::ERROR)
};

/// Where the list is.
pub const PATH: &str = "/audit-logs";

/// Where it is as well, unless something else is set: the vendor's path is nowhere public.
const PATHS: &[&str] = &["/audit-log", "/audit_logs", "/audit", "/audits", "/logs/audit"];

/// Its list.
const LIST: Form = Form {
    route: Route {
        about: "The vendor documents `action` and `category` with their values, no path, no other parameter and no answer: all else here is \
                derived from its other pages, and path, names of dates and the member with the entries can be set. Any of the values that \
                `~` joins is enough; all parameters hold together. Also served at other paths, with `POST`, and with the parameters in a \
                JSON body.",
        parameters: &[
            Member::text("action", "`edit`, `access`, `authentication`, `remove`, `add`, with `~` between"),
            Member::text("category", "Categories, such as `video`, with `~` between"),
            Member::text(
                START,
                "`created_at` is on this day or later, or at this RFC 3339 time or later; also `startDate`",
            ),
            Member::text(
                END,
                "`created_at` is on this day or earlier, or at this RFC 3339 time or earlier; also `endDate`",
            ),
            Member::text("user_id", "`user.id` is this"),
            Member::text("video_id", "A target is the video with this id"),
            Member::text("folder_id", "A target is the folder with this id"),
            Member::text(
                "search",
                "Description, action, the user's name or address, or a target's name contains this, in any case",
            ),
        ],
        headers: &[Member::text("link", "Where other pages are").or_absent()],
        ..Route::new(
            PATH,
            "panda_audit_logs",
            "Lists audit logs as Panda Video may do.",
            Kind::Named(&wire::LIST),
        )
    },
    aliases: &[("startDate", START), ("endDate", END)],
    size: "limit",
    sizes: PageSize { default: 20, min: 1, max: 1000 },
    paging: Paging::Numbers,
};

const START: &str = "start_date";
const END: &str = "end_date";

/// Between the values of one parameter, as the vendor's page has it.
const SEPARATOR: char = '~';

/// Its verbs for our operations. Others are shown as we say them.
const VERBS: &[(Operation, &str)] = &[
    (Operation::Create, "add"),
    (Operation::Update, "edit"),
    (Operation::Delete, "remove"),
    (Operation::Access, "access"),
    (Operation::Read, "access"),
    (Operation::Authentication, "authentication"),
];

/// Actions that are `access` there though they authenticate somebody: that page has login and logout as `access`, and under
/// `authentication` what is switched on and off for it.
const ACCESSES: &[&str] = &["login", "logout", "user.login", "user.logout"];

/// Members that `search` looks into.
const SEARCHED: &[&[&str]] =
    &[&["description"], &["action"], &["actor", "name"], &["actor", "email"], &["targets", "name"]];

const SETTINGS: &[Setting] = &[
    Setting {
        key: "dialects.panda.paths",
        default: None,
        example: "[\"/audits\"]",
        about: "Paths beside `/audit-logs` that Panda's list is at, instead of `/audit-log`, `/audit_logs`, `/audit`, `/audits` and \
                `/logs/audit`.",
        is_list: true,
    },
    Setting::one("dialects.panda.envelope", "logs", "\"logs\"", "The member that Panda's entries stand in."),
    Setting::list(
        "dialects.panda.date_names",
        "[\"from\", \"to\"]",
        "Names of the parameters with the first and the last day, beside `start_date` and `end_date`.",
    ),
    Setting::list(
        "dialects.panda.operations",
        "[\"other=edit\", \"user.login=authentication\"]",
        "Its `action` for an operation of ours, or for an action, as `ours=theirs`.",
    ),
    Setting::list(
        "dialects.panda.categories",
        "[\"billing=plan\"]",
        "Its `category` for a category of ours, as `ours=theirs`.",
    ),
];

/// How the vendor's API is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panda {
    /// What is set of it as of others.
    pub common: Common,
    /// Where the list is beside [`PATH`].
    pub paths: Vec<String>,
    /// The member that the entries of a page stand in.
    pub envelope: String,
    /// Other names of the parameters with the first and the last day.
    date_names: Option<[String; 2]>,
    verbs: Verbs,
    categories: Words,
}

impl Default for Panda {
    fn default() -> Self {
        Self {
            common: Common::default(),
            paths: PATHS.iter().map(|path| (*path).to_owned()).collect(),
            envelope: "logs".to_owned(),
            date_names: None,
            verbs: verbs(&[]),
            categories: Words::default(),
        }
    }
}

fn verbs(overrides: &[(String, String)]) -> Verbs {
    let is_open = |action: &&&str| overrides.iter().all(|(ours, _)| ours != **action);
    let accesses = ACCESSES.iter().filter(is_open).map(|action| ((*action).to_owned(), "access".to_owned()));
    Verbs::new(VERBS, &accesses.chain(overrides.iter().cloned()).collect::<Vec<_>>())
}

impl Panda {
    /// What was set.
    ///
    /// # Errors
    ///
    /// A value that does not fit.
    pub fn configured(given: &Given<'_>) -> Result<Self, Wrong> {
        const DATE_NAMES: &str = "dialects.panda.date_names";
        let default = Self::default();
        let paths = given.list("dialects.panda.paths");
        for path in &paths {
            crate::mounts::check_path(path)
                .map_err(|problem| Wrong::new("dialects.panda.paths", path, problem))?;
        }
        let date_names = given.list(DATE_NAMES);
        let date_names = match <[String; 2]>::try_from(date_names) {
            Ok(names) => Some(names),
            Err(names) if names.is_empty() => None,
            Err(names) => return Err(Wrong::new(DATE_NAMES, &names.join(", "), "must be two names")),
        };
        Ok(Self {
            common: Common::configured(given, &VENDOR)?,
            paths: if paths.is_empty() { default.paths } else { paths },
            envelope: given.text("dialects.panda.envelope").unwrap_or(default.envelope),
            date_names,
            verbs: verbs(&given.pairs("dialects.panda.operations")?),
            categories: Words::new(&[], &given.pairs("dialects.panda.categories")?),
        })
    }
}

impl Api for Panda {
    const VENDOR: &'static Vendor = &VENDOR;
    const FORM: &'static Form = &LIST;

    fn common(&self) -> &Common {
        &self.common
    }

    fn alias(&self, said: &str) -> Option<&'static str> {
        match self.date_names.as_ref()? {
            [first, _] if first == said => Some(START),
            [_, last] if last == said => Some(END),
            _ => None,
        }
    }

    /// Any of the values of one parameter; all parameters together.
    fn condition(&self, params: &Params) -> Result<Condition, Refusal> {
        let target_is = |name: &str, of: &str| {
            params.text(name).and_then(|id| target(vec![is(&["id"], id), is(&["type"], of)]))
        };
        let all = [
            params.tokens("action", SEPARATOR).map(|tokens| self.verbs.any_of(&tokens)),
            params.tokens("category", SEPARATOR).map(|tokens| self.categories.any_of(&["category"], tokens)),
            params.text("user_id").map(|id| is(&["actor", "id"], id)),
            target_is("video_id", wire::VIDEO),
            target_is("folder_id", wire::FOLDER),
            params.text("search").map(|text| any_contains(SEARCHED, text)),
        ];
        let offset = &self.common.utc_offset;
        let within = self.common.time.within(params.moment(START, offset)?, params.moment(END, offset)?);
        Ok(Condition::All(all.into_iter().flatten().chain(within).collect()))
    }

    fn write_entry(&self, record: &Subject<'_>, _: &Params, out: &mut Vec<u8>) {
        wire::write(self, record, out);
    }

    fn envelope(&self, shown: &Shown<'_>) -> Envelope {
        let mut opening = b"{".to_vec();
        write_string(&self.envelope, &mut opening);
        opening.extend_from_slice(b":[");
        let opening = String::from_utf8(opening).expect("a member's name is UTF-8");
        let closing = format!("],\"pages\":{},\"total\":{}}}", shown.pages(), shown.total.unwrap_or(0));
        let headers = shown.link_header().into_iter().collect();
        Envelope { opening: opening.into(), closing: closing.into_bytes(), headers }
    }

    fn event<'a>(&'a self, entry: Value<'a>) -> Result<Event<'a>, Refusal> {
        wire::event(self, entry)
    }
}

fn write_error(refused: &Refused<'_>) -> Vec<u8> {
    let message = if refused.status == 401 { "Unauthorized" } else { refused.message };
    let mut out = Vec::new();
    object(&mut out, |error| {
        error.text("message", message);
        error.text("errMsg", message);
    });
    out
}

#[cfg(test)]
mod tests;
