//! Panda Video: `GET /audit-logs`, a path that is our guess. `README.md` beside this file says what is documented, and how we read
//! what is not.

use std::borrow::Cow;

use annals_event::Operation;
use annals_event::filter::{Condition, Subject};
use annals_event::json::{Value, write_string};

use crate::conditions::{any_contains, is, target};
use crate::json::object;
use crate::list::{AS_OF, List, PAGE, PageNumber, PageSize};
use crate::params::{Params, Refusal};
use crate::settings::{Given, Setting, Wrong};
use crate::words::{Verbs, Words};
use crate::{Api, Envelope, Rate, Refused, Shown, Time, Vendor, known};

mod wire;

/// What is said of it before any request is read.
pub const VENDOR: Vendor = Vendor {
    rate: Rate { requests: 200, seconds: 60 },
    settings: SETTINGS,
    ..Vendor::new("panda", &[PATH], write_error)
};

/// Where the list is.
pub const PATH: &str = "/audit-logs";

/// Where it is as well, unless something else is set: the vendor's path is nowhere public.
const PATHS: &[&str] = &["/audit-log", "/audit_logs", "/audit", "/audits", "/logs/audit"];

/// How many entries a page has.
const PAGE_SIZE: PageSize = PageSize { default: 20, min: 1, max: 1000 };

/// The parameter that says so.
const LIMIT: &str = "limit";

/// Every parameter that counts.
const PARAMETERS: &[&str] =
    &["action", AS_OF, "category", END, "folder_id", LIMIT, PAGE, "search", START, "user_id", "video_id"];

const START: &str = "start_date";
const END: &str = "end_date";
const ALIASES: &[(&str, &str)] = &[("startDate", START), ("endDate", END)];

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
    Setting::time("dialects.panda.time"),
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
    Setting::window_days("dialects.panda.window_days"),
    Setting::limits("dialects.panda.limits"),
];

/// How the vendor's API is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panda {
    /// What `created_at` is.
    pub time: Time,
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
            time: Time::default(),
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
            time: given.time("dialects.panda.time")?,
            paths: if paths.is_empty() { default.paths } else { paths },
            envelope: given.text("dialects.panda.envelope").unwrap_or(default.envelope),
            date_names,
            verbs: verbs(&given.pairs("dialects.panda.operations")?),
            categories: Words::new(&[], &given.pairs("dialects.panda.categories")?),
        })
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
        let within = self.time.within(params.moment(START)?, params.moment(END)?);
        Ok(Condition::All(all.into_iter().flatten().chain(within).collect()))
    }
}

impl Api for Panda {
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
        LIMIT
    }

    fn parameter(&self, said: &str) -> Option<&'static str> {
        let named = || match self.date_names.as_ref()? {
            [first, _] if first == said => Some(START),
            [_, last] if last == said => Some(END),
            _ => None,
        };
        known(said, PARAMETERS, ALIASES).or_else(named)
    }

    fn read(&self, mut params: Params) -> Result<List, Refusal> {
        let limit = PAGE_SIZE.take(&mut params, LIMIT)?;
        let number = PageNumber::take(&mut params)?;
        let condition = self.condition(&params)?;
        Ok(List { limit, number: Some(number), ..List::new(condition, self.time, params) })
    }

    fn write_entry(&self, record: &Subject<'_>, _: &Params, out: &mut Vec<u8>) {
        wire::Entry::of(record, self).write(out);
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

    fn read_entry(&self, entry: Value<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        wire::Entry::read(entry)?.write_event(self, out);
        Ok(())
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
