//! What each vendor's audit log API says on the wire, in both directions: so that annals answers a client that was written for it,
//! and takes over what the vendor's own service answers.
//!
//! A vendor is one folder: `README.md` lists what it documents, our readings where it is silent, and what differs; `mod.rs`
//! reads its questions and writes its answers, `wire.rs` has its entries. What all of them share is here, so that a folder reads as a
//! table of differences:
//!
//! | module | does |
//! |---|---|
//! | [`api`] | what a vendor's folder gives: [`Vendor`] and [`Api`], and what its envelopes are told |
//! | [`mod@common`] | what can be set of every vendor alike |
//! | [`describe`] | what a vendor's document says of its routes, parameters and answers |
//! | [`event`] | what an entry becomes on the way in |
//! | [`params`] | query parameters as vendors take them: last one wins, empty is absent, unknown is ignored; numbers, times, lists |
//! | [`list`] | what a request for a list asks for; how a cursor or a page's number goes on with it |
//! | [`conditions`], [`time`] | conditions that filters have in common; which time is shown, and how it is written |
//! | [`words`] | a vendor's words for ours, as tables that settings may change |
//! | [`json`] | JSON with its members in a stated order |
//! | [`mounts`] | under which paths and hosts a vendor's API is |
//! | [`rate`] | how many requests a key may make |
//! | [`settings`] | what an operator may set |
//! | [`bigpanda`], [`frameio`], [`nirvana`], [`panda`], [`plandocket`] | BigPanda, Frame.io, Nirvana Labs, Panda Video, PlanDocket |
//!
//! None of it does input or output or knows the time. How a vendor is added, step by step: `docs/how-to/add-a-dialect.md`.
//!
//! The names are those of other companies and say only whose clients are answered; annals is not affiliated with any of them.

use std::collections::BTreeMap;

pub mod api;
pub mod bigpanda;
pub mod common;
pub mod conditions;
pub mod describe;
pub mod event;
pub mod frameio;
pub mod json;
pub mod list;
pub mod mounts;
pub mod nirvana;
pub mod panda;
pub mod params;
pub mod plandocket;
pub mod rate;
pub mod settings;
#[cfg(test)]
pub(crate) mod testing;
pub mod time;
pub mod words;

pub use api::{Address, Api, Envelope, Form, KeyPlace, Paging, Refused, Shown, Vendor};
pub use common::Common;
pub use describe::{Kind, Member, Named, Route};
pub use event::Event;
pub use list::{Direction, List, PageNumber, PageSize, SortKey};
pub use mounts::{Mount, Mounted, Place, Places};
pub use params::{Params, Refusal, Span};
pub use rate::{Allowance, Allowances, Rate};
pub use settings::{Bounds, Given, Setting, Wrong};
pub use time::Time;

/// Every vendor.
pub const VENDORS: &[&Vendor] =
    &[&bigpanda::VENDOR, &frameio::VENDOR, &nirvana::VENDOR, &panda::VENDOR, &plandocket::VENDOR];

/// How all vendors' settings stand together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialects {
    /// BigPanda.
    pub bigpanda: bigpanda::BigPanda,
    /// Frame.io.
    pub frameio: frameio::Frameio,
    /// Nirvana Labs.
    pub nirvana: nirvana::Nirvana,
    /// Panda Video.
    pub panda: panda::Panda,
    /// PlanDocket.
    pub plandocket: plandocket::PlanDocket,
    /// How much of each vendor's API is given, by its name; all of it where nothing is said.
    pub bounds: BTreeMap<&'static str, Bounds>,
    /// Where vendors' APIs are beside the root.
    pub mounts: Vec<Mount>,
}

/// The setting of [`Dialects::mounts`].
const MOUNTS: Setting = Setting::list(
    "dialects.mounts",
    "[\"/acme/video acme panda\", \"*.docket.example.com * plandocket window_days=90\"]",
    "Where vendors' APIs are beside the root, each as `PLACE TENANT VENDOR` and, where it has a window, `window_days=N`. A place is \
     a prefix, a host, or both; of a host `*.…` the first label is the tenant, when the tenant is `*`.",
);

impl Dialects {
    /// Every setting: those of all vendors, then what they share.
    pub fn settings() -> impl Iterator<Item = &'static Setting> {
        const SHARED: &[Setting] = &[MOUNTS];
        VENDORS.iter().flat_map(|vendor| vendor.common.iter().chain(vendor.settings)).chain(SHARED)
    }

    /// Reads what was given.
    ///
    /// # Errors
    ///
    /// A value that does not fit.
    pub fn read(given: &Given<'_>) -> Result<Self, Wrong> {
        let bounds = VENDORS.iter().copied().map(|vendor| Ok((vendor.name, given.bounds(vendor.name)?)));
        let mount =
            |text: String| Mount::parse(&text).map_err(|problem| Wrong::new(MOUNTS.key, &text, problem));
        Ok(Self {
            bigpanda: bigpanda::BigPanda::configured(given)?,
            frameio: frameio::Frameio::configured(given)?,
            nirvana: nirvana::Nirvana::configured(given)?,
            panda: panda::Panda::configured(given)?,
            plandocket: plandocket::PlanDocket::configured(given)?,
            bounds: bounds.collect::<Result<_, _>>()?,
            mounts: given.list(MOUNTS.key).into_iter().map(mount).collect::<Result<_, _>>()?,
        })
    }

    /// The bounds of a vendor.
    #[must_use]
    pub fn bounds_of(&self, vendor: &Vendor) -> Bounds {
        self.bounds.get(vendor.name).copied().unwrap_or_default()
    }

    /// Everything that leads to vendors' APIs.
    #[must_use]
    pub fn places(&self) -> Places {
        let of_panda = self.panda.paths.iter().map(|path| (path.clone(), panda::PATH));
        Places::new(self.mounts.clone(), of_panda.collect())
    }
}

impl Vendor {
    /// The vendor whose path this is.
    #[must_use]
    pub fn of_path(path: &str) -> Option<&'static Self> {
        VENDORS.iter().copied().find(|vendor| vendor.owns(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_belongs_to_its_vendor_and_has_a_default_that_fits() {
        for setting in Dialects::settings() {
            let section = setting.key.strip_prefix("dialects.").unwrap();
            let is_vendors = VENDORS.iter().any(|vendor| {
                vendor.common.iter().chain(vendor.settings).any(|of| of.key == setting.key)
                    && section.strip_prefix(vendor.name).is_some_and(|name| name.starts_with('.'))
            });
            assert!(is_vendors || setting.key == MOUNTS.key, "{}", setting.key);
        }
        for vendor in VENDORS {
            for shared in ["time", "order", "window_days", "limits"] {
                let key = format!("dialects.{}.{shared}", vendor.name);
                assert!(vendor.common.iter().any(|setting| setting.key == key), "{key} is no setting");
            }
        }
        let defaults = |key: &str| {
            let setting = Dialects::settings().find(|setting| setting.key == key);
            setting
                .unwrap_or_else(|| panic!("`{key}` is no setting"))
                .default
                .map(|text| vec![text.to_owned()])
        };
        let read = Dialects::read(&Given::new(&defaults)).unwrap();
        assert_eq!(Dialects { bounds: BTreeMap::new(), ..read }, Dialects::default());
    }

    #[test]
    fn no_two_vendors_share_a_root() {
        for (index, vendor) in VENDORS.iter().enumerate() {
            for root in vendor.roots {
                let others = VENDORS.iter().enumerate().filter(|(other, _)| *other != index);
                assert!(others.clone().all(|(_, other)| !other.owns(root)), "{root}");
                assert!(root.starts_with('/') && !root.ends_with('/'), "{root}");
            }
        }
    }
}
