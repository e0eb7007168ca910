//! The three invented companies, as tables: what they keep, who works there, what people and machines do all day.

mod ledgerly;
mod mosaic_health;
mod northwind_video;

use super::event::IdStyle;

/// In the order of the stories' tenant indices.
pub(super) const TENANTS: [&Tenant; 3] =
    [&northwind_video::TENANT, &ledgerly::TENANT, &mosaic_health::TENANT];

pub(super) const NORTHWIND: usize = 0;
pub(super) const LEDGERLY: usize = 1;
pub(super) const MOSAIC: usize = 2;

/// One company.
#[derive(Debug)]
pub(super) struct Tenant {
    pub(super) id: &'static str,
    pub(super) seed: u64,
    /// Share of all events, in hundredths.
    pub(super) share: u32,
    pub(super) city: &'static str,
    /// All year; the three cities do not change their clocks.
    pub(super) utc_offset_hours: i64,
    /// Keeps the tenants' invented networks apart.
    pub(super) network: u32,
    pub(super) ids: IdStyle,
    /// How busy people are on each day from Monday, in hundredths.
    pub(super) weekdays: [u32; 7],
    /// How busy people are in each hour of the local day, in hundredths.
    pub(super) hours: [u32; 24],
    /// How busy machines are, always, on the scale of `hours`.
    pub(super) machines: u32,
    /// People the stories name; the first is the administrator who invites and suspends.
    pub(super) cast: &'static [Member],
    /// Everybody else.
    pub(super) staff: usize,
    /// Where in the list of names this tenant's staff begins.
    pub(super) first_name: usize,
    pub(super) teams: &'static [&'static str],
    pub(super) projects: &'static [&'static str],
    pub(super) roles: &'static [Role],
    pub(super) kinds: &'static [Kind],
    pub(super) settings: &'static [Setting],
    pub(super) services: &'static [Service],
    pub(super) robots: &'static [Robot],
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) role: usize,
    /// The last day, counted back from the year's end.
    pub(super) leaves_days_before: Option<i64>,
}

#[derive(Debug)]
pub(super) struct Role {
    pub(super) title: &'static str,
    /// How many of the staff have it, relative to the others.
    pub(super) share: u32,
    pub(super) deeds: &'static [Deed],
}

/// A sort of thing that is acted upon.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) prefix: &'static str,
    /// How many there are at the end of the year; at its beginning there were two fifths of them.
    pub(super) count: u32,
    pub(super) naming: Naming,
}

#[derive(Debug)]
pub(super) enum Naming {
    /// Every first part with every second part, then numbered.
    Words { first: &'static [&'static str], second: &'static [&'static str] },
    /// The same, with the stage the work has reached behind it. Only kinds like these can be renamed.
    Staged { first: &'static [&'static str], second: &'static [&'static str] },
    /// A prefix and a running number.
    Number { prefix: &'static str, from: u32 },
}

/// What a staged name ends in, in order.
pub(super) const STAGES: [&str; 6] =
    ["draft", "rough cut", "fine cut", "final", "final 2", "really final 🎬"];

/// A setting and the values it moves between.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) values: &'static [&'static str],
}

/// A program that reports what happened, numbering its events.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) major: u32,
    /// 1 to [`INSTANCES_MAX`].
    pub(super) instances: u32,
}

pub(super) const INSTANCES_MAX: u32 = 4;

/// An actor that is not a person.
#[derive(Debug)]
pub(super) struct Robot {
    pub(super) kind: &'static str,
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    /// Empty for what runs inside.
    pub(super) ip: &'static str,
    pub(super) user_agent: &'static str,
    pub(super) weight: u32,
    pub(super) deeds: &'static [Deed],
}

/// What an action is done to.
#[derive(Clone, Copy, Debug)]
pub(super) enum On {
    Nothing,
    /// One of the tenant's kinds, by index.
    Kind(usize),
    Colleague,
    Setting,
}

/// What an action changes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    None,
    /// The name, to the next stage.
    Rename,
    /// A member that moves through values.
    Cycle(&'static str, &'static [&'static str]),
    /// The setting acted upon.
    Setting,
}

/// What the metadata tell.
#[derive(Clone, Copy, Debug)]
pub(super) enum Detail {
    None,
    Client,
    File,
    Money,
    Care,
    Export,
    Job,
    Token,
    Login,
}

/// Something that is done again and again.
///
/// Texts may name `{target}`, `{also}` (the second target), `{before}` and `{after}`; paths `{id}`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deed {
    pub(super) action: &'static str,
    pub(super) operation: &'static str,
    pub(super) category: &'static str,
    pub(super) severity: &'static str,
    /// "renamed the video …": after the actor's name when it went well.
    pub(super) did: &'static str,
    /// "rename the video …": when it did not.
    pub(super) attempt: &'static str,
    pub(super) weight: u32,
    pub(super) on: On,
    pub(super) also: Option<usize>,
    /// Method, path and status of a success.
    pub(super) http: Option<(&'static str, &'static str, u64)>,
    pub(super) change: Change,
    pub(super) detail: Detail,
    /// Index of the service that reports it.
    pub(super) via: Option<usize>,
}

/// `operation` may be empty: then the verb is left to be derived from the action.
const fn deed(action: &'static str, operation: &'static str, category: &'static str, weight: u32) -> Deed {
    Deed {
        action,
        operation,
        category,
        severity: "",
        did: "",
        attempt: "",
        weight,
        on: On::Nothing,
        also: None,
        http: None,
        change: Change::None,
        detail: Detail::None,
        via: None,
    }
}

impl Deed {
    const fn says(self, did: &'static str, attempt: &'static str) -> Deed {
        Deed { did, attempt, ..self }
    }

    const fn on(self, on: On) -> Deed {
        Deed { on, ..self }
    }

    const fn also(self, kind: usize) -> Deed {
        Deed { also: Some(kind), ..self }
    }

    const fn http(self, method: &'static str, path: &'static str, status_code: u64) -> Deed {
        Deed { http: Some((method, path, status_code)), ..self }
    }

    const fn changes(self, change: Change) -> Deed {
        Deed { change, ..self }
    }

    const fn with(self, detail: Detail) -> Deed {
        Deed { detail, ..self }
    }

    const fn via(self, service: usize) -> Deed {
        Deed { via: Some(service), ..self }
    }

    const fn severity(self, severity: &'static str) -> Deed {
        Deed { severity, ..self }
    }
}
