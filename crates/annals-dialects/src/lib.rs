//! What each vendor's audit log API says on the wire, so that annals answers a client that was written for it.
//!
//! A vendor is one folder: `README.md` lists what it documents, our readings where it is silent, and what differs; `mod.rs`
//! reads its questions and writes its answers. What all of them share is here, so that a folder reads as a table of
//! differences:
//!
//! | module | does |
//! |---|---|
//! | [`params`] | query parameters as vendors take them: last one wins, empty is absent, unknown is ignored |
//! | [`list`] | what a request for a list asks for, and how a cursor goes on with it |
//! | [`json`] | JSON with its members in a stated order |
//! | [`nirvana`] | Nirvana Labs |
//!
//! A vendor has four functions, none of which does input or output or knows the time: one reads the parameters of a list into
//! a [`List`], one writes a record as an entry, one what comes after a page's entries, one an error. Where its routes are, and how
//! its errors look, is a [`Vendor`]; whoever serves them answers below [`Vendor::root`] in no other form.
//!
//! The names are those of other companies and say only whose clients are answered; annals is not affiliated with any of them.

pub mod json;
pub mod list;
pub mod nirvana;
pub mod params;

pub use list::{Direction, List, Page, PageSize, SortKey};
pub use params::{Params, Refusal};

/// Every vendor.
pub const VENDORS: [&Vendor; 1] = [&nirvana::VENDOR];

/// What is said of a vendor before any request is read.
#[derive(Debug)]
pub struct Vendor {
    /// Its name, as in a key's `dialects` and in settings.
    pub name: &'static str,
    /// The path of its list, without a slash at the end. What is below it is the vendor's too.
    pub root: &'static str,
    /// How many records a page of it has.
    pub page_size: PageSize,
    /// Writes an error's body, from its HTTP status and a message for people.
    pub write_error: fn(status: u16, message: &str) -> Vec<u8>,
}

/// How all vendors' settings stand together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dialects {
    /// Nirvana Labs.
    pub nirvana: nirvana::Nirvana,
}

impl Vendor {
    /// The vendor whose path this is.
    #[must_use]
    pub fn of_path(path: &str) -> Option<&'static Self> {
        VENDORS.into_iter().find(|vendor| {
            path.strip_prefix(vendor.root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_a_vendor_by_whole_segments() {
        for (path, vendor) in [
            ("/v1/audit_logs", Some("nirvana")),
            ("/v1/audit_logs/", Some("nirvana")),
            ("/v1/audit_logs/e1/x", Some("nirvana")),
            ("/v1/audit_logs2", None),
            ("/v1/events", None),
            ("", None),
        ] {
            assert_eq!(Vendor::of_path(path).map(|vendor| vendor.name), vendor, "{path}");
        }
    }
}
